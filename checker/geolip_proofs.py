"""The proofs themselves, in whole numbers: forms that are not negative, what follows from them, powers with bounds.

Nothing here knows files. Numbers are ints with a power of two, or `Fraction`s; no result depends on a rounding.
"""

from __future__ import annotations

import math
from fractions import Fraction

from geolip_network import Network, Row, combine, exact

Slopes = list[list[tuple[float, float]]]  # (alpha, beta) by layer of neurons and neuron


class Rejected(Exception):
    """The proof does not show what is claimed."""


class Unproved(Rejected):
    """It might with other slope intervals."""


class NotCovered(Exception):
    """This checker knows no such proof; another one may accept it."""


def require(holds, reason, kind=Rejected):
    if not holds:
        raise kind(reason)


def not_negative(values, what):
    require(all(v >= 0 for v in values), f"{what} has a negative number")
    return values


# ------------------------------------------------------------------------------------------------------------ slopes

# Slope intervals over the real line: alpha <= (f(s) - f(t)) / (s - t) <= beta. By the mean value theorem these hold
# the derivative. Those of gelu, gelu-tanh, silu and mish have their extremes where the second derivative is zero (s =
# 2**0.5; 1.4185...; 2.3993...; 1.4905... and -2.2563...): 1.12890414518515..., 1.12899306865877...,
# 1.09983932012886..., 1.08849816125172... and -0.11252612238946...; the numbers below are further out. The first
# three have f'(s) + f'(-s) = 1, hence alpha = 1 - beta. erf is steepest at 0: 2/sqrt(pi) = 1.12837916709551257...
FIXED_SLOPES = {
    "relu": (0.0, 1.0), "tanh": (0.0, 1.0), "softsign": (0.0, 1.0), "softplus": (0.0, 1.0), "celu": (0.0, 1.0),
    "clip": (0.0, 1.0), "sigmoid": (0.0, 0.25), "abs": (-1.0, 1.0), "sin": (-1.0, 1.0), "cos": (-1.0, 1.0),
    "hard-swish": (-0.5, 1.5), "gelu": (-0.128904145185155, 1.128904145185155), "gelu-tanh": (-0.12899308, 1.12899308),
    "silu": (-0.09983932012887, 1.09983932012887), "mish": (-0.112526122389463, 1.08849816125173),
    "erf": (0.0, 1.1283791670955128), "atan": (0.0, 1.0), "asinh": (0.0, 1.0),
}  # fmt: skip


def slopes_everywhere(network: Network) -> Slopes:
    result = []
    for node, _ in network.layers:
        if network.nodes[node][0] == "combine":
            raise Rejected(f"node {node} ({network.nodes[node][3]}) has slopes of any size over all inputs")
        _, n, _, name, p = network.nodes[node]
        if name == "prelu":
            result.append([(min(a, 1.0), max(a, 1.0)) for a in p])
            continue
        if name == "leaky-relu":
            own = (min(p[0], 1.0), max(p[0], 1.0))
        elif name == "elu":
            own = (min(p[0], 0.0), max(p[0], 1.0))
        elif (
            name == "selu"
        ):  # left of 0 between 0 and alpha * gamma, which a step of the rounded product to either side holds
            steep = p[0] * p[1]
            ends = [0.0, p[1], math.nextafter(steep, -math.inf), math.nextafter(steep, math.inf)]
            own = (min(ends), max(ends))
        elif name == "hard-sigmoid":
            own = (min(p[0], 0.0), max(p[0], 0.0))
        else:
            own = FIXED_SLOPES.get(name, (-math.inf, math.inf))  # exp, log, powers
        if not all(map(math.isfinite, own)):
            raise Rejected(f"node {node} ({name}) has slopes that are too large to compute with over all inputs")
        result.append([own] * n)
    return result


# --------------------------------------------------------------------------------------------------------- linear forms


class Variables:
    """Which numbers the variables have: inputs first, then the entries of each layer of neurons in turn."""

    def __init__(self, network: Network):
        self.first = [network.inputs]
        for size in network.sizes:
            self.first.append(self.first[-1] + size)
        self.count = self.first[-1]


Lift = tuple[list[list[Row]], list[list[bool]], list[Row]]


def expand(network: Network, slopes: Slopes, inputs=None) -> Lift:
    """Pre-activations of every layer, and the outputs, as linear functions of the variables (biases left out); and
    which neurons are variables. A neuron of fixed slope c is c*h, one whose h is 0 is 0; neither is a variable. With
    `inputs`, the others stay 0. In units an input is its unit times its variable."""
    of = Variables(network)
    moving = range(network.inputs) if inputs is None else inputs
    values: list[list[Row]] = []
    layers, free = [], []
    for place, node in enumerate(network.nodes):
        if node[0] == "input":
            units = [(1, 0)] * node[1] if network.unit is None else [exact(unit) for unit in network.unit]
            rows = [({i: m}, s) if i in moving and m else ({}, 0) for i, (m, s) in enumerate(units)]
        elif node[0] == "affine":
            rows = []
            for i in range(node[1]):
                parts = [(m, s, values[parent][j]) for parent, map_ in node[2] for j, m, s in map_.entries[i]]
                rows.append(combine(parts))
        else:
            rows = None
            for parent in dict.fromkeys(network.parents(place)):
                h, a = values[parent], len(layers)
                own = [bool(row[0]) and low != high for row, (low, high) in zip(h, slopes[a], strict=True)]
                z = [
                    ({of.first[a] + j: 1}, 0) if own[j] else combine([(*exact(slopes[a][j][0]), row)])
                    for j, row in enumerate(h)
                ]
                layers.append(h)
                free.append(own)
                # a function of two nodes is the sum of both layers
                rows = z if rows is None else [combine([(1, 0, x), (1, 0, y)]) for x, y in zip(rows, z, strict=True)]
        values.append(rows)
    return layers, free, values[network.output]


class Form:
    """A quadratic form: its symmetric matrix, entry by entry (the lower triangle), each m * 2**s."""

    def __init__(self):
        self.at: dict[tuple[int, int], tuple[int, int]] = {}

    def add(self, i: int, j: int, m: int, s: int):
        if not m:
            return
        key = (i, j) if i >= j else (j, i)
        old = self.at.get(key)
        if old is not None:
            low = min(s, old[1])
            m, s = (m << s - low) + (old[0] << old[1] - low), low
        self.at[key] = (m, s)

    def add_product(self, factor, row: Row, other: Row):
        """Adds factor * row * other, two linear functions."""
        (m, s), (own, row_shift), (others, other_shift) = exact(factor), row, other
        for i, c in own.items():
            for j, d in others.items():
                self.add(i, j, m * c * d, s + row_shift + other_shift - (i != j))

    def add_form(self, of: Form, rows: list[Row]):
        """Adds a form of linear functions: R' M R, with M the matrix of `of` and row i in the place of its variable
        i."""
        parts: dict[int, list] = {}
        for (i, j), (m, s) in of.at.items():
            parts.setdefault(i, []).append((m, s, rows[j]))
            if i != j:
                parts.setdefault(j, []).append((m, s, rows[i]))
        pairs = [(rows[i], combine(products)) for i, products in parts.items()]  # rows of R, and those of M R
        low = min((s + t for (_, s), (_, t) in pairs), default=0)
        total: dict[int, dict[int, int]] = {}
        for (own, s), (others, t) in pairs:
            ascending = sorted(others.items())
            for k, c in own.items():
                c <<= s + t - low
                target = total.setdefault(k, {})
                for j, d in ascending:
                    if j > k:
                        break
                    target[j] = target.get(j, 0) + c * d
        for k, target in total.items():
            for j, m in target.items():
                self.add(k, j, m, low)

    def is_nonnegative(self, bits: int = 128) -> bool:
        """Whether the form is >= 0 everywhere, proved in whole numbers; False also where it is too close to call.

        A variable with a zero diagonal must have a zero row (else the form is negative somewhere). The others are
        scaled by powers of two, which changes no sign, to a diagonal between 1/4 and 1, and written in units of
        4**-bits, off by less than one unit each. Column by column some L is taken such that R = M - L L' is small;
        which L does not matter, R is exact. If R is diagonally dominant with n units to spare in every row, R plus
        what the units were off by is >= 0 (Gershgorin), and so is M.
        """
        at = {key: value for key, value in self.at.items() if value[0]}
        present = {i for key in at for i in key}
        scale = {}
        for i in present:
            m, s = at.get((i, i), (0, 0))
            if m <= 0:
                return False
            scale[i] = -((m.bit_length() + s + 1) // 2)
        order = sorted(present)
        n = len(order)
        columns: dict[int, dict[int, int]] = {i: {} for i in order}
        diagonal = {}
        for (i, j), (m, s) in at.items():
            shift = s + scale[i] + scale[j] + 2 * bits
            units = m << shift if shift >= 0 else m >> -shift
            if i == j:
                diagonal[i] = units
            else:
                columns[j][i] = units
        owed = dict.fromkeys(order, n + 1)
        reserve = (n + 1) << (bits + 2)
        for k in order:
            if diagonal[k] <= reserve:
                return False
            root = math.isqrt(diagonal[k] - reserve)
            spare = diagonal[k] - root * root
            column = []
            for i, units in columns.pop(k).items():
                part, rest = divmod(units, root)
                column.append((i, part))
                spare -= rest
                owed[i] += rest
            if spare < owed[k]:
                return False
            column = sorted((i, part) for i, part in column if part)
            for place, (i, part) in enumerate(column):
                target = columns[i]
                diagonal[i] -= part * part
                for j, other in column[place + 1 :]:
                    target[j] = target.get(j, 0) - part * other
        return True


def multiplier_form(network, slopes, lift: Lift, inputs, rows, zeta, gamma, lambda_) -> Form:
    """q(w, x, z) = sum zeta w^2 + sum gamma x^2 + sum lambda (z - alpha h)(z - beta h) - 2 w' U y(x, z) as a matrix;
    `lift` is the network as `expand` gives it."""
    of = Variables(network)
    layers, free, outputs = lift
    form = Form()
    for i, g in zip(range(network.inputs) if inputs is None else inputs, gamma, strict=True):
        form.add(i, i, *exact(g))
    for a, h in enumerate(layers):
        for j in (j for j in range(len(h)) if free[a][j] and lambda_[a][j]):
            (lm, ls), (am, as_), (bm, bs) = exact(lambda_[a][j]), exact(slopes[a][j][0]), exact(slopes[a][j][1])
            (coefficients, s), z = h[j], of.first[a] + j
            form.add(z, z, lm, ls)
            low = min(as_, bs)
            both = (am << as_ - low) + (bm << bs - low)
            if both:
                for k, c in coefficients.items():
                    form.add(z, k, -lm * both * c, ls + low + s - 1)
            if am * bm:
                entries = list(coefficients.items())
                curvature = lm * am * bm
                for place, (k, c) in enumerate(entries):
                    for other, d in entries[: place + 1]:
                        form.add(k, other, curvature * c * d, ls + as_ + bs + 2 * s)
    for i, entries in enumerate(rows):
        coefficients, s = combine([(*exact(u), outputs[k]) for k, u in entries])
        form.add(of.count + i, of.count + i, *exact(zeta[i if len(zeta) == len(rows) else 0]))
        for k, c in coefficients.items():
            form.add(of.count + i, k, -c, s)
    return form


# -------------------------------------------------------------------------------------------------- signs, intervals


def sign_program(network, slopes, inputs_count, row) -> list[Row]:
    """The columns of A, u'J = A (t, 1) with t in [-1, 1] per neuron: g r dh/dx, and the constant's g c dh/dx + what
    skips the layer."""
    layers, _, outputs = expand(network, [[(0.0, 1.0)] * len(layer) for layer in slopes])
    gradient = combine([(*exact(u), outputs[k]) for k, u in row])
    constant = [(1, gradient[1], ({k: c for k, c in gradient[0].items() if k < inputs_count}, 0))]
    columns = []
    for j, (low, high) in enumerate(slopes[0] if slopes else []):
        g = gradient[0].get(inputs_count + j, 0)
        (am, as_), (bm, bs) = exact(low), exact(high)
        s = min(as_, bs)
        a, b = am << as_ - s, bm << bs - s
        columns.append(combine([(g * (b - a), gradient[1] + s - 1, layers[0][j])]))
        constant.append((g * (b + a), gradient[1] + s - 1, layers[0][j]))
    return [*columns, combine(constant)]


def gradient_sizes(network, slopes, rows) -> list[list[Fraction]]:
    """For each row u and input i at least |d(u'y)/dx_i| for all slopes in their intervals, carried backward; in units,
    times the input's."""
    result = []
    for entries in rows:
        ends: list = [(0, {}) for _ in network.nodes]  # by node a shift, and (low, high) of entries, times 2**shift
        _leave(ends, network.output, *_aligned({k: (u, u) for k, u in entries}))
        waiting = list(zip(network.layers, slopes, strict=True))
        for place in range(len(network.nodes) - 1, 0, -1):
            node, (shift, own) = network.nodes[place], ends[place]
            if node[0] != "affine":
                while waiting and waiting[-1][0][0] == place:
                    (_, parent), intervals = waiting.pop()
                    low, factors = _aligned({j: intervals[j] for j in own})
                    products = {j: [e * v for e in own[j] for v in factors[j]] for j in own}
                    _leave(ends, parent, shift + low, {j: (min(p), max(p)) for j, p in products.items()})
                continue
            for parent, map_ in node[2]:
                low, whole = map_.aligned()
                lows: dict[int, int] = {}
                highs: dict[int, int] = {}
                for i, (below, above) in own.items():
                    for j, w in whole[i]:
                        lows[j] = lows.get(j, 0) + w * (below if w > 0 else above)
                        highs[j] = highs.get(j, 0) + w * (above if w > 0 else below)
                _leave(ends, parent, shift + low, {j: (lows[j], highs[j]) for j in lows})
        shift, own = ends[0]
        sizes = [max(map(abs, own.get(i, (0, 0)))) for i in range(network.inputs)]
        row = [Fraction(v << shift) if shift >= 0 else Fraction(v, 1 << -shift) for v in sizes]
        result.append(
            row if network.unit is None else [v * Fraction(d) for v, d in zip(row, network.unit, strict=True)]
        )
    return result


def forward_sizes(network, slopes, rows) -> list[Fraction]:
    """For each row u at least the dual norm (any lp) of the gradient of u'y for all slopes in their intervals, carried
    forward: |weights| times sizes. In a sum of few entries the norm is convex in the slope of each neuron, so largest
    at one end of it, where what the neuron reads is collected with the rest: q + relu(p - q) is no larger than p or q.
    """
    own = dict(zip(network.layers, slopes, strict=True))
    sizes: list[list[Fraction]] = []
    for place, node in enumerate(network.nodes):
        if node[0] == "input":
            found = [Fraction(1)] * node[1] if network.unit is None else [abs(Fraction(u)) for u in network.unit]
        elif node[0] == "affine":
            found = [_row_size(network, own, sizes, (place, i)) for i in range(node[1])]
        else:
            found = [Fraction(0)] * node[1]
            for parent in dict.fromkeys(network.parents(place)):
                largest = [max(map(abs, map(Fraction, ends))) for ends in own[place, parent]]
                found = [f + v * size for f, v, size in zip(found, largest, sizes[parent], strict=True)]
        sizes.append(found)
    return [sum(abs(Fraction(u)) * sizes[network.output][k] for k, u in entries) for entries in rows]


FEW = 8  # entries of a row that is looked at neuron by neuron
COPIES = 64  # that are followed one behind another


def _row_size(network, slopes, sizes, entry) -> Fraction:
    plain = _entries(network, entry)
    if len(plain) > FEW:
        return _collected(plain, sizes)
    direct = _row(network, entry)
    best = min(_collected(plain, sizes), _collected(direct, sizes))
    written_out = (direct[:at] + direct[at + 1 :] + _inside(network, *part) for at, part in enumerate(direct))
    for row in [direct, *written_out]:
        for at, ((place, j), c) in enumerate(row):
            if network.nodes[place][0] == "activate":
                (parent,) = network.parents(place)
                others, low_high = row[:at] + row[at + 1 :], slopes[place, parent][j]
                for read in ([((parent, j), Fraction(1))], _inside(network, (parent, j), Fraction(1))):
                    ends = [others + [(e, a * c * Fraction(end)) for e, a in read] for end in low_high]
                    best = min(best, max(_collected(entries, sizes) for entries in ends))
    return best


def _inside(network, entry, factor) -> list[tuple[tuple[int, int], Fraction]]:
    """An entry times a factor, written out where it is a sum of a few others."""
    if network.nodes[entry[0]][0] == "affine" and len(_entries(network, entry)) <= FEW:
        return [(e, a * factor) for e, a in _row(network, entry)]
    return [(entry, factor)]


def _row(network, entry) -> list[tuple[tuple[int, int], Fraction]]:
    """The entries that an affine one reads, followed back through copies and negatives, with their coefficients."""
    result = []
    for following, c in _entries(network, entry):
        for _ in range(COPIES):
            if network.nodes[following[0]][0] != "affine":
                break
            inner = _entries(network, following)
            if len(inner) != 1 or abs(inner[0][1]) != 1:
                break
            following, c = inner[0][0], c * inner[0][1]
        result.append((following, c))
    return result


def _entries(network, entry) -> list[tuple[tuple[int, int], Fraction]]:
    place, i = entry
    parts = [(parent, part) for parent, map_ in network.nodes[place][2] for part in map_.entries[i]]
    return [((parent, j), m * Fraction(2) ** s) for parent, (j, m, s) in parts if m]


def _collected(entries, sizes) -> Fraction:
    total: dict[tuple[int, int], Fraction] = {}
    for entry, c in entries:
        total[entry] = total.get(entry, Fraction(0)) + c
    return sum((abs(c) * sizes[place][j] for (place, j), c in total.items()), Fraction(0))


def _aligned(pairs):
    """Pairs of doubles as whole numbers times one power of two: its exponent, and they."""
    parts = {k: (exact(a), exact(b)) for k, (a, b) in pairs.items()}
    low = min((s for pair in parts.values() for _, s in pair), default=0)
    return low, {k: tuple(m << s - low for m, s in pair) for k, pair in parts.items()}


def _leave(ends, place, shift, found):
    """Adds intervals to those that other readers of a node have left there."""
    old_shift, old = ends[place]
    low = min(shift, old_shift) if old else shift
    total = {k: (a << old_shift - low, b << old_shift - low) for k, (a, b) in old.items()}
    for k, (a, b) in found.items():
        before = total.get(k, (0, 0))
        total[k] = (before[0] + (a << shift - low), before[1] + (b << shift - low))
    ends[place] = (low, total)


# ------------------------------------------------------------------------------------------------------------ powers


def root_up(value: Fraction, bits: int = 128) -> Fraction:
    """At least the square root."""
    if not value:
        return value
    shift = 2 * max(0, bits + (value.denominator.bit_length() - value.numerator.bit_length()) // 2 + 1)
    return Fraction(math.isqrt((value.numerator << shift) // value.denominator) + 1, 1 << shift // 2)


def _log_part(x: Fraction, bits: int) -> tuple[int, int]:
    """ln x for 1 <= x <= 2 between two numbers of units 2**-bits: twice the series of artanh y, y = (x - 1)/(x + 1)
    <= 1/3."""
    y = ((x.numerator - x.denominator) << bits) // (x.numerator + x.denominator)
    square, power, total, k = y * y >> bits, y, 0, 1
    while power:
        total += power // k
        power = power * square >> bits
        k += 2
    return 2 * total, 2 * total + 8 * k  # every term, and the rest, is off by less than a few units


def power_up(t: Fraction, r: Fraction, bits: int = 256) -> Fraction:
    """At least t**r, for 0 <= t <= 1 and r > 0: exp of a number at least r ln t."""
    if t in (0, 1):
        return t
    bits += r.numerator.bit_length() + t.denominator.bit_length().bit_length()
    halvings = t.denominator.bit_length() - t.numerator.bit_length() + 1
    x = t * (1 << halvings)
    while x >= 2:
        x, halvings = x / 2, halvings - 1
    two = _log_part(Fraction(2), bits)[0]
    minus = halvings * two - _log_part(x, bits)[1]  # at most -ln t
    minus = max(0, minus * r.numerator // r.denominator)
    over = _log_part(Fraction(2), bits)[1]
    whole = minus // over  # exp(-minus) <= 2**-whole * exp(-rest)
    if whole > bits:  # so small that it need not be told from this
        return Fraction(1, 1 << bits)
    rest = minus - whole * over
    term, total, k = 1 << bits, 1 << bits, 0
    while term:
        k += 1
        term = term * rest // (k << bits)
        total += -term if k % 2 else term
    return Fraction(total + k + 2, 1 << bits + whole)


def power_sum_at_most_one(values: list[Fraction], r: Fraction) -> bool:
    """Whether sum of values**r <= 1 is proved."""
    return all(0 <= v <= 1 for v in values) and sum(power_up(v, r) for v in values) <= 1
