"""The same programs through CVXPY, with Clarabel (interior point) and SCS (first order)."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from reproduce import programs, rows
from reproduce.job import Job, Sink, Unavailable
from reproduce.methods.sdpa_solvers import outputs
from reproduce.networks import read_weights
from reproduce.programs import Program

MARGIN = 0.5  # of the cap, for SCS's own limit, which it exceeds by up to 75 iterations


def run(job: Job, sink: Sink) -> None:
    """One output after the other. Clarabel and SCS are given the program's minimisation, min c'x with S(x) >= 0."""
    try:
        import cvxpy
    except ImportError as error:
        raise Unavailable(f"{error}: pip install cvxpy clarabel scs") from error
    solver = str(job.options["solver"])
    if solver.upper() not in cvxpy.installed_solvers():
        raise Unavailable(f"CVXPY finds no {solver}: pip install {solver}")
    ((norm, method),) = job.rows
    build = programs.natural if job.options["form"] == "natural" else programs.dual
    weights = read_weights(job.path)
    seconds, words = 0.0, set()
    begun = time.perf_counter()
    for output in outputs(job, len(weights[-1])):
        data = build(weights, programs.functional(weights, output), norm)
        problem = as_cvxpy(data)
        options = {}
        if solver == "scs":
            left = MARGIN * job.cap - (time.perf_counter() - begun)
            options = {"eps_abs": 1e-6, "eps_rel": 1e-6, "time_limit_secs": max(left, 1.0), "max_iters": 10**6}
        started = time.perf_counter()
        try:
            problem.solve(solver=solver.upper(), **options)
        except cvxpy.error.SolverError as error:
            sink.done(norm, method, rows.FAILED, note=str(error).splitlines()[0])
            return
        whole = time.perf_counter() - started
        seconds += problem.solver_stats.solve_time or whole
        if problem.status not in ("optimal", "optimal_inaccurate"):
            sink.done(norm, method, rows.FAILED, note=f"{solver}: {problem.status}")
            return
        if problem.status != "optimal":
            words.add(f"{solver}: {problem.status}")
        sink.value(norm, method, rows.NUMERICAL, str(output), data.bound(float(problem.value)), seconds)
        if solver == "scs" and time.perf_counter() - begun > MARGIN * job.cap:
            break
    sink.done(norm, method, rows.INACCURATE if words else rows.OK, note="; ".join(sorted(words)))


def as_cvxpy(program: Program) -> Any:
    """Minimise c'x subject to sum of x_i F_i - F_0 positive semidefinite."""
    import cvxpy
    from scipy import sparse

    entries, size, count = program.entries, program.size, len(program.costs)
    off = entries.row != entries.column
    place = np.concatenate([entries.column * size + entries.row, (entries.row * size + entries.column)[off]])
    matrix = np.concatenate([entries.matrix, entries.matrix[off]])
    value = np.concatenate([entries.value, entries.value[off]])
    constant, linear = matrix == 0, matrix > 0
    f0 = sparse.csc_matrix((value[constant], (place[constant], 0 * place[constant])), shape=(size**2, 1))
    f = sparse.csc_matrix((value[linear], (place[linear], matrix[linear] - 1)), shape=(size**2, count))
    x = cvxpy.Variable(count)
    s = cvxpy.reshape(f @ x - f0.toarray().ravel(), (size, size), order="F")
    return cvxpy.Problem(cvxpy.Minimize(program.costs @ x), [s >> 0])
