"""Checklists: complete, honest about what a run cannot say, pointing only to what is there."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from crsrisk.report.checklists import (
    DEVELOPMENT,
    EVALUATION,
    ITEMS,
    NO_VERDICT,
    NOT_HERE,
    Check,
    Item,
    answered,
    is_there,
    probast_ai,
    tripod_ai,
)
from crsrisk.results import NotEstimable


def test_tripod_has_27_items_in_52_parts() -> None:
    numbers = [item.number for item in ITEMS]
    assert len(numbers) == len(set(numbers)) == 52
    assert sorted({int(re.sub(r"[a-g]$", "", number)) for number in numbers}) == list(range(1, 28))


def test_probast_has_16_and_18_questions() -> None:
    assert (len(DEVELOPMENT), len(EVALUATION)) == (16, 18)
    assert len({item.number for item in (*DEVELOPMENT, *EVALUATION)}) == 34
    assert [
        sum(item.number.startswith(f"D{domain}.") for item in DEVELOPMENT)
        for domain in (1, 2, 3, 4)
    ] == [3, 4, 4, 5]
    assert [
        sum(item.number.startswith(f"E{domain}.") for item in EVALUATION) for domain in (1, 2, 3, 4)
    ] == [3, 4, 4, 7]


def test_nothing_known_leaves_everything_to_a_human() -> None:
    made = tripod_ai(facts={}, content=None)
    assert made.counts == {"automatic": 0, "prefilled": 0, "human": 52}
    assert all(answer.needs_human and answer.answer is None for answer in made.items)
    assert "check against the official checklist" in made.wording
    both = probast_ai(facts={}, checks={}, content=None, has_development=True)
    assert both.development is not None
    assert both.development.counts["human"] == 16
    assert probast_ai(facts={}, checks={}, content=None, has_development=False).development is None


def test_there_is_no_overall_verdict() -> None:
    checks = {item.check: Check(True, "so") for item in (*DEVELOPMENT, *EVALUATION) if item.check}
    made = probast_ai(facts={}, checks=checks, content=None, has_development=True)
    assert made.verdict == NO_VERDICT
    assert "low" not in str(made).lower().replace("below", "").replace("following", "").split()


@pytest.mark.parametrize(
    ("answer", "said", "kind"),
    [(True, "yes", "automatic"), (False, "no", "automatic"), (None, None, "human")],
)
def test_a_check_that_cannot_decide_is_left_to_a_human(
    answer: bool | None, said: str | None, kind: str
) -> None:
    item = Item("1", "Part", "asks", "automatic", ("more",), "check")
    (row,) = answered(
        [item],
        name="a",
        source="b",
        facts={"more": "And more."},
        content=None,
        checks={"check": Check(answer, "Because.")},
    ).items
    assert (row.answer, row.kind, row.text) == (said, kind, "Because. And more.")
    assert row.needs_human == (kind == "human")


def test_an_automatic_item_without_its_fact_says_so() -> None:
    (row,) = answered(
        [Item("1", "Part", "asks", "automatic", ("fact",))],
        name="a",
        source="b",
        facts={},
        checks={},
        content=None,
    ).items
    assert (row.kind, row.text) == ("human", NOT_HERE)


def test_evidence_is_pointed_to_only_where_it_is() -> None:
    content = SimpleNamespace(a=SimpleNamespace(b=1, c=None, d=NotEstimable("few")))
    assert [is_there(content, place) for place in ("a.b", "a.c", "a.d", "a.e", "x")] == [
        True,
        False,
        False,
        False,
        False,
    ]
