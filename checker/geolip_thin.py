"""Parts of the whole space without interior: sides of pre-activations whose normals add up to nothing.

Where every neuron that h reads is c*s on a known side of s = 0, h is an affine function of the input, and its side a
half-space a.x + b >= 0. If numbers l >= 0, not all zero, have sum l a = 0 and sum l b < 0, no input is in all of these
half-spaces; if sum l b = 0 and some l > 0 has a != 0, then all that are lie in the hyperplane a.x + b = 0.
"""

from __future__ import annotations

from fractions import Fraction

from geolip_network import Network, Row, combine, exact
from geolip_proofs import require

MOST_BITS = 1 << 14


def around_zero(network: Network, a: int, j: int) -> tuple[float, float] | None:
    """The slopes left and right of 0 of a function that is linear on either side."""
    node = network.nodes[network.layers[a][0]]
    if node[0] != "activate":
        return None
    _, _, _, name, p = node
    left = {"relu": 0.0, "abs": -1.0, "leaky-relu": p[0] if p else None, "prelu": p[j] if j < len(p) else None}
    return None if left.get(name) is None else (left[name], 1.0)


class Thin:
    """Which sides leave no interior."""

    def __init__(self, network: Network):
        self.network = network
        self.layer_of = {node: a for a, (node, _) in enumerate(network.layers)}

    def check(self, sides: dict[tuple[int, int], bool], named: list[tuple[int, ...]]):
        """That the inputs on these sides have measure zero, because of those of the neurons named."""
        network = self.network
        require(named, "no sides are named")
        require(len(named) <= network.inputs + 1, "more sides are named than there are inputs, and one more")
        require(len(set(named)) == len(named), "a side is named twice")
        require(all(neuron in sides for neuron in named), "a side is named that is not on the path")
        known: dict[tuple[int, int], Row] = {}
        rows = []
        for a, j in named:
            numbers, _ = self._row(network.layers[a][1], j, sides, known)
            sign = 1 if sides[a, j] else -1
            rows.append({k: sign * m for k, m in numbers.items()})
        self._thin(rows)

    def _row(self, node: int, i: int, sides, known) -> Row:
        """An entry of a node as an affine function of the input; the constant is the variable after the last one."""
        waiting = [(node, i)]
        while waiting:
            at = waiting[-1]
            if at not in known:
                parts, constant = self._parts(*at, sides)
                missing = [entry for _, _, entry in parts if entry not in known]
                if missing:
                    waiting += missing
                    continue
                row = _reduced(combine([(m, s, known[entry]) for m, s, entry in parts] + constant))
                short = all(abs(m).bit_length() <= MOST_BITS for m in row[0].values())
                require(short, "a half-space takes numbers longer than any that are checked")
                known[at] = row
            waiting.pop()
        return known[node, i]

    def _parts(self, place: int, i: int, sides):
        """What an entry is the sum of: (m, s, an entry before it) with factors m * 2**s, and what it has by itself."""
        node = self.network.nodes[place]
        if node[0] == "input":
            return [], [(1, 0, ({i: 1}, 0))]
        if node[0] == "affine":
            parts = [(m, s, (parent, j)) for parent, map_ in node[2] for j, m, s in map_.entries[i] if m]
            bias = 0 if node[3] is None else node[3][i]
            return parts, [(*exact(bias), ({self.network.inputs: 1}, 0))]
        a = self.layer_of[place] if node[0] == "activate" else -1
        slopes = around_zero(self.network, a, i) if a >= 0 else None
        require(slopes is not None, "a neuron is read that is not linear on its sides")
        left, right = slopes
        require((a, i) in sides or left == right, "a neuron is read whose side is not known")
        slope = right if sides.get((a, i), True) else left
        return ([(*exact(slope), (node[2], i))] if slope else []), []

    def _thin(self, rows: list[dict[int, int]]):
        n = self.network.inputs
        factors = _dependence([{k: m for k, m in row.items() if k < n} for row in rows])
        if any(f < 0 for f in factors):
            factors = [-f for f in factors]
        require(all(f >= 0 for f in factors) and any(factors), "the sides named leave a part with interior")
        total = [sum(f * row.get(k, 0) for f, row in zip(factors, rows, strict=True)) for k in range(n + 1)]
        require(not any(total[:n]), "the normals of the sides named do not add up to nothing")
        flat = any(f and any(m for k, m in row.items() if k < n) for f, row in zip(factors, rows, strict=True))
        require(total[n] < 0 or (total[n] == 0 and flat), "the sides named leave a part with interior")


def _reduced(row: Row) -> Row:
    """Without the factors of two that all its numbers have."""
    twos = min(((m & -m).bit_length() - 1 for m in row[0].values()), default=0)
    return {k: m >> twos for k, m in row[0].items()}, row[1] + twos


def _dependence(rows: list[dict[int, int]]) -> list[Fraction]:
    """The one combination of rows that is zero, up to a factor."""
    reduced: list[tuple[int, dict[int, Fraction], list[Fraction]]] = []
    found = None
    for i, own in enumerate(rows):
        row = {k: Fraction(m) for k, m in own.items() if m}
        factors = [Fraction(int(i == j)) for j in range(len(rows))]
        for pivot, other, of in reduced:
            t = row.get(pivot, 0)
            if t:
                row = {k: v for k in row.keys() | other.keys() if (v := row.get(k, 0) - t * other.get(k, 0))}
                factors = [f - t * g for f, g in zip(factors, of, strict=True)]
        if row:
            pivot = min(row)
            t = row[pivot]
            reduced.append((pivot, {k: v / t for k, v in row.items()}, [f / t for f in factors]))
        else:
            require(found is None, "the normals of the sides named depend on each other in several ways")
            found = factors
    require(found is not None, "the sides named leave a part with interior: their normals are independent")
    return found
