"""Explain: exact Shapley values of the calibrated model, one reason for each clinical variable.

Path-dependent Shapley values (:mod:`crsrisk.model.tree_shap`, exact) are taken on the log-odds
scale, multiplied with the calibration's slope, and added up over the features of one clinical
variable. A Shapley value of a group's sum is the sum of its features' values: nothing is
approximated, and additivity is checked every time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.explanation import Explanation, Reason
from crsrisk.data.risk_model import RiskModel, Variable
from crsrisk.errors import InputError
from crsrisk.model.features import WORDS, feature_array
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.predict import Columns, feature_matrix, matrix_of, read_contract, score_columns
from crsrisk.model.tree_shap import path_shapley
from crsrisk.units import amount

# Course in words: what a model read of the hours since the first dose, as one value in a reason.
#
# Several features belong to one variable (last reading, highest, slope, hour of the first sign);
# their shares are one reason, so the reason says all of them.


_COURSE = re.compile(r"(.+?)__(?:(max|min|slope|onset)__)?h(\d+)")
_SMALL = 0.005  # of the level an hour: below it a slope is no change that anybody would speak of


def course_in_words(values: Mapping[str, float], *, unit: str) -> str:
    """One variable's features by name (`crp_mg_l__max__h24`), all of one landmark, as a clinician
    says them.

    That a temperature is the highest and a pressure the lowest so far, the variable's own label
    says.

    >>> course_in_words({"crp_mg_l__h24": 52.0, "crp_mg_l__max__h24": 61.0, "crp_mg_l__slope__h24": 1.84}, unit="mg/L")
    '52 mg/L at 24 h (highest 61 mg/L, rising by 1.8 mg/L an hour)'
    >>> course_in_words({"temperature_c__max__h24": 38.1, "temperature_c__slope__h24": 0.0}, unit="degC")
    '38.1 degC by 24 h (unchanged)'
    >>> course_in_words({"grade__max__h24": 1.0, "grade__onset__h24": 12.0}, unit="1")
    'grade 1 by 24 h (first seen by 12 h)'
    """
    parts, hour = {}, ""
    for name, value in values.items():
        found = _COURSE.fullmatch(name)
        if found is not None and not math.isnan(value):
            parts[found.group(2) or "last"], hour = float(value), found.group(3)
    if not set(parts) & {"last", "max", "min"}:
        return "not measured"
    if any(name.startswith("grade__") for name in values):
        return _grade(parts, hour)
    level = parts.get("last", parts.get("max", parts.get("min", 0.0)))
    said = f"{_number(level)} {unit} {'at' if 'last' in parts else 'by'} {hour} h"
    more = []
    if "last" in parts and "max" in parts:
        is_last = parts["max"] <= parts["last"]
        more.append("the highest so far" if is_last else f"highest {_number(parts['max'])} {unit}")
    if "slope" in parts:
        more.append(_slope(parts["slope"], level, unit))
    return f"{said} ({', '.join(more)})" if more else said


def _grade(parts: Mapping[str, float], hour: str) -> str:
    worst = parts["max"]
    if not worst:
        return f"no CRS by {hour} h"
    return f"grade {worst:g} by {hour} h" + (
        f" (first seen by {parts['onset']:g} h)" if "onset" in parts else ""
    )


def _slope(slope: float, level: float, unit: str) -> str:
    if slope == 0 or (unit not in ("degC", "%") and abs(slope) < _SMALL * abs(level)):
        return "unchanged"
    return (
        f"{'rising' if slope > 0 else 'falling'} by {float(f'{abs(slope):.2g}'):g} {unit} an hour"
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


Floats = NDArray[np.float64]

ADDITIVITY = 1e-9  # largest gap, in log-odds, between base + contributions and the prediction


def explain(model: RiskModel, observed: pd.DataFrame) -> Explanation:
    """Explain the risk of every row.

    Raises :class:`InputError` for what :func:`crsrisk.model.predict.predict` raises, for an empty
    table and for a row that it refuses (an impossible value has no explanation), and
    ``ArithmeticError`` should the contributions not add up.
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


def feature_contributions(model: RiskModel, observed: pd.DataFrame) -> tuple[float, Floats]:
    """Base log-odds and the contributions of the single features, shape (patients, features),
    calibrated.
    """
    return _contributions(model, feature_matrix(model, observed))


def _contributions(model: RiskModel, matrix: Floats) -> tuple[float, Floats]:
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


def reasons(explanation: Explanation, row: int, *, at_least: float = 0.0) -> list[Reason]:
    """One patient's reasons, the largest first; ``row`` counts from 0.

    Whole points are rounded so that they add up to round(100 x risk) - round(100 x base risk) over
    all reasons. ``at_least`` leaves out reasons of fewer points of risk (0.005 = half a patient of
    100).
    """
    points, values = explanation.points_of(row), explanation.values.iloc[row].tolist()
    total = round(100 * float(explanation.prediction.risk[row])) - round(
        100 * explanation.base_risk
    )
    whole = whole_points(points, total=total)
    made = [
        _reason(
            variable,
            _said(explanation, variable, row, values[place]),
            points=float(points[place]),
            whole=whole[place],
        )
        for place, variable in enumerate(explanation.variables)
    ]
    kept = [reason for reason in made if abs(reason.points) >= at_least]
    return sorted(kept, key=lambda reason: -abs(reason.points))


def whole_points(points: Sequence[float] | Floats, *, total: int) -> list[int]:
    """Points of 100 as whole numbers that add up to ``total``: cut, then given to the largest
    remainders.

    What rounding risk and base by themselves may add falls to the largest reasons, never to one of
    no size.

    >>> whole_points([0.034, 0.034, -0.01], total=6)
    [4, 3, -1]
    """
    exact = [100 * float(value) for value in points]
    whole = [math.trunc(value) for value in exact]
    short = total - sum(whole)
    sign = 1 if short > 0 else -1
    left = [max(sign * (value - kept), 0.0) for value, kept in zip(exact, whole, strict=True)]
    order = sorted(range(len(exact)), key=lambda place: (-left[place], -abs(exact[place])))
    for place in order[: abs(short)]:
        whole[place] += sign
    return whole


def _said(explanation: Explanation, variable: Variable, row: int, value: object) -> str:
    """A patient's value of a variable in words; of one that was read after the first dose all that
    the model read.
    """
    readings = explanation.course.get(variable.name)
    if readings is None:
        return _value_in_words(variable, value)
    return course_in_words(
        {str(name): float(cell) for name, cell in readings.iloc[row].items()}, unit=variable.unit
    )


def _reason(variable: Variable, text: str, *, points: float, whole: int) -> Reason:
    usual = ""
    if variable.usual is not None and text != "not measured":
        usual = f" (usual {variable.usual[0]:g} to {variable.usual[1]:g})"
    size = f"about {abs(whole)} of 100" if whole else "less than 1 of 100"
    direction = "raises" if points > 0 else "lowers" if points < 0 else "does not change"
    end = f" by {size}" if points else ""
    marker = {
        "cause": "",
        "marker": "; it travels with causes, without an effect of its own",
        "mediator": "; it is part of the reaction, not its origin",
    }[variable.kind]
    sentence = (
        f"{variable.label}: {text}{usual} {direction} the risk{end} ({variable.why}{marker})."
    )
    return Reason(
        variable=variable.name,
        label=variable.label,
        value=text,
        points=points,
        whole_points=whole,
        kind=variable.kind,
        role=variable.role,
        theme=variable.theme,
        sentence=sentence,
    )


def _value_in_words(variable: Variable, value: object) -> str:
    """A value as a clinician writes it; the table holds words, yes/no as Booleans, and numbers."""
    if isinstance(value, str):
        return value.replace("_", " ") if value else "not given"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not measured"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    number = float(value)  # type: ignore[arg-type]
    digits = f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
    return amount(variable.name, digits, unit=variable.unit)


def _values(model: RiskModel, columns: Columns, *, index: pd.Index[Any]) -> pd.DataFrame:
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


def _course(model: RiskModel, columns: Columns, *, index: pd.Index[Any]) -> dict[str, pd.DataFrame]:
    """By variable of the course, its features of every patient; nothing for a model of before the
    first dose.
    """
    found: dict[str, pd.DataFrame] = {}
    for variable in model.contract.variables:
        own = tuple(one.name for one in model.contract.features if one.variable == variable.name)
        if variable.theme == "course":
            found[variable.name] = pd.DataFrame(
                feature_array(columns, names=own), columns=list(own), index=index
            )
    return found


def _shown_feature(model: RiskModel, variable: Variable) -> str:
    """The feature whose value stands for a variable: itself, or its highest reading, or the
    first.
    """
    own = [feature.name for feature in model.contract.features if feature.variable == variable.name]
    if variable.name in own:
        return variable.name
    return next((name for name in own if "__max__" in name), own[0])
