"""Forecasts: what trials of a product would report of CRS, over the ensemble of assumptions.

A forecast spreads for three reasons: which assumptions hold, how a trial differs from others of its
product, and chance at the trial's size (:mod:`crsrisk.uncertainty.forecast`). Constants that no
calibration has seen, such as those of a new product, are drawn from their priors for every member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from crsrisk.data.cross_validation import CrossValidation, load_cross_validation
from crsrisk.data.ensemble import Ensemble, load_ensemble, load_ensemble_about
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.files import prepare_output, write_table_stream
from crsrisk.data.product import Product
from crsrisk.data.published_figures import METRIC_MEANINGS, PublishedFigure, Trial
from crsrisk.data.world import World, load_world, reject_unused, with_own_places
from crsrisk.data.world_files import load_product
from crsrisk.errors import OutputError
from crsrisk.folders import evidence_only_products, names
from crsrisk.plots.chart_data import Axis, Dot, Dots
from crsrisk.results import Estimate, NotEstimable, Result, to_plain
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.studies.export import refuse_twice
from crsrisk.studies.forecast_evidence import (
    ForecastEvidence,
    PublishedEvidence,
    evidence_beside,
)
from crsrisk.uncertainty.constants import product_constants
from crsrisk.uncertainty.forecast import (
    FigureDraws,
    PredictiveInterval,
    forecast_draws,
    is_new,
    n_simulations,
)
from crsrisk.uncertainty.mixture import fit_rivals, is_mixed, mixed
from crsrisk.uncertainty.observations import Target
from crsrisk.wording import short_label, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Begin: TypeAlias = Callable[[str, int], Callable[[int], None]]
Metric: TypeAlias = Literal[
    "crs_any",
    "crs_grade1",
    "crs_grade2",
    "crs_grade2plus",
    "crs_grade3plus",
    "onset_median_h",
    "duration_median_d",
]
_UNANSWERED = 0.5  # a figure must have a value; no forecast reads it, but whether it is whole
NOTICE = "Synthetic patients; research use; no external validation."
TABLES = (".csv", ".parquet")  # suffixes of a file of draws
PER_MEMBER = 160  # patients simulated for each arm and member
RARE_FOLD = 5  # that many times more under checkpoint inhibitors, in whom CRS is rare


@dataclass(frozen=True)
class Asked:
    """A figure that is asked of every product: its metric in the evidence files, and its words."""

    metric: str
    of: str
    label: str


ASKED: dict[Metric, Asked] = {
    "crs_any": Asked("crs_any_rate", "patients", "any grade"),
    "crs_grade1": Asked("crs_grade1_rate", "patients", "grade 1"),
    "crs_grade2": Asked("crs_grade2_rate", "patients", "grade 2"),
    "crs_grade2plus": Asked("crs_grade2plus_rate", "patients", "grade >= 2"),
    "crs_grade3plus": Asked("crs_grade3plus_rate", "patients", "grade >= 3"),
    "onset_median_h": Asked("onset_median_h", "crs_patients", "median onset"),
    "duration_median_d": Asked("crs_duration_median_d", "crs_patients", "median duration"),
}
_BY_EVIDENCE: dict[str, Metric] = {asked.metric: name for name, asked in ASKED.items()}
RATES: tuple[Metric, ...] = ("crs_any", "crs_grade2plus", "crs_grade3plus")
TIMES: tuple[Metric, ...] = ("onset_median_h", "duration_median_d")


@dataclass(frozen=True)
class ProductForecast:
    """What a trial of one product would report within ``window_d`` days after the first dose.

    Shares of all patients (0-1) with CRS of any grade, with a worst grade of 1 or of 2, of grade >=
    2 and of grade >= 3 under the product's ``grading``; and among patients with CRS the median
    hours from the most recent dose to onset and the median days of the first episode. Each has its
    predictive interval, the middle half of it, and the interval from the assumptions alone.
    ``beside``: published figures, nearest products, and what the forecast rests on; nothing of it
    enters the forecast.
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
    crs_grade1: PredictiveInterval
    crs_grade2: PredictiveInterval
    crs_grade2plus: PredictiveInterval
    crs_grade3plus: PredictiveInterval
    onset_median_h: PredictiveInterval
    duration_median_d: PredictiveInterval
    beside: ForecastEvidence

    def metric(self, name: Metric) -> PredictiveInterval:
        """One of the figures by its name."""
        figure: PredictiveInterval = getattr(self, name)
        return figure


@dataclass(frozen=True, repr=False)
class Forecast(Result):
    """What trials of some products would report, with everything that is not known about it.

    The 95% predictive intervals hold what is not known of the assumptions and how trials of one
    product differ; with ``trial_size`` also chance in a trial of so many patients. A trial in which
    nobody has CRS has no median time: where half of such trials or more are so, none is predicted.
    Synthetic patients; nothing here has been compared with a trial of the product.

    Attributes
    ----------
    products : one :class:`ProductForecast` a product, in the order asked for.
    trial_size : patients of the trial; None leaves chance at its size out.
    scenario : name of the scenario whose world the members vary.
    seed : of the patients and of chance.
    draws : every draw: product, metric, member and its weight, the figure in a trial before chance
        (``rate``), and what the trial would report (``reported``); shares 0-1, onset in hours,
        duration in days.
    notice : the sentence that stands wherever a rate is shown.
    """

    products: tuple[ProductForecast, ...]
    trial_size: int | None
    scenario: str
    seed: int
    draws: pd.DataFrame = field(compare=False)
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
            f"{row.product}: grade >= 2 {_in_words(row.crs_grade2plus)} within {row.window_d:g} d"
            for row in self.products
        ]
        return "\n".join([head, *lines[:12], *(["..."] if len(lines) > 12 else []), self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a product and figure: median, 95% and 50% interval, interval from the assumptions
        alone, Monte Carlo error; shares 0-1, onset in hours, duration in days.
        """
        return pd.DataFrame(
            [
                {
                    "product": row.product,
                    "metric": name,
                    "median": row.metric(name).predictive.value,
                    "low": row.metric(name).predictive.low,
                    "high": row.metric(name).predictive.high,
                    "low_50": row.metric(name).half.low,
                    "high_50": row.metric(name).half.high,
                    "assumptions_low": row.metric(name).assumptions.low,
                    "assumptions_high": row.metric(name).assumptions.high,
                    "mc_error": row.metric(name).predictive.mc_error,
                    "n_members": row.metric(name).n_members,
                    "window_d": row.window_d,
                    "regimen": row.regimen,
                }
                for row in self.products
                for name in ASKED
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the draws as plain data; ``products`` by name."""
        plain = {
            part.name: to_plain(getattr(self, part.name))
            for part in fields(self)
            if part.name not in ("products", "draws")
        }
        return {"products": {row.product: to_plain(row) for row in self.products}, **plain}

    def dots(self, what: Literal["rates", "onset"] = "rates") -> Dots:
        """Data of the dot plot: rates of every product, or their median onset."""
        metrics: tuple[Metric, ...] = RATES if what == "rates" else ("onset_median_h",)
        rows = [
            _dot(
                row.metric(name),
                f"{short_label(row.label)}, {typeset(ASKED[name].label)}",
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
                "Median over the ensemble with its 95% predictive interval"
                + ("" if self.trial_size is None else f", chance in {self.trial_size} patients in")
                + f" and, broad, the interval from the assumptions alone. {self.notice}"
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


def _in_words(rate: PredictiveInterval) -> str:
    value, low, high = (
        told_figure(part, "1")
        for part in (rate.predictive.value, rate.predictive.low, rate.predictive.high)
    )
    return f"{value} ({low} to {high})"


def _dot(interval: PredictiveInterval, label: str, *, name: Metric) -> Dot:
    is_strong = name == "crs_grade2plus"
    if not interval.is_known:
        return Dot(label, NotEstimable("too few members or trials have the event"), is_strong)
    alone = (interval.assumptions.low, interval.assumptions.high)
    return Dot(
        label,
        interval.predictive,
        is_strong,
        prediction=None if interval.is_hidden_by_chance else alone,
    )


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
    """Forecast what trials of a product would report: CRS by grade, median onset and duration.

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
    ['crs_any', 'crs_grade1', 'crs_grade2', 'crs_grade2plus', 'crs_grade3plus', 'onset_median_h',
     'duration_median_d']
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
    used = as_written(members, nouns)
    draws = forecast_draws(
        targets,
        ensemble=used,
        world=whole,
        products=nouns,
        n=each,
        n_rare=RARE_FOLD * each if n_patients_rare is None else n_patients_rare,
        seed=seed,
        workers=workers,
        at_trial_size=trial_size is not None,
        mitigations=given,
        advance=begin("Simulating the ensemble", len(members) * n_simulations(targets))
        if begin
        else None,
    )
    by_arm = [
        dict(zip(ASKED, draws[first:], strict=False)) for first in range(0, len(draws), len(ASKED))
    ]
    about = load_ensemble_about() if ensemble is None else None
    published = PublishedEvidence.of(
        load_trials(), targets=None if about is None else about.targets
    )
    made = load_cross_validation() if ensemble is None else None
    new = [is_new(noun, ensemble=used) for noun in nouns]
    if made is not None and any(new):
        by_arm = _mixed(
            arms,
            by_arm,
            is_unseen=new,
            published=published,
            made=made,
            world=whole,
            trial_size=trial_size,
            seed=seed,
        )
    return Forecast(
        tuple(
            _of_arm(arm, part, is_unseen=unseen, published=published, made=made)
            for arm, part, unseen in zip(arms, by_arm, new, strict=True)
        ),
        trial_size,
        whole.scenario.name,
        seed,
        draws=pd.concat(
            [
                _draws_frame(arm.product.name, name, of)
                for arm, part in zip(arms, by_arm, strict=True)
                for name, of in part.items()
            ],
            ignore_index=True,
        ),
    )


def _mixed(
    arms: Sequence[Arm],
    draws: Sequence[Mapping[Metric, FigureDraws]],
    *,
    is_unseen: Sequence[bool],
    published: PublishedEvidence,
    made: CrossValidation,
    world: World,
    trial_size: int | None,
    seed: int,
) -> list[dict[Metric, FigureDraws]]:
    """The draws of products without a figure in the ensemble, mixed with what knows no mechanism as
    the cross-validation prefers it.
    """
    unseen = {arm.product.name for arm, is_it in zip(arms, is_unseen, strict=True) if is_it}
    rivals = fit_rivals(
        [figure for figure in published.scored if figure.product not in unseen],
        products=published.products,
        trial_sd=_trial_sd(world),
    )
    rng = np.random.default_rng(seed)
    by_arm = [dict(part) for part in draws]
    for arm, part, is_new_product in zip(arms, by_arm, is_unseen, strict=True):
        if not (is_new_product and is_mixed(arm.product)):
            continue
        for metric, of_metric in rivals.items():
            score = made.summary_of.metrics.get(metric)
            if score is not None:
                name = _BY_EVIDENCE[metric]
                part[name] = mixed(
                    part[name],
                    product=arm.product,
                    regimen=arm.regimen_name,
                    rivals=of_metric,
                    weights=score.weights,
                    trial_size=trial_size,
                    rng=rng,
                )
    return by_arm


def _trial_sd(world: World) -> float:
    """The SD between trials that the regression takes as known, as in the cross-validation."""
    entry = world.assumptions["evidence.between_trial_rate_sd"]
    return entry.value if entry.prior is None else entry.prior


def _of_arm(
    arm: Arm,
    draws: Mapping[Metric, FigureDraws],
    *,
    is_unseen: bool,
    published: PublishedEvidence,
    made: CrossValidation | None,
) -> ProductForecast:
    figures = {name: PredictiveInterval.of(each) for name, each in draws.items()}
    if figures["crs_any"].predictive.value == 0.0:
        for name in TIMES:
            figures[name] = figures[name].without_prediction()
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
        beside=evidence_beside(
            arm.product,
            regimen=arm.regimen_name,
            metrics=tuple(_BY_EVIDENCE),
            published=published,
            cross_validation=made,
            is_unseen=is_unseen,
        ),
    )


def _draws_frame(product: str, metric: Metric, draws: FigureDraws) -> pd.DataFrame:
    repeats = draws.own.size // max(draws.n_members, 1) if draws.is_known else 0
    return pd.DataFrame(
        {
            "product": product,
            "metric": metric,
            "member": np.repeat(draws.members, repeats),
            "weight": np.repeat(draws.weights / max(repeats, 1), repeats),
            "rate": draws.own.ravel(),
            "reported": draws.reported.ravel(),
        }
    )


def prepare_draws(path: Path | None, *, overwrite: bool) -> None:
    """Refuse a file of draws that cannot be written, before anything is simulated."""
    if path is None:
        return
    if path.suffix.lower() not in TABLES:
        raise OutputError(
            where=str(path),
            key="--draws",
            found=f"the suffix {path.suffix!r}",
            expected=" or ".join(TABLES),
            cure="end the file name with one of them",
        )
    prepare_output(path, overwrite=overwrite)


def write_draws(made: Forecast, path: Path) -> int:
    """Write every draw to a CSV or Parquet file, as its suffix says; gives the number of rows."""
    return write_table_stream(path, [made.draws])


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
                "value": _UNANSWERED,
                "citation": "forecast",
                "source_kind": "SEED",
                "confidence": "low",
                "note": "",
                "clock": "recent_dose" if METRIC_MEANINGS[asked.metric].needs_clock else None,
            }
        )
        for name, asked in ASKED.items()
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
        use_reason="a forecast",
        overlaps=[],
        rows=figures,
    )


def told_figure(value: float, unit: str) -> str:
    """A share in per cent, a time with its unit; a dash where there is none.

    >>> told_figure(0.125, "1"), told_figure(20.0, "h")
    ('12.5%', '20 h')
    """
    return "-" if isnan(value) else f"{100 * value:.1f}%" if unit == "1" else f"{value:.3g} {unit}"
