"""Operating characteristics of a design: what its simulated trials add up to, what it does when an
assumption is wrong, and its power over a grid of assumptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.operating_characteristics import (
    ClaimCharacteristics,
    Look,
    Misspecification,
    OperatingCharacteristics,
    PowerCell,
)
from crsrisk.data.trial_plan import Design, Masking, PowerCurves, Screening, Sequential, Stated
from crsrisk.executor import each_done
from crsrisk.results import Estimate
from crsrisk.trials.candidates import (
    ASTCT,
    ROWS_LOG2,
    SUPPORT,
    Pool,
    eligible_rows,
    stated_pool,
    support_chance,
)
from crsrisk.trials.checks import FloatArray
from crsrisk.trials.enrolment import CONTROL, EXPERIMENTAL, Arms, rate_of
from crsrisk.trials.simulated_trials import (
    DAYS_PER_MONTH,
    SizedDesign,
    Trials,
    claim_pairs,
    mean_estimate,
    prepare,
    run_trials,
    screened_by,
    share_estimate,
    simulated_power,
)
from crsrisk.trials.single_arm import count_rule_oc

DRIFT = (0.05, 0.1, 0.15)  # by how much untreated patients may do better than the benchmark says


@dataclass(frozen=True)
class _Runs:
    """A design with how often, from which seed and on how many threads it is run."""

    sized: SizedDesign
    n_sim: int
    seed: int
    workers: int

    def trials(self, arms: Arms) -> Trials:
        """Its trials on these arms."""
        return run_trials(
            self.sized.size, arms, n_sim=self.n_sim, seed=self.seed, workers=self.workers
        )

    def claims(self, arms: Arms, *, both: bool) -> Estimate:
        """Share that claims benefit, by one endpoint or by both."""
        trials = run_trials(
            self.sized.size,
            arms,
            n_sim=self.n_sim,
            seed=self.seed,
            co_primary=both,
            workers=self.workers,
        )
        return share_estimate(trials.has_claim)


def operating_characteristics(
    sized: SizedDesign, *, n_sim: int, seed: int, workers: int = 1
) -> OperatingCharacteristics:
    """Run a design with the effect and without, and where an assumption is wrong.

    >>> from crsrisk.trials.candidates import stated_pool
    >>> from crsrisk.trials.simulated_trials import prepare
    >>> from crsrisk.data.trial_plan import Design, Masking, Stated
    >>> screening = Screening(candidates_per_month=10.0)
    >>> stated = Stated(risk="Beta(2,6)", risk_ratio=0.5)
    >>> pool = stated_pool(stated, screening=screening, masking=Masking())
    >>> design = Design(name="high risk", kind="enrichment", threshold=0.3)
    >>> sized = prepare(pool, design, screening=screening)
    >>> result = operating_characteristics(sized, n_sim=2000, seed=1)
    >>> result.n_max, 3.0 < result.screened_per_enrolled.value < 3.1
    (152, True)
    """
    runs = _Runs(sized, n_sim, seed, workers)
    size, design, screening = sized.size, sized.design, sized.screening
    arms = sized.arms("effect")
    effect, null = runs.trials(arms), runs.trials(sized.arms(sized.null))
    p_enters = arms.eligible_share * screening.eligible * screening.consent
    screened = screened_by(effect, p_enters=p_enters, at_look=size.at_look, seed=seed)
    months = screened / screening.candidates_per_month + screening.wait_d / DAYS_PER_MONTH
    is_single_arm = design.single_arm is not None
    return OperatingCharacteristics(
        design=design.name,
        kind=design.kind,
        n_sim=n_sim,
        n_max=size.n_max,
        co_primary_support=design.co_primary_support,
        margin=design.margin,
        eligible_share=arms.eligible_share * screening.eligible,
        benchmark=None if design.single_arm is None else design.single_arm.benchmark,
        rate_control=_untreated(arms, sized.pool) if is_single_arm else rate_of(arms, CONTROL),
        rate_experimental=rate_of(arms, EXPERIMENTAL),
        planned_power=size.planned_power,
        wanted_power=size.wanted_power,
        power=share_estimate(effect.has_claim),
        type_one_error=share_estimate(
            null.has_claim if size.claims is None else np.asarray(null.stands.any(axis=1))
        ),
        nominal_alpha=size.alpha,
        expected_n=mean_estimate(effect.n),
        expected_n_null=mean_estimate(null.n),
        screened=mean_estimate(screened),
        screened_per_enrolled=mean_estimate(screened / effect.n),
        duration_months=mean_estimate(months),
        waiting=mean_estimate(_waiting(effect, sized, p_enters)),
        exposed=mean_estimate(effect.exposed),
        exposed_without_need=mean_estimate(effect.needless),
        interaction_power=share_estimate(effect.has_interaction) if arms.n_strata > 1 else None,
        looks=_looks(sized, effect, null),
        misspecifications=_misspecifications(runs, arms),
        arms=() if size.claims is None else size.claims.arms,
        claims=_claims(sized, effect),
        multiplicity=None if size.claims is None else size.claims.multiplicity,
        is_futility_binding=_binding(sized),
    )


def _claims(sized: SizedDesign, effect: Trials) -> tuple[ClaimCharacteristics, ...]:
    planned = sized.size.claims
    if planned is None:
        return ()
    return tuple(
        ClaimCharacteristics(
            experimental=claim.experimental,
            comparator=claim.comparator,
            planned_power=claim.power,
            power=share_estimate(effect.stands[:, k]),
            by_endpoint=tuple(
                share_estimate(effect.shows[:, k, endpoint])
                for endpoint in range(effect.shows.shape[2])
            ),
        )
        for k, claim in enumerate(planned.claims)
    )


def _binding(sized: SizedDesign) -> bool | None:
    """Whether stops for futility are binding; None where there are none."""
    looks = sized.design.sequential
    if looks is None or not np.isfinite(sized.size.lower).any():
        return None
    return looks.binding


def _untreated(arms: Arms, pool: Pool) -> float:
    return float(pool.control[ASTCT][arms.eligible].mean())


def _waiting(trials: Trials, sized: SizedDesign, p_enters: float) -> FloatArray:
    """Patients who enter while a look waits for its outcomes, in trials that this look then
    stops.
    """
    per_wait = (
        sized.screening.candidates_per_month * p_enters * sized.screening.wait_d / DAYS_PER_MONTH
    )
    return np.minimum(per_wait, (sized.size.n_max - trials.n).astype(np.float64))


def _looks(sized: SizedDesign, effect: Trials, null: Trials) -> tuple[Look, ...]:
    size, rule = sized.size, sized.size.rule
    looks = []
    for k, n in enumerate(map(int, size.at_look)):
        look = Look(
            n=n,
            share=float(size.share[k]),
            benefit_effect=share_estimate(effect.has_claim & (effect.stop == k)),
            futility_effect=share_estimate(effect.is_futile & (effect.stop == k)),
            benefit_null=share_estimate(null.has_claim & (null.stop == k)),
            futility_null=share_estimate(null.is_futile & (null.stop == k)),
        )
        if rule is not None:
            look = replace(
                look,
                upper_count=int(rule.upper[k]) if rule.upper[k] <= n else None,
                lower_count=int(rule.lower[k]) if rule.lower[k] >= 0 else None,
            )
        elif size.region is None:
            lower = float(size.lower[k]) if np.isfinite(size.lower[k]) else None
            look = replace(look, upper_z=float(size.upper[k]), lower_z=lower)
        looks.append(look)
    return tuple(looks)


# --- when an assumption is wrong ---


def _misspecifications(runs: _Runs, arms: Arms) -> tuple[Misspecification, ...]:
    sized = runs.sized
    if sized.size.rule is not None:
        rows = _drifting_benchmark(sized, arms)
    elif sized.size.claims is not None:
        rows = _useless_drugs(runs, arms)
    else:
        rows = [*_other_endpoints(runs, arms), *_no_effect(runs)]
    if _is_noisy(sized.screening) and sized.design.kind in ("enrichment", "stratified", "strategy"):
        exact = replace(runs, sized=_without_noise(sized))
        rows.append(
            Misspecification(
                key="exact_score",
                truth="Effect as assumed, but the score known without error or gaps",
                claims=share_estimate(exact.trials(exact.sized.arms("effect")).has_claim),
                is_error=False,
            )
        )
    return tuple(rows)


def _drifting_benchmark(sized: SizedDesign, arms: Arms) -> list[Misspecification]:
    """A single arm has only history to compare with; exact, since it is the sharpest fact about
    it.
    """
    rule, single = sized.size.rule, sized.design.single_arm
    if rule is None or single is None:
        return []
    p0, in_candidates = single.benchmark, 1 - _untreated(arms, sized.pool)
    cases = [
        (
            "drift_0",
            f"No effect, {100 * p0:.0f} of 100 untreated without CRS, as the benchmark says",
            p0,
        )
    ]
    cases += [
        (
            f"drift_{100 * more:.0f}",
            f"No effect, but {100 * (p0 + more):.0f} of 100 untreated without CRS",
            p0 + more,
        )
        for more in DRIFT
        if p0 + more < 1
    ]
    cases.append(
        (
            "candidates",
            "No effect, untreated as in these candidates"
            f" ({100 * in_candidates:.1f} of 100 without CRS)",
            in_candidates,
        )
    )
    return [
        Misspecification(
            key=key,
            truth=truth,
            claims=Estimate(count_rule_oc(rule, p_success=p).p_claim, mc_error=0.0),
            is_error=True,
        )
        for key, truth, p in cases
    ]


def _useless_drugs(runs: _Runs, arms: Arms) -> list[Misspecification]:
    """Of several arms: how often any claim is false when one of them does no better than what a
    claim compares it with.
    """
    claims = runs.sized.size.claims
    if claims is None:
        return []
    pairs, rows = claim_pairs(runs.sized.size), []
    for experimental, comparator in pairs:
        chance = arms.chance.copy()
        chance[experimental] = chance[comparator]
        mean = chance[:, :, arms.eligible].mean(axis=2)
        if not runs.sized.design.co_primary_support:
            mean = mean[:, :1]
        is_false = [bool((mean[one] >= mean[other]).any()) for one, other in pairs]
        trials = runs.trials(replace(arms, chance=chance))
        names = claims.arms[experimental], claims.arms[comparator]
        rows.append(
            Misspecification(
                key=f"same_{names[0]}_{names[1]}",
                truth=f"{names[0]} does no better than {names[1]}: any claim that is then false",
                claims=share_estimate(np.asarray(trials.stands[:, is_false].any(axis=1))),
                is_error=True,
            )
        )
    return rows


def _other_endpoints(runs: _Runs, arms: Arms) -> list[Misspecification]:
    """With the effect as assumed: the ASTCT grade alone, support alone, and both."""
    sized = runs.sized
    if sized.size.region is not None and not (sized.design.co_primary_support or sized.hidden > 0):
        return []
    support = replace(arms, chance=np.ascontiguousarray(arms.chance[:, [SUPPORT, SUPPORT]]))
    cases = (
        ("astct_alone", "ASTCT grade as the only primary endpoint", arms, False),
        ("support_alone", "need of support as the only primary endpoint", support, False),
        ("both", "both must show it", arms, True),
    )
    return [
        Misspecification(
            key=key,
            truth=f"Effect as assumed, {endpoint}",
            claims=runs.claims(which, both=both),
            is_error=False,
        )
        for key, endpoint, which, both in cases
    ]


def _no_effect(runs: _Runs) -> list[Misspecification]:
    """Without any effect: a drug that only hides fever, or for non-inferiority one that does
    nothing.

    Hidden fever flatters the control of a trial of non-inferiority, so that no claim is false by
    it.
    """
    sized = runs.sized
    if sized.design.margin is not None:
        both = sized.design.co_primary_support
        claims = runs.claims(sized.arms("null"), both=both)
        return [Misspecification("no_assay", "Prophylaxis does nothing for anybody", claims, False)]
    if sized.hidden == 0:
        return []
    arms = sized.arms("hidden")
    share = f"{100 * sized.hidden:.0f} of 100 events hidden from the ASTCT grade"
    return [
        Misspecification(
            key=key,
            truth=f"No effect, but {share}: {endpoint}",
            claims=runs.claims(arms, both=both),
            is_error=True,
        )
        for key, endpoint, both in (
            ("hidden_astct", "ASTCT grade alone", False),
            ("hidden_both", "both must show it", True),
        )
    ]


def _is_noisy(screening: Screening) -> bool:
    return screening.score_noise_sd > 0 or screening.missing_labs > 0


def _without_noise(sized: SizedDesign) -> SizedDesign:
    exact = sized.screening.model_copy(update={"score_noise_sd": 0.0, "missing_labs": 0.0})
    return replace(sized, pool=replace(sized.pool, score=sized.pool.risk), screening=exact)


# --- power over a grid ---


def power_grid(
    curves: PowerCurves,
    *,
    stated: Stated | None,
    pool: Pool | None,
    screening: Screening,
    masking: Masking,
    seed: int,
    alpha: float,
    sequential: Sequential | None = None,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> list[PowerCell]:
    """Power for every risk ratio with every base rate and threshold, each cell simulated with its
    Monte Carlo error; threshold 0 is all-comers. Give ``stated`` candidates or a ``pool`` of
    patients.

    Stated: the spread of risk keeps its concentration and moves its mean to the base rate. A pool:
    patients with the event are drawn more or less often until the base rate is met, and the stated
    risk ratio replaces their own effect. Cells run side by side on ``workers`` threads, which
    changes no figure.
    """
    cells = list(product(curves.base_rate, curves.risk_ratio, curves.threshold))

    work = partial(
        _power_of,
        curves=curves,
        stated=stated,
        pool=pool,
        screening=screening,
        masking=masking,
        seed=seed,
        alpha=alpha,
        sequential=sequential,
    )

    def done(cell: tuple[float, float, float]) -> None:
        if advance is not None:
            advance(1)

    made = each_done(work, cells, workers=workers, done=done)
    return [cell for cell in made if cell is not None]


def _power_of(
    cell: tuple[float, float, float],
    *,
    curves: PowerCurves,
    stated: Stated | None,
    pool: Pool | None,
    screening: Screening,
    masking: Masking,
    seed: int,
    alpha: float,
    sequential: Sequential | None,
) -> PowerCell | None:
    """Power at a base rate, risk ratio and threshold."""
    rate, ratio, threshold = cell
    here = (
        stated_pool(stated, screening=screening, masking=masking, base_rate=rate, risk_ratio=ratio)
        if stated is not None
        else _moved(_given(pool), base_rate=rate, risk_ratio=ratio, masking=masking)
    )
    return _cell(here, curves, rate, ratio, threshold, screening, seed, alpha, sequential)


def _given(pool: Pool | None) -> Pool:
    if pool is None:
        raise ValueError("power_grid: give stated candidates or a pool")
    return pool


def _cell(
    pool: Pool,
    curves: PowerCurves,
    rate: float,
    ratio: float,
    threshold: float,
    screening: Screening,
    seed: int,
    alpha: float,
    sequential: Sequential | None,
) -> PowerCell | None:
    """One cell; None when nobody reaches its threshold."""
    reached = pool.score[~np.isnan(pool.score)]
    if threshold > float(pool.risk.max()) or threshold > reached.max(initial=0.0):
        return None
    design = Design(
        name="cell",
        kind="enrichment" if threshold > 0 else "all_comers",
        threshold=threshold or None,
        n_total=curves.n_total,
        sequential=sequential,
        co_primary_support=curves.co_primary_support,
    )
    share = eligible_rows(pool, screening, threshold=threshold or None).size / pool.score.size
    sized = prepare(pool, design, screening=screening, alpha=alpha, must_reach=False)
    power = simulated_power(sized, n_sim=curves.n_sim, seed=seed)
    return PowerCell(ratio, rate, threshold, curves.n_total, share, power)


def _moved(pool: Pool, *, base_rate: float, risk_ratio: float, masking: Masking) -> Pool:
    """The pool with another base rate and a stated risk ratio, by drawing patients with the event
    more or less often.
    """
    event = pool.control[ASTCT]
    weight = np.where(event > 0.5, base_rate / event.mean(), (1 - base_rate) / (1 - event.mean()))
    rows = _systematic(weight, n=2**ROWS_LOG2)
    treated = event[rows] * risk_ratio
    return replace(
        pool,
        risk=pool.risk[rows],
        score=pool.score[rows],
        control=pool.control[:, rows],
        treated=np.stack(
            [treated * (1 - masking.hidden), support_chance(treated, other=masking.other_support)]
        ),
        treated_unmasked=treated,
        takes=pool.takes[rows],
    )


def _systematic(weight: NDArray[np.float64], *, n: int) -> NDArray[np.int64]:
    """Rows in proportion to their weights, at even steps of the summed weights."""
    total = np.cumsum(weight)
    return np.asarray(np.searchsorted(total, (np.arange(n) + 0.5) / n * total[-1]), dtype=np.int64)
