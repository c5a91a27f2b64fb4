"""True risk: how often a simulated patient has the event when simulated again and again.

An oracle would state this risk. Two oracles, never to be mixed up:

``given="baseline"``: the oracle knows everything that is true at baseline (true laboratory values,
unmeasured biology, the site's habits); only the future is redrawn (dose-to-dose variation,
measurement of vital signs, habits of prescribing). No model on observed data can reach it.

``given="observed"``: the oracle knows the mechanism but, of the patient, only what the hospital's
table shows. True values are drawn given the measured ones (exactly, since both are normal on the
latent scale), gaps are filled the same way, unmeasured biology and the site's habits are drawn
anew. It is the ceiling for every model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk import streams
from crsrisk.data.cohort import Arm, Cohort
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.world import World, load_world
from crsrisk.errors import InputError
from crsrisk.executor import each_done, is_elsewhere
from crsrisk.results import Result, to_plain
from crsrisk.simulation.arm import arms_by_tumour_type
from crsrisk.simulation.observation import measured_latent, noise_sd
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import (
    HABITS,
    N_OCCASIONS,
    N_SITE_EFFECTS,
    TRAITS,
    Patients,
    correlation,
    draw,
    latent_mean,
    take,
    transform_draws,
)
from crsrisk.simulation.run import run

Values = NDArray[np.float64]
Given = Literal["baseline", "observed"]
Event = Literal["grade2plus", "grade3plus"]
GIVEN_IN_WORDS: Mapping[Given, str] = {
    "baseline": "everything true at baseline",
    "observed": "what was observed",
}
_BATCH = 8192  # virtual repetitions simulated together


@dataclass(frozen=True, eq=False, repr=False)
class TrueRisk(Result):
    """How often each patient had the event among repeated simulations of the same patient.

    Parameters
    ----------
    patient_id : the patients' numbers, shape (n,).
    given : what is held fixed: ``"observed"`` (what the hospital's table shows; the ceiling of
        every model) or ``"baseline"`` (everything true before the first dose).
    n_grade2plus, n_grade3plus : simulations with the event, shape (n, 2): those in the first and in
        the second half of the replicates, two independent counts whose difference shows the Monte
        Carlo error.
    n_replicates : simulations of each patient, both halves together.
    cohort : the patients themselves, where the true risk was asked for a cohort.
    """

    patient_id: NDArray[np.int64]
    given: Given
    n_grade2plus: NDArray[np.int64]
    n_grade3plus: NDArray[np.int64]
    n_replicates: int
    cohort: Cohort | None = None

    def n_events(self, event: Event = "grade2plus") -> NDArray[np.int64]:
        """Simulations with the event, both halves together, shape (n,)."""
        return np.asarray(self._counts(event).sum(axis=1))

    def risk(self, event: Event = "grade2plus") -> Values:
        """Estimated risk within the window (0-1), shape (n,)."""
        return np.asarray(self.n_events(event) / float(self.n_replicates))

    def mc_error(self, event: Event = "grade2plus") -> Values:
        """Monte Carlo standard error of :meth:`risk`, shape (n,)."""
        p = self.risk(event)
        return np.asarray(np.sqrt(p * (1.0 - p) / float(self.n_replicates)))

    def to_frame(self) -> pd.DataFrame:
        """Risks with their Monte Carlo standard errors, one row a patient."""
        columns: dict[str, NDArray[np.int64] | Values] = {"patient_id": self.patient_id}
        events: tuple[Event, ...] = ("grade2plus", "grade3plus")
        for event in events:
            columns[f"risk_{event}__given_{self.given}"] = self.risk(event)
            columns[f"mc_error_{event}__given_{self.given}"] = self.mc_error(event)
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """Number of patients, replicates and the mean risk."""
        n = len(self.patient_id)
        mean = f", mean risk {self.risk().mean():.3f} of grade 2 or more" if n else ""
        given = GIVEN_IN_WORDS[self.given]
        return f"{n} patients x {self.n_replicates} simulations, given {given}{mean}"

    def to_dict(self) -> dict[str, Any]:
        """What was given, the number of simulations, and a row a patient."""
        return {
            "given": self.given,
            "n_replicates": self.n_replicates,
            "patients": to_plain(self.to_frame()),
        }

    def _counts(self, event: Event) -> NDArray[np.int64]:
        return self.n_grade2plus if event == "grade2plus" else self.n_grade3plus


def true_risk(
    cohort: Cohort,
    *,
    world: World | None = None,
    n_replicates: int = 200,
    given: Given = "observed",
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> TrueRisk:
    """The true risk of simulated patients, by simulating each of them again and again.

    Parameters
    ----------
    cohort : patients of :func:`crsrisk.simulate`, all or a part of them, as ``test.head(80)``.
    world : the world in which they were simulated; without one, that of the cohort's scenario.
    n_replicates : simulations of each patient, an even number.
    given : ``"observed"``: of the patient only what the hospital's table shows is held fixed, the
        rest is drawn anew: the ceiling for every model. ``"baseline"``: everything true before the
        first dose is held fixed.
    workers : threads. They change nothing in the result.
    advance : told how many patients are done (for a progress bar).

    Returns
    -------
    TrueRisk
        In the order of the cohort's patients.

    Raises
    ------
    InputError
        For patients that were not simulated here, another world, or an odd number of replicates.

    Examples
    --------
    >>> from crsrisk.simulation.cohort import simulate
    >>> truth = true_risk(simulate("tarlatamab", n=3, seed=1), n_replicates=2)
    >>> truth.risk().shape
    (3,)
    """
    seed, known = origin_of(cohort, world)
    ids = cohort.patient_ids.to_numpy(dtype=np.int64)
    counts = np.zeros((2, len(ids), 2), dtype=np.int64)
    for place, whole in enumerate(cohort.arms):
        mine = np.flatnonzero(ids % len(cohort.arms) == place)
        if not mine.size:
            continue
        for arm, some in arms_by_tumour_type(whole, world=known, seed=seed, patient_id=ids[mine]):
            rows = mine[some]
            risk = risk_of_arm(
                arm,
                patients_by_id(arm, world=known, seed=seed, patient_ids=ids[rows]),
                world=known,
                seed=seed,
                given=given,
                n_replicates=n_replicates,
                workers=workers,
                advance=advance,
            )
            counts[0, rows], counts[1, rows] = risk.n_grade2plus, risk.n_grade3plus
    return TrueRisk(ids, given, counts[0], counts[1], n_replicates, cohort)


def origin_of(cohort: Cohort, world: World | None) -> tuple[int, World]:
    """Seed and world that the cohort was simulated with."""
    if not cohort.arms or "seed" not in cohort.manifest or "world" not in cohort.manifest:
        raise InputError(
            where="true_risk",
            key="cohort",
            found="patients that do not say how they were simulated",
            expected="a cohort of crsrisk.simulate, or a part of one",
            cure="simulate the cohort in this session; real patients have no true risk",
        )
    known = world or load_world(str(cohort.manifest["scenario"]))
    known = replace(
        known,
        populations={arm.population.name: arm.population for arm in cohort.arms}
        | dict(known.populations),
        policies={arm.policy.name: arm.policy for arm in cohort.arms} | dict(known.policies),
    )
    if known.digest != cohort.manifest["world"]:
        raise InputError(
            where="true_risk",
            key="world",
            found=f"another world ({known.scenario.name}) than that of the cohort",
            expected=f"the world it was simulated in ({cohort.manifest['scenario']})",
            cure="pass the world that was passed to simulate",
        )
    return int(cohort.manifest["seed"]), known


def posterior(
    seen: Values, mean: Values, *, covariance: Values, noise: Values
) -> tuple[Values, Values]:
    """Mean and a square root of the covariance of one patient's true latent values given the
    measured ones.

    ``seen`` (11,) with NaN for gaps, ``mean`` (11,) prior mean, ``noise`` (11,) SD of measurement
    (0 = exact).
    """
    has = ~np.isnan(seen)
    if not has.any():
        return mean, np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    block = covariance[np.ix_(has, has)] + np.diag(noise[has] ** 2)
    gain = np.linalg.solve(block, covariance[has]).T
    left = covariance - gain @ covariance[has]
    values, vectors = np.linalg.eigh((left + left.T) / 2.0)
    root = np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=np.float64)
    return mean + gain @ (seen[has] - mean[has]), root


def _future(
    patient: int, *, seed: int, n: int, first: int
) -> dict[str, Values | NDArray[np.uint64]]:
    span = {"seed": seed, "start": first, "stop": first + n}
    return {
        "occasions": streams.normals(
            decision=f"oracle occasions {patient}", width=N_OCCASIONS, **span
        ),
        "habits": streams.uniforms(decision=f"oracle habits {patient}", width=len(HABITS), **span),
        "keys": streams.keys(decision=f"oracle measurement {patient}", **span),
    }


def _unknown(
    patients: Patients, row: int, root: tuple[Values, Values], *, seed: int, n: int, first: int
) -> dict[str, Values]:
    """Latent values, unmeasured traits and site effects drawn anew for one patient."""
    patient = int(patients.patient_id[row])
    span = {"seed": seed, "start": first, "stop": first + n}
    mean, spread = root
    normal = streams.normals(decision=f"oracle covariates {patient}", width=len(CONTINUOUS), **span)
    traits = streams.normals(decision=f"oracle traits {patient}", width=len(TRAITS), **span)
    # the dose given is known
    traits[:, TRAITS.index("cell_dose")] = patients.traits[row, TRAITS.index("cell_dose")]
    return {
        "latent": mean + normal @ spread.T,
        "traits": traits,
        "site_effects": streams.normals(
            decision=f"oracle site {patient}", width=N_SITE_EFFECTS, **span
        ),
    }


def redrawn(
    arm: Arm,
    patients: Patients,
    *,
    world: World,
    seed: int,
    given: Given,
    n_replicates: int,
    first: int = 0,
) -> Iterator[tuple[NDArray[np.int64], Patients]]:
    """Batches of rows of ``patients`` with every row repeated ``n_replicates`` times, what is not
    given drawn anew.

    The draws depend on seed and patient alone, so that different arms of the same patients meet the
    same futures; ``first`` is the number of the first future (others are independent of those
    before).
    """
    prior = latent_mean(patients.discrete, assumptions=world.assumptions)
    covariance, noise = (
        correlation(world.assumptions),
        noise_sd(arm.population, assumptions=world.assumptions),
    )
    seen = measured_latent(patients, population=arm.population, world=world, seed=seed)
    n, size = len(patients), max(1, _BATCH // n_replicates)
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        drawn = []
        for row in rows:
            new = dict(
                _future(int(patients.patient_id[row]), seed=seed, n=n_replicates, first=first)
            )
            if given == "observed":
                root = posterior(seen[row], prior[row], covariance=covariance, noise=noise)
                new |= _unknown(patients, int(row), root, seed=seed, n=n_replicates, first=first)
            drawn.append(new)
        fresh: dict[str, Any] = {
            name: np.concatenate([new[name] for new in drawn]) for name in drawn[0]
        }
        yield rows, replace(take(patients, np.repeat(rows, n_replicates)), **fresh)


def risk_of_arm(
    arm: Arm,
    patients: Patients,
    *,
    world: World,
    seed: int,
    given: Given,
    n_replicates: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> TrueRisk:
    """True risk of these patients of one arm by ``n_replicates`` (an even number) simulations each.

    ``advance`` is told how many patients are done (for a progress bar). Raises :class:`InputError`
    for an odd number.
    """
    half_of(n_replicates, where="true_risk")
    events = partial(
        _events_again, arm, world=world, seed=seed, given=given, n_replicates=n_replicates
    )
    if not is_elsewhere():
        counts = events(patients, workers=workers, advance=advance)
    else:
        size = max(1, _BATCH // n_replicates)
        groups = (
            take(patients, np.arange(at, min(at + size, len(patients))))
            for at in range(0, len(patients), size)
        )

        def done(group: Patients) -> None:
            if advance is not None:
                advance(len(group))

        counts = np.concatenate(list(each_done(events, groups, done=done)), axis=1)
    return TrueRisk(patients.patient_id, given, counts[0], counts[1], n_replicates)


def _events_again(
    arm: Arm,
    patients: Patients,
    *,
    world: World,
    seed: int,
    given: Given,
    n_replicates: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> NDArray[np.int64]:
    """Repetitions with grade 2 or more, and 3 or more, in both halves: (2, patients, 2)."""
    counts = np.zeros((2, len(patients), 2), dtype=np.int64)
    for rows, again in redrawn(
        arm, patients, world=world, seed=seed, given=given, n_replicates=n_replicates
    ):
        episode = run(arm, again, world=world, workers=workers)
        grade = grade_within(episode, window_h=24.0 * arm.window_d).reshape(len(rows), 2, -1)
        counts[0, rows], counts[1, rows] = (grade >= 2).sum(axis=2), (grade >= 3).sum(axis=2)
        if advance is not None:
            advance(len(rows))
    return counts


def half_of(n_replicates: int, *, where: str) -> int:
    if n_replicates < 2 or n_replicates % 2:
        raise InputError(
            where=where,
            key="n_replicates",
            found=n_replicates,
            expected="an even number of 2 or more",
            cure="state an even number: more futures, a smaller Monte Carlo error",
        )
    return n_replicates // 2


def patients_by_id(
    arm: Arm, *, world: World, seed: int, patient_ids: NDArray[np.int64]
) -> Patients:
    """The patients of these numbers as they are in the world with this seed (for re-simulation)."""
    order = np.argsort(patient_ids, kind="stable")
    parts = []
    for group in np.split(
        patient_ids[order], np.flatnonzero(np.diff(patient_ids[order]) > 4096) + 1
    ):
        draws = draw(
            assumptions=world.assumptions, seed=seed, start=int(group[0]), stop=int(group[-1]) + 1
        )
        parts.append(
            transform_draws(
                draws, arm.population, assumptions=world.assumptions, rows=group - group[0]
            )
        )
    if len(parts) == 1:
        return take(parts[0], np.argsort(order, kind="stable"))
    arrays: dict[str, Any] = {
        column.name: np.concatenate([getattr(p, column.name) for p in parts])
        for column in fields(Patients)
        if column.name != "discrete"
    }
    discrete = {
        name: np.concatenate([p.discrete[name] for p in parts]) for name in parts[0].discrete
    }
    joined = Patients(discrete=discrete, **arrays)
    return take(joined, np.argsort(order, kind="stable"))


# Intervention: what would this patient's risk have been, had one baseline value been another
# patient's?
#
# The mechanism is run again with that one true value replaced and everything else kept: the other
# values (also those that usually travel with it), the unmeasured biology, the site, the future.
# That is a cause's effect in this world; no attribution of a model can give it, since a model sees
# measured values and what travels with them.


DISCRETE = (
    "is_female",
    "ecog",
    "has_liver_metastases",
    "n_metastatic_sites",
    "has_prior_checkpoint_inhibitor",
    "has_infection",
)
FEATURES: tuple[str, ...] = (*CONTINUOUS, *DISCRETE, "dose_intensity")


@dataclass(frozen=True)
class Intervened:
    """Events of grade >= 2 among each patient's repetitions, as he is and with one value replaced,
    in two split halves.

    ``natural`` (patients, 2), ``changed`` (patients, features, 2); ``n_replicates``: simulations of
    a patient, both halves together. Replicate k of a patient has the same random numbers in all of
    them.
    """

    features: tuple[str, ...]
    natural: NDArray[np.int64]
    changed: NDArray[np.int64]
    n_replicates: int

    def effects(self, *, split_half: int | None = None) -> Values:
        """Log-odds of grade >= 2 as the patient is minus with the value replaced, shape (patients,
        features).

        ``split_half`` takes one half of the replicates (0 or 1), for the Monte Carlo error. Half an
        event is added to each class, so that a patient without any event has an answer.
        """
        if split_half is None:
            natural, changed = self.natural.sum(axis=1), self.changed.sum(axis=2)
            m = self.n_replicates
        else:
            natural, changed = self.natural[:, split_half], self.changed[:, :, split_half]
            m = self.n_replicates // 2
        return np.asarray(
            logit((natural + 0.5) / (m + 1))[:, None] - logit((changed + 0.5) / (m + 1))
        )


def with_reference_values(patients: Patients, reference: Patients, *, feature: str) -> Patients:
    """The patients with the true value of one feature taken from ``reference`` (row by row),
    nothing else changed.
    """
    if feature in CONTINUOUS:
        latent = patients.latent.copy()
        latent[:, CONTINUOUS.index(feature)] = reference.latent[:, CONTINUOUS.index(feature)]
        return replace(patients, latent=latent)
    if feature == "dose_intensity":
        traits = patients.traits.copy()
        traits[:, TRAITS.index("cell_dose")] = reference.traits[:, TRAITS.index("cell_dose")]
        return replace(patients, traits=traits)
    if feature not in DISCRETE:
        raise InputError(
            where="intervention",
            key="feature",
            found=feature,
            expected=f"one of {', '.join(FEATURES)}",
            cure="choose a baseline value of the patient",
        )
    changed = {feature: reference.discrete[feature]}
    if feature == "n_metastatic_sites":
        changed["extra_sites"] = reference.discrete["extra_sites"]
    return replace(patients, discrete={**patients.discrete, **changed})


def intervene(
    arm: Arm,
    patients: Patients,
    *,
    reference: Patients,
    features: Sequence[str],
    world: World,
    seed: int,
    n_replicates: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> Intervened:
    """Re-run patients as they are and with each feature in turn replaced by the value of a
    reference patient.

    What was not observed of a patient is drawn anew in each repetition, as for the oracle given
    what was observed; repetition k takes the value of reference patient k (modulo their number), so
    that the replaced value is averaged over the reference population. ``n_replicates`` is even.
    """
    half, n = half_of(n_replicates, where="intervention"), len(patients)
    natural = np.zeros((n, 2), dtype=np.int64)
    changed = np.zeros((n, len(features), 2), dtype=np.int64)

    def events(some: Patients, n_rows: int) -> NDArray[np.int64]:
        grade = grade_within(
            run(arm, some, world=world, workers=workers), window_h=24.0 * arm.window_d
        )
        return np.asarray((grade >= 2).reshape(n_rows, 2, half).sum(axis=2))

    for rows, again in redrawn(
        arm, patients, world=world, seed=seed, given="observed", n_replicates=n_replicates
    ):
        partner = np.tile(np.arange(n_replicates) % len(reference), len(rows))
        values = take(reference, partner)
        natural[rows] = events(again, len(rows))
        for place, feature in enumerate(features):
            changed[rows, place] = events(
                with_reference_values(again, values, feature=feature), len(rows)
            )
        if advance is not None:
            advance(len(rows))
    return Intervened(tuple(features), natural, changed, n_replicates)
