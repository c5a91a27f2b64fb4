"""Updating: which way of updating a model serves a small new cohort best, where the truth of the
new world is known?

A model is trained in one world and meets many small cohorts of another. Each updating method is
applied to each cohort and judged by its expected log loss under the true risks of further patients
of that world.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.against_truth import SplitHalves
from crsrisk.evaluation.metrics import clip_risk
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.update import FEWEST_EVENTS, METHODS, choose, log_odds_of, updated_with
from crsrisk.simulation.observation import observe
from crsrisk.simulation.true_risk import patients_by_id, risk_of_arm
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.places import Place, patients_from, place_of, products_of
from crsrisk.threads import side_by_side

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
CLOSED = "closed test"
_FIRST_JUDGED = 10_000_000  # patients who judge have numbers that no cohort reaches
TITLE = (
    "Change of expected log loss against no update, nats, mean over cohorts (Monte Carlo error);"
    " below 0 is better"
)
NOTICE = (
    "Synthetic data, no external validation: the new world is a scenario or a member of the"
    " ensemble, not a hospital."
)


class Updating(Strict):
    """What an updating experiment asks and how much it may compute. ``targets``: scenarios, or
    ``member:17``.
    """

    kind: str
    name: str
    question: str
    config: str
    source: str
    training_products: list[str]
    training_patients: int = Field(ge=400)
    targets: list[str] = Field(min_length=1)
    product: str
    sizes: list[int] = Field(min_length=1)
    repetitions: int = Field(ge=2)
    truth_patients: int = Field(ge=30)
    truth_repetitions: int = Field(ge=20, multiple_of=2)
    seed: int = Field(ge=0)


@dataclass(frozen=True)
class _Judges:
    """Further patients of the new world: their table and their true risks given what was
    observed.
    """

    observed: pd.DataFrame
    truth: SplitHalves

    def loss(self, log_odds: Values) -> float:
        """Expected log loss under the true risks, nats."""
        q, p = self.truth.risk, clip_risk(expit(log_odds)).risk
        return float(np.mean(-q * np.log(p) - (1 - q) * np.log1p(-p)))

    @property
    def least(self) -> float:
        """The oracle's own loss: what no update can go below."""
        return float(np.mean(self.truth.truth.entropy))


def run_updating(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run one updating experiment; writes ``summary.json`` and ``table.md`` to ``results/`` and
    gives the summary.
    """
    path = experiment_file(folder)
    config = build(Updating, read_yaml(path), where=str(path))
    recipe = load_config(config.config)
    source = patients_from(
        place_of(config.source, products=products_of(config.training_products)),
        n=config.training_patients,
        seed=config.seed,
        workers=workers,
    )
    model = fit(source.observed, source.outcomes, config=recipe, seed=config.seed)
    has_members = any(name.startswith("member:") for name in config.targets)
    ensemble = load_ensemble() if has_members else None
    advance = begin(
        "Updating in small cohorts", len(config.targets) * len(config.sizes) * config.repetitions
    )
    rows: list[dict[str, Any]] = []
    for name in config.targets:
        place = place_of(name, products=products_of([config.product]), ensemble=ensemble)
        rows += _of_target(config, model, place, recipe=recipe, workers=workers, advance=advance)
    tree = {
        "name": config.name,
        "question": config.question,
        "config": config.model_dump(),
        "rows": rows,
        "ademp": _ademp(config),
        "notice": NOTICE,
    }
    write_json(path.parent / "results" / "summary.json", tree)
    write_text(path.parent / "results" / "table.md", updating_markdown(tree))
    return tree


def updating_markdown(tree: dict[str, Any]) -> str:
    """One line a target and size: the change of log loss by each method, and which was best."""
    methods = [*METHODS, CLOSED]
    lines = [
        f"# {tree['name']}: {tree['question']}",
        "",
        f"{TITLE}.",
        "",
        f"| target | patients | possible | {' | '.join(methods[1:])} | best |",
        f"|---|---|---|{'---|' * len(methods)}",
    ]
    lines += [f"| {' | '.join(_cells(row))} |" for row in tree["rows"]]
    return "\n".join([*lines, "", tree["notice"], ""])


def print_updating(tree: dict[str, Any]) -> None:
    """The same table on the terminal."""
    console = Console(width=max(Console().width, 150))
    table = Table(title=TITLE)
    for name in ("target", "patients", "possible", *METHODS[1:], CLOSED, "best"):
        table.add_column(name)
    for row in tree["rows"]:
        table.add_row(*_cells(row))
    console.print(table)
    console.print(tree["notice"])


def _cells(row: dict[str, Any]) -> list[str]:
    made = row["methods"]
    told = [
        "-" if made is None else f"{made[name]['change']:.4f} ({made[name]['mc_error']:.4f})"
        for name in (*METHODS[1:], CLOSED)
    ]
    return [row["target"], str(row["n"]), f"{row['possible']:.4f}", *told, row["best"]]


def _of_target(
    config: Updating,
    model: RiskModel,
    place: Place,
    *,
    recipe: ModelConfig,
    workers: int,
    advance: Callable[[int], None],
) -> list[dict[str, Any]]:
    judges = _judges(config, place, workers=workers)
    pool = patients_from(
        place, n=max(config.sizes) * config.repetitions, seed=config.seed + 1, workers=workers
    )
    event = pool.outcomes[recipe.outcome].to_numpy(dtype=np.float64)
    before = judges.loss(log_odds_of(model, judges.observed))
    rows = []
    for n in config.sizes:

        def one(k: int, n: int = n) -> tuple[dict[str, float], str] | None:
            cohort = slice(k * max(config.sizes), k * max(config.sizes) + n)
            advance(1)
            return _losses(
                model,
                pool.observed.iloc[cohort],
                event[cohort],
                judges=judges,
                recipe=recipe,
                seed=config.seed + k,
            )

        with side_by_side(workers) as threads:
            found = list(threads.map(one, range(config.repetitions)))
        rows.append(
            summary_row(
                place.name,
                n,
                [one for one in found if one is not None],
                before=before,
                least=judges.least,
                n_asked=config.repetitions,
            )
        )
    return rows


def summary_row(
    target: str,
    n: int,
    found: Sequence[tuple[dict[str, float], str]],
    *,
    before: float,
    least: float,
    n_asked: int,
) -> dict[str, Any]:
    """Mean change of log loss by each method with its Monte Carlo error, how often it did harm, and
    the best one.

    ``best`` names every method that is not worse than the best by two standard errors of the paired
    difference.
    """
    head = {
        "target": target,
        "n": n,
        "n_cohorts": len(found),
        "n_too_few_events": n_asked - len(found),
        "possible": least - before,
    }
    if len(found) < 2:
        return {
            **head,
            "methods": None,
            "closed_test_chose": {},
            "best": (
                f"fewer than {FEWEST_EVENTS} patients with or without the event in nearly every"
                " cohort"
            ),
        }
    table = pd.DataFrame([losses for losses, _ in found]) - before
    root = len(table) ** 0.5
    methods = {
        str(name): {
            "change": float(table[name].mean()),
            "mc_error": float(table[name].std(ddof=1) / root),
            "share_harmed": float((table[name] > 0).mean()),
        }
        for name in table
    }
    leader = str(table.mean().idxmin())
    apart = table.sub(table[leader], axis=0)
    level = [
        str(name)
        for name in table
        if name == leader or apart[name].mean() <= 2 * apart[name].std(ddof=1) / root
    ]
    chose = Counter(choice for _, choice in found)
    return {
        **head,
        "methods": methods,
        "best": " or ".join(level),
        "closed_test_chose": dict(sorted(chose.items())),
    }


def _losses(
    model: RiskModel,
    observed: pd.DataFrame,
    y: Values,
    *,
    judges: _Judges,
    recipe: ModelConfig,
    seed: int,
) -> tuple[dict[str, float], str] | None:
    """Expected log loss of each method after this cohort; None when the cohort has too few events
    for any update.
    """
    if min(y.sum(), (1 - y).sum()) < FEWEST_EVENTS:
        return None
    losses: dict[str, float] = {}
    for method in METHODS:
        made = updated_with(model, observed, y=y, method=method, config=recipe, seed=seed)
        losses[method] = judges.loss(log_odds_of(made, judges.observed))
    choice = choose(model, observed, y, config=recipe, seed=seed)[2]
    losses[CLOSED] = losses[choice]
    return losses, choice


def _judges(config: Updating, place: Place, *, workers: int) -> _Judges:
    part = place.only
    arm = part.arms[config.product]
    ids = np.arange(_FIRST_JUDGED, _FIRST_JUDGED + config.truth_patients, dtype=np.int64)
    patients = patients_by_id(arm, world=part.world, seed=config.seed + 1, patient_ids=ids)
    found = risk_of_arm(
        arm,
        patients,
        world=part.world,
        seed=config.seed + 1,
        given="observed",
        n_replicates=config.truth_repetitions,
        workers=workers,
    )
    return _Judges(
        observe(patients, arm=arm, world=part.world, seed=config.seed + 1),
        SplitHalves("what was observed", found.n_grade2plus, found.n_replicates // 2),
    )


def _ademp(config: Updating) -> dict[str, str]:
    return {
        "aims": config.question,
        "data_generating_mechanisms": (
            f"source: {config.source}, {config.training_patients} patients of "
            f"{', '.join(config.training_products) or 'all products'}; targets: "
            f"{', '.join(config.targets)}, patients of {config.product}"
        ),
        "estimands": (
            "expected log loss (nats) under the true risk given what was observed, further patients"
            " of the target"
        ),
        "methods": ", ".join([*METHODS, CLOSED]),
        "performance_measures": (
            f"mean change against no update over {config.repetitions} cohorts; Monte Carlo error ="
            " SD over cohorts / root of their number; the judging patients are the same for all"
            " methods"
        ),
    }
