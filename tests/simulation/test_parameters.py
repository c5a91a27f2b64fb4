"""Parameters: each clinical feature enters where its mechanism is, nowhere else, and can be
switched off.

These are exact statements about the numbers that the solver gets, so they need no statistics: when
no parameter changes, no outcome can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.assumptions import Quantity
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.product import CELLULAR, Product, RandomEffects, Regimen
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm, timetable
from crsrisk.simulation.layout import PARAMETERS
from crsrisk.simulation.parameters import (
    antigen_copies,
    antigen_need,
    apparent_affinity_nm,
    bridging,
    crowding,
    dose_intensity,
    infused_cells,
    leak_gain,
    loads,
    loop_gains,
    patient_parameters,
)
from crsrisk.simulation.population import HABITS, TRAITS, Patients, covariate, covariates
from tests.simulation.people import (
    PRODUCTS,
    Values,
    arm_of,
    people,
    product_of,
    varied,
    with_covariate,
    with_flag,
    world_of,
)


def table_of(arm: Arm, patients: Patients, world: World | None = None) -> dict[str, Values]:
    """Every parameter by name, shape (n,)."""
    there = world or world_of()
    table = patient_parameters(arm, patients, world=there, plan=timetable(arm, world=there))
    return dict(zip(PARAMETERS, table, strict=True))


def changed(one: Mapping[str, Values], other: Mapping[str, Values]) -> set[str]:
    """Names of the parameters that differ in any patient."""
    return {name for name in PARAMETERS if not np.array_equal(one[name], other[name])}


def moved(name: str, *, world: World | None = None, product: str = "tarlatamab") -> set[str]:
    """Parameters that one covariate moves."""
    arm = arm_of(product, world=world)
    patients = people(arm, 64, world=world)
    other = with_covariate(patients, name, 0.7)
    return changed(table_of(arm, patients, world), table_of(arm, other, world))


CEILING = {"w_il1", "tnf_from_m", "il6_by_leak"}  # what the smooth ceilings on the loop gains move
# covariate -> the parameters through which it acts (susceptibility to leak: `leak_on`)
ENTRANCES = {
    "sum_of_diameters_mm": {"load_tumour"},
    "crp_mg_l": {"gain_m", "crp_per_signal"},
    "ferritin_ug_l": {"w_il1", "ferritin_baseline"},
    "ldh_x_uln": {"w_damage"},
    "il6_pg_ml": {"il6_basal", "il6_from_m", "signal_at_rest", "crp_per_signal"},
    "lymphocytes_g_l": {"gain_t"},
    "age_years": {"gain_t", "pyrogen_half", "leak_on"},
    "albumin_g_l": {"leak_on"},
    "creatinine_umol_l": {"leak_on"},
    "platelets_g_l": {"leak_on"},
    "weight_kg": {"elimination", "to_peripheral", "to_central", "concentration", "toci_dose"},
}


@pytest.mark.parametrize("name", ENTRANCES)
def test_each_covariate_enters_through_its_mechanism(name: str) -> None:
    """At most the smooth ceiling on the loop gain moves beside the mechanism named."""
    found = moved(name)
    assert ENTRANCES[name] <= found <= ENTRANCES[name] | CEILING


SWITCHES = {
    "sum_of_diameters_mm": ({"engagement.burden_exponent": 0.0}, set()),
    "crp_mg_l": ({"cascade.crp_myeloid_exponent": 0.0}, {"crp_per_signal"}),
    "ferritin_ug_l": ({"cascade.ferritin_il1_exponent": 0.0}, {"ferritin_baseline"}),
    "ldh_x_uln": ({"cascade.ldh_damp_slope": 0.0}, set()),
    "lymphocytes_g_l": ({"engagement.lymphocyte_exponent": 0.0}, set()),
    "albumin_g_l": ({"vitals.leak_albumin_exponent": 0.0}, set()),
    "creatinine_umol_l": ({"vitals.leak_creatinine_exponent": 0.0}, set()),
    "platelets_g_l": ({"vitals.leak_platelet_exponent": 0.0}, set()),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_each_covariate_can_be_switched_off(name: str) -> None:
    """What remains is that a baseline value starts at itself: CRP at the patient's CRP."""
    switch, left = SWITCHES[name]
    assert moved(name, world=world_of().with_values(switch)) == left


def test_baseline_il6_can_be_switched_off() -> None:
    world = world_of().with_values({"cascade.il6_baseline_exponent": 0.0})
    left = {"il6_basal", "signal_at_rest", "crp_per_signal"}
    assert left <= moved("il6_pg_ml", world=world) <= left | CEILING


@pytest.mark.parametrize(
    ("flag", "entrance", "switch"),
    [
        (
            "has_liver_metastases",
            {"load_tumour", "gain_m"},
            {
                "engagement.liver_metastases_load_ratio": 1.0,
                "cascade.liver_metastases_myeloid_ratio": 1.0,
            },
        ),
        ("has_infection", {"gain_m"}, {"cascade.infection_myeloid_ratio": 1.0}),
        ("is_female", {"gain_t"}, {"engagement.female_gain_ratio": 1.0}),
        (
            "ecog",
            {"leak_on", "normal_spo2"},
            {"vitals.leak_ecog_ratio": 1.0, "vitals.spo2_ecog_fall_pct": 0.0},
        ),
        ("n_metastatic_sites", set(), {}),
        (
            "has_lung_involvement",
            {"organ_drive"},
            {"vitals.organ_lung_involvement_ratio": 1.0},
        ),
    ],
)
def test_conditions_enter_and_can_be_switched_off(
    flag: str, entrance: set[str], switch: dict[str, float]
) -> None:
    arm = arm_of(varied("tarlatamab", "binding", vital_organ_expression=0.1))
    patients = people(arm, 64)
    one, other = with_flag(patients, flag, 0.0), with_flag(patients, flag, 1.0)
    found = changed(table_of(arm, one), table_of(arm, other))
    assert entrance <= found <= entrance | CEILING
    off = world_of().with_values(switch)
    assert changed(table_of(arm, one, off), table_of(arm, other, off)) == set()


def test_under_burden_null_burden_is_nowhere() -> None:
    """Diameters, liver metastases and LDH moved together: not one number of the solver changes."""
    null = world_of("burden_null")
    for product in PRODUCTS:
        arm = arm_of(product, world=null)
        patients = people(arm, 32, world=null)
        other = with_flag(
            with_covariate(patients, "sum_of_diameters_mm", 2.0), "has_liver_metastases", 1.0
        )
        other = with_covariate(other, "ldh_x_uln", 1.5)
        assert changed(table_of(arm, patients, null), table_of(arm, other, null)) == set(), product


def test_burden_raises_the_load_by_its_exponent() -> None:
    arm = arm_of("tarlatamab")
    patients = people(arm, 32)
    other = with_covariate(patients, "sum_of_diameters_mm", 1.0)
    k, marginal = (
        CONTINUOUS.index("sum_of_diameters_mm"),
        arm.population.marginals["sum_of_diameters_mm"],
    )
    ratio = covariate(other.latent[:, k], marginal) / covariate(patients.latent[:, k], marginal)
    got = table_of(arm, other)["load_tumour"] / table_of(arm, patients)["load_tumour"]
    assert got == pytest.approx(
        ratio ** world_of().assumptions.value("engagement.burden_exponent"), rel=1e-9
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_full_antigen_restriction_removes_the_load_of_normal_tissue(product: str) -> None:
    def values(restriction: float) -> dict[str, Values]:
        arm = arm_of(varied(product, "binding", antigen_restriction=restriction))
        return table_of(arm, people(arm, 16))

    none, half, full = values(0.0), values(0.5), values(1.0)
    assert (full["load_normal"] == 0.0).all()
    assert half["load_normal"] == pytest.approx(none["load_normal"] / 2)
    assert (none["load_normal"] > 0.0).all()
    assert changed(none, full) == {"load_normal"}


def _load(product: str, **binding: float) -> Values:
    arm = arm_of(varied(product, "binding", **binding))
    patients = people(arm, 16)
    return loads(arm, patients, covariates(patients, arm.population), world=world_of())[0]


def test_density_potency_of_cells_and_checkpoint_change_the_load() -> None:
    usual = _load("tarlatamab")
    assert (_load("cldn182_car_t", antigen_density_copies=1e7) > _load("cldn182_car_t")).all()
    assert _load("cldn182_car_t", cell_potency=2.0) == pytest.approx(
        2.0 * _load("cldn182_car_t", cell_potency=1.0)
    )
    assert (_load("tarlatamab", checkpoint_modulation=1.0) > usual).all()
    # what a drug bridges is the solver's: neither density nor the tumour arm is in the load
    for unmoved in (
        {"antigen_density_copies": 1e7},
        {"tumour_affinity_nm": 10.0},
        {"valency": 2.0},
    ):
        assert np.array_equal(_load("tarlatamab", **unmoved), usual), unmoved
    # cells: half of the strength at the density that the platform needs; for a drug the solver
    # counts bridges
    need = world_of().assumptions.value("engagement.need_car_t_copies")
    half, most = (
        _load("cldn182_car_t", antigen_density_copies=need),
        _load("cldn182_car_t", antigen_density_copies=1e12),
    )
    assert half == pytest.approx(most / 2, rel=1e-6)
    sparse = antigen_need(
        arm_of(varied("tarlatamab", "binding", antigen_density_copies=1000.0)), world=world_of()
    )
    assert sparse == pytest.approx(
        2.0
        * antigen_need(
            arm_of(varied("tarlatamab", "binding", antigen_density_copies=2000.0)), world=world_of()
        )
    )


@pytest.mark.parametrize("field", ["stroma_barrier", "suppression"])
def test_stroma_and_suppression_lower_the_load(field: str) -> None:
    def load(value: float) -> Values:
        arm = arm_of("tarlatamab")
        quantity = getattr(arm.population, field).model_copy(update={"value": value})
        other = replace(arm, population=arm.population.model_copy(update={field: quantity}))
        patients = people(arm, 16)
        return loads(other, patients, covariates(patients, other.population), world=world_of())[0]

    effect = world_of().assumptions.value(
        "engagement.stroma_effect" if field == "stroma_barrier" else "engagement.suppression_effect"
    )
    assert load(1.0) == pytest.approx((1.0 - effect) * load(0.0))
    assert (load(0.5) < load(0.0)).all()


def test_checkpoint_release_gives_back_what_suppression_takes() -> None:
    """A checkpoint arm undoes its share of the suppression, and all of it when the release is
    complete.
    """
    world = world_of().with_values({"engagement.checkpoint_release": 1.0})
    arm = arm_of(varied("tarlatamab", "binding", checkpoint_modulation=1.0), world=world)
    free = replace(
        arm,
        population=arm.population.model_copy(
            update={"suppression": arm.population.suppression.model_copy(update={"value": 0.0})}
        ),
    )
    patients = people(arm, 8)
    true = covariates(patients, arm.population)
    assert np.array_equal(
        loads(arm, patients, true, world=world)[0], loads(free, patients, true, world=world)[0]
    )


def test_masking_enters_as_the_active_share() -> None:
    one = arm_of(varied("psma_masked_engager", "binding", active_fraction_periphery=0.1))
    other = arm_of(varied("psma_masked_engager", "binding", active_fraction_periphery=1.0))
    patients = people(one, 8)
    assert changed(table_of(one, patients), table_of(other, patients)) == {"share_active_normal"}


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_parameter_is_a_number(product: str) -> None:
    """Also for patients three SD out in every unmeasured trait."""
    arm = arm_of(product)
    patients = people(arm, 32)
    traits = np.where(np.arange(32)[:, None] % 2 == 0, 3.0, -3.0) * np.ones((1, len(TRAITS)))
    for group in (patients, replace(patients, traits=traits)):
        table = table_of(arm, group)
        assert all(np.isfinite(values).all() for values in table.values())
        may_be_negative = {"fluids_fall"}
        assert {name for name, values in table.items() if values.min() < 0.0} <= may_be_negative


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_leak_cannot_sustain_itself(product: str) -> None:
    """IL-6 opens vessels and leaky vessels make IL-6: around rest that loop must fade in
    everyone.
    """
    arm = arm_of(product)
    patients = people(arm, 256)
    extreme = patients.traits.copy()
    for name in ("il6", "endothelium"):
        extreme[:128, TRAITS.index(name)] = 4.0
    for group in (patients, replace(patients, traits=extreme)):
        assert (
            leak_gain(table_of(arm, group))
            < world_of().assumptions.value("cascade.loop_gain_ceiling")
        ).all()


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_loop_gains_stay_below_their_ceiling(product: str) -> None:
    """For everyone, the most excitable included; what lies below half of the ceiling is not
    touched.
    """
    arm = arm_of(product)
    patients = people(arm, 256)
    ceiling = world_of().assumptions.value("cascade.loop_gain_ceiling")
    assert ceiling < 1.0, "at 1 activation sustains itself"
    extreme = patients.traits.copy()
    extreme[:128, TRAITS.index("myeloid")] = 4.0
    for group in (patients, replace(patients, traits=extreme)):
        assert (np.add(*loop_gains(table_of(arm, group))) < ceiling).all()
    free = world_of().with_values({"cascade.loop_gain_ceiling": 1e9})
    for gain, held in zip(
        loop_gains(table_of(arm, patients, free)), loop_gains(table_of(arm, patients)), strict=True
    ):
        calm = gain < ceiling / 4
        assert held[calm] == pytest.approx(gain[calm], rel=1e-3)
        assert (held <= gain * (1 + 1e-12)).all()
        order = np.argsort(gain)
        assert (np.diff(held[order]) >= -1e-12).all(), (
            "the ceiling must not change who is more excitable"
        )


def test_dose_intensity_is_relative_to_the_usual_first_dose() -> None:
    assert (
        dose_intensity(people(arm_of("tarlatamab"), 3), arm=arm_of("tarlatamab")).tolist()
        == [1.0] * 3
    )
    ten = arm_of("tarlatamab", regimen="fixed_10mg")
    assert dose_intensity(people(ten, 3), arm=ten).tolist() == [10.0] * 3
    cells = arm_of("cldn182_car_t", regimen="dose_500")
    given = dose_intensity(people(cells, 4000), arm=cells)
    sd = cells.regimen.amount_log_sd
    # |z| < 5: a false alarm in < 1e-6 of seeds
    assert abs(np.log(given / 2.0).mean()) < 5 * sd / np.sqrt(4000)
    assert np.log(given).std() == pytest.approx(sd, rel=5 / np.sqrt(2 * 4000))
    linear = world_of().with_values({"exposure.dose_exponent": 1.0})
    scale = table_of(cells, people(cells, 4000), linear)["dose_scale"]
    assert scale * 2.0 == pytest.approx(given), "what the table states is what the solver gives"


@given(weight=st.floats(-4.0, 4.0))
def test_tocilizumab_is_8_mg_per_kg_and_at_most_800_mg(weight: float) -> None:
    arm = arm_of("tarlatamab")
    patients = people(arm, 1)
    latent = patients.latent.copy()
    latent[:, CONTINUOUS.index("weight_kg")] = weight
    heavy = replace(patients, latent=latent)
    kg = covariates(heavy, arm.population)["weight_kg"][0]
    milligrams = table_of(arm, heavy)["toci_dose"][0] * 8.0 * kg
    assert milligrams == pytest.approx(min(8.0 * kg, 800.0))


def _with_regimen(product: str, **changes: Any) -> Product:
    """A product with its usual regimen changed."""
    whole = product_of(product)
    usual: Regimen = whole.regimens[whole.default_regimen]
    return whole.model_copy(
        update={
            "regimens": {
                **whole.regimens,
                whole.default_regimen: usual.model_copy(update=changes),
            }
        }
    )


@pytest.mark.parametrize("product", ["tarlatamab", "cldn182_car_t"])
def test_doses_by_body_size_follow_the_body(product: str) -> None:
    """A dose per kg is multiplied by the weight, one per m2 by the surface: Mosteller 1987 at 170
    cm, root of 170 x kg / 3600.
    """
    unit = "1e6 cells" if product_of(product).platform in CELLULAR else "ug"
    scales = {}
    for per in ("", "/kg", "/m2"):
        arm = arm_of(_with_regimen(product, amount_unit=unit + per, amount_log_sd=0.0))
        patients = people(arm, 16)
        table, true = table_of(arm, patients), covariates(patients, arm.population)
        assert np.array_equal(table["dose_scale"], table["later_dose_scale"])
        if unit != "ug":  # what the room is shared by is the number given
            times = arm.regimen.doses[0].amount / 250.0
            found = infused_cells(arm, patients, true, world=world_of())
            assert found == pytest.approx(times * table["dose_scale"])
        scales[per], kg = table["dose_scale"], true["weight_kg"]
    assert (scales[""] == 1.0).all()
    assert scales["/kg"] == pytest.approx(kg)
    assert scales["/m2"] == pytest.approx(np.sqrt(170.0 * kg / 3600.0), rel=0.01)


def test_doses_by_weight_as_shipped() -> None:
    arm = arm_of("psma_sc_engager")
    patients = people(arm, 16)
    kg = covariates(patients, arm.population)["weight_kg"]
    assert table_of(arm, patients)["dose_scale"] == pytest.approx(kg)


@pytest.mark.parametrize("product", ["tarlatamab", "til_il2"])
def test_later_doses_may_differ_more_between_patients(product: str) -> None:
    """One draw of a patient sets how far from the stated dose each of his is;
    ``later_amount_log_sd`` comes on top after the first.
    """
    arm = arm_of(_with_regimen(product, amount_log_sd=0.2, later_amount_log_sd=0.5))
    patients = people(arm, 64)
    z = patients.traits[:, TRAITS.index("cell_dose")]
    table = table_of(arm, patients)
    assert table["dose_scale"] == pytest.approx(np.exp(0.2 * z))
    assert table["later_dose_scale"] == pytest.approx(np.exp(0.7 * z))
    off = world_of().with_values({"exposure.dose_exponent": 0.0})
    for name in ("dose_scale", "later_dose_scale"):
        assert (table_of(arm, patients, off)[name] == 1.0).all(), (
            "the switch takes the spread along"
        )


def test_lymphodepletion_and_g_csf() -> None:
    """Cells grow better after lymphodepletion, the more the stronger it was; G-CSF primes the
    myeloid cells.
    """

    def values(**regimen: Any) -> dict[str, Values]:
        arm = arm_of(_with_regimen("afami_cel", **regimen))
        return table_of(arm, people(arm, 8))

    without = values(has_lymphodepletion=False)
    ratio = world_of().assumptions.value("engagement.no_lymphodepletion_growth_ratio")
    for intensity in (0.5, 1.0, 1.5):
        with_it = values(has_lymphodepletion=True, lymphodepletion_intensity=intensity)
        assert without["growth"] == pytest.approx(ratio**intensity * with_it["growth"])
        assert changed(with_it, without) == {"growth"}
    primed, plain = values(has_g_csf=True), values(has_g_csf=False)
    assert (primed["gain_m"] > plain["gain_m"]).all()


def test_interleukin_2_feeds_cells_that_were_infused() -> None:
    """Growth and activation of cells; under a drug nothing, whatever the assumption."""
    more = {"engagement.growth_by_il2": 1.7, "engagement.gain_by_il2": 0.9}
    for product in PRODUCTS:
        arm = arm_of(product)
        patients = people(arm, 8)
        usual, fed = (table_of(arm, patients, w) for w in (None, world_of().with_values(more)))
        if arm.product.platform in CELLULAR:
            assert changed(usual, fed) == {"growth_by_il2", "gain_by_il2"}, product
        else:
            assert changed(usual, fed) == set(), product
            assert (usual["growth_by_il2"] == 0.0).all()


@given(valency=st.floats(1.0, 6.0), affinity=st.floats(0.01, 100.0), copies=st.floats(10.0, 1e6))
def test_avidity_rises_with_valency_and_density(
    valency: float, affinity: float, copies: float
) -> None:
    """One arm has the affinity of one arm; a second one meets 0.01 nM a copy: KA / (1 + (v - 1)
    local / KA), so that two arms matter where antigen is dense and the arm is loose.
    """

    def apparent(v: float, ka: float, number: float) -> float:
        arm = arm_of(varied("tarlatamab", "binding", valency=v, tumour_affinity_nm=ka))
        return apparent_affinity_nm(arm, copies=number, world=world_of())

    local = copies * world_of().assumptions.value("engagement.avidity_of_a_copy")
    found = apparent(valency, affinity, copies)
    assert apparent(1.0, affinity, copies) == pytest.approx(affinity)
    assert found == pytest.approx(affinity / (1.0 + (valency - 1.0) * local / affinity))
    assert found <= affinity * (1 + 1e-12)
    assert apparent(valency + 1.0, affinity, copies) < found
    assert apparent(valency, affinity * 2.0, copies) > found
    assert apparent(valency, affinity, copies * 2.0) <= found


@pytest.mark.parametrize("product", ["tarlatamab", "tebentafusp"])
def test_affinity_density_and_avidity_enter_the_ternary_complex(product: str) -> None:
    """Each moves its own constants; normal tissue has a share of the copies, hence less avidity."""
    g = world_of().assumptions.group("engagement")
    arm = arm_of(product)
    patients = people(arm, 8)
    usual = table_of(arm, patients)
    for name, moves in {
        "tumour_affinity_nm": {"tumour_affinity", "normal_affinity"},
        "cd3_affinity_nm": {"cd3_affinity", "load_tumour", "load_normal"},
        "valency": {"tumour_affinity", "normal_affinity"},
        "antigen_density_copies": {"limit_tumour", "limit_normal", "cross_tumour", "cross_normal"},
    }.items():
        value = getattr(arm.product.binding, name).value
        other = table_of(arm_of(varied(product, "binding", **{name: 3.0 * value})), patients)
        assert changed(usual, other) == moves, name
    # what calibration inferred of this product's potency set aside
    arm = arm_of(_with_effects(product))
    found, copies = bridging(arm, world=world_of()), antigen_copies(arm)
    need = g[f"need_{arm.product.platform}_copies"]
    sparse = g["normal_tissue_density_ratio"] * copies
    for tissue, number in (("tumour", copies), ("normal", sparse)):
        assert found[f"limit_{tissue}"] == pytest.approx(
            1.0 + need / number + need / g["cd3_copies"]
        )
        assert found[f"cross_{tissue}"] == pytest.approx(
            need * g["membrane_crossing"] / (number * g["cd3_copies"])
        )
    two = bridging(arm_of(varied(product, "binding", valency=2.0)), world=world_of())
    assert two["tumour_affinity"] < two["normal_affinity"] < found["normal_affinity"]


@given(weak=st.floats(1.0, 2000.0), factor=st.floats(1.01, 100.0))
def test_a_bridge_counts_for_as_long_as_it_lasts(weak: float, factor: float) -> None:
    """Kinetic proofreading: half the height at ``engagement.cd3_dwell_nm``, at whatever dose; cells
    have no such arm.
    """
    dwell = world_of().assumptions.value("engagement.cd3_dwell_nm")
    of = {ka: _load("tarlatamab", cd3_affinity_nm=ka)[0] for ka in (weak / factor, weak, dwell)}
    assert of[weak / factor] > of[weak]
    assert of[weak] / of[dwell] == pytest.approx(2.0 / (1.0 + weak / dwell))
    assert np.array_equal(
        _load("cldn182_car_t", cd3_affinity_nm=weak), _load("cldn182_car_t", cd3_affinity_nm=1.0)
    )


def _with_effects(product: str, **logs: float) -> Product:
    """A product whose calibration inferred these random effects (0 where none is named)."""
    effects = {
        name: Quantity(
            value=logs.get(name, 0.0),
            unit="1",
            spread=0.5,
            range=[-3.0, 3.0],
            source="a test",
            strength="assumed",
        )
        for name in RandomEffects.model_fields
    }
    return product_of(product).model_copy(update={"random_effects": RandomEffects(**effects)})


@pytest.mark.parametrize("product", PRODUCTS)
def test_random_effects_of_a_product_are_constants_of_its_own(product: str) -> None:
    """Each is worth a change of one stated number: crossing or the half effect of cells, strength
    of the platform, frailty of the patients. Nought changes nothing.
    """
    there = world_of()
    arm = arm_of(product_of(product).model_copy(update={"random_effects": None}))
    platform, patients = arm.product.platform, people(arm, 16)
    usual = table_of(arm, patients)
    assert changed(usual, table_of(arm_of(_with_effects(product)), patients)) == set()
    is_engager = platform in ("tce", "immtac")
    half = "membrane_crossing" if is_engager else f"cells_half_{platform}"
    for name, key, power in (
        ("log_potency", f"engagement.{half}", -1.0),
        ("log_efficacy", f"engagement.strength_{platform}", 1.0),
    ):
        value = there.assumptions.value(key) * np.exp(0.4 * power)
        wanted = table_of(arm, patients, there.with_values({key: float(value)}))
        found = table_of(arm_of(_with_effects(product, **{name: 0.4})), patients)
        moves = changed(usual, found)
        assert moves, name
        assert moves == changed(usual, wanted), name
        for parameter in moves:
            assert found[parameter] == pytest.approx(wanted[parameter], rel=1e-9), parameter
    frail = arm.population.frailty_ratio.model_copy(
        update={"value": arm.population.frailty_ratio.value * float(np.exp(0.4))}
    )
    weak = replace(arm, population=arm.population.model_copy(update={"frailty_ratio": frail}))
    wanted = table_of(weak, patients)
    found = table_of(arm_of(_with_effects(product, log_severity=0.4)), patients)
    assert "leak_on" in changed(usual, found) <= {"leak_on", "il6_by_leak"}
    for parameter in ("leak_on", "il6_by_leak"):
        assert found[parameter] == pytest.approx(wanted[parameter], rel=1e-9), parameter


@pytest.mark.parametrize("product", ["tarlatamab", "cldn182_car_t"])
def test_the_tumour_type_says_how_dense_the_antigen_is(product: str) -> None:
    """A ratio of the population multiplies the copies that the product's file states; that of
    another antigen does nothing.
    """
    arm = arm_of(product)
    ratio = arm.population.frailty_ratio.model_copy(update={"value": 0.25})
    copies = arm.product.binding.antigen_density_copies.value
    for target, times in ((arm.product.target, 0.25), ("of no product", 1.0)):
        population = arm.population.model_copy(update={"antigen_density_ratio": {target: ratio}})
        there = replace(arm, population=population)
        assert antigen_copies(there) == times * copies
        patients = people(there, 8)
        direct = replace(
            arm_of(varied(product, "binding", antigen_density_copies=times * copies)),
            population=population.model_copy(update={"antigen_density_ratio": {}}),
        )
        assert changed(table_of(there, patients), table_of(direct, patients)) == set()


def test_what_drives_injury_of_an_organ() -> None:
    """Expression in the organ, tumour in the lung, an unmeasured trait; none of it without
    expression.
    """
    none = arm_of(varied("tarlatamab", "binding", vital_organ_expression=0.0))
    some = arm_of(varied("tarlatamab", "binding", vital_organ_expression=0.4))
    patients = people(none, 64)
    g = world_of().assumptions.group("vitals")
    assert (table_of(none, patients)["organ_drive"] == 0.0).all()
    lung = patients.discrete["has_lung_involvement"]
    assert 0.0 < lung.mean() < 1.0
    want = 0.4 * np.where(lung == 1.0, g["organ_lung_involvement_ratio"], 1.0)
    want = want * np.exp(g["organ_log_sd"] * patients.traits[:, TRAITS.index("organ")])
    assert table_of(some, patients)["organ_drive"] == pytest.approx(want)
    assert changed(table_of(none, patients), table_of(some, patients)) == {"organ_drive"}


def test_sites_and_habits_enter_the_ward_only() -> None:
    arm = arm_of("tarlatamab")
    patients = people(arm, 64)
    strict = replace(patients, site_effects=patients.site_effects + 1.0)
    assert changed(table_of(arm, patients), table_of(arm, strict)) <= {
        "fluids_fall",
        "look_well",
        "wants_antipyretic",
        "wants_toci_1",
        "wants_toci_2",
        "wants_toci_3",
        "wants_steroid_1",
        "wants_steroid_2",
    }
    eager = replace(patients, habits=np.zeros((64, len(HABITS))))
    for name in ("wants_antipyretic", "wants_toci_2", "wants_steroid_2"):
        assert (table_of(arm, eager)[name] == 1.0).all(), name


@given(st.floats(1e-3, 1e3), st.floats(1.001, 50.0))
def test_few_infused_cells_leave_room_unfilled(dose: float, more: float) -> None:
    """The most cells there can be rises with the infused number, below the room and below what that
    number can make.
    """
    ceilings = []
    for times in (dose, dose * more):
        product = product_of("cldn182_car_t")
        regimen = product.regimens[product.default_regimen]
        given_cells = regimen.doses[0].model_copy(update={"amount": 250.0 * times})
        whole = product.model_copy(
            update={
                "regimens": {
                    **product.regimens,
                    "what_if": regimen.model_copy(
                        update={"doses": [given_cells], "amount_log_sd": 0.0}
                    ),
                }
            }
        )
        arm = arm_of(whole, regimen="what_if")
        patients = people(arm, 4)
        true = covariates(patients, arm.population)
        infused = infused_cells(arm, patients, true, world=world_of())
        assert infused == pytest.approx(np.full(4, times))
        ceiling = 1.0 / crowding(arm, patients, true, world=world_of())
        most = world_of().assumptions.value("engagement.largest_multiplication_of_cells") * times
        assert (ceiling < min(product.kinetics.expansion_ceiling.value, most)).all()
        ceilings.append(ceiling)
    assert (ceilings[0] < ceilings[1]).all()


def _crowding(arm: Arm, *, world: World) -> Values:
    patients = people(arm, 8, world=world)
    return crowding(arm, patients, covariates(patients, arm.population), world=world)


def test_the_switch_of_dose_takes_the_infused_number_along() -> None:
    flat = world_of().with_values({"exposure.dose_exponent": 0.0})
    arms = [arm_of("cldn182_car_t", regimen=name, world=flat) for name in ("dose_250", "dose_500")]
    first, second = (_crowding(arm, world=flat) for arm in arms)
    assert np.array_equal(first, second)


def test_clones_of_the_patient_have_the_room_alone() -> None:
    arm = arm_of("checkpoint_inhibitor")
    room = 1.0 / arm.product.kinetics.expansion_ceiling.value
    assert (_crowding(arm, world=world_of()) == room).all()
