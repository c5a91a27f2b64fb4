"""Onset: fit when the event comes to simulated patients, tell it for a user's table, and judge it
in fresh simulated patients and against the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from crsrisk.data.cohort import Arm, Cohort
from crsrisk.data.files import (
    prepare_output,
    without_formulas,
    write_json,
    write_table_stream,
    write_text,
)
from crsrisk.data.onset import schedules_of
from crsrisk.data.onset_prediction import HOURS, OnsetPrediction, hour_name
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.world import World
from crsrisk.errors import InputError, OutputError
from crsrisk.evaluation.onset import OnsetCalibration, calibrate_onset
from crsrisk.model.companions import load_companions, save_companions
from crsrisk.model.known_products import with_trained_names
from crsrisk.model.onset import CRSOnsetEstimator, OnsetModel
from crsrisk.model.onset_store import load_onset, save_onset
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import check_model_folder, load_model, model_folder, write_model
from crsrisk.results import Result, to_plain
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.true_onset import true_onset
from crsrisk.studies.predict import of_known_products, read_known
from crsrisk.terminal import Console

Begin = Callable[[str, int], Callable[[int], None]]
CALIBRATION_FILES = ("onset_calibration.json", "onset_by_hour.csv", "onset_after_doses.csv")
_AT_MOST = 40  # patients on the terminal


@dataclass(frozen=True, repr=False)
class OnsetTrained(Result):
    """An onset model that was fitted, where it stands, and to whom.

    Parameters
    ----------
    onset : the model with its risk model.
    folder : where both were saved.
    who : the patients it learnt from, in words.
    """

    onset: OnsetModel
    folder: Path
    who: str

    def to_dict(self) -> dict[str, Any]:
        """Its contract and where it stands."""
        return {
            "model": self.onset.label,
            "folder": str(self.folder),
            "training": self.who,
            **to_plain(self.onset.contract),
        }

    def summary(self) -> str:
        """What was learnt, from whom, and where it stands."""
        return f"{self.onset.summary()}\nLearnt from {self.who}\nWrote {self.folder}"


def arms_of_model(arms: Sequence[Arm], *, model: RiskModel, is_asked: bool) -> list[Arm]:
    """Those of these arms whose product the model knows; all of them where they were asked for.

    Raises
    ------
    InputError
        Where it knows none, or not one that was asked for.
    """
    known = [arm for arm in arms if arm.product.name in model.contract.products]
    if not known or (is_asked and len(known) < len(arms)):
        raise InputError(
            where=model.label,
            key="product",
            found=", ".join(arm.product.name for arm in arms if arm not in known),
            expected=f"products among {', '.join(model.contract.products)}",
            cure="take a product that the model was trained on",
        )
    return known


def train_onset(
    model: Path,
    arms: Sequence[Arm],
    *,
    world: World,
    n_patients: int,
    seed: int,
    out: Path,
    begin: Begin,
    is_asked: bool = False,
    workers: int = 1,
    overwrite: bool = False,
) -> OnsetTrained:
    """Fit the onset of a risk model's event to simulated patients, and save both to ``out``.

    The folder holds the risk model as it was, so it predicts and explains as before; a neighbour
    for grade 3 or more does not move with it. Of the arms those of other products than the model's
    are left out, unless they were asked for (``is_asked``): then they are refused.

    Raises
    ------
    InputError
        For a model of another event or hour, and for products that it does not know.
    OutputError
        When something stands at ``out``, without ``overwrite``; with it, for anything but a model
        that was not released.
    """
    prepare_output(out, overwrite=overwrite, is_folder=True)
    check_model_folder(out)
    risk_model = load_model(model)
    companions = load_companions(model, model=risk_model)
    known = arms_of_model(arms, model=risk_model, is_asked=is_asked)
    advance = begin("Simulating", 1)
    cohort = simulate_cohort(known, world=world, n_patients=n_patients, seed=seed, workers=workers)
    advance(1)
    who = f"{n_patients:,} simulated patients, scenario {world.scenario.name}, seed {seed}"
    advance = begin("Fitting", 1)
    fitted = CRSOnsetEstimator(risk_model, schedules=schedules_of(known), random_state=seed).fit(
        cohort.X, cohort.outcomes["onset_grade2plus_h"], cohort.y
    )
    advance(1)
    onset: OnsetModel = fitted.onset_model_
    made = {**onset.contract.made, "training": who}
    onset = replace(onset, contract=onset.contract.model_copy(update={"made": made}))
    with model_folder(out) as beside:
        write_model(risk_model, beside)
        save_companions(
            beside, model=risk_model, reference=companions.reference, refits=companions.refits
        )
        save_onset(beside, onset)
    return OnsetTrained(onset, out, who)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class OnsetTable(Result):
    """Onset for every row of a user's file, refused rows with their reason.

    Parameters
    ----------
    prediction : of the rows that could be read.
    rows : every row of the file in its order: `patient_id`, `risk`, the risk by each hour, the
        columns of each dose, `hours_of_observation`, `status`, `reasons`.
    where : the file.
    """

    prediction: OnsetPrediction
    rows: pd.DataFrame
    where: str

    def to_frame(self) -> pd.DataFrame:
        """The rows."""
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Rows and notes as plain values."""
        return {
            "model": self.prediction.model,
            "outcome": self.prediction.outcome_in_words,
            "rows": to_plain(self.rows),
            "notes": list(self.prediction.notes),
        }

    def summary(self) -> str:
        """How many rows, and what belongs beside the hours."""
        refused = int((self.rows["status"] == "refused").sum())
        return f"{len(self.rows)} rows, {refused} refused. {self.prediction.summary()}"

    def refusal(self) -> InputError | None:
        """The first refused row as an error; None when every row was read."""
        refused = np.flatnonzero((self.rows["status"] == "refused").to_numpy())
        if not refused.size:
            return None
        return InputError(
            where=self.where,
            key=f"row {refused[0] + 1}",
            found=str(self.rows["reasons"].iloc[refused[0]]),
            expected="values that the model can use",
            cure=f"correct the row ({refused.size} of {len(self.rows)} rows refused)",
        )


def tell_onset(
    model: Path,
    table: Path,
    *,
    reading: TableReading = AS_NAMED,
    out: Path | None = None,
) -> OnsetTable:
    """Read a table as `crsrisk predict` does and tell onset for every row; with ``out`` the rows
    are written there.

    Raises
    ------
    InputError
        For a folder without onset, and a table that cannot be read as a whole.
    """
    onset = load_onset(model)
    if out is not None and out.resolve() == table.resolve():
        raise OutputError(
            where=str(out),
            key="--out",
            found="the table that is read",
            expected="another file",
            cure="give the results a name of their own",
        )
    read = read_known(
        table,
        columns=onset.risk_model.contract.column_names,
        hour=0,
        reading=reading,
    ).table
    read = of_known_products(
        onset.risk_model,
        replace(read, frame=with_trained_names(onset.risk_model, read.frame)),
        where=str(table),
        strict=False,
        unknown_product=False,
    )
    prediction = onset.predict(read.frame)
    joined = read.rejoin(prediction.to_frame())
    refused = joined.pop("is_refused").to_numpy(dtype=bool)
    reason = joined.pop("reason").to_numpy(dtype=object)
    rows = joined.assign(
        status=np.where(refused, "refused", joined["status"]),
        reasons=np.where(refused, reason, joined["reasons"]),
    )
    if out is not None:
        write_table_stream(out, iter([rows]))
    return OnsetTable(prediction=prediction, rows=rows, where=str(table))


def print_onset(told: OnsetTable, *, out: Path | None) -> None:
    """Risks by hour and hours after each dose (or where they were written), and what belongs beside
    them.
    """
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    if out is not None:
        console.print(f"Wrote {out}", soft_wrap=True)
    else:
        _print_hours(console, told)
        _print_doses(console, told)
    for note in told.prediction.notes:
        console.print(note, soft_wrap=True)


def _print_hours(console: Console, told: OnsetTable) -> None:
    table = Table(title=f"{told.prediction.outcome_in_words}, of 100 by hours after the first dose")
    for name in ("patient", *(f"{hour:g} h" for hour in HOURS), "window", "status", "why"):
        table.add_column(name, overflow="fold")
    columns = [*(hour_name(hour) for hour in HOURS), "risk"]
    for row in told.rows.head(_AT_MOST).to_dict(orient="records"):
        shares = [_of_100(row[name]) for name in columns]
        cells = [row["patient_id"], *shares, row["status"], row["reasons"]]
        table.add_row(*(Text(str(cell)) for cell in cells))
    console.print(table)
    if len(told.rows) > _AT_MOST:
        console.print(f"... and {len(told.rows) - _AT_MOST} more rows: use --out to write them all")


def _print_doses(console: Console, told: OnsetTable) -> None:
    numbers = sorted(set(told.prediction.doses.get("dose", [])))
    if not numbers:
        return
    table = Table(
        title="After each dose, given none so far: of 100 until the next, and hours after it by"
        " which half and nine of ten of these onsets have come"
    )
    for name in ("patient", *(f"dose {number}" for number in numbers)):
        table.add_column(name, overflow="fold")
    for row in told.rows.head(_AT_MOST).to_dict(orient="records"):
        cells = [_dose_in_words(row, number) for number in numbers]
        table.add_row(*(Text(str(cell)) for cell in (row["patient_id"], *cells)))
    console.print(table)


def _dose_in_words(row: Mapping[Any, Any], dose: int) -> str:
    risk, median, most = (
        row[f"dose_{dose}__{name}"]
        for name in ("risk_if_none_so_far", "median_h_after_dose", "hours_90_after_dose")
    )
    if np.isnan(risk) or np.isnan(median):
        return "-"
    return f"{_of_100(risk)} of 100; {median:.0f} h, {most:.0f} h"


def _of_100(share: float) -> str:
    if np.isnan(share):
        return "-"
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def judge_onset(
    model: Path,
    arms: Sequence[Arm],
    *,
    world: World,
    n_patients: int,
    seed: int,
    begin: Begin,
    is_asked: bool = False,
    n_true: int = 0,
    n_replicates: int = 100,
    workers: int = 1,
) -> OnsetCalibration:
    """Calibration of onset in fresh simulated patients; the first ``n_true`` of them are simulated
    again, ``n_replicates`` times each, for their true risk by each hour. ``is_asked`` is as in
    :func:`train_onset`.
    """
    onset = load_onset(model)
    known = arms_of_model(arms, model=onset.risk_model, is_asked=is_asked)
    advance = begin("Simulating", 1)
    cohort = simulate_cohort(known, world=world, n_patients=n_patients, seed=seed, workers=workers)
    advance(1)
    truth = None
    if n_true:
        again: Cohort = cohort.head(n_true)
        truth = true_onset(
            again,
            HOURS,
            world=world,
            n_replicates=n_replicates,
            workers=workers,
            advance=begin("Simulating again", len(again)),
        )
    return calibrate_onset(
        onset,
        cohort.X,
        cohort.outcomes["onset_grade2plus_h"].to_numpy(dtype=np.float64),
        who=f"{n_patients:,} fresh simulated patients, scenario {world.scenario.name}, seed {seed}",
        truth=truth,
        seed=seed,
    )


def write_calibration(found: OnsetCalibration, *, out: Path) -> list[Path]:
    """Write figures and chart to a folder; gives the files."""
    from crsrisk.plots.svg import stand_alone, to_svg

    places = [out / name for name in CALIBRATION_FILES]
    write_json(places[0], found.to_dict())
    write_text(places[1], without_formulas(found.to_frame()).to_csv(index=False))
    write_text(places[2], without_formulas(found.doses_frame()).to_csv(index=False))
    chart = out / "onset_calibration.svg"
    svg = to_svg(found.plot, key="onset", title="Calibration of onset", description=found.summary())
    write_text(chart, stand_alone(svg, note=found.summary()))
    return [*places, chart]


def calibration_lines(found: OnsetCalibration) -> list[str]:
    """The figures by hour and dose as text."""
    by_hour = found.to_frame()
    shown = by_hour[["group", "hour_h", "n", "n_onsets"]].assign(
        predicted=_percent(by_hour["predicted"]),
        observed=_percent(by_hour["observed"]),
        low=_percent(by_hour["observed_low"]),
        high=_percent(by_hour["observed_high"]),
        true=_percent(by_hour["true"]),
        error=_percent(by_hour["mean_absolute_error"]),
        slope=by_hour["slope"].map("{:.2f}".format),
    )
    doses = found.doses_frame()
    after = doses[["group", "dose", "n", "n_onsets"]].assign(
        **{
            name: _percent(doses[name])
            for name in ("predicted", "observed", "by_median", "by_hours_90")
        }
    )
    return [
        "Of 100 with a first grade 2 or more, by hours after the first dose:",
        shown.to_string(index=False),
        "After each dose, in patients with none so far; of the onsets, how many came by the median"
        " and by the 90% hours:",
        after.to_string(index=False),
        found.summary(),
    ]


def _percent(share: pd.Series[float]) -> pd.Series[str]:
    return share.map(lambda value: "-" if np.isnan(value) else f"{100 * value:.1f}")
