"""Columns of a registry or trial, one row a patient and time point: meaning, units and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from crsrisk.data.oxygen import DEVICES
from crsrisk.fields import Field, Interval, Kind

_SOURCE = "ward chart; ranges assumed"
CONSCIOUSNESS = ("awake", "spontaneous", "voice", "tactile", "unarousable")
SEIZURES = ("none", "brief", "prolonged")
EDEMA = ("none", "focal", "diffuse")


def _column(
    name: str,
    label: str,
    meaning: str,
    *,
    kind: Kind = "float",
    unit: str = "1",
    quantity: str = "",
    possible: Interval | None = None,
    others: Mapping[str, float] | None = None,
    zeros: Mapping[str, float] | None = None,
    limited: Mapping[str, float] | None = None,
    categories: tuple[str, ...] = (),
    may_be_missing: bool = True,
) -> Field:
    return Field(
        name=name,
        label=label,
        meaning=meaning,
        source=_SOURCE,
        kind=kind,
        role="course",
        table="course",
        unit=unit,
        quantity=quantity or name,
        possible=possible,
        other_units=MappingProxyType(dict(others or {})),
        zeros=MappingProxyType(dict(zeros or {})),
        limited_units=MappingProxyType(dict(limited or {})),
        categories=categories,
        is_required=False,
        may_be_missing=may_be_missing,
    )


def _flag(name: str, label: str, meaning: str, *, may_be_missing: bool = False) -> Field:
    return _column(name, label, meaning, kind="bool", may_be_missing=may_be_missing)


_PRESSURE = {"kPa": 7.50062}
_ENZYME = {"U/L": 1.0, "ukat/L": 60.0}

_COLUMNS = (
    _column("patient_id", "Patient", "Number of the patient", kind="int", may_be_missing=False),
    _column(
        "time_h",
        "Time",
        "Hours on the clock of the table, from the first dose where that is known",
        unit="h",
        quantity="time",
        possible=(-10_000, 100_000),
        others={"d": 24.0, "min": 1 / 60},
        may_be_missing=False,
    ),
    _column(
        "temperature_c",
        "Body temperature",
        "Body temperature",
        unit="degC",
        quantity="temperature",
        possible=(25, 45),
        others={"degF": 5 / 9},
        zeros={"degF": 32.0},
    ),
    _column(
        "map_mmhg",
        "Mean arterial pressure",
        "Mean arterial pressure",
        unit="mmHg",
        quantity="map",
        possible=(10, 200),
        others=_PRESSURE,
    ),
    _column(
        "sbp_mmhg",
        "Systolic blood pressure",
        "Systolic blood pressure",
        unit="mmHg",
        quantity="sbp",
        possible=(20, 300),
        others=_PRESSURE,
    ),
    _column(
        "dbp_mmhg",
        "Diastolic blood pressure",
        "Diastolic blood pressure: with the systolic one it gives the mean, a third of the way up",
        unit="mmHg",
        quantity="dbp",
        possible=(5, 200),
        others=_PRESSURE,
    ),
    _column(
        "blood_pressure",
        "Blood pressure",
        "Systolic and diastolic pressure in one cell, in mmHg: 120/80",
        kind="category",
    ),
    _flag("has_fluids", "Fluids", "Intravenous fluids given for low pressure"),
    _column(
        "fluid_bolus_n",
        "Boluses",
        "Fluid boluses since the row before",
        kind="int",
        possible=(0, 50),
        may_be_missing=False,
    ),
    _column(
        "n_vasopressors",
        "Vasopressors",
        "Vasopressors that run, vasopressin counted",
        kind="int",
        possible=(0, 8),
        may_be_missing=False,
    ),
    _column(
        "oxygen_device",
        "Oxygen device",
        f"What the patient breathes through: {', '.join(DEVICES)}, or as charts call it",
        kind="category",
        may_be_missing=False,
    ),
    _column(
        "oxygen_flow_l_min",
        "Oxygen flow",
        "Flow of oxygen",
        unit="L/min",
        quantity="oxygen_flow",
        possible=(0, 80),
    ),
    _column(
        "fio2_pct",
        "Inspired oxygen",
        "Fraction of inspired oxygen",
        unit="%",
        quantity="fio2",
        possible=(21, 100),
        others={"fraction": 100.0},
    ),
    _column(
        "spo2_pct",
        "Oxygen saturation",
        "Oxygen saturation",
        unit="%",
        quantity="spo2",
        possible=(20, 100),
        others={"fraction": 100.0},
    ),
    _column(
        "alt_x_uln",
        "ALT",
        "Alanine aminotransferase, in multiples of the laboratory's upper limit",
        unit="x ULN",
        quantity="alt",
        possible=(0, 500),
        limited=_ENZYME,
    ),
    _column(
        "baseline_alt_x_uln",
        "Baseline ALT",
        "Alanine aminotransferase before CRS, in multiples of the laboratory's upper limit",
        unit="x ULN",
        quantity="baseline_alt",
        possible=(0, 500),
        limited=_ENZYME,
    ),
    _column(
        "creatinine_x_uln",
        "Creatinine",
        "Creatinine, in multiples of the laboratory's upper limit",
        unit="x ULN",
        quantity="creatinine",
        possible=(0, 30),
    ),
    _column(
        "organ_toxicity_grade",
        "Organ toxicity",
        "Worst CTCAE grade of another organ by CRS",
        kind="int",
        possible=(0, 4),
    ),
    _flag("vasopressor_high_dose", "High-dose vasopressor", "A vasopressor runs in a high dose"),
    _flag("vasopressin", "Vasopressin", "Vasopressin is among the vasopressors"),
    _flag(
        "antipyretic_or_anticytokine",
        "Antipyretic or anticytokine",
        "Something that hides fever was given",
    ),
    _flag("died_of_crs", "Death", "Death of CRS"),
    _column(
        "ice_score",
        "ICE score",
        "Immune effector cell encephalopathy score",
        kind="int",
        possible=(0, 10),
    ),
    _column(
        "consciousness",
        "Consciousness",
        "What wakes the patient, by immune effector cells: awake, or awakens spontaneously, to"
        " voice, to touch, not at all",
        kind="category",
        categories=CONSCIOUSNESS,
    ),
    _column(
        "seizure",
        "Seizure",
        "Seizure: brief (clinical or electrographic, resolves rapidly), prolonged (over 5 minutes,"
        " or repeated without return to baseline)",
        kind="category",
        categories=SEIZURES,
    ),
    _flag("motor_weakness", "Motor weakness", "Deep focal weakness", may_be_missing=True),
    _column(
        "cerebral_edema",
        "Cerebral edema",
        "Edema on imaging, or signs of raised pressure (diffuse)",
        kind="category",
        categories=EDEMA,
    ),
)
WARD: Mapping[str, Field] = MappingProxyType({column.name: column for column in _COLUMNS})
MANDATORY = (  # one column of each group
    ("patient_id",),
    ("time_h",),
    ("temperature_c",),
    ("map_mmhg", "sbp_mmhg", "blood_pressure"),
    ("has_fluids", "fluid_bolus_n"),
    ("n_vasopressors",),
    ("oxygen_device",),
)
TIME_NAMES = frozenset(  # of a column with date and time, without case and punctuation
    {"datetime", "timestamp", "charttime", "observationtime", "observedat", "recordedat"}
    | {"recordtime", "measuredat", "measurementtime", "dateandtime", "dttm", "adtm", "vsdtc"}
)
