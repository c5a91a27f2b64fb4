"""Exact Shapley values by their definition: every coalition, every term, for checking those who compute them fast.

Shapley values are additive over trees, and a tree speaks of few features: the sum over all coalitions of *its* features is
exact for the whole model. Two games are played, and never compared with each other: *interventional*, where unknown
features take the values of a stated background of patients, one after another; and *path-dependent*, where an unknown
split sends a patient both ways in the proportions of the training patients. What a tree says of a mixed patient is asked
of LightGBM itself in the first game; the second follows the tree's splits in plain sight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import factorial

import numpy as np
from numpy.typing import NDArray

from crsrisk.errors import InputError
from crsrisk.learn.booster import booster_of
from crsrisk.learn.booster_text import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO
from crsrisk.learn.forest import Forest, forest_of

Floats = NDArray[np.float64]
MOST_FEATURES = 14  # of one tree: 16,384 coalitions
_LIGHTGBM_ZERO = 1e-35


def exact_interventional(text: str, matrix: Floats, *, background: Floats) -> Floats:
    """Interventional Shapley values of a booster text, shape (rows, features + 1), the last the base.

    ``matrix`` and ``background`` (rows, features) as the trees read them. Raises :class:`InputError` for a tree of more than
    14 features.
    """
    booster, forest = booster_of(text), forest_of(text)
    n, n_others = len(matrix), len(background)
    shares = np.zeros((n, forest.n_features + 1))

    def said(tree: int, rows: Floats) -> Floats:
        scores = booster.predict(rows, raw_score=True, start_iteration=tree, num_iteration=1, num_threads=1)
        return np.asarray(scores, dtype=np.float64)

    for tree, features in enumerate(_features_by_tree(forest)):
        values = {}
        for known in _coalitions(features):
            mixed = np.tile(background, (n, 1))
            mixed[:, list(known)] = np.repeat(matrix[:, list(known)], n_others, axis=0)
            values[known] = said(tree, mixed).reshape(n, n_others).mean(axis=1)
        _add(shares, values, features)
    return shares


def exact_path_dependent(text: str, matrix: Floats) -> Floats:
    """Path-dependent Shapley values of a booster text, shape (rows, features + 1), the last the base."""
    forest = forest_of(text)
    shares = np.zeros((len(matrix), forest.n_features + 1))
    goes_left = _goes_left(forest, matrix)
    for root, features in zip(forest.roots.tolist(), _features_by_tree(forest), strict=True):
        values = {known: _expected(forest, root, goes_left, frozenset(known)) for known in _coalitions(features)}
        _add(shares, values, features)
    return shares


def _add(shares: Floats, values: dict[tuple[int, ...], Floats], features: Sequence[int]) -> None:
    """Add one tree's Shapley values, from what it says for each coalition."""
    size = len(features)
    shares[:, -1] += values[()]
    for feature in features:
        for known in _coalitions([one for one in features if one != feature]):
            weight = factorial(len(known)) * factorial(size - len(known) - 1) / factorial(size)
            joined = tuple(one for one in features if one in known or one == feature)
            shares[:, feature] += weight * (values[joined] - values[known])


def _coalitions(features: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every subset, its members in the order of ``features``."""
    for bits in range(2 ** len(features)):
        yield tuple(one for place, one in enumerate(features) if bits >> place & 1)


def _features_by_tree(forest: Forest) -> list[list[int]]:
    found = []
    for root in forest.roots.tolist():
        seen, waiting = set(), [root]
        while waiting:
            node = waiting.pop()
            if node >= 0:
                seen.add(int(forest.nodes["feature"][node]))
                waiting += [int(forest.nodes["left"][node]), int(forest.nodes["right"][node])]
        if len(seen) > MOST_FEATURES:
            raise InputError(where="exact Shapley values", key="tree", found=f"{len(seen)} features in one tree",
                             expected=f"at most {MOST_FEATURES}", cure="check a model of smaller trees")
        found.append(sorted(seen))
    return found


def _goes_left(forest: Forest, matrix: Floats) -> NDArray[np.bool_]:
    """Which way each patient goes at each node, shape (nodes, rows)."""
    nodes = forest.nodes
    kind, threshold = nodes["kind"][:, None], nodes["threshold"][:, None]
    value = matrix[:, nodes["feature"]].T
    knows_nan = (kind & MISSING_NAN) > 0
    number = np.where(np.isnan(value) & ~knows_nan, 0.0, value)
    is_missing = np.where(knows_nan, np.isnan(number), ((kind & MISSING_ZERO) > 0) & (np.abs(number) <= _LIGHTGBM_ZERO))
    goes_left = np.where(is_missing, (kind & DEFAULT_LEFT) > 0, number <= threshold)
    for node in np.flatnonzero(nodes["kind"] & CATEGORICAL):
        goes_left[node] = [_is_in_set(forest, int(node), one) for one in value[node]]
    return goes_left


def _is_in_set(forest: Forest, node: int, category: float) -> bool:
    """Whether a categorical split sends this category left; what is missing or negative goes right."""
    first, n_words = (int(forest.nodes[name][node]) for name in ("first_word", "n_words"))
    if not category >= 0 or int(category) >= 32 * n_words:
        return False
    return bool(int(forest.words[first + int(category) // 32]) >> int(category) % 32 & 1)


def _expected(forest: Forest, node: int, goes_left: NDArray[np.bool_], known: frozenset[int]) -> Floats:
    """What a tree says when only the known features are looked at, shape (rows,)."""
    if node < 0:
        return np.full(goes_left.shape[1], forest.leaf_value[~node])
    left, right = int(forest.nodes["left"][node]), int(forest.nodes["right"][node])
    says_left, says_right = (_expected(forest, child, goes_left, known) for child in (left, right))
    if int(forest.nodes["feature"][node]) in known:
        return np.where(goes_left[node], says_left, says_right)
    share = _count(forest, left) / forest.node_count[node]
    return np.asarray(share * says_left + (1.0 - share) * says_right)


def _count(forest: Forest, node: int) -> float:
    return float(forest.node_count[node] if node >= 0 else forest.leaf_count[~node])
