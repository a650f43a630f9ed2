"""The same numbers, names, defaults and errors as the command line."""

import inspect
import re

import numpy as np
import pytest

import geolip
from geolip import _geolip

NET = "digits-784-64-10.onnx"
DEEP = "digits-784-64-64-10.onnx"


def timeless(data):
    """`data` without what differs from run to run."""
    if isinstance(data, dict):
        return {key: timeless(value) for key, value in data.items() if key != "seconds"}
    return [timeless(value) for value in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    ("file", "arguments", "options"),
    [
        (NET, [], {}),
        (NET, ["--norm", "l2", "--output", "3-8"], {"norm": "l2", "output": (3, 8)}),
        (NET, ["--norm", "l1", "--output", "8"], {"norm": "l1", "output": 8}),
        (NET, ["--norm", "2.5", "--output", "l2", "--seed", "7"], {"norm": 2.5, "output": "l2", "seed": 7}),
        (NET, ["--output", "8", "--memory-limit", "0.0001"], {"output": 8, "memory_limit": 0.0001}),
        (
            NET,
            ["--output", "8", "--exact", "--case-limit", "50"],
            {"output": 8, "exact": True, "case_limit": 50},
        ),
        (DEEP, ["--output", "linf", "--tol", "1e-3"], {"output": "linf", "tol": 1e-3}),
        (
            DEEP,
            ["--output", "4", "--effort", "0", "--threads", "1"],
            {"output": 4, "effort": 0, "threads": 1},
        ),
    ],
)
def test_json_is_equal_to_the_last_bit(models, command_line_json, file, arguments, options):
    expected = command_line_json("bound", models / file, *arguments)
    report = geolip.bound(models / file, **options)
    assert timeless(report.to_dict()) == timeless(expected)


def test_all_norms_are_a_list(models, command_line_json):
    expected = command_line_json("bound", models / NET, "--norm", "all", "--output", "0")
    reports = geolip.bound(models / NET, norm="all", output=0)
    assert timeless([report.to_dict() for report in reports]) == timeless(expected)


def test_vectors_from_files_and_arrays(models, command_line_json, tmp_path):
    u = np.linspace(-1, 1, 10)
    np.save(tmp_path / "u.npy", u)
    expected = command_line_json("bound", models / NET, "--output", tmp_path / "u.npy")
    assert timeless(geolip.bound(models / NET, output=u).to_dict()) == timeless(expected)
    assert timeless(geolip.bound(models / NET, output=tmp_path / "u.npy").to_dict()) == timeless(expected)


def test_certificates_are_equal_bytes_and_check_on_both_sides(models, command_line, tmp_path):
    file, ours = tmp_path / "c.json", tmp_path / "ours.json"
    command_line("bound", models / NET, "--norm", "l2", "--certificate", file)
    report = geolip.bound(models / NET, "l2")
    report.certificate.save(ours)
    assert file.read_bytes() == ours.read_bytes()
    assert command_line("check", ours, models / NET).stdout.splitlines()[:-1] == [
        str(checked) for checked in geolip.check(file, models / NET)
    ]


def test_witnesses_and_patterns(models, command_line, tmp_path):
    command_line("bound", models / DEEP, "--witness", tmp_path / "w.npy")
    report = geolip.bound(models / DEEP)
    assert np.array_equal(np.load(tmp_path / "w.npy"), report.witnesses)
    assert all(p.value <= b.upper for p, b in zip(report.patterns, report, strict=True))
    assert [slopes.shape for slopes in report.patterns[0].slopes] == [(64,), (64,)]


def test_comparisons_are_equal(models, command_line_json):
    arguments = ["compare", models / NET, "--norm", "l2", "--output", "8"]
    expected = {m["method"]: m for m in command_line_json(*arguments)["methods"]}
    for method in geolip.compare(models / NET, "l2", 8).to_dict()["methods"]:
        theirs = timeless(expected[method["method"]])
        assert {key: method[key] for key in theirs} == theirs


def test_defaults_are_the_engines_and_the_command_lines(command_line):
    signature = inspect.signature(geolip.bound).parameters
    ours = {name: p.default for name, p in signature.items() if name not in ("network", "progress")}
    assert ours == _geolip.defaults()
    text = command_line("bound", "--help").stdout
    sections = re.split(r"^ +(?:-\w, )?--", text, flags=re.M)
    found = {s.split()[0]: re.search(r"\[default:\s+([^\]]+)\]", s) for s in sections}
    for name, default in ours.items():
        assert f"--{name.replace('_', '-')}" in text, f"the command line has no {name}"
        if default is None or default is False:
            continue
        given = found[name.replace("_", "-")][1]
        assert given == str(default) or float(given) == default, name


def test_options_of_the_command_line_are_keywords(command_line):
    """A new option of `geolip bound` fails here until Python has it."""
    options = set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", command_line("bound", "--help").stdout, re.M))
    files = {"certificate", "witness", "pattern", "json", "help", "report"}  # what a report object has
    names = {name.replace("-", "_") for name in options - files}
    known = {*inspect.signature(geolip.bound).parameters, *inspect.signature(geolip.load).parameters}
    assert names <= known


def test_errors_are_the_same_lines(models, command_line):
    for arguments, options in [
        (["--output", "12"], {"output": 12}),
        (["--norm", "l1", "--exact"], {"norm": "l1", "exact": True}),
    ]:
        expected = command_line("bound", models / NET, *arguments, check=False).stderr
        with pytest.raises(geolip.OptionError) as error:
            geolip.bound(models / NET, **options)
        assert expected.strip() == f"error: {error.value}"
