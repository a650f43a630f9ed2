"""CSDP and DSDP, two interior-point solvers, on files in the SDPA format."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path

from reproduce import measure, programs, rows, sdpa
from reproduce.job import Job, Sink, Unavailable
from reproduce.networks import read_weights

PROGRAMS = {"csdp": "csdp", "dsdp": "dsdp5"}
PACKAGES = {"csdp": "coinor-csdp", "dsdp": "dsdp"}
SOLVE_TIME = {"csdp": r"Total time:\s*(\S+)", "dsdp": r"DSDP Preparation and Solve Time:\s*(\S+)"}
TOLERANCE = "1e-6"  # relative gap, as geolip's own
CSDP_PARAMETERS = """axtol=1.0e-8
atytol=1.0e-8
objtol=1.0e-6
pinftol=1.0e8
dinftol=1.0e8
maxiter=100
minstepfrac=0.90
maxstepfrac=0.97
minstepp=1.0e-8
minstepd=1.0e-8
usexzgap=1
tweakgap=0
affine=0
printlevel=1
perturbobj=1
fastmode=0
"""  # its defaults, but for the gap


def run(job: Job, sink: Sink) -> None:
    """One output after the other, until all are done or the runner ends it.

    The value is that of the minimisation: the side whose feasible points are upper bounds.
    """
    ((norm, method),) = job.rows
    solver = str(job.options["solver"])
    program = shutil.which(PROGRAMS[solver])
    if program is None:
        raise Unavailable(f"{PROGRAMS[solver]} is not installed: apt-get install {PACKAGES[solver]}")
    build = programs.natural if job.options["form"] == "natural" else programs.dual
    weights = read_weights(job.path)
    seconds, whole, peak, spoken = 0.0, 0.0, 0.0, set()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.dat-s"
        (Path(folder) / "param.csdp").write_text(CSDP_PARAMETERS)
        for output in outputs(job, len(weights[-1])):
            data = build(weights, programs.functional(weights, output), norm)
            sdpa.write(data, path)
            command = [program, str(path)]
            if solver == "dsdp":
                command += ["-gaptol", TOLERANCE]
            left = job.cap - (time.perf_counter() - started)
            if left <= 0:
                break
            process = measure.run(command, timeout=left, folder=Path(folder))
            peak = max(peak, process.peak_mib)
            if process.timed_out:
                spoken.add(f"output {output} stopped after {process.seconds:.0f} s")
                break
            optimum, verdict = answer(solver, process.output)
            own = re.search(SOLVE_TIME[solver], process.output)
            seconds += float(own[1]) if own else process.seconds
            whole += process.seconds
            if optimum is None:
                sink.done(norm, method, rows.FAILED, note=verdict or process.errors[-200:], peak_mib=peak)
                return
            if verdict:
                spoken.add(verdict)
            sink.value(norm, method, rows.NUMERICAL, str(output), data.bound(optimum), seconds)
    done = not any("stopped" in word for word in spoken)
    status = rows.TIMEOUT if not done else rows.INACCURATE if spoken else rows.OK
    sink.done(norm, method, status, note="; ".join(sorted(spoken)), peak_mib=peak, process_seconds=whole)


def outputs(job: Job, count: int) -> list[int]:
    """Which outputs, in which order: the one asked for first."""
    first = int(job.options.get("first", 0))
    order = [first, *(i for i in range(count) if i != first)]
    return order[: int(job.options.get("outputs", count))]


def answer(solver: str, text: str) -> tuple[float | None, str]:
    """The optimum of the minimisation, and the solver's complaint if it has one."""
    if solver == "csdp":
        found = re.search(r"Dual objective value:\s*(\S+)", text)
        verdict = "" if "Success: SDP solved" in text else last_line(text, "CSDP")
        return (float(found[1]) if found else None), verdict
    found = re.search(r"DSDP Solution:\s*(\S+)", text)
    verdict = "" if re.search(r"DSDP Converged", text) else "DSDP does not say that it converged"
    return (-float(found[1]) if found else None), verdict


def last_line(text: str, solver: str) -> str:
    """What the solver said instead of success."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"Success|Fail|Stuck|Declaring|Lack", line)]
    return f"{solver}: {lines[-1]}" if lines else f"{solver} says neither success nor failure"
