"""Content: everything the report says, as one typed object. A report is an object first, a page
second.

:func:`build_content` takes nouns and gives a :class:`ReportContent`; ``content.json`` is its plain
form (:func:`crsrisk.results.to_plain`), the page is rendered from the object itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crsrisk.data.cohort import Cohort
from crsrisk.data.explanation import Explanation, direction
from crsrisk.data.published_figures import Comparison
from crsrisk.data.risk_model import Kind, Role, Theme
from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.plots.chart_data import BarCell, ImportanceBar, bar_end
from crsrisk.report.answers import judged_in_words
from crsrisk.report.example_patients import Example, ExamplePatient, example_patient
from crsrisk.report.generator_card import GeneratorCard, GeneratorSection, generator_section
from crsrisk.report.manifest import Making, making_section
from crsrisk.report.mitigation import (
    MitigationArm,
    ObservationHours,
    ObservationSection,
    TrialSection,
    trial_section,
)
from crsrisk.report.patients import CohortSection, cohort_section, product_order
from crsrisk.report.performance import BenchmarkSection, PerformanceSection, performance_section
from crsrisk.report.published_comparison import PublishedSection, published_section
from crsrisk.report.sections import Column, Row, Table, row, table
from crsrisk.results import NotEstimable, Result
from crsrisk.simulation.evidence import ComparisonSummary, Tally, summarise
from crsrisk.wording import (
    NOTICE,
    estimate_in_words,
    hours_in_words,
    listed,
    number,
    range_of_100,
    short_label,
    short_labels,
    typeset,
    window_in_words,
    windows_in_words,
)

# What drives the model: mean contribution over all held-out patients, by clinical variable.


_KINDS = {"cause": "cause in the simulator", "marker": "marker", "mediator": "part of the reaction"}


@dataclass(frozen=True)
class Driver:
    """A clinical variable and how much it moves the risk.

    ``mean_points``: mean absolute contribution as change of the risk of 100 patients;
    ``mean_log_odds``: the same in log-odds. ``direction`` in words ("higher raises").
    """

    variable: str
    label: str
    theme: Theme
    kind: Kind
    role: Role
    mean_points: float
    mean_log_odds: float
    why: str
    direction: str


@dataclass(frozen=True)
class DriversSection:
    """All drivers, largest first, and the table of them; ``base_risk`` (0-1) is where their
    path-dependent values start.
    """

    drivers: tuple[Driver, ...]
    table: Table
    n_patients: int
    base_risk: float
    notice: str

    @property
    def bars(self) -> tuple[ImportanceBar, ...]:
        """What the figure of importance is drawn from."""
        return tuple(
            ImportanceBar(driver.label, driver.mean_points, driver.direction)
            for driver in self.drivers
        )


def drivers_section(explanation: Explanation) -> DriversSection:
    """Mean size of each variable's contribution, largest first, and the direction in which it
    works.

    Importance is the mean absolute path-dependent Shapley value of the calibrated model, never the
    gain of its trees: those that start it were written, not grown, and have no gain.
    """
    sizes = 100 * np.abs(explanation.path_points).mean(axis=0)
    log_odds = np.abs(explanation.path_contributions).mean(axis=0)
    drivers = []
    for at in np.argsort(-sizes, kind="stable"):
        variable = explanation.variables[at]
        drivers.append(
            Driver(
                variable=variable.name,
                label=typeset(variable.said_label),
                theme=variable.theme,
                kind=variable.kind,
                role=variable.role,
                mean_points=round(float(sizes[at]), 6),
                mean_log_odds=round(float(log_odds[at]), 6),
                why=typeset(variable.why),
                direction=direction(
                    explanation.values.iloc[:, at],
                    explanation.path_contributions[:, at],
                    variable=variable,
                ),
            )
        )
    return DriversSection(
        drivers=tuple(drivers),
        table=_drivers_table(drivers),
        n_patients=len(explanation.values),
        base_risk=explanation.path_base_risk,
        notice=explanation.notice,
    )


def _drivers_table(drivers: list[Driver]) -> Table:
    highest = bar_end([driver.mean_points for driver in drivers])
    return table(
        "drivers",
        number="11",
        title="What drives the model",
        row_header="Clinical variable",
        columns=[
            ("Mean change", "of 100 patients"),
            ("", ""),
            Column("Direction", is_text=True),
            Column("Group", is_text=True),
            Column("In the simulator", is_text=True),
        ],
        rows=[_driver_row(driver, highest=highest) for driver in drivers],
        notes=[
            (
                "Mean over held-out patients of the absolute contribution (exact path-dependent"
                " Shapley values of the calibrated model, summed over the features of a variable),"
                " as change of the risk of 100 patients: from the model’s average over all"
                " products, so product and platform count. Reasons of single patients are"
                " interventional values instead, within a product. Direction: rank correlation of"
                " value and contribution of 0.3 or more."
            ),
            (
                "Lever: the treating team can change it. Marker: travels with causes without an"
                " effect of its own."
            ),
        ],
    )


def _driver_row(driver: Driver, *, highest: float) -> Row:
    lever = ", lever" if driver.role == "lever" else ""
    return row(
        driver.label,
        [
            number(driver.mean_points, digits=1),
            BarCell(driver.mean_points, highest),
            driver.direction,
            driver.theme,
            f"{_KINDS[driver.kind]}{lever}",
        ],
    )


FORMAT = "crsrisk-report-2"
TITLE = "Cytokine release syndrome in solid tumours: a risk model learnt from mechanistic patients"
EVENT = "CRS of grade 2 or more"


@dataclass(frozen=True)
class KeyFigure:
    """A figure that the report would be reduced to, in words with its interval, and a remark."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class FirstWords:
    """One paragraph for one kind of reader, and the section where he goes on."""

    reader: str
    sentences: tuple[str, ...]
    target: str


@dataclass(frozen=True, repr=False)
class ReportContent(Result):
    """Everything the report of the main job says, in the order of the page.

    Parameters
    ----------
    format, title, notice, question : what the page is; ``question`` is that of the experiment.
    event, window : what every risk in it is a risk of, in words.
    key_figures, first_words : what is read first.
    cohort : who the patients are, and their outcomes.
    published : simulated beside published figures.
    performance : how the model does in held-out patients, the benchmark among it.
    trial : for the trial designer: mitigations, hours of observation, onset.
    drivers : what drives the model.
    patients : example patients, as a clinician sees them.
    generator : how far to believe the simulator; None without its card.
    limits : what the report cannot say.
    making : how it was made.
    evaluation : all figures of the evaluation as they came.
    labels : label of each product of the cohort.
    """

    format: str
    title: str
    notice: str
    question: str
    event: str
    window: str
    key_figures: tuple[KeyFigure, ...]
    first_words: tuple[FirstWords, ...]
    cohort: CohortSection
    published: PublishedSection
    performance: PerformanceSection
    trial: TrialSection
    drivers: DriversSection
    patients: tuple[ExamplePatient, ...]
    generator: GeneratorSection | None
    limits: tuple[str, ...]
    making: Making
    evaluation: Evaluation
    labels: Mapping[str, str]

    @property
    def answer(self) -> str:
        """What stands first on the page."""
        tally = self.published.summary.all
        return judged_in_words(
            self.evaluation,
            ending=f"The simulator meets {tally.n_agree} of {tally.n_judged} published figures that"
            " can be judged. Every patient is simulated: nothing here was tested on a real one.",
        )

    def summary(self) -> str:
        """The question and the key figures."""
        figures = [f"{figure.label}: {figure.value} ({figure.note})" for figure in self.key_figures]
        return "\n".join([self.question, *figures, self.notice])


def build_content(
    *,
    question: str,
    cohort: Cohort,
    comparisons: Sequence[Comparison],
    evaluation: Evaluation,
    explanation: Explanation,
    examples: Sequence[Example],
    mitigation_arms: Sequence[MitigationArm],
    observation_hours: Sequence[ObservationHours],
    manifest: object,
    product_labels: Mapping[str, str],
    mitigation_labels: Mapping[str, str],
    generator: GeneratorCard | None = None,
) -> ReportContent:
    """The whole report: one flat list of its parts, in the order of the page.

    Parameters
    ----------
    question : what the experiment asks, one or two sentences.
    cohort : all patients of the experiment (observed and outcomes are read).
    comparisons : of published figures with simulated ones.
    evaluation : of the held-out patients; its benchmark may be None.
    explanation : of the held-out patients, for what drives the model.
    examples : patients who are shown one by one.
    mitigation_arms : of each product one without mitigation and one with each.
    observation_hours : of each product.
    manifest : how it was made: seeds, digests, versions; no date, or two runs differ.
    product_labels, mitigation_labels : name -> label.
    generator : the card of the simulator; without one the report has no section on how far to
        believe it.

    Raises
    ------
    InputError
        For a risk outside 0-1, an interval upside down, or a product without its arm without
        mitigation.
    """
    order = product_order(cohort.observed)
    whole_labels = {**{name: name for name in order}, **product_labels}
    labels = short_labels({**{row.product: row.product for row in comparisons}, **whole_labels})
    performance = performance_section(evaluation, labels=labels, order=order)
    published = published_section(
        comparisons, summary=summarise(comparisons), labels=labels, order=order
    )
    patients = tuple(
        example_patient(example, at=at, product_labels=whole_labels)
        for at, example in enumerate(examples)
    )
    trial = trial_section(
        mitigation_arms,
        hours=observation_hours,
        cohort=cohort,
        labels=labels,
        mitigation_labels=mitigation_labels,
        order=order,
    )
    return ReportContent(
        format=FORMAT,
        title=typeset(TITLE),
        notice=NOTICE,
        question=typeset(question),
        event=EVENT,
        window=windows_in_words({labels[name]: days for name, days in _windows(cohort).items()}),
        key_figures=tuple(
            key_figures(
                evaluation,
                summary=published.summary,
                n_patients=cohort.n_patients,
                n_products=len(order),
            )
        ),
        first_words=tuple(
            first_words(
                performance.benchmark,
                observation=trial.observation,
                labels=labels,
                patients=patients,
            )
        ),
        cohort=cohort_section(cohort, labels=labels),
        published=published,
        performance=performance,
        trial=trial,
        drivers=drivers_section(explanation),
        patients=patients,
        generator=None if generator is None else generator_section(generator),
        limits=tuple(limits(evaluation, summary=published.summary, labels=labels, order=order)),
        making=making_section(manifest),
        evaluation=evaluation,
        labels={name: labels[name] for name in order},
    )


def _windows(cohort: Cohort) -> dict[str, float]:
    """Days of the window by product, in the order of every table."""
    first = cohort.outcomes["window_d"].groupby(cohort.observed["product"].to_numpy()).first()
    return {name: float(first[name]) for name in product_order(cohort.observed)}


def key_figures(
    evaluation: Evaluation, *, summary: ComparisonSummary, n_patients: int, n_products: int
) -> list[KeyFigure]:
    """The figures that the report would be reduced to, each with its interval."""
    pooled, calibration = evaluation.pooled, evaluation.pooled.calibration
    figures = [
        KeyFigure("Simulated patients", number(n_patients, digits=0), f"of {n_products} products"),
        KeyFigure(
            "Held-out patients",
            number(pooled.n, digits=0),
            f"{number(pooled.n_events, digits=0)} of them with {EVENT}",
        ),
    ]
    if evaluation.benchmark is not None:
        share = evaluation.benchmark.pooled.share_of_oracle_gain
        figures.append(
            KeyFigure(
                "Share of the knowable that is learnt",
                estimate_in_words(share, digits=0, factor=100),
                "per cent of the oracle’s gain, 95% interval",
            )
        )
    return [
        *figures,
        KeyFigure(
            "AUROC among patients of one product",
            estimate_in_words(evaluation.auroc_within_groups),
            "95% interval",
        ),
        KeyFigure(
            "AUROC over all patients, products mixed",
            estimate_in_words(pooled.auroc),
            "95% interval; knowing the product already helps",
        ),
        KeyFigure(
            "Calibration slope", estimate_in_words(calibration.slope), "95% interval; ideal 1"
        ),
        KeyFigure(
            "Observed over expected events",
            estimate_in_words(calibration.observed_to_expected),
            "95% interval; ideal 1",
        ),
        _agreement("Published figures that the simulator meets", summary.all),
    ]


def _agreement(label: str, tally: Tally) -> KeyFigure:
    wide = f"judged; {tally.n_agree_wide} of those met have a very wide interval"
    return KeyFigure(label, f"{tally.n_agree} of {tally.n_judged}", wide)


def first_words(
    benchmark: BenchmarkSection | None,
    *,
    observation: ObservationSection,
    labels: Mapping[str, str],
    patients: Sequence[ExamplePatient],
) -> list[FirstWords]:
    """One paragraph for each reader, sentence by sentence, with the place to go on."""
    paragraphs = []
    if benchmark is not None:
        paragraphs.append(
            FirstWords("Data scientist", (benchmark.sentences[0],), target="performance")
        )
    hours_90 = {
        product.product: product.hours_90
        for product in observation.products
        if product.hours_90 is not None
    }
    if hours_90:
        first, last = (choose(hours_90, key=lambda name: hours_90[name]) for choose in (min, max))
        paragraphs.append(
            FirstWords(
                "Trial designer",
                (
                    "Rates with and without each mitigation stand product by product.",
                    "Nine of ten onsets of CRS are seen within"
                    f" {hours_in_words(hours_90[first])} of the most recent dose with"
                    f" {labels.get(first, first)}, within {hours_in_words(hours_90[last])} with"
                    f" {labels.get(last, last)}.",
                ),
                target="trial",
            )
        )
    if patients:
        sentences = tuple(_patient_in_words(patient) for patient in patients)
        paragraphs.append(FirstWords("Clinician", (*sentences, NOTICE), target="patients"))
    return paragraphs


def _patient_in_words(patient: ExamplePatient) -> str:
    risk = patient.risks.grade2plus
    count = f"about {risk.count}" if risk.count.isdigit() else risk.count
    return (
        f"Of 100 patients like {patient.name}, {short_label(patient.product)},"
        f" {count} would develop {EVENT} {window_in_words(patient.window_d)};"
        f" {risk.interval_name}: {range_of_100(risk.low, risk.high)}."
    )


def limits(
    evaluation: Evaluation,
    *,
    summary: ComparisonSummary,
    labels: Mapping[str, str],
    order: Sequence[str],
) -> list[str]:
    """What the report cannot say, from what it found."""
    tally = summary.all
    few_events = [
        labels[name]
        for name in order
        if name in evaluation.by_group
        and isinstance(evaluation.by_group[name].net_benefit, NotEstimable)
    ]
    n_differ, n_open = tally.n_judged - tally.n_agree, tally.n_figures - tally.n_judged
    sentences = [
        (
            "All patients are simulated. Nothing here has been tested on a real patient; there is"
            " no external validation, and no interval in this report covers the step from the"
            " simulator to a hospital."
        ),
        (
            "The model knows what the simulator knows. Where a mechanism is wrong or missing, model"
            " and oracle are wrong together, and the benchmark cannot show it."
        ),
        (
            f"Of {tally.n_figures} published figures {tally.n_agree} are met, {n_differ}"
            f" differ and {n_open} cannot be judged. {tally.n_agree_wide} of those met have an"
            f" interval so wide that nearly anything agrees. {summary.unverified.n_figures}"
            " figures are recalled and not verified (marked †)."
        ),
        "Agreement with published rates says nothing of a single patient.",
        "Death from CRS (grade 5) is not simulated, nor is neurotoxicity.",
        (
            "Reasons say how the model weighs what it was told. They are no proof of cause in a"
            " patient, and changing a variable need not change the risk."
        ),
        (
            "Pooled figures depend on the mix of products in the cohort, which was chosen, not"
            " observed."
        ),
    ]
    if few_events:
        sentences.append(
            f"Too few events in the held-out patients for a decision curve: {listed(few_events)}."
        )
    return sentences
