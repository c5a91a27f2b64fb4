"""Provenance: which patients made a model, told from what its manifest records and nothing else.

A model is fitted to patients, and may be updated with others. Each time the manifest records where
they came from (the simulator, or a table that was given), how many they were, and a digest of what
the model reads of them. Sentences about a model's patients are made here, so that none is written
by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.files import frame_digest, manifest_path, read_manifest
from crsrisk.data.part_files import are_unchanged, is_address
from crsrisk.data.table_files import Source
from crsrisk.errors import InputError
from crsrisk.wording import NOTICE

Origin = Literal["simulated", "table", "unknown"]
Step = Literal["fit", "update"]

KEY = "patients"  # in a model's manifest
_SHOWN = 12  # of the digits of a digest


class Patients(Strict):
    """Patients that made a model (``step`` fit) or changed it (update).

    ``origin``: `simulated` by this package, a `table` that was given (where its patients come from
    is not known to the program), or `unknown`. ``sha256``: digest of the columns that the model
    reads, whatever the order of the rows.
    """

    step: Step
    origin: Origin
    n_patients: int = Field(ge=0)
    n_events: int = Field(ge=0)
    sha256: str

    @property
    def in_words(self) -> str:
        """Who they were, inside a sentence."""
        if self.origin == "simulated":
            return f"{self.n_patients:,} simulated patients"
        if self.origin == "table":
            digits = f" (SHA-256 {self.sha256[:_SHOWN]})" if self.sha256 else ""
            return f"{self.n_patients:,} patients of a table{digits}"
        return f"{self.n_patients:,} patients whose origin is not recorded"

    @property
    def in_short(self) -> str:
        """The same without numbers."""
        return {
            "simulated": "simulated patients",
            "table": "patients of a table",
            "unknown": "patients whose origin is not recorded",
        }[self.origin]


@dataclass(frozen=True)
class Provenance:
    """The patients of a model, those of its fit first, then those of each update.

    >>> kept = {"origin": "table", "n_patients": 375, "n_events": 90, "sha256": "ab" * 32}
    >>> made = Provenance.of({"patients": [{"step": "fit", **kept}]})
    >>> print(made.notice)
    Research use. Fitted to patients of a table; no external validation is recorded.
    >>> made.in_words
    '375 patients of a table (SHA-256 abababababab), 90 with the event'
    """

    steps: tuple[Patients, ...]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Provenance:
        """What a model's manifest records; of one that was written before this was recorded, what
        it says of its training.
        """
        if KEY in manifest:
            return cls(
                tuple(Patients.model_validate_json(json.dumps(one)) for one in manifest[KEY])
            )
        # every older manifest calls its data synthetic, whatever they were: `training` knows better
        told = str(manifest.get("training", ""))
        origin: Origin = "unknown" if not told else "table"
        if " simulated patients" in told:
            origin = "simulated"
        steps = [
            Patients(
                step="fit",
                origin=origin,
                n_patients=int(manifest.get("n_patients", 0)),
                n_events=int(manifest.get("n_events", 0)),
                sha256=str(manifest.get("observed_sha256", "")),
            )
        ]
        if (update := manifest.get("update")) and update.get("method") != "none":
            steps.append(
                Patients(
                    step="update",
                    origin="table",
                    n_patients=int(update.get("n_patients", 0)),
                    n_events=int(update.get("n_events", 0)),
                    sha256="",
                )
            )
        return cls(tuple(steps))

    @property
    def is_simulated(self) -> bool:
        """Whether every patient that made the model was simulated."""
        return all(one.origin == "simulated" for one in self.steps)

    @property
    def in_short(self) -> str:
        """Which patients the model was fitted to, inside a sentence, without numbers."""
        first, *later = [one.in_short for one in self.steps]
        return ", then updated with ".join([first, *dict.fromkeys(later)])

    @property
    def in_words(self) -> str:
        """The same with numbers and digests."""
        told = [f"{one.in_words}, {one.n_events:,} with the event" for one in self.steps]
        return "; then updated with ".join(told)

    @property
    def validation(self) -> str:
        """What is known of a validation elsewhere, as the end of a sentence."""
        if self.is_simulated:
            return "no external validation"
        return "no external validation is recorded"

    @property
    def notice(self) -> str:
        """The sentence that stands beside every risk of the model."""
        return f"Research use. Fitted to {self.in_short}; {self.validation}."

    @property
    def page_notice(self) -> str:
        """The same for a page; the short one of every page where all patients were simulated."""
        return NOTICE if self.is_simulated else self.notice

    def made_by(self, observed: pd.DataFrame) -> Patients | None:
        """The step whose patients these are, recognised by the digest of ``observed`` (the columns
        that the model reads); None where they are not known to have made the model.
        """
        digests = {rows_digest(observed), frame_digest(observed)}  # the latter of older manifests
        return next((one for one in self.steps if one.sha256 in digests), None)


def rows_digest(frame: pd.DataFrame) -> str:
    """SHA-256 of the rows of a table in any order: :func:`~crsrisk.data.files.frame_digest` of the
    sorted table.

    >>> one, two = pd.DataFrame({"ecog": [0, 1]}), pd.DataFrame({"ecog": [1, 0]})
    >>> rows_digest(one) == rows_digest(two)
    True
    """
    return frame_digest(frame, order=_sorted_rows(frame))


def _sorted_rows(frame: pd.DataFrame) -> NDArray[np.intp]:
    """The places of the rows in the order of their cells, column after column, missing ones last;
    columns after those that tell all rows apart are not looked at.
    """
    rank = np.zeros(len(frame), dtype=np.int64)
    for name in frame.columns:
        code, different = pd.factorize(_sortable(frame[name]), sort=True)
        code = np.where(code < 0, len(different), code)
        found, rank = np.unique(rank * (len(different) + 1) + code, return_inverse=True)
        if len(found) == len(frame):
            break
    return np.argsort(rank, kind="stable")


def _sortable(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers as they are, anything else as text."""
    return column if pd.api.types.is_numeric_dtype(column.dtype) else column.astype(str)


def origin_of(source: Source) -> Origin:
    """`simulated` for a file beside which ``crsrisk simulate`` left a manifest with its hash, else
    `table`, as every table in memory is; of a table in parts, all of them.
    """
    if not isinstance(source, str | Path):
        return "table"
    if is_address(source) or Path(source).is_dir():
        return "simulated" if are_unchanged(source) else "table"
    table = Path(source)
    if not manifest_path(table).is_file():
        return "table"
    try:
        read_manifest(table)
    except InputError:
        return "table"
    return "simulated"
