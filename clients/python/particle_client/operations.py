"""The operations of a delta, each with the meaning of MongoDB's update operator of that name.

Nothing is changed in place. A new document shares the parts that stay the same with the old one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Union, cast

from .arrays import add_to_set, pop, pull, push, truncate
from .errors import ParticleError
from .json import parse_json
from .path import ElementId, Segment, parse_path
from .types import JSON, MISSING, Document, Missing, Operation
from .values import canonical, compare, is_number, key_of

__all__ = ["apply_operation"]

MAX_PADDING = 1_500_000
Value = Union[JSON, Missing]
Deeper = Callable[[Value], Value]
_POSITION = re.compile("0|[1-9][0-9]*")


def apply_operation(document: Document | None, operation: Operation) -> Document | None:
    """Returns the document after the operation: None stands for a document that is not there.

    An operation that is unknown or does not fit the document raises `INVALID_OPERATION` or `INVALID_PATH`.
    """
    name = operation.operation
    if name == "noop":
        return document
    if name not in _STEPS and name != "rename":
        raise _invalid(f"The operation {name!r} is unknown")
    if operation.path == ".":
        return _whole(operation)
    path = parse_path(operation.path)
    if document is None:
        return None
    if name == "rename":
        after = _rename(document, operation)
    else:
        after = cast(Document, _modify(document, path, _Step(operation)))
    if after is not document and not _same_id(document, after):
        raise _invalid("An operation leaves the _id of its document as it is")
    return after


class _Step:
    """Computes the value at the path of an operation."""

    def __init__(self, operation: Operation) -> None:
        self._data = operation.data
        self._next = _STEPS[operation.operation]
        self.creates = operation.operation not in _REMOVALS

    def __call__(self, value: Value) -> Value:
        return self._next(value, self._data)


def _invalid(message: str) -> ParticleError:
    return ParticleError("INVALID_OPERATION", message)


def _same_id(before: Document, after: Document) -> bool:
    return "_id" in after and key_of(before["_id"]) == key_of(after["_id"])


def _whole(operation: Operation) -> Document | None:
    if operation.operation == "unset":
        return None
    if operation.operation != "set" or not isinstance(operation.data, dict):
        raise _invalid(f"The operation {operation.operation!r} does not fit a whole document")
    after = operation.data if "_id" in operation.data else {**operation.data, "_id": operation.id}
    if key_of(after["_id"]) != key_of(operation.id):
        raise _invalid("The document has another _id than its operation names")
    return after


def _modify(node: Value, path: tuple[Segment, ...], step: _Step, index: int = 0) -> Value:
    """Returns a copy of the node in which the step has changed the value at the path."""
    if index == len(path):
        return step(node)
    segment = path[index]
    if node is MISSING and not step.creates:
        return node

    def deeper(value: Value) -> Value:
        return _modify(value, path, step, index + 1)

    if isinstance(segment, ElementId):
        if step.creates and (node is MISSING or node is None):
            return _new_element([], segment, deeper) or node
        if isinstance(node, list):
            return _element(node, segment, deeper, step.creates)
    elif node is MISSING:
        return _field({}, segment, deeper) or node
    elif isinstance(node, dict):
        return _field(node, segment, deeper)
    elif isinstance(node, list) and _POSITION.fullmatch(segment):
        return _item(node, int(segment), deeper, step.creates)
    if step.creates:
        raise _invalid(f"The path leads through a value that has no {segment!r}")
    return node


def _field(node: dict[str, JSON], name: str, deeper: Deeper) -> Value:
    before = node.get(name, MISSING)
    after = deeper(before)
    if after is before:
        return node
    if after is MISSING:
        return {key: value for key, value in node.items() if key != name}
    return {**node, name: after}


def _item(node: list[JSON], index: int, deeper: Deeper, creates: bool) -> Value:
    before = node[index] if index < len(node) else MISSING
    if index - len(node) > MAX_PADDING:
        if creates:
            raise _invalid("The index is too far beyond the end of its array")
        return node
    after = deeper(before)
    if after is before:
        return node
    copy = node + [None] * (index + 1 - len(node))
    copy[index] = None if after is MISSING else after
    return copy


def _element(node: list[JSON], id: ElementId, deeper: Deeper, creates: bool) -> Value:
    for index, item in enumerate(node):
        if isinstance(item, dict) and "_id" in item and _id_text(item["_id"]) == id.text:
            return _item(node, index, deeper, creates)
    return _new_element(node, id, deeper) or node if creates else node


def _new_element(node: list[JSON], id: ElementId, deeper: Deeper) -> list[JSON] | None:
    """Adds the element, unless it would not have the `_id` that the path names."""
    made: dict[str, JSON] = {"_id": _id_of(id.text)}
    after = deeper(made)
    if not isinstance(after, dict):
        return None
    element = {**made, **after}
    return [*node, element] if _id_text(element["_id"]) == id.text else None


def _id_text(id: JSON) -> str:
    return id if isinstance(id, str) else canonical(id)


def _id_of(text: str) -> JSON:
    """Returns the id for the text in a path: a number or an object if the text is how one is written."""
    try:
        id = parse_json(text)
        return id if (is_number(id) or isinstance(id, dict)) and canonical(id) == text else text
    except ValueError:
        return text


def _rename(document: Document, operation: Operation) -> Document:
    source, target = operation.path, operation.data
    if not isinstance(target, str):
        raise _invalid("A rename needs the new path as its data")
    path = parse_path(target)
    if f"{source}.".startswith(f"{target}.") or f"{target}.".startswith(f"{source}."):
        raise _invalid("A rename needs two separate places")
    value = _through_objects(document, parse_path(source))
    if value is MISSING:
        return document
    _through_objects(document, path)
    without = _modify(document, parse_path(source), _Step(Operation("unset", None, source)))
    return cast(Document, _modify(without, path, _Step(Operation("set", None, target, value))))


def _through_objects(node: Value, path: tuple[Segment, ...]) -> Value:
    for segment in path:
        if isinstance(node, list) or isinstance(segment, ElementId):
            raise _invalid("A rename leads through no array")
        node = node.get(segment, MISSING) if isinstance(node, dict) else MISSING
    return node


def _set(_: Value, data: Value) -> Value:
    if data is MISSING:
        raise _invalid("A set needs data")
    return data


def _number(value: Value, what: str) -> int | float:
    if not is_number(value):
        raise _invalid(f"{what} is not a number")
    return cast("int | float", value)


def _double(number: int | float) -> int | float:
    """Rounds an integer as a double does, in which the server counts."""
    return number if isinstance(number, float) or abs(number) <= 2**53 else int(float(number))


def _inc(value: Value, data: Value) -> Value:
    step = 1 if data is MISSING else _number(data, "The data of inc")
    return step if value is MISSING else _double(_number(value, "A value to increase") + step)


def _mul(value: Value, data: Value) -> Value:
    factor = _number(data, "The data of mul")
    return 0 if value is MISSING else _double(_number(value, "A value to multiply") * factor)


def _limit(sign: int) -> Callable[[Value, Value], Value]:
    def step(value: Value, data: Value) -> Value:
        if data is MISSING:
            raise _invalid("A min or max needs data")
        return data if value is MISSING or compare(data, value) * sign > 0 else value

    return step


def _pull(value: Value, data: Value) -> Value:
    if isinstance(data, dict):
        # An object could be a condition, which the wire does not have.
        raise _invalid("A pull needs a plain value")
    return pull(value, data if data is MISSING else [data])


_STEPS: dict[str, Callable[[Value, Value], Value]] = {
    "set": _set,
    "unset": lambda _value, _data: MISSING,
    "inc": _inc,
    "mul": _mul,
    "min": _limit(-1),
    "max": _limit(1),
    "push": push,
    "pushAll": lambda value, data: push(value, {"$each": data if data is not MISSING else None}),
    "addToSet": add_to_set,
    "pop": pop,
    "pull": _pull,
    "pullAll": pull,
    "truncate": truncate,
}
_REMOVALS = frozenset(("unset", "pop", "pull", "pullAll", "truncate"))
