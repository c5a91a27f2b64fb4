"""Out of core: LightGBM's data set from a stored table, read some rows at a time."""

from __future__ import annotations

import re
from typing import Any

import lightgbm as lgb
import numpy as np

from crsrisk.model.stored_table import ROWS, Floats, StoredTable


class RowSequence(lgb.Sequence):
    """A stored table as LightGBM reads it: single rows in ascending order, of which it learns the
    bins, then blocks.
    """

    batch_size = ROWS

    def __init__(self, table: StoredTable) -> None:
        self._table = table
        self._start, self._block = 0, np.empty((0, table.n_columns))

    def __getitem__(self, idx: Any) -> Floats:
        if isinstance(idx, slice):
            return np.ascontiguousarray(self._table.block(idx))
        if not self._start <= idx < self._start + len(self._block):
            self._start = int(idx)
            self._block = self._table.block(slice(self._start, self._start + ROWS))
        return np.asarray(self._block[int(idx) - self._start])

    def __len__(self) -> int:
        return len(self._table)


def seed_of_sample(seed: int) -> int:
    """The seed by which LightGBM draws the rows of an array that bins are cut by.

    It makes it of ``seed``, but for a sequence takes no notice of that; so it is asked for the
    number, to be named as ``data_random_seed``.
    """
    table, labels = np.arange(4.0)[:, None], np.arange(4.0) % 2
    made = lgb.train({"seed": seed, "verbosity": -1}, lgb.Dataset(table, labels), 1)
    found = re.search(r"\[data_random_seed: (\d+)\]", made.model_to_string())
    if found is None:
        raise ValueError("LightGBM does not say by which seed it draws rows")
    return int(found.group(1))
