"""Against the truth: how far each patient's risk is from his true risk, whether intervals hold it,
and the Venn-Abers interval that is held against it.

The true risk p* of a patient is known only through re-simulation: events among m repetitions.
Distances from such an estimate contain its noise, so no figure here is taken as it comes. The mean
error is linear in the counts and needs nothing. A squared error is the product of the two halves'
errors, which is unbiased at any number of repetitions (replicate splitting; computed as 2 x (all) -
(mean of the halves), which is the same). An absolute error, a quantile of it and a coverage have no
unbiased estimate: they are means over the patients' weights on a grid of true risks, by
deconvolution (:mod:`crsrisk.evaluation.deconvolution`). Their bias at 2 x 25 repetitions, mean over
six cohorts of 2000 patients whose true risks are known (median risk 8% or 27%; errors of the
log-odds normal, Laplace, uniform, shifted or of a wrong slope):

    SD of the errors of the log-odds           0.8      0.4      0.2
    mean absolute, relative              -1 to +2%   -5 to +6%   -17 to +7%
    90th percentile, relative            -3 to +4%   -2 to +4%   -9 to +12%
    coverage of a 90% interval, points   -2 to +8    -4 to +9    -8 to +6

Where the errors are of two kinds (a factor of 30% of patients that the model does not know, or no
error in half of the patients) a mean absolute error is off by up to 15%, 28% and 32%, the coverage
by up to 12 points. The counts cannot tell these shapes apart; the squared error stands whatever the
shape. Against p* *given what was observed*: against the risk given everything true at baseline
every model looks miscalibrated, since it lacks what nobody measured.

The Monte Carlo error of a figure is its SD over bootstrap resamples of patients, each taken with
his repetitions: it holds the choice of patients and the finite number of repetitions. Intervals are
percentiles of the same resamples.

Venn-Abers gives two calibrated risks for each patient, one for each outcome he might turn out to
have: isotonic regression of outcome on score is fitted twice, with the new patient counted as
without the event (p0) and as with it (p1). One of the two is calibrated whatever the distribution
(Vovk & Petej, UAI 2014, "Venn-Abers predictors"), and [p0, p1] is narrow where calibration patients
are many. It speaks of groups of patients with that score, not of the true risk of one: how often it
holds that is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hypergeom
from sklearn.isotonic import isotonic_regression

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.deconvolution import Deconvolution
from crsrisk.evaluation.leaks import Controls
from crsrisk.evaluation.metrics import (
    FloatArray,
    bootstrap_counts,
    check_risk,
    clip_risk,
    mean_with_interval,
    percentile_estimate,
)
from crsrisk.results import Estimate, NotEstimable
from crsrisk.streams import uniforms

IntArray = NDArray[np.int64]
BANDS: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.6, 1.0)  # of predicted risk
FEWEST = 30  # patients of a group: fewer give no figure of their own
# of true risks (all patients) and the rows that take part
Statistic = Callable[[FloatArray, IntArray], float]


@dataclass(frozen=True)
class SplitHalves:
    """Events among the repetitions of each patient, in two independent halves.

    ``name`` says which truth. ``n_events`` (patients, 2), ``n_per_half``: repetitions in one half.

    >>> SplitHalves("what was observed", np.array([[1, 3]]), 10).risk.tolist()
    [0.2]
    """

    name: str
    n_events: IntArray
    n_per_half: int

    def __post_init__(self) -> None:
        """Refuse counts that no re-simulation can give."""
        counts = self.n_events
        if (
            counts.ndim != 2
            or counts.shape[1] != 2
            or self.n_per_half < 1
            or bool(((counts < 0) | (counts > self.n_per_half)).any())
        ):
            raise InputError(
                where="against the truth",
                key=self.name,
                found=f"counts of shape {counts.shape}",
                expected=(
                    "events in two halves of the repetitions of each patient, 0 to n_per_half"
                ),
                cure="take n_grade2plus and half of an oracle",
            )

    @classmethod
    def of(cls, truth: Truth, *, seed: int) -> SplitHalves:
        """Split halves of counts that were kept as a whole: repetitions are exchangeable, so which
        of them are in which half is drawn.
        """
        m = int(truth.n_replicates[0])
        if m % 2 or bool((truth.n_replicates != m).any()):
            raise InputError(
                where="against the truth",
                key=truth.name,
                cure="re-simulate all patients alike",
                found="numbers of repetitions that differ or are odd",
                expected="one even number for all",
            )
        chance = uniforms(
            seed=seed, decision="halves of repetitions", start=0, stop=len(truth.n_events), width=1
        )[:, 0]
        first = np.asarray(hypergeom.ppf(chance, m, truth.n_events, m // 2), dtype=np.int64)
        return cls(truth.name, np.stack([first, truth.n_events - first], axis=1), m // 2)

    @property
    def n_replicates(self) -> int:
        """Repetitions of each patient, both halves together."""
        return 2 * self.n_per_half

    @property
    def risk(self) -> FloatArray:
        """True risk as estimated by all repetitions, shape (patients,)."""
        return np.asarray(self.n_events.sum(axis=1) / self.n_replicates)

    @property
    def truth(self) -> Truth:
        """The same counts without the halves."""
        return Truth(
            self.name,
            self.n_events.sum(axis=1),
            np.full(len(self.n_events), self.n_replicates, dtype=np.int64),
        )


@dataclass(frozen=True)
class CalibrationError:
    """Distance of predicted from true risk, per patient (risks 0-1, noise of the repetitions
    removed).

    ``bias`` is predicted minus true. ``mean_absolute_with_noise`` is what would be found if the
    oracle's own noise stayed in: the difference says how much of a naive figure is the simulator's.
    """

    n_patients: int
    mean_absolute: Estimate
    p90_absolute: Estimate
    bias: Estimate
    root_mean_squared: Estimate
    mean_absolute_with_noise: float


@dataclass(frozen=True)
class LossDecomposition:
    """A model's expected loss in three parts that add up to it.

    Irreducible: what an oracle who knows everything true at baseline still loses. Unobserved: what
    the oracle who knows the hospital's table loses beyond that. Estimation: what the model loses
    beyond the second oracle.
    """

    loss: str
    irreducible: Estimate
    unobserved: Estimate
    estimation: Estimate
    total: Estimate


@dataclass(frozen=True)
class Coverage:
    """Share of patients whose interval holds their true risk, and how wide the intervals are (risk,
    0-1).
    """

    n_patients: int
    share: Estimate
    mean_width: float


@dataclass(frozen=True)
class ValidationClaims:
    """What each internal validation claimed, and what further patients of the same world show.

    ``n_fresh``: further patients. ``fresh``: figure -> performance in them, Monte Carlo error
    included. ``claims``: method of validation -> figure -> claimed value.
    """

    n_fresh: int
    fresh: Mapping[str, Estimate]
    claims: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class AgainstTruth:
    """A model measured against the true risks of the simulator.

    ``n_replicates`` and ``n_baseline_replicates``: repetitions of each re-simulated patient given
    what was observed of him, and given everything true at baseline. ``calibration_error`` and
    ``loss`` by group of patients (`all` and products); ``loss``: log loss and Brier score.
    ``coverage``: method of the interval -> group of patients.
    """

    n_patients: int
    n_replicates: int
    n_baseline_replicates: int
    calibration_error: Mapping[str, CalibrationError | NotEstimable]
    loss: Mapping[str, tuple[LossDecomposition, LossDecomposition]]
    coverage: Mapping[str, Mapping[str, Coverage | NotEstimable]]
    validation: ValidationClaims
    controls: Controls


def noise_removed(
    statistic: Statistic, truth: SplitHalves, *, seed: int, n_resamples: int = 200
) -> Estimate:
    """A statistic of the true risks, carried on from halves and all repetitions to infinitely many.

    Exact for a statistic that is linear or quadratic in each true risk, and only for those.

    ``statistic(q, rows)`` computes it from estimated true risks q (of all patients) and the rows
    that take part (a patient may be in twice, in a bootstrap resample).

    >>> truth = SplitHalves("t", np.random.default_rng(0).binomial(100, 0.3, (500, 2)), 100)
    >>> squared = noise_removed(lambda q, rows: float(np.mean((q[rows] - 0.3) ** 2)), truth, seed=1)
    >>> abs(squared.value) < 3 * squared.mc_error  # every true risk is 0.3, so the error is 0
    True
    """
    whole, (first, second) = truth.risk, (truth.n_events / truth.n_per_half).T

    def extrapolated(rows: IntArray) -> float:
        of_halves = statistic(first, rows) + statistic(second, rows)
        return 2.0 * statistic(whole, rows) - of_halves / 2.0

    return _bootstrapped(extrapolated, n=whole.size, seed=seed, n_resamples=n_resamples)


def calibration_error(
    risk: ArrayLike, *, truth: SplitHalves, seed: int, n_resamples: int = 200
) -> CalibrationError | NotEstimable:
    """True calibration error of predicted risks (patients,); not estimable for fewer than 30
    patients.

    ``bias`` and the square of ``root_mean_squared`` are unbiased at any number of repetitions;
    ``mean_absolute`` and ``p90_absolute`` have the bias that the module states.
    """
    p = _matched(risk, truth)
    if p.size < FEWEST:
        return NotEstimable(f"{p.size} re-simulated patients; {FEWEST} are needed")

    def removed(statistic: Statistic) -> Estimate:
        return noise_removed(statistic, truth, seed=seed, n_resamples=n_resamples)

    squared = removed(lambda q, rows: float(np.mean((p - q)[rows] ** 2)))
    ready = Deconvolution.prepare(p, truth.n_events, truth.n_per_half)
    distance = np.abs(ready.nodes - p[:, None])
    order = np.argsort(distance, axis=None)
    rising = distance.ravel()[order]

    def of_distance(times: FloatArray) -> FloatArray:
        weights = ready.of(times)
        beyond = np.searchsorted(np.cumsum(weights.ravel()[order]), 0.9)
        return np.array([np.sum(weights * distance), rising[min(int(beyond), rising.size - 1)]])

    mean, p90 = _over_resamples(of_distance, n=p.size, seed=seed, n_resamples=n_resamples)
    return CalibrationError(
        n_patients=p.size,
        mean_absolute=mean,
        p90_absolute=p90,
        bias=removed(lambda q, rows: float(np.mean((p - q)[rows]))),
        root_mean_squared=_root(squared),
        mean_absolute_with_noise=float(np.mean(np.abs(p - truth.risk))),
    )


def decompose_loss(
    risk: ArrayLike, *, observed: SplitHalves, baseline: SplitHalves
) -> tuple[LossDecomposition, LossDecomposition]:
    """The model's expected log loss (nats) and Brier score in their three parts.

    ``observed`` and ``baseline``: the two truths of the same patients. Brier: every part is
    unbiased whatever the number of repetitions. Log loss: the oracles' entropies carry Miller and
    Madow's correction, which is too small where risks are near 0 (with 40 repetitions by up to
    0.008 nats, with 200 by up to 0.002): ask for 200 or more, given baseline too.
    """
    p = _matched(risk, observed)
    _matched(risk, baseline)
    clipped, seen, known = clip_risk(p).risk, observed.truth, baseline.truth
    log_loss = -seen.risk * np.log(clipped) - (1 - seen.risk) * np.log1p(-clipped)
    brier = seen.risk - 2 * p * seen.risk + p**2  # E(y - p)^2, linear in the true risk
    return (
        _split("log loss (nats)", log_loss, seen.entropy, known.entropy),
        _split("Brier score", brier, _outcome_variance(observed), _outcome_variance(baseline)),
    )


def coverage(
    low: ArrayLike, high: ArrayLike, *, truth: SplitHalves, seed: int, n_resamples: int = 200
) -> Coverage | NotEstimable:
    """Share of patients whose interval from ``low`` to ``high`` (patients,) holds their true
    risk, with the bias that the module states.
    """
    bottom, top = _matched(low, truth), _matched(high, truth)
    if bottom.size < FEWEST:
        return NotEstimable(f"{bottom.size} re-simulated patients; {FEWEST} are needed")

    ready = Deconvolution.prepare((bottom + top) / 2, truth.n_events, truth.n_per_half)
    inside = (ready.nodes >= bottom[:, None]) & (ready.nodes <= top[:, None])
    (share,) = _over_resamples(
        lambda times: np.array([np.sum(ready.of(times)[inside])]),
        n=bottom.size,
        seed=seed,
        n_resamples=n_resamples,
    )
    return Coverage(bottom.size, share, float(np.mean(top - bottom)))


def by_group(group: ArrayLike) -> dict[str, IntArray]:
    """Rows of each group (product), by name."""
    names = np.asarray(group).astype(str)
    return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def by_band(risk: ArrayLike, *, bands: Sequence[float] = BANDS) -> dict[str, IntArray]:
    """Rows of each band of predicted risk, by name; empty bands are left out.

    >>> list(by_band([0.05, 0.5]))
    ['0-10%', '40-60%']
    """
    p, rows_of_band = check_risk(risk), {}
    for low, high in pairwise(bands):
        is_last = high == bands[-1]
        rows = np.flatnonzero((p >= low) & ((p < high) | is_last & (p <= high)))
        if rows.size:
            rows_of_band[f"{100 * low:g}-{100 * high:g}%"] = rows
    return rows_of_band


def only(truth: SplitHalves, rows: IntArray) -> SplitHalves:
    """The truth of these patients."""
    return SplitHalves(truth.name, truth.n_events[rows], truth.n_per_half)


def _matched(values: ArrayLike, truth: SplitHalves) -> FloatArray:
    risks = check_risk(values)
    if risks.shape != (len(truth.n_events),):
        raise InputError(
            where="against the truth",
            key=truth.name,
            found=f"{risks.shape} risks",
            expected=f"one for each of {len(truth.n_events)} re-simulated patients",
            cure="score the patients that were re-simulated, in their order",
        )
    return risks


def _bootstrapped(
    statistic: Callable[[IntArray], float], *, n: int, seed: int, n_resamples: int
) -> Estimate:
    def of_times(times: FloatArray) -> FloatArray:
        return np.array([statistic(np.repeat(np.arange(n), times.astype(np.int64)))])

    return _over_resamples(of_times, n=n, seed=seed, n_resamples=n_resamples)[0]


def _over_resamples(
    figures: Callable[[FloatArray], FloatArray], *, n: int, seed: int, n_resamples: int
) -> list[Estimate]:
    """Figures of how often each patient is in, with their bootstrap over patients."""
    again = np.array(
        [
            figures(times.astype(np.float64))
            for block in bootstrap_counts(n=n, n_resamples=n_resamples, seed=seed)
            for times in block
        ]
    )
    return [
        replace(percentile_estimate(float(value), drawn), mc_error=float(np.std(drawn, ddof=1)))
        for value, drawn in zip(figures(np.ones(n)), again.T, strict=True)
    ]


def _root(squared: Estimate) -> Estimate:
    """Square root of a mean squared error, whose unbiased estimate may be a little below 0."""
    value, low, high = (max(0.0, end) ** 0.5 for end in (squared.value, squared.low, squared.high))
    error = squared.mc_error or 0.0
    return Estimate(value, low, high, error / (2.0 * value) if value > 0 else error**0.5)


def _outcome_variance(truth: SplitHalves) -> FloatArray:
    """Unbiased estimate of p*(1 - p*) of each patient."""
    q, m = truth.risk, truth.n_replicates
    return np.asarray(q * (1 - q) * m / (m - 1))


def _split(loss: str, model: FloatArray, seen: FloatArray, known: FloatArray) -> LossDecomposition:
    def figure(values: FloatArray) -> Estimate:
        mc_error = float(values.std(ddof=1)) / values.size**0.5
        return replace(mean_with_interval(values), mc_error=mc_error)

    return LossDecomposition(
        loss,
        figure(known),
        figure(seen - known),
        figure(model - seen),
        figure(model),
    )


def venn_abers(
    scores: ArrayLike, *, calibration_scores: ArrayLike, outcome: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """p0 and p1 of each score, shape (patients,) each; p0 <= p1.

    ``calibration_scores`` and ``outcome`` (0/1) are of patients on whom the scoring model was not
    fitted.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.random(4000); y = rng.random(4000) < x
    >>> low, high = venn_abers([0.3], calibration_scores=x, outcome=y)
    >>> bool(low[0] <= high[0]), bool(abs(low[0] - 0.3) < 0.1)
    (True, True)
    """
    known, y = (
        np.asarray(calibration_scores, dtype=np.float64),
        np.asarray(outcome, dtype=np.float64),
    )
    if (
        known.shape != y.shape
        or known.ndim != 1
        or known.size < 2
        or not bool(np.isin(y, (0.0, 1.0)).all())
    ):
        raise InputError(
            where="Venn-Abers",
            key="calibration",
            found=f"{known.shape} scores and {y.shape} outcomes",
            expected="a score and an outcome of 0 or 1 for each calibration patient",
            cure="score patients that the model was not fitted to",
        )
    distinct, place = np.unique(known, return_inverse=True)
    events = np.asarray(np.bincount(place, weights=y), dtype=np.float64)
    sizes = np.asarray(np.bincount(place), dtype=np.float64)
    asked, which = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    ends = np.array(
        [[_with(distinct, events, sizes, score, label) for label in (0.0, 1.0)] for score in asked]
    )
    return np.minimum(ends[which, 0], ends[which, 1]), ends[which, 1]


def _with(
    distinct: FloatArray, events: FloatArray, sizes: FloatArray, score: float, label: float
) -> float:
    """Isotonic risk at a score when one patient with that score and outcome is added; the score
    need not be there.
    """
    at = int(np.searchsorted(distinct, score))
    if at < distinct.size and distinct[at] == score:
        events, sizes = events.copy(), sizes.copy()
        events[at], sizes[at] = events[at] + label, sizes[at] + 1.0
    else:
        events, sizes = np.insert(events, at, label), np.insert(sizes, at, 1.0)
    return float(isotonic_regression(events / sizes, sample_weight=sizes, y_min=0.0, y_max=1.0)[at])
