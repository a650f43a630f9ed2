#!/usr/bin/env python3
"""geolip_check: a second checker of geolip's certificates, which shares nothing with the first.

    geolip export NETWORK net.json
    python3 geolip_check.py net.json certificate.json
    python3 geolip_check.py --batch LIST

Exit codes: 0 accepted, 1 rejected, 2 a bad file, 3 not covered. The lines of LIST are "net.json certificate.json" (or
with a tab between them); for each it prints one verdict.

What it verifies. For the network x -> y of the canonical file and every claim of the certificate, with V the set of
all choices of a slope in [alpha, beta] for every neuron (everywhere, or on the certificate's region) and J(v) the
Jacobian of the linear network that has these slopes:

    for all v in V:   |J(v)' u|* <= upper                                     (for a linear functional u of the output)
                      |J(v)|     <= upper                                     (for a norm of the output)

with the dual of the input norm, or the operator norm. As V holds the slopes at almost every input (of a convex region),
where J(v) is the network's own Jacobian, the Lipschitz constant of u'y, or y, is at most `upper`. (A tree that cuts by
inputs or sides shows this for the v of almost every input alone, and so for that constant.) In units D the norm
is that of x/D, inputs of unit 0 do not move, and J(v) diag(D) stands for J(v). A product p q has a slope for
each factor: d(p q) = q dp + p dq. It is read off in whole numbers: no statement here rests on floating point.
Python 3.10 or newer and its standard library; geolip_network.py reads, geolip_proofs.py proves, geolip_cuts.py knows
cuts, geolip_groups.py groups of neurons in them, geolip_places.py slopes and trees, geolip_region.py boxes and their
parts, geolip_thin.py parts of the whole space without interior.

Why it follows. *Multipliers*: let q(w, x, z) = sum zeta w^2 + sum gamma x^2 + sum lambda (z - alpha h)(z - beta h) - 2
w'Uy >= 0 for all (w, x, z), with all multipliers >= 0. For v in V and z = v h every product is <= 0, so 2 w'Uy <= sum
zeta w^2 + sum gamma x^2; w = t u and the best t give (u'Uy)^2 <= (sum zeta u^2)(sum gamma x^2), whose factors are at
most their maxima over the unit balls (`is_at_most`). *Signs* (one hidden layer): u'J = A (t, 1), t in [-1, 1]; its norm
is convex, so largest at signs; see `check_signs`. *Trees*: |J(v)'u| is convex in each slope, so it is largest at an
end, and parts cover their region; see geolip_places.py. *Cuts*: for the same reason slopes may be taken at ends, where
signs say which; see geolip_cuts.py. *Inputs*: the unit ball of l1 is the hull of the coordinate vectors. *Intervals*:
of the entries of J(v)' u, carried backward, or in linf of the sizes of gradients, carried forward (`forward_sizes`).
"""

from __future__ import annotations

import itertools
import re
import sys
from fractions import Fraction
from pathlib import Path

from geolip_cuts import Cuts
from geolip_groups import Grouped
from geolip_network import BadFile, Network, fields, index, items, load_json, number, numbers, only
from geolip_places import Local, leaves
from geolip_proofs import (
    Form,
    NotCovered,
    Rejected,
    Unproved,
    Variables,
    exact,
    expand,
    forward_sizes,
    gradient_sizes,
    multiplier_form,
    not_negative,
    power_sum_at_most_one,
    require,
    root_up,
    sign_program,
)
from geolip_region import Part
from geolip_thin import Thin

MOST_UNDECIDED = 9  # of neurons, for a proof by patterns


class Output:
    """What is measured of the output: rows of (output, coefficient), and the norm over them, if it is one."""

    def __init__(self, value, outputs: int):
        self.norm, self.text = None, value if isinstance(value, str) else "vector"
        if isinstance(value, list):
            u = numbers(value)
            if not any(u):
                raise BadFile("a vector of zeros")
            rows = [[(k, v) for k, v in enumerate(u) if v]]
            self.fits = len(u) == outputs
        elif value in ("linf", "l2", "l1"):
            self.norm, rows, self.fits = value, [[(k, 1.0)] for k in range(outputs)], True
        elif isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            rows = [[(int(value), 1.0)]]
            self.fits = int(value) < outputs
        elif isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}-[0-9]{1,9}", value):
            i, j = map(int, value.split("-"))
            if i == j:
                raise BadFile("a margin of an output with itself")
            rows = [[(i, 1.0), (j, -1.0)]]
            self.fits = max(i, j) < outputs
        else:
            raise BadFile("an unknown output")
        self.rows = rows


class Claim:
    def __init__(self, output: Output, upper: float, proof):
        self.output, self.proof = output, proof
        self.upper = Fraction(upper)
        if upper < 0:
            raise Rejected("the bound is negative")


# -------------------------------------------------------------------------------------------------------- what follows


def read_norm(text):
    """ "linf", "l2", "l1", or the exponent p > 2 as a Fraction."""
    if text in ("linf", "l2", "l1"):
        return text
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", text):
        raise BadFile("an unknown norm")
    p = float(text)
    if p in (1.0, 2.0) or p == float("inf"):
        return {1.0: "l1", 2.0: "l2"}.get(p, "linf")
    if p < 2.0:
        raise BadFile("an exponent below 2")
    return Fraction(p)


def read_units(value, inputs: int) -> list[float]:
    """A number per input, at least 0, not all 0: the norm is that of x/unit, and inputs of unit 0 do not move."""
    unit = numbers(value)
    require(len(unit) == inputs, "there is not one unit per input")
    not_negative(unit, "unit")
    require(any(unit), "all units are 0")
    return unit


def follows(norm, output: Output, zeta, gamma, upper: Fraction) -> bool:
    """Whether upper^2 >= (maximum of sum zeta u^2 over the dual ball of the output norm) * (that of sum gamma x^2
    over the input's)."""
    z = sum(map(Fraction, zeta)) if output.norm == "l1" else Fraction(max(zeta))
    return is_at_most(norm, [z * Fraction(g) for g in gamma], upper**2)


def is_at_most(norm, gamma: list[Fraction], limit: Fraction) -> bool:
    """Whether the maximum of sum gamma x^2 over the unit ball of the input norm is at most the limit."""
    if norm == "linf":
        return sum(gamma) <= limit
    if norm in ("l2", "l1"):  # one gamma; a bound in l2 is one in l1, whose ball is smaller
        return gamma[0] <= limit
    if not any(gamma):
        return limit >= 0
    # squares s of the unit ball have sum s^(p/2) <= 1, so the maximum is |gamma|_r, r = p/(p - 2)
    return limit > 0 and power_sum_at_most_one([g / limit for g in gamma], norm / (norm - 2))


def dual_norm_is_at_most(norm, sizes, upper: Fraction) -> bool:
    if norm == "linf":
        return sum(sizes) <= upper
    if norm == "l1":
        return max(sizes) <= upper
    if norm == "l2":
        return sum(s * s for s in sizes) <= upper**2
    if not any(sizes):
        return True
    return upper > 0 and power_sum_at_most_one([s / upper for s in sizes], norm / (norm - 1))


# ------------------------------------------------------------------------------------------------------- kinds of proof


def read_form(value):
    zeta, gamma, lambda_, test = fields(value, "zeta gamma lambda", "random_test")
    return numbers(zeta), numbers(gamma), [numbers(layer) for layer in items(lambda_)], test


def checked(norm, count, slopes, zeta, gamma, lambda_) -> list[float]:
    """gamma for each of so many inputs, once the multipliers fit the network and are not negative."""
    require(len(gamma) == (1 if norm in ("l2", "l1") else count), "gamma has the wrong length")
    require([len(layer) for layer in lambda_] == [len(layer) for layer in slopes], "lambda has the wrong shape")
    for values, what in [(zeta, "zeta"), (gamma, "gamma"), *((layer, "lambda") for layer in lambda_)]:
        not_negative(values, what)
    return gamma if len(gamma) == count else gamma * count


def check_multipliers(local: Local, norm, claim: Claim, value, alone, inputs=None):
    zeta, gamma, lambda_, test = read_form(value)
    require(test is None or not alone, "a random test where a proof is needed")
    network, slopes = local.network, local.wide
    rows = claim.output.rows
    count = network.inputs if inputs is None else len(inputs)
    require(len(zeta) == (len(rows) if claim.output.norm in ("linf", "l1") else 1), "zeta has the wrong length")
    per_input = checked(norm, count, slopes, zeta, gamma, lambda_)
    require(follows(norm, claim.output, zeta, gamma, claim.upper), "the multipliers prove a larger bound")
    if test is not None:
        raise NotCovered("random test")
    lift = expand(network, slopes, inputs)
    form = multiplier_form(network, slopes, lift, inputs, rows, zeta, per_input, lambda_)
    require(form.is_nonnegative(), "the form is negative somewhere, or too close to it", Unproved)


def check_inputs(local: Local, norm, claim: Claim, value):
    """In l1 the norm is that of the largest column: those listed by forms of that input alone, the others by
    intervals."""
    require(norm == "l1", "a proof by inputs works only in l1")
    listed = []
    for entry in items(value):
        i, multipliers = fields(entry, "input multipliers")
        listed.append((index(i), multipliers))
    require(all(a < b for (a, _), (b, _) in itertools.pairwise(listed)), "inputs are not in ascending order")
    require(all(i < local.network.inputs for i, _ in listed), "there is no such input")
    for i, multipliers in listed:  # with one input all norms are the same
        check_multipliers(local, "linf", claim, multipliers, alone=True, inputs=[i])
    done = {i for i, _ in listed}
    sizes = input_sizes(local.network, local.tight, claim.output)
    others = (size for i, size in enumerate(sizes) if i not in done)
    require(all(size <= claim.upper for size in others), "an input's interval is larger", Unproved)


def input_sizes(network, slopes, output: Output) -> list[Fraction]:
    """For every input at least the norm of that column of J."""
    by_row = gradient_sizes(network, slopes, output.rows)
    return [output_norm(output)(column) for column in zip(*by_row, strict=True)]


def output_norm(output: Output):
    """The norm of what the rows give, from its sizes: of one row the size itself."""
    return {"linf": max, "l1": sum, None: sum, "l2": lambda sizes: root_up(sum(s * s for s in sizes))}[output.norm]


def check_intervals(local: Local, norm, claim: Claim):
    sizes = input_sizes(local.network, local.tight, claim.output)
    holds = local.empty or dual_norm_is_at_most(norm, sizes, claim.upper)
    if not holds and norm == "linf":
        forward = forward_sizes(local.network, local.tight, claim.output.rows)
        holds = output_norm(claim.output)(forward) <= claim.upper
    require(holds, "the intervals give a larger bound", Unproved)


def check_patterns(local: Local, norm, claim: Claim):
    """The norm is convex in each slope: it is enough to look at the ends of those few that are not fixed."""
    open_ = [(a, j) for a, layer in enumerate(local.tight) for j, (low, high) in enumerate(layer) if low != high]
    require(len(open_) <= MOST_UNDECIDED, "too many neurons are undecided", Unproved)
    for choice in itertools.product((0, 1), repeat=len(open_)):
        slopes = [list(layer) for layer in local.tight]
        for (a, j), end in zip(open_, choice, strict=True):
            slopes[a][j] = (slopes[a][j][end],) * 2
        sizes = input_sizes(local.network, slopes, claim.output)
        require(dual_norm_is_at_most(norm, sizes, claim.upper), "a pattern has a larger bound", Unproved)


def check_signs(local: Local, norm, claim: Claim, value):
    """One hidden layer: |A s|* over signs s = (t, 1), A' x <= ... by q = sum gamma x^2 + sum delta s^2 - 2 x'As + 2
    sum mu sigma y y >= 0.

    Around a cycle the products y_a y_b of signs multiply to 1, their sigma to -1, so one sigma y_a y_b is -1 at least
    and their sum at most |c| - 2. With M = sum mu (|c| - 2): 2 x'As <= sum gamma x^2 + sum delta + 2 M. In linf, with
    all edges between inputs and neurons, x rho and s/rho give sqrt(sum gamma sum delta) + M; in l2, with none at
    inputs, sqrt(gamma (sum delta + 2 M)).
    """
    slopes = local.wide
    gamma, delta, cuts = fields(value, "gamma delta cuts")
    gamma, delta = not_negative(numbers(gamma), "gamma"), not_negative(numbers(delta), "delta")
    require(norm in ("linf", "l2"), "signs prove bounds in linf and l2")
    require(claim.output.norm is None, "a norm of the output is not proved on signs")
    require(len(slopes) <= 1, "signs are for one hidden layer")
    n = local.network.inputs
    columns = sign_program(local.network, slopes, n, claim.output.rows[0])
    require(
        len(gamma) == (n if norm == "linf" else 1) and len(delta) == len(columns), "gamma or delta has the wrong length"
    )
    form = Form()
    for i in range(n):
        form.add(i, i, *exact(gamma[i if norm == "linf" else 0]))
    for j, (column, s) in enumerate(columns):
        form.add(n + j, n + j, *exact(delta[j]))
        for i, a in column.items():
            form.add(i, n + j, -a, s)
    constant = Fraction(0)
    for cut in items(cuts):
        cycle, signs, mu = items(cut, 3)
        cycle, mu = [index(v) for v in items(cycle)], number(mu)
        require(len(cycle) >= 3 and len(items(signs)) == len(cycle), "a cut is not a cycle")
        require(
            len(set(cycle)) == len(cycle) and all(v < n + len(columns) for v in cycle),
            "a cut repeats a variable, or has an unknown one",
        )
        require(
            all(type(s) is int and s in (1, -1) for s in signs) and signs.count(-1) % 2 == 1,
            "a cut has the wrong signs",
        )
        require(mu >= 0, "a cut has a negative weight")
        for a, b, sign in zip(cycle, cycle[1:] + cycle[:1], signs, strict=True):
            require(
                (min(a, b) < n) == (norm == "linf") and max(a, b) >= n,
                "a cut has an edge that has no place in this norm",
            )
            m, s = exact(mu)
            form.add(a, b, sign * m, s)
        constant += Fraction(mu) * (len(cycle) - 2)
    g, d = sum(map(Fraction, gamma)), sum(map(Fraction, delta))
    if norm == "linf":
        left = claim.upper - constant
        require(left >= 0 and left**2 >= g * d, "the multipliers prove a larger bound")
    else:
        require(claim.upper**2 >= g * (d + 2 * constant), "the multipliers prove a larger bound")
    require(form.is_nonnegative(), "the form is negative somewhere, or too close to it", Unproved)


def check_cuts(local: Local, norm, claim: Claim, value):
    """FGL <= (constant + sum zeta + sum tau + max of sum gamma x^2) / 2 + sum mu, if the form is >= 0."""
    names = "constant zeta gamma lambda signs triangles vertices"
    values = fields(value, names, "choices apart whole")
    require(all(value.get(name, ()) is not None for name in OF_GROUPS), "a list is null")
    constant, zeta, gamma, lambda_, signs, triangles, vertices, choices, apart, whole = values
    constant, zeta, gamma = number(constant), numbers(zeta), numbers(gamma)
    lambda_ = [numbers(layer) for layer in items(lambda_)]
    network, slopes, output, groups = local.network, local.wide, claim.output, []
    if choices is not None and items(choices):
        grouped = Grouped(network, slopes, choices)
        network, slopes, groups = grouped.network, grouped.slopes, grouped.groups
    require(norm != "l1", "cuts prove no bounds in l1")
    require(output.norm != "linf", "cuts prove no norm into linf, but a claim for each output")
    rows = output.rows
    require(len(zeta) == {None: 0, "l2": 1, "l1": len(rows)}[output.norm], "zeta has the wrong length")
    per_input = checked(norm, network.inputs, slopes, zeta, gamma, lambda_)
    lift = expand(network, slopes)
    inputs = network.inputs if norm == "linf" else 0
    cuts = Cuts(signs, triangles, vertices, (apart, whole), lift[1], inputs, groups)
    rest = 2 * (claim.upper - cuts.sum_mu) - sum(map(Fraction, [constant, *zeta])) - cuts.sum_tau
    require(is_at_most(norm, list(map(Fraction, gamma)), rest), "the multipliers prove a larger bound")
    # of a functional, the constant 1 is the one w
    form = multiplier_form(network, slopes, lift, None, rows, zeta or [constant], per_input, lambda_)
    one = Variables(network).count + (len(rows) if zeta else 0)
    if zeta:
        form.add(one, one, *exact(constant))
    cuts.add_to(form, network, slopes, lift[0], one)
    require(form.is_nonnegative(), "the form is negative somewhere, or too close to it", Unproved)


def check_tree(local: Local, norm, claim: Claim, value):
    for _ in leaves(local, value):  # that it is whole, before anything is proved
        pass
    thin = Thin(local.network)
    for part, ends, sides, kind, proof in leaves(local, value):
        if kind == "thin":
            thin.check(sides, [tuple(index(i) for i in items(neuron)) for neuron in items(proof)])
            continue
        prove(local.at(part, ends), norm, Claim(claim.output, claim.upper, proof), alone=True)


def check_outputs(local: Local, norm, claim: Claim, value, alone):
    """The norm into linf is the largest of those of all outputs."""
    require(claim.output.norm == "linf", "a claim for each output proves the largest output alone")
    claims = [read_claim(c, local.network.outputs) for c in items(value)]
    numbers_ = [str(k) for k in range(local.network.outputs)]
    require([c.output.text for c in claims] == numbers_, "a claim for each output is needed, in their order")
    left_out = None
    for c in claims:
        require(c.upper <= claim.upper, "an output's bound is larger")
        try:
            prove(local, norm, c, alone)
        except NotCovered as reason:
            left_out = reason  # unless another output's claim is rejected
    if left_out is not None:
        raise left_out


FORMERLY = {"cases": "tree", "parts": "tree"}  # in version 2
OF_GROUPS = ("choices", "apart", "whole")  # fields of proofs by cuts


def has_groups(value) -> bool:
    """Whether a proof in it has something about groups."""
    if isinstance(value, dict):
        return any(value.get(name) for name in OF_GROUPS) or any(has_groups(inner) for inner in value.values())
    return isinstance(value, list) and any(has_groups(inner) for inner in value)


def prove(local: Local, norm, claim: Claim, alone=False):
    """That a claim holds in its place, or an exception; `alone` without random tests."""
    require(claim.output.fits, "the claim is about outputs that do not exist")
    kind, value = (claim.proof, None) if isinstance(claim.proof, str) else only(claim.proof)
    kind = FORMERLY.get(kind, kind)
    try:
        if kind == "multipliers":
            check_multipliers(local, norm, claim, value, alone)
        elif kind == "outputs":
            check_outputs(local, norm, claim, value, alone)
        elif kind == "inputs":
            check_inputs(local, norm, claim, value)
        elif kind == "signs":
            check_signs(local, norm, claim, value)
        elif kind == "cuts":
            check_cuts(local, norm, claim, value)
        elif kind == "tree":
            check_tree(local, norm, claim, value)
        elif kind == "intervals" and value is None:
            check_intervals(local, norm, claim)
        elif kind == "patterns" and value is None:
            check_patterns(local, norm, claim)
        else:
            raise BadFile("a proof is of no known kind")
    except Unproved as reason:
        if not local.may_be_narrower:
            raise
        raise Rejected(f"{reason}, or this checker's intervals are wider, or narrower") from None


def read_claim(value, outputs: int) -> Claim:
    output, upper, proof = fields(value, "output upper proof")
    return Claim(Output(output, outputs), number(upper), proof)


def check(network: Network, data: bytes) -> list[str]:
    """The claims, all of them verified; or an exception."""
    form, version, hash_, norm, bounds, unit, where, _ = fields(
        load_json(data), "format version network norm bounds", "unit region notes"
    )
    of_these = type(version) is int and version in (2, 3, 4, 5, 6)
    require(form == "geolip-certificate" and of_these, "no geolip certificate of version 6, 5, 4, 3, or 2")
    require(version >= 6 or not has_groups(bounds), "groups are of version 6")
    require(hash_ == network.hash, "the certificate is about another network")
    text, norm, region = norm, read_norm(norm), None
    require(items(bounds), "nothing is claimed")
    claims = [read_claim(c, network.outputs) for c in bounds]
    if unit is not None:
        network = network.in_units(read_units(unit, network.inputs))
        text += " in units"
    if where is not None:
        lower, upper, ball = fields(where, "lower upper", "ball")
        region = Part(numbers(lower), numbers(upper), whole=True, ball=ball is not None)
        require(len(region.lower) == len(region.upper) == network.inputs, "the region has another number of inputs")
        require(all(a <= b for a, b in zip(region.lower, region.upper, strict=True)), "the region is empty")
    local = Local(network, region)
    lines, left_out = [], None
    for claim in claims:
        try:
            prove(local, norm, claim)
        except NotCovered as reason:
            left_out = reason  # unless another claim is rejected
        constant = "local Lip" if region is not None else "Lip" if takes_sides(claim.proof) else "FGL"
        lines.append(f"output {claim.output.text}: {constant} <= {float(claim.upper)!r} in {text}")
    if left_out is not None:
        raise left_out
    return lines


def takes_sides(proof) -> bool:
    """Whether a tree in it cuts by sides: then it is about inputs, not about all v in V."""
    if isinstance(proof, dict):
        return "side" in proof or any(map(takes_sides, proof.values()))
    return isinstance(proof, list) and any(map(takes_sides, proof))


def verdict(network_path: str, certificate_path: str) -> tuple[int, list[str]]:
    """The exit code, and what to print."""
    try:
        network = Network(Path(network_path).read_bytes())
        return 0, [*check(network, Path(certificate_path).read_bytes()), "accepted"]
    except Rejected as reason:
        return 1, [f"rejected: {reason}"]
    except NotCovered as reason:
        return 3, [f"not covered: {reason}"]
    except RecursionError:
        return 2, ["bad file: it is nested too deeply"]
    except (BadFile, OSError) as reason:
        return 2, [f"bad file: {reason}"]


def main(arguments: list[str]) -> int:
    if len(arguments) == 2 and arguments[0] == "--batch":
        for line in Path(arguments[1]).read_text().splitlines():
            print(verdict(*line.split("\t" if "\t" in line else None, 1))[1][-1], flush=True)
        return 0
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    code, lines = verdict(*arguments)
    print("\n".join(lines), file=sys.stderr if code in (1, 2, 3) else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
