"""Members: the figures of a trial in every member of an ensemble, from one simulation of all.

Each member has some patients of its own in one simulated trial
(:mod:`crsrisk.uncertainty.own_worlds`); its figure is measured among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.data.product import Product
from crsrisk.data.published_figures import PublishedFigure, Trial
from crsrisk.data.world import World
from crsrisk.simulation.published_trials import TIMES, clock_of, denominator, events
from crsrisk.uncertainty.observations import rate_chance
from crsrisk.uncertainty.own_worlds import Advance, simulate_own_worlds

Values: TypeAlias = NDArray[np.float64]
_MEDIAN_LOG_SD = 1.0  # of a median of one time on the log scale: 1.2533 x 0.8, as for trials


@dataclass(frozen=True)
class MemberFigures:
    """One figure in every member: on its link scale (logit of a rate, logarithm of a time), and the
    variance there by chance of the few patients simulated; NaN where a member could not give it.
    A rate has ``counts`` of ``sizes`` patients.
    """

    values: Values
    noise: Values
    counts: Values | None = None
    sizes: Values | None = None

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Which members could give it."""
        return ~np.isnan(self.values)


def member_outcomes(
    trial: Trial,
    *,
    products: Mapping[str, Product],
    values: Mapping[str, Values],
    n_members: int,
    each: int,
    world: World,
    seed: int,
    mitigations: tuple[str, ...] = (),
    workers: int = 1,
    advance: Advance | None = None,
) -> pd.DataFrame:
    """Outcomes of ``each`` patients in every member, with the column ``member``.

    ``values`` by key, one a member (n_members,). Patient ``i`` lives in member ``i % n_members``.
    """
    member = np.arange(n_members * each) % n_members
    made = simulate_own_worlds(
        trial,
        products=products,
        values={key: value[member] for key, value in values.items()},
        n=len(member),
        world=world,
        seed=seed,
        mitigations=mitigations,
        workers=workers,
        advance=advance,
    )
    return made.assign(member=made["patient_id"].to_numpy() % n_members)


def member_figures(
    outcomes: pd.DataFrame,
    figures: Sequence[PublishedFigure],
    *,
    trial: Trial,
    n_members: int,
) -> list[MemberFigures]:
    """The figures of a trial in every member, from :func:`member_outcomes`."""
    return [_of_figure(outcomes, figure, trial=trial, n_members=n_members) for figure in figures]


def _of_figure(
    outcomes: pd.DataFrame, figure: PublishedFigure, *, trial: Trial, n_members: int
) -> MemberFigures:
    group = denominator(outcomes, figure=figure, trial=trial)
    doses = clock_of(figure, trial=trial)
    if figure.metric in TIMES:
        time = TIMES[figure.metric]
        told = group[group["max_grade"].between(time.low, time.high)]
        times, member = time.times(told, doses), told["member"].to_numpy()
        n_told = np.bincount(member, minlength=n_members)
        ordered = np.split(times[np.argsort(member, kind="stable")], np.cumsum(n_told)[:-1])
        middle = np.array([time.median(of_member).value for of_member in ordered])
        is_known = np.isfinite(middle) & (middle > 0.0)
        values = np.log(np.where(is_known, middle, np.nan))
        return MemberFigures(values, _MEDIAN_LOG_SD**2 / np.maximum(n_told, 1))
    member = group["member"].to_numpy()
    event = events(group, metric=figure.metric, dose_times_h=doses).to_numpy(dtype=np.bool_)
    sizes = np.asarray(np.bincount(member, minlength=n_members), dtype=np.float64)
    counts = np.asarray(np.bincount(member[event], minlength=n_members), dtype=np.float64)
    values = np.where(sizes > 0, logit((counts + 0.5) / (sizes + 1.0)), np.nan)
    return MemberFigures(values, _noise(counts, sizes), counts, sizes)


def _noise(counts: Values, sizes: Values) -> Values:
    """Variance by chance of every logit; equal counts are computed once."""
    pairs, back = np.unique(np.column_stack([counts, sizes]), axis=0, return_inverse=True)
    found = [rate_chance(y / n, n=int(n)) if n > 0 else np.nan for y, n in pairs]
    return np.asarray(found, dtype=np.float64)[back.ravel()]
