"""What is said of one patient: the sentences of the page, from the numbers about him."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from crsrisk.data.explanation import (
    INTERVAL_NAMES,
    ByGrade,
    Grade,
    LeverEffect,
    PatientRisk,
    Reason,
)
from crsrisk.fields import FIELDS, flag_in_words
from crsrisk.model.refits import covers, why_no_refits
from crsrisk.plots.chart_data import ReasonBar, ReasonTheme
from crsrisk.report.bedside import (
    EVENTS,
    RiskInWords,
    ShownReasons,
    covers_worlds,
    describe_patient,
    is_outside,
    reference_in_words,
    shown_reasons,
    value_in_words,
)
from crsrisk.report.explanation import (
    Advice,
    AssumptionSpread,
    Change,
    Changes,
    KnownValue,
    LabelledValue,
    PatientExplanation,
    ReferenceInWords,
    RisksInWords,
    Therapy,
)
from crsrisk.report.explanation_warnings import PatientFacts, warnings_about
from crsrisk.report.patient_page import inputs_digest
from crsrisk.results import Estimate, NotEstimable
from crsrisk.uncertainty.one_number import is_one_number
from crsrisk.wording import (
    MISSING,
    about_of_100,
    check_risk,
    hours_in_words,
    listed,
    number,
    of_100,
    range_of_100,
    short_label,
    typeset,
    unit_in_words,
)

FORMAT = "crsrisk explanation 2"
THEMES = ("drug and dose", "prevention", "tumour burden", "inflammation", "host", "course")
RULE = (
    "Points are exact interventional Shapley values of the calibrated model on the log-odds scale,"
    " one for each clinical variable, against the median training patient of the same product; a"
    " value that is missing counts as missing, against the median of those measured. All are"
    " multiplied with (risk − start) ÷ (log-odds − log-odds of the start),"
    " so that they add up from start to risk; as whole numbers they are rounded so that they"
    " still do."
)
SIMULATED = (
    "Simulated, not predicted: people like this one, drawn anew from what the table says, get the"
    " product with and without the change. No feature of the model was edited. What a change does"
    " to the tumour is not simulated."
)
_WEIGHT = (
    "A reason is the model’s weight, not proof of cause; changing a value need not change the risk."
)
_ANSWER = (
    "Answer the warnings first: missing, unusual and unsure values.",
    "Read the label and the local protocol; the references are where to start.",
)
SIMULATED_LATER = (
    "Simulated, not predicted: people like this one before the dose, of whom only those still at"
    " risk with the same worst grade count; of the other readings since the dose nothing is used."
    " With and without the change they are the same people. What a change does to the tumour is not"
    " simulated."
)
_AT_HOUR = re.compile(r" (?:at|by) \d+ h\b")
USE: Mapping[str, tuple[str, ...]] = {
    "When to use": (
        (
            "Before the first dose, adults with a solid tumour, to see and question how a model"
            " reasons: research, teaching."
        ),
        (
            "Not to choose a dose, a drug, a bed or a discharge; not after the first dose; not in"
            " children."
        ),
    ),
    "Pitfalls": (
        _WEIGHT,
        "A low number is not no risk, and infection may look like CRS.",
        "Two models speak; a value outside what they have seen is read as at the edge.",
    ),
    "Next steps": (*_ANSWER, "After the first dose the course says more than any value before it."),
}
USE_LATER: Mapping[str, tuple[str, ...]] = {  # {time}: of the landmark
    "When to use": (
        (
            "{time} after the first dose, adults with a solid tumour and no CRS of grade 2 or more"
            " so far, to see and question how a model reasons: research, teaching."
        ),
        "Not to choose a drug, a bed or a discharge; not at another hour; not in children.",
    ),
    "Pitfalls": (
        _WEIGHT,
        (
            "What was read since the dose is part of the reaction and of what was done against it:"
            " paracetamol hides fever, tocilizumab lets IL-6 rise and CRP fall."
        ),
        "A low number is not no risk, and infection may look like CRS.",
    ),
    "Next steps": (
        *_ANSWER,
        "The model knows nothing later than {time} after the first dose: go on watching.",
    ),
}
NOT_AVAILABLE = (
    "CRS of grade 3 or more is not available for this model: no model of it stands beside this one."
)


def explanation_of(facts: PatientFacts) -> PatientExplanation:
    """What the page says of these numbers. The same numbers give the same explanation; there is no
    date and no path in it.
    """
    reasons = (
        _no_reasons()
        if facts.cannot
        else shown_reasons(
            facts.reasons,
            base_risk=facts.base_risk,
            risk=facts.risk.grade2plus.value,
            key="patient",
            labels={facts.product.name: facts.product_label},
            reference=reference_in_words(
                facts.compared_with,
                labels={facts.product.name: facts.product_label},
                landmark_h=facts.landmark_h,
            ),
        )
    )
    known = (*_known(facts), *_known_course(facts))
    return PatientExplanation(
        format=FORMAT,
        notice=facts.model.provenance.page_notice,
        model=facts.model.label,
        label=facts.label,
        title=f"{facts.label}: risk of cytokine release syndrome",
        window=facts.window,
        window_d=facts.window_d,
        landmark_h=facts.landmark_h,
        therapy=Therapy(
            product=typeset(facts.product_label),
            product_short=short_label(facts.product_label),
            regimen=facts.regimen,
            regimen_note=typeset(facts.regimen_note),
            prophylaxis=tuple(short_label(label) for label in facts.prophylaxis),
            tumour=typeset(facts.population_label),
        ),
        known=known,
        warnings=warnings_about(facts),
        estimate=NotEstimable(facts.cannot) if facts.cannot else facts.risk,
        risks=(
            RisksInWords(NotEstimable(facts.cannot), NotEstimable(facts.cannot))
            if facts.cannot
            else _risks(facts, facts.risk, whom=facts.whom)
        ),
        assumptions=_assumptions(facts),
        reference=_reference(facts, known),
        missing=() if facts.cannot else tuple(facts.missing),
        reasons=reasons,
        few_reasons="" if facts.cannot else _few(reasons),
        rule=RULE,
        themes=() if facts.cannot else themes(facts.reasons, shown=reasons),
        changes=_changes(facts),
        waits=_waits(facts),
        product=facts.product.name,
        published=tuple(facts.published),
        grade3plus_model=facts.grade3plus_model,
        inputs_sha256=inputs_digest(facts.observed.iloc[0], columns=facts.model.contract.columns),
        guidance=facts.guidance,
        use=_use(facts),
    )


def _risks(facts: PatientFacts, risk: PatientRisk, *, whom: str) -> RisksInWords:
    grade2plus = risk_in_words(risk, grade="grade2plus", facts=facts, whom=whom)
    if risk.grade3plus is None:
        return RisksInWords(grade2plus, NotEstimable(NOT_AVAILABLE))
    grade3plus = risk_in_words(risk, grade="grade3plus", facts=facts, whom=whom)
    return RisksInWords(grade2plus, grade3plus, risk.is_held)


def risk_in_words(
    patient: PatientRisk, *, grade: Grade, facts: PatientFacts, whom: str
) -> RiskInWords:
    """One risk in one sentence, with the interval that is shown first and what it covers (or,
    without an interval, why there is none); of the patient, and not of the reference, the
    simulator's number and the wider interval beside it, where the two differ.
    """
    event, estimate = EVENTS[grade], dict(patient.items())[grade]
    risk = check_risk(estimate.value, key=event)
    other = _wider(facts, grade) if patient is facts.risk else ""
    refit_range = ""
    if estimate.has_interval:
        span = f"{INTERVAL_NAMES[patient.holds]} {range_of_100(estimate.low, estimate.high)}"
        interval = f"{span}: {_covered(patient, facts)}.{_beside(estimate)}{other}"
        short = f"{span}: as above.{_beside(estimate)}{other}"
        if patient.refit_range is not None:
            alone = dict(patient.refit_range.items())[grade]
            refit_range = (
                f"{INTERVAL_NAMES['refitting']} alone {range_of_100(alone.low, alone.high)} (95%,"
                f" {facts.n_refits} refits)."
            )
    else:
        interval = short = (
            f"{why_no_refits(facts.model)} So no range can be given; the number alone looks surer"
            f" than it is.{other}"
        )
    return RiskInWords(
        event=event,
        risk=risk,
        low=estimate.low,
        high=estimate.high,
        of_100=of_100(risk),
        count=about_of_100(risk).removeprefix("about "),
        window_d=facts.window_d,
        window=facts.window,
        sentence=f"Of 100 {whom}, {about_of_100(risk)} would develop {event} {facts.window}.",
        interval=interval,
        covers=""
        if not estimate.has_interval
        else f"{_covered(patient, facts)}.{_beside(estimate)}",
        beside=other.strip(),
        interval_short=short,
        notice=facts.model.provenance.page_notice,
        interval_name=INTERVAL_NAMES[patient.holds],
        refit_range=refit_range,
    )


def _covered(patient: PatientRisk, facts: PatientFacts) -> str:
    """What the interval shown first holds, and what it does not."""
    if patient.holds == "products":
        return facts.covers
    if patient.holds == "refitting":
        return covers(facts.n_refits, model=facts.model)
    return covers_worlds(facts.n_worlds, holds=patient.holds)


def _beside(estimate: Estimate) -> str:
    """Said where the number lies outside: the worlds lean to one side of the model."""
    is_inside = estimate.low <= estimate.value <= estimate.high
    return "" if is_inside else " The number itself lies outside: most worlds disagree with it."


def _wider(facts: PatientFacts, grade: Grade) -> str:
    """The simulator's number beside the model's, and the interval that holds both; "" where they
    are one number.
    """
    if facts.simulated is None or is_one_number(facts.simulated, facts.risk):
        return ""
    simulated = dict(facts.simulated.usual.items()).get(grade)
    if simulated is None:
        return ""
    says = dict(facts.risk.items())[grade]
    ends = [end for one in (says, simulated) for end in (one.low, one.high) if end == end]
    low, high = min(ends), max(ends)
    return (
        f" The simulator says {about_of_100(simulated.value)} of 100; range of both"
        f" {range_of_100(low, high)}."
    )


def _known(facts: PatientFacts) -> Iterator[KnownValue]:
    """The patient's values: in standard units, and as written where that was another unit."""
    names = [
        str(name)
        for name in facts.observed.columns
        if "__" not in str(name) and str(name) not in ("site", "regimen")
    ]
    shown = [
        name
        for name in names
        if name in facts.given
        or FIELDS[name].may_be_missing
        or name in ("age_years", "is_female", "weight_kg", "ecog")
    ]
    described = describe_patient(facts.observed[shown].infer_objects(), row=0)
    by_label = {value.label: value for value in described}
    for name in shown:
        value = by_label.get(FIELDS[name].label)
        given = facts.given.get(name)
        if value is None and given is None:
            continue
        yield KnownValue(
            label=FIELDS[name].label,
            value=_shown(name, facts.observed[name].iloc[0]),
            unit="" if value is None else value.unit,
            usual="" if value is None else value.usual,
            is_outside=value is not None and value.is_outside,
            column=name,
            is_missing=given is None,
            written=typeset(given.written) if given is not None and given.is_converted else "",
        )


def _known_course(facts: PatientFacts) -> Iterator[KnownValue]:
    """What was read after the first dose, by hour; nothing of the readings that the model does not
    know.
    """
    for hour, readings in facts.course.items():
        if hour > facts.landmark_h:
            continue
        for stem, given in readings.items():
            column = FIELDS[f"{stem}__h{hour}"]
            usual = FIELDS[stem].usual if stem in FIELDS else None
            yield KnownValue(
                label=column.label,
                value=value_in_words(given.value),
                unit=unit_in_words(column.unit),
                usual="" if usual is None else f"{usual[0]:g} to {usual[1]:g}",
                is_outside=is_outside(given.value, usual),
                column=column.name,
                is_missing=False,
                written=typeset(given.written) if given.is_converted else "",
            )


def _shown(name: str, value: Any) -> str:
    """A value in print; flags are kept as 0 and 1 in the row, so that one may be missing."""
    if FIELDS[name].kind == "bool":
        return flag_in_words(name, None if pd.isna(value) else value)
    return value_in_words(value)


def _assumptions(facts: PatientFacts) -> ByGrade[AssumptionSpread] | None:
    """The spread over the ensemble of assumptions, from simulating patients like this one."""
    simulated = facts.simulated
    if simulated is None:
        return None

    def spread(estimate: Estimate) -> AssumptionSpread:
        span = range_of_100(estimate.low, estimate.high)
        return AssumptionSpread(
            estimate=estimate,
            sentence=(
                f"Simulated anew under {simulated.n_members} sets of assumptions that published"
                f" trials cannot tell apart{_from_where(facts)}: {about_of_100(estimate.value)} of"
                f" 100 on average, and {span} in nine of ten sets (Monte Carlo error of the average"
                f" {100 * (estimate.mc_error or 0.0):.1f}){_start(facts)}."
            ),
            short=f"Spread over assumptions {span} (simulated; nine of ten sets).",
        )

    severe = simulated.usual.grade3plus
    return ByGrade(spread(simulated.usual.grade2plus), None if severe is None else spread(severe))


def _start(facts: PatientFacts) -> str:
    """How what is simulated was brought to the model's number; "" where it was not."""
    if facts.simulated is None or facts.simulated.as_simulated is None:
        return ""
    was = of_100(facts.simulated.as_simulated.grade2plus.value)
    return (
        f", set to start from the model’s number (as simulated, grade 2 or more: {was} of 100; all"
        " simulated shares of a grade are moved by one amount on the log-odds scale)"
    )


def _from_where(facts: PatientFacts) -> str:
    """Of whom the simulated share is, some hours after the first dose."""
    landmark = facts.landmark
    if landmark is None:
        return ""
    return (
        f" (people like this one before the dose, {number(landmark.n_kept, digits=0)} of whom stood"
        f" at grade {landmark.worst_grade} at {hours_in_words(landmark.hour)}; no other reading is"
        " used)"
    )


def _reference(facts: PatientFacts, known: Sequence[KnownValue]) -> ReferenceInWords | None:
    reference = facts.reference
    if reference is None:
        return None
    name = reference_in_words(
        facts.compared_with,
        labels={facts.product.name: facts.product_label},
        landmark_h=facts.landmark_h,
    )
    typical = []
    for value in known:
        usual = reference.typical.get(value.column)
        if value.is_missing or not isinstance(usual, int | float) or isinstance(usual, bool):
            continue
        unit = unit_in_words(FIELDS[value.column].unit)
        typical.append(LabelledValue(value.label, f"{value_in_words(usual)} {unit}".strip()))
    return ReferenceInWords(
        name=name,
        n_patients=reference.n_patients,
        risks=_risks(facts, reference.risk, whom="patients like the reference patient"),
        sentence=(
            f"Reference patient, {name} (the middle value of each column among"
            f" {reference.n_patients:,} simulated training patients):"
            f" {about_of_100(reference.risk.grade2plus.value)} of 100 for grade 2 or more."
        ),
        typical=tuple(typical),
    )


def _no_reasons() -> ShownReasons:
    return ShownReasons(
        base_of_100=0,
        start="The model gives no number for this patient, so there are no reasons for one.",
        up=(),
        down=(),
        rest_of_100=0,
        rest="",
        levers=(),
        notice="",
    )


def _few(reasons: ShownReasons) -> str:
    n = len(reasons.up)
    return (
        ""
        if n >= 3
        else f"Only {n} of the variables raise{'s' if n == 1 else ''} the risk by 1 of 100 or more."
    )


def themes(reasons: Sequence[Reason], *, shown: ShownReasons) -> tuple[ReasonTheme, ...]:
    """Points by group of variables, which add up to risk minus start, and in each group the reasons
    that are shown.

    Of a course the level alone: the landmark's hour is that of the page, and how it moved stands in
    the sentence.
    """
    names = [*THEMES, *sorted({reason.theme for reason in reasons} - set(THEMES))]
    groups = []
    for name in names:
        inside = [reason for reason in reasons if reason.theme == name]
        if not inside:
            continue
        bars = []
        for reason in (*shown.up, *shown.down):
            if reason.theme == name:
                label = reason.label.removesuffix(" since the first dose")
                value = _AT_HOUR.split(reason.value)[0] if name == "course" else reason.value
                bars.append(ReasonBar(f"{label}: {value}", reason.of_100, name))
        total = sum(reason.whole_points for reason in inside)
        groups.append(ReasonTheme(name, total, tuple(bars)))
    return tuple(groups)


def _changes(facts: PatientFacts) -> Changes:
    notice = SIMULATED if not facts.landmark_h else SIMULATED_LATER
    simulated, landmark = facts.simulated, facts.landmark
    if simulated is None:
        return Changes((), notice, _why_none(facts))
    none = "" if simulated.levers else _no_lever(facts)
    return Changes(
        rows=tuple(_change(lever) for lever in simulated.levers),
        notice=notice,
        none=f"{none} {_past(facts)}".strip(),
        n_people=(
            simulated.n_members * simulated.n_people if landmark is None else landmark.n_kept
        ),
        usual=simulated.usual,
        as_simulated=simulated.as_simulated or simulated.usual,
        seed=facts.seed,
    )


def _why_none(facts: PatientFacts) -> str:
    landmark = facts.landmark
    if landmark is None:
        return "Nothing was simulated for this page."
    return (
        f"Too few of {number(landmark.n_simulated, digits=0)} simulated people like this one stood"
        f" at grade {landmark.worst_grade} at {hours_in_words(landmark.hour)}: nothing is said of"
        f" what would change it. {_past(facts)}"
    )


def _no_lever(facts: PatientFacts) -> str:
    if facts.landmark is not None and facts.landmark.past_levers:
        return (
            f"No lever that the simulator knows is left at {hours_in_words(facts.landmark.hour)}."
        )
    return "The simulator knows no lever for this kind of product."


def _past(facts: PatientFacts) -> str:
    """The levers that cannot be pulled any more."""
    landmark = facts.landmark
    if landmark is None or not landmark.past_levers:
        return ""
    return (
        f"In the past at {hours_in_words(landmark.hour)}, so not shown:"
        f" {listed(list(landmark.past_levers))} (see a page of before the first dose)."
    )


def _change(lever: LeverEffect) -> Change:
    usual, with_lever = lever.usual.grade2plus, lever.with_lever.grade2plus
    difference = lever.difference.grade2plus
    before, after = lever.usual.grade3plus, lever.with_lever.grade3plus
    return Change(
        kind=lever.kind,
        label=typeset(lever.label),
        usual=lever.usual,
        with_lever=lever.with_lever,
        difference=lever.difference,
        of_100=f"{of_100(usual.value)} → {of_100(with_lever.value)}",
        points=f"{_signed(difference.value)} ± {100 * (difference.mc_error or 0.0):.1f}",
        range=f"{_signed(difference.low)} to {_signed(difference.high)}",
        severe=(
            MISSING
            if before is None or after is None
            else f"{of_100(before.value)} → {of_100(after.value)}"
        ),
    )


def _signed(value: float) -> str:
    whole = round(100 * value)
    return f"+{whole}" if whole > 0 else f"−{-whole}" if whole < 0 else "0"


def _waits(facts: PatientFacts) -> str:
    if facts.simulated is None or facts.landmark is not None:
        return ""
    if facts.simulated.onset_wait_h is None:
        return "No CRS at all occurred among the simulated patients like this one."
    half, most, nearly = (hours_in_words(hours) for hours in facts.simulated.onset_wait_h)
    return (
        f"Simulated patients like this one: half of the first onsets came within {half} of the"
        f" latest dose, 90% within {most}, 95% within {nearly}."
    )


def _use(facts: PatientFacts) -> tuple[Advice, ...]:
    evidence = (
        f"{facts.model.label}, fitted to {facts.model.provenance.in_words};"
        f" {facts.model.provenance.validation}.",
        "No baseline predictor of CRS under T-cell engagers in solid tumours is validated"
        " prospectively (Monaca 2026).",
    )
    use = USE
    if facts.landmark_h:
        time = hours_in_words(facts.landmark_h)
        use = {
            title: tuple(line.replace("{time}", time) for line in lines)
            for title, lines in USE_LATER.items()
        }
    parts = {**use, "Evidence": evidence}
    return tuple(
        Advice(title, parts[title])
        for title in ("When to use", "Pitfalls", "Evidence", "Next steps")
    )
