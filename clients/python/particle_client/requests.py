"""The requests about an open stream: another list of watched roots, renewals, and positions to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .backoff import Backoff
from .errors import ParticleError
from .session import Session
from .transport import Transport
from .types import JSON
from .watching import WatchList, entries_of

__all__ = ["Requests"]

_PAUSES = (0.05, 0.2, 0.5)


class RequestHost(Protocol):
    """What the requests need of the connection."""

    @property
    def is_open(self) -> bool: ...
    def reopen(self) -> None: ...
    def failed(self, error: ParticleError) -> None: ...
    def refused(self, error: ParticleError) -> None: ...


class Requests:
    """Sends one request of each kind at a time, beside the stream."""

    def __init__(
        self,
        transport: Transport,
        session: Session,
        watches: WatchList,
        new_backoff: Callable[[], Backoff],
        host: RequestHost,
    ) -> None:
        self._transport = transport
        self._session = session
        self._watches = watches
        self._new_backoff = new_backoff
        self._host = host
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.refuse_watch: Callable[[str, ParticleError], None] = lambda _root, _error: None
        self.positions: set[str] = set()
        """The positions that the application waits for."""
        self._named: set[str] = set()

    def watch(self) -> None:
        """Tells the server which roots are wanted now."""
        self._begin("watch", self._watch)

    def renew(self) -> None:
        """Makes a handshake beside the open stream."""
        self._begin("renew", self._renew)

    def opening(self, body: dict[str, JSON]) -> None:
        """Names the positions in the request for a stream."""
        self._named = set(self.positions)
        if self._named:
            body["reached"] = list(self._named)

    def reach(self, again: str | None = None) -> None:
        """Names the positions that the server does not know, and one that it may have forgotten."""
        self._named.discard(again or "")
        self._begin("reach", self._reach)

    def cancel(self) -> None:
        """Cancels what is under way, because the stream has ended."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _begin(self, kind: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._tasks.get(kind)
        if self._host.is_open and (task is None or task.done()):
            self._tasks[kind] = asyncio.ensure_future(work())

    async def _watch(self) -> None:
        while True:
            added, removed = self._watches.difference()
            if not added and not removed:
                return
            body: dict[str, JSON] = {"add": entries_of(added), "remove": list(removed)}
            answer = await self._ask("watch", body)
            if answer is None:
                return
            self._watches.answered(added, removed)
            for root, error in refusals_of(answer.get("refused")):
                self.refuse_watch(root, error)

    async def _reach(self) -> None:
        while unknown := self.positions - self._named:
            if await self._ask("reached", {"position": list(unknown)}) is None:
                return
            self._named |= unknown

    async def _renew(self) -> None:
        backoff = self._new_backoff()
        while True:
            try:
                if not await self._session.handshake():
                    self._host.reopen()
                return
            except ParticleError as error:
                if error._is_final:
                    self._host.refused(error)
                    return
                self._host.failed(error)
                await asyncio.sleep(backoff.fail(error.retry_after))

    async def _ask(self, route: str, body: dict[str, JSON]) -> dict[str, JSON] | None:
        """Asks until the node that holds the stream answers. Opens another stream if none does."""
        backoff = self._new_backoff()
        pauses = iter(_PAUSES)
        while True:
            try:
                answer = await self._transport.post(route, {**body, "token": self._session.token})
                if answer.get("live") is True:
                    return answer
                pause = next(pauses, None)
            except ParticleError as error:
                self._host.failed(error)
                pause = None if error._is_unauthorized else backoff.fail(error.retry_after)
            if pause is None:
                self._host.reopen()
                return None
            await asyncio.sleep(pause)


def refusals_of(refused: JSON) -> list[tuple[str, ParticleError]]:
    """Returns the roots that an answer refuses, each with its error."""
    refusals = []
    for entry in refused if isinstance(refused, list) else []:
        if isinstance(entry, dict) and isinstance(root := entry.get("root"), str):
            code, message = entry.get("code"), entry.get("message")
            code = code if isinstance(code, str) else "FORBIDDEN"
            message = message if isinstance(message, str) else "The root may not be watched"
            refusals.append((root, ParticleError(code, message, root=root)))
    return refusals
