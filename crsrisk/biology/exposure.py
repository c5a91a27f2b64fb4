"""Exposure: drug in depot, plasma and tissue; infused cells on their way to the tumour; clonal
expansion.
"""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def depot_rate(depot: float, absorption: float) -> float:
    """Loss from the subcutaneous depot (ug/h), or of infused cells from blood to tissue."""
    return -absorption * depot


@scalar
def central_rate(
    depot: float,
    central: float,
    peripheral: float,
    infusion: float,
    absorption: float,
    bioavailability: float,
    elimination: float,
    to_peripheral: float,
    to_central: float,
) -> float:
    """Change of the amount in plasma (ug/h): infusion and absorption in, elimination and
    distribution out.
    """
    gain = infusion + bioavailability * absorption * depot + to_central * peripheral
    return gain - (elimination + to_peripheral) * central


@scalar
def peripheral_rate(
    central: float, peripheral: float, to_peripheral: float, to_central: float
) -> float:
    """Change of the amount in tissue (ug/h)."""
    return to_peripheral * central - to_central * peripheral


@scalar
def expansion_rate(
    cells: float,
    arriving: float,
    stimulus: float,
    growth: float,
    crowding: float,
    contraction: float,
    kill: float,
    support: float,
) -> float:
    """Change of redirected or clonal T cells (relative to 250 million): arrival, antigen-driven
    growth, loss.

    ``crowding`` is one over the ceiling of the expansion; ``support`` how much interleukin-2 adds
    to growth (0 = nothing).
    """
    return (
        arriving
        + growth * (1.0 + support) * stimulus * cells * (1.0 - cells * crowding)
        - (contraction + kill) * cells
    )
