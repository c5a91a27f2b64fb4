"""Several claims of one trial at one level: which of them stand when a procedure of multiple
testing is stated beforehand.

Every procedure keeps the chance of any false claim (familywise error) at the level, whichever of
the claims are false:

- *hierarchical*: claims are tested in the order stated, each at the full level, up to the first
  that fails (fixed sequence).
- *holm*, *dunnett*: the claims against the common control step down, the largest z first against
  the critical value for all that are left (Bonferroni's or Dunnett's); when all of them stand, the
  gate opens for the claims between the other arms, which Holm tests at the full level (serial
  gatekeeping).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from crsrisk.data.trial_plan import Multiplicity
from crsrisk.trials.checks import BoolArray, FloatArray, count, one_sided_alpha, positive

WHERE = "Dunnett's test"
_FARTHEST = 8.5  # standard deviations of the control's mean that are integrated over


def dunnett_critical_value(
    n_comparisons: int, *, alpha_one_sided: float = 0.025, ratio: float = 1.0
) -> float:
    """The z that the largest of several comparisons with one control must reach, variance known.

    The comparisons share the control, which correlates them by ratio / (1 + ratio); the critical
    value c solves P(all z < c) = 1 - alpha when no treatment differs from the control.

    Parameters
    ----------
    n_comparisons : treatments that are compared with the control.
    alpha_one_sided : chance of any false claim.
    ratio : patients of each treatment for each control.

    Returns
    -------
    float
        The critical value; with one comparison the normal quantile.

    Raises
    ------
    InputError
        For no comparison, or a level that is none.

    References
    ----------
    Dunnett, J Am Stat Assoc 1955;50:1096.

    Examples
    --------
    >>> round(dunnett_critical_value(2), 3), round(dunnett_critical_value(1), 3)
    (2.212, 1.96)
    """
    n = count(n_comparisons, where=WHERE, key="n_comparisons", least=1)
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE)
    shared = positive(ratio, where=WHERE, key="ratio") / (1 + ratio)

    def chance_of_none(c: float) -> float:
        def given(control: float) -> float:
            below = float(ndtr((c + sqrt(shared) * control) / sqrt(1 - shared)))
            return below**n * float(np.exp(-(control**2) / 2)) / sqrt(2 * np.pi)

        return float(quad(given, -_FARTHEST, _FARTHEST, epsabs=1e-12)[0])

    low, high = float(ndtri(1 - alpha)), float(ndtri(1 - alpha / n))
    if n == 1:
        return low
    return float(brentq(lambda c: chance_of_none(c) - (1 - alpha), low, high + 1e-6, xtol=1e-10))


def standing(
    z: FloatArray, *, procedure: Multiplicity, alpha: float, against_control: Sequence[bool]
) -> BoolArray:
    """Which claims stand, in the shape of ``z``: (..., claim), each z that of the endpoint which
    shows least.

    ``against_control``: by claim, whether it compares with the arm that all share.

    >>> z = np.array([2.3, 2.1, 2.0])
    >>> standing(z, procedure="holm", alpha=0.025, against_control=[True, True, False]).tolist()
    [True, True, True]
    >>> standing(z, procedure="hierarchical", alpha=0.025, against_control=[True] * 3).tolist()
    [True, True, True]
    """
    if procedure == "hierarchical":
        return np.asarray(np.logical_and.accumulate(z >= ndtri(1 - alpha), axis=-1))
    is_first = np.array(against_control, dtype=bool)
    holm = _bonferroni(alpha)
    critical = _dunnett(alpha) if procedure == "dunnett" else holm
    stands = np.zeros(z.shape, dtype=bool)
    stands[..., is_first] = _stepped_down(z[..., is_first], critical)
    if not is_first.all():
        gate = stands[..., is_first].all(axis=-1, keepdims=True)
        stands[..., ~is_first] = gate & _stepped_down(z[..., ~is_first], holm)
    return stands


def _bonferroni(alpha: float) -> Callable[[int], float]:
    return lambda left: float(ndtri(1 - alpha / left))


def _dunnett(alpha: float) -> Callable[[int], float]:
    return lambda left: dunnett_critical_value(left, alpha_one_sided=alpha)


def _stepped_down(z: FloatArray, critical: Callable[[int], float]) -> BoolArray:
    """The largest z against the critical value for all, the next against that for one less, up to
    the first that fails.
    """
    n = z.shape[-1]
    if n == 0:
        return np.zeros(z.shape, dtype=bool)
    order = np.argsort(-z, axis=-1, kind="stable")
    bars = np.array([critical(n - step) for step in range(n)])
    passed = np.logical_and.accumulate(np.take_along_axis(z, order, axis=-1) >= bars, axis=-1)
    stands = np.zeros(z.shape, dtype=bool)
    np.put_along_axis(stands, order, passed, axis=-1)
    return stands
