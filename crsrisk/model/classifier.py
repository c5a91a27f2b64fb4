"""CRSRiskClassifier: the risk model as a scikit-learn classifier on the clinical table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crsrisk.data.cohort import Labels
from crsrisk.data.explanation import Explanation
from crsrisk.data.risk_model import LearnerKind
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.model.explain import feature_contributions
from crsrisk.model.features import (
    WORDS,
    ModelConfig,
    clinical_table,
    columns_needed,
    groups_of,
    load_config,
    numbers_of,
    require_columns,
)
from crsrisk.model.fit import LabelledPatients, fit_labelled, outcome_of, stages_of
from crsrisk.model.indices import INDICES
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model

Floats = NDArray[np.float64]

WHERE = "CRSRiskClassifier.fit"
SETTINGS = (
    "kind",
    "additive_penalty",
    "max_trees",
    "has_interactions",
    "learning_rate",
    "num_leaves",
    "min_data_in_leaf",
    "l2",
    "feature_fraction",
    "bagging_fraction",
    "boosting_max_trees",
    "boosting_learning_rate",
    "boosting_num_leaves",
    "boosting_min_data_in_leaf",
    "boosting_l2",
    "n_folds",
)


class CRSRiskClassifier(ClassifierMixin, BaseEstimator):
    """Risk of cytokine release syndrome from what is known before (or some hours after) the first
    dose, as a scikit-learn classifier.

    It takes the clinical table as measured: product, doses, laboratory values in the units of the
    data dictionary, missing where not measured (pandas or polars; one patient as a Series or
    mapping). Directions that follow from the mechanism are kept, the risk is calibrated on patients
    that the trees had not seen, and every risk has exact reasons. It works in Pipeline,
    GridSearchCV (``max_trees`` and the other settings), CalibratedClassifierCV, clone and metadata
    routing.

    Research software: the shipped simulator's patients are synthetic, no external validation.

    Parameters
    ----------
    config : str, path or ModelConfig
        What is predicted from what: a shipped configuration by name, a YAML file, or an object from
        :func:`crsrisk.load_config`.
    kind : {"chosen", "additive", "shrunken", "boosting"}, optional
        Where boosting starts (:class:`crsrisk.CRSClassifier`): "boosting" is gradient boosting from
        the mean, without the additive start; None: what the configuration says.
    additive_penalty, max_trees, has_interactions, learning_rate, num_leaves : optional
        Settings of the learner (:class:`crsrisk.CRSClassifier`); None: what the configuration says.
    min_data_in_leaf, l2, feature_fraction, bagging_fraction, n_folds : optional
        Further settings of the learner, in the same way.
    boosting_max_trees, boosting_learning_rate, boosting_num_leaves, boosting_min_data_in_leaf, \
boosting_l2 : optional
        Settings of trees after less than the whole additive start, in the same way.
    random_state : int, RandomState or None
        Seed. The same patients, configuration and seed give the same model, byte for byte.

    Attributes
    ----------
    model_ : RiskModel
        The fitted model with its contract; plain text and numbers. ``model_.model_class`` says
        where boosting started, how many trees were kept of those tried, and what they gain.
    classes_ : array (2,)
        The later one is the event.
    feature_names_in_, n_features_in_
        Columns of the table that it was fitted to.
    feature_importances_ : array (n_features_in_,)
        Mean |SHAP| (path-dependent) over the training patients: how many log-odds a column moves
        the calibrated risk by, up or down, on average; 0 for a column that the model does not read.
        A published index
        counts with the laboratory value whose reason it belongs to. (Gain of splits is not offered:
        the first trees are written from an additive model and have none.)

    Examples
    --------
    >>> from crsrisk.simulation.cohort import simulate
    >>> train, test = simulate(["tarlatamab", "tebentafusp"], n=400, seed=1).split(seed=1)
    >>> clf = CRSRiskClassifier(max_trees=20, n_folds=2, random_state=1).fit(train.X, train.y)
    >>> clf.predict_proba(test.X).shape == (test.n_patients, 2)
    True
    """

    def __init__(
        self,
        config: str | Path | ModelConfig = "baseline",
        *,
        kind: LearnerKind | None = None,
        additive_penalty: float | None = None,
        max_trees: int | None = None,
        has_interactions: bool | None = None,
        learning_rate: float | None = None,
        num_leaves: int | None = None,
        min_data_in_leaf: int | None = None,
        l2: float | None = None,
        feature_fraction: float | None = None,
        bagging_fraction: float | None = None,
        boosting_max_trees: int | None = None,
        boosting_learning_rate: float | None = None,
        boosting_num_leaves: int | None = None,
        boosting_min_data_in_leaf: int | None = None,
        boosting_l2: float | None = None,
        n_folds: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.config = config
        self.kind = kind
        self.additive_penalty = additive_penalty
        self.max_trees = max_trees
        self.has_interactions = has_interactions
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.l2 = l2
        self.feature_fraction = feature_fraction
        self.bagging_fraction = bagging_fraction
        self.boosting_max_trees = boosting_max_trees
        self.boosting_learning_rate = boosting_learning_rate
        self.boosting_num_leaves = boosting_num_leaves
        self.boosting_min_data_in_leaf = boosting_min_data_in_leaf
        self.boosting_l2 = boosting_l2
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        stages: Any = None,
    ) -> Self:
        """Fit to patients whose outcome is known.

        Parameters
        ----------
        X : DataFrame (patients, columns)
            The clinical table as measured, as ``cohort.X``. Rows with the same patient number (a
            column or index ``patient_id``) stay in one fold.
        y : Series or array (patients,), or outcomes table
            Whether the event happened, 0 or 1. ``cohort.y`` remembers the stages before the event
            (any CRS before grade 2), which are then learnt one by one, as in the models that ship;
            so does an outcomes table. Of plain labels the event alone is learnt.
        sample_weight : array (patients,), optional
            How many patients a row stands for; rows of weight 0 are left out.
        groups : array (patients,), optional
            Names of rows that no fold may part; without, the patient numbers.
        stages : array (patients, stages), optional
            What comes before the event, 0 or 1, in the order of the configuration's ``stages``.

        Raises
        ------
        InputError
            For a table of another kind, an impossible value, labels that are not 0 and 1, one class
            only, lengths that differ, or a weight that is negative or missing.
        """
        config = self._config()
        table = _patients(X, config)
        labels, self.classes_ = _labels(table, y, config=config, stages=stages)
        weight = _weights(sample_weight, n=len(table))
        if weight is not None and not (weight > 0).all():
            kept = np.flatnonzero(weight > 0)
            table, labels, weight = table.iloc[kept], labels.of(kept), weight[kept]
            weight = None if (weight == 1.0).all() else weight
            groups = None if groups is None else np.asarray(groups)[kept]
        _check_classes(labels.y)
        groups = groups_of(table) if groups is None else groups
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        self.model_ = fit_labelled(
            table,
            replace(labels, groups=groups, sample_weight=weight),
            config=config,
            seed=int(seed),
            origin="simulated" if isinstance(y, Labels) and y.are_simulated else "table",
        )
        self.feature_names_in_ = np.array([str(name) for name in table.columns], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        self.feature_importances_ = _importances(self.model_, table, weight)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities of no event and of the event, shape (patients, 2).

        Raises
        ------
        InputError
            For a table of another kind, and for rows that cannot be scored (an impossible value),
            naming them; :meth:`check` gives every reason. A risk is never silently missing.

        Notes
        -----
        An estimator that is being judged scores every patient that can be read, also one of a new
        product or far from training, since folds are cut by chance or by product. For patients
        whose risk is to be read, ``model_.predict`` says where it cannot estimate, as :meth:`check`
        does.
        """
        check_is_fitted(self)
        found = self.model_.predict(X, unknown_product=True, outside_training=True)
        risk = found.require_scored().risk
        return np.column_stack([1.0 - risk, risk])

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of :meth:`predict_proba`, exact where a risk is close to 0 or 1."""
        log_odds = self.decision_function(X)
        return np.column_stack([-np.logaddexp(0.0, log_odds), -np.logaddexp(0.0, -log_odds)])

    def decision_function(self, X: Any) -> Floats:
        """Calibrated log-odds of the event, shape (patients,)."""
        check_is_fitted(self)
        found, log_odds = self.model_.predict_with_log_odds(
            X, unknown_product=True, outside_training=True
        )
        found.require_scored()
        return log_odds

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class. Choose a threshold of your own for a decision: 0.5 has no clinical
        meaning.
        """
        is_event = self.decision_function(X) > 0
        return np.asarray(self.classes_[is_event.astype(np.intp)])

    def check(self, X: Any) -> pd.DataFrame:
        """The rows that are refused, warned about or cannot be estimated, and why; empty where all
        is well.

        Columns `row` (place in the table, from 0), `status` (warned, cannot estimate or refused),
        `reasons` and `missing` (columns that were empty).
        """
        check_is_fitted(self)
        return self.model_.check(X)

    def explain(self, X: Any) -> Explanation:
        """Exact interventional Shapley values of the calibrated risk, one for each patient and
        clinical variable, against the median training patient of the same product, with reasons in
        words and plots.
        """
        check_is_fitted(self)
        return self.model_.explain(X, unknown_product=True, outside_training=True)

    def save(self, path: str | Path) -> Path:
        """Write the fitted model as a folder of plain files that :func:`crsrisk.load_model` reads
        and checks; a model that stood there is replaced.
        """
        check_is_fitted(self)
        return save_model(self.model_, path)

    def _config(self) -> ModelConfig:
        given = {name: getattr(self, name) for name in SETTINGS}
        changes = {name: value for name, value in given.items() if value is not None}
        config = load_config(self.config)
        return config.replace(**changes) if changes else config

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.classifier_tags.multi_class = False
        return tags


def _patients(X: Any, config: ModelConfig) -> pd.DataFrame:
    """The clinical table, with the columns that the configuration needs and no impossible value."""
    table = clinical_table(X)
    columns = columns_needed([*config.one_hot, *(feature.name for feature in config.features)])
    require_columns(table, columns)
    for column in columns:
        field = FIELDS.get(column)
        if column in WORDS or field is None or field.possible is None:
            continue
        values, (low, high) = numbers_of(table, column=column), field.possible
        wrong = np.flatnonzero((values < low) | (values > high))
        if wrong.size:
            raise InputError(
                where=WHERE,
                key=f"row {int(wrong[0])}, {column}",
                found=f"an impossible value (in {wrong.size} rows)",
                expected=f"{low:g} to {high:g} {field.unit}",
                cure="correct the values, or leave these patients out",
            )
    return table


def _labels(
    table: pd.DataFrame, y: Any, *, config: ModelConfig, stages: Any
) -> tuple[LabelledPatients, NDArray[Any]]:
    """Labels of 0 and 1 with the stages before them, and the two classes."""
    outcomes = y if isinstance(y, pd.DataFrame) else None
    if isinstance(y, Labels) and y.name == config.outcome:
        outcomes = y.outcomes
    if outcomes is not None and stages is None:
        return _from_outcomes(table, outcomes, config=config)
    plain = np.asarray(y)
    if plain.shape != (len(table),) or pd.isna(plain).any():
        raise InputError(
            where=WHERE,
            key="y",
            found=f"{int(pd.isna(plain).sum())} missing, shape {plain.shape}",
            expected=f"the outcome of each of {len(table)} patients",
            cure="pass the outcome of the same patients, as cohort.y",
        )
    classes, codes = np.unique(plain, return_inverse=True)
    if classes.size != 2:
        raise InputError(
            where=WHERE,
            key="y",
            found=f"{classes.size} classes",
            expected="two: with and without the event",
            cure="take more patients, or an outcome of two classes",
        )
    known = None if stages is None else np.asarray(stages, dtype=np.float64)
    names = tuple(config.stages) if known is not None else ()
    if known is not None and known.reshape(len(plain), -1).shape != (len(plain), len(names)):
        raise InputError(
            where=WHERE,
            key="stages",
            found=f"shape {known.shape}",
            expected=f"a column for each of {', '.join(names) or 'no stage'}",
            cure="pass the stages that the configuration names, in its order",
        )
    known = None if known is None else known.reshape(len(plain), -1)
    return LabelledPatients(codes.astype(np.int64), known, names), classes


def _from_outcomes(
    table: pd.DataFrame, outcomes: pd.DataFrame, *, config: ModelConfig
) -> tuple[LabelledPatients, NDArray[Any]]:
    """Labels and stages of an outcomes table, checked to belong to these patients."""
    if "patient_id" in table.columns or table.index.name != "patient_id":
        numbered = table
    else:
        numbered = table.reset_index()
    if "patient_id" not in outcomes.columns and outcomes.index.name == "patient_id":
        outcomes = outcomes.reset_index()
    if "patient_id" not in numbered.columns:
        numbered = table.assign(patient_id=outcomes.get("patient_id", pd.Series()).to_numpy())
    y = outcome_of(numbered, outcomes, config=config)
    names = [name for name in config.stages if name in outcomes.columns]
    known = stages_of(outcomes, config=config)
    return LabelledPatients(y, known, tuple(names)), np.array([0, 1])


def _weights(sample_weight: Any, *, n: int) -> Floats | None:
    """Weights of the rows; None where each stands for one patient."""
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n,) or not (weight >= 0).all() or not np.isfinite(weight).all():
        raise InputError(
            where=WHERE,
            key="sample_weight",
            found=f"shape {weight.shape}, lowest {weight.min() if weight.size else 'none'}",
            expected=f"a number of 0 or more for each of {n} patients",
            cure="give every patient a weight; 1 is a patient, 0 leaves one out",
        )
    return None if (weight == 1.0).all() else weight


def _check_classes(y: NDArray[np.int64]) -> None:
    if len(set(y.tolist())) < 2:
        raise InputError(
            where=WHERE,
            key="y",
            found=f"{int(y.sum())} events in {y.size} patients of weight above 0",
            expected="patients with and without the event",
            cure="take more patients or another outcome",
        )


def _importances(model: RiskModel, table: pd.DataFrame, weight: Floats | None) -> Floats:
    """Mean |SHAP| of every column of the table, over these patients."""
    places = {str(name): place for place, name in enumerate(table.columns)}
    of_column = np.zeros((len(table), len(places)))
    _, shares = feature_contributions(model, table)
    for feature, share in zip(model.contract.features, shares.T, strict=True):
        of_column[:, places[_column_of(feature.name, feature.variable, places)]] += share
    return np.asarray(np.average(np.abs(of_column), axis=0, weights=weight))


def _column_of(feature: str, variable: str, places: dict[str, int]) -> str:
    """The column of the table that a feature counts with."""
    stem = feature.partition("__")[0]
    if stem in WORDS:
        return stem
    if feature in INDICES:
        return variable if variable in places else INDICES[feature].columns[0]
    return feature
