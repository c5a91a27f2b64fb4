"""Release: freeze a saved model, with all that explaining it needs, under a name and a version that
never change.

A release is a folder ``NAME-VERSION`` of plain files: booster, contract, calibrator, what stands
beside the model (:mod:`crsrisk.model.companions`), its card, and a manifest with the SHA-256 of
each (:func:`crsrisk.model.store.load_model` verifies all of them). The neighbouring model for grade
3 or more is released with it; of a model without one, pages say that grade 3 or more is not
available. Releases ship with the package and stay in the history of every clone, so a large one is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crsrisk.data.files import write_text
from crsrisk.data.json_text import json_tree
from crsrisk.errors import InputError, OutputError
from crsrisk.model.companions import BEDSIDE, Companions, load_companions, save_companions
from crsrisk.model.onset import OnsetModel
from crsrisk.model.onset_store import has_onset, load_onset, save_onset
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import (
    MANIFEST,
    READ,
    folder_beside,
    freeze,
    load_model,
    replace_folder,
    write_model,
)

MOST_BYTES = 5_000_000  # of one release
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){1,3}([a-z.+-][a-z0-9.]{0,20})?")
_CARDS = ("card.json", "card.md")
_TEXTS = {".json", ".md", ".csv", ".yaml", ".txt", ".html"}  # files of others that go with a model

Cards = Callable[[RiskModel, Companions], Mapping[str, str]]


@dataclass(frozen=True)
class Release:
    """One released folder; ``is_new`` is False when the same content stood there already."""

    folder: Path
    is_new: bool
    n_bytes: int


def release(
    source: str | Path,
    *,
    out: Path,
    cards: Cards,
    name: str | None = None,
    version: str | None = None,
) -> list[Release]:
    """Release the model of folder ``source`` into ``out``/NAME-VERSION, and before it its neighbour
    for grade 3 or more, where it has one.

    ``name`` and ``version`` replace those of the model. ``cards`` makes the texts of card.json and
    card.md where the model brings none. Raises :class:`InputError` for a model that lacks what
    explaining needs or is too large, and :class:`OutputError` when another content already bears
    that name and version: nothing is ever overwritten.
    """
    source = Path(source)
    model = load_model(source)
    companions = load_companions(source, model=model)
    _refuse_incomplete(source, companions)
    old, model = model.label, _renamed(model, name=name, version=version)
    releases: list[Release] = []
    neighbour = None
    if companions.grade3plus is not None:
        beside = json_tree((source / BEDSIDE).read_text(encoding="utf-8"))["grade3plus"]
        releases = release(source.resolve().parent / beside, out=out, cards=cards, version=version)
        neighbour = releases[0].folder.name
    others = _others(source)
    if not set(_CARDS) & set(others):
        others.update(cards(model, companions))
    for card in set(_CARDS) & set(others):  # a card speaks of its model by name and version
        others[card] = others[card].replace(old, model.label)
    onset = load_onset(source) if has_onset(source) else None
    onset = onset and replace(onset, risk_model=model)
    return [
        *releases,
        _freeze(model, companions, others, out=out, neighbour=neighbour, onset=onset),
    ]


def _refuse_incomplete(source: Path, companions: Companions) -> None:
    """A released model must be explainable from its folder alone."""
    lacking = []
    if not companions.reference:
        lacking.append("a reference patient")
    if companions.refits is None:
        lacking.append("refits for its intervals")
    if lacking:
        raise InputError(
            where=str(source),
            found=f"a model without {', '.join(lacking)}",
            expected="a model with all that explaining it needs",
            cure=(
                "make it with `crsrisk train --grade3plus` or `crsrisk run`, which write them"
                " beside it"
            ),
        )


def _renamed(model: RiskModel, *, name: str | None, version: str | None) -> RiskModel:
    name, version = name or model.contract.name, version or model.version
    for key, value, pattern, example in (
        ("--name", name, _NAME, "baseline"),
        ("--version", version, _VERSION, "0.1.0"),
    ):
        if not pattern.fullmatch(value):
            raise InputError(
                where="release",
                key=key,
                found=repr(value),
                expected=f"a plain {key[2:]} like {example}",
                cure=f"give {key} {example}",
            )
    return replace(
        model, contract=model.contract.model_copy(update={"name": name}), version=version
    )


def _freeze(
    model: RiskModel,
    companions: Companions,
    others: Mapping[str, str],
    *,
    out: Path,
    neighbour: str | None,
    onset: OnsetModel | None,
) -> Release:
    """Write one release beside its place, compare it with what stands there, and move it in."""
    folder = out / model.label
    refits = companions.refits and replace(companions.refits, model=model.label)
    with folder_beside(folder) as beside:
        write_model(model, beside)
        save_companions(
            beside,
            model=model,
            reference=companions.reference,
            refits=refits,
            grade3plus=neighbour,
            worlds=companions.worlds,
        )
        if onset is not None:
            save_onset(beside, onset)
        for name, text in others.items():
            write_text(beside / name, text)
        freeze(beside)
        load_model(beside)
        n_bytes = sum(place.stat().st_size for place in beside.iterdir())
        if n_bytes > MOST_BYTES:
            raise InputError(
                where=model.label,
                found=f"{n_bytes / 1e6:.1f} MB",
                expected=f"at most {MOST_BYTES / 1e6:.0f} MB",
                cure="keep fewer refits, or refits of fewer trees, beside the model",
            )
        is_new = not folder.exists()
        if is_new:
            replace_folder(beside, folder)
        else:
            _refuse_other_content(folder, beside)
    return Release(folder, is_new, n_bytes)


def _others(source: Path) -> dict[str, str]:
    """What others wrote beside the model and goes with it: its card, ensemble risks, ... as
    texts.
    """
    places = [place for place in sorted(source.iterdir()) if place.name not in (*READ, MANIFEST)]
    for place in places:
        if place.is_symlink() or not place.is_file() or place.suffix not in _TEXTS:
            raise InputError(
                where=str(source),
                key=place.name,
                found="something that is no text file of a model",
                expected=f"files that end in {', '.join(sorted(_TEXTS))}",
                cure="move it elsewhere",
            )
    return {place.name: place.read_text(encoding="utf-8") for place in places}


def _refuse_other_content(folder: Path, beside: Path) -> None:
    standing = folder / MANIFEST
    if not standing.is_file() or standing.read_bytes() != (beside / MANIFEST).read_bytes():
        raise OutputError(
            where=str(folder),
            found="a release of another content",
            expected="a name and version that are free",
            cure="give it a new --version; a release never changes",
        )
    load_model(folder)
