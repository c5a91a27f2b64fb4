"""The generator card: what the simulator may be believed for, what its numbers rest on, what must
not be concluded.

:func:`generator_card` makes one plain dictionary that JSON can hold,
:func:`generator_card_markdown` the page `docs/generator_card.md` of it; the report shows a short
form (:mod:`crsrisk.report.generator_card`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from crsrisk import __version__
from crsrisk.data.assumptions import Strength
from crsrisk.data.credibility import FACTORS, LEVELS, Credibility, is_command
from crsrisk.data.ensemble import EnsembleAbout, VarianceShares
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.report.generator_facts import (
    COLUMN,
    HEADER,
    chance_of,
    counts_by_group,
    evidence_rows,
    evidence_statement,
    leaders_row,
    nouns_of,
    number_rows,
    percent,
    shares_row,
    told_of,
    variance_statement,
)
from crsrisk.wording import NOTICE, number, typeset, unit_in_words

Card = dict[str, Any]

FORMAT = "crsrisk-generator-card-2"
_FACTS = ("value", "prior", "range", "evidence", "strength", "source")
STRENGTHS: Mapping[str, str] = {
    "measured": "looked up in the source that is named",
    "estimated": "recalled, or taken over from a neighbouring setting",
    "expert": "judged by the rating guide or from general knowledge",
    "assumed": "nothing better was at hand",
}
NO_ENSEMBLE = (
    "No ensemble ships with this version. To make it: `crsrisk run experiments/002_calibration`,"
    " then `crsrisk calibration apply experiments/002_calibration/results`."
)


def generator_card(
    world: World,
    *,
    products: Sequence[Product],
    credibility: Credibility,
    sensitivity: VarianceShares | None = None,
    ensemble: EnsembleAbout | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Card:
    """The card as a dictionary; equal input gives an equal card.

    Keys: `question_of_interest`, `context_of_use`, `model_influence`, `decision_consequence`;
    `factors` (the credibility factors of ASME V&V 40-2018 in their order) and `levels` (what their
    levels mean); `counts` (numbers by group and strength); `variance` (shares of variance by
    strength; None when not computed) and `ensemble` (None when there is none), each with a
    `statement`; `evidence` (each constant that calibration varied and what the evidence did to it,
    of :func:`crsrisk.studies.evidence.evidence_of`; None when not known); `assumptions` (every one:
    value, unit, prior where calibration moved it, range, strength, source; what a scenario
    overrides counts as assumed, with its reason as source); `numbers` (the same of products,
    policies, mitigations and populations), each with what the evidence says of it under `evidence`;
    `must_not_be_concluded`.
    """
    nouns = nouns_of(world, products)
    mechanism, numbers = (
        [{**row, "evidence": told_of(row, evidence)} for row in rows]
        for rows in (_assumptions(world), number_rows(nouns))
    )
    return {
        "format": FORMAT,
        "version": __version__,
        "notice": NOTICE,
        "scenario": world.scenario.name,
        "assumptions_digest": world.assumptions.digest,
        "question_of_interest": credibility.question_of_interest,
        "context_of_use": credibility.context_of_use,
        "model_influence": credibility.model_influence,
        "decision_consequence": credibility.decision_consequence,
        "levels": dict(LEVELS),
        "strengths": dict(STRENGTHS),
        "factors": [
            {"id": name, "area": area, "factor": label, **credibility.factors[name].model_dump()}
            for name, (area, label) in FACTORS.items()
        ],
        "counts": counts_by_group(mechanism, numbers, nouns=nouns),
        "variance": None if sensitivity is None else sensitivity.model_dump(),
        "ensemble": None if ensemble is None else ensemble.model_dump(),
        "evidence": None if evidence is None else dict(evidence),
        "assumptions": mechanism,
        "numbers": numbers,
        "must_not_be_concluded": list(credibility.must_not_be_concluded),
    }


def _assumptions(world: World) -> Iterator[dict[str, Any]]:
    for name, entry in world.assumptions.items():
        row = {
            "name": name,
            "constant": f"assumption:{name}",
            "meaning": entry.meaning,
            "value": entry.value,
            "unit": entry.unit,
            "prior": entry.prior,
            "range": list(entry.range),
            "strength": entry.strength,
            "source": entry.source,
        }
        if (change := world.scenario.overrides.get(name)) is not None:
            row |= {
                "strength": Strength.assumed.value,
                "prior": None,
                "constant": None,
                "source": f"scenario {world.scenario.name}: {change.reason}",
            }
        yield row


# --- as a page ---


def generator_card_markdown(card: Card) -> str:
    """The card as Markdown, for `docs/`: links are relative to that folder.

    ``card``: of :func:`generator_card`, also after a way through JSON.
    """
    parts = [
        "# The generator card",
        "",
        (
            "Generated by `crsrisk export card --out docs/generator_card.md`; do not edit. The words come"
            " from [synthetic/credibility.yaml](../synthetic/credibility.yaml), the numbers from"
            " the files of [synthetic/](../synthetic/README.md)."
        ),
        "",
        (
            f"**{card['notice']}** The factors are those of ASME V&V 40-2018 (Assessing Credibility"
            " of Computational Modeling through Verification and Validation: Application to"
            " Medical Devices); the words and the verdicts are our own. Nobody else has assessed"
            " them."
        ),
        "",
        (
            f"Version {card['version']}, scenario {card['scenario']}, assumptions"
            f" {card['assumptions_digest']}."
        ),
        "",
        "## What it is for",
        "",
    ]
    for key, title in (
        ("question_of_interest", "Question of interest"),
        ("context_of_use", "Context of use"),
        ("model_influence", "Influence of the model"),
        ("decision_consequence", "If the answer is wrong"),
    ):
        parts += [f"**{title}.** {card[key]}", ""]
    parts += [
        "## What must not be concluded",
        "",
        *(f"- {text}" for text in card["must_not_be_concluded"]),
        "",
    ]
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


def _factors_page(card: Card) -> list[str]:
    found = [
        "## Credibility, factor by factor",
        "",
        *(f"- *{level}*: {meaning}" for level, meaning in card["levels"].items()),
        "",
    ]
    for area in dict.fromkeys(one["area"] for one in card["factors"]):
        rows = [
            [
                one["factor"],
                one["level"],
                one["done"],
                one["missing"],
                ", ".join(map(_way, one["reproduce"])),
            ]
            for one in card["factors"]
            if one["area"] == area
        ]
        found += [
            f"### {area.capitalize()}",
            "",
            *_table(
                ["factor", "level", "what was done", "what is missing", "how to repeat it"], rows
            ),
            "",
        ]
    return found


def _numbers_page(card: Card) -> list[str]:
    strengths = list(card["strengths"])
    rows = [
        [group_label(row), row["n"], *(row[name] for name in strengths)] for row in card["counts"]
    ]
    return [
        "## How well the numbers are known",
        "",
        *(f"- *{name}*: {meaning}" for name, meaning in card["strengths"].items()),
        "",
        *_table(["numbers of", "all", *strengths], rows),
        "",
        (
            "A distribution that is stated with one source counts once. Neutral values of what a"
            " product does not need are not counted. Doses and timing of regimens and of drugs come"
            " from the citations of each file and have no strength."
        ),
        "",
    ]


def group_label(row: Mapping[str, Any]) -> str:
    """What a row of the counts is about, with its number of files.

    >>> group_label({"group": "Products", "n_files": 12}), group_label({"group": "All", "n_files": None})
    ('Products (12 files)', 'All')
    """
    return row["group"] if row["n_files"] is None else f"{row['group']} ({row['n_files']} files)"


def _variance_page(card: Card) -> list[str]:
    if card["variance"] is None:
        return [variance_statement(card)]
    others = [name for name in reversed(card["strengths"]) if name != Strength.assumed]
    header = [
        "output",
        "assumed, alone",
        "assumed, with others",
        *(f"{name}, alone" for name in others),
        "chance, alone",
        "chance, with others",
    ]
    return [
        variance_statement(card),
        "",
        *_table(header, (shares_row(one, others) for one in card["variance"]["outputs"])),
    ]


def _leaders_page(card: Card) -> list[str]:
    outputs = [one for one in (card["variance"] or {"outputs": []})["outputs"] if one["leaders"]]
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


def _support_page(card: Card) -> list[str]:
    support = (card["variance"] or {}).get("support")
    if support is None:
        return []
    rows = [
        [
            row["findings"].replace("_", " "),
            f"`{row['scenario']}`",
            f"{row['bayes_factor']:.2g} ({row['low']:.2g} to {row['high']:.2g})",
            f"{row['weight']:.2f} ({row['weight_mc_error']:.2f})",
        ]
        for row in support["rows"]
    ]
    return [
        "## Which scenario the findings support",
        "",
        support["caveat"],
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


def ensemble_statement(card: Card) -> str:
    """Members, effective size and targets of the ensemble; how to make it when there is none."""
    about = card["ensemble"]
    if about is None:
        return NO_ENSEMBLE
    return (
        f"The ensemble has {about['n_members']} members of effective size"
        f" {about['effective_size']:g}, from {about['experiment']} (seed {about['seed']}, version"
        f" {about['version']}), confronted with {len(about['targets'])} published figures:"
        f" {', '.join(about['targets'])}. They are the sets of assumptions that these figures do"
        " not tell apart, given the shape of the mechanism and the priors; they are not all that"
        " could be true."
    )


def _evidence_page(card: Card) -> list[str]:
    found = ["## What the evidence constrains", "", evidence_statement(card), ""]
    if card["evidence"] is None:
        return found
    return [
        *found,
        "The column *evidence*, here and in the tables below:",
        "",
        *(f"- *{word}*: {meaning}" for word, meaning in COLUMN.items()),
        "",
        *_table(HEADER, evidence_rows(card)),
        "",
        (
            "*In use* is the value of the reference world, the most probable one; members spread"
            " around the median."
        ),
        "",
    ]


def _assumptions_page(card: Card) -> list[str]:
    found = [
        "## Every assumption on the mechanism",
        "",
        (
            "Value in use; where calibration moved it, what was believed before stands under"
            " *prior*. The range holds what was believed possible."
        ),
        "",
    ]
    for stem in dict.fromkeys(row["name"].partition(".")[0] for row in card["assumptions"]):
        rows = [
            [f"`{row['name']}`", row["meaning"], *_facts(row)]
            for row in card["assumptions"]
            if row["name"].partition(".")[0] == stem
        ]
        found += [
            f"### {stem.replace('_', ' ').capitalize()}",
            "",
            *_table(["assumption", "meaning", *_FACTS], rows),
            "",
        ]
    return found


def _others_page(card: Card) -> list[str]:
    found = [
        "## Every number of products, policies, mitigations and populations",
        "",
        (
            "As above; a file is named as in [synthetic/](../synthetic/README.md). Neutral values"
            " of what a product does not need are left out. The limits of a distribution stand"
            " under *range*."
        ),
        "",
    ]
    for group in dict.fromkeys(row["group"] for row in card["numbers"]):
        rows = [
            [f"`{row['file']}`", f"`{row['key']}`", *_facts(row)]
            for row in card["numbers"]
            if row["group"] == group
        ]
        found += [f"### {group}", "", *_table(["file", "key", *_FACTS], rows), ""]
    return found


def _facts(row: Mapping[str, Any]) -> list[str]:
    """The cells under :data:`_FACTS` of one number."""
    is_words = isinstance(row["value"], str)
    value = row["value"] if is_words else f"{row['value']:g} {unit_in_words(row['unit'])}".strip()
    return [
        value,
        "" if row["prior"] is None else f"{row['prior']:g}",
        "" if row["range"] is None else f"{row['range'][0]:g} to {row['range'][1]:g}",
        row["evidence"] or "",
        row["strength"],
        row["source"],
    ]


def _way(text: str) -> str:
    return f"`{text}`" if is_command(text) else f"[{text}](../{text})"


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [
        f"| {' | '.join(' '.join(str(cell).split()).replace('|', chr(92) + '|') for cell in line)} |"
        for line in lines
    ]


# The generator card in short, as a section of the report: how far to believe the simulator.


Table = dict[str, Any]


def generator_section(card: Mapping[str, Any]) -> dict[str, Any]:
    """Statements and tables of the section; ``card``: of
    :func:`crsrisk.report.generator_card.generator_card`.

    Keys: `statement` (what it may be used for), `tables` (factors; numbers by strength; shares of
    variance when computed), `remarks` (what else belongs to them), `must_not_be_concluded`.
    """
    plain = dict(card)
    tables = [_factors(plain), _counts(plain)]
    remarks = [ensemble_statement(plain)]
    if plain["variance"] is None:
        remarks.append(variance_statement(plain))
    else:
        tables.append(_variance(plain))
    return {
        "statement": typeset(f"What it is for: {plain['context_of_use']}"),
        "consequence": typeset(f"If it is wrong: {plain['decision_consequence']}"),
        "tables": tables,
        "remarks": [typeset(_plain(text)) for text in remarks],
        "must_not_be_concluded": [typeset(text) for text in plain["must_not_be_concluded"]],
    }


def _factors(card: dict[str, Any]) -> Table:
    columns = [
        {"label": label, "sub": "", "is_text": True}
        for label in ("Level", "What was done", "What is missing")
    ]
    groups = []
    for area in dict.fromkeys(one["area"] for one in card["factors"]):
        rows = [
            {
                "label": one["factor"],
                "note": "",
                "cells": [one["level"], typeset(one["done"]), typeset(one["missing"])],
            }
            for one in card["factors"]
            if one["area"] == area
        ]
        groups.append({"label": area.capitalize(), "rows": rows})
    scale = "; ".join(f"{level}: {meaning}" for level, meaning in card["levels"].items())
    return {
        "key": "table-credibility",
        "number": "12a",
        "title": "Credibility of the simulator, factor by factor",
        "row_header": "Factor",
        "columns": columns,
        "groups": groups,
        "notes": [
            (
                "Factors of ASME V&V 40-2018; words and levels are those of the people who built"
                f" it. Levels: {scale}."
            ),
            "How to repeat each: crsrisk export card, or docs/generator_card.md.",
        ],
    }


def _counts(card: dict[str, Any]) -> Table:
    strengths = list(card["strengths"])
    rows = [
        {
            "label": group_label(row),
            "note": "",
            "cells": [number(row[name], digits=0) for name in ("n", *strengths)],
            **({"is_strong": True} if row is card["counts"][-1] else {}),
        }
        for row in card["counts"]
    ]
    columns = [{"label": name, "sub": ""} for name in ("All", *map(str.capitalize, strengths))]
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in card["strengths"].items())
    return {
        "key": "table-strengths",
        "number": "12b",
        "title": "Numbers of the simulator by how well they are known",
        "row_header": "Numbers of",
        "columns": columns,
        "groups": [{"label": "", "rows": rows}],
        "notes": [f"{meanings[0].upper()}{meanings[1:]}."],
    }


def _variance(card: dict[str, Any]) -> Table:
    rows = []
    for output in card["variance"]["outputs"]:
        assumed = next(
            (share for share in output["shares"] if share["strength"] == "assumed"), None
        )
        chance = chance_of(output)
        rows.append(
            {
                "label": typeset(output["meaning"]),
                "note": "",
                "cells": [
                    percent(assumed, name, chance=chance) for name in ("alone", "with_others")
                ],
            }
        )
    columns = [
        {"label": "Alone", "sub": "of what all numbers explain"},
        {"label": "With others", "sub": "of the whole"},
    ]
    return {
        "key": "table-variance",
        "number": "12c",
        "title": "Share of the variance that rests on assumed numbers",
        "row_header": "Output",
        "columns": columns,
        "groups": [{"label": "", "rows": rows}],
        "notes": [typeset(_plain(variance_statement(card)))],
    }


def _plain(text: str) -> str:
    """Without the marks of Markdown."""
    return text.replace("`", "").replace("*", "")
