"""A regimen as a trial designer changes it: the file that the explorer's second tab writes and
``crsrisk forecast --design`` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.product import Product, Regimen
from crsrisk.data.world import World
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError

DESIGNED = "designed"  # name of the changed regimen
AsPlanned = Literal["as_planned", "none"]
_LARGEST_MULTIPLE = 10.0


class RegimenDesign(Strict):
    """Changes of one regimen of a product, the prophylaxis and the patients it is given to.

    Parameters
    ----------
    product, regimen : the product by name, and one of its regimens (without one: its own).
    step_up : ``none`` gives the last amount from the first dose on.
    first_dose_multiple : times the amount of the first dose (after ``step_up``).
    interval_multiple : times the hours between doses.
    premedication : ``none`` leaves out what the regimen gives with its doses.
    prophylaxis : agents before the first dose, by name.
    liver_metastases_share : share of patients with them, 0 to 1; without one as in the population.
    patients : simulated patients a member of the ensemble.
    seed : equal seeds give equal forecasts.
    """

    product: str
    regimen: str | None = None
    step_up: AsPlanned = "as_planned"
    first_dose_multiple: float = Field(default=1.0, gt=0.0, le=_LARGEST_MULTIPLE)
    interval_multiple: float = Field(default=1.0, gt=0.0, le=_LARGEST_MULTIPLE)
    premedication: AsPlanned = "as_planned"
    prophylaxis: list[str] = Field(default_factory=list)
    liver_metastases_share: float | None = Field(default=None, ge=0.0, le=1.0)
    patients: int = Field(default=160, ge=16)
    seed: int = Field(default=1, ge=0)

    def product_of(self, shipped: Product) -> Product:
        """The product with the changed regimen as its own.

        Raises :class:`InputError` for a regimen that the product does not have.
        """
        name = self.regimen or shipped.default_regimen
        if name not in shipped.regimens:
            raise InputError(
                where=f"regimen design of {shipped.name}",
                key="regimen",
                found=name,
                expected=f"one of {', '.join(shipped.regimens)}",
                cure="correct the name, or leave it out",
            )
        changed = self._changed(shipped.regimens[name])
        return shipped.model_copy(
            update={
                "regimens": {**shipped.regimens, DESIGNED: changed},
                "default_regimen": DESIGNED,
            }
        )

    def world_of(self, world: World, *, product: Product) -> World:
        """The world in which so many patients have liver metastases."""
        if self.liver_metastases_share is None:
            return world
        populations = dict(world.populations)
        for name in (product.population, *product.further_populations):
            shares = populations[name].shares
            share = shares.has_liver_metastases.model_copy(
                update={"value": self.liver_metastases_share, "range": [0.0, 1.0]}
            )
            populations[name] = populations[name].model_copy(
                update={"shares": shares.model_copy(update={"has_liver_metastases": share})}
            )
        return replace(world, populations=populations)

    def _changed(self, regimen: Regimen) -> Regimen:
        doses = regimen.doses
        if self.step_up == "none":
            doses = [dose.model_copy(update={"amount": doses[-1].amount}) for dose in doses]
        first = doses[0].model_copy(update={"amount": doses[0].amount * self.first_dose_multiple})
        doses = [
            dose.model_copy(update={"time_h": dose.time_h * self.interval_multiple})
            for dose in (first, *doses[1:])
        ]
        premedication = [] if self.premedication == "none" else regimen.premedication
        return regimen.model_copy(update={"doses": doses, "premedication": premedication})


def settings_of(design: RegimenDesign) -> dict[str, Any]:
    """What is changed, without the product and how it is simulated."""
    return design.model_dump(exclude={"product", "regimen", "patients", "seed"})


def load_regimen_design(path: str | Path, *, beside: Sequence[str] = ()) -> RegimenDesign:
    """Read a design file; ``beside``: names of what was stated besides, which only the file may
    say.

    Raises :class:`InputError` for an unknown key, a value that cannot be, and anything beside it.
    """
    place = Path(path).expanduser()
    if beside:
        raise InputError(
            where="forecast",
            key="--design",
            found=f"{', '.join(beside)} beside it",
            expected="product, regimen, prophylaxis, patients and seed as the file says them",
            cure=f"leave them out, or write them into {place.name}",
        )
    return build(RegimenDesign, read_yaml(place), where=place.name)
