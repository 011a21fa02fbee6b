"""Those who follow the client: watches, iterators, waiters and callbacks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakSet

from .changes import Changes
from .errors import ParticleError
from .types import Change, Documents, Status
from .watched import Watched

__all__ = ["Hub"]

_log = logging.getLogger("particle_client")


class Hub:
    """Reports what the connection reports to all who follow the client."""

    def __init__(
        self, data: Mapping[str, Documents], callbacks: Mapping[str, Callable[[Any], object] | None]
    ) -> None:
        self._data = data
        self._callbacks = callbacks
        self._subscriptions: WeakSet[Changes] = WeakSet()
        self._watches: dict[str, dict[Watched, int | None]] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self.is_ready = asyncio.Event()
        self.error: ParticleError | None = None

    def subscribe(self, root: str | None, most: int) -> Changes:
        """Returns an iterator over the changes from now on."""
        subscription = Changes(root, most, self._subscriptions.discard)
        if self.error is not None:
            self._end_subscription(subscription, self.error)
        self._subscriptions.add(subscription)
        return subscription

    def follow(self, watched: Watched, limit: int | None) -> None:
        """Adds a watch."""
        if self.error is not None:
            watched.refuse(self.error)
            return
        self._watches.setdefault(watched.name, {})[watched] = limit
        if watched.name in self._data:
            watched.load()

    def unfollow(self, watched: Watched) -> bool:
        """Removes a watch. Returns whether it was there."""
        watches = self._watches.get(watched.name, {})
        there = watches.pop(watched, 0) != 0
        if not watches:
            self._watches.pop(watched.name, None)
        return there

    def limit(self, name: str) -> tuple[bool, int | None]:
        """Returns whether a root is watched, and the longest window that a watch of it wants."""
        limits = self._watches.get(name, {}).values()
        return bool(limits), max((limit for limit in limits if limit is not None), default=None)

    def wait_for(self, position: str) -> asyncio.Future[None]:
        """Returns a future that is done when the position is reached."""
        arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            arrival.set_exception(self.error)
        else:
            self._waiting.setdefault(position, set()).add(arrival)
        return arrival

    def stop_waiting(self, position: str, arrival: asyncio.Future[None]) -> bool:
        """Removes a waiter. Returns whether it was the last one for the position."""
        waiting = self._waiting.get(position, set())
        waiting.discard(arrival)
        if not waiting:
            self._waiting.pop(position, None)
        return not waiting

    def end(self, error: ParticleError) -> None:
        """Tells all who wait that nothing more comes."""
        if self.error is not None:
            return
        self.error = error
        self.is_ready.set()
        for subscription in list(self._subscriptions):
            self._end_subscription(subscription, error)
        for watched in [watched for watches in self._watches.values() for watched in watches]:
            watched.refuse(error)
        for arrival in [arrival for waiting in self._waiting.values() for arrival in waiting]:
            if not arrival.done():
                arrival.set_exception(error)

    def _end_subscription(self, subscription: Changes, error: ParticleError) -> None:
        subscription.end(None if error.code == "CLOSED" else error)

    def _call(self, name: str, value: object) -> None:
        callback = self._callbacks.get(name)
        if callback is not None:
            try:
                callback(value)
            except Exception:
                _log.exception("The callback on_%s has raised", name)

    def changed(self, changes: list[Change]) -> None:
        """Reports the changes of one event."""
        for change in changes:
            if change.kind == "load":
                for watched in list(self._watches.get(change.root, ())):
                    watched.load()
        if changes:
            for subscription in list(self._subscriptions):
                subscription.put(changes)
        for change in changes:
            self._call("change", change)

    def completed(self) -> None:
        """Notes that the model is complete."""
        self.is_ready.set()

    def failed(self, error: ParticleError) -> None:
        """Reports a failure from which the client recovers."""
        _log.info("%s", error)
        self._call("error", error)

    def watch_refused(self, root: str, error: ParticleError) -> None:
        """Ends the watches of a root that the server refuses."""
        for watched in self._watches.pop(root, {}):
            watched.refuse(error)

    def reached(self, position: str) -> None:
        """Notes that the model has everything up to a position."""
        for arrival in self._waiting.get(position, ()):
            if not arrival.done():
                arrival.set_result(None)

    def status_changed(self, status: Status) -> None:
        """Reports the status."""
        self._call("status", status)
