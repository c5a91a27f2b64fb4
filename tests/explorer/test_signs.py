"""Grade and mean pressure that the page works out are those of the package."""

from __future__ import annotations

from itertools import product

from crsrisk.biology.grading import astct_grade
from tests.explorer.node import ask, needs_node

# support as the page asks for it -> hypotension, one vasopressor, several
PRESSURE = {"none": (0, 0, 0), "fluids": (1, 0, 0), "one": (1, 1, 0), "several": (1, 1, 1)}
# -> low flow, high flow, positive pressure
OXYGEN = {"none": (0, 0, 0), "low": (1, 0, 0), "high": (1, 1, 0), "positive": (1, 1, 1)}


@needs_node
def test_grades_are_those_of_python() -> None:
    signs = list(product((37.9, 38.0, 40.2), PRESSURE, OXYGEN))
    (told,) = ask([{"kind": "signs", "signs": signs, "pressures": []}])
    for (temperature, pressure, oxygen), grade in zip(signs, told["grades"], strict=True):
        low, pressor, second = PRESSURE[pressure]
        low_flow, high_flow, positive = OXYGEN[oxygen]
        is_open = float(temperature >= 38.0)
        assert grade == astct_grade(is_open, low, low_flow, pressor, high_flow, second, positive)


@needs_node
def test_what_is_not_known_gives_no_grade_and_no_pressure() -> None:
    signs = [[None, "none", "none"], [39.0, "", "none"], [39.0, "none", ""]]
    pressures = [[104, 58], [90, 60], [58, 104], [104, 0]]
    (told,) = ask([{"kind": "signs", "signs": signs, "pressures": pressures}])
    assert told["grades"] == [None, None, None]
    assert told["pressures"] == [58 + 46 / 3, 70.0, None, None]
