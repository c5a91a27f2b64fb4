"""Sentences about a model's patients follow from what its manifest records, whatever that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.files import frame_digest, write_manifest
from crsrisk.data.provenance import Patients, Provenance, origin_of, rows_digest


def made(step: str, origin: str, n: int = 100, sha256: str = "") -> dict[str, Any]:
    """One entry of a manifest."""
    return {"step": step, "origin": origin, "n_patients": n, "n_events": 30, "sha256": sha256}


@pytest.mark.parametrize(
    ("steps", "notice"),
    [
        (
            [made("fit", "simulated")],
            "Research use. Fitted to simulated patients; no external validation.",
        ),
        (
            [made("fit", "table")],
            "Research use. Fitted to patients of a table; no external validation is recorded.",
        ),
        (
            [made("fit", "simulated"), made("update", "table")],
            "Research use. Fitted to simulated patients, then updated with patients of a table; no"
            " external validation is recorded.",
        ),
        (
            [made("fit", "unknown")],
            "Research use. Fitted to patients whose origin is not recorded; no external validation"
            " is recorded.",
        ),
    ],
)
def test_the_notice_says_what_made_it(steps: list[dict[str, Any]], notice: str) -> None:
    assert Provenance.of({"patients": steps}).notice == notice


@given(st.lists(st.sampled_from(["simulated", "table", "unknown"]), min_size=1, max_size=4))
def test_simulated_is_said_of_nothing_else(origins: list[str]) -> None:
    steps = [made("update" if at else "fit", origin) for at, origin in enumerate(origins)]
    told = Provenance.of({"patients": steps})
    assert ("simulated" in f"{told.notice}{told.in_words}") == ("simulated" in origins)
    assert told.is_simulated == (set(origins) == {"simulated"})
    assert ("synthetic" in told.page_notice) == told.is_simulated


@pytest.mark.parametrize(
    ("manifest", "origins"),
    [
        ({"data_are": "synthetic", "training": "9 simulated patients, seed 1"}, ["simulated"]),
        ({"data_are": "synthetic", "training": "375 patients of development.csv"}, ["table"]),
        ({"data_are": "synthetic"}, ["unknown"]),
        (
            {"training": "9 simulated patients", "update": {"method": "intercept"}},
            ["simulated", "table"],
        ),
        ({"training": "9 simulated patients", "update": {"method": "none"}}, ["simulated"]),
    ],
)
def test_manifests_from_before_are_read_for_what_they_know(
    manifest: dict[str, Any], origins: list[str]
) -> None:
    assert [one.origin for one in Provenance.of(manifest).steps] == origins


@given(st.permutations(range(6)))
def test_patients_are_recognised_in_any_order(order: list[int]) -> None:
    table = pd.DataFrame(
        {
            "product": ["a", "b", "a", None, "b", "a"],
            "crp_mg_l": [1.0, 2.0, 1.0, np.nan, 0.5, 3.0],
            "has_infection": [True, False, True, False, True, True],
        }
    )
    told = Provenance.of({"patients": [made("fit", "table", sha256=rows_digest(table))]})
    assert told.made_by(table.iloc[order]) == told.steps[0]
    changed = table.assign(crp_mg_l=table["crp_mg_l"] + 1e-9)
    assert told.made_by(changed) is None
    assert told.made_by(table.iloc[1:]) is None


def test_the_ordered_digest_of_older_manifests_is_known_too() -> None:
    table = pd.DataFrame({"crp_mg_l": [3.0, 1.0]})
    told = Provenance.of(
        {"training": "2 patients of a.csv", "observed_sha256": frame_digest(table)}
    )
    assert isinstance(told.made_by(table), Patients)
    assert told.made_by(table.iloc[::-1]) is None


def test_a_simulated_file_is_one_whose_manifest_has_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "cohort.csv"
    file.write_text("patient_id\n1\n")
    assert origin_of(file) == "table"
    write_manifest(
        file,
        seed=1,
        scenario="reference",
        assumptions_hash="",
        version="0",
        columns=["patient_id"],
        n_rows=1,
    )
    assert origin_of(file) == "simulated"
    file.write_text("patient_id\n2\n")
    assert origin_of(file) == "table"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["b", "a", None, "c"]),
            st.sampled_from([1.0, -0.0, 0.0, np.nan, -2.5]),
            st.booleans(),
            st.integers(0, 3),
        ),
        max_size=30,
    )
)
def test_rows_are_sorted_as_pandas_sorts_them(rows: list[tuple[Any, ...]]) -> None:
    table = pd.DataFrame(rows, columns=["word", "number", "flag", "count"])
    ordered = table.sort_values(list(table.columns), kind="stable")
    assert rows_digest(table) == frame_digest(ordered)
