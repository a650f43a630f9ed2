"""`geolip.bound` and `geolip.check`: the command line's names and defaults as keyword arguments."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from . import _geolip, _table
from ._network import Network, network_of
from ._progress import Progress, watching
from ._report import Certificate, Report

NetworkLike = Network | str | os.PathLike[str]
Output = str | int | tuple[int, int] | npt.ArrayLike
Norm = str | float

ALL_NORMS = ("linf", "l2", "l1")


@overload
def bound(  # type: ignore[overload-overlap]  # a path is a sequence, of letters
    network: NetworkLike,
    norm: Norm = "linf",
    output: Output = "each",
    *,
    tol: float = 1e-6,
    exact: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    case_limit: int = 200_000,
    time_limit: float | None = None,
    memory_limit: float = 4.0,
    effort: float = 1.0,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = False,
) -> Report: ...
@overload
def bound(
    network: Sequence[NetworkLike],
    norm: Norm | Sequence[Norm] = "linf",
    output: Output = "each",
    *,
    tol: float = 1e-6,
    exact: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    case_limit: int = 200_000,
    time_limit: float | None = None,
    memory_limit: float = 4.0,
    effort: float = 1.0,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = False,
) -> list[Report]: ...
@overload
def bound(
    network: NetworkLike,
    norm: Sequence[Norm],
    output: Output = "each",
    *,
    tol: float = 1e-6,
    exact: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    case_limit: int = 200_000,
    time_limit: float | None = None,
    memory_limit: float = 4.0,
    effort: float = 1.0,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = False,
) -> list[Report]: ...
def bound(
    network: NetworkLike | Sequence[NetworkLike],
    norm: Norm | Sequence[Norm] = "linf",
    output: Output = "each",
    *,
    tol: float = 1e-6,
    exact: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    case_limit: int = 200_000,
    time_limit: float | None = None,
    memory_limit: float = 4.0,
    effort: float = 1.0,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = False,
) -> Report | list[Report]:
    """Bounds a network's Lipschitz constants: certified from above, attained from below.

    Names and defaults are the command line's. Several networks, several norms, or the norm ``"all"``
    (linf, l2 and l1), give a list of reports, networks first, computed one after the other on all
    threads. Ctrl-C raises `KeyboardInterrupt`; use `time_limit` to end with what is certified.

    Args:
        network: a network, or the path of a file.
        norm: of input changes: ``"linf"``, ``"l2"``, ``"l1"``, or a number p of at least 2.
        output: ``"each"``; an index I; a margin ``"I-J"`` or (I, J); ``"pairs"``; a norm of the whole
            output ``"linf"``, ``"l2"``, ``"l1"``; or u of shape (outputs,), or a file of it, for uᵀy.
        tol: relative gap between bound and relaxation at which an output is done.
        exact: search for the formal Lipschitz constant itself by branch and bound.
        checkpoint: the file in which that search is kept, to go on from.
        case_limit: cases per output after which that search stops.
        time_limit: seconds after which bounds are no longer improved.
        memory_limit: GiB that a proof may take; above it, certificates are probabilistic.
        effort: work on the bounds from below, in units of the usual.
        threads: worker threads; results do not depend on it [one per core].
        seed: of everything random; the same seed gives the same numbers, to the last bit.
        progress: True for a tqdm bar, or a function that is told what happens.

    Raises:
        OptionError: an option is out of range, or makes no sense for the network.
        NotCertifiedError: no bound could be certified.
    """
    # regions (center, radius, split) join `choices` here, and `Choices` in options.rs
    choices = {
        "output": output_choice(output),
        "tol": tol,
        "exact": exact,
        "checkpoint": checkpoint,
        "case_limit": case_limit,
        "time_limit": time_limit,
        "memory_limit": memory_limit,
        "effort": effort,
        "threads": threads,
        "seed": seed,
    }
    several = isinstance(network, Sequence) and not isinstance(network, str)
    networks = [network_of(n) for n in network] if several else [network_of(network)]  # type: ignore
    if isinstance(norm, str | float | int):
        norms: Sequence[Norm] = ALL_NORMS if norm == "all" else [norm]
        one = not several and norm != "all"
    else:
        norms, one = norm, False
    questions = [(n._engine, {**choices, "norm": str(p)}) for n in networks for p in norms]
    with watching(progress, "bounds certified") as events:
        reports = [Report(report) for report in _geolip.bound(questions, events)]
    return reports[0] if one else reports


def output_choice(output: Output) -> str | bytes:
    """`output` as the engine takes it: a name, or the numbers of u as bytes."""
    if isinstance(output, str):
        is_file = Path(output).suffix.lower() in (".npy", ".txt")
        return _geolip.vector(output) if is_file else output
    if isinstance(output, os.PathLike):
        return _geolip.vector(output)
    if isinstance(output, int | np.integer):
        return str(int(output))
    if isinstance(output, tuple) and len(output) == 2 and all(_is_index(o) for o in output):
        i, j = output
        return f"{i}-{j}"
    return np.asarray(output, dtype=np.float64).ravel().tobytes()


def _is_index(given: Any) -> bool:
    return isinstance(given, int | np.integer) and not isinstance(given, bool)


@dataclass(frozen=True)
class Checked:
    """One bound that the checker accepted."""

    output: str
    """What is measured of the output, as in :class:`geolip.Bound`."""
    norm: str
    """The norm of input changes."""
    upper: float
    """The formal Lipschitz constant is at most this."""
    failure_probability: float
    """0 for a proof; else the probability with which its random test passes what is false."""

    def __str__(self) -> str:
        p = self.failure_probability
        kind = f" (random test: a false bound passes with probability {p:.0e} at most)" if p else ""
        return f"output {self.output}: FGL <= {_table.up(self.upper)} in {self.norm}{kind}"


def check(
    certificate: Certificate | dict[str, Any] | bytes | str | os.PathLike[str], network: NetworkLike
) -> list[Checked]:
    """Checks a certificate against a network, without the solver.

    Args:
        certificate: what :attr:`geolip.Report.certificate` gives, its `to_dict()`, the bytes of a
            certificate file, or the file's path.
        network: the network it is about, or the path of its file.

    Returns:
        The accepted bounds, all of those in the file.

    Raises:
        RejectedError: with the reason, if a single one is not proved for this network.
        CertificateFormatError: it is no certificate.
    """
    if isinstance(certificate, Certificate):
        data = certificate.text.encode()
    elif isinstance(certificate, bytes):
        data = certificate
    elif isinstance(certificate, dict):
        data = json.dumps(certificate).encode()
    else:
        data = Path(certificate).read_bytes()
    return [Checked(*accepted) for accepted in _geolip.check(data, network_of(network)._engine)]
