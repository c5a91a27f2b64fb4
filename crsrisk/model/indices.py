"""Indices: scores that others published, computed from routine laboratory values and named as
published.

All take columns of the observed table in the units that the names say, as arrays or, for one
patient, as plain floats, with the same arithmetic; a missing value (NaN) in gives a missing value
out. They were proposed for CAR-T therapy of blood cancers or as general prognostic scores: none has
been validated for cytokine release syndrome in solid tumours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crsrisk.units import convert

Value = TypeVar("Value", float, NDArray[np.float64])

# The observed table holds LDH in multiples of each laboratory's own upper limit; the published
# indices want U/L. Assumed: one limit for all. It multiplies an index by a constant, which a rank
# or a fitted slope does not notice.
LDH_UPPER_LIMIT_U_L = 250.0
_UMOL_L_IN_MG_DL = float(convert(1.0, name="creatinine_umol_l", unit="mg/dL"))  # of creatinine
_MG_L_IN_MG_DL = float(convert(1.0, name="crp_mg_l", unit="mg/dL"))


def easix(*, ldh_x_uln: Value, creatinine_umol_l: Value, platelets_g_l: Value) -> Value:
    """EASIX, Endothelial Activation and Stress Index: LDH [U/L] x creatinine [mg/dL] / platelets
    [10^9/L].

    Source: formula as given in Pennisi, Blood Adv 2021;5:3397 (index of Luft and colleagues).

    >>> round(easix(ldh_x_uln=1.0, creatinine_umol_l=88.42, platelets_g_l=250.0), 6)
    1.0
    """
    return _ratio(
        ldh_x_uln * LDH_UPPER_LIMIT_U_L * (creatinine_umol_l / _UMOL_L_IN_MG_DL), platelets_g_l
    )


def m_easix(*, ldh_x_uln: Value, crp_mg_l: Value, platelets_g_l: Value) -> Value:
    """m-EASIX, modified EASIX: LDH [U/L] x CRP [mg/dL] / platelets [10^9/L].

    Source: Pennisi, Blood Adv 2021;5:3397 (CRP in place of creatinine).

    >>> round(m_easix(ldh_x_uln=1.0, crp_mg_l=10.0, platelets_g_l=250.0), 6)
    1.0
    """
    return _ratio(ldh_x_uln * LDH_UPPER_LIMIT_U_L * (crp_mg_l / _MG_L_IN_MG_DL), platelets_g_l)


def easix_ferritin(
    *, ldh_x_uln: Value, creatinine_umol_l: Value, platelets_g_l: Value, ferritin_ug_l: Value
) -> Value:
    """EASIX x ferritin [ug/L], in the spirit of EASIX-F; **not** the published three risk groups.

    Greenbaum, Blood Adv 2021;5:2799 combined EASIX with ferritin into three groups. Only the
    combination is documented here, not its cut-points: the product keeps the idea (both high =
    high) without inventing them.

    >>> labs = {"ldh_x_uln": 1.0, "creatinine_umol_l": 88.42, "platelets_g_l": 250.0}
    >>> round(easix_ferritin(**labs, ferritin_ug_l=400.0), 6)
    400.0
    """
    index = easix(
        ldh_x_uln=ldh_x_uln, creatinine_umol_l=creatinine_umol_l, platelets_g_l=platelets_g_l
    )
    return index * ferritin_ug_l


def crp_albumin_ratio(*, crp_mg_l: Value, albumin_g_l: Value) -> Value:
    """CRP/albumin ratio (CAR): CRP [mg/L] / albumin [g/L]. Source: Xu, Onco Targets Ther
    2017;10:3059.

    >>> crp_albumin_ratio(crp_mg_l=40.0, albumin_g_l=40.0)
    1.0
    """
    return _ratio(crp_mg_l, albumin_g_l)


def _ratio(above: Value, below: Value) -> Value:
    """The quotient; missing where the denominator is not above 0 (such a row is refused
    elsewhere).
    """
    if isinstance(below, float):
        return above / below if below > 0 else math.nan
    return np.asarray(above / np.where(below > 0, below, np.nan))


@dataclass(frozen=True)
class Index:
    """One published index: its name on a page, its formula in words, its columns and where it comes
    from.
    """

    label: str
    formula: str
    source: str
    columns: tuple[str, ...]
    compute: Callable[..., Any]


INDICES: Mapping[str, Index] = MappingProxyType(
    {
        "easix": Index(
            "EASIX",
            "LDH [U/L] x creatinine [mg/dL] / platelets [10^9/L]",
            "Pennisi, Blood Adv 2021;5:3397 (index of Luft and colleagues)",
            ("ldh_x_uln", "creatinine_umol_l", "platelets_g_l"),
            easix,
        ),
        "m_easix": Index(
            "m-EASIX",
            "LDH [U/L] x CRP [mg/dL] / platelets [10^9/L]",
            "Pennisi, Blood Adv 2021;5:3397",
            ("ldh_x_uln", "crp_mg_l", "platelets_g_l"),
            m_easix,
        ),
        "easix_ferritin": Index(
            "EASIX x ferritin",
            "EASIX x ferritin [ug/L], in the spirit of EASIX-F",
            "after Greenbaum, Blood Adv 2021;5:2799, whose cut-points are not used",
            ("ldh_x_uln", "creatinine_umol_l", "platelets_g_l", "ferritin_ug_l"),
            easix_ferritin,
        ),
        "crp_albumin_ratio": Index(
            "CRP/albumin ratio",
            "CRP [mg/L] / albumin [g/L]",
            "Xu, Onco Targets Ther 2017;10:3059",
            ("crp_mg_l", "albumin_g_l"),
            crp_albumin_ratio,
        ),
    }
)
