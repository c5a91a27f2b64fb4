"""Indices: scores that others published, computed from routine laboratory values and named as published.

All take columns of the observed table (arrays of floats in the units that the names say) and return an array;
a missing value in gives a missing value out. They were proposed for CAR-T therapy of blood cancers or as
general prognostic scores: none has been validated for cytokine release syndrome in solid tumours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crsrisk.units import express

# The observed table holds LDH in multiples of each laboratory's own upper limit; the published indices want
# U/L. Assumed: one limit for all. It multiplies an index by a constant, which a rank or a fitted slope does
# not notice.
LDH_UPPER_LIMIT_U_L = 250.0


def easix(
    *, ldh_x_uln: ArrayLike, creatinine_umol_l: ArrayLike, platelets_g_l: ArrayLike
) -> NDArray[np.float64]:
    """EASIX, Endothelial Activation and Stress Index: LDH [U/L] x creatinine [mg/dL] / platelets [10^9/L].

    Source: formula as given in Pennisi, Blood Adv 2021;5:3397 (index of Luft and colleagues).

    >>> round(float(easix(ldh_x_uln=1.0, creatinine_umol_l=88.42, platelets_g_l=250.0)), 6)
    1.0
    """
    ldh_u_l = express(ldh_x_uln, name="ldh_x_uln", unit="U/L", upper_limit_u_l=LDH_UPPER_LIMIT_U_L)
    creatinine_mg_dl = express(creatinine_umol_l, name="creatinine_umol_l", unit="mg/dL")
    return _ratio(ldh_u_l * creatinine_mg_dl, platelets_g_l)


def m_easix(*, ldh_x_uln: ArrayLike, crp_mg_l: ArrayLike, platelets_g_l: ArrayLike) -> NDArray[np.float64]:
    """m-EASIX, modified EASIX: LDH [U/L] x CRP [mg/dL] / platelets [10^9/L].

    Source: Pennisi, Blood Adv 2021;5:3397 (CRP in place of creatinine).

    >>> round(float(m_easix(ldh_x_uln=1.0, crp_mg_l=10.0, platelets_g_l=250.0)), 6)
    1.0
    """
    ldh_u_l = express(ldh_x_uln, name="ldh_x_uln", unit="U/L", upper_limit_u_l=LDH_UPPER_LIMIT_U_L)
    return _ratio(ldh_u_l * express(crp_mg_l, name="crp_mg_l", unit="mg/dL"), platelets_g_l)


def easix_ferritin(
    *, ldh_x_uln: ArrayLike, creatinine_umol_l: ArrayLike, platelets_g_l: ArrayLike, ferritin_ug_l: ArrayLike
) -> NDArray[np.float64]:
    """EASIX x ferritin [ug/L], in the spirit of EASIX-F; **not** the published three risk groups.

    Greenbaum, Blood Adv 2021;5:2799 combined EASIX with ferritin into three groups. Only the combination is
    documented here, not its cut-points: the product keeps the idea (both high = high) without inventing them.

    >>> labs = {"ldh_x_uln": 1.0, "creatinine_umol_l": 88.42, "platelets_g_l": 250.0}
    >>> round(float(easix_ferritin(**labs, ferritin_ug_l=400.0)), 6)
    400.0
    """
    index = easix(ldh_x_uln=ldh_x_uln, creatinine_umol_l=creatinine_umol_l, platelets_g_l=platelets_g_l)
    return np.asarray(index * np.asarray(ferritin_ug_l, dtype=np.float64))


def crp_albumin_ratio(*, crp_mg_l: ArrayLike, albumin_g_l: ArrayLike) -> NDArray[np.float64]:
    """CRP/albumin ratio (CAR): CRP [mg/L] / albumin [g/L]. Source: Xu, Onco Targets Ther 2017;10:3059.

    >>> float(crp_albumin_ratio(crp_mg_l=40.0, albumin_g_l=40.0))
    1.0
    """
    return _ratio(np.asarray(crp_mg_l, dtype=np.float64), albumin_g_l)


def _ratio(above: NDArray[np.float64], below: ArrayLike) -> NDArray[np.float64]:
    """The quotient; missing where the denominator is not above 0 (such a row is refused elsewhere)."""
    divisor = np.asarray(below, dtype=np.float64)
    return np.asarray(above / np.where(divisor > 0, divisor, np.nan))


@dataclass(frozen=True)
class Index:
    """One published index: its name on a page, its formula in words, its columns and where it comes from."""

    label: str
    formula: str
    source: str
    columns: tuple[str, ...]
    compute: Callable[..., NDArray[np.float64]]


INDICES: Mapping[str, Index] = MappingProxyType({
    "easix": Index("EASIX", "LDH [U/L] x creatinine [mg/dL] / platelets [10^9/L]",
                   "Pennisi, Blood Adv 2021;5:3397 (index of Luft and colleagues)",
                   ("ldh_x_uln", "creatinine_umol_l", "platelets_g_l"), easix),
    "m_easix": Index("m-EASIX", "LDH [U/L] x CRP [mg/dL] / platelets [10^9/L]",
                     "Pennisi, Blood Adv 2021;5:3397",
                     ("ldh_x_uln", "crp_mg_l", "platelets_g_l"), m_easix),
    "easix_ferritin": Index("EASIX x ferritin", "EASIX x ferritin [ug/L], in the spirit of EASIX-F",
                            "after Greenbaum, Blood Adv 2021;5:2799, whose cut-points are not used",
                            ("ldh_x_uln", "creatinine_umol_l", "platelets_g_l", "ferritin_ug_l"),
                            easix_ferritin),
    "crp_albumin_ratio": Index("CRP/albumin ratio", "CRP [mg/L] / albumin [g/L]",
                               "Xu, Onco Targets Ther 2017;10:3059",
                               ("crp_mg_l", "albumin_g_l"), crp_albumin_ratio),
})
