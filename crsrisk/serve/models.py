"""Models that are served: of a folder of model folders, or the released ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.model.companions import load_companions
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import CONTRACT, load_model
from crsrisk.studies.one_risk import Cell, SingleRisk
from crsrisk.studies.serving import example_request


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One model: its folder, what it says of single patients, and whether patients are simulated
    beside it (of grade 2 or more alone).
    """

    folder: Path
    single: SingleRisk

    @property
    def model(self) -> RiskModel:
        """The model itself."""
        return self.single.model

    @property
    def has_simulation(self) -> bool:
        """Whether the outcome is what the simulator compares plans by."""
        return self.model.contract.outcome == "crs_grade2plus"


def served_models(folder: Path | None) -> Mapping[str, ServedModel]:
    """Every model of a folder, which may itself be one, by name and version; without a folder the
    released ones.

    Raises
    ------
    InputError
        For a folder without a model, a broken model, and one name twice.
    """
    if folder is None:
        places = [find("released", name) for name in names("released")]
    elif (folder / CONTRACT).is_file():
        places = [folder]
    else:
        places = sorted(one.parent for one in folder.glob(f"*/{CONTRACT}"))
    if not places:
        raise InputError(
            where=str(folder),
            key="--models",
            found="no model",
            expected="a folder of model folders, as crsrisk train writes them",
            cure="check the path; without --models the released ones are served",
        )
    served: dict[str, ServedModel] = {}
    for place in places:
        model = load_model(place)
        beside = load_companions(place, model=model, has_neighbour=False)
        if model.label in served:
            raise InputError(
                where=str(place),
                key="--models",
                found=f"{model.label} a second time",
                expected="each name and version once",
                cure="take one of the two out of the folder",
            )
        served[model.label] = ServedModel(place.resolve(), SingleRisk.of(model, beside))
        _warm(served[model.label].single)
    return served


def _warm(single: SingleRisk) -> None:
    """Score a made-up patient both ways, so that nobody's first request waits for the compiler."""
    row = example_request(single.model).iloc[0].to_dict()
    patient: dict[str, Cell] = {
        str(name): cell.item() if isinstance(cell, np.generic) else cell
        for name, cell in row.items()
    }
    single.score_plain(patient)
    single.by_table(patient)
