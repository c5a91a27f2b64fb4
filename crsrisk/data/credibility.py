"""Credibility: how far a simulator may be believed for one stated use, factor by factor.

The factors are those of ASME V&V 40-2018 (a standard for computational models of medical devices);
the words are ours, and so is the verdict: nobody else has assessed it. ``level`` is a word of a
scale that is printed beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.folders import synthetic_folder

Area: TypeAlias = Literal["verification", "validation", "applicability"]
Level: TypeAlias = Literal["none", "low", "moderate", "high"]

# factor -> its area and what it is called
FACTORS: Mapping[str, tuple[Area, str]] = MappingProxyType(
    {
        "software_quality_assurance": ("verification", "Software quality assurance"),
        "numerical_code_verification": ("verification", "Numerical code verification"),
        "discretization_error": ("verification", "Discretization error"),
        "numerical_solver_error": ("verification", "Numerical solver error"),
        "use_error": ("verification", "Use error"),
        "model_form": ("validation", "Model form"),
        "model_inputs": ("validation", "Model inputs"),
        "test_samples": ("validation", "Test samples"),
        "test_conditions": ("validation", "Test conditions"),
        "equivalency_of_input_parameters": ("validation", "Equivalency of input parameters"),
        "output_comparison": ("validation", "Output comparison"),
        "relevance_of_quantities_of_interest": (
            "applicability",
            "Relevance of the quantities of interest",
        ),
        "relevance_of_validation_to_context": (
            "applicability",
            "Relevance of the validation activities to the context of use",
        ),
    }
)
LEVELS: Mapping[Level, str] = MappingProxyType(
    {
        "none": "nothing was done",
        "low": "done in part, or resting on judgement: gaps are known that could change an answer",
        "moderate": "done throughout and repeatable here; gaps remain that may matter for the use",
        "high": (
            "done throughout, repeatable here and held against something independent; no known gap"
            " that matters for the use"
        ),
    }
)
_COMMANDS = ("crsrisk ", "make ", "pytest ")
_SHORTEST = 3  # letters


class CredibilityFactor(Strict):
    """One factor: what was done, how to repeat it, what is missing, and a level in words.

    ``reproduce`` holds commands (`crsrisk ...`, `make ...`, `pytest ...`) and paths inside the
    repository.
    """

    done: str
    reproduce: list[str] = Field(min_length=1)
    missing: str
    level: Level

    @model_validator(mode="after")
    def _says_something(self) -> CredibilityFactor:
        if min(len(text.strip()) for text in (self.done, self.missing)) < _SHORTEST:
            raise ValueError(
                "what was done and what is missing, in words (write `nothing known` rather than a"
                " blank)"
            )
        for text in self.reproduce:
            if not is_command(text) and (
                not text.strip() or " " in text or text.startswith(("/", "~", "."))
            ):
                raise ValueError(
                    "crsrisk ..., make ..., pytest ... or a path inside the repository, found"
                    f" {text!r}"
                )
        return self


class Credibility(Strict):
    """What the simulator is for, what a wrong answer would cost, every factor, and what must not be
    concluded.
    """

    question_of_interest: str
    context_of_use: str
    model_influence: str
    decision_consequence: str
    factors: dict[str, CredibilityFactor]
    must_not_be_concluded: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Credibility:
        missing = [name for name in FACTORS if name not in self.factors]
        unknown = [name for name in self.factors if name not in FACTORS]
        if missing or unknown:
            said = [f"missing: {', '.join(missing)}"] * bool(missing) + [
                f"unknown: {', '.join(unknown)}"
            ] * bool(unknown)
            raise ValueError(f"each factor once; {'; '.join(said)}")
        said = [
            self.question_of_interest,
            self.context_of_use,
            self.model_influence,
            self.decision_consequence,
            *self.must_not_be_concluded,
        ]
        if min(len(text.strip()) for text in said) < _SHORTEST:
            raise ValueError("words, not a blank")
        return self


def is_command(text: str) -> bool:
    """Whether a way to repeat something is a command (else a path).

    >>> is_command("make bench"), is_command("docs/limits.md")
    (True, False)
    """
    return text.startswith(_COMMANDS)


def load_credibility(path: str | Path | None = None) -> Credibility:
    """The credibility review of a file (without one: of the file that ships).

    Refused with an :class:`InputError`: a factor that is missing or that nobody knows, a level off
    the scale, a blank, a way to repeat something that is neither a command of this repository nor a
    path inside it.

    >>> load_credibility().factors["model_form"].level
    'low'
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "credibility.yaml"
    return build(Credibility, read_yaml(place), where=place.name)
