"""The requests of the protocol, over httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx

from .errors import ParticleError
from .json import parse_json
from .types import JSON

__all__ = ["Transport"]

# A stream is read as it comes: a compressed one could be held back by a proxy.
_STREAM_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}


class Transport:
    """Sends requests to the routes below `url`, and raises their refusals."""

    def __init__(
        self, url: str, http: httpx.AsyncClient | None, headers: Mapping[str, str] | None, timeout: float
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ParticleError(
                "INVALID_OPTION", f"url is an address such as https://example.com/particle: {url!r}"
            )
        self._url = url.rstrip("/")
        self._http = http or httpx.AsyncClient()
        self._owned = http is None
        self._headers = dict(headers or {})
        self._timeout = timeout

    async def close(self) -> None:
        """Closes the connections, unless the application brought the httpx client."""
        if self._owned:
            await self._http.aclose()

    async def post(self, route: str, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """Posts JSON to a route, and returns the JSON of the answer."""
        try:
            response = await self._http.post(
                f"{self._url}/{route}", json=body, headers=self._headers, timeout=self._timeout
            )
        except httpx.HTTPError as error:
            raise _lost(error) from error
        answer = _parse(response.content)
        if response.status_code != 200:
            raise _refusal(response, answer)
        if not isinstance(answer, dict):
            raise ParticleError(
                "INVALID_MESSAGE", f"The answer of {route} is not an object of JSON", status=200
            )
        return answer

    @asynccontextmanager
    async def stream(self, body: Mapping[str, JSON], silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Opens the stream. `silence` is the time in seconds after which it counts as lost."""
        try:
            async with self._http.stream(
                "POST",
                f"{self._url}/stream",
                json=body,
                headers={**self._headers, **_STREAM_HEADERS},
                timeout=httpx.Timeout(self._timeout, read=max(silence, self._timeout)),
            ) as response:
                if response.status_code != 200:
                    raise _refusal(response, _parse(await response.aread()))
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise ParticleError("INVALID_MESSAGE", "The answer is not an event stream", status=200)
                yield response.aiter_bytes()
        except httpx.HTTPError as error:
            raise _lost(error) from error


def _lost(error: httpx.HTTPError) -> ParticleError:
    detail = str(error) or type(error).__name__
    return ParticleError("UNAVAILABLE", f"The server cannot be reached, or the connection was lost: {detail}")


def _parse(content: bytes) -> JSON:
    try:
        return parse_json(content)
    except (ValueError, RecursionError):
        return None


def _refusal(response: httpx.Response, answer: JSON) -> ParticleError:
    """Returns the error of a refused request, with its code if the answer has Particle's form."""
    status = response.status_code
    retry_after = _seconds(response.headers.get("retry-after"))
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        code, message, token = error.get("code"), error.get("message"), error.get("token")
        if isinstance(code, str) and isinstance(message, str):
            return ParticleError(
                code,
                message,
                status=status,
                retry_after=retry_after,
                token=token if isinstance(token, str) else None,
                own=True,
            )
    message = f"{response.request.url.path} was answered with {status}, not in the form of Particle"
    return ParticleError("INVALID_MESSAGE", message, status=status, retry_after=retry_after)


def _seconds(value: str | None) -> float | None:
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None
