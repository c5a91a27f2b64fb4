"""A row of the roster has exactly one use."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from crsrisk.domain.roster import REASONS, USES, Fate, Reason, Use


def test_every_use_and_reason_has_its_meaning() -> None:
    assert set(USES) == set(get_args(Use))
    assert set(REASONS) == set(get_args(Reason))


@pytest.mark.parametrize("row", [
    {"id": "E1", "use": "target", "used_in": "a_source"},
    {"id": "E1", "use": "not_usable", "reason": "pooled", "about": "a pool"},
    {"id": "E1", "use": "not_usable", "reason": "overlap", "counted_as": "E2", "about": "the same patients"},
])
def test_a_sound_row(row: dict[str, Any]) -> None:
    assert Fate.model_validate(row).unverified is False


@pytest.mark.parametrize("row", [
    {"id": "E1", "use": "target"},
    {"id": "E1", "use": "target", "used_in": "a_source", "reason": "pooled"},
    {"id": "E1", "use": "not_usable", "about": "no reason"},
    {"id": "E1", "use": "not_usable", "reason": "pooled"},
    {"id": "E1", "use": "not_usable", "reason": "pooled", "used_in": "a_source", "about": "a pool"},
    {"id": "E1", "use": "not_usable", "reason": "overlap", "about": "which row counts?"},
    {"id": "E1", "use": "not_usable", "reason": "pooled", "counted_as": "E2", "about": "a pool"},
    {"id": "E1", "use": "qualitative", "used_in": "a_phenomenon"},
    {"id": "E1", "use": "somehow", "used_in": "a_source", "about": "a use that is none"},
])
def test_a_row_without_exactly_one_use_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Fate.model_validate(row)
