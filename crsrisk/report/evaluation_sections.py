"""Sections of an evaluation about the model in its patients: figures with intervals, comparison
with simpler models, subgroups and where their differences come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crsrisk.evaluation.calibration import CalibrationCurve
from crsrisk.evaluation.decision_curve import Band, NetBenefitCurve
from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.evaluation.paired_comparison import ModelComparison
from crsrisk.evaluation.parts import VARIABLES
from crsrisk.evaluation.subgroups import GapDecomposition, Subgroup
from crsrisk.report.performance import net_benefit_table, performance_tables
from crsrisk.report.sections import (
    Figure,
    Row,
    RowGroup,
    Section,
    Table,
    figure,
    row,
    rows_group,
    section,
    table,
)
from crsrisk.results import NotEstimable
from crsrisk.wording import MISSING, estimate_in_words, number, of_100

ESTIMATE = ("Estimate", "(95% interval)")
_THRESHOLDS = (0.1, 0.2, 0.3, 0.4)  # of the comparison of net benefits
_PARTS = {
    "base rate": "Base rate",
    "missingness": "Missing values",
    "case mix": "Case mix",
    "measurement": "Measurement",
    "sample share": "Sample share",
    "model": "Model",
    "model and case mix": "Model and case mix",
}
_SMALL = "* fewer than 30 patients with or without the event: read the interval, not the figure."


def performance_section(evaluation: Evaluation, *, labels: Mapping[str, str]) -> Section:
    """Discrimination, calibration, overall performance, net benefit and the distribution of
    risks.
    """
    pooled, order = evaluation.pooled, list(evaluation.by_group)
    tables = [
        _all_figures(evaluation),
        *performance_tables(evaluation, labels=labels, order=order),
    ]
    if (benefit := net_benefit_table(evaluation)) is not None:
        tables.append(benefit)
    return section(
        "performance",
        title="How good the risks are",
        lead=(
            f"In {number(pooled.n, digits=0)} patients, {number(pooled.n_events, digits=0)} of them"
            " with the event, the AUROC among patients of one product is"
            f" {estimate_in_words(evaluation.auroc_within_groups)}, and over all products mixed"
            f" {estimate_in_words(pooled.auroc)}."
        ),
        sentences=[
            "No accuracy, F1 or area under the precision-recall curve: none of them rewards honest"
            " risks, and each hides a threshold that nobody chose."
        ],
        tables=tables,
        figures=_performance_figures(evaluation, labels),
    )


def _performance_figures(evaluation: Evaluation, labels: Mapping[str, str]) -> list[Figure]:
    pooled = evaluation.pooled
    by_label = {labels[name]: group for name, group in evaluation.by_group.items()}
    return [
        figure(
            "calibration",
            title="Calibration.",
            style="half",
            panels=[("calibration", "all products", pooled)],
            text=(
                "Spline with its 95% bootstrap band; the diagonal is perfect. Below: where"
                " predicted risks lie."
            ),
        ),
        figure(
            "benefit",
            title="Decision curve.",
            style="half",
            panels=[("net_benefit", "all products", pooled)],
            text=(
                "Events found per 100 patients, needless treatments subtracted at the odds of the"
                " threshold."
            ),
        ),
        figure(
            "risks",
            title="Predicted risk by outcome.",
            panels=[("risk_distribution", "", {"All products": pooled, **by_label})],
            text="Thin line: 5 to 95 of 100 patients; bar: the middle half; stroke: the median.",
        ),
    ]


def _all_figures(evaluation: Evaluation) -> Table:
    """Every figure with its interval. A flat list: one row a figure."""
    pooled, calibration = evaluation.pooled, evaluation.pooled.calibration
    words = estimate_in_words
    discrimination = [
        row(
            "AUROC, pairs of one product",
            [words(evaluation.auroc_within_groups), "pairs weighed alike; DeLong"],
        ),
        row(
            "AUROC, all patients mixed",
            [words(pooled.auroc), "DeLong; rises with the mix of products"],
        ),
        row(
            "Discrimination slope",
            [words(pooled.discrimination_slope), "mean risk with minus without the event"],
        ),
    ]
    calibrated = [
        row(
            "Observed / expected",
            [words(calibration.observed_to_expected), "ideal 1; normal on the log scale"],
        ),
        row(
            "Intercept, slope fixed at 1",
            [words(calibration.in_the_large), "ideal 0; calibration in the large; Wald"],
        ),
        row("Slope", [words(calibration.slope), "ideal 1; below: risks too extreme; Wald"]),
        row(
            "Intercept, fitted with the slope",
            [words(calibration.intercept_joint), "says little without the slope"],
        ),
    ]
    overall = [
        row("Brier score", [words(pooled.brier, digits=3), "0 best"]),
        row(
            "Scaled Brier score",
            [words(pooled.scaled_brier), "1 best, 0: no better than the rate; delta method"],
        ),
        row("Log loss, nats", [words(pooled.log_loss, digits=3), "0 best"]),
    ]
    curve, loess = calibration.curve, evaluation.loess_curve
    return table(
        "all-figures",
        title="All products together: every figure with its interval",
        row_header="Figure",
        columns=[ESTIMATE, ("Remark", "")],
        rows=[
            rows_group("Discrimination", discrimination),
            rows_group("Calibration", calibrated),
            rows_group(
                f"Distance of the curve from the diagonal: {_smoother(curve)}", _distances(curve)
            ),
            rows_group(f"The same: {_smoother(loess)}", _distances(loess)),
            rows_group("Overall", overall),
        ],
        words=[1],
        notes=[
            f"{number(pooled.n_risks_clipped, digits=0)} risks nearer than 1 in a million to 0 or 1"
            " were moved there for logits and log loss. Distances are percentile bootstraps; they"
            " start at 0 where exact risks could have given as much."
        ],
    )


def _distances(curve: CalibrationCurve | NotEstimable) -> list[Row]:
    if isinstance(curve, NotEstimable):
        return [row("ICI, E50, E90, Emax", ["not estimable", curve.reason])]
    distances = (
        (curve.ici, "ICI: mean distance, of 100"),
        (curve.e50, "E50: median distance, of 100"),
        (curve.e90, "E90: 90th percentile, of 100"),
        (curve.emax, "Emax: largest distance, of 100"),
    )
    return [
        row(label, [estimate_in_words(distance, digits=1, factor=100), ""])
        for distance, label in distances
    ]


def _smoother(curve: CalibrationCurve | NotEstimable) -> str:
    return curve.smoother if isinstance(curve, CalibrationCurve) else "smoothed curve"


def comparison_section(
    comparisons: Sequence[ModelComparison], *, net_benefit: NetBenefitCurve | NotEstimable
) -> Section:
    """The model against each comparator on the same patients; ``net_benefit``: the model's decision
    curve, whose thresholds the comparisons share.
    """
    thresholds = (
        [] if isinstance(net_benefit, NotEstimable) else [float(at) for at in net_benefit.threshold]
    )
    shown = [place for place, at in enumerate(thresholds) if round(at, 6) in _THRESHOLDS]
    rows = [
        row(
            comparison.other,
            [
                estimate_in_words(comparison.auroc_within_groups, digits=3),
                estimate_in_words(comparison.auroc, digits=3),
                estimate_in_words(comparison.brier, digits=4),
                estimate_in_words(comparison.log_loss, digits=4),
            ],
        )
        for comparison in comparisons
    ]
    benefits = [
        row(comparison.other, _benefits(comparison.net_benefit, shown))
        for comparison in comparisons
    ]
    return section(
        "comparison",
        title="Is it better than something simpler?",
        lead=(
            "Differences are model minus comparator in the same patients, with paired 95%"
            " intervals; one that holds 0 is no difference that these patients show."
        ),
        tables=[
            table(
                "paired",
                title="Model minus comparator",
                row_header="Comparator",
                columns=[
                    ("AUROC, within products", "above 0: model better"),
                    ("AUROC, all mixed", "above 0: model better"),
                    ("Brier score", "below 0: model better"),
                    ("Log loss, nats", "below 0: model better"),
                ],
                rows=rows,
                notes=[
                    "AUROC: DeLong's paired variance; losses: normal interval of the mean"
                    " difference."
                ],
            ),
            table(
                "paired-benefit",
                title="Net benefit, model minus comparator, per 100 patients",
                row_header="Comparator",
                columns=[(f"At {of_100(thresholds[at])} of 100", "(95% interval)") for at in shown],
                rows=benefits,
                notes=["Paired percentile bootstrap, each threshold for itself."],
            ),
        ],
    )


def _benefits(band: Band | NotEstimable, places: Sequence[int]) -> list[str]:
    if isinstance(band, NotEstimable):
        return ["not estimable"] * len(places)
    return [estimate_in_words(band.at(place), digits=1, factor=100) for place in places]


def subgroups_section(
    groups: Sequence[Subgroup],
    gaps: Mapping[str, GapDecomposition | NotEstimable],
    *,
    threshold: float,
) -> Section:
    """Subgroups with their figures, their differences to the rest, and where gaps come from."""
    known = [gap for gap in gaps.values() if isinstance(gap, GapDecomposition)]
    sentences = ["About one in twenty differences leaves 0 outside its interval by chance alone."]
    if gaps and not known:
        sentences.append(
            "No gap could be traced to its parts: too few patients with a known true risk in each"
            " group."
        )
    return section(
        "subgroups",
        title="For whom it works less well",
        lead=(
            "Figures of each group, and their differences to all other patients. There is no"
            " verdict: whether a gap matters depends on what is done with the risk."
        ),
        sentences=sentences,
        tables=[
            *_subgroup_tables(groups, threshold),
            *([_gap_table(known, gaps)] if known else []),
        ],
    )


def _subgroup_tables(groups: Sequence[Subgroup], threshold: float) -> list[Table]:
    at = f"At {of_100(threshold)} of 100"
    return [
        table(
            "subgroups",
            title="Discrimination and calibration by group",
            row_header="Group",
            columns=[
                ("Patients", ""),
                ("Events", ""),
                ("AUROC", "within products"),
                ("AUROC", "products mixed"),
                ("Observed / expected", "ideal 1"),
                ("Intercept", "slope fixed at 1"),
                ("Slope", "ideal 1"),
                ("ICI", "of 100"),
            ],
            rows=_by_variable(groups, _figures_of),
            notes=[_SMALL, "95% intervals in brackets."],
        ),
        table(
            "subgroups-acting",
            title="If somebody acted on the risk",
            row_header="Group",
            columns=[
                ("Event rate", "of 100"),
                ("Sensitivity", f"{at}, of 100"),
                ("Specificity", f"{at}, of 100"),
                ("Net benefit", f"{at}, per 100"),
                ("Scaled Brier", ""),
            ],
            rows=_by_variable(groups, _acting_on),
            notes=[
                "The threshold was declared before the figures were seen; Wilson's intervals,"
                " bootstrap for net benefit."
            ],
        ),
        table(
            "subgroups-differences",
            title="Group minus all other patients",
            row_header="Group",
            columns=[
                ("AUROC", "within products"),
                ("AUROC", "products mixed"),
                ("Observed / expected", ""),
                ("Intercept", ""),
                ("Slope", ""),
                ("Log loss", "nats"),
            ],
            rows=_by_variable(groups, _minus_rest),
            notes=["Percentile bootstrap, both sides drawn anew."],
        ),
    ]


def _by_variable(
    groups: Sequence[Subgroup], cells: Callable[[Subgroup], list[str]]
) -> list[RowGroup]:
    variables = dict.fromkeys(group.variable for group in groups)
    return [
        rows_group(
            VARIABLES.get(variable, variable),
            [
                row(group.label + (" *" if group.is_small else ""), cells(group))
                for group in groups
                if group.variable == variable
            ],
        )
        for variable in variables
    ]


def _figures_of(group: Subgroup) -> list[str]:
    return [
        number(group.n, digits=0),
        number(group.n_events, digits=0),
        estimate_in_words(group.auroc_within_product),
        estimate_in_words(group.auroc),
        estimate_in_words(group.observed_to_expected),
        estimate_in_words(group.in_the_large),
        estimate_in_words(group.slope),
        estimate_in_words(group.ici, digits=1, factor=100),
    ]


def _acting_on(group: Subgroup) -> list[str]:
    acting = group.at_threshold
    return [
        estimate_in_words(group.event_rate, digits=0, factor=100),
        estimate_in_words(acting.sensitivity, digits=0, factor=100),
        estimate_in_words(acting.specificity, digits=0, factor=100),
        estimate_in_words(acting.net_benefit, digits=1, factor=100),
        estimate_in_words(group.scaled_brier),
    ]


def _minus_rest(group: Subgroup) -> list[str]:
    return [
        estimate_in_words(group.minus_rest[name], digits=digits)
        for name, digits in (
            ("auroc_within_product", 2),
            ("auroc", 2),
            ("observed_to_expected", 2),
            ("in_the_large", 2),
            ("slope", 2),
            ("log_loss", 3),
        )
    ]


def _gap_table(
    known: Sequence[GapDecomposition], gaps: Mapping[str, GapDecomposition | NotEstimable]
) -> Table:
    names = [name for name in _PARTS if any(name in gap.parts for gap in known)]
    rows = [
        row(
            gap.group,
            [
                estimate_in_words(gap.total, digits=3),
                *(
                    estimate_in_words(gap.parts[name], digits=3) if name in gap.parts else MISSING
                    for name in names
                ),
            ],
        )
        for gap in known
    ]
    notes = [
        f"{group}: not estimable, {gap.reason}."
        for group, gap in gaps.items()
        if isinstance(gap, NotEstimable)
    ]
    truth = (
        "Base rate and case mix: what an oracle with full knowledge would show too. Measurement:"
        " what gaps and errors of measurement cost the group more. Sample share: what a model"
        " fitted to equal shares takes away. Model: the rest."
        if any(gap.knows_the_truth for gap in known)
        else "Without the truth, model and case mix cannot be told apart."
    )
    return table(
        "gaps",
        title="Where a gap in log loss comes from (nats, group minus the others)",
        row_header="Group",
        columns=[("Gap", "(95% interval)"), *((_PARTS[name], "") for name in names)],
        rows=rows,
        notes=["The parts add up to the gap. " + truth, *notes],
    )
