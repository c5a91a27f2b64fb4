"""Product names: a user writes a product as he knows it, in any case, by generic, brand or code
name; the files know it by one name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType

from crsrisk.data.yaml_files import read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products, find, names

_N_NEAR = 3
_BRACKETED = re.compile(r"([^()\[\]]+?)\s*[(\[]([^()\[\]]+)[)\]]")
_SUFFIXED = re.compile(r"(.*[a-z]{5})-[a-z]{4}", re.IGNORECASE)


def product_name(text: str) -> str:
    """The name that the files use of a product that ships.

    Case, blanks, hyphens and points do not count. A name that ships goes before another product's
    other name.

    Parameters
    ----------
    text : the name of a file, or a generic, brand or code name of its ``other_names``.

    Raises
    ------
    InputError
        For an unknown name, with the nearest ones, and for one that two products bear.

    Examples
    --------
    >>> product_name("Kimmtrak"), product_name("AMG-160"), product_name("Afami-cel")
    ('tebentafusp', 'acapatamab', 'afami_cel')
    """
    found = shipped_name(text)
    if found is not None:
        return found
    try:
        find("products", text)
    except InputError as problem:
        near = nearest(text)
        cure = problem.cure[problem.cure.find("To add your own") :]
        raise InputError(
            where=problem.where,
            key=problem.key,
            found=problem.found,
            expected=problem.expected,
            cure=f"did you mean {' or '.join(near)}? {cure}" if near else cure,
        ) from None
    return text


def shipped_name(text: str) -> str | None:
    """:func:`product_name`, or None for a name that no product bears.

    >>> shipped_name("a new engager") is None, shipped_name("Imdelltra (tarlatamab-dlle)")
    (True, 'tarlatamab')
    """
    stems = (*names("products"), *evidence_only_products())
    if text in stems:
        return text
    if not (wanted := plain(text)):
        return None
    for name in stems:
        if plain(name) == wanted:
            return name
    found = _other_names().get(wanted, ()) or _parts_name(text)
    if len(found) > 1:
        raise InputError(
            where="products",
            key=text,
            found=f"a name of {len(found)} products",
            expected="the name of one product",
            cure=f"write the one that is meant: {' or '.join(found)}",
        )
    return found[0] if found else None


def _parts_name(text: str) -> tuple[str, ...]:
    """Products that a name with another in brackets names (Imdelltra (tarlatamab)), or one with the
    four letters that the FDA hangs on biologics (tarlatamab-dlle).
    """
    if match := _BRACKETED.fullmatch(text.strip()):
        found = [shipped_name(match[1]), shipped_name(match[2])]
        return (found[0],) if found[0] is not None and found[0] == found[1] else ()
    if match := _SUFFIXED.fullmatch(text.strip()):
        name = shipped_name(match[1])
        return () if name is None else (name,)
    return ()


def nearest(text: str, also: Collection[str] = ()) -> tuple[str, ...]:
    """Up to three products with a name like this one, the nearest first.

    >>> nearest("imdeltra")
    ('tarlatamab',)
    """
    stems = (*names("products"), *evidence_only_products(), *also)
    of = {plain(name): (name,) for name in stems}
    known = {**_other_names(), **of}
    close = difflib.get_close_matches(plain(text), known, n=_N_NEAR, cutoff=0.65)
    return tuple(dict.fromkeys(name for one in close for name in known[one]))[:_N_NEAR]


def plain(text: str) -> str:
    """Letters and digits of a name, in small letters.

    >>> plain("JNJ-081"), plain("AMG 160")
    ('jnj081', 'amg160')
    """
    return "".join(sign for sign in text.casefold() if sign.isalnum())


@lru_cache(maxsize=1)
def _other_names() -> Mapping[str, tuple[str, ...]]:
    """Other name without case and punctuation -> the products that bear it."""
    bearers: dict[str, tuple[str, ...]] = {}
    for name in (*names("products"), *evidence_only_products()):
        for other in read_yaml(find("products", name)).get("other_names", []):
            bearers[plain(other)] = (*bearers.get(plain(other), ()), name)
    return MappingProxyType(bearers)
