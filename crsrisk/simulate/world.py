"""Load a whole world by the name of its scenario."""

from __future__ import annotations

from pathlib import Path

from crsrisk.domain.world import World
from crsrisk.folders import names
from crsrisk.read.world import load_assumptions, load_mitigation, load_policy, load_population, load_scenario


def load_world(scenario: str | Path = "reference") -> World:
    """Everything the synthetic world assumes under one scenario (a shipped name, or a YAML file of yours).

    >>> load_world("burden_null").assumptions.value("engagement.burden_exponent")
    0.0
    """
    assumptions = load_assumptions()
    chosen = load_scenario(scenario, assumptions=assumptions)
    return World(
        scenario=chosen, assumptions=chosen.apply(assumptions),
        populations={name: load_population(name) for name in names("populations")},
        policies={name: load_policy(name) for name in names("policies")},
        mitigations={name: load_mitigation(name) for name in names("mitigations")},
    )
