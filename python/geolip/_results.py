"""A file of results to go on from: a line that says what was asked, then a line for each result.

Every line ends with a hash of itself and of the first, so that a line that was changed, or comes from another file, is
noticed. A line that a killed process left half-written is cut off. One process at a time holds the file; the lock goes
with the process.
"""

from __future__ import annotations

import errno
import json
import os
import warnings
import weakref
from pathlib import Path
from typing import Any

from ._identity import digest
from .errors import OptionError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
HASH = ', "line": "'  # what the hash at the end of a line follows

_open: weakref.WeakSet[ResultsFile] = weakref.WeakSet()


class ResultsFile:
    """The file, opened and locked.

    Args:
        path: a new file, or one that was made here for the same question.
        question: what every result depends on, by name.

    Raises:
        OptionError: the file is something else, was changed, is about another question, or is in use.
    """

    def __init__(self, path: Path, question: dict[str, Any]) -> None:
        self._path = path
        head = json.dumps({"geolip results": FORMAT, "question": question}, sort_keys=True)
        self._salt = digest(head.encode())
        if path.exists() and not path.is_file():
            raise OptionError(f"{path} is not a regular file; give the name of a new one")
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._file = open(os.open(path, flags, 0o666), "r+b", buffering=0)  # noqa: SIM115  closed by `close`
        _open.add(self)
        try:
            self._lock()
            self.values = self._read(head, question)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Writes a result behind the others."""
        self._file.seek(0, os.SEEK_END)
        self._write(self._line(json.dumps(entry)))

    def _write(self, line: bytes) -> None:
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, f"{self._path} was written in part")

    def _line(self, text: str) -> bytes:
        return f'{text[:-1]}{HASH}{digest((self._salt + text).encode())[:16]}"}}\n'.encode()

    def _entry(self, line: str) -> dict[str, Any] | None:
        """What a line says; none if it is not one that was written here."""
        text = line.rpartition(HASH)[0] + "}"
        try:
            if self._line(text).decode() != line + "\n":
                return None
            entry: dict[str, Any] = json.loads(text)
        except ValueError:
            return None
        return entry if entry.keys() >= {"key", "value", "error"} else None  # the first line, again

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OptionError(
                f"{self._path} is in use by another run; wait until it ends, or give another file"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
                raise
            warnings.warn(f"{self._path} cannot be locked here ({error}); use it in one run at a time", stacklevel=2)

    def _read(self, head: str, question: dict[str, Any]) -> dict[str, Any]:
        """The values by key; the file, if it is empty, is begun."""
        data = self._file.read()
        first = self._line(head)
        if first.startswith(data) and data != first:  # nothing yet, or a beginning that was cut short
            self._file.seek(0)
            self._write(first)
            return {}
        if not data.startswith(first):
            raise OptionError(self._another(data, question))
        whole = data.rfind(b"\n") + 1
        values: dict[str, Any] = {}
        lines = data[len(first) : whole].decode(errors="replace").split("\n")[:-1]
        for number, line in enumerate(lines, 2):
            entry = self._entry(line)
            if entry is None:
                raise OptionError(
                    f"{self._path}: line {number} is not as it was written; remove the line to have its job done again"
                )
            if entry["error"] is None and entry["key"] is not None:
                values[entry["key"]] = entry["value"]
        self._file.truncate(whole)  # of our own lines, the last, which was cut short
        return values

    def _another(self, data: bytes, question: dict[str, Any]) -> str:
        """Why a file is not one of this question."""
        try:
            other = json.loads(data.partition(b"\n")[0])
            there = other["question"]
            if other["geolip results"] != FORMAT:
                return (
                    f"{self._path} has format {other['geolip results']}, this version reads {FORMAT}; give another file"
                )
            versions = {name: there.get(name) for name in ("geolip", "python") if name in question}
            same = all(question[name] == version for name, version in versions.items())
            differences = list(
                _differences(
                    there if same else versions,
                    question if same else versions | {name: question[name] for name in versions},
                    "",
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{self._path} exists and holds no results of geolip.map; give the name of a new file"
        if not differences:
            return f"{self._path}: line 1 is not as it was written; give another file"
        return f"{self._path} is about another question: {'; '.join(differences[:3])}; give another file"


def _differences(there: Any, here: Any, place: str) -> Any:
    """How two questions differ, in words."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted(there.keys() | here.keys()):
            inner = f"{place}.{name}" if place else name
            if there.get(name) != here.get(name):
                yield from _differences(there.get(name), here.get(name), inner)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, (a, b) in enumerate(zip(there, here, strict=True)):
            if a != b:
                yield from _differences(a, b, f"{place}[{i}]")
    else:
        yield f"{place} is {_short(there)} there and {_short(here)} here"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _forget() -> None:
    """In a forked process: the file is its parent's, and so is the lock, which must end with the parent."""
    for results in list(_open):
        results.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
