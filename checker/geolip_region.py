"""What a network does on a box of inputs, or a part of one: intervals for every pre-activation, and the slopes that
follow.

Only piecewise linear functions and products: on an interval the slopes of the first are those of the pieces that meet
it; those of a product are its other factor, d(pq) = q dp + p dq. Intervals come from interval arithmetic and from
backward linear bounds (a linear function is carried back through the maps, at an activation through a line below or
above it, at a product through a plane, and is least at a corner of the box); where pre-activations lie on given sides,
multiples of these inequalities are added first. Lines, slopes of lines and multiples are *hints*, found in
floating point: whatever they are, the bounds they give are worked out exactly, and hold. What is not looked for here,
and another checker may know, makes intervals wider, never wrong.
"""

from __future__ import annotations

import math
from fractions import Fraction

from geolip_network import Network, combine, exact
from geolip_proofs import NotCovered, Slopes, Unproved

STEPS, STEP, SHRINK = 10, 0.4, 0.75  # of the search for better lines below ReLUs
DIGITS = 192  # significant bits that ends of intervals keep, rounded outwards
INFINITE = float("inf")


# ------------------------------------------------------------------------------------------- piecewise linear functions


def pieces(name: str, p: list[float], j: int) -> tuple[list, list[float]]:
    """Kinks in ascending order (those that are infinite left out), and the slopes between them."""
    if name in ("relu", "abs", "leaky-relu", "prelu"):
        left = {"relu": 0.0, "abs": -1.0}.get(name, p[j] if name == "prelu" else p[0] if p else 0.0)
        return [Fraction(0)], [left, 1.0]
    if name == "clip":
        ends, slopes = [v for v in p if math.isfinite(v)], [0.0, 1.0, 0.0]
        if INFINITE in (p[0], -p[1]):
            raise NotCovered("a clip to infinity on a region")
        if p[0] == p[1]:
            return [], [0.0]
        return list(map(Fraction, ends)), slopes[p[0] == -INFINITE : 3 - (p[1] == INFINITE)]
    if name == "hard-sigmoid":
        if p[0] == 0.0:
            return [], [0.0]
        a, b = map(Fraction, p)
        return sorted([-b / a, (1 - b) / a]), [0.0, p[0], 0.0]
    raise NotCovered(f"{name} on a region")


def value(name: str, p: list[float], j: int, s: Fraction) -> Fraction:
    if name == "clip":
        s = s if p[1] == INFINITE else min(Fraction(p[1]), s)
        return s if p[0] == -INFINITE else max(Fraction(p[0]), s)
    if name == "hard-sigmoid":
        return max(Fraction(0), min(Fraction(1), Fraction(p[0]) * s + Fraction(p[1])))
    left = pieces(name, p, j)[1][0]
    return s if s >= 0 else Fraction(left) * s


def slope_range(name, p, j, low, high, open_=False) -> tuple[float, float]:
    """The least and the largest slope of pieces that meet [low, high], or (low, high)."""
    kinks, slopes = pieces(name, p, j)
    meets = (lambda a, b: a < b) if open_ else (lambda a, b: a <= b)
    last = len(kinks)
    met = [
        v for i, v in enumerate(slopes) if (i == 0 or meets(kinks[i - 1], high)) and (i == last or meets(low, kinks[i]))
    ]
    met = met or slopes
    return min(met), max(met)


def nearest(x: Fraction) -> float:
    """A double near x, for hints."""
    try:
        return float(x)
    except OverflowError:
        return math.copysign(1e300, x)


def lines(name, p, j, low: Fraction, high: Fraction):
    """((slope, offset) below, (slope, offset) above, (least, largest value)) on [low, high]; of some slopes the one
    is taken whose line is best in the middle."""
    kinks, slopes = pieces(name, p, j)
    points = [low, *(k for k in kinks if low < k < high), high]
    values = [value(name, p, j, s) for s in points]
    least, most = min(values), max(values)
    below, above = (0.0, least), (0.0, most)
    if low < high:
        inside = [
            v for i, v in enumerate(slopes) if (i == 0 or kinks[i - 1] < high) and (i == len(kinks) or low < kinks[i])
        ]
        chord = nearest((values[-1] - values[0]) / (high - low))
        middle = (low + high) / 2
        for slope in [min(max(chord, min(inside)), max(inside)), *inside]:
            k = Fraction(slope)
            rests = [v - k * s for v, s in zip(values, points, strict=True)]
            if k * middle + min(rests) > Fraction(below[0]) * middle + below[1]:
                below = (slope, min(rests))
            if k * middle + max(rests) < Fraction(above[0]) * middle + above[1]:
                above = (slope, max(rests))
    return (below[0], outward(below[1], -1)), (above[0], outward(above[1], 1)), (outward(least, -1), outward(most, 1))


def outward(x: Fraction, sign: int) -> Fraction:
    """x with so many significant bits, rounded down (-1) or up (1)."""
    shift = DIGITS - x.numerator.bit_length() + x.denominator.bit_length()
    top = x.numerator << shift if shift >= 0 else x.numerator
    bottom = x.denominator if shift >= 0 else x.denominator << -shift
    units = top // bottom if sign < 0 else -(-top // bottom)
    return Fraction(units, 1 << shift) if shift >= 0 else Fraction(units << -shift)


def double(x: Fraction, sign: int) -> float:
    """A double that is at most (-1) or at least (1) x, and next to it."""
    try:
        v = float(x)
    except OverflowError:
        raise Unproved("a slope is too large to compute with") from None
    beyond = v > x if sign < 0 else v < x  # compared exactly
    return math.nextafter(v, sign * INFINITE) if beyond else v


# ------------------------------------------------------------------------------------------------------------- products


def planes(p, q, same: bool):
    """((a, b, c) below, (a, b, c) above, (least, largest value)): with p and q in their intervals p q is at least, and
    at most, a p + b q + c; as (p - p0)(q - q0) >= 0, and (p - p0)(q1 - q) >= 0. With `same` p is q: p^2 >= 2 m p - m^2,
    and p^2 <= (p0 + p1) p - p0 p1."""
    corners = [a * b for a in p for b in q]
    least, most = min(corners), max(corners)
    if same:
        middle = sum(p) / 2
        least = Fraction(0) if p[0] <= 0 <= p[1] else least
        below, above = (middle, middle, -middle * middle), (*p, -p[0] * p[1])
    else:
        below, above = (q[0], p[0], -p[0] * q[0]), (q[1], p[0], -p[0] * q[1])
    return below, above, (outward(least, -1), outward(most, 1))


# --------------------------------------------------------------------------------------------------------------- parts


def twins_of(network: Network) -> dict[tuple[int, int], list[tuple[int, bool]]]:
    """By layer and neuron: the neurons whose pre-activation is the same function, or (True) its negative."""
    twins: dict = {}
    for a, (_, h) in enumerate(network.layers):
        parent = network.nodes[h]
        if parent[0] != "affine":
            continue
        seen: dict = {}
        for i in range(parent[1]):
            row = [(t, j, m, s) for t, (_, map_) in enumerate(parent[2]) for j, m, s in sorted(map_.entries[i])]
            if parent[3] is not None and parent[3][i]:
                row.append((-1, 0, *exact(parent[3][i])))
            opposite = bool(row) and row[0][2] < 0
            seen.setdefault(tuple((t, j, -m if opposite else m, s) for t, j, m, s in row), []).append((i, opposite))
        for same in seen.values():
            for i, sign in same:
                twins[a, i] = [(k, other != sign) for k, other in same if k != i]
    return twins


class Part:
    """The inputs of a box at which pre-activations lie on given sides: (layer, neuron, number, whether at least
    that). `whole`: nothing is cut; `ball`: only those in some ball of it, which is all that is known of this ball."""

    def __init__(self, lower, upper, sides=(), whole=False, ball=False):
        self.lower, self.upper, self.sides, self.whole, self.ball = lower, upper, tuple(sides), whole, ball

    def cut(self, i: int, at: float) -> list[Part]:
        """Both sides of x_i = at, that with x_i <= at first."""
        below, above = list(self.upper), list(self.lower)
        below[i] = above[i] = at
        return [Part(self.lower, below, self.sides), Part(above, self.upper, self.sides)]

    def side(self, a: int, j: int, at: float, twins) -> list[Part]:
        """Both sides of h_j = at in layer a, that with h_j <= at first."""

        def with_(above):
            known = [(a, j, at, above)]
            known += [
                (a, k, -at, not above) if opposite else (a, k, at, above) for k, opposite in twins.get((a, j), [])
            ]
            return Part(self.lower, self.upper, (*self.sides, *known))

        return [with_(False), with_(True)]

    def slopes(self, network: Network) -> tuple[Slopes, bool]:
        """Slope intervals on this part, and whether no input is found to lie in it.

        A neuron that is on one side of a kink counts the slopes on that side alone: those of almost every input of
        the part. (Where its pre-activation is at the kink on more than a boundary, its gradient is 0 almost
        everywhere there, and its slope does not matter.)"""
        if self.ball:
            raise NotCovered("ball")
        for node in network.nodes:
            if node[0] == "activate":
                pieces(node[3], node[4], 0)  # or it is not covered
        enclosure = Enclosure(network, self)
        return enclosure.slopes, enclosure.empty


# ---------------------------------------------------------------------------------------------------------- enclosures


class Enclosure:
    """Intervals of every node, in order; `slopes` by layer of neurons."""

    def __init__(self, network: Network, part: Part):
        self.network, self.part = network, part
        self.box = [(Fraction(a), Fraction(b)) for a, b in zip(part.lower, part.upper, strict=True)]
        self.ends: list[list[tuple[Fraction, Fraction]]] = []
        self.lines: list = []
        self.free: list = []
        self.half_spaces: list[tuple[list[Fraction], Fraction]] = []  # g'x + d <= 0 for every input of the part
        self.slopes: Slopes = []
        self.empty = False
        for node in network.nodes:
            known, free = None, None
            if node[0] == "input":
                ends = list(self.box)
            elif node[0] == "affine":
                ends = [self._affine(node, i) for i in range(node[1])]
            else:
                known, free = self._activation(node) if node[0] == "activate" else (self._product(node), None)
                ends = [line[2] for line in known]
            self.ends.append(ends)
            self.lines.append(known)
            self.free.append(free)

    def _affine(self, node, i):
        low = high = Fraction(node[3][i]) if node[3] is not None else Fraction(0)
        for parent, map_ in node[2]:
            for j, m, s in map_.entries[i]:
                w = Fraction(m << s) if s >= 0 else Fraction(m, 1 << -s)
                a, b = self.ends[parent][j] if m > 0 else reversed(self.ends[parent][j])
                low, high = low + w * a, high + w * b
        return outward(low, -1), outward(high, 1)

    def _activation(self, node):
        _, n, parent, name, p = node
        ends, layer = self.ends[parent], len(self.slopes)
        last = layer + 1 == len(self.network.layers)

        def open_(j):
            slopes = slope_range(name, p, j, *ends[j])
            return slopes[0] < slopes[1] or (not last and slopes[0])

        self._before(layer, parent, open_, lambda j: name == "relu" and ends[j][0] < 0 < ends[j][1])
        sided = {j for a, j, _, _ in self.part.sides if a == layer} if name != "hard-sigmoid" else ()
        self.slopes.append([slope_range(name, p, j, *ends[j], open_=j in sided) for j in range(n)])
        free = [name == "relu" and ends[j][0] < 0 < ends[j][1] for j in range(n)]
        return [lines(name, p, j, *ends[j]) for j in range(n)], free

    def _product(self, node):
        _, n, (p, q), _ = node
        for layer, parent in enumerate(dict.fromkeys((p, q)), len(self.slopes)):
            self._before(layer, parent, lambda _: True, lambda _: False)
        factors = [(q, 1), (p, 1)] if p != q else [(p, 2)]
        for factor, times in factors:
            self.slopes.append([(double(times * a, -1), double(times * b, 1)) for a, b in self.ends[factor]])
        return [planes(self.ends[p][j], self.ends[q][j], p == q) for j in range(n)]

    def _before(self, layer, parent, open_, free):
        """Makes the intervals of what a function reads narrower: by the sides of the part, and by backward bounds where
        these may help (`open_`), with better lines where these may (`free`)."""
        ends = self.ends[parent]
        sides = [side for side in self.part.sides if side[0] == layer]
        for _, j, at, above in sides:
            self._half_space(parent, j, Fraction(at), above)
            low, high = ends[j]
            ends[j] = (max(low, Fraction(at)), high) if above else (low, min(high, Fraction(at)))
            if ends[j][0] > ends[j][1]:
                self.empty, ends[j] = True, (low, high)
        before = self.network.nodes[parent]
        plain = before[0] in ("input", "activate") or (
            before[0] == "affine" and len(before[2]) == 1 and before[2][0][0] == 0
        )
        if self.half_spaces and sides and self._least({}, Fraction(0)) is None:
            self.empty = True
        if self.half_spaces or not plain:
            for j in range(len(ends)):
                if ends[j][0] < ends[j][1] and open_(j):
                    self._tighten(parent, j, 0)
                if free(j):
                    self._tighten(parent, j, STEPS)

    def _tighten(self, node, j, steps):
        low, high = self.ends[node][j]
        below, minus_above = self._bound(node, j, 1, steps), self._bound(node, j, -1, steps)
        if below is None or minus_above is None:
            self.empty = True
            return
        below, above = max(low, outward(below, -1)), min(high, outward(-minus_above, 1))
        if below <= above:
            self.ends[node][j] = (below, above)
        else:
            self.empty = True

    def _half_space(self, node, j, at: Fraction, above: bool):
        """From +-h >= g'x + d on the box and -+at <= -+h: g'x + d -+ at <= 0."""
        sign = -1 if above else 1
        met, constant = self._carry(node, {j: (sign, 0)}, None)
        normal = [Fraction(0)] * self.network.inputs
        for i, (m, s) in met.get(0, {}).items():
            normal[i] = Fraction(m) * Fraction(2) ** s
        self.half_spaces.append((normal, constant - sign * at))

    # a linear function is a dict from entries to (m, s), coefficient m * 2**s

    def _carry(self, node: int, start, chosen):
        """The coefficients with which every node is met on the way back, the input's at last, and the constant of the
        function below. `chosen` gives slopes of lines below free ReLUs, by node and entry."""
        met = {node: start}
        constant = Fraction(0)
        for place in range(node, 0, -1):
            own = met.get(place)
            if not own:
                continue
            kind = self.network.nodes[place]
            if kind[0] == "affine":
                if kind[3] is not None:
                    constant += sum(Fraction(m) * Fraction(2) ** s * Fraction(kind[3][i]) for i, (m, s) in own.items())
                for parent, map_ in kind[2]:
                    rows = [(m, s + t, ({j: w}, 0)) for i, (m, s) in own.items() for j, w, t in map_.entries[i]]
                    self._collect(met, parent, rows)
                continue
            if kind[0] == "combine":
                of = {i: self.lines[place][i][0 if m > 0 else 1] for i, (m, _) in own.items()}
                constant += sum(Fraction(m) * Fraction(2) ** s * of[i][2] for i, (m, s) in own.items())
                for argument, parent in enumerate(kind[2]):
                    slopes = {i: exact(of[i][argument]) for i in own}
                    rows = [(m, s + slopes[i][1], ({i: slopes[i][0]}, 0)) for i, (m, s) in own.items()]
                    self._collect(met, parent, rows)
                continue
            rows = []
            for i, (m, s) in own.items():
                if m > 0 and chosen is not None and self.free[place][i]:
                    slope, offset = chosen[place, i], None
                else:
                    slope, offset = self.lines[place][i][0 if m > 0 else 1]
                if offset:
                    constant += Fraction(m) * Fraction(2) ** s * offset
                k, t = exact(slope)
                rows.append((m, s + t, ({i: k}, 0)))
            self._collect(met, kind[2], rows)
        return met, constant

    @staticmethod
    def _collect(met, parent, rows):
        rows += [(1, s, ({j: m}, 0)) for j, (m, s) in met.get(parent, {}).items()]
        total, shift = combine(rows)
        met[parent] = {j: (m, shift) for j, m in total.items()}

    def _bound(self, node, j, sign, steps):
        """At most the minimum of sign * entry j of a node; None where no input is left."""
        start = {j: (sign, 0)}
        if not steps:
            met, constant = self._carry(node, start, None)
            return self._least(met.get(0, {}), constant)
        chosen = {
            (a, i): self.lines[a][i][0][0] for a in range(node) if self.free[a] for i, f in enumerate(self.free[a]) if f
        }
        best, step = None, STEP
        for turn in range(steps + 1):
            met, constant = self._carry(node, start, chosen)
            found = self._least(met.get(0, {}), constant)
            if found is None:
                return None
            best = found if best is None else max(best, found)
            if turn == steps or not chosen:
                return best
            values = self._attained(node, met, chosen)
            for a, i in chosen:
                h = values.get(self.network.nodes[a][2], {}).get(i, 0.0)
                if met.get(a, {}).get(i, (0, 0))[0] > 0 and h:
                    chosen[a, i] = min(1.0, max(0.0, chosen[a, i] + math.copysign(step, h)))
            step *= SHRINK

    def _attained(self, node, met, chosen):
        """Roughly: what the chosen lines make of every node at the corner where the bound is attained."""
        corner = met.get(0, {})
        values = {0: {i: nearest(ends[corner.get(i, (0, 0))[0] < 0]) for i, ends in enumerate(self.box)}}
        for place in range(1, node):
            kind, own = self.network.nodes[place], met.get(place)
            if not own:
                continue
            if kind[0] == "affine":
                values[place] = {}
                for i in own:
                    total = kind[3][i] if kind[3] is not None else 0.0
                    for parent, map_ in kind[2]:
                        from_ = values.get(parent, {})
                        total += sum(math.ldexp(m, s) * from_.get(j, 0.0) for j, m, s in map_.entries[i])
                    values[place][i] = total
                continue
            if kind[0] == "combine":
                p, q = (values.get(parent, {}) for parent in kind[2])
                values[place] = {}
                for i, (m, _) in own.items():
                    a, b, c = map(nearest, self.lines[place][i][0 if m > 0 else 1])
                    values[place][i] = a * p.get(i, 0.0) + b * q.get(i, 0.0) + c
                continue
            from_ = values.get(kind[2], {})
            values[place] = {}
            for i, (m, _) in own.items():
                if m > 0 and self.free[place][i]:
                    slope, offset = chosen[place, i], 0.0
                else:
                    slope, offset = self.lines[place][i][0 if m > 0 else 1]
                values[place][i] = slope * from_.get(i, 0.0) + nearest(Fraction(offset))
        return values

    def _least(self, coefficients, constant: Fraction):
        """At most the minimum of a linear function of the input over the part; None where the part is found to be
        empty.

        With any multipliers b >= 0 of the half-spaces, c'x >= (c + sum b g)'x + sum b d there; with c = 0 a positive
        minimum says that nothing is there."""
        c = {i: Fraction(m) * Fraction(2) ** s for i, (m, s) in coefficients.items()}
        best = constant + sum(v * self.box[i][v < 0] for i, v in c.items())
        if not self.half_spaces:
            return best
        dense = [c.get(i, Fraction(0)) for i in range(len(self.box))]
        multipliers, empty = multipliers_hint(dense, self.box, self.half_spaces)
        total = [Fraction(0)] * len(dense) if empty else dense
        rest = Fraction(0)
        for b, (normal, d) in zip(multipliers, self.half_spaces, strict=True):
            if b > 0 and math.isfinite(b):
                b = Fraction(b)
                total = [t + b * g for t, g in zip(total, normal, strict=True)]
                rest += b * d
        found = rest + sum(t * ends[t < 0] for t, ends in zip(total, self.box, strict=True))
        if empty:
            return None if found > 0 else best
        return max(best, constant + found)


def multipliers_hint(c, box, half_spaces) -> tuple[list[float], bool]:
    """Multipliers for min c'x over the box and the half-spaces, or (True) such that show that these contradict each
    other. In floating point, by the dual simplex method with bounded variables: nothing rests on it."""
    n, m = len(c), len(half_spaces)
    low = [nearest(a) for a, _ in box] + [0.0] * m
    high = [nearest(b) for _, b in box] + [INFINITE] * m
    rows = [[-nearest(g) for g in normal] for normal, _ in half_spaces]  # slack = constant + row * outside
    constants = [-nearest(d) for _, d in half_spaces]
    costs = [nearest(v) for v in c]
    outside, inside = list(range(n)), list(range(n, n + m))
    at_high = [v < 0 for v in costs]
    size = [max(abs(a), abs(b)) for a, b in zip(low[:n], high[:n], strict=True)]
    size += [
        sum(abs(g) * s for g, s in zip(row, size, strict=True)) + abs(d) for row, d in zip(rows, constants, strict=True)
    ]
    for _ in range(4 * (n + m)):
        at = [high[v] if up else low[v] for v, up in zip(outside, at_high, strict=True)]
        worst, leaving, up = 1.0, None, False
        for r, variable in enumerate(inside):
            own = constants[r] + sum(t * x for t, x in zip(rows[r], at, strict=True))
            unit = 1e-10 * size[variable] + 1e-300
            for missing, grows in (((low[variable] - own) / unit, True), ((own - high[variable]) / unit, False)):
                if missing > worst:
                    worst, leaving, up = missing, r, grows
        if leaving is None:
            break
        row = rows[leaving]
        largest = max(map(abs, row))
        best = None
        for k, t in enumerate(row):
            helps = t < 0 if at_high[k] == up else t > 0
            if helps and abs(t) > 1e-11 * largest and low[outside[k]] != high[outside[k]]:
                key = (abs(costs[k]) / abs(t), -abs(t))
                if best is None or key < best[0]:
                    best = (key, k)
        if best is None:  # it cannot get inside its ends: what it is made of contradicts itself
            ray = [0.0] * m
            for variable, t in zip(outside, row, strict=True):
                if variable >= n:
                    ray[variable - n] = max(0.0, -t if up else t)
            if inside[leaving] >= n:
                ray[inside[leaving] - n] = 1.0
            return ray, True
        k = best[1]
        t = row[k]
        own = [-v / t for v in row]
        own[k] = 1.0 / t
        constant = -constants[leaving] / t
        for r in range(m):
            factor = rows[r][k]
            if r != leaving and factor:
                rows[r][k] = 0.0
                rows[r] = [a + factor * b for a, b in zip(rows[r], own, strict=True)]
                constants[r] += factor * constant
        factor, costs[k] = costs[k], 0.0
        costs = [a + factor * b for a, b in zip(costs, own, strict=True)]
        rows[leaving], constants[leaving] = own, constant
        inside[leaving], outside[k] = outside[k], inside[leaving]
        at_high[k] = not up
    result = [0.0] * m
    for variable, cost in zip(outside, costs, strict=True):
        if variable >= n:
            result[variable - n] = max(0.0, cost)
    return result, False
