"""Calibration, small: it moves worlds towards the figures, writes a whole ensemble, and does the
same with any workers.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk import folders
from crsrisk.data.ensemble import Ensemble, load_ensemble, save_ensemble
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.studies.calibration import apply_calibration, find_targets, run_calibration

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
    made = run_calibration(folder, workers=workers, begin=_silent)
    assert len(repr(made)) < 2_000
    return made.results


@pytest.mark.slow
def test_a_small_calibration_comes_nearer_to_the_figures(tmp_path: Path) -> None:
    """Members spread less and lie nearer than the worlds of the priors do; the same bytes with one
    worker and with two.
    """
    one, two = (_run(tmp_path / str(workers), workers=workers) for workers in (1, 2))
    for name in ("members.csv", "about.json", "constants.csv", "figures.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    ensemble = load_ensemble(one)
    assert len(ensemble) == 24
    assert ensemble.weights == pytest.approx(np.full(24, 1 / 24))
    figures = np.genfromtxt(
        one / "figures.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    for row in figures:
        assert row["posterior_high"] - row["posterior_low"] < row["prior_high"] - row["prior_low"]
        assert row["posterior_low"] <= row["published"] <= row["posterior_high"]


def test_only_calibration_figures_may_be_asked_for() -> None:
    """E110 is a validation figure."""
    with pytest.raises(InputError, match="E110"):
        find_targets(["E030", "E110"], trials=load_trials(role="calibration"))


# Applied: results of a calibration become values in the files, and what was believed before stays.


@pytest.fixture
def world_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the synthetic world that may be changed."""
    place = tmp_path / "synthetic"
    shutil.copytree(folders.synthetic_folder(), place)
    for module in (
        "crsrisk.folders",
        "crsrisk.studies.calibration",
        "crsrisk.data.ensemble",
        "crsrisk.data.world_files",
    ):
        monkeypatch.setattr(f"{module}.synthetic_folder", lambda: place)
    return place


def _results(folder: Path, values: dict[str, float]) -> Path:
    pd.DataFrame({"constant": list(values), "most_probable": list(values.values())}).to_csv(
        folder / "constants.csv", index=False
    )
    save_ensemble(
        Ensemble(tuple(values), np.array([list(values.values())] * 2), np.array([0.5, 0.5]), "x"),
        folder,
        about={"seed": 1},
    )
    return folder


def test_values_move_and_priors_stay(world_folder: Path, tmp_path: Path) -> None:
    before = load_world().assumptions["engagement.t_gain"]
    believed = before.value if before.prior is None else before.prior
    product = load_product("tarlatamab").binding.tumour_affinity_nm
    results = tmp_path / "results"
    results.mkdir()
    apply_calibration(
        _results(
            results,
            {
                "assumption:engagement.t_gain": 1.25,
                "product:tarlatamab.binding.tumour_affinity_nm": 0.9,
            },
        )
    )
    after = load_world().assumptions["engagement.t_gain"]
    assert (after.value, after.prior) == (1.25, believed)
    moved = load_product("tarlatamab").binding.tumour_affinity_nm
    assert (moved.value, moved.prior) == (
        0.9,
        product.value if product.prior is None else product.prior,
    )
    assert load_ensemble().member(0)["assumption:engagement.t_gain"] == 1.25
    assert world_folder.joinpath("ensemble", "members.csv").is_file()


def test_a_value_that_did_not_move_goes_back_to_its_prior(
    world_folder: Path, tmp_path: Path
) -> None:
    entry = load_world().assumptions["engagement.t_gain"]
    believed = entry.value if entry.prior is None else entry.prior
    apply_calibration(_results(tmp_path, {"assumption:engagement.t_gain": 1.25}))
    apply_calibration(_results(tmp_path, {"assumption:engagement.t_gain": believed}))
    assert load_world().assumptions.value("engagement.t_gain") == believed


def test_no_results_no_change(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"constants\.csv"):
        apply_calibration(tmp_path)
