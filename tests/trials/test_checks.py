"""Answers become plain dictionaries that JSON can write and that keep every number."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk import trials
from crsrisk.trials.checks import Answer, ByNumber, label, percent


@dataclass(frozen=True, repr=False)
class Nested(Answer):
    one: float
    many: np.ndarray
    inner: ByNumber[float]
    pair: tuple[int, str | None]


def test_records_become_plain() -> None:
    record = Nested(
        np.float64(0.5), np.array([1, 2]), ByNumber({0.1: np.float64(2.0)}), (np.int64(3), None)
    )
    expected = {"one": 0.5, "many": [1, 2], "inner": {"0.1": 2.0}, "pair": [3, None]}
    assert record.to_dict() == expected
    assert json.loads(json.dumps(record.to_dict())) == expected


def test_bounds_at_which_nothing_stops_are_none_in_json() -> None:
    record = Nested(float("inf"), np.array([-np.inf, 2.0]), ByNumber({}), (1, None))
    assert record.to_dict() | {"inner": 0} == {
        "one": None,
        "many": [None, 2.0],
        "inner": 0,
        "pair": [1, None],
    }


def test_records_show_themselves_shortly() -> None:
    record = Nested(1 / 3, np.arange(1000.0), ByNumber({0.1: 1.0}), (1, None))
    assert repr(record) == (
        "<Nested: one 0.3333, many [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...], inner (0.1), pair 2 in all>"
    )
    assert repr(record.inner) == "<ByNumber: answers for 0.1>"
    assert record.inner.to_frame().to_dict() == {"value": {0.1: 1.0}}


@given(number=st.floats(0, 1).map(lambda x: round(x, 6)))
def test_answers_are_found_by_number_and_by_its_text(number: float) -> None:
    answers = ByNumber({number: "found"})
    assert answers[number] == answers[label(number)] == "found"
    assert float(label(number)) == number
    assert len(answers) == 1
    with pytest.raises(KeyError):
        answers[2.0]


def test_short_names_of_rates() -> None:
    assert [percent(r) for r in (0.1, 0.3, 0.07, 0.29, 0.125, 1.0)] == [
        "10",
        "30",
        "07",
        "29",
        "12.5",
        "100",
    ]


def test_designs_are_written_as_json() -> None:
    design = trials.group_sequential_sample_size(
        p_treat=0.1, p_control=0.25, type="OBF", K=3, futility_z=[0.0, 0.5]
    )
    assert json.loads(json.dumps(design.to_dict()))["n_max_ceil"] == design.n_max_ceil
    designs = trials.simon_two_stage(p0=0.6, p1=0.8)
    assert json.loads(json.dumps(designs.to_dict()))["optimal"]["r1"] == 7
