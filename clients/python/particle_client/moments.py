"""The moments of the roots that share an adapter.

A transaction changes several roots, and each root gets a delta of its own. All deltas but the last have
`more`: they are kept until the last one is there, so that no half of a transaction is ever shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Union

from .events import Delta, Payload

__all__ = ["Moments"]

Data = Union[Payload, Delta]
Shown = Callable[[str], bool]


class Moments:
    """Decides which events are applied now, and which are kept until their moment ends."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._groups: dict[str, frozenset[str]] = {}
        # The groups whose roots are shown as of one moment. A new client shows each root as soon as its
        # documents have arrived, until the first moment of the group has ended.
        self._whole: set[frozenset[str]] = set()
        # What is kept, by its group, or by its own name for a root that is not shown yet.
        self._kept: dict[frozenset[str] | str, list[Data]] = {}

    @property
    def keeping(self) -> bool:
        """Whether anything is kept at present."""
        return bool(self._kept)

    def grouped(self, root: str) -> bool:
        """Tells whether the root shares its adapter with others."""
        return root in self._groups

    def regroup(self, together: Iterable[frozenset[str]]) -> None:
        """Takes the groups of a manifest. What is kept stays, for the roots that are still in a group."""
        self._groups = {root: group for group in together for root in group}
        self._whole = {group for group in self._groups.values() if any(map(self._shown, group))}
        kept = [event for events in self._kept.values() for event in events]
        self._kept = {}
        for event in kept:
            if event.root in self._groups:
                self._kept.setdefault(self._key(event.root), []).append(event)

    def take(self, event: Data) -> list[Data]:
        """Returns the events that are to be applied now, in order."""
        group = self._groups.get(event.root)
        if group is None:
            return [event]
        ends = isinstance(event, Delta) and not event.more
        if group not in self._whole:
            if ends:
                self._whole.add(group)
            return [event]
        key = self._key(event.root)
        kept = [*self._kept.pop(key, []), event]
        if ends:
            return kept
        self._kept[key] = kept
        return []

    def _key(self, root: str) -> frozenset[str] | str:
        return self._groups[root] if self._shown(root) else root

    def end(self) -> list[Data]:
        """Ends all moments: returns what was kept."""
        events = [event for kept in self._kept.values() for event in kept]
        self._kept.clear()
        self._whole.update(self._groups.values())
        return events

    def drop(self, root: str) -> None:
        """Forgets what is kept of a root that is reset."""
        for key, events in list(self._kept.items()):
            self._kept[key] = [event for event in events if event.root != root]
            if not self._kept[key]:
                del self._kept[key]

    def drop_all(self) -> None:
        """Forgets all that is kept, with a new stream."""
        self._kept.clear()
