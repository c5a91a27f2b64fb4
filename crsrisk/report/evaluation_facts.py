"""What a judgement can say to a checklist: facts as sentences, and checks that the program decides
itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crsrisk.data.risk_model import FeatureContract
from crsrisk.wording import estimate_in_words, listed, number, of_100, plain_name

Content = Mapping[str, Any]
Check = dict[str, Any]

# events and others: the usual least for judging a model (Collins et al., Stat Med 2016;35:214)
ENOUGH = 100
TUNED = 20
_AT_HOUR = re.compile(r"__h(\d+)$")


def facts_of(content: Content, *, contract: FeatureContract) -> dict[str, str]:
    """Name -> sentence, for :mod:`crsrisk.report.checklists` and
    :mod:`crsrisk.report.checklists`.
    """
    return {
        **_about_data(content, contract),
        **_about_predictors(contract),
        **_about_input(content),
        **_about_analysis(content, contract),
        **_about_results(content, contract),
    }


def _about_data(content: Content, contract: FeatureContract) -> dict[str, str]:
    data, pooled = content["data"], content["evaluation"]["pooled"]
    purpose = content["purpose"]
    facts = {
        "title": (
            f"{purpose.capitalize()} of a model of {contract.outcome_in_words} in {data['who']}."
        ),
        "abstract": f"{content['question']} {content['sections'][0].lead}",
        "objective": purpose.capitalize() + ".",
        "data_source": data["source"],
        "eligibility": data["eligibility"],
        "outcome": f"{contract.outcome_in_words}, {content['window']}. {data['outcome_from']}",
        "flow": data["flow"],
        "ethics": (
            "No real patient was used, so none was asked."
            if data["is_synthetic"]
            else "To be stated by whoever holds the table."
        ),
        "limitations": (
            "Model fitted to simulated patients; no external validation. "
            + ("The patients judged are simulated too." if data["is_synthetic"] else "")
        ),
        "split": data["split"],
        "output": f"A probability of {contract.outcome_in_words}, {content['window']}.",
        "threshold": (
            f"Figures that need a threshold use {of_100(content['threshold'])} of 100, declared"
            " before; its reason has to be given by whoever would act on it."
        ),
        "development_size": (
            f"{contract.n_patients:,} patients with {contract.n_events:,} events made the model; "
            f"{pooled['n']:,} patients with {pooled['n_events']:,} events judged it."
        ),
    }
    if data["is_synthetic"]:
        facts |= {
            "dates": "Simulated: no dates.",
            "centres": "Simulated sites; no real centre.",
            "treatments": (
                "Products, regimens and premedication are in the data; rescue treatment follows the"
                " policy of the simulated ward and can change the outcome."
            ),
            "assessors": "Graded by one rule from simulated signs, alike for everybody.",
            "blinding": "Blind by construction: grades are computed without the model.",
            "predictor_assessors": (
                "Simulated measurements, alike for everybody, before the outcome."
            ),
            "data_sharing": "Made by the command that made this page, from its seed.",
            "code_sharing": (
                "The package that made this page; its version stands under how it was made."
            ),
        }
    return facts


def _about_predictors(contract: FeatureContract) -> dict[str, str]:
    when = (
        "before the first dose"
        if contract.landmark_h == 0
        else f"up to {contract.landmark_h} h after the first dose"
    )
    labels = [variable.label for variable in contract.variables]
    directed = sum(feature.direction != "none" for feature in contract.features)
    optional = [column for column in contract.columns if column.may_be_missing]
    return {
        "predictors": (
            f"{len(labels)} clinical variables: {listed(labels)}. The contract names the mechanism"
            " of each."
        ),
        "predictor_times": f"All are known {when}; units stand in the contract.",
        "transformations": (
            f"Numbers enter as numbers, words as one yes/no feature each; {directed} of"
            f" {len(contract.features)} features have a direction that follows from a named"
            " assumption."
        ),
        "preprocessing": (
            "Features depend on the patient's own row alone; stand-ins for missing values were"
            " fixed in development. The same row alone and in a batch gives the same risk."
        ),
        "missing": (
            f"{len(optional)} of {len(contract.columns)} columns may be empty, in development and"
            " in use alike: the trees learn what a gap means, or a fixed stand-in is used where"
            " gaps were rare."
        ),
        "prediction": (
            "By crsrisk.predict from the contract: checked, converted, scored; no threshold is"
            " applied."
        ),
    }


def _about_input(content: Content) -> dict[str, str]:
    """What the probe found."""
    found = content["probe"]
    optional = len(found["accepts_gaps"]) + len(found["rejects_gaps"])
    said = [
        f"Tried on {found['n_rows']} rows: a risk alone and in a batch is"
        f" {'the same' if found['alone_equals_batch'] else 'NOT the same'};"
        f" {len(found['accepts_gaps'])} of {optional} columns that may be empty were scored when"
        f" empty; {found['refuses_impossible']} of {found['n_impossible']} impossible numbers were"
        " refused."
    ]
    if found["warns_of_unknown_product"] is not None:
        said.append(
            "An unknown product is scored"
            f" {'with' if found['warns_of_unknown_product'] else 'WITHOUT'} a warning."
        )
    return {"poor_input": " ".join(said)}


def _about_analysis(content: Content, contract: FeatureContract) -> dict[str, str]:
    facts = {
        "model_type": content["model"]["about"],
        "measures": (
            "Discrimination, calibration, overall performance and net benefit, each with its"
            " interval; method and smoother of each stand in the evaluation. No accuracy, F1 or"
            " AUPRC."
        ),
        "imbalance": "Nothing was done about class imbalance: no resampling, no weights.",
        "fairness": (
            "Groups by sex, age, tumour type, liver metastases and missing values are judged apart,"
            " with differences; nothing was done to equalise them."
        ),
        "specification": (
            "Trees as text, calibration as two numbers, contract and hashes of every file in the"
            " model folder."
        ),
        "updating": "The model was judged as it is, not updated.",
    }
    if _has(content, "optimism"):
        facts["internal_validation"] = (
            f"Bootstrap of the whole development. {content['optimism']['note']}"
        )
        facts["tuning"] = content["tuning"]
    if kinds := _done_kinds(content):
        facts["heterogeneity"] = (
            f"One {listed([plain_name(one['by']) for one in kinds])} was left out at a time;"
            " figures pooled by random effects."
        )
    if content["sample_size"] is not None:
        facts["sample_size"] = content["sample_size"]["sentence"]
    return facts


def _about_results(content: Content, contract: FeatureContract) -> dict[str, str]:
    pooled, calibration = (
        content["evaluation"]["pooled"],
        content["evaluation"]["pooled"]["calibration"],
    )
    facts = {
        "performance": (
            "AUROC among patients of one product"
            f" {estimate_in_words(pooled['auroc_within_product'])}, mixed"
            f" {estimate_in_words(pooled['auroc'])}; calibration slope"
            f" {estimate_in_words(calibration['slope'])}, intercept (slope 1)"
            f" {estimate_in_words(calibration['in_the_large'])}."
        ),
        "characteristics": (
            "Missing values: "
            + "; ".join(
                f"{one['label']} {number(100 * one['share'], digits=0)}%"
                for one in content["missing"]
                if one["share"] > 0
            )
            + "."
        ),
    }
    if content["data"]["differences"]:
        facts["differences"] = content["data"]["differences"]
    spread = [
        f"{plain_name(one['by'])}: AUROC of a further one {number(found['prediction_low'])} to "
        f"{number(found['prediction_high'])}"
        for one in _done_kinds(content)
        if "not_estimable" not in (found := one["pooled"]["auroc"])
    ]
    if spread:
        facts["heterogeneity_found"] = "95% prediction intervals, " + "; ".join(spread) + "."
    return facts


def checks_of(content: Content, *, contract: FeatureContract) -> dict[str, Check]:
    """Name -> `answer` (True, False, or None: a human must say) and `why`."""
    return {
        **_about_model(contract),
        **_about_probe(content),
        **_about_development(content, contract),
        **_about_evaluation(content),
    }


def _about_model(contract: FeatureContract) -> dict[str, Check]:
    late = [
        feature.name
        for feature in contract.features
        if (found := _AT_HOUR.search(feature.name)) and int(found.group(1)) > contract.landmark_h
    ]
    leaking = [
        feature.name for feature in contract.features if feature.name.startswith(contract.outcome)
    ]
    days = sorted(set(contract.window_d.values()))
    return {
        "blind_predictors": _check(
            not late,
            (
                "All are measured before the outcome can happen."
                if not late
                else f"Measured after the time of prediction: {', '.join(late)}."
            ),
        ),
        "available": _check(
            not late,
            (
                f"No feature is measured later than {contract.landmark_h} h after the first dose."
                if not late
                else f"Later than the time of prediction: {', '.join(late)}."
            ),
        ),
        "not_in_outcome": _check(
            not leaking,
            (
                "No feature is named after the outcome."
                if not leaking
                else f"Features that are the outcome: {', '.join(leaking)}."
            ),
        ),
        "window": _check(
            True,
            "The same window for everybody of a platform: "
            f"{' or '.join(f'{one:g}' for one in days)} days.",
        ),
        "not_dichotomised": _check(
            True, "No number was cut into classes: trees place their own splits, directions hold."
        ),
        "missing_handled": _check(
            True, "Gaps are part of the contract; whoever lacks an outcome was not used."
        ),
        "imbalance": _check(True, "Imbalance was not treated, so nothing had to be undone."),
    }


def _about_probe(content: Content) -> dict[str, Check]:
    found = content["probe"]
    return {
        "prepared_alike": _check(
            found["alone_equals_batch"],
            "Features are made row by row, and the same rows gave "
            f"{'the same' if found['alone_equals_batch'] else 'other'} risks alone and in a batch.",
        ),
        "missing_in_use": _check(
            not found["rejects_gaps"],
            (
                "Every column that may be empty was scored when empty, by the stand-ins of"
                " development."
                if not found["rejects_gaps"]
                else f"No risk when these were empty: {listed(found['rejects_gaps'])}."
            ),
        ),
    }


def _about_development(content: Content, contract: FeatureContract) -> dict[str, Check]:
    calibrated = content["model"]["calibration"]
    found = {
        "overfitting": _check(
            "none" not in calibrated, f"Shallow penalised trees; calibration: {calibrated}."
        )
    }
    size = content["sample_size"]
    wanted = (
        []
        if size is None
        else [
            *([] if size["riley"] is None else [("Riley's formulas", size["riley"]["largest"])]),
            *(
                []
                if size["needed"] is None
                else [("the learning curve", size["needed"]["smallest"]["all"])]
            ),
        ]
    )
    if wanted:
        short = [name for name, least in wanted if least is None or contract.n_patients < least]
        asked = listed(
            [
                f"{name}: {'more than was tried' if least is None else number(least, digits=0)}"
                for name, least in wanted
            ]
        )
        found["development_size"] = _check(
            not short, f"{contract.n_patients:,} patients; needed by {asked}."
        )
    return found


def _about_evaluation(content: Content) -> dict[str, Check]:
    pooled, data = content["evaluation"]["pooled"], content["data"]
    n_events, n_others = pooled["n_events"], pooled["n"] - pooled["n_events"]
    shown = {
        "discrimination": pooled["auroc"],
        "calibration": pooled["calibration"]["curve"],
        "net benefit": pooled["net_benefit"],
    }
    lacking = [name for name, figure in shown.items() if "not_estimable" in figure]
    found = {
        "not_apparent": _check(
            data["n_overlap"] == 0 if data["n_overlap"] is not None else None,
            (
                "The patients judged were not used in development."
                if data["n_overlap"] == 0
                else "Whether they were used in development cannot be seen from the table."
            ),
        ),
        "evaluation_size": _check(
            min(n_events, n_others) >= ENOUGH,
            f"{n_events:,} patients with and {n_others:,} without the event; at least {ENOUGH} of "
            "each.",
        ),
        "no_leakage": _check(
            None if data["n_overlap"] is None else data["n_overlap"] == 0,
            (
                "The program cannot see who developed the model."
                if data["n_overlap"] is None
                else (
                    f"{data['n_overlap']} patients stand on both sides; nothing is fitted on the"
                    " patients judged."
                )
            ),
        ),
        "all_three": _check(
            not lacking,
            (
                "All are shown with intervals."
                if not lacking
                else f"Not estimable here: {listed(lacking)}."
            ),
        ),
    }
    if _has(content, "optimism"):
        n_tuned = content["optimism"]["n_tuned"]
        is_fixed = content["tuning_is_fixed"]
        found["steps_repeated"] = _check(is_fixed or n_tuned >= TUNED, content["optimism"]["note"])
    return found


def _check(answer: bool | None, why: str) -> Check:
    return {"answer": answer, "why": why}


def _has(content: Content, part: str) -> bool:
    return content[part] is not None and "not_estimable" not in content[part]


def _done_kinds(content: Content) -> list[Mapping[str, Any]]:
    return [one for one in content["internal_external"] or [] if "not_estimable" not in one]
