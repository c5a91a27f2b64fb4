"""Files are written beside their place and then renamed, so that nothing half-written is ever left
behind.

A reader of ``cohort.parquet`` sees the old file or the new one, never a part of it: Ctrl-C, a full
disk or an error in the middle remove the temporary sibling. Tables stream to disk in bounded
memory, and the bytes depend on the values alone, not on how they were cut into chunks.
"""

from __future__ import annotations

import csv
import errno
import gzip
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crsrisk.data.file_locks import clear_parts, held, part_name, sole_writer
from crsrisk.data.json_text import json_tree
from crsrisk.errors import InputError, OutputError
from crsrisk.results import to_plain

# rows of one Parquet row group: the most that a stream holds, beside one frame
ROWS_PER_GROUP = 65_536
_A_DATE = re.compile(rb"\d{4}-\d{2}-\d{2}T[\d:]+Z")  # in the properties of a workbook
_A_NUMBER = re.compile(r"[+-]?[0-9.,' ]+([eE][+-]?[0-9]+)?")
DATA_ARE = "synthetic: simulated patients, no real person, no external validation"
INDEX = ".crsrisk-files.json"  # in a result folder: which files belong to the result
_WRITTEN: ContextVar[list[Path] | None] = ContextVar("files written", default=None)
_DISK_TROUBLES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


def _cannot_write(path: Path, problem: OSError) -> OutputError:
    return OutputError(
        where=str(path),
        found=problem.strerror or str(problem),
        expected="a place that can be written",
        cure="choose another folder, correct its permissions or free space on the disk",
    )


def _make_folder(folder: Path) -> list[Path]:
    """Make ``folder`` and its parents; return those that did not exist, innermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise OutputError(
            where=str(path),
            found="a folder",
            expected="the name of a file",
            cure=f"add a file name, for example {path.name}/cohort.parquet",
        )


def prepare_output(
    path: str | Path,
    *,
    overwrite: bool = False,
    belongs: Iterable[Path] = (),
    is_folder: bool = False,
) -> None:
    """Refuse, before hours of work, to write over a result that nobody asked to replace.

    Every command that writes a result asks here first and takes ``overwrite`` from its option
    ``--overwrite``.

    Parameters
    ----------
    path : the file or folder that is going to be written.
    overwrite : whether an old result may be replaced.
    belongs : further files that belong to a result at ``path`` (its manifest, truth, trajectories).
        One that is left from an older result counts as one. :func:`remove_leftovers` takes them
        away when the new result stands.
    is_folder : whether the result is a folder, as a model is.

    Raises
    ------
    OutputError
        Where something stands already and ``overwrite`` is False, and where a folder stands in the
        place of a file.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "cohort.csv"
    >>> prepare_output(place)
    >>> _ = place.write_text("patient_id")
    >>> prepare_output(place, overwrite=True)
    >>> prepare_output(place)
    Traceback (most recent call last):
    ...
    crsrisk.errors.OutputError: ...
    """
    if not is_folder:
        _refuse_folder(Path(path))
    standing = [place for place in (Path(path), *belongs) if place.exists()]
    if standing and not overwrite:
        beside = [place.name for place in standing if place != Path(path)]
        old = (
            "an older result" if Path(path) in standing else f"{', '.join(beside)} of an older one"
        )
        raise OutputError(
            where=str(path),
            found=f"{old} that is there already",
            expected="a new place",
            cure="name another place, or replace what is there with --overwrite",
        )


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Take away what belonged to a result that was just replaced; folders with all that is in them.

    What was written anew is not handed in. A path that is not there is passed over.
    """
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as problem:
            raise _cannot_write(path, problem) from problem


@contextmanager
def write_beside(path: str | Path) -> Iterator[Path]:
    """Write a file wholly or not at all: yields a temporary sibling, which replaces ``path`` at the
    end.

    Missing folders are made. When the body fails (Ctrl-C too) the sibling and the folders made for
    it go away and what stood at ``path`` stays as it was. A folder that cannot be written raises
    :class:`OutputError` before the body starts.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with write_beside(place) as beside:
    ...     _ = beside.write_text("whole")
    >>> place.read_text()
    'whole'
    """
    path = Path(path)
    beside = path.with_name(part_name(path, secrets.token_hex(4)))
    _refuse_folder(path)
    made: list[Path] = []
    with ExitStack() as holding:
        try:
            try:
                made = _make_folder(path.parent)
                clear_parts(path)
                # finds an unwritable folder before hours of work, not after
                beside.touch(exist_ok=False)
                holding.enter_context(held(beside))
            except OSError as problem:
                raise _cannot_write(path, problem) from problem
            yield beside
            os.replace(beside, path)
            if (written := _WRITTEN.get()) is not None:
                written.append(path)
        except BaseException as problem:
            _remove(beside, made)
            if isinstance(problem, OSError) and problem.errno in _DISK_TROUBLES:
                raise _cannot_write(path, problem) from problem
            raise


def _remove(beside: Path, made: Iterable[Path]) -> None:
    try:
        beside.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()
    except OSError:  # the first error matters, not a second one while clearing up
        return


@contextmanager
def new_result(*targets: Path | None, overwrite: bool) -> Iterator[None]:
    """Write one result to files and folders, and let nothing of an older one stand beside it.

    Within, files are written as ever (:func:`write_beside`). At the end, what belonged to the
    result that stood there and was not written anew is removed: the manifest beside a file, and of
    a folder the files that its index names. Files that somebody else put there stay.

    Raises
    ------
    OutputError
        For a target that stands there already, without ``overwrite``, and for one to which another
        process writes.
    """
    asked = [target for target in targets if target is not None]
    with ExitStack() as writing:
        for target in asked:
            writing.enter_context(sole_writer(target))
        with _one_result(asked, overwrite=overwrite):
            yield


@contextmanager
def _one_result(asked: Sequence[Path], *, overwrite: bool) -> Iterator[None]:
    for target in asked:
        if not target.is_dir() or any(target.iterdir()):
            prepare_output(target, overwrite=overwrite, is_folder=target.is_dir())
    older = {target: _belonging(target) for target in asked}
    written: list[Path] = []
    token = _WRITTEN.set(written)
    try:
        yield
    finally:
        _WRITTEN.reset(token)
    kept = {place.resolve() for place in written}
    for target in asked:
        stale = [place for place in older[target] if place.resolve() not in kept]
        remove_leftovers(stale)
        if target.is_dir():
            _remove_emptied(stale, inside=target)
            _index(target, kept)


def _belonging(target: Path) -> list[Path]:
    """The files of the result in a folder, as its index names them; a manifest beside a file."""
    if not target.is_dir():
        return [manifest_path(target)]
    index = target / INDEX
    if not index.is_file():
        return []
    try:
        places = [target / name for name in json_tree(index.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as problem:
        raise _not_an_index(index, "no list of file names") from problem
    for place in places:
        if target.resolve() not in place.resolve().parents or place.is_dir():
            raise _not_an_index(index, f"no file inside the folder: {place}")
    return places


def _not_an_index(index: Path, found: str) -> OutputError:
    return OutputError(
        where=str(index),
        found=found,
        expected="the names of the files of one result, all of them inside the folder",
        cure="write into a new folder",
    )


def _remove_emptied(stale: Iterable[Path], *, inside: Path) -> None:
    """Remove the folders that held nothing but stale files; no other folder is touched."""
    for place in stale:
        folder = place.parent
        while folder != inside and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def _index(folder: Path, written: set[Path]) -> None:
    inside = sorted(
        place.relative_to(folder.resolve()).as_posix()
        for place in written
        if place.is_relative_to(folder.resolve())
    )
    if inside:
        write_json(folder / INDEX, inside)


def write_json(path: str | Path, tree: Any) -> None:
    """Write a result or a tree of plain values as JSON: UTF-8, keys in the given order, the same
    bytes always (:func:`crsrisk.results.to_plain`: NaN becomes null, infinity raises ValueError).
    """
    text = json.dumps(to_plain(tree), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with write_beside(path) as beside:
        beside.write_bytes(text.encode("utf-8"))


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 with its line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes as they are."""
    with write_beside(path) as beside:
        beside.write_bytes(content)


def gzipped(text: str) -> bytes:
    """A text as UTF-8 in gzip, without date, name and system: the same text and zlib give the same
    bytes.

    >>> gunzipped(gzipped("the same"), most=100)
    'the same'
    """
    packed = io.BytesIO()
    # gzip.compress would write a byte that depends on the version of Python
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
        stream.write(text.encode("utf-8"))
    return packed.getvalue()


def gunzipped(packed: bytes, *, most: int) -> str:
    """The text of :func:`gzipped`.

    Raises
    ------
    ValueError
        For bytes that are no whole gzip file of UTF-8 text, and as soon as the text is longer than
        ``most`` bytes: a small file cannot fill the memory.
    """
    reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # with the header of gzip
    try:
        content = reader.decompress(packed, most + 1)
    except zlib.error as problem:
        raise ValueError("bytes that are no gzip") from problem
    if len(content) > most:
        raise ValueError(f"more than {most} bytes of text")
    if not reader.eof or reader.unused_data:
        raise ValueError("a gzip that is cut short or goes on behind its end")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise ValueError("bytes that are no UTF-8 text") from problem


def write_parquet_stream(path: str | Path, frames: Iterable[pd.DataFrame]) -> int:
    """Write frames, one after another, into one Parquet file; returns the number of rows.

    Memory: one row group (``ROWS_PER_GROUP`` rows) and one frame. The bytes do not depend on how
    the rows are cut into frames. The first frame sets the columns and types; a later one that
    differs raises :class:`ValueError`.
    """
    with write_beside(path) as beside:
        return stream_parquet(beside, frames)


def stream_parquet(target: Any, frames: Iterable[pd.DataFrame]) -> int:
    """:func:`write_parquet_stream` into a path or an open stream of bytes, as it is."""
    schema, waiting, rows = None, None, 0
    writer: Any = None
    try:
        for frame in frames:
            table = _as_arrow(frame, schema)
            if schema is None:
                schema = table.schema
                writer = pq.ParquetWriter(
                    target, schema, compression="zstd", write_page_checksum=True
                )
            rows += table.num_rows
            waiting = table if waiting is None else pa.concat_tables([waiting, table])
            while waiting.num_rows >= ROWS_PER_GROUP:
                writer.write_table(waiting.slice(0, ROWS_PER_GROUP).combine_chunks())
                waiting = waiting.slice(ROWS_PER_GROUP)
        if writer is None:
            raise ValueError("no frame to write: give at least one, which may have no rows")
        if waiting is not None and (waiting.num_rows or not rows):
            writer.write_table(waiting.combine_chunks())
    finally:
        if writer is not None:
            writer.close()
    return rows


def _as_arrow(frame: pd.DataFrame, schema: Any) -> Any:
    if schema is not None and list(frame.columns) != schema.names:
        raise ValueError(
            "every frame of a stream needs the columns of the first, in the same order"
        )
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False, nthreads=1)
    # it would carry the version of pandas into the bytes
    return table.replace_schema_metadata(None)


def write_csv_stream(path: str | Path, frames: Iterable[pd.DataFrame]) -> int:
    """Write frames into one CSV file (UTF-8, comma, point, missing = empty); returns the number of
    rows.

    Numbers are written in full, so that reading gives the same values back. Columns as in
    :func:`write_parquet_stream`.
    """
    with write_beside(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        columns: list[str] | None = None
        rows = 0
        for frame in frames:
            if columns is not None and list(frame.columns) != columns:
                raise ValueError(
                    "every frame of a stream needs the columns of the first, in the same order"
                )
            without_formulas(frame).to_csv(
                stream, index=False, header=columns is None, lineterminator="\n"
            )
            columns = list(frame.columns)
            rows += len(frame)
        if columns is None:
            raise ValueError("no frame to write: give at least one, which may have no rows")
        return rows


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as a spreadsheet may open it: text that it would take for a formula, in cells and
    in names of columns, begins with an apostrophe. Numbers stay.

    >>> without_formulas(pd.DataFrame({"site": ["=1+1", "-3.5", "north"]}))["site"].tolist()
    ["'=1+1", '-3.5', 'north']
    """
    texts = [
        place
        for place, kind in enumerate(frame.dtypes)
        if not pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    ]
    safe = {
        place: frame.iloc[:, place].map(_no_formula, na_action="ignore")
        for place in texts
        if frame.iloc[:, place].map(_is_formula).any()
    }
    if not safe and not any(map(_is_formula, frame.columns)):
        return frame
    columns = [safe.get(place, frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pd.concat(columns, axis=1).set_axis(list(map(_no_formula, frame.columns)), axis=1)


def _is_formula(cell: object) -> bool:
    return (
        isinstance(cell, str)
        and len(cell) > 1
        and cell[0] in "=+-@\t\r"
        and not _A_NUMBER.fullmatch(cell)
    )


def _no_formula(cell: object) -> object:
    return f"'{cell}" if _is_formula(cell) else cell


def write_workbook(path: str | Path, sheets: Mapping[str, pd.DataFrame]) -> None:
    """Write frames as the sheets of one .xlsx file, without date and name of a person in it: the
    same frames give the same bytes. Missing cells are empty.
    """
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for name, frame in sheets.items():
        frame = without_formulas(frame)
        sheet = book.create_sheet(name)
        sheet.append([str(column) for column in frame.columns])
        for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False):
            sheet.append([cell.item() if isinstance(cell, np.generic) else cell for cell in row])
    packed = io.BytesIO()
    book.save(packed)
    with (
        write_beside(path) as beside,
        zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as target,
        zipfile.ZipFile(packed) as source,
    ):
        for part in sorted(source.namelist()):
            content = source.read(part)
            if part == "docProps/core.xml":
                content = _A_DATE.sub(b"1980-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(part, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)


def _write_xlsx(path: str | Path, frames: Iterable[pd.DataFrame]) -> int:
    together = pd.concat(list(frames), ignore_index=True)
    write_workbook(path, {"rows": together})
    return len(together)


def write_table_stream(path: str | Path, frames: Iterable[pd.DataFrame]) -> int:
    """Write frames as CSV, Parquet or xlsx, as the file's suffix says; returns the number of
    rows.
    """
    writers: Mapping[str, Callable[[str | Path, Iterable[pd.DataFrame]], int]] = {
        ".csv": write_csv_stream,
        ".parquet": write_parquet_stream,
        ".xlsx": _write_xlsx,
    }
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise OutputError(
            where=str(path),
            found=f"the suffix {suffix!r}",
            expected=".parquet, .csv or .xlsx",
            cure="end the file name with .parquet, .csv or .xlsx",
        )
    return writers[suffix](path, frames)


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as problem:
        raise cannot_read(Path(path), problem) from problem


def frame_digest(frame: pd.DataFrame, *, order: NDArray[np.intp] | None = None) -> str:
    """SHA-256 of a table's column names and values: the same through CSV or Parquet, on any
    machine.

    The index does not count; the order of rows and columns does, and so does the kind of a column
    (text, whole number, number, yes/no). Every NaN is one missing value. ``order``: of the rows,
    where it is another than that of the table.

    >>> frame_digest(pd.DataFrame({"ecog": [0, 1]})) == frame_digest(pd.DataFrame({"ecog": [1, 0]}))
    False
    """
    digest = hashlib.sha256(f"{len(frame)} rows".encode())
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        kind, content = _column_bytes(column if order is None else column.iloc[order])
        digest.update(f"|{kind}|{len(str(name))}|{name}|".encode())
        digest.update(content)
    return digest.hexdigest()


def _column_bytes(column: pd.Series[Any]) -> tuple[str, bytes]:
    if pd.api.types.is_bool_dtype(column.dtype) and not column.hasnans:
        return "bool", column.to_numpy(dtype=np.uint8).tobytes()
    if pd.api.types.is_integer_dtype(column.dtype) and not column.hasnans:
        return "int", column.to_numpy(dtype="<i8").tobytes()
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype="<f8", na_value=np.nan).copy()
        values[np.isnan(values)] = np.nan
        return "float", values.tobytes()
    words = [
        None if missing else str(value).encode()
        for value, missing in zip(column, column.isna(), strict=True)
    ]
    lengths = np.array([-1 if word is None else len(word) for word in words], dtype="<i8")
    return "text", lengths.tobytes() + b"".join(word for word in words if word is not None)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is needed to make a simulated file again, and to know that it is the same one. No date,
    no path.

    ``file`` name without folder; ``sha256`` of its bytes; ``assumptions_hash`` of every number of
    the synthetic world that it rests on; ``products``, ``regimen`` and ``mitigations`` as asked
    for.
    """

    file: str
    sha256: str
    version: str
    seed: int
    scenario: str
    assumptions_hash: str
    n_rows: int
    columns: tuple[str, ...]
    products: tuple[str, ...] = ()
    regimen: str = ""
    mitigations: tuple[str, ...] = ()
    data_are: str = DATA_ARE


def manifest_path(path: str | Path) -> Path:
    """Where the manifest of a file stands: ``cohort.parquet`` ->
    ``cohort.parquet.manifest.json``.
    """
    path = Path(path)
    return path.with_name(f"{path.name}.manifest.json")


def write_manifest(
    path: str | Path,
    *,
    seed: int,
    scenario: str,
    assumptions_hash: str,
    version: str,
    columns: Iterable[str],
    n_rows: int,
    products: Iterable[str] = (),
    regimen: str = "",
    mitigations: Iterable[str] = (),
) -> Manifest:
    """Write ``<file>.manifest.json`` beside a finished file and return it; the file's hash is taken
    here.
    """
    manifest = Manifest(
        file=Path(path).name,
        sha256=sha256_of(path),
        version=version,
        seed=seed,
        scenario=scenario,
        assumptions_hash=assumptions_hash,
        n_rows=n_rows,
        columns=tuple(columns),
        products=tuple(products),
        regimen=regimen,
        mitigations=tuple(mitigations),
    )
    write_json(manifest_path(path), asdict(manifest))
    return manifest


def read_manifest(path: str | Path) -> Manifest:
    """The manifest of a file, checked against its bytes: a changed file raises
    :class:`InputError`.
    """
    place = manifest_path(path)
    trouble = {"where": place.name, "expected": "the manifest that was written with the file"}
    try:
        tree = json_tree(place.read_text(encoding="utf-8"))
        lists = {key: tuple(tree[key]) for key in ("columns", "products", "mitigations")}
        manifest = Manifest(**{**tree, **lists})
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            **trouble, found=type(problem).__name__, cure="simulate the file again"
        ) from problem
    if manifest.sha256 != sha256_of(path):
        raise InputError(
            **trouble,
            key="sha256",
            found="another hash than that of the file",
            cure="the file was changed after it was written: simulate it again",
        )
    return manifest


# --- tables as they stand ---


def csv_header(path: Path) -> list[str]:
    """The column names of a CSV file, after a look that every row has as many cells; else
    InputError.
    """
    rule = {"expected": "a CSV file: UTF-8, separated by commas, every row as long as the header"}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(rows, [])]
            if not header:
                raise InputError(
                    where=str(path), found="an empty file", cure="write header and rows", **rule
                )
            if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
                raise InputError(
                    where=str(path),
                    found="columns separated by semicolons or tabs",
                    cure="save the table with commas",
                    **rule,
                )
            for row in rows:
                if row and len(row) != len(header):
                    raise InputError(
                        where=str(path),
                        key=f"line {rows.line_num}",
                        found=f"{len(row)} cells",
                        cure=f"make it {len(header)} cells; put text with a comma in quotes",
                        **rule,
                    )
    except OSError as problem:
        raise cannot_read(path, problem) from problem
    except (UnicodeDecodeError, csv.Error) as problem:
        raise InputError(
            where=str(path),
            found=f"bytes that are not such a file ({type(problem).__name__})",
            cure="save it again as CSV, UTF-8",
            **rule,
        ) from problem
    check_header(header, where=str(path))
    return header


def read_csv_cells(path: Path) -> pd.DataFrame:
    """A CSV file as text, cell by cell, nothing interpreted."""
    header = csv_header(path)
    return pd.read_csv(
        path,
        encoding="utf-8-sig",
        dtype=str,
        keep_default_na=False,
        header=0,
        names=header,
        index_col=False,
    )


def read_parquet_cells(path: Path, content: bytes | None = None) -> pd.DataFrame:
    """A Parquet file, or its ``content`` in memory, with the types it has; a broken file raises
    InputError.
    """
    file = path if content is None else pa.BufferReader(content)
    try:
        table = pq.read_table(file, use_threads=False, page_checksum_verification=True)
        check_header(table.column_names, where=str(path))
        # what pandas wrote beside the values is read even where it is to be ignored
        plain = table.replace_schema_metadata(None)
        frame: pd.DataFrame = plain.to_pandas(ignore_metadata=True, use_threads=False)
    except (ValueError, NotImplementedError) as problem:  # of Arrow too
        raise InputError(
            where=str(path),
            found="bytes that are not Parquet",
            expected="a whole Parquet file",
            cure="write the file again",
        ) from problem
    except OSError as problem:
        raise cannot_read(path, problem) from problem
    return frame


def cannot_read(path: Path, problem: OSError) -> InputError:
    """What to say of a file that the system does not let be read."""
    return InputError(
        where=str(path),
        found=problem.strerror or "a file that cannot be read",
        expected="a readable file",
        cure="check the path and its permissions",
    )


def check_header(header: Iterable[str], *, where: str) -> None:
    seen: set[str] = set()
    for name in header:
        if name in seen:
            raise InputError(
                where=where,
                key=name,
                found="the column a second time" if name else "several columns without a name",
                expected="each column once, with its name",
                cure="delete or rename one of the two" if name else "name them, or take them out",
            )
        seen.add(name)
