"""Many jobs on executors: results, errors, and files to go on from."""

import concurrent.futures
import json
import multiprocessing
import os
import runpy

import pytest
from conftest import ROOT
from test_networks import relu_network

import geolip


def square(x):
    if x == 3:
        raise ValueError("three is refused")
    return x * x


def end_the_process(x):
    os._exit(1)


def pool(workers=2):
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=context)


def test_jobs_of_bound_here_and_on_processes():
    net = relu_network()
    jobs = geolip.sweep([net], norm=["linf", "l2"], output=[0], seed=3)
    assert [job["norm"] for job in jobs] == ["linf", "l2"] and jobs[0]["seed"] == 3
    expected = [geolip.bound(**job).upper for job in jobs]
    assert [r.value.upper for r in geolip.map(jobs)] == expected
    with pool() as executor:
        results = sorted(geolip.map(jobs, executor=executor), key=lambda r: r.index)
    assert [r.value.upper for r in results] == expected
    assert geolip.check(results[0].value.certificate, net)


@pytest.mark.parametrize("make", [lambda: None, lambda: concurrent.futures.ThreadPoolExecutor(2), pool])
def test_a_failed_job_is_a_result(make):
    results = sorted(geolip.map(square, range(5), executor=make(), pending=2), key=lambda r: r.index)
    assert [r.value for r in results] == [0, 1, 4, None, 16]
    assert results[3].error == "ValueError: three is refused" and [r.ok for r in results].count(False) == 1


def test_a_worker_that_dies_is_an_error_too():
    with pool(1) as executor:
        results = list(geolip.map(end_the_process, range(3), executor=executor))
    assert len(results) == 3 and all("Broken" in r.error for r in results)


def test_errors_of_the_engine_come_back():
    (result,) = geolip.map([{"network": relu_network(), "output": 7}])
    assert result.error.startswith("OptionError: output 7 does not exist")
    (result,) = geolip.map([{"network": relu_network(), "outputs": 0}])
    assert result.error.startswith("TypeError")


def test_a_sweep_goes_on_where_it_stopped(tmp_path):
    file = tmp_path / "results.jsonl"
    jobs = geolip.sweep(relu_network(), norm=["linf", "l2", 3], output=[0])
    stream = geolip.map(jobs, resume=file)
    next(stream), next(stream)
    stream.close()
    with file.open("a") as out:
        out.write('{"key": "cut sh')
    results = list(geolip.map(jobs, resume=file))
    assert [r.resumed for r in results] == [True, True, False]
    assert [r.index for r in results] == [0, 1, 2]
    assert results[0].value["upper"] == geolip.bound(**jobs[0]).upper
    assert all(r.resumed for r in geolip.map(jobs, resume=file))
    assert sum("upper" in line for line in file.read_text().splitlines()) == 3


def test_failed_jobs_are_tried_again(tmp_path):
    file = tmp_path / "results.jsonl"
    assert [r.ok for r in geolip.map(square, [3, 4], resume=file)] == [False, True]
    assert [r.resumed for r in geolip.map(square, [3, 4], resume=file)] == [True, False]
    assert json.loads(file.read_text().splitlines()[1])["error"] == "ValueError: three is refused"


def test_calls_that_make_no_sense():
    with pytest.raises(TypeError, match="needs items"):
        geolip.map(square)
    with pytest.raises(TypeError, match="takes no items"):
        geolip.map([{}], [1])


def test_the_dask_example(models, tmp_path, capsys):
    pytest.importorskip("distributed")
    example = runpy.run_path(str(ROOT / "examples/scaling/dask_sweep.py"))
    path, file = models / "digits-784-64-10.onnx", tmp_path / "results.jsonl"
    results = example["run"]([str(path)], str(file), outputs=3)
    assert len(results) == 6 and all(r.ok for r in results)
    expected = {(n, i): geolip.bound(path, n, i).upper for n in ("linf", "l2") for i in range(3)}
    assert {(r.job["norm"], r.job["output"]): r.value.upper for r in results} == expected
    assert all(r.resumed for r in example["run"]([str(path)], str(file), outputs=3))
