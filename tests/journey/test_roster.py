"""The summary of the roster counts every row, and what is printed says the same."""

from __future__ import annotations

import json

from rich.console import Console

from crsrisk.journey.roster import print_roster, roster_summary
from crsrisk.read.published import load_trials
from crsrisk.read.roster import load_roster


def test_the_summary_counts_every_row() -> None:
    summary, roster = roster_summary(), load_roster()
    json.dumps(summary, allow_nan=False)
    for name, rows in (("published_rates", roster.published_rates), ("risk_factors", roster.risk_factors)):
        counts = summary[name]
        assert counts["rows"] == sum(counts["by_use"].values()) == len(rows)
        assert counts["by_use"]["not_usable"] == sum(counts["reasons"].values())
        assert counts["unverified"] == sum(row.unverified for row in rows)
    trials = load_trials()
    assert summary["targets"]["figures"] == sum(len(trial.rows) for trial in trials)
    assert summary["targets"]["unverified"] == sum(not row.verified for trial in trials for row in trial.rows)
    assert summary["targets"]["sources"]["all"] == len(trials)
    for role in ("all", "calibration", "validation"):
        assert 0 < summary["targets"]["sources_counted_once"][role] < summary["targets"]["sources"][role]


def test_what_is_printed() -> None:
    summary, out = roster_summary(), Console(record=True, width=120)
    print_roster(summary, console=out)
    shown = out.export_text()
    for name in ("published_rates", "risk_factors"):
        assert f"{summary[name]['unverified']} of them recalled, unverified" in shown
    assert "patients with blood cancers" in shown
    assert f"{summary['targets']['figures']} figures" in shown
