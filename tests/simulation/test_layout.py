"""Layout: names are unique, offsets agree with them, and rows that the kernel addresses by distance
are neighbours.
"""

from __future__ import annotations

from crsrisk.data.mitigation import NODES
from crsrisk.simulation import solve
from crsrisk.simulation.layout import (
    AT,
    FIRST_PARAMETER,
    LANES,
    N_NODES,
    N_OCCASIONS,
    N_ROWS,
    N_SLOTS,
    N_STATES,
    PARAMETERS,
    ROW,
    ROWS,
    SNAPSHOT,
    STATES,
    TRACE,
    TRACKS,
)


def test_every_row_has_one_name_and_one_offset() -> None:
    assert len(set(ROWS)) == len(ROWS) == N_ROWS
    assert all(
        getattr(AT, name) == ROW[name] * LANES == index * LANES for index, name in enumerate(ROWS)
    )
    assert ROWS[:N_STATES] == STATES
    assert set(TRACKS) < set(ROWS)
    assert ROWS[FIRST_PARAMETER:] == PARAMETERS


def test_rows_addressed_by_distance_are_neighbours() -> None:
    """The ward steps from slot to slot and from node to node by adding to the first offset."""
    runs = [
        [f"block_{node}" for node in NODES],
        [f"grade_dose_{k}" for k in range(1, 5)],
        [f"occasion_{k}" for k in range(1, N_OCCASIONS + 1)],
        [f"emax_{slot}_{node}" for slot in range(N_SLOTS) for node in range(N_NODES)],
        *(
            [f"{name}_{slot}" for slot in range(N_SLOTS)]
            for name in ("amount", "at_site", "keep", "transfer", "half")
        ),
    ]
    for names in runs:
        assert [ROW[name] - ROW[names[0]] for name in names] == list(range(len(names))), names[0]


def test_the_right_hand_side_reads_the_states_in_their_order() -> None:
    names = solve.rates.py_func.__code__.co_varnames  # type: ignore[attr-defined]
    assert names[3 : 3 + N_STATES] == STATES


def test_what_is_recorded_exists() -> None:
    assert set(SNAPSHOT) <= set(ROWS)
    assert set(TRACE) <= set(ROWS)
