"""Baseline patients beside published figures: what is answered, printed and refused."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from crsrisk.folders import names
from crsrisk.journey.baseline_patients import compare_baseline, print_baseline
from crsrisk.read.baseline_check import load_baseline_checks
from tests.simulate.people import world_of


@pytest.fixture(scope="module")
def found():  # type: ignore[no-untyped-def]
    return compare_baseline(world_of(), n=2000, seed=3)


def test_every_tumour_type_is_described_and_every_check_answered(found) -> None:  # type: ignore[no-untyped-def]
    assert {row["population"] for row in found["patients"]} == set(names("populations"))
    assert {row["id"] for row in found["checks"]} == {check.id for check in load_baseline_checks()}
    assert sum(sum(counts.values()) for counts in found["summary"].values()) == len(found["checks"])
    assert sum(found["summary"]["published"].values()) == sum(row["range_kind"] != "plausible" for row in found["checks"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_equal_seeds_give_equal_answers(found) -> None:  # type: ignore[no-untyped-def]
    assert compare_baseline(world_of(), n=2000, seed=3) == found


def test_what_is_not_inside_is_printed() -> None:
    """Ferritin without its correlation with CRP: the rows that say so stand under the table."""
    wrong = compare_baseline(world_of().with_values({"population.corr_crp_mg_l__ferritin_ug_l": 0.6}), n=2000)
    page = io.StringIO()
    print_baseline(wrong, console=Console(file=page, width=140))
    shown = page.getvalue()
    assert "outside: crp_ferritin in small_cell_lung" in shown
    assert "small cell lung" in shown
    assert "lying inside one is no evidence" in shown
    assert "no external validation" in shown
