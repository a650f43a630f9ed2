"""What a PyTorch module computes at one input says nothing of others: modules that are read wrongly by following one call."""

import functools
import warnings

import numpy as np
import pytest

import geolip

torch = pytest.importorskip("torch")
import random_modules  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

ZEROS = torch.zeros(1, 4)


class Applied(nn.Module):
    """A function of the input and two layers."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.function(self, x)


@pytest.fixture
def exporter(monkeypatch):
    pytest.importorskip("onnxscript")
    random_modules.remember_the_exporters_table(monkeypatch.setattr)


def read(module, example=ZEROS, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return geolip.from_torch(module, example, **options)


def refused(module, match, example=ZEROS, **options):
    with pytest.raises(geolip.NetworkFileError, match=match):
        read(module, example, **options)


def right(module, example=ZEROS, **options):
    """The network's bound is not below sampled quotients."""
    network = read(module, example, **options)
    upper = geolip.bound(network, output=0)[0].upper
    sampled = random_modules.steepest(module, example)
    assert 0 < sampled <= upper
    return upper


@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_what_a_branch_does_elsewhere_is_not_left_out(exporter, sign):
    refused(Applied(random_modules.HOSTILE["branch"]), "data-dependent|values of its input", sign * torch.ones(1, 4))


@pytest.mark.parametrize("name", ["routing", "loop", "item", "item in a slice", "numpy", "gathered", "where, of a sum"])
def test_what_the_values_of_the_input_decide_is_not_fixed_at_the_example(exporter, name):
    refused(Applied(random_modules.HOSTILE[name]), ".")


def test_a_gain_that_sets_in_above_some_norm_is_not_left_out(exporter):
    def rescaled(self, x):
        h = torch.relu(self.a(x))
        return h + 19 * torch.relu(h - 1) if h.max() > 1 else h

    refused(Applied(rescaled), "data-dependent|values of its input")


def test_a_trace_is_never_taken_for_a_module_that_branches(monkeypatch):
    """Without onnxscript there is only the exporter that follows one call: what it warns of is an error."""
    from geolip import _from_torch

    monkeypatch.setattr(_from_torch.importlib.util, "find_spec", lambda name: None)
    refused(Applied(random_modules.HOSTILE["branch"]), "following one call is not enough|values of its input")
    refused(Applied(random_modules.HOSTILE["item"]), "following one call is not enough|values of its input")
    refused(Applied(random_modules.by_global), "another output|other outputs")
    right(Applied(random_modules.ORDINARY["two layers"]))


def test_warnings_of_the_exporter_are_not_silenced_when_they_are_of_the_module(monkeypatch):
    from geolip import _from_torch

    monkeypatch.setattr(_from_torch.importlib.util, "find_spec", lambda name: None)

    def warning(self, x):
        warnings.warn("this module is old", UserWarning, stacklevel=2)
        return self.a(x)

    with pytest.warns(UserWarning, match="this module is old"):
        geolip.from_torch(Applied(warning), ZEROS)


def test_what_is_done_in_an_export_alone_is_not_taken_for_the_module(exporter):
    refused(Applied(random_modules.by_export), "differs from the module")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda self, x: F.dropout(self.a(x)), "is random"),
        (lambda self, x: self.a(x) * torch.rand(()), "is random"),
        (lambda self, x: self.a(x) * float(np.random.rand()), "another output when it is called again"),
        (random_modules.by_global, "other outputs|another output"),
        (random_modules.by_gradient_mode, "where gradients are recorded"),
        (lambda self, x: 40 * self.a(x) if x.requires_grad else self.a(x), "where gradients are recorded"),
        (random_modules.by_batch, "rows of a batch"),
        (lambda self, x: x - x.mean(0), "rows of a batch"),
        (lambda self, x: x if x.dtype == torch.float32 else 3 * x, "something else in double precision"),
        (lambda self, x: self.a(x) / 0, "."),
        (lambda self, x: self.missing(x), "missing"),
    ],
)
def test_what_is_no_function_of_its_input_is_refused(exporter, function, reason):
    refused(Applied(function), reason)


@pytest.mark.parametrize("state", [random_modules.Counting, random_modules.Remembering, random_modules.Caching])
def test_what_changes_when_it_is_called_is_refused_and_put_back(exporter, state):
    module = nn.Sequential(nn.Linear(4, 4), state())
    before = {**module.state_dict(), "factor": getattr(module[1], "factor", None)}
    before = {name: value.clone() if torch.is_tensor(value) else value for name, value in before.items()}
    refused(module, "another output|changes its")
    after = {**module.state_dict(), "factor": getattr(module[1], "factor", None)}
    assert all(
        torch.equal(before[k], after[k]) if torch.is_tensor(before[k]) else before[k] == after[k] for k in before
    )


LAYERS = {
    **{name: random_modules.LAYERS[name] for name in ("masked", "gained", "hook", "hook before", "patched")},
    **{name: random_modules.LAYERS[name] for name in ("weight norm", "spectral norm", "old weight norm", "pruned")},
    "hooked sequence": random_modules.LAYERS["hooked sequence"],
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_linear_layer_that_does_more_is_not_read_as_linear(exporter, name):
    torch.manual_seed(1)
    module = nn.Sequential(LAYERS[name](), nn.ReLU(), nn.Linear(4, 2))
    right(module.eval() if "spectral" in name else module)


def test_a_hook_of_all_modules_is_not_left_out(exporter):
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    alone = geolip.bound(read(module), output=0)[0].upper
    handle = nn.modules.module.register_module_forward_hook(lambda m, i, o: 30 * o if isinstance(m, nn.ReLU) else None)
    try:
        assert right(module) == pytest.approx(30 * alone, rel=1e-5)
    except geolip.NetworkFileError:
        pass
    finally:
        handle.remove()


@pytest.mark.parametrize(
    "name", ["in place", "in place, relu", "in place, plus", "double inside", "clamped by another"]
)
def test_changes_in_place_and_of_type_are_read_as_they_are(exporter, name):
    right(Applied(random_modules.ORDINARY[name]))


def test_the_mode_is_that_of_evaluation_whatever_it_was(exporter):
    module = Applied(random_modules.by_mode)
    assert module.training
    assert right(module) < 2 and module.training


def test_a_module_that_merges_weights_in_its_own_train_is_left_as_it_was(exporter):
    class Merging(nn.Linear):
        def train(self, mode=True):
            if mode != self.training:
                self.weight.data *= 2 if mode else 0.5
            return super().train(mode)

    module = nn.Sequential(Merging(4, 4), nn.ReLU())
    before = module[0].weight.detach().clone()
    read(module)
    assert torch.equal(module[0].weight, before) and module.training and module[0].training


class Several(nn.Module):
    """Two inputs, and outputs of which the second can be read and the third not."""

    def __init__(self, branch=False):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.branch = nn.Linear(4, 4), nn.Linear(4, 4), branch

    def forward(self, x, z):
        h = torch.relu(self.a(x) + 2 * self.b(z))
        if self.branch and h.sum() > 3:
            h = 10 * h
        return h, {"scaled": 3 * h - z}, torch.softmax(h, 1)


TWO = (torch.zeros(1, 4), torch.zeros(1, 4))


def test_every_choice_of_input_output_and_inner_tensor_is_compared(exporter):
    module = Several()
    x = torch.randn(3, 4)
    with torch.no_grad():
        first, second, _ = module(x, torch.zeros(3, 4))
        whole = module(x, 2 * x)[0]
    network = read(module, TWO)
    np.testing.assert_allclose(network(np.concatenate([x, 2 * x], 1)), whole, atol=1e-5)
    names = [network.info["output"]["name"], *network.info["other_outputs"]]
    inputs = [port["name"] for port in network.info["inputs"]]
    np.testing.assert_allclose(read(module, TWO, input=inputs[0])(x.numpy()), first, atol=1e-5)
    chosen = read(module, TWO, input=inputs[0], output_name=names[1])
    np.testing.assert_allclose(chosen(x.numpy()), second["scaled"], atol=1e-5)
    inner = read(module, TWO, input=inputs[0], until=names[0])
    np.testing.assert_allclose(inner(x.numpy()), first, atol=1e-5)
    for options in ({}, {"input": inputs[0]}, {"output_name": names[1]}, {"until": names[0]}):
        refused(Several(branch=True), "data-dependent|values of its input", TWO, **options)


def test_logits_before_something_unsupported_are_compared_by_the_files_own_evaluation(exporter, monkeypatch):
    def multiplied(self, x):
        return torch.prod(20 * torch.relu(self.a(x)), 1, keepdim=True)

    module = Applied(multiplied)
    with pytest.raises(geolip.UnsupportedNetworkError) as error:
        read(module)
    until = str(error.value).split("--until '")[1].split("'")[0]
    network = read(module, until=until)
    x = torch.randn(3, 4)
    np.testing.assert_allclose(network(x.numpy()), 20 * torch.relu(module.a(x)).detach(), atol=1e-4)
    wrong = functools.partialmethod(lambda self, x: 2 * geolip.Network.__call__(self, x))
    from geolip import _from_torch

    class Doubled(geolip.Network):
        __call__ = wrong

    def doubled(*arguments, **options):
        network = geolip._network.from_bytes(*arguments, **options)
        return Doubled(network._engine, network._source, network._name, network._reading)

    monkeypatch.setattr(_from_torch, "from_bytes", doubled)
    refused(module, "differs from the module", until=until)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_network_that_differs_at_one_scale_alone_is_refused(monkeypatch, scale):
    from geolip import _from_torch

    def off(*arguments, **options):
        network = geolip._network.from_bytes(*arguments, **options)
        plain = type(network).__call__

        class Off(geolip.Network):
            def __call__(self, x):
                near = (np.abs(x).max(1) > scale) & (np.abs(x).max(1) < 4 * scale)
                return plain(self, x) * np.where(near, 1.001, 1.0)[:, None]

        return Off(network._engine, network._source, network._name, network._reading)

    monkeypatch.setattr(_from_torch, "from_bytes", off)
    refused(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), f"scale {scale:g}")


def test_a_slope_that_float32_rounds_is_not_rounded_for_a_module_in_double(exporter):
    module = nn.Sequential(nn.Linear(4, 1), nn.LeakyReLU(0.1)).double()
    example = torch.zeros(1, 4, dtype=torch.float64)
    network = read(module, example)
    module[0].weight.data.abs_()
    x = -torch.ones(1, 4, dtype=torch.float64)
    network = read(module, example)
    np.testing.assert_allclose(network(x.numpy()), module(x).detach().numpy(), rtol=1e-14)
    refused(Applied(lambda self, x: F.leaky_relu(self.a(x), 0.1)).double(), "a number that float32 does not", example)


def test_examples_that_are_no_floating_point_tensors_are_refused():
    module = nn.Linear(4, 4)
    for example in (np.zeros((1, 4)), torch.zeros(1, 4, dtype=int), torch.zeros(1, 4) + 0j, torch.zeros(()), [ZEROS]):
        with pytest.raises(geolip.OptionError, match="input 0 of the example"):
            geolip.from_torch(module, example)
    with pytest.raises(geolip.OptionError):
        geolip.from_torch(module, torch.zeros(0, 4))
