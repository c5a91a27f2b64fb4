"""Nouns of the model: frozen, strict, and what they compute."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import expit

from crsrisk.data.explanation import Explanation
from crsrisk.data.risk_model import (
    Calibrator,
    Column,
    Feature,
    FeatureContract,
    MedianPatient,
    Prediction,
    Variable,
)

finite = st.floats(-8, 8, allow_subnormal=False)


def contract() -> FeatureContract:
    return FeatureContract(
        name="m",
        outcome="crs_grade2plus",
        outcome_in_words="CRS",
        window_d={"default": 21.0, "ici": 60.0},
        landmark_h=0,
        n_patients=10,
        n_events=3,
        columns=(
            Column(
                name="product",
                kind="word",
                unit="1",
                may_be_missing=False,
                was_missing_in_training=False,
                levels=("a", "b"),
            ),
        ),
        features=(Feature(name="product__a", variable="product", direction="none"),),
        variables=(
            Variable(
                name="product",
                label="Product",
                unit="1",
                kind="cause",
                role="fact",
                theme="drug and dose",
                why="potency",
            ),
        ),
    )


MEDIAN = MedianPatient(group="product", name="a", n_patients=40, values={"product": "a"})


def explanation(contributions: list[list[float]], *, base: float) -> Explanation:
    rows = np.array(contributions)
    variables = contract().variables * rows.shape[1]
    risk = expit(base + rows.sum(axis=1))
    prediction = Prediction(
        rows=pd.DataFrame({"risk": risk, "status": "ok"}),
        model="m-1",
        outcome_in_words="CRS",
        notice="",
    )
    return Explanation(
        base_log_odds=np.full(len(rows), base),
        contributions=rows,
        references=(MEDIAN,) * len(rows),
        path_base_log_odds=base,
        path_contributions=rows,
        variables=variables,
        values=pd.DataFrame(rows),
        prediction=prediction,
    )


def test_contract_speaks() -> None:
    assert contract().feature_names == ("product__a",)
    assert contract().products == ("a", "b")
    assert (contract().window_of("ici"), contract().window_of("tce")) == (60.0, 21.0)
    assert contract().variable("product").label == "Product"


def test_contract_goes_through_json_unchanged() -> None:
    assert FeatureContract.model_validate_json(contract().model_dump_json()) == contract()


def test_nouns_are_frozen() -> None:
    with pytest.raises(ValidationError):
        contract().name = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation([[1.0]], base=0.0).base_log_odds = np.ones(1)  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        '{"intercept": 0, "slope": "1", "n_patients": 1, "method": "m"}',
        '{"intercept": 0, "slope": NaN, "n_patients": 1, "method": "m"}',
        '{"intercept": 0, "slope": 1, "n_patients": 1, "method": "m", "x": 1}',
    ],
)
def test_calibrator_refuses_what_is_not_two_numbers(text: str) -> None:
    with pytest.raises(ValidationError):
        Calibrator.model_validate_json(text)


@given(finite, st.floats(0.1, 3), finite)
def test_calibrated_risk_is_logistic_in_the_log_odds(
    intercept: float, slope: float, raw: float
) -> None:
    calibrator = Calibrator(intercept=intercept, slope=slope, n_patients=1, method="m")
    assert calibrator.log_odds([raw])[0] == intercept + slope * raw
    assert calibrator.risk([raw])[0] == pytest.approx(
        1 / (1 + np.exp(-intercept - slope * raw)), rel=1e-12
    )


@given(st.lists(finite, min_size=1, max_size=6), finite)
def test_points_add_up_and_keep_their_sign(contributions: list[float], base: float) -> None:
    told = explanation([contributions], base=base)
    points = told.points[0]
    assert points.sum() == pytest.approx(told.prediction.risk[0] - told.base_risk[0], abs=1e-9)
    assert (np.sign(points) == np.sign(contributions)).all()


def test_points_by_hand() -> None:
    # base log-odds 0 (risk 0.5), log-odds ln 3 (risk 0.75): a contribution is worth 0.25 / ln 3 of
    # itself
    told = explanation([[np.log(3) + 1.0, -1.0]], base=0.0)
    expected = np.array([np.log(3) + 1.0, -1.0]) * 0.25 / np.log(3)
    np.testing.assert_allclose(told.points[0], expected, rtol=1e-12)


def test_points_stay_finite_when_contributions_cancel() -> None:
    # the limit: each contribution times the slope of the logistic curve, risk x (1 - risk) = 0.25
    told = explanation([[2.0, -2.0], [2.0, -2.0 + 1e-12]], base=0.0)
    np.testing.assert_allclose(told.points, [[0.5, -0.5], [0.5, -0.5]], atol=1e-9)


@given(st.floats(-3, 3), st.floats(1e-8, 1e-4))
def test_the_limit_is_continuous(base: float, gap: float) -> None:
    near = explanation([[1.0 + gap, -1.0]], base=base).points[0]
    at = explanation([[1.0, -1.0]], base=base).points[0]
    np.testing.assert_allclose(near, at, atol=2 * gap + 1e-7)


def test_prediction_knows_its_refusals() -> None:
    rows = pd.DataFrame({"risk": [0.2, np.nan], "status": ["ok", "refused"]})
    assert Prediction(
        rows=rows, model="m-1", outcome_in_words="CRS", notice=""
    ).is_refused.tolist() == [
        False,
        True,
    ]
