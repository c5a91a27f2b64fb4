"""The closed test errs as often as it says, and finds what is there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, chi2

from crsrisk.learn.closed_test import ALPHA, closed_test
from crsrisk.learn.offset_logistic import fit_offset_logistic, log_likelihood


def cohort(
    n: int, seed: int, *, intercept: float = 0.0, slopes: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A model whose three themes have an SD of 0.7; the truth has other slopes."""
    rng = np.random.default_rng(seed)
    themes = 0.7 * rng.normal(size=(n, 3))
    y = (rng.random(n) < expit(intercept + themes @ np.array(slopes))).astype(float)
    return themes.sum(axis=1), themes, y


@pytest.mark.parametrize(
    ("intercept", "slopes", "chosen"),
    [(0.0, (1.0, 1.0, 1.0), "none"), (1.0, (1.0, 1.0, 1.0), "intercept"), (0.5, (0.3, 0.3, 0.3), "intercept and slope"),
     (0.0, (2.0, 0.0, 1.0), "revision")],
)  # fmt: skip
def test_finds_what_is_there_in_many_patients(intercept: float, slopes: tuple[float, ...], chosen: str) -> None:
    """Seeds fixed; at 5000 patients only the first and second could differ, each in 5% of seeds."""
    assert closed_test(*cohort(5000, 11, intercept=intercept, slopes=slopes)).chosen == chosen


def test_a_right_model_is_changed_in_at_most_five_percent_of_cohorts() -> None:
    """300 cohorts of 400 patients: more than 28 changes would have a chance of 0.1% at a true rate of 5%."""
    changed = sum(closed_test(*cohort(400, 100 + seed)).chosen != "none" for seed in range(300))
    assert changed <= binom.ppf(0.999, 300, ALPHA)
    assert changed > 0, "a test that never changes anything tests nothing"


def test_first_step_is_the_likelihood_ratio_by_hand() -> None:
    log_odds, themes, y = cohort(300, 5, intercept=0.4)
    step = closed_test(log_odds, themes, y).steps[0]
    full = fit_offset_logistic(np.column_stack([np.ones(300), themes]), y, offset=np.zeros(300), has_firth=False)
    ratio = 2 * (full.log_likelihood - log_likelihood(log_odds, y))
    assert (step.against, step.degrees) == ("none", 4)
    assert step.likelihood_ratio == pytest.approx(ratio, rel=1e-9)
    assert step.p_value == pytest.approx(chi2.sf(ratio, 4), rel=1e-6)


def test_themes_without_spread_cost_no_degree() -> None:
    log_odds, themes, y = cohort(300, 6)
    constant = np.column_stack([themes, np.full(300, 0.3)])
    assert closed_test(log_odds, constant, y) == closed_test(log_odds, themes, y)
