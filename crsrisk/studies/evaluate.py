"""Evaluate: a saved model and a table of patients whose outcomes are known in, its evaluation out;
and what every evaluation of a model shares: subgroups, files, tracking, last words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.cross_validation import load_cross_validation
from crsrisk.data.files import write_json, write_text
from crsrisk.data.provenance import Patients
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.table_files import Source
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.tables import NOT_STATED
from crsrisk.errors import InputError
from crsrisk.evaluation.evaluate import evaluate
from crsrisk.evaluation.leaks import probe
from crsrisk.evaluation.optimism import InstabilityByRisk
from crsrisk.evaluation.parts import parts_by, parts_of, pooled_places
from crsrisk.evaluation.subgroups import Subgroup, subgroups
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.model.tracking import Tracker, is_tracked, tracking
from crsrisk.report.cross_validation import cross_validation_part
from crsrisk.report.evaluation import ModelEvaluation, build_model_evaluation
from crsrisk.report.evaluation_facts import About, EvaluationData, MissingShare
from crsrisk.report.model_card import model_card_markdown
from crsrisk.report.pages import render_evaluation
from crsrisk.results import Estimate
from crsrisk.studies.evaluated_table import EvaluatedTable, may_be_missing, read_evaluated
from crsrisk.studies.predict import (
    Tell,
)
from crsrisk.wording import estimate_in_words, number

Floats = NDArray[np.float64]
Outcomes = NDArray[np.bool_]

THRESHOLD = 0.3
"""Declared threshold of figures that need one: about two needless treatments accepted for one
event found (assumed).
"""
FILES = ("evaluation.json", "evaluation.html", "tripod_ai.json", "probast_ai.json", "model_card.md")
NO_DEVELOPMENT = (
    "Optimism, instability, places left out and sample size belong to the development of the model"
    " and are not computed from a table: `crsrisk run experiments/005_validation` shows them for a"
    " model that it develops."
)


def subgroups_of(
    y_true: NDArray[np.bool_],
    *,
    risk: Floats,
    observed: pd.DataFrame,
    contract: FeatureContract,
    threshold: float,
    seed: int,
    n_resamples: int,
) -> list[Subgroup]:
    """Subgroups of the table that the model scored; a column that is no predictor and not there
    makes no subgroup.
    """
    parts = parts_of(observed, measured=may_be_missing(contract))
    return subgroups(
        y_true,
        risk=risk,
        product=observed["product"].to_numpy(dtype=str),
        parts=parts,
        threshold=threshold,
        seed=seed,
        n_resamples=n_resamples,
    )


def missing_shares(observed: pd.DataFrame, *, contract: FeatureContract) -> list[MissingShare]:
    """By column that may be empty: the share of patients without it."""
    return _shares(
        {
            name: int(observed[name].isna().sum())
            for name in may_be_missing(contract)
            if name in observed
        },
        n=len(observed),
        contract=contract,
    )


def _shares(
    n_missing: Mapping[str, int], *, n: int, contract: FeatureContract
) -> list[MissingShare]:
    labels = {variable.name: variable.said_label for variable in contract.variables}
    return [
        MissingShare(name, labels.get(name, name), missing / n)
        for name, missing in n_missing.items()
    ]


def write_model_evaluation(evaluation: ModelEvaluation, folder: Path) -> list[str]:
    """All files of an evaluation; returns their names."""
    write_json(folder / "evaluation.json", evaluation.to_dict())
    write_text(folder / "evaluation.html", render_evaluation(evaluation))
    write_json(folder / "tripod_ai.json", evaluation.tripod_ai)
    write_json(folder / "probast_ai.json", evaluation.probast_ai)
    write_text(folder / "model_card.md", model_card_markdown(evaluation.model_card))
    return list(FILES)


def track_model_evaluation(
    tracker: Tracker, evaluation: ModelEvaluation, folder: Path | None
) -> None:
    """Log the files, where they were written, and the figures that one looks at first; nothing of a
    single patient.
    """
    tracker.params(
        {
            "model": evaluation.model.label,
            "purpose": evaluation.purpose,
            "threshold": evaluation.threshold,
        }
    )
    tracker.metrics(headline_figures(evaluation))
    if folder is not None:
        for name in FILES:
            tracker.file(folder / name)


def headline_figures(evaluation: ModelEvaluation) -> dict[str, float]:
    """The figures that one looks at first, each with its interval where it is estimable."""
    pooled = evaluation.evaluation.pooled
    figures = pooled.figures()
    estimates = {
        "auroc": pooled.auroc,
        "auroc_within_product": evaluation.evaluation.auroc_within_groups,
        "brier": pooled.brier,
        "scaled_brier": pooled.scaled_brier,
        "log_loss": pooled.log_loss,
        "calibration_slope": pooled.calibration.slope,
        "calibration_in_the_large": pooled.calibration.in_the_large,
        "calibration_observed_to_expected": pooled.calibration.observed_to_expected,
        "ici": figures["ici"],
    }
    if isinstance(evaluation.instability, InstabilityByRisk):
        estimates["mean_mape"] = evaluation.instability.mean_mape
    return {
        f"{name}{part}": value
        for name, estimate in estimates.items()
        if isinstance(estimate, Estimate)
        for part, value in (
            ("", estimate.value),
            ("_low", estimate.low),
            ("_high", estimate.high),
        )
    }


def closing_lines(evaluation: ModelEvaluation) -> list[str]:
    """What the terminal says at the end."""
    pooled, calibration = evaluation.evaluation.pooled, evaluation.evaluation.pooled.calibration
    rows = {
        "AUROC within products": evaluation.evaluation.auroc_within_groups,
        "AUROC, all mixed": pooled.auroc,
        "Observed / expected": calibration.observed_to_expected,
        "Calibration slope": calibration.slope,
        "Calibration intercept (slope fixed at 1)": calibration.in_the_large,
        "Scaled Brier score": pooled.scaled_brier,
    }
    counts = evaluation.tripod_ai.counts
    apart = {"site", *evaluation.manifest.get("by", ())}
    return [
        f"{evaluation.event}, {evaluation.window}: {number(pooled.n, digits=0)} patients, "
        f"{number(pooled.n_events, digits=0)} with the event",
        *(f"  {name}: {estimate_in_words(figure)} (95% interval)" for name, figure in rows.items()),
        *(group_line(group) for group in evaluation.subgroups if group.variable in apart),
        "  TRIPOD+AI: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()),
        evaluation.notice,
    ]


def group_line(group: Subgroup) -> str:
    """One group on the terminal."""
    return (
        f"  {group.variable} {group.label}: {number(group.n, digits=0)} patients,"
        f" {number(group.n_events, digits=0)} with the event; AUROC"
        f" {estimate_in_words(group.auroc)}; observed / expected"
        f" {estimate_in_words(group.observed_to_expected)}"
    )


def labels_of(products: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """A label for every product: its own where it is known, else its name in words."""
    return {name: known.get(name, name.replace("_", " ")) for name in products}


def evaluate_model(
    model: Path,
    table: Source,
    *,
    outcome: str | None = None,
    at_least: float | None = None,
    by: Sequence[str] = (),
    unknown_product: bool = False,
    product_files: Sequence[Path] = (),
    reading: TableReading = AS_NAMED,
    threshold: float = THRESHOLD,
    seed: int = 1,
    n_resamples: int = 300,
    tell: Tell | None = None,
) -> ModelEvaluation:
    """Evaluate a saved model in the patients of a table: a file, a folder with a table in parts, or
    the address of one. Parquet is read some rows at a time.

    ``outcome``: column with the outcome within the model's window (the model's own name of it when
    None), with ``at_least`` a grade that is the event from there on. ``by``: columns of the table
    whose groups have results of their own, as those of `site` have. Rows that cannot be scored, or
    whose outcome is not known, are left out and counted, those too far from training apart; so are
    rows of products that the model was not trained on, unless ``unknown_product`` (a product of
    one's own is found by the names of its file, in ``product_files``), and for a landmark model
    patients who had the event by then. Raises :class:`InputError` for what the readers refuse, and
    where only one outcome occurs.
    """
    check_threshold(threshold)
    loaded = load_model(model)
    evaluated = read_evaluated(
        loaded,
        table,
        outcome=outcome or loaded.contract.outcome,
        at_least=at_least,
        by=by,
        unknown_product=unknown_product,
        product_files=product_files,
        reading=reading,
        tell=tell,
    )
    # products of matrices on several threads differ in their last digits from run to run
    with threadpool_limits(1):
        return evaluate_table(
            loaded, evaluated, threshold=threshold, seed=seed, n_resamples=n_resamples
        )


def check_threshold(threshold: float) -> None:
    """Refuse a threshold at which nobody or everybody would be treated."""
    if not 0 < threshold < 1:
        raise InputError(
            where="evaluate",
            key="--threshold",
            found=threshold,
            expected="a risk above 0 and below 1",
            cure="state the risk from which on you would act as a share: 30 of 100 is 0.3",
        )


def evaluate_table(
    model: RiskModel, table: EvaluatedTable, *, threshold: float, seed: int, n_resamples: int
) -> ModelEvaluation:
    """The evaluation of risks that are there already."""
    contract = model.contract
    data = _data_of(table, contract)
    evaluation = evaluate(
        table.y_true,
        table.risk,
        groups=table.products,
        outcome_name=contract.outcome_in_words,
        patients=data.who + (", to which the model was fitted" if data.is_apparent else ""),
        seed=seed,
        n_resamples=n_resamples,
    )
    about = About(
        purpose="evaluation",
        question=f"How good are the risks of {model.label} in the patients of {table.name}?",
        data=data,
        missing=_shares(table.n_missing, n=table.y_true.size, contract=contract),
        threshold=threshold,
        labels=labels_of(sorted(evaluation.by_group), {}),
        probe=probe(model, table.head),
        why_not=NO_DEVELOPMENT,
        manifest={
            "model": model.label,
            "version": __version__,
            "seed": seed,
            "n_resamples": n_resamples,
            "table_digest": table.digest,
            "outcome": table.outcome_is,
            "by": list(table.by),
        },
    )
    groups = subgroups(
        table.y_true,
        risk=table.risk,
        product=table.products,
        parts=parts_by(table.traits),
        threshold=threshold,
        seed=seed,
        n_resamples=n_resamples,
    )
    # how the simulator forecasts says something of a model that was fitted to its patients
    simulator = [cross_validation_part(load_cross_validation())]
    return build_model_evaluation(
        model,
        about=about,
        evaluation=evaluation,
        subgroups=groups,
        further=simulator if model.provenance.is_simulated else [],
    )


def _data_of(table: EvaluatedTable, contract: FeatureContract) -> EvaluationData:
    n = table.y_true.size
    told = set(pooled_places(table.products)) - {NOT_STATED}
    unknown = sorted(told - set(contract.products))
    gone = ", ".join(f"{count} {why}" for why, count in table.left_out.items() if count)
    return EvaluationData(
        who=f"the {n} patients of {table.name}",
        source=(
            f"The patients evaluated are those of {table.name}; "
            + (
                "they were simulated, as the manifest beside it says."
                if table.origin == "simulated"
                else "where they come from is not known to the program."
            )
        ),
        is_synthetic=table.origin == "simulated",
        n_overlap=None if table.made_the_model is None else n,
        eligibility=_eligibility(contract.landmark_h),
        outcome_from=f"The outcome is the table's own, {table.outcome_is}; "
        + (
            "its column window_d names this window."
            if table.has_window
            else "that it was counted within this window is taken on trust."
        ),
        flow=f"{table.n_rows} rows; {n} evaluated; "
        + (f"left out: {gone}." if gone else "none left out."),
        split=_split(table.made_the_model),
        differences=_differences(unknown, contract),
    )


def _split(same: Patients | None) -> str:
    if same is None:
        return (
            "The table is none that the model is known to have learnt from; all of its patients are"
            " evaluated."
        )
    how = "fitted to" if same.step == "fit" else "updated with"
    return (
        f"The model was {how} these very patients (the digest of the table is that in the model's"
        " manifest): what follows is apparent performance, and too good."
    )


def _differences(unknown: Sequence[str], contract: FeatureContract) -> str:
    if "product" not in contract.column_names:
        return "The model does not read the product."
    if unknown:
        return f"Products not seen in development: {', '.join(unknown)}."
    return "Every product was among those of the development."


def _eligibility(landmark_h: int) -> str:
    if not landmark_h:
        return "All rows with the model's columns and a known outcome."
    return (
        "All rows with the model's columns and a known outcome, of patients still at risk"
        f" {landmark_h} h after the first dose: those who had grade 2 or more by then are not"
        " evaluated, since the model does not speak of them."
    )


def write_evaluation(
    evaluation: ModelEvaluation, *, html: Path | None, out: Path | None
) -> list[str]:
    """Write what was asked for: the page, or a folder with everything; returns what was written."""
    written = []
    if html is not None:
        write_text(html, render_evaluation(evaluation))
        written.append(str(html))
    if out is not None:
        written += [str(out / name) for name in write_model_evaluation(evaluation, out)]
    return written


def track_evaluation(
    evaluation: ModelEvaluation, *, out: Path | None, folder: Path | None
) -> list[str]:
    """Log the figures and the files in ``out`` to MLflow, in ``folder`` or where
    MLFLOW_TRACKING_URI says (without ``out`` the figures alone); returns how to open it, nothing
    where neither names a place.
    """
    if not is_tracked(folder):
        return []
    if folder is not None and out is None:
        raise InputError(
            where="evaluate",
            key="--track",
            found="no --out",
            expected="a folder whose files are logged",
            cure="add --out FOLDER",
        )
    with tracking(
        folder=folder,
        experiment="evaluate",
        run=evaluation.model.label,
        notice=evaluation.notice,
    ) as run:
        track_model_evaluation(run, evaluation, out)
        return [f"MLflow: {run.how_to_open}"]


def evaluation_lines(evaluation: ModelEvaluation) -> list[str]:
    """What the terminal says."""
    apparent = [evaluation.data.split] if evaluation.data.is_apparent else []
    return [evaluation.title, evaluation.data.flow, *apparent, *closing_lines(evaluation)]
