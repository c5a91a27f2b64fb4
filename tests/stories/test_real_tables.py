"""A hospital's table, as it comes: what is read, what is refused, and what is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars
import pytest

import crsrisk as crs
from crsrisk.data.table_files import SourceTable
from crsrisk.folders import find
from crsrisk.studies.evaluate import evaluate_model
from crsrisk.studies.explain_table import explain_table
from crsrisk.studies.predict import score_patients
from tests.stories.terminal import crsrisk, done

MODEL = "baseline-0.1.0"
PATIENTS = pd.DataFrame(
    {
        "patient_id": range(1, 7),
        "product": "tarlatamab",
        "has_steroid_premedication": "yes",
        "has_tocilizumab_prophylaxis": "no",
        "sum_of_diameters_mm": [78.0, 82, 115, 80, 102, 64],
        "n_metastatic_sites": [2, 4, 1, 3, 3, 2],
        "has_liver_metastases": ["yes", "yes", "no", "yes", "yes", "no"],
        "crp_mg_l": [20.0, 9, 12, None, 31, 6],
        "ferritin_ug_l": [310.0, None, 399, 120, 88, 205],
        "ldh_x_uln": [0.8, 2.2, 1.2, 1.0, 1.6, 0.9],
        "il6_pg_ml": [6.0, 11, 4, None, 8, 5],
        "albumin_g_l": [45.0, 35, 42, 40, 38, 44],
        "platelets_g_l": [341.0, 285, 238, 239, 301, 199],
        "creatinine_umol_l": [99.0, 73, 113, None, 81, 66],
        "lymphocytes_g_l": [0.4, 1.4, 2.2, 0.6, 1.1, 1.9],
        "age_years": [72.0, 64, 58, 73, 58, 66],
        "is_female": ["no", "no", "no", "no", "yes", "yes"],
        "weight_kg": [99.0, 51, 88, 72, 103, 60],
        "ecog": [0, 0, 0, 1, 1, 0],
        "has_prior_checkpoint_inhibitor": ["no", "no", "yes", "no", "yes", "no"],
        "has_infection": "no",
    }
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "patients.csv"


def _risks(place: Path, *words: str) -> list[float | None]:
    return [row["risk"] for row in done("predict", MODEL, place, "--json", *words).tree["rows"]]


def test_only_what_the_model_reads_is_needed_and_the_product_says_the_rest(table: Path) -> None:
    PATIENTS.to_csv(table, index=False)
    tree = done("predict", MODEL, table, "--json").tree
    assert tree["counts"]["refused"] == 0
    filled = {note["column"] for note in tree["account"] if note["kind"] == "filled"}
    assert filled == {
        "platform",
        "antigen_restriction",
        "dose_intensity",
        "is_stepped_up",
        "has_lymphodepletion",
    }


def test_one_table_in_every_shape_has_the_same_risks(tmp_path: Path, table: Path) -> None:
    PATIENTS.to_csv(table, index=False)
    risks = _risks(table)
    german = tmp_path / "german.csv"
    PATIENTS.to_csv(german, index=False, sep=";", decimal=",", encoding="utf-16")
    marked = tmp_path / "marked.csv"
    marked.write_text("sep=,\n" + table.read_text())
    book, brand = tmp_path / "book.xlsx", tmp_path / "brand.csv"
    PATIENTS.to_excel(book, index=False)
    PATIENTS.assign(product="IMDELLTRA").to_csv(brand, index=False)
    for place in (german, marked, book, brand):
        assert _risks(place) == pytest.approx(risks), place.name


def test_a_unit_beside_each_value_is_the_unit_of_its_row(tmp_path: Path, table: Path) -> None:
    PATIENTS.to_csv(table, index=False)
    mixed = PATIENTS.rename(columns={"crp_mg_l": "CRP"}).assign(
        CRP=[2.0, 9, 1.2, None, 31, 6], crp_unit=["mg/dL", "mg/L", "mg/dL", "", "mg/L", "mg/L"]
    )
    mixed.to_csv(tmp_path / "mixed.csv", index=False)
    assert _risks(tmp_path / "mixed.csv") == pytest.approx(_risks(table))


@pytest.mark.parametrize("command", ["predict", "explain table"])
def test_a_limit_of_the_assay_is_never_0_and_never_silent(
    table: Path, tmp_path: Path, command: str
) -> None:
    PATIENTS.assign(il6_pg_ml=[">1000", "<1.5", "4", "3", "5", "6"]).to_csv(table, index=False)
    answer = crsrisk(*command.split(), MODEL, table, "--json")
    assert answer.code == 2
    for part in ("'>1000'", "2 of 6 rows"):
        assert part in answer.err
    if command == "predict":
        for rule in ("missing", "half", "limit"):
            assert f"--censored il6_pg_ml={rule}" in answer.err
    done(*command.split(), MODEL, table, "--censored", "il6_pg_ml=half", "--json")


def test_all_troubles_in_one_run_and_the_refused_rows_beside_the_result(
    table: Path, tmp_path: Path
) -> None:
    frame = PATIENTS.assign(
        is_female=["1", "2", "1", "1", "no", "no"],
        ferritin_ug_l=["1,234", "88", "90", "12", "hemolyzed", "44"],
        albumin_g_l=[45, 35, 4.2, 40, 38, 44],
    )
    frame.to_csv(table, index=False)
    out = tmp_path / "risks.csv"
    answer = crsrisk("predict", MODEL, table, "--out", out)
    assert answer.code == 2
    for part in ("1234 or 1.234", "is_female", "albumin_g_l", "'hemolyzed'", "left out"):
        assert part in answer.out
    refused = pd.read_csv(tmp_path / "risks.refused.csv")
    assert refused["row"].tolist() == [1, 2, 3]
    assert refused["ferritin_ug_l"].tolist()[0] == "1,234"
    assert "is_female" in refused["why_refused"][1]


def test_codes_and_missing_values_are_declared(table: Path) -> None:
    coded = PATIENTS.rename(columns={"is_female": "sex"}).assign(
        sex=["1", "1", "1", "1", "2", "2"], ferritin_ug_l=[310, 9999, 399, 120, 88, 205]
    )
    coded.to_csv(table, index=False)
    answer = crsrisk("predict", MODEL, table)
    assert answer.code == 2
    for part in ("column sex", "'1'", "F or M", "--code sex:CODE=WORD"):
        assert part in answer.err
    risks = _risks(table, "--code", "sex:1=M,2=F", "--missing", "ferritin=9999")
    PATIENTS.to_csv(table, index=False)
    assert risks == pytest.approx(_risks(table))


def test_labs_from_after_the_dose_are_no_baseline(table: Path) -> None:
    late = PATIENTS.assign(ferritin_drawn_h_after_dose=[-2, 5, 30, -1, 0, 28])
    late.to_csv(table, index=False)
    tree = done("predict", MODEL, table, "--json").tree
    doubted = [
        row for row, one in enumerate(tree["rows"], start=1) if "after the dose" in one["reasons"]
    ]
    assert doubted == [2, 3, 6]


def test_a_column_in_percent_is_questioned(table: Path) -> None:
    PATIENTS.assign(lymphocytes_g_l=[12, 8, 20, 5, 9, 31]).to_csv(table, index=False)
    assert "the column looks like % of leukocytes" in done("predict", MODEL, table).out


@pytest.mark.parametrize(
    ("quantity", "others"),
    [("CRP", ("mg/L", "mg/dL")), ("Albumin", ("g/L", "g/dL")), ("Ferritin", ("ug/L", "ng/mL"))],
)
def test_no_unit_is_leant_to(table: Path, quantity: str, others: tuple[str, ...]) -> None:
    name = next(column for column in PATIENTS if column.startswith(quantity.lower()))
    PATIENTS.rename(columns={name: quantity}).to_csv(table, index=False)
    answer = crsrisk("predict", MODEL, table)
    assert answer.code == 2
    assert all(f"'{quantity}={unit}'" in answer.err for unit in others)


def test_another_platform_is_scored_only_by_a_model_that_knows_it(table: Path) -> None:
    facts = {"antigen_restriction": 0.5, "dose_intensity": 1, "is_stepped_up": "no"}
    PATIENTS.assign(product="our own", platform="other", has_lymphodepletion="no", **facts).to_csv(
        table, index=False
    )
    answer = crsrisk("predict", MODEL, table, "--unknown-product", "--json")
    assert answer.code == 2
    assert "platform other" in answer.err
    assert {row["status"] for row in answer.tree["rows"]} == {"refused"}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("adlb.csv", "USUBJID,PARAMCD,AVAL,AVALU\nP1,CRP,4.2,mg/dL\n", "one row a patient"),
        ("lab.csv", "subject_id;itemid;valuenum\n1;50889;4,2\n", "one row a patient"),
        ("bundle.json", '{"resourceType": "Bundle"}', "one row a patient"),
    ],
)
def test_other_shapes_are_refused_by_their_shape(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    (tmp_path / name).write_text(text)
    answer = crsrisk("predict", MODEL, tmp_path / name)
    assert answer.code == 2
    assert says in answer.err


def test_a_check_proposes_and_a_confirmed_mapping_is_taken(table: Path, tmp_path: Path) -> None:
    PATIENTS.rename(columns={"crp_mg_l": "CRPBL", "patient_id": "ID"}).to_csv(table, index=False)
    mapping = tmp_path / "mapping.yaml"
    shown = done("table", "check", table, "--propose", mapping, "--model", MODEL).out
    assert "CRPBL" in shown
    assert "crp_mg_l" in shown
    assert crsrisk("predict", MODEL, table, "--mapping", mapping).code == 2
    text = mapping.read_text().replace("confirmed: false", "confirmed: true")
    mapping.write_text(text.replace('"CRPBL": "?"', '"CRPBL": "mg/L"'))
    risks = _risks(table, "--mapping", str(mapping))
    PATIENTS.to_csv(table, index=False)
    assert risks == pytest.approx(_risks(table))


GRADED = "patient_id,{time},temperature_c,sbp_mmhg,has_fluids,n_vasopressors,oxygen_device\n"


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("datetime", "A,2024-03-01 08:00,38.5,120,0,0,none\nA,2024-03-01 20:00,38.1,85,1,0,none\n"),
        ("charttime", "A,01.03.2024 08:00,38.5,120,0,0,RA\nA,01.03.2024 20:00,38.1,85,1,0,RA\n"),
        ("timestamp", "A,1 Mar 2024 08:00,38.5,120,no,0,NC\nA,1 Mar 2024 20:00,38.1,85,Y,0,NC\n"),
    ],
)
def test_a_registry_with_dates(tmp_path: Path, header: str, rows: str) -> None:
    (tmp_path / "ward.csv").write_text(GRADED.format(time=header) + rows)
    tree = done("grade", tmp_path / "ward.csv", "--json").tree
    assert tree["patients"][0]["astct"] == {
        "max_grade": 2,
        "onset_h": 0.0,
        "peak_h": 0.0 if "NC" in rows else 12.0,
        "resolution_h": None,
    }
    assert any("no time of the dose is given" in told for told in tree["readings"])


@pytest.mark.parametrize(
    ("alt", "words"),
    [
        ("alt_x_uln\nA,-24,36.8,120,0,0,none,4\nA,0,38.5,120,0,0,none,4\n", ()),
        (
            "alt_u_l\nA,-24,36.8,120,0,0,none,160\nA,0,38.5,120,0,0,none,160\n",
            ("--alt-upper-limit", "40"),
        ),
        (
            "alt_u_l,alt_upper_limit\nA,-24,36.8,120,0,0,none,160,40\nA,0,38.5,120,0,0,none,320,80\n",
            (),
        ),
        ("alt_x_uln,baseline_alt\nA,0,38.5,120,0,0,none,4,4\n", ("--unit", "baseline_alt=x ULN")),
    ],
)
def test_a_raised_baseline_of_alt_is_no_toxicity_of_crs(
    tmp_path: Path, alt: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "ward.csv").write_text(GRADED.format(time="time_h").strip() + "," + alt)
    tree = done("grade", tmp_path / "ward.csv", "--json", *words).tree
    grades = {system: tree["patients"][0][system]["max_grade"] for system in tree["systems"]}
    assert grades["astct"] == grades["lee_2014"] == grades["cartox"] == 1
    assert any("ALT above its limit before CRS" in told for told in tree["readings"])


def test_a_source_that_is_no_file_is_read_by_all_that_read_patients(tmp_path: Path) -> None:
    """What another reader makes (of OMOP, say), and frames of other libraries."""
    patients = pd.concat([PATIENTS] * 10, ignore_index=True)
    patients["patient_id"] = range(len(patients))
    patients["worst"] = [0, 1, 2, 3, 0, 0] * 10
    told = "the last value before the dose is taken"
    source = SourceTable("measurement", patients, told=(told,))
    found = evaluate_model(
        find("released", MODEL), source, outcome="worst", at_least=2, n_resamples=50
    )
    assert "60 patients of measurement" in found.summary()
    frame = polars.from_pandas(patients)
    updated = crs.update_model(
        MODEL, frame, outcome="worst", at_least=2, method="intercept", out=tmp_path / "updated"
    )
    assert "then updated with patients of a table" in updated.notice
    explained = explain_table(frame.head(3), model=MODEL)
    scored = score_patients(crs.load_model(MODEL), source)
    assert explained.to_frame()["risk"].tolist() == scored.rows["risk"].head(3).tolist()
    assert told in [note.found for note in scored.account]
