"""Parameters: from assumptions, product, policy and patient to the numbers the solver runs on.

This is where each clinical feature enters its mechanism: tumour burden, liver metastases, antigen
restriction and density set loads; CRP, ferritin and LDH set myeloid gains; dose intensity sets
exposure. What multiplies or sets in above a point is neutral in the reference and set by scenarios.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from crsrisk.data.mitigation import NODES
from crsrisk.data.product import CELLULAR
from crsrisk.data.world import World
from crsrisk.simulation.arm import CELLS_UNIT_E6, Arm, Timetable, usual_first_dose
from crsrisk.simulation.layout import N_NODES, PARAMETERS, TICK_H, WARD_H
from crsrisk.simulation.population import HABITS, TRAITS, Patients, covariates

Values = NDArray[np.float64]
NEVER_NM = 1e9  # affinity of an arm that is not there: what is bound is then L / (KA + L)


def _trait(patients: Patients, name: str) -> Values:
    return patients.traits[:, TRAITS.index(name)]


def dose_intensity(patients: Patients, *, arm: Arm) -> Values:
    """First dose actually given relative to the product's usual first dose (1 = usual), shape
    (n,).
    """
    spread = np.exp(arm.regimen.amount_log_sd * _trait(patients, "cell_dose"))
    return arm.regimen.doses[0].amount / usual_first_dose(arm.product) * spread


def body_size(arm: Arm, true: Mapping[str, Values], *, world: World) -> Values:
    """What a dose per kg or per m2 is multiplied by (1 for fixed doses), shape (n,)."""
    weight = true["weight_kg"]
    if arm.regimen.amount_unit.endswith("/kg"):
        return weight
    if arm.regimen.amount_unit.endswith("/m2"):
        at_70_kg = world.assumptions.value("exposure.body_surface")
        return np.asarray(at_70_kg * (weight / 70.0) ** 0.5)
    return np.ones(len(weight))


def dose_scales(
    arm: Arm, patients: Patients, true: Mapping[str, Values], *, world: World
) -> tuple[Values, Values]:
    """What multiplies the first dose and every later one, shape (n,) each: body size, and how far
    the dose given differs between patients.
    """
    regimen, power = arm.regimen, world.assumptions.value("exposure.dose_exponent")
    spread = power * _trait(patients, "cell_dose")
    first = body_size(arm, true, world=world) * np.exp(regimen.amount_log_sd * spread)
    return np.asarray(first), np.asarray(first * np.exp(regimen.later_amount_log_sd * spread))


def infused_cells(
    arm: Arm, patients: Patients, true: Mapping[str, Values], *, world: World
) -> Values:
    """Cells given over the whole regimen, relative to 250 million, shape (n,)."""
    power, usual = world.assumptions.value("exposure.dose_exponent"), usual_first_dose(arm.product)
    first, *later = (usual * (dose.amount / usual) ** power for dose in arm.regimen.doses)
    scale, later_scale = dose_scales(arm, patients, true, world=world)
    return np.asarray((first * scale + sum(later) * later_scale) / CELLS_UNIT_E6)


def crowding(arm: Arm, patients: Patients, true: Mapping[str, Values], *, world: World) -> Values:
    """One over the most cells there can be, relative to 250 million: room in the body, and
    divisions left in each cell.

    Few infused cells cannot fill the room, since each multiplies only so often; many are held by
    the room.
    """
    room = np.full(len(patients), 1.0 / arm.product.kinetics.expansion_ceiling.value)
    if arm.product.platform not in CELLULAR:
        return room
    most = world.assumptions.value("engagement.largest_multiplication_of_cells")
    return np.asarray(room + 1.0 / (most * infused_cells(arm, patients, true, world=world)))


def _exposure(
    arm: Arm, patients: Patients, true: Mapping[str, Values], world: World
) -> dict[str, Values | float]:
    kinetics, binding, g = (
        arm.product.kinetics,
        arm.product.binding,
        world.assumptions.group("exposure"),
    )
    heavy = true["weight_kg"] / 70.0
    volume = heavy ** g["weight_exponent_volume"]
    flow = heavy ** g["weight_exponent_clearance"]
    clearance = (
        kinetics.clearance_l_h.value
        * flow
        * np.exp(g["clearance_log_sd"] * _trait(patients, "clearance"))
    )
    central, peripheral = (
        kinetics.central_volume_l.value * volume,
        kinetics.peripheral_volume_l.value * volume,
    )
    between = kinetics.intercompartmental_l_h.value * flow
    first, later = dose_scales(arm, patients, true, world=world)
    return {
        "dose_scale": first,
        "later_dose_scale": later,
        "absorption": kinetics.absorption_per_h.value,
        "bioavailability": kinetics.bioavailability.value,
        "elimination": clearance / central,
        "to_peripheral": between / central,
        "to_central": between / peripheral,
        "concentration": (
            kinetics.tissue_fraction.value / (peripheral * binding.molecular_weight_kda.value)
        ),
        "il2_turnover": 0.5 ** (TICK_H / g["il2_half_life_h"]),
    }


def _kind(arm: Arm) -> str:
    """engager, cells (engineered) or native (clones of the patient's own)."""
    platform = arm.product.platform
    return (
        "native" if platform in ("ici", "til") else "cells" if platform in CELLULAR else "engager"
    )


def random_effect(arm: Arm, name: str) -> float:
    """How far the product departs from what the rest of its file explains: a ratio, 1 unless
    calibration says otherwise.
    """
    effects = arm.product.random_effects
    ratio: float = 1.0 if effects is None else np.exp(getattr(effects, name).value)
    return ratio


def antigen_copies(arm: Arm) -> float:
    """Copies of the antigen on a tumour cell: the product's own number, in this tumour."""
    ratios = arm.population.antigen_density_ratio
    ratio = ratios[arm.product.target].value if arm.product.target in ratios else 1.0
    return arm.product.binding.antigen_density_copies.value * ratio


def antigen_need(arm: Arm, *, world: World) -> float:
    """Antigen copies that half a signal takes, over the copies a tumour cell of this product's
    target has.
    """
    need = world.assumptions.value(f"engagement.need_{arm.product.platform}_copies")
    return need / antigen_copies(arm)


def apparent_affinity_nm(arm: Arm, *, copies: float, world: World) -> float:
    """Affinity of the tumour arms together (nM): with one arm bound, a second one meets the antigen
    of the same membrane at a high local concentration (avidity).
    """
    binding = arm.product.binding
    one_arm = binding.tumour_affinity_nm.value
    local_nm = copies * world.assumptions.value("engagement.avidity_of_a_copy")
    return one_arm / (1.0 + (binding.valency.value - 1.0) * local_nm / one_arm)


def bridging(arm: Arm, *, world: World) -> dict[str, float]:
    """Constants of the ternary complex in tumour and in normal tissue
    (:func:`crsrisk.biology.engagement.bridges`).

    A checkpoint inhibitor bridges nothing: its share is that of receptors bound.
    """
    g, binding, platform = (
        world.assumptions.group("engagement"),
        arm.product.binding,
        arm.product.platform,
    )
    affinity = binding.tumour_affinity_nm.value
    if platform not in ("tce", "immtac"):
        return {
            "tumour_affinity": affinity,
            "normal_affinity": affinity,
            "cd3_affinity": NEVER_NM,
            "limit_tumour": 0.0,
            "limit_normal": 0.0,
            "cross_tumour": 1.0 / NEVER_NM,
            "cross_normal": 1.0 / NEVER_NM,
            "deep_access": 1.0,
            "deep_share": 0.0,
        }
    copies, cd3 = antigen_copies(arm), g["cd3_copies"]
    need = g[f"need_{platform}_copies"]
    crossing = g["membrane_crossing"] / random_effect(arm, "log_potency")
    in_normal = copies * g["normal_tissue_density_ratio"]
    return {
        "tumour_affinity": apparent_affinity_nm(arm, copies=copies, world=world),
        "normal_affinity": apparent_affinity_nm(arm, copies=in_normal, world=world),
        "cd3_affinity": binding.cd3_affinity_nm.value,
        "limit_tumour": 1.0 + need * (1.0 / copies + 1.0 / cd3),
        "limit_normal": 1.0 + need * (1.0 / in_normal + 1.0 / cd3),
        "cross_tumour": need * crossing / (copies * cd3),
        "cross_normal": need * crossing / (in_normal * cd3),
        "deep_access": g["deep_access"],
        "deep_share": g["deep_share"],
    }


def bulk_with_density(arm: Arm, sum_of_diameters_mm: Values, *, world: World) -> Values:
    """What burden above the reference patient's adds to the tumour load where antigen is dense: a
    ratio, 1 in the reference world.
    """
    g, copies = world.assumptions.group("engagement"), antigen_copies(arm)
    dense = copies / (copies + g["dense_antigen_copies"])
    above = np.maximum(sum_of_diameters_mm / g["reference_burden_mm"], 1.0)
    return np.asarray(above ** (g["burden_density_exponent"] * dense))


def loads(
    arm: Arm, patients: Patients, true: Mapping[str, Values], *, world: World
) -> tuple[Values, Values]:
    """Antigen load of tumour and of normal tissue; a load of 1 engages half of the T cells at
    hand.
    """
    g, binding, platform = (
        world.assumptions.group("engagement"),
        arm.product.binding,
        arm.product.platform,
    )
    signal = g[f"strength_{platform}"] * random_effect(arm, "log_efficacy")
    # the share of a full signal that engagers reach is the solver's
    if platform in CELLULAR or platform == "ici":
        signal *= 1.0 / (1.0 + antigen_need(arm, world=world))
    if platform in CELLULAR:
        signal *= binding.cell_potency.value
    if platform in ("tce", "immtac"):
        # a bridge counts for as long as it lasts: kinetic proofreading
        signal *= 1.0 / (1.0 + binding.cd3_affinity_nm.value / g["cd3_dwell_nm"])
    modulation = (
        1.0 if arm.regimen.has_checkpoint_inhibitor else binding.checkpoint_modulation.value
    )
    suppression = arm.population.suppression.value * (1.0 - g["checkpoint_release"] * modulation)
    access = (1.0 - g["stroma_effect"] * arm.population.stroma_barrier.value) * (
        1.0 - g["suppression_effect"] * suppression
    )
    spread = g[f"load_log_sd_{_kind(arm)}"]
    tumour = signal * access * np.exp(spread * _trait(patients, "load"))
    tumour = (
        tumour * (true["sum_of_diameters_mm"] / g["reference_burden_mm"]) ** g["burden_exponent"]
    )
    tumour = tumour * bulk_with_density(arm, true["sum_of_diameters_mm"], world=world)
    tumour = tumour * g["liver_metastases_load_ratio"] ** true["has_liver_metastases"]
    normal = np.full(
        len(patients),
        signal * g["normal_tissue_strength"] * (1.0 - binding.antigen_restriction.value),
    )
    return tumour, normal


def _engagement(
    arm: Arm, patients: Patients, true: Mapping[str, Values], world: World
) -> dict[str, Values | float]:
    g, binding, kinetics = (
        world.assumptions.group("engagement"),
        arm.product.binding,
        arm.product.kinetics,
    )
    platform = arm.product.platform
    kind, is_soluble = _kind(arm), platform not in CELLULAR
    tumour, normal = loads(arm, patients, true, world=world)
    gain = g["t_gain"] * np.exp(
        g["t_gain_log_sd"] * _trait(patients, "t_cell")
        + g["age_gain_per_decade"] * (true["age_years"] - 60.0) / 10.0
    )
    gain = gain * g["female_gain_ratio"] ** true["is_female"]
    gain = gain * g["prior_checkpoint_gain_ratio"] ** true["has_prior_checkpoint_inhibitor"]
    if is_soluble:
        gain = gain * true["lymphocytes_g_l"] ** g["lymphocyte_exponent"]
    growth = kinetics.expansion_per_h.value * np.exp(
        g["expansion_log_sd"] * _trait(patients, "expansion")
    )
    is_engager, is_cellular = kind == "engager", platform in CELLULAR
    if is_cellular:
        depleted = arm.regimen.has_lymphodepletion * arm.regimen.lymphodepletion_intensity
        growth = growth * g["no_lymphodepletion_growth_ratio"] ** (1.0 - depleted)
    adapting = np.exp(g[f"adaptation_{kind}_log_sd"] * _trait(patients, "adaptation"))
    occasions = np.exp((g["occasion_log_sd"] * patients.occasions.T).T)
    return {
        "load_tumour": tumour,
        "load_normal": normal,
        "load_fc": g["fc_strength"] * binding.fc_activity.value,
        "share_active_tumour": binding.active_fraction_tumour.value,
        "share_active_normal": binding.active_fraction_periphery.value,
        **bridging(arm, world=world),
        "fc_half": g["fc_half_nm"],
        "soluble": 1.0 if is_soluble else 0.0,
        "cells_half": (
            0.0 if is_engager else g[f"cells_half_{platform}"] / random_effect(arm, "log_potency")
        ),
        "cells_start": 1.0 if is_engager else g["native_clone_start"] if is_soluble else 0.0,
        "adaptation": g[f"adaptation_{kind}_per_h"] * adapting,
        "slow_adaptation": g["adaptation_engager_slow_per_h"] * adapting,
        "slow_share": g["adaptation_engager_slow_share"] if is_engager else 0.0,
        "recovery": g["recovery_per_h"],
        "gain_t": gain,
        "decay_t": g["t_decay_per_h"],
        **{f"occasion_{k + 1}": occasions[:, k] for k in range(4)},
        "growth": 0.0 if is_engager else growth,
        "crowding": 0.0 if is_engager else crowding(arm, patients, true, world=world),
        "contraction": 0.0 if is_engager else kinetics.contraction_per_h.value,
        "kill_rate": 0.0 if is_engager else 1.0,
        "growth_by_il2": g["growth_by_il2"] if is_cellular else 0.0,
        "gain_by_il2": g["gain_by_il2"] if is_cellular else 0.0,
    }


def above_point(value: Values, point: float, *, steepness: float) -> Values:
    """How far a quantity is above a point, between 0 and 1 (Hill): 0.5 at the point.

    >>> above_point(np.array([200.0, 400.0, 800.0]), 400.0, steepness=8.0).round(3).tolist()
    [0.004, 0.5, 0.996]
    """
    return np.asarray(1.0 / (1.0 + (point / value) ** steepness))


def loop_gains(values: Mapping[str, Values | float]) -> tuple[Values, Values]:
    """Gains of the two myeloid feedback loops, through TNF and through IL-1, around rest.

    At a sum of 1 activation would sustain itself.
    """
    per_signal = values["gain_m"] * values["myeloid_on"] / values["myeloid_off"]
    through_tnf = (
        values["w_tnf"] * values["tnf_from_m"] / (values["tnf_clearance"] * values["half_tnf"])
    )
    through_il1 = (
        values["w_il1"] * values["il1_from_m"] / (values["il1_clearance"] * values["half_il1"])
    )
    return np.asarray(per_signal * through_tnf), np.asarray(per_signal * through_il1)


def leak_gain(values: Mapping[str, Values | float]) -> Values:
    """Gain of the loop from IL-6 signal through leaking endothelium back to IL-6, around rest; at 1
    it sustains itself.
    """
    cleared = values["il6_clearance"] + values["il6_receptor_clearance"]
    at_rest = values["il6_basal"] / cleared
    slope = values["half_il6"] / (values["half_il6"] + at_rest) ** 2
    per_leak = values["il6_from_m"] * values["il6_by_leak"] / cleared
    return np.asarray(
        values["leak_on"] / values["leak_off"] * values["leak_il6"] * slope * per_leak
    )


def _below_ceiling(gain: Values, *, ceiling: float) -> Values:
    """Factor that keeps a loop gain below the ceiling: 1 for small gains, ceiling / gain for large
    ones, smooth between.
    """
    return np.asarray(1.0 / (1.0 + (gain / ceiling) ** 8) ** 0.125)


def half_il6(patients: Patients, *, world: World) -> Values:
    """IL-6 of half signal (pg/mL): people who make more IL-6 also buffer more of it (soluble
    receptors).
    """
    g = world.assumptions.group("cascade")
    return g["half_il6_pg_ml"] * np.exp(g["il6_buffer"] * g["il6_log_sd"] * _trait(patients, "il6"))


def _cascade(
    arm: Arm, patients: Patients, true: Mapping[str, Values], world: World
) -> dict[str, Values | float]:
    """Cytokines and myeloid cells. A flat list: one line a constant of the solver."""
    g = world.assumptions.group("cascade")
    liver, infection = true["has_liver_metastases"], true["has_infection"]
    gain = np.exp(g["myeloid_gain_log_sd"] * _trait(patients, "myeloid"))
    gain = gain * (true["crp_mg_l"] / g["crp_reference_mg_l"]) ** g["crp_myeloid_exponent"]
    gain = (
        gain
        * g["liver_metastases_myeloid_ratio"] ** liver
        * g["infection_myeloid_ratio"] ** infection
    )
    if arm.regimen.has_g_csf:
        gain = gain * g["g_csf_myeloid_ratio"]
    # effects that multiply, or set in above a point: 1 in the reference world
    inflamed = np.maximum(true["crp_mg_l"] / g["crp_reference_mg_l"], 1.0)
    gain = gain * inflamed ** (g["crp_liver_exponent"] * liver)
    steepness = g["threshold_steepness"]
    activated = above_point(
        true["ferritin_ug_l"], g["ferritin_threshold_ug_l"], steepness=steepness
    )
    gain = gain * g["ferritin_threshold_ratio"] ** activated * g["myeloid_gain_ratio"]
    dying = above_point(true["ldh_x_uln"], g["ldh_threshold_x_uln"], steepness=steepness)
    clearance, by_receptor = g["il6_clearance_per_h"], g["il6_receptor_clearance_per_h"]
    above_normal = np.log(np.maximum(true["ldh_x_uln"], 1.0))
    values: dict[str, Values | float] = {
        "tnf_from_t": g["tnf_from_t_pg_ml_h"],
        "tnf_from_m": g["tnf_from_myeloid_pg_ml_h"],
        "tnf_clearance": g["tnf_clearance_per_h"],
        "ifn_from_t": g["ifn_from_t_pg_ml_h"],
        "ifn_from_m": g["ifn_from_myeloid_pg_ml_h"],
        "ifn_clearance": g["ifn_clearance_per_h"],
        "il10_from_m": g["il10_from_myeloid_pg_ml_h"],
        "il10_from_t": g["il10_from_t_pg_ml_h"],
        "il10_clearance": g["il10_clearance_per_h"],
        "il10_strength": g["il10_strength"],
        "half_il10": g["half_il10_pg_ml"],
        "il1_from_m": g["il1_from_myeloid_pg_ml_h"],
        "il1_clearance": g["il1_clearance_per_h"],
        "il6_basal": true["il6_pg_ml"] * (clearance + by_receptor),
        "il6_from_m": (
            g["il6_from_myeloid_pg_ml_h"]
            * np.exp(g["il6_log_sd"] * _trait(patients, "il6"))
            * (true["il6_pg_ml"] / g["il6_reference_pg_ml"]) ** g["il6_baseline_exponent"]
        ),
        "il6_by_il1": g["il6_by_il1"],
        "il6_by_tnf": g["il6_by_tnf"],
        "il6_by_leak": g["il6_by_leak"],
        "il6_clearance": clearance,
        "il6_receptor_clearance": by_receptor,
        "half_tnf": g["half_tnf_pg_ml"],
        "half_ifn": g["half_ifn_pg_ml"],
        "half_il1": g["half_il1_pg_ml"],
        "half_gm": g["half_gm_csf"],
        "half_il6": half_il6(patients, world=world),
        "gain_m": gain,
        "w_tnf": g["weight_tnf"],
        "w_ifn": g["weight_ifn"],
        "w_gm": g["weight_gm_csf"],
        "w_il1": (
            g["weight_il1"]
            * (true["ferritin_ug_l"] / g["ferritin_reference_ug_l"]) ** g["ferritin_il1_exponent"]
        ),
        "w_damage": (
            g["weight_damage"]
            * (1.0 + g["ldh_damp_slope"] * above_normal)
            * g["ldh_threshold_ratio"] ** dying
        ),
        "myeloid_on": g["myeloid_on_per_h"],
        "myeloid_off": g["myeloid_off_per_h"],
        "tolerance_on": g["tolerance_on_per_h"],
        "tolerance_off": g["tolerance_off_per_h"],
        "tolerance_strength": g["tolerance_strength"],
        "apheresis": g["apheresis_per_h"],
    }
    # each loop has half of the ceiling, so that more of one never takes from the other; what T
    # cells drive stays
    gain_tnf, gain_il1 = loop_gains(values)
    values["tnf_from_m"] = values["tnf_from_m"] * _below_ceiling(
        gain_tnf, ceiling=g["loop_gain_ceiling"] / 2.0
    )
    values["w_il1"] = values["w_il1"] * _below_ceiling(
        gain_il1, ceiling=g["loop_gain_ceiling"] / 2.0
    )
    return values


def _vitals(
    arm: Arm, patients: Patients, true: Mapping[str, Values], world: World
) -> dict[str, Values | float]:
    """Acute phase, endothelium and vital signs. A flat list: one line a constant of the solver."""
    g, acute = world.assumptions.group("vitals"), world.assumptions.group("acute_phase")
    at_rest = true["il6_pg_ml"] / (half_il6(patients, world=world) + true["il6_pg_ml"])
    decades = np.maximum(true["age_years"] - 60.0, -30.0) / 10.0
    grown = np.clip(true["age_years"] / 18.0, 0.0, 1.0)
    pressure = g["child_map_mmhg"] + (g["adult_map_mmhg"] - g["child_map_mmhg"]) * grown
    susceptible = np.exp(
        g["leak_log_sd"] * _trait(patients, "endothelium") + g["leak_age_per_decade"] * decades
    )
    susceptible = susceptible * g["leak_ecog_ratio"] ** true["ecog"]
    susceptible = (
        susceptible * arm.population.frailty_ratio.value * random_effect(arm, "log_severity")
    )
    susceptible = (
        susceptible
        * (true["albumin_g_l"] / g["albumin_reference_g_l"]) ** -g["leak_albumin_exponent"]
    )
    creatinine = true["creatinine_umol_l"] / g["creatinine_reference_umol_l"]
    susceptible = susceptible * creatinine ** g["leak_creatinine_exponent"]
    susceptible = (
        susceptible
        * (true["platelets_g_l"] / g["platelet_reference"]) ** -g["leak_platelet_exponent"]
    )
    at_rest_c = g["normal_temperature_c"] + g["normal_temperature_sd_c"] * _trait(
        patients, "temperature"
    )
    rise = g["fever_rise_c"] * np.exp(g["fever_rise_log_sd"] * _trait(patients, "fever"))
    return {
        "crp_per_signal": true["crp_mg_l"] / at_rest,
        "crp_maximum": acute["crp_maximum_mg_l"],
        "crp_turnover": acute["crp_turnover_per_h"],
        "signal_at_rest": at_rest,
        "ferritin_baseline": true["ferritin_ug_l"],
        "ferritin_gain": acute["ferritin_gain"],
        "ferritin_turnover": acute["ferritin_turnover_per_h"],
        "alt_baseline": (
            acute["alt_baseline_x_uln"]
            * np.exp(acute["alt_baseline_log_sd"] * _trait(patients, "liver"))
        ),
        "alt_gain": (
            acute["alt_gain"] * np.exp(acute["alt_gain_log_sd"] * _trait(patients, "hepatocyte"))
        ),
        "alt_turnover": acute["alt_turnover_per_h"],
        "leak_il6": g["leak_by_il6"],
        "leak_tnf": g["leak_by_tnf"],
        "leak_il1": g["leak_by_il1"],
        "leak_ifn": g["leak_by_ifn"],
        "leak_il2": g["leak_by_il2"],
        "leak_on": g["leak_on_per_h"] * susceptible,
        "leak_off": g["leak_off_per_h"],
        "lung_turnover": g["lung_turnover_per_h"],
        "normal_temperature": at_rest_c,
        "pyrogen_il6": g["pyrogen_il6"],
        "pyrogen_il1": g["pyrogen_il1"],
        "pyrogen_tnf": g["pyrogen_tnf"],
        "pyrogen_il2": g["pyrogen_il2"],
        "pyrogen_half": g["pyrogen_half"] * np.exp(g["pyrogen_age_per_decade"] * decades),
        "fever_rise": np.minimum(rise, g["highest_temperature_c"] - at_rest_c),
        "temperature_turnover": g["temperature_turnover_per_h"],
        "normal_map": pressure + g["map_sd_mmhg"] * _trait(patients, "map"),
        "map_fall": g["map_fall_mmhg"],
        "map_half": g["map_half"],
        "fluid_gain": g["fluid_gain_mmhg"],
        "pressor_gain": g["pressor_gain_mmhg"],
        "normal_spo2": (
            g["normal_spo2_pct"]
            + g["spo2_sd_pct"] * _trait(patients, "spo2")
            - g["spo2_ecog_fall_pct"] * true["ecog"]
        ),
        "spo2_fall": g["spo2_fall_pct"],
        "spo2_half": g["spo2_half"],
        "organ_drive": (
            arm.product.binding.vital_organ_expression.value
            * g["organ_lung_involvement_ratio"] ** true["has_lung_involvement"]
            * np.exp(g["organ_log_sd"] * _trait(patients, "organ"))
        ),
        "organ_on": g["organ_on_per_h"],
        "organ_off": g["organ_off_per_h"],
        "organ_counted": g["organ_toxicity_counted"],
    }


def _ward(
    arm: Arm, patients: Patients, true: Mapping[str, Values], world: World
) -> dict[str, Values | float]:
    """How the ward observes, supports and rescues. A flat list: one line a solver constant."""
    g, rule, policy = (
        world.assumptions.group("ward"),
        world.assumptions.group("grading"),
        arm.policy,
    )
    site_pressure, site_rescue, site_interval = (patients.site_effects[:, k] for k in range(3))
    # children have lower pressures: thresholds scale with them
    small = np.clip(true["age_years"] / 18.0, 0.0, 1.0)
    v = world.assumptions.group("vitals")
    scale = (v["child_map_mmhg"] + (v["adult_map_mmhg"] - v["child_map_mmhg"]) * small) / v[
        "adult_map_mmhg"
    ]

    def wants(habit: str, share: float) -> Values:
        at_site = expit(
            logit(np.clip(share, 1e-6, 1.0 - 1e-6)) + g["site_rescue_log_sd"] * site_rescue
        )
        return np.asarray(patients.habits[:, HABITS.index(habit)] < at_site, dtype=np.float64)

    agent = world.mitigations["tocilizumab"]
    full = (agent.dose_mg_per_kg or 8.0) * true["weight_kg"]
    return {
        "sd_temperature": g["sd_temperature_c"],
        "sd_map": g["sd_map_mmhg"],
        "sd_spo2": g["sd_spo2_pct"],
        "memory": g["memory"],
        "look_ill": g["look_ill_h"],
        "look_well": np.maximum(
            WARD_H,
            policy.observation_interval_h.value * np.exp(g["site_interval_log_sd"] * site_interval),
        ),
        "fever_at": rule["fever_at_c"],
        "quiet_needed": rule["quiet_needed_h"],
        "fluids_below": policy.fluids_below_map_mmhg.value * scale,
        "fluids_fall": (
            policy.fluids_map_fall_mmhg.value * scale - g["site_map_sd_mmhg"] * site_pressure
        ),
        "pressor_below": policy.pressor_below_map_mmhg.value * scale,
        "low_flow_below": policy.low_flow_below_spo2_pct.value,
        "high_flow_below": policy.high_flow_below_spo2_pct.value,
        "positive_below": policy.positive_pressure_below_spo2_pct.value,
        "fluid_hold_time": g["fluid_hold_h"],
        "pressor_hold_time": g["pressor_hold_h"],
        "oxygen_hold_time": g["oxygen_hold_h"],
        "fluid_onset": 1.0 - np.exp(-WARD_H / g["support_onset_h"]),
        "fluids_needed": g["fluids_before_pressor"],
        "pressor_needed": g["pressor_before_second"],
        "wants_antipyretic": wants("antipyretic", policy.antipyretic_share.value),
        "wants_toci_1": wants("tocilizumab", policy.tocilizumab_share_grade1.value),
        "wants_toci_2": wants("tocilizumab", policy.tocilizumab_share_grade2.value),
        "wants_toci_3": wants("tocilizumab", policy.tocilizumab_share_grade3.value),
        "wants_steroid_1": wants("steroid", policy.steroid_share_grade1.value),
        "wants_steroid_2": wants("steroid", policy.steroid_share_grade2.value),
        "rescue_delay": policy.rescue_delay_h.value,
        "grade1_patience": g["grade1_patience_h"],
        "toci_dose": np.minimum(full, agent.cap_total_mg or np.inf) / full,
        "toci_interval": g["tocilizumab_interval_h"],
        "toci_cap": g["tocilizumab_cap"],
        "steroid_dose": g["steroid_dose"],
        "steroid_interval": g["steroid_interval_h"],
        "steroid_interval_3": g["steroid_interval_grade3_h"],
        "antipyretic_interval": g["antipyretic_interval_h"],
    }


def _agents(plan: Timetable) -> dict[str, Values | float]:
    values: dict[str, Values | float] = {}
    for slot, agent in enumerate(plan.agents):
        if agent is None:
            values |= {f"keep_{slot}": 0.0, f"transfer_{slot}": 0.0, f"half_{slot}": 1.0}
            values |= {f"emax_{slot}_{node}": 0.0 for node in range(N_NODES)}
            continue
        values[f"keep_{slot}"] = 0.5 ** (WARD_H / agent.elimination_half_life_h.value)
        values[f"transfer_{slot}"] = 1.0 - np.exp(
            -WARD_H / np.maximum(agent.effect_delay_h.value, 1e-3)
        )
        values[f"half_{slot}"] = agent.half_effect_dose.value
        for node, name in enumerate(NODES):
            values[f"emax_{slot}_{node}"] = (
                agent.acts_on[name].value if name in agent.acts_on else 0.0
            )
    return values


def patient_parameters(arm: Arm, patients: Patients, *, world: World, plan: Timetable) -> Values:
    """Every constant of every patient, shape (len(PARAMETERS), n), in the solver's order."""
    true = covariates(patients, arm.population)
    values = {
        **_exposure(arm, patients, true, world),
        **_engagement(arm, patients, true, world),
        **_cascade(arm, patients, true, world),
        **_vitals(arm, patients, true, world),
        **_ward(arm, patients, true, world),
        **_agents(plan),
    }
    softened = _below_ceiling(
        leak_gain(values), ceiling=world.assumptions.value("cascade.loop_gain_ceiling")
    )
    values["il6_by_leak"] = values["il6_by_leak"] * softened
    table = np.empty((len(PARAMETERS), len(patients)))
    for k, name in enumerate(PARAMETERS):
        table[k] = values[name]
    return table
