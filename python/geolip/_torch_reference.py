"""A PyTorch module as the reference that a network read from it has to agree with.

The module is called at many inputs, in its own dtype and, through a copy, in double precision. What cannot be a
function of the input alone (randomness, state that changes, rows of a batch that mix) is refused here.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import NetworkFileError

if TYPE_CHECKING:
    import torch
    from torch import nn

Array = npt.NDArray[np.float64]

SCALES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
# what double precision leaves of a difference of inputs, and of a value
DOUBLE_STEP, DOUBLE_VALUE, DOUBLE_ROUNDING = 1e-9, 1e-10, 1e-13


@dataclass
class Points:
    """Inputs of one scale, and what the module gives there; one row per input."""

    where: str
    inputs: list[torch.Tensor]
    """One tensor per input of the module, (rows, …)."""
    own: list[Array]
    """One array per output of the module: (rows, numbers)."""
    double: list[Array] | None


class Reference:
    """A module's values at random inputs.

    Args:
        module: in the mode in which it is to be read.
        examples: one tensor per input, with one row each.
        fixed: the inputs that do not move, and are zero.

    Raises:
        NetworkFileError: the module is no function of its input.
    """

    def __init__(self, module: nn.Module, examples: tuple[torch.Tensor, ...], fixed: set[int]) -> None:
        import torch

        self.name = type(module).__name__
        self._epsilon = max(_epsilon(x) for x in (*examples, *module.parameters()) if x.is_floating_point())
        groups = [
            (where, [torch.zeros_like(x) if i in fixed else x for i, x in enumerate(inputs)])
            for where, inputs in _inputs(examples)
        ]
        own = [self._values(module, inputs, where) for where, inputs in groups]
        self._is_repeatable(module, groups, own)
        twin = _tried(_double, module)
        self.groups = [
            Points(where, inputs, values, _tried(_rows, twin, [x.double() for x in inputs]))
            for (where, inputs), values in zip(groups, own, strict=True)
        ]
        self._is_the_same_in_double()

    def _refuse(self, what: str) -> NetworkFileError:
        return _refusal(self.name, what)

    def _values(self, module: nn.Module, inputs: list[torch.Tensor], where: str) -> list[Array]:
        try:
            return _rows(module, inputs)
        except Exception as error:
            raise self._refuse(f"fails {where} ({line(error)})") from error

    def _is_repeatable(self, module: nn.Module, groups: list[Any], own: list[list[Array]]) -> None:
        """Called again, and with many rows at once, the module gives the same."""
        import torch

        for i, ((where, inputs), expected) in enumerate(zip(groups, own, strict=True)):
            if i % len(SCALES) == 0:
                self._values(module, inputs, where)
                held = _numbers_held(module)
                again = self._values(module, inputs, where)
                changed = [name for name, old in held.items() if _numbers_held(module).get(name) != old]
                if changed:  # not what it notes of each call, which is the same
                    raise self._refuse(f"changes its '{changed[0]}' when it is called")
                if not self._same(expected, again):
                    raise self._refuse(f"gives another output when it is called again {where}")
                with torch.enable_grad():
                    recorded = [x.clone().requires_grad_() for x in inputs]
                    if not self._same(expected, self._values(module, recorded, where)):
                        raise self._refuse(f"gives another output where gradients are recorded {where}")
            together = _tried(_batch, module, inputs)
            if together is None or len(together) != len(expected):
                continue  # it takes one row only
            flat = [_array(y).reshape(len(e), -1) if y.numel() == e.size else e
                    for y, e in zip(together, expected, strict=True)]  # fmt: skip
            if not self._same(expected, flat):
                raise self._refuse(f"gives other outputs to the rows of a batch than to each row alone {where}")

    def _same(self, expected: list[Array], found: list[Array]) -> bool:
        tolerance = float(np.sqrt(self._epsilon))
        return len(expected) == len(found) and all(
            e.shape == f.shape and _at_most(_distance(f, e), tolerance * _largest(e))
            for e, f in zip(expected, found, strict=True)
        )

    def _is_the_same_in_double(self) -> None:
        for points in self.groups:
            if not all(np.isfinite(y).any() for y in points.own) and "scale 0.001" in points.where:
                raise self._refuse(f"is not finite {points.where}")
            if points.double is not None and not self._same(points.own, points.double):
                raise self._refuse(f"computes something else in double precision than in its own {points.where}")

    @property
    def summary(self) -> dict[str, Any]:
        """What a network was compared at, for the network to tell."""
        return {
            "module": self.name,
            "inputs": sum(len(points.inputs[0]) for points in self.groups),
            "scales": [SCALES[0], SCALES[-1]],
            "double": all(points.double is not None for points in self.groups),
        }

    def compare(self, network: Callable[[list[torch.Tensor]], Array], output: int) -> None:
        """Raises an error if the network's values (rows, numbers) are not the module's at one of its outputs."""
        for points in self.groups:
            own = points.own[output]
            found = network(points.inputs)
            double = None if points.double is None else points.double[output]
            if found.shape != own.shape:
                raise NetworkFileError(
                    f"the network read from {self.name} has {found.shape[1]} outputs, the module {own.shape[1]}; "
                    "please report this module"
                )
            tolerance = float(np.sqrt(self._epsilon)) * _largest(own)
            self._differ("its own precision", points.where, found, own, tolerance)
            best = own if double is None else double
            with np.errstate(invalid="ignore"):  # what is not finite is not compared
                step, exact = found - found[:1], best - best[:1]
            if double is None:
                tolerance = float(np.sqrt(self._epsilon)) * _largest(exact) + 256 * self._epsilon * _largest(own)
                self._differ("its own precision", points.where, step, exact, tolerance)
                continue
            rounding = DOUBLE_ROUNDING * _largest(double)
            near = np.where(np.isfinite(own), own, double)
            for i in range(own.shape[1]):  # a large output hides nothing of a small one
                part, here = exact[:, i], double[:, i]
                tolerance = max(16 * self._epsilon, DOUBLE_STEP) * _largest(part) + DOUBLE_VALUE * _largest(here)
                noise = 4 * _distance(near[:, i], here)  # what rounding does to the module
                self._differ("double precision", points.where, step[:, i], part, tolerance + noise + rounding)

    def compare_with(self, inner: Callable[[list[torch.Tensor]], Array], network: Callable[[Any], Array]) -> None:
        """The same for a tensor inside, of which there are values in the module's own precision alone."""
        for points in self.groups:
            expected = inner(points.inputs)
            tolerance = float(np.sqrt(self._epsilon)) * _largest(expected)
            self._differ("its own precision", points.where, network(points.inputs), expected, tolerance)

    def _differ(self, precision: str, where: str, found: Array, expected: Array, tolerance: float) -> None:
        worst = _distance(found, expected)
        if not _at_most(worst, tolerance):
            raise NetworkFileError(
                f"the network read from {self.name} differs from the module in {precision} by {worst:.1e} {where}, "
                f"where outputs reach {_largest(expected):.1e}; it may branch on its input, or hold a number that "
                "float32 does not; write it without, or export a part of it"
            )


def _inputs(examples: tuple[torch.Tensor, ...]) -> Iterator[tuple[str, list[torch.Tensor]]]:
    """Rows of several scales, around zero and around the example; the first of the latter is the example."""
    import torch

    generator = torch.Generator().manual_seed(1)

    def random(rows: int, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(rows, *like.shape[1:], generator=generator, dtype=torch.float64)

    def moved(x: torch.Tensor, scale: float) -> torch.Tensor:
        step = random(2, x) * scale
        return torch.cat([x, x + step.to(x)])

    def around_zero(x: torch.Tensor, scale: float) -> torch.Tensor:
        rows = random(7, x)
        rows[3:5].abs_()  # all of one sign: what is summed up takes both
        rows[5:6] = -rows[5:6].abs()
        rows[6:] = rows[6:] * (torch.rand(rows[6:].shape, generator=generator) < 0.2)  # a few entries alone
        return (rows * scale).to(x)

    for scale in SCALES:
        yield f"at inputs of scale {scale:g}", [around_zero(x, scale) for x in examples]
        yield f"around the example, {scale:g} from it", [moved(x, scale) for x in examples]


def _rows(module: nn.Module, inputs: list[torch.Tensor]) -> list[Array]:
    """The outputs, of one row of the inputs after the other."""
    rows = [[_array(y) for y in leaves(module(*(x[i : i + 1].clone() for x in inputs)))] for i in range(len(inputs[0]))]
    if any(len(row) != len(rows[0]) for row in rows) or not rows[0]:
        raise TypeError("the outputs are not tensors, or their number changes")
    return [np.stack(column) for column in zip(*rows, strict=True)]


def leaves(output: Any) -> list[torch.Tensor]:
    """The tensors of an output, in the order in which they are exported."""
    import torch
    from torch.utils import _pytree

    return [leaf for leaf in _pytree.tree_leaves(output) if isinstance(leaf, torch.Tensor)]


def _array(y: torch.Tensor) -> Array:
    return np.asarray(y.detach().double().cpu().numpy(), dtype=np.float64).ravel()


def _batch(module: nn.Module, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """The outputs, of all rows at once."""
    return leaves(module(*(x.clone() for x in inputs)))


def _tried(call: Callable[..., Any], *arguments: Any) -> Any:
    """What comes out, or none if it fails: a copy that cannot run, a batch that the module does not take."""
    try:
        return call(*arguments)
    except Exception:
        return None


def _double(module: nn.Module) -> nn.Module:
    """The module in double precision."""
    return copy.deepcopy(module).double()


def _epsilon(x: torch.Tensor) -> float:
    import torch

    return float(torch.finfo(x.dtype).eps)


def _distance(a: Array, b: Array) -> float:
    """The largest difference where both are finite; infinite where only one is a number of its kind."""
    finite = np.isfinite(b)
    if not finite.any() or not np.isfinite(a[finite]).all():
        return float("inf") if finite.any() else 0.0
    return float(np.abs(a[finite] - b[finite]).max())


def _at_most(distance: float, tolerance: float) -> bool:
    return distance <= tolerance or distance == 0.0


def _largest(a: Array) -> float:
    finite = a[np.isfinite(a)]
    return float(np.abs(finite).max()) if finite.size else 0.0


@contextmanager
def unchanging(module: nn.Module) -> Iterator[None]:
    """Refuses a module that changes what it remembers when it is called, which is put back."""
    from torch import nn

    if any(nn.parameter.is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
        raise NetworkFileError(f"{type(module).__name__} has weights without a shape yet; call it once before")
    before = _state(module)
    changed: list[str] = []
    try:
        yield
    finally:
        changed = _put_back(module, before)
    if changed:
        raise _refusal(type(module).__name__, f"changes its {changed[0]} when it is called")


def _refusal(name: str, what: str) -> NetworkFileError:
    return NetworkFileError(f"{name} {what}; give a module whose output is a function of its input alone")


State = dict[tuple[str, str], Any]
PLAIN = (bool, int, float, str, type(None))
CONTAINERS = (list, dict, set, tuple, deque)


def _state(module: nn.Module) -> State:
    """What the module remembers: its tensors, and the plain values that its parts hold."""
    state: State = {("parameter", name): tensor.detach().clone() for name, tensor in module.named_parameters()}
    state |= {("buffer", name): tensor.detach().clone() for name, tensor in module.named_buffers()}
    for place, part in module.named_modules():
        for name, value in vars(part).items():
            if name == "training":
                continue
            if isinstance(value, PLAIN):
                state["attribute", f"{place}.{name}"] = value
            elif isinstance(value, CONTAINERS) and name not in ("_parameters", "_buffers"):
                state["container", f"{place}.{name}"] = _outline(value)
        for kind in type(part).__mro__:
            if kind.__module__.partition(".")[0] not in ("torch", "builtins"):
                for name, value in vars(kind).items():
                    if not name.startswith("__") and isinstance(value, PLAIN + CONTAINERS):
                        state["class attribute", f"{place}.{name}"] = _outline(value)
    return state


def _is_numbers(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor | np.ndarray) and not isinstance(value, torch.nn.Parameter)


def _numbers_held(module: nn.Module) -> dict[str, Any]:
    """Arrays and tensors that are no buffers, of every part, by themselves or in containers."""
    return {
        f"{place}.{name}".lstrip("."): _outline(value, numbers=True)
        for place, part in module.named_modules()
        for name, value in vars(part).items()
        if (isinstance(value, CONTAINERS) and name not in ("_parameters", "_buffers")) or _is_numbers(value)
    }


def _outline(value: Any, *, numbers: bool = False) -> Any:
    """A container as text: how long it is, its plain entries (and its numbers), and the types of others."""
    if numbers and _is_numbers(value):
        try:
            plain = value if isinstance(value, np.ndarray) else value.detach().cpu().contiguous().numpy()
            return f"{plain.dtype} {plain.shape} {hashlib.sha256(plain.tobytes()).hexdigest()}"
        except Exception:  # a type that NumPy does not have
            return type(value).__name__
    if isinstance(value, dict):
        return [len(value), *(f"{_outline(k)}: {_outline(v, numbers=numbers)}" for k, v in value.items())]
    if isinstance(value, list | set | tuple | deque):
        return [len(value), *(f"{_outline(part, numbers=numbers)}" for part in value)]
    return repr(value) if isinstance(value, PLAIN) else type(value).__name__


def _put_back(module: nn.Module, before: State) -> list[str]:
    """Makes the module what it was, and says what had changed."""
    import torch

    after, changed = _state(module), []
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    for (kind, name), old in before.items():
        new = after.get((kind, name), before)
        if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
            if old.shape == new.shape and torch.equal(old.nan_to_num(), new.nan_to_num()):
                continue
            tensors[name].data = old
        elif type(old) is type(new) and (old == new or old != old):
            continue
        elif kind == "attribute":
            place, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(place), attribute, old)
        changed.append(f"{kind} '{name.lstrip('.')}'")
    return changed + [f"{kind} '{name.lstrip('.')}'" for kind, name in after.keys() - before.keys()]


def line(error: object) -> str:
    """The first line of an error's message, of what is at its bottom, without colours; or its kind."""
    while isinstance(error, Exception) and error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return (text.splitlines() or [type(error).__name__])[0]
