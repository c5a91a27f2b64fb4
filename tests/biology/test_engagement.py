"""Engagement: the bell shape of a bridge, saturation, adaptation to what was met."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crsrisk.biology import engagement as formulas
from tests.biology.plain_python import plain

bridges, engagement = plain(formulas.bridges), plain(formulas.engagement)
saturations = plain(formulas.saturations)
desensitisation_rate = plain(formulas.desensitisation_rate)
activation_rate = plain(formulas.activation_rate)

_NM = st.floats(1e-4, 1e4)
_DRUG = st.floats(0.0, 1e6)
_LOAD = st.floats(0.0, 1e3)
_SHARE = st.floats(0.0, 1.0)
_SCARCE = 1e12  # copies needed for half a signal over copies there are


def bridge(drug: float, affinity: float, hook: float) -> float:
    """Share of antigen bridged by a soluble product: what is far from enough for a signal is
    counted bridge by bridge.
    """
    return float(_SCARCE * bridges(drug, 0.0, affinity, hook, _SCARCE, 1.0, 1.0)[0])


@given(tumour=_DRUG, normal=_DRUG, affinity=_NM, hook=_NM, need=st.floats(1e-3, 1e3), fc=_NM)
def test_bridges_are_shares_each_of_its_own_concentration(
    tumour: float, normal: float, affinity: float, hook: float, need: float, fc: float
) -> None:
    """Written with one division for speed, they are the three textbook fractions."""
    found = bridges(tumour, normal, affinity, hook, need, fc, 1.0)
    bound = [c * hook / ((affinity + c) * (hook + c)) for c in (tumour, normal)]
    want = [share / (share + need) for share in bound] + [normal / (fc + normal)]
    assert found == pytest.approx(want, rel=1e-9)
    assert all(0.0 <= share <= 1.0 + 1e-12 for share in found)


@given(tumour=_DRUG, normal=_DRUG, affinity=_NM, hook=_NM)
def test_cells_need_no_drug_and_have_no_fc(
    tumour: float, normal: float, affinity: float, hook: float
) -> None:
    assert bridges(tumour, normal, affinity, hook, 1.0, 1.0, 0.0) == (1.0, 1.0, 0.0)


@given(
    drug=st.floats(1e-3, 1e3), affinity=_NM, need=st.floats(1e-3, 1e3), factor=st.floats(1.1, 100.0)
)
def test_more_copies_reach_a_signal_at_less_drug(
    drug: float, affinity: float, need: float, factor: float
) -> None:
    """Potency rises with antigen density: half a signal of what can be reached takes affinity x
    need / (1 + need).
    """
    few, many = (
        bridges(drug, 0.0, affinity, 1e12, ratio, 1.0, 1.0)[0] for ratio in (need, need / factor)
    )
    assert many > few
    half = affinity * need / (1.0 + need)
    assert bridges(half, 0.0, affinity, 1e12, need, 1.0, 1.0)[0] == pytest.approx(
        0.5 / (1.0 + need), rel=1e-6
    )


@given(affinity=_NM, hook=_NM, factor=st.floats(1.01, 100.0))
def test_bridge_is_highest_at_the_geometric_mean(
    affinity: float, hook: float, factor: float
) -> None:
    """C / ((A + C)(H + C)) has its only maximum at sqrt(A H): rising below, falling above (hook
    effect).
    """
    best, slack = sqrt(affinity * hook), 1.0 + 1e-12
    top = bridge(best, affinity, hook)
    assert (
        top * slack
        >= bridge(best * factor, affinity, hook)
        >= bridge(best * factor * 2, affinity, hook)
    )
    assert (
        top * slack
        >= bridge(best / factor, affinity, hook)
        >= bridge(best / factor / 2, affinity, hook)
    )
    assert top == pytest.approx(hook / (sqrt(affinity) + sqrt(hook)) ** 2, rel=1e-9)


def test_the_hook_concentration_halves_a_tight_bridge() -> None:
    assert bridge(75.0, 1e-9, 75.0) == pytest.approx(0.5)
    assert bridge(0.0, 0.64, 75.0) == 0.0
    assert bridge(0.64, 0.64, 1e12) == pytest.approx(0.5)  # no hook: Michaelis and Menten


@given(
    load=_LOAD, more=st.floats(1e-3, 10.0), cells=st.floats(1e-6, 1e3), half=st.floats(0.0, 100.0)
)
def test_engagement_is_a_share_that_rises_with_load_and_cells(
    load: float, more: float, cells: float, half: float
) -> None:
    stimulus, engaged = engagement(load, cells, half)
    assert 0.0 <= engaged <= stimulus + 1e-12
    assert stimulus < 1.0
    assert stimulus == pytest.approx(load / (1.0 + load))
    assert engaged == pytest.approx(stimulus * cells / (half + cells))
    assert engagement(load + more, cells, half)[1] >= engaged
    assert engagement(load, cells + more, half)[1] >= engaged - 1e-12
    assert engagement(load, cells + more, half)[0] == pytest.approx(stimulus), (
        "the stimulus is that of one cell"
    )


def test_a_load_of_one_engages_half_of_the_cells_at_hand() -> None:
    assert engagement(1.0, 1.0, 0.0) == (0.5, 0.5)
    assert engagement(1.0, 2.0, 2.0) == (0.5, 0.25)
    assert engagement(0.0, 1.0, 0.0) == (0.0, 0.0)
    assert engagement(3.0, 0.0, 2.0) == (0.75, 0.0), "no cells yet: a stimulus for nobody"


@given(amounts=st.tuples(*[st.floats(0.0, 1e6)] * 3), halves=st.tuples(*[st.floats(1e-3, 1e3)] * 3))
def test_saturations_are_three_michaelis_terms(
    amounts: tuple[float, float, float], halves: tuple[float, float, float]
) -> None:
    (a, b, c), (x, y, z) = amounts, halves
    found = saturations(a, x, b, y, c, z)
    assert found == pytest.approx([a / (x + a), b / (y + b), c / (z + c)], rel=1e-9)
    assert all(0.0 <= share <= 1.0 + 1e-12 for share in found)
    assert saturations(x, x, y, y, z, z) == pytest.approx([0.5] * 3)


@given(excess=st.floats(-1.0, 1.0), adaptation=st.floats(0.0, 0.2), recovery=st.floats(0.0, 0.1))
def test_desensitisation_is_fast_up_and_slow_back(
    excess: float, adaptation: float, recovery: float
) -> None:
    """Adaptation x excess above what was met, recovery x gap below."""
    rate = desensitisation_rate(excess, max(excess, 0.0), adaptation, recovery)
    assert rate == pytest.approx(
        adaptation * excess if excess > 0 else recovery * excess, abs=1e-15
    )


@given(
    active=_SHARE,
    fresh=_SHARE,
    gain=st.floats(0.1, 3.0),
    inhibition=_SHARE,
    decay=st.floats(0.01, 1.0),
)
def test_active_t_cells_move_towards_their_target(
    active: float, fresh: float, gain: float, inhibition: float, decay: float
) -> None:
    target = gain * fresh * (1.0 - inhibition)
    assume(abs(active - target) > 1e-9)
    rate = activation_rate(active, fresh, gain, inhibition, decay)
    assert (rate > 0.0) == (active < target)
    assert activation_rate(target, fresh, gain, inhibition, decay) == pytest.approx(0.0, abs=1e-12)


def test_a_step_exposes_only_what_is_new() -> None:
    """Cells that have met an engagement of 0.5 answer to 0.6 as naive cells answer to 0.1."""
    naive, stepped = max(0.1 - 0.0, 0.0), max(0.6 - 0.5, 0.0)
    assert activation_rate(0.0, stepped, 1.0, 0.0, 0.385) == pytest.approx(
        activation_rate(0.0, naive, 1.0, 0.0, 0.385)
    )
