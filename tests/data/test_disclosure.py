"""What may be told of patients: words, quantiles and ranges of ten or more."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.disclosure import (
    FEWEST,
    OTHERS,
    frequent_words,
    inner_share,
    parting,
    pooled_words,
    rounded_outwards,
    usual_range,
)

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=80)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(WORDS)
def test_only_words_of_ten_patients_are_told(words: list[str]) -> None:
    counts = Counter(word for word in words if word)
    assert frequent_words(words) == tuple(sorted(w for w, n in counts.items() if n >= FEWEST))
    pooled = pooled_words(words).tolist()
    assert set(pooled) <= {*frequent_words(words), OTHERS}
    assert [a == b for a, b in zip(words, pooled, strict=True)] == [
        word in frequent_words(words) for word in words
    ]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_bins_that_are_kept_hold_ten_and_lose_nobody(counts: list[int]) -> None:
    kept = parting(counts)
    ends = [0, *(place + 1 for place in kept), len(counts)]
    inside = [sum(counts[a:b]) for a, b in pairwise(ends)]
    assert sum(inside) == sum(counts)
    if kept:
        assert min(inside) >= FEWEST
    assert kept == sorted(set(kept))
    assert not kept or kept[-1] < len(counts) - 1


@given(st.integers(0, 500), st.floats(0.0, 0.5))
def test_ten_lie_beyond_a_quantile(n: int, share: float) -> None:
    moved = inner_share(share, n=n)
    if n < 2 * FEWEST:
        assert moved is None
    else:
        assert moved is not None
        assert moved >= share
        assert round(moved * n, 9) >= FEWEST
        assert round((1 - moved) * n, 9) >= FEWEST


@given(NUMBERS, NUMBERS)
def test_rounding_holds_the_range(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    rounded = rounded_outwards(low, high)
    assert rounded[0] <= low
    assert rounded[1] >= high
    for end, value in zip(rounded, (low, high), strict=True):
        assert abs(end - value) <= 0.0101 * abs(value)
        assert float(f"{end:.3g}") == end


@given(st.lists(st.floats(0.1, 1e4), min_size=2 * FEWEST, max_size=120), st.floats(1e5, 1e9))
def test_one_patient_moves_a_range_by_a_tenth_at_most(values: list[float], far: float) -> None:
    """The end is reckoned from ten patients: it lies between the quantile that parts them from the
    others and what their mean says, whatever the farthest of them has.
    """
    table = np.array([*values, far])
    told = usual_range(table, share=0.001)
    assert told is not None
    ordered = np.sort(table)
    steps = np.log(FEWEST / (0.001 * table.size))
    reach = steps * (ordered[-FEWEST:].mean() - np.quantile(table, 1 - FEWEST / table.size))
    end = np.quantile(table, 1 - FEWEST / table.size) + reach
    assert end <= told[1] <= 1.0101 * end
    assert told[1] != far


def test_a_large_table_has_the_quantiles_themselves() -> None:
    values = np.random.default_rng(1).normal(100.0, 10.0, 50_000)
    told = usual_range(values, share=0.001)
    assert told == rounded_outwards(*np.quantile(values, [0.001, 0.999]))


def test_a_range_stays_within_what_is_possible() -> None:
    values = np.r_[np.full(30, 1.0), 40.0]
    assert usual_range(values, share=0.001, possible=(0.0, 5.0)) == (1.0, 5.0)
    assert usual_range(values[:19], share=0.001) is None
    assert usual_range(np.full(40, np.nan), share=0.001) is None
