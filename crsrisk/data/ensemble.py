"""Ensemble: many sets of assumptions that the evidence cannot tell apart, with their weights.

In its folder the members are a table (``members.csv``); beside it stand where they come from
(``about.json``) and, when a sensitivity experiment was run, what the answers of the simulator rest
on (``sensitivity.json``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strength, Strict, digest_of
from crsrisk.data.files import write_text
from crsrisk.data.json_text import json_tree
from crsrisk.data.yaml_files import build, read_json_object
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.results import Estimate, Result

Values = NDArray[np.float64]
DIGITS = 5  # significant digits of a stored value: far finer than any of them is known


@dataclass(frozen=True, repr=False)
class Ensemble(Result):
    """Sets of assumptions that the published evidence cannot tell apart, with their weights.

    ``values`` has one row a member and one column a constant; ``keys`` name the constants;
    ``weights`` sum to 1.

    A key is ``assumption:engagement.t_gain``, ``product:tarlatamab.binding.tumour_affinity_nm``,
    ``policy:standard_astct.rescue_delay_h`` or ``mitigation:dexamethasone.half_effect_dose``.
    ``assumptions`` is the digest of the priors the members were drawn from.
    """

    keys: tuple[str, ...]
    values: Values
    weights: Values
    assumptions: str

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.weights), len(self.keys)) or not len(self.weights):
            raise InputError(
                where="ensemble",
                key="shape",
                found=f"{self.values.shape} values, {len(self.weights)} weights",
                expected=f"one row a member and {len(self.keys)} columns",
                cure="make the ensemble again: crsrisk run experiments/002_calibration",
            )

    def __len__(self) -> int:
        return len(self.weights)

    def summary(self) -> str:
        """Members, constants and effective size."""
        return (
            f"{len(self)} members of {len(self.keys)} constants, effective size"
            f" {self.effective_size:.1f}"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a member: its weight, then one column a constant."""
        table = pd.DataFrame(self.values, columns=list(self.keys))
        table.insert(0, "weight", self.weights)
        return table

    def member(self, k: int) -> dict[str, float]:
        """The constants of one member by key."""
        return dict(zip(self.keys, (float(value) for value in self.values[k]), strict=True))

    def head(self, n: int) -> Ensemble:
        """The first ``n`` members, for a quick look."""
        weights = self.weights[:n] / self.weights[:n].sum()
        return Ensemble(self.keys, self.values[:n], weights, self.assumptions)

    def without(self, keys: Collection[str]) -> Ensemble:
        """The members without some of their constants."""
        kept = [k for k, key in enumerate(self.keys) if key not in keys]
        return Ensemble(
            tuple(self.keys[k] for k in kept), self.values[:, kept], self.weights, self.assumptions
        )

    @property
    def digest(self) -> str:
        """Hash of every value and weight as they are stored: read again it is the same."""
        numbers = [[f"{value:.{DIGITS}g}" for value in row] for row in self.values.tolist()]
        # against the mean weight: a share like 1/256 would lie between two decimals
        weights = [f"{weight * len(self):.{DIGITS - 1}g}" for weight in self.weights.tolist()]
        return digest_of([self.keys, numbers, weights])

    @property
    def effective_size(self) -> float:
        """How many equally weighted members would carry as much (Kish)."""
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())


# in a sharing-out of variance: which patients were simulated, not what is known
CHANCE = "patients (chance)"


class Share(Strict):
    """The share of one output's variance that rests on constants of one strength, or on ``chance``;
    null = not estimable.

    ``alone``: what all of them do by themselves, over what all constants explain together (for
    chance: of the whole variance). ``with_others``: alone and together with others, of the whole
    variance. Both with 95% intervals.
    """

    strength: str
    n_constants: int = Field(ge=0)
    alone: float | None
    alone_low: float | None
    alone_high: float | None
    with_others: float | None
    with_others_low: float | None
    with_others_high: float | None

    @property
    def alone_share(self) -> Estimate | None:
        """``alone`` with its interval; None where it is not estimable."""
        return _estimate(self.alone, self.alone_low, self.alone_high)

    @property
    def total_share(self) -> Estimate | None:
        """``with_others`` with its interval; None where it is not estimable."""
        return _estimate(self.with_others, self.with_others_low, self.with_others_high)

    @model_validator(mode="after")
    def _known_strength(self) -> Share:
        if self.strength not in (*Strength, CHANCE):
            raise ValueError(
                f"strength among {', '.join((*Strength, CHANCE))}, found {self.strength!r}"
            )
        return self


def _estimate(value: float | None, low: float | None, high: float | None) -> Estimate | None:
    return None if value is None or low is None or high is None else Estimate(value, low, high)


class Leader(Strict):
    """A single constant that moves an output: its share of the variance, alone and with others,
    with a 95% interval.
    """

    factor: str
    strength: str
    total: float
    total_low: float
    total_high: float

    @property
    def share(self) -> Estimate:
        """``total`` with its interval."""
        return Estimate(self.total, self.total_low, self.total_high)


class OutputShares(Strict):
    """One output of the sensitivity analysis, how its variance is shared out, and the constants
    that move it most.
    """

    name: str
    meaning: str
    shares: list[Share]
    leaders: list[Leader] = Field(default_factory=list)


class SupportedScenario(Strict):
    """How far a set of published findings supports a scenario against the reference, with Monte
    Carlo errors.
    """

    findings: str
    scenario: str
    bayes_factor: float
    low: float
    high: float
    weight: float
    weight_mc_error: float


class ScenarioSupport(Strict):
    """The relative support of the scenarios; it is never shown without its caveat."""

    caveat: str = Field(min_length=20)
    rows: list[SupportedScenario] = Field(min_length=1)


class VarianceShares(Strict):
    """What the answers rest on, over the priors of the assumptions: of one sensitivity
    experiment.
    """

    experiment: str
    seed: int
    version: str
    notice: str
    outputs: list[OutputShares] = Field(min_length=1)
    support: ScenarioSupport | None = None


class EnsembleAbout(Strict):
    """Where an ensemble comes from, of which scenario its worlds are, and how large it is."""

    experiment: str
    seed: int
    version: str
    targets: list[str]
    n_members: int
    effective_size: float
    scenario: str = "reference"


def ensemble_folder() -> Path:
    """Folder of the ensemble that ships."""
    return synthetic_folder() / "ensemble"


def save_ensemble(ensemble: Ensemble, folder: Path, *, about: dict[str, object]) -> None:
    """Write ``members.csv`` (weight, then one column a constant) and ``about.json`` (digest, seed,
    version, targets).
    """
    text = ensemble.to_frame().to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    write_text(folder / "members.csv", text)
    tree = {**about, "n_members": len(ensemble), "assumptions": ensemble.assumptions}
    write_text(folder / "about.json", json.dumps(tree, indent=1) + "\n")


def load_ensemble(folder: Path | None = None) -> Ensemble:
    """The ensemble of a folder (without one: the one that ships). Raises :class:`InputError` when
    it is not whole.
    """
    place = folder or ensemble_folder()
    cure = "give the folder with members.csv, or make it: crsrisk run experiments/002_calibration"
    try:
        table = pd.read_csv(place / "members.csv")
        about = json_tree((place / "about.json").read_text())
    except (OSError, ValueError) as problem:
        raise InputError(
            where=str(place),
            key="members.csv",
            found=type(problem).__name__,
            expected="members.csv and about.json",
            cure=cure,
        ) from problem
    is_whole = (
        isinstance(about, dict)
        and "weight" in table
        and len(table) == about.get("n_members")
        and bool(np.isfinite(table.to_numpy()).all())
    )
    if not is_whole:
        raise InputError(
            where=str(place / "members.csv"),
            key="rows",
            found=f"{len(table)} rows",
            expected=f"{about.get('n_members')} members with a weight and no gaps",
            cure=cure,
        )
    weights = table["weight"].to_numpy(dtype=np.float64)
    values = table.drop(columns="weight")
    return Ensemble(
        tuple(values.columns),
        values.to_numpy(dtype=np.float64),
        weights / weights.sum(),
        str(about.get("assumptions", "")),
    )


_N_LEADERS = 3


def load_ensemble_about(folder: Path | None = None) -> EnsembleAbout | None:
    """Origin and size of the ensemble in a folder (without one: of the one that ships); None when
    there is none.

    Raises :class:`InputError` for a file that does not say them.
    """
    path = (folder or ensemble_folder()) / "about.json"
    tree = read_json_object(
        path,
        cure="make it: crsrisk run experiments/002_calibration, then crsrisk adopt its results",
    )
    if tree is None:
        return None
    return build(
        EnsembleAbout,
        {key: tree[key] for key in EnsembleAbout.model_fields if key in tree},
        where=path.name,
    )


def load_variance_shares(folder: Path | None = None) -> VarianceShares | None:
    """How the variance of each output is shared out, from ``sensitivity.json``; None when it was
    not computed.

    The file is a copy of ``results/summary.json`` of a sensitivity experiment. Raises
    :class:`InputError` for a file that is no such summary.
    """
    path = (folder or ensemble_folder()) / "sensitivity.json"
    tree = read_json_object(
        path,
        cure="make it: crsrisk run experiments/003_sensitivity, then copy results/summary.json",
    )
    if tree is None:
        return None
    chosen: dict[str, Any] = {
        key: tree[key] for key in ("experiment", "seed", "version", "notice") if key in tree
    }
    outputs, rows = tree.get("outputs"), tree.get("variance_by_strength")
    if not _name_their_output(outputs) or not _name_their_output(rows):
        raise InputError(
            where=path.name,
            key="variance_by_strength",
            found="no list of rows that name their output",
            expected="outputs and variance_by_strength, as a sensitivity experiment writes them",
            cure="copy results/summary.json of crsrisk run experiments/003_sensitivity",
        )
    shares: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        shares.setdefault(row["output"], []).append(
            {key: value for key, value in row.items() if key != "output"}
        )
    chosen["outputs"] = [
        {
            "name": output["output"],
            "meaning": output.get("meaning", output["output"]),
            "shares": shares.get(output["output"], []),
            "leaders": _leaders(tree.get("sobol"), output["output"]),
        }
        for output in outputs
    ]
    if isinstance(support := tree.get("scenario_weights"), dict):
        chosen["support"] = {
            "caveat": support.get("caveat"),
            "rows": _only(support.get("rows", []), SupportedScenario.model_fields),
        }
    return build(VarianceShares, chosen, where=path.name)


def _leaders(sobol: Any, output: str) -> list[dict[str, Any]]:
    """The single constants with the largest share of an output's variance, at most three, those
    that move it only.
    """
    rows = [
        row
        for row in sobol or []
        if row["output"] == output and row["strength"] and (row["total"] or 0.0) > 0.0
    ]
    return _only(sorted(rows, key=lambda row: -row["total"])[:_N_LEADERS], Leader.model_fields)


def _only(rows: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[dict[str, Any]]:
    kept = tuple(keys)
    return [{key: row[key] for key in kept if key in row} for row in rows]


def _name_their_output(tree: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(tree, list) and all(
        isinstance(row, dict) and isinstance(row.get("output"), str) for row in tree
    )
