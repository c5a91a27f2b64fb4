"""Medical content: what is published on watching for CRS, telling it from other causes of fever,
treating it and giving the treatment again.

One YAML file a topic in `synthetic/guidance/`; every sentence names its source, the place in it and
how strong it is, and every dose its route and its maximum. It is reference, never an order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict, misfit
from crsrisk.data.product import Platform
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products, names, synthetic_folder

Panel: TypeAlias = Literal["watch", "fever", "grade", "after", "prophylaxis"]
Strength: TypeAlias = Literal[
    "label", "consensus", "guideline", "trial", "cohort", "case series", "review", "expert"
]
Setting: TypeAlias = Literal["solid tumours", "extrapolated from haematology", "general"]
Route: TypeAlias = Literal["iv", "sc", "oral"]
ROUTE_WORDS: Mapping[Route, str] = {"iv": "IV", "sc": "under the skin", "oral": "by mouth"}
NONE_STATED = "none stated"  # the maximum of a dose whose source gives none
MOST_WORDS = 34  # of a sentence
_SOURCES = "sources.yaml"
_AMOUNT = re.compile(r"\d\s*(?:mg|µg|ug|mcg|g|ml|mL|IU|units)(?:/kg)?\b(?!/)")


class Source(Strict):
    """A source: its citation, and what a place in it is counted by."""

    citation: str = Field(min_length=10)
    places: str = Field(min_length=10)


class Sources(Strict):
    """All sources, the sentence that stands above everything, and what each strength means."""

    about: str = Field(min_length=10)
    sources: dict[str, Source]
    strengths: dict[Strength, str]

    @model_validator(mode="after")
    def _every_strength_is_explained(self) -> Sources:
        if missing := [one for one in get_args(Strength) if one not in self.strengths]:
            raise misfit("strengths", found=missing, expected="what each strength means")
        return self


class DrugDose(Strict):
    """A dose: never without its route and its maximum ("none stated" where the source has none)."""

    drug: str = Field(min_length=3)
    amount: str = Field(pattern=r"^\d")
    route: Route
    schedule: str = Field(min_length=3)
    maximum: str

    @model_validator(mode="after")
    def _maximum_is_one(self) -> DrugDose:
        if self.maximum != NONE_STATED and not self.maximum[:1].isdigit():
            raise misfit("maximum", found=self.maximum, expected=f'an amount or "{NONE_STATED}"')
        return self

    @property
    def in_words(self) -> str:
        """The dose in one line.

        >>> DrugDose(drug="dexamethasone", amount="10 mg", route="iv", schedule="every 6 h",
        ...          maximum="none stated").in_words
        'dexamethasone 10 mg IV every 6 h (maximum: none stated)'
        """
        return (
            f"{self.drug} {self.amount} {ROUTE_WORDS[self.route]} {self.schedule}"
            f" (maximum: {self.maximum})"
        )


class Cited(Strict):
    """A place in a source."""

    source: str
    place: str = Field(min_length=3)


class Statement(Cited):
    """One sentence in words of our own, with where it stands and how strong it is.

    ``applies_to``: products or platforms that it speaks of; empty = all. ``grades``: of CRS, where
    it belongs to one. ``doses`` stand apart from the text, so that none lacks route and maximum.
    ``also``: further places that the sentence rests on.
    """

    id: str = Field(min_length=2)
    text: str = Field(min_length=5)
    doses: list[DrugDose] = Field(default_factory=list)
    strength: Strength
    setting: Setting
    also: list[Cited] = Field(default_factory=list)
    applies_to: list[str] = Field(default_factory=list)
    grades: list[Literal[1, 2, 3, 4]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _short_and_without_amounts(self) -> Statement:
        if len(self.text.split()) > MOST_WORDS:
            raise misfit("text", found=self.text, expected=f"at most {MOST_WORDS} words")
        if amount := _AMOUNT.search(self.text):
            raise misfit(
                "text", found=amount.group(), expected="amounts under `doses`, with route, maximum"
            )
        return self

    @property
    def places(self) -> tuple[Cited, ...]:
        """Every place that it rests on, the main one first."""
        return (Cited(source=self.source, place=self.place), *self.also)

    @property
    def in_words(self) -> str:
        """The sentence with its doses."""
        if not self.doses:
            return self.text
        return f"{self.text} {'; '.join(dose.in_words for dose in self.doses)}."

    def speaks_of(self, product: str, platform: Platform | None) -> bool:
        """Whether it speaks of this product; of an unknown one only what goes for all does."""
        return not self.applies_to or product in self.applies_to or platform in self.applies_to


class Condition(Strict):
    """A cause of fever: what speaks for it, what against, and the test that tells."""

    id: str
    name: str
    supports: list[Statement]
    against: list[Statement]
    tests: list[Statement]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Its sentences."""
        return (*self.supports, *self.against, *self.tests)

    def of(self, product: str, platform: Platform | None) -> Condition:
        """The cause with the sentences that speak of a product."""
        return Condition(
            id=self.id,
            name=self.name,
            supports=_of(self.supports, product, platform),
            against=_of(self.against, product, platform),
            tests=_of(self.tests, product, platform),
        )


class Topic(Strict):
    """A file of sentences on one topic, and the panel that it belongs to."""

    title: str
    panel: Panel
    statements: list[Statement]
    conditions: list[Condition] = Field(default_factory=list)

    @model_validator(mode="after")
    def _in_its_panel(self) -> Topic:
        for one in self.statements:
            if one.grades and self.panel != "grade":
                raise misfit(one.id, found=one.grades, expected="grades in the panel of grades")
        if self.conditions and self.panel != "fever":
            raise misfit("conditions", found=self.panel, expected="causes in the panel of fever")
        return self

    @property
    def all_statements(self) -> Iterator[Statement]:
        """Every sentence of the file."""
        yield from self.statements
        for condition in self.conditions:
            yield from condition.statements


class Guidance(Strict):
    """All topics by name, in the order of their panels, with their sources."""

    sources: Sources
    topics: dict[str, Topic]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every sentence, topic by topic."""
        return tuple(one for topic in self.topics.values() for one in topic.all_statements)

    def of(self, *, product: str, platform: Platform | None) -> Guidance:
        """What speaks of a product: its sentences, causes and topics that are left."""
        topics = {}
        for name, topic in self.topics.items():
            conditions = [one.of(product, platform) for one in topic.conditions]
            conditions = [one for one in conditions if one.statements]
            statements = _of(topic.statements, product, platform)
            if statements or conditions:
                update = {"statements": statements, "conditions": conditions}
                topics[name] = topic.model_copy(update=update)
        return self.model_copy(update={"topics": topics})


def _of(statements: list[Statement], product: str, platform: Platform | None) -> list[Statement]:
    return [one for one in statements if one.speaks_of(product, platform)]


def load_guidance(folder: str | Path | None = None) -> Guidance:
    """The guidance of a folder (without one: of the one that ships).

    Raises :class:`InputError` for an unknown key, a sentence without a known source, a place or a
    strength, an id that comes twice, and a product or platform that does not exist.

    >>> list(load_guidance().topics)[:2]
    ['watching', 'differential']
    """
    place = Path(folder).expanduser() if folder is not None else synthetic_folder() / "guidance"
    sources = build(Sources, read_yaml(place / _SOURCES), where=_SOURCES)
    topics = {
        file.stem: build(Topic, read_yaml(file), where=file.name)
        for file in sorted(place.glob("*.yaml"))
        if file.name != _SOURCES
    }
    _check(topics, sources)
    panels = get_args(Panel)
    in_order = sorted(topics.items(), key=lambda topic: panels.index(topic[1].panel))
    return Guidance(sources=sources, topics=dict(in_order))


def _check(topics: Mapping[str, Topic], sources: Sources) -> None:
    """Sources, products and platforms exist, and every id comes once."""
    known = {*get_args(Platform), *names("products"), *evidence_only_products()}
    seen: set[str] = set()
    for name, topic in topics.items():
        for one in topic.all_statements:
            cited = {place.source for place in one.places}
            for key, strangers, expected in (
                ("source", cited - set(sources.sources), f"a name in {_SOURCES}"),
                ("applies_to", set(one.applies_to) - known, "names of products or platforms"),
                ("id", {one.id} & seen, "each id once"),
            ):
                if strangers:
                    raise InputError(
                        where=f"{name}.yaml",
                        key=f"{one.id}.{key}",
                        found=", ".join(sorted(strangers)),
                        expected=expected,
                        cure="correct the name",
                    )
            seen.add(one.id)
