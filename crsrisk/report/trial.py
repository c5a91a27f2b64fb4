"""Trial content: everything the page on trial designs says, as one typed object.

The fields of :class:`TrialPage` stand in the order of the page; ``summary`` is a paragraph that can
be read to a committee. ``content.json`` holds the same as plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from crsrisk.data.operating_characteristics import (
    CandidatePool,
    Look,
    Misspecification,
    OperatingCharacteristics,
    PowerCell,
)
from crsrisk.data.product import Product
from crsrisk.data.trial_plan import KINDS, StatedArm, TrialPlan
from crsrisk.plots.chart_data import Boundaries, BoundaryLook, PowerCurve, PowerPanel
from crsrisk.report.answers import within_words
from crsrisk.report.guidance import Prevention, prevention
from crsrisk.report.sections import Column, Row, RowGroup, Table
from crsrisk.report.trial_protocol import PROCEDURES, futility_in_words
from crsrisk.results import Estimate
from crsrisk.wording import MISSING, listed, number, typeset

FORMAT = "crsrisk-trial-2"
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


@dataclass(frozen=True)
class TrialPage:
    """The page on trial designs.

    ``boundaries`` and ``power`` are what its figures are drawn from; ``making``: what it takes to
    make the same page again.
    """

    format: str
    title: str
    notice: str
    event: str
    window: str
    question: str
    answer: str
    summary: str
    estimand: Table
    candidates: Table
    comparison: Table
    claims: tuple[Table, ...]
    looks: tuple[Table, ...]
    boundaries: tuple[Boundaries, ...]
    misspecified: tuple[Table, ...]
    power: tuple[PowerPanel, ...]
    power_title: str
    power_note: str
    methods: str
    protocol: str
    limits: tuple[str, ...]
    prevention: Prevention
    making: Mapping[str, str]


def notice_of(plan: TrialPlan) -> str:
    """What is said wherever a risk is shown; a user's own table may hold real patients."""
    return NOTICE if plan.candidates.cohort is None else GIVEN_NOTICE


def trial_page(
    plan: TrialPlan,
    *,
    designs: Sequence[OperatingCharacteristics],
    power: Sequence[PowerCell],
    candidates: CandidatePool,
    methods: str,
    protocol: str,
    making: Mapping[str, str],
    product: Product | None = None,
) -> TrialPage:
    """The page: ``designs`` in the order of the plan, ``power`` the cells of its grid; ``product``
    of whose prevention it says what is published, where candidates were simulated.
    """
    with_looks = [design for design in designs if len(design.looks) > 1]
    number_of = count(1)  # of the tables, in the order of the page

    def following(table: Table) -> Table:
        return replace(table, number=str(next(number_of)))

    return TrialPage(
        format=FORMAT,
        title=typeset(plan.trial.replace("_", " ")),
        notice=notice_of(plan),
        event=EVENT,
        window=f"known {plan.screening.wait_d:g} days after enrolment",
        question=typeset(plan.question),
        answer=within_words(committee_sentences(plan, designs, candidates)),
        summary=committee_summary(plan, designs, candidates),
        estimand=following(_estimand(plan)),
        candidates=following(_candidates(candidates, hidden=plan.masking.hidden)),
        comparison=following(_comparison(designs)),
        claims=tuple(
            following(_claims_of(design, at))
            for at, design in enumerate(row for row in designs if row.claims)
        ),
        misspecified=tuple(map(following, _misspecified(designs))),
        looks=tuple(following(_looks(design, at)) for at, design in enumerate(with_looks)),
        boundaries=tuple(boundaries(design) for design in with_looks),
        power=power_panels(power, wanted=plan.power),
        power_title=f"Power with {power[0].n_total} patients." if power else "",
        power_note=_power_note(plan, power),
        methods=typeset(methods),
        protocol=protocol,
        limits=LIMITS,
        prevention=prevention() if product is None else prevention(product.name, product.platform),
        making=making,
    )


# --- the paragraph ---


def committee_summary(
    plan: TrialPlan, designs: Sequence[OperatingCharacteristics], candidates: CandidatePool
) -> str:
    """The answer in one paragraph, for a steering committee: no symbol that cannot be spoken."""
    return " ".join(committee_sentences(plan, designs, candidates))


def committee_sentences(
    plan: TrialPlan, designs: Sequence[OperatingCharacteristics], candidates: CandidatePool
) -> list[str]:
    """The sentences of that paragraph, the most needed first; the last says what it is not."""
    untreated, ratio = candidates.base_rate, candidates.risk_ratio
    with_it = (
        listed([f"about {100 * arm.crs:.0f} with {arm.name}" for arm in candidates.arms[1:]])
        if candidates.arms
        else f"about {100 * untreated * ratio:.0f} with it"
    )
    sentences = [
        f"Of 100 candidates, about {100 * untreated:.0f} would have cytokine release syndrome of"
        f" grade 2 or more without prophylaxis and {with_it}; this is"
        f" {'simulated' if plan.candidates.simulated is not None else 'assumed'}, not known."
    ]
    randomised = [design for design in designs if design.kind != "single_arm"]
    single = next((design for design in designs if design.kind == "single_arm"), None)
    sentences += [_in_a_sentence(design) for design in _worth_saying(randomised)]
    sentences.append(_screens(randomised))
    sentences.append(_hidden_fever(randomised))
    sentences.append("" if single is None else _single_arm(single))
    sentences.append(
        "All candidates are synthetic and nothing here was validated on real patients."
        if plan.candidates.cohort is None
        else (
            "The candidates are those of the table that was given; nothing here was validated"
            " outside it."
        )
    )
    return [sentence for sentence in sentences if sentence]


def _worth_saying(randomised: Sequence[OperatingCharacteristics]) -> list[OperatingCharacteristics]:
    """The first design, and the one with the fewest patients on average if it is another."""
    if not randomised:
        return []
    smallest = min(randomised, key=lambda design: design.expected_n.value)
    return [randomised[0]] if smallest is randomised[0] else [randomised[0], smallest]


def _in_a_sentence(design: OperatingCharacteristics) -> str:
    most = (
        f"{design.n_max:,} patients"
        if len(design.looks) == 1
        else (f"at most {design.n_max:,} patients, {design.expected_n.value:,.0f} on average")
    )
    judged = (
        "by the usual grade and by need of support"
        if design.co_primary_support
        else "by the usual grade alone"
    )
    claim = (
        (f"all its {len(design.claims)} claims" if design.claims else "the effect")
        if design.margin is None
        else f"that treating fewer costs less than {100 * design.margin:g} more events in 100"
    )
    return (
        f'The design "{design.design}", judged {judged}, needs {most},'
        f" {design.screened.value:,.0f} candidates screened, and"
        f" {design.duration_months.value:.0f} months; it would show"
        f" {claim} in {100 * design.power.value:.0f} of 100 trials, would claim one that is not"
        f" there in {100 * design.type_one_error.value:.1f} of 100, and would give prophylaxis to"
        f" {design.exposed_without_need.value:,.0f} patients who would have stayed well without it."
    )


def _screens(randomised: Sequence[OperatingCharacteristics]) -> str:
    enriched = next((design for design in randomised if design.kind == "enrichment"), None)
    everybody = next((design for design in randomised if design.kind == "all_comers"), None)
    if enriched is None or everybody is None:
        return ""
    more = enriched.screened.value > everybody.screened.value
    return (
        f'Enrolling by predicted risk ("{enriched.design}") screens {enriched.screened.value:,.0f}'
        f" candidates against {everybody.screened.value:,.0f} for everybody: what it buys is"
        f" {'' if more else 'fewer screens, '}less exposure, {enriched.exposed.value:,.0f} patients"
        f" treated against {everybody.exposed.value:,.0f}."
    )


def _hidden_fever(randomised: Sequence[OperatingCharacteristics]) -> str:
    hidden = ("hidden_astct", "hidden_both")
    for design in randomised:
        claims = {row.key: row.claims.value for row in design.false_claims if row.key in hidden}
        if len(claims) == len(hidden):
            alone, both = (100 * claims[key] for key in hidden)
            return (
                "If the drug only hid fever and prevented nothing, the usual grade alone would"
                f" still claim a benefit in {alone:.0f} of 100 trials; asking also for less need of"
                f" support brings that to {both:.1f} of 100."
            )
    return ""


def _single_arm(design: OperatingCharacteristics) -> str:
    rows = design.false_claims
    worst = rows[min(2, len(rows) - 1)]
    return (
        f'The design without a control ("{design.design}") needs {design.n_max} patients at most,'
        " but stands or falls with its benchmark: with"
        f" {worst.truth[0].lower()}{worst.truth[1:]}, it would claim a benefit in"
        f" {100 * worst.claims.value:.0f} of 100 trials."
    )


# --- tables ---


def _table(
    key: str,
    title: str,
    header: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    notes: Sequence[str] = (),
) -> Table:
    return Table(
        key=key,
        title=title,
        row_header=header,
        columns=tuple(columns),
        groups=(RowGroup("", tuple(rows)),),
        notes=tuple(notes),
    )


def with_error(estimate: Estimate, *, digits: int, factor: float = 1.0) -> str:
    """A figure with its Monte Carlo error; alone when it is exact, or its error below a twentieth
    of the last digit.

    >>> with_error(Estimate(0.8, mc_error=0.004), digits=1, factor=100)
    '80.0 ± 0.4'
    """
    value = number(factor * estimate.value, digits=digits)
    error, last = factor * (estimate.mc_error or 0.0), 10.0**-digits
    if error < 0.05 * last:
        return value
    return f"{value} ± {number(error, digits=digits if error >= 0.5 * last else digits + 1)}"


def _estimand(plan: TrialPlan) -> Table:
    rows = [
        Row(typeset(name), (typeset(text),), is_wrapped=True) for name, text in plan.estimand.rows
    ]
    column = Column("", is_text=True)
    return _table("table-estimand", "Estimand (ICH E9(R1))", "Attribute", [column], rows)


_MISSED = "With prophylaxis the grade misses {:g} of 100 events, for want of fever."


def _candidates(candidates: CandidatePool, *, hidden: float) -> Table:
    if candidates.arms:
        return _stated_arms(candidates.arms)
    rows = [
        Row(
            typeset(rates.endpoint),
            (
                number(100 * rates.untreated, digits=1),
                number(100 * rates.with_prophylaxis, digits=1),
            ),
        )
        for rates in candidates.rates
    ]
    error = 100 * candidates.base_rate_error
    known = (
        f"Standard error of the rate untreated {number(error, digits=1)}, from so many patients."
        if error
        else "By formula, without error."
    )
    return _table(
        "table-candidates",
        "Candidates: events of 100",
        "Endpoint",
        [Column("Untreated", "of 100"), Column("With prophylaxis", "of 100")],
        rows,
        [
            f"{typeset(candidates.origin)}. {known}",
            *([_MISSED.format(100 * hidden)] if hidden and not candidates.base_rate_error else []),
        ],
    )


def _stated_arms(arms: Sequence[StatedArm]) -> Table:
    columns = [
        Column("ASTCT grade ≥ 2", "of 100"),
        Column("Need of support", "of 100"),
        Column("Both", "of 100, in one patient"),
    ]
    rows = [
        Row(
            typeset(arm.name),
            tuple(number(100 * rate, digits=1) for rate in (arm.crs, arm.support, arm.both)),
        )
        for arm in arms
    ]
    note = "Rates as stated, the same for every candidate of an arm."
    return _table("table-candidates", "Arms: events of 100", "Arm", columns, rows, [note])


_COMPARISON = (
    Column("Patients", "at most"),
    Column("Patients", "mean"),
    Column("Patients", "mean, no effect"),
    Column("Power", "of 100"),
    Column("Power", "of 100, planned"),
    Column("Type I error", "of 100"),
    Column("Screened", "mean"),
    Column("Screened", "per enrolled"),
    Column("Months", "mean"),
    Column("Exposed", "mean"),
    Column("Exposed", "mean, without need"),
)


def _comparison(designs: Sequence[OperatingCharacteristics]) -> Table:
    kinds = "; ".join(
        f"{name.replace('_', ' ')}: {KINDS[name]}"
        for name in dict.fromkeys(design.kind for design in designs)
    )
    return _table(
        "table-comparison",
        "Designs on the same candidates",
        "Design",
        _COMPARISON,
        [_compared(design) for design in designs],
        [
            (
                "± one Monte Carlo standard error, left out where it is below a twentieth of the"
                " last digit. Power: of everything that a design claims, on every endpoint that it"
                " needs; planned: by formula, as if the score were exact and no fever hidden, of a"
                " single arm exactly, at its target. Type I error with the stops for futility"
                " heeded. Exposed without need: treated patients who would have stayed without the"
                " event untreated."
            ),
            *_margins(designs),
            f"Kinds: {kinds}.",
            *_interactions(designs),
        ],
    )


def _compared(design: OperatingCharacteristics) -> Row:
    planned = design.planned_power
    return Row(
        design.design,
        (
            number(design.n_max, digits=0),
            with_error(design.expected_n, digits=0),
            with_error(design.expected_n_null, digits=0),
            with_error(design.power, digits=1, factor=100),
            MISSING if planned is None else number(100 * planned, digits=1),
            with_error(design.type_one_error, digits=2, factor=100),
            with_error(design.screened, digits=0),
            with_error(design.screened_per_enrolled, digits=2),
            with_error(design.duration_months, digits=1),
            with_error(design.exposed, digits=0),
            with_error(design.exposed_without_need, digits=0),
        ),
    )


def _margins(designs: Sequence[OperatingCharacteristics]) -> list[str]:
    return [
        f"{design.design}: non-inferiority, at most {100 * design.margin:g} of 100 more events; its"
        " type I error, and its patients without effect, are where it has just so many more."
        for design in designs
        if design.margin is not None
    ]


def _interactions(designs: Sequence[OperatingCharacteristics]) -> list[str]:
    """How often strata differ in their risk difference, as a secondary test shows it."""
    return [
        f"{design.design}: in {with_error(design.interaction_power, digits=1, factor=100)} of 100"
        " trials the risk difference is found to differ between the highest and the lowest stratum"
        " (two-sided 5%); with one risk ratio for everybody it does."
        for design in designs
        if design.interaction_power is not None
    ]


def _claims_of(design: OperatingCharacteristics, at: int) -> Table:
    """Power of each claim of several arms and of all, and how often one is false."""
    endpoints = ("ASTCT grade", "support")[: len(design.claims[0].by_endpoint)]
    rows = [
        Row(
            f"{claim.experimental} against {claim.comparator}",
            (
                number(100 * claim.planned_power, digits=1),
                with_error(claim.power, digits=1, factor=100),
                *(with_error(share, digits=1, factor=100) for share in claim.by_endpoint),
            ),
        )
        for claim in design.claims
    ]
    planned = (
        MISSING if design.planned_power is None else number(100 * design.planned_power, digits=1)
    )
    together = (planned, with_error(design.power, digits=1, factor=100))
    rows.append(Row("All claims", (*together, *[MISSING] * len(endpoints))))
    false_claims = "; ".join(
        f"{row.truth}, {with_error(row.claims, digits=2, factor=100)}"
        for row in design.false_claims
    )
    procedure = "" if design.multiplicity is None else PROCEDURES[design.multiplicity]
    return _table(
        f"table-claims-{at}",
        f"{design.design}: power of each claim and of all, {design.n_max:,} patients",
        "Claim, in the order of testing",
        [
            Column("Power", "of 100, planned"),
            Column("Power", "of 100"),
            *(Column("Endpoint alone", f"of 100, {name}") for name in endpoints),
        ],
        rows,
        [
            f"{procedure[:1].upper()}{procedure[1:]}.",
            f"False claims in 100 trials: no drug does anything,"
            f" {with_error(design.type_one_error, digits=2, factor=100)}; {false_claims}.",
        ],
    )


def _looks(design: OperatingCharacteristics, at: int) -> Table:
    is_count = design.kind == "single_arm"
    bounds = (
        (Column("Claim with", "successes or more"), Column("Stop with", "successes or fewer"))
        if is_count
        else (Column("Claim at", "z or above"), Column("Stop below", "z"))
    )
    columns = [
        *bounds,
        Column("Claims", "of 100, effect"),
        Column("Stops", "of 100, effect"),
        Column("Claims", "of 100, no effect"),
        Column("Stops", "of 100, no effect"),
    ]
    futility = futility_in_words(design).removeprefix(", ")
    waiting = (
        f"While an interim look waits, {with_error(design.waiting, digits=1)} further patients are"
        " enrolled on average. 0.00: in none of the simulated trials, or impossible."
    )
    return _table(
        f"table-looks-{at}",
        f"{design.design}: when it stops",
        "Look",
        columns,
        [_look(look, digits=0 if is_count else 3) for look in design.looks],
        [*([f"{futility[:1].upper()}{futility[1:]}."] if futility else []), waiting],
    )


def _look(look: Look, *, digits: int) -> Row:
    shares = (look.benefit_effect, look.futility_effect, look.benefit_null, look.futility_null)
    return Row(
        f"{number(look.n, digits=0)} patients",
        (
            number(look.upper, digits=digits),
            number(look.lower, digits=digits),
            *(with_error(share, digits=2, factor=100) for share in shares),
        ),
    )


# The columns of the two tables on wrong assumptions, by the key of the misspecification.
_ENDPOINTS = {
    "astct_alone": Column("Effect: ASTCT", "grade alone"),
    "support_alone": Column("Effect: support", "endpoint alone"),
    "both": Column("Effect: both", "must show it"),
    "exact_score": Column("Effect: as designed,", "score without error"),
    "no_assay": Column("No effect:", "not inferior, yet useless"),
    "hidden_astct": Column("No effect, fever", "hidden: ASTCT alone"),
    "hidden_both": Column("No effect, fever", "hidden: both"),
}
_DRIFTS = {
    "drift_0": Column("As the benchmark", "says"),
    "drift_5": Column("5 of 100", "better"),
    "drift_10": Column("10 of 100", "better"),
    "drift_15": Column("15 of 100", "better"),
    "candidates": Column("As in these", "candidates"),
}
_HIDDEN_FEVER = (
    "With hidden fever the ASTCT grade flatters prophylaxis, and sees a benefit where nothing is"
    " prevented: in the last two columns every claim is an error. The support-based endpoint does"
    " not ask for fever."
)
_NO_ASSAY = (
    "A trial of non-inferiority cannot tell a strategy that spares a drug that works from one that"
    " spares a drug that does not: it needs other evidence that prophylaxis prevents CRS."
)


def _misspecified(designs: Sequence[OperatingCharacteristics]) -> list[Table]:
    """Two tables: endpoints and hidden fever where there is a control, a drifting benchmark where
    there is none.
    """
    with_control = [
        design
        for design in designs
        if design.kind not in ("single_arm", "multi_arm") and design.misspecifications
    ]
    without = [design for design in designs if design.kind == "single_arm"]
    tables = []
    if with_control:
        tables.append(
            _claims(
                "table-endpoints",
                "Claims of benefit in 100 trials, by what is true and which endpoint counts",
                _ENDPOINTS,
                with_control,
                [
                    *[_HIDDEN_FEVER] * any(map(_hides_fever, with_control)),
                    *[_NO_ASSAY] * any(design.margin is not None for design in with_control),
                ],
            )
        )
    if without:
        benchmarks = "; ".join(
            f"{design.design}: {100 * design.benchmark:.0f}"
            for design in without
            if design.benchmark is not None
        )
        tables.append(
            _claims(
                "table-benchmark",
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


def _hides_fever(design: OperatingCharacteristics) -> bool:
    return any(row.key == "hidden_astct" for row in design.misspecifications)


def _claims(
    key: str,
    title: str,
    columns: Mapping[str, Column],
    designs: Sequence[OperatingCharacteristics],
    notes: Sequence[str],
) -> Table:
    known = {row.key for design in designs for row in design.misspecifications}
    used = [name for name in columns if name in known]
    rows = []
    for design in designs:
        by_key = {row.key: row for row in design.misspecifications}
        rows.append(Row(design.design, tuple(_claims_cell(by_key.get(name)) for name in used)))
    return _table(key, title, "Design", [columns[name] for name in used], rows, notes)


def _claims_cell(row: Misspecification | None) -> str:
    return MISSING if row is None else with_error(row.claims, digits=1, factor=100)


# --- figures ---


def boundaries(design: OperatingCharacteristics) -> Boundaries:
    """What the figure of a design's stopping bounds is drawn from."""
    return Boundaries(
        design=design.design,
        is_count=design.kind == "single_arm",
        looks=tuple(
            BoundaryLook(
                n=look.n,
                upper=look.upper,
                lower=look.lower,
                benefit_effect=look.benefit_effect.value,
                futility_effect=look.futility_effect.value,
                benefit_null=look.benefit_null.value,
                futility_null=look.futility_null.value,
            )
            for look in design.looks
        ),
    )


def power_panels(cells: Sequence[PowerCell], *, wanted: float) -> tuple[PowerPanel, ...]:
    """Cells of the grid as one panel a base rate, one curve a threshold."""
    panels = []
    for rate in dict.fromkeys(cell.base_rate for cell in cells):
        here = [cell for cell in cells if cell.base_rate == rate]
        curves = []
        for threshold in dict.fromkeys(cell.threshold for cell in here):
            line = sorted(
                (cell for cell in here if cell.threshold == threshold),
                key=lambda cell: cell.risk_ratio,
            )
            curves.append(
                PowerCurve(
                    label="everybody" if threshold == 0 else f"risk {threshold:g} or more",
                    risk_ratio=tuple(cell.risk_ratio for cell in line),
                    power=tuple(cell.power.value for cell in line),
                )
            )
        panels.append(PowerPanel(base_rate=rate, wanted=wanted, curves=tuple(curves)))
    return tuple(panels)


def _power_note(plan: TrialPlan, cells: Sequence[PowerCell]) -> str:
    """Which endpoint the curves are about, and their largest error."""
    if plan.power_curves is None or not cells:
        return ""
    worst = 100 * max(cell.power.mc_error or 0.0 for cell in cells)
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
