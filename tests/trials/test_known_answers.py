"""Every certified answer is met: the selection that travels with the code, and the whole reference
table where it lies.

The tables name functions, inputs and figures as they were when the answers were certified; what is
called otherwise today is translated here, so that the tables stay as they are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from crsrisk import trials
from crsrisk.policy.formulas import beta_risk_policy
from crsrisk.policy.ranking import rate_econml_convention
from crsrisk.results import Estimate
from crsrisk.trials.exact_tests import ExactRejection, ExactStages
from crsrisk.trials.simon import SimonCharacteristics
from crsrisk.trials.two_proportions import NoninferioritySize, TwoProportionsSizes
from tests.shared_data import shared_path

KNOWN = yaml.safe_load(
    (Path(__file__).parents[1] / "known" / "trial_statistics.yaml").read_text(encoding="utf-8")
)["rows"]


TODAY = {
    "n_two_proportions": trials.sample_size_two_proportions,
    "n_farrington_manning": trials.sample_size_noninferiority,
    "exact_rejection_prob": trials.exact_rejection_probability,
    "gs_exact_two_stage_binary": trials.exact_two_stage_binary,
    "gs_bounds": trials.group_sequential_bounds,
    "gs_crossing": trials.group_sequential_crossing,
    "gs_naive_error": trials.naive_repeated_looks_error,
    "gs_sample_size_rates": trials.group_sequential_sample_size,
    "simon_oc": trials.simon_operating_characteristics,
    "bayes_single_arm_oc": trials.bayes_single_arm,
    # not in the namespace: one case of risk_policy, and another package's convention
    "beta_risk_policy": beta_risk_policy,
    "rate_econml_convention": rate_econml_convention,
}
REMARKS = ("note", "use", "dataset", "statistic")
TESTS = {"z": "z>=1.959964 pooled", "fisher": "one-sided Fisher p<=.025"}


def asked(function: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs of the table under the names of today, without its remarks."""
    given = {name: value for name, value in inputs.items() if name not in REMARKS}
    if function == "n_farrington_manning":
        given = {
            "p_treat": given["p1"],
            "p_control": given["p2"],
            "margin": given["delta0"],
            "alpha_one_sided": given["alpha_one_sided"],
            "power": 1 - given["beta"],
            "ratio": 1 / given["ratio_n2_over_n1"],
        }
    if words := given.pop("reject_if", None):
        given["tests"] = [test for test, said in TESTS.items() if said in words]
        assert len(given["tests"]) == words.count("|") + 1, words
    return given


def of_exact_tests(found: ExactRejection) -> dict[str, float]:
    """Figures by test, type I errors by their common rate (p25 = 0.25)."""
    named = {}
    for test, row in found.by_test.items():
        named |= {
            f"{test}_power": row.power,
            f"{test}_size_p{100 * found.p1:02.0f}": row.size_at_p1,
            f"{test}_size_p{100 * found.p2:02.0f}": row.size_at_p2,
            f"{test}_size_max": row.size_max,
        }
    return named


def of_stages(found: ExactStages, *, p_control: float) -> dict[str, dict[str, float]]:
    """The figures of both hypotheses, the null named after its common rate."""
    return {
        key: {
            "p_reject_stage1": float(stages.p_reject[0]),
            name: figure,
            "expected_n_total": stages.expected_n_total,
        }
        for key, stages, name, figure in (
            ("H1", found.H1, "power", found.power),
            (f"H0_p{100 * p_control:02.0f}", found.H0, "type1", found.type_one_error),
        )
    }


def of_sizes(found: TwoProportionsSizes) -> dict[str, Any]:
    """Patients per arm with equal arms, else (treated, controls), by power and ratio."""
    return {
        f"n_per_arm_{100 * size.power:02.0f}"
        if size.ratio == 1
        else f"n_treat_ctrl_{100 * size.power:02.0f}_ratio{size.ratio:g}": (
            size.n_per_arm_unrounded
            if size.ratio == 1
            else [size.n_treat_unrounded, size.n_control_unrounded]
        )
        for size in found.sizes
    }


def as_in_the_table(found: Any, inputs: dict[str, Any]) -> Any:
    """What a function returns, with the figures named as the tables name them."""
    if isinstance(found, Estimate):
        return [found.low, found.high]
    if isinstance(found, tuple):
        return [as_in_the_table(part, inputs) for part in found]
    if isinstance(found, TwoProportionsSizes):
        return of_sizes(found)
    if isinstance(found, NoninferioritySize):
        return {
            "n1": found.n_treat_unrounded,
            "n2": found.n_control_unrounded,
            "n_total": found.n_total_unrounded,
            "p1_restricted": found.p_treat_null,
            "p2_restricted": found.p_control_null,
        }
    if isinstance(found, ExactRejection):
        return of_exact_tests(found)
    if isinstance(found, ExactStages):
        return of_stages(found, p_control=inputs["p_control"])
    if isinstance(found, SimonCharacteristics):
        rows = zip(found.p_success, found.p_reject, strict=True)
        return {f"{rate:g}": float(rejects) for rate, rejects in rows}
    return found.tolist() if hasattr(found, "tolist") else found


def answer(function: str, inputs: dict[str, Any], *, named: bool) -> Any:
    """What the public function returns, as JSON would write it; `named` when the table names the
    figures.
    """
    called = TODAY[function] if function in TODAY else getattr(trials, function)
    found = as_in_the_table(called(**asked(function, inputs)), inputs)
    return found.to_dict() if named and hasattr(found, "to_dict") else found


def misses(found: Any, expected: Any, tolerance: float, place: str = "") -> Iterator[str]:
    """Each figure that is not met. Whole numbers exactly, others within the absolute tolerance."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            if key in found:
                yield from misses(found[key], value, tolerance, f"{place}.{key}")
            else:
                yield f"{place}.{key} is missing among {sorted(found)}"
    elif isinstance(expected, list):
        if len(found) != len(expected):
            yield f"{place}: {len(found)} figures, expected {len(expected)}"
        for number, (figure, other) in enumerate(zip(found, expected, strict=False)):
            yield from misses(figure, other, tolerance, f"{place}[{number}]")
    else:
        allowed = 0 if isinstance(expected, int) and isinstance(found, int) else tolerance
        if not abs(found - expected) <= allowed:
            yield f"{place}: {found}, expected {expected}"


def check(function: str, inputs: dict[str, Any], expected: Any, tolerance: float) -> None:
    found = answer(function, inputs, named=isinstance(expected, dict))
    assert list(misses(found, expected, tolerance, function)) == []


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row["id"])
def test_answers_that_travel_with_the_code(row: dict[str, Any]) -> None:
    assert row["source"]
    check(row["function"], row["inputs"], row["expected"], row["tolerance"])


def test_every_row_of_the_reference_table() -> None:
    path = shared_path("known_answers", "trial_statistics.csv")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) > 50
    wrong = []
    for row in rows:
        expected = json.loads(row["expected"])
        found = answer(row["function"], json.loads(row["inputs"]), named=isinstance(expected, dict))
        wrong += [
            f"{row['id']}: {miss}" for miss in misses(found, expected, float(row["tolerance"]))
        ]
    assert wrong == []


def test_sample_sizes_of_the_r_package() -> None:
    rows = json.loads(
        shared_path("known_answers", "sample_size_binary.json").read_text(encoding="utf-8")
    )
    for row in rows:
        size = trials.pm_sample_size_binary(
            r2_cs=row["csrsquared"], parameters=row["parameters"], prevalence=row["prevalence"]
        )
        assert size.criteria == (row["n_crit1"], row["n_crit2"], row["n_crit3"])
        assert size.n == row["n_final"]
        assert size.epp == pytest.approx(row["EPP_final"], abs=1e-9)
        # printed with three digits
        assert size.shrinkage == pytest.approx(row["shrinkage"], abs=5.1e-4)


def test_the_comparison_can_fail() -> None:
    assert list(misses({"n": 152, "z": [1.0, 2.0]}, {"n": 152, "z": [1.0, 2.0]}, 0.1)) == []
    assert list(misses({"n": 153}, {"n": 152}, 10.0)), "whole numbers are compared exactly"
    assert list(misses({"z": [1.0]}, {"z": [1.0, 2.0]}, 0.1))
    assert list(misses({"z": [1.0, float("nan")]}, {"z": [1.0, 2.0]}, 0.1))
    assert list(misses({}, {"n": 1}, 0.1))
