"""The client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType

import httpx

from .changes import Changes
from .errors import ParticleError
from .hub import Hub
from .link import Link
from .session import Identity, Session
from .store import Store
from .transport import Transport
from .types import JSON, Change, Documents, Status
from .watched import Watched
from .watching import WatchList, root_name

__all__ = ["Client"]

_log = logging.getLogger("particle_client")

ASK_AGAIN = 45.0
"""Seconds after which a client names a position again that it waits for: the server forgets it after 60."""


class Client:
    """Keeps a local model equal to what the server lets this client see.

    `url` is the address of the server's path (`https://example.com/particle`). `identity` is any JSON for the
    server's lookup, or a function that returns it, also an asynchronous one. `headers` go with each request.
    `http` is an `httpx.AsyncClient` of the application, which stays open. `delays` are the shortest and the
    longest time in seconds before the client connects again. `timeout` limits each request, in seconds.
    The callbacks may raise: the client logs that, and goes on.
    """

    def __init__(
        self,
        url: str,
        *,
        identity: Identity = None,
        headers: Mapping[str, str] | None = None,
        http: httpx.AsyncClient | None = None,
        delays: tuple[float, float] = (1.0, 30.0),
        timeout: float = 10.0,
        on_change: Callable[[Change], object] | None = None,
        on_error: Callable[[ParticleError], object] | None = None,
        on_status: Callable[[Status], object] | None = None,
    ) -> None:
        self._store = Store()
        self._hub = Hub(self._store, {"change": on_change, "error": on_error, "status": on_status})
        self._watches = WatchList()
        self._transport = Transport(url, http, headers, timeout)
        session = Session(self._transport, identity)
        self._link = Link(self._transport, session, self._store, self._watches, delays, self._hub)
        self._task: asyncio.Task[None] | None = None

    @property
    def data(self) -> Mapping[str, Documents]:
        """The documents of each root, by the root's name."""
        return self._store

    @property
    def manifest(self) -> Mapping[str, JSON]:
        """The fields of each root that this client may see."""
        return self._store.manifest

    @property
    def status(self) -> Status:
        """What the connection does at the moment."""
        return self._link.board.status

    @property
    def error(self) -> ParticleError | None:
        """Why the client was refused or closed, once it was."""
        return self._hub.error

    async def __aenter__(self) -> Client:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Starts to connect. `async with` does it too."""
        if self._task is None and self.error is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Closes the connection for good."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        self._hub.end(ParticleError("CLOSED", "The client was closed"))
        self._link.board.show("closed")
        await self._transport.close()

    async def ready(self, timeout: float | None = None) -> None:
        """Waits until the model is complete for the first time. Raises if the client is refused or closed."""
        await _within(self._hub.is_ready.wait(), timeout, "The model was not complete in time")
        if self.error is not None:
            raise self.error

    def changes(self, root: str | None = None, *, most: int = 10_000) -> Changes:
        """Iterates over the changes from now on, of all roots or of one."""
        return self._hub.subscribe(root, most)

    def watch(self, source: str, params: Mapping[str, JSON], *, limit: int | None = None) -> Watched:
        """Follows a source with parameters. Await the result to wait for its documents.

        `limit` asks for more documents than the source gives by default. Close the result to end the watch.
        """
        watched = Watched(root_name(source, params), self._store, self.changes, self._release)
        self._hub.follow(watched, limit)
        self._want(watched.name)
        return watched

    async def reached(self, position: str, timeout: float | None = 10.0) -> None:
        """Waits until the model has everything up to the position of a write, which your server returns."""
        arrival = self._hub.wait_for(position)
        self._link.requests.positions.add(position)
        try:
            await _within(self._arrive(arrival, position), timeout, "The position was not reached in time")
        finally:
            if self._hub.stop_waiting(position, arrival):
                self._link.requests.positions.discard(position)

    async def _arrive(self, arrival: asyncio.Future[None], position: str) -> None:
        while not arrival.done():
            self._link.requests.reach(position)
            await asyncio.wait({arrival}, timeout=ASK_AGAIN)
        arrival.result()

    def _release(self, watched: Watched) -> None:
        if self._hub.unfollow(watched):
            self._want(watched.name)

    def _want(self, name: str) -> None:
        wanted, limit = self._hub.limit(name)
        if wanted:
            self._watches.wanted[name] = limit
        else:
            self._watches.wanted.pop(name, None)
        self._link.requests.watch()

    async def _run(self) -> None:
        try:
            self._hub.end(await self._link.run())
        except Exception as error:
            _log.exception("The client has failed")
            failure = ParticleError("CLOSED", "The client has failed")
            failure.__cause__ = error
            self._hub.end(failure)
            self._link.board.show("closed")


async def _within(work: Awaitable[object], timeout: float | None, message: str) -> None:
    try:
        await asyncio.wait_for(work, timeout)
    except asyncio.TimeoutError:
        raise ParticleError("TIMED_OUT", message) from None
