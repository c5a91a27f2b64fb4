"""World: a scenario changes the assumptions it names and nothing else, and the digest tells worlds apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.errors import InputError
from crsrisk.folders import names
from crsrisk.read.world import load_scenario
from crsrisk.simulate.world import load_world
from tests.simulate.people import world_of


@pytest.mark.parametrize("scenario", names("scenarios"))
def test_a_scenario_changes_what_it_names(scenario: str) -> None:
    world, plain = world_of(scenario), world_of()
    differs = {key for key in plain.assumptions if world.assumptions.value(key) != plain.assumptions.value(key)}
    assert differs <= set(world.scenario.overrides)
    for key, override in world.scenario.overrides.items():
        assert world.assumptions.value(key) == override.value
    assert (world.digest == plain.digest) == (not differs)


def test_the_scenario_of_the_tests_is_the_loaded_one() -> None:
    assert load_world("burden_null").digest == world_of("burden_null").digest


def test_a_user_adds_a_scenario_with_one_file(tmp_path: Path) -> None:
    mine = tmp_path / "calm.yaml"
    mine.write_text(
        "name: calm\ntitle: Calm\nevidence: ['a test']\noverrides:\n"
        "  cascade.weight_tnf:\n    value: 0.5\n    reason: to see less\n"
    )
    world = load_world(mine)
    assert world.scenario.name == "calm"
    assert world.assumptions.value("cascade.weight_tnf") == 0.5
    assert world.digest != world_of().digest


def test_a_scenario_with_an_unknown_assumption_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "wrong.yaml"
    mine.write_text(
        "name: wrong\ntitle: Wrong\nevidence: ['a test']\noverrides:\n"
        "  cascade.no_such_number:\n    value: 0.5\n    reason: a slip\n"
    )
    with pytest.raises(InputError) as problem:
        load_scenario(mine, assumptions=world_of().assumptions)
    assert "no_such_number" in str(problem.value)


def test_with_values_leaves_the_world_it_came_from_alone() -> None:
    before = world_of().digest
    other = world_of().with_values({"cascade.weight_tnf": 0.25})
    assert other.assumptions.value("cascade.weight_tnf") == 0.25
    assert world_of().digest == before != other.digest
    with pytest.raises(InputError):
        world_of().with_values({"cascade.no_such_number": 1.0})
