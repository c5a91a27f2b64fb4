"""How mkdocstrings reads our docstrings: a parameter is written ``name : what it is`` where the
signature already has its type, and a result as a plain sentence.

numpydoc takes the word after the colon for a type; here such an entry becomes a name with a
description, and references in reStructuredText become code.
"""

from __future__ import annotations

import re

import griffe

SECTION = re.compile(
    r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}\n(?P<body>.*?)(?=^[A-Z][A-Za-z ]+\n-{3,}\n|\Z)",
    re.M | re.S,
)
ENTRY = re.compile(r"^(?P<names>[\w*, ]+?) : (?P<text>.+(?:\n(?:    .*|)$)*)", re.M)
ROLE = re.compile(r":(?:func|class|meth|data|mod|attr):`~?([^`]+)`")
LINE = 80  # a type stands alone in its line; a sentence fills it


def _says_its_type(first: str, rest: list[str]) -> bool:
    """Whether the first line of an entry is a type, with the description below it."""
    if not rest or not rest[0].strip():
        return False
    following = rest[0].strip()
    has_room = len(first) + 1 + len(following.split()[0]) <= LINE
    return has_room and following[0].isupper()


def _entry(entry: re.Match[str]) -> str:
    first, *rest = entry["text"].split("\n")
    if _says_its_type(first, rest):
        return entry[0]
    described = "\n".join([f"    {first}", *rest])
    return f"{entry['names']}\n{described}"


def _result(body: str, returns: str) -> str:
    lines = body.strip("\n").split("\n")
    is_sentence = " " in lines[0] and not any(line.startswith("    ") for line in lines)
    if not is_sentence or not returns:
        return body
    return "\n".join([returns, *(f"    {line}".rstrip() for line in lines)]) + "\n\n"


class Sentences(griffe.Extension):
    """Rewrites the sections of a docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        if obj.docstring is None:
            return
        returns = str(getattr(obj, "returns", None) or "")

        def section(match: re.Match[str]) -> str:
            title, body = match["title"], match["body"]
            if title in ("Parameters", "Attributes"):
                body = ENTRY.sub(_entry, body)
            elif title == "Returns":
                body = _result(body, returns)
            return f"{title}\n{'-' * len(title)}\n{body}"

        text = obj.docstring.value
        obj.docstring.value = ROLE.sub(r"`\1`", SECTION.sub(section, text)).replace("```", "``")
