"""Explain one patient: risk, interval, reasons, a reference patient, what is simulated.

Grade 3 or more is the smaller of what its own model and the model for grade 2 or more say, refit by
refit too: whoever has grade 3 or more has grade 2 or more, and the second model knows many more
events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.explanation import (
    ByGrade,
    IntervalHolds,
    LandmarkSimulation,
    LeverEffect,
    MissingRange,
    PatientRisk,
    ReferencePatient,
    SimulatedPatients,
)
from crsrisk.data.patient import PatientFile, check_units, read_patient
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_scenario
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.model.applicability import why_outside
from crsrisk.model.companions import Companions, load_companions
from crsrisk.model.explain import explain
from crsrisk.model.features import columns_needed, feature_array, read_columns
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.known_products import interval_over_products, is_unknown
from crsrisk.model.landmark import missing_groups
from crsrisk.model.predict import (
    Columns,
    fill_of,
    filled,
    in_group,
    predict,
    refused_patient,
)
from crsrisk.model.refits import Refits, interval
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.model.world_spread import WorldSpread
from crsrisk.model.world_spread import interval as true_risk_interval
from crsrisk.report.explanation import PatientExplanation
from crsrisk.report.explanation_warnings import PAIRS, PatientFacts
from crsrisk.report.explanation_words import explanation_of
from crsrisk.report.guidance import product_guidance
from crsrisk.report.published_rates import published_rates
from crsrisk.results import Estimate
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.levers import Lever, later_levers, levers, past_levers
from crsrisk.simulation.published_trials import since_dose_h
from crsrisk.simulation.similar_patients import is_beyond
from crsrisk.studies.patient_row import (
    arm_of,
    reference_row,
    row_of,
    simulated_values,
    with_course,
    worst_grade,
)
from crsrisk.uncertainty.one_number import from_one_number
from crsrisk.uncertainty.one_patient import (
    N_MEMBERS,
    N_PEOPLE,
    PatientSpread,
    over_members,
    over_members_later,
    over_scenarios,
)
from crsrisk.wording import short_label

OVER_PRODUCTS = (
    "from how far the products of training lie from what the model says without their names; it"
    " does not include the step from synthetic data to real patients"
)
Floats = NDArray[np.float64]
Advance = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class ExplainableModel:
    """A model with the files beside it that explaining a patient needs.

    ``reference`` by product: the median training patient, his risks computed once.
    """

    model: RiskModel
    companions: Companions
    reference: Mapping[str, ReferencePatient]

    @classmethod
    def of(cls, model: str | Path | RiskModel | ExplainableModel) -> ExplainableModel:
        """A model as it is given to :func:`explain_patient`: loaded, its folder, or the name of a
        released one. A model without a folder has nothing beside it.
        """
        if isinstance(model, ExplainableModel):
            return model
        if isinstance(model, RiskModel):
            return _checked(model, Companions(), where=model.label)
        return load_explainable(find("released", model))


def load_explainable(folder: str | Path) -> ExplainableModel:
    """Load and check a model folder with the files beside the model.

    Raises :class:`InputError` for a broken folder and for a model of another outcome than grade 2
    or more.
    """
    model = load_model(folder)
    _refuse_other_outcome(model, where=str(folder))
    return _checked(model, load_companions(folder, model=model), where=str(folder))


def _checked(model: RiskModel, companions: Companions, *, where: str) -> ExplainableModel:
    _refuse_other_outcome(model, where=where)
    severe = companions.grade3plus
    if severe is not None and severe.contract.landmark_h != model.contract.landmark_h:
        # it speaks of other patients: at another hour
        companions = replace(
            companions, grade3plus=None, grade3plus_refits=None, grade3plus_worlds=None
        )
    bare = ExplainableModel(model, companions, {})
    rows = [reference_row(group) for group in companions.reference.values()]
    if not rows:
        return bare
    reference = {
        name: ReferencePatient(n_patients=group.n_patients, typical=group.typical, risk=risk)
        for (name, group), risk in zip(
            companions.reference.items(), patient_risks(bare, pd.DataFrame(rows)), strict=True
        )
    }
    return replace(bare, reference=reference)


def _refuse_other_outcome(model: RiskModel, *, where: str) -> None:
    if not model.contract.outcome.startswith("crs_grade2plus"):
        raise InputError(
            where=where,
            found=f"a model of {model.contract.outcome}",
            expected="a model of grade >= 2",
            cure="choose that model; one of grade 3 or more speaks beside it on the same page",
        )


def patient_risks(model: ExplainableModel, observed: pd.DataFrame) -> list[PatientRisk]:
    """The risks of every row with their intervals; of grade 3 or more where that model is there.

    The interval shown first holds refitting and assumptions where both models know what assumptions
    leave open (:mod:`crsrisk.model.world_spread`), and is the refit range elsewhere.
    """
    companions = model.companions
    models = [model.model] + ([companions.grade3plus] if companions.grade3plus is not None else [])
    needed = dict.fromkeys(
        name for part in models for name in columns_needed(part.contract.feature_names)
    )
    columns = read_columns(observed, columns=list(needed))
    two, refits_two = _log_odds(model.model, companions.refits, columns)
    risk, of_refits = [_with_interval(two, refits_two)], [refits_two]
    spreads, log_odds, is_held = [companions.worlds], [two], np.zeros(len(two), dtype=np.bool_)
    if companions.grade3plus is not None:
        severe = companions.grade3plus, companions.grade3plus_refits
        three, refits_three = _log_odds(*severe, columns)
        is_held, three = three > two, np.minimum(three, two)
        if (
            refits_two is not None
            and refits_three is not None
            and len(refits_two) == len(refits_three)
        ):
            refits_three = np.minimum(refits_three, refits_two)
        risk.append(_with_interval(three, refits_three))
        of_refits.append(refits_three)
        spreads.append(companions.grade3plus_worlds)
        log_odds.append(three)
    refit_ranges = [_nested(*estimates) for estimates in zip(*risk, strict=True)]
    known = [spread for spread in spreads if spread is not None]
    if len(known) < len(spreads):
        return [
            PatientRisk(one.grade2plus, one.grade3plus, bool(held))
            for one, held in zip(refit_ranges, is_held, strict=True)
        ]
    therapy = {name: words_or_none(columns, name, n=len(two)) for name in ("product", "platform")}
    first = [
        _over_worlds(spread, values, refits, therapy)
        for spread, values, refits in zip(known, log_odds, of_refits, strict=True)
    ]
    return [
        PatientRisk(
            one.grade2plus,
            one.grade3plus,
            bool(held),
            holds=_holds(known, product),
            refit_range=refit_range if refits_two is not None else None,
        )
        for one, refit_range, held, product in zip(
            (_nested(*estimates) for estimates in zip(*first, strict=True)),
            refit_ranges,
            is_held,
            therapy["product"],
            strict=True,
        )
    ]


def words_or_none(columns: Columns, name: str, *, n: int) -> list[str]:
    """The words of a column by row; none of a column that no model reads."""
    return [str(word) for word in columns[name]] if name in columns else [""] * n


def _holds(spreads: Sequence[WorldSpread], product: str) -> IntervalHolds:
    """What the interval of a product holds: of one that a model does not know, products too."""
    if all(product in spread.products for spread in spreads):
        return "refitting and assumptions"
    return "refitting, assumptions and products"


def _over_worlds(
    spread: WorldSpread, log_odds: Floats, refits: Floats | None, therapy: Mapping[str, list[str]]
) -> list[Estimate]:
    refit_sd = np.zeros(len(log_odds)) if refits is None else np.std(refits, axis=0, ddof=1)
    low, high = true_risk_interval(spread, log_odds, refit_sd, **therapy)
    return _estimates(log_odds, low, high)


def _log_odds(
    model: RiskModel, refits: Refits | None, columns: Columns
) -> tuple[Floats, Floats | None]:
    """The model's calibrated log-odds, shape (rows,), and those of its refits, shape (refits,
    rows).
    """
    table = feature_array(columns, names=model.contract.feature_names)
    raw = raw_log_odds_by(forest_of(model.booster_text), filled(table, fill_of(model)))
    return model.calibrator.log_odds(raw), None if refits is None else refits.log_odds(table)


def _with_interval(log_odds: Floats, spread: Floats | None) -> list[Estimate]:
    if spread is None:
        return [Estimate(float(value)) for value in expit(log_odds)]
    return _estimates(log_odds, *interval(log_odds, spread))


def _estimates(log_odds: Floats, low: Floats, high: Floats) -> list[Estimate]:
    return [
        Estimate(float(value), float(lower), float(upper))
        for value, lower, upper in zip(expit(log_odds), low, high, strict=True)
    ]


def _nested(less_severe: Estimate, severe: Estimate | None = None) -> ByGrade[Estimate]:
    """Both risks; the ends for grade 3 or more do not pass those for grade 2 or more."""
    if severe is None:
        return ByGrade(less_severe)
    low, high = (
        float(np.fmin(*ends))
        for ends in ((severe.low, less_severe.low), (severe.high, less_severe.high))
    )
    return ByGrade(less_severe, Estimate(severe.value, low, high))


def _why_not(model: RiskModel, observed: pd.DataFrame, *, product_label: str) -> str:
    """Why the model gives the patient of the one row no number, in a clinician's words."""
    if is_unknown(model, observed)[0]:
        return f"{short_label(product_label)} is unlike any product that it was trained on."
    return why_outside(model.applicability, model.contract, observed)


def over_products(risk: PatientRisk, model: RiskModel) -> PatientRisk:
    """The risk under a product that the model was not trained on: its interval holds how far
    products differ, or that of the refits where it is wider. What holds that already stays.
    """
    summary = model.applicability
    if summary is None or risk.holds != "refitting":
        return risk
    two = risk.grade2plus
    low, high = (
        float(end[0])
        for end in interval_over_products(
            np.array([two.value]),
            sd=summary.between_products_sd,
            n_products=summary.n_products,
        )
    )
    wide = Estimate(two.value, float(np.fmin(two.low, low)), float(np.fmax(two.high, high)))
    severe = risk.grade3plus
    if severe is None:
        return replace(risk, grade2plus=wide, holds="products")
    severe = Estimate(severe.value, 0.0, wide.high)
    return replace(risk, grade2plus=wide, grade3plus=severe, holds="products")


def missing_ranges(model: ExplainableModel, observed: pd.DataFrame) -> list[MissingRange]:
    """What each missing value leaves open: the risk with a low and a high value of the product's
    training patients.

    For yes and no: without and with it. What one reading decides (last value, highest, slope) moves
    together. The widest comes first; nothing for a product that the model does not know.
    """
    group = model.companions.reference.get(str(observed["product"].iloc[0]))
    if group is None:
        return []
    kinds = {
        column.name: column.kind for column in model.model.contract.columns if column.kind != "word"
    }
    asked: list[tuple[str, dict[str, float], dict[str, float]]] = []
    for first, *more in missing_groups(observed.iloc[0].to_dict(), columns=kinds):
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
    risk = predict(model.model, rows.drop(columns="patient_id")).risk.reshape(-1, 2)
    ranges = [
        MissingRange(
            column=name,
            values=(low[name], high[name]),
            risks=(float(risk[k, 0]), float(risk[k, 1])),
        )
        for k, (name, low, high) in enumerate(asked)
    ]
    return sorted(ranges, key=lambda missing: -missing.width)


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
) -> SimulatedPatients:
    """Patients like this one under the ensemble, with each lever, and under the scenarios that
    cut an effect or widen it.
    """
    known = simulated_values(patient)
    changes = levers(arm, world=world)
    spread = over_members(
        known,
        arm=arm,
        changed=[lever.arm for lever in changes],
        ensemble=load_ensemble(),
        world=world,
        seed=seed,
        n_members=n_members,
        n_people=n_people,
        workers=workers,
        advance=advance,
    )
    worlds = {}
    for name in chain(*PAIRS.values()):
        scenario = load_scenario(name, assumptions=world.assumptions)
        assumptions = scenario.apply(world.assumptions)
        worlds[name] = replace(world, scenario=scenario, assumptions=assumptions)
    waits = since_dose_h(spread.onset_h, dose_times_h=[dose.time_h for dose in arm.regimen.doses])
    onset_wait_h = None
    if len(waits):
        half, most, nearly = np.quantile(waits, [0.5, 0.9, 0.95]).tolist()
        onset_wait_h = (half, most, nearly)
    return SimulatedPatients(
        usual=spread.usual,
        levers=_effects(changes, spread),
        scenarios=over_scenarios(known, arm=arm, worlds=worlds, seed=seed, workers=workers),
        onset_wait_h=onset_wait_h,
        n_members=n_members,
        n_people=n_people,
        beyond_population=_beyond(known, arm),
    )


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
    advance: Advance | None = None,
) -> tuple[SimulatedPatients | None, LandmarkSimulation]:
    """Patients like this one who stood where he stands at ``hour``, with each lever that is left;
    and which are not.

    The first is None when too few simulated people had such a course.
    """
    left = later_levers(arm, world=world, hour=hour)
    spread = over_members_later(
        known,
        arm=arm,
        changed=[lever.arm for lever in left],
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
    landmark = LandmarkSimulation(
        hour=hour,
        worst_grade=worst_grade,
        past_levers=past_levers(arm, world=world),
        n_kept=0 if spread is None else spread.n_people,
        n_simulated=n_members * n_people,
    )
    if spread is None:
        return None, landmark
    simulated = SimulatedPatients(
        usual=spread.usual,
        levers=_effects(left, spread),
        scenarios={},
        onset_wait_h=None,
        n_members=n_members,
        n_people=n_people,
        beyond_population=_beyond(known, arm),
    )
    return simulated, landmark


def _effects(changes: tuple[Lever, ...], spread: PatientSpread) -> tuple[LeverEffect, ...]:
    return tuple(
        LeverEffect(
            kind=lever.kind,
            label=lever.label,
            usual=spread.usual,
            with_lever=with_lever,
            difference=difference,
        )
        for lever, with_lever, difference in zip(
            changes, spread.levers, spread.differences, strict=True
        )
    )


def _beyond(known: Mapping[str, float], arm: Arm) -> tuple[str, ...]:
    """Columns whose value the simulated population cannot have."""
    marginals = arm.population.marginals
    return tuple(
        name for name in CONTINUOUS if name in known and is_beyond(known[name], marginals[name])
    )


def explain_patient(
    patient: str | Path | Mapping[str, Any] | PatientFile,
    *,
    model: str | Path | RiskModel | ExplainableModel,
    seed: int = 1,
    has_simulation: bool = True,
    n_members: int = N_MEMBERS,
    n_people: int = N_PEOPLE,
    workers: int = 1,
    unknown_product: bool = False,
    advance: Advance | None = None,
) -> PatientExplanation:
    """Explain one patient's risk of CRS: range, reasons, a reference patient, possible changes.

    Research software; synthetic data, no external validation.

    Parameters
    ----------
    patient : path, mapping or PatientFile
        A YAML file, or its keys and values: ``{"product": "tarlatamab", "crp": "8.5 mg/dL"}``.
        ``crsrisk explain template PRODUCT`` prints all keys with their units.
    model : path, name of a released model, RiskModel or ExplainableModel
        A model of grade 2 or more. What stands beside a saved one (refits, reference patients, the
        model for grade 3 or more) is read with it; what is not there, the explanation says.
    seed : int
        The same seed simulates the same people.
    has_simulation : bool
        Whether patients like this one are simulated: spread over assumptions, levers, scenarios.
    n_members, n_people : int
        Members of the ensemble of assumptions, and people simulated under each.
    workers : int
        Threads; the result does not depend on them.
    unknown_product : bool
        Whether the model's number is given, with a range over products, for one that it was not
        trained on; else only what is simulated.
    advance : callable, optional
        Called with 1 after each member.

    Returns
    -------
    PatientExplanation
        Frozen and typed; it shows itself in a notebook, and writes its page with ``to_html``.

    Raises
    ------
    InputError
        With line and key of the file, for what cannot be or is likely in another unit; for a
        patient of a group of whom the model gives no risk.

    Examples
    --------
    >>> patient = {"product": "tarlatamab", "crp": "42 mg/L"}
    >>> explained = explain_patient(patient, model="baseline-0.1.0", has_simulation=False)
    >>> explained.therapy.product_short, 0 < explained.estimate.grade2plus.value < 1
    ('Tarlatamab', True)
    """
    explainable = ExplainableModel.of(model)
    contract = explainable.model.contract
    told = patient if isinstance(patient, PatientFile) else read_patient(patient)
    world = load_world()
    arm = arm_of(told, world=world)
    seen = {column.name: column.trained for column in contract.columns if column.trained}
    check_units(told, seen=seen)
    observed = with_course(told, row_of(told, arm=arm), contract=contract)
    for group in contract.refused:
        if in_group({bound.column: observed[bound.column] for bound in group.bounds}, group).any():
            raise refused_patient(group)
    simulated, landmark = None, None
    if has_simulation and contract.landmark_h:
        simulated, landmark = simulate_later(
            simulated_values(told),
            arm=arm,
            world=world,
            hour=contract.landmark_h,
            worst_grade=worst_grade(observed),
            seed=seed,
            n_members=n_members,
            n_people=n_people,
            workers=workers,
            advance=advance,
        )
    elif has_simulation:
        simulated = simulate_patient(
            told,
            arm=arm,
            world=world,
            seed=seed,
            n_members=n_members,
            n_people=n_people,
            workers=workers,
            advance=advance,
        )
    facts = _facts(
        explainable, told, arm=arm, world=world, observed=observed, unknown_product=unknown_product
    )
    if simulated is not None and not facts.cannot:
        simulated = from_one_number(simulated, facts.risk)
    return explanation_of(replace(facts, simulated=simulated, landmark=landmark, seed=seed))


def _facts(
    model: ExplainableModel,
    patient: PatientFile,
    *,
    arm: Arm,
    world: World,
    observed: pd.DataFrame,
    unknown_product: bool,
) -> PatientFacts:
    """Everything about the patient but what is simulated."""
    predicted = model.model.predict(observed, unknown_product=unknown_product)
    risk, cannot, covered = patient_risks(model, observed)[0], "", ""
    if not predicted.has_risk[0]:
        cannot = _why_not(model.model, observed, product_label=arm.product.label)
    elif not predicted.rows["risk_low"].isna().iloc[0]:
        risk, covered = over_products(risk, model.model), OVER_PRODUCTS
    explained, product = explain(model.model, observed), arm.product
    group = model.companions.reference.get(product.name)
    refits, worlds = model.companions.refits, model.companions.worlds
    severe = model.companions.grade3plus
    return PatientFacts(
        label=patient.label,
        product=product,
        product_label=product.label,
        regimen=arm.regimen_name,
        regimen_note=arm.regimen.in_words,
        prophylaxis=tuple(world.mitigations[name].label for name in arm.mitigations),
        population_label=arm.population.label,
        window_d=model.model.contract.window_of(product.platform),
        observed=observed,
        given=patient.values,
        course=patient.course,
        model=model.model,
        n_refits=len(refits) if refits is not None else 0,
        n_worlds=worlds.n_members if worlds is not None else 0,
        risk=risk,
        cannot=cannot,
        covers=covered,
        reference=model.reference.get(product.name),
        seen=group.seen if group is not None else {},
        compared_with=explained.references[0],
        base_risk=float(explained.base_risk[0]),
        reasons=explained.reasons(0),
        missing=missing_ranges(model, observed),
        simulated=None,
        guidance=product_guidance(product),
        published=published_rates((product,)),
        grade3plus_model="" if severe is None else severe.label,
    )
