"""Mixture: the forecast of a product without published figures, as cross-validation prefers it.

For rates of any grade, of grade >= 2 and of grade >= 3 the mechanism is mixed with the regression
on the product file and the distribution over the class, by the weights that ship with the
cross-validation. A product whose figures are in the ensemble is forecast by the mechanism alone:
its own figures say more than its class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cross_validation import Metric
from crsrisk.data.evidence_use import GROUPS, ScoredFigure
from crsrisk.data.product import Product
from crsrisk.uncertainty.cross_validation import JUDGED, METRICS, PARTS
from crsrisk.uncertainty.forecast import FigureDraws
from crsrisk.uncertainty.rivals import (
    ClassDistribution,
    CountOfProduct,
    Group,
    RegressionOnProductFile,
    RegressionPriors,
    product_features,
)

Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Rivals:
    """What knows no mechanism, fitted to every published count of one rate."""

    distribution: ClassDistribution
    regression: RegressionOnProductFile

    @classmethod
    def fit(
        cls, scored: Sequence[ScoredFigure], *, products: Mapping[str, Product], trial_sd: float
    ) -> Rivals:
        """From the scored figures of one rate."""
        judged = [figure for figure in scored if figure.group in JUDGED]
        n_figures = Counter(figure.product for figure in judged)
        counts = [
            CountOfProduct(
                figure.product,
                cast(Group, figure.group),
                figure.events,
                figure.n,
                1.0 / n_figures[figure.product],
            )
            for figure in judged
        ]
        features = pd.DataFrame({name: product_features(products[name]) for name in n_figures}).T
        return cls(
            ClassDistribution.fit(counts),
            RegressionOnProductFile.fit(
                counts, features, priors=RegressionPriors(trial_sd=trial_sd)
            ),
        )


def fit_rivals(
    scored: Sequence[ScoredFigure], *, products: Mapping[str, Product], trial_sd: float
) -> dict[Metric, Rivals]:
    """Rivals of every rate that forecasts are scored on."""
    return {
        metric: Rivals.fit(
            [figure for figure in scored if figure.metric == metric],
            products=products,
            trial_sd=trial_sd,
        )
        for metric in METRICS
    }


def is_mixed(product: Product) -> bool:
    """Whether a product's class has been scored, so that weights are known: engagers and cells.

    >>> from crsrisk.data.world_files import load_product
    >>> is_mixed(load_product("tarlatamab")), is_mixed(load_product("checkpoint_inhibitor"))
    (True, False)
    """
    return GROUPS[product.platform] in JUDGED


def mixed(
    draws: FigureDraws,
    *,
    product: Product,
    regimen: str | None,
    rivals: Rivals,
    weights: Mapping[str, float],
    trial_size: int | None,
    rng: np.random.Generator,
) -> FigureDraws:
    """The draws of a rate with a share of them taken from the rivals, by the weights of the parts.

    Which imagined trials come from which part is drawn; ``alone`` stays the mechanism's.
    """
    if not draws.is_known:
        return draws
    group = cast(Group, GROUPS[product.platform])
    shares = np.array([weights.get(part, 0.0) for part in PARTS])
    part = rng.choice(len(PARTS), draws.own.shape, p=shares / shares.sum())
    size = draws.own.size
    of_part = (
        draws.own,
        rivals.regression.draws(product_features(product, regimen), size, rng).reshape(part.shape),
        rivals.distribution.draws(group, size, rng).reshape(part.shape),
    )
    own = np.choose(part, of_part)
    if trial_size is None:
        return replace(draws, own=own, reported=own)
    chance = rng.binomial(trial_size, own) / trial_size
    return replace(draws, own=own, reported=np.where(part == 0, draws.reported, chance))
