#!/usr/bin/env python3
"""Train the small ReLU networks in this folder and write them as ONNX.

    python models/train.py [--out DIR]

The data are scikit-learn's bundled 8x8 digits, resized to 28x28 so that the
networks take 784 inputs. Nothing is downloaded. Every random draw comes from
SEED and BLAS runs on one thread, so a rerun on the same machine with the
versions in requirements.txt gives the same bytes. BLAS picks its kernels by
CPU model, so another machine may give slightly different weights.
"""

import os

# BLAS reads these when numpy is imported, so they are set first.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 0
INPUTS, CLASSES = 28 * 28, 10

# File stem -> widths of the hidden layers.
MODELS = {
    "digits-784-64-10": [64],
    "digits-784-256-10": [256],
    "digits-784-64-64-10": [64, 64],
    "digits-784-7x64-10": [64] * 7,
}
NPZ_MODEL = "digits-784-64-10"  # also written as a weight list

EPOCHS = 100
BATCH = 64
LEARNING_RATE = 2e-3  # falls linearly to zero
WEIGHT_DECAY = 0.5  # decoupled; multiplied by the learning rate; weights only
MIN_ACCURACY = 0.95  # the script fails below this


def bilinear_matrix(size_in, size_out):
    """Matrix of 1-D linear interpolation, size_out x size_in.

    Pixels are unit cells with the value at the centre, so output pixel i
    reads the input at (i + 0.5) * size_in / size_out - 0.5, clamped to the
    first and last centres.
    """
    pos = (np.arange(size_out) + 0.5) * size_in / size_out - 0.5
    pos = np.clip(pos, 0, size_in - 1)
    low = np.minimum(pos.astype(int), size_in - 2)
    frac = pos - low
    rows = np.arange(size_out)
    matrix = np.zeros((size_out, size_in))
    matrix[rows, low] = 1 - frac
    matrix[rows, low + 1] = frac
    return matrix


def load_data():
    """Images as float32 rows of 784 values in [0, 1]; 3/4 train, 1/4 test."""
    images, labels = load_digits(return_X_y=True)
    up = bilinear_matrix(8, 28)
    images = up @ (images.reshape(-1, 8, 8) / 16) @ up.T
    images = images.reshape(-1, INPUTS).astype(np.float32)
    return train_test_split(
        images, labels, test_size=0.25, random_state=SEED, stratify=labels
    )


def forward(params, x):
    """Activations of every layer, the input first and the logits last."""
    acts = [x]
    for i, (weight, bias) in enumerate(params):
        z = acts[-1] @ weight.T + bias
        acts.append(z if i == len(params) - 1 else np.maximum(z, 0))
    return acts


def gradients(params, x, labels):
    """Gradient of the mean cross-entropy, in the order of `flat`."""
    acts = forward(params, x)
    prob = np.exp(acts[-1] - acts[-1].max(axis=1, keepdims=True))
    prob /= prob.sum(axis=1, keepdims=True)
    delta = (prob - np.eye(CLASSES, dtype=np.float32)[labels]) / np.float32(len(x))
    grads = []
    for i in reversed(range(len(params))):
        grads += [delta.sum(axis=0), delta.T @ acts[i]]
        delta = (delta @ params[i][0]) * (acts[i] > 0)
    return grads[::-1]


def train(hidden, x, labels, epochs=EPOCHS, perturb=None):
    """AdamW in float32. Returns [(weight, bias)], each weight out x in.

    `perturb(params, x, labels)`, if given, replaces the images of a batch.
    """
    rng = np.random.default_rng(SEED)
    sizes = [INPUTS, *hidden, CLASSES]
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        weight = rng.normal(0, np.sqrt(2 / n_in), (n_out, n_in))
        params.append((weight.astype(np.float32), np.zeros(n_out, np.float32)))
    # Start as if the inputs were centred; otherwise, since no pixel is
    # negative, many units of the first layer would never be active.
    params[0][1][:] = -params[0][0] @ x.mean(axis=0)

    flat = [p for pair in params for p in pair]  # views, updated in place
    mean = [np.zeros_like(p) for p in flat]
    square = [np.zeros_like(p) for p in flat]
    batches = len(x) // BATCH
    steps = epochs * batches
    for step in range(steps):
        if step % batches == 0:
            order = rng.permutation(len(x))
        start = step % batches * BATCH
        rows = order[start : start + BATCH]
        images = x[rows] if perturb is None else perturb(params, x[rows], labels[rows])
        rate = LEARNING_RATE * (1 - step / steps)
        fix_mean, fix_square = 1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)
        for p, g, m, s in zip(flat, gradients(params, images, labels[rows]), mean, square):
            m += 0.1 * (g - m)
            s += 0.001 * (g * g - s)
            if p.ndim == 2:
                p *= 1 - rate * WEIGHT_DECAY
            p -= rate * (m / fix_mean) / (np.sqrt(s / fix_square) + 1e-8)
    return params


def to_onnx(params, name):
    """Gemm (transB=1), Relu, Gemm, ..., Gemm; the weights stay out x in."""
    nodes, weights, value = [], [], "input"
    for i, (weight, bias) in enumerate(params, start=1):
        last = i == len(params)
        out = "logits" if last else f"z{i}"
        weights += [
            numpy_helper.from_array(weight, f"W{i}"),
            numpy_helper.from_array(bias, f"b{i}"),
        ]
        nodes.append(
            helper.make_node(
                "Gemm", [value, f"W{i}", f"b{i}"], [out], name=f"gemm{i}", transB=1
            )
        )
        if not last:
            value = f"h{i}"
            nodes.append(helper.make_node("Relu", [out], [value], name=f"relu{i}"))
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", INPUTS])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        weights,
    )
    model = helper.make_model(
        graph,
        producer_name="geolip",
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 13)],
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def check_file(path, params, x, labels):
    """Run the file in onnxruntime on the test images.

    Returns its accuracy and its largest difference from the trained weights
    evaluated in float64.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"input": x})
    exact = [(w.astype(np.float64), b.astype(np.float64)) for w, b in params]
    expected = forward(exact, x.astype(np.float64))[-1]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    accuracy = np.mean(logits.argmax(axis=1) == labels)
    return accuracy, np.abs(logits - expected).max()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="folder for the files (default: the folder of this script)",
    )
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    x_train, x_test, y_train, y_test = load_data()
    for name, hidden in MODELS.items():
        params = train(hidden, x_train, y_train)
        path = out / f"{name}.onnx"
        path.write_bytes(to_onnx(params, name).SerializeToString(deterministic=True))
        accuracy, error = check_file(path, params, x_test, y_test)
        count = sum(p.size for pair in params for p in pair)
        print(f"{path.name}: {count} parameters, test accuracy {accuracy:.4f}, "
              f"largest logit difference {error:.1e}")
        print(f"  sha256 {sha256(path)}")
        if accuracy < MIN_ACCURACY:
            raise SystemExit(f"{name}: test accuracy is below {MIN_ACCURACY}")
        if name == NPZ_MODEL:
            path = out / f"{name}.npz"
            arrays = {}
            for i, (weight, bias) in enumerate(params, start=1):
                arrays |= {f"W{i}": weight, f"b{i}": bias}
            np.savez(path, **arrays)
            print(f"{path.name}: the same weights\n  sha256 {sha256(path)}")


if __name__ == "__main__":
    main()
