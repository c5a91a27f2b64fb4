"""The learner on arrays: a scikit-learn classifier of its own, inside every risk model.

LightGBM with monotone directions, for strong groups (products). It starts from a partially pooled
additive model (:mod:`crsrisk.model.additive`, by stages of the outcome where they are known),
written as trees (:mod:`crsrisk.model.additive_to_lightgbm`), from half of it, or from the mean, as
patients held out choose (:mod:`crsrisk.model.boosting`); trees then learn what that misses, if
anything. So the whole model is one LightGBM booster, with exact Shapley values and a plain text.

The start, the number of trees and the calibration come from patients that the scoring trees had not
seen: folds with the same share of events. Rows that belong together stay together, since in a
bootstrap resample a patient stands there several times, and a copy in the fold that judges would
meet its twins in the trees that are judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from crsrisk.data.disclosure import FEWEST
from crsrisk.data.risk_model import Calibrator, LearnerKind, ModelClass
from crsrisk.model.additive import out_of_order, quantile
from crsrisk.model.booster import raw_log_odds_of
from crsrisk.model.boosting import STARTS, Patients, Recipe, choose
from crsrisk.model.logistic import fit_calibrator
from crsrisk.model.stored_table import StoredTable

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]

_WRITABLE = re.compile(r"[A-Za-z0-9_.\-]+")
_FEW_MISSING = 30  # patients: with fewer, the trees could only guess what a missing value means


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


def usable_folds(
    labels: ArrayLike, groups: ArrayLike | None, *, n_folds: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """:func:`cut_folds`, fewer than ``n_folds`` where a class has fewer patients (or groups); none
    where it has fewer than two.

    >>> len(usable_folds([0, 0, 0, 1, 1], None, n_folds=5, seed=0))
    2
    >>> usable_folds([0, 0, 0, 1], None, n_folds=5, seed=0)
    []
    """
    has_event, _ = fold_units(labels, groups)
    smaller = int(min(has_event.sum(), has_event.size - has_event.sum()))
    n_folds = min(n_folds, smaller)
    return list(cut_folds(labels, groups, n_folds=n_folds, seed=seed)) if n_folds >= 2 else []


def drawn_seed(random_state: Any) -> int:
    """The seed of folds and trees that a scikit-learn random state gives."""
    return int(check_random_state(random_state).randint(2**31 - 1))


class CRSClassifier(ClassifierMixin, BaseEstimator):
    """A monotone, calibrated model for a yes/no outcome, on arrays or frames of numbers; missing
    values (NaN) are allowed. An additive logistic model, gradient boosting, or one on top of the
    other, as cross-validation chooses; ``model_class_`` says which.

    For the clinical table as measured take :class:`crsrisk.CRSRiskClassifier`.

    Parameters
    ----------
    additive_penalty : float
        Ridge penalty that the additive start (:func:`crsrisk.model.additive.fit_additive`) expects
        before it learns penalties from the data: the higher, the smaller the effects it expects.
    free_columns : sequence of int or str, optional
        Positions or names of yes/no columns that are groups, such as products: each has an
        intercept of its own, and slopes of its own that are drawn towards the common ones as
        strongly as the data say.
    max_trees : int
        Most trees after the whole additive start; cross-validation chooses how many are kept. None
        are, unless held-out log loss falls by more than its standard error: trees that have found
        chance cost more in explanations than in log loss.
    has_interactions : bool
        Whether one of these trees may ask about several quantities. Without, it asks about one, and
        about groups: patients of one group and with one value of a quantity then have one effect of
        it (missing values apart, which are expected from the others).
    learning_rate, num_leaves, min_data_in_leaf, l2, feature_fraction, bagging_fraction
        As in LightGBM, of these trees, whose thresholds are randomised. A leaf holds ten rows or
        more, and so does a bin.
    monotonic_cst : sequence of int, or mapping of str to int, optional
        +1 (risk may only rise), -1 (only fall) or 0, as one value a column or, for frames, by name;
        None for no constraint (the name is scikit-learn's).
    kind : {"chosen", "additive", "shrunken", "boosting"}
        Where boosting starts: from the additive model, from half of its effects, or from the mean
        ("boosting": gradient boosting alone). "chosen" is what cross-validation says: the additive
        model, unless one of the others gains more than the standard error of the paired difference.
        Trees with directions can only add to the start; where it overstates an effect, half of it
        or the mean leaves room.
    boosting_max_trees, boosting_learning_rate, boosting_num_leaves, boosting_min_data_in_leaf, \
boosting_l2
        As in LightGBM, of the trees that follow half of the start or the mean. They may ask about
        several quantities.
    n_folds : int
        Folds of the cross-validation that chooses start and trees and calibrates. Fewer are used
        when a class has fewer patients (or groups); with fewer than two, the start is the
        first of those of ``kind``, all trees are kept and nothing is calibrated.
    random_state : int or None
        Seed.
    n_jobs : int
        Threads (1: results never depend on the machine's load).

    Attributes
    ----------
    booster_ : lightgbm.Booster
    model_class_ : ModelClass
        Start, boosted trees kept of how many tried, what they gain, and whether the cap was
        reached.
    calibrator_ : Calibrator
    classes_, n_features_in_, feature_names_in_
        As in scikit-learn.
    n_trees_ : int
        Rounds of boosting kept after the start; one that finds no split adds no tree.
    fill_values_ : array (features,)
        What stands in for a missing value: the training median (four digits) where hardly anything
        was missing in training (LightGBM alone would read such a value as 0, or guess), NaN where
        the trees have learnt what missing means.
    cv_log_loss_ : float
        Cross-validated log loss before calibration, NaN without folds.

    Examples
    --------
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
        kind: LearnerKind = "chosen",
        boosting_max_trees: int = 400,
        boosting_learning_rate: float = 0.05,
        boosting_num_leaves: int = 8,
        boosting_min_data_in_leaf: int = 20,
        boosting_l2: float = 10.0,
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
        self.kind = kind
        self.boosting_max_trees = boosting_max_trees
        self.boosting_learning_rate = boosting_learning_rate
        self.boosting_num_leaves = boosting_num_leaves
        self.boosting_min_data_in_leaf = boosting_min_data_in_leaf
        self.boosting_l2 = boosting_l2
        self.n_folds = n_folds
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        stages: Any = None,
    ) -> CRSClassifier:
        """Fit to patients whose outcome is known.

        Parameters
        ----------
        X : array or frame (patients, features)
            Numbers; NaN where missing.
        y : array (patients,)
            Two classes, of which the later is the event.
        sample_weight : array (patients,), optional
            How many patients a row stands for. Rows of weight 0 are left out. In the additive start
            and the calibration a row of weight 2 is exactly that patient twice; in the trees after
            the start it is so in the loss, while rows, not weights, are drawn for bagging and
            counted for ``min_data_in_leaf``. LightGBM keeps that number roughly; a leaf of fewer
            than ten patients is cut off afterwards.
        groups : array (patients,), optional
            Names of rows that no fold may part, such as a patient's copies in a bootstrap sample.
        stages : array (patients, stages), optional
            0 and 1: what comes before the event, in order, such as CRS of any grade. Who has the
            event has reached all of them.

        Raises
        ------
        ValueError
            As scikit-learn asks, for other than two classes, infinite values or wrong shapes.
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
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, table, dtype=np.float64, ensure_non_negative=True
            )
            kept = weight > 0
            if not kept.all():
                table, outcome, weight = table[kept], outcome[kept], weight[kept]
                groups = None if groups is None else np.asarray(groups)[kept]
                stages = None if stages is None else np.asarray(stages)[kept]
            weight = None if (weight == 1.0).all() else weight  # the same to the last digit
        self._check_settings()
        self.classes_, codes = np.unique(outcome, return_inverse=True)
        if len(self.classes_) < 2:
            told = f"one class only, {self.classes_[0]!r}" if len(self.classes_) else "no patient"
            raise ValueError(f"y has {told}: a risk needs both classes.")
        table = enough_known(table)
        self.fill_values_ = fill_values(table, weight)
        labels = codes.astype(np.float64)
        return self._learn(
            Patients(
                _filled(table, self.fill_values_), _steps(stages, labels), weight, _copied(groups)
            ),
            groups=groups,
        )

    def fit_stored(
        self,
        table: StoredTable,
        y: NDArray[np.int64],
        *,
        names: Sequence[str],
        sample_weight: Floats | None = None,
        groups: Any = None,
        stages: Any = None,
    ) -> CRSClassifier:
        """:meth:`fit` to a table in a file that belongs to nobody else, with the same result to the
        last bit.

        Parameters
        ----------
        table : finite numbers, NaN where missing; its gaps are filled in the file.
        y : array (patients,) of 0 and 1, of which both occur.
        names : of the columns.
        sample_weight : array (patients,) of numbers above 0.
        groups, stages : as of :meth:`fit`.
        """
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)
        self._check_settings()
        self.classes_ = np.array([0, 1])
        weight = None if sample_weight is None or (sample_weight == 1.0).all() else sample_weight
        self.fill_values_ = np.full(len(names), np.nan)
        for place in range(len(names)):
            column = enough_known(table.column(place)[:, None])
            self.fill_values_[place] = fill_values(column, weight)[0]
            table.change(place, _filled(column, self.fill_values_[place]))
        steps = _steps(stages, y.astype(np.float64))
        return self._learn(Patients(table, steps, weight, _copied(groups)), groups=groups)

    def settings_from_mean(self, names: Sequence[str]) -> dict[str, Any]:
        """LightGBM's settings of trees that start from the mean, for columns of these names."""
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)
        return self._free_settings(drawn_seed(self.random_state))

    def _check_settings(self) -> None:
        if self.kind not in STARTS:
            raise ValueError(f"kind is one of {', '.join(STARTS)}, not {self.kind!r}")
        if min(self.min_data_in_leaf, self.boosting_min_data_in_leaf) < FEWEST:
            raise ValueError(f"leaves hold at least {FEWEST} patients: nothing is told of fewer")

    def _learn(self, patients: Patients, *, groups: Any) -> CRSClassifier:
        """Choose, calibrate and grow, from patients without gaps that were few."""
        seed = drawn_seed(self.random_state)
        recipe = Recipe(
            on_top=self._settings(seed),
            free=self._free_settings(seed),
            most_on_top=self.max_trees,
            most_free=self.boosting_max_trees,
            groups=self._free_positions(),
            names=self._column_names(),
            penalty=self.additive_penalty,
        )
        found = self._learn_from_folds(patients, groups=groups, recipe=recipe, seed=seed)
        grown = recipe.grow(patients, start=found.start, n_rounds=found.n_kept)
        self.booster_, self.n_trees_ = grown.booster, found.n_kept
        self.model_class_ = found.model_copy(update={"n_trees": grown.n_boosted})
        return self

    def decision_function(self, X: Any) -> Floats:
        """Calibrated log-odds of the event, shape (patients,)."""
        check_is_fitted(self)
        return self.calibrator_.log_odds(self._raw(X))

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities of the two classes, shape (patients, 2)."""
        risk = expit(self.decision_function(X))
        return np.column_stack([1 - risk, risk])

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of :meth:`predict_proba`, exact where a risk is close to 0 or 1."""
        log_odds = self.decision_function(X)
        return np.column_stack([-np.logaddexp(0.0, log_odds), -np.logaddexp(0.0, -log_odds)])

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
            **self._common_settings(seed),
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_data_in_leaf,
            "lambda_l2": self.l2,
            "extra_trees": True,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            **({} if self.has_interactions else {"interaction_constraints": self._apart()}),
        }

    def _free_settings(self, seed: int) -> dict[str, Any]:
        return {
            **self._common_settings(seed),
            "learning_rate": self.boosting_learning_rate,
            "num_leaves": self.boosting_num_leaves,
            "min_data_in_leaf": self.boosting_min_data_in_leaf,
            "lambda_l2": self.boosting_l2,
        }

    def _common_settings(self, seed: int) -> dict[str, Any]:
        return {
            "objective": "binary",
            "monotone_constraints": self._directions(),
            "seed": seed,
            "num_threads": self.n_jobs,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "min_data_in_bin": FEWEST,
            "verbosity": -1,
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
        self, patients: Patients, *, groups: Any, recipe: Recipe, seed: int
    ) -> ModelClass:
        """Choose start and number of trees and calibrate, all on patients outside the trees that
        score them.
        """
        starts = STARTS[self.kind]
        labels = patients.labels
        folds = usable_folds(labels, groups, n_folds=self.n_folds, seed=seed)
        if not folds:
            most = recipe.most(starts[0])
            self.cv_log_loss_ = float("nan")
            self.calibrator_ = Calibrator(
                intercept=0.0, slope=1.0, n_patients=0, method="none: no held-out folds"
            )
            return ModelClass(
                start=starts[0],
                is_chosen=False,
                n_trees=most,
                n_kept=most,
                n_tried=most,
                max_trees=most,
            )
        chosen = choose(patients, folds, recipe=recipe, starts=starts)
        self.cv_log_loss_ = chosen.log_loss
        self.calibrator_ = fit_calibrator(
            chosen.held_out,
            labels,
            method=f"logistic recalibration on {len(folds)} held-out folds",
            sample_weight=patients.weight,
        )
        return chosen.model_class


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


def fill_values(table: Floats, weight: Floats | None) -> Floats:
    """By column, what stands in for a missing value: the median where hardly anything is missing,
    NaN where the trees learn what it means.

    Rounded to four digits: with an odd number of patients the median itself is one patient's value.
    """
    is_missing = np.isnan(table)
    count = np.ones(len(table)) if weight is None else weight
    n_missing = (is_missing * count[:, None]).sum(axis=0)
    fill = np.full(table.shape[1], np.nan)
    is_rare = (n_missing < _FEW_MISSING) | (is_missing.sum(axis=0) < FEWEST)
    for column in np.flatnonzero(is_rare & ~is_missing.all(axis=0)):
        known = ~is_missing[:, column]
        middle = (
            np.median(table[known, column])
            if weight is None
            else quantile(table[known, column], 0.5, sample_weight=weight[known])
        )
        fill[column] = float(f"{middle:.4g}")
    return fill


def _copied(groups: Any) -> NDArray[Any] | None:
    """The names of rows where one name stands on several of them."""
    names = None if groups is None else np.asarray(groups)
    return names if names is not None and np.unique(names).size < names.size else None


def enough_known(table: Floats) -> Floats:
    """The table without the columns that are known of so few patients that they would be told."""
    is_known = ~np.isnan(table)
    return np.where(is_known.sum(axis=0) < FEWEST, np.nan, table)


def _filled(table: Floats, values: Floats) -> Floats:
    return np.where(np.isnan(table), values, table)
