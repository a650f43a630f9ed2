"""How numbers and tables are shown: bounds from above are rounded up, bounds from below down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from html import escape

DIGITS = 7


def up(value: float) -> str:
    """`value` in seven digits, not smaller than it."""
    return _outward(value, ROUND_CEILING)


def down(value: float) -> str:
    """`value` in seven digits, not larger than it."""
    return _outward(value, ROUND_FLOOR)


def _outward(value: float, rounding: str) -> str:
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    exact = Decimal(value)
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - DIGITS + 1), rounding=rounding)
    return f"{rounded:f}" if -4 <= exact.adjusted() < DIGITS else f"{rounded:.{DIGITS - 1}e}"


def percent(fraction: float) -> str:
    """A fraction as a percentage."""
    hundredths = 100.0 * fraction
    if hundredths == 0.0 or hundredths >= 0.1:
        return f"{hundredths:.1f} %"
    return f"{hundredths:.0e} %"


def seconds(value: float) -> str:
    """A duration."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def interval(ends: Sequence[float] | None) -> str:
    """A slope interval, or nothing."""
    return "" if ends is None else f"[{ends[0]:.6g}, {ends[1]:.6g}]"


def plain(name: str) -> str:
    """A name from a file on one line, nothing hidden in it: no escape sequence, nothing that turns the direction."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def text(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain table; all columns but the first are right-aligned."""
    cells = [list(headings), *([plain(str(c)) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = []
    for row in cells:
        first, *others = row
        rest = [c.rjust(w) for c, w in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *rest]).rstrip())
    return "\n".join(lines)


def html(headings: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """An HTML table, everything escaped."""
    right = "style='text-align:right'"
    head = "".join(f"<th {right if i else ''}>{escape(h)}</th>" for i, h in enumerate(headings))
    body = "".join(
        "<tr>" + "".join(f"<td {right if i else ''}>{escape(plain(str(c)))}</td>" for i, c in enumerate(row)) + "</tr>"
        for row in rows
    )
    title = f"<caption style='text-align:left'>{escape(plain(caption))}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
