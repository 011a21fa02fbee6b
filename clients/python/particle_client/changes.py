"""The iterator over changes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType

from .errors import ParticleError
from .types import Change

__all__ = ["Changes"]


class Changes:
    """Yields each change of the model. Ends when the client is closed, and raises when it is refused.

    All changes of one transaction are in the model before the first of them is yielded. For a reader that
    falls behind by `most` changes, they are replaced by one `load` for each root: read its documents again.
    """

    def __init__(self, root: str | None, most: int, forget: Callable[[Changes], None]) -> None:
        self._root = root
        self._most = most
        self._forget = forget
        self._waiting: deque[Change] = deque()
        self._event = asyncio.Event()
        self._ended = False
        self._error: ParticleError | None = None

    def __aiter__(self) -> Changes:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._event.clear()
            await self._event.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Changes:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the iteration."""
        self._forget(self)
        self.end(None)

    def put(self, changes: list[Change]) -> None:
        """Takes the changes of one event."""
        self._waiting.extend(change for change in changes if self._root in (None, change.root))
        if len(self._waiting) > self._most:
            last = {change.root: change for change in self._waiting}
            self._waiting = deque(
                change if change.kind == "remove" else Change(root, "load") for root, change in last.items()
            )
        self._event.set()

    def end(self, error: ParticleError | None) -> None:
        """Ends the iteration after the changes that wait."""
        self._ended = True
        self._error = self._error or error
        self._event.set()
