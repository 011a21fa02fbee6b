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
        if name == "delta":
            return _delta(value)
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
    if fields.get("protocol") != 2:
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


def _operation(parts: list[JSON]) -> Operation:
    if len(parts) < 3 or not isinstance(parts[0], str) or not isinstance(parts[2], str):
        raise ValueError("an operation is not a list of its name, an id and a path")
    operation, id, path, data, at = [*parts, MISSING, MISSING][:5]
    if at is MISSING:
        return Operation(operation, id, path, data, None)
    # `null` before an index stands for no data.
    return Operation(operation, id, path, MISSING if data is None else data, _integer(at, "at"))


def _delta(value: JSON) -> Delta:
    """The root, the operations, and an object with the fields that few deltas have."""
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise ValueError("not a list that begins with a root")
    root, *rest = value
    if not all(isinstance(each, (list, dict)) for each in rest):
        raise ValueError("an operation is not a list")
    operations = tuple(_operation(each) for each in rest if isinstance(each, list))
    fields: Fields = {}
    for each in rest:
        if isinstance(each, dict):
            fields.update(each)
    return Delta(root, operations, fields.get("more") is True, _optional_text(fields, "timestamp"))


_DECODERS: dict[str, Callable[[Fields], Event]] = {
    "manifest": _manifest,
    "watching": _watching,
    "payload": _payload,
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
