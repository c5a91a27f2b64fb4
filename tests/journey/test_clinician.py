"""Three example patients: who is chosen."""

from __future__ import annotations

import numpy as np

from crsrisk.domain.risk_model import RiskModel
from crsrisk.journey.clinician import EXAMPLE_PRODUCT, QUANTILES, choose_examples
from crsrisk.journey.learning import Split, before_dose_2, choose_for_truth
from crsrisk.learn.predict import predict


def test_examples_are_low_middle_and_high_and_at_risk_at_dose_2(model: RiskModel, sides: Split) -> None:
    chosen_ids = choose_for_truth(sides.test, n=100)
    chosen = choose_examples(model, sides.test, truth_ids=chosen_ids)
    assert len(chosen) == len(QUANTILES) == 3
    assert set(chosen["product"]) == {EXAMPLE_PRODUCT}
    assert set(chosen["patient_id"]) <= set(chosen_ids)
    assert set(chosen.index) <= set(before_dose_2(sides.test).index)
    risk = predict(model, sides.test.observed.loc[chosen.index]).risk
    assert (np.diff(risk) > 0).all()


def test_another_product_when_there_is_no_tarlatamab(model: RiskModel, sides: Split) -> None:
    observed = sides.test.observed
    others = observed.loc[observed["product"] == "psma_masked_engager", "patient_id"].to_numpy()
    chosen = choose_examples(model, sides.test, truth_ids=others)
    assert set(chosen["product"]) == {"psma_masked_engager"}
    assert len(chosen) == 3
