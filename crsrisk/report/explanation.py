"""The explanation of one patient: every number with its sentence, and the page made from it.

Warnings, the two risks with what their ranges cover, a reference patient, reasons, what would
change it, what is published, how to use the page. Every risk carries event, window and the notice;
nothing is advice. The sentences are made in :mod:`crsrisk.report.explanation_words`, the page is
that of :mod:`crsrisk.report.patient_page`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from crsrisk.data.explanation import ByGrade, Grade, MissingRange, PatientRisk
from crsrisk.data.files import write_text
from crsrisk.errors import InputError
from crsrisk.plots.chart_data import ReasonTheme
from crsrisk.report.bedside import RiskInWords, ShownReasons
from crsrisk.report.comparison import Alternative, ComparedPlan, Comparison, GradeShares
from crsrisk.report.explanation_warnings import PatientWarning, whom_in_words
from crsrisk.report.explorer import ShownProduct, page_facts
from crsrisk.report.guidance import ProductGuidance
from crsrisk.report.patient_page import (
    EnteredValue,
    GradeAnswer,
    NoAnswer,
    Note,
    NoteGroup,
    PatientPage,
    ReasonLine,
    ReasonLines,
    RiskAnswer,
    render_patient,
)
from crsrisk.report.published_rates import PublishedRate
from crsrisk.results import Estimate, NotEstimable, Result
from crsrisk.wording import about_of_100, range_of_100

AS_PLANNED = "As planned"
N_IN_SIGHT = 3  # reasons of each direction


@dataclass(frozen=True)
class Therapy:
    """The plan in print: product, regimen, what is given before the first dose, and the tumour."""

    product: str
    product_short: str
    regimen: str
    regimen_note: str
    prophylaxis: tuple[str, ...]
    tumour: str


@dataclass(frozen=True)
class KnownValue:
    """One value of the patient in print: in its standard unit, and ``written`` as in the file where
    that was another unit. ``column``: of the observed table.
    """

    label: str
    value: str
    unit: str
    usual: str
    is_outside: bool
    column: str
    is_missing: bool
    written: str


@dataclass(frozen=True)
class RisksInWords:
    """Both risks in words, or why there is none: of grade 3 or more, or, of a patient too far from
    the model's training patients, of either.

    ``is_held``: the model for grade 3 or more said more than the one for grade 2 or more, and was
    held there.
    """

    grade2plus: RiskInWords | NotEstimable
    grade3plus: RiskInWords | NotEstimable
    is_held: bool = False

    def items(self) -> Iterator[tuple[Grade, RiskInWords]]:
        """The grades that the model speaks of, with their risks."""
        if isinstance(self.grade2plus, RiskInWords):
            yield "grade2plus", self.grade2plus
        if isinstance(self.grade3plus, RiskInWords):
            yield "grade3plus", self.grade3plus

    @property
    def not_available(self) -> str:
        """Why there is no risk, or none of grade 3 or more; "" where there are both."""
        lacking = (self.grade2plus, self.grade3plus)
        return next((one.reason for one in lacking if isinstance(one, NotEstimable)), "")


@dataclass(frozen=True)
class AssumptionSpread:
    """The other uncertainty: the share of simulated patients (0-1) with the central nine of ten
    sets of assumptions, and how it is said.
    """

    estimate: Estimate
    sentence: str
    short: str


@dataclass(frozen=True)
class LabelledValue:
    """A value in print under its label."""

    label: str
    value: str


@dataclass(frozen=True)
class ReferenceInWords:
    """The reference patient: who he is, his risks, and his values where the patient's are known."""

    name: str
    n_patients: int
    risks: RisksInWords
    sentence: str
    typical: tuple[LabelledValue, ...]


@dataclass(frozen=True)
class Change:
    """What one lever would do, simulated: numbers by grade (0-1), and in print for grade 2 or more
    (``of_100``, ``points``, ``range``) and grade 3 or more (``severe``).
    """

    kind: str
    label: str
    usual: ByGrade[Estimate]
    with_lever: ByGrade[Estimate]
    difference: ByGrade[Estimate]
    of_100: str
    points: str
    range: str
    severe: str


@dataclass(frozen=True)
class Changes:
    """What would change the risk; ``none``: why a row is not there; ``n_people`` in each arm.

    ``usual``: shares of simulated patients without a change, from which the rows start;
    ``as_simulated``: the same before they were moved to the model's number. None where nothing was
    simulated. ``seed``: that drew the people.
    """

    rows: tuple[Change, ...]
    notice: str
    none: str
    n_people: int = 0
    usual: ByGrade[Estimate] | None = None
    as_simulated: ByGrade[Estimate] | None = None
    seed: int = 1


@dataclass(frozen=True)
class Advice:
    """How to use the page: one heading with its lines."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class PatientExplanation(Result):
    """One patient's risk explained: numbers with their sentences, in the order of the page.

    Parameters
    ----------
    estimate : PatientRisk or NotEstimable
        The risks (0-1) of grade 2 or more and 3 or more with the interval shown first, what it
        holds, and the refit range; or why the model gives none (what is simulated of patients like
        this one stands in ``assumptions``).
    risks : RisksInWords
        The same as whole patients of 100, in sentences, with what the intervals cover.
    warnings : tuple of PatientWarning
        What to read first, the gravest first.
    reasons : ShownReasons
        The largest reasons for and against, in patients of 100.
    themes : tuple of ReasonTheme
        All reasons by what they speak of.
    reference : ReferenceInWords or None
        The median training patient of the same product.
    missing : tuple of MissingRange
        What each missing value leaves open, the widest first.
    assumptions : ByGrade of AssumptionSpread, or None
        The spread over assumptions that published trials cannot tell apart; None where nothing was
        simulated.
    changes : Changes
        What levers would do, simulated.
    waits : str
        When the first signs of CRS came in simulated patients like this one.
    published : tuple of PublishedRate
        Rates that trials of the product reported.
    inputs_sha256 : str
        Digest of the values that the model reads.
    guidance, use :
        What is published for the product, and how to use the page.

    Examples
    --------
    ::

        explained = crs.explain_patient("patient.yaml", model="baseline-0.1.0")
        explained.estimate.grade2plus
        explained.to_html("patient.html")
    """

    format: str
    notice: str
    model: str
    label: str
    title: str
    window: str
    window_d: float
    landmark_h: int
    therapy: Therapy
    known: tuple[KnownValue, ...]
    warnings: tuple[PatientWarning, ...]
    estimate: PatientRisk | NotEstimable
    risks: RisksInWords
    assumptions: ByGrade[AssumptionSpread] | None
    reference: ReferenceInWords | None
    missing: tuple[MissingRange, ...]
    reasons: ShownReasons
    few_reasons: str
    rule: str
    themes: tuple[ReasonTheme, ...]
    changes: Changes
    waits: str
    product: str
    published: tuple[PublishedRate, ...]
    grade3plus_model: str
    inputs_sha256: str
    guidance: ProductGuidance
    use: tuple[Advice, ...]

    def summary(self) -> str:
        """Warnings, risks and the strongest reasons in a few lines."""
        lines = [f"{self.label}, {self.therapy.product_short}, model {self.model}"]
        lines += [f"! {warning.text}" for warning in self.warnings[:3]]
        lines += [
            f"{risk.sentence} {risk.interval.partition(': ')[0].rstrip('.')}."
            for _, risk in self.risks.items()
        ]
        lines += [self.risks.not_available] if self.risks.not_available else []
        if isinstance(self.estimate, NotEstimable) and self.assumptions is not None:
            lines += [spread.sentence for _, spread in self.assumptions.items()]
        lines += [
            f"{reason.of_100:+d} {reason.label}: {reason.value}"
            for reason in (*self.reasons.up[:3], *self.reasons.down[:2])
        ]
        return "\n".join([*lines, self.notice])

    def _repr_html_(self) -> str:
        page = Markup.escape(self.to_html())
        return (
            f'<iframe title="{Markup.escape(self.title)}" srcdoc="{page}" sandbox="allow-scripts"'
            ' style="width:100%;height:46rem;border:1px solid #ccc"></iframe>'
        )

    def to_html(self, path: str | Path | None = None) -> str:
        """The explorer's page filled in with this patient: one HTML file that opens offline and
        prints on one sheet; written to ``path`` where one is given.
        """
        page = render_patient(self.page(), in_short=self.summary())
        if path is not None:
            write_text(path, page)
        return page

    def page(self) -> PatientPage:
        """Everything on the page, as its script reads it."""
        warnings = [one.text for one in self.warnings if one.kind != "cannot estimate"]
        spreads = [] if self.assumptions is None else list(self.assumptions.items())
        cannot = isinstance(self.estimate, NotEstimable)
        return PatientPage(
            **dict(page_facts(self.published, notice=self.notice)),
            title=self.title,
            label=self.label,
            models=[name for name in (self.model, self.grade3plus_model) if name],
            inputs_sha256=self.inputs_sha256,
            product=ShownProduct(
                name=self.product, label=self.therapy.product, guidance=self.guidance
            ),
            entered=_entered(self),
            answer=_answer(self, warnings),
            spread=[] if cannot else [one.sentence for _, one in spreads],
            comparison=self.comparison(),
            waits=self.waits,
            notes=_notes(self),
        )

    def comparison(self) -> Comparison:
        """What was simulated, as plans side by side; without alternatives where nothing was."""
        changes = self.changes
        usual, as_simulated = changes.usual, changes.as_simulated
        return Comparison(
            model=self.model,
            window=self.window,
            risk=GradeShares.of(self.estimate) if isinstance(self.estimate, PatientRisk) else None,
            as_simulated=None if as_simulated is None else GradeShares.of(as_simulated),
            starts_at_model=usual != as_simulated,
            baseline=None
            if usual is None
            else ComparedPlan(label=AS_PLANNED, shares=GradeShares.of(usual)),
            alternatives=[
                Alternative(
                    label=change.label,
                    kind=change.kind,
                    shares=GradeShares.of(change.with_lever),
                    difference=GradeShares.of(change.difference),
                )
                for change in changes.rows
            ],
            n_people=changes.n_people,
            seed=changes.seed,
            why_none=changes.none,
            notice=changes.notice,
        )

    def plot(self, *, ax: Any = None) -> Any:
        """The reasons by what they speak of, in patients of 100; returns matplotlib axes.

        Raises
        ------
        InputError
            Where the model gives no number: nothing is left to give reasons for.
        """
        if isinstance(self.risks.grade2plus, NotEstimable):
            raise InputError(
                where=self.label,
                found=self.risks.grade2plus.reason,
                expected="a risk whose reasons can be drawn",
                cure="look at `assumptions`, which holds what is simulated of such patients",
            )
        start, end = self.reasons.base_of_100, self.risks.grade2plus.of_100
        from crsrisk.plots.charts import plot_reason_themes

        return plot_reason_themes(self.themes, start=start, end=end, ax=ax)

    def to_frame(self) -> pd.DataFrame:
        """The shown reasons: one row a clinical variable, the largest first."""
        shown = (*self.reasons.up, *self.reasons.down)
        return pd.DataFrame(
            [
                {
                    "variable": reason.variable,
                    "label": reason.label,
                    "value": reason.value,
                    "of_100": reason.of_100,
                    "kind": reason.kind,
                    "role": reason.role,
                    "sentence": reason.sentence,
                }
                for reason in sorted(shown, key=lambda reason: -abs(reason.points))
            ]
        )


def _answer(explained: PatientExplanation, warnings: list[str]) -> RiskAnswer | NoAnswer:
    """What the page says first: the risks with their intervals, or why there are none."""
    two, three = explained.risks.grade2plus, explained.risks.grade3plus
    if isinstance(two, NotEstimable):
        spreads = [] if explained.assumptions is None else explained.assumptions.items()
        instead = [spread.sentence for _, spread in spreads]
        return NoAnswer(
            because=[two.reason],
            instead=instead or ["Nothing is simulated in its place."],
            warnings=warnings,
        )
    ends = f"CRS of grade 2 or more {explained.window}"
    return RiskAnswer(
        grade2plus=_grade_answer(two, f"Of 100 {whom_in_words(explained.landmark_h)}", ends),
        grade3plus=None
        if isinstance(three, NotEstimable)
        else _grade_answer(three, "Of the same 100", "grade 3 or more"),
        interval_name=two.interval_name,
        covers=two.covers,
        refit_range=two.refit_range,
        beside=two.beside,
        warnings=warnings,
        reasons=_reason_lines(explained.reasons, end=two.of_100),
    )


def _grade_answer(risk: RiskInWords, start: str, end: str) -> GradeAnswer:
    has_interval = not math.isnan(risk.low)
    return GradeAnswer(
        value=risk.risk,
        low=risk.low if has_interval else None,
        high=risk.high if has_interval else None,
        count=risk.count,
        sentence=f"{start}, {about_of_100(risk.risk)} would develop {end}.",
        range=range_of_100(risk.low, risk.high) if has_interval else "",
    )


def _reason_lines(reasons: ShownReasons, *, end: int) -> ReasonLines:
    up, down = (
        [ReasonLine(of_100=one.of_100, text=one.short) for one in some[:N_IN_SIGHT]]
        for some in (reasons.up, reasons.down)
    )
    return ReasonLines(
        start=reasons.start,
        up=up,
        down=down,
        rest=end - reasons.base_of_100 - sum(one.of_100 for one in (*up, *down)),
    )


def _entered(explained: PatientExplanation) -> list[EnteredValue]:
    """What the file gave, as it is printed: the plan first, values in standard units with what was
    written in brackets.
    """
    therapy = explained.therapy
    plan = [
        ("Product", therapy.product_short),
        ("Regimen", therapy.regimen_note or therapy.regimen.replace("_", " ")),
        *(("Before dose 1", agent) for agent in therapy.prophylaxis),
        ("Tumour", therapy.tumour),
    ]
    return [
        *(EnteredValue(label=label, value=value, is_outside=False) for label, value in plan),
        *(
            EnteredValue(
                label=one.label,
                value=f"{one.value} {one.unit}".strip()
                + (f" ({one.written})" if one.written else ""),
                is_outside=one.is_outside,
            )
            for one in explained.known
            if not one.is_missing
        ),
    ]


def _notes(explained: PatientExplanation) -> list[Note]:
    """What opens below the result: all reasons with their marks, and how to use the page."""
    reasons = explained.reasons
    groups = [
        NoteGroup(
            title=heading,
            lines=[
                f"{one.of_100:+d} ".replace("-", "−") + f"{one.short} [{one.kind}, {one.role}]"
                for one in some
            ],
        )
        for heading, some in (("Raises the risk", reasons.up), ("Lowers the risk", reasons.down))
        if some
    ]
    told = [reasons.rest, explained.few_reasons, explained.rule]
    if explained.reference is not None:
        typical = ", ".join(f"{one.label} {one.value}" for one in explained.reference.typical)
        told += [explained.reference.sentence, f"Typical values: {typical}." if typical else ""]
    how = NoteGroup(title="How they are worked out", lines=[line for line in told if line])
    use = [NoteGroup(title=one.title, lines=list(one.lines)) for one in explained.use]
    all_reasons = [Note(title="All reasons", groups=[*groups, how])] if groups else []
    return [*all_reasons, Note(title="How to use this page", groups=use)]
