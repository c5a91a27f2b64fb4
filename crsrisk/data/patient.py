"""One patient as a clinician writes him down, in a YAML file or as its keys and values, with units
as a clinician has them. Nothing is guessed: a doubtful value is refused with the likely correction,
unless the file says that it was checked (``confirmed``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crsrisk.data.product import Product
from crsrisk.data.written_numbers import read_number
from crsrisk.data.yaml_files import lines_of, read_yaml
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, LANDMARK_HOURS, Field, columns_of
from crsrisk.units import accepts, convert, needs_upper_limit, unit_key


@dataclass(frozen=True, kw_only=True)
class GivenValue:
    """One value: ``value`` in the standard unit of its column (flags 0 or 1), ``written`` as it
    stands in the file, ``number`` and ``unit`` as read there; ``is_confirmed``: the writer says
    that an unusual value is right.
    """

    value: float
    written: str
    number: float
    unit: str
    is_converted: bool = False
    is_confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class PatientFile:
    """``values`` by column of the observed table; a column that is not there was not measured.
    ``product`` is a name or the path of a YAML file, ``lines`` the line of each key, for messages.
    ``course``: readings after the first dose, by hour and column without the hour (`crp_mg_l`,
    `temperature_c__max`).
    """

    where: str
    label: str
    product: str
    regimen: str | None
    prophylaxis: tuple[str, ...]
    tumour_type: str | None
    values: Mapping[str, GivenValue]
    lines: Mapping[str, int]
    course: Mapping[int, Mapping[str, GivenValue]] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """File and line of a key, for a message."""
        return f"{self.where}, line {self.lines[key]}" if key in self.lines else self.where


LIMIT = "ldh_upper_limit"
NUMBERS: Mapping[
    str, str
] = {  # key in the file -> column; the others follow from product and regimen
    FIELDS[name].quantity: name
    for name in columns_of("observed")
    if FIELDS[name].kind == "float" and name not in ("antigen_restriction",)
}
COUNTS = ("ecog", "n_metastatic_sites")
FLAGS = ("has_liver_metastases", "has_prior_checkpoint_inhibitor", "has_infection")
UNKNOWN_WORDS = frozenset({"", "not measured", "not known", "unknown", "missing"})
KEYS = (
    "label",
    "product",
    "regimen",
    "prophylaxis",
    "tumour_type",
    "sex",
    *NUMBERS,
    LIMIT,
    *COUNTS,
    *FLAGS,
    "confirmed",
    "course",
)
COURSE: Mapping[
    str, str
] = {  # key of a reading after the first dose -> its column without the hour
    "crp": "crp_mg_l",
    "il6": "il6_pg_ml",
    "ferritin": "ferritin_ug_l",
    "highest_temperature": "temperature_c__max",
    "lowest_pressure": "map_mmhg__min",
    "lowest_saturation": "spo2_pct__min",
    "worst_crs_grade": "grade__max",
}
_HOURS = {f"{hour} h": hour for hour in LANDMARK_HOURS}
_WRITTEN = re.compile(r"([+-]?[0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(.*)")
_LONGEST_LABEL = 40


def read_patient(source: str | Path | Mapping[str, Any]) -> PatientFile:
    """Read one patient from a YAML file, or from its keys and values.

    Parameters
    ----------
    source : path or mapping
        ``product`` is required, everything else may be left out. A number with a unit is text
        (``crp: 8.5 mg/dL``); LDH in U/L needs ``ldh_upper_limit``.

    Raises
    ------
    InputError
        With line and key for an unknown key, a number without a unit, a unit that does not fit, an
        impossible value and one that no patient is likely to have.

    Examples
    --------
    >>> read_patient({"product": "tarlatamab", "crp": "8.5 mg/dL"}).values["crp_mg_l"].value
    85.0
    """
    if isinstance(source, Mapping):
        return _patient(_Reading("patient", {}, dict(source)))
    path = Path(source)
    tree = read_yaml(path)  # before the lines: it says what is wrong with a broken file
    return _patient(_Reading(path.name, lines_of(path), tree, path=path))


def _patient(reading: _Reading) -> PatientFile:
    reading.refuse_unknown(KEYS)
    product = reading.tree.get("product")
    if not isinstance(product, str):
        raise reading.bad(
            "product",
            repr(reading.tree.get("product", "nothing")),
            "the name of a product, or its YAML file",
            "write product: tarlatamab, say",
        )
    values = dict(reading.values())
    label = reading.text("label") or "This patient"
    if len(label) > _LONGEST_LABEL:
        raise reading.bad(
            "label",
            f"{len(label)} letters",
            f"at most {_LONGEST_LABEL}",
            "shorten it, and name nobody",
        )
    return PatientFile(
        where=reading.where,
        label=label,
        product=product,
        regimen=reading.text("regimen"),
        prophylaxis=reading.names("prophylaxis"),
        tumour_type=reading.text("tumour_type"),
        values=values,
        lines=reading.lines,
        course=_course(reading),
    )


def _course(reading: _Reading) -> dict[int, dict[str, GivenValue]]:
    """Readings after the first dose by hour and column; the hours are those that models know (6 h,
    12 h, ...).
    """
    tree = reading.tree.get("course")
    if tree is None:
        return {}
    if not isinstance(tree, dict) or not all(isinstance(part, dict) for part in tree.values()):
        raise reading.bad(
            "course",
            repr(tree)[:60],
            "hours after the first dose with their readings",
            "write a line for each hour below it, as 24 h: {crp: ..., worst_crs_grade: ...}",
        )
    hours = _Reading(reading.where, reading.lines_inside("course"), tree)
    course: dict[int, dict[str, GivenValue]] = {}
    for time, part in tree.items():
        if time not in _HOURS:
            raise hours.bad(
                time,
                "a time that no model reads",
                f"one of {', '.join(_HOURS)} after the first dose",
                "put each reading at the first of these times by which it was known",
            )
        readings = _CourseReading(reading.where, reading.lines_inside("course", time), part)
        readings.refuse_unknown((*COURSE, "confirmed"))
        course[_HOURS[time]] = dict(readings.values())
    return dict(sorted(course.items()))


class _Reading:
    """One file, or a part of it, being read: what stands in it, and where."""

    measured: tuple[str, ...] = (*NUMBERS, *COUNTS)  # keys of values that `confirmed` may name

    def __init__(
        self,
        where: str,
        lines: Mapping[str, int],
        tree: Mapping[str, Any],
        *,
        path: Path | None = None,
    ) -> None:
        self.where, self.lines, self.tree, self.path = where, lines, tree, path
        self.confirmed = self.names("confirmed")
        if strangers := sorted(set(self.confirmed) - set(self.measured)):
            raise self.bad(
                "confirmed",
                ", ".join(strangers),
                "keys of values in this file",
                "write for example [ferritin]",
            )

    def lines_inside(self, *keys: str) -> Mapping[str, int]:
        """The lines of the keys below these; none where the patient comes from no file."""
        return {} if self.path is None else lines_of(self.path, inside=keys)

    def bad(self, key: str, found: object, expected: str, cure: str) -> InputError:
        where = f"{self.where}, line {self.lines[key]}" if key in self.lines else self.where
        return InputError(where=where, key=key, found=found, expected=expected, cure=cure)

    def refuse_unknown(self, keys: Sequence[str]) -> None:
        for key in self.tree:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1, cutoff=0.6)
                raise self.bad(
                    key,
                    "an unknown key",
                    "one of the template's keys",
                    (
                        f"did you mean {near[0]}?"
                        if near
                        else "remove it; explain template PRODUCT lists them"
                    ),
                )

    def text(self, key: str) -> str | None:
        value = self.tree.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self.bad(key, repr(value), "a name", "write a name, or leave the key out")
        return value.strip()

    def names(self, key: str) -> tuple[str, ...]:
        value = self.tree.get(key)
        value = [] if value is None else value
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise self.bad(key, repr(value), "a list of names", f"write {key}: [] or {key}: [name]")
        return tuple(value)

    def values(self) -> Iterator[tuple[str, GivenValue]]:
        for key in self.tree:
            if self.is_unknown(key):
                continue
            if key in NUMBERS:
                yield NUMBERS[key], self.number(key, FIELDS[NUMBERS[key]])
            elif key in COUNTS:
                yield key, self.count(key, FIELDS[key])
            elif key in FLAGS:
                yield key, self.flag(key)
            elif key == "sex":
                yield "is_female", self.sex()

    def is_unknown(self, key: str) -> bool:
        value = self.tree.get(key)
        return value is None or (isinstance(value, str) and value.strip().lower() in UNKNOWN_WORDS)

    def flag(self, key: str) -> GivenValue:
        value = self.tree[key]
        if not isinstance(value, bool):
            raise self.bad(
                key,
                repr(value),
                "true or false",
                "write true or false, or leave the key out if it is not known",
            )
        return GivenValue(
            value=float(value), written="yes" if value else "no", number=float(value), unit="1"
        )

    def sex(self) -> GivenValue:
        word = str(self.tree["sex"]).strip().lower()
        if word not in ("f", "female", "m", "male"):
            raise self.bad(
                "sex",
                repr(self.tree["sex"]),
                "female or male",
                "write one of the two, or leave the key out",
            )
        return GivenValue(
            value=float(word[0] == "f"), written=word, number=float(word[0] == "f"), unit="1"
        )

    def count(self, key: str, column: Field) -> GivenValue:
        value = self.tree[key]
        low, high = column.possible or (0, np.inf)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.bad(
                key, repr(value), f"a whole number from {low:g} to {high:g}", "correct the value"
            )
        return GivenValue(
            value=float(value),
            written=str(value),
            number=float(value),
            unit="1",
            is_confirmed=key in self.confirmed,
        )

    def split(self, key: str, column: Field) -> tuple[float, str, str]:
        """Number, unit and text of a value."""
        value = self.tree[key]
        units = [unit for unit in column.accepted_units if unit != "1"]
        if isinstance(value, int | float) and not isinstance(value, bool):
            if "1" in column.accepted_units:
                return float(value), "1", f"{value:g}"
            raise self.bad(
                key,
                f"{value:g} without a unit",
                f"a number with its unit: {' or '.join(units)}",
                "ask the laboratory for its unit, and write it behind the number: "
                + ", ".join(f"{key}: {value:g} {unit}" for unit in units),
            )
        text = str(value).strip()
        if text[:1] in ("<", ">"):
            raise self.bad(
                key,
                repr(text),
                f"a number with its unit: {' or '.join(units)}",
                "a value beyond the limit of the assay: decide what stands for it by your protocol,"
                " or leave the key out",
            )
        parts = _WRITTEN.fullmatch(text)
        if parts is None:
            raise self.bad(
                key,
                repr(text),
                f"a number with its unit: {' or '.join(units)}",
                "write a number and its unit, or leave the key out if it was not measured",
            )
        if "," in parts.group(1):
            values = read_number(parts.group(1)).values
            raise self.bad(
                key,
                repr(text),
                "a decimal point",
                "write "
                + " or ".join(f"{value:.15g} {parts.group(2)}" for value in values)
                + (", by the laboratory's report" if len(values) > 1 else ""),
            )
        if not accepts(column.name, parts.group(2)):
            is_fahrenheit = unit_key(parts.group(2)) in ("f", "degf", "fahrenheit")
            raise self.bad(
                key,
                (
                    f"the unit {parts.group(2)!r}"
                    if parts.group(2)
                    else f"{parts.group(1)} without a unit"
                ),
                " or ".join(units),
                (is_fahrenheit and _as_celsius(column, float(parts.group(1))))
                or "convert the value, or correct the unit",
            )
        return float(parts.group(1)), parts.group(2), text

    def number(self, key: str, column: Field) -> GivenValue:
        raw, unit, text = self.split(key, column)
        limit = self.limit() if needs_upper_limit(column.name, unit) else None
        value = float(convert(raw, name=column.name, unit=unit, upper_limit_u_l=limit))
        is_confirmed = key in self.confirmed
        low, high = column.possible or (-np.inf, np.inf)
        if not low <= value <= high:
            raise self.bad(
                key,
                text,
                f"{low:g} to {high:g} {column.unit}, which is possible",
                _likely(column, raw, unit, limit) or "correct the value, or leave it out",
            )
        low, high = column.plausible or (-np.inf, np.inf)
        if not low <= value <= high and not is_confirmed:
            cure = _likely(column, raw, unit, limit) or "check it"
            raise self.bad(
                key,
                text,
                f"usually {low:g} to {high:g} {column.unit}",
                f"{cure}; if it is right as it stands, add {key} to `confirmed`",
            )
        return GivenValue(
            value=value,
            written=text,
            number=raw,
            unit=unit,
            is_confirmed=is_confirmed,
            is_converted=unit_key(unit) != unit_key(column.unit) and value != raw,
        )

    def limit(self) -> float:
        """The laboratory's upper limit of LDH in U/L."""
        column = FIELDS["ldh_upper_limit_u_l"]
        if self.is_unknown(LIMIT):
            raise self.bad(
                "ldh",
                "LDH without the laboratory's upper limit of normal",
                f"{LIMIT} beside it",
                f"add {LIMIT} in U/L, from the laboratory's report",
            )
        raw, unit, text = self.split(LIMIT, column)
        low, high = column.plausible or (0.0, np.inf)
        value = raw
        if unit_key(unit) != unit_key("U/L") or not low <= value <= high:
            raise self.bad(
                LIMIT,
                text,
                f"{low:g} to {high:g} U/L",
                "write the upper limit of normal of that laboratory",
            )
        return value


class _CourseReading(_Reading):
    """The readings of one hour after the first dose. Their fields have no hour: it changes neither
    units nor ranges.
    """

    measured = tuple(COURSE)

    def values(self) -> Iterator[tuple[str, GivenValue]]:
        for key, stem in COURSE.items():
            if key not in self.tree or self.is_unknown(key):
                continue
            like = FIELDS[f"{stem}__h{LANDMARK_HOURS[0]}"]
            if like.kind == "int":
                yield stem, self.count(key, like)
                continue
            units_of = FIELDS.get(
                stem, like
            )  # a laboratory value is read in the units of the one before the dose
            yield (
                stem,
                self.number(
                    key, replace(units_of, possible=like.possible, plausible=like.plausible)
                ),
            )


def _likely(column: Field, raw: float, unit: str, limit: float | None) -> str:
    """What a doubtful value looks like in another unit that is read, or nothing."""
    if celsius := _as_celsius(column, raw):
        return f"{raw:g} looks like °F: if it is, {celsius}"
    others = other_readings(column, raw, unit, limit, within=column.plausible)
    if not others:
        return ""
    ways = " or ".join(f"{raw:g} {other}" for other in others)
    return f"{raw:g} looks like {' or '.join(others)}: if it is, write {ways}"


def _as_celsius(column: Field, raw: float) -> str:
    """A temperature in °F as it is to be written, or nothing. °F is no factor of °C, so it is not
    read: only told.
    """
    celsius = (raw - 32) / 1.8
    low, high = column.plausible or (np.inf, -np.inf)
    return f"write {celsius:.1f} °C" if column.unit == "degC" and low <= celsius <= high else ""


def other_readings(
    column: Field, raw: float, unit: str, limit: float | None, *, within: tuple[float, float] | None
) -> list[str]:
    """Units other than ``unit`` in which the same number would lie ``within`` a range (of the
    standard unit).
    """
    low, high = within or (-np.inf, np.inf)
    readings = []
    for other in column.accepted_units:
        if unit_key(other) == unit_key(unit):
            continue
        upper = limit or (
            240.0 if needs_upper_limit(column.name, other) else None
        )  # only to guess, never to convert
        if low <= float(convert(raw, name=column.name, unit=other, upper_limit_u_l=upper)) <= high:
            readings.append(other)
    return readings


def check_units(patient: PatientFile, *, seen: Mapping[str, tuple[float, float]]) -> None:
    """Refuse a value that lies outside what training patients had, where the same number in another
    unit would not.

    ``seen``: by column, the range of the training patients. Albumin 4.1 g/L cannot be and is
    refused on reading; a CRP of 45 mg/dL can, and is refused here, until ``confirmed`` says that it
    is right.
    """
    for key, name in NUMBERS.items():
        _check_unit(patient.place(key), key, patient.values.get(name), FIELDS[name], seen.get(name))
    for hour, readings in patient.course.items():
        for key, stem in COURSE.items():
            if stem in FIELDS:  # the laboratory values, which are read in more units than one
                span = next((seen[name] for name in seen if name.startswith(f"{stem}__h")), None)
                _check_unit(
                    patient.place("course"),
                    f"{hour} h, {key}",
                    readings.get(stem),
                    FIELDS[stem],
                    span,
                )


def _check_unit(
    where: str, key: str, given: GivenValue | None, column: Field, span: tuple[float, float] | None
) -> None:
    if given is None or span is None or given.is_confirmed or span[0] <= given.value <= span[1]:
        return
    if others := other_readings(column, given.number, given.unit, None, within=span):
        raise InputError(
            where=where,
            key=key,
            found=given.written,
            expected=(
                f"{span[0]:g} to {span[1]:g} {column.unit}, as the model's training patients had"
            ),
            cure=(
                f"{given.number:g} looks like {others[0]}: if it is, write {given.number:g}"
                f" {others[0]}; if it is right as it stands, add {key.rpartition(' ')[2]} to"
                " `confirmed`"
            ),
        )


_EXAMPLES = {
    "age_years": "66 years",
    "weight_kg": "74 kg",
    "sum_of_diameters_mm": "85 mm",
    "crp_mg_l": "4.2 mg/dL",
    "ferritin_ug_l": "640 ng/mL",
    "ldh_x_uln": "390 U/L",
    "il6_pg_ml": "not measured",
    "albumin_g_l": "3.6 g/dL",
    "platelets_g_l": "240 10^9/L",
    "creatinine_umol_l": "0.9 mg/dL",
    "lymphocytes_g_l": "1.1 10^9/L",
}


_COURSE = {  # made-up readings at the landmarks, in the order of the hours
    "crp": ("4.4 mg/dL", "5.1 mg/dL", "7.9 mg/dL"),
    "il6": ("18 pg/mL", "46 pg/mL", "110 pg/mL"),
    "ferritin": ("650 ng/mL", "not measured", "720 ng/mL"),
    "highest_temperature": ("37.1 °C", "37.6 °C", "38.1 °C"),
    "lowest_pressure": ("88 mmHg", "84 mmHg", "80 mmHg"),
    "lowest_saturation": ("96 %", "95 %", "95 %"),
    "worst_crs_grade": ("0", "0", "1"),
}


def template(product: Product, *, landmark_h: int = 0) -> str:
    """A patient file to fill in, for one product: every key with its units; made-up values."""
    lines = [
        (
            "# One patient for: crsrisk explain patient MODEL PATIENT.yaml. The values are made up:"
            " write"
            " over them."
        ),
        (
            "# Only `product` is required. Leave out, or write `not measured` for, what is not"
            " known. Name nobody here."
        ),
        f"product: {product.name}",
        f"regimen: {product.default_regimen}  # {' | '.join(product.regimens)}",
        "prophylaxis: []  # given before the first dose beside the regimen, as [tocilizumab]",
        f"tumour_type: {product.population}",
        "",
        "sex: female  # or male",
    ]
    for key, name in NUMBERS.items():
        column = FIELDS[name]
        if name == "dose_intensity":
            continue
        lines.append(
            f"{key}: {_EXAMPLES[name]}  # {column.label}: {', '.join(column.accepted_units)}"
        )
        if name == "ldh_x_uln":
            lines.append(
                f"{LIMIT}: 250 U/L  # of the laboratory that measured LDH; needed with U/L"
            )
    lines += [
        "ecog: 1",
        "n_metastatic_sites: 2",
        *(f"{key}: false  # {FIELDS[key].meaning}" for key in FLAGS),
        "confirmed: []  # keys of unusual values that were checked and are right, as [ferritin]",
    ]
    if any(regimen.amount_log_sd > 0 for regimen in product.regimens.values()):
        lines.append('# dose_intensity: "100 %"  # cells given, as a share of the usual dose')
    return "\n".join([*lines, *_course_lines(landmark_h)]) + "\n"


def _course_lines(landmark_h: int) -> list[str]:
    """The part for a model of ``landmark_h`` hours after the first dose; nothing for one of before
    it.
    """
    if not landmark_h:
        return []
    lines = [
        f"course:  # until {landmark_h} h after the first dose; a time or a reading that is not"
        " known is left out"
    ]
    for place, hour in enumerate(hour for hour in LANDMARK_HOURS if hour <= landmark_h):
        lines.append(f"  {hour} h:")
        lines += [
            f"    {key}: {values[min(place, len(values) - 1)]}"
            + ("" if place else f"  # {_says(key)}")
            for key, values in _COURSE.items()
        ]
    return lines


def _says(key: str) -> str:
    """What a reading is, with its units."""
    stem = COURSE[key]
    like = FIELDS[f"{stem}__h{LANDMARK_HOURS[0]}"]
    if stem in FIELDS:
        return f"at that hour: {', '.join(FIELDS[stem].accepted_units)}"
    return {
        "temperature_c__max": "since the first dose",
        "map_mmhg__min": "mean arterial, since the first dose",
        "spo2_pct__min": "since the first dose",
    }.get(stem, "since the first dose, by ASTCT 2019; needed") + (
        f": {like.unit}" if like.unit != "1" else ""
    )
