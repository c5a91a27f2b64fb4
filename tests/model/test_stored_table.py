"""What is learnt from a file is what is learnt from memory, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from crsrisk.model import additive, stored_table
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.out_of_core import RowSequence, seed_of_sample
from crsrisk.model.stored_table import StoredTable, blocks_of, column_of, rows_of

Toy = Any  # of conftest.py


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of so few rows that every table has several."""
    monkeypatch.setattr(stored_table, "ROWS", 97)
    monkeypatch.setattr(additive, "_SUMMED", 211)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("kind", "sampled"),
    [
        ("shrunken", "once"),
        ("additive", "weighted"),
        ("boosting", "weighted"),
        ("additive", "repeatedly"),
        ("boosting", "repeatedly"),
    ],
)
def test_the_model_is_the_same(toy: Toy, tmp_path: Path, kind: str, sampled: str) -> None:
    settings = {"max_trees": 12, "boosting_max_trees": 12, "n_folds": 3}
    config = load_config("baseline").replace(kind=kind, **settings)
    rows, weight = np.arange(len(toy.observed)), None
    if sampled == "weighted":
        weight = np.where(rows % 3 == 0, 2.5, 1.0)
    elif sampled == "repeatedly":
        rows = np.sort(np.random.default_rng(0).choice(rows, len(rows)))
    observed, outcomes = toy.observed.iloc[rows], toy.outcomes.iloc[rows]
    held, stored = (
        fit(observed, outcomes, config=config, seed=1, sample_weight=weight, folder=folder)
        for folder in (None, tmp_path)
    )
    assert held.model_class.n_kept > 0 or kind != "boosting"
    assert stored.booster_text == held.booster_text
    assert stored.calibrator == held.calibrator
    assert stored.contract == held.contract
    assert stored.manifest == held.manifest
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_blocks")
def test_rows_of_a_stored_table_are_those_of_the_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    array = rng.normal(size=(500, 4))
    array[rng.random(array.shape) < 0.1] = np.nan
    stored = StoredTable.of(blocks_of(array), array.shape, folder=tmp_path)
    rows = np.flatnonzero(rng.random(500) < 0.3)
    some = rows_of(rows_of(stored, rows), np.arange(0, len(rows), 2))
    assert isinstance(some, StoredTable)
    for table, expected in ((stored, array), (some, array[rows[::2]])):
        assert table.shape == expected.shape
        np.testing.assert_array_equal(np.concatenate(list(blocks_of(table))), expected)
        for place in range(4):
            np.testing.assert_array_equal(column_of(table, place), expected[:, place])
    sequence = RowSequence(some)
    np.testing.assert_array_equal([sequence[k] for k in range(len(some))], array[rows[::2]])
    np.testing.assert_array_equal(sequence[3:20], array[rows[::2]][3:20])


def test_bins_are_cut_by_the_rows_that_an_array_would_be_cut_by(tmp_path: Path) -> None:
    """LightGBM looks at 200,000 rows of more; here at 60."""
    rng = np.random.default_rng(5)
    array = rng.normal(size=(900, 3))
    labels = (rng.random(900) < 0.5).astype(float)
    stored = StoredTable.of(blocks_of(array), array.shape, folder=tmp_path)
    settings = {"objective": "binary", "seed": 7, "bin_construct_sample_cnt": 60, "verbosity": -1}

    def trees(data: Any, **more: int) -> pd.DataFrame:
        return lgb.train({**settings, **more}, lgb.Dataset(data, labels), 3).trees_to_dataframe()

    of_array = trees(array)
    assert not trees(RowSequence(stored)).equals(of_array)
    pd.testing.assert_frame_equal(
        trees(RowSequence(stored), data_random_seed=seed_of_sample(7)), of_array, check_exact=True
    )


def test_a_file_that_lost_its_end_is_not_read_on(tmp_path: Path) -> None:
    file = stored_table.NumberFile(tmp_path, 10)
    with pytest.raises(OSError, match="ends before"):
        file.read(8, (4,))
    assert pd.isna(file.read(0, (2,))).sum() == 0
