"""Tune: settings of the learner looked for inside resampling, by Optuna. The only module that
imports it.

A trial is judged by the log loss in folds that its trees had not seen, the same folds for every
trial, with the copies of a patient on one side. The first trial are the settings of the
configuration, so that tuning can only replace them by what did better. The sampler (tree-structured
Parzen estimator) is seeded and trials run one after another: the same patients and seed give the
same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray

from crsrisk.errors import InputError
from crsrisk.model.features import Learner, ModelConfig, Range, build_features
from crsrisk.model.fit import make_learner, names_of, outcome_of, stages_of


@dataclass(frozen=True)
class Trial:
    """Settings that were tried and their cross-validated log loss, nats."""

    settings: dict[str, float | int]
    log_loss: float


@dataclass(frozen=True)
class Tuned:
    """The configuration with the settings that did best, and all trials in their order."""

    config: ModelConfig
    trials: tuple[Trial, ...]

    @property
    def best(self) -> int:
        """Number of the best trial, counted from 0 (0: the settings of the configuration)."""
        return int(np.argmin([trial.log_loss for trial in self.trials]))

    def as_tree(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {
            "method": "Optuna, tree-structured Parzen estimator",
            "n_trials": len(self.trials),
            "best_trial": self.best,
            "log_loss_before": self.trials[0].log_loss,
            "log_loss_after": self.trials[self.best].log_loss,
            "settings": self.trials[self.best].settings,
        }


def tune(
    observed: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    config: ModelConfig,
    seed: int,
    sample_weight: NDArray[np.float64] | None = None,
    advance: Callable[[int], None] | None = None,
) -> Tuned:
    """Look for better settings in these patients; ``advance`` is told of every trial done.
    ``sample_weight``: how many patients each stands for.

    Raises :class:`InputError` when the configuration has no search, or there are too few patients
    for folds.
    """
    if config.tuning is None:
        raise InputError(
            where=f"configuration {config.name}",
            key="tuning",
            found="nothing to search",
            expected="trials and the ranges of settings",
            cure="add tuning to the configuration",
        )
    y = outcome_of(observed, outcomes, config=config)
    names = names_of(observed, config=config)
    table, stages = build_features(observed, names=names), stages_of(outcomes, config=config)

    def loss_of(settings: dict[str, float | int]) -> float:
        learner = make_learner(names, config=_with(config, settings), seed=seed).fit(
            table, y, sample_weight, groups=observed["patient_id"], stages=stages
        )
        if np.isnan(learner.cv_log_loss_):
            raise InputError(
                where="tuning",
                found=f"{int(y.sum())} events in {len(y)} patients",
                expected="at least two of each outcome for the folds",
                cure="take more patients",
            )
        if advance is not None:
            advance(1)
        return learner.cv_log_loss_

    trials = search_settings(
        loss_of,
        search=config.tuning.search,
        first=config.learner.model_dump(),
        n_trials=config.tuning.trials,
        seed=seed,
    )
    best = min(trials, key=lambda trial: trial.log_loss)
    return Tuned(_with(config, best.settings), trials)


def search_settings(
    loss_of: Callable[[dict[str, float | int]], float],
    *,
    search: Mapping[str, Range],
    first: Mapping[str, Any],
    n_trials: int,
    seed: int,
) -> tuple[Trial, ...]:
    """Try ``n_trials`` settings within the ranges of ``search``, those of ``first`` before all, and
    keep what each lost.

    >>> tried = search_settings(lambda settings: (settings["x"] - 1) ** 2, n_trials=3, seed=1,
    ...                         search={"x": Range(low=0, high=9)}, first={"x": 4.0})
    >>> (len(tried), tried[0].log_loss)
    (3, 9.0)
    """
    trials: list[Trial] = []

    def objective(trial: optuna.Trial) -> float:
        settings = {name: _suggested(trial, name, span) for name, span in search.items()}
        trials.append(Trial(settings, loss_of(settings)))
        return trials[-1].log_loss

    with _without_progress_lines():
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.enqueue_trial({name: first[name] for name in search})
        study.optimize(objective, n_trials=n_trials, n_jobs=1)
    return tuple(trials)


_LOCK = Lock()
_verbosities: list[int] = []  # what the user had set, once for each search that is under way


@contextmanager
def _without_progress_lines() -> Iterator[None]:
    """Optuna writes a line a trial: not while we tune, in one thread or several; afterwards as the
    user has set it.
    """
    with _LOCK:
        _verbosities.append(_verbosities[0] if _verbosities else optuna.logging.get_verbosity())
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        with _LOCK:
            before = _verbosities.pop()
            if not _verbosities:
                optuna.logging.set_verbosity(before)


def _suggested(trial: optuna.Trial, name: str, span: Range) -> float | int:
    if span.is_whole:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.is_log)
    return trial.suggest_float(name, span.low, span.high, log=span.is_log)


def _with(config: ModelConfig, settings: dict[str, float | int]) -> ModelConfig:
    return config.model_copy(
        update={"learner": Learner.model_validate({**config.learner.model_dump(), **settings})}
    )
