"""The command line: `reproduce/run [--quick] …`, `reproduce/run train …`, `reproduce/run page …`."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reproduce import checks, figures, page, plan, rows, runner, tables
from reproduce.job import Job
from reproduce.networks import ARCHITECTURES, ROOT, TRAININGS

BUDGET = 38 * 60  # seconds after which a full run stops and says what is left
RESULTS = ROOT / "reproduce" / "results"


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What was asked for, or an error of one line."""
    parser = argparse.ArgumentParser(
        prog="reproduce/run",
        description="Repeat the paper's experiments: every method on every network, tables, figures, checks.",
        epilog="reproduce/run train --help trains the networks; reproduce/run page RESULTS writes docs/reproduction.md",
    )
    parser.add_argument("--quick", action="store_true", help="small networks only, three minutes; results in target/")
    parser.add_argument("--data", type=Path, metavar="DIR", help="MNIST's idx files, to train on (default: digits)")
    parser.add_argument("--only", metavar="PATTERN", help="only jobs whose name matches this regular expression")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="folder of the results; rows that are there are not run again"
    )
    parser.add_argument("--geolip", type=Path, metavar="PATH", help="the program (default: target/release/geolip)")
    parser.add_argument("--list", action="store_true", help="print the jobs and stop")
    parser.add_argument("--minutes", type=float, default=BUDGET / 60, help="stop after these (default: %(default)g)")
    chosen = parser.parse_args(given)
    if chosen.data is not None and not chosen.data.is_dir():
        parser.error(f"--data {chosen.data}: no such folder")
    if chosen.geolip is not None and not os.access(chosen.geolip, os.X_OK):
        parser.error(f"--geolip {chosen.geolip}: no such program")
    if chosen.only is not None:
        try:
            re.compile(chosen.only)
        except re.error as error:
            parser.error(f"--only {chosen.only}: {error}")
    return chosen


def find_geolip(given: Path | None) -> Path:
    """The program that was named, or this checkout's, built if it is not there."""
    if given is not None:
        return given.resolve()
    program = ROOT / "target" / "release" / "geolip"
    if not program.exists():
        if shutil.which("cargo") is None:
            sys.exit(f"error: {program} is not there and there is no cargo to build it; name one with --geolip")
        print("building geolip, some minutes", flush=True)
        if subprocess.run(["cargo", "build", "--release", "--bin", "geolip"], cwd=ROOT).returncode != 0:
            sys.exit("error: cargo build failed")
    return program


def machine() -> str:
    """A short name of the machine: processor and cores."""
    model = platform.machine()
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    except OSError:
        pass
    words = re.sub(r"\(R\)|\(TM\)|CPU|Processor|@.*", "", model).split()
    return f"{'-'.join(words[:3]).lower()}-{len(os.sched_getaffinity(0))}-cores"


def centre(mnist: Path | None) -> str:
    """A test image, as text: the first one."""
    from reproduce import train

    _, x_test, _, _ = train.load(mnist)
    return " ".join(repr(float(v)) for v in x_test[0])


def train_missing(folder: Path, data: Path) -> None:
    """The networks of MNIST that are not in the folder yet."""
    from reproduce import train

    for architecture in ARCHITECTURES:
        for training in TRAININGS:
            if not (folder / f"{architecture.file_stem(training, True)}.onnx").exists():
                print(f"training {architecture.name} {training}", flush=True)
                train.train_one(architecture, training, data, folder)


def peers_missing() -> list[str]:
    """What is not installed, and how to install it."""
    from importlib.util import find_spec

    commands = [("csdp", "apt-get install coinor-csdp"), ("dsdp5", "apt-get install dsdp")]
    modules = [
        ("cvxpy", "pip install cvxpy clarabel scs"),
        ("eclipse_nn", "pip install eclipse-nn torch"),
        ("auto_LiRPA", "pip install auto_LiRPA torch"),
    ]
    lacking = [f"{name} ({how})" for name, how in commands if shutil.which(name) is None]
    return lacking + [f"{name} ({how})" for name, how in modules if find_spec(name) is None]


def peers_installed() -> list[str]:
    """Python peers with their versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("numpy", "cvxpy", "clarabel", "scs", "eclipse-nn", "auto_LiRPA", "torch"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def checkout() -> str:
    """The commit that is checked out, if this is a clone."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def say(line: str) -> None:
    """Progress."""
    print(line, flush=True)


def main(given: Sequence[str]) -> int:
    """Runs, tabulates, draws, checks.

    Exit code 0: all well; 1: a check failed; 2: usage; 3: out of time; 130: stopped.
    """
    if given and given[0] == "train":
        from reproduce import train

        return train.main(given[1:])
    if given and given[0] == "page":
        return page.main(given[1:])
    chosen = arguments(given)
    program = find_geolip(chosen.geolip)
    default = ROOT / "target" / "reproduce-quick" if chosen.quick else RESULTS / f"{datetime.date.today()}-{machine()}"
    results: Path = (chosen.results or default).resolve()
    scratch = ROOT / "target" / "reproduce"
    networks = ROOT / "reproduce" / "networks"
    if chosen.data is not None:
        networks = scratch / "mnist"
        networks.mkdir(parents=True, exist_ok=True)
        train_missing(networks, chosen.data)
    mnist, image = chosen.data is not None, centre(chosen.data)
    settings = plan.Settings(str(program), chosen.quick, networks, mnist, scratch, image)
    jobs = [job for job in plan.jobs(settings) if not chosen.only or re.search(chosen.only, job.key)]
    if chosen.list:
        for job in jobs:
            print(f"{job.key}  (at most {job.cap:.0f} s)")
        return 0
    if not jobs:
        print(f"error: --only {chosen.only} matches no job; --list shows them", file=sys.stderr)
        return 2
    for name in peers_missing():
        say(f"not installed: {name}")
    results.mkdir(parents=True, exist_ok=True)
    return run(jobs, results, str(program), chosen.minutes * 60)


def run(jobs: list[Job], results: Path, program: str, deadline: float) -> int:
    """Runs the jobs and makes everything from the rows."""
    path = results / "rows.tsv"
    describe(results, program)
    started = time.monotonic()
    try:
        left = runner.run_all(jobs, path, say=say, deadline=deadline)
    except KeyboardInterrupt:
        print(f"\nstopped; {path} keeps the rows, the same command goes on from there", file=sys.stderr)
        return 130
    say(f"rows done after {runner.clock(time.monotonic() - started)}")
    with (results / "runs.txt").open("a") as file:
        file.write(f"{datetime.datetime.now():%Y-%m-%d %H:%M} {len(jobs)} jobs, {time.monotonic() - started:.0f} s\n")
    found = rows.read(path)
    for table in tables.all_tables(found):
        table.write(results)
    figures.draw(found, results)
    complaints = checks.all_of(found)
    for complaint in complaints:
        print(f"CHECK FAILED: {complaint}", file=sys.stderr)
    for job in left:
        print(f"not run, out of time: {job.key}", file=sys.stderr)
    say(f"tables and figures in {results}")
    if complaints:
        return 1
    say("checks passed: no certified upper bound is below a lower bound, natural = dual, nothing of ours is missing")
    return 3 if left else 0


def describe(results: Path, program: str) -> None:
    """What ran where, beside the rows."""
    if (results / "machine.txt").exists():
        return
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    lines = [
        f"machine: {machine()}",
        f"system: {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"program: {version}, checkout {checkout()}",
        "peers: " + ", ".join(peers_installed()),
        *(f"not installed: {name}" for name in peers_missing()),
    ]
    (results / "machine.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
