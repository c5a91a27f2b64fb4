"""An experiment's question and sizes are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from crsrisk.cli.experiments import KINDS
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.world_files import load_mitigation, load_product, load_scenario
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.studies.calibration_task import Calibration
from crsrisk.studies.experiment import (
    experiment_file,
    kind_of,
    load_experiment,
    mixed_place,
    patients_from,
    place_of,
    products_of,
)
from tests.simulation.people import PRODUCTS

_OF_KIND = {name: kind_of(find("experiments", name)) for name in names("experiments")}


def test_every_shipped_experiment_has_a_kind_that_is_known() -> None:
    assert set(_OF_KIND.values()) == set(KINDS), "each kind has an example, each example a kind"


def test_shipped_calibrations_are_sound() -> None:
    for name in [name for name, kind in _OF_KIND.items() if kind == "calibration"]:
        path = experiment_file(find("experiments", name))
        assert build(Calibration, read_yaml(path), where=name).name == name


@pytest.mark.parametrize("name", [name for name, kind in _OF_KIND.items() if kind == "baseline"])
def test_shipped_experiments_name_only_what_ships(name: str) -> None:
    experiment = load_experiment(find("experiments", name))
    assert experiment.name == name
    assert experiment.question.endswith("?")
    load_scenario(experiment.scenario)
    for product in experiment.products:
        load_product(product)
    for mitigation in experiment.mitigations:
        load_mitigation(mitigation)


def test_the_main_job_is_as_large_as_it_says() -> None:
    experiment = load_experiment(find("experiments", "001_baseline"))
    assert (experiment.n_patients, experiment.products, experiment.scenario) == (
        20_000,
        [],
        "reference",
    )
    assert (experiment.truth_patients, experiment.truth_repetitions) == (1000, 250)
    assert {"tocilizumab", "dexamethasone"} <= set(experiment.mitigations)


def test_folder_or_file(tmp_path: Path) -> None:
    shipped = find("experiments", "001_baseline")
    assert (
        load_experiment(shipped)
        == load_experiment(shipped.parent)
        == load_experiment(str(shipped.parent))
    )
    with pytest.raises(InputError, match=r"no experiment\.yaml"):
        load_experiment(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_patients", 399),
        ("seed", -1),
        ("test_share", 0.05),
        ("test_share", 0.9),
        ("truth_patients", 29),
        ("truth_repetitions", 21),
        ("truth_repetitions", 18),
        ("baseline_repetitions", 3),
        ("evidence_patients", 99),
        ("designer_patients", 99),
        ("bootstrap", 49),
        ("n_patients", "600"),
        ("products", "tarlatamab"),
    ],
)
def test_sizes_outside_their_limits(tmp_path: Path, key: str, value: object) -> None:
    tree = load_experiment(find("experiments", "001_baseline")).model_dump() | {key: value}
    place = tmp_path / "experiment.yaml"
    lines = [f"{name}: {given!r}" for name, given in tree.items()]
    place.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        load_experiment(place)
    assert refusal.value.key == key
    assert refusal.value.where == str(place)


def test_an_experiment_never_changes() -> None:
    experiment = load_experiment(find("experiments", "001_baseline"))
    with pytest.raises(ValidationError):
        setattr(experiment, "seed", 2)  # noqa: B010  a type checker refuses the plain assignment


# Worlds: scenarios, members and mixtures give the patients they say, each with a number of his
# own.


def test_no_name_means_all_products() -> None:
    assert tuple(one.name for one in products_of([])) == tuple(PRODUCTS)


def test_a_member_has_the_members_values() -> None:
    ensemble = load_ensemble()
    part = place_of("member:5", products=products_of(["tarlatamab"]), ensemble=ensemble).only
    values = ensemble.member(5)
    for key, value in values.items():
        if key.startswith("assumption:"):
            assert part.world.assumptions.value(key.removeprefix("assumption:")) == value
    key = "product:tarlatamab.binding.tumour_affinity_nm"
    if key in values:
        assert part.arms["tarlatamab"].product.binding.tumour_affinity_nm.value == values[key]


def test_mixed_patients_are_different_persons_and_the_same_again() -> None:
    place = mixed_place(
        "many", ensemble=load_ensemble(), n_members=3, products=products_of(["tarlatamab"]), seed=1
    )
    cohort = patients_from(place, n=60, seed=2)
    assert cohort.observed["patient_id"].tolist() == list(range(60))
    assert len({part.world.digest for part in place.parts}) > 1
    assert patients_from(place, n=60, seed=2, workers=2).observed.equals(cohort.observed)


@pytest.mark.parametrize("name", ["member:99999", "member:x", "nowhere"])
def test_refuses_places_that_are_not_there(name: str) -> None:
    with pytest.raises(InputError):
        place_of(name, products=products_of(["tarlatamab"]), ensemble=load_ensemble())


def test_a_folder_of_trial_designs_is_run_by_another_command(tmp_path: Path) -> None:
    (tmp_path / "design.yaml").write_text(
        "trial: mine\ndesigns:\n  - {name: a}\n", encoding="utf-8"
    )
    for place in (tmp_path, tmp_path / "design.yaml"):
        with pytest.raises(InputError, match=r"crsrisk trial .*design\.yaml"):
            experiment_file(place)
    with pytest.raises(InputError, match="give the folder"):
        experiment_file(tmp_path / "nothing")
