"""Gradient boosting as a data scientist would type it: LightGBM as it comes, LightGBM tuned, with
directions or without, and scikit-learn's HistGradientBoosting.

The features are those of the model, product and platform as categories of the library's own,
missing values left to it; the outcome alone is learnt, no stage before it, and nothing is
recalibrated. Tuned: Optuna, each trial judged by log loss in the folds that the model itself cuts
with the same seed, the number of trees by early stopping in them, LightGBM's own settings first.
As many settings are tried as ``crsrisk train --tune`` tries for the model (``tuning`` of the
configuration), in as many folds. One thread, so that the same seed gives the same risks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk.errors import InputError
from crsrisk.model.comparators import ClinicalClassifier, Comparator
from crsrisk.model.estimator import drawn_seed, usable_folds
from crsrisk.model.features import (
    ModelConfig,
    Range,
    build_features,
    groups_of,
    load_config,
    words_of,
)
from crsrisk.model.fit import SIGNS
from crsrisk.model.tune import Trial, search_settings

Floats: TypeAlias = NDArray[np.float64]
PlainName: TypeAlias = Literal[
    "LightGBM", "LightGBM, tuned", "LightGBM, tuned with directions", "HistGradientBoosting"
]
PLAIN: tuple[PlainName, ...] = get_args(PlainName)
# those that take a second or two; the others fit hundreds of models
QUICK: tuple[PlainName, ...] = ("LightGBM", "HistGradientBoosting")
# Where the settings of LightGBM are looked for, around its own, which are tried first.
_SEARCH: Mapping[str, Range] = {
    "learning_rate": Range(low=0.02, high=0.3, is_log=True),
    "num_leaves": Range(low=4, high=64, is_log=True, is_whole=True),
    "min_data_in_leaf": Range(low=5, high=200, is_log=True, is_whole=True),
    "lambda_l2": Range(low=0.001, high=100.0, is_log=True),
    "feature_fraction": Range(low=0.3, high=1.0),
    "bagging_fraction": Range(low=0.5, high=1.0),
}
_AS_IT_COMES: Mapping[str, float] = {
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "lambda_l2": 0.001,  # 0 in LightGBM, which has no logarithm
    "feature_fraction": 1.0,
    "bagging_fraction": 1.0,
}
_ROUNDS = 100  # LightGBM's own number
_MOST_ROUNDS = 2000
_PATIENCE = 50  # rounds without a better held-out log loss


class _PlainBoosting(ClinicalClassifier):
    """The model's features as the libraries take them."""

    config: ModelConfig | str | Path
    seed: int

    def _begin(self, observed: pd.DataFrame) -> pd.DataFrame:
        """Remember the words that occur, and return the table."""
        self.config_ = load_config(self.config)
        self.levels_ = {
            name: sorted({word for word in words_of(observed, column=name) if word})
            for name in self.config_.one_hot
        }
        return self._table(observed)

    def _table(self, observed: pd.DataFrame) -> pd.DataFrame:
        """Numbers and categories; a word that training did not have is a missing one."""
        numbers = build_features(
            observed, names=[feature.name for feature in self.config_.features]
        )
        return numbers.assign(
            **{
                name: pd.Categorical.from_codes(
                    pd.Index(levels).get_indexer(words_of(observed, column=name)), pd.Index(levels)
                )
                for name, levels in self.levels_.items()
            }
        )


class LightGBM(_PlainBoosting):
    """LightGBM, with the settings that it comes with or with tuned ones.

    Parameters
    ----------
    config : whose features, directions, folds and number of trials are taken.
    seed : of trees, folds and search.
    is_tuned : whether Optuna looks for settings, and early stopping for the number of trees.
    has_directions : whether risk may only rise or fall where the configuration says so.
    n_trials : settings tried; None: as many as the configuration's ``tuning``.

    Attributes
    ----------
    booster_ : lightgbm.Booster
    n_rounds_ : int
        Rounds of boosting.
    trials_ : tuple of Trial
        Settings that were tried and their log loss; empty where nothing was tuned.
    n_folds_ : int
        Folds that judged each of them; 0 where nothing was tuned.

    >>> LightGBM(is_tuned=True, has_directions=True).name
    'LightGBM, tuned with directions'
    """

    def __init__(
        self,
        *,
        config: ModelConfig | str | Path = "baseline",
        seed: int = 0,
        is_tuned: bool = False,
        has_directions: bool = False,
        n_trials: int | None = None,
    ) -> None:
        self.config = config
        self.seed = seed
        self.is_tuned = is_tuned
        self.has_directions = has_directions
        self.n_trials = n_trials

    @property
    def name(self) -> str:
        """LightGBM and what was done to it."""
        done = ["tuned"] * self.is_tuned + ["with directions"] * self.has_directions
        return f"LightGBM, {' '.join(done)}" if done else "LightGBM"

    @property
    def about(self) -> str:
        """How its settings came about, once it is fitted."""
        if not self.trials_:
            return f"Settings as the library comes, {self.n_rounds_} trees."
        return (
            f"The best of {len(self.trials_)} settings tried by Optuna in {self.n_folds_} folds,"
            f" {self.n_rounds_} trees by early stopping."
        )

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        table = self._begin(observed)
        settings = self._fixed(list(table.columns))
        data = lgb.Dataset(table, outcome, params=settings, free_raw_data=False)
        self.trials_: tuple[Trial, ...] = ()
        self.n_rounds_, self.n_folds_ = _ROUNDS, 0
        if self.is_tuned:
            settings = self._tuned(data, outcome, fixed=settings, groups=groups_of(observed))
        self.booster_ = lgb.train(settings, data, self.n_rounds_)

    def _tuned(
        self,
        data: lgb.Dataset,
        outcome: NDArray[np.int64],
        *,
        fixed: dict[str, Any],
        groups: NDArray[Any] | None,
    ) -> dict[str, Any]:
        """The settings that lost least in the folds, with those that are ``fixed``."""
        config, seed = self.config_, drawn_seed(self.seed)
        folds = usable_folds(outcome, groups, n_folds=config.learner.n_folds, seed=seed)
        n_trials = self.n_trials or (config.tuning.trials if config.tuning else 0)
        if not folds or not n_trials:
            raise InputError(
                where=self.name,
                found=f"{int(outcome.sum())} events in {outcome.size} patients, {n_trials} trials",
                expected="at least two of each outcome for the folds, and settings to try",
                cure="take more patients, or a configuration with tuning",
            )
        fixed = {**fixed, "metric": "binary_logloss", "bagging_freq": 1}
        rounds: list[int] = []

        def loss_of(settings: dict[str, float | int]) -> float:
            judged = lgb.cv(
                {**fixed, **settings},
                data,
                _MOST_ROUNDS,
                folds=folds,
                callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
            )
            curve = np.asarray(judged["valid binary_logloss-mean"])
            rounds.append(int(curve.argmin()) + 1)
            return float(curve.min())

        self.trials_ = search_settings(
            loss_of, search=_SEARCH, first=_AS_IT_COMES, n_trials=n_trials, seed=seed
        )
        best = int(np.argmin([trial.log_loss for trial in self.trials_]))
        self.n_rounds_, self.n_folds_ = rounds[best], len(folds)
        return {**fixed, **self.trials_[best].settings}

    def _fixed(self, columns: Sequence[str]) -> dict[str, Any]:
        """What is not looked for."""
        signs = {feature.name: SIGNS[feature.direction] for feature in self.config_.features}
        directions = [signs.get(name, 0) for name in columns]
        return {
            "objective": "binary",
            "seed": self.seed,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
            **({"monotone_constraints": directions} if self.has_directions else {}),
        }

    def _risk(self, observed: pd.DataFrame) -> Floats:
        return np.asarray(self.booster_.predict(self._table(observed), num_threads=1))


class HistGradientBoosting(_PlainBoosting):
    """scikit-learn's histogram gradient boosting, with the settings that it comes with.

    ``config``: whose features are taken; ``seed``: of the patients that early stopping holds out
    (the library does so above 10,000).
    """

    name = "HistGradientBoosting"

    @property
    def about(self) -> str:
        """How its settings came about, once it is fitted."""
        return f"Settings as the library comes, {self.classifier_.n_iter_} trees."

    def __init__(self, *, config: ModelConfig | str | Path = "baseline", seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        table = self._begin(observed)
        # waiting threads cost seconds on a busy machine, and sums of several differ
        with threadpool_limits(1, user_api="openmp"):
            self.classifier_ = HistGradientBoostingClassifier(random_state=self.seed)
            self.classifier_.fit(table, outcome)

    def _risk(self, observed: pd.DataFrame) -> Floats:
        with threadpool_limits(1, user_api="openmp"):
            return np.asarray(self.classifier_.predict_proba(self._table(observed))[:, 1])


def plain_boosting(
    names: Sequence[str] = PLAIN,
    *,
    config: ModelConfig | str | Path = "baseline",
    seed: int = 0,
    n_trials: int | None = None,
) -> tuple[Comparator, ...]:
    """The learners of these names, none fitted yet.

    Raises
    ------
    InputError
        For a name that is none of :data:`PLAIN`.

    >>> [learner.name for learner in plain_boosting(["LightGBM, tuned", "HistGradientBoosting"])]
    ['LightGBM, tuned', 'HistGradientBoosting']
    """
    tuned = {"config": config, "seed": seed, "is_tuned": True, "n_trials": n_trials}
    known: dict[str, Comparator] = {
        learner.name: learner
        for learner in (
            LightGBM(config=config, seed=seed),
            LightGBM(**tuned),  # type: ignore[arg-type]
            LightGBM(**tuned, has_directions=True),  # type: ignore[arg-type]
            HistGradientBoosting(config=config, seed=seed),
        )
    }
    if unknown := [name for name in names if name not in known]:
        raise InputError(
            where="learners",
            found=", ".join(map(repr, unknown)),
            expected=f"names among {', '.join(map(repr, known))}",
            cure="correct the names, or leave them out",
        )
    return tuple(known[name] for name in names)
