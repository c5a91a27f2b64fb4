"""World: everything the synthetic world assumes, loaded once and passed around unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from crsrisk.domain.assumptions import Assumptions, Scenario, digest_of
from crsrisk.domain.mitigation import Mitigation
from crsrisk.domain.population import Policy, Population


@dataclass(frozen=True)
class World:
    """Assumptions (after the scenario's overrides) with the populations, policies and mitigations they go with."""

    scenario: Scenario
    assumptions: Assumptions
    populations: Mapping[str, Population]
    policies: Mapping[str, Policy]
    mitigations: Mapping[str, Mitigation]

    @property
    def digest(self) -> str:
        """Hash of every number in this world."""
        parts = [{name: noun.model_dump() for name, noun in sorted(group.items())}
                 for group in (self.populations, self.policies, self.mitigations)]
        return digest_of([self.assumptions.digest, parts])

    def with_values(self, values: Mapping[str, float]) -> World:
        """The same world with other values of some assumptions (for sensitivity analyses and switches)."""
        return replace(self, assumptions=self.assumptions.replace(values))
