"""Rows digest: a SHA-256 of a table that comes in pieces, the same however it is cut."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd


class RowsDigest:
    """Column names and values of all rows in their order; numbers and yes/no as numbers, every
    missing value the same.

    >>> whole, cut = RowsDigest(), RowsDigest()
    >>> table = pd.DataFrame({"ecog": [0, 1, None], "site": ["a", None, "b"]})
    >>> whole.add(table)
    >>> for rows in (table.iloc[:1], table.iloc[1:]):
    ...     cut.add(rows)
    >>> whole.hexdigest() == cut.hexdigest()
    True
    """

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}

    def add(self, rows: pd.DataFrame) -> None:
        """Take further rows."""
        for name in rows.columns:
            digest = self._columns.setdefault(str(name), hashlib.sha256())
            column = rows[name]
            if pd.api.types.is_numeric_dtype(column.dtype):
                values = column.to_numpy(dtype="<f8", na_value=np.nan).copy()
                values[np.isnan(values)] = np.nan
                digest.update(values.tobytes())
                continue
            for word, missing in zip(column, column.isna(), strict=True):
                text = b"" if missing else str(word).encode()
                digest.update(f"{-1 if missing else len(text)}:".encode() + text)

    def hexdigest(self) -> str:
        """The digest of all rows so far, as 64 hexadecimal digits."""
        whole = hashlib.sha256()
        for name, digest in self._columns.items():
            whole.update(f"|{len(name)}|{name}|{digest.hexdigest()}".encode())
        return whole.hexdigest()
