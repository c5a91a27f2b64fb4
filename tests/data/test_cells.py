"""Cells: numbers, yes/no, words and patients' numbers as people write them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.cells import (
    MISSING_WORDS,
    CellRules,
    as_ids,
    guessed,
    id_texts,
    parse,
    texts_of,
    typed,
)
from crsrisk.data.written_numbers import NumberStyle
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS

_CRP, _FEMALE, _ECOG, _PLATFORM, _INFECTION = (
    FIELDS[name] for name in ("crp_mg_l", "is_female", "ecog", "platform", "has_infection")
)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_a_written_number_comes_back(numbers: list[float]) -> None:
    read = parse(pd.Series([repr(number) for number in numbers]), _CRP)
    assert read.values.tolist() == numbers
    assert not read.missing.any()
    assert not read.bad


@given(st.sampled_from(sorted(MISSING_WORDS)), st.sampled_from([str.upper, str.title, str]))
def test_missing_is_told_from_what_cannot_be_read(word: str, change: object) -> None:
    assert callable(change)
    for column in (_CRP, _FEMALE, _PLATFORM):
        read = parse(pd.Series([f" {change(word)} ", "?"]), column)
        assert read.missing.tolist() == [True, False], column.name
        assert set(read.bad) == {1}, column.name


def test_a_whole_number_is_whole() -> None:
    assert set(parse(pd.Series(["1", "1.0", "1.5"]), _ECOG).bad) == {2}


@pytest.mark.parametrize(
    ("words", "value"),
    [(("yes", "Y", "T", "1", "ja", "TRUE", "oui"), 1.0), (("no", "N", "F", "0", "nein"), 0.0)],
)
def test_yes_and_no_in_their_usual_codings(words: tuple[str, ...], value: float) -> None:
    assert set(parse(pd.Series(words), _INFECTION).values) == {value}


def test_sex_is_a_letter_or_word_or_a_declared_code() -> None:
    read = parse(pd.Series(["F", "male", "weiblich", "W", "1"]), _FEMALE, is_sex=True)
    assert read.values[:4].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert set(read.bad) == {4}
    assert "--code sex:CODE=WORD" in read.bad[4].cure
    coded = CellRules(codes={"1": "M", "2": "F"})
    assert parse(pd.Series([1, 2]), _FEMALE, coded, is_sex=True).values.tolist() == [0.0, 1.0]
    assert set(parse(pd.Series(["F"]), _FEMALE).bad) == {0}  # is F female or false?


def test_declared_codes_are_missing_as_text_and_as_number() -> None:
    rules = CellRules(missing=frozenset({"-9", "nd"}))
    for cells in (pd.Series(["-9", "ND", "4"]), pd.Series([-9.0, np.nan, 4.0])):
        read = parse(cells, _CRP, rules)
        assert read.missing.tolist() == [True, True, False]
        assert not read.bad
    assert parse(pd.Series(["-9.0"]), _CRP, rules).missing.all()


@pytest.mark.parametrize(
    ("rule", "values"),
    [("half", [2.5, 1000.0]), ("limit", [5.0, 1000.0]), ("missing", [None, None])],
)
def test_censored_values_follow_the_stated_rule(rule: str, values: list[float | None]) -> None:
    read = parse(pd.Series(["<5", "> 1000"]), _CRP, CellRules(censored=rule))  # type: ignore[arg-type]
    assert [None if np.isnan(value) else value for value in read.values] == values
    assert all(bad.loss == "censored" for bad in read.bad.values())


def test_censored_values_are_refused_as_long_as_no_rule_is_stated() -> None:
    read = parse(pd.Series(["<5", "<LOD"]), _CRP)
    assert [bad.loss for bad in read.bad.values()] == ["ambiguous", "unreadable"]
    assert all(rule in read.bad[0].cure for rule in ("missing", "half", "limit"))


def test_a_unit_in_the_cell_is_kept_and_a_strange_one_is_not_read() -> None:
    read = parse(pd.Series(["4.2 mg/dL", "12mg/L", "3 furlongs"]), _CRP)
    assert read.values[:2].tolist() == [4.2, 12.0]
    assert read.units == {0: "mg/dL", 1: "mg/L"}
    assert set(read.bad) == {2}


def test_a_number_with_two_readings_names_both() -> None:
    bad = parse(pd.Series(["1,234"]), _CRP).bad[0]
    assert bad.loss == "ambiguous"
    assert "1234 or 1.234" in bad.cure
    comma = CellRules(style=NumberStyle(decimal=","))
    assert parse(pd.Series(["1,234"]), _CRP, comma).values.tolist() == [1.234]
    assert parse(pd.Series(["1.234"]), _CRP, comma).bad[0].loss == "ambiguous"


def test_words_of_a_list_in_any_case_and_nothing_by_spelling() -> None:
    read = parse(pd.Series(["TCE", "CAR-T", "cart", "til", "tcel"]), _PLATFORM)
    assert read.values[:4].tolist() == ["tce", "car_t", "car_t", "til"]
    assert read.bad[4].cure.startswith("write one of tce, ")


def test_numbers_of_patients_stay_as_people_write_them() -> None:
    with_gap = id_texts(pd.Series([1.0, np.nan, 3.0]))
    assert with_gap.tolist() == ["1", "", "3"]
    assert as_ids(pd.Series(["1", "20"])).dtype == np.int64
    assert as_ids(pd.Series(["1", "007"])).tolist() == ["1", "007"]


def test_a_column_that_nobody_knows_gets_the_type_that_all_its_cells_have() -> None:
    found = [
        guessed(pd.Series(cells))
        for cells in (["True", "False"], ["1", "2"], ["1.5", ""], ["a", ""])
    ]
    assert [column.dtype.kind for column in found[:3]] == ["b", "i", "f"]
    assert found[3].tolist()[0] == "a"
    assert found[3].isna().tolist() == [False, True]


def test_a_cell_of_a_table_of_ours_that_cannot_be_is_named() -> None:
    with pytest.raises(InputError, match="row 2, column ecog"):
        typed(pd.Series(["1", ""]), _ECOG, where="mine.csv")


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series([1.0, 2.5, np.nan, -0.0, 1e22, 1e-7, np.inf]),
        pd.Series([0.1, 3.0], dtype=np.float32),
        pd.Series([1, 2, 1]),
        pd.Series([True, False]),
        pd.Series([" a ", None, "b", " a "], dtype="str"),
        pd.Series(["x", "y", None, "x"], dtype="category"),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1, 1.0, True, "1", None, b" z "], dtype=object),
        pd.Series(pd.to_datetime(["2024-01-02", None])),
    ],
    ids=lambda cells: str(cells.dtype),
)
def test_a_column_is_written_as_each_of_its_cells(cells: pd.Series) -> None:
    alone = [texts_of(pd.Series([cell], dtype=object))[0] for cell in cells.astype(object)]
    assert texts_of(cells) == alone
