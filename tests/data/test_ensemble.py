"""The ensemble as files: there and back, and refused when it is not whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crsrisk.data.ensemble import Ensemble, load_ensemble, save_ensemble
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products, names
from crsrisk.uncertainty.constants import constant_of, quantity_of
from tests.simulation.people import world_of

_MADE = Ensemble(
    ("assumption:a.b", "product:c.d.e"),
    np.array([[1.23456, 2e-7], [3.0, 40000.0]]),
    np.array([0.25, 0.75]),
    "x",
)


def test_there_and_back(tmp_path: Path) -> None:
    save_ensemble(_MADE, tmp_path, about={"seed": 1})
    again = load_ensemble(tmp_path)
    assert again.keys == _MADE.keys
    assert again.values == pytest.approx(_MADE.values, rel=1e-4)
    assert again.weights == pytest.approx(_MADE.weights)
    assert again.member(1) == {"assumption:a.b": 3.0, "product:c.d.e": 40000.0}


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    save_ensemble(_MADE, tmp_path, about={"seed": 1})
    lines = (tmp_path / "members.csv").read_text().splitlines()
    (tmp_path / "members.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(InputError, match="2 members"):
        load_ensemble(tmp_path)


def test_a_missing_one_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="crsrisk run experiments/002_calibration"):
        load_ensemble(tmp_path)


def test_the_shipped_ensemble_is_large_and_knows_its_constants() -> None:
    """At least 200 members; every key is a constant of the world or of a shipped product, every
    value inside its range, but for the inferred SDs, whose priors are lognormal and have no ends.
    """
    ensemble = load_ensemble()
    shipped = [*names("products"), *evidence_only_products()]
    products = {name: load_product(name) for name in shipped}
    world = world_of()
    constants = (
        constant_of(key, quantity_of(key, world=world, products=products)) for key in ensemble.keys
    )
    known = {constant.key: constant for constant in constants if constant is not None}
    assert len(ensemble) >= 200
    assert set(ensemble.keys) == set(known)
    for key, values in zip(ensemble.keys, ensemble.values.T, strict=True):
        if key.startswith("assumption:evidence."):
            assert values.min() > 0.0
            continue
        slack = 1e-4 * max(abs(known[key].low), abs(known[key].high))
        assert known[key].low - slack <= values.min() <= values.max() <= known[key].high + slack
