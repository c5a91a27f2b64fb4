"""A model whose trees a cluster has grown, held against the fit of one machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit

from crsrisk.errors import InputError
from crsrisk.executor import cluster_client
from crsrisk.model.booster import bare_text
from crsrisk.model.distributed import distance, grown_on
from crsrisk.model.estimator import cut_folds
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import make_learner
from crsrisk.model.predict import feature_matrix, raw_log_odds
from crsrisk.model.risk_model import DISTRIBUTED, RiskModel
from crsrisk.model.small_leaves import without_small_leaves
from crsrisk.studies.training_table import Training

_PARTS = 5  # one of them is held out


def check_can_be_distributed(config: ModelConfig) -> None:
    """Refuse a configuration with a start that only one machine can fit."""
    if config.learner.kind != "boosting":
        raise InputError(
            where=f"configuration {config.name}",
            key="learner.kind",
            found=config.learner.kind,
            expected="boosting, the start that a cluster can grow trees from",
            cure="take the configuration boosting, or leave --cluster out",
        )


def parted(training: Training, *, config: ModelConfig, seed: int) -> tuple[Training, Training]:
    """Patients to learn from, and a fifth of them held out, with the same share of events; rows of
    one patient stay together.
    """
    labels = training.outcomes[config.outcome].to_numpy(dtype=np.float64)
    groups = training.observed["patient_id"].to_numpy()
    rows, held = next(cut_folds(labels, groups, n_folds=_PARTS, seed=seed))

    def of(taken: np.ndarray[tuple[int], np.dtype[np.intp]], who: str) -> Training:
        weight = training.sample_weight
        tables: list[pd.DataFrame] = [
            table.iloc[taken].reset_index(drop=True)
            for table in (training.observed, training.outcomes)
        ]
        return replace(
            training,
            observed=tables[0],
            outcomes=tables[1],
            who=who,
            sample_weight=None if weight is None else weight[taken],
        )

    return (
        of(rows, f"{len(rows):,} of {training.who}; {len(held):,} held out"),
        of(held, f"{len(held):,} of {training.who}"),
    )


def fitted_on(
    address: str,
    model: RiskModel,
    training: Training,
    *,
    held_out: Training,
    config: ModelConfig,
    seed: int,
    begin: Callable[[str, int], Callable[[int], None]],
) -> RiskModel:
    """``model``, which was fitted here, with trees that the cluster at ``address`` has grown; its
    manifest says how far the risks of both are apart.

    Number of trees, calibration, stand-ins for missing values and summary stay those of the model.
    """
    names, weight = model.contract.feature_names, training.sample_weight
    advance = begin("Fitting on the cluster", 1)
    with cluster_client(address) as client:
        booster, n_workers = grown_on(
            client,
            feature_matrix(model, training.observed),
            training.outcomes[config.outcome].to_numpy(dtype=np.float64),
            settings=make_learner(names, config=config, seed=seed).settings_from_mean(names),
            n_rounds=model.model_class.n_kept,
            names=names,
            sample_weight=weight,
        )
    advance(1)
    told = without_small_leaves(booster)
    spread = replace(model, booster_text=bare_text(told.model_to_string()))
    here, there = (
        expit(one.calibrator.log_odds(raw_log_odds(one, held_out.observed)))
        for one in (model, spread)
    )
    far = distance(
        here,
        there,
        held_out.outcomes[config.outcome].to_numpy(dtype=np.int64),
        n_workers=n_workers,
    )
    return replace(
        spread,
        manifest={
            **model.manifest,
            "n_trees_in_all": told.num_trees(),
            DISTRIBUTED: far,
        },
    )
