"""Simon designs: their figures are sums over all courses, and no other design is better."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from crsrisk.errors import InputError
from crsrisk.trials.simon import SimonDesign, simon_operating_characteristics, simon_two_stage


def rejecting(r1: int, n1: int, r: int, n: int, p: float) -> float:
    """Probability of rejecting, summed over every result of both stages."""
    return sum(
        binom.pmf(x, n1, p) * binom.pmf(y, n - n1, p)
        for x in range(r1 + 1, n1 + 1)
        for y in range(n - n1 + 1)
        if x + y > r
    )


def all_designs(
    p0: float, p1: float, *, alpha: float, beta: float, n_max: int
) -> list[tuple[float, int]]:
    """(EN0, n) of every acceptable design up to ``n_max``, with plain loops and every r."""
    found = []
    for n in range(2, n_max + 1):
        for n1 in range(1, n):
            x = np.arange(n1 + 1)
            first = {p: binom.pmf(x, n1, p) for p in (p0, p1)}
            for r in range(n):
                reach = {p: first[p] * binom.sf(r - x, n - n1, p) for p in (p0, p1)}
                for r1 in range(min(n1, r + 1)):
                    if reach[p0][r1 + 1 :].sum() <= alpha and reach[p1][r1 + 1 :].sum() >= 1 - beta:
                        stop = first[p0][: r1 + 1].sum()
                        found.append((n1 + (1 - stop) * (n - n1), n))
    return found


@settings(max_examples=40)
@given(data=st.data(), n1=st.integers(1, 12), n2=st.integers(1, 12), p=st.floats(1e-6, 1 - 1e-6))
def test_characteristics_are_sums_over_all_courses(
    data: st.DataObject, n1: int, n2: int, p: float
) -> None:
    r1 = data.draw(st.integers(0, n1 - 1))
    r = data.draw(st.integers(r1, n1 + n2 - 1))
    found = simon_operating_characteristics(r1=r1, n1=n1, r=r, n=n1 + n2, p_success=[p])
    assert found.p_reject[0] == pytest.approx(rejecting(r1, n1, r, n1 + n2, p), abs=1e-12)
    assert found.p_stop_early[0] == pytest.approx(binom.cdf(r1, n1, p), abs=1e-12)
    assert n1 <= found.expected_n[0] <= n1 + n2


@pytest.mark.parametrize(
    ("p0", "p1", "beta"), [(0.1, 0.5, 0.2), (0.5, 0.9, 0.1), (0.05, 0.35, 0.2)]
)
def test_no_design_is_better(p0: float, p1: float, beta: float) -> None:
    """A search without any shortcut, well beyond the sizes found."""
    designs = simon_two_stage(p0=p0, p1=p1, beta=beta)
    everything = all_designs(p0, p1, alpha=0.05, beta=beta, n_max=designs.optimal.n + 4)
    assert pytest.approx(min(everything)[0], abs=1e-9) == designs.optimal.EN0
    smallest = min(n for _, n in everything)
    assert designs.minimax.n == smallest
    assert (
        pytest.approx(min(en for en, n in everything if n == smallest), abs=1e-9)
        == designs.minimax.EN0
    )
    for q in np.linspace(0, 1, 21):  # the best compromise is always among the admissible designs
        best = min(q * n + (1 - q) * en for en, n in everything)
        assert min(q * d.n + (1 - q) * d.EN0 for d in designs.admissible) == pytest.approx(
            best, abs=1e-9
        )


@settings(max_examples=15)
@given(
    p0=st.floats(0.05, 0.7),
    gain=st.floats(0.15, 0.28),
    alpha=st.floats(0.03, 0.15),
    beta=st.floats(0.1, 0.3),
)
def test_designs_keep_their_promises(p0: float, gain: float, alpha: float, beta: float) -> None:
    designs = simon_two_stage(p0=p0, p1=p0 + gain, alpha=alpha, beta=beta)
    assert designs.admissible[0] == designs.minimax
    assert designs.admissible[-1] == designs.optimal
    for design in designs.admissible:
        at = simon_operating_characteristics(
            r1=design.r1, n1=design.n1, r=design.r, n=design.n, p_success=[p0, p0 + gain]
        )
        assert [design.alpha, design.power] == pytest.approx(at.p_reject.tolist(), abs=1e-10)
        assert pytest.approx([at.p_stop_early[0], at.expected_n[0]], abs=1e-9) == [
            design.PET0,
            design.EN0,
        ]
        assert design.alpha <= alpha
        assert design.power >= 1 - beta
    assert designs.minimax.n <= designs.optimal.n
    assert designs.optimal.EN0 <= designs.minimax.EN0


def test_published_designs() -> None:
    """Simon 1989, tables 1 and 2, alpha 0.05, power 90% (recalled)."""
    found = simon_two_stage(p0=0.3, p1=0.5, beta=0.1)
    corners = [(d.r1, d.n1, d.r, d.n) for d in (found.optimal, found.minimax)]
    assert corners == [(8, 24, 24, 63), (7, 24, 21, 53)]
    assert isinstance(found.optimal, SimonDesign)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"p1": 0.6}, "p1"),
        ({"p1": 0.5}, "p1"),
        ({"p0": 0.0}, "p0"),
        ({"alpha": 0.5}, "alpha"),
        ({"beta": 0.99}, "1 - beta"),
        ({"p1": 0.65}, "n_max"),
        ({"n_max": 20}, "n_max"),
    ],
)
def test_designs_out_of_reach_are_refused(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=rf"{key}.*Cure: \w"):
        simon_two_stage(**{"p0": 0.6, "p1": 0.8, "n_max": 60, **wrong})


@pytest.mark.parametrize(
    "wrong", [{"r1": 11}, {"r": 43}, {"r1": 7, "r": 6}, {"n": 11}, {"p_success": [1.2]}, {"n1": 0}]
)
def test_impossible_stages_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Cure"):
        simon_operating_characteristics(
            **{"r1": 7, "n1": 11, "r": 30, "n": 43, "p_success": [0.6], **wrong}
        )
