"""Tree kernels: everything about trees that is compiled, in one file.

One file, because numba watches only the file of a cached function for changes, not those of the
functions that it calls. Where it pays, thirty-two patients go in lockstep: `LANES` is a literal, so
every lane runs the same vector instructions, and no result depends on which patients stand beside
it. (With sixteen lanes LLVM unrolls the loops into scalars, ten times as slow; the simulator's
loops are longer.) Nothing here starts threads; all of it lets others run (``nogil``).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from crsrisk.biology.compiled import kernel
from crsrisk.model.booster_text import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Nodes: TypeAlias = NDArray[Any]

LANES = 32
_ZERO = float(np.float32(1e-35))  # nearer to 0 is 0, for LightGBM
_LARGEST_CATEGORY = 2.0**31


@numba.njit(error_model="numpy", forceinline=True)
def _goes_left(
    value: float, threshold: float, kind: int, words: Integers, first_word: int, n_words: int
) -> bool:
    """Whether a value goes left at a split, with LightGBM's rules for missing values and
    categories.
    """
    if kind & CATEGORICAL:
        if not -1.0 < value < _LARGEST_CATEGORY:  # missing, or no category
            return False
        number = int(value)
        place = number >> 5
        return place < n_words and (words[first_word + place] >> (number & 31)) & 1 == 1
    missing = kind & (MISSING_ZERO | MISSING_NAN)
    if missing != MISSING_NAN and np.isnan(value):
        value = 0.0
    if (missing == MISSING_NAN and np.isnan(value)) or (
        missing == MISSING_ZERO and -_ZERO <= value <= _ZERO
    ):
        return kind & DEFAULT_LEFT > 0
    return value <= threshold


@kernel(error_model="numpy")
def add_trees(
    nodes: Nodes,
    words: Integers,
    roots: Integers,
    leaf_value: Floats,
    matrix: Floats,
    total: Floats,
) -> None:
    """Write the sum of all trees for each row of ``matrix`` to ``total``, in the order of the
    trees.
    """
    for row in range(matrix.shape[0]):
        score = 0.0
        for tree in range(roots.shape[0]):
            at = roots[tree]
            while at >= 0:
                node = nodes[at]
                is_left = _goes_left(
                    matrix[row, node["feature"]],
                    node["threshold"],
                    node["kind"],
                    words,
                    node["first_word"],
                    node["n_words"],
                )
                at = node["left"] if is_left else node["right"]
            score += leaf_value[~at]
        total[row] = score


@numba.njit(error_model="numpy", forceinline=True)
def _decide(
    nodes: Nodes, words: Integers, first: int, stop: int, tile: Floats, is_left: NDArray[np.bool_]
) -> None:
    """Which way the patients of a tile (feature, lane) go at each inner node of one tree (node,
    lane).
    """
    for at in range(first, stop):
        node = nodes[at]
        values, kind, threshold = tile[node["feature"]], node["kind"], node["threshold"]
        if kind & (CATEGORICAL | MISSING_ZERO):
            for lane in range(LANES):
                is_left[at - first, lane] = _goes_left(
                    values[lane], threshold, kind, words, node["first_word"], node["n_words"]
                )
        elif kind & MISSING_NAN:
            default = kind & DEFAULT_LEFT > 0
            for lane in range(LANES):
                value = values[lane]
                is_left[at - first, lane] = (value <= threshold) | (default & (value != value))
        else:
            for lane in range(LANES):
                value = values[lane]
                is_left[at - first, lane] = (0.0 if value != value else value) <= threshold


@kernel(error_model="numpy")
def add_shares(
    nodes: Nodes,
    words: Integers,
    first_node: Integers,
    edges: Nodes,
    first_edge: Integers,
    n_points: Integers,
    weights: Floats,
    tiles: Floats,
    shares: Floats,
) -> None:
    """Add every tree's Shapley integral to ``shares`` (tile, feature, lane) for the patients in
    ``tiles``.

    Each tree is a list of edges, depth first, and a last one of depth 0 that leads out of it. Going
    down an edge multiplies, at each point of the quadrature, the product of the path's factors; a
    leaf times its value is carried up again, and each edge takes its feature's part of what comes
    up (:mod:`crsrisk.model.explain` has the formula and the weights).
    """
    n_deepest, n_most, n_widest = (
        edges["depth"].max() + 1,
        n_points.max(),
        (first_node[1:] - first_node[:-1]).max(),
    )
    is_left = np.empty((n_widest, LANES), dtype=np.bool_)
    is_one = np.ones((n_deepest, LANES), dtype=np.bool_)
    down = np.ones((n_deepest, n_most, LANES))
    up = np.zeros((n_deepest, n_most, LANES))
    path = np.zeros(n_deepest, dtype=np.int64)
    part = np.empty(LANES)
    for tree in range(first_node.shape[0] - 1):
        points = n_points[tree]
        for tile in range(tiles.shape[0]):
            _decide(nodes, words, first_node[tree], first_node[tree + 1], tiles[tile], is_left)
            depth = 0
            for at in range(first_edge[tree], first_edge[tree + 1]):
                edge = edges[at]
                while depth >= max(edge["depth"], 1):
                    _leave(
                        edges[path[depth]], depth, points, weights, is_one, up, part, shares[tile]
                    )
                    depth -= 1
                depth = edge["depth"]
                if depth > 0:
                    path[depth] = at
                    _enter(edge, depth, points, weights, is_left[edge["node"]], is_one, down, up)


@numba.njit(error_model="numpy", forceinline=True)
def _enter(
    edge: Any,
    depth: int,
    points: int,
    weights: Floats,
    is_left: NDArray[np.bool_],
    is_one: NDArray[np.bool_],
    down: Floats,
    up: Floats,
) -> None:
    """Down one edge: the product of factors with this edge's, for lanes that go along it and lanes
    that do not.
    """
    at, value, same, is_left_edge = edge["weights"], edge["value"], edge["same"], edge["is_left"]
    kept = edge["kept"]
    for lane in range(LANES):
        is_one[depth, lane] = (is_left[lane] == is_left_edge) & is_one[same, lane]
    for q in range(points):
        with_it, without = weights[at + q], weights[at + points + q]
        for lane in range(LANES):
            factor = with_it if is_one[depth, lane] else (without if is_one[same, lane] else kept)
            product = down[depth - 1, q, lane] * factor
            down[depth, q, lane] = product
            up[depth, q, lane] = product * value


@numba.njit(error_model="numpy", forceinline=True)
def _leave(
    edge: Any,
    depth: int,
    points: int,
    weights: Floats,
    is_one: NDArray[np.bool_],
    up: Floats,
    part: Floats,
    shares: Floats,
) -> None:
    """Up one edge: its feature's part of all leaves below, and the leaves themselves on to the edge
    above.
    """
    at, same, feature = edge["weights"] + 2 * points, edge["same"], edge["feature"]
    for lane in range(LANES):
        part[lane] = 0.0
    for q in range(points):
        with_it, without = weights[at + q], weights[at + points + q]
        for lane in range(LANES):
            share = with_it if is_one[depth, lane] else (without if is_one[same, lane] else 0.0)
            below = up[depth, q, lane]
            part[lane] += share * below
            up[depth - 1, q, lane] += below
    for lane in range(LANES):
        shares[feature, lane] += part[lane]


@kernel(error_model="numpy")
def add_swaps(
    nodes: Nodes,
    words: Integers,
    roots: Integers,
    leaf_value: Floats,
    players: Integers,
    weights: Floats,
    matrix: Floats,
    others: Floats,
    shares: Floats,
) -> None:
    """Add to ``shares`` (row, player) what each row's players change against the row of ``others``
    beside it.

    ``players``: of each feature. Where a row and the other part, the player is the row's below one
    edge and the other's below the other edge; a leaf below ``a`` players of the row and ``b`` of
    the other gives each of the first its value times ``weights[a, b]``, and takes from each of the
    second its value times ``weights[b, a]`` (:mod:`crsrisk.model.explain` has the formula).
    """
    n_players = shares.shape[1]
    side = np.zeros(n_players, dtype=np.int64)  # 1: the row's, -1: the other's, 0: not yet parted
    path = np.zeros(n_players, dtype=np.int64)  # players that are parted, in order
    waiting = np.zeros((n_players + 2, 4), dtype=np.int64)  # node, length of path, player, side
    for row in range(matrix.shape[0]):
        here, there = matrix[row], others[row]
        for tree in range(roots.shape[0]):
            length, n_waiting = 0, 1
            waiting[0, 0], waiting[0, 1], waiting[0, 2] = roots[tree], 0, -1
            while n_waiting > 0:
                n_waiting -= 1
                at, kept, player, own = waiting[n_waiting]
                while length > kept:
                    length -= 1
                    side[path[length]] = 0
                if player >= 0:
                    side[player], path[length] = own, player
                    length += 1
                at = _parting(nodes, words, players, side, here, there, at)
                if at < 0:
                    _give(leaf_value[~at], path, length, side, weights, shares[row])
                    continue
                node, player = nodes[at], players[nodes[at]["feature"]]
                is_left = _goes(node, words, here)
                for own in (1, -1):
                    goes_left = is_left == (own > 0)
                    waiting[n_waiting, 0] = node["left"] if goes_left else node["right"]
                    waiting[n_waiting, 1], waiting[n_waiting, 2] = length, player
                    waiting[n_waiting, 3] = own
                    n_waiting += 1
            while length > 0:
                length -= 1
                side[path[length]] = 0


@numba.njit(error_model="numpy", forceinline=True)
def _goes(node: Any, words: Integers, values: Floats) -> bool:
    """Whether a row of features goes left at a node."""
    return _goes_left(
        values[node["feature"]],
        node["threshold"],
        node["kind"],
        words,
        node["first_word"],
        node["n_words"],
    )


@numba.njit(error_model="numpy", forceinline=True)
def _parting(
    nodes: Nodes,
    words: Integers,
    players: Integers,
    side: Integers,
    here: Floats,
    there: Floats,
    at: int,
) -> int:
    """The next node at which two rows part over a player that is not yet parted, or the leaf
    (below 0) that they come to.
    """
    while at >= 0:
        node = nodes[at]
        is_left, is_left_there = _goes(node, words, here), _goes(node, words, there)
        whose = side[players[node["feature"]]]
        if is_left != is_left_there:
            if whose == 0:
                return at
            if whose < 0:
                is_left = is_left_there
        at = node["left"] if is_left else node["right"]
    return at


@numba.njit(error_model="numpy", forceinline=True)
def _give(
    value: float, path: Integers, length: int, side: Integers, weights: Floats, shares: Floats
) -> None:
    """A leaf's value to the players of the row on its path, and from those of the other."""
    a = 0
    for k in range(length):
        if side[path[k]] > 0:
            a += 1
    for k in range(length):
        if side[path[k]] > 0:
            shares[path[k]] += value * weights[a, length - a]
        else:
            shares[path[k]] -= value * weights[length - a, a]
