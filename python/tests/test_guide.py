"""Every code block of the guide and of the README's Python part runs, page by page, in an empty folder."""

import json
import re
import shlex

import pytest
from conftest import ROOT

PAGES = [*sorted((ROOT / "docs/guide").glob("*.md")), ROOT / "README.md"]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page, command_line, tmp_path, monkeypatch, capsys):
    text = page.read_text()
    blocks = BLOCK.findall(text)
    if page.name == "README.md":
        blocks = [(kind, block) for kind, block in blocks if kind == "python"]  # the console is the CLI's tests
    if any("import torch" in block for _, block in blocks):
        pytest.importorskip("torch")
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "guide"}
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, page.name, "exec"), names)
        else:
            for line in re.findall(r"^\$ geolip (.*)$", block, re.M):
                command_line(*shlex.split(line, comments=True))


def test_the_notebook_runs_from_top_to_bottom(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    folder = ROOT / "examples/notebooks"
    monkeypatch.chdir(folder)
    names = {"__name__": "notebook"}
    for cell in json.loads((folder / "geolip.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
