"""Identity: what a row says of a patient and his therapy must not contradict itself.

Only what cannot be is refused, by the facts of the files that ship: the platform of a product, the
sex of all patients of a tumour type (prostate cancer), and the youngest age of a tumour type that
only adults have. Tumour types that share a file (ovarian cancer and mesothelioma) are told apart by
their own names; the file's name alone does not say which of them a patient has. A product or tumour
type of the user's own says nothing here. Nobody can tell which of two cells is wrong, so no value
is proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.product import PLATFORMS
from crsrisk.data.product_names import plain, shipped_name
from crsrisk.data.world_files import load_population, load_product
from crsrisk.folders import names

ADULT_YEARS = 18.0
_SEX = ("male", "female")
_CURE = "check both cells against the patient's record, and correct the one that is wrong"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two cells of a row that cannot both be right. ``row`` counts from 0; ``column`` is the one
    that the message stands at.
    """

    row: int
    column: str
    found: str
    expected: str
    cure: str = _CURE


@dataclass(frozen=True, slots=True)
class TumourFacts:
    """Of a tumour type: the sex of all of its patients (0 male, 1 female), if they have one, and
    their youngest age.
    """

    is_female: float | None
    youngest: float


def contradictions(columns: Mapping[str, NDArray[Any]]) -> Iterator[Contradiction]:
    """Every contradiction in a table, by column then row.

    ``columns``: arrays by the names of the observed table, words as text, numbers and yes/no as
    floats with NaN where missing; a column that is not there is not looked at.

    >>> row = {"product": np.array(["tarlatamab"]), "platform": np.array(["car_t"])}
    >>> [(one.column, one.expected) for one in contradictions(row)]
    [('platform', 'product and platform of one therapy: tarlatamab is of the platform tce')]
    """
    if {"product", "platform"} <= set(columns):
        yield from _platforms(columns["product"], columns["platform"])
    if "tumour_type" not in columns:
        return
    types = columns["tumour_type"]
    for name in dict.fromkeys(str(word) for word in types):
        yield from _patients(columns, name, types == name)


def _patients(
    columns: Mapping[str, NDArray[Any]], name: str, of_type: NDArray[np.bool_]
) -> Iterator[Contradiction]:
    """Rows of a tumour type whose sex or age it cannot have."""
    facts = _facts(name)
    if facts is not None:
        if facts.is_female is not None and "is_female" in columns:
            sex = columns["is_female"]
            for row in np.flatnonzero(of_type & ~np.isnan(sex) & (sex != facts.is_female)):
                yield Contradiction(
                    int(row),
                    "is_female",
                    f"a {_SEX[int(sex[row])]} patient with tumour_type {name}",
                    f"sex and tumour type of one patient: {name} is of"
                    f" {_SEX[int(facts.is_female)]} patients alone",
                )
        if facts.youngest >= ADULT_YEARS and "age_years" in columns:
            for row in np.flatnonzero(of_type & (columns["age_years"] < facts.youngest)):
                yield Contradiction(
                    int(row),
                    "age_years",
                    f"{columns['age_years'][row]:g} years with tumour_type {name}",
                    f"age and tumour type of one patient: {name} is of adults,"
                    f" {facts.youngest:g} years or older",
                )


def _platforms(products: NDArray[Any], platforms: NDArray[Any]) -> Iterator[Contradiction]:
    for name in dict.fromkeys(str(word) for word in products):
        platform = _platform(name)
        if platform is None:
            continue
        is_other = np.array([word in PLATFORMS and word != platform for word in platforms])
        for row in np.flatnonzero((products == name) & is_other):
            yield Contradiction(
                int(row),
                "platform",
                f"{platforms[row]} with product {name}",
                f"product and platform of one therapy: {name} is of the platform {platform}",
            )


@lru_cache(maxsize=256)
def _platform(product: str) -> str | None:
    name = shipped_name(product)
    return None if name is None else load_product(name).platform


def population_of(tumour_type: str) -> str:
    """The file that holds the patients of a tumour type, where several share one; else the name as
    it is.

    >>> population_of("Ovarian cancer"), population_of("uveal_melanoma")
    ('ovarian_mesothelioma', 'uveal_melanoma')
    """
    shared = _shared().get(plain(tumour_type))
    return tumour_type if shared is None else shared[0]


@lru_cache(maxsize=1)
def _shared() -> Mapping[str, tuple[str, str]]:
    """Tumour type without case and punctuation -> its file, and the sex of its patients."""
    return {
        plain(tumour_type): (name, sex)
        for name in names("populations")
        for tumour_type, sex in load_population(name).tumour_types.items()
    }


def tumour_facts() -> dict[str, TumourFacts]:
    """The facts of every tumour type by name: of the files, and in small letters and digits of the
    types that share one.

    >>> tumour_facts()["ovarian"]
    TumourFacts(is_female=1.0, youngest=18.0)
    """
    found = {name: _facts(name) for name in (*names("populations"), *_shared())}
    return {name: facts for name, facts in found.items() if facts is not None}


@lru_cache(maxsize=256)
def _facts(tumour_type: str) -> TumourFacts | None:
    file = population_of(tumour_type)
    if file not in names("populations"):
        return None
    population = load_population(file)
    if file != tumour_type:
        _, sex = _shared()[plain(tumour_type)]
        is_female = {"male": 0.0, "female": 1.0}.get(sex)
        return TumourFacts(is_female, population.marginals["age_years"].limits[0])
    share = population.shares.is_female
    is_one_sex = share.value in (0.0, 1.0) and share.spread == 0.0
    return TumourFacts(
        share.value if is_one_sex else None, population.marginals["age_years"].limits[0]
    )
