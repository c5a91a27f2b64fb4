"""True optimism over several cohorts, made small: apparent performance is too good, the others are
nearer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crsrisk.studies.true_optimism import rows_of, run_true_optimism

# 600 patients: with 300 some resample gives everybody one risk, which has no slope, and nothing is
# claimed
EXPERIMENT = """\
kind: true_optimism
name: small
question: "Which is right?"
config: baseline
scenario: reference
products: [psma_masked_engager]
seed: 3
cohorts: 2
cohort_patients: 600
refits: 20
fresh_patients: 2000
"""


def test_errors_are_those_of_each_development_against_its_own_truth() -> None:
    found = [
        {
            "truth": {"slope": truth},
            "apparent": {"slope": truth + 0.1},
            "cross-validation": {"slope": np.nan},
        }
        for truth in (0.7, 0.9, 1.1)
    ]
    (row,) = rows_of(found)
    assert row.truth == pytest.approx(0.9)
    assert row.claim("apparent").bias.value == pytest.approx(0.1)
    assert row.claim("apparent").bias.mc_error == pytest.approx(0, abs=1e-12)
    claimed = [claim.method for claim in row.claims]
    assert claimed == ["apparent"], "what could not be computed claims nothing"


@pytest.mark.slow
def test_apparent_is_the_most_optimistic(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    made = run_true_optimism(tmp_path, workers=2, begin=lambda title, total: lambda n: None)
    bias = {
        row.measure: {claim.method: claim.bias.value for claim in row.claims} for row in made.rows
    }
    assert len(repr(made)) < 2_000
    assert set(bias["slope"]) == {"apparent", "bootstrap-corrected", "cross-validation"}
    assert bias["log_loss"]["apparent"] < min(
        bias["log_loss"]["bootstrap-corrected"], bias["log_loss"]["cross-validation"]
    )
    assert "claim minus truth" in (tmp_path / "results" / "table.md").read_text(encoding="utf-8")
