"""Coalitions: interventional Shapley values of any function of a patient's clinical values, by
orders both ways.

For a model of trees there are exact formulas; for an oracle there is only a function that can be
asked. Both are asked here in the same game: players are clinical columns (CRP, burden, ...), an
index made of several of them follows them, and an unknown value is taken from a stated background
of patients, one after another. Every background patient comes with random orders of the players,
and each order with its reverse. Forwards and backwards together are exact as long as no more than
two players act together; what higher orders leave is seen in the spread between orders, and is
returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.errors import InputError
from crsrisk.model.booster_text import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO
from crsrisk.model.forest import Forest, as_rows, forest_of

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]  # (rows, players) -> (rows,)
_ROWS = 400_000  # mixed patients asked at one time


@dataclass(frozen=True)
class Shapley:
    """Values (patients, players) and their standard error from the choice of orders, same shape (0:
    exact).
    """

    values: Floats
    error: Floats


def shapley_by_orders(
    said: Function, rows: Floats, *, background: Floats, n_orders: int, seed: int
) -> Shapley:
    """Shapley values of ``said`` for each row against the background.

    ``rows`` and ``background`` (patients, players), NaN = missing. ``n_orders`` (2 or more) random
    orders, each with its reverse, for every background patient. The same seed gives the same orders
    whatever the function, so that two functions are compared without the noise of different orders.

    >>> x = np.array([[1.0, 2.0, 3.0]]); other = np.zeros((1, 3))
    >>> shapley_by_orders(lambda z: z[:, 0] + z[:, 1] * z[:, 2], x, background=other, n_orders=2, seed=1).values.tolist()
    [[1.0, 3.0, 3.0]]
    """
    n, n_players = rows.shape
    each = max(1, _ROWS // (n * (n_players + 1)))
    chance = streams.uniforms(
        seed=seed,
        decision="orders of players",
        start=0,
        stop=len(background) * n_orders,
        width=n_players,
    )
    orders = np.argsort(chance, axis=1).reshape(len(background), n_orders, n_players)
    found = np.zeros((n_orders, n, n_players))
    for k in range(n_orders):
        for first in range(0, len(background), each):
            some = slice(first, min(first + each, len(background)))
            found[k] += _both_ways(said, rows, background[some], orders[some, k]).sum(axis=0)
    found /= len(background)
    return Shapley(found.mean(axis=0), found.std(axis=0, ddof=1) / n_orders**0.5)


def _both_ways(
    said: Function, rows: Floats, background: Floats, orders: NDArray[np.int64]
) -> Floats:
    """Gain of each player, joining in an order and in its reverse, shape (background, patients,
    players).
    """
    n, n_players = rows.shape
    gains = np.zeros((len(background), n, n_players))
    for way in (orders, orders[:, ::-1]):
        # step k: the first k players of the order
        joined = np.tril(np.ones((n_players + 1, n_players), dtype=bool), -1)
        masks = np.empty((len(background), n_players + 1, n_players), dtype=bool)
        for place, order in enumerate(way):
            masks[place][:, order] = joined
        mixed = np.where(masks[:, None], rows[None, :, None], background[:, None, None])
        values = said(mixed.reshape(-1, n_players)).reshape(len(background), n, n_players + 1)
        steps = np.diff(values, axis=2)
        for place, order in enumerate(way):
            gains[place][:, order] += steps[place] / 2.0
    return gains


# Exact Shapley values by their definition: every coalition, every term, for checking those who
# compute them fast.
#
# Shapley values are additive over leaves, and a leaf speaks of the few features on its path: the
# sum over all coalitions of *these* is exact for the whole model. Two games are played, and never
# compared with each other: *interventional*, where unknown features take the values of a stated
# background of patients, one after another; and *path-dependent*, where an unknown split sends a
# patient both ways in the proportions of the training patients.


Flags = NDArray[np.bool_]
MOST_FEATURES = 16  # of one path: 65,536 coalitions
_LIGHTGBM_ZERO = 1e-35
_Path = tuple[tuple[int, bool], ...]  # (node, does the path go left there?)


@dataclass(frozen=True)
class _Leaf:
    value: float
    path: _Path
    features: tuple[int, ...]


def exact_interventional(text: str, matrix: Floats, *, background: Floats) -> Floats:
    """Interventional Shapley values of a booster text, shape (rows, features + 1), the last the
    base.

    ``matrix`` and ``background`` (rows, features) as the trees read them. Raises
    :class:`InputError` for a path with more than 16 features.
    """
    forest = forest_of(text)
    here, there = _goes_left(forest, matrix), _goes_left(forest, background)

    def of_unknown(leaf: _Leaf, coalitions: Flags) -> Floats:
        """Share of the background that all features outside a coalition let pass, by coalition."""
        return np.asarray(_all_pass(_passes(forest, leaf, there), ~coalitions).mean(axis=0))

    return _shapley(forest, here, of_unknown)


def exact_path_dependent(text: str, matrix: Floats) -> Floats:
    """Path-dependent Shapley values of a booster text, shape (rows, features + 1), the last the
    base.
    """
    forest = forest_of(text)

    def of_unknown(leaf: _Leaf, coalitions: Flags) -> Floats:
        """Product, over the features outside a coalition, of the shares of training patients that
        go along the path.
        """
        share = np.ones(len(leaf.features))
        for node, is_left in leaf.path:
            child = int(forest.nodes["left" if is_left else "right"][node])
            place = leaf.features.index(int(forest.nodes["feature"][node]))
            share[place] *= _count(forest, child) / forest.node_count[node]
        return np.asarray(np.where(coalitions, 1.0, share).prod(axis=1))

    return _shapley(forest, _goes_left(forest, matrix), of_unknown)


def _shapley(
    forest: Forest, goes_left: Flags, of_unknown: Callable[[_Leaf, Flags], Floats]
) -> Floats:
    """Sum over leaves and coalitions; a leaf's value counts where the known features let the
    patient pass.
    """
    shares = np.zeros((goes_left.shape[1], forest.n_features + 1))
    for leaf in _leaves(forest):
        coalitions, weights = _coalitions(len(leaf.features))
        known = _all_pass(_passes(forest, leaf, goes_left), coalitions)
        worth = leaf.value * known * of_unknown(leaf, coalitions)  # (rows, coalitions)
        shares[:, list(leaf.features)] += worth @ weights
        shares[:, -1] += worth[:, 0]  # the first coalition is the empty one
    return shares


@lru_cache(maxsize=MOST_FEATURES + 1)
def _coalitions(size: int) -> tuple[Flags, Floats]:
    """Every coalition (coalitions, features), the empty one first, and each feature's weight of its
    worth, same shape.

    A feature gains the worth of every coalition that it is in, and loses that of every one that it
    could join.
    """
    member = (np.arange(2**size)[:, None] >> np.arange(size)) & 1 == 1
    number = member.sum(axis=1)
    joins = np.array(
        [factorial(k) * factorial(size - k - 1) / factorial(size) for k in range(size)] + [0.0]
    )
    return member, np.where(member, joins[number - 1][:, None], -joins[number][:, None])


def _passes(forest: Forest, leaf: _Leaf, goes_left: Flags) -> Flags:
    """Does each feature let each patient pass along the whole path? Shape (rows, features of the
    path).
    """
    found = np.ones((goes_left.shape[1], len(leaf.features)), dtype=bool)
    for node, is_left in leaf.path:
        found[:, leaf.features.index(int(forest.nodes["feature"][node]))] &= (
            goes_left[node] == is_left
        )
    return found


def _all_pass(passes: Flags, coalitions: Flags) -> Floats:
    """Whether all members of each coalition let each patient pass, shape (rows, coalitions), 0 or
    1.
    """
    blocked = (~passes).astype(np.float64) @ coalitions.T.astype(np.float64)
    return np.asarray(blocked == 0, dtype=np.float64)


def _leaves(forest: Forest) -> Iterator[_Leaf]:
    for root in forest.roots.tolist():
        waiting: list[tuple[int, _Path]] = [(root, ())]
        while waiting:
            node, path = waiting.pop()
            if node < 0:
                features = tuple(dict.fromkeys(int(forest.nodes["feature"][at]) for at, _ in path))
                if len(features) > MOST_FEATURES:
                    raise InputError(
                        where="exact Shapley values",
                        key="path",
                        found=f"{len(features)} features on one path",
                        expected=f"at most {MOST_FEATURES}",
                        cure="check a model of smaller trees",
                    )
                yield _Leaf(float(forest.leaf_value[~node]), path, features)
                continue
            waiting += [
                (int(forest.nodes["left"][node]), (*path, (node, True))),
                (int(forest.nodes["right"][node]), (*path, (node, False))),
            ]


def _goes_left(forest: Forest, matrix: Floats) -> Flags:
    """Which way each patient goes at each node, shape (nodes, rows)."""
    nodes, rows = forest.nodes, as_rows(forest, matrix)
    kind, threshold = nodes["kind"][:, None], nodes["threshold"][:, None]
    value = rows[:, nodes["feature"]].T
    knows_nan = (kind & MISSING_NAN) > 0
    number = np.where(np.isnan(value) & ~knows_nan, 0.0, value)
    is_missing = np.where(
        knows_nan,
        np.isnan(number),
        ((kind & MISSING_ZERO) > 0) & (np.abs(number) <= _LIGHTGBM_ZERO),
    )
    goes_left = np.where(is_missing, (kind & DEFAULT_LEFT) > 0, number <= threshold)
    for node in np.flatnonzero(nodes["kind"] & CATEGORICAL):
        goes_left[node] = [_is_in_set(forest, int(node), one) for one in value[node]]
    return goes_left


def _is_in_set(forest: Forest, node: int, category: float) -> bool:
    """Whether a categorical split sends this category left; what is missing or negative goes
    right.
    """
    first, n_words = (int(forest.nodes[name][node]) for name in ("first_word", "n_words"))
    if not category >= 0 or int(category) >= 32 * n_words:
        return False
    return bool(int(forest.words[first + int(category) // 32]) >> int(category) % 32 & 1)


def _count(forest: Forest, node: int) -> float:
    return float(forest.node_count[node] if node >= 0 else forest.leaf_count[~node])
