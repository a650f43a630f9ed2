"""Writing small ONNX files without the onnx package: just enough of the format for chains of layers.

A file is a protocol buffer: fields as (number, wire type) and a value. The numbers are those of onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 20
IR_VERSION = 9
ELEMENT_TYPES = {"float32": 1, "int64": 7, "float64": 11, "float16": 10}

Attribute = int | float | str | list[int]


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as their two's complement
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _attribute(name: str, value: Attribute) -> bytes:
    head = _bytes(1, name)
    if isinstance(value, int):
        return head + _integer(3, value) + _integer(20, 2)
    if isinstance(value, float):
        return head + _varint(2 << 3 | 5) + struct.pack("<f", value) + _integer(20, 1)
    if isinstance(value, str):
        return head + _bytes(4, value) + _integer(20, 3)
    return head + b"".join(_integer(8, v) for v in value) + _integer(20, 7)


def _tensor(name: str, array: npt.NDArray[Any]) -> bytes:
    dims = b"".join(_integer(1, d) for d in array.shape)
    data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return dims + _integer(2, ELEMENT_TYPES[array.dtype.name]) + _bytes(8, name) + _bytes(9, data)


def _port(name: str, element: str, shape: Iterable[int]) -> bytes:
    dims = b"".join(_bytes(1, _integer(1, d)) for d in shape)
    tensor = _integer(1, ELEMENT_TYPES[element]) + _bytes(2, dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, tensor))


class Chain:
    """A graph that grows at its end: every node reads the last tensor.

    Args:
        shape: of the input, with the batch dimension 1 first.
        element: type of the numbers, such as ``"float32"``.
    """

    def __init__(self, shape: Iterable[int], element: str) -> None:
        self._element = element
        self._input = _port("input", element, shape)
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self.last = "input"

    def constant(self, array: npt.NDArray[Any]) -> str:
        """Stores a tensor and returns its name."""
        name = f"c{len(self._tensors)}"
        self._tensors.append(_bytes(5, _tensor(name, array)))
        return name

    def add(self, operator: str, inputs: list[str] | None = None, **attributes: Attribute) -> str:
        """Appends a node of `inputs` (the last tensor if not given), which becomes the last tensor."""
        output = f"t{len(self._nodes)}"
        node = b"".join(_bytes(1, name) for name in inputs or [self.last])
        node += _bytes(2, output) + _bytes(3, f"{operator}_{len(self._nodes)}") + _bytes(4, operator)
        node += b"".join(_bytes(5, _attribute(name, value)) for name, value in attributes.items())
        self._nodes.append(_bytes(1, node))
        self.last = output
        return output

    def finish(self, shape: Iterable[int]) -> bytes:
        """The file; `shape` is that of the last tensor."""
        if self.last == "input":
            self.add("Identity")
        output = _port(self.last, self._element, shape)
        graph = b"".join(self._nodes) + _bytes(2, "chain") + b"".join(self._tensors)
        graph += _bytes(11, self._input) + _bytes(12, output)
        opset = _bytes(8, _bytes(1, "") + _integer(2, OPSET))
        return _integer(1, IR_VERSION) + _bytes(2, "geolip") + _bytes(7, graph) + opset
