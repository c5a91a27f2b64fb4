"""Simulated beside published: the rule of agreement, honest accounts."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import cache
from math import erf, exp, inf, isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from crsrisk.data.baseline_checks import BaselineCheck, BaselineFinding, load_baseline_checks
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.published_figures import Trial, wilson_interval
from crsrisk.errors import InputError
from crsrisk.folders import names
from crsrisk.results import Estimate
from crsrisk.simulation.evidence import (
    PublishedInterval,
    Tally,
    baseline_table,
    check_baseline,
    compare,
    judge,
    judge_baseline,
    measured,
    published_interval,
    spearman,
    statistic,
    summarise,
    to_json,
)
from crsrisk.simulation.published_trials import SimulatedFigure
from tests.shared_data import shared_path
from tests.simulation.made_by_hand import OUTCOMES, figure_by_hand, outcomes_by_hand, trial_by_hand
from tests.simulation.people import world_of


def simulated(value: float, mc_error: float, n: int) -> SimulatedFigure:
    return SimulatedFigure.of(value, mc_error=mc_error, n=n)


def numbers(interval: PublishedInterval) -> tuple[float, float, int | None]:
    return interval.low, interval.high, interval.n


def test_interval_of_a_rate_is_the_one_entered_or_wilsons() -> None:
    entered = figure_by_hand(n_patients=40, events=20, low=0.3, high=0.7, interval_kind="wilson_95")
    assert numbers(published_interval(entered, trial=trial_by_hand(entered))) == (0.3, 0.7, 40)
    sized = figure_by_hand(n_patients=40)
    wilson = wilson_interval(0.5, n=40)
    assert numbers(published_interval(sized, trial=trial_by_hand(sized))) == (*wilson, 40)
    unsized = figure_by_hand()
    wilson = wilson_interval(0.5, n=100)
    assert numbers(published_interval(unsized, trial=trial_by_hand(unsized))) == (*wilson, 100)
    nothing = published_interval(unsized, trial=trial_by_hand(unsized, n_patients=None))
    assert isnan(nothing.low)
    assert nothing.n is None


def test_interval_of_a_median_follows_its_rule() -> None:
    any_rate = figure_by_hand(value=0.6, n_patients=55, events=33)
    onset = figure_by_hand(
        "onset_median_d", "crs_patients", value=2.0, low=1.0, high=5.0, interval_kind="range"
    )
    trial = trial_by_hand(any_rate, onset)
    # the range is not used, n are the patients with CRS
    factor = exp(1.959964 * 1.253314 * 0.8 / sqrt(33))
    assert numbers(published_interval(onset, trial=trial)) == pytest.approx(
        (2 / factor, 2 * factor, 33), rel=1e-5
    )
    with_iqr = onset.model_copy(update={"interval_kind": "iqr"})
    factor = exp(1.959964 * 1.253314 * (np.log(5) / 1.34898) / sqrt(33))
    found = published_interval(with_iqr, trial=trial)
    assert numbers(found) == pytest.approx((2 / factor, 2 * factor, 33), rel=1e-5)
    from_zero = with_iqr.model_copy(update={"low": 0.0})
    assert "assumed" in published_interval(from_zero, trial=trial).origin
    alone = published_interval(onset, trial=trial_by_hand(onset))
    assert alone.n == 100


def test_interval_of_a_lognormal_median_covers() -> None:
    """2,000 trials of 60 patients whose times have the assumed spread: the truth lies outside in
    5%; beyond 3.4-6.6% by chance once in 1,000 runs.
    """
    rng = np.random.default_rng(11)
    outside = 0
    for printed in np.median(rng.lognormal(np.log(16), 0.8, size=(2_000, 60)), axis=1):
        figure = figure_by_hand(
            "onset_median_h", "crs_patients", value=float(printed), n_patients=60
        )
        interval = published_interval(figure, trial=trial_by_hand(figure)).estimate
        outside += not interval.low <= 16 <= interval.high
    assert 0.034 <= outside / 2_000 <= 0.066


limits = st.floats(0, 1)


@given(a=limits, b=limits, value=limits, error=st.floats(0, 0.3), more=st.floats(1, 3))
def test_verdict_is_overlap_and_error_never_turns_agreement_into_difference(
    a: float, b: float, value: float, error: float, more: float
) -> None:
    published = Estimate((a + b) / 2, min(a, b), max(a, b))
    verdict, reason = judge(published, simulated=simulated(value, error, 100))
    assert (verdict == "not judged") == bool(reason)
    if error == 0:
        assert (verdict == "agrees") == (published.low <= value <= published.high)
    wider, _ = judge(published, simulated=simulated(value, error * more, 100))
    assert (verdict, wider) != ("agrees", "differs")
    assert verdict != "not judged" or wider == "not judged"


@pytest.mark.parametrize(
    ("published", "figure", "reason"),
    [
        (Estimate(0.5), simulated(0.5, 0.01, 100), "published without a size"),
        (Estimate(0.5, 0.4, 0.6), simulated(nan, nan, 0), "not estimable from 0"),
        (Estimate(0.5, 0.4, 0.6), simulated(0.5, nan, 3), "not estimable from 3"),
        (Estimate(0.5, 0.4, 0.6), simulated(0.5, 0.06, 60), "simulate more patients"),
    ],
)
def test_agreement_is_not_claimed_without_grounds(
    published: Estimate, figure: SimulatedFigure, reason: str
) -> None:
    verdict, said = judge(published, simulated=figure)
    assert verdict == "not judged"
    assert reason in said


def test_rows_that_differ_stay_and_the_summary_counts_them() -> None:
    agreeing = figure_by_hand(value=0.6, n_patients=50)
    differing = figure_by_hand(
        "crs_grade2plus_rate", value=0.9, n_patients=50, source_kind="RECALL"
    )
    trial = trial_by_hand(agreeing, differing)
    other = trial_by_hand(
        figure_by_hand(id="X2", value=0.2, n_patients=1_000),
        name="b_trial",
        product="acapatamab",
        use="likelihood",
    )
    found = compare([trial, other], simulate_trial=lambda _: outcomes_by_hand(4_000))
    assert [(row.id, row.verdict, row.agrees) for row in found] == [
        (agreeing.id, "agrees", True),
        (differing.id, "differs", False),
        ("X2", "differs", False),
    ]
    summary = summarise(found)
    assert replace(summary.all, mean_absolute_error_any_grade=None) == Tally(
        n_figures=3,
        n_trials=2,
        n_judged=3,
        n_agree=1,
        n_agree_wide=0,
        mean_absolute_error_any_grade=None,
    )
    assert summary.by_use["likelihood"].n_agree == 0
    assert summary.by_use["shown"].n_figures == 2
    assert summary.by_product["tarlatamab"].n_agree == 1
    assert summary.by_family["grade >= 2"].n_agree == 0
    assert summary.unverified.n_figures == 1
    assert summary.by_family["grade >= 2"].mean_absolute_error_any_grade is None
    value = found[0].simulated
    assert summary.all.mean_absolute_error_any_grade == pytest.approx(
        (abs(value - 0.6) + abs(value - 0.2)) / 2
    )
    assert "no external validation" in summary.statement


def test_agreement_with_a_tiny_trial_is_counted_apart() -> None:
    trial = trial_by_hand(figure_by_hand(value=0.5, n_patients=6))
    tiny = compare([trial], simulate_trial=lambda _: outcomes_by_hand(1_000))
    assert summarise(tiny).all.n_agree_wide == 1


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (OUTCOMES.drop(columns=["n_episodes", "has_oxygen"]), "n_episodes, has_oxygen"),
        (OUTCOMES.iloc[:0], ""),
        (OUTCOMES.assign(window_d=21.0), "window_d"),
        (OUTCOMES.assign(window_d=[28.0] * 7 + [60.0]), "window_d"),
    ],
)
def test_an_unfit_outcomes_table_is_refused(table: pd.DataFrame, key: str) -> None:
    with pytest.raises(InputError) as caught:
        compare([trial_by_hand(figure_by_hand())], simulate_trial=lambda _: table)
    assert caught.value.key == key
    assert "a_trial" in caught.value.where


def test_the_shipped_evidence_goes_through_and_comes_out_as_json() -> None:
    trials = load_trials()
    asked: list[str] = []

    def simulate(trial: Trial) -> pd.DataFrame:
        asked.append(trial.name)
        return outcomes_by_hand(500, window_d=trial.window_d)

    found = compare(trials, simulate_trial=simulate)
    assert asked == [trial.name for trial in trials]
    tree = json.loads(to_json(found), parse_constant=lambda text: pytest.fail(f"{text} in JSON"))
    assert [row["id"] for row in tree["rows"]] == [row.id for trial in trials for row in trial.rows]
    wanted = {
        "id",
        "product",
        "metric",
        "published",
        "n",
        "low",
        "high",
        "simulated",
        "mc_error",
        "agrees",
    }
    for row in tree["rows"]:
        assert wanted <= set(row)
        assert isinstance(row["agrees"], bool)
        assert row["low"] is None or 0 <= row["low"] <= row["published"] <= row["high"] < inf
        assert row["agrees"] == (row["verdict"] == "agrees")
        assert row["reason"] if row["verdict"] == "not judged" else not row["reason"]
    assert {row["trial"] for row in tree["rows"] if row["n_products"] > 1} == {
        "engager_pool",
        "cell_pool",
    }
    unsized = [row["id"] for row in tree["rows"] if row["low"] is None]
    assert unsized == ["E015", "E016", "N090", "E013", "E014"]


# Every shipped population looks like patients; the statistics are right on known numbers.


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
