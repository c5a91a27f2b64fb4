"""What stands beside an updated model: refits that are its own, or none; nothing of a single
patient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from crsrisk.data.risk_model import RiskModel
from crsrisk.model.companions import (
    FEWEST,
    Companions,
    carried_over,
    load_companions,
    reference_groups,
    save_companions,
)
from crsrisk.model.features import ModelConfig, build_features
from crsrisk.model.predict import predict
from crsrisk.model.refits import covers, drawn_rows, make_refits, refit_interval, why_no_refits
from crsrisk.model.store import load_model, save_model
from crsrisk.model.update import METHODS, Method, Update, log_odds_of, update
from tests.toys import Toy

N_REFITS = 5


@pytest.fixture(scope="module")
def beside(toy: Toy, model: RiskModel, config: ModelConfig) -> Companions:
    refits = make_refits(model, toy.observed, toy.outcomes, config=config, seed=1, n=N_REFITS)
    return Companions(reference_groups(model, toy.observed), refits)


@pytest.fixture(scope="module")
def hospital(toy_maker: Callable[..., Toy], model: RiskModel) -> tuple[pd.DataFrame, np.ndarray]:
    """Patients of another world: the model's log-odds halved and shifted are the truth there."""
    toy = toy_maker(1200, seed=21)
    risk = expit(0.8 + 0.5 * log_odds_of(model, toy.observed))
    return toy.observed, (np.random.default_rng(3).random(1200) < risk).astype(float)


def carried(
    model: RiskModel,
    beside: Companions,
    hospital: tuple,
    config: ModelConfig,
    *,
    method: Method,
    n: int,
) -> tuple[Update, Companions]:
    observed, y = hospital[0].head(n), hospital[1][:n]
    done = update(model, observed, y=y, method=method, config=config, seed=2)
    return done, carried_over(beside, done, observed=observed, y=y, config=config, seed=2)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_belongs_to_the_updated_model(
    method: Method,
    model: RiskModel,
    beside: Companions,
    hospital: tuple,
    config: ModelConfig,
    tmp_path: Path,
) -> None:
    """It passes the checks of loading, the interval holds the estimate, and the same seed gives the
    same again.
    """
    done, kept = carried(model, beside, hospital, config, method=method, n=200)
    folder = save_model(done.model, tmp_path / "new")
    save_companions(folder, model=done.model, reference=kept.reference, refits=kept.refits)
    again = load_companions(folder, model=load_model(folder))
    assert set(again.reference) == set(kept.reference)
    if method == "offset boosting":
        assert again.refits is None
        assert "added trees" in why_no_refits(done.model)
        return
    assert again.refits is not None
    low, high = refit_interval(done.model, again.refits, hospital[0].tail(50))
    risk = predict(done.model, hospital[0].tail(50)).risk
    assert ((low <= risk) & (risk <= high)).all()
    assert (low < high).all()
    _, twice = carried(model, beside, hospital, config, method=method, n=200)
    assert twice.refits is not None
    np.testing.assert_array_equal(
        low, refit_interval(done.model, twice.refits, hospital[0].tail(50))[0]
    )


def test_none_changes_no_interval(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    done, kept = carried(model, beside, hospital, config, method="none", n=200)
    rows = hospital[0].tail(30)
    assert kept.refits is not None
    assert beside.refits is not None
    old = refit_interval(model, beside.refits, rows)
    for end, before in zip(refit_interval(done.model, kept.refits, rows), old, strict=True):
        np.testing.assert_array_equal(end, before)


def test_few_patients_of_the_update_widen_the_interval(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    """On the log-odds scale, at the mean patient: with 60 new patients wider than with 1,200, and
    wider than before.
    """
    rows = hospital[0].tail(100)
    width = {}
    for n in (60, 1200):
        done, kept = carried(model, beside, hospital, config, method="intercept", n=n)
        assert kept.refits is not None
        spread = kept.refits.log_odds(_table(done.model, rows))
        width[n] = spread.std(axis=0, ddof=1).mean()
    assert width[60] > width[1200]


def test_medians_of_a_handful_stand_nowhere(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    observed, y = hospital[0].head(200).copy(), hospital[1][:200]
    observed["product"] = np.where(np.arange(200) < FEWEST - 1, "rare", "usual")
    done = update(model, observed, y=y, method="refit", config=config, seed=2)
    assert set(
        carried_over(beside, done, observed=observed, y=y, config=config, seed=2).reference
    ) == {"usual"}


def test_without_refits_before_there_are_none_after(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    _, kept = carried(
        model, replace(beside, refits=None), hospital, config, method="intercept", n=100
    )
    assert kept.refits is None
    assert kept.reference == beside.reference


def test_a_sample_holds_both_outcomes() -> None:
    y_true = np.zeros(30, dtype=bool)
    y_true[0] = True  # a third of the samples lacks him
    for number in range(40):
        rows = drawn_rows(y_true, decision=f"refit {number}", seed=1)
        assert 0 < y_true[rows].sum() < 30


def test_every_method_says_what_its_interval_covers() -> None:
    said = {method: covers(20, update=method) for method in METHODS if method != "offset boosting"}
    assert all("20 resampled cohorts" in text and "hospitals" in text for text in said.values())
    assert "resampled patients of the update" in said["intercept"]
    assert "own patients" in said["refit"]


def _table(model: RiskModel, rows: pd.DataFrame) -> np.ndarray:
    return build_features(rows, names=model.contract.feature_names).to_numpy(dtype=np.float64)
