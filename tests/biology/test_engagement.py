"""Engagement: the ternary complex and its hook, saturation, adaptation to what was met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

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
_COPIES = st.floats(10.0, 1e7)
_NEED = st.floats(10.0, 1e4)
_CROSSING = st.floats(1.0, 1e4)
_MORE = st.floats(1.01, 100.0)
_SLACK = 1.0 + 1e-9
# the worst of T / (T + need) when T is halved: T = need x sqrt(2)
FARTHEST = 3.0 - 2.0 * sqrt(2.0)


@dataclass(frozen=True)
class Contact:
    """A tumour cell and a T cell that touch: affinities in nM, copies of antigen and of CD3, copies
    that half a signal takes, and copies a nM.
    """

    antigen_arm: float
    cd3_arm: float
    antigen: float
    receptors: float
    need: float
    crossing: float

    def signal(self, drug: float) -> float:
        """Signal at a drug concentration (nM), as the solver is told: 0 to 1."""
        limit = 1.0 + self.need * (1.0 / self.antigen + 1.0 / self.receptors)
        cross = self.need * self.crossing / (self.antigen * self.receptors)
        tumour, normal, _ = bridges(
            drug,
            drug,
            self.antigen_arm,
            self.antigen_arm,
            self.cd3_arm,
            limit,
            limit,
            cross,
            cross,
            1.0,
            0.0,
            1.0,
            1.0,
        )
        assert tumour == pytest.approx(normal, rel=1e-9), "one formula for both tissues"
        return float(tumour)

    def bridges_in_equilibrium(self, drug: float) -> float:
        """Bridges by the law of mass action, solved for the number at which both sides agree.

        Of the copies that are in no bridge a share 1 / (1 + L / KA) is free, and of the receptors a
        share L / (KB + L) carries a drug; a bridge forms between the two and falls apart with the
        antigen arm's affinity, ``crossing`` copies counting as a nM.
        """

        def excess(bridged: float) -> float:
            free = (self.antigen - bridged) / (1.0 + drug / self.antigen_arm)
            loaded = (self.receptors - bridged) * drug / (self.cd3_arm + drug)
            return free * loaded / (self.antigen_arm * self.crossing) - bridged

        return float(brentq(excess, 0.0, min(self.antigen, self.receptors), xtol=1e-30, rtol=1e-14))


_CONTACT = st.builds(Contact, _NM, _NM, _COPIES, _COPIES, _NEED, _CROSSING)
_AT = st.floats(1e-5, 1e5)


@given(_CONTACT, _AT)
def test_the_signal_is_near_that_of_the_ternary_complex(contact: Contact, drug: float) -> None:
    """First term of the root: between half of the bridges and all of them, wherever one looks.

    With x = 4 D R / (D + R + K)^2 the first term is (1 + sqrt(1 - x)) / 2 of the root: half where
    antigen and receptors are equally many and all bridged, everything where one of them or the drug
    is scarce. A signal T / (T + need) is then too low by 3 - 2 sqrt(2) = 0.172 at most.
    """
    exact = contact.bridges_in_equilibrium(drug)
    crossing = contact.crossing * (contact.antigen_arm + drug) * (contact.cd3_arm + drug) / drug
    everything = contact.antigen + contact.receptors + crossing
    x = 4.0 * contact.antigen * contact.receptors / everything**2
    first_term = contact.antigen * contact.receptors / everything
    assert first_term == pytest.approx(exact * (1.0 + sqrt(max(1.0 - x, 0.0))) / 2.0, rel=1e-6)
    found, want = contact.signal(drug), exact / (exact + contact.need)
    assert found == pytest.approx(first_term / (first_term + contact.need), rel=1e-9)
    assert want - FARTHEST - 1e-9 <= found <= want * _SLACK


@given(_NM, _NM, _COPIES, _CROSSING, _AT)
def test_the_signal_of_an_engager_is_off_by_two_in_a_hundred_at_most(
    antigen_arm: float, cd3_arm: float, antigen: float, crossing: float, drug: float
) -> None:
    """60,000 CD3 copies and 1000 bridges for half a signal, as in the reference world: 0.016 at
    most, where antigen is as plentiful as CD3; 0.004 below 1000 copies.
    """
    contact = Contact(antigen_arm, cd3_arm, antigen, 60_000.0, 1000.0, crossing)
    exact = contact.bridges_in_equilibrium(drug)
    error = exact / (exact + contact.need) - contact.signal(drug)
    assert -1e-9 <= error < (0.0045 if antigen < 1000.0 else 0.016)


@given(_CONTACT, _DRUG, _MORE)
def test_a_tighter_arm_and_more_copies_never_lower_the_signal(
    contact: Contact, drug: float, more: float
) -> None:
    """Either arm, either number, at every concentration, on both sides of the hook."""
    usual = contact.signal(drug)
    for better in (
        replace(contact, antigen_arm=contact.antigen_arm / more),
        replace(contact, cd3_arm=contact.cd3_arm / more),
        replace(contact, antigen=contact.antigen * more),
        replace(contact, receptors=contact.receptors * more),
        replace(contact, crossing=contact.crossing / more),
        replace(contact, need=contact.need / more),
    ):
        assert usual <= better.signal(drug) * _SLACK


@given(_CONTACT, _MORE)
def test_the_hook_begins_at_the_geometric_mean_of_the_affinities(
    contact: Contact, factor: float
) -> None:
    """Rising below sqrt(KA KB) and falling above it, from a height that theory gives."""
    best = sqrt(contact.antigen_arm * contact.cd3_arm)
    top = contact.signal(best)
    for side in (factor, 1.0 / factor):
        assert top * _SLACK >= contact.signal(best * side)
        assert contact.signal(best * side) * _SLACK >= contact.signal(best * side**2)
    limit = 1.0 + contact.need * (1.0 / contact.antigen + 1.0 / contact.receptors)
    cross = contact.need * contact.crossing / (contact.antigen * contact.receptors)
    arms = (sqrt(contact.antigen_arm) + sqrt(contact.cd3_arm)) ** 2
    assert top == pytest.approx(1.0 / (limit + cross * arms), rel=1e-9)


@given(_CONTACT)
def test_limits_of_the_signal(contact: Contact) -> None:
    """Nothing without drug and in endless excess; in proportion to little drug; and with a copy
    that crosses for free all that the copies can give.
    """
    assert contact.signal(0.0) == 0.0
    limit = 1.0 + contact.need * (1.0 / contact.antigen + 1.0 / contact.receptors)
    per_nm = contact.antigen * contact.receptors / (contact.need * contact.crossing)
    slope = per_nm / (contact.antigen_arm * contact.cd3_arm)
    little = 1e-9 / (slope * limit + 1.0 / contact.antigen_arm + 1.0 / contact.cd3_arm)
    assert contact.signal(little) == pytest.approx(slope * little, rel=1e-6)
    assert contact.signal(1e30) == pytest.approx(per_nm / 1e30, rel=1e-6)
    free = replace(contact, crossing=1e-12)
    most = contact.antigen * contact.receptors / (contact.antigen + contact.receptors)
    best = sqrt(contact.antigen_arm * contact.cd3_arm)
    assert free.signal(best) == pytest.approx(most / (most + contact.need), rel=1e-3)


@given(_CONTACT, _AT, _SHARE, _SHARE)
def test_a_deep_share_meets_less_drug(
    contact: Contact, drug: float, access: float, share: float
) -> None:
    """The tumour is a mixture of what lies at the vessels and what meets ``access`` of the drug;
    normal tissue has no depth.
    """
    limit = 1.0 + contact.need * (1.0 / contact.antigen + 1.0 / contact.receptors)
    cross = contact.need * contact.crossing / (contact.antigen * contact.receptors)
    arms = (contact.antigen_arm, contact.antigen_arm, contact.cd3_arm)
    tumour, normal, _ = bridges(
        drug, drug, *arms, limit, limit, cross, cross, access, share, 1.0, 1.0
    )
    near, deep = contact.signal(drug), contact.signal(access * drug)
    assert tumour == pytest.approx((1.0 - share) * near + share * deep, rel=1e-9)
    assert normal == pytest.approx(near, rel=1e-9)


@given(
    tumour=_DRUG,
    normal=_DRUG,
    affinities=st.tuples(_NM, _NM, _NM),
    limits=st.tuples(*[st.floats(0.0, 1e3)] * 2),
    crosses=st.tuples(*[st.floats(1e-9, 1e3)] * 2),
    depth=st.tuples(_SHARE, _SHARE),
    fc=_NM,
)
def test_bridges_are_fractions_each_of_its_own_concentration(
    tumour: float,
    normal: float,
    affinities: tuple[float, float, float],
    limits: tuple[float, float],
    crosses: tuple[float, float],
    depth: tuple[float, float],
    fc: float,
) -> None:
    """Written with one division for speed, they are four textbook fractions."""

    def fraction(drug: float, tissue: int) -> float:
        arms = (affinities[tissue] + drug) * (affinities[2] + drug)
        return drug / (limits[tissue] * drug + crosses[tissue] * arms)

    found = bridges(tumour, normal, *affinities, *limits, *crosses, *depth, fc, 1.0)
    access, share = depth
    near, deep = fraction(tumour, 0), fraction(access * tumour, 0)
    want = [(1.0 - share) * near + share * deep, fraction(normal, 1), normal / (fc + normal)]
    assert found == pytest.approx(want, rel=1e-9)


@given(tumour=_DRUG, normal=_DRUG, affinity=_NM, cd3=_NM, cross=st.floats(1e-6, 1.0))
def test_cells_need_no_drug_and_have_no_fc(
    tumour: float, normal: float, affinity: float, cd3: float, cross: float
) -> None:
    of = (affinity, affinity, cd3, 1.0, 1.0, cross, cross, 0.1, 0.4, 1.0)
    assert bridges(tumour, normal, *of, 0.0) == (1.0, 1.0, 0.0)


@given(drug=_AT, affinity=_NM)
def test_without_a_cd3_arm_it_is_the_share_bound(drug: float, affinity: float) -> None:
    """What a checkpoint inhibitor is given: L / (KA + L), by Michaelis and Menten."""
    never = 1e9
    found = bridges(
        drug,
        0.0,
        affinity,
        affinity,
        never,
        0.0,
        0.0,
        1.0 / never,
        1.0 / never,
        1.0,
        0.0,
        1.0,
        1.0,
    )
    assert found[0] == pytest.approx(drug / (affinity + drug), rel=2e-4)


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
