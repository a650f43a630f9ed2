"""Arrays of weights as users hold them, as the float32 or float64 numbers that a network is made of, or an error.

Nothing is dropped: not an imaginary part, a mask, a unit, or digits of a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import OptionError

PLAIN = (np.ndarray, np.matrix, np.memmap)


def numbers(given: npt.ArrayLike, what: str, axes: int) -> npt.NDArray[Any]:
    """`given` as an array of `axes` axes, float32 (if it is) or float64, with the very numbers it holds.

    Raises:
        OptionError: it holds something else; the message begins with `what`.
    """
    array = _array(given, what)
    if array.dtype.kind not in "fiub" or array.dtype.names is not None:
        hints = {"c": "give real numbers", "O": "give an array of one type, as .toarray() or .to_numpy(dtype=float) do"}
        hint = hints.get(array.dtype.kind, "give floating-point numbers")
        raise OptionError(f"{what} holds {array.dtype} numbers; {hint}")
    if array.ndim != axes:
        wanted = {1: "one number per neuron", 2: "a matrix of rows and columns"}[axes]
        raise OptionError(f"{what} has shape {array.shape}; give {wanted}")
    kept = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, dtype=kept)
    if not np.isfinite(floats).all():
        place = ", ".join(str(i) for i in np.argwhere(~np.isfinite(floats))[0])
        raise OptionError(f"{what} holds {floats[~np.isfinite(floats)][0]} at ({place}); give finite numbers")
    if array.dtype.itemsize >= 8 and array.dtype != np.float64 and not _is_exact(array, floats):
        raise OptionError(f"{what} holds {array.dtype} numbers that float64 rounds; give float64")
    return floats


def points(given: npt.ArrayLike, what: str) -> npt.NDArray[np.float64]:
    """Inputs of a network as float64, of any shape; NaN and infinity are left to the reader.

    Raises:
        OptionError: `given` holds something else than real numbers: a mask, an imaginary part, text.
    """
    array = _array(given, what)
    if array.dtype.kind not in "fiub" or array.dtype.names is not None:
        raise OptionError(f"{what} holds {array.dtype} numbers; give real numbers")
    return np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)


def _is_exact(array: npt.NDArray[Any], floats: npt.NDArray[Any]) -> bool:
    """Whether the floats are the very numbers of an array of integers or of more precise floats."""
    if array.dtype.kind == "f":
        return bool((floats.astype(array.dtype) == array).all())
    return all(int(f) == int(i) for f, i in zip(floats.ravel(), array.ravel(), strict=True) if abs(int(i)) > 1 << 53)


def _array(given: Any, what: str) -> npt.NDArray[Any]:
    if type(given).__module__.partition(".")[0] == "torch" and hasattr(given, "detach"):
        return _of_tensor(given, what)
    if isinstance(given, list | tuple):
        _only_numbers(given, what)
    elif isinstance(given, np.ma.MaskedArray):
        raise OptionError(f"{what} is a masked array; fill in what is masked, as .filled(0.0) does")
    elif isinstance(given, np.ndarray) and type(given) not in PLAIN:
        raise OptionError(f"{what} is a {type(given).__name__}, which may hold more than numbers; give its plain array")
    elif isinstance(given, str | bytes | dict | set):
        raise OptionError(f"{what} is a {type(given).__name__}; give an array")
    try:
        array = np.asarray(given)
    except Exception as error:
        raise OptionError(f"{what} is not an array of numbers: {_line(error)}") from None
    if isinstance(array, np.ma.MaskedArray):
        raise OptionError(f"{what} is masked; fill in what is masked")
    return array


def _only_numbers(given: Any, what: str) -> None:
    """Refuses lists with masked values or other containers inside, of which NumPy keeps a part alone."""
    for part in given:
        if isinstance(part, list | tuple):
            _only_numbers(part, what)
        elif isinstance(part, np.ma.MaskedArray):  # also the constant `masked`
            raise OptionError(f"{what} holds a masked value; fill in what is masked")
        elif type(part) not in (int, float, bool, complex, *PLAIN) and not isinstance(part, np.number | np.bool_):
            raise OptionError(f"{what} is a list with a {type(part).__name__} in it; give one array")


def _of_tensor(given: Any, what: str) -> npt.NDArray[Any]:
    import torch

    if type(given) not in (torch.Tensor, torch.nn.Parameter):
        raise OptionError(f"{what} is a {type(given).__name__}, which may hold more than numbers; give a plain tensor")
    if given.layout is not torch.strided or given.is_quantized or given.is_nested:
        raise OptionError(f"{what} is a sparse, quantised or nested tensor; give .to_dense() or .dequantize()")
    if given.is_complex():
        raise OptionError(f"{what} holds {given.dtype} numbers; give real numbers")
    try:
        plain = given.detach().cpu().resolve_neg()
        half = plain.is_floating_point() and plain.element_size() < 4
        return np.asarray((plain.float() if half else plain).numpy())
    except Exception as error:  # a tensor without numbers, of the device "meta"
        raise OptionError(f"{what} is a tensor that cannot be read: {_line(error)}") from None


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
