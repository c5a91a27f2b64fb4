"""The loess curve: R's lowess by way of rms, straight truth, and refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from crsrisk.evaluation.calibration import CalibrationCurve, fit_calibration_curve, fit_loess_curve
from crsrisk.evaluation.metrics import NotEstimable
from tests.shared_data import shared_path


def curve_of(outcome: np.ndarray, risk: np.ndarray, *, n_resamples: int = 50) -> CalibrationCurve:
    curve = fit_loess_curve(outcome, risk=risk, seed=1, n_resamples=n_resamples)
    assert isinstance(curve, CalibrationCurve)
    return curve


def test_r_answers() -> None:
    """rms 6.5.0 val.prob: Eavg, E90 and Emax of lowess(p, y, iter = 0), to 2 in 10,000 (both
    interpolate between places).
    """
    table = pd.read_csv(shared_path("data", "calibration", "outcomes_and_risks.csv"))
    expected = json.loads(shared_path("data", "calibration", "expected.json").read_text())[
        "well_calibrated"
    ]["valprob"]
    curve = curve_of(table["y"].to_numpy(), table["p"].to_numpy())
    assert curve.ici.value == pytest.approx(expected["Eavg"], abs=1e-4)
    assert curve.e90.value == pytest.approx(expected["E90"], abs=2e-4)
    assert curve.emax.value == pytest.approx(expected["Emax"], abs=2e-4)


def test_one_place_by_hand() -> None:
    """At risk 0.3 the line by numpy's weighted least squares, weights written out anew."""
    rng = np.random.default_rng(4)
    # few distinct risks: each is a place
    risk = rng.choice(np.round(np.linspace(0.05, 0.6, 56), 2), 400)
    outcome = rng.random(400) < risk**1.3
    curve = curve_of(outcome, risk)
    place = float(curve.risk[np.argmin(np.abs(curve.risk - 0.3))])
    distance = np.abs(risk - place)
    width = np.sort(distance)[int(2 / 3 * 400) - 1]
    weight = np.where(distance <= 0.999 * width, (1 - np.minimum(distance / width, 1) ** 3) ** 3, 0)
    slope, intercept = np.polyfit(risk, outcome, 1, w=np.sqrt(weight))
    assert curve.observed[np.argmin(np.abs(curve.risk - place))] == pytest.approx(
        intercept + slope * place, abs=1e-5
    )


def test_two_smoothers_tell_one_story_where_there_is_one() -> None:
    rng = np.random.default_rng(5)
    risk = rng.uniform(0.1, 0.7, 4000)
    outcome = rng.random(4000) < 0.7 * risk
    spline = fit_calibration_curve(outcome, risk=risk, seed=1, n_resamples=50)
    assert isinstance(spline, CalibrationCurve)
    assert curve_of(outcome, risk).ici.value == pytest.approx(spline.ici.value, abs=0.01)


def test_exact_risks_are_not_accused() -> None:
    rng = np.random.default_rng(6)
    risk = rng.beta(2, 5, 2000)
    curve = curve_of(rng.random(2000) < risk, risk, n_resamples=200)
    assert curve.ici.low == 0.0
    assert curve.ici_if_perfect.low < curve.ici.value < 1.5 * curve.ici_if_perfect.high


def test_too_few_events() -> None:
    found = fit_loess_curve(np.arange(100) < 29, risk=np.linspace(0.1, 0.6, 100), seed=1)
    assert isinstance(found, NotEstimable)
    assert "30 of each" in found.reason
