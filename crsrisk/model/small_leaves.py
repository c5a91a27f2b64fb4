"""Small leaves: none of a booster holds fewer than ten patients.

LightGBM's ``min_data_in_leaf`` is kept by an estimate: while it looks for a split it knows sums of
second derivatives alone and takes rows to have equal shares of them, so where risks or weights
differ a leaf of two rows passes for one of ten. And what it counts are rows; several may be of one
patient. So leaves are counted once the trees stand, and those of fewer than ten different patients
are cut off: their split goes, and their rows take the other side of it, whose values are of others.
Directions hold as before, since every value that stays was bounded where it now holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from crsrisk.data.disclosure import is_told
from crsrisk.model.stored_table import Table, blocks_of

_END = "end of trees\n"
_LEAVES_HELD = 2**26  # places of rows in trees that are looked at together
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_OF_SPLITS = (
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "internal_value",
    "internal_weight",
)
Integers = NDArray[np.int64]


def without_small_leaves(
    booster: lgb.Booster,
    *,
    n_start: int = 0,
    table: Table | None = None,
    patient: NDArray[Any] | None = None,
) -> lgb.Booster:
    """The booster without leaves of fewer than ten patients; itself where it has none.

    The first ``n_start`` trees are left as they are. ``table`` (rows, features) with the
    ``patient`` of each row (rows,) where several rows are of one patient; else every row that was
    grown on counts as one.
    """
    text = booster.model_to_string()
    head, _, rest = text.partition("\n\n")
    body, _, tail = rest.partition(_END)
    blocks = re.split(r"^(?=Tree=\d+\n)", body, flags=re.MULTILINE)[1:]
    grown = [_Lines.of(block) for block in blocks[n_start:]]
    counts = [tree.count for tree in grown]
    if table is not None and patient is not None and grown:
        different = _different(booster, table, patient, sizes=[len(count) for count in counts])
        counts = [np.minimum(*pair) for pair in zip(counts, different[n_start:], strict=True)]
    if all(is_told(int(count.min())) for count in counts if len(count) > 1):
        return booster
    kept = [tree.cut(count) for tree, count in zip(grown, counts, strict=True)]
    blocks = [*blocks[:n_start], *kept]
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return lgb.Booster(model_str=f"{head}\n\n{''.join(blocks)}{_END}{tail}")


def _different(
    booster: lgb.Booster, table: Table, patient: NDArray[Any], *, sizes: list[int]
) -> list[Integers]:
    """Different patients in every leaf of every tree."""
    number = np.unique(patient, return_inverse=True)[1]
    n_trees, different = booster.num_trees(), []
    most = max(1, _LEAVES_HELD // max(1, len(table)))
    for first in range(0, n_trees, most):
        found: list[Any] = [
            booster.predict(
                block, pred_leaf=True, start_iteration=first, num_iteration=most, num_threads=1
            )
            for block in blocks_of(table)
        ]
        for leaf in np.concatenate(found).astype(np.int64).reshape(len(table), -1).T:
            pairs = np.unique(np.column_stack([leaf, number]), axis=0)
            different.append(np.bincount(pairs[:, 0]))
    # a leaf that no row reaches has none
    n_first = len(different) - len(sizes)  # the start
    return [
        count if k < n_first else np.pad(count, (0, sizes[k - n_first] - len(count)))
        for k, count in enumerate(different)
    ]


@dataclass(frozen=True, eq=False)
class _Lines:
    """The lines of one tree as LightGBM writes them; a leaf k is -k-1 as a child."""

    block: str
    lines: dict[str, list[str]]

    @staticmethod
    def of(block: str) -> _Lines:
        pairs = (line.partition("=") for line in block.splitlines() if line)
        return _Lines(block, {key: value.split() for key, _, value in pairs})

    @property
    def count(self) -> Integers:
        """Rows of every leaf that the tree was grown on; 0 of a tree of one leaf, which tells
        nobody from anybody.
        """
        return np.array(self.lines.get("leaf_count") or ["0"], dtype=np.int64)

    def cut(self, count: Integers) -> str:
        """The block without the leaves of too few."""
        if len(count) == 1 or is_told(int(count.min())):
            return self.block
        left, right = (
            [int(child) for child in self.lines[key]] for key in ("left_child", "right_child")
        )
        kept = _Kept(left, right, count.tolist())
        root = kept.child(0)
        if root is None or root < 0:
            return self._one_leaf(None if root is None else -root - 1)
        return self._pruned(kept)

    def _one_leaf(self, leaf: int | None) -> str:
        """A tree that gives everybody the same: what its one leaf says, or the mean of all."""
        values = self.lines["leaf_value"]
        mean = float(np.average(np.array(values, dtype=np.float64), weights=self.count))
        value = repr(mean) if leaf is None else values[leaf]
        written = {
            "num_leaves": "1",
            "num_cat": "0",
            "leaf_value": value,
            "is_linear": "0",
            "shrinkage": self.lines["shrinkage"][0],
        }
        lines = "".join(f"{key}={line}\n" for key, line in written.items())
        return f"{self.block.partition(chr(10))[0]}\n{lines}\n\n"

    def _pruned(self, kept: _Kept) -> str:
        nodes, leaves = sorted(kept.nodes), sorted(kept.leaves)
        place = {node: k for k, node in enumerate(nodes)}
        place |= {-leaf - 1: -k - 1 for k, leaf in enumerate(leaves)}
        rows = self.lines["leaf_count"]
        children = np.array([kept.nodes[node] for node in nodes], dtype=np.int64)
        # rows that took the other side count where the values are from: nowhere else
        size: dict[int, int] = {-leaf - 1: int(rows[leaf]) for leaf in leaves}
        for node in reversed(nodes):  # a child has a larger number than its parent
            size[node] = sum(size[child] for child in kept.nodes[node])
        changed = {
            "num_leaves": [str(len(leaves))],
            "left_child": [str(place[child]) for child in children[:, 0].tolist()],
            "right_child": [str(place[child]) for child in children[:, 1].tolist()],
            "internal_count": [str(size[node]) for node in nodes],
        }
        for key in _OF_SPLITS:
            changed[key] = [self.lines[key][node] for node in nodes]
        for key in _OF_LEAVES:
            changed[key] = [self.lines[key][leaf] for leaf in leaves]
        written = {**self.lines, **changed}
        return "".join(f"{key}={' '.join(line)}\n" for key, line in written.items()) + "\n\n"


@dataclass(frozen=True, eq=False)
class _Kept:
    """What is left of a tree: the children of every node and the leaves that stay."""

    left: Sequence[int]
    right: Sequence[int]
    count: Sequence[int]
    nodes: dict[int, tuple[int, int]] = field(default_factory=dict)
    leaves: list[int] = field(default_factory=list)

    def child(self, at: int) -> int | None:
        """What stands in the place of a node or leaf; None where nothing is left of it."""
        if at < 0:
            if not is_told(self.count[-at - 1]):
                return None
            self.leaves.append(-at - 1)
            return at
        one, other = self.child(self.left[at]), self.child(self.right[at])
        if one is None or other is None:
            return other if one is None else one
        self.nodes[at] = (one, other)
        return at
