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


class Leader(Strict):
    """A single constant that moves an output: its share of the variance, alone and with others, with a 95% interval."""

    factor: str
    strength: str
    total: float
    total_low: float
    total_high: float


class OutputShares(Strict):
    """One output of the sensitivity analysis, how its variance is shared out, and the constants that move it most."""

    name: str
    meaning: str
    shares: list[Share]
    leaders: list[Leader] = Field(default_factory=list)


class SupportedScenario(Strict):
    """How far a set of published findings supports a scenario against the reference, with Monte Carlo errors."""

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
    """What the answers rest on, over the priors of the assumptions: of one sensitivity experiment."""

    experiment: str
    seed: int
    version: str
    notice: str
    outputs: list[OutputShares] = Field(min_length=1)
    support: ScenarioSupport | None = None


class EnsembleAbout(Strict):
    """Where an ensemble comes from, and how large it is."""

    experiment: str
    seed: int
    version: str
    targets: list[str]
    n_members: int
    effective_size: float
