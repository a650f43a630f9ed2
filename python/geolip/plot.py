"""Pictures of bounds, with matplotlib. Every function draws into `ax` (a new one if none) and returns it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._bound import NetworkLike, Norm, bound
from ._compare import Comparison
from ._network import Network, from_bytes, load, network_of
from ._report import Report
from .errors import GeolipError, OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["against_radius", "bounds", "certified_accuracy", "comparison", "growth"]

UPPER, LOWER, PATTERN = "#9ec5ef", "#1f6fc5", "#c2410c"


def _axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def bounds(report: Report, ax: Axes | None = None) -> Axes:
    """Every output's bounds: a bar to `lower` (attained), on to `upper` (certified), and a mark at `pattern_lower`."""
    count = len(report)
    ax = _axes(ax, (6.4, 1.2 + 0.28 * count))
    rows = np.arange(count)
    ax.barh(rows, report.uppers, color=UPPER, label="upper (certified)")
    ax.barh(rows, report.lowers, color=LOWER, label="lower (attained)")
    ax.plot(report.pattern_lowers, rows, "|", color=PATTERN, markersize=11, markeredgewidth=2, label="pattern")
    for row, item in enumerate(report):
        gap = "exact" if item.exact else f"{100 * item.gap:.2g} %"
        ax.annotate(gap, (item.upper, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set(yticks=rows, yticklabels=report.outputs, ylabel="output", xlabel=f"Lipschitz constant, {report.norm}")
    ax.set_xlim(0, 1.1 * report.upper or 1.0)
    ax.invert_yaxis()
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / (0.2 + 0.28 * count)), ncols=3, frameon=False, fontsize=8)
    return ax


def growth(network: NetworkLike, norm: Norm = "linf", ax: Axes | None = None, **options: Any) -> Axes:
    """The bound up to every layer of an ONNX network: the largest entry of the layer, layer by layer.

    Each layer is a question of its own (`geolip.bound` with ``output="linf"`` and `options`), so this takes a
    few times as long as bounding the network.
    """
    net = network_of(network)
    names, values = [], []
    nodes = net.info["nodes"]
    before = [a for a, b in itertools.pairwise(nodes) if b["slope"] is not None and a["slope"] is None]
    layers = [node["name"] for node in before] + [None]
    options = {"tol": 1e-3, "effort": 0.0, **options}
    for name in layers:
        try:
            part = net if name is None else _until(net, name)
            report = bound(part, norm, "linf", **options)
        except GeolipError as error:
            if name is None:
                raise
            raise OptionError(f"the network up to layer '{name}' cannot be bounded: {error}") from error
        names.append(name or "output")
        values.append((report.pattern_lower, report.upper))
    lower, upper = np.array(values).T
    ax = _axes(ax)
    ax.fill_between(range(len(names)), lower, upper, color=UPPER, alpha=0.6)
    ax.plot(upper, "o-", color=LOWER, label="upper (certified)", markersize=4)
    ax.plot(lower, ".--", color=PATTERN, label="pattern")
    ax.set(yscale="log", xticks=range(len(names)), ylabel=f"largest entry's constant, {norm}")
    ax.set_xticklabels(names, rotation=45, ha="right", fontsize=8)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def _until(net: Network, name: str) -> Network:
    """The network up to an inner node."""
    reading = {**net._reading, "output_name": None, "until": name}
    if net._source is not None:
        return from_bytes(net._source, net._name, **reading)
    if net.path is None:
        raise OptionError("the network has no source to read again")
    return load(net.path, **reading)


def against_radius(
    radii: npt.ArrayLike,
    reports: Sequence[Report | float],
    reference: Report | float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Bounds that hold near an input, against how near.

    Args:
        radii: shape (count,).
        reports: one report, or upper bound, per radius.
        reference: the bound that holds everywhere.
    """
    ax = _axes(ax)
    uppers = [r.upper if isinstance(r, Report) else float(r) for r in reports]
    ax.plot(radii, uppers, "o-", color=LOWER, markersize=4, label="upper (certified)")
    if all(isinstance(r, Report) for r in reports):
        lowers = [r.pattern_lower for r in reports if isinstance(r, Report)]
        ax.plot(radii, lowers, ".--", color=PATTERN, label="pattern")
    if reference is not None:
        level = reference.upper if isinstance(reference, Report) else float(reference)
        ax.axhline(level, color="grey", linestyle=":", label="everywhere")
    ax.set(xlabel="radius", ylabel="Lipschitz constant")
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def certified_accuracy(
    radii: npt.ArrayLike, accuracies: Mapping[str, npt.ArrayLike] | npt.ArrayLike, ax: Axes | None = None
) -> Axes:
    """The share of inputs that are classified correctly, provably for every change up to the radius.

    Args:
        radii: shape (count,).
        accuracies: between 0 and 1, shape (count,); or one such array per name.
    """
    ax = _axes(ax)
    curves = accuracies if isinstance(accuracies, Mapping) else {"": accuracies}
    for name, curve in curves.items():
        ax.plot(radii, 100 * np.asarray(curve, dtype=float), drawstyle="steps-post", label=name or None)
    ax.set(xlabel="radius", ylabel="certified accuracy, %", ylim=(0, 100))
    ax.grid(alpha=0.3)
    if any(curves):
        ax.legend()
    return ax


def comparison(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """The table of `geolip.compare` as bars, on a logarithmic scale; methods that cannot run are left out."""
    rows = [m for m in comparison if m.value]
    ax = _axes(ax, (7.0, 1.2 + 0.32 * len(rows)))
    colours = [LOWER if "geolip" in m.method else UPPER if m.upper else "#c9d1d9" for m in rows]
    values = [m.value or 0.0 for m in rows]
    ax.barh(range(len(rows)), values, color=colours)
    for row, value in enumerate(values):
        ax.annotate(f"{value:.4g}", (value, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    sides = {"attained": "≤ Lip", "pattern_attained": "≤ FGL", "exact": "= FGL"}
    labels = [f"{m.title} {sides.get(m.guarantee or '', '≥ FGL')}" for m in rows]
    ax.set(yticks=range(len(rows)), yticklabels=labels, xlabel=f"value, {comparison.norm}", xscale="log")
    ax.set_xlim(0.5 * min(values), 3 * max(values))
    ax.invert_yaxis()
    return ax
