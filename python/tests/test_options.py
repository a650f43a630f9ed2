"""The package's signatures, documentation and stubs say what the engine's table of options says."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import geolip
from geolip import _bound, _geolip
from geolip._network import from_bytes

# by name in the table; what is not an option but what a function is about
FUNCTIONS = {name: getattr(geolip, name) for name in ("bound", "compare", "radius", "check", "load")}
SUBJECTS = {"network", "certificate", "path"}


def keywords(function):
    return {name: p for name, p in inspect.signature(function).parameters.items() if name not in SUBJECTS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_default_differs_from_the_table(name):
    expected = _geolip.defaults(name)
    found = {keyword: p.default for keyword, p in keywords(FUNCTIONS[name]).items()}
    if name == "radius":
        found["center"] = None  # it has to be given
    assert found == expected
    assert {keyword: type(value) for keyword, value in found.items()} == {k: type(v) for k, v in expected.items()}


@pytest.mark.parametrize("function", [from_bytes, geolip.from_onnx, geolip.from_torch])
def test_another_reader_has_its_own_defaults(function):
    expected = _geolip.defaults("load")
    own = {name: p.default for name, p in keywords(function).items() if name in expected}
    assert own == {name: expected[name] for name in own}


def entry(name, option):
    """An option as the documentation of a function shows it."""
    return textwrap.fill(f"{name}: {option['help']}.", 108, subsequent_indent="    ", break_on_hyphens=False)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_documentation_differs_from_the_table(name):
    """What is missing is shown as it has to stand in the list of arguments."""
    there = inspect.getdoc(FUNCTIONS[name])
    order = list(keywords(FUNCTIONS[name]))
    options = sorted(_geolip.options(name).items(), key=lambda item: order.index(item[0]))
    block = "\n".join(entry(*option) for option in options)
    assert textwrap.indent(block, "    ") in there, f"the arguments of geolip.{name} have to be:\n\n" + block


def test_a_type_checker_sees_other_options_than_python():
    source = ast.parse(Path(_bound.__file__).read_text(encoding="utf-8"))
    (typed,) = (node for node in ast.walk(source) if isinstance(node, ast.ClassDef) and node.name == "_Options")
    found = {field.target.id: ast.unparse(field.annotation) for field in typed.body}
    given = {name: p.annotation for name, p in keywords(geolip.bound).items()}
    assert found == {name: kind for name, kind in given.items() if name not in ("norm", "output", "center")}


def test_the_stub_has_a_default_of_its_own():
    """Defaults are the package's to give: the engine takes every value."""
    stub = ast.parse(Path(_bound.__file__).with_name("_geolip.pyi").read_text(encoding="utf-8"))
    own = [f for f in ast.walk(stub) if isinstance(f, ast.FunctionDef)]
    defaults = {(f.name, ast.unparse(value)) for f in own for value in f.args.defaults}
    assert {value for _, value in defaults} <= {"None"} and {f for f, _ in defaults} <= {"bound", "compare", "radius"}
    names = {f.name for f in own} | {node.name for node in ast.walk(stub) if isinstance(node, ast.ClassDef)}
    assert {name for name in vars(_geolip) if not name.startswith("_")} <= names


@pytest.mark.parametrize("name", ["bound", "compare", "radius", "check"])
def test_help_of_the_command_line_lacks_an_option(command_line, name):
    given = set(re.findall(r"^ {1,8}(?:-\w, )?--([a-z-]+)", command_line(name, "--help").stdout, re.M))
    progress = {"progress"}  # the command line draws a bar where it can
    assert {option.replace("_", "-") for option in _geolip.defaults(name).keys() - progress} <= given
