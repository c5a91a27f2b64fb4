"""The evaluation of risks that another model gave: the sections of an evaluation that need no
model, as one typed result and a page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.evaluation.subgroups import Subgroup
from crsrisk.report.answers import judged_in_words
from crsrisk.report.evaluation_facts import EvaluationData
from crsrisk.report.evaluation_sections import performance_section, subgroups_section
from crsrisk.report.sections import Section, numbered
from crsrisk.results import Result

FORMAT = "crsrisk-risk-column-1"
LIMITS = (
    "Nothing is known here of the model that gave these risks: whether these patients are among"
    " those it was developed on, over which time it speaks, and what it reads.",
    "No checklist is answered and no model card made: both are about a model.",
)


@dataclass(frozen=True, repr=False)
class RiskColumnEvaluation(Result):
    """How good a column of risks is in patients whose outcomes are known.

    ``manifest``: how it was made. ``sections`` say the figures for people.
    """

    title: str
    notice: str
    question: str
    event: str
    window: str
    threshold: float
    data: EvaluationData
    evaluation: Evaluation
    subgroups: tuple[Subgroup, ...]
    manifest: Mapping[str, Any]
    limits: tuple[str, ...]
    sections: tuple[Section, ...]
    # what only the evaluation of a model has
    model_card: None = None
    tripod_ai: None = None
    probast_ai: None = None

    @property
    def answer(self) -> str:
        """What stands first on the page."""
        return judged_in_words(self.evaluation, ending=self.notice)

    def summary(self) -> str:
        """The title and what the figures say, in one sentence."""
        return f"{self.title}\n{self.sections[0].lead}\n{self.notice}"

    def to_dict(self) -> dict[str, Any]:
        """What `evaluation.json` holds: every field under its name."""
        plain = {"format": FORMAT, **super().to_dict()}
        return {
            name: value
            for name, value in plain.items()
            if name not in ("model_card", "tripod_ai", "probast_ai")
        }


def build_risk_column_evaluation(
    *,
    column: str,
    event: str,
    data: EvaluationData,
    evaluation: Evaluation,
    subgroups: Sequence[Subgroup],
    threshold: float,
    manifest: Mapping[str, Any],
) -> RiskColumnEvaluation:
    """Figures as a page and as JSON; of single patients nothing is kept."""
    labels = {name: name.replace("_", " ") for name in evaluation.by_group}
    sections = [performance_section(evaluation, labels=labels)]
    if subgroups:
        sections.append(subgroups_section(subgroups, {}, threshold=threshold))
    made = RiskColumnEvaluation(
        title=f"Evaluation of the risks in {column}",
        notice=f"Research use. Risks of a model from elsewhere, evaluated in {data.who}.",
        question=f"How good are the risks in the column {column}?",
        event=event,
        window="over the time in which the table counts it",
        threshold=threshold,
        data=data,
        evaluation=evaluation,
        subgroups=tuple(subgroups),
        manifest=manifest,
        limits=LIMITS,
        sections=numbered(sections),
    )
    json.dumps(made.to_dict(), allow_nan=False)
    return made
