"""Read what baseline patients are compared with: one YAML file, checked as a whole."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from crsrisk.domain.assumptions import Strict
from crsrisk.domain.baseline_check import BaselineCheck
from crsrisk.domain.population import CONTINUOUS
from crsrisk.errors import InputError
from crsrisk.folders import names, synthetic_folder
from crsrisk.read.strict_yaml import build, read_yaml

_COUNTS = ("is_female", "has_liver_metastases", "has_prior_checkpoint_inhibitor", "has_infection", "ecog",
           "n_metastatic_sites")


class _File(Strict):
    checks: list[BaselineCheck] = Field(min_length=1)


def load_baseline_checks(path: str | Path | None = None) -> tuple[BaselineCheck, ...]:
    """All checks of a file (without one: of the file that ships), in its order.

    Refused with an :class:`InputError`: an id that comes twice, a covariate or tumour type that does not exist.

    >>> any(check.statistic == "spearman" for check in load_baseline_checks())
    True
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "evidence" / "baseline" / "checks.yaml"
    checks = build(_File, read_yaml(place), where=place.name).checks
    known, populations, seen = {*CONTINUOUS, *_COUNTS}, set(names("populations")), set[str]()
    for check in checks:
        if check.id in seen:
            raise InputError(where=place.name, key=check.id, found="the id a second time", expected="each id once",
                             cure="rename or delete one of the two")
        seen.add(check.id)
        for key, given, choice in (("of", {check.of}, known), ("other", {check.other} - {None}, known),
                                   ("populations", set(check.populations), populations)):
            if wrong := sorted(str(name) for name in given - choice):
                raise InputError(where=place.name, key=f"{check.id}.{key}", found=", ".join(wrong),
                                 expected=f"one of {', '.join(sorted(choice))}", cure="correct the name")
    return tuple(checks)
