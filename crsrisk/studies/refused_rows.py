"""Refused rows of a table, as they stand and with their reasons, in a file beside the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from crsrisk.data.files import remove_leftovers, write_table_stream


def refused_path(out: Path) -> Path:
    """Where the refused rows of a result stand: ``risks.csv`` -> ``risks.refused.csv``."""
    return out.with_name(f"{out.stem}.refused{out.suffix}")


def write_refused(out: Path, cells: pd.DataFrame, reasons: pd.Series[Any]) -> Path | None:
    """Write the rows of the file that were refused, as they stand, with the reason of each; None,
    and an older such file removed, where there are none.
    """
    place = refused_path(out)
    refused = reasons[reasons != ""]
    if refused.empty:
        remove_leftovers([place])
        return None
    places = refused.index.to_numpy()
    rows = cells.iloc[places].astype(str)
    rows.insert(0, "table_row" if "row" in rows else "row", places + 1)
    write_table_stream(place, iter([rows.assign(why_refused=refused.to_numpy())]))
    return place
