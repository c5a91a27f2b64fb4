"""A table that is scored in pieces gives what the same table in memory gives."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.data import table_pieces
from crsrisk.data.account import KINDS, grouped
from crsrisk.data.cohort import Cohort
from crsrisk.data.files import read_parquet_cells
from crsrisk.data.part_files import MANIFEST, Folder, write_part
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find
from crsrisk.results import to_plain
from crsrisk.studies.predict import score_table
from crsrisk.studies.predict_file import print_filed, score_file

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def folder() -> Path:
    """A released model."""
    return find("released", "baseline-0.1.0")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_pieces, "ROWS", 37)


def in_parts(place: str | Path, table: pd.DataFrame) -> str | Path:
    """A table in two parts."""
    here = Folder(place)
    middle = len(table) // 3
    parts = [
        write_part(here, number, iter([rows]))
        for number, rows in enumerate((table.iloc[:middle], table.iloc[middle:]))
    ]
    here.write_json(MANIFEST, {"parts": [to_plain(part) for part in parts]})
    return place


def troubled(table: pd.DataFrame) -> pd.DataFrame:
    """Impossible and doubtful values, a patient twice, gaps in all kinds of columns, another unit,
    a code for missing, an unknown product.
    """
    wrong = table.copy()
    n = len(wrong)
    wrong["patient_id"] = wrong["patient_id"].mask(wrong.index.isin([5, n - 3]), 7)
    wrong.loc[[11, 60, n - 1], "weight_kg"] = -1.0
    wrong["crp [mg/dL]"] = wrong.pop("crp_mg_l") / 10
    wrong.loc[::9, "ferritin_ug_l"] = 99999.0
    wrong["albumin_g_l"] = wrong["albumin_g_l"] / 10
    wrong["ecog"] = wrong["ecog"].astype("Int64")
    wrong.loc[[90, 91], "ecog"] = pd.NA
    wrong.loc[80:95, "product"] = "nobodys_engager"
    wrong["is_stepped_up"] = wrong["is_stepped_up"].astype("boolean")
    wrong.loc[[3, 100], "is_stepped_up"] = pd.NA
    return wrong.drop(columns="platform")


def plain_ids(table: pd.DataFrame) -> pd.DataFrame:
    """Words in place of numbers, and one of them twice in two pieces."""
    names = "P-" + table["patient_id"].astype(str)
    names.iloc[-1] = names.iloc[0]
    return table.assign(patient_id=names)


@pytest.mark.parametrize("change", [troubled, plain_ids, lambda table: table])
@pytest.mark.parametrize("is_in_parts", [False, True])
def test_pieces_give_what_the_table_in_memory_gives(
    folder: Path, cohort: Cohort, tmp_path: Path, change: Change, is_in_parts: bool
) -> None:
    table = change(cohort.observed.head(200).reset_index(drop=True))
    place: str | Path = tmp_path / "patients.parquet"
    if is_in_parts:
        place = in_parts("memory://cohort/" + tmp_path.name, table)
    else:
        table.to_parquet(place)
    out = tmp_path / "risks.parquet"
    filed, problem = score_file(folder, place, out=out)
    whole = score_table(folder, place, strict=False)
    wanted = whole.rows.reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(out), wanted, check_dtype=False, check_exact=True)
    assert filed.counts == whole.counts
    assert filed.account == grouped(whole.account, kinds=KINDS)
    assert str(problem) == str(whole.refusal())
    refused = out.with_name("risks.refused.parquet")
    assert refused.exists() == (filed.refused_to is not None) == bool(whole.counts.refused)
    if refused.exists():
        kept = pd.read_parquet(refused)
        is_refused = (whole.rows["status"] == "refused").to_numpy()
        assert kept["row"].tolist() == (np.flatnonzero(is_refused) + 1).tolist()
        assert kept["why_refused"].tolist() == whole.rows["reasons"][is_refused].tolist()
        cells = None if is_in_parts else read_parquet_cells(Path(place))
        if cells is not None:
            pd.testing.assert_frame_equal(
                kept[list(cells.columns)],
                cells[is_refused].astype(str).reset_index(drop=True),
                check_dtype=False,
            )


def test_the_bytes_do_not_depend_on_the_pieces(
    folder: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort.observed.head(200).to_parquet(tmp_path / "patients.parquet")
    content = []
    for rows in (37, 1000):
        monkeypatch.setattr(table_pieces, "ROWS", rows)
        for end in ("parquet", "csv"):
            out = tmp_path / f"{rows}.{end}"
            score_file(folder, tmp_path / "patients.parquet", out=out)
            content.append(out.read_bytes())
    assert content[:2] == content[2:]


def test_strict_and_a_place_for_the_results(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    place = tmp_path / "patients.parquet"
    cohort.observed.head(90).assign(weight_kg=-1.0).to_parquet(place)
    with pytest.raises(InputError, match="weight_kg") as raised:
        score_file(folder, place, out=tmp_path / "risks.csv", strict=True)
    with pytest.raises(InputError) as wanted:
        score_table(folder, place, strict=True)
    assert str(raised.value) == str(wanted.value)
    for same in (place, tmp_path / "." / "patients.parquet"):
        with pytest.raises(OutputError, match="the table that is scored"):
            score_file(folder, place, out=same)
    assert [path.name for path in tmp_path.iterdir()] == ["patients.parquet"]


def test_text_where_numbers_should_be_is_read_at_once(
    folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    table = cohort.observed.head(120).copy()
    table["crp_mg_l"] = table["crp_mg_l"].map(lambda value: f"<{value:g}")
    table.to_parquet(tmp_path / "patients.parquet")
    _, problem = score_file(folder, tmp_path / "patients.parquet", out=tmp_path / "risks.csv")
    whole = score_table(folder, tmp_path / "patients.parquet", strict=False)
    assert str(problem) == str(whole.refusal())
    assert len(pd.read_csv(tmp_path / "risks.csv")) == 120


def test_the_terminal_names_both_files(
    folder: Path, cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = cohort.observed.head(50).copy()
    table.loc[table.index[3], "weight_kg"] = -1.0
    table.to_csv(tmp_path / "patients.csv", index=False)
    filed, problem = score_file(folder, tmp_path / "patients.csv", out=tmp_path / "risks.csv")
    print_filed(filed)
    shown = capsys.readouterr().out
    assert shown.startswith(f"Wrote {tmp_path / 'risks.csv'}\n")
    assert f"the refused rows as they stand: {tmp_path / 'risks.refused.csv'}" in shown
    assert "row 4, column weight_kg" in str(problem)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(
    folder: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read at once, a row takes more than a thousand bytes at the peak; Arrow's own are not in
    this figure.
    """
    monkeypatch.setattr(table_pieces, "ROWS", 1000)
    peaks = {}
    for n in (2000, 2000, 14_000):  # the first warms up
        place, out = tmp_path / f"{n}.parquet", tmp_path / f"{n}-risks.parquet"
        repeated = pd.concat([cohort.observed] * (n // 600 + 1), ignore_index=True).head(n)
        repeated.assign(patient_id=range(n)).to_parquet(place)
        tracemalloc.start()
        score_file(folder, place, out=out)
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[14_000] - peaks[2000] < 12_000 * 40
