"""The section of an evaluation that measures a model against the true risks of the simulator."""

from __future__ import annotations

from collections.abc import Mapping

from crsrisk.evaluation.against_truth import (
    AgainstTruth,
    CalibrationError,
    Coverage,
    ValidationClaims,
)
from crsrisk.evaluation.leaks import Controls
from crsrisk.report.sections import Section, Table, row, rows_group, section, table
from crsrisk.results import Estimate, NotEstimable
from crsrisk.wording import MISSING, estimate_in_words, number

_TRUE_FIGURES = {
    "auroc_within_product": "AUROC, pairs of one product",
    "slope": "Calibration slope",
    "in_the_large": "Calibration intercept (slope fixed at 1)",
    "brier": "Brier score",
    "log_loss": "Log loss, nats",
}
_CLAIMS = ("apparent", "bootstrap-corrected", "cross-validation", "held-out patients")


def truth_section(results: AgainstTruth, *, labels: Mapping[str, str]) -> Section:
    """True calibration error, the loss in three parts, coverage, and which validation was right."""
    error = results.calibration_error["all"]
    lead = "Too few patients were simulated again to measure the model against their true risks."
    if isinstance(error, CalibrationError):
        lead = (
            "A patient's predicted risk is off his true risk, given what was observed, by"
            f" {number(100 * error.mean_absolute.value, digits=1)} of 100 on average, and in one"
            f" patient of ten by more than {number(100 * error.p90_absolute.value, digits=1)}."
        )
    return section(
        "against-the-truth",
        title="Against the truth",
        lead=lead,
        sentences=[
            (
                f"{number(results.n_patients, digits=0)} held-out patients were simulated again"
                f" {results.n_replicates} times given what was observed of them and"
                f" {results.n_baseline_replicates} times given everything true at baseline. The"
                " noise of these repetitions is removed from every figure. In brackets: 95%"
                " interval; then the Monte Carlo error."
            ),
            *_control_sentences(results.controls),
        ],
        tables=[
            _error_table(results, labels),
            _loss_table(results, labels),
            _coverage_table(results, labels),
            _validation_table(results.validation),
        ],
    )


def _control_sentences(controls: Controls) -> list[str]:
    negative = controls.negative
    noticed = (
        "was noticed" if controls.planted.is_noticed else "was NOT noticed: the leak check failed"
    )
    leaks = (
        "Possible leaks: " + "; ".join(leak.why for leak in controls.leaks) + "."
        if controls.leaks
        else "No leak was found among the model's features and between its patients."
    )
    return [
        (
            "Negative control: developed on the same patients with outcomes dealt out anew, the"
            " model ranks patients of one product with an AUROC of"
            f" {estimate_in_words(negative.auroc_within_products)} where outcomes were dealt out"
            " too, and its largest mean SHAP value is"
            f" {number(negative.largest_mean_shap, digits=3)} log-odds"
            f" ({number(negative.largest_mean_shap_of_the_model, digits=3)} with the true"
            " outcomes)."
        ),
        (
            "Planted leak: a value measured during the reaction, put in the place of a baseline"
            f" value, {noticed}. {leaks} Nothing known before the first dose can reach an AUROC"
            f" above {number(controls.limit)} within products here."
        ),
    ]


def _group_name(name: str, labels: Mapping[str, str]) -> str:
    return "All products" if name == "all" else labels.get(name, name)


def _with_mc_error(estimate: Estimate, *, digits: int, factor: float = 1.0) -> str:
    error = None if estimate.mc_error is None else factor * estimate.mc_error
    text = estimate_in_words(estimate, digits=digits, factor=factor)
    return f"{text}; {number(error, digits=digits + 1)}"


def _error_table(results: AgainstTruth, labels: Mapping[str, str]) -> Table:
    return table(
        "true-calibration",
        title="True calibration error: predicted minus true risk of each patient, of 100",
        row_header="Product",
        columns=[
            ("Mean distance", ""),
            ("90th percentile", ""),
            ("Bias", ""),
            ("Root mean square", ""),
            ("Mean distance", "noise left in"),
        ],
        rows=[
            row(_group_name(name, labels), _error_cells(error), is_strong=name == "all")
            for name, error in results.calibration_error.items()
        ],
        notes=[
            "Bias: above 0, risks are too high. The last column is what would be found if the "
            "oracle's own noise stayed in."
        ],
    )


def _error_cells(error: CalibrationError | NotEstimable) -> list[str]:
    if isinstance(error, NotEstimable):
        return [MISSING] * 5
    figures = (error.mean_absolute, error.p90_absolute, error.bias, error.root_mean_squared)
    return [
        *(_with_mc_error(estimate, digits=1, factor=100) for estimate in figures),
        number(100 * error.mean_absolute_with_noise, digits=1),
    ]


def _loss_table(results: AgainstTruth, labels: Mapping[str, str]) -> Table:
    groups = []
    for place, whole in enumerate(results.loss["all"]):
        rows = [
            row(
                _group_name(name, labels),
                [
                    _with_mc_error(part, digits=4)
                    for part in (loss.irreducible, loss.unobserved, loss.estimation, loss.total)
                ],
                is_strong=name == "all",
            )
            for name, losses in results.loss.items()
            for loss in [losses[place]]
        ]
        groups.append(rows_group(whole.loss.capitalize(), rows))
    return table(
        "gap",
        title="What the model loses, in three parts",
        row_header="Product",
        columns=[
            ("Irreducible", "chance"),
            ("Unobserved", "biology nobody measured"),
            ("Estimation", "the model's own"),
            ("Total", ""),
        ],
        rows=groups,
        notes=[
            "Irreducible: loss of an oracle that knows everything true at baseline. Unobserved:"
            " what the oracle that knows the hospital's table loses beyond it. Estimation: what the"
            " model loses beyond that."
        ],
    )


def _coverage_table(results: AgainstTruth, labels: Mapping[str, str]) -> Table:
    groups = [
        rows_group(
            method[:1].upper() + method[1:],
            [
                row(_group_name(name, labels), _coverage_cells(held), is_strong=name == "all")
                for name, held in by_group.items()
            ],
        )
        for method, by_group in results.coverage.items()
    ]
    return table(
        "coverage",
        title="Does the 95% interval hold the true risk?",
        row_header="Patients",
        columns=[("Hold it", "of 100 intervals"), ("Mean width", "of 100")],
        rows=groups,
        notes=[
            "Bands are of predicted risk. Refitting shows what the sample of patients does to a"
            " risk, not what the model cannot express; Venn-Abers speaks of groups of patients with"
            " that risk, not of one patient. Neither promises to hold a single patient's true risk:"
            " here is how often each does. Taking the noise out can carry a share a little below 0"
            " or above 100."
        ],
    )


def _coverage_cells(held: Coverage | NotEstimable) -> list[str]:
    if isinstance(held, NotEstimable):
        return ["too few patients", MISSING]
    share = _with_mc_error(held.share, digits=1, factor=100)
    return [share, number(100 * held.mean_width, digits=1)]


def _validation_table(validation: ValidationClaims) -> Table:
    claims = [name for name in _CLAIMS if name in validation.claims]
    return table(
        "true-optimism",
        title="Which validation was right?",
        row_header="Figure",
        columns=[
            ("Truth", f"{number(validation.n_fresh, digits=0)} further patients"),
            *((name[:1].upper() + name[1:], "claimed") for name in claims),
        ],
        rows=[
            row(
                label,
                [
                    _with_mc_error(validation.fresh[measure], digits=4),
                    *(number(validation.claims[name].get(measure), digits=4) for name in claims),
                ],
            )
            for measure, label in _TRUE_FIGURES.items()
            if measure in validation.fresh
        ],
        notes=[
            "One development: a claim can be off by the luck of these development patients. The"
            " truth's Monte Carlo error is of the further patients."
        ],
    )
