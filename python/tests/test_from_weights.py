"""Weights as users hold them: the very numbers, or an error; nothing is dropped on the way.

python python/tests/test_from_weights.py 100000 [SEED]    spoils as many lists
"""

import contextlib
import itertools
import random
import sys

import numpy as np
import pytest

import geolip

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::UserWarning")

WEIGHTS = [np.array([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0]]), np.array([[1.0, -1.0, 2.0]])]
INPUT = np.array([1.5, -0.25])


def of(first):
    return geolip.Network.from_weights([first, WEIGHTS[1]])


def value(first):
    return WEIGHTS[1] @ np.maximum(np.asarray(first, dtype=float) @ INPUT, 0.0)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda w: w + 1j, "complex128 numbers; give real"),
        (lambda w: w + 0j, "complex128 numbers; give real"),
        (lambda w: np.ma.array(w, mask=w > 2), "masked array"),
        (lambda w: np.ma.array(w), "masked array"),
        (lambda w: [np.ma.array(row, mask=row > 2) for row in w], "masked value"),
        (lambda w: [[1.0, np.ma.masked], [2.0, 3.0], [4.0, 5.0]], "masked value"),
        (lambda w: w.astype(object), "object"),
        (lambda w: [[1.0, None], [2.0, 3.0], [4.0, 5.0]], "NoneType"),
        (lambda w: w.astype(str), "floating-point"),
        (lambda w: [*w.tolist()[:2], ["1", "2"]], "str"),
        (lambda w: w.astype("m8[s]"), "floating-point"),
        (lambda w: np.zeros((3, 2), dtype=[("a", float)]), "floating-point"),
        (lambda w: np.where(w > 2, np.nan, w), r"nan at \(1, 1\)"),
        (lambda w: np.where(w > 2, np.inf, w), r"inf at \(1, 1\)"),
        (lambda w: np.full((3, 2), 2**53 + 1), "rounds"),
        (lambda w: np.full((3, 2), np.uint64(2**64 - 1)), "rounds"),
        (lambda w: w[0], "a matrix of rows"),
        (lambda w: w[None], "a matrix of rows"),
        (lambda w: 3.0, "a matrix of rows"),
        (lambda w: [[1.0, 2.0], [3.0], [4.0, 5.0]], "not an array of numbers"),
        (lambda w: "weights.npy", "is a str"),
    ],
)
def test_what_would_be_dropped_is_refused(spoil, reason):
    with pytest.raises(geolip.OptionError, match=f"weight 0 .*{reason}"):
        of(spoil(WEIGHTS[0]))


@pytest.mark.skipif(np.finfo(np.longdouble).eps >= np.finfo(float).eps, reason="long double is double here")
def test_long_doubles_that_float64_rounds_are_refused():
    with pytest.raises(geolip.OptionError, match="rounds"):
        of(WEIGHTS[0].astype(np.longdouble) / 3)
    assert of(WEIGHTS[0].astype(np.longdouble))(INPUT) == value(WEIGHTS[0])


def test_units_of_a_subclass_are_not_dropped():
    class Quantity(np.ndarray):
        unit = "km"

    with pytest.raises(geolip.OptionError, match="Quantity"):
        of(WEIGHTS[0].view(Quantity))


@pytest.mark.parametrize(
    "held",
    [
        lambda w: w.astype(int),
        lambda w: w > 0,
        lambda w: w.astype(np.float16),
        lambda w: w.astype(np.float32),
        lambda w: w.astype(">f4"),
        lambda w: w.astype(">f8"),
        np.asfortranarray,
        np.matrix,
        lambda w: w.tolist(),
        lambda w: [tuple(row) for row in w],
        lambda w: list(w),
        lambda w: np.repeat(np.repeat(w, 2, 0), 3, 1)[::2, ::3],
        lambda w: w[::-1, ::-1],
        lambda w: np.full((3, 2), 2**60),
    ],
)
def test_numbers_are_taken_as_they_are(held):
    first = held(WEIGHTS[0])
    np.testing.assert_allclose(of(first)(INPUT), value(first), rtol=1e-14)


def test_tensors_are_read_wherever_they_are_or_refused():
    torch = pytest.importorskip("torch")
    w = torch.from_numpy(WEIGHTS[0])
    for tensor in (
        w,
        w.float(),
        w.bfloat16(),
        w.half(),
        w.clone().requires_grad_(),
        torch.nn.Parameter(w),
        w.T.contiguous().T,
    ):
        assert of(tensor)(INPUT) == value(WEIGHTS[0])
    assert of(w._neg_view())(INPUT) == value(-WEIGHTS[0])
    refused = [w.to_sparse(), w + 0j, w.to("meta"), [w[0], w[1], w[2]], w[0], w * float("nan")]
    refused.append(torch.quantize_per_tensor(w.float(), 0.1, 0, torch.qint8))
    for tensor in refused:
        with pytest.raises(geolip.OptionError, match="weight 0"):
            of(tensor)


def test_frames_are_read_or_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(WEIGHTS[0], columns=["a", "b"])
    assert of(frame)(INPUT) == value(WEIGHTS[0])
    for column in (["x", "y", "z"], [1.0, None, "2"], pandas.array([1.0, None, 2.0], dtype="Float64")):
        with pytest.raises(geolip.OptionError, match="weight 0"):
            of(frame.assign(b=column))


def test_biases_are_vectors_of_numbers():
    for bias in (
        np.ones((3, 1)),
        np.ones((1, 3)),
        1.0,
        np.ones(3) * 1j,
        np.ma.ones(3),
        [1, None, 2],
        np.full(3, np.nan),
    ):
        with pytest.raises(geolip.OptionError, match="bias 0"):
            geolip.Network.from_weights(WEIGHTS, [bias, None])
    with pytest.raises(geolip.NetworkFileError):
        geolip.Network.from_weights(WEIGHTS, [np.ones(2), None])


def test_containers_that_are_no_list_of_matrices_are_refused():
    for weights in (WEIGHTS[0], {"W1": WEIGHTS[0]}, 3.0, "ab", [], [None]):
        with pytest.raises(geolip.GeolipError):
            geolip.Network.from_weights(weights)


def test_more_than_nine_layers_keep_their_order():
    weights = [np.random.default_rng(i).normal(size=(3, 3)) for i in range(14)]
    h = np.ones(3)
    for w in weights[:-1]:
        h = np.maximum(w @ h, 0.0)
    np.testing.assert_allclose(geolip.Network.from_weights(weights)(np.ones(3)), weights[-1] @ h, rtol=1e-12)


SPOILS = [
    lambda w, c: w.tolist(),
    lambda w, c: [list(row) for row in w],
    lambda w, c: [w[i] for i in range(len(w))],
    lambda w, c: w.astype(c.choice(["f2", "<f4", ">f4", ">f8", "i1", "i8", "u4", "bool", "O", "U8", "S5", "c8", "g"])),
    lambda w, c: w + c.choice([0j, 1j, 1e-300j]),
    lambda w, c: np.ma.array(w, mask=c.choice([False, True, w > 0])),
    lambda w, c: [np.ma.array(row, mask=row > c.gauss(0, 1)) for row in w],
    lambda w, c: np.asfortranarray(w),
    lambda w, c: w[:: c.choice([1, -1, 2]), :: c.choice([1, -1, 2])],
    lambda w, c: w.T,
    lambda w, c: w.reshape(c.choice([(-1,), (1, -1), (-1, 1), (1, *w.shape)])),
    lambda w, c: c.choice([w[0], w[:, 0], w[:0], w[0, 0]]),
    lambda w, c: set_one(w, c, c.choice([np.nan, np.inf, -np.inf, 0.0, 1e300, 1e-320, 2.0**63])),
    lambda w, c: set_one(w.astype(object), c, c.choice([None, "x", 1j, 10**400, [], True])),
    lambda w, c: [*w.tolist()[:-1], c.choice([[], [1.0], None, "ab", 3.0, {}, [[1.0]]])],
    lambda w, c: c.choice([None, "ab", b"ab", {}, {1.0}, 1.0, object(), np.void(3), lambda: 0, iter([]), range(3)]),
    lambda w, c: np.array([tuple(row) for row in w], dtype=[(f"f{i}", float) for i in range(w.shape[1])]),
    lambda w, c: np.matrix(w),
]


def set_one(w, c, number):
    w = w.copy()
    w[c.randrange(w.shape[0]), c.randrange(w.shape[1])] = number
    return w


def truth(given):
    """The numbers of a matrix one by one, by the plainest Python; none if they are not all real numbers."""
    rows = []
    for row in np.asarray(given) if isinstance(given, np.matrix) else given:
        rows.append([])
        for number in row:
            if number is np.ma.masked or isinstance(number, str | bytes | complex | np.complexfloating | type(None)):
                return None
            rows[-1].append(float(number))
    return np.array(rows)


def spoil_once(choose):
    """Makes and spoils a weight list; whether it was accepted, and then it has to be right."""
    widths = [choose.randint(1, 4) for _ in range(choose.randint(2, 4))]
    weights = [
        np.array([[choose.gauss(0, 1) for _ in range(i)] for _ in range(o)]) for i, o in itertools.pairwise(widths)
    ]
    for _ in range(choose.randint(0, 2)):
        place = choose.randrange(len(weights))
        if isinstance(weights[place], np.ndarray) and weights[place].ndim == 2 and weights[place].size:
            with contextlib.suppress(TypeError, ValueError, OverflowError, AttributeError):  # not in this way
                weights[place] = choose.choice(SPOILS)(weights[place], choose)
    try:
        network = geolip.Network.from_weights(weights)
    except geolip.GeolipError:
        return False
    h = x = np.array([choose.gauss(0, 1) for _ in range(network.inputs)])
    matrices = [truth(given) for given in weights]
    assert all(w is not None for w in matrices), weights
    if any(after.shape[1] != before.shape[0] for before, after in itertools.pairwise(matrices)):
        matrices = [w.T for w in matrices]  # they fit in the other orientation alone
    for i, w in enumerate(matrices):
        with np.errstate(all="ignore"):
            h = w @ h if i == 0 else w @ np.maximum(h, 0.0)
    np.testing.assert_allclose(network(x), h, rtol=1e-10, atol=1e-12)
    return True


def test_spoilt_lists_are_refused_or_right():
    choose = random.Random(11)
    accepted = sum(spoil_once(choose) for _ in range(2000))
    assert 300 < accepted < 1700


if __name__ == "__main__":
    chooser = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    total = int(sys.argv[1])
    print(sum(spoil_once(chooser) for _ in range(total)), "accepted of", total)
