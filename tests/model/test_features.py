"""The model's table: row by row, leakage-safe, strict; and the configurations that ship."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.model.features import (
    FeatureChoice,
    ModelConfig,
    build_features,
    clinical_table,
    columns_needed,
    field_of,
    is_known_feature,
    load_config,
)
from crsrisk.model.indices import INDICES
from crsrisk.model.landmark import landmark_columns
from tests.toys import Toy

NAMES = ("product__a", "product__b", "is_female", "ecog", "crp_mg_l", "crp_albumin_ratio")
LANDMARKS = ("landmark_06h", "landmark_12h", "landmark_24h", "landmark_36h")
CONFIGS = ("baseline", "grade3plus", "before_dose_2", *LANDMARKS)
VITAL_STEMS = ("temperature_c", "map_mmhg", "spo2_pct")


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "product": ["a", "b", "other", None],
            "is_female": [True, False, None, True],
            "ecog": [0, 1, 2, 1],
            "crp_mg_l": [40.0, np.nan, 5.0, 1.0],
            "albumin_g_l": [40.0, 35.0, 25.0, np.nan],
            "age_years": [1.0] * 4,
        }
    )


def test_known_values() -> None:
    built = build_features(table(), names=NAMES)
    expected = [
        [1, 0, 1, 0, 40, 1],
        [0, 1, 0, 1, np.nan, np.nan],
        [0, 0, np.nan, 2, 5, 0.2],
        [0, 0, 1, 1, 1, np.nan],
    ]
    np.testing.assert_array_equal(built.to_numpy(), expected)
    assert list(built.columns) == list(NAMES)
    assert set(built.dtypes) == {np.dtype("float64")}


def test_a_row_depends_on_itself_alone() -> None:
    whole = build_features(table(), names=NAMES)
    for row in range(len(whole)):
        alone = build_features(table().iloc[[row]], names=NAMES)
        pd.testing.assert_frame_equal(alone, whole.iloc[[row]])


def test_the_table_that_came_in_is_not_changed() -> None:
    observed = table()
    build_features(observed, names=NAMES)
    pd.testing.assert_frame_equal(observed, table())


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match=r"albumin_g_l.*no such column"):
        build_features(table().drop(columns="albumin_g_l"), names=NAMES)


@pytest.mark.parametrize("wrong", ["high", "12", np.inf, -np.inf])
def test_what_is_no_number_is_refused_by_row(wrong: object) -> None:
    observed = table().astype({"crp_mg_l": object})
    observed.loc[2, "crp_mg_l"] = wrong
    with pytest.raises(InputError, match="row 3, crp_mg_l"):
        build_features(observed, names=NAMES)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_every_kind_of_missing_is_nan(missing: object) -> None:
    observed = table().astype({"crp_mg_l": object})
    observed.loc[0, "crp_mg_l"] = missing
    assert np.isnan(build_features(observed, names=["crp_mg_l"]).iloc[0, 0])


def test_nullable_columns_are_read() -> None:
    observed = table().astype({"is_female": "boolean", "ecog": "Int64"})
    np.testing.assert_array_equal(
        build_features(observed, names=NAMES), build_features(table(), names=NAMES)
    )


def test_columns_needed_names_each_once() -> None:
    assert columns_needed(NAMES) == ("product", "is_female", "ecog", "crp_mg_l", "albumin_g_l")


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configuration_is_sound(repository: Path, name: str) -> None:
    config = load_config(repository / "models" / "configs" / f"{name}.yaml")
    assert config.name == name
    names = config.feature_names(levels={"product": ["tarlatamab"], "platform": ["tce"]})
    assert len(set(names)) == len(names)
    later = {
        column
        for column in columns_needed(names)
        if FIELDS.get(column) and FIELDS[column].table != "observed"
    }
    assert bool(later) == (config.landmark_h > 0)  # before the first dose nothing from after it
    assert all(
        FIELDS[column].role == "predictor"
        for column in columns_needed(names)
        if column in FIELDS and column not in later
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_every_direction_names_an_assumption_that_exists(repository: Path, name: str) -> None:
    config = load_config(repository / "models" / "configs" / f"{name}.yaml")
    synthetic = repository / "synthetic"
    known = {
        f"{path.stem}.{key}"
        for path in (synthetic / "assumptions").glob("*.yaml")
        for key in yaml.safe_load(path.read_text(encoding="utf-8"))
    }
    agents = {f"mitigation {path.stem}" for path in (synthetic / "mitigations").glob("*.yaml")}
    named = {origin for feature in config.features for origin in feature.assumption}
    assert named <= known | agents | {"product"}
    assert len(named) > 10


@pytest.mark.parametrize("hour", [6, 12, 24, 36])
def test_landmarks_share_one_list(repository: Path, hour: int) -> None:
    folder = repository / "models" / "configs"
    base, later = (
        load_config(folder / "baseline.yaml"),
        load_config(folder / f"landmark_{hour:02d}h.yaml"),
    )
    assert later.landmark_h == hour
    added = [feature.name for feature in later.features[len(base.features) :]]
    expected = [
        name
        for name in landmark_columns(hour=hour)
        if hour > 6 or name.partition("__slope")[0] not in VITAL_STEMS
    ]
    assert sorted(added) == sorted(expected)


@pytest.mark.parametrize("name", [*LANDMARKS, "landmark_24h_grade3plus"])
def test_a_worse_vital_sign_never_lowers_the_risk_of_a_landmark(name: str) -> None:
    config = load_config(name)
    directions = {feature.name: feature.direction for feature in config.features}
    hour = config.landmark_h
    worse = {"temperature_c__max": "up", "map_mmhg__min": "down", "spo2_pct__min": "down"}
    for stem, way in {**worse, "grade__max": "up"}.items():
        assert directions[f"{stem}__h{hour}"] == way
        slope = f"{stem.partition('__')[0]}__slope__h{hour}"
        assert directions.get(slope, way) == way


def test_rare_and_refused_groups_are_of_the_landmarks_own_hour() -> None:
    config = load_config("landmark_36h")
    assert config.simulated_cohort is not None
    bounds = [
        *config.simulated_cohort.rare,
        *(bound for group in config.refused for bound in group.bounds),
    ]
    assert bounds
    assert all(bound.column.endswith("__h36") for bound in bounds)


def test_a_refused_group_is_of_features() -> None:
    with pytest.raises(InputError, match="refused groups of features"):
        load_config("landmark_24h").without_features("il6_pg_ml__h24")


def test_a_file_that_extends_changes_its_own_settings_of_the_learner(repository: Path) -> None:
    folder = repository / "models" / "configs"
    base, later = (
        load_config(folder / f"{name}.yaml").learner for name in ("baseline", "landmark_36h")
    )
    assert (base.has_interactions, later.has_interactions) == (False, True)
    own = ("has_interactions", "boosting_num_leaves", "boosting_learning_rate")
    assert later.model_copy(update={name: getattr(base, name) for name in own}) == base


def test_files_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    for name, parent in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {parent}\n", encoding="utf-8")
    with pytest.raises(InputError, match="extends this file in turn"):
        load_config(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("crp_mg_l__slope__h24", "mg/L/h"),
        ("temperature_c__slope__h12", "degC/h"),
        ("grade__onset__h36", "h"),
        ("crp_mg_l__h6", "mg/L"),
        ("crp_mg_l__max__h6", "mg/L"),
    ],
)
def test_fields_of_what_is_made_of_readings(name: str, unit: str) -> None:
    field = field_of(name)
    assert field is not None
    assert field.unit == unit


@pytest.mark.parametrize(
    "name", ["crp_mg_l__slope__h7", "shoe_size__onset__h24", "crp_mg_l__mean__h24"]
)
def test_unknown_summaries_are_no_features(name: str) -> None:
    assert not is_known_feature(name)


def test_a_landmark_model_adds_to_the_baseline(repository: Path) -> None:
    folder = repository / "models" / "configs"
    base, later = load_config(folder / "baseline.yaml"), load_config(folder / "before_dose_2.yaml")
    assert later.features[: len(base.features)] == base.features
    assert all("__h168" in feature.name for feature in later.features[len(base.features) :])


def test_an_index_counts_with_its_laboratory_value(repository: Path) -> None:
    shipped = load_config(repository / "models" / "configs" / "baseline.yaml")
    index = FeatureChoice(
        name="m_easix", variable="crp_mg_l", direction="none", reason="rises with CRP"
    )
    config = shipped.model_copy(update={"features": [*shipped.features, index]})
    assert config.variable_of("m_easix") == config.variable_of("crp_mg_l") == "crp_mg_l"
    assert config.variable_of("product__x") == config.variable_of("platform__y") == "product"
    assert all(is_known_feature(name) for name in INDICES)


def test_a_direction_without_an_assumption_is_refused() -> None:
    with pytest.raises(ValidationError, match="direction of crp_mg_l"):
        FeatureChoice(name="crp_mg_l", direction="up", reason="because")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("outcome: crs_grade2plus\n->outcome: death\n", "outcome"),
        ("  - name: ecog\n->  - name: shoe_size\n", "shoe_size"),
        ("  - name: ecog\n->  - name: weight_kg\n", "weight_kg"),
        ("default: 21.0, ->", "default"),
        ("one_hot: [product, platform]->one_hot: [product, age_years]", "one_hot"),
        ("num_leaves: 4->n_leaves: 4", "learner"),
        ("landmark_h: 0->landmark_h: soon", "landmark_h"),
    ],
)
def test_a_broken_configuration_is_refused_by_name(
    repository: Path, tmp_path: Path, change: str, key: str
) -> None:
    source = repository / "models" / "configs"
    before, after = change.split("->")
    text = (source / "baseline.yaml").read_text(encoding="utf-8")
    assert text.count(before) == 1
    (tmp_path / "mine.yaml").write_text(text.replace(before, after), encoding="utf-8")
    (tmp_path / "variables.yaml").write_bytes((source / "variables.yaml").read_bytes())
    with pytest.raises(InputError, match=key) as raised:
        load_config(tmp_path / "mine.yaml")
    assert "mine.yaml" in str(raised.value)


def test_a_variable_that_nothing_describes_is_refused(repository: Path, tmp_path: Path) -> None:
    source = repository / "models" / "configs"
    (tmp_path / "mine.yaml").write_bytes((source / "baseline.yaml").read_bytes())
    lines = (source / "variables.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("ecog:")]
    assert len(kept) < len(lines)
    (tmp_path / "variables.yaml").write_text("".join(kept), encoding="utf-8")
    with pytest.raises(InputError, match="ecog"):
        load_config(tmp_path / "mine.yaml")


def test_a_config_is_frozen(repository: Path) -> None:
    config = load_config(repository / "models" / "configs" / "baseline.yaml")
    with pytest.raises(ValidationError):
        config.name = "other"
    assert isinstance(config, ModelConfig)


def test_a_configuration_is_changed_as_a_file_would_be() -> None:
    config = load_config("baseline")
    mine = config.replace(name="mine", max_trees=7, learning_rate=0.1)
    assert (mine.name, mine.learner.max_trees, mine.learner.learning_rate) == ("mine", 7, 0.1)
    assert config.learner.max_trees != 7, "the old one stays"
    with pytest.raises(InputError, match="no_such"):
        config.replace(no_such=1)
    with pytest.raises(InputError, match="max_trees"):
        config.replace(max_trees="many")


def test_features_are_added_and_left_out() -> None:
    config = load_config("baseline")
    fewer = config.without_features("crp_mg_l")
    assert "crp_mg_l" not in {feature.name for feature in fewer.features}
    again = fewer.with_features("crp_mg_l")
    assert [feature.name for feature in again.features][-1] == "crp_mg_l"
    assert again.features[-1].direction == "none"
    bound = FeatureChoice(
        name="crp_mg_l",
        direction="up",
        reason="primes",
        assumption=["cascade.crp_myeloid_exponent"],
    )
    assert len(again.with_features(bound).features) == len(again.features)
    with pytest.raises(InputError, match="features of it"):
        config.without_features("no_such")
    with pytest.raises(InputError, match="no_such"):
        config.with_features("no_such")


def test_a_configuration_is_written_and_read_again(tmp_path: Path) -> None:
    config = load_config("baseline").replace(name="mine", n_folds=3)
    path = tmp_path / "mine.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(path) == config
    (tmp_path / "child.yaml").write_text("extends: baseline\nname: child\n", encoding="utf-8")
    assert load_config(tmp_path / "child.yaml").features == load_config("baseline").features
    assert load_config(config) is config


def test_a_configuration_shows_itself_shortly() -> None:
    config = load_config("baseline")
    assert len(repr(config)) < 2000
    assert "crs_grade2plus" not in repr(config)
    assert "<table" in config._repr_html_()
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config


@pytest.mark.parametrize("X", [np.zeros((2, 2)), [1, 2], "text"])
def test_a_table_without_names_is_refused(X: object) -> None:
    with pytest.raises(InputError, match="no names of columns"):
        clinical_table(X)


def test_an_index_of_ldh_asks_for_the_limit_of_each_row(toy: Toy) -> None:
    with pytest.raises(InputError, match=r"ldh_upper_limit_u_l.*no simulated patient"):
        build_features(toy.observed, names=["easix"])
    table = toy.observed.head(4).assign(ldh_upper_limit_u_l=[250.0, 500.0, 250.0, np.nan])
    index = build_features(table, names=["easix"])["easix"]
    by_hand = (
        table["ldh_x_uln"]
        * table["ldh_upper_limit_u_l"]
        * table["creatinine_umol_l"]
        / 88.42
        / table["platelets_g_l"]
    )
    np.testing.assert_allclose(index, by_hand, rtol=1e-9)
