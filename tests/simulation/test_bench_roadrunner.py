"""The benchmark against libRoadRunner: it solves the same patients at the accuracy it claims, and
says when it missed.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

pytest.importorskip("roadrunner", reason="libroadrunner is a development tool")

from bench.roadrunner import BAR_RATIO, TARGET, Comparison, Peer, compare, table
from tests.simulation.people import world_of


@pytest.mark.slow
def test_both_solve_the_same_patients() -> None:
    """Two patients with changed constants, one after the other in one model; speeds are not judged
    here.
    """
    found = compare(("tarlatamab", "label_no_steroid"), world=world_of(), n=2, n_kernel=16)
    for peer in (found.usual, found.best):
        assert peer.error <= max(TARGET, found.kernel_error)
        assert peer.ratio == pytest.approx(found.kernel_per_s / peer.per_s)
    assert found.usual.setting.startswith("BDF")
    assert found.kernel_error < 5e-3


def test_the_table_says_when_the_bar_is_missed() -> None:
    good = Peer("BDF, rtol 1e-05", 300.0, 5e-4, 2 * BAR_RATIO)
    arm = Comparison("tarlatamab", "label", 1e4, 4e-4, good, good)
    assert "MISSED" not in table({"arms": [asdict(arm)]})
    slow = replace(arm, best=replace(good, ratio=BAR_RATIO / 2))
    assert table({"arms": [asdict(arm), asdict(slow)]}).count("MISSED") == 1
