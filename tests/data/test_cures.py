"""Cures that cannot corrupt: whoever follows one gets the right value, or another refusal.

Refusals of every kind are walked: each way that a cure names is gone, and leads to a value that the
cell can have meant or to another refusal. And the text of every cure of the readers is looked at:
none proposes a device, a word, a unit or a number by itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import crsrisk
from crsrisk.data.registry import read_registry
from crsrisk.data.table_files import Dialect
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.tables import read_patients
from crsrisk.errors import InputError

PACKAGE = Path(crsrisk.__file__).parent
MODULES = {
    str(place.relative_to(PACKAGE)): ast.parse(place.read_text(encoding="utf-8"))
    for place in sorted(PACKAGE.rglob("*.py"))
}
# the readers of tables: the cures of a cell
READERS = ("data/cells.py", "data/columns.py", "data/quantities.py", "data/registry.py")
# names of keys and of files, which are refused again where they do not fit
NEAR_NAMES = (
    "data/antigens.py",
    "data/patient.py",
    "data/product_names.py",
    "data/yaml_files.py",
)
FORBIDDEN = re.compile(
    r"did you mean|write none|\b(?:write|use) -?[0-9]|the device none|for example [0-9{]|"
    r"=\s*(?:mg|g|ug|U)/d?L\b|--[a-z-]+ -?[0-9]|write [a-z_]+ when|"
    r"[0-9] *(?:mg|g|ug|U|pg)/d?L\b",
    re.IGNORECASE,
)


def _names(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """Parameters of a function without self, or fields of a class, in their order."""
    if isinstance(node, ast.FunctionDef):
        return [one.arg for one in node.args.args if one.arg != "self"]
    return [
        one.target.id
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    ]


def _places_of_cures() -> dict[str, set[int]]:
    """By function or class, at which place its argument ``cure`` stands."""
    places: dict[str, set[int]] = {}
    for module in MODULES.values():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and "cure" in _names(node):
                places.setdefault(node.name, set()).add(_names(node).index("cure"))
    return places


PLACES = _places_of_cures()


def _texts(module: ast.Module) -> Iterator[str]:
    """Every text that stands in a cure: an argument of that name, whoever is called, and what a
    variable of that name is set to.
    """
    for node in ast.walk(module):
        cures: list[ast.expr] = []
        if isinstance(node, ast.Call):
            cures = [keyword.value for keyword in node.keywords if keyword.arg == "cure"]
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            cures += [node.args[at] for at in PLACES.get(name, ()) if at < len(node.args)]
        if isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and "cure" in one.id for one in node.targets
        ):
            cures = [node.value]
        if isinstance(node, ast.FunctionDef) and "cure" in node.name:
            cures = [
                one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value
            ]
        for cure in cures:
            yield "".join(
                part.value
                for part in ast.walk(cure)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )


def test_no_cure_of_the_package_proposes_what_it_cannot_know() -> None:
    told = {
        name: [text for text in _texts(module) if FORBIDDEN.search(text)]
        for name, module in MODULES.items()
        if name not in NEAR_NAMES
    }
    assert {name: texts for name, texts in told.items() if texts} == {}


def test_the_cures_are_found_and_the_rule_catches() -> None:
    found = {name: list(_texts(module)) for name, module in MODULES.items()}
    assert sum(map(len, found.values())) > 600
    assert all(found[name] for name in READERS)
    # every call that raises an error of a user has its cure among them
    for name, module in MODULES.items():
        raised = [
            node
            for node in ast.walk(module)
            if isinstance(node, ast.Call)
            and getattr(node.func, "id", "") in ("InputError", "OutputError", "ClusterError")
        ]
        assert not raised or found[name], name
    for text in (
        "write none when no oxygen was given",
        "did you mean venturi?",
        "write 1.234",
        "add --alt-upper-limit 40",
        "name it CRP=mg/L",
    ):
        assert FORBIDDEN.search(text)
    made = ast.parse('BadCell("unreadable", "write 1.234")\ncure = "write none"\n')
    assert sorted(_texts(made)) == ["write 1.234", "write none"]


@dataclass(frozen=True)
class Bad:
    """A table with a cell that is refused, and every value that it can have meant (None: that it is
    missing).
    """

    header: str
    cell: object
    name: str
    possible: tuple[object, ...]
    beside: tuple[tuple[str, object], ...] = ()

    def value(self, reading: TableReading = AS_NAMED) -> object:
        frame = pd.DataFrame({"patient_id": [1], self.header: [self.cell], **dict(self.beside)})
        value = read_patients(frame, reading=reading, columns=[self.name]).frame[self.name].iloc[0]
        return None if pd.isna(value) else float(value)


BAD = (
    Bad("crp_mg_l", "1,234", "crp_mg_l", (1.234,)),  # 1234 mg/L is impossible
    Bad("ferritin_ug_l", "1,234", "ferritin_ug_l", (1234.0, 1.234)),
    Bad("ferritin_ug_l", "<5", "ferritin_ug_l", (2.5, 5.0, None)),
    Bad("albumin_g_l", 4.1, "albumin_g_l", (41.0,)),
    Bad("creatinine_umol_l", 0.9, "creatinine_umol_l", (79.578, 900.0)),
    Bad("platelets_g_l", 235000, "platelets_g_l", (235.0,)),
    Bad("age_years", 640, "age_years", (640 / 12, 640 / 365.25)),
    Bad("crp_mg_l", -9, "crp_mg_l", (None,)),
    Bad("CRP", 2.5, "crp_mg_l", (2.5, 25.0)),
    Bad("crp_mg_l", 2.5, "crp_mg_l", (2.5, 25.0), (("crp_unit", "mg/dL"),)),
    Bad("sex", "1", "is_female", (0.0, 1.0, None)),
    Bad("has_infection", "2", "has_infection", (0.0, 1.0, None)),
)


def _ways(cure: str, bad: Bad) -> Iterator[TableReading]:
    """Every way to follow a cure: each option that it names, with every word that it asks for."""
    for column, unit in re.findall(r"--unit '([^'=]+)=([^']+)'", cure):
        yield TableReading(units={column: unit})
    for names in re.findall(r"name it ([^(]+) \(--rename", cure):
        for name in names.split(" or "):
            yield TableReading(rename={bad.header: name.strip("'")})
    if "without its unit" in cure:
        yield TableReading(rename={bad.header: "crp"})
    for column in re.findall(r"--ignore '([^']+)'", cure):
        yield TableReading(ignore=(column,))
    if "--thousands or --decimal" in cure:
        yield TableReading(dialect=Dialect(thousands=","))
        yield TableReading(dialect=Dialect(decimal=","))
    yield from _ways_of_words(cure, bad)


def _ways_of_words(cure: str, bad: Bad) -> Iterator[TableReading]:
    for column, code in re.findall(r"--missing ([a-z_0-9]+)=(-?[0-9.]+|CODE)", cure):
        yield TableReading(missing={column: (str(bad.cell) if code == "CODE" else code,)})
    for column, rule in re.findall(r"--censored ([a-z_0-9]+)=([a-z]+)", cure):
        yield TableReading(censored={column: rule})
    for words in re.findall(r"=WORD, the word (F or M|yes or no)", cure):
        for word in words.split(" or "):
            yield TableReading(codes={bad.header: {str(bad.cell): word}})


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.header}={bad.cell}")
def test_every_way_of_a_cure_leads_to_a_value_that_was_possible_or_to_a_refusal(bad: Bad) -> None:
    with pytest.raises(InputError) as caught:
        bad.value()
    reached = []
    for reading in _ways(caught.value.cure, bad):
        with suppress(InputError):
            reached.append(bad.value(reading))
    for value in reached:
        assert any(value == pytest.approx(one) for one in bad.possible), caught.value.cure
    for one in bad.possible:  # the cure names all of them, so that a person chooses
        assert any(value == pytest.approx(one) for value in reached), (one, caught.value.cure)


WARD = {
    "patient_id": ["A"],
    "time_h": [0],
    "temperature_c": [38.5],
    "sbp_mmhg": [120],
    "has_fluids": [0],
    "n_vasopressors": [0],
    "oxygen_device": ["none"],
}


@pytest.mark.parametrize(
    ("word", "device", "level"),
    [
        ("trach", "ventilator", 4),
        ("mask", "venturi", 2),
        ("venta", "ventilator", 4),
        ("o2", "x", 1),
    ],
)
def test_the_cure_of_an_unknown_device_changes_nothing_by_itself(
    word: str, device: str, level: int
) -> None:
    frame = pd.DataFrame(WARD | {"oxygen_device": [word]})
    with pytest.raises(InputError) as caught:
        read_registry(frame)
    assert "none" not in re.sub(r"none_?[a-z]+", "", caught.value.cure)
    stated = TableReading(codes={"oxygen_device": {word: device}})
    if device == "x":  # what is no device is refused again
        with pytest.raises(InputError, match="oxygen_device"):
            read_registry(frame, reading=stated)
    else:
        found = read_registry(frame, reading=stated).rows["oxygen_device"].tolist()
        assert found == [level]


@pytest.mark.parametrize(("temperature", "celsius"), [(101.3, 38.5), (36.9 * 1.8 + 32, 36.9)])
def test_the_cure_of_fahrenheit_leads_to_degrees_celsius(
    temperature: float, celsius: float
) -> None:
    frame = pd.DataFrame(WARD | {"temperature_c": [temperature]})
    with pytest.raises(InputError) as caught:
        read_registry(frame)
    assert "temperature [degF]" in caught.value.cure
    named = TableReading(rename={"temperature_c": "temperature [degF]"})
    found = read_registry(frame, reading=named).rows["temperature_c"].tolist()
    assert found == pytest.approx([celsius])
