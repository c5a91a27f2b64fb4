"""Single-arm trials in two stages (Simon, Control Clin Trials 1989;10:1): stop early when too few
do well.

Success here is *no* CRS of grade >= 2. After n1 patients the trial ends when at most r1 did well;
else it goes on to n patients and rejects "prophylaxis is no better than p0" when more than r did
well. The historical p0 is its weak point: :func:`simon_operating_characteristics` shows what
happens when untreated patients do better than p0 anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from crsrisk.errors import InputError
from crsrisk.trials.checks import (
    Answer,
    FloatArray,
    WholeArray,
    count,
    inner_rate,
    numbers,
    one_sided_alpha,
    power_above,
    share,
)

WHERE = "Simon design"


@dataclass(frozen=True, repr=False)
class SimonDesign(Answer):
    """One design: stop after n1 with at most r1 successes, reject with more than r of n.

    ``EN0`` and ``PET0`` are the mean patients and the probability of stopping early when the
    success rate is p0; ``alpha`` and ``power`` are exact.
    """

    r1: int
    n1: int
    r: int
    n: int
    EN0: float
    PET0: float
    alpha: float
    power: float

    def summary(self) -> str:
        """The rule as it is written in a protocol."""
        return (
            f"{self.r1}/{self.n1} then {self.r}/{self.n}, {self.EN0:.1f} patients on average at p0,"
            f" alpha {self.alpha:.4f}, power {self.power:.4f}"
        )


@dataclass(frozen=True, repr=False)
class SimonDesigns(Answer):
    """The design with the fewest patients on average under p0, the one with the fewest at most, and
    those between.

    ``admissible`` are the designs that minimise q n + (1 - q) EN0 for some q from 0 to 1, from
    minimax to optimal (Jung, Lee, Kim & George, Stat Med 2004;23:561).
    """

    optimal: SimonDesign
    minimax: SimonDesign
    admissible: tuple[SimonDesign, ...]

    def summary(self) -> str:
        """The optimal and the minimax rule."""
        return f"optimal {self.optimal.summary()}; minimax {self.minimax.summary()}"

    def to_frame(self) -> pd.DataFrame:
        """One row an admissible design, minimax first and optimal last."""
        return pd.DataFrame([design.to_dict() for design in self.admissible])


@dataclass(frozen=True, eq=False, repr=False)
class SimonCharacteristics(Answer):
    """How a design does by true success rate: rejecting, stopping early, patients on average."""

    p_success: FloatArray
    p_reject: FloatArray
    p_stop_early: FloatArray
    expected_n: FloatArray

    def to_frame(self) -> pd.DataFrame:
        """One row a true success rate."""
        return pd.DataFrame(self.to_dict()).set_index("p_success")


def simon_two_stage(
    p0: float, p1: float, *, alpha: float = 0.05, beta: float = 0.2, n_max: int = 300
) -> SimonDesigns:
    """The optimal, the minimax and the admissible two-stage designs, by complete search.

    For every n, n1 and r1 the smallest r that keeps alpha is taken. The search is complete without
    looking at every design: no two-stage design beats the most powerful test with all n patients
    (Neyman & Pearson), which bounds n from below, and a design's mean size is at least n1 + (1 -
    largest PET0) (n - n1), which bounds n from above.

    Parameters
    ----------
    p0 : success rate that is not worth pursuing, above 0.
    p1 : success rate hoped for, above p0 and below 1.
    alpha, beta : largest type I and type II error.
    n_max : give up beyond this many patients.

    Returns
    -------
    SimonDesigns

    Raises
    ------
    InputError
        When p1 is not above p0, or no design is found and proved best within ``n_max``.

    References
    ----------
    Simon, Control Clin Trials 1989;10:1; Jung, Lee, Kim & George, Stat Med 2004;23:561.

    Examples
    --------
    >>> designs = simon_two_stage(p0=0.6, p1=0.8)
    >>> [(d.r1, d.n1, d.r, d.n) for d in (designs.optimal, designs.minimax)]
    [(7, 11, 30, 43), (8, 13, 25, 35)]
    """
    low, high = inner_rate(p0, where=WHERE, key="p0"), inner_rate(p1, where=WHERE, key="p1")
    level = one_sided_alpha(alpha, where=WHERE, key="alpha")
    power = power_above(
        1 - share(beta, where=WHERE, key="beta"), alpha=level, where=WHERE, key="1 - beta"
    )
    if not low < high:
        raise InputError(
            where=WHERE,
            key="p1",
            found=p1,
            expected=f"a success rate above p0 = {p0}",
            cure="count patients without CRS as successes, or swap the two",
        )
    improving = list(
        _improving(
            low,
            high,
            level=level,
            power=power,
            n_max=count(n_max, where=WHERE, key="n_max", least=2),
        )
    )
    return SimonDesigns(improving[-1], improving[0], _hull(improving))


def simon_operating_characteristics(
    *, r1: int, n1: int, r: int, n: int, p_success: Sequence[float]
) -> SimonCharacteristics:
    """Probability of rejecting for true success rates: type I error at p0, power at p1, and what a
    drifting benchmark does between.

    Exact: the sum over x > r1 of P(X1 = x) P(X2 > r - x).

    Parameters
    ----------
    r1, n1 : the first stage stops with at most r1 successes of n1 patients.
    r, n : the trial fails with at most r successes of n patients in all.
    p_success : true success rates, 0 to 1.

    Returns
    -------
    SimonCharacteristics
        One figure for each rate of ``p_success``.

    Raises
    ------
    InputError
        Unless r1 < n1 and r1 <= r < n.

    References
    ----------
    Simon, Control Clin Trials 1989;10:1.

    Examples
    --------
    >>> drift = simon_operating_characteristics(r1=7, n1=11, r=30, n=43, p_success=[0.6, 0.7])
    >>> drift.p_reject.round(3).tolist()
    [0.049, 0.345]
    """
    first = count(n1, where=WHERE, key="n1", least=1)
    total = count(n, where=WHERE, key="n", least=first + 1)
    stop, last = count(r1, where=WHERE, key="r1"), count(r, where=WHERE, key="r")
    if not (stop < first and stop <= last < total):
        raise InputError(
            where=WHERE,
            key="r1, n1, r, n",
            found=f"{r1}/{n1}, {r}/{n}",
            expected="r1 < n1 and r1 <= r < n",
            cure="r1 and r are the largest numbers of successes that fail",
        )
    rates = numbers(p_success, where=WHERE, key="p_success")
    for rate in rates:
        share(float(rate), where=WHERE, key="p_success")
    x = np.arange(stop + 1, first + 1)
    reached = binom.pmf(x, first, rates[:, None]) * binom.sf(
        last - x, total - first, rates[:, None]
    )
    stopped = np.asarray(binom.cdf(stop, first, rates))
    return SimonCharacteristics(
        p_success=rates,
        p_reject=np.asarray(reached).sum(axis=1),
        p_stop_early=stopped,
        expected_n=first + (1 - stopped) * (total - first),
    )


# --- the search ---


def _improving(
    p0: float, p1: float, *, level: float, power: float, n_max: int
) -> Iterator[SimonDesign]:
    """The best design of each n, as long as it needs fewer patients on average than all with fewer
    at most.
    """
    null, hoped = _pmf_table(n_max, p0), _pmf_table(n_max, p1)
    most_stop, most_pet = _stopping_limits(null, hoped, power=power)
    fewest = float("inf")
    for n in range(2, n_max + 1):
        if _most_power(null[n], hoped[n], level=level) < power:
            continue
        n1 = np.arange(1, n)
        lowest = n1 + (1 - most_pet[1:n]) * (n - n1)
        worthwhile = n1[(most_stop[1:n] >= 0) & (lowest < fewest)]
        if worthwhile.size == 0 and n - 1 >= fewest:
            return
        designs = [
            d
            for k in worthwhile
            if (
                d := _best(
                    n, int(k), null, hoped, n_stop=int(most_stop[k]) + 1, level=level, power=power
                )
            )
        ]
        best = min(designs, key=lambda design: design.EN0, default=None)
        if best and fewest > best.EN0:
            fewest = best.EN0
            yield best
    raise InputError(
        where=WHERE,
        key="n_max",
        found=n_max,
        expected="enough patients to find and prove the best design",
        cure="raise n_max, or ask for a larger difference p1 - p0",
    )


def _pmf_table(n_max: int, p: float) -> FloatArray:
    """Binomial probabilities [n, successes], row by row."""
    table = np.zeros((n_max + 1, n_max + 2))
    table[0, 0] = 1.0
    for n in range(n_max):
        table[n + 1] = (1 - p) * table[n]
        table[n + 1, 1:] += p * table[n, :-1]
    return table


def _stopping_limits(
    null: FloatArray, hoped: FloatArray, *, power: float
) -> tuple[WholeArray, FloatArray]:
    """For each n1 the largest r1 that leaves the power within reach (-1: none), and its probability
    of stopping under p0.
    """
    stopped = np.cumsum(hoped, axis=1)
    most_stop = (1 - stopped >= power).sum(axis=1) - 1
    row = np.arange(null.shape[0])
    most_pet = np.where(most_stop >= 0, np.cumsum(null, axis=1)[row, np.maximum(most_stop, 0)], 0.0)
    return most_stop, most_pet


def _most_power(null: FloatArray, hoped: FloatArray, *, level: float) -> float:
    """Power of the most powerful randomised test with n patients: reject from the most successes
    down.
    """
    used = np.cumsum(null[::-1])
    last = int(np.searchsorted(used, level))
    before = used[last - 1] if last else 0.0
    return float(hoped[::-1][:last].sum() + hoped[::-1][last] * (level - before) / null[::-1][last])


def _best(
    n: int, n1: int, null: FloatArray, hoped: FloatArray, *, n_stop: int, level: float, power: float
) -> SimonDesign | None:
    """The design of (n1, n) with the fewest patients on average: r1 below ``n_stop``, r the
    smallest that keeps alpha.
    """
    last = np.arange(n)
    false, true = (_rejecting(table, n, n1, last)[:, :n_stop] for table in (null, hoped))
    smallest = (false > level).sum(axis=0)  # per r1; rejecting falls with r
    r1 = np.arange(n_stop)
    is_good = (smallest < n) & (true[np.minimum(smallest, n - 1), r1] >= power)
    if not is_good.any():
        return None
    stop = int(r1[is_good][-1])  # the largest r1 stops most often
    r = max(int(smallest[stop]), stop)
    pet = float(null[n1, : stop + 1].sum())
    return SimonDesign(
        stop, n1, r, n, n1 + (1 - pet) * (n - n1), pet, float(false[r, stop]), float(true[r, stop])
    )


def _rejecting(table: FloatArray, n: int, n1: int, last: WholeArray) -> FloatArray:
    """Probability of rejecting for every r (rows) and r1 (columns): sum over x > r1 of P(X1 = x)
    P(X2 > r - x).
    """
    beyond = np.append(np.cumsum(table[n - n1, ::-1])[::-1], 0.0)  # P(X2 >= j)
    x = np.arange(1, n1 + 1)
    needed = np.clip(last[:, None] + 1 - x, 0, beyond.size - 1)
    each = table[n1, 1 : n1 + 1] * beyond[needed]
    return np.asarray(np.cumsum(each[:, ::-1], axis=1)[:, ::-1])


def _hull(designs: Sequence[SimonDesign]) -> tuple[SimonDesign, ...]:
    """The lower convex hull of (n, EN0), given by rising n and falling EN0."""
    kept: list[SimonDesign] = []
    for design in designs:
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) >= _slope(kept[-2], design):
            kept.pop()
        kept.append(design)
    return tuple(kept)


def _slope(smaller: SimonDesign, larger: SimonDesign) -> float:
    return (larger.EN0 - smaller.EN0) / (larger.n - smaller.n)
