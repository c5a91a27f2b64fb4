"""Simulation-based calibration: a method that is exact passes, one that is too sure fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.studies.calibration_task import Calibration
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.simulation_based_calibration import (
    EMULATORS,
    SIMULATOR,
    SimulationBasedCalibration,
    SimulationBasedCalibrationResult,
    judge,
    run_simulation_based_calibration,
)
from crsrisk.uncertainty.emulator import Emulator
from crsrisk.uncertainty.hierarchy import Model
from crsrisk.uncertainty.invented_figures import draw_truths, from_emulators
from crsrisk.uncertainty.members import MemberFigures
from crsrisk.uncertainty.rank_uniformity import rank_tests
from crsrisk.uncertainty.truth_ranks import LIKELIHOOD, rank_truths
from tests.uncertainty.test_hierarchy import figure, spreads

Values = NDArray[np.float64]
NAME = "012_simulation_based_calibration"
SHIPPED = experiment_file(find("experiments", NAME))
CONFIG = build(SimulationBasedCalibration, read_yaml(SHIPPED), where=NAME)
SMALL = CONFIG.model_copy(
    update={
        "replicates_simulator": 60,
        "replicates_emulators": 60,
        "draws": 39,
        "spreads": 64,
        "error_worlds": 64,
    }
)
WATCHED = {"constant": 0, "effect": 2}


def toy(*, sampling_sd: float = 0.4) -> Model:
    """Six times, linear in two constants and an effect; their SDs are as good as known, so that a
    fit is exact.
    """
    rng = np.random.default_rng(5)
    figures = tuple(
        figure(
            Emulator.linear_in(rng.normal(size=3), intercept=float(rng.normal())),
            range(3),
            sampling_sd=sampling_sd,
        )
        for _ in range(6)
    )
    return Model(figures, np.array([-1, -1, 1]), spreads(0.3, 0.7))


def simulate(scores: Values, seed: int, advance: Callable[[int], None]) -> list[MemberFigures]:
    """The toy as it is, with the chance of few patients."""
    noise = 0.02
    chance = np.random.default_rng(seed).standard_normal((len(scores), 6)) * noise**0.5
    values = toy().emulated(scores) + chance
    advance(6)
    return [MemberFigures(column, np.full(len(column), noise)) for column in values.T]


@pytest.fixture(scope="module")
def judged() -> SimulationBasedCalibrationResult:
    return judge(
        toy(),
        SMALL,
        watched=WATCHED,
        simulate=simulate,
        workers=2,
        begin=lambda title, total: lambda n: None,
    )


def test_where_the_method_is_exact_ranks_are_uniform(
    judged: SimulationBasedCalibrationResult,
) -> None:
    """The p value of all five quantities together is above 0.01: with another seed each of the two
    arms would fail here once in a hundred times.
    """
    assert [arm.made_by for arm in judged.arms] == [EMULATORS, SIMULATOR]
    for arm in judged.arms:
        assert [row.name for row in arm.rows] == ["sd0", "sd1", "constant", "effect", LIKELIHOOD]
        assert arm.p > 0.01, arm
        assert arm.not_simulated == 0.0


def test_a_posterior_that_is_too_narrow_fails() -> None:
    """Fitted as if medians were four times as certain as they are."""
    truths = draw_truths(toy(), 60, seed=1)
    figures = from_emulators(toy(sampling_sd=1.6), truths, seed=2)
    found = rank_truths(toy(), truths, figures, watched=WATCHED, spreads=64, draws=39, seed=3)
    tests = dict(
        zip(found.names, rank_tests(found.ranks, n_draws=39, simulations=999, seed=1), strict=True)
    )
    for name in WATCHED:
        assert tests[name].p < 0.01
        assert tests[name].departure == "posteriors too narrow"


def test_workers_change_nothing() -> None:
    truths = draw_truths(toy(), 4, seed=1)
    figures = from_emulators(toy(), truths, seed=2)
    one, two = (
        rank_truths(
            toy(), truths, figures, watched=WATCHED, spreads=64, draws=39, seed=3, workers=workers
        ).ranks
        for workers in (1, 2)
    )
    assert (one == two).all()


def test_what_is_written(judged: SimulationBasedCalibrationResult, tmp_path: Path) -> None:
    judged.save(tmp_path)
    assert {place.name for place in tmp_path.iterdir()} >= {"summary.json", "table.md", "ranks.csv"}
    assert len(judged.ranks) == 120
    assert len(judged.to_frame()) == 10
    assert [len(table.rows) for table in judged.tables()] == [5, 5]
    assert "no part of this" in judged.summary()
    assert len(repr(judged)) < 2_000


def test_a_failing_quantity_is_printed_as_failing(
    judged: SimulationBasedCalibrationResult,
) -> None:
    arm = judged.arms[0]
    bad = replace(arm, rows=(replace(arm.rows[0], corrected_p=0.01), *arm.rows[1:]))
    made = replace(judged, arms=(bad,))
    (table,) = made.tables()
    assert table.rows[0][-1].startswith("FAILS: ")
    assert "1 of 5 quantities fail (sd0)" in made.summary()


def test_the_shipped_experiment_is_sound() -> None:
    assert CONFIG.name == NAME
    asked = experiment_file(find("experiments", CONFIG.calibration))
    assert build(Calibration, read_yaml(asked), where=NAME).name == CONFIG.calibration


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"draws": 80}, "multiple of 40"),
        ({"draws": 19}, "draws"),
        ({"spreads": 100}, "power of 2"),
        ({"replicates_simulator": 0, "replicates_emulators": 0}, "replicates"),
        ({"replicates_simulator": -1}, "replicates_simulator"),
        ({"patients": 15}, "patients"),
        ({"constants": 0}, "constants"),
        ({"seed": "1"}, "seed"),
        ({"tolerance": 0.1}, "tolerance"),
    ],
)
def test_refuses_wrong_values(change: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        build(SimulationBasedCalibration, CONFIG.model_dump() | change, where=NAME)


@pytest.mark.slow
def test_the_whole_of_it_made_small(tmp_path: Path) -> None:
    calibration = tmp_path / "calibration"
    calibration.mkdir()
    shipped = read_yaml(experiment_file(find("experiments", CONFIG.calibration)))
    _write(calibration, shipped | {"patients": 1000, "patients_rare": 1000})
    small = SMALL.model_dump() | {
        "calibration": str(calibration),
        "replicates_simulator": 2,
        "replicates_emulators": 2,
        "error_worlds": 8,
        "patients": 16,
        "patients_rare": 16,
    }
    first = _run(tmp_path / "first", small)
    (calibration / "results").mkdir()
    (tmp_path / "first" / "results" / "emulators").rename(calibration / "results" / "emulators")
    again = _run(tmp_path / "again", small)
    assert first.ranks.equals(again.ranks), "emulators of the calibration are taken over"
    assert not (tmp_path / "again" / "results" / "emulators").exists()
    assert len(first.arms[0].rows) == 9 + CONFIG.constants + 3 * CONFIG.products + 1


def _run(folder: Path, tree: dict[str, object]) -> SimulationBasedCalibrationResult:
    folder.mkdir()
    _write(folder, tree)
    return run_simulation_based_calibration(
        folder, workers=2, begin=lambda title, total: lambda n: None
    )


def _write(folder: Path, tree: dict[str, object]) -> None:
    lines = [f"{key}: {value!r}" for key, value in tree.items()]
    (folder / "experiment.yaml").write_text("\n".join(lines), encoding="utf-8")
