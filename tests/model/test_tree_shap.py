"""Exact path-dependent Shapley values: LightGBM's own are the reference, the definition is in
test_explain.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.model.booster import contributions_of
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.tree_kernels import LANES
from crsrisk.model.tree_shap import _plan_of, path_shapley
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
        "from crsrisk.model.tree_shap import path_shapley\n"
        "case = made('missing values'); forest = forest_of(case.text)\n"
        "found = [raw_log_odds_by(forest, case.table), path_shapley(forest, case.table)]\n"
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
