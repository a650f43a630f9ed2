"""What must hold of the rows, whoever made them."""

from __future__ import annotations

import math
from collections import defaultdict

from reproduce import rows
from reproduce.rows import Row

AGREEMENT = 1e-5  # natural = dual, relative: geolip's tolerance is 1e-6 for each of the two


def lower_bounds(table: list[Row]) -> dict[tuple[str, str, str], tuple[float, str]]:
    """The best lower bound of the FGL by network, norm and output, and which method it is of."""
    best: dict[tuple[str, str, str], tuple[float, str]] = {}
    for row in table:
        if row.guarantee not in (*rows.LOWER, rows.EXACT):
            continue
        for output, value in row.values.items():
            key = (row.network, row.norm, output)
            if value > best.get(key, (-math.inf, ""))[0]:
                best[key] = (value, row.method)
    return best


def mark_peers(table: list[Row]) -> None:
    """Gives peers' rows their verdict: a number below a lower bound is no upper bound, and the row says so.

    A solver's rounding is allowed for: half a digit of the seven that it is asked for.
    """
    best = lower_bounds(table)
    for row in table:
        if row.guarantee != rows.NUMERICAL:
            continue
        for output, value in row.values.items():
            lower, method = best.get((row.network, row.norm, output), (-math.inf, ""))
            if value < lower * (1 - 5e-7):
                row.status = rows.BELOW
                verdict = f"output {output}: {value:.6g} < {lower:.6g} of {method}"
                row.note = f"{verdict}; {row.note}" if row.note else verdict
                break


def violations(table: list[Row]) -> list[str]:
    """Every certified upper bound below a lower bound of the same network, norm and output. No slack."""
    best = lower_bounds(table)
    found = []
    for row in table:
        if row.guarantee != rows.CERTIFIED:
            continue
        for output, value in row.values.items():
            lower, method = best.get((row.network, row.norm, output), (-math.inf, ""))
            if not value >= lower:
                found.append(
                    f"{row.network}, {row.norm}, output {output}: {row.method} says at most {value!r}, "
                    f"but {method} has {lower!r}"
                )
    return found


def failures(table: list[Row]) -> list[str]:
    """Our own rows that did not come about."""
    own = (
        "geolip",
        "geolip, upper only",
        "pattern",
        "witness",
        "natural form",
        "norm product",
        "layer-wise",
        "sampling",
    )
    return [
        f"{row.network}, {row.norm}, {row.method}: {row.status} {row.note}".rstrip()
        for row in table
        if row.method in own and row.status in (rows.FAILED, rows.MEMORY, rows.MISSING)
    ]


def disagreements(table: list[Row]) -> list[str]:
    """Outputs for which the dual form of our own is above the natural form, or, where no closed form of few neurons is
    below both, differs from it, by more than their tolerances."""
    by_method: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in table:
        if row.method in ("geolip", "natural form"):
            for output, value in row.values.items():
                by_method[row.network, row.norm, output][row.method] = value
    closed = {
        (row.network, row.norm, output)
        for row in table
        if row.method == "geolip"
        for output in str(row.details.get("closed_form", "")).split()
    }
    found = []
    for (network, norm, output), values in by_method.items():
        if len(values) == 2:
            natural, dual = values["natural form"], values["geolip"]
            below = natural - dual > AGREEMENT * dual and (network, norm, output) not in closed
            if below or dual - natural > AGREEMENT * dual:
                found.append(f"{network}, {norm}, output {output}: natural form {natural!r}, dual form {dual!r}")
    return found


def all_of(table: list[Row]) -> list[str]:
    """Every complaint, in words."""
    return [*violations(table), *failures(table), *disagreements(table)]
