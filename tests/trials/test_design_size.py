"""Sizes of designs meet the certified ones, and a design that cannot reach its power says what it
would need.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from crsrisk.data.trial_plan import (
    Claim,
    Design,
    Masking,
    Screening,
    Sequential,
    SingleArm,
    StatedArm,
)
from crsrisk.errors import InputError
from crsrisk.trials.candidates import arms_pool
from crsrisk.trials.claims import Rates, sample_size_of_claims
from crsrisk.trials.design_size import arm_sizes, in_whole_pairs, planned_rates, size_design
from crsrisk.trials.exact_tests import exact_rejection_probability
from crsrisk.trials.sequential import group_sequential_sample_size
from crsrisk.trials.single_arm import count_rule_oc
from crsrisk.trials.two_proportions import sample_size_noninferiority
from tests.trials.designs import beta_pool, same_risk_pool

KNOWN = yaml.safe_load(
    (Path(__file__).parents[1] / "known" / "trial_designs.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(
    "row", KNOWN["sizes"], ids=lambda row: f"{row['id']}-{row['kind']}-{row.get('threshold', 0)}"
)
def test_sizes_are_the_certified_ones(row: dict[str, Any]) -> None:
    asked = {key: row[key] for key in ("kind", "threshold", "control") if key in row}
    assert (
        size_design(beta_pool(), Design(name="x", **asked), alpha=0.025, power=0.8).n_max
        == row["n_total"]
    )


def test_a_sequential_design_has_the_bounds_and_size_of_the_exact_module() -> None:
    design = Design(
        name="x",
        kind="all_comers",
        sequential=Sequential(boundary="O'Brien-Fleming", looks=4, futility_z=[0.0, 0.0, 0.5]),
    )
    sized = size_design(beta_pool(), design, alpha=0.025, power=0.8)
    known = group_sequential_sample_size(
        p_treat=0.125, p_control=0.25, type="O'Brien-Fleming", K=4, futility_z=[0.0, 0.0, 0.5]
    )
    np.testing.assert_allclose(sized.upper, known.z, atol=1e-9)
    assert sized.n_max == known.n_max_ceil + known.n_max_ceil % 2
    assert sized.lower[:3].tolist() == [0.0, 0.0, 0.5]
    assert sized.planned_power == pytest.approx(0.8, abs=0.003)


def test_futility_has_a_parameter_of_its_own() -> None:
    """The default of gsDesign (see test_sequential) as a design file writes it."""
    looks = Sequential(
        boundary="Hwang-Shih-DeCani",
        gamma=-4,
        looks=3,
        futility="Hwang-Shih-DeCani",
        futility_gamma=-2,
    )
    sized = size_design(
        beta_pool(), Design(name="x", kind="all_comers", sequential=looks), alpha=0.025, power=0.9
    )
    assert sized.upper.round(2).tolist() == [3.01, 2.55, 2.0]
    assert sized.lower[:2].round(2).tolist() == [-0.24, 0.94]
    # the plain trial needs 202.81 an arm
    assert sized.n_max == pytest.approx(1.07 * 2 * 202.81, rel=0.01)


@pytest.mark.parametrize("test", ["fisher", "boschloo"])
def test_an_exact_test_gets_the_patients_that_it_needs(test: str) -> None:
    pool = same_risk_pool(control=0.5, treated=0.2)
    sized = size_design(
        pool, Design(name="x", kind="all_comers", test=test), alpha=0.025, power=0.8
    )
    half = sized.n_max // 2
    found = exact_rejection_probability(n1=half, n2=half, p1=0.2, p2=0.5, tests=[test]).by_test[
        test
    ]
    assert found.power >= 0.8
    assert found.size_max <= 0.025 + 1e-9
    assert sized.planned_power == pytest.approx(found.power, abs=1e-9)


def test_arms_are_allocated_by_the_ratio() -> None:
    assert arm_sizes(305, 1.0) == (153, 152)
    assert arm_sizes(90, 0.5) == (30, 60)


@pytest.mark.parametrize("looks", [None, Sequential(boundary="Pocock", looks=3)])
@pytest.mark.parametrize("both", [False, True])
def test_a_design_that_is_too_small_says_what_it_reaches_and_needs(
    looks: Sequential | None, both: bool
) -> None:
    masking = Masking(hidden=0.2, other_support=0.05)
    pool, small = (
        beta_pool(masking=masking),
        Design(
            name="small", kind="all_comers", n_total=200, sequential=looks, co_primary_support=both
        ),
    )
    with pytest.raises(InputError) as refused:
        size_design(pool, small, alpha=0.025, power=0.8)
    told = str(refused.value)
    needed = size_design(
        pool, small.model_copy(update={"n_total": None}), alpha=0.025, power=0.8
    ).n_max
    assert f"n_total: {needed}" in told
    assert "risk ratio of 0." in told
    # each of the three cures works
    reached = float(told.rsplit("power: ", 1)[1])
    size_design(pool, small.model_copy(update={"power": reached}), alpha=0.025, power=0.8)
    ratio = float(told.split("risk ratio of ")[1].split(" ")[0])
    size_design(beta_pool(masking=masking, rr=ratio), small, alpha=0.025, power=0.8)


def test_what_nobody_could_enrol_is_refused() -> None:
    with pytest.raises(InputError, match="20,000 patients"):
        size_design(beta_pool(rr=0.97), Design(name="x", kind="all_comers"), alpha=0.025, power=0.8)
    with pytest.raises(InputError, match="which nobody reaches"):
        size_design(
            same_risk_pool(control=0.3, treated=0.1),
            Design(name="x", kind="enrichment", threshold=0.5),
            alpha=0.025,
            power=0.8,
        )
    with pytest.raises(InputError, match="two different rates"):
        size_design(
            same_risk_pool(control=0.3, treated=0.3),
            Design(name="x", kind="all_comers"),
            alpha=0.025,
            power=0.8,
        )


def test_looks_need_patients_and_strata_candidates() -> None:
    for shares, n in (([0.0001, 1.0], None), ([0.4, 0.401, 1.0], 400)):
        looks = Sequential(boundary="Pocock", info=shares)
        with pytest.raises(InputError, match="patients in both arms at every look"):
            size_design(
                beta_pool(),
                Design(name="x", kind="all_comers", sequential=looks, n_total=n),
                alpha=0.025,
                power=0.8,
            )
    with pytest.raises(InputError, match=r"cuts: found \[0.95\].*cut between"):
        size_design(
            beta_pool(), Design(name="x", kind="stratified", cuts=[0.95]), alpha=0.025, power=0.8
        )


def test_the_cure_fits_what_is_wrong() -> None:
    """Everybody is randomised: the effect is small, not the difference of treatment between the
    arms.
    """
    with pytest.raises(InputError, match="larger effect"):
        size_design(beta_pool(rr=0.97), Design(name="x", kind="all_comers"), alpha=0.025, power=0.8)
    with pytest.raises(InputError, match="almost the same patients"):
        size_design(
            beta_pool(),
            Design(name="x", kind="strategy", threshold=0.05, control="everybody"),
            alpha=0.025,
            power=0.8,
        )


def test_a_single_arm_must_reach_its_power_too() -> None:
    """Power at the target by enumeration of the rule, whoever the candidates are; each figure of
    the cure works.
    """

    def single(**given: Any) -> Design:
        return Design(
            name="x",
            kind="single_arm",
            single_arm=SingleArm(
                method="predictive_probability",
                benchmark=0.7,
                looks=[10, 20],
                theta_end=0.97,
                **given,
            ),
        )

    with pytest.raises(InputError, match="n_max: found 40 patients") as refused:
        size_design(beta_pool(), single(target=0.72, n_max=40), alpha=0.025, power=0.8)
    beta = float(str(refused.value).rsplit("beta: ", 1)[1])
    assert size_design(
        beta_pool(), single(target=0.72, n_max=40, beta=beta), alpha=0.025, power=0.8
    ).planned_power == (pytest.approx(1 - beta, abs=0.01))
    simon = Design(
        name="x",
        kind="single_arm",
        single_arm=SingleArm(method="simon_optimal", benchmark=0.6, target=0.8),
    )
    # C05
    assert size_design(beta_pool(), simon, alpha=0.025, power=0.8).planned_power == pytest.approx(
        0.80237, abs=1e-5
    )


def test_non_inferiority_has_the_size_of_farrington_and_manning() -> None:
    """Guided against treating everybody (G10): 5,784 patients to show that it is worse, fewer that
    it is not much worse.
    """
    pool = beta_pool()
    for margin in (0.06, 0.1):
        design = Design(
            name="x", kind="strategy", threshold=0.2, control="everybody", margin=margin
        )
        sized = size_design(pool, design, alpha=0.025, power=0.8)
        known = sample_size_noninferiority(0.150385, 0.125, margin=margin)
        assert sized.n_max == pytest.approx(2 * known.n_treat_unrounded, abs=3)
        assert (sized.planned_power, sized.sign) == (pytest.approx(0.8, abs=0.003), 1.0)
    looks = Sequential(boundary="O'Brien-Fleming", looks=3)
    grown = size_design(
        pool, design.model_copy(update={"sequential": looks}), alpha=0.025, power=0.8
    )
    assert grown.n_max == pytest.approx(sized.n_max * 1.01741, abs=3)  # B02
    assert grown.planned_power == pytest.approx(0.8, abs=0.003)
    with pytest.raises(InputError, match=r"margin: found 0.02, and 2.5 of 100 more events"):
        size_design(pool, design.model_copy(update={"margin": 0.02}), alpha=0.025, power=0.8)
    with pytest.raises(InputError, match="n_total: found 400 patients"):
        size_design(pool, design.model_copy(update={"n_total": 400}), alpha=0.025, power=0.8)


@pytest.mark.parametrize("method", ["simon_optimal", "simon_minimax"])
def test_simon_keeps_alpha_and_a_bayesian_rule_must(method: Any) -> None:
    """With 40 patients and P(rate > 0.7) >= 0.95 the exact error is 0.0521 where 70 of 100 do
    well; each figure of the cure works.
    """

    def bayesian(**given: Any) -> Design:
        arm = SingleArm(
            method="predictive_probability",
            benchmark=0.7,
            target=0.9,
            n_max=40,
            looks=[10, 20],
            **given,
        )
        return Design(name="x", kind="single_arm", single_arm=arm)

    with pytest.raises(InputError, match=r"a claim in 5\.21 of 100 trials") as refused:
        size_design(beta_pool(), bayesian(), alpha=0.025, power=0.8)
    alpha = float(str(refused.value).rsplit("alpha: ", 1)[1])
    theta = float(str(refused.value).rsplit("theta_end: ", 1)[1].split(",")[0])
    for met in (bayesian(alpha=alpha), bayesian(theta_end=theta)):
        rule = size_design(beta_pool(), met, alpha=0.025, power=0.8).rule
        assert rule is not None
        assert met.single_arm is not None
        assert count_rule_oc(rule, p_success=0.7).p_claim <= met.single_arm.alpha
    simon = SingleArm(method=method, benchmark=0.6, target=0.8)
    rule = size_design(
        beta_pool(), Design(name="x", kind="single_arm", single_arm=simon), alpha=0.025, power=0.8
    ).rule
    assert rule is not None
    assert count_rule_oc(rule, p_success=0.6).p_claim <= 0.05


def test_odd_totals_are_rounded_to_whole_pairs_at_1_to_1() -> None:
    odd = Design(name="x", kind="all_comers", n_total=305)
    sized = size_design(beta_pool(), odd, alpha=0.025, power=0.8)
    assert sized.n_max == 306
    assert arm_sizes(sized.n_max, 1.0) == (153, 153)
    looks = Sequential(boundary="Pocock", looks=4)
    grown = size_design(
        beta_pool(),
        Design(name="x", kind="all_comers", n_total=401, sequential=looks),
        alpha=0.025,
        power=0.8,
    )
    assert grown.at_look.tolist() == [100, 200, 302, 402]
    two_to_one = odd.model_copy(update={"ratio": 2.0, "n_total": 351})
    assert in_whole_pairs(351, two_to_one) == 351


def test_a_claim_on_two_endpoints_is_sized_for_both_together() -> None:
    """Each alone has more than the power that is asked for; exact tests find it by enumeration."""
    pool = beta_pool(masking=Masking(other_support=0.05))
    alone = Design(name="x", kind="all_comers")
    both = alone.model_copy(update={"co_primary_support": True})
    small, large = (size_design(pool, design, alpha=0.025, power=0.8) for design in (alone, both))
    assert small.n_max < large.n_max
    assert large.planned_power is not None
    assert large.planned_power == pytest.approx(0.8, abs=0.005)
    assert large.planned_power >= 0.8
    expected = planned_rates(pool, both)
    assert 0.8 < expected.correlation < 1.0
    exact = size_design(pool, both.model_copy(update={"test": "fisher"}), alpha=0.025, power=0.8)
    assert large.n_max < exact.n_max < 1.3 * large.n_max


def test_several_arms_are_sized_for_all_their_claims() -> None:
    arms = [
        StatedArm(name="placebo", crs=0.30, support=0.33, both=0.25),
        StatedArm(name="a", crs=0.14, support=0.20, both=0.12),
        StatedArm(name="b", crs=0.20, support=0.24, both=0.17),
    ]
    pool = arms_pool(arms, screening=Screening(candidates_per_month=8.0))
    rates: dict[str, Rates] = {arm.name: (arm.crs, arm.support, arm.both) for arm in arms}
    claims = [Claim(experimental="a", comparator="placebo")]
    claims.append(Claim(experimental="b", comparator="placebo"))
    design = Design(
        name="x",
        kind="multi_arm",
        claims=claims,
        multiplicity="holm",
        co_primary_support=True,
    )
    known = sample_size_of_claims(
        rates, claims=[("a", "placebo"), ("b", "placebo")], multiplicity="holm"
    )
    sized = size_design(pool, design, alpha=0.025, power=0.8)
    assert (sized.n_max, sized.planned_power) == (known.n_total, known.power_all)
    assert (
        size_design(pool, design.model_copy(update={"n_total": 1282}), alpha=0.025, power=0.8).n_max
        % 3
        == 0
    )
    small = design.model_copy(update={"n_total": 600})
    with pytest.raises(InputError, match=f"n_total: {known.n_total}") as refused:
        size_design(pool, small, alpha=0.025, power=0.8)
    reached = float(str(refused.value).rsplit("power: ", 1)[1])
    size_design(pool, small, alpha=0.025, power=reached)
