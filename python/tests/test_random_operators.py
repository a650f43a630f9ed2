"""A few dozen random ONNX files, each run by onnxruntime and by geolip. More: `python python/tests/random_operators.py`."""

import collections
import importlib.util

import pytest

MISSING = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")

COUNT = 60


def test_what_is_read_is_what_onnxruntime_computes(tmp_path):
    from random_operators import FINDS, compare

    outcomes = [(seed, compare(seed, tmp_path)) for seed in range(COUNT)]
    finds = [f"{seed}: {outcome.kind}: {outcome.detail}" for seed, outcome in outcomes if outcome.kind in FINDS]
    assert not finds
    kinds = collections.Counter(outcome.kind for _, outcome in outcomes)
    assert kinds["equal"] > COUNT / 3, kinds
