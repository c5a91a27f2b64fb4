"""One worker process: takes work from standard input, answers on standard output, ends with its
input. Run by :mod:`crsrisk.serve.workers` alone.

It writes no file, and says nothing on its error stream.
"""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from crsrisk.data.table_files import Dialect, SourceTable, TableBytes, open_table
from crsrisk.data.table_reading import stated_reading
from crsrisk.errors import InputError
from crsrisk.model.companions import Companions, load_companions
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.results import to_plain
from crsrisk.serve.logs import kind_and_place
from crsrisk.studies.comparison import compare_plans
from crsrisk.studies.explain import ExplainableModel, load_explainable
from crsrisk.studies.predict import score_patients

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_HEAD = 8
_LESS_URGENT = 5
_MEMORY = Path("/proc/self/statm")  # of Linux: pages that this process has
_MORE_MEMORY = 4 * 2**30  # bytes above what the process has at its start


def main() -> None:
    """Answer until the input ends."""
    threads = int(sys.argv[1])
    work_in, answer_out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    if os.name == "posix":
        os.nice(_LESS_URGENT)  # a risk that is asked for meanwhile goes first
    _limit_memory()
    while head := _read(work_in, 2 * _HEAD):
        sizes = int.from_bytes(head[:_HEAD], "big"), int.from_bytes(head[_HEAD:], "big")
        work = json.loads(_read(work_in, sizes[0]))
        text = json.dumps(_answered(work, _read(work_in, sizes[1]), threads)).encode()
        answer_out.write(len(text).to_bytes(_HEAD, "big") + text)
        answer_out.flush()


def _read(stream: BinaryIO, size: int) -> bytes:
    """So many bytes, or none where the input has ended."""
    content = stream.read(size) if size else b""
    return content if len(content) == size else b""


def _limit_memory() -> None:
    """A hostile file ends this process, not the machine; where the system knows no such limit,
    nothing is limited.
    """
    if resource is None or not _MEMORY.exists():
        return
    now = int(_MEMORY.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + _MORE_MEMORY, now + _MORE_MEMORY))


def _answered(work: Mapping[str, Any], file: bytes, threads: int) -> dict[str, Any]:
    """The result, what is to be corrected, or what went wrong, without a value of a patient."""
    try:
        if work["kind"] == "table":
            return {"result": scored_table(work, file)}
        return {"result": simulation(work, threads)}
    except InputError as problem:
        return {
            "input": {
                name: str(getattr(problem, name))
                for name in ("where", "key", "found", "expected", "cure")
            }
        }
    except Exception as problem:
        return {"error": kind_and_place(problem)}


def simulation(work: Mapping[str, Any], threads: int) -> Any:
    """The patient with his plan and each change of it."""
    compared = compare_plans(
        work["patient"],
        model=_explainable(work["model"]),
        seed=work["seed"],
        n_members=work["members"],
        n_people=work["people"],
        workers=threads,
    )
    return compared.model_dump(mode="json")


def scored_table(work: Mapping[str, Any], file: bytes) -> Any:
    """Every row of a table, as ``crsrisk predict`` scores it."""
    name = f"table{work['ending']}"
    reading = stated_reading(where="request", **work["reading"])
    source = _opened(TableBytes(name, file), reading.dialect, unpacked_bytes=work["unpacked_bytes"])
    if len(source.cells) > work["rows"]:
        raise InputError(
            where=name,
            found=f"{len(source.cells):,} rows",
            expected=f"at most {work['rows']:,}",
            cure="send it in parts, or use crsrisk predict",
        )
    model, beside = _model(work["model"])
    scored = score_patients(
        model, source, reading=reading, beside=beside, unknown_product=work["unknown_product"]
    )
    rows = scored.rows.assign(patient_id=scored.rows["patient_id"].astype(str))
    return {
        "model": scored.model,
        "outcome": scored.outcome,
        "notice": scored.notice,
        "counts": to_plain(scored.counts),
        "rows": to_plain(rows),
        "account": [
            {"kind": one.kind, "column": one.column, "told": one.sentence()}
            for one in scored.troubles()
        ],
    }


def _opened(file: TableBytes, dialect: Dialect, *, unpacked_bytes: int) -> SourceTable:
    """A file that was sent; one that would unpack to too much is not unpacked, and one that makes
    a reader stumble is refused as one that cannot be read.
    """
    try:
        size = _unpacked_size(file)
        if size > unpacked_bytes:
            raise InputError(
                where=file.name,
                found=f"a file that unpacks to {size:,} bytes",
                expected=f"at most {unpacked_bytes:,}",
                cure="send it in parts, or use crsrisk predict",
            )
        return open_table(file, dialect)
    except InputError:
        raise
    except Exception as problem:
        raise InputError(
            where=file.name,
            found=f"bytes that cannot be read ({type(problem).__name__})",
            expected=f"a whole {Path(file.name).suffix} file",
            cure="write the file again",
        ) from problem


def _unpacked_size(file: TableBytes) -> int:
    if file.name.endswith(".xlsx"):
        with zipfile.ZipFile(io.BytesIO(file.content)) as book:
            return sum(one.file_size for one in book.infolist())
    if file.name.endswith(".parquet"):
        found = pq.ParquetFile(io.BytesIO(file.content)).metadata
        groups = [found.row_group(k) for k in range(found.num_row_groups)]
        return int(max(sum(group.total_byte_size for group in groups), 8 * found.num_rows))
    return len(file.content)


@lru_cache(maxsize=8)
def _model(folder: str) -> tuple[RiskModel, Companions]:
    model = load_model(folder)
    return model, load_companions(folder, model=model, has_neighbour=False)


@lru_cache(maxsize=8)
def _explainable(folder: str) -> ExplainableModel:
    return load_explainable(folder)


if __name__ == "__main__":
    main()
