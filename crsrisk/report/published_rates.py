"""Published rates: what trials of a product reported, as pages show it beside an estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from crsrisk.data.assumptions import Strict
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.evidence_use import ScoredFigure, scored_figures
from crsrisk.data.product import Product
from crsrisk.data.published_figures import wilson_interval
from crsrisk.wording import typeset

_RATES: Mapping[str, Literal[1, 2, 3]] = {
    "crs_any_rate": 1,
    "crs_grade2plus_rate": 2,
    "crs_grade3plus_rate": 3,
}


class PublishedRate(Strict):
    """A published rate of a product: ``events`` of ``n`` with its 95% interval. ``is_verified`` is
    False where it is only recalled.
    """

    product: str
    grade: Literal[1, 2, 3]  # this one or more
    trial: str
    events: int
    n: int
    low: float
    high: float
    is_verified: bool


def published_rates(products: Sequence[Product]) -> list[PublishedRate]:
    """The rates of these products that no larger source of the same patients replaces."""
    known = {product.name: product for product in products}
    trials = [trial for trial in load_trials() if trial.product in known]
    labels = {trial.name: trial.label for trial in trials}
    return [
        _published(figure, trial=labels[figure.trial])
        for figure in scored_figures(trials, products=known)
        if figure.metric in _RATES
    ]


def _published(figure: ScoredFigure, *, trial: str) -> PublishedRate:
    low, high = wilson_interval(figure.value, n=figure.n)
    return PublishedRate(
        product=figure.product,
        grade=_RATES[figure.metric],
        trial=typeset(trial),
        events=figure.events,
        n=figure.n,
        low=low,
        high=high,
        is_verified=figure.verified,
    )
