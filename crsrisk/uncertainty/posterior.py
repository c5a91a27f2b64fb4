"""Posterior: what the evidence did to each constant, read from draws of the posterior.

How far its mean moved from the median of its prior and how much of the prior's SD is left say
whether the evidence constrains a constant, hints at it, or leaves it where its prior put it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from crsrisk.results import Estimate
from crsrisk.uncertainty.constants import Constant

Values = NDArray[np.float64]
Verdict: TypeAlias = Literal["constrains", "hint", "prior"]
# the evidence constrains: mean moved by so many prior SDs or more, or so much of the SD left or
# less
CLEAR = (0.5, 0.8)
# a hint: just beyond what chance does in 256 members (SE of a mean 0.06, of an SD 4%)
HINT = (0.25, 0.85)
_END = 4.0  # prior SDs from the median: a value rounded to an end of its range is no further


def scores_of(constant: Constant, values: Values) -> Values:
    """Scores of members' values (:meth:`Constant.score`), between -4 and 4, also of a switch.

    Where the prior's median lies at an end of its range (a switch that is off), all scores on that
    side give the median. Members there are spread over that half as the prior would have drawn
    them, so that the prior itself has mean 0, SD 1.

    >>> rate = Constant("a", median=2.0, spread=0.5, low=0.1, high=40.0)
    >>> scores_of(rate, rate.at(np.array([-1.0, 0.0, 1.5]))).round(3).tolist()
    [-1.0, 0.0, 1.5]
    >>> switch = Constant("b", median=0.0, spread=0.5, low=0.0, high=3.0)
    >>> scores_of(switch, np.array([0.0, 0.5, 0.0, 0.9])).round(2).tolist()
    [-1.15, 1.0, -0.32, 1.8]
    """
    scores = np.clip(constant.score(values), -_END, _END)
    for end, side in ((constant.low, -1.0), (constant.high, 1.0)):
        if end == constant.median:
            is_hidden = values == constant.median
            shares = (np.arange(is_hidden.sum()) + 0.5) / (2.0 * max(1, is_hidden.sum()))
            scores[is_hidden] = -side * ndtri(shares)
    return scores


@dataclass(frozen=True)
class ConstantUpdate:
    """What the evidence did to one constant.

    ``prior_median`` and ``posterior`` (median and 95% interval of the members) are in the unit of
    the constant, as is ``most_probable``, the value of the reference world. ``shift_prior_sd`` is
    how far its mean moved; ``left_of_prior_sd`` the posterior over the prior SD: about 1 means that
    the evidence left it alone. ``verdict`` says it in a word (:func:`verdict`).
    """

    constant: str
    prior_median: float
    posterior: Estimate
    most_probable: float
    shift_prior_sd: float
    left_of_prior_sd: float
    verdict: Verdict


def constant_updates(
    constants: Sequence[Constant], scores: Values, weights: Values, reference: Values
) -> list[ConstantUpdate]:
    """What the evidence says of each constant, most constrained first.

    ``scores`` (member, constant), ``weights`` (member,); ``reference`` (constant,): the scores of
    the reference world.
    """
    mean = weights @ scores
    sd = np.sqrt(weights @ (scores - mean) ** 2)

    def update(k: int) -> ConstantUpdate:
        constant, shift, left = constants[k], float(mean[k]), float(sd[k])
        median, low, high = (float(constant.at(shift + z * left)) for z in (0.0, -1.96, 1.96))
        return ConstantUpdate(
            constant=constant.key,
            prior_median=constant.median,
            posterior=Estimate(median, low, high),
            most_probable=float(constant.at(float(reference[k]))),
            shift_prior_sd=shift,
            left_of_prior_sd=left,
            verdict=verdict(shift=shift, left=left),
        )

    order = np.argsort(-(np.abs(mean) + np.maximum(1.0 - sd, 0.0)), kind="stable")
    return [update(int(k)) for k in order]


def updates_table(updates: Sequence[ConstantUpdate]) -> pd.DataFrame:
    """One row a constant, as ``constants.csv`` of a calibration holds them."""
    return pd.DataFrame(
        [
            {
                "constant": update.constant,
                "prior_median": update.prior_median,
                "posterior_median": update.posterior.value,
                "posterior_low": update.posterior.low,
                "posterior_high": update.posterior.high,
                "most_probable": update.most_probable,
                "shift_prior_sd": update.shift_prior_sd,
                "left_of_prior_sd": update.left_of_prior_sd,
            }
            for update in updates
        ]
    )


def verdict(*, shift: float, left: float) -> Verdict:
    """What the evidence does to a constant whose mean moved by ``shift`` prior SDs, with ``left``
    of the prior SD left.

    >>> verdict(shift=-0.6, left=0.95), verdict(shift=0.1, left=0.84), verdict(shift=0.1, left=1.0)
    ('constrains', 'hint', 'prior')
    """

    def reaches(least: tuple[float, float]) -> bool:
        return abs(shift) >= least[0] or left <= least[1]

    return "constrains" if reaches(CLEAR) else "hint" if reaches(HINT) else "prior"
