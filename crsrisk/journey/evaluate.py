"""Evaluate: a saved model and a table of patients whose outcomes are known in, the judgement of the model out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.journey.at_landmark import read_known
from crsrisk.journey.judging import (
    THRESHOLD,
    closing_lines,
    judged_subgroups,
    labels_of,
    missing_shares,
    track_judgement,
    write_judgement,
)
from crsrisk.learn.evaluate import evaluate
from crsrisk.learn.predict import predict
from crsrisk.learn.probe import probe
from crsrisk.learn.store import load_model
from crsrisk.learn.track import tracking
from crsrisk.read.files import frame_digest, read_csv_cells, read_parquet_cells, write_text
from crsrisk.read.outcome import read_outcome
from crsrisk.report.judgement import About, build_judgement
from crsrisk.report.judgement_page import render_judgement

Outcomes = NDArray[np.bool_]

NO_DEVELOPMENT = ("Optimism, instability, places left out and sample size belong to the development of the model and are "
                  "not computed from a table: `crsrisk run experiments/005_judgement` shows them for a model that it "
                  "develops.")


def evaluate_model(
    model: Path, table: Path, *, outcome: str | None = None, units: Mapping[str, str], mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None = None, threshold: float = THRESHOLD, seed: int = 1, n_resamples: int = 300,
) -> dict[str, Any]:
    """Judge a saved model in the patients of a table: the judgement as a dictionary.

    ``outcome``: column with the outcome within the model's window (the model's own name of it when None). Rows that
    cannot be scored, or whose outcome is not known, are left out and counted; for a landmark model so are patients who had
    the event by then. Raises :class:`InputError` for what the readers refuse, and where only one outcome occurs.
    """
    if not 0 < threshold < 1:
        raise InputError(where="evaluate", key="--threshold", found=threshold, expected="a risk above 0 and below 1",
                         cure="write 0.3 for 30 of 100")
    loaded = load_model(model)
    there = read_known(table, columns=loaded.contract.column_names, hour=loaded.contract.landmark_h, units=units,
                       mapping=mapping, ldh_upper_limit_u_l=ldh_upper_limit_u_l)
    read = there.table
    rows = read.frame.index.to_numpy() - 1
    known = read_outcome(table, column=outcome or loaded.contract.outcome)[rows]
    has_window = _check_window(table, rows, read.frame, loaded)
    predicted = predict(loaded, read.frame)
    can_be_judged = ~there.is_unsure
    keep = np.isfinite(known) & ~predicted.is_refused & can_be_judged
    left_out = {**there.left_out(), "have no outcome": int((~np.isfinite(known) & can_be_judged).sum()),
                "are refused by the model": int((np.isfinite(known) & predicted.is_refused & can_be_judged).sum())}
    happened = known[keep].astype(np.bool_)
    if len(set(happened.tolist())) < 2:
        raise InputError(where=str(table), key=outcome or loaded.contract.outcome,
                         found=f"{int(happened.sum())} events in {happened.size} patients who can be judged",
                         expected="patients with and without the event", cure="take more patients, or another outcome")
    observed = read.frame.loc[keep].reset_index(drop=True)
    with threadpool_limits(1):  # products of matrices on several threads differ in their last digits from run to run
        return judge_table(loaded, observed, happened, risk=predicted.risk[keep], left_out=left_out, n_rows=read.n_rows,
                           name=table.name, threshold=threshold, seed=seed, n_resamples=n_resamples, has_window=has_window)


def _check_window(table: Path, rows: NDArray[np.int64], observed: pd.DataFrame, model: RiskModel) -> bool:
    """Whether the table says over how many days the outcome was counted; :class:`InputError` where it is another time."""
    cells = read_csv_cells(table) if table.suffix.lower() == ".csv" else read_parquet_cells(table)
    if "window_d" not in cells.columns:
        return False
    given = pd.to_numeric(cells["window_d"], errors="coerce").to_numpy(dtype=np.float64)[rows]
    wanted = np.array([model.contract.window_of(platform) for platform in observed["platform"].to_numpy(dtype=str)])
    if (wrong := given != wanted).any():
        at = int(np.argmax(wrong))
        raise InputError(where=str(table), key=f"row {rows[at] + 1}, window_d", found=f"{given[at]:g} days",
                         expected=f"{wanted[at]:g} days, over which {model.label} counts the outcome",
                         cure="take the outcome within that window, or a model of the table's window")
    return True


def judge_table(
    model: RiskModel, observed: pd.DataFrame, happened: Outcomes, *, risk: NDArray[np.float64], left_out: Mapping[str, int],
    n_rows: int, name: str, threshold: float, seed: int, n_resamples: int, has_window: bool = False,
) -> dict[str, Any]:
    """The judgement of risks that are there already."""
    contract = model.contract
    products = observed["product"].to_numpy(dtype=str)
    found = evaluate(happened, risk=risk, product=products, outcome_name=contract.outcome_in_words, seed=seed,
                     n_resamples=n_resamples)
    found["what"] = "patients of a table given by the user"
    unknown = sorted(set(products) - set(contract.products))
    gone = ", ".join(f"{count} {why}" for why, count in left_out.items() if count)
    data = {
        "who": f"the {len(observed)} patients of {name}",
        "source": f"The patients judged are those of {name}; where they come from is not known to the program.",
        "is_synthetic": False, "n_overlap": None,
        "eligibility": _eligibility(contract.landmark_h),
        "outcome_from": "The outcome is the table's own; " + ("its column window_d names this window." if has_window else
                        "that it was counted within this window is taken on trust."),
        "flow": f"{n_rows} rows; {len(observed)} judged" + (f"; left out: {gone}." if gone else "; none left out."),
        "split": "The model came from elsewhere; all patients of the table judge it.",
        "differences": f"Products not seen in development: {', '.join(unknown)}." if unknown else
                       "Every product was among those of the development.",
    }
    about = About(
        purpose="evaluation", question=f"How good are the risks of {model.label} in the patients of {name}?", data=data,
        missing=missing_shares(observed, contract=contract), threshold=threshold,
        labels=labels_of(sorted(set(products)), {}), probe=probe(model, observed), why_not=NO_DEVELOPMENT,
        manifest={"model": model.label, "version": __version__, "seed": seed, "n_resamples": n_resamples,
                  "table_digest": frame_digest(observed)})
    groups = judged_subgroups(happened, risk=risk, observed=observed, contract=contract, threshold=threshold, seed=seed,
                              n_resamples=n_resamples)
    return build_judgement(model, about=about, evaluation=found, subgroups=groups)


def _eligibility(landmark_h: int) -> str:
    if not landmark_h:
        return "All rows with the model's columns and a known outcome."
    return (f"All rows with the model's columns and a known outcome, of patients still at risk {landmark_h} h after the "
            "first dose: those who had grade 2 or more by then are not judged, since the model does not speak of them.")


def write_evaluation(content: Mapping[str, Any], *, html: Path | None, out: Path | None) -> list[str]:
    """Write what was asked for: the page, or a folder with everything; returns what was written."""
    written = []
    if html is not None:
        write_text(html, render_judgement(content))
        written.append(str(html))
    if out is not None:
        written += [str(out / name) for name in write_judgement(content, out)]
    return written


def track_evaluation(content: Mapping[str, Any], *, out: Path | None, folder: Path | None) -> list[str]:
    """Log the files in ``out`` to MLflow in ``folder``; returns how to open it (nothing where no folder was named)."""
    if folder is None:
        return []
    if out is None:
        raise InputError(where="evaluate", key="--track", found="no --out", expected="a folder whose files are logged",
                         cure="add --out FOLDER")
    with tracking(folder=folder, experiment="evaluate", run=str(content["model"]["label"])) as run:
        track_judgement(run, content, out)
        return [f"MLflow: {run.how_to_open}"]


def evaluation_lines(content: Mapping[str, Any]) -> list[str]:
    """What the terminal says."""
    return [content["title"], content["data"]["flow"], *closing_lines(content)]
