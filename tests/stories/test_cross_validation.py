"""How well were products forecast? As JSON, on the terminal, and when it was not computed."""

from __future__ import annotations

from pathlib import Path

import pytest

import crsrisk as crs
from crsrisk.data import cross_validation as module
from crsrisk.data.cross_validation import bars, save_cross_validation
from tests.data.made_cross_validations import PRODUCTS, make_cross_validation
from tests.stories.terminal import crsrisk, done


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for that of the ensemble that ships."""
    monkeypatch.setattr(module, "ensemble_folder", lambda: tmp_path)
    return tmp_path


def test_as_json(shipped: Path) -> None:
    made = make_cross_validation()
    save_cross_validation(made, shipped)
    tree = done("evidence", "cross-validation", "--json").tree
    assert [row["id"] for row in tree["rows"]] == [row.id for row in made.rows]
    assert tree["summary"]["crs_any_rate"]["skill_against_regression"] == 0.04
    assert tree["summary"]["mae_any_cells"] == 0.24
    assert crs.cross_validation().to_dict() == tree


def test_on_the_terminal(shipped: Path) -> None:
    made = make_cross_validation()
    save_cross_validation(made, shipped)
    shown = done("evidence", "cross-validation").out
    places = [shown.index(name) for name in ("made_up_b", "made_up_a", "made_up_f")]
    assert places == sorted(places)
    for product in PRODUCTS:
        assert product in shown
    told = " ".join(shown.split())
    for bar in bars(made):
        assert bar.words in told
    assert "missed" in told
    assert "Do not trust a forecast for" in told
    assert "no external validation" in told


def test_one_that_was_not_computed_is_said(shipped: Path) -> None:
    for words in ((), ("--json",)):
        answer = crsrisk("evidence", "cross-validation", *words)
        assert answer.code == 2
        assert "not computed for this version" in answer.err
        assert "crsrisk run experiments/002_calibration" in answer.err
        assert answer.out == ""
