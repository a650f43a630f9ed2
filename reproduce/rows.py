"""The rows of all tables, and the file that they are appended to."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What a value is worth: lower bounds of Lip, lower bounds of the FGL, its value, upper bounds proved, and upper bounds
# as far as a solver can be believed.
ATTAINED, PATTERN, EXACT, CERTIFIED, NUMERICAL = "attained", "pattern", "exact", "certified", "numerical"
LOWER = (ATTAINED, PATTERN)
UPPER = (CERTIFIED, NUMERICAL)

# What became of a row.
OK, MISSING, FAILED, TIMEOUT, MEMORY, NOT_APPLICABLE = "ok", "missing", "failed", "timeout", "memory", "not applicable"
BELOW = "below an attained lower bound"
INACCURATE = "inaccurate"

EACH = 10


@dataclass
class Row:
    """One method on one network in one norm."""

    job: str
    network: str
    norm: str
    method: str
    status: str
    guarantee: str = ""
    value: float = math.nan  # the largest over the outputs done
    outputs: int = 0  # how many outputs were done
    seconds: float = math.nan  # of the method itself, for the outputs done
    process_seconds: float = math.nan  # of the whole process
    peak_mib: float = math.nan
    values: dict[str, float] = field(default_factory=dict)  # by output
    details: dict[str, float | str | bool] = field(default_factory=dict)
    note: str = ""

    @property
    def ten(self) -> float:
        """Seconds for ten outputs: the smaller of the method's own and the process's, scaled where fewer were done."""
        known = [s for s in (self.seconds, self.process_seconds) if not math.isnan(s)]
        return min(known) * EACH / self.outputs if known and self.outputs else math.nan


COLUMNS = [f.name for f in dataclasses.fields(Row)]
NUMBERS = {"value", "seconds", "process_seconds", "peak_mib"}
OBJECTS = {"values", "details"}


def append(path: Path, rows: list[Row]) -> None:
    """Adds the rows of one job; the file is begun if it is not there, and mended if it was cut short."""
    new = not path.exists()
    if not new:
        _mend(path)
    with path.open("a", newline="") as file:
        writer = csv.writer(
            file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\", quotechar=None
        )
        if new:
            writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([_text(name, getattr(row, name)) for name in COLUMNS])


def read(path: Path) -> list[Row]:
    """All rows written so far."""
    if not path.exists():
        return []
    _mend(path)
    return list(_read(path))


def _mend(path: Path) -> None:
    """Takes off a last line that was cut short while it was written, with the other rows of its job."""
    lines = path.read_text().splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        job = lines.pop().split("\t")[0]
        while len(lines) > 1 and lines[-1].split("\t")[0].startswith(job):
            lines.pop()
        path.write_text("".join(lines))


def _read(path: Path) -> Iterator[Row]:
    with path.open(newline="") as file:
        for line in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\", quotechar=None):
            fields: dict[str, Any] = {name: _value(name, line[name]) for name in COLUMNS}
            yield Row(**fields)


def _text(name: str, value: object) -> str:
    if name in NUMBERS:
        assert isinstance(value, float)
        return "" if math.isnan(value) else repr(value)
    if name in OBJECTS:
        return json.dumps(value, separators=(",", ":"))
    return " ".join(str(value).split())


def _value(name: str, text: str) -> object:
    if name in NUMBERS:
        return float(text) if text else math.nan
    if name in OBJECTS:
        return json.loads(text)
    return int(text) if name == "outputs" else text
