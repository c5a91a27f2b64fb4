"""Grading: the ASTCT table, row by row and in every combination of signs."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from crsrisk.biology import grading
from crsrisk.data.yaml_files import read_yaml
from tests.biology.plain_python import plain

astct_grade = plain(grading.astct_grade)
SIGNS = (
    "fever",
    "hypotension",
    "low_flow",
    "pressor",
    "high_flow",
    "second_pressor",
    "positive_pressure",
)
KNOWN = read_yaml(Path(__file__).parents[1] / "known" / "grading.yaml")


@pytest.mark.parametrize("row", KNOWN["rows"], ids=lambda row: " ".join(row["signs"]) or "nothing")
def test_table_of_lee_2019(row: dict[str, Any]) -> None:
    assert set(row["signs"]) <= set(SIGNS)
    assert astct_grade(*(float(sign in row["signs"]) for sign in SIGNS)) == row["grade"], row[
        "says"
    ]


def test_every_combination() -> None:
    """All 128: without open CRS 0, else the highest step of either ladder, and 1 when neither is
    climbed.
    """
    for signs in product((0.0, 1.0), repeat=7):
        is_open, hypotension, low_flow, pressor, high_flow, second, positive = signs
        pressure = max(2 * hypotension, 3 * pressor, 4 * second)
        oxygen = max(2 * low_flow, 3 * high_flow, 4 * positive)
        want = max(1.0, pressure, oxygen) if is_open else 0.0
        assert astct_grade(*signs) == want


def test_more_signs_never_lower_the_grade() -> None:
    for signs in product((0.0, 1.0), repeat=7):
        for k in range(7):
            more = [1.0 if j == k else sign for j, sign in enumerate(signs)]
            assert astct_grade(*more) >= astct_grade(*signs)
