"""The array tests give what the exact modules give, table by table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.decide import exact_tests
from crsrisk.decide.stratified import cochran_mantel_haenszel
from crsrisk.decide.trial_tests import farrington_manning_z, interaction_z, looked_up, mantel_haenszel_z, pooled_z
from crsrisk.decide.two_proportions import restricted_rates


def test_every_table_has_the_z_of_the_exact_module() -> None:
    n1, n0 = 7, 9
    x1, x0 = (grid.ravel() for grid in np.meshgrid(np.arange(n1 + 1), np.arange(n0 + 1), indexing="ij"))
    events = np.stack([x0, x1], axis=-1)[:, None, None, :, None]
    sizes = np.broadcast_to(np.array([n0, n1])[None, None, :, None], (x1.size, 1, 2, 1))
    np.testing.assert_allclose(pooled_z(events, sizes)[:, 0, 0], exact_tests.pooled_z(n1, n0)[x1, x0], atol=1e-12)
    region = exact_tests.rejection_region(n1=n1, n2=n0, alpha_one_sided=0.025, test="fisher")
    np.testing.assert_array_equal(looked_up(events, region)[:, 0, 0], region[x1, x0])


@st.composite
def strata(draw: st.DrawFn) -> tuple[list[int], list[int], list[int], list[int]]:
    n1, n0 = ([draw(st.integers(1, 40)) for _ in range(3)] for _ in range(2))
    return [draw(st.integers(0, n)) for n in n1], n1, [draw(st.integers(0, n)) for n in n0], n0


@given(strata())
def test_strata_have_the_z_of_the_exact_module(tables: tuple[list[int], list[int], list[int], list[int]]) -> None:
    y1, n1, y0, n0 = tables
    found = float(mantel_haenszel_z(np.array([y0, y1])[None, None, None], np.array([n0, n1])[None, None])[0, 0, 0])
    if all(y in (0, n) for y, n in zip(np.add(y1, y0), np.add(n1, n0), strict=True)):
        assert found == 0.0
        return
    known = cochran_mantel_haenszel(events_treat=y1, n_treat=n1, events_control=y0, n_control=n0)
    assert found == pytest.approx(known.z, abs=1e-9)


def test_an_empty_stratum_adds_nothing() -> None:
    events, sizes = np.array([[[[[8, 0], [4, 0]]]]]), np.array([[[[40, 0], [40, 0]]]])
    alone = mantel_haenszel_z(events[..., :1], sizes[..., :1])
    assert mantel_haenszel_z(events, sizes)[0, 0, 0] == alone[0, 0, 0]


def test_interaction_compares_the_outer_strata() -> None:
    events = np.array([[[[[5, 9, 30], [5, 9, 10]]]]])
    sizes = np.array([[[[50, 50, 50], [50, 50, 50]]]])
    error = np.sqrt(2 * 0.1 * 0.9 / 50 + 0.6 * 0.4 / 50 + 0.2 * 0.8 / 50)
    assert interaction_z(events, sizes)[0, 0] == pytest.approx(-0.4 / error)


@given(n=st.tuples(st.integers(2, 60), st.integers(2, 60)), share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
       margin=st.floats(0.01, 0.3))
def test_the_z_of_non_inferiority_has_the_most_likely_rates_at_the_margin(
    n: tuple[int, int], share: tuple[float, float], margin: float
) -> None:
    events = [round(one * size) for one, size in zip(share, n, strict=True)]
    found = farrington_manning_z(np.array([[[[[events[0]], [events[1]]]]]]), np.array([[[[n[0]], [n[1]]]]]), margin=margin)
    p0, p1 = events[0] / n[0], events[1] / n[1]
    null1, null0 = restricted_rates(p1, p0, delta=margin, ratio=n[0] / n[1])
    error = (null1 * (1 - null1) / n[1] + null0 * (1 - null0) / n[0]) ** 0.5
    assert found[0, 0, 0] == pytest.approx((p0 + margin - p1) / error if error > 0 else 0.0)


def test_without_a_margin_it_is_the_pooled_z() -> None:
    events, sizes = np.array([[[[[20], [12]]]]]), np.array([[[[80], [60]]]])
    assert farrington_manning_z(events, sizes, margin=0.0) == pytest.approx(pooled_z(events, sizes), abs=1e-9)
