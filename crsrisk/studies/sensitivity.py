"""Sensitivity: which assumptions matter, how much rests on mere assumptions, and which scenario the
findings support.

Constants move over their priors, independent of each other, as they were believed before
calibration; who the patients are (population) and how they are measured (observation) stay as they
are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

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
from crsrisk.results import Estimate, Result, to_plain
from crsrisk.studies.experiment import experiment_file
from crsrisk.terminal import Console, TextTable, console_of, text_table
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
class SensitivityTables:
    """Tables of a sensitivity experiment, each a file of that name in its results.

    ``screening``: Morris screening of every factor; ``sobol``: Sobol indices of the leaders;
    ``strengths``: the variance by how well the constants are known; ``outputs``: each output in the
    reference world and over the priors; ``scenario_weights`` and ``findings``: how far published
    findings on risk factors support each scenario.
    """

    screening: pd.DataFrame
    sobol: pd.DataFrame
    strengths: pd.DataFrame
    outputs: pd.DataFrame
    scenario_weights: pd.DataFrame
    findings: pd.DataFrame


@dataclass(frozen=True, repr=False)
class SensitivityResult(Result):
    """Which assumptions matter, how much rests on mere assumptions, which scenario has support.

    ``same_selection``: share of the patients selected for prophylaxis who stay the same with
    nothing but other patients to learn from; ``leading_feature``: share of worlds in which a
    feature has the largest coefficient.
    """

    config: Sensitivity
    results: Path
    assumptions: str
    n_constants: int
    n_factors: int
    constants_by_strength: Mapping[str, int]
    leaders: tuple[str, ...]
    same_selection: Estimate
    leading_feature: Mapping[str, float]
    tables: SensitivityTables
    notice: str = NOTICE

    def summary(self) -> str:
        """Constants, factors and where the tables are."""
        return f"{self.n_constants} constants, {self.n_factors} factors: {self.results}"

    def to_frame(self) -> pd.DataFrame:
        """Sobol indices: one row an output and factor."""
        return self.tables.sobol

    def to_dict(self) -> dict[str, Any]:
        """The summary as its file holds it: numbers to six significant digits."""
        tables = {
            part.name: _records(getattr(self.tables, part.name)) for part in fields(self.tables)
        }
        return {
            "experiment": self.config.name,
            "scenario": self.config.scenario,
            "seed": self.config.seed,
            "version": __version__,
            "notice": self.notice,
            "assumptions": self.assumptions,
            "judged": self.config.judged,
            "n_constants": self.n_constants,
            "n_factors": self.n_factors,
            "constants_by_strength": dict(self.constants_by_strength),
            "leaders": list(self.leaders),
            "outputs": tables["outputs"],
            "sobol": tables["sobol"],
            "variance_by_strength": tables["strengths"],
            "selection_by_chance_alone": {
                "same_selection": self.same_selection.value,
                "standard_error": self.same_selection.mc_error,
            },
            "leading_feature_share_of_worlds": dict(self.leading_feature),
            "scenario_weights": {
                "caveat": CAVEAT,
                "rows": tables["scenario_weights"],
                "findings": tables["findings"],
            },
        }

    def save(self) -> None:
        """Write every table and ``summary.json``."""
        for part in fields(self.tables):
            table: pd.DataFrame = getattr(self.tables, part.name)
            text = table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
            write_text(self.results / f"{part.name}.csv", text)
        write_json(self.results / "summary.json", self.to_dict())


def _records(table: pd.DataFrame) -> list[object]:
    """Rows ready for JSON: numbers to six significant digits, gaps as null."""
    rounded = table.copy()
    for name in table.select_dtypes("float"):
        rounded[name] = [float(f"{value:.6g}") for value in table[name]]
    return list(to_plain(rounded))


@dataclass(frozen=True)
class _Task:
    config: Sensitivity
    world: World
    products: list[Product]
    constants: list[Constant]
    strengths: dict[str, str]
    readout: ReadoutConfig
    workers: int

    @property
    def outputs(self) -> list[str]:
        return [output.name for output in self.readout.readouts]

    def felt(self, output: str) -> list[Constant]:
        """The constants that the product of an output can feel."""
        name = {readout.name: readout.product for readout in self.readout.readouts}[output]
        (product,) = [product for product in self.products if product.name == name]
        return [constant for constant in self.constants if is_felt(constant.key, product=product)]


def run_sensitivity(folder: Path, *, workers: int, begin: Begin) -> SensitivityResult:
    """Run one sensitivity experiment and write its tables and summary to ``results/``."""
    path = experiment_file(folder)
    config = build(Sensitivity, read_yaml(path), where=str(path))
    _check(config, where=str(path))
    world = load_world(config.scenario)
    support_of_scenarios = _weigh(config, load_findings(), world, workers, begin)
    task = _prepare(config, world, workers)
    screening = _screen(task, begin)
    leaders = most_influential(screening, n=config.leaders, leaving_out=[CHANCE])
    indices = _share_out(task, leaders, begin)
    made = SensitivityResult(
        config=config,
        results=path.parent / "results",
        assumptions=world.assumptions.digest,
        n_constants=len(task.constants),
        n_factors=len(factors_together(task.constants)),
        constants_by_strength=dict(sorted(Counter(task.strengths.values()).items())),
        leaders=tuple(leaders),
        same_selection=selection_by_chance(
            task.readout,
            n_judged=config.judged_patients,
            repeats=config.selection_repeats,
            seed=config.seed + 6,
        ),
        leading_feature=_leading_feature(task, indices.draws),
        tables=SensitivityTables(
            screening=_with_strength(task, screening),
            sobol=_with_strength(task, indices.tables[0]),
            strengths=variance_by_strength(indices.tables[1], counts=_counts(task), chance=CHANCE),
            outputs=_outputs(task, indices.draws),
            scenario_weights=support_of_scenarios.weights,
            findings=support_of_scenarios.findings,
        ),
    )
    made.save()
    return made


def _check(config: Sensitivity, *, where: str) -> None:
    """Refuse what would only fail after hours."""
    if config.points & (config.points - 1):
        raise InputError(
            where=where,
            key="points",
            found=config.points,
            expected="a power of 2",
            cure="state the power of 2 next to it, as 64 or 128 are",
        )
    if config.judged not in config.products:
        raise InputError(
            where=where,
            key="judged",
            found=config.judged,
            expected=f"one of the products: {', '.join(config.products)}",
            cure="name one of them",
        )
    if config.scenario not in config.scenarios:
        raise InputError(
            where=where,
            key="scenarios",
            found=", ".join(config.scenarios),
            expected=f"{config.scenario} among them, against which the others are weighed",
            cure="add it",
        )


def _leading_feature(task: _Task, draws: Values) -> dict[str, float]:
    """Share of worlds in which each feature has the largest coefficient."""
    first = task.outputs.index(f"coefficient_{FEATURES[0]}")
    coefficients = np.abs(draws[:, first : first + len(FEATURES)])
    leaders = Counter(FEATURES[k] for k in coefficients.argmax(axis=1))
    return {name: leaders[name] / len(draws) for name in FEATURES}


def _prepare(config: Sensitivity, world: World, workers: int) -> _Task:
    products = [load_product(name) for name in config.products]
    constants = uncertain_constants(world, products)
    readout = make_readout_config(
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
        readout,
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
        task.readout,
        factors=factors,
        n=config.screening_patients,
        n_judged=config.screening_judged_patients,
        seed=config.seed + 10**7,
        workers=task.workers,
        advance=advance,
    )
    return screen(
        evaluate,
        names=[*(factor.name for factor in factors), CHANCE],
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
        name if (name := factor_name(constant.key)) in chosen else OTHERS
        for constant in task.constants
    ]
    by_strength = [task.strengths[constant.key] for constant in task.constants]
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
        task.readout,
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
        output: {
            factor_name(constant.key): task.strengths[constant.key]
            for constant in task.felt(output)
        }
        for output in task.outputs
    }
    return table.assign(strength=[known[row.output].get(row.factor, "") for row in _rows(table)])


def _counts(task: _Task) -> dict[str, Counter[str]]:
    return {
        output: Counter(task.strengths[constant.key] for constant in task.felt(output))
        for output in task.outputs
    }


def _outputs(task: _Task, draws: Values) -> pd.DataFrame:
    """Each output in the reference world and over the priors (mean, SD, 5th, 50th and 95th
    percentile).
    """
    config = task.config
    reference = read_world(
        task.readout,
        values={},
        n=config.reference_patients,
        n_judged=config.reference_patients,
        seed=config.seed + 3,
    )
    low, middle, high = np.percentile(draws, [5.0, 50.0, 95.0], axis=0)
    return pd.DataFrame(
        {
            "output": task.outputs,
            "meaning": [output.meaning for output in task.readout.readouts],
            "product": [output.product for output in task.readout.readouts],
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
    arms = list(dict.fromkeys((group.product, group.regimen) for group in series))
    advance = begin("Simulating scenarios", len(config.scenarios) * len(arms))
    pools: dict[str, dict[str, Pool]] = {}
    for scenario in scenarios:
        world = replace(like, scenario=scenario, assumptions=scenario.apply(assumptions))
        pools[scenario.name] = {}
        for name, regimen in arms:
            here = [group for group in series if (group.product, group.regimen) == (name, regimen)]
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


LEADERS = 3  # factors printed for each output


def print_sensitivity(made: SensitivityResult, *, console: Console | None = None) -> None:
    """The leading constants of each output, the variance by strength, and the support of the
    scenarios.
    """
    out = console or console_of(130)
    tables = made.tables
    of_chance = _shares_of_chance(tables.strengths)
    _leading(tables.sobol, tables.outputs, of_chance).print(out)
    _by_strength(tables.strengths, tables.outputs, of_chance).print(out)
    out.print(f"{NOT_RESOLVED.capitalize()}: {RULE}")
    leading = ", ".join(
        f"{name} {100 * share:.0f}%" for name, share in made.leading_feature.items()
    )
    out.print(f"Feature with the largest coefficient, share of worlds: {leading}.")
    same = made.same_selection
    out.print(
        f"Selection for prophylaxis ({made.config.judged}): with nothing but other patients to"
        f" learn from, {100 * same.value:.0f}% of the selected stay the same (SE"
        f" {100 * (same.mc_error or 0.0):.1f})."
    )
    _scenarios(tables.scenario_weights).print(out)
    for line in (CAVEAT, made.notice, made.summary()):
        out.print(line)


def _rows(table: pd.DataFrame) -> Iterable[Any]:
    """Rows with a column under its name (pandas types none of them)."""
    return table.itertuples()


def _shares_of_chance(strengths: pd.DataFrame) -> dict[str, float]:
    """Chance's total share of the variance of each output."""
    return {row.output: row.with_others for row in _rows(strengths) if row.strength == CHANCE}


def _span(share: Estimate, *, chance: float | None) -> str:
    """A share with its interval. ``chance``: chance's total share of that output; None for a share
    of chance itself.

    >>> _span(Estimate(4.57, -1.3, 10.43), chance=0.1), _span(Estimate(0.2, 0.1, 0.3), chance=0.1)
    ('not resolved', '0.20 (0.10 to 0.30)')
    >>> _span(Estimate(0.2, 0.1, 0.3), chance=0.9)
    'not resolved'
    """
    return (
        f"{share.value:.2f} ({share.low:.2f} to {share.high:.2f})"
        if is_resolved(share.low, share.high, chance=chance)
        else NOT_RESOLVED
    )


def _leading(
    sobol: pd.DataFrame, outputs: pd.DataFrame, of_chance: Mapping[str, float]
) -> TextTable:
    rows, breaks = [], []
    for output in _rows(outputs):
        shares = sobol[sobol.output == output.output]
        leaders = shares.sort_values("total", ascending=False, kind="stable").head(LEADERS)
        spread = f"{output.median:.2f} ({output.p05:.2f} to {output.p95:.2f})"
        for k, row in enumerate(_rows(leaders)):
            chance = None if row.factor == CHANCE else of_chance[output.output]
            rows.append(
                (
                    output.meaning if k == 0 else "",
                    spread if k == 0 else "",
                    row.factor,
                    row.strength,
                    _span(Estimate(row.first, row.first_low, row.first_high), chance=chance),
                    _span(Estimate(row.total, row.total_low, row.total_high), chance=chance),
                )
            )
        breaks.append(len(rows) - 1)
    return text_table(
        "What moves what users act on: Sobol indices (95% interval)",
        (
            "output",
            "over the priors: median (5th to 95th)",
            "constant",
            "strength",
            "alone",
            "with others",
        ),
        rows,
        breaks=breaks,
    )


def _by_strength(
    strengths: pd.DataFrame, outputs: pd.DataFrame, of_chance: Mapping[str, float]
) -> TextTable:
    rows, breaks = [], []
    meanings = {output.output: output.meaning for output in _rows(outputs)}
    for name, shares in strengths.groupby("output", sort=False):
        for k, row in enumerate(_rows(shares)):
            is_chance = row.strength == CHANCE
            chance = None if is_chance else of_chance[str(name)]
            rows.append(
                (
                    meanings[str(name)] if k == 0 else "",
                    row.strength,
                    "" if is_chance else str(row.n_constants),
                    _span(Estimate(row.alone, row.alone_low, row.alone_high), chance=chance),
                    _span(
                        Estimate(row.with_others, row.with_others_low, row.with_others_high),
                        chance=chance,
                    ),
                )
            )
        breaks.append(len(rows) - 1)
    return text_table(
        "Share of the variance by strength of the constants (95% interval)",
        ("output", "strength", "constants", "alone", "with others"),
        rows,
        breaks=breaks,
    )


def _scenarios(weights: pd.DataFrame) -> TextTable:
    rows, breaks = [], []
    for chosen, supports in weights.groupby("findings", sort=False):
        for k, row in enumerate(_rows(supports)):
            rows.append(
                (
                    SETS[str(chosen)] if k == 0 else "",
                    row.scenario,
                    f"{row.bayes_factor:.3g} ({row.low:.3g} to {row.high:.3g})",
                    f"{row.weight:.2f} ({row.weight_mc_error:.2f})",
                )
            )
        breaks.append(len(rows) - 1)
    return text_table(
        "Support of the scenarios by findings on risk factors",
        (
            "findings",
            "scenario",
            "Bayes factor (95% Monte Carlo)",
            "weight under equal odds (MC error)",
        ),
        rows,
        breaks=breaks,
    )
