"""What one strategy of prophylaxis is worth in patients whose potential outcomes are known: harms
and threshold, policies, regret, ranking, doses, decision curve, subgroups, tipping points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, LedgerRow, ResponseWorld
from crsrisk.evaluation.metrics import auroc
from crsrisk.policy.cohort import PolicyCohort, RankedPatients, ValuationPlan, rank_patients
from crsrisk.policy.ranking import rate
from crsrisk.policy.table import (
    FIGURES,
    FloatArray,
    PolicyValue,
    Regret,
    at_or_above,
    best_threshold,
    contributions,
    cross_fitted_policy,
    expected_effects,
    finite_value,
    percentile_estimate,
    policy_table,
    regret,
    reliability,
    resampling_weights,
    shrunken_gain,
    top_share,
    unbounded_estimate,
    with_risk_ratio,
)
from crsrisk.policy.tipping import TippingPoint, tipping_points
from crsrisk.results import Estimate, NotEstimable
from crsrisk.trials.intervals import frechet_bounds

TREAT_NONE, TREAT_ALL = "treat none", "treat all"
BY_BEST_THRESHOLD, BY_BENEFIT = "by risk, at its best threshold here", "by predicted benefit"
COVARIATE_ORACLE, MECHANISM_ORACLE = "covariate oracle", "mechanism oracle"
NO_THRESHOLD = "it costs more than it could avert: no risk is high enough"
SHARES = tuple(round(0.05 * k, 2) for k in range(21))  # of patients treated, in the curve of doses
HARM_GRID = tuple(round(0.01 * k, 2) for k in range(61))  # in CRS events, in the decision curve
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FEWEST_IN_SUBGROUP = 30  # patients of a subgroup that is shown


def by_threshold(threshold: float) -> str:
    """Name of the policy that treats at or above t*, the threshold of the ledger.

    >>> by_threshold(0.1)
    'by risk, at t* = 0.1'
    """
    return f"by risk, at t* = {threshold:.3g}"


@dataclass(frozen=True)
class CommonRisk:
    """How common CRS of grade >= 2 is without prophylaxis, how spread its risk, and how well the
    score tells it.

    Parameters
    ----------
    rate : mean true risk.
    predicted : mean predicted risk.
    calibration_log_odds : log odds of the true rate less those of the predicted one.
    quantiles_of_risk : 5, 25, 50, 75 and 95% quantiles of the risk, by who knows it.
    auroc : by who ranks the patients; not estimable without both outcomes.
    """

    rate: Estimate
    predicted: float
    calibration_log_odds: float
    quantiles_of_risk: Mapping[str, tuple[float, ...]]
    auroc: Mapping[str, Estimate | NotEstimable]


@dataclass(frozen=True)
class LedgerInWorld:
    """Responses lost a treated patient, harm in CRS events and threshold in one world of
    response.
    """

    responses_lost: float
    harm: float
    threshold: float | NotEstimable


@dataclass(frozen=True)
class HarmsLedger:
    """What a strategy averts and costs when everybody is treated, and the risk from which it pays.

    Parameters
    ----------
    risk_ratio : of CRS of grade >= 2 with over without the strategy.
    support_ratio : the same of needing support, which hidden fever does not touch.
    harm : h, of one treated patient in CRS events; below 0 where more harm is spared than done.
    threshold : t* = h / (1 - RR), the risk above which prophylaxis pays.
    rows : each harm, its weight and their product.
    by_response_world : the same in each world of response.
    """

    risk_ratio: Estimate
    support_ratio: Estimate
    harm: Estimate
    threshold: Estimate | NotEstimable
    rows: tuple[LedgerRow, ...]
    by_response_world: Mapping[ResponseWorld, LedgerInWorld]


@dataclass(frozen=True)
class RankingArea:
    """How well a score ranks the true effect: AUTOC (0: it tells nothing of benefit) and QINI."""

    autoc: Estimate
    qini: float


@dataclass(frozen=True)
class Targeting:
    """Ranking by risk against ranking by benefit, and what the second gains in net benefit for 100
    patients, each at its best threshold.
    """

    by_risk: RankingArea
    by_benefit: RankingArea
    by_true_risk: RankingArea
    benefit_less_risk: Estimate


@dataclass(frozen=True)
class DoseCurve:
    """CRS of grade >= 2 averted in 100 patients, by the share of them that can be treated.

    Benefit and oracle are None where no potential outcomes are known.
    """

    share: tuple[float, ...]
    by_risk: tuple[float, ...]
    random: tuple[float, ...]
    by_benefit: tuple[float, ...] | None = None
    oracle: tuple[float, ...] | None = None


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit for 100 patients by the harm of a treated patient (in CRS events).

    ``low`` and ``high``: 95% band of choosing by risk. ``harm_now``: the harm that holds.
    ``beats_simple_rules``: harms from and to which choosing by risk beats treating everybody and
    nobody beyond its band; None where it does at none, or was not asked.
    """

    harm: tuple[float, ...]
    treat_all: tuple[float, ...]
    by_risk: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    harm_now: float
    by_benefit: tuple[float, ...] | None = None
    beats_simple_rules: tuple[float, float] | None = None


@dataclass(frozen=True)
class SubgroupValue:
    """One subgroup under the common threshold t*.

    Parameters
    ----------
    group : the subgroup in words; n : its patients.
    risk_per_100, treated_per_100 : CRS of grade >= 2 without prophylaxis, and treated patients.
    sensitivity : share of the CRS that is found; ppv : risk of those treated (None: nobody).
    calibration_log_odds : log odds of the true rate less those of the predicted one.
    net_benefit : for 100 patients, in CRS events.
    effect_beyond_constant_ratio_per_100 : CRS averted beyond what one risk ratio for everybody
        would avert; regret_to_covariate_oracle : net benefit left to the covariate oracle, for 100
        patients. Both None where no potential outcomes are known.
    """

    group: str
    n: int
    risk_per_100: float
    treated_per_100: float
    sensitivity: float | None
    ppv: float | None
    calibration_log_odds: float | None
    net_benefit: Estimate
    effect_beyond_constant_ratio_per_100: float | None = None
    regret_to_covariate_oracle: float | None = None


@dataclass(frozen=True)
class JointOutcomes:
    """Shares of patients by their event without and with the strategy, under the same random
    numbers, and what data could say of the averted ones (Fréchet bounds).
    """

    averted: float
    brought_about: float
    not_averted: float
    frechet_bounds_averted: tuple[float, float]
    coupling: str = "the same patient with the same random numbers under both"


@dataclass(frozen=True)
class StrategyValue:
    """Everything found about one strategy in the patients of the reference world."""

    strategy: str
    ledger: HarmsLedger
    policies: tuple[PolicyValue, ...]
    regret: Regret
    targeting: Targeting
    doses: DoseCurve
    decision_curve: DecisionCurve
    subgroups: tuple[SubgroupValue, ...]
    tipping_points: tuple[TippingPoint, ...]
    joint: JointOutcomes

    @property
    def treat_all(self) -> PolicyValue:
        """The policy that treats everybody."""
        return next(row for row in self.policies if row.policy == TREAT_ALL)

    @property
    def by_risk(self) -> PolicyValue:
        """The policy that treats at or above t*."""
        return next(row for row in self.policies if row.policy.startswith("by risk, at t*"))


def log_odds_difference(observed: float, predicted: float) -> float:
    """Log odds of an observed rate less those of a predicted one."""
    ends = 1e-6, 1.0 - 1e-6
    return float(logit(np.clip(observed, *ends)) - logit(np.clip(predicted, *ends)))


def common_risk(cohort: PolicyCohort, plan: ValuationPlan) -> CommonRisk:
    """How common CRS of grade >= 2 is without prophylaxis in the patients of the cohort."""
    risk = cohort.mechanism.grade2plus[0]
    event = cohort.outcomes.event("none").astype(np.float64)
    weights = resampling_weights(len(risk), n_resamples=plan.n_resamples, seed=plan.seed)
    by_covariates = cohort.covariates.grade2plus[0]
    known = {"score": cohort.risk, COVARIATE_ORACLE: by_covariates, MECHANISM_ORACLE: risk}
    return CommonRisk(
        rate=percentile_estimate(float(risk.mean()), weights @ risk),
        predicted=float(cohort.risk.mean()),
        calibration_log_odds=log_odds_difference(risk.mean(), cohort.risk.mean()),
        quantiles_of_risk={
            name: tuple(float(q) for q in np.quantile(values, QUANTILES))
            for name, values in known.items()
        },
        auroc={
            name: auroc(event, risk=values)
            for name, values in known.items()
            if name != MECHANISM_ORACLE
        },
    )


def value_strategy(cohort: PolicyCohort, strategy: str, plan: ValuationPlan) -> StrategyValue:
    """Everything about one strategy in the patients of the cohort."""
    ranked = rank_patients(cohort, strategy, plan)
    policies = _policies(ranked, plan)
    steps = [
        policies[name]
        for name in (
            by_threshold(ranked.ledger.threshold),
            BY_BEST_THRESHOLD,
            COVARIATE_ORACLE,
            MECHANISM_ORACLE,
        )
    ]
    without_link = _net_benefit_without_link(policies, plan)
    return StrategyValue(
        strategy=strategy,
        ledger=_ledger(cohort, strategy, ranked, plan),
        policies=tuple(
            replace(row, net_benefit_without_link=without_link[row.policy])
            for row in policy_table(policies, n_resamples=plan.n_resamples, seed=plan.seed)
        ),
        regret=regret(steps, n_resamples=plan.n_resamples, seed=plan.seed),
        targeting=_targeting(ranked, plan),
        doses=_dose_curve(ranked),
        decision_curve=_decision_curve(ranked, plan),
        subgroups=tuple(subgroup_values(cohort, ranked, plan)),
        tipping_points=tuple(tipping_points(ranked.effects, harms=plan.harms)),
        joint=_joint(cohort, strategy),
    )


def _policies(ranked: RankedPatients, plan: ValuationPlan) -> dict[str, FloatArray]:
    """Contributions of every policy, from the simplest to the oracle."""
    n, ledger = len(ranked.effects), ranked.ledger

    def of(treated: FloatArray) -> FloatArray:
        return contributions(treated, ranked.effects, harms=plan.harms)

    policies = {
        TREAT_NONE: of(np.zeros(n)),
        TREAT_ALL: of(np.ones(n)),
        by_threshold(ledger.threshold): of(at_or_above(ranked.risk, ledger.threshold)),
        BY_BEST_THRESHOLD: of(at_or_above(ranked.risk, ranked.best_threshold)),
        BY_BENEFIT: of(at_or_above(ranked.benefit, ledger.harm)),
    }
    for doses in plan.doses_per_100:
        share, name = doses / 100.0, f"{doses:g} doses per 100"
        policies[f"{name}, at random"] = of(np.full(n, share))
        policies[f"{name}, by risk"] = of(top_share(ranked.risk, share))
        policies[f"{name}, by predicted benefit"] = of(top_share(ranked.benefit, share))
    policies[COVARIATE_ORACLE] = of((ranked.expected_gain > 0.0).astype(np.float64))
    policies[MECHANISM_ORACLE] = cross_fitted_policy(ranked.split_halves, harms=plan.harms)[0]
    return policies


def _net_benefit_without_link(
    policies: Mapping[str, FloatArray], plan: ValuationPlan
) -> dict[str, float]:
    """Net benefit per 100 of the same policies where quietening T cells costs no response."""
    net, lost = FIGURES.index("net_benefit"), FIGURES.index("responses_lost")
    return {
        name: float(100.0 * (each[:, net] + plan.harms.response_weight * each[:, lost]).mean())
        for name, each in policies.items()
    }


def _ledger(
    cohort: PolicyCohort, strategy: str, ranked: RankedPatients, plan: ValuationPlan
) -> HarmsLedger:
    effects = ranked.effects
    weights = resampling_weights(len(effects), n_resamples=plan.n_resamples, seed=plan.seed)
    with_it, without = weights @ effects.risk_treated, weights @ effects.risk
    harm = weights @ effects.harm(plan.harms)
    start = np.where(
        with_it < without,
        np.maximum(harm, 0.0) / np.maximum(1.0 - with_it / without, 1e-12),
        np.inf,
    )
    support = cohort.outcomes.needs_support.astype(np.float64)
    k = cohort.outcomes.index(strategy)
    by_world: dict[ResponseWorld, LedgerInWorld] = {}
    for world in RESPONSE_WORLDS:
        ledger = expected_effects(
            cohort.mechanism, strategy, response_world=world, is_given=effects.is_given
        ).ledger(plan.harms)
        is_finite = np.isfinite(ledger.threshold)
        by_world[world] = LedgerInWorld(
            ledger.rows[1].per_treated,
            ledger.harm,
            ledger.threshold if is_finite else NotEstimable(NO_THRESHOLD),
        )
    return HarmsLedger(
        risk_ratio=percentile_estimate(effects.risk_ratio, with_it / np.maximum(without, 1e-12)),
        support_ratio=percentile_estimate(
            float(support[k].mean() / max(support[0].mean(), 1e-12)),
            (weights @ support[k]) / np.maximum(weights @ support[0], 1e-12),
        ),
        harm=percentile_estimate(ranked.ledger.harm, harm),
        threshold=unbounded_estimate(ranked.ledger.threshold, start, reason=NO_THRESHOLD),
        rows=ranked.ledger.rows,
        by_response_world=by_world,
    )


def usable_threshold(ledger: HarmsLedger) -> float | None:
    """t* where it is a risk that a rule can be written with, between 0 and 1; else None."""
    start = finite_value(ledger.threshold)
    return start if start is not None and 0.0 < start < 1.0 else None


def _joint(cohort: PolicyCohort, strategy: str) -> JointOutcomes:
    """Events with and without the strategy, mechanistic by shared random numbers, and what data
    could say.
    """
    without, with_it = cohort.outcomes.event("none"), cohort.outcomes.event(strategy)
    bounds = frechet_bounds(p0=float(without.mean()), p1=float(with_it.mean()))
    return JointOutcomes(
        averted=float((without & ~with_it).mean()),
        brought_about=float((~without & with_it).mean()),
        not_averted=float((without & with_it).mean()),
        frechet_bounds_averted=(bounds.low, bounds.high),
    )


def _area(effect: FloatArray, score: FloatArray) -> RankingArea:
    area = rate(tau=effect, priority=score)
    ends = area.autoc_interval or ()
    return RankingArea(Estimate(area.autoc, *ends), area.qini)


def _targeting(ranked: RankedPatients, plan: ValuationPlan) -> Targeting:
    """Risk-based against benefit-based: how well each ranks the true effect, and what each gains at
    its best.
    """
    gain, averted = ranked.effects.gain(plan.harms), ranked.effects.averted
    by_risk = at_or_above(ranked.risk, ranked.best_threshold) * gain
    by_benefit = at_or_above(ranked.benefit, best_threshold(ranked.benefit, gain)) * gain
    weights = resampling_weights(len(gain), n_resamples=plan.n_resamples, seed=plan.seed)
    return Targeting(
        by_risk=_area(averted, ranked.risk),
        by_benefit=_area(averted, ranked.benefit),
        by_true_risk=_area(ranked.split_halves[1].averted, ranked.split_halves[0].risk),
        benefit_less_risk=percentile_estimate(
            float(100.0 * (by_benefit - by_risk).mean()), 100.0 * weights @ (by_benefit - by_risk)
        ),
    )


def averted_by_share(score: FloatArray, averted: FloatArray) -> tuple[float, ...]:
    """CRS averted per 100 patients when each of :data:`SHARES` is treated, highest scores first."""
    return tuple(float(100.0 * (top_share(score, share) * averted).mean()) for share in SHARES)


def _dose_curve(ranked: RankedPatients) -> DoseCurve:
    averted, halves = ranked.effects.averted, [half.averted for half in ranked.split_halves]
    agreement = reliability(*halves)
    crossed = [
        averted_by_share(shrunken_gain(halves[k], reliability=agreement), halves[1 - k])
        for k in (0, 1)
    ]
    return DoseCurve(
        share=SHARES,
        by_risk=averted_by_share(ranked.risk, averted),
        random=tuple(float(100.0 * share * averted.mean()) for share in SHARES),
        by_benefit=averted_by_share(ranked.benefit, averted),
        oracle=tuple((first + second) / 2.0 for first, second in zip(*crossed, strict=True)),
    )


def _decision_curve(ranked: RankedPatients, plan: ValuationPlan) -> DecisionCurve:
    """Net benefit per 100 against the harm of a treated patient, for all, by risk, by benefit; band
    of by risk.
    """
    averted, ratio = ranked.effects.averted, ranked.effects.risk_ratio
    weights = resampling_weights(len(averted), n_resamples=plan.n_resamples, seed=plan.seed)
    everybody, by_risk, by_benefit, bands = [], [], [], []
    for harm in HARM_GRID:
        start = harm / (1.0 - ratio) if ratio < 1.0 else np.inf
        each = 100.0 * at_or_above(ranked.risk, start) * (averted - harm)
        everybody.append(float(100.0 * (averted - harm).mean()))
        by_risk.append(float(each.mean()))
        by_benefit.append(
            float(100.0 * (at_or_above(ranked.benefit, harm) * (averted - harm)).mean())
        )
        bands.append(np.quantile(weights @ each, [0.025, 0.975]))
    low, high = (tuple(float(band[k]) for band in bands) for k in (0, 1))
    pays = [
        harm
        for harm, end, simple in zip(HARM_GRID, low, everybody, strict=True)
        if end > max(simple, 0.0) + 1e-9
    ]
    return DecisionCurve(
        harm=HARM_GRID,
        treat_all=tuple(everybody),
        by_risk=tuple(by_risk),
        low=low,
        high=high,
        harm_now=ranked.ledger.harm,
        by_benefit=tuple(by_benefit),
        beats_simple_rules=(min(pays), max(pays)) if pays else None,
    )


def _groups(cohort: PolicyCohort) -> list[tuple[str, NDArray[np.bool_]]]:
    table = cohort.observed
    burden = table["sum_of_diameters_mm"].to_numpy(dtype=float)
    age, ecog = table["age_years"].to_numpy(dtype=float), table["ecog"].to_numpy()
    laboratory = table[["crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml"]]
    is_missing = laboratory.isna().any(axis=1).to_numpy()
    liver = table["has_liver_metastases"].to_numpy(dtype=bool)
    female = table["is_female"].to_numpy(dtype=bool)
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
        ("a laboratory value missing", is_missing),
        ("all laboratory values known", ~is_missing),
    ]


def subgroup_values(
    cohort: PolicyCohort, ranked: RankedPatients, plan: ValuationPlan
) -> list[SubgroupValue]:
    """Each subgroup under the common threshold: who is treated and found, calibration, value,
    regret to the covariate oracle. Groups of fewer than 30 are left out.
    """
    effects, gain = ranked.effects, ranked.effects.gain(plan.harms)
    treated = at_or_above(ranked.risk, ranked.ledger.threshold)
    by_oracle = (ranked.expected_gain > 0.0).astype(np.float64)
    beyond = effects.averted - with_risk_ratio(effects, effects.risk_ratio).averted
    rows = []
    for name, members in _groups(cohort):
        n = int(members.sum())
        if n < FEWEST_IN_SUBGROUP:
            continue
        risk, given = effects.risk[members], treated[members]
        weights = resampling_weights(n, n_resamples=plan.n_resamples, seed=plan.seed)
        value = given * gain[members]
        rows.append(
            SubgroupValue(
                group=name,
                n=n,
                risk_per_100=float(100.0 * risk.mean()),
                treated_per_100=float(100.0 * given.mean()),
                sensitivity=float((given * risk).sum() / max(risk.sum(), 1e-12)),
                ppv=float((given * risk).sum() / given.sum()) if given.sum() > 0 else None,
                calibration_log_odds=log_odds_difference(risk.mean(), ranked.risk[members].mean()),
                net_benefit=percentile_estimate(
                    float(100.0 * value.mean()), 100.0 * weights @ value
                ),
                effect_beyond_constant_ratio_per_100=float(100.0 * beyond[members].mean()),
                regret_to_covariate_oracle=float(
                    100.0 * ((by_oracle - treated)[members] * gain[members]).mean()
                ),
            )
        )
    return rows
