"""Explorer: the page that scores and explains a patient by itself, as one file with the models in
it.

:class:`PageData` is what stands in the page beside its script: products, units, published rates and
guidance as the package has them, made of the same objects. :class:`ModelPair` is one released model
with its neighbour for grade 3 or more, everything that scoring and explaining read of them. The
page's own script is bundled from `explorer/` into ``templates/explorer.js``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from markupsafe import Markup

from crsrisk.data.assumptions import Strict
from crsrisk.data.explanation import EXPLANATION_NOTICE
from crsrisk.data.files import gzipped
from crsrisk.data.grading_systems import ASTCT_GRADES, ASTCT_SOURCE
from crsrisk.data.risk_model import Calibrator, FeatureContract
from crsrisk.errors import InputError
from crsrisk.fields import Field, label_of
from crsrisk.model.applicability import Applicability
from crsrisk.model.companions import ReferenceGroup
from crsrisk.model.world_spread import WorldSpread
from crsrisk.report.guidance import ProductGuidance
from crsrisk.report.published_rates import PublishedRate
from crsrisk.report.templating import environment
from crsrisk.wording import typeset, unit_in_words

FORMAT: Literal["crsrisk explorer 1"] = "crsrisk explorer 1"
MOST_BYTES = 16_000_000  # of the page
_BUNDLE = "explorer.js"
_NO_NETWORK = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"


class ForestArrays(Strict):
    """Trees as flat arrays: by inner node its feature, threshold (None: infinite), decision type of
    LightGBM and children; a child below 0 is leaf -child - 1. ``roots``: by tree.
    """

    feature: list[int]
    threshold: list[float | None]
    decision: list[int]
    left: list[int]
    right: list[int]
    leaf: list[float]
    roots: list[int]


class ColumnLabel(Strict):
    """What a column and its unit are called in print."""

    label: str
    unit: str


class PageModel(Strict):
    """One model with what stands beside it, as the page's script reads it.

    ``refits`` as :func:`crsrisk.model.refits.refits_tree` writes them. ``refit_reach`` and
    ``world_reach``: quantiles by which their SD becomes an interval. ``covers``: by what the
    interval holds, what it covers. ``labels`` by column.
    """

    label: str
    notice: str
    contract: FeatureContract
    forest: ForestArrays
    calibrator: Calibrator
    applicability: Applicability | None
    refits: dict[str, Any] | None
    refit_reach: float | None
    worlds: WorldSpread | None
    world_reach: float
    reference: dict[str, ReferenceGroup]
    covers: dict[str, str]
    labels: dict[str, ColumnLabel]


class ModelPair(Strict):
    """A model of grade 2 or more, and its neighbour for grade 3 or more where there is one."""

    grade2plus: PageModel
    grade3plus: PageModel | None


class PairEntry(Strict):
    """A pair in the table of contents: where it stands in the page, and what it is."""

    key: str
    label: str
    grade3plus: str | None
    landmark_h: int
    sha256: str


class InputColumn(Strict):
    """A column that the page asks for: label, unit and the units that are read beside it, and the
    ranges of possible, plausible and usual values.
    """

    name: str
    label: str
    meaning: str
    kind: Literal["float", "int", "bool", "category"]
    unit: str
    other_units: dict[str, float]
    limited_units: dict[str, float]
    zeros: dict[str, float]
    possible: tuple[float, float] | None
    plausible: tuple[float, float] | None
    usual: tuple[float, float] | None

    @classmethod
    def of(cls, field: Field) -> InputColumn:
        """A field of the field table."""
        return cls(
            name=field.name,
            label=field.label,
            meaning=field.meaning,
            kind=field.kind,
            unit=field.unit,
            other_units=_floats(field.other_units),
            limited_units=_floats(field.limited_units),
            zeros=_floats(field.zeros),
            possible=_span(field.possible),
            plausible=_span(field.plausible),
            usual=_span(field.usual),
        )


class CourseReading(Strict):
    """A reading after the first dose: ``stem`` is its column without the hour."""

    stem: str
    column: InputColumn


class PageRegimen(Strict):
    """A regimen of a product: what it is, and the columns that follow from it. ``has_own_dose``:
    the first dose differs between patients.
    """

    name: str
    note: str
    row: dict[str, str | float | bool]
    has_own_dose: bool


class ShownProduct(Strict):
    """A product as a result shows it; ``guidance``: what is published for it."""

    name: str
    label: str
    guidance: ProductGuidance


class PageProduct(ShownProduct):
    """A product that the models were trained on. ``tumour_type`` is what sex and age are checked
    against.
    """

    other_names: list[str]
    platform: str
    window_d: float
    tumour_type: str
    tumour_label: str
    default_regimen: str
    regimens: list[PageRegimen]


class Prophylaxis(Strict):
    """An agent before the first dose that the models read, and the column that says so."""

    name: str
    label: str
    column: str


class TumourFacts(Strict):
    """Of a tumour type: the sex of all of its patients (0 male, 1 female), if they have one, and
    their youngest age.
    """

    is_female: float | None
    youngest_years: float


class IdentityFacts(Strict):
    """What a row must not contradict: platforms of products, sex and age of tumour types.
    ``product_names``: by every name in small letters and digits, the product that bears it.
    """

    platforms: list[str]
    platform_of: dict[str, str]
    product_names: dict[str, str]
    tumour_types: dict[str, TumourFacts]
    adult_years: float


class PageFacts(Strict):
    """What a result is shown with, whoever computed it: version, notice, published rates, and what
    the grades are.
    """

    version: str
    notice: str
    published: list[PublishedRate]
    grades: dict[str, str]
    grades_source: str
    explanation_notice: str


class PageData(PageFacts):
    """Everything in the page but the models. ``hours``: after the first dose, at which readings are
    asked for; ``agents``: labels of what the regimens' tab gives before the first dose.
    """

    format: Literal["crsrisk explorer 1"]
    models: list[PairEntry]
    products: list[PageProduct]
    columns: list[InputColumn]
    course: list[CourseReading]
    hours: list[int]
    prophylaxis: list[Prophylaxis]
    identity: IdentityFacts
    interval_names: dict[str, str]
    agents: dict[str, str]


class PatientKey(Strict):
    """How a column of the observed table is written in a patient file: under which key, in which
    unit ("" for yes/no, whole numbers and grades).
    """

    key: str
    unit: str


class ServerData(Strict):
    """What a page knows of the server that gave it. ``simulation``: by key of a pair, the address
    that simulates its patients. ``keys``: by column, and by reading after the first dose without
    its hour, how a patient file writes it. ``has_token``: whether the server asks for one.
    """

    simulation: dict[str, str]
    keys: dict[str, PatientKey]
    course: dict[str, PatientKey]
    has_token: bool


@dataclass(frozen=True)
class PackedPair:
    """A pair of models as the page holds it: packed bytes, and what they unpack to."""

    entry: PairEntry
    packed: bytes

    @classmethod
    def of(cls, pair: ModelPair, *, key: str) -> PackedPair:
        """Pack a pair; the same models give the same bytes."""
        text = pair.model_dump_json()
        severe = pair.grade3plus
        entry = PairEntry(
            key=key,
            label=pair.grade2plus.label,
            grade3plus=None if severe is None else severe.label,
            landmark_h=pair.grade2plus.contract.landmark_h,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
        )
        return cls(entry, gzipped(text))


def page_facts(published: Sequence[PublishedRate], *, notice: str) -> PageFacts:
    """What results are shown with."""
    return PageFacts(
        version=version("crsrisk"),
        notice=notice,
        published=list(published),
        grades={str(grade): typeset(text) for grade, text in ASTCT_GRADES.items()},
        grades_source=ASTCT_SOURCE,
        explanation_notice=EXPLANATION_NOTICE,
    )


def column_labels(contract: FeatureContract) -> dict[str, ColumnLabel]:
    """What the columns of a contract and their units are called in print."""
    return {
        column.name: ColumnLabel(label=label_of(column.name), unit=unit_in_words(column.unit))
        for column in contract.columns
    }


def page_policy(*, is_served: bool = False) -> str:
    """The content security policy of the page: no network, but for its own server where it has one;
    the one script that is in it.
    """
    digest = base64.b64encode(hashlib.sha256(bundled_script().encode()).digest()).decode()
    network = "; connect-src 'self'" if is_served else ""
    return f"{_NO_NETWORK}{network}; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def render_explorer(
    data: PageData,
    pairs: Sequence[PackedPair],
    *,
    regimens: bytes | None = None,
    server: ServerData | None = None,
) -> str:
    """The page as one file that loads nothing: script, style, data and models are in it, and the
    packed grid of regimens of its second tab, where there is one. A ``server`` adds what it offers.

    Raises
    ------
    InputError
        When the models make it larger than ``MOST_BYTES``.
    """
    page = (
        environment()
        .get_template("explorer.html.j2")
        .render(
            policy=page_policy(is_served=server is not None),
            data=Markup(in_script(data.model_dump_json())),
            title="CRS risk of one patient",
            filled=None,
            regimens=None if regimens is None else base64.b64encode(regimens).decode(),
            server=server and Markup(in_script(server.model_dump_json())),
            models=[(pair.entry.key, base64.b64encode(pair.packed).decode()) for pair in pairs],
            bundle=Markup(bundled_script()),
            notice=data.notice,
        )
    )
    size = len(page.encode())
    if size > MOST_BYTES:
        raise InputError(
            where="explorer",
            key="models",
            found=f"a page of {size / 1e6:.1f} MB",
            expected=f"at most {MOST_BYTES / 1e6:g} MB",
            cure="give fewer models",
        )
    return page


def bundled_script() -> str:
    """The page's script, as it was bundled from its sources."""
    loader = environment().loader
    if loader is None:
        raise RuntimeError("the environment of the templates has a loader")
    return loader.get_source(environment(), _BUNDLE)[0]


def in_script(text: str) -> str:
    """JSON as it may stand inside a script element: no tag can begin or end in it.

    >>> in_script('{"a": "</script>"}')
    '{"a": "\\\\u003c/script>"}'
    """
    return text.replace("<", "\\u003c")


def _span(span: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if span is None else (float(span[0]), float(span[1]))


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
