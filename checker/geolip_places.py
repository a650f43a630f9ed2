"""Where a proof holds, and what the network is there: slope intervals everywhere or on a part of a box, some neurons'
slopes single numbers; and the places of the leaves of a tree.

A tree is a list in the order of a walk: a branching, all of its first child, all of its second. `slope` [layer,
neuron]: that slope is at the lower end in the first, at the upper end in the second; `input` [i, at] and `side` [layer,
neuron, at]: x_i, or the pre-activation, is at most that in the first, at least that in the second. Without a region a
side is at 0, of a function with one kink, there; its slope is then that of the side. `thin` is a leaf where there are
almost no inputs (geolip_thin.py).

Why the largest of the leaves' bounds is one for the root: J is affine in each slope (no path passes a neuron twice), so
its norm is convex in it and largest at an end of the root's interval, whatever the other slopes are; parts meet along
their cuts and cover the root's. A leaf's other slopes are those on its own part. (Where a pre-activation stays at its
kink, its gradient vanishes almost everywhere, so that the slope of either side may be taken.)
"""

from __future__ import annotations

from functools import cached_property

from geolip_network import BadFile, Network, index, items, number, only
from geolip_proofs import Rejected, Slopes, slopes_everywhere
from geolip_region import Part, twins_of
from geolip_thin import around_zero

LEAST_WIDTH = 1e-7
MOST_NUMBERS = 1 << 25  # in the half-spaces of a part

Sides = dict[tuple[int, int], bool]  # by layer and neuron: whether its pre-activation is at least 0
Ends = dict[tuple[int, int], int]  # by layer and neuron: 0 or 1, the end of its interval that its slope is fixed at


class Local:
    """A network in a place: on a part of a box (None: everywhere), and there with these slopes at those neurons.

    `tight` are the slope intervals, `wide` those that forms use: narrow ones are widened, as whoever made the
    multipliers did. (Any interval that holds the slopes will do, so how this is rounded does not matter.) `empty`:
    whether no input is found to be there. They are worked out when they are first asked for.
    """

    def __init__(self, network: Network, part: Part | None, fixed=None, beside: Local | None = None):
        self.network, self.part, self.fixed, self.beside = network, part, fixed or {}, beside

    def at(self, part: Part | None, ends: Ends) -> Local:
        """It on a part of its own, with the slopes at these ends of its own intervals."""
        fixed = {(a, j): self.tight[a][j][end] for (a, j), end in ends.items()}
        return Local(self.network, part, {**self.fixed, **fixed}, self if part is self.part else None)

    @cached_property
    def _known(self) -> tuple[Slopes, Slopes, bool]:
        if self.beside is not None:
            tight, wide, empty = self.beside._known
        elif self.part is None:
            tight, empty = slopes_everywhere(self.network), False
            wide = tight
        else:
            tight, empty = self.part.slopes(self.network)
            wide = [[_widened(*ends) for ends in layer] for layer in tight]
        return self._case(tight), self._case(wide), empty

    def _case(self, slopes: Slopes) -> Slopes:
        slopes = [list(layer) for layer in slopes]
        for (a, j), slope in self.fixed.items():
            slopes[a][j] = (slope, slope)
        return slopes

    @property
    def tight(self) -> Slopes:
        return self._known[0]

    @property
    def wide(self) -> Slopes:
        return self._known[1]

    @property
    def empty(self) -> bool:
        return self._known[2]

    @property
    def may_be_narrower(self) -> bool:
        """Whether another checker may have narrower intervals."""
        return self.part is not None


def _widened(low, high):
    more = 0.5 * (LEAST_WIDTH - (high - low))
    if more <= 0 or low == high:
        return low, high
    return min(low, low - more), max(high, high + more)


# --------------------------------------------------------------------------------------------------------------- trees

FORMERLY = {"split": "slope", "cut": "input"}  # in version 2


def leaves(root: Local, tree):
    """The part, the ends, the sides without a region, and the kind and the proof of every leaf, in their order; an
    exception where the list is no whole tree over the place."""
    twins = None
    waiting: list[tuple[Part | None, Ends, Sides]] = [(root.part, {}, {})]
    for branch in items(tree):
        if not waiting:
            raise Rejected("the tree goes on after its last leaf")
        part, ends, sides = waiting.pop()
        kind, value = only(branch)
        kind = FORMERLY.get(kind, kind)
        if kind in ("leaf", "thin"):
            if kind == "thin" and part is not None:
                raise Rejected("the tree has a part without interior on a region")
            yield part, ends, sides, kind, value
            continue
        if kind not in ("slope", "input", "side") or len(items(value)) != (3 if kind == "side" else 2):
            raise BadFile("a branch is a slope, an input, a side or a leaf")
        if kind == "slope":
            neuron = (index(value[0]), index(value[1]))
            _exists(root.network, *neuron)
            if neuron in ends or neuron in root.fixed:
                raise Rejected("the tree splits a neuron twice")
            children = [(part, {**ends, neuron: end}, sides) for end in (0, 1)]
        elif kind == "side" and part is None:
            a, j, at = index(value[0]), index(value[1]), number(value[2])
            _exists(root.network, a, j)
            if (a, j) in ends or (a, j) in root.fixed:
                raise Rejected("the tree splits a neuron twice")
            slopes = around_zero(root.network, a, j)
            if slopes is None or at != 0:
                raise Rejected("the tree cuts at a number that is not the only kink of a neuron, at zero")
            # the interval's ends are both slopes
            order = (0, 1) if slopes[0] <= slopes[1] else (1, 0)
            children = [(part, {**ends, (a, j): order[up]}, {**sides, (a, j): bool(up)}) for up in (0, 1)]
        else:
            if kind == "side":
                a, j, at = index(value[0]), index(value[1]), number(value[2])
                _exists(root.network, a, j)
            else:
                i, at = index(value[0]), number(value[1])
            if part is None:
                raise Rejected("the tree cuts inputs, but there is no region")
            if part.ball:
                raise Rejected("the tree cuts a ball")
            if kind == "side":
                twins = twins_of(root.network) if twins is None else twins
                parts = part.side(a, j, at, twins)
            elif i < root.network.inputs and part.lower[i] <= at <= part.upper[i]:
                parts = part.cut(i, at)
            else:
                raise Rejected("the tree cuts outside a part")
            if len(parts[0].sides) * root.network.inputs > MOST_NUMBERS:
                raise Rejected("the tree is deeper than any that is checked")
            children = [(child, ends, sides) for child in parts]
        waiting += reversed(children)
    if waiting:
        raise Rejected("the tree lacks leaves")


def _exists(network: Network, a: int, j: int):
    if a >= len(network.sizes) or j >= network.sizes[a]:
        raise Rejected("the tree names a neuron that does not exist")
