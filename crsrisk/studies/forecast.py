"""PublishedForecast: published figures and new products, forecast over the ensemble of
assumptions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.product import Product
from crsrisk.data.published_figures import (
    METRIC_MEANINGS,
    Comparison,
    PublishedFigure,
    Trial,
    counted_once,
)
from crsrisk.data.world import World
from crsrisk.data.world_files import load_product
from crsrisk.folders import evidence_only_products, names
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.evidence import (
    STATEMENT,
    compare,
    published_interval,
    summarise,
)
from crsrisk.simulation.published_trials import trial_simulator
from crsrisk.studies.export import refuse_twice, reject_unused
from crsrisk.uncertainty.constants import product_constants
from crsrisk.uncertainty.forecast import Forecast, forecast
from crsrisk.uncertainty.observations import Target

# Published: every trial of the evidence simulated over its own window, under its own policy, and
# compared.


def products_of(trials: Sequence[Trial], *, given: Sequence[Product] = ()) -> dict[str, Product]:
    """The products of some trials by name: those given, and for all other names those that ship."""
    own = {product.name: product for product in given}
    names = sorted({name for trial in trials for name in trial.products})
    return {name: own[name] if name in own else load_product(name) for name in names}


def compare_with_published(
    trials: Sequence[Trial],
    *,
    world: World,
    seed: int,
    n: int,
    n_rare: int,
    products: Sequence[Product] = (),
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
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
    """The comparison as a table on the terminal, then how many figures of each role agree."""
    table = Table(title="Simulated against published figures", title_justify="left")
    for name in (
        "figure",
        "trial",
        "what",
        "published (95% interval)",
        "simulated +- MC error",
        "role",
        "verdict",
    ):
        table.add_column(
            name, overflow="fold", justify="right" if "(" in name or "+-" in name else "left"
        )
    for row in rows:
        interval = (
            ""
            if isnan(row.low)
            else f" ({_figure(row.low, row.unit)} to {_figure(row.high, row.unit)})"
        )
        doubt = "" if row.verified else " unverified"
        table.add_row(
            row.id,
            row.trial,
            row.metric,
            _figure(row.published, row.unit) + interval + doubt,
            f"{_figure(row.simulated, row.unit)} +- {_figure(row.mc_error, row.unit)}",
            row.role,
            row.verdict,
        )
    console = Console(width=max(Console().width, 150))
    console.print(table)
    for role, found in summarise(rows)["by_role"].items():
        console.print(
            f"{role}: {found['n_agree']} of {found['n_judged']} judged figures agree "
            f"({found['n_figures']} figures of {found['n_trials']} trials)"
        )


Advance = Callable[[int], None]
NOTICE = "Synthetic patients; research use; no external validation."
PER_MEMBER = 160  # patients simulated for each arm and member
RARE_FOLD = 5  # that many times more under checkpoint inhibitors, in whom CRS is rare
_NEW: tuple[tuple[str, str, str], ...] = (
    ("crs_any", "crs_any_rate", "patients"),
    ("crs_grade2plus", "crs_grade2plus_rate", "patients"),
    ("crs_grade3plus", "crs_grade3plus_rate", "patients"),
    ("onset_median_h", "onset_median_h", "crs_patients"),
)


@dataclass(frozen=True)
class PublishedForecast:
    """A published figure beside its forecast."""

    figure: PublishedFigure
    trial: Trial
    forecast: Forecast

    @property
    def is_judged(self) -> bool:
        """Whether there is a forecast to compare with."""
        return not isnan(self.forecast.low)

    @property
    def is_inside(self) -> bool:
        """Whether the published figure lies inside the 95% predictive interval."""
        return self.is_judged and self.forecast.low <= self.figure.value <= self.forecast.high

    def to_dict(self) -> dict[str, Any]:
        """The row of the JSON answer; a missing number is null."""
        published = published_interval(self.figure, trial=self.trial)
        found = self.forecast
        row = {
            "id": self.figure.id,
            "trial": self.trial.name,
            "product": self.trial.product,
            "metric": self.figure.metric,
            "of": self.figure.of,
            "family": METRIC_MEANINGS[self.figure.metric].family,
            "grading": self.trial.grading,
            "unit": METRIC_MEANINGS[self.figure.metric].unit,
            "window_d": self.trial.window_d,
            "published": self.figure.value,
            "n": published.n,
            "low": published.low,
            "high": published.high,
            "simulated": found.value,
            "mc_error": found.mc_error,
            "predictive_low": found.low,
            "predictive_high": found.high,
            "assumptions_low": found.assumptions_low,
            "assumptions_high": found.assumptions_high,
            "n_members": found.n_members,
            "agrees": self.is_inside,
            "inside": self.is_inside,
            "judged": self.is_judged,
            "role": self.trial.role,
            "is_independent": self.trial.is_independent,
            "verified": self.figure.verified,
            "citation": self.figure.citation,
        }
        return {
            key: None if isinstance(value, float) and isnan(value) else value
            for key, value in row.items()
        }


def as_written(ensemble: Ensemble, products: Sequence[Product]) -> Ensemble:
    """The ensemble without what it holds of a number that a product's file states otherwise than
    the shipped file of that name: a user's own number counts, and is as uncertain as the user's
    file says.
    """
    known = {*names("products"), *evidence_only_products()}
    stale: set[str] = set()
    for product in products:
        if product.name in known:
            here, shipped = (
                {one.key: one for one in product_constants(noun, is_new=True)}
                for noun in (product, load_product(product.name))
            )
            stale |= {key for key, one in shipped.items() if here.get(key) != one}
    return ensemble.without(stale) if stale else ensemble


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
) -> list[PublishedForecast]:
    """Every published figure with its predictive interval at its trial's size, under its trial's
    grading.

    ``products``: those that the trials bring along; all others are found by name.
    """
    targets = [Target(figure, trial) for trial in trials for figure in trial.figures]
    chosen = list(products_of(trials, given=products).values())
    found = forecast(
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
    return [
        PublishedForecast(target.figure, target.trial, one)
        for target, one in zip(targets, found, strict=True)
    ]


def summarise_forecasts(rows: Sequence[PublishedForecast]) -> dict[str, Any]:
    """Coverage, error and width by role; figures of overlapping sources count each, independent
    ones apart.

    ``counted_once``, by role: the same among sources of which no two share patients. ``verified``,
    by role: the same among figures that were looked up, not recalled.
    """

    def part(role: str) -> list[PublishedForecast]:
        return [row for row in rows if row.trial.role == role and row.is_judged]

    calibration, validation = part("calibration"), part("validation")
    roles = {"calibration": calibration, "validation": validation}
    independent = [row for row in validation if row.trial.is_independent]
    return {
        "statement": STATEMENT,
        "targets": len(calibration),
        "inside": sum(row.is_inside for row in calibration),
        "validation_targets": len(validation),
        "validation_inside": sum(row.is_inside for row in validation),
        "independent_targets": len(independent),
        "independent_inside": sum(row.is_inside for row in independent),
        "not_judged": sum(not row.is_judged for row in rows),
        "mean_abs_error_any": _error_any(calibration),
        "validation_mean_abs_error_any": _error_any(validation),
        "independent_mean_abs_error_any": _error_any(independent),
        "mean_width_grade2plus": _width_grade2plus([*calibration, *validation]),
        "counted_once": {role: _counted_once(group) for role, group in roles.items()},
        "verified": {
            role: _part([row for row in group if row.figure.verified])
            for role, group in roles.items()
        },
    }


def _counted_once(rows: Sequence[PublishedForecast]) -> dict[str, Any]:
    taken = counted_once({row.trial.name: row.trial for row in rows}.values())
    return _part([row for row in rows if row.trial.name in taken])


def _part(rows: Sequence[PublishedForecast]) -> dict[str, Any]:
    return {
        "sources": len({row.trial.name for row in rows}),
        "targets": len(rows),
        "inside": sum(row.is_inside for row in rows),
        "mean_abs_error_any": _error_any(rows),
    }


def _error_any(rows: Sequence[PublishedForecast]) -> float | None:
    errors = [
        abs(row.forecast.value - row.figure.value)
        for row in rows
        if METRIC_MEANINGS[row.figure.metric].family == "any grade"
    ]
    return float(np.mean(errors)) if errors else None


def _width_grade2plus(rows: Sequence[PublishedForecast]) -> float | None:
    """Mean width of the intervals of rates of grade >= 2 among trials of 40 patients and more."""
    widths = [
        row.forecast.high - row.forecast.low
        for row in rows
        if METRIC_MEANINGS[row.figure.metric].family == "grade >= 2"
        and row.figure.is_rate
        and (published_interval(row.figure, trial=row.trial).n or 0) >= 40
    ]
    return float(np.mean(widths)) if widths else None


def forecast_tree(rows: Sequence[PublishedForecast]) -> dict[str, Any]:
    """An object with ``rows`` and ``summary``."""
    return {"rows": [row.to_dict() for row in rows], "summary": summarise_forecasts(rows)}


def forecast_products(
    products: Sequence[Product],
    *,
    ensemble: Ensemble,
    world: World,
    n: int,
    n_rare: int,
    seed: int,
    trial_size: int | None = None,
    regimen: str | None = None,
    mitigations: tuple[str, ...] = (),
    workers: int = 1,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Any grade, grade >= 2, grade >= 3 and median onset of products, each with its 95% predictive
    interval.

    The interval holds assumptions and differences between trials; with ``trial_size`` also chance
    in a trial of that size.
    """
    arms = [
        make_arm(product, world=world, regimen=regimen, mitigations=mitigations)
        for product in products
    ]
    refuse_twice(arms)
    reject_unused(mitigations, world=world, where="simulate", key="--mitigation")
    targets = [
        Target(figure, trial)
        for product in products
        for trial, figures in [_imagined(product, trial_size, regimen)]
        for figure in figures
    ]
    found = forecast(
        targets,
        ensemble=as_written(ensemble, products),
        world=world,
        products=products,
        n=n,
        n_rare=n_rare,
        seed=seed,
        workers=workers,
        at_trial_size=trial_size is not None,
        mitigations=mitigations,
        advance=advance,
    )
    settings = {
        arm.product.name: {
            "regimen": arm.regimen_name,
            "population": arm.population.name,
            "policy": arm.policy.name,
            "trial_size": trial_size,
            "notice": NOTICE,
        }
        for arm in arms
    }
    tree: dict[str, Any] = {}
    for target, one in zip(targets, found, strict=True):
        trial = target.trial
        row = tree.setdefault(
            trial.product,
            {
                "window_d": trial.window_d,
                "grading": trial.grading,
                "n_members": one.n_members,
                **settings[trial.product],
            },
        )
        name = next(name for name, metric, _ in _NEW if metric == target.figure.metric)
        row[name] = {
            key: None if isnan(value) else value
            for key, value in asdict(one).items()
            if key != "n_members"
        }
    return tree


def _imagined(
    product: Product, trial_size: int | None, regimen: str | None
) -> tuple[Trial, list[PublishedFigure]]:
    """A trial of a product that nobody has published: what is asked of it, without an answer."""
    figures = [
        PublishedFigure.model_validate(
            {
                "id": f"{product.name}-{name}",
                "metric": metric,
                "of": of,
                "value": 1.0,
                "citation": "forecast",
                "source_kind": "SEED",
                "confidence": "low",
                "note": "",
                "clock": "recent_dose" if metric.startswith("onset") else None,
            }
        )
        for name, metric, of in _NEW
    ]
    times = [dose.time_h for dose in product.regimens[regimen or product.default_regimen].doses]
    trial = Trial(
        name=f"forecast of {product.name}",
        label=product.label,
        product=product.name,
        regimen=regimen,
        n_patients=trial_size,
        grading=product.grading,
        window_d=product.window_d,
        window_reason="the product's own",
        dose_times_h=times,
        role="validation",
        role_reason="a forecast",
        is_independent=True,
        overlaps=[],
        rows=figures,
    )
    return trial, figures


def _figure(value: float, unit: str) -> str:
    return "-" if isnan(value) else f"{100 * value:.1f}%" if unit == "1" else f"{value:.3g} {unit}"


def print_products(found: dict[str, Any]) -> None:
    """Forecasts of products as a table on the terminal."""
    table = Table(
        title="PublishedForecast over the ensemble of assumptions (95% predictive intervals)",
        title_justify="left",
    )
    for name in ("product", "window", "CRS", "grade >= 2", "grade >= 3", "median onset"):
        table.add_column(name, justify="left" if name == "product" else "right")
    for product, row in found.items():
        cells = []
        for name, metric, _ in _NEW:
            unit = METRIC_MEANINGS[metric].unit
            one = {key: nan if value is None else value for key, value in row[name].items()}
            cells.append(
                f"{_figure(one['value'], unit)} ({_figure(one['low'], unit)} to"
                f" {_figure(one['high'], unit)})"
            )
        table.add_row(product, f"{row['window_d']:g} d", *cells)
    console = Console(width=max(Console().width, 130))
    console.print(table)
    console.print(
        "Intervals hold what is not known of the assumptions and how trials of one product differ."
        f" {NOTICE}"
    )


def _error_said(error: float | None) -> str:
    return "" if error is None else f", mean absolute error of any-grade rates {error:.3f}"


def print_published_forecasts(rows: Sequence[PublishedForecast]) -> None:
    """The forecasts as a table on the terminal, then coverage, error and width."""
    table = Table(title="Published figures and what the ensemble foretells", title_justify="left")
    for name in (
        "figure",
        "trial",
        "what",
        "published",
        "foretold (95% predictive interval)",
        "role",
        "verdict",
    ):
        table.add_column(
            name, overflow="fold", justify="right" if "(" in name or name == "published" else "left"
        )
    for row in rows:
        unit, one = METRIC_MEANINGS[row.figure.metric].unit, row.forecast
        doubt = "" if row.figure.verified else " unverified"
        verdict = "inside" if row.is_inside else "OUTSIDE" if row.is_judged else "not judged"
        table.add_row(
            row.figure.id,
            row.trial.name,
            row.figure.metric,
            _figure(row.figure.value, unit) + doubt,
            f"{_figure(one.value, unit)} ({_figure(one.low, unit)} to {_figure(one.high, unit)})",
            row.trial.role,
            verdict,
        )
    console = Console(width=max(Console().width, 150))
    console.print(table)
    found = summarise_forecasts(rows)
    for role, start in (("calibration", ""), ("validation", "validation_")):
        if found[f"{start}targets"]:
            parts = {
                "overlapping sources counted once": found["counted_once"][role],
                "without recalled figures": found["verified"][role],
            }
            within = "; ".join(
                f"{name}: {one['inside']} of"
                f" {one['targets']}{_error_said(one['mean_abs_error_any'])}"
                for name, one in parts.items()
            )
            console.print(
                f"{role}: {found[f'{start}inside']} of {found[f'{start}targets']} inside"
                f"{_error_said(found[f'{start}mean_abs_error_any'])} ({within})"
            )
    if found["independent_targets"]:
        console.print(
            f"independent sources: {found['independent_inside']} of {found['independent_targets']}"
            " inside"
        )
    if (width := found["mean_width_grade2plus"]) is not None:
        console.print(f"mean width of grade >= 2 intervals (n >= 40): {width:.2f}")
    console.print(STATEMENT)
