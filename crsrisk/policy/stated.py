"""Policies for a table of patients: risks as given, effect and harms as stated, nothing
counterfactual.

A table of real patients shows no potential outcomes. What prophylaxis would do is an input here,
with its interval; the answer says what follows from it, and how wrong it may be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log

import numpy as np
import pandas as pd

from crsrisk.data.potential_outcomes import Harms, LedgerRow
from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import auroc
from crsrisk.policy.cohort import WHERE
from crsrisk.policy.strategy_value import (
    FEWEST_IN_SUBGROUP,
    QUANTILES,
    SHARES,
    TREAT_ALL,
    TREAT_NONE,
    DecisionCurve,
    DoseCurve,
    SubgroupValue,
    averted_by_share,
    by_threshold,
    log_odds_difference,
)
from crsrisk.policy.table import (
    NOBODY_TREATED,
    NOTHING_ADDED,
    NOTHING_AVERTED,
    FloatArray,
    PolicyValue,
    assumed_effects,
    at_or_above,
    number_needed,
    percentile_estimate,
    resampling_weights,
    top_share,
    unbounded_estimate,
)
from crsrisk.policy.tipping import TippingPoint, tipping_points
from crsrisk.results import Z_95, Estimate, NotEstimable
from crsrisk.trials.checks import relative_risk

# thresholds of risk, in the curve of net benefit
THRESHOLD_GRID = tuple(round(0.01 * k, 2) for k in range(61))


@dataclass(frozen=True)
class StatedEffect:
    """What is stated because no table shows it.

    Parameters
    ----------
    risk_ratio : of CRS of grade >= 2 with over without prophylaxis, 0 to below 1; low, high: its
        interval, both or neither.
    infections_added, responses_lost : shares of treated patients, 0 to 1.

    Raises
    ------
    InputError
        For a ratio that averts nothing, ends that do not hold it, and shares outside 0 to 1.
    """

    risk_ratio: float | None
    low: float | None = None
    high: float | None = None
    infections_added: float = 0.0
    responses_lost: float = 0.0

    def checked(self) -> Estimate:
        """The risk ratio with its interval, after everything that can be seen to be wrong."""
        if self.risk_ratio is None:
            raise InputError(
                where=WHERE,
                key="--rr",
                found="nothing",
                expected="the risk ratio of prophylaxis: a table of patients shows no effect",
                cure="state one with its interval: --rr RATIO --rr-low LOWER --rr-high UPPER",
            )
        ratio = relative_risk(self.risk_ratio, where=WHERE, key="--rr")
        for key, end in (("--rr-low", self.low), ("--rr-high", self.high)):
            if end is not None and not (np.isfinite(end) and end > 0.0):
                raise InputError(
                    where=WHERE,
                    key=key,
                    found=end,
                    expected="a risk ratio above 0",
                    cure="correct it",
                )
        ends = [end for end in (self.low, self.high) if end is not None]
        if len(ends) == 1 or (ends and not ends[0] <= ratio <= ends[1]):
            raise InputError(
                where=WHERE,
                key="--rr-low and --rr-high",
                found=f"{self.low} and {self.high}",
                expected=f"both ends of the interval around {ratio:g}, or neither",
                cure="give both",
            )
        for key, share in (
            ("--infections-added", self.infections_added),
            ("--responses-lost", self.responses_lost),
        ):
            if not 0.0 <= share <= 1.0:
                raise InputError(
                    where=WHERE,
                    key=key,
                    found=share,
                    expected="a share of treated patients, 0 to 1",
                    cure="divide percentages by 100",
                )
        return Estimate(ratio, *ends)


@dataclass(frozen=True, eq=False)
class TablePatients:
    """The patients of a table: predicted risk, and event (1, 0; the risk itself where no outcome is
    known), both of shape (n,); subgroups as words, one column a grouping.
    """

    risk: FloatArray
    event: FloatArray
    groups: pd.DataFrame
    has_outcome: bool


@dataclass(frozen=True)
class TablePlan:
    """What is asked of a table: weights of harms, further thresholds of risk, doses for 100
    patients, and resampling.
    """

    harms: Harms
    thresholds: tuple[float, ...] = ()
    doses_per_100: tuple[float, ...] = (30.0,)
    n_resamples: int = 500
    seed: int = 1


@dataclass(frozen=True)
class TableSetting:
    """Which table, how risks came about, and what makes the answer again."""

    table: str
    n_patients: int
    n_left_out: int
    n_refused: int
    risks: str
    outcome: str
    seed: int
    version: str
    n_resamples: int


@dataclass(frozen=True)
class StatedHarms:
    """Effect and harms as stated: risk ratio, the ledger of harms of a treated patient, h in CRS
    events, and the risk t* = h / (1 - RR) from which prophylaxis pays.
    """

    risk_ratio: Estimate
    rows: tuple[LedgerRow, ...]
    harm: float
    threshold: float


@dataclass(frozen=True)
class TableRisk:
    """Mean and 5, 25, 50, 75 and 95% quantiles of the predicted risk; observed rate and AUROC, None
    without outcomes.
    """

    mean: float
    quantiles: tuple[float, ...]
    observed: float | None
    auroc: Estimate | NotEstimable | None


@dataclass(frozen=True, repr=False)
class PolicyTableAnalysis:
    """Who of the patients of a table should get prophylaxis, if it does what is stated.

    Parameters
    ----------
    notice : what it is not.
    setting : which table, and where its risks come from.
    risk : how high and how spread the risks are, and what was observed.
    ledger : stated effect and harms, and the threshold that follows.
    policies : what each way of choosing does to 100 of these patients.
    decision_curve, doses : net benefit by the harm of a treated patient, CRS averted by the doses.
    subgroups : each under the common threshold.
    tipping_points : where treating everybody ties with treating nobody.
    """

    notice: str
    setting: TableSetting
    risk: TableRisk
    ledger: StatedHarms
    policies: tuple[PolicyValue, ...]
    decision_curve: DecisionCurve
    doses: DoseCurve
    subgroups: tuple[SubgroupValue, ...]
    tipping_points: tuple[TippingPoint, ...]

    @property
    def treat_all(self) -> PolicyValue:
        """The policy that treats everybody."""
        return next(row for row in self.policies if row.policy == TREAT_ALL)


def analyse_table(
    patients: TablePatients,
    effect: StatedEffect,
    plan: TablePlan,
    *,
    setting: TableSetting,
    notice: str,
) -> PolicyTableAnalysis:
    """Policies, curves, subgroups and tipping points of the patients of a table."""
    ratio = effect.checked()
    effects = assumed_effects(
        patients.event,
        risk_ratio=ratio.value,
        infections_added=effect.infections_added,
        responses_lost=effect.responses_lost,
    )
    ledger = effects.ledger(plan.harms)
    stated = StatedHarms(ratio, ledger.rows, ledger.harm, ledger.threshold)
    draws = _draws(len(patients.risk), ratio, plan)
    return PolicyTableAnalysis(
        notice=notice,
        setting=setting,
        risk=TableRisk(
            mean=float(patients.risk.mean()),
            quantiles=tuple(np.quantile(patients.risk, QUANTILES).tolist()),
            observed=float(patients.event.mean()) if patients.has_outcome else None,
            auroc=auroc(patients.event, risk=patients.risk) if patients.has_outcome else None,
        ),
        ledger=stated,
        policies=tuple(
            _value(name, treated, patients.event, draws, effect=effect, stated=stated)
            for name, treated in _policies(patients.risk, stated.threshold, plan).items()
        ),
        decision_curve=_decision_curve(patients, stated, draws),
        doses=_dose_curve(patients, ratio.value),
        subgroups=tuple(_subgroups(patients, stated, plan)),
        tipping_points=tuple(tipping_points(effects, harms=plan.harms)),
    )


def _policies(risk: FloatArray, threshold: float, plan: TablePlan) -> dict[str, FloatArray]:
    """Who is treated (0-1 by patient), by policy."""
    n = len(risk)
    treated = {
        TREAT_NONE: np.zeros(n),
        TREAT_ALL: np.ones(n),
        by_threshold(threshold): at_or_above(risk, threshold),
    }
    treated |= {f"by risk, at {level:.2f}": at_or_above(risk, level) for level in plan.thresholds}
    for doses in plan.doses_per_100:
        treated[f"{doses:g} doses per 100, at random"] = np.full(n, doses / 100.0)
        treated[f"{doses:g} doses per 100, by risk"] = top_share(risk, doses / 100.0)
    return treated


@dataclass(frozen=True, eq=False)
class _Draws:
    """Resampled patients (resample, n), and with each a risk ratio from its own interval where it
    has one (resample,).
    """

    weights: FloatArray
    ratios: FloatArray

    def per_100(self, each: FloatArray) -> tuple[float, FloatArray]:
        """Mean for 100 patients, and its resamples."""
        return 100.0 * float(each.mean()), 100.0 * self.weights @ each


def _draws(n: int, ratio: Estimate, plan: TablePlan) -> _Draws:
    weights = resampling_weights(n, n_resamples=plan.n_resamples, seed=plan.seed)
    ratios = np.full(plan.n_resamples, ratio.value)
    if ratio.has_interval and ratio.value > 0.0:
        spread = (log(ratio.high) - log(ratio.low)) / (2.0 * Z_95)
        rng = np.random.default_rng(plan.seed + 1)
        ratios = ratio.value * np.exp(spread * rng.standard_normal(plan.n_resamples))
    return _Draws(weights, ratios)


def _value(
    policy: str,
    treated: FloatArray,
    event: FloatArray,
    draws: _Draws,
    *,
    effect: StatedEffect,
    stated: StatedHarms,
) -> PolicyValue:
    """Intervals from resampled patients and, where the risk ratio has one, its own."""
    ratio, harm = stated.risk_ratio.value, stated.harm
    given, given_draws = draws.per_100(treated)
    events, event_draws = draws.per_100(treated * event)
    averted, averted_draws = (1.0 - ratio) * events, (1.0 - draws.ratios) * event_draws
    added, lost = effect.infections_added, effect.responses_lost
    nnt: Estimate | NotEstimable = NOBODY_TREATED
    nnh: Estimate | NotEstimable = NOBODY_TREATED
    if given > 0.0:
        nnt = unbounded_estimate(
            given / averted if averted > 0.0 else inf,
            number_needed(given_draws, averted_draws),
            reason=NOTHING_AVERTED,
        )
        nnh = (
            Estimate(1.0 / added, 1.0 / added, 1.0 / added)
            if added > 0.0
            else NotEstimable(NOTHING_ADDED)
        )
    return PolicyValue(
        policy,
        treated=percentile_estimate(given, given_draws),
        averted=percentile_estimate(averted, averted_draws),
        missed=percentile_estimate(*draws.per_100((1.0 - treated) * event)),
        needless=percentile_estimate(*draws.per_100(treated * (1.0 - event))),
        infections_added=percentile_estimate(added * given, added * given_draws),
        responses_lost=percentile_estimate(lost * given, lost * given_draws),
        net_benefit=percentile_estimate(averted - harm * given, averted_draws - harm * given_draws),
        nnt=nnt,
        nnh=nnh,
    )


def _decision_curve(patients: TablePatients, stated: StatedHarms, draws: _Draws) -> DecisionCurve:
    """Net benefit for 100 patients of everybody and of those at or above t*, against the harm of a
    treated patient; the band is of resampled patients and of the risk ratio.
    """
    event, averts = patients.event, 1.0 - stated.risk_ratio.value
    harms = tuple(start * averts for start in THRESHOLD_GRID)
    by_risk, bands = [], []
    for start, harm in zip(THRESHOLD_GRID, harms, strict=True):
        treated = at_or_above(patients.risk, start)
        averted = (1.0 - draws.ratios) * (draws.weights @ (treated * event))
        drawn = 100.0 * (averted - harm * (draws.weights @ treated))
        bands.append(np.quantile(drawn, [0.025, 0.975]))
        by_risk.append(100.0 * float((treated * (averts * event - harm)).mean()))
    return DecisionCurve(
        harm=harms,
        treat_all=tuple(100.0 * (averts * float(event.mean()) - harm) for harm in harms),
        by_risk=tuple(by_risk),
        low=tuple(float(band[0]) for band in bands),
        high=tuple(float(band[1]) for band in bands),
        harm_now=stated.harm,
    )


def _dose_curve(patients: TablePatients, ratio: float) -> DoseCurve:
    averted = (1.0 - ratio) * patients.event
    return DoseCurve(
        share=SHARES,
        by_risk=averted_by_share(patients.risk, averted),
        random=averted_by_share(np.zeros(len(averted)), averted),
    )


def _subgroups(
    patients: TablePatients, stated: StatedHarms, plan: TablePlan
) -> list[SubgroupValue]:
    """Each subgroup under the common threshold. One risk ratio for everybody, so that what differs
    is risk and how well it is told. Groups of fewer than 30 are left out.
    """
    treated, rng = at_or_above(patients.risk, stated.threshold), np.random.default_rng(plan.seed)
    averts, rows = 1.0 - stated.risk_ratio.value, []
    for column in patients.groups.columns:
        words = patients.groups[column]
        for word in sorted(words.unique()):
            members = (words == word).to_numpy()
            n = int(members.sum())
            if n < FEWEST_IN_SUBGROUP:
                continue
            event, given = patients.event[members], treated[members]
            value = given * (averts * event - stated.harm)
            draws = rng.multinomial(n, np.full(n, 1.0 / n), size=plan.n_resamples) / n @ value
            treated_events = float((given * event).sum())
            rows.append(
                SubgroupValue(
                    group=f"{column}: {word}",
                    n=n,
                    risk_per_100=100.0 * float(event.mean()),
                    treated_per_100=100.0 * float(given.mean()),
                    sensitivity=treated_events / float(event.sum()) if event.sum() > 0 else None,
                    ppv=treated_events / float(given.sum()) if given.sum() > 0 else None,
                    calibration_log_odds=(
                        log_odds_difference(event.mean(), patients.risk[members].mean())
                        if patients.has_outcome
                        else None
                    ),
                    net_benefit=percentile_estimate(100.0 * float(value.mean()), 100.0 * draws),
                )
            )
    return rows


def keep_known(patients: TablePatients, event: FloatArray) -> TablePatients:
    """The patients whose outcome is known, with it; ``event``: 1, 0, NaN not known, shape (n,)."""
    known = ~np.isnan(event)
    return replace(
        patients,
        risk=patients.risk[known],
        event=event[known],
        groups=patients.groups[known],
        has_outcome=True,
    )
