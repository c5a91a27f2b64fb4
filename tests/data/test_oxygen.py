"""Devices: every clinical word is one device, and no other text is taken for one."""

from __future__ import annotations

import difflib

import pytest

from crsrisk.data.oxygen import _DOUBTFUL, _WORDS, DEVICES, device_of, plain_words


def test_no_word_names_two_devices() -> None:
    by_device = [{plain_words(word) for word in words} for words in _WORDS.values()]
    words = [word for one in by_device for word in one]
    assert len(words) == len(set(words))
    assert set(_WORDS) == set(DEVICES)
    assert not {plain_words(word) for word in _DOUBTFUL} & set(words)


@pytest.mark.parametrize(
    ("text", "name", "flow"),
    [
        ("vent", "ventilator", None),
        ("Ventimask 8 l/min", "venturi", 8.0),
        ("high-flow nasal cannula (40 L/min)", "high_flow", 40.0),
        ("NC 2,5 L", "nasal_cannula", 2.5),
        ("NC at 4 lpm", "nasal_cannula", 4.0),
        ("non-rebreather mask", "non_rebreather", None),
        ("2 L/min nasal cannula", "nasal_cannula", 2.0),
        ("NIV", "bipap", None),
        ("room air", "none", None),
        ("O2 via nasal prongs", "nasal_cannula", None),
        ("O2 2L NC", "nasal_cannula", 2.0),
        ("Hi-Flow NC", "high_flow", None),
    ],
)
def test_words_of_charts(text: str, name: str, flow: float | None) -> None:
    found = device_of(text)
    assert (found.name, found.flow_l_min) == (name, flow)


@pytest.mark.parametrize(
    ("text", "name", "flow", "fio2"),
    [
        ("HFNC 40L/60%", "high_flow", 40.0, 60.0),
        ("HFNC 50 L/min FiO2 0.5", "high_flow", 50.0, 50.0),
        ("Venturi 35 %", "venturi", None, 35.0),
        ("100% NRB", "non_rebreather", None, 100.0),
        ("mask 40%", None, None, 40.0),
    ],
)
def test_inspired_oxygen_in_the_cell(
    text: str, name: str | None, flow: float | None, fio2: float
) -> None:
    found = device_of(text)
    assert (found.name, found.flow_l_min, found.fio2_pct) == (name, flow, fio2)


@pytest.mark.parametrize("text", ["venti", "not intubated", "extubated", "CPAP/BiPAP", "NC to NRB"])
def test_a_text_that_denies_doubts_or_names_two_is_no_device(text: str) -> None:
    assert device_of(text).name is None


@pytest.mark.parametrize("text", ["", "venta", "tent", "nasal", "canula?", "mask", "trach", "xyz"])
def test_what_is_not_known_is_no_device(text: str) -> None:
    assert device_of(text).name is None


def test_what_is_spelt_alike_is_another_device() -> None:
    """The reason why spelling proposes nothing: these would be taken for each other."""
    assert difflib.get_close_matches("vent", DEVICES, n=1) == ["venturi"]
    assert device_of("vent").name == "ventilator"
