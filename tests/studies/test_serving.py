"""A served model answers as ``crsrisk predict`` does: every cell that a client may send, through
MLflow in this process, over HTTP, and from the registry of a PostgreSQL server.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from crsrisk.data.cohort import Cohort
from crsrisk.errors import InputError
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model, save_model
from crsrisk.model.tracking import ALIAS, check_server, tracking
from crsrisk.studies.predict import score_patients, score_table
from crsrisk.studies.serving import answer, example_request, served_form

PASSWORD = "not-to-be-seen-7c1f"
START_S = 600  # for a server to start; seconds where nothing else runs


@pytest.fixture(scope="module")
def requests(cohort: Cohort) -> pd.DataFrame:
    """Patients with gaps, words where numbers should be, an impossible value, another product."""
    table = cohort.observed.head(12).astype(object).reset_index(drop=True)
    table.loc[0, "crp_mg_l"] = None
    table.loc[1, "crp_mg_l"] = np.nan
    table.loc[2, "ldh_x_uln"] = "<5"
    table.loc[3, "creatinine_umol_l"] = 1.1  # in mg/dL, as its range tells
    table.loc[4, "product"] = "nobody_knows"
    table.loc[5, "product"] = str(table.loc[5, "product"]).upper()
    table.loc[6, "is_female"] = None
    table.loc[7, "age_years"] = 430
    return table


def of_predict(model: RiskModel, table: pd.DataFrame, place: Path) -> pd.DataFrame:
    """What the command answers for the same table as a file."""
    save_model(model, place / "model")
    table.to_csv(place / "table.csv", index=False)
    return score_table(
        place / "model",
        place / "table.csv",
        strict=False,
    ).rows


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """To the last bit, refused rows too."""
    np.testing.assert_array_equal(found["risk"].to_numpy(dtype=float), wanted["risk"].to_numpy())
    assert found["status"].tolist() == wanted["status"].tolist()


def test_every_row_is_answered_as_the_command_answers_it(
    model: RiskModel, requests: pd.DataFrame, tmp_path: Path
) -> None:
    wanted = of_predict(model, requests, tmp_path)
    found = answer(model, requests)
    same(found, wanted)
    assert found["reasons"].tolist() == wanted["reasons"].tolist()
    assert {"ok", "refused"} <= set(found["status"])
    assert found.loc[[2, 3, 4, 7], "status"].tolist() == ["refused"] * 4
    assert "umol/L" in found.loc[3, "reasons"]
    assert found.loc[5, "status"] != "refused"


def test_a_refused_row_is_null_in_json(model: RiskModel, requests: pd.DataFrame) -> None:
    rows = json.loads(json.dumps(answer(model, requests).to_dict("records"), allow_nan=False))
    assert [row["risk"] is None for row in rows] == [row["status"] == "refused" for row in rows]


def test_an_unknown_product_is_scored_when_asked(model: RiskModel, requests: pd.DataFrame) -> None:
    found = answer(model, requests, unknown_product=True)
    assert found.loc[4, "status"] == "warned"
    assert 0 < found.loc[4, "risk"] < 1


def test_other_units_are_converted_and_rows_need_no_number(
    model: RiskModel, cohort: Cohort
) -> None:
    table = cohort.observed.head(5).drop(columns="patient_id").reset_index(drop=True)
    other = table.drop(columns="crp_mg_l").assign(crp_mg_dl=table["crp_mg_l"] / 10)
    np.testing.assert_allclose(
        answer(model, other)["risk"].astype(float), answer(model, table)["risk"].astype(float)
    )
    for name in ("patient_id", "Patient ID", "PATIENT_ID"):
        for numbers in (None, [11, 12, 13, 14, 15]):
            assert answer(model, table.assign(**{name: numbers}))["risk"].notna().all()


def test_what_stands_beside_a_value_is_read_with_it(
    model: RiskModel, cohort: Cohort, tmp_path: Path
) -> None:
    """Units by row, limits and times."""
    table = cohort.observed.head(3).reset_index(drop=True)
    table = table.rename(columns={"crp_mg_l": "crp", "ldh_x_uln": "ldh_u_l"}).assign(
        crp=[40.0, 4.0, 40.0],
        crp_unit=["mg/L", "mg/dL", "mg/L"],
        ldh_u_l=[300.0, 360.0, 300.0],
        ldh_upper_limit=[250.0, 300.0, 250.0],
        crp_time=["2026-01-01 08:00", "2026-01-01 08:00", "2026-01-02 08:00"],
        dose_time="2026-01-01 12:00",
    )
    wanted = of_predict(model, table, tmp_path)
    same(answer(model, table), wanted)
    assert wanted["reasons"].tolist()[2] != wanted["reasons"].tolist()[0]


def test_every_form_of_a_request_is_read_alike(model: RiskModel, requests: pd.DataFrame) -> None:
    """Rows, columns by name, and the arrays of one value that MLflow makes of `inputs`."""
    wanted = answer(model, requests)
    rows = requests.astype(object).where(requests.notna(), None).to_dict("records")
    in_arrays = [{name: np.array(cell) for name, cell in row.items()} for row in rows]
    columns = {name: np.array([row[name] for row in rows], dtype=object) for name in requests}
    for request in (rows, in_arrays, columns):
        same(answer(model, request), wanted.assign(risk=wanted["risk"].astype(float)))


def test_a_request_without_a_column_is_refused_with_its_name(
    model: RiskModel, cohort: Cohort
) -> None:
    with pytest.raises(InputError, match="crp_mg_l"):
        answer(model, cohort.observed.head(2).drop(columns="crp_mg_l"))


@pytest.mark.parametrize("name", ["baseline-0.1.0", "landmark_24h-0.1.0"])
def test_the_example_is_a_patient_that_can_be_scored(name: str) -> None:
    shipped = load_model(name)
    assert answer(shipped, example_request(shipped))["status"].tolist() != ["refused"]
    assert set(served_form(shipped).columns) <= {*example_request(shipped)}


def test_a_landmark_model_reads_the_course_and_refuses_who_had_the_event() -> None:
    shipped = load_model("landmark_24h-0.1.0")
    row = example_request(shipped)
    both = pd.concat([row, row.assign(grade__max__h24=2.0)], ignore_index=True).assign(
        patient_id=[1, 2]
    )
    found = answer(shipped, both)
    assert found["status"].tolist()[1] == "refused"
    wanted = score_patients(shipped, both).rows
    same(found, wanted)


# With MLflow's own server, and with PostgreSQL.


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(address: str, uri: str, log: Path) -> Iterator[str]:
    """``mlflow models serve`` as an operator starts it, in the environment that is activated."""
    port = free_port()
    words = ["models", "serve", "-m", address, "-p", str(port), "--env-manager", "local"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PATH": path},
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    try:
        latest = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            except OSError:
                is_late = time.monotonic() > latest
                assert process.poll() is None and not is_late, log.read_text()  # noqa: PT018
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def posted(url: str, content: object) -> tuple[int, str]:
    request = urllib.request.Request(
        url, data=json.dumps(content).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read().decode()


def no_constant(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.slow
def test_mlflow_models_serve_answers_the_same(
    model: RiskModel, requests: pd.DataFrame, tmp_path: Path
) -> None:
    wanted = of_predict(model, requests, tmp_path)
    with tracking(folder=tmp_path / "runs", experiment="e", run="r", notice="") as run:
        run.model(model, served_form(model), is_registered=True)
    rows = requests.astype(object).where(requests.notna(), None).to_dict("records")
    rows[1]["crp_mg_l"] = float("nan")  # bare NaN, as pandas' clients write it
    with serving(f"models:/{model.contract.name}@{ALIAS}", run.uri, tmp_path / "log") as url:
        status, text = posted(url, {"dataframe_records": rows})
        assert status == 200, text
        told = json.loads(text, parse_constant=no_constant)["predictions"]
        same(pd.DataFrame(told), wanted)
        status, text = posted(url, {"inputs": rows})
        assert status == 200, text
        same(pd.DataFrame(json.loads(text)["predictions"]), wanted)
        spelt = [
            {"CRP (mg/L)" if key == "crp_mg_l" else key.upper(): cell for key, cell in row.items()}
            for row in rows
        ]
        split = pd.DataFrame(spelt).astype(object)
        content = {"columns": list(split), "data": split.where(split.notna(), None).values.tolist()}
        status, text = posted(url, {"dataframe_split": content})
        assert status == 200, text
        same(pd.DataFrame(json.loads(text)["predictions"]), wanted)
        lacking = [{key: cell for key, cell in rows[0].items() if key != "crp_mg_l"}]
        status, text = posted(url, {"dataframe_records": lacking})
        assert status == 400
        assert "crp_mg_l" in text


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of its own, that asks for a password; initdb refuses to run as root."""
    needed = ("initdb", "pg_ctl")
    found = [shutil.which(name) for name in needed]
    if None in found:
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        found = [str(places[-1] / name) for name in needed] if places else found
    if None in found:
        pytest.skip("no PostgreSQL server is installed (initdb, pg_ctl)")
    initdb, pg_ctl = map(str, found)
    who: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        who = ["runuser", "-u", "postgres", "--"]
    data, secret, port = folder / "data", folder / "secret", free_port()
    secret.write_text(PASSWORD)
    if who:
        shutil.chown(folder, "postgres")
        shutil.chown(secret, "postgres")

    def run(*words: str) -> None:
        done = subprocess.run(
            [*who, *words], cwd="/", capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run(initdb, "-D", str(data), "-U", "me", "-A", "scram-sha-256", f"--pwfile={secret}")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    run(pg_ctl, "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
    try:
        yield f"postgresql+pg8000://me:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        run(pg_ctl, "-D", str(data), "-m", "immediate", "stop")


@pytest.fixture
def outside_home() -> Iterator[Path]:
    """A folder that another user may enter; pytest's own are closed to others."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.mark.slow
def test_postgresql_keeps_runs_registry_and_no_password(
    model: RiskModel,
    cohort: Cohort,
    outside_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import sqlalchemy

    with postgresql(outside_home) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.replace(PASSWORD, "wrong"))
        with pytest.raises(InputError) as told:
            check_server()
        assert "wrong" not in str(told.value)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        check_server()
        with tracking(folder=tmp_path, experiment="train", run="r", notice=model.notice) as run:
            run.params({"seed": 1})
            run.metrics({"auroc": 0.7})
            run.model(model, served_form(model), is_registered=True)
            how = run.how_to_open
        table = cohort.observed.head(20)
        loaded = mlflow.pyfunc.load_model(f"models:/{model.contract.name}@{ALIAS}")
        same(loaded.predict(table), score_patients(model, table).rows)
        runs = mlflow.search_runs(experiment_names=["train"])
        assert runs["metrics.auroc"].tolist() == [0.7]
        engine = sqlalchemy.create_engine(uri)
        with engine.connect() as connection:
            kept = {
                name: str(connection.execute(sqlalchemy.text(f'SELECT * FROM "{name}"')).fetchall())
                for name in sqlalchemy.inspect(engine).get_table_names()
            }
        engine.dispose()
        del connection
    assert "auroc" in kept["metrics"]
    files = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "contract.json" in files
    assert not [name for name, text in kept.items() if PASSWORD in text]
    assert not [name for name, content in files.items() if PASSWORD.encode() in content]
    assert PASSWORD not in how + "".join(capfd.readouterr())
    mlflow.set_tracking_uri(None)
