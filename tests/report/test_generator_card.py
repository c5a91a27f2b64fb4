"""The generator card: counts, shares of variance, what is said when something was not computed, the
page that is kept.
"""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.assumptions import Strength
from crsrisk.data.credibility import FACTORS
from crsrisk.data.cross_validation import bars
from crsrisk.data.ensemble import CHANCE, Leader, ensemble_folder
from crsrisk.data.product import Product
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_assumptions, load_product, load_scenario
from crsrisk.report.content import ReportContent, build_content
from crsrisk.report.cross_validation import (
    NOT_COMPUTED,
    cross_validation_chart,
    when_not_to_trust,
)
from crsrisk.report.cross_validation import TITLE as FORECASTS
from crsrisk.report.generator_card import (
    NO_ENSEMBLE,
    STRENGTHS,
    GeneratorCard,
    generator_card,
    generator_card_markdown,
    generator_section,
)
from crsrisk.report.generator_facts import (
    NO_EVIDENCE,
    NO_VARIANCE,
    NOT_RESOLVED,
    NOT_VARIED,
    StrengthCounts,
    percent,
)
from crsrisk.report.pages import render_report
from crsrisk.results import Estimate, to_plain
from crsrisk.studies.generator import make_card, write_card
from crsrisk.uncertainty.constants import CHANCE as SENSITIVITY_CHANCE
from tests.report.conftest import (
    EVIL,
    make_about,
    make_credibility,
    make_evidence,
    make_forecasts,
    make_shares,
)
from tests.stories.terminal import done

ROOT = Path(__file__).resolve().parents[2]

WITH_SENSITIVITY = pytest.mark.skipif(
    not (ensemble_folder() / "sensitivity.json").is_file(),
    reason="the card has no sensitivity: crsrisk run experiments/003_sensitivity was not repeated",
)


@pytest.fixture(scope="module")
def shipped() -> GeneratorCard:
    return make_card()


def row_of(card: GeneratorCard, group: str) -> StrengthCounts:
    (row,) = [row for row in card.counts if row.group == group]
    return row


def cells(text: str, label: str) -> list[str]:
    """The cells of the one line of a Markdown table that starts with a label."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def in_tables(text: str) -> str:
    """The page from its tables of all numbers on."""
    return text.partition("## Every assumption on the mechanism")[2]


# --- the dictionary


def test_it_is_json_and_the_same_twice(card: GeneratorCard) -> None:
    again = generator_card(
        load_world(),
        products=[],
        credibility=make_credibility(),
        sensitivity=make_shares(),
        ensemble=make_about(),
        evidence=make_evidence(),
        cross_validation=make_forecasts(),
    )
    assert card == again == pickle.loads(pickle.dumps(card)) == copy.deepcopy(card)
    assert json.loads(json.dumps(card.to_dict(), allow_nan=False)) == again.to_dict()
    assert len(repr(card)) < 2_000


def test_every_factor_and_every_assumption_is_there(shipped: GeneratorCard) -> None:
    assert [factor.id for factor in shipped.factors] == list(FACTORS)
    known = load_assumptions()
    assert [row.key for row in shipped.assumptions] == list(known)
    for row in shipped.assumptions:
        entry = known[row.key]
        assert (row.value, row.prior, row.strength, row.source) == (
            entry.value,
            entry.prior,
            entry.strength,
            entry.source,
        )
    assert shipped.must_not_be_concluded


def test_strengths_are_the_known_ones() -> None:
    assert list(STRENGTHS) == [one.value for one in Strength]
    assert CHANCE == SENSITIVITY_CHANCE


def test_numbers_of_a_product_by_hand() -> None:
    """Binding has 12 numbers, kinetics 10, and calibration inferred 3 random effects; those that
    the file calls `not used` rest on nothing.
    """
    product = load_product("tarlatamab")
    numbers = [
        getattr(part, name)
        for part in (product.binding, product.kinetics, product.random_effects)
        for name in type(part).model_fields
    ]
    assert len(numbers) == 25
    used = [one for one in numbers if not one.source.startswith("not used")]
    assert 0 < len(used) < 25
    counted = row_of(
        generator_card(load_world(), products=[product], credibility=make_credibility()), "Products"
    )
    assert counted.n == len(used)
    assert counted.n_files == 1
    assert counted.assumed == sum(one.strength == "assumed" for one in used)


def test_a_number_that_becomes_assumed_is_counted_so() -> None:
    product = load_product("tarlatamab")
    clearance = product.kinetics.clearance_l_h
    assert clearance.strength == "estimated"
    weaker = product.kinetics.model_copy(
        update={"clearance_l_h": clearance.model_copy(update={"strength": "assumed"})}
    )
    before, after = (
        row_of(
            generator_card(load_world(), products=[one], credibility=make_credibility()), "Products"
        )
        for one in (product, product.model_copy(update={"kinetics": weaker}))
    )
    assert after.assumed == before.assumed + 1
    assert after.n == before.n


def test_a_distribution_with_one_source_counts_once() -> None:
    world = load_world()
    n = len(world.populations)
    densities = sum(len(one.antigen_density_ratio) for one in world.populations.values())
    # 11 covariates, 5 shares, the table of ECOG and sites, stroma, suppression and frailty: the
    # same in each population; and the density of the antigens that each names
    assert (
        row_of(generator_card(world, products=[], credibility=make_credibility()), "Populations").n
        == n * 20 + densities
    )


def test_counts_add_up(shipped: GeneratorCard) -> None:
    *groups, whole = shipped.counts
    assert whole.group == "All"
    for row in shipped.counts:
        assert row.n == sum(getattr(row, name) for name in STRENGTHS) == sum(row.by_strength)
    for name in ("n", *STRENGTHS):
        assert getattr(whole, name) == sum(getattr(row, name) for row in groups)
    assert row_of(shipped, "Assumptions on the mechanism").n == len(shipped.assumptions)


def test_what_a_scenario_overrides_is_assumed_with_its_reason() -> None:
    scenario = load_scenario("burden_null")
    card = generator_card(load_world("burden_null"), products=[], credibility=make_credibility())
    changed = {row.key: row for row in card.assumptions if row.key in scenario.overrides}
    assert set(changed) == set(scenario.overrides)
    for name, row in changed.items():
        assert row.value == scenario.overrides[name].value
        assert row.strength == "assumed"
        assert scenario.overrides[name].reason in row.source


def test_a_product_of_ones_own_is_counted_beside_the_shipped(shipped: GeneratorCard) -> None:
    mine: Product = load_product("tarlatamab").model_copy(update={"name": "mine"})
    assert (
        row_of(make_card(products=[mine]), "Products").n_files
        == row_of(shipped, "Products").n_files + 1
    )


# --- the page


def test_the_kept_page_is_fresh() -> None:
    kept = (ROOT / "docs" / "generator_card.md").read_text(encoding="utf-8")
    assert kept == generator_card_markdown(make_card()), (
        "run: crsrisk export card --out docs/generator_card.md --overwrite"
    )


def test_the_kept_figure_is_fresh() -> None:
    made, kept = make_card().cross_validation, ROOT / "docs" / "generator_card.svg"
    assert kept.is_file() == (made is not None)
    if made is not None:
        assert kept.read_text(encoding="utf-8") == cross_validation_chart(made), (
            "run: crsrisk export card --out docs/generator_card.md --overwrite"
        )


def test_the_page_of_a_card_that_was_kept_is_the_same(shipped: GeneratorCard) -> None:
    again = pickle.loads(pickle.dumps(shipped))
    assert again.to_markdown() == shipped.to_markdown() == generator_card_markdown(shipped)


def test_every_assumption_stands_on_the_page_with_unit_source_and_strength(
    shipped: GeneratorCard,
) -> None:
    text = generator_card_markdown(shipped)
    for row in shipped.assumptions:
        _, _, value, prior, span, told, strength, source = cells(in_tables(text), f"`{row.key}`")
        assert float(value.split()[0]) == pytest.approx(row.value, rel=1e-5)
        assert (prior == "") == (row.prior is None)
        assert row.range is not None
        assert span == f"{row.range[0]:g} to {row.range[1]:g}"
        assert told == row.evidence
        assert (strength, source) == (
            row.strength,
            " ".join(row.source.split()).replace("|", "\\|"),
        )


def test_every_number_of_the_files_stands_on_the_page_once(shipped: GeneratorCard) -> None:
    """Products, policies, mitigations, populations: as many rows as are counted, none of them `not
    used`.
    """
    text = in_tables(generator_card_markdown(shipped))
    rows = shipped.numbers
    for count in shipped.counts[1:-1]:
        here = text.partition(f"### {count.group}\n")[2].partition("\n### ")[0].splitlines()
        assert len([line for line in here if line.startswith("| `")]) == count.n
        assert count.n == sum(row.group == count.group for row in rows)
    assert len({row.constant for row in rows}) == len(rows)
    assert not any(row.source.startswith("not used") for row in rows)
    tarlatamab = load_product("tarlatamab").kinetics.clearance_l_h
    file, key, value, prior, span, told, strength, source = cells(
        text, "`tarlatamab` | `kinetics.clearance_l_h`"
    )
    assert (file, key) == ("`tarlatamab`", "`kinetics.clearance_l_h`")
    assert value == f"{tarlatamab.value:g} L/h"
    assert prior == ("" if tarlatamab.prior is None else f"{tarlatamab.prior:g}")
    assert span == f"{tarlatamab.range[0]:g} to {tarlatamab.range[1]:g}"
    assert (told, strength, source) == (
        "prior",
        tarlatamab.strength,
        " ".join(tarlatamab.source.split()),
    )


def test_a_distribution_is_said_in_words(shipped: GeneratorCard) -> None:
    text = generator_card_markdown(shipped)
    assert cells(text, "`neuroblastoma` | `marginals.age_years`")[2:5] == [
        "median 5.5 years, SD of the logarithm 0.6",
        "",
        "1 to 25",
    ]
    assert (
        cells(text, "`neuroblastoma` | `shares`")[2]
        == "ECOG 0 to 2: 0.6, 0.35, 0.05; 1 to 5 metastatic sites: 0.3, 0.3, 0.22, 0.12, 0.06"
    )


# --- what the evidence constrains


def test_constrained_hint_prior_and_not_varied_are_told_apart(card: GeneratorCard) -> None:
    text = generator_card_markdown(card)
    assert (
        "**2 of the 3 constants that calibration varied stay where their priors put them; " in text
    )
    assert "the evidence constrains 1.**" in text
    assert "1 show a hint" in text
    here = text.partition("## What the evidence constrains")[2].partition("\n## ")[0]
    assert cells(here, "`engagement.need_tce_copies`") == [
        "`engagement.need_tce_copies`",
        "constrains",
        "estimated",
        "1000 copies per cell",
        "2,000 (449 to 7,107)",
        "1839",
        "+0.64",
        "70%",
    ]
    assert cells(here, "`engagement.strength_tce`")[-2:] == ["−0.31", "97%"]
    assert "`engagement.strength_ici`" not in here
    told = {row.key: row.evidence for row in card.assumptions}
    assert [
        told[f"engagement.{name}"] for name in ("need_tce_copies", "strength_tce", "strength_ici")
    ] == ["constrains", "hint", "prior"]
    assert told["population.corr_crp_mg_l__ldh_x_uln"] == NOT_VARIED


def test_what_a_scenario_sets_is_no_matter_of_the_evidence() -> None:
    scenario = load_scenario("burden_null")
    card = generator_card(
        load_world("burden_null"),
        products=[],
        credibility=make_credibility(),
        evidence=make_evidence(),
    )
    assert {row.evidence for row in card.assumptions if row.key in scenario.overrides} == {
        NOT_VARIED
    }


def test_without_members_the_card_says_that_it_does_not_know(card: GeneratorCard) -> None:
    bare = generator_card(load_world(), products=[], credibility=make_credibility())
    assert {row.evidence for row in bare.assumptions} == {None}
    text = generator_card_markdown(bare)
    assert NO_EVIDENCE in text
    assert cells(text, f"`{bare.assumptions[0].key}`")[5] == ""


# --- where it came from and what it rests on


def test_a_value_that_calibration_moved_shows_its_prior(card: GeneratorCard) -> None:
    first = replace(card.assumptions[0], value=0.5, prior=0.25)
    text = generator_card_markdown(replace(card, assumptions=(first,)))
    assert cells(text, f"`{first.key}`")[2:4] == ["0.5 1/h", "0.25"]


def test_the_share_that_rests_on_assumed_numbers(card: GeneratorCard) -> None:
    text = generator_card_markdown(card)
    assert cells(text, "grade >= 2, tarlatamab")[1:] == [
        "60% (50 to 70)",
        "65% (55 to 75)",
        "–",
        "20% (10 to 30)",
        "–",
        "20% (10 to 30)",
        "25% (15 to 35)",
    ]
    assert "003_sensitivity, seed 5" in text
    assert "256 members of effective size 130.5" in text
    assert "2 published figures: E030, E035" in text


def test_shares_that_the_simulations_do_not_tell_are_not_printed(card: GeneratorCard) -> None:
    """Too wide: that share alone. Too much chance: all shares of numbers, while chance keeps its
    own.
    """
    assert card.variance is not None
    (output,) = card.variance.outputs
    assumed, *others, chance = output.shares
    too_wide = assumed.model_copy(update={"alone_low": -1.3, "alone_high": 10.4})
    wide = output.model_copy(update={"meaning": "wide", "shares": [too_wide, *others, chance]})
    too_much = chance.model_copy(update={"with_others": 0.6})
    leader = Leader(
        factor="assumption:a.b", strength="assumed", total=0.4, total_low=0.3, total_high=0.5
    )
    noisy = output.model_copy(
        update={
            "meaning": "noisy",
            "shares": [assumed, *others, too_much],
            "leaders": [leader],
        }
    )
    variance = card.variance.model_copy(update={"outputs": [wide, noisy]})
    changed = replace(card, variance=variance)
    text = generator_card_markdown(changed)
    assert cells(text, "wide")[1:4] == [NOT_RESOLVED, "65% (55 to 75)", "–"]
    rows = [line for line in text.splitlines() if line.startswith("| noisy |")]
    assert [cell.strip() for cell in rows[0].strip("|").split(" | ")][1:] == [
        NOT_RESOLVED,
        NOT_RESOLVED,
        "–",
        NOT_RESOLVED,
        "–",
        "20% (10 to 30)",
        "60% (15 to 35)",
    ]
    assert rows[1] == f"| noisy | {NOT_RESOLVED} |"
    shares = generator_section(changed).tables[2].groups[0].rows
    assert [row.cells for row in shares] == [
        (NOT_RESOLVED, "65% (55 to 75)"),
        (NOT_RESOLVED, NOT_RESOLVED),
    ]


@WITH_SENSITIVITY
def test_the_statement_says_what_the_shares_are_of(shipped: GeneratorCard) -> None:
    text = generator_card_markdown(shipped)
    for words in (
        "*Not resolved*: the 95% interval",
        "cross-fitted logistic regression",
        "stands in for the oracle",
        "Checkpoint inhibitors are left out",
    ):
        assert words in text
    for line in text.partition("## What the answers rest on")[2].partition("\n## ")[0].splitlines():
        assert not any(cell.strip().startswith(("457%", "170%")) for cell in line.split("|"))


def test_what_was_not_computed_is_said_with_the_command(card: GeneratorCard) -> None:
    bare = replace(card, variance=None, ensemble=None)
    text = generator_card_markdown(bare)
    assert NO_VARIANCE in text
    assert "crsrisk run experiments/003_sensitivity" in NO_VARIANCE
    assert NO_ENSEMBLE in text
    section = generator_section(bare)
    assert [table.key for table in section.tables] == ["table-credibility", "table-strengths"]
    assert any("was not computed" in text for text in section.remarks)
    assert any("No ensemble" in text for text in section.remarks)


def test_forecasts_of_unseen_products_stand_on_the_card(card: GeneratorCard) -> None:
    made = card.cross_validation
    assert made is not None
    text = generator_card_markdown(card, chart="mine.svg")
    here = text.partition(f"## {FORECASTS}")[2].partition("\n## ")[0]
    assert f"**{when_not_to_trust(made)}**" in here
    assert "](mine.svg)" in here
    assert here.count("made_up_") == len({row.product for row in made.rows})
    for bar in bars(made):
        assert cells(here, bar.words)[1:] == [bar.found, bar.verdict]
    assert ".svg" not in generator_card_markdown(card, chart=None)
    (figure,) = generator_section(card).forecasts.figures
    assert (figure.number, len(figure.panels)) == ("8", 3)


def test_a_card_without_forecasts_says_so(card: GeneratorCard) -> None:
    bare = replace(card, cross_validation=None)
    text = generator_card_markdown(bare)
    assert NOT_COMPUTED in text
    assert ".svg" not in text
    forecasts = generator_section(bare).forecasts
    assert "not cross-validated for this version" in forecasts.lead
    assert not forecasts.tables
    assert not forecasts.figures


@WITH_SENSITIVITY
def test_what_matters_and_what_the_findings_support_with_the_caveat(card: GeneratorCard) -> None:
    """Both stand on the shipped card; a card without them has no such sections."""
    text = generator_card_markdown(make_card())
    assert "## Which assumptions matter most" in text
    after = text.partition("## Which scenario the findings support")[2]
    assert "No weight here is the probability that a scenario is true." in after.partition("|")[0]
    assert "| all | `burden_strong` |" in after
    plain = generator_card_markdown(card)
    assert "## Which assumptions matter most" not in plain
    assert "## Which scenario the findings support" not in plain


def test_text_of_the_files_cannot_break_a_table(card: GeneratorCard) -> None:
    broken = replace(card.assumptions[0], source="one | two\nthree")
    text = generator_card_markdown(replace(card, assumptions=(broken,)))
    assert cells(text, f"`{broken.key}`")[-1] == "one \\| two three"


@given(value=st.floats(-0.5, 1.5))
def test_a_share_is_said_in_per_cent_with_a_true_minus(value: float) -> None:
    told = percent(Estimate(value, value, value))
    assert "-" not in told
    assert float(told.partition("%")[0].replace("−", "-")) == pytest.approx(100 * value, abs=0.51)


# --- the report


def test_the_report_shows_it_in_short(content: ReportContent) -> None:
    section = content.generator
    assert section is not None
    factors, counts, shares = section.tables
    assert sum(len(group.rows) for group in factors.groups) == len(FACTORS)
    assert [group.label for group in factors.groups] == [
        "Verification",
        "Validation",
        "Applicability",
    ]
    assert EVIL in factors.groups[0].rows[0].cells[1]
    assert [row.label for row in counts.groups[0].rows][-1] == "All"
    assert shares.groups[0].rows[0].cells == ("60% (50 to 70)", "65% (55 to 75)")
    assert section.must_not_be_concluded == ("That anything is known of a patient.",)
    assert "`" not in json.dumps(to_plain(section))
    assert not hasattr(section, "assumptions"), "the whole list stays on the card"


def test_a_report_without_a_card_has_no_such_section(experiment: Any) -> None:
    page = render_report(build_content(**{**experiment, "generator": None}))
    assert "How far to believe the simulator" not in page
    assert 'href="#generator"' not in page
    assert "How far to believe the simulator" in render_report(build_content(**experiment))


# --- the command


def test_the_command_prints_writes_and_gives_json(shipped: GeneratorCard, tmp_path: Path) -> None:
    assert done("export", "card").out == generator_card_markdown(shipped, chart=None)
    assert json.loads(done("export", "card", "--json").out) == shipped.to_dict()
    done("export", "card", "--out", tmp_path / "card.md")
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == generator_card_markdown(
        shipped, chart="card.svg"
    )
    done("export", "card", "--json", "--out", tmp_path / "card.json")
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8")) == shipped.to_dict()


def test_the_figure_is_written_beside_the_page_and_goes_with_it(
    card: GeneratorCard, tmp_path: Path
) -> None:
    page, figure = tmp_path / "card.md", tmp_path / "card.svg"
    write_card(card, page)
    assert "](card.svg)" in page.read_text()
    assert figure.read_text().startswith("<svg")
    write_card(replace(card, cross_validation=None), page, overwrite=True)
    assert not figure.exists()
