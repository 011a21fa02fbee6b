"""The list of watched roots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .errors import ParticleError
from .types import JSON
from .values import canonical

__all__ = ["WatchList", "entries_of", "limits_of", "root_name"]

Limits = dict[str, "int | None"]


def root_name(source: str, params: Mapping[str, JSON]) -> str:
    """Returns the name of a watched root: `messages?{"room":7}`."""
    for name, value in params.items():
        if not isinstance(value, (str, int, float)):
            raise ParticleError("INVALID_PARAMS", f"The parameter {name!r} is no text, number or boolean")
    try:
        return f"{source}?{canonical(dict(params))}"
    except ValueError as error:
        raise ParticleError("INVALID_PARAMS", f"The parameters have no name: {error}") from error


def entries_of(limits: Limits) -> list[JSON]:
    """Returns the entries of a list of watched roots, as requests carry it."""
    return [root if limit is None else {"root": root, "limit": limit} for root, limit in limits.items()]


def limits_of(entries: Iterable[JSON]) -> Limits:
    """Returns the roots and the limits that an answer or an event lists."""
    limits: Limits = {}
    for entry in entries:
        if isinstance(entry, str):
            limits[entry] = None
        elif isinstance(entry, dict) and isinstance(root := entry.get("root"), str):
            limit = entry.get("limit")
            limits[root] = limit if isinstance(limit, int) else None
    return limits


class WatchList:
    """Holds the roots that the application wants, that the server has been asked for, and of the position."""

    def __init__(self) -> None:
        self.wanted: Limits = {}
        self.asked: Limits = {}
        self.present: Limits = {}
        self.complete: Limits = {}
        self.held: Limits = {}

    def opening(self) -> None:
        """Begins a stream with the roots that are wanted now."""
        self.asked = dict(self.wanted)

    def opened(self, sources: Mapping[str, JSON]) -> None:
        """Notes which of the roots the server gives."""
        self.present = {root: limit for root, limit in self.asked.items() if root in sources}

    def ready(self) -> None:
        """Notes the roots whose documents are complete."""
        self.complete = dict(self.present)

    def hold(self) -> None:
        """Notes that the client has a position: it is for the roots of the last `ready`."""
        self.held = dict(self.complete)

    def forget(self, root: str) -> None:
        """Notes that the server does not have the root, though it was asked for it."""
        self.asked.pop(root, None)

    def difference(self) -> tuple[Limits, list[str]]:
        """Returns what is to be added on the open stream, and what is to be removed."""
        added = {
            root: limit
            for root, limit in self.wanted.items()
            if root not in self.asked or self.asked[root] != limit
        }
        return added, [root for root in self.asked if root not in self.wanted]

    def answered(self, added: Limits, removed: list[str]) -> None:
        """Notes what the server has been asked for on the open stream."""
        self.asked.update(added)
        for root in removed:
            self.asked.pop(root, None)
