"""Prophylaxis answer: printed as tables, written as page, figures and JSON; and the experiment that ships."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field
from rich.console import Console
from rich.table import Table

from crsrisk.domain.assumptions import Strict
from crsrisk.domain.potential_outcomes import ResponseWorld
from crsrisk.errors import InputError
from crsrisk.journey.config import experiment_file
from crsrisk.journey.prophylaxis import design_prophylaxis
from crsrisk.journey.prophylaxis_cohort import Begin, Sizes
from crsrisk.journey.prophylaxis_request import Request, TableRequest
from crsrisk.journey.prophylaxis_table import weigh_table
from crsrisk.read.files import write_json, write_text
from crsrisk.read.strict_yaml import build, read_yaml
from crsrisk.report.prophylaxis_page import prophylaxis_figures, render_prophylaxis
from crsrisk.report.prophylaxis_protocol import trial_design_yaml

_SHOWN = ("happens", "worth", "ensemble", "quantities", "sizes", "tipping")  # tables on the terminal


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
    """The answer about simulated patients or about a table; :class:`InputError` unless it is exactly one of them."""
    if (simulated is None) == (weighed is None):
        raise InputError(where="prophylaxis", key="--product or --cohort", found="both or neither", expected="one of them",
                         cure="name a product to simulate patients of, or a table of patients")
    if weighed is not None:
        return weigh_table(weighed)
    assert simulated is not None
    return design_prophylaxis(simulated, begin=begin, workers=workers)


def run_prophylaxis(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run one prophylaxis experiment and write report, content, tables and figures to ``results/``; gives the content."""
    path = experiment_file(folder)
    config = build(ProphylaxisExperiment, read_yaml(path), where=str(path))
    asked = Request(
        product=config.product, strategies=tuple(config.strategies), question=config.question, regimen=config.regimen,
        scenario=config.scenario, seed=config.seed,
        sizes=Sizes(config.patients, config.repetitions, config.training_per_arm),
        member_patients=config.member_patients, scenario_patients=config.scenario_patients,
        assumption_patients=config.assumption_patients, doses_per_100=tuple(config.doses_per_100),
        response_world=config.response_world, n_resamples=config.resamples)
    content = design_prophylaxis(asked, begin=begin, workers=workers)
    write_answer(content, html=None, out=path.parent / "results")
    return content


def write_answer(content: Mapping[str, Any], *, html: Path | None, out: Path | None) -> list[Path]:
    """Write the page to ``html``; into the folder ``out`` the page, the content, every table as CSV, every figure, and the
    recommended trial as a design file."""
    written = []
    if html is not None:
        write_text(html, render_prophylaxis(content))
        written.append(html)
    if out is not None:
        write_text(out / "report.html", render_prophylaxis(content))
        write_json(out / "content.json", content)
        written += [out / "report.html", out / "content.json"]
        if "recommendation" in content:
            write_text(out / "trial.yaml", trial_design_yaml(content))
            written.append(out / "trial.yaml")
        for one in content["sections"]:
            for each in one["tables"]:
                place = out / "tables" / f"{each['key'].removeprefix('table-')}.csv"
                write_text(place, _frame(each).to_csv(index=False, lineterminator="\n"))
                written.append(place)
        for name, svg in prophylaxis_figures(content).items():
            write_text(out / "figures" / name, svg)
            written.append(out / "figures" / name)
    return written


def _frame(each: Mapping[str, Any]) -> pd.DataFrame:
    heads = [f"{one['label']} ({one['sub']})" if one["sub"] else one["label"] for one in each["columns"]]
    rows = [[group["label"], row["label"], *row["cells"]] for group in each["groups"] for row in group["rows"]]
    table = pd.DataFrame(rows, columns=["group", each["row_header"], *heads])
    return table if table["group"].any() else table.drop(columns="group")


def print_answer(content: Mapping[str, Any], *, written: list[Path]) -> None:
    """The paragraph, the tables a designer looks at first, what would overturn it, what to measure first."""
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    console.print(content["aloud"])
    for one in content["sections"]:
        for each in one["tables"]:
            if each["key"].removeprefix("table-") in _SHOWN:
                console.print(_printed(each))
    for title, lines in (("What would overturn it", content["overturns"]), ("What to measure first", content["first"])):
        if lines:
            console.print(f"{title}:")
            for text in lines:
                console.print(f"  - {text}")
    for path in written[:3]:
        console.print(f"Wrote {path}", soft_wrap=True)
    console.print(content["notice"], soft_wrap=True)


def _printed(each: Mapping[str, Any]) -> Table:
    table = Table(title=each["title"], title_justify="left", expand=False)
    table.add_column(each["row_header"], overflow="fold")
    for one in each["columns"]:
        table.add_column(f"{one['label']}\n{one['sub']}" if one["sub"] else one["label"], justify="right", overflow="fold")
    for group in each["groups"]:
        if group["label"]:
            table.add_row(group["label"].upper(), *[""] * len(each["columns"]), style="bold")
        for row in group["rows"]:
            table.add_row(row["label"], *row["cells"])
    return table
