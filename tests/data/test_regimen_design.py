"""A designed regimen: what it changes in product and patients, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.data.regimen_design import DESIGNED, RegimenDesign, load_regimen_design
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError

TARLATAMAB = load_product("tarlatamab")


def test_each_setting_changes_what_it_says() -> None:
    design = RegimenDesign(
        product="tarlatamab",
        step_up="none",
        first_dose_multiple=0.5,
        interval_multiple=2.0,
        premedication="none",
    )
    changed = design.product_of(TARLATAMAB).regimens[DESIGNED]
    assert [(dose.time_h, dose.amount) for dose in changed.doses] == [
        (0.0, 5000.0),  # half of the last amount, which is the first without steps
        (336.0, 10000.0),
        (672.0, 10000.0),
    ]
    assert changed.premedication == []
    assert TARLATAMAB.regimens["label"].doses[0].amount == 1000.0


def test_as_planned_is_the_plan() -> None:
    made = RegimenDesign(product="tarlatamab").product_of(TARLATAMAB)
    assert made.regimens[DESIGNED] == TARLATAMAB.regimens["label"]
    assert made.default_regimen == DESIGNED


def test_the_share_of_liver_metastases_is_of_that_tumour_alone() -> None:
    world = load_world()
    design = RegimenDesign(product="tarlatamab", liver_metastases_share=1.0)
    here = design.world_of(world, product=TARLATAMAB).populations
    assert here[TARLATAMAB.population].shares.has_liver_metastases.value == 1.0
    assert here["uveal_melanoma"] is world.populations["uveal_melanoma"]
    assert world.populations[TARLATAMAB.population].shares.has_liver_metastases.value < 1.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("product: tarlatamab\nfirst_dose: 2.0\n", "an unknown key"),
        ("product: tarlatamab\nfirst_dose_multiple: -1.0\n", "greater than 0"),
        ("product: tarlatamab\nliver_metastases_share: 60.0\n", "less than or equal to 1"),
        ("step_up: none\n", "this key to be present"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, says: str) -> None:
    place = tmp_path / "regimen.yaml"
    place.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        load_regimen_design(place)


def test_nothing_may_stand_beside_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--patients beside it"):
        load_regimen_design(tmp_path / "regimen.yaml", beside=["--patients"])


def test_a_regimen_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="fixed_10mg"):
        RegimenDesign(product="tarlatamab", regimen="weekly").product_of(TARLATAMAB)
