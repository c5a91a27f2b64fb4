"""The command line: one command a verb, no logic. Imports stay inside the commands, so that --help is instant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crsrisk.errors import CrsriskError

if TYPE_CHECKING:
    from crsrisk.simulate.arm import Arm

app = typer.Typer(
    name="crsrisk", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Cytokine release syndrome in solid tumours: mechanistic synthetic cohorts, risk models, explanations. "
         "Research use; synthetic data; no external validation.")

Workers = Annotated[int, typer.Option(help="Threads; the result does not depend on it.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CPUS = os.cpu_count() or 1
INTERRUPTED = 130  # exit code after Ctrl-C


def main() -> None:
    """Run the command line; what a user can put right ends with exit code 2 and one clear sentence."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # small linear algebra: threads only get in each other's way
        os.environ.setdefault(name, "1")
    try:
        app(prog_name="crsrisk")
    except CrsriskError as problem:
        typer.secho(f"crsrisk: {problem}", err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
        raise SystemExit(2) from None
    except (KeyboardInterrupt, SystemExit) as leaving:
        if isinstance(leaving, SystemExit) and leaving.code != INTERRUPTED:  # what typer makes of Ctrl-C
            raise
        typer.echo("crsrisk: interrupted; files written so far are whole, the one in work was removed", err=True)
        raise SystemExit(INTERRUPTED) from None


def _print_json(tree: Any) -> None:
    import json

    typer.echo(json.dumps(tree, indent=1, allow_nan=False))


@app.command()
def simulate(
    patients: Annotated[int, typer.Option(help="How many patients.", min=1)] = 1000,
    product: Annotated[list[str] | None, typer.Option(help="Product name or YAML file; repeatable; else all.")] = None,
    regimen: Annotated[str | None, typer.Option(help="Regimen of the product; its default when left out.")] = None,
    mitigation: Annotated[list[str] | None, typer.Option(help="Prophylaxis added before dose 1; repeatable.")] = None,
    scenario: Annotated[str, typer.Option(help="Scenario name or YAML file.")] = "reference",
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 1,
    out: Annotated[Path, typer.Option(help="File to write: .parquet or .csv.")] = Path("cohort.parquet"),
    trajectories: Annotated[bool, typer.Option(help="Write half-hourly trajectories beside it.")] = False,
    truth: Annotated[bool, typer.Option(help="Write unmeasured biology and oracle risks beside it.")] = False,
    truth_repetitions: Annotated[int, typer.Option(help="Simulations a patient for the oracle.", min=2)] = 200,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Simulate a cohort and write it with its manifest."""
    from crsrisk.journey.export import export_cohort
    from crsrisk.journey.progress import steps
    from crsrisk.simulate.world import load_world

    world = load_world(scenario)
    arms = _arms(product, world=world, regimen=regimen, mitigations=tuple(mitigation or ()))
    target = out if out.suffix or out.is_dir() else out.with_suffix(".parquet")
    with steps() as begin:
        found = export_cohort(target, arms=arms, world=world, n_patients=patients, seed=seed, workers=workers,
                              has_truth=truth, truth_repetitions=truth_repetitions, has_trajectories=trajectories,
                              begin=begin)
    if as_json:
        _print_json(found)
        return
    for file in found["files"]:
        typer.echo(f"Wrote {file} (manifest beside it)")
    for name, row in found["products"].items():
        two = row["crs_grade2plus"]
        typer.echo(f"  {name}: n {row['n']}, CRS {100 * row['crs_any']['value']:.0f}%, grade >= 2 {100 * two['value']:.1f}% "
                   f"(Monte Carlo error {100 * two['mc_error']:.1f}) within {row['window_d']:g} days after the first dose")
    typer.echo(found["notice"])


def _arms(names: list[str] | None, *, world: Any, regimen: str | None, mitigations: tuple[str, ...]) -> list[Arm]:
    from crsrisk.read.world import all_products, load_product
    from crsrisk.simulate.arm import make_arm

    products = [load_product(name) for name in names] if names else list(all_products().values())
    return [make_arm(one, world=world, regimen=regimen, mitigations=mitigations) for one in products]


@app.command()
def evidence(
    scenario: Annotated[str, typer.Option(help="Scenario name or YAML file.")] = "reference",
    role: Annotated[str | None, typer.Option(help="calibration or validation; both when left out.")] = None,
    patients: Annotated[int, typer.Option(help="Simulated patients a trial.", min=100)] = 4000,
    patients_rare: Annotated[int, typer.Option(help="The same for checkpoint inhibitors.", min=100)] = 24000,
    seed: Annotated[int, typer.Option(help="Same seed, same figures.", min=0)] = 20261121,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Compare simulated with published figures; rows that disagree stay."""
    from crsrisk.journey.progress import steps
    from crsrisk.journey.published import compare_with_published, print_comparisons
    from crsrisk.read.published import load_trials
    from crsrisk.simulate.evidence import to_json
    from crsrisk.simulate.world import load_world

    trials = load_trials(role=_role(role))
    with steps() as begin:
        rows = compare_with_published(trials, world=load_world(scenario), seed=seed, n=patients, n_rare=patients_rare,
                                      workers=workers, advance=begin("Simulating published trials", len(trials)))
    if as_json:
        typer.echo(to_json(rows))
    else:
        print_comparisons(rows)


def _role(role: str | None) -> Any:
    from crsrisk.errors import InputError

    if role not in (None, "calibration", "validation"):
        raise InputError(where="evidence", key="--role", found=role, expected="calibration or validation",
                         cure="choose one of the two, or leave it out")
    return role


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="Folder with experiment.yaml.")],
    workers: Workers = CPUS,
) -> None:
    """Run an experiment from its question to its report."""
    from crsrisk.journey.baseline import print_closing, run_baseline
    from crsrisk.journey.progress import steps

    with steps() as begin:
        results = run_baseline(experiment, workers=workers, begin=begin)
    print_closing(results)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a saved model.")],
    table: Annotated[Path, typer.Argument(help="Patients: .csv or .parquet.")],
    out: Annotated[Path | None, typer.Option(help="Write risks here (.csv or .parquet) instead of printing.")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="Unit of a column: crp=mg/dL; repeatable.")] = None,
    rename: Annotated[list[str] | None, typer.Option(help="Your name of a column: CRP_BASE=crp_mg_l; repeatable.")] = None,
    ldh_upper_limit: Annotated[float | None, typer.Option(help="Upper limit of LDH (U/L) of the laboratory.")] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first refused value.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a table, with an account of what was refused, converted or missing.

    Every row is answered: a refused one with its reason and without a risk. If any was refused, the exit code is 2.
    """
    from crsrisk.journey.score import print_score, score_table

    scored = score_table(model, table, units=_pairs(unit, "--unit"), mapping=_pairs(rename, "--rename"),
                         ldh_upper_limit_u_l=ldh_upper_limit, strict=strict, out=out)
    if as_json:
        _print_json(scored.as_tree())
    else:
        print_score(scored, out=out)
    if (problem := scored.refusal()) is not None:
        raise problem


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    from crsrisk.errors import InputError

    pairs = {}
    for text in texts or []:
        left, mark, right = text.partition("=")
        if not mark or not left or not right:
            raise InputError(where="predict", key=option, found=text, expected="name=value",
                             cure=f"write {option} crp=mg/dL")
        pairs[left.strip()] = right.strip()
    return pairs


@app.command()
def dictionary(out: Annotated[Path | None, typer.Option(help="Write Markdown here instead of printing.")] = None) -> None:
    """The data dictionary: every column, its meaning, unit, range and source."""
    from crsrisk.read.files import write_text
    from crsrisk.report.dictionary import data_dictionary_markdown

    text = data_dictionary_markdown()
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text)


if __name__ == "__main__":
    main()
