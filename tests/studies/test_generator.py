"""What speaks for the generator: evidence by status, baseline patients, and its card."""

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
from crsrisk.studies.generator import (
    BaselineComparison,
    compare_baseline,
    count_evidence,
    evidence_of,
    make_card,
    print_baseline,
    print_evidence_counts,
)
from crsrisk.uncertainty.constants import priors_digest, shared_constants
from tests.simulation.people import world_of


def test_the_summary_counts_every_row() -> None:
    made, register = count_evidence(), load_evidence_register()
    json.dumps(made.to_dict(), allow_nan=False)
    for counts, rows in (
        (made.published_rates, register.published_rates),
        (made.risk_factors, register.risk_factors),
    ):
        assert counts.rows == sum(counts.by_use.values()) == len(rows)
        assert counts.by_use["not_usable"] == sum(counts.reasons.values())
        assert counts.unverified == sum(row.unverified for row in rows)
    trials, targets = load_trials(), made.targets
    assert targets.figures == sum(len(trial.rows) for trial in trials)
    assert targets.unverified == sum(not row.verified for trial in trials for row in trial.rows)
    assert targets.sources.all == len(trials)
    assert 0 < targets.fitted < targets.figures
    for use in ("all", "likelihood", "shown"):
        once, each = (
            getattr(sources, use) for sources in (targets.sources_counted_once, targets.sources)
        )
        assert 0 < once < each


def test_what_is_printed() -> None:
    made, out = count_evidence(), Console(record=True, width=120)
    print_evidence_counts(made, console=out)
    shown = out.export_text()
    for counts in (made.published_rates, made.risk_factors):
        assert f"{counts.unverified} of them recalled, unverified" in shown
    assert "patients with blood cancers" in shown
    assert f"{made.targets.figures} figures" in shown


# Baseline patients beside published figures: what is answered, printed and refused.


@pytest.fixture(scope="module")
def baseline() -> BaselineComparison:
    return compare_baseline(world_of(), n=2000, seed=3)


def test_every_tumour_type_is_described_and_every_check_answered(
    baseline: BaselineComparison,
) -> None:
    assert {row.population for row in baseline.patients} == set(names("populations"))
    assert {row.id for row in baseline.checks} == {check.id for check in load_baseline_checks()}
    published, plausible = (baseline.verdicts(kind) for kind in ("published", "plausible"))
    assert sum(published.values()) + sum(plausible.values()) == len(baseline.checks)
    assert sum(published.values()) == sum(row.range_kind != "plausible" for row in baseline.checks)
    tree = json.loads(json.dumps(baseline.to_dict(), allow_nan=False))
    assert tree["summary"] == {"published": published, "plausible": plausible}
    assert len(tree["checks"]) == len(baseline.to_frame()) == len(baseline.checks)
    assert len(repr(baseline)) < 2_000


def test_equal_seeds_give_equal_answers(baseline: BaselineComparison) -> None:
    assert compare_baseline(world_of(), n=2000, seed=3).to_dict() == baseline.to_dict()


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
    assert bare.ensemble is None
    assert bare.variance is None
    assert bare.evidence is None
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
    assert told.ensemble is not None
    assert told.ensemble.model_dump() == {**about, "scenario": "reference"}
    assert told.evidence is None, "no members beside it"


def test_the_world_of_the_experiment_is_the_one_on_the_card() -> None:
    world = load_world("inflammation_null")
    card = make_card(world)
    assert card.scenario == "inflammation_null"
    assert card.assumptions_digest == world.assumptions.digest
    values = {row.key: row.value for row in card.assumptions}
    assert values == {name: entry.value for name, entry in world.assumptions.items()}


def test_every_constant_of_the_shipped_ensemble_is_judged() -> None:
    evidence, members = make_card().evidence, load_ensemble()
    assert evidence is not None
    updates = [row.update for row in evidence.constants]
    judged = {update.constant for update in updates}
    others = {key for key in members.keys if key not in judged}
    assert all(".random_effects." in key or ":evidence." in key for key in others), (
        "random effects and SDs between products and trials are no constants of the mechanism"
    )
    left_alone = {update.constant for update in updates} - set(members.keys)
    assert {update.verdict for update in updates if update.constant in left_alone} <= {"prior"}
    assert evidence.n_members == len(members)
    size = [
        abs(update.shift_prior_sd) + max(1.0 - update.left_of_prior_sd, 0.0) for update in updates
    ]
    assert size == sorted(size, reverse=True)
    for update in updates:
        is_clear = abs(update.shift_prior_sd) >= 0.5 or update.left_of_prior_sd <= 0.8
        assert (update.verdict == "constrains") == is_clear


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
    first, *others = (row.update for row in evidence.constants)
    assert first.constant == "assumption:engagement.strength_tce"
    assert first.shift_prior_sd == pytest.approx(0.7, abs=0.1)
    assert first.left_of_prior_sd == pytest.approx(0.5, abs=0.06)
    assert [update for update in others if update.verdict != "prior"] == []


def test_members_of_other_priors_are_not_judged(tmp_path: Path) -> None:
    assert (
        evidence_of(_saved(tmp_path, shift=0.7, digest="another"), world=load_world(), products={})
        is None
    )
