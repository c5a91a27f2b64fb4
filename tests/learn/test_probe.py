"""The probe tells what it saw, of a sound model and of one that does what it must not."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from crsrisk.domain.risk_model import Prediction, RiskModel
from crsrisk.learn import probe as probing
from crsrisk.learn.predict import predict
from crsrisk.learn.probe import probe
from tests.learn.conftest import Toy


def test_a_sound_model(model: RiskModel, toy: Toy) -> None:
    found = probe(model, toy.observed)
    assert found.n_rows == 12
    assert found.alone_equals_batch
    assert set(found.accepts_gaps) == {column.name for column in model.contract.columns if column.may_be_missing}
    assert found.rejects_gaps == ()
    assert found.refuses_impossible == found.n_impossible > 5
    assert found.warns_of_unknown_product is True


def test_faults_are_seen(model: RiskModel, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scorer whose risks depend on the batch, that refuses gaps of CRP and says nothing about unknown products."""
    def faulty(_: RiskModel, observed: pd.DataFrame) -> Prediction:
        found = predict(model, observed)
        rows = found.rows.assign(risk=found.rows["risk"] / (1 + len(observed)), status="ok")
        if observed["crp_mg_l"].isna().all() and len(observed) > 1:
            rows["risk"] = float("nan")
        return replace(found, rows=rows)

    monkeypatch.setattr(probing, "predict", faulty)
    found = probe(model, toy.observed)
    assert not found.alone_equals_batch
    assert found.rejects_gaps == ("crp_mg_l",)
    assert found.refuses_impossible == 0
    assert found.warns_of_unknown_product is False
