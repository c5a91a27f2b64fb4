"""What speaks for the generator: its card, the status of every row of evidence, baseline patients.

:func:`make_card` brings together everything that the generator card is made of.
:func:`count_evidence` says how much of the published evidence speaks, and why the rest is silent.
:func:`compare_baseline` sets patients before the first dose beside published figures and plausible
ranges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from rich.console import Console

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
    Reason,
    Use,
    load_evidence_register,
    load_trials,
)
from crsrisk.data.product import Product
from crsrisk.data.published_figures import counted_once
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.fields import field
from crsrisk.folders import evidence_only_products
from crsrisk.report.generator_card import GeneratorCard, generator_card
from crsrisk.report.generator_facts import ConstantEvidence, EnsembleEvidence
from crsrisk.results import Result
from crsrisk.simulation.evidence import BaselineQuartiles, baseline_table, check_baseline
from crsrisk.studies.evidence import ROLES
from crsrisk.terminal import console_of, text_table
from crsrisk.uncertainty.constants import (
    priors_digest,
    product_constants,
    quantity_of,
    shared_constants,
)
from crsrisk.uncertainty.posterior import constant_updates, scores_of
from crsrisk.wording import NOTICE, unit_in_words

PATIENTS = 8000  # of each tumour type, before the first dose


def make_card(
    world: World | None = None, *, products: Iterable[Product] = (), ensemble: Path | None = None
) -> GeneratorCard:
    """The card of a world (without one: the reference).

    ``products`` of your own come beside those that ship (one of the same name replaces it);
    ``ensemble`` is the folder of another ensemble than the one that ships.
    """
    shipped = {**all_products(), **{name: load_product(name) for name in evidence_only_products()}}
    reference = load_world()
    return generator_card(
        world or reference,
        products=list({**shipped, **{product.name: product for product in products}}.values()),
        credibility=load_credibility(),
        sensitivity=load_variance_shares(ensemble),
        ensemble=load_ensemble_about(ensemble),
        evidence=evidence_of(ensemble, world=reference, products=shipped),
    )


def evidence_of(
    folder: Path | None, *, world: World, products: Mapping[str, Product]
) -> EnsembleEvidence | None:
    """What the evidence did to each constant of the ensemble in a folder, most constrained first,
    under the priors of ``world`` and ``products``; None when there are no members, or when they
    were drawn from other priors.
    """
    about = load_ensemble_about(folder)
    if about is None or not ((folder or ensemble_folder()) / "members.csv").is_file():
        return None
    members = load_ensemble(folder)
    of_products = [part for product in products.values() for part in product_constants(product)]
    known = {constant.key: constant for constant in [*shared_constants(world), *of_products]}
    constants = [known[key] for key in members.keys if key in known]
    if len(constants) < len(members.keys) or priors_digest(constants) != members.assumptions:
        return None
    stated = {key: quantity_of(key, world=world, products=products) for key in members.keys}
    scores = np.column_stack(
        [scores_of(constant, members.values[:, k]) for k, constant in enumerate(constants)]
    )
    in_use = np.array([float(constant.score(stated[constant.key].value)) for constant in constants])
    return EnsembleEvidence(
        n_members=len(members),
        effective_size=members.effective_size,
        n_targets=len(about.targets),
        constants=tuple(
            ConstantEvidence(update, stated[update.constant].unit, stated[update.constant].strength)
            for update in constant_updates(constants, scores, members.weights, in_use)
        ),
    )


@dataclass(frozen=True)
class StatusCounts:
    """Rows of one table of evidence by use, and by reason where they are not usable.

    ``unverified`` are recalled rows.
    """

    rows: int
    unverified: int
    by_use: Mapping[Use, int]
    reasons: Mapping[Reason, int]


@dataclass(frozen=True)
class RoleCounts:
    """Sources of all roles together and of each."""

    all: int
    calibration: int
    validation: int


@dataclass(frozen=True)
class TargetCounts:
    """Figures that are reproduced, and their sources: all, and with overlapping ones once."""

    figures: int
    unverified: int
    sources: RoleCounts
    sources_counted_once: RoleCounts


@dataclass(frozen=True, repr=False)
class EvidenceCounts(Result):
    """What became of the published evidence, in counts."""

    published_rates: StatusCounts
    risk_factors: StatusCounts
    targets: TargetCounts

    def summary(self) -> str:
        """Figures, sources and how many are left when overlapping ones count once."""
        targets = self.targets
        return (
            f"{targets.figures} figures ({targets.unverified} unverified) of"
            f" {targets.sources.all} sources; overlapping sources counted once:"
            f" {targets.sources_counted_once.all}"
        )


def count_evidence(register: EvidenceRegister | None = None) -> EvidenceCounts:
    """Counts of the register that ships, or of the one handed in.

    >>> counts = count_evidence().published_rates
    >>> counts.rows == sum(counts.by_use.values())
    True
    """
    whole = load_evidence_register() if register is None else register
    trials = load_trials()
    by_role = [trials, *([trial for trial in trials if trial.role == role] for role in ROLES)]
    targets = [row for row in whole.published_rates if row.use == "target"]
    return EvidenceCounts(
        published_rates=_counts(whole.published_rates),
        risk_factors=_counts(whole.risk_factors),
        targets=TargetCounts(
            figures=len(targets),
            unverified=sum(row.unverified for row in targets),
            sources=RoleCounts(*map(len, by_role)),
            sources_counted_once=RoleCounts(*(len(counted_once(group)) for group in by_role)),
        ),
    )


def _counts(rows: Sequence[EvidenceStatus]) -> StatusCounts:
    uses = Counter(row.use for row in rows)
    reasons = Counter(row.reason for row in rows if row.reason)
    return StatusCounts(
        rows=len(rows),
        unverified=sum(row.unverified for row in rows),
        by_use={use: uses[use] for use in USES if uses[use]},
        reasons={reason: reasons[reason] for reason in REASONS if reasons[reason]},
    )


def print_evidence_counts(
    counts: EvidenceCounts | None = None, *, console: Console | None = None
) -> None:
    """The counts as a table on the terminal: each use and each reason with its number of rows."""
    made = count_evidence() if counts is None else counts
    rows: list[tuple[str, str, str]] = []
    strong, breaks = [], []
    for label, group in (
        ("published rates", made.published_rates),
        ("risk factors and baselines", made.risk_factors),
    ):
        strong.append(len(rows))
        rows.append((str(group.rows), label, f"{group.unverified} of them recalled, unverified"))
        rows += [
            (str(number), f"  {use.replace('_', ' ')}", USES[use])
            for use, number in group.by_use.items()
        ]
        rows += [
            (str(number), f"    {reason.replace('_', ' ')}", REASONS[reason])
            for reason, number in group.reasons.items()
        ]
        breaks.append(len(rows) - 1)
    out = console or Console()
    table = text_table(
        "What became of the published evidence",
        ("rows", "use", "what that means"),
        rows,
        right=["rows"],
        strong=strong,
        breaks=breaks,
    )
    table.print(out)
    out.print(made.summary())


Kind = Literal["published", "plausible"]


@dataclass(frozen=True)
class BaselineRow:
    """A check of baseline patients in one tumour type: what was wanted, what is simulated.

    ``range_kind`` says where the range ``low`` to ``high`` comes from: a published figure, or
    ``plausible``. ``mc_error`` is one standard error.
    """

    id: str
    population: str
    statistic: str
    of: str
    other: str | None
    threshold: float | None
    published: float | None
    low: float
    high: float
    range_kind: str
    value: float
    mc_error: float
    n: int
    verdict: str
    verified: bool
    citation: str

    @property
    def kind(self) -> Kind:
        """Whether the range is of a published figure."""
        return "plausible" if self.range_kind == "plausible" else "published"

    @property
    def sentence(self) -> str:
        """One line for people; what is not verified is said."""
        doubt = "" if self.verified else " [unverified]"
        return (
            f"{self.verdict}: {self.id} in {self.population}, {self.value:.3g} (Monte Carlo error"
            f" {self.mc_error:.1g}), {self.low:g} to {self.high:g} wanted{doubt}"
        )


@dataclass(frozen=True, repr=False)
class BaselineComparison(Result):
    """Patients before the first dose: quartiles by tumour type, and every check of them."""

    notice: str
    scenario: str
    n_patients: int
    seed: int
    patients: tuple[BaselineQuartiles, ...]
    checks: tuple[BaselineRow, ...]

    def verdicts(self, kind: Kind) -> Mapping[str, int]:
        """Verdicts counted, of published figures or of plausible ranges."""
        return dict(Counter(row.verdict for row in self.checks if row.kind == kind))

    def summary(self) -> str:
        """How many comparisons lie inside their range."""
        lines = []
        for kind, words in _KINDS.items():
            counts = self.verdicts(kind)
            n_inside, n_all = counts.get("inside", 0), sum(counts.values())
            lines.append(f"{n_inside} of {n_all} comparisons lie inside {words}")
        return "\n".join([*lines, _NO_EVIDENCE, self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a check and tumour type."""
        return pd.DataFrame(list(self.checks))

    def to_dict(self) -> dict[str, Any]:
        """Everything, with the verdicts counted under ``summary``."""
        return {**super().to_dict(), "summary": {kind: self.verdicts(kind) for kind in _KINDS}}


_KINDS: dict[Kind, str] = {
    "published": "the range of a published figure",
    "plausible": "a range judged plausible",
}
_NO_EVIDENCE = (
    "Plausible ranges were written when these patients existed: lying inside one is no evidence."
)


def compare_baseline(world: World, *, n: int = PATIENTS, seed: int = 1) -> BaselineComparison:
    """Measured baseline values by tumour type, and every check of them; ``n`` patients a tumour
    type, 2000 or more.
    """
    checks = check_baseline(load_baseline_checks(), world=world, n=n, seed=seed)
    return BaselineComparison(
        notice=NOTICE,
        scenario=world.scenario.name,
        n_patients=n,
        seed=seed,
        patients=tuple(baseline_table(world, n=n, seed=seed)),
        checks=tuple(map(_baseline_row, checks)),
    )


def _baseline_row(finding: BaselineFinding) -> BaselineRow:
    check = finding.check
    return BaselineRow(
        id=check.id,
        population=finding.population,
        statistic=check.statistic,
        of=check.of,
        other=check.other,
        threshold=check.threshold,
        published=check.published,
        low=check.low,
        high=check.high,
        range_kind=check.range_kind,
        value=finding.value,
        mc_error=finding.mc_error,
        n=finding.n,
        verdict=finding.verdict,
        verified=check.is_verified,
        citation=check.citation,
    )


def print_baseline(made: BaselineComparison, *, console: Console | None = None) -> None:
    """Medians and quartiles as a table on the terminal, then what does not lie where it must, then
    the counts.
    """
    out = console or console_of(130)
    covariates = dict.fromkeys(row.covariate for row in made.patients)

    def head(name: str) -> str:
        known = field(name)
        return known.label if known.unit == "1" else f"{known.label}, {unit_in_words(known.unit)}"

    by_population: dict[str, list[str]] = {}
    for row in made.patients:
        cell = f"{row.median:.3g} ({row.lower_quartile:.3g} to {row.upper_quartile:.3g})"
        by_population.setdefault(row.population, []).append(cell)
    heads = [head(name) for name in covariates]
    table = text_table(
        "Simulated patients before the first dose: median (quartiles) as measured",
        ("tumour type", *heads),
        [(name.replace("_", " "), *cells) for name, cells in by_population.items()],
        right=heads,
    )
    table.print(out)
    for check in made.checks:
        if check.verdict != "inside":
            out.print(check.sentence, markup=False)
    for line in made.summary().splitlines():
        out.print(line)
