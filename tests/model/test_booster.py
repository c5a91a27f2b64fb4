"""The owner of LightGBM: a checked text is parsed once, and calibration can be written into its
leaves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crsrisk.data.risk_model import Calibrator
from crsrisk.model.booster import booster_of, calibrated_booster, raw_log_odds_of
from crsrisk.model.booster_text import bare_text
from crsrisk.model.predict import feature_matrix, predict
from crsrisk.model.risk_model import RiskModel

Toy = Any


def test_a_booster_is_parsed_once(model: RiskModel) -> None:
    assert booster_of(model.booster_text) is booster_of(model.booster_text)


def test_calibrated_booster_predicts_the_risk(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(300)
    booster = calibrated_booster(model.booster_text, model.calibrator)
    np.testing.assert_allclose(
        booster.predict(feature_matrix(model, table)), predict(model, table).risk, atol=1e-12
    )
    unchanged = booster_of(model.booster_text).model_to_string()
    assert bare_text(unchanged) == model.booster_text
    plain = calibrated_booster(
        model.booster_text, Calibrator(intercept=0, slope=1, n_patients=0, method="none")
    )
    raw = raw_log_odds_of(booster_of(model.booster_text), feature_matrix(model, table))
    np.testing.assert_allclose(
        raw_log_odds_of(plain, feature_matrix(model, table)), raw, atol=1e-12
    )
