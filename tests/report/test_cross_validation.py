"""The cross-validation in words: nothing said that its numbers do not say."""

from __future__ import annotations

from typing import Any

import pytest

from crsrisk.data.cross_validation import CrossValidation, Interval, bars
from crsrisk.data.product import PLATFORMS
from crsrisk.report.cross_validation import (
    NOT_COMPUTED,
    bar_table,
    cross_validation_part,
    cross_validation_section,
    product_table,
    score_table,
    when_not_to_trust,
)
from crsrisk.report.sections import numbered
from tests.data.made_cross_validations import (
    PRODUCTS,
    make_cross_validation,
    make_rate,
    make_score,
    make_summary,
)


@pytest.fixture(scope="module")
def made() -> CrossValidation:
    return make_cross_validation()


def with_skills(rival: str = "regression", **skills: tuple[float, float]) -> CrossValidation:
    """With these skills against a rival (value, lower end) of any grade and the others; the other
    rival is beaten.
    """
    beaten = {
        f"skill_against_{name}": Interval(value=0.5, low=0.4, high=0.6)
        for name in ("regression", "class")
    }
    metrics = {
        f"crs_{name}_rate": make_score(
            **{**beaten, f"skill_against_{rival}": Interval(value=value, low=low, high=0.9)}
        )
        for name, (value, low) in skills.items()
    }
    return make_cross_validation(summary_of=make_summary(metrics=metrics))


# When not to trust a forecast.


def test_the_sentence_by_hand(made: CrossValidation) -> None:
    assert when_not_to_trust(made) == (
        "Do not trust a forecast for TCR-T cells, TIL and checkpoint inhibitors, of which no"
        " product was scored; nor for ImmTACs, of which one product was scored, the fewest; nor"
        " where an error of 16 (engagers) or 24 (cells) of 100 patients would matter, the mean"
        " absolute error of any grade; nor for any grade, grade >= 2 and grade >= 3 more than a"
        " regression on product files, which it did not clearly beat."
    )


def test_a_platform_that_is_scored_is_not_called_unscored() -> None:
    platforms = dict(zip(PRODUCTS, PLATFORMS, strict=True))
    rows = tuple(
        make_rate(product, platform=platform, group="engagers")
        for product, platform in platforms.items()
    )
    told = when_not_to_trust(make_cross_validation(rows=rows))
    assert "no product" not in told
    assert "the fewest" not in told, "all have as many"


def test_fewest_products_are_counted_once_a_product() -> None:
    rows = tuple(
        make_rate(product, metric, platform=platform, group="cells")
        for product, platform in (
            ("made_up_a", "car_t"),
            ("made_up_b", "car_t"),
            ("made_up_c", "car_t"),
            ("made_up_d", "tcr_t"),
            ("made_up_e", "tcr_t"),
        )
        for metric in ("crs_any_rate", "crs_grade2plus_rate")
    )
    told = when_not_to_trust(make_cross_validation(rows=rows))  # type: ignore[arg-type]
    assert "for TCR-T cells, of which 2 products were scored, the fewest" in told


@pytest.mark.parametrize(
    ("skills", "named"),
    [
        ({"any": (0.2, 0.1), "grade2plus": (0.3, 0.2)}, None),
        ({"any": (0.2, 0.0), "grade2plus": (0.3, 0.2)}, "for any grade more than"),
        ({"any": (0.2, 0.1), "grade2plus": (-0.3, -0.5)}, "for grade >= 2 more than"),
    ],
)
def test_the_regression_is_named_where_it_is_not_clearly_beaten(
    skills: dict[str, tuple[float, float]], named: str | None
) -> None:
    told = when_not_to_trust(with_skills(**skills))
    assert ("regression" in told) is (named is not None)
    assert named is None or named in told


def test_rivals_that_share_their_rates_share_a_clause() -> None:
    wide = Interval(value=0.2, low=-0.1, high=0.4)
    alike = make_score(skill_against_class=wide, skill_against_regression=wide)
    made = make_cross_validation(summary_of=make_summary(metrics={"crs_any_rate": alike}))
    told = when_not_to_trust(made)
    assert (
        "for any grade more than a regression on product files or the distribution over the class,"
        " which it did not clearly beat" in told
    )
    only = when_not_to_trust(with_skills("class", any=(0.2, -0.1), grade2plus=(0.3, 0.2)))
    assert "for any grade more than the distribution over the class, which" in only
    assert "regression" not in only


def test_a_share_without_spread_has_no_interval() -> None:
    """All rates inside in every product: drawing products again cannot say how sure that is."""
    everything = make_score(inside_95=Interval(value=1.0, low=1.0, high=1.0))
    made = make_cross_validation(summary_of=make_summary(metrics={"crs_any_rate": everything}))
    (inside,) = [cells for cells in score_table(made).rows if "95%" in cells[0]]
    assert inside == ("% inside the 95% interval", "100")


def test_errors_are_those_of_the_summary() -> None:
    summary = make_summary(mae_any_engagers=0.081, mae_any_cells=0.409)
    told = when_not_to_trust(make_cross_validation(summary_of=summary))
    assert "an error of 8 (engagers) or 41 (cells) of 100" in told


# Tables.


def test_products_stand_in_order_and_unscored_ones_last(made: CrossValidation) -> None:
    told = product_table(made)
    named = [cells[0] for cells in told.rows if cells[0]]
    assert named[0] == "made_up_b"
    assert named[-1] == "made_up_f"
    assert sorted(named) == sorted(PRODUCTS)
    first = told.rows[0]
    assert first == (
        "made_up_b",
        "any",
        "92% of 25",
        "40 (5 to 75)",
        "0.99",
        "13.7",
        "16.0",
        "13.0",
    )
    assert told.rows[-1][-2:] == ("–", "–")
    assert any("†" in cells[2] for cells in told.rows)


def test_tables_fit_a_terminal_of_100_columns(made: CrossValidation) -> None:
    for told in (product_table(made), score_table(made), bar_table(made)):
        widths = [max(map(len, column)) for column in zip(told.columns, *told.rows, strict=True)]
        assert sum(widths) + 3 * len(widths) + 1 <= 100, told.title


def test_missed_bars_are_said(made: CrossValidation) -> None:
    told = bar_table(made)
    assert told.title == "What was asked: 7 of 9 met"
    assert [cells[2] for cells in told.rows] == [bar.verdict for bar in bars(made)]
    assert {told.rows[at][2] for at in told.strong} == {"missed"}


def test_a_rate_without_scores_has_no_column() -> None:
    made = with_skills(any=(0.2, 0.1))
    assert score_table(made).columns == ("score", "any grade")


# Pages.


def test_the_section_has_the_sentence_tables_and_three_panels(made: CrossValidation) -> None:
    (part,) = numbered([cross_validation_section(made)])
    assert part.lead == when_not_to_trust(made).replace(">=", "≥")
    scores, asked, products = part.tables
    assert (scores.number, asked.number, products.number) == ("1", "2", "3")
    assert products.groups[0].label == "Made-up B"
    assert products.groups[-1].sub.endswith("not scored")
    outside = [row.verdict for group in products.groups for row in group.rows]
    assert outside.count("differs") == sum(not row.is_inside_95 for row in made.rows)
    (figure,) = part.figures
    assert len(figure.panels) == 3


def test_without_a_cross_validation_the_evaluation_says_so(made: CrossValidation) -> None:
    nothing, part = cross_validation_part(None), cross_validation_part(made)
    assert nothing.limits == (NOT_COMPUTED.replace("`", ""),)
    assert not nothing.sections
    assert part.results is made
    told: Any = part.limits
    assert told == (part.sections[0].lead,)
