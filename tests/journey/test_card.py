"""The card of a world, brought together from files: also from an ensemble folder of one's own."""

from __future__ import annotations

import json
from pathlib import Path

from crsrisk.journey.card import make_card
from crsrisk.simulate.world import load_world


def test_an_ensemble_of_ones_own(tmp_path: Path) -> None:
    bare = make_card(ensemble=tmp_path)
    assert bare["ensemble"] is None
    assert bare["variance"] is None
    about = {"experiment": "mine", "seed": 3, "version": "0.1.0", "targets": ["E030"], "effective_size": 99.5,
             "n_members": 200}
    (tmp_path / "about.json").write_text(json.dumps(about), encoding="utf-8")
    assert make_card(ensemble=tmp_path)["ensemble"] == about


def test_the_world_of_the_experiment_is_the_one_on_the_card() -> None:
    world = load_world("inflammation_null")
    card = make_card(world)
    assert card["scenario"] == "inflammation_null"
    assert card["assumptions_digest"] == world.assumptions.digest
    values = {row["name"]: row["value"] for row in card["assumptions"]}
    assert values == {name: entry.value for name, entry in world.assumptions.items()}
