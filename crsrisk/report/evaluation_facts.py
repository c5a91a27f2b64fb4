"""What an evaluation can say to a checklist: facts as sentences, and checks that the program
decides itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crsrisk.data.risk_model import FeatureContract
from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.evaluation.internal_external import InternalExternal, Pooled
from crsrisk.evaluation.leaks import Probe
from crsrisk.evaluation.optimism import InstabilityByRisk, OptimismTable
from crsrisk.evaluation.paired_comparison import ModelComparison
from crsrisk.evaluation.sample_size import SampleSize
from crsrisk.evaluation.subgroups import GapDecomposition, Subgroup
from crsrisk.report.checklists import Check
from crsrisk.report.sections import Section
from crsrisk.results import NotEstimable
from crsrisk.wording import estimate_in_words, listed, number, of_100, plain_name

# What an evaluation of a model is made of before it becomes a page: texts, raw results, sections
# that another part of the program adds.


@dataclass(frozen=True)
class EvaluationData:
    """Who was evaluated, in sentences ("" where there is nothing to say).

    ``who`` ("simulated patients under 12 products") stands inside a sentence. ``is_synthetic``:
    simulated by this package. ``n_overlap``: of these patients, how many the model was developed
    on (None: not known).
    """

    who: str
    source: str
    is_synthetic: bool
    n_overlap: int | None
    eligibility: str
    outcome_from: str
    flow: str
    split: str
    differences: str

    @property
    def is_apparent(self) -> bool:
        """Whether the model was fitted to patients evaluated, so that it looks too good."""
        return bool(self.n_overlap)


@dataclass(frozen=True)
class MissingShare:
    """A column that may be empty, and the share of the evaluated patients in whom it is."""

    column: str
    label: str
    share: float


@dataclass(frozen=True)
class Predictor:
    """One clinical variable of the model; ``time``: when it is known."""

    name: str
    label: str
    unit: str
    kind: str
    role: str
    time: str
    may_be_missing: bool


@dataclass(frozen=True)
class ModelAbout:
    """The evaluated model in words, and the patients it was developed on (``made_from``: who they
    were, inside a sentence; ``is_simulated``: all of them by this package).
    """

    label: str
    n_patients: int
    n_events: int
    about: str
    calibration: str
    products: tuple[str, ...]
    made_from: str
    is_simulated: bool


@dataclass(frozen=True)
class ExtraSection:
    """Results of another part of the program: raw ones under ``name``, and sections for people.

    ``name`` becomes a key of the JSON file (`against_the_truth`), ``results`` (a dataclass or plain
    values) its value; ``sections`` (of :func:`crsrisk.report.sections.section`) stand after those
    of the evaluation itself, in their order.
    """

    name: str
    results: object
    sections: Sequence[Section]
    limits: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class About:
    """What the results cannot say themselves.

    ``purpose``: "development and evaluation" or "evaluation". ``labels``: product -> label.
    ``manifest``: how it was made, as JSON writes it. ``probe``: how the model took poor input.
    ``tuning``: how settings were chosen; ``tuning_is_fixed``: they were not chosen from these
    patients. ``why_not``: what a run without development did not compute, and why.
    """

    purpose: str
    question: str
    data: EvaluationData
    missing: Sequence[MissingShare]
    threshold: float
    labels: Mapping[str, str]
    manifest: Mapping[str, Any]
    probe: Probe
    tuning: str = ""
    tuning_is_fixed: bool = True
    why_not: str = ""


@dataclass(frozen=True, repr=False)
class Findings:
    """Everything that is known about the model and these patients; None where a run did not compute
    it.

    ``gaps`` by group of patients, ``internal_external`` by the kind of place that was left out
    (`product`, `tumour_type`, `site`).
    """

    title: str
    notice: str
    purpose: str
    question: str
    event: str
    window: str
    threshold: float
    tuning: str
    tuning_is_fixed: bool
    model: ModelAbout
    data: EvaluationData
    predictors: tuple[Predictor, ...]
    missing: tuple[MissingShare, ...]
    probe: Probe
    evaluation: Evaluation
    subgroups: tuple[Subgroup, ...]
    gaps: Mapping[str, GapDecomposition | NotEstimable]
    optimism: OptimismTable | NotEstimable | None
    instability: InstabilityByRisk | NotEstimable | None
    internal_external: Mapping[str, InternalExternal | NotEstimable] | None
    comparison: tuple[ModelComparison, ...] | None
    sample_size: SampleSize | None
    manifest: Mapping[str, Any]
    limits: tuple[str, ...]
    extra: tuple[ExtraSection, ...]

    @property
    def places_left_out(self) -> list[InternalExternal]:
        """The kinds of place that could be left out."""
        kinds = (self.internal_external or {}).values()
        return [kind for kind in kinds if isinstance(kind, InternalExternal)]


# events and others: the usual least for evaluating a model (Collins et al., Stat Med 2016;35:214)
ENOUGH = 100
TUNED = 20
_AT_HOUR = re.compile(r"__h(\d+)$")


def facts_of(findings: Findings, *, contract: FeatureContract, lead: str) -> dict[str, str]:
    """Name -> sentence, for :mod:`crsrisk.report.checklists`; ``lead``: what the figures say, in
    one sentence.
    """
    return {
        **_about_data(findings, contract, lead),
        **(_about_simulation() if findings.data.is_synthetic else {}),
        **_about_predictors(contract),
        **_about_input(findings),
        **_about_analysis(findings),
        **_about_results(findings),
    }


def _about_data(findings: Findings, contract: FeatureContract, lead: str) -> dict[str, str]:
    data, pooled = findings.data, findings.evaluation.pooled
    purpose = findings.purpose.capitalize()
    return {
        "title": f"{purpose} of a model of {contract.outcome_in_words} in {data.who}.",
        "abstract": f"{findings.question} {lead}",
        "objective": f"{purpose}.",
        "data_source": data.source,
        "eligibility": data.eligibility,
        "outcome": f"{contract.outcome_in_words}, {findings.window}. {data.outcome_from}",
        "flow": data.flow,
        "ethics": (
            "No real patient was used, so none was asked."
            if data.is_synthetic and findings.model.is_simulated
            else "To be stated by whoever holds the table."
        ),
        "limitations": " ".join(limits_of_origin(findings.model, data)),
        "split": data.split,
        "output": f"A probability of {contract.outcome_in_words}, {findings.window}.",
        "threshold": (
            f"Figures that need a threshold use {of_100(findings.threshold)} of 100, declared"
            " before; its reason has to be given by whoever would act on it."
        ),
        "development_size": (
            f"{contract.n_patients:,} patients with {contract.n_events:,} events made the model; "
            f"it was evaluated in {pooled.n:,} patients with {pooled.n_events:,} events."
        ),
    }


def limits_of_origin(model: ModelAbout, data: EvaluationData) -> list[str]:
    """What cannot be said because of where the patients of model and evaluation come from."""
    if data.is_apparent:
        return [
            f"The model was fitted to {model.made_from}, and evaluated in these very patients: all"
            " figures are of apparent performance, and too good."
        ]
    if not model.is_simulated:
        limits = [f"The model was fitted to {model.made_from}."]
        if data.is_synthetic:
            return [*limits, "The patients it was evaluated in are simulated."]
        return [*limits, "Nothing here says how it does in patients other than those of the table."]
    limits = [
        "The model was fitted to simulated patients; nothing here says how it does in a hospital."
        if data.is_synthetic
        else "The model was fitted to simulated patients; nothing here says how it does in patients"
        " other than those of the table."
    ]
    if data.is_synthetic:
        limits.append("The patients it was evaluated in come from the same simulator.")
    return limits


def _about_simulation() -> dict[str, str]:
    """What is true of every simulated patient."""
    return {
        "dates": "Simulated: no dates.",
        "centres": "Simulated sites; no real centre.",
        "treatments": (
            "Products, regimens and premedication are in the data; rescue treatment follows the"
            " policy of the simulated ward and can change the outcome."
        ),
        "assessors": "Graded by one rule from simulated signs, alike for everybody.",
        "blinding": "Blind by construction: grades are computed without the model.",
        "predictor_assessors": "Simulated measurements, alike for everybody, before the outcome.",
        "data_sharing": "Simulated: the command in their manifest makes the same bytes again.",
        "code_sharing": (
            "The package that made this page; its version stands under how it was made."
        ),
    }


def _about_predictors(contract: FeatureContract) -> dict[str, str]:
    when = (
        "before the first dose"
        if contract.landmark_h == 0
        else f"up to {contract.landmark_h} h after the first dose"
    )
    labels = [variable.said_label for variable in contract.variables]
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


def _about_input(findings: Findings) -> dict[str, str]:
    """What the probe showed."""
    probe = findings.probe
    n_optional = len(probe.accepts_gaps) + len(probe.rejects_gaps)
    text = (
        f"Tried on {probe.n_rows} rows: a risk alone and in a batch is"
        f" {'the same' if probe.alone_equals_batch else 'NOT the same'};"
        f" {len(probe.accepts_gaps)} of {n_optional} columns that may be empty were scored when"
        f" empty; {probe.refuses_impossible} of {probe.n_impossible} impossible numbers were"
        " refused."
    )
    if probe.warns_of_unknown_product is not None:
        how = "with" if probe.warns_of_unknown_product else "WITHOUT"
        text += f" An unknown product is scored {how} a warning."
    return {"poor_input": text}


def _about_analysis(findings: Findings) -> dict[str, str]:
    facts = {
        "model_type": findings.model.about,
        "measures": (
            "Discrimination, calibration, overall performance and net benefit, each with its"
            " interval; method and smoother of each stand in the evaluation. No accuracy, F1 or"
            " AUPRC."
        ),
        "imbalance": "Nothing was done about class imbalance: no resampling, no weights.",
        "fairness": (
            f"Groups by {listed(_parted_by(findings))} are evaluated apart, with differences;"
            " nothing was done to equalise them."
            if findings.subgroups
            else "No group of these patients could be evaluated apart."
        ),
        "specification": (
            "Trees as text, calibration as two numbers, contract and hashes of every file in the"
            " model folder."
        ),
        "updating": "The model was evaluated as it is, not updated.",
    }
    if isinstance(findings.optimism, OptimismTable):
        facts["internal_validation"] = (
            f"Bootstrap of the whole development. {findings.optimism.note}"
        )
        facts["tuning"] = findings.tuning
    if kinds := findings.places_left_out:
        facts["heterogeneity"] = (
            f"One {listed([plain_name(kind.by) for kind in kinds])} was left out at a time;"
            " figures pooled by random effects."
        )
    if findings.sample_size is not None:
        facts["sample_size"] = findings.sample_size.sentence
    return facts


def _parted_by(findings: Findings) -> list[str]:
    """What parts the patients into subgroups."""
    return [plain_name(name) for name in dict.fromkeys(one.variable for one in findings.subgroups)]


def _about_results(findings: Findings) -> dict[str, str]:
    evaluation, pooled = findings.evaluation, findings.evaluation.pooled
    missing = "; ".join(
        f"{column.label} {number(100 * column.share, digits=0)}%"
        for column in findings.missing
        if column.share > 0
    )
    facts = {
        "performance": (
            "AUROC among patients of one product"
            f" {estimate_in_words(evaluation.auroc_within_groups)}, mixed"
            f" {estimate_in_words(pooled.auroc)}; calibration slope"
            f" {estimate_in_words(pooled.calibration.slope)}, intercept (slope 1)"
            f" {estimate_in_words(pooled.calibration.in_the_large)}."
        ),
        "characteristics": f"Missing values: {missing}.",
    }
    if findings.data.differences:
        facts["differences"] = findings.data.differences
    ranges = [
        f"{plain_name(kind.by)}: AUROC of a further one {number(pooled_auroc.prediction_low)} to "
        f"{number(pooled_auroc.prediction_high)}"
        for kind in findings.places_left_out
        if isinstance(pooled_auroc := kind.pooled["auroc"], Pooled)
    ]
    if ranges:
        facts["heterogeneity_found"] = "95% prediction intervals, " + "; ".join(ranges) + "."
    return facts


def checks_of(findings: Findings, *, contract: FeatureContract) -> dict[str, Check]:
    """Name -> what the program decided, for :mod:`crsrisk.report.checklists`."""
    return {
        **_about_model(contract),
        **_about_probe(findings),
        **_about_development(findings, contract),
        **_about_evaluation(findings),
    }


def _about_model(contract: FeatureContract) -> dict[str, Check]:
    late = [
        feature.name
        for feature in contract.features
        if (hour := _AT_HOUR.search(feature.name)) and int(hour.group(1)) > contract.landmark_h
    ]
    leaking = [
        feature.name for feature in contract.features if feature.name.startswith(contract.outcome)
    ]
    days = sorted(set(contract.window_d.values()))
    return {
        "blind_predictors": Check(
            not late,
            (
                "All are measured before the outcome can happen."
                if not late
                else f"Measured after the time of prediction: {', '.join(late)}."
            ),
        ),
        "available": Check(
            not late,
            (
                f"No feature is measured later than {contract.landmark_h} h after the first dose."
                if not late
                else f"Later than the time of prediction: {', '.join(late)}."
            ),
        ),
        "not_in_outcome": Check(
            not leaking,
            (
                "No feature is named after the outcome."
                if not leaking
                else f"Features that are the outcome: {', '.join(leaking)}."
            ),
        ),
        "window": Check(
            True,
            "The same window for everybody of a platform: "
            f"{' or '.join(f'{length:g}' for length in days)} days.",
        ),
        "not_dichotomised": Check(
            True, "No number was cut into classes: trees place their own splits, directions hold."
        ),
        "missing_handled": Check(
            True, "Gaps are part of the contract; whoever lacks an outcome was not used."
        ),
        "imbalance": Check(True, "Imbalance was not treated, so nothing had to be undone."),
    }


def _about_probe(findings: Findings) -> dict[str, Check]:
    probe = findings.probe
    return {
        "prepared_alike": Check(
            probe.alone_equals_batch,
            "Features are made row by row, and the same rows gave "
            f"{'the same' if probe.alone_equals_batch else 'other'} risks alone and in a batch.",
        ),
        "missing_in_use": Check(
            not probe.rejects_gaps,
            (
                "Every column that may be empty was scored when empty, by the stand-ins of"
                " development."
                if not probe.rejects_gaps
                else f"No risk when these were empty: {listed(list(probe.rejects_gaps))}."
            ),
        ),
    }


def _about_development(findings: Findings, contract: FeatureContract) -> dict[str, Check]:
    calibrated = findings.model.calibration
    checks = {
        "overfitting": Check(
            "none" not in calibrated, f"Shallow penalised trees; calibration: {calibrated}."
        )
    }
    size = findings.sample_size
    wanted: dict[str, int | None] = {}
    if size is not None and size.riley is not None:
        wanted["Riley's formulas"] = size.riley.largest
    if size is not None and size.needed is not None:
        wanted["the learning curve"] = size.needed.smallest["all"]
    if wanted:
        is_enough = all(
            least is not None and contract.n_patients >= least for least in wanted.values()
        )
        asked = listed(
            [
                f"{name}: {'more than was tried' if least is None else number(least, digits=0)}"
                for name, least in wanted.items()
            ]
        )
        checks["development_size"] = Check(
            is_enough, f"{contract.n_patients:,} patients; needed by {asked}."
        )
    if isinstance(findings.optimism, OptimismTable):
        checks["steps_repeated"] = Check(
            findings.tuning_is_fixed or findings.optimism.n_tuned >= TUNED, findings.optimism.note
        )
    return checks


def _about_evaluation(findings: Findings) -> dict[str, Check]:
    pooled, n_overlap = findings.evaluation.pooled, findings.data.n_overlap
    n_events, n_others = pooled.n_events, pooled.n - pooled.n_events
    shown = {
        "discrimination": pooled.auroc,
        "calibration": pooled.calibration.curve,
        "net benefit": pooled.net_benefit,
    }
    lacking = [name for name, figure in shown.items() if isinstance(figure, NotEstimable)]
    is_apart = None if n_overlap is None else n_overlap == 0
    return {
        "not_apparent": Check(
            is_apart,
            (
                "The patients evaluated were not used in development."
                if is_apart
                else "Whether some of them were used in development cannot be seen from the table."
                if is_apart is None
                else f"{n_overlap} of them are patients that the model was fitted to."
            ),
        ),
        "evaluation_size": Check(
            min(n_events, n_others) >= ENOUGH,
            f"{n_events:,} patients with and {n_others:,} without the event; at least {ENOUGH} of "
            "each.",
        ),
        "no_leakage": Check(
            is_apart,
            (
                "The program cannot see who developed the model."
                if n_overlap is None
                else (
                    f"{n_overlap} patients stand on both sides; nothing is fitted on the patients"
                    " evaluated."
                )
            ),
        ),
        "all_three": Check(
            not lacking,
            (
                "All are shown with intervals."
                if not lacking
                else f"Not estimable here: {listed(lacking)}."
            ),
        ),
    }
