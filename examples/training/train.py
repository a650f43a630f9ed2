#!/usr/bin/env python3
"""Train digit classifiers for a small Lipschitz constant, and certify what came out.

    python examples/training/train.py [--out DIR] [--epochs N] [--seeds N]

Three losses on scikit-learn's 8x8 digits (64 inputs in [0, 1], a 64-64-64-10 ReLU network): cross-entropy
alone; with the product of the layers' operator norms as a penalty; with `geolip.torch.LipschitzBound` as a
penalty; each penalty at several strengths. Every network is then bounded by geolip's certified engine, so the
figure compares what was *achieved*, not what each penalty says of itself:

* accuracy against the certified ℓ∞ bound of the steepest logit;
* certified accuracy against the radius: the share of test images that are classified correctly, and provably
  so for every change of every pixel by at most the radius, from the bounds of all margins.

It also measures what a step costs: a 784-256-10 network, batch 128, with and without the penalty.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

import geolip
from geolip.torch import LipschitzBound

WIDTHS = [64, 64, 64, 10]
BATCH = 128
STRENGTHS = {
    "none": [0.0],
    "product of norms": [3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
    "relaxation": [1e-3, 3e-3, 1e-2, 2e-2, 5e-2, 1e-1],
}
RADII = np.linspace(0.0, 0.25, 51)


def network(widths: list[int], seed: int) -> nn.Sequential:
    """A ReLU network."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def product_of_norms(model: nn.Sequential) -> Tensor:
    """‖W_d‖⋯‖W_1‖ in the operator norm of ℓ∞, the largest absolute row sum: bounds every logit's constant."""
    norms = [layer.weight.abs().sum(1).max() for layer in model if isinstance(layer, nn.Linear)]
    return torch.stack(norms).prod()


def penalty_of(name: str, model: nn.Sequential) -> Callable[[], Tensor]:
    """The penalty, as a function of nothing."""
    if name == "relaxation":
        bound = LipschitzBound(model, "linf", "each")
        return lambda: bound().mean()
    return {"none": lambda: torch.zeros(()), "product of norms": lambda: product_of_norms(model)}[name]


def train(name: str, strength: float, data: tuple[Tensor, ...], epochs: int, seed: int) -> nn.Sequential:
    """One network."""
    x, y = data[:2]
    model = network(WIDTHS, seed)
    penalty = penalty_of(name, model)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            loss = F.cross_entropy(model(x[batch]), y[batch])
            if strength:
                loss = loss + strength * penalty()
            loss.backward()
            optimiser.step()
        schedule.step()
    return model


def assess(model: nn.Sequential, data: tuple[Tensor, ...]) -> dict[str, Any]:
    """Accuracies and certified bounds, by the engine."""
    x, y = data[2:]
    net = geolip.from_torch(model, x[:1])
    each, pairs = geolip.bound(net), geolip.bound(net, output="pairs", effort=0)
    logits = net(x.numpy())
    steepness = np.zeros((10, 10))
    for bound in pairs:
        i, j = map(int, bound.output.split("-"))
        steepness[i, j] = steepness[j, i] = bound.upper
    truth = y.numpy()
    margins = logits[np.arange(len(truth)), truth][:, None] - logits  # image × other class; its own is 0
    slopes = steepness[truth]
    own = np.arange(10)[None, :] == truth[:, None]
    certified = [float(np.where(own, True, margins > radius * slopes).all(1).mean()) for radius in RADII]
    return {
        "accuracy": float((logits.argmax(1) == truth).mean()),
        "upper": each.upper,
        "lower": each.lower,
        "certified_accuracy": certified,
    }


def step_times(features: int = 8, steps: int = 100) -> dict[str, float]:
    """Median seconds of a step at batch 128 on 784-256-10, plain and with the penalty of all ten logits.

    Processor time on one thread, the two kinds of step by turns, so that other work on the machine counts little.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    models = [network([784, 256, 10], 0) for _ in range(2)]
    optimisers = [torch.optim.Adam(model.parameters(), 1e-3) for model in models]
    bound = LipschitzBound(models[1], "linf", "each", features=features)
    x, y = torch.rand(BATCH, 784), torch.randint(0, 10, (BATCH,))
    taken: list[list[float]] = [[], []]
    for _ in range(steps):
        for penalised, (model, optimiser) in enumerate(zip(models, optimisers, strict=True)):
            started = time.process_time()
            optimiser.zero_grad()
            loss = F.cross_entropy(model(x), y)
            if penalised:
                loss = loss + 1e-3 * bound().mean()
            loss.backward()
            optimiser.step()
            taken[penalised].append(time.process_time() - started)
    torch.set_num_threads(threads)
    return {"plain": float(np.median(taken[0])), "with the penalty": float(np.median(taken[1]))}


def picture(results: list[dict[str, Any]], path: Path) -> None:
    """The figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    colours = {"none": "black", "product of norms": "tab:orange", "relaxation": "tab:blue"}
    for name, colour in colours.items():
        runs = sorted((r for r in results if r["penalty"] == name), key=lambda r: r["upper"])
        uppers, accuracies = [r["upper"] for r in runs], [100 * r["accuracy"] for r in runs]
        left.plot(uppers, accuracies, "o", color=colour, label=f"penalty: {name}", markersize=4)
        best = max(runs, key=lambda r: sum(r["certified_accuracy"]))
        curve = 100 * np.array(best["certified_accuracy"])
        right.plot(RADII, curve, color=colour, label=f"{name}, strength {best['strength']:g}")
    left.set(xscale="log", xlabel="certified ℓ∞ bound of the steepest logit", ylabel="test accuracy, %")
    right.set(xlabel="radius (largest change of a pixel)", ylabel="certified accuracy, %")
    right.set_title("the best strength of each, by area", fontsize=10)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Everything, into one folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    digits = load_digits()
    split = train_test_split(digits.data / 16, digits.target, test_size=0.25, random_state=0)
    x, x_test, y, y_test = (torch.tensor(part) for part in split)
    data = (x.float(), y, x_test.float(), y_test)
    times = step_times()
    ratio = times["with the penalty"] / times["plain"]
    print(f"a step on 784-256-10, batch 128: {1e3 * times['plain']:.2f} ms plain, {ratio:.2f} times with the penalty")
    results = []
    for name, strengths in STRENGTHS.items():
        for strength in strengths:
            for seed in range(arguments.seeds):
                model = train(name, strength, data, arguments.epochs, seed)
                found = assess(model, data)
                results.append({"penalty": name, "strength": strength, "seed": seed, **found})
                at = found["certified_accuracy"][int(np.searchsorted(RADII, 0.05))]
                print(
                    f"{name:17} {strength:8g} {seed}  accuracy {100 * found['accuracy']:5.1f} %  certified bound "
                    f"{found['upper']:9.3f}  certified accuracy at 0.05 {100 * at:5.1f} %",
                    flush=True,
                )
    arguments.out.mkdir(parents=True, exist_ok=True)
    content = {"radii": RADII.tolist(), "step_seconds": times, "runs": results}
    (arguments.out / "results.json").write_text(json.dumps(content))
    picture(results, arguments.out / "accuracy-against-bound.png")


if __name__ == "__main__":
    main()
