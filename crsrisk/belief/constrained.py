"""Constrained: which constants the evidence moved away from their priors, and which it left where they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from crsrisk.belief.constants import Constant

Values = NDArray[np.float64]
CLEAR = (0.5, 0.8)  # the evidence constrains: mean moved by so many prior SDs or more, or so much of the SD left or less
_END = 4.0  # prior SDs from the median: a value rounded to an end of its range is no further
HINT = (0.25, 0.85)  # a hint: just beyond what chance does in 256 members (SE of a mean 0.06, of an SD 4%)


def scores_of(constant: Constant, values: Values) -> Values:
    """Scores of members' values (:meth:`Constant.score`), between -4 and 4, also of a switch.

    Where the prior's median lies at an end of its range (a switch that is off), all scores on that side give the median.
    Members there are spread over that half as the prior would have drawn them, so that the prior itself has mean 0, SD 1.

    >>> rate = Constant("a", median=2.0, spread=0.5, low=0.1, high=40.0)
    >>> scores_of(rate, rate.at(np.array([-1.0, 0.0, 1.5]))).round(3).tolist()
    [-1.0, 0.0, 1.5]
    >>> switch = Constant("b", median=0.0, spread=0.5, low=0.0, high=3.0)
    >>> scores_of(switch, np.array([0.0, 0.5, 0.0, 0.9])).round(2).tolist()
    [-1.15, 1.0, -0.32, 1.8]
    """
    found = np.clip(constant.score(values), -_END, _END)
    for end, side in ((constant.low, -1.0), (constant.high, 1.0)):
        if end == constant.median:
            is_hidden = values == constant.median
            shares = (np.arange(is_hidden.sum()) + 0.5) / (2.0 * max(1, is_hidden.sum()))
            found[is_hidden] = -side * ndtri(shares)
    return found


def moved_table(constants: Sequence[Constant], scores: Values, weights: Values, reference: Values) -> pd.DataFrame:
    """What the evidence says of each constant, most constrained first.

    ``shift_prior_sd`` is how far its mean moved, ``left_of_prior_sd`` the posterior over the prior SD: about 1 means the
    evidence left it alone.
    """
    mean = weights @ scores
    sd = np.sqrt(weights @ (scores - mean) ** 2)
    table = pd.DataFrame({
        "constant": [one.key for one in constants], "prior_median": [one.median for one in constants],
        "posterior_median": [float(one.at(z)) for one, z in zip(constants, mean, strict=True)],
        "posterior_low": [float(one.at(z)) for one, z in zip(constants, mean - 1.96 * sd, strict=True)],
        "posterior_high": [float(one.at(z)) for one, z in zip(constants, mean + 1.96 * sd, strict=True)],
        "most_probable": [float(one.at(z)) for one, z in zip(constants, reference, strict=True)],
        "shift_prior_sd": mean, "left_of_prior_sd": sd,
    })
    order = np.argsort(-(np.abs(mean) + np.maximum(1.0 - sd, 0.0)), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def verdict(*, shift: float, left: float) -> str:
    """What the evidence does to a constant whose mean moved by ``shift`` prior SDs, with ``left`` of the prior SD left.

    >>> verdict(shift=-0.6, left=0.95), verdict(shift=0.1, left=0.84), verdict(shift=0.1, left=1.0)
    ('constrains', 'hint', 'prior')
    """
    for word, (moved, narrowed) in (("constrains", CLEAR), ("hint", HINT)):
        if abs(shift) >= moved or left <= narrowed:
            return word
    return "prior"
