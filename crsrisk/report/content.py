"""Content: everything the report says, as one dictionary. A report is a dictionary first, a page
second.

:func:`build_content` takes nouns and plain tables and gives what `json.dumps` can write. Its keys,
in the order of the page: `format`, `title`, `notice`, `question`, `window`, `key_figures`,
`first_words`, `cohort`, `published`, `performance`, `trial`, `drivers`, `patients`, `generator`
(None without a card), `limits`, `making`, and `evaluation` (all figures as they came). Every table
has the shape that :mod:`crsrisk.report.patients` describes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crsrisk.data.cohort import Cohort
from crsrisk.data.explanation import Explanation
from crsrisk.data.published_figures import Comparison
from crsrisk.report.bedside import example_patient
from crsrisk.report.generator_card import GeneratorCard, generator_section
from crsrisk.report.manifest import making_section
from crsrisk.report.mitigation import mitigation_section, observation_table, onset_curves
from crsrisk.report.patients import outcomes_table, product_order, table_one
from crsrisk.report.performance import (
    ladder_section,
    net_benefit_table,
    performance_tables,
    reasons_of,
)
from crsrisk.report.published_comparison import published_section
from crsrisk.report.reasons import drivers_section
from crsrisk.results import to_plain
from crsrisk.simulation.evidence import ComparisonSummary
from crsrisk.wording import (
    NOTICE,
    estimate_in_words,
    hours_in_words,
    listed,
    number,
    range_of_100,
    short_label,
    short_labels,
    typeset,
    window_in_words,
    windows_in_words,
)

# Statements: the key figures, the first words for each reader, and what the report cannot say.


Part = Mapping[str, Any]

EVENT = "CRS of grade 2 or more"


def key_figures(
    evaluation: Part, *, published: Part, n_patients: int, n_products: int
) -> list[dict[str, str]]:
    """The figures that the report would be reduced to, each with its interval: label, value,
    note.
    """
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
        rows.append(
            (
                "Share of the knowable that is learnt",
                told,
                "per cent of the oracle’s gain, 95% interval",
            )
        )
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


def first_words(
    ladder: Part | None, *, observation: Part, patients: Sequence[Part]
) -> list[dict[str, Any]]:
    """One paragraph for each reader, sentence by sentence, with the place to go on."""
    found: list[dict[str, Any]] = []
    if ladder is not None:
        found.append(
            {
                "reader": "Data scientist",
                "sentences": [ladder["sentences"][0]],
                "target": "performance",
            }
        )
    hours = [row for row in observation["raw"] if row["hours_90"] is not None]
    if hours:
        first, last = (choose(hours, key=lambda row: row["hours_90"]) for choose in (min, max))
        found.append(
            {
                "reader": "Trial designer",
                "sentences": [
                    "Rates with and without each mitigation stand product by product.",
                    (
                        "Nine of ten onsets of CRS are seen within"
                        f" {hours_in_words(first['hours_90'])} of the most recent dose with"
                        f" {first['label']}, within {hours_in_words(last['hours_90'])} with"
                        f" {last['label']}."
                    ),
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
        f"Of 100 patients like {patient['name']}, {short_label(patient['product'])},"
        f" {_about(risk['count'])} would develop {EVENT} {window_in_words(patient['window_d'])}"
        f" (plausible range {range_of_100(risk['low'], risk['high'])})."
    )


def _about(count: str) -> str:
    return f"about {count}" if count.isdigit() else count


def limits(
    evaluation: Part, *, published: Part, labels: Mapping[str, str], order: Sequence[str]
) -> list[str]:
    """What the report cannot say, from what it found."""
    tally, unsure = published["summary"]["all"], published["summary"]["unverified"]
    by_product = evaluation["by_product"]
    few = [
        labels[name]
        for name in order
        if name in by_product and "not_estimable" in by_product[name]["net_benefit"]
    ]
    n_differ, n_open = tally["n_judged"] - tally["n_agree"], tally["n_figures"] - tally["n_judged"]
    said = [
        (
            "All patients are simulated. Nothing here has been tested on a real patient; there is"
            " no external validation, and no interval in this report covers the step from the"
            " simulator to a hospital."
        ),
        (
            "The model knows what the simulator knows. Where a mechanism is wrong or missing, model"
            " and oracle are wrong together, and the ladder cannot show it."
        ),
        (
            f"Of {tally['n_figures']} published figures {tally['n_agree']} are met, {n_differ}"
            f" differ and {n_open} cannot be judged. {tally['n_agree_wide']} of those met have an"
            f" interval so wide that nearly anything agrees. {unsure['n_figures']} figures are"
            " recalled and not verified (marked †)."
        ),
        "Agreement with published rates says nothing of a single patient.",
        "Death from CRS (grade 5) is not simulated, nor is neurotoxicity.",
        (
            "Reasons say how the model weighs what it was told. They are no proof of cause in a"
            " patient, and changing a variable need not change the risk."
        ),
        (
            "Pooled figures depend on the mix of products in the cohort, which was chosen, not"
            " observed."
        ),
    ]
    if few:
        said.append(f"Too few events in the held-out patients for a decision curve: {listed(few)}.")
    return said


FORMAT = "crsrisk-report-1"
TITLE = "Cytokine release syndrome in solid tumours: a risk model learnt from mechanistic patients"


def build_content(
    *,
    question: str,
    cohort: Cohort,
    comparisons: Sequence[Comparison],
    comparison_summary: ComparisonSummary,
    evaluation: Mapping[str, Any],
    explanation: Explanation,
    examples: Sequence[Mapping[str, Any]],
    mitigation_table: pd.DataFrame,
    observation_hours: pd.DataFrame,
    manifest: Mapping[str, Any],
    product_labels: Mapping[str, str],
    mitigation_labels: Mapping[str, str],
    predictor_labels: Mapping[str, str] | None = None,
    generator: GeneratorCard | None = None,
    title: str = TITLE,
) -> dict[str, Any]:
    """The whole report as a dictionary.

    Parameters ---------- question : what the experiment asks, one or two sentences. cohort : all
    patients of the experiment (observed and outcomes are read). comparisons, comparison_summary :
    from :func:`crsrisk.simulation.evidence.compare` and ``summarise``. evaluation :
    from :func:`crsrisk.evaluation.evaluate.evaluate`; its `ladder` may be None. explanation : of
    the held-out patients, for what drives the model. examples : patients, each a mapping with
    `name`, `product`, `window_d` (days), `description` (rows of
        :func:`crsrisk.report.bedside.describe_patient`), `risk_grade2plus` and `risk_grade3plus`
        (each `value`, `low`, `high`, 0-1), `interval_covers` (what the interval holds and what it
        does not, no full stop), `base_risk` (0-1, where the reasons start), `reasons` (all of
        :func:`crsrisk.model.explain.reasons`) and `before_dose_2`: either `{"not_given": why}` or
        `risk_grade2plus`, `interval_covers`, `dose_2_h` and `known` (sentences). Optional: `about`,
        and `resimulated` with `n` and `n_grade2plus`.
    mitigation_table : one row a product and mitigation (`none` among them): product, mitigation,
    per100_grade2plus,
        mc_error_grade2plus, per100_grade3plus, mc_error_grade3plus, n, window_d.
    observation_hours : one row a product: product, hours_50, hours_90, hours_95 (after the most
    recent dose; NaN when
        not estimable), n_events.
    manifest : how it was made: seeds, digests, versions; no date, or two runs differ.
    product_labels, mitigation_labels : name -> label; ``predictor_labels`` the same for rungs of
    the ladder. generator : the card of the simulator, from
    :func:`crsrisk.report.generator_card.generator_card`; without one the report
        has no section on how far to believe it.

    Raises :class:`crsrisk.errors.InputError` for a missing column, a risk outside 0-1 or inside no
    interval.
    """
    order = product_order(cohort.observed)
    whole_labels = {**{name: name for name in order}, **product_labels}
    labels = short_labels({**{row.product: row.product for row in comparisons}, **whole_labels})
    plain = to_plain(evaluation)
    performance = _performance(
        plain, labels=labels, order=order, predictor_labels=predictor_labels or {}
    )
    published = published_section(
        comparisons, summary=to_plain(comparison_summary), labels=labels, order=order
    )
    patients = [
        example_patient(spec, at=at, product_labels=whole_labels)
        for at, spec in enumerate(examples)
    ]
    observation = observation_table(observation_hours, labels=labels, order=order)
    content = {
        "format": FORMAT,
        "title": typeset(title),
        "notice": NOTICE,
        "question": typeset(question),
        "event": EVENT,
        "window": windows_in_words({labels[name]: days for name, days in _windows(cohort).items()}),
        "key_figures": key_figures(
            plain, published=published, n_patients=cohort.n_patients, n_products=len(order)
        ),
        "first_words": first_words(
            performance["ladder"], observation=observation, patients=patients
        ),
        "cohort": {
            "tables": table_one(cohort.observed, labels=labels),
            "outcomes": outcomes_table(cohort.observed, cohort.outcomes, labels=labels),
        },
        "published": published,
        "performance": performance,
        "trial": {
            "mitigations": mitigation_section(
                mitigation_table, labels=labels, mitigation_labels=mitigation_labels, order=order
            ),
            "observation": observation,
            "onset": onset_curves(cohort, labels=labels, order=order),
        },
        "drivers": drivers_section(explanation),
        "patients": patients,
        "generator": None if generator is None else to_plain(generator_section(generator)),
        "limits": limits(plain, published=published, labels=labels, order=order),
        "making": making_section(to_plain(manifest)),
        "evaluation": {name: part for name, part in plain.items() if name != "ladder"},
        "labels": {name: labels[name] for name in order},
    }
    # a figure that is no number, or a noun left whole, shows here
    json.dumps(content, allow_nan=False)
    return content


def _windows(cohort: Cohort) -> dict[str, float]:
    """Days of the window by product, in the order of every table."""
    first = cohort.outcomes["window_d"].groupby(cohort.observed["product"].to_numpy()).first()
    return {name: float(first[name]) for name in product_order(cohort.observed)}


def _performance(
    evaluation: Mapping[str, Any],
    *,
    labels: Mapping[str, str],
    order: Sequence[str],
    predictor_labels: Mapping[str, str],
) -> dict[str, Any]:
    ladders, by_product = evaluation["ladder"], evaluation["by_product"]
    known = [name for name in order if name in by_product]
    return {
        "outcome": typeset(str(evaluation["outcome_name"])),
        "ladder": (
            None
            if ladders is None
            else ladder_section(
                ladders, labels=labels, order=order, predictor_labels=predictor_labels
            )
        ),
        "tables": performance_tables(evaluation, labels=labels, order=order),
        "net_benefit": net_benefit_table(evaluation),
        "calibrated": [
            name for name in known if _is_estimable(by_product[name]["calibration"]["curve"])
        ],
        "calibration_not_estimable": reasons_of(
            evaluation, labels=labels, order=order, field="calibration"
        ),
        "weighed": [name for name in known if _is_estimable(by_product[name]["net_benefit"])],
        "net_benefit_not_estimable": reasons_of(
            evaluation, labels=labels, order=order, field="net_benefit"
        ),
        "products": known,
        "methods": [
            {"figure": typeset(str(figure)), "method": typeset(str(method))}
            for figure, method in evaluation["methods"].items()
        ],
    }


def _is_estimable(figure: Mapping[str, Any]) -> bool:
    return "not_estimable" not in figure
