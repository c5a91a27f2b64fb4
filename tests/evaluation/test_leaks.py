"""Leaks by name and by what they can do; each kind fires, and an honest table is left in peace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from crsrisk.data.risk_model import Prediction
from crsrisk.evaluation import leaks as probing
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.leaks import (
    find_leaks,
    highest_auroc,
    leaks_by_name,
    probe,
    shared_patients,
    too_good,
)
from crsrisk.evaluation.metrics import auroc
from crsrisk.model.features import ModelConfig
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from tests.toys import Toy


@pytest.mark.parametrize(
    ("name", "landmark_h", "kind"),
    [
        ("crp_mg_l__h6", 0, "later"),
        ("temperature_c__max__h48", 24, "later"),
        ("peak_crp_mg_l", 0, "outcome"),
        ("crs_any", 168, "outcome"),
        ("length_of_stay_d", 0, "unknown time"),
    ],
)
def test_each_kind_fires(name: str, landmark_h: float, kind: str) -> None:
    assert [leak.kind for leak in leaks_by_name([name], landmark_h=landmark_h)] == [kind]


def test_the_shipped_models_are_clean(config: ModelConfig) -> None:
    names = config.feature_names(levels={"product": ["a"], "platform": ["tce"]})
    assert leaks_by_name(names, landmark_h=0) == ()
    assert leaks_by_name([*names, "crp_mg_l__max__h168"], landmark_h=168) == ()


def table(n: int, strength: float, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 20))
    y = rng.random(n) < expit(strength * x[:, 0])
    return pd.DataFrame(x, columns=[f"column_{k}" for k in range(20)]), y


def test_too_good_fires_in_either_direction_and_through_gaps() -> None:
    features, y = table(2000, 6.0, 1)
    features["column_1"] = np.where(
        np.random.default_rng(2).random(2000) < 0.2, np.nan, -features["column_0"]
    )
    found = too_good(features, outcome=y, product=np.repeat(["a", "b"], 1000), limit=0.8)
    assert [leak.feature for leak in found] == ["column_0", "column_1"]


def test_too_good_errs_as_rarely_as_it_says() -> None:
    """100 tables of 20 features, all as good as chance, limit 0.5: at a rate of 1% more than 5 have
    a chance of 0.05%.
    """
    tables = [table(300, 0.0, 100 + k) for k in range(100)]
    assert sum(bool(too_good(x, outcome=y, product=["a"] * 300, limit=0.5)) for x, y in tables) <= 5


def test_a_strong_honest_feature_is_left_alone() -> None:
    features, y = table(2000, 1.0, 3)
    assert (
        find_leaks(
            features.rename(columns={"column_0": "crp_mg_l"})[["crp_mg_l"]],
            outcome=y,
            product=["a"] * 2000,
            landmark_h=0,
            limit=0.75,
        )
        == ()
    )


def test_highest_auroc_lies_above_that_of_the_exact_risks() -> None:
    rng = np.random.default_rng(4)
    risk = expit(rng.normal(0, 0.8, 1000))
    truth = Truth("what was observed", rng.binomial(200, risk), np.full(1000, 200))
    event = rng.random((200, 1000)) < risk
    exact = np.mean([auroc(one, risk=risk).value for one in event])
    assert exact < highest_auroc(truth, product=["a"] * 1000) < exact + 0.05


def test_shared_patients() -> None:
    assert shared_patients([1, 2], [3]) == ()
    assert [leak.kind for leak in shared_patients([1, 2], [2, 1])] == ["same patients"]


# The probe tells what it saw, of a sound model and of one that does what it must not.


def test_a_sound_model(model: RiskModel, toy: Toy) -> None:
    found = probe(model, toy.observed)
    assert found.n_rows == 12
    assert found.alone_equals_batch
    assert set(found.accepts_gaps) == {
        column.name for column in model.contract.columns if column.may_be_missing
    }
    assert found.rejects_gaps == ()
    assert found.refuses_impossible == found.n_impossible > 5
    assert found.warns_of_unknown_product is True


def test_faults_are_seen(model: RiskModel, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scorer whose risks depend on the batch, that refuses gaps of CRP and says nothing about
    unknown products.
    """

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
