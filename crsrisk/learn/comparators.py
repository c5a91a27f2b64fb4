"""Comparators: what a model has to beat. Each learns from the same patients and gives calibrated risks.

``ProductPrevalence``: the share of events of each product. ``ScoreRegression``: a published index,
recalibrated, on top of the product. ``PenalisedLogistic``: ridge regression on everything, the simplest
serious model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk.features.indices import INDICES
from crsrisk.features.table import FeatureConfig, build_features, words_of

Floats: TypeAlias = NDArray[np.float64]

# Skewed quantities, taken as logarithms; 0.1 is added, below what the assays can tell from 0.
SKEWED: tuple[str, ...] = (
    "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml", "platelets_g_l", "creatinine_umol_l",
    "lymphocytes_g_l", "sum_of_diameters_mm", "dose_intensity", *INDICES,
)
_OFFSET = 0.1
_STRENGTHS = np.logspace(-4, 1, 8)  # C of the ridge: inverse penalty
_FOLDS = 5
_UNPENALISED = 1e4
_WORDS_WEIGHT = 10.0  # one-hot columns enter tenfold: the ridge hardly shrinks differences of products


class Comparator(Protocol):
    """Anything with a name that learns from the observed table and predicts risks from it."""

    name: str

    def fit(self, observed: pd.DataFrame, y: ArrayLike) -> Comparator:
        """Learn from patients and their outcome (0 or 1)."""
        ...

    def predict_risk(self, observed: pd.DataFrame) -> Floats:
        """Risks, 0-1, shape (patients,)."""
        ...


class ProductPrevalence:
    """The risk of everybody who gets a product is its share of events, (events + 0.5) / (patients + 1).

    >>> table = pd.DataFrame({"product": ["tarlatamab"] * 3 + ["til_il2"]})
    >>> ProductPrevalence().fit(table, [1, 0, 0, 1]).predict_risk(table).round(3).tolist()
    [0.375, 0.375, 0.375, 0.75]
    """

    name = "product only"

    def fit(self, observed: pd.DataFrame, y: ArrayLike) -> ProductPrevalence:
        """Count events by product."""
        events = pd.Series(np.asarray(y, dtype=np.float64))
        by_product = events.groupby(list(words_of(observed, column="product")))
        shares = (by_product.sum() + 0.5) / (by_product.size() + 1)
        self.risk_of_product_ = {str(product): float(share) for product, share in shares.items()}
        self.risk_of_others_ = float((events.sum() + 0.5) / (len(events) + 1))
        return self

    def predict_risk(self, observed: pd.DataFrame) -> Floats:
        """Risks, shape (patients,); an unknown product gets the overall share."""
        words = words_of(observed, column="product")
        return np.array([self.risk_of_product_.get(word, self.risk_of_others_) for word in words])


class ScoreRegression:
    """A published index with a logistic recalibration: product + slope x log(index).

    ``score`` is a name of :data:`crsrisk.features.indices.INDICES`. A missing index takes the median and a
    coefficient of its own. ``with_product=False`` gives the index alone, as its authors would use it.

    >>> ScoreRegression(score="easix").name
    'product + EASIX'
    """

    def __init__(self, *, score: str, with_product: bool = True) -> None:
        self.score = score
        self.with_product = with_product
        label = INDICES[score].label
        self.name = f"product + {label}" if with_product else label

    def fit(self, observed: pd.DataFrame, y: ArrayLike) -> ScoreRegression:
        """Fit the recalibration."""
        steps = [("score", _logarithms(), [self.score])]
        if self.with_product:
            steps.append(("product", _one_hot(), ["product"]))
        self.pipeline_ = Pipeline([
            ("columns", ColumnTransformer(steps)),
            ("logistic", LogisticRegression(C=_UNPENALISED, solver="newton-cholesky")),
        ]).fit(self._table(observed), np.asarray(y, dtype=np.int64))
        return self

    def predict_risk(self, observed: pd.DataFrame) -> Floats:
        """Risks, shape (patients,)."""
        return np.asarray(self.pipeline_.predict_proba(self._table(observed))[:, 1])

    def _table(self, observed: pd.DataFrame) -> pd.DataFrame:
        table = build_features(observed, names=[self.score])
        return table.assign(product=words_of(observed, column="product")) if self.with_product else table


class PenalisedLogistic:
    """Ridge logistic regression on the model's own features.

    Medians for missing values with an indicator, logarithms of skewed quantities, standardised, product and
    platform one-hot; the penalty is chosen by cross-validated log loss.
    """

    name = "penalised logistic regression"

    def __init__(self, *, config: FeatureConfig) -> None:
        self.config = config

    def fit(self, observed: pd.DataFrame, y: ArrayLike) -> PenalisedLogistic:
        """Fit and choose the penalty."""
        names = [feature.name for feature in self.config.features]
        skewed = [name for name in names if name in SKEWED]
        other = [name for name in names if name not in SKEWED]
        columns = ColumnTransformer([
            ("skewed", _logarithms(), skewed), ("other", _numbers(), other),
            ("words", _one_hot(), list(self.config.one_hot)),
        ])
        outcome = np.asarray(y, dtype=np.int64)
        n_folds = max(2, min(_FOLDS, int(outcome.sum()), int((1 - outcome).sum())))
        ridge = LogisticRegressionCV(
            Cs=_STRENGTHS, cv=StratifiedKFold(n_folds, shuffle=True, random_state=0), scoring="neg_log_loss",
            solver="newton-cholesky", l1_ratios=(0.0,), use_legacy_attributes=False)
        self.pipeline_ = Pipeline([("columns", columns), ("logistic", ridge)])
        with threadpool_limits(1):  # waiting threads of the linear algebra cost seconds on a busy machine
            self.pipeline_.fit(self._table(observed), outcome)
        return self

    def predict_risk(self, observed: pd.DataFrame) -> Floats:
        """Risks, shape (patients,)."""
        return np.asarray(self.pipeline_.predict_proba(self._table(observed))[:, 1])

    def _table(self, observed: pd.DataFrame) -> pd.DataFrame:
        names = [feature.name for feature in self.config.features]
        words = {name: words_of(observed, column=name) for name in self.config.one_hot}
        return build_features(observed, names=names).assign(**words)


def comparators(*, config: FeatureConfig) -> tuple[Comparator, ...]:
    """The ladder below the model, from the simplest up, none fitted yet."""
    scores: Sequence[Comparator] = [ScoreRegression(score=score) for score in INDICES]
    return (ProductPrevalence(), *scores, PenalisedLogistic(config=config))


def _log(values: Any) -> Any:
    return np.log(values + _OFFSET)


def _logarithms() -> Pipeline:
    return make_pipeline(FunctionTransformer(_log), _numbers())


def _numbers() -> FeatureUnion:
    """Medians for what is missing, standardised; and 0/1 columns that say what was missing, as they are."""
    medians = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_union(make_pipeline(medians, StandardScaler()), MissingIndicator(error_on_new=False))


def _one_hot() -> Pipeline:
    return make_pipeline(
        OneHotEncoder(handle_unknown="ignore", sparse_output=False), FunctionTransformer(_widen))


def _widen(values: Any) -> Any:
    return values * _WORDS_WEIGHT
