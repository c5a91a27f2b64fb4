"""Tracking: everything asked for is there, a model comes back without pickle, and nothing of a
patient is.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from crsrisk import __version__
from crsrisk.data.files import frame_digest
from crsrisk.errors import InputError
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.model.tracking import (
    ALIAS,
    check_server,
    is_tracked,
    refuse_patients,
    shown_address,
    tracking,
)
from crsrisk.studies.serving import served_form

Toy = Any
ROOT = Path(__file__).resolve().parents[2]


class Tracked:
    """One tracked experiment: where it is, its runs by name, the model's address."""

    def __init__(self, folder: Path, uri: str, model_uri: str) -> None:
        self.folder, self.uri, self.model_uri = folder, uri, model_uri
        client = mlflow.MlflowClient(uri)
        experiment = client.get_experiment_by_name("toy")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        self.runs = {run.info.run_name: run for run in runs}
        self.client = client


@pytest.fixture(autouse=True)
def address_put_back() -> Iterator[None]:
    """A test that tells mlflow an address does not tell the next one."""
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def tracked(model: RiskModel, toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    folder = tmp_path_factory.mktemp("tracking")
    report = folder / "report.html"
    report.write_text("<p>Synthetic patients; no external validation.</p>", encoding="utf-8")
    figure = folder / "calibration.svg"
    figure.write_text("<svg/>", encoding="utf-8")
    with tracking(
        folder=folder / "mlflow", experiment="toy", run="everything", notice=model.notice
    ) as tracker:
        tracker.params({"seed": 7, "scenario": "toy"})
        with tracker.step("cohort") as step:
            step.dataset(
                name="training",
                digest=frame_digest(toy.observed),
                context="training",
                origin="table",
            )
            step.metrics({"n_patients": 1500})
        with tracker.step("fit") as step:
            step.params({"num_leaves": 4})
            model_uri = step.model(model, served_form(model), is_registered=True)
        with tracker.step("evaluate") as step:
            step.metrics(
                {"auroc": 0.7, "auroc_low": 0.65, "auroc_high": 0.75, "slope": float("nan")}
            )
            step.file(figure, under="figures")
        tracker.file(report)
        uri = tracker.uri
    return Tracked(folder / "mlflow", uri, model_uri)


def test_runs_are_nested(tracked: Tracked) -> None:
    assert set(tracked.runs) == {"everything", "cohort", "fit", "evaluate"}
    parent = tracked.runs["everything"].info.run_id
    for name in ("cohort", "fit", "evaluate"):
        assert tracked.runs[name].data.tags["mlflow.parentRunId"] == parent
    assert {run.info.status for run in tracked.runs.values()} == {"FINISHED"}
    assert "no external validation" in tracked.runs["everything"].data.tags["mlflow.note.content"]


def test_parameters_metrics_and_digest_are_there(tracked: Tracked, toy: Toy) -> None:
    assert tracked.runs["everything"].data.params == {"seed": "7", "scenario": "toy"}
    assert tracked.runs["evaluate"].data.metrics == {
        "auroc": 0.7,
        "auroc_low": 0.65,
        "auroc_high": 0.75,
    }
    dataset = tracked.runs["cohort"].inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("training", frame_digest(toy.observed)[:36])


def test_files_are_where_they_were_put(tracked: Tracked) -> None:
    assert [
        file.path for file in tracked.client.list_artifacts(tracked.runs["everything"].info.run_id)
    ] == ["report.html"]
    figures = tracked.client.list_artifacts(tracked.runs["evaluate"].info.run_id, "figures")
    assert [file.path for file in figures] == ["figures/calibration.svg"]


def test_the_store_is_one_file_with_artifacts_beside_it(tracked: Tracked) -> None:
    assert tracked.uri == f"sqlite:///{tracked.folder.resolve()}/mlflow.db"
    assert sorted(path.name for path in tracked.folder.iterdir()) == ["artifacts", "mlflow.db"]
    assert list(tracked.folder.glob("artifacts/**/report.html"))


def test_the_served_model_answers_as_predict_does(
    tracked: Tracked, model: RiskModel, fresh_toy: Toy
) -> None:
    """By the model's own address and by the registry's alias, to the last bit."""
    mlflow.set_tracking_uri(tracked.uri)
    table = fresh_toy.observed.head(100)
    for address in (tracked.model_uri, f"models:/{model.contract.name}@{ALIAS}"):
        loaded = mlflow.pyfunc.load_model(address)
        found = loaded.predict(table, params={"unknown_product": False})
        np.testing.assert_array_equal(
            found["risk"].to_numpy(dtype=float), predict(model, table).risk
        )
        assert list(found) == ["risk", "status", "reasons"]


def test_the_signature_has_answers_and_statements_and_no_column_that_others_are_dropped_for(
    tracked: Tracked, model: RiskModel
) -> None:
    mlflow.set_tracking_uri(tracked.uri)
    metadata = mlflow.pyfunc.load_model(tracked.model_uri).metadata
    assert metadata.signature.inputs is None
    assert metadata.metadata["columns"] == list(model.contract.column_names)
    assert metadata.signature.outputs.input_names() == ["risk", "status", "reasons"]
    assert {"unknown_product", "unit", "code"} <= {one.name for one in metadata.signature.params}
    assert metadata.saved_input_example_info is not None


def test_free_spellings_units_and_statements_reach_the_served_model(
    tracked: Tracked, model: RiskModel, fresh_toy: Toy
) -> None:
    """Names that no list foresees, as ``crsrisk predict`` reads them, and each option of it."""
    mlflow.set_tracking_uri(tracked.uri)
    loaded = mlflow.pyfunc.load_model(tracked.model_uri)
    table = fresh_toy.observed.head(20).reset_index(drop=True)
    risk = predict(model, table).risk
    spelt = table.drop(columns=["crp_mg_l", "is_female", "ldh_x_uln"]).assign(
        **{
            "C-reactive protein (mg/L)": table["crp_mg_l"],
            "GENDER": np.where(table["is_female"], 2, 1),
            "LDH (U/L)": table["ldh_x_uln"] * 240,
            "LDH ULN": 240.0,
        }
    )
    found = loaded.predict(spelt, params={"code": ["GENDER:1=M,2=F"]})
    np.testing.assert_allclose(found["risk"].to_numpy(dtype=float), risk, rtol=1e-12)
    named = table.rename(columns={"crp_mg_l": "CRPBL", "patient_id": "MRN"})
    stated = {"rename": ["CRPBL=crp", "MRN=patient_id"], "unit": ["CRPBL=mg/L"]}
    found = loaded.predict(named, params=stated)
    np.testing.assert_array_equal(found["risk"].to_numpy(dtype=float), risk)


def test_version_and_digest_are_tags(tracked: Tracked, model: RiskModel) -> None:
    version = tracked.client.get_model_version_by_alias(model.contract.name, ALIAS)
    assert version.tags["crsrisk_version"] == __version__
    assert version.tags["data_sha256"] == model.provenance.steps[0].sha256
    assert "origin is not recorded" in version.tags["fitted_to"]


def test_nothing_is_pickled(tracked: Tracked, model: RiskModel) -> None:
    files = [path for path in tracked.folder.rglob("*") if path.is_file()]
    assert not [
        path
        for path in files
        if path.suffix in (".pkl", ".pickle", ".joblib", ".cloudpickle", ".skops")
    ]
    for path in files:
        assert not path.read_bytes().startswith((b"\x80\x03", b"\x80\x04", b"\x80\x05")), path.name
    place = next(tracked.folder.glob("artifacts/**/risk_model"))
    assert load_model(place) == model
    assert list(tracked.folder.rglob("served_model.py"))


def test_requirements_are_explicit(tracked: Tracked) -> None:
    lines = next(tracked.folder.rglob("requirements.txt")).read_text().splitlines()
    assert lines == [f"mlflow=={mlflow.__version__}", f"crsrisk=={__version__}"]


def fingerprints(observed: pd.DataFrame) -> set[str]:
    """Values that only one patient has, as text: long decimals of laboratory values and weights."""
    numbers = (
        observed[["crp_mg_l", "ferritin_ug_l", "sum_of_diameters_mm", "weight_kg"]]
        .to_numpy()
        .ravel()
    )
    texts = {repr(float(value))[:12] for value in numbers[~np.isnan(numbers)]}
    return {text for text in texts if len(text) == 12}


def told_by(path: Path) -> str:
    """What a file says, unpacked where it is packed."""
    content = path.read_bytes()
    raw = gzip.decompress(content) if path.suffix == ".gz" else content
    return raw.decode("utf-8", errors="replace")


def test_nothing_of_a_patient_is_in_it(tracked: Tracked, toy: Toy) -> None:
    """Every file (the trees too) and every cell of the data base: no patient number, no patient's
    value.
    """
    secrets = fingerprints(toy.observed)
    assert len(secrets) > 5000
    texts = {
        path.name: told_by(path)
        for path in tracked.folder.rglob("*")
        if path.is_file() and path.suffix != ".db"
    }
    with sqlite3.connect(tracked.folder / "mlflow.db") as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            texts[f"table {table}"] = json.dumps(
                connection.execute(f'SELECT * FROM "{table}"').fetchall(), default=str
            )
    connection.close()
    assert len(texts) > 30
    assert {"booster.txt.gz", "contract.json", "input_example.json", "report.html"} <= set(texts)
    for name, text in texts.items():
        found = {secret for secret in secrets if secret in text}
        assert not found, (name, found)


def test_the_search_finds_a_planted_patient(toy: Toy) -> None:
    """The test above can fail: a row written as JSON is found."""
    planted = toy.observed.head(1).to_json(orient="records", double_precision=15)
    assert any(secret in planted for secret in fingerprints(toy.observed))


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.CSV", "model.pkl"])
def test_tables_of_rows_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="a table of rows"):
        refuse_patients(tmp_path / name)


@pytest.mark.parametrize(
    "text", ['{"patient_id": 17}', '{"patient_id": [17, 18]}', "patient_id: 17", "patient_id=17"]
)
def test_a_patients_number_in_a_text_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "note.json").write_text(text)
    with pytest.raises(InputError, match="a patient's number"):
        refuse_patients(tmp_path / "note.json")


def test_a_data_dictionary_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "dictionary.html").write_text("<td>patient_id</td><td>Number of the patient</td>")
    refuse_patients(tmp_path / "dictionary.html")


def test_a_failed_step_is_marked_and_the_address_is_put_back(tracked: Tracked) -> None:
    before = mlflow.get_tracking_uri()
    with (
        pytest.raises(RuntimeError, match="broke"),
        tracking(folder=tracked.folder, experiment="failing", run="r", notice="") as tracker,
        tracker.step("cohort"),
    ):
        raise RuntimeError("it broke")
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None
    experiment = tracked.client.get_experiment_by_name("failing")
    assert experiment is not None
    runs = tracked.client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    assert {run.info.status for run in runs} == {"FAILED"}


def test_a_metric_named_after_a_patient_is_refused(tracked: Tracked) -> None:
    with tracking(folder=tracked.folder, experiment="refusing", run="r", notice="") as tracker:
        with pytest.raises(InputError, match="named after a patient"):
            tracker.metrics({"risk_of_patient_id_17": 0.5})
        with pytest.raises(InputError, match="named after a patient"):
            tracker.params({"patient_id": 17})


def test_importing_it_changes_no_environment_variable() -> None:
    """Beside what LightGBM and scikit-learn set for themselves; and mlflow reports to nobody."""
    code = (
        "import os\n"
        "import lightgbm, sklearn\n"
        "before = dict(os.environ)\n"
        "import crsrisk.model.tracking\n"
        "assert dict(os.environ) == before\n"
        "from mlflow.telemetry.client import get_telemetry_client\n"
        "assert get_telemetry_client() is None\n"
    )
    quiet = {"MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"}
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def test_the_environment_names_the_server(
    tracked: Tracked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # making a new one takes seconds
    shutil.copy(tracked.folder / "mlflow.db", tmp_path / "elsewhere.db")
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    monkeypatch.chdir(tmp_path)
    with tracking(
        folder=tmp_path / "unused", experiment="elsewhere", run="r", notice=""
    ) as tracker:
        tracker.params({"a": 1})
        assert tracker.uri == elsewhere
        assert elsewhere in tracker.how_to_open
    found = mlflow.MlflowClient(elsewhere).get_experiment_by_name("elsewhere")
    assert found is not None
    assert tracked.client.get_experiment_by_name("elsewhere") is None
    assert not (tmp_path / "unused").exists()


def test_telemetry_is_off() -> None:
    import mlflow.telemetry.utils as telemetry

    assert telemetry.is_telemetry_disabled()


def test_the_address_alone_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not is_tracked(None)
    assert is_tracked(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert is_tracked(None)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:secret@host:5000/path", "http://host:5000/path"),
        ("postgresql://me:secret@db/mlflow?password=secret", "postgresql://db/mlflow"),
        ("postgresql://db/mlflow?user=me&password=secret", "postgresql://db/mlflow"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////place/mlflow.db", "sqlite:////place/mlflow.db"),
    ],
)
def test_no_password_is_shown(address: str, shown: str) -> None:
    assert shown_address(address) == shown


@pytest.mark.parametrize(
    "address",
    [
        "http://me:s%40cret@127.0.0.1:{port}",
        "postgresql+pg8000://me:s%40cret@127.0.0.1:{port}/mlflow",
        "postgresql+nodriver://me:s%40cret@127.0.0.1:{port}/mlflow",
    ],
)
def test_a_server_that_does_not_answer_is_told_at_once_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(port=taken.getsockname()[1]))
        begun = time.monotonic()
        with pytest.raises(InputError, match="MLFLOW_TRACKING_URI") as told:
            check_server()
        assert time.monotonic() - begun < 60
    seen = f"{told.value}{''.join(capfd.readouterr())}"
    for secret in ("s%40cret", "s@cret", "me:"):
        assert secret not in seen


def test_nothing_is_asked_where_no_server_is_named() -> None:
    check_server()


def test_a_tracker_does_not_show_its_address(
    monkeypatch: pytest.MonkeyPatch, tracked: Tracked
) -> None:
    from crsrisk.model.tracking import Tracker

    tracker = Tracker(uri="postgresql://me:secret@db/mlflow", experiment_id="1", run_id="2")
    assert "secret" not in f"{tracker!r}{tracker.how_to_open}"
    assert "MLFLOW_TRACKING_URI" in tracker.how_to_open
