"""Is the explanation true? Three numbers, reported apart, for each product and overall.

(a) the explainer against exact Shapley values of other making of the same model; (b) the model's
reasons, as pages show them (interventional, against the median patient of the product), against
those of the oracle's risk; (c) attributions against what happens when the mechanism is run again
with one value replaced. In (b) and (c) both sides play the same game
(:mod:`crsrisk.studies.explanation_games`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.evaluation.explanation_truth import Agreement
from crsrisk.executor import side_by_side
from crsrisk.folders import find
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.results import Estimate, Result
from crsrisk.studies.experiment import experiment_file, patients_from, place_of, products_of
from crsrisk.studies.explanation_games import (
    Attributions,
    Comparisons,
    ExplainerError,
    ExplanationTruth,
    FeatureRow,
    LeverRow,
    Subject,
    SurrogateQuality,
    attribute,
    compare_attributions,
    explainer_error,
    feature_rows,
    lever_rows,
    subject_of,
    surrogate_quality,
    surrogates_of,
)
from crsrisk.terminal import Console, TextTable, console_of, text_table

Begin: TypeAlias = Callable[[str, int], Callable[[int], None]]
EXPLAINER_BAR = 1e-8  # log-odds
MODEL_BAR = 0.9  # weighted rank correlation
TRUSTED = 0.95  # reliability that a surrogate's Shapley values need, or a product is not judged
NOTICE = (
    "Synthetic data, no external validation. Cause means: in this simulator. Attributions describe"
    " a model or an oracle of the simulator, not what would help a patient."
)


@dataclass(frozen=True)
class ProductTruth:
    """All three comparisons for one product.

    ``is_judged`` is False, with the reason in ``why_not``, where the surrogate could not be fitted
    (then it, the comparisons and features are missing) or cannot be trusted.
    """

    product: str
    players: tuple[str, ...]
    explainer: ExplainerError
    is_judged: bool = False
    why_not: str = ""
    surrogate: SurrogateQuality | None = None
    n_explained: int = 0
    surrogate_orders_error: float | None = None
    comparisons: Comparisons | None = None
    features: tuple[FeatureRow, ...] = ()


@dataclass(frozen=True)
class Bars:
    """What was asked for: the explainer's largest error (log-odds), the model's rank correlation,
    and the reliability below which a product is not judged.
    """

    explainer: float = EXPLAINER_BAR
    model: float = MODEL_BAR
    trusted_reliability: float = TRUSTED


@dataclass(frozen=True)
class OverallTruth:
    """The comparisons over all products that are judged; None where there is none."""

    explainer_error: float
    explainer_meets_bar: bool
    products_judged: tuple[str, ...]
    comparisons: Comparisons | None
    model_meets_bar: bool | None


@dataclass(frozen=True, repr=False)
class ExplanationTruthResult(Result):
    """How true the explanations of a model are: explainer, model and mechanism, apart."""

    name: str
    question: str
    model: str
    config: ExplanationTruth
    background: str
    bars: Bars
    products: tuple[ProductTruth, ...]
    overall: OverallTruth
    levers: tuple[LeverRow, ...]
    ademp: Mapping[str, str]
    notice: str = NOTICE

    def __getitem__(self, product: str) -> ProductTruth:
        """The comparisons of one product."""
        for row in self.products:
            if row.product == product:
                return row
        raise KeyError(product)

    def summary(self) -> str:
        """The three numbers over all products that are judged."""
        return "\n".join([f"{self.name}: {self.question}", *self.overall_lines(), self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a product and feature."""
        return pd.DataFrame(
            [
                {"product": row.product, **vars(feature)}
                for row in self.products
                for feature in row.features
            ]
        )

    def overall_lines(self) -> list[str]:
        """(a), (b) and (c) in a line each."""
        overall, bars = self.overall, self.bars
        lines = [
            f"- (a) explainer error, largest, log-odds: {overall.explainer_error:.1e} (bar"
            f" {bars.explainer:.0e}: {'met' if overall.explainer_meets_bar else 'not met'})"
        ]
        if overall.comparisons is None:
            return lines
        met = "met" if overall.model_meets_bar else "not met"
        for made, words, bar in (
            (
                overall.comparisons.model_against_oracle,
                "(b) model against the oracle's risk",
                f" (bar {bars.model:g}: {met})",
            ),
            (
                overall.comparisons.oracle_against_intervention,
                "(c) oracle's Shapley values against the intervention",
                "",
            ),
            (
                overall.comparisons.model_against_intervention,
                "(c) model's Shapley values against the intervention",
                "",
            ),
        ):
            lines.append(_agreement_line(made, words, bar=bar))
        return lines

    def product_table(self) -> TextTable:
        """One line a product."""
        columns = (
            "product",
            "explainer error",
            "surrogate: share of variance",
            "reliability",
            "(b) rank correlation",
            "(b) linear",
            "(b) sign",
            "(b) top 3",
            "(c) oracle, rank",
            "(c) model, rank",
            "(c) reliability",
            "judged",
        )
        return text_table("By product", columns, map(_product_cells, self.products))

    def lever_table(self) -> TextTable:
        """One line a product and lever."""
        return text_table(
            "Levers: the mechanism run with the lever, and the model with its column edited",
            (
                "product",
                "lever",
                "rate before",
                "true change",
                "Monte Carlo error",
                "modelled change",
            ),
            [
                (
                    row.product,
                    row.lever,
                    f"{row.rate_before:.3f}",
                    f"{row.true_change.value:+.3f}",
                    f"{row.true_change.mc_error or 0.0:.3f}",
                    f"{row.modelled_change:+.3f}",
                )
                for row in self.levers
            ],
        )

    def to_markdown(self) -> str:
        """Three numbers overall and by product, levers, then feature by feature."""
        lines = [
            f"# {self.name}: {self.question}",
            "",
            f"Model: {self.model}. Background: {self.background}.",
            "",
            *self.overall_lines(),
        ]
        tables = [self.product_table(), self.lever_table()]
        tables += [_feature_table(row) for row in self.products if row.features]
        for table in tables:
            lines += ["", f"## {table.title}", "", *table.markdown()]
        return "\n".join([*lines, "", self.notice, ""])

    def save(self, folder: Path) -> None:
        """Write ``summary.json`` and ``tables.md``."""
        write_json(folder / "summary.json", self.to_dict())
        write_text(folder / "tables.md", self.to_markdown())


def _agreement_line(made: Agreement, words: str, *, bar: str) -> str:
    return (
        f"- {words}: rank correlation {_told(made.rank_correlation)}{bar}, linear correlation"
        f" {_told(made.linear_correlation)}, sign agreement {_told(made.sign)}, top-3 hits"
        f" {_told(made.top)}"
    )


def _told(figure: Estimate) -> str:
    return (
        f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, Monte Carlo error"
        f" {figure.mc_error or 0.0:.3f})"
    )


def _product_cells(row: ProductTruth) -> tuple[str, ...]:
    error = f"{row.explainer.largest:.1e}"
    if row.comparisons is None or row.surrogate is None:
        return (row.product, error, *["-"] * 9, f"no: {row.why_not}")
    share, made = row.surrogate.share_of_variance, row.comparisons
    b = made.model_against_oracle
    return (
        row.product,
        error,
        "-" if share is None else f"{share:.3f}",
        f"{row.surrogate.reliability:.3f}",
        f"{b.rank_correlation.value:.3f} ({b.rank_correlation.mc_error or 0.0:.3f})",
        f"{b.linear_correlation.value:.3f}",
        f"{b.sign.value:.3f}",
        f"{b.top.value:.2f}",
        f"{made.oracle_against_intervention.rank_correlation.value:.3f}",
        f"{made.model_against_intervention.rank_correlation.value:.3f}",
        f"{made.intervention_reliability:.3f}",
        "yes" if row.is_judged else f"no: {row.why_not}",
    )


def _feature_table(row: ProductTruth) -> TextTable:
    columns = (
        "feature",
        "kind",
        "oracle, mean abs.",
        "model, mean abs.",
        "(b) rank",
        "(b) linear",
        "intervention, mean abs.",
        "(c) rank",
        "path-dependent, mean abs. (another game: not to be compared)",
    )
    cells = [
        (
            feature.feature,
            feature.kind,
            f"{feature.size:.3f}",
            f"{feature.size_attributed:.3f}",
            f"{feature.rank_correlation:.2f}",
            f"{feature.linear_correlation:.2f}",
            f"{feature.size_of_effect:.3f}",
            f"{feature.oracle_against_intervention:.2f}",
            f"{feature.size_path_dependent:.3f}",
        )
        for feature in row.features
    ]
    return text_table(row.product, columns, cells)


def print_explanation_truth(made: ExplanationTruthResult) -> None:
    """The three numbers, and where everything else is."""
    console = Console(width=console_of(120).width, markup=False, highlight=False)
    lines = made.overall_lines()
    lines += [
        f"  not judged: {row.product} ({row.why_not})" for row in made.products if not row.is_judged
    ]
    for line in [*lines, f"By product and feature: results/tables.md. {made.notice}"]:
        console.print(line, soft_wrap=True)


def run_explanation_truth(folder: Path, *, workers: int, begin: Begin) -> ExplanationTruthResult:
    """Run the experiment; writes ``summary.json`` and ``tables.md`` to ``results/``."""
    path = experiment_file(folder)
    config = build(ExplanationTruth, read_yaml(path), where=str(path))
    place = place_of(config.scenario, products=products_of(config.products))
    model = _model(config, workers=workers)
    arms = list(place.only.arms.values())
    advance = begin("Explaining product by product", len(arms))
    subjects = [subject_of(config, arm, place.only.world, model) for arm in arms]

    def judge(subject: Subject) -> tuple[ProductTruth, Attributions | None]:
        judged = _of_product(config, subject, model=model)
        advance(1)
        return judged

    with side_by_side(workers) as pool:
        products = list(pool.map(judge, subjects))
    made = ExplanationTruthResult(
        name=config.name,
        question=config.question,
        model=model.label,
        config=config,
        background=(
            f"the median training patient of each product; patients of scenario {config.scenario},"
            " default regimen"
        ),
        bars=Bars(),
        products=tuple(row for row, _ in products),
        overall=_overall(products, seed=config.seed),
        levers=tuple(
            lever_rows(
                model,
                arms,
                world=place.only.world,
                n=config.lever_patients,
                seed=config.seed,
                workers=workers,
            )
        ),
        ademp=_ademp(config),
    )
    made.save(path.parent / "results")
    return made


def _model(config: ExplanationTruth, *, workers: int) -> RiskModel:
    if config.released:
        return load_model(find("released", config.released))
    cohort = patients_from(
        place_of(config.scenario, products=products_of([])),
        n=config.training_patients,
        seed=config.seed + 1,
        workers=workers,
    )
    return fit(
        cohort.observed,
        cohort.outcomes,
        config=load_config(config.config),
        seed=config.seed,
        origin="simulated",
    )


def _of_product(
    config: ExplanationTruth, subject: Subject, *, model: RiskModel
) -> tuple[ProductTruth, Attributions | None]:
    """All three comparisons for one product, and the attributions where a surrogate was fitted."""
    error = explainer_error(config, subject, model)
    try:
        halves = surrogates_of(config, subject)
    except InputError as problem:
        return ProductTruth(subject.name, subject.players, error, why_not=str(problem)), None
    attributions = attribute(config, subject, model, halves)
    surrogate = surrogate_quality(config, subject, halves, attributions)
    is_judged = surrogate.reliability >= TRUSTED
    row = ProductTruth(
        product=subject.name,
        players=subject.players,
        explainer=error,
        is_judged=is_judged,
        why_not="" if is_judged else "the surrogate's own Shapley values are too uncertain",
        surrogate=surrogate,
        n_explained=len(subject.explained),
        surrogate_orders_error=attributions.surrogate_error,
        comparisons=compare_attributions([attributions], seed=config.seed),
        features=tuple(feature_rows(subject, model, attributions)),
    )
    return row, attributions


def _overall(
    products: Sequence[tuple[ProductTruth, Attributions | None]], *, seed: int
) -> OverallTruth:
    judged = [(row, made) for row, made in products if made is not None and row.is_judged]
    comparisons = compare_attributions([made for _, made in judged], seed=seed) if judged else None
    worst = max(max(row.explainer.largest, row.explainer.path_dependent) for row, _ in products)
    return OverallTruth(
        explainer_error=worst,
        explainer_meets_bar=worst < EXPLAINER_BAR,
        products_judged=tuple(row.product for row, _ in judged),
        comparisons=comparisons,
        model_meets_bar=(
            None
            if comparisons is None
            else comparisons.model_against_oracle.rank_correlation.value >= MODEL_BAR
        ),
    )


def _ademp(config: ExplanationTruth) -> dict[str, str]:
    return {
        "aims": config.question,
        "data_generating_mechanisms": (
            f"scenario {config.scenario}, every product under its default regimen"
        ),
        "estimands": (
            "interventional Shapley values of the log-odds of grade >= 2, players: clinical values"
            " that differ within the product, against the median patient of the product; effects of"
            " replacing one true value by his"
        ),
        "methods": (
            f"model: its reasons, exact; oracle: two surrogates asked in {config.orders} orders"
            f" both ways, fitted to {config.surrogate_patients // 2} patients each; mechanism run"
            f" again {config.intervention_repetitions} times a patient and feature with common"
            " random numbers"
        ),
        "performance_measures": (
            "weighted rank correlation, sign agreement, top-3 hits, mean absolute difference; Monte"
            " Carlo error by bootstrap over patients"
        ),
    }
