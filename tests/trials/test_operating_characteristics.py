"""Operating characteristics: figures that must agree with each other, and the worlds in which an
assumption is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.operating_characteristics import OperatingCharacteristics, PowerCell
from crsrisk.data.trial_plan import (
    Claim,
    Design,
    FromCohort,
    Masking,
    Multiplicity,
    PowerCurves,
    Sequential,
    SingleArm,
    Stated,
    StatedArm,
)
from crsrisk.trials.candidates import arms_pool, cohort_pool
from crsrisk.trials.enrolment import CONTROL, EXPERIMENTAL, rate_of
from crsrisk.trials.exact_tests import exact_rejection_probability
from crsrisk.trials.operating_characteristics import operating_characteristics, power_grid
from crsrisk.trials.simulated_trials import prepare
from tests.trials.designs import EXACT_SCREENING, NOISY_SCREENING, beta_pool

LOOKS = Sequential(boundary="O'Brien-Fleming", looks=4, futility_z=[0.0, 0.0, 0.5])
N_SIM = 3000


def found(
    design: Design, *, hidden: float = 0.0, is_noisy: bool = False
) -> OperatingCharacteristics:
    screening = NOISY_SCREENING if is_noisy else EXACT_SCREENING
    pool = beta_pool(screening=screening, masking=Masking(hidden=hidden))
    return operating_characteristics(
        prepare(pool, design, screening=screening, hidden=hidden), n_sim=N_SIM, seed=1
    )


def test_looks_add_up() -> None:
    one = found(Design(name="x", kind="all_comers", sequential=LOOKS))
    assert sum(look.benefit_effect.value for look in one.looks) == pytest.approx(one.power.value)
    assert sum(look.benefit_null.value for look in one.looks) == pytest.approx(
        one.type_one_error.value
    )
    ends = [look.benefit_effect.value + look.futility_effect.value for look in one.looks]
    ends[-1] = 1 - sum(ends[:-1])
    assert one.expected_n.value == pytest.approx(
        sum(p * look.n for p, look in zip(ends, one.looks, strict=True))
    )
    assert one.looks[-1].lower_z is None
    assert one.expected_n_null.value < one.expected_n.value < one.n_max
    assert one.exposed.value == pytest.approx(one.expected_n.value / 2, abs=1)


def test_screening_months_and_waiting() -> None:
    plain, noisy = (
        found(Design(name="x", kind="enrichment", threshold=0.3), is_noisy=flag)
        for flag in (False, True)
    )
    assert plain.screened_per_enrolled.value == pytest.approx(1 / plain.eligible_share, rel=0.01)
    assert noisy.screened_per_enrolled.value == pytest.approx(
        1 / (0.8 * noisy.eligible_share), rel=0.01
    )
    assert plain.duration_months.value == pytest.approx(plain.screened.value / 10 + 14 / 30.4375)
    assert (plain.waiting.value, plain.interaction_power) == (0.0, None)
    early = found(Design(name="x", kind="all_comers", sequential=LOOKS))
    per_wait = 10 * 14 / 30.4375
    assert 0 < early.waiting.value <= per_wait


def test_noise_costs_power_and_the_row_without_it_says_so() -> None:
    one = found(Design(name="x", kind="enrichment", threshold=0.3), is_noisy=True)
    exact = next(row for row in one.misspecifications if row.key == "exact_score")
    assert exact.claims.value > one.power.value + 2 * one.power.mc_error
    assert not exact.is_error
    assert one.planned_power == pytest.approx(0.8, abs=0.005)
    assert exact.claims.value == pytest.approx(0.8, abs=0.03)


def test_hidden_fever_has_its_rows() -> None:
    one = found(Design(name="x", kind="all_comers", co_primary_support=True), hidden=0.3)
    rows = {row.key: row.claims.value for row in one.misspecifications}
    assert rows["both"] == one.power.value
    assert rows["astct_alone"] >= rows["support_alone"] >= rows["both"] - 0.01
    assert rows["hidden_astct"] > 0.1
    assert rows["hidden_both"] < 0.05
    assert {row.key for row in one.misspecifications if row.is_error} == {
        "hidden_astct",
        "hidden_both",
    }


def test_a_single_arm_always_shows_its_benchmark_drifting() -> None:
    single = SingleArm(method="simon_optimal", benchmark=0.6, target=0.8)
    one = found(Design(name="x", kind="single_arm", single_arm=single))
    rows = {row.key: row.claims for row in one.misspecifications}
    assert set(rows) == {"drift_0", "drift_5", "drift_10", "drift_15", "candidates"}
    assert rows["drift_10"].value == pytest.approx(0.34488, abs=1e-5)  # C11
    assert rows["drift_10"].mc_error == 0
    assert one.benchmark == 0.6
    assert one.rate_control == pytest.approx(0.25, abs=1e-4)
    assert (one.looks[0].lower_count, one.looks[0].upper_count, one.looks[1].upper_count) == (
        7,
        None,
        31,
    )
    assert one.exposed.value == one.expected_n.value


def test_a_stratified_design_tests_the_interaction() -> None:
    one = found(Design(name="x", kind="stratified", cuts=[0.2]))
    assert one.interaction_power is not None
    # the same risk ratio averts more where risk is higher
    assert 0.05 < one.interaction_power.value < 0.9


def test_non_inferiority_has_its_own_null_and_says_what_it_cannot_tell() -> None:
    """Type I error where the guided arm has the whole margin more; a drug that does nothing is
    spared without harm.
    """
    design = Design(name="x", kind="strategy", threshold=0.2, control="everybody", margin=0.1)
    sized = prepare(
        beta_pool(masking=Masking(hidden=0.2)), design, screening=EXACT_SCREENING, hidden=0.2
    )
    found = operating_characteristics(sized, n_sim=4000, seed=1)
    margin = sized.arms("margin")
    assert rate_of(margin, EXPERIMENTAL) - rate_of(margin, CONTROL) == pytest.approx(0.1, abs=1e-6)
    assert abs(found.type_one_error.value - 0.025) < 4 * 0.0025
    rows = {row.key: row for row in found.misspecifications}
    assert set(rows) == {"astct_alone", "support_alone", "both", "no_assay"}
    assert rows["no_assay"].claims.value > 0.7
    assert not any(row.is_error for row in rows.values())


# Power curves: cells meet the exact power, pools of patients move to the base rate, and workers
# change nothing.


CURVES = PowerCurves(
    risk_ratio=[0.4, 0.7, 1.0], base_rate=[0.25, 0.4], threshold=[0.0, 0.3], n_total=200, n_sim=2000
)
STATED = Stated(risk="Beta(2,6)", risk_ratio=0.5)


def grid(workers: int) -> list[PowerCell]:
    return power_grid(
        CURVES,
        stated=STATED,
        pool=None,
        screening=EXACT_SCREENING,
        masking=Masking(),
        seed=1,
        alpha=0.025,
        workers=workers,
    )


@pytest.fixture(scope="module")
def cells() -> list[PowerCell]:
    return grid(1)


def test_cells_meet_the_exact_power_and_workers_change_nothing(cells: list[PowerCell]) -> None:
    assert grid(2) == cells
    assert len(cells) == 12
    for cell in cells:
        if cell.threshold == 0:
            exact = exact_rejection_probability(
                n1=100, n2=100, p1=cell.risk_ratio * cell.base_rate, p2=cell.base_rate, tests=["z"]
            )
            # 6 cells, each 4 errors: a right engine misses in 0.04% of seeds
            power = exact.by_test["z"].power
            assert abs(cell.power.value - power) <= 4 * np.sqrt(power * (1 - power) / CURVES.n_sim)


def test_patients_of_a_table_move_to_the_base_rate() -> None:
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 6, size=1000)
    table = pd.DataFrame({"risk": risk, "crs": (rng.random(1000) < risk).astype(int)})
    source = FromCohort(file="mine.csv", risk_column="risk", event_column="crs", risk_ratio=0.5)
    pool = cohort_pool(table, source, screening=EXACT_SCREENING, masking=Masking())
    cells = power_grid(
        CURVES,
        stated=None,
        pool=pool,
        screening=EXACT_SCREENING,
        masking=Masking(),
        seed=1,
        alpha=0.025,
    )
    for cell in cells:
        if cell.threshold == 0:
            power = (
                exact_rejection_probability(
                    n1=100,
                    n2=100,
                    p1=cell.risk_ratio * cell.base_rate,
                    p2=cell.base_rate,
                    tests=["z"],
                )
                .by_test["z"]
                .power
            )
            assert abs(cell.power.value - power) <= 4 * np.sqrt(power * (1 - power) / CURVES.n_sim)
    rising = [row.eligible_share for row in cells if row.threshold == 0.3 and row.risk_ratio == 0.4]
    assert rising[1] > rising[0]


def test_a_threshold_that_nobody_reaches_leaves_its_cell_out() -> None:
    table = pd.DataFrame({"risk": [0.1, 0.2, 0.1, 0.2], "crs": [0, 1, 1, 0]})
    source = FromCohort(file="mine.csv", risk_column="risk", event_column="crs", risk_ratio=0.5)
    pool = cohort_pool(table, source, screening=EXACT_SCREENING, masking=Masking())
    cells = power_grid(
        CURVES,
        stated=None,
        pool=pool,
        screening=EXACT_SCREENING,
        masking=Masking(),
        seed=1,
        alpha=0.025,
    )
    assert {cell.threshold for cell in cells} == {0.0}


def test_curves_are_by_base_rate_and_threshold(cells: list[PowerCell]) -> None:
    curves: dict[tuple[float, float], list[PowerCell]] = {}
    for cell in cells:
        curves.setdefault((cell.base_rate, cell.threshold), []).append(cell)
    assert set(curves) == {(rate, threshold) for rate in (0.25, 0.4) for threshold in (0.0, 0.3)}
    for curve in curves.values():
        powers = [cell.power.value for cell in curve]
        assert powers[0] > powers[1] > powers[2]


def test_a_grid_without_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="stated candidates or a pool"):
        power_grid(
            CURVES,
            stated=None,
            pool=None,
            screening=EXACT_SCREENING,
            masking=Masking(),
            seed=1,
            alpha=0.025,
        )


ARMS = [
    StatedArm(name="placebo", crs=0.30, support=0.33, both=0.25),
    StatedArm(name="a", crs=0.10, support=0.14, both=0.08),
    StatedArm(name="b", crs=0.12, support=0.16, both=0.09),
]


def several(multiplicity: Multiplicity, pairs: Sequence[tuple[str, str]], *, both: bool) -> Design:
    return Design(
        name="x",
        kind="multi_arm",
        co_primary_support=both,
        multiplicity=multiplicity,
        claims=[Claim(experimental=one, comparator=other) for one, other in pairs],
    )


@pytest.mark.parametrize("multiplicity", ["hierarchical", "holm", "dunnett"])
def test_several_arms_do_what_was_planned(multiplicity: Multiplicity) -> None:
    """Within four standard errors at 3,000 trials (0.03) and a point for the normal approximation;
    false claims below the level and four standard errors.
    """
    pool = arms_pool(ARMS, screening=EXACT_SCREENING)
    both = multiplicity != "dunnett"
    design = several(multiplicity, [("a", "placebo"), ("b", "placebo")], both=both)
    sized = prepare(pool, design, screening=EXACT_SCREENING)
    one = operating_characteristics(sized, n_sim=N_SIM, seed=1)
    assert one.planned_power is not None
    assert one.power.value == pytest.approx(one.planned_power, abs=0.04)
    assert one.n_max % 3 == 0
    for claim in one.claims:
        assert claim.power.value == pytest.approx(claim.planned_power, abs=0.04)
        assert len(claim.by_endpoint) == 1 + both
        assert claim.power.value <= min(share.value for share in claim.by_endpoint) + 1e-12
    assert one.power.value <= min(claim.power.value for claim in one.claims)
    assert [row.truth.split(":")[0] for row in one.false_claims] == [
        "a does no better than placebo",
        "b does no better than placebo",
    ]
    for share in (one.type_one_error, *(row.claims for row in one.false_claims)):
        assert share.value < 0.025 + 4 * np.sqrt(0.025 * 0.975 / N_SIM)
    assert one.exposed.value == pytest.approx(2 * one.n_max / 3, abs=1)


def test_drug_against_drug_is_claimed_behind_the_others() -> None:
    """Of two drugs that do the same, the better one is claimed in at most 2.5 of 100 trials."""
    same = [*ARMS[:2], ARMS[1].model_copy(update={"name": "b"})]
    order = [("a", "placebo"), ("b", "placebo"), ("a", "b")]
    design = several("hierarchical", order, both=False).model_copy(
        update={"n_total": 900, "power": 0.03}
    )
    apart = [*ARMS[:2], ARMS[1].model_copy(update={"name": "b", "crs": 0.13, "both": 0.09})]
    sized = prepare(arms_pool(apart, screening=EXACT_SCREENING), design, screening=EXACT_SCREENING)
    equal = replace(sized, pool=arms_pool(same, screening=EXACT_SCREENING))
    one = operating_characteristics(equal, n_sim=N_SIM, seed=1)
    assert one.claims[0].power.value > 0.99
    assert one.claims[2].power.value < 0.025 + 4 * np.sqrt(0.025 * 0.975 / N_SIM)


def test_futility_looks_at_every_endpoint_that_the_claim_needs() -> None:
    """Prophylaxis lowers the grade and not the need of support: a claim on both stops for futility
    more often than one on the grade, and the planned power counts that once.
    """
    arms = [ARMS[0], StatedArm(name="a", crs=0.15, support=0.32, both=0.14)]
    pool = arms_pool(arms, screening=EXACT_SCREENING)
    looks = Sequential(boundary="O'Brien-Fleming", looks=2, futility_z=[0.5])
    grade = Design(name="x", kind="all_comers", sequential=looks, n_total=300, power=0.05)
    both = grade.model_copy(update={"co_primary_support": True, "power": 0.03})
    alone, together = (
        operating_characteristics(
            prepare(pool, design, screening=EXACT_SCREENING), n_sim=N_SIM, seed=1
        )
        for design in (grade, both)
    )
    assert together.looks[0].futility_effect.value > 3 * alone.looks[0].futility_effect.value
    for one in (alone, together):
        assert one.planned_power is not None
        assert one.power.value == pytest.approx(one.planned_power, abs=0.04)
        assert one.is_futility_binding is False


def test_a_binding_stop_lowers_the_bounds_and_a_non_binding_one_does_not() -> None:
    bounds = {}
    for binding in (False, True):
        looks = Sequential(boundary="Pocock", looks=2, futility_z=[0.5], binding=binding)
        one = found(Design(name="x", kind="all_comers", sequential=looks))
        bounds[binding] = one.looks[-1].upper_z
        assert one.is_futility_binding is binding
    free = found(
        Design(name="x", kind="all_comers", sequential=Sequential(boundary="Pocock", looks=2))
    )
    assert free.is_futility_binding is None
    assert bounds[False] == free.looks[-1].upper_z == pytest.approx(2.178, abs=1e-3)  # B05
    assert bounds[True] is not None
    assert bounds[True] < 2.17


def test_who_is_not_eligible_is_screened_too() -> None:
    pool = arms_pool(ARMS[:2], screening=EXACT_SCREENING)
    half = EXACT_SCREENING.model_copy(update={"eligible": 0.5})
    sized = prepare(pool, Design(name="x", kind="all_comers"), screening=half)
    one = operating_characteristics(sized, n_sim=300, seed=1)
    assert one.eligible_share == 0.5
    assert one.screened_per_enrolled.value == pytest.approx(2.0, abs=0.05)


def test_rates_stated_by_arm_are_those_of_the_pool() -> None:
    """To the 2^-16 of its rows, with both events in as many patients as stated."""
    pool = arms_pool(ARMS, screening=EXACT_SCREENING)
    chances = [pool.control, pool.treated, pool.further[0].chance]
    for arm, chance in zip(ARMS, chances, strict=True):
        assert chance.mean(axis=1) == pytest.approx([arm.crs, arm.support], abs=2e-5)
        assert chance.min(axis=0).mean() == pytest.approx(arm.both, abs=2e-5)
