"""A cohort's tables name the same patients in the same order, or there is no cohort."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.cohort import Cohort, subset
from crsrisk.errors import InputError


def _cohort(ids: list[int], *, truth: bool = True) -> Cohort:
    observed = pd.DataFrame({"patient_id": ids, "crp_mg_l": [float(number) for number in ids]})
    outcomes = pd.DataFrame({"patient_id": ids, "max_grade": [number % 5 for number in ids]})
    course = pd.DataFrame({"patient_id": ids, "crp_mg_l__h6": [number + 0.5 for number in ids]})
    hidden = pd.DataFrame({"patient_id": ids, "gain": [number * 2 for number in ids]})
    return Cohort(observed, outcomes, course, truth=hidden if truth else None, manifest={"seed": 1})


def test_a_cohort_knows_its_patients_and_cannot_be_changed() -> None:
    cohort = _cohort([3, 1, 2])
    assert cohort.n_patients == 3
    assert cohort.patient_ids.tolist() == [3, 1, 2]
    with pytest.raises(dataclasses.FrozenInstanceError):
        cohort.truth = None  # type: ignore[misc]


@pytest.mark.parametrize("table", ["outcomes", "course", "truth"])
@pytest.mark.parametrize(
    ("ids", "found"), [([1, 3, 2], "row 2"), ([1, 2], "2 rows"), ([1, 2, 4], "row 3")]
)
def test_a_table_that_disagrees_is_named(table: str, ids: list[int], found: str) -> None:
    cohort = _cohort([1, 2, 3])
    with pytest.raises(InputError, match=rf"cohort\.{table}.*{found}"):
        dataclasses.replace(cohort, **cast(Any, {table: pd.DataFrame({"patient_id": ids})}))


def test_a_table_without_patients_and_a_patient_twice_are_refused() -> None:
    with pytest.raises(InputError, match=r"cohort\.course, patient_id: found no such column"):
        dataclasses.replace(_cohort([1, 2]), course=pd.DataFrame({"x": [1, 2]}))
    with pytest.raises(InputError, match=r"row 3, patient_id"):
        _cohort([1, 2, 1])


def test_the_index_of_a_table_does_not_matter() -> None:
    cohort = _cohort([1, 2])
    other = dataclasses.replace(cohort, course=cohort.course.set_axis([7, 9], axis=0))
    assert subset(other, patient_ids=[2]).course["crp_mg_l__h6"].tolist() == [2.5]


@given(data=st.data(), ids=st.lists(st.integers(0, 1000), unique=True, max_size=20))
def test_a_subset_keeps_order_and_every_value(data: st.DataObject, ids: list[int]) -> None:
    wanted = data.draw(st.lists(st.sampled_from(ids), unique=True) if ids else st.just([]))
    cohort = _cohort(ids)
    part = subset(cohort, patient_ids=wanted)
    assert part.patient_ids.tolist() == [number for number in ids if number in wanted]
    assert part.observed["crp_mg_l"].tolist() == [float(number) for number in part.patient_ids]
    assert part.outcomes["max_grade"].tolist() == [number % 5 for number in part.patient_ids]
    assert part.truth is not None
    assert part.truth["gain"].tolist() == [number * 2 for number in part.patient_ids]
    assert part.course.index.tolist() == list(range(part.n_patients))
    assert part.manifest == cohort.manifest
    assert cohort.n_patients == len(ids)


def test_a_subset_without_truth_has_none_and_strangers_are_refused() -> None:
    cohort = _cohort([1, 2], truth=False)
    assert subset(cohort, patient_ids=[1]).truth is None
    with pytest.raises(InputError, match="2 patients not in the cohort"):
        subset(cohort, patient_ids=[1, 8, 9])
