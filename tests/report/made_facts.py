"""Made-up facts about a patient, for tests of the explanation and of its page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.explanation import (
    ByGrade,
    LeverEffect,
    MissingRange,
    PatientRisk,
    Reason,
    ReferencePatient,
    SimulatedPatients,
    whole_points,
)
from crsrisk.data.patient import GivenValue
from crsrisk.data.risk_model import Calibrator, Column, Feature, FeatureContract, Variable
from crsrisk.data.world_files import load_product
from crsrisk.fields import FIELDS, columns_of
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.explanation import PatientExplanation
from crsrisk.report.explanation_warnings import PatientFacts
from crsrisk.report.explanation_words import explanation_of
from crsrisk.report.guidance import product_guidance
from crsrisk.report.published_rates import published_rates
from crsrisk.results import Estimate
from tests.report.conftest import MEDIAN

THEMES = ("drug and dose", "prevention", "tumour burden", "inflammation", "host")
COLUMNS = ("crp_mg_l", "ldh_x_uln", "il6_pg_ml", "albumin_g_l", "age_years", "has_liver_metastases")


def make_model(**changes: Any) -> RiskModel:
    columns = [
        Column(
            name="product",
            kind="word",
            unit="1",
            may_be_missing=False,
            was_missing_in_training=False,
            levels=("tarlatamab",),
        )
    ]
    for name in COLUMNS:
        is_flag = FIELDS[name].kind == "bool"
        columns.append(
            Column(
                name=name,
                kind="flag" if is_flag else "number",
                unit=FIELDS[name].unit,
                may_be_missing=True,
                was_missing_in_training=True,
                trained=None if is_flag else (1.0, 90.0),
            )
        )
    contract = FeatureContract(
        name="baseline",
        outcome="crs_grade2plus",
        outcome_in_words="first CRS of grade 2 or more",
        window_d={"default": 21.0},
        landmark_h=0,
        columns=tuple(columns),
        features=(Feature(name="crp_mg_l", variable="crp_mg_l", direction="up"),),
        variables=(
            Variable(
                name="crp_mg_l",
                label="CRP",
                unit="mg/L",
                kind="cause",
                role="fact",
                theme="inflammation",
                why="primes",
            ),
        ),
        n_patients=6000,
        n_events=1500,
    )
    return RiskModel(
        contract=contract,
        booster_text="",
        calibrator=Calibrator(intercept=0, slope=1, n_patients=1, method="x"),
        version="0.1.0",
        manifest={},
        **changes,
    )


def make_reasons(points: list[float], *, total: int) -> list[Reason]:
    whole = whole_points(points, total=total)
    kinds, roles = ("cause", "marker", "mediator"), ("fact", "lever")
    return [
        Reason(
            variable=f"v{k}",
            label=f"Variable {k}",
            value=f"{k} mg/L",
            points=value,
            whole_points=size,
            kind=kinds[k % 3],
            role=roles[k % 2],
            theme=THEMES[k % 5],  # type: ignore[arg-type]
            sentence=f"Variable {k}: {k} mg/L (usual 0 to 5) "
            f"{'raises' if value > 0 else 'lowers'} the risk by about "
            f"{abs(size)} of 100 (a mechanism that takes some words to say).",
            short=f"Variable {k}: {k} mg/L (usual 0 to 5)"
            " (a mechanism that takes some words to say).",
        )
        for k, (value, size) in enumerate(zip(points, whole, strict=True))
    ]


def both(two: tuple[float, ...], three: tuple[float, ...]) -> ByGrade[Estimate]:
    """Value, low, high and Monte Carlo error for grade >= 2 and >= 3."""
    return ByGrade(Estimate(*two), Estimate(*three))


def make_simulated(**changes: Any) -> SimulatedPatients:
    usual = both((0.21, 0.1, 0.38, 0.01), (0.02, 0.0, 0.05, 0.003))
    levers = [
        LeverEffect(
            kind="prophylaxis",
            label=label,
            usual=usual,
            with_lever=both((0.13, 0.04, 0.25, 0.01), (0.01, 0.0, 0.02, 0.0)),
            difference=both((-0.08, -0.14, -0.03, 0.006), (-0.01, -0.03, 0.0, 0.001)),
        )
        for label in (
            "Tocilizumab before the first dose",
            "Without dexamethasone as premedication",
            "Without step-up",
            "Given into a vein (with no step-up, another full dose)",
        )
    ]
    base: dict[str, Any] = dict(
        usual=usual,
        levers=levers,
        onset_wait_h=(14.0, 30.0, 44.0),
        n_members=40,
        n_people=256,
        scenarios=SCENARIOS,
    )
    return SimulatedPatients(**{**base, **changes})


SCENARIOS = {
    "burden_null": Estimate(0.14, mc_error=0.008),
    "burden_strong": Estimate(0.27, mc_error=0.01),
    "inflammation_null": Estimate(0.2, mc_error=0.009),
    "inflammation_strong": Estimate(0.21, mc_error=0.009),
}


def make_facts(**changes: Any) -> PatientFacts:
    product = load_product("tarlatamab")
    given = {
        name: GivenValue(
            value=value, written=text, number=value, unit="x", is_converted=is_converted
        )
        for name, value, text, is_converted in (
            ("crp_mg_l", 85.0, "8.5 mg/dL", True),
            ("ldh_x_uln", 1.6, "1.6 x ULN", False),
            ("age_years", 66.0, "66 years", False),
            ("has_liver_metastases", 1.0, "yes", False),
        )
    }
    row = {name: given[name].value if name in given else np.nan for name in columns_of("observed")}
    row |= {
        "patient_id": 0,
        "product": "tarlatamab",
        "platform": "tce",
        "regimen": "label",
        "tumour_type": "small_cell_lung",
        "site": "not stated",
        "antigen_restriction": 0.9,
        "dose_intensity": 1.0,
        "is_stepped_up": True,
        "has_steroid_premedication": True,
        "has_tocilizumab_prophylaxis": False,
        "has_lymphodepletion": False,
    }
    points = [0.05, 0.04, 0.03, 0.02, 0.02, 0.01, -0.03, -0.02, -0.01, -0.012, -0.06]
    risk = PatientRisk(Estimate(0.234, 0.15, 0.34), Estimate(0.03, 0.01, 0.07))
    base: dict[str, Any] = dict(
        label="This patient",
        product=product,
        product_label=product.label,
        regimen="label",
        regimen_note="",
        prophylaxis=(),
        population_label="Extensive-stage small-cell lung cancer",
        window_d=21.0,
        observed=pd.DataFrame([row]),
        given=given,
        model=make_model(),
        n_refits=20,
        risk=risk,
        reference=ReferencePatient(
            n_patients=512,
            risk=PatientRisk(Estimate(0.12, 0.1, 0.15)),
            typical={"crp_mg_l": 20.0},
        ),
        seen={
            "has_steroid_premedication": [True],
            "is_stepped_up": [True],
            "has_tocilizumab_prophylaxis": [False],
        },
        compared_with=MEDIAN,
        base_risk=0.2,
        reasons=make_reasons(points, total=3),
        missing=[
            MissingRange(column="il6_pg_ml", values=(1.7, 19.8), risks=(0.2, 0.27)),
            MissingRange(column="albumin_g_l", values=(32.0, 43.0), risks=(0.26, 0.22)),
        ],
        simulated=make_simulated(),
        guidance=product_guidance(product),
        published=published_rates((product,)),
    )
    return PatientFacts(**{**base, **changes})


def worst() -> PatientExplanation:
    """As much as one page can have to say: every warning, nine reasons, four levers."""
    row = make_facts().observed.assign(
        product="a_new_product", ldh_x_uln=95.0, has_liver_metastases=np.nan
    )
    missing = [
        MissingRange(column=name, values=(1.0, 20.0), risks=(0.1, 0.3))
        for name in ("il6_pg_ml", "albumin_g_l")
    ]
    return explanation_of(
        make_facts(
            observed=row,
            missing=missing,
            label="Bed 12, second opinion of the board",
            prophylaxis=("Anakinra (anti-IL-1)", "Tocilizumab (anti-IL-6R)"),
            seen={"has_steroid_premedication": [False]},
            risk=PatientRisk(Estimate(0.5, 0.3, 0.7), Estimate(0.5, 0.3, 0.7), is_held=True),
            simulated=make_simulated(
                beyond_population=("ldh_x_uln",),
                scenarios={**SCENARIOS, "inflammation_strong": Estimate(0.41, mc_error=0.009)},
            ),
            reasons=make_reasons(
                [0.08, 0.07, 0.06, 0.05, 0.04, -0.02, -0.02, -0.03, -0.02, 0.09], total=30
            ),
        )
    )
