"""What a Python value is, as plain data: equal for equal values and different for different ones, in any process.

Networks count by their hash, arrays and tensors by their numbers, files by their content, functions by their code and
everything it reads. What cannot be told is an error: a result is never taken for that of something else.
"""

from __future__ import annotations

import collections
import dis
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pickle
import site
import sys
import sysconfig
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import _geolip
from ._network import Network
from .errors import NetworkFileError, OptionError

Plain = str | int | float | bool | None | list[Any] | dict[str, Any]


BUILTIN = (
    *(types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType),
    *(types.ClassMethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType),
)
# entries of classes that say nothing of their own
SKIPPED = {
    *("__dict__", "__weakref__", "__doc__", "__annotations__", "__firstlineno__", "__static_attributes__"),
    *("__dataclass_fields__", "__dataclass_params__", "_abc_impl", "__annotate_func__", "__annotations_cache__"),
    "__slotnames__",  # pickle leaves it in classes
}
# what reads by names that are made as it runs
UNSEEN = {"globals", "eval", "exec", "__import__"}


class Identities:
    """Descriptions of values as JSON data, made once for each file and object."""

    def __init__(self, skip: Path) -> None:
        self._skip = os.path.abspath(skip)  # its content is not looked at
        self._files: dict[str, str] = {}
        self._open: dict[int, int] = {}
        self._known: dict[int, tuple[Any, Plain]] = {}

    def of(self, value: Any) -> Plain:
        """The value as plain data, by content.

        Raises:
            OptionError: it holds something of which the content cannot be told.
        """
        if value is None or isinstance(value, bool):
            return value
        if type(value) in (int, float):
            return {type(value).__name__: repr(value)}
        if type(value) is str:
            file = self._file(value) if 0 < len(value) < 4096 and "\0" not in value else None
            return value if file is None else {"file": value, "sha256": file}
        if isinstance(value, os.PathLike):
            path = os.fspath(value)
            return {"file": os.fsdecode(path), "sha256": self._file(os.fsdecode(path)) or "nothing there"}
        if type(value) in (bytes, bytearray):
            return {type(value).__name__: digest(bytes(value))}
        if isinstance(value, Network):
            return {"network": value.hash, "sha256": value.sha256, "name": value.name}
        if id(value) in self._open:
            return {"again": self._open[id(value)]}  # it holds itself
        if id(value) in self._known:
            return self._known[id(value)][1]
        self._open[id(value)] = len(self._open)
        try:
            found = self._compound(value)
        finally:
            del self._open[id(value)]
        if isinstance(value, types.FunctionType | types.ModuleType | type):
            self._known[id(value)] = value, found
        return found

    def of_job(self, job: Mapping[str, Any]) -> Plain:
        """A job of :func:`geolip.bound`, without what its result does not depend on."""
        parts: dict[str, Plain] = {}
        manner = {name for name, option in _geolip.options("bound").items() if option["kind"] == "manner"}
        for name, value in job.items():
            if name == "network":
                parts[name] = self._network(value)
            elif name == "checkpoint":
                parts[name] = None if value is None else os.fspath(value)  # the search writes it
            elif name not in manner:
                parts[name] = self.of(value)
        return parts

    def _network(self, value: Any) -> Plain:
        """A network or the path of its file, by what is bounded; or several."""
        if isinstance(value, Network):
            return {"network": value.hash}
        if isinstance(value, list | tuple):
            return [self._network(part) for part in value]
        if isinstance(value, str | os.PathLike):
            from ._network import load

            path = os.path.abspath(value)
            try:
                there = os.stat(path)
                stamp = f"{path} {there.st_ino} {there.st_size} {there.st_mtime_ns}"  # it may change while jobs run
            except OSError as error:
                raise NetworkFileError(f"{os.fspath(value)} cannot be read here: {error}") from error
            if stamp not in self._files:
                try:
                    self._files[stamp] = load(path).hash
                except (OSError, ValueError) as error:
                    raise NetworkFileError(f"{os.fspath(value)} cannot be read here: {error}") from error
            return {"network": self._files[stamp]}
        return self.of(value)

    def _compound(self, value: Any) -> Plain:
        kind = type(value)
        if kind in CONTENTS:
            return {kind.__name__: self._content(value, kind)}
        for base in CONTENTS:
            if isinstance(value, base):
                return {base.__name__: self._content(value, base), **self._own(value)}
        if isinstance(value, types.SimpleNamespace | types.MappingProxyType):
            return {kind.__name__: self.of(dict(value if isinstance(value, types.MappingProxyType) else vars(value)))}
        if isinstance(value, np.generic) or kind in (np.ndarray, np.memmap):
            return self._array(value)
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, functools.partial):
            parts = {"partial": self.of(value.func), "of": self.of(list(value.args)), "with": self.of(value.keywords)}
            return parts if kind is functools.partial and not vars(value) else {**parts, **self._own(value)}
        if isinstance(value, types.MethodType):
            return {"method": self.of(value.__func__), "of": self.of(value.__self__)}
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.CodeType):
            return self._code(value)
        if isinstance(value, BUILTIN):
            return {"builtin": value.__qualname__, "of": getattr(value, "__module__", None)}
        if isinstance(value, staticmethod | classmethod):
            return {kind.__name__: self.of(value.__func__)}
        if isinstance(value, property):
            return {"property": [self.of(value.fget), self.of(value.fset)]}
        if isinstance(value, functools.cached_property):
            return {"property": self.of(value.func)}
        if kind.__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
            return self._tensor(value)
        return self._object(value)

    def _content(self, value: Any, base: type) -> Plain:
        """What a container holds, as its base class sees it."""
        if base is collections.deque:
            return [self.of(value.maxlen), *(self.of(part) for part in base.__iter__(value))]
        if base in (list, tuple):
            return [self.of(part) for part in base.__iter__(value)]
        if base in (set, frozenset):
            return sorted(json.dumps(self.of(part), sort_keys=True) for part in base.__iter__(value))
        if base is dict:
            return [[self.of(key), self.of(part)] for key, part in dict.items(value)]
        return self.of(str.__str__(value) if base is str else bytes(value))

    def _own(self, value: Any) -> dict[str, Plain]:
        """What an object of a class derived from a known one has besides."""
        slots = {name for kind in type(value).__mro__ for name in _slots(kind)}
        held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
        held |= getattr(value, "__dict__", {})
        if isinstance(value, collections.defaultdict):
            held["default_factory"] = value.default_factory
        return {"class": self._class(type(value)), "own": {key: self.of(part) for key, part in sorted(held.items())}}

    def _array(self, value: Any) -> Plain:
        array = np.asarray(value)
        kind = "number" if isinstance(value, np.generic) else "array"
        if array.dtype.hasobject:
            return {kind: list(array.shape), "of": [self.of(part) for part in array.ravel().tolist()]}
        numbers = digest(np.ascontiguousarray(array).tobytes())
        return {kind: list(array.shape), "type": repr(array.dtype), "sha256": numbers}

    def _tensor(self, value: Any) -> Plain:
        import torch

        try:
            plain = value.detach().cpu().resolve_conj().resolve_neg()
            flat = plain.reshape(-1).contiguous().view(torch.uint8).numpy()
        except (RuntimeError, TypeError, NotImplementedError) as error:
            raise OptionError(f"a {value.layout} tensor cannot be compared with another: {error}") from None
        kind = f"{type(value).__name__} of {value.dtype}{', with gradient' if value.requires_grad else ''}"
        return {"tensor": list(value.shape), "type": kind, "sha256": digest(flat.tobytes())}

    def _module(self, value: types.ModuleType) -> Plain:
        if not _is_yours(value.__name__):
            return {"module": value.__name__, "version": _version(value.__name__)}
        parts = {name: part for name, part in vars(value).items() if not name.startswith("__")}
        return {"module": value.__name__, "of": {name: self.of(part) for name, part in sorted(parts.items())}}

    def _class(self, value: type) -> Plain:
        name = f"{value.__module__}.{value.__qualname__}"
        if not _is_yours(value.__module__):
            return {"class": name, "version": _version(value.__module__)}
        parts = {key: self.of(part) for key, part in sorted(vars(value).items()) if key not in SKIPPED}
        return {"class": name, "bases": [self.of(base) for base in value.__bases__], "of": parts}

    def _function(self, value: types.FunctionType) -> Plain:
        name = f"{value.__module__}.{value.__qualname__}"
        if not _is_yours(value.__module__):
            return {"function": name, "version": _version(value.__module__)}
        unseen = sorted(UNSEEN & _globals(value.__code__) - value.__globals__.keys())
        if unseen:
            raise OptionError(
                f"{name} calls {unseen[0]}, so what it reads cannot be determined, and no result can be kept for it; "
                "name what it reads, or leave resume out"
            )
        reads = {key: self.of(part) for key, part in sorted(reads_of(value).items())}
        reads |= {f"import {module}": self._imported(module) for module in sorted(_imports(value))}
        if {"environ", "getenv", "environb"} & _names(value.__code__):
            reads |= {f"environment {key}": os.environ.get(key) for key in sorted(_texts(value.__code__))}
        return {"function": name, "code": self._code(value.__code__), "reads": reads}

    def _imported(self, name: str) -> Plain:
        """A module that a function imports as it runs."""
        try:
            if name not in sys.modules and not _is_elsewhere(importlib.util.find_spec(name)):
                importlib.import_module(name)
        except Exception:
            return "nothing there"
        module = sys.modules.get(name)
        return {"module": name, "version": _version(name)} if module is None else self.of(module)

    def _code(self, code: types.CodeType) -> Plain:
        constants = [self.of(part) for part in code.co_consts]
        parts = [code.co_names, code.co_varnames, code.co_freevars, code.co_flags, code.co_argcount]
        return {"sha256": digest(code.co_code + json.dumps(parts).encode()), "constants": constants}

    def _object(self, value: Any) -> Plain:
        kind = self._class(type(value))
        held = getattr(value, "__dict__", None)
        if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
            return {"numbers": self._array(value), **self._own(value)}
        plain = all(getattr(type(value), name) is getattr(object, name) for name in ("__reduce__", "__reduce_ex__"))
        if held is not None and plain and not hasattr(type(value), "__slots__"):
            return {"object": kind, "of": {key: self.of(part) for key, part in sorted(held.items())}}
        if hasattr(value, "__wrapped__"):
            return {"object": kind, "wraps": self.of(value.__wrapped__)}
        try:
            pickled = digest(pickle.dumps(value, protocol=4))
            # a class of yours may pickle less than it holds
            parts = self._tellable(held) if held and _is_yours(type(value).__module__) else {}
            return {"object": kind, "pickled": pickled, "held": parts}
        except Exception as error:
            name = f"{type(value).__module__}.{type(value).__qualname__}"
            raise OptionError(
                f"what a {name} holds cannot be determined ({error}), so no result can be kept for it; "
                "give it as numbers, text or a file, or leave resume out"
            ) from None

    def _tellable(self, held: dict[str, Any]) -> Plain:
        """Of what an object holds beyond what it pickles, all that can be told."""
        told: dict[str, Plain] = {}
        for name, part in sorted(held.items()):
            try:
                told[name] = self.of(part)
            except OptionError:
                told[name] = type(part).__qualname__
        return told

    def _file(self, name: str) -> str | None:
        """SHA-256 of a file's content, if there is one of that name."""
        path = os.path.abspath(os.path.expanduser(name))
        key = f"content of {path}"
        if key not in self._files:
            try:
                if not os.path.isfile(path) or path == self._skip:
                    return None
                with open(path, "rb") as file:
                    self._files[key] = hashlib.file_digest(file, "sha256").hexdigest() if _NEW else digest(file.read())
            except (OSError, ValueError) as error:
                raise OptionError(f"{name} cannot be read: {error}") from error
        return self._files[key]


# known containers, and what is read of their subclasses besides
CONTENTS = (list, tuple, set, frozenset, dict, collections.deque, str, bytes, bytearray)
_NEW = sys.version_info >= (3, 11)


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def reads_of(function: types.FunctionType) -> dict[str, Any]:
    """What a function reads besides its arguments: defaults, closure, and globals that its code names."""
    code, found = function.__code__, {}
    for i, value in enumerate(function.__defaults__ or ()):
        found[f"default {i}"] = value
    for name, value in (function.__kwdefaults__ or {}).items():
        found[name] = value
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            found[name] = None  # not set yet
    found |= {f"attribute {name}": value for name, value in vars(function).items()}
    for name in _names(code):
        if name in function.__globals__ and name not in found:
            found[name] = function.__globals__[name]
    return found


def _parts(code: types.CodeType) -> list[types.CodeType]:
    """The code of a function and of those inside it."""
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return [code, *(part for each in inner for part in _parts(each))]


def _names(code: types.CodeType) -> set[str]:
    return {name for part in _parts(code) for name in part.co_names}


def _globals(code: types.CodeType) -> set[str]:
    """Names that the code looks up among globals and builtins; no attributes."""
    looked_up = ("LOAD_GLOBAL", "LOAD_NAME")
    return {str(i.argval) for part in _parts(code) for i in dis.get_instructions(part) if i.opname in looked_up}


def _texts(code: types.CodeType) -> set[str]:
    return {text for part in _parts(code) for text in part.co_consts if isinstance(text, str)}


def _imports(function: types.FunctionType) -> set[str]:
    """The modules that a function imports as it runs, by their whole names."""
    found: set[str] = set()
    for part in _parts(function.__code__):
        level: Any = 0
        constants: collections.deque[Any] = collections.deque([0, 0], maxlen=2)
        for i in dis.get_instructions(part):
            if i.opname.startswith("LOAD_") and ("CONST" in i.opname or "SMALL_INT" in i.opname):
                constants.append(i.argval)
            elif i.opname == "IMPORT_NAME":
                level, names = constants
                name = "." * int(level) + str(i.argval)
                package = function.__globals__.get("__package__") or ""
                try:
                    name = importlib.util.resolve_name(name, package)
                except ImportError:
                    continue
                found.add(name)
                found |= {f"{name}.{inner}" for inner in names or () if f"{name}.{inner}" in sys.modules}
    return found


def _is_elsewhere(spec: Any) -> bool:
    """Whether a module that is not imported yet is Python's, installed, or missing."""
    if spec is None or spec.origin is None or not os.path.isabs(spec.origin):
        return True
    return _is_installed(spec.origin)


def _slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ())
    return [slots] if isinstance(slots, str) else list(slots)


def _is_yours(module: str | None) -> bool:
    """Whether a module is neither Python's, nor installed, nor this package's; then its code counts."""
    top = (module or "").partition(".")[0]
    if top == "geolip":
        return False
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if file is None:
        return top not in {*sys.stdlib_module_names, *sys.builtin_module_names} - {"__main__"}
    return not _is_installed(file)  # also one of yours with a name of Python's


def _is_installed(file: str) -> bool:
    return any(Path(file).resolve().is_relative_to(folder) for folder in _installed())


@functools.cache
def _installed() -> tuple[Path, ...]:
    folders = {*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()}
    scripts = {sysconfig.get_path("scripts"), sysconfig.get_path("data")}
    return tuple(Path(folder).resolve() for folder in folders - scripts)


@functools.cache
def _version(module: str) -> str:
    """Of the package that a module belongs to."""
    top = module.partition(".")[0]
    found = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(found, str):
        return found
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        return sys.version.partition(" ")[0]
