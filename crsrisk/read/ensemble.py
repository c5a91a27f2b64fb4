"""The ensemble as files: members as a table, and what they were made from beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from crsrisk.domain.ensemble import Ensemble
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.read.files import write_text

DIGITS = 5  # significant digits of a stored value: far finer than any of them is known


def ensemble_folder() -> Path:
    """Folder of the ensemble that ships."""
    return synthetic_folder() / "ensemble"


def save_ensemble(ensemble: Ensemble, folder: Path, *, about: dict[str, object]) -> None:
    """Write ``members.csv`` (weight, then one column a constant) and ``about.json`` (digest, seed, version, targets)."""
    table = pd.DataFrame(ensemble.values, columns=list(ensemble.keys))
    table.insert(0, "weight", ensemble.weights)
    text = table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    write_text(folder / "members.csv", text)
    tree = {**about, "n_members": len(ensemble), "assumptions": ensemble.assumptions}
    write_text(folder / "about.json", json.dumps(tree, indent=1) + "\n")


def load_ensemble(folder: Path | None = None) -> Ensemble:
    """The ensemble of a folder (without one: the one that ships). Raises :class:`InputError` when it is not whole."""
    place = folder or ensemble_folder()
    cure = "give the folder with members.csv, or make it: crsrisk run experiments/002_calibration"
    try:
        table = pd.read_csv(place / "members.csv")
        about = json.loads((place / "about.json").read_text())
    except (OSError, ValueError) as problem:
        raise InputError(where=str(place), key="members.csv", found=type(problem).__name__,
                         expected="members.csv and about.json", cure=cure) from problem
    is_whole = "weight" in table and len(table) == about.get("n_members") and bool(np.isfinite(table.to_numpy()).all())
    if not is_whole:
        raise InputError(where=str(place / "members.csv"), key="rows", found=f"{len(table)} rows",
                         expected=f"{about.get('n_members')} members with a weight and no gaps", cure=cure)
    weights = table["weight"].to_numpy(dtype=np.float64)
    values = table.drop(columns="weight")
    return Ensemble(tuple(values.columns), values.to_numpy(dtype=np.float64), weights / weights.sum(),
                    str(about.get("assumptions", "")))
