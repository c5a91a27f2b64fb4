"""Pools: formulas are met, screening lets the right rows pass, and tables that cannot be used are
refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from crsrisk.data.potential_outcomes import PotentialOutcomes, Strategy
from crsrisk.data.trial_plan import FromCohort, Masking, Screening, Stated
from crsrisk.errors import InputError
from crsrisk.policy.enrichment import screening_moments
from crsrisk.trials.candidates import (
    ASTCT,
    SUPPORT,
    cohort_pool,
    eligible_rows,
    outcomes_pool,
    stated_pool,
)
from crsrisk.trials.risk_distribution import risk_spread
from tests.trials.designs import EXACT_SCREENING, NOISY_SCREENING, beta_pool

KNOWN = yaml.safe_load(
    (Path(__file__).parents[1] / "known" / "trial_designs.yaml").read_text(encoding="utf-8")
)
SOURCE = FromCohort(file="mine.csv", risk_column="risk", event_column="crs", risk_ratio=0.5)


@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.3, 0.4])
def test_a_pool_by_formula_is_the_formula(threshold: float) -> None:
    spread, pool = risk_spread("Beta(2,6)"), beta_pool()
    rows = eligible_rows(pool, EXACT_SCREENING, threshold=threshold)
    assert rows.size / pool.risk.size == pytest.approx(spread.share_above(threshold), abs=2e-5)
    assert pool.control[ASTCT][rows].sum() / pool.risk.size == pytest.approx(
        spread.event_share_above(threshold), abs=2e-5
    )


def test_masking_hides_the_share_it_says_and_only_from_the_grade() -> None:
    known = KNOWN["masked"]
    pool = stated_pool(
        Stated(risk="Beta(2,3)", risk_ratio=known["risk_ratio"]),
        screening=EXACT_SCREENING,
        masking=Masking(hidden=known["hidden"], other_support=0.05),
    )
    assert pool.base_rate == pytest.approx(known["p_control"], abs=1e-5)
    assert pool.treated[ASTCT].mean() == pytest.approx(known["p_treat_observed"], abs=1e-5)
    assert pool.treated_unmasked.mean() == pytest.approx(0.28, abs=1e-5)
    assert pool.treated[SUPPORT].mean() == pytest.approx(1 - 0.95 * 0.72, abs=1e-5)


def test_noise_and_gaps_are_as_stated() -> None:
    pool = beta_pool(screening=NOISY_SCREENING)
    seen = ~np.isnan(pool.score)
    assert 1 - seen.mean() == pytest.approx(0.1, abs=1e-4)
    inside = seen & (pool.score < 1)
    assert np.log(pool.score[inside] / pool.risk[inside]).std() == pytest.approx(0.3, abs=0.003)


def test_candidates_without_labs_pass_only_when_the_protocol_says_so() -> None:
    enrolled = NOISY_SCREENING.model_copy(update={"without_labs": "enrolled"})
    pool = beta_pool(screening=NOISY_SCREENING)
    out, kept = (eligible_rows(pool, one, threshold=0.3) for one in (NOISY_SCREENING, enrolled))
    assert not np.isnan(pool.score[out]).any()
    assert kept.size - out.size == np.isnan(pool.score).sum()
    assert eligible_rows(pool, NOISY_SCREENING).size == pool.risk.size
    assert (
        eligible_rows(pool, NOISY_SCREENING, needs_score=True).size == (~np.isnan(pool.score)).sum()
    )


def test_a_threshold_that_nobody_reaches_is_refused() -> None:
    table = pd.DataFrame({"risk": [0.1, 0.2, 0.3, 0.2], "crs": [0, 1, 1, 0]})
    pool = cohort_pool(table, SOURCE, screening=EXACT_SCREENING, masking=Masking())
    with pytest.raises(InputError, match="lower the threshold"):
        eligible_rows(pool, EXACT_SCREENING, threshold=0.5)


def test_a_table_keeps_its_patients() -> None:
    table = pd.DataFrame(
        {
            "risk": ["0.1", "0.2", "0.3", "0.9"],
            "crs": ["0", "1", "1", "0"],
            "treated": ["0", "0", "1", "0"],
        }
    )
    source = FromCohort(
        file="mine.csv", risk_column="risk", event_column="crs", treated_event_column="treated"
    )
    pool = cohort_pool(table, source, screening=EXACT_SCREENING, masking=Masking())
    assert pool.control[ASTCT].tolist() == [0, 1, 1, 0]
    assert (pool.base_rate, pool.risk_ratio, pool.n_patients) == (0.5, 0.5, 4)
    noisy = cohort_pool(table, source, screening=NOISY_SCREENING, masking=Masking())
    assert noisy.base_rate == 0.5
    assert noisy.risk.size == 2**16


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"risk": None}, "risk"),
        ({"crs": None}, "crs"),
        ({"risk": [0.1, 20.0, 0.3, 0.2]}, "row 2, column risk"),
        ({"risk": [0.1, np.nan, 0.3, 0.2]}, "row 2, column risk"),
        ({"crs": [0, 1, 2, 0]}, "row 3, column crs"),
        ({"crs": [0, 0, 0, 0]}, "patients with the event"),
        ({"risk": ["a", 0.1, 0.1, 0.1]}, "row 1, column risk"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    change: dict[str, list[float] | None], says: str
) -> None:
    table = pd.DataFrame({"risk": [0.1, 0.2, 0.3, 0.2], "crs": [0, 1, 1, 0]})
    for name, values in change.items():
        table = table.drop(columns=name) if values is None else table.assign(**{name: values})
    with pytest.raises(InputError, match=says):
        cohort_pool(table, SOURCE, screening=EXACT_SCREENING, masking=Masking())


def test_yes_and_no_are_as_good_as_1_and_0() -> None:
    table = pd.DataFrame({"risk": [0.1, 0.2, 0.3, 0.9], "crs": ["no", "Yes", "yes", "no"]})
    assert cohort_pool(table, SOURCE, screening=EXACT_SCREENING, masking=Masking()).control[
        ASTCT
    ].tolist() == [0, 1, 1, 0]
    with pytest.raises(InputError, match="row 3, column crs: found nothing"):
        cohort_pool(
            table.assign(crs=["no", "yes", "", "no"]),
            SOURCE,
            screening=EXACT_SCREENING,
            masking=Masking(),
        )
    with pytest.raises(InputError, match="no patients"):
        cohort_pool(table.iloc[:0], SOURCE, screening=EXACT_SCREENING, masking=Masking())


def outcomes_of(grade: list[list[int]], support: list[list[bool]]) -> PotentialOutcomes:
    """Potential outcomes of a few patients under nothing and tocilizumab."""
    n = len(grade[0])
    nothing = np.zeros((2, n))
    flags = np.zeros((2, n), dtype=bool)
    is_exposed = np.stack([flags[0], np.arange(n) % 2 == 0])  # every other patient had a fever
    return PotentialOutcomes(
        strategies=(Strategy("none"), Strategy("tocilizumab", ("tocilizumab",))),
        patient_id=np.arange(n),
        window_d=21.0,
        grade=np.array(grade),
        needs_support=np.array(support),
        is_exposed=is_exposed,
        log_activation=nothing,
        infection_risk=nothing,
        infection=flags,
        response_risk={"no_link": nothing},
        response={"no_link": flags},
    )


def test_simulated_outcomes_bring_their_own_hidden_events() -> None:
    found = outcomes_of(
        [[2, 3, 0, 1], [0, 2, 0, 0]], [[True, True, False, False], [True, True, False, False]]
    )
    pool = outcomes_pool(
        found,
        strategy="tocilizumab",
        risk=np.array([0.4, 0.8, 0.1, 0.2]),
        screening=EXACT_SCREENING,
        origin="four patients",
    )
    assert pool.treated[ASTCT].tolist() == [0, 1, 0, 0]
    assert pool.treated[SUPPORT].tolist() == [1, 1, 0, 0]
    assert pool.takes.tolist() == [True, False, True, False]
    with pytest.raises(InputError, match="simulate more patients"):
        outcomes_pool(
            outcomes_of([[0, 0], [0, 0]], [[False, False], [False, False]]),
            strategy="tocilizumab",
            risk=np.array([0.4, 0.8]),
            screening=EXACT_SCREENING,
            origin="two",
        )


def test_screened_per_enrolled_is_that_of_the_exact_module() -> None:
    share = eligible_rows(beta_pool(), EXACT_SCREENING, threshold=0.3).size / 2**16
    assert 152 / share == pytest.approx(
        screening_moments(n_enrolled=152, p_eligible=0.329417).mean, abs=0.03
    )


def test_a_spread_that_is_no_formula_is_refused() -> None:
    with pytest.raises(InputError, match="Beta"):
        stated_pool(
            Stated(risk="Gamma(2,6)", risk_ratio=0.5),
            screening=Screening(candidates_per_month=1.0),
            masking=Masking(),
        )


def test_no_score_at_all_has_a_cure_with_a_number() -> None:
    """With nearly every laboratory value missing no row of the pool has a score."""
    screening = EXACT_SCREENING.model_copy(update={"missing_labs": 0.999999})
    pool = beta_pool(screening=screening)
    with pytest.raises(InputError, match="lower missing_labs") as refused:
        eligible_rows(pool, screening, threshold=0.2)
    assert "nan" not in str(refused.value)
