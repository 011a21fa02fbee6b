"""The connection: one open stream, and the next one when it is lost."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .backoff import Backoff
from .errors import ParticleError
from .eventstream import EventStream
from .reader import Reader
from .requests import Requests
from .session import Session
from .silence import Silence
from .status import StatusBoard
from .store import Store
from .transport import Transport
from .types import Change, Status
from .watching import WatchList

__all__ = ["Link", "Observer"]

GOOD_AFTER = 1.0
"""Seconds after which a stream that was complete counts as good: the next one is opened at once."""

ASK_AGAIN = 5.0
"""Seconds after which a root is asked for again to which the server could not check the right."""
REFUSALS = ("FORBIDDEN", "INVALID_PARAMS", "LIMIT_EXCEEDED")
"""The codes by which a server refuses a watched root."""
FAULTS = ("INVALID_MESSAGE", "INVALID_OPERATION", "INVALID_PATH")
"""The codes of events that can't be applied."""


class Observer(Protocol):
    """What a link reports to its client."""

    def changed(self, changes: list[Change]) -> None: ...
    def completed(self) -> None: ...
    def failed(self, error: ParticleError) -> None: ...
    def reached(self, position: str) -> None: ...
    def status_changed(self, status: Status) -> None: ...
    def watch_refused(self, root: str, error: ParticleError) -> None: ...


class Link:
    """Follows the server until it is closed or refused."""

    def __init__(
        self,
        transport: Transport,
        session: Session,
        store: Store,
        watches: WatchList,
        delays: tuple[float, float],
        observer: Observer,
    ) -> None:
        self._transport = transport
        self._session = session
        self._watches = watches
        self._backoff = Backoff(*delays)
        self._observer = observer
        self._reader = Reader(store, watches, session, self)
        self._stream: asyncio.Task[None] | None = None
        self._reopening = False
        self._denied = False
        self._complete_since: float | None = None
        self._final: ParticleError | None = None
        self.is_open = False
        """Whether a stream has begun, so that requests about it find it."""
        self.board = StatusBoard(observer.status_changed)
        self.requests = Requests(transport, session, watches, lambda: Backoff(*delays), self)
        self.requests.refuse_watch = self.watch_refused
        self.changed = observer.changed
        self.failed = observer.failed
        self.reached = observer.reached

    async def run(self) -> ParticleError:
        """Keeps a stream open. Returns the reason when the server refuses the client for good."""
        try:
            while True:
                delay = await self._attempt()
                if self._final is not None:
                    self.board.show("refused")
                    return self._final
                await asyncio.sleep(delay)
        finally:
            self.requests.cancel()
            self.board.cancel()

    def reopen(self) -> None:
        """Replaces the open stream by another one, which goes on from the position."""
        if self._stream is not None and not self._reopening:
            self._reopening = True
            self._stream.cancel()

    async def _attempt(self) -> float:
        """Opens a stream and follows it to its end. Returns the seconds to wait before the next one."""
        try:
            if self._session.expired:
                await self._session.handshake()
        except ParticleError as error:
            if error._is_final:
                self._final = error
            else:
                self.board.lost(quietly=False)
                self.failed(error)
            return self._backoff.fail(error.retry_after)
        stream = self._stream = asyncio.ensure_future(self._follow())
        try:
            await asyncio.wait({stream})
            reopening = self._reopening
        finally:
            self._stream, self._reopening, self.is_open = None, False, False
            self.requests.cancel()
            stream.cancel()
            await asyncio.wait({stream})
        failure = None if stream.cancelled() else stream.exception()
        if failure is not None and not isinstance(failure, ParticleError):
            raise failure
        return self._ended(failure, reopening)

    def _ended(self, error: ParticleError | None, reopening: bool) -> float:
        """Decides what follows the end of a stream."""
        good = self._complete_since is not None and _now() - self._complete_since >= GOOD_AFTER
        self._complete_since = None
        if error is None:
            self.board.lost(quietly=True)
            return 0 if reopening else self._backoff.after(good)
        if error._is_unauthorized:
            # The token opens no stream: a handshake at once, but only once until the model is complete.
            again, self._denied = self._denied, True
            self._session.reject(error._token)
            self.board.lost(quietly=not again)
            return self._backoff.fail(error.retry_after) if again else 0
        if error._is_final:
            self._final = error
        self.board.lost(quietly=False)
        self.failed(error)
        if error.code in FAULTS and error.status is None:
            return self._backoff.fault()
        return self._backoff.fail(error.retry_after) if error.status else self._backoff.after(good)

    async def _follow(self) -> None:
        body = self._reader.request()
        self.requests.opening(body)
        silence = Silence(self._session.silence)
        try:
            async with self._transport.stream(body, self._session.silence) as chunks:
                self.board.opened()
                silence.hear()
                parser = EventStream()
                async for chunk in chunks:
                    silence.hear()
                    for message in parser.feed(chunk):
                        self._reader.take(message)
                        if self._final is not None:
                            return
        except asyncio.CancelledError:
            if not silence.is_over:
                raise
            raise ParticleError(
                "UNAVAILABLE", "The server was silent for two and a half heartbeats"
            ) from None
        finally:
            silence.stop()

    def began(self) -> None:
        """Notes that the stream has begun."""
        self.is_open = True
        self.requests.watch()
        self.requests.reach()

    def completed(self) -> None:
        """Notes that the model is complete."""
        self._denied = False
        self._backoff.succeed()
        self._complete_since = self._complete_since or _now()
        self.board.show("ready")
        self._observer.completed()

    def refused(self, error: ParticleError) -> None:
        """Ends the connection for good."""
        self._final = error
        self.reopen()

    def renew(self) -> None:
        """Makes a handshake beside the stream, because the server asks for it."""
        self.requests.renew()

    def watch_refused(self, root: str, error: ParticleError) -> None:
        """Gives a refused root up, or asks for it again if the server could not check the right to it."""
        if root not in self._watches.wanted:
            return
        if error.code in REFUSALS:
            self._watches.wanted.pop(root, None)
            self._watches.forget(root)
            self._observer.watch_refused(root, error)
        else:
            asyncio.get_running_loop().call_later(ASK_AGAIN, self._ask_again, root)

    def _ask_again(self, root: str) -> None:
        if root not in self._watches.present:
            self._watches.forget(root)
            self.requests.watch()

    def was_reset(self) -> None:
        """Notes that the documents of a root come again."""
        self.board.incomplete()


def _now() -> float:
    return asyncio.get_running_loop().time()
