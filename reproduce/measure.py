"""Runs a program and measures it from outside: wall time from start to exit, and peak resident memory."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """What one process took and printed."""

    code: int
    output: str
    errors: str
    seconds: float
    peak_mib: float
    timed_out: bool


def run(
    command: Sequence[str],
    *,
    timeout: float,
    memory_gib: float | None = None,
    own_group: bool = False,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Run:
    """Runs the command to its end, or kills it at the time limit.

    With `own_group` whatever the command started dies with it. The memory limit is one of address space.
    """

    def limits() -> None:
        if memory_gib is not None:
            size = int(memory_gib * 2**30)
            resource.setrlimit(resource.RLIMIT_AS, (size, size))

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            preexec_fn=limits,
            start_new_session=own_group,
            env=None if environment is None else {**os.environ, **environment},
            cwd=folder,
        )
        try:
            peak, timed_out = _watch(process, started + timeout)
        except BaseException:
            _kill(process, own_group)
            raise
        seconds = time.perf_counter() - started
        if timed_out:
            _kill(process, own_group)
        code = process.wait()
        for file in (output, errors):
            file.seek(0)
        text, complaints = (file.read().decode(errors="replace") for file in (output, errors))
    return Run(code, text, complaints, seconds, peak / 1024, timed_out)


def _watch(process: subprocess.Popen[bytes], deadline: float) -> tuple[int, bool]:
    """Waits for the end; the largest resident size seen in KiB, and whether the deadline passed."""
    peak, pause = 0, 1.0
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            peak = max(peak, _high_water_mark(process.pid))
            left = deadline - time.perf_counter()
            if left <= 0:
                return peak, True
            if poll.poll(min(pause, 1000 * left + 1)):
                return peak, False
            pause = min(pause * 1.2, 50.0)
    finally:
        os.close(descriptor)


def _high_water_mark(pid: int) -> int:
    """Peak resident size in KiB: of the program itself, unlike wait4's, which remembers who started it."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def _kill(process: subprocess.Popen[bytes], group: bool) -> None:
    try:
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass
    process.wait()
