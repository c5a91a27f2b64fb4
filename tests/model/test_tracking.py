"""Tracking: everything asked for is there, a model comes back without pickle, and nothing of a
patient is.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from crsrisk.data.files import frame_digest
from crsrisk.errors import InputError
from crsrisk.model.predict import feature_matrix, predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.model.tracking import example_row, refuse_patients, tracking

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
    with tracking(folder=folder / "mlflow", experiment="toy", run="everything") as tracker:
        tracker.params({"seed": 7, "scenario": "toy"})
        with tracker.step("cohort") as step:
            step.dataset(name="training", digest=frame_digest(toy.observed), context="training")
            step.metrics({"n_patients": 1500})
        with tracker.step("fit") as step:
            step.params({"num_leaves": 4})
            model_uri = step.model(model)
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


def test_the_booster_comes_back_and_gives_the_risk(
    tracked: Tracked, model: RiskModel, fresh_toy: Toy
) -> None:
    mlflow.set_tracking_uri(tracked.uri)
    booster = mlflow.lightgbm.load_model(tracked.model_uri)
    table = fresh_toy.observed.head(100)
    np.testing.assert_allclose(
        booster.predict(feature_matrix(model, table)), predict(model, table).risk, atol=1e-12
    )


def test_the_pyfunc_model_takes_doubles_only(
    tracked: Tracked, model: RiskModel, fresh_toy: Toy
) -> None:
    mlflow.set_tracking_uri(tracked.uri)
    loaded = mlflow.pyfunc.load_model(tracked.model_uri)
    inputs = loaded.metadata.signature.inputs
    assert inputs.input_names() == list(model.contract.feature_names)
    assert {str(column.type) for column in inputs} == {"DataType.double"}
    frame = pd.DataFrame(
        feature_matrix(model, fresh_toy.observed.head(5)),
        columns=list(model.contract.feature_names),
    )
    np.testing.assert_allclose(
        loaded.predict(frame), predict(model, fresh_toy.observed.head(5)).risk, atol=1e-12
    )


def test_the_whole_model_folder_is_there(tracked: Tracked, model: RiskModel) -> None:
    place = next(tracked.folder.glob("artifacts/**/risk_model"))
    assert load_model(place) == model


def test_nothing_is_pickled(tracked: Tracked) -> None:
    files = [path for path in tracked.folder.rglob("*") if path.is_file()]
    assert not [
        path
        for path in files
        if path.suffix in (".pkl", ".pickle", ".joblib", ".cloudpickle", ".skops")
    ]
    for path in files:
        assert not path.read_bytes().startswith((b"\x80\x03", b"\x80\x04", b"\x80\x05")), path.name
    assert list(tracked.folder.rglob("model.lgb"))


def test_requirements_are_explicit(tracked: Tracked) -> None:
    lines = next(tracked.folder.rglob("requirements.txt")).read_text().splitlines()
    assert {line.split("==")[0] for line in lines if line} <= {
        "mlflow",
        "lightgbm",
        "numpy",
        "pandas",
    }


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
    assert {"model.lgb", "booster.txt.gz", "contract.json", "report.html"} <= set(texts)
    for name, text in texts.items():
        assert "patient_id" not in text, name
        found = {secret for secret in secrets if secret in text}
        assert not found, (name, found)


def test_the_search_finds_a_planted_patient(toy: Toy) -> None:
    """The test above can fail: a row written as JSON is found."""
    planted = toy.observed.head(1).to_json(orient="records", double_precision=15)
    assert any(secret in planted for secret in fingerprints(toy.observed))


def test_the_example_is_made_up(model: RiskModel, toy: Toy) -> None:
    row = example_row(model)
    assert list(row.columns) == list(model.contract.feature_names)
    assert not row.isna().any().any()
    assert set(row.dtypes) == {np.dtype("float64")}
    assert not set(row[["crp_mg_l", "weight_kg"]].iloc[0]) & set(
        toy.observed[["crp_mg_l", "weight_kg"]].to_numpy().ravel()
    )


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
        tracking(folder=tracked.folder, experiment="failing", run="r") as tracker,
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
    with tracking(folder=tracked.folder, experiment="refusing", run="r") as tracker:
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
    with tracking(folder=tmp_path / "unused", experiment="elsewhere", run="r") as tracker:
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
