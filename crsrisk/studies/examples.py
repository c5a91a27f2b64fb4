"""Clinician: three example patients, their risks before dose 1, the reasons, and what changes
before dose 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cohort import Cohort
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.model.explain import explain
from crsrisk.model.landmark import BEFORE_DOSE_2_H
from crsrisk.model.predict import predict
from crsrisk.model.refits import Refits, covers, refit_interval
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.bedside import describe_patient
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


def _known_by_dose_2(row: pd.Series[Any]) -> list[str]:
    at = f"h{BEFORE_DOSE_2_H}"
    grade = int(row[f"grade__max__{at}"])
    return [
        "no CRS after dose 1" if grade == 0 else f"CRS of grade {grade} after dose 1",
        (
            f"highest temperature {row[f'temperature_c__max__{at}']:.1f} degC, lowest mean arterial"
            f" pressure {row[f'map_mmhg__min__{at}']:.0f} mmHg, lowest oxygen saturation"
            f" {row[f'spo2_pct__min__{at}']:.0f}%"
        ),
        (
            f"highest CRP {row[f'crp_mg_l__max__{at}']:.0f} mg/L; now {row[f'crp_mg_l__{at}']:.0f}"
            " mg/L"
        ),
    ]


def examples(
    models: Mapping[str, RiskModel],
    refits: Mapping[str, Refits],
    *,
    test: Cohort,
    true_risk: TrueRisk,
    truth_ids: NDArray[np.int64],
    dose_2_h: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Three patients as the report shows them (see
    :func:`crsrisk.report.content.build_content`).
    """
    chosen = choose_examples(models["baseline"], test, truth_ids=truth_ids)
    observed = test.observed.loc[chosen.index]
    risks = {}
    for name, rows in {
        "baseline": observed,
        "grade3plus": observed,
        "before_dose_2": chosen,
    }.items():
        low, high = refit_interval(models[name], refits[name], rows)
        risks[name] = [
            {"value": float(v), "low": float(a), "high": float(b)}
            for v, a, b in zip(predict(models[name], rows).risk, low, high, strict=True)
        ]
    why = explain(models["baseline"], observed)
    said, made = f"it comes {covers(len(refits['baseline']))}", []
    for at in range(len(observed)):
        product = str(observed["product"].iloc[at])
        place = int(np.flatnonzero(true_risk.patient_id == observed["patient_id"].iloc[at])[0])
        made.append(
            {
                "name": NAMES[at],
                "product": product,
                "window_d": float(test.outcomes.loc[observed.index[at], "window_d"]),
                "description": describe_patient(observed, row=at),
                "risk_grade2plus": risks["baseline"][at],
                "risk_grade3plus": risks["grade3plus"][at],
                "interval_covers": said,
                "base_risk": why.base_risk,
                "reasons": why.reasons(at),
                "before_dose_2": {
                    "risk_grade2plus": risks["before_dose_2"][at],
                    "interval_covers": said,
                    "dose_2_h": dose_2_h[product],
                    "known": _known_by_dose_2(chosen.iloc[at]),
                },
                "resimulated": {
                    "n": true_risk.n_replicates,
                    "n_grade2plus": int(true_risk.n_grade2plus[place].sum()),
                },
            }
        )
    return made


# Designer: what a trial designer asks first: what would prophylaxis change, and how long must one
# watch?


NONE = "none"


def _per_100(event: pd.Series[bool]) -> tuple[float, float]:
    share = float(event.mean())
    return 100.0 * share, 100.0 * float(np.sqrt(share * (1.0 - share) / len(event)))


def mitigation_table(
    products: Sequence[Product],
    *,
    world: World,
    mitigations: Sequence[str],
    n: int,
    seed: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Grade >= 2 and >= 3 per 100 patients with and without each mitigation, with Monte Carlo
    errors.

    A mitigation is added to the product's usual regimen as prophylaxis before the first dose. Arms
    of one product share their patients, so ``difference_grade2plus`` (per 100, against none)
    carries the error of the paired difference, which is smaller than the errors of the two rates
    suggest.
    """
    rows = []
    for product in products:
        usual = None
        for name in (NONE, *mitigations):
            table = simulate_outcomes(
                product,
                world=world,
                n=n,
                seed=seed,
                workers=workers,
                mitigations=() if name == NONE else (name,),
            )
            usual = table if usual is None else usual
            two, error_two = _per_100(table["crs_grade2plus"])
            three, error_three = _per_100(table["crs_grade3plus"])
            change = 100.0 * (
                table["crs_grade2plus"].astype(float) - usual["crs_grade2plus"].astype(float)
            )
            rows.append(
                {
                    "product": product.name,
                    "mitigation": name,
                    "per100_grade2plus": two,
                    "mc_error_grade2plus": error_two,
                    "per100_grade3plus": three,
                    "mc_error_grade3plus": error_three,
                    "difference_grade2plus": float(change.mean()),
                    "mc_error_difference": float(change.std() / np.sqrt(n)),
                    "n": n,
                    "window_d": float(table["window_d"].iloc[0]),
                }
            )
            if advance is not None:
                advance(1)
    return pd.DataFrame(rows)


def observation_hours(outcomes_by_product: dict[str, tuple[Product, pd.DataFrame]]) -> pd.DataFrame:
    """Hours of observation after the most recent dose within which 50, 90 and 95% of first onsets
    are seen.
    """
    rows = []
    for name, (product, table) in outcomes_by_product.items():
        doses = [dose.time_h for dose in product.regimens[product.default_regimen].doses]
        onset = table["onset_h"].to_numpy(dtype=np.float64)
        waits = since_dose_h(onset[~np.isnan(onset)], dose_times_h=doses)
        hours = np.quantile(waits, [0.5, 0.9, 0.95]) if len(waits) else [np.nan] * 3
        rows.append(
            {
                "product": name,
                "hours_50": float(hours[0]),
                "hours_90": float(hours[1]),
                "hours_95": float(hours[2]),
                "n_events": len(waits),
            }
        )
    return pd.DataFrame(rows)
