"""Landmark groups: does a landmark model hold where a ward worries, in fever, low pressure, low
saturation, high IL-6 and pairs of them?

A mean over all patients hides the few who matter. Each group is judged by itself: predicted against
observed, with the Monte Carlo error of the difference. A group that is too small to judge, or in
which the model misses, is for the model to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.risk_model import Bound

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Verdict = Literal["holds", "misses", "too few", "refused"]

FEWEST = 2000  # simulated patients by whom a group can be judged
LARGEST_GAP = 0.03  # of risk, predicted against observed
FROM_BAND_TO_BAND = 4.0  # errors: of some 300 differences one in a hundred runs is beyond by chance
# vital signs at the landmark, the direction in which they are worse, and where their bands end
VITAL_BANDS: Mapping[str, tuple[int, tuple[float, ...]]] = {
    "temperature_c__max": (1, (38.5, 39.0, 39.5, 40.0, 40.5)),
    "map_mmhg__min": (-1, (65.0, 70.0, 75.0, 80.0, 90.0)),
    "spo2_pct__min": (-1, (92.0, 93.0, 94.0, 95.0, 96.0)),
}
N_ERRORS = 3.0  # Monte Carlo errors that are allowed beyond it
SHARE_OFF = 0.10  # of the observed rate, by which a mean risk may be off where a reading is missing


@dataclass(frozen=True)
class Group:
    """Patients within all bounds."""

    name: str
    bounds: tuple[Bound, ...]

    def members(self, table: pd.DataFrame) -> BoolArray:
        """Which rows of a landmark table are in the group."""
        inside = np.ones(len(table), dtype=np.bool_)
        for bound in self.bounds:
            inside &= bound.holds(table[bound.column].to_numpy(dtype=np.float64))
        return inside


@dataclass(frozen=True)
class JudgedGroup:
    """One group: ``n`` patients (``n_effective`` as many as their weights are worth), of whom the
    model refused ``share_refused``; of the others the mean risk predicted and the share observed
    (0-1), and the Monte Carlo error of their difference.
    """

    group: str
    product: str
    n: int
    n_effective: float
    share_refused: float
    predicted: float
    observed: float
    mc_error: float
    verdict: Verdict

    @property
    def allowed(self) -> float:
        """The largest difference with which the model holds."""
        return max(LARGEST_GAP, N_ERRORS * self.mc_error)


@dataclass(frozen=True)
class JudgedGap:
    """Mean risk where one reading is missing of everybody, against the observed rate (0-1); missing
    of everybody is what missing at random looks like among those in whom it is missing.
    ``mc_error``: of their difference.
    """

    missing: str
    product: str
    n: int
    predicted: float
    observed: float
    mc_error: float
    verdict: Verdict


@dataclass(frozen=True)
class JudgedDirection:
    """What the simulation says of a direction, without any model: patients of one product and grade
    in bands of a vital sign. ``largest_fall``: by how many Monte Carlo errors the observed share is
    lower in a worse band than in the next better one, at most (below 0: it never is; None: all are
    in one band).
    """

    vital_sign: str
    product: str
    grade: int
    n: int
    largest_fall: float | None
    verdict: Verdict


def ward_groups(*, hour: int) -> tuple[Group, ...]:
    """Groups that a ward meets at a landmark, and pairs of them.

    >>> [group.name for group in ward_groups(hour=24)][:3]
    ['grade 1 and >= 39 degC', 'grade 1 and >= 39.5 degC', 'grade 1 and >= 40 degC']
    """
    grade = Bound(column=f"grade__max__h{hour}", at_least=1)
    fevers = [
        Group(
            f"grade 1 and >= {least:g} degC",
            (grade, Bound(column=f"temperature_c__max__h{hour}", at_least=least)),
        )
        for least in (39.0, 39.5, 40.0)
    ]
    others = [
        Group("MAP < 70 mmHg", (Bound(column=f"map_mmhg__min__h{hour}", below=70),)),
        Group("SpO2 < 92%", (Bound(column=f"spo2_pct__min__h{hour}", below=92),)),
        Group("IL-6 >= 500 pg/mL", (Bound(column=f"il6_pg_ml__h{hour}", at_least=500),)),
    ]
    pairs = [
        Group(f"{one.name}, {other.name}", (*one.bounds, *other.bounds))
        for one, other in (
            *((fever, other) for fever in fevers for other in others),
            *combinations(others, 2),
        )
    ]
    return (*fevers, *others, *pairs)


def judge_groups(
    groups: Sequence[Group],
    table: pd.DataFrame,
    *,
    risk: FloatArray,
    event: FloatArray,
    weight: FloatArray,
) -> tuple[JudgedGroup, ...]:
    """Every group over all products, then within each product with enough patients in it.

    Parameters
    ----------
    table : landmark table without gaps.
    risk, event, weight : of each row: predicted risk (NaN: refused), 0 or 1, how many patients it
        stands for.
    """
    product = table["product"].to_numpy(dtype=str)
    judged = []
    for group in groups:
        inside = group.members(table)
        judged.append(_judged(group.name, "", risk, event, weight, inside=inside))
        for name in sorted(set(product[inside])):
            of_product = inside & (product == name)
            if of_product.sum() >= FEWEST:
                judged.append(_judged(group.name, name, risk, event, weight, inside=of_product))
    return tuple(judged)


def judge_gaps(
    risks: Mapping[str, FloatArray],
    table: pd.DataFrame,
    *,
    event: FloatArray,
    weight: FloatArray,
) -> tuple[JudgedGap, ...]:
    """Mean risks with a reading missing of everybody (``risks``, by what is missing), over all
    products and within each.
    """
    product = table["product"].to_numpy(dtype=str)
    parts = {"": np.ones(len(table), dtype=np.bool_)}
    parts |= {name: product == name for name in sorted(set(product))}
    judged = []
    for missing, risk in risks.items():
        for name, inside in parts.items():
            is_scored = inside & ~np.isnan(risk)
            predicted, observed, error = _means(risk, event, weight, rows=is_scored)
            allowed = max(SHARE_OFF * observed, N_ERRORS * error)
            verdict: Verdict = "holds" if abs(predicted - observed) <= allowed else "misses"
            n = int(is_scored.sum())
            if n < FEWEST:
                verdict = "too few"
            judged.append(JudgedGap(missing, name, n, predicted, observed, error, verdict))
    return tuple(judged)


def judge_directions(
    table: pd.DataFrame, *, hour: int, event: FloatArray, weight: FloatArray
) -> tuple[JudgedDirection, ...]:
    """Whether in any product and grade a worse vital sign goes with fewer events."""
    product = table["product"].to_numpy(dtype=str)
    grade = table[f"grade__max__h{hour}"].to_numpy(dtype=np.float64)
    judged = []
    for stem, (sign, edges) in VITAL_BANDS.items():
        band = np.digitize(table[f"{stem}__h{hour}"].to_numpy(dtype=np.float64), edges)
        for name in sorted(set(product)):
            for worst in (0, 1):
                inside = (product == name) & (grade == worst)
                n = int(inside.sum())
                if n < FEWEST:
                    continue
                rates = [
                    _rate(event[rows], weight[rows])
                    for k in range(len(edges) + 1)
                    if (rows := inside & (band == k)).any()
                ]
                steps = [
                    sign * (before - after) / (error**2 + next_error**2) ** 0.5
                    for (before, error), (after, next_error) in pairwise(rates)
                ]
                largest = max(steps, default=None)
                is_turned = largest is not None and largest > FROM_BAND_TO_BAND
                verdict: Verdict = "misses" if is_turned else "holds"
                judged.append(JudgedDirection(stem, name, worst, n, largest, verdict))
    return tuple(judged)


def _rate(event: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Share with the event and its error, both with one more patient of each kind, so that a band
    without events has an error too.
    """
    size = float(weight.sum() ** 2 / (weight**2).sum())
    rate = (float(np.average(event, weights=weight)) * size + 1.0) / (size + 2.0)
    return rate, float((rate * (1.0 - rate) / size) ** 0.5)


def _judged(
    group: str,
    product: str,
    risk: FloatArray,
    event: FloatArray,
    weight: FloatArray,
    *,
    inside: BoolArray,
) -> JudgedGroup:
    is_scored = inside & ~np.isnan(risk)
    n, n_scored = int(inside.sum()), int(is_scored.sum())
    predicted, observed, error = _means(risk, event, weight, rows=is_scored)
    refused = 1.0 - n_scored / n if n else 0.0
    size = float(weight[is_scored].sum() ** 2 / (weight[is_scored] ** 2).sum()) if n_scored else 0.0
    verdict: Verdict
    if n and not n_scored:
        verdict = "refused"
    elif n_scored < FEWEST:
        verdict = "too few"
    else:
        allowed = max(LARGEST_GAP, N_ERRORS * error)
        verdict = "holds" if abs(predicted - observed) <= allowed else "misses"
    return JudgedGroup(group, product, n, size, refused, predicted, observed, error, verdict)


def _means(
    risk: FloatArray, event: FloatArray, weight: FloatArray, *, rows: BoolArray
) -> tuple[float, float, float]:
    """Mean risk, share with the event, and the error of their difference; NaN without rows.

    Where nobody or everybody had the event, the error is that of a model that is right.
    """
    if not rows.any():
        return float("nan"), float("nan"), float("nan")
    share = weight[rows] / weight[rows].sum()
    difference = event[rows] - risk[rows]
    centre = float(share @ difference)
    spread = (difference - centre) ** 2
    if event[rows].min() == event[rows].max():
        spread = risk[rows] * (1.0 - risk[rows])
    error = float(np.sqrt((share**2 * spread).sum()))
    return float(share @ risk[rows]), float(share @ event[rows]), error
