"""True optimism: many small cohorts of one world, each developed and validated, each judged in
further patients.

One development can be lucky, and then every internal validation of it is. Over many cohorts it
shows which claim is right on average, and how far from the truth a single one is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort
from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.optimism import Optimism, OptimismTable, optimism
from crsrisk.evaluation.resampling import (
    MEASURES,
    measure_all,
    out_of_fold_risk,
    refit_in_resamples,
)
from crsrisk.executor import side_by_side
from crsrisk.model.features import load_config
from crsrisk.model.predict import predict
from crsrisk.results import Estimate, Result
from crsrisk.studies.development import Development
from crsrisk.studies.experiment import experiment_file, patients_from, place_of, products_of
from crsrisk.terminal import TextTable, console_of, text_table

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
# method -> measure -> value; "truth" is one of the methods
Claims = Mapping[str, Mapping[str, float]]
TRUTH = "truth"
SHOWN = ("auroc_within_product", "slope", "in_the_large", "brier", "log_loss")
NOTICE = (
    "Synthetic data, no external validation: the further patients come from the same simulated"
    " world."
)


class TrueOptimism(Strict):
    """What the experiment asks and how much it may compute. No product named: all that ship."""

    kind: str
    name: str
    question: str
    config: str
    scenario: str
    products: list[str]
    seed: int = Field(ge=0)
    cohorts: int = Field(ge=2)
    cohort_patients: int = Field(ge=200)
    refits: int = Field(ge=20)
    fresh_patients: int = Field(ge=400)


@dataclass(frozen=True)
class ClaimError:
    """How far a method's claim is from the truth over ``n`` developments: mean error with its Monte
    Carlo error, and root mean square.
    """

    method: str
    bias: Estimate
    root_mean_squared: float
    n: int


@dataclass(frozen=True)
class MeasureErrors:
    """A measure of performance: its truth (mean, SD over developments) and each claim's error."""

    measure: str
    label: str
    truth: float
    truth_sd: float
    claims: tuple[ClaimError, ...]

    def claim(self, method: str) -> ClaimError:
        """The claim of one method."""
        (claim,) = [claim for claim in self.claims if claim.method == method]
        return claim


@dataclass(frozen=True, repr=False)
class TrueOptimismResult(Result):
    """What apparent and internally validated performance claim, against further patients."""

    name: str
    question: str
    config: TrueOptimism
    rows: tuple[MeasureErrors, ...]
    ademp: Mapping[str, str]
    notice: str = NOTICE

    def summary(self) -> str:
        """Question, size and notice."""
        return f"{self.name}: {self.question} {self.config.cohorts} developments\n{self.notice}"

    def to_frame(self) -> pd.DataFrame:
        """One row a measure and method."""
        return pd.DataFrame(
            [
                {
                    "measure": row.measure,
                    "truth": row.truth,
                    "truth_sd": row.truth_sd,
                    "method": claim.method,
                    "bias": claim.bias.value,
                    "mc_error": claim.bias.mc_error,
                    "root_mean_squared": claim.root_mean_squared,
                    "n": claim.n,
                }
                for row in self.rows
                for claim in row.claims
            ]
        )

    def table(self) -> TextTable:
        """One line a measure and method."""
        rows = [
            (
                row.label,
                f"{row.truth:.4f} ({row.truth_sd:.4f})",
                claim.method,
                f"{claim.bias.value:+.4f} ({claim.bias.mc_error or 0.0:.4f})",
                f"{claim.root_mean_squared:.4f}",
            )
            for row in self.rows
            for claim in row.claims
        ]
        return text_table(
            "Claim minus truth, mean over developments",
            (
                "measure",
                "truth (SD of developments)",
                "method",
                "claim minus truth (Monte Carlo error)",
                "root mean square",
            ),
            rows,
        )

    def to_markdown(self) -> str:
        """The table as a page."""
        lines = [f"# {self.name}: {self.question}", "", *self.table().markdown()]
        return "\n".join([*lines, "", self.notice, ""])

    def save(self, folder: Path) -> None:
        """Write ``summary.json`` and ``table.md``."""
        write_json(folder / "summary.json", self.to_dict())
        write_text(folder / "table.md", self.to_markdown())


def run_true_optimism(folder: Path, *, workers: int, begin: Begin) -> TrueOptimismResult:
    """Run the experiment; writes ``summary.json`` and ``table.md`` to ``results/``."""
    path = experiment_file(folder)
    config = build(TrueOptimism, read_yaml(path), where=str(path))
    recipe = load_config(config.config)
    place = place_of(config.scenario, products=products_of(config.products))
    fresh = patients_from(
        place, n=config.fresh_patients, seed=config.seed + config.cohorts, workers=workers
    )
    advance = begin("Developing and validating", config.cohorts)

    def develop(k: int) -> Claims:
        cohort = patients_from(place, n=config.cohort_patients, seed=config.seed + k)
        claims = claims_of(
            cohort,
            fresh,
            development=Development(recipe),
            outcome=recipe.outcome,
            refits=config.refits,
            seed=config.seed + k,
        )
        advance(1)
        return claims

    with side_by_side(workers) as pool:
        developments = list(pool.map(develop, range(config.cohorts)))
    made = TrueOptimismResult(
        name=config.name,
        question=config.question,
        config=config,
        rows=tuple(rows_of(developments)),
        ademp=_ademp(config),
    )
    made.save(path.parent / "results")
    return made


def claims_of(
    cohort: Cohort, fresh: Cohort, *, development: Development, outcome: str, refits: int, seed: int
) -> dict[str, dict[str, float]]:
    """Apparent, bootstrap-corrected and cross-validated performance of one development, and its
    truth.
    """
    observed, outcomes = cohort.observed, cohort.outcomes
    model = development.refit(observed, outcomes, seed)
    event = outcomes[outcome].to_numpy(dtype=np.bool_)
    product = observed["product"].to_numpy(dtype=str)
    risk = predict(model, observed).risk
    repeats = refit_in_resamples(
        observed,
        outcomes,
        refit=development.refit,
        tune_and_refit=None,
        n_resamples=refits,
        seed=seed,
    )
    corrected = optimism(event, risk=risk, refits=repeats, product=product)
    outside = out_of_fold_risk(
        observed, outcomes, outcome=outcome, refit=development.refit, seed=seed
    )
    claims = {
        "apparent": measure_all(event, risk=risk, group=product),
        "cross-validation": measure_all(event, risk=outside, group=product),
        TRUTH: measure_all(
            fresh.outcomes[outcome].to_numpy(dtype=np.bool_),
            risk=predict(model, fresh.observed).risk,
            group=fresh.observed["product"].to_numpy(dtype=str),
        ),
    }
    if isinstance(corrected, OptimismTable):
        claims["bootstrap-corrected"] = {
            row.measure: row.corrected.value for row in corrected.rows if isinstance(row, Optimism)
        }
    return {
        method: {name: values[name] for name in SHOWN if name in values}
        for method, values in claims.items()
    }


def rows_of(developments: Sequence[Claims]) -> list[MeasureErrors]:
    """By measure: the truth's mean over developments, and each claim's mean error and root mean
    squared error.

    >>> cohorts = [{"truth": {"slope": truth}, "apparent": {"slope": 1.1}} for truth in (0.9, 1.0)]
    >>> rows_of(cohorts)[0].claim("apparent").bias
    Estimate(0.15, Monte Carlo error 0.05)
    """
    rows = []
    methods = sorted({name for claims in developments for name in claims} - {TRUTH})

    def values(method: str, measure: str) -> Values:
        return np.array([claims.get(method, {}).get(measure, np.nan) for claims in developments])

    for measure in SHOWN:
        truth = values(TRUTH, measure)
        known = truth[np.isfinite(truth)]
        if known.size:
            errors = [_claim_error(name, values(name, measure) - truth) for name in methods]
            rows.append(
                MeasureErrors(
                    measure=measure,
                    label=MEASURES[measure],
                    truth=float(known.mean()),
                    truth_sd=float(known.std(ddof=1)),
                    claims=tuple(error for error in errors if error is not None),
                )
            )
    return rows


def _claim_error(method: str, errors: Values) -> ClaimError | None:
    """None where fewer than two developments could claim anything."""
    known = errors[np.isfinite(errors)]
    if known.size < 2:
        return None
    bias = Estimate(float(known.mean()), mc_error=float(known.std(ddof=1) / known.size**0.5))
    return ClaimError(method, bias, float(np.sqrt(np.mean(known**2))), int(known.size))


def print_true_optimism(made: TrueOptimismResult) -> None:
    """The same table on the terminal."""
    console = console_of(120)
    made.table().print(console)
    console.print(made.notice)


def _ademp(config: TrueOptimism) -> dict[str, str]:
    return {
        "aims": config.question,
        "data_generating_mechanisms": (
            f"scenario {config.scenario}, {config.cohorts} cohorts of {config.cohort_patients} "
            "patients"
        ),
        "estimands": (
            f"performance of each developed model in {config.fresh_patients} further patients"
        ),
        "methods": (
            f"apparent; bootstrap optimism with the development repeated in {config.refits}"
            " resamples; 5-fold cross-validation"
        ),
        "performance_measures": (
            "bias and root mean squared error of each claim; Monte Carlo error = SD over cohorts /"
            " root of their number"
        ),
    }
