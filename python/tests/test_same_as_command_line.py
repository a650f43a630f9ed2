"""The same numbers and errors as the command line; names and defaults are compared by `test_options.py`."""

import numpy as np
import pytest

import geolip

NET = "digits-784-64-10.onnx"
DEEP = "digits-784-64-64-10.onnx"


def timeless(data):
    """`data` without what differs from run to run, and without the list of files, which the command line alone prints."""
    if isinstance(data, dict):
        return {key: timeless(value) for key, value in data.items() if key not in ("seconds", "files")}
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
        (
            NET,
            ["--norm", "l2", "--output", "8", "--true", "--case-limit", "50"],
            {"norm": "l2", "output": 8, "true": True, "case_limit": 50},
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


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Files: `one` input, `many` (labels first), a `box`; and the inputs."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data")
    inputs = rng.integers(0, 256, (3, 784)).astype(float)
    labels = np.array([1.0, 5.0, 8.0])
    np.save(folder / "one.npy", inputs[0] / 255)
    np.savetxt(folder / "many.csv", np.column_stack([labels, inputs]), delimiter=",", fmt="%d")
    np.save(folder / "unit.npy", rng.integers(0, 4, 784) / 2)
    np.save(folder / "box.npy", np.array([inputs[1] / 255 - 0.01, inputs[1] / 255 + 0.02]))
    return folder, inputs, labels.astype(int)


CASES = [
    (NET, ["--center", "one.npy", "--radius", "0.01"], {"radius": 0.01}),
    (
        NET,
        ["--center", "one.npy", "--radius", "0.3", "--region-norm", "l2", "--clip", "0", "1", "--norm", "l2"],
        {"radius": 0.3, "region_norm": "l2", "clip": (0, 1), "norm": "l2"},
    ),
    (
        NET,
        ["--center", "many.csv", "--row", "1", "--scale", "0.003", "--radius", "0.02", "--output", "3"],
        {"center": "many.csv", "row": 1, "scale": 0.003, "radius": 0.02, "output": 3},
    ),
    (DEEP, ["--box", "box.npy", "--output", "3-8"], {"center": None, "box": "box.npy", "output": "3-8"}),
    (
        NET,
        ["--unit", "unit.npy", "--center", "one.npy", "--radius", "0.02", "--region-norm", "l2"],
        {"unit": "unit.npy", "radius": 0.02, "region_norm": "l2"},
    ),
    (DEEP, ["--unit", "unit.npy", "--box", "box.npy"], {"center": None, "unit": "unit.npy", "box": "box.npy"}),
    (NET, ["--box", "box.npy", "--norm", "l1"], {"center": None, "box": "box.npy", "norm": "l1"}),
]


def path_in(folder, arguments):
    return [folder / a if str(a).endswith((".npy", ".csv")) else a for a in arguments]


@pytest.mark.parametrize(("file", "arguments", "options"), CASES)
def test_local_bounds_are_equal(models, command_line_json, data, file, arguments, options):
    folder, inputs, _ = data
    expected = command_line_json("bound", models / file, *path_in(folder, arguments))
    files = {name: folder / options[name] for name in ("center", "box", "unit") if options.get(name)}
    given = {"center": inputs[0] / 255, **options, **files}
    report = geolip.bound(models / file, **given)
    assert timeless(report.to_dict()) == timeless(expected) and expected["region"] is not None
    arrays = {name: np.load(files[name]) for name in ("box", "unit") if name in files}
    if "row" in options:
        arrays = {"center": inputs}
    assert timeless(geolip.bound(models / file, **{**given, **arrays}).to_dict()) == timeless(expected)


def test_many_centers_are_a_list(models, command_line_json, data):
    folder, inputs, _ = data
    reports = geolip.bound(models / NET, output=8, center=inputs, scale=1 / 255, radius=0.01)
    options = ["--output", "8", "--scale", repr(1 / 255), "--radius", "0.01"]
    for row, report in enumerate(reports):
        expected = command_line_json("bound", models / NET, "--center", folder / "many.csv", "--row", row, *options)
        assert timeless(report.to_dict()) == timeless(expected)
    both = geolip.bound(models / NET, ["linf", "l2"], 8, center=inputs[:2], scale=1 / 255, radius=0.01)
    assert [r.norm for r in both] == ["linf", "linf", "l2", "l2"]
    assert [r.upper for r in both[:2]] == [r.upper for r in reports[:2]]


def test_parts_and_local_certificates(command_line, command_line_json, tmp_path):
    rng = np.random.default_rng(2)
    biases = {"b1": rng.normal(size=20), "b2": np.zeros(1)}
    np.savez(tmp_path / "net.npz", W1=rng.normal(size=(20, 2)), W2=rng.normal(size=(1, 20)), **biases)
    np.savetxt(tmp_path / "c.txt", [[0.1, -0.2]])
    where = ["--center", tmp_path / "c.txt", "--radius", "1"]
    expected = command_line_json("bound", tmp_path / "net.npz", *where, "--split", "60", "--tol", "0.01")
    report = geolip.bound(tmp_path / "net.npz", center=[0.1, -0.2], radius=1, split=60, tol=0.01)
    assert timeless(report.to_dict()) == timeless(expected) and "parts" in report[0].method
    report.certificate.save(tmp_path / "ours.json")
    lines = command_line("check", tmp_path / "ours.json", tmp_path / "net.npz").stdout.splitlines()
    (checked,) = geolip.check(report.certificate, tmp_path / "net.npz")
    assert lines[0] == str(checked).splitlines()[0]
    assert lines[1].startswith(f"local: on a {checked.region}")
    assert [line.strip() for line in lines[2 : 2 + len(checked.details)]] == list(checked.details)
    assert checked.region == str(report.region)


def test_cuts_are_equal(command_line_json, tmp_path):
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "net.npz", W1=rng.normal(size=(12, 12)), W2=rng.normal(size=(1, 12)))
    expected = command_line_json("bound", tmp_path / "net.npz", "--cuts")
    report = geolip.bound(tmp_path / "net.npz", cuts=True)
    assert timeless(report.to_dict()) == timeless(expected) and "cuts" in report[0].method


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--scale", repr(1 / 255)], {}),
        (["--scale", repr(1 / 255), "--clip", "0", "1", "--norm", "l2"], {"clip": (0, 1), "norm": "l2"}),
        (
            ["--scale", repr(1 / 255), "--row", "2", "--tol", "0.1", "--linear-bounds-only"],
            {"row": 2, "tol": 0.1, "linear_bounds_only": True},
        ),
        (["--scale", repr(1 / 255), "--row", "0", "--label", "3"], {"row": 0, "label": 3}),
    ],
)
def test_radii_are_equal(models, command_line_json, data, arguments, options):
    folder, inputs, labels = data
    radii = ["--radii", "0,0.005,0.02"]
    expected = command_line_json("radius", models / NET, "--center", folder / "many.csv", *arguments, *radii)
    from_file = geolip.radius(models / NET, folder / "many.csv", scale=1 / 255, **options)
    with_labels = options if "label" in options else {"label": labels[options.get("row", slice(None))], **options}
    from_array = geolip.radius(models / NET, inputs, scale=1 / 255, **with_labels)
    for found in from_file, from_array:
        if "row" in options:
            assert timeless(found.to_dict()) == timeless(expected["samples"][0])
        else:
            assert timeless(found.to_dict([0, 0.005, 0.02])) == timeless(expected)
            assert list(found.accuracy([0, 0.005, 0.02])) == [a["accuracy"] for a in expected["accuracy"]]


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


def test_errors_are_the_same_lines(models, command_line, data):
    folder, inputs, _ = data
    near = {"center": folder / "one.npy"}
    arguments_near = ["--center", folder / "one.npy", "--radius"]
    many = folder / "many.csv"
    np.save(folder / "zero.npy", np.zeros(784))
    for arguments, options in [
        (["--output", "12"], {"output": 12}),
        ([*arguments_near, "-1"], {**near, "radius": -1}),
        ([*arguments_near, "0", "--clip", "2", "3"], {**near, "clip": (2, 3), "radius": 0}),
        (["--center", many, "--radius", "1"], {"center": many, "radius": 1}),
        (["--center", many, "--radius", "1", "--row", "3"], {"center": many, "radius": 1, "row": 3}),
        (["--box", many], {"box": many}),
        (["--unit", many], {"unit": many}),
        (["--unit", folder / "zero.npy"], {"unit": folder / "zero.npy"}),
    ]:
        expected = command_line("bound", models / NET, *arguments, check=False).stderr
        with pytest.raises(geolip.OptionError) as error:
            geolip.bound(models / NET, **options)
        assert expected.strip() == f"error: {error.value}"
    np.save(folder / "short.npy", inputs[0, :5])
    np.save(folder / "label.npy", np.append(77.0, inputs[0]))
    np.save(folder / "nan.npy", np.append(inputs[0, 1:], np.nan))
    for arguments, center, options in [
        ([], "short.npy", {}),
        ([], "label.npy", {}),
        ([], "nan.npy", {}),
        (["--label", "3"], "many.csv", {"label": 3}),
        (["--label", "10"], "one.npy", {"label": 10}),
        (["--clip", "-2", "-1"], "one.npy", {"clip": (-2, -1)}),
    ]:
        expected = command_line("radius", models / NET, "--center", folder / center, *arguments, check=False).stderr
        with pytest.raises(geolip.OptionError) as error:
            geolip.radius(models / NET, folder / center, **options)
        assert expected.strip() == f"error: {error.value}"


def test_regions_that_make_no_sense():
    net = geolip.Network.from_weights([[[1, 1], [1, -1]], [[1, -1]]])
    for options, reason in [
        ({"center": [0, 0]}, "needs a radius"),
        ({"radius": 1}, "radius needs a center"),
        ({"clip": (0, 1)}, "clip needs a center"),
        ({"center": [0, 0], "radius": 1, "box": [[0, 0], [1, 1]]}, "give one of them"),
        ({"box": [0, 1]}, "two rows"),
        ({"box": [[0], [1]]}, "1 inputs, but the network has 2"),
        ({"box": [[2, 2], [1, 1]]}, "the region is empty"),
        ({"unit": [1, 1, 1]}, "3 units, but the network has 2 inputs"),
        ({"unit": [1, -1]}, "the unit of input 1 is -1"),
        ({"unit": [0, 0]}, "all units are 0"),
        ({"unit": [0, np.inf]}, "unit"),
        ({"center": [0, 0], "radius": 1, "region_norm": "l3"}, "l3"),
        ({"center": [0, 0, 0, 0], "radius": 1}, "center: row 0 has 4 numbers, but the network has 2 inputs"),
        ({"center": [0, 0], "radius": 1, "split": 0}, "split is 0"),
    ]:
        with pytest.raises(geolip.OptionError, match=reason):
            geolip.bound(net, **options)
    with pytest.raises(geolip.OptionError, match="one output"):
        geolip.radius(net, [0, 0])
    two = geolip.Network.from_weights([[[1, 1], [1, -1]]])
    for label in (-1, 0.5, [0, 1]):
        with pytest.raises(geolip.OptionError, match="label"):
            geolip.radius(two, [0, 1], label)
    assert len(geolip.radius(two, np.zeros((0, 2)))) == 0 == len(geolip.bound(two, center=np.zeros((0, 2)), radius=1))
    with pytest.raises(FileNotFoundError):
        geolip.radius(two, "nowhere.csv")
