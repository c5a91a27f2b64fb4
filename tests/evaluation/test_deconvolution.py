"""Deconvolution: weights are those of patients, and errors that are known come back."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from crsrisk.evaluation.deconvolution import ERRORS, Deconvolution


def made(n: int, *, shift: float, sd: float, seed: int = 1) -> tuple[Deconvolution, np.ndarray]:
    """Patients with a predicted risk of 30% whose true log-odds are off by ``shift``, with SD."""
    rng = np.random.default_rng(seed)
    log_odds = np.full(n, np.log(0.3 / 0.7))
    true = expit(log_odds + shift + sd * rng.normal(size=n))
    counts = rng.binomial(25, np.stack([true, true], axis=1))
    return Deconvolution.prepare(expit(log_odds), counts, 25), true


def test_weights_are_how_often_each_patient_is_in() -> None:
    ready, _ = made(250, shift=0.0, sd=0.5)
    times = np.tile([0.0, 1.0, 2.0, 0.0, 2.0], 50)
    weights = ready.of(times)
    np.testing.assert_allclose(weights.sum(axis=1), times / 250, atol=1e-12)
    assert (weights >= 0).all()
    assert len(ready.bands) == 2


def test_mean_and_spread_of_known_errors_come_back() -> None:
    """Mean and SD of 4000 patients' log-odds errors are known to 0.01; 0.05 is allowed (five
    standard errors, fixed seed).
    """
    ready, _ = made(4000, shift=0.6, sd=0.5)
    among = ready.of(np.ones(4000)).sum(axis=0)
    mean = float(among @ ERRORS)
    assert abs(mean - 0.6) < 0.05
    assert abs(float(among @ (ERRORS - mean) ** 2) ** 0.5 - 0.5) < 0.05


def test_a_risk_that_is_far_off_is_reached() -> None:
    """Predicted 0.3%, true 21%: the grid holds it."""
    rng = np.random.default_rng(2)
    counts = rng.binomial(25, 0.21, (200, 2))
    ready = Deconvolution.prepare(np.full(200, 0.003), counts, 25)
    assert abs(float(np.sum(ready.of(np.ones(200)) * ready.nodes)) - 0.21) < 0.02
