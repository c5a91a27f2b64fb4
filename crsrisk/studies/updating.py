"""Updating: which way of updating a model serves a small new cohort best, where the truth of the
new world is known?

A model is trained in one world and meets many small cohorts of another. Each updating method is
applied to each cohort and judged by its expected log loss under the true risks of further patients
of that world.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from crsrisk.data.assumptions import Strict
from crsrisk.data.disclosure import FEWEST
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.against_truth import SplitHalves
from crsrisk.evaluation.metrics import clip_risk
from crsrisk.executor import side_by_side
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.update import METHODS, choose, log_odds_of, updated_with
from crsrisk.results import Estimate, Result
from crsrisk.simulation.observation import observe
from crsrisk.simulation.true_risk import patients_by_id, risk_of_arm
from crsrisk.studies.experiment import Place, experiment_file, patients_from, place_of, products_of
from crsrisk.terminal import TextTable, console_of, text_table

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


@dataclass(frozen=True)
class MethodChange:
    """Mean change of expected log loss by one updating method (nats, below 0 is better) with its
    Monte Carlo error, and the share of cohorts in which it did harm.
    """

    method: str
    change: Estimate
    share_harmed: float


@dataclass(frozen=True)
class UpdatingRow:
    """Cohorts of ``n`` patients of one target: what each method gains of what is ``possible``.

    ``n_too_few_events`` cohorts had too few patients with or without the event for any update;
    ``methods`` is empty where fewer than two cohorts are left. ``best`` names every method that is
    not worse than the best by two standard errors of the paired difference;
    ``closed_test_chose``: how often the closed test chose each.
    """

    target: str
    n: int
    n_cohorts: int
    n_too_few_events: int
    possible: float
    methods: tuple[MethodChange, ...]
    best: str
    closed_test_chose: Mapping[str, int]

    def method(self, name: str) -> MethodChange:
        """The change by one method."""
        (change,) = [change for change in self.methods if change.method == name]
        return change


@dataclass(frozen=True, repr=False)
class UpdatingResult(Result):
    """Which way of updating serves small cohorts of another world best."""

    name: str
    question: str
    config: Updating
    rows: tuple[UpdatingRow, ...]
    ademp: Mapping[str, str]
    notice: str = NOTICE

    def summary(self) -> str:
        """Question, and the best method of each row."""
        best = [f"{row.target}, {row.n} patients: {row.best}" for row in self.rows[:12]]
        return "\n".join([f"{self.name}: {self.question}", *best, self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a target, size and method."""
        return pd.DataFrame(
            [
                {
                    "target": row.target,
                    "n": row.n,
                    "method": change.method,
                    "change": change.change.value,
                    "mc_error": change.change.mc_error,
                    "share_harmed": change.share_harmed,
                    "possible": row.possible,
                }
                for row in self.rows
                for change in row.methods
            ]
        )

    def table(self) -> TextTable:
        """One line a target and size."""

        def told(row: UpdatingRow, name: str) -> str:
            if not row.methods:
                return "-"
            change = row.method(name).change
            return f"{change.value:.4f} ({change.mc_error or 0.0:.4f})"

        shown = (*METHODS[1:], CLOSED)
        return text_table(
            TITLE,
            ("target", "patients", "possible", *shown, "best"),
            [
                (
                    row.target,
                    str(row.n),
                    f"{row.possible:.4f}",
                    *(told(row, name) for name in shown),
                    row.best,
                )
                for row in self.rows
            ],
        )

    def to_markdown(self) -> str:
        """The table as a page."""
        head = [f"# {self.name}: {self.question}", "", TITLE + ".", ""]
        return "\n".join([*head, *self.table().markdown(), "", self.notice, ""])

    def save(self, folder: Path) -> None:
        """Write ``summary.json`` and ``table.md``."""
        write_json(folder / "summary.json", self.to_dict())
        write_text(folder / "table.md", self.to_markdown())


def run_updating(folder: Path, *, workers: int, begin: Begin) -> UpdatingResult:
    """Run one updating experiment; writes ``summary.json`` and ``table.md`` to ``results/``."""
    path = experiment_file(folder)
    config = build(Updating, read_yaml(path), where=str(path))
    recipe = load_config(config.config)
    source = patients_from(
        place_of(config.source, products=products_of(config.training_products)),
        n=config.training_patients,
        seed=config.seed,
        workers=workers,
    )
    model = fit(
        source.observed, source.outcomes, config=recipe, seed=config.seed, origin="simulated"
    )
    has_members = any(name.startswith("member:") for name in config.targets)
    ensemble = load_ensemble() if has_members else None
    advance = begin(
        "Updating in small cohorts", len(config.targets) * len(config.sizes) * config.repetitions
    )
    rows: list[UpdatingRow] = []
    for name in config.targets:
        place = place_of(name, products=products_of([config.product]), ensemble=ensemble)
        rows += _of_target(config, model, place, recipe=recipe, workers=workers, advance=advance)
    made = UpdatingResult(
        name=config.name,
        question=config.question,
        config=config,
        rows=tuple(rows),
        ademp=_ademp(config),
    )
    made.save(path.parent / "results")
    return made


def print_updating(made: UpdatingResult) -> None:
    """The table on the terminal."""
    console = console_of(150)
    made.table().print(console)
    console.print(made.notice)


def _of_target(
    config: Updating,
    model: RiskModel,
    place: Place,
    *,
    recipe: ModelConfig,
    workers: int,
    advance: Callable[[int], None],
) -> list[UpdatingRow]:
    judges = _judges(config, place, workers=workers)
    pool = patients_from(
        place, n=max(config.sizes) * config.repetitions, seed=config.seed + 1, workers=workers
    )
    event = pool.outcomes[recipe.outcome].to_numpy(dtype=np.float64)
    before = judges.loss(log_odds_of(model, judges.observed))
    rows = []
    for n in config.sizes:

        def update(k: int, n: int = n) -> Losses | None:
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
            cohorts = list(threads.map(update, range(config.repetitions)))
        rows.append(
            summary_row(
                place.name,
                n,
                [losses for losses in cohorts if losses is not None],
                before=before,
                least=judges.least,
                n_asked=config.repetitions,
            )
        )
    return rows


@dataclass(frozen=True)
class Losses:
    """Expected log loss of each method after one cohort, and which method the closed test chose."""

    by_method: Mapping[str, float]
    chosen: str


def summary_row(
    target: str, n: int, cohorts: Sequence[Losses], *, before: float, least: float, n_asked: int
) -> UpdatingRow:
    """Mean change of log loss by each method over ``cohorts``, from the loss ``before`` any update
    and the ``least`` that is possible.
    """
    too_few = f"fewer than {FEWEST} patients with or without the event in nearly every cohort"
    changes, best = _changes(cohorts, before=before) if len(cohorts) > 1 else ((), too_few)
    chosen = Counter(losses.chosen for losses in cohorts) if changes else Counter()
    return UpdatingRow(
        target=target,
        n=n,
        n_cohorts=len(cohorts),
        n_too_few_events=n_asked - len(cohorts),
        possible=least - before,
        methods=changes,
        best=best,
        closed_test_chose=dict(sorted(chosen.items())),
    )


def _changes(cohorts: Sequence[Losses], *, before: float) -> tuple[tuple[MethodChange, ...], str]:
    """The change by each method, and those that share the first place."""
    table = pd.DataFrame([losses.by_method for losses in cohorts]) - before
    root = len(table) ** 0.5
    changes = tuple(
        MethodChange(
            method=str(name),
            change=Estimate(
                float(table[name].mean()), mc_error=float(table[name].std(ddof=1) / root)
            ),
            share_harmed=float((table[name] > 0).mean()),
        )
        for name in table
    )
    leader = str(table.mean().idxmin())
    behind = table.sub(table[leader], axis=0)
    level = [
        str(name)
        for name in table
        if name == leader or behind[name].mean() <= 2 * behind[name].std(ddof=1) / root
    ]
    return changes, " or ".join(level)


def _losses(
    model: RiskModel,
    observed: pd.DataFrame,
    y: Values,
    *,
    judges: _Judges,
    recipe: ModelConfig,
    seed: int,
) -> Losses | None:
    """Expected log loss of each method after this cohort; None when the cohort has too few events
    for any update.
    """
    if min(y.sum(), (1 - y).sum()) < FEWEST:
        return None
    losses: dict[str, float] = {}
    for method in METHODS:
        made = updated_with(model, observed, y=y, method=method, config=recipe, seed=seed)
        losses[method] = judges.loss(log_odds_of(made, judges.observed))
    choice = choose(model, observed, y, config=recipe, seed=seed)[2]
    losses[CLOSED] = losses[choice]
    return Losses(losses, choice)


def _judges(config: Updating, place: Place, *, workers: int) -> _Judges:
    part = place.only
    arm = part.arms[config.product]
    ids = np.arange(_FIRST_JUDGED, _FIRST_JUDGED + config.truth_patients, dtype=np.int64)
    patients = patients_by_id(arm, world=part.world, seed=config.seed + 1, patient_ids=ids)
    asked = risk_of_arm(
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
        SplitHalves("what was observed", asked.n_grade2plus, asked.n_replicates // 2),
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
