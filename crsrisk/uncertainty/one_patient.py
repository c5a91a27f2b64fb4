"""One patient: how far the assumptions leave a patient's risk open, and what levers would do, both
simulated.

Patients like this one are simulated under members of the ensemble, with the usual arm and with each
lever. Within a member all arms have the same people, so that a difference is that of the lever;
each member has people of its own, so that chance averages out over the members.

Some hours after the first dose they are simulated from the first dose on, and only those who stand
where the patient stands are kept: still at risk, with the same worst grade so far. Members of the
ensemble under which more people stand there count for more: that is what the hours so far say about
the assumptions. Of the course nothing else is used, no temperature and no laboratory value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.explanation import ByGrade
from crsrisk.data.world import World
from crsrisk.results import Estimate
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
FEWEST = 200  # people who stand where the patient stands: with fewer nothing is said


@dataclass(frozen=True, eq=False)
class PatientSpread:
    """Shares (0-1) of people like one patient, over members of the ensemble.

    Each :class:`~crsrisk.results.Estimate` is a mean over the members with its Monte Carlo error
    (one SD); its interval holds the central nine of ten members once the part of their spread that
    is chance is taken out.

    Parameters
    ----------
    usual : ByGrade of Estimate
        Under the usual arm.
    levers, differences : tuple of ByGrade of Estimate
        Under each changed arm, and that minus the usual arm.
    onset_h : array
        Hours from the first dose to the first CRS under the usual arm, of those who had it (at a
        landmark: who had none so far and had it later).
    n_members : int
        Members of the ensemble that tell something.
    n_people : int
        People in each arm, over all members.
    """

    usual: ByGrade[Estimate]
    levers: tuple[ByGrade[Estimate], ...]
    differences: tuple[ByGrade[Estimate], ...]
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

    ``known``: as :func:`crsrisk.simulation.similar_patients.sample_conditional` takes it. The
    result does not depend on ``workers``.
    """
    values = member_values(ensemble, world=world, products=[arm.product])
    members = chosen_members(ensemble, n_members)

    def simulate(k: int) -> list[ConditionalOutcomes]:
        here, arms = _under_member(values(int(members[k])), [arm, *changed], world=world)
        outcomes = [
            conditional_outcomes(
                sample_conditional(known, arm=here_arm, world=here, seed=seed + k, n=n_people),
                arm=here_arm,
                world=here,
            )
            for here_arm in arms
        ]
        if advance is not None:
            advance(1)
        return outcomes

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        by_member = list(pool.map(simulate, range(n_members)))
    # (member, arm, person)
    grades = np.array([[outcomes.grade for outcomes in arms] for arms in by_member])
    onset = np.concatenate([arms[0].onset_h for arms in by_member])

    def share(arm: int, least: int) -> Estimate:
        return _share(grades[:, arm] >= least)

    def difference(arm: int, least: int) -> Estimate:
        return _difference(grades[:, arm] >= least, grades[:, 0] >= least)

    n_arms = grades.shape[1]
    shares = _by_grade(share, range(n_arms))
    return PatientSpread(
        usual=shares[0],
        levers=shares[1:],
        differences=_by_grade(difference, range(1, n_arms)),
        onset_h=onset[~np.isnan(onset)],
        n_members=n_members,
        n_people=n_members * n_people,
    )


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
) -> PatientSpread | None:
    """Simulate ``n_people`` under each member and keep those still at risk at ``hour`` with this
    ``worst_grade`` (0 or 1).

    ``changed``: arms that differ from ``arm`` only later than ``hour``. None when fewer than
    ``FEWEST`` people are kept. The result does not depend on ``workers``.
    """
    values = member_values(ensemble, world=world, products=[arm.product])
    members = chosen_members(ensemble, n_members)
    window_h = 24.0 * arm.window_d

    def simulate(k: int) -> tuple[NDArray[np.int64], Values]:
        here, arms = _under_member(values(int(members[k])), [arm, *changed], world=world)
        people = sample_conditional(known, arm=arms[0], world=here, seed=seed + k, n=n_people)
        usual = run(arms[0], people, world=here)
        rows = np.flatnonzero(grade_by(usual, hour=hour) == worst_grade)
        grades = [grade_within(usual, window_h=window_h)[rows]]
        if len(rows):
            grades += [
                grade_within(run(lever, take(people, rows), world=here), window_h=window_h)
                for lever in arms[1:]
            ]
        first = usual.tracks["first_1"][rows]
        if advance is not None:
            advance(1)
        return np.array(grades), first[(first > hour) & (first < window_h)]

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        kept = [
            (grades, onset)
            for grades, onset in pool.map(simulate, range(n_members))
            if grades.shape[1]
        ]
    n_kept = sum(grades.shape[1] for grades, _ in kept)
    if n_kept < FEWEST or len(kept) < 2:
        return None
    return _later_spread([grades for grades, _ in kept], np.concatenate([on for _, on in kept]))


def _later_spread(by_member: Sequence[NDArray[np.int64]], onset_h: Values) -> PatientSpread:
    """From the grades (arm, person) under each member, whose numbers of people differ."""

    def share(arm: int, least: int) -> Estimate:
        return _weighted_share([grades[arm] >= least for grades in by_member])

    def difference(arm: int, least: int) -> Estimate:
        return _weighted_difference(
            [(grades[arm] >= least).astype(float) - (grades[0] >= least) for grades in by_member]
        )

    n_arms = len(by_member[0])
    shares = _by_grade(share, range(n_arms))
    return PatientSpread(
        usual=shares[0],
        levers=shares[1:],
        differences=_by_grade(difference, range(1, n_arms)),
        onset_h=onset_h,
        n_members=len(by_member),
        n_people=sum(grades.shape[1] for grades in by_member),
    )


def over_scenarios(
    known: Mapping[str, float],
    *,
    arm: Arm,
    worlds: Mapping[str, World],
    seed: int,
    n: int = N_SCENARIO,
    workers: int = 1,
) -> dict[str, Estimate]:
    """Risk of grade >= 2 of people like this one under each scenario, with its Monte Carlo error
    (one SD).

    All scenarios draw the same people, as far as they agree on who people like this one are.
    """
    risks = {}
    for name, world in worlds.items():
        people = sample_conditional(known, arm=arm, world=world, seed=seed, n=n)
        share = conditional_outcomes(people, arm=arm, world=world, workers=workers).share(2)
        risks[name] = Estimate(share, mc_error=float(np.sqrt(share * (1.0 - share) / n)))
    return risks


def grade_by(episode: Episode, *, hour: int) -> NDArray[np.int64]:
    """Worst grade of each patient up to a landmark hour, shape (n,)."""
    return np.asarray(
        episode.snapshots[LANDMARKS_H.index(float(hour)), SNAPSHOT.index("max_grade")],
        dtype=np.int64,
    )


def _under_member(
    values: Mapping[str, float], arms: Sequence[Arm], *, world: World
) -> tuple[World, list[Arm]]:
    """The world and the arms with the constants of one member of the ensemble."""
    here = with_world_values(world, values)
    return here, [
        replace(
            arm,
            product=with_product_values(arm.product, values),
            policy=here.policies[arm.policy.name],
        )
        for arm in arms
    ]


def _by_grade(
    figure: Callable[[int, int], Estimate], arms: Sequence[int]
) -> tuple[ByGrade[Estimate], ...]:
    """A figure of each arm, for grade >= 2 and >= 3."""
    return tuple(ByGrade(figure(arm, 2), figure(arm, 3)) for arm in arms)


def _share(event: NDArray[np.bool_]) -> Estimate:
    """From events of shape (member, person)."""
    n_members, n = event.shape
    shares = event.mean(axis=1)
    scores = np.array([link(float(share), is_rate=True, n=float(n)) for share in shares])
    noise = np.array([rate_chance(float(share), n=n) for share in shares])
    return _over(shares, expit(shrink(scores, noise, np.full(n_members, 1.0 / n_members))))


def _difference(event: NDArray[np.bool_], usual: NDArray[np.bool_]) -> Estimate:
    change = event.astype(np.float64) - usual.astype(np.float64)
    shares = change.mean(axis=1)
    noise = change.var(axis=1) / change.shape[1]
    return _over(shares, shrink(shares, noise, np.full(len(shares), 1.0 / len(shares))))


def _over(shares: Values, shrunken: Values) -> Estimate:
    """Mean over members; in its error is their own spread and chance, since their people differ."""
    tail = (1.0 - SHARE) / 2.0
    return Estimate(
        float(shares.mean()),
        float(np.quantile(shrunken, tail)),
        float(np.quantile(shrunken, 1.0 - tail)),
        float(shares.std(ddof=1) / np.sqrt(len(shares))),
    )


def _weighted_share(events: Sequence[NDArray[np.bool_]]) -> Estimate:
    sizes = np.array([len(event) for event in events], dtype=np.float64)
    shares = np.array([event.mean() for event in events])
    scores = np.array(
        [link(share, is_rate=True, n=n) for share, n in zip(shares, sizes, strict=True)]
    )
    weights = sizes / sizes.sum()
    noise = np.array([rate_chance(share, n=int(n)) for share, n in zip(shares, sizes, strict=True)])
    return _weighted(shares, expit(shrink(scores, noise, weights)), weights)


def _weighted_difference(changes: Sequence[Values]) -> Estimate:
    sizes = np.array([len(change) for change in changes], dtype=np.float64)
    shares = np.array([change.mean() for change in changes])
    noise = np.array([change.var() / len(change) for change in changes])
    weights = sizes / sizes.sum()
    return _weighted(shares, shrink(shares, noise, weights), weights)


def _weighted(shares: Values, shrunken: Values, weights: Values) -> Estimate:
    """Mean over the people, its error from the members (a ratio of sums), and where nine of ten
    members lie.
    """
    value = float((weights * shares).sum())
    error = float(
        np.sqrt((weights**2 * (shares - value) ** 2).sum() * len(shares) / (len(shares) - 1))
    )
    order = np.argsort(shrunken, kind="stable")
    mass, tail = np.cumsum(weights[order]), (1.0 - SHARE) / 2.0
    low, high = (
        float(shrunken[order][min(int(np.searchsorted(mass, q)), len(order) - 1)])
        for q in (tail, 1.0 - tail)
    )
    return Estimate(value, low, high, error)
