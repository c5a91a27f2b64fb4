"""The field table: what every column means, in which unit, and what values it can have. Kept once,
here.

The reader of user tables converts and refuses by it, the data dictionary is printed from it, the
bedside page takes its sentences from it. Where no source is named for a range, the range is
assumed: chosen wide, so that *possible* stops only what cannot be (or is in another unit) and
*plausible* asks for a second look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from types import MappingProxyType
from typing import Literal, TypeAlias

from crsrisk.errors import InputError

Kind: TypeAlias = Literal["float", "int", "bool", "category"]
Role: TypeAlias = Literal["identifier", "predictor", "outcome", "course", "input"]
Table: TypeAlias = Literal["observed", "outcomes", "course", "input"]
Interval: TypeAlias = tuple[float, float]

LDH_LIMIT = "ldh_upper_limit_u_l"  # the upper limit that belongs to the LDH of each row
OTHER_PLATFORM = "other"
LANDMARK_HOURS: tuple[int, ...] = (6, 12, 24, 36, 48, 72, 168)
_NO_UNITS: Mapping[str, float] = MappingProxyType({})
_NO_SUSPECTS: Mapping[str, Interval] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column: its name, its meaning in clinical words, its unit and its ranges.

    ``unit`` is "1" for a pure number. ``other_units`` are accepted beside it, each with the factor
    that turns them into ``unit``; ``limited_units`` (LDH in U/L) are first turned into U/L and then
    divided by the laboratory's own upper limit. Outside ``plausible`` a value is used with a
    warning, outside ``possible`` it is refused. ``usual`` is what most healthy adults have, for the
    bedside sentence. ``quantity`` is the name without its unit. ``is_required``: the column must be
    there; ``may_be_missing``: a cell may be empty. ``zeros``: by unit its value at 0 of ``unit``
    (32 degF). ``suspects``: what a column may hold instead where most of its values lie between two
    bounds (lymphocytes in percent); no single row shows it. ``words``: what a yes/no column says in
    print for no, yes and missing.
    """

    name: str
    label: str
    meaning: str
    source: str
    kind: Kind = "float"
    role: Role = "predictor"
    table: Table = "observed"
    unit: str = "1"
    quantity: str = ""
    other_units: Mapping[str, float] = attribute(default_factory=lambda: _NO_UNITS, hash=False)
    limited_units: Mapping[str, float] = attribute(default_factory=lambda: _NO_UNITS, hash=False)
    possible: Interval | None = None
    plausible: Interval | None = None
    usual: Interval | None = None
    categories: tuple[str, ...] = ()
    loinc: tuple[str, ...] = ()
    is_required: bool = True
    may_be_missing: bool = False
    zeros: Mapping[str, float] = attribute(default_factory=lambda: _NO_UNITS, hash=False)
    suspects: Mapping[str, Interval] = attribute(default_factory=lambda: _NO_SUSPECTS, hash=False)
    words: tuple[str, str, str] = ("no", "yes", "not measured")

    @property
    def accepted_units(self) -> tuple[str, ...]:
        """Every unit that is read, the standard one first."""
        return (self.unit, *self.other_units, *self.limited_units)

    @property
    def spellings(self) -> tuple[str, ...]:
        """Column names that are read: the standard name, then the quantity with each other unit."""
        return (self.name, *(f"{self.quantity} [{unit}]" for unit in self.accepted_units[1:]))


_CHART = "patient record before the first dose"
_PROTOCOL = "product label or protocol"
_LABORATORY = "hospital laboratory, last value before the first dose; ranges assumed"
_NHANES = f"{_LABORATORY}; usual: 5th to 95th percentile of US adults, NHANES 2017-2018"
_ASTCT = (
    "simulated; graded as ASTCT 2019 (Lee, Biol Blood Marrow Transplant 2019), grade 5 not"
    " simulated"
)
_SIMULATED = "simulated; ranges assumed"
_CELLS = {
    "G/L": 1.0,
    "10^3/uL": 1.0,
    "K/uL": 1.0,
    "10^3/mm3": 1.0,
    "/nL": 1.0,
    "/uL": 0.001,
    "/mm3": 0.001,
}


def _number(
    name: str,
    label: str,
    meaning: str,
    *,
    unit: str,
    quantity: str,
    others: Mapping[str, float],
    possible: Interval,
    plausible: Interval,
    source: str = _CHART,
    loinc: tuple[str, ...] = (),
    may_be_missing: bool = False,
    suspects: Mapping[str, Interval] = _NO_SUSPECTS,
) -> Field:
    return Field(
        name=name,
        label=label,
        meaning=meaning,
        unit=unit,
        quantity=quantity,
        loinc=loinc,
        suspects=MappingProxyType(dict(suspects)),
        other_units=MappingProxyType(dict(others)),
        possible=possible,
        plausible=plausible,
        may_be_missing=may_be_missing,
        source=f"{source}; ranges assumed",
    )


def _laboratory(
    name: str,
    label: str,
    meaning: str,
    *,
    unit: str,
    quantity: str,
    others: Mapping[str, float],
    possible: Interval,
    plausible: Interval,
    usual: Interval,
    loinc: tuple[str, ...] = (),
    limited: Mapping[str, float] = _NO_UNITS,
    suspects: Mapping[str, Interval] = _NO_SUSPECTS,
    source: str = _NHANES,
) -> Field:
    return Field(
        name=name,
        label=label,
        meaning=meaning,
        unit=unit,
        quantity=quantity,
        source=source,
        loinc=loinc,
        other_units=MappingProxyType(dict(others)),
        limited_units=MappingProxyType(dict(limited)),
        possible=possible,
        plausible=plausible,
        usual=usual,
        may_be_missing=True,
        suspects=MappingProxyType(dict(suspects)),
    )


def _word(
    name: str,
    label: str,
    meaning: str,
    *,
    role: Role = "predictor",
    source: str = _CHART,
    categories: tuple[str, ...] = (),
    is_required: bool = True,
) -> Field:
    return Field(
        name=name,
        label=label,
        meaning=meaning,
        kind="category",
        role=role,
        quantity=name,
        source=source,
        categories=categories,
        is_required=is_required,
        may_be_missing=not is_required,
    )


def _flag(name: str, label: str, meaning: str, *, source: str = _CHART) -> Field:
    return Field(name=name, label=label, meaning=meaning, kind="bool", quantity=name, source=source)


def _count(
    name: str,
    label: str,
    meaning: str,
    *,
    possible: Interval,
    plausible: Interval,
    loinc: tuple[str, ...] = (),
) -> Field:
    return Field(
        name=name,
        label=label,
        meaning=meaning,
        kind="int",
        quantity=name,
        loinc=loinc,
        possible=possible,
        plausible=plausible,
        source=f"{_CHART}; ranges assumed",
    )


_OBSERVED = (
    Field(
        name="patient_id",
        label="Patient",
        meaning="Number of the patient, once in a table",
        kind="int",
        role="identifier",
        quantity="patient_id",
        source="given by whoever makes the table",
    ),
    _word(
        "product",
        "Product",
        "Therapy given: the name of a file in synthetic/products",
        source=_PROTOCOL,
    ),
    _word(
        "platform",
        "Platform",
        "Kind of product: bispecific engager (tce), TCR-based engager (immtac), "
        "CAR-T, TCR-T, tumour-infiltrating lymphocytes (til), checkpoint inhibitor (ici); other: "
        "none of these, scored only by a model that was trained on it",
        source=_PROTOCOL,
        categories=("tce", "immtac", "car_t", "tcr_t", "til", "ici", OTHER_PLATFORM),
    ),
    _word(
        "regimen",
        "Regimen",
        "Dose schedule of the product, by its name there",
        role="identifier",
        source=_PROTOCOL,
        is_required=False,
    ),
    _word("tumour_type", "Tumour type", "Tumour type: the name of a file in synthetic/populations"),
    _word(
        "site",
        "Site",
        "Hospital; its habits of supportive care and sampling differ",
        role="identifier",
        is_required=False,
    ),
    _number(
        "age_years",
        "Age",
        "Age at the first dose",
        unit="years",
        quantity="age",
        others={"months": 1 / 12, "days": 1 / 365.25},
        possible=(0, 110),
        plausible=(0, 100),
    ),
    replace(
        _flag("is_female", "Sex", "Female sex; a column `sex` with F or M is read too"),
        words=("male", "female", "not recorded"),
    ),
    _number(
        "weight_kg",
        "Weight",
        "Body weight",
        unit="kg",
        quantity="weight",
        others={"g": 0.001, "lb": 0.45359237},
        possible=(2, 400),
        plausible=(5, 200),
        suspects={"lb": (120, 400)},
        loinc=("29463-7",),
    ),
    _count(
        "ecog",
        "ECOG score",
        "ECOG performance status; simulated patients have 0 to 2",
        possible=(0, 4),
        plausible=(0, 2),
        loinc=("89247-1",),
    ),
    _number(
        "sum_of_diameters_mm",
        "Tumour burden",
        "Sum of the diameters of the target lesions (RECIST 1.1)",
        unit="mm",
        quantity="sum_of_diameters",
        others={"cm": 10.0},
        suspects={"cm": (0.5, 12)},
        possible=(0, 1500),
        plausible=(5, 500),
        may_be_missing=True,
    ),
    _count(
        "n_metastatic_sites",
        "Metastatic sites",
        "Number of organs with metastases",
        possible=(0, 30),
        plausible=(0, 12),
    ),
    _flag("has_liver_metastases", "Liver metastases", "Metastases in the liver"),
    _flag(
        "has_prior_checkpoint_inhibitor",
        "Prior checkpoint inhibitor",
        "Checkpoint inhibitor given before",
    ),
    _flag("has_infection", "Infection", "Active infection at the first dose"),
    _laboratory(
        "crp_mg_l",
        "C-reactive protein",
        "C-reactive protein in serum",
        unit="mg/L",
        quantity="crp",
        others={"mg/dL": 10.0, "ug/mL": 1.0},
        possible=(0, 1000),
        plausible=(0, 500),
        usual=(0, 5),
        loinc=("1988-5",),
        source=(
            f"{_LABORATORY}; usual: common laboratory limit, assumed (three of "
            "four US adults are below 4.6, NHANES 2017-2018)"
        ),
        suspects={"mg/dL": (0.001, 1)},
    ),
    _laboratory(
        "ferritin_ug_l",
        "Ferritin",
        "Ferritin in serum",
        unit="ug/L",
        quantity="ferritin",
        others={"ng/mL": 1.0, "mg/L": 1000.0},
        possible=(0.5, 300_000),
        plausible=(3, 50_000),
        usual=(15, 300),
        loinc=("2276-4",),
        source=f"{_LABORATORY}; usual: assumed, lower in women",
    ),
    _laboratory(
        "ldh_x_uln",
        "Lactate dehydrogenase",
        "Lactate dehydrogenase in serum, in multiples of the "
        "upper limit of normal of the laboratory that measured it",
        unit="x ULN",
        quantity="ldh",
        others={},
        limited={"U/L": 1.0, "ukat/L": 60.0},
        possible=(0.1, 60),
        plausible=(0.3, 30),
        usual=(0.5, 1),
        loinc=("2532-0", "14804-9"),
        source=(
            f"{_LABORATORY}; usual: at most 1 by "
            "definition, lower end 5th over 97.5th percentile of US adults, NHANES 2017-2018"
        ),
    ),
    _laboratory(
        "il6_pg_ml",
        "Interleukin-6",
        "Interleukin-6 in serum or plasma",
        unit="pg/mL",
        quantity="il6",
        others={"ng/L": 1.0, "ng/mL": 1000.0},
        possible=(0, 1_000_000),
        plausible=(0, 5000),
        usual=(0, 7),
        loinc=("26881-3",),
        source=f"{_LABORATORY}; usual: assumed, differs by assay",
        suspects={"ng/mL": (1e-6, 0.1)},
    ),
    _laboratory(
        "albumin_g_l",
        "Albumin",
        "Albumin in serum",
        unit="g/L",
        quantity="albumin",
        others={"g/dL": 10.0},
        possible=(8, 70),
        plausible=(15, 55),
        usual=(35, 46),
        loinc=("1751-7",),
    ),
    _laboratory(
        "platelets_g_l",
        "Platelets",
        "Platelet count in blood",
        unit="10^9/L",
        quantity="platelets",
        others=_CELLS,
        possible=(1, 3000),
        plausible=(10, 1200),
        usual=(151, 354),
        loinc=("777-3",),
        suspects={"10^4/uL": (8, 60)},
    ),
    _laboratory(
        "creatinine_umol_l",
        "Creatinine",
        "Creatinine in serum",
        unit="umol/L",
        quantity="creatinine",
        others={"mg/dL": 88.42, "mmol/L": 1000.0},
        possible=(8, 3000),
        plausible=(15, 1200),
        usual=(50, 119),
    ),
    _laboratory(
        "lymphocytes_g_l",
        "Lymphocytes",
        "Lymphocyte count in blood",
        unit="10^9/L",
        quantity="lymphocytes",
        others=_CELLS,
        possible=(0, 100),
        plausible=(0, 15),
        usual=(1.2, 3.6),
        loinc=("731-0",),
        suspects={"% of leukocytes": (5, 60)},
    ),
    _number(
        "antigen_restriction",
        "Antigen restriction",
        "How far the product's antigen is confined to the "
        "tumour: 0 = on many normal tissues, 1 = on the tumour alone (judged, see the rating"
        " guide)",
        unit="1",
        quantity="antigen_restriction",
        others={"%": 0.01},
        possible=(0, 1),
        plausible=(0, 1),
        source=_PROTOCOL,
    ),
    _number(
        "dose_intensity",
        "First dose",
        "First dose as a multiple of the product's usual first dose",
        unit="1",
        quantity="dose_intensity",
        others={"%": 0.01},
        possible=(0, 1000),
        plausible=(0.05, 20),
        source=_PROTOCOL,
    ),
    _flag(
        "is_stepped_up",
        "Step-up dosing",
        "The first dose is smaller than the full dose",
        source=_PROTOCOL,
    ),
    _flag(
        "has_steroid_premedication",
        "Steroid premedication",
        "Corticosteroid given before the first dose",
    ),
    _flag(
        "has_tocilizumab_prophylaxis", "Tocilizumab prophylaxis", "Tocilizumab given before any CRS"
    ),
    _flag(
        "has_lymphodepletion", "Lymphodepletion", "Lymphodepleting chemotherapy before the product"
    ),
)

_INPUT = (
    Field(
        name="ldh_upper_limit_u_l",
        label="Upper limit of LDH",
        quantity="ldh_upper_limit",
        unit="U/L",
        meaning=(
            "Upper limit of normal of LDH in the laboratory that measured it: needed beside LDH in "
            "U/L, read from a user's table, never stored"
        ),
        role="input",
        table="input",
        possible=(50, 2000),
        plausible=(120, 700),
        is_required=False,
        may_be_missing=True,
        source="laboratory report; ranges assumed",
    ),
)

_WINDOW = "within the window (column window_d) after the first dose"
_SIMULATED_TIME = "in the time simulated (the window; for cells at least four weeks)"
_ONWARDS: Interval = (0, 10_000)  # hours or days since the first dose: no end that matters


def _outcome(
    name: str,
    label: str,
    meaning: str,
    *,
    kind: Kind = "float",
    unit: str = "1",
    possible: Interval | None = None,
    plausible: Interval | None = None,
    source: str = _SIMULATED,
    may_be_missing: bool = False,
) -> Field:
    return Field(
        name=name,
        label=label,
        meaning=meaning,
        kind=kind,
        role="outcome",
        table="outcomes",
        unit=unit,
        quantity=name,
        possible=possible,
        plausible=plausible or possible,
        source=source,
        may_be_missing=may_be_missing,
    )


def _graded(name: str, label: str, meaning: str) -> Field:
    return _outcome(name, label, meaning, kind="bool", source=_ASTCT)


def _time(name: str, label: str, meaning: str, *, unit: str) -> Field:
    return _outcome(
        name,
        label,
        f"{meaning}; empty if none",
        unit=unit,
        possible=_ONWARDS,
        source=_ASTCT,
        may_be_missing=True,
    )


_OUTCOMES = (
    _outcome(
        "max_grade",
        "Worst grade",
        f"Worst CRS grade {_WINDOW}; 0 = none",
        kind="int",
        possible=(0, 4),
        source=_ASTCT,
    ),
    _graded("crs_any", "CRS", f"CRS of any grade {_WINDOW}"),
    _graded(
        "crs_grade2plus",
        "CRS grade 2 or more",
        f"First CRS of grade 2 or more {_WINDOW}: what the models predict",
    ),
    _graded("crs_grade3plus", "CRS grade 3 or more", f"CRS of grade 3 or more {_WINDOW}"),
    *(
        _graded(
            f"crs_grade2plus_{days}d",
            f"CRS grade 2 or more in {days} days",
            f"First CRS of grade 2 or more within {days} days after the first dose",
        )
        for days in (10, 14)
    ),
    _time("onset_h", "Onset", "Hours from the first dose to the first CRS", unit="h"),
    _time(
        "onset_grade2plus_h",
        "Onset of grade 2",
        "Hours from the first dose to the first CRS of grade 2 or more",
        unit="h",
    ),
    _time("duration_h", "Duration", "Length of the first episode of CRS", unit="h"),
    _time(
        "resolution_d",
        "Resolution",
        "Calendar days of the first episode, from the date of its first to the date of its last"
        " sign or support (ASTCT), both counted; missing when it outlasts the window",
        unit="d",
    ),
    _outcome(
        "n_episodes",
        "Episodes",
        f"Number of separate episodes of CRS {_SIMULATED_TIME}",
        kind="int",
        possible=(0, 100),
    ),
    *(
        _outcome(
            f"grade_after_dose_{dose}",
            f"Grade after dose {dose}",
            f"Worst CRS grade between dose {dose} and the next; -1 if the dose was not given",
            kind="int",
            possible=(-1, 4),
            source=_ASTCT,
        )
        for dose in (1, 2, 3, 4)
    ),
    *(
        _outcome(
            f"grade_{name}",
            f"Worst grade, {label}",
            f"Worst grade of the same patient under {label} "
            f"{_SIMULATED_TIME}; 0 without CRS in the window",
            kind="int",
            possible=(0, 4),
            source=source,
        )
        for name, label, source in (
            ("lee_2014", "Lee 2014", "Lee, Blood 2014"),
            ("ctcae_4", "CTCAE 4.03", "US National Cancer Institute"),
            ("ctcae_5", "CTCAE 5.0", "US National Cancer Institute"),
            ("penn", "Penn", "Porter, J Hematol Oncol 2018"),
            ("mskcc", "MSKCC", "Park, N Engl J Med 2018"),
            ("cartox", "CARTOX", "Neelapu, Nat Rev Clin Oncol 2018"),
        )
    ),
    _outcome(
        "peak_il6_pg_ml",
        "Peak interleukin-6",
        f"Highest interleukin-6 {_SIMULATED_TIME}",
        unit="pg/mL",
        possible=(0, 10_000_000),
        plausible=(0, 500_000),
    ),
    _outcome(
        "peak_crp_mg_l",
        "Peak CRP",
        f"Highest C-reactive protein {_SIMULATED_TIME}",
        unit="mg/L",
        possible=(0, 1000),
        plausible=(0, 600),
    ),
    _outcome(
        "peak_ferritin_ug_l",
        "Peak ferritin",
        f"Highest ferritin {_SIMULATED_TIME}",
        unit="ug/L",
        possible=(0, 1_000_000),
        plausible=(3, 300_000),
    ),
    _outcome(
        "peak_alt_x_uln",
        "Peak ALT",
        f"Highest alanine aminotransferase during CRS {_SIMULATED_TIME}; 0 without CRS",
        unit="x ULN",
        possible=(0, 1000),
        plausible=(0, 100),
    ),
    _outcome(
        "peak_temperature_c",
        "Peak temperature",
        f"Highest body temperature {_SIMULATED_TIME}",
        unit="degC",
        possible=(30, 45),
        plausible=(35.5, 42),
    ),
    _outcome(
        "min_map_mmhg",
        "Lowest arterial pressure",
        f"Lowest mean arterial pressure {_SIMULATED_TIME}",
        unit="mmHg",
        possible=(0, 200),
        plausible=(25, 130),
    ),
    _outcome(
        "min_spo2_pct",
        "Lowest oxygen saturation",
        f"Lowest oxygen saturation {_SIMULATED_TIME}",
        unit="%",
        possible=(0, 100),
        plausible=(50, 100),
    ),
    _outcome(
        "has_hlh_like_ferritin",
        "HLH-like ferritin",
        "Peak ferritin above the bound that flags a course like hemophagocytic lymphohistiocytosis,"
        " which is out of scope: do not trust the rest of the course",
        kind="bool",
    ),
    _outcome(
        "n_tocilizumab",
        "Doses of tocilizumab",
        f"Doses of tocilizumab given as a rescue {_SIMULATED_TIME}",
        kind="int",
        possible=(0, 50),
        plausible=(0, 12),
    ),
    *(
        _outcome(name, label, f"{label} given for CRS {_SIMULATED_TIME}", kind="bool")
        for name, label in (
            ("has_steroid_rescue", "Corticosteroid"),
            ("has_fluids", "Intravenous fluids"),
            ("has_vasopressor", "Vasopressor"),
            ("has_oxygen", "Oxygen"),
        )
    ),
    _outcome(
        "organ_toxicity_grade",
        "On-target organ toxicity",
        "Worst grade (0, 2, 3, 4) of injury of a vital organ that carries the antigen, by the"
        " oxygen that it alone would ask for; apart from CRS unless the scenario counts it",
        kind="int",
        possible=(0, 4),
        plausible=(0, 4),
    ),
    _outcome(
        "window_d",
        "Window",
        "Days after the first dose in which the outcome is counted",
        unit="d",
        possible=(1, 365),
    ),
)

# name without the hour: the outcome over the whole window with the same unit and ranges, and LOINC
_COURSE: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "crp_mg_l": ("peak_crp_mg_l", ("1988-5",)),
        "il6_pg_ml": ("peak_il6_pg_ml", ("26881-3",)),
        "ferritin_ug_l": ("peak_ferritin_ug_l", ("2276-4",)),
        "temperature_c__max": ("peak_temperature_c", ("8310-5",)),
        "map_mmhg__min": ("min_map_mmhg", ()),
        "spo2_pct__min": ("min_spo2_pct", ()),
        "grade__max": ("max_grade", ()),
    }
)


def _course() -> Iterable[Field]:
    outcomes = {column.name: column for column in _OUTCOMES}
    labels = {column.name: column.label for column in _OBSERVED}
    for hour in LANDMARK_HOURS:
        for stem, (twin, loinc) in _COURSE.items():
            like, label = outcomes[twin], labels.get(stem, outcomes[twin].label)
            when = (
                f"from dose 1 until {hour} h after it" if "__" in stem else f"{hour} h after dose 1"
            )
            yield replace(
                like,
                name=f"{stem}__h{hour}",
                quantity=f"{stem}__h{hour}",
                label=f"{label} at {hour} h",
                meaning=f"{label} {when}",
                role="course",
                table="course",
                loinc=loinc,
                may_be_missing=like.kind == "float",
            )


FIELDS: Mapping[str, Field] = MappingProxyType(
    {column.name: column for column in (*_OBSERVED, *_INPUT, *_OUTCOMES, *_course())}
)


def columns_of(table: Table) -> tuple[str, ...]:
    """The columns of a table in order; outcomes and course start with ``patient_id``.

    >>> columns_of("observed")[:3]
    ('patient_id', 'product', 'platform')
    """
    names = tuple(name for name, column in FIELDS.items() if column.table == table)
    return ("patient_id", *names) if table in ("outcomes", "course") else names


def field(name: str) -> Field:
    """The field of a column; :class:`InputError` for a name that the table does not have.

    >>> field("crp_mg_l").unit
    'mg/L'
    """
    if name not in FIELDS:
        raise InputError(
            where="field table",
            key=name,
            found="an unknown column",
            expected="a known column",
            cure="`crsrisk.report.dictionary.data_dictionary()` lists them",
        )
    return FIELDS[name]


def flag_in_words(name: str, value: object) -> str:
    """A yes/no value of a column in print; anything that is no number is missing.

    >>> flag_in_words("is_female", 1.0), flag_in_words("has_infection", False)
    ('female', 'no')
    """
    no, yes, missing = FIELDS[name].words if name in FIELDS else Field.words
    if value is None or value != value:
        return missing
    return yes if value else no


def label_of(column: str) -> str:
    """What a column is called in print, also one that is made of several readings.

    >>> label_of("crp_mg_l__max__h24"), label_of("temperature_c__slope__h24")
    ('C-reactive protein, highest by 24 h', 'Peak temperature, change by 24 h')
    """
    if column in FIELDS:
        return FIELDS[column].label
    parts, _, hour = column.rpartition("__h")
    stem, _, summary = parts.partition("__")
    if summary == "onset":
        return f"First sign of CRS by {hour} h"
    likes = (f"{stem}{middle}__h{hour}" for middle in ("", "__max", "__min"))
    label = next(FIELDS[name].label for name in likes if name in FIELDS).removesuffix(
        f" at {hour} h"
    )
    return f"{label}, {'highest' if summary == 'max' else 'change'} by {hour} h"
