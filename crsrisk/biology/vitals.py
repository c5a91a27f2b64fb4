"""Vitals: endothelial leak, lung water, temperature, mean arterial pressure and oxygen
saturation.
"""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def leak_rate(leak: float, drive: float, inhibition: float, on: float, off: float) -> float:
    """Change of endothelial activation and leak (0-1, per h)."""
    return on * drive * (1.0 - inhibition) * (1.0 - leak) - off * leak


@scalar
def lung_water_rate(lung_water: float, leak: float, turnover: float) -> float:
    """Change of lung water (0-1, per h): follows the leak with delay."""
    return turnover * (leak - lung_water)


@scalar
def organ_injury_rate(
    injury: float, drive: float, inhibition: float, on: float, off: float
) -> float:
    """Change of the injury of a vital organ that carries the antigen (0-1, per h): T cells engaged
    in it, where it is, do the damage, with or without CRS.
    """
    return on * drive * (1.0 - inhibition) * (1.0 - injury) - off * injury


@scalar
def temperature_rate(
    temperature: float,
    normal: float,
    pyrogen: float,
    half: float,
    rise: float,
    antipyresis: float,
    turnover: float,
) -> float:
    """Change of body temperature (degC/h) towards a set point that pyrogens raise (Dobreva 2021;
    steeper here, so that those who have a fever have a high one).
    """
    cubed = pyrogen * pyrogen * pyrogen
    shift = rise * cubed / (half * half * half + cubed) * (1.0 - antipyresis)
    return turnover * (normal + shift - temperature)


@scalar
def mean_arterial_pressure(
    normal: float,
    leak: float,
    fall: float,
    half: float,
    fluids: float,
    fluid_gain: float,
    pressors: float,
    pressor_gain: float,
) -> float:
    """MAP (mmHg): vasoplegia and leak pull it down; fluids (half lost when leaky) and pressors
    raise it.
    """
    cubed = leak * leak * leak
    dropped = normal - fall * cubed / (half * half * half + cubed)
    return dropped + fluid_gain * fluids * (1.0 - leak) + pressor_gain * pressors


@scalar
def oxygen_saturation(normal: float, lung_water: float, fall: float, half: float) -> float:
    """SpO2 on room air (%), falling steeply once lung water passes a threshold."""
    squared = lung_water * lung_water
    fourth = squared * squared
    return normal - fall * fourth / (half * half * half * half + fourth)
