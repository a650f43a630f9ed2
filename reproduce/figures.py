"""The figures, as SVG and PNG: markers and direct labels, so that they can be read in black and white."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from reproduce import tables
from reproduce.fit import exponent
from reproduce.networks import ARCHITECTURES, TRAININGS
from reproduce.rows import OK, TIMEOUT, Row

# by the table that they stand below: file name and caption
FIGURES = {
    "values-linf": [("bounds", "Bounds in linf and l2 by network and method")],
    "speed": [("time", "Time for ten outputs by network and method")],
    "ratios": [("ratios", "geolip over the exact FGL")],
    "training": [("training", "Constants after normal and adversarial training")],
    "depth": [("depth", "Bounds by depth")],
    "exponents": [("growth", "Time against size")],
}

# Okabe and Ito's colours, with a marker each
STYLES = {
    "geolip": ("#0072B2", "o", "geolip"),
    "natural form": ("#56B4E9", "x", "natural form"),
    "layer-wise": ("#009E73", "s", "layer-wise"),
    "LiPopt": ("#E69F00", "^", "LiPopt"),
    "ECLipsE-Fast, ours": ("#CC79A7", "D", "ECLipsE-Fast"),
    "norm product": ("#D55E00", "v", "norm product"),
    "sampling": ("#999999", "+", "sampling"),
    "witness": ("#000000", "_", "attained"),
    "exact": ("#000000", "*", "exact"),
}
PEERS = {
    "DSDP": ("#D55E00", "v"),
    "CSDP": ("#E69F00", "^"),
    "CVXPY with Clarabel": ("#CC79A7", "D"),
    "CVXPY with SCS": ("#009E73", "s"),
}
LARGEST = 20.0  # ratio that is drawn at its place; larger ones stand at the edge, with their number
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "svg.hashsalt": "geolip",
        "svg.fonttype": "none",
    }
)


def draw(table: list[Row], folder: Path) -> None:
    """All figures for which there are rows."""
    for name, make in (
        ("bounds", bounds),
        ("time", times),
        ("ratios", ratios),
        ("training", training),
        ("depth", depth),
        ("growth", growth),
    ):
        figure = make(table)
        if figure is not None:
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
            figure.savefig(folder / f"{name}.png", dpi=160, bbox_inches="tight")
            plt.close(figure)


def names(table: list[Row], training: str) -> list[str]:
    """Trained networks of one training."""
    return [n for n in tables.trained_networks(table) if n.endswith(training)]


def plain_ticks(axis: Any) -> None:
    """1, 2, 5, 10, … on a logarithmic axis of a few decades."""
    low, high = axis.get_xlim()
    ticks = [m * 10**e for e in range(-2, 6) for m in (1, 2, 5) if low <= m * 10**e <= high]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))


def label_ends(axis: Any, ends: list[tuple[float, float, str, str]]) -> None:
    """Labels to the right of the ends (x, y, text, colour) of lines, moved apart where they would overlap."""
    axis.figure.canvas.draw()
    unit = 72 / axis.figure.dpi  # points in a pixel
    places = [(unit * axis.transData.transform((x, y))[1], x, y, text, colour) for x, y, text, colour in ends]
    last = -math.inf
    for height, x, y, text, colour in sorted(places):
        last = max(height, last + 11)
        shift = (8, last - height)
        axis.annotate(text, (x, y), xytext=shift, textcoords="offset points", color=colour, va="center")


def bounds(table: list[Row]) -> Any:
    """Every method's largest bound, relative to ours, on the normally trained networks."""
    networks = names(table, "normal")
    if not networks:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 0.8 + 0.78 * len(networks)), sharey=True)
    for axis, norm in zip(axes, ("linf", "l2"), strict=True):
        for method, (colour, marker, label) in STYLES.items():
            shift = (list(STYLES).index(method) - (len(STYLES) - 1) / 2) * 0.1  # those of one place side by side
            for place, network in enumerate(networks):
                ours, row = (tables.own(table, network, norm, m) for m in ("geolip", method))
                if ours and row and row.outputs == ours.outputs:
                    x, y = row.value / ours.value, place + shift
                    style = {"color": colour, "ms": 5, "mew": 1.3, "mfc": "none"}
                    axis.plot(min(x, LARGEST), y, marker, **style)
                    if x > LARGEST:
                        text = f"{x:,.0f} "
                        axis.annotate(
                            text,
                            (LARGEST, y),
                            xytext=(-6, 0),
                            textcoords="offset points",
                            ha="right",
                            va="center",
                            color=colour,
                        )
            axis.plot([], [], marker, color=colour, ms=5, mew=1.3, mfc="none", label=label)
        axis.set_xlim(0.35, LARGEST * 1.15)
        axis.set_xscale("log")
        axis.set_title("ℓ∞" if norm == "linf" else "ℓ2", fontsize=10)
        axis.set_xlabel("value / geolip's certified bound")
        plain_ticks(axis)
        axis.axvline(1, color="#0072B2", lw=0.8)
        axis.yaxis.grid(False)
        axis.tick_params(axis="y", length=0)
        for between in range(1, len(networks)):
            axis.axhline(between - 0.5, color="#999999", lw=0.6)
    axes[0].set_yticks(range(len(networks)), [n.removesuffix(" normal") for n in networks])
    axes[0].set_ylim(len(networks) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncol=5, frameon=False, bbox_to_anchor=(0.5, 0.01))
    figure.tight_layout()
    return figure


def times(table: list[Row]) -> Any:
    """Seconds for ten outputs: ours and every general solver's."""
    networks = names(table, "normal")
    if not networks:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.2), sharey=True, sharex=True)
    for axis, norm in zip(axes, ("linf", "l2"), strict=True):
        for place, network in enumerate(networks):
            ours = tables.own(table, network, norm, "geolip")
            if ours:
                axis.plot(
                    ours.process_seconds,
                    place,
                    "o",
                    color="#0072B2",
                    ms=7,
                    label="geolip, certified" if place == 0 else None,
                )
        for solver, (colour, marker) in PEERS.items():
            for place, network in enumerate(networks):
                group = [
                    r
                    for r in table
                    if r.network == network and r.norm == norm and tables.is_solver(r) and r.method.endswith(solver)
                ]
                done = [r.ten for r in group if r.outputs and (r.status == OK or not solver.endswith("SCS"))]
                if done:
                    axis.plot(min(done), place, marker, color=colour, ms=6)
                elif any(r.status == TIMEOUT for r in group):
                    least = 10 * min(r.process_seconds for r in group if r.status == TIMEOUT)
                    axis.plot(least, place, marker, color=colour, ms=6, mfc="none")
                    axis.annotate(
                        "", (least * 2.2, place), (least, place), arrowprops={"arrowstyle": "->", "color": colour}
                    )
            axis.plot([], [], marker, color=colour, label=solver)
        axis.set_xscale("log")
        axis.set_title("ℓ∞" if norm == "linf" else "ℓ2 (programs reduced for the solvers)", fontsize=10)
        axis.set_xlabel("seconds for ten outputs")
    axes[0].set_yticks(range(len(networks)), [n.removesuffix(" normal") for n in networks])
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(plt.Line2D([], [], marker="v", mfc="none", ls="", color="#555555"))
    labels.append("no output within the cap: more than")
    figure.legend(handles, labels, loc="upper center", ncol=3, frameon=False, bbox_to_anchor=(0.5, 0.01))
    figure.tight_layout()
    return figure


def ratios(table: list[Row]) -> Any:
    """Upper over exact, one point per output, below the constants that are proved."""
    networks = [
        n
        for n in tables.trained_networks(table)
        if tables.own(table, n, "linf", "exact") or tables.own(table, n, "l2", "exact")
    ]
    if not networks:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 0.9 + 0.32 * len(networks)), sharey=True)
    for axis, norm, constant, name in (
        (axes[0], "linf", tables.GROTHENDIECK, "Krivine's bound of $K_G$"),
        (axes[1], "l2", tables.ROOT_HALF_PI, r"$\sqrt{\pi/2}$"),
    ):
        largest = 1.0
        for place, network in enumerate(networks):
            exact, ours = tables.own(table, network, norm, "exact"), tables.own(table, network, norm, "geolip")
            if exact and ours:
                x = [ours.values[o] / v for o, v in exact.values.items()]
                largest = max(largest, *x)
                axis.plot(x, [place] * len(x), "o", color="#0072B2", mfc="none", ms=5)
        axis.axvline(constant, color="#D55E00", ls="--", lw=1.2)
        axis.text(constant, -0.75, f"{name} ≈ {constant:.4f} ", ha="right", va="center", color="#D55E00")
        axis.set_xlim(0.99, constant + 0.02)
        axis.set_xlabel(f"geolip / exact FGL, {'ℓ∞' if norm == 'linf' else 'ℓ2'}")
    axes[0].set_yticks(range(len(networks)), networks)
    axes[0].set_ylim(len(networks) - 0.5, -1.2)
    figure.tight_layout()
    return figure


def training(table: list[Row]) -> Any:
    """Normal against adversarial training, both norms: intervals from the pattern to our bound."""
    shown = [
        a.name for a in ARCHITECTURES if all(tables.own(table, f"{a.name} {t}", "linf", "geolip") for t in TRAININGS)
    ]
    if not shown:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 0.9 + 0.36 * len(shown)), sharey=True)
    for axis, norm in zip(axes, ("linf", "l2"), strict=True):
        for training, colour, marker, shift in (("normal", "#0072B2", "o", -0.15), ("pgd", "#D55E00", "s", 0.15)):
            for place, name in enumerate(shown):
                upper, lower = (tables.own(table, f"{name} {training}", norm, m) for m in ("geolip", "pattern"))
                if upper and lower:
                    axis.plot([lower.value, upper.value], [place + shift] * 2, color=colour, lw=2)
                    axis.plot(upper.value, place + shift, marker, color=colour, ms=6)
            axis.plot(
                [],
                [],
                marker,
                ls="-",
                color=colour,
                label="normal" if training == "normal" else "adversarial (ℓ∞, ε = 0.1)",
            )
        axis.set_xscale("log")
        plain_ticks(axis)
        axis.set_xlabel(f"FGL in {'ℓ∞' if norm == 'linf' else 'ℓ2'}: from what is attained to what is certified")
    axes[0].set_yticks(range(len(shown)), shown)
    axes[0].set_ylim(len(shown) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncol=2, frameon=False, bbox_to_anchor=(0.5, 0.01))
    figure.tight_layout()
    return figure


def depth(table: list[Row]) -> Any:
    """Our bound and the norm product over the best lower bounds, by depth."""
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.8))
    trained = [(len(a.hidden), f"{a.name} normal") for a in ARCHITECTURES if set(a.hidden) == {64}]
    random = [(size, f"depth {size}") for size in tables.sizes(table, "depth")]
    panels = (
        (axes[0], trained, "trained, width 64, ten outputs"),
        (axes[1], random, "random weights, width 64, one output"),
    )
    for axis, group, title in panels:
        axis.set_yscale("log")
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator([d for d, _ in group]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.set_xlabel("hidden layers")
        axis.set_title(title, fontsize=10)
        axis.set_ylabel("ℓ∞ constant")
    figure.tight_layout(w_pad=9)
    figure.subplots_adjust(right=0.88)
    for axis, group, _ in panels:
        ends: list[tuple[float, float, str, str]] = []
        for method, colour, marker, label in (
            ("norm product", "#D55E00", "v", "norm product"),
            ("geolip", "#0072B2", "o", "geolip, certified"),
            ("pattern", "#009E73", "s", "FGL at least"),
            ("witness", "#000000", "^", "Lip at least"),
        ):
            found = [(d, tables.own(table, n, "linf", method)) for d, n in group]
            points = [(d, row.value) for d, row in found if row and row.value > 0]
            if points:
                axis.plot(*zip(*points, strict=True), marker + "-", color=colour, ms=5, lw=1.2)
                ends.append((*points[-1], label, colour))
        label_ends(axis, ends)
    return figure


def growth(table: list[Row]) -> Any:
    """Time against size on log axes, with fitted exponents."""
    figure, axes = plt.subplots(2, 2, figsize=(9.2, 7.2))
    ours = [
        ("geolip", "linf", "geolip, ℓ∞", "#0072B2", "o"),
        ("geolip, upper only", "linf", "geolip, ℓ∞, upper bound only", "#009E73", "s"),
    ]
    panels = (
        (
            axes[0, 0],
            "width",
            "neurons in one hidden layer",
            [
                *ours,
                ("natural, DSDP", "linf", "DSDP, ℓ∞", "#D55E00", "v"),
                ("geolip", "l2", "geolip, ℓ2", "#56B4E9", "x"),
                ("natural, CSDP", "l2", "CSDP, ℓ2", "#E69F00", "^"),
            ],
        ),
        (axes[0, 1], "depth", "hidden layers of 64", ours),
        (axes[1, 0], "convolutions", "3 × 3 convolutions", ours),
    )
    for axis in axes.flat:
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
    for axis, series, label, methods in panels:
        for method, norm, name, colour, marker in methods:
            points = tables.growth_points(table, series, method, norm)
            if not points:
                continue
            done = tables.finished(points)
            cut = [(x, y) for x, y, _ in points if (x, y) not in done]
            power = exponent(tables.finished(points, 64 if series == "width" else 0))
            text = name if math.isnan(power) else f"{name}: power {power:.2f}"
            axis.plot(*zip(*(done or cut), strict=True), marker + "-", color=colour, ms=5, lw=1.2, label=text)
            if cut:
                axis.plot(*zip(*cut, strict=True), marker, color=colour, ms=7, mfc="none")
        axis.set_xlabel(label)
        axis.set_ylabel("seconds, one output")
        if axis.lines:
            axis.legend(frameon=False, loc="upper left")
        axis.margins(0.08, 0.08)
        low, high = axis.get_ylim()
        axis.set_ylim(low, high * (high / low) ** (0.08 + 0.07 * len(methods)))  # room for the legend
    timed = tables.sweep_points(table)
    if timed:
        axis = axes[1, 1]
        for series, colour, marker in (("width", "#0072B2", "o"), ("depth", "#D55E00", "v")):
            own = tables.sweep_points([r for r in table if r.network.startswith(series)])
            if own:
                axis.plot(
                    *zip(*sorted(own), strict=True),
                    marker,
                    color=colour,
                    ms=6,
                    label=f"{series} series: power {exponent(own):.2f}",
                )
        axis.set_xlabel("multiply–adds of a sweep")
        axis.set_ylabel("seconds per sweep, one thread")
        axis.legend(frameon=False)
    else:
        axes[1, 1].set_visible(False)
    figure.tight_layout()
    return figure
