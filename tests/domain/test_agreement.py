"""Agreement: kappa against scikit-learn, cases with a known answer, and what has no kappa."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from crsrisk.domain.agreement import agree, weighted_kappa

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)


@given(pairs=pairs)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    one, two = np.array(pairs).T
    found = agree(one, two, n_resamples=2)
    assert found.exact == pytest.approx(np.mean(one == two))
    assert found.table.sum() == len(pairs)
    if found.kappa is None:
        assert len({*one, *two}) == 1
    else:
        want = cohen_kappa_score(one, two, weights="linear", labels=range(6))
        assert found.kappa == pytest.approx(want, abs=1e-12)


def test_known_tables() -> None:
    assert float(weighted_kappa([[10, 0], [0, 10]])) == 1.0
    assert float(weighted_kappa([[5, 5], [5, 5]])) == 0.0
    assert float(weighted_kappa([[0, 10], [10, 0]])) == -1.0
    assert np.isnan(weighted_kappa([[7, 0], [0, 0]]))


def test_a_table_counts_the_first_system_in_rows() -> None:
    found = agree([1, 1, 2], [1, 3, 3])
    assert found.table[1, 3] == 1
    assert found.table[2, 3] == 1
    assert found.table[3, 1] == 0


def test_interval() -> None:
    one = np.repeat([0, 1, 2, 3], 25)
    two = np.where(np.arange(100) % 5 == 0, np.minimum(one + 1, 5), one)
    found = agree(one, two)
    assert found.kappa is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.kappa < found.high
    # the spread of kappa over fresh samples of patients, as another way to the same width
    random = np.random.default_rng(7)
    draws = [random.integers(0, 100, 100) for _ in range(400)]
    width = np.diff(np.quantile([cohen_kappa_score(one[d], two[d], weights="linear") for d in draws], [0.025, 0.975]))[0]
    assert found.high - found.low == pytest.approx(width, rel=0.2)
    assert (agree(one, two).low, agree(one, two).high) == (found.low, found.high), "the same resamples every time"


def test_few_patients_have_no_interval_and_one_grade_has_no_kappa() -> None:
    few = agree([0, 1, 2], [0, 1, 1])
    assert (few.kappa is not None, few.low, few.high) == (True, None, None)
    same = agree([1] * 20, [1] * 20)
    assert (same.exact, same.kappa, same.low) == (1.0, None, None)


@pytest.mark.parametrize(("one", "two"), [([], []), ([1, 2], [1]), ([[1]], [[1]])])
def test_lists_that_do_not_match(one: list[int], two: list[int]) -> None:
    with pytest.raises(ValueError, match="same patients"):
        agree(one, two)
