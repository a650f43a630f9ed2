"""Our own program, as a user runs it: whole processes of the release binary."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

from reproduce import measure, rows
from reproduce.job import Job, Sink, Stopped

RUNS = 3
SHORT = 5.0  # seconds


class Failed(Exception):
    """The program ended with an error."""


def call(job: Job, *arguments: str) -> tuple[Any, measure.Run]:
    """Runs `geolip bound … --json` on the job's network."""
    command = [job.geolip, "bound", job.file, "--json", *arguments]
    run = measure.run(command, timeout=job.cap)
    if run.timed_out:
        raise Stopped
    if run.code != 0:
        raise Failed(run.errors.strip().splitlines()[-1] if run.errors.strip() else f"exit code {run.code}")
    return json.loads(run.output), run


def bound(job: Job, sink: Sink) -> None:
    """All outputs with default options; times are the median of three runs."""
    for norm, _ in job.rows:
        runs = sorted((call(job, "--norm", norm) for _ in range(RUNS)), key=lambda pair: pair[1].seconds)
        report, run = runs[RUNS // 2]
        worst = max(report["bounds"], key=lambda b: float(b["upper"]))
        details: dict[str, float | str | bool] = {
            "stop": " ".join(sorted({b["stop"] for b in report["bounds"]})),
            "iterations": max(b["iterations"] for b in report["bounds"]),
            "rank": max(b["rank"] for b in report["bounds"]),
            "relaxation": worst["relaxation"],
            "factor": worst["factor"] or math.inf,
            "lip_is_fgl": all(b["lip_is_fgl"] for b in report["bounds"]),
            "closed_form": " ".join(str(b["output"]) for b in report["bounds"] if "closed form" in b["method"]),
        }
        parts = (
            ("geolip", "upper", rows.CERTIFIED),
            ("pattern", "pattern_lower", rows.PATTERN),
            ("witness", "lower", rows.ATTAINED),
        )
        for method, name, guarantee in parts:
            own = details if method == "geolip" else {}
            for b in report["bounds"]:
                sink.value(norm, method, guarantee, b["output"], b[name], report["seconds"])
            sink.done(norm, method, process_seconds=run.seconds, peak_mib=run.peak_mib, details=own)


def upper_only(job: Job, sink: Sink) -> None:
    """The same with as little work on lower bounds as there can be: what a general solver is compared with."""
    for norm, method in job.rows:
        runs = sorted(
            (call(job, "--norm", norm, "--effort", "0") for _ in range(RUNS)), key=lambda pair: pair[1].seconds
        )
        report, run = runs[RUNS // 2]
        for b in report["bounds"]:
            sink.value(norm, method, rows.CERTIFIED, b["output"], b["upper"], report["seconds"])
        sink.done(norm, method, process_seconds=run.seconds, peak_mib=run.peak_mib, note="--effort 0")


def exact(job: Job, sink: Sink) -> None:
    """Branch and bound: the FGL of every output that is finished within the limit."""
    limit, output = job.options["limit"], str(job.options["output"])
    for norm, method in job.rows:
        report, run = call(job, "--norm", norm, "--exact", "--time-limit", str(limit), "--output", output)
        closed = [b for b in report["bounds"] if b["exact"]]
        for b in closed:
            sink.value(norm, method, rows.EXACT, b["output"], b["pattern_lower"], report["seconds"])
        upper = {f"upper {b['output']}": float(b["upper"]) for b in report["bounds"]}
        note = f"{len(closed)} of {len(report['bounds'])} outputs within {limit} s"
        sink.done(
            norm,
            method,
            rows.OK if len(closed) == len(report["bounds"]) else rows.TIMEOUT,
            process_seconds=run.seconds,
            peak_mib=run.peak_mib,
            note=note,
            details={**upper, "cases": sum(b["cases"] or 0 for b in report["bounds"])},
        )


def local(job: Job, sink: Sink) -> None:
    """One output near one input."""
    with tempfile.TemporaryDirectory() as folder:
        centre = Path(folder) / "centre.txt"
        centre.write_text(str(job.options["centre"]))
        for norm, method in job.rows:
            radius, output = str(job.options["radius"]), str(job.options["output"])
            report, run = call(job, "--norm", norm, "--center", str(centre), "--radius", radius, "--output", output)
            for b in report["bounds"]:
                name, guarantee = ("lower", rows.ATTAINED) if method == "witness" else ("upper", rows.CERTIFIED)
                sink.value(norm, method, guarantee, b["output"], b[name], report["seconds"])
            sink.done(norm, method, process_seconds=run.seconds, peak_mib=run.peak_mib)


def growth(job: Job, sink: Sink) -> None:
    """One output of a network of a growth series, with a time limit of its own; of short runs the median of three."""
    limit = ("--time-limit", str(job.options["limit"]), "--effort", str(job.options.get("effort", 1)))
    for norm in dict.fromkeys(norm for norm, _ in job.rows):
        runs = [call(job, "--norm", norm, "--output", "0", *limit)]
        while len(runs) < RUNS and runs[0][1].seconds < SHORT:
            runs.append(call(job, "--norm", norm, "--output", "0", *limit))
        report, run = sorted(runs, key=lambda pair: pair[1].seconds)[len(runs) // 2]
        (b,) = report["bounds"]
        own = {name: b[name] for name in ("stop", "iterations", "rank", "relaxation")}
        parts = {
            "geolip": ("upper", rows.CERTIFIED, own),
            "geolip, upper only": ("upper", rows.CERTIFIED, own),
            "pattern": ("pattern_lower", rows.PATTERN, {}),
            "witness": ("lower", rows.ATTAINED, {}),
        }
        for method in (m for n, m in job.rows if n == norm):
            name, guarantee, details = parts[method]
            sink.value(norm, method, guarantee, b["output"], b[name], report["seconds"])
            sink.done(norm, method, process_seconds=run.seconds, peak_mib=run.peak_mib, details=details)


WINDOWS = ((1.0, 3.0), (0.4, 1.2), (0.15, 0.45), (0.05, 0.15))  # seconds


def sweeps(job: Job, sink: Sink) -> None:
    """Seconds per sweep: what more sweeps cost, by two runs of one seed that end at different times.

    Both have to be stopped by their limits, before they converge, at one rank, so that what they do besides sweeping is
    the same; the longest times for which this is so are taken.
    """
    norm, method = job.rows[0]
    ends = []
    for window in WINDOWS:
        found = []
        for limit in window:
            arguments = ("--norm", norm, "--output", "0", "--effort", "0", "--threads", "1", "--tol", "1e-13")
            report, run = call(job, *arguments, "--time-limit", str(limit))
            found.append((report["bounds"][0], run))
        (few, _), (many, run) = found
        count = many["iterations"] - few["iterations"]
        if few["rank"] == many["rank"] and few["stop"] == many["stop"] == "time_limit" and count >= 10:
            seconds = (window[1] - window[0]) / count
            sink.value(norm, method, "", "0", seconds, seconds)
            details = {"rank": many["rank"], "sweeps": count, "window": window[1] - window[0]}
            sink.done(norm, method, peak_mib=run.peak_mib, details=details)
            return
        ends.append(f"{few['iterations']} to {many['iterations']} sweeps at rank {few['rank']} to {many['rank']}")
    sink.done(norm, method, rows.INACCURATE, note="; ".join(ends))
