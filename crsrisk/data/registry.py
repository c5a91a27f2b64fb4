"""A registry or trial, one row a patient and time point: checked, and read as signs
and support.

What cannot be is refused with row, column and cure. What the table leaves open is read in one
stated way, and every such reading is listed beside the rows (``Registry.readings``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.columns import MISSING_WORDS, NO_WORDS, YES_WORDS
from crsrisk.data.episodes import FEVER_C
from crsrisk.data.files import read_csv_cells, read_parquet_cells
from crsrisk.data.grading_systems import (
    HIGH_FLOW,
    LOW_FLOW,
    NO_OXYGEN,
    POSITIVE_PRESSURE,
    VENTILATOR,
)
from crsrisk.errors import InputError

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

DEVICES: Mapping[str, int] = {
    "none": NO_OXYGEN,
    "nasal_cannula": LOW_FLOW,
    "blow_by": LOW_FLOW,
    "face_mask": HIGH_FLOW,
    "high_flow": HIGH_FLOW,
    "venturi": HIGH_FLOW,
    "non_rebreather": HIGH_FLOW,
    "cpap": POSITIVE_PRESSURE,
    "bipap": POSITIVE_PRESSURE,
    "ventilator": VENTILATOR,
}
BY_FLOW = ("nasal_cannula", "high_flow")  # prongs: low or high as the flow says
LOW_FLOW_AT_MOST_L_MIN = 6.0  # Lee, Biol Blood Marrow Transplant 2019
# rule of thumb for prongs and simple masks
ROOM_AIR_PCT, FIO2_PER_L_MIN, HIGH_FIO2_PCT = 20.0, 4.0, 40.0
NEED_FLOW = ("nasal_cannula", "face_mask", "high_flow", "venturi", "non_rebreather")


@dataclass(frozen=True)
class Quantity:
    """A column of numbers: what may stand in it. ``hint``: makes of a value beyond the range what
    to do about it.
    """

    low: float
    high: float
    unit: str
    is_whole: bool = False
    may_be_empty: bool = True
    hint: Callable[[float], str] = lambda value: "correct the value"

    @property
    def expected(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}{self.unit and ' ' + self.unit}"


def _fahrenheit(value: float) -> str:
    if 77.0 <= value <= 113.0:
        return (
            f"it looks like degrees Fahrenheit: write {(value - 32.0) / 1.8:.1f}, and convert the"
            " whole column"
        )
    return "correct the value, or leave the cell empty if it was not measured"


def _fraction(value: float) -> str:
    return (
        f"it looks like a fraction: write {100.0 * value:g}"
        if 0.2 <= value <= 1.0
        else "correct the value"
    )


QUANTITIES: Mapping[str, Quantity] = {
    "time_h": Quantity(-10_000.0, 100_000.0, "h", may_be_empty=False),
    "temperature_c": Quantity(25.0, 45.0, "degC", hint=_fahrenheit),
    "map_mmhg": Quantity(10.0, 200.0, "mmHg"),
    "sbp_mmhg": Quantity(20.0, 300.0, "mmHg"),
    "fluid_bolus_n": Quantity(0, 50, "since the row before", is_whole=True, may_be_empty=False),
    "n_vasopressors": Quantity(0, 8, "", is_whole=True, may_be_empty=False),
    "oxygen_flow_l_min": Quantity(0.0, 80.0, "L/min"),
    "fio2_pct": Quantity(21.0, 100.0, "%", hint=_fraction),
    "spo2_pct": Quantity(20.0, 100.0, "%", hint=_fraction),
    "alt_x_uln": Quantity(
        0.0,
        500.0,
        "times the upper limit",
        hint=lambda value: "if it is U/L, name the column alt_u_l and state --alt-upper-limit",
    ),
    "alt_u_l": Quantity(0.0, 30_000.0, "U/L"),
    "creatinine_x_uln": Quantity(
        0.0,
        30.0,
        "times the upper limit",
        hint=lambda value: "divide by your laboratory's upper limit",
    ),
    "organ_toxicity_grade": Quantity(0, 4, "(CTCAE)", is_whole=True),
}
YES_OR_NO = (
    "has_fluids",
    "vasopressor_high_dose",
    "vasopressin",
    "antipyretic_or_anticytokine",
    "died_of_crs",
)
EMPTY_WITHOUT_VASOPRESSOR = ("vasopressor_high_dose", "vasopressin")  # says nothing where none runs
MANDATORY = (  # one column of each group
    ("patient_id",),
    ("time_h",),
    ("temperature_c",),
    ("map_mmhg", "sbp_mmhg"),
    ("has_fluids", "fluid_bolus_n"),
    ("n_vasopressors",),
    ("oxygen_device",),
)
COLUMNS = ("patient_id", "oxygen_device", *QUANTITIES, *YES_OR_NO)


@dataclass(frozen=True, eq=False)
class Registry:
    """A table that was read. ``rows``: the columns of :data:`crsrisk.data.episodes.ROW_COLUMNS`, in
    the order of the file. ``readings``: sentences on how gaps were read. ``unused``: columns of the
    file that were not looked at.
    """

    rows: pd.DataFrame
    readings: tuple[str, ...]
    unused: tuple[str, ...]


@dataclass
class _Check:
    """The refusals in the making."""

    path: str
    n_rows: int
    refused: list[tuple[int, str, str, str, str]] = field(default_factory=list)

    def refuse(
        self,
        rows: Mask,
        column: str,
        found: Callable[[int], str],
        expected: str,
        cure: str | Callable[[int], str],
    ) -> None:
        for row in map(int, np.flatnonzero(rows)):
            self.refused.append(
                (row, column, found(row), expected, cure if isinstance(cure, str) else cure(row))
            )

    def raise_first(self) -> None:
        if not self.refused:
            return
        row, column, found, expected, cure = min(self.refused, key=lambda refusal: refusal[0])
        n_rows = len({refusal[0] for refusal in self.refused})
        raise InputError(
            where=self.path,
            key=f"row {row + 1}, column {column}",
            found=found,
            expected=expected,
            cure=f"{cure} ({n_rows} of {self.n_rows} rows cannot be used)",
        )


class _AsPandas(Protocol):
    """A table of another library, such as polars."""

    def to_pandas(self) -> pd.DataFrame: ...


Source: TypeAlias = "str | Path | pd.DataFrame | _AsPandas"


def name_of(source: Source) -> str:
    """The file of a registry, or that it is a table in memory."""
    return str(source) if isinstance(source, str | Path) else "registry"


def read_registry(source: Source, *, alt_upper_limit_u_l: float | None = None) -> Registry:
    """Read a registry for grading, a file or a table of pandas or polars; rows count from 1 below
    the header.

    Columns: ``patient_id``, ``time_h`` (rising within a patient), ``temperature_c``, ``map_mmhg``
    and/or ``sbp_mmhg``, ``has_fluids`` (given for low pressure) and/or ``fluid_bolus_n`` (boluses
    since the row before), ``n_vasopressors`` (vasopressin counted), ``oxygen_device`` (one of
    :data:`DEVICES`). Optional: ``vasopressor_high_dose``, ``vasopressin``, ``oxygen_flow_l_min``,
    ``fio2_pct``, ``spo2_pct``, ``alt_x_uln`` (or ``alt_u_l`` with ``alt_upper_limit_u_l``),
    ``creatinine_x_uln``, ``organ_toxicity_grade``, ``antipyretic_or_anticytokine`` (something that
    hides fever was given), ``died_of_crs``. An empty cell of a measurement means not measured;
    support must be stated. Raises :class:`InputError` at the first row that cannot be, with the
    number of all.

    >>> ward = pd.DataFrame({"patient_id": ["A"], "time_h": [0], "temperature_c": [101.3],
    ...                      "sbp_mmhg": [120], "has_fluids": [0], "n_vasopressors": [0],
    ...                      "oxygen_device": ["none"]})
    >>> read_registry(ward)
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: registry, row 1, column temperature_c: found 101.3; expected a number
    from 25 to 45 degC. Cure: it looks like degrees Fahrenheit: write 38.5, and convert the whole
    column (1 of 1 rows cannot be used)
    """
    where = name_of(source)
    cells = _cells(source, where=where)
    check = _Check(where, len(cells))
    read = _read_columns(cells, check)
    check.raise_first()
    _check_rows(read, check)
    check.raise_first()
    alt = _alt_x_uln(read, alt_upper_limit_u_l, where=where)
    rows, readings = as_rows(read, alt)
    return Registry(rows, readings, tuple(name for name in cells.columns if name not in COLUMNS))


def _table(source: Source, *, where: str) -> pd.DataFrame:
    """The table as it stands, from a file or from memory."""
    if isinstance(source, pd.DataFrame):
        return source.reset_index(drop=True)
    if not isinstance(source, str | Path):
        return source.to_pandas()
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(
            where=where,
            found=f"the suffix {suffix!r}",
            expected=".csv or .parquet",
            cure="save the table as CSV or Parquet",
        )
    return read_csv_cells(path) if suffix == ".csv" else read_parquet_cells(path)


def _cells(source: Source, *, where: str) -> pd.DataFrame:
    cells = _table(source, where=where)
    for group in MANDATORY:
        if not set(group) & set(cells.columns):
            free = [str(name) for name in cells.columns if name not in COLUMNS]
            near = difflib.get_close_matches(group[0], free, n=1, cutoff=0.5)
            raise InputError(
                where=where,
                key=group[0],
                found="no such column",
                expected=" or ".join(group),
                cure=f"rename the column {near[0]!r} if it is that" if near else "add the column",
            )
    if cells.empty:
        raise InputError(
            where=where,
            found="no rows",
            expected="one row a patient and time point",
            cure="add rows below the header",
        )
    return cells


# --- cell by cell ---

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _texts(cells: pd.Series[Any]) -> list[str]:
    missing = cells.isna().to_numpy(dtype=bool)
    texts = [
        "" if gone else str(value).strip() for value, gone in zip(cells.array, missing, strict=True)
    ]
    return ["" if text.lower() in MISSING_WORDS - {"none"} else text for text in texts]


def _read_columns(cells: pd.DataFrame, check: _Check) -> dict[str, NDArray[Any]]:
    """Every known column of the file: numbers and yes/no as float (NaN = empty), names as text."""
    texts = {name: _texts(cells[name]) for name in COLUMNS if name in cells.columns}
    read: dict[str, NDArray[Any]] = {
        name: np.array(texts[name], dtype=object) for name in ("patient_id", "oxygen_device")
    }
    check.refuse(
        read["patient_id"] == "",
        "patient_id",
        lambda row: "an empty cell",
        "the patient's number",
        "fill it in",
    )
    _check_devices(read["oxygen_device"], check)
    for name, words in texts.items():
        if name in QUANTITIES:
            read[name] = _numbers(words, name, check)
        elif name in YES_OR_NO:
            read[name] = _yes_or_no(words, name, check)
    running = read["n_vasopressors"] > 0
    for name in YES_OR_NO:
        if name in read:
            needed = (
                running if name in EMPTY_WITHOUT_VASOPRESSOR else np.ones(len(cells), dtype=bool)
            )
            empty = np.array([word == "" for word in texts[name]], dtype=bool)
            check.refuse(
                empty & needed,
                name,
                lambda row: "an empty cell",
                "yes or no (1 or 0)",
                "write 0 for no",
            )
    return read


def _check_devices(devices: NDArray[Any], check: _Check) -> None:
    def cure(row: int) -> str:
        near = difflib.get_close_matches(str(devices[row]).lower(), DEVICES, n=1)
        return f"did you mean {near[0]}?" if near else "write none when no oxygen was given"

    unknown = np.array([word not in DEVICES for word in devices], dtype=bool)
    check.refuse(
        unknown,
        "oxygen_device",
        lambda row: repr(devices[row]) if devices[row] else "an empty cell",
        f"one of {', '.join(DEVICES)}",
        cure,
    )


def _numbers(words: list[str], name: str, check: _Check) -> Floats:
    rule = QUANTITIES[name]
    values = np.array(
        [float(word) if _NUMBER.fullmatch(word) else np.nan for word in words], dtype=np.float64
    )
    empty = np.array([word == "" or word.lower() == "none" for word in words], dtype=bool)
    cure = (
        "write 0 when none was given"
        if name in ("n_vasopressors", "fluid_bolus_n")
        else "fill it in"
    )
    check.refuse(
        empty & (not rule.may_be_empty), name, lambda row: "an empty cell", rule.expected, cure
    )
    check.refuse(
        np.isnan(values) & ~empty,
        name,
        lambda row: repr(words[row]),
        rule.expected,
        lambda row: (
            f"write {words[row].replace(',', '.')}, with a point"
            if _NUMBER.fullmatch(words[row].replace(",", "."))
            else "write a number alone"
        ),
    )
    beyond = (values < rule.low) | (values > rule.high)
    check.refuse(
        beyond,
        name,
        lambda row: f"{values[row]:g}",
        rule.expected,
        lambda row: rule.hint(float(values[row])),
    )
    broken = ~beyond & (values != np.floor(values)) & ~np.isnan(values) & rule.is_whole
    check.refuse(
        broken, name, lambda row: f"{values[row]:g}", rule.expected, "write a whole number"
    )
    return values


def _yes_or_no(words: list[str], name: str, check: _Check) -> Floats:
    lower = [word.lower() for word in words]
    values = np.array(
        [1.0 if word in YES_WORDS else 0.0 if word in NO_WORDS else np.nan for word in lower]
    )
    unread = np.isnan(values) & np.array([word != "" for word in words], dtype=bool)
    check.refuse(
        unread, name, lambda row: repr(words[row]), "yes or no (1 or 0)", "correct the cell"
    )
    return values


def _alt_x_uln(
    read: Mapping[str, NDArray[Any]], limit: float | None, *, where: str
) -> Floats | None:
    """ALT as times its upper limit, or None when the table has none."""
    if limit is not None and not 5.0 <= limit <= 200.0:
        raise InputError(
            where="grade",
            key="--alt-upper-limit",
            found=f"{limit:g}",
            expected="5 to 200 U/L",
            cure="state your laboratory's upper limit of normal of ALT",
        )
    if "alt_x_uln" in read and "alt_u_l" in read:
        raise InputError(
            where=where,
            key="alt_u_l",
            found="ALT a second time, beside alt_x_uln",
            expected="one of the two",
            cure="delete one of the two columns",
        )
    if "alt_u_l" not in read:
        if limit is not None:
            raise InputError(
                where=where,
                key="--alt-upper-limit",
                found="a limit, but no column alt_u_l",
                expected="ALT in U/L in a column alt_u_l",
                cure="leave the option out, or name the column",
            )
        return read.get("alt_x_uln")
    if limit is None:
        raise InputError(
            where=where,
            key="alt_u_l",
            found="ALT in U/L without its upper limit",
            expected="--alt-upper-limit, or a column alt_x_uln",
            cure="add --alt-upper-limit 40, for example",
        )
    return np.asarray(read["alt_u_l"] / limit, dtype=np.float64)


# --- row by row ---


def _check_rows(read: Mapping[str, NDArray[Any]], check: _Check) -> None:
    """Refuse what cannot be true at one moment, or in this order."""
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
    check.refuse(
        is_none & (flow > 0.0),
        "oxygen_flow_l_min",
        lambda row: f"{flow[row]:g} L/min with oxygen_device none",
        "no flow without a device",
        "name the device, or empty the cell",
    )
    check.refuse(
        np.isin(device, NEED_FLOW) & (flow == 0.0),
        "oxygen_flow_l_min",
        lambda row: f"0 with {device[row]}",
        "a flow above 0",
        "write the flow, empty the cell if it is unknown, or write the device none",
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
    return read[name] if name in read else np.full(len(read["time_h"]), np.nan)


def as_rows(
    read: Mapping[str, NDArray[Any]], alt: Floats | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows in the terms of the bedside, and a sentence on each gap that had to be filled.

    ``read``: the columns of the file, checked, numbers and yes/no as float. ``alt``: ALT, times its
    upper limit.
    """
    has_vasopressin = column_of(read, "vasopressin") == 1.0
    n_vasopressors = read["n_vasopressors"].astype(np.int64) - has_vasopressin
    level, has_fio2_40, told = _oxygen(read)
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
            "map_mmhg": column_of(read, "map_mmhg"),
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
            "creatinine_x_uln": column_of(read, "creatinine_x_uln"),
            "organ_toxicity_grade": (
                np.nan_to_num(column_of(read, "organ_toxicity_grade")).astype(np.int64)
            ),
            "is_fever_hidden": np.ones(len(level), dtype=bool) if hidden is None else hidden == 1.0,
            "has_died": column_of(read, "died_of_crs") == 1.0,
        }
    )
    if n := int(np.sum((column_of(read, "spo2_pct") < 90.0) & (level == NO_OXYGEN))):
        told += (
            (
                f"{_rows(n)}: oxygen saturation below 90% and no oxygen given; no system grades"
                " what was not treated"
            ),
        )
    return rows, (*told, *_told_unmeasured(rows), *_told_gaps(read, has_alt=alt is not None))


def _told_unmeasured(rows: pd.DataFrame) -> Iterable[str]:
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


def _told_gaps(read: Mapping[str, NDArray[Any]], *, has_alt: bool) -> Iterable[str]:
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
    told = tuple(
        f"{_rows(int(np.sum(where)))}: {what}" for what, where in gaps.items() if np.any(where)
    )
    return level, np.where(np.isnan(fio2), estimated, fio2) >= HIGH_FIO2_PCT, told


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def _patients(n: int) -> str:
    return "1 patient" if n == 1 else f"{n} patients"


def _rows_of(names: NDArray[Any]) -> str:
    return f"{_rows(len(names))} ({_patients(len(set(names)))})"
