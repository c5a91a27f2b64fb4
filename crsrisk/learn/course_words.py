"""Course in words: what a model read of the hours since the first dose, as one value in a reason.

Several features belong to one variable (last reading, highest, slope, hour of the first sign); their shares are one reason,
so the reason says all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_COURSE = re.compile(r"(.+?)__(?:(max|min|slope|onset)__)?h(\d+)")
_SMALL = 0.005  # of the level an hour: below it a slope is no change that anybody would speak of


def course_in_words(values: Mapping[str, float], *, unit: str) -> str:
    """One variable's features by name (`crp_mg_l__max__h24`), all of one landmark, as a clinician says them.

    That a temperature is the highest and a pressure the lowest so far, the variable's own label says.

    >>> course_in_words({"crp_mg_l__h24": 52.0, "crp_mg_l__max__h24": 61.0, "crp_mg_l__slope__h24": 1.84}, unit="mg/L")
    '52 mg/L at 24 h (highest 61 mg/L, rising by 1.8 mg/L an hour)'
    >>> course_in_words({"temperature_c__max__h24": 38.1, "temperature_c__slope__h24": 0.0}, unit="degC")
    '38.1 degC by 24 h (unchanged)'
    >>> course_in_words({"grade__max__h24": 1.0, "grade__onset__h24": 12.0}, unit="1")
    'grade 1 by 24 h (first seen by 12 h)'
    """
    parts, hour = {}, ""
    for name, value in values.items():
        found = _COURSE.fullmatch(name)
        if found is not None and not math.isnan(value):
            parts[found.group(2) or "last"], hour = float(value), found.group(3)
    if not set(parts) & {"last", "max", "min"}:
        return "not measured"
    if any(name.startswith("grade__") for name in values):
        return _grade(parts, hour)
    level = parts.get("last", parts.get("max", parts.get("min", 0.0)))
    said = f"{_number(level)} {unit} {'at' if 'last' in parts else 'by'} {hour} h"
    more = []
    if "last" in parts and "max" in parts:
        is_last = parts["max"] <= parts["last"]
        more.append("the highest so far" if is_last else f"highest {_number(parts['max'])} {unit}")
    if "slope" in parts:
        more.append(_slope(parts["slope"], level, unit))
    return f"{said} ({', '.join(more)})" if more else said


def _grade(parts: Mapping[str, float], hour: str) -> str:
    worst = parts["max"]
    if not worst:
        return f"no CRS by {hour} h"
    return f"grade {worst:g} by {hour} h" + (f" (first seen by {parts['onset']:g} h)" if "onset" in parts else "")


def _slope(slope: float, level: float, unit: str) -> str:
    if slope == 0 or (unit not in ("degC", "%") and abs(slope) < _SMALL * abs(level)):
        return "unchanged"
    return f"{'rising' if slope > 0 else 'falling'} by {float(f'{abs(slope):.2g}'):g} {unit} an hour"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
