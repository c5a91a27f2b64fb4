"""What charts are drawn from: plain numbers and labels, typed, nothing about where they come from.

A report builds these, :mod:`crsrisk.plots` draws them, in a notebook as matplotlib axes and in a
page as SVG. Shares and risks are 0 to 1 unless a name says ``_per100``; hours and days say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from crsrisk.results import Estimate, NotEstimable

LineStyle = Literal["model", "refit", "ideal", "reference", "zero", "interval"]
Verdict = Literal["agrees", "differs", "not judged"]
Numbers = Sequence[float] | NDArray[Any]
Kind = Literal["null", "comparator", "model", "oracle"]
# ticks of a forest's axis: value and text
FOREST_TICKS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "rate": ((0.0, "0"), (0.25, "25"), (0.5, "50"), (0.75, "75"), (1.0, "100")),
    "time": ((1.0, "1 h"), (6.0, "6 h"), (24.0, "1 d"), (168.0, "7 d"), (1440.0, "60 d")),
}


@dataclass(frozen=True)
class Axis:
    """An axis from ``low`` to ``high``; its ticks are written multiplied by ``factor``."""

    name: str
    low: float
    high: float
    factor: float = 1.0


@dataclass(frozen=True)
class Line:
    """One curve; a ``y`` of None is a gap. A curve with a label stands in the legend."""

    style: LineStyle
    x: Sequence[float]
    y: Sequence[float | None]
    label: str = ""


@dataclass(frozen=True)
class Band:
    """A shaded range around a curve."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Lines:
    """Curves on one plot, and what they show in a sentence."""

    x: Axis
    y: Axis
    lines: Sequence[Line]
    description: str
    band: Band | None = None


@dataclass(frozen=True)
class Dot:
    """One row of a dot plot: an estimate with its interval and, broad, a prediction interval."""

    label: str
    estimate: Estimate | NotEstimable
    is_strong: bool = False
    prediction: tuple[float, float] | None = None


@dataclass(frozen=True)
class Dots:
    """Rows of estimates against a reference line, and what they show in a sentence."""

    axis: Axis
    rows: Sequence[Dot]
    description: str
    reference: float | None = None
    digits: int = 2


@dataclass(frozen=True)
class ForestCell:
    """A published figure with its interval beside the simulated one; ``axis``: a share or hours."""

    axis: Literal["rate", "time"]
    published: float
    low: float | None
    high: float | None
    simulated: float | None
    mc_error: float | None
    verdict: Verdict
    is_verified: bool


@dataclass(frozen=True)
class ForecastMark:
    """A forecast as a row of a chart, and what was published beside it (None: nothing).

    ``rivals`` are the medians of other forecasts, in the order of :attr:`Forecasts.rivals`.
    """

    label: str
    median: float
    interval_50: tuple[float, float]
    interval_95: tuple[float, float]
    published: float | None = None
    is_verified: bool = True
    rivals: Sequence[float | None] = ()

    @property
    def is_inside(self) -> bool:
        """Whether what was published lies in the 95% interval."""
        low, high = self.interval_95
        return self.published is not None and low <= self.published <= high


@dataclass(frozen=True)
class Forecasts:
    """Rows of forecasts, the names of the rivals, and what they show in a sentence."""

    axis: Axis
    rows: Sequence[ForecastMark]
    description: str
    rivals: Sequence[str] = ()


@dataclass(frozen=True)
class RatesCell:
    """Shares of patients with CRS of grade 2 or more and, among them, of grade 3 or more."""

    grade2plus: float
    grade3plus: float


@dataclass(frozen=True)
class HoursCell:
    """Hours that hold 50, 90 and 95% of onsets; None where too few had one."""

    hours: Sequence[float | None]


@dataclass(frozen=True)
class BarCell:
    """A bar; one longer than ``highest`` is broken, the number stands beside it."""

    value: float
    highest: float
    style: Literal["size", "raises", "lowers"] = "size"


DrawnCell = ForestCell | RatesCell | HoursCell | BarCell


@dataclass(frozen=True)
class ForestRow:
    """A published figure beside the simulated one as a row of a chart, its numbers in words."""

    label: str
    cell: ForestCell
    numbers: str = ""


@dataclass(frozen=True)
class BenchmarkMark:
    """A predictor of the benchmark: gain in log loss over the product's rate, and its AUROC.

    ``auroc``: among patients of one product, None where there is only one product; ``auroc_mixed``:
    over all patients, where knowing the product already helps. ``..._upper``: the upper bound of an
    oracle, whose AUROC is a range; None for the others.
    """

    label: str
    kind: Kind
    gain: Estimate | NotEstimable | None
    auroc: Estimate | NotEstimable | None
    auroc_upper: float | None = None
    auroc_mixed: Estimate | NotEstimable | None = None
    auroc_mixed_upper: float | None = None


@dataclass(frozen=True)
class LearningPoint:
    """Share of the oracle's gain that a learner reaches with so many training patients."""

    learner: str
    n_training: int
    share: Estimate


@dataclass(frozen=True)
class ReasonBar:
    """One reason for a patient's risk, in whole points of 100; below 0 lowers the risk."""

    label: str
    points: int
    theme: str = ""


@dataclass(frozen=True)
class ReasonTheme:
    """Reasons that speak of one thing (host, drug and dose ...), and what all of its variables do
    together, in whole points of 100; the bars are those that are shown.
    """

    theme: str
    points: int
    bars: Sequence[ReasonBar]


@dataclass(frozen=True)
class ImportanceBar:
    """Mean size of a variable's contribution, in points of 100, and its direction in words."""

    label: str
    mean_points: float
    direction: str


def bar_end(values: Sequence[float]) -> float:
    """Where bars are cut: at the second longest and a quarter more, if one dwarfs all others.

    >>> bar_end([25.8, 6.0, 2.0]), bar_end([3.0, 2.0])
    (7.5, 3.0)
    """
    longest = sorted((*values, 0.0, 0.0), reverse=True)
    return 1.25 * longest[1] if longest[1] > 0 and longest[0] > 2.5 * longest[1] else longest[0]


@dataclass(frozen=True)
class BoundaryLook:
    """One look of a design: what stops the trial there (None: nothing), and how often it does."""

    n: int
    upper: float | None
    lower: float | None
    benefit_effect: float
    futility_effect: float
    benefit_null: float
    futility_null: float


@dataclass(frozen=True)
class Boundaries:
    """Stopping bounds of one design; ``is_count``: counts of successes rather than z."""

    design: str
    is_count: bool
    looks: Sequence[BoundaryLook]


@dataclass(frozen=True)
class PowerCurve:
    """Power over the risk ratio for one threshold of the risk."""

    label: str
    risk_ratio: Sequence[float]
    power: Sequence[float]


@dataclass(frozen=True)
class PowerPanel:
    """Power curves for one base rate; ``wanted``: the power that was asked for."""

    base_rate: float
    wanted: float
    curves: Sequence[PowerCurve]


@dataclass(frozen=True)
class OnsetCurve:
    """Of 100 patients, how many had CRS by each day after the first dose."""

    label: str
    window_d: float
    time_d: Sequence[float]
    any_per100: Sequence[float]
    grade2plus_per100: Sequence[float]


@dataclass(frozen=True)
class OnsetForecast:
    """One patient's risk (0-1) by hours after the first dose, the hours of the doses, and the hours
    by which half and nine of ten of the onsets after each dose have come.
    """

    hours: Sequence[float]
    risk: Sequence[float]
    dose_h: Sequence[float]
    median_h: Sequence[float]
    hours_90: Sequence[float]


@dataclass(frozen=True)
class OnsetCalibrationMark:
    """Patients of one group by one hour: mean predicted risk (0-1), observed share with its 95%
    interval, and the true one where patients were simulated again.
    """

    label: str
    predicted: float
    observed: Estimate
    true: float | None = None


@dataclass(frozen=True)
class OnsetCalibrationPanel:
    """All groups by one hour after the first dose."""

    title: str
    marks: Sequence[OnsetCalibrationMark]


@dataclass(frozen=True)
class IconArray:
    """One hundred patients of whom so many have the event; ``n_grade3plus`` None leaves it out."""

    n_grade2plus: int
    n_grade3plus: int | None
    sentence: str
    title: str = "100 patients like this one"


# What charts read of an evaluation. The results themselves stand on a higher floor
# (crsrisk.evaluation), so here is only what they must have.


class CurveOfCalibration(Protocol):
    """Observed risk over predicted risk with its 95% band, as arrays over a grid of risks."""

    @property
    def risk(self) -> Numbers: ...
    @property
    def observed(self) -> Numbers: ...
    @property
    def low(self) -> Numbers: ...
    @property
    def high(self) -> Numbers: ...


class HasCurve(Protocol):
    """The calibration of a group, of which charts read the curve."""

    @property
    def curve(self) -> CurveOfCalibration | NotEstimable: ...


class BandOfBenefit(Protocol):
    """A figure by threshold with the ends of its 95% interval."""

    @property
    def value(self) -> Numbers: ...
    @property
    def low(self) -> Numbers: ...
    @property
    def high(self) -> Numbers: ...


class CurveOfBenefit(Protocol):
    """Net benefit by threshold: of the model, of treating everybody, and their difference."""

    @property
    def threshold(self) -> Numbers: ...
    @property
    def model(self) -> BandOfBenefit: ...
    @property
    def treat_all(self) -> BandOfBenefit: ...
    @property
    def model_minus_treat_all(self) -> BandOfBenefit: ...


class SpreadOfRisk(Protocol):
    """Predicted risks of one outcome class: patients, quantiles, counts in bins."""

    @property
    def n(self) -> int: ...
    @property
    def quantiles(self) -> Mapping[float, Estimate]: ...
    @property
    def bin_edges(self) -> Numbers: ...
    @property
    def counts(self) -> Sequence[int]: ...


class SpreadByOutcome(Protocol):
    """Predicted risks of patients with and without the event."""

    @property
    def event(self) -> SpreadOfRisk: ...
    @property
    def no_event(self) -> SpreadOfRisk: ...


class EvaluatedGroup(Protocol):
    """What charts read of :class:`crsrisk.evaluation.evaluate.GroupEvaluation`."""

    @property
    def calibration(self) -> HasCurve: ...
    @property
    def net_benefit(self) -> CurveOfBenefit | NotEstimable: ...
    @property
    def risk_distribution(self) -> SpreadByOutcome | NotEstimable: ...
