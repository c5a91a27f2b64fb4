"""Headers: what the columns of a user's table stand for, and in which unit; a unit is never
guessed. Beside a quantity may stand its unit, its upper limit and the time at which it was taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from crsrisk.data.table_reading import TableReading
from crsrisk.errors import InputError, shortened
from crsrisk.fields import FIELDS, Field, columns_of
from crsrisk.units import accepts_unit, unit_key

SEX_COLUMNS = frozenset({"sex", "gender", "geschlecht"})
_LONGEST_NAME = 1000
_N_NAMED = 12  # columns in a message
UNIT_WORDS = ("unit", "units", "uom", "einheit")
LIMIT_WORDS = (
    *("upperlimit", "upperlimitofnormal", "uln", "upperreferencelimit", "upperreference"),
    *("refhigh", "refupper", "referencehigh", "anrhi", "nrhi", "normhigh", "normalhigh"),
    "obergrenze",
)
_LIMIT_WORDS = tuple(word + unit for word in LIMIT_WORDS for unit in ("", "ul", "iul", "ukatl"))
TIME_WORDS = frozenset(
    {"time", "date", "datetime", "timestamp", "drawn", "collected", "sampled", "taken"}
    | {"datum", "uhrzeit", "zeitpunkt", "abnahme", "abnahmedatum", "abnahmezeitpunkt", "dtc", "dtm"}
)
HOURS = frozenset({"h", "hour", "hours", "stunde", "stunden"})
DAYS = frozenset({"d", "day", "days", "tag", "tage"})
MINUTES = frozenset({"min", "minutes", "minuten"})
_CLOCK_WORDS = HOURS | DAYS | MINUTES
AFTER_WORDS = frozenset({"after", "since", "from", "post", "relative", "nach"})
BEFORE_WORDS = frozenset({"before", "prior", "pre", "until", "to", "vor"})
_SAMPLE_WORDS = frozenset(
    {"sample", "sampling", "lab", "labs", "blood", "bloods", "specimen", "collection", "labor"}
)
_DOSE_WORDS = frozenset({"dose", "infusion", "dosing", "dosis", "administration"})
_DOSE_TIMES = frozenset(  # of one word
    {"infusionsdatum", "infusionszeitpunkt", "dosisdatum", "dosiszeitpunkt"}
    | {"c1d1", "c1d1date", "trtsdt", "trtsdtm", "rfxstdtc"}
)
_START_WORDS = frozenset({"start", "started", "begin"})
_FIRST_WORDS = frozenset({"first", "1", "1st", "c1d1", "erste", "ersten"})
_OTHER_DOSE_WORDS = frozenset({"last", "previous", "prior", "second", "2", "3", "end", "stop"})
_BRACKETED = re.compile(r"(.*?)\s*[\[(]\s*(.+?)\s*[\])]\s*")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the file (``found``) that stands for a column of the field table.

    ``unit``: its unit, "" where only ``unit_column`` says it, row by row. ``limit_column``: the
    upper limit of normal by row, in ``limit_unit`` ("" = the value's). ``time_column``: when it was
    taken. ``is_sex``: letters of sex for the column is_female.
    """

    found: str
    name: str
    unit: str
    is_sex: bool = False
    unit_column: str | None = None
    limit_column: str | None = None
    limit_unit: str = ""
    time_column: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Recognised:
    """The columns of a file by what they stand for. ``unused``: those that stand for nothing here;
    ``ignored``: those that are not read because that was stated.
    """

    columns: Mapping[str, Column]
    dose_time: str | None
    unused: tuple[str, ...]
    ignored: tuple[str, ...]


def plain_header(text: str) -> str:
    """Letters and digits of a header, in small letters."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("μ", "u").replace("%", "pct")
    return re.sub(r"[^a-z0-9]", "", text)


def spellings(fields: Iterable[Field]) -> dict[str, tuple[str, str | None]]:
    """Every way to write a column's name, without punctuation -> the column and the unit that it
    states, if any.
    """
    known: dict[str, tuple[str, str | None]] = {}
    for column in fields:
        for word in (column.quantity, column.label) if column.unit != "1" else (column.quantity,):
            known[plain_header(word)] = (column.name, None)
            for unit in column.accepted_units:
                known[plain_header(word) + plain_header(unit)] = (column.name, unit)
        known[plain_header(column.name)] = (
            column.name,
            column.unit if column.unit != "1" else None,
        )
    return known


OBSERVED = {name: FIELDS[name] for name in columns_of("observed")}


class _Headers:
    """The header of a file, being recognised."""

    def __init__(
        self,
        header: list[str],
        *,
        where: str,
        how: TableReading,
        fields: Mapping[str, Field],
        needed: Collection[str],
    ) -> None:
        self.header, self.where, self.how, self.fields = header, where, how, fields
        self.needed = needed
        self.known = spellings(fields.values())
        self.used: set[str] = set()  # keys of units that applied

    def bad(self, key: str, found: str, expected: str, cure: str) -> InputError:
        return InputError(where=self.where, key=key, found=found, expected=expected, cure=cure)

    def one(self, found: str, *, has_unit_column: bool) -> Column | None:
        """The column that a header stands for, or None."""
        text = self.how.rename.get(found, found)
        if text.strip().casefold() in SEX_COLUMNS and "is_female" in self.fields:
            return Column(found=found, name="is_female", unit="1", is_sex=True)
        bracket = _BRACKETED.fullmatch(text)
        base, stated = (bracket.group(1), bracket.group(2)) if bracket else (text, None)
        if plain_header(base) not in self.known:
            return None
        name, unit = self.known[plain_header(base)]
        column = self.fields[name]
        keys = [key for key in (found, name, column.quantity) if key in self.how.units]
        self.used.update(keys)
        for other in (stated, *(self.how.units[key] for key in keys)):
            if other is not None:
                unit = self.unit(found, column, unit, other)
        if unit is None and column.unit != "1" and not has_unit_column:
            if name not in self.needed:
                return None
            ways = ", ".join(f"--unit '{found}={one}'" for one in column.accepted_units)
            raise self.bad(
                found,
                "a quantity without a unit",
                " or ".join(column.spellings),
                f"ask the laboratory for its unit, and state it: {ways}",
            )
        return Column(found=found, name=name, unit=unit or ("1" if column.unit == "1" else ""))

    def unit(self, found: str, column: Field, unit: str | None, other: str) -> str:
        if not accepts_unit(column, other):
            raise self.bad(
                found,
                f"the unit {other!r}",
                " or ".join(column.accepted_units),
                "convert the values, or correct the unit",
            )
        if unit is not None and unit_key(unit) != unit_key(other):
            raise self.bad(
                found,
                f"two units, {unit} and {other}",
                "one unit",
                "correct the column name or the unit stated beside it",
            )
        return other

    def base_of(self, found: str, words: Collection[str]) -> str | None:
        """The column whose quantity a header names before (or after) one of the words."""
        text = plain_header(self.how.rename.get(found, found))
        for word in sorted(words, key=len, reverse=True):
            for rest in (text.removesuffix(word), text.removeprefix(word)):
                if rest != text and rest in self.known:
                    return self.known[rest][0]
        return None

    def beside(self, words: Collection[str]) -> dict[str, str]:
        """Columns that say something of another one: by column, the header that says it."""
        found: dict[str, str] = {}
        for header in self.header:
            name = self.base_of(header, words)
            if name is not None and not self.is_quantity(header):
                found.setdefault(name, header)
        return found

    def is_quantity(self, header: str) -> bool:
        """Whether a header names a quantity itself, with its unit in brackets or not."""
        text = self.how.rename.get(header, header)
        bracket = _BRACKETED.fullmatch(text)
        base = bracket.group(1) if bracket else text
        return plain_header(base) in self.known or plain_header(text) in self.known

    def times(self) -> tuple[dict[str, str], str | None]:
        """Columns that say when a quantity was taken ("" for every one), and the time of the
        dose.
        """
        times: dict[str, str] = {}
        dose = dose_time_column(self.header, self.how)
        for header in self.header:
            parts = header_parts(self.how.rename.get(header, header))
            words = set(parts)
            name = self._timed(parts)
            is_clock = bool(_CLOCK_WORDS & words) and (
                bool((AFTER_WORDS | BEFORE_WORDS) & words)
                or (name is not None and not any(part.isdigit() for part in parts))
            )
            if name is None or self.is_quantity(header) or header in dose:
                continue
            if TIME_WORDS & words or is_clock:
                times.setdefault(name, header)
        if len(dose) > 1 and times:
            raise self.bad(
                ", ".join(dose),
                "several columns that may hold the time of the first dose",
                "one",
                f"say which it is: {' or '.join(f'--dose-time {name!r}' for name in dose)}",
            )
        return times, dose[0] if len(dose) == 1 else None

    def _timed(self, parts: list[str]) -> str | None:
        """The column that the words before a word of time name; "" for samples in general."""
        for end in range(len(parts), 0, -1):
            for text in ("".join(parts[:end]), "".join(parts[-end:])):
                if text in self.known:
                    name = self.known[text][0]
                    return name if self.fields[name].kind == "float" else None
        return "" if _SAMPLE_WORDS & set(parts) else None


def dose_time_column(header: Iterable[str], how: TableReading) -> tuple[str, ...]:
    """Columns that may hold the time of the first dose: the one that is stated, else the only one
    whose name says "first", else all whose names say the time of a dose.

    >>> dose_time_column(["last_dose_date", "crp"], TableReading())
    ()
    >>> dose_time_column(["dose_date", "first_dose_time"], TableReading())
    ('first_dose_time',)
    """
    if how.dose_time is not None:
        return (how.dose_time,)
    found = {}
    for name in header:
        text = how.rename.get(name, name)
        words = {*header_parts(text), plain_header(text)}
        is_dose = bool(_DOSE_WORDS & words) and bool((TIME_WORDS | _START_WORDS) & words)
        is_other = bool(words & (AFTER_WORDS | BEFORE_WORDS | _OTHER_DOSE_WORDS))
        if (is_dose or _DOSE_TIMES & words) and not is_other:
            found[name] = words
    first = tuple(name for name, words in found.items() if words & _FIRST_WORDS)
    return first if len(first) == 1 else tuple(found)


def header_parts(text: str) -> list[str]:
    """The words of a header in small letters: ``doseTime [h]`` is dose, time, h."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).casefold()
    return [part for part in re.split(r"[^a-z0-9]+", text) if part]


def recognise(
    header: list[str],
    *,
    where: str,
    how: TableReading,
    fields: Mapping[str, Field] | None = None,
    needed: Collection[str] | None = None,
) -> Recognised:
    """The columns of the field table that a file's ``header`` has, by name.

    ``fields``: the columns that are looked for, those of the observed table when left out.
    ``needed``: those whose unit must be known, all when left out; others without one stay unused.
    Raises :class:`InputError` for a quantity without a unit, with two, or given twice, for a column
    of units or limits that would not be read, for units, codes and names of no column, and for a
    name that is no name by its length.
    """
    fields = OBSERVED if fields is None else fields
    for text in header:
        if len(text) > _LONGEST_NAME:
            raise InputError(
                where=where,
                key=shortened(text, most=40),
                found=f"the name of a column with {len(text)} characters",
                expected=f"names of at most {_LONGEST_NAME} characters",
                cure="check that it is the right file, and how its lines and cells are divided",
            )
    kept = [name for name in header if name not in how.ignore]
    check_stated(header, how, where=where)
    headers = _Headers(
        kept, where=where, how=how, fields=fields, needed=fields if needed is None else needed
    )
    units, limits = headers.beside(UNIT_WORDS), headers.beside(_LIMIT_WORDS)
    times, dose = headers.times()
    columns: dict[str, Column] = {}
    aside = {*units.values(), *limits.values(), *times.values(), dose}
    for found in kept:
        if found in aside:
            continue
        name = headers.base_of(f"{how.rename.get(found, found)}unit", UNIT_WORDS)
        column = headers.one(found, has_unit_column=name in units)
        if column is None and found in how.rename:
            raise headers.bad(
                found,
                f"a mapping to {how.rename[found]!r}",
                "a column of the data dictionary",
                "correct the mapping",
            )
        if column is None:
            continue
        if column.name in columns:
            raise headers.bad(
                found,
                f"{column.name} a second time, beside {columns[column.name].found}",
                "each quantity once",
                f"say which one is not read: --ignore '{found}' for example",
            )
        columns[column.name] = _with_neighbours(column, fields, units, limits, times)
    _check_units_used(headers)
    _check_beside(headers, columns, units, limits)
    used = {
        name
        for column in columns.values()
        for name in (column.found, column.unit_column, column.limit_column, column.time_column)
    } | {dose}
    return Recognised(
        columns=columns,
        dose_time=dose,
        unused=tuple(name for name in kept if name not in used),
        ignored=tuple(name for name in header if name in how.ignore),
    )


def _with_neighbours(
    column: Column,
    fields: Mapping[str, Field],
    units: Mapping[str, str],
    limits: Mapping[str, str],
    times: Mapping[str, str],
) -> Column:
    name, field = column.name, fields[column.name]
    limit = limits.get(name)
    is_sample = field.kind == "float" and field.usual is not None
    time = times.get(name) or (times.get("") if is_sample else None)
    stated = plain_header(limit or "")
    limit_unit = "ukat/L" if stated.endswith("ukatl") else "U/L" if stated.endswith("ul") else ""
    return replace(
        column,
        unit_column=units.get(name),
        limit_column=limit,
        limit_unit=limit_unit,
        time_column=time,
    )


def check_stated(header: Collection[str], how: TableReading, *, where: str) -> None:
    """Refuse statements on columns that the file has not."""
    stated = [
        ("--rename", list(how.rename), "file's name on the left, our name on the right"),
        ("--ignore", list(how.ignore), "correct the name"),
        ("--dose-time", [how.dose_time] if how.dose_time else [], "correct the name"),
    ]
    for option, names, cure in stated:
        for name in names:
            if name not in header:
                raise InputError(
                    where=where,
                    key=str(name),
                    found="no such column",
                    expected="a column of the file",
                    cure=f"correct {option}: {cure}" if option == "--rename" else cure,
                )


def _check_units_used(headers: _Headers) -> None:
    for name in headers.how.units:
        if name not in headers.used:
            raise headers.bad(
                name,
                "a unit for a column that is not there",
                "a column of the file",
                "correct the name",
            )


def _check_beside(
    headers: _Headers,
    columns: Mapping[str, Column],
    units: Mapping[str, str],
    limits: Mapping[str, str],
) -> None:
    """A column of units or limits beside no column that is read would be overlooked."""
    for kind, beside in (("units", units), ("upper limits", limits)):
        for name, found in beside.items():
            if name not in columns:
                raise headers.bad(
                    found,
                    f"a column of {kind} without the column {name}",
                    f"the values that it belongs to, as {headers.fields[name].quantity}",
                    "name the column of the values, or say that it is not read:"
                    f" --ignore '{found}'",
                )


def statement_for(column: Column, table: Mapping[str, object], quantity: str) -> object | None:
    """What is stated for a column by its name in the file, its name here, or its quantity."""
    for key in (column.found, column.name, quantity):
        if key in table:
            return table[key]
    if column.is_sex and "sex" in table:
        return table["sex"]
    return table.get("")


def missing_columns(
    required: Iterable[str],
    columns: Collection[str],
    *,
    fields: Mapping[str, Field],
    unused: Iterable[str],
    where: str,
) -> InputError | None:
    """All required columns that are not there as one error, or None."""
    missing = [name for name in required if name not in columns]
    if not missing:
        return None
    first = fields[missing[0]]
    others = f"; also missing: {', '.join(missing[1:])}" if missing[1:] else ""
    others_there = list(unused)
    free = ", ".join(shortened(name, most=40) for name in others_there[:_N_NAMED])
    if len(others_there) > _N_NAMED:
        free += f" and {len(others_there) - _N_NAMED} more"
    perhaps = f"; columns that stand for nothing here: {free}" if free else ""
    return InputError(
        where=where,
        key=first.name,
        found=f"no such column{others}",
        expected=" or ".join(first.spellings),
        cure=(
            "name the column that holds it (--rename YOURS=OURS, with its unit), or add it with"
            f" empty cells where it is not known{perhaps}"
        ),
    )
