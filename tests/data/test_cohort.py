"""A cohort's tables name the same patients in the same order, or there is no cohort."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.cohort import Cohort, Labels, joined, subset
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


def _outcomes(n: int) -> Cohort:
    """Patients 10 to 10 + n - 1, every third with the event, two products."""
    ids = list(range(10, 10 + n))
    observed = pd.DataFrame({"patient_id": ids, "product": ["a", "b"] * (n // 2), "crp_mg_l": 1.0})
    event = [number % 3 == 0 for number in ids]
    outcomes = pd.DataFrame({"patient_id": ids, "crs_any": True, "crs_grade2plus": event})
    truth = pd.DataFrame({"patient_id": ids, "trait_gain": 1.0})
    return Cohort(observed, outcomes, pd.DataFrame({"patient_id": ids}), truth=truth)


def test_x_and_y_are_by_patient_and_hold_no_truth() -> None:
    cohort = _outcomes(60)
    assert list(cohort.X.columns) == ["product", "crp_mg_l"]
    assert cohort.X.index.equals(cohort.y.index)
    assert cohort.y.name == "crs_grade2plus"
    assert cohort.y.tolist() == [int(number % 3 == 0) for number in range(10, 70)]
    assert cohort.outcome("crs_any").sum() == 60
    assert isinstance(cohort.y, Labels)
    with pytest.raises(InputError, match="one of crs_any, crs_grade2plus"):
        cohort.outcome("crs_grade3plus")


def test_a_split_depends_on_seed_and_number_alone() -> None:
    cohort = _outcomes(400)
    train, test = cohort.split(test_size=0.3, seed=1)
    assert sorted([*train.y.index, *test.y.index]) == cohort.patient_ids.tolist()
    later = cohort.subset(range(200, 410)).split(test_size=0.3, seed=1)[1]
    assert later.patient_ids.tolist() == [number for number in test.y.index if number >= 200]
    assert set(test.y.index) < set(cohort.split(test_size=0.5, seed=1)[1].y.index)
    assert set(test.y.index) != set(cohort.split(test_size=0.3, seed=2)[1].y.index)


def test_a_stratified_split_holds_the_share_out_of_each_value() -> None:
    cohort = _outcomes(400)
    for column in ("product", "crs_grade2plus"):
        train, test = cohort.split(test_size=0.25, seed=1, stratify=column)
        whole = cohort.to_frame()[column].value_counts()
        held = test.to_frame()[column].value_counts()
        assert ((held - 0.25 * whole).abs() <= 0.5).all()
        assert train.n_patients + test.n_patients == 400
    with pytest.raises(InputError, match="a column of observed or outcomes"):
        cohort.split(stratify="nothing")


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="test_size"):
        _outcomes(20).split(test_size=share)


def test_a_cohort_shows_itself_and_is_copied() -> None:
    cohort = _outcomes(60)
    assert repr(cohort) == (
        "<Cohort: 60 simulated patients, 2 product(s), 20 with CRS of grade 2 or more>"
    )
    assert "<table" in cohort._repr_html_()
    assert len(cohort) == 60
    assert cohort.head(3).patient_ids.tolist() == [10, 11, 12]
    for again in (pickle.loads(pickle.dumps(cohort)), copy.deepcopy(cohort)):
        assert again.to_frame().equals(cohort.to_frame())
        assert again.y.outcomes.equals(cohort.y.outcomes)


def test_cohorts_are_joined_in_order() -> None:
    cohort = _outcomes(60)
    parts = [cohort.subset(range(10, 30)), cohort.subset(range(30, 70))]
    assert joined(parts).to_frame().equals(cohort.to_frame())
