"""The evaluation of a model: typed with all its parts, a page that needs nothing else, further
sections from outside.
"""

from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from crsrisk.evaluation.evaluate import evaluate
from crsrisk.evaluation.internal_external import SCALES, InternalExternal, Place, pool
from crsrisk.evaluation.leaks import probe
from crsrisk.evaluation.learning_curve_size import Development, needed_size
from crsrisk.evaluation.optimism import InstabilityByRisk, instability, optimism
from crsrisk.evaluation.paired_comparison import ModelComparison
from crsrisk.evaluation.parts import parts_of
from crsrisk.evaluation.resampling import Repeats
from crsrisk.evaluation.sample_size import SampleSize
from crsrisk.evaluation.subgroups import decompose_gap, subgroups
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.checklists import Answer, Checklist
from crsrisk.report.cross_validation import cross_validation_part, when_not_to_trust
from crsrisk.report.evaluation import FORMAT, ModelEvaluation, build_model_evaluation
from crsrisk.report.evaluation_facts import About, EvaluationData, ExtraSection, MissingShare
from crsrisk.report.model_card import model_card_markdown
from crsrisk.report.pages import render_evaluation
from crsrisk.report.sections import section
from crsrisk.results import Estimate, NotEstimable
from tests.data.made_cross_validations import make_cross_validation
from tests.toys import config, make_toy, model, toy  # noqa: F401

RESULTS = (
    "evaluation",
    "optimism",
    "instability",
    "internal_external",
    "comparison",
    "subgroups",
    "gaps",
    "sample_size",
)
DATA = EvaluationData(
    who="toys",
    source="Made up.",
    eligibility="All.",
    outcome_from="Drawn.",
    flow="900 rows.",
    split="None.",
    differences="None.",
    is_synthetic=True,
    n_overlap=0,
)


def about(
    model: RiskModel,  # noqa: F811
    observed: Any,
    *,
    purpose: str = "development and evaluation",
    **data: Any,
) -> About:
    return About(
        purpose=purpose,
        question="Is it good?",
        data=replace(DATA, **data),
        threshold=0.3,
        probe=probe(model, observed),
        missing=[MissingShare("crp_mg_l", "CRP", 0.1)],
        labels={name: name for name in observed["product"].unique()},
        manifest={"seed": 1},
        tuning="Nothing was tuned.",
    )


@pytest.fixture(scope="module")
def parts(model: RiskModel) -> dict[str, Any]:  # noqa: F811
    patients = make_toy(900, seed=5)
    y_true, risk = (
        patients.outcomes["crs_grade2plus"].to_numpy(),
        predict(model, patients.observed).risk,
    )
    products, rng = patients.observed["product"].to_numpy(dtype=str), np.random.default_rng(1)
    repeats = Repeats(
        rows=rng.integers(0, 900, (24, 900)),
        risk=np.clip(risk + rng.normal(0, 0.03, (24, 900)), 0.01, 0.99),
        is_tuned=np.arange(24) < 20,
        n_asked=25,
        failures={"ValueError: none": 1},
    )
    place = Place("north", 100, 30, *[Estimate(0.8, 0.7, 0.9)] * 4)
    pooled = pool([0.1, 0.2, 0.3], standard_errors=[0.1] * 3)
    return {
        "patients": patients,
        "about": about(model, patients.observed),
        "evaluation": evaluate(
            y_true, risk, groups=products, outcome_name="toy", seed=1, n_resamples=50
        ),
        "subgroups": subgroups(
            y_true,
            risk=risk,
            product=products,
            threshold=0.3,
            seed=1,
            n_resamples=50,
            parts=parts_of(patients.observed, measured=("crp_mg_l", "il6_pg_ml")),
        ),
        "gaps": {
            "women": decompose_gap(
                y_true,
                risk=risk,
                is_in_group=patients.observed["is_female"],
                group="women",
                seed=1,
                n_missing=np.zeros(900, dtype=int),
                n_resamples=50,
            )
        },
        "optimism": optimism(y_true, risk=risk, refits=repeats, product=products),
        "instability": instability(
            y_true, risk=risk, refits=repeats, thresholds=[0.1, 0.3], at=[0.3], seed=1
        ),
        "internal_external": {
            "site": InternalExternal("site", (place,), dict.fromkeys(SCALES, pooled), 3),
            "product": NotEstimable("one of them"),
        },
        "comparison": [
            ModelComparison(
                other="Other",
                auroc=Estimate(0.1, 0.0, 0.2),
                auroc_within_groups=NotEstimable("few"),
                brier=Estimate(0.0, 0.0, 0.0),
                log_loss=Estimate(0.0, 0.0, 0.0),
                net_benefit=NotEstimable("few"),
            )
        ],
        "sample_size": SampleSize(
            n=900,
            n_events=200,
            riley=None,
            needed=needed_size(
                [
                    Development(n, seed, {"slope": 1 - 60 / n + 0.001 * seed})
                    for n in (300, 1000)
                    for seed in (1, 2)
                ]
            ),
        ),
    }


@pytest.fixture(scope="module")
def content(model: RiskModel, parts: dict[str, Any]) -> ModelEvaluation:  # noqa: F811
    given = {name: parts[name] for name in ("about", *RESULTS)}
    truth = ExtraSection(
        "against_the_truth",
        {"coverage": Estimate(0.9, 0.8, 1.0)},
        limits=("Truth is simulated.",),
        sections=[section("truth", title="Against the truth", lead="It is near.")],
    )
    forecasts = cross_validation_part(make_cross_validation())
    return build_model_evaluation(model, **given, further=[truth, forecasts])


def answers_of(checklist: Checklist) -> dict[str, Answer]:
    return {answer.number: answer for answer in checklist.items}


def test_every_part_is_there_and_json_can_hold_it(content: ModelEvaluation) -> None:
    plain = content.to_dict()
    assert set(RESULTS) < set(plain)
    assert plain["format"] == FORMAT
    assert [part.key for part in content.sections] == [
        "performance",
        "comparison",
        "optimism",
        "internal-external",
        "instability",
        "subgroups",
        "sample-size",
        "truth",
        "forecasts",
    ]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["against_the_truth"]["coverage"] == {"value": 0.9, "low": 0.8, "high": 1.0}
    assert "Truth is simulated." in content.limits


def test_it_shows_itself_shortly_and_survives_pickle(content: ModelEvaluation) -> None:
    assert len(repr(content)) < 2000
    assert "no external validation" in repr(content)
    for again in (pickle.loads(pickle.dumps(content)), copy.deepcopy(content)):
        assert again.to_dict() == content.to_dict()


def test_tables_and_figures_are_numbered_through(content: ModelEvaluation) -> None:
    for kind in ("tables", "figures"):
        parts = [part for each in content.sections for part in getattr(each, kind)]
        numbers = [part.number for part in parts]
        assert numbers == [str(at) for at in range(1, len(numbers) + 1)]
        keys = [part.key for part in parts]
        assert len(keys) == len(set(keys))


def test_no_figure_without_interval_and_none_of_the_refused_measures(
    content: ModelEvaluation,
) -> None:
    pooled = content.evaluation.pooled
    figures = (pooled.auroc, pooled.brier, pooled.scaled_brier, pooled.log_loss)
    for figure in (*figures, content.evaluation.auroc_within_groups):
        assert isinstance(figure, Estimate)
        assert figure.has_interval
    plain = content.to_dict()["evaluation"]["pooled"]
    names = json.dumps([*plain, *plain["calibration"]]).lower()
    assert not re.search(r"accuracy|f1|auprc|precision", names)


def test_nothing_of_a_single_patient(content: ModelEvaluation) -> None:
    assert isinstance(content.instability, InstabilityByRisk)
    assert len(content.instability.groups.risk) == 100
    assert "patient_id" not in json.dumps(content.to_dict())


def test_page_is_whole_and_loads_nothing(content: ModelEvaluation) -> None:
    page = render_evaluation(content)
    assert page == render_evaluation(content)
    for part in content.sections:
        assert f'id="{part.key}"' in page
    for opening in (r"<(?:script|img|link|iframe)\b", r"url\([\"']?(?!data:|#)", r"@import"):
        assert not re.search(opening, page)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "ids are unique, or a screen reader is led astray"
    assert page.count("no external validation") > len(content.sections)


def test_how_well_the_simulator_forecasts_stands_beside_the_model(
    content: ModelEvaluation,
) -> None:
    """Its figures are of published trials, so the event and window of the model stand apart."""
    made = make_cross_validation()
    told = when_not_to_trust(made).replace(">=", "≥")
    assert content.sections[-1].lead == told
    assert when_not_to_trust(made) in content.limits or told in content.limits
    assert content.to_dict()["cross_validation"]["summary_of"]["mae_any_cells"] == 0.24
    here = render_evaluation(content).partition('<section id="forecasts"')[2]
    here = here.partition("</section>")[0]
    assert "Made-up B" in here
    assert content.window not in here
    assert "no external validation" in here


def test_checklists_point_to_what_is_there(content: ModelEvaluation) -> None:
    assert content.probast_ai.development is not None
    answers = {
        **answers_of(content.tripod_ai),
        **answers_of(content.probast_ai.development),
        **answers_of(content.probast_ai.evaluation),
    }
    plain = content.to_dict()
    for answer in answers.values():
        for place in answer.evidence:
            at: Any = plain
            for key in place.split("."):
                at = at[key]
            assert at, place
    assert answers["D4.1"].answer == "yes"
    assert answers["E4.6"].answer == "yes"
    assert answers["18a"].needs_human
    assert "Tried on 12 rows" in answers["27a"].text


def test_evaluation_alone_leaves_development_to_whoever_did_it(
    model: RiskModel,  # noqa: F811
    parts: dict[str, Any],
) -> None:
    alone = about(
        model, parts["patients"].observed, purpose="evaluation", n_overlap=None, is_synthetic=False
    )
    made = build_model_evaluation(
        model, about=alone, evaluation=parts["evaluation"], subgroups=parts["subgroups"]
    )
    assert made.probast_ai.development is None
    assert [part.key for part in made.sections] == ["performance", "subgroups"]
    answers = answers_of(made.probast_ai.evaluation)
    assert answers["E4.1"].answer is None
    assert answers["E4.5"].needs_human
    assert answers["E4.6"].kind == "human"
    assert "Not from" not in render_evaluation(made)


def test_too_few_events_and_untuned_refits_are_answered_with_no(
    model: RiskModel,  # noqa: F811
    parts: dict[str, Any],
) -> None:
    patients = make_toy(150, seed=6)
    small = evaluate(
        patients.outcomes["crs_grade2plus"].to_numpy(),
        predict(model, patients.observed).risk,
        groups=patients.observed["product"].to_numpy(dtype=str),
        outcome_name="toy",
        seed=1,
        n_resamples=50,
    )
    made = build_model_evaluation(model, about=parts["about"], evaluation=small, subgroups=[])
    answers = answers_of(made.probast_ai.evaluation)
    assert answers["E4.2"].answer == "no"
    assert answers["E4.7"].answer == "no"


def test_model_card(content: ModelEvaluation) -> None:
    text = model_card_markdown(content.model_card)
    assert text.startswith("# Model card: ")
    for part in ("What it is not for", "For whom", "How stable a risk is", "What it cannot say"):
        assert f"## {part}" in text
    assert "no external validation" in text
