"""What a registry leaves open is read in one way, and told: oxygen without a flow, columns and measurements not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.domain.bedside import FEVER_C
from crsrisk.domain.grading_systems import HIGH_FLOW, LOW_FLOW, NO_OXYGEN, POSITIVE_PRESSURE, VENTILATOR

Floats: TypeAlias = NDArray[np.float64]

DEVICES: Mapping[str, int] = {
    "none": NO_OXYGEN, "nasal_cannula": LOW_FLOW, "blow_by": LOW_FLOW, "face_mask": HIGH_FLOW, "high_flow": HIGH_FLOW,
    "venturi": HIGH_FLOW, "non_rebreather": HIGH_FLOW, "cpap": POSITIVE_PRESSURE, "bipap": POSITIVE_PRESSURE,
    "ventilator": VENTILATOR,
}
BY_FLOW = ("nasal_cannula", "high_flow")  # prongs: low or high as the flow says
LOW_FLOW_AT_MOST_L_MIN = 6.0  # Lee, Biol Blood Marrow Transplant 2019
ROOM_AIR_PCT, FIO2_PER_L_MIN, HIGH_FIO2_PCT = 20.0, 4.0, 40.0  # rule of thumb for prongs and simple masks


def column_of(read: Mapping[str, NDArray[Any]], name: str) -> Floats:
    """A column of numbers or of yes/no; all NaN when the file has none."""
    return read[name] if name in read else np.full(len(read["time_h"]), np.nan)


def as_rows(read: Mapping[str, NDArray[Any]], alt: Floats | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows in the terms of the bedside, and a sentence on each gap that had to be filled.

    ``read``: the columns of the file, checked, numbers and yes/no as float. ``alt``: ALT, times its upper limit.
    """
    has_vasopressin = column_of(read, "vasopressin") == 1.0
    n_vasopressors = read["n_vasopressors"].astype(np.int64) - has_vasopressin
    level, has_fio2_40, told = _oxygen(read)
    hidden = read.get("antipyretic_or_anticytokine")
    boluses = column_of(read, "fluid_bolus_n")
    high_dose = column_of(read, "vasopressor_high_dose") == 1.0 if "vasopressor_high_dose" in read else n_vasopressors >= 2
    rows = pd.DataFrame({
        "patient_id": read["patient_id"], "time_h": read["time_h"], "temperature_c": read["temperature_c"],
        "map_mmhg": column_of(read, "map_mmhg"), "sbp_mmhg": column_of(read, "sbp_mmhg"),
        "has_fluids": column_of(read, "has_fluids") == 1.0 if "has_fluids" in read else boluses > 0,
        "n_boluses": boluses, "n_vasopressors": n_vasopressors, "has_vasopressin": has_vasopressin,
        "has_high_dose_vasopressor": high_dose, "oxygen_device": level, "has_fio2_40": has_fio2_40,
        "alt_x_uln": np.full(len(level), np.nan) if alt is None else alt,
        "creatinine_x_uln": column_of(read, "creatinine_x_uln"),
        "organ_toxicity_grade": np.nan_to_num(column_of(read, "organ_toxicity_grade")).astype(np.int64),
        "is_fever_hidden": np.ones(len(level), dtype=bool) if hidden is None else hidden == 1.0,
        "has_died": column_of(read, "died_of_crs") == 1.0})
    if n := int(np.sum((column_of(read, "spo2_pct") < 90.0) & (level == NO_OXYGEN))):
        told += (f"{_rows(n)}: oxygen saturation below 90% and no oxygen given; no system grades what was not treated",)
    return rows, (*told, *_told_unmeasured(rows), *_told_gaps(read, has_alt=alt is not None))


def _told_unmeasured(rows: pd.DataFrame) -> Iterable[str]:
    """Rows where fever or low pressure could not be seen, most of all under support that is then not graded."""
    names = rows["patient_id"].to_numpy()
    has_support = (rows["has_fluids"] | rows["has_vasopressin"] | (rows["n_vasopressors"] > 0)
                   | (rows["oxygen_device"] > NO_OXYGEN)).to_numpy()
    temperature = rows["temperature_c"].to_numpy()
    unseen = np.isnan(temperature)
    missed = set(names[unseen & has_support]) - set(names[temperature >= FEVER_C])
    never = missed - set(names[~unseen])
    if never:
        yield (f"{_patients(len(never))} with support (vasopressor, oxygen or fluids) but never a temperature: grade 0 at "
               "every row under every system, death aside")
    if some := missed - never:
        yield (f"{_patients(len(some))} with support at rows without temperature, and no fever at any other: grade 0 at "
               "every row as well")
    if np.any(unseen):
        yield f"{_rows_of(names[unseen])} without temperature: without fever, there or before, no CRS is told (grade 0)"
    blind = (rows["map_mmhg"].isna() & rows["sbp_mmhg"].isna()).to_numpy() & ~has_support
    if np.any(blind):
        yield (f"{_rows_of(names[blind])} without blood pressure and without support: hypotension that nobody treated is "
               "not seen there (grade 2, but for MSKCC)")


def _told_gaps(read: Mapping[str, NDArray[Any]], *, has_alt: bool) -> Iterable[str]:
    gaps = {
        "vasopressor_high_dose": "two or more vasopressors (vasopressin aside) are read as high dose",
        "fluid_bolus_n": "hours under fluids stand for several boluses (Penn)",
        "antipyretic_or_anticytokine": "once fever has opened an episode it is not asked for again",
        "died_of_crs": "no grade 5",
    }
    yield from (f"no column {name}: {what}" for name, what in gaps.items() if name not in read)
    if not has_alt:
        yield "no ALT: Lee 2014, CARTOX and Penn do not upgrade for transaminases"
    if not {"creatinine_x_uln", "organ_toxicity_grade"} & set(read):
        yield "no creatinine and no other organ: Lee 2014, CARTOX, Penn and CTCAE 4.03 do not upgrade for them"


def _oxygen(read: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.bool_], tuple[str, ...]]:
    """Step of the device (ASTCT), whether 40% oxygen or more is breathed (the other systems), and what was filled."""
    device, flow, fio2 = read["oxygen_device"], column_of(read, "oxygen_flow_l_min"), column_of(read, "fio2_pct")
    level = np.array([DEVICES[word] for word in device], dtype=np.int64)
    known = np.isin(device, BY_FLOW) & ~np.isnan(flow)
    level = np.where(known, np.where(flow <= LOW_FLOW_AT_MOST_L_MIN, LOW_FLOW, HIGH_FLOW), level)
    from_flow = np.isnan(fio2) & ~np.isnan(flow) & np.isin(device, (*BY_FLOW, "face_mask"))
    unknown = np.isnan(fio2) & ~from_flow & (level > NO_OXYGEN)
    estimated = np.where(from_flow, ROOM_AIR_PCT + FIO2_PER_L_MIN * flow, np.where(unknown & (level >= HIGH_FLOW),
                                                                                   HIGH_FIO2_PCT, 0.0))
    gaps = {
        f"FiO2 estimated as {ROOM_AIR_PCT:g}% + {FIO2_PER_L_MIN:g}% per L/min": from_flow,
        "neither flow nor FiO2 of nasal cannula or blow-by: low flow, below 40%": unknown & (level == LOW_FLOW),
        "no FiO2 of a mask, high-flow device or positive pressure: 40% or more": unknown & (level >= HIGH_FLOW),
    }
    told = tuple(f"{_rows(int(np.sum(where)))}: {what}" for what, where in gaps.items() if np.any(where))
    return level, np.where(np.isnan(fio2), estimated, fio2) >= HIGH_FIO2_PCT, told


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def _patients(n: int) -> str:
    return "1 patient" if n == 1 else f"{n} patients"


def _rows_of(names: NDArray[Any]) -> str:
    return f"{_rows(len(names))} ({_patients(len(set(names)))})"
