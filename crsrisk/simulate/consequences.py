"""Consequences: infection within three months and tumour response of simulated patients, as the assumptions say.

A planned course raises the hazard of infection while it blocks; so does every dose of rescue, which is what a prevented
CRS saves. Response follows T-cell activation in one of three ways, and nobody knows which:

``no_link``      response has nothing to do with activation;
``common_cause`` patients whose T cells answer strongly respond more often, but it is their fitness that does it:
                 quietening the T cells for a while changes nothing;
``mediation``    it is the activation itself: quietening the T cells costs responses.

Without prophylaxis the last two are the same to the last digit, so no observational data can tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crsrisk.biology.consequences import blocked_together, infection_risk, response_risk, share_blocked
from crsrisk.domain.mitigation import Mitigation
from crsrisk.domain.potential_outcomes import ResponseWorld, Strategy
from crsrisk.domain.world import World
from crsrisk.simulate.arm import Arm

Values = NDArray[np.float64]
_MOST_RESCUES = 40  # doses of one rescue agent that are told apart


def _amounts(agent: Mitigation, gifts: Sequence[tuple[float, float]], hours: Values) -> Values:
    """Amount of an agent in usual doses after the first, the first two, ... gifts of (hour, usual doses): (gift, hour)."""
    at, dose = np.array(gifts, dtype=np.float64).reshape(-1, 2).T[:, :, None]
    since = hours - at
    left = 0.5 ** (np.maximum(since, 0.0) / agent.elimination_half_life_h.value)
    return np.cumsum(np.where(since >= 0.0, dose * left, 0.0), axis=0)


def _hours(world: World) -> Values:
    return np.arange(0.0, 24.0 * world.assumptions.value("consequences.infection_window_d"), 1.0)


def _ratio(amounts: Mapping[str, Values], *, world: World) -> Values:
    """Mean hazard ratio of infection over the last axis (hours) under amounts of agents; nodes act independently."""
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
    """Mean hazard ratio of infection over the window under courses of agents, each as gifts of (hour, usual doses).

    1 without any agent; nodes act independently of each other.
    """
    hours = _hours(world)
    last = {name: _amounts(world.mitigations[name], gifts, hours)[-1] for name, gifts in courses.items() if gifts}
    return float(np.ravel(_ratio(last, world=world))[0])


def _courses(arm: Arm, strategy: Strategy | None, *, world: World) -> dict[str, list[tuple[float, float]]]:
    """Gifts by agent, in hours from the first dose: premedication and, with a strategy, what it adds."""
    courses: dict[str, list[tuple[float, float]]] = {}
    doses = arm.regimen.doses
    for pre in arm.regimen.premedication:
        courses.setdefault(pre.mitigation, []).extend((doses[k - 1].time_h, pre.usual_doses) for k in pre.with_doses
                                                      if k <= len(doses))
    for name in (*arm.mitigations, *(strategy.mitigations if strategy else ())):
        agent = world.mitigations[name]
        gifts = [(repeat * agent.repeat_every_h, 1.0) for repeat in range(max(agent.repeats, 1))]
        if strategy and strategy.timing == "first_two_doses" and name in strategy.mitigations:
            gifts = [(dose.time_h, 1.0) for dose in doses[:2]]
        courses.setdefault(name, []).extend(gifts)
    return courses


def _rescue_excess(agent: str, interval_h: float, dose: float, *, most: int, world: World) -> Values:
    """What n rescue doses of an agent add to the mean hazard ratio, for n = 0 to ``most``."""
    gifts = [(k * interval_h, dose) for k in range(max(most, 1))]
    ratios = _ratio({agent: _amounts(world.mitigations[agent], gifts, _hours(world))}, world=world)
    return np.concatenate([[0.0], ratios - 1.0])


def infection_risks(
    arm: Arm, strategy: Strategy, *, tracks: Mapping[str, Values], is_exposed: NDArray[np.bool_], ecog: Values, world: World
) -> Values:
    """Risk of a serious infection within the window, shape (n,); ``arm`` is the one without the strategy's agents."""
    known, ward = world.assumptions.group("consequences"), world.assumptions.group("ward")
    usual = mean_hazard_ratio(_courses(arm, None, world=world), world=world)
    planned = mean_hazard_ratio(_courses(arm, strategy, world=world), world=world)
    ratio = np.where(is_exposed, planned, usual)
    for agent, count, interval, dose in (("tocilizumab", "n_tocilizumab", ward["tocilizumab_interval_h"], 1.0),
                                         ("dexamethasone", "n_steroid", ward["steroid_interval_h"], ward["steroid_dose"])):
        n = np.clip(tracks[count], 0.0, _MOST_RESCUES).astype(np.int64)
        ratio = ratio + _rescue_excess(agent, interval, dose, most=int(n.max()), world=world)[n]
    return infection_risk(known["infection_usual_risk"], ratio * known["infection_ecog_ratio"] ** ecog)


def response_risks(
    log_activation: Values, *, usual: Values, center: float, world: World
) -> dict[ResponseWorld, Values]:
    """Chance of response in each of the three worlds; ``usual`` is the same patients' activation without prophylaxis,
    ``center`` that of a typical patient (all as logarithms)."""
    known = world.assumptions.group("consequences")
    rate, slope = known["response_usual_rate"], known["response_log_odds_per_log_activation"]
    return {
        "no_link": response_risk(rate, 0.0, usual - center),
        "common_cause": response_risk(rate, slope, usual - center),
        "mediation": response_risk(rate, slope, log_activation - center),
    }
