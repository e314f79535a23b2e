"""Figures as SVG text: one look for all of them, and matplotlib imported only when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design, 2008: told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, GREY, FAINT = "#222222", "#767676", "#D9D9D9"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, and set in the reader's font
    "svg.hashsalt": "nascli",  # the same figure gives the same file
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a user's name is a dollar
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": f"cycler('color', {[BLUE, RED, GREEN, ORANGE]})",
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@contextmanager
def styled() -> Iterator[None]:
    """Everything drawn inside has the look of the report."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty sheet of `width` x `height` points with x to the right and y down."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return figure, axes


def plots(number: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of `number` plots side by side, 7.5 x 3.4 inches in all."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axes = figure.subplots(1, number, squeeze=False)
    return figure, list(axes[0])


def svg(figure: Figure) -> str:
    """The figure as an `<svg>` element; the same every time it is drawn."""
    text = io.StringIO()
    figure.savefig(text, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def legend(axes: Axes, columns: int = 2) -> None:
    """Above the plot, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)


def whole_numbers(axis: Axis) -> None:
    """Ticks where something is counted."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))
