"""Course figures: one hundred people for a risk, and how CRS comes on over the days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.drawing import Panel, Scale, element, picture, place, round_ticks, words
from crsrisk.report.figures import SMALL_WIDTH, limit, title_lines
from crsrisk.report.words import number

# A head above shoulders, 10 wide and 12.6 high.
_PERSON = (
    "M5 0a2.3 2.3 0 1 1 0 4.6a2.3 2.3 0 1 1 0 -4.6"
    "M1.6 5.4h6.8a1 1 0 0 1 1 1v5.2a1 1 0 0 1 -1 1h-6.8a1 1 0 0 1 -1 -1v-5.2a1 1 0 0 1 1 -1"
)
_STEP_X = 17.0
_STEP_Y = 18.0


def icon_array(*, n_grade2plus: int, n_grade3plus: int | None, key: str, sentence: str,
               title: str = "100 patients like this one") -> str:
    """One hundred people in ten rows; those with the event stand together, from the top.

    Those with grade 3 or more come first and are among those with grade 2 or more; ``n_grade3plus`` None leaves
    them out. People who are scattered are miscounted (Ancker 2011).

    >>> icon_array(n_grade2plus=23, n_grade3plus=4, key="a", sentence="").count('class="icon-grade2"')
    19
    """
    severe, people = n_grade3plus or 0, []
    for at in range(100):
        style = "icon-grade3" if at < severe else "icon-grade2" if at < n_grade2plus else "icon-none"
        x, y = 2 + _STEP_X * (at % 10), 2 + _STEP_Y * (at // 10)
        move = f"translate({place(x)} {place(y)})"
        people.append(element("path", {"class": style, "d": _PERSON, "transform": move}))
    return picture(
        "".join(people),
        key=key,
        width=10 * _STEP_X - 3,
        height=10 * _STEP_Y - 1,
        title=title,
        description=sentence,
    )


def onset(curve: Mapping[str, Any], *, key: str) -> str:
    """How many of 100 patients have had CRS by each day after the first dose: any grade, and grade 2 or more.

    ``curve``: label, window_d, time_d, any_per100, grade2plus_per100.
    """
    top, left, plot = 44.0, 34.0, 130.0
    highest = 100 * limit(max(*curve["any_per100"], 1.0) / 100 * 1.02)
    panel = Panel(Scale(0, curve["window_d"], left, SMALL_WIDTH - 34), Scale(0, highest, top + plot, top))
    body = title_lines(curve["label"])
    body += panel.across(round_ticks(0, highest, n=4), text=lambda tick: f"{tick:g}")
    thirds = [k * curve["window_d"] / 3 for k in range(4)]
    body += panel.along(thirds, text=lambda tick: number(tick, digits=0), name="Days after the first dose")
    every, severe = curve["any_per100"], curve["grade2plus_per100"]
    body += panel.steps(curve["time_d"], every, style="other-line")
    body += panel.steps(curve["time_d"], severe, style="event-line")
    low = panel.y.at(severe[-1]) + 4
    high = min(panel.y.at(every[-1]) + 4, low - 12)  # the two numbers must not touch
    body += words(panel.x.stop + 5, high, number(every[-1], digits=0), style="other-text")
    body += words(panel.x.stop + 5, low, number(severe[-1], digits=0), style="event-text")
    return picture(
        body,
        key=key,
        width=SMALL_WIDTH,
        height=top + plot + 40,
        title=f"Onset of CRS, {curve['label']}",
        description=(
            f"{number(every[-1], digits=0)} of 100 patients had CRS, {number(severe[-1], digits=0)} of grade 2 or "
            f"more, within {curve['window_d']:g} days after the first dose."
        ),
    )
