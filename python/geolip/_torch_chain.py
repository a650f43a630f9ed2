"""A `nn.Sequential` of known layers as an ONNX file, written by this package itself.

What is not known, or not exactly what its class says (hooks, a subclass, a replaced method), is left to the exporter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._onnx_file import Chain

if TYPE_CHECKING:
    import torch
    from torch import nn


def untouched(layer: nn.Module) -> bool:
    """Whether calling `layer` runs the methods of its class and nothing else: no hooks, no method replaced in it."""
    from torch.nn.modules import module as globally

    hooks = [layer._forward_hooks, layer._forward_pre_hooks]
    hooks += [globally._global_forward_hooks, globally._global_forward_pre_hooks]
    return not any(hooks) and not any(callable(getattr(type(layer), name, None)) for name in vars(layer))


def is_torchs(kind: type) -> bool:
    """Whether a class of torch runs torch's own code; others may have replaced it."""
    import torch

    code = getattr(getattr(kind, "forward", None), "__code__", None)
    return code is not None and Path(code.co_filename).is_relative_to(Path(torch.__file__).parent)


def chain_of(module: nn.Module, x: torch.Tensor) -> bytes | None:
    """The module as an ONNX file, if it is a Sequential of known layers; none if it is not."""
    from torch import nn

    if type(module) is not nn.Sequential and type(module) not in _writers():
        return None
    element = str(x.dtype).removeprefix("torch.")
    if element not in ("float32", "float64") or x.dim() < 2:
        return None
    chain = Chain(x.shape, element)
    for layer in _layers(module):
        write = _writers().get(type(layer))
        own = (*layer.parameters(recurse=False), *layer.buffers(recurse=False))
        if any(tensor.dtype != x.dtype for tensor in own if tensor.dim() > 0):
            return None
        if write is None or not untouched(layer) or not is_torchs(type(layer)) or not write(chain, layer, x):
            return None
        x = layer(x)
    return chain.finish(x.shape)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    from torch import nn

    if type(module) is nn.Sequential and untouched(module):
        for child in module:
            yield from _layers(child)
    else:
        yield module


Writer = Callable[[Chain, Any, "torch.Tensor"], bool]


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy()


def _linear(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    if x.dim() == 2:
        names = [chain.last, chain.constant(_array(layer.weight))]
        names += [chain.constant(_array(layer.bias))] if layer.bias is not None else []
        chain.add("Gemm", names, transB=1)
        return True
    chain.add("MatMul", [chain.last, chain.constant(_array(layer.weight.T.contiguous()))])
    if layer.bias is not None:
        chain.add("Add", [chain.last, chain.constant(_array(layer.bias))])
    return True


def _convolution(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    if layer.padding_mode != "zeros" or x.dim() != layer.weight.dim():
        return False
    names = [chain.last, chain.constant(_array(layer.weight))]
    names += [chain.constant(_array(layer.bias))] if layer.bias is not None else []
    common: dict[str, Any] = {
        "strides": list(layer.stride),
        "dilations": list(layer.dilation),
        "group": layer.groups,
        "kernel_shape": list(layer.kernel_size),
    }
    if layer.transposed:
        pads, extra = list(layer.padding), list(layer.output_padding)
        chain.add("ConvTranspose", names, pads=pads * 2, output_padding=extra, **common)
        return True
    if layer.padding == "same":
        total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
    elif layer.padding == "valid":
        pads = [0] * (2 * len(layer.kernel_size))
    else:
        pads = list(layer.padding) * 2
    chain.add("Conv", names, pads=pads, **common)
    return True


def _batch_norm(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    if layer.running_mean is None:
        return False  # its statistics are those of the input
    import torch

    ones = torch.ones_like(layer.running_mean)
    weight = ones if layer.weight is None else layer.weight
    bias = 0 * ones if layer.bias is None else layer.bias
    exact = _fits(layer.eps, x)
    variance = layer.running_var if exact else layer.running_var + layer.eps
    names = [chain.last, *(chain.constant(_array(p)) for p in (weight, bias, layer.running_mean, variance))]
    chain.add("BatchNormalization", names, epsilon=float(layer.eps) if exact else 0.0)
    return True


def _tuple(value: Any, count: int) -> list[int]:
    return list(value) if isinstance(value, tuple | list) else [value] * count


def _pool(operator: str) -> Writer:
    def write(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
        axes = x.dim() - 2
        if axes != int(type(layer).__name__[-2]) or getattr(layer, "return_indices", False):
            return False
        if operator == "AveragePool" and getattr(layer, "divisor_override", None) is not None:
            return False
        kernel = _tuple(layer.kernel_size, axes)
        attributes: dict[str, Any] = {
            "kernel_shape": kernel,
            "strides": _tuple(layer.stride, axes) if layer.stride is not None else kernel,
            "pads": _tuple(layer.padding, axes) * 2,
        }
        if layer.ceil_mode:
            return False  # torch drops windows that start in the padding
        if operator == "AveragePool":
            attributes["count_include_pad"] = int(layer.count_include_pad)
        else:
            attributes["dilations"] = _tuple(layer.dilation, axes)
        chain.add(operator, **attributes)
        return True

    return write


def _global_average(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    axes = x.dim() - 2
    if axes < 1 or any(size != 1 for size in _tuple(layer.output_size, axes)):
        return False
    chain.add("GlobalAveragePool")
    return True


def _flatten(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    if layer.start_dim != 1 or layer.end_dim not in (-1, x.dim() - 1):
        return False
    chain.add("Flatten", axis=1)
    return True


def _reshape(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    shape = chain.constant(np.array(layer(x).shape, dtype=np.int64))
    chain.add("Reshape", [chain.last, shape])
    return True


def _nothing(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    return True


def _plain(operator: str, **attributes: str) -> Writer:
    """An activation; `attributes` maps those of ONNX to those of torch."""

    def write(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
        numbers = {name: float(getattr(layer, of)) for name, of in attributes.items()}
        if not all(_fits(number, x) for number in numbers.values()):
            return False
        chain.add(operator, None, **numbers)
        return True

    return write


def _fits(number: float, x: torch.Tensor) -> bool:
    """Whether an attribute, which is float32 in a file, is what torch computes with where `x` is the input."""
    return x.element_size() < 8 or float(np.float32(number)) == number


def _leaky_relu(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    if _fits(layer.negative_slope, x):
        chain.add("LeakyRelu", None, alpha=float(layer.negative_slope))
    else:
        slope = np.array([layer.negative_slope], dtype=_array(x).dtype)
        chain.add("PRelu", [chain.last, chain.constant(slope)])
    return True


def _gelu(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    chain.add("Gelu", approximate=str(layer.approximate))
    return True


def _silu(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    before = chain.last
    chain.add("Mul", [before, chain.add("Sigmoid")])
    return True


def _softplus(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    if layer.beta != 1 or layer.threshold < 20:
        return False
    chain.add("Softplus")
    return True


def _clip(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    numpy_type = _array(x).dtype
    ends = [chain.constant(np.array(v, dtype=numpy_type)) for v in (layer.min_val, layer.max_val)]
    chain.add("Clip", [chain.last, *ends])
    return True


def _hard_sigmoid(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    if x.element_size() < 8:
        chain.add("HardSigmoid", alpha=1 / 6, beta=0.5)
        return True
    zero, three, six = (chain.constant(np.array(v, dtype=_array(x).dtype)) for v in (0, 3, 6))
    chain.add("Add", [chain.last, three])
    chain.add("Clip", [chain.last, zero, six])
    chain.add("Div", [chain.last, six])
    return True


def _prelu(chain: Chain, layer: Any, x: torch.Tensor) -> bool:
    slopes = _array(layer.weight)
    slopes = slopes.reshape(-1, *[1] * (x.dim() - 2))
    chain.add("PRelu", [chain.last, chain.constant(slopes)])
    return True


def _writers() -> dict[type, Writer]:
    """The layers that are known, and how each is written; a writer says False to what it does not know."""
    from torch import nn

    known: dict[type, Writer] = {
        nn.Linear: _linear,
        nn.Flatten: _flatten,
        nn.Unflatten: _reshape,
        nn.Identity: _nothing,
        nn.ReLU: _plain("Relu"),
        nn.LeakyReLU: _leaky_relu,
        nn.PReLU: _prelu,
        nn.ELU: _plain("Elu", alpha="alpha"),
        nn.CELU: _plain("Celu", alpha="alpha"),
        nn.SELU: _plain("Selu"),
        nn.GELU: _gelu,
        nn.SiLU: _silu,
        nn.Mish: _plain("Mish"),
        nn.Sigmoid: _plain("Sigmoid"),
        nn.Tanh: _plain("Tanh"),
        nn.Softsign: _plain("Softsign"),
        nn.Softplus: _softplus,
        nn.ReLU6: _clip,
        nn.Hardtanh: _clip,
        nn.Hardswish: _plain("HardSwish"),
        nn.Hardsigmoid: _hard_sigmoid,
    }
    for axes in (1, 2, 3):
        known[getattr(nn, f"Conv{axes}d")] = _convolution
        known[getattr(nn, f"ConvTranspose{axes}d")] = _convolution
        known[getattr(nn, f"BatchNorm{axes}d")] = _batch_norm
        known[getattr(nn, f"MaxPool{axes}d")] = _pool("MaxPool")
        known[getattr(nn, f"AvgPool{axes}d")] = _pool("AveragePool")
        known[getattr(nn, f"AdaptiveAvgPool{axes}d")] = _global_average
        known[getattr(nn, f"Dropout{axes}d")] = _nothing
    known[nn.Dropout] = known[nn.AlphaDropout] = _nothing
    return known
