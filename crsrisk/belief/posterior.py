"""Posterior: worlds that the evidence leaves standing, each a draw of the prior that moved no further than it must.

Randomised maximum likelihood (Kitanidis 1995; Oliver, He and Reynolds 1996; Oliver, Reynolds and Liu 2008): a draw of the
prior and a draw of what the trials might have reported, of the published figures with their spread, make one member: the
world nearest to the first that meets the second. For figures that are linear in the scores its draws are exact draws of
the posterior; for others they are a good start that simulation then corrects. Every member counts the same, and it works
with a few hundred members in hundreds of dimensions, where weighting worlds by their likelihood leaves a handful.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crsrisk.belief.design import link, sampling_variance
from crsrisk.belief.observations import Observation

Values = NDArray[np.float64]
FARTHEST = 3.0  # prior SDs: no single move is longer, however far the figures are


def normal_data(observed: Sequence[Observation]) -> tuple[Values, Values]:
    """Published figures on their link scale and their SDs (sampling and differences between trials), shape (targets,)."""
    centers, variances = [], []
    for one in observed:
        if one.target.is_rate:
            center = link(one.events / one.n, is_rate=True, n=one.n)
            sampling = float(sampling_variance(np.array(center), np.array(one.n), is_rate=True))
        else:
            center, sampling = one.log_time, one.sampling_sd**2
        centers.append(center)
        variances.append(sampling + one.between_sd**2)
    return np.array(centers), np.sqrt(variances)


def moved(scores: Values, *, prior: Values, found: Values, slopes: Values, wanted: Values, sd: Values) -> Values:
    """One Gauss-Newton move of every world towards the least departure from its prior draw that meets its figures.

    ``scores``, ``prior`` (world, constant); ``found``, ``wanted``, ``sd`` (world, target); ``slopes`` (world, target,
    constant). For linear figures the first move arrives.

    >>> here = np.zeros((1, 1))
    >>> moved(here, prior=here, found=here, slopes=np.ones((1, 1, 1)), wanted=np.ones((1, 1)), sd=np.ones((1, 1)))
    array([[0.5]])
    """
    across = np.einsum("ntd,nsd->nts", slopes, slopes)
    across[:, range(across.shape[1]), range(across.shape[1])] += sd**2
    short = wanted - found + np.einsum("ntd,nd->nt", slopes, scores - prior)
    target = prior + np.einsum("ntd,nt->nd", slopes, np.linalg.solve(across, short[:, :, None])[:, :, 0])
    move = target - scores
    length = np.sqrt(np.square(move).sum(axis=1, keepdims=True))
    return np.asarray(scores + move * np.minimum(1.0, FARTHEST / np.maximum(length, 1e-12)))
