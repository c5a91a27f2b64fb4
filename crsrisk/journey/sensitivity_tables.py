"""Sensitivity tables: what a sensitivity experiment found, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from crsrisk.belief.factors import CHANCE
from crsrisk.belief.scenario_weights import CAVEAT, SETS
from crsrisk.report.generator_variance import NOT_RESOLVED, RULE, is_resolved

LEADERS = 3  # factors printed for each output


def print_sensitivity(found: dict[str, Any], *, console: Console | None = None) -> None:
    """The leading constants of each output, the variance by strength, and the support of the scenarios."""
    out = console or Console(width=max(Console().width, 130))
    tables, summary = found["tables"], found["summary"]
    of_chance = _shares_of_chance(tables["strengths"])
    out.print(_leading(tables["sobol"], tables["outputs"], of_chance))
    out.print(_by_strength(tables["strengths"], tables["outputs"], of_chance))
    out.print(f"{NOT_RESOLVED.capitalize()}: {RULE}")
    chance = summary["selection_by_chance_alone"]
    leading = ", ".join(f"{name} {100 * share:.0f}%" for name, share in summary["leading_feature_share_of_worlds"].items())
    out.print(f"Feature with the largest coefficient, share of worlds: {leading}.")
    out.print(f"Selection for prophylaxis ({summary['judged']}): with nothing but other patients to learn from, "
              f"{100 * chance['same_selection']:.0f}% of the selected stay the same "
              f"(SE {100 * chance['standard_error']:.1f}).")
    out.print(_scenarios(tables["scenario_weights"]))
    out.print(CAVEAT)
    out.print(summary["notice"])
    out.print(f"{summary['n_constants']} constants, {summary['n_factors']} factors: {found['results']}")


def _shares_of_chance(strengths: pd.DataFrame) -> dict[str, float]:
    """Chance's total share of the variance of each output."""
    rows = strengths[strengths["strength"] == CHANCE]
    return dict(zip(rows["output"], rows["with_others"], strict=True))


def _span(row: Mapping[Any, Any], name: str, *, chance: float | None) -> str:
    """A share with its interval. ``chance``: chance's total share of that output; None for a share of chance itself.

    >>> row = {"alone": 4.57, "alone_low": -1.3, "alone_high": 10.43, "total": 0.2, "total_low": 0.1, "total_high": 0.3}
    >>> _span(row, "alone", chance=0.1), _span(row, "total", chance=0.1), _span(row, "total", chance=0.9)
    ('not resolved', '0.20 (0.10 to 0.30)', 'not resolved')
    """
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return f"{value:.2f} ({low:.2f} to {high:.2f})" if is_resolved(low, high, chance=chance) else NOT_RESOLVED


def _leading(sobol: pd.DataFrame, outputs: pd.DataFrame, of_chance: Mapping[str, float]) -> Table:
    table = Table(title="What moves what users act on: Sobol indices (95% interval)", title_justify="left")
    for name in ("output", "over the priors: median (5th to 95th)", "constant", "strength", "alone", "with others"):
        table.add_column(name, overflow="fold")
    for line in outputs.to_dict("records"):
        rows = sobol[sobol["output"] == line["output"]].sort_values("total", ascending=False, kind="stable")
        for k, row in enumerate(rows.head(LEADERS).to_dict("records")):
            chance = None if row["factor"] == CHANCE else of_chance[line["output"]]
            spread = f"{line['median']:.2f} ({line['p05']:.2f} to {line['p95']:.2f})"
            table.add_row(line["meaning"] if k == 0 else "", spread if k == 0 else "", row["factor"], row["strength"],
                          _span(row, "first", chance=chance), _span(row, "total", chance=chance))
        table.add_section()
    return table


def _by_strength(strengths: pd.DataFrame, outputs: pd.DataFrame, of_chance: Mapping[str, float]) -> Table:
    table = Table(title="Share of the variance by strength of the constants (95% interval)", title_justify="left")
    for name in ("output", "strength", "constants", "alone", "with others"):
        table.add_column(name, overflow="fold")
    meaning = dict(zip(outputs["output"], outputs["meaning"], strict=True))
    for output, rows in strengths.groupby("output", sort=False):
        for k, row in enumerate(rows.to_dict("records")):
            count, chance = ("", None) if row["strength"] == CHANCE else (str(row["n_constants"]), of_chance[str(output)])
            table.add_row(meaning[str(output)] if k == 0 else "", row["strength"], count,
                          _span(row, "alone", chance=chance), _span(row, "with_others", chance=chance))
        table.add_section()
    return table


def _scenarios(weights: pd.DataFrame) -> Table:
    table = Table(title="Support of the scenarios by findings on risk factors", title_justify="left")
    for name in ("findings", "scenario", "Bayes factor (95% Monte Carlo)", "weight under equal odds (MC error)"):
        table.add_column(name, overflow="fold")
    for chosen, rows in weights.groupby("findings", sort=False):
        for k, row in enumerate(rows.to_dict("records")):
            table.add_row(SETS[str(chosen)] if k == 0 else "", row["scenario"],
                          f"{row['bayes_factor']:.3g} ({row['low']:.3g} to {row['high']:.3g})",
                          f"{row['weight']:.2f} ({row['weight_mc_error']:.2f})")
        table.add_section()
    return table
