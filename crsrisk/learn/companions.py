"""Companions: what stands beside a saved model so that a bedside page can be made from the folder alone.

``bedside.json``: a reference patient and the ranges of each product's training patients, the name of the neighbouring
model for grade 3 or more, and the hash of ``refits.json`` (:mod:`crsrisk.learn.refits`). A model without them still
predicts; its page then says what is missing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.domain.assumptions import Strict
from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import columns_needed, numbers_of, words_of
from crsrisk.learn.booster_text import LARGEST_TEXT
from crsrisk.learn.refits import Refits, read_refits, refits_tree
from crsrisk.learn.store import load_model
from crsrisk.read.files import write_text
from crsrisk.read.strict_yaml import build

BEDSIDE, REFITS = "bedside.json", "refits.json"
FORMAT = "crsrisk bedside 1"
LOW, HIGH = 0.1, 0.9  # quantiles that stand for a low and a high value
_DIGITS = 3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")


class ReferenceGroup(Strict):
    """Training patients of one product: the typical one (medians, and what most have), low and high values, and which
    words and flags occurred."""

    n_patients: int
    typical: dict[str, bool | float | str | None]
    low: dict[str, float]
    high: dict[str, float]
    seen: dict[str, list[bool | str]]


class _Bedside(Strict):
    format: str
    model: str
    grade3plus: str | None
    reference: dict[str, ReferenceGroup]
    refits_sha256: str | None


@dataclass(frozen=True, eq=False)
class Companions:
    """What was found beside a model; ``grade3plus`` is the neighbouring model, ``grade3plus_refits`` its refits."""

    reference: Mapping[str, ReferenceGroup] = field(default_factory=dict)
    refits: Refits | None = None
    grade3plus: RiskModel | None = None
    grade3plus_refits: Refits | None = None


def reference_groups(model: RiskModel, training: pd.DataFrame) -> dict[str, ReferenceGroup]:
    """The reference of every product among the training patients: medians and quantiles, nothing of a single patient."""
    kinds = {column.name: column.kind for column in model.contract.columns}
    names = columns_needed(model.contract.feature_names)
    return {str(product): _group(rows, {name: kinds[name] for name in names})
            for product, rows in training.groupby("product", sort=True)}


def _group(rows: pd.DataFrame, kinds: Mapping[str, str]) -> ReferenceGroup:
    typical: dict[str, bool | float | str | None] = {}
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    seen: dict[str, list[bool | str]] = {}
    for name, kind in kinds.items():
        if kind == "word":
            words = [str(word) for word in words_of(rows, column=name) if word]
            typical[name] = max(sorted(set(words)), key=words.count) if words else None
            seen[name] = list(sorted(set(words)))
            continue
        values = numbers_of(rows, column=name)
        values = values[~np.isnan(values)]
        if kind == "flag":
            typical[name] = bool(values.mean() >= 0.5) if len(values) else None
            seen[name] = [value for value in (False, True) if (values == value).any()]
        elif len(values):
            low[name], typical[name], high[name] = (_short(np.quantile(values, q)) for q in (LOW, 0.5, HIGH))
        else:
            typical[name] = None
    return ReferenceGroup(n_patients=len(rows), typical=typical, low=low, high=high, seen=seen)


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def save_companions(
    folder: str | Path, *, model: RiskModel, reference: Mapping[str, ReferenceGroup], refits: Refits | None,
    grade3plus: str | None = None,
) -> None:
    """Write the companions into the folder of a saved model.

    ``grade3plus`` is the name of the folder beside it that holds the model for grade 3 or more. Call it after
    :func:`crsrisk.learn.store.save_model`, which replaces the whole folder.
    """
    digest = None
    if refits is not None:
        text = json.dumps(refits_tree(refits), separators=(",", ":"), allow_nan=False) + "\n"
        write_text(Path(folder) / REFITS, text)
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    made = _Bedside(format=FORMAT, model=model.label, grade3plus=grade3plus, reference=dict(reference), refits_sha256=digest)
    write_text(Path(folder) / BEDSIDE, made.model_dump_json(indent=1) + "\n")


def load_companions(folder: str | Path, *, model: RiskModel) -> Companions:
    """Read what stands beside a model; nothing there gives nothing, anything changed or broken :class:`InputError`."""
    place = Path(folder)
    if not (place / BEDSIDE).is_file():
        return Companions()
    found = build(_Bedside, _tree(place / BEDSIDE), where=BEDSIDE)
    if found.format != FORMAT or found.model != model.label:
        raise _bad(BEDSIDE, "model", f"{found.format}, of {found.model}")
    refits = None
    if found.refits_sha256 is not None:
        refits = read_refits(_tree(place / REFITS, digest=found.refits_sha256), where=REFITS, model=model)
    if found.grade3plus is None:
        return Companions(found.reference, refits)
    if not _NAME.fullmatch(found.grade3plus) or model.contract.outcome == "crs_grade3plus":  # else: models in a ring
        raise _bad(BEDSIDE, "grade3plus", found.grade3plus)
    beside = place.resolve().parent / found.grade3plus
    severe = load_model(beside)
    if severe.contract.outcome != "crs_grade3plus":
        raise _bad(BEDSIDE, "grade3plus", f"a model of {severe.contract.outcome}")
    return Companions(found.reference, refits, severe, load_companions(beside, model=severe).refits)


def _tree(place: Path, *, digest: str | None = None) -> Any:
    try:
        if place.stat().st_size > LARGEST_TEXT:
            raise _bad(place.name, "size", f"more than {LARGEST_TEXT} bytes")
        raw = place.read_bytes()
        if digest is not None and hashlib.sha256(raw).hexdigest() != digest:
            raise _bad(place.name, "SHA-256", "another hash than the one in bedside.json")
        return json.loads(raw)
    except OSError as problem:
        raise _bad(place.name, "file", problem.strerror or "no readable file") from problem
    except (ValueError, RecursionError) as problem:
        raise _bad(place.name, "file", "no valid JSON") from problem


def _bad(where: str, key: str, found: str) -> InputError:
    return InputError(where=where, key=key, found=found, expected="the file as it was saved with the model",
                      cure="take the model folder as it was saved, or make it again")
