"""The differentiable value: that of the engine, with the right gradient, for modules of many styles."""

import copy
import itertools

import numpy as np
import pytest

import geolip

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from geolip.torch import LipschitzBound  # noqa: E402


def chain(*widths, activation=nn.ReLU):
    torch.manual_seed(0)
    layers = []
    for i, o in itertools.pairwise(widths):
        layers += [nn.Linear(i, o), activation()]
    return nn.Sequential(*layers[:-1])


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.c = nn.BatchNorm2d(3), nn.Linear(3, 2)
        self.norm.running_var.uniform_(0.5, 2.0)

    def forward(self, x):
        x = F.silu(self.a(x) + 0.3)
        x = torch.relu(x - self.norm(self.b(x)))
        x = F.avg_pool2d(x, 2)
        return self.c(F.dropout(x.mean((2, 3)), 0.5, self.training))


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(1, 2, 3), nn.Linear(8, 2)

    def forward(self, x):
        x = F.max_pool2d(self.a(x), 2)
        return self.b(torch.cat([F.leaky_relu(x, 0.2).view(x.size(0), -1)] * 1, 1))


STYLES = {
    "one hidden layer": (lambda: chain(6, 10, 3), (6,), "linf"),
    "deep": (lambda: chain(5, 8, 8, 8, 3), (5,), "linf"),
    "euclidean, gelu": (lambda: chain(5, 8, 6, 3, activation=nn.GELU), (5,), "l2"),
    "another norm, elu": (lambda: chain(5, 8, 3, activation=lambda: nn.ELU(1.5)), (5,), 3),
    "prelu": (lambda: chain(5, 8, 3, activation=lambda: nn.PReLU(init=0.3)), (5,), "linf"),
    "residual, convolutions": (Residual, (1, 6, 6), "linf"),
    "max pool": (Pooled, (1, 6, 6), "l2"),
    "transposed convolution": (
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, 6)),
            nn.ConvTranspose1d(1, 2, 3, stride=2),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(26, 2),
        ),
        (6,),
        "linf",
    ),
}


def bound_of(module, shape, norm, output="each", **options):
    options = {"features": 12, **options}
    return LipschitzBound(module, norm, output, example_input=torch.zeros(1, *shape), **options)


@pytest.mark.parametrize("name", STYLES)
def test_the_value_is_the_engines(name):
    style, shape, norm = STYLES[name]
    module = style().eval()
    value = bound_of(module, shape, norm).converge(1e-7, 3000)
    if name in ("residual, convolutions", "max pool"):
        pytest.importorskip("onnxscript")
    network = geolip.from_torch(module, torch.zeros(1, *shape))
    bounds = geolip.bound(network, norm).bounds
    relaxation = np.array([b.relaxation for b in bounds])
    # a closed form may lie below the relaxation, and neurons that share a pre-activation are one neuron in the engine
    better = np.array(["closed form" in b.method for b in bounds])
    assert not better.all()
    assert (value.numpy() >= relaxation * (1 - 1e-4)).all()
    np.testing.assert_allclose(value.numpy()[~better], relaxation[~better], rtol=1e-4)


@pytest.mark.parametrize("output", [1, (0, 2), "1-2", "pairs", "linf", "l2", "l1"])
def test_outputs(output):
    module = chain(5, 8, 8, 3)
    value = bound_of(module, (5,), "linf", output).converge(1e-7, 3000).numpy()
    report = geolip.bound(geolip.from_torch(module, torch.zeros(1, 5)), "linf", output)
    np.testing.assert_allclose(value.reshape(-1), [b.relaxation for b in report], rtol=1e-4)


@pytest.mark.parametrize("name", STYLES)
def test_the_gradient_agrees_with_finite_differences_of_the_converged_value(name):
    style, shape, norm = STYLES[name]
    module = style().eval().double()
    bound = bound_of(module, shape, norm, 0)
    bound.converge(1e-13, 20_000)
    value = bound()
    value.backward()
    parameters = [p for p in module.parameters() if p.grad is not None]
    torch.manual_seed(2)
    direction = [torch.randn_like(p) for p in parameters]
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, direction, strict=True)).item()

    def moved(step):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += step * d
        result = bound.converge(1e-13, 20_000).item()
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p -= step * d
        return result

    step = 1e-5
    difference = (moved(step) - moved(-step)) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-4, abs=1e-4 * value.item())


def test_biases_have_no_gradient_and_weights_do():
    module = chain(6, 10, 3)
    bound_of(module, (6,), "linf")().sum().backward()
    assert module[0].bias.grad is None and module[2].bias.grad is None
    assert module[0].weight.grad.abs().sum() > 0


def test_backward_passes_move_the_vectors_whatever_their_sign_and_scale():
    module = chain(6, 10, 3)
    reference = bound_of(module, (6,), "linf")
    for factor in (1.0, -2.0, 1e-6):
        bound = bound_of(module, (6,), "linf")
        for _ in range(20):
            (factor * bound()).sum().backward()
        reference.reset()
        for _ in range(20):
            reference.sweep()
        torch.testing.assert_close(bound(), reference(), rtol=1e-5, atol=0.0)


def test_the_largest_output_moves_all_vectors():
    module = chain(6, 10, 3)
    bound = bound_of(module, (6,), "linf", "linf")
    for _ in range(300):
        bound().backward()
    each = bound_of(module, (6,), "linf").converge(1e-6, 2000)
    torch.testing.assert_close(bound(), each.max(), rtol=1e-4, atol=0.0)


def test_one_sweep_a_step_follows_the_weights():
    module = chain(8, 16, 16, 4)
    bound = LipschitzBound(module)
    optimiser = torch.optim.Adam(module.parameters(), 2e-3)
    x, y = torch.randn(128, 8), torch.randint(0, 4, (128,))
    for _ in range(100):
        optimiser.zero_grad()
        (F.cross_entropy(module(x), y) + 1e-3 * bound().mean()).backward()
        optimiser.step()
    value = bound()
    fresh = LipschitzBound(copy.deepcopy(module)).converge(1e-6, 3000)
    torch.testing.assert_close(value, fresh, rtol=2e-2, atol=0.0)
    assert (value <= fresh * 1.0001).all()


def test_arithmetic_that_is_linear():
    class Arithmetic(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, x):
            h = F.leaky_relu(2 * self.a(x) / 3 - 1, 0.0)
            h = h + torch.abs(h).mul(0.5)
            y = self.b(h) - self.b.bias
            return torch.cat([y[:, 1:], y[:, :1]], 1)

    module = Arithmetic()
    value = bound_of(module, (4,), "l2").converge(1e-7, 3000)
    pytest.importorskip("onnxscript")
    report = geolip.bound(geolip.from_torch(module, torch.zeros(1, 4)), "l2")
    np.testing.assert_allclose(value.numpy(), [b.relaxation for b in report], rtol=1e-4)


def test_what_is_not_supported_is_refused():
    class Softmax(nn.Module):
        def forward(self, x):
            return torch.softmax(x, 1)

    class Applied(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x)

    hooked = nn.Linear(3, 3)
    hooked.register_forward_hook(lambda module, inputs, output: output * 2)
    refused = [
        Softmax(),
        nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)),
        nn.Sequential(nn.Softmax(1)),
        hooked,
        *(Applied(f) for f in (lambda x: x * x, lambda x: 1 / x, lambda x: x[0], lambda x: x - x.mean(0))),
        Applied(lambda x: F.adaptive_max_pool2d(x[:, None, None], 1)),
    ]
    for module in refused:
        bound = LipschitzBound(nn.Sequential(nn.Linear(3, 3), module))
        with pytest.raises(geolip.UnsupportedNetworkError, match="no known slopes"):
            bound()
    with pytest.raises(geolip.OptionError):
        LipschitzBound(chain(3, 3), "l1")
    with pytest.raises(geolip.OptionError):
        LipschitzBound(chain(3, 3, 3), output=7)()
    with pytest.raises(geolip.OptionError, match="example_input"):
        LipschitzBound(nn.Sequential(nn.Conv2d(1, 1, 1)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda():
    module = chain(6, 10, 3)
    expected = LipschitzBound(module).converge(1e-6)
    found = LipschitzBound(module.cuda()).converge(1e-6)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=0.0)
