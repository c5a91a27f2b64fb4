"""The evaluation of a model as a page: raw results under their names, the same for people in
sections, and the checklists and the model card that are answered from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from crsrisk.data.provenance import Provenance
from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.evaluation.internal_external import InternalExternal
from crsrisk.evaluation.optimism import Instability, OptimismTable
from crsrisk.evaluation.paired_comparison import ModelComparison
from crsrisk.evaluation.sample_size import SampleSize
from crsrisk.evaluation.subgroups import GapDecomposition, Subgroup
from crsrisk.model.risk_model import RiskModel, class_in_words
from crsrisk.report.answers import judged_in_words
from crsrisk.report.checklists import Checklist, ProbastAI, probast_ai, tripod_ai
from crsrisk.report.evaluation_development import (
    instability_section,
    internal_external_section,
    optimism_section,
    sample_size_section,
)
from crsrisk.report.evaluation_facts import (
    About,
    EvaluationData,
    ExtraSection,
    Findings,
    ModelAbout,
    Predictor,
    checks_of,
    facts_of,
    limits_of_origin,
)
from crsrisk.report.evaluation_sections import (
    comparison_section,
    performance_section,
    subgroups_section,
)
from crsrisk.report.model_card import ModelCard, model_card
from crsrisk.report.sections import Section, numbered
from crsrisk.results import NotEstimable, Result, to_plain
from crsrisk.wording import NOTICE, listed, typeset, window_in_words

FORMAT = "crsrisk-evaluation-1"
_PLATFORMS = {"ici": "checkpoint inhibitors"}


@dataclass(frozen=True, repr=False)
class ModelEvaluation(Findings, Result):
    """Everything that was learnt about a model in some patients, ready for a page and for JSON.

    Beside the :class:`~crsrisk.report.evaluation_facts.Findings`: ``sections`` say them for
    people, ``tripod_ai``, ``probast_ai`` and ``model_card`` answer from them.
    """

    sections: tuple[Section, ...]
    tripod_ai: Checklist
    probast_ai: ProbastAI
    model_card: ModelCard

    @property
    def answer(self) -> str:
        """What stands first on the page."""
        return judged_in_words(self.evaluation, ending=self.notice)

    def summary(self) -> str:
        """The title and what the figures say, in one sentence."""
        return f"{self.title}\n{self.sections[0].lead}\n{self.notice}"

    def to_dict(self) -> dict[str, Any]:
        """What `evaluation.json` holds: every field under its name, and the results of further
        parts under theirs.
        """
        plain = {"format": FORMAT, **super().to_dict()}
        del plain["extra"]
        return plain | {part.name: to_plain(part.results) for part in self.extra}


def build_model_evaluation(
    model: RiskModel,
    *,
    about: About,
    evaluation: Evaluation,
    subgroups: Sequence[Subgroup],
    gaps: Mapping[str, GapDecomposition | NotEstimable] | None = None,
    optimism: OptimismTable | NotEstimable | None = None,
    instability: Instability | NotEstimable | None = None,
    internal_external: Mapping[str, InternalExternal | NotEstimable] | None = None,
    comparison: Sequence[ModelComparison] | None = None,
    sample_size: SampleSize | None = None,
    further: Sequence[ExtraSection] = (),
) -> ModelEvaluation:
    """The whole evaluation of a model; of single patients nothing is kept. A figure that JSON
    cannot hold is refused here. A flat list: one field of the result after the other.
    """
    contract = model.contract
    findings = Findings(
        title=f"Evaluation of {model.label}",
        notice=notice_of(model.provenance, about.data),
        purpose=about.purpose,
        question=typeset(about.question),
        event=typeset(contract.outcome_in_words[:1].upper() + contract.outcome_in_words[1:]),
        window=_windows(contract.window_d, landmark_h=contract.landmark_h),
        threshold=about.threshold,
        tuning=about.tuning,
        tuning_is_fixed=about.tuning_is_fixed,
        model=_model(model),
        data=about.data,
        predictors=_predictors(model),
        missing=tuple(about.missing),
        probe=about.probe,
        evaluation=evaluation,
        subgroups=tuple(subgroups),
        gaps=dict(gaps or {}),
        optimism=optimism,
        instability=instability.by_risk() if isinstance(instability, Instability) else instability,
        internal_external=internal_external,
        comparison=None if comparison is None else tuple(comparison),
        sample_size=sample_size,
        manifest=about.manifest,
        limits=_limits(_model(model), about, further),
        extra=tuple(further),
    )
    sections = numbered(
        [
            *_sections(findings, about.labels),
            *(section for part in further for section in part.sections),
        ]
    )
    facts = facts_of(findings, contract=contract, lead=sections[0].lead)
    checks = checks_of(findings, contract=contract)
    made = ModelEvaluation(
        **{part.name: getattr(findings, part.name) for part in fields(Findings)},
        sections=sections,
        tripod_ai=tripod_ai(facts=facts, content=findings, notice=findings.notice),
        probast_ai=probast_ai(
            facts=facts,
            checks=checks,
            content=findings,
            has_development=about.purpose != "evaluation",
            notice=findings.notice,
        ),
        model_card=model_card(findings),
    )
    json.dumps(made.to_dict(), allow_nan=False)
    return made


def _sections(findings: Findings, labels: Mapping[str, str]) -> list[Section]:
    evaluation = findings.evaluation
    made = [performance_section(evaluation, labels=labels)]
    if findings.comparison is not None:
        made.append(
            comparison_section(findings.comparison, net_benefit=evaluation.pooled.net_benefit)
        )
    if findings.optimism is not None:
        made.append(optimism_section(findings.optimism))
    if findings.internal_external is not None:
        made.append(internal_external_section(findings.internal_external, labels=labels))
    if findings.instability is not None:
        made.append(instability_section(findings.instability))
    made.append(subgroups_section(findings.subgroups, findings.gaps, threshold=findings.threshold))
    if findings.sample_size is not None:
        made.append(sample_size_section(findings.sample_size))
    return made


def _model(model: RiskModel) -> ModelAbout:
    contract = model.contract
    when = (
        "before the first dose"
        if contract.landmark_h == 0
        else f"{contract.landmark_h} h after the first dose"
    )
    return ModelAbout(
        label=model.label,
        n_patients=contract.n_patients,
        n_events=contract.n_events,
        about=(f"{class_in_words(model)} {_directions(model)}Prediction {when}."),
        calibration=model.calibrator.method,
        products=tuple(contract.products),
        made_from=model.provenance.in_words,
        is_simulated=model.provenance.is_simulated,
    )


def _directions(model: RiskModel) -> str:
    bound = sum(feature.direction != "none" for feature in model.contract.features)
    return f"{bound} features have a direction, kept by the whole model. " if bound else ""


def _predictors(model: RiskModel) -> tuple[Predictor, ...]:
    contract = model.contract
    columns = {column.name: column for column in contract.columns}
    when = (
        "before the first dose"
        if contract.landmark_h == 0
        else f"by {contract.landmark_h} h after the first dose"
    )
    return tuple(
        Predictor(
            name=variable.name,
            label=typeset(variable.said_label),
            unit=typeset(variable.unit),
            kind=variable.kind,
            role=variable.role,
            time=when,
            may_be_missing=variable.name in columns and columns[variable.name].may_be_missing,
        )
        for variable in contract.variables
    )


def notice_of(provenance: Provenance, data: EvaluationData) -> str:
    """What stands beside every figure: where the patients of model and evaluation come from."""
    if data.is_apparent:
        return (
            f"Research use. Model fitted to {provenance.in_short} and evaluated in these very"
            " patients: apparent performance, too good."
        )
    if not data.is_synthetic:
        return f"Research use. Model fitted to {provenance.in_short}; evaluated in {data.who}."
    if provenance.is_simulated:
        return NOTICE
    return (
        f"Research use. Model fitted to {provenance.in_short}; evaluated in simulated patients; no"
        " external validation."
    )


def _limits(model: ModelAbout, about: About, further: Sequence[ExtraSection]) -> tuple[str, ...]:
    limits = limits_of_origin(model, about.data)
    if about.why_not:
        limits.append(about.why_not)
    return (*limits, *(limit for part in further for limit in part.limits))


def _windows(window_d: Mapping[str, float], *, landmark_h: int) -> str:
    others = [
        f"{_PLATFORMS.get(platform, platform)}: {days:g} days"
        for platform, days in window_d.items()
        if platform != "default"
    ]
    return window_in_words(window_d["default"], landmark_h=landmark_h) + (
        f" ({listed(others)})" if others else ""
    )
