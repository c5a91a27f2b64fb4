"""Additive: a partially pooled logistic regression, taken apart into effects that can be written as
trees.

It is where the learner starts: near the truth if effects add up on the log-odds scale, and steady
in small cohorts. Each quantity (or the logarithm of a skewed one) has a slope and a curve. Groups
such as products and platforms have a random intercept and, for every quantity, a random slope
beside the common one. How strongly everything is drawn together is not set but learnt, from how
much the groups differ (empirical Bayes: the penalties that make the data likeliest, MacKay 1992). A
missing value is imputed from the others that are known.

Where the stages before the event are known it is learnt stage by stage and then written as one
additive model. Grade 2 or more needs two things: CRS at all, and that it is severe. P(event) =
P(any CRS) x P(event given any CRS), the sequential model of ordered outcomes (continuation ratio).
Each part is near to additive, with slopes that products largely share; the slopes of the whole
differ between products because these stand at different stages: where nearly everybody has CRS,
what makes it severe counts; where few have, what brings it on. So each product has to learn less by
itself, and a patient with grade 1 tells more than a "no" would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk.data.disclosure import FEWEST
from crsrisk.model.logistic import Described, PooledLogistic, combinations
from crsrisk.model.stored_table import (
    Table,
    block_of,
    block_slices,
    blocks_of,
    column_of,
    folder_of,
    rows_of,
    stored_beside,
)

Floats: TypeAlias = NDArray[np.float64]

_SKEWED = 1.0  # a column of positive numbers with more skewness is taken as its logarithm
_OFFSET = 0.01  # of the median, added before the logarithm: 0 stays finite
_FEW_VALUES = 6  # a column with no more different values has no curve
_FARTHEST = 3.5  # standard deviations: farther out an effect grows no more
_RIDGE = 1.0  # of the regressions that expect a missing value
_SUMMED = 2**18  # rows whose products are summed at once
_WORTH = 0.05  # SD by SD: a weaker tie between two columns tells nothing of a missing value


@dataclass(frozen=True)
class Scaling:
    """How a column enters: standardised, by its logarithm when skewed; constant columns become
    0.
    """

    is_log: bool
    offset: float
    mean: float
    sd: float
    is_curved: bool

    def scaled(self, values: Floats) -> Floats:
        """Standard deviations from the mean, NaN where missing."""
        known = np.log(np.maximum(values, 0.0) + self.offset) if self.is_log else values
        return np.clip((known - self.mean) / self.sd, -_FARTHEST, _FARTHEST)


@dataclass(frozen=True)
class Additive:
    """Log-odds of a row: see :meth:`log_odds`. Effects stand per SD of each column's
    :class:`Scaling`.

    ``slope``, ``quadratic``, ``missing_indicator`` have shape (columns,) and are 0 for group
    columns; ``expected`` (columns, columns) says how a missing column (row) is imputed from known
    ones; ``groups`` are the places of the group columns (yes/no), ``random_intercept`` (groups,)
    and ``random_slope`` (groups, columns) what a group adds to the intercept and to each slope.
    """

    intercept: float
    scalings: tuple[Scaling, ...]
    slope: Floats
    quadratic: Floats
    missing_indicator: Floats
    expected: Floats
    groups: tuple[int, ...]
    random_intercept: Floats
    random_slope: Floats

    def log_odds(self, table: Table) -> Floats:
        """Log-odds of every row, shape (rows,)."""
        return np.concatenate(
            [self._log_odds(block) for block in blocks_of(table)] or [np.empty(0)]
        )

    def _log_odds(self, table: Floats) -> Floats:
        scaled = scaled_of(table, self.scalings)
        belongs = belongs_to(table, self.groups)
        known = np.nan_to_num(scaled)
        is_missing = np.isnan(scaled)
        linear = (known * (self.slope + belongs @ self.random_slope)).sum(axis=1)
        given = linear + _quadratic(scaled, self.scalings) @ self.quadratic
        imputed = (is_missing * (known @ self.expected.T)) @ self.slope
        return np.asarray(
            self.intercept
            + belongs @ self.random_intercept
            + given
            + is_missing @ self.missing_indicator
            + imputed
        )


def scaled_of(table: Floats, scalings: Sequence[Scaling]) -> Floats:
    """All columns in standard deviations, shape (rows, columns)."""
    return np.column_stack(
        [scaling.scaled(table[:, place]) for place, scaling in enumerate(scalings)]
    )


def belongs_to(table: Floats, groups: Sequence[int]) -> Floats:
    """1 where a row belongs to a group, else 0 (a missing word is no group), shape (rows,
    groups).
    """
    return np.asarray(table[:, list(groups)] > 0.5, dtype=np.float64)


def combinations_in(table: Table, groups: Sequence[int]) -> tuple[Floats, NDArray[np.intp]]:
    """The combinations of groups that occur, and which of them every row has."""
    return combinations((column_of(table, c) > 0.5 for c in groups), n_rows=len(table))


def _quadratic(scaled: Floats, scalings: Sequence[Scaling]) -> Floats:
    is_curved = np.array([scaling.is_curved for scaling in scalings])
    return np.where(is_curved & ~np.isnan(scaled), np.nan_to_num(scaled) ** 2 - 1.0, 0.0)


def fit_additive(
    table: Table,
    labels: Floats,
    *,
    directions: Sequence[int],
    groups: Sequence[int],
    penalty: float,
    sample_weight: Floats | None = None,
) -> Additive:
    """Fit; ``table`` (patients, columns) may hold NaN, ``labels`` are 0 or 1.

    ``penalty``: 1 / penalty is the variance that slopes (log-odds per SD) are expected to have
    before the data are seen. ``directions``: a column's common slope is not negative (+1) or not
    positive (-1). ``groups``: places of yes/no columns that are groups. ``sample_weight``
    (patients,): how many patients a row stands for; weight 2 counts as that patient twice.

    >>> rng = np.random.default_rng(0)
    >>> from scipy.special import expit
    >>> table = rng.normal(size=(2000, 2))
    >>> labels = (rng.random(2000) < expit(table[:, 0])).astype(float)
    >>> fitted = fit_additive(table, labels, directions=[0, -1], groups=[], penalty=1.0)
    >>> bool(abs(fitted.slope[0] - 1) < 0.2)
    True
    """
    return _fitted(
        table,
        labels,
        directions=directions,
        groups=groups,
        penalty=penalty,
        solve=PooledLogistic.fit,
        sample_weight=sample_weight,
    )


def distil(
    table: Table,
    risk: Floats,
    *,
    directions: Sequence[int],
    groups: Sequence[int],
    sample_weight: Floats | None = None,
) -> Additive:
    """The additive model that comes nearest to a known ``risk`` (patients,): no chance of outcomes
    in it, so hardly drawn.

    The other arguments are those of :func:`fit_additive`.
    """
    return _fitted(
        table,
        risk,
        directions=directions,
        groups=groups,
        penalty=1.0,
        solve=PooledLogistic.fit_to_risk,
        sample_weight=sample_weight,
    )


def _fitted(
    table: Table,
    labels: Floats,
    *,
    directions: Sequence[int],
    groups: Sequence[int],
    penalty: float,
    solve: Callable[[PooledLogistic, NDArray[np.int_]], Floats],
    sample_weight: Floats | None,
) -> Additive:
    n_columns = table.shape[1]
    scalings = tuple(
        _scaling(
            column_of(table, place), is_group=place in set(groups), sample_weight=sample_weight
        )
        for place in range(n_columns)
    )
    scaled = stored_beside(
        table, (scaled_of(block, scalings) for block in blocks_of(table)), n_columns=n_columns
    )
    # waiting threads of the linear algebra cost seconds on a busy machine
    with threadpool_limits(1):
        expected = _expected(scaled, directions=np.asarray(directions), sample_weight=sample_weight)
        problem = PooledLogistic.of(
            _DescribedRows(scaled, scalings, expected),
            groups=combinations_in(table, groups),
            labels=labels,
            penalty=penalty,
            sample_weight=sample_weight,
            folder=folder_of(table),
        )
        weights = solve(problem, np.asarray(directions))
    intercept, fixed, random_intercept, random_slope = problem.parts(weights)
    slope, quadratic, missing_indicator = fixed
    return Additive(
        intercept=intercept,
        scalings=scalings,
        slope=slope,
        quadratic=quadratic,
        missing_indicator=missing_indicator,
        expected=expected,
        groups=tuple(groups),
        random_intercept=random_intercept,
        random_slope=random_slope,
    )


@dataclass(frozen=True)
class _DescribedRows:
    """What every row is described by, block by block, as often as it is asked for."""

    scaled: Table
    scalings: tuple[Scaling, ...]
    expected: Floats

    def __iter__(self) -> Iterator[Described]:
        for scaled in blocks_of(self.scaled):
            known, is_missing = np.nan_to_num(scaled), np.isnan(scaled)
            imputed = is_missing * (known @ self.expected.T)
            yield Described(known, _quadratic(scaled, self.scalings), is_missing, imputed)


def _scaling(column: Floats, *, is_group: bool, sample_weight: Floats | None) -> Scaling:
    is_known = ~np.isnan(column)
    values = column[is_known]
    weight = None if sample_weight is None else sample_weight[is_known]
    if is_group or values.size < 2 or np.ptp(values) == 0:
        return Scaling(False, 0.0, _mean(values, weight) if values.size else 0.0, np.inf, False)
    n_values = len(np.unique(values))
    is_log = bool(values.min() >= 0 and n_values > 2 and _skewness(values, weight) > _SKEWED)
    middle = np.median(values) if weight is None else quantile(values, 0.5, sample_weight=weight)
    offset = _OFFSET * (float(middle) or _mean(values, weight)) if is_log else 0.0
    if is_log:
        values = np.log(values + offset)
    mean = _mean(values, weight)
    spread = float(np.sqrt(_mean((values - mean) ** 2, weight)))
    return Scaling(
        is_log,
        offset,
        mean,
        spread if spread > 0 else np.inf,
        n_values > _FEW_VALUES,
    )


def _mean(values: Floats, weight: Floats | None) -> float:
    return float(np.average(values, weights=weight))


def _skewness(values: Floats, weight: Floats | None) -> float:
    centred = values - _mean(values, weight)
    return float(_mean(centred**3, weight) / _mean(centred**2, weight) ** 1.5)


def quantile(values: Floats, shares: float | Floats, *, sample_weight: Floats | None) -> Floats:
    """Quantiles of values of which each stands there as often as its weight says.

    >>> values = np.array([1.0, 5.0, 2.0])
    >>> quantile(values, 0.5, sample_weight=np.array([1.0, 2.0, 1.0])).tolist()
    3.5
    """
    if sample_weight is None:
        return np.asarray(np.quantile(values, shares))
    order = np.argsort(values, kind="stable")
    ordered, upto = values[order], sample_weight[order].cumsum()
    place = np.maximum(upto[-1] - 1.0, 0.0) * np.asarray(shares)
    below = np.floor(place)
    last = ordered.size - 1
    low = ordered[np.minimum(np.searchsorted(upto, below, side="right"), last)]
    high = ordered[np.minimum(np.searchsorted(upto, below + 1.0, side="right"), last)]
    return np.asarray(low + (high - low) * (place - below))


def _expected(
    scaled: Table, *, directions: NDArray[np.int_], sample_weight: Floats | None
) -> Floats:
    """Ties (columns, columns): a missing column is expected as ties x the known ones, in SD.

    Ridge regression among those in whom it is known, kept to the ties that are worth it. A tie that
    would turn a direction round (more of a column that may only raise the risk, less of another
    such) is left out.
    """
    n_columns = scaled.shape[1]
    n_missing, differs = np.zeros(n_columns), np.zeros(n_columns, dtype=bool)
    for place in range(n_columns):
        column = column_of(scaled, place)
        n_missing[place] = np.isnan(column).sum()
        differs[place] = np.ptp(np.nan_to_num(column)) > 0
    ties = np.zeros((n_columns,) * 2)
    for lacking in map(int, np.flatnonzero((n_missing > 0) & (n_missing < len(scaled)))):
        others = np.flatnonzero(differs)
        others = others[others != lacking]
        while others.size:
            products, told = _products(scaled, lacking, others, sample_weight=sample_weight)
            tie = np.linalg.solve(products + _RIDGE * np.eye(len(products)), told)[1:]
            turned = tie * directions[lacking] * directions[others] < 0
            keep = (np.abs(tie) >= _WORTH) & ~turned
            if keep.all():
                ties[lacking, others] = tie
                break
            others = others[keep]
    return ties


def _products(
    scaled: Table, column: int, others: NDArray[np.intp], *, sample_weight: Floats | None
) -> tuple[Floats, Floats]:
    """Sums of products of other columns (with a first one of ones) with each other and with a
    column, over the rows in which this one is known.
    """
    products, told = np.zeros((1 + others.size,) * 2), np.zeros(1 + others.size)
    for rows in block_slices(len(scaled), size=_SUMMED):
        block = block_of(scaled, rows)
        is_known = ~np.isnan(block[:, column])
        values = block[is_known, column]
        design = np.column_stack(
            [np.ones(values.size), *(np.nan_to_num(block[is_known, other]) for other in others)]
        )
        counted = design if sample_weight is None else design * sample_weight[rows][is_known, None]
        products += counted.T @ design
        told += counted.T @ values
    return products, told


def fit_staged(
    table: Table,
    steps: Floats,
    *,
    directions: Sequence[int],
    groups: Sequence[int],
    penalty: float,
    sample_weight: Floats | None = None,
) -> Additive:
    """Fit; the other arguments are those of :func:`fit_additive`.

    ``steps`` (patients, stages + 1) of 0 and 1, the event last; who reaches one has reached those
    before it. Stages that tell too few patients apart are left out; without any this is
    :func:`fit_additive`.

    >>> rng = np.random.default_rng(0); table = rng.normal(size=(4000, 2))
    >>> any_crs = rng.random(4000) < expit(table[:, 0])
    >>> event = any_crs & (rng.random(4000) < expit(table[:, 1]))
    >>> steps = np.column_stack([any_crs, event]).astype(float)
    >>> fitted = fit_staged(table, steps, directions=[0, 0], groups=[], penalty=1.0)
    >>> true = expit(table[:, 0]) * expit(table[:, 1])
    >>> bool(np.abs(expit(fitted.log_odds(table)) - true).mean() < 0.03)
    True
    """
    stages = informative_stages(steps, sample_weight=sample_weight)
    if not stages:
        return fit_additive(
            table,
            steps[:, -1],
            directions=directions,
            groups=groups,
            penalty=penalty,
            sample_weight=sample_weight,
        )
    reached, risk = np.arange(len(table)), np.ones(len(table))
    for step in (*(steps[:, stage] for stage in stages), steps[:, -1]):
        part = fit_additive(
            rows_of(table, reached),
            step[reached],
            directions=directions,
            groups=groups,
            penalty=penalty,
            sample_weight=None if sample_weight is None else sample_weight[reached],
        )
        risk *= expit(part.log_odds(table))
        reached = np.flatnonzero(step > 0)
    return distil(table, risk, directions=directions, groups=groups, sample_weight=sample_weight)


def out_of_order(steps: Floats) -> NDArray[np.bool_]:
    """Rows of ``steps`` (patients, stages + 1) that cannot be: other than 0 and 1, or at a stage
    without those before it.

    >>> out_of_order(np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, 0.0]])).tolist()
    [False, True, True]
    """
    return np.asarray(
        ~np.isin(steps, (0.0, 1.0)).all(axis=1) | (np.diff(steps, axis=1) > 0).any(axis=1)
    )


def informative_stages(steps: Floats, *, sample_weight: Floats | None = None) -> list[int]:
    """The stages that part enough patients: some do not reach them, some reach them and go no
    further.

    >>> any_crs, event = np.arange(40) < 30, np.arange(40) < 15
    >>> informative_stages(np.column_stack([any_crs, any_crs, event]))
    [0]
    """
    stages: list[int] = []
    count = np.ones(len(steps)) if sample_weight is None else sample_weight
    reached = np.ones(len(steps), dtype=bool)
    for stage in range(steps.shape[1] - 1):
        is_there, has_event = steps[:, stage] > 0, steps[:, -1] > 0
        if min(count[reached & ~is_there].sum(), count[is_there & ~has_event].sum()) >= FEWEST:
            stages.append(stage)
            reached = is_there
    return stages
