"""What each drug, dose and feature does to patients: the direction a clinician expects, in twins.

Twins are the same patient in two arms, so the mechanism alone differs. Claims about laboratory
values and temperature are made in the open loop (no ward) after the first dose and hold for every
single patient. Claims about grades are statistical: the z of the paired difference was measured to
be 8 or more at these n, and 3 is asked for, so a false alarm needs a draw five standard errors away
(fewer than 1e-6 of seeds).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.layout import TRACE
from crsrisk.simulation.population import Patients
from crsrisk.simulation.run import run
from tests.simulation.people import (
    Values,
    arm_of,
    episode,
    people,
    product_of,
    trace,
    varied,
    with_covariate,
    with_flag,
    world_of,
)

_N = 48
_FIRST_DOSE_D = 6.0  # days: the second dose comes on day 8
_Z = 3.0


def peaks(arm: Arm, patients: Patients | None = None) -> dict[str, Values]:
    """Highest value of every state in the open loop, by name."""
    at = run(arm, patients or people(arm, _N), world=world_of(), has_support=False, has_traces=True)
    return {name: trace(at, name).max(axis=0) for name in TRACE}


def z_of_twins(one: Values, other: Values, *, at: int) -> float:
    """Standardised paired difference in the share of patients with grade ``at`` or more (other
    minus one).
    """
    difference = (other >= at).astype(float) - (one >= at)
    return float(difference.mean() / (difference.std() / np.sqrt(len(difference)) + 1e-12))


@pytest.fixture(scope="module")
def untreated() -> dict[str, Values]:
    """Tarlatamab without steroid, first dose."""
    return peaks(arm_of("tarlatamab", regimen="label_no_steroid", window_d=_FIRST_DOSE_D))


@dataclass(frozen=True)
class Effect:
    """What a drug must lower in everyone, may raise in everyone, and must leave exactly as it
    was.
    """

    agent: str
    lowers: tuple[str, ...]
    leaves: tuple[str, ...]
    raises: tuple[str, ...] = ()


_DRUG, _T_CELLS = (
    ("central", "peripheral", "cells"),
    ("active", "interferon", "desensitised", "slowly_desensitised"),
)
_MYELOID = ("myeloid", "il6", "il1", "crp", "ferritin", "leak", "temperature")
EFFECTS = (
    Effect("tocilizumab", ("crp", "temperature", "leak"), (*_DRUG, *_T_CELLS), raises=("il6",)),
    Effect("siltuximab", ("crp", "temperature", "leak"), (*_DRUG, *_T_CELLS)),
    Effect("dexamethasone", ("active", "tnf", "interferon", *_MYELOID), _DRUG),
    Effect("methylprednisolone", ("active", "tnf", "interferon", *_MYELOID), _DRUG),
    Effect("dasatinib", ("active", "tnf", "interferon", *_MYELOID), _DRUG),
    Effect("anakinra", _MYELOID, (*_DRUG, *_T_CELLS)),
    Effect("canakinumab", _MYELOID, (*_DRUG, *_T_CELLS)),
    Effect("etanercept", _MYELOID, (*_DRUG, *_T_CELLS)),
    Effect("infliximab", _MYELOID, (*_DRUG, *_T_CELLS)),
    Effect("lenzilumab", _MYELOID, (*_DRUG, *_T_CELLS)),
    Effect("mavrilimumab", _MYELOID, (*_DRUG, *_T_CELLS)),
    # interferon itself stays: its signal falls
    Effect("emapalumab", _MYELOID, (*_DRUG, *_T_CELLS)),
    Effect("ruxolitinib", _MYELOID, (*_DRUG, *_T_CELLS)),
    Effect("itacitinib", (*_MYELOID, "active"), _DRUG),
    Effect("plasma_exchange", ("tnf", "interferon", "il1", "il6", "crp"), _DRUG),
    Effect(
        "antipyretic", ("temperature",), (*_DRUG, *_T_CELLS, "tnf", "il6", "crp", "leak", "myeloid")
    ),
)


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.agent)
def test_each_drug_acts_on_its_node_and_downstream(
    effect: Effect, untreated: dict[str, Values]
) -> None:
    arm = arm_of(
        "tarlatamab",
        regimen="label_no_steroid",
        window_d=_FIRST_DOSE_D,
        mitigations=(effect.agent,),
    )
    treated = peaks(arm)
    for name in effect.lowers:
        assert (treated[name] < untreated[name]).all(), f"{name} lower"
    for name in effect.raises:
        assert (treated[name] > 1.5 * untreated[name]).all(), f"{name} higher"
    for name in effect.leaves:
        assert treated[name] == pytest.approx(untreated[name], rel=1e-9), f"{name} the same"


def test_every_drug_with_a_node_is_spoken_of() -> None:
    acting = {name for name, agent in world_of().mitigations.items() if agent.acts_on}
    assert acting == {effect.agent for effect in EFFECTS} | {"suicide_gene"}


def test_a_suicide_gene_kills_the_cells_it_is_built_into() -> None:
    """Triggered at the infusion, it leaves a minority of the cells in everyone; an engager has no
    such gene.

    The survivors grow back: what they drive comes later and is never more.
    """
    plain, with_it = arm_of("cldn182_car_t"), arm_of("cldn182_car_t", mitigations=("suicide_gene",))
    one, other = (episode(arm, _N, has_support=False, has_traces=True) for arm in (plain, with_it))
    third_day = one.time_h == 60.0
    assert (trace(other, "cells")[third_day] < 0.5 * trace(one, "cells")[third_day]).all()
    assert (other.tracks["peak_tnf"] <= one.tracks["peak_tnf"] * (1 + 1e-9)).all()
    engager = arm_of("tarlatamab", regimen="label_no_steroid", window_d=_FIRST_DOSE_D)
    gene = arm_of(
        "tarlatamab",
        regimen="label_no_steroid",
        window_d=_FIRST_DOSE_D,
        mitigations=("suicide_gene",),
    )
    assert peaks(engager)["active"] == pytest.approx(peaks(gene)["active"], rel=1e-9)


@pytest.mark.parametrize(
    ("product", "one", "other", "at", "n", "sign"),
    [
        pytest.param(
            "tarlatamab",
            {"regimen": "label_no_steroid"},
            {"regimen": "label"},
            1,
            400,
            -1,
            id="dexamethasone lowers any grade",
        ),
        pytest.param(
            "tarlatamab",
            {"regimen": "label_no_steroid"},
            {"regimen": "label_no_steroid", "mitigations": ("tocilizumab",)},
            1,
            400,
            -1,
            id="tocilizumab lowers any grade",
        ),
        pytest.param(
            "tarlatamab",
            {"regimen": "label_no_steroid"},
            {"regimen": "label_no_steroid", "mitigations": ("tocilizumab",)},
            2,
            400,
            -1,
            id="tocilizumab lowers grade 2",
        ),
        pytest.param(
            "tarlatamab",
            {"regimen": "label_no_steroid"},
            {"regimen": "fixed_10mg_no_steroid"},
            2,
            600,
            1,
            id="no step-up raises grade 2",
        ),
        pytest.param(
            "tebentafusp",
            {"regimen": "label"},
            {"regimen": "fixed_68ug"},
            2,
            600,
            1,
            id="no step-up raises grade 2 of tebentafusp",
        ),
    ],
)
def test_twins_in_the_ward(
    product: str, one: dict[str, Any], other: dict[str, Any], at: int, n: int, sign: int
) -> None:
    grades = [episode(arm_of(product, **choice), n).tracks["max_grade"] for choice in (one, other)]
    assert sign * z_of_twins(*grades, at=at) > _Z


def test_step_up_exposes_only_an_increment() -> None:
    """The full dose after a step activates fewer T cells than the full dose to a naive patient: in
    everyone.
    """
    stepped = episode(
        arm_of("tarlatamab", regimen="label_no_steroid", window_d=13.0),
        _N,
        has_support=False,
        has_traces=True,
    )
    naive = episode(
        arm_of("tarlatamab", regimen="fixed_10mg_no_steroid", window_d=_FIRST_DOSE_D),
        _N,
        has_support=False,
        has_traces=True,
    )
    second = trace(stepped, "active")[stepped.time_h >= 168.0].max(axis=0)
    occasion = people(arm_of("tarlatamab"), _N).occasions
    # patients whose second dose is no more exciting by chance
    fair = occasion[:, 1] <= occasion[:, 0]
    assert fair.sum() > 10
    assert (second[fair] < trace(naive, "active").max(axis=0)[fair]).all()


def test_under_the_skin_everything_comes_later() -> None:
    """The same dose by the other route: peaks of drug, IL-6 and temperature are later in
    everyone.
    """
    product = product_of("tarlatamab")
    usual = product.regimens["label_no_steroid"]
    other = product.model_copy(
        update={
            "regimens": {
                **product.regimens,
                "label_no_steroid": usual.model_copy(update={"route": "sc"}),
            }
        }
    )
    at = [
        episode(
            arm_of(of, regimen="label_no_steroid", window_d=_FIRST_DOSE_D),
            _N,
            has_support=False,
            has_traces=True,
        )
        for of in (product, other)
    ]
    for name in ("central", "il6", "temperature"):
        vein, skin = (of.time_h[trace(of, name).argmax(axis=0)] for of in at)
        assert (skin > vein).all(), name
        assert np.median(skin) > 1.5 * np.median(vein), name


@pytest.mark.parametrize("product", ["tebentafusp", "tarlatamab", "cldn182_car_t"])
def test_less_restriction_means_more_cytokine(product: str) -> None:
    one, two, three = (
        peaks(arm_of(varied(product, "binding", antigen_restriction=r), window_d=_FIRST_DOSE_D))[
            "il6"
        ]
        for r in (1.0, 0.6, 0.2)
    )
    assert (one < two).all()
    assert (two < three).all()


def test_a_mask_spares_normal_tissue() -> None:
    """The less of the drug is active outside the tumour, the less IL-6, down to none from there.

    Where normal tissue gives nearly a full signal already, a faster start may cost a peak a few
    parts in ten thousand.
    """
    shares = (0.0, 0.002, 0.02, 0.2)
    il6 = [
        peaks(
            arm_of(
                varied("psma_masked_engager", "binding", active_fraction_periphery=share),
                window_d=_FIRST_DOSE_D,
            )
        )["il6"]
        for share in shares
    ]
    for less, more in pairwise(il6):
        assert (more > 0.999 * less).all()
        assert (more > less).mean() > 0.9
    fully = peaks(
        arm_of(
            varied(
                "psma_masked_engager",
                "binding",
                active_fraction_periphery=0.0,
                antigen_restriction=1.0,
            ),
            window_d=_FIRST_DOSE_D,
        )
    )["il6"]
    assert il6[0] == pytest.approx(fully, rel=1e-9)


def _shifted(
    name: str, *, world: World | None = None
) -> tuple[dict[str, Values], dict[str, Values]]:
    """Peaks after the first dose of tarlatamab, as the patients are and with one covariate 1 SD
    higher.
    """
    there = world or world_of()
    arm = arm_of("tarlatamab", regimen="label_no_steroid", window_d=_FIRST_DOSE_D, world=there)
    patients = people(arm, 96, world=there)
    if name == "has_liver_metastases":
        one, other = with_flag(patients, name, 0.0), with_flag(patients, name, 1.0)
    else:
        one, other = patients, with_covariate(patients, name, 1.0)
    return (
        run(arm, one, world=there, has_support=False).tracks,
        run(arm, other, world=there, has_support=False).tracks,
    )


@pytest.mark.parametrize(
    "name",
    ["sum_of_diameters_mm", "has_liver_metastases", "crp_mg_l", "il6_pg_ml", "ferritin_ug_l"],
)
def test_burden_and_inflammation_raise_il6_in_everyone(name: str) -> None:
    usual, more = _shifted(name)
    assert (more["peak_il6"] > usual["peak_il6"]).all()


def test_ldh_raises_il6_above_its_upper_limit_and_does_nothing_below() -> None:
    usual, more = _shifted("ldh_x_uln")
    higher = more["peak_il6"] > usual["peak_il6"]
    assert (more["peak_il6"][~higher] == usual["peak_il6"][~higher]).all()
    assert 0.5 < higher.mean() < 1.0


@pytest.mark.parametrize("name", ["sum_of_diameters_mm", "has_liver_metastases", "ldh_x_uln"])
def test_without_burden_twins_are_identical(name: str) -> None:
    usual, more = _shifted(name, world=world_of("burden_null"))
    assert all(np.array_equal(usual[track], more[track]) for track in usual)


@pytest.mark.parametrize("name", ["crp_mg_l", "ferritin_ug_l"])
def test_without_inflammation_twins_differ_by_their_baseline_alone(name: str) -> None:
    """CRP and ferritin still start where they start; T cells, cytokines and IL-6 no longer know of
    them.
    """
    usual, more = _shifted(name, world=world_of("inflammation_null"))
    for track in ("peak_active", "peak_tnf", "peak_interferon", "peak_il6"):
        assert np.array_equal(usual[track], more[track]), track


def test_in_the_strong_world_burden_raises_grade_2() -> None:
    world = world_of("burden_strong")
    arm = arm_of("tarlatamab", regimen="label_no_steroid", world=world)
    patients = people(arm, 500, world=world)
    bulky = with_flag(
        with_covariate(patients, "sum_of_diameters_mm", 1.0), "has_liver_metastases", 1.0
    )
    grades = [run(arm, group, world=world).tracks["max_grade"] for group in (patients, bulky)]
    assert z_of_twins(*grades, at=2) > _Z
