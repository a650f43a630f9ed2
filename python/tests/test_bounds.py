"""Bounds as objects, and calls that stay responsive."""

import concurrent.futures
import functools
import multiprocessing
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from test_networks import relu_network

import geolip
from geolip import _table


def test_a_report_is_a_sequence_of_bounds(models):
    report = geolip.bound(models / "digits-784-64-10.onnx")
    assert len(report) == 10 and report[8].output == "8" and [b.output for b in report[2:4]] == ["2", "3"]
    assert report.outputs == [str(i) for i in range(10)]
    assert report.uppers.shape == report.gaps.shape == (10,)
    assert np.all(report.lowers <= report.pattern_lowers) and np.all(report.pattern_lowers <= report.uppers)
    assert report.upper == report.uppers.max() and report.lower == report.lowers.max()
    assert report.pattern_lower == report.pattern_lowers.max() and 0 < report.gap < 0.1
    assert "largest upper bound" in repr(report)
    assert report._repr_html_().count("<tr>") == 11


def test_known_constant():
    report = geolip.bound(relu_network(), exact=True)
    assert report.lower <= 2.0 <= report.upper <= 2.0 * (1 + 1e-5)


def test_several_networks_and_norms():
    net = relu_network()
    reports = geolip.bound([net, net], ["l2", 3])
    assert [r.norm for r in reports] == ["l2", "3", "l2", "3"]
    assert isinstance(geolip.bound([net]), list) and isinstance(geolip.bound(net), geolip.Report)
    assert [r.norm for r in geolip.bound(net, "all")] == ["linf", "l2", "l1"]


def test_typos_raise():
    with pytest.raises(TypeError, match="timelimit"):
        geolip.bound(relu_network(), timelimit=3)
    with pytest.raises(TypeError, match="tolerance"):
        geolip.compare(relu_network(), tolerance=3)
    for options in [{"norm": "l3"}, {"tol": 0}, {"threads": 0}, {"time_limit": -1}, {"memory_limit": 0}]:
        with pytest.raises(geolip.OptionError):
            geolip.bound(relu_network(), **options)


def test_certificates_are_checked():
    net = relu_network()
    certificate = geolip.bound(net, "l2").certificate
    (checked,) = geolip.check(certificate, net)
    assert (checked.output, checked.norm, checked.failure_probability) == ("0", "l2", 0.0)
    data = certificate.to_dict()
    assert geolip.check(data, net) == geolip.check(certificate.text.encode(), net) == [checked]
    data["bounds"][0]["upper"] *= 0.99
    with pytest.raises(geolip.RejectedError):
        geolip.check(data, net)
    with pytest.raises(geolip.RejectedError):
        geolip.check(certificate, geolip.Network.from_weights([[[1, 1], [1, -1]], [[1, -2]]]))
    with pytest.raises(geolip.CertificateFormatError):
        geolip.check(b"{}", net)


def test_comparisons():
    comparison = geolip.compare(relu_network())
    assert comparison["brute_force"].value <= 2.0 <= comparison["geolip"].value
    assert len(comparison) == 10 and "product of norms" in repr(comparison)
    assert "<table>" in comparison._repr_html_()
    with pytest.raises(KeyError, match="norm_product"):
        comparison["product"]


def test_progress_is_told_in_the_calling_thread(models):
    events, threads = [], set()

    def progress(*event):
        events.append(event)
        threads.add(threading.current_thread())

    geolip.bound(models / "digits-784-64-10.onnx", progress=progress)
    assert events[0] == ("started", 10) and sorted(events[1:]) == [("finished", i) for i in range(10)]
    assert threads == {threading.main_thread()}
    with pytest.raises(ZeroDivisionError):
        geolip.bound(models / "digits-784-64-10.onnx", progress=lambda *_: 1 / 0)


def test_a_bar_is_shown_where_tqdm_is(models, capsys):
    pytest.importorskip("tqdm")
    geolip.bound(models / "digits-784-64-10.onnx", output=0, progress=True)
    assert "bounds certified" in capsys.readouterr().err


def hard_network():
    rng = np.random.default_rng(1)
    return geolip.Network.from_weights([rng.normal(size=(150, 40)), rng.normal(size=(1, 150))])


def test_the_gil_is_released():
    ticks = 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(geolip.bound, hard_network(), exact=True, time_limit=1.0)
        while not future.done():
            ticks += 1
            time.sleep(0.005)
    assert ticks > 20
    assert future.result()[0].stop == "time_limit"


@pytest.fixture
def interruptible():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_raises_soon(interruptible):
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        geolip.bound(hard_network(), exact=True, case_limit=10**6)
    assert time.monotonic() - started < 5.0
    geolip.bound(relu_network())  # the engine still works


def test_a_forked_process_works():
    expected = geolip.bound(relu_network()).upper  # the pool of this process has its threads now
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(_upper).result(timeout=60) == expected


def _upper():
    net = relu_network()
    report = geolip.bound(net)
    geolip.check(report.certificate, net)
    return report.upper


def test_the_overhead_of_a_call_is_small():
    net = relu_network()
    overheads = []
    for _ in range(300):
        started = time.perf_counter()
        report = geolip.bound(net)
        overheads.append(time.perf_counter() - started - report.seconds)
    assert np.median(overheads) < 1e-3, "seconds, beyond the engine's own"


def test_local_reports_know_their_region(models):
    net = geolip.load(models / "digits-784-64-10.onnx")
    x = np.full(784, 0.5)
    assert geolip.bound(net, output=0).region is None
    box = pickle.loads(pickle.dumps(geolip.bound(net, output=0, center=x, radius=0.1, clip=(0.45, 1))))
    assert np.all(box.region.lower == 0.45) and np.all(abs(box.region.upper - 0.6) < 1e-12)
    assert box.region.radius is None and "local: on a box of 784 inputs" in repr(box) and "local FGL" in repr(box)
    assert np.all((box.region.lower <= box.witnesses[0]) & (box.witnesses[0] <= box.region.upper))
    ball = geolip.bound(net, output=0, center=x, radius=0.5, region_norm="l2")
    assert ball.region.radius == 0.5 and np.all(ball.region.center == x) and "l2 ball" in ball._repr_html_()
    assert np.linalg.norm(ball.witnesses[0] - x) <= 0.5 and ball.upper <= geolip.bound(net, output=0).upper


def linear_classifier():
    """Outputs (x, -x): they meet at 0."""
    return geolip.Network.from_weights([[[1.0], [-1.0]]])


def test_radii_of_a_known_classifier():
    net = linear_classifier()
    events = []
    found = geolip.radius(net, [[0.5], [-0.25], [0.1]], [0, 1, 1], progress=lambda *event: events.append(event))
    assert events[0] == ("started", 3) and sorted(events[1:]) == [("finished", i) for i in range(3)]
    assert 0.49 < found[0].radius <= 0.5 and 0.24 < found[1].radius <= 0.25
    assert found[2].wrong and found[2].radius == 0.0 and "wrong" in repr(found)
    assert found.accuracy(0.0) == found.accuracy([0.1])[0] == 2 / 3 and found.accuracy(0.3) == 1 / 3
    assert found._repr_html_().count("<tr>") == 4 and [r.row for r in found[1:]] == [1, 2]
    one = geolip.radius(net, [0.5], norm="l2")
    assert isinstance(one, geolip.Radius) and one.label is None and 0.49 < one.radius <= 0.5


def test_radii_on_executors_and_to_go_on_from(tmp_path):
    certify = functools.partial(geolip.radius, linear_classifier())
    inputs = [np.array([x]) for x in (0.5, 0.25)]
    expected = [certify(x).radius for x in inputs]
    context = multiprocessing.get_context("fork")  # as the rest of the engine, radii work in a forked process
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        results = list(geolip.map(certify, inputs, executor=pool, resume=tmp_path / "r.jsonl"))
    assert sorted(r.value.radius for r in results) == sorted(expected)
    again = list(geolip.map(certify, inputs, resume=tmp_path / "r.jsonl"))
    assert all(r.resumed for r in again) and [r.value["radius"] for r in again] == expected


def test_shown_numbers_stay_on_their_side():
    for value in [1.0, 0.1, 123.456789123, 9_999_999.999, 1e-9, 3.3e15, 2**0.5, 1e300, 99999995.0]:
        assert float(_table.down(value)) <= value <= float(_table.up(value))
        assert (float(_table.up(value)) - float(_table.down(value))) / value < 3e-6
    assert _table.up(0.0) == "0" and _table.up(187.5) == "187.5000"
