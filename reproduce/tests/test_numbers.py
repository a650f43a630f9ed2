"""Fits, gradients, idx files, and the words on the command line."""

import gzip
import math
import struct

import numpy as np
import pytest

from reproduce import idx
from reproduce.__main__ import arguments
from reproduce.fit import exponent
from reproduce.methods import sampling


@pytest.mark.parametrize("power", [0.5, 1.0, 2.5])
def test_exponent_of_a_power_law(power):
    assert exponent([(x, 3 * x**power) for x in (8, 16, 64, 100)]) == pytest.approx(power)


def test_exponent_of_too_little_is_none():
    assert math.isnan(exponent([(8, 1.0)]))
    assert math.isnan(exponent([(8, 1.0), (8, 2.0), (9, math.nan)]))


def test_jacobians_are_the_derivative():
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=s) for s in ((6, 5), (4, 6), (3, 4))]
    biases = [rng.normal(size=len(w)) for w in weights]
    x = rng.normal(size=(7, 5))

    def network(x):
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            x = np.maximum(x @ w.T + b, 0)
        return x @ weights[-1].T + biases[-1]

    found = sampling.jacobians(weights, biases, x)
    for i in range(5):
        step = np.zeros(5)
        step[i] = 1e-6
        assert found[:, :, i] == pytest.approx((network(x + step) - network(x - step)) / 2e-6, abs=1e-6)


def write_idx(path, array, zipped=False):
    raw = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(raw) if zipped else raw)


def tiny_mnist(folder):
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 256, (3, 28, 28), np.uint8) for name in idx.FILES if "images" in name}
    arrays |= {name: np.array([1, 7, 9], np.uint8) for name in idx.FILES if "labels" in name}
    for place, (name, array) in enumerate(arrays.items()):
        write_idx(folder / (name + (".gz" if place % 2 else "")), array, zipped=bool(place % 2))
    return arrays


def test_mnist_is_read_plain_and_gzipped(tmp_path):
    arrays = tiny_mnist(tmp_path)
    x_train, x_test, y_train, y_test = idx.mnist(tmp_path)
    for x, name in ((x_train, idx.FILES[0]), (x_test, idx.FILES[1])):
        assert x.dtype == np.float32
        assert np.array_equal((x * 255).round().reshape(3, 28, 28), arrays[name])
    assert y_train.tolist() == y_test.tolist() == [1, 7, 9]


def test_damaged_idx_files_are_refused(tmp_path):
    tiny_mnist(tmp_path)
    path = tmp_path / idx.FILES[0]
    whole = path.read_bytes()
    for damaged, word in (
        (whole[:-1], "header says"),
        (whole[:6], "header"),
        (b"\0\0\x0d\3" + whole[4:], "unsigned bytes"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(idx.NotMnist, match=word):
            idx.mnist(tmp_path)
    path.unlink()
    with pytest.raises(idx.NotMnist, match="has no train-images"):
        idx.mnist(tmp_path)


@pytest.mark.parametrize("wrong", [["--data", "/nowhere"], ["--geolip", "/nowhere"], ["--only", "("], ["--quik"]])
def test_bad_arguments_end_with_code_two(wrong, capsys):
    with pytest.raises(SystemExit) as ending:
        arguments(wrong)
    assert ending.value.code == 2
    assert "error" in capsys.readouterr().err
