"""Forest: the trees of a checked booster text as flat arrays, and their sum for a table of
patients.

The sum is LightGBM's own to the last bit (same splits, same order of addition), for one row as for
many, without LightGBM: compiled once, it needs microseconds a patient, and one row alone and in a
batch is the same work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crsrisk.model.booster_text import BINARY, CATEGORICAL, TreeText, read_text
from crsrisk.model.tree_kernels import Nodes, add_trees

Floats: TypeAlias = NDArray[np.float64]

NODE = np.dtype(
    [
        ("threshold", "f8"),
        ("feature", "i4"),
        ("kind", "i4"),
        ("left", "i4"),
        ("right", "i4"),
        ("first_word", "i4"),
        ("n_words", "i4"),
    ],
    align=True,
)


@dataclass(frozen=True, eq=False)
class Forest:
    """All trees in flat arrays.

    ``nodes``: inner nodes of all trees, one after the other (:data:`NODE`); a child >= 0 is a node,
    a child -k-1 is leaf k. ``roots``: each tree's first node, or its leaf when it has no split.
    ``words``: the sets of categories. ``node_count``, ``leaf_count``: training patients, as float.
    """

    feature_names: tuple[str, ...]
    nodes: Nodes
    words: NDArray[np.int64]
    roots: NDArray[np.int64]
    leaf_value: Floats
    node_count: Floats
    leaf_count: Floats

    @property
    def n_features(self) -> int:
        """Columns of the table that the trees read."""
        return len(self.feature_names)


@lru_cache(maxsize=64)
def forest_of(
    text: str, *, feature_names: tuple[str, ...] | None = None, objective: str = BINARY
) -> Forest:
    """The forest of a booster text, checked; kept, so that one patient does not cost a reading of
    trees.

    Raises :class:`InputError` for what :func:`crsrisk.model.booster_text.read_text` refuses.
    """
    checked = read_text(text, feature_names=feature_names, objective=objective)
    return _joined(checked.feature_names, checked.trees)


def _joined(names: tuple[str, ...], trees: Sequence[TreeText]) -> Forest:
    first_node = np.concatenate([[0], np.cumsum([len(tree.left_child) for tree in trees])])
    first_leaf = np.concatenate([[0], np.cumsum([len(tree.leaf_value) for tree in trees])])
    first_word = np.concatenate([[0], np.cumsum([len(tree.cat_words) for tree in trees])])
    nodes = np.zeros(first_node[-1], dtype=NODE)
    for k, tree in enumerate(trees):
        part = nodes[first_node[k] : first_node[k + 1]]
        part["threshold"], part["feature"], part["kind"] = (
            tree.threshold,
            tree.split_feature,
            tree.decision_type,
        )
        part["left"] = _moved(tree.left_child, first_node[k], first_leaf[k])
        part["right"] = _moved(tree.right_child, first_node[k], first_leaf[k])
        is_set = (tree.decision_type & CATEGORICAL) > 0
        number = np.where(is_set, tree.threshold, 0).astype(np.int64)
        if is_set.any():
            part["first_word"] = first_word[k] + tree.cat_bounds[number]
            part["n_words"] = np.where(
                is_set,
                tree.cat_bounds[np.minimum(number + 1, len(tree.cat_bounds) - 1)]
                - tree.cat_bounds[number],
                0,
            )
    has_split = np.diff(first_node) > 0
    return Forest(
        feature_names=names,
        nodes=nodes,
        words=np.concatenate([tree.cat_words for tree in trees]),
        roots=np.where(has_split, first_node[:-1], ~first_leaf[:-1]),
        leaf_value=np.concatenate([tree.leaf_value for tree in trees]),
        node_count=np.concatenate([tree.internal_count for tree in trees]).astype(np.float64),
        leaf_count=np.concatenate([tree.leaf_count for tree in trees]).astype(np.float64),
    )


def _moved(child: NDArray[np.int64], first_node: int, first_leaf: int) -> NDArray[np.int64]:
    return np.where(child >= 0, child + first_node, child - first_leaf)


def raw_log_odds_by(forest: Forest, matrix: Floats) -> Floats:
    """Log-odds of all trees, shape (rows,): LightGBM's raw score to the last bit.

    ``matrix``: shape (rows, features), C-ordered floats, NaN = missing.
    """
    total = np.empty(len(matrix))
    add_trees(
        forest.nodes, forest.words, forest.roots, forest.leaf_value, as_rows(forest, matrix), total
    )
    return total


def as_rows(forest: Forest, matrix: Floats) -> Floats:
    """The matrix as the compiled code reads it; one of another width is refused
    (``ValueError``).
    """
    if matrix.ndim != 2 or matrix.shape[1] != forest.n_features:
        raise ValueError(
            f"a table of shape {matrix.shape} for trees of {forest.n_features} features"
        )
    return np.ascontiguousarray(matrix, dtype=np.float64)
