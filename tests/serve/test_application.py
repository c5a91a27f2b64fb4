"""What the server answers is what the commands answer."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crsrisk.data.table_reading import TableReading
from crsrisk.folders import find
from crsrisk.model.store import load_model
from crsrisk.report.comparison import Comparison
from crsrisk.results import to_plain
from crsrisk.serve.schemas import Problem, RiskAnswer, TableAnswer
from crsrisk.simulation.cohort import simulate
from crsrisk.studies.explain import explain_patient
from crsrisk.studies.predict import score_table
from crsrisk.studies.serving import example_request
from tests.serve.served import Server

MODEL = "/v1/models/baseline-0.1.0"
FOLDER = find("released", "baseline-0.1.0")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARQUET = "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    """Of two products; one is refused, one is of an unknown product, one has a gap."""
    table = simulate(["tarlatamab", "afami_cel"], n=12, seed=2).X.reset_index(drop=True)
    table = table.assign(patient_id=range(1, len(table) + 1)).astype(object)
    table.loc[1, "crp_mg_l"] = 99_999.0
    table.loc[2, "product"] = "nobody_knows"
    table.loc[3, "crp_mg_l"] = None
    return table


@cache
def _example() -> dict[str, Any]:
    row = example_request(load_model(FOLDER)).iloc[0].to_dict()
    return {
        str(name): getattr(cell, "item", lambda cell=cell: cell)() for name, cell in row.items()
    }


def patient(**changes: object) -> dict[str, Any]:
    """The model's own example, which is made up."""
    return {**_example(), **changes}


def test_single_risks_are_those_of_predict(
    server: Server, patients: pd.DataFrame, tmp_path: Path
) -> None:
    patients.to_csv(tmp_path / "patients.csv", index=False)
    wanted = to_plain(score_table(FOLDER, tmp_path / "patients.csv", strict=False).rows)
    rows = json.loads(patients.to_json(orient="records", double_precision=15))
    for row, said in zip(rows, wanted, strict=True):
        status, found = server.post(f"{MODEL}/risk", {"patient": row})
        assert status == 200
        RiskAnswer.model_validate(found, strict=True)
        assert {name: found[name] for name in said if name != "patient_id"} == {
            name: value for name, value in said.items() if name != "patient_id"
        }
    assert {said["status"] for said in wanted} >= {"ok", "refused"}


def test_units_are_converted_and_told(server: Server) -> None:
    row = patient(crp_mg_l=42.0)
    del row["crp_mg_l"]
    _, same = server.post(f"{MODEL}/risk", {"patient": patient(crp_mg_l=42.0)})
    _, found = server.post(f"{MODEL}/risk", {"patient": {**row, "crp [mg/dL]": 4.2}})
    assert found["risk"] == same["risk"]
    assert [(one["kind"], one["column"]) for one in found["account"]] == [("converted", "crp_mg_l")]


def test_what_cannot_be_used_says_the_cure(server: Server) -> None:
    row = patient()
    del row["crp_mg_l"]
    status, found = server.post(f"{MODEL}/risk", {"patient": row})
    assert (status, found["key"]) == (422, "crp_mg_l")
    Problem.model_validate(found)
    status, found = server.post(f"{MODEL}/risk", {"patient": patient(product="nobody")})
    assert (status, found["status"], found["risk"]) == (200, "refused", None)
    status, found = server.post(
        f"{MODEL}/risk", {"patient": patient(product="nobody"), "unknown_product": True}
    )
    assert (status, found["status"]) == (200, "warned")


@pytest.mark.parametrize("kind", ["text/csv", XLSX, PARQUET])
def test_a_table_is_scored_as_predict_scores_it(
    server: Server, patients: pd.DataFrame, tmp_path: Path, kind: str
) -> None:
    """Another unit, codes and a word for what is missing, by parameters that have the names of
    predict's options.
    """
    table = patients.rename(columns={"crp_mg_l": "crp", "is_female": "sex"})
    table["crp"] = table["crp"].astype(float) / 10
    table["sex"] = table["sex"].map({True: 2, False: 1})
    table["ferritin_ug_l"] = table["ferritin_ug_l"].astype(object).where(table.index != 5, "ND")
    table["ferritin_ug_l"] = table["ferritin_ug_l"].map(lambda cell: str(cell), na_action="ignore")
    table = table.infer_objects()
    file, place = io.BytesIO(), tmp_path / "patients.csv"
    if kind == "text/csv":
        table.to_csv(file, index=False)
    elif kind == XLSX:
        table.to_excel(file, index=False)
    else:
        table.to_parquet(file)
    table.to_csv(place, index=False)
    query = "unit=crp%3Dmg/dL&code=sex:1%3DM,2%3DF&missing=ND"
    status, found = server.send(f"{MODEL}/table?{query}", file.getvalue(), kind)
    assert status == 200, found
    TableAnswer.model_validate(found, strict=True)
    reading = TableReading(
        units={"crp": "mg/dL"}, codes={"sex": {"1": "M", "2": "F"}}, missing={"": ("ND",)}
    )
    scored = score_table(FOLDER, place, strict=False, reading=reading)
    rows = to_plain(scored.rows.assign(patient_id=scored.rows["patient_id"].astype(str)))
    assert found["rows"] == rows
    assert found["counts"]["refused"] == 2
    assert {one["column"] for one in found["account"]} >= {"crp_mg_l", "product"}


@pytest.mark.parametrize(
    ("file", "kind", "status"),
    [
        (b"PK\x03\x04 no workbook", XLSX, 422),
        (b"PAR1 no parquet PAR1", PARQUET, 422),
        (b"a,b\n1\n", "text/csv", 422),
        (b"patient_id\n" + b"1\n" * 10_001, "text/csv", 422),
        (b"{}", "application/json", 415),
    ],
)
def test_files_that_are_none_are_refused(
    server: Server, file: bytes, kind: str, status: int
) -> None:
    found, told = server.send(f"{MODEL}/table", file, kind)
    assert (found, told["status"]) == (status, status)


def test_the_very_patient_is_simulated(server: Server) -> None:
    given = {"product": "Imdelltra", "age": "66 years", "crp": "4.2 mg/dL", "ecog": 1}
    asked = {"patient": given, "seed": 5, "members": 10, "people": 50}
    status, found = server.post(f"{MODEL}/simulation", asked)
    assert status == 200, found
    Comparison.model_validate(found, strict=True)
    explained = explain_patient(given, model=FOLDER, seed=5, n_members=10, n_people=50, workers=1)
    assert found == explained.comparison().model_dump(mode="json")
    assert [one["kind"] for one in found["alternatives"]] == [
        "prophylaxis",
        "premedication",
        "step-up",
    ]
    assert found["baseline"]["shares"]["grade2plus"]["mc_error"] > 0
    assert found["effect_on_tumour"] == "unknown"


def test_a_sender_names_no_files(server: Server, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("name: secret\n", encoding="utf-8")
    for product in (str(tmp_path / "secret.yaml"), "../secret.yaml", "nobody"):
        status, found = server.post(f"{MODEL}/simulation", {"patient": {"product": product}})
        assert (status, found["key"]) == (422, "product")
        assert "a product that ships" in found["expected"]


def test_the_interface_describes_itself(server: Server) -> None:
    status, _, body = server.ask("GET", "/openapi.json")
    told = json.loads(body)
    assert status == 200
    assert {"RiskAnswer", "TableAnswer", "Comparison", "Problem"} <= set(
        told["components"]["schemas"]
    )
    risk = told["paths"]["/v1/models/{model}/risk"]["post"]
    assert "patient" in json.dumps(risk["requestBody"])
    assert "422" in risk["responses"]
    assert json.loads(server.ask("GET", "/health")[2])["models"] == ["baseline-0.1.0"]
    (model,) = json.loads(server.ask("GET", "/v1/models")[2])
    assert "crp_mg_l" in model["columns"]
    for path in ("/docs", "/redoc", "/nothing", "/v1/models/other-1.0.0/risk"):
        status, _, _ = server.ask("POST" if "risk" in path else "GET", path)
        assert status == 404
