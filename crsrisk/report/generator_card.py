"""The generator card: what the simulator may be believed for, what its numbers rest on, what must
not be concluded.

:func:`generator_card` makes it, :func:`generator_card_markdown` the page `docs/generator_card.md`
of it; the report shows a short form (:func:`generator_section`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crsrisk import __version__
from crsrisk.data.assumptions import Strength
from crsrisk.data.credibility import FACTORS, LEVELS, Credibility, is_command
from crsrisk.data.cross_validation import CrossValidation
from crsrisk.data.ensemble import EnsembleAbout, VarianceShares
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.report.cross_validation import TITLE as FORECASTS
from crsrisk.report.cross_validation import cross_validation_section, markdown_page
from crsrisk.report.generator_facts import (
    COLUMN,
    HEADER,
    EnsembleEvidence,
    StatedNumber,
    StrengthCounts,
    assumed_shares,
    assumption_rows,
    counts_by_group,
    evidence_rows,
    evidence_statement,
    leaders_row,
    nouns_of,
    number_rows,
    shares_row,
    variance_statement,
    with_evidence,
)
from crsrisk.report.sections import Column, Row, RowGroup, Section, Table
from crsrisk.results import Result
from crsrisk.wording import NOTICE, number, typeset, unit_in_words

Part = TypeVar("Part")

FORMAT = "crsrisk-generator-card-4"
_FACTS = ("value", "prior", "range", "evidence", "strength", "source")
STRENGTHS: Mapping[str, str] = {
    "measured": "looked up in the source that is named",
    "estimated": "recalled, or taken over from a neighbouring setting",
    "expert": "judged by the rating guide or from general knowledge",
    "assumed": "nothing better was at hand",
}
CHART = "generator_card.svg"  # beside the page in docs/
NO_ENSEMBLE = (
    "No ensemble ships with this version. To make it: `crsrisk run experiments/002_calibration`,"
    " then `crsrisk calibration apply experiments/002_calibration/results`."
)


@dataclass(frozen=True)
class CardFactor:
    """A credibility factor of ASME V&V 40-2018: what was done, what is missing, a level in words,
    and how to repeat it.
    """

    id: str
    area: str
    factor: str
    done: str
    reproduce: tuple[str, ...]
    missing: str
    level: str


@dataclass(frozen=True, repr=False)
class GeneratorCard(Result):
    """How far to believe the simulator, for what use, and on what its numbers rest.

    ``factors`` are the credibility factors in the standard's order and ``levels`` what their levels
    mean; ``counts`` numbers by group and strength; ``variance`` shares of variance by strength
    (None when not computed); ``ensemble`` where the ensemble comes from (None when there is none);
    ``evidence`` what the evidence did to each constant that calibration varied (None when not
    known); ``cross_validation`` how well products are forecast that were not seen (None when not
    computed); ``assumptions`` every number of the mechanism and ``numbers`` those of products,
    policies, mitigations and populations.
    """

    format: str
    version: str
    notice: str
    scenario: str
    assumptions_digest: str
    question_of_interest: str
    context_of_use: str
    model_influence: str
    decision_consequence: str
    levels: Mapping[str, str]
    strengths: Mapping[str, str]
    factors: tuple[CardFactor, ...]
    counts: tuple[StrengthCounts, ...]
    variance: VarianceShares | None
    ensemble: EnsembleAbout | None
    evidence: EnsembleEvidence | None
    cross_validation: CrossValidation | None
    assumptions: tuple[StatedNumber, ...]
    numbers: tuple[StatedNumber, ...]
    must_not_be_concluded: tuple[str, ...]

    def summary(self) -> str:
        """Scenario, how many numbers it lists, and what it is not."""
        n = self.counts[-1].n
        return f"scenario {self.scenario}, {n} numbers with source and strength\n{self.notice}"

    def to_markdown(self, *, chart: str | None = CHART) -> str:
        """The card as a page (:func:`generator_card_markdown`)."""
        return generator_card_markdown(self, chart=chart)


def generator_card(
    world: World,
    *,
    products: Sequence[Product],
    credibility: Credibility,
    sensitivity: VarianceShares | None = None,
    ensemble: EnsembleAbout | None = None,
    evidence: EnsembleEvidence | None = None,
    cross_validation: CrossValidation | None = None,
) -> GeneratorCard:
    """The card of a world with these products; equal input gives an equal card."""
    nouns = nouns_of(world, products)
    mechanism, numbers = list(assumption_rows(world)), number_rows(nouns)
    return GeneratorCard(
        format=FORMAT,
        version=__version__,
        notice=NOTICE,
        scenario=world.scenario.name,
        assumptions_digest=world.assumptions.digest,
        question_of_interest=credibility.question_of_interest,
        context_of_use=credibility.context_of_use,
        model_influence=credibility.model_influence,
        decision_consequence=credibility.decision_consequence,
        levels={str(level): meaning for level, meaning in LEVELS.items()},
        strengths=dict(STRENGTHS),
        factors=tuple(_factors(credibility)),
        counts=tuple(counts_by_group(mechanism, numbers, nouns=nouns)),
        variance=sensitivity,
        ensemble=ensemble,
        evidence=evidence,
        cross_validation=cross_validation,
        assumptions=with_evidence(mechanism, evidence),
        numbers=with_evidence(numbers, evidence),
        must_not_be_concluded=tuple(credibility.must_not_be_concluded),
    )


def _factors(credibility: Credibility) -> Iterable[CardFactor]:
    for name, (area, label) in FACTORS.items():
        review = credibility.factors[name]
        yield CardFactor(
            name, area, label, review.done, tuple(review.reproduce), review.missing, review.level
        )


def generator_card_markdown(card: GeneratorCard, *, chart: str | None = CHART) -> str:
    """The card as Markdown, for `docs/`: links are relative to that folder. ``chart``: the file
    beside it with the figure of the cross-validation; None leaves the figure out.
    """
    parts = [
        "# The generator card",
        "",
        (
            "Generated by `crsrisk export card --out docs/generator_card.md`; do not edit. The"
            " words come from [synthetic/credibility.yaml](../synthetic/credibility.yaml), the"
            " numbers from"
            " the files of [synthetic/](../synthetic/README.md)."
        ),
        "",
        (
            f"**{card.notice}** The factors are those of ASME V&V 40-2018 (Assessing Credibility"
            " of Computational Modeling through Verification and Validation: Application to"
            " Medical Devices); the words and the verdicts are our own. Nobody else has assessed"
            " them."
        ),
        "",
        (
            f"Version {card.version}, scenario {card.scenario}, assumptions"
            f" {card.assumptions_digest}."
        ),
        "",
        "## What it is for",
        "",
    ]
    for title, text in (
        ("Question of interest", card.question_of_interest),
        ("Context of use", card.context_of_use),
        ("Influence of the model", card.model_influence),
        ("If the answer is wrong", card.decision_consequence),
    ):
        parts += [f"**{title}.** {text}", ""]
    parts += [
        "## What must not be concluded",
        "",
        *(f"- {text}" for text in card.must_not_be_concluded),
        "",
    ]
    parts += [f"## {FORECASTS}", ""]
    parts += markdown_page(card.cross_validation, chart=chart)
    parts += _factors_page(card)
    parts += _numbers_page(card)
    parts += [
        "## What the answers rest on",
        "",
        *_variance_page(card),
        "",
        *_leaders_page(card),
        *_support_page(card),
        "## Where the ensemble stands",
        "",
        ensemble_statement(card),
        "",
    ]
    parts += _evidence_page(card)
    parts += _assumptions_page(card)
    parts += _others_page(card)
    return "\n".join(parts).rstrip("\n") + "\n"


def _factors_page(card: GeneratorCard) -> list[str]:
    page = [
        "## Credibility, factor by factor",
        "",
        *(f"- *{level}*: {meaning}" for level, meaning in card.levels.items()),
        "",
    ]
    for area, factors in grouped(card.factors, lambda factor: factor.area).items():
        rows = [
            [
                factor.factor,
                factor.level,
                factor.done,
                factor.missing,
                ", ".join(map(_link, factor.reproduce)),
            ]
            for factor in factors
        ]
        page += [
            f"### {area.capitalize()}",
            "",
            *_table(
                ["factor", "level", "what was done", "what is missing", "how to repeat it"], rows
            ),
            "",
        ]
    return page


def _numbers_page(card: GeneratorCard) -> list[str]:
    rows = [[row.label, row.n, *row.by_strength] for row in card.counts]
    return [
        "## How well the numbers are known",
        "",
        *(f"- *{name}*: {meaning}" for name, meaning in card.strengths.items()),
        "",
        *_table(["numbers of", "all", *card.strengths], rows),
        "",
        (
            "A distribution that is stated with one source counts once. Neutral values of what a"
            " product does not need are not counted. Doses and timing of regimens and of drugs come"
            " from the citations of each file and have no strength."
        ),
        "",
    ]


def _variance_page(card: GeneratorCard) -> list[str]:
    statement = variance_statement(card.variance)
    if card.variance is None:
        return [statement]
    others = [name for name in reversed(tuple(card.strengths)) if name != Strength.assumed]
    header = [
        "output",
        "assumed, alone",
        "assumed, with others",
        *(f"{name}, alone" for name in others),
        "chance, alone",
        "chance, with others",
    ]
    rows = (shares_row(output, others) for output in card.variance.outputs)
    return [statement, "", *_table(header, rows)]


def _leaders_page(card: GeneratorCard) -> list[str]:
    outputs = (
        [output for output in card.variance.outputs if output.leaders] if card.variance else []
    )
    if not outputs:
        return []
    return [
        "## Which assumptions matter most",
        "",
        (
            "Of the constants that were followed one by one, those with the largest share of an"
            " output's variance, alone and together with others (Sobol's total index, 95%"
            " interval). All others together explain the rest: where the shares are small, no"
            " single number decides. *Not resolved* as above."
        ),
        "",
        *_table(["output", "constants"], map(leaders_row, outputs)),
        "",
    ]


def _support_page(card: GeneratorCard) -> list[str]:
    support = None if card.variance is None else card.variance.support
    if support is None:
        return []
    rows = [
        [
            row.findings.replace("_", " "),
            f"`{row.scenario}`",
            f"{row.bayes_factor:.2g} ({row.low:.2g} to {row.high:.2g})",
            f"{row.weight:.2f} ({row.weight_mc_error:.2f})",
        ]
        for row in support.rows
    ]
    return [
        "## Which scenario the findings support",
        "",
        support.caveat,
        "",
        *_table(
            [
                "findings",
                "scenario",
                "Bayes factor against the reference (95% Monte Carlo)",
                "weight under equal odds (Monte Carlo error)",
            ],
            rows,
        ),
        "",
    ]


def ensemble_statement(card: GeneratorCard) -> str:
    """Members, effective size and targets of the ensemble; how to make it when there is none."""
    about = card.ensemble
    if about is None:
        return NO_ENSEMBLE
    return (
        f"The ensemble has {about.n_members} members of effective size"
        f" {about.effective_size:g}, from {about.experiment} (seed {about.seed}, version"
        f" {about.version}), confronted with {len(about.targets)} published figures:"
        f" {', '.join(about.targets)}. They are the sets of assumptions that these figures do"
        " not tell apart, given the shape of the mechanism and the priors; they are not all that"
        " could be true."
    )


def _evidence_page(card: GeneratorCard) -> list[str]:
    page = ["## What the evidence constrains", "", evidence_statement(card.evidence), ""]
    if card.evidence is None:
        return page
    return [
        *page,
        "The column *evidence*, here and in the tables below:",
        "",
        *(f"- *{word}*: {meaning}" for word, meaning in COLUMN.items()),
        "",
        *_table(HEADER, evidence_rows(card.evidence)),
        "",
        (
            "*In use* is the value of the reference world, the most probable one; members spread"
            " around the median."
        ),
        "",
    ]


def _assumptions_page(card: GeneratorCard) -> list[str]:
    page = [
        "## Every assumption on the mechanism",
        "",
        (
            "Value in use; where calibration moved it, what was believed before stands under"
            " *prior*. The range holds what was believed possible."
        ),
        "",
    ]
    for stem, numbers in grouped(card.assumptions, lambda row: row.file).items():
        rows = [[f"`{row.key}`", row.meaning, *_facts(row)] for row in numbers]
        title = stem.replace("_", " ").capitalize()
        page += [f"### {title}", "", *_table(["assumption", "meaning", *_FACTS], rows), ""]
    return page


def _others_page(card: GeneratorCard) -> list[str]:
    page = [
        "## Every number of products, policies, mitigations and populations",
        "",
        (
            "As above; a file is named as in [synthetic/](../synthetic/README.md). Neutral values"
            " of what a product does not need are left out. The limits of a distribution stand"
            " under *range*."
        ),
        "",
    ]
    for group, numbers in grouped(card.numbers, lambda row: row.group).items():
        rows = [[f"`{row.file}`", f"`{row.key}`", *_facts(row)] for row in numbers]
        page += [f"### {group}", "", *_table(["file", "key", *_FACTS], rows), ""]
    return page


def grouped(rows: Iterable[Part], group_of: Callable[[Part], str]) -> dict[str, list[Part]]:
    """Rows by group, groups in the order of their first row."""
    groups: dict[str, list[Part]] = {}
    for row in rows:
        groups.setdefault(group_of(row), []).append(row)
    return groups


def _facts(row: StatedNumber) -> list[str]:
    """The cells under :data:`_FACTS` of one number."""
    value = (
        row.value
        if isinstance(row.value, str)
        else f"{row.value:g} {unit_in_words(row.unit)}".strip()
    )
    return [
        value,
        "" if row.prior is None else f"{row.prior:g}",
        "" if row.range is None else f"{row.range[0]:g} to {row.range[1]:g}",
        row.evidence or "",
        row.strength,
        row.source,
    ]


def _link(text: str) -> str:
    return f"`{text}`" if is_command(text) else f"[{text}](../{text})"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    def escaped(cell: object) -> str:
        return " ".join(str(cell).split()).replace("|", "\\|")

    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(map(escaped, line))} |" for line in lines]


@dataclass(frozen=True)
class GeneratorSection:
    """The card in short, as a section of the report: statements, tables and remarks, and the
    cross-validation (``forecasts``).
    """

    statement: str
    consequence: str
    tables: tuple[Table, ...]
    remarks: tuple[str, ...]
    must_not_be_concluded: tuple[str, ...]
    forecasts: Section


def generator_section(card: GeneratorCard) -> GeneratorSection:
    """How far to believe the simulator: what it is for, factors, numbers by strength, and the
    shares of variance when they were computed.
    """
    tables = [_factors_table(card), _strengths_table(card)]
    remarks = [ensemble_statement(card)]
    if card.variance is None:
        remarks.append(variance_statement(None))
    else:
        tables.append(_variance_table(card.variance))
    return GeneratorSection(
        statement=typeset(f"What it is for: {card.context_of_use}"),
        consequence=typeset(f"If it is wrong: {card.decision_consequence}"),
        tables=tuple(tables),
        remarks=tuple(typeset(_plain(text)) for text in remarks),
        must_not_be_concluded=tuple(map(typeset, card.must_not_be_concluded)),
        forecasts=cross_validation_section(
            card.cross_validation, tables=("12d", "12e", "12f"), figure="8"
        ),
    )


def _factors_table(card: GeneratorCard) -> Table:
    groups = [
        RowGroup(
            area.capitalize(),
            tuple(
                Row(factor.factor, (factor.level, typeset(factor.done), typeset(factor.missing)))
                for factor in factors
            ),
        )
        for area, factors in grouped(card.factors, lambda factor: factor.area).items()
    ]
    scale = "; ".join(f"{level}: {meaning}" for level, meaning in card.levels.items())
    heads = ("Level", "What was done", "What is missing")
    return Table(
        key="table-credibility",
        number="12a",
        title="Credibility of the simulator, factor by factor",
        row_header="Factor",
        columns=tuple(Column(label, is_text=True) for label in heads),
        groups=tuple(groups),
        notes=(
            (
                "Factors of ASME V&V 40-2018; words and levels are those of the people who built"
                f" it. Levels: {scale}."
            ),
            "How to repeat each: crsrisk export card, or docs/generator_card.md.",
        ),
    )


def _strengths_table(card: GeneratorCard) -> Table:
    rows = [
        Row(
            row.label,
            tuple(number(count, digits=0) for count in (row.n, *row.by_strength)),
            is_strong=row is card.counts[-1],
        )
        for row in card.counts
    ]
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in card.strengths.items())
    return Table(
        key="table-strengths",
        number="12b",
        title="Numbers of the simulator by how well they are known",
        row_header="Numbers of",
        columns=tuple(Column(name) for name in ("All", *map(str.capitalize, card.strengths))),
        groups=(RowGroup("", tuple(rows)),),
        notes=(f"{meanings[0].upper()}{meanings[1:]}.",),
    )


def _variance_table(variance: VarianceShares) -> Table:
    rows = [Row(typeset(output.meaning), assumed_shares(output)) for output in variance.outputs]
    return Table(
        key="table-variance",
        number="12c",
        title="Share of the variance that rests on assumed numbers",
        row_header="Output",
        columns=(
            Column("Alone", "of what all numbers explain"),
            Column("With others", "of the whole"),
        ),
        groups=(RowGroup("", tuple(rows)),),
        notes=(typeset(_plain(variance_statement(variance))),),
    )


def _plain(text: str) -> str:
    """Without the marks of Markdown."""
    return text.replace("`", "").replace("*", "")
