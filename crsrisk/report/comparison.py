"""Comparison: what one patient's plan and each change of it do in the same simulated people, as the
explorer's page shows it.

A plain object: the server fills it from a simulation of the very patient; a page could be given it
from a grid that was simulated before.
"""

from __future__ import annotations

from typing import Literal

from crsrisk.data.assumptions import Strict
from crsrisk.data.explanation import ByGrade
from crsrisk.results import Estimate


class Share(Strict):
    """A share of patients (0-1) or a difference of two, with the interval that holds the central
    nine of ten sets of assumptions, and its Monte Carlo error (one SD); None where there is none.
    """

    value: float
    low: float | None
    high: float | None
    mc_error: float | None


class GradeShares(Strict):
    """Of CRS of grade 2 or more, and of grade 3 or more where it is known."""

    grade2plus: Share
    grade3plus: Share | None

    @classmethod
    def of(cls, figures: ByGrade[Estimate]) -> GradeShares:
        """Estimates as plain numbers."""
        severe = figures.grade3plus
        return cls(
            grade2plus=_share(figures.grade2plus),
            grade3plus=None if severe is None else _share(severe),
        )


class ComparedPlan(Strict):
    """A plan and the shares of the people who get it."""

    label: str
    shares: GradeShares


class Alternative(ComparedPlan):
    """The plan with one change; ``difference``: its shares less those of the plan."""

    kind: str
    difference: GradeShares


class Comparison(Strict):
    """A plan, and each change of it, in the same people.

    Parameters
    ----------
    model : str
        Name and version of the model whose number stands beside the simulation.
    window : str
        In words, the time within which CRS counts.
    risk : GradeShares or None
        What the model says of the patient, with the interval that is shown first (no Monte Carlo
        error); None where it cannot estimate.
    as_simulated : GradeShares or None
        What the simulator says of the plan; None where too few people stood where the patient
        stands.
    starts_at_model : bool
        Whether the shares are moved so that the plan has the model's number
        (:mod:`crsrisk.uncertainty.one_number`); else model and simulator differ by more than is
        allowed, and they are as simulated.
    baseline, alternatives :
        The plan and its changes; no alternatives where the simulator knows none.
    n_people, seed : int
        People in each arm, over all sets of assumptions, and the seed that draws them.
    effect_on_tumour : "unknown"
        Nothing here says what a change does to the tumour.
    why_none, notice : str
        Why there is no alternative, or not all; how to read it.
    """

    format: Literal["crsrisk comparison 1"] = "crsrisk comparison 1"
    model: str
    window: str
    risk: GradeShares | None
    as_simulated: GradeShares | None
    starts_at_model: bool
    baseline: ComparedPlan | None
    alternatives: list[Alternative]
    n_people: int
    seed: int
    effect_on_tumour: Literal["unknown"] = "unknown"
    why_none: str
    notice: str


def _share(estimate: Estimate) -> Share:
    return Share(
        value=estimate.value,
        low=estimate.low if estimate.has_interval else None,
        high=estimate.high if estimate.has_interval else None,
        mc_error=estimate.mc_error,
    )
