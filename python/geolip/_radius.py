"""`geolip.radius`: how far inputs may move before their classification can change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from . import _geolip, _table
from ._bound import NetworkLike
from ._network import network_of
from ._progress import Progress, watching
from ._region import Inputs, in_units, is_file, pair, samples, unit_choice
from .errors import OptionError


@dataclass(frozen=True)
class Radius:
    """How far one input may move. Fields are those of the JSON output."""

    row: int
    """Its row."""
    label: int | None
    """As given."""
    predicted: int
    """The output that is largest at the input."""
    margin: float
    """At most the smallest lead of the label (or the prediction) at the input; negative where it is not the largest."""
    radius: float
    """No input up to this far away is classified otherwise: proved. 0 where the prediction is not the label, or
    nothing is certified."""
    rival: int | None
    """The output that could not be excluded a little further out."""
    seconds: float
    """How long it took."""

    @property
    def wrong(self) -> bool:
        """Whether the prediction is not the label."""
        return self.label is not None and self.label != self.predicted

    def to_dict(self) -> dict[str, Any]:
        """The fields, as in the list `samples` that `geolip radius --json` prints."""
        return asdict(self)

    def _cells(self) -> list[str]:
        def name(output: int | None) -> str:
            return "-" if output is None else str(output)

        margin = _table.down(self.margin)
        radius = "wrong" if self.wrong else _table.down(self.radius)
        times = _table.seconds(self.seconds)
        return [str(self.row), name(self.label), str(self.predicted), margin, radius, name(self.rival), times]


class Radii(Sequence[Radius]):
    """The certified radii of several inputs, in the order given."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._samples = tuple(_radius(line) for line in data["samples"])

    @overload
    def __getitem__(self, index: int) -> Radius: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Radius]: ...
    def __getitem__(self, index: int | slice) -> Radius | Sequence[Radius]:
        return self._samples[index]

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Radius]:
        return iter(self._samples)

    @property
    def radii(self) -> npt.NDArray[np.float64]:
        """The certified radii, shape (count,)."""
        return np.array([sample.radius for sample in self])

    @property
    def norm(self) -> str:
        """The norm in which inputs move."""
        return str(self._data["norm"])

    @property
    def network(self) -> dict[str, Any]:
        """The network, as :attr:`geolip.Report.network` describes it."""
        return dict(self._data["network"])

    @property
    def notes(self) -> list[str]:
        """As :attr:`geolip.Report.notes`."""
        return list(self._data["network"]["notes"])

    @property
    def seconds(self) -> float:
        """From start to end."""
        return float(self._data["seconds"])

    def accuracy(self, radii: npt.ArrayLike) -> Any:
        """The share that is right (where there are labels) and certified at a radius, or at each of several."""
        given = np.asarray(radii, dtype=np.float64)
        held = np.array([s.radius if not s.wrong and s.margin > 0.0 else -math.inf for s in self])
        shares = [int(np.sum(held >= radius)) / max(1, len(held)) for radius in given.ravel()]
        return shares[0] if given.ndim == 0 else np.array(shares).reshape(given.shape)

    def to_dict(self, radii: Iterable[float] = ()) -> dict[str, Any]:
        """What `geolip radius --json` prints, as plain data; with the certified accuracy at `radii`."""
        accuracy = [{"radius": float(radius), "accuracy": self.accuracy(radius)} for radius in radii]
        copy: dict[str, Any] = json.loads(json.dumps(self._data))
        return {**copy, "accuracy": accuracy, "missing": 0, "resumed": 0}

    def _table(self) -> tuple[list[str], list[list[str]]]:
        headings = ["row", "label", "predicted", "margin", "radius", "rival", "time"]
        return headings, [sample._cells() for sample in self]

    def _caption(self) -> str:
        units = in_units(self._data["unit"])
        caption = f"inputs move in {self.norm}{units}; within its radius no input is classified differently (proved)"
        return "\n".join([caption, *self.notes])

    def __repr__(self) -> str:
        return f"{_table.text(*self._table())}\n\n{self._caption()}"

    def _repr_html_(self) -> str:
        return _table.html(*self._table(), self._caption())


def _radius(line: dict[str, Any]) -> Radius:
    margin = line["margin"]  # JSON has no infinity
    return Radius(**{**line, "margin": -math.inf if margin is None else margin})


def radius(
    network: NetworkLike,
    center: Inputs,
    label: int | npt.ArrayLike | None = None,
    norm: str = "linf",
    clip: tuple[float, float] | None = None,
    *,
    row: int | None = None,
    scale: float = 1.0,
    header: bool | None = None,
    label_column: int | str | None = None,
    unit: Inputs | None = None,
    tol: float = 0.01,
    linear_bounds_only: bool = False,
    progress: Progress = False,
) -> Any:
    """Certifies how far inputs may move before their classification can change.

    Names and defaults are those of the command line's `geolip radius`.

    Args:
        network: a network, or the path of a file.
        center: the input, an array of shape (inputs,), or many, shape (count, inputs); or a data file with one per
            row (.npy, .csv or text). Rows with one number more than inputs begin with a label (see `label_column`).
        label: the output that has to stay the largest; for many inputs an array of them, shape (count,) [the label
            of the row, or the prediction].
        norm: the norm in which inputs move: ``"linf"`` or ``"l2"``.
        clip: consider only inputs with all entries between these two, (LO, HI).
        row: which of several centres, counted from 0 [all of them].
        scale: multiply the numbers of `center` by this, such as 1/255 for pixels.
        header: whether the first line of that file is a heading [a line without any number is a heading].
        label_column: the column with the labels: its number from 0, its name in the heading, ``"last"`` or
            ``"none"`` [the first, if there is one column more than inputs; refused if it might be another].
        unit: units of the inputs: an array of shape (inputs,), or a file with one number per input (.npy, .csv or
            text). How far an input moves is measured after dividing by these, entry by entry; an input whose unit
            is 0 does not move [ones].
        tol: relative width of the bracket at which the search for a radius ends.
        linear_bounds_only: do without local Lipschitz constants: faster, and radii are rarely smaller.
        progress: show a tqdm bar (True), or tell a function what happens.

    Returns:
        A :class:`Radius` for one input, :class:`Radii` (a sequence of these) for many.

    Raises:
        OptionError: an option is out of range, or makes no sense for the network.
    """
    net = network_of(network)
    asked = samples(net._engine, center, row, scale, label_column=label_column, header=header)
    several = row is None and (len(asked) > 1 if is_file(center) else np.ndim(center) > 1)  # type: ignore[arg-type]
    if label is not None:
        labels = np.asarray(label)
        if not np.issubdtype(labels.dtype, np.integer) or np.any(labels < 0):
            raise OptionError(f"label is {label}; labels are outputs, counted from 0")
        if labels.ndim == 0 and len(asked) > 1:
            name = center if is_file(center) else "center"
            count = len(asked)
            raise OptionError(
                f"{name}: --label is one label for one input; this file has {count} rows, choose one with --row"
            )
        if labels.size != len(asked):
            raise OptionError(f"there are {labels.size} labels for {len(asked)} inputs; give one label per input")
        asked = [(n, int(own), x) for (n, _, x), own in zip(asked, labels.ravel(), strict=True)]
    choices = {
        "norm": norm,
        "unit": unit_choice(unit),
        "clip": pair(clip),
        "tol": float(tol),
        "linear_bounds_only": linear_bounds_only,
    }
    with watching(progress, "samples") as events:
        found = Radii(json.loads(_geolip.radius(net._engine, asked, choices, events)))
    return found if several else found[0]
