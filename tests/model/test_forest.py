"""The forest scores as LightGBM does, to the last bit, one row as many."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.model.booster import raw_log_odds_of
from crsrisk.model.forest import forest_of, raw_log_odds_by
from tests.model.boosters import every_case, made, made_by_us


@pytest.mark.parametrize("case", every_case().values(), ids=every_case())
def test_scores_are_lightgbms_to_the_last_bit(case: Any) -> None:
    one = case()
    forest = forest_of(one.text, objective=one.objective)
    ours, theirs = raw_log_odds_by(forest, one.table), raw_log_odds_of(one.booster, one.table)
    np.testing.assert_array_equal(ours, theirs)
    for row in (0, 25, 45, 65, 85, 95, 120):
        assert raw_log_odds_by(forest, one.table[row : row + 1])[0] == ours[row]


def test_the_kinds_differ() -> None:
    """The models of the tests really have all the kinds of splits: bits 1 (categories), 2 (left), 4
    and 8 (missing).
    """
    kinds = {
        int(kind)
        for case in every_case().values()
        for kind in forest_of(case().text, objective=case().objective).nodes["kind"]
    }
    assert {2, 4, 6, 8, 9, 10} <= kinds
    assert len(forest_of(made("constant").text).nodes) == 0


def test_layout_of_the_table_does_not_matter() -> None:
    case = made_by_us()
    forest = forest_of(case.text)
    expected = raw_log_odds_by(forest, case.table)
    np.testing.assert_array_equal(raw_log_odds_by(forest, np.asfortranarray(case.table)), expected)
    np.testing.assert_array_equal(raw_log_odds_by(forest, case.table[::-1])[::-1], expected)
    assert raw_log_odds_by(forest, case.table[:0]).shape == (0,)


def test_another_width_is_refused() -> None:
    forest = forest_of(made_by_us().text)
    for table in (np.zeros((2, 4)), np.zeros((2, 6)), np.zeros(5)):
        with pytest.raises(ValueError, match="for trees of 5 features"):
            raw_log_odds_by(forest, table)


def test_a_text_is_read_once_and_checked() -> None:
    text = made_by_us().text
    assert forest_of(text) is forest_of(text)
    with pytest.raises(InputError):
        forest_of(text[:-30])
    with pytest.raises(InputError, match="other features"):
        forest_of(text, feature_names=("a", "b", "c", "d", "e"))


def test_scoring_a_model_imports_no_lightgbm() -> None:
    code = (
        "import sys, crsrisk.model.explain, crsrisk.model.store, crsrisk.model.predict;"
        " print('lightgbm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
