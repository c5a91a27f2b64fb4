"""Example patients of the report: absolute risk first, then reasons, then what dose 1 taught.

Nothing here is advice; every risk carries its event, its window, what its interval covers, and the
notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crsrisk.data.explanation import IntervalHolds, Reason
from crsrisk.data.risk_model import MedianPatient
from crsrisk.errors import InputError
from crsrisk.plots.chart_data import IconArray, ReasonBar
from crsrisk.report.bedside import (
    EVENTS,
    DescribedValue,
    RiskInWords,
    ShownReasons,
    reference_in_words,
    risk_with_interval,
    shown_reasons,
)
from crsrisk.results import Estimate
from crsrisk.wording import NOTICE, about_of_100, hours_in_words, number, typeset, window_in_words


@dataclass(frozen=True)
class LaterEstimate:
    """The risk (0-1) of grade 2 or more from dose 2 on, and what was known by then.

    ``interval_covers``: what the interval holds and what it does not (no full stop); ``known``:
    sentences about the days after dose 1; ``dose_2_h``: hours from dose 1 to dose 2.
    """

    risk_grade2plus: Estimate
    interval_covers: str
    dose_2_h: float
    known: tuple[str, ...]


@dataclass(frozen=True)
class Resimulated:
    """How many of ``n`` simulations of the same patient had CRS of grade 2 or more."""

    n: int
    n_grade2plus: int


@dataclass(frozen=True)
class Example:
    """Numbers about one patient, before any word is said about them.

    Parameters
    ----------
    name, product : who he is called, and what he gets (name of the product).
    window_d : days after the first dose that count.
    description : what is known before the first dose.
    risk_grade2plus, risk_grade3plus : risks (0-1) with their intervals.
    interval_covers, interval_holds : what the intervals hold and what they do not (no full stop),
        and by what name they go.
    compared_with : whose risk the reasons start from.
    base_risk : the risk (0-1) from which the reasons start.
    reasons : all of them.
    before_dose_2 : the later estimate, or why there is none, as a sentence.
    resimulated : what the simulator says of the same patient; None for a real one.
    """

    name: str
    product: str
    window_d: float
    description: tuple[DescribedValue, ...]
    risk_grade2plus: Estimate
    risk_grade3plus: Estimate
    interval_covers: str
    compared_with: MedianPatient
    base_risk: float
    reasons: tuple[Reason, ...]
    before_dose_2: LaterEstimate | str
    resimulated: Resimulated | None = None
    interval_holds: IntervalHolds = "refitting"


@dataclass(frozen=True)
class ExampleRisks:
    """Both risks of one patient."""

    grade2plus: RiskInWords
    grade3plus: RiskInWords


@dataclass(frozen=True)
class BeforeDose2:
    """How the estimate changes before dose 2; ``risk`` is None where ``reason`` says why.

    ``is_same_cover``: the interval covers what the first one covers.
    """

    title: str
    reason: str = ""
    known: tuple[str, ...] = ()
    change: str = ""
    risk: RiskInWords | None = None
    is_same_cover: bool = True


@dataclass(frozen=True)
class ExamplePatient:
    """One example patient as the page shows him.

    ``product`` by its label; ``icons``: one hundred patients like him; ``resimulated``: the truth
    beside the estimate, "" where it is not known.
    """

    key: str
    name: str
    product: str
    window_d: float
    notice: str
    description: tuple[DescribedValue, ...]
    risks: ExampleRisks
    interval_covers: str
    warnings: tuple[str, ...]
    icons: IconArray
    reasons: ShownReasons
    resimulated: str
    before_dose_2: BeforeDose2

    @property
    def bars(self) -> tuple[ReasonBar, ...]:
        """What the figure of his reasons is drawn from, all others together last."""
        shown = (*self.reasons.up, *self.reasons.down)
        return (
            *(
                ReasonBar(f"{reason.label}: {reason.value}", reason.of_100, reason.theme)
                for reason in shown
            ),
            ReasonBar("All other variables", self.reasons.rest_of_100),
        )


def example_patient(
    example: Example, *, at: int, product_labels: Mapping[str, str]
) -> ExamplePatient:
    """One example patient in words; ``at``: his place on the page, from 0.

    Raises :class:`InputError` for a risk outside 0-1 or an interval upside down.
    """
    key = f"examples[{at}]"
    grade2plus, grade3plus = (
        risk_with_interval(
            estimate,
            covers=example.interval_covers,
            event=EVENTS[name],
            window_d=example.window_d,
            key=f"{key}.risk_{name}",
            holds=example.interval_holds,
        )
        for name, estimate in (
            ("grade2plus", example.risk_grade2plus),
            ("grade3plus", example.risk_grade3plus),
        )
    )
    is_nested = grade3plus.risk <= grade2plus.risk
    return ExamplePatient(
        key=f"patient-{at + 1}",
        name=example.name,
        product=typeset(product_labels.get(example.product, example.product)),
        window_d=example.window_d,
        notice=NOTICE,
        description=example.description,
        risks=ExampleRisks(grade2plus, grade3plus),
        interval_covers=example.interval_covers,
        warnings=(
            ()
            if is_nested
            else (
                "Two models speak here, and for this patient they contradict each other: grade 3"
                " or more cannot be more likely than grade 2 or more. Both numbers are unsure; the"
                " icons show grade 2 or more alone.",
            )
        ),
        icons=IconArray(
            n_grade2plus=grade2plus.of_100,
            n_grade3plus=grade3plus.of_100 if is_nested else None,
            sentence=grade2plus.sentence,
        ),
        reasons=shown_reasons(
            example.reasons,
            base_risk=example.base_risk,
            risk=grade2plus.risk,
            key=key,
            labels=product_labels,
            reference=reference_in_words(example.compared_with, labels=product_labels),
        ),
        resimulated=_resimulated(example.resimulated, window_d=example.window_d),
        before_dose_2=_before_dose_2(example, before=grade2plus, key=f"{key}.before_dose_2"),
    )


def _resimulated(again: Resimulated | None, *, window_d: float) -> str:
    """The truth beside the estimate, which only a simulated patient has."""
    if again is None:
        return ""
    if not 0 <= again.n_grade2plus <= again.n or again.n < 1:
        raise InputError(
            where="report",
            key="resimulated",
            found=f"{again.n_grade2plus} of {again.n}",
            expected="events among runs",
            cure="pass the number of repetitions as n and those with the event as n_grade2plus",
        )
    return (
        f"This patient is simulated, so the simulator can be asked: of {number(again.n, digits=0)}"
        " simulated patients with the same values in this table,"
        f" {about_of_100(again.n_grade2plus / again.n)} of 100 had {EVENTS['grade2plus']}"
        f" {window_in_words(window_d)}."
    )


def _before_dose_2(example: Example, *, before: RiskInWords, key: str) -> BeforeDose2:
    """How the estimate changes before dose 2, or why there is none."""
    later = example.before_dose_2
    if isinstance(later, str):
        return BeforeDose2("Before dose 2", reason=later)
    return BeforeDose2(
        title=f"Before dose 2, {hours_in_words(later.dose_2_h)} after dose 1",
        known=tuple(typeset(sentence) for sentence in later.known),
        change=(
            f"Before the first dose the estimate was {before.count} of 100, for grade 2 or more"
            " at any dose. The new one counts only what comes from dose 2 on, in patients without"
            " grade 2 or more so far."
        ),
        risk=risk_with_interval(
            later.risk_grade2plus,
            covers=later.interval_covers,
            event=f"{EVENTS['grade2plus']} at dose 2 or later",
            window_d=example.window_d,
            key=key,
            whom="patients like this one whose days after dose 1 went as they did here",
        ),
        is_same_cover=later.interval_covers == example.interval_covers,
    )
