"""The table of antigens follows the rating guide, is what products carry, and is found by name."""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.antigens import Antigen, antigen_rows, find_antigen, load_antigens
from crsrisk.data.product import Judged
from crsrisk.data.world_files import load_population, load_product
from crsrisk.data.yaml_files import read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products, names, synthetic_folder

JUDGED = ("antigen_restriction", "antigen_density_copies", "vital_organ_expression")
SERIES = [step * 10**power for power in range(8) for step in (1, 2, 5)]
PRODUCTS = [*names("products"), *evidence_only_products()]
ASKED_FOR = [
    "DLL3",
    "PSMA",
    "STEAP1",
    "GPC3",
    "CLDN18.2",
    "CLDN6",
    "MUC16",
    "MUC1",
    "MSLN",
    "EpCAM",
    "CEA",
    "CEACAM5",
    "HER2",
    "EGFR",
    "EGFRvIII",
    "B7-H3",
    "IL13Ra2",
    "GD2",
    "ROR1",
    "PSCA",
    "P-cadherin",
    "CDH3",
    "CDH17",
    "GUCY2C",
    "LeY",
    "TROP2",
    "FRa",
    "NECTIN4",
    "5T4",
    "TM4SF1",
    "AXL",
    "gp100 peptide",
    "MAGE-A4 peptide",
    "NY-ESO-1 peptide",
    "PRAME peptide",
    "KRAS G12D",
    "KRAS G12V",
    "HPV16 E7",
    "MART-1 peptide",
    "neoantigens",
]


@cache
def antigens() -> dict[str, Antigen]:
    return load_antigens()


@cache
def tree() -> dict[str, Any]:
    return read_yaml(synthetic_folder() / "antigens.yaml")


def written(folder: Path, entries: dict[str, Any]) -> Path:
    path = folder / "antigens.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    return path


def rated(quantity: Judged) -> float:
    """As rated, before calibration moved it."""
    return quantity.value if quantity.prior is None else quantity.prior


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_antigens_that_were_asked_for_are_there(name: str) -> None:
    assert find_antigen(name, antigens()) in antigens().values()


@pytest.mark.parametrize(
    ("name", "restriction", "copies", "vital"),
    [
        ("DLL3", 0.90, 2_000, 0.0),
        ("GPC3", 0.90, 20_000, 0.0),
        ("PSMA", 0.70, 100_000, 0.0),
        ("CLDN18.2", 0.75, 50_000, 0.1),
        ("gp100", 0.50, 100, 0.1),
        ("CEA", 0.70, 50_000, 0.1),
        ("ROR1", 0.45, 20_000, 0.2),
        ("HER2", 0.60, 500_000, 0.3),
        ("mesothelin", 0.70, 50_000, 0.3),
        ("EpCAM", 0.25, 100_000, 0.5),
        ("CAIX", 0.40, 100_000, 0.5),
    ],
)
def test_the_anchors_of_the_guide(
    name: str, restriction: float, copies: float, vital: float
) -> None:
    antigen = find_antigen(name, antigens())
    assert [getattr(antigen, key).value for key in JUDGED] == [restriction, copies, vital]


@pytest.mark.parametrize("name", sorted(read_yaml(synthetic_folder() / "antigens.yaml")))
def test_each_number_follows_from_its_rationale_and_has_the_range_of_the_guide(name: str) -> None:
    """Independent arithmetic on the words: deductions, additions, a step of the 1-2-5 series."""
    antigen = antigens()[name]
    restriction, density, vital = (getattr(antigen, key) for key in JUDGED)
    deducted = sum(map(float, re.findall(r"-(0\.\d+)", restriction.rationale)))
    assert restriction.value == pytest.approx(max(0.0, 1.0 - deducted))
    assert f"Result {restriction.value:.2f}" in restriction.rationale
    added = sum(map(float, re.findall(r"\+(0\.\d+)", vital.rationale)))
    assert vital.value == pytest.approx(min(1.0, added))
    assert f"Result {vital.value:.2f}" in vital.rationale
    step = SERIES.index(round(density.value))
    assert f"step {density.value:,.0f}" in density.rationale
    assert density.range == [SERIES[step - 2], SERIES[step + 2]]
    for quantity, width in (
        (restriction, 0.1 if restriction.value >= 0.9 else 0.15),
        (vital, 0.2 if vital.value >= 0.4 else 0.1),
    ):
        ends = [max(0.0, quantity.value - width), min(1.0, quantity.value + width)]
        assert quantity.range == pytest.approx(ends)
    for quantity in (restriction, density, vital):
        assert quantity.strength == "expert"
        assert quantity.spread > 0


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_carry_what_the_table_says(name: str) -> None:
    """A product that departs from it says so in its rationale."""
    product = load_product(name)
    antigen = find_antigen(product.target, antigens())
    for key in JUDGED:
        mine, listed = getattr(product.binding, key), getattr(antigen, key)
        assert rated(mine) == listed.value or "antigens.yaml" in mine.rationale, key


@pytest.mark.parametrize("name", names("populations"))
def test_densities_of_a_tumour_are_about_targets_of_products(name: str) -> None:
    targets = {load_product(product).target for product in PRODUCTS}
    for target in load_population(name).antigen_density_ratio:
        assert target in targets or find_antigen(target, antigens()).label == target


def test_the_table_of_the_guide_is_written_from_the_file() -> None:
    readme = (synthetic_folder() / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Antigens by tissue\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert rows == antigen_rows(antigens())
    assert len(rows) >= 30


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("psma", "PSMA"),
        ("Claudin 18.2", "CLDN18.2"),
        ("CLDN18-2", "CLDN18.2"),
        ("b7h3", "B7-H3"),
        ("IL13Rα2", "IL13Ra2"),
        ("NY-ESO-1/HLA-A*02:01", "NY-ESO-1 peptide"),
        ("NY-ESO-1 peptide on HLA-A*02", "NY-ESO-1 peptide"),
        ("CDH3", "P-cadherin"),
        ("PD-1", "neoantigens"),
    ],
)
def test_an_antigen_is_found_by_any_of_its_names(text: str, label: str) -> None:
    assert find_antigen(text, antigens()).label == label


@given(st.data())
def test_every_name_is_found_in_any_case(data: st.DataObject) -> None:
    """Property: case, hyphens and spaces of a name do not matter."""
    antigen = data.draw(st.sampled_from(list(antigens().values())))
    name = data.draw(st.sampled_from([antigen.label, *antigen.aliases]))
    way = data.draw(
        st.sampled_from([str.upper, str.lower, str.swapcase, lambda text: text.replace("-", " ")])
    )
    assert find_antigen(way(name), antigens()) == antigen


@pytest.mark.parametrize(
    ("text", "near"), [("mesotelin", "mesothelin"), ("CLDN18.3", "CLDN18.2"), ("", "guide")]
)
def test_an_unknown_antigen_is_refused_with_near_names(text: str, near: str) -> None:
    with pytest.raises(InputError) as caught:
        find_antigen(text)
    assert near in caught.value.cure


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ("antigen_restriction.value", 0.8, "0.70, by the rows of its organs"),
        ("vital_organ_expression.value", 0.1, "0.00, by the rows of its organs"),
        ("organs.0.row", "A", "0.30, by the rows of its organs"),
        ("organs.0.row", "E", "'A'"),
        ("organs.0.is_vital", True, "0.10, by the rows of its organs"),
        ("antigen_density_copies.unit", "1", "copies per cell"),
        ("antigen_density_copies.source", "", "a source"),
        ("antigen_density_copies.rationale", None, "valid string"),
        ("tissue", "x", "only known keys"),
    ],
)
def test_an_unsound_entry_is_refused(
    tmp_path: Path, place: str, value: object, expected: str
) -> None:
    entry = copy.deepcopy(tree()["psma"])
    *parents, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    node: Any = entry
    for part in parents:
        node = node[part]
    node[last] = value
    with pytest.raises(InputError) as caught:
        load_antigens(written(tmp_path, {"psma": entry}))
    assert "antigens.yaml, psma" in caught.value.where
    assert expected in caught.value.expected


def test_more_organs_than_a_row_may_count_are_refused(tmp_path: Path) -> None:
    entry = copy.deepcopy(tree()["psma"])
    entry["organs"] = [entry["organs"][0]] * 5
    with pytest.raises(InputError, match="at most 4"):
        load_antigens(written(tmp_path, {"psma": entry}))


def test_two_antigens_of_one_name_are_refused(tmp_path: Path) -> None:
    entries = {name: copy.deepcopy(tree()[name]) for name in ("psma", "dll3")}
    entries["dll3"]["aliases"].append("folh-1")
    with pytest.raises(InputError, match="which psma bears too"):
        load_antigens(written(tmp_path, entries))
