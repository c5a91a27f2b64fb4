"""Where the data folders are: beside the package in a checkout, inside it (``_shipped``) in a
wheel.

A user names a product or scenario that ships with the package (``tarlatamab``), or gives the path
of a YAML file of his own, from any folder.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from crsrisk.errors import InputError

Kind: TypeAlias = Literal[
    "assumptions",
    "products",
    "populations",
    "mitigations",
    "scenarios",
    "policies",
    "evidence",
    "configs",
    "released",
    "experiments",
]

_PACKAGE = Path(__file__).resolve().parent
_SUFFIXES = (".yaml", ".yml")
# products that are found by name, but belong to no list of shipped ones
_EVIDENCE_ONLY = "evidence_only"


def _root() -> Path:
    """The folder that holds synthetic/, models/ and experiments/."""
    for place in (_PACKAGE.parent, _PACKAGE / "_shipped"):
        if (place / "synthetic" / "assumptions").is_dir():
            return place
    raise InputError(
        where=str(_PACKAGE),
        found="no folder synthetic/ in the package or beside it",
        expected="the data that ship with crsrisk",
        cure="install crsrisk again",
    )


def synthetic_folder() -> Path:
    """The folder synthetic/: assumptions, products, populations, mitigations, scenarios,
    evidence.
    """
    return _root() / "synthetic"


def models_folder() -> Path:
    """The folder models/: configurations and released models."""
    return _root() / "models"


def experiments_folder() -> Path:
    """The folder experiments/, one folder an experiment."""
    return _root() / "experiments"


def _folder(kind: Kind) -> Path:
    if kind == "experiments":
        return experiments_folder()
    return (models_folder() if kind in ("configs", "released") else synthetic_folder()) / kind


def names(kind: Kind) -> tuple[str, ...]:
    """The names of a kind that ship with the package, in alphabetical order.

    >>> all(name == name.lower() for name in names("products"))
    True
    """
    folder = _folder(kind)
    if not folder.is_dir():
        return ()
    if kind == "experiments":
        return tuple(sorted(place.parent.name for place in folder.glob("*/experiment.yaml")))
    if kind == "released":
        found = [place.name for place in folder.iterdir() if (place / "manifest.json").is_file()]
        return tuple(sorted(name for name in found if not name.startswith(".")))
    return tuple(sorted(place.stem for place in folder.glob("*.yaml")))


def evidence_only_products() -> tuple[str, ...]:
    """Products whose file serves only to compare the simulator with their trial, in alphabetical
    order.

    `find` knows them by name; ``names("products")``, and so an experiment that names no product,
    leaves them out.

    >>> set(evidence_only_products()).isdisjoint(names("products"))
    True
    """
    return tuple(
        sorted(place.stem for place in (_folder("products") / _EVIDENCE_ONLY).glob("*.yaml"))
    )


def find(kind: Kind, name_or_path: str | Path) -> Path:
    """The file of a name that ships with the package, or of a user's own path.

    ``kind`` is a folder name: "products", "scenarios", ... A text with a folder or a suffix in it
    (``./my.yaml``, ``trials/my_product.yaml``) is a path, anything else a name. An experiment is
    found by its name, its folder or its experiment.yaml; a model is a folder, or the name of a
    released one where no folder of that name is. What is not there raises :class:`InputError`, with
    the nearest names and how to add one.

    >>> find("products", "no_such_product")
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: products, no_such_product: found an unknown name ...
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind is one of {', '.join(get_args(Kind))}, not {kind!r}")
    text = str(name_or_path)
    path = Path(name_or_path).expanduser()
    if (
        isinstance(name_or_path, Path)
        or is_path(text, kind)
        or (kind == "released" and text and path.is_dir())
    ):
        found = path / "experiment.yaml" if kind == "experiments" and path.is_dir() else path
        if found.is_file() or (kind == "released" and found.is_dir()):
            return found
        problem = "a folder" if path.is_dir() else "no such file"
        raise _unknown(kind, text, found=problem, wanted=path.stem)
    if kind == "products" and text in evidence_only_products():
        return _folder(kind) / _EVIDENCE_ONLY / f"{text}.yaml"
    known = names(kind)
    if text in known:
        tail = {"experiments": f"{text}/experiment.yaml", "released": text}.get(
            kind, f"{text}.yaml"
        )
        return _folder(kind) / tail
    raise _unknown(kind, text, found=f"an unknown name {text!r}", wanted=text)


def is_path(text: str, kind: Kind = "products") -> bool:
    """Whether a text is the path of a file of a user's own, rather than a name that ships with the
    package.

    >>> is_path("my/renal_cell.yaml"), is_path("small_cell_lung")
    (True, False)
    """
    is_file = Path(text).suffix.lower() in _SUFFIXES and kind != "released"
    return is_file or "/" in text or "\\" in text or text in (".", "..") or text.startswith("~")


def _unknown(kind: Kind, text: str, *, found: str, wanted: str) -> InputError:
    known = names(kind)
    hidden = evidence_only_products() if kind == "products" else ()
    near = difflib.get_close_matches(wanted.lower(), (*known, *hidden), n=3, cutoff=0.5)
    choice = f"did you mean {' or '.join(near)}? " if near else ""
    what = "the folder of a model" if kind == "released" else "one YAML file"
    return InputError(
        where=kind,
        key=text,
        found=found,
        expected=f"a name ({', '.join(known) or 'none is shipped'}) or the path of {what}",
        cure=(
            f"{choice}To add your own, write {what} like those in {_public_name(kind)} and give its"
            " path"
        ),
    )


def _public_name(kind: Kind) -> str:
    if kind == "experiments":
        return "experiments/"
    return f"{'models' if kind in ('configs', 'released') else 'synthetic'}/{kind}/"
