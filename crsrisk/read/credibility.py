"""Read what the simulator may be believed for: one YAML file, checked as a whole."""

from __future__ import annotations

from pathlib import Path

from crsrisk.domain.credibility import Credibility
from crsrisk.folders import synthetic_folder
from crsrisk.read.strict_yaml import build, read_yaml


def load_credibility(path: str | Path | None = None) -> Credibility:
    """The credibility review of a file (without one: of the file that ships).

    Refused with an :class:`InputError`: a factor that is missing or that nobody knows, a level off the scale, a blank, a
    way to repeat something that is neither a command of this repository nor a path inside it.

    >>> load_credibility().factors["model_form"].level
    'low'
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "credibility.yaml"
    return build(Credibility, read_yaml(place), where=place.name)
