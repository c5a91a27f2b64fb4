"""Identity: what contradicts itself is refused in one run, and no value is proposed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.identity import contradictions
from crsrisk.data.tables import read_patients
from crsrisk.data.world_files import load_population
from crsrisk.errors import InputError
from crsrisk.folders import names
from crsrisk.simulation.cohort import simulate


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return simulate("tarlatamab", n=6, seed=1).observed.astype(object)


def read(table: pd.DataFrame, folder: Path, *, strict: bool = False) -> Any:
    table.to_csv(folder / "mine.csv", index=False)
    return read_patients(folder / "mine.csv", strict=strict)


def test_contradictions_of_a_table_are_told_together(rows: pd.DataFrame, tmp_path: Path) -> None:
    table = rows.copy()
    table.loc[table.index[1], "platform"] = "car_t"
    table.loc[table.index[2], ["tumour_type", "is_female"]] = [
        "castration_resistant_prostate",
        True,
    ]
    table.loc[table.index[3], "age_years"] = 9.5
    table.loc[table.index[4], ["tumour_type", "age_years"]] = ["neuroblastoma", 5.0]
    known = read(table, tmp_path)
    assert sorted(known.reasons) == [2, 3, 4]
    assert known.reasons[2] == (
        "platform: found car_t with product tarlatamab; expected product and platform of one"
        " therapy: tarlatamab is of the platform tce"
    )
    assert "is of male patients alone" in known.reasons[3]
    assert "18 years or older" in known.reasons[4]
    for note in known.account:
        if note.kind == "refused":
            assert note.cure.startswith("check both cells")
    with pytest.raises(InputError, match=r"row 2, column platform.*3 cells in 3 of 6 rows"):
        read(table, tmp_path, strict=True)


def test_a_row_with_two_troubles_tells_both(rows: pd.DataFrame, tmp_path: Path) -> None:
    table = rows.copy()
    table.loc[table.index[0], ["platform", "age_years", "crp_mg_l"]] = ["til", 3.0, "-5"]
    assert read(table, tmp_path).reasons[1].count("expected") == 3


def test_products_are_read_by_any_of_their_names(rows: pd.DataFrame, tmp_path: Path) -> None:
    table = rows.copy()
    table.loc[table.index[0], "product"] = "IMDELLTRA"
    table.loc[table.index[1], "product"] = "Tarlatamab"
    table.loc[table.index[2], ["product", "platform"]] = ["Kimmtrak", "tce"]
    table.loc[table.index[3], ["product", "platform"]] = ["our own engager", "car_t"]
    known = read(table, tmp_path)
    assert known.frame["product"].tolist()[:2] == ["tarlatamab", "tarlatamab"]
    assert "our own engager" in set(known.frame["product"])
    assert "tebentafusp is of the platform immtac" in known.reasons[3]
    told = [(note.row, note.found, note.expected) for note in known.account if note.row < 3]
    assert (1, "IMDELLTRA", "tarlatamab") in told
    assert (2, "Tarlatamab", "tarlatamab") in told


def test_missing_and_unknown_words_contradict_nothing() -> None:
    columns = {
        "product": np.array(["tarlatamab", "ours", ""]),
        "platform": np.array(["", "tce", "tce"]),
        "tumour_type": np.array(["castration_resistant_prostate", "not stated", "our tumour"]),
        "is_female": np.array([np.nan, 1.0, 1.0]),
        "age_years": np.array([np.nan, 3.0, 3.0]),
    }
    assert list(contradictions(columns)) == []


def test_no_patient_that_a_population_can_have_is_refused() -> None:
    """Every tumour type, with both sexes where it has both, from its youngest age on."""
    for name in names("populations"):
        population = load_population(name)
        share, youngest = population.shares.is_female.value, population.marginals["age_years"]
        sexes = [sex for sex in (0.0, 1.0) if share not in (0.0, 1.0) or sex == share]
        columns = {
            "tumour_type": np.full(len(sexes), name),
            "is_female": np.array(sexes),
            "age_years": np.full(len(sexes), youngest.limits[0]),
        }
        assert list(contradictions(columns)) == []
