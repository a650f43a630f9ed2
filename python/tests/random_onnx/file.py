"""An ONNX file while it is written, and the list of the functions that write operators into it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int, ...]
TYPES = {np.float16: TensorProto.FLOAT16, np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}
# what rounding of a few operations explains, as a part of the largest number around
PRECISION = {np.float16: 2e-2, np.float32: 4e-5, np.float64: 1e-10}


class File:
    """An ONNX file while it is written, and the source of what is random about it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.opset = self.random.randint(7, 26)
        self.type = self.random.choices(list(TYPES), [1, 16, 4])[0]
        self.inputs: dict[str, Shape] = {}
        self.symbolic = self.random.random() < 0.1
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self.names = 0
        self.precision = PRECISION[self.type]

    def tolerate(self, precision: float) -> None:
        """Some operator is only that precise."""
        self.precision = max(self.precision, precision)

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def whole(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def name(self) -> str:
        self.names += 1
        return f"t{self.names}"

    def shape(self, rank: int) -> Shape:
        """Small; often with ones, rarely empty."""
        return tuple(0 if self.chance(0.003) else self.pick(1, 1, 2, 3, 4, 5, 6) for _ in range(rank))

    def input(self, shape: Shape) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs[name] = shape
        return name

    def stored_array(self, array: np.ndarray) -> str:
        """A constant: stored, or given by a node."""
        tensor = numpy_helper.from_array(np.asarray(array), self.name())
        if self.chance(0.2):
            return self.node("Constant", value=tensor)
        self.stored.append(tensor)
        return tensor.name

    def weights(self, *shape: int) -> str:
        values = np.array([self.random.gauss(0, 1) for _ in range(int(np.prod(shape)))])
        return self.stored_array(np.round(values, self.pick(0, 2, 9)).astype(self.type).reshape(shape))

    def number(self, value: float, rank: int = 0) -> str:
        return self.stored_array(np.full((1,) * rank, value, self.type))

    def integers(self, values: Any) -> str:
        return self.stored_array(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [self.name() for _ in range(outputs)]
        given = {key: value for key, value in attributes.items() if value is not None and value != []}
        self.nodes.append(helper.make_node(operator, list(inputs), names, **given))
        return names[0] if outputs == 1 else names

    def either(self, operator: str, a: str, b: str) -> str:
        """A node of a commutative operator."""
        return self.node(operator, *self.random.sample([a, b], 2))

    def list_argument(self, since: int, name: str, values: Any) -> tuple[list[str], dict[str, Any]]:
        """A list of integers as ONNX takes it: an attribute, or an input from an operator set on."""
        return ([], {name: values}) if self.opset < since else ([self.integers(values)], {})

    def model(self, output: str) -> onnx.ModelProto:
        def declared(name: str, shape: Shape) -> onnx.ValueInfoProto:
            dims = ["N", *shape[1:]] if self.symbolic and len(shape) > 1 and shape[0] == 1 else list(shape)
            return helper.make_tensor_value_info(name, TYPES[self.type], dims)

        graph = helper.make_graph(
            self.nodes,
            "random",
            [declared(name, shape) for name, shape in self.inputs.items()],
            [helper.make_empty_tensor_value_info(output)],
            self.stored,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("com.microsoft", 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=8 if self.opset < 20 else 10)


Operator = Callable[[File, str, Shape], str]


@dataclass(frozen=True)
class Entry:
    """An operator, the ranks it takes, and the operator sets it is in."""

    write: Operator
    ranks: range
    opsets: range


OPERATORS: dict[str, Entry] = {}


def operator(ranks: range = range(5), since: int = 7, until: int = 26) -> Callable[[Operator], Operator]:
    """Registers a function that writes an operator on a tensor of a given shape."""

    def register(write: Operator) -> Operator:
        OPERATORS[write.__name__] = Entry(write, ranks, range(since, until + 1))
        return write

    return register
