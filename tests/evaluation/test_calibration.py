"""Calibration: R's answers, an independent spline and fit, what moving the risks must do,
coverage.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize
from scipy.special import expit, logit

from crsrisk.errors import InputError
from crsrisk.evaluation.calibration import (
    CalibrationCurve,
    fit_calibration_curve,
    recalibrate,
    spline_basis,
)
from crsrisk.results import Estimate, NotEstimable
from tests.shared_data import shared_path

Z = 1.959963984540054


def simulated(
    n: int, *, slope: float = 1.0, shift: float = 0.0, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes whose true risk is expit(shift + slope x logit(risk))."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 5, n)
    return rng.random(n) < expit(shift + slope * logit(risk)), risk


def curve_of(
    outcome: np.ndarray, risk: np.ndarray, *, seed: int = 1, n_resamples: int = 200
) -> CalibrationCurve:
    curve = fit_calibration_curve(outcome, risk=risk, seed=seed, n_resamples=n_resamples)
    assert isinstance(curve, CalibrationCurve)
    return curve


def value(figure: Estimate | NotEstimable) -> float:
    assert isinstance(figure, Estimate)
    return figure.value


def test_r_answers() -> None:
    """R 4.2.2 glm on 500 outcomes and risks: both intercepts, the slope and the standard errors.

    glm takes the errors from the weights before its last step, ours are at the maximum itself: with
    the slope the two differ by 0.8 in 10,000 (repeating glm's four steps by hand gives its figure
    to the last digit).
    """
    table = pd.read_csv(shared_path("data", "calibration", "outcomes_and_risks.csv"))
    expected = json.loads(shared_path("data", "calibration", "expected.json").read_text())[
        "well_calibrated"
    ]
    found = recalibrate(table["y"], risk=table["p"])
    assert found.in_the_large.value == pytest.approx(expected["citl"], abs=1e-7)
    half = found.in_the_large.high - found.in_the_large.value
    assert half == pytest.approx(Z * expected["citl_se"], rel=1e-4)
    assert isinstance(found.slope, Estimate)
    assert found.slope.value == pytest.approx(expected["slope"], abs=1e-7)
    assert found.slope.high - found.slope.value == pytest.approx(Z * expected["slope_se"], rel=1e-4)
    assert value(found.intercept_joint) == pytest.approx(expected["intercept_joint"], abs=1e-7)


def test_curve_against_the_lowess_of_rms() -> None:
    """val.prob smooths by lowess, we by a spline: distances agree to a percentage point, not to a
    digit.
    """
    table = pd.read_csv(shared_path("data", "calibration", "outcomes_and_risks.csv"))
    lowess = json.loads(shared_path("data", "calibration", "expected.json").read_text())[
        "well_calibrated"
    ]
    curve = curve_of(table["y"].to_numpy(), table["p"].to_numpy())
    assert curve.ici.value == pytest.approx(lowess["valprob"]["Eavg"], abs=0.01)
    assert curve.e90.value == pytest.approx(lowess["valprob"]["E90"], abs=0.01)


def test_intercept_by_symmetry() -> None:
    """Risks 1/2 and 1/5, half of the patients with the event: logits 0 and -2 ln 2, so the shift is
    ln 2.
    """
    found = recalibrate([True, False, True, False], risk=[0.5, 0.2, 0.2, 0.5])
    assert found.in_the_large.value == pytest.approx(np.log(2), abs=1e-9)


def test_basis_is_the_natural_spline() -> None:
    """Between the outer knots the basis equals scipy's natural spline through its values at the
    knots.
    """
    knots = np.array([-3.0, -1.2, 0.1, 1.0])
    inside = np.linspace(-3, 1, 101)
    at_knots = spline_basis(knots, knots=knots)
    natural = CubicSpline(knots, at_knots, bc_type="natural")(inside)
    assert spline_basis(inside, knots=knots) == pytest.approx(natural, abs=1e-10)
    outside = np.array([-9.0, -7.0, -5.0, 1.5, 3.5, 5.5])
    beyond = spline_basis(outside, knots=knots).reshape(2, 3, -1)
    assert beyond[:, 2] - beyond[:, 1] == pytest.approx(beyond[:, 1] - beyond[:, 0], abs=1e-9)


def test_curve_is_the_maximum_likelihood_fit() -> None:
    """The fit repeated by scipy's optimiser from another start, without our derivatives."""
    outcome, risk = simulated(600, slope=0.6)
    curve = curve_of(outcome, risk, n_resamples=20)
    design = spline_basis(logit(risk), knots=logit(np.array(curve.knots)))

    def loss(coefficients: np.ndarray) -> float:
        linear = design @ coefficients
        return float((np.logaddexp(0, linear) - outcome * linear).mean())

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
    fitted = expit(design @ best)
    on_grid = expit(spline_basis(logit(curve.risk), knots=logit(np.array(curve.knots))) @ best)
    assert curve.observed == pytest.approx(on_grid, abs=1e-4)
    assert curve.ici.value == pytest.approx(np.abs(fitted - risk).mean(), abs=1e-4)
    assert curve.e50.value == pytest.approx(np.median(np.abs(fitted - risk)), abs=1e-3)


@settings(max_examples=25)
@given(shift=st.floats(-2, 2), stretch=st.floats(0.3, 3))
def test_recalibration_follows_the_risks(shift: float, stretch: float) -> None:
    outcome, risk = simulated(300)
    plain = recalibrate(outcome, risk=risk)
    shifted = recalibrate(outcome, risk=expit(logit(risk) + shift))
    assert shifted.in_the_large.value == pytest.approx(plain.in_the_large.value - shift, abs=1e-6)
    assert value(shifted.slope) == pytest.approx(value(plain.slope), abs=1e-6)
    stretched = recalibrate(outcome, risk=expit(stretch * logit(risk)))
    assert value(stretched.slope) == pytest.approx(value(plain.slope) / stretch, abs=1e-5)
    assert value(stretched.intercept_joint) == pytest.approx(value(plain.intercept_joint), abs=1e-5)


def test_intervals_cover() -> None:
    """Slope 0.7 and shift 0.3 are the truth: of 400 Wald intervals of 95%, 367 to 391 must cover
    the slope.

    A wrong alarm comes in fewer than 1 of 200 such tests; seeds are fixed.
    """
    covered = 0
    for seed in range(400):
        outcome, risk = simulated(800, slope=0.7, shift=0.3, seed=seed)
        slope = recalibrate(outcome, risk=risk).slope
        assert isinstance(slope, Estimate)
        covered += slope.low <= 0.7 <= slope.high
    assert 367 <= covered <= 391


def test_exact_risks_are_not_accused() -> None:
    """ICI of exact risks is 0: the interval starts at 0 unless the ICI lies in the upper 2.5% of
    exact risks.

    40 cohorts: more than 4 accused come by chance in fewer than 1 of 200 such tests (2.5% each).
    """
    accused = sum(
        curve_of(*simulated(400, seed=seed), n_resamples=60).ici.low > 0 for seed in range(40)
    )
    assert accused <= 4


def test_wrong_risks_are_accused_and_measured() -> None:
    outcome, risk = simulated(4000, slope=0.5)
    truth = np.abs(expit(0.5 * logit(risk)) - risk).mean()
    curve = curve_of(outcome, risk)
    assert 0 < curve.ici.low <= truth <= curve.ici.high
    assert curve.ici.value > curve.ici_if_perfect.high
    assert curve.n_resamples_failed == 0
    assert (curve.low < curve.high).all()
    true_curve = expit(0.5 * logit(curve.risk))
    assert ((curve.low <= true_curve) & (true_curve <= curve.high)).mean() > 0.7


def test_same_seed_same_curve() -> None:
    outcome, risk = simulated(300)
    one, again, other = (curve_of(outcome, risk, seed=seed, n_resamples=30) for seed in (1, 1, 2))
    assert one.ici == again.ici
    assert (one.low == again.low).all()
    assert one.ici.value == other.ici.value
    assert one.ici.low != other.ici.low or one.ici.high != other.ici.high


def test_what_cannot_be_estimated_says_why() -> None:
    outcome = np.tile([True, False], 50)
    same = recalibrate(outcome, risk=np.full(100, 0.3))
    assert isinstance(same.slope, NotEstimable)
    assert same.in_the_large.value == pytest.approx(logit(0.5) - logit(0.3), abs=1e-9)
    split = recalibrate(outcome, risk=np.where(outcome, 0.7, 0.2))
    assert isinstance(split.slope, NotEstimable)
    assert "infinite" in split.slope.reason
    few = fit_calibration_curve(np.arange(500) < 29, risk=np.linspace(0.01, 0.2, 500), seed=1)
    assert isinstance(few, NotEstimable)
    assert "29" in few.reason
    assert isinstance(fit_calibration_curve(outcome, risk=np.full(100, 0.3), seed=1), NotEstimable)


def test_few_distinct_risks_still_give_a_curve() -> None:
    """A score of two levels has no room for a spline: a straight line on the logit scale meets both
    rates.
    """
    risk = np.repeat([0.2, 0.5], 200)
    outcome = np.concatenate([np.arange(200) < 60, np.arange(200) < 80])
    curve = curve_of(outcome, risk, n_resamples=50)
    assert curve.observed == pytest.approx([0.3, 0.4], abs=1e-6)
    assert curve.ici.value == pytest.approx(0.1, abs=1e-6)


def test_risks_of_0_or_1_are_refused() -> None:
    with pytest.raises(InputError, match="clip_risk"):
        recalibrate([True, False], risk=[0.0, 0.5])
    with pytest.raises(InputError, match="clip_risk"):
        fit_calibration_curve([True, False], risk=[0.5, 1.0], seed=1)
