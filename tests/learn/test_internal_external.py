"""Leaving a place out: who is trained on, what is not judged, scales of pooling."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import FeatureConfig
from crsrisk.learn.fit import fit
from crsrisk.learn.internal_external import leave_one_out, on_scale
from crsrisk.learn.metrics import Estimate, NotEstimable, auroc
from crsrisk.learn.pooling import Pooled
from crsrisk.learn.predict import predict
from tests.learn.conftest import Toy


def test_each_product_is_judged_by_a_model_that_has_not_seen_it(toy: Toy, config: FeatureConfig) -> None:
    fitted: list[tuple[set[str], RiskModel]] = []

    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        model = fit(observed, outcomes, config=config, seed=seed)
        fitted.append((set(observed["product"]), model))
        return model

    found = leave_one_out(toy.observed, toy.outcomes, outcome="crs_grade2plus", by="product", refit=refit, seed=1)
    assert {place.name for place in found.places} == set(toy.observed["product"])
    assert found.n_left_in == 0
    for products, model in fitted:
        (left_out,) = set(toy.observed["product"]) - products
        is_here = (toy.observed["product"] == left_out).to_numpy()
        place = next(one for one in found.places if one.name == left_out)
        risk = predict(model, toy.observed[is_here]).risk
        assert place.auroc == auroc(toy.outcomes["crs_grade2plus"][is_here], risk=risk)
        assert (place.n, place.n_events) == (is_here.sum(), toy.outcomes["crs_grade2plus"][is_here].sum())
    area = found.pooled["auroc"]
    assert isinstance(area, Pooled)
    assert area.n_places == 3
    assert 0 < area.prediction_low < area.mean.low < area.mean.high < area.prediction_high < 1


def test_largest_places_only_and_small_ones_by_name(toy: Toy, model: RiskModel) -> None:
    observed = toy.observed.assign(site=np.where(np.arange(len(toy.observed)) < 15, "tiny", toy.observed["site"]))
    leave = partial(leave_one_out, observed, toy.outcomes, outcome="crs_grade2plus", by="site",
                    refit=lambda a, b, seed: model, seed=1)
    found = leave()
    tiny = next(place for place in found.places if place.name == "tiny")
    assert isinstance(tiny.auroc, NotEstimable)
    assert tiny.n == 15
    assert isinstance(found.pooled["slope"], NotEstimable), "two places are not pooled"
    largest = leave(at_most=2)
    assert {place.name for place in largest.places} == {"north", "south"}
    assert largest.n_left_in == 1


def test_a_place_without_a_model_says_why(toy: Toy) -> None:
    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        raise ValueError("too few of them")

    found = leave_one_out(toy.observed, toy.outcomes, outcome="crs_grade2plus", by="site", refit=refit, seed=1)
    assert all(isinstance(place.auroc, NotEstimable) and "too few of them" in place.auroc.reason for place in found.places)


def test_scales() -> None:
    assert on_scale(Estimate(0.8, 0.7, 0.9), "logit") == pytest.approx((np.log(4), 0.1 / 1.959963984540054 / 0.16))
    assert on_scale(Estimate(2.0, 1.0, 4.0), "log") == pytest.approx((np.log(2), np.log(2) / 1.959963984540054))
    assert on_scale(Estimate(1.0, 1.0, 1.0), "logit") is None
    assert on_scale(NotEstimable("no"), "log") is None


def test_one_place_cannot_be_left_out(toy: Toy, model: RiskModel) -> None:
    with pytest.raises(InputError, match="at least two"):
        leave_one_out(toy.observed, toy.outcomes, outcome="crs_grade2plus", by="tumour_type",
                      refit=lambda a, b, seed: model, seed=1)
