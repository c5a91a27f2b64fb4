"""Medical content as pages print it: the panels of one product, and of no other.

What to watch, fever, management by grade, and after the episode; made of
:mod:`crsrisk.data.guidance`. Every line ends with a mark: source by its number, place, strength.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crsrisk.data.grading_systems import ASTCT_GRADES
from crsrisk.data.guidance import Guidance, Panel, Statement, Topic, load_guidance
from crsrisk.data.onset_prediction import watching_in_words
from crsrisk.data.product import Platform, Product
from crsrisk.wording import typeset

HAEMATOLOGY = "extrapolated from haematology"
_NOTHING = "not in the sources"


@dataclass(frozen=True)
class GuidanceLine:
    """A sentence in print; ``mark``: its sources with their places, strength, H of haematology."""

    text: str
    mark: str


@dataclass(frozen=True)
class GuidanceGroup:
    """Lines under a heading."""

    title: str
    lines: tuple[GuidanceLine, ...]


@dataclass(frozen=True)
class FeverCause:
    """A row of the table of fever: a cause, what speaks for it and against, and the test."""

    name: str
    supports: tuple[GuidanceLine, ...]
    against: tuple[GuidanceLine, ...]
    tests: tuple[GuidanceLine, ...]


@dataclass(frozen=True)
class GradeManagement:
    """A row of the table by grade: what the grade is, and what is published on treating it."""

    grade: int
    definition: str
    lines: tuple[GuidanceLine, ...]


@dataclass(frozen=True)
class CitedSource:
    """A source by its number on the page."""

    number: int
    citation: str


@dataclass(frozen=True)
class ProductGuidance:
    """What is published for one product, panel by panel.

    Parameters
    ----------
    about : str
        That it is for reference, and what goes before it.
    observation : str
        How long the label has patients watched, and what else was published of it.
    watch, after : tuple of GuidanceGroup
        When CRS begins and what to watch; giving the treatment again.
    fever : tuple of FeverCause
        Causes of fever; ``fever_first``: what goes for all of them.
    management_title : str
        For whom the table by grade stands.
    management : tuple of GradeManagement
        By grade; ``any_grade``: what goes for all of them.
    sources : tuple of CitedSource
        Citations by the numbers in the marks.
    marks : str
        What the marks mean.
    """

    about: str
    observation: str
    watch: tuple[GuidanceGroup, ...]
    fever_first: tuple[GuidanceLine, ...]
    fever: tuple[FeverCause, ...]
    management_title: str
    management: tuple[GradeManagement, ...]
    any_grade: tuple[GuidanceGroup, ...]
    after: tuple[GuidanceGroup, ...]
    sources: tuple[CitedSource, ...]
    marks: str

    @property
    def all_lines(self) -> Iterator[GuidanceLine]:
        """Every line with a mark."""
        for group in (*self.watch, *self.any_grade, *self.after):
            yield from group.lines
        yield from self.fever_first
        for cause in self.fever:
            yield from (*cause.supports, *cause.against, *cause.tests)
        for row in self.management:
            yield from row.lines


def product_guidance(product: Product, *, guidance: Guidance | None = None) -> ProductGuidance:
    """What is published for a product.

    >>> from crsrisk.data.world_files import load_product
    >>> found = product_guidance(load_product("checkpoint_inhibitor"))
    >>> found.management_title, found.management[1].lines[0].text[:24]
    ('By grade, after checkpoint inhibitors', 'Corticosteroid first; th')
    """
    whole = load_guidance() if guidance is None else guidance
    own = _without(whole.of(product=product.name, platform=product.platform), "prophylaxis")
    numbers = _numbers(own)
    lines = _Lines(numbers)
    management = [topic for topic in _of_panel(own, "grade") if _has_grades(topic)]
    return ProductGuidance(
        about=typeset(own.sources.about),
        observation=typeset(f"Hours of observation, {watching_in_words(product.observation)}."),
        watch=lines.groups(_of_panel(own, "watch")),
        fever_first=lines.of(one for topic in _of_panel(own, "fever") for one in topic.statements),
        fever=tuple(
            FeverCause(
                typeset(cause.name),
                lines.of(cause.supports, else_say=_NOTHING),
                lines.of(cause.against, else_say=_NOTHING),
                lines.of(cause.tests, else_say=_NOTHING),
            )
            for topic in _of_panel(own, "fever")
            for cause in topic.conditions
        ),
        management_title=management[0].title,
        management=tuple(
            GradeManagement(
                grade,
                typeset(definition),
                lines.of(
                    one for topic in management for one in topic.statements if grade in one.grades
                ),
            )
            for grade, definition in ASTCT_GRADES.items()
        ),
        any_grade=lines.groups(_of_panel(own, "grade"), any_grade="At any grade"),
        after=lines.groups(_of_panel(own, "after")),
        sources=_cited(own, numbers),
        marks=_marks(own),
    )


@dataclass(frozen=True)
class Prevention:
    """What is published on preventing CRS, for pages that weigh prophylaxis; as
    :class:`ProductGuidance`.
    """

    about: str
    lines: tuple[GuidanceLine, ...]
    sources: tuple[CitedSource, ...]
    marks: str


def prevention(product: str = "", platform: Platform | None = None) -> Prevention:
    """What is published on prevention for a product; without one, what goes for all.

    >>> prevention().lines[0].text
    'Whether early suppression of cytokines costs tumour response is unresolved.'
    """
    own = load_guidance().of(product=product, platform=platform)
    topics = {name: topic for name, topic in own.topics.items() if topic.panel == "prophylaxis"}
    own = own.model_copy(update={"topics": topics})
    numbers = _numbers(own)
    return Prevention(
        about=typeset(own.sources.about),
        lines=_Lines(numbers).of(own.statements),
        sources=_cited(own, numbers),
        marks=_marks(own),
    )


def _without(guidance: Guidance, panel: Panel) -> Guidance:
    left = {name: topic for name, topic in guidance.topics.items() if topic.panel != panel}
    return guidance.model_copy(update={"topics": left})


def _numbers(guidance: Guidance) -> dict[str, int]:
    """Sources numbered as they are met."""
    met = dict.fromkeys(place.source for one in guidance.statements for place in one.places)
    return {name: number for number, name in enumerate(met, start=1)}


def _cited(guidance: Guidance, numbers: dict[str, int]) -> tuple[CitedSource, ...]:
    return tuple(
        CitedSource(number, typeset(f"{one.citation}. Places: {one.places}."))
        for name, number in numbers.items()
        for one in (guidance.sources.sources[name],)
    )


def _marks(guidance: Guidance) -> str:
    used = {one.strength for one in guidance.statements}
    told = [text for name, text in guidance.sources.strengths.items() if name in used]
    return f"In brackets: source, place in it, strength; H: {HAEMATOLOGY}. {'; '.join(told)}."


@dataclass(frozen=True)
class _Lines:
    """Sentences as lines, with the numbers of their sources."""

    numbers: dict[str, int]

    def of(
        self, some: Iterator[Statement] | Sequence[Statement], *, else_say: str = ""
    ) -> tuple[GuidanceLine, ...]:
        """The sentences as lines; where there is none, that there is none."""
        lines = tuple(GuidanceLine(typeset(one.in_words), self._mark(one)) for one in some)
        return lines or ((GuidanceLine(else_say, ""),) if else_say else ())

    def groups(self, topics: Sequence[Topic], *, any_grade: str = "") -> tuple[GuidanceGroup, ...]:
        """Topics with the sentences that belong to no grade; ``any_grade``: a title for those of a
        topic whose others do.
        """
        return tuple(
            GuidanceGroup(
                any_grade if any_grade and _is_by_grade(topic) else topic.title,
                self.of(left),
            )
            for topic in topics
            if (left := [one for one in topic.statements if not one.grades])
        )

    def _mark(self, one: Statement) -> str:
        places = [f"{self.numbers[place.source]}: {place.place}" for place in one.places]
        end = ["H"] if one.setting == HAEMATOLOGY else []
        strength = "cases" if one.strength == "case series" else one.strength
        return typeset("; ".join([*places, strength, *end]))


def _of_panel(guidance: Guidance, panel: Panel) -> list[Topic]:
    return [topic for topic in guidance.topics.values() if topic.panel == panel]


def _has_grades(topic: Topic) -> bool:
    return any(one.grades for one in topic.statements)


def _is_by_grade(topic: Topic) -> bool:
    return topic.title.startswith("By grade")
