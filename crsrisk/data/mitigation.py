"""Mitigation: a drug or measure against CRS and the nodes of the mechanism it acts on."""

from __future__ import annotations

import pandas as pd
from pydantic import model_validator

from crsrisk.data.assumptions import Quantity, Strict, quantities_frame
from crsrisk.results import Result

# what a mitigation can act on, in the order of the compiled kernel
NODES: tuple[str, ...] = (
    "t_cell_activation",
    "myeloid_activation",
    "endothelium",
    "il6_receptor",
    "il6_free",
    "il1_signal",
    "jak_signal",
    "gm_csf_signal",
    "tnf_free",
    "ifn_gamma_free",
    "cytokine_clearance",
    "cell_kill",
    "temperature",
)


class Mitigation(Result, Strict):
    """A drug or measure against CRS, and where in the mechanism it acts.

    Effect at a node = emax x e/(e + e50), where e is the effect-site amount in usual
    doses.
    """

    name: str
    label: str
    kind: str  # drug | procedure | supportive
    meaning: str
    usual_dose: str
    source: str
    citations: list[str]
    elimination_half_life_h: Quantity
    effect_delay_h: Quantity
    half_effect_dose: Quantity  # in usual doses
    acts_on: dict[str, Quantity]  # node -> maximal effect, 0-1
    prophylaxis_hours_before: float  # usual timing of a prophylactic dose before the product's dose
    repeat_every_h: float  # 0 = single
    repeats: int
    cap_total_mg: float | None = None
    dose_mg_per_kg: float | None = None

    def summary(self) -> str:
        """Name, label, kind and the nodes of the mechanism it acts on."""
        nodes = ", ".join(self.acts_on) or "no node of the mechanism"
        return f"{self.name}, {self.label} ({self.kind}), acts on {nodes}"

    def to_frame(self) -> pd.DataFrame:
        """One row a number: name, value, unit, range, strength and source."""
        return quantities_frame(self)

    @model_validator(mode="after")
    def _known_nodes(self) -> Mitigation:
        unknown = set(self.acts_on) - set(NODES)
        if unknown:
            raise ValueError(
                f"nodes among {', '.join(NODES)}; unknown: {', '.join(sorted(unknown))}"
            )
        if any(not 0.0 <= q.value <= 1.0 for q in self.acts_on.values()):
            raise ValueError("a maximal effect between 0 and 1")
        return self
