"""Simulated beside published trials: each figure that was printed, and what the simulator says.

Each trial of the evidence is simulated over its own window, under its own policy, and set beside
what it published (:func:`compare_with_published`), or forecast over the ensemble of assumptions
with predictive intervals at its own size (:func:`forecast_published`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.cross_validation import CrossValidation
from crsrisk.data.ensemble import Ensemble
from crsrisk.data.evidence_use import fitted_ids
from crsrisk.data.product import Product
from crsrisk.data.published_figures import (
    METRIC_MEANINGS,
    Comparison,
    FigureUse,
    PublishedFigure,
    Trial,
    counted_once,
)
from crsrisk.data.world import World
from crsrisk.data.world_files import load_product
from crsrisk.report.cross_validation import (
    RECALLED,
    SURPRISE,
    bar_table,
    product_table,
    ranking_in_words,
    score_table,
    when_not_to_trust,
)
from crsrisk.results import Result, to_plain
from crsrisk.simulation.evidence import STATEMENT, compare, published_interval, summarise
from crsrisk.simulation.published_trials import trial_simulator
from crsrisk.studies.forecast import as_written, told_figure
from crsrisk.terminal import console_of, text_table
from crsrisk.uncertainty.forecast import PredictiveInterval, forecast_targets
from crsrisk.uncertainty.observations import Target
from crsrisk.wording import NOTICE

Advance = Callable[[int], None]
FEWEST_FOR_WIDTH = 40  # patients of a trial whose intervals enter the mean width
USES: tuple[FigureUse, ...] = ("likelihood", "shown")


def products_of(trials: Sequence[Trial], *, given: Sequence[Product] = ()) -> dict[str, Product]:
    """The products of some trials by name: those given, and for all other names those that ship."""
    by_name = {product.name: product for product in given}
    names = sorted({name for trial in trials for name in trial.products})
    return {name: by_name[name] if name in by_name else load_product(name) for name in names}


def compare_with_published(
    trials: Sequence[Trial],
    *,
    world: World,
    seed: int,
    n: int,
    n_rare: int,
    products: Sequence[Product] = (),
    workers: int = 1,
    advance: Advance | None = None,
) -> list[Comparison]:
    """Simulate each trial (``n`` patients, ``n_rare`` for checkpoint inhibitors) and set it beside
    what it published.

    Trials that differ in nothing the simulator knows share one simulation. ``products``: those that
    ship in no file.
    """
    by_name = products_of(trials, given=products)
    simulate = trial_simulator(by_name, world=world, n=n, n_rare=n_rare, seed=seed, workers=workers)

    def simulate_trial(trial: Trial) -> pd.DataFrame:
        table = simulate(trial)
        if advance is not None:
            advance(1)
        return table

    return compare(trials, simulate_trial=simulate_trial)


def print_comparisons(rows: Sequence[Comparison]) -> None:
    """The comparison as a table on the terminal, then how many figures of each use agree."""

    def cells(row: Comparison) -> tuple[str, ...]:
        published, low, high, simulated, error = (
            told_figure(value, row.unit)
            for value in (row.published, row.low, row.high, row.simulated, row.mc_error)
        )
        interval = "" if isnan(row.low) else f" ({low} to {high})"
        doubt = "" if row.verified else " unverified"
        return (
            row.id,
            row.trial,
            row.metric,
            f"{published}{interval}{doubt}",
            f"{simulated} +- {error}",
            row.use,
            row.verdict,
        )

    numbers = ("published (95% interval)", "simulated +- MC error")
    table = text_table(
        "Simulated against published figures",
        ("figure", "trial", "what", *numbers, "use", "verdict"),
        map(cells, rows),
        right=numbers,
    )
    console = console_of(150)
    table.print(console)
    for use, tally in summarise(rows).by_use.items():
        console.print(
            f"{use}: {tally.n_agree} of {tally.n_judged} judged figures agree "
            f"({tally.n_figures} figures of {tally.n_trials} trials)"
        )


@dataclass(frozen=True, repr=False)
class PublishedForecast(Result):
    """A published figure beside its forecast at the size of its trial."""

    figure: PublishedFigure
    trial: Trial
    forecast: PredictiveInterval
    use: FigureUse = "shown"

    @property
    def is_judged(self) -> bool:
        """Whether there is a forecast to compare with."""
        return self.forecast.is_known

    @property
    def is_inside(self) -> bool:
        """Whether the published figure lies inside the 95% predictive interval."""
        predicted = self.forecast.predictive
        return self.is_judged and predicted.low <= self.figure.value <= predicted.high

    def summary(self) -> str:
        """The figure, its forecast and whether it lies inside, in one line."""
        unit, predicted = METRIC_MEANINGS[self.figure.metric].unit, self.forecast.predictive
        value, low, high = (
            told_figure(part, unit) for part in (predicted.value, predicted.low, predicted.high)
        )
        return (
            f"{self.figure.id} {self.trial.name}: {self.figure.metric},"
            f" published {told_figure(self.figure.value, unit)}, forecast {value} ({low} to"
            f" {high}): {self.verdict}"
        )

    @property
    def verdict(self) -> str:
        """``inside``, ``OUTSIDE`` or ``not judged``."""
        return "inside" if self.is_inside else "OUTSIDE" if self.is_judged else "not judged"

    def to_dict(self) -> dict[str, Any]:
        """The row of the JSON answer, flat as those of a comparison; a missing number is null."""
        published = published_interval(self.figure, trial=self.trial)
        meaning, forecast = METRIC_MEANINGS[self.figure.metric], self.forecast
        row = {
            "id": self.figure.id,
            "trial": self.trial.name,
            "product": self.trial.product,
            "metric": self.figure.metric,
            "of": self.figure.of,
            "family": meaning.family,
            "grading": self.trial.grading,
            "unit": meaning.unit,
            "window_d": self.trial.window_d,
            "published": self.figure.value,
            "n": published.n,
            "low": published.low,
            "high": published.high,
            "simulated": forecast.predictive.value,
            "mc_error": forecast.predictive.mc_error,
            "predictive_low": forecast.predictive.low,
            "predictive_high": forecast.predictive.high,
            "assumptions_low": forecast.assumptions.low,
            "assumptions_high": forecast.assumptions.high,
            "n_members": forecast.n_members,
            "agrees": self.is_inside,
            "inside": self.is_inside,
            "judged": self.is_judged,
            "use": self.use,
            "verified": self.figure.verified,
            "citation": self.figure.citation,
        }
        return {name: to_plain(value) for name, value in row.items()}


@dataclass(frozen=True)
class Coverage:
    """How many figures of a group lie inside their predictive interval.

    ``mean_abs_error_any`` (0-1) is that of rates of any grade; None without such a figure.
    """

    sources: int
    targets: int
    inside: int
    mean_abs_error_any: float | None


@dataclass(frozen=True)
class CoverageByUse:
    """The same of the figures in the likelihood, and of those that are shown only."""

    likelihood: Coverage
    shown: Coverage

    def of(self, use: FigureUse) -> Coverage:
        """Those of one use."""
        return self.likelihood if use == "likelihood" else self.shown


@dataclass(frozen=True, repr=False)
class PublishedForecasts(Result):
    """Every published figure with its forecast, and how many lie inside.

    ``all`` counts figures of overlapping sources each; ``counted_once`` only those of sources of
    which no two share patients; ``verified`` only figures that were looked up, not recalled.
    """

    rows: tuple[PublishedForecast, ...]

    def _coverage(self, keep: Callable[[PublishedForecast], bool]) -> CoverageByUse:
        def of_use(use: FigureUse) -> Coverage:
            return _coverage([row for row in self.judged(use) if keep(row)])

        return CoverageByUse(of_use("likelihood"), of_use("shown"))

    def judged(self, use: FigureUse) -> list[PublishedForecast]:
        """Figures of one use that have a forecast."""
        return [row for row in self.rows if row.use == use and row.is_judged]

    @property
    def all(self) -> CoverageByUse:
        """Every figure."""
        return self._coverage(lambda row: True)

    @property
    def verified(self) -> CoverageByUse:
        """Without figures that are only recalled."""
        return self._coverage(lambda row: row.figure.verified)

    @property
    def counted_once(self) -> CoverageByUse:
        """No patient twice."""
        taken = {
            use: counted_once({row.trial.name: row.trial for row in self.judged(use)}.values())
            for use in USES
        }
        return self._coverage(lambda row: row.trial.name in taken[row.use])

    @property
    def n_not_judged(self) -> int:
        """Figures without a forecast."""
        return sum(not row.is_judged for row in self.rows)

    @property
    def mean_width_grade2plus(self) -> float | None:
        """Mean width of the intervals of rates of grade >= 2 among trials of 40 patients and more;
        None without any.
        """
        widths = [
            row.forecast.predictive.high - row.forecast.predictive.low
            for use in USES
            for row in self.judged(use)
            if METRIC_MEANINGS[row.figure.metric].family == "grade >= 2"
            and row.figure.is_rate
            and (published_interval(row.figure, trial=row.trial).n or 0) >= FEWEST_FOR_WIDTH
        ]
        return float(np.mean(widths)) if widths else None

    def summary(self) -> str:
        """Coverage by use, as it is printed below the table."""
        return "\n".join(_coverage_lines(self))

    def to_frame(self) -> pd.DataFrame:
        """One row a figure: published, forecast, intervals and verdict."""
        return pd.DataFrame([row.to_dict() for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """An object with ``rows`` and ``summary``."""
        summary = {
            "statement": STATEMENT,
            "all": self.all,
            "counted_once": self.counted_once,
            "verified": self.verified,
            "not_judged": self.n_not_judged,
            "mean_width_grade2plus": self.mean_width_grade2plus,
        }
        return {"rows": [row.to_dict() for row in self.rows], "summary": to_plain(summary)}


def _coverage(rows: Sequence[PublishedForecast]) -> Coverage:
    errors = [
        abs(row.forecast.predictive.value - row.figure.value)
        for row in rows
        if METRIC_MEANINGS[row.figure.metric].family == "any grade"
    ]
    return Coverage(
        sources=len({row.trial.name for row in rows}),
        targets=len(rows),
        inside=sum(row.is_inside for row in rows),
        mean_abs_error_any=float(np.mean(errors)) if errors else None,
    )


def forecast_published(
    trials: Sequence[Trial],
    *,
    ensemble: Ensemble,
    world: World,
    n: int,
    n_rare: int,
    seed: int,
    products: Sequence[Product] = (),
    workers: int = 1,
    advance: Advance | None = None,
) -> PublishedForecasts:
    """Every published figure with its predictive interval at its trial's size, under its trial's
    grading.

    ``products``: those that the trials bring along; all others are found by name.
    """
    targets = [Target(figure, trial) for trial in trials for figure in trial.figures]
    chosen = list(products_of(trials, given=products).values())
    intervals = forecast_targets(
        targets,
        ensemble=as_written(ensemble, chosen),
        world=world,
        products=chosen,
        n=n,
        n_rare=n_rare,
        seed=seed,
        workers=workers,
        advance=advance,
    )
    fitted = fitted_ids(trials)
    return PublishedForecasts(
        tuple(
            PublishedForecast(
                target.figure,
                target.trial,
                interval,
                "likelihood" if target.figure.id in fitted else "shown",
            )
            for target, interval in zip(targets, intervals, strict=True)
        )
    )


def print_published_forecasts(made: PublishedForecasts) -> None:
    """The forecasts as a table on the terminal, then coverage, error and width."""

    def cells(row: PublishedForecast) -> tuple[str, ...]:
        unit, predicted = METRIC_MEANINGS[row.figure.metric].unit, row.forecast.predictive
        value, low, high = (
            told_figure(part, unit) for part in (predicted.value, predicted.low, predicted.high)
        )
        doubt = "" if row.figure.verified else " unverified"
        return (
            row.figure.id,
            row.trial.name,
            row.figure.metric,
            told_figure(row.figure.value, unit) + doubt,
            f"{value} ({low} to {high})",
            row.use,
            row.verdict,
        )

    numbers = ("published", "forecast (95% predictive interval)")
    table = text_table(
        "Published figures and what the ensemble forecasts",
        ("figure", "trial", "what", *numbers, "use", "verdict"),
        map(cells, made.rows),
        right=numbers,
    )
    console = console_of(150)
    table.print(console)
    for line in _coverage_lines(made):
        console.print(line)


def _coverage_lines(made: PublishedForecasts) -> list[str]:
    lines = []
    for use in USES:
        everything = made.all.of(use)
        if everything.targets:
            parts = {
                "overlapping sources counted once": made.counted_once.of(use),
                "without recalled figures": made.verified.of(use),
            }
            within = "; ".join(
                f"{name}: {part.inside} of {part.targets}{_error_in_words(part)}"
                for name, part in parts.items()
            )
            lines.append(
                f"{use}: {everything.inside} of {everything.targets} inside"
                f"{_error_in_words(everything)} ({within})"
            )
    if (width := made.mean_width_grade2plus) is not None:
        lines.append(f"mean width of grade >= 2 intervals (n >= {FEWEST_FOR_WIDTH}): {width:.2f}")
    return [*lines, STATEMENT]


def _error_in_words(coverage: Coverage) -> str:
    error = coverage.mean_abs_error_any
    return "" if error is None else f", mean absolute error of any-grade rates {error:.3f}"


def print_cross_validation(made: CrossValidation) -> None:
    """The cross-validation on the terminal: products, scores, what was asked, and when not to trust
    a forecast.
    """
    console = console_of(100)
    product_table(made).print(console)
    console.print(
        f"{SURPRISE} {RECALLED} recalled, not verified. CRPS (of 100 patients; 0 is best) of the"
        " forecast, of the class distribution and of the regression on product files; without these"
        " two a product counts in no score."
    )
    for told in (score_table(made), bar_table(made)):
        console.print()
        told.print(console)
    for sentence in (ranking_in_words(made), when_not_to_trust(made), NOTICE):
        console.print()
        console.print(sentence, markup=False)
