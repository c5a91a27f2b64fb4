"""One patient: how far the assumptions leave a patient's risk open, and what levers would do, both simulated.

Patients like this one are simulated under members of the ensemble, with the usual arm and with each lever. Within a
member all arms have the same people, so that a difference is that of the lever; each member has people of its own, so
that chance averages out over the members.
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
from crsrisk.domain.ensemble import Ensemble
from crsrisk.domain.world import World
from crsrisk.simulate.alike import Fates, alike, fates
from crsrisk.simulate.arm import Arm

Values = NDArray[np.float64]
N_MEMBERS, N_PEOPLE = 40, 256
N_SCENARIO = 2048  # people under each scenario
SHARE = 0.9  # of the members, which the range holds


@dataclass(frozen=True)
class Simulated:
    """A simulated share (0-1): mean over the members, Monte Carlo error (one SD), and the range that holds the central
    nine of ten members once the part of their spread that is chance is taken out."""

    value: float
    mc_error: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class PatientSpread:
    """``usual`` and ``levers`` for grade >= 2 and >= 3 (keys 2 and 3), differences (lever minus usual), onsets of CRS in
    hours after the first dose under the usual arm, and how much was simulated."""

    usual: Mapping[int, Simulated]
    levers: tuple[Mapping[int, Simulated], ...]
    differences: tuple[Mapping[int, Simulated], ...]
    onset_h: Values
    n_members: int
    n_people: int


def chosen_members(ensemble: Ensemble, n: int) -> NDArray[np.int64]:
    """``n`` members, equally weighted, that stand for all: each as often as its weight asks (systematic resampling)."""
    steps = (np.arange(n) + 0.5) / n
    places = np.searchsorted(np.cumsum(ensemble.weights), steps * ensemble.weights.sum())
    return np.asarray(np.minimum(places, len(ensemble) - 1), dtype=np.int64)


def over_members(
    known: Mapping[str, float], *, arm: Arm, changed: Sequence[Arm], ensemble: Ensemble, world: World, seed: int,
    n_members: int = N_MEMBERS, n_people: int = N_PEOPLE, workers: int = 1, advance: Callable[[int], None] | None = None,
) -> PatientSpread:
    """Simulate people like this one under ``n_members`` members, in the usual arm and in every changed one.

    ``known``: of :func:`crsrisk.simulate.alike.alike`. The result does not depend on ``workers``.
    """
    values = member_values(ensemble, world=world, products=[arm.product])
    members = chosen_members(ensemble, n_members)

    def at(k: int) -> list[Fates]:
        own = values(int(members[k]))
        here = with_world_values(world, own)
        arms = [replace(one, product=with_product_values(one.product, own), policy=here.policies[one.policy.name])
                for one in (arm, *changed)]
        found = [fates(alike(known, arm=one, world=here, seed=seed + k, n=n_people), arm=one, world=here) for one in arms]
        if advance is not None:
            advance(1)
        return found

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        rows = list(pool.map(at, range(n_members)))
    grades = np.array([[one.grade for one in row] for row in rows])  # (member, arm, person)
    onset = np.concatenate([row[0].onset_h for row in rows])
    parts = [{least: _share(grades[:, a] >= least) for least in (2, 3)} for a in range(grades.shape[1])]
    changes = [{least: _difference(grades[:, a] >= least, grades[:, 0] >= least) for least in (2, 3)}
               for a in range(1, grades.shape[1])]
    return PatientSpread(parts[0], tuple(parts[1:]), tuple(changes), onset[~np.isnan(onset)], n_members, n_people)


def _share(event: NDArray[np.bool_]) -> Simulated:
    """From events of shape (member, person)."""
    n_members, n = event.shape
    shares = event.mean(axis=1)
    scores = np.array([link(float(share), is_rate=True, n=float(n)) for share in shares])
    noise = np.array([rate_chance(float(share), n=n) for share in shares])
    steady = expit(steadied(scores, noise, np.full(n_members, 1.0 / n_members)))
    return Simulated(float(shares.mean()), _error(shares), *_range(steady))


def _difference(event: NDArray[np.bool_], usual: NDArray[np.bool_]) -> Simulated:
    each = event.astype(np.float64) - usual.astype(np.float64)
    shares = each.mean(axis=1)
    steady = steadied(shares, each.var(axis=1) / each.shape[1], np.full(len(shares), 1.0 / len(shares)))
    return Simulated(float(shares.mean()), _error(shares), *_range(steady))


def _error(shares: Values) -> float:
    """Error of the mean over members: their own spread is in it, and so is chance, since their people differ."""
    return float(shares.std(ddof=1) / np.sqrt(len(shares)))


def _range(values: Values) -> tuple[float, float]:
    tail = (1.0 - SHARE) / 2.0
    return float(np.quantile(values, tail)), float(np.quantile(values, 1.0 - tail))


def over_scenarios(
    known: Mapping[str, float], *, arm: Arm, worlds: Mapping[str, World], seed: int, n: int = N_SCENARIO, workers: int = 1,
) -> dict[str, tuple[float, float]]:
    """Risk of grade >= 2 of people like this one under each scenario, with its Monte Carlo error (one SD).

    All scenarios draw the same people, as far as they agree on who people like this one are.
    """
    found = {}
    for name, world in worlds.items():
        share = fates(alike(known, arm=arm, world=world, seed=seed, n=n), arm=arm, world=world, workers=workers).share(2)
        found[name] = (share, float(np.sqrt(share * (1.0 - share) / n)))
    return found
