"""Content: everything the report says, as one dictionary. A report is a dictionary first, a page second.

:func:`build_content` takes nouns and plain tables and gives what `json.dumps` can write. Its keys, in the order of the
page: `format`, `title`, `notice`, `question`, `window`, `key_figures`, `first_words`, `cohort`, `published`,
`performance`, `trial`, `drivers`, `patients`, `limits`, `making`, and `evaluation` (all figures as they came).
Every table has the shape that :mod:`crsrisk.report.table_one` describes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.domain.cohort import Cohort
from crsrisk.domain.explanation import Explanation
from crsrisk.domain.published import Comparison
from crsrisk.learn.evaluate import as_plain
from crsrisk.report.bedside import example_patient
from crsrisk.report.drivers import drivers_section
from crsrisk.report.making import making_section
from crsrisk.report.performance import (
    ladder_section,
    net_benefit_table,
    not_estimable_net_benefit,
    performance_tables,
)
from crsrisk.report.comparison_tables import published_section
from crsrisk.report.table_one import outcomes_table, product_order, table_one
from crsrisk.report.trial_tables import observation_table, mitigation_section
from crsrisk.report.words import (
    NOTICE,
    estimate_in_words,
    listed,
    number,
    short_labels,
    significant,
    typeset,
    windows_in_words,
)

FORMAT = "crsrisk-report-1"
TITLE = "Cytokine release syndrome in solid tumours: a risk model learnt from mechanistic patients"
N_ONSET_STEPS = 84
EVENT = "CRS of grade 2 or more"


def build_content(
    *,
    question: str,
    cohort: Cohort,
    comparisons: Sequence[Comparison],
    comparison_summary: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    explanation: Explanation,
    examples: Sequence[Mapping[str, Any]],
    mitigation_table: pd.DataFrame,
    observation_hours: pd.DataFrame,
    manifest: Mapping[str, Any],
    product_labels: Mapping[str, str],
    mitigation_labels: Mapping[str, str],
    predictor_labels: Mapping[str, str] | None = None,
    title: str = TITLE,
) -> dict[str, Any]:
    """The whole report as a dictionary.

    Parameters
    ----------
    question : what the experiment asks, one or two sentences.
    cohort : all patients of the experiment (observed and outcomes are read).
    comparisons, comparison_summary : from :func:`crsrisk.simulate.evidence.compare` and ``summarise``.
    evaluation : from :func:`crsrisk.learn.evaluate.evaluate`; its `ladder` may be None.
    explanation : of the held-out patients, for what drives the model.
    examples : patients, each a mapping with `name`, `product`, `window_d` (days), `description` (rows of
        :func:`crsrisk.report.bedside.describe_patient`), `risk_grade2plus` and `risk_grade3plus` (each `value`, `low`,
        `high`, 0-1), `interval_covers` (what the interval holds and what it does not, no full stop), `base_risk`
        (0-1, where the reasons start), `reasons` (all of :func:`crsrisk.learn.explain.reasons`) and `before_dose_2`:
        either `{"not_given": why}` or `risk_grade2plus`, `interval_covers`, `dose_2_h` and `known` (sentences).
        Optional: `about`, and `resimulated` with `n` and `n_grade2plus`.
    mitigation_table : one row a product and mitigation (`none` among them): product, mitigation, per100_grade2plus,
        mc_error_grade2plus, per100_grade3plus, mc_error_grade3plus, n, window_d.
    observation_hours : one row a product: product, hours_50, hours_90, hours_95 (after the most recent dose; NaN when
        not estimable), n_events.
    manifest : how it was made: seeds, digests, versions; no date, or two runs differ.
    product_labels, mitigation_labels : name -> label; ``predictor_labels`` the same for rungs of the ladder.

    Raises :class:`crsrisk.errors.InputError` for a missing column, a risk outside 0-1 or inside no interval.
    """
    order = product_order(cohort.observed)
    whole_labels = {**{name: name for name in order}, **product_labels}
    labels = short_labels({**{name: name for name in _all_products(comparisons)}, **whole_labels})
    plain_evaluation = as_plain(evaluation)
    windows = {
        labels[name]: float(
            cohort.outcomes.loc[(cohort.observed["product"] == name).to_numpy(), "window_d"].iloc[0]
        )
        for name in order
    }
    performance = _performance(
        plain_evaluation, labels=labels, order=order, predictor_labels=predictor_labels or {}
    )
    published = published_section(comparisons, summary=as_plain(comparison_summary), labels=labels)
    patients = [example_patient(spec, at=at, product_labels=whole_labels) for at, spec in enumerate(examples)]
    trial = {
        "mitigations": mitigation_section(
            mitigation_table, labels=labels, mitigation_labels=mitigation_labels, order=order
        ),
        "observation": observation_table(observation_hours, labels=labels, order=order),
        "onset": onset_curves(cohort, labels=labels, order=order),
    }
    content = {
        "format": FORMAT,
        "title": typeset(title),
        "notice": NOTICE,
        "question": typeset(question),
        "event": EVENT,
        "window": windows_in_words(windows),
        "key_figures": _key_figures(cohort, plain_evaluation, published=published, n_products=len(order)),
        "first_words": _first_words(performance, trial=trial, patients=patients),
        "cohort": {
            "tables": table_one(cohort.observed, labels=labels),
            "outcomes": outcomes_table(cohort.observed, cohort.outcomes, labels=labels),
        },
        "published": published,
        "performance": performance,
        "trial": trial,
        "drivers": drivers_section(explanation),
        "patients": patients,
        "limits": limits(plain_evaluation, published=published, labels=labels, order=order),
        "making": making_section(as_plain(manifest)),
        "evaluation": {name: part for name, part in plain_evaluation.items() if name != "ladder"},
        "labels": {name: labels[name] for name in order},
    }
    json.dumps(content, allow_nan=False)  # a figure that is no number, or a noun left whole, shows here
    return content


def _all_products(comparisons: Sequence[Comparison]) -> list[str]:
    return sorted({row.product for row in comparisons})


def _performance(
    evaluation: Mapping[str, Any],
    *,
    labels: Mapping[str, str],
    order: Sequence[str],
    predictor_labels: Mapping[str, str],
) -> dict[str, Any]:
    ladders = evaluation["ladder"]
    return {
        "outcome": typeset(str(evaluation["outcome_name"])),
        "ladder": None
        if ladders is None
        else ladder_section(ladders, labels=labels, order=order, predictor_labels=predictor_labels),
        "tables": performance_tables(evaluation, labels=labels, order=order),
        "net_benefit": net_benefit_table(evaluation),
        "net_benefit_not_estimable": not_estimable_net_benefit(evaluation, labels=labels, order=order),
        "products": [name for name in order if name in evaluation["by_product"]],
        "methods": [
            {"figure": typeset(str(figure)), "method": typeset(str(method))}
            for figure, method in evaluation["methods"].items()
        ],
    }


def onset_curves(cohort: Cohort, *, labels: Mapping[str, str], order: Sequence[str]) -> list[dict[str, Any]]:
    """By product, how many of 100 patients have had CRS, and CRS of grade 2 or more, by each time."""
    curves = []
    for product in order:
        part = cohort.outcomes[(cohort.observed["product"] == product).to_numpy()]
        window_d = float(part["window_d"].iloc[0])
        time_d = np.linspace(0, window_d, N_ONSET_STEPS + 1)

        def reached(column: str, part: pd.DataFrame = part, time_d: Any = time_d) -> list[float]:
            onset_d = np.sort(part[column].dropna().to_numpy(dtype=np.float64)) / 24.0
            return [
                round(100 * float(n) / len(part), 4) for n in np.searchsorted(onset_d, time_d, side="right")
            ]

        curves.append(
            {
                "product": product,
                "label": labels[product],
                "window_d": window_d,
                "n": len(part),
                "time_d": [round(float(at), 6) for at in time_d],
                "any_per100": reached("onset_h"),
                "grade2plus_per100": reached("onset_grade2plus_h"),
            }
        )
    return curves


def _key_figures(
    cohort: Cohort, evaluation: Mapping[str, Any], *, published: Mapping[str, Any], n_products: int
) -> list[dict[str, str]]:
    """The figures that the report would be reduced to, each with its interval."""
    pooled, tally = evaluation["pooled"], published["summary"]["all"]
    independent = published["summary"]["independent_validation"]
    rows = [
        ("Simulated patients", number(cohort.n_patients, digits=0), f"of {n_products} products"),
        (
            "Held-out patients",
            number(pooled["n"], digits=0),
            f"{number(pooled['n_events'], digits=0)} of them with {EVENT}",
        ),
        (
            "AUROC among patients of one product",
            estimate_in_words(pooled["auroc_within_product"]),
            "95% interval",
        ),
        (
            "AUROC over all patients, products mixed",
            estimate_in_words(pooled["auroc"]),
            "95% interval; the product alone explains much of it",
        ),
        ("Calibration slope", estimate_in_words(pooled["calibration"]["slope"]), "95% interval; ideal 1"),
        (
            "Observed over expected events",
            estimate_in_words(pooled["calibration"]["observed_to_expected"]),
            "95% interval; ideal 1",
        ),
        (
            "Published figures that the simulator meets",
            f"{tally['n_agree']} of {tally['n_judged']}",
            f"judged, of {tally['n_figures']} entered",
        ),
        (
            "The same, sources never tuned to, no shared patients",
            f"{independent['n_agree']} of {independent['n_judged']}",
            f"judged, of {independent['n_figures']} entered",
        ),
    ]
    if evaluation["ladder"] is not None:
        share = evaluation["ladder"]["pooled"]["share_of_oracle_gain"]
        rows.insert(
            3,
            (
                "Share of the knowable that is learnt",
                estimate_in_words(share, digits=0, factor=100),
                "per cent of the oracle’s gain over the product alone, 95% interval",
            ),
        )
    return [{"label": label, "value": value, "note": note} for label, value, note in rows]


def _first_words(
    performance: Mapping[str, Any], *, trial: Mapping[str, Any], patients: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    """One paragraph for each reader, with the place to go on."""
    ladder = performance["ladder"]
    hours = [
        (row["label"], row["hours_90"]) for row in trial["observation"]["raw"] if row["hours_90"] is not None
    ]
    words = []
    if ladder is not None:
        words.append({"reader": "Data scientist", "text": ladder["sentences"][0], "target": "performance"})
    if hours:
        first, last = min(hours, key=lambda one: one[1]), max(hours, key=lambda one: one[1])
        words.append(
            {
                "reader": "Trial designer",
                "target": "trial",
                "text": "Rates with and without each mitigation stand product by product. Nine of ten onsets of CRS are "
                f"seen within {significant(first[1])} h of the most recent dose with {first[0]}, within "
                f"{significant(last[1])} h with {last[0]}; the other products lie between.",
            }
        )
    if patients:
        estimates = [
            f"{one['name']} ({one['product'].split(' (')[0]}), {one['risks']['grade2plus']['of_100']}"
            for one in patients
        ]
        windows = sorted({f"{one['window_d']:g}" for one in patients}, key=float)
        words.append(
            {
                "reader": "Clinician",
                "target": "patients",
                "text": f"Of 100 patients like each of these, about so many would develop {EVENT} within the window "
                f"({listed(windows)} days after the first dose): {'; '.join(estimates)}. {NOTICE}",
            }
        )
    return words


def limits(
    evaluation: Mapping[str, Any],
    *,
    published: Mapping[str, Any],
    labels: Mapping[str, str],
    order: Sequence[str],
) -> list[str]:
    """What the report cannot say, from what it found."""
    tally = published["summary"]["all"]
    unsure = published["summary"]["unverified"]
    few = [
        labels[name]
        for name in order
        if name in evaluation["by_product"]
        and "not_estimable" in evaluation["by_product"][name]["net_benefit"]
    ]
    said = [
        "All patients are simulated. Nothing here has been tested on a real patient; there is no external validation, and "
        "no interval in this report covers the step from the simulator to a hospital.",
        "The model knows what the simulator knows. Where a mechanism is wrong or missing, model and oracle are wrong "
        "together, and the ladder cannot show it.",
        f"{tally['n_figures'] - tally['n_agree']} of {tally['n_figures']} published figures are not shown to be met: "
        f"{tally['n_judged'] - tally['n_agree']} differ, {tally['n_figures'] - tally['n_judged']} cannot be judged. "
        f"{tally['n_agree_wide']} agree with an interval so wide that nearly anything would. "
        f"{unsure['n_figures']} published figures are recalled and not verified (marked †).",
        "Agreement with published rates says nothing of a single patient.",
        "Death from CRS (grade 5) is not simulated, nor is neurotoxicity.",
        "Reasons say how the model weighs what it was told. They are no proof of cause in a patient, and changing a "
        "variable need not change the risk.",
        "Pooled figures depend on the mix of products in the cohort, which was chosen, not observed.",
    ]
    if few:
        said.append(f"Too few events in the held-out patients for a decision curve: {listed(few)}.")
    return said
