"""Statements: the key figures, the first words for each reader, and what the report cannot say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.words import (
    NOTICE,
    estimate_in_words,
    hours_in_words,
    listed,
    number,
    range_of_100,
    short_label,
    window_in_words,
)

Part = Mapping[str, Any]

EVENT = "CRS of grade 2 or more"


def key_figures(evaluation: Part, *, published: Part, n_patients: int, n_products: int) -> list[dict[str, str]]:
    """The figures that the report would be reduced to, each with its interval: label, value, note."""
    pooled, summary = evaluation["pooled"], published["summary"]
    calibration, ladders = pooled["calibration"], evaluation["ladder"]
    rows = [
        ("Simulated patients", number(n_patients, digits=0), f"of {n_products} products"),
        (
            "Held-out patients",
            number(pooled["n"], digits=0),
            f"{number(pooled['n_events'], digits=0)} of them with {EVENT}",
        ),
    ]
    if ladders is not None:
        share = ladders["pooled"]["share_of_oracle_gain"]
        told = estimate_in_words(share, digits=0, factor=100)
        rows.append(("Share of the knowable that is learnt", told, "per cent of the oracle’s gain, 95% interval"))
    within = estimate_in_words(pooled["auroc_within_product"])
    rows += [
        ("AUROC among patients of one product", within, "95% interval"),
        (
            "AUROC over all patients, products mixed",
            estimate_in_words(pooled["auroc"]),
            "95% interval; knowing the product already helps",
        ),
        ("Calibration slope", estimate_in_words(calibration["slope"]), "95% interval; ideal 1"),
        (
            "Observed over expected events",
            estimate_in_words(calibration["observed_to_expected"]),
            "95% interval; ideal 1",
        ),
        _met("Published figures that the simulator meets", summary["all"]),
        _met("of these, never tuned to, sharing no patient", summary["independent_validation"]),
    ]
    return [{"label": label, "value": value, "note": note} for label, value, note in rows]


def _met(label: str, tally: Part) -> tuple[str, str, str]:
    wide = f"judged; {tally['n_agree_wide']} of those met have a very wide interval"
    return label, f"{tally['n_agree']} of {tally['n_judged']}", wide


def first_words(ladder: Part | None, *, observation: Part, patients: Sequence[Part]) -> list[dict[str, Any]]:
    """One paragraph for each reader, sentence by sentence, with the place to go on."""
    found: list[dict[str, Any]] = []
    if ladder is not None:
        found.append({"reader": "Data scientist", "sentences": [ladder["sentences"][0]], "target": "performance"})
    hours = [row for row in observation["raw"] if row["hours_90"] is not None]
    if hours:
        first, last = (choose(hours, key=lambda row: row["hours_90"]) for choose in (min, max))
        found.append(
            {
                "reader": "Trial designer",
                "sentences": [
                    "Rates with and without each mitigation stand product by product.",
                    f"Nine of ten onsets of CRS are seen within {hours_in_words(first['hours_90'])} of the most recent "
                    f"dose with {first['label']}, within {hours_in_words(last['hours_90'])} with {last['label']}.",
                ],
                "target": "trial",
            }
        )
    if patients:
        told = [_patient_in_words(patient) for patient in patients]
        found.append({"reader": "Clinician", "sentences": [*told, NOTICE], "target": "patients"})
    return found


def _patient_in_words(patient: Part) -> str:
    risk = patient["risks"]["grade2plus"]
    return (
        f"Of 100 patients like {patient['name']}, {short_label(patient['product'])}, {_about(risk['count'])} would "
        f"develop {EVENT} {window_in_words(patient['window_d'])} (plausible range "
        f"{range_of_100(risk['low'], risk['high'])})."
    )


def _about(count: str) -> str:
    return f"about {count}" if count.isdigit() else count


def limits(evaluation: Part, *, published: Part, labels: Mapping[str, str], order: Sequence[str]) -> list[str]:
    """What the report cannot say, from what it found."""
    tally, unsure = published["summary"]["all"], published["summary"]["unverified"]
    by_product = evaluation["by_product"]
    few = [labels[name] for name in order if name in by_product and "not_estimable" in by_product[name]["net_benefit"]]
    n_differ, n_open = tally["n_judged"] - tally["n_agree"], tally["n_figures"] - tally["n_judged"]
    said = [
        "All patients are simulated. Nothing here has been tested on a real patient; there is no external "
        "validation, and no interval in this report covers the step from the simulator to a hospital.",
        "The model knows what the simulator knows. Where a mechanism is wrong or missing, model and oracle are "
        "wrong together, and the ladder cannot show it.",
        f"Of {tally['n_figures']} published figures {tally['n_agree']} are met, {n_differ} differ and {n_open} cannot "
        f"be judged. {tally['n_agree_wide']} of those met have an interval so wide that nearly anything agrees. "
        f"{unsure['n_figures']} figures are recalled and not verified (marked †).",
        "Agreement with published rates says nothing of a single patient.",
        "Death from CRS (grade 5) is not simulated, nor is neurotoxicity.",
        "Reasons say how the model weighs what it was told. They are no proof of cause in a patient, and changing "
        "a variable need not change the risk.",
        "Pooled figures depend on the mix of products in the cohort, which was chosen, not observed.",
    ]
    if few:
        said.append(f"Too few events in the held-out patients for a decision curve: {listed(few)}.")
    return said
