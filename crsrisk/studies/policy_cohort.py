"""Prophylaxis cohort: patients whose potential outcomes are known, what oracles expect, and scores
learnt elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.data.potential_outcomes import (
    RESPONSE_WORLDS,
    Harms,
    Ledger,
    PotentialOutcomes,
    ResponseWorld,
    Strategy,
    TrueRisks,
)
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import auroc
from crsrisk.folders import find
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.policy.ranking import Rate, rate
from crsrisk.policy.table import (
    FIGURES,
    IndividualEffects,
    at_or_above,
    best_threshold,
    contributions,
    cross_fitted_policy,
    expected_effects,
    interval,
    policy_table,
    regret,
    reliability,
    resamples,
    shrunken_gain,
    top_share,
    with_risk_ratio,
)
from crsrisk.policy.tipping import tipping_points
from crsrisk.results import Estimate
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import potential_outcomes, true_risks, with_standard
from crsrisk.trials.intervals import frechet_bounds

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
CONFIG = "baseline"


@dataclass(frozen=True)
class Sizes:
    """How much is simulated: patients judged, their futures, and patients an arm of the trial that
    scores learn from.
    """

    patients: int
    repetitions: int
    training: int


@dataclass(frozen=True)
class Scores:
    """Models before the first dose: the risk without prophylaxis, and by strategy the risk with it
    (for benefit).
    """

    risk: RiskModel
    treated: Mapping[str, RiskModel]
    origin: str

    def risk_of(self, observed: pd.DataFrame) -> Floats:
        """Predicted risk without prophylaxis, shape (n,)."""
        return usable(self.risk, observed)

    def benefit_of(self, observed: pd.DataFrame, *, strategy: str) -> Floats:
        """Predicted benefit: risk by the model of the control arm less that by the model of the
        treated arm.
        """
        return usable(self.treated["none"], observed) - usable(self.treated[strategy], observed)


@dataclass(frozen=True, eq=False)
class Judged:
    """The patients on whom policies are judged, none of whom any score has seen."""

    arm: Arm
    observed: pd.DataFrame
    outcomes: PotentialOutcomes
    mechanism: TrueRisks
    covariates: TrueRisks
    risk: Floats
    benefit: Mapping[str, Floats]
    origin: str


def usable(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """Risks of every row; :class:`InputError` when a row is refused, since a policy must say
    something of everybody.
    """
    scored = predict(model, observed).rows
    if (refused := scored["status"] == "refused").any():
        row = int(np.argmax(refused.to_numpy()))
        raise InputError(
            where="cohort",
            key=f"row {row + 1}",
            found=scored["reasons"].iloc[row],
            expected="values that the model can use",
            cure="correct the row, or leave the patient out",
        )
    return scored["risk"].to_numpy(dtype=np.float64)


def learn_scores(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    world: World,
    seed: int,
    start: int,
    n: int,
    model: RiskModel | None,
    workers: int = 1,
) -> Scores:
    """Fit one risk model to each arm of a simulated randomised trial, ``n`` patients an arm, from
    patient ``start`` on.

    ``model`` is used for the risk without prophylaxis when there is one.
    """
    config, fitted = load_config(find("configs", CONFIG)), {}
    for k, strategy in enumerate(with_standard(strategies)):
        patients = sample(
            arm.population,
            assumptions=world.assumptions,
            seed=seed,
            start=start + k * n,
            stop=start + (k + 1) * n,
        )
        found = potential_outcomes(
            arm, [strategy], patients=patients, world=world, seed=seed, workers=workers
        )
        table = pd.DataFrame(
            {
                "patient_id": patients.patient_id,
                config.outcome: found.event(strategy.name),
                "window_d": np.full(n, found.window_d),
            }
        )
        fitted[strategy.name] = fit(
            observe(patients, arm=arm, world=world, seed=seed), table, config=config, seed=seed
        )
    origin = (
        f"fitted to the control arm of a simulated trial of {n} patients an arm"
        if model is None
        else f"{model.label}, given"
    )
    return Scores(model or fitted["none"], fitted, origin)


def judge_patients(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    world: World,
    seed: int,
    sizes: Sizes,
    model: RiskModel | None,
    begin: Begin,
    workers: int = 1,
) -> tuple[Judged, Scores]:
    """Learn the scores in some patients, simulate others under every strategy, and ask both oracles
    about them.
    """
    n = sizes.patients
    advance = begin("Learning scores in a simulated trial", 1)
    scores = learn_scores(
        arm,
        strategies,
        world=world,
        seed=seed,
        start=n,
        n=sizes.training,
        model=model,
        workers=workers,
    )
    advance(1)
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    outcomes = potential_outcomes(
        arm, strategies, patients=patients, world=world, seed=seed, workers=workers
    )
    again = partial(
        true_risks,
        arm,
        strategies,
        patients=patients,
        world=world,
        seed=seed,
        repetitions=sizes.repetitions,
        workers=workers,
    )
    mechanism = again(given="baseline", advance=begin("Asking the mechanism oracle", n))
    # futures of its own: by these it chooses, in the mechanism oracle's it is counted
    covariates = again(
        given="observed",
        first_repetition=sizes.repetitions,
        advance=begin("Asking the covariate oracle", n),
    )
    observed = observe(patients, arm=arm, world=world, seed=seed)
    names = [one.name for one in outcomes.strategies[1:]]
    return (
        Judged(
            arm,
            observed,
            outcomes,
            mechanism,
            covariates,
            scores.risk_of(observed),
            {name: scores.benefit_of(observed, strategy=name) for name in names},
            scores.origin,
        ),
        scores,
    )


# Ranked patients: what ranks and what values the patients of one strategy, for every table of
# policies.


@dataclass(frozen=True)
class Plan:
    """What is weighed and how: the weights, the cautious world of response, doses for each 100,
    resampling.
    """

    harms: Harms
    response_world: ResponseWorld
    doses_per_100: tuple[float, ...]
    n_resamples: int
    seed: int


@dataclass(frozen=True, eq=False)
class Ranked:
    """Everything that ranks or values the patients of one strategy."""

    stakes: IndividualEffects
    halves: tuple[IndividualEffects, IndividualEffects]
    ledger: Ledger
    risk: Floats
    benefit: Floats
    known: Floats  # gain that the covariate oracle believes
    best: float  # best threshold of the risk in these patients


def rank_patients(judged: Judged, strategy: str, plan: Plan) -> Ranked:
    """IndividualEffects and rankings of one strategy's patients."""
    given = judged.outcomes.is_exposed[judged.outcomes.index(strategy)].astype(np.float64)
    world = plan.response_world
    stakes = expected_effects(judged.mechanism, strategy, response_world=world, is_given=given)
    halves = tuple(
        expected_effects(judged.mechanism, strategy, response_world=world, half=k, is_given=given)
        for k in (0, 1)
    )
    seen = [
        expected_effects(
            judged.covariates, strategy, response_world=world, half=k, is_given=given
        ).gain(plan.harms)
        for k in (0, 1)
    ]
    sample_conditional = reliability(seen[0], seen[1])
    # of both halves (Spearman-Brown)
    known = shrunken_gain(
        (seen[0] + seen[1]) / 2.0, trust=2.0 * sample_conditional / (1.0 + sample_conditional)
    )
    return Ranked(
        stakes,
        (halves[0], halves[1]),
        stakes.ledger(plan.harms),
        judged.risk,
        judged.benefit[strategy],
        known,
        best_threshold(judged.risk, stakes.gain(plan.harms)),
    )


# Prophylaxis groups: how common CRS is, how well its risk is told, and what a policy means for
# subgroups.


_FEWEST = 30  # patients of a subgroup that is shown


def _groups(judged: Judged) -> list[tuple[str, NDArray[np.bool_]]]:
    table = judged.observed
    burden, age = (
        table["sum_of_diameters_mm"].to_numpy(dtype=float),
        table["age_years"].to_numpy(dtype=float),
    )
    labs = (
        table[["crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml"]].isna().any(axis=1).to_numpy()
    )
    liver, female = (
        table[name].to_numpy(dtype=bool) for name in ("has_liver_metastases", "is_female")
    )
    ecog = table["ecog"].to_numpy()
    return [
        ("liver metastases", liver),
        ("no liver metastases", ~liver),
        ("women", female),
        ("men", ~female),
        ("65 years or older", age >= 65.0),
        ("under 65 years", age < 65.0),
        ("ECOG 0", ecog == 0),
        ("ECOG 1 or more", ecog >= 1),
        ("burden above the median", burden > np.nanmedian(burden)),
        ("burden up to the median", burden <= np.nanmedian(burden)),
        ("a laboratory value missing", labs),
        ("all laboratory values known", ~labs),
    ]


def subgroups(judged: Judged, one: Ranked, plan: Plan) -> list[dict[str, Any]]:
    """Each subgroup under the common threshold: who is treated and found, calibration, value,
    regret to its own oracle.
    """
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
        rows.append(
            {
                "group": name,
                "n": int(members.sum()),
                "risk_per_100": float(100.0 * risk.mean()),
                "treated_per_100": float(100.0 * treated[members].mean()),
                "sensitivity": float((treated[members] * risk).sum() / max(risk.sum(), 1e-12)),
                "ppv": _ppv(treated[members], risk),
                "calibration_log_odds": float(_log_odds(risk.mean()) - _log_odds(seen.mean())),
                "effect_beyond_constant_ratio_per_100": float(
                    100.0 * (one.stakes.averted[members] - constant[members]).mean()
                ),
                "net_benefit": (
                    interval(float(100.0 * value.mean()), 100.0 * weights @ value).to_dict()
                ),
                "regret_to_covariate_oracle": float(
                    100.0 * ((known - treated)[members] * gain[members]).mean()
                ),
            }
        )
    return rows


def _ppv(treated: Floats, risk: Floats) -> float | None:
    return float((treated * risk).sum() / treated.sum()) if treated.sum() > 0 else None


def _log_odds(rate_: float) -> float:
    return float(logit(np.clip(rate_, 1e-6, 1.0 - 1e-6)))


def how_common(judged: Judged, plan: Plan) -> dict[str, Any]:
    """How common CRS of grade >= 2 is without prophylaxis, how spread its risk, and how well the
    score tells it.
    """
    risk, event = judged.mechanism.grade2plus[0], judged.outcomes.event("none").astype(np.float64)
    weights = resamples(len(risk), n_resamples=plan.n_resamples, seed=plan.seed)
    seen = judged.covariates.grade2plus[0]
    return {
        "rate": interval(float(risk.mean()), weights @ risk).to_dict(),
        "predicted": float(judged.risk.mean()),
        "calibration_log_odds": _log_odds(risk.mean()) - _log_odds(judged.risk.mean()),
        "quantiles_of_risk": {
            name: [float(q) for q in np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))]
            for name, values in (
                ("score", judged.risk),
                ("covariate oracle", seen),
                ("mechanism oracle", risk),
            )
        },
        "auroc": {
            name: _told(auroc(event, risk=values))
            for name, values in (("score", judged.risk), ("covariate oracle", seen))
        },
    }


def _told(found: object) -> dict[str, float | None]:
    if isinstance(found, Estimate):
        return {"value": found.value, "low": found.low, "high": found.high}
    return {"value": None, "low": None, "high": None}


# Prophylaxis policies: one strategy judged on patients whose potential outcomes are known, as plain
# tables.


SHARES = tuple(round(0.05 * k, 2) for k in range(21))  # of patients treated, in the curve of doses
HARM_GRID = tuple(round(0.01 * k, 2) for k in range(61))  # in CRS events, in the decision curve


def _policies(one: Ranked, plan: Plan) -> dict[str, Floats]:
    """Contributions of every policy, in the order of the ladder."""
    n, ledger = len(one.stakes), one.ledger

    def of(treated: Floats) -> Floats:
        return contributions(treated, one.stakes, harms=plan.harms)

    found = {
        "treat none": of(np.zeros(n)),
        "treat all": of(np.ones(n)),
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
    found["mechanism oracle"] = cross_fitted_policy(one.halves, harms=plan.harms)[0]
    return found


def judge_strategy(judged: Judged, strategy: str, plan: Plan) -> dict[str, Any]:
    """The answer for one strategy: ledger, policies, regret, targeting, doses, decision curve,
    subgroups, tipping points.
    """
    one = rank_patients(judged, strategy, plan)
    policies = _policies(one, plan)
    rows = policy_table(policies, n_resamples=plan.n_resamples, seed=plan.seed)
    names = list(policies)
    steps = [
        policies[name] for name in (names[2], names[3], "covariate oracle", "mechanism oracle")
    ]
    elsewhere = _net_benefit_elsewhere(judged, strategy, policies, plan)
    return {
        "strategy": strategy,
        "ledger": _ledger(judged, strategy, one, plan),
        "policies": [
            {**row.to_dict(), "net_benefit_without_link": elsewhere[row.policy]} for row in rows
        ],
        "regret": regret(steps, n_resamples=plan.n_resamples, seed=plan.seed).to_dict(),
        "targeting": _targeting(one, plan),
        "doses": _dose_curve(one, plan),
        "decision_curve": _decision_curve(one, plan),
        "subgroups": subgroups(judged, one, plan),
        "tipping_points": [
            point.to_dict() for point in tipping_points(one.stakes, harms=plan.harms)
        ],
        "joint": _joint(judged, strategy),
    }


def _net_benefit_elsewhere(
    judged: Judged, strategy: str, policies: Mapping[str, Floats], plan: Plan
) -> dict[str, float]:
    """Net benefit per 100 of the same policies where quietening T cells costs no response."""
    at = FIGURES.index("net_benefit"), FIGURES.index("responses_lost")
    return {
        name: float(100.0 * (each[:, at[0]] + plan.harms.response_weight * each[:, at[1]]).mean())
        for name, each in policies.items()
    }


def _ledger(judged: Judged, strategy: str, one: Ranked, plan: Plan) -> dict[str, Any]:
    weights = resamples(len(one.stakes), n_resamples=plan.n_resamples, seed=plan.seed)
    with_it, without = weights @ one.stakes.risk_treated, weights @ one.stakes.risk
    ratio = interval(one.stakes.risk_ratio, with_it / np.maximum(without, 1e-12))
    harm = weights @ one.stakes.harm(plan.harms)
    start = np.where(
        with_it < without,
        np.maximum(harm, 0.0) / np.maximum(1.0 - with_it / without, 1e-12),
        np.inf,
    )
    support = judged.outcomes.needs_support.astype(np.float64)
    k = judged.outcomes.index(strategy)
    by_world = {}
    for world in RESPONSE_WORLDS:
        ledger = expected_effects(
            judged.mechanism, strategy, response_world=world, is_given=one.stakes.is_given
        ).ledger(plan.harms)
        by_world[world] = {
            "responses_lost": ledger.rows[1].per_treated,
            "harm": ledger.harm,
            "threshold": ledger.threshold if np.isfinite(ledger.threshold) else None,
        }
    return {
        "risk_ratio": ratio.to_dict(),
        "harm": interval(one.ledger.harm, harm).to_dict(),
        "threshold": interval(one.ledger.threshold, start).to_dict(),
        "rows": [
            {
                "harm": row.harm,
                "per_treated": row.per_treated,
                "weight": row.weight,
                "crs_units": row.crs_units,
            }
            for row in one.ledger.rows
        ],
        "by_response_world": by_world,
        "risk_ratio_of_needing_support": (
            interval(
                float(support[k].mean() / max(support[0].mean(), 1e-12)),
                (weights @ support[k]) / np.maximum(weights @ support[0], 1e-12),
            ).to_dict()
        ),
    }


def _joint(judged: Judged, strategy: str) -> dict[str, Any]:
    """Exposed without benefit: P(event with and without), mechanistic by shared random numbers, and
    what data could say.
    """
    without, with_it = judged.outcomes.event("none"), judged.outcomes.event(strategy)
    bounds = frechet_bounds(p0=float(without.mean()), p1=float(with_it.mean()))
    return {
        "averted": float((without & ~with_it).mean()),
        "brought_about": float((~without & with_it).mean()),
        "not_averted": float((without & with_it).mean()),
        "frechet_bounds_averted": [bounds.low, bounds.high],
        "coupling": "the same patient with the same random numbers under both",
    }


def _rated(found: Rate) -> dict[str, Any]:
    low, high = found.autoc_interval or (None, None)
    return {"autoc": found.autoc, "low": low, "high": high, "qini": found.qini}


def _targeting(one: Ranked, plan: Plan) -> dict[str, Any]:
    """Risk-based against benefit-based: how well each ranks the true effect, and what each gains at
    its best.
    """
    gain, averted = one.stakes.gain(plan.harms), one.stakes.averted
    by_risk = at_or_above(one.risk, one.best) * gain
    by_benefit = at_or_above(one.benefit, best_threshold(one.benefit, gain)) * gain
    draws = (
        100.0
        * resamples(len(gain), n_resamples=plan.n_resamples, seed=plan.seed)
        @ (by_benefit - by_risk)
    )
    return {
        "by_risk": _rated(rate(tau=averted, priority=one.risk)),
        "by_benefit": _rated(rate(tau=averted, priority=one.benefit)),
        "by_true_risk": _rated(rate(tau=one.halves[1].averted, priority=one.halves[0].risk)),
        "benefit_less_risk_net_benefit_per_100": (
            interval(float(100.0 * (by_benefit - by_risk).mean()), draws).to_dict()
        ),
    }


def _dose_curve(one: Ranked, plan: Plan) -> dict[str, list[float]]:
    """CRS averted per 100 patients by the share that can be treated."""

    def by(score: Floats) -> list[float]:
        return [
            float(100.0 * (top_share(score, share) * one.stakes.averted).mean()) for share in SHARES
        ]

    trust = reliability(one.halves[0].averted, one.halves[1].averted)
    oracle = [
        float(
            50.0
            * sum(
                (
                    top_share(shrunken_gain(one.halves[k].averted, trust=trust), share)
                    * one.halves[1 - k].averted
                ).mean()
                for k in (0, 1)
            )
        )
        for share in SHARES
    ]
    return {
        "share": list(SHARES),
        "by_risk": by(one.risk),
        "by_benefit": by(one.benefit),
        "oracle": oracle,
        "random": [float(100.0 * share * one.stakes.averted.mean()) for share in SHARES],
    }


def _decision_curve(one: Ranked, plan: Plan) -> dict[str, Any]:
    """Net benefit per 100 against the harm of a treated patient, for all, by risk, by benefit; band
    of by risk.
    """
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
        curve["by_benefit"].append(
            float(100.0 * (at_or_above(one.benefit, harm) * (averted - harm)).mean())
        )
        curve["low"].append(float(band[0]))
        curve["high"].append(float(band[1]))
    best = np.maximum(np.array(curve["all"]), 0.0)
    pays = [
        harm
        for harm, model, simple in zip(HARM_GRID, curve["low"], best, strict=True)
        if model > simple + 1e-9
    ]
    return {
        **curve,
        "model_beats_simple_rules_from": min(pays) if pays else None,
        "model_beats_simple_rules_to": max(pays) if pays else None,
        "harm_now": one.ledger.harm,
        "risk_ratio": ratio,
    }
