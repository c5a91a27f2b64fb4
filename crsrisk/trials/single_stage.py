"""Single-arm trials in one stage, exactly: the fewest patients with which a count of successes
tells a rate hoped for from one that is not worth pursuing.

Success here is *no* CRS of grade >= 2, as in :mod:`crsrisk.trials.simon`, which stops early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from crsrisk.errors import InputError
from crsrisk.trials.checks import (
    Answer,
    count,
    inner_rate,
    one_sided_alpha,
    power_above,
    share,
)

WHERE = "single-stage design"


@dataclass(frozen=True, repr=False)
class SingleStageDesign(Answer):
    """Claim with more than ``r`` successes of ``n``; ``alpha`` and ``power`` are exact."""

    r: int
    n: int
    alpha: float
    power: float

    def summary(self) -> str:
        """The rule as it is written in a protocol."""
        return f"more than {self.r} of {self.n}, alpha {self.alpha:.4f}, power {self.power:.4f}"


def exact_single_stage(
    p0: float, p1: float, *, alpha: float = 0.05, beta: float = 0.2, n_max: int = 1000
) -> SingleStageDesign:
    """The smallest exact single-stage design.

    For every number of patients the fewest successes that keep alpha are asked for; the first
    number that then reaches the power is the answer. Power rises and falls with the number of
    patients, since successes are whole: a larger trial may have less.

    Parameters
    ----------
    p0 : success rate that is not worth pursuing, above 0.
    p1 : success rate hoped for, above p0 and below 1.
    alpha, beta : largest type I and type II error.
    n_max : give up beyond this many patients.

    Returns
    -------
    SingleStageDesign

    Raises
    ------
    InputError
        When p1 is not above p0, or no design is found within ``n_max``.

    References
    ----------
    Fleming, Biometrics 1982;38:143; A'Hern, Stat Med 2001;20:859.

    Examples
    --------
    >>> design = exact_single_stage(0.6, 0.8)
    >>> design.r, design.n  # promising with 27 successes or more
    (26, 36)
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
    n = np.arange(1, count(n_max, where=WHERE, key="n_max", least=1) + 1)
    r = np.asarray(binom.isf(level, n, low)).astype(np.int64)
    reached = np.asarray(binom.sf(r, n, high))
    enough = np.flatnonzero((reached >= power) & (r < n))
    if enough.size == 0:
        raise InputError(
            where=WHERE,
            key="n_max",
            found=f"no design within {n_max:,} patients",
            expected=f"a power of {power:g} at {p1:g}",
            cure="raise n_max, or hope for a higher rate",
        )
    at = int(enough[0])
    return SingleStageDesign(
        int(r[at]), int(n[at]), float(binom.sf(r[at], n[at], low)), float(reached[at])
    )
