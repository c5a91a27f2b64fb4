"""Bounds of grades hold though numbers are rounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.bounds import is_above, is_at_least, is_below
from crsrisk.data.grading_systems import transaminase_grade


@given(st.integers(5, 200), st.sampled_from([1, 3, 5, 20]))
def test_a_ratio_at_a_step_of_ctcae_is_not_above_it(limit: int, step: int) -> None:
    ratio = (limit * step * 1.1) / (limit * 1.1)  # may miss the step in its last digit
    assert not is_above(ratio, step)
    assert is_at_least(ratio, step)
    assert not is_below(ratio, step)
    assert is_above(step * (1 + 1e-6), step)


def test_the_ratio_of_the_report_is_3() -> None:
    assert transaminase_grade([3.0000000000000004, 3.001]).tolist() == [1, 2]


@given(st.integers(-400, 500))
def test_fever_in_fahrenheit_begins_where_it_begins_in_celsius(tenths: int) -> None:
    celsius = 38.0 + tenths / 1000
    back = ((celsius * 9 / 5 + 32) - 32.0) * 5 / 9
    assert bool(is_at_least(back, 38.0)) == (tenths >= 0)
