"""The explanation of one patient: every number with its sentence, and the page made from it.

Order: warnings, the two risks with what their ranges cover, a reference patient, reasons, what
would change it, what published reviews say, how to use the page. Every risk carries event, window
and the notice; nothing is advice. The sentences are made in
:mod:`crsrisk.report.explanation_words`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from crsrisk.data.explanation import ByGrade, Grade, MissingRange, PatientRisk
from crsrisk.data.files import write_text
from crsrisk.errors import InputError
from crsrisk.plots.chart_data import IconArray, ReasonTheme
from crsrisk.plots.charts import plot_reason_themes
from crsrisk.plots.descriptions import describe_reason_themes
from crsrisk.plots.sparklines import icon_array
from crsrisk.plots.svg import to_svg
from crsrisk.report.bedside import RiskInWords, ShownReasons
from crsrisk.report.explanation_warnings import PatientWarning
from crsrisk.report.guidance import ProductGuidance
from crsrisk.report.pages import POLICY, environment
from crsrisk.results import Estimate, NotEstimable, Result

MOST_ROWS = 14  # warnings, reasons and levers that fit in the usual type of the printed page
COURSE_ROWS = 4  # that the readings after the first dose take


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
    simulated.
    """

    rows: tuple[Change, ...]
    notice: str
    none: str
    n_people: int = 0
    usual: ByGrade[Estimate] | None = None
    as_simulated: ByGrade[Estimate] | None = None


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
            f'<iframe title="{Markup.escape(self.title)}" srcdoc="{page}" sandbox=""'
            ' style="width:100%;height:46rem;border:1px solid #ccc"></iframe>'
        )

    def to_html(self, path: str | Path | None = None) -> str:
        """The page: one HTML file that opens offline and prints on one sheet; written to ``path``
        where one is given.
        """
        page = render_explanation(self)
        if path is not None:
            write_text(path, page)
        return page

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


def render_explanation(explained: PatientExplanation) -> str:
    """The page about one patient as one self-contained HTML file. The same explanation gives the
    same bytes.
    """
    template = environment().get_template("explain.html.j2")
    return template.render(
        content=explained, figures=_figures(explained), policy=POLICY, is_dense=_is_dense(explained)
    )


def _is_dense(explained: PatientExplanation) -> bool:
    """Whether there is so much to say that the print needs smaller type to stay on one page."""
    reasons = explained.reasons
    rows = len(explained.warnings) + len(reasons.up) + len(reasons.down)
    rows += len(explained.changes.rows)
    return rows + (COURSE_ROWS if explained.landmark_h else 0) > MOST_ROWS


def _figures(explained: PatientExplanation) -> dict[str, Markup]:
    svgs: dict[str, str] = {}
    if explained.reference is not None:
        svgs["reference"] = _people(
            explained.reference.risks,
            key="icons-reference",
            title="100 patients like the reference patient",
        )
    risk = explained.risks.grade2plus
    if isinstance(risk, NotEstimable):
        return {name: Markup(svg) for name, svg in svgs.items()}
    svgs["patient"] = _people(
        explained.risks, key="icons-patient", title="100 patients like this one"
    )
    themes = explained.themes
    start, end = explained.reasons.base_of_100, risk.of_100
    svgs["themes"] = to_svg(
        lambda: plot_reason_themes(themes, start=start, end=end),
        key="themes",
        title="Reasons by group, in patients of 100",
        description=describe_reason_themes(themes, start=start, end=end),
    )
    return {name: Markup(svg) for name, svg in svgs.items()}


def _people(risks: RisksInWords, *, key: str, title: str) -> str:
    """One hundred people, those with the event together; grade 3 or more among those with grade 2
    or more.
    """
    any_grade, severe = risks.grade2plus, risks.grade3plus
    icons = IconArray(
        n_grade2plus=any_grade.of_100 if isinstance(any_grade, RiskInWords) else 0,
        n_grade3plus=severe.of_100 if isinstance(severe, RiskInWords) else None,
        sentence=" ".join(risk.sentence for _, risk in risks.items()),
        title=title,
    )
    return icon_array(icons, key=key)
