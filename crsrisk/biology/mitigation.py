"""Mitigation: how much of an agent is at its site of action, and what it does there."""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def effect_site(amount: float, at_site: float, transfer: float) -> float:
    """Effect-site amount after one tick (usual doses): it follows the plasma amount with delay."""
    return at_site + transfer * (amount - at_site)


@scalar
def occupancy(at_site: float, half_effect: float) -> float:
    """Share of the maximal effect (0-1)."""
    return at_site / (half_effect + at_site)
