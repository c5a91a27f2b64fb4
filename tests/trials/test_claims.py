"""Power of each claim and of all: closed forms where there are some, whole simulated trials where
there are none.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from crsrisk.errors import InputError
from crsrisk.trials.claims import (
    Rates,
    joint_power,
    power_of_claims,
    sample_size_of_claims,
)
from crsrisk.trials.sequential import group_sequential_bounds
from crsrisk.trials.spending import crossing
from crsrisk.trials.two_proportions import power_two_proportions, sample_size_two_proportions

THREE: dict[str, Rates] = {
    "placebo": (0.30, 0.33, 0.25),
    "first": (0.14, 0.20, 0.12),
    "second": (0.20, 0.24, 0.17),
}
ALL = [("first", "placebo"), ("second", "placebo"), ("first", "second")]
ONCE = {"upper": np.array([1.959964]), "lower": np.array([-np.inf]), "info": np.ones(1)}


@pytest.mark.parametrize(
    ("control", "treated", "n"), [(0.25, 0.125, 152), (0.4, 0.25, 152), (0.5, 0.25, 58)]
)
def test_one_claim_on_one_endpoint_is_the_formula(control: float, treated: float, n: int) -> None:
    """A01 to A08 of the certified sizes."""
    found = sample_size_of_claims(
        {"placebo": control, "drug": treated}, claims=[("drug", "placebo")]
    )
    assert abs(found.n_per_arm - n) <= 1
    assert found.power_all == pytest.approx(
        power_two_proportions(treated, control, n_treat=found.n_per_arm, n_control=found.n_per_arm),
        abs=1e-3,
    )


def test_two_independent_endpoints_of_80_percent_have_64_together() -> None:
    """0.8 x 0.8; endpoints that are one have the 80% of either."""
    drift = 1.959964 + float(ndtri(0.8))
    assert joint_power((drift, drift), correlation=0.0, **ONCE) == pytest.approx(0.64, abs=1e-6)
    assert joint_power((drift, drift), correlation=1.0, **ONCE) == pytest.approx(0.8, abs=1e-4)
    independent: dict[str, Rates] = {"p": (0.3, 0.3, 0.09), "d": (0.15, 0.15, 0.0225)}
    n = sample_size_two_proportions(0.15, 0.3).n_per_arm_ceil
    found = power_of_claims(independent, claims=[("d", "p")], n_per_arm=n)
    alone = power_two_proportions(0.15, 0.3, n_treat=n, n_control=n)
    assert found.power_all == pytest.approx(alone**2, abs=1e-3)


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_looks_at_both_endpoints_are_those_of_simulated_walks(correlation: float) -> None:
    """400,000 seeded walks: 4 standard errors of a share of a half are 0.0032."""
    bounds = group_sequential_bounds(type="O'Brien-Fleming", K=3, futility_z=[0.0, 0.5])
    assert bounds.futility_z is not None
    lower = np.append(bounds.futility_z[:-1], -np.inf)
    draws = np.random.default_rng(7).normal(size=(400_000, 3, 2))
    draws[..., 1] = correlation * draws[..., 0] + np.sqrt(1 - correlation**2) * draws[..., 1]
    walk = np.cumsum(draws * np.sqrt(1 / 3), axis=1)
    z = (walk + bounds.info[:, None] * np.array([2.8, 3.2])) / np.sqrt(bounds.info)[:, None]
    is_open, claimed = np.ones(len(z), dtype=bool), 0
    for k in range(3):
        least = z[is_open, k].min(axis=1)
        claimed += int((least >= bounds.z[k]).sum())
        is_open[is_open] = (least < bounds.z[k]) & (least >= lower[k])
    found = joint_power(
        (2.8, 3.2), correlation=correlation, upper=bounds.z, lower=lower, info=bounds.info
    )
    assert found == pytest.approx(claimed / len(z), abs=0.0042)


def test_one_endpoint_twice_is_one_endpoint() -> None:
    bounds = group_sequential_bounds(type="Pocock", K=4, futility_z=[0.0, 0.0, 0.5])
    assert bounds.futility_z is not None
    looks = {
        "upper": bounds.z,
        "lower": np.append(bounds.futility_z[:-1], -np.inf),
        "info": bounds.info,
    }
    alone = float(crossing(drift=3.0, **looks).upper.sum())
    assert joint_power((3.0, 3.0), correlation=1.0, **looks) == pytest.approx(alone, abs=2e-3)


def test_power_of_three_arms_is_that_of_simulated_trials() -> None:
    """Whole trials of 400 an arm, cell by cell; 40,000 seeded ones: 4 standard errors are 0.01, and
    the normal approximation is off by less than another 0.01.
    """
    n, n_sim, rng = 400, 40_000, np.random.default_rng(3)
    events = {}
    for name, (first, second, both) in ((k, v) for k, v in THREE.items() if isinstance(v, tuple)):
        cells = rng.multinomial(
            n, [both, first - both, second - both, 1 - first - second + both], size=n_sim
        )
        events[name] = np.stack([cells[:, 0] + cells[:, 1], cells[:, 0] + cells[:, 2]], axis=1)
    shown = []
    for experimental, comparator in ALL:
        one, other = events[experimental] / n, events[comparator] / n
        mean = (one + other) / 2
        z = (other - one) / np.sqrt(2 * mean * (1 - mean) / n)
        shown.append((z >= 1.959964).all(axis=1))
    in_order = np.logical_and.accumulate(np.stack(shown, axis=1), axis=1).mean(axis=0)
    found = power_of_claims(THREE, claims=ALL, n_per_arm=n)
    for claim, alone, power in zip(found.claims, shown, in_order, strict=True):
        assert claim.alone == pytest.approx(alone.mean(), abs=0.02)
        assert claim.power == pytest.approx(power, abs=0.02)
    assert found.power_all == found.claims[-1].power


def test_a_size_is_the_smallest_that_is_enough_for_all_claims() -> None:
    found = sample_size_of_claims(THREE, claims=ALL[:2])
    assert found.power_all >= 0.8
    assert power_of_claims(THREE, claims=ALL[:2], n_per_arm=found.n_per_arm - 1).power_all < 0.8
    assert found.n_total == 3 * found.n_per_arm
    assert min(claim.power for claim in found.claims) >= found.power_all
    assert list(found.to_frame().index) == ["first against placebo", "second against placebo"]
    one_pair = sample_size_of_claims(THREE, claims=ALL[:1])
    assert one_pair.n_per_arm < found.n_per_arm, "the weaker drug asks for more"


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 0.5), st.floats(0.4, 0.7), st.floats(0.4, 0.9))
def test_more_claims_or_a_share_of_the_level_never_raise_power(
    control: float, ratio: float, weaker: float
) -> None:
    rates: dict[str, Rates] = {"p": control, "a": control * ratio, "b": control * weaker}
    pairs = [("a", "p"), ("b", "p")]
    alone = power_of_claims(rates, claims=pairs[:1], n_per_arm=150)
    both = power_of_claims(rates, claims=pairs, n_per_arm=150)
    stepped = power_of_claims(rates, claims=pairs, n_per_arm=150, multiplicity="holm")
    assert both.power_all <= alone.power_all + 1e-9
    assert stepped.power_all <= both.power_all + 1e-9


@pytest.mark.parametrize(
    ("rates", "claims", "what"),
    [
        ({"p": 0.3}, [("p", "p")], "two arms or more"),
        ({"p": 0.3, "a": (0.1, 0.1, 0.05)}, [("a", "p")], "each with one rate"),
        ({"p": 0.3, "a": 1.1}, [("a", "p")], "above 0 and below 1"),
        ({"p": 0.3, "a": 0.1}, [], "pairs"),
        ({"p": 0.3, "a": 0.1}, [("a", "b")], "pairs"),
        ({"p": 0.3, "a": 0.1}, [("a", "p"), ("a", "p")], "each once"),
        ({"p": 0.3, "a": 0.3}, [("a", "p")], "fewer events in the experimental arm"),
        ({"p": (0.3, 0.3, 0.4), "a": (0.1, 0.1, 0.0)}, [("a", "p")], "two rates allow"),
        ({"p": 0.3, "a": 0.2999}, [("a", "p")], "10,000 patients in each arm"),
    ],
)
def test_what_cannot_be_claimed_is_refused(
    rates: dict[str, Rates], claims: list[tuple[str, str]], what: str
) -> None:
    with pytest.raises(InputError, match=what):
        sample_size_of_claims(rates, claims=claims)


def test_dunnett_and_two_endpoints_do_not_go_together() -> None:
    with pytest.raises(InputError, match="multiplicity: holm"):
        power_of_claims(THREE, claims=ALL[:2], n_per_arm=100, multiplicity="dunnett")
