"""`geolip.from_torch`: PyTorch modules as networks.

A `nn.Sequential` of known layers is written as an ONNX file by this package itself; anything else is
exported by `torch.onnx.export` in memory. Both go through the same importer, and the result is compared
with the module.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._network import Network, from_bytes
from ._onnx_file import Chain
from .errors import NetworkFileError

if TYPE_CHECKING:
    import torch
    from torch import nn

# of the largest output: far above float32 rounding, far below any mistake
AGREEMENT = 1e-2


def from_torch(
    module: nn.Module,
    example_input: torch.Tensor | tuple[torch.Tensor, ...],
    *,
    input: str | None = None,
    output_name: str | None = None,
    until: str | None = None,
) -> Network:
    """A PyTorch module, in evaluation mode, as a network.

    The module is left as it is; dropout and batch statistics are those of `module.eval()`.

    Args:
        module: a `nn.Sequential` of known layers, which needs no more than torch, or any module that
            `torch.onnx.export` can export (which asks for onnx and onnxscript).
        example_input: a tensor of the input's shape, the batch dimension first; or a tuple of them for
            several inputs. One row of the batch is one input of the network.
        input, output_name, until: as for :func:`geolip.load`, for exported modules.

    Raises:
        UnsupportedNetworkError: the exported module holds something that is not supported.
        NetworkFileError: the module cannot be exported, or the network disagrees with it.
    """
    import torch

    examples = example_input if isinstance(example_input, tuple) else (example_input,)
    training = [m for m in module.modules() if m.training]
    try:
        module.eval()
        with torch.no_grad():
            inputs = tuple(x[:1].detach() for x in examples)
            plain = input is None and output_name is None and until is None
            data = _chain(module, inputs[0]) if plain and len(inputs) == 1 else None
            if data is None:
                data = _export(module, inputs)
            network = from_bytes(
                data, f"{type(module).__name__}.onnx", input=input, output_name=output_name, until=until
            )
            if plain:
                _compare(module, inputs, network)
    finally:
        for m in training:
            m.training = True
    return network


def _compare(module: nn.Module, inputs: tuple[torch.Tensor, ...], network: Network) -> None:
    """The network and the module agree at the example, or something was read wrongly."""
    y = module(*inputs)
    y = y[0] if isinstance(y, tuple | list) else y
    expected = y.double().cpu().numpy().ravel()
    x = np.concatenate([x.double().cpu().numpy().ravel() for x in inputs])
    if x.size != network.inputs:
        return  # inputs that cannot reach the output are left out: nothing to compare at
    found = network(x)
    worst = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
    if not worst <= AGREEMENT * max(np.abs(expected).max(), 1e-30):
        raise NetworkFileError(
            f"the network read from {type(module).__name__} differs from the module by {worst:.1e}; "
            "please report this module"
        )


def _export(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> bytes:
    """The module as an ONNX file, by torch's own exporter."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(module, inputs, dynamo=True, verbose=False)
            if program is not None:
                return bytes(program.model_proto.SerializeToString())
        except (ImportError, TypeError, AttributeError) as error:
            reason: Exception = error  # no onnxscript, or a torch from before the exporter
        except Exception as error:
            reason = error
        try:
            file = io.BytesIO()
            torch.onnx.export(module, inputs, file, opset_version=17, **_legacy())
        except Exception:
            raise NetworkFileError(
                f"{type(module).__name__} cannot be exported to ONNX: {_line(reason)} "
                "(torch.onnx.export asks for the packages onnx and onnxscript)"
            ) from reason
        return file.getvalue()


def _legacy() -> dict[str, Any]:
    """What asks for the exporter that needs no onnxscript, by the version of torch."""
    import inspect

    import torch

    known = inspect.signature(torch.onnx.export).parameters
    return {"dynamo": False} if "dynamo" in known else {}


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _chain(module: nn.Module, x: torch.Tensor) -> bytes | None:
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
        hooked = layer._forward_hooks or layer._forward_pre_hooks
        if write is None or hooked or not write(chain, layer, x):
            return None
        x = layer(x)
    return chain.finish(x.shape)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    from torch import nn

    if type(module) is nn.Sequential and not (module._forward_hooks or module._forward_pre_hooks):
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
    parameters = [weight, bias, layer.running_mean, layer.running_var]
    names = [chain.last, *(chain.constant(_array(p)) for p in parameters)]
    chain.add("BatchNormalization", names, epsilon=float(layer.eps))
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
        chain.add(operator, None, **{name: float(getattr(layer, of)) for name, of in attributes.items()})
        return True

    return write


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
    chain.add("HardSigmoid", alpha=1 / 6, beta=0.5)
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
        nn.LeakyReLU: _plain("LeakyRelu", alpha="negative_slope"),
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
