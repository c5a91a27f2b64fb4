"""Design files: which keys go together, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from crsrisk.data.trial_plan import (
    Candidates,
    Design,
    Estimand,
    FromCohort,
    IntercurrentEvent,
    Masking,
    PowerCurves,
    Screening,
    Sequential,
    Simulated,
    SingleArm,
    Stated,
    StatedArm,
    TrialPlan,
)
from crsrisk.data.yaml_files import build
from crsrisk.errors import InputError

SINGLE = SingleArm(method="simon_optimal", benchmark=0.6, target=0.8)


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        ({"kind": "enrichment"}, "threshold", "add threshold"),
        ({"kind": "enrichment", "threshold": 0.0}, "threshold", "all_comers"),
        ({"kind": "enrichment", "threshold": 1.0}, "threshold", "above 0 and below 1"),
        ({"kind": "all_comers", "threshold": 0.2}, "threshold", "only with enrichment"),
        ({"kind": "stratified", "cuts": []}, "cuts", "rising"),
        ({"kind": "stratified", "cuts": [0.3, 0.2]}, "cuts", "rising"),
        ({"kind": "stratified", "cuts": [0.2], "test": "fisher"}, "test", "mantel_haenszel"),
        ({"kind": "all_comers", "test": "mantel_haenszel"}, "test", "remove test"),
        ({"kind": "strategy", "threshold": 0.2}, "control", "add control"),
        (
            {"kind": "strategy", "threshold": 0.2, "control": "nobody", "margin": 0.05},
            "margin",
            "control: everybody",
        ),
        (
            {"kind": "strategy", "threshold": 0.2, "control": "everybody", "margin": 5.0},
            "margin",
            "below 0.5",
        ),
        (
            {
                "kind": "strategy",
                "threshold": 0.2,
                "control": "everybody",
                "margin": 0.05,
                "test": "fisher",
            },
            "test",
            "margin",
        ),
        (
            {
                "kind": "strategy",
                "threshold": 0.2,
                "control": "everybody",
                "test": "farrington_manning",
            },
            "test",
            "margin",
        ),
        ({"kind": "all_comers", "margin": 0.05}, "margin", "remove margin"),
        (
            {
                "kind": "multi_arm",
                "claims": [{"experimental": "a", "comparator": "b"}],
                "multiplicity": "holm",
                "sequential": Sequential(boundary="Pocock", looks=2),
            },
            "sequential",
            "remove sequential",
        ),
        ({"kind": "all_comers", "power": 1.0}, "power", "below 1"),
        ({"kind": "single_arm"}, "single_arm", "add single_arm"),
        ({"kind": "single_arm", "single_arm": SINGLE, "n_total": 40}, "n_total", "remove n_total"),
        ({"kind": "single_arm", "single_arm": SINGLE, "ratio": 2.0}, "ratio", "remove ratio"),
        ({"kind": "single_arm", "single_arm": SINGLE, "power": 0.9}, "power", "write beta: 0.1"),
        (
            {"kind": "single_arm", "single_arm": SINGLE, "co_primary_support": True},
            "co_primary_support",
            "history knows",
        ),
        (
            {
                "kind": "all_comers",
                "test": "fisher",
                "sequential": Sequential(boundary="Pocock", looks=2),
            },
            "test",
            "pooled_z",
        ),
    ],
)
def test_keys_that_do_not_go_together(given: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        Design(name="mine", **given)
    assert refused.value.where == "design mine"
    assert refused.value.key == key
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"method": "simon_optimal", "benchmark": 0.8, "target": 0.6}, "above the benchmark"),
        ({"method": "simon_optimal", "benchmark": 0.0, "target": 0.6}, "above 0 and below 1"),
        (
            {"method": "simon_optimal", "benchmark": 0.6, "target": 0.8, "n_max": 40},
            "find their own",
        ),
        (
            {"method": "predictive_probability", "benchmark": 0.6, "target": 0.8, "n_max": 40},
            "n_max and looks",
        ),
        (
            {
                "method": "predictive_probability",
                "benchmark": 0.6,
                "target": 0.8,
                "n_max": 40,
                "looks": [20, 40],
            },
            "below n_max",
        ),
    ],
)
def test_single_arms_that_cannot_be(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        SingleArm(**given)


def test_one_origin_of_candidates_and_one_of_the_effect() -> None:
    stated = Stated(risk="Beta(2,6)", risk_ratio=0.5)
    simulated = Simulated(product="tarlatamab", prophylaxis="tocilizumab", n_patients=500)
    assert Candidates(stated=stated).stated == stated
    for wrong in ({}, {"stated": stated, "simulated": simulated}):
        with pytest.raises(InputError, match="one of stated, simulated, cohort and arms"):
            Candidates(**wrong)
    with pytest.raises(InputError, match="one of the two"):
        FromCohort(file="a.csv", risk_column="risk", event_column="crs")


@pytest.mark.parametrize(
    ("key", "value"), [("missing_labs", 1.0), ("consent", 0.0), ("consent", 1.1)]
)
def test_shares_of_screening(key: str, value: float) -> None:
    with pytest.raises(InputError, match=key):
        Screening(candidates_per_month=1.0, **{key: value})


def test_masking_and_looks_and_curves() -> None:
    with pytest.raises(InputError, match="hidden"):
        Masking(hidden=1.0)
    with pytest.raises(InputError, match="one of the two"):
        Sequential(boundary="Pocock")
    with pytest.raises(InputError, match="base_rate"):
        PowerCurves(risk_ratio=[0.5], base_rate=[25.0], n_total=100)
    with pytest.raises(InputError, match="risk_ratio"):
        PowerCurves(risk_ratio=[0.0], base_rate=[0.25], n_total=100)


def test_nouns_are_frozen_and_strict() -> None:
    design = Design(name="x", kind="all_comers")
    with pytest.raises(ValidationError):
        design.name = "y"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Design(name="x", kind="all_comers", n_total="304")  # type: ignore[arg-type]


# The estimand says all five attributes, in words.


RESCUE = IntercurrentEvent(
    event="rescue tocilizumab", strategy="composite", sensitivity="treatment policy"
)


def test_rows_are_in_the_order_of_the_guideline() -> None:
    one = Estimand(
        population="adults",
        treatment="a against b",
        variable="CRS >= 2",
        summary="risk difference",
        intercurrent_events=[RESCUE],
    )
    assert [name for name, _ in one.rows] == [
        "Population",
        "Treatment",
        "Variable",
        "Intercurrent event: rescue tocilizumab",
        "Summary measure",
    ]
    assert (
        dict(one.rows)["Intercurrent event: rescue tocilizumab"]
        == "composite (sensitivity: treatment policy)"
    )


@pytest.mark.parametrize("blank", ["population", "treatment", "variable", "summary"])
def test_a_blank_is_refused(blank: str) -> None:
    said = {name: "in words" for name in ("population", "treatment", "variable", "summary")} | {
        blank: " "
    }
    with pytest.raises(ValidationError, match=blank):
        Estimand(**said, intercurrent_events=[RESCUE])


def test_a_strategy_that_the_guideline_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="treatment policy"):
        IntercurrentEvent(event="rescue", strategy="ignore")  # type: ignore[arg-type]


ARMS = [
    {"name": "placebo", "crs": 0.3, "support": 0.33, "both": 0.25},
    {"name": "a", "crs": 0.14, "support": 0.2, "both": 0.12},
    {"name": "b", "crs": 0.2, "support": 0.24, "both": 0.17},
]
CLAIMS = [{"experimental": "a", "comparator": "placebo"}]
SEVERAL = {"name": "x", "kind": "multi_arm", "claims": CLAIMS, "multiplicity": "holm"}


@pytest.mark.parametrize(
    ("arms", "design", "what"),
    [
        (None, SEVERAL, "candidates.arms"),
        (ARMS, {"name": "x", "kind": "all_comers"}, "two arms, or kind multi_arm"),
        (ARMS, {"name": "x", "kind": "enrichment", "threshold": 0.2}, "all_comers or multi_arm"),
        (ARMS, {**SEVERAL, "claims": [*CLAIMS, *CLAIMS]}, "each pair once"),
        (
            ARMS,
            {**SEVERAL, "claims": [{"experimental": "a", "comparator": "c"}]},
            "two different arms of placebo, a, b",
        ),
    ],
)
def test_rates_by_arm_and_designs_of_several_arms_go_together(
    arms: list[dict[str, Any]] | None, design: dict[str, Any], what: str
) -> None:
    stated = {"stated": {"risk": "Beta(2,6)", "risk_ratio": 0.5}}
    with pytest.raises(InputError, match=what):
        plan_of({"arms": arms} if arms else stated, design)


def test_what_arms_bring_along_is_not_stated_again() -> None:
    assert plan_of({"arms": ARMS}, SEVERAL).brings_its_own_masking
    with pytest.raises(InputError, match="remove masking"):
        plan_of({"arms": ARMS}, SEVERAL, masking={"hidden": 0.1})
    curves = {"risk_ratio": [0.5], "base_rate": [0.2], "n_total": 100}
    with pytest.raises(InputError, match="power_curves"):
        plan_of({"arms": ARMS}, SEVERAL, power_curves=curves)


@pytest.mark.parametrize(
    ("design", "what"),
    [
        ({"name": "x", "kind": "multi_arm", "claims": CLAIMS}, "multiplicity"),
        ({"name": "x", "kind": "all_comers", "claims": CLAIMS}, "only with multi_arm"),
        (
            {**SEVERAL, "multiplicity": "dunnett", "co_primary_support": True},
            "write multiplicity: holm",
        ),
        ({**SEVERAL, "sequential": {"boundary": "Pocock", "looks": 2}}, "sequential only with"),
    ],
)
def test_keys_of_several_arms(design: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        plan_of({"arms": ARMS}, design)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"crs": 0.0}, "crs"),
        ({"support": 33.0}, "divide percentages"),
        ({"both": 0.31}, "from 0 to 0.3"),
        ({"crs": 0.7, "support": 0.6, "both": 0.2}, "from 0.3 to 0.6"),
    ],
)
def test_rates_of_an_arm_that_cannot_be(change: dict[str, float], what: str) -> None:
    with pytest.raises(InputError, match=what):
        StatedArm(**{**ARMS[0], **change})
    with pytest.raises(InputError, match="a name of its own"):
        Candidates(arms=[StatedArm(**ARMS[0]), StatedArm(**ARMS[0])])


def plan_of(candidates: dict[str, Any], design: dict[str, Any], **more: Any) -> TrialPlan:
    tree = {
        "trial": "x",
        "question": "x?",
        "prophylaxis_in_words": "x",
        "seed": 1,
        "n_sim": 100,
        "estimand": {
            "population": "adults",
            "treatment": "drug",
            "variable": "grade",
            "summary": "difference",
            "intercurrent_events": [{"event": "rescue", "strategy": "composite"}],
        },
        "candidates": candidates,
        "screening": {"candidates_per_month": 8.0},
        "designs": [design],
        **more,
    }
    return build(TrialPlan, tree, where="mine.yaml")
