"""Read what published guidance says: one YAML file, every statement with its source."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from crsrisk.domain.guidance import Guidance
from crsrisk.domain.product import Platform
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products, names, synthetic_folder
from crsrisk.read.strict_yaml import build, read_yaml


def load_guidance(path: str | Path | None = None) -> Guidance:
    """The guidance of a file (without one: of the file that ships).

    Raises :class:`InputError` for an unknown key, a statement without a known source, an id that comes twice, and a
    product or platform that does not exist.

    >>> sorted({one.topic for one in load_guidance().statements})[:2]
    ['checkpoint inhibitor', 'laboratory']
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "guidance.yaml"
    found = build(Guidance, read_yaml(place), where=place.name)
    known = {*get_args(Platform), *names("products"), *evidence_only_products()}
    for one in found.statements:
        if strangers := sorted(set(one.applies_to) - known):
            raise InputError(where=place.name, key=f"{one.id}.applies_to", found=", ".join(strangers),
                             expected="names of products or platforms", cure="correct the name")
    return found
