"""A forecast on the terminal: its figures, and what stands beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crsrisk.data.product import PLATFORMS
from crsrisk.data.published_figures import METRIC_MEANINGS
from crsrisk.studies.forecast import ASKED, Forecast, ProductForecast, told_figure
from crsrisk.studies.forecast_evidence import Neighbour, PublishedBeside
from crsrisk.terminal import Console, TextTable, console_of, text_table
from crsrisk.wording import MISSING, number, plain_name, typeset

RECALLED = "†"
OF_ANOTHER = "‡"
MOST_NAMED = 3  # features on which a product is near, or apart
_HELD = "Intervals hold what is not known of the assumptions and how trials of one product differ"
_TIMES = (
    "Onset counts from the most recent dose, duration is that of the first episode, both among"
    " patients with CRS."
)
_LEFT_OUT = (
    " Forecasts without a product's own figures also hold chance in the patients of the published"
    " trial."
)
_NO_MEDIAN = " A dash: in half of such trials or more nobody has CRS, so that there is no median."
_SCORED = "How well products were forecast that were not seen: crsrisk evidence cross-validation."


def print_forecast(made: Forecast) -> None:
    """Every product with its figures, what was published of it, its nearest products and what its
    forecast rests on; then the published figures of each class, once.
    """
    console = console_of(100)
    for row in made.products:
        _print_product(row, console, trial_size=made.trial_size)
    classes: dict[str, dict[str, PublishedBeside]] = {}
    for row in made.products:
        shown = classes.setdefault(row.beside.basis.group, {})
        shown |= {one.id: one for one in row.beside.of_class}
    for group, beside in classes.items():
        if beside:
            class_table(group, list(beside.values())).print(console)
            console.print()
    chance = "" if made.trial_size is None else f", and chance in {made.trial_size} patients"
    has_no_median = any(row.crs_any.predictive.value == 0.0 for row in made.products)
    has_left_out = any(one.left_out for row in made.products for one in row.beside.own)
    for sentence in (
        f"{_HELD}{chance}; the last column holds the assumptions of the mechanism alone. {_TIMES}"
        f"{_LEFT_OUT if has_left_out else ''}{_NO_MEDIAN if has_no_median else ''}",
        f"{RECALLED} recalled, not verified. {OF_ANOTHER} another event or other patients than"
        " simulated: shown, not fitted. Published figures enter a forecast only through what was"
        " fitted to them.",
        _SCORED,
        made.notice,
    ):
        console.print(sentence, markup=False)


def _print_product(row: ProductForecast, console: Console, *, trial_size: int | None) -> None:
    given = "".join(f", with {plain_name(name)}" for name in row.mitigations)
    size = "" if trial_size is None else f"; a trial of {number(trial_size, digits=0)} patients"
    console.print(f"{row.product}: {typeset(row.label)}", markup=False, style="bold")
    console.print(
        f"Regimen {plain_name(row.regimen)}{given}; {plain_name(row.population)};"
        f" {row.window_d:g} days; {row.grading}; policy {plain_name(row.policy)};"
        f" {row.n_members} members{size}.",
        markup=False,
        highlight=False,
    )
    figures_table(row).print(console)
    if any(row.metric(name).is_hidden_by_chance for name in ASKED):
        console.print(
            "- under assumptions: with so few patients of a member, chance hides what the"
            " assumptions leave open; take more --patients.",
            markup=False,
            highlight=False,
        )
    if row.beside.own:
        own_table(row.beside.own).print(console)
    if row.beside.neighbours:
        neighbour_table(row.beside.neighbours).print(console)
    console.print(row.beside.basis.sentence, markup=False, highlight=False)
    console.print()


def figures_table(row: ProductForecast) -> TextTable:
    """Median and intervals of every figure."""
    heads = ("median", "50% interval", "95% interval", "assumptions (95%)")
    rows = []
    for name, asked in ASKED.items():
        figure, unit = row.metric(name), METRIC_MEANINGS[asked.metric].unit
        rows.append(
            (
                asked.label,
                told_figure(figure.predictive.value, unit),
                _span(figure.half.low, figure.half.high, unit),
                _span(figure.predictive.low, figure.predictive.high, unit),
                _span(figure.assumptions.low, figure.assumptions.high, unit),
            )
        )
    return text_table("Forecast", ("CRS", *heads), rows, right=heads)


def _span(low: float, high: float, unit: str) -> str:
    start, end = told_figure(low, unit), told_figure(high, unit)
    return start if start == end == "-" else f"{start} to {end}"


def own_table(own: Sequence[PublishedBeside]) -> TextTable:
    """What was published of the product itself, and what was forecast of it without these."""
    has_left_out = any(one.left_out for one in own)
    heads = ("published", *(["forecast without it (95%)"] if has_left_out else []))
    return text_table(
        "Published of the product itself",
        ("CRS", "source", *heads),
        [
            (
                _label(one),
                one.trial,
                _published(one),
                *([_left_out(one)] if has_left_out else []),
            )
            for one in own
        ],
        right=heads,
    )


def _label(one: PublishedBeside) -> str:
    return next(asked.label for asked in ASKED.values() if asked.metric == one.metric)


def _published(one: PublishedBeside) -> str:
    unit = METRIC_MEANINGS[one.metric].unit
    of = "" if one.n is None else f" of {number(one.n, digits=0)}"
    doubt = "" if one.verified else f" {RECALLED}"
    return f"{told_figure(one.value, unit)}{of}{doubt}{f' {OF_ANOTHER}' if one.note else ''}"


def _left_out(one: PublishedBeside) -> str:
    if one.left_out is None:
        return MISSING
    unit = METRIC_MEANINGS[one.metric].unit
    median, low, high = (told_figure(part, unit) for part in one.left_out)
    return f"{median} ({low} to {high})"


def neighbour_table(neighbours: Iterable[Neighbour]) -> TextTable:
    """The nearest products with published figures, and on what they are near and apart."""
    return text_table(
        "Nearest products with published figures, by what the product files say",
        ("product", "SDs apart", "near on", "apart on"),
        [
            (
                one.product,
                number(one.distance, digits=1),
                ", ".join(one.near_on[:MOST_NAMED]) or MISSING,
                ", ".join(one.apart_on[:MOST_NAMED]) or MISSING,
            )
            for one in neighbours
        ],
        right=["SDs apart"],
    )


def class_table(group: str, beside: Sequence[PublishedBeside]) -> TextTable:
    """Published rates of the class, one row a source."""
    metrics = ("crs_any_rate", "crs_grade2plus_rate", "crs_grade3plus_rate")
    heads = [METRIC_MEANINGS[metric].family for metric in metrics]
    sources: dict[tuple[str, str], dict[str, PublishedBeside]] = {}
    for one in sorted(beside, key=lambda one: (one.platform, one.product, one.trial)):
        sources.setdefault((one.product, one.trial), {})[one.metric] = one
    rows = []
    for (product, _), by_metric in sources.items():
        platform = next(iter(by_metric.values())).platform
        cells = [_published(by_metric[name]) if name in by_metric else "" for name in metrics]
        rows.append((product, PLATFORMS[platform], *cells))
    return text_table(
        f"Published of the class: {group}", ("product", "platform", *heads), rows, right=heads
    )
