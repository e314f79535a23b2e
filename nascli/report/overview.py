"""The page that lists runs, each a link to its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

from nascli.report.page import document


def page(rows: Sequence[Mapping[str, str]]) -> str:
    """A row for every run: `run` is its address below this page, whatever else there is is text."""
    names = list(rows[0]) if rows else []
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f'<tr><td><a href="{escape(quote(row["run"]))}/">{escape(row["run"])}</a></td>'
        + "".join(f"<td>{escape(row[name])}</td>" for name in names[1:])
        + "</tr>"
        for row in rows
    )
    table = f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
    return document("runs", f"<h1>Runs</h1>{table if rows else '<p>There is none yet.</p>'}")
