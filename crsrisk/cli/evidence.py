"""Simulated beside published figures, and a calibration made the world of everybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crsrisk.cli.application import (
    CPUS,
    PANELS,
    AsJson,
    Scenario,
    Workers,
    app,
    print_json,
    runs_anywhere,
    say,
)

if TYPE_CHECKING:
    from crsrisk.data.product import Product
    from crsrisk.data.published_figures import Trial
    from crsrisk.data.world import World

evidence = typer.Typer(no_args_is_help=True, help="Simulated beside published figures.")
calibration = typer.Typer(no_args_is_help=True, help="What a calibration found, put to use.")
app.add_typer(evidence, name="evidence", rich_help_panel=PANELS[0])
app.add_typer(calibration, name="calibration", rich_help_panel=PANELS[0])

Use = Annotated[
    Literal["likelihood", "shown"] | None,
    typer.Option(help="Only sources that are fitted to, or only those that are not."),
]
OwnTrials = Annotated[
    list[Path] | None,
    typer.Option("--trial", help="A trial of your own (YAML) instead; repeatable."),
]
EvidenceSeed = Annotated[int, typer.Option(help="Same seed, same figures.", min=0)]
DEFAULT_SEED = 20261121


@evidence.command()
@runs_anywhere
def compare(
    use: Use = None,
    trial: OwnTrials = None,
    scenario: Scenario = "reference",
    patients: Annotated[int, typer.Option(help="Simulated patients a trial.", min=100)] = 4000,
    patients_rare: Annotated[
        int, typer.Option(help="The same for checkpoint inhibitors.", min=100)
    ] = 24000,
    seed: EvidenceSeed = DEFAULT_SEED,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Simulate every published trial and compare; rows that disagree stay."""
    from crsrisk.simulation.evidence import to_json
    from crsrisk.studies.evidence import compare_with_published, print_comparisons
    from crsrisk.terminal import steps

    trials, products, world = _trials(trial, use=use, scenario=scenario)
    with steps() as begin:
        rows = compare_with_published(
            trials,
            world=world,
            products=products,
            seed=seed,
            n=patients,
            n_rare=patients_rare,
            workers=workers,
            advance=begin("Simulating published trials", len(trials)),
        )
    if as_json:
        say(to_json(rows))
    else:
        print_comparisons(rows)


@evidence.command("forecast")
@runs_anywhere
def forecast_evidence(
    use: Use = None,
    trial: OwnTrials = None,
    scenario: Scenario = "reference",
    patients: Annotated[
        int | None, typer.Option(help="Simulated patients a member of the ensemble (160).", min=100)
    ] = None,
    patients_rare: Annotated[
        int | None, typer.Option(help="The same for checkpoint inhibitors (800).", min=100)
    ] = None,
    seed: EvidenceSeed = DEFAULT_SEED,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Forecast every published figure over the ensemble, with predictive intervals."""
    from crsrisk.data.ensemble import load_ensemble
    from crsrisk.studies.evidence import forecast_published, print_published_forecasts
    from crsrisk.studies.forecast import PER_MEMBER, RARE_FOLD
    from crsrisk.studies.generator import count_evidence, print_evidence_counts
    from crsrisk.terminal import steps

    trials, products, world = _trials(trial, use=use, scenario=scenario)
    members = load_ensemble()
    each = patients or PER_MEMBER
    with steps() as begin:
        made = forecast_published(
            trials,
            ensemble=members,
            world=world,
            products=products,
            n=each,
            n_rare=patients_rare or RARE_FOLD * each,
            seed=seed,
            workers=workers,
            advance=begin("Simulating the ensemble", len(members)),
        )
    if as_json:
        counts = {} if trial else {"evidence_status": count_evidence()}
        print_json({**made.to_dict(), **counts})
        return
    print_published_forecasts(made)
    if not trial:
        print_evidence_counts()


@evidence.command("cross-validation")
def show_cross_validation(as_json: AsJson = False) -> None:
    """How well each product was forecast by everything but its own figures, beside three rivals."""
    from crsrisk.data.cross_validation import cross_validation
    from crsrisk.studies.evidence import print_cross_validation

    made = cross_validation()
    if as_json:
        print_json(made.to_dict())
    else:
        print_cross_validation(made)


@evidence.command()
def baseline(scenario: Scenario = "reference", as_json: AsJson = False) -> None:
    """Patients before the first dose: medians, quartiles and correlations by tumour type."""
    from crsrisk.data.world import load_world
    from crsrisk.studies.generator import compare_baseline, print_baseline

    made = compare_baseline(load_world(scenario))
    if as_json:
        print_json(made.to_dict())
    else:
        print_baseline(made)


@calibration.command("apply")
def apply_calibration(
    results: Annotated[Path, typer.Argument(help="Folder with the results of a calibration.")],
) -> None:
    """Make a calibration the world of everybody: values in the files, ensemble beside them."""
    from crsrisk.studies.apply_calibration import apply_calibration as write_calibrated

    changed = write_calibrated(results)
    say(
        f"Changed {len(changed)} files: {', '.join(changed)}. The values before calibration stay in"
        " them as `prior`."
    )


def _trials(
    own: list[Path] | None,
    *,
    use: Literal["likelihood", "shown"] | None,
    scenario: str,
) -> tuple[list[Trial], list[Product], World]:
    """The trials to compare with, the products that they bring along, and the world."""
    from crsrisk.data.evidence_files import load_own_trials, load_trials
    from crsrisk.data.world import load_world, with_own_places
    from crsrisk.errors import InputError

    world = load_world(scenario)
    if not own:
        return load_trials(use=use), [], world
    if use:
        raise InputError(
            where="evidence",
            key="--use",
            found="--use with --trial",
            expected="one of them",
            cure="leave --use out: to trials of your own nothing was fitted",
        )
    trials, products = load_own_trials(own)
    return trials, *with_own_places(products, world=world)
