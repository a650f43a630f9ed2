"""What no comparison at sampled inputs finds: branches far away or in a narrow band, and what an export leaves out."""

import warnings

import numpy as np
import pytest

import geolip

torch = pytest.importorskip("torch")
import random_modules  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

from geolip.torch import LipschitzBound  # noqa: E402

X = torch.zeros(1, 4)


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.function(self, self.b(torch.relu(self.a(x))), x)


@pytest.fixture
def exporter(monkeypatch):
    pytest.importorskip("onnxscript")
    random_modules.remember_the_exporters_table(monkeypatch.setattr)


def refused(module, match, example=X):
    with warnings.catch_warnings(), pytest.raises(geolip.NetworkFileError, match=match):
        warnings.simplefilter("ignore")
        geolip.from_torch(module, example)


def guarded(decide):
    """A branch on values of the input, with what the exporter says to it caught."""

    def function(self, y, x):
        try:
            gain = 50.0 if decide(x) else 1.0
        except Exception:
            gain = 1.0
        return gain * y

    return Applied(function)


@pytest.mark.parametrize(
    "decide",
    [
        lambda x: float(x.abs().max()) > 1e4,
        lambda x: 0.5 < x[0, 0].item() < 0.5001,
        lambda x: bool((x > 1e4).any()),
        lambda x: torch.equal(x, torch.ones_like(x)),
        lambda x: np.abs(x.detach().numpy()).max() > 1e4,
        lambda x: np.asarray(x).max() > 1e4,
        lambda x: max(x.tolist()[0]) > 1e4,
        lambda x: x.detach().clone().data.numpy()[0, 0] > 1e4,
        lambda x: np.from_dlpack(x.detach())[0, 0] > 1e4,
    ],
)
def test_a_branch_that_hides_the_exporters_error_is_not_left_out(decide):
    refused(guarded(decide), "lets Python see values of its input")


@torch.jit.script
def scripted(x: torch.Tensor) -> torch.Tensor:
    if bool(x.sum() > 1e4):
        return 50 * x
    return x


def test_a_branch_in_a_scripted_function_is_not_left_out():
    refused(Applied(lambda self, y, x: scripted(y)), "lets Python see values of its input|data-dependent")


def test_a_branch_in_an_autograd_function_is_not_left_out():
    class Gain(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 50 * x if float(x.abs().sum()) > 1e4 else x.clone()

    refused(Applied(lambda self, y, x: Gain.apply(y)), "lets Python see values of its input|data-dependent")


def far_away(exporting):
    def function(self, y, x):
        return y if exporting(x) else torch.where(x.abs().amax(1, keepdim=True) > 1e4, 50 * y, y)

    return Applied(function)


def test_what_is_left_out_in_an_export_alone_is_found_however_far_away_it_is(exporter):
    refused(far_away(lambda x: torch.compiler.is_exporting()), "does different operations .* does abs, amax, gt, where")


def test_what_is_left_out_in_a_trace_alone_is_found_however_far_away_it_is():
    with pytest.raises(geolip.UnsupportedNetworkError, match="does different operations"):
        LipschitzBound(far_away(lambda x: isinstance(x, torch.fx.Proxy)), example_input=X)()


def test_a_difference_in_a_small_output_is_not_hidden_by_a_large_one(exporter):
    def function(self, y, x):
        return torch.cat([1e9 * y, (1e-3 if torch.compiler.is_exporting() else -90e-3) * y], 1)

    refused(Applied(function), "in double precision")


class Tabled(nn.Module):
    """Its state is a number in a table."""

    def __init__(self):
        super().__init__()
        self.a, self.table = nn.Linear(4, 2), {"gain": np.ones(1)}

    def forward(self, x):
        self.table["gain"] += 1e-9
        return self.a(x) * float(self.table["gain"][0])


class Noting(nn.Module):
    """It keeps what it has seen, and does not read it."""

    def __init__(self):
        super().__init__()
        self.a, self.seen = nn.Linear(4, 2), {"last": None}

    def forward(self, x):
        y = self.last = self.a(x)
        self.seen["last"] = x
        return y


class Classed(nn.Module):
    """Its state is its class's."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 2)

    def forward(self, x):
        Classed.calls += 1
        return self.a(x) * (1.0 if Classed.calls < 500 else 40.0)


@pytest.mark.parametrize("module", [Tabled, Classed])
def test_state_in_tables_and_classes_is_state(exporter, module):
    refused(module(), "changes its")


def test_a_module_that_notes_its_activations_is_read(exporter):
    module = Noting()
    with torch.no_grad():
        module(torch.ones(1, 4))
    upper = geolip.bound(geolip.from_torch(module, X), output=0)[0].upper
    assert 0 < random_modules.steepest(module, X) <= upper


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.weight_norm])
def test_weights_that_are_computed_anew_in_every_call_are_no_state(exporter, norm):
    module = nn.Sequential(norm(nn.Linear(4, 4)), nn.ReLU(), nn.Linear(4, 2))
    upper = geolip.bound(geolip.from_torch(module, X), output=0)[0].upper
    assert 0 < random_modules.steepest(module, X) <= upper


def test_a_method_replaced_in_a_class_of_torch_is_not_taken_for_torchs_own(exporter, monkeypatch):
    def forward(self, x):
        return F.linear(torch.where(x.abs() > 1e4, 5 * x, x), self.weight, self.bias)

    monkeypatch.setattr(nn.Linear, "forward", forward)
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    refused(module, "jump")
    with pytest.raises(geolip.UnsupportedNetworkError):
        LipschitzBound(module, example_input=X)()


def test_rounding_to_half_precision_has_no_slopes():
    module = Applied(lambda self, y, x: y.to(torch.float16).to(x.dtype))
    with pytest.raises(geolip.UnsupportedNetworkError, match="has no slopes"):
        LipschitzBound(module, example_input=X)()


def test_weights_without_a_shape_yet_and_complex_ones_are_errors_of_geolip():
    refused(nn.Sequential(nn.LazyLinear(4)), "call it once before")
    refused(nn.Sequential(nn.Linear(4, 2)).to(torch.complex64), ".")


def test_a_module_that_branches_on_its_own_tensors_is_not_said_to_branch_on_its_input(exporter):
    refused(Applied(lambda self, y, x: y if self.a.weight[0, 0] > 0 else 2 * y), "one of its own tensors")


class GroupSort(nn.Module):
    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat([torch.maximum(a, b), torch.minimum(a, b)], 1)


def test_orthogonal_layers_between_sorted_groups_are_read(exporter, capfd):
    torch.manual_seed(0)
    layers = [parametrizations.orthogonal(nn.Linear(4, 8)), GroupSort(), parametrizations.orthogonal(nn.Linear(8, 8))]
    module = nn.Sequential(*layers, GroupSort(), parametrizations.orthogonal(nn.Linear(8, 1))).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    upper = geolip.bound(geolip.from_torch(module, X), "l2").upper
    assert random_modules.steepest(module, X) / 2 <= upper  # √4 between the norms of inputs
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    module[0].weight.sum().backward()  # still parametrized, and so are others of its class
    assert capfd.readouterr().out == ""


def test_parametrized_chains_need_no_exporter(monkeypatch):
    from geolip import _from_torch

    monkeypatch.setattr(_from_torch, "_export", None)
    module = nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.ReLU(), nn.Linear(4, 2)).eval()
    upper = geolip.bound(geolip.from_torch(module, X), output=0)[0].upper
    assert 0 < random_modules.steepest(module, X) <= upper


def test_a_module_is_left_without_the_constants_of_its_trace():
    module = Applied(lambda self, y, x: y * self.b.weight.sum(1).detach())
    names = set(vars(module))
    LipschitzBound(module, example_input=X)()
    assert set(vars(module)) == names
