"""What a computation found."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from . import _geolip, _table
from ._region import Region, in_units

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """One bound: lower ≤ Lip ≤ FGL ≤ upper, and pattern_lower ≤ FGL. Fields are those of the JSON output."""

    output: str
    """An index, a margin ``I-J``, ``vector``, or a norm of the output: ``linf``, ``l2``, ``l1``."""
    upper: float
    """The formal Lipschitz constant, and so the Lipschitz constant, is at most this: certified."""
    certificate: str
    """``verified``, or ``probabilistic``."""
    failure_probability: float
    """0 for a proof; else the probability with which its random test passes what is false."""
    tested_by: str | None
    """Who ran that random test: ``maker``; none for a proof."""
    relaxation: float
    """The value of the relaxation: `upper` minus this is the solver's error."""
    pattern_lower: float
    """The formal Lipschitz constant is at least this."""
    lower: float
    """The Lipschitz constant is at least this: the gradient's norm at a real input."""
    exact: bool
    """Whether `upper` and `pattern_lower` agree to the tolerance."""
    method: str
    """How the upper bound was found."""
    factor: float | None
    """K with upper ≤ K·FGL known beforehand, or none."""
    lip_is_fgl: bool
    """Whether Lip = FGL is proved."""
    lip_exact: bool
    """Whether `lower` is the Lipschitz constant, to the tolerance."""
    linear_pieces: int | None
    """For a network with one input: how many linear pieces were found, in floating point."""
    stop: str
    """Why work ended: ``converged``, ``time_limit``, ``stalled``, …."""
    iterations: int
    """Sweeps made."""
    rank: int
    """Features k it ended with."""
    cases: int | None
    """Cases of an exact search."""
    seconds: float
    """When it was done, from the start."""

    @property
    def gap(self) -> float:
        """(upper − pattern_lower) / upper: how much of the bound may be air."""
        return (self.upper - self.pattern_lower) / self.upper if self.upper else 0.0


@dataclass(frozen=True)
class Pattern:
    """The steepest activation pattern found for one bound."""

    value: float
    """The norm of its Jacobian, rounded down."""
    slopes: list[Array]
    """One array of slopes per activation layer, in topological order."""
    weights: Array
    """u, shape (outputs,)."""
    direction: Array
    """An input direction that attains the norm, shape (inputs,)."""


@dataclass(frozen=True)
class Certificate:
    """Proofs of upper bounds, as `geolip bound --certificate` writes them, for :func:`geolip.check`."""

    text: str
    """The file's text (JSON, one claim per line)."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes: equal claims are equal bytes."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file: whole or not at all; through a link, to a device or a pipe."""
        _geolip.write(os.fspath(path), self.text.encode())

    def to_dict(self) -> dict[str, Any]:
        """The file's content."""
        content: dict[str, Any] = json.loads(self.text)
        return content

    def __repr__(self) -> str:
        content = self.to_dict()
        count = len(content["bounds"])
        bounds = "1 bound" if count == 1 else f"{count} bounds"
        return f"<geolip.Certificate {bounds} in {content['norm']}, sha256 {self.sha256[:12]}…>"


class Report(Sequence[Bound]):
    """The bounds of one network in one norm: a sequence of :class:`Bound`, in the order asked.

    The numbers `upper`, `lower`, `pattern_lower` and `gap` are about the largest of them; the arrays
    `uppers`, `lowers`, `pattern_lowers` and `gaps` have one entry per bound, named by `outputs`.
    """

    def __init__(self, engine: _geolip.Report) -> None:
        self._engine: _geolip.Report | None = engine
        self._data: dict[str, Any] = json.loads(engine.to_json())

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """One per output asked for."""
        return tuple(Bound(**bound) for bound in self._data["bounds"])

    @property
    def norm(self) -> str:
        """The norm of input changes."""
        return str(self._data["norm"])

    @property
    def unit(self) -> Array | None:
        """The units of the inputs, shape (inputs,): `norm` is that of input changes divided by these; none for ones."""
        unit = self._data["unit"]
        return None if unit is None else np.array(unit)

    @cached_property
    def region(self) -> Region | None:
        """Where the bounds hold; none for everywhere."""
        region = self._data["region"]
        return None if region is None else Region._of(region)

    @property
    def network(self) -> dict[str, Any]:
        """What was bounded: `path`, `sha256`, `inputs`, `outputs`, `neurons`, `parameters`, …."""
        return dict(self._data["network"])

    @property
    def notes(self) -> list[str]:
        """What was chosen of the file, fixed, left out or not tested, in sentences; mostly empty."""
        return list(self._data["network"]["notes"])

    @property
    def seconds(self) -> float:
        """From start to end."""
        return float(self._data["seconds"])

    @property
    def outputs(self) -> list[str]:
        """What each bound is about."""
        return [bound.output for bound in self.bounds]

    @property
    def upper(self) -> float:
        """The largest certified upper bound."""
        return float(self._data["upper"])

    @property
    def lower(self) -> float:
        """The largest lower bound of a Lipschitz constant."""
        return max((bound.lower for bound in self.bounds), default=0.0)

    @property
    def pattern_lower(self) -> float:
        """The largest lower bound of a formal Lipschitz constant."""
        return max((bound.pattern_lower for bound in self.bounds), default=0.0)

    @property
    def gap(self) -> float:
        """(upper − pattern_lower) / upper, of the largest."""
        return (self.upper - self.pattern_lower) / self.upper if self.upper else 0.0

    @property
    def uppers(self) -> Array:
        """Certified upper bounds, shape (bounds,)."""
        return np.array([bound.upper for bound in self.bounds])

    @property
    def lowers(self) -> Array:
        """Lower bounds of Lipschitz constants, shape (bounds,)."""
        return np.array([bound.lower for bound in self.bounds])

    @property
    def pattern_lowers(self) -> Array:
        """Lower bounds of formal Lipschitz constants, shape (bounds,)."""
        return np.array([bound.pattern_lower for bound in self.bounds])

    @property
    def gaps(self) -> Array:
        """Relative gaps, shape (bounds,)."""
        return np.array([bound.gap for bound in self.bounds])

    @cached_property
    def certificate(self) -> Certificate:
        """The proofs."""
        return Certificate(self._held().certificate())

    @cached_property
    def witnesses(self) -> Array:
        """The inputs at which the gradients are steepest, shape (bounds, inputs)."""
        numbers = np.frombuffer(self._held().witnesses(), np.float64)
        return numbers.reshape(len(self.bounds), -1).copy()

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """The steepest activation pattern of each bound."""
        return tuple(
            Pattern(
                pattern["value"],
                [np.array(slopes) for slopes in pattern["slopes"]],
                np.array(pattern["weights"]),
                np.array(pattern["direction"]),
            )
            for pattern in json.loads(self._held().patterns())
        )

    def to_dict(self) -> dict[str, Any]:
        """What `geolip bound --json` prints, as plain data."""
        copy: dict[str, Any] = json.loads(json.dumps(self._data))
        return copy

    def _held(self) -> _geolip.Report:
        if self._engine is None:
            raise RuntimeError("a report that was unpickled has all it needs")
        return self._engine

    def __getstate__(self) -> dict[str, Any]:
        _ = self.certificate, self.witnesses, self.patterns
        return {**self.__dict__, "_engine": None}

    @overload
    def __getitem__(self, index: int) -> Bound: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Bound]: ...
    def __getitem__(self, index: int | slice) -> Bound | Sequence[Bound]:
        return self.bounds[index]

    def __len__(self) -> int:
        return len(self._data["bounds"])

    def __iter__(self) -> Iterator[Bound]:
        return iter(self.bounds)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        rows = [
            [
                bound.output,
                _table.down(bound.lower),
                _table.down(bound.pattern_lower),
                _table.up(bound.upper),
                "exact" if bound.exact else _table.percent(bound.gap),
                bound.certificate + ("" if bound.stop == "converged" else f" ({bound.stop})"),
                _table.seconds(bound.seconds),
            ]
            for bound in self.bounds
        ]
        return ["output", "lower", "pattern", "upper", "gap", "certificate", "time"], rows

    def _caption(self) -> str:
        network = self.network
        name = Path(network["path"]).name if network["path"] else "network"
        return (
            f"{_table.plain(name)}: {network['inputs']} inputs, {network['outputs']} outputs, "
            f"{network['neurons']} neurons; input norm {self.norm}{in_units(self._data['unit'])}"
            + (f"; local: on a {self.region}" if self.region else "")
            + "".join(f"\n{note}" for note in self.notes)
        )

    def _chain(self) -> str:
        """What the columns are."""
        if self.region is None and any("by sides" in bound.method for bound in self.bounds):
            return "lower <= Lip <= upper"  # so are those of cells
        if self.region is None:
            return "lower <= Lip <= FGL <= upper, pattern <= FGL"
        if any("parts" in bound.method for bound in self.bounds):
            return "lower <= local Lip <= upper"  # the formal constants of parts are smaller than that of the region
        return "lower <= local Lip <= local FGL <= upper, pattern <= local FGL"

    def __repr__(self) -> str:
        return (
            f"{self._caption()}\n\n{_table.text(*self._table())}\n\n"
            f"{self._chain()}; largest upper bound {_table.up(self.upper)}"
            + (f"\nnot written: {unsaved}" if (unsaved := self._data.get("unsaved")) else "")
        )

    def _repr_html_(self) -> str:
        note = f"{self._chain().replace('<=', '≤')}; largest upper bound "
        return f"{_table.html(*self._table(), self._caption())}<p>{note}{_table.up(self.upper)}</p>"
