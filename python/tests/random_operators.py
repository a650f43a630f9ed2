"""Random ONNX files, each run by onnxruntime and by geolip: what the importer reads must be the function the file is.

    python python/tests/random_operators.py --count 1000 --seed 0 --finds /tmp/finds

A file is one operator at the edges of its specification, a chain of them, constants computed in the graph, or an activation
spelt out in several nodes. Its seed decides everything about it. Needs onnx and onnxruntime.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnxruntime
from onnx import numpy_helper
from random_onnx import constants, operators, spelt_out
from random_onnx.file import OPERATORS, PRECISION, File

import geolip

FAMILIES = (operators, spelt_out, constants)  # their operators are in the list once they are imported


def written(seed: int) -> tuple[File, str] | None:
    """A file of one operator or a chain of them, and its output; none where onnxruntime refuses every operator drawn."""
    f = File(seed)
    usable = {name: entry for name, entry in OPERATORS.items() if f.opset in entry.opsets}
    name = f.pick(*usable)
    rank = f.pick(*usable[name].ranks)
    if f.chance(0.3):
        rank = min(rank, 4)
    shape = f.shape(rank)
    x = f.input(shape)
    length = f.pick(1, 1, 1, 2, 3, 4, 6)
    for step in range(length):
        fits = [name] if step == 0 else [other for other, entry in usable.items() if len(shape) in entry.ranks]
        if not fits:
            break
        kept = len(f.nodes), len(f.stored), dict(f.inputs)
        y = usable[f.pick(*fits)].write(f, x, shape)
        if length == 1:
            return f, y
        session = runtime(f.model(y))
        zeros = {n: np.zeros(s, f.type) for n, s in f.inputs.items()}
        result = session if isinstance(session, str) else evaluated(session, zeros)
        if isinstance(result, str) or result.size > 4000:
            f.nodes, f.stored, f.inputs = f.nodes[: kept[0]], f.stored[: kept[1]], kept[2]
            continue
        x, shape = y, result.shape
    return (f, x) if f.nodes else None


Runtime = onnxruntime.InferenceSession | onnx.reference.ReferenceEvaluator

# operators that onnx's reference computes otherwise than its own specification says
UNRELIABLE = ("BatchNormalization", "ConvTranspose", "GlobalMaxPool", "MaxPool", "Resize", "Upsample")


def runtime(model: onnx.ModelProto) -> Runtime | str:
    """The model in onnxruntime, not optimised, or in onnx's reference where that has no kernel; or why it refuses."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many classes
        known = not any(node.domain or node.op_type in UNRELIABLE for node in model.graph.node)
        if "NOT_IMPLEMENTED" in str(error) and known:
            return onnx.reference.ReferenceEvaluator(model)
        return str(error)


def evaluated(session: Runtime, inputs: dict[str, np.ndarray]) -> np.ndarray | str:
    try:
        (result,) = session.run(None, inputs)
        return np.asarray(result)
    except Exception as error:
        return str(error)


FINDS = ("different", "alarm", "crash", "died")
PATIENCE = 60


@dataclass
class Outcome:
    """What became of a file, and why: invalid where nothing could be written, unheard where onnxruntime refuses it, refused by geolip,
    equal or different, an alarm of the self-check, a crash of geolip, or died where the whole process did."""

    kind: str
    detail: str = ""
    model: bytes = b""


def load(model: onnx.ModelProto, folder: Path | None) -> geolip.Network:
    """geolip's network; with the numbers in a file beside it where a folder is given."""
    if folder is None:
        return geolip.from_onnx(model)
    path = folder / "model.onnx"
    (folder / "numbers").unlink(missing_ok=True)
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    onnx.save(copy, path, save_as_external_data=True, location="numbers", size_threshold=0)
    return geolip.load(path)


def compare(seed: int, folder: Path | None = None) -> Outcome:
    """Writes the file of a seed and compares, in a process of its own: onnxruntime takes down its process on some files."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(compared(seed, folder)))
    process.start()
    sender.close()
    try:
        outcome = receiver.recv() if receiver.poll(PATIENCE) else Outcome("died", f"took {PATIENCE} seconds")
    except EOFError:
        process.join()
        outcome = Outcome("died", f"ended with {process.exitcode}")
    process.kill()
    process.join()
    return outcome


def compared(seed: int, folder: Path | None) -> Outcome:
    found = written(seed)
    if found is None:
        return Outcome("invalid")
    f, output = found
    model = f.model(output)
    data = model.SerializeToString()
    outside = folder if f.chance(0.05) else None
    try:
        network = load(model, outside)
    except geolip.UnsupportedNetworkError as error:
        return Outcome("refused", "; ".join(reason for _, reason in error.obstacles), data)
    except geolip.GeolipError as error:
        return Outcome("alarm" if "self-check" in str(error) else "refused", str(error), data)
    except BaseException as error:  # a panic is one
        if isinstance(error, KeyboardInterrupt):
            raise
        return Outcome("crash", repr(error), data)
    session = runtime(model)
    if isinstance(session, str):
        return Outcome("unheard", session, data)
    for scale in (0.0, 0.01, 1.0, 5.0, 100.0 if f.type != np.float16 else 10.0):
        difference = differs(f, network, session, scale)
        if difference:
            return Outcome(*difference, data)
    return Outcome("equal", model=data)


def differs(f: File, network: geolip.Network, session: Runtime, scale: float) -> tuple[str, str] | None:
    """How the two differ at a random input, if they do beyond rounding."""
    sizes = {name: int(np.prod(shape)) for name, shape in f.inputs.items()}
    given = {
        n: np.array([scale * f.random.gauss(0, 1) for _ in range(size)]).astype(f.type) for n, size in sizes.items()
    }
    expected = evaluated(session, {name: array.reshape(f.inputs[name]) for name, array in given.items()})
    if isinstance(expected, str):
        return "unheard", expected
    by = "" if isinstance(session, onnxruntime.InferenceSession) else ", by onnx's reference,"
    expected = expected.astype(np.float64).ravel()
    read = network.info["inputs"]
    x = np.concatenate([given[port["name"]].astype(np.float64) for port in read]) if read else np.zeros(0)
    found = network(x)
    if found.shape != expected.shape:
        return "different", f"{found.shape} outputs instead of {expected.shape}"
    stored = [np.abs(a).max() for a in map(numpy_helper.to_array, f.stored) if a.dtype == f.type and a.size]
    around = max([1.0, *(size for size in stored if size < 1e4)]) * max(1.0, np.abs(x).max(initial=0.0))
    around = max(around, np.abs(found).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        off = np.where(found == expected, 0.0, np.abs(found - expected))  # equal where both are infinite, too
    tolerance = (max(f.precision, 1e-6) if by else f.precision) * around
    half = f.precision >= PRECISION[np.float16]
    if (scale > 5 or half) and (not np.isfinite(expected).all() or np.abs(found).max(initial=0.0) > 6e4):
        return None  # what depends on the input is a function of real numbers, which do not overflow
    if off.size and not (off <= tolerance).all():
        at = int(np.nanargmax(np.where(np.isnan(off), np.inf, off)))
        return "different", f"at scale {scale}{by} output {at}: {found[at]} instead of {expected[at]}"
    return None


def anonymous(reason: str) -> str:
    """A reason without its names and numbers, to count it with others."""
    return re.sub(r"'[^']*'|\[[^]]*\]|-?\d[-+\w.]*", "…", reason.split("; ")[0])[:110]


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first file")
    parser.add_argument("--finds", type=Path, help="folder for the files in which the two differ")
    chosen = parser.parse_args()
    if chosen.finds:
        chosen.finds.mkdir(parents=True, exist_ok=True)
    kinds: collections.Counter[str] = collections.Counter()
    refusals: collections.Counter[str] = collections.Counter()
    try:
        for seed in range(chosen.seed, chosen.seed + chosen.count):
            outcome = compare(seed, chosen.finds)
            kinds[outcome.kind] += 1
            if outcome.kind == "refused":
                refusals[anonymous(outcome.detail)] += 1
            if outcome.kind in FINDS:
                nodes = onnx.load_from_string(outcome.model).graph.node if outcome.model else []
                names = " ".join(node.op_type for node in nodes if node.op_type != "Constant")
                print(f"{seed}: {outcome.kind}: {outcome.detail} [{names}]", flush=True)
                if chosen.finds:
                    (chosen.finds / f"{seed}.onnx").write_bytes(outcome.model)
    except KeyboardInterrupt:
        pass
    for reason, count in refusals.most_common():
        print(f"{count:6} refused: {reason}")
    print(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))


if __name__ == "__main__":
    main()
