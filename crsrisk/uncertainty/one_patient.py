"""One patient: how far the assumptions leave a patient's risk open, and what levers would do, both
simulated.

Patients like this one are simulated under members of the ensemble, with the usual arm and with each
lever. Within a member all arms have the same people, so that a difference is that of the lever;
each member has people of its own, so that chance averages out over the members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.layout import SNAPSHOT
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import take
from crsrisk.simulation.run import LANDMARKS_H, Episode, run
from crsrisk.simulation.similar_patients import (
    ConditionalOutcomes,
    conditional_outcomes,
    sample_conditional,
)
from crsrisk.uncertainty.constants import with_product_values, with_world_values
from crsrisk.uncertainty.forecast import member_values, shrink
from crsrisk.uncertainty.observations import link, rate_chance

Values = NDArray[np.float64]
N_MEMBERS, N_PEOPLE = 40, 256
N_SCENARIO = 2048  # people under each scenario
SHARE = 0.9  # of the members, which the range holds


@dataclass(frozen=True)
class Simulated:
    """A simulated share (0-1): mean over the members, Monte Carlo error (one SD), and the range
    that holds the central nine of ten members once the part of their spread that is chance is taken
    out.
    """

    value: float
    mc_error: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class PatientSpread:
    """``usual`` and ``levers`` for grade >= 2 and >= 3 (keys 2 and 3), differences (lever minus
    usual), onsets of CRS in hours after the first dose under the usual arm, and how much was
    simulated.
    """

    usual: Mapping[int, Simulated]
    levers: tuple[Mapping[int, Simulated], ...]
    differences: tuple[Mapping[int, Simulated], ...]
    onset_h: Values
    n_members: int
    n_people: int


def chosen_members(ensemble: Ensemble, n: int) -> NDArray[np.int64]:
    """``n`` members, equally weighted, that stand for all: each as often as its weight asks
    (systematic resampling).
    """
    steps = (np.arange(n) + 0.5) / n
    places = np.searchsorted(np.cumsum(ensemble.weights), steps * ensemble.weights.sum())
    return np.asarray(np.minimum(places, len(ensemble) - 1), dtype=np.int64)


def over_members(
    known: Mapping[str, float],
    *,
    arm: Arm,
    changed: Sequence[Arm],
    ensemble: Ensemble,
    world: World,
    seed: int,
    n_members: int = N_MEMBERS,
    n_people: int = N_PEOPLE,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> PatientSpread:
    """Simulate people like this one under ``n_members`` members, in the usual arm and in every
    changed one.

    ``known``: of :func:`crsrisk.simulation.similar_patients.alike`. The result does not depend on
    ``workers``.
    """
    values = member_values(ensemble, world=world, products=[arm.product])
    members = chosen_members(ensemble, n_members)

    def at(k: int) -> list[ConditionalOutcomes]:
        own = values(int(members[k]))
        here = with_world_values(world, own)
        arms = [
            replace(
                one,
                product=with_product_values(one.product, own),
                policy=here.policies[one.policy.name],
            )
            for one in (arm, *changed)
        ]
        found = [
            conditional_outcomes(
                sample_conditional(known, arm=one, world=here, seed=seed + k, n=n_people),
                arm=one,
                world=here,
            )
            for one in arms
        ]
        if advance is not None:
            advance(1)
        return found

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        rows = list(pool.map(at, range(n_members)))
    grades = np.array([[one.grade for one in row] for row in rows])  # (member, arm, person)
    onset = np.concatenate([row[0].onset_h for row in rows])
    parts = [
        {least: _share(grades[:, a] >= least) for least in (2, 3)} for a in range(grades.shape[1])
    ]
    changes = [
        {least: _difference(grades[:, a] >= least, grades[:, 0] >= least) for least in (2, 3)}
        for a in range(1, grades.shape[1])
    ]
    return PatientSpread(
        parts[0], tuple(parts[1:]), tuple(changes), onset[~np.isnan(onset)], n_members, n_people
    )


def _share(event: NDArray[np.bool_]) -> Simulated:
    """From events of shape (member, person)."""
    n_members, n = event.shape
    shares = event.mean(axis=1)
    scores = np.array([link(float(share), is_rate=True, n=float(n)) for share in shares])
    noise = np.array([rate_chance(float(share), n=n) for share in shares])
    steady = expit(shrink(scores, noise, np.full(n_members, 1.0 / n_members)))
    return Simulated(float(shares.mean()), _error(shares), *_range(steady))


def _difference(event: NDArray[np.bool_], usual: NDArray[np.bool_]) -> Simulated:
    each = event.astype(np.float64) - usual.astype(np.float64)
    shares = each.mean(axis=1)
    steady = shrink(
        shares, each.var(axis=1) / each.shape[1], np.full(len(shares), 1.0 / len(shares))
    )
    return Simulated(float(shares.mean()), _error(shares), *_range(steady))


def _error(shares: Values) -> float:
    """Error of the mean over members: their own spread is in it, and so is chance, since their
    people differ.
    """
    return float(shares.std(ddof=1) / np.sqrt(len(shares)))


def _range(values: Values) -> tuple[float, float]:
    tail = (1.0 - SHARE) / 2.0
    return float(np.quantile(values, tail)), float(np.quantile(values, 1.0 - tail))


def over_scenarios(
    known: Mapping[str, float],
    *,
    arm: Arm,
    worlds: Mapping[str, World],
    seed: int,
    n: int = N_SCENARIO,
    workers: int = 1,
) -> dict[str, tuple[float, float]]:
    """Risk of grade >= 2 of people like this one under each scenario, with its Monte Carlo error
    (one SD).

    All scenarios draw the same people, as far as they agree on who people like this one are.
    """
    found = {}
    for name, world in worlds.items():
        share = conditional_outcomes(
            sample_conditional(known, arm=arm, world=world, seed=seed, n=n),
            arm=arm,
            world=world,
            workers=workers,
        ).share(2)
        found[name] = (share, float(np.sqrt(share * (1.0 - share) / n)))
    return found


# One patient later: the spread over assumptions and what levers would do, some hours after the
# first dose.
#
# People like this one are simulated from the first dose, and only those who stand where he stands
# are kept: still at risk, with the same worst grade so far. Members of the ensemble under which
# more people stand there count for more: that is what the hours so far say about the assumptions.
# Of the course nothing else is used, no temperature and no laboratory value.


FEWEST = 200  # people who stand where the patient stands: with fewer nothing is said


@dataclass(frozen=True, eq=False)
class LaterSpread:
    """As :class:`crsrisk.uncertainty.one_patient.PatientSpread`, of the ``n_kept`` people who stood
    where the patient stands.

    ``onset_h``: hours from the first dose to the first CRS of those who had none so far and had it
    later.
    """

    usual: Mapping[int, Simulated]
    levers: tuple[Mapping[int, Simulated], ...]
    differences: tuple[Mapping[int, Simulated], ...]
    onset_h: Values
    n_kept: int


def over_members_later(
    known: Mapping[str, float],
    *,
    arm: Arm,
    changed: Sequence[Arm],
    ensemble: Ensemble,
    world: World,
    hour: int,
    worst_grade: int,
    seed: int,
    n_members: int,
    n_people: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> LaterSpread | None:
    """Simulate ``n_people`` under each member and keep those still at risk at ``hour`` with this
    ``worst_grade`` (0 or 1).

    ``changed``: arms that differ from ``arm`` only later than ``hour``. None when fewer than
    ``FEWEST`` people are kept. The result does not depend on ``workers``.
    """
    values = member_values(ensemble, world=world, products=[arm.product])
    members = chosen_members(ensemble, n_members)

    def at(k: int) -> tuple[NDArray[np.int64], Values]:
        own = values(int(members[k]))
        here = with_world_values(world, own)
        arms = [
            replace(
                one,
                product=with_product_values(one.product, own),
                policy=here.policies[one.policy.name],
            )
            for one in (arm, *changed)
        ]
        people = sample_conditional(known, arm=arms[0], world=here, seed=seed + k, n=n_people)
        usual = run(arms[0], people, world=here)
        rows = np.flatnonzero(grade_by(usual, hour=hour) == worst_grade)
        window_h = 24.0 * arm.window_d
        grades = [grade_within(usual, window_h=window_h)[rows]]
        if len(rows):
            grades += [
                grade_within(run(one, take(people, rows), world=here), window_h=window_h)
                for one in arms[1:]
            ]
        first = usual.tracks["first_1"][rows]
        if advance is not None:
            advance(1)
        return np.array(grades), first[(first > hour) & (first < window_h)]

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        found = [
            (grades, onset) for grades, onset in pool.map(at, range(n_members)) if grades.shape[1]
        ]
    n_kept = sum(grades.shape[1] for grades, _ in found)
    if n_kept < FEWEST or len(found) < 2:
        return None
    each = [grades for grades, _ in found]
    parts = [
        {least: _share_later([grades[a] >= least for grades in each]) for least in (2, 3)}
        for a in range(1 + len(changed))
    ]
    changes = [
        {
            least: _difference_later(
                [(grades[a] >= least).astype(float) - (grades[0] >= least) for grades in each]
            )
            for least in (2, 3)
        }
        for a in range(1, 1 + len(changed))
    ]
    return LaterSpread(
        parts[0],
        tuple(parts[1:]),
        tuple(changes),
        np.concatenate([onset for _, onset in found]),
        n_kept,
    )


def grade_by(episode: Episode, *, hour: int) -> NDArray[np.int64]:
    """Worst grade of each patient up to a landmark hour, shape (n,)."""
    return np.asarray(
        episode.snapshots[LANDMARKS_H.index(float(hour)), SNAPSHOT.index("max_grade")],
        dtype=np.int64,
    )


def _share_later(events: Sequence[NDArray[np.bool_]]) -> Simulated:
    sizes = np.array([len(event) for event in events], dtype=np.float64)
    shares = np.array([event.mean() for event in events])
    scores = np.array(
        [link(share, is_rate=True, n=n) for share, n in zip(shares, sizes, strict=True)]
    )
    weights = sizes / sizes.sum()
    noise = np.array([rate_chance(share, n=int(n)) for share, n in zip(shares, sizes, strict=True)])
    steady = expit(shrink(scores, noise, weights))
    return _simulated(shares, steady, weights)


def _difference_later(each: Sequence[Values]) -> Simulated:
    sizes = np.array([len(one) for one in each], dtype=np.float64)
    shares, noise = (
        np.array([one.mean() for one in each]),
        np.array([one.var() / len(one) for one in each]),
    )
    weights = sizes / sizes.sum()
    return _simulated(shares, shrink(shares, noise, weights), weights)


def _simulated(shares: Values, steady: Values, weights: Values) -> Simulated:
    """Mean over the people, its error from the members (a ratio of sums), and where nine of ten
    members lie.
    """
    value = float((weights * shares).sum())
    error = float(
        np.sqrt((weights**2 * (shares - value) ** 2).sum() * len(shares) / (len(shares) - 1))
    )
    order = np.argsort(steady, kind="stable")
    mass, tail = np.cumsum(weights[order]), (1.0 - SHARE) / 2.0
    low, high = (
        float(steady[order][min(int(np.searchsorted(mass, q)), len(order) - 1)])
        for q in (tail, 1.0 - tail)
    )
    return Simulated(value, error, low, high)
