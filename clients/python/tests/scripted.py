"""A server whose answers a test scripts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

Answer = tuple[int, Any]


class Stream:
    """One open stream."""

    def __init__(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._writer = writer

    def send(self, event: str, data: dict[str, Any] | list[Any], id: str | None = None) -> None:
        """Sends an event."""
        line = "" if id is None else f"id: {id}\n"
        self.raw(f"{line}event: {event}\ndata: {json.dumps(data)}\n\n".encode())

    def raw(self, chunk: bytes) -> None:
        """Sends bytes."""
        self._writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def begin(self, *roots: str, resumed: bool = False, together: list[list[str]] | None = None) -> None:
        """Sends the manifest."""
        manifest: dict[str, Any] = {"protocol": 2, "timestamp": "t", "resumed": resumed}
        manifest["sources"] = dict.fromkeys(roots, True)
        self.send("manifest", manifest if together is None else {**manifest, "together": together})

    def load(self, root: str, *documents: dict[str, Any]) -> None:
        """Sends the documents of a root."""
        self.send("payload", {"root": root, "timestamp": "t", "data": documents, "part": 0, "last": True})

    def delta(self, root: str, *operations: dict[str, Any], id: str | None = None, **more: bool) -> None:
        """Sends a delta, without a timestamp."""
        steps = [[each["operation"], each["id"], each["path"], *_rest(each)] for each in operations]
        self.send("delta", [root, *steps, *([more] if more else [])], id)

    def end(self) -> None:
        """Ends the stream in order."""
        self._writer.write(b"0\r\n\r\n")
        self._writer.close()

    def cut(self) -> None:
        """Breaks the connection."""
        self._writer.transport.abort()


def _rest(operation: dict[str, Any]) -> list[Any]:
    if "at" in operation:
        return [operation.get("data"), operation["at"]]
    return [operation["data"]] if "data" in operation else []


class ScriptedServer:
    """Answers the routes of the protocol. A test takes the streams, and may replace the answers."""

    def __init__(self) -> None:
        self.url = ""
        self.streams: asyncio.Queue[Stream] = asyncio.Queue()
        self.opened: list[Stream] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "handshake": self._handshake,
            "stream": lambda _: (200, None),
            "watch": lambda _: (200, {"live": True, "refused": [], "watch": []}),
            "reached": lambda _: (200, {"live": True}),
        }
        self.heartbeat = 10_000
        self._handshakes = 0

    def _handshake(self, _: dict[str, Any]) -> Answer:
        self._handshakes += 1
        answer = {"token": f"t{self._handshakes}", "expiresAt": "2999-01-01T00:00:00.000Z", "live": True}
        return 200, {**answer, "heartbeat": self.heartbeat, "protocol": 2}

    def bodies(self, route: str) -> list[dict[str, Any]]:
        """The bodies of the requests to a route."""
        return [body for name, body in self.requests if name == route]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection."""
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = json.loads(await reader.readexactly(int(fields.get("content-length", 0))) or "{}")
            route = lines[0].split()[1].rpartition("/")[2]
            self.requests.append((route, body))
            status, answer = self.answers[route](body)
            if answer is None:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
                writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
                # A stream that nobody holds would be closed by the garbage collection.
                self.opened.append(Stream(body, writer))
                self.streams.put_nowait(self.opened[-1])
                return
            text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)


def refusal(status: int, code: str, **more: str) -> Answer:
    """An answer in the form of Particle's refusals."""
    return status, {"error": {"code": code, "message": "no", **more}}


@asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedServer]:
    """Runs a scripted server."""
    script = ScriptedServer()
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(script.serve(reader, writer))
        connections.add(task)
        await asyncio.wait({task})
        task.cancelled() or task.exception()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/particle"
    try:
        yield script
    finally:
        server.close()
        for task in connections:
            task.cancel()
