"""The one exception of this package."""

from __future__ import annotations

__all__ = ["ParticleError"]


class ParticleError(Exception):
    """Carries a failure of the server, of the connection or of a call.

    `code` is stable (`UNAUTHORIZED`, `FORBIDDEN`, `TIMED_OUT`, ...), and the message may be reworded.
    `status` is the HTTP status of a refused request, `retry_after` the seconds that its answer asks for,
    and `root` the root that an `error` event names. `__cause__` holds the exception behind it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        root: str | None = None,
        token: str | None = None,
        own: bool = False,
    ) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.root = root
        # What the connection needs to know: the token to present next, and whether Particle itself answered.
        self._token = token
        self._own = own

    @property
    def _is_unauthorized(self) -> bool:
        return self._own and self.status == 401

    @property
    def _is_final(self) -> bool:
        """Whether another try can't help."""
        return self._own and self.status in (400, 401, 413, 415)
