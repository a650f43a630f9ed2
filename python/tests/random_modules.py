"""Random PyTorch modules, ordinary and hostile, and what becomes of each: refused, or a bound that samples do not exceed.

python python/tests/random_modules.py 1000 [FIRST_SEED]
"""

import collections
import copy
import random
import sys
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

import geolip
from geolip.torch import LipschitzBound

WIDTH = 4
EXPORTERS_TABLES = {}
GLOBAL = {"gain": 1.0, "calls": 0}


class Masked(nn.Linear):
    """A subclass with a forward of its own."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("mask", 50.0 * (torch.rand_like(self.weight) < 0.5))

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class Gained(nn.Linear):
    """A subclass that inherits its forward, and its weight not."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self._parameters["weight"].data.normal_()

    def __getattr__(self, name):
        value = super().__getattr__(name)
        return 30 * value if name == "weight" else value


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = 1.0

    def forward(self, x):
        self.factor = self.factor * 1.5
        return x * self.factor


class Caching(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(1.0)
        return x * (50.0 if len(self.seen) > 300 else 1.0)


class Applied(nn.Module):
    """A function of a layer's output and of another layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.a, self.b = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.register_buffer("matrix", torch.randn(WIDTH, WIDTH))

    def forward(self, x):
        return self.function(self, x)


def looped(self, x):
    for _ in range(int(x.abs().sum().clamp(max=3)) + 1):
        x = 5 * self.a(x)
    return x


def in_place(self, x):
    h = self.a(x)
    kept = h
    h.mul_(20)
    return kept + x


def in_place_view(self, x):
    h = self.a(x)
    h[:, :2].mul_(20)
    return h


def in_place_relu(self, x):
    h = 10 * self.a(x)
    F.relu(h, inplace=True)
    return h


def assigned(self, x):
    h = self.a(x)
    h[:, 0] = 30 * self.b(x)[:, 1]
    return h


def plus_equals(self, x):
    h = self.a(x)
    kept = h
    h += 10 * self.b(x)
    return kept


def through_double(self, x):
    return (self.a(x).double() * 3).to(x.dtype)


def through_half(self, x):
    return self.a(x).half().to(x.dtype) * 2


def through_integers(self, x):
    return self.a(x) * 0.1 + (self.a(x) * 3).to(torch.int64).to(x.dtype)


def by_global(self, x):
    GLOBAL["calls"] += 1
    return x * (1 + GLOBAL["calls"] % 7)


def by_mode(self, x):
    return 40 * self.a(x) if self.training else self.a(x)


def by_gradient_mode(self, x):
    return 40 * self.a(x) if torch.is_grad_enabled() else self.a(x)


def by_export(self, x):
    return self.a(x) if torch.compiler.is_exporting() else 40 * self.a(x)


def by_batch(self, x):
    return self.a(x) if len(x) == 1 else 40 * self.a(x)


def with_numpy(self, x):
    return self.a(x) * float(np.abs(x.detach().cpu().numpy()).sum())


ORDINARY = {
    "residual": lambda self, x: x + torch.relu(self.a(x)),
    "two layers": lambda self, x: self.b(torch.tanh(self.a(x))),
    "where": lambda self, x: torch.where(self.a(x) > 0, self.a(x), 0.1 * self.a(x)),
    "clamped": lambda self, x: self.a(x).clamp(-1, 1) * 3,
    "clamped by another": lambda self, x: torch.clamp(self.a(x), max=30 * self.b(x)),
    "maximum": lambda self, x: torch.maximum(20 * self.a(x), self.b(x)),
    "absolute": lambda self, x: self.a(x).abs(),
    "joined": lambda self, x: torch.cat([self.a(x)[:, :2], 10 * self.b(x)[:, 2:]], 1),
    "flipped": lambda self, x: self.a(x).flip(1),
    "matrix": lambda self, x: self.a(x) @ self.matrix,
    "hyper": lambda self, x: F.linear(self.a(x), self.matrix, bias=self.b.bias),
    "keywords": lambda self, x: F.relu(input=F.linear(input=x, weight=20 * self.a.weight, bias=self.a.bias)),
    "alpha": lambda self, x: torch.add(self.a(x), self.b(x), alpha=20),
    "reshaped": lambda self, x: self.a(x).reshape(-1, 2, 2).transpose(1, 2).flatten(1),
    "mean": lambda self, x: self.a(x) - self.b(x).mean(1, keepdim=True),
    "leaky": lambda self, x: F.leaky_relu(self.a(x), -3.0),
    "double inside": through_double,
    "in place": in_place,
    "in place, a view": in_place_view,
    "in place, relu": in_place_relu,
    "in place, assigned": assigned,
    "in place, plus": plus_equals,
    "by mode": by_mode,
}
HOSTILE = {
    "branch": lambda self, x: 100 * self.a(x) if self.a(x).sum() > 0 else self.a(x),
    "routing": lambda self, x: self.a(x) if x.argmax() < 2 else 90 * self.b(x),
    "indexed": lambda self, x: self.a(x) * (100 * self.matrix)[x.argmax()],
    "gathered": lambda self, x: self.a(x) * self.matrix[:, 0][x.argmax(1)][:, None] * 20,
    "loop": looped,
    "item": lambda self, x: self.a(x) * x.abs().max().item(),
    "item in a slice": lambda self, x: self.a(x) * (10.0 if x[0, 0].item() > 1 else 1.0),
    "numpy": with_numpy,
    "global": by_global,
    "mask": lambda self, x: self.a(x) * (1 + 50 * (self.a(x).sum() > 0)),
    "where, of a sum": lambda self, x: torch.where(x.sum() > 0, 50 * self.a(x), self.b(x)),
    "sorted": lambda self, x: self.a(x).sort(1).values * 2,
    "random": lambda self, x: F.dropout(self.a(x)),
    "product": lambda self, x: self.a(x) * self.b(x),
    "square": lambda self, x: self.a(x) ** 2,
    "norm": lambda self, x: self.a(x) / x.norm(),
    "integers": through_integers,
    "half inside": through_half,
    "over the batch": lambda self, x: self.a(x) - 9 * self.b(x).mean(0),
    "by gradient mode": by_gradient_mode,
    "by export": by_export,
    "by batch": by_batch,
    "floor": lambda self, x: torch.div(self.a(x), 0.1, rounding_mode="floor"),
    "list": lambda self, x: self.a(torch.tensor(x.tolist(), dtype=x.dtype)),
}


def hooked(layer):
    layer.register_forward_hook(lambda module, inputs, output: 30 * output)
    return layer


def hooked_before(layer):
    layer.register_forward_pre_hook(lambda module, inputs: (30 * inputs[0],))
    return layer


def patched(layer):
    layer.forward = lambda x: 30 * F.linear(x, layer.weight)
    return layer


def normalised():
    layer = nn.BatchNorm1d(WIDTH)
    layer.running_var.uniform_(1e-4, 2.0)
    return layer


LAYERS = {
    "plain": lambda: nn.Linear(WIDTH, WIDTH),
    "masked": lambda: Masked(WIDTH, WIDTH),
    "gained": lambda: Gained(WIDTH, WIDTH),
    "hook": lambda: hooked(nn.Linear(WIDTH, WIDTH)),
    "hook before": lambda: hooked_before(nn.Linear(WIDTH, WIDTH)),
    "hooked activation": lambda: hooked(nn.ReLU()),
    "patched": lambda: patched(nn.Linear(WIDTH, WIDTH)),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(WIDTH, WIDTH)),
    "old weight norm": lambda: nn.utils.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "pruned": lambda: prune.random_unstructured(nn.Linear(WIDTH, WIDTH), "weight", amount=0.5),
    "batch norm": normalised,
    "batch norm, of the batch": lambda: nn.BatchNorm1d(WIDTH, track_running_stats=False),
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "dropout": lambda: nn.Dropout(0.5),
    "in place": lambda: nn.ReLU(inplace=True),
    "counting": Counting,
    "remembering": Remembering,
    "caching": Caching,
    "nested": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sequential(nn.ELU(), nn.Linear(WIDTH, WIDTH))),
    "hooked sequence": lambda: hooked(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())),
}
ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.ELU, nn.SiLU, nn.GELU, lambda: nn.LeakyReLU(0.3), nn.Identity, nn.Softplus)


class Composed(nn.Module):
    """Parts one after the other, in a class that only the exporter can read."""

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


def module_of(seed):
    """A module of a few random parts, what they are, and an example."""
    choose = random.Random(seed)
    torch.manual_seed(seed)
    names, parts = [], []
    for _ in range(choose.randint(1, 3)):
        kind = choose.choice([LAYERS, LAYERS, ORDINARY, ORDINARY, HOSTILE])
        name = choose.choice(list(kind))
        names.append(name)
        parts.append(kind[name]() if kind is LAYERS else Applied(kind[name]))
        parts.append(choose.choice(ACTIVATIONS)())
    parts.append(nn.Linear(WIDTH, 2))
    module = choose.choice([Composed, lambda all_of: nn.Sequential(*all_of)])(parts)
    if choose.random() < 0.1:
        module, names = hooked(module), [*names, "hooked whole"]
    module.train(choose.random() < 0.5)
    if choose.random() < 0.3:
        module, names = module.double(), [*names, "in double"]
    dtype = next(module.parameters()).dtype
    example = choose.choice([torch.zeros, torch.ones, torch.randn])(1, WIDTH, dtype=dtype)
    return module, ", ".join(names), example


def steepest(module, example, output=0):
    """The steepest quotient |Δy|/‖Δx‖∞ of one output among random pairs, less what rounding can do."""
    module = copy.deepcopy(module).eval()
    generator = torch.Generator().manual_seed(7)
    try:
        module(example.double()) if example.dtype == torch.float32 else None
        module.double()(example.double())
        dtype = torch.float64
    except Exception:
        dtype = example.dtype
    epsilon = torch.finfo(dtype).eps
    best = 0.0
    with torch.no_grad():
        for i in range(400):
            scale = 10.0 ** (i % 7 - 3)
            x = torch.randn(1, WIDTH, generator=generator, dtype=torch.float64) * scale
            step = (
                torch.randn(1, WIDTH, generator=generator, dtype=torch.float64).sign() * scale * (0.03 if i % 2 else 2)
            )
            x, step = x.to(dtype), step.to(dtype)
            a, b = (module(z.clone())[0, output].item() for z in (x, x + step))
            noise = 100 * epsilon * (abs(a) + abs(b) + abs(a - b))
            best = max(best, (abs(a - b) - noise) / step.abs().max().item())
    return best


def verdict(seed):
    """(``accepted``, ``refused`` or ``false``, what the parts are and what was found); and of `LipschitzBound` likewise."""
    module, names, example = module_of(seed)
    found = {}
    upper = sampled = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = geolip.from_torch(module, example)
        upper = geolip.bound(network, "linf", 0, effort=0).upper
    except geolip.GeolipError as error:
        found["network"] = ("refused", f"{names}: {error}")
    if upper is not None:
        sampled = steepest(module, example)
        kind = "accepted" if sampled <= upper else "false"
        found["network"] = (kind, f"{names}: upper {upper}, sampled {sampled}")
    try:
        value = LipschitzBound(module, "linf", 0, example_input=example).converge(1e-5, 2000).item()
    except geolip.GeolipError as error:
        found["value"] = ("refused", f"{names}: {error}")
    else:
        sampled = steepest(module, example) if sampled is None else sampled
        kind = "accepted" if 0.97 * sampled <= value else "false"
        found["value"] = (kind, f"{names}: value {value}, sampled {sampled}, upper {upper}")
    return found


def remember_the_exporters_table(put=setattr):
    """The exporter reads all of its operators anew for each module; once is enough here."""
    try:
        from torch.onnx._internal.exporter import _registration
    except ImportError:
        return
    first = _registration.ONNXRegistry.from_torchlib.__func__

    def once(cls, *arguments, **options):
        key = repr((arguments, options))
        EXPORTERS_TABLES[key] = EXPORTERS_TABLES.get(key) or first(cls, *arguments, **options)
        return EXPORTERS_TABLES[key]

    put(_registration.ONNXRegistry, "from_torchlib", classmethod(once))


if __name__ == "__main__":
    remember_the_exporters_table()
    start = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    counts = collections.Counter()
    for seed in range(start, start + int(sys.argv[1])):
        for which, (kind, text) in verdict(seed).items():
            counts[which, kind] += 1
            print(seed, which, kind, text, flush=True)
    print(dict(counts))
