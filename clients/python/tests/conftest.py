"""What the tests share."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

HERE = Path(__file__).parent

settings.register_profile("default", deadline=None, max_examples=60)
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def run(work: Callable[[], Coroutine[Any, Any, None]], timeout: float = 60) -> None:
    """Runs an asynchronous test."""

    async def within() -> None:
        await asyncio.wait_for(work(), timeout)

    asyncio.run(within())


async def eventually(condition: Callable[[], object], timeout: float = 30) -> None:
    """Waits until the condition holds."""
    deadline = asyncio.get_running_loop().time() + timeout
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail("The condition did not hold in time")
        await asyncio.sleep(0.005)


def node(script: str) -> subprocess.Popen[str]:
    """Starts a script of this folder with Node, or skips the test where Particle is not built."""
    program = shutil.which("node")
    if program is None or not (HERE / "../../../dist/index.js").exists():
        pytest.skip("needs node, and `npm run build` in the repository")
    return subprocess.Popen(
        [program, str(HERE / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a real server."""
    process = node("server.mjs")
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.terminate()
    process.wait()
