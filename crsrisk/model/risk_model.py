"""RiskModel: a fitted, calibrated model that a user can predict, check and explain with."""

from __future__ import annotations

import hashlib
import json
import warnings
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
from crsrisk.model.applicability import Applicability, judged
from crsrisk.model.explain import explain
from crsrisk.model.features import clinical_table
from crsrisk.model.known_products import (
    with_trained_names,
    without_contradictions,
    without_unknown_products,
)
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.results import Result

Floats = NDArray[np.float64]

DISTRIBUTED = "distributed"  # in the manifest of a model whose trees a cluster has grown


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
    applicability : the training patients in figures, by which a row too far from them gets no
        number; None of a model that was saved without, which then judges no distance.

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
    applicability: Applicability | None = None

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

    def predict(
        self, X: Any, *, unknown_product: bool = False, outside_training: bool = False
    ) -> Prediction:
        """The risk of every patient with what was noticed about each row; a row that cannot be
        scored has no risk, and the reason stands beside it.

        A product is found by any of its names. A row whose platform, sex or age contradicts product
        or tumour type is refused. A row too far from the training patients, in one value or in a
        combination, has the status `cannot estimate`: of patients like those of training one in a
        thousand is (:mod:`crsrisk.model.applicability`).

        Parameters
        ----------
        X : table
            The clinical table as measured; one patient as a Series or mapping.
        unknown_product : bool
            Whether a product that the model was not trained on is scored by platform, antigen and
            patient alone, with an interval over products; else it is refused.
        outside_training : bool
            Whether a row too far from training is scored, with a warning.

        Raises
        ------
        InputError
            For a table of another kind: a missing column, text in a number, a patient twice.
        """
        table = with_trained_names(self, clinical_table(X))
        return self._predict(table, unknown_product, outside_training)

    def _predict(
        self, table: pd.DataFrame, unknown_product: bool, outside_training: bool
    ) -> Prediction:
        """:meth:`predict` of a table that names products as the model does."""
        found = without_unknown_products(
            predict(self, table),
            self,
            table,
            summary=self.applicability,
            unknown_product=unknown_product,
        )
        return judged(
            without_contradictions(found, table),
            summary=self.applicability,
            contract=self.contract,
            observed=table,
            outside_training=outside_training,
        )

    def predict_proba(
        self, X: Any, *, unknown_product: bool = False, outside_training: bool = False
    ) -> Floats:
        """Probabilities of no event and of the event, shape (patients, 2); NaN in rows without a
        risk.

        Warns
        -----
        UserWarning
            Where rows have no risk, with their number and why; :meth:`check` gives every reason,
            and :meth:`predict` can be told to score rows that it would not.

        Raises
        ------
        InputError
            For a table of another kind.
        """
        found = self.predict(X, unknown_product=unknown_product, outside_training=outside_training)
        _warn_of_rows_without_risk(found)
        return np.column_stack([1.0 - found.risk, found.risk])

    def log_odds(
        self, X: Any, *, unknown_product: bool = False, outside_training: bool = False
    ) -> Floats:
        """Calibrated log-odds of the event, shape (patients,); NaN and a warning as in
        :meth:`predict_proba`.
        """
        found, log_odds = self.predict_with_log_odds(
            X, unknown_product=unknown_product, outside_training=outside_training
        )
        _warn_of_rows_without_risk(found)
        return log_odds

    def predict_with_log_odds(
        self, X: Any, *, unknown_product: bool = False, outside_training: bool = False
    ) -> tuple[Prediction, Floats]:
        """:meth:`predict`, and the calibrated log-odds, NaN in rows without a risk."""
        table = with_trained_names(self, clinical_table(X))
        found = self._predict(table, unknown_product, outside_training)
        log_odds = self.calibrator.log_odds(raw_log_odds(self, table))
        return found, np.where(found.has_risk, log_odds, np.nan)

    def check(self, X: Any) -> pd.DataFrame:
        """The rows that are refused, warned about or cannot be estimated, and why; empty where all
        is well.

        Columns `row` (place in the table, from 0), `status` (warned, cannot estimate or refused),
        `reasons` and `missing` (columns that were empty).
        """
        return self.predict(X).check()

    def explain(
        self, X: Any, *, unknown_product: bool = False, outside_training: bool = False
    ) -> Explanation:
        """Exact Shapley values of the calibrated model, one for each patient and clinical variable:
        interventional, against the median training patient of the same product.

        Raises
        ------
        InputError
            For a table of another kind, and for rows without a risk, unless :meth:`predict` is told
            to score them: a number that is not given has no reasons.
        """
        table = with_trained_names(self, clinical_table(X))
        self._predict(table, unknown_product, outside_training).require_scored()
        return explain(self, table)

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
            f" {class_in_words(self)} {distance_in_words(self)} {self.notice}"
        )


def _warn_of_rows_without_risk(found: Prediction) -> None:
    without = found.rows.loc[~found.has_risk]
    if without.empty:
        return
    counts = ", ".join(f"{n} {status}" for status, n in without["status"].value_counts().items())
    row = int(np.flatnonzero(~found.has_risk)[0])
    warnings.warn(
        f"{len(without)} of {len(found.rows)} rows have no risk and are NaN ({counts}); the first"
        f" is row {row}, counted from 0: {without['reasons'].iloc[0]} See check(X) for all.",
        stacklevel=3,
    )


def risk_digest(model: RiskModel) -> str:
    """Of what makes the risk: trees, calibration, and how features and columns are read."""
    parts: list[Any] = [
        model.booster_text,
        model.calibrator.model_dump(mode="json"),
        model.contract.model_dump(mode="json", exclude={"name"}),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def distributed_in_words(manifest: Mapping[str, Any]) -> str:
    """What a manifest says of a fit on a cluster, in a sentence."""
    far = manifest[DISTRIBUTED]
    return (
        f"Trees grown by {far['library']} on {far['n_workers']} workers; the same command gives"
        f" other bytes. In {far['n_held_out']:,} patients held out its risks differ from those of a"
        f" fit on one machine by {far['mean_difference']:.4f} on average, at most by"
        f" {far['largest_difference']:.4f}; log loss {far['log_loss']:.5f} instead of"
        f" {far['log_loss_of_one_machine']:.5f}. Number of trees and calibration are of the fit on"
        " one machine."
    )


def class_in_words(model: RiskModel) -> str:
    """What class of model it is, as pages and records say it; trees of an update are named."""
    told = model.model_class.summary()
    if model.manifest.get("update", {}).get("method") == "offset boosting":
        return f"{told} An update added trees (offset boosting)."
    return told


def distance_in_words(model: RiskModel) -> str:
    """Whether, and at which price, the model says of a row that it cannot estimate."""
    summary = model.applicability
    if summary is None:
        return "No distance check is stored with this model: every row that can be read is scored."
    return (
        "A row too far from the training patients gets no number, which happens to"
        f" {1000 * summary.false_alarm_rate:g} of 1,000 patients like those of training."
    )


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
