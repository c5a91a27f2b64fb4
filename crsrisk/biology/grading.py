"""Grading: the ASTCT grade of one moment from signs and support (Lee, Biol Blood Marrow Transplant
2019).

Fever opens CRS and is not required again afterwards, since antipyretics and cytokine blockade hide
it. Grade 2: hypotension that needs no vasopressor, or low-flow oxygen. Grade 3: one vasopressor, or
high-flow oxygen. Grade 4: several vasopressors, or positive pressure. Grade 5 (death) is not
simulated.
"""

from __future__ import annotations

from crsrisk.biology.compiled import scalar


@scalar
def astct_grade(
    is_open: float,
    hypotension: float,
    low_flow: float,
    pressor: float,
    high_flow: float,
    second_pressor: float,
    positive_pressure: float,
) -> float:
    """Grade 0-4 of one moment; every argument is 0 or 1.

    >>> astct_grade(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    2.0
    """
    second = max(hypotension, low_flow)
    third = max(pressor, high_flow)
    fourth = max(second_pressor, positive_pressure)
    return is_open * max(1.0, max(max(2.0 * second, 3.0 * third), 4.0 * fourth))
