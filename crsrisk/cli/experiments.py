"""Experiments: one command for every kind of question; each kind runs, then says what it found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from crsrisk.cli.application import CPUS, PANELS, Overwrite, Workers, app, runs_anywhere, say

Begin: TypeAlias = Callable[[str, int], Callable[[int], None]]
Tell: TypeAlias = Callable[[], None]


@app.command(rich_help_panel=PANELS[0])
@runs_anywhere
def run(
    experiment: Annotated[Path, typer.Argument(help="Folder with experiment.yaml.")],
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
) -> None:
    """Run an experiment from its question to its report; results go beside it."""
    from crsrisk.data.files import new_result
    from crsrisk.errors import InputError
    from crsrisk.studies.experiment import experiment_file, kind_of
    from crsrisk.terminal import steps

    kind = kind_of(experiment)
    if kind not in KINDS:
        raise InputError(
            where=str(experiment_file(experiment)),
            key="kind",
            found=kind,
            expected=f"one of {', '.join(sorted(KINDS))}",
            cure="correct it, or leave it out for the main job",
        )
    results = None if kind in CHECK_THEMSELVES else experiment / "results"
    with new_result(results, overwrite=overwrite), steps() as begin:
        tell = KINDS[kind](experiment, workers, begin, overwrite)
    tell()


def _baseline(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.baseline import run_baseline

    results = run_baseline(experiment, workers=workers, begin=begin, overwrite=overwrite)
    return lambda: say(results.summary())


def _calibration(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.calibration import print_calibration, run_calibration

    result = run_calibration(experiment, workers=workers, begin=begin)
    return lambda: print_calibration(result)


def _sensitivity(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.sensitivity import print_sensitivity, run_sensitivity

    result = run_sensitivity(experiment, workers=workers, begin=begin)
    return lambda: print_sensitivity(result)


def _learning(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.learning_curves import run_learning_curves

    result = run_learning_curves(experiment, workers=workers, begin=begin, overwrite=overwrite)
    return lambda: say(result.summary())


def _validation(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.against_truth import truth_part
    from crsrisk.studies.validation import run_validation, validation_lines

    truth = truth_part(workers=workers, begin=begin)
    result = run_validation(experiment, workers=workers, begin=begin, further=[truth])
    return lambda: say("\n".join(validation_lines(result)))


def _prophylaxis(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.policy import print_policies, run_policy_experiment

    result = run_policy_experiment(experiment, workers=workers, begin=begin)
    return lambda: print_policies(result, written=[experiment / "results" / "report.html"])


def _shift(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.shift import print_shift, run_shift

    result = run_shift(experiment, workers=workers, begin=begin)
    return lambda: print_shift(result)


def _updating(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.updating import print_updating, run_updating

    result = run_updating(experiment, workers=workers, begin=begin)
    return lambda: print_updating(result)


def _explanation_truth(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.explanation_truth import print_explanation_truth, run_explanation_truth

    result = run_explanation_truth(experiment, workers=workers, begin=begin)
    return lambda: print_explanation_truth(result)


def _true_optimism(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.true_optimism import print_true_optimism, run_true_optimism

    result = run_true_optimism(experiment, workers=workers, begin=begin)
    return lambda: print_true_optimism(result)


def _simulation_based_calibration(
    experiment: Path, workers: int, begin: Begin, overwrite: bool
) -> Tell:
    from crsrisk.studies.simulation_based_calibration import (
        print_simulation_based_calibration,
        run_simulation_based_calibration,
    )

    result = run_simulation_based_calibration(experiment, workers=workers, begin=begin)
    return lambda: print_simulation_based_calibration(result)


def _interval_coverage(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.interval_coverage import print_interval_coverage, run_interval_coverage

    result = run_interval_coverage(experiment, workers=workers, begin=begin)
    return lambda: print_interval_coverage(result)


def _landmark_subgroups(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.landmark_subgroups import print_landmark_subgroups, run_landmark_subgroups

    result = run_landmark_subgroups(experiment, workers=workers, begin=begin)
    return lambda: print_landmark_subgroups(result)


def _regimen_grid(experiment: Path, workers: int, begin: Begin, overwrite: bool) -> Tell:
    from crsrisk.studies.regimen_grid import print_regimen_grid, run_regimen_grid

    result = run_regimen_grid(experiment, workers=workers, begin=begin)
    return lambda: print_regimen_grid(result)


KINDS: dict[str, Callable[[Path, int, Begin, bool], Tell]] = {
    "baseline": _baseline,
    "calibration": _calibration,
    "sensitivity": _sensitivity,
    "learning": _learning,
    "validation": _validation,
    "prophylaxis": _prophylaxis,
    "shift": _shift,
    "updating": _updating,
    "explanation_truth": _explanation_truth,
    "true_optimism": _true_optimism,
    "simulation_based_calibration": _simulation_based_calibration,
    "landmark_subgroups": _landmark_subgroups,
    "interval_coverage": _interval_coverage,
    "regimen_grid": _regimen_grid,
}

# kinds that know what belongs to an older result, tracking and models included
CHECK_THEMSELVES = {"baseline", "learning"}
