"""Prophylaxis policies: one strategy judged on patients whose potential outcomes are known, as plain tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.decide.intervals import frechet_bounds
from crsrisk.decide.policy_table import (
    FIGURES,
    chosen_apart,
    contributions,
    interval,
    policy_table,
    regret,
    resamples,
)
from crsrisk.decide.ranking import Rate, rate
from crsrisk.decide.stakes import expected_stakes
from crsrisk.decide.targeting import at_or_above, believed_gain, best_threshold, reliability, top_share
from crsrisk.decide.tipping import tipping_points
from crsrisk.domain.potential_outcomes import RESPONSE_WORLDS
from crsrisk.journey.prophylaxis_cohort import Judged
from crsrisk.journey.prophylaxis_groups import subgroups
from crsrisk.journey.prophylaxis_ranked import Plan, Ranked, rank_patients

Floats = NDArray[np.float64]
SHARES = tuple(round(0.05 * k, 2) for k in range(21))  # of patients treated, in the curve of doses
HARM_GRID = tuple(round(0.01 * k, 2) for k in range(61))  # in CRS events, in the decision curve


def _policies(one: Ranked, plan: Plan) -> dict[str, Floats]:
    """Contributions of every policy, in the order of the ladder."""
    n, ledger = len(one.stakes), one.ledger

    def of(treated: Floats) -> Floats:
        return contributions(treated, one.stakes, harms=plan.harms)

    found = {
        "treat none": of(np.zeros(n)), "treat all": of(np.ones(n)),
        f"by risk, at t* = {ledger.threshold:.3g}": of(at_or_above(one.risk, ledger.threshold)),
        "by risk, at its best threshold here": of(at_or_above(one.risk, one.best)),
        "by predicted benefit": of(at_or_above(one.benefit, ledger.harm)),
    }
    for doses in plan.doses_per_100:
        share = doses / 100.0
        found[f"{doses:g} doses per 100, at random"] = of(np.full(n, share))
        found[f"{doses:g} doses per 100, by risk"] = of(top_share(one.risk, share))
        found[f"{doses:g} doses per 100, by predicted benefit"] = of(top_share(one.benefit, share))
    found["covariate oracle"] = of((one.known > 0.0).astype(np.float64))
    found["mechanism oracle"] = chosen_apart(one.halves, harms=plan.harms)[0]
    return found


def judge_strategy(judged: Judged, strategy: str, plan: Plan) -> dict[str, Any]:
    """The answer for one strategy: ledger, policies, regret, targeting, doses, decision curve, subgroups, tipping points."""
    one = rank_patients(judged, strategy, plan)
    policies = _policies(one, plan)
    rows = policy_table(policies, n_resamples=plan.n_resamples, seed=plan.seed)
    names = list(policies)
    steps = [policies[name] for name in (names[2], names[3], "covariate oracle", "mechanism oracle")]
    elsewhere = _net_benefit_elsewhere(judged, strategy, policies, plan)
    return {
        "strategy": strategy, "ledger": _ledger(judged, strategy, one, plan),
        "policies": [{**row.as_dict(), "net_benefit_without_link": elsewhere[row.policy]} for row in rows],
        "regret": regret(steps, n_resamples=plan.n_resamples, seed=plan.seed).as_dict(),
        "targeting": _targeting(one, plan), "doses": _dose_curve(one, plan), "decision_curve": _decision_curve(one, plan),
        "subgroups": subgroups(judged, one, plan),
        "tipping_points": [point.as_dict() for point in tipping_points(one.stakes, harms=plan.harms)],
        "joint": _joint(judged, strategy),
    }


def _net_benefit_elsewhere(
    judged: Judged, strategy: str, policies: Mapping[str, Floats], plan: Plan
) -> dict[str, float]:
    """Net benefit per 100 of the same policies where quietening T cells costs no response."""
    at = FIGURES.index("net_benefit"), FIGURES.index("responses_lost")
    return {name: float(100.0 * (each[:, at[0]] + plan.harms.response_weight * each[:, at[1]]).mean())
            for name, each in policies.items()}


def _ledger(judged: Judged, strategy: str, one: Ranked, plan: Plan) -> dict[str, Any]:
    weights = resamples(len(one.stakes), n_resamples=plan.n_resamples, seed=plan.seed)
    with_it, without = weights @ one.stakes.risk_treated, weights @ one.stakes.risk
    ratio = interval(one.stakes.risk_ratio, with_it / np.maximum(without, 1e-12))
    harm = weights @ one.stakes.harm(plan.harms)
    start = np.where(with_it < without, np.maximum(harm, 0.0) / np.maximum(1.0 - with_it / without, 1e-12), np.inf)
    support = judged.outcomes.needs_support.astype(np.float64)
    k = judged.outcomes.index(strategy)
    by_world = {}
    for world in RESPONSE_WORLDS:
        ledger = expected_stakes(judged.mechanism, strategy, response_world=world, is_given=one.stakes.is_given
                                 ).ledger(plan.harms)
        by_world[world] = {"responses_lost": ledger.rows[1].per_treated, "harm": ledger.harm,
                           "threshold": ledger.threshold if np.isfinite(ledger.threshold) else None}
    return {
        "risk_ratio": ratio.as_dict(), "harm": interval(one.ledger.harm, harm).as_dict(),
        "threshold": interval(one.ledger.threshold, start).as_dict(),
        "rows": [{"harm": row.harm, "per_treated": row.per_treated, "weight": row.weight, "crs_units": row.crs_units}
                 for row in one.ledger.rows],
        "by_response_world": by_world,
        "risk_ratio_of_needing_support": interval(
            float(support[k].mean() / max(support[0].mean(), 1e-12)),
            (weights @ support[k]) / np.maximum(weights @ support[0], 1e-12)).as_dict(),
    }


def _joint(judged: Judged, strategy: str) -> dict[str, Any]:
    """Exposed without benefit: P(event with and without), mechanistic by shared random numbers, and what data could say."""
    without, with_it = judged.outcomes.event("none"), judged.outcomes.event(strategy)
    bounds = frechet_bounds(p0=float(without.mean()), p1=float(with_it.mean()))
    return {"averted": float((without & ~with_it).mean()), "brought_about": float((~without & with_it).mean()),
            "not_averted": float((without & with_it).mean()), "frechet_bounds_averted": [bounds.low, bounds.high],
            "coupling": "the same patient with the same random numbers under both"}


def _rated(found: Rate) -> dict[str, Any]:
    low, high = found.autoc_interval or (None, None)
    return {"autoc": found.autoc, "low": low, "high": high, "qini": found.qini}


def _targeting(one: Ranked, plan: Plan) -> dict[str, Any]:
    """Risk-based against benefit-based: how well each ranks the true effect, and what each gains at its best."""
    gain, averted = one.stakes.gain(plan.harms), one.stakes.averted
    by_risk = at_or_above(one.risk, one.best) * gain
    by_benefit = at_or_above(one.benefit, best_threshold(one.benefit, gain)) * gain
    draws = 100.0 * resamples(len(gain), n_resamples=plan.n_resamples, seed=plan.seed) @ (by_benefit - by_risk)
    return {
        "by_risk": _rated(rate(tau=averted, priority=one.risk)),
        "by_benefit": _rated(rate(tau=averted, priority=one.benefit)),
        "by_true_risk": _rated(rate(tau=one.halves[1].averted, priority=one.halves[0].risk)),
        "benefit_less_risk_net_benefit_per_100": interval(float(100.0 * (by_benefit - by_risk).mean()), draws).as_dict(),
    }


def _dose_curve(one: Ranked, plan: Plan) -> dict[str, list[float]]:
    """CRS averted per 100 patients by the share that can be treated."""
    def by(score: Floats) -> list[float]:
        return [float(100.0 * (top_share(score, share) * one.stakes.averted).mean()) for share in SHARES]

    trust = reliability(one.halves[0].averted, one.halves[1].averted)
    oracle = [float(50.0 * sum((top_share(believed_gain(one.halves[k].averted, trust=trust), share)
                                * one.halves[1 - k].averted).mean() for k in (0, 1))) for share in SHARES]
    return {"share": list(SHARES), "by_risk": by(one.risk), "by_benefit": by(one.benefit), "oracle": oracle,
            "random": [float(100.0 * share * one.stakes.averted.mean()) for share in SHARES]}


def _decision_curve(one: Ranked, plan: Plan) -> dict[str, Any]:
    """Net benefit per 100 against the harm of a treated patient, for all, by risk, by benefit; band of by risk."""
    averted, ratio = one.stakes.averted, one.stakes.risk_ratio
    weights = resamples(len(averted), n_resamples=plan.n_resamples, seed=plan.seed)
    curve: dict[str, list[float]] = {"harm": list(HARM_GRID)}
    curve |= {name: [] for name in ("all", "by_risk", "by_benefit", "low", "high")}
    for harm in HARM_GRID:
        start = harm / (1.0 - ratio) if ratio < 1.0 else np.inf
        each = 100.0 * at_or_above(one.risk, start) * (averted - harm)
        band = np.quantile(weights @ each, [0.025, 0.975])
        curve["all"].append(float(100.0 * (averted - harm).mean()))
        curve["by_risk"].append(float(each.mean()))
        curve["by_benefit"].append(float(100.0 * (at_or_above(one.benefit, harm) * (averted - harm)).mean()))
        curve["low"].append(float(band[0]))
        curve["high"].append(float(band[1]))
    best = np.maximum(np.array(curve["all"]), 0.0)
    pays = [harm for harm, model, simple in zip(HARM_GRID, curve["low"], best, strict=True) if model > simple + 1e-9]
    return {**curve, "model_beats_simple_rules_from": min(pays) if pays else None,
            "model_beats_simple_rules_to": max(pays) if pays else None, "harm_now": one.ledger.harm, "risk_ratio": ratio}
