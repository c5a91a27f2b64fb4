"""Prophylaxis: who should get it, among simulated patients whose potential outcomes are known, and
over what is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field
from rich.console import Console
from rich.table import Table

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.files import write_json, write_text
from crsrisk.data.potential_outcomes import ResponseWorld, Strategy
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.report.pages import policy_files, render_policy
from crsrisk.report.policy import prophylaxis_content, trial_design_yaml
from crsrisk.report.sections import Table as SectionTable
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.strategies import strategy_arm
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.policy_cohort import (
    Begin,
    Judged,
    Plan,
    Scores,
    Sizes,
    how_common,
    judge_patients,
    judge_strategy,
)
from crsrisk.studies.policy_request import Request, TableRequest, checked_strategies
from crsrisk.studies.policy_table import weigh_table
from crsrisk.studies.policy_uncertainty import (
    NOBODY,
    Rule,
    consequence_constants,
    ends_table,
    harms_of,
    one_at_a_time,
    over_ensemble,
    over_members,
    over_scenarios,
    recommend,
    rules_table,
    what_to_measure,
)
from crsrisk.uncertainty.constants import RESCUE, constants_met, shared_constants

NOTICE = (
    "Research use, synthetic data, no external validation; a design scenario, never advice on a"
    " patient."
)


def _arm(asked: Request, world: World) -> Arm:
    return make_arm(load_product(asked.product), world=world, regimen=asked.regimen)


def _rules(judged: Judged, answers: Mapping[str, Any]) -> list[Rule]:
    """Nobody, everybody by each strategy, and by risk where the threshold of the ledger lies
    between 0 and 1.
    """
    rules = [NOBODY]
    for name in judged.outcomes.names[1:]:
        rules.append(Rule(name))
        start = answers[name]["ledger"]["threshold"]["value"]
        if start is not None and 0.0 < start < 1.0:
            rules.append(
                Rule(name, round(start, 2)) if round(start, 2) > 0.0 else Rule(name, start)
            )
    return rules


def design_prophylaxis(asked: Request, *, begin: Begin, workers: int = 1) -> dict[str, Any]:
    """The whole answer as one dictionary, ready for JSON: results under their names, and sections
    for people.

    Raises :class:`InputError` for what cannot be asked: see :class:`Request` and `crsrisk
    prophylaxis --help`.
    """
    strategies = checked_strategies(asked)
    world = asked.weights.put_into(load_world(asked.scenario))
    harms = harms_of(world)
    model: RiskModel | None = load_model(find("released", asked.model)) if asked.model else None
    arm = _arm(asked, world)
    # an unknown agent or an impossible regimen is refused before anything is computed
    for strategy in strategies:
        strategy_arm(arm, strategy, world=world)
    judged, scores = judge_patients(
        arm,
        strategies,
        world=world,
        seed=asked.seed,
        sizes=asked.sizes,
        model=model,
        begin=begin,
        workers=workers,
    )
    plan = Plan(harms, asked.planned_world, asked.doses_per_100, asked.n_resamples, asked.seed)
    answers = {name: judge_strategy(judged, name, plan) for name in judged.outcomes.names[1:]}
    rules = _rules(judged, answers)
    found = _over_worlds(asked, arm, judged, world, rules, scores, begin, workers)
    results = {
        "format": "crsrisk-prophylaxis-1",
        "notice": NOTICE,
        "question": asked.question,
        "setting": _setting(asked, arm, judged),
        "common": how_common(judged, plan),
        "strategies": answers,
        **found,
        "recommendation": recommend(
            found["ensemble"],
            answers,
            rules={rule.name: (rule.strategy, rule.threshold) for rule in rules},
        ),
    }
    return prophylaxis_content(as_plain(results))


def _over_worlds(
    asked: Request,
    arm: Arm,
    judged: Judged,
    world: World,
    rules: list[Rule],
    scores: Scores,
    begin: Begin,
    workers: int,
) -> dict[str, Any]:
    """Scenarios, ensemble, value of information, and each assumption at its ends."""
    strategies, seed = judged.outcomes.strategies[1:], asked.seed + 1
    scenarios = {name: asked.weights.put_into(load_world(name)) for name in names("scenarios")}
    by_scenario = over_scenarios(
        arm,
        strategies,
        worlds=scenarios,
        rules=rules,
        scores=scores,
        n=asked.scenario_patients,
        seed=seed,
        workers=workers,
        advance=begin("Scenarios", len(scenarios)),
    )
    ensemble = load_ensemble()
    n_members = min(asked.members or len(ensemble), len(ensemble))
    members = over_ensemble(
        arm,
        strategies,
        ensemble=ensemble,
        world=world,
        rules=rules,
        scores=scores,
        n=asked.member_patients,
        n_members=n_members,
        seed=seed + 1,
        workers=workers,
        advance=begin("Ensemble of assumptions", n_members),
    )
    ends = one_at_a_time(
        arm,
        strategies,
        world=world,
        rules=rules,
        scores=scores,
        n=asked.assumption_patients,
        seed=seed,
        response_world=asked.planned_world,
        workers=workers,
        advance=begin("Consequences, end by end", 20),
    )
    return {
        "rules": [
            {"name": rule.name, "strategy": rule.strategy, "threshold": rule.threshold}
            for rule in rules
        ],
        "scenarios": rules_table(by_scenario, rules),
        "ensemble": over_members(members, rules),
        "information": what_to_measure(
            members, rules, world=world, met=_met(arm, strategies, world), seed=asked.seed
        ),
        "ends": ends_table(ends, rules),
    }


def _met(arm: Arm, strategies: Sequence[Strategy], world: World) -> set[str]:
    """Uncertain numbers that the answer can depend on: not those of other drugs and other wards."""
    agents = {
        *RESCUE,
        *(one.mitigation for one in arm.regimen.premedication),
        *arm.mitigations,
        *(name for strategy in strategies for name in strategy.mitigations),
    }
    shared = constants_met(world, [arm.product], policies={arm.policy.name})
    drugs = [
        one
        for one in shared_constants(world)
        if one.key.startswith("mitigation:")
        and one.key.removeprefix("mitigation:").split(".")[0] in agents
    ]
    return {one.key for one in (*shared, *drugs, *consequence_constants(world))}


def _setting(asked: Request, arm: Arm, judged: Judged) -> dict[str, Any]:
    return {
        "product": arm.product.name,
        "label": arm.product.label,
        "regimen": arm.regimen_name,
        "window_d": arm.window_d,
        "population": arm.population.label,
        "scenario": asked.scenario,
        "seed": asked.seed,
        "version": __version__,
        "n_patients": asked.sizes.patients,
        "repetitions": asked.sizes.repetitions,
        "n_training_per_arm": asked.sizes.training,
        "score": judged.origin,
        "strategies": list(judged.outcomes.names[1:]),
        "response_world": asked.response_world,
        "doses_per_100": list(asked.doses_per_100),
        "n_resamples": asked.n_resamples,
        "member_patients": asked.member_patients,
        "scenario_patients": asked.scenario_patients,
    }


def as_plain(value: Any) -> Any:
    """Numbers of numpy as Python's own, infinite and missing ones as None, names of mappings as
    text.
    """
    if isinstance(value, Mapping):
        return {str(key): as_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


# Prophylaxis answer: printed as tables, written as page, figures and JSON; and the experiment that
# ships.


# tables on the terminal
_SHOWN = ("happens", "worth", "ensemble", "quantities", "sizes", "tipping")


class ProphylaxisExperiment(Strict):
    """What a prophylaxis experiment asks and how much it may compute."""

    kind: str
    name: str
    question: str
    scenario: str
    product: str
    regimen: str
    strategies: list[str] = Field(min_length=1)
    response_world: ResponseWorld
    seed: int = Field(ge=0)
    patients: int
    repetitions: int = Field(ge=2, multiple_of=2)
    training_per_arm: int
    member_patients: int = Field(ge=20)
    scenario_patients: int = Field(ge=100)
    assumption_patients: int = Field(ge=100)
    doses_per_100: list[float]
    resamples: int = Field(ge=100)


def answer(
    simulated: Request | None, weighed: TableRequest | None, *, begin: Begin, workers: int = 1
) -> dict[str, Any]:
    """The answer about simulated patients or about a table; :class:`InputError` unless it is
    exactly one of them.
    """
    if (simulated is None) == (weighed is None):
        raise InputError(
            where="prophylaxis",
            key="--product or --cohort",
            found="both or neither",
            expected="one of them",
            cure="name a product to simulate patients of, or a table of patients",
        )
    if weighed is not None:
        return weigh_table(weighed)
    assert simulated is not None
    return design_prophylaxis(simulated, begin=begin, workers=workers)


def run_prophylaxis(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run one prophylaxis experiment and write report, content, tables and figures to ``results/``;
    gives the content.
    """
    path = experiment_file(folder)
    config = build(ProphylaxisExperiment, read_yaml(path), where=str(path))
    asked = Request(
        product=config.product,
        strategies=tuple(config.strategies),
        question=config.question,
        regimen=config.regimen,
        scenario=config.scenario,
        seed=config.seed,
        sizes=Sizes(config.patients, config.repetitions, config.training_per_arm),
        member_patients=config.member_patients,
        scenario_patients=config.scenario_patients,
        assumption_patients=config.assumption_patients,
        doses_per_100=tuple(config.doses_per_100),
        response_world=config.response_world,
        n_resamples=config.resamples,
    )
    content = design_prophylaxis(asked, begin=begin, workers=workers)
    write_answer(content, html=None, out=path.parent / "results")
    return content


def write_answer(content: Mapping[str, Any], *, html: Path | None, out: Path | None) -> list[Path]:
    """Write the page to ``html``; into the folder ``out`` the page, the content, every table as
    CSV, every figure, and the recommended trial as a design file.
    """
    written = []
    if html is not None:
        write_text(html, render_policy(content))
        written.append(html)
    if out is not None:
        write_text(out / "report.html", render_policy(content))
        write_json(out / "content.json", content)
        written += [out / "report.html", out / "content.json"]
        if "recommendation" in content:
            write_text(out / "trial.yaml", trial_design_yaml(content))
            written.append(out / "trial.yaml")
        for one in content["sections"]:
            for each in one.tables:
                place = out / "tables" / f"{each.key.removeprefix('table-')}.csv"
                write_text(place, _frame(each).to_csv(index=False, lineterminator="\n"))
                written.append(place)
        for name, svg in policy_files(content).items():
            write_text(out / "figures" / name, svg)
            written.append(out / "figures" / name)
    return written


def _frame(each: SectionTable) -> pd.DataFrame:
    heads = [f"{one.label} ({one.sub})" if one.sub else one.label for one in each.columns]
    rows = [[group.label, row.label, *row.cells] for group in each.groups for row in group.rows]
    table = pd.DataFrame(rows, columns=["group", each.row_header, *heads])
    return table if table["group"].any() else table.drop(columns="group")


def print_answer(content: Mapping[str, Any], *, written: list[Path]) -> None:
    """The paragraph, the tables a designer looks at first, what would overturn it, what to measure
    first.
    """
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    console.print(content["aloud"])
    for one in content["sections"]:
        for each in one.tables:
            if each.key.removeprefix("table-") in _SHOWN:
                console.print(_printed(each))
    for title, lines in (
        ("What would overturn it", content["overturns"]),
        ("What to measure first", content["first"]),
    ):
        if lines:
            console.print(f"{title}:")
            for text in lines:
                console.print(f"  - {text}")
    for path in written[:3]:
        console.print(f"Wrote {path}", soft_wrap=True)
    console.print(content["notice"], soft_wrap=True)


def _printed(each: SectionTable) -> Table:
    table = Table(title=each.title, title_justify="left", expand=False)
    table.add_column(each.row_header, overflow="fold")
    for one in each.columns:
        table.add_column(
            f"{one.label}\n{one.sub}" if one.sub else one.label,
            justify="right",
            overflow="fold",
        )
    for group in each.groups:
        if group.label:
            table.add_row(group.label.upper(), *[""] * len(each.columns), style="bold")
        for row in group.rows:
            table.add_row(row.label, *row.cells)
    return table
