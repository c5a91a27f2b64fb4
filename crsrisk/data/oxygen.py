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
    "none": (
        "none",
        "room air",
        "ra",
        "ambient air",
        "none room air",
        "no oxygen",
        "no o2",
        "off oxygen",
        "off o2",
        "raumluft",
    ),
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
        "nasal cann",
        "sauerstoffbrille",
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
        "hudson mask",
        "sauerstoffmaske",
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
        "high flow nc",
        "hi flow",
        "hi flow nc",
        "hi flow nasal cannula",
        "high flow nasal prongs",
        "hfnp",
        "hfno2",
        "heated humidified high flow",
        "heated humidified high flow nasal cannula",
    ),
    "venturi": (
        "venturi",
        "venturi mask",
        "ventimask",
        "venti mask",
        "air entrainment mask",
    ),
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
        "non rebreathing",
        "reservoirmaske",
    ),
    "cpap": ("cpap", "cpap mask", "nasal cpap", "ncpap", "continuous positive airway pressure"),
    "bipap": (
        "bipap",
        "bi level",
        "bilevel",
        "bpap",
        "bipap mask",
        "bpap mask",
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
        "mechanical vent",
        "invasive vent",
        "intubated and ventilated",
        "ett vent",
        "tracheal tube",
        "simv",
        "ventilated via trach",
        "vent via trach",
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
    "venti": ("venturi", "ventilator"),
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


_FIO2 = re.compile(
    r"[\s@,(/]*(?:(?:fi\s*o2\W*)?(?P<pct>[0-9]{2,3})\s*%|fi\s*o2\W*(?P<part>0?[.,][0-9]+))[\s)]*",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(?:o2|oxygen)\s+(?:via|by|per|through)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Device:
    """A device that a text names (None: none, or more than one), the flow (L/min) and inspired
    oxygen (%) that stand with it, and what else it may be.
    """

    name: str | None
    flow_l_min: float | None = None
    may_be: tuple[str, ...] = ()
    fio2_pct: float | None = None


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
    Device(name='nasal_cannula', flow_l_min=2.0, may_be=(), fio2_pct=None)
    >>> device_of("Trach").may_be, device_of("venta").name, device_of("HFNC 40L/60%").fio2_pct
    (('ventilator', 'face_mask'), None, 60.0)
    """
    flow = fio2 = None
    text = _BEFORE.sub("", text.strip(), count=1)
    if match := _FIO2.search(text):
        fio2 = float(match["pct"] or 100.0 * float(match["part"].replace(",", ".")))
        text = f"{text[: match.start()]} {text[match.end() :]}".strip()
    if match := _FLOW.fullmatch(text):
        text = f"{match['word']} {match['rest']}"
        flow = float(match["flow"].replace(",", "."))
    word = plain_words(text)
    for one in (word, re.sub("^(?:o2|oxygen)", "", word)):
        if one in _KNOWN:
            return Device(_KNOWN[one], flow, fio2_pct=fio2)
    return Device(None, flow, _UNSURE.get(word, ()), fio2)
