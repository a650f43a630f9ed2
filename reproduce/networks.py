"""Which networks are bounded: the paper's architectures, and growth series with random weights.

Trained networks are ONNX files. Random ones are made at run time from fixed seeds: fully connected ones as weight
lists, convolutional ones as ONNX.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
INPUTS, OUTPUTS = 784, 10
TRAININGS = ("normal", "pgd")

WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
DEPTHS = (1, 2, 4, 8, 16, 32, 64, 100)
DEPTH_WIDTH = 64
CONVOLUTIONS = (1, 2, 4, 8, 16)
SIZE, CHANNELS = 12, 8  # of the feature maps of the convolutional series


@dataclass(frozen=True)
class Architecture:
    """A fully connected ReLU network with 784 inputs and 10 outputs."""

    name: str
    hidden: tuple[int, ...]

    def file_stem(self, training: str, mnist: bool) -> str:
        """Name of its file, without .onnx."""
        return f"{'mnist' if mnist else 'digits'}-{self.name}-{training}"


ARCHITECTURES = (
    *(Architecture(f"784-{h}-10", (h,)) for h in (8, 16, 64, 128, 256)),
    Architecture("784-64-64-10", (64, 64)),
    Architecture("784-6x64-10", (64,) * 6),
    Architecture("784-7x64-10", (64,) * 7),
)


def architecture(name: str) -> Architecture:
    """The architecture of that name."""
    return next(a for a in ARCHITECTURES if a.name == name)


def read_weights(path: Path) -> list[Array]:
    """The matrices of a chain, first layer first, from one of our own ONNX files or weight lists."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return _chain({name: arrays[name] for name in arrays.files}, "W")
    return _chain(_initialisers(path), "W")


def read_biases(path: Path) -> list[Array]:
    """The biases that go with them."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return _chain({name: arrays[name] for name in arrays.files}, "b")
    return _chain(_initialisers(path), "b")


def _initialisers(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    import onnx
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def _chain(arrays: dict[str, npt.NDArray[np.generic]], letter: str) -> list[Array]:
    found: list[Array] = []
    while f"{letter}{len(found) + 1}" in arrays:
        found.append(arrays[f"{letter}{len(found) + 1}"].astype(np.float64))
    return found


def dense(sizes: tuple[int, ...], path: Path) -> None:
    """Writes a random chain: normal weights of variance 2/fan-in, no biases."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for layer, (before, after) in enumerate(pairwise(sizes), start=1):
        arrays[f"W{layer}"] = rng.normal(0, np.sqrt(2 / before), (after, before))
        arrays[f"b{layer}"] = np.zeros(after)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def convolutional(depth: int, path: Path) -> None:
    """Writes 3x3 convolutions on maps of one size, a ReLU after each, and a dense layer to ten outputs."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights, value, channels = [], [], "input", 1
    for layer in range(1, depth + 1):
        kernel = rng.normal(0, np.sqrt(2 / (9 * channels)), (CHANNELS, channels, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"K{layer}"))
        nodes.append(helper.make_node("Conv", [value, f"K{layer}"], [f"z{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"z{layer}"], [f"h{layer}"]))
        value, channels = f"h{layer}", CHANNELS
    features = CHANNELS * SIZE * SIZE
    last = rng.normal(0, np.sqrt(2 / features), (OUTPUTS, features)).astype(np.float32)
    weights.append(numpy_helper.from_array(last, "W"))
    nodes.append(helper.make_node("Flatten", [value], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "W"], ["logits"], transB=1))
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, OUTPUTS])],
        weights,
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def multiply_adds(series: str, size: int) -> int:
    """Of one forward pass of one column."""
    if series == "width":
        return INPUTS * size + size * OUTPUTS
    if series == "depth":
        return INPUTS * DEPTH_WIDTH + (size - 1) * DEPTH_WIDTH**2 + DEPTH_WIDTH * OUTPUTS
    pixels = SIZE * SIZE
    return pixels * 9 * CHANNELS * (1 + (size - 1) * CHANNELS) + CHANNELS * pixels * OUTPUTS


def series_file(series: str, size: int, folder: Path) -> Path:
    """The file of one network of a growth series, made if it is not there."""
    suffix = "onnx" if series == "convolutions" else "npz"
    path = folder / f"{series}-{size}.{suffix}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"new-{os.getpid()}-{path.name}")
        if series == "width":
            dense((INPUTS, size, OUTPUTS), new)
        elif series == "depth":
            dense((INPUTS, *(DEPTH_WIDTH,) * size, OUTPUTS), new)
        else:
            convolutional(size, new)
        new.rename(path)
    return path
