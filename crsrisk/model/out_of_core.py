"""Out of core: LightGBM's data set from a stored table, read some rows at a time."""

from __future__ import annotations

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
