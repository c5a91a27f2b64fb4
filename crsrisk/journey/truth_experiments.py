"""Experiments that ask the simulator for the truth: what runs each kind and prints its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crsrisk.journey.explanation_tables import print_explanation_truth
from crsrisk.journey.explanation_truth import run_explanation_truth
from crsrisk.journey.shift import print_shift, run_shift
from crsrisk.journey.true_optimism import print_true_optimism, run_true_optimism
from crsrisk.journey.updating import print_updating, run_updating

KINDS: Mapping[str, tuple[Callable[..., dict[str, Any]], Callable[[dict[str, Any]], None]]] = {
    "shift": (run_shift, print_shift), "updating": (run_updating, print_updating),
    "explanation_truth": (run_explanation_truth, print_explanation_truth),
    "true_optimism": (run_true_optimism, print_true_optimism),
}
