"""Lines, boxes and words as SVG text; the page gives the colours named here a dark side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
INK, GREY, FAINT, PALE = "#222222", "#767676", "#D9D9D9", "#F2F2F2"
_SIZE = 12.5  # pixels of the lettering
_FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"

Point = tuple[float, float]


def svg(wide: float, high: float, parts: Sequence[str]) -> str:
    """The parts as one `<svg>` element of this size in pixels, x to the right and y down."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high:.0f}" '
        f'viewBox="0 0 {wide:.0f} {high:.0f}" font-family="{_FONT}" font-size="{_SIZE}">'
        f"{''.join(parts)}</svg>\n"
    )


def width(text: str) -> float:
    """What a label takes that holds `text`: 0.62 em a letter is a little above the average."""
    return 0.62 * _SIZE * len(text) + 14


def line(points: Sequence[Point], colour: str, thick: float) -> str:
    """Straight lines from point to point."""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{thick}"/>'


def turning(start: Point, end: Point, gap: float, colour: str, *, dashed: bool = False) -> str:
    """From `start` by a bend within `gap` to the height of `end`, then straight to it."""
    (x, y), (right, lane) = start, end
    half, turn = x + gap / 2, x + gap - 5
    way = f"M{x:.1f} {y:.1f}C{half:.1f} {y:.1f} {half:.1f} {lane:.1f} {turn:.1f} {lane:.1f}"
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{way}H{right:.1f}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'


def arrow(start: Point, end: Point, colour: str) -> str:
    """A line with a head at its end, which points to the right."""
    x, y = end
    head = f'<path d="M{x:.1f} {y:.1f}l-7 -4v8z" fill="{colour}"/>'
    return line([start, (x - 5, y)], colour, 1.4) + head


def box(
    left: float, y: float, wide: float, high: float, edge: str, face: str, *, dashed: bool = False
) -> str:
    """A box with round corners, `y` its middle."""
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<rect x="{left:.1f}" y="{y - high / 2:.1f}" width="{wide:.1f}" height="{high:.1f}" '
        f'rx="5" fill="{face}" stroke="{edge}" stroke-width="1.3"{dash}/>'
    )


def text(
    x: float,
    y: float,
    words: str,
    colour: str = INK,
    *,
    bold: bool = False,
    middle: bool = True,
    upright: bool = False,
) -> str:
    """Words around `x`, or from it on if not in the `middle`; `y` is the middle of their height."""
    anchor = ' text-anchor="middle"' if middle else ""
    weight = ' font-weight="bold"' if bold else ""
    turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if upright else ""
    place = f'x="{x:.1f}" y="{y + 0.36 * _SIZE:.1f}"'
    return f'<text {place} fill="{colour}"{anchor}{weight}{turned}>{escape(words)}</text>'
