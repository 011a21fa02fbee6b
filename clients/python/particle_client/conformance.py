"""The driver for Particle's conformance pack: commands on the standard input, answers on the standard output.

`npx particle conformance --client "python -m particle_client.conformance"`
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping

from .client import Client
from .errors import ParticleError
from .types import JSON
from .watched import Watched
from .watching import root_name

__all__ = ["Driver"]

Command = Mapping[str, JSON]
Answer = dict[str, JSON]


class Driver:
    """Runs one client after the other, as the commands say."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._errors: list[JSON] = []
        self._watches: dict[str, Watched] = {}

    async def answer(self, command: Command) -> Answer:
        """Runs a command, and returns its answer."""
        run = getattr(self, f"do_{command.get('do')}", None)
        if run is None:
            return {"unsupported": True}
        try:
            answer: Answer = await run(command)
            return answer
        except ParticleError as error:
            return {"error": error.code}

    async def do_connect(self, command: Command) -> Answer:
        self._errors, self._watches = [], {}
        self._client = Client(
            str(command["url"]),
            identity=command.get("identity"),
            on_error=lambda e: self._errors.append(e.code),
        )
        self._client.start()
        return {}

    async def do_state(self, _: Command) -> Answer:
        client = self._connected()
        refused: list[JSON] = [watched.error.code for watched in self._watches.values() if watched.error]
        final: list[JSON] = [client.error.code] if client.status == "refused" and client.error else []
        data: dict[str, JSON] = {root: list(documents) for root, documents in client.data.items()}
        return {"status": client.status, "data": data, "errors": self._errors + refused + final}

    async def do_watch(self, command: Command) -> Answer:
        source, params = _watch_of(command)
        self._watches[root_name(source, params)] = self._connected().watch(source, params)
        return {}

    async def do_unwatch(self, command: Command) -> Answer:
        self._watches.pop(root_name(*_watch_of(command))).close()
        return {}

    async def do_reached(self, command: Command) -> Answer:
        await self._connected().reached(str(command["position"]))
        return {}

    async def do_close(self, _: Command) -> Answer:
        await self._connected().close()
        return {}

    def _connected(self) -> Client:
        if self._client is None:
            raise ParticleError("CLOSED", "There is no client: connect first")
        return self._client


def _watch_of(command: Command) -> tuple[str, Mapping[str, JSON]]:
    params = command.get("params")
    return str(command["source"]), params if isinstance(params, dict) else {}


async def main() -> None:
    """Reads commands until the standard input ends."""
    driver = Driver()
    tasks: set[asyncio.Task[None]] = set()

    async def run(line: bytes) -> None:
        command = json.loads(line)
        answer = {"id": command["id"], **await driver.answer(command)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    reader = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        # Without a reference, a task may be collected before it ends.
        task = asyncio.create_task(run(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
