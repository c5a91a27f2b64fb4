"""Headers: every spelling of a column is recognised with its unit, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.columns import (
    MISSING_WORDS,
    Column,
    as_ids,
    guessed,
    id_texts,
    parse,
    recognise,
    typed,
)
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, columns_of

REQUIRED = [name for name in columns_of("observed") if FIELDS[name].is_required]
SPELLINGS = [
    (name, spelling) for name in columns_of("observed") for spelling in FIELDS[name].spellings
]


def columns(header: list[str], **changed: Any) -> dict[str, Column]:
    return recognise(header, **{"where": "mine.csv", "units": {}, "mapping": {}, **changed})


@pytest.mark.parametrize(("name", "spelling"), SPELLINGS)
def test_every_spelling_that_is_promised_is_recognised(name: str, spelling: str) -> None:
    header = [spelling if one == name else one for one in REQUIRED] + (
        [] if name in REQUIRED else [spelling]
    )
    assert columns(header)[name].found == spelling


def test_columns_that_stand_for_none_are_left_out() -> None:
    assert set(columns([*REQUIRED, "shoe size"])) == set(REQUIRED)


@pytest.mark.parametrize(
    ("header", "changed", "said"),
    [
        ([*REQUIRED, "crp"], {}, "a second time|a quantity without a unit"),
        (REQUIRED[1:], {}, "no such column"),
        (REQUIRED, {"units": {"shoes": "cm"}}, "a unit for a column that is not there"),
        (REQUIRED, {"mapping": {"shoes": "crp_mg_l"}}, "no such column"),
        ([*REQUIRED, "shoes"], {"mapping": {"shoes": "boots"}}, "a mapping to 'boots'"),
    ],
)
def test_what_cannot_be_is_refused(header: list[str], changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        columns(header, **changed)


# Cells: numbers, yes/no, words and patients' numbers as people write them.


_CRP, _FEMALE, _ECOG, _PLATFORM = (
    FIELDS[name] for name in ("crp_mg_l", "is_female", "ecog", "platform")
)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_a_written_number_comes_back(numbers: list[float]) -> None:
    values, missing, bad = parse(pd.Series([repr(number) for number in numbers]), _CRP)
    assert values.tolist() == numbers
    assert not missing.any()
    assert not bad.any()


@given(st.sampled_from(sorted(MISSING_WORDS)), st.sampled_from([str.upper, str.title, str]))
def test_missing_is_told_from_what_cannot_be_read(word: str, change: object) -> None:
    assert callable(change)
    for column in (_CRP, _FEMALE, _PLATFORM):
        _, missing, bad = parse(pd.Series([f" {change(word)} ", "?"]), column)
        assert missing.tolist() == [True, False], column.name
        assert bad.tolist() == [False, True], column.name


def test_a_whole_number_is_whole_and_sex_is_a_letter() -> None:
    assert parse(pd.Series(["1", "1.0", "1.5"]), _ECOG)[2].tolist() == [False, False, True]
    values, _, bad = parse(pd.Series(["F", "male", "yes"]), _FEMALE, is_sex=True)
    assert values[:2].tolist() == [1.0, 0.0]
    assert bad.tolist() == [False, False, True]


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
