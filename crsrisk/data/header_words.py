"""Usual names of columns in hospitals, registries and trials: proposed by ``crsrisk table check``
with their reason, never applied by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from crsrisk.data.columns import plain_header
from crsrisk.fields import Field

_WORDS: Mapping[str, tuple[str, ...]] = {
    "patient_id": ("id", "patient", "subject", "usubjid", "subjid", "subject_id", "pid", "mrn"),
    "product": ("drug", "treatment", "therapy", "agent", "trt01a", "extrt", "study_drug"),
    "platform": ("class", "drug_class", "therapy_class"),
    "tumour_type": ("tumor_type", "cancer", "cancer_type", "diagnosis", "histology", "indication"),
    "site": ("hospital", "center", "centre", "siteid", "clinic"),
    "age_years": ("age", "age_at_dose", "aage", "alter"),
    "is_female": ("sex", "gender", "female", "geschlecht"),
    "weight_kg": ("weight", "wt", "body_weight", "weightbl", "gewicht"),
    "ecog": ("ecog_ps", "ecogbl", "performance_status", "ps"),
    "sum_of_diameters_mm": ("sld", "sod", "sum_of_diameters", "target_lesion_sum", "tumor_burden"),
    "n_metastatic_sites": ("metastatic_sites", "n_sites", "number_of_metastatic_organs"),
    "has_liver_metastases": ("liver_mets", "liver_metastasis", "liver_metastases", "livermets"),
    "has_prior_checkpoint_inhibitor": ("prior_ici", "prior_cpi", "prior_io", "prior_pd1"),
    "has_infection": ("infection", "active_infection"),
    "crp_mg_l": ("crp", "c_reactive_protein", "crpbl", "creactiveprotein", "hscrp"),
    "ferritin_ug_l": ("ferritin", "ferr", "ferritinbl", "fer"),
    "ldh_x_uln": ("ldh", "lactate_dehydrogenase", "ldhbl", "ld"),
    "il6_pg_ml": ("il6", "il_6", "interleukin6", "il6bl"),
    "albumin_g_l": ("albumin", "alb", "albbl"),
    "platelets_g_l": ("platelets", "plt", "platelet_count", "thrombocytes", "thrombozyten", "plat"),
    "creatinine_umol_l": ("creatinine", "creat", "crea", "scr", "kreatinin", "cr"),
    "lymphocytes_g_l": ("lymphocytes", "lymph", "alc", "lym", "lymphozyten", "ly"),
    "has_steroid_premedication": ("steroid_premed", "premed_steroid", "dexamethasone_premed"),
    "has_tocilizumab_prophylaxis": ("toci_prophylaxis", "prophylactic_tocilizumab"),
    "has_lymphodepletion": ("lymphodepletion", "ld_chemo", "flu_cy", "flucy"),
    "is_stepped_up": ("step_up", "stepup", "step_up_dosing"),
    # of a registry
    "time_h": ("time", "hours", "hour", "hours_after_dose", "hours_since_dose"),
    "temperature_c": ("temperature", "temp", "body_temperature", "tmax"),
    "map_mmhg": ("map", "mean_arterial_pressure", "mbp"),
    "sbp_mmhg": ("sbp", "systolic", "systolic_bp", "sysbp", "nisysabp"),
    "dbp_mmhg": ("dbp", "diastolic", "diastolic_bp", "diabp"),
    "blood_pressure": ("bp", "rr", "nibp"),
    "has_fluids": ("fluids", "iv_fluids", "fluid_given"),
    "fluid_bolus_n": ("boluses", "n_boluses", "fluid_boluses"),
    "n_vasopressors": ("vasopressors", "pressors", "n_pressors", "number_of_vasopressors"),
    "oxygen_device": ("o2_device", "device", "oxygen", "o2_delivery", "o2_delivery_device"),
    "oxygen_flow_l_min": ("flow", "o2_flow", "oxygen_flow", "lpm"),
    "fio2_pct": ("fio2", "fi_o2"),
    "spo2_pct": ("spo2", "sao2", "o2sat", "saturation"),
    "alt_x_uln": ("alt", "sgpt", "gpt", "alat"),
    "baseline_alt_x_uln": (
        "baseline_alt",
        "alt_baseline",
        "altbl",
        "pre_alt",
        "alt_pre",
        "screening_alt",
    ),
    "creatinine_x_uln": ("creatinine_ratio",),
    "ice_score": ("ice", "icescore"),
}
_TIMES_OF_DAY_ONE = re.compile(r"(?:bl|baseline|base|day0|d0|pre|predose|screening|initial|0)$")


def proposals(fields: Mapping[str, Field]) -> Mapping[str, str]:
    """Usual name without case and punctuation -> column, of the fields that are looked for."""
    return MappingProxyType(
        {
            plain_header(word): name
            for name, words in _WORDS.items()
            if name in fields
            for word in words
        }
    )


def propose(header: str, fields: Mapping[str, Field]) -> tuple[str, str] | None:
    """The column that a header usually stands for and why; None where none is known.

    >>> from crsrisk.data.columns import OBSERVED
    >>> propose("PLT", OBSERVED)
    ('platelets_g_l', "'PLT' is a usual name of platelets")
    """
    known, plain = proposals(fields), plain_header(re.sub(r"[\[(].*", "", header))
    if plain in known:
        name = known[plain]
        return name, f"{header!r} is a usual name of {fields[name].label.lower()}"
    short = _TIMES_OF_DAY_ONE.sub("", plain)
    if short != plain and short in known:
        name = known[short]
        label = fields[name].label.lower()
        return name, f"{header!r} is a usual name of {label}, with a word for before the dose"
    return None
