"""Prophylaxis over simulated patients: one small answer, looked at from all sides."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, parse_strategy
from crsrisk.data.trial_plan import StatedArm
from crsrisk.data.trial_plan_file import load_design
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.folders import names
from crsrisk.plots.chart_data import Dots, Lines
from crsrisk.policy.cohort import HarmWeights
from crsrisk.policy.decision import best_and_rival, hidden_share
from crsrisk.policy.recommended_trial import CONTROL, plan_trial
from crsrisk.policy.worlds import NOBODY, Rule, consequence_constants
from crsrisk.report.answers import MOST_WORDS
from crsrisk.report.pages import policy_files
from crsrisk.report.policy import trial_design_yaml
from crsrisk.report.policy_words import policy_summary
from crsrisk.results import REPR_LIMIT, Estimate, to_plain
from crsrisk.studies.policy import PolicyResult, evaluate_policies, write_policies
from crsrisk.studies.trial import run_trial

SMALL: dict[str, Any] = {
    "product": "tarlatamab",
    "regimen": "label_no_steroid",
    "strategies": ("dexamethasone", "tocilizumab@fever"),
    "seed": 3,
    "n_patients": 100,
    "n_replicates": 4,
    "n_training_per_arm": 300,
    "member_patients": 32,
    "n_members": 6,
    "scenario_patients": 100,
    "assumption_patients": 64,
    "n_resamples": 100,
}


@cache
def answer() -> PolicyResult:
    return evaluate_policies(**SMALL, workers=2)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer_whatever_the_workers() -> None:
    again = evaluate_policies(**SMALL, workers=1)
    assert json.dumps(again.policy_tree(), allow_nan=False) == json.dumps(
        answer().policy_tree(), allow_nan=False
    )
    assert again.to_html() == answer().to_html()


def test_every_strategy_has_its_policies_in_order() -> None:
    for value in answer().strategies.values():
        policies = [row.policy for row in value.policies]
        assert policies[:2] == ["treat none", "treat all"]
        assert policies[-2:] == ["covariate oracle", "mechanism oracle"]
        assert value.policies[0].net_benefit.value == 0.0
        parts = value.regret
        total = sum(part.value for part in (parts.threshold, parts.model, parts.information))
        assert parts.total.value == pytest.approx(total, abs=1e-9)
        assert (
            value.policies[3].net_benefit.value
            >= max(value.policies[k].net_benefit.value for k in (0, 1, 2)) - 1e-9
        ), "the best threshold is the best"


def test_at_fever_only_the_febrile_are_treated() -> None:
    pre, fever = (
        answer().strategies[name].treat_all.treated.value
        for name in ("dexamethasone", "tocilizumab@fever")
    )
    assert pre == 100.0
    assert fever < 100.0


def test_three_worlds_of_response_stand_side_by_side() -> None:
    for value in answer().strategies.values():
        by_world = value.ledger.by_response_world
        assert set(by_world) == set(RESPONSE_WORLDS)
        assert by_world["no_link"].responses_lost == by_world["common_cause"].responses_lost == 0.0
    by_world = answer().strategies["dexamethasone"].ledger.by_response_world
    assert by_world["mediation"].responses_lost > 0.0


def test_not_one_world() -> None:
    assert [row.scenario for row in answer().scenarios] == list(names("scenarios"))
    over = answer().ensemble
    assert over.n_members == 6
    assert sum(row.probability_best for row in over.rules) == pytest.approx(1.0, abs=1e-9)
    least = min(over.rules, key=lambda row: row.mean_regret_per_100)
    most = max(over.rules, key=lambda row: row.mean_net_benefit_per_100)
    assert least.rule == most.rule, "the rule of the highest mean leaves least undone"
    assert least.mean_regret_per_100 == pytest.approx(answer().information.evpi_per_100, abs=1e-9)
    assert {row.rule for row in over.rules} == {rule.name for rule in answer().rules}


def test_the_result_shows_itself_and_survives() -> None:
    result = answer()
    assert len(repr(result)) < REPR_LIMIT
    assert "<table" in result._repr_html_()
    frame = result.to_frame()
    assert set(frame["strategy"]) == set(result.strategies)
    everybody = frame[(frame.strategy == "dexamethasone") & (frame.policy == "treat all")].iloc[0]
    assert everybody["averted"] == result.strategies["dexamethasone"].treat_all.averted.value
    for copy in (pickle.loads(pickle.dumps(result)), deepcopy(result)):
        assert copy.to_dict() == result.to_dict()
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()


def test_what_is_drawn_is_what_the_page_shows() -> None:
    result = answer()
    assert isinstance(result.chart("rules"), Dots)
    for show in ("net_benefit", "doses"):
        assert isinstance(result.chart(show, strategy="dexamethasone"), Lines)
    drawn = {
        to_plain(panel.data)["description"]
        for part in result.page().sections
        for figure in part.figures
        for panel in figure.panels
    }
    assert result.chart("doses", strategy="dexamethasone").description in drawn
    assert result.chart("rules").description in drawn
    with pytest.raises(InputError, match="one of dexamethasone"):
        result.chart(strategy="aspirin")


def test_every_uncertain_consequence_that_matters_here_is_moved_to_its_ends() -> None:
    moved = {row.key for row in answer().ends}
    uncertain = {
        constant.key.removeprefix("assumption:") for constant in consequence_constants(load_world())
    }
    assert moved <= uncertain
    assert {
        "consequences.response_weight",
        "consequences.infection_weight",
        "consequences.burden_per_course",
        "consequences.infection_usual_risk",
        "consequences.response_log_odds_per_log_activation",
    } <= moved
    assert "consequences.infection_ratio__tnf_free" not in moved, "nobody blocks TNF here"


def test_value_of_information_says_what_is_chance_and_what_people_set() -> None:
    known = answer().information
    assert known.evpi_per_100 >= 0.0
    assert {row.name for row in known.judgements} == {
        "consequences.infection_weight",
        "consequences.response_weight",
        "consequences.burden_per_course",
    }
    assert "response world" in {row.name for row in known.quantities}
    assert not [row for row in known.assumptions if "ruxolitinib" in row.name], (
        "a drug that nobody is given"
    )


def test_the_first_paragraph_can_be_read_aloud() -> None:
    text = answer().page().summary
    assert answer().summary() == text.replace("≥", ">=")
    assert "never advice on a patient" in text
    assert "within 21 days" in text
    assert "need of fluids, vasopressor or oxygen" in text
    trial = answer().recommendation.trial
    assert (
        "there is nothing that a trial could show" in text
        if trial.n_per_arm is None
        else f"{trial.n_per_arm:,} patients in each of {len(trial.arms)} arms give" in text
    )
    assert not set(text) & set("{}[]|_*≥>=")
    assert ">=" not in answer().page().question
    page = answer().to_html()
    assert page.index('class="answer"') < page.index("<details") < page.index("<table")
    assert len(answer().page().answer.split()) <= MOST_WORDS
    assert "is not known" in answer().page().answer
    assert "<script" not in page
    assert answer().notice in page


ARMS = (
    StatedArm(name=CONTROL, crs=0.30, support=0.33, both=0.25),
    StatedArm(name="tocilizumab@fever", crs=0.14, support=0.20, both=0.12),
    StatedArm(name="dexamethasone", crs=0.20, support=0.24, both=0.17),
)


@cache
def recommending(arms: tuple[StatedArm, ...]) -> PolicyResult:
    """The answer with the trial of these arms in place of its own."""
    advice = replace(answer().recommendation, trial=plan_trial(arms, treated=0.6))
    return replace(answer(), recommendation=advice)


@pytest.mark.parametrize("n_arms", [2, 3])
def test_the_design_file_reproduces_the_page(n_arms: int, tmp_path: Path) -> None:
    """Same arms, rates and patients; simulated power of each claim and of all within Monte Carlo
    error of the planned one: four standard errors at 2,000 trials (a false alarm in 16,000 for each
    of at most four figures), and one point for the normal approximation.
    """
    result = recommending(ARMS[:n_arms])
    trial = result.recommendation.trial
    path = tmp_path / "trial.yaml"
    path.write_text(str(trial_design_yaml(result)), encoding="utf-8")
    plan = load_design(path).model_copy(update={"n_sim": 2000})
    assert plan.candidates.arms == list(trial.arms) == list(ARMS[:n_arms])
    first = run_trial(plan.model_copy(update={"designs": plan.designs[:1]})).designs[0]
    assert first.n_max == trial.n_total
    assert trial.power_all is not None

    def agrees(found: Estimate, planned: float) -> bool:
        return abs(found.value - planned) <= 4 * np.sqrt(planned * (1 - planned) / 2000) + 0.01

    assert agrees(first.power, trial.power_all)
    assert first.rate_control == pytest.approx(ARMS[0].crs, abs=1e-4)
    simulated = [claim.power for claim in first.claims] or [first.power]
    for found, claim in zip(simulated, trial.claims, strict=True):
        assert agrees(found, claim.power)


def test_every_comparison_of_the_trial_has_a_size_or_a_reason() -> None:
    """Two drugs and their decision: three claims, or a sentence on what is left out."""
    text = recommending(ARMS).summary()
    assert "all its 3 claims together 80% power on both endpoints" in text
    assert "would do for all but the last of them" in text
    table = next(t for t in recommending(ARMS).page().tables if t.key == "table-sizes")
    assert sum(len(group.rows) for group in table.groups) == 9
    no_choice = (*ARMS[:2], ARMS[2].model_copy(update={"support": 0.19}))
    text = recommending(no_choice).summary()
    assert (
        "does not claim tocilizumab at fever against dexamethasone, since need of support" in text
    )
    useless = (*ARMS[:2], ARMS[2].model_copy(update={"support": 0.35}))
    result = recommending(useless)
    assert [arm.name for arm in result.recommendation.trial.arms] == [CONTROL, ARMS[1].name]
    assert "does not claim dexamethasone against placebo" in result.summary()


def test_a_trial_with_nothing_to_show_is_no_design_file(tmp_path: Path) -> None:
    hopeless = recommending((ARMS[0], ARMS[0].model_copy(update={"name": "dexamethasone"})))
    assert hopeless.recommendation.trial.n_per_arm is None
    assert "nothing that a trial could show" in hopeless.summary()
    assert trial_design_yaml(hopeless) is None
    write_policies(hopeless, html=None, out=tmp_path)
    assert not (tmp_path / "trial.yaml").exists()


def test_the_recommended_trial_is_written(tmp_path: Path) -> None:
    result = recommending(ARMS)
    write_policies(result, html=None, out=tmp_path)
    assert load_design(tmp_path / "trial.yaml").candidates.arms == list(ARMS)
    assert (tmp_path / "tables" / "worth.csv").is_file()
    tree = json.loads((tmp_path / "content.json").read_text())
    assert tree["recommendation"]["strategy"] == answer().recommendation.strategy
    assert tree["page"]["summary"] == result.page().summary
    assert tree["recommendation"]["trial"]["n_per_arm"] == result.recommendation.trial.n_per_arm


def test_figures_stand_alone() -> None:
    figures = policy_files(answer().page())
    assert len(figures) == 2 * 2 + 1
    assert all(svg.startswith("<svg") and "synthetic" in svg for svg in figures.values())


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"strategies": ()}, "one way of preventing CRS"),
        ({"strategies": ("none",)}, "one way of preventing CRS"),
        ({"strategies": ("aspirin",)}, "one of anakinra"),
        ({"strategies": ("anakinra@noon",)}, "@fever"),
        ({"response_world": "hope"}, "no_link"),
        ({"doses_per_100": (0.0,)}, "more than 0"),
        ({"doses_per_100": (100.0,)}, "fewer than 100"),
        ({"n_patients": 10}, "100 or more"),
        ({"n_training_per_arm": 10}, "300 or more"),
        ({"n_replicates": 3}, "even"),
        ({"weights": HarmWeights(infection=-1.0)}, "infection_weight"),
        ({"product": "unheard_of"}, "unheard_of"),
        ({"regimen": "twice"}, "one of"),
        ({"model": "no/such/model"}, "no/such/model"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(change: dict[str, Any], what: str) -> None:
    def never(title: str, total: int) -> Any:
        raise AssertionError(f"{title} began before the question was checked")

    with pytest.raises(InputError, match=what):
        evaluate_policies(**{**SMALL, **change}, begin=never)


def test_a_score_must_gain_something() -> None:
    rules = [NOBODY, Rule("a"), Rule("a", 0.2), Rule("b")]
    assert best_and_rival(np.array([0.0, 0.1, 0.1005, 0.05]), rules) == (1, 3)
    assert best_and_rival(np.array([0.0, 0.1, 0.12, 0.05]), rules) == (2, 3)
    assert best_and_rival(np.array([0.0, -0.1, -0.1, -0.2]), rules) == (0, 1)


def test_hidden_fever_is_a_share() -> None:
    assert hidden_share(0.5, 0.5) == 0.0
    assert hidden_share(0.4, 1.0) == 1.0
    assert hidden_share(1.0, 1.0) == 0.0


def test_a_product_a_world_and_a_strategy_may_be_objects() -> None:
    """What cannot be asked of objects is refused like what cannot be asked of names."""

    def never(title: str, total: int) -> Any:
        raise AssertionError(f"{title} began before the question was checked")

    world, product = load_world(), load_product("tarlatamab")
    with pytest.raises(InputError, match="one of"):
        evaluate_policies(
            product, [parse_strategy("anakinra")], world=world, regimen="twice", begin=never
        )


def test_words_that_depend_on_figures() -> None:
    """No response lost is not put down to a world; a fever that hides is said where support shows
    less than the grade.
    """
    result = answer()
    rule = result.rule(result.recommendation.rule)

    def said(lost: Estimate, *, support_ratio: float) -> str:
        value = result.strategies[rule.strategy]
        advice = replace(
            result.recommendation,
            risk_ratio=replace(result.recommendation.risk_ratio, value=0.5),
            support_ratio=replace(result.recommendation.support_ratio, value=support_ratio),
        )
        rows = tuple(replace(row, responses_lost=lost) for row in value.policies)
        changed = {**result.strategies, rule.strategy: replace(value, policies=rows)}
        return policy_summary(replace(result, strategies=changed, recommendation=advice))

    text = said(Estimate(0.01, 0.0, 0.02), support_ratio=0.7)
    assert "no tumour response" not in text
    assert "costs response is an unresolved question" in text
    assert "0.50 by the grade but 0.70 by need of support" in text
    text = said(Estimate(2.0, 1.0, 3.0), support_ratio=0.5)
    assert "costs 2.0 (1.0 to 3.0) tumour responses if T-cell activation mediates" in text
    assert "fever that is not seen" not in text
