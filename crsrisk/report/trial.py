"""Trial content: everything the page on trial designs says, as one dictionary that JSON can hold.

Keys in the order of the page: `format`, `title`, `notice`, `event`, `window`, `question`, `aloud`
(a paragraph that can be read to a committee), `estimand`, `candidates`, `comparison`, `looks`,
`boundaries`, `wrong`, `power`, `power_note`, `methods`, `protocol`, `limits`, `making`. Tables have
the shape that :mod:`crsrisk.report.patients` describes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.data.operating_characteristics import Figure, Look, OperatingCharacteristics
from crsrisk.data.trial_plan import KINDS, TrialPlan
from crsrisk.wording import MISSING, number, typeset

FORMAT = "crsrisk-trial-1"
NOTICE = (
    "Research use; synthetic data; no external validation. A comparison of designs under stated"
    " assumptions, not advice on a patient."
)
GIVEN_NOTICE = NOTICE.replace("synthetic data", "the user's own table and assumed effects")
EVENT = "CRS of grade ≥ 2"
LIMITS = (
    (
        "Candidates, rates and effects are assumed or simulated; no data support routine"
        " prophylaxis in solid tumours."
    ),
    (
        "A trial sized for CRS will rarely show that tumour response is untouched: that needs a"
        " non-inferiority design of its own."
    ),
    (
        "Candidates come at an even pace; sites that open late, and patients lost before the"
        " outcome, are not modelled."
    ),
    (
        "Power is for the test as stated; the estimate after an early stop is too favourable and"
        " needs its own correction."
    ),
)

Table = dict[str, Any]


def notice_of(plan: TrialPlan) -> str:
    """What is said wherever a risk is shown; a user's own table may hold real patients."""
    return NOTICE if plan.candidates.cohort is None else GIVEN_NOTICE


def trial_content(
    plan: TrialPlan,
    *,
    found: Sequence[OperatingCharacteristics],
    power: Sequence[Mapping[str, Any]],
    candidates: Mapping[str, Any],
    methods: str,
    protocol: str,
    making: Mapping[str, Any],
) -> dict[str, Any]:
    """The page as a dictionary.

    Parameters ---------- found : one entry a design, in the order of the plan. power : cells of the
    grid, each `risk_ratio`, `base_rate`, `threshold`, `n_total`, `power`, `mcse`. candidates :
    `origin`, `base_rate`, `base_rate_error`, `risk_ratio`, and the rates of both endpoints.
    methods, protocol : text; making : what it takes to make the same page again.
    """
    content = {
        "format": FORMAT,
        "title": typeset(plan.trial.replace("_", " ")),
        "notice": notice_of(plan),
        "event": EVENT,
        "window": f"known {plan.screening.wait_d:g} days after enrolment",
        "question": typeset(plan.question),
        "aloud": aloud(plan, found, candidates),
        "estimand": _estimand(plan),
        "candidates": _candidates(candidates),
        "comparison": _comparison(found),
        "looks": [
            _looks(one, at) for at, one in enumerate(one for one in found if len(one.looks) > 1)
        ],
        "boundaries": [_boundary(one) for one in found if len(one.looks) > 1],
        "wrong": _wrong(found),
        "power": power_panels(power, wanted=plan.power),
        "power_note": _power_note(plan, power),
        "methods": typeset(methods),
        "protocol": protocol,
        "limits": list(LIMITS),
        "making": {str(name): str(value) for name, value in making.items()},
    }
    json.dumps(content, allow_nan=False)
    return content


# --- the paragraph ---


def aloud(
    plan: TrialPlan, found: Sequence[OperatingCharacteristics], candidates: Mapping[str, Any]
) -> str:
    """The answer in one paragraph, for a steering committee: no symbol that cannot be spoken."""
    untreated, ratio = candidates["base_rate"], candidates["risk_ratio"]
    said = [
        f"Of 100 candidates, about {100 * untreated:.0f} would have cytokine release syndrome of"
        f" grade 2 or more without prophylaxis and about {100 * untreated * ratio:.0f} with it;"
        f" this is {'simulated' if plan.candidates.simulated is not None else 'assumed'}, not"
        " known."
    ]
    randomised = [one for one in found if one.kind != "single_arm"]
    said += [_said(one) for one in _worth_saying(randomised)]
    if (screens := _screens(randomised)) is not None:
        said.append(screens)
    if (hidden := _hidden(randomised)) is not None:
        said.append(hidden)
    if (single := next((one for one in found if one.kind == "single_arm"), None)) is not None:
        said.append(_single(single))
    said.append(
        "All candidates are synthetic and nothing here was validated on real patients."
        if plan.candidates.cohort is None
        else (
            "The candidates are those of the table that was given; nothing here was validated"
            " outside it."
        )
    )
    return " ".join(said)


def _worth_saying(randomised: Sequence[OperatingCharacteristics]) -> list[OperatingCharacteristics]:
    """The first design, and the one with the fewest patients on average if it is another."""
    if not randomised:
        return []
    smallest = min(randomised, key=lambda one: one.expected_n.value)
    return [randomised[0]] if smallest is randomised[0] else [randomised[0], smallest]


def _said(one: OperatingCharacteristics) -> str:
    most = (
        f"{one.n_max:,} patients"
        if len(one.looks) == 1
        else (f"at most {one.n_max:,} patients, {one.expected_n.value:,.0f} on average")
    )
    judged = (
        "by the usual grade and by need of support"
        if one.co_primary_support
        else "by the usual grade alone"
    )
    return (
        f'The design "{one.design}", judged {judged}, needs {most}, {one.screened.value:,.0f}'
        f" candidates screened, and {one.duration_months.value:.0f} months; it would show"
        f" {_claim(one)} in {100 * one.power.value:.0f} of 100 trials, would claim one that is not"
        f" there in {100 * one.type_one_error.value:.1f} of 100, and would give prophylaxis to"
        f" {one.exposed_without_need.value:,.0f} patients who would have stayed well without it."
    )


def _claim(one: OperatingCharacteristics) -> str:
    if one.margin is None:
        return "the effect"
    return f"that treating fewer costs less than {100 * one.margin:g} more events in 100"


def _screens(randomised: Sequence[OperatingCharacteristics]) -> str | None:
    enriched = next((one for one in randomised if one.kind == "enrichment"), None)
    everybody = next((one for one in randomised if one.kind == "all_comers"), None)
    if enriched is None or everybody is None:
        return None
    more = enriched.screened.value > everybody.screened.value
    return (
        f'Enrolling by predicted risk ("{enriched.design}") screens {enriched.screened.value:,.0f}'
        " candidates against "
        f"{everybody.screened.value:,.0f} for everybody: what it buys is"
        f" {'' if more else 'fewer screens, '}less "
        f"exposure, {enriched.exposed.value:,.0f} patients treated against"
        f" {everybody.exposed.value:,.0f}."
    )


def _hidden(randomised: Sequence[OperatingCharacteristics]) -> str | None:
    for one in randomised:
        rows = [row for row in one.misspecifications if row.is_error]
        if len(rows) >= 2:
            return (
                "If the drug only hid fever and prevented nothing, the usual grade alone would"
                f" still claim a benefit in {100 * rows[0].claims.value:.0f} of 100 trials; asking"
                f" also for less need of support brings that to {100 * rows[1].claims.value:.1f} of"
                " 100."
            )
    return None


def _single(one: OperatingCharacteristics) -> str:
    rows = [row for row in one.misspecifications if row.is_error]
    worst = rows[min(2, len(rows) - 1)]
    return (
        f'The design without a control ("{one.design}") needs {one.n_max} patients at most, but'
        f" stands or falls with its benchmark: with {worst.what[0].lower()}{worst.what[1:]}, it"
        f" would claim a benefit in {100 * worst.claims.value:.0f} of 100 trials."
    )


# --- tables ---


def _table(
    key: str,
    numeral: str,
    title: str,
    header: str,
    columns: Sequence[tuple[str, str]],
    rows: list[Any],
    notes: Sequence[str],
) -> Table:
    return {
        "key": key,
        "number": numeral,
        "title": title,
        "row_header": header,
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": [{"label": "", "rows": rows}],
        "notes": list(notes),
    }


def with_error(figure: Figure, *, digits: int, factor: float = 1.0) -> str:
    """A figure with its Monte Carlo error; alone when it is exact, or its error below a twentieth
    of the last digit.

    >>> with_error(Figure(value=0.8, mcse=0.004), digits=1, factor=100)
    '80.0 ± 0.4'
    """
    value, error, last = (
        number(factor * figure.value, digits=digits),
        factor * figure.mcse,
        10.0**-digits,
    )
    if error < 0.05 * last:
        return value
    return f"{value} ± {number(error, digits=digits if error >= 0.5 * last else digits + 1)}"


def _estimand(plan: TrialPlan) -> Table:
    table = _table(
        "table-estimand",
        "1",
        "Estimand (ICH E9(R1))",
        "Attribute",
        [("", "")],
        [
            {"label": typeset(name), "note": "", "cells": [typeset(text)], "is_wrapped": True}
            for name, text in plan.estimand.rows
        ],
        [],
    )
    table["columns"][0]["is_text"] = True
    return table


def _candidates(candidates: Mapping[str, Any]) -> Table:
    rows = [
        {
            "label": typeset(str(one["endpoint"])),
            "note": "",
            "cells": [
                number(100 * one[name], digits=1) for name in ("untreated", "with_prophylaxis")
            ],
        }
        for one in candidates["rates"]
    ]
    error = 100 * candidates["base_rate_error"]
    known = (
        f"Standard error of the rate untreated {number(error, digits=1)}, from so many patients."
        if error
        else ("By formula, without error.")
    )
    return _table(
        "table-candidates",
        "2",
        "Candidates: events of 100",
        "Endpoint",
        [("Untreated", "of 100"), ("With prophylaxis", "of 100")],
        rows,
        [f"{typeset(str(candidates['origin']))}. {known}"],
    )


def _comparison(found: Sequence[OperatingCharacteristics]) -> Table:
    columns = [
        ("Patients", "at most"),
        ("Patients", "mean"),
        ("without effect", "mean"),
        ("Power", "of 100"),
        ("planned", "of 100"),
        ("Type I error", "of 100"),
        ("Screened", "mean"),
        ("Screened", "per enrolled"),
        ("Months", "mean"),
        ("Exposed", "mean"),
        ("without need", "mean"),
    ]
    rows = []
    for one in found:
        planned = (
            MISSING if one.planned_power is None else number(100 * one.planned_power, digits=1)
        )
        rows.append(
            {
                "label": one.design,
                "note": "",
                "cells": [
                    number(one.n_max, digits=0),
                    with_error(one.expected_n, digits=0),
                    with_error(one.expected_n_null, digits=0),
                    with_error(one.power, digits=1, factor=100),
                    planned,
                    with_error(one.type_one_error, digits=2, factor=100),
                    with_error(one.screened, digits=0),
                    with_error(one.screened_per_enrolled, digits=2),
                    with_error(one.duration_months, digits=1),
                    with_error(one.exposed, digits=0),
                    with_error(one.exposed_without_need, digits=0),
                ],
            }
        )
    kinds = "; ".join(
        f"{name.replace('_', ' ')}: {KINDS[name]}"
        for name in dict.fromkeys(one.kind for one in found)
    )
    return _table(
        "table-comparison",
        "3",
        "Designs on the same candidates",
        "Design",
        columns,
        rows,
        [
            (
                "± one Monte Carlo standard error, left out where it is below a twentieth of the"
                " last digit. Planned: by formula, as if the score were exact and no fever hidden;"
                " of a single arm exactly, at its target. Exposed without need: treated patients"
                " who would have stayed without the event untreated."
            ),
            *_margins(found),
            f"Kinds: {kinds}.",
            *_interactions(found),
        ],
    )


def _margins(found: Sequence[OperatingCharacteristics]) -> list[str]:
    return [
        f"{one.design}: non-inferiority, at most {100 * one.margin:g} of 100 more events; its type"
        " I error, and its patients without effect, are where it has just so many more."
        for one in found
        if one.margin is not None
    ]


def _interactions(found: Sequence[OperatingCharacteristics]) -> list[str]:
    """How often strata differ in their risk difference, as a secondary test shows it."""
    return [
        f"{one.design}: in {with_error(one.interaction_power, digits=1, factor=100)} of 100 trials"
        " the risk difference is found to differ between the highest and the lowest stratum"
        " (two-sided 5%); with one risk ratio for everybody it does."
        for one in found
        if one.interaction_power is not None
    ]


def _bound_words(look: Look) -> tuple[str, str]:
    if look.upper_z is not None or look.lower_z is not None:
        return number(look.upper_z, digits=3), number(look.lower_z, digits=3)
    return number(look.upper_count, digits=0), number(look.lower_count, digits=0)


def _looks(one: OperatingCharacteristics, at: int) -> Table:
    is_count = one.kind == "single_arm"
    bounds = ("Claim with", "successes or more"), ("Stop with", "successes or fewer")
    if not is_count:
        bounds = ("Claim at", "z or above"), ("Stop below", "z")
    columns = [
        *bounds,
        ("Claims", "of 100, effect"),
        ("Stops", "of 100, effect"),
        ("Claims", "of 100, no effect"),
        ("Stops", "of 100, no effect"),
    ]
    rows = [
        {
            "label": f"{number(look.n, digits=0)} patients",
            "note": "",
            "cells": [
                *_bound_words(look),
                *(
                    with_error(figure, digits=2, factor=100)
                    for figure in (
                        look.benefit_effect,
                        look.futility_effect,
                        look.benefit_null,
                        look.futility_null,
                    )
                ),
            ],
        }
        for look in one.looks
    ]
    waiting = (
        f"While an interim look waits, {with_error(one.waiting, digits=1)} further patients are"
        " enrolled on average. 0.00: in none of the simulated trials, or impossible."
    )
    return _table(
        f"table-looks-{at}",
        f"6.{at + 1}",
        f"{one.design}: when it stops",
        "Look",
        columns,
        rows,
        [waiting],
    )


_ENDPOINTS = (
    ("astct_alone", ("Effect: ASTCT", "grade alone")),
    ("support_alone", ("Effect: support", "endpoint alone")),
    ("both", ("Effect: both", "must show it")),
    ("exact_score", ("Effect: as designed,", "score without error")),
    ("no_assay", ("No effect:", "not inferior, yet useless")),
    ("hidden_astct", ("No effect, fever", "hidden: ASTCT alone")),
    ("hidden_both", ("No effect, fever", "hidden: both")),
)
_NO_ASSAY = (
    "A trial of non-inferiority cannot tell a strategy that spares a drug that works from one that"
    " spares a drug that does not: it needs other evidence that prophylaxis prevents CRS."
)
_DRIFTS = (
    ("drift_0", ("As the benchmark", "says")),
    ("drift_5", ("5 of 100", "better")),
    ("drift_10", ("10 of 100", "better")),
    ("drift_15", ("15 of 100", "better")),
    ("own", ("As in these", "candidates")),
)


def _wrong(found: Sequence[OperatingCharacteristics]) -> list[Table]:
    """Two tables: endpoints and hidden fever where there is a control, a drifting benchmark where
    there is none.
    """
    with_control = [one for one in found if one.kind != "single_arm" and one.misspecifications]
    without = [one for one in found if one.kind == "single_arm"]
    tables = []
    if with_control:
        tables.append(
            _claims(
                "table-endpoints",
                "4",
                "Claims of benefit in 100 trials, by what is true and which endpoint counts",
                _ENDPOINTS,
                with_control,
                [
                    "With hidden fever the ASTCT grade flatters prophylaxis, and sees a benefit"
                    " where nothing is prevented: in the last two columns every claim is an error."
                    " The support-based endpoint does not ask for fever."
                ]
                + [_NO_ASSAY] * any(one.margin is not None for one in with_control),
            )
        )
    if without:
        benchmarks = "; ".join(
            f"{one.design}: {100 * one.benchmark:.0f}"
            for one in without
            if one.benchmark is not None
        )
        tables.append(
            _claims(
                "table-benchmark",
                "5",
                "Without a control: false claims in 100 trials when untreated "
                "patients do better than the benchmark",
                _DRIFTS,
                without,
                [
                    "Exact. Untreated patients of 100 without the event, by the benchmark:"
                    f" {benchmarks}."
                ],
            )
        )
    return tables


def _claims(
    key: str,
    numeral: str,
    title: str,
    columns: Sequence[tuple[str, tuple[str, str]]],
    found: Sequence[OperatingCharacteristics],
    notes: Sequence[str],
) -> Table:
    by_design = [(one, {row.key: row for row in one.misspecifications}) for one in found]
    used = [(name, words) for name, words in columns if any(name in rows for _, rows in by_design)]
    rows = [
        {
            "label": one.design,
            "note": "",
            "cells": [
                with_error(rows[name].claims, digits=1, factor=100) if name in rows else MISSING
                for name, _ in used
            ],
        }
        for one, rows in by_design
    ]
    return _table(key, numeral, title, "Design", [words for _, words in used], rows, notes)


def _boundary(one: OperatingCharacteristics) -> dict[str, Any]:
    is_count = one.kind == "single_arm"
    return {
        "design": one.design,
        "is_count": is_count,
        "looks": [
            {
                "n": look.n,
                "upper": look.upper_count if is_count else look.upper_z,
                "lower": look.lower_count if is_count else look.lower_z,
                **{
                    name: getattr(look, name).value
                    for name in (
                        "benefit_effect",
                        "futility_effect",
                        "benefit_null",
                        "futility_null",
                    )
                },
            }
            for look in one.looks
        ],
    }


def _power_note(plan: TrialPlan, cells: Sequence[Mapping[str, Any]]) -> str:
    """Which endpoint the curves are about, and their largest error."""
    if plan.power_curves is None or not cells:
        return ""
    worst = 100 * max(cell["mcse"] for cell in cells)
    hidden = 100 * plan.masking.hidden
    endpoint = (
        "Both endpoints must show it"
        if plan.power_curves.co_primary_support
        else "ASTCT grade alone"
    )
    masked = f", {hidden:g} of 100 events under prophylaxis hidden from the grade" if hidden else ""
    return (
        f"Pooled z test without looks. {endpoint}{masked}. Largest Monte Carlo error {worst:.1f}"
        " points. The dotted line is the power asked for. Where the risk ratio is 1, a claim is an"
        " error."
    )


def power_panels(cells: Sequence[Mapping[str, Any]], *, wanted: float) -> list[dict[str, Any]]:
    """Cells of the grid as one panel a base rate, one curve a threshold."""
    panels = []
    for rate in dict.fromkeys(cell["base_rate"] for cell in cells):
        here = [cell for cell in cells if cell["base_rate"] == rate]
        curves = []
        for threshold in dict.fromkeys(cell["threshold"] for cell in here):
            line = sorted(
                (cell for cell in here if cell["threshold"] == threshold),
                key=lambda cell: cell["risk_ratio"],
            )
            curves.append(
                {
                    "label": "everybody" if threshold == 0 else f"risk {threshold:g} or more",
                    "threshold": threshold,
                    **{
                        name: [cell[name] for cell in line]
                        for name in ("risk_ratio", "power", "mcse")
                    },
                }
            )
        panels.append(
            {"base_rate": rate, "wanted": wanted, "n_total": here[0]["n_total"], "curves": curves}
        )
    return panels
