"""Somebody asks when grade 2 or more is to be expected: fits onset to the released model, asks for
a table, judges it, and releases it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.stories.terminal import digests, done, refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Onset of the released baseline, from a few patients of two products."""
    place = tmp_path_factory.mktemp("onset") / "model"
    shown = done(
        "onset", "train", "baseline-0.1.0", "--patients", 400, "--product", "tarlatamab",
        "--product", "tebentafusp", "--out", place,
    ).out  # fmt: skip
    assert "onsets of 2 product(s)" in shown
    assert "400 simulated patients, scenario reference, seed 1" in shown
    return place


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ward") / "ward.csv"
    done("simulate", "--product", "tarlatamab", "--patients", 3, "--seed", 5, "--out", place)
    return place


def test_a_table_is_told_beside_the_hours_of_observation(folder: Path, ward: Path) -> None:
    shown = done("onset", "predict", folder, ward).out
    for words in (
        "24 h", "168 h", "dose 2", "no advice to shorten observation", "Known miss",
        "label: not in the evidence here", "48 h, in hospital (DeLLphi-300 part A, evidence E075)",
    ):  # fmt: skip
        assert words in shown, words


def test_its_risk_is_the_risk_that_predict_prints(folder: Path, ward: Path, tmp_path: Path) -> None:
    done("onset", "predict", folder, ward, "--out", tmp_path / "onset.csv")
    done("predict", "baseline-0.1.0", ward, "--out", tmp_path / "risk.csv")
    onset, risk = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("onset", "risk"))
    assert onset["risk"].tolist() == risk["risk"].tolist()
    hours = ["risk_24h", "risk_48h", "risk_72h", "risk_168h", "risk"]
    assert (onset[hours].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert onset["hours_of_observation"].str.startswith("label: ").all()


def test_a_product_without_onsets_in_training_is_not_told(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "other.csv"
    done("simulate", "--product", "lete_cel", "--patients", 2, "--seed", 5, "--out", place)
    told = json.loads(done("onset", "predict", folder, place, "--json").out)
    assert [row["risk_24h"] for row in told["rows"]] == [None, None]
    assert all("cannot be estimated" in row["reasons"] for row in told["rows"])


def test_a_refused_row_ends_with_a_cure(folder: Path, ward: Path, tmp_path: Path) -> None:
    table = pd.read_csv(ward, dtype=str)
    table.loc[1, "product"] = "no_such_product"
    table.to_csv(tmp_path / "ward.csv", index=False)
    refused(
        "onset", "predict", folder, tmp_path / "ward.csv",
        says=("row 2", "1 of 3 rows refused"), folder=tmp_path,
    )  # fmt: skip


def test_it_is_judged_in_fresh_patients(folder: Path, tmp_path: Path) -> None:
    shown = done(
        "onset", "evaluate", folder, "--patients", 100, "--product", "tebentafusp",
        "--true", 30, "--repetitions", 4, "--out", tmp_path / "judged",
    ).out  # fmt: skip
    assert "100 fresh simulated patients" in shown
    written = digests(tmp_path / "judged")
    assert {"onset_calibration.json", "onset_by_hour.csv", "onset_calibration.svg"} <= set(written)
    tree = json.loads((tmp_path / "judged" / "onset_calibration.json").read_text())
    assert tree["n_true"] == [30, 4]


def test_a_product_that_the_model_does_not_know_is_refused(ward: Path, tmp_path: Path) -> None:
    done(
        "train", "--patients", 100, "--product", "tebentafusp", "--refits", 0,
        "--out", tmp_path / "one",
    )  # fmt: skip
    refused(
        "onset", "train", tmp_path / "one", "--product", "tarlatamab", "--out", tmp_path / "x",
        says=("found tarlatamab", "products among tebentafusp"), folder=tmp_path,
    )  # fmt: skip
    refused(
        "onset", "predict", tmp_path / "one", ward, says=("crsrisk onset train",), folder=tmp_path
    )


def test_it_goes_with_a_release(folder: Path, ward: Path, tmp_path: Path) -> None:
    done("release", folder, "--version", "0.1.1", "--out", tmp_path / "released")
    place = tmp_path / "released" / "baseline-0.1.1"
    assert {"onset.json", "onset.txt.gz"} <= set(digests(place))
    assert (
        done("onset", "predict", place, ward).out.replace("0.1.1", "0.1.0")
        == done("onset", "predict", folder, ward).out
    )
