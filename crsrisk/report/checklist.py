"""Checklists answered from a run: each item automatic, prefilled or left to a human, with a pointer to its evidence.

A run states *facts* (sentences about what was done, made by the program or taken from its settings) and *checks*
(questions that the program can decide, with the reason). An item of a checklist names the facts and checks that answer
it. What is said here about an item is in this project's own words: check against the official checklist before use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from crsrisk.report.words import NOTICE, typeset

Kind = Literal["automatic", "prefilled", "human"]

CHECK_WORDING = ("Item texts are short paraphrases by this project, made from secondary sources: check against the official "
                 "checklist.")
NOT_HERE = "This run has nothing about it; it belongs to the development of the model, or to a human."
KINDS: Mapping[Kind, str] = {
    "automatic": "computed from the run",
    "prefilled": "filled from settings and manifests; the author confirms",
    "human": "left to a human",
}


@dataclass(frozen=True)
class Item:
    """One item: its number and part in the checklist, what it asks in our words, how it can be answered at best.

    ``facts``: names of the facts that answer it, in order. ``check``: the check that decides a question (PROBAST+AI).
    ``evidence``: places in the judgement (dotted keys), of which those that are there are pointed to.
    """

    number: str
    part: str
    asks: str
    kind: Kind
    facts: tuple[str, ...] = ()
    check: str | None = None
    evidence: tuple[str, ...] = ()


def answered(
    items: Sequence[Item], *, name: str, source: str, facts: Mapping[str, str], checks: Mapping[str, Mapping[str, Any]],
    content: Mapping[str, Any],
) -> dict[str, Any]:
    """Every item with what the run can say about it.

    Keys: `checklist`, `source`, `wording`, `notice`, `counts` (items by kind of answer) and `items`, each `number`,
    `part`, `asks`, `kind` (human where the run had nothing to say), `answer` (yes, no, or None), `text`, `evidence`
    (places in the judgement), `needs_human`. There is no overall verdict: that is a human's.
    """
    rows = [_answer(item, facts=facts, checks=checks, content=content) for item in items]
    kinds = [one["kind"] for one in rows]
    return {"checklist": name, "source": source, "wording": CHECK_WORDING, "notice": NOTICE,
            "counts": {kind: kinds.count(kind) for kind in KINDS}, "kinds": dict(KINDS), "items": rows}


def _answer(
    item: Item, *, facts: Mapping[str, str], checks: Mapping[str, Mapping[str, Any]], content: Mapping[str, Any]
) -> dict[str, Any]:
    check = checks.get(item.check) if item.check else None
    texts = [facts[name] for name in item.facts if name in facts]
    answer = None
    if check is not None:
        texts = [str(check["why"]), *texts]
        answer = None if check["answer"] is None else "yes" if check["answer"] else "no"
    is_said = bool(texts) and item.kind != "human"
    kind: Kind = item.kind if is_said and not (check is not None and answer is None) else "human"
    wanted = bool(item.facts or item.check) and item.kind != "human"
    text = " ".join(texts) if texts else NOT_HERE if wanted else "To be written by the authors."
    return {"number": item.number, "part": item.part, "asks": typeset(item.asks), "kind": kind, "answer": answer,
            "text": typeset(text), "evidence": [place for place in item.evidence if is_there(content, place)],
            "needs_human": kind != "automatic"}


def is_there(content: Mapping[str, Any], place: str) -> bool:
    """Whether a dotted place holds something.

    >>> is_there({"evaluation": {"pooled": {"n": 5}}}, "evaluation.pooled.n")
    True
    """
    at: Any = content
    for key in place.split("."):
        if not isinstance(at, Mapping) or at.get(key) is None:
            return False
        at = at[key]
    return not (isinstance(at, Mapping) and "not_estimable" in at)
