"""A small made-up experiment: everything that a report is built from, without a simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.cohort import Cohort
from crsrisk.data.credibility import FACTORS, Credibility
from crsrisk.data.cross_validation import CrossValidation
from crsrisk.data.ensemble import EnsembleAbout, VarianceShares
from crsrisk.data.explanation import Explanation, Reason
from crsrisk.data.published_figures import Comparison
from crsrisk.data.risk_model import MedianPatient, Prediction, Variable
from crsrisk.data.world import load_world
from crsrisk.evaluation.benchmark import Truth, benchmark_of_risks
from crsrisk.evaluation.evaluate import evaluate
from crsrisk.report.bedside import describe_patient
from crsrisk.report.content import ReportContent, build_content
from crsrisk.report.example_patients import Example, LaterEstimate, Resimulated
from crsrisk.report.generator_card import GeneratorCard, generator_card
from crsrisk.report.generator_facts import ConstantEvidence, EnsembleEvidence
from crsrisk.report.mitigation import MitigationArm, ObservationHours
from crsrisk.results import Estimate
from crsrisk.uncertainty.posterior import ConstantUpdate, Verdict
from tests.data.made_cross_validations import make_cross_validation

EVIL = "<script>alert('x')</script> & \"Co\""
N = 240  # patients of each product
PRODUCTS = {
    "tarlatamab": ("tce", 21.0, 0.35),
    "evil": ("car_t", 21.0, 0.02),
    "checkpoint_inhibitor": ("ici", 60.0, 0.5),
}
LABELS = {
    "tarlatamab": "Tarlatamab (DLL3 x CD3 engager)",
    "evil": EVIL,
    "checkpoint_inhibitor": "Anti-PD-1",
}


def make_observed(rng: np.random.Generator) -> pd.DataFrame:
    n = N * len(PRODUCTS)
    names = np.repeat(list(PRODUCTS), N)
    crp = np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(2, 1, n))
    return pd.DataFrame(
        {
            "patient_id": np.arange(n),
            "product": names,
            "platform": [PRODUCTS[name][0] for name in names],
            "regimen": "label",
            "tumour_type": "small_cell_lung",
            "site": "site 1",
            "age_years": rng.normal(64, 8, n),
            "is_female": rng.random(n) < 0.4,
            "weight_kg": rng.normal(75, 12, n),
            "ecog": rng.integers(0, 3, n),
            "sum_of_diameters_mm": rng.lognormal(4.3, 0.5, n),
            "n_metastatic_sites": rng.integers(1, 5, n),
            "has_liver_metastases": rng.random(n) < 0.3,
            "has_prior_checkpoint_inhibitor": False,
            "has_infection": False,
            "crp_mg_l": crp,
            "ferritin_ug_l": rng.lognormal(5, 0.7, n),
            "albumin_g_l": rng.normal(39, 4, n),
            "is_stepped_up": names == "tarlatamab",
            "antigen_restriction": 0.9,
            "dose_intensity": 1.0,
        }
    )


def make_outcomes(
    observed: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    rate = np.array([PRODUCTS[name][2] for name in observed["product"]])
    risk = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + rng.normal(0, 0.8, len(rate)))))
    grade2 = rng.random(len(rate)) < risk
    any_grade = grade2 | (rng.random(len(rate)) < 0.2)
    onset = np.where(any_grade, rng.uniform(5, 300, len(rate)), np.nan)
    return (
        pd.DataFrame(
            {
                "patient_id": observed["patient_id"],
                "crs_any": any_grade,
                "crs_grade2plus": grade2,
                "crs_grade3plus": grade2 & (rng.random(len(rate)) < 0.2),
                "onset_h": onset,
                "onset_grade2plus_h": np.where(grade2, onset + 2, np.nan),
                "n_tocilizumab": grade2.astype(int),
                "has_vasopressor": grade2 & (rng.random(len(rate)) < 0.3),
                "window_d": [PRODUCTS[name][1] for name in observed["product"]],
            }
        ),
        risk,
    )


def make_comparison(**changes: Any) -> Comparison:
    base: dict[str, Any] = dict(
        id="E1",
        trial="label",
        product="tarlatamab",
        metric="crs_any_rate",
        of="patients",
        family="any grade",
        unit="1",
        window_d=28.0,
        published=0.57,
        n=473,
        low=0.52,
        high=0.61,
        interval="95% Wilson",
        simulated=0.55,
        mc_error=0.01,
        n_simulated=2000,
        agrees=True,
        verdict="agrees",
        reason="",
        use="likelihood",
        verified=True,
        citation="A label 2025",
        note="",
    )
    return Comparison(**{**base, **changes})


def make_comparisons() -> list[Comparison]:
    nan = float("nan")
    return [
        make_comparison(),
        make_comparison(
            id="E2",
            metric="crs_grade3plus_rate",
            published=0.012,
            low=0.005,
            high=0.03,
            simulated=0.2,
            agrees=False,
            verdict="differs",
            verified=False,
            family="grade >= 3",
        ),
        make_comparison(
            id="E3",
            trial="centre",
            product="checkpoint_inhibitor",
            metric="onset_median_d",
            of="crs_patients",
            unit="d",
            family="onset",
            published=11.0,
            n=None,
            low=nan,
            high=nan,
            simulated=nan,
            mc_error=nan,
            agrees=False,
            verdict="not judged",
            reason="published without a size",
            use="shown",
            citation=f"{EVIL} 2024",
            window_d=60.0,
        ),
    ]


def make_explanation(observed: pd.DataFrame, rng: np.random.Generator) -> Explanation:
    kinds: dict[str, Any] = {"kind": "cause", "role": "fact", "theme": "inflammation"}
    variables = (
        Variable(
            name="product",
            label="Product",
            unit="1",
            why="potency",
            **{**kinds, "theme": "drug and dose"},
        ),
        Variable(
            name="crp_mg_l",
            label="C-reactive protein",
            unit="mg/L",
            why="primes macrophages",
            usual=(0, 5),
            **kinds,
        ),
        Variable(
            name="is_stepped_up",
            label="Step-up dosing",
            unit="1",
            why="adapts",
            kind="cause",
            role="lever",
            theme="prevention",
        ),
    )
    values = observed[["product", "crp_mg_l", "is_stepped_up"]]
    crp = np.log(values["crp_mg_l"].fillna(7.0).to_numpy())
    contributions = np.column_stack(
        [
            rng.normal(0, 1.5, len(values)),
            0.4 * (crp - crp.mean()),
            np.where(values["is_stepped_up"], -0.3, 0.15),
        ]
    )
    risk = 1 / (1 + np.exp(0.8 - contributions.sum(axis=1)))
    rows = pd.DataFrame(
        {"risk": risk, "status": "ok", "reasons": "", "missing": ""}, index=values.index
    )
    return Explanation(
        base_log_odds=np.full(len(values), -0.8),
        contributions=contributions,
        references=(MEDIAN,) * len(values),
        path_base_log_odds=-0.8,
        path_contributions=contributions,
        variables=variables,
        values=values,
        prediction=Prediction(
            rows=rows, model="m-1", outcome_in_words="first CRS of grade 2 or more", notice=""
        ),
    )


MEDIAN = MedianPatient(group="product", name="tarlatamab", n_patients=512, values={})


def make_reason(variable: str, points: float, **changes: Any) -> Reason:
    direction = "raises" if points > 0 else "lowers"
    base: dict[str, Any] = dict(
        variable=variable,
        label=variable,
        value="1",
        points=points,
        whole_points=round(100 * points),
        kind="cause",
        role="fact",
        theme="host",
        sentence=(
            f"{variable}: 1 {direction} the risk by about {abs(round(100 * points))} of 100 (why)."
        ),
    )
    return Reason(**{**base, **changes})


def make_example(observed: pd.DataFrame, **changes: Any) -> Example:
    covers = "from refitting the model; it does not hold differences between hospitals"
    base: dict[str, Any] = dict(
        name="Patient A",
        product="tarlatamab",
        window_d=21.0,
        description=tuple(describe_patient(observed, row=0)),
        risk_grade2plus=Estimate(0.234, 0.15, 0.34),
        risk_grade3plus=Estimate(0.041, 0.01, 0.1),
        interval_covers=covers,
        compared_with=MEDIAN,
        base_risk=0.30,
        reasons=(
            make_reason("crp", 0.05),
            make_reason("lymphocytes", -0.08, role="lever"),
            make_reason("age", -0.02),
            make_reason(
                "product",
                -0.01,
                value="tarlatamab",
                sentence="Product: tarlatamab lowers the risk.",
            ),
        ),
        before_dose_2=LaterEstimate(
            risk_grade2plus=Estimate(0.1, 0.04, 0.2),
            interval_covers=covers,
            dose_2_h=168.0,
            known=("highest temperature 38.4 degC",),
        ),
        resimulated=Resimulated(n=500, n_grade2plus=131),
    )
    return Example(**{**base, **changes})


def make_arms() -> list[MitigationArm]:
    """Every product with tocilizumab and without."""

    def arm(product: str, name: str, rate: float, change: float) -> MitigationArm:
        return MitigationArm(
            product=product,
            mitigation=name,
            n=2000,
            window_d=PRODUCTS[product][1],
            grade2plus=Estimate(rate, mc_error=0.01),
            grade3plus=Estimate(rate / 10, mc_error=0.005),
            change_grade2plus=Estimate(change, mc_error=0.003),
            change_grade3plus=Estimate(change / 10, mc_error=0.002),
        )

    return [
        arm(product, name, share * rate, (share - 1) * rate)
        for product, (_, _, rate) in PRODUCTS.items()
        for name, share in (("tocilizumab", 0.6), ("none", 1.0))
    ]


def make_credibility() -> Credibility:
    """A review that holds a text somebody might smuggle in."""
    factor = {
        "done": f"What was done by {EVIL}",
        "reproduce": ["make test"],
        "missing": "The rest",
        "level": "low",
    }
    return Credibility.model_validate(
        {
            "question_of_interest": "How often?",
            "context_of_use": "Research only.",
            "model_influence": "Low.",
            "decision_consequence": "Too short a watch.",
            "factors": dict.fromkeys(FACTORS, factor),
            "must_not_be_concluded": ["That anything is known of a patient."],
        }
    )


def make_shares() -> VarianceShares:
    """One output, whose variance rests on assumed numbers by 60%, on others by 20%, on chance by
    20%.
    """

    def share(strength: str, value: float | None) -> dict[str, Any]:
        ends = {"": 0.0, "_low": -0.1, "_high": 0.1}
        return {
            "strength": strength,
            "n_constants": 3,
            **{
                f"{kind}{end}": None if value is None else value + more + step
                for kind, more in (("alone", 0.0), ("with_others", 0.05))
                for end, step in ends.items()
            },
        }

    shares = [
        share("assumed", 0.6),
        share("estimated", 0.2),
        share("expert", None),
        share("patients (chance)", 0.2),
    ]
    return VarianceShares.model_validate(
        {
            "experiment": "003_sensitivity",
            "seed": 5,
            "version": "0.1.0",
            "notice": "Over the priors.",
            "outputs": [
                {
                    "name": "grade2plus_tarlatamab",
                    "meaning": "grade >= 2, tarlatamab",
                    "shares": shares,
                }
            ],
        }
    )


def make_about() -> EnsembleAbout:
    return EnsembleAbout(
        experiment="002_calibration",
        seed=7,
        version="0.1.0",
        targets=["E030", "E035"],
        n_members=256,
        effective_size=130.5,
    )


def make_evidence() -> EnsembleEvidence:
    """Three constants that calibration varied: constrained, with a hint, left at its prior."""

    def constant(name: str, verdict: Verdict, shift: float, left: float) -> ConstantEvidence:
        update = ConstantUpdate(
            constant=f"assumption:engagement.{name}",
            prior_median=1000.0,
            posterior=Estimate(2000.0, 449.45, 7107.2),
            most_probable=1839.0,
            shift_prior_sd=shift,
            left_of_prior_sd=left,
            verdict=verdict,
        )
        return ConstantEvidence(update, unit="copies per cell", strength="estimated")

    return EnsembleEvidence(
        n_members=256,
        effective_size=130.5,
        n_targets=2,
        constants=(
            constant("need_tce_copies", "constrains", 0.64, 0.7),
            constant("strength_tce", "hint", -0.31, 0.97),
            constant("strength_ici", "prior", 0.02, 1.01),
        ),
    )


def make_forecasts() -> CrossValidation:
    """A made-up cross-validation, one product of which somebody named to break the page."""
    made = make_cross_validation()
    first, *others = made.rows
    evil = first.model_copy(update={"label": EVIL})
    return made.model_copy(update={"rows": (evil, *others)})


@pytest.fixture(scope="session")
def card() -> GeneratorCard:
    """A generator card: the shipped assumptions under a made-up review."""
    return generator_card(
        load_world(),
        products=[],
        credibility=make_credibility(),
        sensitivity=make_shares(),
        ensemble=make_about(),
        evidence=make_evidence(),
        cross_validation=make_forecasts(),
    )


@pytest.fixture(scope="session")
def experiment(card: GeneratorCard) -> dict[str, Any]:
    """The keyword arguments of build_content."""
    rng = np.random.default_rng(7)
    observed = make_observed(rng)
    outcomes, risk = make_outcomes(observed, rng)
    product = observed["product"].to_numpy(dtype=str)
    some = np.concatenate([np.flatnonzero(product == name)[:40] for name in PRODUCTS])
    truth = Truth("what was observed", rng.binomial(100, risk[some]), np.full(some.size, 100))
    prevalence = np.array([PRODUCTS[name][2] for name in product[some]])
    steps = benchmark_of_risks(
        product[some],
        truth=truth,
        risks={"product only": prevalence, "model": np.clip(risk[some] * 1.05, 0, 1)},
        model="model",
        product_only="product only",
        null_risk=0.29,
        seed=1,
        n_resamples=40,
        notes={"model": "Seven trees of ten tried."},
    )
    evaluation = evaluate(
        outcomes["crs_grade2plus"].to_numpy(),
        risk,
        groups=product,
        seed=1,
        benchmark=steps,
        n_resamples=20,
        outcome_name=(
            "first CRS of grade >= 2 within 21 days after the first dose (60 for checkpoint"
            " inhibitors)"
        ),
    )
    comparisons = make_comparisons()
    return {
        "question": "Who will develop CRS of grade >= 2?",
        "cohort": Cohort(observed=observed, outcomes=outcomes, course=observed[["patient_id"]]),
        "comparisons": comparisons,
        "evaluation": evaluation,
        "explanation": make_explanation(observed, rng),
        "examples": [
            make_example(observed),
            make_example(
                observed,
                name="Patient B",
                product="evil",
                before_dose_2="There is no dose 2.",
            ),
            make_example(
                observed,
                name="Patient C",
                product="checkpoint_inhibitor",
                window_d=60.0,
                resimulated=None,
            ),
        ],
        "mitigation_arms": make_arms(),
        "observation_hours": [
            ObservationHours("tarlatamab", 90, 14.0, 30.0, 40.0),
            ObservationHours("evil", 0, None, None, None),
            ObservationHours("checkpoint_inhibitor", 120, 500.0, 900.0, 1000.0),
        ],
        "manifest": {
            "seed": 1,
            "command": EVIL,
            "versions": {"numpy": "2.0", "nested": {"deep": [1, 2]}},
            "cohort": {"arms": [{"product": "tarlatamab", "window_d": 21.0}]},
        },
        "product_labels": LABELS,
        "mitigation_labels": {"tocilizumab": "Tocilizumab (anti-IL-6R)"},
        "generator": card,
    }


@pytest.fixture(scope="session")
def content(experiment: dict[str, Any]) -> ReportContent:
    """The content of that experiment."""
    return build_content(**experiment)
