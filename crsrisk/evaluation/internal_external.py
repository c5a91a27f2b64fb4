"""Internal-external validation: leave one product, tumour type or site out, and see how the model
does there.

For each place the whole development is repeated without its patients, and the model so made is
evaluated in them. A left-out product is as hard as it gets: the model has not seen its level of
risk, only its construct. The figures are then pooled by random effects: C on the logit scale, O/E
on the logarithm, slope and intercept as they are (Snell et al., Stat Methods Med 2018;27:3505). The
places are taken as a sample: each has its own true value, normally spread with standard deviation
tau around a mean. The mean says how the model does on average; the prediction interval says what
the next place may show, and is the figure for somebody who wants to use the model where it has not
been.

Pooling is ours because ``statsmodels.stats.meta_analysis.combine_effects`` has neither restricted
maximum likelihood nor an interval of tau nor a prediction interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit
from scipy.stats import chi2, t

from crsrisk.errors import InputError
from crsrisk.evaluation.calibration import recalibrate
from crsrisk.evaluation.metrics import (
    TAILS,
    BoolArray,
    FloatArray,
    auroc,
    clip_risk,
    observed_to_expected,
    standard_error,
)
from crsrisk.evaluation.resampling import Develop
from crsrisk.executor import side_by_side
from crsrisk.model.predict import predict
from crsrisk.results import Z_95, Estimate, NotEstimable

MIN_PLACES = 3
MIN_EVENTS = 10  # and as many patients without, in a place that is evaluated by itself
SCALES: Mapping[str, str] = MappingProxyType(
    {
        "auroc": "logit",
        "observed_to_expected": "log",
        "slope": "identity",
        "in_the_large": "identity",
    }
)
"""Figure -> scale on which it is pooled."""
_BACK: Mapping[str, Callable[[float], float]] = {"logit": expit, "log": np.exp, "identity": float}
_INSIDE = (0.005, 0.995)  # an AUROC nearer to 0 or 1 has no usable logit
_MANY_TIMES = 1e4  # of the spread of the estimates: no tau beyond it


@dataclass(frozen=True)
class Pooled:
    """The mean over places, and what a further place may show, on the scale on which the figures
    were given.

    ``mean``: random-effects mean with its 95% interval (restricted maximum likelihood for tau;
    Hartung, Knapp, Sidik and Jonkman's interval, never narrower than the plain one). ``tau``:
    standard deviation between places, interval by the Q-profile (Viechtbauer, Stat Med 2007;26:37).
    ``prediction_low``, ``prediction_high``: 95% prediction interval of a new place, t with places -
    2 degrees of freedom (Higgins, Thompson & Spiegelhalter, J R Stat Soc A 2009;172:137).
    ``i_squared``: share of the spread that is not sampling error.
    """

    mean: Estimate
    tau: Estimate
    prediction_low: float
    prediction_high: float
    i_squared: float
    n_places: int

    def back(self, scale: str) -> Pooled:
        """The same in the unit of the figure: ``logit`` gives shares, ``log`` ratios, ``identity``
        nothing new.

        tau and its interval stay on the scale of pooling.
        """
        back = _BACK[scale]
        mean = self.mean
        return replace(
            self,
            mean=Estimate(*(float(back(end)) for end in (mean.value, mean.low, mean.high))),
            prediction_low=float(back(self.prediction_low)),
            prediction_high=float(back(self.prediction_high)),
        )


def pool(values: ArrayLike, *, standard_errors: ArrayLike) -> Pooled | NotEstimable:
    """Pool one figure over places; not estimable with fewer than three of them.

    With equal errors the mean is the plain mean, and tau squared the variance minus the error's:

    >>> pooled = pool([1.0, 2.0, 3.0, 4.0], standard_errors=[0.5] * 4)
    >>> round(pooled.mean.value, 3), round(pooled.tau.value**2, 3)
    (2.5, 1.417)
    """
    y, errors = np.asarray(values, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    if (
        y.shape != errors.shape
        or y.ndim != 1
        or not bool(np.isfinite(y).all() and (errors > 0).all())
    ):
        raise InputError(
            where="pooling",
            key="values, standard_errors",
            found=f"shapes {y.shape} and {errors.shape}",
            expected="one finite value and one standard error above 0 for each place",
            cure="leave out places without a figure",
        )
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
        mean=Estimate(mean, mean - half, mean + half),
        tau=Estimate(tau2**0.5, low**0.5, high**0.5),
        prediction_low=mean - reach,
        prediction_high=mean + reach,
        i_squared=float(tau2 / (tau2 + typical)),
        n_places=y.size,
    )


def _reml(y: FloatArray, variance: FloatArray) -> float:
    """The variance between places at the maximum of the restricted likelihood."""

    def loss(tau2: float) -> float:
        weight = 1 / (variance + tau2)
        mean = weight @ y / weight.sum()
        return float(-np.log(weight).sum() + np.log(weight.sum()) + weight @ (y - mean) ** 2) / 2

    highest = float(y.var(ddof=1)) * 10 + 1e-12
    least = minimize_scalar(
        loss, bounds=(0.0, highest), method="bounded", options={"xatol": highest * 1e-10}
    )
    return 0.0 if loss(0.0) <= least.fun else float(least.x)


def _q_profile(y: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """The values of tau squared between which Cochran's generalised Q is neither too large nor too
    small.
    """

    def excess(tau2: float, quantile: float) -> float:
        weight = 1 / (variance + tau2)
        return float(weight @ (y - weight @ y / weight.sum()) ** 2) - quantile

    ends = []
    highest = _MANY_TIMES * (float(y.var(ddof=1)) + float(variance.max()))
    for share in (TAILS[1], TAILS[0]):
        quantile = float(chi2.ppf(share, y.size - 1))
        is_below = excess(0.0, quantile) <= 0
        ends.append(
            0.0 if is_below else float(brentq(excess, 0.0, highest, args=(quantile,), xtol=1e-12))
        )
    return ends[0], ends[1]


@dataclass(frozen=True)
class Place:
    """One place left out: its patients, and the figures of the model made without them."""

    name: str
    n: int
    n_events: int
    auroc: Estimate | NotEstimable
    observed_to_expected: Estimate | NotEstimable
    slope: Estimate | NotEstimable
    in_the_large: Estimate | NotEstimable


@dataclass(frozen=True)
class InternalExternal:
    """All places of one kind (`by`), and each figure pooled over those that gave it, in the unit of
    the figure.

    ``n_left_in``: places beyond the largest ones, whose patients were always in the training set.
    """

    by: str
    places: tuple[Place, ...]
    pooled: dict[str, Pooled | NotEstimable]
    n_left_in: int


def leave_one_out(
    observed: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    outcome: str,
    by: str,
    refit: Develop,
    seed: int,
    at_most: int | None = None,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> InternalExternal:
    """Repeat the development without each place and evaluate it there.

    ``by``: a column of ``observed`` (`product`, `tumour_type`, `site`). ``outcome``: the column of
    ``outcomes``. ``at_most``: leave out the largest places only, the others stay in the training
    set. Places with fewer than ten patients with or without the event are listed, but not
    evaluated.
    """
    names = _names(observed, by)
    places, counts = np.unique(names[names != ""], return_counts=True)
    if places.size < 2:
        raise InputError(
            where="internal-external validation",
            key=by,
            found=f"{places.size} of them",
            expected="at least two, one of which is left out",
            cure="take more, or leave this validation out",
        )
    order = np.lexsort((places, -counts))
    left_out = [str(places[k]) for k in order[: at_most or places.size]]
    y_true = outcomes[outcome].to_numpy(dtype=np.bool_)

    def evaluate_place(name: str) -> Place:
        is_here = names == name
        place = _evaluate_place(
            name,
            is_here,
            y_true,
            lambda: _risk_without(observed, outcomes, is_here, refit=refit, seed=seed),
        )
        if advance:
            advance(1)
        return place

    with side_by_side(workers) as pool_of_threads:
        evaluated = tuple(pool_of_threads.map(evaluate_place, left_out))
    return InternalExternal(
        by=by,
        places=evaluated,
        pooled={figure: _pool(evaluated, figure) for figure in SCALES},
        n_left_in=int(places.size) - len(left_out),
    )


def _names(observed: pd.DataFrame, by: str) -> NDArray[np.str_]:
    if by not in observed.columns:
        raise InputError(
            where="internal-external validation",
            key=by,
            found="no such column",
            expected="a column of words",
            cure="add it, or leave this validation out",
        )
    return observed[by].fillna("").to_numpy(dtype=str)


def _risk_without(
    observed: pd.DataFrame, outcomes: pd.DataFrame, is_out: BoolArray, *, refit: Develop, seed: int
) -> FloatArray:
    rest = [table.loc[~is_out].reset_index(drop=True) for table in (observed, outcomes)]
    return predict(refit(rest[0], rest[1], seed), observed.loc[is_out]).risk


def _evaluate_place(
    name: str, is_here: BoolArray, y_true: BoolArray, risk_of: Callable[[], FloatArray]
) -> Place:
    n, n_events = int(is_here.sum()), int(y_true[is_here].sum())
    if min(n_events, n - n_events) < MIN_EVENTS:
        return _not_evaluated(
            name,
            n,
            n_events,
            f"{n_events} with and {n - n_events} without the event; {MIN_EVENTS} of each are"
            " needed",
        )
    try:
        risk = risk_of()
    except (InputError, ValueError) as problem:
        return _not_evaluated(
            name, n, n_events, f"no model without it: {' '.join(str(problem).split())[:160]}"
        )
    if not np.isfinite(risk).all():
        return _not_evaluated(name, n, n_events, "the model refused a patient")
    clipped = clip_risk(risk).risk
    line = recalibrate(y_true[is_here], risk=clipped)
    return Place(
        name,
        n,
        n_events,
        auroc(y_true[is_here], risk=risk),
        observed_to_expected(y_true[is_here], risk=clipped),
        line.slope,
        line.in_the_large,
    )


def _not_evaluated(name: str, n: int, n_events: int, reason: str) -> Place:
    none = NotEstimable(reason)
    return Place(name, n, n_events, none, none, none, none)


def _pool(places: tuple[Place, ...], figure: str) -> Pooled | NotEstimable:
    pairs = [
        pair
        for place in places
        if (pair := on_scale(getattr(place, figure), SCALES[figure])) is not None
    ]
    pooled = pool([value for value, _ in pairs], standard_errors=[error for _, error in pairs])
    return pooled.back(SCALES[figure]) if isinstance(pooled, Pooled) else pooled


def on_scale(figure: Estimate | NotEstimable, scale: str) -> tuple[float, float] | None:
    """Value and standard error of an estimate on the scale of pooling; None where there is none.

    The error of logit(C) is that of C over C(1 - C); those of log(O/E), slope and intercept come
    from the width of the interval, which is symmetric on that scale.
    """
    if not isinstance(figure, Estimate):
        return None
    if scale == "log":
        return float(np.log(figure.value)), float(np.log(figure.high / figure.low)) / (2 * Z_95)
    if scale == "identity":
        error = standard_error(figure)
        return (figure.value, error) if error > 0 else None
    # the other end may be cut at 0 or 1
    half = max(figure.high - figure.value, figure.value - figure.low)
    if not _INSIDE[0] <= figure.value <= _INSIDE[1] or half <= 0:
        return None
    spread = figure.value * (1 - figure.value)
    return float(np.log(figure.value / (1 - figure.value))), half / Z_95 / spread
