"""Prophylaxis over simulated patients: one small answer, looked at from all sides."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crsrisk.data.potential_outcomes import RESPONSE_WORLDS
from crsrisk.data.trial_plan_file import load_design
from crsrisk.data.world import load_world
from crsrisk.errors import InputError
from crsrisk.folders import names
from crsrisk.report.pages import policy_files, render_policy
from crsrisk.report.policy_words import read_aloud
from crsrisk.studies.policy import design_prophylaxis, write_answer
from crsrisk.studies.policy_cohort import Sizes
from crsrisk.studies.policy_request import Request, Weights
from crsrisk.studies.policy_uncertainty import (
    NOBODY,
    Rule,
    best_and_rival,
    consequence_constants,
    hidden_share,
)

SMALL = Request(
    product="tarlatamab",
    regimen="label_no_steroid",
    strategies=("dexamethasone", "tocilizumab@fever"),
    seed=3,
    sizes=Sizes(patients=100, repetitions=4, training=300),
    member_patients=32,
    members=6,
    scenario_patients=100,
    assumption_patients=64,
    n_resamples=100,
)


def silent(title: str, total: int) -> Any:
    return lambda n: None


@cache
def answer() -> dict[str, Any]:
    return design_prophylaxis(SMALL, begin=silent, workers=2)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer_whatever_the_workers() -> None:
    again = design_prophylaxis(SMALL, begin=silent, workers=1)
    assert json.dumps(again, allow_nan=False) == json.dumps(answer(), allow_nan=False)
    assert render_policy(again) == render_policy(answer())


def test_every_strategy_has_its_ladder_in_order() -> None:
    for one in answer()["strategies"].values():
        policies = [row["policy"] for row in one["policies"]]
        assert policies[:2] == ["treat none", "treat all"]
        assert policies[-2:] == ["covariate oracle", "mechanism oracle"]
        assert {row["net_benefit"]["value"] for row in one["policies"][:1]} == {0.0}
        parts = one["regret"]
        total = sum(parts[name]["value"] for name in ("threshold", "model", "information"))
        assert parts["total"]["value"] == pytest.approx(total, abs=1e-4)
        assert (
            one["policies"][3]["net_benefit"]["value"]
            >= max(one["policies"][k]["net_benefit"]["value"] for k in (0, 1, 2)) - 1e-4
        ), "the best threshold is the best"


def test_at_fever_only_the_febrile_are_treated() -> None:
    pre, fever = (
        answer()["strategies"][name]["policies"][1]["treated"]["value"]
        for name in ("dexamethasone", "tocilizumab@fever")
    )
    assert pre == 100.0
    assert fever < 100.0


def test_three_worlds_of_response_stand_side_by_side() -> None:
    for one in answer()["strategies"].values():
        by_world = one["ledger"]["by_response_world"]
        assert set(by_world) == set(RESPONSE_WORLDS)
        assert (
            by_world["no_link"]["responses_lost"]
            == by_world["common_cause"]["responses_lost"]
            == 0.0
        )
    assert (
        answer()["strategies"]["dexamethasone"]["ledger"]["by_response_world"]["mediation"][
            "responses_lost"
        ]
        > 0.0
    )


def test_not_one_world() -> None:
    assert [row["world"] for row in answer()["scenarios"]] == list(names("scenarios"))
    over = answer()["ensemble"]
    assert over["n_members"] == 6
    assert sum(row["probability_best"] for row in over["rules"]) == pytest.approx(1.0, abs=1e-4)
    least = min(over["rules"], key=lambda row: row["mean_regret_per_100"])
    most = max(over["rules"], key=lambda row: row["mean_net_benefit_per_100"])
    assert least["rule"] == most["rule"], "the rule of the highest mean leaves least undone"
    assert least["mean_regret_per_100"] == pytest.approx(
        answer()["information"]["evpi_per_100"], abs=1e-3
    )
    assert {row["rule"] for row in over["rules"]} == {rule["name"] for rule in answer()["rules"]}


def test_every_uncertain_consequence_that_matters_here_is_moved_to_its_ends() -> None:
    moved = {row["key"] for row in answer()["ends"]}
    uncertain = {one.key.removeprefix("assumption:") for one in consequence_constants(load_world())}
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
    known = answer()["information"]
    assert known["evpi_per_100"] >= 0.0
    assert {row["name"] for row in known["judgements"]} == {
        "consequences.infection_weight",
        "consequences.response_weight",
        "consequences.burden_per_course",
    }
    assert "response world" in {row["name"] for row in known["quantities"]}
    assert not [row for row in known["assumptions"] if "ruxolitinib" in row["name"]], (
        "a drug that nobody is given"
    )


def test_the_first_paragraph_can_be_read_aloud() -> None:
    text = answer()["aloud"]
    assert "never advice on a patient" in text
    assert "within 21 days" in text
    assert "need of fluids, vasopressor or oxygen" in text
    sizes = answer()["recommendation"]["sizes"]
    both = [
        sizes[key]["n_per_arm_0.8"] for key in ("median effect", "median effect on need of support")
    ]
    assert (
        None in both
        or f" {max(both)} patients an arm give each of the two endpoints 80% power" in text
    )
    assert not set(text) & set("{}[]|_*≥>=")
    assert ">=" not in answer()["question"]
    page = render_policy(answer())
    assert page.index("lead aloud") < page.index("<table")
    assert "<script" not in page
    assert answer()["notice"] in page


def test_the_recommended_trial_is_a_design_file(tmp_path: Path) -> None:
    """And its reader takes it, with the strategy as the trial's prophylaxis."""
    write_answer(answer(), html=None, out=tmp_path)
    plan = load_design(tmp_path / "trial.yaml")
    assert plan.candidates.simulated is not None
    assert plan.candidates.simulated.prophylaxis == answer()["recommendation"]["strategy"]
    assert (tmp_path / "tables" / "worth.csv").is_file()


def test_figures_stand_alone() -> None:
    figures = policy_files(answer())
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
        ({"sizes": Sizes(10, 4, 300)}, "100 or more"),
        ({"sizes": Sizes(100, 3, 300)}, "even"),
        ({"weights": Weights(infection=-1.0)}, "infection_weight"),
        ({"product": "unheard_of"}, "unheard_of"),
        ({"regimen": "twice"}, "one of"),
        ({"model": "no/such/model"}, "no/such/model"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(change: dict[str, Any], what: str) -> None:
    fields = {name: getattr(SMALL, name) for name in SMALL.__dataclass_fields__}

    def never(title: str, total: int) -> Any:
        raise AssertionError(f"{title} began before the question was checked")

    with pytest.raises(InputError, match=what):
        design_prophylaxis(Request(**{**fields, **change}), begin=never)


def test_a_score_must_gain_something() -> None:
    rules = [NOBODY, Rule("a"), Rule("a", 0.2), Rule("b")]
    assert best_and_rival(np.array([0.0, 0.1, 0.1005, 0.05]), rules) == (1, 3)
    assert best_and_rival(np.array([0.0, 0.1, 0.12, 0.05]), rules) == (2, 3)
    assert best_and_rival(np.array([0.0, -0.1, -0.1, -0.2]), rules) == (0, 1)


def test_hidden_fever_is_a_share() -> None:
    assert hidden_share(0.5, 0.5) == 0.0
    assert hidden_share(0.4, 1.0) == 1.0
    assert hidden_share(1.0, 1.0) == 0.0


def test_words_that_depend_on_figures() -> None:
    """No response lost is not put down to a world; a fever that hides is said where support shows
    less than the grade.
    """
    found = json.loads(json.dumps(answer()))
    rule = next(one for one in found["rules"] if one["name"] == found["recommendation"]["rule"])
    lost = found["strategies"][rule["strategy"]]["policies"][1 if rule["threshold"] is None else 2][
        "responses_lost"
    ]
    lost |= {"value": 0.01, "low": 0.0, "high": 0.02}
    (
        found["recommendation"]["risk_ratio"]["value"],
        found["recommendation"]["support_ratio"]["value"],
    ) = (0.5, 0.7)
    text = read_aloud(found)
    assert "costs no tumour response in any world" in text
    assert "0.50 by the grade but 0.70 by need of support" in text
    lost |= {"value": 2.0, "low": 1.0, "high": 3.0}
    found["recommendation"]["support_ratio"]["value"] = 0.5
    text = read_aloud(found)
    assert "costs 2.0 (1.0 to 3.0) tumour responses if T-cell activation mediates" in text
    assert "fever that is not seen" not in text
