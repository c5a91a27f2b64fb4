"""Guidance: every statement with a source that exists, nothing unknown, and the topics that a
bedside page needs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.data.literature import load_guidance
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.folders import names, synthetic_folder

TEXT = (synthetic_folder() / "guidance.yaml").read_text(encoding="utf-8")


def test_what_must_be_there() -> None:
    found = load_guidance()
    said = " ".join(one.short.lower() for one in found.statements)
    for word in (
        "dic",
        "electrolytes",
        "kidney",
        "neurotoxicity",
        "13.7 h",
        "tocilizumab",
        "dexamethasone",
    ):
        assert word in said
    assert {grade for one in found.statements for grade in one.grades} == {1, 2, 3, 4}
    assert "no order" in found.about


@pytest.mark.parametrize("name", names("products"))
def test_every_product_is_told_when_crs_begins(name: str) -> None:
    product = load_product(name)
    assert "onset" in {
        one.topic for one in load_guidance().of(product=name, platform=product.platform)
    }


def test_neurotoxicity_changes_the_choice_to_steroids() -> None:
    (one,) = [one for one in load_guidance().statements if one.topic == "neurotoxicity"]
    assert "corticosteroids" in one.short
    assert "IL-6 receptor is not indicated" in one.short


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("source: monaca_2026\n", "source: nobody_2020\n", "nobody_2020"),
        ('    place: "Clinical presentation, ref 43"\n', "", "place"),
        ("id: onset_cells", "id: onset_tarlatamab", "onset_tarlatamab again"),
        ("applies_to: [tarlatamab]", "applies_to: [tarlatamap]", "tarlatamap"),
        ("setting: general", "setting: everywhere", "setting"),
        ("grades: [3]", "grades: [7]", "grades from 1 to 4"),
        ("    grades: [3]\n", "", "grades for management"),
        ("topic: neurotoxicity", "topic: neurotoxicity\n    advice: give it", "unknown key"),
        (
            "Monaca et al., Ther Adv Med Oncol 2026, doi 10.1177/17588359261457552",
            "M",
            "whole citation",
        ),
    ],
)
def test_an_unsound_file_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TEXT
    place = tmp_path / "guidance.yaml"
    place.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=says) as refused:
        load_guidance(place)
    assert "guidance.yaml" in str(refused.value)
