"""Explain: exact Shapley values of the calibrated model, one reason for each clinical variable.

Path-dependent Shapley values (:mod:`crsrisk.model.tree_shap`, exact) are taken on the log-odds
scale, multiplied with the calibration's slope, and added up over the features of one clinical
variable. A Shapley value of a group's sum is the sum of its features' values: nothing is
approximated, and additivity is checked every time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.explanation import Explanation
from crsrisk.data.risk_model import ModelParts, Variable
from crsrisk.errors import InputError
from crsrisk.model.features import WORDS, feature_array
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.predict import Columns, feature_matrix, matrix_of, read_contract, score_columns
from crsrisk.model.tree_shap import path_shapley

Floats = NDArray[np.float64]

ADDITIVITY = 1e-9  # largest gap, in log-odds, between base + contributions and the prediction


def explain(model: ModelParts, observed: pd.DataFrame) -> Explanation:
    """Explain the risk of every row.

    Parameters
    ----------
    model : ModelParts
        A fitted model.
    observed : DataFrame
        One row a patient, with the columns of the model's contract; cells may be empty.

    Returns
    -------
    Explanation
        Exact Shapley values of the calibrated log-odds, one for each clinical variable.

    Raises
    ------
    InputError
        For what :func:`crsrisk.model.predict.predict` raises, for an empty table and for a row that
        it refuses (an impossible value has no explanation).
    ArithmeticError
        Should the contributions not add up.

    References
    ----------
    Lundberg et al., Nat Mach Intell 2020;2:56.
    """
    columns = read_contract(model, observed)
    prediction = score_columns(model, columns, index=observed.index)
    if not len(observed) or prediction.is_refused.any():
        row = int(np.argmax(prediction.is_refused)) + 1 if len(observed) else 0
        raise InputError(
            where="table",
            key=f"row {row}",
            found="a row that is refused" if row else "no row",
            expected="rows that can be scored",
            cure="see the reasons that `predict` gives, and leave it out",
        )
    base, by_feature = _contributions(model, matrix_of(model, columns))
    places = {variable.name: place for place, variable in enumerate(model.contract.variables)}
    contributions = np.zeros((len(observed), len(places)))
    # no BLAS: it sums by batch size
    for feature, share in zip(model.contract.features, by_feature.T, strict=True):
        contributions[:, places[feature.variable]] += share
    return Explanation(
        base_log_odds=base,
        contributions=contributions,
        variables=model.contract.variables,
        values=_values(model, columns, index=observed.index),
        prediction=prediction,
        course=_course(model, columns, index=observed.index),
    )


def feature_contributions(model: ModelParts, observed: pd.DataFrame) -> tuple[float, Floats]:
    """Base log-odds and the contributions of the single features, shape (patients, features),
    calibrated.
    """
    return _contributions(model, feature_matrix(model, observed))


def _contributions(model: ModelParts, matrix: Floats) -> tuple[float, Floats]:
    forest = forest_of(model.booster_text)
    slope = model.calibrator.slope
    raw = path_shapley(forest, matrix)
    base = model.calibrator.intercept + slope * float(raw[0, -1])
    contributions = slope * raw[:, :-1]
    log_odds = model.calibrator.log_odds(raw_log_odds_by(forest, matrix))
    gap = float(np.abs(base + contributions.sum(axis=1) - log_odds).max())
    if not gap < ADDITIVITY:
        raise ArithmeticError(f"contributions miss the prediction by {gap:.1e} log-odds")
    return base, contributions


def _values(model: ModelParts, columns: Columns, *, index: pd.Index[Any]) -> pd.DataFrame:
    """What each patient had of each clinical variable: words, yes/no or a number."""
    flags = {column.name for column in model.contract.columns if column.kind == "flag"}
    words = {variable.name for variable in model.contract.variables if variable.name in WORDS}
    features = {
        variable.name: _shown_feature(model, variable)
        for variable in model.contract.variables
        if variable.name not in words
    }
    numbers = feature_array(columns, names=tuple(features.values())).astype(object)
    shown: dict[str, NDArray[Any]] = {}
    for variable in model.contract.variables:
        if variable.name in words:
            shown[variable.name] = columns[variable.name]
            continue
        values = numbers[:, list(features).index(variable.name)]
        if features[variable.name] in flags:
            values = np.array(
                [cell if math.isnan(cell) else bool(cell) for cell in values], dtype=object
            )
        shown[variable.name] = values
    return pd.DataFrame(shown, index=index, dtype=object)


def _course(
    model: ModelParts, columns: Columns, *, index: pd.Index[Any]
) -> dict[str, pd.DataFrame]:
    """By variable of the course, its features of every patient; nothing for a model of before the
    first dose.
    """
    course: dict[str, pd.DataFrame] = {}
    for variable in model.contract.variables:
        if variable.theme == "course":
            names = tuple(_features_of(model, variable))
            course[variable.name] = pd.DataFrame(
                feature_array(columns, names=names), columns=list(names), index=index
            )
    return course


def _shown_feature(model: ModelParts, variable: Variable) -> str:
    """The feature whose value stands for a variable: itself, or its highest reading, or the
    first.
    """
    names = _features_of(model, variable)
    if variable.name in names:
        return variable.name
    return next((name for name in names if "__max__" in name), names[0])


def _features_of(model: ModelParts, variable: Variable) -> list[str]:
    return [
        feature.name for feature in model.contract.features if feature.variable == variable.name
    ]
