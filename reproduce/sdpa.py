"""Writes programs in the sparse SDPA format, which CSDP, DSDP and SDPA read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reproduce.programs import Entries, Program


def write(program: Program, path: Path) -> None:
    """Writes the program as one dense block; every number reads back exactly."""
    entries = program.entries
    with path.open("w") as file:
        file.write(f"{len(program.costs)}\n1\n{program.size}\n")
        file.write(" ".join(repr(float(c)) for c in program.costs) + "\n")
        columns = (entries.matrix, entries.row + 1, entries.column + 1, entries.value)
        for matrix, row, column, value in zip(*(c.tolist() for c in columns), strict=True):
            file.write(f"{matrix} 1 {row} {column} {value!r}\n")


def read(path: Path) -> Program:
    """Reads what `write` wrote (its value's meaning is not in the file)."""
    with path.open() as file:
        count, _, size = (int(file.readline()) for _ in range(3))
        costs = np.array(file.readline().split(), dtype=np.float64)
        table = np.loadtxt(file, ndmin=2)
    if len(costs) != count:
        raise ValueError(f"{path} announces {count} costs and has {len(costs)}")
    matrix, row, column = (table[:, k].astype(np.intp) for k in (0, 2, 3))
    return Program(size, costs, Entries(matrix, row - 1, column - 1, table[:, 4]))
