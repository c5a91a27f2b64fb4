"""Sensitivity: which assumptions matter, how much rests on mere assumptions, and which scenario the
findings support.

Constants move over their priors, independent of each other, as they were believed before
calibration; who the patients are (population) and how they are measured (observation) stay as they
are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console
from rich.table import Table

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.files import write_json, write_text
from crsrisk.data.literature import Series, load_findings
from crsrisk.data.product import Product
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_assumptions, load_product, load_scenario
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.report.generator_facts import NOT_RESOLVED, RULE, is_resolved
from crsrisk.studies.experiment import experiment_file
from crsrisk.uncertainty.constants import (
    CHANCE,
    Constant,
    Factor,
    factor_name,
    factors_apart,
    factors_together,
    is_felt,
    strengths,
    uncertain_constants,
)
from crsrisk.uncertainty.readouts import (
    FEATURES,
    ReadoutConfig,
    make_readout_config,
    read_world,
    read_worlds,
    selection_by_chance,
)
from crsrisk.uncertainty.scenario_weights import CAVEAT, SETS, Pool, Support, pool_of, support
from crsrisk.uncertainty.sensitivity import (
    Indices,
    most_influential,
    screen,
    sobol_indices,
    variance_by_strength,
)

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
OTHERS = "all other constants"
NOTICE = (
    "Synthetic data, no external validation. Shares of variance are over the priors of this"
    " simulator, before calibration; they say what its answers rest on, not what drives CRS in"
    " patients."
)


class Sensitivity(Strict):
    """What a sensitivity experiment asks and how much it may compute."""

    kind: str
    name: str
    question: str
    scenario: str
    products: list[str] = Field(min_length=1)
    judged: str
    seed: int = Field(ge=0)
    resamples: int = Field(ge=50)
    trajectories: int = Field(ge=2)
    screening_patients: int = Field(ge=16)
    screening_judged_patients: int = Field(ge=32)
    leaders: int = Field(ge=1)
    points: int = Field(ge=4)
    patients: int = Field(ge=16)
    judged_patients: int = Field(ge=32)
    panel_patients: int = Field(ge=50)
    reference_patients: int = Field(ge=200)
    selection_repeats: int = Field(ge=2)
    scenarios: list[str] = Field(min_length=1)
    pool_patients: int = Field(ge=500)
    simulated_series: int = Field(ge=50)
    series_bootstrap: int = Field(ge=5)


@dataclass(frozen=True)
class _Task:
    config: Sensitivity
    world: World
    products: list[Product]
    constants: list[Constant]
    strengths: dict[str, str]
    inquiry: ReadoutConfig
    workers: int

    @property
    def outputs(self) -> list[str]:
        return [one.name for one in self.inquiry.readouts]

    def felt(self, output: str) -> list[Constant]:
        """The constants that the product of an output can feel."""
        name = {one.name: one.product for one in self.inquiry.readouts}[output]
        product = next(one for one in self.products if one.name == name)
        return [one for one in self.constants if is_felt(one.key, product=product)]


def run_sensitivity(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run one sensitivity experiment and write its tables and summary to ``results/``; gives
    both.
    """
    path = experiment_file(folder)
    config = build(Sensitivity, read_yaml(path), where=str(path))
    if config.points & (config.points - 1):
        raise InputError(
            where=str(path),
            key="points",
            found=config.points,
            expected="a power of 2",
            cure="use 64, 128 or 256",
        )
    if config.judged not in config.products:
        raise InputError(
            where=str(path),
            key="judged",
            found=config.judged,
            expected=f"one of the products: {', '.join(config.products)}",
            cure="name one of them",
        )
    if config.scenario not in config.scenarios:
        raise InputError(
            where=str(path),
            key="scenarios",
            found=", ".join(config.scenarios),
            expected=f"{config.scenario} among them, against which the others are weighed",
            cure="add it",
        )
    series = load_findings()
    world = load_world(config.scenario)
    found = _weigh(config, series, world, workers, begin)
    task = _prepare(config, world, workers)
    screening = _screen(task, begin)
    chosen = most_influential(screening, n=config.leaders, leaving_out=[CHANCE])
    indices = _share_out(task, chosen, begin)
    tables = {
        "screening": _with_strength(task, screening),
        "sobol": _with_strength(task, indices.tables[0]),
        "strengths": variance_by_strength(indices.tables[1], counts=_counts(task), chance=CHANCE),
        "outputs": _outputs(task, indices.draws),
        "scenario_weights": found.weights,
        "findings": found.findings,
    }
    summary = _summary(task, tables, indices.draws, chosen)
    results = path.parent / "results"
    for name, table in tables.items():
        write_text(
            results / f"{name}.csv",
            table.to_csv(index=False, float_format="%.5g", lineterminator="\n"),
        )
    write_json(results / "summary.json", summary)
    return {"results": str(results), "tables": tables, "summary": summary}


def _prepare(config: Sensitivity, world: World, workers: int) -> _Task:
    products = [load_product(name) for name in config.products]
    constants = uncertain_constants(world, products)
    inquiry = make_readout_config(
        world,
        products,
        judged=config.judged,
        n_panel=config.panel_patients,
        n_reference=config.reference_patients,
        seed=config.seed,
    )
    return _Task(
        config,
        world,
        products,
        constants,
        strengths(constants, world=world, products=products),
        inquiry,
        workers,
    )


def _screen(task: _Task, begin: Begin) -> pd.DataFrame:
    """Every factor, one at a time, and last the patients themselves: the yardstick of what chance
    does.
    """
    factors, config = factors_together(task.constants), task.config
    advance = begin("Screening constants", config.trajectories * (len(factors) + 2))
    evaluate = partial(
        read_worlds,
        task.inquiry,
        factors=factors,
        n=config.screening_patients,
        n_judged=config.screening_judged_patients,
        seed=config.seed + 10**7,
        workers=task.workers,
        advance=advance,
    )
    return screen(
        evaluate,
        names=[*(one.name for one in factors), CHANCE],
        outputs=task.outputs,
        trajectories=config.trajectories,
        seed=config.seed + 1,
        resamples=config.resamples,
    )


def _share_out(task: _Task, chosen: Sequence[str], begin: Begin) -> Indices:
    """Sobol indices twice over: the leading factors with all others as one; and all constants by
    strength.
    """
    config, factors = task.config, factors_apart(task.constants)
    by_factor = [
        name if (name := factor_name(one.key)) in chosen else OTHERS for one in task.constants
    ]
    by_strength = [task.strengths[one.key] for one in task.constants]
    groupings = [[*by_factor, CHANCE], [*by_strength, CHANCE]]
    n_groups = len(set(by_factor)) + len(set(by_strength)) + 1
    evaluate = partial(
        _read_apart,
        task,
        factors,
        advance=begin("Sharing out variance", config.points * (n_groups + 2)),
    )
    return sobol_indices(
        evaluate,
        groupings=groupings,
        outputs=task.outputs,
        n=config.points,
        seed=config.seed + 2,
        resamples=config.resamples,
    )


def _read_apart(
    task: _Task, factors: Sequence[Factor], places: Values, *, advance: Callable[[int], None]
) -> Values:
    return read_worlds(
        task.inquiry,
        places,
        factors=factors,
        n=task.config.patients,
        n_judged=task.config.judged_patients,
        seed=task.config.seed + 2 * 10**7,
        workers=task.workers,
        advance=advance,
    )


def _with_strength(task: _Task, table: pd.DataFrame) -> pd.DataFrame:
    """The strength of the constant behind each factor, for the product of the output; blank where
    there is none.
    """
    known = {
        output: {factor_name(one.key): task.strengths[one.key] for one in task.felt(output)}
        for output in task.outputs
    }
    words = [
        known[output].get(factor, "")
        for output, factor in zip(table["output"], table["factor"], strict=True)
    ]
    return table.assign(strength=words)


def _counts(task: _Task) -> dict[str, Counter[str]]:
    return {
        output: Counter(task.strengths[one.key] for one in task.felt(output))
        for output in task.outputs
    }


def _outputs(task: _Task, draws: Values) -> pd.DataFrame:
    """Each output in the reference world and over the priors (mean, SD, 5th, 50th and 95th
    percentile).
    """
    config = task.config
    reference = read_world(
        task.inquiry,
        values={},
        n=config.reference_patients,
        n_judged=config.reference_patients,
        seed=config.seed + 3,
    )
    low, middle, high = np.percentile(draws, [5.0, 50.0, 95.0], axis=0)
    return pd.DataFrame(
        {
            "output": task.outputs,
            "meaning": [one.meaning for one in task.inquiry.readouts],
            "product": [one.product for one in task.inquiry.readouts],
            "reference": reference,
            "mean": draws.mean(axis=0),
            "sd": draws.std(axis=0, ddof=1),
            "p05": low,
            "median": middle,
            "p95": high,
        }
    )


def _weigh(
    config: Sensitivity, series: Sequence[Series], like: World, workers: int, begin: Begin
) -> Support:
    """Simulate pools of patients under every scenario and weigh the scenarios by the findings."""
    assumptions = load_assumptions()
    scenarios = [load_scenario(name, assumptions=assumptions) for name in config.scenarios]
    arms = list(dict.fromkeys((one.product, one.regimen) for one in series))
    advance = begin("Simulating scenarios", len(config.scenarios) * len(arms))
    pools: dict[str, dict[str, Pool]] = {}
    for scenario in scenarios:
        world = replace(like, scenario=scenario, assumptions=scenario.apply(assumptions))
        pools[scenario.name] = {}
        for name, regimen in arms:
            here = [one for one in series if (one.product, one.regimen) == (name, regimen)]
            pools[scenario.name] |= pool_of(
                here,
                product=load_product(name),
                regimen=regimen,
                world=world,
                n=config.pool_patients,
                seed=config.seed + 4,
                workers=workers,
            )
            advance(1)
    return support(
        pools,
        series=series,
        reference=like.scenario.name,
        n_series=config.simulated_series,
        n_bootstrap=config.series_bootstrap,
        seed=config.seed + 5,
    )


def _summary(
    task: _Task, tables: dict[str, pd.DataFrame], draws: Values, chosen: Sequence[str]
) -> dict[str, Any]:
    config = task.config
    by_chance, error = selection_by_chance(
        task.inquiry,
        n_judged=config.judged_patients,
        repeats=config.selection_repeats,
        seed=config.seed + 6,
    )
    first = task.outputs.index(f"coefficient_{FEATURES[0]}")
    leaders = Counter(
        FEATURES[k] for k in np.abs(draws[:, first : first + len(FEATURES)]).argmax(axis=1)
    )
    return {
        "experiment": config.name,
        "scenario": config.scenario,
        "seed": config.seed,
        "version": __version__,
        "notice": NOTICE,
        "assumptions": task.world.assumptions.digest,
        "judged": config.judged,
        "n_constants": len(task.constants),
        "n_factors": len(factors_together(task.constants)),
        "constants_by_strength": dict(sorted(Counter(task.strengths.values()).items())),
        "leaders": list(chosen),
        "outputs": _records(tables["outputs"]),
        "sobol": _records(tables["sobol"]),
        "variance_by_strength": _records(tables["strengths"]),
        "selection_by_chance_alone": {"same_selection": by_chance, "standard_error": error},
        "leading_feature_share_of_worlds": {name: leaders[name] / len(draws) for name in FEATURES},
        "scenario_weights": {
            "caveat": CAVEAT,
            "rows": _records(tables["scenario_weights"]),
            "findings": _records(tables["findings"]),
        },
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows ready for JSON: numbers to six significant digits, gaps as null."""
    return [
        {
            str(name): (
                (None if value != value else float(f"{value:.6g}"))
                if isinstance(value, float)
                else value
            )
            for name, value in row.items()
        }
        for row in table.to_dict("records")
    ]


# Sensitivity tables: what a sensitivity experiment found, on the terminal.


LEADERS = 3  # factors printed for each output


def print_sensitivity(found: dict[str, Any], *, console: Console | None = None) -> None:
    """The leading constants of each output, the variance by strength, and the support of the
    scenarios.
    """
    out = console or Console(width=max(Console().width, 130))
    tables, summary = found["tables"], found["summary"]
    of_chance = _shares_of_chance(tables["strengths"])
    out.print(_leading(tables["sobol"], tables["outputs"], of_chance))
    out.print(_by_strength(tables["strengths"], tables["outputs"], of_chance))
    out.print(f"{NOT_RESOLVED.capitalize()}: {RULE}")
    chance = summary["selection_by_chance_alone"]
    leading = ", ".join(
        f"{name} {100 * share:.0f}%"
        for name, share in summary["leading_feature_share_of_worlds"].items()
    )
    out.print(f"Feature with the largest coefficient, share of worlds: {leading}.")
    out.print(
        f"Selection for prophylaxis ({summary['judged']}): with nothing but other patients to learn"
        f" from, {100 * chance['same_selection']:.0f}% of the selected stay the same (SE"
        f" {100 * chance['standard_error']:.1f})."
    )
    out.print(_scenarios(tables["scenario_weights"]))
    out.print(CAVEAT)
    out.print(summary["notice"])
    out.print(
        f"{summary['n_constants']} constants, {summary['n_factors']} factors: {found['results']}"
    )


def _shares_of_chance(strengths: pd.DataFrame) -> dict[str, float]:
    """Chance's total share of the variance of each output."""
    rows = strengths[strengths["strength"] == CHANCE]
    return dict(zip(rows["output"], rows["with_others"], strict=True))


def _span(row: Mapping[Any, Any], name: str, *, chance: float | None) -> str:
    """A share with its interval. ``chance``: chance's total share of that output; None for a share
    of chance itself.

    >>> row = {"alone": 4.57, "alone_low": -1.3, "alone_high": 10.43, "total": 0.2, "total_low": 0.1, "total_high": 0.3}
    >>> _span(row, "alone", chance=0.1), _span(row, "total", chance=0.1), _span(row, "total", chance=0.9)
    ('not resolved', '0.20 (0.10 to 0.30)', 'not resolved')
    """
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return (
        f"{value:.2f} ({low:.2f} to {high:.2f})"
        if is_resolved(low, high, chance=chance)
        else NOT_RESOLVED
    )


def _leading(sobol: pd.DataFrame, outputs: pd.DataFrame, of_chance: Mapping[str, float]) -> Table:
    table = Table(
        title="What moves what users act on: Sobol indices (95% interval)", title_justify="left"
    )
    for name in (
        "output",
        "over the priors: median (5th to 95th)",
        "constant",
        "strength",
        "alone",
        "with others",
    ):
        table.add_column(name, overflow="fold")
    for line in outputs.to_dict("records"):
        rows = sobol[sobol["output"] == line["output"]].sort_values(
            "total", ascending=False, kind="stable"
        )
        for k, row in enumerate(rows.head(LEADERS).to_dict("records")):
            chance = None if row["factor"] == CHANCE else of_chance[line["output"]]
            spread = f"{line['median']:.2f} ({line['p05']:.2f} to {line['p95']:.2f})"
            table.add_row(
                line["meaning"] if k == 0 else "",
                spread if k == 0 else "",
                row["factor"],
                row["strength"],
                _span(row, "first", chance=chance),
                _span(row, "total", chance=chance),
            )
        table.add_section()
    return table


def _by_strength(
    strengths: pd.DataFrame, outputs: pd.DataFrame, of_chance: Mapping[str, float]
) -> Table:
    table = Table(
        title="Share of the variance by strength of the constants (95% interval)",
        title_justify="left",
    )
    for name in ("output", "strength", "constants", "alone", "with others"):
        table.add_column(name, overflow="fold")
    meaning = dict(zip(outputs["output"], outputs["meaning"], strict=True))
    for output, rows in strengths.groupby("output", sort=False):
        for k, row in enumerate(rows.to_dict("records")):
            count, chance = (
                ("", None)
                if row["strength"] == CHANCE
                else (str(row["n_constants"]), of_chance[str(output)])
            )
            table.add_row(
                meaning[str(output)] if k == 0 else "",
                row["strength"],
                count,
                _span(row, "alone", chance=chance),
                _span(row, "with_others", chance=chance),
            )
        table.add_section()
    return table


def _scenarios(weights: pd.DataFrame) -> Table:
    table = Table(
        title="Support of the scenarios by findings on risk factors", title_justify="left"
    )
    for name in (
        "findings",
        "scenario",
        "Bayes factor (95% Monte Carlo)",
        "weight under equal odds (MC error)",
    ):
        table.add_column(name, overflow="fold")
    for chosen, rows in weights.groupby("findings", sort=False):
        for k, row in enumerate(rows.to_dict("records")):
            table.add_row(
                SETS[str(chosen)] if k == 0 else "",
                row["scenario"],
                f"{row['bayes_factor']:.3g} ({row['low']:.3g} to {row['high']:.3g})",
                f"{row['weight']:.2f} ({row['weight_mc_error']:.2f})",
            )
        table.add_section()
    return table
