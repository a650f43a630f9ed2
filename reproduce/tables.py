"""The tables made of the rows: one function each, a header and lines of text, written as TSV and shown in the page."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reproduce import checks, rows
from reproduce.fit import exponent
from reproduce.networks import ARCHITECTURES, INPUTS, OUTPUTS, TRAININGS, multiply_adds
from reproduce.rows import Row

GROTHENDIECK = math.pi / (2 * math.log(1 + math.sqrt(2)))
ROOT_HALF_PI = math.sqrt(math.pi / 2)
CLOSE = 2e-5  # a certified bound may lie this far above the optimum, relatively: ten times its tolerance
GUARANTEES = {
    rows.ATTAINED: "Lip is at least this",
    rows.PATTERN: "FGL is at least this",
    rows.EXACT: "the FGL",
    rows.CERTIFIED: "upper, certified",
    rows.NUMERICAL: "upper, to solver tolerance",
    "": "",
}


@dataclass(frozen=True)
class Table:
    """A header and lines of equal length."""

    name: str
    title: str
    header: list[str]
    lines: list[list[str]]
    text: str = ""

    def write(self, folder: Path) -> None:
        """As TSV."""
        with (folder / f"{self.name}.tsv").open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(self.header)
            writer.writerows(self.lines)

    def markdown(self) -> str:
        """For the page."""
        rule = ["---"] * len(self.header)
        return "\n".join("| " + " | ".join(line) + " |" for line in [self.header, rule, *self.lines])


def number(value: float, digits: int = 5) -> str:
    """Significant digits, plain where that is short."""
    if math.isnan(value):
        return "-"
    if value != 0 and not 1e-4 < abs(value) < 1e7:
        return f"{value:.{max(digits - 2, 1)}e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if digits <= 5 else f"{value:,.{max(0, digits - 1 - int(math.log10(abs(value))))}f}"
    return f"{value:.{digits}g}"


def time(value: float) -> str:
    """Seconds, with three digits at most."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def own(table: Iterable[Row], network: str, norm: str, method: str) -> Row | None:
    """The row of a method on a network, if it has a value."""
    for row in table:
        if (row.network, row.norm, row.method) == (network, norm, method) and row.outputs:
            return row
    return None


def trained_networks(table: list[Row]) -> list[str]:
    """In the paper's order."""
    present = {row.network for row in table}
    names = [f"{a.name} {training}" for training in TRAININGS for a in ARCHITECTURES]
    return [name for name in names if name in present]


def everything(table: list[Row], norm: str) -> Table:
    """Every network and method: value, time, memory, what it guarantees."""
    lines = []
    for network in trained_networks(table):
        ours = own(table, network, norm, "geolip")
        group = [row for row in table if row.network == network and row.norm == norm]
        group.sort(key=lambda row: (row.outputs == 0, row.outputs == 1, row.value if row.outputs else 0.0))
        for row in group:
            reference = reference_value(row, ours)
            lines.append(
                [
                    network,
                    row.method,
                    number(row.value, 7),
                    number(row.value / reference, 4) if row.outputs else "-",
                    str(row.outputs) if row.outputs else "-",
                    time(row.seconds),
                    time(row.process_seconds),
                    "-" if math.isnan(row.peak_mib) else f"{row.peak_mib:,.0f}",
                    GUARANTEES[row.guarantee],
                    "" if row.status == rows.OK else row.status,
                    row.note,
                ]
            )
    header = [
        "network",
        "method",
        "value",
        "/ geolip",
        "outputs",
        "own s",
        "process s",
        "MiB",
        "guarantee",
        "status",
        "note",
    ]
    return Table(f"all-{norm}", f"Every method, {norm}", header, lines)


def reference_value(row: Row, ours: Row | None) -> float:
    """Our bound over the outputs that the row covers."""
    if ours is None or not row.values:
        return math.nan
    return max((ours.values.get(output, math.nan) for output in row.values), default=math.nan)


COLUMNS = [
    ("sampling", "sampling"),
    ("witness", "attained"),
    ("exact", "exact"),
    ("geolip", "geolip"),
    ("natural form", "natural"),
    ("layer-wise", "layer-wise"),
    ("LiPopt", "LiPopt"),
    ("ECLipsE-Fast, ours", "ECLipsE-Fast"),
    ("norm product", "norm product"),
]


def values(table: list[Row], norm: str) -> Table:
    """The paper's table: the largest over ten outputs, by network and method."""
    lines = []
    for network in trained_networks(table):
        line = [network]
        for method, _ in COLUMNS:
            row = own(table, network, norm, method)
            complete = row is not None and (method != "exact" or row.outputs == OUTPUTS)
            line.append(number(row.value) if row and complete else "-")
        lines.append(line)
    title = f"Largest bound over ten outputs, {norm}"
    return Table(f"values-{norm}", title, ["network", *(label for _, label in COLUMNS)], lines)


def ratios(table: list[Row]) -> Table:
    """Upper over exact, where the FGL is known, against the constant that is known beforehand."""
    lines = []
    for norm, constant in (("linf", GROTHENDIECK), ("l2", ROOT_HALF_PI)):
        for network in trained_networks(table):
            exact, ours = own(table, network, norm, "exact"), own(table, network, norm, "geolip")
            if exact is None or ours is None:
                continue
            measured = sorted(ours.values[o] / v for o, v in exact.values.items())
            lines.append(
                [
                    norm,
                    network,
                    str(len(measured)),
                    f"{measured[0]:.4f}",
                    f"{measured[len(measured) // 2]:.4f}",
                    f"{measured[-1]:.4f}",
                    f"{math.ceil(constant * 1e4) / 1e4:.4f}",
                ]
            )
    header = ["norm", "network", "outputs", "least", "median", "largest", "proved at most"]
    return Table("ratios", "geolip / exact FGL", header, lines)


def agreement(table: list[Row]) -> Table:
    """Natural, dual and LipSDP, by whom ever solved: the largest relative difference to our certified bound."""
    lines = []
    for norm in ("linf", "l2"):
        for row in table:
            if row.norm != norm or not row.method.startswith(("natural", "dual", "LipSDP")) or not row.outputs:
                continue
            ours = own(table, row.network, norm, "geolip")
            if ours is None:
                continue
            differences = [row.values[o] / ours.values[o] - 1 for o in row.values if o in ours.values]
            if not differences:
                continue
            worst = max(differences, key=abs)
            verdict = row.status if row.status != rows.OK else "agrees" if abs(worst) < CLOSE else "differs"
            lines.append([norm, row.network, row.method, str(row.outputs), f"{worst:+.1e}", verdict])
    header = ["norm", "network", "method", "outputs", "largest difference", "verdict"]
    return Table("agreement", "Natural = dual = LipSDP", header, lines)


def speed(table: list[Row]) -> Table:
    """Ten outputs in linf and l2: our time against that of the fastest peer on the same program."""
    lines = []
    for norm in ("linf", "l2"):
        for network in trained_networks(table):
            ours = own(table, network, norm, "geolip")
            if ours is None:
                continue
            bare = own(table, network, norm, "geolip, upper only")
            peers = [r for r in table if r.network == network and r.norm == norm and is_solver(r)]
            solved = [r for r in peers if r.outputs and r.status in (rows.OK, rows.INACCURATE, rows.TIMEOUT)]
            solved = [r for r in solved if not r.method.endswith("SCS") or r.status == rows.OK]
            capped = [r for r in peers if not r.outputs and r.status == rows.TIMEOUT]
            if solved:
                best = min(solved, key=lambda r: r.ten)
                ratio, seconds, sign = best.ten / ours.process_seconds, best.ten, ""
            elif capped:
                best = min(capped, key=lambda r: r.process_seconds)
                seconds = best.process_seconds * OUTPUTS
                ratio, sign = seconds / ours.process_seconds, "> "
            else:
                continue
            lines.append(
                [
                    norm,
                    network,
                    time(ours.process_seconds),
                    time(bare.process_seconds) if bare else "-",
                    best.method,
                    str(best.outputs),
                    sign + time(seconds),
                    sign + figure(ratio),
                    sign + figure(seconds / bare.process_seconds) if bare else "-",
                ]
            )
    header = [
        "norm",
        "network",
        "geolip, s",
        "upper only, s",
        "fastest peer",
        "outputs measured",
        "ten outputs, s",
        "ratio",
        "ratio, upper only",
    ]
    return Table("speed", "Time for ten outputs beside the fastest peer", header, lines)


def figure(ratio: float) -> str:
    """A ratio with two digits or more."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def is_solver(row: Row) -> bool:
    """Whether the row is of a general solver on one of the paper's programs."""
    return row.method.startswith(("natural, ", "dual, ", "LipSDP, "))


def training(table: list[Row]) -> Table:
    """What linf-adversarial training does to the constants in both norms."""
    lines = []
    for architecture in ARCHITECTURES:
        line = [architecture.name]
        for norm in ("linf", "l2"):
            pair = [own(table, f"{architecture.name} {t}", norm, "geolip") for t in TRAININGS]
            lower = [own(table, f"{architecture.name} {t}", norm, "pattern") for t in TRAININGS]
            if None in pair or None in lower:
                break
            normal, pgd = (row.value for row in pair if row)
            low_normal, low_pgd = (row.value for row in lower if row)
            span = f"{normal / pgd:.2f} ({low_normal / pgd:.2f} to {normal / low_pgd:.2f})"
            line += [number(normal), number(pgd), span]
        else:
            lines.append(line)
    header = ["network"]
    for norm in ("linf", "l2"):
        header += [f"{norm} normal", f"{norm} pgd", f"{norm} normal / pgd (certain)"]
    return Table("training", "Constants after normal and after adversarial training", header, lines)


def depth(table: list[Row]) -> Table:
    """Our bound over what is attained, by depth."""
    lines = []
    names = [*trained_networks(table), *(f"depth {d}" for d in sizes(table, "depth"))]
    for network in names:
        ours = own(table, network, "linf", "geolip")
        pattern, witness = own(table, network, "linf", "pattern"), own(table, network, "linf", "witness")
        product = own(table, network, "linf", "norm product")
        if ours is None or pattern is None or witness is None:
            continue
        gap = [ours.value / low.value if low.value > 0 else math.inf for low in (pattern, witness)]
        lines.append(
            [
                network,
                number(witness.value),
                number(pattern.value),
                number(ours.value),
                number(gap[0], 3),
                number(gap[1], 3),
                number(product.value / ours.value, 3) if product else "-",
                str(ours.details.get("stop", "")),
            ]
        )
    header = [
        "network",
        "Lip at least",
        "FGL at least",
        "geolip",
        "geolip / FGL",
        "geolip / Lip",
        "product / geolip",
        "stop",
    ]
    return Table("depth", "Bound against lower bounds, linf", header, lines)


def sizes(table: list[Row], series: str) -> list[int]:
    """The sizes of a growth series that have rows."""
    found = {row.network for row in table}
    return sorted(int(n.split()[1]) for n in found if n.startswith(f"{series} "))


def growth_points(table: list[Row], series: str, method: str, norm: str) -> list[tuple[float, float, str]]:
    """(Size, seconds for one output, stop or status) of one method in a growth series."""
    found = []
    for size in sizes(table, series):
        row = own(table, f"{series} {size}", norm, method)
        if row is not None:
            seconds = min(s for s in (row.seconds, row.process_seconds) if not math.isnan(s))
            if method.startswith("geolip"):
                seconds = row.process_seconds
            found.append((float(size), seconds, str(row.details.get("stop", row.status))))
    return found


def finished(points: list[tuple[float, float, str]], least: float = 0) -> list[tuple[float, float]]:
    """Those that were not cut short, of at least this size."""
    return [(x, y) for x, y, stop in points if stop not in ("time_limit", rows.TIMEOUT) and x >= least]


def growth(table: list[Row]) -> Table:
    """All points of the growth series."""
    lines = []
    for series in ("width", "depth", "convolutions"):
        for norm in ("linf", "l2"):
            methods = dict.fromkeys(r.method for r in table if r.network.startswith(f"{series} ") and r.norm == norm)
            for method in methods:
                if method in ("pattern", "witness", "sweep"):
                    continue
                for size, seconds, stop in growth_points(table, series, method, norm):
                    row = own(table, f"{series} {int(size)}", norm, method)
                    assert row is not None
                    work = f"{multiply_adds(series, int(size)):.2e}"
                    sweeps = str(row.details.get("iterations", "-"))
                    rank = str(row.details.get("rank", "-"))
                    figures = [number(row.value, 6), time(seconds), f"{row.peak_mib:,.0f}", sweeps, rank, stop]
                    lines.append([series, f"{size:.0f}", norm, method, work, *figures])
    header = [
        "series",
        "size",
        "norm",
        "method",
        "multiply-adds",
        "value",
        "process s",
        "MiB",
        "sweeps",
        "rank",
        "stop",
    ]
    return Table("growth", "Growth series, one output", header, lines)


def sweep_points(table: list[Row]) -> list[tuple[float, float]]:
    """(Multiply-adds of a sweep, seconds) for the sweeps that were timed."""
    found = []
    for row in table:
        if row.method == "sweep" and row.status == rows.OK:
            series, size = row.network.split()
            columns = float(row.details["rank"])
            found.append((2 * columns * multiply_adds(series, int(size)), row.value))
    return found


def exponents(table: list[Row]) -> Table:
    """Fitted exponents, with what was asked of them."""
    width = growth_points(table, "width", "geolip", "linf")
    lines = []

    def line(what: str, points: list[tuple[float, float]], asked: str) -> None:
        value = exponent(points)
        if not math.isnan(value):
            span = f"{min(x for x, _ in points):.3g} to {max(x for x, _ in points):.3g}"
            lines.append([what, str(len(points)), span, f"{value:.2f}", asked])

    for series in ("width", "depth"):
        own_points = sweep_points([row for row in table if row.network.startswith(f"{series} ")])
        line(f"time per sweep, in multiply-adds, {series} series", own_points, "0.9 to 1.1")
    line("time per sweep, in multiply-adds, both", sweep_points(table), "0.9 to 1.1")
    line("whole bound, linf, in width, from 64", finished(width, 64), "at most 1.5")
    bare = finished(growth_points(table, "width", "geolip, upper only", "linf"), 64)
    line("upper bound only, linf, in width, from 64", bare, "")
    line(
        "whole bound, linf, in width, 64 to the number of inputs",
        [p for p in finished(width, 64) if p[0] <= INPUTS],
        "",
    )
    line("whole bound, l2, in width, from 64", finished(growth_points(table, "width", "geolip", "l2"), 64), "")
    line(
        "natural form with DSDP, linf, in width, from 64",
        finished(growth_points(table, "width", "natural, DSDP", "linf"), 64),
        "",
    )
    line(
        "natural form with CSDP, l2, in width, from 64",
        finished(growth_points(table, "width", "natural, CSDP", "l2"), 64),
        "",
    )
    line("whole bound, linf, in depth", finished(growth_points(table, "depth", "geolip", "linf")), "")
    bare = finished(growth_points(table, "depth", "geolip, upper only", "linf"))
    line("upper bound only, linf, in depth", bare, "")
    line("whole bound, linf, in convolutions", finished(growth_points(table, "convolutions", "geolip", "linf")), "")
    return Table("exponents", "Exponents of growth", ["what", "points", "range", "exponent", "asked for"], lines)


def near_an_input(table: list[Row]) -> Table:
    """Local bounds."""
    lines = []
    for row in table:
        if ", radius " in row.network:
            figures = [number(row.value, 6), time(row.seconds), time(row.process_seconds), GUARANTEES[row.guarantee]]
            lines.append([row.network, row.method, *figures, "" if row.status == rows.OK else row.status, row.note])
    header = ["network and region", "method", "value", "own s", "process s", "guarantee", "status", "note"]
    return Table("local", "One output near one digit, linf", header, lines)


def missing(table: list[Row]) -> Table:
    """Every row that is not a plain result, but for methods that do not apply."""
    lines = [
        [row.network, row.norm, row.method, row.status, row.note]
        for row in table
        if row.status not in (rows.OK, rows.NOT_APPLICABLE)
    ]
    return Table("not-done", "Rows that are no plain result", ["network", "norm", "method", "status", "note"], lines)


def all_tables(table: list[Row]) -> list[Table]:
    """In the page's order; peers' verdicts are set first."""
    checks.mark_peers(table)
    return [
        values(table, "linf"),
        values(table, "l2"),
        speed(table),
        ratios(table),
        agreement(table),
        training(table),
        depth(table),
        exponents(table),
        growth(table),
        near_an_input(table),
        missing(table),
        everything(table, "linf"),
        everything(table, "l2"),
    ]
