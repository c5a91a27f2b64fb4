"""An additive model written as LightGBM trees, one for each column, so that one booster holds
everything.

A column's effect becomes a step function, one for every group (product, platform) where groups
differ; with a direction, every step function keeps it. What a missing value is expected to be
becomes a tree of two columns. A leaf is of ten patients or more, and their count is real, so exact
Shapley values have their base. A leaf of fewer (an unseen combination of groups) counts one, and
its value comes of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import norm

from crsrisk.data.disclosure import is_told, parting
from crsrisk.model.additive import Additive, combinations_in, quantile
from crsrisk.model.booster_text import BINARY, DEFAULT_LEFT, MISSING_NAN
from crsrisk.model.stored_table import Table, column_of

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.bool_]

_BOUNDS = norm.cdf(np.linspace(-2.6, 2.6, 41))  # of the steps, as shares of the patients
_DIGITS = 4  # significant digits of a bound: no patient's own value
_ALIKE = 0.005  # log-odds: steps and groups that differ by less are one
_FAR = 2.0  # standard deviations: where the slopes of two groups are compared
_NO_EFFECT = 1e-3  # log-odds: a column that moves nobody by more gets no tree
_KNOWN_LEFT = MISSING_NAN  # with the bound inf: known values go left, missing ones right
_MISSING_LEFT = MISSING_NAN + DEFAULT_LEFT  # below the bound and missing go left


@dataclass(frozen=True)
class _Leaf:
    value: float
    count: int


@dataclass(frozen=True)
class _Split:
    """Rows with ``column`` <= ``bound`` go left; ``value`` is the mean of the patients below."""

    column: int
    bound: float
    decision: int
    left: _Node
    right: _Node
    value: float
    count: int

    @staticmethod
    def of(column: int, bound: float, decision: int, left: _Node, right: _Node) -> _Split:
        count = left.count + right.count
        value = (left.value * left.count + right.value * right.count) / count
        return _Split(column, bound, decision, left, right, value, count)


_Node: TypeAlias = _Leaf | _Split
# of the groups that rows belong to, and these rows
_Maker: TypeAlias = Callable[[tuple[int, ...], Rows], _Node]


def additive_to_lightgbm(
    additive: Additive,
    table: Table,
    *,
    directions: Sequence[int],
    names: Sequence[str],
    sample_weight: Floats | None = None,
) -> str:
    """The additive model as a bare LightGBM text; ``table`` is what it was fitted to, and
    ``sample_weight`` how many patients each row stands for.
    """
    words, of_row = combinations_in(table, additive.groups)
    grower = _Grower(additive, table, words, of_row, np.asarray(directions), sample_weight)
    trees = [grower.intercepts()]
    for column in range(table.shape[1]):
        trees += grower.of_column(column)
    return _text([_block(tree, number=number) for number, tree in enumerate(trees)], names=names)


def constant_to_lightgbm(log_odds: float, *, names: Sequence[str]) -> str:
    """One tree of one leaf as a bare LightGBM text: the same log-odds for everybody."""
    return _text([_block(_Leaf(log_odds, 1), number=0)], names=names)


@dataclass(frozen=True)
class _Steps:
    """Where the steps of one column lie: bounds between them, the step of every known row, means
    within each.
    """

    column: int
    bounds: Floats
    step: NDArray[np.intp]
    height: Floats
    quadratic: Floats
    weight: Floats

    @staticmethod
    def of(values: Floats, scaled: Floats, *, column: int, sample_weight: Floats | None) -> _Steps:
        known = ~np.isnan(values)
        different = np.unique(values[known])
        if different.size <= _BOUNDS.size:
            bounds = (different[1:] + different[:-1]) / 2
        else:
            bounds = np.unique(
                [
                    float(f"{bound:.{_DIGITS}g}")
                    for bound in quantile(
                        values[known],
                        _BOUNDS,
                        sample_weight=None if sample_weight is None else sample_weight[known],
                    )
                ]
            )
        weight = np.ones(values.size) if sample_weight is None else sample_weight
        step = np.searchsorted(bounds, values[known])  # a value on a bound belongs below it
        bounds = bounds[parting(np.bincount(step, minlength=bounds.size + 1).tolist())]
        step = np.searchsorted(bounds, values[known])
        of_known, n_steps = weight[known], bounds.size + 1
        total = np.bincount(step, of_known, minlength=n_steps)
        total = np.where(total > 0, total, 1.0)
        height = np.bincount(step, of_known * scaled[known], minlength=n_steps) / total
        squared = of_known * (scaled[known] ** 2 - 1.0)
        quadratic = np.bincount(step, squared, minlength=n_steps) / total
        everywhere = np.full(values.size, -1)
        everywhere[known] = step
        return _Steps(column, bounds, everywhere, height, quadratic, weight)

    def rows(self, rows: Rows) -> NDArray[np.intp]:
        """How many of these rows are on every step."""
        inside = rows & (self.step >= 0)
        return np.bincount(self.step[inside], minlength=self.bounds.size + 1)

    def counts(self, rows: Rows) -> Floats:
        """Patients of these rows on every step."""
        inside = rows & (self.step >= 0)
        return np.asarray(
            np.bincount(self.step[inside], self.weight[inside], minlength=self.bounds.size + 1)
        )


@dataclass(frozen=True)
class _Grower:
    """Grows the trees of a model over its training patients; ``words`` are the combinations of
    groups that occur, ``of_row`` which of them every patient has.
    """

    additive: Additive
    table: Table
    words: Floats
    of_row: NDArray[np.intp]
    directions: NDArray[np.int_]
    sample_weight: Floats | None

    def count(self, rows: Rows) -> int:
        """Patients of a leaf, see :func:`_whole`; nothing is told of fewer than ten rows, whatever
        their weight.
        """
        n_rows = int(rows.sum())
        if self.sample_weight is None or not is_told(n_rows):
            return _whole(n_rows)
        return _whole(self.sample_weight[rows].sum())

    def unless_missing(self, tree: _Node, column: int, *, value: float, is_missing: Rows) -> _Node:
        """The tree for known values, a leaf for missing ones where there are any."""
        if not is_missing.any():
            return tree
        return _Split.of(column, np.inf, _KNOWN_LEFT, tree, _Leaf(value, self.count(is_missing)))

    def intercepts(self) -> _Node:
        """The intercept and the random intercepts of the groups."""
        model = self.additive

        def leaf(groups: tuple[int, ...], rows: Rows) -> _Node:
            return _Leaf(
                float(model.intercept + model.random_intercept[list(groups)].sum()),
                self.count(rows),
            )

        return self._by_group(
            leaf, np.ones(len(self.table), dtype=bool), differs=np.abs(model.random_intercept) > 0
        )

    def of_column(self, column: int) -> Iterator[_Node]:
        """The trees of one column: its effect, and what it tells of columns that are missing."""
        model = self.additive
        if column in model.groups or not np.isfinite(model.scalings[column].sd):
            return
        values = column_of(self.table, column)
        scaled, is_missing = model.scalings[column].scaled(values), np.isnan(values)
        steps = _Steps.of(values, scaled, column=column, sample_weight=self.sample_weight)

        def effect(groups: tuple[int, ...], rows: Rows) -> _Node:
            slope = model.slope[column] + model.random_slope[list(groups), column].sum()
            return self._step_tree(
                steps, slope * steps.height + model.quadratic[column] * steps.quadratic, rows
            )

        by_group = self._by_group(
            effect, ~is_missing, differs=np.abs(model.random_slope[:, column]) * _FAR > _ALIKE
        )
        missing = float(model.missing_indicator[column])
        yield from _worth(
            self.unless_missing(by_group, column, value=missing, is_missing=is_missing)
        )
        told = model.expected[:, column] * model.slope
        for other in np.flatnonzero(told):
            lacks = np.isnan(column_of(self.table, int(other)))
            tree = self._step_tree(steps, told[other] * steps.height, lacks & ~is_missing)
            tree = self.unless_missing(tree, column, value=0.0, is_missing=lacks & is_missing)
            yield from _worth(
                _Split.of(int(other), np.inf, _KNOWN_LEFT, _Leaf(0.0, self.count(~lacks)), tree)
            )

    def _step_tree(self, steps: _Steps, values: Floats, rows: Rows) -> _Node:
        """A balanced tree of flat steps; neighbours that hardly differ are one, and so are those of
        fewer than ten of these patients; a direction is kept. Of fewer than ten in all nothing is
        counted.
        """
        n_rows = steps.rows(rows)
        counts = steps.counts(rows) if is_told(int(n_rows.sum())) else np.zeros(n_rows.size)
        weights = np.where(counts > 0, counts, 1.0)
        if direction := self.directions[steps.column]:
            values = isotonic_regression(values, weights=weights, increasing=direction > 0).x
        starts = [0]
        for at in range(1, values.size):
            if abs(values[at] - values[starts[-1]]) > _ALIKE:
                starts.append(at)
        if counts.any():
            kept = parting(np.add.reduceat(n_rows, starts).tolist())
            starts = [0, *(starts[place + 1] for place in kept)]
        means = np.add.reduceat(values * weights, starts) / np.add.reduceat(weights, starts)
        patients = np.add.reduceat(counts, starts)
        leaves = [
            _Leaf(mean, _whole(n))
            for mean, n in zip(means.tolist(), patients.tolist(), strict=True)
        ]
        bounds = [float(steps.bounds[start - 1]) for start in starts[1:]]
        return _balanced(leaves, bounds, column=steps.column)

    def _by_group(self, leaf: _Maker, rows: Rows, *, differs: Rows) -> _Node:
        """A tree that tells groups apart, large ones first; an unseen combination gets what its
        known groups give.
        """
        order = [int(c) for c in np.argsort(-self.words.sum(axis=0), kind="stable") if differs[c]]

        def grow(words: Floats, to_ask: list[int], groups: tuple[int, ...], rows: Rows) -> _Node:
            to_ask = [c for c in to_ask if words[:, c].any()]
            if not to_ask:
                return leaf(groups, rows)
            c, rest = to_ask[0], to_ask[1:]
            belongs, inside = words[:, c] > 0, (self.words[:, c] > 0)[self.of_row]
            no = grow(words[~belongs], rest, groups, rows & ~inside)
            yes = grow(words[belongs], rest, (*groups, c), rows & inside)
            return _Split.of(self.additive.groups[c], 0.5, _MISSING_LEFT, no, yes)

        return grow(self.words, order, (), rows)


def _whole(n_patients: float) -> int:
    """A number that may be told; one for nobody, or Shapley values would divide by nothing."""
    n = round(n_patients)
    return n if is_told(n) else 1


def _worth(tree: _Node) -> Iterator[_Node]:
    """The tree, unless it tells hardly anybody from anybody else."""
    values = [leaf.value for leaf in _leaves(tree)]
    if max(values) - min(values) > _NO_EFFECT:
        yield tree


def _leaves(tree: _Node) -> Iterator[_Leaf]:
    if isinstance(tree, _Leaf):
        yield tree
    else:
        yield from _leaves(tree.left)
        yield from _leaves(tree.right)


def _balanced(leaves: list[_Leaf], bounds: list[float], *, column: int) -> _Node:
    """A binary search tree: the i-th bound lies between leaf i and leaf i + 1."""
    if not bounds:
        return leaves[0]
    middle = len(bounds) // 2
    return _Split.of(
        column,
        bounds[middle],
        _MISSING_LEFT,
        _balanced(leaves[: middle + 1], bounds[:middle], column=column),
        _balanced(leaves[middle + 1 :], bounds[middle + 1 :], column=column),
    )


def _block(tree: _Node, *, number: int) -> str:
    """One tree in LightGBM's text format: nodes numbered from the root down, leaf k as the child
    -k-1.
    """
    splits: list[_Split] = []
    leaves: list[_Leaf] = []

    def numbered(node: _Node) -> int:
        if isinstance(node, _Leaf):
            leaves.append(node)
            return -len(leaves)
        at = len(splits)
        splits.append(node)
        children.append((0, 0))
        children[at] = (numbered(node.left), numbered(node.right))
        return at

    children: list[tuple[int, int]] = []
    numbered(tree)
    lines: dict[str, Sequence[float]] = {"num_leaves": [len(leaves)], "num_cat": [0]}
    if splits:
        lines |= {
            "split_feature": [split.column for split in splits],
            "split_gain": [0] * len(splits),
            "threshold": [split.bound for split in splits],
            "decision_type": [split.decision for split in splits],
            "left_child": [left for left, _ in children],
            "right_child": [right for _, right in children],
        }
    lines |= {"leaf_value": [leaf.value for leaf in leaves]}
    if splits:
        lines |= {
            "leaf_weight": [leaf.count for leaf in leaves],
            "leaf_count": [leaf.count for leaf in leaves],
            "internal_value": [split.value for split in splits],
            "internal_weight": [split.count for split in splits],
            "internal_count": [split.count for split in splits],
        }
    lines |= {"is_linear": [0], "shrinkage": [1]}
    return (
        f"Tree={number}\n"
        + "".join(f"{key}={' '.join(map(repr, row))}\n" for key, row in lines.items())
        + "\n\n"
    )


def _text(blocks: list[str], *, names: Sequence[str]) -> str:
    header = {
        "version": "v4",
        "num_class": 1,
        "num_tree_per_iteration": 1,
        "label_index": 0,
        "max_feature_idx": len(names) - 1,
        "objective": BINARY,
        "feature_names": " ".join(names),
        "feature_infos": " ".join(["none"] * len(names)),
        "tree_sizes": " ".join(str(len(block)) for block in blocks),
    }
    head = "tree\n" + "".join(f"{key}={value}\n" for key, value in header.items())
    return f"{head}\n{''.join(blocks)}end of trees\n\npandas_categorical:null\n"
