"""Train and release: a cohort, simulated or from a table, and a configuration in; a saved and
tracked model out, which can be frozen under a name and a version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from crsrisk.data.cohort import Cohort
from crsrisk.data.disclosure import FEWEST, is_told
from crsrisk.data.files import frame_digest, prepare_output
from crsrisk.data.json_text import json_tree
from crsrisk.data.risk_model import ModelClass
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.folders import find, models_folder
from crsrisk.model.companions import Companions, reference_groups, save_companions
from crsrisk.model.features import (
    ModelConfig,
    SimulatedCohort,
    load_config,
)
from crsrisk.model.fit import fit
from crsrisk.model.landmark import landmark_table
from crsrisk.model.refitting import N_REFITS, make_refits
from crsrisk.model.release import release
from crsrisk.model.risk_model import DISTRIBUTED, RiskModel, class_params, distributed_in_words
from crsrisk.model.store import MANIFEST, load_model, model_folder, write_model
from crsrisk.model.tracking import is_tracked, tags_of, tracking
from crsrisk.model.training_cohort import Kept, keep_rare, with_gaps
from crsrisk.model.tune import Tuned, tune
from crsrisk.report.model_card import as_markdown, model_facts
from crsrisk.results import Result, to_plain
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.cohort import simulate_cohort, stream_cohort
from crsrisk.studies.distributed_fit import check_can_be_distributed, fitted_on, parted
from crsrisk.studies.serving import served_form
from crsrisk.studies.training_table import Training
from crsrisk.studies.world_spread import world_spreads

Begin = Callable[[str, int], Callable[[int], None]]
MOST_IN_MEMORY = 300_000  # patients whose features are held in memory
USUAL_PATIENTS = 20_000  # simulated where neither the caller nor the configuration says how many


@dataclass(frozen=True)
class Calibration:
    """How the risks of a model were calibrated: log-odds x slope + intercept."""

    intercept: float
    slope: float
    method: str


@dataclass(frozen=True)
class TrainingFacts:
    """What there is to say of a trained model, as plain values.

    ``window_d`` in days by kind of product; ``landmark_h``: hours after the first dose at which it
    predicts (0: before it); ``n_pooled`` patients of products that are not told apart, since fewer
    than ten have each; ``cv_log_loss`` in nats, None without cross-validation; ``distributed`` how
    far a fit on a cluster is from that of one machine, None without a cluster.
    """

    model: str
    folder: str
    outcome: str
    window_d: Mapping[str, float]
    landmark_h: int
    training: str
    left_out: Mapping[str, int]
    n_patients: int
    n_events: int
    n_pooled: int
    products: tuple[str, ...]
    model_class: ModelClass
    n_trees: int
    cv_log_loss: float | None
    calibration: Calibration
    learner: Mapping[str, object]
    tuning: Mapping[str, object] | None
    distributed: Mapping[str, object] | None
    tracking: str | None
    notice: str


@dataclass(frozen=True, repr=False)
class Trained(Result):
    """A model that was trained, where it stands, and how to look at the run.

    Parameters
    ----------
    model : the model.
    folder : where it was saved.
    training : the patients it learnt from.
    tuned : settings that were tried; None where nothing was tuned.
    how_to_open : the command that shows the run in MLflow; None where it was not tracked.
    """

    model: RiskModel
    folder: Path
    training: Training
    tuned: Tuned | None
    how_to_open: str | None

    @property
    def facts(self) -> TrainingFacts:
        """What there is to say of it, as plain values."""
        contract, calibrator = self.model.contract, self.model.calibrator
        manifest = self.model.manifest
        return TrainingFacts(
            model=self.model.label,
            folder=str(self.folder),
            outcome=contract.outcome_in_words,
            window_d=dict(contract.window_d),
            landmark_h=contract.landmark_h,
            training=self.training.who,
            left_out=dict(self.training.left_out),
            n_patients=contract.n_patients,
            n_events=contract.n_events,
            n_pooled=self._n_pooled(),
            products=tuple(contract.products),
            model_class=self.model.model_class,
            n_trees=manifest["n_trees_in_all"],
            cv_log_loss=manifest["cv_log_loss"],
            calibration=Calibration(calibrator.intercept, calibrator.slope, calibrator.method),
            learner=manifest["learner"],
            tuning=None if self.tuned is None else self.tuned.as_tree(),
            distributed=manifest.get(DISTRIBUTED),
            tracking=self.how_to_open,
            notice=self.model.notice,
        )

    def to_dict(self) -> dict[str, Any]:
        """Its facts as JSON writes them; the model itself stands in its folder."""
        return dict(to_plain(self.facts))

    def summary(self) -> str:
        """The answer in a few lines of text."""
        facts = self.facts
        when = (
            "before the first dose"
            if not facts.landmark_h
            else f"{facts.landmark_h} h after the first dose"
        )
        windows = ", ".join(
            f"{days:g} days" + ("" if name == "default" else f" for {name}")
            for name, days in facts.window_d.items()
        )
        return "\n".join(
            [
                f"{facts.model}: {facts.outcome} within {windows} after the first dose, predicted"
                f" {when}",
                f"Learnt from {facts.n_patients:,} patients, {facts.n_events:,} with the event"
                f" ({facts.training})",
                *(f"Left out: {n:,} {why}" for why, n in facts.left_out.items() if n),
                *self._pooled_in_words(facts.n_pooled),
                facts.model_class.summary(),
                *self._log_loss_in_words(),
                *([distributed_in_words(self.model.manifest)] if facts.distributed else []),
                f"Calibrated by {facts.calibration.method}: slope"
                f" {facts.calibration.slope:.3f}, intercept {facts.calibration.intercept:.3f}",
                f"Wrote {facts.folder}",
                *([f"MLflow: {facts.tracking}"] if facts.tracking else []),
                facts.notice,
            ]
        )

    def _n_pooled(self) -> int:
        known = {column.name: column.levels for column in self.model.contract.columns}
        if "product" not in known:
            return 0
        words = self.training.observed["product"].dropna().astype(str)
        return int((~words.isin(known["product"])).sum())

    def _pooled_in_words(self, n: int) -> list[str]:
        if not n:
            return []
        patients = "1 patient" if n == 1 else f"{n:,} patients"
        return [f"Not told apart: {patients} of products that fewer than {FEWEST} patients have"]

    def _log_loss_in_words(self) -> list[str]:
        if self.tuned is not None:
            trials = self.tuned.trials
            return [
                f"Tuned in {len(trials)} trials: cross-validated log loss"
                f" {trials[0].log_loss:.5f} before, {trials[self.tuned.best].log_loss:.5f} after"
                " (of the best, so a little too good)"
            ]
        if self.facts.cv_log_loss is not None:
            return [f"Cross-validated log loss {self.facts.cv_log_loss:.5f}"]
        return []


def config_from(name: str) -> ModelConfig:
    """A configuration that ships, by name, or any .yaml file with a variables.yaml beside it."""
    return load_config(Path(name) if name.endswith((".yaml", ".yml")) else find("configs", name))


def simulated_training(
    arms: Sequence[Arm],
    *,
    config: ModelConfig,
    world: World,
    n_patients: int | None = None,
    seed: int,
    workers: int,
) -> Training:
    """Simulated patients; for a landmark model those still at risk then, with what was known by
    then, rare courses by importance and with gaps as the configuration says.

    ``n_patients``: the configuration's number, or ``USUAL_PATIENTS``, when left out.
    """
    how = config.simulated_cohort
    n = n_patients or (USUAL_PATIENTS if how is None else how.patients)
    who = f"{n:,} simulated patients, scenario {world.scenario.name}, seed {seed}"
    if not config.landmark_h:
        cohort = simulate_cohort(arms, world=world, n_patients=n, seed=seed, workers=workers)
        return Training(cohort.observed, cohort.outcomes, who, {}, "simulated", arms, world)
    stream = stream_cohort(arms, world=world, n_patients=n, seed=seed, workers=workers)
    known, outcomes = landmark_patients(stream, config=config, seed=seed)
    gone = {f"no longer at risk at {config.landmark_h} h": n - len(known)}
    if how is None:
        return Training(known, outcomes, who, gone, "simulated", arms, world)
    kept = keep_rare(known, rare=how.rare, others=how.others, seed=seed)
    rows = kept.rows
    has_weights = bool((kept.weight != 1.0).any())
    return Training(
        known.iloc[rows].reset_index(drop=True),
        outcomes.iloc[rows].reset_index(drop=True),
        f"{who}; {_sampling_in_words(kept, how=how, hour=config.landmark_h)}",
        gone,
        "simulated",
        arms,
        world,
        kept.weight if has_weights else None,
    )


def landmark_patients(
    cohorts: Iterable[Cohort], *, config: ModelConfig, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Landmark table and outcomes of the patients of all cohorts who are still at risk, with the
    gaps of the configuration.
    """
    hour, how = config.landmark_h, config.simulated_cohort
    tables, outcomes = [], []
    for cohort in cohorts:
        course = cohort.course
        if how is not None:
            course = with_gaps(
                course, hour=hour, never=how.never_read, single=how.read_once, seed=seed
            )
        known = landmark_table(cohort.observed, course, hour=hour)
        tables.append(known)
        outcomes.append(cohort.outcomes.loc[known.index])
    return pd.concat(tables, ignore_index=True), pd.concat(outcomes, ignore_index=True)


def _sampling_in_words(kept: Kept, *, how: SimulatedCohort, hour: int) -> str:
    rare = " or ".join(bound.in_words() for bound in how.rare)
    n_drawn = len(kept.rows) - kept.n_rare
    others = (
        f"all {kept.n_others:,} others"
        if n_drawn == kept.n_others
        else f"{n_drawn:,} drawn of the {kept.n_others:,} others, by weight"
    )
    never = ", ".join(f"{name} {share:g}" for name, share in how.never_read.items())
    return (
        f"at risk at {hour} h: all {kept.n_rare:,} with {rare}, and {others}; readings after the"
        f" dose left out at random, share of patients without any: {never}; with one alone:"
        f" {how.read_once:g}"
    )


def train(
    training: Training,
    *,
    config: ModelConfig,
    seed: int,
    out: Path,
    is_tuned: bool,
    track: Path | None,
    begin: Begin,
    n_refits: int | None = None,
    grade3plus: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    cluster: str | None = None,
) -> Trained:
    """Tune when asked, fit, calibrate, save to ``out``, and log to MLflow in the folder ``track``,
    or where MLFLOW_TRACKING_URI says.

    Beside the model stands what a page for one patient needs: reference patients, ``n_refits``
    refits (the usual number when left out; 0 = none, and no intervals), what assumptions leave open
    of the risks where the patients are simulated, and the name of the neighbouring folder with
    the model for grade 3 or more. With ``cluster``, the address of a Dask scheduler, its workers
    grow the trees, from four fifths of the patients; the others tell how far its risks are from
    those of a fit here (:mod:`crsrisk.model.distributed`).

    Raises
    ------
    OutputError
        When something stands at ``out``, without ``overwrite``; with it, for anything but a model
        that was not released.
    InputError
        For a neighbour that cannot speak beside the model, and for a configuration that a cluster
        cannot fit.
    ClusterError
        For a cluster that is not there, or does not come to an end.
    """
    prepare_output(out, overwrite=overwrite, is_folder=True)
    held_out = None
    if cluster is not None:
        check_can_be_distributed(config)
        training, held_out = parted(training, config=config, seed=seed)
    _check_enough(training, config=config)
    if grade3plus is not None:
        if Path(grade3plus).name != grade3plus:
            raise InputError(
                where="train",
                key="--grade3plus",
                found=grade3plus,
                expected="the name of a folder beside the model's own",
                cure=f"keep both models in one folder and write {Path(grade3plus).name}",
            )
        _check_neighbour(out.resolve().parent / grade3plus, config=config)
    # a training that is interrupted leaves nothing, and can be run again
    with model_folder(out) as beside:
        tuned = _tuned(training, config=config, seed=seed, begin=begin) if is_tuned else None
        config = config if tuned is None else tuned.config
        advance = begin("Fitting", 1)
        weight = training.sample_weight
        # features of many patients lie in files beside the model while it is fitted
        folder = beside if len(training.observed) > MOST_IN_MEMORY else None
        model = fit(
            training.observed,
            training.outcomes,
            config=config,
            seed=seed,
            sample_weight=weight,
            origin=training.origin,
            folder=folder,
        )
        advance(1)
        if cluster is not None and held_out is not None:
            model = fitted_on(
                cluster, model, training, held_out=held_out, config=config, seed=seed, begin=begin
            )
        how_trained = {
            "training": training.who,
            "tuning": None if tuned is None else tuned.as_tree(),
        }
        model = replace(model, manifest={**model.manifest, **how_trained})
        refits = None
        if n_refits != 0:
            advance = begin("Refitting", n_refits or N_REFITS)
            refit = partial(make_refits, model, training.observed, training.outcomes, config=config)
            refits = refit(
                seed=seed,
                sample_weight=weight,
                n=n_refits,
                workers=workers,
                advance=advance,
                folder=folder,
            )
        reference = reference_groups(model, training.observed, sample_weight=weight)
        worlds = None
        if training.world is not None and n_refits != 0:
            worlds = world_spreads(
                {"model": (model, refits)},
                training.arms,
                world=training.world,
                seed=seed,
                workers=workers,
                begin=begin,
            ).get("model")
        write_model(model, beside)
        save_companions(
            beside,
            model=model,
            refits=refits,
            reference=reference,
            grade3plus=grade3plus,
            worlds=worlds,
        )
    how = _track(model, training, tuned, folder=track) if is_tracked(track) else None
    return Trained(model, out, training, tuned, how)


def _check_enough(training: Training, *, config: ModelConfig) -> None:
    """Refuse patients of whose events nothing may be told."""
    n_events = int(training.outcomes[config.outcome].sum())
    n_others = len(training.outcomes) - n_events
    if not is_told(min(n_events, n_others)):
        raise InputError(
            where="train",
            key=config.outcome,
            found=f"{n_events} patients with and {n_others} without the event",
            expected=f"at least {FEWEST} patients with and {FEWEST} without the event",
            cure="take more patients or another outcome: nothing that is shared may tell of fewer",
        )


def _tuned(training: Training, *, config: ModelConfig, seed: int, begin: Begin) -> Tuned:
    return tune(
        training.observed,
        training.outcomes,
        config=config,
        seed=seed,
        sample_weight=training.sample_weight,
        advance=begin("Tuning", config.tuning.trials if config.tuning else 0),
    )


def _check_neighbour(folder: Path, *, config: ModelConfig) -> None:
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
    differences, expected = [], []
    for what, theirs, ours in (
        ("outcome", severe.outcome, "crs_grade3plus"),
        ("hours after the first dose", severe.landmark_h, config.landmark_h),
        ("days of window", dict(severe.window_d), dict(config.window_d)),
    ):
        if theirs != ours:
            differences.append(f"{what} {theirs}")
            expected.append(f"{what} {ours}")
    if differences:
        raise InputError(
            where="train",
            key="--grade3plus",
            found=f"{folder.name}: {', '.join(differences)}",
            expected=", ".join(expected),
            cure="leave --grade3plus out, or name another neighbour",
        )


def _track(
    model: RiskModel, training: Training, tuned: Tuned | None, *, folder: Path | None
) -> str:
    """The run in MLflow: settings, figures, digest of the training table, model (in the registry
    too); nothing of a patient.
    """
    with tracking(folder=folder, experiment="train", run=model.label, notice=model.notice) as run:
        run.tags(tags_of(model))
        run.params(
            {
                "training": training.who,
                "seed": model.manifest["seed"],
                **{key: str(value) for key, value in model.manifest["learner"].items()},
                **class_params(model),
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
        run.dataset(
            name="training",
            digest=frame_digest(training.observed),
            context="training",
            origin=training.origin,
        )
        for number, trial in enumerate(tuned.trials if tuned else ()):
            with run.step(f"trial {number}") as step:
                step.params(trial.settings)
                step.metrics({"cv_log_loss": trial.log_loss})
        run.model(model, served_form(model), is_registered=True)
        return run.how_to_open


@dataclass(frozen=True)
class ReleasedFolder:
    """A released model: its folder, whether it is new (or stood there, the same to the byte), and
    the SHA-256 of each of its files.
    """

    name: str
    folder: Path
    is_new: bool
    n_bytes: int
    files: Mapping[str, str]


@dataclass(frozen=True, repr=False)
class Released(Result):
    """The released folders that stand now, the model's own last."""

    releases: tuple[ReleasedFolder, ...]
    notice: str

    def summary(self) -> str:
        """Where each release stands, and how to use the model."""
        lines = [
            f"{'Released' if release.is_new else 'Released before, the same to the byte:'}"
            f" {release.folder} ({release.n_bytes / 1e6:.2f} MB)"
            for release in self.releases
        ]
        folder = self.releases[-1].folder
        # only there a name is enough
        is_at_home = folder.parent.resolve() == (models_folder() / "released").resolve()
        how = (
            f"Use it by name: crsrisk predict {folder.name}"
            if is_at_home
            else f"Use it: crsrisk predict {folder}"
        )
        return "\n".join([*lines, f"{how} TABLE", self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a release."""
        return pd.DataFrame(
            [
                {
                    "name": release.name,
                    "folder": str(release.folder),
                    "is_new": release.is_new,
                    "n_bytes": release.n_bytes,
                }
                for release in self.releases
            ]
        )


def release_model(
    model: str | Path, *, name: str | None, version: str | None, out: Path | None
) -> Released:
    """Freeze the model of a folder under a name and a version, with its card.

    Parameters
    ----------
    model : its folder, or the name of a released one.
    name, version : of the release; the model's own when left out.
    out : folder in which NAME-VERSION is made; models/released/ when left out.

    Raises
    ------
    InputError
        For a model that lacks what explaining needs, or is too large.
    OutputError
        When another content bears that name and version: a release never changes.
    """
    place = out or models_folder() / "released"
    return Released(
        tuple(
            ReleasedFolder(
                name=frozen.folder.name,
                folder=frozen.folder,
                is_new=frozen.is_new,
                n_bytes=frozen.n_bytes,
                files=json_tree((frozen.folder / MANIFEST).read_text(encoding="utf-8"))["files"],
            )
            for frozen in release(
                find("released", model), out=place, cards=_cards, name=name, version=version
            )
        ),
        notice=load_model(find("released", model)).notice,
    )


def _cards(model: RiskModel, beside: Companions) -> Mapping[str, str]:
    facts = model_facts(model, beside)
    return {
        "card.json": json.dumps(facts.to_dict(), indent=2, allow_nan=False) + "\n",
        "card.md": as_markdown(facts),
    }
