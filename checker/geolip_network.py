"""Reads canonical network files (docs/canonical.md) as exact numbers, and works out their hash.

Every double is a whole number times a power of two, so everything linear is done in whole numbers. A *row* is a pair
(coefficients, shift): the linear function sum of coefficients[k] * 2**shift * variable k, with coefficients a dict of
ints.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from copy import copy

Row = tuple[dict[int, int], int]


class BadFile(Exception):
    """The file is not what it should be."""


# ---------------------------------------------------------------------------------------------------------- strict JSON


def _once(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadFile("a field is repeated")
    return fields


def _refuse(name):
    raise BadFile(f"{name} is not a number here")


def _whole(text):
    return -0.0 if text == "-0" else int(text)


def load_json(data: bytes):
    """The value of a JSON text without repeated fields, NaN or infinite numbers."""
    try:
        text = data.decode("utf-8")
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"no JSON: {error}") from None


def fields(value, names: str, optional: str = ""):
    """The values of an object that has exactly these fields (those that are optional: None where they are not
    there)."""
    wanted, extra = names.split(), optional.split()
    if not isinstance(value, dict):
        raise BadFile(f"an object with {names} is needed")
    for name in wanted:
        if name not in value:
            raise BadFile(f"the field '{name}' is missing")
    for name in value:
        if name not in wanted and name not in extra:
            raise BadFile(f"the field '{name}' is unknown")
    return [value.get(name) for name in wanted + extra]


def only(value) -> tuple[str, object]:
    """The name and value of an object with one field."""
    if not isinstance(value, dict) or len(value) != 1:
        raise BadFile("an object with one field is needed")
    return next(iter(value.items()))


def index(value, limit: int | None = None) -> int:
    """A whole number of at least 0, below the limit."""
    if type(value) is not int or value < 0 or (limit is not None and value >= limit):
        raise BadFile(f"{str(value)[:40]} is not a whole number in its range")
    return value


def number(value) -> float:
    """A finite double."""
    if type(value) not in (int, float):
        raise BadFile("a number is needed")
    try:
        value = float(value)
    except OverflowError:
        raise BadFile("a number is too large") from None
    if not math.isfinite(value):
        raise BadFile("a number is not finite")
    return value


def items(value, count: int | None = None) -> list:
    """A list, of so many."""
    if not isinstance(value, list):
        raise BadFile("a list is needed")
    if count is not None and len(value) != count:
        raise BadFile(f"a list of {count} is needed")
    return value


def numbers(value) -> list[float]:
    return [number(v) for v in items(value)]


# ----------------------------------------------------------------------------------------------------- exact arithmetic


def exact(value) -> tuple[int, int]:
    """(m, s) with value = m * 2**s exactly; value may also be a Fraction whose denominator is a power of two."""
    top, bottom = value.as_integer_ratio()
    return top, 1 - bottom.bit_length()


def combine(parts) -> Row:
    """The sum of m * 2**s * row over the (m, s, row) given; entries that cancel are not in it."""
    parts = [(m, s + row[1], row[0]) for m, s, row in parts if m and row[0]]
    if not parts:
        return {}, 0
    shift = min(s for _, s, _ in parts)
    total: dict[int, int] = {}
    for m, s, coefficients in parts:
        m <<= s - shift
        for k, c in coefficients.items():
            total[k] = total.get(k, 0) + m * c
    return {k: c for k, c in total.items() if c}, shift


# ------------------------------------------------------------------------------------------------------------- networks


class Map:
    """A matrix as sparse rows of (column, m, s), entry m * 2**s; with what the hash needs to know of it."""

    def __init__(self, name, rows, cols, entries, hashed):
        self.name, self.rows, self.cols, self.entries, self.hashed = name, rows, cols, entries, hashed
        self._aligned = None

    def aligned(self) -> tuple[int, list[list[tuple[int, int]]]]:
        """The same with one shift for all entries: that, and rows of (column, m)."""
        if self._aligned is None:
            low = min((s for row in self.entries for _, _, s in row), default=0)
            self._aligned = (low, [[(j, m << s - low) for j, m, s in row] for row in self.entries])
        return self._aligned


FUNCTIONS = {
    "relu": 0, "leaky-relu": 1, "prelu": None, "sigmoid": 0, "tanh": 0, "softsign": 0, "softplus": 0, "elu": 1,
    "celu": 1, "selu": 2, "hard-sigmoid": 2, "clip": 2, "abs": 0, "silu": 0, "gelu": 0, "gelu-tanh": 0, "hard-swish":
    0, "mish": 0, "sin": 0, "cos": 0, "erf": 0, "atan": 0, "asinh": 0, "exp": 0, "log": 0, "power": 1,
}  # fmt: skip
COMBINATIONS = ("product",)  # functions of two nodes, entry by entry


class Network:
    """`nodes` holds ("input", n), ("affine", n, [(parent, Map)], bias or None), ("activate", n, parent, name,
    parameters), ("combine", n, [parent, parent], name).

    `layers` holds the layers of neurons z = v h that the network has as a linear one: (node, the parent h). An
    activation has one layer; a function of two nodes has one for each of them, in their order, or one if they are the
    same.
    """

    def __init__(self, data: bytes):
        form, version, nodes, output = fields(load_json(data), "format version nodes output")
        if form != "geolip-network" or type(version) is not int or version != 1:
            raise BadFile("no geolip-network of version 1")
        self.nodes: list = []
        self.unit: list[float] | None = None  # ones
        total = 0
        for place, node in enumerate(items(nodes)):
            self.nodes.append(self._node(place, *only(node)))
            total += self.nodes[-1][1]
            if not 0 < self.nodes[-1][1] <= 1 << 24 or total > 1 << 26:
                raise BadFile(f"node {place} is empty or too large")
        self.output = index(output, len(self.nodes))
        self.inputs, self.outputs = self.nodes[0][1], self.nodes[self.output][1]
        functions = (i for i, node in enumerate(self.nodes) if node[0] in ("activate", "combine"))
        self.layers = [(i, h) for i in functions for h in dict.fromkeys(self.parents(i))]
        self.sizes = [self.nodes[i][1] for i, _ in self.layers]
        read = {self.output}
        for i in range(len(self.nodes) - 1, 0, -1):
            if i not in read:
                raise BadFile(f"node {i} does not reach the output")
            read.update(self.parents(i))
        self.hash = self._hash()

    def in_units(self, unit: list[float]) -> Network:
        """The same network, its linear functions those of x/unit: an input is `unit` times its variable."""
        network = copy(self)
        network.unit = unit
        return network

    def parents(self, i):
        node = self.nodes[i]
        if node[0] == "affine":
            return [p for p, _ in node[2]]
        return node[2] if node[0] == "combine" else [node[2]] if node[0] == "activate" else []

    def _node(self, place, kind, value):
        if (kind == "input") != (place == 0):
            raise BadFile("node 0, and no other, is the input")
        if kind == "input":
            return ("input", index(value))
        if kind == "affine":
            terms, bias = fields(value, "terms bias")
            read = []
            for term in items(terms):
                parent, map_ = fields(term, "parent map")
                read.append((index(parent, place), _map(*only(map_))))
            if not read:
                raise BadFile(f"node {place} has no terms")
            n = read[0][1].rows
            bias = None if bias is None else numbers(bias)
            if any(m.rows != n or m.cols != self.nodes[p][1] for p, m in read) or (bias is not None and len(bias) != n):
                raise BadFile(f"lengths do not fit at node {place}")
            return ("affine", n, read, bias)
        if kind == "combine":
            parents, name = fields(value, "parents function")
            parents = [index(p, place) for p in items(parents)]
            if name not in COMBINATIONS:
                raise BadFile(f"node {place} has an unknown function")
            if len(parents) != 2 or self.nodes[parents[0]][1] != self.nodes[parents[1]][1]:
                raise BadFile(f"lengths do not fit at node {place}")
            return ("combine", self.nodes[parents[0]][1], parents, name)
        if kind != "activate":
            raise BadFile(f"node {place} is of no known kind")
        parent, name, parameters = fields(value, "parent function parameters")
        parent = index(parent, place)
        n = self.nodes[parent][1]
        if name not in FUNCTIONS:
            raise BadFile(f"node {place} has an unknown function")
        ends = {"inf": math.inf, "-inf": -math.inf} if name == "clip" else {}
        p = [ends[v] if isinstance(v, str) and v in ends else number(v) for v in items(parameters)]
        if len(p) != (n if name == "prelu" else FUNCTIONS[name]):
            raise BadFile(f"node {place} has the wrong number of parameters")
        if (name == "celu" and p[0] <= 0) or (name == "clip" and p[0] > p[1]):
            raise BadFile(f"node {place} has parameters that make no function")
        return ("activate", n, parent, name, p)

    def _hash(self) -> str:
        feed = _text("geolip-network-1") + _count(len(self.nodes)) + _count(self.output)
        digest = hashlib.sha256(feed)
        for node in self.nodes:
            digest.update(_count(node[1]) + _text(node[0]))
            if node[0] == "affine":
                digest.update(_count(len(node[2])))
                for parent, map_ in node[2]:
                    digest.update(_count(parent) + map_.hashed)
                digest.update(_numbers(node[3] or []))
            elif node[0] == "activate":
                digest.update(_count(node[2]) + _text(node[3]) + _numbers(node[4]))
            elif node[0] == "combine":
                digest.update(_count(2) + _count(node[2][0]) + _count(node[2][1]) + _text(node[3]))
        return digest.hexdigest()


def _count(n):
    return struct.pack("<Q", n)


def _text(text):
    return _count(len(text)) + text.encode()


def _numbers(values):
    return _count(len(values)) + struct.pack(f"<{len(values)}d", *values)


def _head(name, rows, cols):
    return _text(name) + _count(rows) + _count(cols)


def _entries(row):
    return [(j, *exact(w)) for j, w in row if w]


def _map(kind, value) -> Map:
    if kind == "identity":
        n = index(value, (1 << 24) + 1)
        return Map(kind, n, n, [[(i, 1, 0)] for i in range(n)], _head(kind, n, n) + _numbers([]))
    if kind == "scale":
        s = numbers(value)
        n = len(s)
        return Map(kind, n, n, [_entries([(i, v)]) for i, v in enumerate(s)], _head(kind, n, n) + _numbers(s))
    if kind == "dense":
        rows, cols, weights = fields(value, "rows cols weights")
        rows, cols, w = index(rows), index(cols), numbers(weights)
        if rows * cols != len(w) or not w:
            raise BadFile("a dense map has the wrong number of weights")
        entries = [_entries(enumerate(w[i * cols : (i + 1) * cols])) for i in range(rows)]
        return Map(kind, rows, cols, entries, _head(kind, rows, cols) + _numbers(w))
    if kind == "gather":
        cols, sources = fields(value, "cols sources")
        cols = index(cols, (1 << 24) + 1)
        picked = [None if j is None else index(j, cols) for j in items(sources)]
        hashed = (
            _head(kind, len(picked), cols) + b"".join(_count(cols if j is None else j) for j in picked) + _numbers([])
        )
        return Map(kind, len(picked), cols, [[] if j is None else [(j, 1, 0)] for j in picked], hashed)
    if kind == "convolution":
        return _convolution(value)
    if kind == "transpose":
        inner = _map(*only(value))
        name = {"convolution": "transposed convolution", "gather": "sum"}.get(inner.name, "transpose")
        turned: list[list[tuple[int, int, int]]] = [[] for _ in range(inner.cols)]
        for i, row in enumerate(inner.entries):
            for j, m, s in row:
                turned[j].append((i, m, s))
        return Map(name, inner.cols, inner.rows, turned, _head(name, inner.cols, inner.rows) + inner.hashed)
    raise BadFile("a map is of no known kind")


def _convolution(value) -> Map:
    sizes = "input output kernel stride dilation pad"
    ins, outs, groups, *axes, weights = fields(value, f"in_channels out_channels groups {sizes} weights")
    ins, outs, groups, w = index(ins), index(outs), index(groups), numbers(weights)
    axes = [[index(n) for n in items(axis)] for axis in axes]
    if any(len(axis) != 3 for axis in axes) or not all(n for axis in axes[:5] for n in axis):
        raise BadFile("a convolution needs three positive sizes per field")
    size, out, kernel, stride, dilation, pad = axes
    rows, cols, taps = outs * math.prod(out), ins * math.prod(size), math.prod(kernel)
    if not ins or not outs or not groups or ins % groups or outs % groups or len(w) != outs * (ins // groups) * taps:
        raise BadFile("a convolution's channels, groups and weights do not fit together")
    if rows > 1 << 24 or cols > 1 << 24:
        raise BadFile("a convolution is too large")
    grid = lambda n: [(z, y, x) for z in range(n[0]) for y in range(n[1]) for x in range(n[2])]  # noqa: E731
    entries = []
    share = ins // groups
    for channel in range(outs):
        first = channel // (outs // groups) * share
        for at in grid(out):
            row = []
            for i in range(share):
                for tap, t in enumerate(grid(kernel)):
                    place = [at[a] * stride[a] + t[a] * dilation[a] - pad[a] for a in range(3)]
                    if all(0 <= place[a] < size[a] for a in range(3)):
                        column = (((first + i) * size[0] + place[0]) * size[1] + place[1]) * size[2] + place[2]
                        row.append((column, w[(channel * share + i) * taps + tap]))
            entries.append(_entries(row))
    counts = [ins, outs, groups, *(n for axis in axes for n in axis)]
    hashed = _head("convolution", rows, cols) + b"".join(map(_count, counts)) + _numbers(w)
    return Map("convolution", rows, cols, entries, hashed)
