"""Networks: from files, from bytes, from weights."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _geolip, _table
from ._weights import numbers, points
from .errors import NetworkFileError, OptionError

Array = npt.NDArray[np.float64]


class Network:
    """A network as the engine sees it: x ↦ y with `inputs` and `outputs` numbers, read once, never changed.

    Made by :func:`geolip.load`, :func:`geolip.from_onnx`, :func:`geolip.from_torch` and
    :meth:`Network.from_weights`. Calling it evaluates it in double precision.
    """

    def __init__(self, engine: _geolip.Network, source: bytes | None, name: str, reading: dict[str, Any]) -> None:
        self._engine = engine
        self._source = source
        self._name = name
        self._reading = reading
        self._compared: dict[str, Any] | None = None

    @classmethod
    def from_weights(
        cls,
        weights: Sequence[npt.ArrayLike],
        biases: Sequence[npt.ArrayLike | None] | None = None,
        *,
        activation: str = "relu",
        transposed: bool = False,
    ) -> Network:
        """A fully connected network from its matrices, as a weight list file would give it.

        Args:
            weights: one matrix per layer, out × in (in × out with `transposed`): arrays, lists of rows or tensors of
                finite real numbers. Integers and truth values count as numbers; what is complex, masked, sparse,
                quantised, text or of a mixed type is refused, and so is what float64 would round.
            biases: one vector, or none, per layer; biases move lower bounds alone.
            activation: between the layers, by its name on the command line, such as ``"tanh"``.
            transposed: whether the matrices are in × out.
        """
        if isinstance(weights, str | bytes | dict) or not hasattr(weights, "__iter__"):
            raise OptionError(f"weights is a {type(weights).__name__}; give a list of matrices")
        matrices = [numbers(w, f"weight {i}", 2) for i, w in enumerate(weights)]
        if biases is None:
            biases = [None] * len(matrices)
        if len(biases) != len(matrices):
            raise OptionError(f"{len(matrices)} weights but {len(biases)} biases; give one bias, or None, per layer")
        arrays = {f"W{i}": w for i, w in enumerate(matrices, 1)}
        arrays |= {f"b{i}": numbers(b, f"bias {i - 1}", 1) for i, b in enumerate(biases, 1) if b is not None}
        file = io.BytesIO()
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return from_bytes(file.getvalue(), "weights.npz", activation=activation, transposed=transposed or None)

    @property
    def inputs(self) -> int:
        """How many numbers go in."""
        return self._engine.inputs

    @property
    def outputs(self) -> int:
        """How many numbers come out."""
        return self._engine.outputs

    @property
    def neurons(self) -> int:
        """Entries of activation layers."""
        return self._engine.neurons

    @property
    def parameters(self) -> int:
        """Stored weights and biases."""
        return self._engine.parameters

    @property
    def hash(self) -> str:
        """The hash of the canonical network, which certificates name (64 hexadecimal digits)."""
        return self._engine.hash

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes."""
        return self._engine.sha256

    @property
    def path(self) -> str | None:
        """The file, if it came from one."""
        return self._engine.path

    @property
    def name(self) -> str:
        """What messages and pictures call it: the file's name without its extension."""
        return Path(self.path or self._name).stem

    @property
    def info(self) -> dict[str, Any]:
        """What was read: `inputs`, `output`, `nodes` with operation, size and slopes, `self_check`, `left_out`, ….

        `compared` says with which PyTorch module a network of :func:`geolip.from_torch` agrees, at how many inputs.
        """
        return {**self._described, "compared": self._compared}

    @cached_property
    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = json.loads(self._engine.describe())
        return described

    def __call__(self, x: npt.ArrayLike) -> Array:
        """The outputs at `x`, in double precision.

        Args:
            x: shape (inputs,), or (count, inputs), or (count, ...) with `inputs` numbers per row.

        Returns:
            Shape (outputs,) for one input, (count, outputs) for several.
        """
        given = points(x, "x")
        if given.size == 0 or given.size != self.inputs * (1 if given.ndim < 2 else len(given)):
            raise ValueError(f"x has the shape {given.shape}; give rows of {self.inputs} numbers")
        y = np.frombuffer(self._engine.evaluate(given.tobytes()), np.float64)
        return y.copy() if given.ndim == 1 else y.reshape(-1, self.outputs).copy()

    def export(self, path: str | os.PathLike[str]) -> None:
        """Writes what is bounded as a canonical network file (.json), for other programs to read.

        :func:`load` and the command line read it back as the same network, with the same `hash`.
        """
        self._engine.export(os.fspath(path))

    def __repr__(self) -> str:
        return (
            f"<geolip.Network {_table.plain(self.name)}: {self.inputs} inputs, {self.outputs} outputs, "
            f"{self.neurons} neurons, {self.parameters} parameters>"
        )

    def _repr_html_(self) -> str:
        rows = [
            [n["name"], n["operation"], n["size"], n["parameters"], _table.interval(n["slope"])]
            for n in self.info["nodes"]
        ]
        headings = ["node", "operation", "size", "parameters", "slopes"]
        return _table.html(headings, rows, caption=repr(self)[1:-1])

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        source = self._source
        if source is None and self.path is not None:
            source = Path(self.path).read_bytes()
            _restore(source, self._name, self._reading, self.path, self.hash)  # it may have changed since it was read
        return _restore, (source, self._name, self._reading, self.path, self.hash), {"_compared": self._compared}


def _reading(
    activation: str | None = None,
    transposed: bool | None = None,
    prefix: str | None = None,
    input: str | None = None,
    output_name: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """The options of reading as the engine takes them."""
    return {
        "activation": activation,
        "transposed": transposed,
        "prefix": prefix,
        "input": input,
        "output_name": output_name,
        "until": until,
    }


def load(
    path: str | os.PathLike[str],
    *,
    activation: str | None = None,
    transposed: bool | None = None,
    prefix: str | None = None,
    input: str | None = None,
    output_name: str | None = None,
    until: str | None = None,
) -> Network:
    """Reads a network file: .onnx, a weight list (.npz, .mat, .safetensors), or .json from :meth:`Network.export`.

    Args:
        path: the file. ONNX files may have weights in files beside them.
        activation: activation between the layers of a weight list, which does not name it itself [relu].
        transposed: whether the matrices of a weight list are in × out [as out x in; a .mat file that fits both ways
            is refused].
        prefix: read only the arrays of a weight list whose names begin with this, and take all of them as one
            network; ``""`` takes the whole file as one [a file that may hold two networks is refused].
        input: bound the response to this input of an ONNX file only, with the others fixed [all inputs, as one
            vector].
        output_name: bound this output of an ONNX file [the first].
        until: bound an ONNX file only up to this inner tensor (or node), such as the logits before a softmax.

    Raises:
        UnsupportedNetworkError: with `obstacles`, everything that is not supported.
        NetworkFileError: the file is something else, or damaged.
        OSError: it cannot be read.
    """
    reading = _reading(activation, transposed, prefix, input, output_name, until)
    return Network(_geolip.load(path, reading), None, os.fspath(path), reading)


def from_bytes(
    data: bytes,
    name: str = "network",
    *,
    activation: str | None = None,
    transposed: bool | None = None,
    prefix: str | None = None,
    input: str | None = None,
    output_name: str | None = None,
    until: str | None = None,
) -> Network:
    """Reads a network from the bytes of a file that holds all its weights itself; see :func:`load`."""
    reading = _reading(activation, transposed, prefix, input, output_name, until)
    return Network(_geolip.from_bytes(data, name, reading), data, name, reading)


def from_onnx(
    model: Any,
    *,
    input: str | None = None,
    output_name: str | None = None,
    until: str | None = None,
) -> Network:
    """A network from an ONNX model in memory.

    Args:
        model: the bytes of an ONNX file, or an `onnx.ModelProto`.
        input, output_name, until: as for :func:`load`.
    """
    data = model if isinstance(model, bytes) else bytes(model.SerializeToString())
    return from_bytes(data, "model.onnx", input=input, output_name=output_name, until=until)


def _restore(source: bytes, name: str, reading: dict[str, Any], path: str | None, expected: str) -> Network:
    """Unpickles: from the bytes, or from the path if the file has weights beside it; the same network, or an error."""
    try:
        network = from_bytes(source, name, **reading)
    except NetworkFileError:
        if path is None:
            raise
        network = load(path, **reading)
    if network.hash != expected:
        raise NetworkFileError(f"{path or name} holds another network than when it was read; read it again")
    return network


def network_of(given: Network | str | os.PathLike[str]) -> Network:
    """`given`, read if it is a path."""
    return given if isinstance(given, Network) else load(given)
