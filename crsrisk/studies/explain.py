"""Explain: one patient through a model: risk, interval, reasons, reference, what is simulated.

Grade 3 or more is the smaller of what its own model and the model for grade 2 or more say, refit by
refit too: whoever has grade 3 or more has grade 2 or more, and the second model knows many more
events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.explanation import (
    Change,
    Later,
    MissingRange,
    ReferencePatient,
    RiskEstimate,
    SimulatedPart,
)
from crsrisk.data.literature import load_guidance
from crsrisk.data.patient import PatientFile, check_units, read_patient
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.product import Product
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product, load_scenario
from crsrisk.errors import InputError
from crsrisk.fields import LANDMARK_HOURS, columns_of
from crsrisk.folders import names
from crsrisk.model.companions import Companions, ReferenceGroup, load_companions
from crsrisk.model.explain import explain, reasons
from crsrisk.model.features import columns_needed, feature_array, read_columns
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.landmark import EXTREMES, course_columns, gaps_of, landmark_features
from crsrisk.model.predict import Columns, fill_of, filled, predict
from crsrisk.model.refits import Refits, interval
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.report.explanation import Bedside, explain_content
from crsrisk.simulation.arm import Arm, make_arm, timetable, usual_first_dose
from crsrisk.simulation.levers import STEROIDS, later_levers, levers, past_levers
from crsrisk.simulation.published_trials import since_dose_h
from crsrisk.simulation.similar_patients import DISCRETE, is_beyond
from crsrisk.studies.export import reject_unused
from crsrisk.uncertainty.one_patient import (
    N_MEMBERS,
    N_PEOPLE,
    Simulated,
    over_members,
    over_members_later,
    over_scenarios,
)

# Explain later: one patient some hours after the first dose; what was read since, and what is
# simulated from there on.


GRADE = "grade__max"


def with_course(
    patient: PatientFile, observed: pd.DataFrame, *, contract: FeatureContract
) -> pd.DataFrame:
    """The patient's row with the columns of the course that the model reads; unchanged for a model
    of before the dose.

    Extremes count from the first dose on, so a highest temperature cannot fall later: the highest
    reading stands. Raises :class:`InputError` where the worst grade at the landmark is not given,
    contradicts itself, or is 2 or more: of such a patient there is nothing left to foretell.
    """
    hour = contract.landmark_h
    if not hour:
        return observed
    known = {name: np.nan for name in course_columns(hour=hour)}
    for at, readings in patient.course.items():
        known |= {f"{stem}__h{at}": one.value for stem, one in readings.items() if at <= hour}
    known |= {f"{GRADE}__h{at}": grade for at, grade in _grades(patient, hour=hour).items()}
    for stem in EXTREMES[:3]:
        farthest = max if stem.endswith("__max") else min
        so_far: list[float] = []
        for at in _hours(hour):
            if not np.isnan(known[f"{stem}__h{at}"]):
                so_far.append(known[f"{stem}__h{at}"])
                known[f"{stem}__h{at}"] = farthest(so_far)
    made = landmark_features(observed, pd.DataFrame([known], index=observed.index), hour=hour)
    return pd.concat(
        [observed, made[[name for name in contract.column_names if name in made]]], axis=1
    )


def worst_grade(observed: pd.DataFrame) -> int:
    """Worst CRS grade so far of the patient in the one row."""
    return int(
        max(observed[name].iloc[0] for name in observed.columns if name.startswith(f"{GRADE}__h"))
    )


def _hours(hour: int) -> list[int]:
    return [one for one in LANDMARK_HOURS if one <= hour]


def _grades(patient: PatientFile, *, hour: int) -> dict[int, float]:
    """Worst grade so far at every landmark up to ``hour``; what is not given follows where it can
    only be one.
    """

    def bad(found: str, expected: str, cure: str) -> InputError:
        return InputError(
            where=patient.place("course"), key="course", found=found, expected=expected, cure=cure
        )

    given = {
        at: readings[GRADE].value
        for at, readings in patient.course.items()
        if at <= hour and GRADE in readings
    }
    if hour not in given:
        raise bad(
            f"no worst_crs_grade at {hour} h",
            f"the course until {hour} h after the dose, which the model reads",
            f"write below course {hour} h: {{worst_crs_grade: 0}}; crsrisk explain MODEL --template"
            " PRODUCT shows all",
        )
    if (worst := max(given.values())) >= 2:
        raise bad(
            f"CRS of grade {worst:g} by {hour} h",
            "a patient still at risk: no grade 2 or more so far",
            "nothing is left to foretell for such a patient",
        )
    found: dict[int, float] = {}
    for at in _hours(hour):
        low = max([grade for when, grade in given.items() if when <= at], default=0.0)
        high = min(grade for when, grade in given.items() if when >= at)
        if low > high:
            raise bad(
                f"a worst grade that falls from {low:g} to {high:g}",
                "at each time the worst grade since the first dose",
                "let it rise or stay",
            )
        if low < high:
            raise bad(
                f"no worst_crs_grade at {at} h",
                "when CRS was first seen, since it was there later",
                f"write {at} h: {{worst_crs_grade: 0}} or 1 below course",
            )
        found[at] = low
    return found


def simulate_later(
    known: Mapping[str, float],
    *,
    arm: Arm,
    world: World,
    hour: int,
    worst_grade: int,
    seed: int,
    n_members: int,
    n_people: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> tuple[SimulatedPart | None, Later]:
    """Patients like this one who stood where he stands at ``hour``, with each lever that is left;
    and which are not.

    The part is None when too few simulated people had such a course.
    """
    left = later_levers(arm, world=world, hour=hour)
    spread = over_members_later(
        known,
        arm=arm,
        changed=[one.arm for one in left],
        ensemble=load_ensemble(),
        world=world,
        hour=hour,
        worst_grade=worst_grade,
        seed=seed,
        n_members=n_members,
        n_people=n_people,
        workers=workers,
        advance=advance,
    )
    later = Later(
        hour=hour,
        worst_grade=worst_grade,
        past=past_levers(arm, world=world),
        n_kept=0 if spread is None else spread.n_kept,
        n_simulated=n_members * n_people,
    )
    if spread is None:
        return None, later
    marginals = arm.population.marginals
    return (
        SimulatedPart(
            usual=_plain(spread.usual),
            waits_h=None,
            scenarios={},
            n_members=n_members,
            n_people=n_people,
            changes=[
                Change(
                    kind=one.kind,
                    label=one.label,
                    usual=_plain(spread.usual),
                    with_it=_plain(with_it),
                    difference=_plain(difference),
                )
                for one, with_it, difference in zip(
                    left, spread.levers, spread.differences, strict=True
                )
            ],
            held=tuple(
                name
                for name in marginals
                if name in known and is_beyond(known[name], marginals[name])
            ),
        ),
        later,
    )


Floats = NDArray[np.float64]
Advance = Callable[[int], None]
GRADES = ("grade2plus", "grade3plus")


@dataclass(frozen=True, eq=False)
class BedsideModel:
    """A loaded model with all that a bedside page needs; ``reference`` by product, its risks
    computed once.
    """

    model: RiskModel
    beside: Companions
    reference: Mapping[str, ReferencePatient]


def load_bedside(folder: str | Path) -> BedsideModel:
    """Load and check a model folder with its companions.

    Raises :class:`InputError` for a broken folder and for a model of another outcome than grade 2
    or more.
    """
    model = load_model(folder)
    contract = model.contract
    if not contract.outcome.startswith("crs_grade2plus"):
        raise InputError(
            where=str(folder),
            found=f"a model of {contract.outcome}",
            expected="a model of grade >= 2",
            cure="choose that model; one of grade 3 or more speaks beside it on the same page",
        )
    beside = load_companions(folder, model=model)
    if (
        beside.grade3plus is not None
        and beside.grade3plus.contract.landmark_h != contract.landmark_h
    ):
        # it speaks of other patients: at another hour
        beside = replace(beside, grade3plus=None, grade3plus_refits=None)
    bare = BedsideModel(model, beside, {})
    rows = [reference_row(group) for group in beside.reference.values()]
    if not rows:
        return bare
    risks = estimates(bare, pd.DataFrame(rows))
    reference = {
        name: ReferencePatient(
            n_patients=group.n_patients,
            typical=group.typical,
            risks={grade: found[k] for grade, found in risks.items()},
        )
        for k, (name, group) in enumerate(beside.reference.items())
    }
    return replace(bare, reference=reference)


def reference_row(group: ReferenceGroup) -> dict[str, object]:
    """The typical patient of a group as a row of the observed table.

    Without CRS so far there is no hour of its onset; the group's median of that hour is of those
    who had CRS.
    """
    row: dict[str, object] = {
        name: np.nan if value is None else value for name, value in group.typical.items()
    }
    had_crs = any(name.startswith("grade__max__") and value == 1.0 for name, value in row.items())
    return (
        row
        if had_crs
        else {
            name: np.nan if name.startswith("grade__onset__") else value
            for name, value in row.items()
        }
    )


def estimates(bedside: BedsideModel, observed: pd.DataFrame) -> dict[str, list[RiskEstimate]]:
    """By outcome (`grade2plus`, and `grade3plus` where that model is there): the risk of every row
    with its interval.
    """
    beside, models = (
        bedside.beside,
        [one for one in (bedside.model, bedside.beside.grade3plus) if one is not None],
    )
    needed = dict.fromkeys(
        name for one in models for name in columns_needed(one.contract.feature_names)
    )
    columns = read_columns(observed, columns=list(needed))
    two, spread_two = _log_odds(bedside.model, beside.refits, columns)
    found = {GRADES[0]: _with_interval(two, spread_two)}
    if beside.grade3plus is not None:
        three, spread_three = _log_odds(beside.grade3plus, beside.grade3plus_refits, columns)
        held = np.minimum(three, two)
        if (
            spread_three is not None
            and spread_two is not None
            and len(spread_two) == len(spread_three)
        ):
            spread_three = np.minimum(spread_three, spread_two)
        found[GRADES[1]] = [
            _below(one, two, is_held=bool(is_held))
            for one, two, is_held in zip(
                _with_interval(held, spread_three), found[GRADES[0]], three > two, strict=True
            )
        ]
    return found


def _log_odds(
    model: RiskModel, refits: Refits | None, columns: Columns
) -> tuple[Floats, Floats | None]:
    """The model's calibrated log-odds, shape (rows,), and those of its refits, shape (refits,
    rows).
    """
    table = feature_array(columns, names=model.contract.feature_names)
    raw = raw_log_odds_by(forest_of(model.booster_text), filled(table, fill_of(model)))
    return model.calibrator.log_odds(raw), None if refits is None else refits.log_odds(table)


def _with_interval(log_odds: Floats, spread: Floats | None) -> list[RiskEstimate]:
    if spread is None:
        return [RiskEstimate(value=float(value), low=None, high=None) for value in expit(log_odds)]
    low, high = interval(log_odds, spread)
    return [
        RiskEstimate(value=float(value), low=float(a), high=float(b))
        for value, a, b in zip(expit(log_odds), low, high, strict=True)
    ]


def _below(one: RiskEstimate, two: RiskEstimate, *, is_held: bool) -> RiskEstimate:
    """An interval for grade 3 or more whose ends do not pass those for grade 2 or more."""

    def least(a: float | None, b: float | None) -> float | None:
        return a if b is None else b if a is None else min(a, b)

    return RiskEstimate(
        value=one.value,
        low=least(one.low, two.low),
        high=least(one.high, two.high),
        is_held=is_held,
    )


# --- one patient ---


def row_of(patient: PatientFile, *, arm: Arm) -> pd.DataFrame:
    """One row of the observed table: what was given, and what follows from product and regimen; the
    rest is missing.
    """
    regimen = arm.regimen
    given = {one.mitigation for one in regimen.premedication} | set(arm.mitigations)
    known: dict[str, object] = {
        "patient_id": 0,
        "product": arm.product.name,
        "platform": arm.product.platform,
        "regimen": arm.regimen_name,
        "tumour_type": arm.population.name,
        "site": "not stated",
        "antigen_restriction": arm.product.binding.antigen_restriction.value,
        "dose_intensity": regimen.doses[0].amount / usual_first_dose(arm.product),
        "is_stepped_up": regimen.is_stepped_up,
        "has_steroid_premedication": bool(given & set(STEROIDS)),
        "has_tocilizumab_prophylaxis": "tocilizumab" in given,
        "has_lymphodepletion": regimen.has_lymphodepletion,
    }
    known |= {name: one.value for name, one in patient.values.items()}
    return pd.DataFrame([{name: known.get(name, np.nan) for name in columns_of("observed")}])


def arm_of(patient: PatientFile, *, world: World) -> Arm:
    """The arm that the file asks for; an error names the line of the file."""
    try:
        product: Product = load_product(patient.product)
        arm = make_arm(
            product,
            world=world,
            regimen=patient.regimen,
            mitigations=patient.prophylaxis,
            population=patient.tumour_type,
        )
        timetable(arm, world=world)  # finds agents that cannot be given together
    except InputError as problem:
        key = {
            "regimen": "regimen",
            "mitigation": "prophylaxis",
            "mitigations": "prophylaxis",
            "population": "tumour_type",
        }.get(problem.key, "product")
        raise InputError(
            where=patient.place(key),
            key=key,
            found=problem.found,
            expected=problem.expected,
            cure=problem.cure,
        ) from problem
    reject_unused(
        arm.mitigations, world=world, where=patient.place("prophylaxis"), key="prophylaxis"
    )
    if "dose_intensity" in patient.values and arm.regimen.amount_log_sd == 0:
        raise InputError(
            where=patient.place("dose_intensity"),
            key="dose_intensity",
            found="a dose of its own",
            expected="the dose of the regimen, which is the same for every patient",
            cure="leave the key out, or write a product file with that regimen",
        )
    return arm


def missing_ranges(bedside: BedsideModel, observed: pd.DataFrame) -> list[MissingRange]:
    """What each missing value leaves open: the risk with a low and a high value of the product's
    training patients.

    For yes and no: without and with it. What one reading decides (last value, highest, slope) moves
    together. The widest comes first; nothing for a product that the model does not know.
    """
    group = bedside.beside.reference.get(str(observed["product"].iloc[0]))
    if group is None:
        return []
    kinds = {
        column.name: column.kind
        for column in bedside.model.contract.columns
        if column.kind != "word"
    }
    asked: list[tuple[str, dict[str, float], dict[str, float]]] = []
    for first, *more in gaps_of(observed.iloc[0].to_dict(), columns=kinds):
        low, high = (
            {
                name: end if kinds[name] == "flag" else known.get(name, np.nan)
                for name in (first, *more)
            }
            for end, known in ((0.0, group.low), (1.0, group.high))
        )
        if not np.isnan([low[first], high[first]]).any():
            asked.append((first, low, high))
    if not asked:
        return []
    rows = pd.concat(
        [observed.assign(**end) for _, *ends in asked for end in ends], ignore_index=True
    )
    risk = predict(bedside.model, rows.drop(columns="patient_id")).risk.reshape(-1, 2)
    found = [
        MissingRange(
            column=name,
            values=(low[name], high[name]),
            risks=(float(risk[k, 0]), float(risk[k, 1])),
        )
        for k, (name, low, high) in enumerate(asked)
    ]
    return sorted(found, key=lambda one: -one.width)


def simulated_values(patient: PatientFile) -> dict[str, float]:
    """What the simulator can be told of a patient, by column."""
    wanted = (*DISCRETE, *CONTINUOUS, "dose_intensity")
    return {name: one.value for name, one in patient.values.items() if name in wanted}


def simulate_patient(
    patient: PatientFile,
    *,
    arm: Arm,
    world: World,
    seed: int,
    n_members: int = N_MEMBERS,
    n_people: int = N_PEOPLE,
    workers: int = 1,
    advance: Advance | None = None,
) -> SimulatedPart:
    """Patients like this one under the ensemble, with each lever, and under every scenario."""
    known = simulated_values(patient)
    found = levers(arm, world=world)
    spread = over_members(
        known,
        arm=arm,
        changed=[one.arm for one in found],
        ensemble=load_ensemble(),
        world=world,
        seed=seed,
        n_members=n_members,
        n_people=n_people,
        workers=workers,
        advance=advance,
    )
    scenarios = {}
    for name in names("scenarios"):
        scenario = load_scenario(name, assumptions=world.assumptions)
        scenarios[name] = replace(
            world, scenario=scenario, assumptions=scenario.apply(world.assumptions)
        )
    waits = since_dose_h(spread.onset_h, dose_times_h=[dose.time_h for dose in arm.regimen.doses])
    hours = (
        tuple(float(hour) for hour in np.quantile(waits, [0.5, 0.9, 0.95])) if len(waits) else None
    )
    marginals = arm.population.marginals
    return SimulatedPart(
        usual=_plain(spread.usual),
        waits_h=hours,  # type: ignore[arg-type]
        changes=[
            Change(
                kind=one.kind,
                label=one.label,
                usual=_plain(spread.usual),
                with_it=_plain(with_it),
                difference=_plain(difference),
            )
            for one, with_it, difference in zip(
                found, spread.levers, spread.differences, strict=True
            )
        ],
        scenarios=over_scenarios(known, arm=arm, worlds=scenarios, seed=seed, workers=workers),
        n_members=spread.n_members,
        n_people=spread.n_people,
        held=tuple(
            name for name in CONTINUOUS if name in known and is_beyond(known[name], marginals[name])
        ),
    )


def _plain(found: Mapping[int, Simulated]) -> dict[int, tuple[float, float, float, float]]:
    return {grade: (one.value, one.mc_error, one.low, one.high) for grade, one in found.items()}


def explain_patient(
    bedside: BedsideModel,
    path: str | Path,
    *,
    seed: int = 1,
    has_simulation: bool = True,
    n_members: int = N_MEMBERS,
    n_people: int = N_PEOPLE,
    workers: int = 1,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """The page of one patient as a dictionary (:func:`crsrisk.report.explanation.explain_content`).

    Raises :class:`InputError`, with line and key of the file, for what cannot be or is likely in
    another unit.
    """
    patient, world = read_patient(path), load_world()
    arm = arm_of(patient, world=world)
    model = bedside.model
    seen = {
        column.name: column.trained
        for column in model.contract.columns
        if column.trained is not None
    }
    check_units(patient, seen=seen)
    observed = with_course(patient, row_of(patient, arm=arm), contract=model.contract)
    simulated, later = None, None
    if has_simulation and model.contract.landmark_h:
        simulated, later = simulate_later(
            simulated_values(patient),
            arm=arm,
            world=world,
            hour=model.contract.landmark_h,
            worst_grade=worst_grade(observed),
            seed=seed,
            n_members=n_members,
            n_people=n_people,
            workers=workers,
            advance=advance,
        )
    elif has_simulation:
        simulated = simulate_patient(
            patient,
            arm=arm,
            world=world,
            seed=seed,
            n_members=n_members,
            n_people=n_people,
            workers=workers,
            advance=advance,
        )
    return explain_content(
        _bedside(
            bedside,
            patient,
            arm=arm,
            world=world,
            observed=observed,
            simulated=simulated,
            later=later,
        )
    )


def _bedside(
    bedside: BedsideModel,
    patient: PatientFile,
    *,
    arm: Arm,
    world: World,
    observed: pd.DataFrame,
    simulated: SimulatedPart | None,
    later: Later | None,
) -> Bedside:
    model, name = bedside.model, arm.product.name
    told = explain(model, observed)
    group = bedside.beside.reference.get(name)
    guidance = load_guidance()
    return Bedside(
        label=patient.label,
        product=arm.product,
        product_label=arm.product.label,
        regimen=arm.regimen_name,
        regimen_note=arm.regimen.note,
        prophylaxis=tuple(world.mitigations[one].label for one in arm.mitigations),
        window_d=model.contract.window_of(arm.product.platform),
        observed=observed,
        given=patient.values,
        model=model,
        n_refits=len(bedside.beside.refits) if bedside.beside.refits is not None else 0,
        risks={grade: found[0] for grade, found in estimates(bedside, observed).items()},
        reference=bedside.reference.get(name),
        seen=group.seen if group is not None else {},
        base_risk=told.base_risk,
        reasons=reasons(told, 0),
        missing=missing_ranges(bedside, observed),
        simulated=simulated,
        later=later,
        course=patient.course,
        guidance=guidance.of(product=name, platform=arm.product.platform),
        guidance_about=guidance.about,
        sources=guidance.sources,
        population_label=arm.population.label,
    )
