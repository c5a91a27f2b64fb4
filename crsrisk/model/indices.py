"""Indices: scores that others published, computed from routine laboratory values and named as
published.

All take columns of the observed table in the units that the names say, as arrays or, for one
patient, as plain floats, with the same arithmetic; a missing value (NaN) in gives a missing value
out. LDH is taken in U/L, as published, or in multiples together with the upper limit that belongs
to it; as a feature of a model an index takes the multiple and the limit of each row, which a table
that is read brings along and a simulated one has not. They were proposed for CAR-T therapy of blood
cancers or as general prognostic scores: none has been validated for cytokine release syndrome in
solid tumours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crsrisk.errors import InputError
from crsrisk.fields import LDH_LIMIT
from crsrisk.units import convert

Value = TypeVar("Value", float, NDArray[np.float64])

_UMOL_L_IN_MG_DL = float(convert(1.0, name="creatinine_umol_l", unit="mg/dL"))  # of creatinine
_LDH_COLUMNS = ("ldh_x_uln", LDH_LIMIT)
_MG_L_IN_MG_DL = float(convert(1.0, name="crp_mg_l", unit="mg/dL"))


def easix(
    *,
    creatinine_umol_l: Value,
    platelets_g_l: Value,
    ldh_u_l: Value | None = None,
    ldh_x_uln: Value | None = None,
    ldh_upper_limit_u_l: Value | float | None = None,
) -> Value:
    """EASIX, Endothelial Activation and Stress Index: LDH [U/L] x creatinine [mg/dL] / platelets
    [10^9/L].

    Source: formula as given in Pennisi, Blood Adv 2021;5:3397 (index of Luft and colleagues).

    Parameters
    ----------
    creatinine_umol_l, platelets_g_l : creatinine in umol/L, platelets in 10^9/L.
    ldh_u_l : LDH in U/L; or, instead of it,
    ldh_x_uln, ldh_upper_limit_u_l : LDH in multiples of the upper limit of normal, and the limit
        (U/L) of the laboratory that measured it.

    Raises
    ------
    InputError
        For LDH in multiples without its limit, and for none or both.

    Examples
    --------
    >>> labs = {"creatinine_umol_l": 88.42, "platelets_g_l": 250.0}
    >>> round(easix(ldh_u_l=480.0, **labs), 6)
    1.92
    >>> round(easix(ldh_x_uln=2.0, ldh_upper_limit_u_l=240.0, **labs), 6)
    1.92
    """
    ldh: Value = _ldh_u_l(ldh_u_l, ldh_x_uln, ldh_upper_limit_u_l)
    return _ratio(ldh * (creatinine_umol_l / _UMOL_L_IN_MG_DL), platelets_g_l)


def m_easix(
    *,
    crp_mg_l: Value,
    platelets_g_l: Value,
    ldh_u_l: Value | None = None,
    ldh_x_uln: Value | None = None,
    ldh_upper_limit_u_l: Value | float | None = None,
) -> Value:
    """m-EASIX, modified EASIX: LDH [U/L] x CRP [mg/dL] / platelets [10^9/L]; LDH as in
    :func:`easix`.

    Source: Pennisi, Blood Adv 2021;5:3397 (CRP in place of creatinine).

    >>> round(m_easix(ldh_u_l=250.0, crp_mg_l=10.0, platelets_g_l=250.0), 6)
    1.0
    """
    ldh: Value = _ldh_u_l(ldh_u_l, ldh_x_uln, ldh_upper_limit_u_l)
    return _ratio(ldh * (crp_mg_l / _MG_L_IN_MG_DL), platelets_g_l)


def easix_ferritin(
    *,
    creatinine_umol_l: Value,
    platelets_g_l: Value,
    ferritin_ug_l: Value,
    ldh_u_l: Value | None = None,
    ldh_x_uln: Value | None = None,
    ldh_upper_limit_u_l: Value | float | None = None,
) -> Value:
    """EASIX x ferritin [ug/L], in the spirit of EASIX-F; **not** the published three risk groups.
    LDH as in :func:`easix`.

    Greenbaum, Blood Adv 2021;5:2799 combined EASIX with ferritin into three groups. Only the
    combination is documented here, not its cut-points: the product keeps the idea (both high =
    high) without inventing them.

    >>> labs = {"ldh_u_l": 250.0, "creatinine_umol_l": 88.42, "platelets_g_l": 250.0}
    >>> round(easix_ferritin(**labs, ferritin_ug_l=400.0), 6)
    400.0
    """
    index = easix(
        ldh_u_l=ldh_u_l,
        ldh_x_uln=ldh_x_uln,
        ldh_upper_limit_u_l=ldh_upper_limit_u_l,
        creatinine_umol_l=creatinine_umol_l,
        platelets_g_l=platelets_g_l,
    )
    return index * ferritin_ug_l


def crp_albumin_ratio(*, crp_mg_l: Value, albumin_g_l: Value) -> Value:
    """CRP/albumin ratio (CAR): CRP [mg/L] / albumin [g/L]. Source: Xu, Onco Targets Ther
    2017;10:3059.

    >>> crp_albumin_ratio(crp_mg_l=40.0, albumin_g_l=40.0)
    1.0
    """
    return _ratio(crp_mg_l, albumin_g_l)


def _ldh_u_l(in_u_l: Any, in_multiples: Any, limit: Any) -> Any:
    """LDH in U/L, as given or from its multiple."""
    if (in_u_l is None) == (in_multiples is None) or (in_u_l is None) != (limit is not None):
        given = {"ldh_u_l": in_u_l, "ldh_x_uln": in_multiples, "ldh_upper_limit_u_l": limit}
        raise InputError(
            where="index with LDH",
            key="ldh",
            found=" and ".join(name for name, value in given.items() if value is not None)
            or "no LDH",
            expected="LDH in U/L, or in multiples with the limit that belongs to it",
            cure="pass ldh_u_l, or ldh_x_uln together with ldh_upper_limit_u_l",
        )
    return in_multiples * limit if in_u_l is None else in_u_l


def _ratio(above: Value, below: Value) -> Value:
    """The quotient; missing where the denominator is not above 0 (such a row is refused
    elsewhere).
    """
    if isinstance(below, float):
        return above / below if below > 0 else math.nan
    return np.asarray(above / np.where(below > 0, below, np.nan))


@dataclass(frozen=True)
class Index:
    """One published index as a feature of the observed table: its name on a page, its formula in
    words, its columns and where it comes from.
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
            (*_LDH_COLUMNS, "creatinine_umol_l", "platelets_g_l"),
            easix,
        ),
        "m_easix": Index(
            "m-EASIX",
            "LDH [U/L] x CRP [mg/dL] / platelets [10^9/L]",
            "Pennisi, Blood Adv 2021;5:3397",
            (*_LDH_COLUMNS, "crp_mg_l", "platelets_g_l"),
            m_easix,
        ),
        "easix_ferritin": Index(
            "EASIX x ferritin",
            "EASIX x ferritin [ug/L], in the spirit of EASIX-F",
            "after Greenbaum, Blood Adv 2021;5:2799, whose cut-points are not used",
            (*_LDH_COLUMNS, "creatinine_umol_l", "platelets_g_l", "ferritin_ug_l"),
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
