"""Sections of a judgement about performance: all figures with intervals, comparison, optimism, instability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.performance import net_benefit_table, performance_tables
from crsrisk.report.sections import Section, figure, row, rows_group, section, table
from crsrisk.report.words import MISSING, estimate_in_words, number, of_100

Group = Mapping[str, Any]

N_INTERVALS = 100  # groups of patients drawn in the figure of instability: none is a single patient
_TWO = ("Estimate", "(95% interval)")


def performance_section(evaluation: Group, *, labels: Mapping[str, str]) -> Section:
    """Discrimination, calibration, overall performance, net benefit and the distribution of risks."""
    pooled = evaluation["pooled"]
    order = list(evaluation["by_product"])
    tables = [_all_figures(pooled), *performance_tables(evaluation, labels=labels, order=order)]
    if (benefit := net_benefit_table(evaluation)) is not None:
        tables.append(benefit)
    groups = {"All products": pooled, **{labels[name]: evaluation["by_product"][name] for name in order}}
    within = estimate_in_words(pooled["auroc_within_product"])
    return section(
        "performance", title="How good the risks are",
        lead=f"In {number(pooled['n'], digits=0)} patients, {number(pooled['n_events'], digits=0)} of them with the event, "
             f"the AUROC among patients of one product is {within}, and over all products mixed "
             f"{estimate_in_words(pooled['auroc'])}.",
        sentences=["No accuracy, F1 or area under the precision-recall curve: none of them rewards honest risks, and each "
                   "hides a threshold that nobody chose."],
        tables=tables,
        figures=[
            figure("calibration", title="Calibration.", style="half", panels=[("calibration", "all products", pooled)],
                   text="Spline with its 95% bootstrap band; the diagonal is perfect. Below: where predicted risks lie."),
            figure("benefit", title="Decision curve.", style="half", panels=[("net_benefit", "all products", pooled)],
                   text="Events found per 100 patients, needless treatments subtracted at the odds of the threshold."),
            figure("risks", title="Predicted risk by outcome.", panels=[("risk_distribution", "", groups)],
                   text="Thin line: 5 to 95 of 100 patients; bar: the middle half; stroke: the median."),
        ])


def _all_figures(pooled: Group) -> dict[str, Any]:
    calibration, loess = pooled["calibration"], pooled["loess_curve"]

    def of(figure_: Group, *, digits: int = 2, factor: float = 1.0) -> str:
        return estimate_in_words(figure_, digits=digits, factor=factor)

    def distances(curve: Group) -> list[dict[str, Any]]:
        if "not_estimable" in curve:
            return [row("ICI, E50, E90, Emax", ["not estimable", curve["not_estimable"]])]
        names = (("ici", "ICI: mean distance, of 100"), ("e50", "E50: median distance, of 100"),
                 ("e90", "E90: 90th percentile, of 100"), ("emax", "Emax: largest distance, of 100"))
        return [row(text, [of(curve[name], digits=1, factor=100), ""]) for name, text in names]

    groups = [
        rows_group("Discrimination", [
            row("AUROC, pairs of one product", [of(pooled["auroc_within_product"]), "pairs weighed alike; DeLong"]),
            row("AUROC, all patients mixed", [of(pooled["auroc"]), "DeLong; rises with the mix of products"]),
            row("Discrimination slope", [of(pooled["discrimination_slope"]), "mean risk with minus without the event"])]),
        rows_group("Calibration", [
            row("Observed / expected", [of(calibration["observed_to_expected"]), "ideal 1; normal on the log scale"]),
            row("Intercept, slope fixed at 1", [of(calibration["in_the_large"]), "ideal 0; calibration in the large; Wald"]),
            row("Slope", [of(calibration["slope"]), "ideal 1; below: risks too extreme; Wald"]),
            row("Intercept, fitted with the slope", [of(calibration["intercept_joint"]), "says little without the slope"])]),
        rows_group(f"Distance of the curve from the diagonal: {_smoother(calibration['curve'])}",
                   distances(calibration["curve"])),
        rows_group(f"The same: {_smoother(loess)}", distances(loess)),
        rows_group("Overall", [
            row("Brier score", [of(pooled["brier"], digits=3), "0 best"]),
            row("Scaled Brier score", [of(pooled["scaled_brier"]), "1 best, 0: no better than the rate; delta method"]),
            row("Log loss, nats", [of(pooled["log_loss"], digits=3), "0 best"])]),
    ]
    return table("all-figures", title="All products together: every figure with its interval", row_header="Figure",
                 columns=[_TWO, ("Remark", "")], rows=groups, words=[1],
                 notes=[f"{number(pooled['n_risks_clipped'], digits=0)} risks nearer than 1 in a million to 0 or 1 were "
                        "moved there for logits and log loss. Distances are percentile bootstraps; they start at 0 "
                        "where exact risks could have given as much."])


def _smoother(curve: Group) -> str:
    return str(curve.get("smoother", "smoothed curve"))


def comparison_section(comparison: Sequence[Group], *, thresholds: Sequence[float]) -> Section:
    """The model against each comparator on the same patients.

    ``comparison``: each `name`, `auroc`, `auroc_within_product`, `brier`, `log_loss` (model minus comparator) and
    `net_benefit` (a band over ``thresholds``).
    """
    shown = [at for at, one in enumerate(thresholds) if round(one, 6) in (0.1, 0.2, 0.3, 0.4)]
    rows, benefits = [], []
    for one in comparison:
        rows.append(row(one["name"], [
            estimate_in_words(one["auroc_within_product"], digits=3), estimate_in_words(one["auroc"], digits=3),
            estimate_in_words(one["brier"], digits=4), estimate_in_words(one["log_loss"], digits=4)]))
        band = one["net_benefit"]
        cells = ["not estimable"] * len(shown) if "not_estimable" in band else [
            estimate_in_words({part: band[part][at] for part in ("value", "low", "high")}, digits=1, factor=100)
            for at in shown]
        benefits.append(row(one["name"], cells))
    return section(
        "comparison", title="Is it better than something simpler?",
        lead="Differences are model minus comparator in the same patients, with paired 95% intervals; one that holds 0 is "
             "no difference that these patients show.",
        tables=[
            table("paired", title="Model minus comparator", row_header="Comparator",
                  columns=[("AUROC, within products", "above 0: model better"),
                           ("AUROC, all mixed", "above 0: model better"),
                           ("Brier score", "below 0: model better"), ("Log loss, nats", "below 0: model better")], rows=rows,
                  notes=["AUROC: DeLong's paired variance; losses: normal interval of the mean difference."]),
            table("paired-benefit", title="Net benefit, model minus comparator, per 100 patients", row_header="Comparator",
                  columns=[(f"At {of_100(thresholds[at])} of 100", "(95% interval)") for at in shown], rows=benefits,
                  notes=["Paired percentile bootstrap, each threshold for itself."]),
        ])


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
        apart = [MISSING if one[name] is None else number(one[name], digits=3)
                 for name in ("optimism_tuned", "optimism_saved_tuning")]
        rows.append(row(one["label"], [number(one["apparent"], digits=3), number(one["optimism"], digits=3),
                                       number(one["optimism_mc_error"], digits=3),
                                       estimate_in_words(one["corrected"], digits=3), *apart]))
    failed = [f"{reason}: {count}" for reason, count in optimism["failures"].items()]
    return section(
        "optimism", title=title,
        lead=f"The whole development was repeated in {optimism['n_refits']} bootstrap resamples of the development "
             "patients; what the model shows in its own patients is corrected by what those refits lose "
             "outside theirs.",
        sentences=[optimism["note"], *(["Why resamples failed: " + "; ".join(failed) + "."] if failed else [])],
        tables=[table("optimism", title="Apparent, optimism and corrected performance", row_header="Figure",
                      columns=[("Apparent", "own patients"), ("Optimism", ""), ("Monte Carlo error", "of the optimism"),
                               ("Corrected", "(95% interval)"), ("Optimism", "tuning repeated"),
                               ("Optimism", "saved tuning")], rows=rows,
                      notes=["Intervals: of the apparent figure (bootstrap over patients), moved by the optimism; they "
                             "leave out the uncertainty of the optimism itself and cover somewhat less than they say.",
                             *notes])])


def instability_section(instability: Group) -> Section:
    """How much one patient's risk depends on who else was in the cohort."""
    title = "Would another cohort have given the same risks?"
    if "not_estimable" in instability:
        return section("instability", title=title, lead=f"Not estimable: {instability['not_estimable']}.")
    one = instability
    rows = [
        row("Mean absolute difference (MAPE), of 100", [estimate_in_words(one["mean_mape"], digits=1, factor=100)]),
        row("90th percentile over patients, of 100", [number(100 * one["mape_p90"], digits=1)]),
        row("Mean width of the 95% instability interval, of 100", [number(100 * one["mean_width"], digits=1)]),
        *(row(f"On the other side of {of_100(float(at))} of 100, of 100 patients",
              [estimate_in_words(share, digits=1, factor=100)]) for at, share in one["classification"].items()),
    ]
    return section(
        "instability", title=title,
        lead="From one development to the next a patient's risk moves by "
             f"{number(100 * one['mean_mape']['value'], digits=1)} of 100 on average ({one['n_refits']} refits).",
        sentences=["Stable is not right: refits share the products, the predictors and the simulator of the model."],
        tables=[table("instability", title="Instability of individual risks", row_header="Figure", columns=[_TWO], rows=rows,
                      notes=["Intervals: bootstrap over patients. Refits as for optimism."])],
        figures=[
            figure("instability", title="Risk and its instability interval.", panels=[("lines", "Instability", _spans(one))],
                   text=f"Each stroke: one of {N_INTERVALS} equal groups of patients by risk, typical ends of their 95% "
                        "instability intervals. The diagonal is the model."),
            figure("instability-curves", title="Calibration and decision curves of the refits.", style="two",
                   panels=[("lines", "Calibration of refits", _calibrations(one)),
                           ("lines", "Net benefit of refits", _benefits(one))],
                   text="Each thin line is one refit, judged in the original development patients."),
        ])


def _spans(one: Group) -> dict[str, Any]:
    end = max(0.1, *one["groups"]["high"])
    strokes = [{"style": "interval", "x": [risk, risk], "y": [low, high]} for risk, low, high in
               zip(one["groups"]["risk"], one["groups"]["low"], one["groups"]["high"], strict=True)]
    return {"x": _risk_axis("Risk by the model, of 100", end), "y": _risk_axis("Risk by refits, of 100", end), "band": None,
            "series": [*strokes, {"style": "ideal", "x": [0, end], "y": [0, end]}],
            "told": f"Mean width of the interval {number(100 * one['mean_width'], digits=1)} of 100."}


def _calibrations(one: Group) -> dict[str, Any]:
    known = [value for curve in one["calibration_curves"] for value in curve if value is not None]
    end = min(1.0, max(0.1, *one["curve_risk"], *known))
    return {"x": _risk_axis("Predicted by the refit, of 100", end), "y": _risk_axis("Observed, of 100", end), "band": None,
            "series": [*({"style": "refit", "x": one["curve_risk"], "y": curve} for curve in one["calibration_curves"]),
                       {"style": "ideal", "x": [0, end], "y": [0, end]}],
            "told": f"Calibration curves of {len(one['calibration_curves'])} refits."}


def _benefits(one: Group) -> dict[str, Any]:
    values = [value for curve in one["net_benefit_curves"] for value in curve]
    last = max(one["thresholds"])
    return {"x": {"name": "Threshold, of 100", "low": 0, "high": last, "factor": 100},
            "y": {"name": "Net benefit per 100 patients", "low": min(-0.02, *values), "high": max(0.02, *values),
                  "factor": 100}, "band": None,
            "series": [*({"style": "refit", "x": one["thresholds"], "y": curve} for curve in one["net_benefit_curves"]),
                       {"style": "zero", "x": [0, last], "y": [0, 0]}],
            "told": f"Decision curves of {len(one['net_benefit_curves'])} refits; 0 is treating nobody."}


def _risk_axis(name: str, end: float) -> dict[str, Any]:
    return {"name": name, "low": 0, "high": end, "factor": 100}
