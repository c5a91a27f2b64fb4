"""Table files: what a hospital hands over, CSV of any dialect, Excel, Parquet, Feather, SAS, SPSS
or Stata, or a frame in memory, becomes cells with an account of how the file was read.

What the file does not say is looked for and told (:attr:`SourceTable.told`); where two readings are
possible the file is refused until one is stated (:class:`Dialect`). Cells keep their text or type:
what they mean is for :mod:`crsrisk.data.tables` and :mod:`crsrisk.data.registry`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import BadZipFile

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
import pyarrow.feather
from narwhals.stable.v1.typing import IntoDataFrame
from numpy.typing import NDArray

from crsrisk.data.files import cannot_read, check_header, read_parquet_cells
from crsrisk.data.part_files import is_address, read_parts
from crsrisk.data.written_numbers import POINT, Decimal, NumberStyle, Thousands, read_number
from crsrisk.errors import InputError

CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
SUFFIXES = (
    *CSV_SUFFIXES,
    ".csv.gz",
    ".xlsx",
    ".parquet",
    ".feather",
    ".xpt",
    ".sas7bdat",
    ".sav",
    ".dta",
)
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEPARATOR_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_N_LOOKED_AT = 200  # records that tell the separator
_MOST_OF_TITLE = 3  # filled cells of a line above the header
_MOST_BYTES = 2**31  # of an unpacked file
_SEP_LINE = re.compile(r'"?sep\s*=\s*(\\t|[^\sa-z0-9]|\t)?"?[\s,;]*', re.IGNORECASE)
_DECIMAL_COMMA = re.compile(
    r"[+-]?(?:[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+)"
)
_DECIMAL_POINT = re.compile(
    r"[+-]?(?:[0-9]*\.(?:[0-9]{1,2}|[0-9]{4,})|0\.[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+)"
)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file is written, as far as it is stated; what is None is found out and told.

    ``sep``: between cells (also "tab"). ``decimal``, ``thousands``: the marks in numbers.
    ``encoding``: of a text file, by Python's name. ``sheet``: of a workbook.
    """

    sep: str | None = None
    decimal: Decimal | None = None
    thousands: Thousands | None = None
    encoding: str | None = None
    sheet: str | None = None


AS_FOUND = Dialect()


@dataclass(frozen=True, eq=False)
class SourceTable:
    """A table as it stands in its file. ``cells``: text or typed, one row a record. ``style``: how
    numbers are written in cells of text. ``told``: sentences on what was found out about the file.
    Another source plugs in here: what makes one of this class is read by all that reads tables.
    ``after``: of a piece of a table, how many rows stand before it.
    """

    where: str
    cells: pd.DataFrame
    style: NumberStyle = POINT
    told: tuple[str, ...] = ()
    after: int = 0

    @property
    def name(self) -> str:
        """What it is called in a sentence: its file, or that it is in memory."""
        return name_of(self.where)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column as numbers; NaN for a cell that is none, or that can be read in two ways."""
        return np.array([number_in(cell, self.style) for cell in self.cells[column]], dtype=float)


@dataclass(frozen=True, repr=False)
class TableBytes:
    """A file in memory: its name, whose ending says what it is (.csv, .xlsx or .parquet), and its
    bytes. Nothing of it is written to a disk.
    """

    name: str
    content: bytes


# a path, a file in memory, an opened table, or a frame of pandas, polars or pyarrow
Source: TypeAlias = str | Path | TableBytes | SourceTable | IntoDataFrame


def number_in(cell: object, style: NumberStyle = POINT) -> float:
    """The one number that a cell holds, else NaN.

    >>> number_in("2,5", NumberStyle(decimal=",")), number_in(3)
    (2.5, 3.0)
    """
    if isinstance(cell, bool | np.bool_):
        return float("nan")
    if isinstance(cell, int | float | np.integer | np.floating):
        return float(cell)
    found = read_number(str(cell), style)
    return found.values[0] if len(found.values) == 1 and not found.is_foreign else float("nan")


def name_of(where: str) -> str:
    """What a table is called in a sentence: its file, or that it is in memory."""
    return "a table in memory" if where == "table" else Path(where).name


def open_table(source: Source, dialect: Dialect = AS_FOUND) -> SourceTable:
    """Read a file, or take a frame of pandas, polars or pyarrow, as cells.

    Parameters
    ----------
    source : path of a file with one of :data:`SUFFIXES`, a frame, or a table that was opened.
    dialect : what is stated about the file.

    Raises
    ------
    InputError
        For a file of another kind, one that can be read in two ways, and rows of another length
        than the header.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "ward.csv"
    >>> _ = place.write_bytes("Größe;CRP\\n1,5;12,75\\n".encode("latin-1"))
    >>> table = open_table(place)
    >>> table.cells.to_dict("list"), table.numbers("CRP").tolist()
    ({'Größe': ['1,5'], 'CRP': ['12,75']}, [12.75])
    """
    if isinstance(source, SourceTable):
        return source
    if isinstance(source, TableBytes):
        return _from_bytes(source, dialect)
    if not isinstance(source, str | Path):
        return _from_memory(source, dialect)
    path = Path(source)
    if is_address(source) or path.is_dir():
        return typed_table(str(source), read_parts(source), dialect)
    name = path.name.lower()
    if name.endswith((*CSV_SUFFIXES, *(f"{end}.gz" for end in CSV_SUFFIXES))):
        return _read_text(path, _bytes_of(path), dialect)
    if name.endswith((".xlsx", ".xlsm")):
        return _read_workbook(path, path, dialect)
    readers: Mapping[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": read_parquet_cells,
        ".feather": _read_feather,
        ".arrow": _read_feather,
        ".xpt": _read_statistics_file,
        ".sas7bdat": _read_statistics_file,
        ".sav": _read_statistics_file,
        ".dta": _read_statistics_file,
    }
    if path.suffix.lower() not in readers:
        raise _not_a_table(path)
    return typed_table(str(path), readers[path.suffix.lower()](path), dialect)


def _from_bytes(source: TableBytes, dialect: Dialect) -> SourceTable:
    path = Path(source.name)
    readers: Mapping[str, Callable[[], SourceTable]] = {
        ".csv": lambda: _read_text(path, source.content, dialect),
        ".xlsx": lambda: _read_workbook(path, io.BytesIO(source.content), dialect),
        ".parquet": lambda: typed_table(
            str(path), read_parquet_cells(path, source.content), dialect
        ),
    }
    if path.suffix not in readers:
        raise _not_a_table(path)
    return readers[path.suffix]()


def _not_a_table(path: Path) -> InputError:
    cure = {
        ".xls": "save it as .xlsx",
        ".ods": "save it as .xlsx",
        ".json": "make a table of it first: one row a patient, one column a quantity",
        ".ndjson": "make a table of it first: one row a patient, one column a quantity",
    }.get(path.suffix.lower(), "save the table as CSV, xlsx or Parquet")
    return InputError(
        where=str(path),
        found=f"the suffix {path.suffix!r}",
        expected=f"a table with one row a patient: {', '.join(SUFFIXES)}",
        cure=cure,
    )


def number_style(dialect: Dialect, decimal: Decimal = ".") -> NumberStyle:
    """How numbers are written in text of this dialect."""
    if dialect.thousands == ".":
        decimal = ","
    return NumberStyle(decimal=dialect.decimal or decimal, thousands=dialect.thousands)


def _from_memory(source: Any, dialect: Dialect) -> SourceTable:
    if not isinstance(source, pd.DataFrame):
        try:
            source = nw.from_native(source, eager_only=True).to_pandas()
        except TypeError as problem:
            raise InputError(
                where="table",
                found=type(source).__name__,
                expected="a path, or a frame of pandas, polars or pyarrow",
                cure="collect a lazy frame, or write the table to a file",
            ) from problem
    frame = source.reset_index(drop=True)
    frame.columns = [str(name) for name in frame.columns]
    check_header(frame.columns, where="table")
    for name in frame.columns:
        if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype):
            for row, cell in enumerate(frame[name]):
                if isinstance(cell, str) and _has_halves(cell):
                    raise InputError(
                        where="table",
                        key=f"row {row + 1}, column {name}",
                        found="half of a character (a lone surrogate)",
                        expected="text that can be written as UTF-8",
                        cure="write the whole character, or decode the source in its own encoding",
                    )
    return typed_table("table", frame, dialect)


def typed_table(
    where: str, cells: pd.DataFrame, dialect: Dialect, told: tuple[str, ...] = ()
) -> SourceTable:
    """A table whose cells have types; those of text may hold numbers with a decimal comma."""
    texts: set[str] = set()
    for _, column in cells.items():
        if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            texts.update(cell.strip() for cell in column if isinstance(cell, str))
    style = _style_of_texts(texts, dialect)
    return SourceTable(where, cells, style, (*told, *_told_of(style, dialect)))


# --- text ---


def _read_text(path: Path, content: bytes, dialect: Dialect) -> SourceTable:
    told: list[str] = []
    text = _decoded(path, content, dialect.encoding, told)
    first, _, rest = text.lstrip("\n").partition("\n")
    sep = _SEPARATOR_WORDS.get(dialect.sep or "", dialect.sep)
    if marked := _SEP_LINE.fullmatch(first):
        sep, text = sep or _SEPARATOR_WORDS.get(marked[1] or "", marked[1]), rest
        told.append(f"the first line, {first.strip()!r}, is read as the separator, not as data")
    rule = "rows as long as the header"
    if not text.strip():
        raise InputError(
            where=str(path), found="an empty file", expected=rule, cure="write header and rows"
        )
    if sep is None:
        sep = _separator(text, where=str(path))
        if sep != ",":
            told.append(f"cells are separated by {_SEPARATORS[sep]}")
    if len(sep) != 1:
        raise InputError(
            where=str(path),
            key="--sep",
            found=repr(sep),
            expected="one sign",
            cure="write ; or tab",
        )
    header, rows = _records(path, text, sep, told)
    check_header(header, where=str(path))
    cells = pd.DataFrame(rows, columns=header, dtype=str)
    texts = {cell.strip() for row in rows for cell in row}
    style = _style_of_texts(texts, dialect, is_doubtful=sep != ",")
    told += _told_of(style, dialect)
    return SourceTable(str(path), cells, style, tuple(told))


def _bytes_of(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            with gzip.open(io.BytesIO(content)) as stream:
                content = stream.read(_MOST_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise InputError(
            where=str(path),
            found="bytes that are no whole gzip file",
            expected="a packed table",
            cure="pack it again, or hand it over unpacked",
        ) from problem
    except OSError as problem:
        raise cannot_read(path, problem) from problem
    if len(content) > _MOST_BYTES:
        raise InputError(
            where=str(path),
            found=f"more than {_MOST_BYTES // 2**30} GiB of text",
            expected="a smaller table",
            cure="hand it over as Parquet, or in parts",
        )
    return content


def _decoded(path: Path, content: bytes, stated: str | None, told: list[str]) -> str:
    """The text of a file: by its stated encoding, its byte order mark, as UTF-8, or as
    Windows-1252, which has Latin-1 in it.
    """
    encoding = stated or _by_mark(content)
    try:
        text = content.decode(encoding)
    except LookupError as problem:
        raise InputError(
            where=str(path),
            key="--encoding",
            found=repr(stated),
            expected="an encoding, as utf-8 or latin-1",
            cure="correct the name",
        ) from problem
    except UnicodeDecodeError as problem:
        if stated or encoding != "utf-8-sig":
            raise _no_text(path, f"bytes that are no {stated or encoding}") from problem
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise _no_text(path, "bytes that are no text of a known encoding") from problem
        encoding = "Windows-1252 (Latin-1)"
    if "\x00" in text or _has_halves(text):
        raise _no_text(path, "bytes that are no text")
    if not stated and encoding != "utf-8-sig":
        told.append(f"the text is read as {encoding}")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _has_halves(text: str) -> bool:
    """Whether a text holds half of a character (a lone surrogate), which no file can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _by_mark(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(content) > 1 and content[:400:2].count(0) == 0 and 0 in content[1:2]:
        return "utf-16-le"
    return "utf-8-sig"


def _no_text(path: Path, found: str) -> InputError:
    return InputError(
        where=str(path),
        found=found,
        expected="a text file",
        cure="state its encoding (--encoding), or save it again as UTF-8",
    )


def _rows_of(text: str, sep: str) -> Iterable[tuple[int, list[str]]]:
    """Records that are not blank, with the line on which each ends."""
    reader = csv.reader(io.StringIO(text), delimiter=sep, strict=True)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _separator(text: str, *, where: str) -> str:
    """The sign that parts all looked-at records into as many cells as the header."""
    lengths: dict[str, list[int]] = {}
    for sep in _SEPARATORS:
        try:
            lengths[sep] = [len(row) for _, row in islice(_rows_of(text, sep), _N_LOOKED_AT)]
        except csv.Error:
            continue
    several = {sep: found for sep, found in lengths.items() if found and found[0] > 1}
    even = [sep for sep, found in several.items() if len(set(found)) == 1]
    if len(even) > 1:
        raise InputError(
            where=where,
            found=f"cells separated by {' or '.join(_SEPARATORS[sep] for sep in even)}",
            expected="one separator",
            cure="state it: --sep ';' for example",
        )
    if even:
        return even[0]
    return max(several, key=lambda sep: several[sep][0], default=",")


def _records(path: Path, text: str, sep: str, told: list[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows; :class:`InputError` names the first line of another length."""
    try:
        found = list(_rows_of(text, sep))
    except csv.Error as problem:
        raise InputError(
            where=str(path),
            found=f"quotes that do not close ({problem})",
            expected="text in pairs of quotes",
            cure="double the quotes inside a text",
        ) from problem
    header = [name.strip() for name in found[0][1]]
    rows = [row for _, row in found[1:]]
    _refuse_title(path, found, told)
    while (
        header
        and not header[-1]
        and all(not "".join(row[len(header) - 1 :]).strip() for row in rows)
    ):
        header.pop()
    for number, row in found[1:]:
        if "".join(row[len(header) :]).strip() or len(row) < len(header):
            raise InputError(
                where=str(path),
                key=f"line {number}",
                found=f"{len(row)} cells",
                expected=f"{len(header)} cells, as in the header",
                cure=f"complete the line, or put text that holds {sep!r} in quotes",
            )
    if blank := _n_blank(text, sep, len(found)):
        told.append(f"{blank} blank rows are left out")
    return header, [row[: len(header)] for row in rows]


def _refuse_title(path: Path, found: list[tuple[int, list[str]]], told: list[str]) -> None:
    """Refuse a first line that is no header: all lines below are longer; or a separator line that
    names a sign which parts none.
    """
    (number, first), below = found[0], found[1:]
    if _is_title(first, [row for _, row in below]):
        raise _title(path, f"line {number}", first)
    if any("is read as the separator" in sentence for sentence in told) and len(first) == 1:
        raise InputError(
            where=str(path),
            key="line 1",
            found=f"a separator line whose sign parts no cells of the header {first[0][:60]!r}",
            expected="the sign between the cells of this file",
            cure="correct or take out the line, or state the separator (--sep)",
        )


def _is_title(first: Sequence[object], below: Sequence[Sequence[object]]) -> bool:
    """Whether a first record has so few filled cells that it cannot name those below it."""
    n, fewest = _n_filled(first), min(map(_n_filled, below), default=0)
    return n <= _MOST_OF_TITLE and 2 * n <= fewest


def _n_filled(cells: Sequence[object]) -> int:
    return sum(cell is not None and bool(str(cell).strip()) for cell in cells)


def _title(path: Path, key: str, first: Sequence[object]) -> InputError:
    shown = " ".join(str(cell) for cell in first if cell is not None).strip()
    return InputError(
        where=str(path),
        key=key,
        found=f"{shown[:60]!r}, and many more cells in the lines below",
        expected="the names of the columns in the first line",
        cure="take out what stands above the header, or state the separator (--sep)",
    )


def _n_blank(text: str, sep: str, n_filled: int) -> int:
    """Rows without a filled cell; empty lines are no rows."""
    reader = csv.reader(io.StringIO(text), delimiter=sep, strict=True)
    return sum(1 for row in reader if row) - n_filled


def _style_of_texts(texts: set[str], dialect: Dialect, *, is_doubtful: bool = False) -> NumberStyle:
    """A decimal comma where cells can only be read with one and none only with a point. Where no
    cell tells, the mark is in doubt if it may be either (``is_doubtful``), as where cells are
    separated by another sign than commas.
    """
    if dialect.decimal is not None or dialect.thousands in (",", "."):
        return number_style(dialect)
    has_comma = any(map(_DECIMAL_COMMA.fullmatch, texts))
    has_point = any(map(_DECIMAL_POINT.fullmatch, texts))
    style = number_style(dialect, "," if has_comma and not has_point else ".")
    return replace(style, is_doubtful=is_doubtful and not has_comma and not has_point)


def _told_of(style: NumberStyle, dialect: Dialect) -> tuple[str, ...]:
    """That a decimal comma was found out."""
    is_found = style.decimal == "," and dialect.decimal is None and dialect.thousands != "."
    return ("numbers are read with a decimal comma",) if is_found else ()


# --- workbooks and files of other programs ---


def _read_workbook(path: Path, file: Path | io.BytesIO, dialect: Dialect) -> SourceTable:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except OSError as problem:
        raise cannot_read(path, problem) from problem
    except (InvalidFileException, BadZipFile, KeyError, ValueError) as problem:
        raise InputError(
            where=str(path),
            found="bytes that are no workbook",
            expected="an .xlsx file without a password",
            cure="save it again as .xlsx, or as CSV",
        ) from problem
    try:
        sheets = {sheet.title: _filled(sheet.iter_rows(values_only=True)) for sheet in book}
    finally:
        book.close()
    name, rows = _chosen_sheet(path, sheets, dialect.sheet)
    header = ["" if cell is None else str(cell).strip() for cell in rows[0]]
    while header and not header[-1] and all(row[len(header) - 1] is None for row in rows[1:]):
        header.pop()
    if _is_title(rows[0], rows[1:]):
        raise _title(path, f"sheet {name}, row 1", rows[0])
    check_header(header, where=f"{path}, sheet {name}")
    records = [row[: len(header)] for row in rows[1:]]
    cells = pd.DataFrame(records, columns=header, dtype=object).infer_objects()
    told = () if len(sheets) == 1 else (f"sheet {name!r} of {len(sheets)} is read",)
    return typed_table(str(path), cells, dialect, told)


def _filled(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for row in rows if any(cell is not None and str(cell).strip() for cell in row)]


def _chosen_sheet(
    path: Path, sheets: Mapping[str, list[tuple[Any, ...]]], stated: str | None
) -> tuple[str, list[tuple[Any, ...]]]:
    filled = [name for name, rows in sheets.items() if rows]
    wrong = stated is not None and stated not in filled
    if wrong or (stated is None and len(filled) != 1):
        raise InputError(
            where=str(path),
            key="--sheet",
            found=f"no filled sheet {stated!r}" if wrong else f"{len(filled)} filled sheets",
            expected=f"one of {', '.join(filled)}" if filled else "a sheet with a header and rows",
            cure="state the sheet with the patients: --sheet NAME" if filled else "fill it in",
        )
    name = stated or filled[0]
    return name, sheets[name]


def _not_whole(path: Path) -> InputError:
    return InputError(
        where=str(path),
        found="bytes that cannot be read",
        expected=f"a whole {path.suffix.lower()} file",
        cure="check the path, or write the file again",
    )


def _read_feather(path: Path) -> pd.DataFrame:
    try:
        table = pyarrow.feather.read_table(path, use_threads=False)
    except ValueError as problem:
        raise _not_whole(path) from problem
    except OSError as problem:
        raise (cannot_read(path, problem) if problem.strerror else _not_whole(path)) from problem
    check_header(table.column_names, where=str(path))
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, use_threads=False)
    return frame


def _read_statistics_file(path: Path) -> pd.DataFrame:
    """SAS (XPT, sas7bdat), SPSS and Stata; declared value labels stand for their codes."""
    try:
        import pyreadstat
    except ImportError as problem:
        raise InputError(
            where=str(path),
            found="a file of SAS, SPSS or Stata, and no pyreadstat",
            expected="the extra 'interop'",
            cure="install crsrisk[interop], or save the table as CSV",
        ) from problem
    readers: Mapping[str, Callable[..., Any]] = {
        ".xpt": pyreadstat.read_xport,
        ".sas7bdat": pyreadstat.read_sas7bdat,
        ".sav": pyreadstat.read_sav,
        ".dta": pyreadstat.read_dta,
    }
    kind = path.suffix.lower()
    options = {} if kind in (".xpt", ".sas7bdat") else {"apply_value_formats": True}
    if options:
        options["formats_as_category"] = False
    try:
        frame, _ = readers[kind](str(path), **options)
    except (pyreadstat.PyreadstatError, pyreadstat.ReadstatError) as problem:
        raise _not_whole(path) from problem
    except OSError as problem:
        raise cannot_read(path, problem) from problem
    check_header(frame.columns, where=str(path))
    return pd.DataFrame(frame)
