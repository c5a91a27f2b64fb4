"""For trial designers: who should get prophylaxis, and what a trial design does.

A command is as long as its options: one of them a line.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crsrisk.cli.application import (
    CPUS,
    PANELS,
    AsJson,
    Overwrite,
    Page,
    Patients,
    Product_,
    Regimen,
    Scenario,
    Seed,
    Workers,
    app,
    print_json,
    reads_table,
    runs_anywhere,
    say,
)

if TYPE_CHECKING:
    from crsrisk.data.table_reading import TableReading

policy = typer.Typer(
    no_args_is_help=True,
    help="Who should get prophylaxis: harms, thresholds, policies, what to measure first.",
)
app.add_typer(policy, name="policy", rich_help_panel=PANELS[3])

ReleasedModel = Annotated[
    str | None,
    typer.Option(help="Risks by this model: its folder, or the name of a released one."),
]
InfectionWeight = Annotated[
    float | None, typer.Option(help="One serious infection in CRS events. Default: as assumed.")
]
ResponseWeight = Annotated[
    float | None, typer.Option(help="One lost response in CRS events. Default: as assumed.")
]
Burden = Annotated[
    float | None, typer.Option(help="One course of prophylaxis in CRS events. Default: as assumed.")
]
Doses = Annotated[
    list[float] | None,
    typer.Option("--doses", help="Doses there are for 100 patients; repeatable. Default: 30."),
]
PolicyFolder = Annotated[
    Path | None, typer.Option("--out", help="Folder for page, content, tables and figures.")
]


@app.command(rich_help_panel=PANELS[3])
@runs_anywhere
def trial(
    design: Annotated[
        Path,
        typer.Argument(metavar="DESIGN", help="YAML: estimand, candidates, screening, designs."),
    ],
    html: Page = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for protocol, methods, results and figures.")
    ] = None,
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Compare trial designs: power, type I error, patients, screening, months, exposure.

    Every figure has its Monte Carlo error. A design that cannot reach its power is refused, with
    the power it reaches and what it would need.
    """
    from crsrisk.data.files import new_result
    from crsrisk.studies.trial import check_targets, print_trial, run_trial, write_trial
    from crsrisk.terminal import steps

    with new_result(html, out, overwrite=overwrite):
        check_targets(design, html=html, out=out)
        with steps() as begin:
            result = run_trial(design, workers=workers, begin=begin)
        written = write_trial(result, html=html, out=out)
    if as_json:
        print_json(result.to_dict())
    else:
        print_trial(result, written=written)


@policy.command("simulate")
@runs_anywhere
def simulate_policies(
    product: Product_,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="Agents joined by +, then @fever or @two_doses, then a change of the regimen:"
            " /half_first_dose, /no_step_up or /under_skin; repeatable."
            " Example: tocilizumab+anakinra@fever."
        ),
    ] = None,
    regimen: Regimen = None,
    scenario: Scenario = "reference",
    model: ReleasedModel = None,
    infection_weight: InfectionWeight = None,
    response_weight: ResponseWeight = None,
    burden: Burden = None,
    response_world: Annotated[
        str,
        typer.Option(
            help="How CRS and response hang together: no_link, common_cause or mediation."
        ),
    ] = "mediation",
    doses: Doses = None,
    patients: Annotated[
        int, typer.Option(help="Simulated patients whom policies are judged on.")
    ] = 1000,
    repetitions: Annotated[
        int, typer.Option(help="Simulated futures of each patient (even).")
    ] = 40,
    training: Annotated[
        int, typer.Option(help="Simulated patients an arm that scores learn from.")
    ] = 1500,
    members: Annotated[
        int | None, typer.Option(help="Members of the ensemble. Default: all.", min=2)
    ] = None,
    seed: Seed = 1,
    html: Page = None,
    out: PolicyFolder = None,
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Weigh prophylaxis in simulated patients whose outcome is known under every strategy."""
    from crsrisk.data.files import new_result
    from crsrisk.policy.cohort import HarmWeights
    from crsrisk.studies.policy import evaluate_policies, print_policies, write_policies
    from crsrisk.terminal import steps

    with new_result(html, out, overwrite=overwrite):
        with steps() as begin:
            result = evaluate_policies(
                product,
                strategy or (),
                regimen=regimen,
                scenario=scenario,
                model=model,
                seed=seed,
                n_patients=patients,
                n_replicates=repetitions,
                n_training_per_arm=training,
                n_members=members,
                doses_per_100=doses or (30.0,),
                weights=HarmWeights(infection_weight, response_weight, burden),
                response_world=response_world,  # type: ignore[arg-type]  # checked there
                begin=begin,
                workers=workers,
            )
        written = write_policies(result, html=html, out=out)
    if as_json:
        print_json(result.policy_tree())
    else:
        print_policies(result, written=written)


@policy.command("table")
@reads_table
def weigh_policies(
    table: Patients,
    risk_column: Annotated[
        str | None, typer.Option(help="Column with risks of CRS of grade >= 2, 0 to 1.")
    ] = None,
    model: ReleasedModel = None,
    outcome: Annotated[str | None, typer.Option(help="Column with the outcome, yes or no.")] = None,
    rr: Annotated[float | None, typer.Option(help="Risk ratio of prophylaxis.")] = None,
    rr_low: Annotated[float | None, typer.Option(help="Lower end of its interval.")] = None,
    rr_high: Annotated[float | None, typer.Option(help="Upper end of its interval.")] = None,
    infections_added: Annotated[
        float, typer.Option(help="Serious infections added a treated patient.")
    ] = 0.0,
    responses_lost: Annotated[float, typer.Option(help="Responses lost a treated patient.")] = 0.0,
    threshold: Annotated[
        list[float] | None, typer.Option(help="A further threshold of risk; repeatable.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Column of subgroups; repeatable.")
    ] = None,
    infection_weight: InfectionWeight = None,
    response_weight: ResponseWeight = None,
    burden: Burden = None,
    doses: Doses = None,
    seed: Seed = 1,
    strict: Annotated[bool, typer.Option(help="Stop where a row is refused.")] = False,
    html: Page = None,
    out: PolicyFolder = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Weigh prophylaxis in a table of patients, under a risk ratio and harms that you state.

    Rows that cannot be used are left out, and stand in refused.csv of the folder. If any was
    refused, the exit code is 2.
    """
    from crsrisk.data.files import new_result
    from crsrisk.policy.cohort import HarmWeights
    from crsrisk.policy.stated import StatedEffect
    from crsrisk.studies.policy import print_policies, write_policies
    from crsrisk.studies.policy_table import evaluate_policies_table
    from crsrisk.terminal import shows_cells

    with new_result(html, out, overwrite=overwrite):
        result = evaluate_policies_table(
            table,
            StatedEffect(rr, rr_low, rr_high, infections_added, responses_lost),
            weights=HarmWeights(infection_weight, response_weight, burden),
            risk_column=risk_column,
            model=model,
            outcome=outcome,
            groups=group or (),
            reading=reading,
            thresholds=threshold or (),
            doses_per_100=doses or (30.0,),
            seed=seed,
            strict=strict,
        )
        written = write_policies(result, html=html, out=out)
        refused_to = None if out is None else result.refused.write(out / "refused.csv")
    if as_json:
        print_json(result.policy_tree())
    else:
        print_policies(result, written=written)
        for trouble in result.refused.troubles():
            sentence = trouble.sentence(has_cell=shows_cells(sys.stdout))
            say(f"  {trouble.kind}: {sentence}")
        if refused_to is not None:
            say(f"  the refused rows as they stand: {refused_to}")
    if result.refused.problem is not None:
        raise result.refused.problem
