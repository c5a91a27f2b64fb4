"""For trial designers: who should get prophylaxis, and what a trial design does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import CPUS, AsJson, Workers, app, pairs_of, print_json


@app.command()
def trial(
    design: Annotated[
        Path, typer.Argument(help="Design file (.yaml): estimand, candidates, screening, designs.")
    ],
    html: Annotated[
        Path | None, typer.Option(help="Write the page here (one file, opens offline).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for protocol.yaml, methods.md, results.json, content.json and the figures."
        ),
    ] = None,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Compare trial designs: power, type I error, patients, screening, months, exposure, each with
    its Monte Carlo error.

    A design that cannot reach its power is refused, with the power it reaches and what it would
    need.
    """
    from crsrisk.progress import steps
    from crsrisk.studies.trial import check_targets, print_trial, run_trial, write_trial

    check_targets(design, html=html, out=out)
    with steps() as begin:
        result = run_trial(design, workers=workers, begin=begin)
    written = write_trial(result, html=html, out=out)
    if as_json:
        print_json(result.to_dict())
    else:
        print_trial(result, written=written)


@app.command()
def prophylaxis(
    product: Annotated[
        str | None, typer.Option(help="Simulate patients of this product (name or YAML file).")
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "Agents joined by +, then @fever or @two_doses, then a change of the regimen:"
                " /half_first_dose, /no_step_up or "
                "/under_skin; repeatable. Example: tocilizumab+anakinra@fever."
            )
        ),
    ] = None,
    regimen: Annotated[
        str | None, typer.Option(help="Regimen of the product; its default when left out.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="Scenario name or YAML file.")] = "reference",
    cohort: Annotated[
        Path | None, typer.Option(help="Or: weigh this table of patients (.csv or .parquet).")
    ] = None,
    risk_column: Annotated[
        str | None, typer.Option(help="Column of the table with risks of CRS >= 2, 0 to 1.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder of a saved model, or the name of a released one.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Column of the table with the outcome, yes or no.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="For a table: column of subgroups; repeatable.")
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="For a table and a model: unit of a column, crp=mg/dL.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="For a table and a model: your name of a column.")
    ] = None,
    ldh_upper_limit: Annotated[
        float | None, typer.Option(help="For a table and a model: upper limit of LDH (U/L).")
    ] = None,
    rr: Annotated[
        float | None, typer.Option(help="For a table: risk ratio of prophylaxis.")
    ] = None,
    rr_low: Annotated[
        float | None, typer.Option(help="For a table: lower end of its interval.")
    ] = None,
    rr_high: Annotated[
        float | None, typer.Option(help="For a table: upper end of its interval.")
    ] = None,
    infections_added: Annotated[
        float, typer.Option(help="For a table: serious infections added a treated patient.")
    ] = 0.0,
    responses_lost: Annotated[
        float, typer.Option(help="For a table: responses lost a treated patient.")
    ] = 0.0,
    threshold: Annotated[
        list[float] | None, typer.Option(help="For a table: a further threshold; repeatable.")
    ] = None,
    infection_weight: Annotated[
        float | None, typer.Option(help="One infection in CRS events; else as assumed.")
    ] = None,
    response_weight: Annotated[
        float | None, typer.Option(help="One lost response in CRS events; else as assumed.")
    ] = None,
    burden: Annotated[
        float | None, typer.Option(help="One course in CRS events; else as assumed.")
    ] = None,
    response_world: Annotated[
        str, typer.Option(help="Plan for no_link, common_cause or mediation.")
    ] = "mediation",
    doses: Annotated[
        list[float] | None, typer.Option(help="Doses for 100 patients; repeatable (30).")
    ] = None,
    patients: Annotated[
        int, typer.Option(help="Simulated patients whom policies are judged on.")
    ] = 1000,
    repetitions: Annotated[int, typer.Option(help="Futures of each, for the oracles (even).")] = 40,
    training: Annotated[
        int, typer.Option(help="Simulated patients an arm that scores learn from.")
    ] = 1500,
    members: Annotated[
        int | None, typer.Option(help="Members of the ensemble; all when left out.", min=2)
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same answer.", min=0)] = 1,
    html: Annotated[
        Path | None, typer.Option(help="Write the page here (one file, opens offline).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for page, content, tables and figures.")
    ] = None,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Who should get prophylaxis: harms, thresholds, policies, oracles, scenarios, and what to
    measure first.

    With --product patients are simulated under every strategy; with --cohort a table is weighed by
    a stated risk ratio.
    """
    from crsrisk.progress import steps
    from crsrisk.studies.policy import answer, print_answer, write_answer
    from crsrisk.studies.policy_cohort import Sizes
    from crsrisk.studies.policy_request import Reading, Request, StatedEffect, TableRequest, Weights

    _reject_unused(
        (
            {
                "--risk-column": risk_column,
                "--outcome": outcome,
                "--rr": rr,
                "--rr-low": rr_low,
                "--rr-high": rr_high,
                "--group": group,
                "--unit": unit,
                "--rename": rename,
                "--ldh-upper-limit": ldh_upper_limit,
                "--infections-added": infections_added,
                "--responses-lost": responses_lost,
                "--threshold": threshold,
            }
            if product
            else {}
        ),
        asked="--product",
    )
    _reject_unused(
        {"--strategy": strategy, "--regimen": regimen} if cohort else {}, asked="--cohort"
    )
    weights = Weights(infection_weight, response_weight, burden)
    simulated = Request(
        product=product or "",
        strategies=tuple(strategy or ()),
        regimen=regimen,
        scenario=scenario,
        model=model,
        seed=seed,
        sizes=Sizes(patients, repetitions, training),
        members=members,
        doses_per_100=tuple(doses or (30.0,)),
        weights=weights,
        response_world=response_world,
    )
    weighed = TableRequest(
        path=cohort or Path(),
        effect=StatedEffect(rr, rr_low, rr_high, infections_added, responses_lost),
        weights=weights,
        risk_column=risk_column,
        model=model,
        outcome=outcome,
        groups=tuple(group or ()),
        reading=Reading(pairs_of(unit, "--unit"), pairs_of(rename, "--rename"), ldh_upper_limit),
        thresholds=tuple(threshold or ()),
        doses_per_100=tuple(doses or (30.0,)),
        seed=seed,
    )
    with steps() as begin:
        content = answer(
            simulated if product else None,
            weighed if cohort else None,
            begin=begin,
            workers=workers,
        )
    written = write_answer(content, html=html, out=out)
    if as_json:
        print_json(content)
    else:
        print_answer(content, written=written)


def _reject_unused(given: dict[str, object], *, asked: str) -> None:
    from crsrisk.errors import InputError

    if idle := [option for option, value in given.items() if value]:
        raise InputError(
            where="prophylaxis",
            key=", ".join(idle),
            found=f"with {asked}",
            expected="options of simulated patients with --product, of a table with --cohort",
            cure="leave it out: it would change nothing",
        )
