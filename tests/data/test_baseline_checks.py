"""What baseline patients are compared with is read whole or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from crsrisk.data.baseline_checks import load_baseline_checks
from crsrisk.data.published_figures import wilson_interval
from crsrisk.errors import InputError

CHECK: dict[str, Any] = {
    "id": "one",
    "statistic": "spearman",
    "of": "crp_mg_l",
    "other": "ldh_x_uln",
    "low": 0.2,
    "high": 0.35,
    "range_kind": "plausible",
    "evidence": [],
    "citation": "judged",
    "source_kind": "assumed",
    "confidence": "low",
    "note": "",
}


def test_the_stated_ranges_of_the_correlations() -> None:
    """Known: advanced cancer, CRP-ferritin 0.2-0.4, CRP-LDH 0.2-0.35, ferritin-LDH 0.3-0.5
    (evidence README).
    """
    found = {
        check.id: (check.low, check.high)
        for check in load_baseline_checks()
        if check.statistic == "spearman"
    }
    assert (
        found.items()
        >= {
            "crp_ferritin": (0.2, 0.4),
            "crp_ldh": (0.2, 0.35),
            "ferritin_ldh": (0.3, 0.5),
        }.items()
    )


def test_ranges_called_wilsons_are() -> None:
    rows = [check for check in load_baseline_checks() if check.range_kind == "wilson_95"]
    assert len(rows) >= 8
    for check in rows:
        assert check.n_patients is not None
        assert check.published is not None
        assert (check.low, check.high) == pytest.approx(
            wilson_interval(check.published, n=check.n_patients), abs=1e-4
        )


def test_what_is_recalled_or_judged_is_not_verified() -> None:
    for check in load_baseline_checks():
        assert check.is_verified == (check.source_kind in ("SEED", "FOUND"))
        assert check.evidence or check.source_kind != "RECALL", (
            "a recalled figure says which row it is"
        )


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"of": "crp"}, "one.of", "crp"),
        ({"other": "ldh"}, "one.other", "ldh"),
        ({"populations": ["lung"]}, "one.populations", "lung"),
        ({"low": 0.5}, "checks.0", "low below high"),
        ({"other": None}, "checks.0", "a second covariate"),
        ({"threshold": 1.0}, "checks.0", "a threshold"),
        ({"range_kind": "published"}, "checks.0", "range_kind plausible"),
        ({"published": 0.5, "range_kind": "wilson_95"}, "checks.0", "inside its own interval"),
        ({"citation": " "}, "checks.0", "a citation"),
        ({"colour": "red"}, "checks.0.colour", "unknown key"),
    ],
)
def test_a_wrong_check_is_refused(
    tmp_path: Path, change: dict[str, Any], key: str, says: str
) -> None:
    place = tmp_path / "checks.yaml"
    place.write_text(yaml.safe_dump({"checks": [{**CHECK, **change}]}), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_baseline_checks(place)
    assert caught.value.key == key
    assert says in str(caught.value)


def test_an_id_stands_once(tmp_path: Path) -> None:
    place = tmp_path / "checks.yaml"
    place.write_text(yaml.safe_dump({"checks": [CHECK, CHECK]}), encoding="utf-8")
    with pytest.raises(InputError, match="second time"):
        load_baseline_checks(place)
