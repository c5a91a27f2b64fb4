"""The mechanism-shift matrix, made small: every pair is there, a model is best at home, same seed,
same bytes.
"""

from __future__ import annotations

from math import isnan
from pathlib import Path

import numpy as np
import pytest

from crsrisk.results import Estimate
from crsrisk.studies.shift import CONTROL, ENSEMBLE, RepeatedMean, Scores, cells_of, run_shift

EXPERIMENT = """\
kind: shift
name: small
question: "Does it shift?"
config: baseline
scenarios: [inflammation_null, inflammation_strong]
products: [tarlatamab, psma_masked_engager]
ensemble_members: 2
seed: 3
repeats: 2
training_patients: 500
test_patients: 2000
"""


def test_figures_are_means_with_their_error_and_what_does_not_exist_is_left_out() -> None:
    runs = [
        {("a", "b"): Scores(gain=0.1, slope=np.nan)},
        {("a", "b"): Scores(gain=0.3, slope=1.0)},
    ]
    (cell,) = cells_of(runs)
    assert cell.gain.estimate.value == pytest.approx(0.2)
    assert cell.gain.estimate.mc_error == pytest.approx(0.1)
    assert cell.gain.n == 2
    assert isnan(cell.slope.estimate.value)
    assert cell.slope.n == 1
    assert cell.slope.in_words(2) == "-"
    assert RepeatedMean(Estimate(0.25, mc_error=0.125), 2).in_words(2) == "0.25 (0.125)"


@pytest.mark.slow
def test_every_pair_of_worlds_is_measured_and_again_the_same(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    made = run_shift(tmp_path, workers=2, begin=lambda title, total: lambda n: None)
    first = (tmp_path / "results" / "summary.json").read_bytes()
    worlds = ["inflammation_null", "inflammation_strong", ENSEMBLE]
    assert list(made.worlds) == worlds
    cells = {(cell.trained, cell.tested): cell for cell in made.cells}
    assert len(made.to_frame()) == 5 * len(cells)
    assert len(repr(made)) < 2_000
    assert set(cells) == {(trained, tested) for trained in [*worlds, CONTROL] for tested in worlds}
    for world in worlds:
        assert cells[world, world].lost.estimate.value == 0
    strong = "inflammation_strong"
    at_home, from_afar = (
        cells[name, strong].auroc_within_product.estimate.value
        for name in (strong, "inflammation_null")
    )
    assert at_home > from_afar
    assert "Synthetic data, no external validation" in (
        tmp_path / "results" / "matrix.md"
    ).read_text(encoding="utf-8")
    run_shift(tmp_path, workers=1, begin=lambda title, total: lambda n: None)
    assert (tmp_path / "results" / "summary.json").read_bytes() == first
