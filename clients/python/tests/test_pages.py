"""The code of README and of the guide."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
PAGES = [FOLDER / "README.md", FOLDER / "../../docs/guides/python.md"]


def blocks_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_is_python(page: Path) -> None:
    blocks = blocks_of(page)
    assert blocks
    for block in blocks:
        compile(block, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_example_of_the_readme_runs(server: str) -> None:
    example = blocks_of(PAGES[0])[0].replace("http://localhost:3000", server)
    command = [sys.executable, "-u", "-c", example]
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.terminate()
    assert all(line.startswith("Documents([") for line in lines)
