"""The training example: its parts work, and a step with the penalty costs what the guide says."""

import runpy

import pytest
from conftest import ROOT

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")


def test_training_and_what_a_step_costs(tmp_path):
    example = runpy.run_path(str(ROOT / "examples/training/train.py"))
    torch.manual_seed(0)
    data = (torch.rand(256, 64), torch.randint(0, 10, (256,)), torch.rand(20, 64), torch.randint(0, 10, (20,)))
    results = []
    for penalty in ("none", "product of norms", "relaxation"):
        model = example["train"](penalty, 0.05, data, epochs=2, seed=0)
        found = example["assess"](model, data)
        assert 0 < found["lower"] <= found["upper"]
        assert found["certified_accuracy"] == sorted(found["certified_accuracy"], reverse=True)
        results.append({"penalty": penalty, "strength": 0.05, **found})
    assert results[2]["upper"] < results[0]["upper"]
    example["picture"](results, tmp_path / "figure.png")
    times = example["step_times"](steps=40)
    assert times["with the penalty"] < 4 * times["plain"]
