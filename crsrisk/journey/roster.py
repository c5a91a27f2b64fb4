"""Roster: how much of the published evidence speaks, and why the rest is silent, in counts and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from crsrisk.domain.published import counted_once
from crsrisk.domain.roster import REASONS, USES, Fate, Roster
from crsrisk.read.published import load_trials
from crsrisk.read.roster import load_roster

TABLES = {"published_rates": "published rates", "risk_factors": "risk factors and baselines"}


def roster_summary(roster: Roster | None = None) -> dict[str, Any]:
    """Counts of the shipped roster (or the one handed in), ready for JSON.

    ``published_rates`` and ``risk_factors`` each hold ``rows``, ``unverified`` (recalled rows), ``by_use`` and ``reasons``
    (of rows that are not usable); ``targets`` holds ``figures``, ``unverified``, ``sources`` and
    ``sources_counted_once``: how many are left when overlapping sources count once, by role and for both together.

    >>> summary = roster_summary()
    >>> summary["published_rates"]["rows"] == sum(summary["published_rates"]["by_use"].values())
    True
    """
    whole = load_roster() if roster is None else roster
    trials = load_trials()
    targets = [row for row in whole.published_rates if row.use == "target"]
    roles = {"all": trials, **{role: [trial for trial in trials if trial.role == role]
                               for role in ("calibration", "validation")}}
    return {
        "published_rates": _counts(whole.published_rates),
        "risk_factors": _counts(whole.risk_factors),
        "targets": {
            "figures": len(targets), "unverified": sum(row.unverified for row in targets),
            "sources": {role: len(group) for role, group in roles.items()},
            "sources_counted_once": {role: len(counted_once(group)) for role, group in roles.items()},
        },
    }


def _counts(rows: Sequence[Fate]) -> dict[str, Any]:
    uses, reasons = Counter(row.use for row in rows), Counter(row.reason for row in rows if row.reason)
    return {
        "rows": len(rows), "unverified": sum(row.unverified for row in rows),
        "by_use": {use: uses[use] for use in USES if uses[use]},
        "reasons": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
    }


def print_roster(summary: dict[str, Any] | None = None, *, console: Console | None = None) -> None:
    """The summary as a table on the terminal: each use and each reason with its number of rows."""
    counts = roster_summary() if summary is None else summary
    out = console or Console()
    table = Table(title="What became of the published evidence", title_justify="left")
    table.add_column("rows", justify="right")
    table.add_column("use")
    table.add_column("what that means", overflow="fold")
    for name, label in TABLES.items():
        group = counts[name]
        table.add_row(str(group["rows"]), label, f"{group['unverified']} of them recalled, unverified", style="bold")
        for use, meaning in USES.items():
            if number := group["by_use"].get(use):
                table.add_row(str(number), f"  {use.replace('_', ' ')}", meaning)
        for reason, meaning in REASONS.items():
            if number := group["reasons"].get(reason):
                table.add_row(str(number), f"    {reason.replace('_', ' ')}", meaning)
        table.add_section()
    out.print(table)
    targets = counts["targets"]
    out.print(f"{targets['figures']} figures ({targets['unverified']} unverified) of {targets['sources']['all']} sources; "
              f"overlapping sources counted once: {targets['sources_counted_once']['all']}")
