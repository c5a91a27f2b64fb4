"""Readouts: what users act on, measured in one world after another.

- ``grade2plus_<product>``: share of patients with CRS of grade >= 2 under the default regimen.
- ``auroc``: AUROC for grade >= 2 within one product of a penalised logistic regression on the observed table,
  cross-fitted. It stands in for the oracle's AUROC: it knows what a hospital sees, not the mechanism, and is fitted to a
  finite number of patients, so it lies below the oracle's.
- ``coefficient_<feature>``: that regression's log odds ratio per SD of burden, CRP, ferritin, LDH, liver metastases.
- ``same_selection``: a fixed panel of patients is ranked by the regression of this world; of the fifth at highest risk,
  the share that the regression of the reference world (fitted to many patients) selects too. The panel's patients are the
  same persons in every world. By chance alone it is 0.2.

Where no patient (or every patient) has the event, the regression tells nothing: AUROC 0.5, coefficients 0, selection 0.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crsrisk.belief.constants import with_product_values, with_world_values
from crsrisk.belief.factors import Factor, values_at
from crsrisk.belief.linear_risk import (
    PREDICTORS,
    Scale,
    crossfitted_auroc,
    fit_logistic,
    predictors,
    scale_of,
    standardised,
    stated,
    top,
)
from crsrisk.domain.product import Product
from crsrisk.domain.world import World
from crsrisk.errors import InputError
from crsrisk.simulate.arm import make_arm
from crsrisk.simulate.observation import observe
from crsrisk.simulate.outcomes import grade_within
from crsrisk.simulate.population import Draws, draw, settle
from crsrisk.simulate.run import run

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Advance = Callable[[int], None]
FEATURES = ("sum_of_diameters_mm", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "has_liver_metastases")
TOP_SHARE = 0.2  # of the panel, selected for prophylaxis
_SEEDS = 1_000_003  # different sets of patients that chance may choose


@dataclass(frozen=True)
class Readout:
    """One number users act on: its name, what it is in words, and the product it is measured in."""

    name: str
    meaning: str
    product: str


@dataclass(frozen=True)
class Inquiry:
    """What is read in every world: the products, the one that is judged patient by patient, the panel.

    ``panel`` holds the standardised predictors of the panel's patients, ``selected`` those whom the reference world selects.
    """

    world: World
    products: tuple[Product, ...]
    judged: str
    panel: Values
    scale: Scale
    selected: Flags

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """What :func:`read_world` gives, in its order."""
        rates = [Readout(f"grade2plus_{one.name}", f"grade >= 2 rate, {one.name}", one.name) for one in self.products]
        return (*rates, Readout("auroc", "AUROC of a logistic regression on observed values", self.judged),
                *(Readout(f"coefficient_{name}", f"log odds ratio per SD, {name}", self.judged) for name in FEATURES),
                Readout("same_selection", "share of the top fifth that the reference selects too", self.judged))


def _events(product: Product, draws: Draws, *, world: World, n: int, seed: int) -> tuple[Flags, Values]:
    """Who has grade >= 2, and the predictors as observed."""
    arm = make_arm(product, world=world)
    patients = settle(draws, arm.population, assumptions=world.assumptions, rows=np.arange(n))
    has_event = grade_within(run(arm, patients, world=world), window_h=24.0 * arm.window_d) >= 2
    return has_event, predictors(observe(patients, arm=arm, world=world, seed=seed))


def _rate(product: Product, draws: Draws, *, world: World, n: int) -> float:
    arm = make_arm(product, world=world)
    patients = settle(draws, arm.population, assumptions=world.assumptions, rows=np.arange(n))
    return float((grade_within(run(arm, patients, world=world), window_h=24.0 * arm.window_d) >= 2).mean())


def make_inquiry(
    world: World, products: Sequence[Product], *, judged: str, n_panel: int, n_reference: int, seed: int
) -> Inquiry:
    """Fit the reference world's regression to ``n_reference`` patients and let it select from ``n_panel`` others."""
    by_name = {product.name: product for product in products}
    if judged not in by_name:
        raise InputError(where="sensitivity", key="judged", found=judged, expected=f"one of {', '.join(by_name)}",
                         cure="name one of the products")
    product = by_name[judged]
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n_panel + n_reference)
    has_event, values = _events(product, draws, world=world, n=n_panel + n_reference, seed=seed)
    scale = scale_of(values[n_panel:])
    x = standardised(values, scale=scale)
    reference = fit_logistic(x[n_panel:], has_event[n_panel:])
    return Inquiry(world, tuple(products), judged, x[:n_panel], scale,
                   top(stated(reference, x[:n_panel]), share=TOP_SHARE))


def read_world(
    inquiry: Inquiry, *, values: Mapping[str, float], n: int, n_judged: int, seed: int
) -> Values:
    """The readouts in the world with these constants: ``n`` patients a product, ``n_judged`` of the judged one."""
    world = with_world_values(inquiry.world, values)
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=max(n, n_judged))
    rates: list[float] = []
    has_event, seen = np.zeros(0, dtype=np.bool_), np.zeros((0, len(PREDICTORS)))
    for shipped in inquiry.products:
        product = with_product_values(shipped, values)
        if product.name == inquiry.judged:
            has_event, seen = _events(product, draws, world=world, n=n_judged, seed=seed)
            rates.append(float(has_event.mean()))
        else:
            rates.append(_rate(product, draws, world=world, n=n))
    return np.array([*rates, *_judgement(inquiry, has_event, standardised(seen, scale=inquiry.scale))])


def _judgement(inquiry: Inquiry, has_event: Flags, x: Values) -> list[float]:
    """AUROC, coefficients, agreement of the selection."""
    fitted = fit_logistic(x, has_event)
    log_odds = dict(zip(PREDICTORS, fitted[1:], strict=True))
    same = TOP_SHARE
    if fitted.any():
        chosen = top(stated(fitted, inquiry.panel), share=TOP_SHARE)
        same = float((chosen & inquiry.selected).sum() / inquiry.selected.sum())
    return [crossfitted_auroc(x, has_event), *(float(log_odds[name]) for name in FEATURES), same]


def read_worlds(
    inquiry: Inquiry, places: Values, *, factors: Sequence[Factor], n: int, n_judged: int, seed: int, workers: int = 1,
    advance: Advance | None = None,
) -> Values:
    """Readouts (world, readout) at places of the unit cube (world, factor and last chance).

    The last column chooses the patients, so that what chance adds is seen beside what the constants do.
    """
    keys, values = values_at(places[:, :-1], factors)

    def at(k: int) -> Values:
        found = read_world(inquiry, values=dict(zip(keys, values[k].tolist(), strict=True)), n=n, n_judged=n_judged,
                           seed=seed + 1 + int(places[k, -1] * _SEEDS))
        if advance is not None:
            advance(1)
        return found

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        return np.array(list(pool.map(at, range(len(places)))))


def selection_by_chance(inquiry: Inquiry, *, n_judged: int, repeats: int, seed: int) -> tuple[float, float]:
    """``same_selection`` where nothing but the patients differs from the reference world: mean and its standard error."""
    product = next(one for one in inquiry.products if one.name == inquiry.judged)
    found = []
    for k in range(repeats):
        draws = draw(assumptions=inquiry.world.assumptions, seed=seed + k, start=0, stop=n_judged)
        has_event, seen = _events(product, draws, world=inquiry.world, n=n_judged, seed=seed + k)
        found.append(_judgement(inquiry, has_event, standardised(seen, scale=inquiry.scale))[-1])
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(repeats)) if repeats > 1 else float("nan")
