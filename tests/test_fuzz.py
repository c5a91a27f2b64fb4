"""A short run of the fuzz suite: every malformed file is read or refused in a sentence.

The long one is ``make fuzz``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crsrisk.errors import InputError
from fuzz.run import fuzz
from fuzz.targets import Target, targets

CASES = 12


@pytest.mark.slow
@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
def test_malformed_files_are_read_or_refused(target: Target) -> None:
    outcome = fuzz(target, cases=CASES, seed=20261130)
    assert not outcome.failures, outcome.summary()


def _reads(problem: Exception) -> Target:
    def spoil(place: Path, rng: np.random.Generator) -> Path:
        return place

    def read(place: Path) -> None:
        raise problem

    return Target("made up", spoil, read)


def _refusal(expected: str) -> InputError:
    return InputError(where="a.yaml", found="one", expected=expected, cure="correct it")


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (KeyError("x"), "KeyError"),
        (RecursionError(), "RecursionError"),
        (MemoryError(), "MemoryError"),
        (_refusal("a" * 1000), "a refusal of more than 1000 characters"),
    ],
)
def test_what_is_no_clean_refusal_is_a_failure(problem: Exception, kind: str) -> None:
    outcome = fuzz(_reads(problem), cases=2, seed=1)
    assert outcome.failures.total() == 2
    assert next(iter(outcome.failures)).startswith(kind)


def test_a_clean_refusal_is_none() -> None:
    outcome = fuzz(_reads(_refusal("a")), cases=2, seed=1)
    assert (outcome.refused, outcome.failures.total()) == (2, 0)
