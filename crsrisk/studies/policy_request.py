"""Prophylaxis request: what can be asked of simulated patients and of a table, and what is refused
before anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from crsrisk.data.assumptions import Assumptions
from crsrisk.data.potential_outcomes import (
    RESPONSE_WORLDS,
    Harms,
    ResponseWorld,
    Strategy,
    parse_strategy,
)
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.studies.policy_cohort import Sizes
from crsrisk.trials.checks import inner_threshold, non_negative, relative_risk

FEWEST_PATIENTS, FEWEST_TRAINING = 100, 300
SIZES = Sizes(patients=1000, repetitions=40, training=1500)
WHERE = "prophylaxis"


@dataclass(frozen=True)
class Weights:
    """Weights of harms against one CRS of grade >= 2, where a user sets them; None: as the
    assumptions say.
    """

    infection: float | None = None
    response: float | None = None
    burden: float | None = None

    def given(self) -> dict[str, float]:
        """The ones that are set, by the key of their assumption; :class:`InputError` for a negative
        one.
        """
        found = {
            "infection_weight": self.infection,
            "response_weight": self.response,
            "burden_per_course": self.burden,
        }
        return {
            f"consequences.{name}": non_negative(value, where=WHERE, key=name)
            for name, value in found.items()
            if value is not None
        }

    def put_into(self, world: World) -> World:
        """The world with these weights."""
        return replace(world, assumptions=world.assumptions.replace(self.given()))

    def harms(self, assumptions: Assumptions) -> Harms:
        """All weights as harms."""
        known = assumptions.replace(self.given()).group("consequences")
        return Harms(
            known["infection_weight"], known["response_weight"], known["burden_per_course"]
        )


@dataclass(frozen=True)
class Request:
    """What is asked of simulated patients: product, strategies, world, model, sizes, weights, doses
    for 100.
    """

    product: str
    strategies: tuple[str, ...]
    question: str = (
        "Who should get prophylaxis against CRS of grade >= 2, and which trial would show it?"
    )
    regimen: str | None = None
    scenario: str = "reference"
    model: str | None = None
    seed: int = 1
    sizes: Sizes = SIZES
    member_patients: int = 200
    members: int | None = None
    scenario_patients: int = 2000
    assumption_patients: int = 1000
    doses_per_100: tuple[float, ...] = (30.0,)
    weights: Weights = Weights()
    response_world: str = "mediation"
    n_resamples: int = 500

    @property
    def planned_world(self) -> ResponseWorld:
        """The world of response that thresholds are planned for."""
        return next(one for one in RESPONSE_WORLDS if one == self.response_world)


@dataclass(frozen=True)
class StatedEffect:
    """What is stated because no table shows it: risk ratio with its interval, and harms of a
    treated patient as shares.
    """

    risk_ratio: float | None
    low: float | None = None
    high: float | None = None
    infections_added: float = 0.0
    responses_lost: float = 0.0


@dataclass(frozen=True)
class Reading:
    """How a model reads a table of its user: units of columns, his names of columns, the
    laboratory's upper limit of LDH.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)
    ldh_upper_limit_u_l: float | None = None


@dataclass(frozen=True)
class TableRequest:
    """A table and where its risks come from: a column, or a model that scores it; columns of
    subgroups.
    """

    path: Path
    effect: StatedEffect
    weights: Weights = Weights()
    risk_column: str | None = None
    model: str | None = None
    reading: Reading = Reading()
    outcome: str | None = None
    groups: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    doses_per_100: tuple[float, ...] = (30.0,)
    seed: int = 1
    n_resamples: int = 500


def _refuse(key: str, found: object, expected: str, cure: str) -> InputError:
    return InputError(where=WHERE, key=key, found=found, expected=expected, cure=cure)


def _check_doses(doses_per_100: tuple[float, ...]) -> None:
    if wrong := [doses for doses in doses_per_100 if not 0.0 < doses < 100.0]:
        raise _refuse(
            "doses",
            f"{wrong[0]:g} for 100 patients",
            "more than 0 and fewer than 100",
            "with none, nobody is treated, with 100 everybody: both are in every table anyway",
        )


def checked_strategies(asked: Request) -> tuple[Strategy, ...]:
    """The strategies, after everything that can be seen to be wrong before anything is
    simulated.
    """
    if asked.response_world not in RESPONSE_WORLDS:
        raise _refuse(
            "response_world",
            asked.response_world,
            f"one of {', '.join(RESPONSE_WORLDS)}",
            "choose one of them",
        )
    _check_doses(asked.doses_per_100)
    asked.weights.given()
    sizes = asked.sizes
    is_even = sizes.repetitions >= 2 and sizes.repetitions % 2 == 0
    if sizes.patients < FEWEST_PATIENTS or sizes.training < FEWEST_TRAINING or not is_even:
        raise _refuse(
            "sizes",
            f"{sizes.patients} patients, {sizes.repetitions} repetitions, {sizes.training} for"
            " training",
            f"{FEWEST_PATIENTS} or more, an even number, {FEWEST_TRAINING} or more",
            "ask for more",
        )
    strategies = tuple(parse_strategy(text) for text in asked.strategies)
    if not [one for one in strategies if not one.is_standard]:
        raise _refuse(
            "strategy",
            "none",
            "one way of preventing CRS or more",
            "name one, for example --strategy tocilizumab",
        )
    return strategies


def checked_effect(asked: TableRequest) -> float:
    """The risk ratio, after everything that can be seen to be wrong before the table is read."""
    effect = asked.effect
    if effect.risk_ratio is None:
        raise _refuse(
            "--rr",
            "nothing",
            "the risk ratio of prophylaxis: a table of patients shows no effect",
            "state one with its interval, for example --rr 0.6 --rr-low 0.4 --rr-high 0.9",
        )
    ratio = relative_risk(effect.risk_ratio, where=WHERE, key="--rr")
    for key, value in (("--rr-low", effect.low), ("--rr-high", effect.high)):
        if value is not None and not (np.isfinite(value) and value > 0.0):
            raise _refuse(key, value, "a risk ratio above 0", "correct it")
    ends = [end for end in (effect.low, effect.high) if end is not None]
    if len(ends) == 1 or (ends and not ends[0] <= ratio <= ends[1]):
        raise _refuse(
            "--rr-low and --rr-high",
            f"{effect.low} and {effect.high}",
            f"both ends of the interval around {ratio:g}, or neither",
            "give both",
        )
    for key, share in (
        ("--infections-added", effect.infections_added),
        ("--responses-lost", effect.responses_lost),
    ):
        if not 0.0 <= share <= 1.0:
            raise _refuse(
                key, share, "a share of treated patients, 0 to 1", "divide percentages by 100"
            )
    for threshold in asked.thresholds:
        inner_threshold(threshold, where=WHERE, key="--threshold")
    _check_doses(asked.doses_per_100)
    if (asked.risk_column is None) == (asked.model is None):
        raise _refuse(
            "--risk-column or --model",
            "both or neither",
            "one of them",
            "say where the risks of the table come from",
        )
    return ratio
