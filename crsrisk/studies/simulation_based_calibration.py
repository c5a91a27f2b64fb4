"""Simulation-based calibration: the method of the calibration, asked for truths that are known.

True worlds are drawn from the priors, every figure of the likelihood is made in them, and the
hierarchical model is fitted to these. If the method is right, a truth is as likely to lie at any
rank among the draws of its posterior. With figures made by the emulators, errors included, ranks
show what the linearisation costs; with figures made by the simulator, what the emulators cost on
top.

Members that are moved by what the simulator says of them are no part of this: each would have to be
simulated again for every invented world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.folders import find
from crsrisk.results import Result
from crsrisk.studies.calibration_emulators import all_emulators
from crsrisk.studies.calibration_task import Calibration, members_simulated, prepare
from crsrisk.studies.experiment import experiment_file
from crsrisk.terminal import TextTable, console_of, text_table
from crsrisk.trials.intervals import wilson
from crsrisk.uncertainty.constants import random_effect_keys
from crsrisk.uncertainty.emulator_errors import EmulatorErrors
from crsrisk.uncertainty.evidence_model import EFFECTS, Latents, model_of
from crsrisk.uncertainty.hierarchy import Model
from crsrisk.uncertainty.invented_figures import (
    InventedFigures,
    Truths,
    draw_truths,
    from_emulators,
    from_simulation,
)
from crsrisk.uncertainty.members import MemberFigures
from crsrisk.uncertainty.rank_uniformity import ALPHA, CELLS, RankTest, holm, rank_tests
from crsrisk.uncertainty.truth_ranks import TruthRanks, most_told, rank_truths

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
# scores of worlds, seed, progress -> every figure of the likelihood there
Simulate = Callable[[Values, int, Callable[[int], None]], list[MemberFigures]]
SIMULATIONS = 19_999  # of uniform ranks behind each p value
SIMULATOR, EMULATORS = "simulator", "emulators"
NOTICE = (
    "Members that the simulator corrects are no part of this: it judges the fit and its draws, not"
    " the last step of the calibration."
)


class SimulationBasedCalibration(Strict):
    """Whose method is asked, and how much may be computed."""

    kind: str
    name: str
    question: str
    calibration: str
    seed: int = Field(ge=0)
    replicates_simulator: int = Field(ge=0)
    replicates_emulators: int = Field(ge=0)
    draws: int = Field(ge=CELLS - 1)
    spreads: int = Field(ge=64)
    error_worlds: int = Field(ge=8)
    patients: int = Field(ge=16)
    patients_rare: int = Field(ge=16)
    constants: int = Field(ge=1)
    products: int = Field(ge=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.draws + 1) % CELLS:
            raise ValueError(f"draws must be one less than a multiple of {CELLS}")
        if self.spreads & (self.spreads - 1):
            raise ValueError("spreads must be a power of 2")
        if not self.replicates_simulator + self.replicates_emulators:
            raise ValueError("replicates_simulator or replicates_emulators must be above 0")
        return self


@dataclass(frozen=True)
class JudgedQuantity:
    """A quantity, how the ranks of its truths compare with uniform ones, and the p value corrected
    for the number of quantities.
    """

    name: str
    test: RankTest
    corrected_p: float

    @property
    def fails(self) -> bool:
        """Whether its ranks are not uniform."""
        return self.corrected_p < ALPHA


@dataclass(frozen=True)
class JudgedFigures:
    """All quantities where figures were made in one way.

    ``effective_size``: median of the samples of SDs behind the draws; ``not_simulated``: share of
    figures that the simulator could not give.
    """

    made_by: str
    replicates: int
    rows: tuple[JudgedQuantity, ...]
    effective_size: float
    not_simulated: float

    @property
    def p(self) -> float:
        """Of all quantities together: the smallest of them, corrected for their number."""
        return min(row.corrected_p for row in self.rows)

    @property
    def failing(self) -> tuple[JudgedQuantity, ...]:
        """Quantities whose ranks are not uniform."""
        return tuple(row for row in self.rows if row.fails)


@dataclass(frozen=True, repr=False)
class SimulationBasedCalibrationResult(Result):
    """Whether truths lie among draws of their posteriors as they should."""

    name: str
    question: str
    config: SimulationBasedCalibration
    arms: tuple[JudgedFigures, ...]
    ranks: pd.DataFrame
    notice: str = NOTICE

    def summary(self) -> str:
        """Which quantities fail, by who made the figures."""
        return "\n".join([f"{self.name}: {self.question}", *map(_in_words, self.arms), self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a quantity and a maker of figures."""
        return pd.DataFrame(
            [
                {
                    "made_by": arm.made_by,
                    "quantity": row.name,
                    "n": row.test.n,
                    "p": row.test.p,
                    "corrected_p": row.corrected_p,
                    "fails": row.fails,
                    "mean_rank": row.test.mean,
                    "inside_50": row.test.inside_50 / row.test.n,
                    "inside_95": row.test.inside_95 / row.test.n,
                }
                for arm in self.arms
                for row in arm.rows
            ]
        )

    def tables(self) -> tuple[TextTable, ...]:
        """One table for each maker of figures."""
        return tuple(
            text_table(
                f"Figures made by the {arm.made_by}: {arm.replicates} true worlds",
                (
                    "quantity",
                    "p",
                    "p corrected",
                    "mean rank",
                    "inside 50% (95% interval)",
                    "inside 95% (95% interval)",
                    "verdict",
                ),
                [
                    (
                        row.name,
                        f"{row.test.p:.4f}",
                        f"{row.corrected_p:.3f}",
                        f"{row.test.mean:.2f}",
                        _share(row.test.inside_50, row.test.n),
                        _share(row.test.inside_95, row.test.n),
                        f"FAILS: {row.test.departure}" if row.fails else "uniform not refuted",
                    )
                    for row in arm.rows
                ],
                strong=[at for at, row in enumerate(arm.rows) if row.fails],
            )
            for arm in self.arms
        )

    def to_markdown(self) -> str:
        """Tables and summary as a page."""
        lines = [f"# {self.name}: {self.question}"]
        for arm, table in zip(self.arms, self.tables(), strict=True):
            lines += ["", f"## {table.title}", "", _in_words(arm), "", *table.markdown()]
        return "\n".join([*lines, "", self.notice, ""])

    def save(self, folder: Path) -> None:
        """Write ``summary.json``, ``table.md`` and ``ranks.csv``."""
        judged = self.to_frame().to_dict(orient="records")
        summary = {
            "name": self.name,
            "question": self.question,
            "config": self.config.model_dump(),
            "arms": [
                {
                    "made_by": arm.made_by,
                    "replicates": arm.replicates,
                    "p": arm.p,
                    "failing": [row.name for row in arm.failing],
                    "effective_size": arm.effective_size,
                    "not_simulated": arm.not_simulated,
                }
                for arm in self.arms
            ],
            "quantities": judged,
            "notice": self.notice,
        }
        write_json(folder / "summary.json", summary)
        write_text(folder / "table.md", self.to_markdown())
        write_text(folder / "ranks.csv", self.ranks.to_csv(index=False, lineterminator="\n"))


def run_simulation_based_calibration(
    folder: Path, *, workers: int, begin: Begin
) -> SimulationBasedCalibrationResult:
    """Run the experiment; writes ``summary.json``, ``table.md`` and ``ranks.csv`` to ``results/``.

    Emulators of the calibration that rest on the same are taken over; others are learnt and kept.
    """
    path = experiment_file(folder)
    config = build(SimulationBasedCalibration, read_yaml(path), where=str(path))
    asked = experiment_file(find("experiments", config.calibration))
    settings = build(Calibration, read_yaml(asked), where=str(asked)).model_copy(
        update={"member_patients": config.patients, "member_patients_rare": config.patients_rare}
    )
    task = prepare(settings, path.parent / "results", workers=workers)
    emulators = all_emulators(task, begin, older=asked.parent / "results")
    model = model_of(task.figures, emulators, latents=task.latents, world=task.world)

    def simulate(scores: Values, seed: int, advance: Callable[[int], None]) -> list[MemberFigures]:
        return members_simulated(task, scores, advance, seed=seed)

    made = judge(
        model,
        config,
        watched=watched_scores(model, task.latents, config),
        simulate=simulate,
        workers=workers,
        begin=begin,
    )
    made.save(path.parent / "results")
    return made


def judge(
    model: Model,
    config: SimulationBasedCalibration,
    *,
    watched: Mapping[str, int],
    simulate: Simulate,
    workers: int,
    begin: Begin,
) -> SimulationBasedCalibrationResult:
    """Ask the method for invented truths, and judge the ranks; ``watched`` as in
    :func:`~crsrisk.uncertainty.truth_ranks.rank_truths`.
    """
    n_figures, seed = len(model.figures), config.seed
    others = draw_truths(model, config.error_worlds, seed=seed + 1)
    advance = begin("How far the emulators are off", n_figures)
    errors = EmulatorErrors.estimated(
        simulate(others.scores, seed + 1, advance),
        model.emulated(others.scores),
        together=[figure.product for figure in model.figures],
    )
    model = model.shifted(errors.mean, errors.covariance)
    sizes = {EMULATORS: config.replicates_emulators, SIMULATOR: config.replicates_simulator}
    truths = draw_truths(model, max(sizes.values()), seed=seed + 2)

    def invented(made_by: str, own: Truths) -> InventedFigures:
        if made_by == EMULATORS:
            return from_emulators(model, own, seed=seed + 3)
        advance = begin("Figures of true worlds", n_figures)
        return from_simulation(model, own, simulate(own.scores, seed + 2, advance), seed=seed + 4)

    arms, tables = [], []
    for made_by in [name for name, n in sizes.items() if n]:
        own = truths.first(sizes[made_by])
        figures = invented(made_by, own)
        found = rank_truths(
            model,
            own,
            figures,
            watched=watched,
            spreads=config.spreads,
            draws=config.draws,
            seed=seed + 5,
            workers=workers,
            advance=begin(f"Fits to figures of the {made_by}", len(own)),
        )
        missing = 1.0 - float(figures.is_simulated.mean()) if made_by == SIMULATOR else 0.0
        arms.append(_arm(made_by, found, config, missing))
        table = pd.DataFrame(found.ranks, columns=list(found.names))
        tables.append(table.rename_axis("world").reset_index().assign(made_by=made_by))
    return SimulationBasedCalibrationResult(
        name=config.name,
        question=config.question,
        config=config,
        arms=tuple(arms),
        ranks=pd.concat(tables, ignore_index=True),
    )


def watched_scores(
    model: Model, latents: Latents, config: SimulationBasedCalibration
) -> dict[str, int]:
    """Scores to watch by name: the shared constants that figures hang on most, and the effects of
    the products with the most figures (the first by name among equals).
    """
    shared = [
        k
        for k, key in enumerate(latents.keys)
        if key in latents.constants and not key.startswith("product:")
    ]
    constants = {latents.keys[k]: k for k in most_told(model, shared, config.constants)}
    products = [figure.product for figure in model.figures if figure.product]
    most = sorted(set(products), key=lambda name: (-products.count(name), name))
    effects = {
        f"{name} {effect}": latents.index[key]
        for name in most[: config.products]
        for effect, key in zip(EFFECTS, random_effect_keys(name), strict=True)
    }
    return constants | effects


def print_simulation_based_calibration(made: SimulationBasedCalibrationResult) -> None:
    """The tables on the terminal, and what they come to."""
    console = console_of(150)
    for table in made.tables():
        table.print(console)
    console.print(made.summary())


def _arm(
    made_by: str, found: TruthRanks, config: SimulationBasedCalibration, missing: float
) -> JudgedFigures:
    tests = rank_tests(found.ranks, n_draws=config.draws, simulations=SIMULATIONS, seed=config.seed)
    corrected = holm([test.p for test in tests])
    rows = zip(found.names, tests, corrected, strict=True)
    return JudgedFigures(
        made_by=made_by,
        replicates=len(found.ranks),
        rows=tuple(JudgedQuantity(*row) for row in rows),
        effective_size=float(np.median(found.effective_sizes)),
        not_simulated=missing,
    )


def _in_words(arm: JudgedFigures) -> str:
    failing = ", ".join(row.name for row in arm.failing) or "none"
    inside = [
        _share(sum(getattr(row.test, name) for row in arm.rows), arm.replicates * len(arm.rows))
        for name in ("inside_50", "inside_95")
    ]
    aside = f"; {100 * arm.not_simulated:.1f}% of figures not simulated" * bool(arm.not_simulated)
    return (
        f"Figures made by the {arm.made_by}: {len(arm.failing)} of {len(arm.rows)} quantities fail"
        f" ({failing}), p of all together {arm.p:.3f};"
        f" over all of them {inside[0].partition(' ')[0]} of truths inside 50% intervals and"
        f" {inside[1].partition(' ')[0]} inside 95% intervals; effective size of the samples of SDs"
        f" {arm.effective_size:.0f}{aside}."
    )


def _share(inside: int, n: int) -> str:
    share = wilson(inside, n)
    return f"{100 * share.value:.0f}% ({100 * share.low:.0f} to {100 * share.high:.0f})"
