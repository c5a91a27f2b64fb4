"""Comparison tables: simulated beside published figures, one row a figure, those that differ among
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from crsrisk.data.published_figures import METRIC_MEANINGS, Comparison
from crsrisk.plots.chart_data import ForestCell
from crsrisk.report.sections import Column, Row, Table, row, rows_group, table
from crsrisk.simulation.evidence import ComparisonSummary, Tally
from crsrisk.wording import MISSING, number, typeset

_OF = {
    "patients": "",
    "crs_patients": "of those with CRS",
    "grade2plus_patients": "of those with grade ≥ 2",
}
_HOURS = {"h": 1.0, "d": 24.0}
UNSURE = "†"
_SMALL_RATE = 0.0995  # a rate below it keeps one decimal
_SMALL_ERROR = 0.05  # an error below it keeps two


@dataclass(frozen=True)
class PublishedSection:
    """Simulated against published: the statement, the counts, a table of rates and one of times.

    ``comparisons`` are the rows as they came, ``summary`` their counts.
    """

    statement: str
    summary: ComparisonSummary
    tally: Table
    tables: tuple[Table, ...]
    comparisons: tuple[Comparison, ...]


def published_section(
    comparisons: Sequence[Comparison],
    *,
    summary: ComparisonSummary,
    labels: Mapping[str, str],
    order: Sequence[str],
) -> PublishedSection:
    """The section of all comparisons; ``order``: the products' order in all tables.

    ``summary``: of :func:`crsrisk.simulation.evidence.summarise`.
    """
    ranks = {product: at for at, product in enumerate(order)}
    ranked = sorted(comparisons, key=lambda row: (ranks.get(row.product, len(ranks)), row.product))
    return PublishedSection(
        statement=typeset(summary.statement),
        summary=summary,
        tally=_tally_table(summary, labels=labels, ranks=ranks),
        tables=tuple(
            _forest_table(
                [row for row in ranked if (row.unit == "1") == is_rate],
                labels=labels,
                is_rate=is_rate,
            )
            for is_rate in (True, False)
        ),
        comparisons=tuple(comparisons),
    )


def _tally_row(label: str, tally: Tally, *, is_strong: bool = False) -> Row:
    error = tally.mean_absolute_error_any_grade
    counts = (
        tally.n_trials,
        tally.n_figures,
        tally.n_judged,
        tally.n_agree,
        tally.n_agree_wide,
    )
    return row(
        label,
        [
            *(number(count, digits=0) for count in counts),
            MISSING if error is None else number(100 * error, digits=1),
        ],
        is_strong=is_strong,
    )


def _tally_table(
    summary: ComparisonSummary, *, labels: Mapping[str, str], ranks: Mapping[str, int]
) -> Table:
    products = sorted(summary.by_product, key=lambda product: ranks.get(product, len(ranks)))
    by_use = [
        _tally_row(label, summary.by_use[use])
        for use, label in (("likelihood", "In the likelihood"), ("shown", "Shown only"))
        if use in summary.by_use
    ]
    return table(
        "tally",
        number="3a",
        title="Simulated against published: how many figures agree",
        row_header="",
        columns=[
            ("Sources", ""),
            ("Figures", ""),
            ("Judged", ""),
            ("Agree", ""),
            ("of these, with a wide interval", ""),
            ("Mean error, any grade", "per 100 patients"),
        ],
        rows=[
            rows_group("", [_tally_row("All figures", summary.all, is_strong=True), *by_use]),
            rows_group(
                "By product",
                [
                    _tally_row(labels.get(product, product), summary.by_product[product])
                    for product in products
                ],
            ),
        ],
        notes=[
            (
                "Agree: the 95% interval of the published figure and the simulated value ± 1.96"
                " Monte Carlo errors overlap. Wide: a published rate whose interval spans more than"
                " 30 of 100; nearly anything agrees with it."
            ),
            (
                "In the likelihood: figures that the assumptions are fitted to, so that agreement"
                " is no test. Overlapping sources count each."
            ),
            "A review that pools several products is counted under one of them.",
        ],
    )


def _forest_table(
    comparisons: Sequence[Comparison], *, labels: Mapping[str, str], is_rate: bool
) -> Table:
    sources: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in comparisons:
        source = (comparison.product, comparison.trial, comparison.citation)
        sources.setdefault(source, []).append(comparison)
    unit = "per 100" if is_rate else "median"
    return table(
        "rates" if is_rate else "times",
        number="3b" if is_rate else "3c",
        title=f"Simulated against published: {'rates' if is_rate else 'times'}",
        row_header="Figure",
        columns=[
            ("Published", f"{unit} (95% interval)"),
            ("Size", "patients"),
            ("Simulated", f"{unit} ± MC error"),
            Column("", axis="rate" if is_rate else "time"),
            Column("Verdict", is_text=True),
        ],
        rows=[
            rows_group(
                _product_in_words(rows[0], labels=labels),
                [_forest_row(comparison) for comparison in rows],
                sub=f"{citation}; {rows[0].window_d:g} days",
            )
            for (_, _, citation), rows in sources.items()
        ],
        notes=[
            (
                "Grey bar: 95% interval of the published figure, broken when the figure is"
                f" recalled and not verified ({UNSURE}); tick: the published figure. Simulated: ●"
                " agrees, ◆ differs, □ not judged, with ± 1.96 Monte Carlo (MC) errors."
            ),
            (
                "Each source is simulated over its own window after the first dose, with its own"
                " product and policy. Synthetic data; agreement is no external validation."
            ),
        ],
    )


def _product_in_words(comparison: Comparison, *, labels: Mapping[str, str]) -> str:
    return (
        labels.get(comparison.product, comparison.product)
        if comparison.n_products == 1
        else f"{comparison.n_products} products pooled"
    )


def _forest_row(comparison: Comparison) -> Row:
    is_rate = comparison.unit == "1"
    factor, unit = (100, "") if is_rate else (1, f" {comparison.unit}")
    digits = 0 if is_rate and comparison.published >= _SMALL_RATE else 1

    def in_words(value: float) -> str:
        return number(factor * value, digits=digits)

    interval = (
        ""
        if isnan(comparison.low)
        else f" ({in_words(comparison.low)}–{in_words(comparison.high)})"
    )
    meaning = typeset(METRIC_MEANINGS[comparison.metric].meaning)
    mark = "" if comparison.verified else f" {UNSURE}"
    return row(
        f"{meaning[0].upper()}{meaning[1:]}{mark}",
        [
            f"{in_words(comparison.published)}{unit}{interval}",
            MISSING if comparison.n is None else number(comparison.n, digits=0),
            (
                MISSING
                if isnan(comparison.simulated)
                else f"{in_words(comparison.simulated)}{unit}"
                f"{_error_in_words(factor * comparison.mc_error)}"
            ),
            _forest_cell(comparison),
            comparison.verdict + (f": {comparison.reason}" if comparison.reason else ""),
        ],
        note="" if "among" in meaning else _OF[comparison.of],
        verdict=comparison.verdict,
    )


def _error_in_words(error: float) -> str:
    if isnan(error):
        return ""
    return f" ± {number(error, digits=1 if error >= _SMALL_ERROR else 2)}"


def _forest_cell(comparison: Comparison) -> ForestCell:
    """Rates as shares, times in hours."""
    hours = _HOURS.get(comparison.unit, 1.0)

    def known(value: float) -> float | None:
        return None if isnan(value) else hours * value

    return ForestCell(
        axis="rate" if comparison.unit == "1" else "time",
        published=hours * comparison.published,
        low=known(comparison.low),
        high=known(comparison.high),
        simulated=known(comparison.simulated),
        mc_error=known(comparison.mc_error),
        verdict=comparison.verdict,
        is_verified=comparison.verified,
    )
