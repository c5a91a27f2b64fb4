"""Sizes of designs meet the certified ones, and a design that cannot reach its power says what it
would need.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from crsrisk.data.trial_plan import Design, Masking, Sequential, SingleArm
from crsrisk.errors import InputError
from crsrisk.trials.design_size import arm_sizes, fixed_power, size_design
from crsrisk.trials.exact_tests import exact_rejection_probability
from crsrisk.trials.sequential import group_sequential_sample_size
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


def test_power_is_the_sample_size_formula_read_backwards() -> None:
    # A01
    assert fixed_power(0.25, 0.4, n=2 * 151.86885, ratio=1.0, alpha=0.025) == pytest.approx(
        0.8, abs=1e-6
    )


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
                method="predictive_probability", benchmark=0.7, looks=[10, 20], **given
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
