"""The paper's semidefinite programs of ReLU chains, as data for any solver.

Every program is  minimise c'x  such that  S(x) = sum of x_i F_i - F_0  is positive semidefinite, and its dual
maximise <F_0, Y>  such that  <F_i, Y> = c_i, Y positive semidefinite  (the pair of the SDPA format). The value is that
optimum times `factor`, or its square root where `root` is set.

* natural: the FGL of one hidden layer is max x'A(t, 1) over signs t, and over signs x (linf) or unit vectors x (l2),
  with A = [W'diag(u), W'u] / 2; unit vectors take the place of signs. In linf Y has n + h + 1 rows. In l2 the best x is
  known, and Y has h + 1: the square root of max <A'A, Y>.
* dual: the least (zeta + sum of gamma) / 2 such that, for all t, x, z,
  zeta t^2 + sum gamma_i x_i^2 + sum lambda_j z_j (z_j - h_j) - 2 t u'W z >= 0, at any depth. In l2 there is one gamma,
  and this is LipSDP-Neuron; as only W_1 W_1' counts then, W_1 is replaced by its triangular factor, which is as wide as
  the layer and not as the input. LipSDP does not do so: it makes the peers faster here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reproduce.networks import Array

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Entries:
    """Entries of the upper triangles of F_0, F_1, ...: F_matrix[row, column] = value, with row <= column."""

    matrix: Indices
    row: Indices
    column: Indices
    value: Array


@dataclass(frozen=True)
class Program:
    """One semidefinite program."""

    size: int  # of S
    costs: Array  # c
    entries: Entries
    factor: float = 1.0
    root: bool = False

    def bound(self, optimum: float) -> float:
        """The bound that an optimum of the program means."""
        return float(np.sqrt(max(optimum, 0.0))) if self.root else self.factor * optimum


class _Builder:
    def __init__(self) -> None:
        self.parts: list[tuple[Indices, Indices, Indices, Array]] = []

    def add(self, matrix: object, row: object, column: object, value: object) -> None:
        """Adds entries; arguments are broadcast, and zeros left out."""
        m, i, j, v = np.broadcast_arrays(*(np.asarray(a) for a in (matrix, row, column, value)))
        keep = v.ravel() != 0
        low, high = np.minimum(i, j), np.maximum(i, j)
        self.parts.append((m.ravel()[keep], low.ravel()[keep], high.ravel()[keep], v.ravel()[keep].astype(np.float64)))

    def entries(self) -> Entries:
        matrix, row, column, value = (np.concatenate(a) for a in zip(*self.parts, strict=True))
        order = np.lexsort((column, row, matrix))
        return Entries(matrix[order], row[order], column[order], value[order])


def natural(weights: list[Array], u: Array, norm: str) -> Program:
    """The natural form of one hidden layer."""
    first, last = weights
    g = last.T @ u
    a = 0.5 * np.hstack([first.T * g, (first.T @ g)[:, None]])
    inputs, signs = a.shape
    build = _Builder()
    if norm == "l2":
        product = a.T @ a
        i, j = np.triu_indices(signs)
        build.add(0, i, j, product[i, j])
        size = signs
    else:
        size = inputs + signs
        build.add(0, np.arange(inputs)[:, None], inputs + np.arange(signs)[None, :], 0.5 * a)
    diagonal = np.arange(size)
    build.add(1 + diagonal, diagonal, diagonal, 1.0)
    return Program(size, np.ones(size), build.entries(), root=norm == "l2")


def dual(weights: list[Array], u: Array, norm: str) -> Program:
    """The dual form, or LipSDP-Neuron in l2, of a chain."""
    hidden, last = list(weights[:-1]), weights[-1]
    if norm == "l2" and hidden[0].shape[0] < hidden[0].shape[1]:
        hidden[0] = np.transpose(np.linalg.qr(hidden[0].T)[1])
    inputs = hidden[0].shape[1]
    build = _Builder()
    build.add(1, 0, 0, 1.0)  # zeta
    x = 1 + np.arange(inputs)
    gammas = 1 if norm == "l2" else inputs
    build.add(2 + (np.zeros(inputs, int) if norm == "l2" else np.arange(inputs)), x, x, 1.0)
    variable: int = 2 + gammas
    before: Indices = x
    for w in hidden:
        z = int(before[-1]) + 1 + np.arange(len(w))
        multiplier = variable + np.arange(len(w))
        build.add(multiplier, z, z, 1.0)
        build.add(multiplier[:, None], before[None, :], z[:, None], -0.5 * w)
        variable, before = variable + len(w), z
    build.add(0, 0, before, last.T @ u)
    costs = np.zeros(variable - 1)
    costs[: 1 + gammas] = 1.0
    return Program(int(before[-1]) + 1, costs, build.entries(), factor=0.5)


def functional(weights: list[Array], output: int) -> Array:
    """u for one output."""
    u = np.zeros(weights[-1].shape[0])
    u[output] = 1.0
    return u
