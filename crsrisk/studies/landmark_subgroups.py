"""Landmark subgroups: do the landmark models hold in patients with fever, low pressure, low
saturation or high IL-6, and where a pressure or a saturation is missing?

A low saturation before any support is rare, and mostly of patients whose own is low. So of many
drawn patients all those are simulated, and of the others the first ones, by weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.files import write_json, write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.evaluation.landmark_groups import (
    FEWEST,
    FROM_BAND_TO_BAND,
    LARGEST_GAP,
    N_ERRORS,
    SHARE_OFF,
    JudgedDirection,
    JudgedGap,
    JudgedGroup,
    judge_directions,
    judge_gaps,
    judge_groups,
    ward_groups,
)
from crsrisk.folders import find
from crsrisk.model.landmark import landmark_table
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.results import Result
from crsrisk.simulation.cohort import stream_cohort
from crsrisk.simulation.population import TRAITS, Draws
from crsrisk.studies.experiment import experiment_file, place_of, products_of
from crsrisk.terminal import TextTable, console_of, text_table
from crsrisk.wording import MISSING as NO_FIGURE

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
# by what is missing: the quantities whose readings after the dose are emptied
MISSING: Mapping[str, tuple[str, ...]] = {
    "pressure": ("map_mmhg",),
    "saturation": ("spo2_pct",),
    "pressure and saturation": ("map_mmhg", "spo2_pct"),
    "IL-6": ("il6_pg_ml",),
    "all but temperature and CRP": ("map_mmhg", "spo2_pct", "il6_pg_ml", "ferritin_ug_l"),
}
_CHUNK = 200_000  # patients drawn at one time, of whom few are simulated
NOTICE = "Synthetic data, no external validation: the judging patients are of the same world."


class LandmarkSubgroups(Strict):
    """What the experiment asks and how much it may compute. No product named: all that ship.

    ``drawn`` patients are drawn; those with a saturation of their own below ``prone_below`` SD are
    simulated, and of the others the first ``patients``.
    """

    kind: str
    name: str
    question: str
    models: list[str] = Field(min_length=1)
    scenario: str
    products: list[str]
    seed: int = Field(ge=0)
    patients: int = Field(ge=1000)
    drawn: int
    prone_below: float = Field(lt=0.0)

    @model_validator(mode="after")
    def _drawn_holds_them(self) -> LandmarkSubgroups:
        if self.drawn < self.patients:
            raise ValueError("drawn of at least as many as patients")
        return self


@dataclass(frozen=True)
class Judges:
    """Patients at risk at the landmark, without gaps, and how many each stands for."""

    table: pd.DataFrame
    outcomes: pd.DataFrame
    weight: Floats


@dataclass(frozen=True)
class JudgedModel:
    """One model in every group, and with readings missing; and what the simulation says of the
    directions of vital signs, for its outcome.
    """

    model: str
    outcome: str
    groups: tuple[JudgedGroup, ...]
    gaps: tuple[JudgedGap, ...]
    directions: tuple[JudgedDirection, ...]


@dataclass(frozen=True, repr=False)
class LandmarkSubgroupsResult(Result):
    """Predicted against observed in every group of every model."""

    name: str
    question: str
    config: LandmarkSubgroups
    n_simulated: int
    models: tuple[JudgedModel, ...]
    notice: str = NOTICE

    def summary(self) -> str:
        """Question, and what misses of each model."""
        lines = [f"{self.name}: {self.question}"]
        for judged in self.models:
            rows: list[JudgedGroup | JudgedGap | JudgedDirection]
            rows = [*judged.groups, *judged.gaps, *judged.directions]
            missed = [row for row in rows if row.verdict == "misses"]
            lines.append(f"{judged.model}: {len(missed)} of {len(rows)} judged miss")
        return "\n".join([*lines, self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a model and group."""
        return pd.DataFrame(
            [
                {"model": judged.model, **vars(row)}
                for judged in self.models
                for row in judged.groups
            ]
        )

    def tables(self) -> tuple[TextTable, ...]:
        """Groups and gaps of every model."""
        made = []
        for judged in self.models:
            made.append(
                text_table(
                    f"{judged.model}, {judged.outcome}: holds where |predicted - observed| <="
                    f" max({LARGEST_GAP:g}, {N_ERRORS:g} Monte Carlo errors), by {FEWEST}"
                    " patients or more",
                    ("group", "product", "patients", "refused", *_FIGURES),
                    [
                        (
                            row.group,
                            row.product or "all",
                            f"{row.n:,}",
                            f"{100 * row.share_refused:.0f}%",
                            *_figures(row),
                        )
                        for row in judged.groups
                    ],
                )
            )
            made.append(
                text_table(
                    f"{judged.model}, missing of everybody: holds where the mean risk is within"
                    f" {100 * SHARE_OFF:g}% of the observed rate, or {N_ERRORS:g} Monte Carlo"
                    " errors",
                    ("missing", "product", "patients", *_FIGURES),
                    [
                        (row.missing, row.product or "all", f"{row.n:,}", *_figures(row))
                        for row in judged.gaps
                    ],
                )
            )
            made.append(
                text_table(
                    f"{judged.outcome}, directions as simulated: holds where in no worse band of a"
                    f" vital sign the observed share is lower by {FROM_BAND_TO_BAND:g} Monte Carlo"
                    " errors",
                    ("vital sign", "product", "grade", "patients", "largest fall", "verdict"),
                    [
                        (
                            row.vital_sign,
                            row.product,
                            str(row.grade),
                            f"{row.n:,}",
                            NO_FIGURE if row.largest_fall is None else f"{row.largest_fall:.1f}",
                            row.verdict,
                        )
                        for row in judged.directions
                    ],
                )
            )
        return tuple(made)

    def to_markdown(self) -> str:
        """The tables as a page."""
        lines = [f"# {self.name}: {self.question}", ""]
        for table in self.tables():
            lines += [f"{table.title}.", "", *table.markdown(), ""]
        return "\n".join([*lines, self.notice, ""])

    def save(self, folder: Path) -> None:
        """Write ``summary.json`` and ``table.md``."""
        write_json(folder / "summary.json", self.to_dict())
        write_text(folder / "table.md", self.to_markdown())


_FIGURES = ("predicted", "observed", "MC error", "verdict")


def _figures(row: JudgedGroup | JudgedGap) -> tuple[str, ...]:
    return (
        *(f"{value:.4f}" for value in (row.predicted, row.observed, row.mc_error)),
        row.verdict,
    )


def run_landmark_subgroups(folder: Path, *, workers: int, begin: Begin) -> LandmarkSubgroupsResult:
    """Run one such experiment; writes ``summary.json`` and ``table.md`` to ``results/``."""
    path = experiment_file(folder)
    config = build(LandmarkSubgroups, read_yaml(path), where=str(path))
    models = [load_model(find("released", name)) for name in config.models]
    hours = {model.contract.landmark_h for model in models}
    if len(hours) > 1 or 0 in hours:
        raise InputError(
            where=str(path),
            key="models",
            found=f"models of {', '.join(f'{hour} h' for hour in sorted(hours))}",
            expected="models of one landmark",
            cure="judge the models of each landmark in an experiment of their own",
        )
    judges = judging_patients(config, hour=hours.pop(), workers=workers, begin=begin)
    made = LandmarkSubgroupsResult(
        name=config.name,
        question=config.question,
        config=config,
        n_simulated=len(judges.table),
        models=tuple(judge_model(model, judges) for model in models),
    )
    made.save(path.parent / "results")
    return made


def print_landmark_subgroups(made: LandmarkSubgroupsResult) -> None:
    """The tables on the terminal."""
    console = console_of(150)
    for table in made.tables():
        table.print(console)
    console.print(made.summary())


def judging_patients(config: LandmarkSubgroups, *, hour: int, workers: int, begin: Begin) -> Judges:
    """Patients still at risk at ``hour``: all who are prone, and of the others the first, by
    weight.
    """
    part = place_of(config.scenario, products=products_of(config.products)).only
    advance = begin("Simulating the judging patients", config.drawn)
    saturation = TRAITS.index("spo2")

    def chosen(draws: Draws) -> NDArray[np.bool_]:
        is_prone = draws.traits[:, saturation] < config.prone_below
        prone.append(draws.patient_id[is_prone])
        advance(len(is_prone))
        return is_prone | (draws.patient_id < config.patients)

    prone: list[NDArray[np.int64]] = []
    tables, outcomes = [], []
    for cohort in stream_cohort(
        list(part.arms.values()),
        world=part.world,
        n_patients=config.drawn,
        seed=config.seed,
        workers=workers,
        chunk=_CHUNK,
        chosen=chosen,
    ):
        known = landmark_table(cohort.observed, cohort.course, hour=hour)
        tables.append(known)
        outcomes.append(cohort.outcomes.loc[known.index])
    table = pd.concat(tables, ignore_index=True)
    is_prone = np.isin(table["patient_id"].to_numpy(), np.concatenate(prone))
    weight = np.where(is_prone, 1.0, config.drawn / config.patients)
    return Judges(table, pd.concat(outcomes, ignore_index=True), weight)


def judge_model(model: RiskModel, judges: Judges) -> JudgedModel:
    """One model in every group of its landmark, and with each reading missing."""
    event = judges.outcomes[model.contract.outcome].to_numpy(dtype=np.float64)
    table = judges.table.drop(columns="patient_id")
    return JudgedModel(
        model=model.label,
        outcome=model.contract.outcome_in_words,
        groups=judge_groups(
            ward_groups(hour=model.contract.landmark_h),
            table,
            risk=predict(model, table).risk,
            event=event,
            weight=judges.weight,
        ),
        gaps=judge_gaps(
            {
                missing: predict(model, without(table, quantities)).risk
                for missing, quantities in MISSING.items()
            },
            table,
            event=event,
            weight=judges.weight,
        ),
        directions=judge_directions(
            table, hour=model.contract.landmark_h, event=event, weight=judges.weight
        ),
    )


def without(table: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """The landmark table with no reading of these quantities after the dose."""
    emptied = [
        name for name in table.columns if "__" in name and name.partition("__")[0] in quantities
    ]
    return table.assign(**dict.fromkeys(emptied, np.nan))
