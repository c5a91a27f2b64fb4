"""What stands beside a forecast: published figures of the product and of its class, its nearest
products, and how much of the published evidence it rests on.

None of it enters the forecast: a product of which nothing was published is forecast in the same
way, and has nothing to stand beside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.cross_validation import CrossValidation
from crsrisk.data.evidence_use import GROUPS, ScoredFigure, likelihood_figures, scored_figures
from crsrisk.data.product import CELLULAR, PLATFORMS, Platform, Product
from crsrisk.data.published_figures import METRIC_MEANINGS, PublishedFigure, Trial, counted_once
from crsrisk.data.world_files import load_product
from crsrisk.simulation.evidence import published_size
from crsrisk.uncertainty.mixture import is_mixed
from crsrisk.uncertainty.rivals import product_features
from crsrisk.wording import listed, number, plain_name

Values = NDArray[np.float64]
N_NEAREST = 3
NEAR, APART = 0.5, 1.0  # SDs between which a feature is neither alike nor different
_EVEN_SPLIT = 0.5  # SD of a yes or no, as in the regression on product files
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "is_cells": "cells",
        "is_immtac": "ImmTAC format",
        "is_tcr": "TCR or CAR",
        "is_subcutaneous": "route",
        "is_stepped_up": "step-up dosing",
        "has_steroid_premedication": "steroid premedication",
        "log10_cd3_affinity": "CD3 affinity",
        "antigen_restriction": "antigen restriction",
        "log10_antigen_density": "antigen density",
        "log10_cell_dose": "number of cells",
        "lymphodepletion": "lymphodepletion",
        "interleukin_2": "interleukin 2",
    }
)


@dataclass(frozen=True)
class PublishedBeside:
    """A published figure that stands beside a forecast: a share (0-1) or a time in its unit.

    ``n``: the patients it is about, None where the source does not say. ``left_out``: what the
    cross-validation forecast of it without any figure of its product (median and 95% interval);
    None where it was not forecast.
    """

    id: str
    product: str
    label: str
    platform: Platform
    trial: str
    metric: str
    value: float
    n: int | None
    verified: bool
    note: str = ""
    left_out: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Neighbour:
    """A product of the same class with published figures, and how near it is.

    ``distance`` is the root mean square of the differences in what the product files say, in SDs
    among these products. ``near_on``: what varies in the class and is alike (within half an SD);
    ``apart_on``: what differs by an SD or more, most first.
    """

    product: str
    label: str
    distance: float
    near_on: tuple[str, ...]
    apart_on: tuple[str, ...]


@dataclass(frozen=True)
class ForecastBasis:
    """How many products and patients of a platform, and of its class, the ensemble was fitted to.

    Patients of overlapping sources count once, those of sources without a size not at all;
    ``pooled_patients`` are those of reviews of the class that pool several products.
    ``own_patients`` and ``own_figures``: of the product itself. ``is_mixed``: the forecast is a
    mixture of the mechanism with what knows none, by the ``weights`` of its parts for each rate;
    these are None where no cross-validation is there to say them.
    """

    platform: Platform
    group: str
    platform_products: int
    platform_patients: int
    group_products: int
    group_patients: int
    pooled_patients: int
    own_figures: int
    own_patients: int
    is_mixed: bool
    weights: Mapping[str, Mapping[str, float]] | None

    @property
    def sentence(self) -> str:
        """What the forecast rests on, in a few sentences."""
        platform = PLATFORMS[self.platform]
        parts = [f"{_counted(self.platform_products, self.platform_patients)} of {platform}"]
        if self.group != platform:
            parts.append(
                f"{_counted(self.group_products, self.group_patients)} of all {self.group}"
            )
        if self.pooled_patients:
            parts.append(f"{number(self.pooled_patients, digits=0)} patients of pooled reviews")
        own = (
            f"{self.own_figures} of the fitted figures are the product's own, so that the forecast"
            " has seen them."
            if self.own_figures
            else "No figure of the product itself was fitted."
        )
        return f"Fitted to {listed(parts)}. {own} {self._mixture}"

    @property
    def _mixture(self) -> str:
        if self.weights is None:
            return "No cross-validation of this ensemble is there."
        if not self.is_mixed:
            return "The forecast is the mechanism's alone."
        told = "; ".join(
            f"{METRIC_MEANINGS[metric].family} {parts_in_words(parts)}"
            for metric, parts in self.weights.items()
        )
        return f"The forecast is a mixture: {told}."


def parts_in_words(parts: Mapping[str, float]) -> str:
    """The weights of a mixture.

    >>> parts_in_words({"mechanism": 0.6, "regression": 0.4, "class_distribution": 0.0})
    '60% mechanism and 40% regression'
    """
    return listed(
        [
            f"{number(100 * weight, digits=0)}% {name.replace('_', ' ')}"
            for name, weight in parts.items()
            if weight > 0.0
        ]
    )


def _counted(products: int, patients: int) -> str:
    words = f"{products} product" if products == 1 else f"{products} products"
    return f"{words} ({number(patients, digits=0)} patients)" if patients else words


@dataclass(frozen=True)
class ForecastEvidence:
    """What stands beside the forecast of one product; empty where nothing was published."""

    own: tuple[PublishedBeside, ...]
    of_class: tuple[PublishedBeside, ...]
    neighbours: tuple[Neighbour, ...]
    basis: ForecastBasis


@dataclass(frozen=True)
class PublishedEvidence:
    """The published sources, the products in them by name, and which figures are scored and
    fitted.
    """

    trials: tuple[Trial, ...]
    products: Mapping[str, Product]
    scored: tuple[ScoredFigure, ...]
    fitted: tuple[tuple[PublishedFigure, Trial], ...]

    @classmethod
    def of(
        cls, trials: Sequence[Trial], *, targets: Collection[str] | None = None
    ) -> PublishedEvidence:
        """Of these sources. ``targets``: ids that an ensemble was fitted to; all that the rule
        picks when left out.
        """
        products = {
            name: load_product(name)
            for name in sorted({name for trial in trials for name in trial.products})
        }
        scored = scored_figures(trials, products=products)
        fitted = [
            (figure, trial)
            for figure, trial in likelihood_figures(trials)
            if targets is None or figure.id in targets
        ]
        return cls(tuple(trials), products, tuple(scored), tuple(fitted))

    def fitted_to(self, group: str) -> list[Trial]:
        """Sources of one product of a class, once for each of their fitted figures."""
        return [
            trial
            for _, trial in self.fitted
            if not trial.is_pool and class_of(self.products[trial.product].platform) == group
        ]

    @property
    def with_figures(self) -> list[Product]:
        """Products of which a figure is fitted that is no pool's."""
        names = {trial.product for _, trial in self.fitted if not trial.is_pool}
        return [self.products[name] for name in sorted(names)]


def evidence_beside(
    product: Product,
    *,
    regimen: str,
    metrics: Sequence[str],
    published: PublishedEvidence,
    cross_validation: CrossValidation | None,
    is_unseen: bool,
) -> ForecastEvidence:
    """What is published of a product and its class, its nearest products, and what its forecast
    rests on.

    ``metrics``: what is forecast, by the names of the evidence files. ``cross_validation``: that of
    the ensemble, for the weights of the mixture; ``is_unseen``: no figure of the product is in the
    ensemble.
    """
    group = class_of(product.platform)
    return ForecastEvidence(
        own=_own(product.name, published, metrics, cross_validation),
        of_class=tuple(
            _beside(figure, published.products[figure.product])
            for figure in sorted(
                published.scored, key=lambda figure: (figure.product, figure.trial)
            )
            if figure.product != product.name
            and class_of(published.products[figure.product].platform) == group
        ),
        neighbours=nearest(product, regimen=regimen, others=published.with_figures),
        basis=_basis(product, published, cross_validation, is_unseen=is_unseen),
    )


def class_of(platform: Platform) -> str:
    """Engagers, cells, or the platform itself where it stands alone, in words.

    >>> class_of("immtac"), class_of("ici")
    ('engagers', 'checkpoint inhibitors')
    """
    group = GROUPS[platform]
    return PLATFORMS[platform] if group == "others" else group


def _own(
    name: str,
    published: PublishedEvidence,
    metrics: Sequence[str],
    made: CrossValidation | None,
) -> tuple[PublishedBeside, ...]:
    """Scored rates of the product, then what else of the forecast it has published."""
    left_out = {
        row.id: (row.median, row.low_95, row.high_95) for row in (() if made is None else made.rows)
    }
    rates = [
        _beside(figure, published.products[name], left_out=left_out.get("+".join(figure.ids)))
        for figure in published.scored
        if figure.product == name
    ]
    known = {figure.metric for figure in published.scored}
    others = [
        _row_beside(row, trial, published.products[name])
        for trial in published.trials
        if trial.products == [name] and trial.is_systemic and not trial.is_coded
        for row in trial.rows
        if row.metric in metrics and row.metric not in known
    ]
    found = [*rates, *others]
    return tuple(sorted(found, key=lambda one: (metrics.index(one.metric), one.trial, one.id)))


def _beside(
    figure: ScoredFigure,
    product: Product,
    *,
    left_out: tuple[float, float, float] | None = None,
) -> PublishedBeside:
    return PublishedBeside(
        id="+".join(figure.ids),
        product=figure.product,
        label=product.label,
        platform=product.platform,
        trial=figure.trial,
        metric=figure.metric,
        value=figure.value,
        n=figure.n,
        verified=figure.verified,
        note=figure.note,
        left_out=left_out,
    )


def _row_beside(row: PublishedFigure, trial: Trial, product: Product) -> PublishedBeside:
    return PublishedBeside(
        id=row.id,
        product=trial.product,
        label=product.label,
        platform=product.platform,
        trial=trial.name,
        metric=row.metric,
        value=row.value,
        n=published_size(row, trial=trial),
        verified=row.verified,
        note=row.not_fitted or "",
    )


# Nearest products.


def nearest(
    product: Product, *, regimen: str, others: Sequence[Product], n: int = N_NEAREST
) -> tuple[Neighbour, ...]:
    """The products nearest to this one by what their files say, engagers among engagers and cells
    among cells; none for checkpoint inhibitors, which have no such file.
    """
    peers = [
        other
        for other in others
        if other.platform != "ici"
        and other.name != product.name
        and (other.platform in CELLULAR) == (product.platform in CELLULAR)
    ]
    if product.platform == "ici" or not peers:
        return ()
    rows = [product_features(product, regimen), *map(product_features, peers)]
    names = list(rows[0])
    table = np.array([[row[name] for name in names] for row in rows])
    scales = np.array([_scale(column) for column in table.T])
    varies = scales > 0.0
    labels = [_words(name) for name, does in zip(names, varies, strict=True) if does]
    apart = np.abs(table[1:, varies] - table[0, varies]) / scales[varies]
    # what makes one nearer than the others comes first
    gain = apart.mean(axis=0) - apart if len(labels) else apart
    distances = np.sqrt(np.square(apart).mean(axis=1)) if len(labels) else np.zeros(len(peers))
    return tuple(
        Neighbour(
            product=peers[k].name,
            label=peers[k].label,
            distance=float(distances[k]),
            near_on=tuple(
                labels[at] for at in np.argsort(-gain[k], kind="stable") if apart[k, at] <= NEAR
            ),
            apart_on=tuple(
                labels[at] for at in np.argsort(-apart[k], kind="stable") if apart[k, at] >= APART
            ),
        )
        for k in np.argsort(distances, kind="stable")[:n]
    )


def _scale(column: Values) -> float:
    """SD of a number, that of an even split of a yes or no; 0 where all are equal."""
    if np.ptp(column) == 0.0:
        return 0.0
    return _EVEN_SPLIT if np.isin(column, (0.0, 1.0)).all() else float(column.std())


def _words(feature: str) -> str:
    return FEATURES.get(feature, plain_name(feature))


# What the forecast rests on.


def _basis(
    product: Product,
    published: PublishedEvidence,
    made: CrossValidation | None,
    *,
    is_unseen: bool,
) -> ForecastBasis:
    group = class_of(product.platform)
    of_group = published.fitted_to(group)
    of_platform = [
        trial
        for trial in of_group
        if published.products[trial.product].platform == product.platform
    ]
    own = [trial for trial in of_platform if trial.product == product.name]
    pools = {
        trial.name: figure.n_patients or 0
        for figure, trial in published.fitted
        if trial.is_pool and class_of(published.products[trial.product].platform) == group
    }
    return ForecastBasis(
        platform=product.platform,
        group=group,
        platform_products=len({trial.product for trial in of_platform}),
        platform_patients=_patients(of_platform),
        group_products=len({trial.product for trial in of_group}),
        group_patients=_patients(of_group),
        pooled_patients=sum(pools.values()),
        own_figures=len(own),
        own_patients=_patients(own),
        is_mixed=made is not None and is_unseen and is_mixed(product),
        weights=None
        if made is None
        else {metric: score.weights for metric, score in made.summary_of.metrics.items()},
    )


def _patients(trials: Sequence[Trial]) -> int:
    """Of these sources, those that share patients once."""
    by_name = {trial.name: trial for trial in trials}
    return sum(_size(by_name[name]) for name in counted_once(by_name.values()))


def _size(trial: Trial) -> int:
    return trial.n_patients or max((row.n_patients or 0 for row in trial.rows), default=0)
