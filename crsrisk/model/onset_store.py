"""Onset on disk: two more files in the folder of its risk model, text and JSON, each with a hash.

``onset.txt.gz`` (trees as LightGBM text) and ``onset.json`` (features, doses, how it was made, the
hash of the trees, and that of the risk model they stand on). Beside another risk model, or changed,
they are refused. The manifest names both.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from crsrisk.data.assumptions import Strict
from crsrisk.data.files import gunzipped, gzipped
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.model.booster_text import LARGEST_TEXT
from crsrisk.model.forest import forest_of
from crsrisk.model.onset import OnsetContract, OnsetModel, onset_features
from crsrisk.model.risk_model import RiskModel, risk_digest
from crsrisk.model.store import ONSET as ONSET
from crsrisk.model.store import ONSET_TREES as ONSET_TREES
from crsrisk.model.store import add_files, load_model

FORMAT = "crsrisk onset 1"


class _Written(Strict):
    format: str
    model: str
    risk_model_sha256: str
    trees_sha256: str
    contract: OnsetContract


def save_onset(folder: str | Path, onset: OnsetModel) -> None:
    """Write the onset beside its risk model, which stands in the folder already.

    Raises
    ------
    InputError
        Where the folder holds another risk model.
    """
    place = Path(folder)
    _check_same(load_model(place), onset.risk_model)
    packed = gzipped(onset.booster_text)
    written = _Written(
        format=FORMAT,
        model=onset.label,
        risk_model_sha256=risk_digest(onset.risk_model),
        trees_sha256=hashlib.sha256(packed).hexdigest(),
        contract=onset.contract,
    )
    content = f"{written.model_dump_json(indent=1)}\n".encode()
    add_files(place, {ONSET_TREES: packed, ONSET: content})


def has_onset(folder: str | Path) -> bool:
    """Whether a model's folder holds an onset."""
    return (Path(folder) / ONSET).is_file()


def load_onset(name_or_folder: str | Path) -> OnsetModel:
    """A risk model with its onset, checked.

    Parameters
    ----------
    name_or_folder : folder that :func:`save_onset` wrote to, or the name of a release with onset.

    Raises
    ------
    InputError
        For a folder without onset, and for anything changed or broken in it.
    """
    folder = find("released", name_or_folder)
    model = load_model(folder)
    if not has_onset(folder):
        raise InputError(
            where=str(folder),
            found=f"no {ONSET}",
            expected="a model with its onset",
            cure=f"make one: crsrisk onset train {folder.name} --out my/onset",
        )
    try:
        read = _Written.model_validate_json(_bytes(folder / ONSET))
    except ValueError as problem:
        raise _bad(ONSET, "content", type(problem).__name__) from problem
    if read.format != FORMAT:
        raise _bad(ONSET, "format", read.format)
    if read.model != model.label or read.risk_model_sha256 != risk_digest(model):
        raise _bad(ONSET, "risk model", f"onset of {read.model} beside another {model.label}")
    names = read.contract.feature_names
    if names != model.contract.feature_names or len(read.contract.fill) != len(names):
        raise _bad(ONSET, "feature_names", "other features than the risk model's")
    packed = _bytes(folder / ONSET_TREES)
    if hashlib.sha256(packed).hexdigest() != read.trees_sha256:
        raise _bad(ONSET_TREES, "SHA-256", f"another hash than the one in {ONSET}")
    try:
        text = gunzipped(packed, most=LARGEST_TEXT)
    except ValueError as problem:
        raise _bad(ONSET_TREES, "content", str(problem)) from problem
    forest_of(text, feature_names=onset_features(names))
    return OnsetModel(risk_model=model, contract=read.contract, booster_text=text)


def _check_same(there: RiskModel, wanted: RiskModel) -> None:
    if there.label != wanted.label or risk_digest(there) != risk_digest(wanted):
        raise InputError(
            where=there.label,
            found="another risk model than the onset was fitted to",
            expected=f"{wanted.label} itself",
            cure="save the risk model to this folder first",
        )


def _bytes(place: Path) -> bytes:
    try:
        if place.stat().st_size > LARGEST_TEXT:
            raise _bad(place.name, "size", f"more than {LARGEST_TEXT} bytes")
        return place.read_bytes()
    except OSError as problem:
        raise _bad(place.name, "file", problem.strerror or "no readable file") from problem


def _bad(where: str, key: str, found: str) -> InputError:
    return InputError(
        where=where,
        key=key,
        found=found,
        expected="the file as it was saved with the model",
        cure="take the model folder as it was saved, or make its onset again",
    )
