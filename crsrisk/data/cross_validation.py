"""Cross-validation: how each product was forecast by everything but its own figures.

One row a published rate of a systemic product with a printed size. The forecast knows the product's
file, the mechanism and the figures of all other products; three rivals that know no mechanism
forecast the same rate from the same other products. What was computed once stands beside the
ensemble it belongs to (``cross_validation.json``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import pandas as pd
from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import ensemble_folder
from crsrisk.data.files import write_text
from crsrisk.data.published_figures import METRIC_MEANINGS
from crsrisk.data.yaml_files import build, read_json_object
from crsrisk.errors import InputError
from crsrisk.plots.chart_data import Axis, ForecastMark, Forecasts
from crsrisk.results import Result, to_plain
from crsrisk.wording import NOTICE, number, short_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Metric: TypeAlias = Literal["crs_any_rate", "crs_grade2plus_rate", "crs_grade3plus_rate"]
Group: TypeAlias = Literal["engagers", "cells", "others"]
METRICS: tuple[Metric, ...] = get_args(Metric)
# rival -> its short name in columns and legends
RIVALS: Mapping[str, str] = MappingProxyType(
    {"class_mean": "class_mean", "class_distribution": "class", "regression": "regression"}
)
_ENDS = (0.1, 0.25, 0.5, 1.0)  # of an axis of rates
FILE = "cross_validation.json"
CURE = "make it: crsrisk run experiments/002_calibration"


class Scores(Strict):
    """How well one forecast met one published rate: lower is better, but for the density.

    ``crps`` is the continuous ranked probability score of the share that the trial would print (a
    point forecast's is its absolute error); ``log_density`` the logarithm of the probability that
    it gave to the count that was seen, absent where it gave none.
    """

    median: float
    crps: float
    log_density: float | None


class CrossValidatedRate(Strict):
    """One published rate, and what was forecast of it without any figure of its product.

    Rates are shares (0-1). Intervals hold what is not known of assumptions and product, how trials
    of one product differ, and chance at the trial's size. ``pit`` is the randomised probability
    integral transform of the count, ``weight`` the figure's part in its product's single vote.
    ``rivals`` by name: ``class_mean``, ``class_distribution``, ``regression``; and the
    ``mechanism`` alone, where the forecast is a mixture. ``low_reading`` and ``high_reading`` are
    the medians with every uncertain number of the product's file at the end of its range that gives
    less, or more.
    """

    id: str
    trial: str
    product: str
    label: str
    platform: str
    group: Group
    metric: Metric
    published: float
    events: int = Field(ge=0)
    n: int = Field(gt=0)
    verified: bool
    weight: float
    median: float
    low_50: float
    high_50: float
    low_95: float
    high_95: float
    crps: float
    log_density: float | None
    pit: float
    low_reading: float
    high_reading: float
    rivals: dict[str, Scores]
    note: str = ""

    @property
    def is_inside_95(self) -> bool:
        """Whether the published rate lies in the 95% interval."""
        return self.low_95 <= self.published <= self.high_95

    @property
    def is_inside_50(self) -> bool:
        """Whether the published rate lies in the 50% interval."""
        return self.low_50 <= self.published <= self.high_50

    @property
    def is_scored(self) -> bool:
        """Whether it counts in the scores: checkpoint inhibitors and TIL are shown only."""
        return self.group != "others"

    @property
    def surprise(self) -> float:
        """How far out in the forecast the published count lies: 0 in the middle, 1 at an end."""
        return abs(2.0 * self.pit - 1.0)

    def crps_of(self, rival: str) -> float | None:
        """The CRPS of a rival; None where it has no forecast."""
        return self.rivals[rival].crps if rival in self.rivals else None


class Interval(Strict):
    """A figure with the 95% bootstrap interval over products; absent where it cannot be had."""

    value: float | None
    low: float | None
    high: float | None


class MetricScore(Strict):
    """Scores of one rate over all products, each product one weight.

    Skill is 1 - score / score of the rival: above 0 the forecast is better. It is of the CRPS; the
    mean log densities stand beside one another.
    """

    n_products: int
    n_rates: int
    mae: Interval
    crps: Interval
    inside_95: Interval
    inside_50: Interval
    skill_against_class: Interval
    skill_against_class_mean: Interval
    skill_against_regression: Interval
    log_density: float | None
    log_density_class: float | None
    log_density_regression: float | None
    # of mechanism, regression and class distribution in the forecast that ships
    weights: dict[str, float]


class CrossValidationSummary(Strict):
    """What the cross-validation says in all: by metric, and of any grade within classes."""

    metrics: dict[str, MetricScore]
    rank_correlation_any: Interval
    rank_correlation_any_engagers: float | None
    rank_correlation_any_cells: float | None
    mae_any_engagers: float
    mae_any_cells: float
    mae_class_mean_any_engagers: float
    mae_class_mean_any_cells: float
    inside_95_all: Interval
    pit_p: float
    pit_p_mc_error: float


class CrossValidation(Result, Strict):
    """Every scored rate forecast without its product, and the scores.

    Read by :func:`cross_validation`; made by ``crsrisk run experiments/002_calibration``.

    Attributes
    ----------
    version, seed, n_members, ensemble : of the package, of the computation, and of the ensemble
        that it belongs to (its digest).
    rows : one :class:`CrossValidatedRate` a published rate.
    summary_of : the scores by rate, and over all.
    """

    version: str
    seed: int
    n_members: int
    ensemble: str  # digest of the ensemble that it belongs to
    rows: tuple[CrossValidatedRate, ...] = Field(strict=False)  # JSON knows lists alone
    summary_of: CrossValidationSummary

    def of(self, metric: Metric) -> tuple[CrossValidatedRate, ...]:
        """The rows of one rate."""
        return tuple(row for row in self.rows if row.metric == metric)

    def summary(self) -> str:
        """How many rates of how many products, and the coverage."""
        products = len({row.product for row in self.rows})
        inside = self.summary_of.inside_95_all.value
        share = "" if inside is None else f", {100 * inside:.0f}% inside 95% intervals"
        return f"{len(self.rows)} published rates of {products} products{share}"

    def to_frame(self) -> pd.DataFrame:
        """One row a published rate: the forecast, its scores and the CRPS of each rival."""
        return pd.DataFrame([_flat(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """What ``crsrisk evidence cross-validation --json`` prints."""
        return dict(json_of(self))

    def forecasts(self, metric: Metric = "crs_any_rate") -> Forecasts:
        """Data of the dot plot of one rate: scored products, the most surprising first."""
        rows = [row for of in by_surprise(self.of(metric)) for row in of if row.is_scored]
        what = METRIC_MEANINGS[metric].family
        n_inside = sum(row.is_inside_95 for row in rows)
        highest = max((max(row.high_95, row.published) for row in rows), default=1.0)
        return Forecasts(
            Axis("Patients of 100", 0.0, next(end for end in _ENDS if highest <= end), 100.0),
            [_mark(row) for row in rows],
            rivals=tuple(name.replace("_", " ") for name in RIVALS),
            description=(
                f"CRS of {what}, {len(rows)} published rates of"
                f" {len({row.product for row in rows})} products, each beside its forecast without"
                f" any figure of the product; the most surprising product first. {n_inside} lie"
                f" inside the 95% interval. {NOTICE}"
            ),
        )

    def plot(
        self, metric: Metric = "crs_any_rate", *, ax: Axes | None = None, title: str = ""
    ) -> Axes:
        """Each published rate beside the forecast that was made without its product.

        Bar: the 50% interval; line: the 95% interval; stroke: the median. The published rate is a
        disc inside the 95% interval and a diamond outside, hollow where it is recalled. Faint:
        the medians of the rivals. The most surprising product comes first.

        Parameters
        ----------
        metric : ``"crs_any_rate"``, ``"crs_grade2plus_rate"`` or ``"crs_grade3plus_rate"``.
        ax : axes to draw on; new ones when left out.
        title : bold, above the plot.

        Returns
        -------
        The matplotlib axes.
        """
        from crsrisk.plots.forecast_charts import plot_forecasts

        return plot_forecasts(self.forecasts(metric), ax=ax, title=title)


def by_surprise(rows: Iterable[CrossValidatedRate]) -> list[tuple[CrossValidatedRate, ...]]:
    """Rows product by product, the most surprising product first.

    A product is as surprising as its most surprising rate; its own rows stand by metric, the most
    surprising first within one.
    """
    of: dict[str, list[CrossValidatedRate]] = {}
    for row in rows:
        of.setdefault(row.product, []).append(row)
    ordered = sorted(of.values(), key=lambda rows: (-_most(rows), rows[0].product))
    return [
        tuple(sorted(rows, key=lambda row: (METRICS.index(row.metric), -row.surprise, row.id)))
        for rows in ordered
    ]


def _most(rows: Iterable[CrossValidatedRate]) -> float:
    return max(row.surprise for row in rows)


def _mark(row: CrossValidatedRate) -> ForecastMark:
    return ForecastMark(
        label=f"{short_label(row.label)}, {number(row.n, digits=0)} patients",
        median=row.median,
        interval_50=(row.low_50, row.high_50),
        interval_95=(row.low_95, row.high_95),
        published=row.published,
        is_verified=row.verified,
        rivals=tuple(row.rivals[name].median if name in row.rivals else None for name in RIVALS),
    )


def _flat(row: CrossValidatedRate) -> dict[str, Any]:
    return row.model_dump(exclude={"rivals"}) | {
        f"crps_{short}": row.crps_of(rival) for rival, short in RIVALS.items()
    }


# What was asked of the forecasts before they were scored.

LEAST_BETTER_THAN_CLASS = 0.10  # share of the CRPS of the class distribution
MOST_WORSE_THAN_REGRESSION = 0.02  # share of the CRPS of the regression
MOST_ERROR: Mapping[str, float] = MappingProxyType({"engagers": 0.19, "cells": 0.23})
LEAST_RANK_CORRELATION = 0.3
LEAST_INSIDE_95 = 0.90
LEAST_P = 0.01


@dataclass(frozen=True)
class Bar:
    """One thing that was asked of the forecasts, and what was found.

    ``words`` say what was asked and ``found`` what came out; ``value`` is held against ``bar``.
    ``met`` is None where the figure cannot be had.
    """

    name: str
    words: str
    value: float | None
    bar: float
    met: bool | None
    found: str

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or ``not known``."""
        return "not known" if self.met is None else "met" if self.met else "missed"


def _at_least(name: str, words: str, value: float | None, bar: float, found: str) -> Bar:
    met = None if value is None else value >= bar
    return Bar(name, words, value, bar, met, found if met is not None else "not estimable")


def bars(made: CrossValidation) -> tuple[Bar, ...]:
    """What was asked of the forecasts, each with what was found and whether it is met."""
    score = made.summary_of
    rank, inside = score.rank_correlation_any.value, score.inside_95_all.value
    return (
        *_crps_bars(score.metrics.get("crs_any_rate")),
        _error_bar("engagers", score.mae_any_engagers),
        _error_bar("cells", score.mae_any_cells),
        _at_least(
            "rank_correlation_any",
            "any grade: rank correlation within engagers and cells at least"
            f" {LEAST_RANK_CORRELATION:g}",
            rank,
            LEAST_RANK_CORRELATION,
            number(rank),
        ),
        *(
            _density_bar(metric, score.metrics.get(metric))
            for metric in METRICS
            if metric != "crs_any_rate"
        ),
        _at_least(
            "inside_95",
            f"all rates: at least {100 * LEAST_INSIDE_95:g}% inside their 95% interval",
            inside,
            LEAST_INSIDE_95,
            "" if inside is None else f"{number(100 * inside, digits=0)}%",
        ),
        _at_least(
            "pit_p",
            f"all rates: uniform PIT values not rejected at {LEAST_P:g}",
            score.pit_p,
            LEAST_P,
            f"p = {number(score.pit_p, digits=3)}",
        ),
    )


def _crps_bars(score: MetricScore | None) -> tuple[Bar, Bar]:
    skills = {
        "class": None if score is None else score.skill_against_class.value,
        "regression": None if score is None else score.skill_against_regression.value,
    }
    return (
        _at_least(
            "crps_any_against_class",
            f"any grade: CRPS at least {100 * LEAST_BETTER_THAN_CLASS:g}% below that of the class"
            " distribution",
            skills["class"],
            LEAST_BETTER_THAN_CLASS,
            _below(skills["class"]),
        ),
        _at_least(
            "crps_any_against_regression",
            f"any grade: CRPS at most {100 * MOST_WORSE_THAN_REGRESSION:g}% above that of the"
            " regression",
            skills["regression"],
            -MOST_WORSE_THAN_REGRESSION,
            _below(skills["regression"]),
        ),
    )


def _below(skill: float | None) -> str:
    """A skill score as how far the CRPS lies below (or above) the rival's."""
    if skill is None:
        return ""
    return f"{number(100 * abs(skill), digits=1)}% {'above' if skill < 0 else 'below'}"


def _error_bar(group: Group, error: float) -> Bar:
    most = MOST_ERROR[group]
    words = f"any grade, {group}: mean absolute error at most {100 * most:g} of 100 patients"
    found = f"{number(100 * error, digits=1)} of 100"
    return Bar(f"mae_any_{group}", words, error, most, error <= most, found)


def _density_bar(metric: Metric, score: MetricScore | None) -> Bar:
    """A forecast that gave a published count no probability misses; a rival that did is beaten."""
    words = (
        f"{METRIC_MEANINGS[metric].family}: mean log density not below that of the class"
        " distribution"
    )
    name = f"log_density_{metric.removeprefix('crs_').removesuffix('_rate')}"
    if score is None:
        return Bar(name, words, None, 0.0, None, "not estimable")
    own, rival = score.log_density, score.log_density_class
    if own is None or rival is None:
        met = None if own is rival else own is not None
        return Bar(name, words, None, 0.0, met, "no probability for a count that was seen")
    apart = own - rival
    found = f"{number(abs(apart), digits=3)} {'below' if apart < 0 else 'above'}"
    return Bar(name, words, apart, 0.0, apart >= 0.0, found)


def save_cross_validation(made: CrossValidation, folder: Path) -> None:
    """Write ``cross_validation.json`` to the folder of an ensemble."""
    write_text(folder / FILE, made.model_dump_json(indent=1) + "\n")


def load_cross_validation(folder: Path | None = None) -> CrossValidation | None:
    """The cross-validation beside an ensemble (without a folder: the one that ships); None when it
    was not computed.

    Raises :class:`InputError` for a file that is no cross-validation.
    """
    path = (folder or ensemble_folder()) / FILE
    tree = read_json_object(path, cure=CURE)
    return None if tree is None else build(CrossValidation, tree, where=path.name)


def cross_validation(folder: str | Path | None = None) -> CrossValidation:
    """How well products were forecast from everything but their own figures.

    The forecasts were computed once, with the calibration; this reads what came out.

    Parameters
    ----------
    folder : of another ensemble than the one that ships.

    Raises
    ------
    InputError
        When none was computed for this ensemble.
    """
    place = ensemble_folder() if folder is None else Path(folder).expanduser()
    made = load_cross_validation(place)
    if made is None:
        raise InputError(
            where=FILE,
            found="no cross-validation beside the ensemble: it was not computed for this version",
            expected=f"{FILE} beside members.csv",
            cure=CURE,
        )
    return made


def json_of(made: CrossValidation) -> Mapping[str, Any]:
    """What ``crsrisk evidence cross-validation --json`` prints.

    ``rows``: one a published rate. ``summary``: plain numbers by metric and over all, each with an
    interval has it under ``intervals`` beside it. ``bars``: what was asked, and whether it is met.
    """
    whole = made.summary_of
    plain = {
        "version": made.version,
        "seed": made.seed,
        "n_members": made.n_members,
        "ensemble": made.ensemble,
        "rows": [_flat(row) for row in made.rows],
        "summary": {
            **{name: _apart(of) for name, of in whole.metrics.items()},
            **_apart(whole),
        },
        "bars": [{**to_plain(bar), "verdict": bar.verdict} for bar in bars(made)],
        "notice": NOTICE,
    }
    return {name: to_plain(part) for name, part in plain.items()}


def _apart(scores: MetricScore | CrossValidationSummary) -> dict[str, Any]:
    """Every figure under its name as a plain number, and intervals apart."""
    parts = {name: getattr(scores, name) for name in type(scores).model_fields if name != "metrics"}
    known = {name: part for name, part in parts.items() if isinstance(part, Interval)}
    return {
        **{
            name: part.value if isinstance(part, Interval) else part for name, part in parts.items()
        },
        "intervals": {name: [part.low, part.high] for name, part in known.items()},
    }
