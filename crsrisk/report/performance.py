"""Performance: the evaluation and the ladder as tables and sentences, per product and pooled
clearly apart.

Reads the dictionary of :func:`crsrisk.evaluation.evaluate.evaluate`, computes nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.wording import MISSING, estimate_in_words, number, of_100, plain_name

Group = Mapping[str, Any]
Table = dict[str, Any]
SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


def rung_label(rung: Group, *, ladders: Group, predictor_labels: Mapping[str, str]) -> str:
    """What a rung is called in figures and tables."""
    name = str(rung["name"])
    if name in predictor_labels:
        return predictor_labels[name]
    label = plain_name(name)
    if rung["kind"] == "null":
        return "Null: one risk for everybody"
    if name == ladders["product_only"]:
        return "Product only: its event rate"
    if rung["kind"] == "model":
        return "This model"
    if rung["kind"] == "oracle":
        return f"Oracle: {label.removeprefix('oracle (').removesuffix(')')}"
    return f"{label[:1].upper()}{label[1:]}"


def ladder_section(
    ladders: Group,
    *,
    labels: Mapping[str, str],
    order: Sequence[str],
    predictor_labels: Mapping[str, str],
) -> dict[str, Any]:
    """Sentences, rungs for the figure, and the tables of the ladder."""

    def named(rungs: Sequence[Group]) -> list[dict[str, Any]]:
        return [
            {**rung, "label": rung_label(rung, ladders=ladders, predictor_labels=predictor_labels)}
            for rung in rungs
        ]

    pooled = ladders["pooled"]
    rungs = named(pooled["rows"])
    is_pooled = any(rung["auroc_within_product"] is not None for rung in rungs)
    return {
        "is_pooled": is_pooled,
        "rungs": rungs[::-1],  # the oracle on top
        "sentences": ladder_sentences(ladders),
        "table": _ladder_table(rungs, n_patients=pooled["n_patients"], is_pooled=is_pooled),
        "by_product": _by_product(ladders, labels=labels, order=order),
    }


def ladder_sentences(ladders: Group) -> list[str]:
    """The share of what can be known, and what stands behind the figure."""
    pooled = ladders["pooled"]
    share = pooled["share_of_oracle_gain"]
    if "not_estimable" in share:
        first = (
            "Which share of the knowable the model has learnt cannot be estimated:"
            f" {share['not_estimable']}."
        )
    else:
        first = (
            f"Of what an oracle that knows {ladders['truth']} gains over knowing the product alone"
            f" (log loss), the model gains {number(100 * share['value'], digits=0)} per cent (95%"
            f" interval {number(100 * share['low'], digits=0)} to"
            f" {number(100 * share['high'], digits=0)})."
        )
    replicates = sorted({ladders["n_replicates_min"], ladders["n_replicates_max"]})
    second = (
        f"{number(pooled['n_patients'], digits=0)} held-out patients were simulated again"
        f" {' to '.join(number(n, digits=0) for n in replicates)} times each; every predictor is"
        " scored under the risk so found, not under one random outcome. No real patient has such a"
        " known risk."
    )
    return [first, second]


def _ladder_table(rungs: Sequence[Group], *, n_patients: int, is_pooled: bool) -> Table:
    columns = [
        ("Log loss", "nats (95% interval)"),
        ("Gain over product only", "nats (95% interval)"),
    ]
    columns += [("AUROC, patients of one product", "(95% interval)")] if is_pooled else []
    columns += [("AUROC, all patients mixed", "(95% interval)")]
    rows = []
    for rung in reversed(rungs):
        cells = [
            estimate_in_words(rung["log_loss"], digits=3),
            estimate_in_words(rung["gain_over_product_only"], digits=3),
        ]
        cells += [_auroc(rung, "auroc_within_product")] if is_pooled else []
        rows.append(
            {
                "label": rung["label"],
                "note": "",
                "cells": [*cells, _auroc(rung, "auroc")],
                "is_strong": rung["kind"] == "model",
            }
        )
    return {
        "key": "table-ladder",
        "number": "4",
        "title": "From knowing nothing to knowing all: the ladder",
        "row_header": "Predictor",
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": [{"label": "", "rows": rows}],
        "notes": [
            (
                f"Scored under the true risk of {number(n_patients, digits=0)} held-out patients."
                " Log loss: 0 is best. Entropies are corrected for the finite number of"
                " repetitions (Miller-Madow)."
            ),
            (
                "An oracle's AUROC lies between the value and the upper bound after “at most”. Each"
                " oracle is scored under its own truth."
            ),
        ],
    }


def _auroc(rung: Group, field: str) -> str:
    estimate = rung[field]
    if estimate is None:
        return MISSING
    upper = rung[f"{field}_upper"]
    return estimate_in_words(estimate) + ("" if upper is None else f", at most {number(upper)}")


def _by_product(ladders: Group, *, labels: Mapping[str, str], order: Sequence[str]) -> Table:
    """Product, model and oracle side by side for every product with its own ladder."""
    rows, notes = [], []
    for product in [name for name in order if name in ladders["by_product"]]:
        one = ladders["by_product"][product]
        if "not_estimable" in one:
            rows.append(
                {"label": labels[product], "note": "", "cells": [MISSING, *["not estimable"] * 4]}
            )
            notes.append(f"{labels[product]}: {one['not_estimable']}.")
            continue
        # the first oracle is the one measured against
        by_kind = {rung["kind"]: rung for rung in reversed(one["rows"])}
        model, oracle = by_kind["model"], by_kind["oracle"]
        share = one["share_of_oracle_gain"]
        rows.append(
            {
                "label": labels[product],
                "note": "",
                "cells": [
                    number(one["n_patients"], digits=0),
                    estimate_in_words(model["gain_over_product_only"], digits=3),
                    estimate_in_words(share, digits=0, factor=100),
                    estimate_in_words(model["auroc"]),
                    _auroc(oracle, "auroc"),
                ],
            }
        )
        if "not_estimable" in share:
            notes.append(f"{labels[product]}: {share['not_estimable']}.")
    columns = [
        ("Re-simulated", "patients"),
        ("Gain of the model", "nats (95% interval)"),
        ("Share of the oracle’s gain", "per cent (95% interval)"),
        ("AUROC, model", "(95% interval)"),
        ("AUROC, oracle", "(95% interval)"),
    ]
    return {
        "key": "table-ladder-product",
        "number": "5",
        "title": "The same within each product",
        "row_header": "Product",
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": [{"label": "", "rows": rows}],
        "notes": [*_folded(notes)],
    }


def _folded(notes: Sequence[str]) -> list[str]:
    """Notes of the form `name: reason.`; names with the same reason in one note."""
    by_reason: dict[str, list[str]] = {}
    for note in notes:
        name, _, reason = note.partition(": ")
        by_reason.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def performance_tables(
    evaluation: Group, *, labels: Mapping[str, str], order: Sequence[str]
) -> list[Table]:
    """Discrimination and calibration: first everybody together, then, apart from it, each
    product.
    """
    return [
        _discrimination(evaluation, labels=labels, order=order),
        _calibration(evaluation, labels=labels, order=order),
    ]


def _grouped_rows(
    evaluation: Group, *, labels: Mapping[str, str], order: Sequence[str], cells: Any
) -> list[dict[str, Any]]:
    products = [name for name in order if name in evaluation["by_product"]]
    return [
        {
            "label": "Pooled: depends on the mix of products",
            "rows": [
                {
                    "label": "All products",
                    "note": "",
                    "cells": cells(evaluation["pooled"]),
                    "is_strong": True,
                }
            ],
        },
        {
            "label": "Within each product",
            "rows": [
                {"label": labels[name], "note": "", "cells": cells(evaluation["by_product"][name])}
                for name in products
            ],
        },
    ]


def _discrimination(evaluation: Group, *, labels: Mapping[str, str], order: Sequence[str]) -> Table:
    def cells(group: Group) -> list[str]:
        return [
            number(group["n"], digits=0),
            number(group["n_events"], digits=0),
            estimate_in_words(group["auroc"]),
            estimate_in_words(group["discrimination_slope"]),
            estimate_in_words(group["brier"], digits=3),
            estimate_in_words(group["log_loss"], digits=3),
        ]

    columns = [
        ("Patients", ""),
        ("Events", ""),
        ("AUROC", "(95% interval)"),
        ("Discrimination slope", "(95% interval)"),
        ("Brier score", "(95% interval)"),
        ("Log loss", "nats (95% interval)"),
    ]
    within = evaluation["pooled"]["auroc_within_product"]
    return {
        "key": "table-discrimination",
        "number": "6",
        "title": "Held-out patients: how well risks are ranked",
        "row_header": "",
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": _grouped_rows(evaluation, labels=labels, order=order, cells=cells),
        "notes": [
            (
                "The pooled AUROC is high when products differ in risk, even for a model that"
                " knows the product alone. Among pairs of patients of one product it is"
                f" {estimate_in_words(within)}."
            ),
            *reasons_of(evaluation, labels=labels, order=order, field="auroc"),
        ],
    }


def _calibration(evaluation: Group, *, labels: Mapping[str, str], order: Sequence[str]) -> Table:
    def cells(group: Group) -> list[str]:
        calibration, curve = group["calibration"], group["calibration"]["curve"]
        ici = (
            ["not estimable", MISSING]
            if "not_estimable" in curve
            else [
                estimate_in_words(curve["ici"], digits=1, factor=100),
                (
                    f"{number(100 * curve['ici_if_perfect']['low'], digits=1)} to "
                    f"{number(100 * curve['ici_if_perfect']['high'], digits=1)}"
                ),
            ]
        )
        return [
            estimate_in_words(calibration["observed_to_expected"]),
            estimate_in_words(calibration["in_the_large"]),
            estimate_in_words(calibration["slope"]),
            *ici,
        ]

    columns = [
        ("Observed / expected", "ideal 1 (95% interval)"),
        ("Intercept", "ideal 0 (95% interval)"),
        ("Slope", "ideal 1 (95% interval)"),
        ("ICI", "of 100 (95% interval)"),
        ("ICI of exact risks", "of 100, 95% range"),
    ]
    return {
        "key": "table-calibration",
        "number": "7",
        "title": "Held-out patients: whether 30 of 100 means 30 of 100",
        "row_header": "",
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": _grouped_rows(evaluation, labels=labels, order=order, cells=cells),
        "notes": [
            (
                "Intercept: calibration in the large, slope fixed at 1. ICI: mean distance of the"
                " calibration curve from the diagonal; even exact risks show one, its range stands"
                " beside."
            ),
            *reasons_of(evaluation, labels=labels, order=order, field="calibration"),
        ],
    }


def reasons_of(
    evaluation: Group, *, labels: Mapping[str, str], order: Sequence[str], field: str
) -> list[str]:
    """Why a figure is not estimable, each reason once, with the products that it holds for."""
    notes = []
    for name in [one for one in order if one in evaluation["by_product"]]:
        figure = evaluation["by_product"][name][field]
        figure = figure["curve"] if field == "calibration" else figure
        if "not_estimable" in figure:
            notes.append(f"{labels[name]}: not estimable, {figure['not_estimable']}.")
    return _folded(notes)


def net_benefit_table(evaluation: Group) -> Table | None:
    """Net benefit at a few thresholds, all products together; None when it is not estimable."""
    curve = evaluation["pooled"]["net_benefit"]
    if "not_estimable" in curve:
        return None
    rows = []
    for at, threshold in enumerate(curve["threshold"]):
        if round(threshold, 6) not in SHOWN_THRESHOLDS:
            continue

        def band(name: str, *, digits: int, factor: float, at: int = at) -> str:
            one = {part: curve[name][part][at] for part in ("value", "low", "high")}
            return estimate_in_words(one, digits=digits, factor=factor)

        rows.append(
            {
                "label": f"{of_100(threshold)} of 100",
                "note": "",
                "cells": [
                    number(curve["n_true_positive"][at] + curve["n_false_positive"][at], digits=0),
                    band("model", digits=1, factor=100),
                    band("treat_all", digits=1, factor=100),
                    band("model_minus_treat_all", digits=1, factor=100),
                    band("interventions_avoided_per_100", digits=0, factor=1),
                ],
            }
        )
    columns = [
        ("At or above it", "patients"),
        ("Model", "per 100 (95% interval)"),
        ("Treat everybody", "per 100 (95% interval)"),
        ("Model − everybody", "per 100 (95% interval)"),
        ("Needless treatments spared", "per 100 (95% interval)"),
    ]
    return {
        "key": "table-net-benefit",
        "number": "8",
        "title": "Net benefit at five thresholds, all products together",
        "row_header": "Threshold",
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": [{"label": "", "rows": rows}],
        "notes": [
            "Net benefit: events found per 100 patients, needless treatments subtracted at the odds"
            " of the threshold; treating nobody is 0. It values finding an event, not what a"
            " treatment does to the patient. Spared: against treating everybody, at equal events"
            " found."
        ],
    }
