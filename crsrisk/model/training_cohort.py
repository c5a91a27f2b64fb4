"""Training cohort of a landmark model: rare courses by importance, and readings that a ward lacks.

Patients with a rare course (high fever, low pressure, low saturation) are all kept, of the others a
random share, each standing for several by weight: weighted, the kept patients are the cohort. In
some patients a quantity was never read after the dose, or at the landmark alone, at random; so the
trees learn what the risk is without it, instead of reading a stand-in that contradicts the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.data.risk_model import Bound
from crsrisk.fields import LANDMARK_HOURS
from crsrisk.model.landmark import EXTREMES, LABORATORY

GRADE = "grade__max"


@dataclass(frozen=True)
class Kept:
    """Rows that are kept, and how many patients each stands for, shape (kept,); ``n_rare`` of them
    have a rare course, ``n_others`` had none before the share was drawn.
    """

    rows: NDArray[np.intp]
    weight: NDArray[np.float64]
    n_rare: int
    n_others: int


def keep_rare(table: pd.DataFrame, *, rare: Sequence[Bound], others: int, seed: int) -> Kept:
    """Every patient of a landmark table with a rare course, and at most ``others`` of the rest.

    The rest are drawn by patient number without replacement; each then has the weight (rest) /
    (drawn), so that weighted sums over the kept patients are unbiased for the table.

    >>> table = pd.DataFrame({"patient_id": range(6), "t": [37.0, 40.0, 37.0, 38.0, 37.0, 37.0]})
    >>> kept = keep_rare(table, rare=[Bound(column="t", at_least=39.5)], others=2, seed=1)
    >>> len(kept.rows), float(kept.weight.sum()), kept.n_rare
    (3, 6.0, 1)
    """
    is_rare = np.zeros(len(table), dtype=np.bool_)
    for bound in rare:
        is_rare |= bound.holds(table[bound.column].to_numpy(dtype=np.float64))
    rest = np.flatnonzero(~is_rare)
    drawn = rest
    if len(rest) > others:
        chance = _uniforms(table["patient_id"], decision="kept of the others", width=1, seed=seed)
        drawn = np.sort(rest[np.argsort(chance[rest, 0], kind="stable")[:others]])
    rows = np.sort(np.concatenate([np.flatnonzero(is_rare), drawn]))
    weight = np.where(is_rare[rows], 1.0, len(rest) / max(len(drawn), 1))
    return Kept(rows, weight, int(is_rare.sum()), len(rest))


def with_gaps(
    course: pd.DataFrame, *, hour: int, never: Mapping[str, float], single: float, seed: int
) -> pd.DataFrame:
    """The course with readings left out at random; grades are always known.

    ``never``: by quantity the share of patients in whom it was not read at all up to ``hour``;
    ``single``: the share, of the others, in whom it was read at ``hour`` alone.

    >>> names = ["crp_mg_l__h6", "crp_mg_l__h12", "grade__max__h12"]
    >>> course = pd.DataFrame({"patient_id": [1, 2], **{name: [1.0, 1.0] for name in names}})
    >>> gaps = with_gaps(course, hour=12, never={}, single=1.0, seed=1)
    >>> gaps[names].isna().sum().tolist()
    [2, 0, 0]
    """
    stems = [stem for stem in (*LABORATORY, *EXTREMES) if stem != GRADE]
    chance = _uniforms(
        course["patient_id"], decision="readings of the course", width=2 * len(stems), seed=seed
    )
    emptied = {}
    for k, stem in enumerate(stems):
        is_never = chance[:, 2 * k] < never.get(stem.partition("__")[0], 0.0)
        is_single = chance[:, 2 * k + 1] < single
        for earlier in LANDMARK_HOURS:
            name = f"{stem}__h{earlier}"
            if earlier <= hour and name in course:
                is_empty = is_never | (is_single & (earlier < hour))
                emptied[name] = np.where(is_empty, np.nan, course[name].to_numpy(np.float64))
    return course.assign(**emptied)


def _uniforms(
    patients: pd.Series[int], *, decision: str, width: int, seed: int
) -> NDArray[np.float64]:
    """By patient number, so that a larger cohort of the same seed leaves everybody as they were."""
    ids = patients.to_numpy(dtype=np.int64)
    start, stop = int(ids.min()), int(ids.max()) + 1
    drawn = streams.uniforms(seed=seed, decision=decision, start=start, stop=stop, width=width)
    return drawn[ids - start]
