"""Layout: which row of the solver's flat workspace holds what.

The workspace is ``[row][lane]``: every row is one quantity, every lane one patient. Rows are grouped as
states (integrated), inputs (held for one tick), support (what the ward is doing), tracks (what is recorded)
and parameters (constants of the patient). The names double as documentation of the compiled kernel.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, cast

from crsrisk.data.mitigation import NODES

LANES = 16  # patients in lockstep: a literal, so that the inner loop vectorises
TICK_H = 0.5  # step of the solver and of the timetable
WARD_TICKS = 2  # the ward looks, supports and treats once an hour
WARD_H = WARD_TICKS * TICK_H
N_SLOTS = 5  # agents at work in one arm: 0 tocilizumab, 1 steroid, 2 antipyretic, 3-4 free
N_NODES = len(NODES)
SLOT_IL6R, SLOT_STEROID, SLOT_ANTIPYRETIC, SLOT_FREE = 0, 1, 2, 3
N_OCCASIONS = 4  # doses with an occasion effect of their own; later ones share the last

STATES = (
    "depot", "central", "peripheral", "cells", "active", "desensitised", "slowly_desensitised", "tnf", "interferon", "il1",
    "il6", "il10", "myeloid", "tolerance", "crp", "ferritin", "alt", "leak", "lung_water", "temperature",
)
INPUTS = ("infusion", "occasion", "interleukin_2", *(f"block_{node}" for node in NODES))
SUPPORT = (
    *(f"amount_{slot}" for slot in range(N_SLOTS)), *(f"at_site_{slot}" for slot in range(N_SLOTS)),
    "noise_temperature", "noise_map", "noise_spo2", "to_next_look", "seen_map", "seen_spo2", "due", "fever",
    "is_open", "quiet", "grade", "time_grade2", "time_grade1", "fluid_hold", "fluids", "pressor_hold", "pressor",
    "second_hold", "second_pressor", "low_flow_hold", "high_flow_hold", "positive_hold",
    "last_tocilizumab", "last_steroid", "last_antipyretic", "tocilizumab_in_episode", "last_sign", "half_effect_now",
    "fluid_hours", "pressor_hours",
)
TRACKS = (
    "max_grade", "first_1", "first_2", "first_3", "first_4", "n_episodes", "open_from", "first_duration",
    "first_resolved", "grade_dose_1", "grade_dose_2", "grade_dose_3", "grade_dose_4", "peak_il6", "peak_crp",
    "peak_ferritin", "peak_temperature", "lowest_map", "lowest_spo2", "n_tocilizumab", "n_steroid", "had_fluids",
    "had_vasopressor", "had_oxygen", "peak_active", "peak_tnf", "peak_interferon", "peak_cells",
    "peak_alt", "longest_fluids_h", "longest_vasopressor_h", "had_second_vasopressor", "had_high_flow",
    "had_positive_pressure",
)
PARAMETERS = (
    # exposure
    "dose_scale", "cells_start", "absorption", "bioavailability", "elimination", "to_peripheral",
    "to_central", "concentration",
    "il2_turnover",
    # engagement
    "load_tumour", "load_normal", "load_fc", "share_active_tumour", "share_active_normal", "tumour_affinity", "hook",
    "need", "fc_half", "soluble", "cells_half", "adaptation", "slow_adaptation", "slow_share",
    "recovery", "gain_t", "decay_t",
    "occasion_1", "occasion_2", "occasion_3", "occasion_4", "growth", "crowding", "contraction", "kill_rate",
    # cascade
    "tnf_from_t", "tnf_from_m", "tnf_clearance", "ifn_from_t", "ifn_from_m", "ifn_clearance", "il10_from_m",
    "il10_from_t", "il10_clearance", "il1_from_m", "il1_clearance", "il6_basal", "il6_from_m", "il6_by_il1",
    "il6_by_tnf",
    "il6_by_leak", "il6_clearance", "il6_receptor_clearance", "half_tnf", "half_ifn", "half_il1", "half_gm", "half_il6",
    "half_il10", "gain_m", "w_tnf", "w_ifn", "w_gm", "w_il1", "w_damage", "myeloid_on", "myeloid_off",
    "il10_strength", "tolerance_on", "tolerance_off", "tolerance_strength",
    "apheresis",
    # acute phase
    "crp_per_signal", "crp_maximum", "crp_turnover", "signal_at_rest", "ferritin_baseline", "ferritin_gain",
    "ferritin_turnover", "alt_baseline", "alt_gain", "alt_turnover",
    # vitals
    "leak_il6", "leak_tnf", "leak_il1", "leak_ifn", "leak_il2", "leak_on", "leak_off", "lung_turnover",
    "normal_temperature", "pyrogen_il6", "pyrogen_il1", "pyrogen_tnf", "pyrogen_il2", "pyrogen_half", "fever_rise",
    "temperature_turnover", "normal_map", "map_fall", "map_half", "fluid_gain", "pressor_gain", "normal_spo2",
    "spo2_fall", "spo2_half",
    # observation and support
    "sd_temperature", "sd_map", "sd_spo2", "memory", "look_well", "look_ill", "fever_at", "quiet_needed",
    "fluids_below", "fluids_fall", "pressor_below", "low_flow_below", "high_flow_below", "positive_below",
    "fluid_hold_time", "pressor_hold_time", "oxygen_hold_time", "fluid_onset", "fluids_needed", "pressor_needed",
    "wants_antipyretic", "wants_toci_1", "wants_toci_2", "wants_toci_3", "wants_steroid_1", "wants_steroid_2",
    "rescue_delay", "grade1_patience", "toci_dose", "toci_interval", "toci_cap", "steroid_dose",
    "steroid_interval", "steroid_interval_3", "antipyretic_interval",
    *(f"keep_{slot}" for slot in range(N_SLOTS)), *(f"transfer_{slot}" for slot in range(N_SLOTS)),
    *(f"half_{slot}" for slot in range(N_SLOTS)),
    *(f"emax_{slot}_{node}" for slot in range(N_SLOTS) for node in range(N_NODES)),
)
ROWS = (*STATES, *INPUTS, *SUPPORT, *TRACKS, *PARAMETERS)
ROW = {name: index for index, name in enumerate(ROWS)}
N_STATES, N_ROWS = len(STATES), len(ROWS)
FIRST_PARAMETER = ROW[PARAMETERS[0]]
SNAPSHOT = ("crp", "il6", "ferritin", "peak_temperature", "lowest_map", "lowest_spo2", "max_grade")
TRACE = (*STATES, "grade", "is_open")


# offsets into the flat workspace by name, frozen by the compiler: ``w[AT.tnf + lane]``
AT: Any = cast(Any, namedtuple("Offsets", ROWS))(*(index * LANES for index in range(N_ROWS)))
