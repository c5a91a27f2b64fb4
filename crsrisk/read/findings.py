"""Read the findings on risk factors that scenarios are asked about: one YAML file, checked as a whole."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from crsrisk.domain.assumptions import Strict
from crsrisk.domain.findings import Series
from crsrisk.domain.population import CONTINUOUS
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.read.strict_yaml import build, read_yaml
from crsrisk.read.world import load_product

_COUNTS = ("is_female", "has_liver_metastases", "has_prior_checkpoint_inhibitor", "has_infection", "ecog",
           "n_metastatic_sites")  # need a threshold: their logarithm has no meaning


class _File(Strict):
    series: list[Series] = Field(min_length=1)


def load_findings(path: str | Path | None = None) -> tuple[Series, ...]:
    """All series of a file (without one: of the file that ships), in its order.

    Refused with an :class:`InputError`: a name or id that comes twice, a product, regimen or factor that does not exist, a
    count without a threshold.

    >>> [series.n_patients for series in load_findings()]
    [30, 102, 412, 245]
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "findings.yaml"
    found = build(_File, read_yaml(place), where=place.name).series
    seen: set[str] = set()
    for series in found:
        product = load_product(series.product)
        if series.regimen is not None and series.regimen not in product.regimens:
            raise InputError(where=place.name, key=f"{series.name}.regimen", found=series.regimen,
                             expected=f"one of {', '.join(product.regimens)}", cure="correct the name")
        for name in (series.name, *(one.id for one in series.findings)):
            if name in seen:
                raise InputError(where=place.name, key=name, found="the name a second time", expected="each once",
                                 cure="rename or delete one of the two")
            seen.add(name)
        for one in series.findings:
            if one.factor not in (*CONTINUOUS, *_COUNTS):
                raise InputError(where=place.name, key=f"{one.id}.factor", found=one.factor,
                                 expected=f"one of {', '.join((*CONTINUOUS, *_COUNTS))}", cure="correct the name")
            if one.factor in _COUNTS and one.above is None:
                raise InputError(where=place.name, key=f"{one.id}.above", found="nothing",
                                 expected="a threshold, since this is a count", cure="write above: 0.5 for present")
    return tuple(found)
