"""A hospital trains on its own table, judges, updates and refits: every sentence about whose
patients they were is true.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.folders import find
from tests.stories.terminal import done, refused

CONFIG = """\
name: mine
version: "0.1.0"
about: "CRP and LDH"
outcome: crs_grade2plus
outcome_in_words: "deterioration"
stages: []
window_d: {default: 30.0}
landmark_h: 0
one_hot: []
features:
  - {name: crp_mg_l, direction: none, reason: "inflammation"}
  - {name: ldh_x_uln, direction: none, reason: "cell death"}
learner:
  kind: additive
  additive_penalty: 20.0
  max_trees: 20
  has_interactions: false
  learning_rate: 0.1
  num_leaves: 4
  min_data_in_leaf: 20
  l2: 10.0
  feature_fraction: 0.5
  bagging_fraction: 0.7
  n_folds: 2
"""
QUICK = ("--resamples", 50)
OF_A_SIMULATOR = re.compile(r"simulat|synthetic", re.IGNORECASE)


def hospital(n: int, *, seed: int) -> pd.DataFrame:
    """A made-up hospital's table, as it would be typed; the worst grade rises with CRP."""
    rng = np.random.default_rng(seed)
    crp = np.exp(rng.normal(3.0, 1.0, n)).round(1)
    grade = rng.binomial(3, 1 / (1 + np.exp(2.5 - 0.8 * np.log(crp))))
    return pd.DataFrame(
        {
            "patient_id": np.arange(n) + 1000 * seed,
            "product": "own",
            "platform": "tce",
            "regimen": "own",
            "tumour_type": "other",
            "site": rng.choice(["east", "west"], n),
            "age_years": rng.integers(30, 80, n),
            "sex": rng.choice(["F", "M"], n),
            "weight_kg": 70,
            "ecog": 1,
            "sum_of_diameters_mm": "",
            "n_metastatic_sites": 1,
            "has_liver_metastases": "no",
            "has_prior_checkpoint_inhibitor": "no",
            "has_infection": "no",
            "CRP [mg/L]": crp,
            "ferritin_ug_l": "",
            "ldh_x_uln": np.exp(rng.normal(0.2, 0.3, n)).round(2),
            "il6_pg_ml": "",
            "albumin_g_l": "",
            "platelets_g_l": "",
            "creatinine_umol_l": "",
            "lymphocytes_g_l": "",
            "antigen_restriction": 0.5,
            "dose_intensity": 1,
            "is_stepped_up": "no",
            "has_steroid_premedication": "no",
            "has_tocilizumab_prophylaxis": "no",
            "has_lymphodepletion": "no",
            "max_grade": grade,
            "ward": rng.choice(["A", "B"], n),
        }
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration, two tables, and the model trained on the first."""
    place = tmp_path_factory.mktemp("hospital")
    (place / "mine.yaml").write_text(CONFIG, encoding="utf-8")
    (place / "variables.yaml").write_bytes(find("configs", "variables").read_bytes())
    hospital(300, seed=1).to_csv(place / "ours.csv", index=False)
    hospital(200, seed=2).to_csv(place / "theirs.csv", index=False)
    said = done(
        "train", place / "mine.yaml", "--table", place / "ours.csv", "--outcome", "max_grade",
        "--at-least", 2, "--refits", 2, "--out", place / "model",
    ).out  # fmt: skip
    assert (
        "Research use. Fitted to patients of a table; no external validation is recorded." in said
    )
    assert not OF_A_SIMULATOR.search(said)
    return place


def told_in(folder: Path) -> str:
    """Every text of a folder."""
    return "\n".join(
        path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.suffix in (".json", ".html", ".md")
    )


def judged(home: Path, table: str, *words: str | Path) -> tuple[str, str]:
    """What is said, and what is written, of an evaluation."""
    out = home / f"judged_{table}"
    said = done(
        "evaluate", home / "model", home / f"{table}.csv", "--outcome", "max_grade", "--at-least",
        2, *QUICK, "--out", out, "--overwrite", *words,
    ).out  # fmt: skip
    return said, told_in(out)


def test_other_patients_are_judged_and_nobody_is_called_simulated(home: Path) -> None:
    said, told = judged(home, "theirs", "--by", "ward")
    assert (
        "Model fitted to patients of a table; evaluated in the 200 patients of theirs.csv." in said
    )
    for name in ("site east", "site west", "ward A", "ward B"):
        assert f"  {name}: " in said
    assert "The model does not read the product." in told
    assert "SHA-256" in told
    found = {line for line in told.splitlines() if OF_A_SIMULATOR.search(line)}
    allowed = re.compile(r"is_synthetic|is_simulated")
    assert not {line for line in found if not allowed.search(line)}


def test_the_training_table_is_recognised_in_any_order(home: Path) -> None:
    table = pd.read_csv(home / "ours.csv", dtype=str, keep_default_na=False)
    table.iloc[::-1].to_csv(home / "turned.csv", index=False)
    for name in ("ours", "turned"):
        said, told = judged(home, name)
        assert "apparent performance" in said
        tree = json.loads((home / f"judged_{name}" / "evaluation.json").read_text())
        assert tree["data"]["n_overlap"] == 300
        assert "all figures are of apparent performance" in told
    table.head(299).to_csv(home / "fewer.csv", index=False)
    said, _ = judged(home, "fewer")
    assert "apparent performance" not in said


def test_an_update_names_both_tables_and_knows_its_own(home: Path) -> None:
    words = ("--outcome", "max_grade", "--at-least", 2, "--method", "intercept")
    said = done("update", home / "model", home / "theirs.csv", *words, "--out", home / "new").out
    assert "then updated with" not in said or "patients of a table" in said
    assert not OF_A_SIMULATOR.search(said)
    assert "apparent" not in said
    again = done("update", home / "model", home / "ours.csv", *words, "--out", home / "again").out
    assert "these very patients" in again
    made = json.loads((home / "new" / "manifest.json").read_text())["made"]
    assert [(one["step"], one["origin"], one["n_patients"]) for one in made["patients"]] == [
        ("fit", "table", 300),
        ("update", "table", 200),
    ]


def test_an_own_configuration_is_refitted(home: Path, tmp_path: Path) -> None:
    words = ("--outcome", "max_grade", "--at-least", 2, "--method", "refit")
    refused(
        "update", home / "model", home / "theirs.csv", *words, "--out", tmp_path / "new",
        says=("--config FILE",), folder=tmp_path,
    )  # fmt: skip
    tree = done(
        "update", home / "model", home / "theirs.csv", *words, "--config", home / "mine.yaml",
        "--out", tmp_path / "new", "--json",
    ).tree  # fmt: skip
    assert tree["method"] == "refit"
    made = json.loads((tmp_path / "new" / "manifest.json").read_text())["made"]
    assert [(one["step"], one["n_patients"]) for one in made["patients"]] == [("fit", 200)]
    refused(
        "update", home / "model", home / "theirs.csv", *words, "--config", "baseline",
        "--out", tmp_path / "other", says=("window_d", "mine-0.1.0"), folder=tmp_path,
    )  # fmt: skip


def test_a_grade_needs_its_threshold(home: Path, tmp_path: Path) -> None:
    for command in (
        ("evaluate", home / "model", home / "theirs.csv", *QUICK),
        ("update", home / "model", home / "theirs.csv", "--out", tmp_path / "u"),
        ("train", home / "mine.yaml", "--table", home / "ours.csv", "--out", tmp_path / "m"),
    ):
        refused(*command, "--outcome", "max_grade", says=("--at-least",), folder=tmp_path)


def test_risks_from_elsewhere_are_judged_without_a_model(home: Path, tmp_path: Path) -> None:
    table = hospital(150, seed=3)
    table["their_risk"] = (0.02 * table.index % 1).round(3)
    table[["their_risk", "max_grade"]].to_csv(tmp_path / "risks.csv", index=False)
    words = ("--risk", "their_risk", "--outcome", "max_grade", "--at-least", 2, *QUICK)
    said = done("evaluate", tmp_path / "risks.csv", *words).out
    assert "150 rows; 150 evaluated" in said
    assert "Risks of a model from elsewhere" in said
    refused(
        "evaluate", home / "model", tmp_path / "risks.csv", *words,
        says=("a model as well",), folder=tmp_path,
    )  # fmt: skip
    refused("evaluate", home / "model", says=("a model and a table",), folder=tmp_path)
