"""Update: a saved model and a table of patients with outcomes in, a new model folder with a new
version out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from scipy.special import expit

from crsrisk.data.outcomes import read_outcome
from crsrisk.data.risk_model import NOTICE
from crsrisk.errors import InputError, OutputError
from crsrisk.evaluation.calibration import Recalibration, recalibrate
from crsrisk.evaluation.metrics import clip_risk, log_loss, observed_to_expected
from crsrisk.folders import find, names
from crsrisk.model.companions import carried_over, load_companions, save_companions
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.refits import covers, why_no_refits
from crsrisk.model.store import is_released, load_model, save_model
from crsrisk.model.update import METHODS, Method, Update, log_odds_of, out_of_fold, update
from crsrisk.results import Estimate, NotEstimable
from crsrisk.studies.predict import Known, read_known
from crsrisk.wording import number

Floats = NDArray[np.float64]
AFTER = (
    "out of fold: each patient's risk comes from an update made without him, so that the model is"
    " not praised for agreeing with the patients it was fitted to"
)


@dataclass(frozen=True)
class Updated:
    """What `crsrisk update` did: the update, where it was written, calibration before and after,
    rows left out.
    """

    label_before: str
    outcome_in_words: str
    update: Update
    folder: Path
    before: dict[str, Any]
    after: dict[str, Any]
    left_out: dict[str, int]
    interval: str

    def as_tree(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        closed = self.update.closed
        return {
            "model_before": self.label_before,
            "model_after": self.update.model.label,
            "folder": str(self.folder),
            "outcome": self.outcome_in_words,
            "method": self.update.method,
            "closed_test": None if closed is None else asdict(closed),
            "cv_log_loss": self.update.cv_log_loss,
            "n_patients": self.update.n_patients,
            "n_events": self.update.n_events,
            "n_trees_added": self.update.n_trees,
            "left_out": self.left_out,
            "interval": self.interval,
            "calibration_before": self.before,
            "calibration_after": self.after,
            "calibration_after_is": AFTER,
            "notice": f"{NOTICE} An update to few patients is no validation.",
        }


def update_model(
    model: Path,
    table: Path,
    *,
    out: Path | None,
    outcome: str | None,
    method: str,
    units: Mapping[str, str],
    mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None,
    seed: int,
) -> Updated:
    """Read model and table, update, write the new folder (``out``, else under its new name beside
    the old one, or in the current folder when the old one is a release).

    ``outcome`` is the column with the outcome (the model's own name of it when None), counted
    within the model's window. Rows that cannot be scored or whose outcome is not known are left out
    and counted; with a landmark model so are patients who had the event by then. Raises
    :class:`InputError` for what the readers and :func:`crsrisk.model.update.update` refuse,
    :class:`OutputError` when the new folder is already there.
    """
    loaded = load_model(model)
    there = read_known(
        table,
        columns=loaded.contract.column_names,
        hour=loaded.contract.landmark_h,
        units=units,
        mapping=mapping,
        ldh_upper_limit_u_l=ldh_upper_limit_u_l,
    )
    y, observed, left_out = _known(
        there, read_outcome(table, column=outcome or loaded.contract.outcome)
    )
    done = update(
        loaded,
        observed,
        y=y,
        method=_method(method),
        config=_recipe(loaded.contract.name),
        seed=seed,
    )
    # nothing is written among releases
    home = Path.cwd() if is_released(model) else model.resolve().parent
    folder = out or home / done.model.label
    if folder.exists():
        raise OutputError(
            where=str(folder),
            found="something that is there already",
            expected="a new folder",
            cure="name another with --out; an update never replaces a model",
        )
    before = _calibration(y, log_odds_of(loaded, observed))
    later = out_of_fold(
        loaded, observed, y=y, method=done.method, config=_recipe(loaded.contract.name), seed=seed
    )
    beside = carried_over(
        load_companions(model, model=loaded),
        done,
        observed=observed,
        y=y,
        config=_recipe(loaded.contract.name),
        seed=seed,
    )
    save_model(done.model, folder)
    save_companions(folder, model=done.model, reference=beside.reference, refits=beside.refits)
    interval = (
        why_no_refits(done.model)
        if beside.refits is None
        else (
            f"The interval of a single risk comes {covers(len(beside.refits), update=done.method)}."
        )
    )
    return Updated(
        loaded.label,
        loaded.contract.outcome_in_words,
        done,
        folder,
        before,
        _calibration(y, later),
        left_out,
        interval,
    )


def print_updated(updated: Updated) -> None:
    """Method and why, calibration before and after, and where the new model is."""
    console = Console(width=max(Console().width, 110), markup=False, highlight=False)
    tree = updated.as_tree()
    console.print(
        f"{tree['model_before']} -> {tree['model_after']}: {tree['method']}, from"
        f" {tree['n_patients']} patients, {tree['n_events']} with the event ({tree['outcome']})",
        soft_wrap=True,
    )
    if any(updated.left_out.values()):
        console.print(
            "Left out: " + ", ".join(f"{n} {why}" for why, n in updated.left_out.items() if n),
            soft_wrap=True,
        )
    if updated.update.closed is not None:
        for step in updated.update.closed.steps:
            console.print(
                f"  closed test, revision against {step.against}: likelihood ratio"
                f" {step.likelihood_ratio:.2f}, {step.degrees} df, p = {step.p_value:.3g}",
                soft_wrap=True,
            )
    for name, loss in updated.update.cv_log_loss.items():
        console.print(f"  out-of-fold log loss, {name}: {loss:.4f}")
    for figure, before in updated.before.items():
        console.print(
            f"  {figure}: before {_words(before)}, after {_words(updated.after[figure])}",
            soft_wrap=True,
        )
    console.print(f"  after is {AFTER}.", soft_wrap=True)
    console.print(
        f"  {updated.interval} No model for grade 3 or more stands beside the new one.",
        soft_wrap=True,
    )
    console.print(f"Wrote {updated.folder}", soft_wrap=True)
    console.print(tree["notice"], soft_wrap=True)


def _method(text: str) -> Method | Literal["auto"]:
    known = {name.replace(" ", "-"): name for name in METHODS}
    if text == "auto":
        return "auto"
    if text not in known:
        raise InputError(
            where="update",
            key="--method",
            found=text,
            expected=f"auto, {', '.join(known)}",
            cure="choose one of these",
        )
    return known[text]


def _recipe(name: str) -> ModelConfig | None:
    """The shipped configuration of that name: what a refit follows; None where there is none."""
    return load_config(find("configs", name)) if name in names("configs") else None


def _known(there: Known, outcome: Floats) -> tuple[Floats, pd.DataFrame, dict[str, int]]:
    """Outcomes and rows of the patients who can be scored and whose outcome is known, and how many
    are not.
    """
    frame = there.table.frame
    y = outcome[frame.index.to_numpy() - 1]
    has_outcome = ~np.isnan(y)
    left_out = {f"rows that {why}": n for why, n in there.left_out().items()}
    left_out["rows without an outcome"] = int((~has_outcome & ~there.is_unsure).sum())
    keep = has_outcome & ~there.is_unsure
    return y[keep], frame[keep], left_out


def _calibration(y: Floats, log_odds: Floats) -> dict[str, Any]:
    risk = clip_risk(expit(log_odds)).risk
    fitted: Recalibration = recalibrate(y, risk=risk)
    figures: dict[str, Estimate | NotEstimable] = {
        "observed / expected": observed_to_expected(y, risk=risk),
        "calibration-in-the-large": fitted.in_the_large,
        "calibration slope": fitted.slope,
        "log loss": log_loss(y, risk=risk),
    }
    return {name: figure.to_dict() for name, figure in figures.items()}


def _words(figure: Mapping[str, Any]) -> str:
    if "not_estimable" in figure:
        return f"not estimable ({figure['not_estimable']})"
    value, low, high = (number(figure[key]) for key in ("value", "low", "high"))
    return f"{value} (95% interval {low} to {high})"
