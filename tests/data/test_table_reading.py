"""A mapping file: read once a person has confirmed it, and options go before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.data.table_files import Dialect
from crsrisk.data.table_reading import (
    TableReading,
    joined,
    pairs_in,
    read_mapping,
    stated_reading,
)
from crsrisk.errors import InputError

TEXT = """\
confirmed: true
file: {sep: ";", decimal: ","}
rename: {"CRPBL": "crp"}
units: {"CRPBL": "mg/dL"}
missing: {"every column": ["ND"], "CRPBL": [-9]}
codes: {"sex": {"1": "M", "2": "F"}}
censored: {"every column": "half"}
ignore: ["note"]
ldh_upper_limit_u_l: 250
dose_time: "dosed_at"
"""


def _written(folder: Path, text: str) -> Path:
    (folder / "mapping.yaml").write_text(text)
    return folder / "mapping.yaml"


def test_everything_that_can_be_stated(tmp_path: Path) -> None:
    read = read_mapping(_written(tmp_path, TEXT))
    assert read == TableReading(
        rename={"CRPBL": "crp"},
        units={"CRPBL": "mg/dL"},
        missing={"": ("ND",), "CRPBL": ("-9",)},
        codes={"sex": {"1": "M", "2": "F"}},
        censored={"": "half"},
        ignore=("note",),
        ldh_upper_limit_u_l=250.0,
        dose_time="dosed_at",
        dialect=Dialect(sep=";", decimal=","),
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("confirmed: true", "confirmed: false", "confirmed"),
        ("confirmed: true\n", "", "confirmed"),
        ("rename:", "renamed:", "renamed: found an unknown key"),
        ("sep:", "separator:", "separator: found an unknown key"),
        ('"half"', '"quarter"', "quarter"),
        ("250", '"many"', "ldh_upper_limit_u_l"),
        ('{"CRPBL": "mg/dL"}', "mg/dL", "units"),
    ],
)
def test_what_is_not_confirmed_or_not_known_is_refused(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=says):
        read_mapping(_written(tmp_path, TEXT.replace(old, new)))


def test_options_go_before_the_file() -> None:
    both = joined(
        TableReading(units={"a": "mg/L", "b": "g/L"}, ldh_upper_limit_u_l=250.0, ignore=("x",)),
        TableReading(units={"a": "mg/dL"}, ignore=("y",), dialect=Dialect(sep=";")),
    )
    assert both.units == {"a": "mg/dL", "b": "g/L"}
    assert (both.ldh_upper_limit_u_l, both.ignore, both.dialect.sep) == (250.0, ("x", "y"), ";")


def test_pairs() -> None:
    texts = ["crp=mg/dL", " a b = c=d "]
    found = pairs_in(texts, where="request", option="unit")
    assert found == {"crp": "mg/dL", "a b": "c=d"}


def test_what_is_stated_as_text_is_what_a_mapping_file_states(tmp_path: Path) -> None:
    stated = stated_reading(
        where="request",
        rename=["CRPBL=crp"],
        unit=["CRPBL=mg/dL"],
        missing=["ND", "CRPBL=-9"],
        code=["sex:1=M,2=F"],
        censored=["half"],
        ignore=["note"],
        ldh_upper_limit=250.0,
        dose_time="dosed_at",
        sep=";",
        decimal=",",
    )
    assert stated == read_mapping(_written(tmp_path, TEXT))


@pytest.mark.parametrize(
    ("option", "texts", "told"),
    [
        ("unit", ["crp"], "--unit: found crp"),
        ("code", ["1=M"], "--code sex:1=M,2=F"),
        ("censored", ["crp=clamp"], "half"),
    ],
)
def test_a_text_that_does_not_fit_is_told_with_its_option(
    option: str, texts: list[str], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        stated_reading(where="command line", dash="--", **{option: texts})  # type: ignore[arg-type]


def test_a_mark_of_numbers_is_one_sign() -> None:
    with pytest.raises(InputError, match="decimal: found 'comma'"):
        stated_reading(where="request", decimal="comma")
