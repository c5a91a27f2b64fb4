"""Revise: other values in the files of the synthetic world, line by line, so that comments and order stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crsrisk.errors import InputError


def revised(text: str, values: Mapping[tuple[str, ...], float], *, where: str) -> str:
    """The YAML text with the ``value`` of some quantities replaced; what stood there becomes their ``prior``.

    A key is the path of a quantity, ``("binding", "tumour_affinity_nm")``. A prior that is there already stays: it is what
    was believed before any calibration; a value that goes back to it loses the line. Raises :class:`InputError` for a path
    that is not in the text.

    >>> print(revised("gain:\\n  value: 2.0\\n  unit: '1'\\n", {("gain",): 1.25}, where="a.yaml"), end="")
    gain:
      value: 1.25
      prior: 2.0
      unit: '1'
    """
    lines = text.split("\n")
    for path, value in values.items():
        first, last, depth = _block(lines, path, where=where)
        spaces = "  " * depth
        at = _line(lines, f"{spaces}value:", first, last, path=path, where=where)
        priors = [k for k in range(first, last) if lines[k].startswith(f"{spaces}prior:")]
        believed = lines.pop(priors[0]).partition(":")[2].strip() if priors else lines[at].partition(":")[2].strip()
        if float(believed.partition("#")[0]) == float(_number(value)):
            lines[at] = f"{spaces}value: {believed}"
        else:
            lines[at : at + 1] = [f"{spaces}value: {_number(value)}", f"{spaces}prior: {believed}"]
    return "\n".join(lines)


def _block(lines: Sequence[str], path: Sequence[str], *, where: str) -> tuple[int, int, int]:
    """First and one past the last line below the key at the end of a path, and their depth."""
    first, last = 0, len(lines)
    for depth, key in enumerate(path):
        spaces = "  " * depth
        at = _line(lines, f"{spaces}{key}:", first, last, path=path, where=where)
        first, end = at + 1, at + 1
        while end < last and (not lines[end].strip() or lines[end].startswith(f"{spaces} ")):
            end += 1
        last = end
    return first, last, len(path)


def _line(lines: Sequence[str], start: str, first: int, last: int, *, path: Sequence[str], where: str) -> int:
    for k in range(first, last):
        if lines[k] == start or lines[k].startswith(f"{start} "):
            return k
    raise InputError(where=where, key=".".join(path), found="no such entry", expected=f"a line `{start.strip()}`",
                     cure="calibrate with the files that are there: crsrisk run experiments/002_calibration")


def _number(value: float) -> str:
    """Four significant digits without an exponent, which YAML would read as text."""
    return np.format_float_positional(value, precision=4, unique=False, fractional=False, trim="0")
