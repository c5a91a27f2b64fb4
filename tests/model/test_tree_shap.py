"""Exact path-dependent Shapley values: LightGBM's own are the reference, the definition is in
test_explain.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.model.booster import contributions_of
from crsrisk.model.forest import Forest, forest_of, raw_log_odds_by
from crsrisk.model.shap_bridge import shap
from crsrisk.model.tree_kernels import LANES, MEMO_SLOTS
from crsrisk.model.tree_shap import _paths_of, _plan_of, interventional_shapley, path_shapley
from tests.model.boosters import every_case, joined, made, made_by_us

AGREEMENT = 1e-10  # log-odds


@pytest.mark.parametrize("case", every_case().values(), ids=every_case())
def test_agrees_with_lightgbms_contributions(case: Any) -> None:
    one = case()
    forest = forest_of(one.text, objective=one.objective)
    shares = path_shapley(forest, one.table)
    assert np.abs(shares - contributions_of(one.booster, one.table)).max() < AGREEMENT
    np.testing.assert_allclose(
        shares.sum(axis=1), raw_log_odds_by(forest, one.table), atol=AGREEMENT
    )


def test_the_deep_models_are_deep() -> None:
    """Paths of more than fifteen splits, and features split on again below themselves, are among
    the cases.
    """
    depths = [
        _plan_of(forest_of(made(kind).text)).edges["depth"].max()
        for kind in ("deep", "deep and wide")
    ]
    assert max(depths) > 15
    assert (_plan_of(forest_of(made("deep").text)).edges["same"] > 0).any()
    assert _plan_of(forest_of(made("deep and wide").text)).n_points.max() >= 7  # thirteen features


def test_a_feature_without_a_split_has_no_share() -> None:
    forest = forest_of(joined().text, objective=joined().objective)
    unused = set(range(forest.n_features)) - set(forest.nodes["feature"].tolist())
    shares = path_shapley(forest, joined().table)
    assert not shares[:, sorted(unused)].any()
    stumps = forest_of(made("stumps").text)
    unused = set(range(stumps.n_features)) - set(stumps.nodes["feature"].tolist())
    assert unused, "the stumps use every feature: this test would guard nothing"
    assert not path_shapley(stumps, made("stumps").table)[:, sorted(unused)].any()


@given(
    rows=st.lists(st.integers(0, 299), min_size=1, max_size=3 * LANES), workers=st.integers(1, 3)
)
@settings(max_examples=30, deadline=None)
def test_a_row_has_the_same_bytes_in_any_company(rows: list[int], workers: int) -> None:
    case = made_by_us()
    forest = forest_of(case.text)
    whole = path_shapley(forest, case.table)
    np.testing.assert_array_equal(
        path_shapley(forest, case.table[rows], workers=workers), whole[rows]
    )


def test_threads_do_not_change_a_byte() -> None:
    case = made("missing values")
    forest, table = forest_of(case.text), np.tile(case.table, (20, 1))
    alone = path_shapley(forest, table)
    for workers in (2, 3, 8):
        assert path_shapley(forest, table, workers=workers).tobytes() == alone.tobytes()


def test_no_row() -> None:
    forest = forest_of(made_by_us().text)
    assert path_shapley(forest, np.zeros((0, 5))).shape == (0, 6)


@pytest.mark.slow
def test_the_first_run_and_the_cached_run_give_the_same_bytes(tmp_path: Path) -> None:
    """Compiled anew, then from the cache, then anew beside other compiled code."""
    code = (
        "import hashlib, numpy as np\n"
        "from tests.model.boosters import made\n"
        "from crsrisk.model.forest import forest_of, raw_log_odds_by\n"
        "from crsrisk.model.tree_shap import interventional_shapley\n"
        "from crsrisk.model.tree_shap import path_shapley\n"
        "case = made('missing values'); forest = forest_of(case.text)\n"
        "found = [raw_log_odds_by(forest, case.table), path_shapley(forest, case.table),\n"
        "         interventional_shapley(forest, case.table[:50], background=case.table[50:90])]\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in found)).hexdigest())\n"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    answers = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert any(tmp_path.rglob("*.nbi")), (
        "nothing was cached: this test would compare two first runs"
    )
    assert answers[0] == answers[1] != ""


# Interventional Shapley values: the definition by enumeration of all coalitions, and shap's
# TreeExplainer.


EXACT = 1e-12
# shap sums this estimand in 32-bit numbers: its own additivity gap is of this size
SHAPS_OWN = 1e-6


def by_definition(forest: Forest, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values by all coalitions: known features from the row, the others from each
    background patient.
    """
    n = len(row)

    def value_of(known: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, list(known)] = row[list(known)]
        return float(raw_log_odds_by(forest, mixed).mean())

    values = {
        known: value_of(known) for size in range(n + 1) for known in combinations(range(n), size)
    }
    shares = np.zeros(n)
    for feature in range(n):
        for known, value in values.items():
            if feature not in known:
                weight = factorial(len(known)) * factorial(n - len(known) - 1) / factorial(n)
                shares[feature] += weight * (values[tuple(sorted((*known, feature)))] - value)
    return shares


# 2^7 coalitions, not 2^40
NARROW = {name: case for name, case in every_case().items() if name != "deep and wide"}


@pytest.mark.parametrize("case", NARROW.values(), ids=NARROW)
def test_equals_the_definition(case: Any) -> None:
    one = case()
    forest = forest_of(one.text, objective=one.objective)
    background = one.table[100:117]
    shares = interventional_shapley(forest, one.table[::40], background=background)
    for share, row in zip(shares, one.table[::40], strict=True):
        np.testing.assert_allclose(share[:-1], by_definition(forest, row, background), atol=EXACT)


@pytest.mark.parametrize("case", every_case().values(), ids=every_case())
def test_adds_up_to_the_prediction(case: Any) -> None:
    one = case()
    forest = forest_of(one.text, objective=one.objective)
    shares = interventional_shapley(forest, one.table[:100], background=one.table[100:150])
    np.testing.assert_allclose(
        shares.sum(axis=1), raw_log_odds_by(forest, one.table[:100]), atol=1e-10
    )
    assert (shares[:, -1] == raw_log_odds_by(forest, one.table[100:150]).mean()).all()


@pytest.mark.parametrize(
    "case", [made_by_us, lambda: made("deep"), lambda: made("no missing values")]
)
def test_agrees_with_shap(case: Any) -> None:
    one = case()
    rows, background = np.nan_to_num(one.table[100:160]), np.nan_to_num(one.table[200:250])
    explainer = shap.TreeExplainer(
        one.booster, data=background, feature_perturbation="interventional", model_output="raw"
    )
    theirs = explainer.shap_values(rows, check_additivity=False)
    ours = interventional_shapley(forest_of(one.text), rows, background=background)
    assert np.abs(ours[:, :-1] - theirs).max() < SHAPS_OWN


def test_long_paths_are_worked_out_row_by_row() -> None:
    """More features on a path than the memory for patterns holds: the other branch of the code,
    same values.
    """
    case = made("deep and wide")
    forest = forest_of(case.text)
    assert _paths_of(forest)[0]["n_slots"].max() > MEMO_SLOTS
    rows, background = case.table[100:130], case.table[200:240]
    shares = interventional_shapley(forest, rows, background=background)
    one_by_one = np.mean(
        [interventional_shapley(forest, rows, background=background[k : k + 1]) for k in range(40)],
        axis=0,
    )
    np.testing.assert_allclose(shares, one_by_one, atol=EXACT)


def test_company_order_and_threads_do_not_matter() -> None:
    case = made("missing values")
    forest, background = forest_of(case.text), case.table[200:300]
    whole = interventional_shapley(forest, case.table, background=background)
    for workers in (2, 3, 7):
        again = interventional_shapley(forest, case.table, background=background, workers=workers)
        assert again.tobytes() == whole.tobytes()
    np.testing.assert_array_equal(
        interventional_shapley(forest, case.table[7:8], background=background)[0], whole[7]
    )
    turned = interventional_shapley(forest, case.table, background=background[::-1])
    np.testing.assert_allclose(turned, whole, atol=EXACT)


def test_the_background_explains_itself_as_nothing() -> None:
    case = made_by_us()
    forest, row = forest_of(case.text), case.table[:1]
    assert not interventional_shapley(forest, row, background=row)[:, :-1].any()


def test_it_is_another_estimand_than_the_path_dependent_one() -> None:
    case = made("no missing values")
    forest = forest_of(case.text)
    ours = interventional_shapley(forest, case.table[100:], background=case.table[100:])
    assert np.abs(ours - path_shapley(forest, case.table[100:])).max() > 1e-3


def test_an_empty_background_is_refused() -> None:
    forest = forest_of(made_by_us().text)
    with pytest.raises(ValueError, match="at least one patient"):
        interventional_shapley(forest, np.zeros((1, 5)), background=np.zeros((0, 5)))
