"""The page on trial designs: typed first, a paragraph that can be read aloud, and errors
wherever a figure stands.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import Any

import pytest

from crsrisk.data.operating_characteristics import (
    CandidatePool,
    EndpointRates,
    Look,
    Misspecification,
    OperatingCharacteristics,
    PowerCell,
    proportion,
)
from crsrisk.data.trial_plan import (
    Candidates,
    Design,
    Estimand,
    IntercurrentEvent,
    Masking,
    PowerCurves,
    Screening,
    SingleArm,
    Stated,
    TrialPlan,
)
from crsrisk.report.answers import MOST_WORDS
from crsrisk.report.pages import POLICY, render_trial, trial_figures
from crsrisk.report.trial import TrialPage, power_panels, trial_page, with_error
from crsrisk.report.trial_protocol import protocol_tree
from crsrisk.results import Estimate, to_plain


def figure(value: float, mc_error: float = 0.0) -> Estimate:
    return Estimate(value, mc_error=mc_error)


def characteristics(**changes: Any) -> OperatingCharacteristics:
    look = Look(
        n=150,
        share=0.5,
        upper_z=2.797,
        lower_z=0.0,
        benefit_effect=proportion(300, 1000),
        futility_effect=proportion(20, 1000),
        benefit_null=proportion(3, 1000),
        futility_null=proportion(500, 1000),
    )
    last = replace(look, n=300, share=1.0, upper_z=1.977, lower_z=None)
    rows = [
        Misspecification(
            key="hidden_astct",
            truth="No effect, hidden: ASTCT",
            claims=proportion(210, 1000),
            is_error=True,
        ),
        Misspecification(
            key="hidden_both",
            truth="No effect, hidden: both",
            claims=proportion(24, 1000),
            is_error=True,
        ),
    ]
    given = {
        "design": "Everybody",
        "kind": "all_comers",
        "n_sim": 1000,
        "n_max": 300,
        "co_primary_support": True,
        "eligible_share": 1.0,
        "rate_control": 0.25,
        "rate_experimental": 0.125,
        "planned_power": 0.801,
        "wanted_power": 0.8,
        "power": proportion(800, 1000),
        "type_one_error": proportion(25, 1000),
        "nominal_alpha": 0.025,
        "expected_n": figure(240.0, 1.2),
        "expected_n_null": figure(210.0, 1.0),
        "screened": figure(300.0, 2.0),
        "screened_per_enrolled": figure(1.25, 0.001),
        "duration_months": figure(31.0, 0.1),
        "waiting": figure(3.0, 0.1),
        "exposed": figure(120.0, 0.5),
        "exposed_without_need": figure(90.0, 0.4),
        "looks": (look, last),
        "misspecifications": tuple(rows),
    }
    return OperatingCharacteristics(**(given | changes))


def single_arm() -> OperatingCharacteristics:
    look = Look(
        n=11,
        share=0.25,
        lower_count=7,
        benefit_effect=figure(0.0),
        futility_effect=figure(0.1),
        benefit_null=figure(0.0),
        futility_null=figure(0.7),
    )
    last = replace(look, n=43, share=1.0, upper_count=31, lower_count=30)
    rows = [
        Misspecification(
            key=f"drift_{k}",
            truth=f"No effect, but {60 + k} of 100 untreated without CRS",
            claims=figure(value),
            is_error=True,
        )
        for k, value in ((0, 0.049), (5, 0.15), (10, 0.345))
    ]
    return characteristics(
        design="Single arm",
        kind="single_arm",
        n_max=43,
        planned_power=None,
        benchmark=0.6,
        looks=(look, last),
        misspecifications=tuple(rows),
        co_primary_support=False,
    )


PLAN = TrialPlan(
    trial="mine",
    question="Which design?",
    prophylaxis_in_words="tocilizumab",
    seed=1,
    n_sim=1000,
    estimand=Estimand(
        population="adults",
        treatment="a against b",
        variable="CRS >= 2",
        summary="risk difference",
        intercurrent_events=[IntercurrentEvent(event="rescue <b>", strategy="composite")],
    ),
    candidates=Candidates(stated=Stated(risk="Beta(2,6)", risk_ratio=0.5)),
    screening=Screening(candidates_per_month=10.0),
    designs=[
        Design(name="Everybody", kind="all_comers"),
        Design(
            name="Single arm",
            kind="single_arm",
            single_arm=SingleArm(method="simon_optimal", benchmark=0.6, target=0.8),
        ),
    ],
)
CANDIDATES = CandidatePool(
    origin="Beta(2,6)",
    n_patients=0,
    base_rate=0.25,
    base_rate_error=0.0,
    risk_ratio=0.5,
    rates=(
        EndpointRates("ASTCT grade >= 2", untreated=0.25, with_prophylaxis=0.1),
        EndpointRates("support", untreated=0.27, with_prophylaxis=0.15),
    ),
)
CELLS = [
    PowerCell(
        base_rate=rate,
        risk_ratio=ratio,
        threshold=t,
        n_total=300,
        eligible_share=1.0,
        power=figure(0.9 - ratio / 2, 0.004),
    )
    for rate in (0.25, 0.4)
    for ratio in (0.4, 0.6)
    for t in (0.0, 0.3)
]


@pytest.fixture
def page() -> TrialPage:
    return trial_page(
        PLAN,
        designs=[characteristics(), single_arm()],
        power=CELLS,
        methods="Aim: x >= 2.",
        protocol="trial: mine\n",
        candidates=CANDIDATES,
        making={"seed": "1"},
    )


def test_the_paragraph_can_be_read_aloud(page: TrialPage) -> None:
    said = page.summary
    assert not re.search(r"[±≥≤<>=%&_*{}\[\]]", said), "a sign that nobody can speak"
    for part in (
        "about 25 would have",
        "about 12 with it",
        "assumed, not known",
        "80 of 100 trials",
        "2.5 of 100",
        "21 of 100",
        "34 of 100 trials",
        "stands or falls with its benchmark",
        "synthetic",
    ):
        assert part in said, said


def test_the_answer_is_short_and_ends_with_what_it_is_not(page: TrialPage) -> None:
    assert len(page.answer.split()) <= MOST_WORDS
    assert page.summary.startswith(page.answer.partition(" All candidates")[0])
    assert page.answer.endswith("nothing here was validated on real patients.")
    html = render_trial(page)
    assert page.answer.replace('"', "&#34;") in html
    assert html.index(page.answer[:40]) < html.index("<details")


def test_every_rate_in_the_comparison_carries_its_error(page: TrialPage) -> None:
    table = page.comparison
    labels = [f"{column.label} {column.sub}".strip() for column in table.columns]
    cells = dict(zip(labels, table.groups[0].rows[0].cells, strict=True))
    assert cells["Power of 100"] == "80.0 ± 1.3"
    assert cells["Type I error of 100"] == "2.50 ± 0.49"
    assert cells["Patients at most"] == "300"
    assert "Monte Carlo standard error" in table.notes[0]


def test_candidates_have_both_endpoints(page: TrialPage) -> None:
    assert [row.cells for row in page.candidates.groups[0].rows] == [
        ("25.0", "10.0"),
        ("27.0", "15.0"),
    ]
    assert page.candidates.notes == ("Beta(2,6). By formula, without error.",)


def test_the_benchmark_is_always_printed(page: TrialPage) -> None:
    drift = next(table for table in page.misspecified if table.key == "table-benchmark")
    assert drift.groups[0].rows[0].cells == ("4.9", "15.0", "34.5")
    assert "Single arm: 60" in drift.notes[0]


def test_the_page_is_plain_data_too(page: TrialPage) -> None:
    plain = to_plain(page)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == [part.name for part in fields(TrialPage)]
    assert plain["boundaries"][0]["looks"][0]["upper"] == 2.797
    assert plain["power"][0]["curves"][0]["risk_ratio"] == [0.4, 0.6]


def test_the_page_needs_nothing_and_escapes_what_it_is_given(page: TrialPage) -> None:
    html = render_trial(page)
    assert POLICY in html.replace("&#39;", "'")
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)
    assert "rescue &lt;b&gt;" in html
    assert html.index('id="answer"') < html.index('id="designs"') < html.index('id="protocol"')
    assert page.notice in html
    assert "Research use; synthetic data; no external validation." in html


def test_figures_say_what_they_show(page: TrialPage) -> None:
    svgs = trial_figures(page)
    assert sorted(svgs) == ["boundary-0", "boundary-1", "power-0", "power-1"]
    assert "150 patients: benefit from 2.797 and futility below 0" in svgs["boundary-0"]
    assert "43 patients: benefit from 31 and futility below 30" in svgs["boundary-1"]
    assert "everybody: 0.70 at 0.4, 0.60 at 0.6" in svgs["power-0"]


def test_power_panels_group_by_base_rate_and_threshold() -> None:
    panels = power_panels(CELLS, wanted=0.8)
    assert [panel.base_rate for panel in panels] == [0.25, 0.4]
    assert [curve.label for curve in panels[0].curves] == ["everybody", "risk 0.3 or more"]
    assert panels[0].curves[0].risk_ratio == (0.4, 0.6)


def test_the_power_note_says_which_endpoint() -> None:
    curves = PowerCurves(risk_ratio=[0.5], base_rate=[0.25], n_total=300, co_primary_support=True)
    plan = PLAN.model_copy(update={"power_curves": curves, "masking": Masking(hidden=0.2)})
    made = trial_page(
        plan,
        designs=[characteristics()],
        power=CELLS,
        methods="",
        protocol="",
        making={},
        candidates=CANDIDATES,
    )
    for part in (
        "Both endpoints must show it",
        "20 of 100 events",
        "Largest Monte Carlo error 0.4 points",
    ):
        assert part in made.power_note


def test_errors_are_left_out_only_where_they_say_nothing() -> None:
    assert with_error(figure(1.25, 0.00001), digits=2) == "1.25"
    assert with_error(figure(1.25, 0.001), digits=2) == "1.25 ± 0.001"
    assert with_error(figure(304.0, 0.3), digits=0) == "304 ± 0.3"


def test_a_protocol_is_its_own_protocol() -> None:
    tree = protocol_tree(PLAN, n_max={"Everybody": 304, "Single arm": 43})
    again = protocol_tree(
        TrialPlan.model_validate(tree), n_max={"Everybody": 304, "Single arm": 43}
    )
    assert again == tree
    assert tree["designs"][0]["n_total"] == 304
    assert "ratio" not in tree["designs"][1]


def test_tables_are_numbered_through_and_notes_speak_of_what_is_shown(page: TrialPage) -> None:
    """In the order of the page; hidden fever only where its columns stand."""
    tables = (
        page.estimand, page.candidates, page.comparison, *page.claims, *page.misspecified,
        *page.looks,
    )  # fmt: skip
    assert [table.number for table in tables] == [str(k + 1) for k in range(len(tables))]
    endpoints = next(table for table in page.misspecified if table.key == "table-endpoints")
    hides = any(column.label.startswith("No effect, fever") for column in endpoints.columns)
    assert any("in the last two columns" in note for note in endpoints.notes) is hides
