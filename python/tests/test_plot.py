"""Pictures are drawn, of what they say."""

import numpy as np
import pytest
from test_networks import relu_network

import geolip

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from geolip import plot  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def drawn(ax):
    ax.figure.canvas.draw()
    return ax


def test_bounds(models):
    report = geolip.bound(models / "digits-784-64-10.onnx")
    ax = drawn(plot.bounds(report))
    assert [bar.get_width() for bar in ax.patches[:10]] == list(report.uppers)
    assert [label.get_text() for label in ax.get_yticklabels()] == report.outputs


def test_growth(models):
    net = geolip.load(models / "digits-784-64-64-10.onnx")
    ax = drawn(plot.growth(net))
    upper = ax.lines[0].get_ydata()
    assert len(upper) == 3 and upper[-1] == geolip.bound(net, output="linf", tol=1e-3, effort=0).upper
    with pytest.raises(geolip.OptionError, match="cannot be bounded"):
        plot.growth(relu_network())


def test_curves_and_comparisons():
    radii = np.linspace(0, 1, 5)
    report = geolip.bound(relu_network())
    assert len(drawn(plot.against_radius(radii, [1, 2, 3, 4, 5], reference=report)).lines) == 2
    assert len(drawn(plot.against_radius([0.1], [report])).lines) == 2
    assert len(drawn(plot.certified_accuracy(radii, {"a": 1 - radii, "b": radii})).lines) == 2
    ax = plot.certified_accuracy(radii, 1 - radii)
    assert drawn(ax).get_legend() is None
    comparison = geolip.compare(relu_network())
    assert len(drawn(plot.comparison(comparison)).patches) == sum(m.value is not None for m in comparison)
