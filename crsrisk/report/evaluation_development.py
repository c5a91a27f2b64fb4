"""Sections of an evaluation about the development of the model: optimism, places left out,
instability, sample size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10

from crsrisk.evaluation.internal_external import InternalExternal, Place, Pooled
from crsrisk.evaluation.learning_curve_size import NeededSize, SizePoint, Target
from crsrisk.evaluation.optimism import N_GROUPS, InstabilityByRisk, Optimism, OptimismTable
from crsrisk.evaluation.sample_size import SampleSize
from crsrisk.plots.chart_data import Axis, Band, Dot, Dots, Line, Lines
from crsrisk.report.evaluation_sections import ESTIMATE
from crsrisk.report.sections import Row, Section, Table, figure, row, section, table
from crsrisk.results import Z_95, Estimate, NotEstimable
from crsrisk.wording import MISSING, estimate_in_words, number, of_100, plain_name

_PLACE_FIGURES = (
    ("auroc", "AUROC", 0.5),
    ("observed_to_expected", "Observed / expected", 1.0),
    ("slope", "Slope", 1.0),
    ("in_the_large", "Intercept, slope fixed at 1", 0.0),
)
"""Field of a place, in words, and the value of a model that is right."""
_SCALE = {
    "auroc": (
        "Pooled on the logit scale, on which tau is given. Restricted maximum likelihood;"
        " Hartung-Knapp interval."
    ),
    "observed_to_expected": (
        "Pooled on the log scale, on which tau is given. Restricted maximum likelihood;"
        " Hartung-Knapp."
    ),
    "slope": "Restricted maximum likelihood; Hartung-Knapp interval.",
    "in_the_large": "Restricted maximum likelihood; Hartung-Knapp interval.",
}
_N_SHOWN = 14  # places in a figure


def optimism_section(optimism: OptimismTable | NotEstimable) -> Section:
    """Apparent, optimism, corrected; or why not."""
    title = "How much of it is optimism?"
    if isinstance(optimism, NotEstimable):
        return section("optimism", title=title, lead=f"Not estimable: {optimism.reason}.")
    failed = "; ".join(f"{reason}: {count}" for reason, count in optimism.failures.items())
    return section(
        "optimism",
        title=title,
        lead=(
            f"The whole development was repeated in {optimism.n_refits} bootstrap resamples of the"
            " development patients; what the model shows in its own patients is corrected by what"
            " those refits lose outside theirs."
        ),
        sentences=[
            optimism.note,
            *([f"Why resamples failed: {failed}."] if failed else []),
        ],
        tables=[
            table(
                "optimism",
                title="Apparent, optimism and corrected performance",
                row_header="Figure",
                columns=[
                    ("Apparent", "own patients"),
                    ("Optimism", ""),
                    ("Monte Carlo error", "of the optimism"),
                    ("Corrected", "(95% interval)"),
                    ("Optimism", "tuning repeated"),
                    ("Optimism", "saved tuning"),
                ],
                rows=[
                    _optimism_row(measure)
                    for measure in optimism.rows
                    if isinstance(measure, Optimism)
                ],
                notes=[
                    (
                        "Intervals: of the apparent figure (bootstrap over patients), moved by the"
                        " optimism; they leave out the uncertainty of the optimism itself and cover"
                        " somewhat less than they say."
                    ),
                    *(
                        f"Not estimable: {measure.reason}."
                        for measure in optimism.rows
                        if isinstance(measure, NotEstimable)
                    ),
                ],
            )
        ],
    )


def _optimism_row(measure: Optimism) -> Row:
    return row(
        measure.label,
        [
            number(measure.apparent, digits=3),
            number(measure.optimism.value, digits=3),
            number(measure.optimism.mc_error, digits=3),
            estimate_in_words(measure.corrected, digits=3),
            number(measure.optimism_tuned, digits=3),
            number(measure.optimism_saved_tuning, digits=3),
        ],
    )


def instability_section(instability: InstabilityByRisk | NotEstimable) -> Section:
    """How much one patient's risk depends on who else was in the cohort."""
    title = "Would another cohort have given the same risks?"
    if isinstance(instability, NotEstimable):
        return section("instability", title=title, lead=f"Not estimable: {instability.reason}.")
    return section(
        "instability",
        title=title,
        lead=(
            "From one development to the next a patient's risk moves by"
            f" {number(100 * instability.mean_mape.value, digits=1)} of 100 on average"
            f" ({instability.n_refits} refits)."
        ),
        sentences=[
            "Stable is not right: refits share the products, the predictors and the simulator of"
            " the model."
        ],
        tables=[_instability_table(instability)],
        figures=[
            figure(
                "instability",
                title="Risk and its instability interval.",
                panels=[("lines", "Instability", _intervals(instability))],
                text=(
                    f"Each stroke: one of {N_GROUPS} equal groups of patients by risk, typical ends"
                    " of their 95% instability intervals. The diagonal is the model."
                ),
            ),
            figure(
                "instability-curves",
                title="Calibration and decision curves of the refits.",
                style="two",
                panels=[
                    ("lines", "Calibration of refits", _calibrations(instability)),
                    ("lines", "Net benefit of refits", _net_benefits(instability)),
                ],
                text="Each thin line is one refit, judged in the original development patients.",
            ),
        ],
    )


def _instability_table(instability: InstabilityByRisk) -> Table:
    return table(
        "instability",
        title="Instability of individual risks",
        row_header="Figure",
        columns=[ESTIMATE],
        rows=[
            row(
                "Mean absolute difference (MAPE), of 100",
                [estimate_in_words(instability.mean_mape, digits=1, factor=100)],
            ),
            row(
                "90th percentile over patients, of 100",
                [number(100 * instability.mape_p90, digits=1)],
            ),
            row(
                "Mean width of the 95% instability interval, of 100",
                [number(100 * instability.mean_width, digits=1)],
            ),
            *(
                row(
                    f"On the other side of {of_100(float(at))} of 100, of 100 patients",
                    [estimate_in_words(share, digits=1, factor=100)],
                )
                for at, share in instability.classification.items()
            ),
        ],
        notes=["Intervals: bootstrap over patients. Refits as for optimism."],
    )


def _intervals(instability: InstabilityByRisk) -> Lines:
    groups = instability.groups
    end = max(0.1, *groups.high)
    strokes = [
        Line("interval", [risk, risk], [low, high])
        for risk, low, high in zip(groups.risk, groups.low, groups.high, strict=True)
    ]
    return Lines(
        x=_risk_axis("Risk by the model, of 100", end),
        y=_risk_axis("Risk by refits, of 100", end),
        lines=[*strokes, Line("ideal", [0, end], [0, end])],
        description=(
            f"Mean width of the interval {number(100 * instability.mean_width, digits=1)} of 100."
        ),
    )


def _calibrations(instability: InstabilityByRisk) -> Lines:
    risk, curves = instability.curve_risk, instability.calibration_curves
    known = [value for curve in curves for value in curve if value is not None]
    end = min(1.0, max(0.1, *risk, *known))
    return Lines(
        x=_risk_axis("Predicted by the refit, of 100", end),
        y=_risk_axis("Observed, of 100", end),
        lines=[
            *(Line("refit", risk, curve) for curve in curves),
            Line("ideal", [0, end], [0, end]),
        ],
        description=f"Calibration curves of {len(curves)} refits.",
    )


def _net_benefits(instability: InstabilityByRisk) -> Lines:
    thresholds, curves = instability.thresholds, instability.net_benefit_curves
    values = [value for curve in curves for value in curve if value is not None]
    last = max(thresholds)
    return Lines(
        x=Axis("Threshold, of 100", 0, last, 100),
        y=Axis("Net benefit per 100 patients", min(-0.02, *values), max(0.02, *values), 100),
        lines=[
            *(Line("refit", thresholds, curve) for curve in curves),
            Line("zero", [0, last], [0, 0]),
        ],
        description=f"Decision curves of {len(curves)} refits; 0 is treating nobody.",
    )


def _risk_axis(name: str, end: float) -> Axis:
    return Axis(name, 0, end, 100)


def internal_external_section(
    kinds: Mapping[str, InternalExternal | NotEstimable], *, labels: Mapping[str, str]
) -> Section:
    """Leaving one product, tumour type, site out; ``kinds`` by what was left out."""
    done = [kind for kind in kinds.values() if isinstance(kind, InternalExternal)]
    impossible = [
        f"Leaving out one {plain_name(by)} was not possible: {kind.reason}."
        for by, kind in kinds.items()
        if isinstance(kind, NotEstimable)
    ]
    left_in = [
        f"{kind.n_left_in} smaller ones of kind {plain_name(kind.by)} were not judged and always"
        " trained on."
        for kind in done
        if kind.n_left_in
    ]
    return section(
        "internal-external",
        title="Where the model has not been",
        lead=(
            "The development was repeated without each place, and the model so made was judged"
            " there. The prediction interval says what a further place may show; it is for somebody"
            " who wants to use the model elsewhere."
        ),
        sentences=[
            *impossible,
            *left_in,
            (
                "Products, tumour types and sites here are simulated: a new product of this "
                "simulator is still a product of this simulator."
            ),
        ],
        tables=[
            *(_pooled_table(done, name, text) for name, text, _ in _PLACE_FIGURES if done),
            *(_place_table(kind, labels=labels) for kind in done),
        ],
        figures=[
            figure(
                f"places-{kind.by}",
                title=f"One {plain_name(kind.by)} left out.",
                style="two",
                panels=[
                    ("dots", text, _place_dots(kind, name, reference, text, labels))
                    for name, text, reference in _PLACE_FIGURES[:2]
                ],
                text=(
                    "Circles: places with 95% intervals. Diamond: pooled mean; broad grey:"
                    " prediction interval."
                ),
            )
            for kind in done
        ],
    )


def _pooled_table(kinds: Sequence[InternalExternal], name: str, text: str) -> Table:
    return table(
        f"pooled-{name}",
        title=f"{text}, pooled over places left out",
        row_header="Left out",
        columns=[
            ("Places", ""),
            ("Mean", "(95% interval)"),
            ("A new place", "95% prediction interval"),
            ("tau", "(95% interval)"),
        ],
        rows=[
            row(plain_name(kind.by), [str(len(kind.places)), *_pooled_cells(kind.pooled[name])])
            for kind in kinds
        ],
        notes=[_SCALE[name]],
    )


def _pooled_cells(pooled: Pooled | NotEstimable) -> list[str]:
    if isinstance(pooled, NotEstimable):
        return ["not estimable", MISSING, MISSING]
    return [
        estimate_in_words(pooled.mean),
        f"{number(pooled.prediction_low)} to {number(pooled.prediction_high)}",
        estimate_in_words(pooled.tau),
    ]


def _figure_of(place: Place, name: str) -> Estimate | NotEstimable:
    figures = {
        "auroc": place.auroc,
        "observed_to_expected": place.observed_to_expected,
        "slope": place.slope,
        "in_the_large": place.in_the_large,
    }
    return figures[name]


def _label_of(place: Place, labels: Mapping[str, str]) -> str:
    return labels.get(place.name, plain_name(place.name))


def _place_table(kind: InternalExternal, *, labels: Mapping[str, str]) -> Table:
    return table(
        f"places-{kind.by}",
        title=f"One {plain_name(kind.by)} left out",
        row_header="Left out",
        columns=[
            ("Patients", ""),
            ("Events", ""),
            *((text, "(95% interval)") for _, text, _ in _PLACE_FIGURES),
        ],
        rows=[
            row(
                _label_of(place, labels),
                [
                    number(place.n, digits=0),
                    number(place.n_events, digits=0),
                    *(estimate_in_words(_figure_of(place, name)) for name, _, _ in _PLACE_FIGURES),
                ],
            )
            for place in kind.places
        ],
        notes=[
            f"{_label_of(place, labels)}: {place.auroc.reason}."
            for place in kind.places
            if isinstance(place.auroc, NotEstimable)
        ],
    )


def _place_dots(
    kind: InternalExternal, name: str, reference: float, text: str, labels: Mapping[str, str]
) -> Dots:
    rows = [
        Dot(_label_of(place, labels), _figure_of(place, name)) for place in kind.places[:_N_SHOWN]
    ]
    pooled = kind.pooled[name]
    if isinstance(pooled, Pooled):
        rows.append(
            Dot(
                "Pooled",
                pooled.mean,
                is_strong=True,
                prediction=(pooled.prediction_low, pooled.prediction_high),
            )
        )
    known = [dot.estimate.value for dot in rows if isinstance(dot.estimate, Estimate)]
    highest = min(4.0, max(2.0, 1.4 * max(known, default=1.0)))
    low, high = (0.4, 1.0) if name == "auroc" else (0.0, highest)
    return Dots(
        axis=Axis(text, low, high),
        rows=rows,
        description="; ".join(f"{dot.label} {estimate_in_words(dot.estimate)}" for dot in rows),
        reference=reference,
    )


def sample_size_section(size: SampleSize) -> Section:
    """Riley's sizes beside the size read off the learning curve."""
    needed, tables, figures = size.needed, [], []
    if size.riley is not None:
        tables.append(
            table(
                "riley",
                title="By Riley's formulas",
                row_header="Criterion",
                columns=[("Patients", "")],
                rows=[
                    row(criterion.label, [number(criterion.n, digits=0)])
                    for criterion in size.riley.rows
                ],
                notes=size.riley.notes,
            )
        )
    lead = (
        f"The model was developed on {number(size.n, digits=0)} patients with "
        f"{number(size.n_events, digits=0)} events."
    )
    if needed is not None:
        smallest = needed.smallest["all"]
        lead += (
            f" This learner reached all targets from {number(smallest, digits=0)} patients on."
            if smallest
            else (
                " This learner did not reach all targets with"
                f" {number(needed.points[-1].n, digits=0)} patients."
            )
        )
        tables.append(_curve_table(needed))
        figures.append(
            figure(
                "curve",
                title="Learning curve.",
                style="two",
                panels=[
                    ("lines", target.label, _learning_curve(needed, target))
                    for target in needed.targets
                ],
                text=(
                    "Means over developments with 95% Monte Carlo bands; broken line: the target."
                    " Patients by logarithm (base 10)."
                ),
            )
        )
    return section(
        "sample-size",
        title="How many patients it needs",
        lead=lead,
        tables=tables,
        figures=figures,
        sentences=[
            "Riley's formulas are for regression with a given number of parameters and are known to"
            " be too small where discrimination is strong; the learning curve is of the learner"
            " itself."
        ],
    )


def _curve_table(needed: NeededSize) -> Table:
    smallest = [
        f"{target.label.lower()}: {number(size, digits=0) if size else 'none of these'}"
        for target in needed.targets
        for size in [needed.smallest[target.figure]]
    ]
    return table(
        "curve",
        title="By simulation of this learner",
        row_header="Patients",
        columns=[
            ("Developments", ""),
            *(
                (target.label, f"{'at least' if target.is_floor else 'at most'} {target.bound:g}")
                for target in needed.targets
            ),
        ],
        rows=[
            row(
                number(point.n, digits=0),
                [
                    str(point.n_developments),
                    *(_curve_cell(point, target.figure) for target in needed.targets),
                ],
            )
            for point in needed.points
        ],
        notes=[
            "Mean ± Monte Carlo error. A target is met where the mean is on its right side with"
            " 1.96 errors. Smallest size from which on every size meets it: "
            + "; ".join(smallest)
            + "."
        ],
    )


def _curve_cell(point: SizePoint, figure_name: str) -> str:
    mean = point.mean[figure_name]
    if isinstance(mean, NotEstimable):
        return "not estimable"
    return (
        f"{number(mean.value, digits=3)} ± {number(mean.mc_error, digits=3)}"
        f"{' (met)' if point.is_met[figure_name] else ''}"
    )


def _learning_curve(needed: NeededSize, target: Target) -> Lines:
    known = [
        (point.n, mean)
        for point in needed.points
        if isinstance(mean := point.mean[target.figure], Estimate)
    ]
    x, y = [log10(n) for n, _ in known], [mean.value for _, mean in known]
    reach = [Z_95 * (mean.mc_error or 0.0) for _, mean in known]
    lows = [value - half for value, half in zip(y, reach, strict=True)]
    highs = [value + half for value, half in zip(y, reach, strict=True)]
    low, high = min([target.bound, *lows]), max([target.bound, *highs])
    pad, ends = 0.08 * (high - low) or 0.1, (min(x, default=2.0) - 0.05, max(x, default=4.0) + 0.05)
    return Lines(
        x=Axis("Patients, log10", *ends),
        y=Axis(target.label, low - pad, high + pad),
        lines=[Line("model", x, y), Line("reference", list(ends), [target.bound] * 2)],
        description="; ".join(f"{n} patients: {number(mean.value, digits=3)}" for n, mean in known),
        band=Band(x, lows, highs),
    )
