"""One figure from several places (products, tumour types, sites): random effects, and what a new place may show.

The places are taken as a sample: each has its own true value, normally spread with standard deviation tau around a
mean. The mean says how the model does on average; the prediction interval says what the next place may show, and is the
figure for somebody who wants to use the model where it has not been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit
from scipy.stats import chi2, t

from crsrisk.errors import InputError
from crsrisk.learn.metrics import TAILS, Estimate, FloatArray, NotEstimable

MIN_PLACES = 3
_MANY_TIMES = 1e4  # of the spread of the estimates: no tau beyond it


@dataclass(frozen=True)
class Pooled:
    """The mean over places, and what a further place may show, on the scale on which the figures were given.

    ``mean``: random-effects mean with its 95% interval (restricted maximum likelihood for tau; Hartung, Knapp, Sidik and
    Jonkman's interval, never narrower than the plain one). ``tau``: standard deviation between places, interval by the
    Q-profile (Viechtbauer, Stat Med 2007;26:37). ``prediction_low``, ``prediction_high``: 95% prediction interval of a
    new place, t with places - 2 degrees of freedom (Higgins, Thompson & Spiegelhalter, J R Stat Soc A 2009;172:137).
    ``i_squared``: share of the spread that is not sampling error.
    """

    mean: Estimate
    tau: Estimate
    prediction_low: float
    prediction_high: float
    i_squared: float
    n_places: int

    def back(self, scale: str) -> Pooled:
        """The same in the unit of the figure: ``logit`` gives shares, ``log`` ratios, ``identity`` nothing new.

        tau and its interval stay on the scale of pooling.
        """
        turn = _BACK[scale]
        mean = Estimate(*(float(turn(one)) for one in (self.mean.value, self.mean.low, self.mean.high)))
        return Pooled(mean, self.tau, float(turn(self.prediction_low)), float(turn(self.prediction_high)), self.i_squared,
                      self.n_places)


_BACK: dict[str, Callable[[float], float]] = {"logit": expit, "log": np.exp, "identity": float}


def pool(values: ArrayLike, *, standard_errors: ArrayLike) -> Pooled | NotEstimable:
    """Pool one figure over places; not estimable with fewer than three of them.

    >>> pooled = pool([1.0, 2.0, 3.0, 4.0], standard_errors=[0.5] * 4)
    >>> round(pooled.mean.value, 3), round(pooled.tau.value**2, 3)  # equal errors: mean, and variance minus error
    (2.5, 1.417)
    """
    y, errors = np.asarray(values, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    if y.shape != errors.shape or y.ndim != 1 or not bool(np.isfinite(y).all() and (errors > 0).all()):
        raise InputError(where="pooling", key="values, standard_errors", found=f"shapes {y.shape} and {errors.shape}",
                         expected="one finite value and one standard error above 0 for each place",
                         cure="leave out places without a figure")
    if y.size < MIN_PLACES:
        return NotEstimable(f"{y.size} places; pooling needs at least {MIN_PLACES}")
    variance = errors**2
    tau2 = _reml(y, variance)
    weight = 1 / (variance + tau2)
    mean = float(weight @ y / weight.sum())
    spread = float(weight @ (y - mean) ** 2) / (y.size - 1)
    error = (max(1.0, spread) / weight.sum()) ** 0.5
    half = float(t.ppf(TAILS[1], y.size - 1)) * error
    reach = float(t.ppf(TAILS[1], y.size - 2)) * (tau2 + error**2) ** 0.5
    low, high = _q_profile(y, variance)
    fixed = 1 / variance
    typical = (y.size - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum())
    return Pooled(
        mean=Estimate(mean, mean - half, mean + half), tau=Estimate(tau2**0.5, low**0.5, high**0.5),
        prediction_low=mean - reach, prediction_high=mean + reach, i_squared=float(tau2 / (tau2 + typical)), n_places=y.size)


def _reml(y: FloatArray, variance: FloatArray) -> float:
    """The variance between places at the maximum of the restricted likelihood."""

    def loss(tau2: float) -> float:
        weight = 1 / (variance + tau2)
        mean = weight @ y / weight.sum()
        return float(-np.log(weight).sum() + np.log(weight.sum()) + weight @ (y - mean) ** 2) / 2

    highest = float(y.var(ddof=1)) * 10 + 1e-12
    found = minimize_scalar(loss, bounds=(0.0, highest), method="bounded", options={"xatol": highest * 1e-10})
    return 0.0 if loss(0.0) <= found.fun else float(found.x)


def _q_profile(y: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """The values of tau squared between which Cochran's generalised Q is neither too large nor too small."""

    def excess(tau2: float, quantile: float) -> float:
        weight = 1 / (variance + tau2)
        return float(weight @ (y - weight @ y / weight.sum()) ** 2) - quantile

    ends = []
    highest = _MANY_TIMES * (float(y.var(ddof=1)) + float(variance.max()))
    for share in (TAILS[1], TAILS[0]):
        quantile = float(chi2.ppf(share, y.size - 1))
        is_below = excess(0.0, quantile) <= 0
        ends.append(0.0 if is_below else float(brentq(excess, 0.0, highest, args=(quantile,), xtol=1e-12)))
    return ends[0], ends[1]
