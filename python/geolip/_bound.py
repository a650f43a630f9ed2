"""`geolip.bound` and `geolip.check`: the command line's names and defaults as keyword arguments."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from . import _geolip, _table
from ._network import Network, network_of
from ._progress import Progress, watching
from ._region import Inputs, are_many, box_choice, complain, pair, samples, unit_choice
from ._report import Certificate, Report
from ._weights import points

NetworkLike = Network | str | os.PathLike[str]
Output = str | int | tuple[int, int] | npt.ArrayLike
Norm = str | float

ALL_NORMS = ("linf", "l2", "l1")


if TYPE_CHECKING:
    from typing import TypedDict

    from typing_extensions import Unpack

    class _Options(TypedDict, total=False):
        unit: Inputs | None
        radius: float | None
        region_norm: str
        clip: tuple[float, float] | None
        row: int | None
        scale: float
        header: bool | None
        label_column: int | str | None
        box: Inputs | None
        split: float | None
        tol: float
        cuts: bool
        relaxation_only: bool
        exact: bool
        true: bool
        checkpoint: str | os.PathLike[str] | None
        case_limit: int
        time_limit: float | None
        memory_limit: float
        effort: float
        threads: int | None
        seed: int
        progress: Progress


@overload
def bound(  # type: ignore[overload-overlap]  # a path is a sequence, of letters
    network: NetworkLike,
    norm: Norm = "linf",
    output: Output = "each",
    *,
    center: None = None,
    **options: Unpack[_Options],
) -> Report: ...
@overload
def bound(
    network: Sequence[NetworkLike],
    norm: Norm | Sequence[Norm] = "linf",
    output: Output = "each",
    *,
    center: Inputs | None = None,
    **options: Unpack[_Options],
) -> list[Report]: ...
@overload
def bound(
    network: NetworkLike,
    norm: Sequence[Norm],
    output: Output = "each",
    *,
    center: Inputs | None = None,
    **options: Unpack[_Options],
) -> list[Report]: ...
@overload
def bound(
    network: NetworkLike,
    norm: Norm = "linf",
    output: Output = "each",
    *,
    center: Inputs,
    **options: Unpack[_Options],
) -> Any: ...  # a report, or a list where the array has several rows
def bound(
    network: NetworkLike | Sequence[NetworkLike],
    norm: Norm | Sequence[Norm] = "linf",
    output: Output = "each",
    *,
    unit: Inputs | None = None,
    center: Inputs | None = None,
    radius: float | None = None,
    region_norm: str = "linf",
    clip: tuple[float, float] | None = None,
    row: int | None = None,
    scale: float = 1.0,
    header: bool | None = None,
    label_column: int | str | None = None,
    box: Inputs | None = None,
    split: float | None = None,
    tol: float = 1e-6,
    cuts: bool = False,
    relaxation_only: bool = False,
    exact: bool = False,
    true: bool = False,
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

    Names and defaults are the command line's. Several networks, several norms, the norm ``"all"``
    (linf, l2 and l1), or several centres give a list of reports (by network, then norm, then centre),
    computed one after the other on all threads. Ctrl-C raises `KeyboardInterrupt`; use `time_limit` to
    end with what is certified.

    With `center` and `radius`, or with `box`, bounds are of the local Lipschitz constant: of that region alone.

    Args:
        network: a network, or the path of a file.
        norm: norm of input changes: ``"linf"`` (largest entry), ``"l2"`` (Euclidean), ``"l1"``, a number p of at
            least 2, or ``"all"`` (linf, l2 and l1).
        output: what to bound: ``"each"`` output, one output I (from 0), a margin ``"I-J"`` or (I, J), all
            ``"pairs"``, the largest output (``"linf"``) or another norm of the whole output (``"l2"``, ``"l1"``),
            or a vector u of shape (outputs,) or in a file (.npy or .txt), for uᵀy.
        unit: units of the inputs, for sensors of different scales or some inputs of many: an array of shape
            (inputs,), or a file with one number per input (.npy, .csv or text). The norm is that of input changes
            divided by these, entry by entry; an input whose unit is 0 does not change. A `radius` is measured in
            them, too [ones].
        center: bound the network near this input only: an array of shape (inputs,); many, shape (count, inputs),
            for a list of reports; or a file with one number per input (.npy, .csv or text), or with many inputs,
            from which `row` chooses one.
        radius: how far from the centre the region reaches.
        region_norm: the norm of that distance: ``"linf"`` (a box) or ``"l2"`` (a ball), whatever `norm` is.
        clip: restrict the region to inputs with all entries between these two, (LO, HI).
        row: which of several centres, counted from 0 [all of them].
        scale: multiply the numbers of `center` by this, such as 1/255 for pixels.
        header: whether the first line of that file is a heading [a line without any number is a heading].
        label_column: the column with the labels: its number from 0, its name in the heading, ``"last"`` or
            ``"none"`` [the first, if there is one column more than inputs; refused if it might be another].
        box: bound the network on this box only: an array of shape (2, inputs), lower and upper ends; a file of
            these (.npy, .csv or text); or a VNN-LIB property (.vnnlib), of which only the input box is read.
        split: branch and bound for this many seconds, or until the bounds from both sides agree to the tolerance: a
            box of at most 24 inputs is cut into parts, elsewhere slopes are fixed as by `exact`; with `exact`, in
            such parts, too.
        tol: relative gap between the certified bound and the relaxation at which work on an output ends.
        cuts: tighten the relaxation by cuts, at any depth: a smaller bound, in seconds to a minute for up to some
            hundred neurons (linf, l2 and lp).
        relaxation_only: stop at the semidefinite relaxation: without the few cuts and the closed forms that better
            it in about the same time.
        exact: search for the formal Lipschitz constant itself (FGL) by branch and bound on slopes, until the bound
            and the best pattern agree to the tolerance; what is found before the time limit is certified all the
            same.
        true: search for the Lipschitz constant itself, until the bound and the gradient of a real input agree to
            the tolerance: over all inputs by branch and bound on sides of neurons, on a box of at most 24 inputs as
            by `split`; what is found before the time limit is certified all the same.
        checkpoint: save that search to this file, and resume it from there if the file exists; it must be of the
            same question and version.
        case_limit: stop that search after this many cases per output.
        time_limit: stop improving bounds after this many seconds; certifying what was found takes extra time.
        memory_limit: memory that a proof may take, in GiB. Networks that need more, or minutes for one proof, get
            probabilistic certificates, with gaps of 1e-3 or more; those that need less than 256 MiB always get a
            proof.
        effort: work on the lower bounds, as a multiple of the usual; 10 takes up to 10 times as long.
        threads: number of worker threads; results do not depend on it [one per core].
        seed: seed for everything random; the same seed gives the same numbers, to the last bit.
        progress: show a tqdm bar (True), or tell a function what happens.

    Raises:
        OptionError: an option is out of range, or makes no sense for the network.
        NotCertifiedError: no bound could be certified.
        InternalError: what was found contradicts itself.
    """
    complain(
        center=center,
        radius=radius,
        region_norm=region_norm,
        clip=clip,
        row=row,
        scale=scale,
        header=header,
        label_column=label_column,
        box=box,
        split=split,
        exact=exact,
        true=true,
    )
    choices = {
        "unit": unit_choice(unit),
        "output": output_choice(output),
        "radius": None if radius is None else float(radius),
        "region_norm": region_norm,
        "clip": pair(clip),
        "box": box_choice(box),
        "split": split,
        "tol": tol,
        "cuts": cuts,
        "relaxation_only": relaxation_only,
        "exact": exact,
        "true": true,
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
    many = center is not None and are_many(center, row)

    def centers(network: Network) -> list[bytes | None]:
        if center is None:
            return [None]
        choice: dict[str, Any] = {"one": not many, "label_column": label_column, "header": header}
        return [numbers for _, _, numbers in samples(network._engine, center, row, scale, **choice)]

    questions = [
        (n._engine, {**choices, "norm": str(p), "center": c}) for n in networks for p in norms for c in centers(n)
    ]
    with watching(progress, "bounds certified") as events:
        reports = [Report(report) for report in _geolip.bound(questions, events)]
    return reports[0] if one and not many else reports


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
    return points(output, "output").ravel().tobytes()


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
    """The formal Lipschitz constant (or the `constant` named) is at most this."""
    failure_probability: float
    """0 for a proof; else the probability with which its random test passes what is false."""
    region: str | None = None
    """Where it holds, in words; none for everywhere."""
    tested: str = ""
    """By whom, with which random numbers and with what meaning a random test was run; empty for a proof."""
    details: tuple[str, ...] = ()
    """The numbers of a vector and of the region, a line each; of long lists the first, the count and a SHA-256."""
    constant: str = "FGL"
    """Which constant: the formal one, the Lipschitz constant itself (Lip), or that of the region (local Lip)."""

    def __str__(self) -> str:
        kind = f" ({self.tested})" if self.tested else ""
        line = f"output {self.output}: {self.constant} <= {_table.up(self.upper)} in {self.norm}{kind}"
        return "\n  ".join([line, *self.details])


def check(
    certificate: Certificate | dict[str, Any] | bytes | str | os.PathLike[str],
    network: NetworkLike,
    *,
    seed: int | None = None,
    memory_limit: float = 4.0,
) -> list[Checked]:
    """Checks a certificate against a network, without the solver.

    Args:
        certificate: what :attr:`geolip.Report.certificate` gives, its `to_dict()`, the bytes of a
            certificate file, or the file's path.
        network: the network it is about, or the path of its file.
        seed: draw the numbers of random tests from this seed instead of the operating system, to repeat a check; a
            test then means something only if the seed was chosen after the certificate.
        memory_limit: memory that the forms behind proofs may take, in GiB; a certificate that needs more is
            refused.

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
    accepted = _geolip.check(data, network_of(network)._engine, seed, memory_limit)
    return [
        Checked(output, norm, upper, probability, region, tested, tuple(details), constant)
        for output, norm, upper, probability, region, tested, details, constant in accepted
    ]
