"""EvidenceRegister: how much of the published evidence speaks, and why the rest is silent, in counts and as a
table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from crsrisk.data.baseline_checks import BaselineFinding, load_baseline_checks
from crsrisk.data.credibility import load_credibility
from crsrisk.data.ensemble import (
    ensemble_folder,
    load_ensemble,
    load_ensemble_about,
    load_variance_shares,
)
from crsrisk.data.evidence_files import (
    REASONS,
    USES,
    EvidenceRegister,
    EvidenceStatus,
    load_evidence_register,
    load_trials,
)
from crsrisk.data.product import Product
from crsrisk.data.published_figures import counted_once
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.fields import field
from crsrisk.folders import evidence_only_products
from crsrisk.report.generator_card import generator_card
from crsrisk.simulation.baseline_comparison import baseline_table, check_baseline
from crsrisk.uncertainty.constants import (
    priors_digest,
    product_constants,
    quantity_of,
    shared_constants,
)
from crsrisk.uncertainty.posterior import moved_table, scores_of, verdict
from crsrisk.wording import NOTICE, unit_in_words

TABLES = {"published_rates": "published rates", "risk_factors": "risk factors and baselines"}


def roster_summary(roster: EvidenceRegister | None = None) -> dict[str, Any]:
    """Counts of the shipped roster (or the one handed in), ready for JSON.

    ``published_rates`` and ``risk_factors`` each hold ``rows``, ``unverified`` (recalled rows),
    ``by_use`` and ``reasons`` (of rows that are not usable); ``targets`` holds ``figures``,
    ``unverified``, ``sources`` and ``sources_counted_once``: how many are left when overlapping
    sources count once, by role and for both together.

    >>> summary = roster_summary()
    >>> summary["published_rates"]["rows"] == sum(summary["published_rates"]["by_use"].values())
    True
    """
    whole = load_evidence_register() if roster is None else roster
    trials = load_trials()
    targets = [row for row in whole.published_rates if row.use == "target"]
    roles = {
        "all": trials,
        **{
            role: [trial for trial in trials if trial.role == role]
            for role in ("calibration", "validation")
        },
    }
    return {
        "published_rates": _counts(whole.published_rates),
        "risk_factors": _counts(whole.risk_factors),
        "targets": {
            "figures": len(targets),
            "unverified": sum(row.unverified for row in targets),
            "sources": {role: len(group) for role, group in roles.items()},
            "sources_counted_once": {
                role: len(counted_once(group)) for role, group in roles.items()
            },
        },
    }


def _counts(rows: Sequence[EvidenceStatus]) -> dict[str, Any]:
    uses, reasons = (
        Counter(row.use for row in rows),
        Counter(row.reason for row in rows if row.reason),
    )
    return {
        "rows": len(rows),
        "unverified": sum(row.unverified for row in rows),
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
        table.add_row(
            str(group["rows"]),
            label,
            f"{group['unverified']} of them recalled, unverified",
            style="bold",
        )
        for use, meaning in USES.items():
            if number := group["by_use"].get(use):
                table.add_row(str(number), f"  {use.replace('_', ' ')}", meaning)
        for reason, meaning in REASONS.items():
            if number := group["reasons"].get(reason):
                table.add_row(str(number), f"    {reason.replace('_', ' ')}", meaning)
        table.add_section()
    out.print(table)
    targets = counts["targets"]
    out.print(
        f"{targets['figures']} figures ({targets['unverified']} unverified) of"
        f" {targets['sources']['all']} sources; overlapping sources counted once:"
        f" {targets['sources_counted_once']['all']}"
    )


# Patients before the first dose: what simulated ones look like, beside published figures and
# plausible ranges.


PATIENTS = 8000  # of each tumour type


def compare_baseline(world: World, *, n: int = PATIENTS, seed: int = 1) -> dict[str, Any]:
    """Measured baseline values by tumour type, and every check of them, ready for JSON.

    ``patients``: a row for each tumour type and value with quartiles; ``checks``: a row for each
    check and tumour type with the simulated statistic, its Monte Carlo error (one standard error),
    the range it must lie in, where that comes from (``range_kind``: of a published figure, or
    ``plausible``), and the verdict; ``summary``: verdicts counted for both. ``n`` patients a tumour
    type, 2000 or more.
    """
    found = check_baseline(load_baseline_checks(), world=world, n=n, seed=seed)
    return {
        "notice": NOTICE,
        "scenario": world.scenario.name,
        "n_patients": n,
        "seed": seed,
        "summary": {
            kind: dict(
                Counter(one.verdict for one in found if _is_published(one) == (kind == "published"))
            )
            for kind in ("published", "plausible")
        },
        "patients": baseline_table(world, n=n, seed=seed).to_dict("records"),
        "checks": [_row(one) for one in found],
    }


def _is_published(found: BaselineFinding) -> bool:
    return found.check.range_kind != "plausible"


def _row(found: BaselineFinding) -> dict[str, Any]:
    check = found.check
    return {
        "id": check.id,
        "population": found.population,
        "statistic": check.statistic,
        "of": check.of,
        "other": check.other,
        "threshold": check.threshold,
        "published": check.published,
        "low": check.low,
        "high": check.high,
        "range_kind": check.range_kind,
        "value": found.value,
        "mc_error": found.mc_error,
        "n": found.n,
        "verdict": found.verdict,
        "verified": check.is_verified,
        "citation": check.citation,
    }


def print_baseline(found: Mapping[str, Any], *, console: Console | None = None) -> None:
    """Medians and quartiles as a table on the terminal, then what does not lie where it must, then
    the counts.
    """
    out = console or Console(width=max(Console().width, 130))
    rows = pd.DataFrame(found["patients"])
    table = Table(
        title="Simulated patients before the first dose: median (quartiles) as measured",
        title_justify="left",
    )
    table.add_column("tumour type", overflow="fold")
    for name in dict.fromkeys(rows["covariate"]):
        of = field(name)
        unit = "" if of.unit == "1" else f", {unit_in_words(of.unit)}"
        table.add_column(f"{of.label}{unit}", justify="right", overflow="fold")
    for population, group in rows.groupby("population"):
        table.add_row(
            str(population).replace("_", " "),
            *(
                f"{row.median:.3g} ({row.lower_quartile:.3g} to {row.upper_quartile:.3g})"
                for row in group.itertuples()
            ),
        )
    out.print(table)
    for row in found["checks"]:
        if row["verdict"] != "inside":
            doubt = "" if row["verified"] else " [unverified]"
            out.print(
                f"{row['verdict']}: {row['id']} in {row['population']}, {row['value']:.3g} (Monte"
                f" Carlo error {row['mc_error']:.1g}), {row['low']:g} to {row['high']:g}"
                f" wanted{doubt}",
                markup=False,
            )
    for kind, said in (
        ("published", "the range of a published figure"),
        ("plausible", "a range judged plausible"),
    ):
        counts = found["summary"][kind]
        out.print(
            f"{counts.get('inside', 0)} of {sum(counts.values())} comparisons lie inside {said}"
        )
    out.print(
        "Plausible ranges were written when these patients existed: lying inside one is no"
        " evidence."
    )
    out.print(found["notice"])


# Card: everything that the generator card is made of, brought together from the files.


def make_card(
    world: World | None = None, *, products: Iterable[Product] = (), ensemble: Path | None = None
) -> dict[str, Any]:
    """The card of a world (without one: the reference), JSON-ready.

    ``products`` of one's own come beside those that ship (one of the same name replaces it);
    ``ensemble`` is the folder of another ensemble than the one that ships.
    """
    shipped = {**all_products(), **{name: load_product(name) for name in evidence_only_products()}}
    reference = load_world()
    return generator_card(
        world or reference,
        products=list({**shipped, **{one.name: one for one in products}}.values()),
        credibility=load_credibility(),
        sensitivity=load_variance_shares(ensemble),
        ensemble=load_ensemble_about(ensemble),
        evidence=evidence_of(ensemble, world=reference, products=shipped),
    )


def evidence_of(
    folder: Path | None, *, world: World, products: Mapping[str, Product]
) -> dict[str, Any] | None:
    """What the evidence did to each constant of the ensemble in a folder, most constrained first,
    under the priors of ``world`` and ``products``; None when there are no members, or when they
    were drawn from other priors.

    Keys: `n_members`, `effective_size`, `n_targets` (published figures) and `constants`, of each
    the row of :func:`crsrisk.uncertainty.posterior.moved_table` (`most_probable`: the value in use)
    with `unit`, `strength` and `evidence`, the verdict in a word.
    """
    about = load_ensemble_about(folder)
    if about is None or not ((folder or ensemble_folder()) / "members.csv").is_file():
        return None
    members = load_ensemble(folder)
    own = [constant for product in products.values() for constant in product_constants(product)]
    known = {one.key: one for one in [*shared_constants(world), *own]}
    constants = [known[key] for key in members.keys if key in known]
    if len(constants) < len(members.keys) or priors_digest(constants) != members.assumptions:
        return None
    stated = {one.key: quantity_of(one.key, world=world, products=products) for one in constants}
    scores = np.column_stack(
        [scores_of(one, members.values[:, k]) for k, one in enumerate(constants)]
    )
    in_use = np.array([float(one.score(stated[one.key].value)) for one in constants])
    rows = moved_table(constants, scores, members.weights, in_use).to_dict("records")
    return {
        "n_members": len(members),
        "effective_size": members.effective_size,
        "n_targets": len(about.targets),
        "constants": [
            {
                **row,
                "unit": stated[row["constant"]].unit,
                "strength": stated[row["constant"]].strength,
                "evidence": verdict(shift=row["shift_prior_sd"], left=row["left_of_prior_sd"]),
            }
            for row in rows
        ],
    }
