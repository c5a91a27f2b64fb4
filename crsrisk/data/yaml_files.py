"""Files of YAML: read without misreading (:mod:`crsrisk.data.yaml_tree`), checked, and revised.

Values are replaced in place (:func:`revised`), so that comments and order stay as they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from yaml import MappingNode, MarkedYAMLError, Node, YAMLError

from crsrisk.data.json_text import json_tree
from crsrisk.data.yaml_tree import TrapError, yaml_nodes, yaml_tree
from crsrisk.errors import InputError, shortened

LARGEST_BYTES = 1_000_000


def text_within_bounds(path: Path) -> str:
    """The text of a file in UTF-8 of one million bytes at most; raises :class:`InputError`."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as problem:
        raise InputError(
            where=str(path),
            found=problem.strerror or "no readable file",
            expected="a YAML file",
            cure="check the path and its permissions",
        ) from problem
    if len(raw) > LARGEST_BYTES:
        raise InputError(
            where=path.name,
            found="a file of more than 1 MB",
            expected="a file that a person wrote, of 1 MB at most",
            cure="check that it is the right file",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise InputError(
            where=path.name,
            found="bytes that are not UTF-8 text",
            expected="a YAML file in UTF-8",
            cure="save it as plain text in UTF-8",
        ) from problem


def yaml_text(tree: Mapping[str, Any]) -> str:
    """Plain values as YAML text, keys in their order."""
    written = StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.allow_unicode = True
    writer.width = 100
    writer.dump(dict(tree), written)
    return written.getvalue()


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML file whose top is a mapping; raises :class:`InputError` naming file, line, key
    and cure.
    """
    return mapping_of(text_within_bounds(path), name=path.name)


def mapping_of(text: str, *, name: str) -> dict[str, Any]:
    """The same of the text of a file of that name."""
    refuse = partial(InputError, expected="valid YAML", cure="check indentation, colons and quotes")
    try:
        tree = yaml_tree(text)
    except TrapError as trap:
        told = {part: shortened(text) for part, text in trap.told.items()}
        raise InputError(where=f"{name}, line {trap.line}", **told) from trap
    except MarkedYAMLError as problem:
        line = f", line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise refuse(
            where=f"{name}{line}", found=shortened(problem.problem or problem)
        ) from problem
    except (YAMLError, ValueError) as problem:
        raise refuse(where=name, found=shortened(problem)) from problem
    if not isinstance(tree, dict):
        raise InputError(
            where=name,
            found=type(tree).__name__,
            expected="a mapping at the top",
            cure="start the file with `key: value` lines",
        )
    return tree


def lines_of(path: Path, *, inside: Sequence[str] = ()) -> dict[str, int]:
    """The line of each key at the top of a file that :func:`read_yaml` has read, or in the mapping
    under ``inside``.
    """
    block = yaml_nodes(path.read_text(encoding="utf-8"))
    for step in inside:
        block = next((value for key, value in _pairs(block) if key.value == step), None)
    return {key.value: key.start_mark.line + 1 for key, _ in _pairs(block)}


def _pairs(block: Node | None) -> list[tuple[Node, Node]]:
    """Keys and values of a mapping; none of anything else."""
    return list(block.value) if isinstance(block, MappingNode) else []


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
        found, expected, cure = shortened(said["found"]), said["expected"], "correct the value"
    else:
        found = shortened(repr(first["input"]), most=120)
        expected = shortened(first["msg"].removeprefix("Value error, "), most=300)
        cure = "correct the value"
    key = shortened(".".join(place)) or kind.__name__
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


def revised(text: str, values: Mapping[tuple[str, ...], float], *, where: str) -> str:
    """The YAML text with the ``value`` of some quantities replaced; what stood there becomes their
    ``prior``.

    A key is the path of a quantity, ``("binding", "tumour_affinity_nm")``. A prior that is there
    already stays: it is what was assumed before any calibration; a value that goes back to it loses
    the line. Comments and order stay. Raises :class:`InputError` for a path that is not there.

    >>> before = "gain:\\n  value: 2.0\\n  unit: '1'\\n"
    >>> print(revised(before, {("gain",): 1.25}, where="a.yaml"), end="")
    gain:
      value: 1.25
      prior: 2.0
      unit: '1'
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    tree = editor.load(text)
    for path, value in values.items():
        quantity = _quantity_at(tree, path, where=where)
        number = editor.load(_number(value))  # keeps the digits as they are written
        assumed = quantity.pop("prior", quantity["value"])
        if float(assumed) == float(number):
            quantity["value"] = assumed
        else:
            quantity["value"] = number
            quantity.insert(list(quantity).index("value") + 1, "prior", assumed)
    written = StringIO()
    editor.dump(tree, written)
    return written.getvalue()


def _quantity_at(tree: CommentedMap, path: Sequence[str], *, where: str) -> CommentedMap:
    block: Any = tree
    for key in path:
        block = block.get(key) if isinstance(block, CommentedMap) else None
    if not isinstance(block, CommentedMap) or "value" not in block:
        raise InputError(
            where=where,
            key=".".join(path),
            found="no such entry",
            expected="a mapping with `value`",
            cure="calibrate with the files that are there: crsrisk run experiments/002_calibration",
        )
    return block


def _number(value: float) -> str:
    """Four significant digits without an exponent."""
    return np.format_float_positional(value, precision=4, unique=False, fractional=False, trim="0")


def read_json_object(path: Path, *, cure: str) -> dict[str, Any] | None:
    """The object in a JSON file of the package's own; None without a file. Raises
    :class:`InputError` for anything else.
    """
    if not path.is_file():
        return None
    try:
        tree = json_tree(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise InputError(
            where=path.name, found="text that is no JSON", expected="a JSON object", cure=cure
        ) from problem
    if not isinstance(tree, dict):
        raise InputError(
            where=path.name, found=type(tree).__name__, expected="a JSON object", cure=cure
        )
    return tree
