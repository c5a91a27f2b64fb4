"""YAML that cannot be misread: duplicate keys, ``no`` read as False and ``1e-3`` read as text are
refused.

PyYAML keeps the last of two equal keys, reads ``no`` as False and ``1e-3`` as the text "1e-3". In a
file of scientific numbers each of these is a silent error, so the reader stops and names the line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import yaml
from pydantic import BaseModel, ValidationError

from crsrisk.errors import InputError

_TRAP_BOOLEANS = {"yes", "no", "on", "off", "y", "n"}
_TRAP_NUMBER = re.compile(
    r"^[-+]?(\d+[eE][-+]?\d+|\d+\.\d*[eE]\d+|\.\d+[eE]\d+|0[0-7]+|\d[\d_]*_\d+|\d+:\d+.*)$"
)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that remembers the file and refuses what YAML 1.1 would misread."""

    where = ""


def _refuse(
    loader: _StrictLoader, node: yaml.Node, *, key: str, found: str, expected: str, cure: str
) -> InputError:
    line = node.start_mark.line + 1
    return InputError(
        where=f"{loader.where}, line {line}", key=key, found=found, expected=expected, cure=cure
    )


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _refuse(
                loader,
                key_node,
                key=str(key),
                found=f"a key of type {type(key).__name__}",
                expected="a text key",
                cure="put the key in quotes",
            )
        if key in seen:
            raise _refuse(
                loader,
                key_node,
                key=key,
                found="the key a second time",
                expected="each key once",
                cure="delete one of the two",
            )
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


def _scalar(loader: _StrictLoader, node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style is None:  # plain, not quoted
        if text.lower() in _TRAP_BOOLEANS:
            raise _refuse(
                loader,
                node,
                key=text,
                found=f"the bare word {text}",
                expected="true, false or quoted text",
                cure="write true or false, or put the word in quotes",
            )
        if _TRAP_NUMBER.match(text):
            raise _refuse(
                loader,
                node,
                key=text,
                found=f"the number {text}, which YAML reads as text or as octal",
                expected="a plain decimal number",
                cure="write 0.001 or 1.0e-3 (point and signed exponent)",
            )
    kinds = {
        "bool": loader.construct_yaml_bool,
        "int": loader.construct_yaml_int,
        "float": loader.construct_yaml_float,
        "null": loader.construct_yaml_null,
    }
    kind = node.tag.rsplit(":", 1)[-1]
    return kinds[kind](node) if kind in kinds else loader.construct_scalar(node)


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
for _kind in ("bool", "int", "float", "null", "str", "timestamp"):
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _scalar)


def _tree(text: str, *, where: str) -> Any:
    loader = _StrictLoader(text)
    loader.where = where
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML file whose top is a mapping; raises :class:`InputError` naming file, line, key
    and cure.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise InputError(
            where=path.name,
            found="bytes that are not UTF-8 text",
            expected="a YAML file in UTF-8",
            cure="save it as plain text in UTF-8",
        ) from problem
    except OSError as problem:
        raise InputError(
            where=str(path),
            found=problem.strerror or "no readable file",
            expected="a YAML file",
            cure="check the path and its permissions",
        ) from problem
    try:
        tree = _tree(text, where=path.name)
    except RecursionError as problem:
        raise InputError(
            where=path.name,
            found="brackets within brackets without end",
            expected="a mapping a few levels deep",
            cure="check the brackets",
        ) from problem
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(
            where=f"{path.name}{line}",
            found=str(getattr(problem, "problem", problem)),
            expected="valid YAML",
            cure="check indentation, colons and quotes",
        ) from problem
    if not isinstance(tree, dict):
        raise InputError(
            where=path.name,
            found=type(tree).__name__,
            expected="a mapping at the top",
            cure="start the file with `key: value` lines",
        )
    return tree


def lines_of(path: Path, *, inside: Sequence[str] = ()) -> dict[str, int]:
    """The line of each key at the top of a file that :func:`read_yaml` has read, or in the mapping
    under ``inside``.
    """
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    for step in inside:
        parts = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in parts if key.value == step), None)
    return (
        {key.value: key.start_mark.line + 1 for key, _ in node.value}
        if isinstance(node, yaml.MappingNode)
        else {}
    )


Noun = TypeVar("Noun", bound=BaseModel)


def build(kind: type[Noun], tree: Any, *, where: str) -> Noun:
    """Make a checked noun of a YAML tree; the first problem becomes an :class:`InputError` that
    names its key.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as problem:
        raise _refused(problem, kind, where=where) from problem


def _refused(problem: ValidationError, kind: type[BaseModel], *, where: str) -> InputError:
    """The first problem; an unknown key goes before the missing one that it may be meant for."""
    first = min(problem.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = [str(part) for part in first["loc"]]
    others = problem.error_count() - 1
    more = f" ({others} more problem{'s' if others > 1 else ''})" if others else ""
    if first["type"] == "missing":
        found, expected, cure = "nothing", "this key to be present", "add it"
    elif first["type"] == "extra_forbidden":
        known = _known(kind, first["loc"])
        near = difflib.get_close_matches(place[-1], known, n=1)
        found, expected = "an unknown key", "only known keys"
        cure = (
            f"did you mean {near[0]}? " if near else ""
        ) + f"remove it, or correct its name (known: {', '.join(known)})"
    elif first["type"] == "misfit":
        said = first["ctx"]
        place.append(said["key"])
        found, expected, cure = said["found"], said["expected"], "correct the value"
    else:
        found, expected = repr(first["input"])[:120], first["msg"].removeprefix("Value error, ")
        cure = "correct the value"
    key = ".".join(place) or kind.__name__
    return InputError(where=where, key=key, found=found, expected=expected + more, cure=cure)


def _known(kind: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys of the block in which an unknown one stands; parts of the place that are no fields
    are keys of a mapping.
    """
    for part in place[:-1]:
        if part in kind.model_fields:
            kind = _model_in(kind.model_fields[str(part)].annotation) or kind
    return list(kind.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is, holds in a list or mapping, or allows beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(
        (found for part in get_args(annotation) if (found := _model_in(part)) is not None), None
    )


# Revise: other values in the files of the synthetic world, line by line, so that comments and order
# stay as they are.


def revised(text: str, values: Mapping[tuple[str, ...], float], *, where: str) -> str:
    """The YAML text with the ``value`` of some quantities replaced; what stood there becomes their
    ``prior``.

    A key is the path of a quantity, ``("binding", "tumour_affinity_nm")``. A prior that is there
    already stays: it is what was believed before any calibration; a value that goes back to it
    loses the line. Raises :class:`InputError` for a path that is not in the text.

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
        believed = (
            lines.pop(priors[0]).partition(":")[2].strip()
            if priors
            else lines[at].partition(":")[2].strip()
        )
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


def _line(
    lines: Sequence[str], start: str, first: int, last: int, *, path: Sequence[str], where: str
) -> int:
    for k in range(first, last):
        if lines[k] == start or lines[k].startswith(f"{start} "):
            return k
    raise InputError(
        where=where,
        key=".".join(path),
        found="no such entry",
        expected=f"a line `{start.strip()}`",
        cure="calibrate with the files that are there: crsrisk run experiments/002_calibration",
    )


def _number(value: float) -> str:
    """Four significant digits without an exponent, which YAML would read as text."""
    return np.format_float_positional(value, precision=4, unique=False, fractional=False, trim="0")
