"""What an evaluation of a model is made of before it becomes a page: texts, raw results, sections
that another part of the program adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.evaluation.gap import GapDecomposition
from crsrisk.evaluation.internal_external import InternalExternal
from crsrisk.evaluation.leaks import Probe
from crsrisk.evaluation.optimism import InstabilityByRisk, OptimismTable
from crsrisk.evaluation.paired_comparison import ModelComparison
from crsrisk.evaluation.sample_size import SampleSize
from crsrisk.evaluation.subgroups import Subgroup
from crsrisk.report.sections import Section
from crsrisk.results import NotEstimable


@dataclass(frozen=True)
class EvaluationData:
    """Who was evaluated, in sentences ("" where there is nothing to say).

    ``who`` ("simulated patients under 12 products") stands inside a sentence. ``n_overlap``: of
    these patients, how many the model was developed on (None: not known).
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
    """The evaluated model in words, and the patients it was developed on."""

    label: str
    n_patients: int
    n_events: int
    about: str
    calibration: str
    products: tuple[str, ...]


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
