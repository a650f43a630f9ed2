"""Files of results to go on from: what is read back is an answer to what was asked, and nothing else is lost."""

import collections
import functools
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import types

import numpy as np
import pytest
from test_networks import relu_network

import geolip

factor = 2


class Settings:
    def __init__(self, scale):
        self.scale = scale


def values(function, items, file):
    return [(r.value, r.resumed) for r in geolip.map(function, items, resume=file)]


def times(n):
    return lambda x: n * x


def add(a, b):
    return float(a) + b


def by_a_global(x):
    return factor * x


def another_network(scale=1.0):
    rng = np.random.default_rng(5)
    return geolip.Network.from_weights([scale * rng.normal(size=(6, 3)), rng.normal(size=(2, 6))])


def refused(function, items, file, match):
    before = file.read_bytes()
    with pytest.raises(geolip.OptionError, match=match):
        list(geolip.map(function, items, resume=file))
    assert file.read_bytes() == before


def test_the_guides_pattern_with_another_network_and_norm_returns_no_radius_of_the_former(tmp_path):
    file, xs = tmp_path / "radii.jsonl", list(np.random.default_rng(0).normal(size=(2, 3)))
    first = functools.partial(geolip.radius, another_network(), norm="linf")
    expected = [r.value.radius for r in geolip.map(first, xs, resume=file)]
    assert [r.value["radius"] for r in geolip.map(first, xs, resume=file)] == expected
    refused(functools.partial(geolip.radius, another_network(30.0), norm="linf"), xs, file, "network is")
    refused(functools.partial(geolip.radius, another_network(), norm="l2"), xs, file, '"linf" there and "l2" here')


def test_a_retrained_file_does_not_get_its_predecessors_bounds(tmp_path):
    path, file = tmp_path / "net.npz", tmp_path / "results.jsonl"
    for scale in (1.0, 1000.0):
        np.savez(path, W1=scale * np.ones((2, 2)), W2=np.ones((1, 2)))
        for given in ({"network": str(path)}, {"network": path}, {"network": geolip.load(path)}):
            (result,) = geolip.map([given], resume=file)
            upper = result.value["upper"] if result.resumed else result.value.upper
            assert upper == pytest.approx(4 * scale)


def test_a_function_that_reads_a_retrained_file_is_asked_again(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, W1=np.ones((1, 2)))
    certify = functools.partial(geolip.radius, str(path))
    by_name = tmp_path / "names.jsonl"
    list(geolip.map(certify, [np.zeros(2)], resume=tmp_path / "a.jsonl"))
    assert values(os.path.getsize, [str(path)], by_name)[0][1] is False
    assert values(os.path.getsize, [str(path)], by_name)[0][1] is True
    np.savez(path, W1=2 * np.ones((1, 2)))
    refused(certify, [np.zeros(2)], tmp_path / "a.jsonl", "sha256")
    assert values(os.path.getsize, [str(path)], by_name)[0][1] is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (times(2), times(3)),
        (lambda x: x + 1, lambda x: x * 100),
        (lambda x, y=1: x + y, lambda x, y=2: x + y),
        (lambda x, *, y=1: x + y, lambda x, *, y=2: x + y),
        (functools.partial(pow, 2), functools.partial(pow, 3)),
        (lambda x: [x for _ in "ab"], lambda x: [x for _ in "abc"]),
        (functools.partial(lambda s, x: s.scale * x, Settings(1)), functools.partial(lambda s, x: s.scale * x, Settings(2))),
        (functools.lru_cache(times(2)), functools.lru_cache(times(3))),
        (functools.partial(add, np.float32(1)), functools.partial(add, np.float64(1))),
    ],
    ids=["closure", "code", "default", "keyword", "partial", "inner", "object", "wrapped", "types"],
)  # fmt: skip
def test_another_function_does_not_get_the_values_of_the_first(one, other, tmp_path):
    file = tmp_path / "results.jsonl"
    assert values(one, [1, 2], file)[0][1] is False
    assert values(one, [1, 2], file)[0][1] is True
    refused(other, [1, 2], file, "another question")


def test_a_global_that_changed_is_another_question(tmp_path, monkeypatch):
    file = tmp_path / "results.jsonl"
    assert values(by_a_global, [1], file) == [(2, False)]
    monkeypatch.setitem(globals(), "factor", 50)
    refused(by_a_global, [1], file, r"reads\.factor.*2.*50")


def test_a_module_of_ones_own_that_changed_is_another_question(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "results.jsonl"
    for gain, expected in ((2, False), (2, True), (3, None)):
        (tmp_path / "helper.py").write_text(f"def gain(x):\n    return {gain} * x\n")
        sys.modules.pop("helper", None)
        helper = types.ModuleType("helper")
        helper.__file__ = str(tmp_path / "helper.py")
        monkeypatch.setitem(sys.modules, "helper", helper)
        exec(compile((tmp_path / "helper.py").read_text(), "helper.py", "exec"), helper.__dict__)
        function = functools.partial(_through, helper)
        if expected is None:
            refused(function, [1], file, "another question")
        else:
            assert values(function, [1], file) == [(2, expected)]


def _through(helper, x):
    return helper.gain(x)


def test_items_that_look_alike_are_told_apart(tmp_path):
    file = tmp_path / "results.jsonl"
    x, y = np.zeros(1200), np.zeros(1200)
    y[500:700] = 3.0
    items = [
        1,
        1.0,
        True,
        "1",
        None,
        [1],
        (1,),
        x,
        y,
        np.float32(0.1),
        np.float64(0.1),
        np.ones(2),
        np.ones(2, dtype=int),
    ]
    assert not any(resumed for _, resumed in values(str, items, file))
    assert all(resumed for _, resumed in values(str, items, file))
    keys = {r.key for r in geolip.map(str, items, resume=file)}
    assert len(keys) == len(items)


def test_tensors_that_look_alike_are_told_apart(tmp_path):
    torch = pytest.importorskip("torch")
    x, y = torch.zeros(1200), torch.zeros(1200)
    y[600] = 3.0
    items = [x, y, x.double(), x.reshape(2, 600), torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.1, 0.2, 0.30001])]
    assert not any(resumed for _, resumed in values(str, items, tmp_path / "results.jsonl"))
    assert all(resumed for _, resumed in values(str, items, tmp_path / "results.jsonl"))


@pytest.mark.parametrize(
    "content",
    [b"0.1 0.2 0.3", b"0.1 0.2\n", b'{"key": "1", "value": 5, "error": null}\n[1,2]\n', b"\x00\xff\x00", b"{}\n"],
)
def test_a_file_that_holds_something_else_is_left_as_it_is(content, tmp_path):
    file = tmp_path / "center.txt"
    file.write_bytes(content)
    refused(abs, [1], file, "holds no results")


def test_what_is_no_file_is_left_as_it_is(tmp_path):
    with pytest.raises(geolip.OptionError, match="not a regular file"):
        list(geolip.map(abs, [1], resume=tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(geolip.OptionError, match="not a regular file"):
            list(geolip.map(abs, [1], resume=tmp_path / "pipe"))


def test_a_link_stays_a_link(tmp_path):
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "results.jsonl")
    assert values(abs, [-1], link) == [(1, False)]
    assert link.is_symlink() and values(abs, [-1], tmp_path / "results.jsonl") == [(1, True)]


def test_a_line_that_was_edited_is_not_believed(tmp_path):
    file = tmp_path / "results.jsonl"
    values(abs, [-1, -2], file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(lines[0] + lines[1].replace('"value": 1', '"value": 9') + lines[2])
    refused(abs, [-1, -2], file, "line 2 is not as it was written")
    file.write_text(lines[0] + lines[2])
    assert values(abs, [-1, -2], file) == [(2, True), (1, False)]


def test_a_line_of_another_file_is_not_believed(tmp_path):
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    values(times(2), [1], a), values(times(3), [1], b)
    a.write_text(a.read_text().splitlines(keepends=True)[0] + b.read_text().splitlines(keepends=True)[1])
    refused(times(2), [1], a, "line 2 is not as it was written")


def test_lines_that_were_cut_short_anywhere_lose_nothing_else(tmp_path):
    file = tmp_path / "results.jsonl"
    values(abs, [-1, -2], file)
    whole = file.read_bytes()
    head = whole.index(b"\n") + 1
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        kept = whole[head:end].count(b"\n")
        assert [resumed for _, resumed in values(abs, [-1, -2], file)].count(True) == kept
        assert [v for v, _ in sorted(values(abs, [-1, -2], file))] == [1, 2]


def test_spoilt_files_are_refused_or_right(tmp_path):
    file, choose = tmp_path / "results.jsonl", random.Random(3)
    values(abs, [-1, -2, -3], file)
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    refusals = 0
    for turn in range(500):
        data = bytearray(b"".join(choose.choices(lines, k=choose.randint(0, 5))) if turn % 3 == 0 else whole)
        for _ in range(choose.randint(1, 3) if data and turn % 3 else 0):
            place = choose.randrange(len(data))
            data[place : place + choose.randint(0, 4)] = choose.randbytes(choose.randint(0, 4))
        file.write_bytes(data)
        try:
            results = geolip.map(abs, [-1, -2, -3], resume=file)
            assert sorted((r.index, r.value) for r in results) == [(0, 1), (1, 2), (2, 3)]
        except geolip.OptionError:
            refusals += 1
            assert file.read_bytes() == data
    assert refusals > 100


def test_a_second_run_on_one_file_is_refused_while_the_first_goes_on(tmp_path):
    pytest.importorskip("fcntl")
    file = tmp_path / "results.jsonl"
    stream = geolip.map(abs, [-1, -2], resume=file)
    next(stream)
    with pytest.raises(geolip.OptionError, match="in use by another run"):
        list(geolip.map(abs, [-1, -2], resume=file))
    stream.close()
    assert values(abs, [-1, -2], file) == [(1, True), (2, False)]


def test_a_killed_run_leaves_no_lock_behind_even_if_its_workers_live_on(tmp_path):
    pytest.importorskip("fcntl")
    file, script = tmp_path / "results.jsonl", tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
            import concurrent.futures, multiprocessing, sys, time
            import geolip

            def wait(x):
                time.sleep(0.0 if x == 0 else 30.0)
                return x

            context = multiprocessing.get_context("fork")
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
                for result in geolip.map(wait, [0, 1, 2], executor=pool, resume=sys.argv[1]):
                    print(result.value, flush=True)
        """)
    )
    process = subprocess.Popen(
        [sys.executable, script, file], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "0\n"
    try:
        refused_by = subprocess.run([sys.executable, script, file], capture_output=True, text=True)
        assert "in use by another run" in refused_by.stderr
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.2)
        with pytest.raises(geolip.OptionError, match="another question"):  # it is no longer locked
            list(geolip.map(abs, [0], resume=file))
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_what_cannot_be_told_apart_is_not_kept(tmp_path):
    lock = __import__("threading").Lock()
    with pytest.raises(geolip.OptionError, match="cannot be determined"):
        list(geolip.map(lambda x: (lock, x)[1], [1], resume=tmp_path / "a.jsonl"))
    assert not (tmp_path / "a.jsonl").exists()


def test_a_network_file_that_is_not_here_is_never_resumed(tmp_path):
    jobs = [{"network": str(tmp_path / "nowhere.onnx")}, {"network": relu_network(), "output": 0}]
    for _ in range(2):
        first, second = sorted(geolip.map(jobs, resume=tmp_path / "results.jsonl"), key=lambda r: r.index)
        assert first.key is None and not first.ok and not first.resumed
    assert second.resumed


def test_an_executor_and_a_bar_are_no_part_of_a_job(tmp_path):
    net = relu_network()
    list(geolip.map([{"network": net, "output": 0}], resume=tmp_path / "results.jsonl"))
    (result,) = geolip.map([{"network": net, "output": 0, "threads": 2}], resume=tmp_path / "results.jsonl")
    assert result.resumed and json.loads(result.key)["network"] == {"network": net.hash}


def test_another_version_of_geolip_is_another_question(tmp_path):
    file = tmp_path / "results.jsonl"
    values(abs, [-1], file)
    file.write_text(file.read_text().replace(f'"geolip": "{geolip.__version__}"', '"geolip": "0.0.1"'))
    refused(abs, [-1], file, 'geolip is "0.0.1" there')


def test_another_process_finds_the_same_question_whatever_its_hash_seed(tmp_path):
    script, file = tmp_path / "run.py", tmp_path / "results.jsonl"
    script.write_text(
        textwrap.dedent("""
            import dataclasses, enum, functools, sys
            import numpy as np
            import geolip

            class Kind(enum.Enum):
                A = "a"

            @dataclasses.dataclass
            class Options:
                kind: Kind
                names: set
                scale: float = 1.0

            class Model:
                def __init__(self):
                    self.weights, self.me = np.arange(4.0), self

                @property
                def total(self):
                    return self.weights.sum()

            options, model = Options(Kind.A, {"x", "y", "z"}), Model()

            def helper(x):
                return x + model.total if x in {"one", "two", "three", 5} else options.scale

            def function(x, again=None):
                return function(1, again=False) if again else float(np.float64(helper(x)))

            results = list(geolip.map(functools.partial(function, again=True), [5, 6], resume=sys.argv[1]))
            print([r.resumed for r in results], [r.error for r in results])
        """)
    )
    for seed, expected in (("1", False), ("2", True), ("3", True)):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, script, file], capture_output=True, text=True, env=environment)
        assert run.stdout == f"[{expected}, {expected}] [None, None]\n", run.stderr


def test_biases_alone_make_another_network(tmp_path):
    path, file = tmp_path / "net.npz", tmp_path / "results.jsonl"
    for bias, resumed in ((0.0, False), (1.0, False), (1.0, True)):
        np.savez(path, W1=np.ones((2, 2)), b1=np.full(2, bias), W2=np.ones((1, 2)))
        (result,) = geolip.map([{"network": path}], resume=file)
        assert result.resumed is resumed


@pytest.mark.parametrize("name", ["center.npy", "center.csv"])
def test_a_center_whose_file_changed_is_another_job(name, tmp_path):
    file = tmp_path / "results.jsonl"
    for number, resumed in ((0.0, False), (5.0, False), (5.0, True)):
        center = np.full(2, number)
        np.save(tmp_path / name, center) if name.endswith("npy") else np.savetxt(tmp_path / name, center)
        (result,) = geolip.map([{"network": relu_network(), "center": tmp_path / name, "radius": 0.1}], resume=file)
        assert result.ok and result.resumed is resumed


class Table(dict):
    """A container with more than its entries."""

    gain = 1

    def __call__(self, x):
        return self.gain * x


class Column(list):
    gain = 1

    def __call__(self, x):
        return self.gain * x


class Hiding(Settings):
    def __reduce__(self):
        return Hiding, (0,)

    def __call__(self, x):
        return self.scale * x


def gained(made, gain):
    made.gain = gain
    return made


def with_an_attribute(gain):
    def function(x):
        return function.gain * x

    function.gain = gain
    return function


def over_an_array(gain):
    class Array(np.ndarray):
        pass

    array = np.ones(2).view(Array)
    array.gain = gain
    return lambda x: float(array.gain * x)


def with_a_default(gain):
    table = collections.defaultdict((lambda: 1) if gain == 1 else (lambda: 2))
    return lambda x: table.copy()["nothing"] * x


@pytest.mark.parametrize(
    "make",
    [
        lambda gain: gained(Table(), gain),
        lambda gain: gained(Column(), gain),
        Hiding,
        with_an_attribute,
        over_an_array,
        with_a_default,
        lambda gain: lambda x, q=collections.deque(maxlen=gain): q.maxlen * x,
    ],
)
def test_what_a_container_a_function_or_a_pickle_leaves_out_is_not_overlooked(make, tmp_path):
    file = tmp_path / "r.jsonl"
    assert values(make(1), [3], file) == [(3, False)]
    assert values(make(1), [3], file) == [(3, True)]
    refused(make(2), [3], file, "another question")


def importing(x):
    from imported_later import gain

    return gain * x


def test_a_module_that_a_function_imports_as_it_runs_is_part_of_the_question(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "r.jsonl"
    for gain in (1, 22):
        (tmp_path / "imported_later.py").write_text(f"gain = {gain}\n")
        monkeypatch.delitem(sys.modules, "imported_later", raising=False)
        if gain == 1:
            assert values(importing, [3], file) == [(3, False)]
    refused(importing, [3], file, "import imported_later")


def by_the_environment(x):
    return int(os.environ["GEOLIP_TEST_GAIN"]) * x


def test_the_environment_that_a_function_names_is_part_of_the_question(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOLIP_TEST_GAIN", "1")
    assert values(by_the_environment, [3], tmp_path / "r.jsonl") == [(3, False)]
    monkeypatch.setenv("GEOLIP_TEST_GAIN", "2")
    refused(by_the_environment, [3], tmp_path / "r.jsonl", "GEOLIP_TEST_GAIN")


def by_any_name(x):
    return globals()["factor"] * x


def test_a_function_that_reads_by_names_it_makes_up_is_not_resumed(tmp_path):
    with pytest.raises(geolip.OptionError, match="calls globals"):
        values(by_any_name, [3], tmp_path / "r.jsonl")


def test_a_module_of_ones_own_with_a_name_of_pythons_is_ones_own(tmp_path, monkeypatch):
    path = tmp_path / "this.py"
    module = types.ModuleType("this")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "this", module)
    for gain in (1, 2):
        exec(f"def f(x): return {gain} * x", module.__dict__)
        if gain == 1:
            assert values(module.f, [3], tmp_path / "r.jsonl") == [(3, False)]
    refused(module.f, [3], tmp_path / "r.jsonl", "another question")


def test_arrays_and_numbers_of_the_same_bytes_are_told_apart(tmp_path):
    pairs = [np.zeros(1, [("a", "f4"), ("b", "f4")]), np.zeros(1, [("b", "f4"), ("a", "f4")])]
    items = [*pairs, np.zeros(1, "V8"), np.zeros(1), np.zeros(()), np.float64(0), b"a", bytearray(b"a")]
    found = values(lambda x: repr(x), items, tmp_path / "r.jsonl")
    assert [value for value, _ in values(lambda x: repr(x), items, tmp_path / "s.jsonl")] == [repr(x) for x in items]
    assert len({r.key for r in geolip.map(repr, items, resume=tmp_path / "t.jsonl")}) == len(items)
    assert not any(resumed for _, resumed in found)


class Slotted:
    __slots__ = ("gain",)


class Counted:
    @functools.cached_property
    def gain(self):
        return 2


def test_objects_with_slots_cached_properties_and_nothing_at_all_are_found_again(tmp_path):
    nothing = type("Nothing", (), {"__module__": "__main__"})
    for item in (Slotted(), Counted(), nothing()):
        file = tmp_path / f"{type(item).__name__}.jsonl"
        assert values(lambda x: 1, [item], file) == [(1, False)]
        assert values(lambda x: 1, [item], file) == [(1, True)]


def test_a_network_file_that_changes_while_jobs_run_gives_no_result_under_its_former_name(tmp_path):
    def write(gain):
        np.savez(tmp_path / "n.npz", W1=gain * np.eye(2), W2=np.ones((1, 2)))

    write(1)
    jobs = geolip.sweep(tmp_path / "n.npz", norm=["linf", "l2"], output=0)
    running = geolip.map(jobs, resume=tmp_path / "r.jsonl")
    assert next(running).ok
    write(9)
    (last,) = running
    assert "changed meanwhile" in last.error
    write(1)
    assert [r.resumed for r in geolip.map(jobs, resume=tmp_path / "r.jsonl")] == [True, False]


def test_keys_that_json_would_make_text_of_are_refused(tmp_path):
    with pytest.raises(geolip.OptionError, match="dictionary keys have to be text"):
        values(lambda x: [{x: x}], [1], tmp_path / "r.jsonl")
