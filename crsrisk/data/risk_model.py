"""What a risk model is made of: the contract that says what it takes, means and has seen, its
calibration, and its predictions.

Everything here is frozen and plain: text, numbers and tables of names. The trees are LightGBM's own
text, the calibration is two numbers, nothing has to be unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator
from scipy.special import expit

from crsrisk.data.assumptions import Strict
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.results import Result

Direction = Literal["up", "down", "none"]
Kind = Literal["cause", "marker", "mediator"]
Role = Literal["lever", "fact"]
Theme = Literal["drug and dose", "prevention", "tumour burden", "inflammation", "host", "course"]
ColumnKind = Literal["number", "flag", "word"]
Start = Literal["additive", "shrunken additive", "mean"]  # of boosting
LearnerKind = Literal["chosen", "additive", "shrunken", "boosting"]

KIND_OF: Mapping[Start, LearnerKind] = {
    "additive": "additive",
    "shrunken additive": "shrunken",
    "mean": "boosting",
}
_ROWS_NAMED = 10  # of the rows that a message names
CANNOT = "cannot estimate"  # status of a row too far from the training patients


class Bound(Strict):
    """A bound on one column of the observed table: values ``at_least`` one number, ``below``
    another, or both, in the column's unit. A missing value never lies within it.

    >>> Bound(column="map_mmhg__min__h24", below=70).holds(np.array([65.0, 70.0, np.nan])).tolist()
    [True, False, False]
    """

    column: str
    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Bound:
        if self.at_least is None and self.below is None:
            raise ValueError("at_least, below or both")
        return self

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values lie within the bound, in their shape."""
        low = -np.inf if self.at_least is None else self.at_least
        high = np.inf if self.below is None else self.below
        return np.asarray((values >= low) & (values < high))

    def in_words(self) -> str:
        """The bound as a condition, in the column's unit."""
        low = "" if self.at_least is None else f">= {self.at_least:g}"
        high = "" if self.below is None else f"< {self.below:g}"
        return f"{self.column} {' and '.join(part for part in (low, high) if part)}"


class RefusedGroup(Strict):
    """Patients of whom a model gives no risk: those within all ``bounds``. ``reason``: why not, as
    the end of a sentence.
    """

    bounds: list[Bound] = Field(min_length=1)
    reason: str

    def in_words(self) -> str:
        """Which patients, and why."""
        return f"{' and '.join(bound.in_words() for bound in self.bounds)}: {self.reason}"


class Feature(Strict):
    """One column of the model's own table.

    ``variable`` is the clinical variable it belongs to (several features may share one).
    ``direction``: the risk may only rise (`up`) or only fall (`down`) with it. ``fill`` stands in
    for a missing value of a feature that was never missing in training (the training median); None
    where the trees know missing.
    """

    name: str
    variable: str
    direction: Direction
    fill: float | None = None


class Variable(Strict):
    """A clinical variable as a reason speaks of it.

    ``kind``: a *cause* acts through a named mechanism of the simulator, a *marker* only travels
    with causes, a *mediator* lies between the drug and the outcome (values after the first dose).
    ``role``: a *lever* can be changed by the treating team, a *fact* cannot. ``why`` is the
    mechanism in words. ``usual`` is what most healthy adults have, where that has a meaning.
    """

    name: str
    label: str
    unit: str
    kind: Kind
    role: Role
    theme: Theme
    why: str
    usual: tuple[float, float] | None = None

    @property
    def said_label(self) -> str:
        """The label in print; models of version 0.1.0 bear "Female" where sex is meant."""
        return FIELDS[self.name].label if self.name == "is_female" else self.label


class Column(Strict):
    """A column of the observed table that the model needs, and what it had in training.

    A value outside ``possible`` is refused. ``trained`` is the 0.1th to 99.9th percentile of the
    training patients (not the extremes, which would be single patients): outside it a row is scored
    with a warning.
    """

    name: str
    kind: ColumnKind
    unit: str
    may_be_missing: bool
    was_missing_in_training: bool
    possible: tuple[float, float] | None = None
    trained: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()


class MedianPatient(Strict):
    """The median training patient of a product, a platform, or of all (``group``, ``name``): the
    reference that a patient's reasons start from.

    ``values`` by column: median (three digits), most frequent word, what most have; None where
    nobody had a value. Never of fewer than ten patients.
    """

    group: Literal["product", "platform", "all"]
    name: str
    n_patients: int
    values: dict[str, bool | float | str | None]


class FeatureContract(Strict):
    """What goes in, what comes out, and over which time.

    ``window_d``: days after the first dose in which the outcome is counted, by platform, `default`
    for the others. ``landmark_h``: hours after the first dose at which the prediction is made (0 =
    before it). ``refused``: groups of patients of whom no risk is given. ``median_patients``: whom
    reasons compare a patient with.
    """

    name: str
    outcome: str
    outcome_in_words: str
    window_d: dict[str, float]
    landmark_h: int
    columns: tuple[Column, ...]
    features: tuple[Feature, ...]
    variables: tuple[Variable, ...]
    n_patients: int
    n_events: int
    refused: tuple[RefusedGroup, ...] = ()
    median_patients: tuple[MedianPatient, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> FeatureContract:
        numbers = {column.name for column in self.columns if column.kind == "number"}
        bounded = {bound.column for group in self.refused for bound in group.bounds}
        if unknown := sorted(bounded - numbers):
            raise ValueError(f"refused groups of numbers that the model reads, not {unknown}")
        described = {variable.name for variable in self.variables}
        if silent := sorted({feature.variable for feature in self.features} - described):
            raise ValueError(
                f"a variable for every feature; {', '.join(silent)} is described nowhere"
            )
        if "default" not in self.window_d:
            raise ValueError("window_d with a `default` beside the platforms")
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The model's columns, in the order in which the trees count them."""
        return tuple(feature.name for feature in self.features)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of the observed table that the model needs."""
        return tuple(column.name for column in self.columns)

    @property
    def products(self) -> tuple[str, ...]:
        """The products that the model was trained on."""
        return next((column.levels for column in self.columns if column.name == "product"), ())

    def variable(self, name: str) -> Variable:
        """The clinical variable of that name."""
        return next(variable for variable in self.variables if variable.name == name)

    def window_of(self, platform: str) -> float:
        """Days of the window for one platform."""
        return self.window_d.get(platform, self.window_d["default"])


class Calibrator(Strict):
    """Calibrated log-odds = intercept + slope x the trees' log-odds (a logistic recalibration,
    Platt 1999).

    >>> Calibrator(intercept=0.0, slope=1.0, n_patients=0, method="none").risk([0.0]).tolist()
    [0.5]
    """

    intercept: float = Field(ge=-1e6, le=1e6)
    slope: float = Field(ge=0, le=1e6)  # a negative one would turn every direction round
    n_patients: int
    method: str

    def log_odds(self, raw: ArrayLike) -> NDArray[np.float64]:
        """Calibrated log-odds of the trees' raw log-odds."""
        return np.asarray(self.intercept + self.slope * np.asarray(raw, dtype=np.float64))

    def risk(self, raw: ArrayLike) -> NDArray[np.float64]:
        """Calibrated risk, 0-1, of raw log-odds (scipy's expit: the same bits alone or in a
        batch).
        """
        return np.asarray(expit(self.log_odds(raw)))


class StartTried(Strict):
    """What cross-validation found of one start: boosted trees that would be kept after it, of how
    many that were grown, and the log loss (nats) of patients held out.
    """

    start: Start
    n_kept: int = Field(ge=0)
    n_tried: int = Field(ge=0)
    log_loss: float


class ModelClass(Strict):
    """What a model is: where boosting starts, and what its trees are worth.

    ``start``: an additive logistic model, half of one (`shrunken additive`), or the mean;
    ``is_chosen`` says whether cross-validation chose it among ``tried``. ``n_trees`` boosted trees
    in ``n_kept`` rounds of ``n_tried``, at most ``max_trees`` (a round in which no split is worth
    its while adds no tree). ``gain``: by how much log loss of
    patients held out falls from the start alone to the best number of rounds (nats, with its
    standard error), whether or not that was enough for any to be kept; ``gain_over_additive``: from
    the best model on the whole additive start to this one. None where nothing was held out.

    >>> none = {"n_trees": 0, "n_kept": 0, "n_tried": 0, "max_trees": 0}
    >>> made = ModelClass(start="additive", is_chosen=False, **none)
    >>> made.name
    'additive logistic model written as trees'
    """

    start: Start
    is_chosen: bool
    n_trees: int = Field(ge=0)
    n_kept: int = Field(ge=0)
    n_tried: int = Field(ge=0)
    max_trees: int = Field(ge=0)
    gain: float | None = None
    gain_se: float | None = None
    gain_over_additive: float | None = None
    gain_over_additive_se: float | None = None
    is_cap_reached: bool = False
    tried: tuple[StartTried, ...] = ()

    @property
    def name(self) -> str:
        """The class of model in the field's words."""
        if self.start == "additive":
            with_trees = f" with {self.n_trees} boosted trees on top" if self.n_trees else ""
            return f"additive logistic model written as trees{with_trees}"
        if not self.n_trees:
            return (
                "event rate alone" if self.start == "mean" else "shrunken additive logistic model"
            )
        where = "the mean" if self.start == "mean" else "half of an additive logistic model"
        return f"{self.n_trees} gradient-boosted trees that start from {where}"

    def summary(self) -> str:
        """Class, choice of the start, trees kept of those tried and what they gain, and whether the
        cap on trees was reached; one sentence each.
        """
        told = [f"{self.name[0].upper()}{self.name[1:]}."]
        if self.is_chosen:
            others = ", ".join(f"{tried.start} {tried.log_loss:.5f}" for tried in self.tried)
            told.append(
                f"Start chosen by cross-validation: {self.start} (log loss by start: {others})."
            )
        if self.gain is not None and self.gain_se is not None:
            best = "they gain" if self.n_kept else "the best number would gain"
            rounds = "" if self.n_trees == self.n_kept else f", in {self.n_kept} rounds"
            told.append(
                f"Boosted trees kept: {self.n_trees}{rounds} of {self.n_tried} tried; {best}"
                f" {self.gain:.2g} nats over the start (standard error {self.gain_se:.2g})."
            )
        if self.gain_over_additive is not None and self.gain_over_additive_se is not None:
            told.append(
                f"Gain over the additive start: {self.gain_over_additive:.2g} nats (standard error"
                f" {self.gain_over_additive_se:.2g})."
            )
        if self.is_cap_reached:
            told.append(
                f"The cap of {self.max_trees} trees was reached: more might gain, raise it."
            )
        return " ".join(told)


class ModelParts(Protocol):
    """What scoring and explaining read of a model: :class:`crsrisk.model.risk_model.RiskModel`."""

    @property
    def contract(self) -> FeatureContract:
        """What goes in, what comes out, and over which time."""
        ...

    @property
    def booster_text(self) -> str:
        """The trees in LightGBM's text format."""
        ...

    @property
    def calibrator(self) -> Calibrator:
        """From the trees' log-odds to calibrated ones."""
        ...

    @property
    def label(self) -> str:
        """Name and version."""
        ...

    @property
    def notice(self) -> str:
        """Which patients it was fitted to, and that it is for research."""
        ...


@dataclass(frozen=True, kw_only=True, repr=False)
class Prediction(Result):
    """The risks of a table, row by row, and what was noticed about each row.

    Parameters
    ----------
    rows : a frame with the index of the table and the columns `risk` (0-1, NaN without one),
        `risk_low` and `risk_high` (95% interval over products, of a product that the model was not
        trained on; else NaN), `status` (ok, warned, cannot estimate or refused), `reasons` (why,
        one sentence after another) and `missing` (columns that were empty).
    model : name and version of the model.
    outcome_in_words : what the risk is of.
    notice : which patients the model was fitted to, and that it is for research.
    """

    rows: pd.DataFrame
    model: str
    outcome_in_words: str
    notice: str

    @property
    def risk(self) -> NDArray[np.float64]:
        """Risks, shape (patients,)."""
        return self.rows["risk"].to_numpy(dtype=np.float64)

    @property
    def is_refused(self) -> NDArray[np.bool_]:
        """Which rows were refused, shape (patients,)."""
        return np.asarray(self.rows["status"].to_numpy() == "refused")

    @property
    def has_risk(self) -> NDArray[np.bool_]:
        """Which rows have a risk: neither refused nor too far from training, shape (patients,)."""
        status = self.rows["status"].to_numpy()
        return np.asarray((status != "refused") & (status != CANNOT))

    def to_frame(self) -> pd.DataFrame:
        """The rows: risk, its interval over products, status, reasons, missing."""
        return self.rows

    def summary(self) -> str:
        """Model, outcome, and how many rows were scored, warned about, left without an estimate and
        refused.
        """
        counts = self.rows["status"].value_counts()
        told = [
            f"{counts[status]} {status}"
            for status in ("ok", "warned", CANNOT, "refused")
            if status in counts
        ]
        return (
            f"{len(self.rows)} patients by {self.model} ({', '.join(told) or 'none'}), risk of"
            f" {self.outcome_in_words}. {self.notice}"
        )

    def check(self) -> pd.DataFrame:
        """The rows that were refused, warned about or left without an estimate, and why; empty
        where all is well.

        Columns `row` (place in the table, from 0), `status`, `reasons` and `missing`.
        """
        noticed = self.rows.assign(row=np.arange(len(self.rows)))
        columns = ["row", "status", "reasons", "missing"]
        return pd.DataFrame(noticed.loc[noticed["status"] != "ok", columns])

    def require_scored(self) -> Prediction:
        """The prediction itself, where every row has a risk.

        Raises
        ------
        InputError
            Naming the rows without a risk, and the reason of the first.
        """
        refused = np.flatnonzero(~self.has_risk)
        if refused.size:
            shown = ", ".join(str(row) for row in refused[:_ROWS_NAMED])
            more = refused.size - _ROWS_NAMED
            raise InputError(
                where="clinical table",
                key=f"row {shown}" + (f" and {more} more" if more > 0 else ""),
                found=str(self.rows["reasons"].iloc[int(refused[0])]).rstrip("."),
                expected=f"rows that {self.model} can score (rows are counted from 0)",
                cure="look at check(X), which gives every reason; correct these rows or leave them"
                " out",
            )
        return self
