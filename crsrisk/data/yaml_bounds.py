"""Bounds of a file that people write by hand, met while it is read and before anything is built.

Nine lines of anchors and aliases can ask for a billion values. Nodes are therefore counted as if
every alias were written out, and reading stops at the first one too many.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml.composer import Composer
from ruamel.yaml.events import AliasEvent, Event
from ruamel.yaml.nodes import Node

from crsrisk.errors import InputError

LARGEST_BYTES = 1_000_000
MOST_NODES = 10_000
DEEPEST = 50
_PLAIN_NAMES = ("str", "int", "float", "bool", "null", "seq", "map")
_PLAIN_TAGS = {"!", *(f"tag:yaml.org,2002:{name}" for name in _PLAIN_NAMES)}


class TrapError(Exception):
    """What must not be built, and its line."""

    def __init__(self, at: Node | Event, *, key: str, found: str, expected: str, cure: str) -> None:
        self.line = at.start_mark.line + 1
        self.told = {"key": key, "found": found, "expected": expected, "cure": cure}


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


class BoundedComposer(Composer):
    """Composes nodes up to a number and a depth, of plain values."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self._level = 0
        self._nodes = 0  # as if every alias were written out
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node, counted."""
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent):
            node = super().compose_node(parent, index)
            size = self._sizes.get(id(node))
            if size is None:
                raise TrapError(
                    event,
                    key="",
                    found="an anchor that holds itself",
                    expected="valid YAML",
                    cure="write the values out",
                )
            self._count(event, size)
            return node
        if event.ctag is not None and str(event.ctag) not in _PLAIN_TAGS:
            raise TrapError(
                event,
                key="",
                found=f"the tag {event.ctag}",
                expected="valid YAML",
                cure="delete the tag; put text in quotes",
            )
        before = self._nodes
        self._count(event, 1)
        self._level += 1
        if self._level > DEEPEST:
            raise TrapError(
                event,
                key="",
                found=f"more than {DEEPEST} levels, one within the other",
                expected="a mapping a few levels deep",
                cure="check the brackets and the indentation",
            )
        node = super().compose_node(parent, index)
        self._level -= 1
        self._sizes[id(node)] = self._nodes - before
        return node

    def _count(self, event: Event, n: int) -> None:
        self._nodes += n
        if self._nodes > MOST_NODES:
            raise TrapError(
                event,
                key="",
                found=f"more than {MOST_NODES} values"
                + (" once the alias is written out" if n > 1 else ""),
                expected="a file that a person wrote",
                cure="check that it is the right file",
            )
