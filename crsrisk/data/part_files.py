"""Part files: a table in a folder of Parquet files, each written by whoever made its rows.

``part-000000.parquet`` holds the first rows, ``part-000001.parquet`` the next; together they are
the table. ``_manifest.json`` names each with its SHA-256 and is written last: a folder without it
is not finished. Until then ``_parts/`` holds what was asked for and a record of each finished part,
so that whoever goes on knows which parts stand. Names with ``_`` are passed over by programs that
read the folder as a data set.

The folder is on a disk that all workers see, or behind any address that fsspec opens
(``s3://bucket/cohort``).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from crsrisk.data.files import (
    read_parquet_cells,
    remove_leftovers,
    sha256_of,
    stream_parquet,
    write_beside,
)
from crsrisk.data.json_text import json_tree
from crsrisk.errors import InputError, OutputError
from crsrisk.results import to_plain

MANIFEST = "_manifest.json"
UNDER_WAY = "_parts"  # inside the folder, until it is finished
PLAN = f"{UNDER_WAY}/plan.json"


def part_file(number: int) -> str:
    """Name of a part.

    >>> part_file(12)
    'part-000012.parquet'
    """
    return f"part-{number:06d}.parquet"


def record_file(number: int) -> str:
    """Name of the record of a finished part, while others are not."""
    return f"{UNDER_WAY}/part-{number:06d}.json"


def is_address(place: str | Path) -> bool:
    """Whether a place is an address for fsspec, not a path.

    >>> is_address("s3://bucket/cohort"), is_address("my/cohort")
    (True, False)
    """
    return "://" in str(place)


class Folder:
    """A folder on disk, or behind an address: the little that part files need of it.

    Every file is written beside its place and renamed.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self._remote = _opened(self.place) if is_address(place) else None

    def __str__(self) -> str:
        return self.place

    @property
    def path(self) -> Path | None:
        """The folder on disk; None behind an address."""
        return None if self._remote else Path(self.place)

    def names(self, inside: str = "") -> dict[str, int]:
        """Files that stand in the folder, or in a folder in it, with their sizes in bytes."""
        if self._remote is None:
            here = Path(self.place, inside)
            return (
                {one.name: one.stat().st_size for one in here.iterdir() if one.is_file()}
                if here.is_dir()
                else {}
            )
        system, root = self._remote
        system.invalidate_cache()
        where = f"{root}/{inside}".rstrip("/")
        if not system.isdir(where):
            return {}
        return {
            str(one["name"]).rpartition("/")[2]: int(one["size"])
            for one in system.ls(where, detail=True)
            if one["type"] == "file"
        }

    def exists(self) -> bool:
        """Whether anything stands there."""
        if self._remote is None:
            return Path(self.place).exists()
        system, root = self._remote
        system.invalidate_cache()
        return bool(system.exists(root))

    def read(self, name: str) -> bytes | None:
        """The bytes of a small file; None where there is none."""
        try:
            if self._remote is None:
                return Path(self.place, name).read_bytes()
            system, root = self._remote
            return bytes(system.cat_file(f"{root}/{name}"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def reading(self, name: str) -> BinaryIO:
        """A stream of the bytes of a file, which may be gone to any place of it."""
        if self._remote is None:
            return Path(self.place, name).open("rb")
        system, root = self._remote
        stream: BinaryIO = system.open(f"{root}/{name}", "rb")
        return stream

    def sha256(self, name: str) -> str | None:
        """SHA-256 of a file; None where there is none."""
        if self._remote is None:
            place = Path(self.place, name)
            return sha256_of(place) if place.is_file() else None
        system, root = self._remote
        try:
            with system.open(f"{root}/{name}", "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            return None

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A stream into a file, which takes its place when the body has ended well."""
        if self._remote is None:
            with write_beside(Path(self.place, name)) as beside, beside.open("wb") as stream:
                yield stream
            return
        system, root = self._remote
        folder, _, last = f"{root}/{name}".rpartition("/")
        beside_it = f"{folder}/.{last}.{secrets.token_hex(4)}.part"
        try:
            system.makedirs(folder, exist_ok=True)
            with system.open(beside_it, "wb") as stream:
                yield stream
            system.mv(beside_it, f"{folder}/{last}")
        except OSError as problem:
            raise OutputError(
                where=self.place,
                found=str(problem) or type(problem).__name__,
                expected="an address that can be written",
                cure="check the address and the rights to it",
            ) from problem
        finally:
            if system.exists(beside_it):
                system.rm_file(beside_it)

    def write_json(self, name: str, tree: object) -> None:
        """Write plain values as JSON, the same bytes always."""
        text = json.dumps(to_plain(tree), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        with self.writing(name) as stream:
            stream.write(text.encode("utf-8"))

    def remove(self, names: Iterable[str]) -> None:
        """Take files away; what is not there is passed over."""
        if self._remote is None:
            remove_leftovers(Path(self.place, name) for name in names)
            return
        system, root = self._remote
        for name in names:
            if system.exists(f"{root}/{name}"):
                system.rm(f"{root}/{name}", recursive=True)


def _opened(address: str) -> tuple[Any, str]:
    """The file system behind an address, and the path in it."""
    trouble = {"where": address, "expected": "an address that fsspec opens"}
    try:
        import fsspec
    except ImportError as problem:
        raise InputError(
            **trouble, found="no fsspec", cure="install crsrisk[dask], or name a folder on disk"
        ) from problem
    try:
        system, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as problem:
        raise InputError(
            **trouble, found=str(problem), cure="install what it names, or correct the address"
        ) from problem
    return system, str(root).rstrip("/")


@dataclass(frozen=True)
class Part:
    """A finished part: its file, the digest of its bytes, how many there are, and its rows."""

    file: str
    sha256: str
    n_bytes: int
    n_rows: int


class _Counted:
    """A stream that takes the digest of what goes through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.n_bytes = 0
        self.closed = False

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.n_bytes += len(content)
        return self._stream.write(content)

    def tell(self) -> int:
        return self.n_bytes

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self.closed = True


def write_part(folder: Folder, number: int, frames: Iterable[pd.DataFrame]) -> Part:
    """Write one part of a table from a stream of frames, in the memory of one of them."""
    name = part_file(number)
    with folder.writing(name) as stream:
        counted = _Counted(stream)
        n_rows = stream_parquet(counted, frames)
    return Part(name, counted.digest.hexdigest(), counted.n_bytes, n_rows)


def listed_parts(folder: str | Path) -> tuple[list[Path], Mapping[str, Any]] | None:
    """The files of a finished table in a folder, in order, and its manifest; None for a folder that
    holds no such table.

    Raises
    ------
    InputError
        Where it is not finished, or a part is not there or of another size than it was.
    """
    here = Folder(folder)
    packed = here.read(MANIFEST)
    if packed is None:
        if here.read(PLAN) is None:
            return None
        raise InputError(
            where=str(folder),
            found="a table of which not all parts are written",
            expected=f"all parts, and {MANIFEST}",
            cure="run the command that writes it again: it goes on where it stopped",
        )
    try:
        tree = json_tree(packed.decode("utf-8"))
        parts = [Part(**part) for part in tree["parts"]]
        if [part.file for part in parts] != [part_file(number) for number in range(len(parts))]:
            raise ValueError("other names than those of parts")
    except (ValueError, KeyError, TypeError) as problem:
        raise InputError(
            where=f"{folder}/{MANIFEST}",
            found=type(problem).__name__,
            expected="the manifest that was written with the parts",
            cure="write the table again",
        ) from problem
    standing = here.names()
    if wrong := [part.file for part in parts if standing.get(part.file) != part.n_bytes]:
        raise InputError(
            where=str(folder),
            key=wrong[0],
            found=f"{len(wrong)} of {len(parts)} parts missing or of another size",
            expected="the parts that the manifest names",
            cure="copy the folder whole, or write the table again",
        )
    return [Path(folder, part.file) for part in parts], tree


def read_parts(folder: str | Path) -> pd.DataFrame:
    """All rows of a finished table, in memory.

    Raises
    ------
    InputError
        For a folder that holds no such table, or not all of it.
    """
    found = listed_parts(folder)
    if found is None:
        raise InputError(
            where=str(folder),
            found="a folder without a table in parts",
            expected=f"a file, or a folder that `crsrisk simulate --part-size` wrote ({MANIFEST})",
            cure="name the file",
        )
    here = Folder(folder)
    frames = []
    for file in found[0]:
        with here.reading(file.name) as stream:
            frames.append(read_parquet_cells(file, stream.read()))
    return pd.concat(frames, ignore_index=True)


def are_unchanged(folder: str | Path) -> bool:
    """Whether every part of a finished table still has the digest of its manifest."""
    found = listed_parts(folder)
    if found is None:
        return False
    files, tree = found
    here = Folder(folder)
    return all(
        here.sha256(file.name) == part["sha256"]
        for file, part in zip(files, tree["parts"], strict=True)
    )
