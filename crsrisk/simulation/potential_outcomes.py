"""Potential outcomes: the same patients under every strategy, with the same random numbers, and
what an oracle expects.

CRS comes from the solver. Serious infection within three months and tumour response follow from the
assumptions. A planned course raises the hazard of infection while it blocks; so does every dose of
rescue, which is what a prevented CRS saves. Response follows T-cell activation in one of three
ways, and nobody knows which:

``no_link``
    response has nothing to do with activation;
``common_cause``
    patients whose T cells answer strongly respond more often, but it is their fitness that does it:
    quietening the T cells for a while changes nothing;
``mediation``
    it is the activation itself: quietening the T cells costs responses.

Without prophylaxis the last two are the same to the last digit, so no observational data can tell
them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.biology.consequences import (
    blocked_together,
    infection_risk,
    response_risk,
    share_blocked,
)
from crsrisk.data.mitigation import Mitigation
from crsrisk.data.potential_outcomes import (
    RESPONSE_WORLDS,
    STANDARD,
    PotentialOutcomes,
    RegimenChange,
    ResponseWorld,
    Strategy,
    TrueRisks,
)
from crsrisk.data.product import Premedication, Product, Regimen
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.executor import each_done
from crsrisk.simulation.arm import Arm, make_arm, timetable
from crsrisk.simulation.layout import PARAMETERS, WARD_H
from crsrisk.simulation.parameters import patient_parameters
from crsrisk.simulation.population import Patients, take
from crsrisk.simulation.run import run
from crsrisk.simulation.true_risk import Given, redrawn
from crsrisk.simulation.ward import NEVER

# Strategies: the same patients under one way of preventing CRS, before the dose, at fever, or by
# another regimen.
#
# Everything goes through the arm and the solver as they are. What is given at fever is simulated
# twice: once without, which tells when the ward first sees each patient's fever, and once more with
# the agent at that hour. Up to that hour the two courses are the same course, since the same
# patient meets the same random numbers; so nobody is treated by foresight.


Tracks = Mapping[str, NDArray[np.float64]]


def changed_regimen(product: Product, regimen: Regimen, *, change: RegimenChange) -> Regimen:
    """The regimen with another first dose or route; :class:`InputError` where the product does not
    allow it.
    """
    doses = list(regimen.doses)
    if change == "no_step_up":
        doses = [dose.model_copy(update={"amount": doses[-1].amount}) for dose in doses]
    if change == "half_first_dose":
        doses[0] = doses[0].model_copy(update={"amount": doses[0].amount / 2.0})
    if change != "under_skin":
        return regimen.model_copy(update={"doses": doses})
    if regimen.route == "cells" or product.kinetics.absorption_per_h.value <= 0.0:
        raise InputError(
            where=f"product {product.name}",
            key="regimen",
            found="under_skin",
            expected="a soluble product with an absorption rate above 0",
            cure=(
                "leave the route as it is, or give kinetics.absorption_per_h a value with its"
                " source"
            ),
        )
    return regimen.model_copy(update={"route": "sc"})


def strategy_arm(base: Arm, strategy: Strategy, *, world: World) -> Arm:
    """The arm of a strategy, with what it gives before the first dose; at fever nothing is given
    yet.

    Raises :class:`InputError` for an unknown agent, naming the known ones.
    """
    product, name = base.product, base.regimen_name
    if strategy.regimen != "as_planned":
        name = f"{base.regimen_name}, {strategy.regimen}"
        changed = changed_regimen(product, base.regimen, change=strategy.regimen)
        product = product.model_copy(update={"regimens": {**product.regimens, name: changed}})
    with_all = make_arm(
        product, world=world, regimen=name, mitigations=(*base.mitigations, *strategy.mitigations)
    )
    if strategy.timing == "first_two_doses":
        regimen = product.regimens[name]
        doses = list(range(1, min(len(regimen.doses), 2) + 1))
        added = [
            Premedication(
                mitigation=agent,
                usual_doses=1.0,
                with_doses=doses,
                hours_before=world.mitigations[agent].prophylaxis_hours_before,
            )
            for agent in strategy.mitigations
        ]
        name = f"{name}, {strategy.name}"
        fuller = regimen.model_copy(update={"premedication": [*regimen.premedication, *added]})
        product = product.model_copy(update={"regimens": {**product.regimens, name: fuller}})
    given = with_all.mitigations if strategy.timing == "pre_dose" else base.mitigations
    return replace(base, product=product, regimen_name=name, mitigations=given)


def simulate_strategy(
    base: Arm,
    strategy: Strategy,
    *,
    patients: Patients,
    world: World,
    workers: int = 1,
    usual: Tracks | None = None,
) -> Tracks:
    """What the solver records of every patient under a strategy (tracks by name, each of shape
    (n,)).

    ``usual`` are the tracks without the strategy, where they are known already (they save a
    simulation at fever).
    """
    arm = strategy_arm(base, strategy, world=world)
    if strategy.timing != "at_fever":
        return run(arm, patients, world=world, workers=workers).tracks
    if usual is None or strategy.regimen != "as_planned":
        usual = run(arm, patients, world=world, workers=workers).tracks
    return _at_fever(arm, strategy, patients, world, workers, usual)


def _at_fever(
    arm: Arm, strategy: Strategy, patients: Patients, world: World, workers: int, usual: Tracks
) -> Tracks:
    delay = max(WARD_H, round(arm.policy.rescue_delay_h.value / WARD_H) * WARD_H)
    fever = usual["first_1"]
    hours = np.unique(fever[fever < min(NEVER, 24.0 * arm.horizon_d - delay)])
    treated = replace(arm, mitigations=(*arm.mitigations, *strategy.mitigations))
    merged = {name: values.copy() for name, values in usual.items()}

    groups = [np.flatnonzero(fever == hour) for hour in hours]
    pieces = (
        (float(hour) + delay, take(patients, rows))
        for hour, rows in zip(hours, groups, strict=True)
    )
    treat = partial(_treated_at, arm=treated, names=strategy.mitigations, world=world)
    for rows, tracks in zip(groups, each_done(treat, pieces, workers=workers), strict=True):
        for name, values in tracks.items():
            merged[name][rows] = values
    return merged


def _treated_at(
    piece: tuple[float, Patients], *, arm: Arm, names: Sequence[str], world: World
) -> Tracks:
    """Patients who are given all of these agents at one hour after the first dose."""
    hour, patients = piece
    later = {
        name: world.mitigations[name].model_copy(update={"prophylaxis_hours_before": -hour})
        for name in names
    }
    here = replace(world, mitigations={**world.mitigations, **later})
    return run(arm, patients, world=here).tracks


Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
_MOST_RESCUES = 40  # doses of one rescue agent that are told apart
_LEAST_ACTIVATION = 1e-6  # a peak below it counts as no activation


def _amounts(agent: Mitigation, gifts: Sequence[tuple[float, float]], hours: Values) -> Values:
    """Amount of an agent in usual doses after the first, the first two, ... gifts of (hour, usual
    doses): (gift, hour).
    """
    at, dose = np.array(gifts, dtype=np.float64).reshape(-1, 2).T[:, :, None]
    since = hours - at
    left = 0.5 ** (np.maximum(since, 0.0) / agent.elimination_half_life_h.value)
    return np.cumsum(np.where(since >= 0.0, dose * left, 0.0), axis=0)


def _hours(world: World) -> Values:
    return np.arange(0.0, 24.0 * world.assumptions.value("consequences.infection_window_d"), 1.0)


def _ratio(amounts: Mapping[str, Values], *, world: World) -> Values:
    """Mean hazard ratio of infection over the last axis (hours) under amounts of agents; nodes act
    independently.
    """
    known = world.assumptions.group("consequences")
    blocked: dict[str, Values] = {}
    for name, amount in amounts.items():
        agent = world.mitigations[name]
        for node, effect in agent.acts_on.items():
            if f"infection_ratio__{node}" in known:
                share = share_blocked(amount, agent.half_effect_dose.value, effect.value)
                blocked[node] = blocked_together(blocked[node], share) if node in blocked else share
    logs = [np.log(known[f"infection_ratio__{node}"]) * share for node, share in blocked.items()]
    return np.asarray(np.exp(np.sum(logs, axis=0)).mean(axis=-1)) if logs else np.ones(1)


def mean_hazard_ratio(courses: Mapping[str, list[tuple[float, float]]], *, world: World) -> float:
    """Mean hazard ratio of infection over the window under courses of agents, each as gifts of
    (hour, usual doses).

    1 without any agent; nodes act independently of each other.
    """
    hours = _hours(world)
    last = {
        name: _amounts(world.mitigations[name], gifts, hours)[-1]
        for name, gifts in courses.items()
        if gifts
    }
    return float(np.ravel(_ratio(last, world=world))[0])


def _agent_courses(
    arm: Arm, strategy: Strategy | None, *, world: World
) -> dict[str, list[tuple[float, float]]]:
    """Gifts by agent, in hours from the first dose: premedication and, with a strategy, what it
    adds.
    """
    courses: dict[str, list[tuple[float, float]]] = {}
    doses = arm.regimen.doses
    for pre in arm.regimen.premedication:
        courses.setdefault(pre.mitigation, []).extend(
            (doses[k - 1].time_h, pre.usual_doses) for k in pre.with_doses if k <= len(doses)
        )
    for name in (*arm.mitigations, *(strategy.mitigations if strategy else ())):
        agent = world.mitigations[name]
        gifts = [(repeat * agent.repeat_every_h, 1.0) for repeat in range(max(agent.repeats, 1))]
        if strategy and strategy.timing == "first_two_doses" and name in strategy.mitigations:
            gifts = [(dose.time_h, 1.0) for dose in doses[:2]]
        courses.setdefault(name, []).extend(gifts)
    return courses


def _rescue_excess(
    agent: str, interval_h: float, dose: float, *, most: int, world: World
) -> Values:
    """What n rescue doses of an agent add to the mean hazard ratio, for n = 0 to ``most``."""
    gifts = [(k * interval_h, dose) for k in range(max(most, 1))]
    ratios = _ratio({agent: _amounts(world.mitigations[agent], gifts, _hours(world))}, world=world)
    return np.concatenate([[0.0], ratios - 1.0])


def infection_risks(
    arm: Arm,
    strategy: Strategy,
    *,
    tracks: Mapping[str, Values],
    is_exposed: NDArray[np.bool_],
    ecog: Values,
    world: World,
) -> Values:
    """Risk of a serious infection within the window, shape (n,); ``arm`` is the one without the
    strategy's agents.
    """
    known, ward = world.assumptions.group("consequences"), world.assumptions.group("ward")
    usual = mean_hazard_ratio(_agent_courses(arm, None, world=world), world=world)
    planned = mean_hazard_ratio(_agent_courses(arm, strategy, world=world), world=world)
    ratio = np.where(is_exposed, planned, usual)
    for agent, count, interval, dose in (
        ("tocilizumab", "n_tocilizumab", ward["tocilizumab_interval_h"], 1.0),
        ("dexamethasone", "n_steroid", ward["steroid_interval_h"], ward["steroid_dose"]),
    ):
        n = np.clip(tracks[count], 0.0, _MOST_RESCUES).astype(np.int64)
        ratio = ratio + _rescue_excess(agent, interval, dose, most=int(n.max()), world=world)[n]
    return infection_risk(
        known["infection_usual_risk"], ratio * known["infection_ecog_ratio"] ** ecog
    )


def response_risks(
    log_activation: Values, *, usual: Values, center: float, world: World
) -> dict[ResponseWorld, Values]:
    """Chance of response in each of the three worlds; ``usual`` is the same patients' activation
    without prophylaxis, ``center`` that of a typical patient (all as logarithms).
    """
    known = world.assumptions.group("consequences")
    rate, slope = known["response_usual_rate"], known["response_log_odds_per_log_activation"]
    return {
        "no_link": response_risk(rate, 0.0, usual - center),
        "common_cause": response_risk(rate, slope, usual - center),
        "mediation": response_risk(rate, slope, log_activation - center),
    }


@dataclass(frozen=True)
class _Course:
    """Patients under one strategy."""

    tracks: Tracks
    grade: NDArray[np.int64]
    is_exposed: Flags
    infection: Values

    @property
    def log_activation(self) -> Values:
        return np.asarray(np.log(np.maximum(self.tracks["peak_active"], _LEAST_ACTIVATION)))


def with_standard(strategies: Sequence[Strategy]) -> tuple[Strategy, ...]:
    """The strategies after what is done without prophylaxis; :class:`InputError` when two share a
    name.
    """
    chosen = (STANDARD, *(strategy for strategy in strategies if not strategy.is_standard))
    names = [strategy.name for strategy in chosen]
    if len(set(names)) < len(names):
        raise InputError(
            where="strategies",
            key="name",
            found=", ".join(names),
            expected="each strategy once",
            cure="leave the repeated one out",
        )
    return chosen


def simulate_strategies(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    patients: Patients,
    world: World,
    workers: int = 1,
) -> tuple[Tracks, ...]:
    """What the solver records of every patient without prophylaxis and under each strategy, for
    :func:`potential_outcomes` in worlds that differ in their consequences alone.
    """
    usual: Tracks | None = None
    simulated = []
    for strategy in with_standard(strategies):
        tracks = simulate_strategy(
            arm, strategy, patients=patients, world=world, workers=workers, usual=usual
        )
        usual = tracks if usual is None else usual
        simulated.append(tracks)
    return tuple(simulated)


def _courses(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    patients: Patients,
    world: World,
    workers: int,
    simulated: Sequence[Tracks] | None = None,
) -> list[_Course]:
    if simulated is None:
        simulated = simulate_strategies(
            arm, strategies, patients=patients, world=world, workers=workers
        )
    window_h, usual, courses = 24.0 * arm.window_d, simulated[0], []
    for strategy, tracks in zip(strategies, simulated, strict=True):
        grade = np.sum([tracks[f"first_{k}"] < window_h for k in (1, 2, 3, 4)], axis=0).astype(
            np.int64
        )
        exposed = (
            usual["first_1"] < window_h
            if strategy.timing == "at_fever"
            else np.full(len(patients), True)
        )
        if strategy.is_standard:
            exposed = np.full(len(patients), False)
        infection = infection_risks(
            arm,
            strategy,
            tracks=tracks,
            is_exposed=exposed,
            ecog=patients.discrete["ecog"],
            world=world,
        )
        courses.append(_Course(tracks, grade, exposed, infection))
    return courses


def _needs_support(arm: Arm, patients: Patients, tracks: Tracks, *, world: World) -> Flags:
    """Whether pressure or oxygen, as seen at any visit, fell to where this ward gives support."""
    table = patient_parameters(arm, patients, world=world, plan=timetable(arm, world=world))

    def of(name: str) -> Values:
        return np.asarray(table[PARAMETERS.index(name)])

    low_map = np.maximum(of("fluids_below"), of("normal_map") - of("fluids_fall"))
    return np.asarray(
        (tracks["lowest_map"] < low_map) | (tracks["lowest_spo2"] < of("low_flow_below"))
    )


def potential_outcomes(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    patients: Patients,
    world: World,
    seed: int,
    workers: int = 1,
    simulated: Sequence[Tracks] | None = None,
    advance: Callable[[int], None] | None = None,
) -> PotentialOutcomes:
    """Grade, infection and response of every patient under every strategy, with common random
    numbers.

    ``arm`` is what is given without prophylaxis; it comes first, under the name ``none``. ``seed``
    draws infection and response (use the seed of the patients). ``simulated``: courses by
    :func:`simulate_strategies` of the same arm, strategies and patients, where they are known.
    ``advance`` is told when all is done (strategies).

    Raises :class:`InputError` for an unknown agent, a regimen that the product does not allow, a
    strategy given twice.

    >>> from crsrisk.data.potential_outcomes import parse_strategy
    >>> from crsrisk.data.world_files import load_product
    >>> from crsrisk.simulation.arm import make_arm
    >>> from crsrisk.simulation.population import sample
    >>> from crsrisk.data.world import load_world
    >>> world = load_world()
    >>> arm = make_arm(load_product("tarlatamab"), world=world, regimen="label_no_steroid")
    >>> some = sample(arm.population, assumptions=world.assumptions, seed=1, start=0, stop=16)
    >>> ways = [parse_strategy("dexamethasone"), parse_strategy("tocilizumab@fever")]
    >>> potential_outcomes(arm, ways, patients=some, world=world, seed=1).names
    ('none', 'dexamethasone', 'tocilizumab@fever')
    """
    chosen = with_standard(strategies)
    courses = _courses(
        arm, chosen, patients=patients, world=world, workers=workers, simulated=simulated
    )
    activation = np.array([course.log_activation for course in courses])
    infection = np.array([course.infection for course in courses])
    center = float(activation[0].mean())
    response = _responses(activation, center=center, world=world)
    ids = patients.patient_id
    start, stop = int(ids.min()), int(ids.max()) + 1
    draws = streams.uniforms(seed=seed, decision="consequences", start=start, stop=stop, width=2)[
        ids - start
    ]
    support = np.array(
        [
            _needs_support(
                strategy_arm(arm, strategy, world=world), patients, course.tracks, world=world
            )
            for strategy, course in zip(chosen, courses, strict=True)
        ]
    )
    if advance is not None:
        advance(len(chosen))
    return PotentialOutcomes(
        chosen,
        ids,
        float(arm.window_d),
        np.array([course.grade for course in courses]),
        support,
        np.array([course.is_exposed for course in courses]),
        activation,
        infection,
        draws[:, 0] < infection,
        response,
        {name: draws[:, 1] < chance for name, chance in response.items()},
    )


def _responses(activation: Values, *, center: float, world: World) -> dict[ResponseWorld, Values]:
    by_strategy = [
        response_risks(row, usual=activation[0], center=center, world=world) for row in activation
    ]
    return {name: np.array([risks[name] for risks in by_strategy]) for name in RESPONSE_WORLDS}


def true_risks(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    patients: Patients,
    world: World,
    seed: int,
    given: Given,
    n_replicates: int,
    first_replicate: int = 0,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> TrueRisks:
    """What an oracle expects of these patients under each strategy, by ``n_replicates`` (an even
    number) simulated futures each.

    ``given="baseline"`` is the mechanism oracle, ``given="observed"`` the covariate oracle (see
    :mod:`crsrisk.simulation.true_risk`). Futures from another ``first_replicate`` on are
    independent ones: choose by these, count in those. ``advance`` is told how many patients are
    done. Raises :class:`InputError` for an odd number of replicates.
    """
    if n_replicates < 2 or n_replicates % 2:
        raise InputError(
            where="true risks",
            key="n_replicates",
            found=n_replicates,
            expected="an even number of 2 or more",
            cure="state an even number: more futures, a smaller Monte Carlo error",
        )
    chosen = with_standard(strategies)
    usual, *_ = _courses(arm, [STANDARD], patients=patients, world=world, workers=workers)
    center = float(usual.log_activation.mean())
    means = _Means.empty(n_strategies=len(chosen), n_patients=len(patients))
    for rows, again in redrawn(
        arm,
        patients,
        world=world,
        seed=seed,
        given=given,
        n_replicates=n_replicates,
        first=first_replicate,
    ):
        courses = _courses(arm, chosen, patients=again, world=world, workers=workers)
        chances = _responses(
            np.array([course.log_activation for course in courses]), center=center, world=world
        )
        for k, course in enumerate(courses):
            means.put(k, rows, course, {name: chances[name][k] for name in RESPONSE_WORLDS})
        if advance is not None:
            advance(len(rows))
    return TrueRisks(
        chosen,
        patients.patient_id,
        given,
        n_replicates,
        (means.first_half + means.second_half) / 2.0,
        means.grade3plus,
        means.infection,
        means.response,
        means.first_half,
        means.second_half,
    )


@dataclass(frozen=True)
class _Means:
    """Means over replicates, being filled: each array (strategy, patient)."""

    first_half: Values
    second_half: Values
    grade3plus: Values
    infection: Values
    response: Mapping[ResponseWorld, Values]

    @classmethod
    def empty(cls, *, n_strategies: int, n_patients: int) -> _Means:
        def zeros() -> Values:
            return np.zeros((n_strategies, n_patients))

        response = {name: zeros() for name in RESPONSE_WORLDS}
        return cls(zeros(), zeros(), zeros(), zeros(), response)

    def put(
        self,
        k: int,
        rows: NDArray[np.int64],
        course: _Course,
        response: Mapping[ResponseWorld, Values],
    ) -> None:
        """Take in the replicates of some patients (``rows``) under strategy ``k``."""

        def by_patient(values: NDArray[np.generic]) -> NDArray[np.generic]:
            return values.reshape(len(rows), -1)

        is_grade2plus = by_patient(course.grade >= 2)
        self.first_half[k, rows] = is_grade2plus[:, 0::2].mean(axis=1)
        self.second_half[k, rows] = is_grade2plus[:, 1::2].mean(axis=1)
        self.grade3plus[k, rows] = by_patient(course.grade >= 3).mean(axis=1)
        self.infection[k, rows] = by_patient(course.infection).mean(axis=1)
        for name, chance in response.items():
            self.response[name][k, rows] = by_patient(chance).mean(axis=1)
