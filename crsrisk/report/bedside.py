"""Bedside: the pages about single patients. Absolute risk first, reasons in sentences, then what
dose 1 taught.

Nothing here is advice; every risk carries its event, its window, what its interval covers, and the
notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crsrisk.data.explanation import EXPLANATION_NOTICE, INTERVAL_NAMES, IntervalHolds, Reason
from crsrisk.data.risk_model import Kind, MedianPatient, Role, Theme
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, flag_in_words
from crsrisk.results import Estimate
from crsrisk.wording import (
    NOTICE,
    about_of_100,
    check_risk,
    hours_in_words,
    number,
    of_100,
    plain_name,
    range_of_100,
    risk_in_words,
    short_label,
    significant,
    typeset,
    unit_in_words,
    window_in_words,
)

EVENTS = {"grade2plus": "CRS of grade 2 or more", "grade3plus": "CRS of grade 3 or more"}
N_UP = 5  # reasons shown that raise the risk
N_DOWN = 4  # and that lower it: counter-evidence always stands beside
_NOT_DESCRIBED = ("patient_id", "product", "site", "platform", "regimen", "antigen_restriction")


@dataclass(frozen=True)
class DescribedValue:
    """One value of a patient in print, with its unit and usual range; ``is_outside``: of it."""

    label: str
    value: str
    unit: str
    usual: str
    is_outside: bool


@dataclass(frozen=True)
class RiskInWords:
    """A risk (0-1) with its interval as the page says it: as patients of 100, in a sentence with
    event and window, and what the interval covers, in full and in short. ``refit_range``: that of
    the refits alone, where the interval holds more; ``beside``: the simulator's number, where it is
    another one; ``covers``: what the interval holds alone; else "".
    """

    event: str
    risk: float
    low: float
    high: float
    of_100: int
    count: str
    window_d: float
    window: str
    sentence: str
    interval: str
    interval_short: str
    notice: str
    interval_name: str = INTERVAL_NAMES["refitting"]
    refit_range: str = ""
    covers: str = ""
    beside: str = ""


@dataclass(frozen=True)
class ShownReason:
    """One reason in print; ``of_100`` whole patients of 100, below 0 lowers the risk.

    ``short``: the sentence without what its points say.
    """

    variable: str
    label: str
    value: str
    theme: Theme
    of_100: int
    points: float
    kind: Kind
    role: Role
    sentence: str
    short: str


@dataclass(frozen=True)
class ShownReasons:
    """The largest reasons for and against, what all others add, and where they start; whole
    patients of 100. ``levers``: labels of what the treating team can change.
    """

    base_of_100: int
    start: str
    up: tuple[ShownReason, ...]
    down: tuple[ShownReason, ...]
    rest_of_100: int
    rest: str
    levers: tuple[str, ...]
    notice: str

    @property
    def longest(self) -> int:
        """Size of the largest reason, to which all bars are scaled."""
        return max((abs(reason.of_100) for reason in (*self.up, *self.down)), default=0)


def describe_patient(observed: pd.DataFrame, *, row: int) -> list[DescribedValue]:
    """What is known of one patient: label, value in print, unit, usual range. ``row`` counts from
    0.

    Missing values are said ("not measured"), flags that are not set are left out, as in a letter;
    so is the product, which stands in the title.
    """
    patient, described = observed.iloc[row], []
    for name in observed.columns:
        field, value = FIELDS[str(name)], patient[name]
        is_flag = field.kind == "bool"
        is_said = name == "is_female" or pd.isna(value) or bool(value)
        if name in _NOT_DESCRIBED or (is_flag and not is_said):
            continue
        has_unit = field.kind == "float" and not pd.isna(value)
        low_high = "" if field.usual is None else f"{field.usual[0]:g} to {field.usual[1]:g}"
        described.append(
            DescribedValue(
                label=field.label,
                value=flag_in_words(str(name), None if pd.isna(value) else value)
                if is_flag
                else value_in_words(value),
                unit=unit_in_words(field.unit) if has_unit else "",
                usual=low_high,
                is_outside=is_outside(value, field.usual),
            )
        )
    return described


def value_in_words(value: object) -> str:
    """One cell of the observed table in print."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return "not measured"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str):
        return plain_name(value)
    if isinstance(value, int | np.integer):
        return number(float(value), digits=0)
    return significant(float(value))  # type: ignore[arg-type]


def is_outside(value: object, usual: tuple[float, float] | None) -> bool:
    """Whether a number lies outside the usual range; a missing one does not."""
    if (
        usual is None
        or not isinstance(value, int | float | np.integer | np.floating)
        or np.isnan(float(value))
    ):
        return False
    return not usual[0] <= float(value) <= usual[1]


def covers_worlds(n_worlds: int, *, holds: IntervalHolds) -> str:
    """What the interval over the worlds of the ensemble holds, and what it does not."""
    products = (
        ", and new products of its platform as the calibration infers that products differ"
        if holds == "refitting, assumptions and products"
        else ""
    )
    return (
        "made to hold the true risk of nine patients in ten, over refits of the model and"
        f" {n_worlds} simulated worlds that published figures cannot tell apart{products}; it does"
        " not include differences between hospitals, nor the step from simulated to real patients"
    )


def risk_with_interval(
    estimate: Estimate,
    *,
    covers: str,
    event: str,
    window_d: float,
    key: str,
    whom: str = "patients like this one",
    holds: IntervalHolds = "refitting",
) -> RiskInWords:
    """A risk with its interval, its sentence and what the interval covers.

    Raises :class:`InputError` for a risk outside 0-1 or an interval upside down; ``key`` says where
    it stands.
    """
    risk, low, high = (
        check_risk(value, key=key) for value in (estimate.value, estimate.low, estimate.high)
    )
    if low > high:
        raise InputError(
            where="report",
            key=key,
            found=f"an interval from {low:g} to {high:g}",
            expected="low below high",
            cure="pass the lower end as low",
        )
    span = f"{INTERVAL_NAMES[holds]} {range_of_100(low, high)}"
    beside = "" if low <= risk <= high else " The estimate itself lies outside this range."
    return RiskInWords(
        event=event,
        risk=risk,
        low=low,
        high=high,
        of_100=of_100(risk),
        count=about_of_100(risk).removeprefix("about "),
        window_d=window_d,
        window=window_in_words(window_d),
        sentence=risk_in_words(risk, event=event, window_d=window_d, whom=whom),
        interval=f"{span}: {covers}.{beside}",
        interval_short=f"{span}; what the range covers is said above.{beside}",
        notice=NOTICE,
        interval_name=INTERVAL_NAMES[holds],
    )


def reference_in_words(
    reference: MedianPatient, *, labels: Mapping[str, str], landmark_h: int = 0
) -> str:
    """Whom a patient's reasons compare him with; ``labels`` of products.

    >>> who = MedianPatient(group="product", name="tarlatamab", n_patients=40, values={})
    >>> reference_in_words(who, labels={})
    'the median patient under tarlatamab'
    """
    if reference.group == "product":
        label = labels.get(reference.name, plain_name(reference.name))
        name = f"the median patient under {short_label(label)}"
    elif reference.group == "platform":
        platform = plain_name(reference.name)
        name = f"the median patient under products of the platform {platform}, given this one"
    else:
        name = "the median of all training patients, given this product"
    return name + (f" still at risk at {hours_in_words(landmark_h)}" if landmark_h else "")


def shown_reasons(
    reasons: Sequence[Reason],
    *,
    base_risk: float,
    risk: float,
    key: str,
    labels: Mapping[str, str],
    reference: str,
) -> ShownReasons:
    """The largest reasons up and down, what all others add, and the start from which they count.

    ``base_risk`` and ``risk`` (0-1): where the reasons start and what they lead to; ``labels`` of
    products; ``reference``: whose risk they start from (:func:`reference_in_words`).
    """
    base = of_100(check_risk(base_risk, key=f"{key}.base_risk"))
    largest = sorted(reasons, key=lambda reason: -abs(reason.points))
    up = [reason for reason in largest if reason.whole_points > 0][:N_UP]
    down = [reason for reason in largest if reason.whole_points < 0][:N_DOWN]
    shown = (*up, *down)
    rest = of_100(risk) - base - sum(reason.whole_points for reason in shown)
    return ShownReasons(
        base_of_100=base,
        start=f"The reasons start from {reference}: {base} of 100.",
        up=tuple(_reason(reason, labels=labels) for reason in up),
        down=tuple(_reason(reason, labels=labels) for reason in down),
        rest_of_100=rest,
        rest=(
            f"All other variables together: {number(rest, digits=0) if rest <= 0 else f'+{rest}'}"
            f" of 100. Sum: {of_100(risk)} of 100."
        ),
        levers=tuple(
            reason.label for reason in largest if reason.role == "lever" and reason in shown
        ),
        notice=EXPLANATION_NOTICE,
    )


def _reason(reason: Reason, *, labels: Mapping[str, str]) -> ShownReason:
    sentence, value = reason.sentence, reason.value
    if reason.variable == "product":
        for name, label in labels.items():
            if name.replace("_", " ") == value:
                sentence, value = sentence.replace(value, short_label(label)), short_label(label)
    return ShownReason(
        variable=reason.variable,
        label=reason.label,
        value=typeset(value),
        theme=reason.theme,
        of_100=reason.whole_points,
        points=float(reason.points),
        kind=reason.kind,
        role=reason.role,
        sentence=typeset(sentence),
        short=typeset(reason.short or reason.sentence),
    )
