"""The operations on arrays."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Union

from .errors import ParticleError
from .types import JSON, MISSING, Missing
from .values import compare, equal, is_number

__all__ = ["add_to_set", "pop", "pull", "push", "truncate"]

Value = Union[JSON, Missing]
_PUSH_MODIFIERS = frozenset(("$each", "$position", "$slice", "$sort"))


def _invalid(message: str) -> ParticleError:
    return ParticleError("INVALID_OPERATION", message)


def _array(value: Value) -> list[JSON]:
    if not isinstance(value, list):
        raise _invalid("The value is not an array")
    return value


def _integer(value: Value, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise _invalid(f"{name} is not an integer")
    return int(value)


def _each(data: Value, modifiers: frozenset[str]) -> list[JSON]:
    if data is MISSING:
        raise _invalid("A push and an addToSet need data")
    if not isinstance(data, dict) or modifiers.isdisjoint(data):
        return [data]
    if not modifiers.issuperset(data):
        raise _invalid("The operation has a modifier that is unknown")
    return _array(data.get("$each"))


def push(value: Value, data: Value) -> Value:
    """Adds elements at the end or at `$position`, then sorts, then cuts."""
    added = _each(data, _PUSH_MODIFIERS)
    items = [] if value is MISSING else list(_array(value))
    if not isinstance(data, dict) or "$each" not in data:
        return items + added
    position = _integer(data["$position"], "$position") if "$position" in data else len(items)
    position = max(0, position + len(items)) if position < 0 else position
    items[position:position] = added
    if "$sort" in data:
        items = _sorted(items, data["$sort"])
    if "$slice" in data:
        count = _integer(data["$slice"], "$slice")
        items = items[:count] if count >= 0 else items[count:]
    return items


def _sorted(items: list[JSON], order: JSON) -> list[JSON]:
    fields = order if isinstance(order, dict) else {None: order}
    if not fields or not all(is_number(direction) and direction in (1, -1) for direction in fields.values()):
        raise _invalid("$sort is 1, -1, or an object of these")
    for name, direction in reversed(fields.items()):
        path = [] if name is None else name.split(".")
        items = sorted(
            items,
            key=cmp_to_key(lambda a, b, path=path: compare(_at(a, path), _at(b, path))),  # type: ignore[misc]
            reverse=direction == -1,
        )
    return items


def _at(value: JSON, path: list[str]) -> JSON:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def add_to_set(value: Value, data: Value) -> Value:
    """Adds the elements that the array does not have."""
    added = _each(data, frozenset(("$each",)))
    items = [] if value is MISSING else list(_array(value))
    for item in added:
        if not any(equal(item, other) for other in items):
            items.append(item)
    return items


def pop(value: Value, data: Value) -> Value:
    """Removes the last element, or with -1 the first."""
    if data is not MISSING and (isinstance(data, bool) or data not in (1, -1)):
        raise _invalid("The data of a pop is 1 or -1")
    if value is MISSING:
        return value
    items = _array(value)
    return items[1:] if data == -1 else items[:-1]


def pull(value: Value, data: Value) -> Value:
    """Removes the elements that equal one of the values."""
    values = _array(data)
    if value is MISSING:
        return value
    return [item for item in _array(value) if not any(equal(item, other) for other in values)]


def truncate(value: Value, data: Value) -> Value:
    """Shortens the array to a length."""
    length = _integer(data, "The length")
    if length < 0:
        raise _invalid("The length is negative")
    return value if value is MISSING else _array(value)[:length]
