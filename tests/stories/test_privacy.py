"""A hospital shares what it made of its own table: nothing in it is of fewer than ten patients.

The table holds a product with one patient, whose values lie far from all others, an antibody that
was measured once, a site of one, and a prior treatment of three.
"""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.disclosure import FEWEST
from crsrisk.folders import find
from crsrisk.model.booster_text import read_text
from tests.stories.terminal import done, refused
from tests.stories.test_own_model import CONFIG, hospital

WORDS = ("lone_engager", "lone_platform", "lone_site", "lone_tumour", "patient-of-one")
N = 160
MORE = ("weight_kg", "ferritin_ug_l", "il6_pg_ml", "has_prior_checkpoint_inhibitor")
_NUMBER = re.compile(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?")


def with_one_apart(n: int) -> pd.DataFrame:
    """The hospital's patients of two products, and one of his own."""
    table = hospital(n, seed=3)
    rng = np.random.default_rng(9)
    table["patient_id"] = [f"p-{k}" for k in range(n)]
    table["product"] = np.where(np.arange(n) < n // 2, "own_a", "own_b")
    table["weight_kg"] = rng.normal(75, 9, n).round(4)
    table["ferritin_ug_l"] = np.exp(rng.normal(6, 1, n)).round(3)
    table["il6_pg_ml"] = [81.2345] + [np.nan] * (n - 1)
    table.loc[table.index[:3], "has_prior_checkpoint_inhibitor"] = "yes"
    lone = {
        "patient_id": WORDS[4], "product": WORDS[0], "platform": "car_t", "site": WORDS[2],
        "tumour_type": WORDS[3], "age_years": 93, "weight_kg": 158.1234, "ecog": 3,
        "ferritin_ug_l": 61234.567, "CRP [mg/L]": 487.4321, "ldh_x_uln": 27.4321,
        "max_grade": 4,
    }  # fmt: skip
    for name, value in lone.items():
        table[name] = table[name].astype(object)
        table.loc[table.index[-1], name] = value
    return table


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model, release, evaluation and update of that table."""
    place = tmp_path_factory.mktemp("shared")
    config = CONFIG.replace("one_hot: []", "one_hot: [product, platform]").replace(
        "learner:",
        "".join(
            f'  - {{name: {name}, direction: none, reason: "why"}}\n'
            for name in (
                "weight_kg",
                "ferritin_ug_l",
                "il6_pg_ml",
                "has_prior_checkpoint_inhibitor",
            )
        )
        + "learner:",
    )
    config = config.replace("min_data_in_leaf: 20", "min_data_in_leaf: 10")  # the fewest allowed
    (place / "mine.yaml").write_text(config, encoding="utf-8")
    (place / "variables.yaml").write_bytes(find("configs", "variables").read_bytes())
    with_one_apart(N).to_csv(place / "ours.csv", index=False)
    grade = ("--outcome", "max_grade", "--at-least", 2)
    said = done(
        "train", place / "mine.yaml", "--table", place / "ours.csv", *grade, "--refits", 2,
        "--out", place / "model", "--track", place / "tracked",
    ).out  # fmt: skip
    assert "1 patient of products that fewer than 10 patients have" in said
    done("release", place / "model", "--out", place / "released")
    done(
        "evaluate", place / "model", place / "ours.csv", *grade, "--resamples", 50, "--by", "ward",
        "--unknown-product", "--out", place / "evaluation", "--track", place / "tracked",
    )  # fmt: skip
    for method in ("refit", "offset-boosting"):
        done(
            "update", place / "model", place / "ours.csv", *grade, "--method", method,
            "--config", place / "mine.yaml", "--unknown-product", "--out", place / method,
        )  # fmt: skip
    return place


def texts_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every file, unpacked; of a database, every row."""
    for place in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = place.read_bytes()
        if place.suffix == ".gz":
            content = gzip.decompress(content)
        if content.startswith(b"SQLite"):
            with closing(sqlite3.connect(place)) as database:
                yield place.name, "\n".join(database.iterdump())
        elif not content.startswith(PICTURES):
            yield place.name, content.decode("utf-8")


SHARED = ("model", "released", "evaluation", "tracked", "refit", "offset-boosting")
PICTURES = (b"\x89PNG",)


@pytest.mark.parametrize("folder", SHARED)
def test_no_word_of_a_single_patient(home: Path, folder: str) -> None:
    texts = list(texts_in(home / folder))
    assert "mine" in " ".join(text for _, text in texts)  # the model's name
    assert [(name, word) for name, text in texts for word in WORDS if word in text] == []


@pytest.mark.parametrize("folder", SHARED)
def test_no_value_of_a_single_patient(home: Path, folder: str) -> None:
    """No number anywhere is one that a patient had: values of six digits and more do not meet by
    chance.
    """
    table = pd.read_csv(home / "ours.csv")
    told = {
        float(value)
        for name in ("weight_kg", "ferritin_ug_l", "il6_pg_ml", "CRP [mg/L]", "ldh_x_uln")
        for value in table[name].dropna()
        if len(f"{value:.10g}".replace(".", "")) >= 6
    }
    assert len(told) > N
    for name, text in texts_in(home / folder):
        assert not told & {float(number) for number in _NUMBER.findall(text)}, name


@pytest.mark.parametrize("folder", ["model", "released/mine-0.1.0"])
def test_ranges_are_not_the_extremes(home: Path, folder: str) -> None:
    """The range goes beyond the ninth-largest value by what ten patients tell, not to the lone
    one; a column that was measured once has none.
    """
    columns = {
        column["name"]: column
        for column in json.loads((home / folder / "contract.json").read_text())["columns"]
    }
    assert columns["il6_pg_ml"]["trained"] is None
    assert columns["product"]["levels"] == ["own_a", "own_b"]
    table = pd.read_csv(home / "ours.csv")
    low, high = columns["weight_kg"]["trained"]
    assert low <= np.sort(table["weight_kg"])[FEWEST]
    assert high >= np.sort(table["weight_kg"])[-FEWEST - 1]
    for name in ("weight_kg", "ferritin_ug_l"):
        assert columns[name]["trained"][1] != pytest.approx(table[name].max(), rel=0.01)


@pytest.mark.parametrize("folder", ["model", "refit", "offset-boosting"])
def test_leaves_hold_ten_patients(home: Path, folder: str) -> None:
    text = gzip.decompress((home / folder / "booster.txt.gz").read_bytes()).decode("ascii")
    counts = np.concatenate([tree.leaf_count for tree in read_text(text).trees])
    assert not ((counts > 1) & (counts < FEWEST)).any()
    assert counts.max() >= N // 2  # so they are counts of patients


def test_the_median_patients_are_of_ten(home: Path) -> None:
    contract = json.loads((home / "model" / "contract.json").read_text())
    groups = [*contract["median_patients"]]
    bedside = json.loads((home / "model" / "bedside.json").read_text())
    assert set(bedside["reference"]) == {"own_a", "own_b"}
    for group in [*groups, *bedside["reference"].values()]:
        assert group["n_patients"] >= FEWEST
        assert (group.get("values") or group["typical"])["il6_pg_ml"] is None
    seen = bedside["reference"]["own_a"]["seen"]["has_prior_checkpoint_inhibitor"]
    assert seen == [False]


def groups_in(tree: Any) -> Iterator[dict[str, Any]]:
    """Every part of an evaluation that says how many patients it is of."""
    if isinstance(tree, dict):
        if "n" in tree and "quantiles" not in tree:
            yield tree
        for value in tree.values():
            yield from groups_in(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from groups_in(value)


def test_an_evaluation_tells_of_no_small_group(home: Path) -> None:
    tree = json.loads((home / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    told = list(groups_in(tree))
    assert len(told) > 5
    assert min(group["n"] for group in told) >= FEWEST
    assert set(tree["evaluation"]["by_group"]) == {"own_a", "own_b"}
    bins = tree["evaluation"]["pooled"]["risk_distribution"]["event"]["counts"]
    assert min(bins) >= FEWEST


def test_too_few_events_are_refused(home: Path) -> None:
    table = pd.read_csv(home / "ours.csv")
    table["max_grade"] = np.where(np.arange(len(table)) < FEWEST - 1, 3, 0)
    table.to_csv(home / "few.csv", index=False)
    refused(
        "train", home / "mine.yaml", "--table", home / "few.csv", "--outcome", "max_grade",
        "--at-least", 2, "--out", home / "few", folder=home,
        says=("at least 10 patients with and 10 without the event",),
    )  # fmt: skip


def test_a_message_that_nobody_reads_on_a_terminal_names_the_cell_and_does_not_show_it(
    home: Path,
) -> None:
    table = pd.read_csv(home / "ours.csv", dtype=object)
    table.loc[4, "age_years"] = "81 secret"
    table.to_csv(home / "typo.csv", index=False)
    told = refused(
        "predict", home / "model", home / "typo.csv", "--strict",
        folder=home, says=("row 5, column age_years",), is_log=True,
    )  # fmt: skip
    assert "secret" not in told.err + told.out
