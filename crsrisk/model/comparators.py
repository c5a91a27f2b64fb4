"""Comparators: what a model has to beat. Each learns from the same patients, takes the same
clinical table, and gives calibrated risks, as scikit-learn classifiers do.

``ProductRate``: the share of events of each product. ``IndexLogistic``: a published index,
recalibrated, on top of the product. ``RidgeLogistic``: ridge regression on everything, the simplest
serious model. ``SplineLogistic``: the same with splines and with slopes of each product, drawn
towards the common ones. ``ExplainableBoosting``: boosted steps of single features (InterpretML).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    SplineTransformer,
    StandardScaler,
)
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk.errors import InputError
from crsrisk.fields import LDH_LIMIT
from crsrisk.model.autologging import without_autologging
from crsrisk.model.features import (
    ModelConfig,
    build_features,
    clinical_table,
    load_config,
    words_of,
)
from crsrisk.model.indices import INDICES

Floats: TypeAlias = NDArray[np.float64]

# Skewed quantities, taken as logarithms; 0.1 is added, below what the assays can tell from 0.
SKEWED: tuple[str, ...] = (
    "crp_mg_l",
    "ferritin_ug_l",
    "ldh_x_uln",
    "il6_pg_ml",
    "platelets_g_l",
    "creatinine_umol_l",
    "lymphocytes_g_l",
    "sum_of_diameters_mm",
    "dose_intensity",
    *INDICES,
)
_OFFSET = 0.1
_STRENGTHS = np.logspace(-4, 1, 8)  # C of the ridge: inverse penalty
_FOLDS = 5
_UNPENALISED = 1e4
# one-hot columns enter tenfold: the ridge hardly shrinks differences of products
_WORDS_WEIGHT = 10.0
# slopes of one product enter by half: the ridge draws them four times as strongly to 0
_PRODUCT_SLOPE_WEIGHT = 0.5
_KNOTS = 5
_FEW_VALUES = 6  # a column with no more different values has no spline
_SPLINE_STRENGTHS = (0.001, 0.005, 0.025, 0.125)
_SPLINE_FOLDS = 3


class Comparator(Protocol):
    """Anything with a name that learns from a clinical table and predicts risks from it."""

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        ...

    def fit(self, X: Any, y: ArrayLike) -> Any:
        """Learn from patients and their outcome (0 or 1)."""
        ...

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of no event and of the event, shape (patients, 2)."""
        ...


class ClinicalClassifier(ClassifierMixin, BaseEstimator):
    """What all comparators share: a clinical table in, two probabilities out."""

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Learn from a clinical table (pandas, polars) and its patients' outcome (0 or 1)."""
        table, outcome = clinical_table(X), np.asarray(y)
        if outcome.shape != (len(table),) or not np.isin(outcome, (0, 1)).all():
            raise InputError(
                where=type(self).__name__,
                key="y",
                found=f"{outcome.dtype} of shape {outcome.shape}",
                expected=f"0 or 1 for each of {len(table)} patients",
                cure="pass the outcome of the same patients, as cohort.y",
            )
        self.classes_ = np.array([0, 1])
        with without_autologging():
            self._learn(table, outcome.astype(np.int64))
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of no event and of the event, shape (patients, 2)."""
        risk = self._risk(clinical_table(X))
        return np.column_stack([1.0 - risk, risk])

    def predict(self, X: Any) -> NDArray[np.int64]:
        """The likelier class, 0 or 1; 0.5 has no clinical meaning."""
        return np.asarray(self.predict_proba(X)[:, 1] > 0.5, dtype=np.int64)

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        raise NotImplementedError

    def _risk(self, observed: pd.DataFrame) -> Floats:
        raise NotImplementedError


class ProductRate(ClinicalClassifier):
    """The risk of everybody who gets a product is its share of events, (events + 0.5) / (patients +
    1).

    >>> table = pd.DataFrame({"product": ["tarlatamab"] * 3 + ["til_il2"]})
    >>> ProductRate().fit(table, [1, 0, 0, 1]).predict_proba(table)[:, 1].round(3).tolist()
    [0.375, 0.375, 0.375, 0.75]
    """

    name = "product only"

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        events = pd.Series(outcome.astype(np.float64))
        by_product = events.groupby(list(words_of(observed, column="product")))
        shares = (by_product.sum() + 0.5) / (by_product.size() + 1)
        self.risk_of_product_ = {str(product): float(share) for product, share in shares.items()}
        self.risk_of_others_ = float((events.sum() + 0.5) / (len(events) + 1))

    def _risk(self, observed: pd.DataFrame) -> Floats:
        words = words_of(observed, column="product")
        return np.array([self.risk_of_product_.get(word, self.risk_of_others_) for word in words])


# Simulated patients have LDH in multiples alone. One limit (assumed) for all of them is a constant
# factor, which the fitted slope of a logarithm hardly notices.
_SIMULATED_LIMIT_U_L = 250.0


class IndexLogistic(ClinicalClassifier):
    """A published index with a logistic recalibration: product + slope x log(index).

    ``score`` is a name of :data:`crsrisk.model.indices.INDICES`. A missing index takes the median
    and a coefficient of its own. ``with_product=False`` gives the index alone, as its authors would
    use it.

    >>> IndexLogistic(score="easix").name
    'product + EASIX'
    """

    def __init__(self, *, score: str, with_product: bool = True) -> None:
        self.score = score
        self.with_product = with_product

    @property
    def name(self) -> str:
        """The index by its usual name."""
        label = INDICES[self.score].label
        return f"product + {label}" if self.with_product else label

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        steps = [("score", _logarithms(), [self.score])]
        if self.with_product:
            steps.append(("product", _one_hot(), ["product"]))
        self.pipeline_ = Pipeline(
            [
                ("columns", ColumnTransformer(steps)),
                ("logistic", LogisticRegression(C=_UNPENALISED, solver="newton-cholesky")),
            ]
        ).fit(self._table(observed), outcome)

    def _risk(self, observed: pd.DataFrame) -> Floats:
        return np.asarray(self.pipeline_.predict_proba(self._table(observed))[:, 1])

    def _table(self, observed: pd.DataFrame) -> pd.DataFrame:
        if LDH_LIMIT in INDICES[self.score].columns and LDH_LIMIT not in observed.columns:
            observed = observed.assign(**{LDH_LIMIT: _SIMULATED_LIMIT_U_L})
        table = build_features(observed, names=[self.score])
        return (
            table.assign(product=words_of(observed, column="product"))
            if self.with_product
            else table
        )


class RidgeLogistic(ClinicalClassifier):
    """Ridge logistic regression on the model's own features.

    Medians for missing values with an indicator, logarithms of skewed quantities, standardised,
    product and platform one-hot; the penalty is chosen by cross-validated log loss.
    """

    name = "penalised logistic regression"

    def __init__(self, *, config: ModelConfig | str | Path = "baseline") -> None:
        self.config = config

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        self.config_ = load_config(self.config)
        names = [feature.name for feature in self.config_.features]
        skewed = [name for name in names if name in SKEWED]
        other = [name for name in names if name not in SKEWED]
        columns = ColumnTransformer(
            [
                ("skewed", _logarithms(), skewed),
                ("other", _numbers(), other),
                ("words", _one_hot(), list(self.config_.one_hot)),
            ]
        )
        n_folds = max(2, min(_FOLDS, int(outcome.sum()), int((1 - outcome).sum())))
        ridge = LogisticRegressionCV(
            Cs=_STRENGTHS,
            cv=StratifiedKFold(n_folds, shuffle=True, random_state=0),
            scoring="neg_log_loss",
            solver="newton-cholesky",
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        )
        self.pipeline_ = Pipeline([("columns", columns), ("logistic", ridge)])
        # waiting threads of the linear algebra cost seconds on a busy machine
        with threadpool_limits(1):
            self.pipeline_.fit(self._table(observed), outcome)

    def _risk(self, observed: pd.DataFrame) -> Floats:
        return np.asarray(self.pipeline_.predict_proba(self._table(observed))[:, 1])

    def _table(self, observed: pd.DataFrame) -> pd.DataFrame:
        names = [feature.name for feature in self.config_.features]
        words = {name: words_of(observed, column=name) for name in self.config_.one_hot}
        return build_features(observed, names=names).assign(**words)


class SplineLogistic(ClinicalClassifier):
    """Ridge logistic regression with cubic splines and partially pooled slopes of products.

    Every quantity is a cubic spline with knots at its quantiles, straight beyond the outermost;
    every product has a level of its own, hardly penalised (nearly a fixed effect), and linear
    slopes of its own that bear a larger penalty than the common ones (as random slopes do). One
    penalty for all, chosen by cross-validated log loss. Missing: median and indicator. An unknown
    product gets the common slopes.
    """

    name = "penalised logistic regression with splines"

    def __init__(self, *, config: ModelConfig | str | Path = "baseline") -> None:
        self.config = config

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        self.config_ = load_config(self.config)
        names = [feature.name for feature in self.config_.features]
        table = build_features(observed, names=names)
        quantities = [name for name in names if table[name].nunique() > _FEW_VALUES]
        flags = [name for name in names if name not in quantities]
        skewed = [name for name in quantities if name in SKEWED]
        plain = [name for name in quantities if name not in SKEWED]
        self.linear_ = ColumnTransformer(
            [
                ("skewed", _logarithms(), skewed),
                ("plain", _numbers(), plain),
                ("flags", _numbers(), flags),
            ]
        )
        self.slopes_ = ColumnTransformer(
            [
                ("skewed", make_pipeline(FunctionTransformer(_log), _medians()), skewed),
                ("others", _medians(), [*plain, *flags]),
            ]
        )
        self.splines_ = ColumnTransformer(
            [
                ("skewed", _curves(is_skewed=True), skewed),
                ("plain", _curves(is_skewed=False), plain),
            ]
        )
        self.words_ = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        n_folds = max(2, min(_SPLINE_FOLDS, int(outcome.sum()), int((1 - outcome).sum())))
        self.ridge_ = LogisticRegressionCV(
            Cs=_SPLINE_STRENGTHS,
            cv=StratifiedKFold(n_folds, shuffle=True, random_state=0),
            scoring="neg_log_loss",
            solver="newton-cholesky",
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        )
        self.words_.fit(self._words(observed))
        for part in (self.linear_, self.slopes_, self.splines_):
            part.fit(table)
        with threadpool_limits(1):
            self.ridge_.fit(self._design(observed), outcome)

    def _risk(self, observed: pd.DataFrame) -> Floats:
        return np.asarray(self.ridge_.predict_proba(self._design(observed))[:, 1])

    def _design(self, observed: pd.DataFrame) -> Floats:
        """Common slopes and curves, levels of the words, and slopes of each product."""
        table = build_features(observed, names=[feature.name for feature in self.config_.features])
        words = self.words_.transform(self._words(observed))
        slopes = self.slopes_.transform(table) * _PRODUCT_SLOPE_WEIGHT
        of_products = [slopes * words[:, [word]] for word in range(len(self.words_.categories_[0]))]
        return np.hstack(
            [
                self.linear_.transform(table),
                self.splines_.transform(table),
                words * _WORDS_WEIGHT,
                *of_products,
            ]
        )

    def _words(self, observed: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {name: words_of(observed, column=name) for name in self.config_.one_hot}
        )


def comparators(*, config: ModelConfig) -> tuple[Comparator, ...]:
    """What a model is compared with, from the simplest up, none fitted yet."""
    scores: Sequence[Comparator] = [IndexLogistic(score=score) for score in INDICES]
    return (ProductRate(), *scores, RidgeLogistic(config=config))


def _log(values: Any) -> Any:
    return np.log(values + _OFFSET)


def _logarithms() -> Pipeline:
    return make_pipeline(FunctionTransformer(_log), _numbers())


def _numbers() -> FeatureUnion:
    """Medians for what is missing, standardised; and 0/1 columns that say what was missing, as they
    are.
    """
    return make_union(_medians(), MissingIndicator(error_on_new=False))


def _medians() -> Pipeline:
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )


def _curves(*, is_skewed: bool) -> Pipeline:
    logarithm = [FunctionTransformer(_log)] if is_skewed else []
    spline = SplineTransformer(
        n_knots=_KNOTS, knots="quantile", extrapolation="linear", include_bias=False
    )
    return make_pipeline(*logarithm, _medians(), spline)


def _one_hot() -> Pipeline:
    return make_pipeline(
        OneHotEncoder(handle_unknown="ignore", sparse_output=False), FunctionTransformer(_widen)
    )


def _widen(values: Any) -> Any:
    return values * _WORDS_WEIGHT


_MISSING = -1000.0


class ExplainableBoosting(ClinicalClassifier):
    """An explainable boosting machine on the features of a configuration, the product as one column
    of words.

    ``n_bags`` models are averaged, each stopped early on patients left out of it; ``n_pairs``
    interactions are chosen by the library (none by default: with ten it predicted worse in
    simulated cohorts of 2,000). A missing value is far below all others, as the library advises, so
    that it has a step of its own. One process, so that the same seed gives the same risks. Slower
    than all other comparators.
    """

    name = "explainable boosting machine"

    def __init__(
        self,
        *,
        config: ModelConfig | str | Path = "baseline",
        seed: int = 0,
        n_bags: int = 8,
        n_pairs: int = 0,
    ) -> None:
        self.config = config
        self.seed = seed
        self.n_bags = n_bags
        self.n_pairs = n_pairs

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        # slow to import
        from interpret.glassbox import (  # type: ignore[import-untyped]
            ExplainableBoostingClassifier,
        )

        self.config_ = load_config(self.config)
        table = self._table(observed)
        kinds = [
            "nominal" if name in self.config_.one_hot else "continuous" for name in table.columns
        ]
        self.machine_ = ExplainableBoostingClassifier(
            feature_types=kinds,
            outer_bags=self.n_bags,
            interactions=self.n_pairs,
            random_state=self.seed,
            n_jobs=1,
        )
        self.machine_.fit(table, outcome)

    def _risk(self, observed: pd.DataFrame) -> Floats:
        return np.asarray(self.machine_.predict_proba(self._table(observed))[:, 1])

    def _table(self, observed: pd.DataFrame) -> pd.DataFrame:
        numbers = build_features(
            observed, names=[feature.name for feature in self.config_.features]
        ).fillna(_MISSING)
        return numbers.assign(
            **{name: words_of(observed, column=name) for name in self.config_.one_hot}
        )
