"""One job: one method (or one program that runs several) on one network, in a process of its own.

`python -m reproduce.job SPEC` runs it and prints what it finds as it finds it, one JSON object a line, so that a job
that is stopped at its limit leaves the outputs it has done. The specification is a `Job` as JSON.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reproduce import rows


@dataclass(frozen=True)
class Job:
    """What one process has to do, and the rows that are expected of it: (norm, method) pairs."""

    key: str
    kind: str
    network: str
    file: str
    rows: tuple[tuple[str, str], ...]
    cap: float  # seconds
    options: dict[str, float | int | str] = field(default_factory=dict)
    estimate: float = 5.0  # seconds, for the progress display

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def parse(text: str) -> Job:
        """From JSON."""
        fields = json.loads(text)
        fields["rows"] = tuple((norm, method) for norm, method in fields["rows"])
        return Job(**fields)

    @property
    def path(self) -> Path:
        """The network's file."""
        return Path(self.file)

    @property
    def geolip(self) -> str:
        """Our program."""
        return str(self.options["geolip"])


class Unavailable(Exception):
    """A peer that cannot run here, with the reason and what would help."""


class Stopped(Exception):
    """A program that was ended at the job's cap."""


class Sink:
    """Where methods put what they find."""

    def value(self, norm: str, method: str, guarantee: str, output: str, value: float, seconds: float) -> None:
        """One output is done; seconds are those of the method itself, so far."""
        self._print(
            event="value", norm=norm, method=method, guarantee=guarantee, output=output, value=value, seconds=seconds
        )

    def done(
        self,
        norm: str,
        method: str,
        status: str = rows.OK,
        *,
        note: str = "",
        process_seconds: float = math.nan,
        peak_mib: float = math.nan,
        details: dict[str, float | str | bool] | None = None,
    ) -> None:
        """The row is complete. Process figures are given where the method is a program of its own."""
        self._print(
            event="done",
            norm=norm,
            method=method,
            status=status,
            note=note,
            process_seconds=None if math.isnan(process_seconds) else process_seconds,
            peak_mib=None if math.isnan(peak_mib) else peak_mib,
            details=details or {},
        )

    @staticmethod
    def _print(**event: object) -> None:
        print(json.dumps(event), flush=True)


def kinds() -> dict[str, Callable[[Job, Sink], None]]:
    """The functions that run each kind of job; imported when needed."""
    from reproduce.methods import (
        compare,
        convex,
        eclipse,
        geolip,
        lirpa,
        sampling,
        sdpa_solvers,
    )

    return {
        "bound": geolip.bound,
        "upper-only": geolip.upper_only,
        "exact": geolip.exact,
        "local": geolip.local,
        "growth": geolip.growth,
        "sweeps": geolip.sweeps,
        "compare": compare.run,
        "sampling": sampling.run,
        "convex": convex.run,
        "sdpa": sdpa_solvers.run,
        "eclipse": eclipse.run,
        "lirpa": lirpa.run,
    }


def main(text: str) -> int:
    """Runs the job of this specification."""
    job, sink = Job.parse(text), Sink()
    try:
        kinds()[job.kind](job, sink)
    except Unavailable as reason:
        for norm, method in job.rows:
            sink.done(norm, method, rows.MISSING, note=str(reason))
    except Stopped:
        for norm, method in job.rows:
            sink.done(norm, method, rows.TIMEOUT, note=f"stopped after {job.cap:.0f} s")
    except MemoryError as error:
        for norm, method in job.rows:
            sink.done(norm, method, rows.MEMORY, note=f"out of memory: {error}")
    return 0


if __name__ == "__main__":
    from reproduce.job import main as run  # this file under its own name: what it raises is what others raise

    sys.exit(run(sys.argv[1]))
