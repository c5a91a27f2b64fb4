"""A calibration becomes the world that everybody uses: its most probable values go into files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from crsrisk.data import cross_validation
from crsrisk.data.ensemble import ensemble_folder, load_ensemble
from crsrisk.data.files import write_text
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import revised, yaml_text
from crsrisk.errors import InputError
from crsrisk.folders import find, synthetic_folder
from crsrisk.uncertainty.constants import (
    Constant,
    constant_of,
    quantity_of,
)

MOVED = 0.05  # prior SDs below which a value is left as it was
_EFFECTS_SECTION = "random_effects"
_EFFECT_SPREAD = 0.6
_EFFECT_SOURCE = (
    "inferred: what the published figures of the product leave over"
    " (experiments/002_calibration); a copy for another product leaves this section out"
)
_FOLDERS = {
    "assumption": "assumptions",
    "policy": "policies",
    "mitigation": "mitigations",
}


def apply_calibration(results: Path) -> list[str]:
    """Make the result of a calibration the world that everybody uses; names of changed files.

    The most probable values go into the files of assumptions, products, policies and mitigations,
    the ensemble beside them. The value that was believed before stays in each file as ``prior``, so
    a second calibration starts where the first did. What moved by less than 0.05 prior SDs is left,
    and so is what is off or at its cap, which is a choice.

    Raises
    ------
    InputError
        When the folder holds no results of a calibration, or an ensemble that is not whole.
    """
    table = results / "constants.csv"
    for name in ("constants.csv", "about.json", cross_validation.FILE):
        if not (results / name).is_file():
            raise InputError(
                where=str(results),
                key=name,
                found="no such file",
                expected="results of a calibration",
                cure="run crsrisk run experiments/002_calibration, then give its results folder",
            )
    load_ensemble(results)  # refuses one that is not whole before anything is written
    cross_validation.load_cross_validation(results)
    moved = pd.read_csv(table)
    values = dict(zip(moved["constant"].astype(str), moved["most_probable"], strict=True))
    known = _known_constants(values)
    by_file: dict[Path, dict[tuple[str, ...], float]] = defaultdict(dict)
    effects: dict[Path, dict[str, float]] = defaultdict(dict)
    for key, value in values.items():
        place, path = _place(key)
        if path[0] == _EFFECTS_SECTION:
            effects[place][path[1]] = float(value)
            continue
        constant = known[key]
        is_switch = constant.median in (constant.low, constant.high)
        is_moved = not is_switch and abs(constant.score(float(value))) >= MOVED
        by_file[place][path] = float(value) if is_moved else constant.median
    texts = {
        place: revised(place.read_text(encoding="utf-8"), values, where=place.name)
        for place, values in by_file.items()
    }
    for place, of_product in effects.items():
        text = texts[place] if place in texts else place.read_text(encoding="utf-8")
        texts[place] = _with_effects(text, of_product)
    for place, text in sorted(texts.items()):
        write_text(place, text)
    for name in ("members.csv", "about.json", cross_validation.FILE):
        write_text(ensemble_folder() / name, (results / name).read_text(encoding="utf-8"))
    return [place.name for place in sorted(texts)]


def _with_effects(text: str, effects: Mapping[str, float]) -> str:
    """The text of a product's file with its random effects as the last section."""
    kept = re.sub(rf"(?m)^{_EFFECTS_SECTION}:.*\n(?:[ \t].*\n|\n)*", "", f"{text}\n").rstrip("\n")
    section = {
        _EFFECTS_SECTION: {
            name: {
                "value": float(f"{value:.4g}"),
                "unit": "1",
                "spread": _EFFECT_SPREAD,
                "range": [-8.0, 8.0],
                "source": _EFFECT_SOURCE,
                "strength": "estimated",
            }
            for name, value in effects.items()
        }
    }
    return f"{kept}\n{yaml_text(section)}"


def _known_constants(keys: Iterable[str]) -> dict[str, Constant]:
    """Constants of the reference world and of the products that the keys name."""
    world, names = load_world(), set()
    for key in keys:
        kind, _, rest = key.partition(":")
        names |= {rest.partition(".")[0]} if kind == "product" else set()
    products = {name: load_product(name) for name in sorted(names)}
    made = (
        constant_of(key, quantity_of(key, world=world, products=products))
        for key in keys
        if f".{_EFFECTS_SECTION}." not in key
    )
    return {constant.key: constant for constant in made if constant is not None}


def _place(key: str) -> tuple[Path, tuple[str, ...]]:
    """File of a constant, and its path inside."""
    kind, _, rest = key.partition(":")
    stem, *path = rest.split(".")
    if kind == "product":
        return find("products", stem), tuple(path)
    return synthetic_folder() / _FOLDERS[kind] / f"{stem}.yaml", tuple(path)
