"""JSON as the protocol has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn, cast

if TYPE_CHECKING:
    from .types import JSON

__all__ = ["check_json", "parse_json"]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def parse_json(text: str | bytes) -> JSON:
    """Parses JSON, in which NaN and Infinity have no place. Raises ValueError."""
    value: JSON = json.loads(text, parse_constant=_refuse_constant)
    return value


def check_json(value: object) -> JSON:
    """Returns a value that JSON can hold. Raises TypeError or ValueError for any other."""
    json.dumps(value, allow_nan=False)
    return cast("JSON", value)
