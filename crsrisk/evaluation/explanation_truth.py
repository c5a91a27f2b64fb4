"""Is the explanation true? How far one set of attributions agrees with another, patient by patient.

Three comparisons, never one number: the explainer against exact Shapley values of the same model (a
difference, which should be rounding); the model's Shapley values against those of the oracle's
risk, in the same game and against the same background (what the model got wrong); and attributions
against what happens when the mechanism is run again with a value replaced (what no attribution can
say). The last two are compared by :func:`agreement`.

The oracle's risk must be asked for any mixed patient, and re-simulating every coalition of every
patient would take months. So a surrogate is learnt (:func:`fit_surrogate`) from a great many
simulated patients, each with one outcome: for one product, a penalised logistic regression with a
restricted cubic spline for each clinical value, a coefficient for its being missing, and all
products of two. It is smooth, as the mechanism is, and no kin of the trees that it is to judge. Two
are fitted, to different patients: their mean is the surrogate, their disagreement says how far its
Shapley values can be trusted, and its error against the re-simulated oracle is measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import binom, expit, logit
from scipy.stats import rankdata, skew
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import streams
from crsrisk.errors import InputError
from crsrisk.evaluation.calibration import spline_basis
from crsrisk.evaluation.metrics import bootstrap_counts, percentile_estimate
from crsrisk.model.booster import booster_of
from crsrisk.model.booster_text import read_text
from crsrisk.model.predict import feature_matrix
from crsrisk.model.risk_model import RiskModel
from crsrisk.results import Estimate

Floats = NDArray[np.float64]
# attributions and what they are compared with, (patients, features) each
Pair = tuple[Floats, Floats]
TOP = 3  # reasons that a page shows first
_NO_SIZE = 1e-12
# quantiles (Harrell, Regression Modeling Strategies, 2nd edition, table 2.3)
KNOTS = (0.05, 0.35, 0.65, 0.95)
# in each half, and as many without: fewer cannot carry some hundred coefficients
FEWEST_EVENTS = 500
_SPLINE_FROM = 6  # different values: with fewer a player is linear
_SKEWED = 1.0
# 1 / variance expected of coefficients, log-odds per SD (per SD squared)
_PENALTY_MAIN, _PENALTY_PAIR = 1.0, 100.0
_CHUNK = 16_384
_STEPS, _CLOSE_ENOUGH = 25, 1e-4


@dataclass(frozen=True)
class Agreement:
    """How attributions agree with a reference, over one product or several.

    ``rank_correlation``: Spearman's, of one feature across the patients of one product, mean over
    features (and products), each weighted by the reference's mean absolute value.
    ``linear_correlation``: Pearson's, weighted alike; a yes/no value has two clusters of
    attributions, within which ranks are decided by differences that nobody would see, and there it
    says more. ``sign``: share of the reference's absolute value whose sign the attributions have.
    ``top``: of each patient's three largest reasons by the reference, the share among his three
    largest by the attributions. ``distance``: mean absolute difference, in the unit of both
    (log-odds). Each with its 95% interval and Monte Carlo error by bootstrap over patients.
    """

    n_patients: int
    rank_correlation: Estimate
    linear_correlation: Estimate
    sign: Estimate
    top: Estimate
    distance: Estimate


@dataclass(frozen=True)
class FeatureAgreement:
    """One feature of one product: its size by the reference and by the attributions, and their
    correlations.
    """

    feature: str
    size: float
    size_attributed: float
    rank_correlation: float
    linear_correlation: float


def agreement(pairs: Sequence[Pair], *, seed: int, n_resamples: int = 200) -> Agreement:
    """Agreement over the products, one pair of tables each; intervals by bootstrap over the
    patients of each product.

    Features may differ between products. A feature that the reference gives no size has no weight;
    one to which the attributions give none, where the reference does, has rank correlation 0.

    >>> truth = np.random.default_rng(0).normal(size=(50, 4))
    >>> agreement([(2 * truth, truth)], seed=1, n_resamples=20).rank_correlation.value
    1.0
    """
    whole = _ratios([_sums(values, reference) for values, reference in pairs])
    drawn = [
        np.concatenate(
            list(bootstrap_counts(n=len(values), n_resamples=n_resamples, seed=seed + k))
        )
        for k, (values, _) in enumerate(pairs)
    ]
    again = []
    for resample in range(n_resamples):
        rows = [
            np.repeat(np.arange(len(counts[resample])), counts[resample].astype(np.int64))
            for counts in drawn
        ]
        again.append(
            _ratios(
                [
                    _sums(values[some], reference[some])
                    for (values, reference), some in zip(pairs, rows, strict=True)
                ]
            )
        )
    table = np.array(again)
    figures = [
        replace(percentile_estimate(whole[k], table[:, k]), mc_error=float(table[:, k].std(ddof=1)))
        for k in range(5)
    ]
    return Agreement(sum(len(values) for values, _ in pairs), *figures)


def by_feature(
    values: Floats, reference: Floats, *, features: Sequence[str]
) -> list[FeatureAgreement]:
    """Feature by feature, the largest by the reference first."""
    sizes, made = np.abs(reference).mean(axis=0), np.abs(values).mean(axis=0)
    ranks, lines = rank_correlations(values, reference), linear_correlations(values, reference)
    return [
        FeatureAgreement(
            features[k], float(sizes[k]), float(made[k]), float(ranks[k]), float(lines[k])
        )
        for k in np.argsort(-sizes)
    ]


def rank_correlations(values: Floats, reference: Floats) -> Floats:
    """Spearman's correlation of each column; 0 where one of the two does not vary."""
    return linear_correlations(
        rankdata(_without_rounding(values), axis=0), rankdata(_without_rounding(reference), axis=0)
    )


def linear_correlations(values: Floats, reference: Floats) -> Floats:
    """Pearson's correlation of each column; 0 where one of the two does not vary."""
    x, y = (_without_rounding(table - table.mean(axis=0)) for table in (values, reference))
    spread = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return np.where(spread > 0, (x * y).sum(axis=0) / np.where(spread > 0, spread, 1.0), 0.0)


def reliability(halves: float) -> float:
    """Correlation that a mean of two halves has with the truth, from the correlation of the halves
    (Spearman-Brown, root).

    No attribution can be expected to reach more than this against such a reference.

    >>> round(reliability(0.8), 3)
    0.943
    """
    whole = 2.0 * max(0.0, halves) / (1.0 + max(0.0, halves))
    return float(whole**0.5)


def _without_rounding(table: Floats) -> Floats:
    """Differences of rounding are none: they would be ranked like others."""
    return np.asarray(np.round(table, 12))


def _sums(values: Floats, reference: Floats) -> Floats:
    """Numerators and denominators of the five figures: sums over one product's patients and
    features.
    """
    n = len(values)
    size = np.abs(reference)
    weight = size.mean(axis=0)
    same = np.where(np.sign(values) == np.sign(reference), size, 0.0).sum()
    top = min(TOP, values.shape[1])
    first = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :top]
    wanted = np.argsort(-size, axis=1, kind="stable")[:, :top]
    hits = float(
        sum(len(set(a) & set(b)) for a, b in zip(first.tolist(), wanted.tolist(), strict=True))
    )
    ranks, lines = (
        n * float(weight @ made(values, reference))
        for made in (rank_correlations, linear_correlations)
    )
    return np.array(
        [
            ranks,
            n * weight.sum(),
            lines,
            n * weight.sum(),
            same,
            size.sum(),
            hits,
            float(n * top),
            np.abs(values - reference).sum(),
            float(values.size),
        ]
    )


def _ratios(sums: Sequence[Floats]) -> Floats:
    total = np.sum(sums, axis=0)
    return np.asarray(total[0::2] / np.maximum(total[1::2], _NO_SIZE))


@dataclass(frozen=True)
class _Scale:
    """How one player enters: logarithm or not, centre, spread, knots (on the scaled value), can it
    be missing?
    """

    has_log: bool
    offset: float
    centre: float
    spread: float
    knots: Floats
    can_be_missing: bool


@dataclass(frozen=True)
class Surrogate:
    """Log-odds of the oracle's risk as a function of the players' values; one half of the fitted
    pair.
    """

    players: tuple[str, ...]
    scales: tuple[_Scale, ...]
    main: Floats  # intercept, then each player's terms
    pairs: Floats  # (factors, factors), upper triangle

    def log_odds(self, rows: Floats) -> Floats:
        """Shape (rows,); ``rows`` (rows, players), NaN = missing."""
        log_odds = np.empty(len(rows))
        for first in range(0, len(rows), _CHUNK):
            terms, factors = _terms(rows[first : first + _CHUNK], self.scales)
            log_odds[first : first + _CHUNK] = terms @ self.main + np.einsum(
                "ij,ij->i", factors @ self.pairs, factors
            )
        return log_odds


def fit_surrogate(players: Sequence[str], rows: Floats, event: NDArray[np.bool_]) -> Surrogate:
    """Fit one surrogate by Newton's method.

    ``rows`` (patients, players), NaN = missing; ``event`` (patients,). Raises :class:`InputError`
    for fewer than 500 patients with or without the event.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(20_000, 2))
    >>> risk = expit(x[:, 0] + 0.5 * x[:, 0] * x[:, 1])
    >>> fitted = fit_surrogate(["a", "b"], x, rng.random(20_000) < risk)
    >>> bool(abs(fitted.log_odds(np.array([[1.0, 1.0]]))[0] - 1.5) < 0.25)
    True
    """
    n_events = int(event.sum())
    if min(n_events, len(event) - n_events) < FEWEST_EVENTS:
        raise InputError(
            where="surrogate",
            key="patients",
            found=f"{n_events} events among {len(event)} patients",
            expected=f"at least {FEWEST_EVENTS} with and without",
            cure="simulate more patients",
        )
    scales = tuple(_scale(rows[:, k]) for k in range(rows.shape[1]))
    factor_of = [k for k, scale in enumerate(scales) for _ in range(1 + scale.can_be_missing)]
    pairs = np.array(
        [(i, j) for i, j in combinations(range(len(factor_of)), 2) if factor_of[i] != factor_of[j]],
        dtype=np.int64,
    ).reshape(-1, 2)
    # products run side by side; waiting threads of the linear algebra cost seconds
    with threadpool_limits(1):
        weights = _newton(rows, event.astype(np.float64), scales, pairs)
    n_main = len(weights) - len(pairs)
    matrix = np.zeros((len(factor_of), len(factor_of)))
    matrix[pairs[:, 0], pairs[:, 1]] = weights[n_main:]
    return Surrogate(tuple(players), scales, weights[:n_main], matrix)


def _scale(column: Floats) -> _Scale:
    known = column[~np.isnan(column)]
    distinct = np.unique(known[:10_000])
    has_log = bool(distinct.size >= _SPLINE_FROM and known.min() >= 0 and skew(known) > _SKEWED)
    offset = 0.01 * float(np.median(known)) if has_log else 0.0
    values = np.log(known + offset) if has_log else known
    spread = float(values.std()) or 1.0
    scaled = (values - values.mean()) / spread
    knots = np.unique(np.quantile(scaled, KNOTS)) if distinct.size >= _SPLINE_FROM else np.zeros(0)
    return _Scale(
        has_log,
        offset,
        float(values.mean()),
        spread,
        knots if knots.size > 2 else np.zeros(0),
        bool(len(known) < len(column)),
    )


def _terms(rows: Floats, scales: Sequence[_Scale]) -> tuple[Floats, Floats]:
    """Main terms (rows, 1 + terms) and the factors that pairs are made of (rows, factors)."""
    terms, factors = [np.ones(len(rows))], []
    for k, scale in enumerate(scales):
        column = rows[:, k]
        is_missing = np.isnan(column)
        values = np.log(np.maximum(column, 0.0) + scale.offset) if scale.has_log else column
        scaled = np.where(is_missing, 0.0, (values - scale.centre) / scale.spread)
        basis = spline_basis(scaled, knots=scale.knots)[:, 1:]
        terms += list((basis * ~is_missing[:, None]).T)
        factors.append(scaled)
        if scale.can_be_missing:
            terms.append(is_missing.astype(np.float64))
            factors.append(is_missing.astype(np.float64))
    return np.column_stack(terms), np.column_stack(factors)


def _newton(rows: Floats, y: Floats, scales: Sequence[_Scale], pairs: NDArray[np.int64]) -> Floats:
    """Coefficients of main terms, then of pairs: first from a part of the patients, which leaves
    few steps for all.
    """
    n_main = _terms(rows[:1], scales)[0].shape[1]
    weights = np.zeros(n_main + len(pairs))
    weights[0] = float(logit(y.mean()))
    penalty = np.r_[0.0, np.full(n_main - 1, _PENALTY_MAIN), np.full(len(pairs), _PENALTY_PAIR)]
    part = len(rows) // 8
    for some in (slice(0, part), slice(None)):
        for _ in range(_STEPS):
            step = _newton_step(
                rows[some], y[some], scales, pairs, weights, penalty * len(y[some]) / len(y)
            )
            weights = weights + step
            if float(np.abs(step).max()) < _CLOSE_ENOUGH:
                break
    return weights


def _newton_step(
    rows: Floats,
    y: Floats,
    scales: Sequence[_Scale],
    pairs: NDArray[np.int64],
    weights: Floats,
    penalty: Floats,
) -> Floats:
    """One step, cut to 2; the design is made anew chunk by chunk, so memory stays small."""
    gradient, curvature = -penalty * weights, np.diag(penalty)
    for first in range(0, len(rows), _CHUNK):
        terms, factors = _terms(rows[first : first + _CHUNK], scales)
        design = np.hstack([terms, factors[:, pairs[:, 0]] * factors[:, pairs[:, 1]]])
        risk = expit(design @ weights)
        gradient += design.T @ (y[first : first + _CHUNK] - risk)
        design *= np.sqrt(risk * (1 - risk))[:, None]
        curvature += design.T @ design  # one matrix with itself: half the work of two
    step = np.linalg.solve(curvature, gradient)
    return np.asarray(step * min(1.0, 2.0 / max(float(np.abs(step).max()), _CLOSE_ENOUGH)))


# Interventional Shapley values: an unknown value is taken from a stated background of patients,
# one after another. Of a model by shap, of any function by orders of its players.
#
# An oracle is only a function that can be asked. Model and oracle are asked in the same game:
# players are clinical columns (CRP, burden, ...), and an index made of several of them follows
# them. Every background patient comes with random orders of the players, and each order with its
# reverse. Forwards and backwards together are exact as long as no more than two players act
# together; what higher orders leave is seen in the spread between orders, and is returned.
#
# ``shap.PermutationExplainer`` plays the same game and was not right here: it seeds and draws from
# numpy's global generator, so that products explained side by side would depend on each other; it
# takes one order for the whole background; and its error is the spread of single passes, in which
# the gain of going both ways is lost.


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


def contributions_by_definition(model: RiskModel, matrix: Floats, *, reference: Floats) -> Floats:
    """Interventional Shapley values of the clinical variables by their definition, from LightGBM's
    own scores: what :func:`crsrisk.model.explain.explain` is checked against.

    Shapley values of a sum are sums, so each tree is asked alone, for every coalition of the few
    variables that it reads. ``matrix`` and ``reference`` (patients, features); calibrated log-odds,
    shape (patients, variables).
    """
    booster = booster_of(model.booster_text)
    variables = [variable.name for variable in model.contract.variables]
    player = np.array([variables.index(f.variable) for f in model.contract.features])
    values = np.zeros((len(matrix), len(variables)))
    for k, tree in enumerate(read_text(model.booster_text).trees):
        players = np.unique(player[tree.split_feature])
        if not players.size:
            continue
        n = players.size
        joined = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)
        is_row = np.zeros((2**n, len(player)), dtype=bool)
        for place, one in enumerate(players):
            is_row[:, player == one] = joined[:, [place]]
        mixed = np.where(is_row[:, None], matrix, reference).reshape(-1, len(player))
        said = np.asarray(
            booster.predict(
                mixed, raw_score=True, start_iteration=k, num_iteration=1, num_threads=1
            )
        ).reshape(2**n, len(matrix))
        sizes = joined.sum(axis=1)
        for place, one in enumerate(players):
            without = np.flatnonzero(~joined[:, place])
            weights = 1.0 / (n * binom(n - 1, sizes[without]))
            values[:, one] += weights @ (said[without | 1 << place] - said[without])
    return np.asarray(model.calibrator.slope * values)


def background_contributions(
    model: RiskModel, observed: pd.DataFrame, *, background: pd.DataFrame
) -> tuple[float, Floats]:
    """Interventional Shapley values of the single features against a stated background, by shap.

    An unknown feature takes its value from each patient of the background, whatever the known ones
    are. The reasons of :func:`crsrisk.model.explain.explain` are such values too, against one
    reference patient and of clinical variables; its path-dependent values answer another question.
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
