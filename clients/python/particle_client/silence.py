"""The silence of a stream."""

from __future__ import annotations

import asyncio

__all__ = ["Silence"]


class Silence:
    """Cancels the current task when an open stream is silent for too long.

    `asyncio.wait_for` around each read would lose cancellations before Python 3.12.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.is_over = False
        """Whether the task was cancelled."""

    def hear(self) -> None:
        """Notes a sign of life."""
        self._heard = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(self._heard + self._seconds, self._check)

    def stop(self) -> None:
        """Stops to listen."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        end = self._heard + self._seconds
        if self._loop.time() < end:
            self._timer = self._loop.call_at(end, self._check)
        elif self._task is not None:
            self.is_over = True
            self._task.cancel()
