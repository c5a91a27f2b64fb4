"""Train: a cohort, simulated or from a table, and a configuration in; a saved and tracked model
out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from crsrisk.data.files import frame_digest
from crsrisk.data.outcomes import read_outcomes
from crsrisk.data.risk_model import NOTICE, RiskModel
from crsrisk.data.world import World
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find, models_folder
from crsrisk.model.companions import reference_groups, save_companions
from crsrisk.model.features import FeatureConfig, columns_needed, load_config
from crsrisk.model.fit import fit
from crsrisk.model.landmark import landmark_table
from crsrisk.model.refits import N_REFITS, make_refits
from crsrisk.model.release import Release, release
from crsrisk.model.store import MANIFEST, load_model, save_model
from crsrisk.model.tracking import tracking
from crsrisk.model.tune import Tuned, tune
from crsrisk.report.model_card import as_markdown, model_facts
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies.predict import read_known

Begin = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True)
class Training:
    """Patients to learn from: what was known, what happened, and in words who they are."""

    observed: pd.DataFrame
    outcomes: pd.DataFrame
    who: str
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Trained:
    """What `crsrisk train` made, where it stands, and how to look at the run."""

    model: RiskModel
    folder: Path
    training: Training
    tuned: Tuned | None
    how_to_open: str | None

    def as_tree(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        contract, calibrator, made = self.model.contract, self.model.calibrator, self.model.manifest
        return {
            "model": self.model.label,
            "folder": str(self.folder),
            "outcome": contract.outcome_in_words,
            "window_d": dict(contract.window_d),
            "landmark_h": contract.landmark_h,
            "training": self.training.who,
            "left_out": dict(self.training.left_out),
            "n_patients": contract.n_patients,
            "n_events": contract.n_events,
            "products": list(contract.products),
            "n_trees": made["n_trees_in_all"],
            "cv_log_loss": made["cv_log_loss"],
            "calibration": {
                "intercept": calibrator.intercept,
                "slope": calibrator.slope,
                "method": calibrator.method,
            },
            "learner": made["learner"],
            "tuning": None if self.tuned is None else self.tuned.as_tree(),
            "tracking": self.how_to_open,
            "notice": NOTICE,
        }


def config_from(name: str) -> FeatureConfig:
    """A configuration that ships, by name, or any .yaml file with a variables.yaml beside it."""
    return load_config(Path(name) if name.endswith((".yaml", ".yml")) else find("configs", name))


def simulated_training(
    arms: Sequence[Arm],
    *,
    config: FeatureConfig,
    world: World,
    n_patients: int,
    seed: int,
    workers: int,
) -> Training:
    """Simulated patients; for a landmark model those still at risk then, with what was known by
    then.
    """
    cohort = simulate_cohort(arms, world=world, n_patients=n_patients, seed=seed, workers=workers)
    who = f"{n_patients:,} simulated patients, scenario {world.scenario.name}, seed {seed}"
    if not config.landmark_h:
        return Training(cohort.observed, cohort.outcomes, who, {})
    known = landmark_table(cohort.observed, cohort.course, hour=config.landmark_h)
    gone = {f"no longer at risk at {config.landmark_h} h": n_patients - len(known)}
    return Training(known, cohort.outcomes.loc[known.index], who, gone)


def table_training(
    table: Path,
    *,
    config: FeatureConfig,
    outcomes: Path | None,
    outcome: str | None,
    units: Mapping[str, str],
    mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None,
) -> Training:
    """Patients of a table; the outcome stands in a column of it, or of ``outcomes`` (same patients,
    same order).

    The outcome must be counted within the configuration's window, and so must its stages (CRS of
    any grade), which are learnt from where the same file tells them of every patient who is kept.
    Rows that cannot be read or have no outcome are left out and counted; with a landmark
    configuration so are patients who had the event by then. Raises :class:`InputError` for what the
    readers refuse.
    """
    there = read_known(
        table,
        columns=columns_needed(feature.name for feature in config.features),
        hour=config.landmark_h,
        units=units,
        mapping=mapping,
        ldh_upper_limit_u_l=ldh_upper_limit_u_l,
    )
    read = there.table
    column = outcome or config.outcome
    told = read_outcomes(outcomes or table, column=column, others=config.stages)
    y_true = told.pop(column)
    if len(y_true) != read.n_rows:
        raise InputError(
            where=str(outcomes),
            found=f"{len(y_true)} rows",
            expected=f"{read.n_rows} rows, as in {table}",
            cure="take the same patients in the same order",
        )
    rows = read.frame.index.to_numpy() - 1
    y = y_true[rows]
    has_outcome = ~np.isnan(y)
    known = has_outcome & ~there.is_unsure
    observed = read.frame.loc[known].reset_index(drop=True)
    windows = observed["platform"].map(
        lambda platform: config.window_d.get(platform, config.window_d["default"])
    )
    made = pd.DataFrame(
        {
            "patient_id": observed["patient_id"],
            config.outcome: y[known] > 0,
            "window_d": windows.astype(np.float64),
            **{
                name: has[rows][known] > 0
                for name, has in told.items()
                if not np.isnan(has[rows][known]).any()
            },
        }
    )
    left_out = {
        **{f"rows that {why}": n for why, n in there.left_out().items()},
        "rows without an outcome": int((~has_outcome & ~there.is_unsure).sum()),
    }
    return Training(observed, made, f"{len(observed):,} patients of {table.name}", left_out)


def train(
    training: Training,
    *,
    config: FeatureConfig,
    seed: int,
    out: Path,
    is_tuned: bool,
    track: Path | None,
    begin: Begin,
    n_refits: int | None = None,
    grade3plus: str | None = None,
    workers: int = 1,
) -> Trained:
    """Tune when asked, fit, calibrate, save to ``out``, and log to MLflow in the folder ``track``.

    Beside the model stands what a page for one patient needs: reference patients, ``n_refits``
    refits (the usual number when left out; 0 = none), and the name of the neighbouring folder with
    the model for grade 3 or more. Raises :class:`OutputError` when ``out`` is there already, and
    :class:`InputError` for a neighbour that cannot speak beside it.
    """
    if out.exists():
        raise OutputError(
            where=str(out),
            found="something that is there already",
            expected="a new folder",
            cure="name another with --out; training never replaces a model",
        )
    if grade3plus is not None:
        _check_neighbour(out.resolve().parent / grade3plus, config=config)
    tuned = None
    if is_tuned:
        trials = config.tuning.trials if config.tuning else 0
        tuned = tune(
            training.observed,
            training.outcomes,
            config=config,
            seed=seed,
            advance=begin("Tuning", trials),
        )
        config = tuned.config
    advance = begin("Fitting", 1)
    model = fit(training.observed, training.outcomes, config=config, seed=seed)
    advance(1)
    told = {"training": training.who, "tuning": None if tuned is None else tuned.as_tree()}
    model = replace(model, manifest={**model.manifest, **told})
    save_model(model, out)
    refits = (
        None
        if n_refits == 0
        else make_refits(
            model,
            training.observed,
            training.outcomes,
            config=config,
            seed=seed,
            n=n_refits,
            workers=workers,
            advance=begin("Refitting", n_refits or N_REFITS),
        )
    )
    save_companions(
        out,
        model=model,
        refits=refits,
        reference=reference_groups(model, training.observed),
        grade3plus=grade3plus,
    )
    how = None if track is None else _track(model, training, tuned, folder=track)
    return Trained(model, out, training, tuned, how)


def _check_neighbour(folder: Path, *, config: FeatureConfig) -> None:
    """Refuse, before anything is fitted, a neighbour that is not there or speaks of other events,
    hours or windows.
    """
    if not folder.is_dir():
        raise InputError(
            where="train",
            key="--grade3plus",
            found=f"no folder {folder.name} beside the model's own",
            expected="the folder of a model for grade >= 3",
            cure="train it first: crsrisk train grade3plus",
        )
    severe = load_model(folder).contract
    found, expected = [], []
    for what, other, own in (
        ("outcome", severe.outcome, "crs_grade3plus"),
        ("hours after the first dose", severe.landmark_h, config.landmark_h),
        ("days of window", dict(severe.window_d), dict(config.window_d)),
    ):
        if other != own:
            found.append(f"{what} {other}")
            expected.append(f"{what} {own}")
    if found:
        raise InputError(
            where="train",
            key="--grade3plus",
            found=f"{folder.name}: {', '.join(found)}",
            expected=", ".join(expected),
            cure="leave --grade3plus out, or name another neighbour",
        )


def _track(model: RiskModel, training: Training, tuned: Tuned | None, *, folder: Path) -> str:
    """The run in MLflow: settings, figures, digest of the training table, model; nothing of a
    patient.
    """
    with tracking(folder=folder, experiment="train", run=model.label) as run:
        run.params(
            {
                "training": training.who,
                "seed": model.manifest["seed"],
                **{key: str(value) for key, value in model.manifest["learner"].items()},
            }
        )
        figures = {
            "n_patients": float(model.contract.n_patients),
            "n_events": float(model.contract.n_events),
            "n_trees": float(model.manifest["n_trees_in_all"]),
        }
        if model.manifest["cv_log_loss"] is not None:
            figures["cv_log_loss"] = float(model.manifest["cv_log_loss"])
        run.metrics(figures)
        run.dataset(name="training", digest=frame_digest(training.observed), context="training")
        for number, trial in enumerate(tuned.trials if tuned else ()):
            with run.step(f"trial {number}") as step:
                step.params(trial.settings)
                step.metrics({"cv_log_loss": trial.log_loss})
        run.model(model)
        return run.how_to_open


def training_lines(trained: Trained) -> list[str]:
    """The answer in a few lines of text."""
    tree = trained.as_tree()
    when = (
        "before the first dose"
        if not tree["landmark_h"]
        else f"{tree['landmark_h']} h after the first dose"
    )
    windows = ", ".join(
        f"{days:g} days" + ("" if name == "default" else f" for {name}")
        for name, days in tree["window_d"].items()
    )
    lines = [
        (
            f"{tree['model']}: {tree['outcome']} within {windows} after the first dose, predicted"
            f" {when}"
        ),
        (
            f"Learnt from {tree['n_patients']:,} patients, {tree['n_events']:,} with the event"
            f" ({tree['training']})"
        ),
    ]
    lines += [f"Left out: {n:,} {why}" for why, n in tree["left_out"].items() if n]
    if tree["tuning"]:
        found = tree["tuning"]
        lines.append(
            f"Tuned in {found['n_trials']} trials: cross-validated log loss"
            f" {found['log_loss_before']:.5f} before, {found['log_loss_after']:.5f} after (of the"
            " best, so a little too good)"
        )
    elif tree["cv_log_loss"] is not None:
        lines.append(f"Cross-validated log loss {tree['cv_log_loss']:.5f}")
    lines.append(
        f"Calibrated by {tree['calibration']['method']}: slope {tree['calibration']['slope']:.3f}, "
        f"intercept {tree['calibration']['intercept']:.3f}"
    )
    lines.append(f"Wrote {tree['folder']}")
    if tree["tracking"]:
        lines.append(f"MLflow: {tree['tracking']}")
    return [*lines, tree["notice"]]


# Release: freeze a saved model under a name and a version, with its card, and say where it stands.


@dataclass(frozen=True)
class Released:
    """The folders that stand now, the model's own last."""

    releases: tuple[Release, ...]

    def as_tree(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "notice": NOTICE,
            "releases": [
                {
                    "name": one.folder.name,
                    "folder": str(one.folder),
                    "is_new": one.is_new,
                    "n_bytes": one.n_bytes,
                    "files": json.loads((one.folder / MANIFEST).read_text(encoding="utf-8"))[
                        "files"
                    ],
                }
                for one in self.releases
            ],
        }


def release_model(
    model: str | Path, *, name: str | None, version: str | None, out: Path | None
) -> Released:
    """Release the model of a folder into ``out`` (models/released/ when left out); see
    :mod:`crsrisk.model.release`.
    """
    place = out or models_folder() / "released"
    return Released(
        tuple(release(find("released", model), out=place, cards=_cards, name=name, version=version))
    )


def _cards(model: RiskModel) -> Mapping[str, str]:
    facts = model_facts(model)
    return {
        "card.json": json.dumps(facts.to_dict(), indent=2, allow_nan=False) + "\n",
        "card.md": as_markdown(facts),
    }


def print_released(released: Released) -> None:
    """Where each release stands, on the terminal."""
    console = Console(markup=False, highlight=False)
    for one in released.releases:
        what = "Released" if one.is_new else "Released before, the same to the byte:"
        console.print(f"{what} {one.folder} ({one.n_bytes / 1e6:.2f} MB)", soft_wrap=True)
    folder = released.releases[-1].folder
    # only there a name is enough
    is_at_home = folder.parent.resolve() == (models_folder() / "released").resolve()
    how = (
        f"Use it by name: crsrisk predict {folder.name}"
        if is_at_home
        else f"Use it: crsrisk predict {folder}"
    )
    console.print(f"{how} TABLE", soft_wrap=True)
    console.print(NOTICE)
