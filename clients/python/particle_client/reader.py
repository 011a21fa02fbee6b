"""What the events of a stream do: to the model, to the watched roots and to the position."""

from __future__ import annotations

from typing import Protocol

from .errors import ParticleError
from .events import (
    Delta,
    Event,
    Failure,
    Manifest,
    Payload,
    Reached,
    Ready,
    Renew,
    Reset,
    Revoked,
    SessionToken,
    Watching,
    decode_event,
)
from .eventstream import Message
from .session import Session
from .store import Store
from .types import JSON, Change
from .watching import WatchList, entries_of, limits_of

__all__ = ["Reader", "StreamHost"]

_WITHDRAWN = ("", "none")


class StreamHost(Protocol):
    """What the reader reports to the connection."""

    def began(self) -> None: ...
    def changed(self, changes: list[Change]) -> None: ...
    def completed(self) -> None: ...
    def failed(self, error: ParticleError) -> None: ...
    def reached(self, position: str) -> None: ...
    def refused(self, error: ParticleError) -> None: ...
    def renew(self) -> None: ...
    def was_reset(self) -> None: ...
    def watch_refused(self, root: str, error: ParticleError) -> None: ...


class Reader:
    """Takes the messages of one stream after the other."""

    def __init__(self, store: Store, watches: WatchList, session: Session, host: StreamHost) -> None:
        self._store = store
        self._watches = watches
        self._session = session
        self._host = host
        self._began = False
        self.position: str | None = None
        """What the client presents to resume. None if its documents are those of no position."""

    def request(self) -> dict[str, JSON]:
        """Returns the body of the request for the next stream."""
        self._began = False
        self._watches.opening()
        held, wanted = self._watches.held, self._watches.wanted
        if any(root in wanted and not self._store.holds(root) for root in held):
            # The position would say that the client has the documents of a root that it has dropped.
            self.position = None
        if self.position is None:
            held = self._watches.held = {}
        body: dict[str, JSON] = {"token": self._session.token}
        if self.position is not None:
            body["lastEventId"] = self.position
            if held or wanted:
                body["held"] = entries_of(held)
        if wanted:
            body["watch"] = entries_of(wanted)
        return body

    def take(self, message: Message) -> None:
        """Applies an event, and then takes its position. An event that can't be applied ends the stream."""
        try:
            event = None if message.data is None else decode_event(message.event, message.data)
            changes = [] if event is None else self._apply(event)
        except ParticleError:
            self.position = None
            raise
        except RecursionError as error:
            self.position = None
            raise ParticleError("INVALID_OPERATION", "A value is nested too deeply") from error
        if message.id is not None:
            # What a moment keeps is dropped with the stream: no position may say that it is here.
            withdrawn = message.id in _WITHDRAWN or self._store.keeping
            self.position = None if withdrawn else message.id
            self._watches.hold()
        self._host.changed(changes)
        if isinstance(event, Ready):
            self._host.completed()
        elif isinstance(event, Reached):
            self._host.reached(event.position)

    def _apply(self, event: Event) -> list[Change]:
        if isinstance(event, Manifest):
            return self._begin(event)
        if isinstance(event, Revoked):
            code = "REPLACED" if event.reason == "replaced" else "UNAUTHORIZED"
            self._host.refused(
                ParticleError(code, f"The server has ended the client's rights: {event.reason}")
            )
        elif isinstance(event, SessionToken):
            self._session.accept(event.token, event.expires_at)
        elif isinstance(event, Renew):
            self._host.renew()
        elif isinstance(event, Failure):
            if event.code == "TOKEN_EXPIRED":
                self._session.reject(None)
            self._fail(ParticleError(event.code, event.message, root=event.root))
        elif not isinstance(event, Reached):
            return self._change(event)
        return []

    def _fail(self, error: ParticleError) -> None:
        # An error of a root that the stream has, such as a failed source, refuses nothing.
        if error.root is not None and (error.code == "FORBIDDEN" or error.root not in self._store.manifest):
            self._host.watch_refused(error.root, error)
        self._host.failed(error)

    def _begin(self, manifest: Manifest) -> list[Change]:
        self._began = True
        if not manifest.resumed:
            self.position = None
            self._watches.held = {}
            self._host.was_reset()
        changes = self._store.begin(manifest, frozenset(self._watches.held))
        self._watches.opened(manifest.sources)
        self._host.began()
        return changes

    def _change(self, event: Watching | Payload | Delta | Ready | Reset) -> list[Change]:
        if not self._began:
            raise ParticleError("INVALID_MESSAGE", "An event came before the manifest")
        if isinstance(event, Watching):
            self._watches.present = limits_of(event.watch)
            return self._store.watching(event)
        if isinstance(event, Ready):
            self._watches.ready()
            return self._store.ready()
        if isinstance(event, Reset):
            self._store.reset(event.root)
            self._host.was_reset()
            return []
        return self._store.take(event)
