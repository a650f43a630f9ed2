"""What a PyTorch module does with the values of its input: every operator that runs, and what Python sees of them.

Comparing a module with what was read of it, at however many inputs, does not see a branch that is taken elsewhere. A
module in which no value of the input reaches Python has no such branches; and if what was exported runs the same
piecewise operators, it is the same on every piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

# operators that hand values to Python
READS = {"_local_scalar_dense", "equal", "is_nonzero", "item", "allclose"}
# methods that do so below the dispatcher
METHODS = {"numpy", "__array__", "tolist", "__dlpack__", "data_ptr", "storage", "untyped_storage", "_typed_storage"}
# operators that give tensors without values of their arguments
SHAPED = {"zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_zeros", "new_ones"}
SHAPED |= {"new_empty", "new_full", "new_empty_strided", "sym_size", "sym_stride", "sym_numel"}
# operators that are analytic, or take their arguments as they are: where two compositions of these agree on some
# region, they agree everywhere
ANALYTIC = {
    "add",
    "sub",
    "rsub",
    "mul",
    "neg",
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "matmul",
    "linear",
    "dot",
    "mv",
    "addmv",
}
ANALYTIC |= {"convolution", "conv1d", "conv2d", "conv3d", "sum", "mean", "cumsum", "cat", "stack", "native_batch_norm"}
ANALYTIC |= {"view", "_unsafe_view", "reshape", "_reshape_alias", "expand", "permute", "transpose", "t", "squeeze"}
ANALYTIC |= {
    "unsqueeze",
    "slice",
    "select",
    "split",
    "split_with_sizes",
    "unbind",
    "chunk",
    "narrow",
    "alias",
    "detach",
}
ANALYTIC |= {"clone", "copy", "lift_fresh", "lift_fresh_copy", "flip", "roll", "unfold", "as_strided", "contiguous"}
ANALYTIC |= {"diagonal", "pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d"}
ANALYTIC |= {"replication_pad1d", "replication_pad2d", "replication_pad3d", "pixel_shuffle", "pixel_unshuffle"}
ANALYTIC |= {"repeat", "view_as", "movedim", "flatten", "unflatten", "slice_scatter", "select_scatter", "zero", "fill"}
ANALYTIC |= {
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "batch_norm",
    "thnn_conv2d",
    "_slow_conv2d_forward",
}
ANALYTIC |= {"mkldnn_convolution", "slow_conv3d", "addcmul", "addbmm", "einsum", "_to_copy", "view_copy", "set"}


@dataclass
class Seen:
    """What a call did."""

    reads: list[str]
    """How values of the input reached Python."""
    pieces: Counter[str]
    """How often each operator ran that is not analytic and on which the output depends."""


class _Watch(TorchDispatchMode):  # type: ignore[misc]
    def __init__(self, inputs: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.reads: list[str] = []
        self._kept: list[Any] = []  # so that no other tensor takes its place
        self._steps: list[tuple[str, list[int], list[int]]] = []
        self._varying = {self._place(x) for x in inputs}

    def _place(self, x: torch.Tensor) -> int:
        """Which memory a tensor has; views share it."""
        try:
            with torch._C.DisableTorchFunction():
                storage = x.untyped_storage()
        except (RuntimeError, NotImplementedError):  # sparse
            self._kept.append(x)
            return id(x)
        self._kept.append(storage)
        return int(storage._cdata)

    def varies(self, x: torch.Tensor) -> bool:
        return self._place(x) in self._varying

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.partition("::")[2]
        given = [self._place(x) for x in _tensors((args, kwargs or {}))]
        if not self._varying.isdisjoint(given):
            if name in READS:
                self.reads.append(name)
            elif name not in SHAPED:
                made = [self._place(x) for x in _tensors(result)]
                self._varying.update(made)
                self._steps.append((name if name.startswith("_") else name.rstrip("_"), given, made))
        return result

    def pieces(self, outputs: Iterable[torch.Tensor]) -> Counter[str]:
        needed = {self._place(y) for y in outputs}
        found: Counter[str] = Counter()
        for name, given, made in reversed(self._steps):
            if not needed.isdisjoint(made):
                needed.update(given)
                found[name] += name not in ANALYTIC
        return +found


class _Methods(TorchFunctionMode):  # type: ignore[misc]
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in METHODS and any(map(self._watch.varies, _tensors(args[:1]))):
            self._watch.reads.append(name)
        return func(*args, **(kwargs or {}))


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in _pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def watched(module: Callable[..., Any], inputs: Iterable[torch.Tensor]) -> Seen | None:
    """What a call of the module does; none if it cannot be watched."""
    own = [x.clone() for x in inputs]
    watch = _Watch(own)
    try:
        with torch.no_grad(), watch, _Methods(watch):
            output = module(*own)
    except Exception:
        return Seen(watch.reads, Counter()) if watch.reads else None
    return Seen(watch.reads, watch.pieces(_tensors(output)))


def difference(module: Seen | None, read: Seen | None) -> str | None:
    """Which piecewise operators run in one of two and not in the other, in words; none if the same do."""
    if module is None or read is None or module.pieces == read.pieces:
        return None
    more, fewer = module.pieces - read.pieces, read.pieces - module.pieces
    return " and ".join(
        f"{'does' if these is more else 'does not do'} {', '.join(sorted(these))}" for these in (more, fewer) if these
    )
