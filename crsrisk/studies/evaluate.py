"""Evaluate: a saved model and a table of patients whose outcomes are known in, the judgement of the
model out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.files import (
    frame_digest,
    read_csv_cells,
    read_parquet_cells,
    write_json,
    write_text,
)
from crsrisk.data.outcomes import read_outcome
from crsrisk.data.risk_model import FeatureContract
from crsrisk.errors import InputError
from crsrisk.evaluation.evaluate import evaluate
from crsrisk.evaluation.leaks import probe
from crsrisk.evaluation.subgroups import Subgroup, parts_of, subgroups
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.model.tracking import Tracker, tracking
from crsrisk.report.evaluation import About, build_judgement
from crsrisk.report.model_card import model_card_markdown
from crsrisk.report.pages import render_evaluation
from crsrisk.studies.development import plain_evaluation
from crsrisk.studies.predict import read_known
from crsrisk.wording import estimate_in_words, number

# Judging: what `crsrisk evaluate` and a judgement experiment share: subgroups, thresholds, files,
# tracking.


Floats = NDArray[np.float64]

THRESHOLD = 0.3
"""Declared threshold of figures that need one: about two needless treatments accepted for one
event found (assumed).
"""
FILES = ("judgement.json", "judgement.html", "tripod_ai.json", "probast_ai.json", "model_card.md")


def judged_subgroups(
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


def may_be_missing(contract: FeatureContract) -> tuple[str, ...]:
    """Columns that may be empty."""
    return tuple(column.name for column in contract.columns if column.may_be_missing)


def missing_shares(observed: pd.DataFrame, *, contract: FeatureContract) -> list[dict[str, Any]]:
    """By column that may be empty: its label and the share of patients without it."""
    labels = {one.name: one.label for one in contract.variables}
    return [
        {
            "column": name,
            "label": labels.get(name, name),
            "share": float(observed[name].isna().mean()),
        }
        for name in may_be_missing(contract)
        if name in observed
    ]


def write_judgement(content: Mapping[str, Any], folder: Path) -> list[str]:
    """All files of a judgement; returns their names."""
    write_json(folder / "judgement.json", content)
    write_text(folder / "judgement.html", render_evaluation(content))
    write_json(folder / "tripod_ai.json", content["tripod_ai"])
    write_json(folder / "probast_ai.json", content["probast_ai"])
    write_text(folder / "model_card.md", model_card_markdown(content["model_card"]))
    return list(FILES)


def track_judgement(tracker: Tracker, content: Mapping[str, Any], folder: Path) -> None:
    """Log the files and the figures that one looks at first; nothing of a single patient."""
    tracker.params(
        {
            "model": content["model"]["label"],
            "purpose": content["purpose"],
            "threshold": content["threshold"],
        }
    )
    tracker.metrics(figures_of(content))
    for name in FILES:
        tracker.file(folder / name)


def figures_of(content: Mapping[str, Any]) -> dict[str, float]:
    """The headline figures, each with its interval where it has one."""
    pooled = content["evaluation"]["pooled"]
    estimates = {
        "auroc": pooled["auroc"],
        "auroc_within_product": pooled["auroc_within_product"],
        "brier": pooled["brier"],
        "scaled_brier": pooled["scaled_brier"],
        "log_loss": pooled["log_loss"],
        **{
            f"calibration_{name}": pooled["calibration"][name]
            for name in ("slope", "in_the_large", "observed_to_expected")
        },
        "ici": pooled["calibration"]["curve"].get("ici", {}),
    }
    instability = content["instability"] or {}
    if "mean_mape" in instability:
        estimates["mean_mape"] = instability["mean_mape"]
    return {
        f"{name}{part}": float(one[key])
        for name, one in estimates.items()
        if "value" in one
        for part, key in (("", "value"), ("_low", "low"), ("_high", "high"))
    }


def closing_lines(content: Mapping[str, Any]) -> list[str]:
    """What the terminal says at the end."""
    pooled, calibration = (
        content["evaluation"]["pooled"],
        content["evaluation"]["pooled"]["calibration"],
    )
    rows = {
        "AUROC within products": pooled["auroc_within_product"],
        "AUROC, all mixed": pooled["auroc"],
        "Observed / expected": calibration["observed_to_expected"],
        "Calibration slope": calibration["slope"],
        "Calibration intercept (slope fixed at 1)": calibration["in_the_large"],
        "Scaled Brier score": pooled["scaled_brier"],
    }
    lines = [
        f"{content['event']}, {content['window']}: {number(pooled['n'], digits=0)} patients, "
        f"{number(pooled['n_events'], digits=0)} with the event"
    ]
    lines += [
        f"  {name}: {estimate_in_words(figure)} (95% interval)" for name, figure in rows.items()
    ]
    counts = content["tripod_ai"]["counts"]
    lines.append("  TRIPOD+AI: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return [*lines, content["notice"]]


def labels_of(products: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """A label for every product: its own where it is known, else its name in words."""
    return {name: known.get(name, name.replace("_", " ")) for name in products}


Outcomes = NDArray[np.bool_]

NO_DEVELOPMENT = (
    "Optimism, instability, places left out and sample size belong to the development of the model"
    " and are not computed from a table: `crsrisk run experiments/005_judgement` shows them for a"
    " model that it develops."
)


def evaluate_model(
    model: Path,
    table: Path,
    *,
    outcome: str | None = None,
    units: Mapping[str, str],
    mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None = None,
    threshold: float = THRESHOLD,
    seed: int = 1,
    n_resamples: int = 300,
) -> dict[str, Any]:
    """Judge a saved model in the patients of a table: the judgement as a dictionary.

    ``outcome``: column with the outcome within the model's window (the model's own name of it when
    None). Rows that cannot be scored, or whose outcome is not known, are left out and counted; for
    a landmark model so are patients who had the event by then. Raises :class:`InputError` for what
    the readers refuse, and where only one outcome occurs.
    """
    if not 0 < threshold < 1:
        raise InputError(
            where="evaluate",
            key="--threshold",
            found=threshold,
            expected="a risk above 0 and below 1",
            cure="write 0.3 for 30 of 100",
        )
    loaded = load_model(model)
    there = read_known(
        table,
        columns=loaded.contract.column_names,
        hour=loaded.contract.landmark_h,
        units=units,
        mapping=mapping,
        ldh_upper_limit_u_l=ldh_upper_limit_u_l,
    )
    read = there.table
    rows = read.frame.index.to_numpy() - 1
    known = read_outcome(table, column=outcome or loaded.contract.outcome)[rows]
    has_window = _check_window(table, rows, read.frame, loaded)
    predicted = predict(loaded, read.frame)
    can_be_judged = ~there.is_unsure
    keep = np.isfinite(known) & ~predicted.is_refused & can_be_judged
    left_out = {
        **there.left_out(),
        "have no outcome": int((~np.isfinite(known) & can_be_judged).sum()),
        "are refused by the model": int(
            (np.isfinite(known) & predicted.is_refused & can_be_judged).sum()
        ),
    }
    y_true = known[keep].astype(np.bool_)
    if len(set(y_true.tolist())) < 2:
        raise InputError(
            where=str(table),
            key=outcome or loaded.contract.outcome,
            found=f"{int(y_true.sum())} events in {y_true.size} patients who can be judged",
            expected="patients with and without the event",
            cure="take more patients, or another outcome",
        )
    observed = read.frame.loc[keep].reset_index(drop=True)
    # products of matrices on several threads differ in their last digits from run to run
    with threadpool_limits(1):
        return judge_table(
            loaded,
            observed,
            y_true,
            risk=predicted.risk[keep],
            left_out=left_out,
            n_rows=read.n_rows,
            name=table.name,
            threshold=threshold,
            seed=seed,
            n_resamples=n_resamples,
            has_window=has_window,
        )


def _check_window(
    table: Path, rows: NDArray[np.int64], observed: pd.DataFrame, model: RiskModel
) -> bool:
    """Whether the table says over how many days the outcome was counted; :class:`InputError` where
    it is another time.
    """
    cells = read_csv_cells(table) if table.suffix.lower() == ".csv" else read_parquet_cells(table)
    if "window_d" not in cells.columns:
        return False
    given = pd.to_numeric(cells["window_d"], errors="coerce").to_numpy(dtype=np.float64)[rows]
    wanted = np.array(
        [
            model.contract.window_of(platform)
            for platform in observed["platform"].to_numpy(dtype=str)
        ]
    )
    if (wrong := given != wanted).any():
        at = int(np.argmax(wrong))
        raise InputError(
            where=str(table),
            key=f"row {rows[at] + 1}, window_d",
            found=f"{given[at]:g} days",
            expected=f"{wanted[at]:g} days, over which {model.label} counts the outcome",
            cure="take the outcome within that window, or a model of the table's window",
        )
    return True


def judge_table(
    model: RiskModel,
    observed: pd.DataFrame,
    y_true: Outcomes,
    *,
    risk: NDArray[np.float64],
    left_out: Mapping[str, int],
    n_rows: int,
    name: str,
    threshold: float,
    seed: int,
    n_resamples: int,
    has_window: bool = False,
) -> dict[str, Any]:
    """The judgement of risks that are there already."""
    contract = model.contract
    products = observed["product"].to_numpy(dtype=str)
    found = plain_evaluation(
        evaluate(
            y_true,
            risk,
            groups=products,
            outcome_name=contract.outcome_in_words,
            seed=seed,
            n_resamples=n_resamples,
            patients="patients of a table given by the user",
        )
    )
    unknown = sorted(set(products) - set(contract.products))
    gone = ", ".join(f"{count} {why}" for why, count in left_out.items() if count)
    data = {
        "who": f"the {len(observed)} patients of {name}",
        "source": (
            f"The patients judged are those of {name}; where they come from is not known to the"
            " program."
        ),
        "is_synthetic": False,
        "n_overlap": None,
        "eligibility": _eligibility(contract.landmark_h),
        "outcome_from": (
            "The outcome is the table's own; "
            + (
                "its column window_d names this window."
                if has_window
                else "that it was counted within this window is taken on trust."
            )
        ),
        "flow": (
            f"{n_rows} rows; {len(observed)} judged"
            + (f"; left out: {gone}." if gone else "; none left out.")
        ),
        "split": "The model came from elsewhere; all patients of the table judge it.",
        "differences": (
            f"Products not seen in development: {', '.join(unknown)}."
            if unknown
            else "Every product was among those of the development."
        ),
    }
    about = About(
        purpose="evaluation",
        question=f"How good are the risks of {model.label} in the patients of {name}?",
        data=data,
        missing=missing_shares(observed, contract=contract),
        threshold=threshold,
        labels=labels_of(sorted(set(products)), {}),
        probe=probe(model, observed),
        why_not=NO_DEVELOPMENT,
        manifest={
            "model": model.label,
            "version": __version__,
            "seed": seed,
            "n_resamples": n_resamples,
            "table_digest": frame_digest(observed),
        },
    )
    groups = judged_subgroups(
        y_true,
        risk=risk,
        observed=observed,
        contract=contract,
        threshold=threshold,
        seed=seed,
        n_resamples=n_resamples,
    )
    return build_judgement(model, about=about, evaluation=found, subgroups=groups)


def _eligibility(landmark_h: int) -> str:
    if not landmark_h:
        return "All rows with the model's columns and a known outcome."
    return (
        "All rows with the model's columns and a known outcome, of patients still at risk"
        f" {landmark_h} h after the first dose: those who had grade 2 or more by then are not"
        " judged, since the model does not speak of them."
    )


def write_evaluation(
    content: Mapping[str, Any], *, html: Path | None, out: Path | None
) -> list[str]:
    """Write what was asked for: the page, or a folder with everything; returns what was written."""
    written = []
    if html is not None:
        write_text(html, render_evaluation(content))
        written.append(str(html))
    if out is not None:
        written += [str(out / name) for name in write_judgement(content, out)]
    return written


def track_evaluation(
    content: Mapping[str, Any], *, out: Path | None, folder: Path | None
) -> list[str]:
    """Log the files in ``out`` to MLflow in ``folder``; returns how to open it (nothing where no
    folder was named).
    """
    if folder is None:
        return []
    if out is None:
        raise InputError(
            where="evaluate",
            key="--track",
            found="no --out",
            expected="a folder whose files are logged",
            cure="add --out FOLDER",
        )
    with tracking(folder=folder, experiment="evaluate", run=str(content["model"]["label"])) as run:
        track_judgement(run, content, out)
        return [f"MLflow: {run.how_to_open}"]


def evaluation_lines(content: Mapping[str, Any]) -> list[str]:
    """What the terminal says."""
    return [content["title"], content["data"]["flow"], *closing_lines(content)]
