"""What every drawing is written with: the element around it, and coordinates."""

from __future__ import annotations

from html import escape


def document(
    body: str, *, key: str, size: tuple[float, float], title: str, description: str
) -> str:
    """An ``<svg>`` element around markup, with its name and description."""
    name, about = f"{key}-title", f"{key}-desc"
    width, height = (place(part) for part in size)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' class="figure" viewBox="0 0 {width} {height}" style="--width: {width}px" role="img"'
        f' aria-labelledby="{escape(name)} {escape(about)}" stroke-linejoin="round">'
        f'<title id="{escape(name)}">{escape(title)}</title>'
        f'<desc id="{escape(about)}">{escape(description)}</desc>{body}</svg>'
    )


def place(value: float) -> str:
    """A coordinate with at most two decimals.

    >>> place(3.14159), place(-0.001)
    ('3.14', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
