"""Acute phase: CRP, ferritin and ALT, which start at the patient's baseline and answer to IL-6 and
macrophages.
"""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def crp_rate(
    crp: float,
    baseline_per_signal: float,
    signal: float,
    signal_above: float,
    maximum: float,
    turnover: float,
) -> float:
    """Change of CRP (mg/L/h): follows the IL-6 signal, so it falls below baseline under IL-6R
    blockade.
    """
    at_rest = baseline_per_signal * (signal - signal_above)
    return turnover * (at_rest + maximum * signal_above - crp)


@scalar
def ferritin_rate(
    ferritin: float,
    baseline: float,
    myeloid: float,
    interferon: float,
    gain: float,
    turnover: float,
) -> float:
    """Change of ferritin (ug/L/h): macrophages release it, more so under interferon gamma."""
    return turnover * (baseline * (1.0 + gain * myeloid * (1.0 + interferon)) - ferritin)


@scalar
def alt_rate(
    alt: float, baseline: float, myeloid: float, interferon: float, gain: float, turnover: float
) -> float:
    """Change of alanine aminotransferase (x ULN per h): liver cells leak it when liver macrophages
    are active.
    """
    return turnover * (baseline * (1.0 + gain * myeloid * (1.0 + interferon)) - alt)
