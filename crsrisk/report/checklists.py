"""Checklists answered from a run: each item automatic, prefilled or left to a human, with a pointer
to its evidence.

A run states *facts* (sentences about what was done, made by the program or taken from its settings)
and *checks* (questions that the program can decide, with the reason). An item of a checklist names
the facts and checks that answer it. What is said here about an item is in this project's own words:
check against the official checklist before use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crsrisk.results import NotEstimable
from crsrisk.wording import typeset

Kind = Literal["automatic", "prefilled", "human"]

CHECK_WORDING = (
    "Item texts are short paraphrases by this project, made from secondary sources: check against"
    " the official checklist."
)
NOT_HERE = (
    "This run has nothing about it; it belongs to the development of the model, or to a human."
)
KINDS: Mapping[Kind, str] = {
    "automatic": "computed from the run",
    "prefilled": "filled from settings and manifests; the author confirms",
    "human": "left to a human",
}


@dataclass(frozen=True)
class Item:
    """One item: its number and part in the checklist, what it asks in our words, how it can be
    answered at best.

    ``facts``: names of the facts that answer it, in order. ``check``: the check that decides a
    question (PROBAST+AI). ``evidence``: places in the evaluation (dotted keys), of which those that
    are there are pointed to.
    """

    number: str
    part: str
    asks: str
    kind: Kind
    facts: tuple[str, ...] = ()
    check: str | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """A question that the program decided (None: a human must), and why."""

    answer: bool | None
    why: str


@dataclass(frozen=True)
class Answer:
    """What the run can say about an item.

    ``kind``: human where the run had nothing to say. ``answer``: yes, no, or None. ``evidence``:
    places in the evaluation that show it (dotted keys).
    """

    number: str
    part: str
    asks: str
    kind: Kind
    answer: str | None
    text: str
    evidence: tuple[str, ...]
    needs_human: bool


@dataclass(frozen=True)
class Checklist:
    """A checklist answered item by item; ``counts``: items by kind of answer. There is no overall
    verdict: that is a human's.
    """

    checklist: str
    source: str
    wording: str
    notice: str
    counts: Mapping[Kind, int]
    kinds: Mapping[Kind, str]
    items: tuple[Answer, ...]


@dataclass(frozen=True)
class ProbastAI:
    """PROBAST+AI in its two parts; ``development`` is None where the model came from elsewhere."""

    source: str
    verdict: str
    development: Checklist | None
    evaluation: Checklist


def answered(
    items: Sequence[Item],
    *,
    name: str,
    source: str,
    facts: Mapping[str, str],
    checks: Mapping[str, Check],
    content: object,
    notice: str = "",
) -> Checklist:
    """Every item with what the run can say about it; ``content``: where evidence is looked for;
    ``notice``: what stands beside every result of the run.
    """
    answers = [_answer(item, facts=facts, checks=checks, content=content) for item in items]
    kinds = [answer.kind for answer in answers]
    return Checklist(
        checklist=name,
        source=source,
        wording=CHECK_WORDING,
        notice=notice,
        counts={kind: kinds.count(kind) for kind in KINDS},
        kinds=dict(KINDS),
        items=tuple(answers),
    )


def _answer(
    item: Item,
    *,
    facts: Mapping[str, str],
    checks: Mapping[str, Check],
    content: object,
) -> Answer:
    check = checks.get(item.check) if item.check else None
    texts = [facts[name] for name in item.facts if name in facts]
    answer = None
    if check is not None:
        texts = [check.why, *texts]
        answer = None if check.answer is None else "yes" if check.answer else "no"
    is_said = bool(texts) and item.kind != "human"
    kind: Kind = item.kind if is_said and not (check is not None and answer is None) else "human"
    wanted = bool(item.facts or item.check) and item.kind != "human"
    text = " ".join(texts) if texts else NOT_HERE if wanted else "To be written by the authors."
    return Answer(
        number=item.number,
        part=item.part,
        asks=typeset(item.asks),
        kind=kind,
        answer=answer,
        text=typeset(text),
        evidence=tuple(place for place in item.evidence if is_there(content, place)),
        needs_human=kind != "automatic",
    )


def is_there(content: object, place: str) -> bool:
    """Whether a dotted place in a result holds something.

    >>> is_there(Item("1", "Title", "", "human"), "number")
    True
    """
    at: object = content
    for name in place.split("."):
        at = getattr(at, name, None)
    return at is not None and not isinstance(at, NotEstimable)


# TRIPOD+AI: what a report of a prediction model should say, answered from the run (27 items, 52
# with their parts).
#
# Collins et al., BMJ 2024;385:e078378. The short texts are ours.


TRIPOD_SOURCE = "Collins GS et al. TRIPOD+AI statement. BMJ 2024;385:e078378"


def _item(
    number: str, part: str, asks: str, kind: Kind, *facts: str, at: tuple[str, ...] = ()
) -> Item:
    return Item(number, part, asks, kind, facts, None, at)


ITEMS = (
    _item(
        "1", "Title", "what is developed or judged, for whom, which outcome", "prefilled", "title"
    ),
    _item("2", "Abstract", "a structured summary", "prefilled", "abstract"),
    _item("3a", "Background", "the medical setting and existing models", "human"),
    _item("3b", "Background", "who is to use it, where in care", "human"),
    _item("3c", "Background", "known inequalities in health", "human"),
    _item("4", "Objectives", "development, evaluation, or both", "prefilled", "objective"),
    _item(
        "5a",
        "Data",
        "where the data come from, for development and evaluation",
        "prefilled",
        "data_source",
    ),
    _item("5b", "Data", "dates of the data", "prefilled", "dates"),
    _item("6a", "Participants", "setting, number and place of centres", "prefilled", "centres"),
    _item("6b", "Participants", "who could take part", "prefilled", "eligibility", at=("data",)),
    _item(
        "6c",
        "Participants",
        "treatments received and how they were handled",
        "prefilled",
        "treatments",
    ),
    _item(
        "7",
        "Preparation",
        "how data were checked and prepared, alike in all groups",
        "automatic",
        "preprocessing",
    ),
    _item(
        "8a", "Outcome", "what is predicted, over which time, how assessed", "prefilled", "outcome"
    ),
    _item("8b", "Outcome", "who assessed the outcome", "prefilled", "assessors"),
    _item("8c", "Outcome", "whether the assessment was blind", "prefilled", "blinding"),
    _item(
        "9a",
        "Predictors",
        "which were considered, and why",
        "automatic",
        "predictors",
        at=("predictors",),
    ),
    _item(
        "9b",
        "Predictors",
        "definition, unit, time of measurement",
        "automatic",
        "predictor_times",
        at=("predictors",),
    ),
    _item(
        "9c",
        "Predictors",
        "who measured them, and blind to what",
        "prefilled",
        "predictor_assessors",
    ),
    _item(
        "10",
        "Sample size",
        "how it was reached, with a calculation",
        "automatic",
        "sample_size",
        at=("sample_size",),
    ),
    _item(
        "11",
        "Missing data",
        "how they were handled, and why values are omitted",
        "automatic",
        "missing",
        at=("missing",),
    ),
    _item(
        "12a", "Analysis", "how the data were split and used", "automatic", "split", at=("data",)
    ),
    _item("12b", "Analysis", "how predictors enter the model", "automatic", "transformations"),
    _item(
        "12c",
        "Analysis",
        "type of model, tuning, internal validation",
        "automatic",
        "model_type",
        "tuning",
        "internal_validation",
        at=("optimism",),
    ),
    _item(
        "12d",
        "Analysis",
        "heterogeneity between places",
        "automatic",
        "heterogeneity",
        at=("internal_external",),
    ),
    _item(
        "12e",
        "Analysis",
        "which measures of performance, and why",
        "automatic",
        "measures",
        at=("evaluation.methods",),
    ),
    _item("12f", "Analysis", "updating of the model", "prefilled", "updating"),
    _item("12g", "Analysis", "how risks are computed in evaluation", "automatic", "prediction"),
    _item(
        "13",
        "Class imbalance",
        "whether it was treated, and recalibrated after",
        "automatic",
        "imbalance",
    ),
    _item("14", "Fairness", "what was done about it", "automatic", "fairness", at=("subgroups",)),
    _item(
        "15",
        "Output",
        "what the model gives, and thresholds with their reason",
        "prefilled",
        "output",
        "threshold",
    ),
    _item(
        "16",
        "Development against evaluation",
        "differences in setting, people, outcome, predictors",
        "automatic",
        "differences",
        at=("data",),
    ),
    _item("17", "Ethics", "approval and consent", "prefilled", "ethics"),
    _item("18a", "Open science", "funding", "human"),
    _item("18b", "Open science", "conflicts of interest", "human"),
    _item("18c", "Open science", "protocol", "human"),
    _item("18d", "Open science", "registration", "human"),
    _item("18e", "Open science", "where the data are", "prefilled", "data_sharing"),
    _item("18f", "Open science", "where the code is", "prefilled", "code_sharing"),
    _item("19", "Patients and public", "their part in the work", "human"),
    _item(
        "20a",
        "Participants",
        "how many there were at each stage, events, follow-up",
        "automatic",
        "flow",
        at=("data",),
    ),
    _item(
        "20b",
        "Participants",
        "who they were, with missing values",
        "automatic",
        "characteristics",
        at=("missing",),
    ),
    _item(
        "20c",
        "Participants",
        "how predictors differ between development and evaluation",
        "automatic",
        "differences",
        at=("data",),
    ),
    _item(
        "21",
        "Development",
        "patients and events of each analysis",
        "automatic",
        "development_size",
        at=("data",),
    ),
    _item(
        "22",
        "Specification",
        "the whole model, so that others can use it",
        "automatic",
        "specification",
        at=("model",),
    ),
    _item(
        "23a",
        "Performance",
        "estimates with intervals, in groups too",
        "automatic",
        "performance",
        at=(
            "evaluation.pooled.auroc",
            "evaluation.pooled.calibration",
            "evaluation.pooled.net_benefit",
            "subgroups",
        ),
    ),
    _item(
        "23b",
        "Performance",
        "heterogeneity between places",
        "automatic",
        "heterogeneity_found",
        at=("internal_external",),
    ),
    _item("24", "Updating", "results of updating", "prefilled", "updating"),
    _item("25", "Interpretation", "what the results mean, fairness included", "human"),
    _item("26", "Limitations", "what limits them", "prefilled", "limitations"),
    _item("27a", "Usability", "how poor or missing input is handled", "automatic", "poor_input"),
    _item("27b", "Usability", "what users must do and know", "human"),
    _item("27c", "Usability", "next steps", "human"),
)


def tripod_ai(*, facts: Mapping[str, str], content: object, notice: str = "") -> Checklist:
    """The checklist answered; see :func:`answered`.

    >>> made = tripod_ai(facts={"title": "A model"}, content=None)
    >>> made.items[0].text, made.counts["prefilled"]
    ('A model', 1)
    """
    return answered(
        ITEMS,
        name="TRIPOD+AI",
        source=TRIPOD_SOURCE,
        facts=facts,
        checks={},
        content=content,
        notice=notice,
    )


# PROBAST+AI: questions that reveal poor quality of development (16) and risk of bias in evaluation
# (18).
#
# Moons et al., BMJ 2025, doi 10.1136/bmj-2024-082505. The short texts are ours. What the program
# can decide it answers with yes or no and why; it never says that the risk of bias is low.


PROBAST_SOURCE = "Moons KGM et al. PROBAST+AI. BMJ 2025, doi 10.1136/bmj-2024-082505"
NO_VERDICT = (
    "No overall judgement is given: quality and risk of bias are judged by people who read the"
    " answers."
)

# number, part, question, how it can be answered at best, facts, check, evidence
_Question = tuple[str, str, str, Kind, tuple[str, ...], str | None, tuple[str, ...]]
_SHARED: tuple[_Question, ...] = (
    (
        "1.1",
        "Participants",
        "Are the data sources suitable?",
        "prefilled",
        ("data_source",),
        None,
        ("data",),
    ),
    (
        "1.2",
        "Participants",
        "Does the design suit the question?",
        "prefilled",
        ("eligibility",),
        None,
        ("data",),
    ),
    (
        "1.3",
        "Participants",
        "Do inclusions and exclusions leave those for whom the model is meant?",
        "prefilled",
        ("flow",),
        None,
        ("data",),
    ),
    (
        "2.1",
        "Predictors",
        "Are predictors defined and assessed alike for everybody?",
        "prefilled",
        ("predictor_assessors",),
        None,
        ("predictors",),
    ),
    (
        "2.2",
        "Predictors",
        "Are they prepared alike for everybody?",
        "automatic",
        (),
        "prepared_alike",
        (),
    ),
    (
        "2.3",
        "Predictors",
        "Are they assessed without knowledge of the outcome?",
        "automatic",
        (),
        "blind_predictors",
        ("predictors",),
    ),
    (
        "2.4",
        "Predictors",
        "Are all of them known when the model is to be used?",
        "automatic",
        (),
        "available",
        ("predictors",),
    ),
    ("3.1", "Outcome", "Is the outcome defined well?", "prefilled", ("outcome",), None, ()),
    (
        "3.2",
        "Outcome",
        "Is it defined and assessed alike for everybody?",
        "prefilled",
        ("assessors",),
        None,
        (),
    ),
    (
        "3.3",
        "Outcome",
        "Is it assessed without knowledge of the predictors, and are none of them part of it?",
        "automatic",
        ("blinding",),
        "not_in_outcome",
        ("predictors",),
    ),
    (
        "3.4",
        "Outcome",
        "Is the time between predictors and outcome suitable, and the same?",
        "automatic",
        (),
        "window",
        (),
    ),
)
_DEVELOPMENT: tuple[_Question, ...] = (
    (
        "4.1",
        "Analysis",
        "Are there enough patients with the outcome?",
        "automatic",
        ("sample_size",),
        "development_size",
        ("sample_size",),
    ),
    (
        "4.2",
        "Analysis",
        "Are continuous and categorical predictors handled well?",
        "automatic",
        ("transformations",),
        "not_dichotomised",
        ("predictors",),
    ),
    (
        "4.3",
        "Analysis",
        "Are missing and censored values handled well?",
        "automatic",
        (),
        "missing_handled",
        ("missing",),
    ),
    (
        "4.4",
        "Analysis",
        "If imbalance was treated, were risks recalibrated?",
        "automatic",
        (),
        "imbalance",
        (),
    ),
    (
        "4.5",
        "Analysis",
        "Was something done against overfitting?",
        "automatic",
        (),
        "overfitting",
        ("optimism",),
    ),
)
_EVALUATION: tuple[_Question, ...] = (
    (
        "4.1",
        "Analysis",
        "Is performance shown in other than the patients fitted to?",
        "automatic",
        (),
        "not_apparent",
        ("data",),
    ),
    (
        "4.2",
        "Analysis",
        "Are there enough patients with the outcome?",
        "automatic",
        (),
        "evaluation_size",
        ("evaluation.pooled.n_events",),
    ),
    (
        "4.3",
        "Analysis",
        "Are missing values handled as they will be in use?",
        "automatic",
        (),
        "missing_in_use",
        ("missing",),
    ),
    (
        "4.4",
        "Analysis",
        "If imbalance was treated, is it judged on data as they come?",
        "automatic",
        (),
        "imbalance",
        (),
    ),
    (
        "4.5",
        "Analysis",
        "Is leakage between development and evaluation excluded?",
        "automatic",
        (),
        "no_leakage",
        ("data",),
    ),
    (
        "4.6",
        "Analysis",
        "Were all steps of development repeated in resampling?",
        "automatic",
        (),
        "steps_repeated",
        ("optimism",),
    ),
    (
        "4.7",
        "Analysis",
        "Are discrimination, calibration and usefulness all shown?",
        "automatic",
        (),
        "all_three",
        (
            "evaluation.pooled.auroc",
            "evaluation.pooled.calibration.slope",
            "evaluation.pooled.net_benefit",
        ),
    ),
)


def _items(questions: Sequence[_Question], before: str) -> tuple[Item, ...]:
    return tuple(
        Item(f"{before}{number}", part, asks, kind, facts, check, evidence)
        for number, part, asks, kind, facts, check, evidence in questions
    )


DEVELOPMENT = _items((*_SHARED, *_DEVELOPMENT), "D")
EVALUATION = _items((*_SHARED, *_EVALUATION), "E")


def probast_ai(
    *,
    facts: Mapping[str, str],
    checks: Mapping[str, Check],
    content: object,
    has_development: bool,
    notice: str = "",
) -> ProbastAI:
    """Both parts answered; see :func:`answered`.

    ``has_development``: whether the run developed the model; else that part is left to whoever did
    (None).
    """

    def part(items: tuple[Item, ...], name: str) -> Checklist:
        return answered(
            items,
            name=f"PROBAST+AI, {name}",
            source=PROBAST_SOURCE,
            facts=facts,
            checks=checks,
            content=content,
            notice=notice,
        )

    return ProbastAI(
        source=PROBAST_SOURCE,
        verdict=NO_VERDICT,
        development=part(DEVELOPMENT, "quality of development") if has_development else None,
        evaluation=part(EVALUATION, "risk of bias in evaluation"),
    )
