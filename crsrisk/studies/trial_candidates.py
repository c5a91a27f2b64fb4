"""Trial candidates: from the candidates block of a design file to a pool, whatever its origin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from crsrisk.data.files import read_csv_cells, read_parquet_cells
from crsrisk.data.potential_outcomes import parse_strategy
from crsrisk.data.trial_plan import FromCohort, Simulated, TrialPlan
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import outcomes
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import potential_outcomes
from crsrisk.simulation.run import run
from crsrisk.trials.candidates import Pool, cohort_pool, outcomes_pool, stated_pool

CONFIG = "baseline"  # of the model that scores simulated candidates when the file names none
Begin = Callable[[str, int], Callable[[int], None]]


def candidates_of(plan: TrialPlan, *, folder: Path, workers: int, begin: Begin) -> Pool:
    """The candidates of a plan. ``folder``: where the design file stands; a cohort is looked for
    there first.
    """
    origin = plan.candidates
    if origin.stated is not None:
        return stated_pool(origin.stated, screening=plan.screening, masking=plan.masking)
    if origin.cohort is not None:
        return cohort_pool(
            _table(origin.cohort, folder),
            origin.cohort,
            screening=plan.screening,
            masking=plan.masking,
        )
    if origin.simulated is None:
        raise AssertionError("a plan has exactly one origin of candidates")
    return _simulated(origin.simulated, plan, folder=folder, workers=workers, begin=begin)


def _table(source: FromCohort, folder: Path) -> pd.DataFrame:
    path = _place(source.file, folder)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(
            where="candidates",
            key="file",
            found=source.file,
            expected="a .csv or .parquet file",
            cure="save the table in one of these formats",
        )
    return read_parquet_cells(path) if path.suffix.lower() == ".parquet" else read_csv_cells(path)


def _place(name: str, folder: Path) -> Path:
    """A file named in a design: beside the design file, else from where the command is typed."""
    given = Path(name).expanduser()
    return folder / given if not given.is_absolute() and (folder / given).exists() else given


def _simulated(
    source: Simulated, plan: TrialPlan, *, folder: Path, workers: int, begin: Begin
) -> Pool:
    world = load_world(source.scenario)
    arm = make_arm(load_product(source.product), world=world, regimen=source.regimen)
    strategy = parse_strategy(source.prophylaxis)
    if strategy.is_standard:
        raise InputError(
            where="candidates",
            key="prophylaxis",
            found=source.prophylaxis,
            expected="a strategy that adds or changes something",
            cure="write for example tocilizumab",
        )
    advance = begin("Simulating candidates", 2)
    patients = sample(
        arm.population,
        assumptions=world.assumptions,
        seed=source.seed,
        start=0,
        stop=source.n_patients,
    )
    simulated = potential_outcomes(
        arm,
        [strategy],
        patients=patients,
        world=world,
        seed=source.seed,
        workers=workers,
        advance=advance,
    )
    advance = begin("Scoring candidates", 1)
    model = _model(source, arm, world=world, folder=folder, workers=workers)
    scored = predict(model, observe(patients, arm=arm, world=world, seed=source.seed)).rows
    if (scored["status"] == "refused").any():
        row = int(np.argmax((scored["status"] == "refused").to_numpy()))
        raise InputError(
            where="candidates",
            key="model",
            found=scored["reasons"].iloc[row],
            expected=f"a model that can score {source.product}",
            cure="give a model trained on this product",
        )
    advance(1)
    about = (
        f"{source.n_patients} simulated patients of {source.product} ({arm.regimen_name}, scenario"
        f" {source.scenario}), with and without {source.prophylaxis}; score: {model.label}"
    )
    return outcomes_pool(
        simulated,
        strategy=strategy.name,
        risk=scored["risk"].to_numpy(dtype=np.float64),
        screening=plan.screening,
        origin=about,
    )


def _model(source: Simulated, arm: Arm, *, world: World, folder: Path, workers: int) -> RiskModel:
    """The model of a folder or a released one, or one fitted to other patients of the same arm."""
    if source.model is not None:
        return load_model(find("released", str(_place(source.model, folder))))
    others = sample(
        arm.population,
        assumptions=world.assumptions,
        seed=source.seed,
        start=source.n_patients,
        stop=source.n_patients + source.training_patients,
    )
    table = outcomes(run(arm, others, world=world, workers=workers), arm=arm, patients=others)
    return fit(
        observe(others, arm=arm, world=world, seed=source.seed),
        table,
        config=load_config(find("configs", CONFIG)),
        seed=source.seed,
    )
