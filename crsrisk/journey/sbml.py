"""Export of the mechanism: a trial designer takes one arm and one patient to COPASI, libRoadRunner or Tellurium."""

from __future__ import annotations

from pathlib import Path

from crsrisk import __version__
from crsrisk.domain.world import World
from crsrisk.journey.export import refuse_idle
from crsrisk.read.files import write_text
from crsrisk.simulate.arm import Arm, timetable
from crsrisk.simulate.equations import equations
from crsrisk.simulate.layout import PARAMETERS, TICK_H
from crsrisk.simulate.origins import origins
from crsrisk.simulate.parameters import patient_parameters
from crsrisk.simulate.population import sample
from crsrisk.simulate.sbml import sbml
from crsrisk.simulate.typical import typical_patient

NOTICE = "Synthetic patients; research use; no external validation. Not for decisions on a patient."


def mechanism_sbml(arm: Arm, *, world: World, patient: int | None = None, seed: int = 1) -> str:
    """The mechanism of an arm as the text of an SBML file, in open loop: nobody looks, grades, supports or rescues.

    The constants are those of the typical patient of the arm's population, or of patient ``patient`` (0 for the first) of
    the world with this ``seed``, who is the same person as in a simulated cohort.
    """
    population, assumptions = arm.population, world.assumptions
    if patient is None:
        who, person = "the typical patient", typical_patient(population, assumptions=assumptions)
    else:
        who = f"patient {patient} of seed {seed}"
        person = sample(population, assumptions=assumptions, seed=seed, start=patient, stop=patient + 1)
    plan = timetable(arm, world=world)
    row = patient_parameters(arm, person, world=world, plan=plan)[:, 0]
    return sbml(
        equations(plan), values=dict(zip(PARAMETERS, row.tolist(), strict=True)), identity="crsrisk_mechanism",
        title=f"{arm.product.label}: {arm.regimen_name}", about=_about(arm, world, who, first_dose_h=plan.lead * TICK_H),
        origins=origins(arm, person, world=world))


def _about(arm: Arm, world: World, who: str, *, first_dose_h: float) -> list[str]:
    given = ", ".join([*(pre.mitigation for pre in arm.regimen.premedication), *arm.mitigations])
    return [
        NOTICE,
        f"Mechanism of cytokine release syndrome in solid tumours, written by crsrisk {__version__}: product "
        f"{arm.product.name}, regimen {arm.regimen_name}, scenario {world.scenario.name}, population {arm.population.name}, "
        f"constants of {who}, assumptions {world.assumptions.digest}.",
        f"Time is in hours; the first dose comes at {first_dose_h:g} h; the simulated window ends at "
        f"{first_dose_h + arm.horizon_d * 24.0:g} h.",
        "Open loop: the ward (observation, grading, fluids, vasopressors, oxygen, antipyretic, tocilizumab and steroid as "
        "rescue) is not part of this file.",
        f"Agents before the doses, as events: {given or 'none'}. Their amounts are in usual doses; they wane, reach their "
        "site and act once an hour, as in the solver, which holds their effect for that hour. Interleukin-2, where given, "
        "is held for half an hour.",
        "To run another patient, change constants and initial values together: not every program works out initial "
        "assignments again when a constant changes.",
        "Which assumption a constant comes from was found by moving each a little; assumptions that act only through "
        "the baseline of the population are not named.",
    ]


def export_sbml(path: Path, *, arm: Arm, world: World, patient: int | None = None, seed: int = 1) -> Path:
    """Write the mechanism of an arm to ``path`` (.xml or .sbml); nothing half-written stays after an error."""
    refuse_idle(arm.mitigations, world=world, where="export sbml", key="--mitigation")
    write_text(path, mechanism_sbml(arm, world=world, patient=patient, seed=seed))
    return path
