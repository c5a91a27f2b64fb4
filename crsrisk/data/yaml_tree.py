"""YAML text as plain values that cannot be misread, bounded before anything is built.

libyaml splits the text into events; what they mean is decided here, by the core schema of YAML 1.2.
Another program may read ``no`` as False, ``1e-3`` as text or ``010`` as 8; of two equal keys many
keep the last. In a file of numbers each of these is a silent error, so reading stops at the line.
Nine lines of anchors and aliases can ask for a billion values: nodes are counted as if every alias
were written out, and reading stops at the first one too many.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

MOST_NODES = 10_000
DEEPEST = 50
LOADER = yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader
_PREFIX = "tag:yaml.org,2002:"
_SCALAR_TAGS = ("str", "int", "float", "bool", "null")
_LIST_TAGS = {"!", f"{_PREFIX}seq"}
_MAPPING_TAGS = {"!", f"{_PREFIX}map"}
_TRAP_BOOLEANS = {"yes", "no", "on", "off", "y", "n"}
_TRAP_NUMBER = re.compile(
    r"[-+]?(\d+[eE][-+]?\d+|\d+\.\d*[eE]\d+|\.\d+[eE]\d+|0o?[0-7]+|0b[01]+|[\d_]*\d_[\d_.]*"
    r"|_+\d[\d_]*|\d+:\d+.*)",
    re.ASCII,
)
_KINDS = (  # plain scalars of the core schema; whatever matches none is text
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+|[-+]?0x[0-9a-fA-F]+")),
    (
        "float",
        re.compile(
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
            r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
        ),
    ),
)


class TrapError(Exception):
    """What must not be built, and its line."""

    def __init__(self, at: Any, *, key: str, found: str, expected: str, cure: str) -> None:
        self.line = at.start_mark.line + 1
        self.told = {"key": key, "found": found, "expected": expected, "cure": cure}


@dataclass
class _Open:
    """A list or mapping that is being read."""

    values: Any
    anchor: str | None
    before: int  # nodes before it
    key: str | None = None  # of a mapping, waiting for its value


def yaml_tree(text: str) -> Any:
    """The values of a text with one document at most; None without any.

    Raises :class:`TrapError` for what must not be built, ``yaml.YAMLError`` for text that is no
    YAML.

    >>> yaml_tree("a: [1, 2.5, 'no']")
    {'a': [1, 2.5, 'no']}
    """
    builder = _Builder()
    parser = LOADER(text)
    try:
        while parser.check_event():
            builder.take(parser.get_event())
    finally:
        parser.dispose()
    return builder.document


def yaml_nodes(text: str) -> yaml.Node | None:
    """The nodes, which know their lines, of a text that :func:`yaml_tree` has read."""
    return yaml.compose(text, Loader=LOADER)


class _Builder:
    """Values of the events so far."""

    def __init__(self) -> None:
        self.document: Any = None
        self._documents = 0
        self._open: list[_Open] = []
        self._nodes = 0  # as if every alias were written out
        self._anchors: dict[str, tuple[Any, int] | None] = {}  # value and nodes; None: being read

    def take(self, event: Any) -> None:
        """The next event."""
        match event:
            case yaml.ScalarEvent():
                self._count(event, 1)
                key = self._awaits_key()
                value = _key(event) if key else _scalar(event)
                if event.anchor is not None:
                    self._anchors[event.anchor] = (value, 1)
                self._add_key(event, value) if key else self._add(value)
            case yaml.SequenceStartEvent():
                self._begin(event, [], _LIST_TAGS)
            case yaml.MappingStartEvent():
                self._begin(event, {}, _MAPPING_TAGS)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                closed = self._open.pop()
                if closed.anchor is not None:
                    self._anchors[closed.anchor] = (closed.values, self._nodes - closed.before)
                self._add(closed.values)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise TrapError(
                        event,
                        key="",
                        found="a second document",
                        expected="valid YAML",
                        cure="delete the line `---` between them, or all but one",
                    )

    def _awaits_key(self) -> bool:
        return (
            bool(self._open)
            and isinstance(self._open[-1].values, dict)
            and (self._open[-1].key is None)
        )

    def _begin(self, event: Any, values: Any, tags: set[str]) -> None:
        if event.tag is not None and event.tag not in tags:
            _refuse_tag(event)
        if self._awaits_key():
            kind = "seq" if isinstance(values, list) else "map"
            _refuse_key(event, text="", kind=kind)
        before = self._nodes
        self._count(event, 1)
        if len(self._open) >= DEEPEST:
            raise TrapError(
                event,
                key="",
                found=f"more than {DEEPEST} levels, one within the other",
                expected="a mapping a few levels deep",
                cure="check the brackets and the indentation",
            )
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(values, event.anchor, before))

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise TrapError(
                event,
                key="",
                found=f"the alias *{event.anchor} of no anchor",
                expected="valid YAML",
                cure="write the value out, or put the text in quotes",
            )
        known = self._anchors[event.anchor]
        if known is None:
            raise TrapError(
                event,
                key="",
                found="an anchor that holds itself",
                expected="valid YAML",
                cure="write the values out",
            )
        value, size = known
        self._count(event, size)
        if not self._awaits_key():
            self._add(value)
        elif isinstance(value, str):
            self._add_key(event, value)
        else:
            _refuse_key(event, text=str(value), kind=type(value).__name__)

    def _add_key(self, event: Any, key: str) -> None:
        block = self._open[-1]
        if key in block.values:
            raise TrapError(
                event,
                key=key,
                found="the key a second time",
                expected="each key once",
                cure="delete one of the two",
            )
        block.key = key

    def _add(self, value: Any) -> None:
        if not self._open:
            self.document = value
        elif isinstance(block := self._open[-1].values, list):
            block.append(value)
        else:
            block[self._open[-1].key] = value
            self._open[-1].key = None

    def _count(self, event: Any, n: int) -> None:
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


def _key(event: Any) -> str:
    """A key, which is text."""
    kind = "merge" if event.value == "<<" and not event.style else _kind(event)
    if kind != "str":
        _refuse_key(event, text=event.value, kind=kind)
    return _checked(event)


def _scalar(event: Any) -> Any:
    """The value of one scalar."""
    text, kind = _checked(event), _kind(event)
    meant = next((name for name, pattern in _KINDS if pattern.fullmatch(text)), "str")
    if kind != "str" and meant != kind and not (kind == "float" and meant == "int"):
        raise TrapError(
            event,
            key=text,
            found=f"a text tagged as {kind}",
            expected="valid YAML",
            cure="delete the tag; put text in quotes",
        )
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 16 if "x" in text else 10)
        case "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        case _:
            return text


def _kind(event: Any) -> str:
    """What a scalar is: by its tag, or else by how it is written."""
    if event.tag == "!":
        return "str"
    if event.tag is not None:
        name = str(event.tag).removeprefix(_PREFIX)
        if not str(event.tag).startswith(_PREFIX) or name not in _SCALAR_TAGS:
            _refuse_tag(event)
        return name
    if not event.implicit[0]:  # in quotes, or a block of text
        return "str"
    return next((name for name, pattern in _KINDS if pattern.fullmatch(event.value)), "str")


def _checked(event: Any) -> str:
    """The text of a scalar without half a character, and not one that some readers take for a
    Boolean or for another number.
    """
    text = str(event.value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TrapError(
            event,
            key="",
            found="half of a character (a lone surrogate)",
            expected="text in UTF-8",
            cure="delete the escape, or write the whole character",
        )
    if event.style:
        return text
    if text.lower() in _TRAP_BOOLEANS:
        raise TrapError(
            event,
            key=text,
            found=f"the bare word {text}",
            expected="true, false or quoted text",
            cure="write true or false, or put the word in quotes",
        )
    if _TRAP_NUMBER.fullmatch(text):
        raise TrapError(
            event,
            key=text,
            found=f"the number {text}, which some programs read as text or as octal",
            expected="a plain decimal number",
            cure="write the same number with a point and signed exponent, as 0.001 is 1.0e-3",
        )
    return text


def _refuse_tag(event: Any) -> NoReturn:
    raise TrapError(
        event,
        key="",
        found=f"the tag {event.tag}",
        expected="valid YAML",
        cure="delete the tag; put text in quotes",
    )


def _refuse_key(event: Any, *, text: str, kind: str) -> NoReturn:
    raise TrapError(
        event,
        key=text,
        found=f"a key that is no text ({kind})",
        expected="a text key",
        cure="put the key in quotes",
    )
