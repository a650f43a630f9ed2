"""`geolip.compare`: every method side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import _geolip, _table
from ._bound import NetworkLike, Norm, Output, output_choice
from ._network import network_of
from ._progress import Progress, watching
from ._region import Inputs, in_units, unit_choice


@dataclass(frozen=True)
class Method:
    """What one method says."""

    method: str
    """Its name in the JSON output, such as ``norm_product``."""
    title: str
    """Its name in words."""
    value: float | None
    """The largest over the outputs asked for; none where it cannot run."""
    reason: str | None = None
    """Why it cannot run."""
    guarantee: str | None = None
    """``attained``, ``pattern_attained``, ``exact``, ``certified`` or ``probabilistic``."""
    upper: bool = False
    """Whether the value is a bound from above."""
    seconds: float = 0.0
    """How long it took."""
    note: str | None = None
    """What a reader has to know besides."""
    bounds: list[dict[str, Any]] = field(default_factory=list)
    """`output` and `value` of each."""


class Comparison:
    """Every method's answer to one question, by ascending value; those that cannot run come last."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self.methods = tuple(Method(**row) for row in data["methods"])

    @property
    def norm(self) -> str:
        """The norm of input changes."""
        return str(self._data["norm"])

    @property
    def notes(self) -> list[str]:
        """As :attr:`geolip.Report.notes`."""
        return list(self._data["network"]["notes"])

    @property
    def seconds(self) -> float:
        """From start to end."""
        return float(self._data["seconds"])

    def __getitem__(self, method: str) -> Method:
        for row in self.methods:
            if row.method == method:
                return row
        raise KeyError(f"'{method}'; there are {', '.join(row.method for row in self.methods)}")

    def __iter__(self) -> Iterator[Method]:
        return iter(self.methods)

    def __len__(self) -> int:
        return len(self.methods)

    def to_dict(self) -> dict[str, Any]:
        """What `geolip compare --json` prints, as plain data, with each method's `title` and `upper`."""
        copy: dict[str, Any] = json.loads(json.dumps(self._data))
        return copy

    def _table(self) -> tuple[list[str], list[list[str]]]:
        geolip = self["geolip"].value
        rows = []
        for row in self.methods:
            if row.value is None:
                rows.append([row.title, "-", "-", "-", row.reason or ""])
                continue
            value = _table.up(row.value) if row.upper else _table.down(row.value)
            ratio = f"{row.value / geolip:.3g}" if geolip else ""
            rows.append([row.title, value, ratio, _table.seconds(row.seconds), row.guarantee or ""])
        return ["method", "value", "/ geolip", "time", "what it is"], rows

    def __repr__(self) -> str:
        units = in_units(self._data["unit"])
        caption = [f"input norm {self.norm}{units}"] if units else []
        return "\n".join([_table.text(*self._table()), *caption, *self.notes])

    def _repr_html_(self) -> str:
        return _table.html(
            *self._table(), "\n".join([f"input norm {self.norm}{in_units(self._data['unit'])}", *self.notes])
        )


def compare(
    network: NetworkLike,
    norm: Norm = "linf",
    output: Output = "each",
    *,
    unit: Inputs | None = None,
    time_limit: float | None = None,
    memory_limit: float = 4.0,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = False,
) -> Comparison:
    """Compares this package's bound with those of seven other methods: value, time, what each guarantees.

    Args:
        network: a network, or the path of a file.
        norm: norm of input changes: ``"linf"`` (largest entry), ``"l2"`` (Euclidean), ``"l1"``, or a number p of at
            least 2.
        output: what to bound, as for :func:`geolip.bound`; not every method has norms of the whole output, and the
            table shows the largest value.
        unit: units of the inputs: an array of shape (inputs,), or a file with one number per input (.npy, .csv or
            text). The norm is that of input changes divided by these, entry by entry; an input whose unit is 0 does
            not change [ones].
        time_limit: stop each method after this many seconds, and show what it has by then.
        memory_limit: memory that a proof may take, in GiB.
        threads: number of worker threads; results do not depend on it [one per core].
        seed: seed for everything random; the same seed gives the same numbers, to the last bit.
        progress: show a tqdm bar (True), or tell a function what happens.
    """
    choices = {
        **_geolip.defaults("bound"),
        "norm": str(norm),
        "unit": unit_choice(unit),
        "output": output_choice(output),
        "time_limit": time_limit,
        "memory_limit": memory_limit,
        "threads": threads,
        "seed": seed,
    }
    with watching(progress, "methods") as events:
        return Comparison(json.loads(_geolip.compare(network_of(network)._engine, choices, events)))
