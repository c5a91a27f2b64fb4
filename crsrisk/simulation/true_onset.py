"""True onset: how often a patient, simulated again and again, had a first grade 2 or more by each
hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cohort import Cohort
from crsrisk.data.world import World
from crsrisk.results import Result
from crsrisk.simulation.arm import arms_by_tumour_type
from crsrisk.simulation.run import run
from crsrisk.simulation.true_risk import half_of, origin_of, patients_by_id, redrawn


@dataclass(frozen=True, eq=False, repr=False)
class TrueOnset(Result):
    """How often each patient had a first grade 2 or more by each hour among simulations of the same
    observed patient.

    Parameters
    ----------
    patient_id : the patients' numbers, shape (n,).
    hours : hours after the first dose.
    n_onsets : simulations with an onset by then, shape (n, hours, 2): the two halves of the
        replicates, whose difference shows the Monte Carlo error.
    n_replicates : simulations of each patient, both halves together.
    """

    patient_id: NDArray[np.int64]
    hours: tuple[float, ...]
    n_onsets: NDArray[np.int64]
    n_replicates: int

    def risk(self) -> NDArray[np.float64]:
        """True risk of an onset by each hour (0-1), shape (n, hours)."""
        return np.asarray(self.n_onsets.sum(axis=2) / float(self.n_replicates))

    def to_frame(self) -> pd.DataFrame:
        """One row a patient, one column an hour."""
        columns = [f"true_risk_{hour:g}h" for hour in self.hours]
        return pd.DataFrame(self.risk(), columns=columns).assign(patient_id=self.patient_id)

    def summary(self) -> str:
        """Patients, replicates and hours."""
        hours = ", ".join(f"{hour:g}" for hour in self.hours)
        return f"{len(self.patient_id)} patients x {self.n_replicates} simulations, by {hours} h"


def true_onset(
    cohort: Cohort,
    hours: Sequence[float],
    *,
    world: World | None = None,
    n_replicates: int = 100,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> TrueOnset:
    """Simulate patients again, given what was observed of them, and count onsets by hour.

    Parameters
    ----------
    cohort : patients of :func:`crsrisk.simulate`, all or a part of them.
    hours : hours after the first dose, inside the window.
    world : the world in which they were simulated; without one, that of the cohort's scenario.
    n_replicates : simulations of each patient, an even number.
    workers : threads. They change nothing in the result.
    advance : told how many patients are done (for a progress bar).

    Raises
    ------
    InputError
        For patients that were not simulated here, another world, or an odd number of replicates.

    Examples
    --------
    >>> from crsrisk.simulation.cohort import simulate
    >>> truth = true_onset(simulate("tebentafusp", n=3, seed=1), [24.0, 72.0], n_replicates=4)
    >>> truth.risk().shape
    (3, 2)
    """
    half = half_of(n_replicates, where="true_onset")
    seed, known = origin_of(cohort, world)
    ids = cohort.patient_ids.to_numpy(dtype=np.int64)
    counts = np.zeros((len(ids), len(hours), 2), dtype=np.int64)
    for place, whole in enumerate(cohort.arms):
        mine = np.flatnonzero(ids % len(cohort.arms) == place)
        if not mine.size:
            continue
        for arm, some in arms_by_tumour_type(whole, world=known, seed=seed, patient_id=ids[mine]):
            rows = mine[some]
            patients = patients_by_id(arm, world=known, seed=seed, patient_ids=ids[rows])
            for part, again in redrawn(
                arm, patients, world=known, seed=seed, given="observed", n_replicates=n_replicates
            ):
                first = run(arm, again, world=known, workers=workers).tracks["first_2"]
                first = np.where(first < 24.0 * arm.window_d, first, np.inf)
                by = first.reshape(len(part), 2, half)[:, None] <= np.asarray(hours)[:, None, None]
                counts[rows[part]] = by.sum(axis=3)
                if advance is not None:
                    advance(len(part))
    return TrueOnset(ids, tuple(hours), counts, n_replicates)
