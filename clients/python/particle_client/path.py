"""The paths of operations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Union

from .errors import ParticleError

__all__ = ["ElementId", "Segment", "parse_path"]

MAX_SEGMENTS = 200
_REFUSED = frozenset(("__proto__", "constructor", "prototype"))
_PART = re.compile(r"([^.\[\]]+)((?:\[[^\]]+\])*)")


@dataclass(frozen=True)
class ElementId:
    """Names the element of an array by the text of its `_id`."""

    text: str


Segment = Union[str, ElementId]


@lru_cache(maxsize=1024)
def parse_path(path: str) -> tuple[Segment, ...]:
    """Splits `todos[5].done` into its names and ids."""
    segments: list[Segment] = []
    position = -1
    while position < len(path):
        part = _PART.match(path, position + 1)
        if part is None or path[part.end() :][:1] not in ("", "."):
            raise ParticleError("INVALID_PATH", f"The path {path!r} is malformed")
        segments.append(part[1])
        segments += (ElementId(id) for id in part[2][1:-1].split("][") if id)
        position = part.end()
    if len(segments) > MAX_SEGMENTS:
        raise ParticleError("INVALID_PATH", f"A path has at most {MAX_SEGMENTS} segments")
    if not _REFUSED.isdisjoint(getattr(segment, "text", segment) for segment in segments):
        raise ParticleError("INVALID_PATH", f"The path {path!r} holds a name that is refused")
    return tuple(segments)
