"""What the connection does at the moment, as the application sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .types import Status

__all__ = ["StatusBoard"]

QUIET = 2.0
"""Seconds for which a client stays `ready` while it replaces a stream that ended in order."""


class StatusBoard:
    """Holds the status, and reports each change of it."""

    def __init__(self, report: Callable[[Status], None]) -> None:
        self._report = report
        self._timer: asyncio.TimerHandle | None = None
        self.status: Status = "connecting"

    def show(self, status: Status) -> None:
        """Shows a status. `refused` gives way to `closed` alone, and `closed` to none."""
        self.cancel()
        final = self.status == "closed" or (self.status == "refused" and status != "closed")
        if status != self.status and not final:
            self.status = status
            self._report(status)

    def opened(self) -> None:
        """Shows that the stream is open, unless it replaces another one quietly."""
        if self._timer is None:
            self.show("waiting")

    def incomplete(self) -> None:
        """Shows that a root is loaded again."""
        if self.status == "ready":
            self.show("waiting")

    def lost(self, quietly: bool) -> None:
        """Shows the loss of the stream: after two seconds only if it ended in order."""
        if self.status == "connecting":
            return
        if not (quietly and self.status == "ready"):
            self.show("reconnecting")
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(QUIET, self.show, "reconnecting")

    def cancel(self) -> None:
        """Stops the clock of a quiet replacement."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
