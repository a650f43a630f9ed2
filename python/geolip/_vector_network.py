"""A module traced by torch.fx and run without its biases, with another function in the place of activations.

What is here says how each layer, function and method of torch acts on a change of its input: linearly, or as an
activation with slopes in [α, β]. What is in no table is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from . import _geolip
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

# functions and methods that are linear in their first argument and treat the batch dimension as one; none of their
# other arguments adds a constant
LINEAR = {
    *("flatten", "reshape", "view", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "getitem"),
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"),
    *("adaptive_avg_pool3d", "mean", "sum", "chunk", "split", "neg", "to", "float", "clone", "expand"),
    *("pixel_shuffle", "pixel_unshuffle", "interpolate", "upsample", "narrow", "select", "movedim"),
}
# functions of lists of tensors
JOINS = {"cat", "concat", "stack"}
SHAPES = {"size", "dim", "getattr"}
DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"}

LINEAR_LAYERS = (
    *(nn.Flatten, nn.Unflatten, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d),
    *(nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.PixelShuffle, nn.PixelUnshuffle, nn.Upsample),
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ReflectionPad1d, nn.ReflectionPad2d),
)
DROPOUT_LAYERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.Identity)


class VectorNetwork:
    """A traced module; it stays the owner of its weights, which are read anew in every run."""

    def __init__(self, module: nn.Module) -> None:
        try:
            traced = fx.symbolic_trace(module)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UnsupportedNetworkError(f"torch.fx cannot trace this module: {reason}") from error
        self._traced = traced

    def run(self, x: Tensor, activate: Activate) -> Tensor:
        """The output for `x` (batch, …) without biases.

        `activate(h, c, r)` takes the place of every activation; c and r broadcast against the unflattened h,
        (problems, features, …).
        """
        result = _Run(self._traced, activate).run(x)
        if not isinstance(result, Tensor):
            raise UnsupportedNetworkError("the module has several outputs; wrap it to return one tensor")
        return result


class _Run(fx.Interpreter):
    """One run; nodes that do not depend on the input are constants, evaluated as they are."""

    def __init__(self, traced: fx.GraphModule, activate: Activate) -> None:
        super().__init__(traced)
        self._activate = activate
        self._variable: set[fx.Node] = set()
        self._node: fx.Node | None = None
        self._batch = 0

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "placeholder" or any(source in self._variable for source in n.all_input_nodes):
            self._variable.add(n)
        self._node = n
        result = super().run_node(n)
        if n in self._variable and isinstance(result, Tensor):
            self._batch = self._batch or len(result)
            if result.dim() == 0 or len(result) != self._batch:
                raise self._refuse(f"{n.target}: mixes or moves the batch dimension")
        return result

    def _refuse(self, what: str) -> UnsupportedNetworkError:
        assert self._node is not None, "only a node refuses"
        place = f"node '{self._node.name}' ({what})"
        text = f"{place}: has no known slopes; LipschitzBound takes linear layers, pools and activations"
        return UnsupportedNetworkError(text, [(place, "has no known slopes")])

    def _varies(self, argument: object) -> bool:
        return isinstance(argument, fx.Node) and argument in self._variable

    def _is_constant(self) -> bool:
        return self._node not in self._variable

    # layers

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer: Any = self.fetch_attr(target)
        if self._is_constant():
            return layer(*args, **kwargs)
        if layer._forward_hooks or layer._forward_pre_hooks:
            raise self._refuse(f"{type(layer).__name__} with hooks")
        x: Tensor = args[0]
        if isinstance(layer, nn.Linear):
            return F.linear(x, layer.weight)
        if isinstance(layer, nn.modules.conv._ConvNd):
            return self._convolution(layer, x)
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            if layer.running_var is None:
                raise self._refuse("BatchNorm without running statistics")
            scale = torch.rsqrt(layer.running_var + layer.eps)
            scale = scale if layer.weight is None else scale * layer.weight
            return x * scale.reshape(-1, *[1] * (x.dim() - 2))
        if isinstance(layer, DROPOUT_LAYERS):
            return x
        if isinstance(layer, LINEAR_LAYERS):
            return layer(x)
        if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
            axes = x.dim() - 2
            same = (layer.padding, layer.dilation, layer.ceil_mode, layer.return_indices)
            return self._maximum(x, layer.kernel_size, layer.stride, axes, same)
        if isinstance(layer, nn.PReLU):
            slopes = layer.weight.reshape(-1, *[1] * (x.dim() - 2)) if x.dim() > 2 else layer.weight
            return self._between(x, slopes, torch.ones_like(slopes))
        name = type(layer).__name__
        options = {k: getattr(layer, k, None) for k in ("negative_slope", "alpha", "approximate", "beta")}
        return self._activation(name, x, options)

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
        tensors = [a for a in args if isinstance(a, Tensor)]
        if (not tensors and name not in JOINS) or name in SHAPES:
            return function(*args, **kwargs)  # arithmetic of shapes; pieces of a list
        if name in LINEAR or name in JOINS:
            return function(*args, **kwargs)
        if name in ("add", "iadd", "sub", "isub", "add_", "sub_"):
            return self._sum(name, args, kwargs)
        if name in ("mul", "imul", "mul_") and not all(map(self._varies, nodes[:2])):
            return args[0] * args[1]
        if name in ("truediv", "div", "itruediv", "div_") and not self._varies(nodes[1]):
            return args[0] / args[1]
        if name in ("linear", "conv1d", "conv2d", "conv3d") and self._varies(nodes[0]):
            kwargs = {k: v for k, v in kwargs.items() if k != "bias"}
            return function(*args[:2], None, *args[3:], **kwargs)
        if name == "matmul" and not all(map(self._varies, nodes[:2])):
            return function(*args)
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
        options = dict(kwargs)
        if name in ("leaky_relu", "elu") and len(args) > 1:
            options["negative_slope" if name == "leaky_relu" else "alpha"] = args[1]
        return self._activation(name, args[0], options)

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


def _number(given: Any, default: float) -> float:
    return default if given is None else float(given)


def _many(value: Any, axes: int) -> list[int]:
    return list(value) if isinstance(value, tuple | list) else [value] * axes
