"""Rows are kept, not made twice, and say what became of their method."""

import math
import sys

import pytest

from reproduce import measure, rows, runner
from reproduce.job import Job
from reproduce.measure import Run
from reproduce.rows import Row


def job(key):
    return Job(key, "bound", "n", "file", (("linf", "geolip"),), 10.0)


def made(job):
    return [
        Row(job.key, job.network, "linf", "geolip", rows.OK, rows.CERTIFIED, 2.5, 1, values={"0": 2.5}, note="a\tb")
    ]


def test_rows_read_back_as_written(tmp_path):
    path = tmp_path / "rows.tsv"
    row = Row(
        "j",
        "n",
        "l2",
        "m",
        rows.OK,
        rows.EXACT,
        1 / 3,
        2,
        0.1,
        0.2,
        3.0,
        {"0": 1 / 3, "1": 0.25},
        {"stop": "x"},
        'say "no"',
    )
    rows.append(path, [row])
    rows.append(path, [row])
    assert rows.read(path) == [row, row]


def test_a_rerun_goes_on_where_the_first_stopped(tmp_path):
    path, ran = tmp_path / "rows.tsv", []

    def stop_at_second(job):
        if job.key == "second":
            raise KeyboardInterrupt
        ran.append(job.key)
        return made(job)

    def any_job(job):
        ran.append(job.key)
        return made(job)

    jobs = [job("first"), job("second"), job("third")]
    with pytest.raises(KeyboardInterrupt):
        runner.run_all(jobs, path, say=lambda _: None, execute=stop_at_second)
    assert [row.job for row in rows.read(path)] == ["first"]
    assert runner.run_all(jobs, path, say=lambda _: None, execute=any_job) == []
    assert ran == ["first", "second", "third"]
    runner.run_all(jobs, path, say=lambda _: None, execute=any_job)
    assert len(ran) == 3
    assert [row.value for row in rows.read(path)] == [2.5] * 3


def test_a_row_cut_short_is_done_again(tmp_path):
    path = tmp_path / "rows.tsv"
    rows.append(path, made(job("first")))
    whole = path.read_text()
    rows.append(path, made(job("second")))
    path.write_text(whole + "second\tn\tlinf")
    ran = []
    runner.run_all(
        [job("first"), job("second")], path, say=lambda _: None, execute=lambda j: ran.append(j.key) or made(j)
    )
    assert ran == ["second"]
    assert [row.job for row in rows.read(path)] == ["first", "second"]


def test_out_of_time_the_rest_is_left(tmp_path):
    left = runner.run_all([job("first")], tmp_path / "rows.tsv", say=lambda _: None, execute=made, deadline=-1)
    assert [j.key for j in left] == ["first"]


VALUE = (
    '{"event": "value", "norm": "linf", "method": "geolip", "guarantee": "numerical", '
    '"output": "8", "value": 2.5, "seconds": 1.5}\n'
)


def test_a_job_that_is_stopped_keeps_its_outputs():
    (row,) = runner.collect(job("j"), Run(-9, VALUE + '{"event": "val', "", 10.0, 7.0, True))
    assert (row.status, row.value, row.outputs, row.seconds) == (rows.TIMEOUT, 2.5, 1, 1.5)
    assert math.isnan(row.peak_mib)  # of the program that did the work, nothing is known


@pytest.mark.parametrize(
    ("errors", "status", "note"),
    [
        ("memory allocation of 851475456000 bytes failed\n", rows.MEMORY, "asks for 793 GiB"),
        ("numpy._ArrayMemoryError: Unable to allocate 9 GiB\n", rows.MEMORY, "Unable to allocate 9 GiB"),
        ("Traceback\nValueError: no\n", rows.FAILED, "ValueError: no"),
    ],
)
def test_what_became_of_a_job(errors, status, note):
    (row,) = runner.collect(job("j"), Run(1, "", errors, 1.0, 1.0, False))
    assert row.status == status
    assert note in row.note


def test_a_process_is_stopped_at_its_limit_and_its_children_with_it():
    sleep = "import time; time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleep!r}])"
    run = measure.run([sys.executable, "-c", script], timeout=1.0, own_group=True)
    assert run.timed_out
    assert run.seconds < 10


def test_peak_memory_is_that_of_the_process():
    small = measure.run([sys.executable, "-c", "pass"], timeout=60)
    large = measure.run([sys.executable, "-c", "import time; x = bytearray(200 << 20); time.sleep(0.3)"], timeout=60)
    assert large.peak_mib > small.peak_mib + 150
    assert small.code == large.code == 0
