"""Update: a saved model and a table of patients with outcomes in, a new model folder with a new
version out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.account import grouped
from crsrisk.data.files import prepare_output
from crsrisk.data.outcomes import read_outcome
from crsrisk.data.provenance import Patients, origin_of
from crsrisk.data.table_files import Source
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.errors import InputError
from crsrisk.evaluation.calibration import recalibrate
from crsrisk.evaluation.metrics import clip_risk, log_loss, observed_to_expected
from crsrisk.folders import find, names
from crsrisk.model.carry_over import carry_over
from crsrisk.model.companions import load_companions, save_companions
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.refits import Refits, covers, why_no_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import (
    check_model_folder,
    is_released,
    load_model,
    model_folder,
    write_model,
)
from crsrisk.model.update import (
    METHODS,
    ClosedTest,
    Method,
    Update,
    log_odds_of,
    out_of_fold,
    update,
)
from crsrisk.results import Estimate, NotEstimable, Result
from crsrisk.studies.predict import Known, Tell, of_known_products, read_known, require_rows
from crsrisk.terminal import Console
from crsrisk.wording import number

Floats = NDArray[np.float64]
AFTER = (
    "out of fold: each patient's risk comes from an update made without him, so that the model is"
    " not praised for agreeing with the patients it was fitted to"
)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How a model's risks agree with the outcomes of the update's patients."""

    observed_to_expected: Estimate | NotEstimable
    in_the_large: Estimate | NotEstimable
    slope: Estimate | NotEstimable
    log_loss: Estimate | NotEstimable

    def items(self) -> Iterator[tuple[str, Estimate | NotEstimable]]:
        """The figures by what they are called."""
        yield "observed / expected", self.observed_to_expected
        yield "calibration-in-the-large", self.in_the_large
        yield "calibration slope", self.slope
        yield "log loss", self.log_loss


@dataclass(frozen=True, kw_only=True, repr=False)
class Updated(Result):
    """An updated model: how it was updated, where it was written, calibration before and after.

    Parameters
    ----------
    model_before, model_after : str
        Name and version.
    folder : Path
        Of the updated model.
    outcome : str
        The event in words.
    method : str
        none, intercept, intercept and slope, offset boosting or refit.
    closed_test : ClosedTest or None
        What the patients called for; None where the method was given.
    cv_log_loss : mapping
        Out-of-fold log loss (nats) of each method that was compared.
    n_patients, n_events, n_trees_added : int
        Of the update.
    left_out : mapping
        Rows that nobody can be judged by, by reason.
    interval : str
        Where the interval of a single risk comes from.
    calibration_before, calibration_after : Calibration
        In these patients; after is out of fold.
    same_patients : Patients or None
        The step of the model's making that these very patients were, recognised by their digest;
        the calibration before is then apparent.
    notice : str
        Which patients the updated model was fitted to.
    """

    model_before: str
    model_after: str
    folder: Path
    outcome: str
    method: Method
    closed_test: ClosedTest | None
    cv_log_loss: Mapping[Method, float]
    n_patients: int
    n_events: int
    n_trees_added: int
    left_out: Mapping[str, int]
    interval: str
    calibration_before: Calibration
    calibration_after: Calibration
    same_patients: Patients | None
    notice: str
    calibration_after_is: str = AFTER

    @property
    def model(self) -> RiskModel:
        """The updated model, loaded from its folder."""
        return load_model(self.folder)

    def summary(self) -> str:
        """What was done, from which patients, and how calibration changed."""
        lines = [
            f"{self.model_before} -> {self.model_after}: {self.method}, from {self.n_patients}"
            f" patients, {self.n_events} with the event ({self.outcome})"
        ]
        lines += self.overlap_lines()
        lines += [
            f"{name}: before {_words(before)}, after {_words(after)}"
            for name, before, after in self.figures()
        ]
        return "\n".join([*lines, self.notice])

    def overlap_lines(self) -> list[str]:
        """What is to be said where these patients have made the model already."""
        if self.same_patients is None:
            return []
        how = "fitted to" if self.same_patients.step == "fit" else "updated with"
        return [
            f"{self.model_before} was {how} these very patients (the digest of the table is that in"
            " its manifest): the calibration before is apparent, and they tell the model nothing"
            " new."
        ]

    def figures(
        self,
    ) -> Iterator[tuple[str, Estimate | NotEstimable, Estimate | NotEstimable]]:
        """Each figure of the calibration with its value before and after."""
        both = zip(self.calibration_before.items(), self.calibration_after.items(), strict=True)
        return ((name, before, after) for (name, before), (_, after) in both)

    def to_frame(self) -> pd.DataFrame:
        """Calibration before and after: one row a figure, with 95% intervals."""
        rows = []
        for name, before, after in self.figures():
            row: dict[str, str | float] = {"figure": name}
            for when, figure in (("before", before), ("after", after)):
                estimate = figure if isinstance(figure, Estimate) else Estimate(nan)
                row |= {
                    when: estimate.value,
                    f"{when}_low": estimate.low,
                    f"{when}_high": estimate.high,
                }
            rows.append(row)
        return pd.DataFrame(rows)


def update_model(
    model: str | Path,
    table: Source,
    *,
    out: Path | None = None,
    outcome: str | None = None,
    at_least: float | None = None,
    method: str = "auto",
    config: str | Path | ModelConfig | None = None,
    unknown_product: bool = False,
    product_files: Sequence[str | Path] = (),
    reading: TableReading = AS_NAMED,
    seed: int = 1,
    overwrite: bool = False,
    tell: Tell | None = None,
) -> Updated:
    """Update a saved model with patients whose outcomes are known, as little as they call for.

    The model is left as it is; the updated one is written to a folder of its own.

    Parameters
    ----------
    model : path, or name of a released model
        What is updated.
    table : path or frame
        Patients with their outcomes, as :func:`crsrisk.read_patients` reads them. Rows that
        cannot be scored or whose outcome is not known are left out and counted; with a landmark
        model so are patients who had the event by then.
    out : path, optional
        The new folder; else under its new name beside the old one, or in the current folder when
        the old one is a release.
    outcome : str, optional
        The column with the outcome, counted within the model's window; the model's own name of it
        when left out.
    at_least : float, optional
        The column holds a grade, and the event is this grade or more.
    method : str
        ``auto`` (closed test), ``none``, ``intercept``, ``intercept-and-slope``,
        ``offset-boosting`` or ``refit``.
    config : str, path or ModelConfig, optional
        What a refit follows; the shipped configuration of the model's name when left out. Without
        one no refit is considered.
    unknown_product : bool
        Whether patients of products that the model was not trained on are taken; else they are left
        out and counted.
    product_files : sequence of path
        Files of products of one's own, by whose names the table may call them.
    reading : TableReading, optional
        What is stated about the table: names, units, codes, limits, times.
    seed : int
        Of folds, of added trees and of the refits' samples.
    overwrite : bool
        Whether a model that stands at ``out`` may be replaced.
    tell : callable, optional
        Hears the account of the table: what was refused, converted and left out.

    Returns
    -------
    Updated
        Typed; ``updated.model`` is the new model.

    Raises
    ------
    InputError
        For what the readers and :func:`crsrisk.model.update.update` refuse.
    OutputError
        When something stands at ``out``, without ``overwrite``; with it, for anything but a model
        that was not released.
    """
    source = find("released", model)
    loaded = load_model(source)
    recipe = _recipe(loaded.contract.name) if config is None else load_config(config)
    there = read_known(
        table,
        columns=loaded.contract.column_names,
        hour=loaded.contract.landmark_h,
        reading=reading,
    )
    if tell is not None:
        tell(grouped(there.table.account))
    require_rows(there.table)
    read = of_known_products(
        loaded,
        there.table,
        where=there.table.source.where,
        unknown_product=unknown_product,
        product_files=product_files,
    )
    is_kept = there.table.frame.index.isin(read.frame.index)
    there = replace(there, table=read, is_unsure=there.is_unsure[is_kept])
    y, observed, left_out = _with_outcome(
        there,
        read_outcome(
            read.source,
            column=outcome or loaded.contract.outcome,
            at_least=at_least,
            reading=reading,
        ),
    )
    origin = origin_of(table)
    same = loaded.provenance.made_by(observed[list(loaded.contract.column_names)])
    done = update(
        loaded, observed, y=y, method=_method(method), config=recipe, seed=seed, origin=origin
    )
    left_out["rows of a product that the model was not trained on"] = int((~is_kept).sum())
    left_out["rows that cannot be read"] -= int((~is_kept).sum())
    # nothing is written among releases
    home = Path.cwd() if is_released(source) else source.resolve().parent
    folder = out or home / done.model.label
    prepare_output(folder, overwrite=overwrite, is_folder=True)
    check_model_folder(folder)
    after = out_of_fold(loaded, observed, y=y, method=done.method, config=recipe, seed=seed)
    before = load_companions(source, model=loaded)
    companions = carry_over(before, done, observed=observed, y=y, config=recipe, seed=seed)
    with model_folder(folder) as beside:
        write_model(done.model, beside)
        save_companions(
            beside,
            model=done.model,
            reference=companions.reference,
            refits=companions.refits,
            worlds=companions.worlds,
        )
    return Updated(
        model_before=loaded.label,
        model_after=done.model.label,
        folder=folder,
        outcome=loaded.contract.outcome_in_words,
        method=done.method,
        closed_test=done.closed,
        cv_log_loss=done.cv_log_loss,
        n_patients=done.n_patients,
        n_events=done.n_events,
        n_trees_added=done.n_trees,
        left_out=left_out,
        interval=_interval(done, companions.refits),
        calibration_before=_calibration(y, log_odds_of(loaded, observed)),
        calibration_after=_calibration(y, after),
        same_patients=same,
        notice=f"{done.model.notice} An update to few patients is no validation.",
    )


def _interval(done: Update, refits: Refits | None) -> str:
    """Where the interval of a single risk comes from, or why there is none."""
    if refits is None:
        return why_no_refits(done.model)
    return f"The interval of a single risk comes {covers(len(refits), model=done.model)}."


def print_updated(updated: Updated) -> None:
    """Method and why, calibration before and after, and where the new model is."""
    console = Console(width=max(Console().width, 110), markup=False, highlight=False)
    head, *_ = updated.summary().splitlines()
    console.print(head, soft_wrap=True)
    for line in updated.overlap_lines():
        console.print(line, soft_wrap=True)
    if any(updated.left_out.values()):
        console.print(
            "Left out: " + ", ".join(f"{n} {why}" for why, n in updated.left_out.items() if n),
            soft_wrap=True,
        )
    if updated.closed_test is not None:
        for step in updated.closed_test.steps:
            console.print(
                f"  closed test, revision against {step.against}: likelihood ratio"
                f" {step.likelihood_ratio:.2f}, {step.degrees} df, p = {step.p_value:.3g}",
                soft_wrap=True,
            )
    for name, loss in updated.cv_log_loss.items():
        console.print(f"  out-of-fold log loss, {name}: {loss:.4f}")
    for figure, before, after in updated.figures():
        console.print(f"  {figure}: before {_words(before)}, after {_words(after)}", soft_wrap=True)
    console.print(f"  after is {AFTER}.", soft_wrap=True)
    console.print(
        f"  {updated.interval} No model for grade 3 or more stands beside the new one.",
        soft_wrap=True,
    )
    console.print(f"Wrote {updated.folder}", soft_wrap=True)
    console.print(updated.notice, soft_wrap=True)


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


def _with_outcome(there: Known, outcome: Floats) -> tuple[Floats, pd.DataFrame, dict[str, int]]:
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


def _calibration(y: Floats, log_odds: Floats) -> Calibration:
    risk = clip_risk(expit(log_odds)).risk
    fitted = recalibrate(y, risk=risk)
    return Calibration(
        observed_to_expected=observed_to_expected(y, risk=risk),
        in_the_large=fitted.in_the_large,
        slope=fitted.slope,
        log_loss=log_loss(y, risk=risk),
    )


def _words(figure: Estimate | NotEstimable) -> str:
    if isinstance(figure, NotEstimable):
        return f"not estimable ({figure.reason})"
    value, low, high = (number(end) for end in (figure.value, figure.low, figure.high))
    return f"{value} (95% interval {low} to {high})"
