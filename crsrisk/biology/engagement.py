"""Engagement: how strongly drug or cells bridge T cells to antigen in the tumour and in normal tissue."""

from __future__ import annotations

from math import sqrt

from crsrisk.biology.compiled import scalar


@scalar
def bridge(concentration: float, tumour_affinity: float, hook: float, soluble: float) -> float:
    """Share of antigen bridged (0-1): rises with drug, falls again in excess (hook); 1 for cells, which need no drug.

    ``concentration`` and affinities in nM; ``hook`` is the concentration at which excess drug halves the bridge.
    """
    bound = concentration * hook / ((tumour_affinity + concentration) * (hook + concentration))
    return soluble * bound + (1.0 - soluble)


@scalar
def engagement(tumour: float, normal: float, fc_bridge: float, occasion: float) -> float:
    """Share of T cells engaged (0-1), saturating in the summed load of tumour, normal tissue and Fc receptors."""
    load = occasion * (tumour + normal + fc_bridge)
    return load / (1.0 + load)


@scalar
def saturation(amount: float, half: float) -> float:
    """Michaelis term: 0 without, 0.5 at ``half``, 1 in excess."""
    return amount / (half + amount)


@scalar
def positive_part(value: float, softness: float) -> float:
    """max(value, 0) with a rounded corner of width ``softness``, so that the solver keeps its order."""
    return 0.5 * (value + sqrt(value * value + softness * softness))


@scalar
def desensitisation_rate(excess: float, excess_positive: float, adaptation: float, recovery: float) -> float:
    """T cells adapt to the engagement they have met: fast upwards, slowly back.

    Secretion follows only engagement not yet met (the excess), which is why a step-up regimen helps and why the
    first dose dominates (the state-based form of Chen 2019 and Weddell 2023).
    """
    return adaptation * excess_positive - recovery * (excess_positive - excess)


@scalar
def activation_rate(
    active: float, excess_positive: float, gain: float, inhibition: float, decay: float
) -> float:
    """Change of cytokine-secreting T cells (relative units per h)."""
    return decay * (gain * excess_positive * (1.0 - inhibition) - active)
