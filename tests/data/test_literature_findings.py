"""Findings on risk factors: the shipped file, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.data.literature import load_findings
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder

TEXT = (synthetic_folder() / "findings.yaml").read_text(encoding="utf-8")


def test_shipped_findings_rest_on_rows_of_the_table() -> None:
    found = load_findings()
    rows = {one.citation[:4] for series in found for one in series.findings}
    assert rows == {"F003", "F004", "F005", "F006", "F008", "F009"}
    assert all(one.id.startswith(one.citation[:4]) for series in found for one in series.findings)
    assert {series.name for series in found if series.is_small_positive} == {
        "tarlatamab_one_centre",
        "tarlatamab_three_centres",
    }
    assert not any(one.source_kind == "RECALL" for series in found for one in series.findings)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("product: tebentafusp", "product: nobody", "nobody"),
        ("id: F004_a", "id: F003_a", "F003_a"),
        ("factor: ldh_x_uln", "factor: ldh", "F003_a.factor"),
        (
            "factor: n_metastatic_sites\n        above: 2.5",
            "factor: n_metastatic_sites",
            "F006_a.above",
        ),
        ("n_patients: 30", "n_patients: 2", "n_patients"),
        ("n_patients: 30", "n_patients: 30\n    regimen: nothing", "tarlatamab_one_centre.regimen"),
        ("reported: up", 'reported: "null"', "series.0"),
        ("name: tarlatamab_three_centres", "name: tarlatamab_one_centre", "tarlatamab_one_centre"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in TEXT
    path = tmp_path / "findings.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=key):
        load_findings(path)
