"""Model card and model facts: what a model is, for whom, how good, and what it cannot say.

The card is answered from an evaluation; the facts, shorter, travel with a released model and come
from its contract alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crsrisk.data.explanation import INTERVAL_NAMES
from crsrisk.data.risk_model import Calibrator
from crsrisk.evaluation.optimism import InstabilityByRisk
from crsrisk.model.companions import Companions
from crsrisk.model.risk_model import (
    DISTRIBUTED,
    RiskModel,
    class_in_words,
    distance_in_words,
    distributed_in_words,
)
from crsrisk.report.evaluation_facts import Findings
from crsrisk.results import Result
from crsrisk.wording import estimate_in_words, in_markdown, number, of_100, plain_name

_USE = (
    "Research into cytokine release syndrome after T-cell engaging therapy of solid tumours, on"
    " simulated patients."
)
_USE_OF_A_TABLE = "Research into {outcome}, in patients like those that it was fitted to."
_NOT_USE = (
    "Not for decisions about patients. Not for products, tumours or times of prediction other than"
    " those named here: the model then warns, or refuses."
)


@dataclass(frozen=True)
class CardPart:
    """A heading of the card, and the lines below it."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class ModelCard:
    """One page that travels with a model."""

    title: str
    notice: str
    parts: tuple[CardPart, ...]


def model_card(findings: Findings) -> ModelCard:
    """The card of an evaluated model; parts without a line are left out."""
    model = findings.model
    parts = {
        "What it is": [
            model.about,
            f"Output: a probability. Event: {findings.event}, {findings.window}.",
        ],
        "What it is for": [
            "Research and teaching: to see how such a model reasons and how it is evaluated."
        ],
        "What it is not for": [
            "Decisions about a person; any product, dose or setting as if it had been tested there."
        ],
        "What goes in": _inputs(findings),
        "What it was made from": [
            f"Fitted to {model.made_from}.",
        ],
        "How good it is": _performance(findings),
        "For whom": [
            f"{plain_name(group.variable)}, {group.label}: {group.n:,} patients,"
            f" {group.n_events:,} events, AUROC {estimate_in_words(group.auroc)}, observed /"
            f" expected {estimate_in_words(group.observed_to_expected)}"
            for group in findings.subgroups
        ],
        "How stable a risk is": _stability(findings),
        "What it cannot say": [findings.notice, *findings.limits],
    }
    return ModelCard(
        title=f"Model card: {model.label}",
        notice=findings.notice,
        parts=tuple(CardPart(title, tuple(lines)) for title, lines in parts.items() if lines),
    )


def _inputs(findings: Findings) -> list[str]:
    variables = [
        variable.label
        + (f" ({variable.unit})" if variable.unit != "1" else "")
        + (" *" if variable.may_be_missing else "")
        for variable in findings.predictors
    ]
    return [f"Known {findings.predictors[0].time}: {'; '.join(variables)}.", "* may be missing."]


def _performance(findings: Findings) -> list[str]:
    evaluation, pooled = findings.evaluation, findings.evaluation.pooled
    calibration = pooled.calibration
    return [
        (
            f"Evaluated in {pooled.n:,} patients, {pooled.n_events:,} with the event."
            f" {findings.data.split}"
        ),
        (
            "AUROC among patients of one product"
            f" {estimate_in_words(evaluation.auroc_within_groups)}; all products mixed"
            f" {estimate_in_words(pooled.auroc)}."
        ),
        (
            "Calibration: observed / expected"
            f" {estimate_in_words(calibration.observed_to_expected)}, slope"
            f" {estimate_in_words(calibration.slope)}, intercept (slope fixed at 1)"
            f" {estimate_in_words(calibration.in_the_large)}."
        ),
        f"Scaled Brier score {estimate_in_words(pooled.scaled_brier)}.",
    ]


def _stability(findings: Findings) -> list[str]:
    instability = findings.instability
    if not isinstance(instability, InstabilityByRisk):
        return []
    mean = number(100 * instability.mean_mape.value, digits=1)
    return [
        f"From one development to the next a risk moves by {mean} of 100 on average.",
        *(
            f"At a threshold of {of_100(float(at))} of 100,"
            f" {number(100 * share.value, digits=0)} of 100 patients change sides."
            for at, share in instability.classification.items()
        ),
    ]


def model_card_markdown(card: ModelCard) -> str:
    """The card as Markdown.

    >>> print(model_card_markdown(ModelCard("A", "N", (CardPart("B", ("c",)),))))
    # A
    <BLANKLINE>
    **N**
    <BLANKLINE>
    ## B
    <BLANKLINE>
    - c
    <BLANKLINE>
    """
    lines = [f"# {card.title}", "", f"**{card.notice}**", ""]
    for part in card.parts:
        lines += [f"## {part.title}", "", *(f"- {line}" for line in part.lines), ""]
    return "\n".join(lines)


@dataclass(frozen=True)
class VariableFacts:
    """One clinical variable of a model, and why it is there."""

    name: str
    label: str
    unit: str
    kind: str
    role: str
    why: str


@dataclass(frozen=True, repr=False)
class ModelFacts(Result):
    """What a model predicts, from what, made of whom, and what it is not for.

    ``window_d``: days over which the outcome is counted, by platform. ``predicted``: when.
    ``model_class``: what class of model it is, in
    words. ``intervals`` of single risks and what they hold; ``reasons``: which Shapley values they
    are. ``made_from``: which patients. ``made``: the manifest.
    """

    model: str
    notice: str
    use: str
    not_for: str
    predicts: str
    model_class: str
    window_d: Mapping[str, float]
    predicted: str
    products: tuple[str, ...]
    n_patients: int
    n_events: int
    made_from: str
    variables: tuple[VariableFacts, ...]
    calibration: Calibrator
    intervals: str
    reasons: str
    made: Mapping[str, Any]

    def summary(self) -> str:
        """The model and what it predicts."""
        return f"{self.model} predicts {self.predicts} {self.predicted}. {self.notice}"


def model_facts(model: RiskModel, beside: Companions) -> ModelFacts:
    """The facts of a model, from its contract and what stands beside it."""
    contract = model.contract
    return ModelFacts(
        model=model.label,
        notice=model.notice,
        use=(
            _USE
            if model.provenance.is_simulated
            else _USE_OF_A_TABLE.format(outcome=contract.outcome_in_words)
        ),
        not_for=_NOT_USE,
        predicts=contract.outcome_in_words,
        model_class=class_in_words(model)
        + ("" if model.applicability is None else f" {distance_in_words(model)}"),
        window_d=dict(contract.window_d),
        predicted=(
            f"{contract.landmark_h} h after the first dose"
            if contract.landmark_h
            else "before the first dose"
        ),
        products=tuple(contract.products),
        n_patients=contract.n_patients,
        n_events=contract.n_events,
        made_from=model.provenance.in_words,
        variables=tuple(
            VariableFacts(
                name=variable.name,
                label=variable.said_label,
                unit=variable.unit,
                kind=variable.kind,
                role=variable.role,
                why=variable.why,
            )
            for variable in contract.variables
        ),
        calibration=model.calibrator,
        intervals=_intervals(beside),
        reasons=(
            "exact interventional Shapley values of clinical variables, against the median training"
            " patient of the same product"
        ),
        made=dict(model.manifest),
    )


def _intervals(beside: Companions) -> str:
    """By what names intervals of single risks go, and what they come from."""
    n = 0 if beside.refits is None else len(beside.refits)
    alone = f"{INTERVAL_NAMES['refitting']} ({n} refits)" if n else ""
    if beside.worlds is None:
        return f"{alone} alone: what assumptions leave open is not in it" if n else "none"
    return (
        f"{INTERVAL_NAMES['refitting and assumptions']}, from {beside.worlds.n_members} worlds of"
        " the ensemble; of a product that it was not trained on also differences between products"
        + (f"; beside it the {alone[0].lower()}{alone[1:]}" if n else "")
    )


def as_markdown(facts: ModelFacts) -> str:
    """The facts as a page of Markdown."""
    windows = ", ".join(
        f"{days:g} days" if name == "default" else f"{in_markdown(name)} {days:g} days"
        for name, days in facts.window_d.items()
    )
    rows = [
        f"| {in_markdown(variable.label)} |"
        f" {'' if variable.unit == '1' else in_markdown(variable.unit)} |"
        f" {variable.kind}, {variable.role} | {in_markdown(variable.why)} |"
        for variable in facts.variables
    ]
    return "\n".join(
        [
            f"# {in_markdown(facts.model)}",
            "",
            f"**{facts.notice}**",
            "",
            (
                f"- Predicts: {in_markdown(facts.predicts)}, within {windows} of the first dose;"
                f" predicted {facts.predicted}."
            ),
            f"- Is: {in_markdown(facts.model_class)}",
            f"- For: {facts.use}",
            f"- Not for: {facts.not_for}",
            (
                f"- Fitted to {facts.made_from}; calibration:"
                f" {in_markdown(facts.calibration.method)}."
            ),
            *(
                [f"- Fitted on a cluster: {in_markdown(distributed_in_words(facts.made))}"]
                if DISTRIBUTED in facts.made
                else []
            ),
            f"- Products: {', '.join(map(in_markdown, facts.products)) or 'none named'}.",
            f"- Intervals: {facts.intervals}.",
            f"- Reasons: {facts.reasons}.",
            "",
            "| variable | unit | what it is | why |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
