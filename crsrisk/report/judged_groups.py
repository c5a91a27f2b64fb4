"""Sections of a judgement about parts of the patients and their number: places left out, subgroups, gaps, sample size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from crsrisk.learn.subgroups import VARIABLES
from crsrisk.report.sections import Section, figure, row, rows_group, section, table
from crsrisk.report.words import MISSING, estimate_in_words, number, of_100, plain_name

Group = Mapping[str, Any]

_FIGURES = (("auroc", "AUROC", 0.5), ("observed_to_expected", "Observed / expected", 1.0), ("slope", "Slope", 1.0),
            ("in_the_large", "Intercept, slope fixed at 1", 0.0))
_N_SHOWN = 14  # places in a figure
_PARTS = {"base rate": "Base rate", "missingness": "Missing values", "case mix": "Case mix", "measurement": "Measurement",
          "sample share": "Sample share", "model": "Model", "model and case mix": "Model and case mix"}


def internal_external_section(kinds: Sequence[Group], *, labels: Mapping[str, str]) -> Section:
    """Leaving one product, tumour type, site out. ``kinds``: the fields of
    :class:`crsrisk.learn.internal_external.InternalExternal` (or `by` and `not_estimable`)."""
    done = [one for one in kinds if "not_estimable" not in one]
    pooled_rows = []
    for one in done:
        cells = [str(len(one["places"]))]
        for name, _, _ in _FIGURES:
            pooled = one["pooled"][name]
            cells += ["not estimable", MISSING, MISSING] if "not_estimable" in pooled else [
                estimate_in_words(pooled["mean"]), _range(pooled), estimate_in_words(pooled["tau"])]
        pooled_rows.append((plain_name(one["by"]), cells))
    tables = [table(
        f"pooled-{name}", title=f"{text}, pooled over places left out", row_header="Left out",
        columns=[("Places", ""), ("Mean", "(95% interval)"), ("A new place", "95% prediction interval"),
                 ("tau", "(95% interval)")],
        rows=[row(by, [cells[0], *cells[1 + 3 * at:4 + 3 * at]]) for by, cells in pooled_rows],
        notes=[_SCALE[name]]) for at, (name, text, _) in enumerate(_FIGURES)] if pooled_rows else []
    missing = [f"Leaving out one {plain_name(one['by'])} was not possible: {one['not_estimable']}."
               for one in kinds if "not_estimable" in one]
    left_in = [f"{one['n_left_in']} smaller ones of kind {plain_name(one['by'])} were not judged and always trained on."
               for one in done if one["n_left_in"]]
    return section(
        "internal-external", title="Where the model has not been",
        lead="The development was repeated without each place, and the model so made was judged there. The prediction "
             "interval says what a further place may show; it is for somebody who wants to use the model elsewhere.",
        sentences=[*missing, *left_in, "Products, tumour types and sites here are simulated: a new product of this "
                   "simulator is still a product of this simulator."],
        tables=[*tables, *(_places(one, labels=labels) for one in done)],
        figures=[figure(f"places-{one['by']}", title=f"One {plain_name(one['by'])} left out.", style="two",
                        panels=[("dots", text, _dots(one, name, reference, text, labels))
                                for name, text, reference in _FIGURES[:2]],
                        text="Circles: places with 95% intervals. Diamond: pooled mean; broad grey: prediction interval.")
                 for one in done])


_SCALE = {
    "auroc": "Pooled on the logit scale, on which tau is given. Restricted maximum likelihood; Hartung-Knapp interval.",
    "observed_to_expected": "Pooled on the log scale, on which tau is given. Restricted maximum likelihood; Hartung-Knapp.",
    "slope": "Restricted maximum likelihood; Hartung-Knapp interval.",
    "in_the_large": "Restricted maximum likelihood; Hartung-Knapp interval.",
}


def _range(pooled: Group) -> str:
    return f"{number(pooled['prediction_low'])} to {number(pooled['prediction_high'])}"


def _places(one: Group, *, labels: Mapping[str, str]) -> dict[str, Any]:
    rows, notes = [], []
    for place in one["places"]:
        label = labels.get(place["name"], plain_name(place["name"]))
        rows.append(row(label, [number(place["n"], digits=0), number(place["n_events"], digits=0),
                                *(estimate_in_words(place[name]) for name, _, _ in _FIGURES)]))
        if "not_estimable" in place["auroc"]:
            notes.append(f"{label}: {place['auroc']['not_estimable']}.")
    return table(f"places-{one['by']}", title=f"One {plain_name(one['by'])} left out", row_header="Left out",
                 columns=[("Patients", ""), ("Events", ""), *((text, "(95% interval)") for _, text, _ in _FIGURES)],
                 rows=rows, notes=notes)


def _dots(one: Group, name: str, reference: float, text: str, labels: Mapping[str, str]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [
        {"label": labels.get(place["name"], plain_name(place["name"])), "estimate": place[name], "is_strong": False,
         "range": None} for place in one["places"][:_N_SHOWN]]
    pooled = one["pooled"][name]
    if "not_estimable" not in pooled:
        rows.append({"label": "Pooled", "estimate": pooled["mean"], "is_strong": True,
                     "range": {"low": pooled["prediction_low"], "high": pooled["prediction_high"]}})
    low, high = (0.4, 1.0) if name == "auroc" else (0.0, _end(rows))
    told = "; ".join(f"{each['label']} {estimate_in_words(each['estimate'])}" for each in rows)
    return {"name": text, "low": low, "high": high, "reference": reference, "digits": 2, "factor": 1.0, "rows": rows,
            "told": told}


def _end(rows: Sequence[Group]) -> float:
    known = [each["estimate"]["value"] for each in rows if "value" in each["estimate"]]
    return min(4.0, max(2.0, 1.4 * max(known, default=1.0)))


def subgroups_section(groups: Sequence[Group], gaps: Sequence[Group], *, threshold: float) -> Section:
    """Subgroups with their figures, their differences to the rest, and where gaps come from."""
    by_variable: dict[str, list[Group]] = {}
    for one in groups:
        by_variable.setdefault(one["variable"], []).append(one)

    def grouped(cells: Any) -> list[dict[str, Any]]:
        return [rows_group(VARIABLES[name], [row(one["label"] + (" *" if one["is_small"] else ""), cells(one))
                                             for one in parts]) for name, parts in by_variable.items()]

    figures = grouped(lambda one: [
        number(one["n"], digits=0), number(one["n_events"], digits=0), estimate_in_words(one["auroc_within_product"]),
        estimate_in_words(one["auroc"]), estimate_in_words(one["observed_to_expected"]),
        estimate_in_words(one["in_the_large"]),
        estimate_in_words(one["slope"]), estimate_in_words(one["ici"], digits=1, factor=100)])
    at = f"At {of_100(threshold)} of 100"
    acting = grouped(lambda one: [
        estimate_in_words(one["event_rate"], digits=0, factor=100),
        *(estimate_in_words(one["at_threshold"][name], digits=0, factor=100) for name in ("sensitivity", "specificity")),
        estimate_in_words(one["at_threshold"]["net_benefit"], digits=1, factor=100),
        estimate_in_words(one["scaled_brier"])])
    differences = grouped(lambda one: [
        estimate_in_words(one["minus_rest"][name], digits=digits)
        for name, digits in (("auroc_within_product", 2), ("auroc", 2), ("observed_to_expected", 2), ("in_the_large", 2),
                             ("slope", 2), ("log_loss", 3))])
    small = "* fewer than 30 patients with or without the event: read the interval, not the figure."
    return section(
        "subgroups", title="For whom it works less well",
        lead="Figures of each group, and their differences to all other patients. There is no verdict: whether a gap "
             "matters depends on what is done with the risk.",
        sentences=["About one in twenty differences leaves 0 outside its interval by chance alone.",
                   *(["No gap could be traced to its parts: too few patients with a known true risk in each group."]
                     if gaps and all("not_estimable" in one for one in gaps) else [])],
        tables=[
            table("subgroups", title="Discrimination and calibration by group", row_header="Group",
                  columns=[("Patients", ""), ("Events", ""), ("AUROC", "within products"), ("AUROC", "products mixed"),
                           ("Observed / expected", "ideal 1"),
                           ("Intercept", "slope fixed at 1"), ("Slope", "ideal 1"), ("ICI", "of 100")], rows=figures,
                  notes=[small, "95% intervals in brackets."]),
            table("subgroups-acting", title="If somebody acted on the risk", row_header="Group",
                  columns=[("Event rate", "of 100"), ("Sensitivity", f"{at}, of 100"), ("Specificity", f"{at}, of 100"),
                           ("Net benefit", f"{at}, per 100"), ("Scaled Brier", "")], rows=acting,
                  notes=["The threshold was declared before the figures were seen; Wilson's intervals, bootstrap for net "
                         "benefit."]),
            table("subgroups-differences", title="Group minus all other patients", row_header="Group",
                  columns=[("AUROC", "within products"), ("AUROC", "products mixed"), ("Observed / expected", ""),
                           ("Intercept", ""), ("Slope", ""),
                           ("Log loss", "nats")], rows=differences,
                   notes=["Percentile bootstrap, both sides drawn anew."]),
            *([_gaps(gaps)] if any("not_estimable" not in one for one in gaps) else []),
        ])


def _gaps(gaps: Sequence[Group]) -> dict[str, Any]:
    known = [one for one in gaps if "not_estimable" not in one]
    names = [name for name in _PARTS if any(name in one["parts"] for one in known)]
    rows = [row(one["group"], [estimate_in_words(one["total"], digits=3), *(
        estimate_in_words(one["parts"][name], digits=3) if name in one["parts"] else MISSING for name in names)])
        for one in known]
    notes = [f"{one['group']}: not estimable, {one['not_estimable']}." for one in gaps if "not_estimable" in one]
    truth = ("Base rate and case mix: what an oracle with full knowledge would show too. Measurement: what gaps and errors "
             "of measurement cost the group more. Sample share: what a model fitted to equal shares takes away. Model: the "
             "rest."
             if any(one["knows_the_truth"] for one in known) else
             "Without the truth, model and case mix cannot be told apart.")
    return table("gaps", title="Where a gap in log loss comes from (nats, group minus the others)", row_header="Group",
                 columns=[("Gap", "(95% interval)"), *((_PARTS[name], "") for name in names)], rows=rows,
                 notes=["The parts add up to the gap. " + truth, *notes])


def sample_size_section(size: Group) -> Section:
    """Riley's sizes beside the size read off the learning curve. ``size``: `riley` (rows, or None), `needed` (the fields of
    :class:`crsrisk.learn.needed_size.NeededSize`, or None), `n`, `n_events`."""
    needed, tables, figures = size["needed"], [], []
    if size["riley"] is not None:
        tables.append(table("riley", title="By Riley's formulas", row_header="Criterion", columns=[("Patients", "")],
                            rows=[row(one["label"], [number(one["n"], digits=0)]) for one in size["riley"]["rows"]],
                            notes=size["riley"]["notes"]))
    lead = (f"The model was developed on {number(size['n'], digits=0)} patients with "
            f"{number(size['n_events'], digits=0)} events.")
    if needed is not None:
        smallest = needed["smallest"]["all"]
        lead += (f" This learner reached all targets from {number(smallest, digits=0)} patients on." if smallest else
                 f" This learner did not reach all targets with {number(needed['points'][-1]['n'], digits=0)} patients.")
        tables.append(_curve_table(needed))
        figures.append(figure("curve", title="Learning curve.", style="two",
                              panels=[("lines", target["label"], _curve(needed, target)) for target in needed["targets"]],
                              text="Means over developments with 95% Monte Carlo bands; broken line: the target. Patients "
                                   "by logarithm (base 10)."))
    return section("sample-size", title="How many patients it needs", lead=lead, tables=tables, figures=figures,
                   sentences=["Riley's formulas are for regression with a given number of parameters and are known to be "
                              "too small where discrimination is strong; the learning curve is of the learner itself."])


def _curve_table(needed: Group) -> dict[str, Any]:
    def cell(point: Group, name: str) -> str:
        if point["mean"][name] is None:
            return "not estimable"
        error = point["mc_error"][name]
        return f"{number(point['mean'][name], digits=3)} ± {number(error, digits=3)}" + (
            " (met)" if point["is_met"][name] else "")

    targets = needed["targets"]
    return table("curve", title="By simulation of this learner", row_header="Patients",
                 columns=[("Developments", ""), *((one["label"], f"{'at least' if one['is_floor'] else 'at most'} "
                                                  f"{one['bound']:g}") for one in targets)],
                 rows=[row(number(point["n"], digits=0), [str(point["n_developments"]),
                                                          *(cell(point, one["figure"]) for one in targets)])
                       for point in needed["points"]],
                 notes=["Mean ± Monte Carlo error. A target is met where the mean is on its right side with 1.96 errors. "
                        "Smallest size from which on every size meets it: " + "; ".join(
                            f"{one['label'].lower()}: {number(found, digits=0) if found else 'none of these'}"
                            for one in targets for found in [needed["smallest"][one["figure"]]]) + "."])


def _curve(needed: Group, target: Group) -> dict[str, Any]:
    known = [point for point in needed["points"] if point["mean"][target["figure"]] is not None]
    x = [log10(point["n"]) for point in known]
    y = [point["mean"][target["figure"]] for point in known]
    reach = [1.96 * (point["mc_error"][target["figure"]] or 0.0) for point in known]
    low = min([target["bound"], *(a - b for a, b in zip(y, reach, strict=True))])
    high = max([target["bound"], *(a + b for a, b in zip(y, reach, strict=True))])
    pad, ends = 0.08 * (high - low) or 0.1, (min(x, default=2.0) - 0.05, max(x, default=4.0) + 0.05)
    return {"x": {"name": "Patients, log10", "low": ends[0], "high": ends[1], "factor": 1},
            "y": {"name": target["label"], "low": low - pad, "high": high + pad, "factor": 1},
            "band": {"x": x, "low": [a - b for a, b in zip(y, reach, strict=True)],
                     "high": [a + b for a, b in zip(y, reach, strict=True)]},
            "series": [{"style": "model", "x": x, "y": y},
                       {"style": "reference", "x": list(ends), "y": [target["bound"]] * 2}],
            "told": "; ".join(f"{point['n']} patients: {number(value, digits=3)}"
                              for point, value in zip(known, y, strict=True))}
