"""Revise: values move, priors stay, nothing else in the file changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.read.revise import revised
from crsrisk.read.strict_yaml import read_yaml

TEXT = """# a comment
binding:
  affinity_nm:
    value: 0.64  # recalled
    unit: nM
  valency:
    value: 1.0
    unit: "1"
kinetics:
  affinity_nm:
    value: 5.0
    unit: nM
"""


def test_the_value_moves_and_the_prior_is_what_stood_there() -> None:
    changed = revised(TEXT, {("kinetics", "affinity_nm"): 7.25}, where="a.yaml")
    assert changed == TEXT.replace("    value: 5.0\n", "    value: 7.25\n    prior: 5.0\n")


def test_a_second_calibration_keeps_the_first_prior() -> None:
    once = revised(TEXT, {("binding", "valency"): 2.0}, where="a.yaml")
    twice = revised(once, {("binding", "valency"): 3.0}, where="a.yaml")
    assert twice == TEXT.replace("    value: 1.0\n", "    value: 3.0\n    prior: 1.0\n")


@given(value=st.floats(1e-6, 1e6))
def test_no_number_is_read_as_text(value: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("yaml") / "a.yaml"
    path.write_text(revised(TEXT, {("binding", "valency"): value}, where="a.yaml"), encoding="utf-8")
    assert read_yaml(path)["binding"]["valency"]["value"] == pytest.approx(value, rel=1e-3)


def test_an_entry_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"kinetics\.valency"):
        revised(TEXT, {("kinetics", "valency"): 1.0}, where="a.yaml")


def test_every_shipped_file_can_be_revised() -> None:
    text = (synthetic_folder() / "mitigations" / "methylprednisolone.yaml").read_text(encoding="utf-8")
    changed = revised(text, {("acts_on", "endothelium"): 0.25}, where="methylprednisolone.yaml")
    lines, after = text.split("\n"), changed.split("\n")
    assert len(after) == len(lines) + 1
    assert [line.strip() for line in after if line not in lines] == ["value: 0.25", "prior: 0.35"]
