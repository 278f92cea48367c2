"""Percentiles and tables."""

import statistics
from collections.abc import Iterable, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def over_rounds(rounds: Iterable[Sequence[float]], share: float) -> float:
    """The median over the rounds of each one's percentile: one disturbed round does not count."""
    return statistics.median(percentile(one, share) for one in rounds)


def milliseconds(rounds: Sequence[Sequence[float]]) -> str:
    """`p50 / p99` in ms, of seconds."""
    return " / ".join(f"{1_000 * over_rounds(rounds, share):.2f}" for share in (0.5, 0.99))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)
