"""Out-of-fold risks: each from a development that did not see the patient, the same again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.domain.risk_model import RiskModel
from crsrisk.features.table import FeatureConfig
from crsrisk.learn.cross_fit import out_of_fold_risk
from crsrisk.learn.fit import fit
from crsrisk.learn.predict import predict


def test_nobody_is_in_the_development_of_his_own_risk(toy: object, config: FeatureConfig) -> None:
    seen: list[set[int]] = []

    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        seen.append(set(observed["patient_id"]))
        return fit(observed, outcomes, config=config, seed=seed)

    observed, outcomes = toy.observed.head(500), toy.outcomes.head(500)
    risk = out_of_fold_risk(observed, outcomes, outcome="crs_grade2plus", refit=refit, seed=1, n_folds=3)
    everybody = set(observed["patient_id"])
    left_out = [everybody - one for one in seen]
    assert sorted(patient for one in left_out for patient in one) == sorted(everybody)
    held = observed["patient_id"].isin(left_out[0]).to_numpy()
    alone = fit(observed[~held], outcomes[~held], config=config, seed=1)
    assert risk[held] == pytest.approx(predict(alone, observed[held]).risk)
    assert np.isfinite(risk).all()
