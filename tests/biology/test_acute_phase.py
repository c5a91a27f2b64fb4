"""Acute phase: CRP and ferritin rest at the patient's baseline, rise with the signal, fall at their
half-lives.
"""

from __future__ import annotations

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.biology import acute_phase
from tests.biology.plain_python import plain

crp_rate, ferritin_rate = plain(acute_phase.crp_rate), plain(acute_phase.ferritin_rate)
_SHARE = st.floats(0.0, 1.0)


@given(crp0=st.floats(0.2, 400.0), rest=st.floats(0.001, 0.9))
def test_crp_rests_at_the_patients_baseline(crp0: float, rest: float) -> None:
    assert crp_rate(crp0, crp0 / rest, rest, 0.0, 300.0, 0.0365) == pytest.approx(
        0.0, abs=1e-9 * crp0
    )


@given(crp0=st.floats(0.2, 400.0), rest=st.floats(0.001, 0.9), left=_SHARE)
def test_crp_falls_below_baseline_when_il6_is_blocked(
    crp0: float, rest: float, left: float
) -> None:
    """With a share ``left`` of the resting signal, CRP settles at that share of its baseline."""
    assert crp_rate(left * crp0, crp0 / rest, left * rest, 0.0, 300.0, 0.0365) == pytest.approx(
        0.0, abs=1e-9 * crp0
    )
    assert crp_rate(crp0, crp0 / rest, left * rest, 0.0, 300.0, 0.0365) <= 1e-9 * crp0


def test_crp_rises_towards_its_maximum() -> None:
    """Rest 10 mg/L, a signal 0.5 above rest: 10 + 0.5 x 300 = 160 mg/L."""
    assert crp_rate(160.0, 10.0 / 0.02, 0.52, 0.5, 300.0, 0.0365) == pytest.approx(0.0, abs=1e-9)
    assert crp_rate(10.0, 10.0 / 0.02, 0.52, 0.5, 300.0, 0.0365) == pytest.approx(0.0365 * 150.0)


def test_half_lives() -> None:
    """Turnover of 0.0365/h is a half-life of 19 h, of 0.0231/h one of 30 h (recalled clinical
    values).
    """
    assert log(2) / 0.0365 == pytest.approx(19.0, rel=0.01)
    assert log(2) / 0.0231 == pytest.approx(30.0, rel=0.01)
    step, hours, crp, ferritin = 0.01, 19.0, 100.0, 1000.0
    for _ in range(round(hours / step)):
        crp += step * crp_rate(crp, 0.0, 0.0, 0.0, 300.0, 0.0365)
        ferritin += step * ferritin_rate(ferritin, 0.0, 0.0, 0.0, 4.0, 0.0231)
    assert crp == pytest.approx(100.0 * exp(-0.0365 * hours), rel=1e-3)
    assert ferritin == pytest.approx(1000.0 * exp(-0.0231 * hours), rel=1e-3)


@given(baseline=st.floats(5.0, 2e4), myeloid=_SHARE, interferon=_SHARE)
def test_ferritin_settles_above_baseline_with_active_macrophages(
    baseline: float, myeloid: float, interferon: float
) -> None:
    level = baseline * (1.0 + 4.0 * myeloid * (1.0 + interferon))
    assert ferritin_rate(level, baseline, myeloid, interferon, 4.0, 0.0231) == pytest.approx(
        0.0, abs=1e-9 * baseline
    )
    # interferon needs macrophages
    assert ferritin_rate(baseline, baseline, 0.0, interferon, 4.0, 0.0231) == 0.0
