"""A proxy whose connections a test cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
    writer.close()


@asynccontextmanager
async def proxied(target: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Gives the proxy's address, and a function that cuts all its connections."""
    open_writers: list[asyncio.StreamWriter] = []
    host, port = urlsplit(target).hostname, urlsplit(target).port

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_server = await asyncio.open_connection(host, port)
        open_writers.extend((writer, to_server))
        await asyncio.gather(_copy(reader, to_server), _copy(upstream, writer), return_exceptions=True)

    def cut() -> None:
        for writer in open_writers:
            writer.transport.abort()
        open_writers.clear()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
    finally:
        server.close()
        cut()
