"""Companions: the files beside a saved model, so that a patient can be explained from the folder
alone.

``bedside.json``: a reference patient and the ranges of each product's training patients, what
assumptions leave open of the model's risks (:mod:`crsrisk.model.world_spread`), the name of the
neighbouring model for grade 3 or more, and the hash of ``refits.json.gz``
(:mod:`crsrisk.model.refits`). A model without them still predicts; its page then says what is
missing.

After an update they are carried over (:mod:`crsrisk.model.carry_over`) as far as they are still
true of the updated model. Refits are refits of its trees. A recalibration leaves the trees, so the
refits stay, each recalibrated in a resample of the update's patients: their spread then holds the
sample of the development and that of the update. A refit of the model has refits of its own.
Boosting adds trees that the old refits do not have: none are kept. Reference patients are values,
and stay unless all is refitted; the model for grade 3 or more was not updated and does not stand
beside. What assumptions leave open was learnt of the model before, and stays only where nothing was
changed.
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
from numpy.typing import NDArray

from crsrisk.data.assumptions import Strict
from crsrisk.data.disclosure import frequent_words, inner_share, is_told, rounded_outwards
from crsrisk.data.files import gunzipped, gzipped
from crsrisk.data.json_text import json_tree
from crsrisk.data.yaml_files import build
from crsrisk.errors import InputError
from crsrisk.model.additive import quantile
from crsrisk.model.booster_text import LARGEST_TEXT
from crsrisk.model.features import columns_needed, numbers_of, words_of
from crsrisk.model.median_patient import typical_value
from crsrisk.model.refits import Refits, read_refits, refits_tree
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import BEDSIDE as BEDSIDE
from crsrisk.model.store import REFITS as REFITS
from crsrisk.model.store import add_files, load_model
from crsrisk.model.world_spread import WorldSpread

FORMAT = "crsrisk bedside 1"
LOW = 0.1  # share of patients below a low value, and above a high one
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")
# new patients of a product from which on their medians may stand beside a model: nothing of a
# single one
FEWEST = 20

Floats = NDArray[np.float64]


class ReferenceGroup(Strict):
    """Training patients of one product: the typical one (medians, and what most have), low and high
    values, and which words and flags ten of them had. ``pooled``: in a model of a former version,
    the platform whose patients they are, where the product had too few of its own.
    """

    n_patients: int
    typical: dict[str, bool | float | str | None]
    low: dict[str, float]
    high: dict[str, float]
    seen: dict[str, list[bool | str]]
    pooled: str = ""


class _Bedside(Strict):
    format: str
    model: str
    grade3plus: str | None
    reference: dict[str, ReferenceGroup]
    refits_sha256: str | None
    worlds: WorldSpread | None = None


@dataclass(frozen=True, eq=False)
class Companions:
    """What stands beside a model.

    ``reference`` by product, ``refits`` of the model, ``worlds`` what assumptions leave open of its
    risks, ``grade3plus`` the neighbouring model for grade 3 or more with ``grade3plus_refits`` and
    ``grade3plus_worlds``; each may be lacking.
    """

    reference: Mapping[str, ReferenceGroup] = field(default_factory=dict)
    refits: Refits | None = None
    grade3plus: RiskModel | None = None
    grade3plus_refits: Refits | None = None
    worlds: WorldSpread | None = None
    grade3plus_worlds: WorldSpread | None = None


def reference_groups(
    model: RiskModel, training: pd.DataFrame, *, sample_weight: Floats | None = None
) -> dict[str, ReferenceGroup]:
    """The reference of every product among the training patients: medians and quantiles, nothing of
    a single patient. ``sample_weight`` (patients,): how many patients each stands for.

    A product of fewer than ten patients has none, and is not named.
    """
    kinds = {column.name: column.kind for column in model.contract.columns}
    names = {name: kinds[name] for name in columns_needed(model.contract.feature_names)}
    ones: Floats = np.ones(len(training))
    weight = pd.Series(ones if sample_weight is None else sample_weight, index=training.index)
    groups = {}
    words = words_of(training, column="product")
    for product in frequent_words(words):
        rows = training[words == product]
        groups[product] = _group(rows, names, weight=np.asarray(weight.loc[rows.index], np.float64))
    return groups


def _group(rows: pd.DataFrame, kinds: Mapping[str, str], *, weight: Floats) -> ReferenceGroup:
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    seen: dict[str, list[bool | str]] = {}
    for name, kind in kinds.items():
        if kind == "word":
            seen[name] = list(frequent_words(words_of(rows, column=name)))
            continue
        values = numbers_of(rows, column=name)
        is_known = ~np.isnan(values)
        values, known_weight = values[is_known], weight[is_known]
        if kind == "flag":
            seen[name] = [v for v in (False, True) if is_told(int((values == v).sum()))]
        elif (share := inner_share(LOW, n=len(values))) is not None:
            ends = quantile(values, np.array([share, 1.0 - share]), sample_weight=known_weight)
            low[name], high[name] = rounded_outwards(*ends.tolist())
    typical = {
        name: typical_value(rows, name, kind=kind, weight=weight) for name, kind in kinds.items()
    }
    return ReferenceGroup(n_patients=len(rows), typical=typical, low=low, high=high, seen=seen)


def save_companions(
    folder: str | Path,
    *,
    model: RiskModel,
    reference: Mapping[str, ReferenceGroup],
    refits: Refits | None,
    grade3plus: str | None = None,
    worlds: WorldSpread | None = None,
) -> None:
    """Write the companions into the folder of a saved model.

    ``grade3plus`` is the name of the folder beside it that holds the model for grade 3 or more.
    Call it after :func:`crsrisk.model.store.save_model`, which replaces the whole folder.
    """
    digest, contents = None, {}
    if refits is not None:
        text = json.dumps(refits_tree(refits), separators=(",", ":"), allow_nan=False) + "\n"
        packed = gzipped(text)
        contents[REFITS] = packed
        digest = hashlib.sha256(packed).hexdigest()
    written = _Bedside(
        format=FORMAT,
        model=model.label,
        grade3plus=grade3plus,
        reference=dict(reference),
        refits_sha256=digest,
        worlds=worlds,
    )
    contents[BEDSIDE] = f"{written.model_dump_json(indent=1)}\n".encode()
    add_files(Path(folder), contents)


def load_companions(
    folder: str | Path, *, model: RiskModel, has_neighbour: bool = True
) -> Companions:
    """Read what stands beside a model; nothing there gives nothing, anything changed or broken
    :class:`InputError`. ``has_neighbour``: whether the model for grade 3 or more is read too.
    """
    place = Path(folder)
    if not (place / BEDSIDE).is_file():
        return Companions()
    read = build(_Bedside, _tree(place / BEDSIDE), where=BEDSIDE)
    if read.format != FORMAT or read.model != model.label:
        raise _bad(BEDSIDE, "model", f"{read.format}, of {read.model}")
    refits = None
    if read.refits_sha256 is not None:
        refits = read_refits(
            _tree(place / REFITS, digest=read.refits_sha256), where=REFITS, model=model
        )
    if read.grade3plus is None or not has_neighbour:
        return Companions(read.reference, refits, worlds=read.worlds)
    # else: models in a ring
    if not _NAME.fullmatch(read.grade3plus) or model.contract.outcome == "crs_grade3plus":
        raise _bad(BEDSIDE, "grade3plus", read.grade3plus)
    beside = place.resolve().parent / read.grade3plus
    severe = load_model(beside)
    if severe.contract.outcome != "crs_grade3plus":
        raise _bad(BEDSIDE, "grade3plus", f"a model of {severe.contract.outcome}")
    its = load_companions(beside, model=severe)
    return Companions(read.reference, refits, severe, its.refits, read.worlds, its.worlds)


def _tree(place: Path, *, digest: str | None = None) -> Any:
    try:
        if place.stat().st_size > LARGEST_TEXT:
            raise _bad(place.name, "size", f"more than {LARGEST_TEXT} bytes")
        raw = place.read_bytes()
        if digest is not None and hashlib.sha256(raw).hexdigest() != digest:
            raise _bad(place.name, "SHA-256", "another hash than the one in bedside.json")
        packed = place.suffix == ".gz"
        return json_tree(gunzipped(raw, most=LARGEST_TEXT) if packed else raw)
    except OSError as problem:
        raise _bad(place.name, "file", problem.strerror or "no readable file") from problem
    except ValueError as problem:
        raise _bad(place.name, "file", f"no valid JSON ({problem})") from problem


def _bad(where: str, key: str, found: str) -> InputError:
    return InputError(
        where=where,
        key=key,
        found=found,
        expected="the file as it was saved with the model",
        cure="take the model folder as it was saved, or make it again",
    )
