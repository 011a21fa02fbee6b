"""The documents of one root."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Union

from .operations import apply_operation
from .types import Document, Documents, Operation
from .values import key_of

__all__ = ["Collection"]

_GONE = -1
_Changed = dict[Hashable, Union[Document, None]]
_Places = list[tuple[Hashable, Union[int, None]]]


class Collection:
    """Holds the documents of a root in their order, and applies deltas as a whole or not at all."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._by_key: dict[Hashable, Document] = {key_of(document["_id"]): document for document in documents}
        self._snapshot: Documents | None = None

    def copy(self) -> Collection:
        """Returns a collection of its own with the same documents."""
        return Collection(self._by_key.values())

    def documents(self) -> Documents:
        """Returns the documents of this moment. It costs nothing until the next change."""
        if self._snapshot is None:
            self._snapshot = Documents(tuple(self._by_key.values()))
        return self._snapshot

    def apply(self, operations: Sequence[Operation]) -> None:
        """Applies the operations of a delta. If one of them fails, the documents stay as they were."""
        changed: _Changed = {}
        places: _Places = []
        for operation in operations:
            key = key_of(operation.id)
            before = changed[key] if key in changed else self._by_key.get(key)
            after = apply_operation(before, operation)
            if after is not before:
                changed[key] = after
            if operation.path == "." and (before is not None or after is not None):
                places.append((key, _GONE if after is None else operation.at))
        ordered = any(at is not None and at != _GONE for _, at in places)
        self._by_key = self._ordered(changed, places) if ordered else self._unordered(changed, places)
        self._snapshot = None

    def _unordered(self, changed: _Changed, places: _Places) -> dict[Hashable, Document]:
        for key, at in places:
            if at == _GONE:
                self._by_key.pop(key, None)
            elif key not in self._by_key:
                # Takes its place now, at the end. Its document follows below.
                self._by_key[key] = {}
        self._by_key.update((key, document) for key, document in changed.items() if document is not None)
        return self._by_key

    def _ordered(self, changed: _Changed, places: _Places) -> dict[Hashable, Document]:
        keys = list(self._by_key)
        present = set(keys)
        for key, at in places:
            if key in present and at is not None:
                keys.remove(key)
                present.discard(key)
            if key not in present and at != _GONE:
                keys.insert(len(keys) if at is None else at, key)
                present.add(key)
        documents: _Changed = {**self._by_key, **changed}
        return {key: document for key in keys if (document := documents[key]) is not None}
