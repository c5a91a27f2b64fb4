"""What stands beside a forecast: published figures, nearest products, what it rests on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import sqrt
from typing import Any

import pytest

from crsrisk.data.evidence_files import load_trials
from crsrisk.data.evidence_use import GROUPS, likelihood_figures, scored_figures
from crsrisk.data.product import Product
from crsrisk.studies.forecast import ASKED
from crsrisk.studies.forecast_evidence import (
    FEATURES,
    ForecastEvidence,
    PublishedEvidence,
    class_of,
    evidence_beside,
    nearest,
    parts_in_words,
)
from crsrisk.uncertainty.rivals import product_features
from tests.data.made_cross_validations import make_cross_validation, make_rate
from tests.simulation.people import PRODUCTS, product_of

METRICS = tuple(asked.metric for asked in ASKED.values())


@cache
def published() -> PublishedEvidence:
    return PublishedEvidence.of(load_trials())


def beside(product: Product | str, **choices: Any) -> ForecastEvidence:
    chosen = product_of(product) if isinstance(product, str) else product
    return evidence_beside(
        chosen,
        **{
            "regimen": chosen.default_regimen,
            "metrics": METRICS,
            "published": published(),
            "cross_validation": None,
            "is_unseen": False,
            **choices,
        },
    )


def renamed(product: str, **changes: Any) -> Product:
    return product_of(product).model_copy(update={"name": "mine", **changes})


# Published figures.


@pytest.mark.parametrize("name", ["tarlatamab", "tebentafusp", "gpc3_car_t", "til_il2"])
def test_scored_rates_stand_once_as_the_products_own_or_its_class(name: str) -> None:
    made, platform = beside(name), product_of(name).platform
    scored = scored_figures(load_trials())
    own = {one.id for one in made.own if one.metric in {figure.metric for figure in scored}}
    assert own == {"+".join(figure.ids) for figure in scored if figure.product == name}
    others = {one.id for one in made.of_class}
    assert len(others) == len(made.of_class)
    assert others == {
        "+".join(figure.ids)
        for figure in scored
        if figure.product != name
        and class_of(product_of(figure.product).platform) == class_of(platform)
    }


def test_figures_are_those_of_the_files() -> None:
    label = {one.metric: one for one in beside("tarlatamab").own if "label_2025" in one.trial}
    any_grade, onset = label["crs_any_rate"], label["onset_median_h"]
    assert (any_grade.value, any_grade.n) == (268 / 473, 473)
    assert (onset.value, onset.n, onset.verified) == (16.0, 268, True)
    recalled = [one for one in beside("tebentafusp").own if one.metric == "crs_any_rate"]
    assert {one.verified for one in recalled} == {False}
    (another,) = [one for one in beside("tarlatamab").of_class if one.trial == "pasotuxizumab"][:1]
    assert another.note, "fever that was not called CRS is said to be another event"


def test_an_own_rate_has_what_was_forecast_without_it() -> None:
    row = make_rate("made_up_a", id="E030", product="tarlatamab")
    made = beside("tarlatamab", cross_validation=make_cross_validation(rows=(row,)))
    (known,) = [one for one in made.own if one.left_out is not None]
    assert known.id == "E030"
    assert known.left_out == (row.median, row.low_95, row.high_95)


def test_a_new_product_has_nothing_of_its_own_and_all_of_its_class() -> None:
    mine, shipped = beside(renamed("tarlatamab"), is_unseen=True), beside("tarlatamab")
    assert mine.own == ()
    assert mine.basis.own_figures == mine.basis.own_patients == 0
    assert "No figure of the product itself was fitted." in mine.basis.sentence
    assert len(mine.of_class) > len(shipped.of_class)
    assert "tarlatamab" in {one.product for one in mine.of_class}


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_product_can_stand_beside_something(name: str) -> None:
    for noun in (product_of(name), renamed(name)):
        made = beside(noun)
        assert made.basis.sentence.startswith("Fitted to ")
        assert bool(made.neighbours) == (noun.platform != "ici")


# Nearest products.


def test_the_twin_of_a_product_is_nearest_and_alike_in_everything_that_varies() -> None:
    mine = renamed("acapatamab")
    first, *_ = beside(mine).neighbours
    assert (first.product, first.distance) == ("acapatamab", 0.0)
    assert first.apart_on == ()
    assert {"CD3 affinity", "antigen density", "step-up dosing"} <= set(first.near_on)


def test_distance_by_hand() -> None:
    """Three engagers that differ in restriction alone: SD of 0.2, 0.4 and 0.9 is 0.294."""
    products = []
    for name, restriction in (("a", 0.2), ("b", 0.4), ("c", 0.9)):
        noun = product_of("tarlatamab")
        field = noun.binding.antigen_restriction.model_copy(
            update={"value": restriction, "prior": None}
        )
        binding = noun.binding.model_copy(update={"antigen_restriction": field})
        products.append(noun.model_copy(update={"name": name, "binding": binding}))
    found = nearest(products[0], regimen=products[0].default_regimen, others=products[1:])
    sd = sqrt(sum((value - 0.5) ** 2 for value in (0.2, 0.4, 0.9)) / 3)
    assert [one.product for one in found] == ["b", "c"]
    assert [one.distance for one in found] == pytest.approx([0.2 / sd, 0.7 / sd])
    assert found[1].apart_on == ("antigen restriction",)
    assert (found[0].near_on, found[0].apart_on) == ((), ())


def test_products_without_a_difference_are_at_no_distance() -> None:
    noun = product_of("tarlatamab")
    twin = noun.model_copy(update={"name": "twin"})
    (only,) = nearest(noun, regimen=noun.default_regimen, others=[twin])
    assert (only.distance, only.near_on, only.apart_on) == (0.0, (), ())


def test_engagers_stand_among_engagers_and_cells_among_cells() -> None:
    for name in ("tarlatamab", "tebentafusp", "gpc3_car_t", "til_il2"):
        is_cells = product_features(product_of(name))["is_cells"]
        for one in beside(name).neighbours:
            assert product_features(product_of(one.product))["is_cells"] == is_cells
            assert one.product != name


def test_every_feature_has_words() -> None:
    assert set(product_features(product_of("tarlatamab"))) == set(FEATURES)


# What it rests on.


@pytest.mark.parametrize("name", ["tarlatamab", "tebentafusp", "lete_cel", "checkpoint_inhibitor"])
def test_what_it_rests_on_is_counted_in_the_likelihood(name: str) -> None:
    basis, product = beside(name).basis, product_of(name)
    single = [trial for _, trial in likelihood_figures(load_trials()) if not trial.is_pool]
    platform = {
        trial.product for trial in single if product_of(trial.product).platform == product.platform
    }
    group = {
        trial.product
        for trial in single
        if GROUPS[product_of(trial.product).platform] == GROUPS[product.platform]
    }
    assert basis.platform_products == len(platform)
    if class_of(product.platform) in ("engagers", "cells"):
        assert basis.group_products == len(group)
        assert basis.pooled_patients > 0
    assert basis.own_figures == sum(trial.product == name for trial in single)
    assert 0 < basis.own_patients <= basis.platform_patients <= basis.group_patients


def test_patients_of_overlapping_sources_count_once() -> None:
    trials = {trial.name: trial for trial in load_trials()}
    label, part = trials["tarlatamab_label_2025"], trials["tarlatamab_moffitt"]
    assert label.n_patients is not None
    assert part.n_patients is not None
    inside = part.model_copy(update={"overlaps": [label.name]})
    apart, once = (
        beside("tarlatamab", published=PublishedEvidence.of([label, other])).basis
        for other in (part, inside)
    )
    assert apart.platform_patients == label.n_patients + part.n_patients
    assert once.platform_patients == label.n_patients


def test_an_ensemble_fitted_to_few_figures_rests_on_few() -> None:
    some = PublishedEvidence.of(load_trials(), targets={"E030", "E035"})
    basis = beside("tarlatamab", published=some).basis
    assert (basis.own_figures, basis.platform_products, basis.pooled_patients) == (2, 1, 0)
    assert "Fitted to 1 product (473 patients) of T-cell engagers" in basis.sentence
    nothing = beside("tarlatamab", published=PublishedEvidence.of(load_trials(), targets=()))
    assert nothing.neighbours == ()


def test_the_mixture_is_said_where_there_is_one() -> None:
    made = make_cross_validation()
    known = beside("tarlatamab", cross_validation=made).basis
    new = beside(renamed("tarlatamab"), cross_validation=made, is_unseen=True).basis
    rare = beside(renamed("checkpoint_inhibitor"), cross_validation=made, is_unseen=True).basis
    assert "No cross-validation of this ensemble is there." in beside("tarlatamab").basis.sentence
    for basis in (known, rare):
        assert not basis.is_mixed
        assert "the mechanism's alone" in basis.sentence
    assert new.is_mixed
    assert "any grade 60% mechanism, 30% regression and 10% class distribution" in new.sentence
    assert replace(new, weights=None).sentence.endswith("is there.")
    assert parts_in_words({"mechanism": 1.0, "regression": 0.0}) == "100% mechanism"
