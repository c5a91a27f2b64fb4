"""Three example patients: who is chosen, and the interval beside a risk."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.domain.risk_model import RiskModel
from crsrisk.features.table import FeatureConfig
from crsrisk.journey import clinician
from crsrisk.journey.clinician import EXAMPLE_PRODUCT, QUANTILES, choose_examples, refit_interval
from crsrisk.journey.learning import Split, before_dose_2, choose_for_truth
from crsrisk.learn.predict import predict
from tests.journey.conftest import SEED


@pytest.fixture
def few_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clinician, "N_REFITS", 4)


@pytest.mark.usefixtures("few_refits")
def test_interval_holds_the_estimate_and_is_repeatable(model: RiskModel, sides: Split, config: FeatureConfig) -> None:
    rows = sides.test.observed.head(6)
    tables = (sides.training.observed, sides.training.outcomes)
    low, high = refit_interval(model, *tables, config=config, rows=rows, seed=SEED)
    risk = predict(model, rows).risk
    assert ((low > 0) & (low < risk) & (risk < high) & (high < 1)).all()
    again = refit_interval(model, *tables, config=config, rows=rows, seed=SEED)
    np.testing.assert_array_equal((low, high), again)
    other = refit_interval(model, *tables, config=config, rows=rows, seed=SEED + 1)
    assert not np.array_equal((low, high), other)


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
