"""World spread: where the true risks lie, over the worlds of the ensemble, about those of a model.

A model is fitted in one world, and published figures leave many others open. How far its log-odds
lie from the true ones over these worlds is learnt when the model is made, from patients who each
live in one member of the ensemble and were simulated a few times there
(:mod:`crsrisk.uncertainty.world_risks`): for each product a normal distribution of the true
log-odds, whose mean and SD move with the model's log-odds. Four numbers a product hold what differs
from world to world, what the model gets wrong of a patient in every world, and what of him only
some worlds care about. The part that refits already show is set apart, so nothing counts twice.

For a product that the model was not trained on, the same is learnt of each platform's products
taken as new ones: the model is not told which they are, their numbers are drawn from their priors,
and how far they depart from what they explain from the spread between products that the calibration
inferred.

:func:`interval` joins both parts to the interval that is shown first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, ndtri, xlog1py, xlogy
from scipy.stats import binom

from crsrisk.data.assumptions import Strict

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Words = Sequence[str]

LEVEL = 0.9  # of the interval that is shown first
ANY = ""  # platform of a product about which nothing is known
_DIGITS = 4
_FOLDS = 4  # of the members, when it is judged how often an interval holds the counts
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
# SDs of weak normal priors, log-odds: of the mean's shift and tilt, of the logarithm of the SD and
# its tilt; they decide only where hardly any event was simulated
_USUAL_LOG_SD = 0.0  # an SD of 1, as of grade 2 or more in the middle of the products
_MOST_STRETCH, _HALVINGS = 2.0, 10  # of the SDs, and steps in which the factor is found
_PRIOR_SD = np.array([2.0, 0.5, 0.5, 0.25])


class TrueLogOdds(Strict):
    """Where the true log-odds of a patient lie over the worlds, given the model's x: normal with
    mean x + ``shift`` + ``tilt`` (x - ``centre``) and SD exp(``log_sd`` + ``log_sd_tilt`` (x -
    ``centre``)).

    The SD is that beyond what refits show. From x = ``low`` down and ``high`` up (the ends of all
    but one in a hundred simulated patients) it stays as it is there.
    """

    centre: float
    low: float
    high: float
    shift: float
    tilt: float
    log_sd: float
    log_sd_tilt: float
    n_patients: int = Field(ge=1)

    def mean(self, log_odds: Floats) -> Floats:
        """Mean of the true log-odds."""
        return np.asarray(log_odds + self.shift + self.tilt * (log_odds - self.centre))

    def sd(self, log_odds: Floats, refit_sd: Floats | float = 0.0) -> Floats:
        """SD of the true log-odds, with that of the refits."""
        inside = np.clip(log_odds, self.low, self.high) - self.centre
        own = np.exp(self.log_sd + self.log_sd_tilt * inside)
        return np.asarray(np.hypot(own, refit_sd))


class WorldSpread(Strict):
    """What the worlds of an ensemble leave open of one model's risks.

    ``products`` by name; ``new_products`` by platform, :data:`ANY` for one that no product of
    training has. ``ensemble``: its digest; ``n_members`` were simulated, with
    ``n_replicates`` simulations a patient.
    """

    ensemble: str
    n_members: int = Field(ge=2)
    n_replicates: int = Field(ge=2)
    products: dict[str, TrueLogOdds]
    new_products: dict[str, TrueLogOdds]

    def of(self, product: str, platform: str) -> TrueLogOdds:
        """The spread for a product; for an unknown one that of new products of its platform."""
        found = self.products.get(product) or self.new_products.get(platform)
        return found or self.new_products[ANY]


@dataclass(frozen=True, eq=False)
class Asked:
    """Patients of whom the worlds were asked: the model's log-odds and the SD of the refits'
    (patients,), in how many of ``n_replicates`` simulations each had the event, and the number of
    the ``member`` that each lives in.
    """

    log_odds: Floats
    refit_sd: Floats
    n_events: Whole
    n_replicates: int
    member: Whole

    def of(self, rows: NDArray[np.bool_]) -> Asked:
        """These patients."""
        return replace(
            self,
            log_odds=self.log_odds[rows],
            refit_sd=self.refit_sd[rows],
            n_events=self.n_events[rows],
            member=self.member[rows],
        )


def join(parts: Sequence[Asked]) -> Asked:
    """The patients of several products together."""
    return Asked(
        np.concatenate([part.log_odds for part in parts]),
        np.concatenate([part.refit_sd for part in parts]),
        np.concatenate([part.n_events for part in parts]),
        parts[0].n_replicates,
        np.concatenate([part.member for part in parts]),
    )


def fit_true_log_odds(asked: Asked) -> TrueLogOdds:
    """The distribution under which the simulated events are most likely (penalised maximum
    likelihood; chance of few simulations is taken out by the binomial distribution).

    Patients of one member are not independent; the estimate of a distribution over members needs no
    independence.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(-1, 1, 4000)
    >>> n_events = rng.binomial(4, expit(x + 0.3 + 0.8 * rng.normal(size=4000)))
    >>> found = fit_true_log_odds(Asked(x, np.zeros(4000), n_events, 4, np.arange(4000)))
    >>> abs(found.shift - 0.3) < 0.1 and bool(abs(np.exp(found.log_sd) - 0.8) < 0.1)
    True
    """
    x, k, n = asked.log_odds, asked.n_events.astype(np.float64), asked.n_replicates
    centre = float(f"{x.mean():.{_DIGITS}g}")
    low, high = (float(f"{end:.{_DIGITS}g}") for end in np.quantile(x, [0.01, 0.99]))

    def made(numbers: Floats) -> TrueLogOdds:
        shift, tilt, log_sd, log_sd_tilt = (float(f"{value:.{_DIGITS}g}") for value in numbers)
        return TrueLogOdds(
            centre=centre,
            low=low,
            high=high,
            shift=shift,
            tilt=tilt,
            log_sd=log_sd,
            log_sd_tilt=log_sd_tilt,
            n_patients=len(x),
        )

    inside = np.clip(x, low, high) - centre
    weights = _WEIGHTS / _WEIGHTS.sum()
    usual = np.array([0.0, 0.0, _USUAL_LOG_SD, 0.0])

    def misfit(numbers: Floats) -> tuple[float, Floats]:
        """Penalised minus log likelihood, and its gradient."""
        shift, tilt, log_sd, log_sd_tilt = numbers
        mean, own = x + shift + tilt * (x - centre), np.exp(log_sd + log_sd_tilt * inside)
        sd = np.hypot(own, asked.refit_sd)
        risk = expit(mean[:, None] + sd[:, None] * _NODES)
        parts = weights * np.exp(xlogy(k[:, None], risk) + xlog1py(n - k[:, None], -risk))
        likelihood = np.maximum(parts.sum(axis=1), 1e-300)
        slopes = parts * (k[:, None] - n * risk) / likelihood[:, None]  # by log-odds at each node
        by_mean, by_log_sd = slopes.sum(axis=1), (slopes @ _NODES) * own**2 / sd
        off = (numbers - usual) / _PRIOR_SD
        gradient = [by_mean, by_mean * (x - centre), by_log_sd, by_log_sd * inside]
        return (
            float(0.5 * np.square(off).sum() - np.log(likelihood).sum()),
            off / _PRIOR_SD - np.sum(gradient, axis=1),
        )

    return made(np.asarray(minimize(misfit, usual, jac=True, method="L-BFGS-B").x))


def interval(
    spread: WorldSpread, log_odds: Floats, refit_sd: Floats, *, product: Words, platform: Words
) -> tuple[Floats, Floats]:
    """The 90% interval that is shown first: of the true risk over refitting and assumptions, for a
    product that the model does not know over products too; low and high, shape (rows,) each.

    ``log_odds`` of the model and ``refit_sd``, the SD of the refits' log-odds (0 without refits),
    shape (rows,); ``product`` and ``platform`` of each row.
    """
    low, high = np.empty(len(log_odds)), np.empty(len(log_odds))
    reach = float(ndtri((1.0 + LEVEL) / 2.0))
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, therapy in enumerate(zip(product, platform, strict=True)):
        rows_of.setdefault(therapy, []).append(row)
    for therapy, rows in rows_of.items():
        found = spread.of(*therapy)
        mean, sd = found.mean(log_odds[rows]), found.sd(log_odds[rows], refit_sd[rows])
        low[rows], high[rows] = expit(mean - reach * sd), expit(mean + reach * sd)
    return low, high


def spreads_of(
    known: Mapping[str, Asked], new: Mapping[str, Sequence[Asked]]
) -> tuple[dict[str, TrueLogOdds], dict[str, TrueLogOdds]]:
    """The distributions by product, and of new products by platform (and of all together)."""
    everything = [asked for parts in new.values() for asked in parts]
    by_platform = {name: join(parts) for name, parts in new.items()}
    return (_stretched(known), _stretched({**by_platform, ANY: join(everything)}))


def _stretched(groups: Mapping[str, Asked]) -> dict[str, TrueLogOdds]:
    """The distributions of some groups, their SDs stretched by one factor, so that the central nine
    tenths of what they predict hold nine tenths of the simulated counts in members that they were
    not fitted to: of few members an SD comes out a little small, and tails are a little heavier
    than a normal's. Nothing is drawn together.
    """
    judged = [
        (found, held_out) for asked in groups.values() for found, held_out in _held_out(asked)
    ]

    def share(factor: float) -> float:
        inside = [counts_inside(held_out, _times(found, factor)) for found, held_out in judged]
        return float(np.concatenate(inside).mean())

    low, high = 1.0, _MOST_STRETCH
    if share(low) >= LEVEL:
        high = low
    else:
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if share(middle) >= LEVEL else (middle, high)
    return {name: _times(fit_true_log_odds(asked), high) for name, asked in groups.items()}


def _held_out(asked: Asked) -> list[tuple[TrueLogOdds, Asked]]:
    """By fold of the members: what is fitted to the others, and the patients of the fold."""
    members, number = np.unique(asked.member, return_inverse=True)
    n_folds = min(_FOLDS, len(members))
    if n_folds == 1:
        return [(fit_true_log_odds(asked), asked)]
    return [
        (fit_true_log_odds(asked.of(number % n_folds != fold)), asked.of(number % n_folds == fold))
        for fold in range(n_folds)
    ]


def _times(one: TrueLogOdds, factor: float) -> TrueLogOdds:
    log_sd = one.log_sd + float(np.log(factor))
    return one.model_copy(update={"log_sd": float(f"{log_sd:.{_DIGITS}g}")})


def counts_inside(asked: Asked, found: TrueLogOdds) -> Floats:
    """By patient, how much of the count of events lies in the central nine tenths of the predicted
    counts: 0 or 1, and the part of it where an end falls on the count.
    """
    mean, sd = found.mean(asked.log_odds), found.sd(asked.log_odds, asked.refit_sd)
    risk = expit(mean[:, None] + sd[:, None] * _NODES)
    weights, k = _WEIGHTS / _WEIGHTS.sum(), asked.n_events[:, None]
    below, upto = (binom.cdf(k - less, asked.n_replicates, risk) @ weights for less in (1, 0))
    tail = (1.0 - LEVEL) / 2.0
    held = np.minimum(upto, 1.0 - tail) - np.maximum(below, tail)
    return np.asarray(np.clip(held / np.maximum(upto - below, 1e-12), 0.0, 1.0))
