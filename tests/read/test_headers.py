"""Headers: every spelling of a column is recognised with its unit, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, columns_of
from crsrisk.read.headers import Column, recognise

REQUIRED = [name for name in columns_of("observed") if FIELDS[name].is_required]
SPELLINGS = [(name, spelling) for name in columns_of("observed") for spelling in FIELDS[name].spellings]


def columns(header: list[str], **changed: Any) -> dict[str, Column]:
    return recognise(header, **{"where": "mine.csv", "units": {}, "mapping": {}, **changed})


@pytest.mark.parametrize(("name", "spelling"), SPELLINGS)
def test_every_spelling_that_is_promised_is_recognised(name: str, spelling: str) -> None:
    header = [spelling if one == name else one for one in REQUIRED] + ([] if name in REQUIRED else [spelling])
    assert columns(header)[name].found == spelling


def test_columns_that_stand_for_none_are_left_out() -> None:
    assert set(columns([*REQUIRED, "shoe size"])) == set(REQUIRED)


@pytest.mark.parametrize(("header", "changed", "said"), [
    ([*REQUIRED, "crp"], {}, "a second time|a quantity without a unit"),
    (REQUIRED[1:], {}, "no such column"),
    (REQUIRED, {"units": {"shoes": "cm"}}, "a unit for a column that is not there"),
    (REQUIRED, {"mapping": {"shoes": "crp_mg_l"}}, "no such column"),
    ([*REQUIRED, "shoes"], {"mapping": {"shoes": "boots"}}, "a mapping to 'boots'"),
])
def test_what_cannot_be_is_refused(header: list[str], changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        columns(header, **changed)
