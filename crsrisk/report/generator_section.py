"""The generator card in short, as a section of the report: how far to believe the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.generator_card import ensemble_statement, group_label
from crsrisk.report.generator_variance import chance_of, percent, variance_statement
from crsrisk.report.words import number, typeset

Table = dict[str, Any]


def generator_section(card: Mapping[str, Any]) -> dict[str, Any]:
    """Statements and tables of the section; ``card``: of :func:`crsrisk.report.generator_card.generator_card`.

    Keys: `statement` (what it may be used for), `tables` (factors; numbers by strength; shares of variance when computed),
    `remarks` (what else belongs to them), `must_not_be_concluded`.
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
    columns = [{"label": label, "sub": "", "is_text": True} for label in ("Level", "What was done", "What is missing")]
    groups = []
    for area in dict.fromkeys(one["area"] for one in card["factors"]):
        rows = [{"label": one["factor"], "note": "", "cells": [one["level"], typeset(one["done"]), typeset(one["missing"])]}
                for one in card["factors"] if one["area"] == area]
        groups.append({"label": area.capitalize(), "rows": rows})
    scale = "; ".join(f"{level}: {meaning}" for level, meaning in card["levels"].items())
    return {
        "key": "table-credibility", "number": "12a", "title": "Credibility of the simulator, factor by factor",
        "row_header": "Factor", "columns": columns, "groups": groups,
        "notes": [f"Factors of ASME V&V 40-2018; words and levels are those of the people who built it. Levels: {scale}.",
                  "How to repeat each: crsrisk card, or docs/generator_card.md."],
    }


def _counts(card: dict[str, Any]) -> Table:
    strengths = list(card["strengths"])
    rows = [{"label": group_label(row), "note": "", "cells": [number(row[name], digits=0) for name in ("n", *strengths)],
             **({"is_strong": True} if row is card["counts"][-1] else {})} for row in card["counts"]]
    columns = [{"label": name, "sub": ""} for name in ("All", *map(str.capitalize, strengths))]
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in card["strengths"].items())
    return {
        "key": "table-strengths", "number": "12b", "title": "Numbers of the simulator by how well they are known",
        "row_header": "Numbers of", "columns": columns,
        "groups": [{"label": "", "rows": rows}], "notes": [f"{meanings[0].upper()}{meanings[1:]}."],
    }


def _variance(card: dict[str, Any]) -> Table:
    rows = []
    for output in card["variance"]["outputs"]:
        assumed = next((share for share in output["shares"] if share["strength"] == "assumed"), None)
        chance = chance_of(output)
        rows.append({"label": typeset(output["meaning"]), "note": "",
                     "cells": [percent(assumed, name, chance=chance) for name in ("alone", "with_others")]})
    columns = [{"label": "Alone", "sub": "of what all numbers explain"}, {"label": "With others", "sub": "of the whole"}]
    return {
        "key": "table-variance", "number": "12c", "title": "Share of the variance that rests on assumed numbers",
        "row_header": "Output", "columns": columns, "groups": [{"label": "", "rows": rows}],
        "notes": [typeset(_plain(variance_statement(card)))],
    }


def _plain(text: str) -> str:
    """Without the marks of Markdown."""
    return text.replace("`", "").replace("*", "")
