"""Answers: short whatever is known, and honest about what is not."""

from __future__ import annotations

from dataclasses import replace

from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.report.answers import MOST_WORDS, judged_in_words, within_words
from crsrisk.report.content import ReportContent
from crsrisk.results import Estimate, NotEstimable

END = "Nothing here was tested on a real patient."


def test_the_caveat_stays_and_whole_sentences_go() -> None:
    long = [f"{'word ' * 59}{at}." for at in range(3)]
    told = within_words([*long, END])
    assert len(told.split()) == 60 + len(END.split())
    assert told.endswith(END)
    assert within_words(["", END]) == END


def test_what_a_model_does_is_said_in_patients_of_100(content: ReportContent) -> None:
    evaluation = content.evaluation
    told = judged_in_words(evaluation, ending=END)
    assert len(told.split()) <= MOST_WORDS
    auroc = evaluation.pooled.auroc
    assert isinstance(auroc, Estimate)
    share = round(100 * auroc.value)
    assert f"over products mixed in {share} (" in told
    assert told.startswith(f"Judged on {evaluation.pooled.n} patients, ")
    assert told.endswith(END)


def test_what_cannot_be_told_is_not_told(content: ReportContent) -> None:
    evaluation: Evaluation = content.evaluation
    nothing = NotEstimable("no events")
    calibration = replace(
        evaluation.pooled.calibration, slope=nothing, observed_to_expected=nothing
    )
    bare = replace(
        evaluation,
        auroc_within_groups=nothing,
        pooled=replace(evaluation.pooled, calibration=calibration),
    )
    told = judged_in_words(bare, ending=END)
    assert "cannot be told from so few events" in told
    assert "slope" not in told
    assert "Of two patients" not in told
