"""Posterior: worlds that the evidence leaves standing, each a draw of the prior that moved no
further than it must.

Randomised maximum likelihood (Kitanidis 1995; Oliver, He and Reynolds 1996; Oliver, Reynolds and
Liu 2008): a draw of the prior and a draw of what the trials might have reported, of the published
figures with their spread, make one member: the world nearest to the first that meets the second.
For figures that are linear in the scores its draws are exact draws of the posterior; for others
they are a good start that simulation then corrects. Every member counts the same, and it works with
a few hundred members in hundreds of dimensions, where weighting worlds by their likelihood leaves a
handful.

The moves follow slopes: how every published figure changes with every constant, by simulation. The
same patients live in every world that is compared, so that chance cancels: a change of a figure is
that of the patients whom the constant carries over a threshold. Slopes at one place are corrected,
world by world, by what the figures did when the world moved (Broyden, Math Comp 1965;19:577, the
secant method of several dimensions). Where few patients have the event, as under checkpoint
inhibitors, three hundred slopes that are chance alone would together outweigh the few that are
real: two groups of patients give each slope twice, and what they do not agree on is taken out.

At the end :func:`constant_updates` says which constants the evidence moved away from their
priors, and which it left where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from crsrisk.results import Estimate
from crsrisk.uncertainty.constants import Constant
from crsrisk.uncertainty.observations import Observation, link, sampling_variance

Values = NDArray[np.float64]
Verdict: TypeAlias = Literal["constrains", "hint", "prior"]
FARTHEST = 3.0  # prior SDs: no single move is longer, however far the figures are
# prior SDs to either side: most of what a constant may do, and far more than one patient's
# difference
STEP = 0.75
CHANCE = 2.0  # standard errors within which a slope is taken for chance
# squared movement below which a world has moved too little to say anything of its slopes
STILL = 0.05
# the evidence constrains: mean moved by so many prior SDs or more, or so much of the SD left or
# less
CLEAR = (0.5, 0.8)
# a hint: just beyond what chance does in 256 members (SE of a mean 0.06, of an SD 4%)
HINT = (0.25, 0.85)
_END = 4.0  # prior SDs from the median: a value rounded to an end of its range is no further


def normal_data(observed: Sequence[Observation]) -> tuple[Values, Values]:
    """Published figures on their link scale and their SDs (sampling and differences between
    trials), shape (targets,).
    """
    centers, variances = [], []
    for observation in observed:
        if observation.target.is_rate:
            center = link(observation.events / observation.n, is_rate=True, n=observation.n)
            sampling = float(
                sampling_variance(np.array(center), np.array(observation.n), is_rate=True)
            )
        else:
            center, sampling = observation.log_time, observation.sampling_sd**2
        centers.append(center)
        variances.append(sampling + observation.between_sd**2)
    return np.array(centers), np.sqrt(variances)


def gauss_newton_move(
    scores: Values, *, prior: Values, simulated: Values, slopes: Values, wanted: Values, sd: Values
) -> Values:
    """One Gauss-Newton move of every world towards the least departure from its prior draw that
    meets its figures.

    ``scores``, ``prior`` (world, constant); ``simulated``, ``wanted``, ``sd`` (world, target);
    ``slopes`` (world, target, constant). For linear figures the first move arrives.

    >>> here = np.zeros((1, 1))
    >>> one = np.ones((1, 1))
    >>> gauss_newton_move(here, prior=here, simulated=here, slopes=one[None], wanted=one, sd=one)
    array([[0.5]])
    """
    across = np.einsum("ntd,nsd->nts", slopes, slopes)
    across[:, range(across.shape[1]), range(across.shape[1])] += sd**2
    short = wanted - simulated + np.einsum("ntd,nd->nt", slopes, scores - prior)
    target = prior + np.einsum(
        "ntd,nt->nd", slopes, np.linalg.solve(across, short[:, :, None])[:, :, 0]
    )
    move = target - scores
    length = np.sqrt(np.square(move).sum(axis=1, keepdims=True))
    return np.asarray(scores + move * np.minimum(1.0, FARTHEST / np.maximum(length, 1e-12)))


def slopes_at(scores: Values, *, figures: Callable[[Values], Values]) -> Values:
    """Central differences at one row of ``scores``, shape (target, constant); 0 where a figure is
    not to be had.

    ``figures`` gives the figures (point, target) of rows of scores, with the same patients at every
    point.

    >>> slopes_at(np.zeros(2), figures=lambda z: z @ np.array([[1.0], [3.0]])).tolist()
    [[1.0, 3.0]]
    """
    steps = STEP * np.eye(len(scores))
    changed = figures(np.vstack([scores + steps, scores - steps]))
    up, down = np.split(changed, 2)
    return np.nan_to_num((up - down).T / (2.0 * STEP), nan=0.0)


def agreeing_slopes(first: Values, second: Values) -> Values:
    """Mean of two estimates of slopes (target, constant), without what chance alone would give.

    How far the estimates of a figure differ over all constants is its standard error; each slope is
    shrunk by the non-negative garrote (Breiman, Technometrics 1995;37:373), which leaves large ones
    alone and takes out those within ``CHANCE`` standard errors.

    >>> first, second = np.array([[4.0, 0.1, 0.0]]), np.array([[4.0, -0.1, 0.0]])
    >>> agreeing_slopes(first, second).round(2).tolist()
    [[4.0, 0.0, 0.0]]
    """
    mean = (first + second) / 2.0
    is_met = mean != 0.0  # constants that cannot act on a figure say nothing of its chance
    n_met = np.maximum(is_met.sum(axis=1, keepdims=True), 1)
    variance = (np.square(first - second) * is_met).sum(axis=1, keepdims=True) / 4.0 / n_met
    return np.asarray(
        mean * np.maximum(0.0, 1.0 - CHANCE**2 * variance / np.where(is_met, np.square(mean), 1.0))
    )


def broyden_update(slopes: Values, *, moved: Values, changed: Values) -> Values:
    """Slopes (world, target, constant) after worlds ``moved`` (world, constant) and figures
    ``changed`` (world, target).

    The least change of the slopes that explains what happened; a figure that is NaN says nothing.

    >>> far = np.array([[10.0, 0.0]])
    >>> broyden_update(np.zeros((1, 1, 2)), moved=far, changed=np.array([[20.0]])).round(3).tolist()
    [[[1.999, 0.0]]]
    """
    missed = np.nan_to_num(changed - np.einsum("ntd,nd->nt", slopes, moved), nan=0.0)
    length = np.square(moved).sum(axis=1, keepdims=True) + STILL
    return np.asarray(slopes + missed[:, :, None] * (moved / length)[:, None, :])


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
