"""One design run many times on a pool of candidates, patient by patient: enrolled, tested at every
look, and what then becomes of the trials.

Data (:mod:`crsrisk.trials.enrolment`), analysis (the tests below, formulas of the exact modules on
arrays) and evaluation (:mod:`crsrisk.trials.operating_characteristics`) are kept apart. Every trial
has a key of its own from (seed, number of the trial), so the result does not depend on workers or
chunks, and all designs and truths of one run see the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import nbinom

from crsrisk import streams
from crsrisk.data.operating_characteristics import proportion
from crsrisk.data.trial_plan import Design, Screening
from crsrisk.executor import each_done, is_elsewhere
from crsrisk.results import Estimate
from crsrisk.trials.candidates import ASTCT, Pool
from crsrisk.trials.checks import BoolArray, FloatArray, WholeArray
from crsrisk.trials.design_size import DesignSize, size_design
from crsrisk.trials.enrolment import (
    CERTAIN,
    CONTROL,
    EXPERIMENTAL,
    Arms,
    Counts,
    Truth,
    arms_of,
    enrol,
)
from crsrisk.trials.multiplicity import standing
from crsrisk.trials.two_proportions import restricted_rate_arrays

CHUNK = 4096  # trials in memory of one worker at one time
TIE = 1e-10  # as in crsrisk.trials.exact_tests: a z that equals its bound has reached it
DAYS_PER_MONTH = 365.25 / 12
INTERACTION_Z = float(ndtri(0.975))

# --- tests, all trials and looks at once ---
#
# ``events`` has shape (trial, look, endpoint, arm, stratum), ``sizes`` (trial, look, arm, stratum);
# arm 0 is the control. z is positive when the experimental arm has fewer events, and 0 where
# nothing can be told.


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def pooled_z(events: Counts, sizes: Counts) -> FloatArray:
    """z with the variance of the pooled rate, strata ignored, (trial, look, endpoint).

    >>> events, sizes = np.array([[[[[8], [4]]]]]), np.array([[[[40], [40]]]])
    >>> round(float(pooled_z(events, sizes)[0, 0, 0]), 3)
    1.252
    """
    had = events.sum(axis=-1, dtype=np.float64)
    n = sizes.sum(axis=-1, dtype=np.float64)[:, :, None, :]
    n0, n1 = n[..., CONTROL], n[..., EXPERIMENTAL]
    mean = (had[..., CONTROL] + had[..., EXPERIMENTAL]) / (n0 + n1)
    error = np.sqrt(
        mean * (1 - mean) * (_ratio(np.ones_like(n0), n0) + _ratio(np.ones_like(n1), n1))
    )
    return _ratio(
        _ratio(had[..., CONTROL], n0 + 0 * mean) - _ratio(had[..., EXPERIMENTAL], n1 + 0 * mean),
        error,
    )


def mantel_haenszel_z(events: Counts, sizes: Counts) -> FloatArray:
    """Cochran-Mantel-Haenszel z without continuity correction, (trial, look, endpoint).

    The formula of :func:`crsrisk.trials.intervals.cochran_mantel_haenszel`; strata without patients
    add nothing.
    """
    n0, n1 = (sizes[:, :, None, arm].astype(np.float64) for arm in (CONTROL, EXPERIMENTAL))
    had0, had1 = (
        events[..., CONTROL, :].astype(np.float64),
        events[..., EXPERIMENTAL, :].astype(np.float64),
    )
    total, had = n0 + n1, had0 + had1
    away = (_ratio(n1 * had, total + 0 * had) - had1).sum(axis=-1)
    variance = _ratio(
        n1 * n0 * had * (total - had), total**2 * np.maximum(total - 1, 1) + 0 * had
    ).sum(axis=-1)
    return _ratio(away, np.sqrt(variance))


def farrington_manning_z(events: Counts, sizes: Counts, *, margin: float) -> FloatArray:
    """z of non-inferiority, (trial, look, endpoint): positive when the experimental rate lies below
    control + ``margin``.

    The variance is that of the most likely rates at the margin
    (:func:`crsrisk.trials.two_proportions.restricted_rates`); strata ignored.

    >>> events, sizes = np.array([[[[[20], [21]]]]]), np.array([[[[200], [200]]]])
    >>> round(float(farrington_manning_z(events, sizes, margin=0.1)[0, 0, 0]), 3)
    2.959
    """
    had, n = (
        events.sum(axis=-1, dtype=np.float64),
        sizes.sum(axis=-1, dtype=np.float64)[:, :, None, :],
    )
    n0, n1 = n[..., CONTROL], n[..., EXPERIMENTAL]
    p0, p1 = had[..., CONTROL] / n0, had[..., EXPERIMENTAL] / n1
    null1, null0 = restricted_rate_arrays(p1, p0, delta=margin, ratio=n0 / n1)
    return _ratio(p0 + margin - p1, np.sqrt(null1 * (1 - null1) / n1 + null0 * (1 - null0) / n0))


def interaction_z(events: Counts, sizes: Counts) -> FloatArray:
    """z of the difference in risk difference between the highest and the lowest stratum, first
    endpoint, (trial, look).
    """
    rate = _ratio(events[:, :, 0].astype(np.float64), sizes.astype(np.float64))
    variance = _ratio(rate * (1 - rate), sizes.astype(np.float64))
    difference = rate[:, :, EXPERIMENTAL] - rate[:, :, CONTROL]
    error = variance.sum(axis=2)
    return _ratio(difference[..., -1] - difference[..., 0], np.sqrt(error[..., -1] + error[..., 0]))


def looked_up(events: Counts, region: BoolArray) -> BoolArray:
    """Whether an exact test rejects, (trial, look, endpoint), by its table [experimental events,
    control events].
    """
    had = events.sum(axis=-1)
    return np.asarray(region[had[..., EXPERIMENTAL], had[..., CONTROL]])


# --- trials ---


@dataclass(frozen=True, eq=False)
class Trials:
    """What became of simulated trials, one entry each.

    ``stop`` is the look at which a trial ended, ``has_claim`` whether it then claimed benefit,
    ``is_futile`` whether it stopped early without one; ``n`` patients enrolled, ``exposed`` and
    ``needless`` those given prophylaxis and those given it without having the event untreated;
    ``has_interaction``: strata differed. Of several arms ``has_claim`` is that all claims stand,
    ``stands`` which do, (trial, claim), and ``shows`` which endpoints reach the full level by
    themselves, (trial, claim, endpoint); of other designs both are empty.
    """

    stop: NDArray[np.int64]
    has_claim: BoolArray
    is_futile: BoolArray
    n: WholeArray
    exposed: Counts
    needless: Counts
    has_interaction: BoolArray
    stands: BoolArray
    shows: BoolArray

    def __len__(self) -> int:
        return len(self.stop)


def run_trials(
    size: DesignSize,
    arms: Arms,
    *,
    n_sim: int,
    seed: int,
    co_primary: bool | None = None,
    workers: int = 1,
) -> Trials:
    """Run ``n_sim`` trials of a design on its arms.

    ``co_primary``: whether both endpoints must reach the bound (None: as the design says). The
    result does not depend on ``workers``.
    """
    both = size.design.co_primary_support if co_primary is None else co_primary
    starts = range(0, n_sim, CHUNK)
    work = partial(_run_chunk, size=size, arms=arms, n_sim=n_sim, seed=seed, both=both)
    if workers == 1 and not is_elsewhere():
        chunks = [work(first) for first in starts]
    else:
        chunks = list(each_done(work, starts, workers=workers))
    return Trials(
        **{
            part.name: np.concatenate([getattr(chunk, part.name) for chunk in chunks])
            for part in fields(Trials)
        }
    )


def _run_chunk(
    first: int, *, size: DesignSize, arms: Arms, n_sim: int, seed: int, both: bool
) -> Trials:
    stop = min(first + CHUNK, n_sim)
    n, n_looks = stop - first, size.at_look.size
    n_endpoints, n_arms = 2 if both else 1, arms.chance.shape[0]
    events = np.empty((n, n_looks, n_endpoints, n_arms, arms.n_strata), dtype=np.int32)
    sizes = np.empty((n, n_looks, n_arms, arms.n_strata), dtype=np.int32)
    exposed, needless = (
        np.empty((n, n_looks), dtype=np.int32),
        np.empty((n, n_looks), dtype=np.int32),
    )
    enrol(
        streams.keys(seed=seed, decision="trials", start=first, stop=stop),
        arms.eligible,
        arms.chance,
        arms.untreated,
        arms.is_given,
        arms.stratum,
        size.at_look,
        arms.ratio,
        events,
        sizes,
        exposed,
        needless,
    )
    stands, shows = _claimed(size, arms, events, sizes)
    if size.claims is None:
        claims, futile = _judged(size, events, sizes)
    else:
        claims = np.asarray(stands.all(axis=1)).reshape(n, 1)
        futile = np.zeros((n, 1), dtype=bool)
    ends = claims | futile
    ends[:, -1] = True
    at = ends.argmax(axis=1)
    rows = np.arange(n)
    differs = np.zeros(n, dtype=bool)
    if arms.n_strata > 1:
        differs = np.abs(interaction_z(events, sizes)[rows, at]) >= INTERACTION_Z
    return Trials(
        at,
        claims[rows, at],
        futile[rows, at],
        size.at_look[at],
        exposed[rows, at],
        needless[rows, at],
        differs,
        stands,
        shows,
    )


def _claimed(
    size: DesignSize, arms: Arms, events: Counts, sizes: Counts
) -> tuple[BoolArray, BoolArray]:
    """Which claims of several arms stand, (trial, claim), and which endpoints show them at the full
    level, (trial, claim, endpoint).
    """
    pairs = claim_pairs(size)
    z = np.empty((len(events), len(pairs), events.shape[2]))
    for k, (experimental, comparator) in enumerate(pairs):
        two = [comparator, experimental]
        z[:, k] = pooled_z(events[:, :, :, two], sizes[:, :, two])[:, -1]
    if size.claims is None:
        return np.zeros((len(events), 0), dtype=bool), z >= np.inf
    stands = standing(
        z.min(axis=2) + TIE,
        procedure=size.claims.multiplicity,
        alpha=size.alpha,
        against_control=[comparator == CONTROL for _, comparator in pairs],
    )
    return stands, np.asarray(z >= size.upper[0] - TIE)


def claim_pairs(size: DesignSize) -> list[tuple[int, int]]:
    """Claims of several arms as numbers of the arms, (experimental, comparator); none of other
    designs.
    """
    if size.claims is None:
        return []
    number = {name: at for at, name in enumerate(size.claims.arms)}
    return [(number[claim.experimental], number[claim.comparator]) for claim in size.claims.claims]


def _judged(size: DesignSize, events: Counts, sizes: Counts) -> tuple[BoolArray, BoolArray]:
    """Whether each look claims benefit or stops early without, (trial, look)."""
    if size.rule is not None:
        successes = sizes[:, :, EXPERIMENTAL, 0] - events[:, :, ASTCT, EXPERIMENTAL, 0]
        claims, futile = successes >= size.rule.upper, successes <= size.rule.lower
    elif size.region is not None:
        claims = np.asarray(looked_up(events, size.region).all(axis=2))
        futile = np.zeros_like(claims)
    else:
        z = size.sign * _statistic(size.design, events, sizes)
        claims = np.asarray((z >= size.upper[:, None] - TIE).all(axis=2))
        futile = ~claims & (z < size.lower[:, None] - TIE).any(axis=2)
    futile[:, -1] = False
    return claims, futile


def _statistic(design: Design, events: Counts, sizes: Counts) -> FloatArray:
    if design.margin is not None:
        return farrington_manning_z(events, sizes, margin=design.margin)
    return (
        mantel_haenszel_z(events, sizes)
        if design.analysis == "mantel_haenszel"
        else pooled_z(events, sizes)
    )


def mean_estimate(values: NDArray[np.generic]) -> Estimate:
    """Mean over trials with its Monte Carlo error.

    >>> mean_estimate(np.array([1.0, 3.0])).value
    2.0
    """
    numbers = values.astype(np.float64)
    return Estimate(float(numbers.mean()), mc_error=float(numbers.std() / np.sqrt(numbers.size)))


def share_estimate(values: BoolArray) -> Estimate:
    """Share of trials with its Monte Carlo error."""
    return proportion(int(values.sum()), int(values.size))


def screened_by(
    trials: Trials, *, p_enters: float, at_look: WholeArray, seed: int
) -> NDArray[np.int64]:
    """Candidates screened until each trial had its patients: negative binomial, drawn by inversion.

    Candidates who do not enter leave no trace but their number, so they need not be drawn one by
    one.
    """
    if p_enters >= 1:
        return trials.n.copy()
    u = streams.uniforms(seed=seed, decision="screened", start=0, stop=len(trials), width=1)[:, 0]
    screened = np.empty(len(trials), dtype=np.int64)
    for n in np.unique(trials.n):
        mean, sd = n * (1 - p_enters) / p_enters, np.sqrt(n * (1 - p_enters)) / p_enters
        away = np.arange(int(mean + 12 * sd) + 20)
        here = trials.n == n
        screened[here] = n + np.searchsorted(nbinom.cdf(away, int(n), p_enters), u[here])
    return screened


# --- a design ready to run ---


@dataclass(frozen=True, eq=False)
class SizedDesign:
    """A design sized for a pool of candidates, with its arms under every truth at hand."""

    size: DesignSize
    pool: Pool
    screening: Screening
    hidden: float

    @property
    def design(self) -> Design:
        """The design itself."""
        return self.size.design

    @property
    def null(self) -> Truth:
        """The truth under which a claim is false: no effect, or for non-inferiority a rise by the
        whole margin.
        """
        return "null" if self.design.margin is None else "margin"

    def arms(self, truth: Truth) -> Arms:
        """The arms under one truth. Without a control, "null" means that patients do as well as the
        benchmark says.
        """
        arms = arms_of(self.pool, self.design, self.screening, truth=truth, hidden=self.hidden)
        if truth == "null" and self.design.single_arm is not None:
            arms.chance[:] = np.uint32(round((1 - self.design.single_arm.benchmark) * CERTAIN))
        return arms


def prepare(
    pool: Pool,
    design: Design,
    *,
    screening: Screening,
    hidden: float = 0.0,
    alpha: float = 0.025,
    power: float = 0.8,
    must_reach: bool = True,
) -> SizedDesign:
    """Size a design on a pool; raises :class:`crsrisk.errors.InputError` when it must reach its
    power and cannot.
    """
    return SizedDesign(
        size_design(pool, design, alpha=alpha, power=power, must_reach=must_reach),
        pool,
        screening,
        hidden,
    )


def simulated_power(
    sized: SizedDesign, *, n_sim: int, seed: int, workers: int = 1, truth: Truth = "effect"
) -> Estimate:
    """Share of trials that claim benefit: power with the effect, type I error without.

    >>> from crsrisk.trials.candidates import stated_pool
    >>> from crsrisk.data.trial_plan import Masking, Stated
    >>> screening = Screening(candidates_per_month=10.0)
    >>> stated = Stated(risk="Beta(2,6)", risk_ratio=0.5)
    >>> pool = stated_pool(stated, screening=screening, masking=Masking())
    >>> sized = prepare(pool, Design(name="everybody", kind="all_comers"), screening=screening)
    >>> 0.78 < simulated_power(sized, n_sim=10000, seed=1).value < 0.82
    True
    """
    trials = run_trials(sized.size, sized.arms(truth), n_sim=n_sim, seed=seed, workers=workers)
    return share_estimate(trials.has_claim)
