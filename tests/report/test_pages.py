"""The page: self-contained, safe, reachable by keyboard and screen reader, and honest wherever a
risk stands.
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from crsrisk.report.answers import MOST_WORDS
from crsrisk.report.content import ReportContent, build_content
from crsrisk.report.pages import POLICY, render_report

Content = dict[str, Any]
VOID = {"meta", "br", "link", "img", "input", "hr"}
EMPTY_SVG = {"path", "line", "rect", "circle"}
WORDS_IN_SIGHT = 3000  # of the report, before a section is opened


class Node:
    """One element: tag, attributes, children, own text."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Node | None) -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children: list[Node] = []
        self.pieces: list[str] = []

    def walk(self) -> list[Node]:
        return [self, *(inner for child in self.children for inner in child.walk())]

    def find(self, tag: str = "", *, style: str = "") -> list[Node]:
        return [
            one
            for one in self.walk()
            if (not tag or one.tag == tag) and (not style or style in one.styles)
        ]

    @property
    def styles(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        return re.sub(
            r"\s+", " ", " ".join(piece for one in self.walk() for piece in one.pieces)
        ).strip()


class Reader(HTMLParser):
    """Builds the tree and fails on a tag that is not closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Node("root", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {key: value or "" for key, value in attrs}, self.at)
        self.at.children.append(node)
        if tag not in VOID:
            self.at = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.at.children.append(Node(tag, {key: value or "" for key, value in attrs}, self.at))

    def handle_endtag(self, tag: str) -> None:
        assert self.at.tag == tag, f"</{tag}> closes <{self.at.tag}> {self.at.attributes}"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.pieces.append(data)


def read(html: str) -> Node:
    reader = Reader()
    reader.feed(html)
    assert reader.at is reader.root, f"<{reader.at.tag}> is never closed"
    return reader.root


@pytest.fixture(scope="module")
def html(content: ReportContent) -> str:
    return render_report(content)


@pytest.fixture(scope="module")
def page(html: str) -> Node:
    return read(html)


def test_same_content_same_bytes_also_after_copying(content: ReportContent, html: str) -> None:
    assert render_report(content) == html
    assert render_report(copy.deepcopy(content)) == html


def test_nothing_is_loaded_and_nothing_runs(page: Node, html: str) -> None:
    for node in page.walk():
        assert node.tag not in {
            "script",
            "link",
            "iframe",
            "object",
            "embed",
            "img",
            "base",
            "form",
        }, node.tag
        for name, value in node.attributes.items():
            assert not name.startswith("on"), (node.tag, name)
            if name in {"href", "src", "xlink:href", "action", "data", "srcset"}:
                assert value.startswith("#"), (node.tag, name, value)
    style = page.find("style")[0].text
    assert "url(" not in style
    assert "@import" not in style
    assert "javascript:" not in html


def test_the_policy_forbids_the_rest(page: Node) -> None:
    (policy,) = [
        node
        for node in page.find("meta")
        if node.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.attributes["content"] == POLICY
    assert POLICY.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    (head,) = page.find("head")
    assert head.children.index(policy) < [child.tag for child in head.children].index("style")


def test_text_is_escaped_wherever_it_comes_from(html: str, page: Node) -> None:
    assert "<script" not in html
    assert "&lt;script&gt;alert(" in html
    # product label in tables, figures and captions; citation; review of the simulator; manifest
    for place in ("cohort", "published", "performance", "trial", "patients", "generator", "making"):
        (section,) = [node for node in page.find("section") if node.attributes["id"] == place]
        assert "<script>alert(" in section.text, place


def test_every_risk_has_denominator_window_range_and_notice(
    page: Node, content: ReportContent
) -> None:
    found = page.find(style="risk")
    assert len(found) == 2 * 3 + 2  # two risks a patient, two estimates before dose 2
    for risk in found:
        assert "of 100" in risk.text
        assert re.search(
            r"Of 100 patients .* within (21|60) days after the first dose\.", risk.text
        )
        assert re.search(r"Refit range \d+ to \d+ of 100", risk.text)
        assert content.notice in risk.text


def test_every_figure_and_table_of_risks_has_window_and_notice(
    page: Node, content: ReportContent
) -> None:
    for figure in page.find("figure"):
        if "icons" in figure.styles:  # stands beside its risk
            continue
        told = figure.find("figcaption")[0].text
        if figure.attributes["id"] == "figure-forecasts":  # of trials, each over its own
            assert "within the window of its own trial" in told
        else:
            assert content.window in told
        assert content.notice in told
    risky = {
        "table-2",
        "table-benchmark",
        "table-benchmark-product",
        "table-discrimination",
        "table-calibration",
        "table-net-benefit",
        "table-drivers",
    }
    for frame in page.find("div", style="table"):
        for table in frame.find("table"):
            if table.attributes["id"] in risky:
                risky.remove(table.attributes["id"])
                assert content.window in frame.text
                assert content.notice in frame.text
    assert not risky
    for frame in page.find("div", style="mitigations")[0].find("caption"):
        assert re.search(r"within (21|60) days after the first dose", frame.text)


def test_no_one_in_n_and_no_number_needed_to_treat(page: Node) -> None:
    text = page.find("body")[0].text
    assert not re.search(r"\b(1|one) in \d", text)
    assert "NNT" not in text


def test_tables_have_captions_and_scopes(page: Node) -> None:
    tables = page.find("table")
    assert len(tables) > 15
    for table in tables:
        assert table.find("caption")[0].text, table.attributes
        assert table.find("thead")
        for head in table.find("th"):
            assert head.attributes.get("scope") in {"col", "row", "rowgroup"}, head.text
        for head in table.find("thead")[0].find("th"):
            assert head.text, "a column without a name"


def test_rows_have_as_many_cells_as_columns(page: Node) -> None:
    for table in page.find("table"):
        n = len(table.find("thead")[0].find("th"))
        for body in table.find("tbody"):
            for row in body.find("tr"):
                wide = sum(int(cell.attributes.get("colspan", "1")) for cell in row.children)
                assert wide == n, (table.attributes, row.text)


def test_landmarks_headings_and_the_way_past_the_contents(page: Node) -> None:
    assert page.find("html")[0].attributes["lang"] == "en"
    for tag in ("main", "footer", "h1"):
        assert len(page.find(tag)) == 1, tag
    assert page.find("head")[0].find("title")[0].text
    first_link = page.find("a")[0]
    assert first_link.attributes["href"] == "#main"
    levels = [int(node.tag[1]) for node in page.walk() if re.fullmatch(r"h[1-6]", node.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_sections_come_in_the_order_of_the_questions(page: Node) -> None:
    assert [node.attributes["id"] for node in page.find("section")] == [
        "answer",
        "question",
        "key-figures",
        "cohort",
        "published",
        "performance",
        "trial",
        "drivers",
        "patients",
        "generator",
        "limits",
        "making",
    ]
    performance = page.find("section")[5]
    headings = [node.text for node in performance.find("h3")]
    assert headings[0] == "How much of what can be known has it learnt?"
    assert headings.index("Pooled over all products") < headings.index("Within each product")


def test_the_first_screen_has_an_answer_and_one_picture(page: Node, content: ReportContent) -> None:
    first = page.find("section", style="first")[0]
    assert len(content.answer.split()) <= MOST_WORDS
    assert content.answer in first.text
    assert len(first.find("figure")) == 1
    assert "published figures that can be judged" in content.answer
    assert not re.search(r"\d\.\d{3}", content.answer)


def test_few_words_stand_in_sight_before_a_section_is_opened(page: Node) -> None:
    """Words of the page outside of closed details, their summaries counted."""
    closed = page.find("details")
    assert len(closed) == 11
    assert not [one for one in closed if "open" in one.attributes]
    hidden = sum(len(one.text.split()) - len(one.find("summary")[0].text.split()) for one in closed)
    in_sight = len(page.find("body")[0].text.split()) - hidden
    assert 100 < in_sight <= WORDS_IN_SIGHT


def test_ids_are_unique_and_references_lead_somewhere(page: Node) -> None:
    ids = [node.attributes["id"] for node in page.walk() if "id" in node.attributes]
    assert len(set(ids)) == len(ids)
    for node in page.walk():
        wanted = node.attributes.get("aria-labelledby", "").split()
        if node.tag == "a":
            wanted.append(node.attributes["href"].removeprefix("#"))
        assert set(wanted) <= set(ids), (node.tag, wanted)


def test_wide_tables_can_be_scrolled_by_keyboard(page: Node) -> None:
    for frame in page.find("div", style="table"):
        assert frame.attributes["tabindex"] == "0"
        assert frame.attributes["role"] == "region"


def test_drawings_are_named_or_hidden(page: Node) -> None:
    for svg in page.find("svg"):
        is_named = svg.attributes.get("role") == "img" and svg.attributes.get("aria-labelledby")
        assert is_named or svg.attributes.get("aria-hidden") == "true"


def test_the_icons_of_a_patient_are_his_risk(page: Node, content: ReportContent) -> None:
    for article, patient in zip(page.find("article"), content.patients, strict=True):
        n_people = {
            style: sum(len(group.find("path")) for group in article.find("g", style=style))
            for style in ("icon-grade2", "icon-grade3", "icon-none")
        }
        assert sum(n_people.values()) == 100
        assert 100 - n_people["icon-none"] == patient.risks.grade2plus.of_100


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_known_answers() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_meet_aa(theme: int) -> None:
    text = files("crsrisk.report").joinpath("templates/palette.css").read_text(encoding="utf-8")
    palette = dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", text.split("@media")[theme]))
    for ground in ("paper", "tint"):
        for name in ("ink", "muted", "blue", "red"):  # words
            assert contrast(palette[name], palette[ground]) >= 4.5, (name, ground)
    for name in ("slate", "quiet"):  # graphics
        assert contrast(palette[name], palette["paper"]) >= 3, name


@pytest.mark.parametrize(
    "change",
    [
        {"examples": []},
        {"comparisons": []},
        {"manifest": {}},
        {"generator": None},
    ],
)
def test_a_thin_report_still_reads(experiment: Content, change: Content) -> None:
    page = read(render_report(build_content(**{**experiment, **change})))
    assert page.find("main")


def test_a_report_without_a_benchmark_says_so(experiment: Content) -> None:
    evaluation = replace(experiment["evaluation"], benchmark=None)
    page = read(render_report(build_content(**{**experiment, "evaluation": evaluation})))
    assert "there is no benchmark from null to oracle" in page.find("section")[5].text
