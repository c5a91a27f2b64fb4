"""TRIPOD+AI: what a report of a prediction model should say, answered from the run (27 items, 52 with their parts).

Collins et al., BMJ 2024;385:e078378. The short texts are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.checklist import Item, answered

SOURCE = "Collins GS et al. TRIPOD+AI statement. BMJ 2024;385:e078378"


def _item(number: str, part: str, asks: str, kind: Any, *facts: str, at: tuple[str, ...] = ()) -> Item:
    return Item(number, part, asks, kind, facts, None, at)


ITEMS = (
    _item("1", "Title", "what is developed or judged, for whom, which outcome", "prefilled", "title"),
    _item("2", "Abstract", "a structured summary", "prefilled", "abstract"),
    _item("3a", "Background", "the medical setting and existing models", "human"),
    _item("3b", "Background", "who is to use it, where in care", "human"),
    _item("3c", "Background", "known inequalities in health", "human"),
    _item("4", "Objectives", "development, evaluation, or both", "prefilled", "objective"),
    _item("5a", "Data", "where the data come from, for development and evaluation", "prefilled", "data_source"),
    _item("5b", "Data", "dates of the data", "prefilled", "dates"),
    _item("6a", "Participants", "setting, number and place of centres", "prefilled", "centres"),
    _item("6b", "Participants", "who could take part", "prefilled", "eligibility", at=("data",)),
    _item("6c", "Participants", "treatments received and how they were handled", "prefilled", "treatments"),
    _item("7", "Preparation", "how data were checked and prepared, alike in all groups", "automatic", "preprocessing"),
    _item("8a", "Outcome", "what is predicted, over which time, how assessed", "prefilled", "outcome"),
    _item("8b", "Outcome", "who assessed the outcome", "prefilled", "assessors"),
    _item("8c", "Outcome", "whether the assessment was blind", "prefilled", "blinding"),
    _item("9a", "Predictors", "which were considered, and why", "automatic", "predictors", at=("predictors",)),
    _item("9b", "Predictors", "definition, unit, time of measurement", "automatic", "predictor_times", at=("predictors",)),
    _item("9c", "Predictors", "who measured them, and blind to what", "prefilled", "predictor_assessors"),
    _item("10", "Sample size", "how it was reached, with a calculation", "automatic", "sample_size", at=("sample_size",)),
    _item("11", "Missing data", "how they were handled, and why values are omitted", "automatic", "missing",
          at=("missing",)),
    _item("12a", "Analysis", "how the data were split and used", "automatic", "split", at=("data",)),
    _item("12b", "Analysis", "how predictors enter the model", "automatic", "transformations"),
    _item("12c", "Analysis", "type of model, tuning, internal validation", "automatic", "model_type", "tuning",
          "internal_validation", at=("optimism",)),
    _item("12d", "Analysis", "heterogeneity between places", "automatic", "heterogeneity", at=("internal_external",)),
    _item("12e", "Analysis", "which measures of performance, and why", "automatic", "measures", at=("evaluation.methods",)),
    _item("12f", "Analysis", "updating of the model", "prefilled", "updating"),
    _item("12g", "Analysis", "how risks are computed in evaluation", "automatic", "prediction"),
    _item("13", "Class imbalance", "whether it was treated, and recalibrated after", "automatic", "imbalance"),
    _item("14", "Fairness", "what was done about it", "automatic", "fairness", at=("subgroups",)),
    _item("15", "Output", "what the model gives, and thresholds with their reason", "prefilled", "output", "threshold"),
    _item("16", "Development against evaluation", "differences in setting, people, outcome, predictors", "automatic",
          "differences", at=("data",)),
    _item("17", "Ethics", "approval and consent", "prefilled", "ethics"),
    _item("18a", "Open science", "funding", "human"),
    _item("18b", "Open science", "conflicts of interest", "human"),
    _item("18c", "Open science", "protocol", "human"),
    _item("18d", "Open science", "registration", "human"),
    _item("18e", "Open science", "where the data are", "prefilled", "data_sharing"),
    _item("18f", "Open science", "where the code is", "prefilled", "code_sharing"),
    _item("19", "Patients and public", "their part in the work", "human"),
    _item("20a", "Participants", "how many there were at each stage, events, follow-up", "automatic", "flow", at=("data",)),
    _item("20b", "Participants", "who they were, with missing values", "automatic", "characteristics", at=("missing",)),
    _item("20c", "Participants", "how predictors differ between development and evaluation", "automatic", "differences",
          at=("data",)),
    _item("21", "Development", "patients and events of each analysis", "automatic", "development_size", at=("data",)),
    _item("22", "Specification", "the whole model, so that others can use it", "automatic", "specification", at=("model",)),
    _item("23a", "Performance", "estimates with intervals, in groups too", "automatic", "performance",
          at=("evaluation.pooled.auroc", "evaluation.pooled.calibration", "evaluation.pooled.net_benefit", "subgroups")),
    _item("23b", "Performance", "heterogeneity between places", "automatic", "heterogeneity_found",
          at=("internal_external",)),
    _item("24", "Updating", "results of updating", "prefilled", "updating"),
    _item("25", "Interpretation", "what the results mean, fairness included", "human"),
    _item("26", "Limitations", "what limits them", "prefilled", "limitations"),
    _item("27a", "Usability", "how poor or missing input is handled", "automatic", "poor_input"),
    _item("27b", "Usability", "what users must do and know", "human"),
    _item("27c", "Usability", "next steps", "human"),
)


def tripod_ai(*, facts: Mapping[str, str], content: Mapping[str, Any]) -> dict[str, Any]:
    """The checklist answered; see :func:`crsrisk.report.checklist.answered`.

    >>> made = tripod_ai(facts={"title": "A model"}, content={})
    >>> made["items"][0]["text"], made["counts"]["prefilled"]
    ('A model', 1)
    """
    return answered(ITEMS, name="TRIPOD+AI", source=SOURCE, facts=facts, checks={}, content=content)
