"""Sections of a judgement about performance: all figures with intervals, comparison, optimism,
instability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from crsrisk.evaluation.subgroups import VARIABLES
from crsrisk.report.performance import net_benefit_table, performance_tables
from crsrisk.report.sections import Section, figure, row, rows_group, section, table
from crsrisk.wording import MISSING, estimate_in_words, number, of_100, plain_name

Group = Mapping[str, Any]

N_INTERVALS = 100  # groups of patients drawn in the figure of instability: none is a single patient
_TWO = ("Estimate", "(95% interval)")


def performance_section(evaluation: Group, *, labels: Mapping[str, str]) -> Section:
    """Discrimination, calibration, overall performance, net benefit and the distribution of
    risks.
    """
    pooled = evaluation["pooled"]
    order = list(evaluation["by_product"])
    tables = [_all_figures(pooled), *performance_tables(evaluation, labels=labels, order=order)]
    if (benefit := net_benefit_table(evaluation)) is not None:
        tables.append(benefit)
    groups = {
        "All products": pooled,
        **{labels[name]: evaluation["by_product"][name] for name in order},
    }
    within = estimate_in_words(pooled["auroc_within_product"])
    return section(
        "performance",
        title="How good the risks are",
        lead=(
            f"In {number(pooled['n'], digits=0)} patients, {number(pooled['n_events'], digits=0)}"
            f" of them with the event, the AUROC among patients of one product is {within}, and"
            f" over all products mixed {estimate_in_words(pooled['auroc'])}."
        ),
        sentences=[
            "No accuracy, F1 or area under the precision-recall curve: none of them rewards honest"
            " risks, and each hides a threshold that nobody chose."
        ],
        tables=tables,
        figures=[
            figure(
                "calibration",
                title="Calibration.",
                style="half",
                panels=[("calibration", "all products", pooled)],
                text=(
                    "Spline with its 95% bootstrap band; the diagonal is perfect. Below: where"
                    " predicted risks lie."
                ),
            ),
            figure(
                "benefit",
                title="Decision curve.",
                style="half",
                panels=[("net_benefit", "all products", pooled)],
                text=(
                    "Events found per 100 patients, needless treatments subtracted at the odds of"
                    " the threshold."
                ),
            ),
            figure(
                "risks",
                title="Predicted risk by outcome.",
                panels=[("risk_distribution", "", groups)],
                text=(
                    "Thin line: 5 to 95 of 100 patients; bar: the middle half; stroke: the median."
                ),
            ),
        ],
    )


def _all_figures(pooled: Group) -> dict[str, Any]:
    calibration, loess = pooled["calibration"], pooled["loess_curve"]

    def of(figure_: Group, *, digits: int = 2, factor: float = 1.0) -> str:
        return estimate_in_words(figure_, digits=digits, factor=factor)

    def distances(curve: Group) -> list[dict[str, Any]]:
        if "not_estimable" in curve:
            return [row("ICI, E50, E90, Emax", ["not estimable", curve["not_estimable"]])]
        names = (
            ("ici", "ICI: mean distance, of 100"),
            ("e50", "E50: median distance, of 100"),
            ("e90", "E90: 90th percentile, of 100"),
            ("emax", "Emax: largest distance, of 100"),
        )
        return [row(text, [of(curve[name], digits=1, factor=100), ""]) for name, text in names]

    groups = [
        rows_group(
            "Discrimination",
            [
                row(
                    "AUROC, pairs of one product",
                    [of(pooled["auroc_within_product"]), "pairs weighed alike; DeLong"],
                ),
                row(
                    "AUROC, all patients mixed",
                    [of(pooled["auroc"]), "DeLong; rises with the mix of products"],
                ),
                row(
                    "Discrimination slope",
                    [of(pooled["discrimination_slope"]), "mean risk with minus without the event"],
                ),
            ],
        ),
        rows_group(
            "Calibration",
            [
                row(
                    "Observed / expected",
                    [of(calibration["observed_to_expected"]), "ideal 1; normal on the log scale"],
                ),
                row(
                    "Intercept, slope fixed at 1",
                    [of(calibration["in_the_large"]), "ideal 0; calibration in the large; Wald"],
                ),
                row("Slope", [of(calibration["slope"]), "ideal 1; below: risks too extreme; Wald"]),
                row(
                    "Intercept, fitted with the slope",
                    [of(calibration["intercept_joint"]), "says little without the slope"],
                ),
            ],
        ),
        rows_group(
            f"Distance of the curve from the diagonal: {_smoother(calibration['curve'])}",
            distances(calibration["curve"]),
        ),
        rows_group(f"The same: {_smoother(loess)}", distances(loess)),
        rows_group(
            "Overall",
            [
                row("Brier score", [of(pooled["brier"], digits=3), "0 best"]),
                row(
                    "Scaled Brier score",
                    [
                        of(pooled["scaled_brier"]),
                        "1 best, 0: no better than the rate; delta method",
                    ],
                ),
                row("Log loss, nats", [of(pooled["log_loss"], digits=3), "0 best"]),
            ],
        ),
    ]
    return table(
        "all-figures",
        title="All products together: every figure with its interval",
        row_header="Figure",
        columns=[_TWO, ("Remark", "")],
        rows=groups,
        words=[1],
        notes=[
            f"{number(pooled['n_risks_clipped'], digits=0)} risks nearer than 1 in a million to 0"
            " or 1 were moved there for logits and log loss. Distances are percentile bootstraps;"
            " they start at 0 where exact risks could have given as much."
        ],
    )


def _smoother(curve: Group) -> str:
    return str(curve.get("smoother", "smoothed curve"))


def comparison_section(comparison: Sequence[Group], *, thresholds: Sequence[float]) -> Section:
    """The model against each comparator on the same patients.

    ``comparison``: each `name`, `auroc`, `auroc_within_product`, `brier`, `log_loss` (model minus
    comparator) and `net_benefit` (a band over ``thresholds``).
    """
    shown = [at for at, one in enumerate(thresholds) if round(one, 6) in (0.1, 0.2, 0.3, 0.4)]
    rows, benefits = [], []
    for one in comparison:
        rows.append(
            row(
                one["name"],
                [
                    estimate_in_words(one["auroc_within_product"], digits=3),
                    estimate_in_words(one["auroc"], digits=3),
                    estimate_in_words(one["brier"], digits=4),
                    estimate_in_words(one["log_loss"], digits=4),
                ],
            )
        )
        band = one["net_benefit"]
        cells = (
            ["not estimable"] * len(shown)
            if "not_estimable" in band
            else [
                estimate_in_words(
                    {part: band[part][at] for part in ("value", "low", "high")},
                    digits=1,
                    factor=100,
                )
                for at in shown
            ]
        )
        benefits.append(row(one["name"], cells))
    return section(
        "comparison",
        title="Is it better than something simpler?",
        lead=(
            "Differences are model minus comparator in the same patients, with paired 95%"
            " intervals; one that holds 0 is no difference that these patients show."
        ),
        tables=[
            table(
                "paired",
                title="Model minus comparator",
                row_header="Comparator",
                columns=[
                    ("AUROC, within products", "above 0: model better"),
                    ("AUROC, all mixed", "above 0: model better"),
                    ("Brier score", "below 0: model better"),
                    ("Log loss, nats", "below 0: model better"),
                ],
                rows=rows,
                notes=[
                    "AUROC: DeLong's paired variance; losses: normal interval of the mean"
                    " difference."
                ],
            ),
            table(
                "paired-benefit",
                title="Net benefit, model minus comparator, per 100 patients",
                row_header="Comparator",
                columns=[(f"At {of_100(thresholds[at])} of 100", "(95% interval)") for at in shown],
                rows=benefits,
                notes=["Paired percentile bootstrap, each threshold for itself."],
            ),
        ],
    )


def optimism_section(optimism: Group) -> Section:
    """Apparent, optimism, corrected; or why not."""
    title = "How much of it is optimism?"
    if "not_estimable" in optimism:
        return section("optimism", title=title, lead=f"Not estimable: {optimism['not_estimable']}.")
    rows, notes = [], []
    for one in optimism["rows"]:
        if "not_estimable" in one:
            notes.append(f"Not estimable: {one['not_estimable']}.")
            continue
        apart = [
            MISSING if one[name] is None else number(one[name], digits=3)
            for name in ("optimism_tuned", "optimism_saved_tuning")
        ]
        rows.append(
            row(
                one["label"],
                [
                    number(one["apparent"], digits=3),
                    number(one["optimism"], digits=3),
                    number(one["optimism_mc_error"], digits=3),
                    estimate_in_words(one["corrected"], digits=3),
                    *apart,
                ],
            )
        )
    failed = [f"{reason}: {count}" for reason, count in optimism["failures"].items()]
    return section(
        "optimism",
        title=title,
        lead=(
            f"The whole development was repeated in {optimism['n_refits']} bootstrap resamples of"
            " the development patients; what the model shows in its own patients is corrected by"
            " what those refits lose outside theirs."
        ),
        sentences=[
            optimism["note"],
            *(["Why resamples failed: " + "; ".join(failed) + "."] if failed else []),
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
                rows=rows,
                notes=[
                    (
                        "Intervals: of the apparent figure (bootstrap over patients), moved by the"
                        " optimism; they leave out the uncertainty of the optimism itself and cover"
                        " somewhat less than they say."
                    ),
                    *notes,
                ],
            )
        ],
    )


def instability_section(instability: Group) -> Section:
    """How much one patient's risk depends on who else was in the cohort."""
    title = "Would another cohort have given the same risks?"
    if "not_estimable" in instability:
        return section(
            "instability", title=title, lead=f"Not estimable: {instability['not_estimable']}."
        )
    one = instability
    rows = [
        row(
            "Mean absolute difference (MAPE), of 100",
            [estimate_in_words(one["mean_mape"], digits=1, factor=100)],
        ),
        row("90th percentile over patients, of 100", [number(100 * one["mape_p90"], digits=1)]),
        row(
            "Mean width of the 95% instability interval, of 100",
            [number(100 * one["mean_width"], digits=1)],
        ),
        *(
            row(
                f"On the other side of {of_100(float(at))} of 100, of 100 patients",
                [estimate_in_words(share, digits=1, factor=100)],
            )
            for at, share in one["classification"].items()
        ),
    ]
    return section(
        "instability",
        title=title,
        lead=(
            "From one development to the next a patient's risk moves by"
            f" {number(100 * one['mean_mape']['value'], digits=1)} of 100 on average"
            f" ({one['n_refits']} refits)."
        ),
        sentences=[
            "Stable is not right: refits share the products, the predictors and the simulator of"
            " the model."
        ],
        tables=[
            table(
                "instability",
                title="Instability of individual risks",
                row_header="Figure",
                columns=[_TWO],
                rows=rows,
                notes=["Intervals: bootstrap over patients. Refits as for optimism."],
            )
        ],
        figures=[
            figure(
                "instability",
                title="Risk and its instability interval.",
                panels=[("lines", "Instability", _spans(one))],
                text=(
                    f"Each stroke: one of {N_INTERVALS} equal groups of patients by risk, typical"
                    " ends of their 95% instability intervals. The diagonal is the model."
                ),
            ),
            figure(
                "instability-curves",
                title="Calibration and decision curves of the refits.",
                style="two",
                panels=[
                    ("lines", "Calibration of refits", _calibrations(one)),
                    ("lines", "Net benefit of refits", _benefits(one)),
                ],
                text="Each thin line is one refit, judged in the original development patients.",
            ),
        ],
    )


def _spans(one: Group) -> dict[str, Any]:
    end = max(0.1, *one["groups"]["high"])
    strokes = [
        {"style": "interval", "x": [risk, risk], "y": [low, high]}
        for risk, low, high in zip(
            one["groups"]["risk"], one["groups"]["low"], one["groups"]["high"], strict=True
        )
    ]
    return {
        "x": _risk_axis("Risk by the model, of 100", end),
        "y": _risk_axis("Risk by refits, of 100", end),
        "band": None,
        "series": [*strokes, {"style": "ideal", "x": [0, end], "y": [0, end]}],
        "told": f"Mean width of the interval {number(100 * one['mean_width'], digits=1)} of 100.",
    }


def _calibrations(one: Group) -> dict[str, Any]:
    known = [value for curve in one["calibration_curves"] for value in curve if value is not None]
    end = min(1.0, max(0.1, *one["curve_risk"], *known))
    return {
        "x": _risk_axis("Predicted by the refit, of 100", end),
        "y": _risk_axis("Observed, of 100", end),
        "band": None,
        "series": [
            *(
                {"style": "refit", "x": one["curve_risk"], "y": curve}
                for curve in one["calibration_curves"]
            ),
            {"style": "ideal", "x": [0, end], "y": [0, end]},
        ],
        "told": f"Calibration curves of {len(one['calibration_curves'])} refits.",
    }


def _benefits(one: Group) -> dict[str, Any]:
    values = [value for curve in one["net_benefit_curves"] for value in curve]
    last = max(one["thresholds"])
    return {
        "x": {"name": "Threshold, of 100", "low": 0, "high": last, "factor": 100},
        "y": {
            "name": "Net benefit per 100 patients",
            "low": min(-0.02, *values),
            "high": max(0.02, *values),
            "factor": 100,
        },
        "band": None,
        "series": [
            *(
                {"style": "refit", "x": one["thresholds"], "y": curve}
                for curve in one["net_benefit_curves"]
            ),
            {"style": "zero", "x": [0, last], "y": [0, 0]},
        ],
        "told": (
            f"Decision curves of {len(one['net_benefit_curves'])} refits; 0 is treating nobody."
        ),
    }


def _risk_axis(name: str, end: float) -> dict[str, Any]:
    return {"name": name, "low": 0, "high": end, "factor": 100}


# Sections of a judgement about parts of the patients and their number: places left out, subgroups,
# gaps, sample size.


_FIGURES = (
    ("auroc", "AUROC", 0.5),
    ("observed_to_expected", "Observed / expected", 1.0),
    ("slope", "Slope", 1.0),
    ("in_the_large", "Intercept, slope fixed at 1", 0.0),
)
_N_SHOWN = 14  # places in a figure
_PARTS = {
    "base rate": "Base rate",
    "missingness": "Missing values",
    "case mix": "Case mix",
    "measurement": "Measurement",
    "sample share": "Sample share",
    "model": "Model",
    "model and case mix": "Model and case mix",
}


def internal_external_section(kinds: Sequence[Group], *, labels: Mapping[str, str]) -> Section:
    """Leaving one product, tumour type, site out. ``kinds``: the fields of
    :class:`crsrisk.evaluation.internal_external.InternalExternal` (or `by` and `not_estimable`)."""
    done = [one for one in kinds if "not_estimable" not in one]
    pooled_rows = []
    for one in done:
        cells = [str(len(one["places"]))]
        for name, _, _ in _FIGURES:
            pooled = one["pooled"][name]
            cells += (
                ["not estimable", MISSING, MISSING]
                if "not_estimable" in pooled
                else [
                    estimate_in_words(pooled["mean"]),
                    _range(pooled),
                    estimate_in_words(pooled["tau"]),
                ]
            )
        pooled_rows.append((plain_name(one["by"]), cells))
    tables = (
        [
            table(
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
                    row(by, [cells[0], *cells[1 + 3 * at : 4 + 3 * at]])
                    for by, cells in pooled_rows
                ],
                notes=[_SCALE[name]],
            )
            for at, (name, text, _) in enumerate(_FIGURES)
        ]
        if pooled_rows
        else []
    )
    missing = [
        f"Leaving out one {plain_name(one['by'])} was not possible: {one['not_estimable']}."
        for one in kinds
        if "not_estimable" in one
    ]
    left_in = [
        f"{one['n_left_in']} smaller ones of kind {plain_name(one['by'])} were not judged and"
        " always trained on."
        for one in done
        if one["n_left_in"]
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
            *missing,
            *left_in,
            (
                "Products, tumour types and sites here are simulated: a new product of this "
                "simulator is still a product of this simulator."
            ),
        ],
        tables=[*tables, *(_places(one, labels=labels) for one in done)],
        figures=[
            figure(
                f"places-{one['by']}",
                title=f"One {plain_name(one['by'])} left out.",
                style="two",
                panels=[
                    ("dots", text, _dots(one, name, reference, text, labels))
                    for name, text, reference in _FIGURES[:2]
                ],
                text=(
                    "Circles: places with 95% intervals. Diamond: pooled mean; broad grey:"
                    " prediction interval."
                ),
            )
            for one in done
        ],
    )


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


def _range(pooled: Group) -> str:
    return f"{number(pooled['prediction_low'])} to {number(pooled['prediction_high'])}"


def _places(one: Group, *, labels: Mapping[str, str]) -> dict[str, Any]:
    rows, notes = [], []
    for place in one["places"]:
        label = labels.get(place["name"], plain_name(place["name"]))
        rows.append(
            row(
                label,
                [
                    number(place["n"], digits=0),
                    number(place["n_events"], digits=0),
                    *(estimate_in_words(place[name]) for name, _, _ in _FIGURES),
                ],
            )
        )
        if "not_estimable" in place["auroc"]:
            notes.append(f"{label}: {place['auroc']['not_estimable']}.")
    return table(
        f"places-{one['by']}",
        title=f"One {plain_name(one['by'])} left out",
        row_header="Left out",
        columns=[
            ("Patients", ""),
            ("Events", ""),
            *((text, "(95% interval)") for _, text, _ in _FIGURES),
        ],
        rows=rows,
        notes=notes,
    )


def _dots(
    one: Group, name: str, reference: float, text: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [
        {
            "label": labels.get(place["name"], plain_name(place["name"])),
            "estimate": place[name],
            "is_strong": False,
            "range": None,
        }
        for place in one["places"][:_N_SHOWN]
    ]
    pooled = one["pooled"][name]
    if "not_estimable" not in pooled:
        rows.append(
            {
                "label": "Pooled",
                "estimate": pooled["mean"],
                "is_strong": True,
                "range": {"low": pooled["prediction_low"], "high": pooled["prediction_high"]},
            }
        )
    low, high = (0.4, 1.0) if name == "auroc" else (0.0, _end(rows))
    told = "; ".join(f"{each['label']} {estimate_in_words(each['estimate'])}" for each in rows)
    return {
        "name": text,
        "low": low,
        "high": high,
        "reference": reference,
        "digits": 2,
        "factor": 1.0,
        "rows": rows,
        "told": told,
    }


def _end(rows: Sequence[Group]) -> float:
    known = [each["estimate"]["value"] for each in rows if "value" in each["estimate"]]
    return min(4.0, max(2.0, 1.4 * max(known, default=1.0)))


def subgroups_section(
    groups: Sequence[Group], gaps: Sequence[Group], *, threshold: float
) -> Section:
    """Subgroups with their figures, their differences to the rest, and where gaps come from."""
    by_variable: dict[str, list[Group]] = {}
    for one in groups:
        by_variable.setdefault(one["variable"], []).append(one)

    def grouped(cells: Any) -> list[dict[str, Any]]:
        return [
            rows_group(
                VARIABLES[name],
                [
                    row(one["label"] + (" *" if one["is_small"] else ""), cells(one))
                    for one in parts
                ],
            )
            for name, parts in by_variable.items()
        ]

    figures = grouped(
        lambda one: [
            number(one["n"], digits=0),
            number(one["n_events"], digits=0),
            estimate_in_words(one["auroc_within_product"]),
            estimate_in_words(one["auroc"]),
            estimate_in_words(one["observed_to_expected"]),
            estimate_in_words(one["in_the_large"]),
            estimate_in_words(one["slope"]),
            estimate_in_words(one["ici"], digits=1, factor=100),
        ]
    )
    at = f"At {of_100(threshold)} of 100"
    acting = grouped(
        lambda one: [
            estimate_in_words(one["event_rate"], digits=0, factor=100),
            *(
                estimate_in_words(one["at_threshold"][name], digits=0, factor=100)
                for name in ("sensitivity", "specificity")
            ),
            estimate_in_words(one["at_threshold"]["net_benefit"], digits=1, factor=100),
            estimate_in_words(one["scaled_brier"]),
        ]
    )
    differences = grouped(
        lambda one: [
            estimate_in_words(one["minus_rest"][name], digits=digits)
            for name, digits in (
                ("auroc_within_product", 2),
                ("auroc", 2),
                ("observed_to_expected", 2),
                ("in_the_large", 2),
                ("slope", 2),
                ("log_loss", 3),
            )
        ]
    )
    small = "* fewer than 30 patients with or without the event: read the interval, not the figure."
    return section(
        "subgroups",
        title="For whom it works less well",
        lead=(
            "Figures of each group, and their differences to all other patients. There is no"
            " verdict: whether a gap matters depends on what is done with the risk."
        ),
        sentences=[
            "About one in twenty differences leaves 0 outside its interval by chance alone.",
            *(
                [
                    "No gap could be traced to its parts: too few patients with a known true risk"
                    " in each group."
                ]
                if gaps and all("not_estimable" in one for one in gaps)
                else []
            ),
        ],
        tables=[
            table(
                "subgroups",
                title="Discrimination and calibration by group",
                row_header="Group",
                columns=[
                    ("Patients", ""),
                    ("Events", ""),
                    ("AUROC", "within products"),
                    ("AUROC", "products mixed"),
                    ("Observed / expected", "ideal 1"),
                    ("Intercept", "slope fixed at 1"),
                    ("Slope", "ideal 1"),
                    ("ICI", "of 100"),
                ],
                rows=figures,
                notes=[small, "95% intervals in brackets."],
            ),
            table(
                "subgroups-acting",
                title="If somebody acted on the risk",
                row_header="Group",
                columns=[
                    ("Event rate", "of 100"),
                    ("Sensitivity", f"{at}, of 100"),
                    ("Specificity", f"{at}, of 100"),
                    ("Net benefit", f"{at}, per 100"),
                    ("Scaled Brier", ""),
                ],
                rows=acting,
                notes=[
                    "The threshold was declared before the figures were seen; Wilson's intervals,"
                    " bootstrap for net benefit."
                ],
            ),
            table(
                "subgroups-differences",
                title="Group minus all other patients",
                row_header="Group",
                columns=[
                    ("AUROC", "within products"),
                    ("AUROC", "products mixed"),
                    ("Observed / expected", ""),
                    ("Intercept", ""),
                    ("Slope", ""),
                    ("Log loss", "nats"),
                ],
                rows=differences,
                notes=["Percentile bootstrap, both sides drawn anew."],
            ),
            *([_gaps(gaps)] if any("not_estimable" not in one for one in gaps) else []),
        ],
    )


def _gaps(gaps: Sequence[Group]) -> dict[str, Any]:
    known = [one for one in gaps if "not_estimable" not in one]
    names = [name for name in _PARTS if any(name in one["parts"] for one in known)]
    rows = [
        row(
            one["group"],
            [
                estimate_in_words(one["total"], digits=3),
                *(
                    (
                        estimate_in_words(one["parts"][name], digits=3)
                        if name in one["parts"]
                        else MISSING
                    )
                    for name in names
                ),
            ],
        )
        for one in known
    ]
    notes = [
        f"{one['group']}: not estimable, {one['not_estimable']}."
        for one in gaps
        if "not_estimable" in one
    ]
    truth = (
        "Base rate and case mix: what an oracle with full knowledge would show too. Measurement:"
        " what gaps and errors of measurement cost the group more. Sample share: what a model"
        " fitted to equal shares takes away. Model: the rest."
        if any(one["knows_the_truth"] for one in known)
        else "Without the truth, model and case mix cannot be told apart."
    )
    return table(
        "gaps",
        title="Where a gap in log loss comes from (nats, group minus the others)",
        row_header="Group",
        columns=[("Gap", "(95% interval)"), *((_PARTS[name], "") for name in names)],
        rows=rows,
        notes=["The parts add up to the gap. " + truth, *notes],
    )


def sample_size_section(size: Group) -> Section:
    """Riley's sizes beside the size read off the learning curve. ``size``: `riley` (rows, or None),
    `needed` (the fields of :class:`crsrisk.evaluation.learning_curve_size.NeededSize`, or None),
    `n`, `n_events`.
    """
    needed, tables, figures = size["needed"], [], []
    if size["riley"] is not None:
        tables.append(
            table(
                "riley",
                title="By Riley's formulas",
                row_header="Criterion",
                columns=[("Patients", "")],
                rows=[
                    row(one["label"], [number(one["n"], digits=0)]) for one in size["riley"]["rows"]
                ],
                notes=size["riley"]["notes"],
            )
        )
    lead = (
        f"The model was developed on {number(size['n'], digits=0)} patients with "
        f"{number(size['n_events'], digits=0)} events."
    )
    if needed is not None:
        smallest = needed["smallest"]["all"]
        lead += (
            f" This learner reached all targets from {number(smallest, digits=0)} patients on."
            if smallest
            else (
                " This learner did not reach all targets with"
                f" {number(needed['points'][-1]['n'], digits=0)} patients."
            )
        )
        tables.append(_curve_table(needed))
        figures.append(
            figure(
                "curve",
                title="Learning curve.",
                style="two",
                panels=[
                    ("lines", target["label"], _curve(needed, target))
                    for target in needed["targets"]
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


def _curve_table(needed: Group) -> dict[str, Any]:
    def cell(point: Group, name: str) -> str:
        if point["mean"][name] is None:
            return "not estimable"
        error = point["mc_error"][name]
        return f"{number(point['mean'][name], digits=3)} ± {number(error, digits=3)}" + (
            " (met)" if point["is_met"][name] else ""
        )

    targets = needed["targets"]
    return table(
        "curve",
        title="By simulation of this learner",
        row_header="Patients",
        columns=[
            ("Developments", ""),
            *(
                (one["label"], f"{'at least' if one['is_floor'] else 'at most'} {one['bound']:g}")
                for one in targets
            ),
        ],
        rows=[
            row(
                number(point["n"], digits=0),
                [str(point["n_developments"]), *(cell(point, one["figure"]) for one in targets)],
            )
            for point in needed["points"]
        ],
        notes=[
            "Mean ± Monte Carlo error. A target is met where the mean is on its right side with"
            " 1.96 errors. Smallest size from which on every size meets it: "
            + "; ".join(
                f"{one['label'].lower()}: {number(found, digits=0) if found else 'none of these'}"
                for one in targets
                for found in [needed["smallest"][one["figure"]]]
            )
            + "."
        ],
    )


def _curve(needed: Group, target: Group) -> dict[str, Any]:
    known = [point for point in needed["points"] if point["mean"][target["figure"]] is not None]
    x = [log10(point["n"]) for point in known]
    y = [point["mean"][target["figure"]] for point in known]
    reach = [1.96 * (point["mc_error"][target["figure"]] or 0.0) for point in known]
    low = min([target["bound"], *(a - b for a, b in zip(y, reach, strict=True))])
    high = max([target["bound"], *(a + b for a, b in zip(y, reach, strict=True))])
    pad, ends = 0.08 * (high - low) or 0.1, (min(x, default=2.0) - 0.05, max(x, default=4.0) + 0.05)
    return {
        "x": {"name": "Patients, log10", "low": ends[0], "high": ends[1], "factor": 1},
        "y": {"name": target["label"], "low": low - pad, "high": high + pad, "factor": 1},
        "band": {
            "x": x,
            "low": [a - b for a, b in zip(y, reach, strict=True)],
            "high": [a + b for a, b in zip(y, reach, strict=True)],
        },
        "series": [
            {"style": "model", "x": x, "y": y},
            {"style": "reference", "x": list(ends), "y": [target["bound"]] * 2},
        ],
        "told": "; ".join(
            f"{point['n']} patients: {number(value, digits=3)}"
            for point, value in zip(known, y, strict=True)
        ),
    }
