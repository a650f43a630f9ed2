"""The programs, and the files written of them, are the paper's."""

import itertools
import shutil

import numpy as np
import pytest

from reproduce import programs, sdpa
from reproduce.methods import sdpa_solvers


def chain(*sizes):
    rng = np.random.default_rng(3)
    return [rng.normal(size=(b, a)) for a, b in itertools.pairwise(sizes)]


def matrix(program, x):
    s = np.zeros((program.size, program.size))
    e = program.entries
    weights = np.concatenate([[-1.0], x])[e.matrix]
    np.add.at(s, (e.row, e.column), weights * e.value)
    return s + np.triu(s, 1).T


def brute_force(weights, u, norm):
    hidden = [len(w) for w in weights[:-1]]
    best = 0.0
    for slopes in itertools.product((0.0, 1.0), repeat=sum(hidden)):
        backward, at = weights[-1].T @ u, sum(hidden)
        for w in reversed(weights[:-1]):
            backward = w.T @ (backward * np.array(slopes[at - len(w) : at]))
            at -= len(w)
        best = max(best, np.abs(backward).sum() if norm == "linf" else np.linalg.norm(backward))
    return best


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 3, 2, 2)])
def test_the_dual_matrix_is_its_quadratic_form(sizes, norm):
    weights = chain(*sizes)
    u = programs.functional(weights, 1)
    program = programs.dual(weights, u, norm)
    rng = np.random.default_rng(0)
    variables = rng.random(len(program.costs))
    inputs = min(sizes[0], sizes[1]) if norm == "l2" else sizes[0]
    first = np.linalg.qr(weights[0].T)[1].T if norm == "l2" and sizes[1] < sizes[0] else weights[0]
    v = rng.normal(size=program.size)
    t, x, z = v[0], v[1 : 1 + inputs], v[1 + inputs :]
    gammas = 1 if norm == "l2" else inputs
    value = variables[0] * t**2 + (variables[1 : 1 + gammas] * x**2).sum() - 2 * t * (u @ weights[-1] @ z[-sizes[-2] :])
    multipliers, before = variables[1 + gammas :], x
    for w in [first, *weights[1:-1]]:
        own, z = z[: len(w)], z[len(w) :]
        value += (multipliers[: len(w)] * own * (own - w @ before)).sum()
        multipliers, before = multipliers[len(w) :], own
    assert v @ matrix(program, variables) @ v == pytest.approx(value, rel=1e-12)


def test_natural_form_at_signs_is_the_gradient_norm():
    weights = chain(4, 3, 2)
    u = programs.functional(weights, 0)
    exact = {norm: brute_force(weights, u, norm) for norm in ("linf", "l2")}
    for norm, best in exact.items():
        program = programs.natural(weights, u, norm)
        f0 = -matrix(program, np.zeros(program.size))
        fixed = 1 if norm == "l2" else 1 + 4
        values = [
            np.array([*signs, 1.0]) @ f0 @ np.array([*signs, 1.0])
            for signs in itertools.product((-1.0, 1.0), repeat=program.size - 1)
        ]
        assert fixed <= program.size
        assert program.bound(max(values)) == pytest.approx(best, rel=1e-12)


def test_sdpa_files_read_back(tmp_path):
    program = programs.dual(chain(4, 3, 3, 2), np.array([1.0, -1.0]), "linf")
    sdpa.write(program, tmp_path / "p.dat-s")
    again = sdpa.read(tmp_path / "p.dat-s")
    assert again.size == program.size
    for name in ("matrix", "row", "column", "value"):
        assert np.array_equal(getattr(again.entries, name), getattr(program.entries, name))
    assert np.array_equal(again.costs, program.costs)
    assert (program.entries.row <= program.entries.column).all()


def solved(program, solver, folder):
    if shutil.which(sdpa_solvers.PROGRAMS[solver]) is None:
        pytest.skip(f"{solver} is not installed")
    from reproduce import measure

    sdpa.write(program, folder / "p.dat-s")
    run = measure.run([sdpa_solvers.PROGRAMS[solver], "p.dat-s"], timeout=60, folder=folder)
    optimum, verdict = sdpa_solvers.answer(solver, run.output)
    assert verdict == ""
    return program.bound(optimum)


@pytest.mark.parametrize("solver", ["csdp", "dsdp"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_solvers_find_natural_equal_to_dual_and_above_brute_force(solver, norm, tmp_path):
    weights = chain(5, 4, 2)
    u = programs.functional(weights, 0)
    natural = solved(programs.natural(weights, u, norm), solver, tmp_path)
    dual = solved(programs.dual(weights, u, norm), solver, tmp_path)
    assert natural == pytest.approx(dual, rel=1e-5)
    assert natural >= brute_force(weights, u, norm) * (1 - 1e-6)


def test_solvers_words_are_read():
    assert sdpa_solvers.answer("csdp", "Success: SDP solved\nDual objective value: 2.5e+00 \n") == (2.5, "")
    assert sdpa_solvers.answer("csdp", "Failure: stuck\nDual objective value: 2.5e+00 \n")[1] == "CSDP: Failure: stuck"
    assert sdpa_solvers.answer("dsdp", "DSDP Converged. \nDSDP Solution:  -2.5e+00\n") == (2.5, "")
    assert sdpa_solvers.answer("dsdp", "DSDP Terminated Due to Small Steps\nDSDP Solution:  -2.5e+00\n")[1]
    assert sdpa_solvers.answer("dsdp", "nothing")[0] is None
