"""A module traced by torch.fx and run without its biases, with another function in the place of activations.

What is here says how each layer, function and method of torch acts on a change of its input: linearly, or as an
activation with slopes in [α, β]. What is in no table is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from . import _geolip
from ._torch_chain import is_torchs, untouched
from ._torch_reference import line
from ._torch_watch import difference, watched
from .errors import UnsupportedNetworkError

Activate = Callable[[Tensor, Tensor, Tensor], Tensor]

# names of activations without parameters, by the name of their module or function
NAMES = {
    **{"ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softsign": "softsign", "SELU": "selu"},
    **{"Hardsigmoid": "hard-sigmoid", "ReLU6": "relu6", "SiLU": "silu", "Mish": "mish"},
    **{"Hardswish": "hard-swish", "CELU": "celu", "Hardtanh": "relu6"},
    **{"relu": "relu", "relu_": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softsign": "softsign"},
    **{"selu": "selu", "hardsigmoid": "hard-sigmoid", "relu6": "relu6", "silu": "silu", "mish": "mish"},
    **{"hardswish": "hard-swish", "celu": "celu", "hardtanh": "relu6", "clamp": "relu6", "abs": "abs"},
    **{"sin": "sin", "cos": "cos"},
}

# modules of torch that are activations
ACTIVATIONS = {name for name in NAMES if name[0].isupper()} | {"LeakyReLU", "ELU", "GELU", "Softplus"}

# functions and methods that are linear in their first argument and treat the batch dimension as one; none of their
# other arguments adds a constant
LINEAR = {
    *("flatten", "reshape", "view", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "getitem"),
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"),
    *("adaptive_avg_pool3d", "mean", "sum", "chunk", "split", "neg", "to", "float", "clone", "expand"),
    *("pixel_shuffle", "pixel_unshuffle", "interpolate", "upsample", "narrow", "select", "movedim"),
}
# of these, those that may not copy; all others write anew
VIEWS = {
    *("flatten", "reshape", "view", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "getitem"),
    *("chunk", "split", "to", "float", "expand", "narrow", "select", "movedim"),
}
# functions of lists of tensors
JOINS = {"cat", "concat", "stack"}
SHAPES = {"size", "dim", "getattr"}
SUMS = {"add", "iadd", "sub", "isub", "add_", "sub_"}
PRODUCTS = {"mul", "imul", "mul_", "matmul"}
QUOTIENTS = {"truediv", "div", "itruediv", "div_"}
IN_PLACE = {"iadd", "isub", "imul", "itruediv"}
# where functions of an activation have their `inplace`, and the names of what follows their first argument
INPLACE_AT = {"relu": 1, "leaky_relu": 2, "elu": 2, "selu": 1, "celu": 2, "silu": 1, "mish": 1, "relu6": 1}
INPLACE_AT |= {"hardswish": 1, "hardsigmoid": 1, "dropout": 3}
OPTIONS: dict[str, tuple[str, ...]] = {"leaky_relu": ("negative_slope",), "elu": ("alpha",), "celu": ("alpha",)}
OPTIONS |= {"softplus": ("beta", "threshold"), "leaky_relu_": ("negative_slope",)}
DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"}

LINEAR_LAYERS = (
    *(nn.Flatten, nn.Unflatten, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d),
    *(nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.PixelShuffle, nn.PixelUnshuffle, nn.Upsample),
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ReflectionPad1d, nn.ReflectionPad2d),
)
DROPOUT_LAYERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.Identity)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
KNOWN = (nn.Linear, nn.PReLU, *LINEAR_LAYERS, *DROPOUT_LAYERS, *CONVOLUTIONS, *NORMALISATIONS, *MAX_POOLS)
METHODS = ("forward", "_conv_forward", "__call__", "_call_impl", "_wrapped_call_impl")


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Every part in evaluation mode, and afterwards as it was; its own methods `train` and `eval` are not called."""
    before = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in before:
            part.training = False
        yield
    finally:
        for part, mode in before:
            part.training = mode


class VectorNetwork:
    """A module traced in evaluation mode; it stays the owner of its weights, which are read anew in every run."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        if not untouched(module):
            raise UnsupportedNetworkError(
                f"{type(module).__name__}: hooks, or a forward replaced in it, are not followed"
            )
        held = set(vars(module))
        with _evaluating(module):
            try:
                self._traced = fx.symbolic_trace(module)
            except Exception as error:
                raise UnsupportedNetworkError(f"torch.fx cannot trace this module: {line(error)}") from error
            finally:
                for name in set(vars(module)) - held:  # tensors that the trace computed, which it leaves in the module
                    if name.startswith("_tensor_constant"):
                        delattr(module, name)

    @property
    def code(self) -> str:
        """What was traced: equal for equal structures."""
        return str(self._traced.code) + str(self._traced)

    def run(self, x: Tensor, activate: Activate) -> Tensor:
        """The output for `x` (batch, …) without biases.

        `activate(h, c, r)` takes the place of every activation; c and r broadcast against the unflattened h,
        (problems, features, …).
        """
        with _evaluating(self._module):
            result = _Run(self._traced, activate).run(x)
        if not isinstance(result, Tensor):
            raise UnsupportedNetworkError("the module has several outputs; wrap it to return one tensor")
        return result

    def compare(self, shape: Sequence[int], like: Tensor) -> None:
        """Refuses a module that the trace does not follow: it is no function of its input, or mixes a batch's rows."""
        generator = torch.Generator().manual_seed(0)
        with _evaluating(self._module), torch.no_grad():
            self._is_what_runs(torch.randn(1, *shape, generator=generator, dtype=torch.float64).to(like))
            for scale in (1e-2, 1.0, 1e2):
                rows = torch.randn(3, *shape, generator=generator, dtype=torch.float64) * scale
                rows = torch.stack([rows[0], rows[1].abs(), -rows[2].abs()]).to(like)
                for row in rows.split(1):
                    pair = self._module(row.clone()), fx.Interpreter(self._traced).run(row.clone())
                    self._refuse_difference(
                        *pair, "does something else than its trace; it may change what it reads in place"
                    )
                parts = [self.run(row, lambda h, c, r: c * h) for row in rows.split(1)]
                together = self.run(rows, lambda h, c, r: c * h)
                self._refuse_difference(torch.cat(parts), together, "mixes or moves the batch dimension")

    def _is_what_runs(self, row: Tensor) -> None:
        """The module lets Python see no value of its input, and runs the operators of its trace."""
        seen = watched(self._module, [row])
        name = type(self._module).__name__
        if seen is not None and seen.reads:
            raise UnsupportedNetworkError(f"{name} lets Python see values of its input ({seen.reads[0].strip('_')})")
        text = difference(seen, watched(fx.Interpreter(self._traced).run, [row]))
        if text is not None:
            raise UnsupportedNetworkError(f"{name} does different operations when it runs than in its trace: it {text}")

    def _refuse_difference(self, one: Any, other: Any, what: str) -> None:
        same = isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape
        if same:
            finite = one.isfinite()
            size = one[finite].abs().max() if bool(finite.any()) else 0.0
            tolerance = torch.finfo(one.dtype).eps ** 0.5 * size
            same = bool(((one - other)[finite].abs() <= tolerance).all())
        if not same:
            raise UnsupportedNetworkError(f"{type(self._module).__name__} {what}")


class _Run(fx.Interpreter):
    """One run; nodes that do not depend on the input's values are constants, evaluated as they are."""

    def __init__(self, traced: fx.GraphModule, activate: Activate) -> None:
        super().__init__(traced)
        self._activate = activate
        self._variable: set[fx.Node] = set()
        self._node: fx.Node | None = None
        self._batch = 0
        self._epsilon = 0.0  # of the input's type

    def run_node(self, n: fx.Node) -> Any:
        self._node = n
        if n.op == "output" and not any(source in self._variable for source in n.all_input_nodes):
            raise self._refuse("an output that does not depend on the input")
        result = super().run_node(n)
        if n.op != "placeholder" and not any(source in self._variable for source in n.all_input_nodes):
            return result
        tensors = _tensors(result)
        if tensors:  # sizes are constants
            self._variable.add(n)
        for tensor in tensors:
            self._batch = self._batch or len(tensor)
            if tensor.dim() == 0 or len(tensor) != self._batch:
                raise self._refuse(f"{n.target}: mixes or moves the batch dimension")
            if not tensor.is_floating_point():
                raise self._refuse(f"{n.target}: gives numbers of {tensor.dtype}")
            epsilon = torch.finfo(tensor.dtype).eps
            if n.op == "placeholder":
                self._epsilon = epsilon
            elif epsilon > self._epsilon:
                raise self._refuse(f"{n.target}: rounds to {tensor.dtype}, which has no slopes")
        return result

    def _refuse(self, what: str) -> UnsupportedNetworkError:
        assert self._node is not None, "only a node refuses"
        place = f"node '{self._node.name}' ({what})"
        text = f"{place}: has no known slopes; LipschitzBound takes linear layers, pools and activations"
        return UnsupportedNetworkError(text, [(place, "has no known slopes")])

    def _varies(self, argument: object) -> bool:
        """Whether an argument of a node is, or holds, a tensor that depends on the input."""
        if isinstance(argument, tuple | list):
            return any(map(self._varies, argument))
        if isinstance(argument, slice):
            return any(map(self._varies, (argument.start, argument.stop, argument.step)))
        return isinstance(argument, fx.Node) and argument in self._variable

    def _is_constant(self) -> bool:
        assert self._node is not None, "only a node is constant"
        return not any(map(self._varies, self._node.all_input_nodes))

    def _first_alone(self) -> bool:
        """Whether the first argument depends on the input, and no other."""
        assert self._node is not None, "only a node has arguments"
        rest = (*self._node.args[1:], *self._node.kwargs.values())
        return bool(self._node.args) and self._varies(self._node.args[0]) and not any(map(self._varies, rest))

    # layers

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer: Any = self.fetch_attr(target)
        if self._is_constant():
            return layer(*args, **kwargs)
        kind = _kind(layer)
        if kind is None or not untouched(layer):
            raise self._refuse(f"{type(layer).__name__}, which has hooks or methods of its own, or is not known")
        if len(args) != 1 or kwargs:
            raise self._refuse(f"{type(layer).__name__} with several arguments")
        if getattr(layer, "inplace", False):
            self._is_last_use()
        x: Tensor = args[0]
        if kind is nn.Linear:
            return F.linear(x, layer.weight)
        if kind in CONVOLUTIONS:
            return self._convolution(layer, x)
        if kind in NORMALISATIONS:
            if layer.running_var is None:
                raise self._refuse("BatchNorm without running statistics")
            scale = torch.rsqrt(layer.running_var + layer.eps)
            scale = scale if layer.weight is None else scale * layer.weight
            return x * scale.reshape(-1, *[1] * (x.dim() - 2))
        if kind in DROPOUT_LAYERS:
            return x
        if kind in LINEAR_LAYERS:
            return layer(x)
        if kind in MAX_POOLS:
            axes = x.dim() - 2
            same = (layer.padding, layer.dilation, layer.ceil_mode, layer.return_indices)
            return self._maximum(x, layer.kernel_size, layer.stride, axes, same)
        if kind is nn.PReLU:
            slopes = layer.weight.reshape(-1, *[1] * (x.dim() - 2)) if x.dim() > 2 else layer.weight
            return self._between(x, slopes, torch.ones_like(slopes))
        options = {k: getattr(layer, k, None) for k in ("negative_slope", "alpha", "approximate", "beta", "threshold")}
        return self._activation(kind.__name__, x, options)

    def _convolution(self, layer: Any, x: Tensor) -> Tensor:
        axes = x.dim() - 2
        if layer.transposed:
            function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[axes - 1]
            extra = (layer.output_padding, layer.groups, layer.dilation)
            return function(x, layer.weight, None, layer.stride, layer.padding, *extra)
        if layer.padding_mode != "zeros":
            x = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
        padding = layer.padding if layer.padding_mode == "zeros" else 0
        plain = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
        return plain(x, layer.weight, None, layer.stride, padding, layer.dilation, layer.groups)

    # functions and methods

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._is_constant():
            return super().call_function(target, args, kwargs)
        return self._call(getattr(target, "__name__", str(target)), target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._is_constant():
            return super().call_method(target, args, kwargs)
        method = getattr(type(args[0]), target, None) or getattr(args[0], target)
        return self._call(target, method, args, kwargs)

    def _call(self, name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        assert self._node is not None, "only a node calls"
        nodes = self._node.args
        if name in SHAPES:
            return self._shape(name, function, args)
        if _writes(name, args, kwargs):
            self._is_last_use()
        if (
            name in JOINS
            and not any(map(self._varies, self._node.kwargs.values()))
            and not any(map(self._varies, nodes[1:]))
        ):
            pieces = [a if self._varies(n) else torch.zeros_like(a) for a, n in zip(args[0], nodes[0], strict=True)]
            return function(pieces, *args[1:], **kwargs)
        if name in SUMS and len(args) == 2 and kwargs.keys() <= {"alpha"}:
            return self._sum(name, args, kwargs)
        if name in PRODUCTS and len(args) == 2 and not kwargs and not all(map(self._varies, nodes)):
            return function(*args) if name == "matmul" else args[0] * args[1]
        if not self._first_alone():
            raise self._refuse(f"{name} of several tensors that depend on the input")
        if name in LINEAR:
            return function(*args, **kwargs)
        if name in QUOTIENTS and len(args) == 2 and not kwargs:
            return args[0] / args[1]
        if name in ("linear", "conv1d", "conv2d", "conv3d") and "weight" not in kwargs:
            kwargs = {k: v for k, v in kwargs.items() if k != "bias"}
            return function(*args[:2], None, *args[3:], **kwargs)
        if name in DROPOUTS:
            return args[0]
        if name == "pad":
            mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")
            return F.pad(args[0], args[1], mode=mode)
        if name in ("max_pool1d", "max_pool2d", "max_pool3d"):
            names = ("kernel_size", "stride", "padding", "dilation")
            call = {**dict(zip(names, args[1:], strict=False)), **kwargs}
            axes = args[0].dim() - 2
            same = tuple(call.get(k, d) for k, d in (("padding", 0), ("dilation", 1), ("ceil_mode", False)))
            return self._maximum(args[0], call["kernel_size"], call.get("stride"), axes, (*same, False))
        options = {**dict(zip(OPTIONS.get(name, ()), args[1:], strict=False)), **kwargs}
        return self._activation(name, args[0], options)

    def _shape(self, name: str, function: Any, args: tuple[Any, ...]) -> Any:
        """A size, a number of dimensions, or an attribute such as ``shape``; not a tensor, such as ``T``."""
        value = function(*args)
        if _tensors(value):
            raise self._refuse(f"{name} {args[1] if len(args) > 1 else ''}")
        return value

    def _is_last_use(self) -> None:
        """Refuses to change a tensor in place that is read again, by this or another name."""
        assert self._node is not None, "only a node writes"
        source: Any = self._node.args[0]
        while isinstance(source, fx.Node):
            if len(source.users) > 1:
                raise self._refuse("changes in place a tensor that is used elsewhere; write it anew")
            source = source.args[0] if source.args and self._may_be_a_view(source) else None

    def _may_be_a_view(self, node: fx.Node) -> bool:
        """Whether what a node gives may share its numbers with its first argument."""
        if node.op == "call_module":
            return isinstance(self.fetch_attr(str(node.target)), (nn.Flatten, nn.Unflatten, *DROPOUT_LAYERS))
        name = getattr(node.target, "__name__", str(node.target))
        return name in VIEWS or name in DROPOUTS or name.endswith("_")

    def _sum(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """A sum without its constants."""
        assert self._node is not None, "only a node sums"
        first, second = (self._varies(node) for node in self._node.args[:2])
        sign = -float(kwargs.get("alpha", 1)) if "sub" in name else float(kwargs.get("alpha", 1))
        if first and second:
            return args[0] + args[1] if sign == 1.0 else args[0] + sign * args[1]
        shape = torch.broadcast_shapes(*(a.shape for a in args if isinstance(a, Tensor)))
        moving: Tensor = args[0] if first else sign * args[1]
        return moving.expand(shape) if len(shape) > moving.dim() else moving

    def _maximum(self, x: Tensor, kernel: Any, stride: Any, axes: int, rest: tuple[Any, ...]) -> Tensor:
        """max(p, q) = q + relu(p − q) as a tree over the window, in row-major pairs."""
        padding, dilation, ceil, indices = rest
        plain = lambda given, value: all(v == value for v in _many(given, axes))  # noqa: E731
        if not plain(padding, 0) or not plain(dilation, 1) or ceil or indices:
            raise self._refuse("max pool with padding, dilation, ceil_mode or indices")
        kernels, strides = _many(kernel, axes), _many(stride if stride else kernel, axes)
        places = [x]
        for axis in range(axes):
            size = (x.shape[2 + axis] - kernels[axis]) // strides[axis] + 1
            places = [
                p.narrow(2 + axis, start, (size - 1) * strides[axis] + 1)[
                    (slice(None),) * (2 + axis) + (slice(None, None, strides[axis]),)
                ]
                for p in places
                for start in range(kernels[axis])
            ]
        while len(places) > 1:
            pairs = zip(places[::2], places[1::2], strict=False)
            odd = places[-1:] if len(places) % 2 else []
            places = [q + self._activation("relu", p - q, {}) for p, q in pairs] + odd
        return places[0]

    # activations

    def _activation(self, name: str, h: Tensor, options: dict[str, Any]) -> Tensor:
        slopes = self._slopes(name, options)
        if slopes is None:
            raise self._refuse(name)
        low, high = (h.new_tensor(s) for s in slopes)
        return self._between(h, low, high)

    def _between(self, h: Tensor, one: Tensor, other: Tensor) -> Tensor:
        """Slopes between two numbers, or between two of each neuron, in either order."""
        return self._activate(h, (one + other) / 2, (other - one).abs() / 2)

    def _slopes(self, name: str, options: dict[str, Any]) -> tuple[float, float] | None:
        if name in ("CELU", "celu", "ELU", "elu") and not _number(options.get("alpha"), 1.0) > 0.0:
            return None
        if name in ("Softplus", "softplus") and not _number(options.get("threshold"), 20.0) >= 20.0:
            return None  # it jumps there
        if name in ("LeakyReLU", "leaky_relu"):
            slope = _number(options.get("negative_slope"), 0.01)
            return min(slope, 1.0), max(slope, 1.0)
        if name in ("ELU", "elu"):
            alpha = _number(options.get("alpha"), 1.0)
            return min(alpha, 0.0), max(alpha, 1.0)
        if name in ("GELU", "gelu"):
            return _geolip.slope("gelu-tanh" if options.get("approximate") == "tanh" else "gelu")
        if name in ("Softplus", "softplus"):
            return 0.0, 1.0
        return _geolip.slope(NAMES[name]) if name in NAMES else None


def _writes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a function changes its first argument in place."""
    if name.startswith("__"):
        return False
    positional = name in INPLACE_AT and args[INPLACE_AT[name] : INPLACE_AT[name] + 1] == (True,)
    return name.endswith("_") or name in IN_PLACE or bool(kwargs.get("inplace")) or positional


def _tensors(value: Any) -> list[Tensor]:
    """The tensors that a value is made of."""
    if isinstance(value, Tensor):
        return [value]
    return [t for part in value for t in _tensors(part)] if isinstance(value, tuple | list) else []


def _kind(layer: nn.Module) -> Any:
    """The class of torch whose methods a layer has, and no others; none if it has some of its own."""
    for kind in type(layer).__mro__:
        if kind in KNOWN or (getattr(nn, kind.__name__, None) is kind and kind.__name__ in ACTIVATIONS):
            same = all(getattr(type(layer), m, None) is getattr(kind, m, None) for m in METHODS)
            return kind if same and is_torchs(kind) else None
    return None


def _number(given: Any, default: float) -> float:
    return default if given is None else float(given)


def _many(value: Any, axes: int) -> list[int]:
    return list(value) if isinstance(value, tuple | list) else [value] * axes
