"""Tuning: judged in folds, never worse than the configuration there, the same again with the same
seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from pydantic import ValidationError

from crsrisk.errors import InputError
from crsrisk.model.features import ModelConfig, Range, Tuning
from crsrisk.model.fit import fit
from crsrisk.model.tune import Tuned, _without_progress_lines, tune

SEARCH = {
    "num_leaves": Range(low=3, high=12, is_whole=True),
    "learning_rate": Range(low=0.05, high=0.4, is_log=True),
}


@pytest.fixture(scope="module")
def small(config: ModelConfig) -> ModelConfig:
    learner = config.learner.model_copy(
        update={"max_trees": 25, "learning_rate": 0.4, "num_leaves": 12}
    )
    return config.model_copy(update={"learner": learner, "tuning": Tuning(trials=4, search=SEARCH)})


@pytest.fixture(scope="module")
def tuned(toy: Any, small: ModelConfig) -> Tuned:
    return tune(toy.observed.head(600), toy.outcomes.head(600), config=small, seed=3)


def test_the_first_trial_is_the_configuration(tuned: Tuned, small: ModelConfig) -> None:
    assert tuned.trials[0].settings == {"num_leaves": 12, "learning_rate": 0.4}
    assert len(tuned.trials) == 4


def test_the_best_trial_is_taken(tuned: Tuned, small: ModelConfig) -> None:
    best = min(tuned.trials, key=lambda trial: trial.log_loss)
    assert tuned.trials[tuned.best] == best
    chosen = tuned.config.learner.model_dump()
    assert {name: chosen[name] for name in SEARCH} == best.settings
    assert {name: chosen[name] for name in chosen if name not in SEARCH} == {
        name: value for name, value in small.learner.model_dump().items() if name not in SEARCH
    }
    assert tuned.as_tree()["log_loss_after"] <= tuned.as_tree()["log_loss_before"]


def test_settings_stay_in_their_ranges(tuned: Tuned) -> None:
    for trial in tuned.trials:
        assert all(
            SEARCH[name].low <= value <= SEARCH[name].high for name, value in trial.settings.items()
        )
        assert isinstance(trial.settings["num_leaves"], int)


def test_a_trial_s_loss_is_that_of_the_fit(tuned: Tuned, toy: Any) -> None:
    model = fit(toy.observed.head(600), toy.outcomes.head(600), config=tuned.config, seed=3)
    loss = tuned.trials[tuned.best].log_loss
    assert model.manifest["cv_log_loss"] == pytest.approx(loss, rel=1e-12)


def test_copies_of_a_patient_are_judged_as_the_fit_judges_them(
    toy: Any, small: ModelConfig
) -> None:
    rows = np.arange(400) % 200
    observed, outcomes = (
        table.iloc[rows].reset_index(drop=True) for table in (toy.observed, toy.outcomes)
    )
    first = tune(
        observed,
        outcomes,
        config=small.model_copy(update={"tuning": Tuning(trials=1, search=SEARCH)}),
        seed=3,
    ).trials[0]
    assert first.log_loss == fit(observed, outcomes, config=small, seed=3).manifest["cv_log_loss"]


def test_same_seed_same_trials(tuned: Tuned, toy: Any, small: ModelConfig) -> None:
    told: list[int] = []
    again = tune(
        toy.observed.head(600), toy.outcomes.head(600), config=small, seed=3, advance=told.append
    )
    assert again.trials == tuned.trials
    assert told == [1] * 4


def test_no_search_and_wrong_searches_are_refused(toy: Any, config: ModelConfig) -> None:
    with pytest.raises(InputError, match="tuning"):
        tune(toy.observed, toy.outcomes, config=config.model_copy(update={"tuning": None}), seed=1)
    with pytest.raises(ValidationError, match="colour"):
        Tuning(trials=2, search={"colour": Range(low=0, high=1)})
    with pytest.raises(ValidationError, match="low below high"):
        Range(low=2, high=1)


def test_too_few_patients_for_folds(toy: Any, small: ModelConfig) -> None:
    y_true = toy.outcomes["crs_grade2plus"]
    rows = y_true.index[y_true][:1].append(y_true.index[~y_true][:40])
    with pytest.raises(InputError, match="1 events in 41 patients"):
        tune(toy.observed.loc[rows], toy.outcomes.loc[rows], config=small, seed=1)


def test_searches_side_by_side_leave_the_users_verbosity() -> None:
    """The first to end must not let the other write its lines, nor keep them from the user."""
    before = optuna.logging.get_verbosity()
    one, other = _without_progress_lines(), _without_progress_lines()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
    other.__exit__(None, None, None)
    assert optuna.logging.get_verbosity() == before != optuna.logging.WARNING
