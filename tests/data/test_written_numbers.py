"""Numbers of every country: what has one reading is read, what has two is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.written_numbers import NumberStyle, read_number, split_comparison

COMMA = NumberStyle(decimal=",")


@pytest.mark.parametrize(
    ("text", "style", "values"),
    [
        ("12", NumberStyle(), (12.0,)),
        ("1e-3", NumberStyle(), (0.001,)),
        ("12,345.6", NumberStyle(), (12345.6,)),
        ("1,234,567", NumberStyle(), (1234567.0,)),
        ("1 234", NumberStyle(), (1234.0,)),
        ("1'234.5", NumberStyle(), (1234.5,)),
        ("1\u202f234", NumberStyle(), (1234.0,)),
        ("1,234", NumberStyle(), (1234.0, 1.234)),
        ("1,234", NumberStyle(thousands=","), (1234.0,)),
        ("1,234", COMMA, (1.234,)),
        ("1.234", COMMA, (1234.0, 1.234)),
        ("1.234,5", COMMA, (1234.5,)),
        ("72,6", COMMA, (72.6,)),
        ("0,123", NumberStyle(), (0.123,)),
        ("1,2,3", NumberStyle(), ()),
        ("1.2.3", NumberStyle(), ()),
        ("high", NumberStyle(), ()),
        ("", NumberStyle(), ()),
        ("inf", NumberStyle(), ()),
        ("0x10", NumberStyle(), ()),
        ("٣", NumberStyle(), ()),
        ("1.234", NumberStyle(is_doubtful=True), (1234.0, 1.234)),
        ("0.123", NumberStyle(is_doubtful=True), (0.123,)),
        ("12.5", NumberStyle(is_doubtful=True), (12.5,)),
    ],
)
def test_readings(text: str, style: NumberStyle, values: tuple[float, ...]) -> None:
    assert read_number(text, style).values == values


@given(st.floats(-1e12, 1e12))
def test_a_number_in_the_style_of_its_file_has_itself_as_a_reading(value: float) -> None:
    text = repr(value)
    assert read_number(text).values == (value,)
    found = read_number(text.replace(".", ","), COMMA)
    assert found.values == (value,)


def test_a_number_in_the_other_style_is_said_to_be_so() -> None:
    assert read_number("4,1").is_foreign
    assert read_number("4.1", COMMA).is_foreign
    assert not read_number("4.1").is_foreign


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<5", ("<", "5")),
        ("≤ 0,5", ("<", "0,5")),
        (">= 1000", (">", "1000")),
        ("less than 5", ("<", "5")),
        ("\uff1c5", ("<", "5")),
        ("Above 1,000 ug/L", (">", "1,000 ug/L")),
        ("below detection", None),
        ("<LOD", None),
        ("5", None),
        ("<", None),
    ],
)
def test_censored_values(text: str, parts: tuple[str, str] | None) -> None:
    assert split_comparison(text) == parts
