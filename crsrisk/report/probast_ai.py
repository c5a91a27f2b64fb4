"""PROBAST+AI: questions that reveal poor quality of development (16) and risk of bias in evaluation (18).

Moons et al., BMJ 2025, doi 10.1136/bmj-2024-082505. The short texts are ours. What the program can decide it answers
with yes or no and why; it never says that the risk of bias is low.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.checklist import Item, answered

SOURCE = "Moons KGM et al. PROBAST+AI. BMJ 2025, doi 10.1136/bmj-2024-082505"
NO_VERDICT = "No overall judgement is given: quality and risk of bias are judged by people who read the answers."

_SHARED = (
    ("1.1", "Participants", "Are the data sources suitable?", "prefilled", ("data_source",), None, ("data",)),
    ("1.2", "Participants", "Does the design suit the question?", "prefilled", ("eligibility",), None, ("data",)),
    ("1.3", "Participants", "Do inclusions and exclusions leave those for whom the model is meant?", "prefilled", ("flow",),
     None, ("data",)),
    ("2.1", "Predictors", "Are predictors defined and assessed alike for everybody?", "prefilled", ("predictor_assessors",),
     None, ("predictors",)),
    ("2.2", "Predictors", "Are they prepared alike for everybody?", "automatic", (), "prepared_alike", ()),
    ("2.3", "Predictors", "Are they assessed without knowledge of the outcome?", "automatic", (), "blind_predictors",
     ("predictors",)),
    ("2.4", "Predictors", "Are all of them known when the model is to be used?", "automatic", (), "available",
     ("predictors",)),
    ("3.1", "Outcome", "Is the outcome defined well?", "prefilled", ("outcome",), None, ()),
    ("3.2", "Outcome", "Is it defined and assessed alike for everybody?", "prefilled", ("assessors",), None, ()),
    ("3.3", "Outcome", "Is it assessed without knowledge of the predictors, and are none of them part of it?", "automatic",
     ("blinding",), "not_in_outcome", ("predictors",)),
    ("3.4", "Outcome", "Is the time between predictors and outcome suitable, and the same?", "automatic", (), "window", ()),
)
_DEVELOPMENT = (
    ("4.1", "Analysis", "Are there enough patients with the outcome?", "automatic", ("sample_size",), "development_size",
     ("sample_size",)),
    ("4.2", "Analysis", "Are continuous and categorical predictors handled well?", "automatic", ("transformations",),
     "not_dichotomised", ("predictors",)),
    ("4.3", "Analysis", "Are missing and censored values handled well?", "automatic", (), "missing_handled", ("missing",)),
    ("4.4", "Analysis", "If imbalance was treated, were risks recalibrated?", "automatic", (), "imbalance", ()),
    ("4.5", "Analysis", "Was something done against overfitting?", "automatic", (), "overfitting", ("optimism",)),
)
_EVALUATION = (
    ("4.1", "Analysis", "Is performance shown in other than the patients fitted to?", "automatic", (), "not_apparent",
     ("data",)),
    ("4.2", "Analysis", "Are there enough patients with the outcome?", "automatic", (), "evaluation_size",
     ("evaluation.pooled.n_events",)),
    ("4.3", "Analysis", "Are missing values handled as they will be in use?", "automatic", (), "missing_in_use",
     ("missing",)),
    ("4.4", "Analysis", "If imbalance was treated, is it judged on data as they come?", "automatic", (),
     "imbalance", ()),
    ("4.5", "Analysis", "Is leakage between development and evaluation excluded?", "automatic", (), "no_leakage", ("data",)),
    ("4.6", "Analysis", "Were all steps of development repeated in resampling?", "automatic", (), "steps_repeated",
     ("optimism",)),
    ("4.7", "Analysis", "Are discrimination, calibration and usefulness all shown?", "automatic", (), "all_three",
     ("evaluation.pooled.auroc", "evaluation.pooled.calibration.slope", "evaluation.pooled.net_benefit")),
)


def _items(rows: Any, before: str) -> tuple[Item, ...]:
    return tuple(Item(f"{before}{number}", part, asks, kind, facts, check, at)
                 for number, part, asks, kind, facts, check, at in rows)


DEVELOPMENT = _items((*_SHARED, *_DEVELOPMENT), "D")
EVALUATION = _items((*_SHARED, *_EVALUATION), "E")


def probast_ai(
    *, facts: Mapping[str, str], checks: Mapping[str, Mapping[str, Any]], content: Mapping[str, Any], has_development: bool
) -> dict[str, Any]:
    """Both parts answered, as in :func:`crsrisk.report.checklist.answered`: `development` and `evaluation`.

    ``has_development``: whether the run developed the model; else that part is left to whoever did (None).
    """
    def part(items: tuple[Item, ...], name: str) -> dict[str, Any]:
        return answered(items, name=f"PROBAST+AI, {name}", source=SOURCE, facts=facts, checks=checks, content=content)

    return {"source": SOURCE, "verdict": NO_VERDICT,
            "development": part(DEVELOPMENT, "quality of development") if has_development else None,
            "evaluation": part(EVALUATION, "risk of bias in evaluation")}
