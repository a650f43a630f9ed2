"""Where bounds are to hold: inputs and boxes, as arrays or files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _geolip
from ._weights import points
from .errors import OptionError

Inputs = npt.ArrayLike | str | os.PathLike[str]
Sample = tuple[int, int | None, bytes]


@dataclass(frozen=True, eq=False)
class Region:
    """A box of inputs, or what a Euclidean ball has in common with one."""

    lower: npt.NDArray[np.float64]
    """The box's lower ends, shape (inputs,)."""
    upper: npt.NDArray[np.float64]
    """The box's upper ends, shape (inputs,)."""
    center: npt.NDArray[np.float64] | None
    """The ball's centre, shape (inputs,); none for a box."""
    radius: float | None
    """The ball's radius."""
    unit: npt.NDArray[np.float64] | None = None
    """What that radius is measured in, shape (inputs,); none for ones, and for a box."""

    @classmethod
    def _of(cls, data: dict[str, Any]) -> Region:
        ball = data["ball"]
        center, radius = (np.array(ball["centre"]), ball["radius"]) if ball else (None, None)
        unit = np.array(ball["unit"]) if ball and ball["unit"] is not None else None
        return cls(np.array(data["lower"]), np.array(data["upper"]), center, radius, unit)

    def __str__(self) -> str:
        if self.radius is not None:
            units = "" if self.unit is None else " in their units"
            return f"l2 ball of {len(self.lower)} inputs, radius {self.radius:g}{units}"
        half = float(np.max(0.5 * (self.upper - self.lower), initial=0.0))
        return f"box of {len(self.lower)} inputs, half-width at most {half:.6g}"

    def __repr__(self) -> str:
        return f"<geolip.Region {self}>"


def in_units(unit: list[float] | None) -> str:
    """What a caption says of units; nothing where there are none."""
    if unit is None:
        return ""
    held = sum(value == 0.0 for value in unit)
    fixed = f", {held} of them 0: these inputs do not change" if held else ""
    return f" in units of the inputs{fixed}"


def is_file(given: object) -> bool:
    """Whether it names a file."""
    return isinstance(given, str | os.PathLike)


def are_many(center: Inputs, row: int | None) -> bool:
    """Whether an array asks for a list of answers, one per row."""
    return row is None and not is_file(center) and np.ndim(center) > 1  # type: ignore[arg-type]


def samples(
    network: _geolip.Network,
    center: Inputs,
    row: int | None,
    scale: float,
    one: bool = False,
    *,
    label_column: int | str | None = None,
    header: bool | None = None,
) -> list[Sample]:
    """The inputs asked for; of an array with more than two axes every entry of the first is one."""
    column = None if label_column is None else str(label_column)
    if is_file(center):
        return _geolip.samples(network, center, row, float(scale), one, column, header)  # type: ignore[arg-type]
    array = points(center, "center")  # type: ignore[arg-type]
    count = 1 if array.ndim < 2 else len(array)
    return _geolip.samples(network, (array.tobytes(), count), row, float(scale), one, column, None)


def unit_choice(unit: Inputs | None) -> bytes | str | os.PathLike[str] | None:
    """`unit` as the engine takes it: a file's path, or the numbers."""
    if unit is None or is_file(unit):
        return unit  # type: ignore[return-value]
    return points(unit, "unit").tobytes()  # type: ignore[arg-type]


def box_choice(box: Inputs | None) -> bytes | str | os.PathLike[str] | None:
    """`box` as the engine takes it: a file's path, or the numbers of lower and upper ends."""
    if box is None or is_file(box):
        return box  # type: ignore[return-value]
    array = points(box, "box")  # type: ignore[arg-type]
    if array.ndim < 2 or len(array) != 2:
        raise OptionError(f"box: a box is two rows, lower and upper ends; this array has shape {array.shape}")
    return array.tobytes()


def pair(clip: tuple[float, float] | None) -> tuple[float, float] | None:
    """`clip` as the engine takes it."""
    if clip is None:
        return None
    low, high = clip
    return float(low), float(high)


def complain(**given: object) -> None:
    """Refuses combinations that the command line refuses."""
    center, radius, box = given["center"], given["radius"], given["box"]
    if box is not None and center is not None:
        raise OptionError("center and box both say where the bound is to hold; give one of them")
    if center is not None and radius is None:
        raise OptionError("a center needs a radius, how far the region reaches")
    if center is None:
        for name, option in _geolip.options("bound").items():
            if "center" in option["needs"] and given[name] != option["default"]:
                raise OptionError(f"{name} needs a center")
