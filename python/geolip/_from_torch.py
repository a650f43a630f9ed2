"""`geolip.from_torch`: PyTorch modules as networks.

A `nn.Sequential` of known layers is written as an ONNX file by this package itself; anything else is
exported by `torch.export` and `torch.onnx.export` in memory. Both go through the same importer, and the result is
compared with the module at many inputs.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._network import Array, Network, from_bytes
from ._torch_chain import chain_of
from ._torch_reference import Reference, leaves, line, unchanging
from .errors import NetworkFileError, OptionError, UnsupportedNetworkError

if TYPE_CHECKING:
    import torch
    from torch import nn


def from_torch(
    module: nn.Module,
    example_input: torch.Tensor | tuple[torch.Tensor, ...],
    *,
    input: str | None = None,
    output_name: str | None = None,
    until: str | None = None,
) -> Network:
    """A PyTorch module, in evaluation mode, as a network.

    The module is left as it is; dropout and batch statistics are those of `module.eval()`. What is read is compared
    with the module itself, in its own dtype and (if a copy can be made) in double precision, at random inputs of scales
    from 1e-3 to 1e3, around zero and around the example. A module that lets Python see values of its input (as a branch
    or ``.item()`` does), does other operations when it is exported, is random, changes its own state, or mixes the rows
    of a batch is refused.

    Args:
        module: a `nn.Sequential` of known layers, which needs no more than torch, or any module that
            `torch.export` and `torch.onnx.export` can export (which asks for onnx and onnxscript).
        example_input: a tensor of the input's shape, the batch dimension first; or a tuple of them for
            several inputs. One row of the batch is one input of the network.
        input, output_name, until: as for :func:`geolip.load`, for exported modules. The inputs that do not move are
            zero in the comparison. With `until`, the whole output is compared, and the tensor with the exported file's
            own evaluation where the rest of the file is not supported; differences that the rest hides are not seen.

    ``network.info["compared"]`` says at how many inputs, and whether also in double.

    Raises:
        UnsupportedNetworkError: the exported module holds something that is not supported.
        NetworkFileError: the module cannot be exported, is no function of its input, or the network disagrees with it.
        OptionError: the example is not made of tensors of floating-point numbers.
    """
    import torch

    from ._torch_watch import watched

    examples = example_input if isinstance(example_input, tuple) else (example_input,)
    for i, x in enumerate(examples):
        if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.dim() == 0 or len(x) == 0:
            kind = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
            raise OptionError(
                f"input {i} of the example is a {kind}; give floating-point tensors, a batch of inputs each"
            )
    with evaluating(module), torch.no_grad(), unchanging(module):
        inputs = tuple(x[:1].detach().clone() for x in examples)
        plain = input is None and output_name is None and until is None
        seen = watched(module, inputs)
        constant = _without_parametrizations(module)
        data = chain_of(constant, inputs[0]) if plain and len(inputs) == 1 else None
        file = _File(data, ["input"], ["output"]) if data is not None else _export(constant, inputs, seen)
        _lets_nothing_out(module, seen)
        reading: dict[str, Any] = {"input": input, "output_name": output_name, "until": until}
        network = from_bytes(file.data, f"{type(module).__name__}.onnx", **reading)
        fixed = {file.inputs.index(port["name"]) for port in network.info["fixed"]}
        reference = Reference(module, inputs, fixed)
        if until is None:
            place = 0 if output_name is None else file.outputs.index(output_name)
            reference.compare(_values(network, file), place)
        else:
            _compare_whole(reference, file, network, input)
        network._compared = reference.summary
    return network


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """`module.eval()`, and afterwards every part in the mode in which it was."""
    from torch import nn

    before = [(part, part.training) for part in module.modules()]
    own = any(
        getattr(type(part), name) is not getattr(nn.Module, name) for part, _ in before for name in ("train", "eval")
    )
    training = module.training
    try:
        module.eval()
        yield
    finally:
        if own and training:
            module.train()  # it does more than set the mode
        for part, mode in before:
            part.training = mode


def _lets_nothing_out(module: nn.Module, seen: Any) -> None:
    """Python saw no value of the input, by which a branch could be decided whose error was caught."""
    if seen is not None and seen.reads:
        raise NetworkFileError(
            f"{type(module).__name__} lets Python see values of its input ({seen.reads[0].strip('_')}), and may do "
            "something else at others; a network does the same at every input: write branches, loops and indices that "
            "depend on its values as operations of torch"
        )


def _without_parametrizations(module: nn.Module) -> nn.Module:
    """The module with the weights that its parametrizations give now, as plain ones; itself if it has none."""
    from torch import nn
    from torch.nn.utils import parametrize

    if not any(parametrize.is_parametrized(part) for part in module.modules()):
        return module
    try:
        twin = copy.deepcopy(module)
        for part in [part for part in twin.modules() if parametrize.is_parametrized(part)]:
            lists: Any = part.parametrizations
            given = [(name, getattr(part, name).detach()) for name in lists]
            plain = parametrize.type_before_parametrizations(part)
            del part.parametrizations
            part.__class__ = plain  # the class that is left is the module's own as well
            for name, weight in given:
                part.register_parameter(name, nn.Parameter(weight, requires_grad=False))
    except Exception:
        return module
    return twin


@dataclass
class _File:
    """An ONNX file of a module, and the names of its inputs and outputs in the module's order."""

    data: bytes
    inputs: list[str]
    outputs: list[str]


Values = Callable[[list["torch.Tensor"]], Array]


def _values(network: Network, file: _File) -> Values:
    """The network's outputs as a function of the module's inputs, of which it may have some."""
    places = [file.inputs.index(port["name"]) for port in network.info["inputs"]]
    return lambda inputs: network(np.concatenate([_rows(inputs[place]) for place in places], axis=1))


def _rows(x: torch.Tensor) -> Array:
    return np.asarray(x.double().cpu().numpy(), dtype=np.float64).reshape(len(x), -1)


def _compare_whole(reference: Reference, file: _File, network: Network, moving: str | None) -> None:
    """The file's whole output is the module's, and the network one of its tensors."""
    try:
        whole = from_bytes(file.data, "whole.onnx", input=moving)
    except UnsupportedNetworkError:
        reference.compare(_onnx_values(file, file.outputs[0]), 0)
        inner = _onnx_values(file, network.info["output"]["name"])
        reference.compare_with(inner, _values(network, file))
    else:  # the tensor is one of this file's, as the importer reads it
        reference.compare(_values(whole, file), 0)


def _onnx_values(file: _File, tensor: str) -> Values:
    """A tensor of the file, as the package onnx computes it."""
    try:
        import onnx
        from onnx.reference import ReferenceEvaluator
    except ImportError:
        raise NetworkFileError(
            "what follows the tensor named by until is not supported, and comparing it with the module asks for the "
            "package onnx; install it, or give a module that ends there"
        ) from None
    model = onnx.load_model_from_string(file.data)
    if tensor not in file.outputs:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
    run = ReferenceEvaluator(model).run

    def values(inputs: list[torch.Tensor]) -> Array:
        feeds = [
            {name: x[i : i + 1].cpu().numpy() for name, x in zip(file.inputs, inputs, strict=True)}
            for i in range(len(inputs[0]))
        ]
        return np.stack([np.asarray(run([tensor], feed)[0], dtype=np.float64).ravel() for feed in feeds])

    return values


def _export(module: nn.Module, inputs: tuple[torch.Tensor, ...], seen: Any) -> _File:
    """The module as an ONNX file, by torch's own exporter; never by a trace of a module that it refuses."""
    import torch

    if not hasattr(torch, "export") or importlib.util.find_spec("onnxscript") is None:
        return _trace(module, inputs, "torch.export and the package onnxscript are not there")
    try:
        program = torch.export.export(module, inputs, strict=False)
    except Exception as error:
        text = f"{type(module).__name__} cannot be exported: {line(error).partition(' (unhinted')[0]}"
        if ("data-dependent" in text or "DataDependent" in type(error).__name__) and seen and not seen.reads:
            text += "; Python looks at a value of one of its own tensors: keep that as a number of Python"
        elif "data-dependent" in text or "DataDependent" in type(error).__name__:
            text += (
                "; a network does the same at every input: write branches, loops and indices that depend on its values "
                "as operations of torch, or bound each of them by itself"
            )
        raise NetworkFileError(text) from error
    followed = program.module()
    followed.train = lambda mode=True: followed  # type: ignore[method-assign]  # its own raises an error
    _lets_nothing_out(module, seen)
    _is_what_runs(module, seen, followed, inputs)
    try:
        exported = torch.onnx.export(program, (), dynamo=True, verbose=False)
        assert exported is not None, "no file is named"
    except Exception as error:
        return _trace(followed, inputs, line(error), type(module).__name__)
    graph = exported.model_proto.graph
    names = [[port.name for port in ports] for ports in (graph.input, graph.output)]
    return _File(bytes(exported.model_proto.SerializeToString()), *names)


def _is_what_runs(module: nn.Module, seen: Any, followed: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """The module runs the operators that were exported, and no others that make pieces."""
    from ._torch_watch import difference, watched

    text = difference(seen, watched(followed, inputs))
    if text is not None:
        raise NetworkFileError(
            f"{type(module).__name__} does different operations when it runs than when it is exported: it {text}; a "
            "network does the same at every input and in every mode"
        )


def _trace(module: nn.Module, inputs: tuple[torch.Tensor, ...], reason: str, name: str | None = None) -> _File:
    """The module as an ONNX file, by the exporter that follows one call; what it warns of is an error."""
    import torch

    name = type(module).__name__ if name is None else name
    redirect = getattr(torch._C, "_jit_set_onnx_log_output_stream", None)
    if redirect is not None:
        redirect("stderr")  # it prints the graph of what it cannot export

    file = io.BytesIO()
    known = inspect.signature(torch.onnx.export).parameters
    try:
        count = len(leaves(module(*(x.clone() for x in inputs))))
    except Exception as error:
        raise NetworkFileError(f"{name} fails at the example: {line(error)}") from error
    names = [[f"{kind}_{i}" for i in range(n)] for kind, n in (("input", len(inputs)), ("output", count))]
    older: dict[str, Any] = {"dynamo": False} if "dynamo" in known else {}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            torch.onnx.export(
                module, inputs, file, opset_version=17, input_names=names[0], output_names=names[1], **older
            )
        except Exception as error:
            raise NetworkFileError(f"{name} cannot be exported to ONNX: {reason}; {line(error)}") from error
    for warning in warned:
        if issubclass(warning.category, torch.jit.TracerWarning):
            raise NetworkFileError(
                f"{name} cannot be exported to ONNX: {reason}; and following one call is not enough: "
                f"{line(warning.message)}"
            )
        if not issubclass(warning.category, DeprecationWarning | FutureWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return _File(file.getvalue(), *names)
