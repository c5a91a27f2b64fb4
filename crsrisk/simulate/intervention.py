"""Intervention: what would this patient's risk have been, had one baseline value been another patient's?

The mechanism is run again with that one true value replaced and everything else kept: the other values (also those that
usually travel with it), the unmeasured biology, the site, the future. That is a cause's effect in this world; no
attribution of a model can give it, since a model sees measured values and what travels with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.domain.population import CONTINUOUS
from crsrisk.domain.world import World
from crsrisk.errors import InputError
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.outcomes import grade_within
from crsrisk.simulate.population import TRAITS, Patients, take
from crsrisk.simulate.run import run
from crsrisk.simulate.truth import redrawn

Values = NDArray[np.float64]
DISCRETE = ("is_female", "ecog", "has_liver_metastases", "n_metastatic_sites", "has_prior_checkpoint_inhibitor",
            "has_infection")
FEATURES: tuple[str, ...] = (*CONTINUOUS, *DISCRETE, "dose_intensity")


@dataclass(frozen=True)
class Intervened:
    """Events of grade >= 2 among each patient's repetitions, as he is and with one value replaced, in two halves.

    ``natural`` (patients, 2), ``changed`` (patients, features, 2); ``half``: repetitions in one half. Repetition k of a
    patient has the same random numbers in all of them.
    """

    features: tuple[str, ...]
    natural: NDArray[np.int64]
    changed: NDArray[np.int64]
    half: int

    def effects(self, *, half: int | None = None) -> Values:
        """Log-odds of grade >= 2 as he is minus with the value replaced, shape (patients, features).

        ``half`` takes one half of the repetitions (0 or 1), for the Monte Carlo error. Half an event is added to each
        class, so that a patient without any event has an answer.
        """
        natural = self.natural.sum(axis=1) if half is None else self.natural[:, half]
        changed = self.changed.sum(axis=2) if half is None else self.changed[:, :, half]
        m = 2 * self.half if half is None else self.half
        return np.asarray(logit((natural + 0.5) / (m + 1))[:, None] - logit((changed + 0.5) / (m + 1)))


def with_reference_values(patients: Patients, reference: Patients, *, feature: str) -> Patients:
    """The patients with the true value of one feature taken from ``reference`` (row by row), nothing else changed."""
    if feature in CONTINUOUS:
        latent = patients.latent.copy()
        latent[:, CONTINUOUS.index(feature)] = reference.latent[:, CONTINUOUS.index(feature)]
        return replace(patients, latent=latent)
    if feature == "dose_intensity":
        traits = patients.traits.copy()
        traits[:, TRAITS.index("cell_dose")] = reference.traits[:, TRAITS.index("cell_dose")]
        return replace(patients, traits=traits)
    if feature not in DISCRETE:
        raise InputError(where="intervention", key="feature", found=feature, expected=f"one of {', '.join(FEATURES)}",
                         cure="choose a baseline value of the patient")
    changed = {feature: reference.discrete[feature]}
    if feature == "n_metastatic_sites":
        changed["extra_sites"] = reference.discrete["extra_sites"]
    return replace(patients, discrete={**patients.discrete, **changed})


def intervene(
    arm: Arm, patients: Patients, *, reference: Patients, features: Sequence[str], world: World, seed: int,
    repetitions: int, workers: int = 1, advance: Callable[[int], None] | None = None,
) -> Intervened:
    """Re-run patients as they are and with each feature in turn replaced by the value of a reference patient.

    What was not observed of a patient is drawn anew in each repetition, as for the oracle given what was observed;
    repetition k takes the value of reference patient k (modulo their number), so that the replaced value is averaged over
    the reference population. ``repetitions`` is even.
    """
    if repetitions < 2 or repetitions % 2:
        raise InputError(where="intervention", key="repetitions", found=repetitions, expected="an even number of 2 or more",
                         cure="use 200 or 500")
    half, n = repetitions // 2, len(patients)
    natural = np.zeros((n, 2), dtype=np.int64)
    changed = np.zeros((n, len(features), 2), dtype=np.int64)

    def events(some: Patients, n_rows: int) -> NDArray[np.int64]:
        grade = grade_within(run(arm, some, world=world, workers=workers), window_h=24.0 * arm.window_d)
        return np.asarray((grade >= 2).reshape(n_rows, 2, half).sum(axis=2))

    for rows, again in redrawn(arm, patients, world=world, seed=seed, given="observed", repetitions=repetitions):
        partner = np.tile(np.arange(repetitions) % len(reference), len(rows))
        values = take(reference, partner)
        natural[rows] = events(again, len(rows))
        for place, feature in enumerate(features):
            changed[rows, place] = events(with_reference_values(again, values, feature=feature), len(rows))
        if advance is not None:
            advance(len(rows))
    return Intervened(tuple(features), natural, changed, half)
