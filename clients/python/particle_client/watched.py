"""The handle of a watched root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from types import TracebackType

from .changes import Changes
from .errors import ParticleError
from .types import Documents

__all__ = ["Watched"]


class Watched:
    """A root that is followed with parameters. Await it, or enter it, to wait for its documents.

    ```
    room = await client.watch("messages", {"room": 7})
    async with client.watch("messages", {"room": 7}) as room: ...
    ```

    A refused root raises the server's error (`FORBIDDEN`, `INVALID_PARAMS`, ...). A watch that was refused
    stays refused, with the reason in `error`: watch the root again when its right is there.
    """

    def __init__(
        self,
        name: str,
        data: Mapping[str, Documents],
        changes: Callable[[str], Changes],
        release: Callable[[Watched], None],
    ) -> None:
        self.name = name
        """The root's full name: `messages?{"room":7}`."""
        self.error: ParticleError | None = None
        """Why the watch has ended, once it has."""
        self._data = data
        self._changes = changes
        self._release = release
        self._loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def documents(self) -> Documents:
        """The documents of the moment. There are none until the root is loaded."""
        return self._data.get(self.name, Documents())

    def changes(self) -> Changes:
        """Iterates over the changes of this root."""
        return self._changes(self.name)

    async def ready(self) -> Watched:
        """Waits until the documents have arrived."""
        try:
            await asyncio.shield(self._loaded)
        except BaseException:
            # Nobody holds the result of an `await` that failed: nobody could close it.
            self.close()
            raise
        return self

    def close(self) -> None:
        """Ends the watch. The root's documents are dropped with the last watch of it."""
        self._release(self)
        if self.error is None:
            self.refuse(ParticleError("CLOSED", f"The watch of {self.name!r} was closed", root=self.name))

    def load(self) -> None:
        """Notes that the documents have arrived."""
        if not self._loaded.done():
            self._loaded.set_result(None)

    def refuse(self, error: ParticleError) -> None:
        """Ends the watch."""
        self.error = error
        if not self._loaded.done():
            self._loaded.set_exception(error)
            # An error that nobody waits for is in `error`, and needs no warning.
            self._loaded.exception()

    def __await__(self) -> Generator[None, None, Watched]:
        return self.ready().__await__()

    async def __aenter__(self) -> Watched:
        return await self.ready()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Watched({self.name!r})"
