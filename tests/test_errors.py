"""Errors say where, which key, what was found, what was expected, and the cure; one family catches
all.
"""

from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crsrisk
from crsrisk.errors import CRSRiskError, InputError, OutputError, printable

_WORDS = st.text(min_size=1, max_size=20)


@given(where=_WORDS, key=_WORDS, found=_WORDS, expected=_WORDS, cure=_WORDS)
def test_the_message_holds_every_part(
    where: str, key: str, found: str, expected: str, cure: str
) -> None:
    problem = InputError(where=where, key=key, found=found, expected=expected, cure=cure)
    w, k, f, e, c = map(printable, (where, key, found, expected, cure))
    assert str(problem) == f"{w}, {k}: found {f}; expected {e}. Cure: {c}"
    parts = (problem.where, problem.key, problem.found, problem.expected, problem.cure)
    assert parts == (w, k, f, e, c)


@given(st.text(st.characters(), max_size=30))
def test_what_a_terminal_would_obey_is_escaped(text: str) -> None:
    """Nothing but line ends and blanks is left that is not printed; what can be printed stays."""
    shown = printable(text)
    assert all(one == "\n" or one.isprintable() or category(one) == "Zs" for one in shown)
    shown.encode()  # no half of a character is left
    kept = [one for one in text if one == "\n" or one.isprintable()]
    assert [one for one in kept if one in shown] == kept
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("bell\x07", "bell\\x07"),
        ("half \ud800", "half \\ud800"),
        ("turned \u202etxt.exe", "turned \\u202etxt.exe"),
        ("Müller µg\u00a0/L\n", "Müller µg\u00a0/L\n"),
    ],
)
def test_known_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_without_a_key_the_whole_is_meant() -> None:
    problem = OutputError(
        where="out/", found="no permission to write", expected="a folder", cure="choose another"
    )
    assert (
        str(problem)
        == "out/: found no permission to write; expected a folder. Cure: choose another"
    )
    assert problem.key == ""


def test_any_value_may_be_what_was_found() -> None:
    """A number, None or an object becomes text, so that the fields can be logged and compared."""
    for value in (1, -0.5, None, ["a"]):
        assert InputError(where="a", found=value, expected="b", cure="c").found == str(value)


@pytest.mark.parametrize("kind", [InputError, OutputError])
def test_one_family(kind: type[CRSRiskError]) -> None:
    assert issubclass(kind, CRSRiskError)
    assert not issubclass(kind, (ValueError, OSError)), (
        "a stray library error must not pass for one of ours"
    )
    with pytest.raises(CRSRiskError):
        raise kind(where="a", found="b", expected="c", cure="d")


def test_every_field_is_asked_for_by_name() -> None:
    with pytest.raises(TypeError):
        InputError("a", "b", "c", "d")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        InputError(where="a", found="b", expected="c")  # type: ignore[call-arg]


def test_the_package_exports_them() -> None:
    assert crsrisk.CRSRiskError is CRSRiskError
    assert crsrisk.InputError is InputError
    assert crsrisk.OutputError is OutputError


@pytest.mark.parametrize("key", ["row 3, column ecog", "rows 3, 4, patient_id", "line 7, ecog"])
def test_a_log_names_the_cell_and_does_not_hold_it(key: str) -> None:
    told = InputError(
        where="a.csv", key=key, found="'secret'", expected="0 to 4", cure="not secret",
        cure_for_log="correct it",
    )  # fmt: skip
    assert "secret" in str(told)
    assert "secret" not in told.for_log
    assert all(part in told.for_log for part in ("a.csv", key, "0 to 4", "correct it"))


def test_what_is_no_cell_is_the_same_in_a_log() -> None:
    told = InputError(where="a.yaml", key="dose", found="-1", expected="above 0", cure="correct it")
    assert told.for_log == str(told)
