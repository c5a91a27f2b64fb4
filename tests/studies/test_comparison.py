"""Plans side by side: what the object holds, and that pictures of the same people may be net."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.data.patient import read_patient
from crsrisk.data.world import load_world
from crsrisk.errors import InputError
from crsrisk.simulation.levers import levers
from crsrisk.simulation.similar_patients import conditional_outcomes, sample_conditional
from crsrisk.studies.comparison import compare_plans, named_only
from crsrisk.studies.explain import ExplainableModel
from crsrisk.studies.patient_row import arm_of, simulated_values

PATIENT = {"product": "tarlatamab", "age": "66 years", "crp": "42 mg/L"}


def test_a_comparison_starts_at_the_models_number_and_differences_add_up() -> None:
    model = ExplainableModel.of("baseline-0.1.0")
    found = compare_plans(PATIENT, model=model, seed=1, n_members=10, n_people=200)
    assert found.risk is not None
    assert found.baseline is not None
    assert found.as_simulated is not None
    before = found.baseline.shares.grade2plus
    assert found.starts_at_model
    assert before.value == pytest.approx(found.risk.grade2plus.value, abs=1e-12)
    assert found.as_simulated.grade2plus.value != before.value
    for one in found.alternatives:
        change = one.shares.grade2plus.value - before.value
        assert one.difference.grade2plus.value == pytest.approx(change, abs=1e-12)
    assert found.n_people == 2000
    again = compare_plans(PATIENT, model=model, seed=1, n_members=10, n_people=200, workers=2)
    assert again == found


@pytest.mark.parametrize("product", ["tarlatamab", "tebentafusp", "acapatamab"])
def test_of_the_same_people_fewer_than_one_of_100_goes_the_other_way(product: str) -> None:
    """So that two pictures of the same people can show who is averted, and nobody else."""
    world = load_world()
    told = read_patient({**PATIENT, "product": product})
    arm = arm_of(told, world=world)
    has_it = [
        conditional_outcomes(
            sample_conditional(simulated_values(told), arm=one, world=world, seed=1, n=2048),
            arm=one,
            world=world,
        ).grade
        >= 2
        for one in (arm, *(lever.arm for lever in levers(arm, world=world)))
    ]
    for changed in has_it[1:]:
        fewer, more = (has_it[0] & ~changed).mean(), (~has_it[0] & changed).mean()
        assert max(fewer, more) > 0
        assert np.minimum(fewer, more) < 0.01


def test_names_are_found_and_files_are_not() -> None:
    assert named_only({"product": "IMDELLTRA"})["product"] == "tarlatamab"
    assert named_only({"product": 3}) == {"product": 3}
    with pytest.raises(InputError, match="a product that ships"):
        named_only({"product": "synthetic/products/tarlatamab.yaml"})
