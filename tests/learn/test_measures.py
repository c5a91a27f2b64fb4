"""The quick measures agree with the functions that carry intervals."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.learn.calibration_curve import CalibrationCurve, fit_calibration_curve, recalibrate
from crsrisk.learn.measures import MEASURES, label_of, measure_all
from crsrisk.learn.metrics import (
    Estimate,
    auroc,
    auroc_within,
    brier,
    log_loss,
    observed_to_expected,
    scaled_brier,
)
from crsrisk.learn.net_benefit import NetBenefitCurve, net_benefit_curve


def test_same_figures_as_with_intervals() -> None:
    rng = np.random.default_rng(2)
    risk = rng.beta(2, 5, 700)
    happened, group = rng.random(700) < risk**1.1, rng.choice(["a", "b"], 700)
    found = measure_all(happened, risk=risk, group=group, thresholds=[0.2])
    line, curve = recalibrate(happened, risk=risk), fit_calibration_curve(happened, risk=risk, seed=1, n_resamples=20)
    benefit = net_benefit_curve(happened, risk=risk, thresholds=[0.2], seed=1, n_resamples=20)
    assert isinstance(curve, CalibrationCurve)
    assert isinstance(benefit, NetBenefitCurve)
    expected = {
        "auroc": auroc(happened, risk=risk), "auroc_within_product": auroc_within(happened, risk=risk, group=group),
        "in_the_large": line.in_the_large, "slope": line.slope, "intercept_joint": line.intercept_joint,
        "observed_to_expected": observed_to_expected(happened, risk=risk), "ici": curve.ici,
        "brier": brier(happened, risk=risk), "scaled_brier": scaled_brier(happened, risk=risk),
        "log_loss": log_loss(happened, risk=risk),
    }
    assert set(expected) == set(MEASURES)
    for name, figure in expected.items():
        assert isinstance(figure, Estimate)
        assert found[name] == pytest.approx(figure.value, abs=1e-7), name
    assert found["net_benefit_0.2"] == pytest.approx(benefit.model.value[0], abs=1e-12)


def test_one_class_gives_nothing_and_no_error() -> None:
    found = measure_all(np.zeros(40, dtype=bool), risk=np.full(40, 0.2), thresholds=[0.3])
    assert len(found) == len(MEASURES) + 1
    assert all(np.isnan(value) for value in found.values())


def test_labels() -> None:
    assert label_of("slope") == "Calibration slope"
    assert label_of("net_benefit_0.05") == "Net benefit at 5 of 100"
