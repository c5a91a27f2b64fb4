"""What the evidence constrains and what it leaves at its prior, in words and as a table, for the generator card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from crsrisk.belief.constrained import CLEAR, HINT
from crsrisk.report.words import number, significant, unit_in_words

NO_EVIDENCE = ("Which assumptions the evidence constrains is not stated: there is no ensemble, or its members were drawn "
               "from other priors than those of the files.")
NOT_VARIED = "not varied"
HEADER = ("constant", "evidence", "strength", "prior median", "median of the members (95%)", "in use", "moved (prior SDs)",
          "SD left")
COLUMN = {
    "constrains": f"the mean of the members moved by {CLEAR[0]:g} prior SDs or more, or {100 * CLEAR[1]:.0f}% or less of "
                  "the prior SD is left",
    "hint": f"less than that, but {HINT[0]:g} prior SDs or more, or {100 * HINT[1]:.0f}% or less left",
    "prior": "the evidence leaves it where its prior put it",
    NOT_VARIED: "calibration did not ask: populations, measurement, consequences of prophylaxis, numbers without a spread, "
                "products and care that no calibration source is about, and what a scenario sets",
}


def evidence_statement(card: Mapping[str, Any]) -> str:
    """How many constants the evidence constrains, of how many, and how that is told."""
    evidence = card["evidence"]
    if evidence is None:
        return NO_EVIDENCE
    found = Counter(row["evidence"] for row in evidence["constants"])
    n, size = found.total(), evidence["effective_size"]
    return (f"**{n - found['constrains']} of the {n} constants that calibration varied stay where their priors put them; "
            f"the evidence constrains {found['constrains']}.** Of those that stay, {found['hint']} show a hint. By chance "
            f"the mean of {evidence['n_members']} members has a standard error of {size**-0.5:.2f} prior SDs, their SD one "
            f"of {100 * (2 * size)**-0.5:.0f}%. Each constant is judged by itself: {evidence['n_targets']} figures hold at "
            "most as many combinations of constants, and a combination may be held where each of its constants stays wide.")


def evidence_rows(card: Mapping[str, Any]) -> list[list[str]]:
    """A row of :data:`HEADER` for each constant that the evidence constrains or hints at, most constrained first."""
    rows = [] if card["evidence"] is None else card["evidence"]["constants"]
    return [_row(row) for row in rows if row["evidence"] != "prior"]


def _row(row: Mapping[str, Any]) -> list[str]:
    unit = unit_in_words(row["unit"])
    median, low, high = (significant(row[f"posterior_{name}"]) for name in ("median", "low", "high"))
    shift = number(row["shift_prior_sd"])
    return [f"`{row['constant'].removeprefix('assumption:')}`", row["evidence"], row["strength"],
            f"{row['prior_median']:g} {unit}".strip(), f"{median} ({low} to {high})", f"{row['most_probable']:.4g}",
            shift if row["shift_prior_sd"] < 0.0 else f"+{shift}", f"{100.0 * row['left_of_prior_sd']:.0f}%"]


def told_of(row: Mapping[str, Any], evidence: Mapping[str, Any] | None) -> str | None:
    """What the evidence does to the number of a row, whose key is under `constant`; None where that is not known.

    >>> told_of({"constant": "assumption:a.b"}, {"constants": [{"constant": "assumption:a.b", "evidence": "prior"}]})
    'prior'
    """
    if evidence is None:
        return None
    return next((one["evidence"] for one in evidence["constants"] if one["constant"] == row["constant"]), NOT_VARIED)
