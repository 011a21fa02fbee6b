"""The events of a stream, decoded from their JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from .errors import ParticleError
from .json import parse_json
from .types import JSON, MISSING, Document, Operation

__all__ = [
    "Delta",
    "Event",
    "Failure",
    "Manifest",
    "Payload",
    "Reached",
    "Ready",
    "Renew",
    "Reset",
    "Revoked",
    "SessionToken",
    "Watching",
    "decode_event",
]

Sources = dict[str, JSON]
Fields = dict[str, JSON]


@dataclass(frozen=True)
class Manifest:
    resumed: bool
    reason: str | None
    sources: Sources
    together: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Watching:
    watch: list[JSON]
    sources: Sources
    together: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Payload:
    root: str
    documents: list[Document]
    part: int
    last: bool


@dataclass(frozen=True)
class Delta:
    root: str
    operations: tuple[Operation, ...]
    more: bool
    timestamp: str | None


@dataclass(frozen=True)
class Ready:
    pass


@dataclass(frozen=True)
class Reset:
    root: str
    reason: str


@dataclass(frozen=True)
class Renew:
    pass


@dataclass(frozen=True)
class SessionToken:
    token: str
    expires_at: str


@dataclass(frozen=True)
class Revoked:
    reason: str


@dataclass(frozen=True)
class Failure:
    root: str | None
    code: str
    message: str


@dataclass(frozen=True)
class Reached:
    position: str


Event = Union[
    Manifest, Watching, Payload, Delta, Ready, Reset, Renew, SessionToken, Revoked, Failure, Reached
]


def decode_event(name: str, data: str) -> Event | None:
    """Returns the event, or None for a name that this client does not know.

    Raises `INVALID_MESSAGE` for data that does not have the documented shape.
    """
    decoder = _DECODERS.get(name)
    if decoder is None:
        return None
    try:
        value = parse_json(data)
        if not isinstance(value, dict):
            raise ValueError("not an object")
        return decoder(value)
    except (ValueError, RecursionError) as error:
        raise ParticleError("INVALID_MESSAGE", f"The event {name!r} is malformed: {error}") from error


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def _optional_text(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _object(fields: Fields, name: str) -> dict[str, JSON]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _list(fields: Fields, name: str) -> list[JSON]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return value


def _integer(value: JSON, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is not a whole number")
    return value


def _groups(fields: Fields) -> tuple[frozenset[str], ...]:
    groups = _list(fields, "together") if "together" in fields else []
    names = [group if isinstance(group, list) else [None] for group in groups]
    if not all(isinstance(name, str) for group in names for name in group):
        raise ValueError("together is not a list of lists of roots")
    return tuple(frozenset(str(name) for name in group) for group in names)


def _manifest(fields: Fields) -> Manifest:
    if fields.get("protocol") != 1:
        raise ValueError(f"version {fields.get('protocol')!r} of the protocol is not known")
    reason = _optional_text(fields, "reason")
    return Manifest(fields.get("resumed") is True, reason, _object(fields, "sources"), _groups(fields))


def _watching(fields: Fields) -> Watching:
    return Watching(_list(fields, "watch"), _object(fields, "sources"), _groups(fields))


def _payload(fields: Fields) -> Payload:
    documents = _list(fields, "data")
    if not all(isinstance(document, dict) and "_id" in document for document in documents):
        raise ValueError("a document is not an object with an _id")
    part = _integer(fields.get("part"), "part")
    return Payload(_text(fields, "root"), documents, part, fields.get("last") is True)  # type: ignore[arg-type]


def _operation(value: JSON) -> Operation:
    if not isinstance(value, dict) or "id" not in value:
        raise ValueError("an operation is not an object with an id")
    at = _integer(value["at"], "at") if "at" in value else None
    data = value.get("data", MISSING)
    return Operation(_text(value, "operation"), value["id"], _text(value, "path"), data, at)


def _delta(fields: Fields) -> Delta:
    operations = tuple(map(_operation, _list(fields, "oplist")))
    timestamp = _optional_text(fields, "timestamp")
    return Delta(_text(fields, "root"), operations, fields.get("more") is True, timestamp)


_DECODERS: dict[str, Callable[[Fields], Event]] = {
    "manifest": _manifest,
    "watching": _watching,
    "payload": _payload,
    "delta": _delta,
    "ready": lambda _: Ready(),
    "reset": lambda fields: Reset(_text(fields, "root"), _text(fields, "reason")),
    "renew": lambda _: Renew(),
    "session": lambda fields: SessionToken(_text(fields, "token"), _text(fields, "expiresAt")),
    "revoked": lambda fields: Revoked(_text(fields, "reason")),
    "error": lambda fields: Failure(
        _optional_text(fields, "root"), _text(fields, "code"), _text(fields, "message")
    ),
    "reached": lambda fields: Reached(_text(fields, "position")),
}
