"""The times at which a client comes back."""

from __future__ import annotations

import random

__all__ = ["Backoff"]

MAX_RETRY_AFTER = 300.0


class Backoff:
    """Gives the delays before the next try: longer after each failure, and never the same for two clients."""

    def __init__(self, shortest: float = 1.0, longest: float = 30.0) -> None:
        self._shortest = shortest
        self._longest = longest
        self._failures = 0
        self._faults = 0

    def succeed(self) -> None:
        """Notes that the model was complete."""
        self._failures = 0

    def after(self, good: bool) -> float:
        """Returns the delay after the end of a stream: short if that was good."""
        return random.uniform(0, 0.3 * self._shortest) if good else self.fail()

    def fault(self) -> float:
        """Returns the delay after an event that can't be applied: longer each time, for ever."""
        self._failures = max(self._failures, self._faults)
        self._faults += 1
        return self.fail()

    def fail(self, retry_after: float | None = None) -> float:
        """Returns the delay after a failure, not shorter than the server asks for."""
        window = min(self._longest, self._shortest * 2.0 ** min(self._failures + 1, 30))
        self._failures += 1
        delay = random.uniform(self._shortest, window)
        if retry_after is None:
            return delay
        asked = min(retry_after, MAX_RETRY_AFTER)
        # Those that were turned away together must not come back together.
        return asked + random.uniform(0, min(delay, asked)) if asked > delay else delay
