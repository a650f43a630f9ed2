"""Exponents of growth."""

from __future__ import annotations

import math

import numpy as np


def exponent(points: list[tuple[float, float]]) -> float:
    """The slope of log y over log x by least squares; not a number for fewer than two sizes."""
    kept = [(x, y) for x, y in points if x > 0 and y > 0 and math.isfinite(y)]
    if len({x for x, _ in kept}) < 2:
        return math.nan
    x, y = np.log(np.array(kept)).T
    return float(np.polyfit(x, y, 1)[0])
