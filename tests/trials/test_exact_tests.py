"""Exact tests against scipy's tests of single tables and against trials played out path by path."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, boschloo_exact, fisher_exact, norm

from crsrisk.errors import InputError
from crsrisk.trials.exact_tests import (
    TESTS,
    exact_rejection_probability,
    exact_two_stage_binary,
    fisher_p,
    largest_size,
    pooled_z,
    rejection_region,
)


@pytest.mark.parametrize(("n1", "n2"), [(1, 1), (7, 5), (12, 20)])
def test_fisher_is_scipys(n1: int, n2: int) -> None:
    ours = fisher_p(n1, n2)
    for x1, x2 in product(range(n1 + 1), range(n2 + 1)):
        theirs = fisher_exact([[x1, n1 - x1], [x2, n2 - x2]], alternative="less").pvalue
        assert ours[x1, x2] == pytest.approx(theirs, abs=1e-9)


def test_boschloo_rejects_what_scipy_rejects() -> None:
    """Every table of 8 against 9 patients, in either direction; scipy searches each p value for
    itself.
    """
    for direction, alternative in (("treatment lower", "less"), ("treatment higher", "greater")):
        region = rejection_region(
            n1=8, n2=9, alpha_one_sided=0.05, test="boschloo", direction=direction
        )
        for x1, x2 in product(range(9), range(10)):
            p = boschloo_exact([[x1, x2], [8 - x1, 9 - x2]], alternative=alternative, n=64).pvalue
            assert region[x1, x2] == (p <= 0.05), (x1, x2, p)


@settings(max_examples=25)
@given(n1=st.integers(2, 25), n2=st.integers(2, 25), alpha=st.sampled_from([0.025, 0.05, 0.1]))
def test_exact_tests_keep_their_level_and_boschloo_is_never_weaker_than_fisher(
    n1: int, n2: int, alpha: float
) -> None:
    regions = {
        test: rejection_region(n1=n1, n2=n2, alpha_one_sided=alpha, test=test) for test in TESTS
    }
    for test in ("fisher", "boschloo", "z_unconditional"):
        assert largest_size(regions[test]) <= alpha + 1e-9
    assert (regions["boschloo"] >= regions["fisher"]).all()
    for region in regions.values():  # more events in controls, fewer in the treated: still rejected
        assert (np.diff(region.astype(int), axis=1) >= 0).all()
        assert (np.diff(region.astype(int), axis=0) <= 0).all()


@given(
    n1=st.integers(1, 20), n2=st.integers(1, 20), p1=st.floats(0.05, 0.95), p2=st.floats(0.05, 0.95)
)
def test_counting_events_or_their_absence_is_the_same(
    n1: int, n2: int, p1: float, p2: float
) -> None:
    plain = exact_rejection_probability(n1=n1, n2=n2, p1=p1, p2=p2, tests=["z", "fisher"])
    mirrored = exact_rejection_probability(
        n1=n1, n2=n2, p1=1 - p1, p2=1 - p2, tests=["z", "fisher"], direction="treatment higher"
    )
    for test in ("z", "fisher"):
        assert mirrored.by_test[test].power == pytest.approx(plain.by_test[test].power, abs=1e-12)


def test_power_table_by_table() -> None:
    """Both sums written out, with z computed from its definition."""
    n1, n2, p1, p2, reached = 9, 11, 0.2, 0.6, 0.0
    for x1, x2 in product(range(n1 + 1), range(n2 + 1)):
        mean = (x1 + x2) / (n1 + n2)
        error = np.sqrt(mean * (1 - mean) * (1 / n1 + 1 / n2))
        if error > 0 and (x2 / n2 - x1 / n1) / error >= norm.isf(0.025):
            reached += binom.pmf(x1, n1, p1) * binom.pmf(x2, n2, p2)
    found = exact_rejection_probability(n1=n1, n2=n2, p1=p1, p2=p2, tests=["z"]).by_test["z"]
    assert found.power == pytest.approx(reached, abs=1e-12)
    assert max(found.size_at_p1, found.size_at_p2) <= found.size_max


def test_the_table_has_a_row_for_each_test() -> None:
    exact = exact_rejection_probability(n1=20, n2=20, p1=0.1, p2=0.4)
    assert exact.to_frame().index.tolist() == ["z", "fisher", "boschloo"]
    assert exact.to_frame().loc["fisher", "power"] == exact.by_test["fisher"].power
    assert "boschloo power 0." in repr(exact)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"n1": 0}, "n1"),
        ({"n2": 2.5}, "n2"),
        ({"p1": 0.0}, "p1"),
        ({"p2": 1.2}, "p2"),
        ({"alpha_one_sided": 0.7}, "alpha_one_sided"),
        ({"direction": "lower"}, "direction"),
        ({"tests": ["chi2"]}, "tests"),
        ({"tests": []}, "tests"),
    ],
)
def test_impossible_requests_are_refused(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=rf"{key}.*Cure: \w"):
        exact_rejection_probability(**{"n1": 20, "n2": 20, "p1": 0.1, "p2": 0.4, **wrong})


# --- trials in stages ---


def played_out(
    stages: list[int], bounds: list[float], floors: list[float], p1: float, p2: float
) -> list[float]:
    """Every path of events through the stages: [rejected at each look..., futile at each look...,
    mean patients].
    """
    rejected, futile, mean_n = [0.0] * len(stages), [0.0] * len(stages), 0.0

    def go_on(k: int, x1: int, x2: int, chance: float) -> None:
        nonlocal mean_n
        n = sum(stages[: k + 1])
        mean_n += 2 * stages[k] * chance
        for a, b in product(range(stages[k] + 1), repeat=2):
            here = chance * binom.pmf(a, stages[k], p1) * binom.pmf(b, stages[k], p2)
            z = pooled_z(n, n)[x1 + a, x2 + b]
            if z >= bounds[k]:
                rejected[k] += here
            elif k + 1 < len(stages) and z < floors[k]:
                futile[k] += here
            elif k + 1 < len(stages):
                go_on(k + 1, x1 + a, x2 + b, here)

    go_on(0, 0, 0, 1.0)
    return [*rejected, *futile, mean_n]


@pytest.mark.parametrize("stages", [[4], [3, 4], [2, 2, 3]])
def test_stages_are_played_out(stages: list[int]) -> None:
    bounds, floors = [2.2, 1.9, 1.6][: len(stages)], [0.1, 0.4][: len(stages) - 1]
    found = exact_two_stage_binary(
        n_per_arm_per_stage=stages,
        bounds=bounds,
        p_treat=0.2,
        p_control=0.6,
        futility_z=floors or None,
    )
    for side, p1 in ((found.H1, 0.2), (found.H0, 0.6)):
        expected = played_out(stages, bounds, floors, p1, 0.6)
        assert [*side.p_reject, *side.p_futility, side.expected_n_total] == pytest.approx(
            expected, abs=1e-12
        )


def test_one_stage_is_the_plain_test() -> None:
    stage = exact_two_stage_binary(
        n_per_arm_per_stage=[30], bounds=[norm.isf(0.025)], p_treat=0.2, p_control=0.5
    )
    plain = exact_rejection_probability(n1=30, n2=30, p1=0.2, p2=0.5, tests=["z"]).by_test["z"]
    assert stage.power == pytest.approx(plain.power, abs=1e-12)
    assert stage.type_one_error == pytest.approx(plain.size_at_p2, abs=1e-12)
    higher = exact_two_stage_binary(
        n_per_arm_per_stage=[30],
        bounds=[norm.isf(0.025)],
        p_treat=0.8,
        p_control=0.5,
        direction="treatment higher",
    )
    assert higher.power == pytest.approx(plain.power, abs=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bounds": [2.8]},
        {"n_per_arm_per_stage": [0, 5]},
        {"futility_z": [0.0, 0.0, 0.0]},
        {"p_treat": 0.0},
    ],
)
def test_stages_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    plain = {"n_per_arm_per_stage": [5, 5], "bounds": [2.8, 2.0], "p_treat": 0.1, "p_control": 0.4}
    with pytest.raises(InputError, match="Cure"):
        exact_two_stage_binary(**{**plain, **wrong})
