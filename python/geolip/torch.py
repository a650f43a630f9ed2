"""The relaxation's value as a differentiable function of a PyTorch module's weights, to train with.

The semidefinite relaxation of max ‖J(v)ᵀu‖ over slopes v ∈ [α, β] is the *vector network*: the module without
its biases, in which every number is a vector of R^k (k columns of a batch) and every activation is

    z = c∘h + r ‖h‖ S,     c = (α + β)/2,  r = (β − α)/2,  S one unit vector per neuron,

with the input X in the unit ball (ℓ∞: one unit vector per input). Its value is linear in X and in every S while
the others are fixed, so one backward pass finds the best of each given the others: where G is the gradient with
respect to z, the new S is G/‖G‖, and c∘G + r ‖G‖ h/‖h‖ is passed on; the new X is the dual vector of the
gradient at the input. Such a *sweep* is one forward and one backward pass of the module on k columns.

By the envelope theorem the derivative of the optimum with respect to the weights is that at fixed X and S, which
is what the same backward pass leaves in the weights. Between training steps the weights move little and so do the
vectors, which are kept: one sweep a step follows the optimum.

The value is *not* certified: it approaches the relaxation's from below. Certify what was trained with
``geolip.bound(geolip.from_torch(module, example))``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ._bound import Norm
from ._torch_reference import unchanging
from ._vector_network import VectorNetwork
from .errors import OptionError

__all__ = ["LipschitzBound"]

# upstream gradients below this part of the largest are lifted to it, so that the vectors of every output move in
# every step; below float32's resolution of the sum
LEAST = 1e-8


class LipschitzBound:
    """The relaxation's value for a module's current weights, as a tensor to differentiate.

        bound = LipschitzBound(model, "linf")
        loss = cross_entropy(model(x), y) + 1e-3 * bound().mean()
        loss.backward()  # also improves the vectors that `bound` keeps

    Args:
        module: of Linear, Conv, BatchNorm (with its running statistics), pooling, activations, and sums,
            concatenations and reshapes of them, as far as `torch.fx` can trace it. Dropout is left out, as
            are all biases. Any floating-point dtype, any device.
        norm: of input changes: ``"linf"``, ``"l2"``, or a number p of at least 2.
        output: ``"each"`` (one value per output), an index I, a margin (I, J) or ``"I-J"``, ``"pairs"`` (one
            value per margin i < j), or a norm of the whole output, ``"linf"``, ``"l2"``, ``"l1"``.
        example_input: a tensor of the input's shape, the batch dimension first; not needed for a module that
            begins with a Linear layer.
        features: k. Trained dense networks need up to about 8, convolutional ones up to 16; with fewer than
            needed the value is a little low.
        sweeps: per call; the last one is the one that is differentiated.
        seed: of the vectors to start from.
    """

    def __init__(
        self,
        module: nn.Module,
        norm: Norm = "linf",
        output: str | int | tuple[int, int] = "each",
        *,
        example_input: Tensor | None = None,
        features: int = 8,
        sweeps: int = 1,
        seed: int = 0,
    ) -> None:
        if features < 1 or sweeps < 1:
            raise OptionError("features and sweeps are counts of at least 1")
        self.module = module
        self.norm = norm
        self.output = output
        self.features = features
        self.sweeps = sweeps
        self._dual = _dual_vector(norm)
        with unchanging(module):
            self._network = VectorNetwork(module)
        self._example = example_input
        self._shape = _input_shape(module, example_input)
        self._compared: str | None = None
        self._outputs: int | None = None
        self._weights: Tensor | None = None
        self._state = _State(features, seed)

    def __call__(self) -> Tensor:
        """The value, shape () for one output or a norm of all, (outputs,) or (pairs,) otherwise.

        Differentiating it also moves the vectors towards the optimum.
        """
        self._read()
        for _ in range(self.sweeps - 1):
            self._sweep()
        return self._value()

    def sweep(self) -> Tensor:
        """Improves the vectors once, leaving gradients alone; returns the value before, detached."""
        self._read()
        return self._sweep()

    def _sweep(self) -> Tensor:
        with torch.enable_grad():
            anchor = torch.zeros((), requires_grad=True)
            value = self._value(anchor)
            torch.autograd.grad(value.sum(), anchor, allow_unused=True)
        return value.detach()

    def converge(self, tol: float = 1e-6, most: int = 10_000) -> Tensor:
        """Sweeps until ten of them raise the value by less than `tol` relatively; returns it, detached."""
        before = self.sweep()
        for _ in range(0, most, 10):
            for _ in range(10):
                value = self._sweep()
            if bool(((value - before).abs() <= tol * value.abs()).all()):
                break
            before = value
        return value

    def reset(self) -> None:
        """Forgets the vectors."""
        self._state.forget()

    def _read(self) -> None:
        """Reads the module as it now is: its layers may have been replaced, and what it reads in `forward`."""
        self._network = VectorNetwork(self.module)
        like = self._like()
        shape = _input_shape(self.module, self._example)
        structure = f"{self._network.code} {shape} {like.dtype} {like.device} {self.module!r}"
        if structure == self._compared:
            return
        self._shape = shape
        with torch.no_grad():
            zeros = torch.zeros(1, *shape, device=like.device, dtype=like.dtype)
            self._outputs = self._network.run(zeros, lambda h, c, r: h).numel()
        self._weights = None
        with unchanging(self.module):
            self._network.compare(shape, like)
        self._compared = structure

    def _like(self) -> Tensor:
        """A tensor of the module's dtype and device."""
        own = (*self.module.parameters(), *self.module.buffers())
        floating = [tensor.detach() for tensor in own if tensor.is_floating_point()]
        return floating[0] if floating else torch.zeros(()) if self._example is None else self._example

    def _value(self, anchor: Tensor | None = None) -> Tensor:
        like = self._like()
        assert self._outputs is not None, "read"
        weights = self._functionals(self._outputs, like)
        problems = 1 if weights is None else len(weights)
        state = self._state
        state.prepare(problems, self._shape, like, self._dual)
        if anchor is None:
            anchor = torch.zeros((), requires_grad=True)
        x: Tensor = _Input.apply(anchor, state)
        layer = iter(range(1 << 30))

        def activate(h: Tensor, c: Tensor, r: Tensor) -> Tensor:
            z: Tensor = _Activation.apply(h, c, r, state, next(layer))
            return z

        y = self._network.run(x.flatten(0, 1), activate).reshape(problems, self.features, -1)
        if self.output == "l2":
            value = torch.linalg.vector_norm(y, dim=(1, 2))
        elif self.output == "l1":
            value = torch.linalg.vector_norm(y, dim=1).sum(1)
        else:
            value = (y[:, 0, :] * weights).sum(1)
        value = _Output.apply(value, state)
        if self.output == "linf":
            return value.max()
        return value if self.output in ("each", "pairs") else value[0]

    def _functionals(self, outputs: int, like: Tensor) -> Tensor | None:
        """The vectors u, shape (problems, outputs); none for a norm, which is one problem."""
        if self.output in ("l2", "l1"):
            return None
        if self._weights is None or self._weights.device != like.device or self._weights.dtype != like.dtype:
            self._weights = torch.zeros(0)
            rows = [_entries(pair, outputs) for pair in _pairs(self.output, outputs)]
            self._weights = torch.tensor(rows, device=like.device, dtype=like.dtype)
        return self._weights


class _State:
    """The vectors: `x` (problems, k, *input shape), and one S (problems, k, *shape) per activation."""

    def __init__(self, features: int, seed: int) -> None:
        self.features, self.seed = features, seed
        self.x: Tensor | None = None
        self.vectors: dict[int, Tensor] = {}
        self.sign: Tensor | None = None
        self.dual: Dual = lambda g, _: g
        self._generator: torch.Generator | None = None

    def forget(self) -> None:
        self.x, self.vectors, self._generator = None, {}, None

    def prepare(self, problems: int, shape: Sequence[int], like: Tensor, dual: Dual) -> None:
        """Makes an input to start from, unless there is one of this shape."""
        self.dual = dual
        wanted = (problems, self.features, *shape)
        x = self.x
        if x is None or x.shape != wanted or x.device != like.device or x.dtype != like.dtype:
            self.forget()
            start = self.random(wanted, like)
            self.x = dual(start, start)

    def random(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Normal numbers; the same on every device."""
        if self._generator is None:
            self._generator = torch.Generator().manual_seed(self.seed)
        numbers = torch.randn(*shape, generator=self._generator, dtype=torch.float64)
        return numbers.to(device=like.device, dtype=like.dtype)

    def signed(self, values: Tensor) -> Tensor:
        """`values` (problems, …), negative for problems whose value is to fall."""
        return values if self.sign is None else values * self.sign.reshape(-1, *[1] * (values.dim() - 1))

    def of(self, layer: int, h: Tensor) -> Tensor:
        """S of an activation with pre-activations `h`."""
        vectors = self.vectors.get(layer)
        if vectors is None or vectors.shape != h.shape:
            vectors = self.random(h.shape, h)
            vectors /= _norms(vectors)
            self.vectors[layer] = vectors
        return vectors


def _norms(v: Tensor) -> Tensor:
    """The lengths of vectors (problems, k, …), shape (problems, 1, …); torch's own are slow along this axis."""
    return (v * v).sum(1, keepdim=True).sqrt()


def _inverse(norm: Tensor) -> tuple[Tensor, Tensor | None]:
    """1/norm (which may have a sign), 0 where it is 0; and where that is, if anywhere."""
    zero = norm.abs() <= torch.finfo(norm.dtype).tiny
    if not bool(zero.any()):
        return norm.reciprocal(), None
    return torch.where(zero, 0.0, norm.reciprocal()), zero


def _unit(v: Tensor, norm: Tensor, otherwise: Tensor) -> Tensor:
    """`v`/`norm`, and `otherwise` where the norm is 0."""
    inverse, zero = _inverse(norm)
    unit = v * inverse
    return unit if zero is None else torch.where(zero, otherwise, unit)


class _Input(torch.autograd.Function):
    """X; the backward pass replaces it by the dual vector of its gradient."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, state: _State) -> Tensor:
        ctx.state = state
        assert state.x is not None, "prepared"
        return state.x.detach()  # replaced after each pass, never written to

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None]:
        state: _State = ctx.state
        assert state.x is not None, "prepared"
        state.x = state.dual(state.signed(gradient), state.x)
        return None, None


class _Activation(torch.autograd.Function):
    """z = c∘h + r‖h‖S; the backward pass finds the next S."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, c: Tensor, r: Tensor, state: _State, layer: int) -> Tensor:
        h = h.unflatten(0, (-1, state.features))
        s = state.of(layer, h)
        norm = _norms(h)
        ctx.state, ctx.layer = state, layer
        ctx.save_for_backward(h, norm, c, r)
        return torch.addcmul(c * h, r * norm, s).flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        h, norm, c, r = ctx.saved_tensors
        state: _State = ctx.state
        g = gradient.unflatten(0, (-1, state.features))
        size = _norms(g)
        signed = state.signed(size)
        inverse, zero = _inverse(signed)
        s = g * inverse
        state.vectors[ctx.layer] = s if zero is None else torch.where(zero, state.vectors[ctx.layer], s)
        dh = torch.addcmul(c * g, h, r * signed * _inverse(norm)[0])
        dc = (g * h).sum_to_size(c.shape) if ctx.needs_input_grad[1] else None
        dr = (signed * norm).sum_to_size(r.shape) if ctx.needs_input_grad[2] else None
        return dh.flatten(0, 1), dc, dr, None, None


class _Output(torch.autograd.Function):
    """The values; the backward pass notes the signs of what comes from above, for the ascent to stay one."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, state: _State) -> Tensor:
        ctx.state = state
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        state: _State = ctx.state
        size = gradient.abs()
        size = torch.maximum(size, LEAST * size.max())
        state.sign = torch.where(gradient < 0, -1.0, 1.0).to(size) if bool((gradient < 0).any()) else None
        return state.signed(size), None


# g (problems, k, *shape) and the X before ↦ the X of norm one with the largest ⟨g, X⟩; what does not matter stays
Dual = Callable[[Tensor, Tensor], Tensor]


def _dual_vector(norm: Norm) -> Dual:
    text = str(norm)
    p = math.inf if text == "linf" else 2.0 if text == "l2" else None
    if p is None:
        try:
            p = float(text)
        except ValueError:
            p = math.nan
    if not p >= 2.0:
        raise OptionError(f"the norm is '{norm}'; give 'linf', 'l2', or a number of at least 2")

    def dual(g: Tensor, before: Tensor) -> Tensor:
        rows = _norms(g)
        if p == math.inf:
            return _unit(g, rows, before)
        flat = rows.flatten(1)
        largest = flat.amax(1).reshape(-1, *[1] * (g.dim() - 1))
        size = (rows * _inverse(largest)[0]) ** (1.0 / (p - 1.0))
        whole = ((size.flatten(1) ** p).sum(1) ** (1.0 / p)).reshape(largest.shape)
        return _unit(g * (size * _inverse(rows)[0]), whole, before)

    return dual


def _pairs(output: str | int | tuple[int, int], outputs: int) -> list[tuple[int, int | None]]:
    """What is bounded, as (i, none) for yᵢ and (i, j) for yᵢ − yⱼ."""
    if output in ("each", "linf"):
        return [(i, None) for i in range(outputs)]
    if output == "pairs":
        return [(i, j) for i in range(outputs) for j in range(i + 1, outputs)]
    if isinstance(output, tuple):
        return [output]
    try:
        indices = [int(part) for part in str(output).split("-")]
    except ValueError:
        indices = []
    if len(indices) not in (1, 2):
        raise OptionError(f"unknown output '{output}'; give 'each', 'pairs', an index, a margin I-J, or linf, l2, l1")
    return [(indices[0], indices[1] if len(indices) == 2 else None)]


def _entries(pair: tuple[int, int | None], outputs: int) -> list[float]:
    i, j = pair
    if not (0 <= i < outputs and (j is None or 0 <= j < outputs)):
        raise OptionError(f"output {pair} does not exist; the network has {outputs}, counted from 0")
    u = [0.0] * outputs
    u[i] += 1.0
    if j is not None:
        u[j] -= 1.0
    return u


def _input_shape(module: nn.Module, example_input: Tensor | None) -> tuple[int, ...]:
    if example_input is not None:
        return tuple(example_input.shape[1:])
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            return (layer.weight.shape[1],)
        if next(layer.children(), None) is None and not isinstance(layer, nn.Flatten | nn.Identity):
            break
    raise OptionError("the input's shape is not known; give example_input, a tensor with a batch dimension")
