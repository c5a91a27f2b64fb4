"""Every certified answer is met: the selection that travels with the code, and the whole reference
table where it lies.

A function is called by its public name with the inputs as they stand in the table, remarks
included.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import crsrisk
from tests.shared_data import shared_path

KNOWN = yaml.safe_load(
    (Path(__file__).parents[1] / "known" / "trial_statistics.yaml").read_text(encoding="utf-8")
)["rows"]


def answer(function: str, inputs: dict[str, Any], *, named: bool) -> Any:
    """What the public function returns, as JSON would write it; `named` when the table names the
    figures.
    """
    found = getattr(crsrisk, function)(**inputs)
    if named and hasattr(found, "to_dict"):
        return found.to_dict()
    return found.tolist() if hasattr(found, "tolist") else found


def misses(found: Any, expected: Any, tolerance: float, place: str = "") -> Iterator[str]:
    """Each figure that is not met. Whole numbers exactly, others within the absolute tolerance."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            if key in found:
                yield from misses(found[key], value, tolerance, f"{place}.{key}")
            else:
                yield f"{place}.{key} is missing among {sorted(found)}"
    elif isinstance(expected, list):
        if len(found) != len(expected):
            yield f"{place}: {len(found)} figures, expected {len(expected)}"
        for number, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from misses(one, other, tolerance, f"{place}[{number}]")
    else:
        allowed = 0 if isinstance(expected, int) and isinstance(found, int) else tolerance
        if not abs(found - expected) <= allowed:
            yield f"{place}: {found}, expected {expected}"


def check(function: str, inputs: dict[str, Any], expected: Any, tolerance: float) -> None:
    found = answer(function, inputs, named=isinstance(expected, dict))
    assert list(misses(found, expected, tolerance, function)) == []


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row["id"])
def test_answers_that_travel_with_the_code(row: dict[str, Any]) -> None:
    assert row["source"]
    check(row["function"], row["inputs"], row["expected"], row["tolerance"])


def test_every_row_of_the_reference_table() -> None:
    path = shared_path("known_answers", "trial_statistics.csv")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) > 50
    wrong = []
    for row in rows:
        expected = json.loads(row["expected"])
        found = answer(row["function"], json.loads(row["inputs"]), named=isinstance(expected, dict))
        wrong += [
            f"{row['id']}: {miss}" for miss in misses(found, expected, float(row["tolerance"]))
        ]
    assert wrong == []


def test_sample_sizes_of_the_r_package() -> None:
    rows = json.loads(
        shared_path("known_answers", "sample_size_binary.json").read_text(encoding="utf-8")
    )
    for row in rows:
        size = crsrisk.pm_sample_size_binary(
            r2_cs=row["csrsquared"], parameters=row["parameters"], prevalence=row["prevalence"]
        )
        assert size.criteria == (row["n_crit1"], row["n_crit2"], row["n_crit3"])
        assert size.n == row["n_final"]
        assert size.epp == pytest.approx(row["EPP_final"], abs=1e-9)
        # printed with three digits
        assert size.shrinkage == pytest.approx(row["shrinkage"], abs=5.1e-4)


def test_the_comparison_can_fail() -> None:
    assert list(misses({"n": 152, "z": [1.0, 2.0]}, {"n": 152, "z": [1.0, 2.0]}, 0.1)) == []
    assert list(misses({"n": 153}, {"n": 152}, 10.0)), "whole numbers are compared exactly"
    assert list(misses({"z": [1.0]}, {"z": [1.0, 2.0]}, 0.1))
    assert list(misses({"z": [1.0, float("nan")]}, {"z": [1.0, 2.0]}, 0.1))
    assert list(misses({}, {"n": 1}, 0.1))
