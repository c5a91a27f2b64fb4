"""The card of a world, brought together from files: also from an ensemble folder of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crsrisk.belief.constants import priors_digest, shared_constants
from crsrisk.domain.ensemble import Ensemble
from crsrisk.journey.card import evidence_of, make_card
from crsrisk.read.ensemble import load_ensemble, save_ensemble
from crsrisk.simulate.world import load_world


def test_an_ensemble_of_ones_own(tmp_path: Path) -> None:
    bare = make_card(ensemble=tmp_path)
    assert bare["ensemble"] is None
    assert bare["variance"] is None
    assert bare["evidence"] is None
    about = {"experiment": "mine", "seed": 3, "version": "0.1.0", "targets": ["E030"], "effective_size": 99.5,
             "n_members": 200}
    (tmp_path / "about.json").write_text(json.dumps(about), encoding="utf-8")
    told = make_card(ensemble=tmp_path)
    assert told["ensemble"] == about
    assert told["evidence"] is None, "no members beside it"


def test_the_world_of_the_experiment_is_the_one_on_the_card() -> None:
    world = load_world("inflammation_null")
    card = make_card(world)
    assert card["scenario"] == "inflammation_null"
    assert card["assumptions_digest"] == world.assumptions.digest
    values = {row["name"]: row["value"] for row in card["assumptions"]}
    assert values == {name: entry.value for name, entry in world.assumptions.items()}


def test_every_constant_of_the_shipped_ensemble_is_judged() -> None:
    evidence, members = make_card()["evidence"], load_ensemble()
    assert {row["constant"] for row in evidence["constants"]} == set(members.keys)
    assert evidence["n_members"] == len(members)
    size = [abs(row["shift_prior_sd"]) + max(1.0 - row["left_of_prior_sd"], 0.0) for row in evidence["constants"]]
    assert size == sorted(size, reverse=True)
    for row in evidence["constants"]:
        is_clear = abs(row["shift_prior_sd"]) >= 0.5 or row["left_of_prior_sd"] <= 0.8
        assert (row["evidence"] == "constrains") == is_clear


def _saved(folder: Path, *, shift: float, digest: str | None = None) -> Path:
    """An ensemble of draws of the priors, of which one constant was moved and narrowed to a half."""
    constants = shared_constants(load_world())
    scores = np.random.default_rng(5).standard_normal((400, len(constants)))
    k = [one.key for one in constants].index("assumption:engagement.strength_tce")
    scores[:, k] = shift + 0.5 * scores[:, k]
    values = np.column_stack([one.at(scores[:, j]) for j, one in enumerate(constants)])
    ensemble = Ensemble(tuple(one.key for one in constants), values, np.full(400, 1 / 400),
                        digest or priors_digest(constants))
    save_ensemble(ensemble, folder, about={"experiment": "mine", "seed": 3, "version": "0.1.0", "targets": ["E030"],
                                           "effective_size": 400.0})
    return folder


def test_what_was_moved_is_found_and_nothing_else(tmp_path: Path) -> None:
    """Also where a prior's median lies at an end of its range, so that half of all draws have one value."""
    evidence = evidence_of(_saved(tmp_path, shift=0.7), world=load_world(), products={})
    assert evidence is not None
    first, *others = evidence["constants"]
    assert first["constant"] == "assumption:engagement.strength_tce"
    assert first["shift_prior_sd"] == pytest.approx(0.7, abs=0.1)
    assert first["left_of_prior_sd"] == pytest.approx(0.5, abs=0.06)
    assert [row for row in others if row["evidence"] != "prior"] == []


def test_members_of_other_priors_are_not_judged(tmp_path: Path) -> None:
    assert evidence_of(_saved(tmp_path, shift=0.7, digest="another"), world=load_world(), products={}) is None
