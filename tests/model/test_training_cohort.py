"""The training cohort of a landmark model: weights stand for the left out, gaps are random."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.risk_model import Bound
from crsrisk.fields import LANDMARK_HOURS
from crsrisk.model.features import SimulatedCohort
from crsrisk.model.landmark import EXTREMES, LABORATORY
from crsrisk.model.training_cohort import keep_rare, with_gaps

N = 4000
FEVER = Bound(column="temperature_c__max__h24", at_least=39.5)
LOW = Bound(column="map_mmhg__min__h24", below=70)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "patient_id": np.arange(N) * 3,
            FEVER.column: rng.normal(38.0, 1.0, N),
            LOW.column: rng.normal(85.0, 10.0, N),
        }
    )


def test_every_rare_course_is_kept_and_the_weights_add_up_to_all() -> None:
    patients = table()
    kept = keep_rare(patients, rare=[FEVER, LOW], others=500, seed=2)
    is_rare = FEVER.holds(patients[FEVER.column].to_numpy()) | LOW.holds(
        patients[LOW.column].to_numpy()
    )
    assert set(np.flatnonzero(is_rare)) <= set(kept.rows)
    assert (len(kept.rows), kept.n_rare) == (is_rare.sum() + 500, is_rare.sum())
    assert kept.weight.sum() == pytest.approx(N)
    np.testing.assert_array_equal(kept.weight[is_rare[kept.rows]], 1.0)


def test_a_weighted_sum_is_right_on_average() -> None:
    """Over 200 seeds the mean of an estimate lies within 4 of its standard errors of the truth
    (false alarm 6e-5).
    """
    patients = table()
    truth = patients[LOW.column].mean()
    means = []
    for seed in range(200):
        kept = keep_rare(patients, rare=[FEVER], others=100, seed=seed)
        values = patients[LOW.column].to_numpy()[kept.rows]
        means.append(np.average(values, weights=kept.weight))
    assert abs(np.mean(means) - truth) < 4 * np.std(means, ddof=1) / 200**0.5


def test_enough_others_all_stay_without_weights() -> None:
    kept = keep_rare(table(), rare=[FEVER], others=N, seed=2)
    np.testing.assert_array_equal(kept.rows, np.arange(N))
    assert (kept.weight == 1.0).all()


def course() -> pd.DataFrame:
    names = [f"{stem}__h{hour}" for stem in (*LABORATORY, *EXTREMES) for hour in LANDMARK_HOURS]
    return pd.DataFrame({"patient_id": np.arange(N), **dict.fromkeys(names, 1.0)})


def test_gaps_are_of_the_shares_asked_for_and_spare_grades_and_later_hours() -> None:
    """Shares of 4,000 patients within 5 standard errors (false alarm below 1e-5 in all)."""
    whole = course()
    gaps = with_gaps(whole, hour=24, never={"map_mmhg": 0.2}, single=0.3, seed=5).isna().mean()
    error = 5 * 0.5 / N**0.5
    assert gaps["map_mmhg__min__h24"] == pytest.approx(0.2, abs=error)
    assert gaps["map_mmhg__min__h6"] == pytest.approx(1 - 0.8 * 0.7, abs=error)
    assert gaps["crp_mg_l__h24"] == 0.0
    assert gaps["crp_mg_l__h12"] == pytest.approx(0.3, abs=error)
    untouched = [name for name in whole if "grade" in name or name.endswith(("h36", "h168"))]
    assert (gaps[untouched] == 0.0).all()


def test_a_patient_has_the_same_gaps_in_a_larger_cohort() -> None:
    whole = course()
    some = whole.iloc[100:200].reset_index(drop=True)
    of_all = with_gaps(whole, hour=24, never={"crp_mg_l": 0.5}, single=0.5, seed=5)
    of_some = with_gaps(some, hour=24, never={"crp_mg_l": 0.5}, single=0.5, seed=5)
    pd.testing.assert_frame_equal(of_all.iloc[100:200].reset_index(drop=True), of_some)


def test_a_quantity_that_no_course_has_is_refused() -> None:
    with pytest.raises(ValueError, match="quantities of a course"):
        SimulatedCohort(patients=1000, others=100, rare=[FEVER], never_read={"age_years": 0.1})


def test_a_bound_has_a_side_or_two() -> None:
    both = Bound(column="map_mmhg__min__h24", at_least=60, below=70)
    assert both.holds(np.array([59.9, 60.0, 69.9, 70.0])).tolist() == [False, True, True, False]
    with pytest.raises(ValueError, match="at_least, below or both"):
        Bound(column="map_mmhg__min__h24")
