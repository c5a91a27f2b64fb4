"""The section of a judgement that measures a model against the truth of the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.sections import Section, Table, row, rows_group, section, table
from crsrisk.report.words import MISSING, estimate_in_words, number

Results = Mapping[str, Any]
_MEASURES = {
    "auroc_within_product": "AUROC, pairs of one product", "slope": "Calibration slope",
    "in_the_large": "Calibration intercept (slope fixed at 1)", "brier": "Brier score", "log_loss": "Log loss, nats"}
_CLAIMS = ("apparent", "bootstrap-corrected", "cross-validation", "held-out patients")


def truth_section(results: Results, *, labels: Mapping[str, str]) -> Section:
    """True calibration error, the loss in three parts, coverage, and which validation was right."""
    error = results["calibration_error"]["all"]
    lead = "Too few patients were simulated again to measure the model against their true risks."
    if "mean_absolute" in error:
        lead = (f"A patient's predicted risk is off his true risk, given what was observed, by "
                f"{_of_100(error['mean_absolute'])} of 100 on average, and in one patient of ten by more than "
                f"{_of_100(error['p90_absolute'])}.")
    return section(
        "against-the-truth", title="Against the truth", lead=lead,
        sentences=[
            f"{number(results['n_patients'], digits=0)} held-out patients were simulated again {results['repetitions']} "
            f"times given what was observed of them and {results['baseline_repetitions']} times given everything true at "
            "baseline. The noise of these repetitions is removed from every figure. In brackets: 95% interval; then the "
            "Monte Carlo error.", *_control_sentences(results["controls"])],
        tables=[_error_table(results, labels), _gap_table(results, labels), _coverage_table(results, labels),
                _optimism_table(results["optimism"])])


def _control_sentences(controls: Results) -> list[str]:
    negative, leaks = controls["negative"], controls["leaks"]
    told = "not estimable" if "not_estimable" in negative["auroc_within_product"] else estimate_in_words(
        negative["auroc_within_product"])
    is_noticed = "was noticed" if controls["planted"]["is_noticed"] else "was NOT noticed: the leak check failed"
    found = "No leak was found among the model's features and between its patients." if not leaks else (
        "Possible leaks: " + "; ".join(leak["why"] for leak in leaks) + ".")
    return [
        f"Negative control: developed on the same patients with outcomes dealt out anew, the model ranks patients of one "
        f"product with an AUROC of {told} where outcomes were dealt out too, and its largest mean SHAP value is "
        f"{number(negative['largest_mean_shap'], digits=3)} log-odds "
        f"({number(negative['largest_mean_shap_of_the_model'], digits=3)} with the true outcomes).",
        f"Planted leak: a value measured during the reaction, put in the place of a baseline value, {is_noticed}. {found} "
        f"Nothing known before the first dose can reach an AUROC above {number(controls['limit'])} within products here."]


def _named(name: str, labels: Mapping[str, str]) -> str:
    return "All products" if name == "all" else labels.get(name, name)


def _of_100(figure: Results) -> str:
    return number(100 * figure["value"], digits=1)


def _told(figure: Results, *, digits: int, factor: float = 1.0) -> str:
    if "not_estimable" in figure:
        return "not estimable"
    return (f"{estimate_in_words(figure, digits=digits, factor=factor)}; "
            f"{number(factor * figure['mc_error'], digits=digits + 1)}")


def _error_table(results: Results, labels: Mapping[str, str]) -> Table:
    columns = (("mean_absolute", "Mean distance"), ("p90_absolute", "90th percentile"), ("bias", "Bias"),
               ("root_mean_squared", "Root mean square"))
    rows = []
    for name, one in results["calibration_error"].items():
        cells = [MISSING] * 5 if "not_estimable" in one else [
            *(_told(one[key], digits=1, factor=100) for key, _ in columns),
            number(100 * one["mean_absolute_with_noise"], digits=1)]
        rows.append(row(_named(name, labels), cells, is_strong=name == "all"))
    return table("true-calibration", title="True calibration error: predicted minus true risk of each patient, of 100",
                 row_header="Product", columns=[*((label, "") for _, label in columns), ("Mean distance", "noise left in")],
                 rows=rows, notes=["Bias: above 0, risks are too high. The last column is what would be found if the "
                                   "oracle's own noise stayed in."])


def _gap_table(results: Results, labels: Mapping[str, str]) -> Table:
    groups = []
    for place in (0, 1):
        rows = [row(_named(name, labels), [_told(parts[place][part], digits=4)
                                           for part in ("irreducible", "unobserved", "estimation", "total")],
                    is_strong=name == "all") for name, parts in results["gap"].items()]
        groups.append(rows_group(results["gap"]["all"][place]["loss"].capitalize(), rows))
    return table("gap", title="What the model loses, in three parts", row_header="Product",
                 columns=[("Irreducible", "chance"), ("Unobserved", "biology nobody measured"),
                          ("Estimation", "the model's own"), ("Total", "")], rows=groups,
                 notes=["Irreducible: loss of an oracle that knows everything true at baseline. Unobserved: what the oracle "
                        "that knows the hospital's table loses beyond it. Estimation: what the model loses beyond that."])


def _coverage_table(results: Results, labels: Mapping[str, str]) -> Table:
    methods = results["coverage"]
    groups = []
    for method, found in methods.items():
        rows = [row(_named(name, labels), ["too few patients", MISSING] if "not_estimable" in one else
                    [_told(one["share"], digits=1, factor=100), number(100 * one["mean_width"], digits=1)],
                    is_strong=name == "all") for name, one in found.items()]
        groups.append(rows_group(method[:1].upper() + method[1:], rows))
    return table("coverage", title="Does the 95% interval hold the true risk?", row_header="Patients",
                 columns=[("Hold it", "of 100 intervals"), ("Mean width", "of 100")], rows=groups,
                 notes=["Bands are of predicted risk. Refitting shows what the sample of patients does to a risk, not what "
                        "the model cannot express; Venn-Abers speaks of groups of patients with that risk, not of one "
                        "patient. Neither promises to hold a single patient's true risk: here is how often each does. "
                        "Taking the noise out can carry a share a little below 0 or above 100."])


def _optimism_table(found: Results) -> Table:
    claims = [name for name in _CLAIMS if name in found["claims"]]
    rows = []
    for measure, label in _MEASURES.items():
        if measure in found["fresh"]:
            rows.append(row(label, [_told(found["fresh"][measure], digits=4), *(
                number(found["claims"][name].get(measure), digits=4) for name in claims)]))
    return table("true-optimism", title="Which validation was right?", row_header="Figure",
                 columns=[("Truth", f"{number(found['n_fresh'], digits=0)} further patients"),
                          *((name[:1].upper() + name[1:], "claimed") for name in claims)], rows=rows,
                 notes=["One development: a claim can be off by the luck of these development patients. The truth's Monte "
                        "Carlo error is of the further patients."])
