"""What is known of an ensemble beside its members: where it comes from, and what the answers of the simulator rest on."""

from __future__ import annotations

from pydantic import Field, model_validator

from crsrisk.domain.assumptions import Strength, Strict

CHANCE = "patients (chance)"  # in a sharing-out of variance: which patients were simulated, not what is known


class Share(Strict):
    """The share of one output's variance that rests on constants of one strength, or on ``chance``; null = not estimable.

    ``alone``: what all of them do by themselves, over what all constants explain together (for chance: of the whole
    variance). ``with_others``: alone and together with others, of the whole variance. Both with 95% intervals.
    """

    strength: str
    n_constants: int = Field(ge=0)
    alone: float | None
    alone_low: float | None
    alone_high: float | None
    with_others: float | None
    with_others_low: float | None
    with_others_high: float | None

    @model_validator(mode="after")
    def _known_strength(self) -> Share:
        if self.strength not in (*Strength, CHANCE):
            raise ValueError(f"strength among {', '.join((*Strength, CHANCE))}, found {self.strength!r}")
        return self


class OutputShares(Strict):
    """One output of the sensitivity analysis and how its variance is shared out."""

    name: str
    meaning: str
    shares: list[Share]


class VarianceShares(Strict):
    """What the answers rest on, over the priors of the assumptions: of one sensitivity experiment."""

    experiment: str
    seed: int
    version: str
    notice: str
    outputs: list[OutputShares] = Field(min_length=1)


class EnsembleAbout(Strict):
    """Where an ensemble comes from, and how large it is."""

    experiment: str
    seed: int
    version: str
    targets: list[str]
    n_members: int
    effective_size: float
