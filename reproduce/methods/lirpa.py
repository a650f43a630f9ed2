"""auto_LiRPA's bounds of a local Lipschitz constant: bounds of every entry of the Jacobian on a box."""

from __future__ import annotations

import time

import numpy as np

from reproduce import rows
from reproduce.job import Job, Sink, Unavailable
from reproduce.networks import read_biases, read_weights


def run(job: Job, sink: Sink) -> None:
    """One output near one input; in linf the bound is the sum of the entries' largest absolute values."""
    try:
        import torch
        from auto_LiRPA import BoundedModule, BoundedTensor
        from auto_LiRPA.jacobian import JacobianOP
        from auto_LiRPA.perturbations import PerturbationLpNorm
    except ImportError as error:
        raise Unavailable(
            f"{error} (bounds of Jacobians need auto_LiRPA 0.4 or newer, the registry has 0.3)"
        ) from error
    ((norm, method),) = job.rows
    layers: list[torch.nn.Module] = []
    for w, b in zip(read_weights(job.path), read_biases(job.path), strict=True):
        layer = torch.nn.Linear(w.shape[1], w.shape[0])
        layer.weight.data, layer.bias.data = torch.tensor(w).float(), torch.tensor(b).float()
        layers += [layer, torch.nn.ReLU()]
    output = int(job.options["output"])
    network = torch.nn.Sequential(*layers[:-1])

    class Gradient(torch.nn.Module):  # type: ignore[misc]
        """The derivative of one output."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Of every input in the batch."""
            return JacobianOP.apply(network(x)[:, output : output + 1], x)

    centre = torch.tensor([[float(v) for v in str(job.options["centre"]).split()]])
    started = time.perf_counter()
    bounded = BoundedModule(Gradient(), centre)
    ball = PerturbationLpNorm(norm=np.inf, eps=float(job.options["radius"]))
    lower, upper = bounded.compute_jacobian_bounds(BoundedTensor(centre, ball))
    largest = torch.maximum(lower.abs(), upper.abs()).double()
    value = largest.sum() if norm == "linf" else largest.norm()
    sink.value(norm, method, rows.NUMERICAL, str(output), float(value), time.perf_counter() - started)
    sink.done(norm, method)
