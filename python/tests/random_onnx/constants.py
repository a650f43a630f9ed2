"""Constants computed in the graph: random expressions, shape arithmetic, weights divided by their norm."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from . import operators
from .file import TYPES, File, Shape, operator

SOME_AXES = range(1, 5)

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 0.1, 1 / 3, 2.0, 3.0, 7.0, 2.0**24, 2.0**24 + 2, 1e-40, 1e30, 2049.0, 65504.0, -2.5]
WHOLE_EDGES = [0, 1, -1, 2, 3, 5, 7, 2**31 - 1, -(2**31), 2**24 + 1, -7, 46341, 127, -128]


class Constants:
    """Random expressions of constants, by their element types."""

    def __init__(self, f: File) -> None:
        self.f = f

    def dims(self) -> Shape:
        return self.f.pick((), (), (1,), (3,), (2, 3), (2, 1))

    def floats(self, depth: int) -> str:
        f = self.f
        if depth == 0:
            shape = self.dims()
            values = [f.pick(f.pick(*EDGES), f.random.gauss(0, 1)) for _ in range(int(np.prod(shape)))]
            with np.errstate(over="ignore"):
                return f.stored_array(np.array(values).astype(f.type).reshape(shape))
        a = self.floats(depth - 1)
        kind = f.whole(0, 9)
        if kind <= 2:
            return f.node(
                f.pick("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"), a, self.floats(f.whole(0, depth - 1))
            )
        if kind == 3:
            names = [
                "Abs",
                "Neg",
                "Sqrt",
                "Exp",
                "Log",
                "Reciprocal",
                "Floor",
                "Ceil",
                "Relu",
                "Sigmoid",
                "Tanh",
                "Identity",
                "Softplus",
            ]
            return f.node(f.pick(*names, *(["Erf"] if f.opset >= 9 else [])), a)
        if kind == 4 and f.opset >= 9:
            return f.node("Where", self.booleans(depth - 1), a, self.floats(f.whole(0, depth - 1)))
        if kind == 5:
            return f.node("Cast", self.integers(f.whole(0, depth - 1)), to=TYPES[f.type])
        if kind == 6:
            through = f.pick(*TYPES.values(), *([TensorProto.BFLOAT16] if f.opset >= 13 else []))
            return f.node("Cast", f.node("Cast", a, to=through), to=TYPES[f.type])
        if kind == 7:
            names = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare"]
            return f.node(f.pick(*names), a, keepdims=f.pick(None, 0))
        if kind == 8:
            return f.node(f.pick("Sum", "Mean", "Max", "Min"), a, *[self.floats(0) for _ in range(f.whole(0, 2))])
        return f.node("Cast", self.booleans(depth - 1), to=TYPES[f.type])

    def integers(self, depth: int, wide: bool | None = None) -> str:
        f = self.f
        wide = f.chance(0.5) if wide is None else wide
        own = np.int64 if wide else np.int32
        if depth == 0:
            shape = self.dims()
            values = [
                f.pick(*WHOLE_EDGES, *([2**53 + 1, -(2**63)] if wide else [])) for _ in range(int(np.prod(shape)))
            ]
            return f.stored_array(np.array(values, own).reshape(shape))
        a = self.integers(depth - 1, wide)
        kind = f.whole(0, 6)
        if kind <= 2:
            names = ["Add", "Sub", "Mul", "Div"] + ["Mod"] * (f.opset >= 10) + ["Max", "Min"] * (f.opset >= 12)
            name = f.pick(*names)
            given = {"fmod": f.pick(None, 1)} if name == "Mod" else {}
            return f.node(name, a, self.integers(f.whole(0, depth - 1), wide), **given)
        if kind == 3:
            return f.node(f.pick("Abs", "Neg", "Identity"), a)
        if kind == 4 and f.opset >= 9:
            return f.node("Where", self.booleans(depth - 1), a, self.integers(0, wide))
        if kind == 5:
            other = f.pick(np.int8, np.uint8, np.int16, np.int32, np.int64, np.bool_)
            middle = f.node("Cast", a, to=helper.np_dtype_to_tensor_dtype(np.dtype(other)))
            return f.node("Cast", middle, to=helper.np_dtype_to_tensor_dtype(np.dtype(own)))
        return f.node("Cast", self.floats(depth - 1), to=helper.np_dtype_to_tensor_dtype(np.dtype(own)))

    def booleans(self, depth: int) -> str:
        f = self.f
        orders = ["Less", "Greater"] + ["LessOrEqual", "GreaterOrEqual"] * (f.opset >= 12)
        if depth > 0 and f.chance(0.3):
            a = self.booleans(depth - 1)
            return f.node("Not", a) if f.chance(0.5) else f.node(f.pick("And", "Or"), a, self.booleans(0))
        if f.opset >= 9 and f.chance(0.4):
            wide = f.chance(0.5)
            return f.node(f.pick("Equal", *orders), self.integers(max(depth - 1, 0), wide), self.integers(0, wide))
        if f.opset >= 11:
            orders.append("Equal")
        return f.node(f.pick(*orders), self.floats(max(depth - 1, 0)), self.floats(0))


@operator()
def with_computed_constant(f: File, x: str, shape: Shape) -> str:
    constant = Constants(f).floats(f.whole(1, 4))
    return f.node(f.pick("Add", "Mul", "Sub"), x, constant)


@operator(SOME_AXES)
def with_computed_integers(f: File, x: str, shape: Shape) -> str:
    """Places and shapes from integer arithmetic."""
    size = f.stored_array(np.array(shape[-1], np.int64))
    if f.opset >= 10 and f.chance(0.4):
        index = f.node(
            "Mod", Constants(f).integers(f.whole(0, 2), True), size, fmod=f.pick(None, 1) if f.opset >= 11 else None
        )
        return f.node("Gather", x, index, axis=len(shape) - 1)
    dims = f.node("Shape", x)
    if f.chance(0.5):
        part = f.node("Gather", dims, f.integers([f.whole(0, len(shape) - 1)]))
        target = f.node("Concat", part, f.integers([-1]), axis=0)
        return f.node("Reshape", x, target)
    if f.opset >= 11 and f.chance(0.5):
        start, stop, step = (f.stored_array(np.array(v, np.int64)) for v in (shape[-1] - 1, -1, f.pick(-1, -2)))
        return f.node("Gather", x, f.node("Range", start, stop, step), axis=len(shape) - 1)
    if f.opset >= 11:
        ends = [
            f.stored_array(np.array(v).astype(f.type))
            for v in (f.pick(0.0, 0.1, -1.0), f.pick(1.0, 1.1, 0.7), f.pick(0.1, 0.2, 0.3))
        ]
        if f.type != np.float16:
            return f.node("Add", f.node("ReduceSum", x, keepdims=0), f.node("Range", *ends))
    half = f.node("Div", f.node("Gather", dims, f.integers([len(shape) - 1])), f.integers([2]))
    if f.opset >= 10:
        return f.node("Slice", x, f.integers([0]), half, f.integers([len(shape) - 1]))
    return f.node("Add", x, f.node("Cast", half, to=TYPES[f.type]))


@operator(range(2, 3))
def with_normalised_weights(f: File, x: str, shape: Shape) -> str:
    w = f.weights(shape[1], f.whole(1, 4))
    axes = f.pick([0], [1], [0, 1])
    inputs, given = f.list_argument(18, "axes", axes)
    norm = f.node("ReduceL2", w, *inputs, keepdims=1, **given)
    if f.chance(0.3):
        norm = f.node("Sqrt", f.node("ReduceSum", f.either("Mul", w, w), keepdims=f.pick(None, 0)))
    if f.chance(0.5):
        norm = f.node("Max", norm, f.number(1e-3))
    return f.node("MatMul", x, f.node("Div", w, norm))


@operator(SOME_AXES)
def moved_constant(f: File, x: str, shape: Shape) -> str:
    """An operator that moves numbers, on a constant."""
    rank = f.whole(1, 4)
    own = f.shape(rank)
    names = [
        "slices",
        "gather",
        "concat",
        "shape_change",
        "split",
        "reduction",
        "matmul",
        "arithmetic_with_a_constant",
        "clip",
        "prelu",
        "pad",
    ]
    write = getattr(operators, f.pick(*names, *(["repeats"] if f.opset >= 8 else [])))
    y = write(f, f.weights(*own), own)
    return f.node("Add", f.node("ReduceSum", x, keepdims=0), y)
