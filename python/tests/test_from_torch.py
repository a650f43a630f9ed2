"""PyTorch modules of many styles: the network agrees with the module, and bounds with those of the exported file."""

import io
import pickle
import warnings

import numpy as np
import pytest

import geolip

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.manual_seed(0)


def sequential(*layers):
    return lambda: nn.Sequential(*[layer() for layer in layers])


def linear(i, o, **options):
    return lambda: nn.Linear(i, o, **options)


def activated(activation):
    return lambda: nn.Sequential(nn.Linear(6, 8), activation(), nn.Linear(8, 3))


def convolutional(*tail):
    return lambda: nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), *tail, nn.Flatten(), nn.LazyLinear(4))


class Functional(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.a, self.b = function, nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.b(self.function(self.a(x)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = x + self.b(torch.relu(self.a(x)))
        return self.c(torch.relu(x))


class ResidualConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.c = nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.a(x))
        x = F.relu(x + self.norm(self.b(x)))
        return self.c(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Concatenating(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(8, 3)

    def forward(self, x):
        return self.c(torch.cat([torch.tanh(self.a(x)), F.silu(self.b(x))], dim=1))


VECTOR, IMAGE = (2, 6), (2, 1, 6, 6)
# written by geolip itself
CHAINS = {
    "one linear layer": (linear(6, 3), VECTOR),
    "relu, no bias": (sequential(linear(6, 8, bias=False), nn.ReLU, linear(8, 3)), VECTOR),
    "leaky relu": (activated(lambda: nn.LeakyReLU(0.2)), VECTOR),
    "prelu": (activated(lambda: nn.PReLU(8, init=0.3)), VECTOR),
    "elu": (activated(lambda: nn.ELU(0.7)), VECTOR),
    "gelu": (activated(nn.GELU), VECTOR),
    "gelu by tanh": (activated(lambda: nn.GELU(approximate="tanh")), VECTOR),
    "silu": (activated(nn.SiLU), VECTOR),
    "mish": (activated(nn.Mish), VECTOR),
    "tanh": (activated(nn.Tanh), VECTOR),
    "softplus": (activated(nn.Softplus), VECTOR),
    "selu": (activated(nn.SELU), VECTOR),
    "celu": (activated(lambda: nn.CELU(0.5)), VECTOR),
    "hard swish": (activated(nn.Hardswish), VECTOR),
    "hard sigmoid": (activated(nn.Hardsigmoid), VECTOR),
    "relu6": (activated(nn.ReLU6), VECTOR),
    "softsign": (activated(nn.Softsign), VECTOR),
    "batch norm": (
        sequential(linear(6, 8), lambda: nn.BatchNorm1d(8), nn.Sigmoid, lambda: nn.Dropout(0.5), linear(8, 3)),
        VECTOR,
    ),
    "nested": (
        lambda: nn.Sequential(activated(nn.ReLU)(), nn.Sequential(nn.ReLU(), nn.Linear(3, 2))),
        VECTOR,
    ),
    "convolution": (convolutional(nn.BatchNorm2d(3)), IMAGE),
    "max pool": (convolutional(nn.MaxPool2d(2)), IMAGE),
    "average pool": (convolutional(nn.AvgPool2d(3, stride=2, padding=1)), IMAGE),
    "global pool": (convolutional(nn.AdaptiveAvgPool2d(1)), IMAGE),
    "same padding": (convolutional(nn.Conv2d(3, 2, 4, padding="same")), IMAGE),
    "strides and groups": (convolutional(nn.Conv2d(3, 6, 3, stride=2, groups=3, dilation=2)), IMAGE),
    "transposed": (convolutional(nn.ConvTranspose2d(3, 2, 3, stride=2, output_padding=1)), IMAGE),
    "unflatten": (
        lambda: nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten()),
        VECTOR,
    ),
    "last axis": (
        lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)),
        (2, 3, 6),
    ),
}
# exported by torch
OTHERS = {
    "functional relu": (lambda: Functional(F.relu), VECTOR),
    "functional gelu": (lambda: Functional(F.gelu), VECTOR),
    "functional silu": (lambda: Functional(F.silu), VECTOR),
    "functional elu": (lambda: Functional(F.elu), VECTOR),
    "functional tanh": (lambda: Functional(torch.tanh), VECTOR),
    "clamp": (lambda: Functional(lambda h: h.clamp(-1, 1)), VECTOR),
    "residual": (Residual, VECTOR),
    "residual convolution": (ResidualConvolution, IMAGE),
    "two branches": (Concatenating, VECTOR),
    "weight norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 3)),
        VECTOR,
    ),
}


def made(style, shape):
    torch.manual_seed(1)
    module = style()
    module(torch.randn(4, *shape[1:]))  # lazy layers, and statistics that are not those of the start
    return module.eval()


def agrees(network, module, shape):
    x = torch.randn(5, *shape[1:])
    with torch.no_grad():
        expected = module(x).flatten(1).double().numpy()
    np.testing.assert_allclose(network(x.numpy()), expected, atol=1e-5 * (1 + np.abs(expected).max()))


def exported(module, shape):
    pytest.importorskip("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, (torch.zeros(1, *shape[1:]),), dynamo=True, verbose=False)
    return geolip.from_onnx(program.model_proto)


@pytest.mark.parametrize("name", CHAINS)
def test_sequential_needs_no_onnx(name, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("exported")

    monkeypatch.setattr(torch.onnx, "export", forbidden)
    style, shape = CHAINS[name]
    module = made(style, shape)
    agrees(geolip.from_torch(module, torch.zeros(shape)), module, shape)


@pytest.mark.parametrize("name", ["gelu", "silu", "batch norm", "max pool", "convolution", "nested", "elu", "tanh"])
def test_bounds_agree_with_those_of_the_exported_file(name):
    style, shape = CHAINS[name]
    module = made(style, shape)
    ours, theirs = geolip.from_torch(module, torch.zeros(shape)), exported(module, shape)
    a, b = (geolip.bound(network, "l2", 0)[0].upper for network in (ours, theirs))
    assert a == pytest.approx(b, rel=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_other_modules_are_exported(name):
    pytest.importorskip("onnxscript")
    style, shape = OTHERS[name]
    module = made(style, shape)
    network = geolip.from_torch(module, torch.zeros(shape))
    agrees(network, module, shape)
    bound = geolip.bound(network, output=0)[0]
    assert 0 < bound.lower <= bound.upper


def test_a_network_says_with_what_it_was_compared():
    network = geolip.from_torch(nn.Sequential(nn.Linear(6, 3)), torch.zeros(1, 6))
    compared = network.info["compared"]
    assert compared["module"] == "Sequential" and compared["double"] and compared["inputs"] >= 50
    assert pickle.loads(pickle.dumps(network)).info == network.info
    assert geolip.Network.from_weights([[[1.0]]]).info["compared"] is None


def test_the_mode_of_a_module_is_left_as_it_was():
    module = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 3))
    module[2].eval()
    before = {name: m.training for name, m in module.named_modules()}
    geolip.from_torch(module, torch.zeros(1, 6))
    assert {name: m.training for name, m in module.named_modules()} == before


def test_double_precision():
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    x = torch.randn(3, 6, dtype=torch.float64)
    found = geolip.from_torch(module, x)(x.numpy())
    np.testing.assert_allclose(found, module(x).detach().numpy(), rtol=1e-12)


def test_what_cannot_be_read_says_so():
    pytest.importorskip("onnxscript")

    class Steps(nn.Module):
        def forward(self, x):
            return torch.floor(x)

    with pytest.raises(geolip.UnsupportedNetworkError, match="Floor"):
        geolip.from_torch(Steps(), torch.zeros(1, 6))


def test_files_written_here_are_valid_onnx():
    onnx = pytest.importorskip("onnx")
    from geolip._torch_chain import chain_of

    for style, shape in CHAINS.values():
        data = chain_of(made(style, shape), torch.zeros(1, *shape[1:]))
        onnx.checker.check_model(onnx.load(io.BytesIO(data)), full_check=True)
