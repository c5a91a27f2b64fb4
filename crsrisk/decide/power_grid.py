"""Power over a grid: every risk ratio with every base rate and threshold, each cell simulated with its Monte Carlo error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crsrisk.decide.candidates import ASTCT, ROWS_LOG2, Pool, eligible_rows, stated_pool, support_chance
from crsrisk.decide.trial import make_ready, simulated_power
from crsrisk.domain.operating_characteristics import Figure
from crsrisk.domain.trial import Design, Masking, PowerCurves, Screening, Sequential, Stated


@dataclass(frozen=True)
class Cell:
    """One cell: what is assumed, the share of candidates who are eligible, and the power with its error."""

    risk_ratio: float
    base_rate: float
    threshold: float
    n_total: int
    eligible_share: float
    power: Figure


def power_grid(
    curves: PowerCurves, *, stated: Stated | None, pool: Pool | None, screening: Screening, masking: Masking, seed: int,
    alpha: float, sequential: Sequential | None = None, workers: int = 1, advance: Callable[[int], None] | None = None,
) -> list[Cell]:
    """Simulate every cell; threshold 0 is all-comers. Give ``stated`` candidates or a ``pool`` of patients.

    Stated: the spread of risk keeps its concentration and moves its mean to the base rate. A pool: patients with the event
    are drawn more or less often until the base rate is met, and the stated risk ratio replaces their own effect. Cells run
    side by side on ``workers`` threads, which changes no figure.
    """
    cells = list(product(curves.base_rate, curves.risk_ratio, curves.threshold))

    def work(cell: tuple[float, float, float]) -> Cell | None:
        rate, ratio, threshold = cell
        here = (stated_pool(stated, screening=screening, masking=masking, base_rate=rate, risk_ratio=ratio)
                if stated is not None else _moved(_given(pool), base_rate=rate, risk_ratio=ratio, masking=masking))
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
    pool: Pool, curves: PowerCurves, rate: float, ratio: float, threshold: float, screening: Screening, seed: int,
    alpha: float, sequential: Sequential | None,
) -> Cell | None:
    """One cell; None when nobody reaches its threshold."""
    if threshold > float(pool.risk.max()) or threshold > float(np.nanmax(pool.score)):
        return None
    design = Design(name="cell", kind="enrichment" if threshold > 0 else "all_comers", threshold=threshold or None,
                    n_total=curves.n_total, sequential=sequential, co_primary_support=curves.co_primary_support)
    share = eligible_rows(pool, screening, threshold=threshold or None).size / pool.score.size
    ready = make_ready(pool, design, screening=screening, alpha=alpha, must_reach=False)
    power = simulated_power(ready, n_sim=curves.n_sim, seed=seed)
    return Cell(ratio, rate, threshold, curves.n_total, share, power)


def _moved(pool: Pool, *, base_rate: float, risk_ratio: float, masking: Masking) -> Pool:
    """The pool with another base rate and a stated risk ratio, by drawing patients with the event more or less often."""
    event = pool.control[ASTCT]
    weight = np.where(event > 0.5, base_rate / event.mean(), (1 - base_rate) / (1 - event.mean()))
    rows = _systematic(weight, n=2**ROWS_LOG2)
    treated = event[rows] * risk_ratio
    return replace(
        pool, risk=pool.risk[rows], score=pool.score[rows], control=pool.control[:, rows],
        treated=np.stack([treated * (1 - masking.hidden), support_chance(treated, other=masking.other_support)]),
        treated_unmasked=treated, takes=pool.takes[rows])


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
