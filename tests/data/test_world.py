"""World: a scenario changes the assumptions it names and nothing else, and the digest tells worlds
apart.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.evidence_files import load_evidence_register, load_trials
from crsrisk.data.world import load_world, with_own_places
from crsrisk.data.world_files import load_product, load_scenario
from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.simulation.arm import make_arm
from tests.simulation.people import world_of


@pytest.mark.parametrize("scenario", names("scenarios"))
def test_a_scenario_changes_what_it_names(scenario: str) -> None:
    world, plain = world_of(scenario), world_of()
    differs = {
        key
        for key in plain.assumptions
        if world.assumptions.value(key) != plain.assumptions.value(key)
    }
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


def _own_product(folder: Path, *, population: str = "renal_cell", policy: str = "our_ward") -> Path:
    """A product in one folder, its population and policy in another, called by their paths from the
    product's file.
    """
    places = folder / "places"
    places.mkdir()
    for kind, shipped, name in (
        ("populations", "small_cell_lung", population),
        ("policies", "standard_astct", policy),
    ):
        text = (
            find(kind, shipped)
            .read_text(encoding="utf-8")
            .replace(f"name: {shipped}", f"name: {name}", 1)
        )
        (places / f"{name}.yaml").write_text(text, encoding="utf-8")
    text = find("products", "tarlatamab").read_text(encoding="utf-8")
    for key, old, new in (
        ("name", "tarlatamab", "mine"),
        ("population", "small_cell_lung", f"places/{population}.yaml"),
        ("support_policy", "standard_astct", f"places/{policy}.yaml"),
    ):
        text = text.replace(f"{key}: {old}", f"{key}: {new}", 1)
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return folder / "mine.yaml"


def test_a_product_brings_its_population_and_policy_along(tmp_path: Path) -> None:
    (product,), world = with_own_places([load_product(_own_product(tmp_path))], world=world_of())
    arm = make_arm(product, world=world)
    assert (arm.population.name, arm.policy.name) == ("renal_cell", "our_ward")
    assert world.digest != world_of().digest
    assert "renal_cell" not in world_of().populations


def test_shipped_products_leave_the_world_as_it_is() -> None:
    products, world = with_own_places([load_product("tarlatamab")], world=world_of())
    assert (products, world.digest) == ([load_product("tarlatamab")], world_of().digest)


def test_a_population_called_as_another_is_refused(tmp_path: Path) -> None:
    product = load_product(_own_product(tmp_path, population="gastric_pancreatic"))
    with pytest.raises(InputError, match="rename your file"):
        with_own_places([product], world=world_of())


def test_a_population_that_is_not_there_is_named_by_its_path(tmp_path: Path) -> None:
    path = _own_product(tmp_path)
    (tmp_path / "places" / "renal_cell.yaml").unlink()
    with pytest.raises(InputError, match=r"population: found no such file: .*renal_cell\.yaml"):
        load_product(path)


def _mixed_product(folder: Path, *, further: str) -> Path:
    """As `_own_product`, a quarter of the patients of another tumour type."""
    path = _own_product(folder)
    text = path.read_text(encoding="utf-8")
    mixed = f"further_populations:\n  {further}: 0.25\nsupport_policy:"
    path.write_text(text.replace("support_policy:", mixed, 1), encoding="utf-8")
    return path


def test_a_product_brings_a_second_population_along(tmp_path: Path) -> None:
    path = _mixed_product(tmp_path, further="places/bladder.yaml")
    text = (tmp_path / "places" / "renal_cell.yaml").read_text(encoding="utf-8")
    bladder = text.replace("name: renal_cell", "name: bladder", 1)
    (tmp_path / "places" / "bladder.yaml").write_text(bladder, encoding="utf-8")
    (product,), world = with_own_places([load_product(path)], world=world_of())
    assert product.shares_of_populations == {"renal_cell": 0.75, "bladder": 0.25}
    assert set(world.populations) - set(world_of().populations) == {"renal_cell", "bladder"}


def test_a_shipped_population_beside_ones_own_keeps_its_name(tmp_path: Path) -> None:
    product = load_product(_mixed_product(tmp_path, further="hepatocellular"))
    (product,), _ = with_own_places([product], world=world_of())
    assert product.shares_of_populations == {"renal_cell": 0.75, "hepatocellular": 0.25}


def test_a_second_population_that_is_not_there_is_named_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"further_populations.*found no such file: .*nowhere"):
        load_product(_mixed_product(tmp_path, further="places/nowhere.yaml"))


@pytest.mark.parametrize(
    "further", ["places/renal_cell.yaml", "./places/../places/renal_cell.yaml"]
)
def test_one_tumour_type_twice_is_refused(tmp_path: Path, further: str) -> None:
    with pytest.raises(InputError, match=r"further_populations.*(beside|each tumour type once)"):
        with_own_places([load_product(_mixed_product(tmp_path, further=further))], world=world_of())


# What a person holds: each says in a line what it is, shows itself, and survives pickle and copy.


NOUNS = {
    "world": lambda: load_world(),
    "assumptions": lambda: load_world().assumptions,
    "scenario": lambda: load_scenario("burden_null"),
    "product": lambda: load_product("tarlatamab"),
    "population": lambda: load_world().populations["uveal_melanoma"],
    "policy": lambda: load_world().policies["conservative_fluids"],
    "mitigation": lambda: load_world().mitigations["tocilizumab"],
    "trial": lambda: load_trials()[0],
    "evidence": load_evidence_register,
}


@pytest.mark.parametrize("name", NOUNS)
def test_a_noun_survives_pickle_and_copy_and_shows_itself_in_short(name: str) -> None:
    noun = NOUNS[name]()
    for again in (pickle.loads(pickle.dumps(noun)), copy.deepcopy(noun), copy.copy(noun)):
        assert type(again) is type(noun)
        assert again == noun
    assert repr(noun).startswith(f"<{type(noun).__name__}: ")
    assert len(repr(noun)) < 2_000
    assert repr(noun) == str(noun)
    page = noun._repr_html_()
    assert page.startswith("<p><strong>")
    if hasattr(noun, "to_frame"):
        frame = noun.to_frame()
        assert len(frame) > 0
        assert "<table" in page


def test_a_world_that_was_pickled_is_the_same_world() -> None:
    world = load_world("burden_null")
    again = pickle.loads(pickle.dumps(world))
    assert again.digest == world.digest
    with pytest.raises(TypeError):
        again.assumptions.entries["a.b"] = world.assumptions["vitals.map_half"]


def test_an_ensemble_survives_pickle_and_copy_and_shows_itself_in_short() -> None:
    members = load_ensemble()
    for again in (pickle.loads(pickle.dumps(members)), copy.deepcopy(members)):
        assert again.digest == members.digest
    assert len(repr(members)) < 2_000
    assert members.to_frame().shape == (len(members), 1 + len(members.keys))


def test_the_numbers_of_a_product_are_a_table() -> None:
    table = load_product("tarlatamab").to_frame().set_index("name")
    affinity = load_product("tarlatamab").binding.tumour_affinity_nm
    assert table.loc["binding.tumour_affinity_nm", "value"] == affinity.value
    assert table.loc["kinetics.clearance_l_h", "unit"] == "L/h"
