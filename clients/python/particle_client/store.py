"""The model: what the server's events make of the roots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .collection import Collection
from .errors import ParticleError
from .events import Delta, Manifest, Payload, Watching
from .moments import Data, Moments
from .types import JSON, Change, Document, Documents

__all__ = ["Store"]


@dataclass
class _Load:
    """The documents of a root that have arrived, and the deltas that come after them."""

    next_part: int = 0
    documents: list[Document] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)


class Store(Mapping[str, Documents]):
    """Applies events, and returns what they changed. As a mapping, it is what the client shows."""

    def __init__(self) -> None:
        self.manifest: dict[str, JSON] = {}
        self._shown: dict[str, Collection] = {}
        self._loads: dict[str, _Load] = {}
        self._moments = Moments(self._shown.__contains__)

    def __getitem__(self, root: str) -> Documents:
        return self._shown[root].documents()

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown)

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def keeping(self) -> bool:
        """Whether something that has arrived is not shown yet, because its moment goes on."""
        return self._moments.keeping

    def holds(self, root: str) -> bool:
        """Tells whether the documents of the root are here as the last position says."""
        return root in self._shown and root not in self._loads

    def begin(self, manifest: Manifest, held: frozenset[str]) -> list[Change]:
        """Begins a stream. `held` names the watched roots of the position that was presented."""
        self._moments.drop_all()
        self._loads.clear()
        changes = self._take_sources(manifest)
        for root in self.manifest:
            resumed = manifest.resumed and (not _is_watched(root) or root in held)
            if resumed and root in self._shown:
                continue
            self._loads[root] = _Load()
            if manifest.resumed and root in self._shown and self._moments.grouped(root):
                # Its documents are of another moment than those of the roots that were resumed.
                changes.append(self._remove(root))
        return changes

    def watching(self, watching: Watching) -> list[Change]:
        """Changes the watched roots of the stream."""
        changes = self._take_sources(watching)
        for root in self.manifest:
            if root not in self._shown:
                self._loads.setdefault(root, _Load())
        return changes

    def _take_sources(self, event: Manifest | Watching) -> list[Change]:
        self.manifest = event.sources
        self._loads = {root: load for root, load in self._loads.items() if root in event.sources}
        changes = [self._remove(root) for root in list(self._shown) if root not in event.sources]
        self._moments.regroup(event.together)
        return changes

    def _remove(self, root: str) -> Change:
        del self._shown[root]
        return Change(root, "remove")

    def reset(self, root: str) -> None:
        """Keeps the documents of a root until its next payload is complete."""
        if root in self.manifest:
            self._moments.drop(root)
            self._loads[root] = _Load()

    def take(self, event: Data) -> list[Change]:
        """Takes a payload or a delta, and applies what is to be shown now."""
        if event.root not in self.manifest:
            return []
        return self._apply_all(self._moments.take(event))

    def ready(self) -> list[Change]:
        """Shows everything: the model is complete."""
        return self._apply_all(self._moments.end())

    def _apply_all(self, events: list[Data]) -> list[Change]:
        changes: list[Change] = []
        if len(events) < 2:
            return self._apply(events[0]) if events else changes
        before = {event.root: self._shown.get(event.root) for event in events}
        self._shown.update({root: kept.copy() for root, kept in before.items() if kept is not None})
        try:
            for event in events:
                changes += self._apply(event)
        except ParticleError:
            # A moment is shown as a whole or not at all.
            for root, kept in before.items():
                if kept is None:
                    self._shown.pop(root, None)
                else:
                    self._shown[root] = kept
            raise
        return changes

    def _apply(self, event: Data) -> list[Change]:
        return self._payload(event) if isinstance(event, Payload) else self._delta(event)

    def _payload(self, payload: Payload) -> list[Change]:
        root = payload.root
        load = self._loads.get(root)
        if payload.part == 0 and (load is None or load.next_part > 0):
            # Documents that come again from the start hold what the deltas between did.
            load = self._loads[root] = _Load()
        if load is None or load.next_part != payload.part:
            raise ParticleError("INVALID_MESSAGE", f"A part of {root!r} came out of its order", root=root)
        load.next_part += 1
        load.documents += payload.documents
        if not payload.last:
            return []
        collection = Collection(load.documents)
        for delta in load.deltas:
            collection.apply(delta.operations)
        del self._loads[root]
        self._shown[root] = collection
        return [Change(root, "load")]

    def _delta(self, delta: Delta) -> list[Change]:
        load = self._loads.get(delta.root)
        if load is not None:
            load.deltas.append(delta)
            return []
        if not delta.operations:
            return []
        self._shown[delta.root].apply(delta.operations)
        return [Change(delta.root, "delta", delta.operations, delta.timestamp)]


def _is_watched(root: str) -> bool:
    return "?" in root
