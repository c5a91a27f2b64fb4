"""Shift: train under one set of assumptions, test under another, for every pair: an external
validation in many worlds.

The row says where the model was trained, the column where it is tested. One row is a control: a
model of the first scenario's patients with outcomes dealt out anew knows nothing, and must show it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.leaks import with_permuted_outcomes
from crsrisk.evaluation.resampling import measure_all
from crsrisk.executor import side_by_side
from crsrisk.folders import names
from crsrisk.model.comparators import ProductRate
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.results import Estimate, Result
from crsrisk.studies.experiment import (
    Place,
    experiment_file,
    mixed_place,
    patients_from,
    place_of,
    products_of,
)
from crsrisk.terminal import TextTable, console_of, text_table

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
ENSEMBLE, CONTROL = "ensemble", "control: outcomes dealt out anew"
Measure: TypeAlias = Literal["gain", "lost", "auroc_within_product", "in_the_large", "slope"]
MEASURES: dict[Measure, str] = {
    "gain": (
        "log loss gained over the product rates of the training world, nats (above 0: the model"
        " helps)"
    ),
    "lost": "log loss lost to the model trained in the test world, nats (0: nothing)",
    "auroc_within_product": "AUROC among pairs of one product",
    "in_the_large": "calibration-in-the-large: intercept with slope 1 (above 0: risks are too low)",
    "slope": "calibration slope (below 1: risks are too extreme)",
}
NOTICE = (
    "Synthetic data, no external validation. Every repeat trains in some simulated hospitals and"
    " tests in others; apart from that the worlds differ in their assumptions alone, and real"
    " hospitals in more."
)


class Shift(Strict):
    """What a shift experiment asks and how much it may compute. No scenario or product named: all
    that ship.
    """

    kind: str
    name: str
    question: str
    config: str
    scenarios: list[str]
    products: list[str]
    ensemble_members: int = Field(ge=0)
    seed: int = Field(ge=0)
    repeats: int = Field(ge=2)
    training_patients: int = Field(ge=200)
    test_patients: int = Field(ge=200)


@dataclass(frozen=True)
class Scores:
    """How a model does in one test world, in one repeat; NaN where a measure does not exist (the
    slope of a model that gives everybody the same risk).
    """

    gain: float = nan
    lost: float = nan
    auroc_within_product: float = nan
    in_the_large: float = nan
    slope: float = nan


@dataclass(frozen=True)
class RepeatedMean:
    """Mean of a measure over the ``n`` repeats that could give it, with its Monte Carlo error."""

    estimate: Estimate
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> RepeatedMean:
        """Repeats that could not give the measure are left out; fewer than two give none.

        >>> RepeatedMean.of([0.1, 0.3, nan])
        RepeatedMean(estimate=Estimate(0.2, Monte Carlo error 0.1), n=2)
        """
        known = np.array([value for value in values if np.isfinite(value)])
        if known.size < 2:
            return cls(Estimate(nan, mc_error=nan), int(known.size))
        error = known.std(ddof=1) / known.size**0.5
        return cls(Estimate(float(known.mean()), mc_error=float(error)), int(known.size))

    def in_words(self, digits: int) -> str:
        """The mean with its error in brackets; a dash where there is none."""
        value, error = self.estimate.value, self.estimate.mc_error or 0.0
        return "-" if isnan(value) else f"{value:.{digits}f} ({error:.{digits + 1}f})"


@dataclass(frozen=True)
class Cell:
    """One pair of worlds, where the model was trained and where it is tested: each measure."""

    trained: str
    tested: str
    gain: RepeatedMean
    lost: RepeatedMean
    auroc_within_product: RepeatedMean
    in_the_large: RepeatedMean
    slope: RepeatedMean

    def measure(self, name: Measure) -> RepeatedMean:
        """One of the measures by its name."""
        mean: RepeatedMean = getattr(self, name)
        return mean


@dataclass(frozen=True, repr=False)
class ShiftResult(Result):
    """Every pair of worlds: a model trained in one, tested in the other."""

    name: str
    question: str
    worlds: tuple[str, ...]
    config: Shift
    cells: tuple[Cell, ...]
    ademp: Mapping[str, str]
    notice: str = NOTICE

    def summary(self) -> str:
        """Question, size and notice."""
        return f"{self.name}: {self.question} {len(self.cells)} pairs of worlds\n{self.notice}"

    def to_dict(self) -> dict[str, Any]:
        """Everything, with what each measure means."""
        return {**super().to_dict(), "measures": MEASURES}

    def to_frame(self) -> pd.DataFrame:
        """One row a pair and measure: mean over repeats and Monte Carlo error."""
        return pd.DataFrame(
            [
                {
                    "trained": cell.trained,
                    "tested": cell.tested,
                    "measure": name,
                    "mean": cell.measure(name).estimate.value,
                    "mc_error": cell.measure(name).estimate.mc_error,
                    "n": cell.measure(name).n,
                }
                for cell in self.cells
                for name in MEASURES
            ]
        )

    def table(self, measure: Measure) -> TextTable:
        """One measure as a table of worlds: rows train, columns test."""
        cells = {(cell.trained, cell.tested): cell for cell in self.cells}
        digits = 2 if measure in ("auroc_within_product", "in_the_large", "slope") else 4
        trained = dict.fromkeys(cell.trained for cell in self.cells)
        return text_table(
            f"{MEASURES[measure]} (Monte Carlo error)",
            ("trained \\ tested", *self.worlds),
            [
                (row, *(cells[row, at].measure(measure).in_words(digits) for at in self.worlds))
                for row in trained
            ],
        )

    def to_markdown(self) -> str:
        """Every measure as a table of worlds, each figure with its Monte Carlo error."""
        lines = [
            f"# {self.name}: {self.question}",
            "",
            (
                "Rows: where the model was trained. Columns: where it is tested. In brackets the"
                " Monte Carlo error."
            ),
            "",
        ]
        for measure, words in MEASURES.items():
            title = f"## {words[0].upper()}{words[1:]}"
            lines += [title, "", *self.table(measure).markdown(), ""]
        return "\n".join([*lines, self.notice, ""])

    def save(self, folder: Path) -> None:
        """Write ``summary.json`` and ``matrix.md``."""
        write_json(folder / "summary.json", self.to_dict())
        write_text(folder / "matrix.md", self.to_markdown())


def run_shift(folder: Path, *, workers: int, begin: Begin) -> ShiftResult:
    """Run one shift experiment; writes ``summary.json`` and ``matrix.md`` to ``results/``."""
    path = experiment_file(folder)
    config = build(Shift, read_yaml(path), where=str(path))
    places = _places(config)
    advance = begin("Training and testing in every world", config.repeats * len(places))
    with side_by_side(workers) as pool:
        repeats = [
            _one_repeat(config, places, repeat, workers, pool, advance)
            for repeat in range(config.repeats)
        ]
    made = ShiftResult(
        name=config.name,
        question=config.question,
        worlds=tuple(place.name for place in places),
        config=config,
        cells=tuple(cells_of(repeats)),
        ademp=_ademp(config),
    )
    made.save(path.parent / "results")
    return made


def cells_of(repeats: Sequence[Mapping[tuple[str, str], Scores]]) -> list[Cell]:
    """Mean over repeats and its standard error, cell by cell.

    >>> first, second = ({("a", "b"): Scores(gain=value)} for value in (0.1, 0.3))
    >>> cells_of([first, second])[0].gain.estimate
    Estimate(0.2, Monte Carlo error 0.1)
    """

    def mean(pair: tuple[str, str], name: Measure) -> RepeatedMean:
        return RepeatedMean.of([getattr(scores[pair], name) for scores in repeats])

    return [
        Cell(
            trained,
            tested,
            gain=mean((trained, tested), "gain"),
            lost=mean((trained, tested), "lost"),
            auroc_within_product=mean((trained, tested), "auroc_within_product"),
            in_the_large=mean((trained, tested), "in_the_large"),
            slope=mean((trained, tested), "slope"),
        )
        for trained, tested in repeats[0]
    ]


def print_shift(made: ShiftResult) -> None:
    """The gain, AUROC and slope of every pair on the terminal."""
    console = console_of(130)
    shown: tuple[Measure, ...] = ("gain", "auroc_within_product", "slope")
    for measure in shown:
        made.table(measure).print(console)
    console.print(made.notice)


def _places(config: Shift) -> list[Place]:
    products = products_of(config.products)
    places = [place_of(name, products=products) for name in config.scenarios or names("scenarios")]
    if config.ensemble_members:
        places.append(
            mixed_place(
                ENSEMBLE,
                ensemble=load_ensemble(),
                n_members=config.ensemble_members,
                products=products,
                seed=config.seed,
            )
        )
    return places


def _one_repeat(
    config: Shift,
    places: Sequence[Place],
    repeat: int,
    workers: int,
    pool: Executor,
    advance: Callable[[int], None],
) -> dict[tuple[str, str], Scores]:
    """Train and test in every world once, on patients that no other repeat has."""
    seed = config.seed + 2 * repeat
    recipe = load_config(config.config)
    training = {
        place.name: patients_from(place, n=config.training_patients, seed=seed, workers=workers)
        for place in places
    }
    first = training[places[0].name]
    training[CONTROL] = Cohort(
        first.observed,
        with_permuted_outcomes(first.outcomes, seed=seed),
        first.course,
        first.truth,
        first.manifest,
    )

    def learn(name: str) -> tuple[RiskModel, ProductRate]:
        cohort = training[name]
        event = cohort.outcomes[recipe.outcome].to_numpy()
        model = fit(cohort.observed, cohort.outcomes, config=recipe, seed=seed, origin="simulated")
        advance(name != CONTROL)
        return model, ProductRate().fit(cohort.observed, event)

    learnt = dict(zip(training, pool.map(learn, training), strict=True))
    scores: dict[tuple[str, str], Scores] = {}
    for place in places:
        test = patients_from(place, n=config.test_patients, seed=seed + 1, workers=workers)
        scores |= _test(learnt, place.name, test, outcome=recipe.outcome)
    return scores


def _test(
    learnt: Mapping[str, tuple[RiskModel, ProductRate]],
    tested: str,
    test: Cohort,
    *,
    outcome: str,
) -> dict[tuple[str, str], Scores]:
    """Every model in one test world, by where it was trained."""
    event = test.outcomes[outcome].to_numpy()
    product = test.observed["product"].to_numpy(dtype=str)
    measured = {
        name: measure_all(event, risk=_risk(model, test), group=product)
        for name, (model, _) in learnt.items()
    }
    losses = {name: measures["log_loss"] for name, measures in measured.items()}

    def scores(name: str) -> Scores:
        rates = measure_all(event, risk=learnt[name][1].predict_proba(test.observed)[:, 1])
        return Scores(
            gain=rates["log_loss"] - losses[name],
            lost=losses[name] - losses[tested],
            auroc_within_product=measured[name]["auroc_within_product"],
            in_the_large=measured[name]["in_the_large"],
            slope=measured[name]["slope"],
        )

    return {(name, tested): scores(name) for name in learnt}


def _risk(model: RiskModel, test: Cohort) -> Values:
    """Risks without the account of every row, which nobody reads here."""
    return model.calibrator.risk(raw_log_odds(model, test.observed))


def _ademp(config: Shift) -> dict[str, str]:
    return {
        "aims": config.question,
        "data_generating_mechanisms": (
            "every shipped scenario, and members of the ensemble mixed; rows are training worlds, "
            "columns test worlds"
        ),
        "estimands": "; ".join(MEASURES.values()),
        "methods": (
            f"the model of models/configs/{config.config}.yaml, trained on"
            f" {config.training_patients} patients"
        ),
        "performance_measures": (
            f"means over {config.repeats} independent repeats of {config.test_patients} test"
            " patients; Monte Carlo error = SD over repeats / root of their number"
        ),
    }
