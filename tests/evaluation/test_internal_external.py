"""Leaving a place out: who is trained on, what is not judged, scales of pooling."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, multivariate_normal, t

from crsrisk.errors import InputError
from crsrisk.evaluation.internal_external import Pooled, leave_one_out, on_scale, pool
from crsrisk.evaluation.metrics import auroc
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.results import Estimate, NotEstimable
from tests.toys import Toy


def test_each_product_is_judged_by_a_model_that_has_not_seen_it(
    toy: Toy, config: ModelConfig
) -> None:
    fitted: list[tuple[set[str], RiskModel]] = []

    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        model = fit(observed, outcomes, config=config, seed=seed)
        fitted.append((set(observed["product"]), model))
        return model

    found = leave_one_out(
        toy.observed, toy.outcomes, outcome="crs_grade2plus", by="product", refit=refit, seed=1
    )
    assert {place.name for place in found.places} == set(toy.observed["product"])
    assert found.n_left_in == 0
    for products, model in fitted:
        (left_out,) = set(toy.observed["product"]) - products
        is_here = (toy.observed["product"] == left_out).to_numpy()
        place = next(one for one in found.places if one.name == left_out)
        risk = predict(model, toy.observed[is_here]).risk
        assert place.auroc == auroc(toy.outcomes["crs_grade2plus"][is_here], risk=risk)
        assert (place.n, place.n_events) == (
            is_here.sum(),
            toy.outcomes["crs_grade2plus"][is_here].sum(),
        )
    area = found.pooled["auroc"]
    assert isinstance(area, Pooled)
    assert area.n_places == 3
    assert 0 < area.prediction_low < area.mean.low < area.mean.high < area.prediction_high < 1


def test_largest_places_only_and_small_ones_by_name(toy: Toy, model: RiskModel) -> None:
    observed = toy.observed.assign(
        site=np.where(np.arange(len(toy.observed)) < 15, "tiny", toy.observed["site"])
    )
    leave = partial(
        leave_one_out,
        observed,
        toy.outcomes,
        outcome="crs_grade2plus",
        by="site",
        refit=lambda a, b, seed: model,
        seed=1,
    )
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

    found = leave_one_out(
        toy.observed, toy.outcomes, outcome="crs_grade2plus", by="site", refit=refit, seed=1
    )
    assert all(
        isinstance(place.auroc, NotEstimable) and "too few of them" in place.auroc.reason
        for place in found.places
    )


def test_scales() -> None:
    assert on_scale(Estimate(0.8, 0.7, 0.9), "logit") == pytest.approx(
        (np.log(4), 0.1 / 1.959963984540054 / 0.16)
    )
    assert on_scale(Estimate(2.0, 1.0, 4.0), "log") == pytest.approx(
        (np.log(2), np.log(2) / 1.959963984540054)
    )
    assert on_scale(Estimate(1.0, 1.0, 1.0), "logit") is None
    assert on_scale(NotEstimable("no"), "log") is None


def test_one_place_cannot_be_left_out(toy: Toy, model: RiskModel) -> None:
    with pytest.raises(InputError, match="at least two"):
        leave_one_out(
            toy.observed,
            toy.outcomes,
            outcome="crs_grade2plus",
            by="tumour_type",
            refit=lambda a, b, seed: model,
            seed=1,
        )


# Pooling over places: closed forms, the likelihood maximised anew, coverage, bounds.


def pooled(values: list[float] | np.ndarray, errors: list[float] | np.ndarray) -> Pooled:
    found = pool(values, standard_errors=errors)
    assert isinstance(found, Pooled)
    return found


def test_equal_errors_have_a_closed_form() -> None:
    """tau^2 = s^2 - v; mean +- t(k - 1) s / sqrt k; prediction t(k - 2) sqrt(tau^2 + s^2 / k);
    Q-profile from chi^2.
    """
    y, v = np.array([0.2, 0.9, 1.4, 0.4, 1.1]), 0.04
    found, s2 = pooled(y, np.full(5, v**0.5)), y.var(ddof=1)
    assert found.mean.value == pytest.approx(y.mean(), abs=1e-9)
    assert found.tau.value**2 == pytest.approx(s2 - v, abs=1e-7)
    assert found.mean.high - found.mean.value == pytest.approx(
        t.ppf(0.975, 4) * (s2 / 5) ** 0.5, abs=1e-6
    )
    reach = t.ppf(0.975, 3) * (s2 - v + s2 / 5) ** 0.5
    assert found.prediction_high == pytest.approx(y.mean() + reach, abs=1e-6)
    ends = [4 * s2 / chi2.ppf(share, 4) - v for share in (0.975, 0.025)]
    assert found.tau.low**2 == pytest.approx(max(0, ends[0]), abs=1e-9)
    assert found.tau.high**2 == pytest.approx(ends[1], rel=1e-6)
    assert found.i_squared == pytest.approx((s2 - v) / s2, abs=1e-6)


def test_unequal_errors_maximise_the_restricted_likelihood() -> None:
    """The density of the contrasts between places, which no mean enters, maximised by another
    optimiser.
    """
    rng = np.random.default_rng(3)
    errors = rng.uniform(0.1, 0.5, 8)
    y = rng.normal(0.5, np.hypot(0.4, errors))
    contrasts = np.linalg.svd(np.ones((1, 8)))[2][1:]

    def loss(x: np.ndarray) -> float:
        covariance = contrasts @ np.diag(errors**2 + x[0] ** 2) @ contrasts.T
        return -float(multivariate_normal(cov=covariance).logpdf(contrasts @ y))

    starts = (
        minimize(loss, [start], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
        for start in (0.1, 0.6)
    )
    best = min(starts, key=lambda found: found.fun)
    assert pooled(y, errors).tau.value == pytest.approx(abs(best.x[0]), abs=1e-5)


def test_places_that_agree_have_no_tau_and_never_a_narrower_interval() -> None:
    found = pooled([1.0, 1.01, 0.99, 1.0], [0.2] * 4)
    assert found.tau.value == found.tau.low == 0
    assert found.mean.high - found.mean.value == pytest.approx(t.ppf(0.975, 3) * 0.1, abs=1e-9)


def test_intervals_cover() -> None:
    """300 collections of 8 places: mean and next place each within 267 to 297 of 300.

    The t intervals are not exact; at 0.95 a wrong alarm comes in under 1 of 200 such tests (seed
    fixed).
    """
    rng, means, nexts = np.random.default_rng(17), 0, 0
    for _ in range(300):
        errors = rng.uniform(0.1, 0.3, 8)
        y = rng.normal(rng.normal(0.0, 0.3, 8), errors)
        found = pooled(y, errors)
        means += found.mean.low <= 0 <= found.mean.high
        nexts += found.prediction_low <= rng.normal(0, 0.3) <= found.prediction_high
    assert 267 <= means <= 297
    assert 267 <= nexts <= 297


def test_back_to_the_unit_of_the_figure() -> None:
    found = pooled(np.log([0.8, 1.0, 1.25]), [0.1] * 3)
    turned = found.back("log")
    assert turned.mean.value == pytest.approx(1.0, abs=1e-9)
    assert turned.prediction_low == pytest.approx(np.exp(found.prediction_low))
    assert turned.tau == found.tau
    assert 0 < found.back("logit").mean.value < 1


def test_refusals() -> None:
    assert isinstance(pool([1.0, 2.0], standard_errors=[0.1, 0.1]), NotEstimable)
    with pytest.raises(InputError, match="standard error above 0"):
        pool([1.0, 2.0, 3.0], standard_errors=[0.1, 0.0, 0.1])
