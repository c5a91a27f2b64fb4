"""The cross-validation over products in words: when not to trust a forecast, and its tables.

The same words stand on the terminal, on the generator card and on pages. None of them is written
for one result: each is derived from the scores, so that another calibration changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from crsrisk.data.cross_validation import (
    METRICS,
    RIVALS,
    CrossValidatedRate,
    CrossValidation,
    Interval,
    Metric,
    MetricScore,
    bars,
    by_surprise,
)
from crsrisk.data.product import PLATFORMS
from crsrisk.data.published_figures import METRIC_MEANINGS
from crsrisk.report.evaluation_facts import ExtraSection
from crsrisk.report.sections import (
    Figure,
    Row,
    RowGroup,
    Section,
    Table,
    figure,
    row,
    rows_group,
    section,
    table,
)
from crsrisk.terminal import TextTable, text_table
from crsrisk.wording import MISSING, NOTICE, listed, number, short_label

TITLE = "How well products are forecast that were not seen"
NOT_COMPUTED = (
    "The forecasts were not cross-validated for this version: how well a product is forecast"
    " without its own figures is not known. To compute it: `crsrisk run"
    " experiments/002_calibration`, then `crsrisk calibration apply"
    " experiments/002_calibration/results`."
)
WHAT = (
    "Each product is forecast by a fit that saw the figures of all others and of its own nothing"
    " but its file, and then compared with what was published. Rivals that know no mechanism"
    " forecast the same rates from the same other products: the mean of the class, its"
    " beta-binomial distribution, and a regression on the product files."
)
SURPRISE = (
    "Surprise: how far out in its forecast the published count lies, 0 in the middle and 1 at an"
    " end. The most surprising product first."
)
RECALLED = "†"
SMALL_RATE = 0.0995  # a published rate below it keeps one decimal
_NOTES = (
    SURPRISE,
    f"{RECALLED} recalled, not verified. CRPS, of 100: 0 is best; of a forecast without doubt it is"
    " the absolute error. Products without rivals count in no score.",
)


def family(metric: Metric) -> str:
    """A rate in words: any grade, grade >= 2, grade >= 3."""
    return METRIC_MEANINGS[metric].family


def when_not_to_trust(made: CrossValidation) -> str:
    """When a forecast should not be trusted, in one sentence, as far as the cross-validation tells.

    It names platforms of which nothing was scored, those with the fewest products, the mean
    absolute error of any grade, and the rates for which a rival was not shown to be worse.
    """
    parts = [*_platforms(made), *_errors(made), *_as_well(made)]
    return f"Do not trust a forecast {'; nor '.join(parts)}."


def _platforms(made: CrossValidation) -> list[str]:
    scored: dict[str, set[str]] = {}
    for rate in made.rows:
        if rate.is_scored:
            scored.setdefault(rate.platform, set()).add(rate.product)
    never = [words for platform, words in PLATFORMS.items() if platform not in scored]
    fewest = min(map(len, scored.values()), default=0)
    few = [words for name, words in PLATFORMS.items() if len(scored.get(name, ())) == fewest]
    parts = [f"for {listed(never)}, of which no product was scored"] if never else []
    if fewest and len(few) < len(scored):
        how_many = "one product" if fewest == 1 else f"{fewest} products"
        verb = "was" if fewest == 1 else "were"
        each = " each" if len(few) > 1 else ""
        parts.append(f"for {listed(few)}, of which {how_many}{each} {verb} scored, the fewest")
    return parts


def _errors(made: CrossValidation) -> list[str]:
    engagers, cells = (
        number(100 * error, digits=0)
        for error in (made.summary_of.mae_any_engagers, made.summary_of.mae_any_cells)
    )
    return [
        f"where an error of {engagers} (engagers) or {cells} (cells) of 100 patients would matter,"
        " the mean absolute error of any grade"
    ]


def _as_well(made: CrossValidation) -> list[str]:
    """Rates for which a rival was not clearly beaten; rivals that share them in one clause."""
    by_rates: dict[str, list[str]] = {}
    for words, skill_of in _BEATEN.items():
        alike = [
            family(metric)
            for metric in _metrics(made)
            if not _is_better(skill_of(made.summary_of.metrics[metric]))
        ]
        if alike:
            by_rates.setdefault(listed(alike), []).append(words)
    return [
        f"for {rates} more than {' or '.join(rivals)}, which it did not clearly beat"
        for rates, rivals in by_rates.items()
    ]


_BEATEN: Mapping[str, Callable[[MetricScore], Interval]] = {
    "a regression on product files": lambda score: score.skill_against_regression,
    "the distribution over the class": lambda score: score.skill_against_class,
}


def _is_better(skill: Interval) -> bool:
    return skill.low is not None and skill.low > 0.0


def _percent(share: float) -> str:
    return number(100 * share, digits=0)


def _published(rate: CrossValidatedRate) -> str:
    doubt = "" if rate.verified else f" {RECALLED}"
    return f"{_rate(rate.published)}% of {number(rate.n, digits=0)}{doubt}"


def _rate(share: float) -> str:
    return number(100 * share, digits=1 if share < SMALL_RATE else 0)


def _crps(rate: CrossValidatedRate, rival: str) -> str:
    return _of_100(rate.crps_of(rival))


def _of_100(share: float | None) -> str:
    return number(None if share is None else 100 * share, digits=1)


# The terminal and the generator card.


def product_table(made: CrossValidation) -> TextTable:
    """Every scored rate, product by product; those that count in no score at the end."""
    rows: list[tuple[str, ...]] = []
    breaks = []
    for of in _in_order(made):
        rows += [
            (
                rate.product if at == 0 else "",
                _grade(rate),
                _published(rate),
                f"{_percent(rate.median)} ({_percent(rate.low_95)} to {_percent(rate.high_95)})",
                number(rate.surprise),
                _of_100(rate.crps),
                _crps(rate, "class_distribution"),
                _crps(rate, "regression"),
            )
            for at, rate in enumerate(of)
        ]
        breaks.append(len(rows) - 1)
    heads = ("published", "forecast (95%)", "surprise", "CRPS", "class", "regr.")
    return text_table(
        "Forecast without the product's own figures, the most surprising product first",
        ("product", "grade", *heads),
        rows,
        right=heads,
        breaks=breaks[:-1],
    )


def _grade(rate: CrossValidatedRate) -> str:
    """Any, >= 2, >= 3: below a head that says grade."""
    return family(rate.metric).replace("grade", "").strip()


def _in_order(made: CrossValidation) -> list[tuple[CrossValidatedRate, ...]]:
    return [
        of
        for is_scored in (True, False)
        for of in by_surprise(rate for rate in made.rows if rate.is_scored is is_scored)
    ]


def score_table(made: CrossValidation) -> TextTable:
    """Scores of each rate, with 95% bootstrap intervals over products."""
    scores = {metric: made.summary_of.metrics[metric] for metric in _metrics(made)}
    rows = [(label, *(told(score) for score in scores.values())) for label, told in _SCORES.items()]
    heads = tuple(map(family, scores))
    return text_table(
        "Scores over products, each one vote (95% bootstrap intervals)",
        ("score", *heads),
        rows,
        right=heads,
    )


def _metrics(made: CrossValidation) -> list[Metric]:
    return [metric for metric in METRICS if metric in made.summary_of.metrics]


def _told(part: Interval, *, digits: int, factor: float = 1.0) -> str:
    if part.value is None:
        return MISSING
    value, low, high = (
        number(None if end is None else factor * end, digits=digits)
        for end in (part.value, part.low, part.high)
    )
    # all alike in all products: the bootstrap has nothing to draw an interval from
    return value if part.low is None or part.low == part.high else f"{value} ({low} to {high})"


_SCORES: Mapping[str, Callable[[MetricScore], str]] = {
    "products, rates": lambda of: f"{of.n_products}, {of.n_rates}",
    "mean absolute error, of 100": lambda of: _told(of.mae, digits=0, factor=100),
    "CRPS, of 100": lambda of: _told(of.crps, digits=1, factor=100),
    "CRPS, % below class mean": lambda of: _skill(of.skill_against_class_mean),
    "CRPS, % below class distribution": lambda of: _skill(of.skill_against_class),
    "CRPS, % below regression": lambda of: _skill(of.skill_against_regression),
    "% inside the 95% interval": lambda of: _skill(of.inside_95),
    "% inside the 50% interval": lambda of: _skill(of.inside_50),
    "mean log density": lambda of: number(of.log_density),
    "log density, class distribution": lambda of: number(of.log_density_class),
    "log density, regression": lambda of: number(of.log_density_regression),
    "mixture, % mechanism": lambda of: _weight(of, "mechanism"),
    "mixture, % regression": lambda of: _weight(of, "regression"),
    "mixture, % class distribution": lambda of: _weight(of, "class_distribution"),
}


def _weight(of: MetricScore, part: str) -> str:
    return number(100 * of.weights.get(part, 0.0), digits=0)


def _skill(part: Interval) -> str:
    return _told(part, digits=0, factor=100)


def bar_table(made: CrossValidation) -> TextTable:
    """What was asked of the forecasts, what was found, and whether it is met."""
    held = bars(made)
    n_met = sum(bar.met is True for bar in held)
    return text_table(
        f"What was asked: {n_met} of {len(held)} met",
        ("asked", "found", ""),
        [(bar.words, bar.found, bar.verdict) for bar in held],
        right=["found"],
        strong=[at for at, bar in enumerate(held) if bar.met is False],
    )


def ranking_in_words(made: CrossValidation) -> str:
    """How well products are ranked within their class, and the error beside the class mean's."""
    score = made.summary_of
    whole = _told(score.rank_correlation_any, digits=2)
    parts = {
        "engagers": (
            score.rank_correlation_any_engagers,
            score.mae_any_engagers,
            score.mae_class_mean_any_engagers,
        ),
        "cells": (
            score.rank_correlation_any_cells,
            score.mae_any_cells,
            score.mae_class_mean_any_cells,
        ),
    }
    told = "; ".join(
        f"{name} {number(rank)}, mean absolute error {number(100 * error, digits=1)} of 100 (class"
        f" mean {number(100 * mean, digits=1)})"
        for name, (rank, error, mean) in parts.items()
    )
    return f"Any grade: rank correlation within engagers and cells {whole}: {told}."


# Pages.


def cross_validation_section(
    made: CrossValidation | None, *, tables: Sequence[str] = ("", "", ""), figure: str = ""
) -> Section:
    """The cross-validation as a section of a page, its lead when not to trust a forecast; without
    one its lead says so.

    ``tables`` and ``figure`` are their numbers, for a page that fixes them.
    """
    if made is None:
        return section("forecasts", title=TITLE, lead=NOT_COMPUTED.replace("`", ""))
    return section(
        "forecasts",
        title=TITLE,
        lead=when_not_to_trust(made),
        sentences=[WHAT, ranking_in_words(made)],
        tables=cross_validation_tables(made, numbers=tables),
        figures=[replace(cross_validation_figure(made), number=figure)],
        is_of_event=False,
    )


def cross_validation_part(made: CrossValidation | None) -> ExtraSection:
    """The same for the evaluation of a model in simulated patients; without a cross-validation a
    limit says so.
    """
    part = cross_validation_section(made)
    shown = () if made is None else (part,)
    return ExtraSection("cross_validation", made, shown, limits=(part.lead,))


def cross_validation_tables(
    made: CrossValidation, *, numbers: Sequence[str] = ("", "", "")
) -> tuple[Table, Table, Table]:
    """Scores by rate, what was asked, and every product; ``numbers`` for a page that fixes them."""
    scores, asked = score_table(made), bar_table(made)
    return (
        _page_table("forecast-scores", scores, row_header="Score", number=numbers[0]),
        _page_table(
            "forecast-bars", asked, row_header="Asked", number=numbers[1], columns=("Found", "")
        ),
        _products_page_table(made, number=numbers[2]),
    )


def _page_table(
    key: str, told: TextTable, *, row_header: str, number: str, columns: Sequence[str] = ()
) -> Table:
    """A table of the terminal as one of a page."""
    return table(
        key,
        number=number,
        title=told.title,
        row_header=row_header,
        columns=[(_capital(name), "") for name in columns or told.columns[1:]],
        rows=[
            row(_capital(cells[0]), cells[1:], is_strong=at in told.strong, is_wrapped=True)
            for at, cells in enumerate(told.rows)
        ],
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _products_page_table(made: CrossValidation, *, number: str) -> Table:
    return table(
        "forecast-products",
        number=number,
        title="Forecast without the product's own figures, the most surprising product first",
        row_header="Grade",
        columns=[
            ("Published", "per 100"),
            ("Size", "patients"),
            ("Forecast", "per 100 (95% interval)"),
            ("50% interval", "per 100"),
            ("Surprise", ""),
            ("CRPS", "of 100"),
            ("CRPS, class", "of 100"),
            ("CRPS, regression", "of 100"),
            ("95% interval", ""),
        ],
        rows=[_product_rows(of) for of in _in_order(made)],
        notes=_NOTES,
    )


def _product_rows(of: Sequence[CrossValidatedRate]) -> RowGroup:
    first = of[0]
    platform = PLATFORMS.get(first.platform, first.platform)  # type: ignore[call-overload]
    return rows_group(
        short_label(first.label),
        [_product_row(rate) for rate in of],
        sub=platform if first.is_scored else f"{platform}; not scored",
    )


def _product_row(rate: CrossValidatedRate) -> Row:
    return row(
        _grade(rate) + ("" if rate.verified else f" {RECALLED}"),
        [
            _rate(rate.published),
            number(rate.n, digits=0),
            f"{_percent(rate.median)} ({_percent(rate.low_95)} to {_percent(rate.high_95)})",
            f"{_percent(rate.low_50)} to {_percent(rate.high_50)}",
            number(rate.surprise),
            _of_100(rate.crps),
            _crps(rate, "class_distribution"),
            _crps(rate, "regression"),
            "inside" if rate.is_inside_95 else "outside",
        ],
        verdict="" if rate.is_inside_95 else "differs",
    )


def cross_validation_figure(made: CrossValidation) -> Figure:
    """One panel a rate: published beside the forecast, product by product."""
    return figure(
        "forecasts",
        title="Published beside the forecast without the product's own figures.",
        text=figure_text(),
        panels=[
            ("forecasts", f"CRS of {family(metric)}", made.forecasts(metric))
            for metric in _metrics(made)
        ],
    )


def cross_validation_chart(made: CrossValidation) -> str:
    """The dots of any grade as an SVG file that stands alone."""
    from crsrisk.plots.forecast_charts import plot_forecasts
    from crsrisk.plots.svg import stand_alone, to_svg

    dots = made.forecasts()
    title = f"CRS of {family('crs_any_rate')}, forecast without the product's own figures"
    svg = to_svg(
        lambda: plot_forecasts(dots, title=title),
        key="forecasts",
        title=title,
        description=dots.description,
    )
    return stand_alone(svg, note=f"{figure_text()} {NOTICE}")


def markdown_page(made: CrossValidation | None, *, chart: str | None) -> list[str]:
    """The same in Markdown, for the generator card; ``chart`` is the file of the figure."""
    if made is None:
        return [NOT_COMPUTED, ""]
    page = [f"**{when_not_to_trust(made)}**", "", WHAT, ""]
    if chart is not None:
        page += [f"![{made.forecasts().description}]({chart})", "", figure_text(), ""]
    for told, notes in (
        (score_table(made), [ranking_in_words(made)]),
        (bar_table(made), []),
        (product_table(made), _NOTES),
    ):
        page += [f"*{told.title}*", "", *told.markdown(), "", *(f"{note}\n" for note in notes)]
    return page


def figure_text() -> str:
    """What the marks of the figure mean."""
    rivals = listed([name.replace("_", " ") for name in RIVALS])
    return (
        "Bar: 50% interval; line: 95% interval; stroke: median. Disc: published, inside the 95%"
        " interval; diamond: outside; hollow: recalled, not verified; its number at the right."
        f" Faint: medians of {rivals}. The most surprising product first; each rate within the"
        " window of its own trial."
    )
