"""Explain: exact Shapley values of the calibrated model, one reason for each clinical variable.

Two games, both on the log-odds scale, multiplied with the calibration's slope, and exact; that they
add up to the prediction is checked every time.

*Interventional*, against the median patient of the same product: what is not known has the
reference patient's value. Players are clinical variables, whose features change together. These are
the reasons: they say what sets a patient apart from the middle of those who get the same.

*Path-dependent*: what is not known follows the training patients along each path of the trees, as
in LightGBM and in shap's ``TreeExplainer`` without data. They start from the model's average over
all products, so product and platform count; players are features, whose values are added up over a
variable. Importances and ``to_shap()`` are of this kind.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import binom

from crsrisk.data.explanation import Explanation
from crsrisk.data.risk_model import ModelParts, Variable
from crsrisk.errors import InputError
from crsrisk.model.features import WORDS, feature_array
from crsrisk.model.forest import Forest, as_rows, forest_of, raw_log_odds_by
from crsrisk.model.median_patient import reference_columns
from crsrisk.model.predict import Columns, feature_matrix, matrix_of, read_contract, score_columns
from crsrisk.model.tree_kernels import LANES, Integers, Nodes, add_shares, add_swaps

# Tree SHAP: exact path-dependent Shapley values of a forest, by quadrature.
#
# The value of a leaf v, with a path over d different features, weighs for a group of known features
# the product of factors: o (1 when the patient's value follows the path's splits on that feature,
# else 0) for a known feature, z (the share of training patients that do) for an unknown one. Summed
# over all orders in which features may become known, feature j receives (Lundberg 2020, written as
# an integral over the share t of features that are known)
#
# v (o_j - z_j) * integral from 0 to 1 of the product over the other features i of (z_i + t (o_i -
# z_i)) dt.
#
# The integrand is a polynomial of degree d - 1 in t, so a Gauss-Legendre rule of ceil(d / 2) points
# is exact, and all that is left is products (:func:`crsrisk.model.tree_kernels.add_shares`). One
# walk through a tree serves all leaves: products go down, leaves come up, and each edge divides its
# own factor out. Where a feature is split on again below, its factor is replaced, and the edge
# gives the difference.
#
# It is ours because it explains a cohort many times as fast as shap does (``make bench`` says how
# many in one run).
#
# Interventional values against one reference patient, exactly (Lundberg 2020, algorithm 3). The
# game: a coalition's players have the patient's values, all others the reference patient's. A leaf
# is reached by exactly those coalitions that hold every player whose way to it is the patient's (a
# of them) and none whose way is the reference's (b). So it gives each of the first its value times
# (a - 1)! b! / (a + b)!, and takes from each of the second its value times a! (b - 1)! / (a + b)!;
# nothing is summed over coalitions. A player may be several features that change together.


EDGE = np.dtype(
    [
        ("value", "f8"),
        ("kept", "f8"),
        ("weights", "i8"),
        ("node", "i4"),
        ("feature", "i4"),
        ("depth", "i4"),
        ("same", "i4"),
        ("is_left", "?"),
    ],
    align=True,
)
_CHUNK = 32  # tiles of patients for which a tree is read once


@dataclass(frozen=True, eq=False)
class _Plan:
    """A forest's edges, depth first, with the weights that each needs at each point of its tree's
    quadrature.
    """

    first_node: Integers
    edges: Nodes
    first_edge: Integers
    n_points: Integers
    weights: Floats
    base: float


def path_shapley(forest: Forest, matrix: Floats, *, workers: int = 1) -> Floats:
    """Exact path-dependent Shapley values, shape (rows, features + 1), the last column the base.

    What unknown features would be is taken from the training patients that went along each path, as
    in LightGBM's ``pred_contrib`` and shap's ``TreeExplainer``. A row's values do not depend on
    other rows or on ``workers``.
    """
    rows = as_rows(forest, matrix)
    plan = _plan_of(forest)
    shares = np.empty((len(rows), forest.n_features + 1))
    shares[:, -1] = plan.base

    def work(start: int) -> None:
        some = rows[start : start + _CHUNK * LANES]
        shares[start : start + len(some), :-1] = _chunk(forest, plan, some)

    starts = range(0, len(rows), _CHUNK * LANES)
    if workers <= 1 or len(starts) <= 1:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(max_workers=workers) as pool:
            list(pool.map(work, starts))
    return shares


def reference_shapley(
    forest: Forest, matrix: Floats, *, reference: Floats, players: Integers
) -> Floats:
    """Exact interventional Shapley values of each row against its reference row, shape (rows,
    players).

    They add up to the difference of the two rows' log-odds. ``matrix`` and ``reference`` (rows,
    features), NaN = missing, which is a value like any other: it goes the way that the trees send
    what is missing. ``players`` (features,): the number of the player that each feature belongs to;
    features of one player change together.

    References
    ----------
    Lundberg et al., Nat Mach Intell 2020;2:56, algorithm 3 (independent Tree SHAP).
    """
    rows, others = as_rows(forest, matrix), as_rows(forest, reference)
    n_players = int(players.max()) + 1 if len(players) else 0
    shares = np.zeros((len(rows), n_players))
    add_swaps(
        forest.nodes,
        forest.words,
        forest.roots,
        forest.leaf_value,
        players,
        _swap_weights(n_players),
        rows,
        others,
        shares,
    )
    return shares


@lru_cache(maxsize=64)
def _swap_weights(n_players: int) -> Floats:
    """(a - 1)! b! / (a + b)! at [a, b] = 1 / (a * binomial(a + b, a)); 0 without a player."""
    a, b = np.ogrid[: n_players + 1, : n_players + 1]
    weights = np.zeros((n_players + 1, n_players + 1))
    weights[1:] = 1.0 / (a[1:] * binom(a[1:] + b, a[1:]))
    return weights


def _chunk(forest: Forest, plan: _Plan, rows: Floats) -> Floats:
    n_tiles = -(-len(rows) // LANES)
    padded = np.zeros((n_tiles * LANES, forest.n_features))
    padded[: len(rows)] = rows
    tiles = np.ascontiguousarray(padded.reshape(n_tiles, LANES, -1).transpose(0, 2, 1))
    shares = np.zeros_like(tiles)
    if len(plan.edges):
        add_shares(
            forest.nodes,
            forest.words,
            plan.first_node,
            plan.edges,
            plan.first_edge,
            plan.n_points,
            plan.weights,
            tiles,
            shares,
        )
    return shares.transpose(0, 2, 1).reshape(n_tiles * LANES, -1)[: len(rows)]


@lru_cache(maxsize=64)
def _plan_of(forest: Forest) -> _Plan:
    """Everything about a forest that does not depend on patients; kept."""
    grown = [_edges_of(forest, int(root)) for root in forest.roots if root >= 0]
    base = sum(_mean_of(forest, int(root)) for root in forest.roots)
    first_node = np.array(
        [*(root for root in forest.roots if root >= 0), len(forest.nodes)], dtype=np.int64
    )
    edges, weights, n_points, at = [], [], [], 0
    for tree in grown:
        tree_edges, tree_weights, points = _weighed(tree, first_weight=at)
        edges.append(tree_edges)
        weights.append(tree_weights)
        n_points.append(points)
        at += tree_weights.size
    return _Plan(
        first_node=first_node,
        edges=np.concatenate(edges) if edges else np.zeros(0, EDGE),
        first_edge=np.cumsum([0, *(len(tree) for tree in edges)]),
        n_points=np.array(n_points, dtype=np.int64),
        weights=np.concatenate(weights) if weights else np.zeros(0),
        base=float(base),
    )


def _edges_of(forest: Forest, root: int) -> tuple[Nodes, Floats, int]:
    """One tree's edges, depth first, then one of depth 0 as the end, with the shares z of each
    edge's feature.

    Two shares: here, and where the path was split on the feature before. ``same`` is the depth of
    that edge above, 0 for none; a share of training patients belongs to all splits of the path on
    the feature. The third part is the largest number of different features on a path.
    """
    nodes = forest.nodes
    features, left, right = nodes["feature"], nodes["left"], nodes["right"]
    rows: list[tuple[float, float, int, int, int, int, int, bool]] = []
    shares: list[tuple[float, float]] = []
    most = 0
    waiting: list[tuple[int, bool, tuple[tuple[int, float], ...]]] = [
        (root, True, ()),
        (root, False, ()),
    ]
    while waiting:
        parent, is_left, path = waiting.pop()
        feature = int(features[parent])
        child = int(left[parent] if is_left else right[parent])
        same = next(
            (depth for depth in range(len(path), 0, -1) if path[depth - 1][0] == feature), 0
        )
        before = path[same - 1][1] if same else 1.0
        count = forest.node_count[child] if child >= 0 else forest.leaf_count[~child]
        share = float(before * count / forest.node_count[parent])
        here = (*path, (feature, share))
        value = 0.0 if child >= 0 else float(forest.leaf_value[~child])
        rows.append((value, share / before, 0, parent - root, feature, len(here), same, is_left))
        shares.append((share, before if same else np.nan))
        most = max(most, len({name for name, _ in here}))
        if child >= 0:
            waiting += [(child, True, here), (child, False, here)]
    rows.append((0.0, 0.0, 0, 0, 0, 0, 0, False))  # the way out
    shares.append((1.0, np.nan))
    return np.array(rows, dtype=EDGE), np.array(shares), most


def _weighed(tree: tuple[Nodes, Floats, int], *, first_weight: int) -> tuple[Nodes, Floats, int]:
    """A tree's edges with the place of their weights, the weights, and the number of points.

    By edge four rows of one weight a point: the factor that replaces the one above for a patient
    who goes along, and for one who does not; then, with the rule's own weight, what each takes of
    the leaves below.
    """
    edges, shares, most = tree
    points = -(-most // 2)
    at, rule = np.polynomial.legendre.leggauss(points)
    t, w = (1.0 + at) / 2.0, rule / 2.0
    share, before = shares[:, :1], shares[:, 1:]
    factor = share + t * (1.0 - share)
    is_again = np.isfinite(before)
    factor_before = np.where(is_again, before + t * (1.0 - before), 1.0)
    taken_before = np.where(is_again, (1.0 - before) / factor_before, 0.0)
    weights = np.stack(
        [
            factor / factor_before,
            share * (1.0 - t) / factor_before,
            w * ((1.0 - share) / factor - taken_before),
            w * (-1.0 / (1.0 - t) - taken_before),
        ],
        axis=1,
    )
    edges["weights"] = first_weight + 4 * points * np.arange(len(edges))
    return edges, weights.ravel(), points


def _mean_of(forest: Forest, root: int) -> float:
    """What a tree says of its training patients in the mean."""
    if root < 0:
        return float(forest.leaf_value[~root])
    total, waiting = 0.0, [root]
    while waiting:
        node = waiting.pop()
        for child in (int(forest.nodes["left"][node]), int(forest.nodes["right"][node])):
            if child >= 0:
                waiting.append(child)
            else:
                total += forest.leaf_count[~child] * forest.leaf_value[~child]
    return float(total / forest.node_count[root])


Floats = NDArray[np.float64]

ADDITIVITY = 1e-9  # largest gap, in log-odds, between base + contributions and the prediction


def explain(model: ModelParts, observed: pd.DataFrame) -> Explanation:
    """Explain the risk of every row.

    Parameters
    ----------
    model : ModelParts
        A fitted model.
    observed : DataFrame
        One row a patient, with the columns of the model's contract; cells may be empty.

    Returns
    -------
    Explanation
        Exact Shapley values of the calibrated log-odds, one for each clinical variable:
        interventional ones against the median patient of the same product, and path-dependent ones.

    Raises
    ------
    InputError
        For what :func:`crsrisk.model.predict.predict` raises, for an empty table and for a row that
        it refuses (an impossible value has no explanation).
    ArithmeticError
        Should the contributions not add up.

    References
    ----------
    Lundberg et al., Nat Mach Intell 2020;2:56.
    """
    columns = read_contract(model, observed)
    prediction = score_columns(model, columns, index=observed.index)
    if not len(observed) or prediction.is_refused.any():
        row = int(np.argmax(prediction.is_refused)) + 1 if len(observed) else 0
        raise InputError(
            where="table",
            key=f"row {row}",
            found="a row that is refused" if row else "no row",
            expected="rows that can be scored",
            cure="see the reasons that `predict` gives, and leave it out",
        )
    matrix = matrix_of(model, columns)
    references, cells = reference_columns(
        model.contract.median_patients,
        columns,
        contract=model.contract.columns,
        n_rows=len(observed),
    )
    start, contributions = _against(model, matrix, reference=matrix_of(model, cells))
    path_start, by_feature = _contributions(model, matrix)
    by_variable = np.zeros_like(contributions)
    # no BLAS: it sums by batch size
    for player, share in zip(_players(model), by_feature.T, strict=True):
        by_variable[:, player] += share
    return Explanation(
        base_log_odds=start,
        contributions=contributions,
        references=references,
        path_base_log_odds=path_start,
        path_contributions=by_variable,
        variables=model.contract.variables,
        values=_values(model, columns, index=observed.index),
        prediction=prediction,
        course=_course(model, columns, index=observed.index),
    )


def _players(model: ModelParts) -> Integers:
    """By feature, the number of its clinical variable."""
    places = {variable.name: place for place, variable in enumerate(model.contract.variables)}
    return np.array(
        [places[feature.variable] for feature in model.contract.features], dtype=np.int64
    )


def _against(model: ModelParts, matrix: Floats, *, reference: Floats) -> tuple[Floats, Floats]:
    """Calibrated log-odds of each row's reference, and what each variable changes, shape (rows,
    variables).
    """
    forest, calibrator = forest_of(model.booster_text), model.calibrator
    n_variables = len(model.contract.variables)
    shares = np.zeros((len(matrix), n_variables))
    found = reference_shapley(forest, matrix, reference=reference, players=_players(model))
    shares[:, : found.shape[1]] = calibrator.slope * found
    start = calibrator.log_odds(raw_log_odds_by(forest, reference))
    _check(start + shares.sum(axis=1), calibrator.log_odds(raw_log_odds_by(forest, matrix)))
    return start, shares


def _check(told: Floats, log_odds: Floats) -> None:
    gap = float(np.abs(told - log_odds).max())
    if not gap < ADDITIVITY:
        raise ArithmeticError(f"contributions miss the prediction by {gap:.1e} log-odds")


def feature_contributions(model: ModelParts, observed: pd.DataFrame) -> tuple[float, Floats]:
    """Base log-odds and the path-dependent contributions of the single features, shape (patients,
    features), calibrated.
    """
    return _contributions(model, feature_matrix(model, observed))


def _contributions(model: ModelParts, matrix: Floats) -> tuple[float, Floats]:
    forest = forest_of(model.booster_text)
    slope = model.calibrator.slope
    raw = path_shapley(forest, matrix)
    base = model.calibrator.intercept + slope * float(raw[0, -1])
    contributions = slope * raw[:, :-1]
    log_odds = model.calibrator.log_odds(raw_log_odds_by(forest, matrix))
    _check(base + contributions.sum(axis=1), log_odds)
    return base, contributions


def _values(model: ModelParts, columns: Columns, *, index: pd.Index[Any]) -> pd.DataFrame:
    """What each patient had of each clinical variable: words, yes/no or a number."""
    flags = {column.name for column in model.contract.columns if column.kind == "flag"}
    words = {variable.name for variable in model.contract.variables if variable.name in WORDS}
    features = {
        variable.name: _shown_feature(model, variable)
        for variable in model.contract.variables
        if variable.name not in words
    }
    numbers = feature_array(columns, names=tuple(features.values())).astype(object)
    shown: dict[str, NDArray[Any]] = {}
    for variable in model.contract.variables:
        if variable.name in words:
            shown[variable.name] = columns[variable.name]
            continue
        values = numbers[:, list(features).index(variable.name)]
        if features[variable.name] in flags:
            values = np.array(
                [cell if math.isnan(cell) else bool(cell) for cell in values], dtype=object
            )
        shown[variable.name] = values
    return pd.DataFrame(shown, index=index, dtype=object)


def _course(
    model: ModelParts, columns: Columns, *, index: pd.Index[Any]
) -> dict[str, pd.DataFrame]:
    """By variable of the course, its features of every patient; nothing for a model of before the
    first dose.
    """
    course: dict[str, pd.DataFrame] = {}
    for variable in model.contract.variables:
        if variable.theme == "course":
            names = tuple(_features_of(model, variable))
            course[variable.name] = pd.DataFrame(
                feature_array(columns, names=names), columns=list(names), index=index
            )
    return course


def _shown_feature(model: ModelParts, variable: Variable) -> str:
    """The feature whose value stands for a variable: itself, or its highest reading, or the
    first.
    """
    names = _features_of(model, variable)
    if variable.name in names:
        return variable.name
    return next((name for name in names if "__max__" in name), names[0])


def _features_of(model: ModelParts, variable: Variable) -> list[str]:
    return [
        feature.name for feature in model.contract.features if feature.variable == variable.name
    ]
