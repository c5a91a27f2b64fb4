"""A trial designer simulates cohorts: files, manifests, truth, trajectories, worlds and products of
her own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.files import frame_digest, read_manifest, sha256_of
from crsrisk.data.tables import read_table
from crsrisk.fields import columns_of
from crsrisk.folders import find, names
from tests.stories.terminal import RESTRICTION, digests, done, own_copy, refused

COLUMNS = (*columns_of("observed"), *columns_of("outcomes")[1:])
ONE = ("--product", "tarlatamab")


def simulated(
    folder: Path, *words: str | int | Path, n: int = 40, name: str = "cohort.parquet"
) -> pd.DataFrame:
    """The table that ``crsrisk simulate`` writes."""
    done("simulate", "--patients", n, "--out", folder / name, "--overwrite", *words)
    return read_table(folder / name)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_cohort_with_its_manifest(tmp_path: Path, suffix: str) -> None:
    place = tmp_path / "new" / f"cohort{suffix}"
    answer = done("simulate", *ONE, "--patients", 40, "--seed", 3, "--out", place)
    table = read_table(place)
    assert tuple(table.columns) == COLUMNS
    assert table["patient_id"].tolist() == list(range(40))
    assert set(table["product"]) == {"tarlatamab"}
    assert set(table["window_d"]) == {21.0}
    lines = answer.out.splitlines()
    assert lines[0] == f"Wrote {place} (manifest beside it)"
    assert lines[1].startswith("  tarlatamab: n 40, CRS ")
    assert "Monte Carlo error" in lines[1]
    assert lines[1].endswith("within 21 days after the first dose")
    assert lines[2] == "Synthetic patients; research use; no external validation."
    assert set(digests(tmp_path)) == {
        "new",
        f"new/cohort{suffix}",
        f"new/cohort{suffix}.manifest.json",
    }


def test_the_manifest_says_how_to_make_it_again(tmp_path: Path) -> None:
    table = simulated(tmp_path, *ONE, "--seed", 3)
    text = (tmp_path / "cohort.parquet.manifest.json").read_text(encoding="utf-8")
    tree = json.loads(text)
    assert tree == {
        "file": "cohort.parquet",
        "sha256": sha256_of(tmp_path / "cohort.parquet"),
        "version": tree["version"],
        "seed": 3,
        "scenario": "reference",
        "assumptions_hash": tree["assumptions_hash"],
        "n_rows": 40,
        "columns": list(table.columns),
        "products": ["tarlatamab"],
        "regimen": "label",
        "mitigations": [],
        "data_are": tree["data_are"],
    }
    assert "synthetic" in tree["data_are"]
    assert len(tree["assumptions_hash"]) == 16
    assert str(tmp_path) not in text
    read_manifest(tmp_path / "cohort.parquet")  # refuses a file of another hash


def test_csv_and_parquet_hold_the_same_table(tmp_path: Path) -> None:
    one = simulated(tmp_path, *ONE, name="a.parquet")
    other = simulated(tmp_path, *ONE, name="a.csv")
    assert frame_digest(one) == frame_digest(other)


def test_same_seed_same_bytes_with_one_worker_or_two(tmp_path: Path) -> None:
    files = [tmp_path / place / "cohort.parquet" for place in ("a", "b", "c")]
    for file, choices in zip(
        files, (("--workers", 1), ("--workers", 2), ("--seed", 2)), strict=True
    ):
        done(
            "simulate",
            "--product",
            "tarlatamab",
            "--product",
            "til_il2",
            "--patients",
            50,
            "--out",
            file,
            *choices,
        )
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (tmp_path / "a/cohort.parquet.manifest.json").read_bytes() == (
        tmp_path / "b/cohort.parquet.manifest.json"
    ).read_bytes()
    assert not read_table(files[0])["crp_mg_l"].equals(read_table(files[2])["crp_mg_l"])


def test_patient_17_is_the_same_in_a_larger_cohort(tmp_path: Path) -> None:
    few, many = simulated(tmp_path, *ONE, n=20), simulated(tmp_path, *ONE, n=90)
    pd.testing.assert_frame_equal(few, many.head(20), check_exact=True)


def test_a_name_without_suffix_becomes_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert done("simulate", *ONE, "--patients", 2, "--out", "mine").out.startswith(
        "Wrote mine.parquet "
    )
    assert set(digests(tmp_path)) == {"mine.parquet", "mine.parquet.manifest.json"}
    done("simulate", *ONE, "--patients", 2)
    assert (tmp_path / "cohort.parquet").is_file()


def test_every_product_when_none_is_named(tmp_path: Path) -> None:
    shipped = names("products")
    table = simulated(tmp_path, n=2 * len(shipped))
    assert table["product"].value_counts().to_dict() == dict.fromkeys(shipped, 2)
    windows = table.groupby("platform")["window_d"].unique().map(list).to_dict()
    assert windows.pop("ici") == [60.0]
    assert all(window == [21.0] for window in windows.values())


def test_another_regimen_for_the_same_patients(tmp_path: Path) -> None:
    usual = simulated(tmp_path, *ONE)
    other = simulated(tmp_path, *ONE, "--regimen", "fixed_10mg_no_steroid")
    assert set(other["regimen"]) == {"fixed_10mg_no_steroid"}
    assert not other["is_stepped_up"].any()
    assert not other["has_steroid_premedication"].any()
    assert read_manifest(tmp_path / "cohort.parquet").regimen == "fixed_10mg_no_steroid"
    pd.testing.assert_series_equal(usual["crp_mg_l"], other["crp_mg_l"])
    assert other["crs_any"].sum() > usual["crs_any"].sum(), "ten times the first dose, no steroid"


def test_a_mitigation_is_all_that_differs_between_two_arms(tmp_path: Path) -> None:
    usual = simulated(tmp_path, *ONE)
    other = simulated(tmp_path, *ONE, "--mitigation", "tocilizumab", "--mitigation", "anakinra")
    before = [name for name in columns_of("observed") if name != "has_tocilizumab_prophylaxis"]
    pd.testing.assert_frame_equal(usual[before], other[before], check_exact=True)
    assert other["has_tocilizumab_prophylaxis"].all()
    assert not usual["has_tocilizumab_prophylaxis"].any()
    assert other["max_grade"].sum() < usual["max_grade"].sum()
    assert read_manifest(tmp_path / "cohort.parquet").mitigations == ("tocilizumab", "anakinra")


def test_a_world_by_name_and_the_same_by_a_file_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = simulated(tmp_path, *ONE)
    named = simulated(tmp_path, *ONE, "--scenario", "inflammation_strong")
    digest = read_manifest(tmp_path / "cohort.parquet").assumptions_hash
    own_copy("scenarios", "inflammation_strong", tmp_path / "worlds" / "my_world.yaml")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    own = simulated(tmp_path, *ONE, "--scenario", "../worlds/my_world.yaml")
    pd.testing.assert_frame_equal(own, named, check_exact=True)
    assert not own["max_grade"].equals(reference["max_grade"])
    manifest = read_manifest(tmp_path / "cohort.parquet")
    assert (manifest.scenario, manifest.assumptions_hash) == ("my_world", digest)


def test_a_product_of_her_own_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = simulated(tmp_path, *ONE)
    digest = read_manifest(tmp_path / "cohort.parquet").assumptions_hash
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loose = (f"value: {RESTRICTION}\n", "value: 0.4\n"), ("range: [0.8, 1.0]", "range: [0.3, 1.0]")
    own_copy("products", "tarlatamab", tmp_path / "drugs" / "my_engager.yaml", *loose)
    own = simulated(tmp_path, "--product", "../drugs/my_engager.yaml", "--product", "tarlatamab")
    assert own["product"].tolist() == ["my_engager", "tarlatamab"] * 20
    mine, theirs = (own[own["product"] == name] for name in ("my_engager", "tarlatamab"))
    assert set(mine["antigen_restriction"]) == {0.4}
    pd.testing.assert_frame_equal(theirs, shipped.iloc[1::2], check_exact=True)
    assert mine["max_grade"].sum() > shipped.iloc[::2]["max_grade"].sum(), (
        "more normal tissue bears the antigen"
    )
    manifest = read_manifest(tmp_path / "cohort.parquet")
    assert manifest.products == ("my_engager", "tarlatamab")
    assert manifest.assumptions_hash != digest, "the hash covers the numbers of the product as well"


def test_changed_product_changes_the_hash(tmp_path: Path) -> None:
    found = []
    for value in (RESTRICTION, "0.8"):
        own_copy(
            "products",
            "tarlatamab",
            tmp_path / "mine.yaml",
            (f"value: {RESTRICTION}\n", f"value: {value}\n"),
        )
        done(
            "simulate",
            "--product",
            tmp_path / "mine.yaml",
            "--patients",
            1,
            "--overwrite",
            "--out",
            tmp_path / "a.csv",
        )
        found.append(read_manifest(tmp_path / "a.csv").assumptions_hash)
    assert found[0] != found[1]


def test_json_is_one_object_that_agrees_with_the_file(tmp_path: Path) -> None:
    products = ("--product", "tarlatamab", "--product", "checkpoint_inhibitor")
    tree = done(
        "simulate", *products, "--patients", 60, "--out", tmp_path / "a.parquet", "--json"
    ).tree
    table = read_table(tmp_path / "a.parquet")
    assert tree["files"] == [str(tmp_path / "a.parquet")]
    assert (tree["n_patients"], tree["seed"], tree["scenario"]) == (60, 1, "reference")
    assert "no external validation" in tree["notice"]
    for name, rows in table.groupby("product"):
        found = tree["products"][name]
        assert found["n"] == len(rows) == 30
        assert found["window_d"] == rows["window_d"].iloc[0]
        for event in ("crs_any", "crs_grade2plus", "crs_grade3plus"):
            share = rows[event].mean()
            rate = found[event]
            assert rate["value"] == pytest.approx(share)
            if 0 < share < 1:
                assert rate["mc_error"] == pytest.approx(np.sqrt(share * (1 - share) / 30))
            else:
                assert rate["low"] <= share <= rate["high"]
        median = rows["onset_h"].median()
        assert found["onset_median_h"] == (None if np.isnan(median) else median)


def test_truth_stands_apart_with_both_oracles_and_their_errors(tmp_path: Path) -> None:
    words = (
        "--product",
        "tarlatamab",
        "--product",
        "psma_masked_engager",
        "--truth",
        "--truth-repetitions",
        20,
    )
    answer = done("simulate", *words, "--patients", 14, "--out", tmp_path / "a.csv", "--json")
    assert answer.tree["files"] == [str(tmp_path / "a.csv"), str(tmp_path / "a.truth.csv")]
    table, truth = read_table(tmp_path / "a.csv"), read_table(tmp_path / "a.truth.csv")
    assert truth["patient_id"].tolist() == table["patient_id"].tolist()
    assert {"patient_id"} == set(truth.columns) & set(table.columns), (
        "nothing unobserved is in the cohort's file"
    )
    for event in ("grade2plus", "grade3plus"):
        for given in ("baseline", "observed"):
            risk, error = (truth[f"{what}_{event}__given_{given}"] for what in ("risk", "mc_error"))
            assert risk.between(0, 1).all()
            assert (risk * 20 % 1 == 0).all(), "events of 20 simulations"
            np.testing.assert_allclose(error, np.sqrt(risk * (1 - risk) / 20))
    assert {"true_crp_mg_l", "true_ferritin_ug_l"} <= set(truth.columns)
    assert any(str(name).startswith("trait_") for name in truth.columns)
    assert truth.notna().all(axis=None)
    assert read_manifest(tmp_path / "a.truth.csv").n_rows == 14


def test_truth_of_a_patient_does_not_depend_on_the_company(tmp_path: Path) -> None:
    words = (*ONE, "--truth", "--truth-repetitions", 4)
    few, many = (
        (simulated(tmp_path, *words, n=n, name="a.csv"), read_table(tmp_path / "a.truth.csv"))[1]
        for n in (3, 9)
    )
    pd.testing.assert_frame_equal(few, many.head(3), check_exact=True)


def test_trajectories_are_half_hourly_and_lead_to_the_outcomes(tmp_path: Path) -> None:
    table = simulated(
        tmp_path, "--product", "tarlatamab", "--product", "tebentafusp", "--trajectories", n=6
    )
    course = read_table(tmp_path / "cohort.trajectories.parquet")
    assert sorted(course["patient_id"].unique()) == list(range(6))
    for patient, rows in course.groupby("patient_id"):
        outcome = table.set_index("patient_id").loc[patient]
        assert set(rows["product"]) == {outcome["product"]}
        np.testing.assert_allclose(np.diff(rows["time_h"]), 0.5)
        assert rows["time_h"].max() == pytest.approx(21 * 24, abs=0.5)
        after = rows[rows["time_h"] >= 0]
        assert after["il6_pg_ml"].max() == pytest.approx(outcome["peak_il6_pg_ml"], rel=1e-3)
        assert after["crp_mg_l"].max() == pytest.approx(outcome["peak_crp_mg_l"], rel=1e-3)
        # the true one; the outcome's is the measured one
        assert after["temperature_c"].between(35, 43).all()
    assert course.drop(columns=["patient_id", "product"]).notna().all(axis=None)
    assert read_manifest(tmp_path / "cohort.trajectories.parquet").n_rows == len(course)


def test_a_second_cohort_replaces_the_first_with_its_manifest(tmp_path: Path) -> None:
    simulated(tmp_path, *ONE, "--seed", 1)
    refused(
        "simulate",
        *ONE,
        "--out",
        tmp_path / "cohort.parquet",
        says=("there already", "--overwrite"),
        folder=tmp_path,
    )
    simulated(tmp_path, *ONE, "--seed", 2, "--overwrite", n=5)
    assert read_manifest(tmp_path / "cohort.parquet").seed == 2
    assert set(digests(tmp_path)) == {"cohort.parquet", "cohort.parquet.manifest.json"}


def test_shipped_files_can_be_given_by_path(tmp_path: Path) -> None:
    copy = shutil.copy(find("products", "tebentafusp"), tmp_path / "tebentafusp.yaml")
    named = simulated(tmp_path, "--product", "tebentafusp", n=5)
    by_path = simulated(tmp_path, "--product", copy, n=5)
    pd.testing.assert_frame_equal(named, by_path, check_exact=True)


def test_what_belonged_to_an_older_cohort_goes_with_it(tmp_path: Path) -> None:
    """The truth of other patients never stands beside a new cohort; other people's files stay."""
    simulated(tmp_path, *ONE, "--truth", "--truth-repetitions", 2, n=5)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert "cohort.truth.parquet" in digests(tmp_path)
    simulated(tmp_path, *ONE, "--seed", 2, "--overwrite", n=5)
    assert set(digests(tmp_path)) == {"cohort.parquet", "cohort.parquet.manifest.json", "notes.txt"}
