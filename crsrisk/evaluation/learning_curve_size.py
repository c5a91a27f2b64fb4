"""How many patients this learner needs, by simulation: the smallest size of a learning curve that
meets stated targets.

Closed formulas (Riley et al.) are for regression with a given number of parameters; a boosted model
has no such number. A simulator can give as many development cohorts as wanted, so the size is read
from a learning curve instead: at each size several cohorts, the whole development on each,
evaluated in patients of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import FloatArray
from crsrisk.results import Z_95, Estimate, NotEstimable


@dataclass(frozen=True)
class Development:
    """What one development on ``n`` patients came to: name of a figure -> value (NaN where it gave
    none).

    >>> Development(n=500, seed=1, figures={"slope": 0.87}).figures["slope"]
    0.87
    """

    n: int
    seed: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """What must be reached: the mean of a figure at least (or at most) ``bound``.

    >>> target = Target("slope", "Calibration slope", 0.9, is_floor=True)
    >>> target.is_met(Estimate(0.93, mc_error=0.01))
    True
    """

    figure: str
    label: str
    bound: float
    is_floor: bool

    def is_met(self, mean: Estimate | NotEstimable) -> bool:
        """Whether the mean is on the right side, its Monte Carlo error (95%) included; a single
        development has no such error, so it meets nothing.
        """
        if isinstance(mean, NotEstimable) or mean.mc_error is None:
            return False
        reach = Z_95 * mean.mc_error
        if self.is_floor:
            return mean.value - reach >= self.bound
        return mean.value + reach <= self.bound


TARGETS = (
    Target("slope", "Calibration slope", 0.9, is_floor=True),
    Target("mape", "Mean difference between developments, in risk", 0.05, is_floor=False),
    Target(
        "share_of_oracle_gain", "Share of the oracle’s gain over product alone", 0.7, is_floor=True
    ),
)
"""Slope of 0.9 as in Riley's first criterion; the other two are choices of this project."""


@dataclass(frozen=True)
class SizePoint:
    """All developments of one size: means with the Monte Carlo error of the mean (None with one
    development), and which targets are met.
    """

    n: int
    n_developments: int
    mean: dict[str, Estimate | NotEstimable]
    is_met: dict[str, bool]


@dataclass(frozen=True)
class NeededSize:
    """The curve, and by target (`all` for all at once) the smallest size from which on every size
    meets it (or None).
    """

    points: tuple[SizePoint, ...]
    targets: tuple[Target, ...]
    smallest: dict[str, int | None]


def needed_size(
    developments: Iterable[Development], *, targets: Sequence[Target] = TARGETS
) -> NeededSize:
    """Read the needed size off a learning curve.

    Targets whose figure no development has are left out. A size meets a target only if its mean
    does so with its Monte Carlo error; the answer can be no finer than the sizes that were tried.

    >>> sizes = (300, 300, 1000, 1000, 3000, 3000)
    >>> curve = [Development(n, seed, {"slope": 1 - 60 / n}) for seed, n in enumerate(sizes)]
    >>> needed_size(curve, targets=TARGETS[:1]).smallest["slope"]
    1000
    """
    made = list(developments)
    kept = tuple(
        target
        for target in targets
        if any(target.figure in development.figures for development in made)
    )
    if not made or not kept:
        raise InputError(
            where="needed size",
            key="developments",
            found=f"{len(made)} developments",
            expected="developments with at least one of the figures of the targets",
            cure=f"give {', '.join(target.figure for target in targets)}",
        )
    points = tuple(
        _point(size, [development for development in made if development.n == size], kept)
        for size in sorted({development.n for development in made})
    )
    figures = [target.figure for target in kept]
    smallest = {figure: _smallest(points, [figure]) for figure in figures}
    return NeededSize(points, kept, {**smallest, "all": _smallest(points, figures)})


def _point(size: int, developments: Sequence[Development], targets: Sequence[Target]) -> SizePoint:
    mean: dict[str, Estimate | NotEstimable] = {}
    is_met: dict[str, bool] = {}
    for target in targets:
        values = np.array(
            [development.figures.get(target.figure, np.nan) for development in developments]
        )
        # a development without the figure is no success to average over
        if np.isfinite(values).all():
            error = float(values.std(ddof=1)) / values.size**0.5 if values.size > 1 else None
            mean[target.figure] = Estimate(float(values.mean()), mc_error=error)
        else:
            n_without = int((~np.isfinite(values)).sum())
            mean[target.figure] = NotEstimable(
                f"{n_without} of {values.size} developments gave no figure"
            )
        is_met[target.figure] = target.is_met(mean[target.figure])
    return SizePoint(size, len(developments), mean, is_met)


def _smallest(points: Sequence[SizePoint], figures: Sequence[str]) -> int | None:
    smallest = None
    for point in reversed(points):
        if not all(point.is_met[figure] for figure in figures):
            break
        smallest = point.n
    return smallest


def differences_from_mean(risks: ArrayLike) -> FloatArray:
    """How far each development's risks are from the mean of all developments of its size, mean over
    patients.

    ``risks``: (developments, patients); gives (developments,). The mean over developments is itself
    an estimate; the factor sqrt(developments / (developments - 1)) makes up for that, as it does
    for a standard deviation. The values of one size share that mean, so the spread between them
    understates the Monte Carlo error; with two developments it is 0.

    >>> differences_from_mean([[0.2, 0.5], [0.4, 0.5]]).round(4).tolist()
    [0.0707, 0.0707]
    """
    table = np.asarray(risks, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2:
        raise InputError(
            where="needed size",
            key="risks",
            found=f"shape {table.shape}",
            expected="risks of at least two developments",
            cure="repeat each size with several seeds",
        )
    distance = np.abs(table - table.mean(axis=0)).mean(axis=1)
    return np.asarray(distance * (len(table) / (len(table) - 1)) ** 0.5)
