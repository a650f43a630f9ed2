"""Cuts: inequalities that hold where every slope is an end of its interval, as terms of one quadratic form.

|J(v)'u| and |J(v)| are convex in each slope v_j (no path passes a neuron twice) and |J(v)x| is convex in each input, so
their maxima are found where every slope is at an end of its interval, and in linf where every input is -1 or 1. There
every free neuron z = v h (alpha < beta, and h not 0) has a sign t: v = beta and N = beta h - z = 0 where t = 1, v =
alpha and P = z - alpha h = 0 where t = -1. In the form

    q = sum zeta w^2 + sum gamma x^2 - sum lambda P N - 2 w'y(x, z)              (of a functional u'y: w'y is e u'y)
      + constant e^2 + sum over signs of (tau t^2 - 2 kappa P (t - e) - 2 nu N (t + e))
      + 2 sum over triangles of mu (s0 a b + s1 a c + s2 b c) - 2 sum over vertices of Q
      + 2 sum over pairs `apart` of rho0 P P' + rho1 P (e + t') + rho2 (e + t) P' + rho3 (e + t)(e + t')
      + 2 sum over `whole` groups of omega e (sum (e + t) - 2 e)

put e = 1, these z and t, and w of the dual ball of the output norm with w'y = |y|. Then

* P N = P (t - e) = N (t + e) = 0, and e^2 = t^2 = 1;
* a, b and c are 1 or -1 and s0 s1 s2 = -1, so the product of the three terms is -1: one is -1, and their sum at most 1;
* of two neurons of one group (geolip_groups.py) one at least is off, with P = e + t = 0, so that all products of P or e
  + t of the one with P or e + t of the other are 0; and one of all is on, so that e (sum (e + t) - 2 e) = 0 over a
  group;
* Q >= 0. To each of two variables A and B belong psi+, psi- of which one is 0: of a sign a P + b (e + t) and c N + d (e
  - t), of an input c (e + x) and d (e - x), with any a, b, c, d. With A+ for psi+ of A and so on,
      Q = A+^2 + A-^2 + B+^2 + B-^2 - 2 (A+ B+ + A+ B- + A- B+ - A- B-),
  and this is (A +- B)^2 for the two that are left.

The multipliers constant, tau, kappa, nu, rho and omega are of equations, and may have any sign. With groups, all this
is about the grouped network. If q >= 0 for all numbers, then 2 |y| <= constant + sum tau + sum zeta w^2 + sum gamma x^2
+ 2 sum mu, of which w^2 <= 1 (l1), or sum w^2 <= 1 (l2), and x is in the unit ball. What holds of the maximum over v
holds of every slope in between.
"""

from __future__ import annotations

from fractions import Fraction

from geolip_network import Network, Row, combine, exact, index, items, number, numbers
from geolip_proofs import Form, Slopes, Unproved, Variables, not_negative, require

# of each pair of psi (A+, A-, B+, B-): the coefficient of their product in Q
PAIRS = {(0, 0): 1, (1, 1): 1, (2, 2): 1, (3, 3): 1, (0, 2): -2, (0, 3): -2, (1, 2): -2, (1, 3): 2}


class Cuts:
    """What a proof lists, once it fits the network. Variables are 0 for e, then the signs in their order, then `inputs`
    inputs (none where these are no signs)."""

    def __init__(self, signs, triangles, vertices, of_groups, free: list[list[bool]], inputs: int, groups):
        self.signs = [self._sign(sign, free) for sign in items(signs)]
        neurons = [neuron for neuron, _ in self.signs]
        require(len(set(neurons)) == len(neurons), "a neuron has two signs")
        self.inputs = inputs
        self.triangles = [self._triangle(triangle) for triangle in items(triangles)]
        self.vertices = [self._vertex(vertex) for vertex in items(vertices)]
        numbers_ = {neuron: k for k, neuron in enumerate(neurons, 1)}
        self.groups = [[numbers_.get(neuron) for neuron in group] for group in groups]
        apart, whole = (items([] if listed is None else listed) for listed in of_groups)
        self.apart = [self._apart(pair) for pair in apart]
        self.whole = [self._whole(group) for group in whole]
        self.sum_tau = sum((Fraction(tau) for _, (tau, _, _) in self.signs), Fraction(0))
        self.sum_mu = sum((Fraction(mu) for _, _, mu in self.triangles), Fraction(0))

    @staticmethod
    def _sign(value, free):
        """(layer, neuron), (tau, kappa, nu)."""
        a, j, *multipliers = items(value, 5)
        a, j, multipliers = index(a), index(j), numbers(multipliers)
        require(a < len(free) and j < len(free[a]), "a sign is for a neuron that does not exist")
        require(free[a][j], "a sign is for a neuron whose slope is a single number", Unproved)
        return (a, j), multipliers

    def _distinct(self, value, count, what) -> list[int]:
        """So many variables, of which one at most is an input."""
        variables = [index(v) for v in items(value, count)]
        require(all(v <= len(self.signs) + self.inputs for v in variables), f"{what} has an unknown variable")
        require(len(set(variables)) == count, f"{what} repeats a variable")
        require(sum(v > len(self.signs) for v in variables) <= 1, f"{what} has two inputs")
        return variables

    def _triangle(self, value):
        """The variables, their signs, mu."""
        variables, signs, mu = items(value, 3)
        variables, signs, mu = self._distinct(variables, 3, "a triangle"), items(signs, 3), number(mu)
        require(all(type(s) is int and s in (1, -1) for s in signs), "a triangle has a sign that is neither 1 nor -1")
        require(signs.count(-1) % 2 == 1, "a triangle has the wrong signs")
        not_negative([mu], "mu")
        return variables, signs, mu

    def _vertex(self, value):
        """The variables, and for each its coefficients."""
        first, second, coefficients = items(value, 3)
        pair = self._distinct([first, second], 2, "a vertex cut")
        require(0 not in pair, "a vertex cut has the constant for a variable")
        counts = [4 if v <= len(self.signs) else 2 for v in pair]
        coefficients = numbers(items(coefficients, sum(counts)))
        return pair, (coefficients[: counts[0]], coefficients[counts[0] :])

    def _apart(self, value):
        first, second, multipliers = items(value, 3)
        pair = index(first), index(second)
        require(pair[0] != pair[1] and 0 not in pair, "a neuron is apart from itself, or from the constant")
        require(any(set(pair) <= set(group) for group in self.groups), "neurons that are apart are not of one group")
        return pair, numbers(items(multipliers, 4))

    def _whole(self, value):
        group, multiplier = items(value, 2)
        group = index(group)
        require(group < len(self.groups), "there is no such group")
        require(None not in self.groups[group], "a neuron of a group that is to be whole has no sign")
        return self.groups[group], number(multiplier)

    def add_to(self, form: Form, network: Network, slopes: Slopes, layers: list[list[Row]], one: int):
        """Adds all terms to the form of the multipliers. There e is the variable `one`, and the signs are those behind
        it.

        They are collected as a form of the variables above and, behind these, z and h of every neuron that has a sign:
        of h there are few, and each has many entries."""
        of, count = Variables(network), len(self.signs)
        rows = [_variable(one + k) for k in range(count + 1)] + [_variable(i) for i in range(self.inputs)]
        cuts, ends = Form(), {}
        for k, ((a, j), (tau, kappa, nu)) in enumerate(self.signs, 1):
            z, h = (_variable(len(rows) + i) for i in (0, 1))
            rows += [_variable(of.first[a] + j), layers[a][j]]
            low, high = slopes[a][j]
            above, below = _sum((1, z), (-low, h)), _sum((high, h), (-1, z))
            ends[k] = (above, below)
            cuts.add(k, k, *exact(tau))
            cuts.add_product(-2 * Fraction(kappa), above, _sum((1, _variable(k)), (-1, _variable(0))))
            cuts.add_product(-2 * Fraction(nu), below, _sum((1, _variable(k)), (1, _variable(0))))
        for (a, b, c), signs, mu in self.triangles:
            for (i, j), sign in zip([(a, b), (a, c), (b, c)], signs, strict=True):
                cuts.add(i, j, *exact(sign * mu))
        for (a, b), multipliers in self.apart:
            sides = [(ends[k][0], _sum((1, _variable(0)), (1, _variable(k)))) for k in (a, b)]
            for place, multiplier in enumerate(multipliers):
                cuts.add_product(2 * Fraction(multiplier), sides[0][place // 2], sides[1][place % 2])
        for group, multiplier in self.whole:
            sum_ = _sum(*((1, _variable(k)) for k in group), (len(group) - 2, _variable(0)))
            cuts.add_product(2 * Fraction(multiplier), _variable(0), sum_)
        for pair, coefficients in self.vertices:
            psi = [row for v, own in zip(pair, coefficients, strict=True) for row in _psi(v, ends.get(v), own)]
            for (i, j), factor in PAIRS.items():
                cuts.add_product(-2 * factor, psi[i], psi[j])
        form.add_form(cuts, rows)


def _variable(i: int) -> Row:
    return {i: 1}, 0


def _sum(*parts) -> Row:
    return combine([(*exact(c), row) for c, row in parts])


def _psi(variable, ends, coefficients) -> list[Row]:
    """psi+ and psi- of a sign, or of an input, which has no P and N."""
    e, t = _variable(0), _variable(variable)
    if ends is None:
        c, d = coefficients
        return [_sum((c, e), (c, t)), _sum((d, e), (-d, t))]
    a, b, c, d = coefficients
    return [_sum((a, ends[0]), (b, e), (b, t)), _sum((c, ends[1]), (d, e), (-d, t))]
