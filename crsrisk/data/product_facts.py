"""What the file of a product knows of everybody who gets it, for tables that do not say it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from crsrisk.data.product_names import shipped_name
from crsrisk.data.world_files import load_product

FACTS = (
    "platform",
    "antigen_restriction",
    "dose_intensity",
    "is_stepped_up",
    "has_lymphodepletion",
)
_NOTHING: Mapping[str, str | float] = MappingProxyType({})


@lru_cache(maxsize=256)
def product_facts(product: str, regimen: str = "") -> Mapping[str, str | float]:
    """Columns of the observed table that follow from product and regimen (the product's usual one
    where none is named); yes/no as 1 and 0. Nothing for a product that does not ship; nothing of
    the dose for a regimen that its file does not have.

    >>> product_facts("Imdelltra")["platform"], product_facts("our own engager")
    ('tce', mappingproxy({}))
    """
    name = shipped_name(product)
    if name is None:
        return _NOTHING
    known = load_product(name)
    facts: dict[str, str | float] = {
        "platform": known.platform,
        "antigen_restriction": known.binding.antigen_restriction.value,
    }
    given = known.regimens.get(regimen or known.default_regimen)
    if given is not None:
        usual = known.regimens[known.default_regimen].doses[0].amount
        facts["dose_intensity"] = given.doses[0].amount / usual
        facts["is_stepped_up"] = float(given.is_stepped_up)
        facts["has_lymphodepletion"] = float(given.has_lymphodepletion)
    return MappingProxyType(facts)
