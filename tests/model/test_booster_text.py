"""The check of a booster's text: a whole model passes, whatever is changed in its trees is found or
harmless.

LightGBM itself aborts, crashes or loops on such files (design note on engines), so nothing here
hands it a text that the check has not passed.
"""

from __future__ import annotations

import re
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.model.booster import booster_of, contributions_of, raw_log_odds_of
from crsrisk.model.booster_text import REGRESSION, bare_text, check_text, joined_text, read_text
from crsrisk.model.risk_model import RiskModel


@pytest.fixture(scope="module")
def text() -> str:
    """A small model of three features, ten trees of up to five leaves."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X[:50, 2] = np.nan
    y = rng.random(300) < 1 / (1 + np.exp(-X[:, 0] - np.nan_to_num(X[:, 2])))
    options = {
        "objective": "binary",
        "num_leaves": 5,
        "verbosity": -1,
        "num_threads": 1,
        "min_data_in_leaf": 5,
    }
    return bare_text(lgb.train(options, lgb.Dataset(X, y), 10).model_to_string())


def resized(text: str, number: int, change: Any) -> str:
    """The text with one tree changed and its declared size corrected, as a careful forger would."""
    sizes = [int(size) for size in re.search(r"^tree_sizes=(.*)$", text, re.M).group(1).split()]
    head, _, rest = text.partition("\n\n")
    start = sum(sizes[:number])
    old = rest[start : start + sizes[number]]
    new = change(old)
    assert new != old
    sizes[number] += len(new) - len(old)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={' '.join(map(str, sizes))}", head, flags=re.M)
    return head + "\n\n" + rest[:start] + new + rest[start + len(old) :]


def put(key: str, place: int, value: str) -> Any:
    """A change of one value of one line."""

    def change(tree: str) -> str:
        line = re.search(rf"^{key}=(.*)$", tree, re.M).group(1)
        words = line.split(" ")
        words[place] = value
        return tree.replace(f"{key}={line}", f"{key}={' '.join(words)}")

    return change


def test_a_whole_model_passes(text: str, model: RiskModel) -> None:
    assert check_text(text) == 10
    assert check_text(text, feature_names=["Column_0", "Column_1", "Column_2"]) == 10
    assert (
        check_text(model.booster_text, feature_names=model.contract.feature_names)
        == model.manifest["n_trees_in_all"]
    )


def test_other_features_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="other features"):
        check_text(text, feature_names=["a", "b", "c"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("split_feature", 0, "3"), "split_feature: found an index out of bounds"),
        (put("split_feature", 0, "-1"), "split_feature: found an index out of bounds"),
        (put("split_feature", 0, "99999999999"), "split_feature"),
        (
            put("left_child", 0, "0"),
            "a node missing, twice or out of bounds",
        ),  # its own child: an endless loop
        (put("right_child", 0, "77"), "a node missing, twice or out of bounds"),
        (put("right_child", 0, "-77"), "a node missing, twice or out of bounds"),
        (put("leaf_value", 0, "nan"), "finite numbers"),
        (put("leaf_value", 0, "inf"), "finite numbers"),
        (put("threshold", 0, "nan"), "finite numbers"),
        (put("threshold", 0, "-inf"), "finite numbers"),
        (put("leaf_value", 0, "1 2"), "leaf_value: found 6 values"),
        (put("threshold", 0, "x"), "threshold"),
        (
            put("decision_type", 0, "1"),
            "a set of categories out of bounds",
        ),  # categorical: would index a table that is not there
        (put("num_leaves", 0, "4"), "found 4 values; expected 3 finite numbers"),
        (put("num_leaves", 0, "1000000"), "num_leaves"),
        (put("decision_type", 0, "12"), "an unknown kind of split"),
        (put("decision_type", 0, "-1"), "an unknown kind of split"),
        (put("num_cat", 0, "1"), "cat_boundaries"),
        (put("is_linear", 0, "1"), "linear leaves"),
        (put("leaf_count", 0, "-5"), "counts that do not add up"),
        (put("internal_count", 0, "7"), "counts that do not add up"),
        (put("internal_count", 0, "1.5"), "internal_count"),
        (lambda tree: tree.replace("leaf_value=", "leaf_values="), "each known key once"),
        (lambda tree: tree.replace("num_cat=0\n", "num_cat=0\nnum_cat=0\n"), "each known key once"),
        (lambda tree: tree.replace("Tree=1", "Tree=2"), "a block `Tree=1`"),
        (
            lambda tree: "".join(
                line for line in tree.splitlines(keepends=True) if "threshold" not in line
            ),
            "threshold",
        ),
    ],
)
def test_a_forged_tree_is_refused(text: str, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        check_text(resized(text, 1, change))


@pytest.fixture(scope="module")
def categorical() -> str:
    """A small model with a categorical feature, split by sets of its categories."""
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.integers(0, 70, 800), rng.normal(size=800)]).astype(float)
    y = rng.random(800) < 1 / (1 + np.exp(-2 * np.sin(X[:, 0])))
    options = {
        "objective": "binary",
        "num_leaves": 6,
        "verbosity": -1,
        "num_threads": 1,
        "min_data_per_group": 5,
        "max_cat_to_onehot": 1,
        "cat_smooth": 1,
    }
    return bare_text(
        lgb.train(options, lgb.Dataset(X, y, categorical_feature=[0]), 5).model_to_string()
    )


def test_sets_of_categories_pass(categorical: str) -> None:
    first = read_text(categorical).trees[0]
    assert (first.decision_type & 1).any()
    assert len(first.cat_words) == first.cat_bounds[-1] >= 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("cat_boundaries", 0, "1"), "bounds out of order"),
        (put("cat_boundaries", 1, "0"), "bounds out of order"),
        (put("cat_boundaries", -1, "9999"), "cat_threshold"),
        (put("cat_threshold", 0, "4294967296"), "words of 32 bits"),
        (put("cat_threshold", 0, "-1"), "words of 32 bits"),
        (put("num_cat", 0, "0"), "num_cat"),
        (put("num_cat", 0, "99"), "cat_boundaries"),
        (lambda tree: re.sub(r"(?m)^cat_threshold=.*\n", "", tree), "cat_threshold"),
        (
            lambda tree: re.sub(r"(?m)^threshold=\S+", "threshold=0.5", tree),
            "a set of categories out of bounds",
        ),
        (
            lambda tree: re.sub(r"(?m)^threshold=\S+", "threshold=99", tree),
            "a set of categories out of bounds",
        ),
    ],
)
def test_forged_sets_of_categories_are_refused(categorical: str, change: Any, message: str) -> None:
    assert read_text(categorical).trees[1].decision_type[0] & 1, (
        "the first split is one of categories"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        check_text(resized(categorical, 1, change))


def test_a_cycle_that_uses_every_number_once_is_found(text: str) -> None:
    """Nodes point at each other, and every number still stands there exactly once."""

    def change(tree: str) -> str:
        for key, line in (("left_child", "-1 2 1 3"), ("right_child", "-2 -3 -4 -5")):
            tree = re.sub(rf"^{key}=.*$", f"{key}={line}", tree, flags=re.M)
        return tree

    with pytest.raises(InputError, match=r"a cycle|twice or out of bounds"):
        check_text(resized(text, 1, change))

    def real_cycle(tree: str) -> str:
        for key, line in (("left_child", "-1 2 3 1"), ("right_child", "-2 -3 -4 -5")):
            tree = re.sub(rf"^{key}=.*$", f"{key}={line}", tree, flags=re.M)
        return tree

    with pytest.raises(InputError, match="a cycle"):
        check_text(resized(text, 1, real_cycle))


@pytest.mark.parametrize(
    "word", ["1_0", "+1", "1e", "infinity", "0x1p3", "1e999", " 1", "\u0661", "1d3"]
)
def test_numbers_that_only_python_or_nobody_reads_are_refused(text: str, word: str) -> None:
    with pytest.raises(InputError):
        check_text(resized(text, 1, put("leaf_value", 0, word)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", "another beginning"),
        (lambda t: t[: len(t) // 2], "another end|characters of trees"),
        (lambda t: t[:-10], "another end"),
        # crashed LightGBM when fuzzed,
        (lambda t: t + "\n[max_cat_to_onehot: 4]4[top_k: 20]\n", "another end"),
        (lambda t: t.replace("version=v4", "version=v3"), "version"),
        (lambda t: t.replace("num_class=1", "num_class=3"), "num_class"),
        (lambda t: t.replace("objective=binary sigmoid:1", "objective=regression"), "objective"),
        (lambda t: t.replace("max_feature_idx=2", "max_feature_idx=9"), "feature_names"),
        (lambda t: t.replace("max_feature_idx=2", "max_feature_idx=two"), "max_feature_idx"),
        (lambda t: re.sub(r"tree_sizes=\d+ ", "tree_sizes=7 ", t), "characters of trees"),
        (lambda t: re.sub(r"tree_sizes=.*", "tree_sizes=", t), "no tree"),
        (lambda t: t.replace("num_class", "number_class"), "each known key once"),
        (lambda t: t + "\u00e4", "ASCII"),
    ],
)
def test_a_broken_file_is_refused(text: str, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_text(change(text))


@given(cut=st.floats(0, 1))
@settings(max_examples=60)
def test_every_truncation_is_refused(text: str, cut: float) -> None:
    shorter = text[: int(cut * (len(text) - 1))]
    with pytest.raises(InputError):
        check_text(shorter)


@given(place=st.floats(0, 1, exclude_max=True), letter=st.sampled_from("0123456789-. =\nex"))
@settings(max_examples=150)
def test_one_changed_letter_is_refused_or_harmless(text: str, place: float, letter: str) -> None:
    """What still passes loads and scores in LightGBM; a crash or loop would end this test run."""
    at = int(place * len(text))
    changed = text[:at] + letter + text[at + 1 :]
    try:
        check_text(changed)
    except InputError:
        return
    booster = lgb.Booster(model_str=changed)
    assert raw_log_odds_of(booster, np.zeros((2, 3))).shape == (2,)
    assert contributions_of(booster, np.zeros((2, 3))).shape == (2, 4)


def test_a_bare_text_predicts_the_same_and_tells_no_extremes() -> None:
    """LightGBM writes each column's lowest and highest value: values of single patients."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 2))
    options = {
        "objective": "binary",
        "verbosity": -1,
        "num_threads": 1,
        "monotone_constraints": [1, -1],
    }
    text = lgb.train(options, lgb.Dataset(X, X[:, 0] > X[:, 1]), 5).model_to_string()
    bare = bare_text(text)
    assert repr(float(X[:, 0].max()))[:10] in text
    assert repr(float(X[:, 0].max()))[:10] not in bare
    assert "feature_infos=none none\n" in bare
    assert check_text(bare) == 5
    before, after = lgb.Booster(model_str=text), lgb.Booster(model_str=bare)
    np.testing.assert_array_equal(before.predict(X), after.predict(X))
    np.testing.assert_array_equal(
        before.predict(X, pred_contrib=True), after.predict(X, pred_contrib=True)
    )
    assert bare_text(bare) == bare


def test_joined_boosters_predict_the_sum() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 2))
    options = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    texts = [
        bare_text(lgb.train(options, lgb.Dataset(X, X[:, k] ** 2), 3 + k).model_to_string())
        for k in (0, 1)
    ]
    joined = joined_text(texts)
    assert check_text(joined, objective=REGRESSION) == 7
    expected = sum(lgb.Booster(model_str=text).predict(X) for text in texts)
    np.testing.assert_allclose(lgb.Booster(model_str=joined).predict(X), expected, atol=1e-12)


def test_single_leaf_trees_pass() -> None:
    """Where nothing can be split LightGBM writes trees of one leaf."""
    options = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 500, "num_threads": 1}
    data = lgb.Dataset(np.arange(20.0)[:, None], np.arange(20) % 2)
    text = bare_text(lgb.train(options, data, 3).model_to_string())
    assert check_text(text) >= 1
    assert np.isfinite(booster_of(text).predict([[1.0]], raw_score=True)).all()
