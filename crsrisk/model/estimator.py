"""Estimator: the learner as data scientists type it, a scikit-learn classifier on arrays or frames.

LightGBM with monotone directions, made for a nearly additive truth with strong groups (products).
It starts from a partially pooled additive model (:mod:`crsrisk.model.additive`, by stages of the
outcome where they are known: :mod:`crsrisk.model.additive`), written as trees
(:mod:`crsrisk.model.additive_to_lightgbm`); shallow trees with randomised thresholds then learn
what that misses, if anything. So the whole model is one LightGBM booster, with exact Shapley values
and a plain text. The number of trees and the calibration come from patients that the scoring trees
had not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from crsrisk.data.risk_model import Calibrator
from crsrisk.model.additive import fit_staged, out_of_order
from crsrisk.model.additive_to_lightgbm import additive_to_lightgbm
from crsrisk.model.booster import raw_log_odds_of
from crsrisk.model.logistic import fit_calibrator

# Folds: patients cut into parts with the same share of events; rows that belong together stay
# together.
#
# In a bootstrap resample a patient stands there several times. A copy in the fold that judges would
# meet his twins in the trees that are judged, and the number of trees and the calibration would
# rest on patients that the trees had seen.


Rows = NDArray[np.intp]


def fold_units(labels: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray[np.float64], Rows]:
    """What a fold may hold or leave out as a whole: whether an event is in it, and the unit of
    every row.

    Units are numbered as their first rows come, so a group of its own for every row is the same as
    no groups.

    >>> fold_units([0, 1, 0, 1], ["b", "a", "b", "c"])
    (array([0., 1., 1.]), array([0, 1, 0, 2]))
    """
    y_true = np.asarray(labels, dtype=np.float64)
    if groups is None:
        return y_true, np.arange(y_true.size)
    named = np.asarray(groups)
    if named.shape != y_true.shape:
        raise ValueError(
            f"groups need one name a row: {y_true.size} rows, groups of shape {named.shape}"
        )
    _, first, unit = np.unique(named, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.intp)
    rank[np.argsort(first)] = np.arange(first.size)
    unit = rank[unit]
    has_event = np.zeros(first.size)
    np.maximum.at(has_event, unit, y_true)
    return has_event, unit


def cut_folds(
    labels: ArrayLike, groups: ArrayLike | None, *, n_folds: int, seed: int
) -> Iterator[tuple[Rows, Rows]]:
    """Rows to fit to and rows held out, fold by fold; of a group all rows are on one side.

    ``labels`` (rows,) of 0 and 1; ``groups`` (rows,) names whose rows belong together, None: every
    row by itself.

    >>> folds = cut_folds([0, 0, 1, 1, 0, 1], [1, 1, 2, 2, 3, 4], n_folds=2, seed=0)
    >>> [held.tolist() for _, held in folds]
    [[2, 3, 4], [0, 1, 5]]
    """
    has_event, unit = fold_units(labels, groups)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for _, held in folds.split(np.zeros((has_event.size, 1)), has_event):
        is_held = np.isin(unit, held)
        yield np.flatnonzero(~is_held), np.flatnonzero(is_held)


Floats: TypeAlias = NDArray[np.float64]

_WRITABLE = re.compile(r"[A-Za-z0-9_.\-]+")
_FEW_MISSING = 30  # patients: with fewer, the trees could only guess what a missing value means


class CRSClassifier(ClassifierMixin, BaseEstimator):
    """Monotone, calibrated gradient-boosted trees for a yes/no outcome; missing values (NaN) are
    allowed.

    Parameters ---------- additive_penalty : ridge penalty that the additive start
    (:func:`crsrisk.model.additive.fit_additive`) expects
        before it learns penalties from the data: the higher, the smaller the effects that it
        expects.
    free_columns : positions or names of yes/no columns that are groups, such as products: each has
    a level of its
        own, and slopes of its own that are drawn towards the common ones as strongly as the data
        say.
    max_trees : most trees after the start; cross-validation chooses how many are kept. None are,
    unless held-out log loss
        falls by more than its standard error: trees that have found chance cost more in
        explanations than in log loss.
    has_interactions : whether one of these trees may ask about several quantities. Without, it asks
    about one, and about
        groups: patients of one group and with one value of a quantity then have one effect of it
        (missing values apart, which are expected from the others).
    learning_rate, num_leaves, min_data_in_leaf, l2, feature_fraction, bagging_fraction : as in
    LightGBM. monotonic_cst : +1 (risk may only rise), -1 (only fall) or 0, as one value a column
    or, for frames, as a
        mapping of column names; None for no constraint (the name is scikit-learn's).
    n_folds : folds of the cross-validation that chooses the number of trees and calibrates. Fewer
    are used
        when a class has fewer patients (or groups); with fewer than two, all trees are kept and
        nothing is calibrated.
    random_state : seed. n_jobs : threads (1: results never depend on the machine's load).

    Attributes ---------- booster_ : lightgbm.Booster. calibrator_ : Calibrator. classes_,
    n_features_in_, as in scikit-learn. n_trees_ : trees kept after the start. fill_values_ : by
    column, what stands in for a missing value: the training median (four digits) where
        hardly anything was missing in training (LightGBM alone would read such a value as 0, or
        guess), NaN where the trees have learnt what missing means.
    cv_log_loss_ : cross-validated log loss before calibration, NaN without folds.

    Raises ``ValueError``, as scikit-learn asks, for other than two classes, infinite values or
    wrong shapes.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2)); y = rng.random(400) < expit(2 * X[:, 0])
    >>> model = CRSClassifier(max_trees=50, monotonic_cst=[1, 0]).fit(X, y)
    >>> risk = model.predict_proba([[-2.0, 0.0], [2.0, 0.0]])[:, 1]
    >>> bool(risk[0] < risk[1])
    True
    """

    def __init__(
        self,
        *,
        additive_penalty: float = 60.0,
        free_columns: Sequence[int] | Sequence[str] | None = None,
        max_trees: int = 400,
        has_interactions: bool = True,
        learning_rate: float = 0.05,
        num_leaves: int = 6,
        min_data_in_leaf: int = 60,
        l2: float = 30.0,
        feature_fraction: float = 0.3,
        bagging_fraction: float = 0.7,
        monotonic_cst: Sequence[int] | Mapping[str, int] | None = None,
        n_folds: int = 5,
        random_state: int | None = 0,
        n_jobs: int = 1,
    ) -> None:
        self.additive_penalty = additive_penalty
        self.free_columns = free_columns
        self.max_trees = max_trees
        self.has_interactions = has_interactions
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.l2 = l2
        self.feature_fraction = feature_fraction
        self.bagging_fraction = bagging_fraction
        self.monotonic_cst = monotonic_cst
        self.n_folds = n_folds
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, *, groups: Any = None, stages: Any = None) -> CRSClassifier:
        """Fit to ``X`` (patients, features) and ``y`` (patients,); of two classes the later is the
        event.

        ``groups`` (patients,): names of rows that no fold may part, such as a patient's copies in a
        bootstrap sample. ``stages`` (patients, stages) of 0 and 1: what comes before the event, in
        order, such as CRS of any grade. Who has the event has reached all of them.
        """
        table, outcome = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        check_classification_targets(outcome)
        kind = type_of_target(outcome, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        self.classes_, codes = np.unique(outcome, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y has one class only, {self.classes_[0]!r}: a risk needs both classes."
            )
        labels = codes.astype(np.float64)
        self.fill_values_ = _fill_values(table)
        table = _filled(table, self.fill_values_)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        recipe = _Recipe(
            self._settings(seed),
            self._free_positions(),
            self._column_names(),
            self.additive_penalty,
        )
        steps = _steps(stages, labels)
        self._learn_from_folds(table, steps, groups=groups, recipe=recipe, seed=seed)
        self.booster_ = recipe.grow(table, steps, n_trees=self.n_trees_)
        return self

    def decision_function(self, X: Any) -> Floats:
        """Calibrated log-odds of the event, shape (patients,)."""
        check_is_fitted(self)
        return self.calibrator_.log_odds(self._raw(X))

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities of the two classes, shape (patients, 2)."""
        risk = expit(self.decision_function(X))
        return np.column_stack([1 - risk, risk])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class. Choose a threshold of your own for a decision: 0.5 has no clinical
        meaning.
        """
        is_event = self.decision_function(X) > 0
        return np.asarray(self.classes_[is_event.astype(np.intp)])

    def _raw(self, X: Any) -> Floats:
        table = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return raw_log_odds_of(self.booster_, _filled(table, self.fill_values_))

    def _settings(self, seed: int) -> dict[str, Any]:
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_data_in_leaf,
            "lambda_l2": self.l2,
            "extra_trees": True,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "monotone_constraints": self._directions(),
            "seed": seed,
            "num_threads": self.n_jobs,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
            **({} if self.has_interactions else {"interaction_constraints": self._apart()}),
        }

    def _apart(self) -> list[list[int]]:
        """For each column but the groups: what a tree may ask beside it, the groups and nothing
        else.
        """
        groups = self._free_positions()
        others = [place for place in range(self.n_features_in_) if place not in groups]
        return [[*groups, place] for place in others] or [groups]

    def _column_names(self) -> list[str]:
        """Names for the trees: the frame's where LightGBM can write them, else Column_0, Column_1,
        ...
        """
        names = self._names()
        if names and all(_WRITABLE.fullmatch(name) for name in names):
            return names
        return [f"Column_{place}" for place in range(self.n_features_in_)]

    def _directions(self) -> list[int]:
        given = self.monotonic_cst
        if given is None:
            return [0] * self.n_features_in_
        if isinstance(given, Mapping):
            if unknown := set(given) - set(self._names()):
                raise ValueError(
                    f"monotonic_cst names columns that X does not have: {sorted(unknown)}"
                )
            given = [given.get(name, 0) for name in self._names()]
        directions = [int(direction) for direction in given]
        if len(directions) != self.n_features_in_ or not set(directions) <= {-1, 0, 1}:
            raise ValueError(f"monotonic_cst needs {self.n_features_in_} values of -1, 0 or 1")
        return directions

    def _free_positions(self) -> list[int]:
        wanted = list(self.free_columns or [])
        names = self._names()
        places = [
            names.index(column) if isinstance(column, str) and column in names else column
            for column in wanted
        ]
        known = [
            int(place)
            for place in places
            if isinstance(place, int | np.integer) and 0 <= place < self.n_features_in_
        ]
        if len(known) < len(places):
            raise ValueError(
                "free_columns must be columns of X, by position or (for a frame) by name"
            )
        return known

    def _names(self) -> list[str]:
        return [str(name) for name in getattr(self, "feature_names_in_", ())]

    def _learn_from_folds(
        self, table: Floats, steps: Floats, *, groups: Any, recipe: _Recipe, seed: int
    ) -> None:
        """Choose the number of trees and calibrate, both on patients outside the trees that score
        them.
        """
        labels = steps[:, -1]
        has_event, _ = fold_units(labels, groups)
        smaller = int(min(has_event.sum(), has_event.size - has_event.sum()))
        n_folds = min(self.n_folds, smaller)
        if n_folds < 2:
            self.n_trees_, self.cv_log_loss_ = self.max_trees, float("nan")
            self.calibrator_ = Calibrator(
                intercept=0.0, slope=1.0, n_patients=0, method="none: no held-out folds"
            )
            return
        folds = list(cut_folds(labels, groups, n_folds=n_folds, seed=seed))
        grown = [
            recipe.grow_and_watch(table, steps, n_trees=self.max_trees, fitted=fitted, held=held)
            for fitted, held in folds
        ]
        curve = np.sum(
            [
                watched.losses * (held.size / labels.size)
                for (_, held), watched in zip(folds, grown, strict=True)
            ],
            axis=0,
        )

        def outside(rounds: int) -> Floats:
            """Log-odds of every patient by the trees that had not seen him, after so many
            rounds.
            """
            found = np.empty(labels.size)
            for (_, held), watched in zip(folds, grown, strict=True):
                found[held] = raw_log_odds_of(
                    watched.booster, table[held], n_trees=int(watched.sizes[rounds])
                )
            return found

        best = int(np.argmin(curve))
        self.n_trees_ = best if _is_gain(outside(0), outside(best), labels) else 0
        self.cv_log_loss_ = float(curve[self.n_trees_])
        self.calibrator_ = fit_calibrator(
            outside(self.n_trees_),
            labels,
            method=f"logistic recalibration on {n_folds} held-out folds",
        )


def _steps(stages: Any, labels: Floats) -> Floats:
    """Stages and, as last column, the event, shape (patients, stages + 1)."""
    if stages is None:
        return labels[:, None]
    before = np.asarray(stages, dtype=np.float64).reshape(len(labels), -1)
    steps = np.column_stack([before, labels])
    if out_of_order(steps).any():
        raise ValueError(
            "stages are 0 or 1, and who reaches one, or has the event, has reached those before it"
        )
    return steps


def _is_gain(before: Floats, after: Floats, labels: Floats) -> bool:
    """Whether log loss falls by more than a standard error of the paired difference."""
    gain = np.logaddexp(0.0, before) - np.logaddexp(0.0, after) - labels * (before - after)
    return bool(gain.mean() > gain.std() / gain.size**0.5)


def _fill_values(table: Floats) -> Floats:
    """By column: the median where hardly anything is missing, NaN where the trees learn what it
    means.

    Rounded to four digits: with an odd number of patients the median itself is one patient's value.
    """
    n_missing = np.isnan(table).sum(axis=0)
    filled = np.full(table.shape[1], np.nan)
    for column in np.flatnonzero((n_missing < _FEW_MISSING) & (n_missing < len(table))):
        filled[column] = float(f"{np.nanmedian(table[:, column]):.4g}")
    return filled


def _filled(table: Floats, values: Floats) -> Floats:
    return np.where(np.isnan(table), values, table)


@dataclass(frozen=True)
class _Watched:
    """Trees and, before the first and after each round, their log loss in patients they had not
    seen and their number.

    (A round in which no split is worth its while adds no tree.)
    """

    booster: lgb.Booster
    losses: Floats
    sizes: NDArray[np.int64]


@dataclass(frozen=True)
class _Recipe:
    """How trees are grown: LightGBM's settings, the additive start, and the names of the
    columns.
    """

    settings: Mapping[str, Any]
    groups: list[int]
    names: list[str]
    penalty: float

    def grow(self, table: Floats, steps: Floats, *, n_trees: int) -> lgb.Booster:
        """The start and ``n_trees`` rounds on these patients."""
        start = self._start(table, steps)
        if not n_trees:
            return start
        return lgb.train(
            dict(self.settings), self._dataset(table, steps[:, -1]), n_trees, init_model=start
        )

    def grow_and_watch(
        self,
        table: Floats,
        steps: Floats,
        *,
        n_trees: int,
        fitted: NDArray[np.intp],
        held: NDArray[np.intp],
    ) -> _Watched:
        """Trees grown on ``fitted``, and their log loss in ``held`` before the first and after each
        round.
        """
        start = self._start(table[fitted], steps[fitted])
        labels = steps[:, -1]
        scores = raw_log_odds_of(start, table[held])
        rounds = [
            (float(np.mean(np.logaddexp(0.0, scores) - labels[held] * scores)), start.num_trees())
        ]
        if not n_trees:
            return _watched(start, rounds)
        inside = self._dataset(table[fitted], labels[fitted])
        outside = self._dataset(table[held], labels[held], reference=inside)

        def watch(now: Any) -> None:  # lightgbm.callback.CallbackEnv
            rounds.append((now.evaluation_result_list[0][2], now.model.num_trees()))

        booster = lgb.train(
            {**self.settings, "metric": "binary_logloss"},
            inside,
            n_trees,
            init_model=start,
            valid_sets=[outside],
            callbacks=[watch],
        )
        return _watched(booster, rounds)

    def _start(self, table: Floats, steps: Floats) -> lgb.Booster:
        """The additive model, written as trees."""
        directions = self.settings["monotone_constraints"]
        additive = fit_staged(
            table, steps, directions=directions, groups=self.groups, penalty=self.penalty
        )
        return lgb.Booster(
            model_str=additive_to_lightgbm(additive, table, directions=directions, names=self.names)
        )

    def _dataset(
        self, table: Floats, labels: Floats, *, reference: lgb.Dataset | None = None
    ) -> lgb.Dataset:
        return lgb.Dataset(
            table, labels, feature_name=self.names, reference=reference, free_raw_data=False
        )


def _watched(booster: lgb.Booster, rounds: Sequence[tuple[float, int]]) -> _Watched:
    losses, sizes = zip(*rounds, strict=True)
    return _Watched(booster, np.array(losses), np.array(sizes))
