"""Patients before the first dose: what simulated ones look like, beside published figures and plausible ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from crsrisk.domain.baseline_check import BaselineFinding
from crsrisk.domain.world import World
from crsrisk.fields import field
from crsrisk.read.baseline_check import load_baseline_checks
from crsrisk.report.words import NOTICE, unit_in_words
from crsrisk.simulate.baseline_check import baseline_table, check_baseline

PATIENTS = 8000  # of each tumour type


def compare_baseline(world: World, *, n: int = PATIENTS, seed: int = 1) -> dict[str, Any]:
    """Measured baseline values by tumour type, and every check of them, ready for JSON.

    ``patients``: a row for each tumour type and value with quartiles; ``checks``: a row for each check and tumour type with
    the simulated statistic, its Monte Carlo error (one standard error), the range it must lie in, where that comes from
    (``range_kind``: of a published figure, or ``plausible``), and the verdict; ``summary``: verdicts counted for both.
    ``n`` patients a tumour type, 2000 or more.
    """
    found = check_baseline(load_baseline_checks(), world=world, n=n, seed=seed)
    return {
        "notice": NOTICE, "scenario": world.scenario.name, "n_patients": n, "seed": seed,
        "summary": {kind: dict(Counter(one.verdict for one in found if _is_published(one) == (kind == "published")))
                    for kind in ("published", "plausible")},
        "patients": baseline_table(world, n=n, seed=seed).to_dict("records"),
        "checks": [_row(one) for one in found],
    }


def _is_published(found: BaselineFinding) -> bool:
    return found.check.range_kind != "plausible"


def _row(found: BaselineFinding) -> dict[str, Any]:
    check = found.check
    return {"id": check.id, "population": found.population, "statistic": check.statistic, "of": check.of,
            "other": check.other, "threshold": check.threshold, "published": check.published, "low": check.low,
            "high": check.high, "range_kind": check.range_kind, "value": found.value, "mc_error": found.mc_error,
            "n": found.n, "verdict": found.verdict, "verified": check.is_verified, "citation": check.citation}


def print_baseline(found: Mapping[str, Any], *, console: Console | None = None) -> None:
    """Medians and quartiles as a table on the terminal, then what does not lie where it must, then the counts."""
    out = console or Console(width=max(Console().width, 130))
    rows = pd.DataFrame(found["patients"])
    table = Table(title="Simulated patients before the first dose: median (quartiles) as measured", title_justify="left")
    table.add_column("tumour type", overflow="fold")
    for name in dict.fromkeys(rows["covariate"]):
        of = field(name)
        unit = "" if of.unit == "1" else f", {unit_in_words(of.unit)}"
        table.add_column(f"{of.label}{unit}", justify="right", overflow="fold")
    for population, group in rows.groupby("population"):
        table.add_row(str(population).replace("_", " "), *(
            f"{row.median:.3g} ({row.lower_quartile:.3g} to {row.upper_quartile:.3g})" for row in group.itertuples()))
    out.print(table)
    for row in found["checks"]:
        if row["verdict"] != "inside":
            doubt = "" if row["verified"] else " [unverified]"
            out.print(f"{row['verdict']}: {row['id']} in {row['population']}, {row['value']:.3g} (Monte Carlo error "
                      f"{row['mc_error']:.1g}), {row['low']:g} to {row['high']:g} wanted{doubt}", markup=False)
    for kind, said in (("published", "the range of a published figure"), ("plausible", "a range judged plausible")):
        counts = found["summary"][kind]
        out.print(f"{counts.get('inside', 0)} of {sum(counts.values())} comparisons lie inside {said}")
    out.print("Plausible ranges were written when these patients existed: lying inside one is no evidence.")
    out.print(found["notice"])
