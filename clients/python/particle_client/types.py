"""The values that the client hands out."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Union, overload

from .values import key_of

__all__ = ["JSON", "MISSING", "Change", "Document", "Documents", "Missing", "Operation", "Status"]

JSON = Union[None, bool, int, float, str, "list[JSON]", "dict[str, JSON]"]
"""Any value of JSON."""

Document = dict[str, Any]
"""A document of a root. It has an `_id`. Treat it as read-only: later documents share parts with it."""

Status = Literal["connecting", "waiting", "ready", "reconnecting", "refused", "closed"]
"""What the connection does at the moment. `refused` and `closed` are final."""


class Missing(Enum):
    """Stands for a value that is not there, which is not the same as `null`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing.MISSING


@dataclass(frozen=True)
class Operation:
    """One step of a change. `path` is `.` for the document, or a dotted path in it."""

    operation: str
    id: JSON
    path: str
    data: JSON | Missing = MISSING
    at: int | None = None


@dataclass(frozen=True)
class Change:
    """What changed in one root.

    `kind` is `load` (the documents were replaced), `delta` (the `operations` were applied) or `remove` (the
    root is gone). `timestamp` is when the source changed, in ISO 8601, or None for a change that is new.
    """

    root: str
    kind: Literal["load", "delta", "remove"]
    operations: tuple[Operation, ...] = ()
    timestamp: str | None = None


class Documents(Sequence[Document]):
    """The documents of a root at one moment, in the root's order. Later changes make a new object."""

    __slots__ = ("_by_key", "_list")

    def __init__(self, documents: Sequence[Document] = ()) -> None:
        self._list = tuple(documents)
        self._by_key: dict[Hashable, Document] | None = None

    def get(self, id: JSON) -> Document | None:
        """Returns the document with this `_id`, or None."""
        if self._by_key is None:
            self._by_key = {key_of(document["_id"]): document for document in self._list}
        return self._by_key.get(key_of(id))

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Document, ...]: ...
    def __getitem__(self, index: int | slice) -> Document | tuple[Document, ...]:
        return self._list[index]

    def __iter__(self) -> Iterator[Document]:
        return iter(self._list)

    def __len__(self) -> int:
        return len(self._list)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Documents):
            return self._list == other._list
        return isinstance(other, (list, tuple)) and self._list == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Documents({list(self._list)!r})"
