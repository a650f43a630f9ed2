"""Trains the paper's architectures, normally and adversarially, and writes them as ONNX.

reproduce/run train [--data DIR] [--out DIR] [--only NAME ...]

Without --data on scikit-learn's digits resized to 784 pixels, with --data DIR on MNIST, whose idx files lie in DIR. The
optimiser, the digits and the ONNX writer are those of models/train.py; this file adds the adversary: projected gradient
steps on the cross-entropy in l-infinity, from a random start, clipped to [0, 1]. Every random draw has a fixed seed.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reproduce import idx
from reproduce.networks import ARCHITECTURES, ROOT, TRAININGS, Architecture

sys.path.insert(0, str(ROOT / "models"))
examples: Any = importlib.import_module("train")  # models/train.py, which has no types

EPSILON = 0.1
PGD_STEPS = 40
STEP = 2.5 / PGD_STEPS  # in units of epsilon: reaches every point of the ball from every other
SEED = 0
MNIST_EPOCHS = {"normal": 5, "pgd": 2}

Images = Any  # float32 rows of 784 numbers in [0, 1]
Parameters = Any  # [(weight, bias)], each weight out x in


def attack(params: Parameters, x: Images, labels: Any, rng: np.random.Generator, epsilon: float) -> Images:
    """The adversary: images at most epsilon away in every pixel, for which the loss is large."""
    radius, step = np.float32(epsilon), np.float32(STEP * epsilon)
    low, high = np.maximum(x - radius, 0), np.minimum(x + radius, 1)
    moved = np.clip(x + radius * (2 * rng.random(x.shape, dtype=np.float32) - 1), low, high)
    for _ in range(PGD_STEPS):
        moved = np.clip(moved + step * np.sign(input_gradient(params, moved, labels)), low, high)
    return moved


def rising_attack(steps: int) -> Callable[[Parameters, Images, Any], Images]:
    """The adversary of training: epsilon rises from 0 over the first half, or narrow networks learn nothing."""
    rng = np.random.default_rng(SEED)
    calls = itertools.count()

    def perturb(params: Parameters, x: Images, labels: Any) -> Images:
        return attack(params, x, labels, rng, EPSILON * min(1.0, 2 * next(calls) / steps))

    return perturb


def input_gradient(params: Parameters, x: Images, labels: Any) -> Images:
    """Gradient of every image's cross-entropy with respect to the image."""
    acts = examples.forward(params, x)
    delta = np.exp(acts[-1] - acts[-1].max(axis=1, keepdims=True))
    delta /= delta.sum(axis=1, keepdims=True)
    delta[np.arange(len(x)), labels] -= 1
    for i in reversed(range(1, len(params))):
        delta = (delta @ params[i][0]) * (acts[i] > 0)
    return delta @ params[0][0]


def accuracy(params: Parameters, x: Images, labels: Any) -> float:
    """Share of images that are classified as labelled."""
    return float(np.mean(examples.forward(params, x)[-1].argmax(axis=1) == labels))


def load(data: Path | None) -> tuple[Images, Images, Any, Any]:
    """Training images, test images, and their labels."""
    if data is None:
        x_train, x_test, y_train, y_test = examples.load_data()
        return x_train, x_test, y_train, y_test
    return idx.mnist(data)


def train_one(architecture: Architecture, training: str, data: Path | None, out: Path) -> str:
    """Trains one network, writes it, and returns its row of the table in reproduce/networks/README.md."""
    started = time.monotonic()
    x_train, x_test, y_train, y_test = load(data)
    epochs = examples.EPOCHS if data is None else MNIST_EPOCHS[training]
    steps = epochs * (len(x_train) // examples.BATCH)
    perturb = rising_attack(steps) if training == "pgd" else None
    params = examples.train(list(architecture.hidden), x_train, y_train, epochs=epochs, perturb=perturb)
    path = out / f"{architecture.file_stem(training, data is not None)}.onnx"
    model = examples.to_onnx(params, path.stem)
    path.write_bytes(model.SerializeToString(deterministic=True))
    clean, _ = examples.check_file(path, params, x_test, y_test)
    moved = attack(params, x_test, y_test, np.random.default_rng(SEED + 1), EPSILON)
    robust = accuracy(params, moved, y_test)
    seconds = time.monotonic() - started
    return (
        f"| `{path.name}` | {architecture.name} | {training} | {clean:.4f} | {robust:.4f} | {seconds:.0f} s "
        f"| `{examples.sha256(path)[:16]}` |"
    )


def main(arguments: Sequence[str]) -> int:
    """The command `train`."""
    parser = argparse.ArgumentParser(prog="reproduce/run train", description="Train the paper's architectures.")
    parser.add_argument("--data", type=Path, help="folder with the four idx files of MNIST (default: digits)")
    parser.add_argument("--out", type=Path, default=ROOT / "reproduce" / "networks", help="folder for the files")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="such as 784-64-10 or 784-64-10-pgd")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    wanted = [
        (architecture, training)
        for architecture in ARCHITECTURES
        for training in TRAININGS
        if not chosen.only or {architecture.name, f"{architecture.name}-{training}"} & set(chosen.only)
    ]
    if not wanted:
        parser.error(f"--only matches none of {', '.join(a.name for a in ARCHITECTURES)}")
    for architecture, training in wanted:
        try:
            print(train_one(architecture, training, chosen.data, chosen.out), flush=True)
        except idx.NotMnist as error:
            parser.error(str(error))
    return 0
