"""What is fitted and what is scored: by the rule, and no patient twice."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from crsrisk.data.evidence_files import load_trials
from crsrisk.data.evidence_use import (
    GROUPS,
    KINDS,
    MOST_FIGURES_OF_A_SOURCE,
    fitted_ids,
    likelihood_figures,
    scored_figures,
    use_by_rule,
)
from crsrisk.data.product import Product
from crsrisk.data.published_figures import METRIC_MEANINGS, Trial
from crsrisk.data.world_files import load_product

KIND_OF = {metric: kind for kind, metrics in KINDS.items() for metric in metrics}


def _row(name: str, metric: str = "crs_any_rate", n: int = 40, **change: Any) -> dict[str, Any]:
    return {
        "id": name,
        "metric": metric,
        "of": "patients",
        "value": 0.5,
        "n_patients": n,
        "events": n // 2,
        "citation": "a paper",
        "source_kind": "FOUND",
        "confidence": "high",
        "note": "",
        **change,
    }


def _source(name: str, *rows: dict[str, Any], **change: Any) -> Trial:
    tree = {
        "name": name,
        "label": "A trial",
        "product": "tarlatamab",
        "n_patients": 40,
        "grading": "ASTCT",
        "window_d": 28.0,
        "window_reason": "one cycle",
        "overlaps": [],
        "rows": list(rows),
    }
    return Trial.model_validate({**tree, **change})


def _fitted(*trials: Trial) -> list[str]:
    return [figure.id for figure, _ in likelihood_figures(trials)]


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return load_trials()


def test_the_files_say_what_the_rule_says(trials: list[Trial]) -> None:
    assert {trial.name: trial.use for trial in trials} == use_by_rule(trials)
    assert fitted_ids(trials) == set(_fitted(*trials))
    # the sources in the likelihood alone give the same figures
    assert _fitted(*(trial for trial in trials if trial.use == "likelihood")) == _fitted(*trials)


def test_every_kind_is_of_metrics_that_exist() -> None:
    assert KIND_OF.keys() <= METRIC_MEANINGS.keys()
    assert len(KIND_OF) == sum(map(len, KINDS.values()))


def test_at_most_four_of_a_source_and_one_of_a_kind(trials: list[Trial]) -> None:
    chosen = likelihood_figures(trials)
    assert max(Counter(trial.name for _, trial in chosen).values()) <= MOST_FIGURES_OF_A_SOURCE
    assert set(Counter((KIND_OF[f.metric], trial.name) for f, trial in chosen).values()) == {1}


def test_no_patient_counts_twice_for_one_kind(trials: list[Trial]) -> None:
    by_kind: dict[str, list[Trial]] = {}
    for figure, trial in likelihood_figures(trials):
        by_kind.setdefault(KIND_OF[figure.metric], []).append(trial)
    for kind, sources in by_kind.items():
        for one, other in combinations([source for source in sources if not source.is_pool], 2):
            assert one.name not in other.overlaps, (kind, one.name, other.name)
            assert other.name not in one.overlaps, (kind, one.name, other.name)


def test_nothing_coded_locoregional_or_without_a_twin_is_fitted(trials: list[Trial]) -> None:
    for figure, trial in likelihood_figures(trials):
        assert not trial.is_coded
        assert trial.is_systemic
        assert figure.not_fitted is None


def test_a_pool_leaves_out_who_is_counted_on_their_own(trials: list[Trial]) -> None:
    """Of the sources that it may hold, those in the likelihood that print both grades."""
    by_name = {trial.name: trial for trial in trials}
    for pool in (trial for trial in trials if trial.is_pool):
        parts = [
            found
            for name in pool.overlaps
            if by_name[name].use == "likelihood" and (found := _by_grade(by_name[name]))
        ]
        mild, severe = pool.rows
        assert len(parts) >= 7
        for row, events in zip((mild, severe), zip(*parts, strict=True), strict=False):
            assert row.elsewhere_events == sum(events), (pool.name, row.id)
            assert row.elsewhere_patients == sum(part[2] for part in parts), (pool.name, row.id)
        for figure in pool.figures:
            assert figure.n_patients is not None
            assert figure.n_patients >= 0.5 * (pool.n_patients or 0)


def _by_grade(trial: Trial) -> tuple[int, int, int] | None:
    """Patients of grade 1 or 2, of grade >= 3, and all, as a source prints them."""
    found = {row.metric: row for row in trial.rows if row.n_patients == trial.n_patients}

    def events(*metrics: str) -> int | None:
        counts = [found[name].events for name in metrics if name in found]
        return sum(filter(None, counts)) if len(counts) == len(metrics) else None

    n, severe = trial.n_patients or 0, events("crs_grade3plus_rate")
    if severe is None:
        severe = events("crs_grade3_rate", "crs_grade4_rate")
    if severe is None and events("crs_grade2plus_rate") == 0:
        severe = 0
    mild = events("crs_grade1_2_rate")
    if mild is None:
        mild = events("crs_grade1_rate", "crs_grade2_rate")
    any_grade = events("crs_any_rate")
    if mild is None and any_grade is not None and severe is not None:
        mild = any_grade - severe
    return None if mild is None or severe is None else (mild, severe, n)


def test_what_was_seen_goes_before_what_is_recalled_then_by_metric_and_size() -> None:
    rows = [
        _row("fever", "pyrexia_any_rate"),
        _row("recalled", source_kind="RECALL"),
        _row("own", not_fitted="another event"),
    ]
    assert _fitted(_source("a", *rows)) == ["fever"]
    assert _fitted(_source("a", *rows, _row("small", n=10), _row("large", n=30))) == ["large"]
    assert _fitted(_source("a", rows[2])) == []


def test_an_overlap_counts_for_one_kind_only() -> None:
    large = _source("large", _row("any_40"))
    small = _source(
        "small",
        _row("any_10", n=10),
        _row("two_10", "crs_grade2plus_rate", n=10),
        n_patients=10,
        overlaps=["large"],
    )
    assert _fitted(large, small) == ["any_40", "two_10"]


def test_what_a_source_has_no_room_for_another_with_its_patients_may_bring() -> None:
    rows = [
        _row("any_40"),
        _row("two_40", "crs_grade2plus_rate"),
        _row("three_40", "crs_grade3plus_rate"),
        _row("high_40", "pyrexia_grade3plus_rate"),
        _row("again_40", "recurrence_rate_any"),
        _row("dose_40", "crs_after_dose2_rate"),
    ]
    part = _source(
        "part",
        _row("any_10", n=10),
        _row("again_10", "recurrence_rate_any", n=10),
        n_patients=10,
        overlaps=["whole"],
    )
    whole = ["any_40", "two_40", "three_40", "dose_40"]
    part_brings = ["again_10"]
    assert _fitted(_source("whole", *rows), part) == [*whole, *part_brings]
    assert _fitted(_source("whole", *rows)) == whole


@pytest.mark.parametrize("change", [{"is_coded": True}, {"is_systemic": False}])
def test_what_is_shown_apart(change: dict[str, Any]) -> None:
    source = _source("a", _row("x"), **change)
    assert use_by_rule([source]) == {"a": "shown"}
    assert scored_figures([source]) == []


def test_a_pool_of_which_too_little_is_left_is_shown() -> None:
    row = _row("x", elsewhere_patients=30, elsewhere_events=15)
    assert _fitted(_source("pool", row, pooled_with=["acapatamab"])) == []
    row = _row("x", elsewhere_patients=10, elsewhere_events=5)
    ((figure, _),) = likelihood_figures([_source("pool", row, pooled_with=["acapatamab"])])
    assert (figure.n_patients, figure.events) == (30, 15)


# Scored.


def test_parts_of_the_same_patients_are_added() -> None:
    source = _source(
        "a",
        _row("mild", "crs_grade1_2_rate", events=19, value=0.475),
        _row("severe", "crs_grade3plus_rate", events=2, value=0.05),
    )
    any_grade, severe = scored_figures([source])
    assert (any_grade.ids, any_grade.events, any_grade.n) == (("mild", "severe"), 21, 40)
    assert any_grade.counts_added
    assert any_grade.value == 21 / 40
    assert (severe.ids, severe.counts_added) == (("severe",), False)


def test_parts_of_other_patients_are_not_added() -> None:
    source = _source(
        "a", _row("mild", "crs_grade1_2_rate"), _row("severe", "crs_grade3plus_rate", n=20)
    )
    assert [figure.metric for figure in scored_figures([source])] == ["crs_grade3plus_rate"]


def test_a_rate_without_a_size_is_not_scored() -> None:
    assert scored_figures([_source("a", _row("x", n_patients=None, events=None))]) == []


def _shipped_products(trials: list[Trial]) -> dict[str, Product]:
    return {trial.product: load_product(trial.product) for trial in trials}


def test_the_scored_figures_of_solid_tumours(trials: list[Trial]) -> None:
    """Products by group and rate; seven engagers of which a rate of any grade is known."""
    scored = scored_figures(trials, products=_shipped_products(trials))
    by_id = {figure.id: figure for trial in trials for figure in trial.rows}
    assert {figure.group for figure in scored} <= set(GROUPS.values())

    def products(group: str, metric: str) -> set[str]:
        return {
            figure.product for figure in scored if (figure.group, figure.metric) == (group, metric)
        }

    assert products("engagers", "crs_any_rate") == {
        "acapatamab",
        "pasotuxizumab",
        "pf_06671008",
        "psma_sc_engager",
        "tarlatamab",
        "tebentafusp",
        "ubamatamab",
    }
    assert len(products("cells", "crs_any_rate")) >= 13
    for group in ("engagers", "cells"):
        assert len(products(group, "crs_grade2plus_rate")) >= 4
        assert len(products(group, "crs_grade3plus_rate")) >= 10
    for figure in scored:
        assert figure.n >= figure.events >= 0
        assert figure.verified == all(by_id[name].verified for name in figure.ids)
    own = [figure for figure in scored if figure.note]
    assert {figure.product for figure in own} == {"pasotuxizumab"}


def test_no_patient_is_scored_twice_for_one_rate(trials: list[Trial]) -> None:
    by_name = {trial.name: trial for trial in trials}
    scored = scored_figures(trials, products=_shipped_products(trials))
    for one, other in combinations(scored, 2):
        if one.metric == other.metric:
            assert one.trial not in by_name[other.trial].overlaps
            assert other.trial not in by_name[one.trial].overlaps
