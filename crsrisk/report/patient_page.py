"""The page about one patient: the explorer's page filled in, without its models.

Its script draws an answer and does not ask who computed it: the engine in the page, or this
package, which writes the answer into the page. So the shapes here are those that the script's own
engine fills (``explorer/src/content.js``), and a test compares both.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import pandas as pd
from markupsafe import Markup

from crsrisk.data.assumptions import Strict
from crsrisk.data.risk_model import Column
from crsrisk.report.comparison import Comparison
from crsrisk.report.explorer import PageFacts, ShownProduct, bundled_script, in_script, page_policy
from crsrisk.report.templating import environment

FORMAT: Literal["crsrisk patient page 1"] = "crsrisk patient page 1"


class GradeAnswer(Strict):
    """A risk (0-1) with the interval shown first, and both in print; no ends without an interval,
    and ``range`` is "" then.
    """

    value: float
    low: float | None
    high: float | None
    count: str
    sentence: str
    range: str


class ReasonLine(Strict):
    """A reason in print; ``of_100`` whole patients of 100, below 0 lowers the risk."""

    of_100: int
    text: str


class ReasonLines(Strict):
    """The largest reasons for and against, where they start, and what all others add."""

    start: str
    up: list[ReasonLine]
    down: list[ReasonLine]
    rest: int


class RiskAnswer(Strict):
    """What is said of a patient who has a number. ``beside``: the simulator's number, where it is
    another one; ``covers``: what the interval holds; ``refit_range``: that of the refits alone.
    """

    kind: Literal["risk"] = "risk"
    grade2plus: GradeAnswer
    grade3plus: GradeAnswer | None
    interval_name: str
    covers: str
    refit_range: str
    beside: str
    warnings: list[str]
    reasons: ReasonLines


class NoAnswer(Strict):
    """What is said of a patient who has none; ``instead``: what is simulated in its place."""

    kind: Literal["cannot"] = "cannot"
    because: list[str]
    instead: list[str]
    warnings: list[str]


class EnteredValue(Strict):
    """A value as it was given, in print."""

    label: str
    value: str
    is_outside: bool


class NoteGroup(Strict):
    """Lines under a heading; "" for none."""

    title: str
    lines: list[str]


class Note(Strict):
    """What opens below the result."""

    title: str
    groups: list[NoteGroup]


class PatientPage(PageFacts):
    """Everything on the page: the answer, what was entered, plans side by side where they were
    simulated, and what opens.

    ``spread``: sentences on what assumptions leave open, beside what the interval holds; ``waits``:
    when the first signs came in simulated patients; ``inputs_sha256``: of the values as the model
    reads them (:func:`inputs_digest`).
    """

    format: Literal["crsrisk patient page 1"] = FORMAT
    title: str
    label: str
    models: list[str]
    inputs_sha256: str
    product: ShownProduct
    entered: list[EnteredValue]
    answer: RiskAnswer | NoAnswer
    spread: list[str]
    comparison: Comparison | None
    waits: str
    notes: list[Note]


def inputs_digest(patient: pd.Series[Any], *, columns: tuple[Column, ...]) -> str:
    """SHA-256 of the values that a model reads; the explorer's page says the same of a patient.

    Known values by name of the column, yes as 1 and no as 0, as compact JSON.
    """
    told: list[tuple[str, str | int | float]] = []
    for column in sorted(columns, key=lambda one: one.name):
        value: Any = patient[column.name]
        if column.kind == "word":
            told.append((column.name, str(value)))
        elif not pd.isna(value):
            number = float(np.float64(value))
            told.append((column.name, int(number) if number.is_integer() else number))
    return sha256(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def render_patient(page: PatientPage, *, in_short: str) -> str:
    """The page as one file that loads nothing. The same content gives the same bytes.

    Parameters
    ----------
    page : what it says.
    in_short : what is read where scripts are switched off.
    """
    return (
        environment()
        .get_template("explorer.html.j2")
        .render(
            policy=page_policy(),
            title=page.title,
            label=page.label,
            filled=Markup(in_script(page.model_dump_json())),
            in_short=in_short,
            notice=page.notice,
            data=None,
            server=None,
            regimens=None,
            models=[],
            bundle=Markup(bundled_script()),
        )
    )
