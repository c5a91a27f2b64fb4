"""Charts of an evaluation: calibration, decision curve, risks, benchmark, learning curves.

Every function draws on matplotlib axes (those given, or those of a new figure) and returns them.
Colour never speaks alone: shape, position or a word says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from crsrisk.plots.chart_data import (
    Axis,
    BenchmarkMark,
    EvaluatedGroup,
    LearningPoint,
    SpreadByOutcome,
    SpreadOfRisk,
)
from crsrisk.plots.charts import BAND, EVENT, LINE_STYLES, OTHER, Style, risk_limit
from crsrisk.plots.style import (
    BLUE,
    HAIR,
    INK,
    MUTED,
    PAPER,
    RED,
    ROW_TEXT,
    SHORT_DASHED,
    SLATE,
    SMALL_TEXT,
    TEXT,
    Size,
    axes_for,
    axes_in_a_row,
    beside,
    dress,
    dress_rows,
    scale_axis,
    styled,
)
from crsrisk.results import Estimate, NotEstimable
from crsrisk.wording import MISSING, number, wrapped

LARGE_CURVE = Size(440, 496, left=40, right=22, top=24)
SMALL_CURVE = Size(250, 334, left=34, right=20, top=60)
LARGE_BENEFIT = Size(440, 420, left=40, right=22, top=24)
SMALL_BENEFIT = Size(250, 240, left=34, right=20, top=60)
HISTOGRAM = 0.18  # of the height of the curve, below it
BELOW_ZERO = 0.18  # of the highest net benefit, below it


@styled
def plot_calibration(
    group: EvaluatedGroup, *, ax: Axes | None = None, title: str = "", small: bool = False
) -> Axes:
    """Predicted against observed risk with its 95% band; below it where the patients lie.

    The diagonal is perfect. The histograms show shares of each outcome class: those with the event
    upwards (red), those without downwards.

    Parameters
    ----------
    group : a group of an evaluation, such as ``evaluation.pooled``.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.
    small : few ticks and no words in the histogram, for one plot among many.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from crsrisk.evaluation.evaluate import evaluate
    >>> risk = np.linspace(0.05, 0.6, 400)
    >>> y_true = np.random.default_rng(1).random(400) < risk
    >>> ax = plot_calibration(evaluate(y_true, risk, n_resamples=20, seed=1).pooled)
    >>> ax.get_xlabel()
    'Predicted, of 100'
    """
    size = SMALL_CURVE if small else _with_title(LARGE_CURVE, title)
    ax = axes_for(ax, size)
    curve = group.calibration.curve
    if isinstance(curve, NotEstimable):
        return _refusal(ax, curve.reason, title=title, size=size)
    dress(ax, x="Predicted, of 100", y="Observed, of 100", title=title)
    end = risk_limit(max(*curve.risk, *curve.high))
    n_ticks = 2 if small else 5
    scale_axis(ax, "x", Axis("", 0.0, end, 100.0), n_ticks=n_ticks)
    scale_axis(ax, "y", Axis("", 0.0, end, 100.0), n_ticks=n_ticks)
    ticks = [tick for tick in ax.get_yticks() if -1e-9 <= tick <= end + 1e-9]
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.set_ylim(-(HISTOGRAM + 0.03) * end, end)
    ax.plot([0, end], [0, end], **LINE_STYLES["ideal"])
    ax.fill_between(curve.risk, curve.low, curve.high, **BAND)
    ax.plot(curve.risk, curve.observed, **LINE_STYLES["model"])
    if not isinstance(group.risk_distribution, NotEstimable):
        _histograms(ax, group.risk_distribution, end=end, with_words=not small)
    return ax


def _with_title(size: Size, title: str) -> Size:
    """The same size, higher by a title."""
    more = 24.0 if title else 0.0
    return Size(size.width, size.height + more, size.left, size.right, size.top + more, size.bottom)


def _refusal(ax: Axes, reason: str, *, title: str, size: Size) -> Axes:
    """A chart that cannot be drawn: it says so, and why."""
    ax.set_axis_off()
    if title:
        ax.set_title("\n".join(wrapped(title, room=36)[:2]), loc="left", pad=10)
    lines = ["Not estimable:", *wrapped(reason, room=int(size.width / 7))]
    ax.text(0, 1, "\n".join(lines), transform=ax.transAxes, va="top", color=MUTED, linespacing=1.3)
    return ax


def _histograms(ax: Axes, risks: SpreadByOutcome, *, end: float, with_words: bool) -> None:
    """How dense both outcome classes lie in bins of predicted risk, with the event up, without
    down.
    """
    classes = ((risks.event, 1.0, RED), (risks.no_event, -1.0, SLATE))
    shares = [
        [
            count / part.n / (stop - start)
            for count, start, stop in zip(
                part.counts, part.bin_edges[:-1], part.bin_edges[1:], strict=True
            )
        ]
        for part, _, _ in classes
    ]
    highest = max(max(values) for values in shares)
    half, middle = HISTOGRAM * end / 2, -(HISTOGRAM / 2 + 0.025) * end
    for (part, sign, colour), values in zip(classes, shares, strict=True):
        inside = [at for at, start in enumerate(part.bin_edges[:-1]) if start < end - 1e-9]
        edges = [part.bin_edges[at] for at in inside]
        widths = [min(part.bin_edges[at + 1], end) - part.bin_edges[at] for at in inside]
        tall = [sign * values[at] / highest * half for at in inside]
        ax.bar(
            edges, tall, width=[0.92 * w for w in widths], bottom=middle, align="edge", color=colour
        )
    ax.plot([0, end], [middle, middle], color=HAIR, linewidth=1.0)
    if with_words:
        words: Style = {"fontsize": TEXT, "fontweight": "bold"}
        ax.text(0.01 * end, middle + half, "with the event", va="top", color=RED, **words)
        ax.text(end, middle - half, "without", va="bottom", ha="right", color=MUTED, **words)


@styled
def plot_decision_curve(
    group: EvaluatedGroup, *, ax: Axes | None = None, title: str = "", small: bool = False
) -> Axes:
    """Net benefit by threshold: of the model with its 95% band, of treating everybody and nobody.

    In events found per 100 patients, needless treatments subtracted at the odds of the threshold
    (Vickers and Elkin 2006).

    Parameters
    ----------
    group : a group of an evaluation, such as ``evaluation.pooled``.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.
    small : few ticks and no legend, for one plot among many.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from crsrisk.evaluation.evaluate import evaluate
    >>> risk = np.linspace(0.05, 0.6, 400)
    >>> y_true = np.random.default_rng(1).random(400) < risk
    >>> ax = plot_decision_curve(evaluate(y_true, risk, n_resamples=20, seed=1).pooled)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Model, 95% band', 'Treat everybody', 'Treat nobody']
    """
    size = SMALL_BENEFIT if small else _with_title(LARGE_BENEFIT, title)
    ax = axes_for(ax, size)
    curve = group.net_benefit
    if isinstance(curve, NotEstimable):
        return _refusal(ax, curve.reason, title=title, size=size)
    dress(ax, x="Threshold, of 100", y="Net benefit per 100 patients", title=title)
    everybody, last = curve.treat_all.value, float(max(curve.threshold))
    highest = 1.05 * float(max(*curve.model.high, everybody[0]))
    scale_axis(ax, "x", Axis("", 0.0, last, 100.0), n_ticks=3 if small else 6)
    scale_axis(ax, "y", Axis("", 0.0, highest, 100.0), n_ticks=3 if small else 5)
    ticks = [tick for tick in ax.get_yticks() if -1e-9 <= tick <= highest]
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.set_ylim(-BELOW_ZERO * highest, highest)
    ax.fill_between(curve.threshold, curve.model.low, curve.model.high, **BAND)
    model, reference, zero = (LINE_STYLES[name] for name in ("model", "reference", "zero"))
    ax.plot([0, last], [0, 0], label="Treat nobody", **zero)
    ax.plot(curve.threshold, everybody, label="Treat everybody", **reference)
    ax.plot(curve.threshold, curve.model.value, label="Model, 95% band", **model)
    if not small:
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], labels[::-1], loc="upper right")
    return ax


@styled
def plot_risk_distribution(
    groups: Mapping[str, EvaluatedGroup], *, ax: Axes | None = None, title: str = ""
) -> Axes:
    """Where predicted risks lie among patients with the event (upper bar) and without (lower).

    Thin line: 5 to 95 of 100 patients; bar: the middle half; stroke: the median.

    Parameters
    ----------
    groups : label -> group of an evaluation, drawn from top to bottom.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from crsrisk.evaluation.evaluate import evaluate
    >>> risk = np.linspace(0.05, 0.6, 400)
    >>> y_true = np.random.default_rng(1).random(400) < risk
    >>> pooled = evaluate(y_true, risk, n_resamples=20, seed=1).pooled
    >>> ax = plot_risk_distribution({"All products": pooled})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['All products']
    """
    top = 52.0 if title else 24.0
    ax = axes_for(
        ax, Size(460, 52.0 * len(groups) + top + 42, left=8, right=20, top=top, bottom=42)
    )
    dress(ax, x="Predicted risk, of 100 patients", title=title)
    if title:
        ax.set_title(title, loc="left", pad=30)
    scale_axis(ax, "x", Axis("", 0.0, 1.0, 100.0))
    dress_rows(ax, list(groups))
    for text, colour, x in (
        ("Upper bar: with the event", RED, 0),
        ("Lower bar: without", MUTED, 190),
    ):
        ax.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(x, 10),
            textcoords="offset points",
            color=colour,
            fontsize=TEXT,
            fontweight="bold",
        )
    for at, group in enumerate(groups.values()):
        risks = group.risk_distribution
        if isinstance(risks, NotEstimable):
            ax.text(0, at + 0.68, f"not estimable: {risks.reason}", va="center", color=MUTED)
            continue
        _spread(ax, risks.event, y=at + 0.54, colour=RED)
        _spread(ax, risks.no_event, y=at + 0.78, colour=SLATE)
    return ax


def _spread(ax: Axes, risks: SpreadOfRisk, *, y: float, colour: str) -> None:
    """One outcome class as a line (5 to 95%), a bar (the middle half) and a stroke (the median)."""
    at = {share: estimate.value for share, estimate in risks.quantiles.items()}
    ax.plot([at[0.05], at[0.95]], [y, y], color=colour, linewidth=1.4)
    ax.barh([y], [at[0.75] - at[0.25]], left=[at[0.25]], height=0.17, color=colour)
    ax.plot([at[0.5]] * 2, [y - 0.12, y + 0.12], color=INK, linewidth=2.0)


KIND_MARKS: Mapping[str, Style] = {
    "null": {"marker": "x", "color": MUTED, "markersize": 7.5, "markeredgewidth": 1.6},
    "comparator": {
        "marker": "o",
        "color": MUTED,
        "markersize": 8.0,
        "markerfacecolor": PAPER,
        "markeredgewidth": 1.5,
    },
    "model": {"marker": "o", "color": BLUE, "markersize": 8.4},
    "oracle": {"marker": "D", "color": INK, "markersize": 7.6},
}
WHISKERS = {"null": 1.3, "comparator": 1.3, "model": 1.8, "oracle": 1.3}
BENCHMARK_LABELS, BENCHMARK_PLOT, BENCHMARK_NUMBERS, BENCHMARK_ROW = 220.0, 150.0, 66.0, 27.0


@dataclass(frozen=True)
class _Measure:
    """A column of the benchmark: what it shows of a mark, heading, decimals, where chance lies."""

    estimate: Callable[[BenchmarkMark], Estimate | NotEstimable | None]
    upper: Callable[[BenchmarkMark], float | None]
    heading: str
    digits: int
    chance: float


_MEASURES = (
    _Measure(
        lambda mark: mark.gain,
        lambda _: None,
        "Gain in log loss over\nknowing the product, nats",
        3,
        0.0,
    ),
    _Measure(
        lambda mark: mark.auroc,
        lambda mark: mark.auroc_upper,
        "AUROC among patients\nof one product",
        2,
        0.5,
    ),
    _Measure(
        lambda mark: mark.auroc_mixed,
        lambda mark: mark.auroc_mixed_upper,
        "AUROC over all patients,\nproducts mixed",
        2,
        0.5,
    ),
)


@styled
def plot_benchmark(
    marks: Sequence[BenchmarkMark], *, axes: Sequence[Axes] | None = None
) -> tuple[Axes, ...]:
    """From a predictor that knows nothing to an oracle that knows all that can be known.

    Dots with 95% intervals: gain in log loss over knowing the product, then AUROC among patients of
    one product and over all patients, where knowing the product already helps. An oracle's AUROC
    lies on the grey bar; an arrow points to a value off the scale.

    Parameters
    ----------
    marks : predictors, the first on top.
    axes : axes to draw on, one for each measure that the marks have; those of a new figure where
        none are given.

    Returns
    -------
    tuple of matplotlib.axes.Axes
        One for each measure.

    Examples
    --------
    >>> from crsrisk.plots.chart_data import BenchmarkMark
    >>> from crsrisk.results import Estimate
    >>> model = BenchmarkMark("Model", "model", Estimate(0.03, 0.02, 0.04), Estimate(0.7, 0.6, 0.8))
    >>> gain, auroc = plot_benchmark([model])
    >>> [text.get_text() for text in auroc.texts]
    ['0.70']
    """
    measures = [
        measure
        for measure in _MEASURES
        if any(measure.estimate(mark) is not None for mark in marks)
    ]
    if axes is None:
        step = BENCHMARK_PLOT + BENCHMARK_NUMBERS
        width = BENCHMARK_LABELS + step * len(measures)
        height = 44 + BENCHMARK_ROW * len(marks) + 24
        size = Size(width, height, left=BENCHMARK_LABELS, right=0, top=44, bottom=24)
        axes = axes_in_a_row(size, [BENCHMARK_PLOT] * len(measures), gap=BENCHMARK_NUMBERS)
    for at, (ax, measure) in enumerate(zip(axes, measures, strict=True)):
        _benchmark_column(ax, measure, marks, with_labels=at == 0)
    return tuple(axes)


def _benchmark_column(
    ax: Axes, measure: _Measure, marks: Sequence[BenchmarkMark], *, with_labels: bool
) -> None:
    """One measure: heading, axis, the line of chance, a mark for each predictor."""
    dress(ax)
    ax.set_title(measure.heading, loc="left", fontsize=TEXT, pad=8, linespacing=1.2)
    low, high = _benchmark_limits(marks, measure)
    scale_axis(ax, "x", Axis("", low, high), n_ticks=4)
    ax.set_ylim(len(marks) - 0.5, -0.5)
    ax.set_yticks(range(len(marks)), [mark.label for mark in marks] if with_labels else [])
    ax.tick_params(axis="y", length=0, pad=BENCHMARK_LABELS, labelcolor=INK, labelsize=ROW_TEXT)
    for text, mark in zip(ax.get_yticklabels(), marks, strict=False):
        text.set(ha="left", fontweight="bold" if mark.kind == "model" else "normal")
    ax.grid(visible=False)
    ax.hlines(
        [at - 0.5 for at in range(len(marks))],
        [-BENCHMARK_LABELS / BENCHMARK_PLOT if with_labels else 0.0] * len(marks),
        [1 + BENCHMARK_NUMBERS / BENCHMARK_PLOT] * len(marks),
        color=HAIR,
        linewidth=1.0,
        transform=ax.get_yaxis_transform(),
        clip_on=False,
        zorder=0.4,
    )
    ax.axvline(measure.chance, color=MUTED, linewidth=1.0, linestyle=SHORT_DASHED, zorder=0.5)
    for at, mark in enumerate(marks):
        _benchmark_mark(ax, mark, measure, y=at)


def _benchmark_limits(marks: Sequence[BenchmarkMark], measure: _Measure) -> tuple[float, float]:
    """From a little below chance to the highest; a null far below would squeeze the others and is
    cut.
    """
    estimates = [measure.estimate(mark) for mark in marks]
    known = [estimate for estimate in estimates if isinstance(estimate, Estimate)]
    highest = max([estimate.high for estimate in known], default=1.0)
    lowest = min([estimate.low for estimate in known], default=0.0)
    reach = max(highest - measure.chance, 10.0**-measure.digits)
    low = max(lowest, measure.chance - 0.4 * reach) - 0.06 * reach
    return min(low, measure.chance - 0.06 * reach), highest + 0.08 * reach


def _benchmark_mark(ax: Axes, mark: BenchmarkMark, measure: _Measure, *, y: float) -> None:
    """One mark with its interval; an oracle's AUROC as the range between its bounds; off the scale
    an arrow.
    """
    estimate = measure.estimate(mark)
    if estimate is None:
        beside(ax, y, MISSING)
        return
    if isinstance(estimate, NotEstimable):
        ax.annotate(
            "not estimable",
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(10, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=SMALL_TEXT,
            color=MUTED,
        )
        return
    beside(ax, y, number(estimate.value, digits=measure.digits))
    low, high = ax.get_xlim()
    if not low <= estimate.value <= high:
        ax.plot(
            [0.03], [y], marker="<", color=MUTED, markersize=7, transform=ax.get_yaxis_transform()
        )
        return
    style = KIND_MARKS[mark.kind]
    width = WHISKERS[mark.kind]
    ax.plot([estimate.low, estimate.high], [y, y], color=style["color"], linewidth=width)
    upper = measure.upper(mark)
    if upper is not None:
        ax.plot([estimate.value, upper], [y, y], color=INK, linewidth=4.0, alpha=0.35)
    ax.plot([estimate.value], [y], linestyle="none", clip_on=False, **style)


OTHER_LEARNERS = (LINE_STYLES["reference"], OTHER, EVENT, LINE_STYLES["zero"])
SCORE = "product + "  # published scores on top of the product look alike
APART = 15.0  # points between the names at the right


@styled
def plot_learning_curves(
    points: Sequence[LearningPoint], *, ax: Axes | None = None, title: str = ""
) -> Axes:
    """Share of the oracle's gain that each learner reaches with so many training patients.

    The first learner is the model, drawn with its 95% band.

    Parameters
    ----------
    points : learner, number of training patients, share with its interval.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import LearningPoint
    >>> from crsrisk.results import Estimate
    >>> points = [LearningPoint("model", n, Estimate(n / 3000, 0.1, 0.9)) for n in (500, 2000)]
    >>> ax = plot_learning_curves(points)
    >>> ax.get_xscale()
    'log'
    """
    top = 50 if title else 30
    ax = axes_for(ax, Size(640, 360 + top, left=44, right=226, top=top, bottom=56))
    dress(
        ax,
        x="Training patients",
        y="Share of the oracle's gain in log loss over knowing the product alone",
        title=title,
    )
    learners: dict[str, list[LearningPoint]] = {}
    for point in sorted(points, key=lambda point: point.n_training):
        learners.setdefault(point.learner, []).append(point)
    names = list(dict.fromkeys(point.learner for point in points))
    sizes = sorted({point.n_training for point in points})
    _size_axis(ax, sizes)
    others = [name for name in names[1:] if not name.startswith(SCORE)]
    styles = {name: OTHER_LEARNERS[at % len(OTHER_LEARNERS)] for at, name in enumerate(others)}
    for name in reversed(names):
        curve, is_model = learners[name], name == names[0]
        style = LINE_STYLES["model"] if is_model else styles.get(name, LINE_STYLES["ideal"])
        n = [point.n_training for point in curve]
        share = [point.share.value for point in curve]
        if is_model:
            low, high = ([getattr(point.share, end) for point in curve] for end in ("low", "high"))
            ax.fill_between(n, low, high, **BAND)
            ax.plot(n, share, marker="o", markersize=6, **style)
        else:
            ax.plot(n, share, **style)
    ends = {name: min(max(learners[name][-1].share.value, 0.0), 1.0) for name in names}
    _name_ends(ax, ends, model=names[0])
    return ax


def _size_axis(ax: Axes, sizes: Sequence[int]) -> None:
    """Training patients by logarithm, shares in per cent, and the oracle at 100%."""
    ax.set_xscale("log")
    ax.set_xlim(sizes[0], max(sizes[-1], sizes[0] + 1))
    ax.xaxis.set_major_locator(FixedLocator([float(size) for size in sizes]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: number(size, digits=0)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f}%"))
    ax.plot([sizes[0], sizes[-1]], [1, 1], clip_on=False, **LINE_STYLES["ideal"])


def _name_ends(ax: Axes, ends: Mapping[str, float], *, model: str) -> None:
    """Names at the ends of their lines, pushed apart where two would overlap."""
    room = ax.bbox.height * 72 / ax.figure.dpi  # points from 0 to 1
    placed = _spread_apart({"oracle": 1.0, **ends}, room=room)
    for name, height in placed.items():
        value = ends.get(name, 1.0)
        ax.annotate(
            name,
            (1, value),
            xycoords="axes fraction",
            xytext=(20, height - value * room),
            textcoords="offset points",
            va="center_baseline",
            fontsize=ROW_TEXT,
            fontweight="bold" if name == model else "normal",
            color=MUTED if name == "oracle" else INK,
            arrowprops={
                "arrowstyle": "-",
                "color": HAIR,
                "linewidth": 1.0,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )


def _spread_apart(ends: Mapping[str, float], *, room: float) -> dict[str, float]:
    """Heights of the names in points: at their line's end, pushed down where two would overlap, and
    up again from the bottom.
    """
    placed: dict[str, float] = {}
    above = room + APART
    for name, value in sorted(ends.items(), key=lambda end: -end[1]):
        above = min(value * room, above - APART)
        placed[name] = above
    below = -40.0 - APART
    for name in reversed(list(placed)):
        placed[name] = below = max(placed[name], below + APART)
    return placed
