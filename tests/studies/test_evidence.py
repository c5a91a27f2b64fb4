"""The summary of the roster counts every row, and what is printed says the same."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from crsrisk.data.baseline_checks import load_baseline_checks
from crsrisk.data.ensemble import Ensemble, load_ensemble, save_ensemble
from crsrisk.data.evidence_files import load_evidence_register, load_trials
from crsrisk.data.world import load_world
from crsrisk.folders import names
from crsrisk.studies.evidence import (
    compare_baseline,
    evidence_of,
    make_card,
    print_baseline,
    print_roster,
    roster_summary,
)
from crsrisk.uncertainty.constants import priors_digest, shared_constants
from tests.simulation.people import world_of


def test_the_summary_counts_every_row() -> None:
    summary, roster = roster_summary(), load_evidence_register()
    json.dumps(summary, allow_nan=False)
    for name, rows in (
        ("published_rates", roster.published_rates),
        ("risk_factors", roster.risk_factors),
    ):
        counts = summary[name]
        assert counts["rows"] == sum(counts["by_use"].values()) == len(rows)
        assert counts["by_use"]["not_usable"] == sum(counts["reasons"].values())
        assert counts["unverified"] == sum(row.unverified for row in rows)
    trials = load_trials()
    assert summary["targets"]["figures"] == sum(len(trial.rows) for trial in trials)
    assert summary["targets"]["unverified"] == sum(
        not row.verified for trial in trials for row in trial.rows
    )
    assert summary["targets"]["sources"]["all"] == len(trials)
    for role in ("all", "calibration", "validation"):
        assert (
            0
            < summary["targets"]["sources_counted_once"][role]
            < summary["targets"]["sources"][role]
        )


def test_what_is_printed() -> None:
    summary, out = roster_summary(), Console(record=True, width=120)
    print_roster(summary, console=out)
    shown = out.export_text()
    for name in ("published_rates", "risk_factors"):
        assert f"{summary[name]['unverified']} of them recalled, unverified" in shown
    assert "patients with blood cancers" in shown
    assert f"{summary['targets']['figures']} figures" in shown


# Baseline patients beside published figures: what is answered, printed and refused.


@pytest.fixture(scope="module")
def found():  # type: ignore[no-untyped-def]
    return compare_baseline(world_of(), n=2000, seed=3)


def test_every_tumour_type_is_described_and_every_check_answered(found) -> None:  # type: ignore[no-untyped-def]
    assert {row["population"] for row in found["patients"]} == set(names("populations"))
    assert {row["id"] for row in found["checks"]} == {check.id for check in load_baseline_checks()}
    assert sum(sum(counts.values()) for counts in found["summary"].values()) == len(found["checks"])
    assert sum(found["summary"]["published"].values()) == sum(
        row["range_kind"] != "plausible" for row in found["checks"]
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_equal_seeds_give_equal_answers(found) -> None:  # type: ignore[no-untyped-def]
    assert compare_baseline(world_of(), n=2000, seed=3) == found


def test_what_is_not_inside_is_printed() -> None:
    """Ferritin without its correlation with CRP: the rows that say so stand under the table."""
    wrong = compare_baseline(
        world_of().with_values({"population.corr_crp_mg_l__ferritin_ug_l": 0.6}), n=2000
    )
    page = io.StringIO()
    print_baseline(wrong, console=Console(file=page, width=140))
    shown = page.getvalue()
    assert "outside: crp_ferritin in small_cell_lung" in shown
    assert "small cell lung" in shown
    assert "lying inside one is no evidence" in shown
    assert "no external validation" in shown


# The card of a world, brought together from files: also from an ensemble folder of one's own.


def test_an_ensemble_of_ones_own(tmp_path: Path) -> None:
    bare = make_card(ensemble=tmp_path)
    assert bare["ensemble"] is None
    assert bare["variance"] is None
    assert bare["evidence"] is None
    about = {
        "experiment": "mine",
        "seed": 3,
        "version": "0.1.0",
        "targets": ["E030"],
        "effective_size": 99.5,
        "n_members": 200,
    }
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
    size = [
        abs(row["shift_prior_sd"]) + max(1.0 - row["left_of_prior_sd"], 0.0)
        for row in evidence["constants"]
    ]
    assert size == sorted(size, reverse=True)
    for row in evidence["constants"]:
        is_clear = abs(row["shift_prior_sd"]) >= 0.5 or row["left_of_prior_sd"] <= 0.8
        assert (row["evidence"] == "constrains") == is_clear


def _saved(folder: Path, *, shift: float, digest: str | None = None) -> Path:
    """An ensemble of draws of the priors, of which one constant was moved and narrowed to a
    half.
    """
    constants = shared_constants(load_world())
    scores = np.random.default_rng(5).standard_normal((400, len(constants)))
    k = [one.key for one in constants].index("assumption:engagement.strength_tce")
    scores[:, k] = shift + 0.5 * scores[:, k]
    values = np.column_stack([one.at(scores[:, j]) for j, one in enumerate(constants)])
    ensemble = Ensemble(
        tuple(one.key for one in constants),
        values,
        np.full(400, 1 / 400),
        digest or priors_digest(constants),
    )
    save_ensemble(
        ensemble,
        folder,
        about={
            "experiment": "mine",
            "seed": 3,
            "version": "0.1.0",
            "targets": ["E030"],
            "effective_size": 400.0,
        },
    )
    return folder


def test_what_was_moved_is_found_and_nothing_else(tmp_path: Path) -> None:
    """Also where a prior's median lies at an end of its range, so that half of all draws have one
    value.
    """
    evidence = evidence_of(_saved(tmp_path, shift=0.7), world=load_world(), products={})
    assert evidence is not None
    first, *others = evidence["constants"]
    assert first["constant"] == "assumption:engagement.strength_tce"
    assert first["shift_prior_sd"] == pytest.approx(0.7, abs=0.1)
    assert first["left_of_prior_sd"] == pytest.approx(0.5, abs=0.06)
    assert [row for row in others if row["evidence"] != "prior"] == []


def test_members_of_other_priors_are_not_judged(tmp_path: Path) -> None:
    assert (
        evidence_of(_saved(tmp_path, shift=0.7, digest="another"), world=load_world(), products={})
        is None
    )
