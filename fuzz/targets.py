"""What reads files that people or other programs made: a good file of each, and its reader."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

import crsrisk
from crsrisk.data.tables import read_patients
from crsrisk.data.trial_plan_file import load_design
from crsrisk.data.world_files import (
    load_mitigation,
    load_policy,
    load_population,
    load_product,
    load_scenario,
)
from crsrisk.folders import find, names
from crsrisk.model.companions import load_companions
from crsrisk.model.store import load_model
from fuzz.mutations import spoiled

_DESIGN = Path(__file__).parents[1] / "experiments" / "010_trial_designs" / "design.yaml"
Read = Callable[[Path], object]


@dataclass(frozen=True)
class Target:
    """``spoil`` writes a malformed file or folder below a place; ``read`` reads it."""

    name: str
    spoil: Callable[[Path, np.random.Generator], Path]
    read: Read


def targets() -> tuple[Target, ...]:
    """All of them."""
    files: list[tuple[str, list[Path], Read]] = [
        ("product", _shipped("products"), load_product),
        ("population", _shipped("populations"), load_population),
        ("policy", _shipped("policies"), load_policy),
        ("mitigation", _shipped("mitigations"), load_mitigation),
        ("scenario", _shipped("scenarios"), load_scenario),
        ("trial design", [_DESIGN], load_design),
    ]
    made = [Target(name, partial(_spoil_file, good), read) for name, good, read in files]
    folders = [find("released", name) for name in names("released")]
    return (
        *made,
        Target("patients.csv", _spoil_table, read_patients),
        Target("patients.parquet", _spoil_parquet, read_patients),
        Target("model", partial(_spoil_model, folders), _read_model),
    )


@cache
def _tables() -> tuple[bytes, bytes]:
    """Twelve simulated patients as CSV and as Parquet."""
    observed = crsrisk.simulate("tarlatamab", n=12, seed=1).X
    with tempfile.TemporaryDirectory() as place:
        csv, parquet = Path(place) / "a.csv", Path(place) / "a.parquet"
        observed.to_csv(csv, index_label="patient_id", lineterminator="\n")
        observed.reset_index().to_parquet(parquet)
        return csv.read_bytes(), parquet.read_bytes()


def _shipped(kind: str) -> list[Path]:
    return [find(kind, name) for name in names(kind)]  # type: ignore[arg-type]


def _spoil_file(good: list[Path], place: Path, rng: np.random.Generator) -> Path:
    source = good[int(rng.integers(len(good)))]
    target = place / source.name
    target.write_bytes(spoiled(source.read_bytes(), rng))
    return target


def _spoil_table(place: Path, rng: np.random.Generator) -> Path:
    target = place / "patients.csv"
    target.write_bytes(spoiled(_tables()[0], rng))
    return target


def _spoil_parquet(place: Path, rng: np.random.Generator) -> Path:
    target = place / "patients.parquet"
    target.write_bytes(spoiled(_tables()[1], rng))
    return target


def _spoil_model(folders: list[Path], place: Path, rng: np.random.Generator) -> Path:
    """A model folder with one spoiled file; every other time its digests are made to fit, so that
    what lies behind them is met.
    """
    folder = place / "model"
    shutil.copytree(folders[int(rng.integers(len(folders)))], folder)
    files = sorted(folder.iterdir())
    file = files[int(rng.integers(len(files)))]
    raw = file.read_bytes()
    if file.suffix == ".gz" and rng.random() < 0.7:
        raw = gzip.compress(spoiled(gzip.decompress(raw), rng), mtime=0)
    else:
        raw = spoiled(raw, rng)
    file.write_bytes(raw)
    if rng.random() < 0.5:
        _fit_digests(folder, file)
    return folder


def _fit_digests(folder: Path, file: Path) -> None:
    """Manifest, and what else holds the digest of a file, as if the file had been written so."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for name in ("bedside.json", "manifest.json"):
        place = folder / name
        try:
            tree = json.loads(place.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            return
        if not isinstance(tree, dict):
            return
        holder = tree.get("files", tree)
        if isinstance(holder, dict) and file.name in holder and file.name != name:
            holder[file.name] = digest
            place.write_text(json.dumps(tree), encoding="utf-8")
            if name == "bedside.json":
                _fit_digests(folder, place)


def _read_model(folder: Path) -> object:
    model = load_model(folder)
    return model, load_companions(folder, model=model)
