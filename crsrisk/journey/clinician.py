"""Clinician: three example patients, their risks before dose 1, the reasons, and what changes before dose 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.domain.cohort import Cohort
from crsrisk.domain.risk_model import RiskModel
from crsrisk.features.landmark import BEFORE_DOSE_2_H
from crsrisk.journey.learning import before_dose_2
from crsrisk.learn.explain import explain, reasons
from crsrisk.learn.predict import predict
from crsrisk.learn.refits import Refits, covers, refit_interval
from crsrisk.report.bedside import describe_patient
from crsrisk.simulate.truth import Oracle

EXAMPLE_PRODUCT = "tarlatamab"
QUANTILES = (0.1, 0.5, 0.95)  # of predicted risk: a low, a middle and a high one
NAMES = ("Patient A (low estimate)", "Patient B (middle estimate)", "Patient C (high estimate)")


def choose_examples(model: RiskModel, test: Cohort, *, truth_ids: NDArray[np.int64]) -> pd.DataFrame:
    """Held-out patients of one product at a low, middle and high estimate, re-simulated and still at risk at dose 2."""
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
        f"highest temperature {row[f'temperature_c__max__{at}']:.1f} degC, lowest mean arterial pressure "
        f"{row[f'map_mmhg__min__{at}']:.0f} mmHg, lowest oxygen saturation {row[f'spo2_pct__min__{at}']:.0f}%",
        f"highest CRP {row[f'crp_mg_l__max__{at}']:.0f} mg/L; now {row[f'crp_mg_l__{at}']:.0f} mg/L",
    ]


def examples(
    models: Mapping[str, RiskModel], refits: Mapping[str, Refits], *, test: Cohort, oracles: Mapping[str, Oracle],
    truth_ids: NDArray[np.int64], dose_2_h: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Three patients as the report shows them (see :func:`crsrisk.report.content.build_content`)."""
    chosen = choose_examples(models["baseline"], test, truth_ids=truth_ids)
    observed = test.observed.loc[chosen.index]
    risks = {}
    for name, rows in {"baseline": observed, "grade3plus": observed, "before_dose_2": chosen}.items():
        low, high = refit_interval(models[name], refits[name], rows)
        risks[name] = [{"value": float(v), "low": float(a), "high": float(b)}
                       for v, a, b in zip(predict(models[name], rows).risk, low, high, strict=True)]
    why = explain(models["baseline"], observed)
    said, made = f"it comes {covers(len(refits['baseline']))}", []
    for at in range(len(observed)):
        product = str(observed["product"].iloc[at])
        oracle = oracles[product]
        place = int(np.flatnonzero(oracle.patient_id == observed["patient_id"].iloc[at])[0])
        made.append({
            "name": NAMES[at], "product": product, "window_d": float(test.outcomes.loc[observed.index[at], "window_d"]),
            "description": describe_patient(observed, row=at),
            "risk_grade2plus": risks["baseline"][at], "risk_grade3plus": risks["grade3plus"][at], "interval_covers": said,
            "base_risk": why.base_risk, "reasons": reasons(why, at),
            "before_dose_2": {"risk_grade2plus": risks["before_dose_2"][at], "interval_covers": said,
                              "dose_2_h": dose_2_h[product], "known": _known_by_dose_2(chosen.iloc[at])},
            "resimulated": {"n": 2 * oracle.half, "n_grade2plus": int(oracle.n_grade2plus[place].sum())},
        })
    return made
