"""Gradient boosting as a data scientist would type it: the libraries' own risks, the model's folds,
directions where they are asked for, gaps and new products, and the same again.
"""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from crsrisk.errors import InputError
from crsrisk.model import estimator
from crsrisk.model.comparators import Comparator, ProductRate
from crsrisk.model.features import ModelConfig, build_features, words_of
from crsrisk.model.fit import fit
from crsrisk.model.plain_boosting import (
    PLAIN,
    QUICK,
    HistGradientBoosting,
    LightGBM,
    plain_boosting,
)

Toy = Any
N_TRIALS = 3


def events(toy: Toy) -> np.ndarray:
    return np.asarray(toy.outcomes["crs_grade2plus"].to_numpy())


@pytest.fixture(scope="module")
def fitted(toy: Toy, config: ModelConfig) -> dict[str, Any]:
    """Every one of them, with few trials."""
    learners = plain_boosting(config=config, seed=5, n_trials=N_TRIALS)
    return {one.name: one.fit(toy.observed, events(toy)) for one in learners}


def typed(observed: pd.DataFrame, config: ModelConfig) -> pd.DataFrame:
    """The table that somebody would hand to the libraries."""
    table = build_features(observed, names=[feature.name for feature in config.features])
    for name in config.one_hot:
        table[name] = pd.Series(words_of(observed, column=name), table.index).astype("category")
    return table


def test_as_it_comes_is_the_librarys_own_classifier(
    fitted: dict[str, Any], toy: Toy, config: ModelConfig
) -> None:
    table, y = typed(toy.observed, config), events(toy)
    peers = {
        "LightGBM": lgb.LGBMClassifier(random_state=5, n_jobs=1, verbosity=-1, force_row_wise=True),
        "HistGradientBoosting": HistGradientBoostingClassifier(random_state=5),
    }
    assert set(peers) == set(QUICK)
    for name, peer in peers.items():
        with threadpool_limits(1):
            theirs = peer.fit(table, y).predict_proba(table)[:, 1]
        ours = fitted[name].predict_proba(toy.observed)[:, 1]
        np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["LightGBM, tuned", "LightGBM, tuned with directions"])
def test_it_learns_more_than_the_product(
    fitted: dict[str, Any], name: str, toy: Toy, fresh_toy: Toy
) -> None:
    base = ProductRate().fit(toy.observed, events(toy))
    error = [
        np.mean((one.predict_proba(fresh_toy.observed)[:, 1] - fresh_toy.true_risk) ** 2)
        for one in (fitted[name], base)
    ]
    assert error[0] < 0.8 * error[1]


@pytest.mark.parametrize("name", PLAIN)
def test_gaps_and_new_products_are_scored(fitted: dict[str, Any], name: str, toy: Toy) -> None:
    odd = toy.observed.head(3).assign(
        crp_mg_l=np.nan, age_years=np.nan, product=["new", None, "toy_ici"]
    )
    risk = fitted[name].predict_proba(odd)[:, 1]
    assert ((risk > 0) & (risk < 1)).all()
    assert risk[0] == pytest.approx(fitted[name].predict_proba(odd.iloc[[0]])[0, 1], rel=1e-12)


@pytest.mark.parametrize("name", PLAIN)
def test_same_seed_same_risks(fitted: dict[str, Any], name: str, toy: Toy) -> None:
    again = clone(fitted[name]).fit(toy.observed, events(toy))
    np.testing.assert_array_equal(
        again.predict_proba(toy.observed), fitted[name].predict_proba(toy.observed)
    )


def test_tuning_starts_from_what_the_library_comes_with(
    fitted: dict[str, Any], config: ModelConfig
) -> None:
    for name in ("LightGBM, tuned", "LightGBM, tuned with directions"):
        trials, n_rounds = fitted[name].trials_, fitted[name].n_rounds_
        assert len(trials) == N_TRIALS
        assert (trials[0].settings["learning_rate"], trials[0].settings["num_leaves"]) == (0.1, 31)
        assert fitted[name].n_folds_ == config.learner.n_folds
        best = min(trials, key=lambda trial: trial.log_loss)
        written = fitted[name].booster_.params
        assert {key: written[key] for key in best.settings} == best.settings
        assert fitted[name].booster_.current_iteration() == n_rounds


def test_the_budget_is_the_configurations(toy: Toy, config: ModelConfig) -> None:
    assert config.tuning is not None
    small = config.model_copy(update={"tuning": config.tuning.model_copy(update={"trials": 2})})
    found = LightGBM(config=small, is_tuned=True).fit(toy.observed, events(toy))
    assert (len(found.trials_), found.n_folds_) == (2, config.learner.n_folds)


def test_the_folds_are_the_models(
    toy: Toy, config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same seed, same patients: both learners judge in the same folds."""
    seen: list[list[np.ndarray]] = []
    cut = estimator.cut_folds

    def spied(*args: Any, **kwargs: Any) -> Any:
        folds = list(cut(*args, **kwargs))
        seen.append([held for _, held in folds])
        return iter(folds)

    monkeypatch.setattr(estimator, "cut_folds", spied)
    few = toy.observed.head(400)
    fit(few, toy.outcomes.head(400), config=config, seed=11)
    LightGBM(config=config, seed=11, is_tuned=True, n_trials=1).fit(few, events(toy)[:400])
    ours, theirs = seen
    assert len(ours) == config.learner.n_folds
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_directions_hold_where_they_are_asked_for_only(fitted: dict[str, Any], toy: Toy) -> None:
    """Risk by CRP, which may only rise; free trees rise and fall with the noise."""
    rows, grid = toy.observed.head(40), np.linspace(1, 200, 60)
    steps = {}
    for name in ("LightGBM, tuned", "LightGBM, tuned with directions"):
        risk = [fitted[name].predict_proba(rows.assign(crp_mg_l=crp))[:, 1] for crp in grid]
        steps[name] = np.diff(risk, axis=0)
    assert steps["LightGBM, tuned with directions"].min() >= 0
    assert steps["LightGBM, tuned"].min() < 0


def test_what_cannot_be_tuned_is_refused(toy: Toy, config: ModelConfig) -> None:
    y = events(toy)
    rows = np.append(np.flatnonzero(~y)[:50], np.flatnonzero(y)[:1])
    with pytest.raises(InputError, match="1 events in 51 patients"):
        LightGBM(config=config, is_tuned=True).fit(toy.observed.iloc[rows], y[rows])
    silent = config.model_copy(update={"tuning": None})
    with pytest.raises(InputError, match="0 trials"):
        LightGBM(config=silent, is_tuned=True).fit(toy.observed, y)


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match="XGBoost") as problem:
        plain_boosting(["XGBoost"])
    assert all(name in str(problem.value) for name in PLAIN)


def test_each_is_a_comparator() -> None:
    learners: tuple[Comparator, ...] = plain_boosting()
    assert [learner.name for learner in learners] == list(PLAIN)
    assert [type(learner) for learner in learners].count(HistGradientBoosting) == 1
