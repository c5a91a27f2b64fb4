"""From a question to its report: the main job, made small, as a user sees it."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import sqlite3
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from crsrisk.data.files import read_manifest, sha256_of
from crsrisk.data.tables import read_table
from crsrisk.fields import columns_of
from tests.stories.conftest import EXPERIMENT, N_PATIENTS, Job
from tests.stories.terminal import done, refused

MODELS = ("baseline", "grade3plus", "before_dose_2")
ROWS_OF_PATIENTS = {".csv", ".parquet", ".feather", ".arrow", ".npy", ".npz", ".xlsx"}
UNPICKLED = {".pkl", ".pickle", ".joblib", ".cloudpickle"}


def test_it_ends_with_figures_report_and_tracking(job: Job) -> None:
    assert (job.first.code, job.first.err) == (0, "")
    lines = job.first.out.splitlines()
    assert (
        "within the window after the first dose (21 days; 60 for checkpoint inhibitors)" in lines[0]
    )
    figures = [
        line
        for line in lines
        if re.search(r": -?\d\.\d{3} \(95% interval -?\d+\.\d{3} to \d+\.\d{3}\)$", line)
    ]
    assert [line.strip().split(":")[0] for line in figures] == [
        "AUROC within products",
        "AUROC pooled (product mix inflates it)",
        "Calibration slope",
        "Mean calibration error (ICI)",
        "Share of the oracle's gain over product alone",
    ]
    for use in ("likelihood", "shown"):
        assert re.search(rf"Published figures, {use}: \d+ of \d+ judged agree", job.first.out)
    assert "Research use; synthetic data; no external validation." in lines
    assert lines[-2] == f"Report: {job.results / 'report.html'}"
    assert (job.results / "report.html").is_file()


def test_tracking_opens_with_the_printed_command(job: Job) -> None:
    command = shlex.split(job.first.out.splitlines()[-1].removeprefix("MLflow: "))
    address = command[-1]
    assert "mlflow" in " ".join(command[:-1])
    assert Path(address.removeprefix("sqlite:///")) == job.mlflow / "mlflow.db"


def test_the_figures_printed_are_those_of_the_report(job: Job) -> None:
    content = (job.results / "report.html").read_text(encoding="utf-8")
    printed = re.search(r"AUROC within products: (\d\.\d\d)", job.first.out)
    assert printed is not None
    assert printed.group(1) in content


def test_everything_promised_is_there(job: Job) -> None:
    files = {
        name
        for name, hashed in job.first_digests.items()
        if hashed != "folder" and not name.startswith("figures/")
    }
    parts = (
        "booster.txt.gz",
        "calibrator.json",
        "contract.json",
        "manifest.json",
        "bedside.json",
        "applicability.json.gz",
        "refits.json.gz",
    )
    assert files == {
        "README.txt",
        "cohort.parquet",
        "cohort.parquet.manifest.json",
        "content.json",
        "evidence.json",
        "manifest.json",
        "report.html",
        *(f"models/{model}/{part}" for model, part in product(MODELS, parts)),
    }


def test_figures_of_every_product_are_files_too(job: Job) -> None:
    figures = {name for name in job.first_digests if name.startswith("figures/")}
    assert {f"figures/onset-{product}.svg" for product in ("tarlatamab", "tebentafusp")} <= figures
    assert figures - {name for name in figures if name.endswith(".svg")} == set()


def test_a_second_run_on_one_thread_gives_the_same_bytes_and_leaves_nothing_old(job: Job) -> None:
    assert job.second.code == 0
    assert job.second_digests == job.first_digests
    assert job.second.out == job.first.out


def test_results_are_not_replaced_unasked(job: Job) -> None:
    refused("run", job.home, says=("older result", "--overwrite"), folder=job.home)


def test_cohort_is_whole_and_known_by_its_manifest(job: Job) -> None:
    table = read_table(job.results / "cohort.parquet")
    assert tuple(table.columns) == (*columns_of("observed"), *columns_of("outcomes")[1:])
    assert table["patient_id"].tolist() == list(range(N_PATIENTS))
    assert table["product"].value_counts().to_dict() == dict.fromkeys(
        ("tarlatamab", "tebentafusp"), N_PATIENTS // 2
    )
    manifest = read_manifest(job.results / "cohort.parquet")
    assert (manifest.seed, manifest.n_rows, manifest.scenario) == (8, N_PATIENTS, "reference")
    assert manifest.products == ("tarlatamab", "tebentafusp")
    assert manifest.regimen == "label"


def test_manifest_knows_every_file_and_no_date_or_place(job: Job) -> None:
    text = (job.results / "manifest.json").read_text(encoding="utf-8")
    tree = json.loads(text)
    assert {"experiment", "cohort", "models", "versions", "files"} <= set(tree)
    assert set(tree["models"]) == set(MODELS)
    assert tree["files"] == {name: sha256_of(job.results / name) for name in tree["files"]}
    assert {"report.html", "cohort.parquet", "evidence.json"} <= set(tree["files"])
    assert str(job.home) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
    assert tree["experiment"]["question"] == "Does the whole journey run?"


def test_evidence_is_that_of_the_command(job: Job) -> None:
    tree = json.loads((job.results / "evidence.json").read_text(encoding="utf-8"))
    assert len(tree["rows"]) >= 60
    for use, found in tree["summary"]["by_use"].items():
        assert f"{use}: {found['n_agree']} of {found['n_judged']} judged agree" in job.first.out


def test_three_patients_have_reasons_and_a_later_estimate(job: Job) -> None:
    tree = json.loads((job.results / "content.json").read_text(encoding="utf-8"))
    text = json.dumps(tree)
    for name in ("Patient A", "Patient B", "Patient C"):
        assert name in text
    assert "before dose 2" in text.lower()


def test_report_is_one_file_that_says_what_it_is(job: Job) -> None:
    page = (job.results / "report.html").read_text(encoding="utf-8")
    for opening in (
        r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=[\"']",
        r"url\([\"']?",
        r"@import\s+[\"']",
    ):
        loaded = re.findall(opening + r"([^\"')]+)", page)
        assert [place for place in loaded if not place.startswith(("data:", "#"))] == []
    for words in (
        "synthetic",
        "no external validation",
        "60 for checkpoint inhibitors",
        "Does the whole journey run?",
    ):
        assert words.lower() in page.lower()


def artifacts(job: Job) -> list[Path]:
    return [path for path in (job.mlflow / "artifacts").rglob("*") if path.is_file()]


def test_tracking_keeps_report_manifest_and_models(job: Job) -> None:
    names = [path.name for path in artifacts(job)]
    for name in (
        "report.html",
        "manifest.json",
        "evidence.json",
        "MLmodel",
        "served_model.py",
        "booster.txt.gz",
    ):
        assert name in names
    assert {path.suffix for path in artifacts(job)} & (UNPICKLED | ROWS_OF_PATIENTS) == set()


def test_tracked_model_scores_like_the_saved_one(job: Job, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    done("simulate", "--patients", 5, "--product", "tarlatamab", "--seed", 31, "--out", table)
    saved = done("predict", job.model, table, "--json").tree["rows"]
    by_outcome = {}
    for path in artifacts(job):
        if path.name == "contract.json":
            contract = json.loads(path.read_text(encoding="utf-8"))
            by_outcome[contract["name"]] = path.parent
    assert set(by_outcome) == set(MODELS)
    tracked = done("predict", by_outcome["baseline"], table, "--json").tree["rows"]
    for name in ("patient_id", "risk", "status", "reasons", "missing"):
        assert [row[name] for row in tracked] == [row[name] for row in saved]


def test_nothing_of_a_patient_is_tracked(job: Job) -> None:
    cohort = pd.read_parquet(job.results / "cohort.parquet")
    exact = ("weight_kg", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "sum_of_diameters_mm")
    own = {repr(value) for name in exact for value in cohort[name].dropna()}
    assert len(own) > 2000, "full-length values, each of one patient alone"
    for path in artifacts(job):
        content = path.read_bytes()
        raw = gzip.decompress(content) if path.suffix == ".gz" else content
        text = raw.decode("utf-8", errors="replace")
        assert not re.search(r"patient_id[\"']?\s*[:=,]\s*\[?\s*\d", text), path.name
        # thresholds are drawn at random between values
        if path.name != "booster.txt.gz":
            assert own.isdisjoint(re.findall(r"\d+\.\d{6,}", text)), path.name


def database_rows(job: Job, question: str) -> list[tuple[str, ...]]:
    base = sqlite3.connect(f"{(job.mlflow / 'mlflow.db').as_uri()}?mode=ro", uri=True)
    try:
        return [tuple(map(str, row)) for row in base.execute(question)]
    finally:
        base.close()


def test_runs_are_nested_and_hold_figures(job: Job) -> None:
    runs = {name for (name,) in database_rows(job, "select name from runs")}
    assert runs == {"small", "cohort", "evaluate", *(f"fit {model}" for model in MODELS)}
    children = database_rows(job, "select run_uuid from tags where key = 'mlflow.parentRunId'")
    assert len(children) == 2 * 5, "five steps in each of the two runs"
    metrics = {key for (key,) in database_rows(job, "select distinct key from metrics")}
    for name in (
        "auroc_within_product",
        "log_loss",
        "brier",
        "calibration_slope",
        "share_of_oracle_gain",
    ):
        assert {name, f"{name}_low", f"{name}_high"} <= metrics
    params = database_rows(job, "select distinct key, value from params")
    assert ("n_patients", str(N_PATIENTS)) in params
    stored = database_rows(job, "select key, value from params union select key, value from tags")
    assert not [row for row in stored if "patient_id" in " ".join(row)]
    digests = {digest for (digest,) in database_rows(job, "select digest from datasets")}
    assert len(digests) == 2, "training and held-out patients by their digests"
    finished = {status for (status,) in database_rows(job, "select status from runs")}
    assert finished == {"FINISHED"}


# --- what it refuses ---


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("n_patients: 900", "n_patients: 50", ("experiment.yaml", "n_patients", "50")),
        ("n_patients: 900", "n_patients: 1e3", ("experiment.yaml, line 6", "1e3", "point")),
        ("n_patients: 900", "n_patients: many", ("n_patients", "many")),
        ("n_patients: 900\n", "", ("n_patients", "nothing", "add it")),
        ("seed: 8", "seed: 8\nseed: 6", ("seed", "second time", "delete one")),
        ("seed: 8", "seed: 8\nspeed: 6", ("speed", "unknown key", "known:")),
        ("scenario: reference", "scenario: no", ("no", "quotes")),
        ("scenario: reference", "scenario: sunshine", ("sunshine", "burden_null")),
        (
            "[tarlatamab, tebentafusp]",
            "[tarlatamab, tarlatumab]",
            ("tarlatumab", "did you mean tarlatamab"),
        ),
        (
            "[tarlatamab, tebentafusp]",
            "[tarlatamab, tarlatamab]",
            ("products", "tarlatamab more than once"),
        ),
        (
            "[tarlatamab, tebentafusp]",
            "[cldn182_car_t]",
            ("products", "second dose", "tarlatamab"),
        ),
        (
            "[tarlatamab, tebentafusp]",
            "[tarlatamab",
            ("experiment.yaml, line", "valid YAML"),
        ),
        ("[tocilizumab]", "[tozilizumab]", ("tozilizumab", "tocilizumab")),
        ("[tocilizumab]", "[oxygen]", ("mitigations", "oxygen")),
        ("truth_repetitions: 20", "truth_repetitions: 21", ("truth_repetitions", "21")),
        ("test_share: 0.3", "test_share: 0.99", ("test_share", "0.99")),
    ],
)
def test_a_broken_experiment_is_refused_at_once(
    tmp_path: Path, old: str, new: str, says: tuple[str, ...]
) -> None:
    home = tmp_path / "mine"
    home.mkdir()
    assert old in EXPERIMENT
    (home / "experiment.yaml").write_text(EXPERIMENT.replace(old, new, 1), encoding="utf-8")
    refused("run", home, says=says, folder=tmp_path)


def test_a_folder_without_an_experiment(tmp_path: Path) -> None:
    refused(
        "run", tmp_path, says=("no experiment.yaml", "experiments/001_baseline"), folder=tmp_path
    )
    refused("run", tmp_path / "nowhere", says=("nowhere", "no experiment.yaml"), folder=tmp_path)


@pytest.mark.parametrize("occupied", ["mine/results", "mlflow"])
def test_an_unwritable_folder_shows_before_the_work(
    tmp_path: Path, occupied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home = tmp_path / "mine"
    home.mkdir()
    (home / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (tmp_path / occupied).write_text("a file in place of a folder", encoding="utf-8")
    if occupied == "mlflow":
        (home / "results").mkdir()
        (home / "results" / "README.txt").write_text(
            "Made by `crsrisk run`; safe to delete.\n", encoding="utf-8"
        )
    refused("run", home, says=(str(tmp_path / occupied), "choose another folder"), folder=tmp_path)
