"""Every shipped population looks like patients; the statistics are right on known numbers."""

from __future__ import annotations

import csv
from functools import cache
from math import erf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from crsrisk.data.baseline_checks import BaselineCheck, BaselineFinding, load_baseline_checks
from crsrisk.folders import names
from crsrisk.simulation.baseline_comparison import (
    baseline_table,
    check_baseline,
    judge_baseline,
    measured,
    spearman,
    statistic,
)
from tests.shared_data import shared_path
from tests.simulation.people import world_of

ADULTS = sorted(set(names("populations")) - {"neuroblastoma"})
_LDH_UPPER_LIMIT_U_L = 236.0  # 97.5th percentile of healthy adults, NHANES 2017-2018


@cache
def findings() -> tuple[BaselineFinding, ...]:
    return check_baseline(load_baseline_checks(), world=world_of(), n=8000, seed=1)


def a_check(kind: str, **more: object) -> BaselineCheck:
    return BaselineCheck.model_validate(
        {
            "id": "x",
            "statistic": kind,
            "of": "crp_mg_l",
            "low": -9.0,
            "high": 9.0,
            "range_kind": "plausible",
            "evidence": [],
            "citation": "a test",
            "source_kind": "assumed",
            "confidence": "low",
            "note": "",
            **more,
        }
    )


def test_every_population_lies_in_every_range() -> None:
    """One fixed seed; three Monte Carlo errors are kept from the end of each range, so other seeds
    pass as well.
    """
    assert [found.sentence for found in findings() if found.verdict != "inside"] == []


def test_every_population_is_asked_about_every_laboratory_value() -> None:
    asked = {(found.population, found.check.of, found.check.statistic) for found in findings()}
    for population in names("populations"):
        for name in (
            "crp_mg_l",
            "ferritin_ug_l",
            "ldh_x_uln",
            "il6_pg_ml",
            "albumin_g_l",
            "sum_of_diameters_mm",
        ):
            assert {
                (population, name, kind) for kind in ("lower_quartile", "median", "upper_quartile")
            } <= asked
        correlations = {
            (found.check.of, found.check.other)
            for found in findings()
            if found.population == population
        }
        assert {
            ("crp_mg_l", "ferritin_ug_l"),
            ("crp_mg_l", "ldh_x_uln"),
            ("ferritin_ug_l", "ldh_x_uln"),
        } <= correlations


@pytest.mark.parametrize(
    ("change", "spoiled"),
    [
        ({"population.corr_crp_mg_l__ferritin_ug_l": 0.6}, "crp_ferritin"),
        ({"population.corr_crp_mg_l__ldh_x_uln": 0.0}, "crp_ldh"),
        ({"population.shift_has_liver_metastases__ldh_x_uln": -1.5}, "ldh_high_uveal_melanoma"),
    ],
)
def test_a_wrong_world_is_found_out(change: dict[str, float], spoiled: str) -> None:
    checks = [check for check in load_baseline_checks() if check.id == spoiled]
    found = check_baseline(checks, world=world_of().with_values(change), n=4000)
    assert "outside" in {one.verdict for one in found}


def test_statistics_of_known_numbers() -> None:
    """Quantiles of exp(normal scores) in closed form: median 1, log SD 2, tail 1, quartile skewness
    tanh(1.349 / 2).
    """
    scores = np.linspace(0.0005, 0.9995, 1000)
    x = np.exp(2.0 * np.sqrt(2.0) * np.vectorize(_inverse_error)(2.0 * scores - 1.0))
    columns = {"crp_mg_l": np.append(x, np.nan), "ldh_x_uln": np.append(x**2, 1.0)}
    assert statistic(a_check("median"), columns) == pytest.approx(1.0, rel=0.01)
    assert statistic(a_check("lower_quartile"), columns) == pytest.approx(np.exp(-1.349), rel=0.01)
    assert statistic(a_check("upper_quartile"), columns) == pytest.approx(np.exp(1.349), rel=0.01)
    assert statistic(a_check("log_sd"), columns) == pytest.approx(2.0, rel=0.01)
    assert statistic(a_check("tail"), columns) == pytest.approx(1.0, rel=0.01)
    assert statistic(a_check("skew"), columns) == pytest.approx(np.tanh(1.349 / 2.0), rel=0.01)
    assert statistic(a_check("share_above", threshold=1.0), columns) == pytest.approx(
        0.5, abs=0.001
    )
    assert statistic(a_check("spearman", other="ldh_x_uln"), columns) == pytest.approx(1.0)
    ecog = {"ecog": np.array([0.0, 0.0, 1.0, 2.0])}
    assert statistic(a_check("share_equal", of="ecog", threshold=0.0), ecog) == 0.5


def _inverse_error(y: float) -> float:
    """Inverse of the error function by bisection, so that the check does not lean on the library it
    checks.
    """
    low, high = -6.0, 6.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if erf(middle) < y else (low, middle)
    return low


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=5, max_size=40))
def test_spearman_is_scipys(pairs: list[tuple[int, int]]) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    if np.ptp(x) > 0 and np.ptp(y) > 0:
        assert spearman(np.append(x, np.nan), np.append(y, 3.0)) == pytest.approx(
            spearmanr(x, y).statistic, abs=1e-12
        )


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (0.3, 0.01, "inside"),
        (0.221, 0.01, "undecided"),
        (0.18, 0.01, "undecided"),
        (0.16, 0.01, "outside"),
        (0.44, 0.01, "outside"),
        (0.44, 0.02, "undecided"),
        (0.2, 0.0, "inside"),
    ],
)
def test_the_verdict_keeps_three_errors(value: float, error: float, verdict: str) -> None:
    assert judge_baseline(value, mc_error=error, low=0.2, high=0.4) == verdict


def test_the_error_between_batches_is_the_error_between_seeds() -> None:
    """Known: the SD of a statistic over seeds. 20 batches and 24 seeds give a ratio of 1 within a
    factor of two (chi-squared, false alarm below 1 in 500).
    """
    check = a_check("spearman", other="ferritin_ug_l", populations=["small_cell_lung"])
    found = [check_baseline([check], world=world_of(), n=2000, seed=seed)[0] for seed in range(24)]
    between = np.std([one.value for one in found], ddof=1)
    assert 0.5 < np.mean([one.mc_error for one in found]) / between < 2.0


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="2000"):
        check_baseline(load_baseline_checks(), world=world_of(), n=500)


def test_a_finding_says_what_is_not_verified() -> None:
    said = {found.check.id: found.sentence for found in findings()}
    assert "[unverified]" in said["liver_prostate"]
    assert "[unverified]" not in said["crp_ldh"]


def test_the_table_holds_quartiles_of_every_population() -> None:
    rows = baseline_table(world_of(), n=2000)
    table = pd.DataFrame(rows)
    assert set(table["population"]) == set(names("populations"))
    assert (table["lower_quartile"] < table["median"]).all()
    assert (table["median"] < table["upper_quartile"]).all()
    measured_share = table.set_index(["population", "covariate"])["n_measured"] / 2000
    # IL-6 is measured in a minority
    assert measured_share.loc[(slice(None), "il6_pg_ml")].max() < 0.6
    assert measured_share.min() > 0.2


def healthy() -> dict[str, dict[str, float]]:
    with shared_path("data", "labs", "healthy_adult_quantiles_nhanes_2017_2018.csv").open(
        encoding="utf-8"
    ) as file:
        return {
            row[""]: {q: float(row[q]) for q in ("0.25", "0.5", "0.75")}
            for row in csv.DictReader(file)
        }


def ill() -> dict[str, float]:
    """Medians of hospital patients with COVID-19: severe inflammation, not cancer."""
    with shared_path("data", "labs", "yan375_first_value_per_patient.csv").open(
        encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    return {
        name: float(np.median([float(row[name]) for row in rows if row[name]]))
        for name in ("CRP", "Ferritin", "LDH")
    }


@pytest.mark.parametrize("population", ADULTS)
def test_advanced_cancer_lies_between_health_and_severe_inflammation(population: str) -> None:
    """CRP and LDH above healthy adults and below patients in hospital with COVID-19, ferritin below
    the latter.
    """
    well, worse = healthy(), ill()
    columns = measured(world_of().populations[population], world=world_of(), n=4000, seed=2)
    middle = {name: float(np.nanmedian(column)) for name, column in columns.items()}
    assert well["crp_mg_l"]["0.5"] < middle["crp_mg_l"] < worse["CRP"]
    assert well["ldh_u_l"]["0.5"] < middle["ldh_x_uln"] * _LDH_UPPER_LIMIT_U_L < worse["LDH"]
    assert middle["ferritin_ug_l"] < worse["Ferritin"]
    assert middle["albumin_g_l"] < well["albumin_g_l"]["0.75"]
    assert middle["lymphocytes_g_l"] < well["lymphocytes_10e9_l"]["0.25"]
