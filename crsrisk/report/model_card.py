"""Model card: one page that travels with a model: what it is, for whom, how good, for whom less,
what it cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.data.risk_model import NOTICE as MODEL_NOTICE
from crsrisk.model.risk_model import RiskModel
from crsrisk.wording import NOTICE, estimate_in_words, number, of_100, plain_name

Content = Mapping[str, Any]


def model_card(content: Content) -> dict[str, Any]:
    """The card as a dictionary: `title`, `notice`, and `parts`, each `title` and `lines`.
    ``content``: a judgement.
    """
    model, data, pooled = content["model"], content["data"], content["evaluation"]["pooled"]
    calibration = pooled["calibration"]
    groups = [
        f"{plain_name(one['variable'])}, {one['label']}: {one['n']:,} patients, {one['n_events']:,}"
        f" events, AUROC {estimate_in_words(one['auroc'])}, observed / expected"
        f" {estimate_in_words(one['observed_to_expected'])}"
        for one in content["subgroups"]
    ]
    parts = {
        "What it is": [
            model["about"],
            f"Output: a probability. Event: {content['event']}, {content['window']}.",
        ],
        "What it is for": [
            "Research and teaching: to see how such a model reasons and how it is judged."
        ],
        "What it is not for": [
            "Decisions about a person; any product, dose or setting as if it had been tested there."
        ],
        "What goes in": [
            f"Known {content['predictors'][0]['time']}: "
            + "; ".join(
                one["label"]
                + (f" ({one['unit']})" if one["unit"] != "1" else "")
                + (" *" if one["may_be_missing"] else "")
                for one in content["predictors"]
            )
            + ".",
            "* may be missing.",
        ],
        "What it was made from": [
            f"{model['n_patients']:,} patients, {model['n_events']:,} with the event."
            f" {data['source']}"
        ],
        "How good it is": [
            (
                f"Judged in {pooled['n']:,} patients, {pooled['n_events']:,} with the event."
                f" {data['split']}"
            ),
            (
                "AUROC among patients of one product"
                f" {estimate_in_words(pooled['auroc_within_product'])}; all products mixed"
                f" {estimate_in_words(pooled['auroc'])}."
            ),
            (
                "Calibration: observed / expected"
                f" {estimate_in_words(calibration['observed_to_expected'])}, slope"
                f" {estimate_in_words(calibration['slope'])}, intercept (slope fixed at 1)"
                f" {estimate_in_words(calibration['in_the_large'])}."
            ),
            f"Scaled Brier score {estimate_in_words(pooled['scaled_brier'])}.",
        ],
        "For whom": groups,
        "How stable a risk is": _stability(content),
        "What it cannot say": [NOTICE, *content["limits"]],
    }
    return {
        "title": f"Model card: {model['label']}",
        "notice": NOTICE,
        "parts": [{"title": title, "lines": lines} for title, lines in parts.items() if lines],
    }


def _stability(content: Content) -> list[str]:
    found = content["instability"]
    if found is None or "not_estimable" in found:
        return []
    said = [
        "From one development to the next a risk moves by"
        f" {number(100 * found['mean_mape']['value'], digits=1)} of 100 on average."
    ]
    return said + [
        f"At a threshold of {of_100(float(at))} of 100, {number(100 * share['value'], digits=0)} of"
        " 100 patients change sides."
        for at, share in found["classification"].items()
    ]


def model_card_markdown(card: Mapping[str, Any]) -> str:
    """The card as Markdown.

    >>> print(model_card_markdown({"title": "A", "notice": "N", "parts": [{"title": "B", "lines": ["c"]}]}))
    # A
    <BLANKLINE>
    **N**
    <BLANKLINE>
    ## B
    <BLANKLINE>
    - c
    <BLANKLINE>
    """
    lines = [f"# {card['title']}", "", f"**{card['notice']}**", ""]
    for part in card["parts"]:
        lines += [f"## {part['title']}", "", *(f"- {line}" for line in part["lines"]), ""]
    return "\n".join(lines)


# Model facts: the short card that a released model carries, from its contract alone; a dictionary,
# then plain text.


_USE = (
    "Research into cytokine release syndrome after T-cell engaging therapy of solid tumours, on"
    " simulated patients."
)
_NOT_USE = (
    "Not for decisions about patients. Not for products, tumours or times of prediction other than"
    " those named here: the model then warns, or refuses."
)


def model_facts(model: RiskModel) -> dict[str, Any]:
    """What the model predicts, from what, made of whom, and what it is not for; JSON-ready."""
    contract = model.contract
    when = (
        "before the first dose"
        if not contract.landmark_h
        else f"{contract.landmark_h} h after the first dose"
    )
    variables = [
        {
            "name": one.name,
            "label": one.label,
            "unit": one.unit,
            "kind": one.kind,
            "role": one.role,
            "why": one.why,
        }
        for one in contract.variables
    ]
    return {
        "model": model.label,
        "notice": MODEL_NOTICE,
        "use": _USE,
        "not_for": _NOT_USE,
        "predicts": contract.outcome_in_words,
        "window_d": dict(contract.window_d),
        "predicted": when,
        "products": list(contract.products),
        "n_patients": contract.n_patients,
        "n_events": contract.n_events,
        "data_are": model.manifest.get("data_are", "unknown"),
        "variables": variables,
        "calibration": model.calibrator.model_dump(),
        "made": dict(model.manifest),
    }


def as_markdown(facts: dict[str, Any]) -> str:
    """The facts as a page of Markdown."""
    windows = ", ".join(
        f"{days:g} days" if name == "default" else f"{name} {days:g} days"
        for name, days in facts["window_d"].items()
    )
    rows = [
        f"| {one['label']} | {'' if one['unit'] == '1' else one['unit']} | {one['kind']},"
        f" {one['role']} | {one['why']} |"
        for one in facts["variables"]
    ]
    return "\n".join(
        [
            f"# {facts['model']}",
            "",
            f"**{facts['notice']}**",
            "",
            (
                f"- Predicts: {facts['predicts']}, within {windows} of the first dose; predicted"
                f" {facts['predicted']}."
            ),
            f"- For: {facts['use']}",
            f"- Not for: {facts['not_for']}",
            (
                f"- Fitted to {facts['n_patients']:,} patients ({facts['data_are']}),"
                f" {facts['n_events']:,} with the event; calibration:"
                f" {facts['calibration']['method']}."
            ),
            f"- Products: {', '.join(facts['products']) or 'none named'}.",
            "",
            "| variable | unit | what it is | why |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
