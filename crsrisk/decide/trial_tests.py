"""Tests of simulated trials, all trials and looks at once: the formulas of the exact modules, on arrays.

``events`` has shape (trial, look, endpoint, arm, stratum), ``sizes`` (trial, look, arm, stratum); arm 0 is the control. z is
positive when the experimental arm has fewer events, and 0 where nothing can be told.
"""

from __future__ import annotations

import numpy as np

from crsrisk.decide.checks import BoolArray, FloatArray
from crsrisk.decide.enrolment import Counts
from crsrisk.decide.trial_arms import CONTROL, EXPERIMENTAL
from crsrisk.decide.two_proportions import restricted_rate_arrays


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def pooled_z(events: Counts, sizes: Counts) -> FloatArray:
    """z with the variance of the pooled rate, strata ignored, (trial, look, endpoint).

    >>> events, sizes = np.array([[[[[8], [4]]]]]), np.array([[[[40], [40]]]])
    >>> round(float(pooled_z(events, sizes)[0, 0, 0]), 3)
    1.252
    """
    had = events.sum(axis=-1, dtype=np.float64)
    n = sizes.sum(axis=-1, dtype=np.float64)[:, :, None, :]
    n0, n1 = n[..., CONTROL], n[..., EXPERIMENTAL]
    mean = (had[..., CONTROL] + had[..., EXPERIMENTAL]) / (n0 + n1)
    error = np.sqrt(mean * (1 - mean) * (_ratio(np.ones_like(n0), n0) + _ratio(np.ones_like(n1), n1)))
    return _ratio(_ratio(had[..., CONTROL], n0 + 0 * mean) - _ratio(had[..., EXPERIMENTAL], n1 + 0 * mean), error)


def mantel_haenszel_z(events: Counts, sizes: Counts) -> FloatArray:
    """Cochran-Mantel-Haenszel z without continuity correction, (trial, look, endpoint).

    The formula of :func:`crsrisk.decide.stratified.cochran_mantel_haenszel`; strata without patients add nothing.
    """
    n0, n1 = (sizes[:, :, None, arm].astype(np.float64) for arm in (CONTROL, EXPERIMENTAL))
    had0, had1 = events[..., CONTROL, :].astype(np.float64), events[..., EXPERIMENTAL, :].astype(np.float64)
    total, had = n0 + n1, had0 + had1
    away = (_ratio(n1 * had, total + 0 * had) - had1).sum(axis=-1)
    variance = _ratio(n1 * n0 * had * (total - had), total**2 * np.maximum(total - 1, 1) + 0 * had).sum(axis=-1)
    return _ratio(away, np.sqrt(variance))


def farrington_manning_z(events: Counts, sizes: Counts, *, margin: float) -> FloatArray:
    """z of non-inferiority, (trial, look, endpoint): positive when the experimental rate lies below control + ``margin``.

    The variance is that of the most likely rates at the margin (:func:`crsrisk.decide.two_proportions.restricted_rates`);
    strata ignored.

    >>> events, sizes = np.array([[[[[20], [21]]]]]), np.array([[[[200], [200]]]])
    >>> round(float(farrington_manning_z(events, sizes, margin=0.1)[0, 0, 0]), 3)
    2.959
    """
    had, n = events.sum(axis=-1, dtype=np.float64), sizes.sum(axis=-1, dtype=np.float64)[:, :, None, :]
    n0, n1 = n[..., CONTROL], n[..., EXPERIMENTAL]
    p0, p1 = had[..., CONTROL] / n0, had[..., EXPERIMENTAL] / n1
    null1, null0 = restricted_rate_arrays(p1, p0, delta=margin, ratio=n0 / n1)
    return _ratio(p0 + margin - p1, np.sqrt(null1 * (1 - null1) / n1 + null0 * (1 - null0) / n0))


def interaction_z(events: Counts, sizes: Counts) -> FloatArray:
    """z of the difference in risk difference between the highest and the lowest stratum, first endpoint, (trial, look)."""
    rate = _ratio(events[:, :, 0].astype(np.float64), sizes.astype(np.float64))
    variance = _ratio(rate * (1 - rate), sizes.astype(np.float64))
    difference = rate[:, :, EXPERIMENTAL] - rate[:, :, CONTROL]
    error = variance.sum(axis=2)
    return _ratio(difference[..., -1] - difference[..., 0], np.sqrt(error[..., -1] + error[..., 0]))


def looked_up(events: Counts, region: BoolArray) -> BoolArray:
    """Whether an exact test rejects, (trial, look, endpoint), by its table [experimental events, control events]."""
    had = events.sum(axis=-1)
    return np.asarray(region[had[..., EXPERIMENTAL], had[..., CONTROL]])
