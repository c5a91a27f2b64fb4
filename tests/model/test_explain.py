"""Explanations: exact (by definition, by shap, by LightGBM), additive, one reason a variable, true
sentences.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from crsrisk.data.disclosure import FEWEST
from crsrisk.data.explanation import course_in_words, whole_points
from crsrisk.errors import InputError
from crsrisk.model.booster import booster_of, contributions_of
from crsrisk.model.booster_text import bare_text
from crsrisk.model.companions import reference_groups, save_companions
from crsrisk.model.estimator import CRSClassifier
from crsrisk.model.explain import (
    _plan_of,
    explain,
    feature_contributions,
    path_shapley,
    reference_shapley,
)
from crsrisk.model.fit import fit
from crsrisk.model.forest import NODE, Forest, forest_of, raw_log_odds_by
from crsrisk.model.predict import feature_matrix, predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model, save_model
from crsrisk.model.tree_kernels import LANES
from tests.model.boosters import every_case, joined, made, made_by_us

Toy = Any
N = 200


def test_base_and_contributions_add_up_to_the_risk(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(N)
    told = explain(model, table)
    log_odds = told.base_log_odds + told.contributions.sum(axis=1)
    risk = predict(model, table).risk
    np.testing.assert_allclose(log_odds, np.log(risk / (1 - risk)), atol=1e-9)
    np.testing.assert_allclose(told.base_risk + told.points.sum(axis=1), risk, atol=1e-12)
    path = told.path_base_log_odds + told.path_contributions.sum(axis=1)
    np.testing.assert_allclose(path, log_odds, atol=1e-9)
    np.testing.assert_allclose(told.path_base_risk + told.path_points.sum(axis=1), risk, atol=1e-12)
    np.testing.assert_array_equal(told.prediction.risk, risk)


def test_equals_tree_explainer(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(N)
    explainer = shap.TreeExplainer(
        booster_of(model.booster_text), feature_perturbation="tree_path_dependent"
    )
    theirs = explainer(feature_matrix(model, table))
    values = theirs.values[..., 1] if theirs.values.ndim == 3 else theirs.values
    _, ours = feature_contributions(model, table)
    np.testing.assert_allclose(ours, model.calibrator.slope * values, atol=1e-8)


def brute_force(booster: Any, row: np.ndarray) -> np.ndarray:
    """Shapley values by definition: all coalitions, unknown features averaged by the trees'
    counts.
    """
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    n = booster.num_feature()

    def expected(node: dict[str, Any], known: frozenset[int]) -> float:
        if "split_feature" not in node:
            return float(node["leaf_value"])
        left, right = node["left_child"], node["right_child"]
        feature = node["split_feature"]
        if feature in known:
            value = row[feature]
            goes_left = node["default_left"] if np.isnan(value) else value <= node["threshold"]
            return expected(left if goes_left else right, known)
        counts = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
        both = counts[0] * expected(left, known) + counts[1] * expected(right, known)
        return float(both / sum(counts))

    def value_of(known: frozenset[int]) -> float:
        return sum(expected(tree, known) for tree in trees)

    shares = np.zeros(n)
    for feature in range(n):
        others = [other for other in range(n) if other != feature]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for group in combinations(others, size):
                known = frozenset(group)
                shares[feature] += weight * (value_of(known | {feature}) - value_of(known))
    return shares


def test_equals_the_definition_of_the_shapley_value() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    X[rng.random(X.shape) < 0.2] = np.nan
    y = rng.random(600) < expit(
        np.nan_to_num(X[:, 0]) * (1 + np.isnan(X[:, 1])) - np.nan_to_num(X[:, 2])
    )
    learner = CRSClassifier(
        max_trees=12, learning_rate=0.3, num_leaves=6, min_data_in_leaf=10, free_columns=[0]
    )
    booster = learner.fit(X, y).booster_
    for row in X[:5]:
        np.testing.assert_allclose(
            contributions_of(booster, row[None])[0, :-1], brute_force(booster, row), atol=1e-9
        )


def test_a_variables_path_dependent_share_is_the_sum_of_its_features(
    model: RiskModel, fresh_toy: Toy
) -> None:
    table = fresh_toy.observed.head(20)
    told, (_, by_feature) = explain(model, table), feature_contributions(model, table)
    names = [variable.name for variable in told.variables]
    of = {
        name: [k for k, feature in enumerate(model.contract.features) if feature.variable == name]
        for name in names
    }
    assert len(of["product"]) == 6
    assert len(of["crp_mg_l"]) == 1
    for place, name in enumerate(names):
        np.testing.assert_allclose(
            told.path_contributions[:, place], by_feature[:, of[name]].sum(axis=1), atol=1e-12
        )


def test_what_the_toy_world_is_made_of_leads(model: RiskModel, fresh_toy: Toy) -> None:
    told = explain(model, fresh_toy.observed.head(N))
    size = dict(
        zip(
            [v.name for v in told.variables],
            np.abs(told.path_contributions).mean(axis=0),
            strict=True,
        )
    )
    wired = {
        "product",
        "sum_of_diameters_mm",
        "crp_mg_l",
        "has_liver_metastases",
        "is_stepped_up",
        "has_steroid_premedication",
    }
    assert set(sorted(size, key=lambda name: -size[name])[:6]) == wired


def test_reasons_are_sorted_and_add_up(model: RiskModel, fresh_toy: Toy) -> None:
    told = explain(model, fresh_toy.observed.head(50))
    for row in range(50):
        given_reasons = told.reasons(row)
        sizes = [abs(reason.points) for reason in given_reasons]
        assert sizes == sorted(sizes, reverse=True)
        total = sum(reason.points for reason in given_reasons)
        assert total == pytest.approx(told.prediction.risk[row] - told.base_risk[row], abs=1e-12)
        whole = sum(reason.whole_points for reason in given_reasons)
        assert whole == round(100 * told.prediction.risk[row]) - round(100 * told.base_risk[row])


def test_sentences(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(1).assign(
        crp_mg_l=85.0,
        il6_pg_ml=np.nan,
        has_liver_metastases=True,
        product="toy_engager",
        platform="tce",
        ecog=1,
    )
    by_name = {reason.variable: reason for reason in explain(model, table).reasons(0)}
    crp = by_name["crp_mg_l"]
    assert crp.sentence.startswith(
        "C-reactive protein: 85 mg/L (usual 0 to 5) raises the risk by about "
    )
    assert (crp.kind, crp.role, crp.theme) == ("cause", "fact", "inflammation")
    assert by_name["il6_pg_ml"].value == "not measured"
    assert "(usual" not in by_name["il6_pg_ml"].sentence
    assert by_name["has_liver_metastases"].value == "yes"
    assert by_name["product"].value == "toy engager"
    assert by_name["ecog"].value == "1"
    assert by_name["is_stepped_up"].role == "lever"
    assert "travels with causes" in by_name["n_metastatic_sites"].sentence
    for reason in by_name.values():
        word = (
            "raises" if reason.points > 0 else "lowers" if reason.points < 0 else "does not change"
        )
        assert word in reason.sentence


def test_small_reasons_can_be_left_out(model: RiskModel, fresh_toy: Toy) -> None:
    told = explain(model, fresh_toy.observed.head(1))
    assert all(abs(reason.points) >= 0.01 for reason in told.reasons(0, at_least=0.01))
    assert len(told.reasons(0, at_least=0.01)) < len(told.reasons(0))


@given(st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=30), st.floats(0, 1))
def test_whole_points_always_add_up(points: list[float], base: float) -> None:
    """Totals are differences of two rounded risks, so they differ from the exact sum by at most
    1.
    """
    total = round(100 * (base + sum(points))) - round(100 * base)
    whole = whole_points(points, total=total)
    assert sum(whole) == total
    assert all(abs(kept - 100 * value) < 2 for kept, value in zip(whole, points, strict=True))


def test_whole_points_of_nothing_are_nothing() -> None:
    assert whole_points([0.0, 0.5, 0.0], total=51) == [0, 51, 0]
    assert whole_points([0.0, 0.5, 0.0], total=49) == [0, 49, 0]


def test_a_refused_row_has_no_explanation(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(3).assign(crp_mg_l=[1.0, -5.0, 2.0])
    with pytest.raises(InputError, match="row 2: found a row that is refused"):
        explain(model, table)
    with pytest.raises(InputError, match="no row"):
        explain(model, table.head(0))


def test_shap_takes_the_path_dependent_values(model: RiskModel, fresh_toy: Toy) -> None:
    told = explain(model, fresh_toy.observed.head(30))
    bridged = told.to_shap()
    np.testing.assert_array_equal(bridged.values, told.path_contributions)
    np.testing.assert_array_equal(bridged.base_values, np.full(30, told.path_base_log_odds))
    np.testing.assert_allclose(
        expit(bridged.base_values + bridged.values.sum(axis=1)), told.prediction.risk, atol=1e-12
    )
    assert bridged.data.shape == bridged.values.shape
    assert np.isnan(bridged.data[:, bridged.feature_names.index("Product")]).all()
    assert set(bridged.data[:, bridged.feature_names.index("Liver metastases")]) <= {0.0, 1.0}
    json.dumps(bridged.feature_names)
    assert bridged[0].values.shape == (len(told.variables),)  # slicing, as shap's plots do


def test_it_shows_itself(model: RiskModel, fresh_toy: Toy) -> None:
    told = explain(model, fresh_toy.observed.head(30))
    assert "30 patients" in repr(told)
    assert len(repr(told)) < 2_000
    assert "<table" in told._repr_html_()
    np.testing.assert_array_equal(told.to_frame().to_numpy(), told.contributions)
    importances = told.feature_importances()
    assert importances.is_monotonic_decreasing
    mean = np.abs(told.path_contributions[:, 0]).mean()
    assert importances["product"] == pytest.approx(mean, rel=1e-12)
    assert mean > 0
    assert told.variables[0].name == "product"
    assert not told.to_frame()["product"].any()  # the reference gets the same
    for again in (pickle.loads(pickle.dumps(told)), copy.deepcopy(told)):
        np.testing.assert_array_equal(again.contributions, told.contributions)
        assert again.reasons(3) == told.reasons(3)


def test_it_draws_itself(model: RiskModel, fresh_toy: Toy) -> None:
    told = explain(model, fresh_toy.observed.head(30))
    bars = told.plot(2, n_reasons=5)
    points = [round(bar.get_width()) for bar in bars.patches]
    assert sum(points) == sum(reason.whole_points for reason in told.reasons(2))
    assert [label.get_text() for label in bars.get_yticklabels()][-1] == "All other variables"
    sizes = sorted(100 * np.abs(told.path_points).mean(axis=0))[::-1][:4]
    assert [bar.mean_points for bar in told.importance_bars()[:4]] == pytest.approx(sizes)
    beside = [text.get_text().split()[0] for text in told.plot_importance(n_variables=4).texts]
    assert beside == [f"{size:.1f}" for size in sizes]


# The course in a reason: every feature of a quantity is said, in clinical words, and a gap is said
# as one.


NOTHING = float("nan")


@pytest.mark.parametrize(
    ("values", "unit", "says"),
    [
        (
            {"crp_mg_l__h24": 52.0, "crp_mg_l__max__h24": 52.0, "crp_mg_l__slope__h24": 1.84},
            "mg/L",
            "52 mg/L at 24 h (the highest so far, rising by 1.8 mg/L an hour)",
        ),
        (
            {
                "il6_pg_ml__h12": 210.4,
                "il6_pg_ml__max__h12": 1830.0,
                "il6_pg_ml__slope__h12": -12.3,
            },
            "pg/mL",
            "210 pg/mL at 12 h (highest 1830 pg/mL, falling by 12 pg/mL an hour)",
        ),
        (
            {"crp_mg_l__h24": 52.0, "crp_mg_l__max__h24": 52.0, "crp_mg_l__slope__h24": 0.1},
            "mg/L",
            "52 mg/L at 24 h (the highest so far, unchanged)",
        ),
        (
            {"crp_mg_l__h24": NOTHING, "crp_mg_l__max__h24": 44.0, "crp_mg_l__slope__h24": 0.5},
            "mg/L",
            "44 mg/L by 24 h (rising by 0.5 mg/L an hour)",
        ),
        (
            {"map_mmhg__min__h24": 64.2, "map_mmhg__slope__h24": -0.91},
            "mmHg",
            "64.2 mmHg by 24 h (falling by 0.91 mmHg an hour)",
        ),
        ({"map_mmhg__min__h6": 64.2}, "mmHg", "64.2 mmHg by 6 h"),
        ({"spo2_pct__min__h24": NOTHING, "spo2_pct__slope__h24": NOTHING}, "%", "not measured"),
        ({"grade__max__h24": 0.0, "grade__onset__h24": NOTHING}, "1", "no CRS by 24 h"),
        (
            {"grade__max__h24": 1.0, "grade__onset__h24": 6.0},
            "1",
            "grade 1 by 24 h (first seen by 6 h)",
        ),
        ({"grade__max__h168": NOTHING, "grade__onset__h168": NOTHING}, "1", "not measured"),
    ],
)
def test_what_is_said(values: dict[str, float], unit: str, says: str) -> None:
    assert course_in_words(values, unit=unit) == says


# Exact path-dependent Shapley values: LightGBM's own are the reference, the definition is in
# test_explain.


AGREEMENT = 1e-10  # log-odds


@pytest.mark.parametrize("case", every_case().values(), ids=every_case())
def test_agrees_with_lightgbms_contributions(case: Any) -> None:
    one = case()
    forest = forest_of(one.text, objective=one.objective)
    shares = path_shapley(forest, one.table)
    assert np.abs(shares - contributions_of(one.booster, one.table)).max() < AGREEMENT
    np.testing.assert_allclose(
        shares.sum(axis=1), raw_log_odds_by(forest, one.table), atol=AGREEMENT
    )


def test_the_deep_models_are_deep() -> None:
    """Paths of more than fifteen splits, and features split on again below themselves, are among
    the cases.
    """
    depths = [
        _plan_of(forest_of(made(kind).text)).edges["depth"].max()
        for kind in ("deep", "deep and wide")
    ]
    assert max(depths) > 15
    assert (_plan_of(forest_of(made("deep").text)).edges["same"] > 0).any()
    assert _plan_of(forest_of(made("deep and wide").text)).n_points.max() >= 7  # thirteen features


def test_a_feature_without_a_split_has_no_share() -> None:
    forest = forest_of(joined().text, objective=joined().objective)
    unused = set(range(forest.n_features)) - set(forest.nodes["feature"].tolist())
    shares = path_shapley(forest, joined().table)
    assert not shares[:, sorted(unused)].any()
    stumps = forest_of(made("stumps").text)
    unused = set(range(stumps.n_features)) - set(stumps.nodes["feature"].tolist())
    assert unused, "the stumps use every feature: this test would guard nothing"
    assert not path_shapley(stumps, made("stumps").table)[:, sorted(unused)].any()


@given(
    rows=st.lists(st.integers(0, 299), min_size=1, max_size=3 * LANES), workers=st.integers(1, 3)
)
@settings(max_examples=30, deadline=None)
def test_a_row_has_the_same_bytes_in_any_company(rows: list[int], workers: int) -> None:
    case = made_by_us()
    forest = forest_of(case.text)
    whole = path_shapley(forest, case.table)
    np.testing.assert_array_equal(
        path_shapley(forest, case.table[rows], workers=workers), whole[rows]
    )


def test_threads_do_not_change_a_byte() -> None:
    case = made("missing values")
    forest, table = forest_of(case.text), np.tile(case.table, (20, 1))
    alone = path_shapley(forest, table)
    for workers in (2, 3, 8):
        assert path_shapley(forest, table, workers=workers).tobytes() == alone.tobytes()


def test_no_row() -> None:
    forest = forest_of(made_by_us().text)
    assert path_shapley(forest, np.zeros((0, 5))).shape == (0, 6)


@pytest.mark.slow
def test_the_first_run_and_the_cached_run_give_the_same_bytes(tmp_path: Path) -> None:
    """Compiled anew, then from the cache, then anew beside other compiled code."""
    code = (
        "import hashlib, numpy as np\n"
        "from tests.model.boosters import made\n"
        "from crsrisk.model.forest import forest_of, raw_log_odds_by\n"
        "from crsrisk.model.explain import path_shapley\n"
        "case = made('missing values'); forest = forest_of(case.text)\n"
        "found = [raw_log_odds_by(forest, case.table), path_shapley(forest, case.table)]\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in found)).hexdigest())\n"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    answers = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert any(tmp_path.rglob("*.nbi")), (
        "nothing was cached: this test would compare two first runs"
    )
    assert answers[0] == answers[1] != ""


# Interventional values against one reference row: the definition over all coalitions is the
# reference, with shap beside it; the axioms on a tree made by hand.


def alone(n: int) -> np.ndarray:
    """Every feature a player of its own."""
    return np.arange(n, dtype=np.int64)


def by_definition(
    forest: Forest, row: np.ndarray, other: np.ndarray, players: np.ndarray
) -> np.ndarray:
    """Shapley values over all coalitions: inside the row's values, outside the other's."""
    n = int(players.max()) + 1
    joined_by = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)
    said = raw_log_odds_by(forest, np.where(joined_by[:, players], row, other))
    shares = np.zeros(n)
    for player in range(n):
        without = np.flatnonzero(~joined_by[:, player])
        sizes = joined_by[without].sum(axis=1)
        weights = np.array([factorial(k) * factorial(n - k - 1) / factorial(n) for k in sizes])
        shares[player] = (weights * (said[without | 1 << player] - said[without])).sum()
    return shares


@pytest.mark.parametrize(
    "case",
    [case for name, case in every_case().items() if "deep and wide" not in name],
    ids=[name for name in every_case() if "deep and wide" not in name],
)
def test_equals_the_definition_of_the_interventional_value(case: Any) -> None:
    """For missing values, sets of categories and zeros too, each feature alone and two together."""
    one = case()
    forest = forest_of(one.text, objective=one.objective)
    rows, others = one.table[:80:2], one.table[120:160]
    together = np.maximum(alone(forest.n_features) - 1, 0)
    for players in (alone(forest.n_features), together):
        found = reference_shapley(forest, rows, reference=others, players=players)
        wanted = [
            by_definition(forest, row, other, players)
            for row, other in zip(rows, others, strict=True)
        ]
        np.testing.assert_allclose(found, wanted, atol=AGREEMENT)


@pytest.mark.parametrize(("num_leaves", "tolerance"), [(3, AGREEMENT), (15, 1e-6)])
def test_agrees_with_shaps_interventional_values(num_leaves: int, tolerance: float) -> None:
    """shap adds up in 32 bits: exactly where every number fits into them (two features a path, so
    weights of 1 and 1/2, and leaves that are multiples of 1/4096), else to some 1e-7.
    """
    rng = np.random.default_rng(8)
    table = rng.integers(-8, 8, (900, 6)) / 4.0
    table[rng.random(table.shape) < 0.1] = np.nan
    event = rng.random(900) < expit(np.nan_to_num(table[:, 0] * table[:, 1]) + (table[:, 2] > 0))
    learner = CRSClassifier(
        kind="boosting",
        boosting_max_trees=60,
        boosting_num_leaves=num_leaves,
        n_folds=2,
        random_state=1,
    )
    booster = learner.fit(table, event).booster_
    text = _in_32_bits(booster.model_to_string())
    reference = np.array([[0.25, -1.0, np.nan, 0.5, 0.0, 1.0]])
    explainer = shap.TreeExplainer(
        booster_of(text), data=reference, feature_perturbation="interventional"
    )
    theirs = explainer.shap_values(table, check_additivity=False)
    ours = reference_shapley(
        forest_of(text), table, reference=np.repeat(reference, len(table), 0), players=alone(6)
    )
    assert np.abs(ours).max() > 0.1
    assert np.abs(ours - theirs).max() < tolerance


def _in_32_bits(text: str) -> str:
    """A booster text whose leaf values are multiples of 1/4096, and thresholds 32-bit numbers."""
    lines = []
    for line in text.splitlines():
        key, _, values = line.partition("=")
        if key == "tree_sizes":  # in bytes of the old text; LightGBM writes them anew
            continue
        numbers = None
        if key == "leaf_value":
            numbers = [round(float(value) * 4096) / 4096 for value in values.split()]
        elif key == "threshold" and values:
            numbers = [float(np.float32(value)) for value in values.split()]
        lines.append(line if numbers is None else f"{key}={' '.join(map(repr, numbers))}")
    return bare_text(lgb.Booster(model_str="\n".join(lines) + "\n").model_to_string())


def test_deep_trees_add_up_to_the_difference() -> None:
    case = made("deep and wide")
    forest = forest_of(case.text)
    rows, others = case.table[:150], case.table[150:]
    found = reference_shapley(forest, rows, reference=others, players=alone(forest.n_features))
    np.testing.assert_allclose(
        found.sum(axis=1),
        raw_log_odds_by(forest, rows) - raw_log_odds_by(forest, others),
        atol=1e-12,
    )
    back = reference_shapley(forest, others, reference=rows, players=alone(forest.n_features))
    np.testing.assert_allclose(back, -found, atol=1e-12)


def both_above_a_half() -> Forest:
    """One tree made by hand: 1 where features 0 and 1 are above 0.5, else 0; feature 2 is not
    asked.
    """
    nodes = np.zeros(2, dtype=NODE)
    nodes["threshold"], nodes["feature"] = 0.5, [0, 1]
    nodes["left"], nodes["right"] = [-1, -2], [1, -3]
    return Forest(
        feature_names=("a", "b", "c"),
        nodes=nodes,
        words=np.zeros(0, dtype=np.int64),
        roots=np.zeros(1, dtype=np.int64),
        leaf_value=np.array([0.0, 0.0, 1.0]),
        node_count=np.ones(2),
        leaf_count=np.ones(3),
    )


def test_the_axioms_on_a_tree_made_by_hand() -> None:
    forest, ones, zeros = both_above_a_half(), np.ones((1, 3)), np.zeros((1, 3))

    def shares(row: np.ndarray, other: np.ndarray, players: np.ndarray) -> list[float]:
        return reference_shapley(forest, row, reference=other, players=players)[0].tolist()

    assert shares(ones, zeros, alone(3)) == [0.5, 0.5, 0.0]  # symmetric; a dummy has nothing
    assert shares(zeros, ones, alone(3)) == [-0.5, -0.5, 0.0]
    assert shares(ones, np.array([[0.0, 1.0, 0.0]]), alone(3)) == [1.0, 0.0, 0.0]
    assert shares(ones, ones, alone(3)) == [0.0, 0.0, 0.0]
    assert shares(ones, zeros, np.array([0, 0, 1])) == [1.0, 0.0]  # together


@given(rows=st.lists(st.integers(0, 299), min_size=1, max_size=40))
@settings(max_examples=20, deadline=None)
def test_an_interventional_value_has_the_same_bytes_in_any_company(rows: list[int]) -> None:
    case = made_by_us()
    forest = forest_of(case.text)
    others = case.table[::-1].copy()
    whole = reference_shapley(forest, case.table, reference=others, players=alone(5))
    some = reference_shapley(forest, case.table[rows], reference=others[rows], players=alone(5))
    np.testing.assert_array_equal(some, whole[rows])


# Whom a patient is compared with.


def test_reasons_start_from_the_median_patient_of_the_product(
    model: RiskModel, toy: Toy, fresh_toy: Toy
) -> None:
    table = fresh_toy.observed.head(30)
    told = explain(model, table)
    for row, product in enumerate(table["product"]):
        one = told.references[row]
        same = toy.observed[toy.observed["product"] == product]
        assert (one.group, one.name, one.n_patients) == ("product", product, len(same))
        assert one.values["crp_mg_l"] == pytest.approx(same["crp_mg_l"].median(), rel=0.01)
        median = table.iloc[[row]].assign(**{k: v for k, v in one.values.items()})
        assert told.base_risk[row] == pytest.approx(predict(model, median).risk[0], abs=1e-12)
        assert not explain(model, median).contributions.any()


def test_another_product_is_compared_with_its_platform_getting_the_same(
    model: RiskModel, toy: Toy, fresh_toy: Toy
) -> None:
    table = fresh_toy.observed.head(2).assign(product="unheard_of", platform=["immtac", "til"])
    told = explain(model, table)
    found = [(one.group, one.name) for one in told.references]
    assert found == [("platform", "immtac"), ("all", "")]
    assert told.references[1].n_patients == len(toy.observed)
    product = [variable.name for variable in told.variables].index("product")
    assert not told.contributions[:, product].any()


def test_no_median_is_of_fewer_than_ten(toy: Toy, config: Any) -> None:
    observed, outcomes = toy.observed.copy(), toy.outcomes
    observed.loc[observed.index[:9], "product"] = "rare"
    found = fit(observed, outcomes, config=config, seed=1).contract.median_patients
    assert "rare" not in {one.name for one in found}
    assert all(one.n_patients >= FEWEST for one in found)


def test_a_missing_value_counts_as_missing(model: RiskModel, fresh_toy: Toy) -> None:
    """Its contribution is the difference to the measured median alone: 0 only where the trees send
    both the same way.
    """
    told = explain(model, fresh_toy.observed.head(1))
    typical = dict(told.references[0].values)
    row = fresh_toy.observed.head(1).assign(**{**typical, "crp_mg_l": np.nan})
    missing = explain(model, row)
    place = [variable.name for variable in missing.variables].index("crp_mg_l")
    others = np.delete(missing.contributions[0], place)
    assert not others.any()
    assert missing.base_log_odds[0] + missing.contributions[0, place] == pytest.approx(
        float(model.log_odds(row)[0]), abs=1e-12
    )


def test_a_folder_of_a_former_version_compares_with_its_reference_patients(
    model: RiskModel, toy: Toy, fresh_toy: Toy, tmp_path: Path
) -> None:
    former = replace(model, contract=model.contract.model_copy(update={"median_patients": ()}))
    with pytest.raises(InputError, match="no median patient"):
        explain(former, fresh_toy.observed.head(1))
    save_model(former, tmp_path / "former")
    reference = reference_groups(model, toy.observed)
    save_companions(tmp_path / "former", model=former, reference=reference, refits=None)
    found = explain(load_model(tmp_path / "former"), fresh_toy.observed.head(40))
    wanted = explain(model, fresh_toy.observed.head(40))
    np.testing.assert_array_equal(found.contributions, wanted.contributions)
    unknown = fresh_toy.observed.head(1).assign(product="unheard_of", platform="tce")
    assert explain(load_model(tmp_path / "former"), unknown).references[0].name == "toy_engager"
