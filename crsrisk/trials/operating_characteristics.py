"""Characteristics: what the simulated trials of a design add up to, and what it does when an
assumption is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.operating_characteristics import (
    Figure,
    Look,
    Misspecification,
    OperatingCharacteristics,
)
from crsrisk.data.trial_plan import Design, Masking, PowerCurves, Screening, Sequential, Stated
from crsrisk.trials.candidates import (
    ASTCT,
    ROWS_LOG2,
    SUPPORT,
    Pool,
    eligible_rows,
    stated_pool,
    support_chance,
)
from crsrisk.trials.enrolment import CONTROL, EXPERIMENTAL, Arms, rate_of
from crsrisk.trials.simulated_trials import (
    DAYS_PER_MONTH,
    SizedDesign,
    Trials,
    mean_figure,
    prepare,
    run_trials,
    screened_by,
    share_figure,
    simulated_power,
)
from crsrisk.trials.single_arm import count_rule_oc

DRIFT = (0.05, 0.1, 0.15)  # by how much untreated patients may do better than the benchmark says


def operating_characteristics(
    ready: SizedDesign, *, n_sim: int, seed: int, workers: int = 1
) -> OperatingCharacteristics:
    """Run a design with the effect and without, and the worlds in which an assumption is wrong.

    >>> from crsrisk.trials.candidates import stated_pool
    >>> from crsrisk.trials.simulated_trials import prepare
    >>> from crsrisk.data.trial_plan import Design, Masking, Stated
    >>> screening = Screening(candidates_per_month=10.0)
    >>> pool = stated_pool(Stated(risk="Beta(2,6)", risk_ratio=0.5), screening=screening, masking=Masking())
    >>> ready = prepare(pool, Design(name="high risk", kind="enrichment", threshold=0.3), screening=screening)
    >>> found = operating_characteristics(ready, n_sim=2000, seed=1)
    >>> found.n_max, 3.0 < found.screened_per_enrolled.value < 3.1
    (152, True)
    """
    sized, design, screening = ready.sized, ready.design, ready.screening
    arms = ready.arms("effect")
    effect = run_trials(sized, arms, n_sim=n_sim, seed=seed, workers=workers)
    null = run_trials(sized, ready.arms(ready.null_world), n_sim=n_sim, seed=seed, workers=workers)
    p_enters = arms.eligible_share * screening.consent
    screened = screened_by(effect, p_enters=p_enters, at_look=sized.at_look, seed=seed)
    months = screened / screening.candidates_per_month + screening.wait_d / DAYS_PER_MONTH
    return OperatingCharacteristics(
        design=design.name,
        kind=design.kind,
        n_sim=n_sim,
        n_max=sized.n_max,
        co_primary_support=design.co_primary_support,
        margin=design.margin,
        eligible_share=arms.eligible_share,
        benchmark=None if design.single_arm is None else design.single_arm.benchmark,
        rate_control=(
            _untreated(arms, ready.pool) if design.kind == "single_arm" else rate_of(arms, CONTROL)
        ),
        rate_experimental=rate_of(arms, EXPERIMENTAL),
        planned_power=sized.planned_power,
        wanted_power=sized.wanted_power,
        power=share_figure(effect.has_claim),
        type_one_error=share_figure(null.has_claim),
        nominal_alpha=sized.alpha,
        expected_n=mean_figure(effect.n),
        expected_n_null=mean_figure(null.n),
        screened=mean_figure(screened),
        screened_per_enrolled=mean_figure(screened / effect.n),
        duration_months=mean_figure(months),
        waiting=mean_figure(_waiting(effect, ready, p_enters)),
        exposed=mean_figure(effect.exposed),
        exposed_without_need=mean_figure(effect.needless),
        interaction_power=share_figure(effect.has_interaction) if arms.n_strata > 1 else None,
        looks=_looks(ready, effect, null),
        misspecifications=_misspecifications(ready, arms, n_sim=n_sim, seed=seed, workers=workers),
    )


def _untreated(arms: Arms, pool: Pool) -> float:
    return float(pool.control[ASTCT][arms.eligible].mean())


def _waiting(
    trials: Trials, ready: SizedDesign, p_enters: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Patients who enter while a look waits for its outcomes, in trials that this look then
    stops.
    """
    per_wait = (
        ready.screening.candidates_per_month * p_enters * ready.screening.wait_d / DAYS_PER_MONTH
    )
    return np.minimum(per_wait, (ready.sized.n_max - trials.n).astype(np.float64))


def _looks(ready: SizedDesign, effect: Trials, null: Trials) -> list[Look]:
    sized, rule = ready.sized, ready.sized.rule
    looks = []
    for k, n in enumerate(map(int, sized.at_look)):
        shares = {
            f"{name}_{world}": share_figure(flags & (trials.stop == k))
            for world, trials in (("effect", effect), ("null", null))
            for name, flags in (("benefit", trials.has_claim), ("futility", trials.is_futile))
        }
        bounds: dict[str, float | int | None] = {}
        if rule is not None:
            bounds["upper_count"] = int(rule.upper[k]) if rule.upper[k] <= n else None
            bounds["lower_count"] = int(rule.lower[k]) if rule.lower[k] >= 0 else None
        elif sized.region is None:
            bounds["upper_z"] = float(sized.upper[k])
            bounds["lower_z"] = float(sized.lower[k]) if np.isfinite(sized.lower[k]) else None
        looks.append(
            Look.model_validate({"n": n, "share": float(sized.share[k]), **bounds, **shares})
        )
    return looks


# --- when an assumption is wrong ---


def _misspecifications(
    ready: SizedDesign, arms: Arms, *, n_sim: int, seed: int, workers: int
) -> list[Misspecification]:
    rows = []
    if ready.sized.rule is not None:
        rows += _drifting_benchmark(ready, arms)
    else:
        rows += _hidden_fever(ready, arms, n_sim=n_sim, seed=seed, workers=workers)
    if _is_noisy(ready.screening) and ready.design.kind in ("enrichment", "stratified", "strategy"):
        exact = _without_noise(ready)
        claims = share_figure(
            run_trials(
                exact.sized, exact.arms("effect"), n_sim=n_sim, seed=seed, workers=workers
            ).has_claim
        )
        rows.append(
            Misspecification(
                key="exact_score",
                what="Effect as assumed, but the score known without error or gaps",
                claims=claims,
                is_error=False,
            )
        )
    return rows


def _drifting_benchmark(ready: SizedDesign, arms: Arms) -> list[Misspecification]:
    """A single arm has only history to compare with; exact, since it is the sharpest fact about
    it.
    """
    rule, single = ready.sized.rule, ready.design.single_arm
    if rule is None or single is None:
        return []
    p0, own = single.benchmark, 1 - _untreated(arms, ready.pool)
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
            "own",
            f"No effect, untreated as in these candidates ({100 * own:.1f} of 100 without CRS)",
            own,
        )
    )
    return [
        Misspecification(
            key=key,
            what=what,
            is_error=True,
            claims=Figure(value=count_rule_oc(rule, p_success=p).p_claim, mcse=0.0),
        )
        for key, what, p in cases
    ]


def _hidden_fever(
    ready: SizedDesign, arms: Arms, *, n_sim: int, seed: int, workers: int
) -> list[Misspecification]:
    """The ASTCT grade alone, support alone, and both, with the effect; and hiding without any
    effect.
    """

    def claims(which: Arms, *, both: bool) -> Figure:
        return share_figure(
            run_trials(
                ready.sized, which, n_sim=n_sim, seed=seed, co_primary=both, workers=workers
            ).has_claim
        )

    rows = []
    if ready.sized.region is None or ready.design.co_primary_support or ready.hidden > 0:
        support = replace(arms, chance=np.ascontiguousarray(arms.chance[:, [SUPPORT, SUPPORT]]))
        rows = [
            (
                "astct_alone",
                "Effect as assumed, ASTCT grade as the only primary endpoint",
                claims(arms, both=False),
                False,
            ),
            (
                "support_alone",
                "Effect as assumed, need of support as the only primary endpoint",
                claims(support, both=False),
                False,
            ),
            ("both", "Effect as assumed, both must show it", claims(arms, both=True), False),
        ]
    # hidden fever flatters the control here, so that no claim is false by it
    if ready.design.margin is not None:
        rows.append(
            (
                "no_assay",
                "Prophylaxis does nothing for anybody",
                claims(ready.arms("null"), both=ready.design.co_primary_support),
                False,
            )
        )
    elif ready.hidden > 0:
        hidden, share = (
            ready.arms("hidden"),
            f"{100 * ready.hidden:.0f} of 100 events hidden from the ASTCT grade",
        )
        rows += [
            (
                "hidden_astct",
                f"No effect, but {share}: ASTCT grade alone",
                claims(hidden, both=False),
                True,
            ),
            (
                "hidden_both",
                f"No effect, but {share}: both must show it",
                claims(hidden, both=True),
                True,
            ),
        ]
    return [
        Misspecification(key=key, what=what, claims=figure, is_error=is_error)
        for key, what, figure, is_error in rows
    ]


def _is_noisy(screening: Screening) -> bool:
    return screening.score_noise_sd > 0 or screening.missing_labs > 0


def _without_noise(ready: SizedDesign) -> SizedDesign:
    exact = ready.screening.model_copy(update={"score_noise_sd": 0.0, "missing_labs": 0.0})
    return replace(ready, pool=replace(ready.pool, score=ready.pool.risk), screening=exact)


# Power over a grid: every risk ratio with every base rate and threshold, each cell simulated with
# its Monte Carlo error.


@dataclass(frozen=True)
class Cell:
    """One cell: what is assumed, the share of candidates who are eligible, and the power with its
    error.
    """

    risk_ratio: float
    base_rate: float
    threshold: float
    n_total: int
    eligible_share: float
    power: Figure


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
) -> list[Cell]:
    """Simulate every cell; threshold 0 is all-comers. Give ``stated`` candidates or a ``pool`` of
    patients.

    Stated: the spread of risk keeps its concentration and moves its mean to the base rate. A pool:
    patients with the event are drawn more or less often until the base rate is met, and the stated
    risk ratio replaces their own effect. Cells run side by side on ``workers`` threads, which
    changes no figure.
    """
    cells = list(product(curves.base_rate, curves.risk_ratio, curves.threshold))

    def work(cell: tuple[float, float, float]) -> Cell | None:
        rate, ratio, threshold = cell
        here = (
            stated_pool(
                stated, screening=screening, masking=masking, base_rate=rate, risk_ratio=ratio
            )
            if stated is not None
            else _moved(_given(pool), base_rate=rate, risk_ratio=ratio, masking=masking)
        )
        found = _cell(here, curves, rate, ratio, threshold, screening, seed, alpha, sequential)
        if advance is not None:
            advance(1)
        return found

    with ThreadPoolExecutor(max_workers=workers) as threads:
        return [one for one in threads.map(work, cells) if one is not None]


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
) -> Cell | None:
    """One cell; None when nobody reaches its threshold."""
    if threshold > float(pool.risk.max()) or threshold > float(np.nanmax(pool.score)):
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
    ready = prepare(pool, design, screening=screening, alpha=alpha, must_reach=False)
    power = simulated_power(ready, n_sim=curves.n_sim, seed=seed)
    return Cell(ratio, rate, threshold, curves.n_total, share, power)


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


def curves_by(cells: Iterable[Cell]) -> dict[tuple[float, float], list[Cell]]:
    """Cells as curves over the risk ratio, by (base rate, threshold)."""
    curves: dict[tuple[float, float], list[Cell]] = {}
    for cell in cells:
        curves.setdefault((cell.base_rate, cell.threshold), []).append(cell)
    return curves
