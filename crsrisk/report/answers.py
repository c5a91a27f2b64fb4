"""Answers: what stands first on a page, in at most 120 words, for who reads nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.results import Estimate, NotEstimable
from crsrisk.wording import estimate_in_words, number

MOST_WORDS = 120


def judged_in_words(evaluation: Evaluation, *, ending: str) -> str:
    """How good the risks of a model are; ``ending`` is the last sentence, for the page's own."""
    pooled = evaluation.pooled
    calibration = pooled.calibration
    told = [
        f"Judged on {number(pooled.n, digits=0)} patients, {number(pooled.n_events, digits=0)} with"
        " the event."
    ]
    if isinstance(evaluation.auroc_within_groups, NotEstimable):
        told.append(f"AUROC {estimate_in_words(pooled.auroc)}.")
    else:
        told.append(
            "Of two patients of one product, with and without the event, the model gives the"
            f" higher risk to the right patient in {_of_100(evaluation.auroc_within_groups)} of 100"
            f" pairs; over products mixed in {_of_100(pooled.auroc)}."
        )
    told.append(_level_in_words(calibration.observed_to_expected))
    if not isinstance(calibration.slope, NotEstimable):
        told.append(
            f"Calibration slope {estimate_in_words(calibration.slope)}, ideal 1: below it high"
            " risks are too high and low ones too low."
        )
    return within_words([*told, ending])


def _level_in_words(ratio: Estimate | NotEstimable) -> str:
    if isinstance(ratio, NotEstimable):
        return "Whether the risks are right on average cannot be told from so few events."
    return (
        f"For each 100 events expected {number(100 * ratio.value, digits=0)} came"
        f" ({number(100 * ratio.low, digits=0)} to {number(100 * ratio.high, digits=0)})."
    )


def _of_100(share: Estimate | NotEstimable) -> str:
    if isinstance(share, NotEstimable):
        return "an unknown number"
    if share.low != share.low:
        return number(100 * share.value, digits=0)
    low, high = (number(100 * end, digits=0) for end in (share.low, share.high))
    return f"{number(100 * share.value, digits=0)} ({low} to {high})"


def within_words(sentences: Sequence[str], *, most: int = MOST_WORDS) -> str:
    """The last sentence, and before it as many of the first ones as fit.

    >>> within_words(["One two.", "Three four five.", "The end."], most=5)
    'One two. The end.'
    """
    *first, last = [one for one in sentences if one]
    told, left = [], most - len(last.split())
    for sentence in first:
        left -= len(sentence.split())
        if left < 0:
            break
        told.append(sentence)
    return " ".join([*told, last])
