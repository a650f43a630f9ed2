"""Many questions: `geolip.map` on any executor, with results as they complete.

A *job* is a dictionary of arguments of :func:`geolip.bound`; :func:`sweep` makes one for every combination.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ._bound import bound
from ._network import Network
from ._radius import Radii, Radius
from ._report import Report

# jobs that an executor has at a time: enough to keep many workers busy, few enough to hold in memory
PENDING = 256


@dataclass(frozen=True)
class Result:
    """What became of one job."""

    index: int
    """The job's place among all, from 0."""
    job: Any
    """The job."""
    key: str
    """What the job is called in the file of results: equal jobs have equal keys."""
    value: Any = None
    """What came out; for jobs of `bound` that were read back from a file, what `Report.to_dict()` gave."""
    error: str | None = None
    """Why there is no value, as ``TypeOfError: message``."""
    seconds: float = 0.0
    """How long it took, where it ran."""
    resumed: bool = False
    """Whether it was read back from the file of results."""

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


def sweep(
    networks: Network | str | os.PathLike[str] | Iterable[Network | str | os.PathLike[str]],
    **options: Any,
) -> list[dict[str, Any]]:
    """One job for every combination of networks and options.

    Args:
        networks: networks or paths of files.
        **options: of :func:`geolip.bound`; a list stands for each of its entries, anything else for itself.
    """
    single = isinstance(networks, Network | str | os.PathLike)
    choices = {"network": [networks] if single else list(networks)}  # type: ignore[arg-type]
    choices |= {name: value if isinstance(value, list) else [value] for name, value in options.items()}
    names = list(choices)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*choices.values())]


def map(
    function_or_jobs: Callable[[Any], Any] | Iterable[Mapping[str, Any]],
    items: Iterable[Any] | None = None,
    *,
    executor: Executor | None = None,
    resume: str | os.PathLike[str] | None = None,
    pending: int = PENDING,
) -> Iterator[Result]:
    """Does many jobs, on this machine or many, and yields each result when it is there.

    ``map(jobs)`` calls :func:`geolip.bound` for each job, a dictionary of its arguments such as :func:`sweep`
    makes; ``map(function, items)`` calls a function of your own. A job that fails is a result with an `error`.

    Args:
        function_or_jobs: the jobs, or a function of one item, which a process pool has to be able to pickle.
        items: what to call the function with.
        executor: any `concurrent.futures` executor: a process pool, Dask's ``client.get_executor()``,
            ``mpi4py.futures.MPIPoolExecutor()``, …; none does one job after the other, here, each on all
            cores. On an executor a job of `bound` uses one thread unless it says otherwise.
        resume: a JSON-lines file. Results are appended to it as they complete; jobs that have a value there
            are not done again. Values have to be representable in JSON (a report is, by `to_dict`).
        pending: jobs that the executor is given at a time.

    Yields:
        A :class:`Result` per job, in the order of completion (those read back come first).
    """
    if callable(function_or_jobs):
        function: Callable[[Any], Any] = function_or_jobs
        if items is None:
            raise TypeError("map(function, items) needs items")
        jobs = list(items)
    else:
        if items is not None:
            raise TypeError("map(jobs) takes no items; give map(function, items) or map(jobs)")
        function = _bound
        jobs = [dict(job) for job in function_or_jobs]
        if executor is not None:
            jobs = [{"threads": 1, **job} for job in jobs]
    todo = [Result(index, job, _key(job)) for index, job in enumerate(jobs)]
    return _run(function, todo, executor, None if resume is None else Path(resume), pending)


def _run(
    function: Callable[[Any], Any],
    todo: list[Result],
    executor: Executor | None,
    file: Path | None,
    pending: int,
) -> Iterator[Result]:
    done = _read(file) if file else {}
    known = [replace(r, value=done[r.key], resumed=True) for r in todo if r.key in done]
    yield from known
    todo = [r for r in todo if r.key not in done]
    finished = _here(function, todo) if executor is None else _there(function, todo, executor, pending)
    for result in finished:
        if file:
            _append(file, result)
        yield result


def _here(function: Callable[[Any], Any], todo: Sequence[Result]) -> Iterator[Result]:
    for result in todo:
        value, error, seconds = _attempt(function, result.job)
        yield replace(result, value=value, error=error, seconds=seconds)


def _there(
    function: Callable[[Any], Any], todo: Sequence[Result], executor: Executor, pending: int
) -> Iterator[Result]:
    waiting = iter(todo)
    running: dict[Future[Any], Result] = {}
    try:
        while True:
            for result in itertools.islice(waiting, max(1, pending) - len(running)):
                try:
                    running[executor.submit(_attempt, function, result.job)] = result
                except Exception as error:  # a pool that broke
                    yield replace(result, error=_text(error))
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = running.pop(future)
                try:
                    value, problem, seconds = future.result()
                except Exception as error:  # what cannot be pickled, a worker that died
                    value, problem, seconds = None, _text(error), 0.0
                yield replace(result, value=value, error=problem, seconds=seconds)
    finally:
        for future in running:
            future.cancel()


def _attempt(function: Callable[[Any], Any], job: Any) -> tuple[Any, str | None, float]:
    """The value or the error, and the seconds."""
    started = time.perf_counter()
    try:
        value, error = function(job), None
    except Exception as raised:
        value, error = None, _text(raised)
    return value, error, time.perf_counter() - started


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _bound(job: Mapping[str, Any]) -> Any:
    return bound(**job)


def _key(job: Any) -> str:
    """The job as canonical JSON; networks by their hash, arrays by their numbers."""

    def plain(value: object) -> Any:
        if isinstance(value, Network):
            return {"network": value.hash}
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        return repr(value)

    return json.dumps(job, default=plain, sort_keys=True)


def _read(file: Path) -> dict[str, Any]:
    """The values of a file of results, by key; a last line that was cut short counts for nothing."""
    values: dict[str, Any] = {}
    if file.exists():
        for line in file.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if entry.get("error") is None:
                values[entry["key"]] = entry["value"]
    return values


def _append(file: Path, result: Result) -> None:
    value = result.value
    if isinstance(value, Report | Radius | Radii):
        value = value.to_dict()
    elif isinstance(value, list) and all(isinstance(v, Report) for v in value):
        value = [report.to_dict() for report in value]
    entry = {"key": result.key, "value": value, "error": result.error, "seconds": result.seconds}
    line = json.dumps(entry)
    with file.open("ab+") as out:
        cut_short = out.tell() > 0 and out.seek(-1, os.SEEK_END) >= 0 and out.read(1) != b"\n"
        out.write((("\n" if cut_short else "") + line + "\n").encode())
