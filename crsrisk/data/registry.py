"""A registry or trial, one row a patient and time point: checked, and read as signs
and support.

What cannot be is refused with row, column and cure, all troubles at once. What the table leaves
open is read in one stated way, and every such reading is listed beside the rows
(``Registry.readings``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.account import Note, grouped
from crsrisk.data.bounds import is_above, is_at_least, is_below
from crsrisk.data.cells import MISSING_WORDS, Parsed, parse, texts_of
from crsrisk.data.columns import (
    TIME_WORDS,
    Column,
    check_stated,
    dose_time_column,
    header_parts,
    missing_columns,
    plain_header,
    recognise,
)
from crsrisk.data.episodes import FEVER_C, LOW_MAP_MMHG, LOW_SYSTOLIC_MMHG
from crsrisk.data.grading_systems import HIGH_FLOW, LOW_FLOW, NO_OXYGEN
from crsrisk.data.overlooked import refuse_long, refuse_overlooked, usual_names
from crsrisk.data.oxygen import DEVICES, device_of
from crsrisk.data.quantities import Table, note_unread, read_quantity
from crsrisk.data.table_account import Account
from crsrisk.data.table_files import Source, SourceTable, open_table
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.times import (
    Moments,
    are_dates,
    are_times_of_day,
    dates_with_times,
    hours_between,
    read_moments,
    require_one_clock,
)
from crsrisk.data.ward_columns import MANDATORY, TIME_NAMES, WARD
from crsrisk.data.written_numbers import NUMBER
from crsrisk.errors import InputError

__all__ = ["DEVICES", "MANDATORY", "Registry", "read_registry"]

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

BY_FLOW = ("nasal_cannula", "high_flow")  # prongs: low or high as the flow says
LOW_FLOW_AT_MOST_L_MIN = 6.0  # Lee, Biol Blood Marrow Transplant 2019
# rule of thumb for prongs and simple masks
ROOM_AIR_PCT, FIO2_PER_L_MIN, HIGH_FIO2_PCT = 20.0, 4.0, 40.0
LOW_SATURATION_PCT = 90.0
NEED_FLOW = ("nasal_cannula", "face_mask", "high_flow", "venturi", "non_rebreather")
EMPTY_WITHOUT_VASOPRESSOR = ("vasopressor_high_dose", "vasopressin")  # says nothing where none runs
_IN_CELL = {  # what may stand in the cell of the device
    "oxygen_flow_l_min": "oxygen flow in the cell of the device",
    "fio2_pct": "inspired oxygen in the cell of the device",
}
_SUPPORT = ("n_vasopressors", "fluid_bolus_n")
# without one of these a grade may be too low: unreadable, it costs the patient, as an empty cell
# does not
_GRADED = frozenset(
    {"temperature_c", "map_mmhg", "sbp_mmhg", "dbp_mmhg", "oxygen_flow_l_min", "fio2_pct"}
)
_PRESSURES = re.compile(
    r"([0-9]{2,3})\s*/\s*([0-9]{2,3})(?:\s*\(\s*([0-9]{2,3})\s*\))?(?:\s*mm\s*Hg)?", re.IGNORECASE
)
COLUMNS = tuple(WARD)


@dataclass(frozen=True, eq=False)
class Registry:
    """A table that was read. ``rows``: the columns of :data:`crsrisk.data.episodes.ROW_COLUMNS`, in
    the order of the file, and ``neurology``: those of immune effector cell toxicity, where the file
    has them. ``readings``: sentences on how the file and its gaps were read. ``unused``: columns
    that were not looked at. ``refused``: rows that are not used, as they stand in the file, its
    index counts rows from 1; ``reasons``: why, by row. ``account``: notes on every cell.
    """

    rows: pd.DataFrame
    readings: tuple[str, ...]
    unused: tuple[str, ...]
    neurology: pd.DataFrame | None
    refused: pd.DataFrame
    reasons: Mapping[int, str]
    account: tuple[Note, ...]
    n_patients_refused: int
    source: SourceTable


def name_of(source: Source) -> str:
    """The file of a registry, or that it is a table in memory."""
    return str(source) if isinstance(source, str | Path) else "registry"


def read_registry(
    source: Source,
    *,
    alt_upper_limit_u_l: float | None = None,
    reading: TableReading = AS_NAMED,
    strict: bool = True,
) -> Registry:
    """Read a registry for grading, a file or a frame; rows count from 1 below the header.

    Columns: ``patient_id``, ``time_h`` (rising within a patient; or ``datetime``, from which hours
    are counted to the time of the dose, else to the patient's first row), ``temperature_c``,
    ``map_mmhg``, ``sbp_mmhg``, ``dbp_mmhg`` or ``blood_pressure`` ("120/80"), ``has_fluids`` (given
    for low pressure) and/or ``fluid_bolus_n`` (boluses since the row before), ``n_vasopressors``
    (vasopressin counted), ``oxygen_device`` (one of :data:`DEVICES`, or as charts call it, with its
    flow: "NC 2 L/min"). Optional: ``vasopressor_high_dose``, ``vasopressin``,
    ``oxygen_flow_l_min``, ``fio2_pct``, ``spo2_pct``, ``alt_x_uln`` or ``alt [U/L]`` and
    ``baseline_alt`` (with ``alt_upper_limit`` by row, or ``alt_upper_limit_u_l``),
    ``creatinine_x_uln``, ``organ_toxicity_grade``, ``antipyretic_or_anticytokine`` (something that
    hides fever was given), ``died_of_crs``, and for neurotoxicity ``ice_score``,
    ``consciousness``, ``seizure``, ``motor_weakness``, ``cerebral_edema``. Every quantity may come
    in another unit, named in its header, beside it (``temperature_unit``) or in its cell. An empty
    cell of a measurement means not measured; support must be stated. Raises :class:`InputError` for
    rows that cannot be, all kinds of them at once; without ``strict`` only where nothing is left.
    A row that cannot be used then costs all rows of its patient: the grade of a course with a gap
    may be too low, at the gap and after it.

    >>> ward = pd.DataFrame({"patient_id": ["A"], "time_h": [0], "temperature_c": [101.3],
    ...                      "sbp_mmhg": [120], "has_fluids": [0], "n_vasopressors": [0],
    ...                      "oxygen_device": ["none"]})
    >>> read_registry(ward)
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: registry, row 1, column temperature_c: found 101.3 degC; expected
    25 to 45 degC. Cure: 101.3 looks like degF: if the whole column is, name it
    'temperature [degF]' (--rename 'temperature_c=...'); else correct the value, or leave the cell
    empty if it was not measured (1 cells in 1 of 1 rows cannot be used)
    >>> read_registry(ward.rename(columns={"temperature_c": "temperature [degF]"})).rows[
    ...     "temperature_c"].round(6).tolist()
    [38.5]
    """
    how = reading
    if alt_upper_limit_u_l is not None:
        how = replace(how, alt_upper_limit_u_l=alt_upper_limit_u_l)
    opened = open_table(source, how.dialect)
    if opened.where == "table":
        opened = replace(opened, where="registry")
    if opened.cells.empty and len(opened.cells.columns):
        raise InputError(
            where=opened.where,
            found="no rows",
            expected="one row a patient and time point",
            cure="add rows below the header",
        )
    account = Account(opened.where, len(opened.cells))
    check_stated([str(name) for name in opened.cells.columns], how, where=opened.where)
    refuse_long(opened, has_times=True)
    header, times = time_columns(opened, how)
    found = recognise(header, where=opened.where, how=of_header(how, header), fields=WARD)
    refuse_overlooked(opened, found, how=how, fields=WARD)
    _check_mandatory(found.columns, times, found.unused, where=opened.where)
    table = Table(opened, how, account, None)
    read = _read_columns(table, found.columns)
    told: list[str] = list(opened.told)
    told += [f"{name}: {said}; {cure}" for name, said, cure in usual_names(found, fields=WARD)]
    if times.at is not None:
        read["time_h"], sentence = _hours(opened, times, read["patient_id"], account)
        told.append(sentence)
    alt = _alt(table, found.columns, read)
    account.notes += account.whole.notes()
    _check_rows(read, account)
    reasons = _refused_rows(read["patient_id"], account)
    if (problem := account.refusal()) is not None and (strict or len(reasons) == account.n_rows):
        raise problem
    kept = ~np.isin(np.arange(1, account.n_rows + 1), list(reasons))
    refused = opened.cells.set_axis(pd.RangeIndex(1, account.n_rows + 1), axis=0).loc[~kept]
    patients = read["patient_id"]
    read = {name: values[kept] for name, values in read.items()}
    alt = None if alt is None else alt[kept]
    told += [
        trouble.sentence()
        for trouble in grouped(account.notes, kinds=("left out", "converted", "warned"))
    ]
    rows, readings = as_rows(read, alt)
    unused = found.unused
    return Registry(
        rows=rows,
        readings=(*told, *readings),
        unused=unused,
        neurology=_neurology(read),
        refused=refused,
        reasons=reasons,
        account=tuple(account.notes),
        n_patients_refused=len(set(patients[~kept]) - {""}),
        source=opened,
    )


def _refused_rows(patients: NDArray[Any], account: Account) -> dict[int, str]:
    """Rows that are not used, and why: those refused, and all others of their patients."""
    reasons = account.reasons()
    lost = {patients[row - 1] for row in reasons} - {""}
    for row in np.flatnonzero(np.isin(patients, list(lost))).tolist():
        reasons.setdefault(row + 1, "another row of this patient is refused")
    return dict(sorted(reasons.items()))


def of_header(how: TableReading, header: list[str]) -> TableReading:
    """What is stated about columns that are still to be recognised."""
    names = {yours: ours for yours, ours in how.rename.items() if yours in header}
    ignored = tuple(name for name in how.ignore if name in header)
    return replace(how, rename=names, ignore=ignored, dose_time=None)


@dataclass(frozen=True)
class Times:
    """The column with date and time of a row (with only its date: the one with its time of day
    beside it), and the one with those of the dose; None: none.
    """

    at: str | None = None
    clock: str | None = None
    dose: str | None = None

    def moments(self, opened: SourceTable) -> Moments:
        """Date and time of every row."""
        cells = opened.cells[self.at]
        if self.clock is not None:
            cells = dates_with_times(cells, opened.cells[self.clock])
        return read_moments(cells, where=opened.where)


def time_columns(opened: SourceTable, how: TableReading) -> tuple[list[str], Times]:
    """The header without the columns of dates, and which those are."""
    header = [str(name) for name in opened.cells.columns]
    plain = {name: plain_header(how.rename.get(name, name)) for name in header}
    if any(
        text in ("timeh", "time") and _are_numbers(opened, name) for name, text in plain.items()
    ):
        return header, Times()
    doses = dose_time_column(header, how)
    others = [name for name in header if name not in doses and name not in how.ignore]
    at = next((name for name in others if plain[name] in TIME_NAMES), None)
    if at is None:
        dated = [
            name
            for name in others
            if TIME_WORDS & set(header_parts(how.rename.get(name, name)))
            and are_dates(opened.cells[name])
        ]
        named = [name for name in dated if plain[name] in ("time", "date", "timeh")]
        at = next(iter(named), dated[0] if len(dated) == 1 else None)
    if at is None:
        at = next((name for name in others if plain[name] in ("time", "date", "timeh")), None)
    if at is None:
        return header, Times()
    if len(doses) > 1:
        raise InputError(
            where=opened.where,
            key=", ".join(doses),
            found="several columns that may hold the time of the first dose",
            expected="one",
            cure=f"say which it is: {' or '.join(f'--dose-time {name!r}' for name in doses)}",
        )
    clocks = [
        name
        for name in others
        if name != at
        and TIME_WORDS & set(header_parts(how.rename.get(name, name)))
        and are_times_of_day(opened.cells[name])
    ]
    times = Times(at, clocks[0] if len(clocks) == 1 else None, next(iter(doses), None))
    return [name for name in header if name not in (times.at, times.clock, times.dose)], times


def _are_numbers(opened: SourceTable, name: str) -> bool:
    texts = [text for text in texts_of(opened.cells[name]) if text.lower() not in MISSING_WORDS]
    return not texts or sum(bool(NUMBER.fullmatch(text)) for text in texts) * 2 > len(texts)


def _hours(
    opened: SourceTable, times: Times, patients: NDArray[Any], account: Account
) -> tuple[Floats, str]:
    """Hours from the dose, else from the patient's first row, and a sentence that says which."""
    at = times.moments(opened)
    unread = at.is_bad | np.isnat(at.at)
    texts = texts_of(opened.cells[times.at])
    for row in np.flatnonzero(unread):
        account.note(
            int(row) + 1,
            str(times.at),
            "refused",
            repr(texts[row]),
            "date and time",
            "correct the cell",
        )
    if times.dose is None:
        firsts = pd.Series(at.at).groupby(patients, sort=False).transform("min").to_numpy()
        hours = hours_between(at.at, firsts.astype("datetime64[s]"))
        told = (
            f"{times.at}: no time of the dose is given; hours count from each patient's first row"
        )
    else:
        dose = read_moments(opened.cells[times.dose], where=opened.where)
        require_one_clock(at, dose, where=opened.where, columns=f"{times.at}, {times.dose}")
        known = pd.Series(dose.at).groupby(patients, sort=False).transform("first").to_numpy()
        for row in np.flatnonzero(np.isnat(known) & ~unread):
            account.note(
                int(row) + 1,
                times.dose,
                "refused",
                "no time of the dose",
                "date and time of the dose, in one row of the patient at least",
                "fill it in from the record",
            )
        hours = hours_between(at.at, known.astype("datetime64[s]"))
        told = f"{times.at}: hours count from {times.dose}"
    if times.clock is not None:
        told = f"{times.at} and {times.clock} are read together; {told}"
    n = int(np.sum(~at.has_clock & ~unread))
    if n:
        told += f"; {_rows(n)} without time of day: read as midnight"
    return np.asarray(hours, dtype=np.float64), told


def _check_mandatory(
    columns: Mapping[str, Column], times: Times, unused: Iterable[str], *, where: str
) -> None:
    have = {*columns, *(("time_h",) if times.at is not None else ())}
    missing = [group for group in MANDATORY if not set(group) & have]
    if not missing:
        return
    names = [group[0] for group in missing]
    problem = missing_columns(names, have, fields=WARD, unused=unused, where=where)
    assert problem is not None
    raise InputError(
        where=where,
        key=problem.key,
        found=problem.found,
        expected="; ".join(" or ".join(group) for group in missing),
        cure="add the column, or name the one that holds it (--rename YOURS=OURS)"
        + problem.cure.partition("not known")[2],
    )


# --- cell by cell ---


def _read_columns(table: Table, columns: Mapping[str, Column]) -> dict[str, NDArray[Any]]:
    """Every known column of the file: numbers and yes/no as float (NaN = empty), names as text."""
    read: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        field = WARD[name]
        if name == "patient_id":
            read[name] = _patient_ids(table, column)
        elif name == "oxygen_device":
            read[name] = _devices(table, column, read)
        elif name in ("alt_x_uln", "baseline_alt_x_uln"):
            continue  # read once the rest is sound: its limit may stand in an option
        elif field.kind in ("float", "int"):
            read[name] = _number(table, column)
        else:
            parsed = _unread_noted(table, column)
            read[name] = parsed.values
            if field.kind == "category":
                read[name][parsed.missing | parsed.is_bad] = ""
    if "blood_pressure" in columns:
        _part_pressures(table, columns["blood_pressure"], read)
    _join_cells(table, read)
    _require_flags(table, columns, read)
    return read


def _unread_noted(table: Table, column: Column) -> Parsed:
    field = WARD[column.name]
    parsed = parse(table.source.cells[column.found], field, table.rules(column, field))
    silent = replace(parsed, missing=np.zeros_like(parsed.missing))
    note_unread(table, column, field, silent)
    return parsed


def _patient_ids(table: Table, column: Column) -> NDArray[Any]:
    texts = ["" if text.lower() in MISSING_WORDS else text for text in table.texts(column.found)]
    for row, text in enumerate(texts, start=1):
        if not text:
            table.account.note(
                row, "patient_id", "refused", "", "the patient's number", "fill in the cell"
            )
    return np.array(texts, dtype=object)


def _number(table: Table, column: Column) -> Floats:
    """A column of numbers; an empty cell is refused where something must be stated."""
    field = WARD[column.name]
    if column.name in _GRADED:
        table = replace(table, how=replace(table.how, refuse_unreadable=True))
    values = read_quantity(table, column, field)
    if field.may_be_missing:
        return values
    noted = {note.row for note in table.account.notes if note.kind == "refused"}
    for row in np.flatnonzero(np.isnan(values)):
        if int(row) + 1 not in noted:
            table.account.note(
                int(row) + 1,
                field.name,
                "refused",
                "",
                "a number" + (": how many, 0 among them" if column.name in _SUPPORT else ""),
                "state it from the record",
            )
    return values


def _devices(table: Table, column: Column, read: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Devices by clinical synonyms; flow and inspired oxygen that stand in the cell count where no
    column has them.
    """
    rules = table.rules(column, WARD["oxygen_device"])
    texts = table.texts(column.found)
    devices = np.full(len(texts), "", dtype=object)
    in_cell = {name: np.full(len(texts), np.nan) for name in _IN_CELL}
    for row, text in enumerate(texts):
        found = device_of(rules.codes.get(text, text))
        for name, value in zip(_IN_CELL, (found.flow_l_min, found.fio2_pct), strict=True):
            in_cell[name][row] = np.nan if value is None else value
        if found.name is not None and text.casefold() not in rules.missing:
            devices[row] = found.name
            continue
        may_be = f"it may be {' or '.join(found.may_be)}: " if found.may_be else ""
        table.account.note(
            row + 1,
            "oxygen_device",
            "refused",
            repr(text) if text else "",
            f"one of {', '.join(DEVICES)}",
            f"{may_be}state which device it was, from the record (once for all cells:"
            " --code oxygen_device:WORD=DEVICE)",
        )
    for name, values in in_cell.items():
        low, high = WARD[name].possible or (-np.inf, np.inf)
        for row in np.flatnonzero((values < low) | (values > high)).tolist():
            table.account.note(
                row + 1,
                "oxygen_device",
                "refused",
                repr(texts[row]),
                f"{name} from {low:g} to {high:g} in the cell of the device",
                "correct the cell, by the record",
            )
        if np.any(~np.isnan(values)):
            read[_IN_CELL[name]] = values
    return devices


def _join_cells(table: Table, read: dict[str, NDArray[Any]]) -> None:
    """Flow and inspired oxygen of a row from their columns, or from the cell of the device."""
    for name, place in _IN_CELL.items():
        values = read.pop(place, None)
        if values is None:
            continue
        known, unit = column_of(read, name), WARD[name].unit
        for row in np.flatnonzero(~np.isnan(known) & ~np.isnan(values) & (known != values)):
            table.account.note(
                int(row) + 1,
                name,
                "refused",
                f"{known[row]:g} {unit}, and {values[row]:g} in the cell of the device",
                "one value",
                "correct the one that is wrong, by the record",
            )
        read[name] = np.where(np.isnan(known), values, known)


def _part_pressures(table: Table, column: Column, read: dict[str, NDArray[Any]]) -> None:
    """Systolic, diastolic and, in brackets, mean pressure of one cell: 120/80 (93)."""
    texts = table.texts(column.found)
    parts = np.full((3, len(texts)), np.nan)
    for row, text in enumerate(texts):
        if text.lower() in MISSING_WORDS:
            continue
        match = _PRESSURES.fullmatch(text)
        if match is None:
            table.account.note(
                row + 1,
                "blood_pressure",
                "refused",
                repr(text),
                "systolic over diastolic pressure in mmHg, as 120/80",
                "correct the cell, or leave it empty if it was not measured",
            )
            continue
        parts[:, row] = [np.nan if part is None else float(part) for part in match.groups()]
    for name, values in zip(("sbp_mmhg", "dbp_mmhg", "map_mmhg"), parts, strict=True):
        low, high = WARD[name].possible or (-np.inf, np.inf)
        for row in np.flatnonzero((values < low) | (values > high)).tolist():
            table.account.note(
                row + 1,
                "blood_pressure",
                "refused",
                repr(texts[row]),
                f"{name} from {low:g} to {high:g}",
                "correct the cell, or leave it empty if it was not measured",
            )
        known = column_of(read, name)
        read[name] = np.where(np.isnan(known), values, known)


def _require_flags(
    table: Table, columns: Mapping[str, Column], read: Mapping[str, NDArray[Any]]
) -> None:
    """Support that is asked for with yes or no must be stated."""
    running = read["n_vasopressors"] > 0
    for name, column in columns.items():
        field = WARD[name]
        if field.kind != "bool" or field.may_be_missing:
            continue
        needed = running if name in EMPTY_WITHOUT_VASOPRESSOR else np.ones(len(running), bool)
        texts = table.texts(column.found)
        noted = {note.row for note in table.account.notes if note.column == name}
        for row in np.flatnonzero(np.isnan(read[name]) & needed):
            if int(row) + 1 not in noted:
                table.account.note(
                    int(row) + 1,
                    name,
                    "refused",
                    texts[row],
                    "yes or no (1 or 0)",
                    "state it from the record",
                )


def _alt(
    table: Table, columns: Mapping[str, Column], read: dict[str, NDArray[Any]]
) -> Floats | None:
    """ALT as times its upper limit, or None when the table has none; the baseline beside it."""
    column, before = columns.get("alt_x_uln"), columns.get("baseline_alt_x_uln")
    if column is None:
        if table.how.alt_upper_limit_u_l is not None:
            raise InputError(
                where=table.source.where,
                key="--alt-upper-limit",
                found="a limit, but no column of ALT",
                expected="ALT in U/L in a column alt_u_l",
                cure="leave the option out, or name the column",
            )
        return None
    alt = read_quantity(table, column, WARD["alt_x_uln"])
    if before is not None:
        own = before if before.limit_column else replace(before, limit_column=column.limit_column)
        own = replace(own, limit_unit=own.limit_unit or column.limit_unit)
        read["baseline_alt_x_uln"] = read_quantity(table, own, WARD["baseline_alt_x_uln"])
    return alt


def _neurology(read: Mapping[str, NDArray[Any]]) -> pd.DataFrame | None:
    """Columns of neurotoxicity, where the table has an ICE score or one of the other signs."""
    names = ("ice_score", "consciousness", "seizure", "motor_weakness", "cerebral_edema")
    there = {name: read[name] for name in names if name in read}
    return pd.DataFrame(there) if there else None


# --- row by row ---


class _Check:
    """Refusals of rows by what stands in several of their cells."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def refuse(
        self, rows: Mask, column: str, found: Callable[[int], str], expected: str, cure: str
    ) -> None:
        for row in map(int, np.flatnonzero(rows)):
            self.account.note(row + 1, column, "refused", found(row), expected, cure)


def _check_rows(read: Mapping[str, NDArray[Any]], account: Account) -> None:
    """Refuse what cannot be true at one moment, or in this order."""
    check = _Check(account)
    device, n_vasopressors = read["oxygen_device"], read["n_vasopressors"]
    mean, systolic = column_of(read, "map_mmhg"), column_of(read, "sbp_mmhg")
    flow, fio2, boluses = (
        column_of(read, name) for name in ("oxygen_flow_l_min", "fio2_pct", "fluid_bolus_n")
    )
    is_none = device == "none"
    check.refuse(
        mean > systolic,
        "map_mmhg",
        lambda row: f"{mean[row]:g}, above sbp_mmhg {systolic[row]:g}",
        "a mean pressure not above the systolic one",
        "correct the two; are the columns exchanged?",
    )
    diastolic = column_of(read, "dbp_mmhg")
    check.refuse(
        diastolic > systolic,
        "dbp_mmhg",
        lambda row: f"{diastolic[row]:g}, above sbp_mmhg {systolic[row]:g}",
        "a diastolic pressure not above the systolic one",
        "correct the two; are the columns exchanged?",
    )
    check.refuse(
        is_none & (flow > 0.0),
        "oxygen_flow_l_min",
        lambda row: f"{flow[row]:g} L/min with oxygen_device none",
        "no flow without a device",
        "name the device, or leave the flow empty",
    )
    check.refuse(
        np.isin(device, NEED_FLOW) & (flow == 0.0),
        "oxygen_flow_l_min",
        lambda row: f"0 with {device[row]}",
        "a flow above 0",
        "state the flow or the device as it was; leave the flow empty if it is not known",
    )
    check.refuse(
        is_none & (fio2 > 21.0),
        "fio2_pct",
        lambda row: f"{fio2[row]:g}% with oxygen_device none",
        "21 or an empty cell without a device",
        "name the device, or correct the cell",
    )
    for name in EMPTY_WITHOUT_VASOPRESSOR:
        check.refuse(
            (column_of(read, name) == 1.0) & (n_vasopressors == 0),
            name,
            lambda row: "1 with n_vasopressors 0",
            "0 where no vasopressor runs",
            "count every vasopressor, vasopressin too, in n_vasopressors",
        )
    check.refuse(
        (column_of(read, "has_fluids") == 0.0) & (boluses > 0),
        "has_fluids",
        lambda row: f"0 with fluid_bolus_n {boluses[row]:g}",
        "1 where a bolus was given",
        "correct one of the two",
    )
    _check_order(read, check)


def _check_order(read: Mapping[str, NDArray[Any]], check: _Check) -> None:
    table = pd.DataFrame({"patient": read["patient_id"], "time_h": read["time_h"]})
    before = table.groupby("patient", sort=False)["time_h"].shift().to_numpy()
    time_h = read["time_h"]
    check.refuse(
        time_h == before,
        "time_h",
        lambda row: f"{time_h[row]:g} h a second time for this patient",
        "each time point of a patient once",
        "delete or correct one of the two rows",
    )
    check.refuse(
        time_h < before,
        "time_h",
        lambda row: f"{time_h[row]:g} h after {before[row]:g} h",
        "hours that rise within a patient",
        "sort the table by patient_id and time_h, or correct the hour",
    )
    deaths = pd.Series(column_of(read, "died_of_crs") == 1.0).astype(np.int64)
    earlier = deaths.groupby(table["patient"], sort=False).cumsum().to_numpy() - deaths.to_numpy()
    check.refuse(
        earlier > 0,
        "died_of_crs",
        lambda row: "a row after death",
        "no row after death",
        "delete the row, or correct died_of_crs",
    )


# --- what the table leaves open ---


def column_of(read: Mapping[str, NDArray[Any]], name: str) -> Floats:
    """A column of numbers or of yes/no; all NaN when the file has none."""
    return read[name] if name in read else np.full(len(read["patient_id"]), np.nan)


def as_rows(
    read: Mapping[str, NDArray[Any]], alt: Floats | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows in the terms of the bedside, and a sentence on each gap that had to be filled.

    ``read``: the columns of the file, checked, numbers and yes/no as float. ``alt``: ALT, times its
    upper limit.
    """
    has_vasopressin = column_of(read, "vasopressin") == 1.0
    n_vasopressors = read["n_vasopressors"].astype(np.int64) - has_vasopressin
    level, has_fio2_40, readings = _oxygen(read)
    mean, told = _mean_pressure(read)
    readings += told
    baseline, told = _baseline_alt(read, alt)
    readings += told
    hidden = read.get("antipyretic_or_anticytokine")
    boluses = column_of(read, "fluid_bolus_n")
    high_dose = (
        column_of(read, "vasopressor_high_dose") == 1.0
        if "vasopressor_high_dose" in read
        else n_vasopressors >= 2
    )
    rows = pd.DataFrame(
        {
            "patient_id": read["patient_id"],
            "time_h": read["time_h"],
            "temperature_c": read["temperature_c"],
            "map_mmhg": mean,
            "sbp_mmhg": column_of(read, "sbp_mmhg"),
            "has_fluids": (
                column_of(read, "has_fluids") == 1.0 if "has_fluids" in read else boluses > 0
            ),
            "n_boluses": boluses,
            "n_vasopressors": n_vasopressors,
            "has_vasopressin": has_vasopressin,
            "has_high_dose_vasopressor": high_dose,
            "oxygen_device": level,
            "has_fio2_40": has_fio2_40,
            "alt_x_uln": np.full(len(level), np.nan) if alt is None else alt,
            "baseline_alt_x_uln": baseline,
            "creatinine_x_uln": column_of(read, "creatinine_x_uln"),
            "organ_toxicity_grade": (
                np.nan_to_num(column_of(read, "organ_toxicity_grade")).astype(np.int64)
            ),
            "is_fever_hidden": np.ones(len(level), dtype=bool) if hidden is None else hidden == 1.0,
            "has_died": column_of(read, "died_of_crs") == 1.0,
        }
    )
    readings += tuple(_untreated(rows, column_of(read, "spo2_pct")))
    return rows, (*readings, *_unmeasured(rows), *_missing_columns(read, has_alt=alt is not None))


def _mean_pressure(read: Mapping[str, NDArray[Any]]) -> tuple[Floats, tuple[str, ...]]:
    """Mean arterial pressure; where it was not measured, from systolic and diastolic."""
    mean = column_of(read, "map_mmhg")
    systolic, diastolic = column_of(read, "sbp_mmhg"), column_of(read, "dbp_mmhg")
    made = diastolic + (systolic - diastolic) / 3.0
    is_made = np.isnan(mean) & ~np.isnan(made)
    n = int(np.sum(is_made))
    told = (f"{_rows(n)}: mean pressure from systolic and diastolic, a third of the way up",)
    return np.where(is_made, made, mean), told if n else ()


def _baseline_alt(
    read: Mapping[str, NDArray[Any]], alt: Floats | None
) -> tuple[Floats, tuple[str, ...]]:
    """ALT before CRS of each row's patient: as stated, else the last before his first fever."""
    patients, hours = read["patient_id"], read["time_h"]
    stated = column_of(read, "baseline_alt_x_uln")
    if alt is None:
        return np.ones(len(patients)), ()
    fever = is_at_least(read["temperature_c"], FEVER_C)
    first = pd.Series(np.where(fever, hours, np.inf)).groupby(patients, sort=False)
    before = pd.Series(np.where(hours < first.transform("min"), alt, np.nan))
    known = pd.Series(stated).groupby(patients, sort=False).transform("first")
    seen = before.groupby(patients, sort=False).transform("last")
    baseline = known.where(known.notna(), seen).fillna(1.0).to_numpy(dtype=np.float64)
    raised = set(patients[is_above(baseline, 1.0)])
    told = (
        f"{_patients(len(raised))} with ALT above its limit before CRS: graded in multiples of that"
        " baseline, from 1.5 times on (CTCAE 5.0)",
    )
    return baseline, told if raised else ()


def _untreated(rows: pd.DataFrame, saturation: Floats) -> Iterable[str]:
    """Signs that would raise a grade, seen without the support that systems grade by."""
    oxygen, vasopressors = rows["oxygen_device"].to_numpy(), rows["n_vasopressors"].to_numpy()
    if n := int(np.sum(is_below(saturation, LOW_SATURATION_PCT) & (oxygen == NO_OXYGEN))):
        yield (
            f"{_rows(n)}: oxygen saturation below {LOW_SATURATION_PCT:g}% and no oxygen given; no"
            " system grades what was not treated"
        )
    is_low = is_below(rows["sbp_mmhg"], LOW_SYSTOLIC_MMHG) | is_below(
        rows["map_mmhg"], LOW_MAP_MMHG
    )
    has_none = ~rows["has_fluids"].to_numpy() & (vasopressors == 0)
    if n := int(np.sum(is_low & has_none & ~rows["has_vasopressin"].to_numpy())):
        yield (
            f"{_rows(n)}: low pressure and neither fluids nor vasopressor given: hypotension of"
            " grade 2 where CRS is open, but for MSKCC; support that the table does not have would"
            " raise it"
        )


def _unmeasured(rows: pd.DataFrame) -> Iterable[str]:
    """Rows where fever or low pressure could not be seen, most of all under support that is then
    not graded.
    """
    names = rows["patient_id"].to_numpy()
    has_support = (
        rows["has_fluids"]
        | rows["has_vasopressin"]
        | (rows["n_vasopressors"] > 0)
        | (rows["oxygen_device"] > NO_OXYGEN)
    ).to_numpy()
    temperature = rows["temperature_c"].to_numpy()
    unseen = np.isnan(temperature)
    missed = set(names[unseen & has_support]) - set(names[temperature >= FEVER_C])
    never = missed - set(names[~unseen])
    if never:
        yield (
            f"{_patients(len(never))} with support (vasopressor, oxygen or fluids) but never a"
            " temperature: grade 0 at every row under every system, death aside"
        )
    if some := missed - never:
        yield (
            f"{_patients(len(some))} with support at rows without temperature, and no fever at any"
            " other: grade 0 at every row as well"
        )
    if np.any(unseen):
        yield (
            f"{_rows_of(names[unseen])} without temperature: without fever, there or before, no CRS"
            " is told (grade 0)"
        )
    blind = (rows["map_mmhg"].isna() & rows["sbp_mmhg"].isna()).to_numpy() & ~has_support
    if np.any(blind):
        yield (
            f"{_rows_of(names[blind])} without blood pressure and without support: hypotension that"
            " nobody treated is not seen there (grade 2, but for MSKCC)"
        )


def _missing_columns(read: Mapping[str, NDArray[Any]], *, has_alt: bool) -> Iterable[str]:
    gaps = {
        "vasopressor_high_dose": (
            "two or more vasopressors (vasopressin aside) are read as high dose"
        ),
        "fluid_bolus_n": "hours under fluids stand for several boluses (Penn)",
        "antipyretic_or_anticytokine": "once fever has opened an episode it is not asked for again",
        "died_of_crs": "no grade 5",
    }
    yield from (f"no column {name}: {what}" for name, what in gaps.items() if name not in read)
    if not has_alt:
        yield "no ALT: Lee 2014, CARTOX and Penn do not upgrade for transaminases"
    if not {"creatinine_x_uln", "organ_toxicity_grade"} & set(read):
        yield (
            "no creatinine and no other organ: Lee 2014, CARTOX, Penn and CTCAE 4.03 do not upgrade"
            " for them"
        )


def _oxygen(
    read: Mapping[str, NDArray[Any]],
) -> tuple[NDArray[np.int64], NDArray[np.bool_], tuple[str, ...]]:
    """Step of the device (ASTCT), whether 40% oxygen or more is breathed (the other systems), and
    what was filled.
    """
    device, flow, fio2 = (
        read["oxygen_device"],
        column_of(read, "oxygen_flow_l_min"),
        column_of(read, "fio2_pct"),
    )
    level = np.array([DEVICES[word] for word in device], dtype=np.int64)
    known = np.isin(device, BY_FLOW) & ~np.isnan(flow)
    level = np.where(known, np.where(flow <= LOW_FLOW_AT_MOST_L_MIN, LOW_FLOW, HIGH_FLOW), level)
    from_flow = np.isnan(fio2) & ~np.isnan(flow) & np.isin(device, (*BY_FLOW, "face_mask"))
    unknown = np.isnan(fio2) & ~from_flow & (level > NO_OXYGEN)
    estimated = np.where(
        from_flow,
        ROOM_AIR_PCT + FIO2_PER_L_MIN * flow,
        np.where(unknown & (level >= HIGH_FLOW), HIGH_FIO2_PCT, 0.0),
    )
    gaps = {
        f"FiO2 estimated as {ROOM_AIR_PCT:g}% + {FIO2_PER_L_MIN:g}% per L/min": from_flow,
        "neither flow nor FiO2 of nasal cannula or blow-by: low flow, below 40%": (
            unknown & (level == LOW_FLOW)
        ),
        "no FiO2 of a mask, high-flow device or positive pressure: 40% or more": (
            unknown & (level >= HIGH_FLOW)
        ),
    }
    readings = tuple(
        f"{_rows(int(np.sum(where)))}: {what}" for what, where in gaps.items() if np.any(where)
    )
    return level, np.where(np.isnan(fio2), estimated, fio2) >= HIGH_FIO2_PCT, readings


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def _patients(n: int) -> str:
    return "1 patient" if n == 1 else f"{n} patients"


def _rows_of(names: NDArray[Any]) -> str:
    return f"{_rows(len(names))} ({_patients(len(set(names)))})"
