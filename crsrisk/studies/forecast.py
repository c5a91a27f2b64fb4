"""Forecasts: what trials of a product would report of CRS, over the ensemble of assumptions.

A forecast spreads for three reasons: which assumptions hold, how a trial differs from others of its
product, and chance at the trial's size (:mod:`crsrisk.uncertainty.forecast`). Constants that no
calibration has seen, such as those of a new product, are drawn from their priors for every member.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pandas as pd

from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.data.product import Product
from crsrisk.data.published_figures import METRIC_MEANINGS, PublishedFigure, Trial
from crsrisk.data.world import World, load_world, with_own_places
from crsrisk.data.world_files import load_product
from crsrisk.folders import evidence_only_products, names
from crsrisk.plots.chart_data import Axis, Dot, Dots
from crsrisk.results import Estimate, NotEstimable, Result, to_plain
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.studies.export import refuse_twice, reject_unused
from crsrisk.terminal import TextTable, console_of, text_table
from crsrisk.uncertainty.constants import product_constants
from crsrisk.uncertainty.forecast import PredictiveInterval, forecast_targets
from crsrisk.uncertainty.observations import Target
from crsrisk.wording import short_label, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Begin: TypeAlias = Callable[[str, int], Callable[[int], None]]
Metric: TypeAlias = Literal["crs_any", "crs_grade2plus", "crs_grade3plus", "onset_median_h"]
NOTICE = "Synthetic patients; research use; no external validation."
PER_MEMBER = 160  # patients simulated for each arm and member
RARE_FOLD = 5  # that many times more under checkpoint inhibitors, in whom CRS is rare


@dataclass(frozen=True)
class _Asked:
    """A figure that is asked of every product: its metric in the evidence files, and its words."""

    metric: str
    of: str
    label: str


_ASKED: dict[Metric, _Asked] = {
    "crs_any": _Asked("crs_any_rate", "patients", "CRS"),
    "crs_grade2plus": _Asked("crs_grade2plus_rate", "patients", "grade >= 2"),
    "crs_grade3plus": _Asked("crs_grade3plus_rate", "patients", "grade >= 3"),
    "onset_median_h": _Asked("onset_median_h", "crs_patients", "median onset"),
}
RATES: tuple[Metric, ...] = ("crs_any", "crs_grade2plus", "crs_grade3plus")


@dataclass(frozen=True)
class ProductForecast:
    """What a trial of one product would report within ``window_d`` days after the first dose.

    Shares of all patients (0-1) with CRS of any grade, of grade >= 2 and of grade >= 3 under the
    product's ``grading``, and the median hours from the most recent dose to onset among patients
    with CRS; each with its predictive interval and that from the assumptions alone.
    """

    product: str
    label: str
    regimen: str
    population: str
    policy: str
    mitigations: tuple[str, ...]
    window_d: float
    grading: str
    n_members: int
    crs_any: PredictiveInterval
    crs_grade2plus: PredictiveInterval
    crs_grade3plus: PredictiveInterval
    onset_median_h: PredictiveInterval

    def metric(self, name: Metric) -> PredictiveInterval:
        """One of the four figures by its name."""
        figure: PredictiveInterval = getattr(self, name)
        return figure


@dataclass(frozen=True, repr=False)
class Forecast(Result):
    """What trials of some products would report, with everything that is not known about it.

    The 95% predictive intervals hold what is not known of the assumptions and how trials of one
    product differ; with ``trial_size`` also chance in a trial of so many patients. Synthetic
    patients; nothing here has been compared with a trial of the product.

    Attributes
    ----------
    products : one :class:`ProductForecast` a product, in the order asked for.
    trial_size : patients of the trial; None leaves chance at its size out.
    scenario : name of the scenario whose world the members vary.
    seed : of the patients and of chance.
    notice : the sentence that stands wherever a rate is shown.
    """

    products: tuple[ProductForecast, ...]
    trial_size: int | None
    scenario: str
    seed: int
    notice: str = NOTICE

    def __getitem__(self, product: str) -> ProductForecast:
        """The forecast of one product by its name."""
        for row in self.products:
            if row.product == product:
                return row
        raise KeyError(product)

    def summary(self) -> str:
        """One line a product: grade >= 2 with its interval, window and size of the trial."""
        size = "no trial size" if self.trial_size is None else f"a trial of {self.trial_size}"
        head = f"{len(self.products)} products, {size}, scenario {self.scenario}"
        lines = [
            f"{row.product}: grade >= 2 {_told(row.crs_grade2plus, '1')} within {row.window_d:g} d"
            for row in self.products
        ]
        return "\n".join([head, *lines[:12], *(["..."] if len(lines) > 12 else []), self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a product and figure: median, predictive interval, interval from the assumptions
        alone, Monte Carlo error; shares 0-1, onset in hours.
        """
        return pd.DataFrame(
            [
                {
                    "product": row.product,
                    "metric": name,
                    "median": row.metric(name).predictive.value,
                    "low": row.metric(name).predictive.low,
                    "high": row.metric(name).predictive.high,
                    "assumptions_low": row.metric(name).assumptions.low,
                    "assumptions_high": row.metric(name).assumptions.high,
                    "mc_error": row.metric(name).predictive.mc_error,
                    "n_members": row.metric(name).n_members,
                    "window_d": row.window_d,
                    "regimen": row.regimen,
                }
                for row in self.products
                for name in _ASKED
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; ``products`` by name."""
        products = {row.product: to_plain(row) for row in self.products}
        return {**super().to_dict(), "products": products}

    def dots(self, what: Literal["rates", "onset"] = "rates") -> Dots:
        """Data of the dot plot: rates of every product, or their median onset."""
        metrics: tuple[Metric, ...] = RATES if what == "rates" else ("onset_median_h",)
        rows = [
            _dot(
                row.metric(name),
                f"{short_label(row.label)}, {typeset(_ASKED[name].label)}",
                name=name,
            )
            for row in self.products
            for name in metrics
        ]
        ends = [dot.estimate.high for dot in rows if isinstance(dot.estimate, Estimate)]
        axis = (
            Axis("Patients of 100", 0.0, 1.0, factor=100.0)
            if what == "rates"
            else Axis("Median hours from the dose to onset", 0.0, max(ends, default=1.0))
        )
        return Dots(
            axis,
            rows,
            description=(
                "Median over the ensemble with its 95% predictive interval and, broad, the interval"
                f" from the assumptions alone. {self.notice}"
            ),
            digits=0,
        )

    def plot(self, what: Literal["rates", "onset"] = "rates", *, ax: Axes | None = None) -> Axes:
        """A dot plot: medians, predictive intervals and, broad, those from the assumptions alone.

        Parameters
        ----------
        what : ``"rates"`` (patients of 100 with CRS by grade) or ``"onset"`` (median hours).
        ax : axes to draw on; new ones when left out.

        Returns
        -------
        The matplotlib axes.
        """
        from crsrisk.plots.charts import plot_dots

        return plot_dots(self.dots(what), ax=ax)

    def table(self) -> TextTable:
        """The forecast as a table of words: one row a product."""
        rows = [
            (
                row.product,
                f"{row.window_d:g} d",
                *(
                    _told(row.metric(name), METRIC_MEANINGS[asked.metric].unit)
                    for name, asked in _ASKED.items()
                ),
            )
            for row in self.products
        ]
        heads = ("window", *(asked.label for asked in _ASKED.values()))
        return text_table(
            "Forecast over the ensemble of assumptions (95% predictive intervals)",
            ("product", *heads),
            rows,
            right=heads,
        )


def _dot(interval: PredictiveInterval, label: str, *, name: Metric) -> Dot:
    is_strong = name == "crs_grade2plus"
    if not interval.is_known:
        return Dot(label, NotEstimable("too few members have the event"), is_strong)
    alone = (interval.assumptions.low, interval.assumptions.high)
    return Dot(label, interval.predictive, is_strong, prediction=alone)


def forecast(
    products: str | Path | Product | Sequence[str | Path | Product],
    *,
    trial_size: int | None = None,
    regimen: str | None = None,
    mitigations: Sequence[str] = (),
    world: World | None = None,
    ensemble: Ensemble | None = None,
    n_patients: int | None = None,
    n_patients_rare: int | None = None,
    seed: int = 1,
    workers: int = 1,
    begin: Begin | None = None,
) -> Forecast:
    """Forecast what trials of a product would report: CRS by grade, and the median onset.

    Every member of the ensemble of assumptions simulates the product; the spread of members, how
    trials of one product differ and, with ``trial_size``, chance make the predictive intervals.

    Parameters
    ----------
    products : one product or several: a shipped name, the path of a YAML file of yours, or a
        :class:`~crsrisk.data.product.Product`.
    trial_size : patients of the trial to forecast; None leaves chance at its size out.
    regimen : name of a regimen that every product has; each one's default when left out.
    mitigations : names of prophylaxis given to everybody before dose 1.
    world : the world that the members vary; ``reference`` when left out.
    ensemble : another ensemble than the one that ships.
    n_patients : patients simulated for each member and product; 160 when left out.
    n_patients_rare : the same under checkpoint inhibitors, in whom CRS is rare; five times as many
        when left out.
    seed : equal seeds give equal forecasts.
    workers : threads; the forecast does not depend on it.
    begin : starts a progress bar: takes a title and a total, gives a function that advances it.

    Returns
    -------
    A :class:`Forecast` with one :class:`ProductForecast` a product.

    Raises
    ------
    InputError
        For an unknown product, regimen or mitigation, for a product that is named twice, and for
        supportive care as prophylaxis.

    Examples
    --------
    >>> few = load_ensemble().head(3)
    >>> made = forecast("tarlatamab", trial_size=40, n_patients=16, ensemble=few)
    >>> made["tarlatamab"].window_d
    21.0
    >>> list(made.to_frame().metric)
    ['crs_any', 'crs_grade2plus', 'crs_grade3plus', 'onset_median_h']
    """
    named = [products] if isinstance(products, str | Path | Product) else list(products)
    nouns = [name if isinstance(name, Product) else load_product(name) for name in named]
    nouns, whole = with_own_places(nouns, world=load_world() if world is None else world)
    given = tuple(mitigations)
    arms = [make_arm(noun, world=whole, regimen=regimen, mitigations=given) for noun in nouns]
    refuse_twice(arms)
    reject_unused(given, world=whole, where="simulate", key="--mitigation")
    members = load_ensemble() if ensemble is None else ensemble
    each = PER_MEMBER if n_patients is None else n_patients
    targets = [
        Target(figure, trial)
        for trial in (_imagined_trial(arm, trial_size=trial_size) for arm in arms)
        for figure in trial.figures
    ]
    intervals = forecast_targets(
        targets,
        ensemble=as_written(members, nouns),
        world=whole,
        products=nouns,
        n=each,
        n_rare=RARE_FOLD * each if n_patients_rare is None else n_patients_rare,
        seed=seed,
        workers=workers,
        at_trial_size=trial_size is not None,
        mitigations=given,
        advance=begin("Simulating the ensemble", len(members)) if begin else None,
    )
    figures = [
        dict(zip(_ASKED, intervals[first:], strict=False))
        for first in range(0, len(intervals), len(_ASKED))
    ]
    made = tuple(_of_arm(arm, part) for arm, part in zip(arms, figures, strict=True))
    return Forecast(made, trial_size, whole.scenario.name, seed)


def _of_arm(arm: Arm, figures: dict[Metric, PredictiveInterval]) -> ProductForecast:
    return ProductForecast(
        product=arm.product.name,
        label=arm.product.label,
        regimen=arm.regimen_name,
        population=arm.population.name,
        policy=arm.policy.name,
        mitigations=arm.mitigations,
        window_d=arm.window_d,
        grading=arm.product.grading,
        n_members=figures["crs_any"].n_members,
        **figures,
    )


def as_written(ensemble: Ensemble, products: Sequence[Product]) -> Ensemble:
    """The ensemble without what it holds of a number that a product's file states otherwise than
    the shipped file of that name: a user's number counts, and is as uncertain as the user's file
    says.
    """
    known = {*names("products"), *evidence_only_products()}
    stale: set[str] = set()
    for product in products:
        if product.name in known:
            here, shipped = (
                {constant.key: constant for constant in product_constants(noun, is_new=True)}
                for noun in (product, load_product(product.name))
            )
            stale |= {key for key, constant in shipped.items() if here.get(key) != constant}
    return ensemble.without(stale) if stale else ensemble


def _imagined_trial(arm: Arm, *, trial_size: int | None) -> Trial:
    """A trial that nobody has published: what is asked of it, without an answer."""
    product = arm.product
    figures = [
        PublishedFigure.model_validate(
            {
                "id": f"{product.name}-{name}",
                "metric": asked.metric,
                "of": asked.of,
                "value": 1.0,
                "citation": "forecast",
                "source_kind": "SEED",
                "confidence": "low",
                "note": "",
                "clock": "recent_dose" if METRIC_MEANINGS[asked.metric].needs_clock else None,
            }
        )
        for name, asked in _ASKED.items()
    ]
    return Trial(
        name=f"forecast of {product.name}",
        label=product.label,
        product=product.name,
        regimen=arm.regimen_name,
        n_patients=trial_size,
        grading=product.grading,
        window_d=product.window_d,
        window_reason="the product's own",
        dose_times_h=[dose.time_h for dose in arm.regimen.doses],
        role="validation",
        role_reason="a forecast",
        is_independent=True,
        overlaps=[],
        rows=figures,
    )


def told_figure(value: float, unit: str) -> str:
    """A share in per cent, a time with its unit; a dash where there is none.

    >>> told_figure(0.125, "1"), told_figure(20.0, "h")
    ('12.5%', '20 h')
    """
    return "-" if isnan(value) else f"{100 * value:.1f}%" if unit == "1" else f"{value:.3g} {unit}"


def _told(interval: PredictiveInterval, unit: str) -> str:
    figure = interval.predictive
    value, low, high = (told_figure(part, unit) for part in (figure.value, figure.low, figure.high))
    return f"{value} ({low} to {high})"


def print_forecast(made: Forecast) -> None:
    """The forecast as a table on the terminal, and what its intervals hold."""
    console = console_of(130)
    made.table().print(console)
    console.print(
        "Intervals hold what is not known of the assumptions and how trials of one product differ."
        f" {made.notice}"
    )
