"""Operators at the edges of their specifications: odd attributes and shapes, absent inputs, axes from the back.

Each function writes one on the tensor `x` of a given shape and returns its result; what is not valid ONNX after all is refused
by onnxruntime, and left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from .file import PRECISION, TYPES, File, Shape, operator

IMAGES = range(3, 6)
SOME_AXES = range(1, 5)

# Activations


@operator()
def plain_activation(f: File, x: str, shape: Shape) -> str:
    since = {"HardSwish": 14, "Mish": 18}
    names = [
        "Abs",
        "Relu",
        "Sigmoid",
        "Tanh",
        "Softsign",
        "Softplus",
        "Sin",
        "Cos",
        "HardSwish",
        "Mish",
        "Neg",
        "Identity",
    ]
    name = f.pick(*[name for name in names if f.opset >= since.get(name, 7)])
    if name == "HardSwish":
        f.tolerate(1e-6)  # a sixth, in float32
    if name in ("Sin", "Cos"):
        f.tolerate(1e-2)  # of arguments of some thousand
    return f.node(name, x)


@operator()
def activation_with_numbers(f: File, x: str, shape: Shape) -> str:
    attributes = {
        "Elu": (7, "alpha"),
        "LeakyRelu": (7, "alpha"),
        "Selu": (7, "alpha", "gamma"),
        "HardSigmoid": (7, "alpha", "beta"),
        "Shrink": (9, "lambd", "bias"),
        "ThresholdedRelu": (10, "alpha"),
        **({"Celu": (12, "alpha")} if f.type == np.float32 else {}),
        "Swish": (24, "alpha"),
    }
    name = f.pick(*[name for name, (since, *_) in attributes.items() if f.opset >= since])
    f.tolerate(1e-6)  # of attributes
    number = f.pick(0.0, 0.5, 1.0, 2.0, -0.5, 0.1, round(f.random.gauss(0, 1), 2))
    given = {key: f.pick(None, number, round(f.random.random(), 2)) for key in attributes[name][1:]}
    return f.node(name, x, **given)


@operator()
def gelu(f: File, x: str, shape: Shape) -> str:
    f.tolerate(1e-6)  # of 0.044715
    if f.opset >= 20 and f.chance(0.5):
        return f.node("Gelu", x, approximate=f.pick(None, "none", "tanh"))
    name = f.pick("Gelu", "FastGelu", "BiasGelu", "QuickGelu")
    if name == "BiasGelu" and not shape:
        name = "Gelu"
    bias = [f.weights(shape[-1])] if name == "BiasGelu" or (name == "FastGelu" and shape and f.chance(0.8)) else []
    return f.node(name, x, *bias, domain="com.microsoft", alpha=f.pick(None, 1.0, 0.7) if name == "QuickGelu" else None)


@operator()
def prelu(f: File, x: str, shape: Shape) -> str:
    slope = [d if f.chance(0.7) else 1 for d in shape][f.whole(0, len(shape)) :]
    return f.node("PRelu", x, f.weights(*slope))


@operator()
def clip(f: File, x: str, shape: Shape) -> str:
    low, high = f.pick(None, -0.5, 0.0, 1.0), f.pick(None, 0.25, 6.0, 0.0, -1.0)
    if f.opset < 11:
        return f.node("Clip", x, min=low, max=high)
    ends = ["" if end is None else f.number(end) for end in (low, high)]
    return f.node("Clip", x, *ends[: f.pick(2, 2, 0 if low is high is None else 2)])


@operator()
def unchanged(f: File, x: str, shape: Shape) -> str:
    if f.chance(0.5):
        for to in f.random.sample(list(TYPES.values()), f.whole(1, 3)):
            x = f.node("Cast", x, to=to)
            f.tolerate(PRECISION[helper.tensor_dtype_to_np_dtype(to).type])
        return f.node("Cast", x, to=TYPES[f.type])
    if f.opset < 12:
        return f.node("Dropout", x, ratio=f.pick(None, 0.3))
    ratio = f.pick("", f.stored_array(np.array(0.3, np.float32)))
    training = f.pick([], [f.stored_array(np.array(False))])
    return f.node("Dropout", x, *([ratio, *training] if training or ratio else []), seed=f.pick(None, 3))


# Arithmetic


def beside(f: File, shape: Shape) -> Shape:
    """A shape that broadcasts with another one."""
    other = [d if f.chance(0.6) else 1 for d in shape]
    other = [f.pick(1, 2, 3) if d == 1 and f.chance(0.2) else o for d, o in zip(shape, other, strict=True)]
    return tuple(f.pick(other, other[f.whole(0, len(other)) :], [f.pick(1, 2), *other]))


@operator()
def arithmetic_with_a_constant(f: File, x: str, shape: Shape) -> str:
    return f.node(f.pick("Add", "Sub", "Mul", "Div"), *f.random.sample([x, f.weights(*beside(f, shape))], 2))


@operator()
def several(f: File, x: str, shape: Shape) -> str:
    """Branches of x, second inputs and constants, added up or compared."""
    operands = [x]
    for _ in range(f.whole(0, 3)):
        kind = f.whole(0, 3)
        other = beside(f, shape)
        if kind == 0:
            operands.append(f.node(f.pick("Relu", "Neg", "Sigmoid"), x))
        elif kind == 1 and len(f.inputs) < 3:
            operands.append(f.input(other))
        else:
            operands.append(f.weights(*other))
    f.random.shuffle(operands)
    name = f.pick("Sum", "Mean", "Max", "Min", *(["Add", "Sub"] if len(operands) == 2 else []))
    return f.node(name, *operands)


# Linear operators


@operator(range(2, 3))
def gemm(f: File, x: str, shape: Shape) -> str:
    left, other = f.chance(0.5), f.whole(1, 4)
    trans_x, trans_w = f.whole(0, 1), f.whole(0, 1)
    rows, cols = shape[::-1] if trans_x else shape
    size = (cols, other) if left else (other, rows)
    w = f.weights(*(size[::-1] if trans_w else size))
    out = (rows, other) if left else (other, cols)
    bias = f.pick((), (1,), out[1:], (1, out[1]), (out[0], 1), out)
    inputs = [x, w] if left else [w, x]
    inputs += f.pick([], [f.weights(*bias)], [""]) if f.opset >= 11 else [f.weights(*bias)]
    transposed = (trans_x, trans_w) if left else (trans_w, trans_x)
    numbers = {key: f.pick(None, 0.0, 0.5, -2.0) for key in ("alpha", "beta")}
    return f.node("Gemm", *inputs, transA=transposed[0] or None, transB=transposed[1] or None, **numbers)


@operator(SOME_AXES)
def matmul(f: File, x: str, shape: Shape) -> str:
    batch = tuple(f.pick(d, 1) for d in shape[:-2])
    batch = f.pick((), batch, batch, (2, *batch) if f.chance(0.3) else batch)
    if f.chance(0.5):
        w = f.pick((shape[-1],), (*batch, shape[-1], f.whole(1, 4)), (*batch, shape[-1], f.whole(1, 4)))
        return f.node("MatMul", x, f.weights(*w))
    inner = shape[-2] if len(shape) > 1 else shape[-1]
    w = f.pick((inner,), (*batch, f.whole(1, 4), inner), (*batch, f.whole(1, 4), inner))
    return f.node("MatMul", f.weights(*w), x)


def windows(f: File, sizes: Shape, kernel: list[int], dilated: bool = True) -> dict[str, Any]:
    """Random attributes of a moving window."""
    axes = range(len(sizes))
    given: dict[str, Any] = {"strides": f.pick(None, [f.whole(1, 3) for _ in axes])}
    given["dilations"] = f.pick(None, [f.whole(1, 2) for _ in axes]) if dilated else None
    padding = f.whole(0, 2)
    if padding == 0:
        given["auto_pad"] = f.pick("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    elif padding == 1:
        given["pads"] = [f.whole(0, max(k - 1, 1)) for k in kernel * 2]
    return given


@operator(IMAGES)
def conv(f: File, x: str, shape: Shape) -> str:
    groups = f.pick(*[g for g in range(1, 7) if shape[1] % g == 0])
    kernel = [f.whole(1, 3) for _ in shape[2:]]
    filters = groups * f.whole(1, 3)
    inputs = [x, f.weights(filters, shape[1] // groups, *kernel)]
    inputs += f.pick([], [f.weights(filters)], [""])
    given = f.pick(None, kernel)
    return f.node(
        "Conv",
        *inputs,
        group=f.pick(None, groups) if groups == 1 else groups,
        kernel_shape=given,
        **windows(f, shape[2:], kernel),
    )


@operator(IMAGES)
def conv_transpose(f: File, x: str, shape: Shape) -> str:
    groups = f.pick(*[g for g in range(1, 7) if shape[1] % g == 0])
    kernel = [f.whole(1, 3) for _ in shape[2:]]
    filters = f.whole(1, 3)
    inputs = [x, f.weights(shape[1], filters, *kernel)]
    inputs += f.pick([], [f.weights(groups * filters)])
    given = windows(f, shape[2:], kernel)
    strides, dilations = (given.get(key) or [1] * len(kernel) for key in ("strides", "dilations"))
    if f.chance(0.3):
        given["output_padding"] = [f.whole(0, max(s, d) - 1) for s, d in zip(strides, dilations, strict=True)]
    if f.chance(0.3):
        whole = [
            (n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(shape[2:], strides, kernel, dilations, strict=True)
        ]
        given["output_shape"] = [max(1, w - f.whole(-1, 2)) for w in whole]
    return f.node("ConvTranspose", *inputs, group=groups, kernel_shape=f.pick(None, kernel), **given)


@operator(range(2, 6))
def batch_normalisation(f: File, x: str, shape: Shape) -> str:
    c = shape[1]
    scale, shift = f.weights(c), f.weights(c)
    large = f.pick(1.0, 1.0, 3000.0)
    mean = np.array([f.random.gauss(0, large) for _ in range(c)]).astype(f.type)
    variance = np.array([abs(f.random.gauss(0, f.pick(1.0, 1e-4))) for _ in range(c)]).astype(f.type)
    if f.chance(0.2):
        shift = f.stored_array(mean.copy())
    epsilon = f.pick(None, 1e-3, 0.1)
    return f.node(
        "BatchNormalization", x, scale, shift, f.stored_array(mean), f.stored_array(variance), epsilon=epsilon
    )


# Pools and reductions


@operator(IMAGES)
def pool(f: File, x: str, shape: Shape) -> str:
    if f.chance(0.1):
        return f.node(f.pick("GlobalAveragePool", "GlobalMaxPool"), x)
    average = f.chance(0.5)
    kernel = [f.whole(1, 3) for _ in shape[2:]]
    given = windows(f, shape[2:], kernel, dilated=f.opset >= (19 if average else 10))
    if f.opset >= 10:
        given["ceil_mode"] = f.pick(None, 0, 1, 1)
    if average:
        given["count_include_pad"] = f.pick(None, 0, 1)
    elif f.opset >= 8:
        given["storage_order"] = f.pick(None, None, 0)
    return f.node("AveragePool" if average else "MaxPool", x, kernel_shape=kernel, **given)


@operator()
def reduction(f: File, x: str, shape: Shape) -> str:
    name = f.pick("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin")
    rank = len(shape)
    axes = f.random.sample(range(rank), f.whole(0, rank))
    axes = [axis - rank if f.opset >= 11 and f.chance(0.4) else axis for axis in axes]
    since = 13 if name == "ReduceSum" else 18
    given: dict[str, Any] = {"keepdims": f.pick(None, 0, 1)}
    inputs: list[str] = []
    if f.opset >= since:
        given["noop_with_empty_axes"] = f.pick(None, 0, 1)
        inputs = f.pick([f.integers(axes)], [f.integers(axes)], [], [""])
    elif axes:
        given["axes"] = axes
    return f.node(name, x, *inputs, **given)


# Images


@operator(range(2, 6), since=10)
def resize(f: File, x: str, shape: Shape) -> str:
    rank = len(shape)
    moving = f.random.sample(range(rank), f.whole(1, min(rank, 2))) if f.chance(0.3) else list(range(rank))[-2:]
    mode = f.pick("nearest", "linear", "cubic") if f.opset >= 11 else f.pick("nearest", "linear")
    scales = [f.pick(2.0, 0.5, 1.5, 3.0, 0.6, 1.25, 1.0, round(f.random.uniform(0.4, 3), 2)) for _ in moving]
    every = np.ones(rank, np.float32)
    every[moving] = scales
    if f.opset == 10:
        return f.node("Resize", x, f.stored_array(every), mode=mode)
    places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    places += ["half_pixel_symmetric"] * (f.opset >= 19) + ["tf_half_pixel_for_nn"] * (f.opset < 13)
    nearest = f.pick(None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    given: dict[str, Any] = {
        "mode": mode,
        "coordinate_transformation_mode": f.pick(None, *places),
        "nearest_mode": nearest,
    }
    if mode == "cubic":
        given |= {"cubic_coeff_a": f.pick(None, -0.5), "exclude_outside": f.pick(None, 0, 1)}
    roi = f.stored_array(np.zeros(0, np.float32)) if f.opset < 13 else ""
    named = f.opset >= 18 and f.chance(0.4)
    if named:
        given["axes"] = f.pick(moving, [axis - rank for axis in moving])
        every = np.array(scales, np.float32)
    if f.chance(0.5):
        return f.node("Resize", x, roi, f.stored_array(every), **given)
    chosen = [shape[axis] for axis in moving] if named else shape
    sizes = [max(1, int(d * s)) if s != 1 else d for d, s in zip(chosen, every, strict=True)]
    if f.opset >= 18:
        given["keep_aspect_ratio_policy"] = policy = f.pick(None, "stretch", "not_larger", "not_smaller")
        if policy not in (None, "stretch") and named:
            given["axes"] = moving  # onnxruntime ignores sizes of axes that count from the back
    empty = f.stored_array(np.zeros(0, np.float32)) if f.opset < 13 else ""
    return f.node("Resize", x, roi, empty, f.integers(sizes), **given)


@operator(range(2, 5), until=9)
def upsample(f: File, x: str, shape: Shape) -> str:
    scales = np.array(
        [f.pick(1.0, 2.0, 1.5) if axis >= len(shape) - 2 else 1.0 for axis in range(len(shape))], np.float32
    )
    mode = f.pick(None, "nearest", "linear")
    if f.opset < 9:
        return f.node("Upsample", x, scales=scales.tolist(), mode=mode)
    return f.node("Upsample", x, f.stored_array(scales), mode=mode)


@operator(range(4, 5))
def blocks(f: File, x: str, shape: Shape) -> str:
    block = f.whole(1, 2)
    if f.chance(0.5):
        x = f.node("Concat", *[x] * block, axis=2)
        x = f.node("Concat", *[x] * block, axis=3)
        return f.node("SpaceToDepth", x, blocksize=block)
    x = f.node("Concat", *[x, f.node("Neg", x), f.node("Relu", x), x][: block * block], axis=1)
    mode = f.pick(None, "DCR", "CRD") if f.opset >= 11 else None
    return f.node("DepthToSpace", x, blocksize=block, mode=mode)


# Shapes and places


@operator()
def shape_change(f: File, x: str, shape: Shape) -> str:
    rank = len(shape)
    kind = f.pick("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose")
    if kind == "Flatten":
        return f.node("Flatten", x, axis=f.pick(None, f.whole(-rank if f.opset >= 11 else 0, rank)))
    if kind == "Transpose":
        return f.node("Transpose", x, perm=f.pick(None, f.random.sample(range(rank), rank)))
    if kind == "Unsqueeze":
        count = f.whole(1, 2)
        axes = f.random.sample(range(rank + count), count)
        axes = [axis - rank - count if f.opset >= 11 and f.chance(0.3) else axis for axis in axes]
        inputs, given = f.list_argument(13, "axes", axes)
        return f.node("Unsqueeze", x, *inputs, **given)
    if kind == "Squeeze":
        ones = [axis for axis, d in enumerate(shape) if d == 1]
        chosen = [
            axis - rank if f.opset >= 11 and f.chance(0.3) else axis
            for axis in f.random.sample(ones, f.whole(0, len(ones)))
        ]
        inputs, given = f.list_argument(13, "axes", chosen) if chosen else ([], {})
        return f.node("Squeeze", x, *inputs, **given)
    target = list(shape)
    if f.chance(0.5):
        f.random.shuffle(target)
    if len(target) > 1 and f.chance(0.5):
        target[:2] = [target[0] * target[1]]
    target = [0 if axis < rank and d == shape[axis] and f.chance(0.3) else d for axis, d in enumerate(target)]
    if target and f.chance(0.5):
        target[f.whole(0, len(target) - 1)] = -1
    return f.node("Reshape", x, f.integers(target), allowzero=f.pick(None, 0, 1) if f.opset >= 14 else None)


@operator(SOME_AXES)
def slices(f: File, x: str, shape: Shape) -> str:
    rank = len(shape)
    axes = f.random.sample(range(rank), f.whole(1, rank))
    ends = [
        f.whole(-shape[a] - 1, shape[a] + 1) if f.chance(0.8) else f.pick(2**63 - 1, -(2**63), 2**31 - 1)
        for a in axes * 2
    ]
    starts, ends = ends[: len(axes)], ends[len(axes) :]
    if f.opset < 10:
        return f.node("Slice", x, starts=starts, ends=ends, axes=axes)
    axes = [axis - rank if f.chance(0.3) else axis for axis in axes]
    inputs = [f.integers(starts), f.integers(ends), f.integers(axes)]
    if f.chance(0.6):
        inputs.append(f.integers([f.pick(1, 2, 3, -1, -1, -2) for _ in axes]))
    return f.node("Slice", x, *inputs)


@operator(SOME_AXES)
def split(f: File, x: str, shape: Shape) -> str:
    axis = f.whole(0, len(shape) - 1)
    cut = f.whole(0, shape[axis])
    sizes = f.pick([cut, shape[axis] - cut], [shape[axis]])
    named = axis - len(shape) if f.opset >= 11 and f.chance(0.3) else axis
    inputs, given = f.list_argument(13, "split", sizes)
    outputs = len(sizes)
    if f.chance(0.4):
        outputs = f.whole(1, max(1, shape[axis]))
        inputs, given = [], {"num_outputs": outputs} if f.opset >= 18 else {}
    parts = f.node("Split", x, *inputs, axis=named, outputs=outputs, **given)
    return parts if isinstance(parts, str) else f.pick(*parts)


@operator(SOME_AXES)
def concat(f: File, x: str, shape: Shape) -> str:
    axis = f.whole(0, len(shape) - 1)
    other = tuple(f.whole(1, 3) if a == axis else d for a, d in enumerate(shape))
    parts = [x] + [f.pick(x, f.weights(*other), f.node("Neg", x)) for _ in range(f.whole(0, 2))]
    f.random.shuffle(parts)
    return f.node("Concat", *parts, axis=axis - len(shape) if f.opset >= 11 and f.chance(0.3) else axis)


@operator(SOME_AXES)
def gather(f: File, x: str, shape: Shape) -> str:
    axis = f.whole(0, len(shape) - 1)
    if shape[axis] == 0:
        return f.node("Identity", x)
    least = -shape[axis] if f.opset >= 11 else 0
    indices = np.array([f.whole(least, shape[axis] - 1) for _ in range(4)], f.pick(np.int64, np.int32))
    indices = f.pick(indices, indices[:1], indices[0], indices.reshape(2, 2), indices[:3])
    named = f.pick(None, 0) if axis == 0 else f.pick(axis, axis - len(shape))
    return f.node("Gather", x, f.stored_array(np.asarray(indices)), axis=named)


@operator(range(5), since=8)
def repeats(f: File, x: str, shape: Shape) -> str:
    if f.chance(0.5):
        return f.node("Expand", x, f.integers(beside(f, shape)))
    return f.node("Tile", x, f.integers([f.pick(1, 1, 2, 3) for _ in shape]))


@operator(SOME_AXES)
def pad(f: File, x: str, shape: Shape) -> str:
    mode = f.pick(None, "constant", "reflect", "edge", "wrap" if f.opset >= 19 else "edge")
    axes = list(range(len(shape)))
    if f.opset >= 18 and f.chance(0.4):
        axes = f.random.sample(axes, f.whole(1, len(axes)))
    pads = [f.whole(0 if f.chance(0.8) else -1, 3) if f.chance(0.6) else 0 for _ in axes * 2]
    number = f.pick(0.0, 0.0, 1.5)
    if f.opset < 11:
        return f.node("Pad", x, mode=mode, pads=pads, value=f.pick(None, number))
    inputs = [f.integers(pads), f.pick("", f.number(number))]
    if axes != list(range(len(shape))):
        inputs.append(f.integers([axis - len(shape) if f.chance(0.3) else axis for axis in axes]))
    elif inputs[1] == "":
        inputs.pop()
    return f.node("Pad", x, *inputs, mode=mode)
