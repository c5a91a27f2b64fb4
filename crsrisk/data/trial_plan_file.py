"""Read a trial design file: one YAML file, checked as a whole; every refusal names file, line, key
and cure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from yaml import MappingNode, Node, SequenceNode

from crsrisk.data.trial_plan import TrialPlan
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.data.yaml_tree import yaml_nodes
from crsrisk.errors import InputError


def load_design(path: str | Path) -> TrialPlan:
    """The plan of a file.

    Raises :class:`InputError` for a rate or threshold that cannot be, keys that do not go together,
    a missing or unknown key, and whatever YAML would misread.
    """
    place = Path(path).expanduser()
    tree = read_yaml(place)
    try:
        return build(TrialPlan, tree, where=place.name)
    except InputError as problem:
        raise located(problem, place) from problem


def located(problem: InputError, path: Path) -> InputError:
    """The same refusal with the file and, where it can be found, the line of what is refused.

    ``problem`` speaks of a block by its key (``screening``), of a design by its name (``design high
    risk``), or of a path of keys (``designs.2.threshold``).
    """
    line = _line(problem, path)
    block = "" if problem.where in (path.name, str(path), "trial") else f", {problem.where}"
    return InputError(
        where=f"{path.name}{f', line {line}' if line else ''}{block}",
        key=problem.key,
        found=problem.found,
        expected=problem.expected,
        cure=problem.cure,
    )


def _line(problem: InputError, path: Path) -> int | None:
    root = yaml_nodes(path.read_text(encoding="utf-8"))
    blocks: list[Node] = [] if root is None else [root]
    if problem.where.startswith("design "):
        blocks = _design(root, problem.where.removeprefix("design ")) or blocks
    elif problem.where not in (path.name, str(path), "trial"):
        blocks = [value for _, value in _all(root, problem.where)] or blocks
    reached = _walk(root, problem.key.split(".")) if "." in problem.key else None
    if reached is not None:
        return int(reached.start_mark.line) + 1
    keys = [pair for block in blocks for pair in _all(block, problem.key.split(",")[0])]
    same = [key for key, value in keys if getattr(value, "value", None) == problem.found]
    lines = {
        int(node.start_mark.line) + 1
        for node in same or [key for key, _ in keys] or blocks
        if node is not root
    }
    return lines.pop() if len(lines) == 1 else None


def _design(root: Node | None, name: str) -> list[Node]:
    """The block of the design of that name."""
    designs = _walk(root, ["designs"])
    return [
        block
        for block in (designs.value if isinstance(designs, SequenceNode) else [])
        if isinstance(block, MappingNode)
        and any(k.value == "name" and v.value == name for k, v in block.value)
    ]


def _walk(node: Node | None, keys: list[str]) -> Node | None:
    """The value at the end of a path of keys and places; where the path breaks off, the last block
    on it.
    """
    reached = None
    for key in keys:
        if isinstance(node, SequenceNode) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
        elif isinstance(node, MappingNode) and any(k.value == key for k, _ in node.value):
            node = next(v for k, v in node.value if k.value == key)
        else:
            return reached
        reached = node
    return reached


def _all(node: Node | None, key: str) -> Iterator[tuple[Node, Node]]:
    """Every (key, value) of that key, at any depth."""
    if isinstance(node, MappingNode):
        for k, v in node.value:
            if k.value == key:
                yield k, v
            yield from _all(v, key)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _all(item, key)
