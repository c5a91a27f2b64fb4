"""Rescue and course: what ends an episode and when, how long episodes last, and which are out of
scope.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from crsrisk.data.world import World
from crsrisk.simulation.layout import TICK_H
from crsrisk.simulation.population import Patients, take
from crsrisk.simulation.run import run
from tests.phenomena.twins import (
    CELLS,
    FIRST_DOSE_D,
    Z,
    checkpoint_cases,
    given_at,
    likeliest,
    outcomes_in,
    outcomes_of,
    z_of,
)
from tests.simulation.people import Values, arm_of, episode, trace, with_policy, world_of

_DAY_H = 24.0
_NO_TOCILIZUMAB = {f"tocilizumab_share_grade{grade}": 0.0 for grade in (1, 2, 3)}
_TOCILIZUMAB = {f"tocilizumab_share_grade{grade}": 1.0 for grade in (1, 2, 3)}
_NO_STEROID = {"steroid_share_grade1": 0.0, "steroid_share_grade2": 0.0}


@pytest.mark.parametrize("steroid", [0.0, 1.0], ids=["without steroid", "with steroid"])
def test_tocilizumab_ends_grade2plus(steroid: float) -> None:
    """About 90% of grade >= 2 episodes after cells for solid tumours resolve after tocilizumab,
    with a steroid or without.

    More than 200 recipients of effector cells (E019); no horizon is published, a week is assumed.
    Four cell products, 500 patients each; everyone with grade >= 2 is given tocilizumab and all or
    none a steroid. 0.75 to 0.97 within a week of grade 2; measured 0.909 without and 0.951 with a
    steroid, standard errors 0.011 and 0.008: the latter is near its bound.
    """
    in_time = []
    for product in CELLS:
        policy = arm_of(product).policy.name
        shares = {
            **_TOCILIZUMAB,
            "tocilizumab_share_grade1": 0.0,
            **_NO_STEROID,
            "steroid_share_grade2": steroid,
        }
        world = with_policy(world_of(), policy, **shares)
        t = episode(arm_of(product, world=world), 500, world=world).tracks
        treated = (
            (t["max_grade"] >= 2) & (t["n_tocilizumab"] > 0) & (t["first_2"] <= t["first_resolved"])
        )
        in_time.append((t["first_resolved"] - t["first_2"])[treated] <= 7 * _DAY_H)
    assert 0.75 < np.concatenate(in_time).mean() < 0.97


@pytest.mark.parametrize("product", ["tarlatamab", "acapatamab"])
def test_recurrence_without_tocilizumab(product: str) -> None:
    """CRS at the next dose is commoner when the first episode was not treated with tocilizumab.

    Teclistamab: 20% against 62%, risk ratio 0.32 (E219, E220, F043; myeloma, a direction). Patients
    with CRS after dose 1 when all or when none of them is given tocilizumab (fever that stays, or
    grade >= 2); z of 22 or more, risk ratio below 0.75 (measured 0.46 and 0.14).
    """
    courses = []
    for shares in (_NO_TOCILIZUMAB, _TOCILIZUMAB):
        world = with_policy(world_of(), arm_of(product).policy.name, **shares)
        courses.append(outcomes_in(arm_of(product, world=world), world=world))
    without, with_it = courses
    both = (without["grade_after_dose_1"] >= 1) & (with_it["grade_after_dose_1"] >= 1)
    again = [course.loc[both, "grade_after_dose_2"] >= 1 for course in courses]
    assert z_of(again[1], again[0]) > Z
    assert again[1].mean() < 0.75 * again[0].mean()


def _fever_ends_after_h(*, tocilizumab_at_h: float) -> tuple[Values, Values]:
    """Hours from tocilizumab to below 38 degC in those with 38.5 or more then; and in the same
    patients without it.
    """
    plain = with_policy(world_of(), "standard_astct", **_NO_TOCILIZUMAB, **_NO_STEROID)
    courses = []
    for world, agents in (
        (given_at(plain, "tocilizumab", hours=tocilizumab_at_h), ("tocilizumab",)),
        (plain, ()),
    ):
        arm = arm_of(
            "tarlatamab",
            regimen="label_no_steroid",
            window_d=FIRST_DOSE_D,
            world=world,
            mitigations=agents,
        )
        of = episode(arm, 1000, world=world, has_traces=True)
        courses.append(trace(of, "temperature")[of.time_h >= tocilizumab_at_h])
    febrile = courses[1][0] >= 38.5
    ended = [course[:, febrile] < 38.0 for course in courses]
    hours = [np.where(over.any(axis=0), over.argmax(axis=0) * TICK_H, np.inf) for over in ended]
    return hours[0], hours[1]


def test_tocilizumab_takes_hours_not_minutes_to_end_a_fever() -> None:
    """Tocilizumab 16 h after tarlatamab: fever of 38.5 degC and more subsides within hours.

    Review of solid organ malignancies (section on grading). 1000 patients, antipyretics as usual,
    no steroid. At most one in a hundred is below 38 degC after half an hour and one in ten after an
    hour (measured: none); the median is 2 to 24 h (measured 13, standard error 2.2) and at most 0.8
    of that without (54).
    """
    with_it, without = _fever_ends_after_h(tocilizumab_at_h=16.0)
    assert len(with_it) > 200
    assert (with_it <= 0.5).mean() <= 0.01
    assert (with_it <= 1.0).mean() <= 0.1
    assert 2.0 < np.median(with_it) < 24.0
    assert np.median(with_it) < 0.8 * np.median(without)


def _steroid_from(world: World, hour: float) -> World:
    """Methylprednisolone, 1 mg/kg twelve-hourly for a month, from an hour on."""
    return given_at(world, "methylprednisolone", hours=hour, repeats=60, every_h=12.0)


@cache
def _refractory() -> list[tuple[World, Patients, float]]:
    """Grade 3 under a checkpoint inhibitor that needs support still or again 48 h to a week into a
    high-dose steroid.

    For each patient: the world in which the steroid goes on, the patient alone, and the hour at
    which that is seen.
    """
    world = with_policy(
        world_of(),
        "checkpoint_clinic",
        **_NO_TOCILIZUMAB,
        **_NO_STEROID,
        observation_interval_h=4.0,
    )
    group, _ = likeliest(arm_of("checkpoint_inhibitor"), treated=1_200_000, n=12_000, world=world)
    first_3 = run(arm_of("checkpoint_inhibitor", world=world), group, world=world).tracks["first_3"]
    refractory = []
    for row in np.flatnonzero(first_3 < 50.0 * _DAY_H)[:400]:
        patient, steroid = take(group, np.array([row])), _steroid_from(world, float(first_3[row]))
        arm = arm_of("checkpoint_inhibitor", world=steroid, mitigations=("methylprednisolone",))
        of = run(arm, patient, world=steroid, has_traces=True)
        since = of.time_h - first_3[row]
        still = (
            (since >= 48.0)
            & (since <= 7.0 * _DAY_H)
            & (of.time_h % 1.0 == 0.0)
            & (trace(of, "grade")[:, 0] >= 2.0)
        )
        if still.any():
            refractory.append((steroid, patient, float(of.time_h[still.argmax()])))
    return refractory


def _in_remission_h24(
    world: World, patient: Patients, hour: float, agents: tuple[str, ...]
) -> bool:
    """Below 38 degC and without fluids, vasopressor or oxygen 24 h after an hour."""
    of = run(
        arm_of("checkpoint_inhibitor", world=world, mitigations=agents),
        patient,
        world=world,
        has_traces=True,
    )
    then = of.time_h == hour + _DAY_H
    return bool(trace(of, "grade")[then, 0] <= 1.0 and trace(of, "temperature")[then, 0] < 38.0)


@cache
def _remissions() -> tuple[list[bool], list[bool]]:
    """Who of the refractory is in remission 24 h after one dose of tocilizumab, and who would be
    without it.
    """
    with_it, without = [], []
    for world, patient, hour in _refractory():
        both = given_at(world, "tocilizumab", hours=hour)
        with_it.append(
            _in_remission_h24(both, patient, hour, ("methylprednisolone", "tocilizumab"))
        )
        without.append(_in_remission_h24(world, patient, hour, ("methylprednisolone",)))
    return with_it, without


def test_refractory_checkpoint_remits() -> None:
    """Grade 3 under a checkpoint inhibitor, refractory to 48 h of steroid: in remission a day after
    tocilizumab.

    12 of 12 after 8 mg/kg (E020). One dose while the steroid goes on. A patient counts as
    refractory when support is needed still or again (grade >= 2; here nobody stays at grade 3 for
    48 h of steroid). More in remission than of the same patients without tocilizumab: 44 of 56,
    against 20.
    """
    with_it, without = _remissions()
    assert len(with_it) >= 12
    assert z_of(without, with_it) > Z


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="0.59 since the calibration on all figures (docs/limits.md)")
def test_refractory_checkpoint_remits_within_a_day_as_a_rule() -> None:
    """Remission a day after tocilizumab in three of four or more: Wilson's limit of 12 of 12
    (E020).

    0.59 with a standard error of 0.05: a known miss.
    """
    assert np.mean(_remissions()[0]) >= 0.75


def test_tarlatamab_episodes_last_about_three_days() -> None:
    """Median time to resolution of 3 days, in days as case report forms count them (E016, E074).

    2000 patients, first episodes. The median is a whole number; 2.5 to 4 is asked of it, and 2.2 to
    4.5 of the mean. Measured 3 and 3.4 (standard error 0.09); from first to last sign 43 h at the
    median.
    """
    days = outcomes_of("tarlatamab")["resolution_d"].dropna()
    assert 2.5 <= days.median() <= 4.0
    assert 2.2 <= days.mean() <= 4.5


def test_episodes_of_engagers_last_for_days_since_a_share_is_adapted_to_slowly() -> None:
    """T cells that have not met the drug keep coming: without them fever ends earlier, and IL-6
    peaks when it did.

    The same 2000 patients with the smallest share in its range and the shipped one; why there is
    such a share at all is E016 beside the hours to the peak (test_platforms).
    """
    few = world_of().with_values({"engagement.adaptation_engager_slow_share": 0.05})
    shorter, whole = (
        outcomes_in(arm_of("tarlatamab", world=few), world=few),
        outcomes_of("tarlatamab"),
    )
    in_both = (
        shorter["crs_any"]
        & whole["crs_any"]
        & shorter["duration_h"].notna()
        & whole["duration_h"].notna()
    )
    assert z_of(shorter.loc[in_both, "duration_h"], whole.loc[in_both, "duration_h"]) > Z
    assert (
        whole.loc[in_both, "duration_h"].median()
        > 1.3 * shorter.loc[in_both, "duration_h"].median()
    )


def test_checkpoint_episodes_last_about_two_weeks() -> None:
    """Median duration 15 days, middle half 6 to 30 (E205); and far longer than after an engager.

    All cases of 50,000 treated; episodes still open at the end of the window count as longer than
    any. The median must lie within the published middle half: 19.2 days of 629 cases.
    """
    cases = checkpoint_cases()[0]
    assert 6.3 < cases["duration_h"].fillna(np.inf).median() / _DAY_H < 29.8
    assert (
        cases["duration_h"].fillna(np.inf).median()
        > 3.0 * outcomes_of("tarlatamab")["duration_h"].median()
    )


def test_checkpoint_crs_has_a_severe_tail() -> None:
    """2 of 28 cases under checkpoint inhibitors of high grade, 2 to 23% (E211).

    All cases of 50,000 treated: 8.6% of 629, standard error 1.1.
    """
    cases = checkpoint_cases()[0]
    assert 0.02 < cases["crs_grade3plus"].mean() < 0.227


def test_hlh_is_flagged() -> None:
    """HLH-like courses are out of scope: whoever passes the stated bound of ferritin is flagged,
    and they are few.

    Ferritin told CRS from HLH in 35 adults under checkpoint inhibition (E249; no number: the bound
    is an expert's). 2000 patients of each of four products: fewer than 3 in a hundred, some in all,
    and more when the bound is lower.
    """
    bound = world_of().assumptions.value("grading.hlh_ferritin_ug_l")
    flags = {
        product: outcomes_of(product)
        for product in ("tarlatamab", "cldn182_car_t", "gpc3_car_t", "afami_cel")
    }
    for course in flags.values():
        assert (course["has_hlh_like_ferritin"] == (course["peak_ferritin_ug_l"] > bound)).all()
        assert course["has_hlh_like_ferritin"].mean() < 0.03
    assert sum(course["has_hlh_like_ferritin"].sum() for course in flags.values()) > 0
    strict = world_of().with_values({"grading.hlh_ferritin_ug_l": bound / 5.0})
    lower = outcomes_in(arm_of("tarlatamab", world=strict), world=strict)["has_hlh_like_ferritin"]
    assert lower.mean() > flags["tarlatamab"]["has_hlh_like_ferritin"].mean()
    assert lower[flags["tarlatamab"]["has_hlh_like_ferritin"]].all()
