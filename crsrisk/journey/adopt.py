"""Adopt: make the result of a calibration the world that everybody uses."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pandas as pd

from crsrisk.belief.constants import product_constants, shared_constants
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.read.ensemble import ensemble_folder, load_ensemble
from crsrisk.read.files import write_text
from crsrisk.read.revise import revised
from crsrisk.read.world import load_product
from crsrisk.simulate.world import load_world

MOVED = 0.05  # prior SDs below which a value is left as it was
_FOLDERS = {"assumption": "assumptions", "product": "products", "policy": "policies", "mitigation": "mitigations"}


def adopt(results: Path) -> list[str]:
    """Put the most probable values of a calibration into the files and its ensemble beside them; names of changed files.

    The value that was believed before stays in each file as ``prior``, so a second calibration starts where the first
    did.
    """
    table = results / "constants.csv"
    if not table.is_file():
        raise InputError(where=str(results), key="constants.csv", found="no such file", expected="results of a calibration",
                         cure="run crsrisk run experiments/002_calibration, then give its results folder")
    load_ensemble(results)  # refuses one that is not whole before anything is written
    moved = pd.read_csv(table)
    world = load_world()
    products = {key.partition(":")[2].partition(".")[0] for key in moved["constant"] if key.startswith("product:")}
    known = {one.key: one for one in (*shared_constants(world),
                                      *(one for name in sorted(products) for one in product_constants(load_product(name))))}
    by_file: dict[Path, dict[tuple[str, ...], float]] = defaultdict(dict)
    for key, value in zip(moved["constant"], moved["most_probable"], strict=True):
        place, path = _place(key)
        one = known[key]
        is_switch = one.median in (one.low, one.high)  # what is off, or at its cap, is a choice and stays
        is_moved = not is_switch and abs(one.score(float(value))) >= MOVED
        by_file[place][path] = float(value) if is_moved else one.median
    texts = {place: revised(place.read_text(encoding="utf-8"), values, where=place.name)
             for place, values in by_file.items()}
    for place, text in sorted(texts.items()):
        write_text(place, text)
    for name in ("members.csv", "about.json"):
        write_text(ensemble_folder() / name, (results / name).read_text(encoding="utf-8"))
    return [place.name for place in sorted(texts)]


def _place(key: str) -> tuple[Path, tuple[str, ...]]:
    """File of a constant, and its path inside."""
    kind, _, rest = key.partition(":")
    stem, *path = rest.split(".")
    return synthetic_folder() / _FOLDERS[kind] / f"{stem}.yaml", tuple(path)

