"""Medical content: every sentence with source, place and strength, every dose with route and
maximum, and nothing that speaks of one product on the page of another.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from crsrisk.data.guidance import MOST_WORDS, Statement, load_guidance
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.folders import names, synthetic_folder

FOLDER = synthetic_folder() / "guidance"
MOST_WORDS_A_PRODUCT = 1000
CLASS_WORDS = {
    "checkpoint inhibitor": {"ici"},
    "CAR-T": {"car_t", "tcr_t", "til"},
    "CAR-NK": {"car_t"},
    "interleukin-2": {"til"},
    "tumour-infiltrating": {"til"},
    "engager": {"tce", "immtac", "car_t", "tcr_t", "til"},
    "Karolinska": {"ici"},
    "ICANS": {"tce", "immtac", "car_t", "tcr_t", "til"},
}


def said_to(name: str) -> tuple[Statement, ...]:
    product = load_product(name)
    return load_guidance().of(product=name, platform=product.platform).statements


def test_the_topics_that_a_ward_asks_for_are_there() -> None:
    said = " ".join(one.in_words for one in load_guidance().statements)
    for word in (
        "Procalcitonin",
        "neutropenia",
        "antibiotics",
        "Trend of ferritin",
        "HLH",
        "Tumour lysis",
        "ceiling of care",
        "3 of 19",
        "No G-CSF",
        "fungal infections",
        "ICE score",
        "oedema where heart or kidneys are impaired",
        "treat as the next grade",
        "ventilator",
        "11 days to fever",
    ):
        assert word in said, word


@pytest.mark.parametrize("name", names("products"))
def test_every_product_has_each_panel_and_all_grades_in_few_words(name: str) -> None:
    product = load_product(name)
    guidance = load_guidance().of(product=name, platform=product.platform)
    assert {topic.panel for topic in guidance.topics.values()} == {
        *("watch", "fever", "grade", "after", "prophylaxis")
    }
    grades = {grade for one in guidance.statements for grade in one.grades}
    assert grades == {1, 2, 3, 4}
    words = sum(len(one.in_words.split()) for one in guidance.statements)
    assert words <= MOST_WORDS_A_PRODUCT
    assert all(len(one.text.split()) <= MOST_WORDS for one in guidance.statements)


@pytest.mark.parametrize("name", names("products"))
def test_no_other_product_or_class_is_spoken_of(name: str) -> None:
    """By the words themselves, not by the tags: names of other products, and of other classes."""
    platform = load_product(name).platform
    said = [one.in_words for one in said_to(name)]
    for other in set(names("products")) - {name}:
        product = load_product(other)
        for word in {product.label.split(" (")[0], *product.other_names} - {
            "Checkpoint inhibitor",
            "Checkpoint inhibitors",
        }:
            assert not [one for one in said if word.lower() in one.lower()], (other, word)
    for word, platforms in CLASS_WORDS.items():
        if platform not in platforms:
            assert not [one for one in said if word.lower() in one.lower()], word


def test_after_checkpoint_inhibitors_the_steroid_is_named_before_tocilizumab() -> None:
    by_grade = [one for one in said_to("checkpoint_inhibitor") if one.grades]
    first = {
        grade: next(one for one in by_grade if grade in one.grades).in_words for grade in (2, 3)
    }
    assert all(text.startswith("Corticosteroid first") for text in first.values())
    others = [one.in_words for one in said_to("tarlatamab") if 2 in one.grades]
    assert "tocilizumab 8 mg/kg IV" in others[1]
    assert "dexamethasone" in others[2]


def test_grades_3_and_4_name_tocilizumab_with_route_and_maximum() -> None:
    for name in names("products"):
        for grade in (3, 4):
            said = [one.in_words for one in said_to(name) if grade in one.grades]
            assert any(
                re.search(r"tocilizumab 8 mg/kg IV .*maximum: 800 mg a dose", one) for one in said
            )


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("neurotoxicity", "    source: monaca\n", "", "source"),
        ("neurotoxicity", "source: monaca\n", "source: nobody\n", "nobody"),
        ("neurotoxicity", '    place: "Corticosteroids, ref 60"\n', "", "place"),
        ("neurotoxicity", "    strength: review\n", "", "strength"),
        ("neurotoxicity", "strength: review", "strength: certain", "strength"),
        ("neurotoxicity", "id: icans_with_crs", "id: icans_alone", "each id once"),
        ("neurotoxicity", "[tce, immtac", "[tec, immtac", "tec"),
        ("neurotoxicity", "corticosteroid. ", "dexamethasone 10 mg. ", "under `doses`"),
        ("neurotoxicity", "corticosteroid. ", f"corticosteroid {'and ' * 40}", "at most"),
        ("management", "route: iv, ", "", "route"),
        ("management", ", maximum: none stated", "", "maximum"),
        ("management", "maximum: none stated", 'maximum: ""', "none stated"),
        ("management", "grades: [3]", "grades: [7]", "grades"),
        ("watching", "strength: review", "strength: review\n    grades: [2]", "panel of grades"),
        ("sources", '  review: "review', '  vision: "review', "vision"),
    ],
)
def test_an_unsound_folder_is_refused(
    tmp_path: Path, file: str, old: str, new: str, says: str
) -> None:
    shutil.copytree(FOLDER, tmp_path / "guidance")
    place = tmp_path / "guidance" / f"{file}.yaml"
    text = place.read_text(encoding="utf-8")
    assert old in text
    place.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as refused:
        load_guidance(tmp_path / "guidance")
    assert f"{file}.yaml" in str(refused.value)
