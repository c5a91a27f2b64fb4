"""Published: every trial of the evidence simulated over its own window, under its own policy, and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan

import pandas as pd
from rich.console import Console
from rich.table import Table

from crsrisk.domain.product import Product
from crsrisk.domain.published import Comparison, Trial
from crsrisk.domain.world import World
from crsrisk.read.world import load_product
from crsrisk.simulate.evidence import compare, summarise
from crsrisk.simulate.trial import trial_simulator


def products_of(trials: Sequence[Trial], *, given: Sequence[Product] = ()) -> dict[str, Product]:
    """The products of some trials by name: those given, and for all other names those that ship."""
    own = {product.name: product for product in given}
    names = sorted({name for trial in trials for name in trial.products})
    return {name: own[name] if name in own else load_product(name) for name in names}


def compare_with_published(
    trials: Sequence[Trial], *, world: World, seed: int, n: int, n_rare: int, products: Sequence[Product] = (),
    workers: int = 1, advance: Callable[[int], None] | None = None,
) -> list[Comparison]:
    """Simulate each trial (``n`` patients, ``n_rare`` for checkpoint inhibitors) and set it beside what it published.

    Trials that differ in nothing the simulator knows share one simulation. ``products``: those that ship in no file.
    """
    by_name = products_of(trials, given=products)
    simulate = trial_simulator(by_name, world=world, n=n, n_rare=n_rare, seed=seed, workers=workers)

    def simulate_trial(trial: Trial) -> pd.DataFrame:
        table = simulate(trial)
        if advance is not None:
            advance(1)
        return table

    return compare(trials, simulate_trial=simulate_trial)


def _figure(value: float, unit: str) -> str:
    return "-" if isnan(value) else f"{100 * value:.1f}%" if unit == "1" else f"{value:.3g} {unit}"


def print_comparisons(rows: Sequence[Comparison]) -> None:
    """The comparison as a table on the terminal, then how many figures of each role agree."""
    table = Table(title="Simulated against published figures", title_justify="left")
    for name in ("figure", "trial", "what", "published (95% interval)", "simulated +- MC error", "role", "verdict"):
        table.add_column(name, overflow="fold", justify="right" if "(" in name or "+-" in name else "left")
    for row in rows:
        interval = "" if isnan(row.low) else f" ({_figure(row.low, row.unit)} to {_figure(row.high, row.unit)})"
        doubt = "" if row.verified else " unverified"
        table.add_row(row.id, row.trial, row.metric, _figure(row.published, row.unit) + interval + doubt,
                      f"{_figure(row.simulated, row.unit)} +- {_figure(row.mc_error, row.unit)}", row.role, row.verdict)
    console = Console(width=max(Console().width, 150))
    console.print(table)
    for role, found in summarise(rows)["by_role"].items():
        console.print(f"{role}: {found['n_agree']} of {found['n_judged']} judged figures agree "
                      f"({found['n_figures']} figures of {found['n_trials']} trials)")
