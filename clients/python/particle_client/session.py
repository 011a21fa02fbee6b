"""The session: the token, and the handshakes that renew it."""

from __future__ import annotations

import asyncio
import inspect
from datetime import datetime, timezone
from typing import cast

from .errors import ParticleError
from .json import check_json
from .transport import Transport
from .types import JSON

__all__ = ["Identity", "Session"]

Identity = object
"""Any value of JSON, or a function that returns it, also an asynchronous one."""


class Session:
    """Makes handshakes, and holds what the last one gave."""

    def __init__(self, transport: Transport, identity: Identity) -> None:
        if not callable(identity):
            _checked(identity, "INVALID_OPTION", "identity is")
        self._transport = transport
        self._identity = identity
        self._lock = asyncio.Lock()
        self._expires: datetime | None = None
        self.token: str | None = None
        self.silence = 37.5
        """Seconds without a byte after which a stream counts as lost: two and a half heartbeats."""

    @property
    def expired(self) -> bool:
        """Whether the token is missing, or has ended by the clock of this machine."""
        return self.token is None or self._expires is None or self._expires <= datetime.now(timezone.utc)

    async def handshake(self) -> bool:
        """Presents the identity. Returns whether the open stream goes on with the new token."""
        async with self._lock:
            body: dict[str, JSON] = {"identity": await self._present(), "carrier": "header"}
            if self.token is not None:
                body["previous"] = self.token
            answer = await self._transport.post("handshake", body)
            heartbeat = answer.get("heartbeat")
            if not isinstance(heartbeat, (int, float)) or isinstance(heartbeat, bool) or heartbeat <= 0:
                raise ParticleError("INVALID_MESSAGE", "The answer to the handshake has no heartbeat")
            self.accept(answer.get("token"), answer.get("expiresAt"))
            self.silence = heartbeat / 1000 * 2.5
            return answer.get("live") is True

    def accept(self, token: JSON, expires_at: JSON) -> None:
        """Takes a new token in place of the last one."""
        if not isinstance(token, str) or not isinstance(expires_at, str):
            raise ParticleError("INVALID_MESSAGE", "A token comes with the time at which it ends")
        try:
            expires = datetime.fromisoformat(expires_at.replace("Z", "+00:00"))
        except ValueError as error:
            raise ParticleError("INVALID_MESSAGE", "expiresAt is not a time in ISO 8601") from error
        self._expires = expires if expires.tzinfo else expires.replace(tzinfo=timezone.utc)
        self.token = token

    def reject(self, token: str | None) -> None:
        """Notes that the token opens no stream. `token` is the one to present in its place, if any."""
        self._expires = None
        self.token = token or self.token

    async def _present(self) -> JSON:
        if not callable(self._identity):
            return cast(JSON, self._identity)
        try:
            result = self._identity()
            result = await result if inspect.isawaitable(result) else result
        except Exception as error:
            raise ParticleError("CALLBACK_FAILED", "The identity function failed") from error
        return _checked(result, "CALLBACK_FAILED", "The identity function returned what is")


def _checked(identity: object, code: str, what: str) -> JSON:
    try:
        return check_json(identity)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParticleError(code, f"{what} no JSON: {error}") from error
