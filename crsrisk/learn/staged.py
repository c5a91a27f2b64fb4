"""Staged: an event that comes after stages, learnt stage by stage and then written as one additive model.

Grade 2 or more needs two things: CRS at all, and that it is severe. P(event) = P(any CRS) x P(event given any CRS), the
sequential model of ordered outcomes (continuation ratio). Each part is near to additive, with slopes that products
largely share; the slopes of the whole differ between products because these stand at different stages: where nearly
everybody has CRS, what makes it severe counts; where few have, what brings it on. So each product has to learn less by
itself, and a patient with grade 1 tells more than a "no" would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.learn.additive import Additive, fit_additive, follow_additive

Floats: TypeAlias = NDArray[np.float64]
_FEWEST = 10  # patients who do not reach a stage, and who stay there: with fewer it tells nothing


def fit_staged(
    table: Floats, steps: Floats, *, directions: Sequence[int], groups: Sequence[int], penalty: float
) -> Additive:
    """Fit; the other arguments are those of :func:`crsrisk.learn.additive.fit_additive`.

    ``steps`` (patients, stages + 1) of 0 and 1, the event last; who reaches one has reached those before it. Stages that
    tell too few patients apart are left out; without any this is :func:`crsrisk.learn.additive.fit_additive`.

    >>> rng = np.random.default_rng(0); table = rng.normal(size=(4000, 2))
    >>> any_crs = rng.random(4000) < expit(table[:, 0]); event = any_crs & (rng.random(4000) < expit(table[:, 1]))
    >>> steps = np.column_stack([any_crs, event]).astype(float)
    >>> fitted = fit_staged(table, steps, directions=[0, 0], groups=[], penalty=1.0)
    >>> true = expit(table[:, 0]) * expit(table[:, 1])
    >>> bool(np.abs(expit(fitted.log_odds(table)) - true).mean() < 0.03)
    True
    """
    stages = telling_stages(steps)
    if not stages:
        return fit_additive(table, steps[:, -1], directions=directions, groups=groups, penalty=penalty)
    reached, risk = np.ones(len(table), dtype=bool), np.ones(len(table))
    for step in (*(steps[:, stage] for stage in stages), steps[:, -1]):
        part = fit_additive(table[reached], step[reached], directions=directions, groups=groups, penalty=penalty)
        risk *= expit(part.log_odds(table))
        reached = step > 0
    return follow_additive(table, risk, directions=directions, groups=groups)


def out_of_order(steps: Floats) -> NDArray[np.bool_]:
    """Rows of ``steps`` (patients, stages + 1) that cannot be: other than 0 and 1, or at a stage without those before it.

    >>> out_of_order(np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, 0.0]])).tolist()
    [False, True, True]
    """
    return np.asarray(~np.isin(steps, (0.0, 1.0)).all(axis=1) | (np.diff(steps, axis=1) > 0).any(axis=1))


def telling_stages(steps: Floats) -> list[int]:
    """The stages that part enough patients: some do not reach them, some reach them and go no further.

    >>> telling_stages(np.column_stack([np.arange(40) < 30, np.arange(40) < 30, np.arange(40) < 15]))
    [0]
    """
    found: list[int] = []
    reached = np.ones(len(steps), dtype=bool)
    for stage in range(steps.shape[1] - 1):
        is_there, has_event = steps[:, stage] > 0, steps[:, -1] > 0
        if min((reached & ~is_there).sum(), (is_there & ~has_event).sum()) >= _FEWEST:
            found.append(stage)
            reached = is_there
    return found
