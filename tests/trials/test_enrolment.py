"""The loop over patients against the same loop in plain Python, and what a trial's key promises."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk import streams
from crsrisk.data.trial_plan import Design
from crsrisk.trials.enrolment import CERTAIN, Arms, arms_of, as_chance, enrol
from tests.trials.designs import NOISY_SCREENING, beta_pool

WEYL, MIX_1, MIX_2, WORD = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 2**64


def plain_enrol(
    key: int, arms: Arms, at_look: list[int]
) -> list[tuple[np.ndarray, np.ndarray, int, int]]:
    """One trial, one endpoint, in plain Python with its own arithmetic: counts at every look."""
    had, size = np.zeros((2, arms.n_strata), dtype=int), np.zeros((2, arms.n_strata), dtype=int)
    exposed = needless = 0
    looks = []
    for place in range(at_look[-1]):
        z = (key + WEYL * (place + 1)) % WORD
        z = (z ^ (z >> 30)) * MIX_1 % WORD
        z = (z ^ (z >> 27)) * MIX_2 % WORD
        z = z ^ (z >> 31)
        row = int(arms.eligible[(z >> 32) * len(arms.eligible) >> 32])
        decides, group = z % CERTAIN, int(arms.stratum[row])
        arm = int(size[1, group] < arms.ratio * (size[0, group] + 1))
        size[arm, group] += 1
        had[arm, group] += decides < int(arms.chance[arm, 0, row])
        if arms.is_given[arm, row]:
            exposed += 1
            needless += decides >= int(arms.untreated[row])
        if place + 1 in at_look:
            looks.append((had.copy(), size.copy(), exposed, needless))
    return looks


def enrolled(arms: Arms, keys: np.ndarray, at_look: list[int]) -> tuple[np.ndarray, ...]:
    n, k = len(keys), len(at_look)
    events, sizes = (
        np.empty((n, k, 1, 2, arms.n_strata), np.int32),
        np.empty((n, k, 2, arms.n_strata), np.int32),
    )
    exposed, needless = np.empty((n, k), np.int32), np.empty((n, k), np.int32)
    enrol(
        keys,
        arms.eligible,
        arms.chance,
        arms.untreated,
        arms.is_given,
        arms.stratum,
        np.array(at_look),
        arms.ratio,
        events,
        sizes,
        exposed,
        needless,
    )
    return events, sizes, exposed, needless


@pytest.mark.parametrize(
    "design",
    [
        Design(name="x", kind="all_comers"),
        Design(name="x", kind="all_comers", ratio=2.0),
        Design(name="x", kind="enrichment", threshold=0.3),
        Design(name="x", kind="stratified", cuts=[0.15, 0.3]),
        Design(name="x", kind="strategy", threshold=0.2, control="everybody"),
    ],
    ids=lambda design: f"{design.kind}-{design.ratio:g}",
)
def test_the_loop_is_the_plain_one(design: Design) -> None:
    arms = arms_of(beta_pool(screening=NOISY_SCREENING), design, NOISY_SCREENING)
    keys, at_look = streams.keys(seed=3, decision="trials", start=0, stop=4), [17, 60]
    events, sizes, exposed, needless = enrolled(arms, keys, at_look)
    for trial, key in enumerate(keys):
        for look, (had, size, n_exposed, n_needless) in enumerate(
            plain_enrol(int(key), arms, at_look)
        ):
            np.testing.assert_array_equal(events[trial, look, 0], had)
            np.testing.assert_array_equal(sizes[trial, look], size)
            assert (exposed[trial, look], needless[trial, look]) == (n_exposed, n_needless)


def test_strata_are_balanced_within_themselves() -> None:
    arms = arms_of(
        beta_pool(), Design(name="x", kind="stratified", cuts=[0.2, 0.3]), NOISY_SCREENING
    )
    _, sizes, _, _ = enrolled(
        arms, streams.keys(seed=1, decision="trials", start=0, stop=50), [101]
    )
    assert np.abs(sizes[:, 0, 1] - sizes[:, 0, 0]).max() <= 1
    assert sizes.sum(axis=(2, 3)).min() == 101


def test_the_same_patients_come_under_either_effect() -> None:
    """Common random numbers: who has the event with prophylaxis would have had it without, in a
    monotone pool.
    """
    design = Design(name="x", kind="all_comers")
    keys = streams.keys(seed=1, decision="trials", start=0, stop=200)
    with_effect, without = (
        enrolled(arms_of(beta_pool(), design, NOISY_SCREENING, truth=truth), keys, [300])[0]
        for truth in ("effect", "null")
    )
    np.testing.assert_array_equal(with_effect[..., 0, 0], without[..., 0, 0])
    assert (with_effect[..., 1, 0] <= without[..., 1, 0]).all()


def test_chances_at_the_ends_are_certain() -> None:
    assert as_chance(np.array([-0.1, 0.0, 1.0, 1.2])).tolist() == [0, 0, CERTAIN, CERTAIN]
