"""Every number of products, policies, mitigations and populations with source and strength, for the generator card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from crsrisk.domain.assumptions import Quantity, Strength
from crsrisk.domain.population import Marginal, Shares
from crsrisk.domain.product import Product
from crsrisk.domain.world import World
from crsrisk.report.words import unit_in_words

MECHANISM = "Assumptions on the mechanism"
_NOT_USED = "not used"  # source of a neutral value that a product does not need: no number that anything rests on
_KINDS = {"product": "Products", "policy": "Policies of support", "mitigation": "Mitigations", "population": "Populations"}

Row = dict[str, Any]
Nouns = Mapping[str, Mapping[str, BaseModel]]  # kind -> name -> noun


def nouns_of(world: World, products: Sequence[Product]) -> Nouns:
    """Everything beside the mechanism that numbers stand in, by kind and name."""
    found: dict[str, Mapping[str, BaseModel]] = {
        "product": {one.name: one for one in products}, "policy": world.policies, "mitigation": world.mitigations,
        "population": world.populations}
    return {kind: dict(sorted(group.items())) for kind, group in found.items()}


def number_rows(nouns: Nouns) -> list[Row]:
    """One row a number: `group`, `file`, `constant` (how calibration calls it), `key`, `value`, `unit`, `prior`, `range`,
    `strength`, `source`. A distribution or a list of shares with one source is one row, its value in words."""
    return [{"group": _KINDS[kind], "file": file, "constant": f"{kind}:{file}.{row['key']}", **row}
            for kind, group in nouns.items() for file, noun in group.items() for row in numbers_of(noun)]


def numbers_of(noun: BaseModel, *, path: str = "") -> Iterator[Row]:
    """All numbers of a noun that something rests on, however deep; neutral values that are `not used` are left out."""
    strength, source = getattr(noun, "strength", None), getattr(noun, "source", "")
    if isinstance(strength, str) and not source.lower().startswith(_NOT_USED):
        yield {"key": path, **_value(noun), "strength": strength, "source": source}
    if isinstance(noun, Quantity):
        return
    for field in type(noun).model_fields:
        value = getattr(noun, field)
        inner = {f".{key}": one for key, one in value.items()} if isinstance(value, dict) else {"": value}
        for key, one in inner.items():
            if isinstance(one, BaseModel):
                yield from numbers_of(one, path=f"{path}.{field}{key}".removeprefix("."))


def _value(noun: BaseModel) -> Row:
    if isinstance(noun, Quantity):
        return {"value": noun.value, "unit": noun.unit, "prior": noun.prior, "range": list(noun.range)}
    if isinstance(noun, Marginal):
        spread = "SD of the logarithm" if noun.shape == "lognormal" else "SD"
        return {"value": f"median {noun.median:g} {unit_in_words(noun.unit)}, {spread} {noun.sd:g}", "unit": noun.unit,
                "prior": None, "range": list(noun.limits)}
    if isinstance(noun, Shares):
        ecog, sites = (", ".join(f"{share:g}" for share in shares) for shares in (noun.ecog, noun.n_metastatic_sites))
        return {"value": f"ECOG 0 to 2: {ecog}; 1 to 5 metastatic sites: {sites}", "unit": "1", "prior": None, "range": None}
    raise TypeError(f"no words for the value of {type(noun).__name__}")


def counts_by_group(mechanism: Iterable[Row], rows: Iterable[Row], *, nouns: Nouns) -> list[Row]:
    """Numbers by group and strength, with the number of files of a group; the last row counts all."""
    counted: dict[str, Counter[str]] = {MECHANISM: Counter(), **{label: Counter() for label in _KINDS.values()}}
    counted[MECHANISM].update(row["strength"] for row in mechanism)
    for row in rows:
        counted[row["group"]][row["strength"]] += 1
    files = {_KINDS[kind]: len(group) for kind, group in nouns.items()}
    counted["All"] = sum(counted.values(), Counter())
    return [{"group": label, "n_files": files.get(label), "n": found.total(),
             **{one.value: found[one.value] for one in Strength}} for label, found in counted.items()]
