"""Interventional Shapley values: an unknown value is taken from a stated background of patients,
one after another. Of a model by shap, of any function by orders of its players.

An oracle is only a function that can be asked. Model and oracle are asked in the same game: players
are clinical columns (CRP, burden, ...), and an index made of several of them follows them. Every
background patient comes with random orders of the players, and each order with its reverse.
Forwards and backwards together are exact as long as no more than two players act together; what
higher orders leave is seen in the spread between orders, and is returned.

``shap.PermutationExplainer`` plays the same game and was not right here: it seeds and draws from
numpy's global generator, so that products explained side by side would depend on each other; it
takes one order for the whole background; and its error is the spread of single passes, in which the
gain of going both ways is lost.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.model.booster import booster_of
from crsrisk.model.predict import feature_matrix
from crsrisk.model.risk_model import RiskModel

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
    >>> said = lambda z: z[:, 0] + z[:, 1] * z[:, 2]
    >>> shapley_by_orders(said, x, background=other, n_orders=2, seed=1).values.tolist()
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
    values = np.zeros((n_orders, n, n_players))
    for k in range(n_orders):
        for first in range(0, len(background), each):
            some = slice(first, min(first + each, len(background)))
            values[k] += _both_ways(said, rows, background[some], orders[some, k]).sum(axis=0)
    values /= len(background)
    return Shapley(values.mean(axis=0), values.std(axis=0, ddof=1) / n_orders**0.5)


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


def background_contributions(
    model: RiskModel, observed: pd.DataFrame, *, background: pd.DataFrame
) -> tuple[float, Floats]:
    """Interventional Shapley values of the single features against a stated background, by shap.

    An unknown feature takes its value from each patient of the background, whatever the known ones
    are: another question than that of :func:`crsrisk.model.explain.explain`, with another answer.
    shap adds up in 32-bit numbers, so that values are right to about the sixth decimal of log-odds.
    All of the background counts (shap by itself would draw 100 of its rows).

    Parameters
    ----------
    model : RiskModel
        A fitted model.
    observed, background : DataFrame
        One row a patient, with the columns of the model's contract.

    Returns
    -------
    base : float
        Mean calibrated log-odds of the background.
    contributions : array (patients, features)
        In calibrated log-odds; base + their sum is the log-odds of the risk.
    """
    with warnings.catch_warnings():  # of shap's colour maps
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap

    others = feature_matrix(model, background)
    explainer = shap.TreeExplainer(
        booster_of(model.booster_text),
        data=shap.maskers.Independent(others, max_samples=len(others)),
        feature_perturbation="interventional",
        model_output="raw",
    )
    values = explainer.shap_values(feature_matrix(model, observed), check_additivity=False)
    base = model.calibrator.log_odds(float(explainer.expected_value))
    return float(base), model.calibrator.slope * np.asarray(values, dtype=np.float64)
