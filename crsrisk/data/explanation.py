"""Why a model gave these risks: contributions, reasons, and what else is known of a patient's risk.

About the model, not proof about the patient.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata

from crsrisk.data.risk_model import Kind, MedianPatient, Prediction, Role, Theme, Variable
from crsrisk.fields import flag_in_words
from crsrisk.plots.chart_data import ImportanceBar, ReasonBar
from crsrisk.results import Estimate, Result
from crsrisk.units import amount

EXPLANATION_NOTICE = (
    "These reasons say how the model weighs what it was told. They are not proof of cause in a"
    " patient."
)
# log-odds: below it the ratio of differences is replaced by its limit, the derivative
_NEARLY_EQUAL = 1e-6
_COURSE = re.compile(r"(.+?)__(?:(max|min|slope|onset)__)?h(\d+)")
_SMALL = 0.005  # of the level an hour: below it a slope is no change that anybody would speak of
_CLEAR = 0.3  # rank correlation from which a direction is said
_MIN_PATIENTS = 10  # with a known value
# of risk: a model and a simulation further apart than this are no longer one number
LARGEST_DIFFERENCE = 0.10

Grade = Literal["grade2plus", "grade3plus"]
IntervalHolds = Literal[
    "refitting",
    "products",
    "refitting and assumptions",
    "refitting, assumptions and products",
]
# what each interval is called wherever it is shown
INTERVAL_NAMES: Mapping[IntervalHolds, str] = {
    "refitting": "Refit range",
    "products": "95% interval (refitting and differences between products)",
    "refitting and assumptions": "90% interval (refitting and assumptions)",
    "refitting, assumptions and products": (
        "90% interval (refitting, assumptions and differences between products)"
    ),
}
Figure = TypeVar("Figure")


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One clinical variable's share in one patient's risk.

    ``points`` is its size in risk (0.04 = 4 of 100 patients); ``whole_points`` the same as a whole
    number of 100, rounded so that the whole numbers of a patient's reasons add up. ``short``: the
    sentence without what its points say.
    """

    variable: str
    label: str
    value: str
    points: float
    whole_points: int
    kind: Kind
    role: Role
    theme: Theme
    sentence: str
    short: str = ""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Explanation(Result):
    """Exact Shapley values of the calibrated model, one for each patient and clinical variable.

    The reasons are *interventional* values against the median patient of the same product: what
    sets this patient apart from the middle of those who get the same. Beside them stand
    *path-dependent* values, which start from the model's average over all products: of these are
    importances (:meth:`feature_importances`, :meth:`plot_importance`) and :meth:`to_shap`.

    Parameters
    ----------
    base_log_odds : array (patients,)
        What the model says of each patient's reference, the median patient of the same product.
    contributions : array (patients, variables)
        Interventional, in log-odds; base + their sum is the calibrated log-odds of the risk. A
        value that is missing counts as missing, the way the trees read it, against the median of
        those measured: its contribution is what not knowing it does.
    references : tuple of MedianPatient
        Each patient's reference; of a product with fewer than ten training patients that of its
        platform (or of all), who is taken to get the same product.
    path_base_log_odds, path_contributions : float, array (patients, variables)
        The path-dependent values: mean over the training patients, and what adds up from it.
    variables : tuple of Variable
        The clinical variables: label, unit, kind (cause, marker, mediator), role (lever, fact).
    values : DataFrame
        What each patient had, one column a variable.
    prediction : Prediction
        The risks that are explained, and what was noticed about each row.
    course : mapping of DataFrame
        By variable that was read several times after the first dose, its features, a column each.

    Examples
    --------
    ::

        explained = crs.explain(model, cohort.X)
        explained.reasons(0, at_least=0.01)  # of the first patient, from 1 of 100 on
        explained.plot(0)
        explained.feature_importances().head()

    References
    ----------
    Lundberg et al., Nat Mach Intell 2020;2:56.
    """

    base_log_odds: NDArray[np.float64]
    contributions: NDArray[np.float64]
    references: tuple[MedianPatient, ...]
    path_base_log_odds: float
    path_contributions: NDArray[np.float64]
    variables: tuple[Variable, ...]
    values: pd.DataFrame
    prediction: Prediction
    notice: str = EXPLANATION_NOTICE
    course: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def summary(self) -> str:
        """How many patients were explained, and where the reasons start."""
        n_patients, n_variables = self.contributions.shape
        return (
            f"{n_patients:,} patients, {n_variables} clinical variables, model"
            f" {self.prediction.model}; exact interventional Shapley values in log-odds, each"
            f" patient against the median patient of the same product. {self.notice}"
        )

    @property
    def base_risk(self) -> NDArray[np.float64]:
        """The risk from which each patient's reasons start (0-1), shape (patients,)."""
        return np.asarray(expit(self.base_log_odds))

    @property
    def path_base_risk(self) -> float:
        """The risk from which the path-dependent values start (0-1): the average patient."""
        return float(expit(self.path_base_log_odds))

    @property
    def points(self) -> NDArray[np.float64]:
        """Contributions in risk (0-1), shape (patients, variables); they add up to risk - base
        risk.

        Each contribution is multiplied with the mean steepness of the logistic curve between base
        and risk, (risk - base risk) / (log-odds - base log-odds): the integral of the curve's slope
        along the straight path from base to patient (Aumann-Shapley). It is finite also when the
        contributions cancel, and no reason changes its sign.
        """
        return _in_risk(self.base_log_odds, self.contributions)

    @property
    def path_points(self) -> NDArray[np.float64]:
        """The same of the path-dependent values, from :attr:`path_base_risk`."""
        return _in_risk(np.full(len(self.values), self.path_base_log_odds), self.path_contributions)

    def points_of(self, row: int) -> NDArray[np.float64]:
        """The row of :attr:`points` for one patient (counted from 0), shape (variables,)."""
        some = slice(row, row + 1)
        return _in_risk(self.base_log_odds[some], self.contributions[some]).reshape(-1)

    def reasons(self, row: int = 0, *, at_least: float = 0.0) -> list[Reason]:
        """One patient's reasons, the largest first.

        Whole points are rounded so that they add up to round(100 x risk) - round(100 x base risk)
        over all reasons.

        Parameters
        ----------
        row : int
            The patient, counted from 0.
        at_least : float
            Leave out reasons of fewer points of risk (0.005 = half a patient of 100).
        """
        points, values = self.points_of(row), self.values.iloc[row].tolist()
        total = round(100 * float(self.prediction.risk[row])) - round(
            100 * float(self.base_risk[row])
        )
        whole = whole_points(points, total=total)
        reasons = [
            _reason(
                variable,
                _said(self, variable, row, values[place]),
                points=float(points[place]),
                whole=whole[place],
            )
            for place, variable in enumerate(self.variables)
        ]
        kept = [reason for reason in reasons if abs(reason.points) >= at_least]
        return sorted(kept, key=lambda reason: -abs(reason.points))

    def feature_importances(self) -> pd.Series[float]:
        """Mean absolute path-dependent Shapley value (log-odds) of each clinical variable, the
        largest first.

        The mean is over the patients explained, so it says what moved the risk among them; product
        and platform are among it.
        """
        sizes = np.abs(self.path_contributions).mean(axis=0)
        names = [variable.name for variable in self.variables]
        return pd.Series(sizes, index=names, name="mean_abs_shap").sort_values(
            ascending=False, kind="stable"
        )

    def to_frame(self) -> pd.DataFrame:
        """The interventional contributions in log-odds: one row a patient, one column a clinical
        variable.
        """
        names = [variable.name for variable in self.variables]
        return pd.DataFrame(self.contributions, columns=names, index=self.values.index)

    def to_shap(self) -> Any:
        """The path-dependent values as a ``shap.Explanation`` on the calibrated log-odds scale, for
        every plot of that package.

        ``data`` holds numbers (yes = 1; words, such as the product, as NaN, which shap draws in
        grey), ``display_data`` what a person reads.
        """
        # shap builds its colour maps with calls that matplotlib is about to retire
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            import shap

        numbers = self.values.apply(lambda column: pd.to_numeric(column.map(_as_number)))
        return shap.Explanation(
            values=self.path_contributions,
            base_values=np.full(len(self.values), self.path_base_log_odds),
            data=numbers.to_numpy(dtype=np.float64),
            display_data=self.values.to_numpy(dtype=object),
            feature_names=[variable.said_label for variable in self.variables],
            output_names="log-odds of " + self.prediction.outcome_in_words,
        )

    def plot(self, row: int = 0, *, n_reasons: int = 9, ax: Any = None) -> Any:
        """One patient's largest reasons as bars in patients of 100; returns matplotlib axes."""
        from crsrisk.plots.charts import plot_reasons

        reasons = self.reasons(row)
        shown, rest = reasons[:n_reasons], reasons[n_reasons:]
        bars = [
            ReasonBar(f"{reason.label}: {reason.value}", reason.whole_points, reason.theme)
            for reason in shown
        ]
        if rest:
            others = sum(reason.whole_points for reason in rest)
            bars.append(ReasonBar("All other variables", others))
        return plot_reasons(bars, ax=ax)

    def plot_importance(self, *, n_variables: int = 15, ax: Any = None) -> Any:
        """Mean size (path-dependent) of the largest variables in patients of 100, and the direction
        in which each works; returns matplotlib axes.
        """
        from crsrisk.plots.charts import plot_importance

        return plot_importance(self.importance_bars()[:n_variables], ax=ax)

    def importance_bars(self) -> list[ImportanceBar]:
        """By variable the mean size of its path-dependent contribution in patients of 100, the
        largest first.
        """
        sizes = 100 * np.abs(self.path_points).mean(axis=0)
        return [
            ImportanceBar(
                self.variables[place].label,
                float(sizes[place]),
                direction(
                    self.values.iloc[:, place],
                    self.path_contributions[:, place],
                    variable=self.variables[place],
                ),
            )
            for place in np.argsort(-sizes, kind="stable").tolist()
        ]


def _in_risk(
    base_log_odds: NDArray[np.float64], contributions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Contributions (patients, variables) from each base as changes of the risk."""
    total = contributions.sum(axis=1)
    is_close = np.abs(total) < _NEARLY_EQUAL
    risk, base = expit(base_log_odds + total), expit(base_log_odds)
    steepness = np.where(
        is_close, risk * (1 - risk), (risk - base) / np.where(is_close, 1.0, total)
    )
    return np.asarray(contributions * steepness[:, None])


def _as_number(cell: object) -> float:
    return math.nan if isinstance(cell, str) or cell is None else float(cell)  # type: ignore[arg-type]


def whole_points(points: Sequence[float] | NDArray[np.float64], *, total: int) -> list[int]:
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
    start, why = f"{variable.said_label}: {text}{usual}", f"({variable.why}{marker})."
    return Reason(
        variable=variable.name,
        label=variable.said_label,
        value=text,
        points=points,
        whole_points=whole,
        kind=variable.kind,
        role=variable.role,
        theme=variable.theme,
        sentence=f"{start} {direction} the risk{end} {why}",
        short=f"{start} {why}",
    )


def _value_in_words(variable: Variable, value: object) -> str:
    """A value as a clinician writes it; the table holds words, yes/no as Booleans, and numbers."""
    if variable.name == "is_female":
        return flag_in_words(variable.name, value)
    if isinstance(value, str):
        return value.replace("_", " ") if value else "not given"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not measured"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    number = float(value)  # type: ignore[arg-type]
    digits = f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
    return amount(variable.name, digits, unit=variable.unit)


def course_in_words(values: Mapping[str, float], *, unit: str) -> str:
    """One variable's features by name (`crp_mg_l__max__h24`), all of one landmark, as a clinician
    says them.

    That a temperature is the highest and a pressure the lowest so far, the variable's own label
    says.

    >>> crp = {"crp_mg_l__h24": 52.0, "crp_mg_l__max__h24": 61.0, "crp_mg_l__slope__h24": 1.84}
    >>> course_in_words(crp, unit="mg/L")
    '52 mg/L at 24 h (highest 61 mg/L, rising by 1.8 mg/L an hour)'
    >>> temperature = {"temperature_c__max__h24": 38.1, "temperature_c__slope__h24": 0.0}
    >>> course_in_words(temperature, unit="degC")
    '38.1 degC by 24 h (unchanged)'
    >>> course_in_words({"grade__max__h24": 1.0, "grade__onset__h24": 12.0}, unit="1")
    'grade 1 by 24 h (first seen by 12 h)'
    """
    parts, hour = {}, ""
    for name, value in values.items():
        named = _COURSE.fullmatch(name)
        if named is not None and not math.isnan(value):
            parts[named.group(2) or "last"], hour = float(value), named.group(3)
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


def direction(
    values: pd.Series[Any], contributions: NDArray[np.float64], *, variable: Variable
) -> str:
    """How a variable works on the risk, in words.

    >>> variable = Variable(
    ...     name="x", label="X", unit="1", kind="cause", role="fact", theme="host", why=""
    ... )
    >>> direction(pd.Series(np.arange(20.0)), np.arange(20.0), variable=variable)
    'higher raises'
    """
    known = values.dropna()
    if known.map(lambda cell: isinstance(cell, str)).any():
        return "differs by " + variable.said_label.lower()
    at = np.flatnonzero(values.notna().to_numpy())
    is_flag = known.map(lambda cell: isinstance(cell, bool | np.bool_)).all()
    numbers = known.astype(np.float64).to_numpy()
    if len(at) < _MIN_PATIENTS or np.ptp(numbers) == 0 or np.ptp(contributions[at]) == 0:
        return "too few differ"
    correlation = float(np.corrcoef(rankdata(numbers), rankdata(contributions[at]))[0, 1])
    word = "yes" if is_flag else "higher"
    if abs(correlation) < _CLEAR:
        return "mixed"
    return f"{word} {'raises' if correlation > 0 else 'lowers'}"


@dataclass(frozen=True)
class ByGrade(Generic[Figure]):
    """A figure for CRS of grade 2 or more and, where it is known, for grade 3 or more."""

    grade2plus: Figure
    grade3plus: Figure | None = None

    def items(self) -> Iterator[tuple[Grade, Figure]]:
        """The grades that are known, with their figures."""
        yield "grade2plus", self.grade2plus
        if self.grade3plus is not None:
            yield "grade3plus", self.grade3plus


@dataclass(frozen=True)
class PatientRisk(ByGrade[Estimate]):
    """Risks (0-1) of one patient, each with the interval that is shown first (NaN without any).

    ``is_held``: the model for grade 3 or more said more than the one for grade 2 or more, which
    cannot be, so its risk is held at that value. ``holds``: what the intervals hold; without a
    spread over assumptions beside the model they are the refit range. ``refit_range``: the same
    risks with the 95% range of the refits, where that is not shown first.
    """

    is_held: bool = False
    holds: IntervalHolds = "refitting"
    refit_range: ByGrade[Estimate] | None = None


@dataclass(frozen=True, kw_only=True)
class MissingRange:
    """What the risk of grade >= 2 would be if a missing value were known: low and high values of
    the product's patients.
    """

    column: str
    values: tuple[float, float]
    risks: tuple[float, float]

    @property
    def width(self) -> float:
        """How far apart the two risks are."""
        return abs(self.risks[1] - self.risks[0])


@dataclass(frozen=True, kw_only=True)
class ReferencePatient:
    """The named reference: the median training patient of the same product."""

    n_patients: int
    risk: PatientRisk
    typical: Mapping[str, bool | float | str | None]


@dataclass(frozen=True, kw_only=True)
class LeverEffect:
    """One lever, simulated: shares of patients (0-1) without and with it, and their difference.

    Each is a mean over the members of the ensemble with its Monte Carlo error; its interval holds
    the central nine of ten members.
    """

    kind: str
    label: str
    usual: ByGrade[Estimate]
    with_lever: ByGrade[Estimate]
    difference: ByGrade[Estimate]


@dataclass(frozen=True, kw_only=True)
class LandmarkSimulation:
    """How what is simulated some hours after the first dose was made.

    ``n_kept`` of ``n_simulated`` people were still at risk at ``hour`` with this ``worst_grade``.
    ``past_levers``: levers that cannot be pulled any more, in words.
    """

    hour: int
    worst_grade: int
    past_levers: tuple[str, ...]
    n_kept: int
    n_simulated: int


@dataclass(frozen=True, kw_only=True)
class SimulatedPatients:
    """What the simulator says of patients like this one: under the ensemble, with levers, under
    scenarios.

    Parameters
    ----------
    usual : ByGrade of Estimate
        Share of patients with CRS of that grade under the usual arm, with the range that holds the
        central nine of ten members of the ensemble.
    levers : sequence of LeverEffect
        What each change would do.
    scenarios : mapping of Estimate
        By scenario the share with grade >= 2, with its Monte Carlo error.
    onset_wait_h : three hours, or None
        Hours after the most recent dose within which 50, 90 and 95% of the onsets fall (None
        without any CRS).
    n_members, n_people : int
        Members of the ensemble, and people simulated under each.
    beyond_population : tuple of str
        Columns whose value the simulated population cannot have.
    as_simulated : ByGrade of Estimate, or None
        ``usual`` as it came from the simulation, where everything was moved to start from the
        model's risk (:mod:`crsrisk.uncertainty.one_number`); None where nothing was moved.
    """

    usual: ByGrade[Estimate]
    levers: Sequence[LeverEffect]
    scenarios: Mapping[str, Estimate]
    onset_wait_h: tuple[float, float, float] | None
    n_members: int
    n_people: int
    beyond_population: tuple[str, ...] = ()
    as_simulated: ByGrade[Estimate] | None = None
