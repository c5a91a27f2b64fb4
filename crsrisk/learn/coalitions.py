"""Coalitions: interventional Shapley values of any function of a patient's clinical values, by orders both ways.

For a model of trees there are exact formulas; for an oracle there is only a function that can be asked. Both are asked
here in the same game: players are clinical columns (CRP, burden, ...), an index made of several of them follows them, and an
unknown value is taken from a stated background of patients, one after another. Every background patient comes with
random orders of the players, and each order with its reverse. Forwards and backwards together are exact as long as no more
than two players act together; what higher orders leave is seen in the spread between orders, and is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crsrisk import streams

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]  # (rows, players) -> (rows,)
_ROWS = 400_000  # mixed patients asked at one time


@dataclass(frozen=True)
class Shapley:
    """Values (patients, players) and their standard error from the choice of orders, same shape (0: exact)."""

    values: Floats
    error: Floats


def shapley_by_orders(said: Function, rows: Floats, *, background: Floats, n_orders: int, seed: int) -> Shapley:
    """Shapley values of ``said`` for each row against the background.

    ``rows`` and ``background`` (patients, players), NaN = missing. ``n_orders`` (2 or more) random orders, each with its
    reverse, for every background patient. The same seed gives the same orders whatever the function, so that two functions
    are compared without the noise of different orders.

    >>> x = np.array([[1.0, 2.0, 3.0]]); other = np.zeros((1, 3))
    >>> shapley_by_orders(lambda z: z[:, 0] + z[:, 1] * z[:, 2], x, background=other, n_orders=2, seed=1).values.tolist()
    [[1.0, 3.0, 3.0]]
    """
    n, n_players = rows.shape
    each = max(1, _ROWS // (n * (n_players + 1)))
    chance = streams.uniforms(seed=seed, decision="orders of players", start=0, stop=len(background) * n_orders,
                              width=n_players)
    orders = np.argsort(chance, axis=1).reshape(len(background), n_orders, n_players)
    found = np.zeros((n_orders, n, n_players))
    for k in range(n_orders):
        for first in range(0, len(background), each):
            some = slice(first, min(first + each, len(background)))
            found[k] += _both_ways(said, rows, background[some], orders[some, k]).sum(axis=0)
    found /= len(background)
    return Shapley(found.mean(axis=0), found.std(axis=0, ddof=1) / n_orders**0.5)


def _both_ways(said: Function, rows: Floats, background: Floats, orders: NDArray[np.int64]) -> Floats:
    """Gain of each player, joining in an order and in its reverse, shape (background, patients, players)."""
    n, n_players = rows.shape
    gains = np.zeros((len(background), n, n_players))
    for way in (orders, orders[:, ::-1]):
        joined = np.tril(np.ones((n_players + 1, n_players), dtype=bool), -1)  # step k: the first k players of the order
        masks = np.empty((len(background), n_players + 1, n_players), dtype=bool)
        for place, order in enumerate(way):
            masks[place][:, order] = joined
        mixed = np.where(masks[:, None], rows[None, :, None], background[:, None, None])
        values = said(mixed.reshape(-1, n_players)).reshape(len(background), n, n_players + 1)
        steps = np.diff(values, axis=2)
        for place, order in enumerate(way):
            gains[place][:, order] += steps[place] / 2.0
    return gains
