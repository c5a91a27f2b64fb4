"""Shift: train under one set of assumptions, test under another, for every pair: an external
validation in many worlds.

The row says where the model was trained, the column where it is tested. One row is a control: a
model of the first scenario's patients with outcomes dealt out anew knows nothing, and must show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console
from rich.table import Table

from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.leaks import with_permuted_outcomes
from crsrisk.evaluation.resampling import measure_all
from crsrisk.folders import names
from crsrisk.model.comparators import ProductRate
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.places import Place, mixed_place, patients_from, place_of, products_of
from crsrisk.threads import side_by_side

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
ENSEMBLE, CONTROL = "ensemble", "control: outcomes dealt out anew"
MEASURES = {
    "gain": (
        "log loss gained over the product rates of the training world, nats (above 0: the model"
        " helps)"
    ),
    "lost": "log loss lost to the model trained in the test world, nats (0: nothing)",
    "auroc_within_product": "AUROC among pairs of one product",
    "in_the_large": "calibration-in-the-large: intercept with slope 1 (above 0: risks are too low)",
    "slope": "calibration slope (below 1: risks are too extreme)",
}
NOTICE = (
    "Synthetic data, no external validation. Every repeat trains in some simulated hospitals and"
    " tests in others; apart from that the worlds differ in their assumptions alone, and real"
    " hospitals in more."
)


class Shift(Strict):
    """What a shift experiment asks and how much it may compute. No scenario or product named: all
    that ship.
    """

    kind: str
    name: str
    question: str
    config: str
    scenarios: list[str]
    products: list[str]
    ensemble_members: int = Field(ge=0)
    seed: int = Field(ge=0)
    repeats: int = Field(ge=2)
    training_patients: int = Field(ge=200)
    test_patients: int = Field(ge=200)


@dataclass(frozen=True)
class Cell:
    """One pair of worlds: mean of each measure over the repeats and its Monte Carlo error."""

    trained: str
    tested: str
    figures: dict[str, dict[str, float | None]]


def run_shift(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run one shift experiment; writes ``summary.json`` and ``matrix.md`` to ``results/`` and gives
    the summary.
    """
    path = experiment_file(folder)
    config = build(Shift, read_yaml(path), where=str(path))
    places = _places(config)
    advance = begin("Training and testing in every world", config.repeats * len(places))
    with side_by_side(workers) as pool:
        found = [
            _one_repeat(config, places, repeat, workers, pool, advance)
            for repeat in range(config.repeats)
        ]
    tree = {
        "name": config.name,
        "question": config.question,
        "measures": MEASURES,
        "worlds": [place.name for place in places],
        "config": config.model_dump(),
        "cells": [
            {"trained": cell.trained, "tested": cell.tested, **cell.figures}
            for cell in cells_of(found)
        ],
        "ademp": _ademp(config),
        "notice": NOTICE,
    }
    results = path.parent / "results"
    write_json(results / "summary.json", tree)
    write_text(results / "matrix.md", matrix_markdown(tree))
    return tree


def cells_of(repeats: Sequence[dict[tuple[str, str], dict[str, float]]]) -> list[Cell]:
    """Mean over repeats and its standard error, cell by cell; repeats that could not give a figure
    are left out.

    A slope does not exist where a model gives everybody the same risk; with fewer than two figures
    value and error are None.

    >>> one, two = ({("a", "b"): {"gain": value}} for value in (0.1, 0.3))
    >>> {name: round(value, 3) for name, value in cells_of([one, two])[0].figures["gain"].items()}
    {'value': 0.2, 'mc_error': 0.1, 'n': 2}
    """
    return [
        Cell(
            *pair,
            {name: _mean_of([one[pair][name] for one in repeats]) for name in repeats[0][pair]},
        )
        for pair in repeats[0]
    ]


def _mean_of(values: Sequence[float]) -> dict[str, float | None]:
    known = np.array([value for value in values if np.isfinite(value)])
    if known.size < 2:
        return {"value": None, "mc_error": None, "n": known.size}
    return {
        "value": float(known.mean()),
        "mc_error": float(known.std(ddof=1) / known.size**0.5),
        "n": known.size,
    }


def matrix_markdown(tree: dict[str, Any]) -> str:
    """Every measure as a table of worlds, each figure with its Monte Carlo error."""
    cells = {(cell["trained"], cell["tested"]): cell for cell in tree["cells"]}
    rows = list(dict.fromkeys(trained for trained, _ in cells))
    lines = [
        f"# {tree['name']}: {tree['question']}",
        "",
        (
            "Rows: where the model was trained. Columns: where it is tested. In brackets the Monte"
            " Carlo error."
        ),
        "",
    ]
    for measure, words in tree["measures"].items():
        lines += [
            f"## {words[0].upper()}{words[1:]}",
            "",
            f"| trained \\ tested | {' | '.join(tree['worlds'])} |",
            f"|---|{'---|' * len(tree['worlds'])}",
        ]
        for row in rows:
            told = [_told(cells[row, column][measure], measure) for column in tree["worlds"]]
            lines.append(f"| {row} | {' | '.join(told)} |")
        lines.append("")
    return "\n".join([*lines, tree["notice"], ""])


def print_shift(tree: dict[str, Any]) -> None:
    """The gain and AUROC of every pair on the terminal."""
    console = Console(width=max(Console().width, 130))
    cells = {(cell["trained"], cell["tested"]): cell for cell in tree["cells"]}
    for measure in ("gain", "auroc_within_product", "slope"):
        table = Table(title=f"{tree['measures'][measure]} (Monte Carlo error)")
        for name in ("trained \\ tested", *tree["worlds"]):
            table.add_column(name)
        for row in dict.fromkeys(trained for trained, _ in cells):
            table.add_row(
                row, *(_told(cells[row, column][measure], measure) for column in tree["worlds"])
            )
        console.print(table)
    console.print(tree["notice"])


def _told(figure: dict[str, float | None], measure: str) -> str:
    if figure["value"] is None:
        return "-"
    digits = 2 if measure in ("auroc_within_product", "in_the_large", "slope") else 4
    return f"{figure['value']:.{digits}f} ({figure['mc_error']:.{digits + 1}f})"


def _places(config: Shift) -> list[Place]:
    products = products_of(config.products)
    places = [place_of(name, products=products) for name in config.scenarios or names("scenarios")]
    if config.ensemble_members:
        places.append(
            mixed_place(
                ENSEMBLE,
                ensemble=load_ensemble(),
                n_members=config.ensemble_members,
                products=products,
                seed=config.seed,
            )
        )
    return places


def _one_repeat(
    config: Shift,
    places: Sequence[Place],
    repeat: int,
    workers: int,
    pool: Executor,
    advance: Callable[[int], None],
) -> dict[tuple[str, str], dict[str, float]]:
    """Train and test in every world once, on patients that no other repeat has."""
    seed = config.seed + 2 * repeat
    recipe = load_config(config.config)
    training = {
        place.name: patients_from(place, n=config.training_patients, seed=seed, workers=workers)
        for place in places
    }
    first = training[places[0].name]
    training[CONTROL] = Cohort(
        first.observed,
        with_permuted_outcomes(first.outcomes, seed=seed),
        first.course,
        first.truth,
        first.manifest,
    )

    def learn(name: str) -> tuple[RiskModel, ProductRate]:
        cohort = training[name]
        event = cohort.outcomes[recipe.outcome].to_numpy()
        model = fit(cohort.observed, cohort.outcomes, config=recipe, seed=seed)
        advance(name != CONTROL)
        return model, ProductRate().fit(cohort.observed, event)

    learnt = dict(zip(training, pool.map(learn, training), strict=True))
    found = {}
    for place in places:
        test = patients_from(place, n=config.test_patients, seed=seed + 1, workers=workers)
        event, product = (
            test.outcomes[recipe.outcome].to_numpy(),
            test.observed["product"].to_numpy(dtype=str),
        )
        measured = {
            name: measure_all(event, risk=_risk(model, test), group=product)
            for name, (model, _) in learnt.items()
        }
        for name, (_, rates) in learnt.items():
            of_rates = measure_all(event, risk=rates.predict_proba(test.observed)[:, 1])
            found[name, place.name] = {
                "gain": of_rates["log_loss"] - measured[name]["log_loss"],
                "lost": measured[name]["log_loss"] - measured[place.name]["log_loss"],
                **{
                    key: measured[name][key]
                    for key in ("auroc_within_product", "in_the_large", "slope")
                },
            }
    return found


def _risk(model: RiskModel, test: Cohort) -> Values:
    """Risks without the account of every row, which nobody reads here."""
    return model.calibrator.risk(raw_log_odds(model, test.observed))


def _ademp(config: Shift) -> dict[str, str]:
    return {
        "aims": config.question,
        "data_generating_mechanisms": (
            "every shipped scenario, and members of the ensemble mixed; rows are training worlds, "
            "columns test worlds"
        ),
        "estimands": "; ".join(MEASURES.values()),
        "methods": (
            f"the model of models/configs/{config.config}.yaml, trained on"
            f" {config.training_patients} patients"
        ),
        "performance_measures": (
            f"means over {config.repeats} independent repeats of {config.test_patients} test"
            " patients; Monte Carlo error = SD over repeats / root of their number"
        ),
    }
