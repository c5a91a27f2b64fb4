"""One patient later: the spread over assumptions and what levers would do, some hours after the first dose.

People like this one are simulated from the first dose, and only those who stand where he stands are kept: still at risk,
with the same worst grade so far. Members of the ensemble under which more people stand there count for more: that is
what the hours so far say about the assumptions. Of the course nothing else is used, no temperature and no laboratory value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.belief.constants import with_product_values, with_world_values
from crsrisk.belief.design import link, rate_chance
from crsrisk.belief.forecast import member_values, steadied
from crsrisk.belief.one_patient import SHARE, Simulated, chosen_members
from crsrisk.domain.ensemble import Ensemble
from crsrisk.domain.world import World
from crsrisk.simulate.alike import alike
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.layout import SNAPSHOT
from crsrisk.simulate.outcomes import grade_within
from crsrisk.simulate.population import take
from crsrisk.simulate.run import LANDMARKS_H, Episode, run

Values = NDArray[np.float64]
FEWEST = 200  # people who stand where the patient stands: with fewer nothing is said


@dataclass(frozen=True, eq=False)
class LaterSpread:
    """As :class:`crsrisk.belief.one_patient.PatientSpread`, of the ``n_kept`` people who stood where the patient stands.

    ``onset_h``: hours from the first dose to the first CRS of those who had none so far and had it later.
    """

    usual: Mapping[int, Simulated]
    levers: tuple[Mapping[int, Simulated], ...]
    differences: tuple[Mapping[int, Simulated], ...]
    onset_h: Values
    n_kept: int


def over_members_later(
    known: Mapping[str, float], *, arm: Arm, changed: Sequence[Arm], ensemble: Ensemble, world: World, hour: int,
    worst_grade: int, seed: int, n_members: int, n_people: int, workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> LaterSpread | None:
    """Simulate ``n_people`` under each member and keep those still at risk at ``hour`` with this ``worst_grade`` (0 or 1).

    ``changed``: arms that differ from ``arm`` only later than ``hour``. None when fewer than ``FEWEST`` people are kept.
    The result does not depend on ``workers``.
    """
    values = member_values(ensemble, world=world, products=[arm.product])
    members = chosen_members(ensemble, n_members)

    def at(k: int) -> tuple[NDArray[np.int64], Values]:
        own = values(int(members[k]))
        here = with_world_values(world, own)
        arms = [replace(one, product=with_product_values(one.product, own), policy=here.policies[one.policy.name])
                for one in (arm, *changed)]
        people = alike(known, arm=arms[0], world=here, seed=seed + k, n=n_people)
        usual = run(arms[0], people, world=here)
        rows = np.flatnonzero(grade_by(usual, hour=hour) == worst_grade)
        window_h = 24.0 * arm.window_d
        grades = [grade_within(usual, window_h=window_h)[rows]]
        if len(rows):
            grades += [grade_within(run(one, take(people, rows), world=here), window_h=window_h) for one in arms[1:]]
        first = usual.tracks["first_1"][rows]
        if advance is not None:
            advance(1)
        return np.array(grades), first[(first > hour) & (first < window_h)]

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        found = [(grades, onset) for grades, onset in pool.map(at, range(n_members)) if grades.shape[1]]
    n_kept = sum(grades.shape[1] for grades, _ in found)
    if n_kept < FEWEST or len(found) < 2:
        return None
    each = [grades for grades, _ in found]
    parts = [{least: _share([grades[a] >= least for grades in each]) for least in (2, 3)} for a in range(1 + len(changed))]
    changes = [{least: _difference([(grades[a] >= least).astype(float) - (grades[0] >= least) for grades in each])
                for least in (2, 3)} for a in range(1, 1 + len(changed))]
    return LaterSpread(parts[0], tuple(parts[1:]), tuple(changes), np.concatenate([onset for _, onset in found]), n_kept)


def grade_by(episode: Episode, *, hour: int) -> NDArray[np.int64]:
    """Worst grade of each patient up to a landmark hour, shape (n,)."""
    return np.asarray(episode.snapshots[LANDMARKS_H.index(float(hour)), SNAPSHOT.index("max_grade")], dtype=np.int64)


def _share(events: Sequence[NDArray[np.bool_]]) -> Simulated:
    sizes = np.array([len(event) for event in events], dtype=np.float64)
    shares = np.array([event.mean() for event in events])
    scores = np.array([link(share, is_rate=True, n=n) for share, n in zip(shares, sizes, strict=True)])
    weights = sizes / sizes.sum()
    noise = np.array([rate_chance(share, n=int(n)) for share, n in zip(shares, sizes, strict=True)])
    steady = expit(steadied(scores, noise, weights))
    return _simulated(shares, steady, weights)


def _difference(each: Sequence[Values]) -> Simulated:
    sizes = np.array([len(one) for one in each], dtype=np.float64)
    shares, noise = np.array([one.mean() for one in each]), np.array([one.var() / len(one) for one in each])
    weights = sizes / sizes.sum()
    return _simulated(shares, steadied(shares, noise, weights), weights)


def _simulated(shares: Values, steady: Values, weights: Values) -> Simulated:
    """Mean over the people, its error from the members (a ratio of sums), and where nine of ten members lie."""
    value = float((weights * shares).sum())
    error = float(np.sqrt((weights**2 * (shares - value) ** 2).sum() * len(shares) / (len(shares) - 1)))
    order = np.argsort(steady, kind="stable")
    mass, tail = np.cumsum(weights[order]), (1.0 - SHARE) / 2.0
    low, high = (float(steady[order][min(int(np.searchsorted(mass, q)), len(order) - 1)]) for q in (tail, 1.0 - tail))
    return Simulated(value, error, low, high)
