"""Many questions: `geolip.map` on any executor, with results as they complete.

A *job* is a dictionary of arguments of :func:`geolip.bound`; :func:`sweep` makes one for every combination.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ._bound import bound
from ._geolip import __version__
from ._identity import Identities
from ._network import Network
from ._radius import Radii, Radius
from ._report import Report
from ._results import ResultsFile
from .errors import NetworkFileError, OptionError

# jobs that an executor has at a time: enough to keep many workers busy, few enough to hold in memory
PENDING = 256


@dataclass(frozen=True)
class Result:
    """What became of one job."""

    index: int
    """The job's place among all, from 0."""
    job: Any
    """The job."""
    key: str | None
    """What the job is called in the file of results: equal jobs have equal keys, by content. None without such a file,
    and for a job that names a network file that cannot be read here, which is never resumed."""
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
            are not done again. Values have to be representable in JSON (a report is, by `to_dict`). The file belongs
            to one question: the function with its code and everything that it reads (options, closures, globals,
            the content of files that are named), and the version of geolip; jobs count by content too. A file about
            anything else, one that was changed, and one that another run has open is refused and left as it is.
            The content of folders, and what a function reads by names made as it runs, is not looked at.
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
    return _run(function, jobs, executor, None if resume is None else Path(resume), pending)


def _run(
    function: Callable[[Any], Any], jobs: list[Any], executor: Executor | None, path: Path | None, pending: int
) -> Iterator[Result]:
    if path is None:
        yield from _results(function, [Result(index, job, None) for index, job in enumerate(jobs)], executor, pending)
        return
    identities = Identities(path)
    with closing(ResultsFile(path, _question(function, identities))) as file:
        todo = [Result(index, job, _key(function, job, identities)) for index, job in enumerate(jobs)]
        yield from (replace(r, value=file.values[r.key], resumed=True) for r in todo if r.key in file.values)
        left = [r for r in todo if r.key not in file.values]
        for result in _results(function, left, executor, pending):
            if function is _bound and result.ok and result.key != _key(function, result.job, identities):
                result = replace(result, value=None, error="NetworkFileError: the network's file changed meanwhile")
            file.append(_entry(result))
            yield result


def _results(
    function: Callable[[Any], Any], todo: list[Result], executor: Executor | None, pending: int
) -> Iterator[Result]:
    return _here(function, todo) if executor is None else _there(function, todo, executor, pending)


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


def _question(function: Callable[[Any], Any], identities: Identities) -> dict[str, Any]:
    """What all results of a file depend on."""
    if function is _bound:
        return {"function": "geolip.bound", "geolip": __version__}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"function": identities.of(function), "geolip": __version__, "python": version}


def _key(function: Callable[[Any], Any], job: Any, identities: Identities) -> str | None:
    """The job as canonical JSON, by content; none if it cannot be told here."""
    try:
        plain = identities.of_job(job) if function is _bound else identities.of(job)
    except NetworkFileError:
        return None
    return json.dumps(plain, sort_keys=True)


def _entry(result: Result) -> dict[str, Any]:
    """A result as a line of the file."""
    value = result.value
    if isinstance(value, Report | Radius | Radii):
        value = value.to_dict()
    elif isinstance(value, list) and all(isinstance(v, Report) for v in value):
        value = [report.to_dict() for report in value]
    entry = {"key": result.key, "value": value, "error": result.error, "seconds": result.seconds}
    try:
        if _has_other_keys(value):
            raise TypeError("its dictionary keys have to be text")
        json.dumps(entry)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"the value of job {result.index} cannot be written as JSON ({error}); return plain data"
        ) from None
    return entry


def _has_other_keys(value: Any) -> bool:
    """Whether a dictionary in plain data has keys that JSON would make text of."""
    if isinstance(value, dict):
        return any(not isinstance(key, str) or _has_other_keys(part) for key, part in value.items())
    return isinstance(value, list | tuple) and any(_has_other_keys(part) for part in value)
