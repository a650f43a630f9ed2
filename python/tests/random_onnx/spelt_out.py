"""Activations spelt out in several nodes, in any order of the operations, at times with other constants than theirs."""

from __future__ import annotations

import numpy as np

from .file import File, Shape, operator


def about(f: File, value: float) -> str:
    """A standard constant, at times another one, as a number of some rank."""
    factor = f.pick(*[1.0] * 8, 1 + 1e-7, 1 + 1e-3, 0.9)
    return f.number(value * factor, f.pick(0, 0, 0, 1, 2))


@operator(since=9)
def spelt_out(f: File, x: str, shape: Shape) -> str:
    write = f.pick(*SPELLINGS)
    h = x
    if f.chance(0.3):
        h = f.either("Mul", x, f.number(f.pick(0.5, -1.0, 3.0)))
    y = write(f, h)
    return f.either("Mul", y, f.number(f.pick(0.5, -2.0))) if f.chance(0.2) else y


def product(f: File, *factors: str) -> str:
    """A product in any order."""
    names = f.random.sample(factors, len(factors))
    while len(names) > 1:
        a, b = names.pop(), names.pop()
        names.insert(f.whole(0, len(names)), f.either("Mul", a, b))
    return names[0]


def gelu_by_erf(f: File, h: str) -> str:
    root = f.node("Sqrt", about(f, 2.0)) if f.chance(0.3) else about(f, 2**0.5)
    inner = f.node("Div", h, root) if f.chance(0.7) else f.either("Mul", h, about(f, 0.5**0.5))
    return product(f, h, f.either("Add", f.node("Erf", inner), about(f, 1.0)), about(f, 0.5))


def gelu_by_tanh(f: File, h: str) -> str:
    f.tolerate(1e-6)  # of 0.044715
    cube = f.node("Pow", h, about(f, 3.0)) if f.chance(0.5) else product(f, h, h, h)
    sum_ = f.either("Add", h, f.either("Mul", cube, about(f, 0.044715)))
    inner = f.either("Mul", sum_, about(f, (2 / np.pi) ** 0.5))
    return product(f, h, f.either("Add", f.node("Tanh", inner), about(f, 1.0)), about(f, 0.5))


def silu(f: File, h: str) -> str:
    inner = f.either("Mul", h, about(f, 1.702)) if f.chance(0.4) else h
    if f.chance(0.3):
        return f.node("Div", h, f.either("Add", f.node("Exp", f.node("Neg", inner)), about(f, 1.0)))
    return f.either("Mul", h, f.node("Sigmoid", inner))


def mish(f: File, h: str) -> str:
    return f.either("Mul", h, f.node("Tanh", softplus(f, h) if f.chance(0.5) else f.node("Softplus", h)))


def softplus(f: File, h: str) -> str:
    return f.node("Log", f.either("Add", f.node("Exp", h), about(f, 1.0)))


def sigmoid(f: File, h: str) -> str:
    sum_ = f.either("Add", f.node("Exp", f.node("Neg", h)), about(f, 1.0))
    return f.node("Reciprocal", sum_) if f.chance(0.5) else f.node("Div", about(f, 1.0), sum_)


def softsign(f: File, h: str) -> str:
    size = f.node("Abs", h)
    size = f.either("Mul", size, about(f, 0.3)) if f.chance(0.4) else size
    return f.node("Div", h, f.either("Add", size, about(f, 1.0)))


def hard_swish(f: File, h: str) -> str:
    sum_ = f.either("Add", h, about(f, 3.0))
    if f.chance(0.3):
        return f.either("Mul", h, f.node("HardSigmoid", h, alpha=f.pick(1 / 6, 0.2), beta=0.5))
    clipped = limited(f, sum_, about(f, 0.0), about(f, 6.0))
    return f.node("Div", f.either("Mul", h, clipped), about(f, 6.0))


def limited(f: File, h: str, low: str, high: str) -> str:
    if f.opset >= 13 and f.chance(0.3):
        return f.node("Clip", h, low, high)
    if f.chance(0.5):
        return f.either("Min", f.either("Max", h, low), high)
    return f.either("Max", f.either("Min", h, high), low)


def clips(f: File, h: str) -> str:
    for _ in range(f.whole(1, 3)):
        h = limited(f, h, f.number(f.pick(-1.0, 0.0, 0.5, 2.0)), f.number(f.pick(1.0, 6.0, 0.25)))
    return h


def leaky(f: File, h: str) -> str:
    slope = f.pick(0.1, 0.01, 1.0, 2.0, -0.5, 0.0)
    other = f.either("Mul", h, f.number(slope))
    if f.chance(0.6):
        return f.either(f.pick("Max", "Max", "Min"), h, other)
    names = ["Greater", "Less"] + ["GreaterOrEqual", "LessOrEqual"] * (f.opset >= 12)
    condition = f.node(f.pick(*names), *f.random.sample([h, f.number(f.pick(0.0, 0.0, 0.0, 0.1))], 2))
    return f.node("Where", condition, *f.random.sample([h, other], 2))


SPELLINGS = [gelu_by_erf, gelu_by_tanh, silu, mish, softplus, sigmoid, softsign, hard_swish, clips, leaky]
