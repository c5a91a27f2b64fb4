"""Limits: how much a request may hold and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes in bytes and rows, times in seconds.

    ``body_s``: for a body to arrive. ``answer_s``: for everything that is no work of a worker.
    ``table_s``, ``simulation_s``: for a worker, waiting for a free one included.
    ``unpacked_bytes``: of a workbook or a Parquet file. ``waiting``: requests that may wait for a
    worker. ``connections``: at one time.
    """

    json_bytes: int = 64 * 1024
    table_bytes: int = 10_000_000
    unpacked_bytes: int = 200_000_000
    rows: int = 10_000
    body_s: float = 20.0
    answer_s: float = 30.0
    table_s: float = 120.0
    simulation_s: float = 180.0
    waiting: int = 16
    connections: int = 256
