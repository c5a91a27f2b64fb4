"""The grid of simulated regimens that the explorer looks up: ``regimens.json.gz`` of the ensemble.

Made by ``crsrisk run experiments/016_regimen_grid``; of one world, ensemble and model, whose
digests it carries.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import Ensemble, ensemble_folder
from crsrisk.data.files import gunzipped
from crsrisk.data.json_text import json_tree
from crsrisk.data.world import World
from crsrisk.data.yaml_files import build

GRID_FORMAT: Literal["crsrisk-regimens-2"] = "crsrisk-regimens-2"
_LARGEST_TEXT = 50_000_000


class GridFigure(Strict):
    """A rate that a trial would report: median with its 95% predictive interval, a share."""

    median: float
    low: float
    high: float
    mc_error: float


class GridArm(Strict):
    """One setting. ``rates_per_mille``: grade 2 or more in each member, in their order."""

    design: dict[str, Any]
    figures: dict[str, GridFigure]
    rates_per_mille: list[int]


class RiskBand(Strict):
    """Patients of like predicted risk (``below`` a share; the last band has no end): ``kept``, the
    share of those with grade 2 or more who still have it; ``caused``, of the others who now do.
    """

    below: float | None
    n_with_event: int
    n_without: int
    kept: float | None
    caused: float | None


class ThresholdValue(Strict):
    """Who is treated at a predicted risk of so many percent or more, for 100 patients."""

    percent: float
    treated_per_100: float
    averted_per_100: float
    low: float
    high: float
    mc_error: float
    needless_per_100: float


class AgentOrChange(Strict):
    """What an agent or a change of the regimen does to the same simulated patients, for 100: events
    of grade 2 or more without and with it, averted with the middle 95% over members of the ensemble
    and the Monte Carlo error.
    """

    label: str
    kind: str
    usual_per_100: float
    changed_per_100: float
    averted_per_100: float
    low: float
    high: float
    mc_error: float
    bands: list[RiskBand]
    thresholds: list[ThresholdValue]


class PlannedDoses(Strict):
    """Doses of the regimen as planned: hours after the first, amounts in ``unit``, and the hours in
    which CRS counts.
    """

    times_h: list[float]
    amounts: list[float]
    unit: str
    window_h: float


class HeldOutSetting(Strict):
    """A setting between those of the grid that was simulated to see how far interpolation is
    off.
    """

    design: dict[str, Any]
    figures: dict[str, GridFigure]


class InterpolationError(Strict):
    """The largest of median, low and high that an interpolated setting is off: in the median and in
    the worst of the settings held out, of 100 patients.
    """

    typical_per_100: float
    largest_per_100: float


class Interpolation(Strict):
    """Settings held out, and the errors by figure; ``change_of_grade2plus`` is the difference from
    the regimen as planned.
    """

    held_out: list[HeldOutSetting]
    errors: dict[str, InterpolationError]


class Settings(Strict):
    """All simulated settings of a product."""

    product: str
    doses: PlannedDoses
    arms: list[GridArm]


class ProductGrid(Settings):
    """Settings of a product, what is known between them, and what can be changed.

    ``liver_metastases_share``: of the patients where no share is asked for.
    """

    liver_metastases_share: float
    interpolation: Interpolation
    changes: list[AgentOrChange]


class RegimenGrid(Strict):
    """Settings of every product: ``members`` of ``patients`` each. ``world``, ``ensemble`` and
    ``model`` say what they were simulated with. Between settings a page interpolates where that is
    off by ``most_error_per_100`` of 100 patients at most.
    """

    format: Literal["crsrisk-regimens-2"]
    world: str
    ensemble: str
    model: str
    model_sha256: str
    members: int
    patients: int
    seed: int
    most_error_per_100: float
    products: list[ProductGrid]

    def is_of(self, world: World, ensemble: Ensemble) -> bool:
        """Whether it was simulated in this world and under this ensemble."""
        return (self.world, self.ensemble) == (world.digest, ensemble.digest)

    def agents(self) -> set[str]:
        """Names of what is given before the first dose in any setting."""
        return {
            name for one in self.products for arm in one.arms for name in arm.design["prophylaxis"]
        }


def grid_path() -> Path:
    """Where the grid that ships stands."""
    return ensemble_folder() / "regimens.json.gz"


@lru_cache(maxsize=1)
def load_regimen_grid() -> RegimenGrid | None:
    """The grid that ships; None without one."""
    place = grid_path()
    if not place.is_file():
        return None
    tree = json_tree(gunzipped(place.read_bytes(), most=_LARGEST_TEXT))
    return build(RegimenGrid, tree, where=place.name)
