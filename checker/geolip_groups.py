"""Groups: entries of a network that are one of a few linear functions wherever every slope is an end of its interval.

An entry of a node is a sum of entries before it. Where it reads c z of a neuron z = v h with v in [alpha, beta], and R
besides, it is R + c alpha h where v = alpha, and R + c beta h where v = beta. So, neuron by neuron, the last first, it
is written out as one of several sums, its *choices*; sums that come out the same are one. A certificate says which
neurons are written out. Of affine entries those are whose coefficients are powers of two; all else stays as it is.

In the grouped network such an entry is the sum of one neuron v h for each choice h, v in [0, 1]. At every vertex of the
network the entry equals one of its choices. With 1 for the slope of that one and 0 for the others, and all other slopes
as they are, every node has the same derivative in both networks: |J| is largest at a vertex, and so at most the
largest |J| of the grouped network where exactly one slope of each group is 1, the others in it are 0, and all slopes
outside groups are at ends. Neurons that the output does not read any more get the slope 0.
"""

from __future__ import annotations

from copy import copy
from fractions import Fraction

from geolip_network import Map, Network, exact, index, items
from geolip_proofs import NotCovered, Slopes, require

MOST_CHOICES, MOST_TERMS = 256, 4096  # of one entry, and of each choice, on the way
MOST_WORK = 4_000_000  # terms gone through for all entries together
LEAST = Fraction(2) ** -1022  # the least normal number

Entry = tuple[int, int]  # node, entry
Sum = dict[Entry, Fraction]


class Grouped:
    """`network` with `slopes`, and `groups`: the neurons (layer, neuron) of each."""

    def __init__(self, network: Network, slopes: Slopes, choices):
        self.old, self.old_slopes, taken = network, slopes, set()
        self.work = 0
        by_node: dict[int, dict[int, list[Sum]]] = {}
        for choice in items(choices):
            node, entry, neurons = items(choice, 3)
            node, entry = index(node), index(entry)
            neurons = [tuple(index(i) for i in items(neuron, 2)) for neuron in items(neurons)]
            require(node < len(network.nodes) and entry < network.nodes[node][1], "a choice is no entry")
            sizes = network.sizes
            require(all(a < len(sizes) and j < sizes[a] for a, j in neurons), "a choice writes out no neuron")
            require(bool(neurons) and len(taken | set(neurons)) == len(taken) + len(neurons), "neurons are repeated")
            taken.update(neurons)
            sums = self._choices((node, entry), neurons)
            require(len(sums) <= len(neurons) + 1, "an entry has more choices than neurons and one")
            require(entry not in by_node.setdefault(node, {}), "an entry is repeated")
            by_node[node][entry] = sums
        self._build(by_node)

    def _choices(self, entry: Entry, neurons) -> list[Sum]:
        chosen = {}
        for a, j in neurons:
            node, parent = self.old.layers[a]
            if self.old.nodes[node][0] == "combine":
                raise NotCovered("a choice that writes out a function of two nodes")
            chosen[node, j] = (parent, self.old_slopes[a][j])
        sums, end = [{entry: Fraction(1)}], (entry[0], entry[1] + 1)
        while True:
            left = [place for sum_ in sums for place in sum_ if place < end]
            if not left:
                require(all(entry not in sum_ for sum_ in sums), "an entry is not written out")
                return sorted(sums, key=lambda sum_: not sum_)  # zero last
            end = max(left)
            if end in chosen:
                parent, slope = chosen[end]
                parts = [{(parent, end[1]): Fraction(v)} if v else {} for v in slope]
            elif (row := self._row(end)) is not None:
                parts = [row]
            else:
                continue
            self.work += len(parts) * sum(len(sum_) + 1 for sum_ in sums)
            require(self.work <= MOST_WORK, "to write out the choices takes too much work")
            sums = _written_out(sums, end, parts)

    def _row(self, entry: Entry) -> Sum | None:
        """An affine entry whose coefficients are powers of two, or an input whose unit is 0."""
        node, i = entry
        if self.old.nodes[node][0] == "input" and self.old.unit is not None and not self.old.unit[i]:
            return {}
        if self.old.nodes[node][0] != "affine":
            return None
        row: Sum = {}
        for parent, map_ in self.old.nodes[node][2]:
            for j, m, s in map_.entries[i]:
                weight = m * Fraction(2) ** s
                if abs(m) & (abs(m) - 1) or abs(weight) < LEAST or not _add(row, (parent, j), weight):
                    return None
        return row

    def _build(self, by_node):
        old, network = self.old, copy(self.old)
        network.nodes, network.layers, self.groups = [], [], []
        images: list[int] = []
        origins: list[int | None] = []  # of each layer: which one of the old network it is
        for place, node in enumerate(old.nodes):
            if node[0] == "affine":
                node = ("affine", node[1], [(images[p], map_) for p, map_ in node[2]], None)
            elif node[0] == "activate":
                node = (*node[:2], images[node[2]], *node[3:])
            elif node[0] == "combine":
                node = (*node[:2], [images[p] for p in node[2]], node[3])
            network.nodes.append(node)
            image = len(network.nodes) - 1
            for a, (of, h) in enumerate(old.layers):
                if of == place:
                    network.layers.append((image, images[h]))
                    origins.append(a)
            if place in by_node:
                n, own = node[1], sorted(by_node[place].items())
                sums = [sum_ for _, choices in own for sum_ in choices]
                network.nodes.append(("affine", len(sums), self._arguments(sums, images), None))
                network.nodes.append(("activate", len(sums), image + 1, "relu", []))
                copies: list[list] = [[(i, 1, 0)] for i in range(n)]
                kept: list[list] = [[] if i in by_node[place] else row for i, row in enumerate(copies)]
                sources, first = [[] for _ in range(n)], 0
                for entry, choices in own:
                    self.groups.append([(len(network.layers), first + k) for k in range(len(choices))])
                    sources[entry] = [(first + k, 1, 0) for k in range(len(choices))]
                    first += len(choices)
                network.layers.append((image + 2, image + 1))
                origins.append(None)
                terms = [(image, Map("gather", n, n, kept, b"")), (image + 2, Map("sum", n, len(sums), sources, b""))]
                network.nodes.append(("affine", n, terms, None))
                image += 3
            images.append(image)
        network.output = images[old.output]
        network.sizes = [network.nodes[i][1] for i, _ in network.layers]
        self.network = network
        reached = _reached(network)
        self.slopes = []
        for (node, _), origin in zip(network.layers, origins, strict=True):
            own = [(0.0, 1.0)] * network.nodes[node][1] if origin is None else self.old_slopes[origin]
            self.slopes.append([ends if j in reached[node] else (0.0, 0.0) for j, ends in enumerate(own)])

    def _arguments(self, sums: list[Sum], images):
        """These sums as terms of an affine node."""
        terms = []
        for node in sorted({node for sum_ in sums for node, _ in sum_}):
            rows = [[(i, *exact(c)) for (of, i), c in sorted(sum_.items()) if of == node] for sum_ in sums]
            terms.append((images[node], Map("dense", len(sums), self.old.nodes[node][1], rows, b"")))
        return terms


def _written_out(sums: list[Sum], place: Entry, parts: list[Sum]) -> list[Sum]:
    """Every sum, with each of `parts` in the place of an entry."""
    result, known = [], set()
    for sum_ in sums:
        rest = {entry: c for entry, c in sum_.items() if entry != place}
        for part in parts if place in sum_ else [{}]:
            new = dict(rest)
            for entry, c in part.items():
                _add(new, entry, sum_[place] * c)
            key = frozenset(new.items())
            if key not in known:
                known.add(key)
                result.append(new)
    require(len(result) <= MOST_CHOICES and all(len(s) <= MOST_TERMS for s in result), "an entry has too many choices")
    return result


def _add(to: Sum, entry: Entry, c: Fraction) -> bool:
    """Adds to a coefficient; whether it is still a double."""
    total = to.pop(entry, Fraction(0)) + c
    if total:
        to[entry] = total
    try:
        return float(total) == total
    except OverflowError:
        return False


def _reached(network: Network) -> list[set[int]]:
    """Per node, the entries that the output may depend on."""
    reached: list[set[int]] = [set() for _ in network.nodes]
    reached[network.output] = set(range(network.outputs))
    for place in range(len(network.nodes) - 1, 0, -1):
        node = network.nodes[place]
        if node[0] == "affine":
            for parent, map_ in node[2]:
                reached[parent].update(j for i in reached[place] for j, m, _ in map_.entries[i] if m)
        else:
            for parent in network.parents(place):
                reached[parent] |= reached[place]
    return reached
