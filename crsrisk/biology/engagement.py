"""Engagement: how strongly drug or cells bridge T cells to antigen in the tumour and in normal
tissue.
"""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def bridges(
    in_tumour: float,
    in_normal: float,
    affinity: float,
    hook: float,
    need: float,
    fc_half: float,
    soluble: float,
) -> tuple[float, float, float]:
    """How far bridged antigen goes towards a full signal in tumour and in normal tissue, and Fc
    receptors bridged.

    Each is between 0 and 1. The share of antigen bridged, ``s``, rises with drug and falls again in
    excess (hook). What a T cell counts is bridges, not shares, so the signal is ``s / (s + need)``
    with ``need`` the copies needed for half a signal over the copies there are: plentiful antigen
    reaches a full signal at little drug (as potency rises with antigen density in culture; Betts
    2019 and Jiang 2018 model it so). 1 for cells, which need no drug. Concentrations and affinities
    in nM; ``hook`` is the concentration at which excess drug halves the bridge. The three fractions
    share one division, the dearest operation of the solver.
    """
    tumour = in_tumour * hook + need * (affinity + in_tumour) * (hook + in_tumour)
    normal = in_normal * hook + need * (affinity + in_normal) * (hook + in_normal)
    fc = fc_half + in_normal
    both = tumour * normal
    one_over = soluble / (both * fc)
    rest = 1.0 - soluble
    return (
        in_tumour * hook * normal * fc * one_over + rest,
        in_normal * hook * tumour * fc * one_over + rest,
        in_normal * both * one_over,
    )


@scalar
def engagement(load: float, cells: float, cells_half: float) -> tuple[float, float]:
    """Stimulus of one T cell by the load (0-1), and the share of all T cells engaged (0-1, with few
    cells less).
    """
    one_over = 1.0 / ((1.0 + load) * (cells_half + cells))
    stimulus = load * (cells_half + cells) * one_over
    return stimulus, load * cells * one_over


@scalar
def saturations(
    a: float, half_a: float, b: float, half_b: float, c: float, half_c: float
) -> tuple[float, float, float]:
    """Three Michaelis terms (0 without, 0.5 at half, 1 in excess) that share one division."""
    full_a, full_b, full_c = half_a + a, half_b + b, half_c + c
    ab = full_a * full_b
    one_over = 1.0 / (ab * full_c)
    return a * full_b * full_c * one_over, b * full_a * full_c * one_over, c * ab * one_over


@scalar
def desensitisation_rate(
    excess: float, excess_positive: float, adaptation: float, recovery: float
) -> float:
    """T cells adapt to the engagement they have met: fast upwards, slowly back.

    Secretion follows only engagement not yet met (the excess), which is why a step-up regimen helps
    and why the first dose dominates (the state-based form of Chen 2019 and Weddell 2023). Under an
    engager a share of the engagement is adapted to slowly: an early surge, then days of a little
    secretion.
    """
    return adaptation * excess_positive - recovery * (excess_positive - excess)


@scalar
def activation_rate(
    active: float, excess_positive: float, gain: float, inhibition: float, decay: float
) -> float:
    """Change of cytokine-secreting T cells (relative units per h)."""
    return decay * (gain * excess_positive * (1.0 - inhibition) - active)
