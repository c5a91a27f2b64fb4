"""Oxygen devices: the words of wards and charts for what a patient breathes through.

A device is known or refused. Nothing is taken for another one because it is spelt alike: a wrong
device moves the grade by one to three.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from crsrisk.data.grading_systems import (
    HIGH_FLOW,
    LOW_FLOW,
    NO_OXYGEN,
    POSITIVE_PRESSURE,
    VENTILATOR,
)

DEVICES: Mapping[str, int] = {
    "none": NO_OXYGEN,
    "nasal_cannula": LOW_FLOW,
    "blow_by": LOW_FLOW,
    "face_mask": HIGH_FLOW,
    "high_flow": HIGH_FLOW,
    "venturi": HIGH_FLOW,
    "non_rebreather": HIGH_FLOW,
    "cpap": POSITIVE_PRESSURE,
    "bipap": POSITIVE_PRESSURE,
    "ventilator": VENTILATOR,
}

# device -> how charts call it; each word without case, blanks and punctuation
_WORDS: Mapping[str, tuple[str, ...]] = {
    "none": ("none", "room air", "ra", "ambient air", "no oxygen", "no o2", "raumluft"),
    "nasal_cannula": (
        "nasal cannula",
        "nasal canula",
        "nc",
        "lfnc",
        "low flow nasal cannula",
        "low flow",
        "nasal prongs",
        "prongs",
        "nasal specs",
        "nasenbrille",
    ),
    "blow_by": ("blow by", "blowby"),
    "face_mask": (
        "face mask",
        "facemask",
        "fm",
        "simple mask",
        "simple face mask",
        "sfm",
        "oxygen mask",
        "o2 mask",
        "medium concentration mask",
        "aerosol mask",
        "partial rebreather",
        "partial rebreather mask",
        "trach mask",
        "trach collar",
        "tracheostomy mask",
        "tracheostomy collar",
    ),
    "high_flow": (
        "high flow",
        "highflow",
        "high flow nasal cannula",
        "high flow nasal oxygen",
        "high flow oxygen",
        "hfnc",
        "hfno",
        "hhfnc",
        "hhfno",
        "heated high flow",
        "nasal high flow",
        "nhf",
        "optiflow",
        "airvo",
        "vapotherm",
    ),
    "venturi": ("venturi", "venturi mask", "ventimask", "venti mask", "air entrainment mask"),
    "non_rebreather": (
        "non rebreather",
        "nonrebreather",
        "non rebreather mask",
        "non rebreathing mask",
        "non rebreathe mask",
        "nrb",
        "nrbm",
        "nrm",
        "reservoir mask",
        "mask with reservoir",
    ),
    "cpap": ("cpap", "continuous positive airway pressure"),
    "bipap": (
        "bipap",
        "bi level",
        "bilevel",
        "bpap",
        "niv",
        "nippv",
        "nppv",
        "non invasive ventilation",
        "noninvasive ventilation",
        "non invasive positive pressure ventilation",
    ),
    "ventilator": (
        "ventilator",
        "vent",
        "ventilated",
        "mechanical ventilation",
        "mechanical ventilator",
        "mechanically ventilated",
        "invasive ventilation",
        "invasive mechanical ventilation",
        "imv",
        "intubated",
        "intubation",
        "ett",
        "et tube",
        "endotracheal tube",
        "orotracheal tube",
        "oett",
        "beatmet",
    ),
}
# words that name more than one device: they are refused with all of them
_DOUBTFUL: Mapping[str, tuple[str, ...]] = {
    "mask": ("face_mask", "venturi", "non_rebreather"),
    "trach": ("ventilator", "face_mask"),
    "tracheostomy": ("ventilator", "face_mask"),
    "t piece": ("ventilator", "face_mask"),
    "rebreather": ("face_mask", "non_rebreather"),
    "oxygen": ("nasal_cannula", "face_mask", "high_flow"),
    "o2": ("nasal_cannula", "face_mask", "high_flow"),
    "supplemental oxygen": ("nasal_cannula", "face_mask", "high_flow"),
    "cannula": ("nasal_cannula", "high_flow"),
    "positive pressure": ("cpap", "bipap", "ventilator"),
    "ventilation": ("bipap", "ventilator"),
    "pap": ("cpap", "bipap"),
    "cpap or bipap": ("cpap", "bipap"),
    "bipap cpap": ("cpap", "bipap"),
}
_FLOW = re.compile(
    r"(?P<word>.*?)[\s@,(]*(?:at\s*)?(?P<flow>[0-9]+(?:[.,][0-9]+)?)\s*"
    r"(?:l(?:pm)?(?:\s*(?:/|per)?\s*min(?:ute)?)?|lit(?:er|re)s?(?:\s*(?:/|per)\s*min(?:ute)?)?)"
    r"[\s)]*(?P<rest>.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Device:
    """A device that a text names (None: none, or more than one), the flow that stands with it
    (L/min), and what else it may be.
    """

    name: str | None
    flow_l_min: float | None = None
    may_be: tuple[str, ...] = ()


def plain_words(text: str) -> str:
    """Letters and digits in small letters."""
    return re.sub(r"[^a-z0-9]", "", text.casefold())


_KNOWN: Mapping[str, str] = MappingProxyType(
    {plain_words(word): device for device, words in _WORDS.items() for word in (device, *words)}
)
_UNSURE = {plain_words(word): devices for word, devices in _DOUBTFUL.items()}


def device_of(text: str) -> Device:
    """The device that a text of a chart names, by clinical synonyms.

    >>> device_of("NC 2 L/min")
    Device(name='nasal_cannula', flow_l_min=2.0, may_be=())
    >>> device_of("Trach").may_be, device_of("venta").name
    (('ventilator', 'face_mask'), None)
    """
    flow = None
    if match := _FLOW.fullmatch(text.strip()):
        text = f"{match['word']} {match['rest']}"
        flow = float(match["flow"].replace(",", "."))
    word = plain_words(text)
    if word in _KNOWN:
        return Device(_KNOWN[word], flow)
    return Device(None, flow, _UNSURE.get(word, ()))
