"""True optimism: many small cohorts of one world, each developed and validated, each judged in
further patients.

One development can be lucky, and then every internal validation of it is. Over many cohorts it
shows which claim is right on average, and how far from the truth a single one is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from rich.console import Console
from rich.table import Table

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
from crsrisk.model.features import load_config
from crsrisk.model.predict import predict
from crsrisk.studies.development import Development
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.places import patients_from, place_of, products_of
from crsrisk.threads import side_by_side

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


def run_true_optimism(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run the experiment; writes ``summary.json`` and ``table.md`` to ``results/`` and gives the
    summary.
    """
    path = experiment_file(folder)
    config = build(TrueOptimism, read_yaml(path), where=str(path))
    recipe = load_config(config.config)
    place = place_of(config.scenario, products=products_of(config.products))
    fresh = patients_from(
        place, n=config.fresh_patients, seed=config.seed + config.cohorts, workers=workers
    )
    advance = begin("Developing and validating", config.cohorts)

    def one(k: int) -> Claims:
        cohort = patients_from(place, n=config.cohort_patients, seed=config.seed + k)
        found = claims_of(
            cohort,
            fresh,
            development=Development(recipe),
            outcome=recipe.outcome,
            refits=config.refits,
            seed=config.seed + k,
        )
        advance(1)
        return found

    with side_by_side(workers) as pool:
        found = list(pool.map(one, range(config.cohorts)))
    tree = {
        "name": config.name,
        "question": config.question,
        "config": config.model_dump(),
        "rows": rows_of(found),
        "ademp": _ademp(config),
        "notice": NOTICE,
    }
    write_json(path.parent / "results" / "summary.json", tree)
    write_text(path.parent / "results" / "table.md", optimism_markdown(tree))
    return tree


def claims_of(
    cohort: Cohort, fresh: Cohort, *, development: Development, outcome: str, refits: int, seed: int
) -> dict[str, dict[str, float]]:
    """Apparent, bootstrap-corrected and cross-validated performance of one development, and its
    truth.
    """
    observed, outcomes = cohort.observed, cohort.outcomes
    model = development.refit(observed, outcomes, seed)
    own, product = (
        outcomes[outcome].to_numpy(dtype=np.bool_),
        observed["product"].to_numpy(dtype=str),
    )
    risk = predict(model, observed).risk
    repeats = refit_in_resamples(
        observed,
        outcomes,
        refit=development.refit,
        tune_and_refit=None,
        n_resamples=refits,
        seed=seed,
    )
    corrected = optimism(own, risk=risk, refits=repeats, product=product)
    outside = out_of_fold_risk(
        observed, outcomes, outcome=outcome, refit=development.refit, seed=seed
    )
    claims = {
        "apparent": measure_all(own, risk=risk, group=product),
        "cross-validation": measure_all(own, risk=outside, group=product),
        TRUTH: measure_all(
            fresh.outcomes[outcome].to_numpy(dtype=np.bool_),
            risk=predict(model, fresh.observed).risk,
            group=fresh.observed["product"].to_numpy(dtype=str),
        ),
    }
    if isinstance(corrected, OptimismTable):
        claims["bootstrap-corrected"] = {
            one.measure: one.corrected.value for one in corrected.rows if isinstance(one, Optimism)
        }
    return {
        method: {name: values[name] for name in SHOWN if name in values}
        for method, values in claims.items()
    }


def rows_of(found: Sequence[Claims]) -> list[dict[str, Any]]:
    """By measure: the truth's mean over developments, and each claim's mean error and root mean
    squared error.

    >>> cohorts = [{"truth": {"slope": truth}, "apparent": {"slope": 1.1}} for truth in (0.9, 1.0)]
    >>> [round(value, 3) for value in rows_of(cohorts)[0]["claims"]["apparent"].values()]
    [0.15, 0.05, 0.158, 2]
    """
    rows = []
    for measure in SHOWN:
        truth = np.array([claims[TRUTH].get(measure, np.nan) for claims in found])
        if not np.isfinite(truth).any():
            continue
        claims = {}
        for method in sorted({name for one in found for name in one} - {TRUTH}):
            said = np.array([one.get(method, {}).get(measure, np.nan) for one in found])
            error = (said - truth)[np.isfinite(said - truth)]
            if error.size > 1:
                claims[method] = {
                    "bias": float(error.mean()),
                    "mc_error": float(error.std(ddof=1) / error.size**0.5),
                    "root_mean_squared": float(np.sqrt(np.mean(error**2))),
                    "n": int(error.size),
                }
        known = truth[np.isfinite(truth)]
        rows.append(
            {
                "measure": measure,
                "label": MEASURES[measure],
                "truth": float(known.mean()),
                "truth_sd": float(known.std(ddof=1)),
                "claims": claims,
            }
        )
    return rows


def optimism_markdown(tree: Mapping[str, Any]) -> str:
    """One line a measure and method."""
    lines = [
        f"# {tree['name']}: {tree['question']}",
        "",
        (
            "| measure | truth (SD of developments) | method | claim minus truth (Monte Carlo"
            " error) | root mean square |"
        ),
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(cells)} |" for cells in _cells(tree)]
    return "\n".join([*lines, "", tree["notice"], ""])


def print_true_optimism(tree: dict[str, Any]) -> None:
    """The same table on the terminal."""
    console = Console(width=max(Console().width, 120))
    table = Table(title="Claim minus truth, mean over developments")
    for name in ("measure", "truth (SD)", "method", "bias (Monte Carlo error)", "root mean square"):
        table.add_column(name)
    for cells in _cells(tree):
        table.add_row(*cells)
    console.print(table)
    console.print(tree["notice"])


def _cells(tree: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            row["label"],
            f"{row['truth']:.4f} ({row['truth_sd']:.4f})",
            method,
            f"{one['bias']:+.4f} ({one['mc_error']:.4f})",
            f"{one['root_mean_squared']:.4f}",
        ]
        for row in tree["rows"]
        for method, one in row["claims"].items()
    ]


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
