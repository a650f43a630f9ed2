"""ECLipsE-Fast from its own package, in l2, one output after the other."""

from __future__ import annotations

import time

from reproduce import rows
from reproduce.job import Job, Sink, Unavailable
from reproduce.networks import read_weights


def run(job: Job, sink: Sink) -> None:
    """The package's function for weights, slopes 0 and 1."""
    try:
        import torch
        from eclipse_nn import ECLipsE_Fast
    except ImportError as error:
        raise Unavailable(f"{error}: pip install eclipse-nn torch") from error
    ((norm, method),) = job.rows
    weights = [torch.tensor(w, dtype=torch.float64) for w in read_weights(job.path)]
    seconds = 0.0
    slopes = len(weights) - 1
    for output in range(int(job.options.get("outputs", len(weights[-1])))):
        started = time.perf_counter()
        value = ECLipsE_Fast([*weights[:-1], weights[-1][output : output + 1]], [0.0] * slopes, [1.0] * slopes)
        seconds += time.perf_counter() - started
        sink.value(norm, method, rows.NUMERICAL, str(output), float(value), seconds)
    sink.done(norm, method)
