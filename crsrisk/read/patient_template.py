"""The template of a patient file: every key with its units and made-up values, to be written over."""

from __future__ import annotations

from crsrisk.domain.product import Product
from crsrisk.fields import FIELDS, LANDMARK_HOURS
from crsrisk.read.patient import COURSE, FLAGS, LIMIT, NUMBERS

_EXAMPLES = {
    "age_years": "66 years", "weight_kg": "74 kg", "sum_of_diameters_mm": "85 mm", "crp_mg_l": "4.2 mg/dL",
    "ferritin_ug_l": "640 ng/mL", "ldh_x_uln": "390 U/L", "il6_pg_ml": "not measured", "albumin_g_l": "3.6 g/dL",
    "platelets_g_l": "240 10^9/L", "creatinine_umol_l": "0.9 mg/dL", "lymphocytes_g_l": "1.1 10^9/L"}


_COURSE = {  # made-up readings at the landmarks, in the order of the hours
    "crp": ("4.4 mg/dL", "5.1 mg/dL", "7.9 mg/dL"), "il6": ("18 pg/mL", "46 pg/mL", "110 pg/mL"),
    "ferritin": ("650 ng/mL", "not measured", "720 ng/mL"), "highest_temperature": ("37.1 °C", "37.6 °C", "38.1 °C"),
    "lowest_pressure": ("88 mmHg", "84 mmHg", "80 mmHg"), "lowest_saturation": ("96 %", "95 %", "95 %"),
    "worst_crs_grade": ("0", "0", "1")}


def template(product: Product, *, landmark_h: int = 0) -> str:
    """A patient file to fill in, for one product: every key with its units; made-up values."""
    lines = [
        "# One patient for: crsrisk explain MODEL PATIENT.yaml. The values are made up: write over them.",
        "# Only `product` is required. Leave out, or write `not measured` for, what is not known. Name nobody here.",
        f"product: {product.name}",
        f"regimen: {product.default_regimen}  # {' | '.join(product.regimens)}",
        "prophylaxis: []  # given before the first dose beside the regimen, as [tocilizumab]",
        f"tumour_type: {product.population}",
        "",
        "sex: female  # or male",
    ]
    for key, name in NUMBERS.items():
        column = FIELDS[name]
        if name == "dose_intensity":
            continue
        lines.append(f"{key}: {_EXAMPLES[name]}  # {column.label}: {', '.join(column.accepted_units)}")
        if name == "ldh_x_uln":
            lines.append(f"{LIMIT}: 250 U/L  # of the laboratory that measured LDH; needed with U/L")
    lines += [
        "ecog: 1", "n_metastatic_sites: 2", *(f"{key}: false  # {FIELDS[key].meaning}" for key in FLAGS),
        "confirmed: []  # keys of unusual values that were checked and are right, as [ferritin]"]
    if any(regimen.amount_log_sd > 0 for regimen in product.regimens.values()):
        lines.append('# dose_intensity: "100 %"  # cells given, as a share of the usual dose')
    return "\n".join([*lines, *_course(landmark_h)]) + "\n"


def _course(landmark_h: int) -> list[str]:
    """The part for a model of ``landmark_h`` hours after the first dose; nothing for one of before it."""
    if not landmark_h:
        return []
    lines = [f"course:  # until {landmark_h} h after the first dose; a time or a reading that is not known is left out"]
    for place, hour in enumerate(hour for hour in LANDMARK_HOURS if hour <= landmark_h):
        lines.append(f"  {hour} h:")
        lines += [f"    {key}: {values[min(place, len(values) - 1)]}" + ("" if place else f"  # {_says(key)}")
                  for key, values in _COURSE.items()]
    return lines


def _says(key: str) -> str:
    """What a reading is, with its units."""
    stem = COURSE[key]
    like = FIELDS[f"{stem}__h{LANDMARK_HOURS[0]}"]
    if stem in FIELDS:
        return f"at that hour: {', '.join(FIELDS[stem].accepted_units)}"
    return {"temperature_c__max": "since the first dose", "map_mmhg__min": "mean arterial, since the first dose",
            "spo2_pct__min": "since the first dose"}.get(stem, "since the first dose, by ASTCT 2019; needed") + (
                f": {like.unit}" if like.unit != "1" else "")
