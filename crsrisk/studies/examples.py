"""Example patients as a clinician sees them, and what a trial designer asks first: what prophylaxis
would change, and how long to watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cohort import Cohort
from crsrisk.data.explanation import IntervalHolds
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.model.explain import explain
from crsrisk.model.features import build_features
from crsrisk.model.landmark import BEFORE_DOSE_2_H
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.model.refits import Refits, covers, refit_interval
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.world_spread import WorldSpread
from crsrisk.model.world_spread import interval as true_risk_interval
from crsrisk.report.bedside import covers_worlds, describe_patient
from crsrisk.report.example_patients import Example, LaterEstimate, Resimulated
from crsrisk.report.mitigation import NO_MITIGATION, MitigationArm, ObservationHours
from crsrisk.results import Estimate
from crsrisk.simulation.published_trials import simulate_outcomes, since_dose_h
from crsrisk.simulation.true_risk import TrueRisk
from crsrisk.studies.development import before_dose_2

EXAMPLE_PRODUCT = "tarlatamab"
QUANTILES = (0.1, 0.5, 0.95)  # of predicted risk: a low, a middle and a high one
NAMES = ("Patient A (low estimate)", "Patient B (middle estimate)", "Patient C (high estimate)")


def choose_examples(
    model: RiskModel, test: Cohort, *, truth_ids: NDArray[np.int64]
) -> pd.DataFrame:
    """Held-out patients of one product at a low, middle and high estimate, re-simulated and still
    at risk at dose 2.
    """
    known = before_dose_2(test)
    rows = known[(known["product"] == EXAMPLE_PRODUCT) & known["patient_id"].isin(truth_ids)]
    if len(rows) < len(QUANTILES):
        rows = known[known["patient_id"].isin(truth_ids)]
    risk = predict(model, test.observed.loc[rows.index]).risk
    order = np.argsort(risk, kind="stable")
    places = [order[round(q * (len(order) - 1))] for q in QUANTILES]
    return rows.iloc[places]


def _known_by_dose_2(row: pd.Series[Any]) -> tuple[str, ...]:
    at = f"h{BEFORE_DOSE_2_H}"
    grade = int(row[f"grade__max__{at}"])
    return (
        "no CRS after dose 1" if grade == 0 else f"CRS of grade {grade} after dose 1",
        f"highest temperature {row[f'temperature_c__max__{at}']:.1f} degC, lowest mean arterial"
        f" pressure {row[f'map_mmhg__min__{at}']:.0f} mmHg, lowest oxygen saturation"
        f" {row[f'spo2_pct__min__{at}']:.0f}%",
        f"highest CRP {row[f'crp_mg_l__max__{at}']:.0f} mg/L; now {row[f'crp_mg_l__{at}']:.0f}"
        " mg/L",
    )


def examples(
    models: Mapping[str, RiskModel],
    refits: Mapping[str, Refits],
    worlds: Mapping[str, WorldSpread],
    *,
    test: Cohort,
    true_risk: TrueRisk,
    dose_2_h: Mapping[str, float],
) -> list[Example]:
    """Three patients as the report shows them.

    Parameters
    ----------
    models, refits : `baseline`, `grade3plus` and `before_dose_2`, each with its refits.
    worlds : what assumptions leave open of the first two; without it intervals are refit ranges.
    test : the held-out patients.
    true_risk : of those of them who were simulated again, given what was observed.
    dose_2_h : hours of the second dose, by product.
    """
    chosen = choose_examples(models["baseline"], test, truth_ids=true_risk.patient_id)
    observed = test.observed.loc[chosen.index]
    grade2plus, grade3plus, later = (
        _risks(models[name], refits[name], rows, worlds=spread)
        for name, rows, spread in (
            ("baseline", observed, worlds.get("baseline")),
            ("grade3plus", observed, worlds.get("grade3plus")),
            ("before_dose_2", chosen, None),
        )
    )
    explanation = explain(models["baseline"], observed)
    of_refits = f"it comes {covers(len(refits['baseline']), model=models['baseline'])}"
    holds: IntervalHolds = "refitting and assumptions" if "baseline" in worlds else "refitting"
    what_it_covers = (
        f"it is {covers_worlds(worlds['baseline'].n_members, holds=holds)}"
        if "baseline" in worlds
        else of_refits
    )
    patients = []
    for at in range(len(observed)):
        product = str(observed["product"].iloc[at])
        patients.append(
            Example(
                name=NAMES[at],
                product=product,
                window_d=float(test.outcomes.loc[observed.index[at], "window_d"]),
                description=tuple(describe_patient(observed, row=at)),
                risk_grade2plus=grade2plus[at],
                risk_grade3plus=grade3plus[at],
                interval_covers=what_it_covers,
                interval_holds=holds,
                compared_with=explanation.references[at],
                base_risk=float(explanation.base_risk[at]),
                reasons=tuple(explanation.reasons(at)),
                before_dose_2=LaterEstimate(
                    risk_grade2plus=later[at],
                    interval_covers=of_refits,
                    dose_2_h=dose_2_h[product],
                    known=_known_by_dose_2(chosen.iloc[at]),
                ),
                resimulated=_resimulated(
                    true_risk, patient_id=int(observed["patient_id"].iloc[at])
                ),
            )
        )
    return patients


def _risks(
    model: RiskModel, refits: Refits, rows: pd.DataFrame, *, worlds: WorldSpread | None
) -> list[Estimate]:
    """Risk of each patient with the interval shown first: over worlds too where they are known."""
    if worlds is None:
        low, high = refit_interval(model, refits, rows)
    else:
        table = build_features(rows, names=model.contract.feature_names)
        low, high = true_risk_interval(
            worlds,
            model.calibrator.log_odds(raw_log_odds(model, rows)),
            np.std(refits.log_odds(table.to_numpy(dtype=np.float64)), axis=0, ddof=1),
            product=rows["product"].astype(str).tolist(),
            platform=rows["platform"].astype(str).tolist(),
        )
    risk = predict(model, rows).risk
    return [
        Estimate(float(value), float(lower), float(upper))
        for value, lower, upper in zip(risk, low, high, strict=True)
    ]


def _resimulated(true_risk: TrueRisk, *, patient_id: int) -> Resimulated:
    """How often this patient had the event when he was simulated again."""
    place = int(np.flatnonzero(true_risk.patient_id == patient_id)[0])
    return Resimulated(n=true_risk.n_replicates, n_grade2plus=int(true_risk.n_events()[place]))


def simulate_mitigation_arms(
    products: Sequence[Product],
    *,
    world: World,
    mitigations: Sequence[str],
    n: int,
    seed: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> list[MitigationArm]:
    """CRS of grade 2 or more and 3 or more with and without each mitigation, with Monte Carlo
    errors.

    A mitigation is added to the product's usual regimen as prophylaxis before the first dose. Arms
    of one product share their patients, so a change carries the error of the paired difference,
    which is smaller than the errors of the two rates suggest.

    Parameters
    ----------
    products, mitigations : what is combined; the arm without mitigation comes first.
    n : patients an arm.
    seed : equal seeds give the same patients in every arm.
    workers : threads; the result does not depend on it.
    advance : is told of every arm done.
    """
    arms = []
    for product in products:
        usual: pd.DataFrame | None = None
        for name in (NO_MITIGATION, *mitigations):
            outcomes = simulate_outcomes(
                product,
                world=world,
                n=n,
                seed=seed,
                workers=workers,
                mitigations=() if name == NO_MITIGATION else (name,),
            )
            usual = outcomes if usual is None else usual
            arms.append(_arm(product, name, outcomes, usual=usual))
            if advance is not None:
                advance(1)
    return arms


def _arm(
    product: Product, mitigation: str, outcomes: pd.DataFrame, *, usual: pd.DataFrame
) -> MitigationArm:
    """The figures of one arm; ``usual``: the same patients without mitigation."""
    events = ("crs_grade2plus", "crs_grade3plus")
    grade2plus, grade3plus = (_share(outcomes[event]) for event in events)
    change_grade2plus, change_grade3plus = (
        _paired_change(outcomes[event], usual[event]) for event in events
    )
    return MitigationArm(
        product=product.name,
        mitigation=mitigation,
        n=len(outcomes),
        window_d=float(outcomes["window_d"].iloc[0]),
        grade2plus=grade2plus,
        grade3plus=grade3plus,
        change_grade2plus=change_grade2plus,
        change_grade3plus=change_grade3plus,
    )


def _share(event: pd.Series[bool]) -> Estimate:
    share = float(event.mean())
    return Estimate(share, mc_error=float(np.sqrt(share * (1.0 - share) / len(event))))


def _paired_change(event: pd.Series[bool], usual: pd.Series[bool]) -> Estimate:
    """Difference of the shares in the same patients."""
    change = event.astype(float) - usual.astype(float)
    return Estimate(float(change.mean()), mc_error=float(change.std() / np.sqrt(len(change))))


def observation_hours(
    outcomes_by_product: Mapping[str, tuple[Product, pd.DataFrame]],
) -> list[ObservationHours]:
    """Hours of observation after the most recent dose within which 50, 90 and 95% of first onsets
    are seen, by product.
    """
    products = []
    for name, (product, outcomes) in outcomes_by_product.items():
        doses = [dose.time_h for dose in product.regimens[product.default_regimen].doses]
        onset = outcomes["onset_h"].to_numpy(dtype=np.float64)
        waits = since_dose_h(onset[~np.isnan(onset)], dose_times_h=doses)
        hours: list[float | None] = [None, None, None]
        if len(waits):
            hours = [float(hour) for hour in np.quantile(waits, [0.5, 0.9, 0.95])]
        products.append(ObservationHours(name, len(waits), *hours))
    return products
