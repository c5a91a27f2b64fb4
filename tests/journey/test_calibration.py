"""Calibration, small: it moves worlds towards the figures, writes a whole ensemble, and does the same with any workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.journey.calibration import find_targets, run_calibration
from crsrisk.read.ensemble import load_ensemble
from crsrisk.read.published import load_trials

_SMALL = """
kind: calibration
name: small
question: "does it work?"
scenario: reference
seed: 7
targets: [E030, E035, E009]
slope_patients: 64
slope_patients_rare: 64
patients: 96
patients_rare: 96
members: 24
rounds: 4
reference_rounds: 3
reference_patients: 512
reference_patients_rare: 512
final_patients: 192
final_patients_rare: 192
"""


def _silent(text: str, total: int) -> Callable[[int], None]:
    return lambda done: None


def _run(folder: Path, *, workers: int) -> Path:
    folder.mkdir()
    (folder / "experiment.yaml").write_text(_SMALL)
    run_calibration(folder, workers=workers, begin=_silent)
    return folder / "results"


@pytest.mark.slow
def test_a_small_calibration_comes_nearer_to_the_figures(tmp_path: Path) -> None:
    """Members spread less and lie nearer than the worlds of the priors do; the same bytes with one worker and with two."""
    one, two = (_run(tmp_path / str(workers), workers=workers) for workers in (1, 2))
    for name in ("members.csv", "about.json", "constants.csv", "figures.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    ensemble = load_ensemble(one)
    assert len(ensemble) == 24
    assert ensemble.weights == pytest.approx(np.full(24, 1 / 24))
    figures = np.genfromtxt(one / "figures.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    for row in figures:
        assert row["posterior_high"] - row["posterior_low"] < row["prior_high"] - row["prior_low"]
        assert row["posterior_low"] <= row["published"] <= row["posterior_high"]


def test_only_calibration_figures_may_be_asked_for() -> None:
    """E110 is a validation figure."""
    with pytest.raises(InputError, match="E110"):
        find_targets(["E030", "E110"], trials=load_trials(role="calibration"))
