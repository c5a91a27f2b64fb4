"""Worlds: scenarios, members and mixtures give the patients they say, each with a number of his
own.
"""

from __future__ import annotations

import pytest

from crsrisk.data.ensemble import load_ensemble
from crsrisk.errors import InputError
from crsrisk.studies.places import mixed_place, patients_from, place_of, products_of
from tests.simulation.people import PRODUCTS


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
