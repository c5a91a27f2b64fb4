"""Sensitivity tables: what a sensitivity experiment found, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from crsrisk.belief.factors import CHANCE
from crsrisk.belief.scenario_weights import CAVEAT, SETS

LEADERS = 3  # factors printed for each output


def print_sensitivity(found: dict[str, Any], *, console: Console | None = None) -> None:
    """The leading constants of each output, the variance by strength, and the support of the scenarios."""
    out = console or Console(width=max(Console().width, 130))
    tables, summary = found["tables"], found["summary"]
    out.print(_leading(tables["sobol"], tables["outputs"]))
    out.print(_by_strength(tables["strengths"], tables["outputs"]))
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


def _span(row: Mapping[Any, Any], name: str) -> str:
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def _leading(sobol: pd.DataFrame, outputs: pd.DataFrame) -> Table:
    table = Table(title="What moves what users act on: Sobol indices (95% interval)", title_justify="left")
    for name in ("output", "over the priors: median (5th to 95th)", "constant", "strength", "alone", "with others"):
        table.add_column(name, overflow="fold")
    for line in outputs.to_dict("records"):
        rows = sobol[sobol["output"] == line["output"]].sort_values("total", ascending=False, kind="stable")
        for k, row in enumerate(rows.head(LEADERS).to_dict("records")):
            spread = f"{line['median']:.2f} ({line['p05']:.2f} to {line['p95']:.2f})"
            table.add_row(line["meaning"] if k == 0 else "", spread if k == 0 else "", row["factor"], row["strength"],
                          _span(row, "first"), _span(row, "total"))
        table.add_section()
    return table


def _by_strength(strengths: pd.DataFrame, outputs: pd.DataFrame) -> Table:
    table = Table(title="Share of the variance by strength of the constants (95% interval)", title_justify="left")
    for name in ("output", "strength", "constants", "alone", "with others"):
        table.add_column(name, overflow="fold")
    meaning = dict(zip(outputs["output"], outputs["meaning"], strict=True))
    for output, rows in strengths.groupby("output", sort=False):
        for k, row in enumerate(rows.to_dict("records")):
            count = "" if row["strength"] == CHANCE else str(row["n_constants"])
            table.add_row(meaning[str(output)] if k == 0 else "", row["strength"], count, _span(row, "alone"),
                          _span(row, "with_others"))
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
