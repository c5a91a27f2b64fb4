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
from scipy.special import ndtri

from crsrisk.data.baseline_checks import BaselineFinding, load_baseline_checks
from crsrisk.data.credibility import load_credibility
from crsrisk.data.cross_validation import load_cross_validation
from crsrisk.data.ensemble import (
    Ensemble,
    EnsembleAbout,
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
from crsrisk.data.evidence_use import fitted_ids, likelihood_figures
from crsrisk.data.files import prepare_output, remove_leftovers, write_text
from crsrisk.data.product import Product
from crsrisk.data.published_figures import counted_once
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.fields import field
from crsrisk.folders import evidence_only_products
from crsrisk.report.cross_validation import cross_validation_chart
from crsrisk.report.generator_card import GeneratorCard, generator_card
from crsrisk.report.generator_facts import ConstantEvidence, EnsembleEvidence
from crsrisk.results import Result
from crsrisk.simulation.evidence import BaselineQuartiles, baseline_table, check_baseline
from crsrisk.studies.evidence import USES as FIGURE_USES
from crsrisk.terminal import Console, console_of, text_table
from crsrisk.uncertainty.constants import (
    Constant,
    priors_digest,
    product_constants,
    quantity_of,
    shared_constants,
)
from crsrisk.uncertainty.evidence_model import latents_of
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
        cross_validation=load_cross_validation(ensemble),
    )


def write_card(card: GeneratorCard, path: Path, *, overwrite: bool = False) -> None:
    """Write the card as a Markdown page, with the figure of the cross-validation as an SVG file of
    the same name beside it, where there is one.
    """
    chart = path.with_suffix(".svg")
    prepare_output(path, overwrite=overwrite, belongs=[chart])
    made = card.cross_validation
    write_text(path, card.to_markdown(chart=chart.name))
    if made is not None:
        write_text(chart, cross_validation_chart(made))
    else:
        remove_leftovers([chart])


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
    constants = _varied(members, about, world=world, products=products)
    if constants is None:
        return None
    stated = {one.key: quantity_of(one.key, world=world, products=products) for one in constants}
    columns = dict(zip(members.keys, members.values.T, strict=True))
    # members do not hold what stays at its prior: it is drawn anew wherever it is needed
    prior = ndtri((np.arange(len(members)) + 0.5) / len(members))
    scores = np.column_stack(
        [scores_of(one, columns[one.key]) if one.key in columns else prior for one in constants]
    )
    in_use = np.array([float(one.score(stated[one.key].value)) for one in constants])
    return EnsembleEvidence(
        n_members=len(members),
        effective_size=members.effective_size,
        n_targets=len(about.targets),
        constants=tuple(
            ConstantEvidence(update, stated[update.constant].unit, stated[update.constant].strength)
            for update in constant_updates(constants, scores, members.weights, in_use)
        ),
    )


def _varied(
    members: Ensemble, about: EnsembleAbout, *, world: World, products: Mapping[str, Product]
) -> list[Constant] | None:
    """The constants that were varied to make some members: all that the figures they were fitted to
    can feel, else those that the members hold; None where the members' priors are none of these.
    """
    fitted = {
        trial.name: trial
        for figure, trial in likelihood_figures(load_trials())
        if figure.id in about.targets and set(trial.products) <= products.keys()
    }
    of_products = [part for product in products.values() for part in product_constants(product)]
    for constants in (
        list(latents_of(list(fitted.values()), products=products, world=world).constants.values()),
        [one for one in (*shared_constants(world), *of_products) if one.key in members.keys],
    ):
        if constants and priors_digest(constants) == members.assumptions:
            return constants
    return None


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
class SourceCounts:
    """Sources of all uses together and of each."""

    all: int
    likelihood: int
    shown: int


@dataclass(frozen=True)
class TargetCounts:
    """Figures that are reproduced, how many of them are fitted, and their sources: all, and with
    overlapping ones once.
    """

    figures: int
    unverified: int
    fitted: int
    sources: SourceCounts
    sources_counted_once: SourceCounts


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
            f"{targets.figures} figures ({targets.unverified} unverified,"
            f" {targets.fitted} in the likelihood) of"
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
    by_use = [trials, *([trial for trial in trials if trial.use == use] for use in FIGURE_USES)]
    targets = [row for row in whole.published_rates if row.use == "target"]
    return EvidenceCounts(
        published_rates=_counts(whole.published_rates),
        risk_factors=_counts(whole.risk_factors),
        targets=TargetCounts(
            figures=len(targets),
            unverified=sum(row.unverified for row in targets),
            fitted=len(fitted_ids(trials)),
            sources=SourceCounts(*map(len, by_use)),
            sources_counted_once=SourceCounts(*(len(counted_once(group)) for group in by_use)),
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
