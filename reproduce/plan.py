"""Which jobs a run consists of, in their order, each with its cap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reproduce.job import Job
from reproduce.methods.compare import METHODS
from reproduce.networks import ARCHITECTURES, CONVOLUTIONS, DEPTHS, TRAININGS, WIDTHS, series_file

NORMS = ("linf", "l2")
OUTPUT = 8  # where a method is given one output only
BRUTE_FORCE = 16  # hidden neurons
EXACT = {  # by hidden neurons and norm: seconds, which outputs
    **{(h, norm): (20, "each") for h in (8, 16) for norm in NORMS},
    **{(64, norm): (30, "each") for norm in NORMS},
    (128, "linf"): (30, str(OUTPUT)),
    (128, "l2"): (30, "each"),
    (256, "l2"): (20, str(OUTPUT)),
}
RADII = (0.01, 0.1)
LOCAL = "784-64-64-10"


@dataclass(frozen=True)
class Settings:
    """What a user chooses."""

    geolip: str
    quick: bool
    networks: Path
    mnist: bool
    scratch: Path
    centre: str


def jobs(settings: Settings) -> list[Job]:
    """All jobs of a run, those that the claims rest on first."""
    solvers = sorted(peers(settings), key=priority)
    return [
        *trained(settings),
        *near_an_input(settings),
        *(job for job in solvers if job.rows[0][0] == "linf"),
        *growing(settings),
        *(job for job in solvers if job.rows[0][0] == "l2"),
    ]


def trained(settings: Settings) -> list[Job]:
    """Our own methods, sampling, exact values and ECLipsE-Fast's package on the trained networks."""
    found = []
    for architecture in ARCHITECTURES:
        if settings.quick and architecture.name not in ("784-8-10", "784-16-10", "784-64-64-10"):
            continue
        deep = len(architecture.hidden) > 1
        for training in TRAININGS:
            if settings.quick and training == "pgd" and architecture.name != "784-8-10":
                continue
            name = f"{architecture.name} {training}"
            file = str(settings.networks / f"{architecture.file_stem(training, settings.mnist)}.onnx")

            def job(
                kind: str,
                rows: list[tuple[str, str]],
                cap: float,
                estimate: float,
                name: str = name,
                file: str = file,
                **options: float | int | str,
            ) -> Job:
                own = {"geolip": settings.geolip, **options}
                return Job(
                    f"{name} {kind} {'+'.join(sorted({n for n, _ in rows}))}",
                    kind,
                    name,
                    file,
                    tuple(rows),
                    cap,
                    own,
                    estimate,
                )

            ours = ("geolip", "pattern", "witness")
            found.append(job("bound", [(n, m) for n in NORMS for m in ours], 120, 4 if deep else 2))
            found.append(job("upper-only", [(n, "geolip, upper only") for n in NORMS], 120, 2))
            methods = list(METHODS.values())
            found.append(job("compare", [("linf", m) for m in methods], 200, 3 if deep else architecture.hidden[0] / 5))
            found.append(
                job("compare", [("l2", m) for m in methods], 100, 3 if deep else 10, limit=3 if settings.quick else 10)
            )
            samples = 20_000 if settings.quick else 200_000
            found.append(
                job("sampling", [(n, "sampling") for n in NORMS], 120, 3 if settings.quick else 15, samples=samples)
            )
            for norm in () if deep else NORMS:
                limit, output = EXACT.get((architecture.hidden[0], norm), (0, ""))
                if limit:
                    cap = 4 * limit + 30
                    found.append(job("exact", [(norm, "exact")], cap, limit, limit=limit, output=output))
            if not settings.quick and training == "normal":
                found.append(job("eclipse", [("l2", "ECLipsE-Fast, package")], 60, 5))
    return found


def peers(settings: Settings) -> list[Job]:
    """General solvers on the same programs, on the normally trained networks.

    In linf the programs keep all 784 inputs, and a solver gets what its cap allows: often one output. Clarabel's and
    SCS's rows in linf show how far they get, and are tried on few networks.
    """
    found = []
    for architecture in ARCHITECTURES:
        deep = len(architecture.hidden) > 1
        if settings.quick and architecture.name not in ("784-8-10", "784-16-10"):
            continue
        name = f"{architecture.name} normal"
        file = str(settings.networks / f"{architecture.file_stem('normal', settings.mnist)}.onnx")
        for norm in ("l2",) if settings.quick else NORMS:
            for form in ("dual",) if deep else ("natural", "dual"):
                for solver in ("dsdp", "csdp", "clarabel", "scs"):
                    cap, outputs = share(architecture.name, architecture.hidden, norm, form, solver)
                    if cap == 0:
                        continue
                    if settings.quick:
                        cap, outputs = 10, 2
                    title = "LipSDP" if norm == "l2" and form == "dual" else form
                    method = f"{title}, {LABELS[solver]}"
                    kind = "convex" if solver in ("clarabel", "scs") else "sdpa"
                    options: dict[str, float | int | str] = {
                        "solver": solver,
                        "form": form,
                        "first": OUTPUT,
                        "outputs": outputs,
                    }
                    key = f"{name} {form} {solver} {norm}"
                    found.append(Job(key, kind, name, file, ((norm, method),), cap, options, cap / 2))
    return found


LABELS = {"dsdp": "DSDP", "csdp": "CSDP", "clarabel": "CVXPY with Clarabel", "scs": "CVXPY with SCS"}


def share(name: str, hidden: tuple[int, ...], norm: str, form: str, solver: str) -> tuple[float, int]:
    """(Cap in seconds, outputs) of one peer on one network; (0, 0) if it is not tried."""
    convex = solver in ("clarabel", "scs")
    if norm == "l2":
        if sum(hidden) <= 64:
            return 20, 2 if convex else 10
        return (10 if convex else 15), 1
    if convex:
        if form != "natural" or name not in ("784-8-10", "784-256-10"):
            return 0, 0
        return (60 if solver == "scs" and name == "784-256-10" else 30), 1
    if name == "784-256-10" and form == "natural":
        return (150, 10) if solver == "dsdp" else (60, 1)
    if name == "784-7x64-10":
        return (150, 1) if solver == "dsdp" else (60, 1)
    if solver == "csdp" and (form == "dual" or name == "784-128-10"):
        return 0, 0
    return (45, 1) if name != "784-6x64-10" else (0, 0)


def priority(job: Job) -> int:
    """Those that the claims rest on first."""
    return not job.network.startswith(("784-256-10", "784-7x64-10"))


def near_an_input(settings: Settings) -> list[Job]:
    """Local bounds around one digit."""
    found = []
    file = str(settings.networks / f"{'mnist' if settings.mnist else 'digits'}-{LOCAL}-normal.onnx")
    for radius in RADII:
        network = f"{LOCAL} normal, radius {radius}"
        options: dict[str, float | int | str] = {
            "geolip": settings.geolip,
            "centre": settings.centre,
            "radius": radius,
            "output": OUTPUT,
        }
        for kind, method, cap in (("local", "geolip", 60), ("local", "witness", 60), ("lirpa", "auto_LiRPA", 60)):
            found.append(Job(f"{network} {method}", kind, network, file, (("linf", method),), cap, options, 1))
    return found


def growing(settings: Settings) -> list[Job]:
    """The growth series: whole bounds of one output, time per sweep, and two peers."""
    found = []
    series = (("width", WIDTHS), ("depth", DEPTHS), ("convolutions", CONVOLUTIONS))
    limit = 5 if settings.quick else 30
    for kind, sizes in series:
        for size in sizes:
            if settings.quick and size > (128 if kind == "width" else 2):
                continue
            network = f"{kind} {size}"
            file = str(series_file(kind, size, settings.scratch))
            options: dict[str, float | int | str] = {"geolip": settings.geolip, "limit": limit, "size": size}
            found.append(Job(f"{network} growth", "growth", network, file, rows_in("linf"), 2 * limit, options, 3))
            upper, bare = (("linf", "geolip, upper only"),), {**options, "effort": 0}
            found.append(Job(f"{network} upper", "growth", network, file, upper, 2 * limit, bare, 3))
            if not settings.quick and ((kind == "width" and size >= 512) or (kind == "depth" and size >= 16)):
                sweeps: dict[str, float | int | str] = {
                    "geolip": settings.geolip,
                    "size": size,
                }
                found.append(Job(f"{network} sweeps", "sweeps", network, file, (("linf", "sweep"),), 60, sweeps, 5))
            peer: dict[str, float | int | str] = {"solver": "dsdp", "form": "natural", "first": 0, "outputs": 1}
            if not settings.quick and kind == "width" and size <= 256:
                found.append(Job(f"{network} dsdp", "sdpa", network, file, (("linf", "natural, DSDP"),), 60, peer, 20))
            if kind == "width" and size <= 512:
                small: dict[str, float | int | str] = {**peer, "solver": "csdp"}
                cap = 10 if settings.quick else 30
                found.append(
                    Job(f"{network} csdp l2", "sdpa", network, file, (("l2", "natural, CSDP"),), cap, small, 5)
                )
                found.append(Job(f"{network} l2", "growth", network, file, rows_in("l2"), 2 * limit, options, 3))
    return found


def rows_in(norm: str) -> tuple[tuple[str, str], ...]:
    """The three rows of our own program in one norm."""
    return tuple((norm, method) for method in ("geolip", "pattern", "witness"))
