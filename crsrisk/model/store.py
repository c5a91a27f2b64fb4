"""Store: a model as a folder of plain files, with a hash of each; nothing in it is ever unpickled.

``booster.txt.gz`` (LightGBM's text, which ``gzip -dc`` shows), ``contract.json``,
``calibrator.json`` and ``manifest.json`` (SHA-256 of the others as they lie there, version, how it
was made); ``applicability.json.gz``, by which a row too far from the training patients is known
(:mod:`crsrisk.model.applicability`), and what else stands beside a model
(:mod:`crsrisk.model.companions`, :mod:`crsrisk.model.onset_store`), where it has them. Loading
checks the manifest, every hash and the structure of every tree: the hashes find accidents, the
structure check also stops a file that was changed together with its hash. Files of somebody else
may lie in the folder; none is read. A *released* model (:mod:`crsrisk.model.release`) is such a
folder whose manifest names every file in it; nothing is written over it.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crsrisk.data.assumptions import Strict
from crsrisk.data.file_locks import sole_writer
from crsrisk.data.files import gunzipped, gzipped, write_bytes, write_json
from crsrisk.data.json_text import json_tree
from crsrisk.data.provenance import Patients
from crsrisk.data.risk_model import Calibrator, FeatureContract, MedianPatient, ModelClass
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find
from crsrisk.model.applicability import Applicability
from crsrisk.model.booster_text import LARGEST_TEXT
from crsrisk.model.features import columns_needed
from crsrisk.model.forest import forest_of
from crsrisk.model.risk_model import RiskModel

BOOSTER, CONTRACT, CALIBRATOR, MANIFEST = (
    "booster.txt.gz",
    "contract.json",
    "calibrator.json",
    "manifest.json",
)
APPLICABILITY = "applicability.json.gz"
# beside a model: :mod:`crsrisk.model.companions` and :mod:`crsrisk.model.onset_store`
BEDSIDE, REFITS = "bedside.json", "refits.json.gz"
ONSET, ONSET_TREES = "onset.json", "onset.txt.gz"
_RELEASE = "crsrisk release "  # and the number of the layout
MODEL_FORMAT, RELEASE_FORMAT = "crsrisk model 3", f"{_RELEASE}2"
_NEEDED = (BOOSTER, CONTRACT, CALIBRATOR)
# what is read of a folder, apart from the manifest
READ = (*_NEEDED, APPLICABILITY, BEDSIDE, REFITS, ONSET, ONSET_TREES)
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,80}")

Noun = TypeVar("Noun", bound=BaseModel)


class _Made(Strict):
    """How a model was made, as far as it is known; what else a maker wrote is not read."""

    model_config = ConfigDict(extra="allow")

    patients: tuple[Patients, ...] = ()
    seed: int | None = None
    n_patients: int = Field(default=0, ge=0)
    n_events: int = Field(default=0, ge=0)
    observed_sha256: str = ""
    outcome_sha256: str = ""
    stages: tuple[str, ...] = ()
    model_class: ModelClass | None = None
    n_trees: int = Field(default=0, ge=0)
    n_trees_in_all: int = Field(default=0, ge=0)
    cv_log_loss: float | None = None
    learner: dict[str, bool | int | float | str] = Field(default_factory=dict)
    made_with: dict[str, str] = Field(default_factory=dict)
    training: str = ""
    tuning: dict[str, Any] | None = None
    update: dict[str, Any] = Field(default_factory=dict)


class _Manifest(Strict):
    """What ``manifest.json`` holds."""

    format: Literal["crsrisk model 3", "crsrisk release 2"]
    model: str
    version: str
    made: _Made
    files: dict[str, str]


def save_model(model: RiskModel, folder: str | Path) -> Path:
    """Write a model as a folder, wholly or not at all; a model that stood there is replaced.

    Raises :class:`OutputError` when the folder holds anything but a model, or cannot be written.
    """
    with model_folder(folder) as beside:
        write_model(model, beside)
    return Path(folder)


@contextmanager
def model_folder(folder: str | Path) -> Iterator[Path]:
    """Make a model's folder wholly or not at all: yields a folder beside it, which takes its place
    at the end, as :func:`folder_beside`.

    Raises
    ------
    OutputError
        When the folder holds anything but a model, cannot be written, or another process writes it.
    """
    folder = Path(folder)
    check_model_folder(folder)
    with folder_beside(folder) as beside:
        yield beside
        replace_folder(beside, folder)


@contextmanager
def folder_beside(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is to be made, gone at the end unless it took its place
    (:func:`replace_folder`). Whatever fails in between, and a process that is killed, leave what
    stood there; the next writer clears up.

    Raises
    ------
    OutputError
        When the folder cannot be written, or another process writes it.
    """
    with sole_writer(folder):
        _clear_parts(folder)
        beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        try:
            beside.mkdir(parents=True)
            yield beside
        except OSError as problem:
            raise OutputError(
                where=str(folder),
                found=problem.strerror or str(problem),
                expected="a folder that can be written",
                cure="choose another folder",
            ) from problem
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _clear_parts(folder: Path) -> None:
    """Remove what killed writers of the folder left; call it as the only writer."""
    for part in folder.parent.glob(f".{glob.escape(folder.name)}.{'?' * 8}.part"):
        shutil.rmtree(part, ignore_errors=True)


def check_model_folder(folder: Path) -> None:
    """Refuse a place where no model may be saved: with anything but a model in it, or a released
    one, which never changes.
    """
    if folder.exists() and not (folder.is_dir() and (folder / MANIFEST).is_file()):
        raise OutputError(
            where=str(folder),
            found="something that is no model",
            cure="choose another folder",
            expected="a new folder, or one that holds a model",
        )
    if folder.exists() and is_released(folder):
        raise OutputError(
            where=str(folder),
            found="a released model, which never changes",
            cure="choose another folder",
            expected="a new folder, or one that holds a model of your own",
        )


def load_model(name_or_folder: str | Path) -> RiskModel:
    """A released model by its name, or a saved model from its folder, checked.

    Parameters
    ----------
    name_or_folder : ``"baseline-0.1.0"``, or the folder that a model was saved to.

    Raises
    ------
    InputError
        For an unknown name, and for anything changed, lost or broken in the folder.

    Examples
    --------
    >>> load_model("baseline-0.1.0").label
    'baseline-0.1.0'
    """
    folder = find("released", name_or_folder)
    manifest = _manifest(folder)
    files = manifest["files"]
    contents = {name: _checked(folder, name, expected=files[name]) for name in sorted(files)}
    texts = {
        name: _text(name, contents[name]) for name in (*_NEEDED, APPLICABILITY) if name in contents
    }
    _check_unknown(folder, files, is_release=manifest["format"] == RELEASE_FORMAT)
    contract = _with_median_patients(
        _noun(FeatureContract, texts[CONTRACT], where=CONTRACT), folder
    )
    if missing := set(columns_needed(contract.feature_names)) - {
        column.name for column in contract.columns
    }:
        raise _bad(
            CONTRACT, ", ".join(sorted(missing)), "every column that the features are made of"
        )
    forest_of(texts[BOOSTER], feature_names=contract.feature_names)
    summary = None
    if APPLICABILITY in texts:
        summary = _noun(Applicability, texts[APPLICABILITY], where=APPLICABILITY)
        if strange := set(summary.columns) - set(contract.column_names):
            raise _bad(APPLICABILITY, ", ".join(sorted(strange)), "columns of the contract")
    return RiskModel(
        contract=contract,
        booster_text=texts[BOOSTER],
        calibrator=_noun(Calibrator, texts[CALIBRATOR], where=CALIBRATOR),
        version=manifest["version"],
        manifest=manifest["made"],
        applicability=summary,
    )


def _with_median_patients(contract: FeatureContract, folder: Path) -> FeatureContract:
    """The contract with the median patients of products that a folder of a former version has
    beside the model; one that has its own stays.
    """
    if contract.median_patients or not (folder / BEDSIDE).is_file():
        return contract
    try:
        beside = json.loads(_text(BEDSIDE, _read(folder, BEDSIDE)))["reference"]
        found = tuple(
            MedianPatient(
                group="product", name=name, n_patients=told["n_patients"], values=told["typical"]
            )
            for name, told in beside.items()
        )
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as problem:
        raise _bad(BEDSIDE, "no reference patients", "the file as it was saved") from problem
    return contract.model_copy(update={"median_patients": found})


def is_released(folder: Path) -> bool:
    """Whether a folder says of itself that it is a released model."""
    try:
        told = json_tree(_read(folder, MANIFEST))["format"]
        # of any layout: a release of a former one is not written over either
        return isinstance(told, str) and told.startswith(_RELEASE)
    except (InputError, ValueError, KeyError, TypeError):
        return False


def freeze(folder: Path) -> None:
    """Make a saved model a released one: a manifest of every file in the folder. Raises
    :class:`InputError` for others.
    """
    manifest = _manifest(folder)
    files = {name: _digest(_read(folder, name)) for name in _listing(folder)}
    write_json(folder / MANIFEST, {**manifest, "format": RELEASE_FORMAT, "files": files})


def _listing(folder: Path) -> list[str]:
    """Names of the files of a release, apart from the manifest; anything but plain files raises
    :class:`InputError`.
    """
    names = []
    for place in sorted(folder.iterdir()):
        if place.is_symlink() or not place.is_file() or not _FILE_NAME.fullmatch(place.name):
            raise _bad(
                place.name,
                "no plain file of a plain name",
                "the files that were released, nothing else",
            )
        if place.name != MANIFEST:
            names.append(place.name)
    return names


def _check_unknown(folder: Path, files: Mapping[str, str], *, is_release: bool) -> None:
    """No file that would be read, and in a release no file at all, is unknown to the manifest."""
    there = _listing(folder) if is_release else [name for name in READ if (folder / name).exists()]
    if unknown := sorted(set(there) - set(files)):
        raise _bad(
            ", ".join(unknown),
            "a file that the manifest does not know",
            "the files that were saved",
        )


def write_model(model: RiskModel, folder: Path) -> None:
    """Write the files of a model and their manifest into a new folder."""
    contents = {
        BOOSTER: gzipped(model.booster_text),
        CONTRACT: _json(model.contract),
        CALIBRATOR: _json(model.calibrator),
    }
    if model.applicability is not None:
        contents[APPLICABILITY] = gzipped(model.applicability.model_dump_json() + "\n")
    for name, content in contents.items():
        write_bytes(folder / name, content)
    write_json(
        folder / MANIFEST,
        {
            "format": MODEL_FORMAT,
            "model": model.label,
            "version": model.version,
            "made": dict(model.manifest),
            "files": {name: _digest(content) for name, content in contents.items()},
        },
    )


def add_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files beside a model that was written, and put them into its manifest."""
    manifest = _manifest(folder)
    for name, content in contents.items():
        write_bytes(folder / name, content)
    digests = {name: _digest(content) for name, content in contents.items()}
    write_json(folder / MANIFEST, {**manifest, "files": {**manifest["files"], **digests}})


def replace_folder(beside: Path, folder: Path) -> None:
    """Put the new folder where the old one stood; the old one goes only when the new one is
    there.
    """
    old = beside.with_suffix(".old")
    had_one = folder.exists()
    if had_one:
        os.replace(folder, old)
    try:
        os.replace(beside, folder)
    except OSError:
        if had_one:
            os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _json(noun: BaseModel) -> bytes:
    return f"{noun.model_dump_json(indent=2)}\n".encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bad(where: str, found: object, expected: str, *, key: str = "") -> InputError:
    return InputError(
        where=where,
        key=key,
        found=found,
        expected=expected,
        cure="take the model folder as it was saved, or fit the model again",
    )


def _read(folder: Path, name: str) -> bytes:
    place = folder / name
    try:
        if not place.is_file():  # a pipe would be waited for
            raise FileNotFoundError(2, "no such file")
        if place.stat().st_size > LARGEST_TEXT:
            raise _bad(name, f"{place.stat().st_size} bytes", f"at most {LARGEST_TEXT}")
        return place.read_bytes()
    except OSError as problem:
        raise InputError(
            where=str(place),
            found=problem.strerror or "no readable file",
            expected="a file of a model",
            cure="give the folder that the model was saved to",
        ) from problem


def _text(name: str, content: bytes) -> str:
    """What a file says, unpacked where it is packed."""
    try:
        if name.endswith(".gz"):
            return gunzipped(content, most=LARGEST_TEXT)
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise _bad(name, "bytes that are no text", "UTF-8 text") from problem
    except ValueError as problem:
        raise _bad(name, str(problem), "the file as it was saved") from problem


def _checked(folder: Path, name: str, *, expected: str) -> bytes:
    content = _read(folder, name)
    if _digest(content) != expected:
        raise _bad(
            name, "another hash than the manifest's", "the file as it was saved", key="SHA-256"
        )
    return content


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        tree = json_tree(_read(folder, MANIFEST))
    except ValueError as problem:
        raise _bad(MANIFEST, "no valid JSON", "the manifest of a model") from problem
    if not isinstance(tree, dict) or set(tree) != set(_Manifest.model_fields):
        raise _bad(MANIFEST, "other keys", ", ".join(_Manifest.model_fields))
    if tree["format"] not in (MODEL_FORMAT, RELEASE_FORMAT):
        raise InputError(
            where=MANIFEST,
            key="format",
            found=repr(tree["format"])[:40],
            expected=f"{MODEL_FORMAT!r} or {RELEASE_FORMAT!r}",
            cure=(
                "make the model anew with this version of crsrisk (`crsrisk train` or `crsrisk"
                " run`, then `crsrisk release`), or use it with the version that wrote the folder"
            ),
        )
    _noun(_Manifest, json.dumps(tree), where=MANIFEST)
    files, is_release = tree["files"], tree["format"] == RELEASE_FORMAT
    if not set(files) >= set(_NEEDED) or not (is_release or set(files) <= set(READ)):
        raise _bad(MANIFEST, "other files", ", ".join(READ), key="files")
    if MANIFEST in files or not all(map(_FILE_NAME.fullmatch, files)):
        raise _bad(
            MANIFEST,
            "names that are no files of a model",
            "plain names with their hashes",
            key="files",
        )
    return tree


def _noun(kind: type[Noun], text: str, *, where: str) -> Noun:
    try:
        return kind.model_validate_json(text)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise _bad(
            where,
            first["type"],
            "the file as it was saved",
            key=".".join(str(part) for part in first["loc"]),
        ) from problem
