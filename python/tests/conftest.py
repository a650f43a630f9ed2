"""Where things are, and the command line to compare with."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def models():
    return ROOT / "models"


@pytest.fixture(scope="session")
def command_line():
    """Runs `geolip …` (built by cargo, or named by GEOLIP) and returns the finished process."""
    program = os.environ.get("GEOLIP") or ROOT / "target/release/geolip"
    program = shutil.which(program)
    if program is None:
        pytest.skip("the command line is not built: cargo build --release")

    def run(*arguments, check=True):
        command = [program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=check)

    return run


@pytest.fixture(scope="session")
def command_line_json(command_line):
    """Runs `geolip … --json` and returns the object it prints."""
    return lambda *arguments: json.loads(command_line(*arguments, "--json").stdout)
