"""Warnings: what stands above a patient's result, since it decides how far the result can be read
at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from crsrisk.data.explanation import (
    LARGEST_DIFFERENCE,
    LandmarkSimulation,
    MissingRange,
    PatientRisk,
    Reason,
    ReferencePatient,
    SimulatedPatients,
)
from crsrisk.data.patient import GivenValue
from crsrisk.data.product import Product
from crsrisk.data.risk_model import Column, MedianPatient
from crsrisk.fields import FIELDS, label_of
from crsrisk.model.landmark import missing_groups
from crsrisk.model.refits import why_no_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.guidance import ProductGuidance
from crsrisk.report.published_rates import PublishedRate
from crsrisk.uncertainty.one_number import is_one_number
from crsrisk.units import amount
from crsrisk.wording import (
    hours_in_words,
    of_100,
    short_label,
    significant,
    typeset,
    unit_in_words,
    window_in_words,
)

# Everything that is known about one patient, as numbers, before any word is said about them.


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientFacts:
    """All numbers about one patient.

    Parameters
    ----------
    label : str
        What the patient is called on the page; nobody's name.
    product, product_label, regimen, regimen_note, prophylaxis, population_label :
        The plan and the tumour, in words.
    window_d : float
        Days after the first dose in which the outcome is counted.
    observed : DataFrame
        The patient's one row of the observed table.
    given : mapping of GivenValue
        What the file gave, by column, with the units as written.
    course : mapping
        Readings after the first dose by hour and column without the hour.
    model, n_refits, n_worlds :
        The model, and from how many refits and worlds of the ensemble its intervals come.
    risk : PatientRisk
        The model's risks with their intervals.
    compared_with : MedianPatient
        Whose risk the reasons start from.
    base_risk, reasons :
        Where the reasons start (0-1), and all of them.
    reference : ReferencePatient or None
        The median training patient of the product.
    seen : mapping
        Words and flags that the product's training patients had, by column.
    missing : sequence of MissingRange
        What each missing value leaves open.
    simulated : SimulatedPatients or None
        What the simulator says of patients like this one.
    landmark : LandmarkSimulation or None
        How that was made some hours after the first dose.
    cannot : str
        Why the model gives no number; "" where it does.
    covers : str
        What the interval covers, where it is not that of the refits.
    guidance : ProductGuidance
        What is published for such a product.
    published : sequence of PublishedRate
        Rates that its trials reported.
    grade3plus_model : str
        Name and version of the model for grade 3 or more; "" without one.
    seed : int
        That drew the simulated people.
    """

    label: str
    product: Product
    product_label: str
    regimen: str
    regimen_note: str
    prophylaxis: tuple[str, ...]
    population_label: str
    window_d: float
    observed: pd.DataFrame
    given: Mapping[str, GivenValue]
    model: RiskModel
    n_refits: int
    risk: PatientRisk
    reference: ReferencePatient | None
    seen: Mapping[str, Sequence[bool | str]]
    compared_with: MedianPatient
    base_risk: float
    reasons: Sequence[Reason]
    missing: Sequence[MissingRange]
    simulated: SimulatedPatients | None
    guidance: ProductGuidance
    landmark: LandmarkSimulation | None = None
    n_worlds: int = 0
    cannot: str = ""
    covers: str = ""
    course: Mapping[int, Mapping[str, GivenValue]] = field(default_factory=dict)
    published: Sequence[PublishedRate] = ()
    grade3plus_model: str = ""
    seed: int = 1

    @property
    def landmark_h(self) -> int:
        """Hours after the first dose at which the model speaks; 0 = before it."""
        return self.model.contract.landmark_h

    @property
    def window(self) -> str:
        """The window of the outcome in words."""
        return window_in_words(self.window_d, landmark_h=self.landmark_h)

    @property
    def whom(self) -> str:
        """Of whom a risk speaks: at a landmark only of those still at risk."""
        return whom_in_words(self.landmark_h)


def whom_in_words(landmark_h: int) -> str:
    """Of whom a risk speaks: at a landmark only of those still at risk."""
    if not landmark_h:
        return "patients like this one"
    return f"patients like this one at {hours_in_words(landmark_h)}, without grade 2 or more so far"


MOST_MISSING = 3  # missing values that get a sentence of their own, the widest first
# of risk: scenarios, and ends of a missing value, further apart than this are told
MATTERS = 0.05
PLAN = (
    "is_stepped_up",
    "has_steroid_premedication",
    "has_tocilizumab_prophylaxis",
    "has_lymphodepletion",
)
PAIRS = {
    "burden": ("burden_null", "burden_strong"),
    "inflammation": ("inflammation_null", "inflammation_strong"),
}
_WORDS = {
    "burden": "If tumour burden does not matter at all",
    "inflammation": "If inflammation before the dose does not matter",
}


@dataclass(frozen=True)
class PatientWarning:
    """One warning: what kind it is, and what it says."""

    kind: str
    text: str


def warnings_about(facts: PatientFacts) -> tuple[PatientWarning, ...]:
    """The warnings about one patient's page, the gravest first."""
    checks = (
        _cannot,
        _unread_course,
        _unknown_product,
        _untrained_plan,
        _disagreement,
        _outside_training,
        _missing_values,
        _scenarios,
        _outside_simulated,
        _models,
    )
    return tuple(
        PatientWarning(kind, typeset(text)) for check in checks for kind, text in check(facts)
    )


Found = Iterator[tuple[str, str]]


def _cannot(facts: PatientFacts) -> Found:
    """A patient of whom the model cannot speak."""
    if facts.cannot:
        offered = (
            "What is simulated below knows this patient by what was known before the dose and the"
            " worst grade so far."
            if facts.landmark_h and facts.simulated is not None
            else "What is simulated of patients like this one stands in its place."
            if facts.simulated is not None
            else "Nothing is simulated in its place."
        )
        yield "cannot estimate", f"The model gives no number. {facts.cannot} {offered}"


def _unread_course(facts: PatientFacts) -> Found:
    """Readings after the first dose that the model does not know."""
    hour = facts.landmark_h
    later = [at for at in facts.course if at > hour]
    if later and not hour:
        yield (
            "course not read",
            "The readings after the first dose are not used: this model speaks of what is known"
            " before it. Once the dose is given, a model of some hours later is the one to ask.",
        )
    elif later:
        times = ", ".join(f"{at} h" for at in later)
        yield (
            "course not read",
            f"The readings at {times} are not used: this model speaks at {hour} h after the dose.",
        )


def _unknown_product(facts: PatientFacts) -> Found:
    if (
        not facts.cannot
        and str(facts.observed["product"].iloc[0]) not in facts.model.contract.products
    ):
        yield (
            "unknown product",
            f"{short_label(facts.product_label)} is unlike any product that the model was trained"
            " on: its own effect is unknown, the number rests on platform, antigen and patient"
            " alone, and its range holds how far products differ. What is simulated below knows"
            " the product.",
        )


def _untrained_plan(facts: PatientFacts) -> Found:
    """A plan that no training patient under this product had."""
    row = facts.observed.iloc[0]
    new = [
        FIELDS[name].label.lower()
        for name in PLAN
        if name in facts.seen and bool(row[name]) not in facts.seen[name]
    ]
    if new:
        yield (
            "untrained plan",
            f"No training patient under {short_label(facts.product_label)} had this plan"
            f" ({', '.join(new)} as here): the model cannot know its effect.",
        )
    unread = [
        text.split(" (")[0]
        for text in facts.prophylaxis
        if not text.lower().startswith("tocilizumab")
    ]
    if unread:
        yield (
            "untrained plan",
            f"The model does not read {', '.join(unread)}; only what is simulated does.",
        )


def _outside_training(facts: PatientFacts) -> Found:
    row = facts.observed.iloc[0]
    for column in facts.model.contract.columns:
        value = row[column.name]
        if column.trained is None or pd.isna(value):
            continue
        if column.trained[0] <= float(value) <= column.trained[1]:
            continue
        low, high = (significant(end) for end in column.trained)
        here, ends = (
            amount(column.name, text, unit=unit_in_words(column.unit))
            for text in (significant(float(value)), f"{low} to {high}")
        )
        yield (
            "outside training",
            f"{label_of(column.name)} {here} is outside what training patients had"
            f" ({ends}): the model goes on as at the edge.",
        )


def _missing_values(facts: PatientFacts) -> Found:
    columns = {
        column.name: column for column in facts.model.contract.columns if column.kind != "word"
    }
    groups = missing_groups(facts.observed.iloc[0].to_dict(), columns=columns)
    empty = [columns[first] for first, *_ in groups]
    if not empty:
        return
    ranges = [one for one in facts.missing if _matters(one)][:MOST_MISSING]
    for missing in ranges:
        yield "missing", _missing_sentence(missing, _column(empty, missing.column))
    told = {missing.column for missing in ranges}
    left = [column.name for column in empty if column.name not in told]
    if "is_female" in left:
        yield "missing", "Sex not recorded."
    if others := [label_of(name) for name in left if name != "is_female"]:
        yield "missing", f"{'Also not' if told else 'Not'} measured: {', '.join(others)}."


def _matters(missing: MissingRange) -> bool:
    low, high = (of_100(risk) for risk in missing.risks)
    return abs(high - low) >= of_100(MATTERS)


def _column(columns: Sequence[Column], name: str) -> Column:
    return next(column for column in columns if column.name == name)


def _missing_sentence(missing: MissingRange, column: Column) -> str:
    label, (low, high) = label_of(missing.column), (of_100(risk) for risk in missing.risks)
    if missing.column == "is_female":
        return f"Sex not recorded: {low} of 100 if male, {high} if female."
    if column.kind == "flag":
        return f"{label} not known: {low} of 100 without, {high} with it."
    unit = unit_in_words(column.unit)
    ends = [f"{significant(value)} {unit}".strip() for value in missing.values]
    return f"{label} not measured: {low} of 100 if low ({ends[0]}), {high} if high ({ends[1]})."


def _scenarios(facts: PatientFacts) -> Found:
    """Where the answer depends on what nobody knows about the mechanism."""
    if facts.simulated is None:
        return
    scenarios = facts.simulated.scenarios
    for name, (null, strong) in PAIRS.items():
        if null not in scenarios or strong not in scenarios:
            continue
        low, high = scenarios[null], scenarios[strong]
        error = ((low.mc_error or 0.0) ** 2 + (high.mc_error or 0.0) ** 2) ** 0.5
        if abs(high.value - low.value) > max(MATTERS, 3 * error):
            yield (
                "depends on scenario",
                f"{_WORDS[name]}, {of_100(low.value)} of 100; if it matters strongly,"
                f" {of_100(high.value)} (simulated, Monte Carlo error {100 * error:.1f}). Which"
                " holds is not known.",
            )


def _disagreement(facts: PatientFacts) -> Found:
    if facts.simulated is None or facts.cannot or is_one_number(facts.simulated, facts.risk):
        return
    simulated, says = facts.simulated.usual.grade2plus, facts.risk.grade2plus.value
    span = f"{of_100(simulated.low)} to {of_100(simulated.high)}"
    if facts.landmark_h:
        text = (
            f"The model, which reads the course, says {of_100(says)} of 100; simulated anew over"
            " the assumptions, and told of the course the worst grade alone, it is"
            f" {of_100(simulated.value)} of 100 ({span})"
        )
    else:
        text = (
            f"The model says {of_100(says)} of 100, patients like this one simulated anew over the"
            f" assumptions {of_100(simulated.value)} ({span})"
        )
    yield (
        "model and simulator differ",
        f"{text}: more than {of_100(LARGEST_DIFFERENCE)} of 100 apart in one of the grades. Take"
        " both as unsure; what would change it starts from what is simulated.",
    )


def _outside_simulated(facts: PatientFacts) -> Found:
    if facts.simulated is None or not facts.simulated.beyond_population:
        return
    labels = ", ".join(FIELDS[name].label for name in facts.simulated.beyond_population)
    yield (
        "outside simulated range",
        f"No simulated patient of this tumour type has such a value: {labels}. What is simulated"
        " holds it at the edge.",
    )


def _models(facts: PatientFacts) -> Found:
    if facts.cannot:
        return
    if facts.risk.grade3plus is None:
        yield (
            "no model",
            "CRS of grade 3 or more is not available for this model: no model of it at the same"
            " hour stands beside this one.",
        )
    elif facts.risk.is_held:
        yield (
            "models differ",
            "The model for grade 3 or more said more than the one for grade 2 or more, which cannot"
            " be: it is held at that value. Both numbers are unsure.",
        )
    if not facts.n_refits and not facts.covers:
        yield "no range", f"{why_no_refits(facts.model)} Its numbers stand without a range."
