"""Later levers: what the treating team can still change some hours after the first dose, and what lies in the past.

Only what comes with the doses still to be given can be changed: an agent before the next dose, the steroid before later
doses. What was decided before the first dose (prophylaxis, its premedication, step-up, route) cannot.
"""

from __future__ import annotations

from dataclasses import replace

from crsrisk.domain.product import Premedication
from crsrisk.domain.world import World
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.levers import ENGAGERS, PROPHYLAXIS, STEROIDS, Lever, levers

_PAST = {"prophylaxis": "prophylaxis before the first dose", "premedication": "premedication of the first dose",
         "step-up": "step-up dosing", "route": "route"}


def past_levers(arm: Arm, *, world: World) -> tuple[str, ...]:
    """In words, the levers of before the first dose, each kind once; none where the simulator knows none."""
    return tuple(dict.fromkeys(_PAST[one.kind] for one in levers(arm, world=world)))


def later_levers(arm: Arm, *, world: World, hour: float) -> tuple[Lever, ...]:
    """The levers that are left at ``hour`` after the first dose; none without a dose to come.

    The arms are the same up to that hour, to the last bit: what changes is given later.

    >>> from crsrisk.read.world import load_product
    >>> from crsrisk.simulate.arm import make_arm
    >>> from crsrisk.simulate.world import load_world
    >>> world = load_world()
    >>> found = later_levers(make_arm(load_product("tarlatamab"), world=world), world=world, hour=24)
    >>> [lever.label for lever in found]
    ['Tocilizumab before dose 2 (day 8)', 'Without dexamethasone before dose 2 (day 8)']
    """
    doses = arm.regimen.doses
    coming = [k + 1 for k, dose in enumerate(doses) if hour < dose.time_h < 24.0 * arm.window_d]
    if arm.product.platform not in ENGAGERS or not coming:
        return ()
    found = [_added(arm, name, coming=coming, world=world, kind="prophylaxis") for name in PROPHYLAXIS]
    given = [one for one in arm.regimen.premedication if one.mitigation in STEROIDS and set(one.with_doses) & set(coming)]
    if given:
        found.append(_without(arm, given, coming=coming, world=world))
    else:
        found.append(_added(arm, STEROIDS[0], coming=coming, world=world, kind="premedication"))
    return tuple(lever for lever, starts_h in found if starts_h >= hour)


def _added(arm: Arm, name: str, *, coming: list[int], world: World, kind: str) -> tuple[Lever, float]:
    """One usual dose of an agent before the next dose, and the hour at which it would be given."""
    agent, at = world.mitigations[name], coming[0]
    before = agent.prophylaxis_hours_before
    more = Premedication(mitigation=name, usual_doses=1.0, hours_before=before, with_doses=[at])
    label = f"{agent.label.split(' (')[0]} before {_dose(arm, at)}"
    changed = _with(arm, [*arm.regimen.premedication, more])
    return Lever("prophylaxis" if kind == "prophylaxis" else "premedication", label, changed), _time_h(arm, at) - before


def _without(arm: Arm, given: list[Premedication], *, coming: list[int], world: World) -> tuple[Lever, float]:
    """The steroid before later doses left out, and the hour at which the first of them would have been given."""
    kept = [one.model_copy(update={"with_doses": [k for k in one.with_doses if k not in coming]}) if one in given else one
            for one in arm.regimen.premedication]
    first = min(k for one in given for k in one.with_doses if k in coming)
    name = world.mitigations[given[0].mitigation].label.split(" (")[0]
    starts = min(_time_h(arm, k) - one.hours_before for one in given for k in one.with_doses if k in coming)
    label = f"Without {name[0].lower()}{name[1:]} before {_dose(arm, first)}"
    return Lever("premedication", label, _with(arm, kept)), starts


def _time_h(arm: Arm, dose: int) -> float:
    return arm.regimen.doses[dose - 1].time_h


def _dose(arm: Arm, dose: int) -> str:
    return f"dose {dose} (day {1 + int(_time_h(arm, dose) // 24)})"


def _with(arm: Arm, premedication: list[Premedication]) -> Arm:
    name = f"{arm.regimen_name}, later changed"
    regimen = arm.regimen.model_copy(update={"premedication": premedication})
    product = arm.product.model_copy(update={"regimens": {**arm.product.regimens, name: regimen}})
    return replace(arm, product=product, regimen_name=name)
