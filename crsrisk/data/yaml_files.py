"""YAML that cannot be misread, by ruamel.yaml: YAML 1.2, with the traps of YAML 1.1 refused.

Another program may read ``no`` as False and ``1e-3`` as text; of two equal keys many keep the last.
In a file of numbers each of these is a silent error, so the reader stops and names the line.
Values are replaced in place (:func:`revised`), so that comments and order stay as they are.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache, partial
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from crsrisk.data.json_text import json_tree
from crsrisk.data.yaml_bounds import BoundedComposer, TrapError, text_within_bounds
from crsrisk.errors import InputError, shortened

_TRAP_BOOLEANS = {"yes", "no", "on", "off", "y", "n"}
_TRAP_NUMBER = re.compile(
    r"^[-+]?(\d+[eE][-+]?\d+|\d+\.\d*[eE]\d+|\.\d+[eE]\d+|0o?[0-7]+|\d[\d_]*_\d+|\d+:\d+.*)$"
)


class _StrictConstructor(SafeConstructor):
    """Plain Python values of a file; keys are text, and what could be misread is refused."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        for key, _ in node.value:
            if key.tag.rsplit(":", 1)[-1] != "str":
                raise TrapError(
                    key,
                    key=str(key.value),
                    found=f"a key that is no text ({key.tag.rsplit(':', 1)[-1]})",
                    expected="a text key",
                    cure="put the key in quotes",
                )
            _check_plain(key)
        return dict(super().construct_mapping(node, deep=True))

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        if isinstance(node, ScalarNode):
            _check_plain(node)
        return super().construct_object(node, deep=deep)


_StrictConstructor.add_constructor(  # a date is text: which type it becomes differs by program
    "tag:yaml.org,2002:timestamp", _StrictConstructor.construct_yaml_str
)


def _check_plain(node: Node) -> None:
    """Refuse half a character, and a word without quotes that some readers take for a Boolean or
    for another number.
    """
    if not isinstance(node, ScalarNode):
        return
    text = node.value
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TrapError(
            node,
            key="",
            found="half of a character (a lone surrogate)",
            expected="text in UTF-8",
            cure="delete the escape, or write the whole character",
        )
    if node.style is not None:
        return
    if text.lower() in _TRAP_BOOLEANS:
        raise TrapError(
            node,
            key=text,
            found=f"the bare word {text}",
            expected="true, false or quoted text",
            cure="write true or false, or put the word in quotes",
        )
    if _TRAP_NUMBER.match(text):
        raise TrapError(
            node,
            key=text,
            found=f"the number {text}, which some programs read as text or as octal",
            expected="a plain decimal number",
            cure="write 0.001 or 1.0e-3 (point and signed exponent)",
        )


@lru_cache(maxsize=128)
def _parsed(text: str) -> Any:
    reader = YAML(typ="safe", pure=True)
    reader.Composer = BoundedComposer
    reader.Constructor = _StrictConstructor
    return reader.load(text)


def _tree(text: str) -> Any:
    """The values of a text, the caller's own; a text that was read before, as those of each
    scenario of one study, is not parsed again.
    """
    return deepcopy(_parsed(text))


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
    text = text_within_bounds(path)
    refuse = partial(InputError, expected="valid YAML", cure="check indentation, colons and quotes")
    try:
        tree = _tree(text)
    except TrapError as trap:
        told = {part: shortened(text) for part, text in trap.told.items()}
        raise InputError(where=f"{path.name}, line {trap.line}", **told) from trap
    except DuplicateKeyError as problem:
        raise InputError(
            where=f"{path.name}, line {problem.problem_mark.line + 1}",
            key=shortened(str(problem.problem).partition('"')[2].partition('"')[0]),
            found="the key a second time",
            expected="each key once",
            cure="delete one of the two",
        ) from problem
    except MarkedYAMLError as problem:
        line = f", line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise refuse(where=f"{path.name}{line}", found=shortened(problem.problem)) from problem
    except (YAMLError, ValueError) as problem:
        raise refuse(where=path.name, found=shortened(problem)) from problem
    except KeyError as problem:  # of a word tagged as true or false
        raise refuse(
            where=path.name, found=f"{shortened(problem)}, tagged as a Boolean"
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
    block = YAML().load(path.read_text(encoding="utf-8"))
    for step in inside:
        block = block.get(step) if isinstance(block, CommentedMap) else None
    if not isinstance(block, CommentedMap):
        return {}
    return {str(key): block.lc.key(key)[0] + 1 for key in block}


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
