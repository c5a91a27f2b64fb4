"""Every trial is simulated as it was: its own window, policy and population, and no simulation
twice.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from crsrisk.data.evidence_files import load_trials
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Trial
from crsrisk.simulation import published_trials as trial_module
from crsrisk.simulation.published_trials import simulate_outcomes
from crsrisk.studies.evidence import compare_with_published, print_comparisons
from tests.simulation.people import product_of, world_of


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is simulated; each time with few patients, since only the question is looked at."""
    requests: list[dict[str, Any]] = []

    def noting(product: Product, **choices: Any) -> pd.DataFrame:
        requests.append({"product": product.name, **choices})
        return simulate_outcomes(product, **{**choices, "n": 16})

    monkeypatch.setattr(trial_module, "simulate_outcomes", noting)
    return requests


def settings(trial: Trial) -> set[tuple[object, ...]]:
    """What is simulated for a trial: each of its products, and how many share its patients."""
    return {
        (
            name,
            trial.regimen,
            trial.population,
            trial.support_policy,
            trial.window_d,
            len(trial.products),
        )
        for name in trial.products
    }


def test_trials_that_differ_in_nothing_share_a_simulation(asked: list[dict[str, Any]]) -> None:
    trials = load_trials()
    told: list[int] = []
    rows = compare_with_published(
        trials, world=world_of(), seed=9, n=200, n_rare=300, workers=1, advance=told.append
    )
    assert (
        len(asked)
        == len(set().union(*map(settings, trials)))
        < sum(len(trial.products) for trial in trials)
    )
    assert told == [1] * len(trials)
    assert [row.id for row in rows] == [figure.id for trial in trials for figure in trial.rows]


def test_each_is_simulated_in_its_own_setting(asked: list[dict[str, Any]]) -> None:
    trials = load_trials()
    compare_with_published(trials, world=world_of(), seed=9, n=200, n_rare=300)
    names = ("product", "regimen", "population", "policy", "window_d")
    found = set()
    for request in asked:
        whole = 300 if product_of(request["product"]).platform == "ici" else 200
        found.add((*(request[name] for name in names), whole // request["n"]))
        assert request["seed"] == 9
    assert found == set().union(*map(settings, trials))


def test_what_is_printed(asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    rows = compare_with_published(load_trials()[:6], world=world_of(), seed=9, n=200, n_rare=300)
    print_comparisons(rows)
    shown = capsys.readouterr().out
    assert "Simulated against published figures" in shown
    for row in rows:
        line = next(line for line in shown.splitlines() if row.id in line)
        assert row.verdict.split()[0] in line
    assert "judged figures agree" in " ".join(shown.split())
    assert ("unverified" in shown) is any(not row.verified for row in rows)
