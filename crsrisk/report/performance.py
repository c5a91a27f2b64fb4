"""How the model does: the evaluation and the benchmark as tables and sentences, per product and
pooled clearly apart.

Reads an :class:`crsrisk.evaluation.evaluate.Evaluation`, computes nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crsrisk.evaluation.benchmark import Benchmark, BenchmarkRow, GroupBenchmark
from crsrisk.evaluation.decision_curve import Band, NetBenefitCurve
from crsrisk.evaluation.evaluate import Evaluation, GroupEvaluation
from crsrisk.plots.chart_data import BenchmarkMark
from crsrisk.report.sections import Cell, Row, RowGroup, Table, row, rows_group, table
from crsrisk.results import Estimate, NotEstimable
from crsrisk.wording import MISSING, estimate_in_words, number, of_100, plain_name, typeset

SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class BenchmarkSection:
    """Sentences, what the figure is drawn from (the oracle on top), and the tables of the
    benchmark; ``is_pooled``: it holds several products.
    """

    is_pooled: bool
    marks: tuple[BenchmarkMark, ...]
    sentences: tuple[str, ...]
    table: Table
    by_product: Table


@dataclass(frozen=True)
class Method:
    """A figure and how it and its interval are computed."""

    figure: str
    method: str


@dataclass(frozen=True)
class PerformanceSection:
    """How the model does in held-out patients.

    ``products`` have figures of their own, ``calibrated`` of them a calibration curve and
    ``with_net_benefit`` a decision curve; why the others have none stands beside, in sentences.
    """

    outcome: str
    benchmark: BenchmarkSection | None
    tables: tuple[Table, ...]
    net_benefit: Table | None
    products: tuple[str, ...]
    calibrated: tuple[str, ...]
    calibration_not_estimable: tuple[str, ...]
    with_net_benefit: tuple[str, ...]
    net_benefit_not_estimable: tuple[str, ...]
    methods: tuple[Method, ...]


def performance_section(
    evaluation: Evaluation, *, labels: Mapping[str, str], order: Sequence[str]
) -> PerformanceSection:
    """Everything about performance, products in ``order``, by their labels."""
    groups = {name: evaluation.by_group[name] for name in order if name in evaluation.by_group}
    benchmark = evaluation.benchmark
    return PerformanceSection(
        outcome=typeset(evaluation.outcome_name),
        benchmark=(
            None if benchmark is None else benchmark_section(benchmark, labels=labels, order=order)
        ),
        tables=tuple(performance_tables(evaluation, labels=labels, order=order)),
        net_benefit=net_benefit_table(evaluation),
        products=tuple(groups),
        calibrated=tuple(
            name
            for name, group in groups.items()
            if not isinstance(group.calibration.curve, NotEstimable)
        ),
        calibration_not_estimable=tuple(calibration_reasons(groups, labels=labels)),
        with_net_benefit=tuple(
            name
            for name, group in groups.items()
            if not isinstance(group.net_benefit, NotEstimable)
        ),
        net_benefit_not_estimable=tuple(net_benefit_reasons(groups, labels=labels)),
        methods=tuple(
            Method(typeset(figure), typeset(method))
            for figure, method in evaluation.methods.items()
        ),
    )


def predictor_label(predictor: BenchmarkRow, *, product_only: str) -> str:
    """What a predictor is called in figures and tables; ``product_only``: the name of that one."""
    label = plain_name(predictor.name)
    if predictor.kind == "null":
        return "Null: one risk for everybody"
    if predictor.name == product_only:
        return "Product only: its event rate"
    if predictor.kind == "model":
        return "This model"
    if predictor.kind == "oracle":
        return f"Oracle: {label.removeprefix('oracle (').removesuffix(')')}"
    return f"{label[:1].upper()}{label[1:]}"


def benchmark_section(
    benchmark: Benchmark, *, labels: Mapping[str, str], order: Sequence[str]
) -> BenchmarkSection:
    """Sentences, marks of the figure and tables, the oracle on top."""
    pooled = benchmark.pooled
    predictors = [
        (predictor_label(predictor, product_only=benchmark.product_only), predictor)
        for predictor in reversed(pooled.rows)
    ]
    is_pooled = any(predictor.auroc_within_product is not None for _, predictor in predictors)
    return BenchmarkSection(
        is_pooled=is_pooled,
        marks=tuple(_mark(label, predictor) for label, predictor in predictors),
        sentences=tuple(benchmark_sentences(benchmark)),
        table=_benchmark_table(
            predictors, n_patients=pooled.n_patients, is_pooled=is_pooled, about=benchmark.notes
        ),
        by_product=_by_product_table(benchmark, labels=labels, order=order),
    )


def _mark(label: str, predictor: BenchmarkRow) -> BenchmarkMark:
    return BenchmarkMark(
        label=label,
        kind=predictor.kind,
        gain=predictor.gain_over_product_only,
        auroc=predictor.auroc_within_product,
        auroc_upper=predictor.auroc_within_product_upper,
        auroc_mixed=predictor.auroc,
        auroc_mixed_upper=predictor.auroc_upper,
    )


def benchmark_sentences(benchmark: Benchmark) -> list[str]:
    """The share of what can be known, and what stands behind the figure."""
    pooled = benchmark.pooled
    share = pooled.share_of_oracle_gain
    if isinstance(share, NotEstimable):
        first = (
            f"Which share of the knowable the model has learnt cannot be estimated: {share.reason}."
        )
    else:
        first = (
            f"Of what an oracle that knows {benchmark.truth} gains over knowing the product alone"
            f" (log loss), the model gains {number(100 * share.value, digits=0)} per cent (95%"
            f" interval {number(100 * share.low, digits=0)} to"
            f" {number(100 * share.high, digits=0)})."
        )
    replicates = sorted({benchmark.n_replicates_min, benchmark.n_replicates_max})
    second = (
        f"{number(pooled.n_patients, digits=0)} held-out patients were simulated again"
        f" {' to '.join(number(n, digits=0) for n in replicates)} times each; every predictor is"
        " scored under the risk so found, not under one random outcome. No real patient has such a"
        " known risk."
    )
    return [first, second]


def _benchmark_table(
    predictors: Sequence[tuple[str, BenchmarkRow]],
    *,
    n_patients: int,
    is_pooled: bool,
    about: Mapping[str, str],
) -> Table:
    columns = [
        ("Log loss", "nats (95% interval)"),
        ("Gain over product only", "nats (95% interval)"),
        *([("AUROC, patients of one product", "(95% interval)")] if is_pooled else []),
        ("AUROC, all patients mixed", "(95% interval)"),
    ]
    rows = []
    for label, predictor in predictors:
        within = _auroc(predictor.auroc_within_product, predictor.auroc_within_product_upper)
        rows.append(
            row(
                label,
                [
                    estimate_in_words(predictor.log_loss, digits=3),
                    estimate_in_words(predictor.gain_over_product_only, digits=3),
                    *([within] if is_pooled else []),
                    _auroc(predictor.auroc, predictor.auroc_upper),
                ],
                is_strong=predictor.kind == "model",
            )
        )
    return table(
        "benchmark",
        number="4",
        title="From knowing nothing to knowing all: the benchmark",
        row_header="Predictor",
        columns=columns,
        rows=rows,
        notes=[
            (
                f"Scored under the true risk of {number(n_patients, digits=0)} held-out patients."
                " Log loss: 0 is best. Entropies are corrected for the finite number of"
                " repetitions (Miller-Madow)."
            ),
            (
                "An oracle's AUROC lies between the value and the upper bound after “at most”. Each"
                " oracle is scored under its own truth."
            ),
            *(
                f"{label}: {about[predictor.name]}"
                for label, predictor in predictors
                if predictor.name in about
            ),
        ],
    )


def _auroc(estimate: Estimate | NotEstimable | None, upper: float | None) -> str:
    if estimate is None:
        return MISSING
    return estimate_in_words(estimate) + ("" if upper is None else f", at most {number(upper)}")


def _by_product_table(
    benchmark: Benchmark, *, labels: Mapping[str, str], order: Sequence[str]
) -> Table:
    """Product, model and oracle side by side for every product with its own benchmark."""
    rows, reasons = [], []
    for product in [name for name in order if name in benchmark.by_product]:
        group, label = benchmark.by_product[product], labels[product]
        if isinstance(group, NotEstimable):
            rows.append(row(label, [MISSING, *["not estimable"] * 4]))
            reasons.append((label, f"{group.reason}."))
            continue
        rows.append(row(label, _product_cells(group)))
        if isinstance(group.share_of_oracle_gain, NotEstimable):
            reasons.append((label, f"{group.share_of_oracle_gain.reason}."))
    return table(
        "benchmark-product",
        number="5",
        title="The same within each product",
        row_header="Product",
        columns=[
            ("Re-simulated", "patients"),
            ("Gain of the model", "nats (95% interval)"),
            ("Share of the oracle’s gain", "per cent (95% interval)"),
            ("AUROC within the product, model", "(95% interval)"),
            ("AUROC within the product, oracle", "(95% interval)"),
        ],
        rows=rows,
        notes=_folded(reasons),
    )


def _product_cells(group: GroupBenchmark) -> list[Cell]:
    # the first oracle is the one measured against
    by_kind = {predictor.kind: predictor for predictor in reversed(group.rows)}
    model, oracle = by_kind["model"], by_kind["oracle"]
    return [
        number(group.n_patients, digits=0),
        estimate_in_words(model.gain_over_product_only, digits=3),
        estimate_in_words(group.share_of_oracle_gain, digits=0, factor=100),
        estimate_in_words(model.auroc),
        _auroc(oracle.auroc, oracle.auroc_upper),
    ]


def _folded(reasons: Sequence[tuple[str, str]]) -> list[str]:
    """Labels with their reasons; those with the same reason in one note."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in reasons:
        by_reason.setdefault(reason, []).append(label)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def performance_tables(
    evaluation: Evaluation, *, labels: Mapping[str, str], order: Sequence[str]
) -> list[Table]:
    """Discrimination and calibration: first everybody together, then, apart from it, each
    product.
    """
    groups = {name: evaluation.by_group[name] for name in order if name in evaluation.by_group}
    return [
        _discrimination_table(evaluation, groups, labels=labels),
        _calibration_table(evaluation, groups, labels=labels),
    ]


Groups = Mapping[str, GroupEvaluation]


def _grouped_rows(
    evaluation: Evaluation,
    groups: Groups,
    *,
    labels: Mapping[str, str],
    cells: Callable[[GroupEvaluation], list[Cell]],
) -> list[RowGroup]:
    pooled: Row = row("All products", cells(evaluation.pooled), is_strong=True)
    return [
        rows_group("Pooled: depends on the mix of products", [pooled]),
        rows_group(
            "Within each product",
            [row(labels[name], cells(group)) for name, group in groups.items()],
        ),
    ]


def _discrimination_table(
    evaluation: Evaluation, groups: Groups, *, labels: Mapping[str, str]
) -> Table:
    within = estimate_in_words(evaluation.auroc_within_groups)
    return table(
        "discrimination",
        number="6",
        title="Held-out patients: how well risks are ranked",
        row_header="",
        columns=[
            ("Patients", ""),
            ("Events", ""),
            ("AUROC", "(95% interval)"),
            ("Discrimination slope", "(95% interval)"),
            ("Brier score", "(95% interval)"),
            ("Log loss", "nats (95% interval)"),
        ],
        rows=_grouped_rows(evaluation, groups, labels=labels, cells=_discrimination_cells),
        notes=[
            (
                "The pooled AUROC is high when products differ in risk, even for a model that"
                " knows the product alone. Among pairs of patients of one product it is"
                f" {within}."
            ),
            *not_estimable_notes(
                {name: group.auroc for name, group in groups.items()}, labels=labels
            ),
        ],
    )


def _discrimination_cells(group: GroupEvaluation) -> list[Cell]:
    return [
        number(group.n, digits=0),
        number(group.n_events, digits=0),
        estimate_in_words(group.auroc),
        estimate_in_words(group.discrimination_slope),
        estimate_in_words(group.brier, digits=3),
        estimate_in_words(group.log_loss, digits=3),
    ]


def _calibration_table(
    evaluation: Evaluation, groups: Groups, *, labels: Mapping[str, str]
) -> Table:
    return table(
        "calibration",
        number="7",
        title="Held-out patients: whether 30 of 100 means 30 of 100",
        row_header="",
        columns=[
            ("Observed / expected", "ideal 1 (95% interval)"),
            ("Intercept", "ideal 0 (95% interval)"),
            ("Slope", "ideal 1 (95% interval)"),
            ("ICI", "of 100 (95% interval)"),
            ("ICI of exact risks", "of 100, 95% range"),
        ],
        rows=_grouped_rows(evaluation, groups, labels=labels, cells=_calibration_cells),
        notes=[
            (
                "Intercept: calibration in the large, slope fixed at 1. ICI: mean distance of the"
                " calibration curve from the diagonal; even exact risks show one, its range stands"
                " beside."
            ),
            *calibration_reasons(groups, labels=labels),
        ],
    )


def _calibration_cells(group: GroupEvaluation) -> list[Cell]:
    calibration, curve = group.calibration, group.calibration.curve
    if isinstance(curve, NotEstimable):
        ici, if_perfect = "not estimable", MISSING
    else:
        ici = estimate_in_words(curve.ici, digits=1, factor=100)
        low, high = (
            number(100 * end, digits=1)
            for end in (curve.ici_if_perfect.low, curve.ici_if_perfect.high)
        )
        if_perfect = f"{low} to {high}"
    return [
        estimate_in_words(calibration.observed_to_expected),
        estimate_in_words(calibration.in_the_large),
        estimate_in_words(calibration.slope),
        ici,
        if_perfect,
    ]


def not_estimable_notes(figures: Mapping[str, object], *, labels: Mapping[str, str]) -> list[str]:
    """Why figures are not estimable, each reason once, with the products that it holds for."""
    return _folded(
        [
            (labels[name], f"not estimable, {figure.reason}.")
            for name, figure in figures.items()
            if isinstance(figure, NotEstimable)
        ]
    )


def calibration_reasons(groups: Groups, *, labels: Mapping[str, str]) -> list[str]:
    """Why products have no calibration curve."""
    curves = {name: group.calibration.curve for name, group in groups.items()}
    return not_estimable_notes(curves, labels=labels)


def net_benefit_reasons(groups: Groups, *, labels: Mapping[str, str]) -> list[str]:
    """Why products have no decision curve."""
    curves = {name: group.net_benefit for name, group in groups.items()}
    return not_estimable_notes(curves, labels=labels)


def net_benefit_table(evaluation: Evaluation) -> Table | None:
    """Net benefit at a few thresholds, all products together; None when it is not estimable."""
    curve = evaluation.pooled.net_benefit
    if isinstance(curve, NotEstimable):
        return None
    return table(
        "net-benefit",
        number="8",
        title="Net benefit at five thresholds, all products together",
        row_header="Threshold",
        columns=[
            ("At or above it", "patients"),
            ("Model", "per 100 (95% interval)"),
            ("Treat everybody", "per 100 (95% interval)"),
            ("Model − everybody", "per 100 (95% interval)"),
            ("Needless treatments spared", "per 100 (95% interval)"),
        ],
        rows=[
            row(f"{of_100(float(threshold))} of 100", _net_benefit_cells(curve, at))
            for at, threshold in enumerate(curve.threshold)
            if round(float(threshold), 6) in SHOWN_THRESHOLDS
        ],
        notes=[
            "Net benefit: events found per 100 patients, needless treatments subtracted at the odds"
            " of the threshold; treating nobody is 0. It values finding an event, not what a"
            " treatment does to the patient. Spared: against treating everybody, at equal events"
            " found."
        ],
    )


def _net_benefit_cells(curve: NetBenefitCurve, at: int) -> list[Cell]:
    """The cells of the threshold at that place of the curve."""

    def in_words(band: Band, *, digits: int, factor: float) -> str:
        estimate = Estimate(float(band.value[at]), float(band.low[at]), float(band.high[at]))
        return estimate_in_words(estimate, digits=digits, factor=factor)

    return [
        number(curve.n_true_positive[at] + curve.n_false_positive[at], digits=0),
        in_words(curve.model, digits=1, factor=100),
        in_words(curve.treat_all, digits=1, factor=100),
        in_words(curve.model_minus_treat_all, digits=1, factor=100),
        in_words(curve.interventions_avoided_per_100, digits=0, factor=1),
    ]
