"""`LipschitzBound` is about its module as it now is, or refuses it: layers that do more, changes in place, replaced layers."""

import pytest

import geolip

torch = pytest.importorskip("torch")
import random_modules  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from geolip.torch import LipschitzBound  # noqa: E402

X = torch.zeros(1, 4)


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.a, self.b, self.scale = nn.Linear(4, 4), nn.Linear(4, 4), 1.0

    def forward(self, x):
        return self.function(self, x)


def value(module, output=0):
    return LipschitzBound(module, "linf", output, example_input=X).converge(1e-6, 3000).item()


def refused(module, match):
    with pytest.raises(geolip.NetworkFileError, match=match):
        value(module)


def right(module):
    """Not below sampled quotients, but for what is missing to convergence."""
    assert random_modules.steepest(module, X) <= 1.02 * value(module)


@pytest.mark.parametrize("name", ["hook", "hook before", "hooked activation", "patched", "old weight norm", "pruned"])
def test_a_layer_with_hooks_or_methods_of_its_own_is_not_read_as_its_class(name):
    refused(nn.Sequential(random_modules.LAYERS[name](), nn.Linear(4, 2)), "hooks or methods of its own")


def test_the_whole_with_a_hook_or_another_forward_is_not_read_without_it():
    refused(random_modules.hooked(nn.Sequential(nn.Linear(4, 2))), "are not followed")
    whole = nn.Sequential(nn.Linear(4, 2))
    whole.forward = lambda x: 30 * whole[0](x)
    refused(whole, "are not followed")


@pytest.mark.parametrize(
    "name", ["masked", "gained", "weight norm", "orthogonal", "hooked sequence", "nested", "in place"]
)
def test_subclasses_and_parametrizations_are_followed_or_refused(name):
    torch.manual_seed(1)
    module = nn.Sequential(random_modules.LAYERS[name](), nn.ReLU(), nn.Linear(4, 2))
    try:
        right(module)
    except geolip.UnsupportedNetworkError:
        assert name == "gained"


def test_a_masked_layer_counts_with_its_mask():
    torch.manual_seed(0)
    masked, plain = random_modules.Masked(4, 1), nn.Linear(4, 1)
    plain.weight.data = masked.weight * masked.mask
    assert value(nn.Sequential(masked)) == pytest.approx(value(plain), rel=1e-5)


def test_a_layer_that_is_replaced_counts_from_the_next_call_on():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    bound = LipschitzBound(module)
    before = bound.converge(1e-6, 3000)
    module[0] = nn.Linear(4, 6)
    module[2] = nn.Linear(6, 2)
    module[2].weight.data *= 50
    after = bound.converge(1e-6, 3000)
    assert after.shape == (2,) and after.min() > before.max()
    fresh = LipschitzBound(module).converge(1e-6, 3000)
    torch.testing.assert_close(after, fresh, rtol=1e-3, atol=0.0)
    module[1] = nn.Softmax(1)
    with pytest.raises(geolip.UnsupportedNetworkError, match="Softmax"):
        bound()
    module[1] = random_modules.hooked(nn.ReLU())
    with pytest.raises(geolip.UnsupportedNetworkError, match="hooks"):
        bound()


def test_weights_shapes_and_what_needs_a_gradient_are_read_anew():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    bound = LipschitzBound(module)
    first = bound.converge(1e-7, 3000)
    module[0].weight = nn.Parameter(3 * module[0].weight.detach()[:, :3])
    assert bound().numel() == 1
    module[0].weight = nn.Parameter(torch.cat([module[0].weight.detach(), torch.zeros(8, 1)], 1))
    module[0].weight.requires_grad_(False)
    value = bound()
    value.sum().backward()
    assert module[0].weight.grad is None and module[2].weight.grad is not None
    assert bound.converge(1e-7, 3000) < 3 * first + 1e-4


def test_a_number_that_forward_reads_is_read_anew():
    module = Applied(lambda self, x: self.scale * self.a(x))
    bound = LipschitzBound(module, "linf", 0, example_input=X)
    first = bound.converge()
    module.scale = 7.0
    torch.testing.assert_close(bound.converge(), 7 * first)


@pytest.mark.parametrize(
    "name", ["in place", "in place, a view", "in place, relu", "in place, plus", "in place, assigned"]
)
def test_what_is_changed_in_place_and_read_again_is_not_read_as_before(name):
    module = Applied(random_modules.ORDINARY[name])
    try:
        right(module)
    except geolip.UnsupportedNetworkError as error:
        assert "in place" in str(error) or "item assignment" in str(error)


def test_an_activation_in_place_of_a_residual_is_refused():
    refused(Applied(lambda self, x: (lambda h: F.relu_(h) + h)(self.a(x))), "in place")
    right(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)))


@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: torch.clamp(self.a(x), max=30 * self.b(x)),
        lambda self, x: F.linear(self.a(x), self.b(x)),
        lambda self, x: torch.div(self.a(x), 0.1, rounding_mode="floor"),
        lambda self, x: self.a(x).to(torch.int64).to(x.dtype),
        lambda self, x: self.a.weight[x.argmax(1)],
        lambda self, x: F.softplus(self.a(x), 1.0, 0.0),
        lambda self, x: F.celu(self.a(x), -1.0),
        lambda self, x: self.a(x).T,
        lambda self, x: self.a.bias[None] * 3,
        lambda self, x: x - x.mean(0),
        lambda self, x: 100 * self.a(x) if self.a(x).sum() > 0 else self.a(x),
        lambda self, x: torch.maximum(20 * self.a(x), self.b(x)),
        random_modules.by_batch,
    ],
)
def test_functions_of_several_values_or_of_the_batch_are_not_read_as_linear(function):
    refused(Applied(function), ".")


def test_arguments_that_are_named_are_read_as_such():
    right(Applied(random_modules.ORDINARY["alpha"]))
    right(Applied(lambda self, x: F.relu(input=20 * self.a(x))))


def test_constants_that_are_joined_to_values_are_no_part_of_them():
    module = Applied(lambda self, x: torch.cat([self.a(x)[:, :1], 100 * self.b.bias.expand(x.size(0), 4)], 1))
    assert value(module, 1) == 0.0
    right(module)


@pytest.mark.parametrize("state", [random_modules.Counting, random_modules.Remembering, random_modules.Caching])
def test_what_changes_when_it_is_called_is_refused(state):
    refused(nn.Sequential(nn.Linear(4, 4), state()), "changes its|does something else")


def test_the_mode_is_left_and_evaluation_is_meant():
    module = Applied(random_modules.by_mode)
    low = value(module)
    assert module.training and value(module.eval()) == pytest.approx(low)
