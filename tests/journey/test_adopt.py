"""Adopt: results of a calibration become values in the files, and what was believed before stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk import folders
from crsrisk.domain.ensemble import Ensemble
from crsrisk.errors import InputError
from crsrisk.journey.adopt import adopt
from crsrisk.read.ensemble import load_ensemble, save_ensemble
from crsrisk.read.world import load_product
from crsrisk.simulate.world import load_world


@pytest.fixture
def world_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the synthetic world that may be changed."""
    place = tmp_path / "synthetic"
    shutil.copytree(folders.synthetic_folder(), place)
    for module in ("crsrisk.folders", "crsrisk.journey.adopt", "crsrisk.read.ensemble", "crsrisk.read.world"):
        monkeypatch.setattr(f"{module}.synthetic_folder", lambda: place)
    return place


def _results(folder: Path, values: dict[str, float]) -> Path:
    pd.DataFrame({"constant": list(values), "most_probable": list(values.values())}).to_csv(
        folder / "constants.csv", index=False)
    save_ensemble(Ensemble(tuple(values), np.array([list(values.values())] * 2), np.array([0.5, 0.5]), "x"), folder,
                  about={"seed": 1})
    return folder


def test_values_move_and_priors_stay(world_folder: Path, tmp_path: Path) -> None:
    before = load_world().assumptions["engagement.t_gain"]
    believed = before.value if before.prior is None else before.prior
    product = load_product("tarlatamab").binding.tumour_affinity_nm
    results = tmp_path / "results"
    results.mkdir()
    adopt(_results(results, {"assumption:engagement.t_gain": 1.25, "product:tarlatamab.binding.tumour_affinity_nm": 0.9}))
    after = load_world().assumptions["engagement.t_gain"]
    assert (after.value, after.prior) == (1.25, believed)
    moved = load_product("tarlatamab").binding.tumour_affinity_nm
    assert (moved.value, moved.prior) == (0.9, product.value if product.prior is None else product.prior)
    assert load_ensemble().member(0)["assumption:engagement.t_gain"] == 1.25
    assert world_folder.joinpath("ensemble", "members.csv").is_file()


def test_a_value_that_did_not_move_goes_back_to_its_prior(world_folder: Path, tmp_path: Path) -> None:
    entry = load_world().assumptions["engagement.t_gain"]
    believed = entry.value if entry.prior is None else entry.prior
    adopt(_results(tmp_path, {"assumption:engagement.t_gain": 1.25}))
    adopt(_results(tmp_path, {"assumption:engagement.t_gain": believed}))
    assert load_world().assumptions.value("engagement.t_gain") == believed


def test_no_results_no_change(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"constants\.csv"):
        adopt(tmp_path)
