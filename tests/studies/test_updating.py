"""The updating experiment, made small: the truth judges every method; a summary says no more than
its errors allow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.model.update import METHODS
from crsrisk.studies.updating import CLOSED, run_updating, summary_row

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


def row(*losses: dict[str, float]) -> dict[str, object]:
    return summary_row(
        "there", 50, [(one, "none") for one in losses], before=0.5, least=0.4, n_asked=5
    )


def test_a_method_that_is_not_clearly_worse_shares_the_first_place() -> None:
    made = row(
        {"none": 0.5, "intercept": 0.45, "refit": 0.44},
        {"none": 0.5, "intercept": 0.43, "refit": 0.47},
        {"none": 0.5, "intercept": 0.44, "refit": 0.45},
    )
    assert made["best"] == "intercept or refit"
    assert made["methods"]["intercept"]["change"] == pytest.approx(-0.06)
    assert made["methods"]["refit"]["share_harmed"] == 0
    assert (made["n_too_few_events"], made["possible"]) == (2, pytest.approx(-0.1))


def test_too_few_events_are_said() -> None:
    assert row({"none": 0.5})["methods"] is None


@pytest.mark.slow
def test_every_method_is_judged_at_every_size_and_again_the_same(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    tree = run_updating(tmp_path, workers=2, begin=lambda title, total: lambda n: None)
    first = (tmp_path / "results" / "summary.json").read_bytes()
    assert [one["n"] for one in tree["rows"]] == [60, 120]
    for one in tree["rows"]:
        assert set(one["methods"]) == {*METHODS, CLOSED}
        assert one["methods"]["none"]["change"] == 0
        assert all(figure["change"] >= one["possible"] - 0.02 for figure in one["methods"].values())
    run_updating(tmp_path, workers=1, begin=lambda title, total: lambda n: None)
    assert (tmp_path / "results" / "summary.json").read_bytes() == first
