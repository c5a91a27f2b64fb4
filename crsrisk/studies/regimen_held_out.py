"""How far a regimen between those of the grid may be off: simulated settings that the grid does not
hold, beside what is interpolated for them. Seed and patients are those of the grid, so that what
differs is the interpolation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, combinations

import numpy as np

from crsrisk.data.regimen_design import RegimenDesign, settings_of
from crsrisk.data.regimen_grid import (
    GridArm,
    HeldOutSetting,
    Interpolation,
    InterpolationError,
    Settings,
)
from crsrisk.data.regimen_interpolation import (
    FIRST_DOSE,
    INTERVAL,
    SHARE,
    change_between,
    has_between,
    rates_between,
)

# of the page's sliders
MULTIPLE_STEP, SHARE_STEP = 0.05, 0.01
CHANGE = "change_of_grade2plus"  # from the regimen as planned, over members
_PER_MILLE = 1000.0


def held_out_designs(
    grid: Settings, *, n: int, patients: int, seed: int
) -> Iterator[RegimenDesign]:
    """Settings where the page's sliders may stand: the middle of the time between doses under every
    agent, since agents wane, after the largest first dose; and ``n`` at random, with one slider,
    two or all of them between simulated values.
    """
    designed = partial(RegimenDesign, product=grid.product, patients=patients, seed=seed)
    planned = settings_of(RegimenDesign(product=grid.product))
    for agents in {tuple(arm.design["prophylaxis"]): None for arm in grid.arms}:
        design = {**planned, "prophylaxis": list(agents)}
        between = has_between(grid, design)
        if INTERVAL in between and FIRST_DOSE in between:
            low, high = between[INTERVAL][0], between[INTERVAL][-1]
            middle = round(MULTIPLE_STEP * (np.sqrt(low * high) // MULTIPLE_STEP), 2)
            yield designed(**{**design, INTERVAL: middle, FIRST_DOSE: between[FIRST_DOSE][-1]})
    rng = np.random.default_rng(seed)
    for k in range(n):
        design = dict(grid.arms[rng.integers(len(grid.arms))].design)
        between = has_between(grid, design)
        chosen = list(chain.from_iterable(combinations(between, size) for size in (1, 2, 3)))
        for name in chosen[k % len(chosen)]:
            design[name] = _in_between(between[name], name=name, rng=rng)
        yield designed(**design)


def _in_between(simulated: list[float], *, name: str, rng: np.random.Generator) -> float:
    step = SHARE_STEP if name == SHARE else MULTIPLE_STEP
    first, last = round(simulated[0] / step), round(simulated[-1] / step)
    places = [k for k in range(first, last + 1) if round(k * step, 2) not in simulated]
    return round(step * places[rng.integers(len(places))], 2)


def interpolation_of(
    grid: Settings,
    designs: Iterator[RegimenDesign],
    *,
    simulate: Callable[[RegimenDesign], GridArm],
) -> Interpolation:
    """Simulate settings that the grid does not hold, and compare."""
    planned = next(
        arm for arm in grid.arms if arm.design == settings_of(RegimenDesign(product=grid.product))
    )
    held_out, errors = [], []
    for design in designs:
        arm = simulate(design)
        found = rates_between(grid, arm.design)
        assert found is not None  # its sliders stand between simulated settings
        off = {
            name: max(
                abs(value - told)
                for value, told in zip(
                    found.figures[name], (figure.median, figure.low, figure.high), strict=True
                )
            )
            for name, figure in arm.figures.items()
        }
        usual, simulated = (np.array(one.rates_per_mille) / _PER_MILLE for one in (planned, arm))
        off[CHANGE] = float(
            np.abs(change_between(usual, found.members) - change_between(usual, simulated)).max()
        )
        held_out.append(HeldOutSetting(design=arm.design, figures=arm.figures))
        errors.append(off)
    return Interpolation(
        held_out=held_out,
        errors={name: _error([one[name] for one in errors]) for name in errors[0]},
    )


def _error(shares: list[float]) -> InterpolationError:
    per_100 = 100.0 * np.array(shares)
    return InterpolationError(
        typical_per_100=round(float(np.median(per_100)), 3),
        largest_per_100=round(float(per_100.max()), 3),
    )
