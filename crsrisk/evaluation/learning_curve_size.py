"""How many patients this learner needs, by simulation: the smallest size of a learning curve that
meets stated targets.

Closed formulas (Riley et al.) are for regression with a given number of parameters; a boosted model
has no such number. A simulator can give as many development cohorts as wanted, so the size is read
from a learning curve instead: at each size several cohorts, the whole development on each, judged
in patients of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import Z_95, FloatArray


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

    >>> Target("slope", "Calibration slope", 0.9, is_floor=True).is_met(0.93, 0.01)
    True
    """

    figure: str
    label: str
    bound: float
    is_floor: bool

    def is_met(self, mean: float, mc_error: float) -> bool:
        """Whether the mean is on the right side, its Monte Carlo error (95%) included."""
        reach = Z_95 * mc_error
        return mean - reach >= self.bound if self.is_floor else mean + reach <= self.bound


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
    """All developments of one size: means, Monte Carlo errors of the means (None with one
    development), targets met.
    """

    n: int
    n_developments: int
    mean: dict[str, float | None]
    mc_error: dict[str, float | None]
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

    >>> curve = [Development(n, seed, {"slope": 1 - 60 / n}) for n in (300, 1000, 3000) for seed in (1, 2)]
    >>> needed_size(curve, targets=TARGETS[:1]).smallest["slope"]
    1000
    """
    made = list(developments)
    kept = tuple(
        one for one in targets if any(one.figure in development.figures for development in made)
    )
    if not made or not kept:
        raise InputError(
            where="needed size",
            key="developments",
            found=f"{len(made)} developments",
            expected="developments with at least one of the figures of the targets",
            cure=f"give {', '.join(one.figure for one in targets)}",
        )
    points = tuple(
        _point(size, [one for one in made if one.n == size], kept)
        for size in sorted({one.n for one in made})
    )
    smallest = {one.figure: _smallest(points, [one.figure]) for one in kept}
    return NeededSize(
        points, kept, {**smallest, "all": _smallest(points, [one.figure for one in kept])}
    )


def _point(size: int, developments: Sequence[Development], targets: Sequence[Target]) -> SizePoint:
    mean: dict[str, float | None] = {}
    error: dict[str, float | None] = {}
    for target in targets:
        values = np.array([one.figures.get(target.figure, np.nan) for one in developments])
        # a development without the figure is no success to average over
        is_whole = bool(np.isfinite(values).all())
        mean[target.figure] = float(values.mean()) if is_whole else None
        error[target.figure] = (
            float(values.std(ddof=1)) / values.size**0.5 if is_whole and values.size > 1 else None
        )
    met = {one.figure: _is_met(one, mean[one.figure], error[one.figure]) for one in targets}
    return SizePoint(size, len(developments), mean, error, met)


def _is_met(target: Target, mean: float | None, error: float | None) -> bool:
    """A single development has no Monte Carlo error, so it meets nothing."""
    return mean is not None and error is not None and target.is_met(mean, error)


def _smallest(points: Sequence[SizePoint], figures: Sequence[str]) -> int | None:
    found = None
    for point in reversed(points):
        if not all(point.is_met[figure] for figure in figures):
            break
        found = point.n
    return found


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
