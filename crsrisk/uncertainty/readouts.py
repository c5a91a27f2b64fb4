"""Readouts: what users act on, measured in one world after another.

- ``grade2plus_<product>``: share of patients with CRS of grade >= 2 under the default regimen.
- ``auroc``: AUROC for grade >= 2 within one product of a penalised logistic regression on the
  observed table,
  cross-fitted. It stands in for the oracle's AUROC: it knows what a hospital sees, not the
  mechanism, and is fitted to a finite number of patients, so it lies below the oracle's.
- ``coefficient_<feature>``: that regression's log odds ratio per SD of burden, CRP, ferritin, LDH,
  liver metastases.
- ``same_selection``: a fixed panel of patients is ranked by the regression of this world; of the
  fifth at highest risk,
  the share that the regression of the reference world (fitted to many patients) selects too. The
  panel's patients are the same persons in every world. By chance alone it is 0.2.

The regression stands in for the risk models of `crsrisk.model` where a fit must take a millisecond.
Laboratory values and tumour burden enter as logarithms; every predictor is standardised with one
fixed scale, so that coefficients of different worlds compare; a value that was not measured counts
as average. Where no patient (or every patient) has the event, it tells nothing: AUROC 0.5,
coefficients 0, selection 0.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.logistic import fit_logistic
from crsrisk.results import Estimate
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import Draws, Patients, draw, transform_draws
from crsrisk.simulation.run import run
from crsrisk.uncertainty.constants import Factor, values_at, with_product_values, with_world_values

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Advance = Callable[[int], None]
FEATURES = ("sum_of_diameters_mm", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "has_liver_metastases")
TOP_SHARE = 0.2  # of the panel, selected for prophylaxis
_SEEDS = 1_000_003  # different sets of patients that chance may choose
LOGGED = (
    "sum_of_diameters_mm",
    "crp_mg_l",
    "ferritin_ug_l",
    "ldh_x_uln",
    "il6_pg_ml",
    "lymphocytes_g_l",
)
PLAIN = (
    "has_liver_metastases",
    "n_metastatic_sites",
    "age_years",
    "is_female",
    "ecog",
    "has_infection",
    "has_prior_checkpoint_inhibitor",
    "albumin_g_l",
    "platelets_g_l",
    "creatinine_umol_l",
    "weight_kg",
)
PREDICTORS = (*LOGGED, *PLAIN)
PENALTY = 1.0  # ridge: a log odds ratio per SD has the prior SD 1
FOLDS = 4


@dataclass(frozen=True)
class Scale:
    """Mean and SD of every predictor in the patients whom the coefficients refer to."""

    mean: Values
    sd: Values


def predictors(observed: pd.DataFrame) -> Values:
    """Predictors in the order of ``PREDICTORS``, shape (n, 17), NaN where nothing was measured."""
    columns = [np.log(observed[name].to_numpy(dtype=np.float64)) for name in LOGGED]
    return np.column_stack(
        [*columns, *(observed[name].to_numpy(dtype=np.float64) for name in PLAIN)]
    )


def scale_of(values: Values) -> Scale:
    """The scale of these patients; a predictor that does not vary keeps the SD 1."""
    sd = np.nanstd(values, axis=0)
    return Scale(np.nanmean(values, axis=0), np.where(sd > 0.0, sd, 1.0))


def standardised(values: Values, *, scale: Scale) -> Values:
    """Predictors in SDs from the mean; gaps are average."""
    return np.nan_to_num((values - scale.mean) / scale.sd, nan=0.0)


def ridge_coefficients(x: Values, y: Flags, *, penalty: float = PENALTY) -> Values:
    """Intercept and log odds ratios per SD, shape (k + 1,); the intercept is not penalised.

    Where all patients or none had the event there is nothing to tell: every coefficient is 0.

    >>> x = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    >>> ridge_coefficients(x, np.array([False, True, False, True])).round(6).tolist()
    [0.0, 0.0]
    """
    terms = np.column_stack([np.ones(len(x)), x])
    if y.all() or not y.any():
        return np.zeros(terms.shape[1])
    ridge = np.full(terms.shape[1], penalty)
    ridge[0] = 0.0
    return fit_logistic(terms, y.astype(np.float64), penalty=ridge).coefficients


def linear_predictor(coefficients: Values, x: Values) -> Values:
    """Linear predictor (log odds) of each patient, shape (n,)."""
    return np.asarray(coefficients[0] + x @ coefficients[1:])


def auroc(scores: Values, y: Flags) -> float:
    """Chance that a patient with the event scores above one without (ties count half); 0.5 when
    either is missing.

    >>> auroc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True]))
    0.75
    """
    n_events = int(y.sum())
    n_others = len(y) - n_events
    if not n_events or not n_others:
        return 0.5
    above = mannwhitneyu(scores[y], scores[~y], method="asymptotic").statistic
    return float(above / (n_events * n_others))


def crossfitted_auroc(x: Values, y: Flags, *, penalty: float = PENALTY) -> float:
    """AUROC of patients that the regression has not seen: each quarter scored by the fit to the
    other three.

    The mean over quarters that hold both kinds of patients; 0.5 when none does.
    """
    fold = np.arange(len(y)) % FOLDS
    by_fold = []
    for k in range(FOLDS):
        out = fold == k
        if 0 < y[out].sum() < out.sum():
            by_fold.append(
                auroc(
                    linear_predictor(ridge_coefficients(x[~out], y[~out], penalty=penalty), x[out]),
                    y[out],
                )
            )
    return float(np.mean(by_fold)) if by_fold else 0.5


def highest(scores: Values, *, share: float) -> Flags:
    """The ``share`` of patients with the highest scores; of equal ones, the earlier."""
    chosen = np.zeros(len(scores), dtype=np.bool_)
    chosen[np.argsort(-scores, kind="stable")[: round(share * len(scores))]] = True
    return chosen


@dataclass(frozen=True)
class Readout:
    """One number users act on: its name, what it is in words, and the product it is measured in."""

    name: str
    meaning: str
    product: str


@dataclass(frozen=True)
class ReadoutConfig:
    """What is read in every world: the products, the one that is judged patient by patient, the
    panel.

    ``panel`` holds the standardised predictors of the panel's patients, ``selected`` those whom the
    reference world selects.
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
        rates = [
            Readout(f"grade2plus_{product.name}", f"grade >= 2 rate, {product.name}", product.name)
            for product in self.products
        ]
        return (
            *rates,
            Readout("auroc", "AUROC of a logistic regression on observed values", self.judged),
            *(
                Readout(f"coefficient_{name}", f"log odds ratio per SD, {name}", self.judged)
                for name in FEATURES
            ),
            Readout(
                "same_selection",
                "share of the top fifth that the reference selects too",
                self.judged,
            ),
        )


def _events(
    product: Product, draws: Draws, *, world: World, n: int, seed: int
) -> tuple[Flags, Values]:
    """Who has grade >= 2, and the predictors as observed."""
    arm, patients, has_event = _simulated(product, draws, world=world, n=n)
    return has_event, predictors(observe(patients, arm=arm, world=world, seed=seed))


def _simulated(
    product: Product, draws: Draws, *, world: World, n: int
) -> tuple[Arm, Patients, Flags]:
    """Patients under a product's default regimen, and who has grade >= 2 within its window."""
    arm = make_arm(product, world=world)
    patients = transform_draws(
        draws, arm.population, assumptions=world.assumptions, rows=np.arange(n)
    )
    grade = grade_within(run(arm, patients, world=world), window_h=24.0 * arm.window_d)
    return arm, patients, grade >= 2


def make_readout_config(
    world: World,
    products: Sequence[Product],
    *,
    judged: str,
    n_panel: int,
    n_reference: int,
    seed: int,
) -> ReadoutConfig:
    """Fit the reference world's regression to ``n_reference`` patients and let it select from
    ``n_panel`` others.
    """
    by_name = {product.name: product for product in products}
    if judged not in by_name:
        raise InputError(
            where="sensitivity",
            key="judged",
            found=judged,
            expected=f"one of {', '.join(by_name)}",
            cure="name one of the products",
        )
    product = by_name[judged]
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n_panel + n_reference)
    has_event, values = _events(product, draws, world=world, n=n_panel + n_reference, seed=seed)
    scale = scale_of(values[n_panel:])
    x = standardised(values, scale=scale)
    reference = ridge_coefficients(x[n_panel:], has_event[n_panel:])
    return ReadoutConfig(
        world,
        tuple(products),
        judged,
        x[:n_panel],
        scale,
        highest(linear_predictor(reference, x[:n_panel]), share=TOP_SHARE),
    )


def read_world(
    config: ReadoutConfig, *, values: Mapping[str, float], n: int, n_judged: int, seed: int
) -> Values:
    """The readouts in the world with these constants: ``n`` patients a product, ``n_judged`` of the
    judged one.
    """
    world = with_world_values(config.world, values)
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=max(n, n_judged))
    rates: list[float] = []
    has_event, seen = np.zeros(0, dtype=np.bool_), np.zeros((0, len(PREDICTORS)))
    for shipped in config.products:
        product = with_product_values(shipped, values)
        if product.name == config.judged:
            has_event, seen = _events(product, draws, world=world, n=n_judged, seed=seed)
            rates.append(float(has_event.mean()))
        else:
            *_, with_event = _simulated(product, draws, world=world, n=n)
            rates.append(float(with_event.mean()))
    return np.array(
        [*rates, *_of_patients(config, has_event, standardised(seen, scale=config.scale))]
    )


def _of_patients(config: ReadoutConfig, has_event: Flags, x: Values) -> list[float]:
    """AUROC, coefficients, agreement of the selection."""
    fitted = ridge_coefficients(x, has_event)
    log_odds = dict(zip(PREDICTORS, fitted[1:], strict=True))
    same = TOP_SHARE
    if fitted.any():
        chosen = highest(linear_predictor(fitted, config.panel), share=TOP_SHARE)
        same = float((chosen & config.selected).sum() / config.selected.sum())
    return [crossfitted_auroc(x, has_event), *(float(log_odds[name]) for name in FEATURES), same]


def read_worlds(
    config: ReadoutConfig,
    places: Values,
    *,
    factors: Sequence[Factor],
    n: int,
    n_judged: int,
    seed: int,
    workers: int = 1,
    advance: Advance | None = None,
) -> Values:
    """Readouts (world, readout) at places of the unit cube (world, factor and last chance).

    The last column chooses the patients, so that what chance adds is seen beside what the constants
    do.
    """
    keys, values = values_at(places[:, :-1], factors)

    def at(k: int) -> Values:
        readings = read_world(
            config,
            values=dict(zip(keys, values[k].tolist(), strict=True)),
            n=n,
            n_judged=n_judged,
            seed=seed + 1 + int(places[k, -1] * _SEEDS),
        )
        if advance is not None:
            advance(1)
        return readings

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        return np.array(list(pool.map(at, range(len(places)))))


def selection_by_chance(
    config: ReadoutConfig, *, n_judged: int, repeats: int, seed: int
) -> Estimate:
    """``same_selection`` where nothing but the patients differs from the reference world: mean and
    its standard error.
    """
    (product,) = [product for product in config.products if product.name == config.judged]
    shares = []
    for k in range(repeats):
        draws = draw(assumptions=config.world.assumptions, seed=seed + k, start=0, stop=n_judged)
        has_event, seen = _events(product, draws, world=config.world, n=n_judged, seed=seed + k)
        shares.append(_of_patients(config, has_event, standardised(seen, scale=config.scale))[-1])
    error = np.std(shares, ddof=1) / np.sqrt(repeats) if repeats > 1 else np.nan
    return Estimate(float(np.mean(shares)), mc_error=float(error))
