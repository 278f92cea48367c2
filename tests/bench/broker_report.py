"""The table and the picture of `bench.broker_bench`, for the terminal and for docs/performance.md."""

import math
import statistics
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

Results = dict[str, dict[str, dict[str, list[float]]]]
"""By section, row and engine: a number for each round."""

DOCS: Final = Path(__file__).parents[2] / "docs"
_BEGIN, _END = "<!-- broker bench -->", "<!-- end of broker bench -->"
_COLOURS: Final = {"soul": "#1db954", "mosquitto": "#3c5280", "amqtt": "#c9a227"}
_SHOWN: Final = (
    "KB per idle connection, TCP",
    "KB per idle connection, WebSocket",
    "KB per idle connection, TLS",
    "1→1 QoS 0, CPU µs a message",
    "1→1 QoS 1, CPU µs a message",
    "CPU µs a message beside 10,000 filters of others",
    "again: CPU µs a client",
)
"""What the picture shows: costs, where less is better."""
_TITLES: Final = {"again: CPU µs a client": "1,000 clients come back, CPU µs for each"}
_STORM: Final = "storm"
_CROWD: Final = {
    "soul": "soul: ES256 tokens, ACL",
    "mosquitto": "mosquitto: everybody admitted",
    "mosquitto, passwords": "mosquitto: password file",
    "amqtt": "stock amqtt: everybody admitted",
    "floor": "nothing but uvloop and two answers",
}


def tables(results: Results) -> str:
    """In Markdown, the median of the rounds in each cell; a crowd that connects has a table of its own."""
    parts = [_table({name: rows for name, rows in results.items() if name != _STORM})]
    if _STORM in results:
        parts.append(_crowd(results[_STORM]))
    return "\n\n".join(part for part in parts if part)


def _crowd(rows: dict[str, dict[str, list[float]]]) -> str:
    """A row for each engine: it is as much about how they authenticate as about who they are."""
    lines = [
        f"| 1,000 clients connect and subscribe | {' | '.join(rows)} |",
        f"| --- |{' ---: |' * len(rows)}",
    ]
    for name, shown in _CROWD.items():
        cells = [_number(statistics.median(row[name])) for row in rows.values() if name in row]
        if cells:
            lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _table(results: Results) -> str:
    if not results:
        return ""
    measured = {name for rows in results.values() for row in rows.values() for name in row}
    names = [name for name in _COLOURS if name in measured]
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for rows in results.values():
        for title, row in rows.items():
            cells = [_number(statistics.median(row[name])) if name in row else "" for name in names]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    if math.isnan(value):
        return "failed"
    if value >= 1_000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def write(results: Results) -> None:
    """Put the table between its marks in docs/performance.md, and the picture beside it."""
    page = DOCS / "performance.md"
    before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page} has no place between {_BEGIN} and {_END}")
    page.write_text(f"{before}{begin}\n\n{tables(results)}\n\n{end}{after}", encoding="utf-8")
    (DOCS / "performance-broker.svg").write_text(picture(results), encoding="utf-8")


def picture(results: Results) -> str:
    """Horizontal bars on a logarithmic scale, from 1/10 of the smallest to the largest."""
    rows = {
        title: {name: statistics.median(row[name]) for name in _COLOURS if name in row}
        for part in results.values()
        for title, row in part.items()
        if title in _SHOWN
    }
    width, left, bar, gap = 860, 330, 14, 18
    numbers = [value for row in rows.values() for value in row.values() if value > 0]
    low, high = math.log10(min(numbers)) - 0.5, math.log10(max(numbers))
    y, parts = 34, []
    for name, colour in _COLOURS.items():
        x = left + 130 * list(_COLOURS).index(name)
        parts += [f'<rect x="{x}" y="8" width="12" height="12" fill="{colour}"/>', _text(x + 18, 19, name)]
    for title, row in rows.items():
        parts.append(_text(left - 10, y + bar * len(row) / 2 + 4, _TITLES.get(title, title), end=True))
        for name in (name for name in _COLOURS if name in row):
            length = (math.log10(row[name]) - low) / (high - low) * (width - left - 70)
            parts.append(
                f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{_COLOURS[name]}"/>'
            )
            parts.append(_text(left + length + 6, y + bar - 4, _number(row[name])))
            y += bar
        y += gap
    look = 'font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" {look}>'
    back = f'<rect width="{width}" height="{y}" fill="#ffffff"/>'
    return "\n".join([head, "<title>Costs, logarithmic: less is better</title>", back, *parts, "</svg>\n"])


def _text(x: float, y: float, text: str, *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{anchor}>{escape(text)}</text>'
