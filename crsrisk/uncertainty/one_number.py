"""One number: the model's risk and what is simulated of the same patient, brought to one start.

Model and simulator are two estimates of one risk. Where they agree within a stated bound, what is
simulated (levers, spread over assumptions, scenarios) is moved on the log-odds scale by one amount
per grade, so that its usual share is the model's risk; odds ratios stay what they were simulated.
Where they differ by more, neither is moved: both are to be shown, with the wider interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from crsrisk.data.explanation import (
    LARGEST_DIFFERENCE,
    ByGrade,
    Grade,
    LeverEffect,
    PatientRisk,
    SimulatedPatients,
)
from crsrisk.results import Estimate

N_ERRORS = 3.0  # Monte Carlo errors of the simulated share, beyond which a difference is no chance


def is_one_number(simulated: SimulatedPatients, risk: PatientRisk) -> bool:
    """Whether model and simulator agree in every grade that both speak of: within
    ``LARGEST_DIFFERENCE`` of risk, or three Monte Carlo errors.
    """
    theirs = dict(simulated.usual.items())
    return all(
        abs(says.value - theirs[grade].value)
        <= max(LARGEST_DIFFERENCE, N_ERRORS * (theirs[grade].mc_error or 0.0))
        for grade, says in risk.items()
        if grade in theirs
    )


def from_one_number(simulated: SimulatedPatients, risk: PatientRisk) -> SimulatedPatients:
    """What is simulated, moved so that it starts from the model's risk; as it was, where the two
    differ by more than is allowed (:func:`is_one_number`).
    """
    if not is_one_number(simulated, risk):
        return simulated
    least = 0.5 / (simulated.n_people * max(simulated.n_members, 1) + 1.0)  # half a person

    def moved_of(grade: Grade, usual: Estimate) -> Callable[[float], float]:
        says = dict(risk.items()).get(grade)
        if says is None:
            return lambda share: share
        held = np.clip([says.value, usual.value], least, 1.0 - least)
        by = float(np.subtract(*logit(held)))
        return lambda share: float(expit(logit(np.clip(share, least, 1.0 - least)) + by))

    move = {grade: moved_of(grade, usual) for grade, usual in simulated.usual.items()}

    def shares(figure: ByGrade[Estimate]) -> ByGrade[Estimate]:
        return ByGrade(**{grade: _moved(one, move[grade]) for grade, one in figure.items()})

    def lever(effect: LeverEffect) -> LeverEffect:
        usual, with_lever = shares(effect.usual), shares(effect.with_lever)
        after, before, was = (
            dict(with_lever.items()),
            dict(usual.items()),
            dict(effect.usual.items()),
        )
        difference = {
            grade: _scaled(
                change,
                by=_steepness(before[grade].value, was[grade].value),
                value=after[grade].value - before[grade].value,
            )
            for grade, change in effect.difference.items()
        }
        return replace(effect, usual=usual, with_lever=with_lever, difference=ByGrade(**difference))

    return replace(
        simulated,
        usual=shares(simulated.usual),
        levers=tuple(lever(effect) for effect in simulated.levers),
        scenarios={
            name: _moved(share, move["grade2plus"]) for name, share in simulated.scenarios.items()
        },
        as_simulated=simulated.usual,
    )


def _moved(share: Estimate, move: Callable[[float], float]) -> Estimate:
    """A share and the ends of its interval, each moved; its error by the slope of the move."""
    value = move(share.value)
    error = share.mc_error
    return Estimate(
        value,
        move(share.low) if np.isfinite(share.low) else share.low,
        move(share.high) if np.isfinite(share.high) else share.high,
        None if error is None else error * _steepness(value, share.value),
    )


def _scaled(change: Estimate, *, by: float, value: float) -> Estimate:
    """A difference with the value that follows from the moved shares; interval and error scaled as
    the value was, or by the slope where there was no difference.
    """
    factor = value / change.value if abs(change.value) > 1e-9 and value * change.value > 0 else by
    error = change.mc_error
    return Estimate(
        value,
        change.low * factor,
        change.high * factor,
        None if error is None else error * factor,
    )


def _steepness(after: float, before: float) -> float:
    """Slope of the move at a share; 1 at the ends, where nothing was simulated to scale."""
    variance = before * (1.0 - before)
    return after * (1.0 - after) / variance if variance > 0 else 1.0
