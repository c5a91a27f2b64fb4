"""Ensemble: many sets of assumptions that the evidence cannot tell apart, with their weights."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crsrisk.domain.assumptions import digest_of
from crsrisk.errors import InputError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """``values`` has one row a member and one column a constant; ``keys`` name the constants; ``weights`` sum to 1.

    A key is ``assumption:engagement.t_gain``, ``product:tarlatamab.binding.tumour_affinity_nm``,
    ``policy:standard_astct.rescue_delay_h`` or ``mitigation:dexamethasone.half_effect_dose``. ``assumptions`` is the
    digest of the priors the members were drawn from.
    """

    keys: tuple[str, ...]
    values: Values
    weights: Values
    assumptions: str

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.weights), len(self.keys)) or not len(self.weights):
            raise InputError(where="ensemble", key="shape", found=f"{self.values.shape} values, {len(self.weights)} weights",
                             expected=f"one row a member and {len(self.keys)} columns",
                             cure="make the ensemble again: crsrisk run experiments/002_calibration")

    def __len__(self) -> int:
        return len(self.weights)

    def member(self, k: int) -> dict[str, float]:
        """The constants of one member by key."""
        return dict(zip(self.keys, (float(value) for value in self.values[k]), strict=True))

    def without(self, keys: Collection[str]) -> Ensemble:
        """The members without some of their constants."""
        kept = [k for k, key in enumerate(self.keys) if key not in keys]
        return Ensemble(tuple(self.keys[k] for k in kept), self.values[:, kept], self.weights, self.assumptions)

    @property
    def digest(self) -> str:
        """Hash of every value and weight."""
        return digest_of([self.keys, self.values.tolist(), self.weights.tolist()])

    @property
    def effective_size(self) -> float:
        """How many equally weighted members would carry as much (Kish)."""
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())
