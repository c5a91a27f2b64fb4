"""Features: a model's configuration, and from what a hospital knows of a patient to the numbers
that a model reads. Pure, row by row.

Nothing is fitted here: a row's features depend on that row alone, so nothing can leak from one
patient (or from the test patients) to another. What has to be learnt from many rows lives in the
estimator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, Field, field_validator, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import OutcomeName
from crsrisk.data.disclosure import FEWEST
from crsrisk.data.risk_model import (
    KIND_OF,
    Bound,
    Direction,
    Kind,
    LearnerKind,
    ModelClass,
    RefusedGroup,
    Role,
    Theme,
)
from crsrisk.data.yaml_files import build, read_yaml, yaml_text
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, LDH_LIMIT
from crsrisk.fields import Field as Described
from crsrisk.folders import find
from crsrisk.model.indices import INDICES, Index
from crsrisk.model.landmark import LABORATORY, VITALS
from crsrisk.results import Result

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
_DYNAMIC = re.compile(r"(.+)__(slope|onset)__h(\d+)")

# Columns of words that may become yes/no features, one for each word: `product__tarlatamab`.
WORDS: tuple[str, ...] = ("product", "platform", "tumour_type", "site", "regimen")


class ClinicalVariable(Strict):
    """How a reason speaks of one clinical variable (models/configs/variables.yaml)."""

    kind: Kind
    role: Role
    theme: Theme
    why: str
    label: str | None = None
    unit: str | None = None


class FeatureChoice(Strict):
    """One feature of a model: its direction, the assumption that gives the direction, and why.

    ``assumption``: names in synthetic/assumptions (or `product`, `mitigation <name>`) that the
    direction follows from; required when there is a direction. ``variable``: the clinical variable
    whose reason it belongs to, where that is not the feature itself (an index counts with the
    laboratory value that gives it its direction).
    """

    name: str
    direction: Direction
    reason: str
    variable: str | None = None
    assumption: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _direction_has_an_origin(self) -> FeatureChoice:
        if self.direction != "none" and not self.assumption:
            raise ValueError(f"the assumption from which the direction of {self.name} follows")
        return self


class Learner(Strict):
    """Settings of the LightGBM learner (:class:`crsrisk.model.estimator.CRSClassifier`).

    ``kind``: where boosting starts, `additive`, `shrunken` (half of the additive model), `boosting`
    (the mean, so without a start of its own), or `chosen` by cross-validation among these. The
    settings that begin with ``boosting_`` are those of trees after less than the whole additive
    start, the others of trees on top of it.
    """

    kind: LearnerKind = "chosen"
    additive_penalty: float
    max_trees: int
    has_interactions: bool
    learning_rate: float
    num_leaves: int
    min_data_in_leaf: int = Field(ge=FEWEST)
    l2: float
    feature_fraction: float
    bagging_fraction: float
    boosting_max_trees: int = 400
    boosting_learning_rate: float = 0.05
    boosting_num_leaves: int = 8
    boosting_min_data_in_leaf: int = Field(default=20, ge=FEWEST)
    boosting_l2: float = 10.0
    n_folds: int

    def as_found(self, found: ModelClass) -> Learner:
        """The same settings with start and number of trees as they were found, and no folds: for
        fitting the same model to other patients.
        """
        most = "max_trees" if found.start == "additive" else "boosting_max_trees"
        return self.model_copy(
            update={"kind": KIND_OF[found.start], most: found.n_kept, "n_folds": 1}
        )


class Range(Strict):
    """Where a setting is looked for: from ``low`` to ``high``, evenly or by its logarithm, in whole
    numbers or not.
    """

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    @model_validator(mode="after")
    def _rises(self) -> Range:
        if not self.low < self.high or (self.is_log and self.low <= 0):
            raise ValueError("low below high, and above 0 for a logarithm")
        return self


class Tuning(Strict):
    """How settings of the learner are looked for: so many ``trials``, each judged by
    cross-validated log loss.
    """

    trials: int = Field(ge=1)
    search: dict[str, Range] = Field(min_length=1)

    @field_validator("search")
    @classmethod
    def _settings_are_known(cls, search: dict[str, Range]) -> dict[str, Range]:
        if unknown := sorted(set(search) - (set(Learner.model_fields) - {"kind"})):
            raise ValueError(f"settings of the learner, not {', '.join(unknown)}")
        for name in {"min_data_in_leaf", "boosting_min_data_in_leaf"} & set(search):
            if search[name].low < FEWEST:
                raise ValueError(f"{name} from {FEWEST} on: nothing is told of fewer patients")
        return search


class SimulatedCohort(Strict):
    """Simulated patients that a landmark model learns from, unless told otherwise
    (:mod:`crsrisk.model.training_cohort`).

    ``patients`` are simulated. Of those at risk at the landmark all with one of the ``rare``
    courses are kept, and at most ``others`` of the rest, by weight. ``never_read`` (by quantity)
    and ``read_once``: shares of patients in whom a quantity was not read after the dose, or at the
    landmark alone, at random.
    """

    patients: int = Field(ge=100)
    others: int = Field(ge=100)
    rare: list[Bound] = Field(min_length=1)
    never_read: dict[str, Share] = Field(default_factory=dict)
    read_once: Share = 0.0

    @field_validator("never_read")
    @classmethod
    def _quantities_are_known(cls, shares: dict[str, float]) -> dict[str, float]:
        known = [name.partition("__")[0] for name in (*LABORATORY, *VITALS)]
        if unknown := sorted(set(shares) - set(known)):
            raise ValueError(f"quantities of a course ({', '.join(known)}), not {unknown}")
        return shares


class ModelConfig(Result, Strict):
    """A model before it is fitted: outcome, window, time of prediction, features, learner.

    Build one from a shipped one, as ``load_config("baseline").replace(max_trees=100)``, print it,
    write it with :meth:`to_yaml`, and pass it wherever the name of a configuration is taken.

    Attributes
    ----------
    name, version, about : what the model is called and what it is for.
    outcome : the yes/no column of the outcomes table that is predicted.
    outcome_in_words : the same, as reports write it.
    stages : outcomes that come before, in order, as CRS of any grade before grade 2
        (:mod:`crsrisk.model.additive`).
    window_d : days after the first dose in which the outcome counts, by platform, ``default`` for
        the others.
    landmark_h : hours after the first dose at which the prediction is made; 0: before it.
    one_hot : columns of words that become yes/no features; which words, the training cohort says.
    features : what the model reads, each with its direction and the reason for it.
    learner : settings of the learner.
    tuning : what ``crsrisk train --tune`` may change.
    simulated_cohort : the simulated patients that a landmark model learns from.
    refused : groups of patients of whom the model gives no risk, and why.
    variables : how a reason speaks of each clinical variable (models/configs/variables.yaml).

    Examples
    --------
    >>> config = load_config("baseline").replace(name="mine", max_trees=100)
    >>> config.learner.max_trees, config.outcome
    (100, 'crs_grade2plus')
    """

    name: str
    version: str
    about: str
    outcome: OutcomeName
    outcome_in_words: str
    stages: list[OutcomeName] = Field(default_factory=list)
    window_d: dict[str, float]
    landmark_h: int
    one_hot: list[str]
    features: list[FeatureChoice]
    learner: Learner
    tuning: Tuning | None = None
    simulated_cohort: SimulatedCohort | None = None
    refused: list[RefusedGroup] = Field(default_factory=list)
    variables: dict[str, ClinicalVariable]

    @field_validator("one_hot")
    @classmethod
    def _words_are_known(cls, names: list[str]) -> list[str]:
        if unknown := sorted(set(names) - set(WORDS)):
            raise ValueError(f"columns of words ({', '.join(WORDS)}), not {', '.join(unknown)}")
        return names

    @model_validator(mode="after")
    def _complete(self) -> ModelConfig:
        names = [feature.name for feature in self.features]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each feature once, not {', '.join(twice)} again")
        if unknown := [name for name in names if not is_known_feature(name)]:
            raise ValueError(
                f"features that are columns or published indices, not {', '.join(unknown)}"
            )
        if "default" not in self.window_d:
            raise ValueError("window_d with a `default` beside the platforms")
        if self.simulated_cohort is not None:
            seen = [*names, *FIELDS] if self.landmark_h else []
            rare = [bound.column for bound in self.simulated_cohort.rare]
            if unknown := sorted(set(rare) - set(seen)):
                raise ValueError(f"rare courses of the landmark’s readings, not {unknown}")
        bounded = {bound.column for group in self.refused for bound in group.bounds}
        if unread := sorted(bounded - set(names)):
            raise ValueError(f"refused groups of features, not {', '.join(unread)}")
        described = {self.variable_of(name) for name in (*names, *self.one_hot)}
        if silent := sorted(described - set(self.variables)):
            raise ValueError(f"variables.yaml to say what these are: {', '.join(silent)}")
        return self

    def replace(self, **changes: Any) -> Self:
        """The same configuration with other values, checked as a file is.

        Parameters
        ----------
        **changes : fields of the configuration (``name=``, ``features=``, ...) or settings of its
            learner (``max_trees=``, ``learning_rate=``, ...).

        Raises
        ------
        InputError
            For an unknown field, or a value that does not fit.
        """
        settings = {key: changes.pop(key) for key in list(changes) if key in Learner.model_fields}
        tree = {**self.model_dump(), **{key: _plain(value) for key, value in changes.items()}}
        tree["learner"] = {**tree["learner"], **settings}
        return build(type(self), tree, where=f"configuration {self.name}")

    def with_features(self, *features: FeatureChoice | str) -> Self:
        """The configuration with these features added; one of the same name is replaced.

        Parameters
        ----------
        *features : a :class:`FeatureChoice`, which may bind the direction; or the name of a column
            or published index, read without a direction.
        """
        added = {
            feature.name: feature
            for feature in (
                FeatureChoice(name=choice, direction="none", reason="added without a direction")
                if isinstance(choice, str)
                else choice
                for choice in features
            )
        }
        kept = [feature for feature in self.features if feature.name not in added]
        return self.replace(features=[*kept, *added.values()])

    def without_features(self, *names: str) -> Self:
        """The configuration without these features.

        Raises
        ------
        InputError
            For a name that is no feature of it.
        """
        known = [feature.name for feature in self.features]
        if unknown := sorted(set(names) - set(known)):
            raise InputError(
                where=f"configuration {self.name}",
                key="features",
                found=", ".join(unknown),
                expected=f"features of it: {', '.join(known)}",
                cure="correct the name",
            )
        return self.replace(
            features=[choice for choice in self.features if choice.name not in names]
        )

    def to_yaml(self) -> str:
        """The configuration as the text of its file, models/configs/<name>.yaml; the variables
        stand in a file of their own, variables.yaml, beside it.
        """
        tree = self.model_dump(exclude={"variables"}, exclude_none=True)
        return yaml_text(tree)

    def to_frame(self) -> pd.DataFrame:
        """The features, one row each: direction, reason, and the variable it belongs to."""
        return pd.DataFrame(
            [
                {
                    "feature": feature.name,
                    "direction": feature.direction,
                    "variable": self.variable_of(feature.name),
                    "reason": feature.reason,
                }
                for feature in self.features
            ]
        )

    def summary(self) -> str:
        """Name, outcome, time of prediction and number of features."""
        when = f"{self.landmark_h} h after the first dose" if self.landmark_h else "before dose 1"
        return (
            f"{self.name} {self.version}: {self.outcome_in_words}, predicted {when} from"
            f" {len(self.features)} features and {', '.join(self.one_hot)}"
        )

    def __repr__(self) -> str:
        return Result.__repr__(self)

    __str__ = __repr__

    def feature_names(self, *, levels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Every column of the model's table; ``levels`` holds the known words of each one-hot
        column.
        """
        words = tuple(f"{column}__{level}" for column in self.one_hot for level in levels[column])
        return words + tuple(feature.name for feature in self.features)

    def variable_of(self, feature: str) -> str:
        """The clinical variable to which a feature belongs: one reason for each."""
        chosen = next((choice.variable for choice in self.features if choice.name == feature), None)
        return chosen or usual_variable_of(feature)


def load_config(config: str | Path | ModelConfig) -> ModelConfig:
    """A model's configuration: a shipped one by name, or a YAML file of your own.

    A file with ``extends: baseline`` takes over what baseline.yaml says (beside it, or as it
    ships): its own keys replace (of ``learner`` one setting at a time), its ``features`` are added.
    In a feature's name ``{hour}`` stands for the file's ``landmark_h``, so that one list serves
    several landmarks. How reasons speak of the variables is read from the variables.yaml beside the
    file, or from the shipped one.

    Parameters
    ----------
    config : a name (``"baseline"``, ``"landmark_24h"``), a path, or a configuration, which is
        handed back as it is.

    Raises
    ------
    InputError
        Naming file and key of what is wrong.

    Examples
    --------
    >>> load_config("baseline").landmark_h
    0
    """
    if isinstance(config, ModelConfig):
        return config
    path = find("configs", config)
    tree = _with_parents(path)
    if "variables" in tree:
        raise InputError(
            where=path.name,
            key="variables",
            found="variables inside the model's file",
            expected="variables.yaml beside it",
            cure="move them there",
        )
    hour = str(tree.get("landmark_h"))
    for feature in tree.get("features", []):
        if isinstance(feature, dict) and isinstance(feature.get("name"), str):
            feature["name"] = feature["name"].replace("{hour}", hour)
    for bound in _bounds(tree):
        bound["column"] = str(bound.get("column")).replace("{hour}", hour)
    beside = path.with_name("variables.yaml")
    variables = read_yaml(beside if beside.is_file() else find("configs", "variables"))
    return build(ModelConfig, {**tree, "variables": variables}, where=path.name)


def _bounds(tree: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The bounds in a configuration's file, as far as they are some."""
    cohort, refused = tree.get("simulated_cohort"), tree.get("refused")
    places = [cohort.get("rare")] if isinstance(cohort, dict) else []
    for group in refused if isinstance(refused, list) else []:
        places += [group.get("bounds")] if isinstance(group, dict) else []
    for place in places:
        yield from (one for one in place or [] if isinstance(one, dict))


def _with_parents(path: Path, *, children: tuple[str, ...] = ()) -> dict[str, Any]:
    """The file's keys over those of the file that it extends, and so on."""
    tree = read_yaml(path)
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if parent in (path.stem, *children):
        raise InputError(
            where=path.name,
            key="extends",
            found=f"{parent}, which extends this file in turn",
            expected="a file that does not",
            cure="let one of them stand by itself",
        )
    beside = path.with_name(f"{parent}.yaml")
    base = _with_parents(
        beside if beside.is_file() else find("configs", parent), children=(*children, path.stem)
    )
    learner = tree.get("learner", {})
    if isinstance(learner, dict):
        tree["learner"] = {**base.get("learner", {}), **learner}
    return {**base, **tree, "features": [*base["features"], *tree.get("features", [])]}


def _plain(value: object) -> object:
    """A noun, or several, as the tree that a file would hold."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value


def clinical_table(X: Any) -> pd.DataFrame:
    """A clinical table as pandas: from pandas or polars, or one patient as a Series or mapping.

    Raises
    ------
    InputError
        For anything without names of columns, as an array.

    Examples
    --------
    >>> clinical_table({"product": "tarlatamab", "crp_mg_l": 40.0}).shape
    (1, 2)
    """
    if isinstance(X, pd.DataFrame):
        return X
    if isinstance(X, pd.Series):
        return pd.DataFrame([dict(X)], index=[0 if X.name is None else X.name])
    if isinstance(X, Mapping):
        return pd.DataFrame([dict(X)])
    if hasattr(X, "columns") and hasattr(X, "to_pandas"):
        return pd.DataFrame(X.to_pandas())
    raise InputError(
        where="clinical table",
        found=f"{type(X).__name__}, which has no names of columns",
        expected="a pandas or polars DataFrame, or one patient as a Series or mapping",
        cure="pass the table as measured, as cohort.X; for arrays take crsrisk.CRSClassifier",
    )


def groups_of(table: pd.DataFrame) -> NDArray[Any] | None:
    """Patient numbers, from a column or the index, whose rows no fold may part; None without.

    >>> groups_of(pd.DataFrame({"patient_id": [4, 4, 7]})).tolist()
    [4, 4, 7]
    """
    if "patient_id" in table.columns:
        return np.asarray(table["patient_id"])
    return np.asarray(table.index) if table.index.name == "patient_id" else None


def is_known_feature(name: str) -> bool:
    """Whether :func:`build_features` knows a feature of that name (one-hot features apart)."""
    return name in INDICES or field_of(name) is not None


def field_of(name: str) -> Described | None:
    """The field that describes a column; of a slope or an onset one made from that of its readings,
    None if unknown.

    >>> names = ("crp_mg_l__max__h24", "crp_mg_l__slope__h24", "grade__onset__h24")
    >>> [field_of(name).unit for name in names]
    ['mg/L', 'mg/L/h', 'h']
    """
    match = _DYNAMIC.fullmatch(name)
    if match is None:
        return FIELDS.get(source_field(name))
    stem, summary, hour = match.groups()
    likes = [FIELDS.get(f"{stem}{middle}__h{hour}") for middle in ("", "__max", "__min")]
    like = next((field for field in likes if field is not None), None)
    if like is None:
        return None
    if summary == "onset":
        return replace(
            like,
            name=name,
            unit="h",
            kind="float",
            possible=(0.0, float(hour)),
            may_be_missing=True,
        )
    return replace(
        like, name=name, unit=f"{like.unit}/h", kind="float", possible=None, may_be_missing=True
    )


def source_field(name: str) -> str:
    """The entry of the field table that describes a column: `crp_mg_l__max__h24` ->
    `crp_mg_l__h24`.
    """
    if name in FIELDS:
        return name
    return name.replace("__max__h", "__h", 1)


def usual_variable_of(feature: str) -> str:
    """The clinical variable of a feature where the configuration names no other.

    Product and platform are one variable, and so are all readings of one laboratory value after the
    first dose.

    >>> names = ("product__tarlatamab", "crp_mg_l", "crp_mg_l__max__h24")
    >>> [usual_variable_of(name) for name in names]
    ['product', 'crp_mg_l', 'crp_mg_l__course']
    """
    stem, mark, rest = feature.partition("__")
    if stem in WORDS:
        return "product" if stem == "platform" else stem
    return f"{stem}__course" if mark and rest else feature


def columns_needed(names: Iterable[str]) -> tuple[str, ...]:
    """The columns of the observed table that these features are made of, each once, in order of
    first use.
    """
    needed: dict[str, None] = {}
    for name in names:
        stem = name.partition("__")[0]
        if stem in WORDS:
            needed[stem] = None
        else:
            needed.update(dict.fromkeys(INDICES[name].columns if name in INDICES else (name,)))
    return tuple(needed)


def build_features(observed: pd.DataFrame, *, names: Sequence[str]) -> pd.DataFrame:
    """The model's table: one row a patient, one float column a feature, NaN = not measured.

    ``names`` are names of observed columns, of published indices (:mod:`crsrisk.model.indices`) or
    `column__word` for a yes/no feature of a column of words (an unknown or missing word is "no"
    everywhere). Raises :class:`InputError` for a missing column, text in a number, or an infinite
    value.

    >>> table = pd.DataFrame({"product": ["tarlatamab"], "crp_mg_l": [40.0], "albumin_g_l": [40]})
    >>> names = ["product__tarlatamab", "crp_mg_l", "crp_albumin_ratio"]
    >>> build_features(table, names=names).iloc[0].tolist()
    [1.0, 40.0, 1.0]
    """
    columns = read_columns(observed, columns=columns_needed(names))
    return pd.DataFrame(
        feature_array(columns, names=tuple(names)), columns=list(names), index=observed.index
    )


def read_columns(observed: pd.DataFrame, *, columns: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Columns of a table as arrays: words as text (missing = ""), the others as floats (missing =
    NaN).

    Raises :class:`InputError` for a missing column, text in a number, or an infinite value.
    """
    wanted = tuple(columns)
    require_columns(observed, wanted)
    return {
        column: (words_of if column in WORDS else numbers_of)(observed, column=column)
        for column in wanted
    }


def feature_array(columns: Mapping[str, Any], *, names: tuple[str, ...]) -> NDArray[np.float64]:
    """The features of columns that are read, shape (patients, features), or (1, features) for one
    patient.

    ``columns`` holds arrays as :func:`read_columns` makes them or, for one patient, plain texts and
    floats. The arithmetic is the same, so one patient alone and in a batch has the same features to
    the last bit.
    """
    made = []
    for stem, word, index in _origins(names):
        if index is not None:
            made.append(index.compute(**{column: columns[column] for column in index.columns}))
        else:
            made.append(columns[stem] if word is None else columns[stem] == word)
    return np.atleast_2d(np.array(made, dtype=np.float64).T)


@lru_cache(maxsize=64)
def _origins(names: tuple[str, ...]) -> tuple[tuple[str, str | None, Index | None], ...]:
    """By feature: its column, the word for which it is 1, the published index that it is."""
    origins: list[tuple[str, str | None, Index | None]] = []
    for name in names:
        stem, _, word = name.partition("__")
        origins.append((stem, word, None) if stem in WORDS else (name, None, INDICES.get(name)))
    return tuple(origins)


def require_columns(observed: pd.DataFrame, columns: Iterable[str]) -> None:
    """Raise :class:`InputError` that names the columns that a table lacks."""
    if absent := [column for column in columns if column not in observed.columns]:
        cure = "add it (cells may be empty where the data dictionary allows it)"
        if LDH_LIMIT in absent:
            cure += (
                f"; {LDH_LIMIT}, of EASIX and its kin, is known of a table that is read with LDH in"
                " U/L or with its limits, and of no simulated patient"
            )
        raise InputError(
            where="table",
            key=", ".join(absent),
            found="no such column",
            expected="the column",
            cure=cure,
        )


def words_of(observed: pd.DataFrame, *, column: str) -> NDArray[Any]:
    """A column of words as an array of text; a missing word is the empty text."""
    cells = observed[column].to_numpy(dtype=object)
    words = [
        "" if is_missing else str(cell)
        for cell, is_missing in zip(cells, pd.isna(cells), strict=True)
    ]
    return np.array(words, dtype=object)


def numbers_of(observed: pd.DataFrame, *, column: str) -> NDArray[np.float64]:
    """A column of numbers or yes/no as floats (yes = 1, missing = NaN); text or infinity is
    refused.
    """
    values = observed[column]
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        numbers = values.to_numpy().astype(np.float64)
    elif pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = np.array([_number(cell) for cell in values], dtype=np.float64)
    wrong = np.isinf(numbers)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            where="table",
            key=f"row {row + 1}, {column}",
            found=f"{type(values.iloc[row]).__name__} that is no finite number",
            expected="a number, true or false, or an empty cell",
            cure="correct the cell",
        )
    return np.asarray(numbers)


def _number(cell: object) -> float:
    """A cell of a mixed column as a float: missing is NaN, anything but a number or yes/no
    infinity.
    """
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return np.nan
    if isinstance(cell, bool | np.bool_ | int | float | np.integer | np.floating):
        return float(cell)
    return np.inf
