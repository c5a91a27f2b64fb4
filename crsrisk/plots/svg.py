"""Charts for a page: matplotlib's SVG, made to take fonts and colours from the page around it.

Text stays text, colours become the variables of palette.css, ids are unique to the chart, and the
same chart gives the same bytes. :func:`stand_alone` makes a file of it that needs no page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from io import StringIO
from itertools import count
from xml.etree import ElementTree

from matplotlib.backends.backend_svg import FigureCanvasSVG

from crsrisk.plots.markup import document, place
from crsrisk.plots.style import PALETTE, figures_apart, in_style
from crsrisk.wording import wrapped

Element = ElementTree.Element

FONT = '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif'

_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_LINK = "{http://www.w3.org/1999/xlink}href"
_VARIABLES = {colour: f"var(--{name})" for name, colour in PALETTE.items()}
_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b")
_DECIMALS = re.compile(r"-?\d+\.\d+")
_NO_TURN = re.compile(r"rotate\(-?0(\.0+)? [^)]*\) ?")
_VIEW = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_MARGIN, _LINE = 12.0, 15.0
_DROPPED = {"metadata", "style", "title"}


def to_svg(draw: Callable[[], object], *, key: str, title: str, description: str) -> str:
    """A chart as SVG that stands in a page: named for those who cannot see it, without a size.

    Parameters
    ----------
    draw : draws one chart with a function of this package, on axes of its own.
    key : starts every id in it; unique in the page.
    title, description : what a screen reader reads: the name, and what the chart shows.

    Returns
    -------
    str
        An ``<svg>`` element; the same chart gives the same bytes.

    Raises
    ------
    ValueError
        For a colour that the palette does not hold, since a dark page could not change it.

    Examples
    --------
    >>> from crsrisk.plots.chart_data import OnsetCurve
    >>> from crsrisk.plots.charts import plot_onset
    >>> curve = OnsetCurve("Tarlatamab", 21.0, [0, 1, 21], [0, 40, 55], [0, 10, 15])
    >>> svg = to_svg(lambda: plot_onset(curve), key="k", title="Onset", description="55 of 100.")
    >>> "var(--red)" in svg, "#" in svg.replace("url(#", "").replace('href="#', "")
    (True, False)
    """
    with in_style(), figures_apart() as figures:
        draw()
        (figure,) = figures
        written = StringIO()
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(written, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]
    width, height = (72 * float(inches) for inches in figure.get_size_inches())
    root = ElementTree.fromstring(written.getvalue())
    ids = _new_ids(root, key)
    body = "".join(_written(child, ids) for child in root)
    return document(body, key=key, size=(width, height), title=title, description=description)


def _new_ids(root: Element, key: str) -> Mapping[str, str]:
    """Ids that something refers to -> new ones, counted through behind the key of the chart."""
    numbers = count(1)
    return {name: f"{key}-{next(numbers)}" for name in dict.fromkeys(_referred(root))}


def _referred(root: Element) -> Iterator[str]:
    for element in root.iter():
        if _LINK in element.attrib:
            yield element.attrib[_LINK].removeprefix("#")
        yield from re.findall(r"url\(#([^)]+)\)", " ".join(element.attrib.values()))


def _written(element: Element, ids: Mapping[str, str]) -> str:
    """The element without what only matplotlib needs: bare groups, fonts, invisible paths."""
    tag = element.tag.rpartition("}")[2]
    if tag in _DROPPED:
        return ""
    inside = "".join(_written(child, ids) for child in element)
    attributes = _attributes(element, ids)
    if tag == "g" and not (inside and attributes):
        return inside
    is_invisible = tag == "path" and attributes.get("style") == "fill: none"
    if is_invisible or (tag == "defs" and not inside):
        return ""
    text = escape(element.text or "") if tag == "text" else ""
    written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{written}>{text}{inside}</{tag}>" if text or inside else f"<{tag}{written}/>"


def _attributes(element: Element, ids: Mapping[str, str]) -> dict[str, str]:
    """Attributes with short numbers, the page's colours, no font, and new ids."""
    made = {}
    for name, value in element.attrib.items():
        if name == "id":
            if value not in ids:
                continue
            value = ids[value]
        elif name == _LINK:
            name, value = "xlink:href", f"#{ids[value.removeprefix('#')]}"
        elif name == "style":
            value = "; ".join(_declarations(value))
        elif "url(#" in value:
            value = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{ids[found.group(1)]})", value)
        else:
            value = _DECIMALS.sub(lambda found: place(float(found.group())), value)
            value = _NO_TURN.sub("", value) if name == "transform" else value
        value = " ".join(value.split())
        if value:
            made[name] = value
    return made


def _declarations(style: str) -> Iterator[str]:
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # weight, size and family at once
            size = re.search(r"([\d.]+)px", value)
            yield f"font-size: {size.group(1)}px" if size else ""
            if "bold" in value or "700" in value:
                yield "font-weight: 700"
        elif name and name != "font-family":
            yield f"{name}: {_COLOUR.sub(_variable, value)}"


def _variable(found: re.Match[str]) -> str:
    colour = found.group().lower()
    if colour not in _VARIABLES:
        raise ValueError(f"a chart holds the colour {colour}, which the palette does not")
    return _VARIABLES[colour]


def stand_alone(svg: str, *, note: str) -> str:
    """A chart as a file of its own: light colours, fonts and a white ground in it, ``note`` below.

    The note says what a page says around the chart: event, window, and that the data are synthetic.

    Examples
    --------
    >>> from crsrisk.plots.markup import document
    >>> svg = document("", key="a", size=(200, 100), title="", description="")
    >>> "no external" in stand_alone(svg, note="Synthetic data; no external validation.")
    True
    """
    start = svg.index(">") + 1
    view = _VIEW.search(svg[:start])
    assert view is not None, "every chart has a viewBox"
    width, height = float(view.group(1)), float(view.group(2))
    lines = wrapped(note, room=max(24, int(width / 5.6)))
    wide, high = width + 2 * _MARGIN, height + _LINE * len(lines) + 8 + 2 * _MARGIN
    head = re.sub(
        r'viewBox="[^"]*" style="[^"]*"',
        f'viewBox="{place(-_MARGIN)} {place(-_MARGIN)} {place(wide)} {place(high)}"'
        f' width="{place(wide)}" height="{place(high)}" font-family="{escape(FONT)}"',
        svg[:start],
    )
    ground = (
        f'<rect x="{place(-_MARGIN)}" y="{place(-_MARGIN)}" width="{place(wide)}"'
        f' height="{place(high)}" style="fill: var(--paper)"/>'
    )
    foot = "".join(
        f'<text class="note" x="0" y="{place(height + 16 + _LINE * at)}"'
        f' style="font-size: 11.5px; fill: var(--muted)">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )
    whole = f"{head}{ground}{svg[start:].removesuffix('</svg>')}{foot}</svg>\n"
    return re.sub(r"var\(--([a-z-]+)\)", lambda found: PALETTE[found.group(1)], whole)
