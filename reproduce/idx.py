"""Reads the idx files of MNIST, plain or gzipped."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

FILES = (
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-labels-idx1-ubyte",
)
UNSIGNED_BYTES = 8  # the type code of idx


class NotMnist(Exception):
    """The folder does not hold MNIST as idx files."""


def read(path: Path) -> npt.NDArray[np.uint8]:
    """The array of one idx file of unsigned bytes."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != UNSIGNED_BYTES:
        raise NotMnist(f"{path} is no idx file of unsigned bytes")
    axes = raw[3]
    if len(raw) < 4 + 4 * axes:
        raise NotMnist(f"{path} ends within its header")
    shape = struct.unpack(f">{axes}I", raw[4 : 4 + 4 * axes])
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * axes)
    if values.size != int(np.prod(shape)):
        raise NotMnist(f"{path} holds {values.size} numbers, its header says {shape}")
    return values.reshape(shape)


def mnist(
    folder: Path,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Training and test images as float32 rows in [0, 1], and their labels."""
    arrays = [read(find(folder, name)) for name in FILES]
    for name, array in zip(FILES, arrays, strict=True):
        if array.ndim != (3 if "images" in name else 1):
            raise NotMnist(f"{folder / name} has {array.ndim} axes")
    images = [(a.reshape(len(a), -1) / np.float32(255)).astype(np.float32) for a in arrays[:2]]
    labels = [a.astype(np.intp) for a in arrays[2:]]
    for x, y in zip(images, labels, strict=True):
        if len(x) != len(y):
            raise NotMnist(f"{folder} has {len(x)} images and {len(y)} labels")
        if x.shape[1] != 784:
            raise NotMnist(f"{folder} has images of {x.shape[1]} pixels, not 784")
    return images[0], images[1], labels[0], labels[1]


def find(folder: Path, name: str) -> Path:
    """The file of that name, or with a dot in the place of the last dash, gzipped or not."""
    for candidate in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            path = folder / f"{candidate}{suffix}"
            if path.is_file():
                return path
    raise NotMnist(f"{folder} has no {name}; --data takes the folder with the four idx files of MNIST")
