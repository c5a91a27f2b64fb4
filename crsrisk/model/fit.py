"""Fit: a cohort and a configuration in, a frozen risk model with its contract out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk.data.disclosure import frequent_words, is_told, usual_range
from crsrisk.data.files import frame_digest
from crsrisk.data.provenance import KEY, Origin, Patients, rows_digest
from crsrisk.data.risk_model import (
    Column,
    ColumnKind,
    Direction,
    Feature,
    FeatureContract,
    Variable,
)
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.logistic import fit_logistic
from crsrisk.model.additive import out_of_order
from crsrisk.model.applicability import Applicability, summarise
from crsrisk.model.booster import bare_text
from crsrisk.model.estimator import CRSClassifier
from crsrisk.model.features import (
    WORDS,
    ModelConfig,
    build_features,
    columns_needed,
    field_of,
    numbers_of,
    read_columns,
    require_columns,
    words_of,
)
from crsrisk.model.indices import INDICES
from crsrisk.model.median_patient import median_patients
from crsrisk.model.predict import raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.stored_table import StoredTable, block_slices

SIGNS: Mapping[Direction, int] = {"up": 1, "down": -1, "none": 0}
_RARE = 0.001  # share of patients beyond either end of what was seen
_NO_PRODUCT = ""
_FEWEST_OF_PRODUCT = 20  # patients whose event rate tells how far a product lies
_WHOLE_WINDOW = ("crs_any", "crs_grade2plus", "crs_grade3plus")


def fit(
    observed: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    config: ModelConfig,
    seed: int,
    sample_weight: NDArray[np.float64] | None = None,
    is_described: bool = True,
    origin: Origin = "unknown",
    folder: Path | None = None,
) -> RiskModel:
    """Fit a calibrated risk model.

    ``observed`` and ``outcomes`` hold the same patients in the same order (a landmark table goes
    with ``outcomes.loc[table.index]``). The products, platforms and ranges of these patients enter
    the contract, and a summary by which rows far from them are known. With ``is_described`` False,
    as in refits, no summary, no median patients and no manifest are made. Rows with the same
    ``patient_id`` (copies in a bootstrap resample) stay in one fold. ``origin`` says where they
    came from. With a ``folder`` the features lie in temporary files there, not in memory
    (:mod:`crsrisk.model.stored_table`); the model is the same. The same tables, configuration and
    seed give the same model, byte for byte. Raises :class:`InputError` when the tables do not fit
    together, the outcome's window is another one than the configuration says, or only one class
    occurs.
    """
    labels = LabelledPatients(
        y=outcome_of(observed, outcomes, config=config),
        stages=stages_of(outcomes, config=config),
        stage_names=tuple(_known_stages(outcomes, config=config)),
        groups=observed["patient_id"].to_numpy(),
        sample_weight=sample_weight,
    )
    return fit_labelled(
        observed,
        labels,
        config=config,
        seed=seed,
        is_described=is_described,
        origin=origin,
        folder=folder,
    )


@dataclass(frozen=True)
class LabelledPatients:
    """What is known of the outcome of each row of a clinical table.

    ``y`` (patients,) of 0 and 1; ``stages`` (patients, stages) that come before, called
    ``stage_names``; ``groups`` (patients,) names rows that no fold may part; ``sample_weight``
    (patients,) is how many patients a row stands for.
    """

    y: NDArray[np.int64]
    stages: NDArray[np.float64] | None = None
    stage_names: tuple[str, ...] = ()
    groups: NDArray[Any] | None = None
    sample_weight: NDArray[np.float64] | None = None

    def of(self, rows: NDArray[np.intp]) -> LabelledPatients:
        """These rows only."""
        return LabelledPatients(
            self.y[rows],
            None if self.stages is None else self.stages[rows],
            self.stage_names,
            None if self.groups is None else self.groups[rows],
            None if self.sample_weight is None else self.sample_weight[rows],
        )

    @property
    def digest_table(self) -> pd.DataFrame:
        """Stages and outcome as yes/no columns, for the manifest."""
        columns = [] if self.stages is None else list(self.stages.T > 0)
        return pd.DataFrame(dict(enumerate([*columns, self.y > 0])))


def fit_labelled(
    observed: pd.DataFrame,
    labels: LabelledPatients,
    *,
    config: ModelConfig,
    seed: int,
    is_described: bool = True,
    origin: Origin = "unknown",
    folder: Path | None = None,
) -> RiskModel:
    """:func:`fit` for labels that are checked to belong to these rows."""
    y = labels.y
    levels = _levels(observed, config=config)
    names = config.feature_names(levels=levels)
    learner = make_learner(names, config=config, seed=seed)
    about: dict[str, Any] = {
        "sample_weight": labels.sample_weight,
        "groups": labels.groups,
        "stages": labels.stages,
    }
    # products of matrices on several threads differ in their last digits from run to run
    with threadpool_limits(1):
        if folder is None:
            learner.fit(build_features(observed, names=names), y, **about)
        else:
            learner.fit_stored(
                stored_features(observed, names=names, folder=folder), y, names=names, **about
            )
    columns = columns_of(observed, names, levels=levels)
    contract = FeatureContract(
        name=config.name,
        outcome=config.outcome,
        outcome_in_words=config.outcome_in_words,
        window_d=config.window_d,
        landmark_h=config.landmark_h,
        columns=columns,
        features=_features(names, config=config, fill=learner.fill_values_),
        variables=_variables(names, config=config),
        n_patients=len(y),
        n_events=int(y.sum()),
        refused=tuple(config.refused),
    )
    model = RiskModel(
        contract=contract,
        booster_text=bare_text(learner.booster_.model_to_string()),
        calibrator=learner.calibrator_,
        version=config.version,
        manifest={},
    )
    if not is_described:
        return model
    made_with = {library: version_of(library) for library in ("lightgbm", "numpy", "scikit-learn")}
    named = dict(enumerate((*labels.stage_names, config.outcome)))
    read = observed[list(columns_needed(names))]
    patients = Patients(
        step="fit",
        origin=origin,
        n_patients=len(y),
        n_events=int(y.sum()),
        sha256=rows_digest(read),
    )
    manifest: dict[str, Any] = {
        KEY: [patients.model_dump()],
        "seed": seed,
        "n_patients": len(y),
        "n_events": int(y.sum()),
        "observed_sha256": frame_digest(read),
        "outcome_sha256": frame_digest(labels.digest_table.rename(columns=named)),
        "stages": list(labels.stage_names),
        "model_class": learner.model_class_.model_dump(mode="json"),
        "n_trees": learner.n_trees_,
        "n_trees_in_all": learner.booster_.num_trees(),
        "cv_log_loss": None if np.isnan(learner.cv_log_loss_) else learner.cv_log_loss_,
        "learner": config.learner.model_dump(),
        "made_with": made_with,
    }
    if labels.sample_weight is not None:
        weights = pd.DataFrame({"sample_weight": labels.sample_weight})
        manifest["sample_weight_sha256"] = frame_digest(weights)
    typical = median_patients(observed, columns=columns, sample_weight=labels.sample_weight)
    model = replace(
        model, contract=contract.model_copy(update={"median_patients": typical}), manifest=manifest
    )
    return replace(model, applicability=summary_of(model, observed, y=y, groups=labels.groups))


def stored_features(observed: pd.DataFrame, *, names: Sequence[str], folder: Path) -> StoredTable:
    """:func:`~crsrisk.model.features.build_features`, in a temporary file of a folder."""
    blocks = (
        build_features(observed.iloc[rows], names=names).to_numpy()
        for rows in block_slices(len(observed))
    )
    return StoredTable.of(blocks, (len(observed), len(names)), folder=folder)


def summary_of(
    model: RiskModel,
    observed: pd.DataFrame,
    *,
    y: NDArray[np.int64],
    groups: NDArray[Any] | None = None,
) -> Applicability | None:
    """The training patients in figures, and how far their products lie from what the model says
    without a product's name.
    """
    contract = model.contract
    table = read_columns(observed, columns=contract.column_names)
    summary = summarise(contract, table, groups=groups)
    if summary is None or not contract.products:
        return summary
    product = table["product"]
    nameless = model.calibrator.log_odds(
        np.concatenate(
            [
                raw_log_odds(model, observed.iloc[rows].assign(product=_NO_PRODUCT))
                for rows in block_slices(len(observed))
            ]
        )
    )
    shifts = []
    for name in contract.products:
        rows = np.flatnonzero(product == name)
        if len(rows) >= _FEWEST_OF_PRODUCT:
            shifts.append(
                fit_logistic(
                    np.ones((len(rows), 1)),
                    y[rows].astype(np.float64),
                    offset=nameless[rows],
                    has_firth=True,
                ).coefficients[0]
            )
    sd = float(f"{np.sqrt(np.mean(np.square(shifts))):.4g}") if len(shifts) > 1 else None
    return summary.model_copy(update={"n_products": len(shifts), "between_products_sd": sd})


def names_of(observed: pd.DataFrame, *, config: ModelConfig) -> tuple[str, ...]:
    """The features of a model that is fitted to these patients: words that occur, then the
    configuration's features.
    """
    return config.feature_names(levels=_levels(observed, config=config))


def _levels(observed: pd.DataFrame, *, config: ModelConfig) -> dict[str, tuple[str, ...]]:
    require_columns(observed, config.one_hot)
    return {name: frequent_words(words_of(observed, column=name)) for name in config.one_hot}


def make_learner(names: tuple[str, ...], *, config: ModelConfig, seed: int) -> CRSClassifier:
    """The learner of a configuration for these feature names, not fitted yet."""
    settings = config.learner
    signs = {feature.name: SIGNS[feature.direction] for feature in config.features}
    return CRSClassifier(
        **settings.model_dump(),
        random_state=seed,
        monotonic_cst=[signs.get(name, 0) for name in names],
        free_columns=[
            place for place, name in enumerate(names) if name.partition("__")[0] in config.one_hot
        ],
    )


def outcome_of(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, config: ModelConfig
) -> NDArray[np.int64]:
    """The outcome as 0 and 1, shape (patients,), checked to belong to these patients and this
    window.
    """
    where = "outcomes table"
    if absent := sorted({"patient_id", config.outcome, "window_d"} - set(outcomes.columns)):
        raise InputError(
            where=where,
            key=", ".join(absent),
            found="no such column",
            expected="the column",
            cure="take the outcomes table of the same cohort",
        )
    if not np.array_equal(observed["patient_id"].to_numpy(), outcomes["patient_id"].to_numpy()):
        raise InputError(
            where=where,
            key="patient_id",
            found="other patients than in the observed table",
            expected="the same patients in the same order",
            cure="take both tables of one cohort",
        )
    values = outcomes[config.outcome]
    if not pd.api.types.is_bool_dtype(values.dtype) or values.isna().any():
        raise InputError(
            where=where,
            key=config.outcome,
            found=f"values of type {values.dtype}",
            expected="true or false in every row",
            cure="correct the column",
        )
    if config.outcome in _WHOLE_WINDOW:
        _check_window(observed, outcomes, config=config)
    y = values.to_numpy(dtype=np.int64)
    if len(set(y.tolist())) < 2:
        raise InputError(
            where=where,
            key=config.outcome,
            found=f"{int(y.sum())} events in {len(y)} patients",
            expected="patients with and without the event",
            cure="take more patients or another outcome",
        )
    return y


def stages_of(outcomes: pd.DataFrame, *, config: ModelConfig) -> NDArray[np.float64] | None:
    """The stages before the outcome, shape (patients, stages); None where the table or the
    configuration has none.

    A table of somebody's own often holds the outcome alone. Raises :class:`InputError` where stages
    and outcome contradict.
    """
    names = _known_stages(outcomes, config=config)
    if not names:
        return None
    steps = outcomes[[*names, config.outcome]].to_numpy(dtype=np.float64)
    if (wrong := np.flatnonzero(out_of_order(steps))).size:
        first = outcomes.iloc[int(wrong[0])]
        raise InputError(
            where="outcomes table",
            key=f"patient {first['patient_id']}, {', '.join(names)}",
            found=", ".join(str(first[name]) for name in (*names, config.outcome)),
            expected=f"true before {config.outcome} is true, and no gap",
            cure="correct the columns",
        )
    return np.asarray(steps[:, :-1])


def _known_stages(outcomes: pd.DataFrame, *, config: ModelConfig) -> list[str]:
    return [name for name in config.stages if name in outcomes.columns]


def _check_window(observed: pd.DataFrame, outcomes: pd.DataFrame, *, config: ModelConfig) -> None:
    default = config.window_d["default"]
    platforms = words_of(observed, column="platform")
    wanted = np.array([config.window_d.get(platform, default) for platform in platforms])
    given = outcomes["window_d"].to_numpy(dtype=np.float64)
    if (wrong := given != wanted).any():
        row = int(np.argmax(wrong))
        raise InputError(
            where="outcomes table",
            key=f"row {row + 1}, window_d",
            found=f"{given[row]:g} days",
            expected=f"{wanted[row]:g} days, as the configuration {config.name} says",
            cure="simulate with that window, or change window_d in the configuration",
        )


def _features(
    names: tuple[str, ...], *, config: ModelConfig, fill: NDArray[np.float64]
) -> tuple[Feature, ...]:
    directions = {feature.name: feature.direction for feature in config.features}
    return tuple(
        Feature(
            name=name,
            variable=config.variable_of(name),
            direction=directions.get(name, "none"),
            fill=None if np.isnan(value) else float(value),
        )
        for name, value in zip(names, fill, strict=True)
    )


def _variables(names: tuple[str, ...], *, config: ModelConfig) -> tuple[Variable, ...]:
    """Each clinical variable once, in the order of its first feature."""
    made = []
    for name in dict.fromkeys(config.variable_of(feature) for feature in names):
        about, field, index = config.variables[name], FIELDS.get(name), INDICES.get(name)
        label = about.label or (field.label if field else index.label if index else name)
        unit = about.unit or (field.unit if field else "1")
        made.append(
            Variable(
                name=name,
                label=label,
                unit=unit,
                kind=about.kind,
                role=about.role,
                theme=about.theme,
                why=about.why,
                usual=field.usual if field else None,
            )
        )
    return tuple(made)


def columns_of(
    observed: pd.DataFrame, names: tuple[str, ...], *, levels: Mapping[str, tuple[str, ...]]
) -> tuple[Column, ...]:
    """What each column that the features are made of had in these patients."""
    return tuple(
        _column(observed, name, levels=levels.get(name, ())) for name in columns_needed(names)
    )


def _column(observed: pd.DataFrame, name: str, *, levels: tuple[str, ...]) -> Column:
    field = field_of(name)
    if field is None:  # the configuration knows its features, and a word its column
        raise KeyError(name)
    if name in WORDS:
        was_missing = is_told(int(observed[name].isna().sum()))
        return Column(
            name=name,
            kind="word",
            unit=field.unit,
            may_be_missing=field.may_be_missing,
            was_missing_in_training=was_missing,
            levels=levels,
        )
    values = numbers_of(observed, column=name)
    kind: ColumnKind = "flag" if field.kind == "bool" else "number"
    return Column(
        name=name,
        kind=kind,
        unit=field.unit,
        may_be_missing=field.may_be_missing,
        was_missing_in_training=is_told(int(np.isnan(values).sum())),
        possible=(0.0, 1.0) if kind == "flag" else field.possible,
        trained=(
            None if kind == "flag" else usual_range(values, share=_RARE, possible=field.possible)
        ),
    )
