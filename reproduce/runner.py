"""Runs the jobs one after the other, each in a process of its own, and appends their rows as they are done."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reproduce import measure, rows
from reproduce.job import Job
from reproduce.networks import ROOT
from reproduce.rows import Row

MEMORY_GIB = 16.0  # of address space
# kinds of jobs in which another program does the work: memory is that program's, and not known where it was stopped
PROGRAMS = ("bound", "upper-only", "exact", "local", "growth", "sweeps", "compare", "sdpa")


def run_all(
    jobs: list[Job],
    path: Path,
    *,
    say: Callable[[str], None],
    execute: Callable[[Job], list[Row]] | None = None,
    deadline: float = math.inf,
) -> list[Job]:
    """Runs what has no rows in the file yet; returns the jobs left over at the deadline (seconds from now)."""
    execute = execute or execute_job
    done = {row.job for row in rows.read(path)}
    left = [job for job in jobs if job.key not in done]
    if len(left) < len(jobs):
        say(f"{len(jobs) - len(left)} of {len(jobs)} jobs have their rows in {path} already")
    started, total = time.monotonic(), sum(job.estimate for job in left)
    behind = 0.0
    for number, job in enumerate(left):
        elapsed = time.monotonic() - started
        if elapsed > deadline:
            return left[number:]
        rest = (total - behind) * (elapsed / behind if behind > 30 else 1)
        say(f"[{number + 1}/{len(left)}] {clock(elapsed)}, about {clock(rest)} left: {job.key}")
        found = execute(job)
        rows.append(path, found)
        for row in found:
            if row.status not in (rows.OK, rows.NOT_APPLICABLE):
                say(f"    {row.method}, {row.norm}: {row.status}{': ' if row.note else ''}{row.note}")
        behind += job.estimate
    return []


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def execute_job(job: Job) -> list[Row]:
    """Runs one job in its process and makes its rows, complete or not."""
    process = measure.run(
        [sys.executable, "-m", "reproduce.job", job.text()],
        timeout=job.cap + 5,
        memory_gib=MEMORY_GIB,
        own_group=True,
        folder=ROOT,
    )
    return collect(job, process)


def collect(job: Job, process: measure.Run) -> list[Row]:
    """The rows of a job from what its process printed."""
    status, note = fate(job, process)
    found = {(norm, method): Row(job.key, job.network, norm, method, status, note=note) for norm, method in job.rows}
    whole = len(job.rows) == 1  # the process is this method and nothing else
    for row in found.values():
        row.peak_mib = math.nan if job.kind in PROGRAMS else process.peak_mib
        row.process_seconds = process.seconds if whole else math.nan
    for line in process.output.splitlines():
        try:
            event = json.loads(line)
            row = found[event["norm"], event["method"]]
        except (ValueError, TypeError, KeyError):
            continue  # what a library prints, or a line cut short
        if event["event"] == "value":
            row.values[event["output"]] = event["value"]
            row.guarantee, row.seconds = event["guarantee"], event["seconds"]
        else:
            row.status, row.note, row.details = event["status"], event["note"], event["details"]
            row.peak_mib = event["peak_mib"] or row.peak_mib
            row.process_seconds = event["process_seconds"] or row.process_seconds
    for row in found.values():
        known = [v for v in row.values.values() if v is not None and not math.isnan(v)]
        row.values = {o: v for o, v in row.values.items() if v is not None and not math.isnan(v)}
        row.value, row.outputs = (max(known), len(known)) if known else (math.nan, 0)
    return list(found.values())


def fate(job: Job, process: measure.Run) -> tuple[str, str]:
    """What a row is that its process did not finish."""
    if process.timed_out:
        return rows.TIMEOUT, f"stopped after {job.cap:.0f} s"
    words = process.errors
    asked = re.search(r"memory allocation of (\d+) bytes failed", words)
    if asked:
        return rows.MEMORY, f"asks for {int(asked[1]) / 2**30:.0f} GiB"
    if re.search(r"MemoryError|bad_alloc|out of memory|Unable to allocate", words, re.IGNORECASE):
        last = [line for line in words.splitlines() if line.strip()][-1]
        return rows.MEMORY, last.strip()[:200]
    last_words = [line.strip() for line in words.splitlines() if line.strip()]
    if process.code < 0:
        return rows.FAILED, f"ended by signal {-process.code}"
    return rows.FAILED, last_words[-1][:200] if last_words else f"exit code {process.code} without a result"
