"""The updating experiment, made small: the truth judges every method; a summary says no more than
its errors allow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.model.update import METHODS
from crsrisk.studies.updating import CLOSED, Losses, UpdatingRow, run_updating, summary_row

EXPERIMENT = """\
kind: updating
name: small
question: "Which update?"
config: baseline
source: inflammation_null
training_products: [tarlatamab, psma_masked_engager]
training_patients: 800
targets: [inflammation_strong]
product: tarlatamab
sizes: [60, 120]
repetitions: 2
truth_patients: 40
truth_repetitions: 40
seed: 3
"""


def row(*losses: dict[str, float]) -> UpdatingRow:
    cohorts = [Losses(by_method, "none") for by_method in losses]
    return summary_row("there", 50, cohorts, before=0.5, least=0.4, n_asked=5)


def test_a_method_that_is_not_clearly_worse_shares_the_first_place() -> None:
    made = row(
        {"none": 0.5, "intercept": 0.45, "refit": 0.44},
        {"none": 0.5, "intercept": 0.43, "refit": 0.47},
        {"none": 0.5, "intercept": 0.44, "refit": 0.45},
    )
    assert made.best == "intercept or refit"
    assert made.method("intercept").change.value == pytest.approx(-0.06)
    assert made.method("refit").share_harmed == 0
    assert (made.n_too_few_events, made.possible) == (2, pytest.approx(-0.1))
    assert made.closed_test_chose == {"none": 3}


def test_too_few_events_are_said() -> None:
    made = row({"none": 0.5})
    assert made.methods == ()
    assert made.closed_test_chose == {}
    assert "fewer than" in made.best


@pytest.mark.slow
def test_every_method_is_judged_at_every_size_and_again_the_same(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    made = run_updating(tmp_path, workers=2, begin=lambda title, total: lambda n: None)
    first = (tmp_path / "results" / "summary.json").read_bytes()
    assert [line.n for line in made.rows] == [60, 120]
    for line in made.rows:
        assert {change.method for change in line.methods} == {*METHODS, CLOSED}
        assert line.method("none").change.value == 0
        assert all(change.change.value >= line.possible - 0.02 for change in line.methods)
    assert len(repr(made)) < 2_000
    assert len(made.to_frame()) == 2 * (len(METHODS) + 1)
    run_updating(tmp_path, workers=1, begin=lambda title, total: lambda n: None)
    assert (tmp_path / "results" / "summary.json").read_bytes() == first
