"""Quantities: a column of numbers with its unit, its limit and its time, each by row if need be,
in the unit of the field table; what cannot be used is NaN and noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.account import Note, NoteKind
from crsrisk.data.cells import (
    BadCell,
    CellRules,
    Floats,
    Parsed,
    expected_words,
    or_empty,
    parse,
    texts_of,
)
from crsrisk.data.columns import (
    AFTER_WORDS,
    BEFORE_WORDS,
    DAYS,
    HOURS,
    MINUTES,
    Column,
    header_parts,
    statement_for,
)
from crsrisk.data.table_account import Account
from crsrisk.data.table_files import SourceTable, number_in
from crsrisk.data.table_reading import TableReading
from crsrisk.data.times import hours_between, read_moments, require_one_clock
from crsrisk.data.whole_columns import (
    CODE_LIKE,
    FEWEST_SUSPECT,
    MOSTLY,
    shown,
    shown_range,
)
from crsrisk.data.written_numbers import NUMBER
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, Field
from crsrisk.units import accepts_unit, convert_column, is_limited, likely_units, unit_key


@dataclass(frozen=True, eq=False)
class Table:
    """What every column of a file is read with."""

    source: SourceTable
    how: TableReading
    account: Account
    dose_time: str | None = None

    def rules(self, column: Column, field: Field) -> CellRules:
        """What is stated about the cells of a column."""
        missing = (
            *self.how.missing.get("", ()),
            *(statement_for(column, {**self.how.missing, "": ()}, field.quantity) or ()),  # type: ignore[misc]
        )
        codes = statement_for(column, self.how.codes, field.quantity) or {}
        censored = statement_for(column, self.how.censored, field.quantity) or "refuse"
        return CellRules(
            missing=frozenset(str(text).casefold() for text in missing),
            codes=codes,  # type: ignore[arg-type]
            censored=censored,  # type: ignore[arg-type]
            style=self.source.style,
        )

    def texts(self, found: str) -> list[str]:
        """The cells of a column as text."""
        return texts_of(self.source.cells[found])


def read_quantity(table: Table, found: Column, field: Field) -> Floats:
    """Every value of a column in the field's unit; NaN where missing, refused or left out."""
    cells, account = table.source.cells[found.found], table.account
    read = parse(cells, field, table.rules(found, field))
    note_unread(table, found, field, read)
    raw = np.where(read.is_bad, np.nan, read.values).astype(np.float64)
    units = _units(table, found, field, read, raw)
    raw = np.where(units == "", np.nan, raw)
    raw = _without_later(table, found, field, raw)
    values = _converted(table, found, field, raw, units)
    low, high = field.possible or (-np.inf, np.inf)
    refused = (values < low) | (values > high)
    for row in np.flatnonzero(refused):
        account.note(
            int(row) + 1,
            field.name,
            "refused",
            shown(raw[row], units[row]),
            shown_range(low, high, field),
            _range_cure(field, float(raw[row]), str(units[row]), found.found),
        )
    values = np.where(refused, np.nan, values)
    _note_conversion(table, found, field, raw=raw, values=values, units=units, read=read)
    low, high = field.plausible or (-np.inf, np.inf)
    for row in np.flatnonzero((values < low) | (values > high)):
        account.notes.append(unusual(int(row) + 1, float(values[row]), field))
    account.whole.see(field, values=values, raw=raw)
    return values


def unusual(row: int, value: float, field: Field) -> Note:
    """That a value lies outside what is plausible, and is used as it is."""
    low, high = field.plausible or (-np.inf, np.inf)
    return Note(
        row,
        field.name,
        "warned",
        shown(value, field.unit),
        f"usually {shown_range(low, high, field)}",
        "check the value; it is used as it is",
    )


# --- cells that cannot be read ---


def note_unread(table: Table, found: Column, field: Field, read: Parsed) -> None:
    """Note every cell that cannot be read, and every one that is missing.

    A value that may be missing costs its cell alone, unless it can be read in two ways or most of
    the column cannot be read: then something is wrong with the column.
    """
    expected = expected_words(field, is_sex=found.is_sex)
    texts = table.texts(found.found)
    n_filled = int(np.sum(~read.missing))
    n_unreadable = sum(bad.loss == "unreadable" for bad in read.bad.values())
    is_other = n_unreadable > MOSTLY * n_filled and n_unreadable >= FEWEST_SUSPECT
    for row, bad in sorted(read.bad.items()):
        kind = _loss(bad, field, is_other=is_other or table.how.refuse_unreadable)
        name = found.found if found.is_sex else field.name
        table.account.note(row + 1, name, kind, repr(texts[row]), expected, bad.cure)
    for row in np.flatnonzero(read.missing).tolist():
        table.account.note(
            row + 1, field.name, "missing", texts[row], expected, "enter it if it is known"
        )


def _loss(bad: BadCell, field: Field, *, is_other: bool) -> NoteKind:
    if bad.loss == "censored":
        return "left out"
    is_one_cell = bad.loss == "unreadable" and field.kind == "float" and field.may_be_missing
    return "left out" if is_one_cell and not is_other else "refused"


# --- units ---


def _units(
    table: Table, found: Column, field: Field, read: Parsed, raw: Floats
) -> NDArray[np.object_]:
    """The unit of every value: of the header, of the column beside it, or of the cell itself; ""
    where there is none, or where they contradict.
    """
    units = np.full(len(raw), found.unit, dtype=object)
    if found.unit_column is None and not read.units:
        return units
    beside = [""] * len(raw) if found.unit_column is None else table.texts(found.unit_column)
    for row in np.flatnonzero(~np.isnan(raw)).tolist():
        stated = [text for text in (found.unit, beside[row], read.units.get(row, "")) if text]
        column = found.unit_column or field.name
        strange = [text for text in stated if not accepts_unit(field, text)]
        if strange or not stated or len({unit_key(text) for text in stated}) > 1:
            table.account.note(
                int(row) + 1,
                column,
                "refused",
                f"the unit {strange[0]!r}"
                if strange
                else " and ".join(stated) or f"no unit of {shown(raw[row], '')}",
                f"one unit of {field.name}: {' or '.join(field.accepted_units)}",
                _unit_cure(found, stated),
            )
            units[row] = ""
        else:
            units[row] = stated[-1]
    return units


def _unit_cure(found: Column, stated: list[str]) -> str:
    if found.unit and found.unit_column is not None and len(stated) > 1:
        return (
            f"say which is right: if the column {found.unit_column} is, name the other one without"
            f" its unit (--rename '{found.found}=...'); if the name is, leave the column of units"
            f" out (--ignore '{found.unit_column}')"
        )
    return "correct the unit of the row by the laboratory's report"


def _converted(
    table: Table, found: Column, field: Field, raw: Floats, units: NDArray[np.object_]
) -> Floats:
    values = np.full(len(raw), np.nan)
    limits: Floats | None = None
    for unit in dict.fromkeys(str(one) for one in units if one):
        rows = (units == unit) & ~np.isnan(raw)
        if not is_limited(field, unit):
            with np.errstate(over="ignore"):  # an overflow is infinite, and refused as impossible
                values[rows] = convert_column(raw[rows], field, unit=unit)
            continue
        if limits is None:
            limits = upper_limits(table, found, field, unit)
        lacking = rows & np.isnan(limits)
        for row in np.flatnonzero(lacking):
            table.account.note(
                int(row) + 1,
                field.name,
                "refused",
                f"{raw[row]:g} {unit} without an upper limit",
                f"the laboratory's upper limit in {field.quantity}_upper_limit_u_l",
                "fill in the upper limit that the laboratory states",
            )
        there = rows & ~lacking
        with np.errstate(over="ignore"):
            values[there] = convert_column(
                raw[there], field, unit=unit, upper_limit_u_l=limits[there]
            )
    return values


def limit_field(field: Field) -> Field:
    """The field of the upper limit of a quantity."""
    return FIELDS.get(f"{field.quantity}_upper_limit_u_l", _ALT_LIMIT)


_ALT_LIMIT = Field(
    name="alt_upper_limit_u_l",
    label="Upper limit of ALT",
    quantity="alt_upper_limit",
    unit="U/L",
    meaning="Upper limit of normal of ALT in the laboratory that measured it",
    role="input",
    table="input",
    possible=(5, 200),
    plausible=(10, 80),
    source="laboratory report; ranges assumed",
)


def upper_limits(table: Table, found: Column, field: Field, unit: str) -> Floats:
    """The upper limit of every row in U/L (NaN = none): of its column, else of the option."""
    rule = limit_field(field)
    option = getattr(table.how, rule.name)
    low, high = rule.possible or (0.0, np.inf)
    if option is not None and not low <= option <= high:
        raise InputError(
            where=table.source.where,
            key=rule.name,
            found=f"{option:g}",
            expected=f"{low:g} to {high:g} U/L",
            cure="correct the upper limit",
        )
    if found.limit_column is None:
        if option is None:
            raise InputError(
                where=table.source.where,
                key=found.found,
                found=f"{field.quantity.upper()} in {unit} without the upper limit of normal",
                expected=f"a column {rule.name}, or one limit for the whole table",
                cure="add the upper limit of the laboratory that measured it"
                f" (--{field.quantity}-upper-limit LIMIT)",
            )
        return np.full(table.source.cells.shape[0], float(option))
    column = Column(found=found.limit_column, name=rule.name, unit="U/L")
    read = parse(table.source.cells[found.limit_column], rule, table.rules(column, rule))
    limits = convert_limit(np.where(read.is_bad, np.nan, read.values), found.limit_unit or unit)
    for row in sorted({*read.bad, *np.flatnonzero((limits < low) | (limits > high)).tolist()}):
        table.account.note(
            row + 1,
            rule.name,
            "refused",
            repr(table.texts(found.limit_column)[row]),
            f"{low:g} to {high:g} U/L",
            "correct the upper limit by the laboratory's report",
        )
        limits[row] = np.nan
    return limits if option is None else np.where(np.isnan(limits), option, limits)


def convert_limit(limits: Any, unit: str) -> Floats:
    """Upper limits of enzymes in U/L."""
    factor = 60.0 if unit_key(unit) == unit_key("ukat/L") else 1.0
    return np.asarray(limits, dtype=np.float64) * factor


def _range_cure(field: Field, raw: float, unit: str, header: str) -> str:
    """What to do about an impossible value: most often the unit is another."""
    if CODE_LIKE.fullmatch(f"{raw:g}"):
        return (
            f"if {raw:g} stands for a missing value, declare it (--missing {field.name}={raw:g});"
            f" else correct the value{or_empty(field)}"
        )
    low, high = field.plausible or (np.inf, -np.inf)
    likely = list(likely_units(field, raw))
    if unit_key(unit) != unit_key(field.unit) and low <= raw <= high:
        likely.insert(0, field.unit)
    likely = [one for one in likely if unit_key(one) != unit_key(unit)]
    if likely:
        names = " or ".join(
            field.name if one == field.unit else f"'{field.quantity} [{one}]'" for one in likely
        )
        return (
            f"{raw:g} looks like {' or '.join(likely)}: if the whole column is, name it {names}"
            f" (--rename '{header}=...'); else correct the value{or_empty(field)}"
        )
    return f"correct the value{or_empty(field)}"


def _note_conversion(
    table: Table,
    found: Column,
    field: Field,
    *,
    raw: Floats,
    values: Floats,
    units: NDArray[np.object_],
    read: Parsed,
) -> None:
    for row, how in sorted(read.replaced.items()):
        if not np.isnan(values[row]):
            text = table.texts(found.found)[row]
            table.account.note(
                row + 1,
                field.name,
                "converted",
                text,
                field.unit,
                f"read as {how}: {values[row]:g}",
            )
    other = np.array([bool(unit) and unit_key(unit) != unit_key(field.unit) for unit in units])
    there = other & ~np.isnan(values)
    if not there.any():
        return
    others = list(dict.fromkeys(str(unit) for unit in units[there]))
    if all(_is_same_number(field, unit) for unit in others):  # ng/mL and ug/L
        names = " and ".join(others)
        table.account.note(
            0,
            field.name,
            "converted",
            f"{found.found}, in {names}",
            field.unit,
            "none needed: the same number",
        )
        return
    for row in np.flatnonzero(there).tolist():
        table.account.note(
            row + 1,
            field.name,
            "converted",
            f"{raw[row]:g} {units[row]}",
            field.unit,
            f"none needed: read as {values[row]:g} {field.unit}",
        )


def _is_same_number(field: Field, unit: str) -> bool:
    numbers = np.array([1.0, 2.0])
    return not is_limited(field, unit) and np.array_equal(
        convert_column(numbers, field, unit=unit), numbers
    )


# --- times ---


def _without_later(table: Table, found: Column, field: Field, raw: Floats) -> Floats:
    """Values taken after the dose are no baseline: they are left out, by row."""
    if found.time_column is None:
        return raw
    hours = _hours_after_dose(table, found.time_column)
    if hours is None:
        return raw
    after = hours > 0.0
    for row in np.flatnonzero(after):
        table.account.note(
            int(row) + 1,
            field.name,
            "left out",
            f"{found.time_column}: taken {hours[row]:g} h after the dose",
            "a value from before the dose, or at it",
            "enter the last value before the dose; a later one is no baseline",
        )
    return np.where(after, np.nan, raw)


def _hours_after_dose(table: Table, column: str) -> Floats | None:
    """Hours from the dose to the sample, NaN where not known; None where the column cannot tell."""
    words = set(header_parts(column))
    factor = next((hours for of, hours in _HOURS_OF if of & words), None)
    side = 1.0 if AFTER_WORDS & words else -1.0 if BEFORE_WORDS & words else 0.0
    cells = table.source.cells[column]
    texts = [text for text in texts_of(cells) if text]
    are_numbers = bool(texts) and all(NUMBER.fullmatch(text) for text in texts)
    numbers = [number_in(cell, table.source.style) for cell in cells] if are_numbers else []
    doubt = "" if not are_numbers else _doubt(words, factor, side, numbers)
    if are_numbers and not doubt:
        return np.array(numbers) * (factor or 1.0) * (side or 1.0)
    if are_numbers or table.dose_time is None:
        missing = doubt or "the time of the dose beside it"
        _note_once(
            table,
            column,
            f"times of samples without {missing}",
            "hours after the dose, or date-times and a column with the time of the dose",
            "values after the dose cannot be told from values before it; name it as"
            " taken_h_after_dose, or state --dose-time COLUMN",
        )
        return None
    taken = read_moments(cells, where=table.source.where)
    dose = read_moments(table.source.cells[table.dose_time], where=table.source.where)
    require_one_clock(taken, dose, where=table.source.where, columns=f"{column}, {table.dose_time}")
    for name, moments in ((column, taken), (table.dose_time, dose)):
        if moments.is_bad.any():
            row = int(np.argmax(moments.is_bad))
            _note_once(
                table,
                name,
                f"{int(moments.is_bad.sum())} cells that are no date, in row {row + 1}"
                f" {texts_of(table.source.cells[name])[row]!r}",
                "a date, with its time of day where it is known",
                "these samples cannot be told from later ones",
            )
    hours = hours_between(taken.at, dose.at)
    is_sure = taken.has_clock & dose.has_clock
    same_day = ~is_sure & (taken.at.astype("datetime64[D]") == dose.at.astype("datetime64[D]"))
    if same_day.any():
        _note_once(
            table,
            column,
            f"{int(same_day.sum())} samples on the day of the dose without both times of day",
            "date and time of sample and dose",
            "they are used; check that they were taken before the dose",
        )
    days = taken.at.astype("datetime64[D]") - dose.at.astype("datetime64[D]")
    by_day = np.where(np.isnat(days), np.nan, days.astype("timedelta64[D]").astype(float) * 24.0)
    return np.where(is_sure, hours, by_day)


def _doubt(words: set[str], factor: float | None, side: float, numbers: list[float]) -> str:
    """What numbers in a column of times leave open; "" where they can only be hours from the
    dose.
    """
    if factor is None:
        return "a unit (hours or days)"
    if AFTER_WORDS & words and BEFORE_WORDS & words:
        return "one direction: after the dose, or before it"
    if side < 0.0 and min(numbers) < 0.0:
        return "a sign that is sure: below 0 may be before the dose or after it"
    if side == 0.0 and factor == _HOURS_OF[1][1]:
        return "what days count from: the day of the dose may be day 0 or day 1"
    return ""


_HOURS_OF = ((HOURS, 1.0), (DAYS, 24.0), (MINUTES, 1 / 60))


def _note_once(table: Table, column: str, found: str, expected: str, cure: str) -> None:
    known = {(note.column, note.found) for note in table.account.notes if note.row == 0}
    if (column, found) not in known:
        table.account.note(0, column, "warned", found, expected, cure)
