"""Instability: arithmetic by hand, no spread where refits agree, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import NotEstimable
from crsrisk.evaluation.optimism import Instability, instability
from crsrisk.evaluation.resampling import Repeats

RNG = np.random.default_rng(1)
OWN = RNG.beta(2, 4, 300)
OUTCOME = RNG.random(300) < OWN


def refits(risk: np.ndarray) -> Repeats:
    return Repeats(
        rows=np.zeros(risk.shape, dtype=np.int64),
        risk=risk,
        is_tuned=np.zeros(len(risk), dtype=bool),
        n_asked=len(risk) + 1,
        failures={"no model": 1},
    )


def found_of(risk: np.ndarray) -> Instability:
    found = instability(
        OUTCOME, risk=OWN, refits=refits(risk), thresholds=[0.1, 0.3], at=[0.3], seed=1
    )
    assert isinstance(found, Instability)
    return found


def test_by_hand() -> None:
    """Half of the refits 0.1 above the model, half 0.05 below: MAPE 0.075, interval from end to
    end.
    """
    shift = np.where(np.arange(40) < 20, 0.1, -0.05)[:, None]
    found = found_of(np.clip(OWN + shift, 0, 1))
    inner = (OWN > 0.05) & (OWN < 0.9)
    assert found.mape[inner] == pytest.approx(0.075, abs=1e-12)
    assert (found.low[inner], found.high[inner]) == (
        pytest.approx(OWN[inner] - 0.05),
        pytest.approx(OWN[inner] + 0.1),
    )
    assert found.mean_mape.value == pytest.approx(found.mape.mean(), abs=1e-12)
    assert found.mean_mape.low < found.mean_mape.value < found.mean_mape.high
    changed = np.where(
        (OWN >= 0.2) & (OWN < 0.3), 0.5, np.where((OWN >= 0.3) & (OWN < 0.35), 0.5, 0.0)
    )
    assert found.classification["0.3"].value == pytest.approx(changed.mean(), abs=1e-12)
    assert (found.n_refits, found.n_failed) == (40, 1)


def test_refits_that_agree_have_none() -> None:
    found = found_of(np.tile(OWN, (25, 1)))
    assert found.mean_mape.value == found.mape_p90 == found.mean_width == 0
    assert found.classification["0.3"].value == 0
    assert np.ptp(found.net_benefit_curves, axis=0) == pytest.approx([0, 0], abs=1e-12)
    benefit = np.mean((OWN >= 0.1) * np.where(OUTCOME, 1, -0.1 / 0.9))
    assert found.net_benefit_curves[0, 0] == pytest.approx(benefit, abs=1e-12)


def test_curves_of_the_first_forty_refits() -> None:
    found = found_of(np.clip(OWN + RNG.normal(0, 0.05, (50, 300)), 0.01, 0.99))
    assert found.calibration_curves.shape == (40, found.curve_risk.size)
    assert np.isfinite(found.calibration_curves).all()


def test_refusals() -> None:
    few = instability(
        OUTCOME, risk=OWN, refits=refits(np.tile(OWN, (19, 1))), thresholds=[0.1], at=[0.3], seed=1
    )
    assert isinstance(few, NotEstimable)
    with pytest.raises(InputError, match="development patients"):
        instability(
            OUTCOME[:50],
            risk=OWN[:50],
            refits=refits(np.tile(OWN, (30, 1))),
            thresholds=[0.1],
            at=[0.3],
            seed=1,
        )
