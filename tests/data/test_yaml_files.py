"""The strict reader refuses what YAML would misread, and says where, what and how to put it
right.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crsrisk.data.assumptions import Quantity
from crsrisk.data.yaml_files import build, read_yaml, revised
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder

QUANTITY = {
    "value": 1.0,
    "unit": "1",
    "spread": 0.1,
    "range": [0.0, 2.0],
    "source": "assumed: a test",
    "strength": "assumed",
}


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "world.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(folder: Path, content: str | bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read_yaml(write(folder, content))
    return caught.value


@pytest.mark.parametrize(
    ("content", "line"),
    [("a: 1\nb: 2\na: 3\n", 3), ("a:\n  b: 1\n  c: 2\n  b: 1\n", 4), ("a: {b: 1, b: 1}\n", 1)],
)
def test_a_key_given_twice_is_refused_with_its_line(
    tmp_path: Path, content: str, line: int
) -> None:
    problem = refusal(tmp_path, content)
    assert f"line {line}" in problem.where
    assert "second time" in problem.found
    assert "delete one" in problem.cure


@pytest.mark.parametrize(
    "number",
    ["1e-3", "1E-3", "-1e-3", "1e5", "1.5e3", ".5e3", "017", "1_000", "12:30", "1_", "_1", "0b11"],
)
def test_a_number_that_yaml_would_misread_is_refused(tmp_path: Path, number: str) -> None:
    problem = refusal(tmp_path, f"first: 1.0\nvalue: {number}\n")
    assert problem.where == "world.yaml, line 2"
    assert number in problem.found
    assert "0.001" in problem.cure


def test_the_traps_are_real() -> None:
    """Known answers: what PyYAML makes of them, which is why they are refused."""
    read = yaml.safe_load("{a: 1e-3, b: no, c: 017, d: 12:30, e: 1_000}")
    assert read == {"a": "1e-3", "b": False, "c": 15, "d": 750, "e": 1000}


@pytest.mark.parametrize("word", ["no", "No", "NO", "yes", "on", "Off", "y", "n"])
def test_a_bare_word_that_yaml_reads_as_true_or_false_is_refused(tmp_path: Path, word: str) -> None:
    problem = refusal(tmp_path, f"target: {word}\n")
    assert word in problem.found
    assert "quotes" in problem.cure


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.001", 0.001),
        ("1.0e-3", 0.001),
        ("-2.5", -2.5),
        ("3", 3),
        ("true", True),
        ("'no'", "no"),
        ('"1e-3"', "1e-3"),
        ("1/h", "1/h"),
        ("2024-01-31", "2024-01-31"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!float 1", 1.0),
        ("0x1F", 31),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("~", None),
        ("|\n  no\n", "no\n"),
        ("[&a [1], *a]", [[1], [1]]),
        ("é", "é"),
    ],
)
def test_what_cannot_be_misread_is_read(tmp_path: Path, text: str, value: object) -> None:
    assert read_yaml(write(tmp_path, f"value: {text}\n")) == {"value": value}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [1, 2\n", "valid YAML"),
        ("a: 1\n\tb: 2\n", "valid YAML"),
        ("a: 1\n---\nb: 2\n", "valid YAML"),
        ("a: &a [*a]\n", "valid YAML"),
        ("a: *b\n", "valid YAML"),
        ("a: !!int b\n", "valid YAML"),
        ("a: !!set {b, c}\n", "valid YAML"),
        ("a: {<<: {b: 1}}\n", "a text key"),
        ("a: !!python/object:os.system x\n", "valid YAML"),
        ("- 1\n- 2\n", "a mapping at the top"),
        ("", "a mapping at the top"),
        ("text\n", "a mapping at the top"),
        ("2: 3\n", "a text key"),
        ("? [1, 2]\n: 3\n", "a text key"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    problem = refusal(tmp_path, content)
    assert problem.expected == expected
    assert problem.where.startswith("world.yaml")
    assert problem.cure


@pytest.mark.parametrize("content", [b"a: \xff\xfe\n", b'a: "\x01"\n'])
def test_a_file_that_is_not_plain_text_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content).where.startswith("world.yaml")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml(tmp_path / "nowhere.yaml")
    assert "nowhere.yaml" in caught.value.where


@pytest.mark.parametrize(
    ("change", "key", "found"),
    [
        ({"value": "1"}, "value", "'1'"),
        ({"value": True}, "value", "True"),
        ({"value": None}, "value", "None"),
        ({"value": math.nan}, "value", "nan"),
        ({"value": math.inf}, "value", "inf"),
        ({"value": 3.0}, "range", "[0.0, 2.0]"),
        ({"prior": 3.0}, "prior", "3.0"),
        ({"spread": -0.1}, "spread", "-0.1"),
        ({"range": [2.0, 0.0]}, "range", "[2.0, 0.0]"),
        ({"range": [1.0]}, "range", "[1.0]"),
        ({"source": "  "}, "source", "'  '"),
        ({"source": None}, "source", "None"),
        ({"strength": "sure"}, "strength", "sure"),
        ({"unit": 1}, "unit", "1"),
        ({"vallue": 1.0}, "vallue", "an unknown key"),
    ],
)
def test_an_unsound_quantity_is_refused_by_its_key(
    change: dict[str, object], key: str, found: str
) -> None:
    with pytest.raises(InputError) as caught:
        build(Quantity, {**QUANTITY, **change}, where="world.yaml, entry")
    assert (caught.value.where, caught.value.key) == ("world.yaml, entry", key)
    assert found in caught.value.found
    assert caught.value.cure


def test_a_misspelt_key_is_named_before_the_one_that_is_missing() -> None:
    tree = {("vallue" if key == "value" else key): value for key, value in QUANTITY.items()}
    with pytest.raises(
        InputError, match=r"vallue: found an unknown key.*1 more problem.*did you mean value\?"
    ):
        build(Quantity, tree, where="world.yaml")


@pytest.mark.parametrize("key", sorted(QUANTITY))
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(InputError) as caught:
        build(
            Quantity,
            {name: value for name, value in QUANTITY.items() if name != key},
            where="world.yaml",
        )
    assert caught.value.key == key
    assert (caught.value.found, caught.value.cure) == ("nothing", "add it")


def test_an_unknown_key_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="known: value, unit, spread"):
        build(Quantity, {**QUANTITY, "sd": 1.0}, where="world.yaml")


def test_a_whole_number_is_a_number() -> None:
    """`value: 1` is not a trap: YAML and pydantic agree that it is 1.0."""
    assert build(Quantity, {**QUANTITY, "value": 1}, where="world.yaml").value == 1.0


PLAIN = st.recursive(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.booleans()
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=st.dictionaries(st.text(max_size=8), PLAIN, max_size=4))
def test_what_is_written_with_quotes_comes_back_unchanged(
    tmp_path: Path, tree: dict[str, object]
) -> None:
    """Property: with every text in quotes there are no traps: nothing is refused, nothing
    changes.
    """
    text = yaml.safe_dump(tree, default_style='"', allow_unicode=False)
    assert read_yaml(write(tmp_path, text)) == tree


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused_never_more(tmp_path: Path, text: str) -> None:
    """Property: whatever stands in the file, the outcome is a mapping or an InputError."""
    path = write(tmp_path, text.encode("utf-8", "surrogatepass"))
    try:
        tree = read_yaml(path)
    except InputError:
        return
    assert isinstance(tree, dict)


# Revise: values move, priors stay, nothing else in the file changes.


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
    path.write_text(
        revised(TEXT, {("binding", "valency"): value}, where="a.yaml"), encoding="utf-8"
    )
    assert read_yaml(path)["binding"]["valency"]["value"] == pytest.approx(value, rel=1e-3)


def test_an_entry_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"kinetics\.valency"):
        revised(TEXT, {("kinetics", "valency"): 1.0}, where="a.yaml")


def test_a_shipped_file_can_be_revised_line_by_line() -> None:
    """Whatever a calibration has made of it: one line has the value, one what was believed."""
    place = synthetic_folder() / "mitigations" / "methylprednisolone.yaml"
    text, shipped = place.read_text(encoding="utf-8"), read_yaml(place)["acts_on"]["endothelium"]
    changed = revised(text, {("acts_on", "endothelium"): 0.123}, where="methylprednisolone.yaml")
    lines, after = text.split("\n"), changed.split("\n")
    new = [line.strip() for line in after if line not in lines]
    if "prior" in shipped:
        assert (new, len(after)) == (["value: 0.123"], len(lines))
    else:
        assert new == ["value: 0.123", f"prior: {shipped['value']}"]
        assert len(after) == len(lines) + 1
