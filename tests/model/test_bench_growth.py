"""The benchmark of growth says what one more costs, marks what is not linear, and plans by rule."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from bench.growth import Run, Scaled, table
from bench.growth_chart import draw

FOUND = {
    "runs": [
        asdict(Run("simulate", "parts", 10_000, 1.0, 400.0, 500_000)),
        asdict(Run("simulate", "parts", 100_000, 5.5, 400.0, 5_000_000)),
        asdict(Run("predict", "parts", 10_000, 2.0, 300.0)),
        asdict(Run("predict", "parts", 100_000, 80.0, 318.0)),
    ],
    "members": [
        asdict(Run("forecast", "members", 10, 3.0, 300.0)),
        asdict(Run("forecast", "members", 100, 12.0, 310.0)),
    ],
    "scaled": [
        asdict(Scaled("strong", 1, 1000, 10.0, 9.0, 300.0)),
        asdict(Scaled("strong", 4, 1000, 5.0, 9.5, 300.0)),
        asdict(Scaled("weak", 1, 1000, 10.0, 9.0, 300.0)),
    ],
    "cores": 2,
    "load": (0.5, 0.5, 0.5),
}


def test_one_more_patient_and_cohorts_that_were_not_made(tmp_path: Path) -> None:
    lines = [line.split() for line in table(FOUND).splitlines()]
    assert ["simulate", "parts", "100,000", "5.5", "400", "5.0", "50.0", "0.0", "0.74"] in lines
    assert next(line for line in lines if line[:3] == ["predict", "parts", "100,000"])[-1] == "!"
    assert ["strong", "4", "1,000", "5.0", "9.5", "300", "200", "100%"] in lines
    assert ["100,000,000", "1,000", "1.4", "5", "1"] in lines
    draw(FOUND, tmp_path / "growth.svg")
    assert "<svg" in (tmp_path / "growth.svg").read_text()
