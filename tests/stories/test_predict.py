"""A clinic scores a table of its own: every row answered, nothing guessed, nothing dropped."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.tables import read_table
from crsrisk.fields import FIELDS, columns_of
from crsrisk.model.predict import predict
from crsrisk.model.store import load_model
from crsrisk.units import express
from tests.stories.conftest import Job
from tests.stories.terminal import crsrisk, digests, done, refused

RISK = "risk"
LABORATORY = (
    "crp_mg_l",
    "ferritin_ug_l",
    "albumin_g_l",
    "creatinine_umol_l",
    "platelets_g_l",
    "il6_pg_ml",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort as ``crsrisk simulate`` writes it: observed columns, then outcomes."""
    place = tmp_path_factory.mktemp("exported") / "cohort.csv"
    done("simulate", "--product", "tarlatamab", "--patients", 24, "--seed", 77, "--out", place)
    return place


@pytest.fixture
def table(exported: Path) -> pd.DataFrame:
    """Its cells as text, as in the file."""
    return pd.read_csv(exported, dtype=str, keep_default_na=False)


def written(folder: Path, frame: pd.DataFrame, name: str = "patients.csv") -> Path:
    frame.to_csv(folder / name, index=False)
    return folder / name


def risks(answer_rows: list[dict[str, Any]]) -> np.ndarray:
    return np.array([np.nan if row[RISK] is None else row[RISK] for row in answer_rows])


# --- what is scored ---


def test_round_trip_through_csv_and_parquet(job: Job, exported: Path, tmp_path: Path) -> None:
    parquet = tmp_path / "cohort.parquet"
    done("simulate", "--product", "tarlatamab", "--patients", 24, "--seed", 77, "--out", parquet)
    tree = done("predict", job.model, exported, "--json").tree
    assert done("predict", job.model, parquet, "--json").tree["rows"] == tree["rows"]
    observed = read_table(exported)[list(columns_of("observed"))]
    expected = predict(load_model(job.model), observed).rows
    assert risks(tree["rows"]).tolist() == expected["risk"].tolist()
    assert [row["status"] for row in tree["rows"]] == expected["status"].tolist()
    assert [row["patient_id"] for row in tree["rows"]] == list(range(24))
    assert ((risks(tree["rows"]) > 0) & (risks(tree["rows"]) < 1)).all()
    assert tree["counts"]["rows"] == 24
    assert tree["counts"]["refused"] == 0


def test_json_says_what_the_risk_is_of(job: Job, exported: Path) -> None:
    tree = done("predict", job.model, exported, "--json").tree
    assert tree["model"] == "baseline-0.1.0"
    assert "grade 2" in tree["outcome"]
    assert tree["window_d"] == {"default": 21.0, "ici": 60.0}
    assert "no external validation" in tree["notice"]


def test_a_table_is_printed_with_window_and_warning(job: Job, exported: Path) -> None:
    answer = done("predict", job.model, exported)
    assert "within the window after the first dose" in answer.out
    assert "no external validation" in answer.out
    assert "rows 24, ok" in answer.out
    line = next(line for line in answer.out.splitlines() if "columns not used" in line)
    assert "max_grade" in line
    assert "window_d" in line


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_out_holds_every_row(job: Job, exported: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / "made" / f"risks{suffix}"
    answer = done("predict", job.model, exported, "--out", out)
    assert answer.out.splitlines()[0] == f"Wrote {out}"
    rows = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert list(rows.columns) == [
        "patient_id",
        RISK,
        "risk_low",
        "risk_high",
        "risk_refit_low",
        "risk_refit_high",
        "interval",
        "status",
        "reasons",
        "missing",
    ]
    tree = done("predict", job.model, exported, "--json").tree
    np.testing.assert_array_equal(rows[RISK], risks(tree["rows"]))


def in_other_units(table: pd.DataFrame) -> pd.DataFrame:
    """The same patients, each laboratory value in another accepted unit, named in the header."""
    other = table.copy()
    for name in LABORATORY:
        if units := FIELDS[name].accepted_units[1:]:
            values = pd.to_numeric(table[name], errors="coerce")
            other[name] = express(values, name=name, unit=units[0])
            other = other.rename(columns={name: f"{FIELDS[name].quantity} [{units[0]}]"})
    return other


def test_units_in_the_headers_are_converted_and_told(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    other = in_other_units(table)
    assert sum("[" in name for name in other.columns) >= 4
    plain = done("predict", job.model, written(tmp_path, table), "--json").tree
    tree = done("predict", job.model, written(tmp_path, other, "other.csv"), "--json").tree
    np.testing.assert_allclose(risks(tree["rows"]), risks(plain["rows"]), rtol=1e-6)
    converted = {note["column"] for note in tree["account"] if note["kind"] == "converted"}
    assert {"crp_mg_l", "albumin_g_l"} <= converted
    shown = done("predict", job.model, tmp_path / "other.csv").out
    assert "mg/dL; expected mg/L. Cure: none needed: read as" in shown


def test_units_and_names_on_the_command_line(job: Job, table: pd.DataFrame, tmp_path: Path) -> None:
    other = table.rename(columns={"crp_mg_l": "CRP_BASE", "albumin_g_l": "albumin"})
    crp = pd.to_numeric(other["CRP_BASE"], errors="coerce")
    other["CRP_BASE"] = crp / 10
    plain = done("predict", job.model, written(tmp_path, table), "--json").tree
    words = ("--rename", "CRP_BASE=crp", "--unit", "CRP_BASE=mg/dL", "--unit", "albumin=g/L")
    tree = done("predict", job.model, written(tmp_path, other, "other.csv"), *words, "--json").tree
    np.testing.assert_allclose(risks(tree["rows"]), risks(plain["rows"]), rtol=1e-6)


def test_ldh_with_the_laboratorys_upper_limit(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    other = table.rename(columns={"ldh_x_uln": "LDH [U/L]"})
    other["LDH [U/L]"] = pd.to_numeric(table["ldh_x_uln"], errors="coerce") * 240
    place = written(tmp_path, other, "other.csv")
    plain = done("predict", job.model, written(tmp_path, table), "--json").tree
    tree = done("predict", job.model, place, "--ldh-upper-limit", 240, "--json").tree
    np.testing.assert_allclose(risks(tree["rows"]), risks(plain["rows"]), rtol=1e-6)
    refused("predict", job.model, place, says=("LDH", "upper limit"), folder=tmp_path)


def test_missing_laboratory_values_are_scored_and_named(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.loc[:, ["crp_mg_l", "ferritin_ug_l", "il6_pg_ml"]] = ""
    tree = done("predict", job.model, written(tmp_path, table), "--json").tree
    assert not np.isnan(risks(tree["rows"])).any()
    assert tree["counts"]["values_missing"] >= 3 * 24
    for row in tree["rows"]:
        assert {"crp_mg_l", "ferritin_ug_l", "il6_pg_ml"} <= set(row["missing"].split(", "))


def test_an_unknown_product_is_scored_only_on_request(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.loc[2, "product"] = "tarlatamabb"
    place = written(tmp_path, table)
    refused = crsrisk("predict", job.model, place, "--json")
    assert refused.code == 2
    assert "row 3, column product: found tarlatamabb" in refused.err
    assert "the nearest that it knows: tarlatamab" in refused.err
    asked = done("predict", job.model, place, "--unknown-product", "--json").tree
    row = asked["rows"][2]
    assert row["status"] == "warned"
    assert "product is not one that the model was trained on" in row["reasons"]
    assert "Range over products" in row["reasons"]
    assert row["risk_low"] < row["risk"] < row["risk_high"]


def test_a_product_is_scored_by_any_of_its_names(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    as_it_was = done("predict", job.model, written(tmp_path, table), "--json").tree
    table["product"] = table["product"].replace("tarlatamab", "IMDELLTRA")
    tree = done("predict", job.model, written(tmp_path, table), "--json").tree
    np.testing.assert_array_equal(risks(tree["rows"]), risks(as_it_was["rows"]))


def test_contradicting_identity_is_refused_in_one_run(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.loc[1, "platform"] = "til"
    table.loc[4, "age_years"] = "7"
    ended = crsrisk("predict", job.model, written(tmp_path, table), "--json")
    assert ended.code == 2
    assert "row 2, column platform: found til with product" in ended.err
    assert "2 of 24 rows refused" in ended.err
    assert "check both cells against the patient's record" in ended.err


# --- what is refused, row by row ---


def spoil_negative(table: pd.DataFrame) -> None:
    table.loc[2, "crp_mg_l"] = "-5"


def spoil_text(table: pd.DataFrame) -> None:
    table.loc[2, "crp_mg_l"] = "high"


def spoil_limit(table: pd.DataFrame) -> None:
    table.loc[2, "crp_mg_l"] = "<5"


def spoil_thousands(table: pd.DataFrame) -> None:
    table.loc[2, "ferritin_ug_l"] = "1,234"


def spoil_huge(table: pd.DataFrame) -> None:
    table.loc[2, "ferritin_ug_l"] = "1e400"


def spoil_flag(table: pd.DataFrame) -> None:
    table.loc[2, "has_infection"] = "maybe"


def spoil_twice(table: pd.DataFrame) -> None:
    table.loc[2, "patient_id"] = "7"


def spoil_gap(table: pd.DataFrame) -> None:
    table.loc[2, "age_years"] = ""


@pytest.mark.parametrize(
    ("spoil", "says", "n_refused"),
    [
        (
            spoil_negative,
            ("column crp_mg_l", "found -5 mg/L", "expected 0 to", "leave the cell empty"),
            1,
        ),
        (spoil_limit, ("column crp_mg_l", "'<5'", "--censored crp_mg_l=half"), 1),
        (spoil_thousands, ("column ferritin_ug_l", "'1,234'", "1234 or 1.234"), 1),
        (spoil_flag, ("column has_infection", "'maybe'", "true or false"), 1),
        (spoil_twice, ("column patient_id", "7 more than once", "one row a patient"), 2),
    ],
)
def test_a_refused_row_stays_with_its_reason_and_the_others_are_scored(
    job: Job,
    exported: Path,
    table: pd.DataFrame,
    tmp_path: Path,
    spoil: Callable[[pd.DataFrame], None],
    says: tuple[str, ...],
    n_refused: int,
) -> None:
    whole = risks(done("predict", job.model, exported, "--json").tree["rows"])
    spoil(table)
    place = written(tmp_path, table)
    answer = crsrisk("predict", job.model, place, "--json")
    assert answer.code == 2
    assert answer.err.startswith(f"crsrisk: {place}, row 3, ")
    assert answer.err.count("\n") == 1
    for part in (
        "found",
        "expected",
        "Cure",
        *says,
        f"{n_refused} of 24 rows refused, the others scored",
    ):
        assert part in answer.err
    tree = answer.tree
    assert tree["counts"]["refused"] == n_refused
    is_refused = np.array([row["status"] == "refused" for row in tree["rows"]])
    assert is_refused[2]
    assert is_refused.sum() == n_refused
    assert all(row["reasons"] for row in tree["rows"] if row["status"] == "refused")
    np.testing.assert_array_equal(risks(tree["rows"])[~is_refused], whole[~is_refused])
    assert np.isnan(risks(tree["rows"])[is_refused]).all()


@pytest.mark.parametrize("spoil", [spoil_text, spoil_huge, spoil_gap])
def test_a_cell_that_cannot_be_read_or_is_missing_costs_no_row(
    job: Job, table: pd.DataFrame, tmp_path: Path, spoil: Callable[[pd.DataFrame], None]
) -> None:
    spoil(table)
    tree = done("predict", job.model, written(tmp_path, table), "--json").tree
    assert tree["counts"]["refused"] == 0
    assert tree["rows"][2]["missing"]


def test_refused_rows_are_written_too_and_the_exit_code_tells(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    spoil_negative(table)
    answer = crsrisk(
        "predict", job.model, written(tmp_path, table), "--out", tmp_path / "risks.csv"
    )
    assert answer.code == 2
    rows = pd.read_csv(tmp_path / "risks.csv", keep_default_na=False)
    assert len(rows) == 24
    assert (rows.loc[2, RISK], rows.loc[2, "status"]) == ("", "refused")
    assert "crp_mg_l: found -5 mg/L" in str(rows.loc[2, "reasons"])
    assert set(digests(tmp_path)) == {"patients.csv", "risks.csv", "risks.refused.csv"}


def test_when_every_row_is_refused_every_row_is_answered(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    table["weight_kg"] = "heavy"
    answer = crsrisk("predict", job.model, written(tmp_path, table), "--json")
    assert answer.code == 2
    assert answer.tree["counts"]["refused"] == len(answer.tree["rows"]) == 24
    assert "24 of 24 rows refused" in answer.err


def test_strict_stops_and_writes_nothing(job: Job, table: pd.DataFrame, tmp_path: Path) -> None:
    spoil_negative(table)
    place = written(tmp_path, table)
    words = ("predict", job.model, place, "--strict", "--out", tmp_path / "risks.csv")
    refused(*words, says=("row 3, column crp_mg_l", "-5"), folder=tmp_path)


def test_brackets_in_a_cell_are_shown_as_they_are(
    job: Job, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.loc[2, "crp_mg_l"] = "[red]12[/red] [/]"
    answer = crsrisk("predict", job.model, written(tmp_path, table))
    assert answer.code == 0
    assert "left out" in answer.out
    assert "[red]12[/red] [/]" in answer.out


# --- tables refused as a whole ---


def without_a_column(table: pd.DataFrame, folder: Path) -> Path:
    return written(folder, table.drop(columns="ferritin_ug_l"))


def without_a_unit(table: pd.DataFrame, folder: Path) -> Path:
    return written(folder, table.rename(columns={"crp_mg_l": "crp"}))


def in_a_wrong_unit(table: pd.DataFrame, folder: Path) -> Path:
    return written(folder, table.rename(columns={"crp_mg_l": "crp [mmol/L]"}))


def with_a_column_twice(table: pd.DataFrame, folder: Path) -> Path:
    return written(folder, table.assign(**{"CRP [mg/L]": "3"}))


def with_no_patient(table: pd.DataFrame, folder: Path) -> Path:
    return written(folder, table.head(0))


def with_a_ragged_row(table: pd.DataFrame, folder: Path) -> Path:
    place = written(folder, table)
    place.write_text(place.read_text(encoding="utf-8") + "99,tarlatamab\n", encoding="utf-8")
    return place


def of_no_bytes(table: pd.DataFrame, folder: Path) -> Path:
    (folder / "patients.csv").write_bytes(b"")
    return folder / "patients.csv"


def of_other_bytes(table: pd.DataFrame, folder: Path) -> Path:
    (folder / "patients.csv").write_bytes(b"patient_id,\xff\xfe\n1,2\n")
    return folder / "patients.csv"


def of_half_a_parquet(table: pd.DataFrame, folder: Path) -> Path:
    table.to_parquet(folder / "whole.parquet")
    content = (folder / "whole.parquet").read_bytes()
    (folder / "patients.parquet").write_bytes(content[: len(content) // 2])
    return folder / "patients.parquet"


def of_a_spreadsheet(table: pd.DataFrame, folder: Path) -> Path:
    (folder / "patients.xlsx").write_bytes(b"PK")
    return folder / "patients.xlsx"


def that_is_not_there(table: pd.DataFrame, folder: Path) -> Path:
    return folder / "patients.csv"


def that_is_a_folder(table: pd.DataFrame, folder: Path) -> Path:
    (folder / "patients.csv").mkdir()
    return folder / "patients.csv"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (without_a_column, ("ferritin_ug_l", "no such column", "--rename YOURS=OURS")),
        (without_a_unit, ("crp", "a quantity without a unit", "crp [mg/dL]")),
        (in_a_wrong_unit, ("crp [mmol/L]", "'mmol/L'", "mg/dL", "convert the values")),
        (with_a_column_twice, ("CRP [mg/L]", "a second time", "--ignore")),
        (with_no_patient, ("no patients", "one row a patient")),
        (with_a_ragged_row, ("line 26", "2 cells")),
        (of_no_bytes, ("an empty file",)),
        (of_other_bytes, ("no such column", "ÿþ")),
        (of_half_a_parquet, ("patients.parquet", "Parquet")),
        (of_a_spreadsheet, (".xlsx", "no workbook", "save it again")),
        (that_is_not_there, ("No such file", "check the path")),
        (that_is_a_folder, ("patients.csv",)),
    ],
)
def test_a_table_that_cannot_be_read(
    job: Job,
    table: pd.DataFrame,
    tmp_path: Path,
    make: Callable[[pd.DataFrame, Path], Path],
    says: tuple[str, ...],
) -> None:
    place = make(table, tmp_path)
    refused(
        "predict",
        job.model,
        place,
        "--out",
        tmp_path / "new" / "risks.csv",
        says=(str(place), *says),
        folder=tmp_path,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--unit", "crp"), ("--unit", "crp", "COLUMN=UNIT")),
        (("--unit", "=mg/dL"), ("--unit", "COLUMN=UNIT")),
        (("--rename", "crp_mg_l="), ("--rename", "YOURS=OURS")),
        (("--unit", "crp_mg_l=mg/dL"), ("crp_mg_l", "two units")),
        (("--unit", "crq=mg/dL"), ("crq", "a unit for a column that is not there")),
        (("--rename", "CRP_BASE=crp_mg_l"), ("CRP_BASE", "no such column")),
        (("--rename", "site=hospital"), ("site", "'hospital'", "data dictionary")),
    ],
)
def test_options_that_do_not_fit(
    job: Job, exported: Path, words: tuple[str, ...], says: tuple[str, ...]
) -> None:
    refused("predict", job.model, exported, *words, says=says, folder=exported.parent)


def test_results_never_replace_the_table(job: Job, exported: Path) -> None:
    words = ("predict", job.model, exported, "--overwrite", "--out", exported)
    refused(*words, says=("--out", "the table that is scored"), folder=exported.parent)


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("risks.txt", (".parquet, .csv or .xlsx",)),
        ("a_file/risks.csv", ("a_file",)),
        ("a_folder.csv", ("a folder",)),
    ],
)
def test_results_that_cannot_be_written(
    job: Job, exported: Path, tmp_path: Path, out: str, says: tuple[str, ...]
) -> None:
    (tmp_path / "a_file").write_text("in place of a folder", encoding="utf-8")
    (tmp_path / "a_folder.csv").mkdir()
    refused("predict", job.model, exported, "--out", tmp_path / out, says=says, folder=tmp_path)


# --- models that cannot be used ---


def cut_short(model: Path) -> None:
    content = (model / "booster.txt.gz").read_bytes()
    (model / "booster.txt.gz").write_bytes(content[: len(content) // 2])


def change_a_leaf(model: Path) -> None:
    text = gzip.decompress((model / "booster.txt.gz").read_bytes())
    (model / "booster.txt.gz").write_bytes(
        gzip.compress(text.replace(b"leaf_value=", b"leaf_value=9", 1))
    )


def change_the_calibration(model: Path) -> None:
    text = (model / "calibrator.json").read_text(encoding="utf-8")
    (model / "calibrator.json").write_text(
        text.replace('"slope": ', '"slope": 1', 1), encoding="utf-8"
    )


def lose_the_contract(model: Path) -> None:
    (model / "contract.json").unlink()


def make_it_of_a_former_layout(model: Path) -> None:
    """As models were saved before their large files were packed."""
    place = model / "booster.txt.gz"
    (model / "booster.txt").write_bytes(gzip.decompress(place.read_bytes()))
    place.unlink()
    text = (model / "manifest.json").read_text(encoding="utf-8")
    (model / "manifest.json").write_text(
        text.replace("crsrisk model 3", "crsrisk model 1").replace(place.name, "booster.txt"),
        encoding="utf-8",
    )


def lose_the_manifest(model: Path) -> None:
    (model / "manifest.json").unlink()


def break_the_manifest(model: Path) -> None:
    (model / "manifest.json").write_text("{", encoding="utf-8")


def lose_everything(model: Path) -> None:
    shutil.rmtree(model)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut_short, ("booster.txt.gz", "SHA-256", "another hash", "fit the model again")),
        (change_a_leaf, ("booster.txt.gz", "SHA-256", "another hash")),
        (change_the_calibration, ("calibrator.json", "SHA-256", "another hash")),
        (lose_the_contract, ("contract.json",)),
        (
            make_it_of_a_former_layout,
            ("manifest.json, format", "'crsrisk model 1'", "'crsrisk model 3'", "crsrisk train"),
        ),
        (lose_the_manifest, ("manifest.json", "the folder that the model was saved to")),
        (break_the_manifest, ("manifest.json", "no valid JSON")),
        (lose_everything, ("no such file", "the folder of a model")),
    ],
)
def test_a_damaged_model_is_refused(
    job: Job, exported: Path, tmp_path: Path, spoil: Callable[[Path], None], says: tuple[str, ...]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(job.model, model)
    spoil(model)
    refused("predict", model, exported, "--out", tmp_path / "risks.csv", says=says, folder=tmp_path)


def test_a_model_of_the_days_after_a_dose_asks_for_the_course(job: Job, exported: Path) -> None:
    later = job.results / "models" / "before_dose_2"
    says = ("crp_mg_l__max__h168", "every reading that the model uses", "before the first dose")
    refused("predict", later, exported, says=says, folder=exported.parent)


def test_the_model_of_grade_3_names_its_own_outcome(job: Job, exported: Path) -> None:
    tree = done("predict", job.results / "models" / "grade3plus", exported, "--json").tree
    assert set(tree["rows"][0]) == {
        "patient_id",
        "risk",
        "risk_low",
        "risk_high",
        "risk_refit_low",
        "risk_refit_high",
        "interval",
        "status",
        "reasons",
        "missing",
    }
