"""Prophylaxis groups: how common CRS is, how well its risk is told, and what a policy means for subgroups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.decide.policy_table import interval, resamples
from crsrisk.decide.stakes import with_risk_ratio
from crsrisk.decide.targeting import at_or_above
from crsrisk.journey.prophylaxis_cohort import Judged
from crsrisk.journey.prophylaxis_ranked import Plan, Ranked
from crsrisk.learn.metrics import Estimate, auroc

Floats = NDArray[np.float64]
_FEWEST = 30  # patients of a subgroup that is shown


def _groups(judged: Judged) -> list[tuple[str, NDArray[np.bool_]]]:
    table = judged.observed
    burden, age = table["sum_of_diameters_mm"].to_numpy(dtype=float), table["age_years"].to_numpy(dtype=float)
    labs = table[["crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml"]].isna().any(axis=1).to_numpy()
    liver, female = (table[name].to_numpy(dtype=bool) for name in ("has_liver_metastases", "is_female"))
    ecog = table["ecog"].to_numpy()
    return [("liver metastases", liver), ("no liver metastases", ~liver), ("women", female), ("men", ~female),
            ("65 years or older", age >= 65.0), ("under 65 years", age < 65.0), ("ECOG 0", ecog == 0),
            ("ECOG 1 or more", ecog >= 1), ("burden above the median", burden > np.nanmedian(burden)),
            ("burden up to the median", burden <= np.nanmedian(burden)),
            ("a laboratory value missing", labs), ("all laboratory values known", ~labs)]


def subgroups(judged: Judged, one: Ranked, plan: Plan) -> list[dict[str, Any]]:
    """Each subgroup under the common threshold: who is treated and found, calibration, value, regret to its own oracle."""
    treated, gain = at_or_above(one.risk, one.ledger.threshold), one.stakes.gain(plan.harms)
    known = (one.known > 0.0).astype(np.float64)
    constant = with_risk_ratio(one.stakes, one.stakes.risk_ratio).averted
    rows = []
    for name, members in _groups(judged):
        if members.sum() < _FEWEST:
            continue
        risk, seen = one.stakes.risk[members], one.risk[members]
        weights = resamples(int(members.sum()), n_resamples=plan.n_resamples, seed=plan.seed)
        value = treated[members] * gain[members]
        rows.append({
            "group": name, "n": int(members.sum()), "risk_per_100": float(100.0 * risk.mean()),
            "treated_per_100": float(100.0 * treated[members].mean()),
            "sensitivity": float((treated[members] * risk).sum() / max(risk.sum(), 1e-12)),
            "ppv": _ppv(treated[members], risk),
            "calibration_log_odds": float(_log_odds(risk.mean()) - _log_odds(seen.mean())),
            "effect_beyond_constant_ratio_per_100": float(100.0 * (one.stakes.averted[members] - constant[members]).mean()),
            "net_benefit": interval(float(100.0 * value.mean()), 100.0 * weights @ value).as_dict(),
            "regret_to_covariate_oracle": float(100.0 * ((known - treated)[members] * gain[members]).mean()),
        })
    return rows


def _ppv(treated: Floats, risk: Floats) -> float | None:
    return float((treated * risk).sum() / treated.sum()) if treated.sum() > 0 else None


def _log_odds(rate_: float) -> float:
    return float(logit(np.clip(rate_, 1e-6, 1.0 - 1e-6)))


def how_common(judged: Judged, plan: Plan) -> dict[str, Any]:
    """How common CRS of grade >= 2 is without prophylaxis, how spread its risk, and how well the score tells it."""
    risk, event = judged.mechanism.grade2plus[0], judged.outcomes.event("none").astype(np.float64)
    weights = resamples(len(risk), n_resamples=plan.n_resamples, seed=plan.seed)
    seen = judged.covariates.grade2plus[0]
    return {
        "rate": interval(float(risk.mean()), weights @ risk).as_dict(),
        "predicted": float(judged.risk.mean()),
        "calibration_log_odds": _log_odds(risk.mean()) - _log_odds(judged.risk.mean()),
        "quantiles_of_risk": {name: [float(q) for q in np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))]
                              for name, values in (("score", judged.risk), ("covariate oracle", seen),
                                                   ("mechanism oracle", risk))},
        "auroc": {name: _told(auroc(event, risk=values)) for name, values in (("score", judged.risk),
                                                                             ("covariate oracle", seen))},
    }


def _told(found: object) -> dict[str, float | None]:
    if isinstance(found, Estimate):
        return {"value": found.value, "low": found.low, "high": found.high}
    return {"value": None, "low": None, "high": None}
