"""Cascade: TNF, interferon gamma and GM-CSF from T cells; myeloid activation; IL-1, IL-6 and
IL-10.
"""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def myeloid_drive(
    tnf: float,
    interferon: float,
    gm_csf: float,
    il1: float,
    damage: float,
    w_tnf: float,
    w_interferon: float,
    w_gm_csf: float,
    w_il1: float,
    w_damage: float,
) -> float:
    """What switches monocytes and macrophages on: TNF first (Li 2019), amplified by interferon,
    GM-CSF, IL-1, DAMPs.
    """
    return (
        w_tnf * tnf * (1.0 + w_interferon * interferon)
        + w_gm_csf * gm_csf
        + w_il1 * il1
        + w_damage * damage
    )


@scalar
def myeloid_rate(myeloid: float, drive: float, il10: float, on: float, off: float) -> float:
    """Change of the activated myeloid fraction (1/h); IL-10 dampens the switch."""
    return on * drive * (1.0 - il10) * (1.0 - myeloid) - off * myeloid


@scalar
def tolerance_rate(tolerance: float, myeloid: float, on: float, off: float) -> float:
    """Change of myeloid tolerance (0-1, per h): cells that have fired answer less for weeks, so
    later doses are milder.
    """
    return on * myeloid * (1.0 - tolerance) - off * tolerance


@scalar
def two_source_rate(
    level: float,
    first: float,
    from_first: float,
    second: float,
    from_second: float,
    clearance: float,
) -> float:
    """Change of a cytokine (pg/mL/h) made by two cell states and cleared in first order."""
    return from_first * first + from_second * second - clearance * level


@scalar
def il6_rate(
    il6: float,
    basal: float,
    production: float,
    myeloid: float,
    il1: float,
    tnf: float,
    endothelium: float,
    by_il1: float,
    by_tnf: float,
    by_endothelium: float,
    clearance: float,
    receptor_clearance: float,
    blocked: float,
) -> float:
    """Change of IL-6 (pg/mL/h). Blocking its receptor stops most of its clearance: IL-6 rises while
    signals fall.
    """
    made = production * (
        myeloid * (1.0 + by_il1 * il1 + by_tnf * tnf) + by_endothelium * endothelium
    )
    return basal + made - (clearance + receptor_clearance * (1.0 - blocked)) * il6


@scalar
def free_il6(il6: float, receptor_blocked: float, neutralised: float) -> float:
    """IL-6 (pg/mL) that can still signal after receptor blockade and neutralisation."""
    return (1.0 - receptor_blocked) * (1.0 - neutralised) * il6
