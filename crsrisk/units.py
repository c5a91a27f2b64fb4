"""Units: as people write them, and what turns a value from one into the unit of its column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crsrisk.errors import InputError
from crsrisk.fields import Field, field

_SAME_UNIT = {
    "iu/l": "u/l",
    "xuln": "uln",
    "gm/dl": "g/dl",
    "gm/l": "g/l",
    "cells/ul": "/ul",
    "cells/mm3": "/mm3",
    "c": "degc",
    "celsius": "degc",
    "year": "years",
    "y": "years",
    "month": "months",
    "lbs": "lb",
    "f": "degf",
    "fahrenheit": "degf",
    "hours": "h",
    "hour": "h",
    "hr": "h",
    "hrs": "h",
    "day": "d",
    "days": "d",
    "min": "minutes",
    "lpm": "l/min",
    "percent": "%",
    "pct": "%",
    "tsd/ul": "k/ul",
    "thou/ul": "k/ul",
}


@lru_cache(maxsize=1024)
def unit_key(text: str) -> str:
    """One key for the spellings of a unit: case, micro signs, blanks and powers do not matter.

    >>> unit_key("µg / L") == unit_key("mcg/L") == unit_key("UG/L")
    True
    >>> unit_key("10^9/L") == unit_key("×10⁹/L") == unit_key("10*9/L") == unit_key("1e9/L")
    True
    """
    key = unicodedata.normalize("NFKC", text).casefold().replace("μ", "u").replace("litre", "l")
    key = re.sub(r"[^a-z0-9/%]", "", key.replace("×", "x"))
    key = re.sub(r"^x?(?:10e|1e|10x|10)(\d)", r"10\1", key)
    key = key.replace("mcg", "ug")
    return _SAME_UNIT.get(key, key)


def _factors(units: Mapping[str, float]) -> dict[str, float]:
    return {unit_key(unit): factor for unit, factor in units.items()}


def convert(
    values: ArrayLike, *, name: str, unit: str, upper_limit_u_l: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Turn values written in ``unit`` into the unit of column ``name``; missing (NaN) stays
    missing.

    ``upper_limit_u_l`` is the laboratory's upper limit of normal, needed for LDH in U/L alone.
    Raises :class:`InputError` for a unit that the column does not accept, or when that limit is not
    given.

    >>> float(convert(4.0, name="albumin_g_l", unit="g/dL"))
    40.0
    >>> convert([250, 500], name="ldh_x_uln", unit="U/L", upper_limit_u_l=250).tolist()
    [1.0, 2.0]
    """
    return convert_column(values, field(name), unit=unit, upper_limit_u_l=upper_limit_u_l)


def convert_column(
    values: ArrayLike, column: Field, *, unit: str, upper_limit_u_l: ArrayLike | None = None
) -> NDArray[np.float64]:
    """:func:`convert` for a column that is described outside the field table."""
    factor, is_limited = _factor(column, unit)
    zero = _factors(column.zeros).get(unit_key(unit), 0.0)
    converted = (np.asarray(values, dtype=np.float64) - zero) * factor
    return converted / _limit(column, upper_limit_u_l) if is_limited else converted


def express(
    values: ArrayLike, *, name: str, unit: str, upper_limit_u_l: ArrayLike | None = None
) -> NDArray[np.float64]:
    """The way back of :func:`convert`: values of column ``name`` written in ``unit``.

    >>> float(express(40.0, name="albumin_g_l", unit="g/dL"))
    4.0
    """
    column = field(name)
    factor, is_limited = _factor(column, unit)
    expressed = np.asarray(values, dtype=np.float64) / factor
    return expressed * _limit(column, upper_limit_u_l) if is_limited else expressed


def accepts(name: str, unit: str) -> bool:
    """Whether column ``name`` can be read in ``unit``."""
    return accepts_unit(field(name), unit)


def accepts_unit(column: Field, unit: str) -> bool:
    """Whether a column can be read in ``unit``."""
    return unit_key(unit) in map(unit_key, column.accepted_units)


def needs_upper_limit(name: str, unit: str) -> bool:
    """Whether values in ``unit`` mean something only with the laboratory's upper limit (LDH in
    U/L).
    """
    return is_limited(field(name), unit)


def is_limited(column: Field, unit: str) -> bool:
    """:func:`needs_upper_limit` for a column that is described outside the field table."""
    return unit_key(unit) in _factors(column.limited_units)


def amount(name: str, number: str, *, unit: str) -> str:
    """A number with what it counts: its unit, or nothing for a pure number; a dose counts the
    product's usual one.

    >>> amount("crp_mg_l", "42", unit="mg/L"), amount("dose_intensity", "10", unit="1")
    ('42 mg/L', '10 times the usual')
    >>> amount("ecog", "1", unit="1")
    '1'
    """
    words = "times the usual" if name == "dose_intensity" else "" if unit in ("", "1") else unit
    return f"{number} {words}".strip()


def likely_units(column: Field, value: float) -> tuple[str, ...]:
    """The units in which a value that is impossible in the column's own would be a plausible one.

    >>> likely_units(field("albumin_g_l"), 4.1), likely_units(field("age_years"), 640)
    (('g/dL',), ('months', 'days'))
    """
    low, high = column.plausible or column.possible or (-np.inf, np.inf)
    found = [
        unit
        for unit, factor in column.other_units.items()
        if low <= (value - column.zeros.get(unit, 0.0)) * factor <= high and factor != 1.0
    ]
    found += [
        unit
        for unit, factor in column.limited_units.items()
        if low <= value * factor / _TYPICAL_LIMIT_U_L <= high
    ]
    kept: dict[float, str] = {}
    for unit in found:
        kept.setdefault(_factor(column, unit)[0], unit)
    return tuple(kept.values())


# only to guess a mistaken unit, never to convert (97.5th percentile of US adults 236 U/L, NHANES
# 2017-2018)
_TYPICAL_LIMIT_U_L = 240.0


def _factor(column: Field, unit: str) -> tuple[float, bool]:
    key = unit_key(unit)
    plain, limited = (
        _factors({column.unit: 1.0, **column.other_units}),
        _factors(column.limited_units),
    )
    if key in plain:
        return plain[key], False
    if key in limited:
        return limited[key], True
    raise InputError(
        where="unit",
        key=column.name,
        found=repr(unit),
        expected=" or ".join(column.accepted_units),
        cure="write one of these units, or convert the values yourself",
    )


def _limit(column: Field, upper_limit_u_l: ArrayLike | None) -> NDArray[np.float64]:
    quantity = column.quantity.upper()
    if upper_limit_u_l is None:
        raise InputError(
            where="unit",
            key=column.name,
            found=f"{quantity} in U/L without the upper limit of normal",
            expected="the laboratory's own upper limit, in U/L",
            cure=f"add the column {column.quantity}_upper_limit_u_l, or give the option"
            f" --{column.quantity}-upper-limit",
        )
    limit = np.asarray(upper_limit_u_l, dtype=np.float64)
    if bool(np.any(limit <= 0)) or bool(np.any(np.isinf(limit))):
        raise InputError(
            where="unit",
            key=f"{column.quantity}_upper_limit_u_l",
            found="a limit that is not above 0",
            expected="the laboratory's upper limit, in U/L",
            cure="correct the limit",
        )
    return limit
