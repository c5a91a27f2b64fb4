"""RiskModel: a fitted, calibrated model that a user can predict, check and explain with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.explanation import Explanation
from crsrisk.data.provenance import Provenance
from crsrisk.data.risk_model import (
    Calibrator,
    FeatureContract,
    ModelClass,
    Prediction,
)
from crsrisk.model.explain import explain
from crsrisk.model.features import clinical_table
from crsrisk.model.known_products import with_trained_names, without_contradictions
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.results import Result

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, repr=False)
class RiskModel(Result):
    """A model that can be used: contract, trees, calibration, version, and how it was made.

    :func:`crsrisk.load_model` reads one, :class:`crsrisk.CRSRiskClassifier` fits one. It takes the
    clinical table as measured (pandas or polars; one patient as a Series or mapping).

    Parameters
    ----------
    contract : which columns it needs, in which units and ranges; outcome, window, time of
        prediction; products and number of patients it was trained on.
    booster_text : the trees in LightGBM's text format.
    calibrator : from the trees' log-odds to calibrated ones.
    version : of the model, not of the package.
    manifest : digests, seed, settings and versions of libraries; nothing of a single patient.

    Examples
    --------
    >>> from crsrisk.model.store import load_model
    >>> from crsrisk.simulation.cohort import simulate
    >>> model = load_model("baseline-0.1.0")
    >>> X = simulate("tarlatamab", n=5, seed=1).X
    >>> model.predict_proba(X).shape
    (5, 2)
    """

    contract: FeatureContract
    booster_text: str
    calibrator: Calibrator
    version: str
    manifest: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Name and version, as the reports write them."""
        return f"{self.contract.name}-{self.version}"

    @property
    def provenance(self) -> Provenance:
        """Which patients made it: simulated, of a table, or both."""
        return Provenance.of(self.manifest)

    @property
    def notice(self) -> str:
        """The sentence that stands beside every risk: which patients, and research use."""
        return self.provenance.notice

    @property
    def model_class(self) -> ModelClass:
        """What it is: where boosting started, trees kept of those tried, what they gain.

        Of a model that was saved before this was written down, what its manifest says: additive
        start and trees on top.
        """
        made = self.manifest
        if "model_class" in made:
            return ModelClass.model_validate_json(json.dumps(made["model_class"]))
        n_kept = int(made.get("n_trees", 0))
        n_tried = int(made.get("learner", {}).get("max_trees", n_kept))
        return ModelClass(
            start="additive",
            is_chosen=False,
            n_trees=n_kept,
            n_kept=n_kept,
            n_tried=max(n_kept, n_tried),
            max_trees=max(n_kept, n_tried),
        )

    def predict(self, X: Any) -> Prediction:
        """The risk of every patient with what was noticed about each row; a row that cannot be
        scored is refused and has no risk.

        A product is found by any of its names. One that the model was not trained on is scored
        with a warning; a row whose platform, sex or age contradicts product or tumour type is
        refused.

        Raises
        ------
        InputError
            For a table of another kind: a missing column, text in a number, a patient twice.
        """
        table = with_trained_names(self, clinical_table(X))
        return without_contradictions(predict(self, table), table)

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of no event and of the event, shape (patients, 2).

        Raises
        ------
        InputError
            For a table of another kind, and for rows that cannot be scored: see :meth:`check`.
        """
        risk = self.predict(X).require_scored().risk
        return np.column_stack([1.0 - risk, risk])

    def log_odds(self, X: Any) -> Floats:
        """Calibrated log-odds of the event, shape (patients,); raises as :meth:`predict_proba`."""
        table = with_trained_names(self, clinical_table(X))
        without_contradictions(predict(self, table), table).require_scored()
        return self.calibrator.log_odds(raw_log_odds(self, table))

    def check(self, X: Any) -> pd.DataFrame:
        """The rows that are refused or warned about, and why; empty where all is well.

        Columns `row` (place in the table, from 0), `status` (warned or refused), `reasons` and
        `missing` (columns that were empty).
        """
        return self.predict(X).check()

    def explain(self, X: Any) -> Explanation:
        """Exact Shapley values of the calibrated model, one for each patient and clinical variable.

        Raises
        ------
        InputError
            For a table of another kind, and for rows that cannot be scored.
        """
        return explain(self, with_trained_names(self, clinical_table(X)))

    def to_frame(self) -> pd.DataFrame:
        """The columns that the model needs, one row each, as its contract has them."""
        return pd.DataFrame(
            [
                {
                    "column": column.name,
                    "kind": column.kind,
                    "unit": column.unit,
                    "may_be_missing": column.may_be_missing,
                    "trained": column.trained or ", ".join(column.levels),
                }
                for column in self.contract.columns
            ]
        )

    def summary(self) -> str:
        """Name, outcome, time of prediction, what it was trained on, and what class of model it
        is.
        """
        contract = self.contract
        when = (
            f"{contract.landmark_h} h after the first dose"
            if contract.landmark_h
            else "before the first dose"
        )
        return (
            f"{self.label}, risk of {contract.outcome_in_words}, predicted {when} from"
            f" {len(contract.columns)} columns; trained on {contract.n_patients:,} patients with"
            f" {contract.n_events:,} events, {len(contract.products)} product(s)."
            f" {class_in_words(self)} {self.notice}"
        )


def class_in_words(model: RiskModel) -> str:
    """What class of model it is, as pages and records say it; trees of an update are named."""
    told = model.model_class.summary()
    if model.manifest.get("update", {}).get("method") == "offset boosting":
        return f"{told} An update added trees (offset boosting)."
    return told


def class_params(model: RiskModel) -> dict[str, str]:
    """The same for tracking, one parameter a fact; None where it is not known."""
    found = model.model_class
    return {
        "model_class": found.name,
        **{
            f"model_class.{key}": str(value)
            for key, value in found.model_dump(exclude={"tried"}).items()
        },
    }
