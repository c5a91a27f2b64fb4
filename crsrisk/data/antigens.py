"""Antigens: what is known of the targets of products, by the rating guide of synthetic/README.md.

One entry a target in ``synthetic/antigens.yaml``: the normal tissues that carry it, each with its
row of the guide, and the three numbers that follow for a product file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import model_validator

from crsrisk.data.assumptions import Quantity, Strict, misfit, unit_of_name
from crsrisk.data.product import Judged
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder

Row = Literal["A", "B", "C", "D"]
# what a normal tissue takes from the restriction, and how often a row counts at most
DEDUCTION: Mapping[Row, float] = MappingProxyType({"A": 0.5, "B": 0.25, "C": 0.1, "D": 0.05})
AT_MOST: Mapping[Row, int] = MappingProxyType({"A": 1, "B": 3, "C": 4, "D": 1})
# what a vital organ adds to the expression in vital organs
VITAL_ADDITION: Mapping[Row, float] = MappingProxyType({"B": 0.4, "C": 0.1})
DENSE_ELSEWHERE_ADDITION = 0.1  # once, for any other tissue of row A or B
_NOT_PART_OF_A_NAME = re.compile(r"\s+on hla.*|/\s*hla.*", flags=re.IGNORECASE)
_HALF_A_STEP = 0.005  # numbers of the guide have two digits


class Organ(Strict):
    """A normal tissue that carries an antigen, and its row of the rating guide.

    ``is_vital``: airways, lung tissue, pleura, heart, pericardium, peritoneum, liver, bile ducts or
    vessel walls.
    """

    row: Row
    name: str
    is_vital: bool


class Antigen(Strict):
    """A target: the normal tissues with their rows, and the three numbers that follow.

    ``label`` is how a product's ``target`` calls it, ``aliases`` are further names. Restriction and
    expression in vital organs follow from ``organs`` by the rating guide; an entry whose numbers do
    not is refused.
    """

    label: str
    aliases: list[str]
    organs: list[Organ]
    antigen_restriction: Judged
    antigen_density_copies: Judged
    vital_organ_expression: Judged

    @property
    def rated_restriction(self) -> float:
        """1 less the deductions of the guide, at least 0."""
        return max(0.0, 1.0 - sum(DEDUCTION[organ.row] for organ in self.organs))

    @property
    def rated_vital_organ_expression(self) -> float:
        """The additions of the guide, at most 1."""
        vital = sum(VITAL_ADDITION.get(organ.row, 0.0) for organ in self.organs if organ.is_vital)
        is_dense = any(organ.row in ("A", "B") and not organ.is_vital for organ in self.organs)
        return min(1.0, vital + DENSE_ELSEWHERE_ADDITION * is_dense)

    @model_validator(mode="after")
    def _rated_by_the_guide(self) -> Antigen:
        for row, most in AT_MOST.items():
            if (n := sum(organ.row == row for organ in self.organs)) > most:
                raise misfit("organs", found=f"{n} in row {row}", expected=f"at most {most} of it")
        for key, rated in (
            ("antigen_restriction", self.rated_restriction),
            ("vital_organ_expression", self.rated_vital_organ_expression),
        ):
            value = getattr(self, key).value
            if abs(value - rated) > _HALF_A_STEP:
                raise misfit(key, found=value, expected=f"{rated:.2f}, by the rows of its organs")
        for key in type(self).model_fields:
            quantity = getattr(self, key)
            if isinstance(quantity, Quantity) and quantity.unit != unit_of_name(key):
                raise misfit(f"{key}.unit", found=quantity.unit, expected=unit_of_name(key))
        return self


def load_antigens(path: str | Path | None = None) -> dict[str, Antigen]:
    """All antigens of a file (without one: of the file that ships), by name, in its order.

    Raises
    ------
    InputError
        For the first entry that is not sound, and for a name that two antigens bear.

    Examples
    --------
    >>> load_antigens()["dll3"].antigen_density_copies.value
    2000.0
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "antigens.yaml"
    antigens = {
        name: build(Antigen, tree, where=f"{place.name}, {name}")
        for name, tree in read_yaml(place).items()
    }
    seen: dict[str, str] = {}
    for key, name in _names(antigens):
        if seen.setdefault(_plain(name), key) != key:
            raise InputError(
                where=f"{place.name}, {key}",
                key="aliases",
                found=f"{name}, which {seen[_plain(name)]} bears too",
                expected="a name of one antigen only",
                cure="take it away from one of the two",
            )
    return antigens


def find_antigen(name: str, antigens: Mapping[str, Antigen] | None = None) -> Antigen:
    """The antigen of a name, label or alias, in any case, with or without hyphens and spaces.

    What a target says of HLA is left out: ``NY-ESO-1 peptide on HLA-A*02`` and
    ``NY-ESO-1/HLA-A*02:01`` are the NY-ESO-1 peptide.

    Parameters
    ----------
    name : as a product's ``target`` or a paper writes it.
    antigens : those to look in; without it the ones that ship.

    Raises
    ------
    InputError
        For a name that no antigen bears, with the nearest ones.

    Examples
    --------
    >>> find_antigen("mesothelin").label
    'MSLN'
    >>> find_antigen("claudin-18.2").antigen_restriction.value
    0.75
    """
    known = load_antigens() if antigens is None else antigens
    by_name = {_plain(one): (key, one) for key, one in _names(known)}
    wanted = _plain(name)
    if wanted in by_name:
        return known[by_name[wanted][0]]
    near = [by_name[one][1] for one in difflib.get_close_matches(wanted, by_name, n=3)]
    raise InputError(
        where="antigens.yaml",
        key=name,
        found=f"an unknown antigen {name!r}",
        expected="an antigen of the table, by its name, label or an alias",
        cure=(f"did you mean {' or '.join(near)}? " if near else "")
        + "rate one that the table lacks by the guide in synthetic/README.md",
    )


def antigen_rows(antigens: Mapping[str, Antigen]) -> list[str]:
    """The table of synthetic/README.md, one line of Markdown an antigen, by label.

    >>> antigen_rows({"dll3": load_antigens()["dll3"]})
    ['| DLL3 | C pituitary (inside the cell) | 0.90 | 2,000 | 0.00 |']
    """
    return [
        f"| {one.label} | {_organs_text(one)} | {one.antigen_restriction.value:.2f}"
        f" | {one.antigen_density_copies.value:,.0f} | {one.vital_organ_expression.value:.2f} |"
        for one in sorted(antigens.values(), key=lambda antigen: antigen.label.casefold())
    ]


def _organs_text(antigen: Antigen) -> str:
    """Row and name of each organ; the vital ones in bold."""
    words = [
        f"{organ.row} {f'**{organ.name}**' if organ.is_vital else organ.name}"
        for organ in antigen.organs
    ]
    return ", ".join(words) or "none"


def _names(antigens: Mapping[str, Antigen]) -> Iterator[tuple[str, str]]:
    for key, antigen in antigens.items():
        for name in (key, antigen.label, *antigen.aliases):
            yield key, name


def _plain(name: str) -> str:
    """Letters and digits of a name, in small letters, without what it says of HLA."""
    bare = _NOT_PART_OF_A_NAME.sub("", name).casefold().replace("α", "a")
    return "".join(sign for sign in bare if sign.isalnum())
