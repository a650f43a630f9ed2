"""The steepest gradient at many random inputs: half of them uniform in [0, 1], half normal of several sizes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from reproduce import rows
from reproduce.job import Job, Sink
from reproduce.networks import INPUTS, Array, read_biases, read_weights

BATCH = 1000
SIZES = (0.1, 1.0, 10.0)
ROUNDING = 1 - 1e-10  # far more than the rounding of one gradient in double precision


def run(job: Job, sink: Sink) -> None:
    """Searches in single precision; the best input of every output is evaluated again in double precision."""
    started = time.perf_counter()
    weights, biases = read_weights(job.path), read_biases(job.path)
    single: Any = ([w.astype(np.float32) for w in weights], [b.astype(np.float32) for b in biases])
    rng = np.random.default_rng(0)
    outputs = len(weights[-1])
    norms = [norm for norm, _ in job.rows]
    best = {norm: np.zeros(outputs) for norm in norms}
    where = {norm: np.zeros((outputs, INPUTS)) for norm in norms}
    for batch in range(int(job.options["samples"]) // BATCH):
        x = inputs(rng, batch)
        jacobian = jacobians(single[0], single[1], x)  # batch x outputs x inputs
        for norm in norms:
            length = np.abs(jacobian).sum(axis=2) if norm == "linf" else np.sqrt((jacobian**2).sum(axis=2))
            steepest = length.argmax(axis=0)
            for output in np.flatnonzero(length.max(axis=0) > best[norm]).tolist():
                best[norm][output] = length[steepest[output], output]
                where[norm][output] = x[steepest[output]]
    for norm, method in job.rows:
        for output in range(outputs):
            gradient = jacobians(weights, biases, where[norm][output : output + 1])[0, output]
            length = np.abs(gradient).sum() if norm == "linf" else np.sqrt((gradient**2).sum())
            seconds = time.perf_counter() - started
            sink.value(norm, method, rows.ATTAINED, str(output), float(length) * ROUNDING, seconds)
        sink.done(norm, method, note=f"{job.options['samples']} inputs; time is for both norms")


def inputs(rng: np.random.Generator, batch: int) -> Array:
    """One batch of inputs."""
    if batch % 2 == 0:
        return rng.random((BATCH, INPUTS), dtype=np.float32)  # type: ignore[return-value]
    size = np.float32(SIZES[batch // 2 % len(SIZES)])
    return size * rng.standard_normal((BATCH, INPUTS), dtype=np.float32)  # type: ignore[return-value]


def jacobians(weights: list[Array], biases: list[Array], x: Array) -> Array:
    """The derivative of every output at every input: len(x) x outputs x inputs."""
    active = []
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = x @ w.T + b
        active.append(h > 0)
        x = np.maximum(h, 0)
    count, last = len(x), weights[-1]
    backward = np.broadcast_to(last, (count, *last.shape))
    for w, on in zip(reversed(weights[:-1]), reversed(active), strict=True):
        backward = ((backward * on[:, None, :]).reshape(-1, len(w)) @ w).reshape(count, len(last), -1)
    return backward
