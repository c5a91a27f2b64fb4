"""Engagement: how strongly drug or cells bridge T cells to antigen in the tumour and in normal
tissue.
"""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def bridges(
    in_tumour: float,
    in_normal: float,
    tumour_affinity: float,
    normal_affinity: float,
    cd3_affinity: float,
    limit_tumour: float,
    limit_normal: float,
    cross_tumour: float,
    cross_normal: float,
    deep_access: float,
    deep_share: float,
    fc_half: float,
    soluble: float,
) -> tuple[float, float, float]:
    """How far bridges of antigen, drug and CD3 go towards a full signal in tumour and in normal
    tissue, and Fc receptors bridged; each between 0 and 1.

    Ternary complex of a drug whose two arms bind independently (Douglass, J Am Chem Soc
    2013;135:6092; Schropp, CPT Pharmacometrics Syst Pharmacol 2019;8:177; Betts, AAPS J
    2019;21:66), on two cells that touch: with ``D`` copies of antigen, ``R`` of CD3, drug ``L`` and
    the arms' affinities ``KA`` and ``KB``, ``T = (D - T)(R - T) / K`` with
    ``K = c (KA + L)(KB + L) / L`` bridges form, ``c`` copies a nM telling the membranes' two
    dimensions from the solution's three. Of its root the first term in ``1 / (D + R + K)`` is taken
    (Tzafriri, Bull Math Biol 2003;65:1111), which is exact in the limits and needs no root. It
    rises with either affinity and either number at every ``L``, and falls again only beyond the
    geometric mean of ``KA`` and ``KB`` (hook). A T cell's signal is ``T / (T + need)``, so that

    ``signal = L / (limit L + cross (KA + L)(KB + L))``, ``limit = 1 + need (1/D + 1/R)``,
    ``cross = need c / (D R)``.

    A share of the tumour lies deep and meets a small part of the drug only, so that dose, affinity
    and density go on to matter where the cells near the vessels are saturated (Thurber, Adv Drug
    Deliv Rev 2008;60:1421). 1 for cells, which need no drug. Concentrations and affinities in nM.
    The four fractions share one division, the dearest operation of the solver.
    """
    in_depth = deep_access * in_tumour
    tumour = limit_tumour * in_tumour + cross_tumour * (tumour_affinity + in_tumour) * (
        cd3_affinity + in_tumour
    )
    depth = limit_tumour * in_depth + cross_tumour * (tumour_affinity + in_depth) * (
        cd3_affinity + in_depth
    )
    normal = limit_normal * in_normal + cross_normal * (normal_affinity + in_normal) * (
        cd3_affinity + in_normal
    )
    fc = fc_half + in_normal
    of_tumour, elsewhere = tumour * depth, normal * fc
    one_over = soluble / (of_tumour * elsewhere)
    rest = 1.0 - soluble
    bridged = in_tumour * (1.0 - deep_share) * depth + in_depth * deep_share * tumour
    return (
        bridged * elsewhere * one_over + rest,
        in_normal * of_tumour * fc * one_over + rest,
        in_normal * of_tumour * normal * one_over,
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
