"""The operations of a delta."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import assume, given

from particle_client import Document, Operation, ParticleError
from particle_client.operations import apply_operation
from particle_client.types import JSON, MISSING
from particle_client.values import canonical, compare, number_text

from .conftest import node
from .generators import DOCUMENTS, OPERATIONS

BEFORE = {"n": 2, "list": [1, 2, 2], "at": {"x": 1}, "todos": [{"_id": 5, "done": False}]}


@pytest.mark.parametrize(
    ("kind", "path", "data", "after"),
    [
        ("set", "at.y.z", 1, {"at": {"x": 1, "y": {"z": 1}}}),
        ("set", "todos[5].done", True, {"todos": [{"_id": 5, "done": True}]}),
        ("set", "todos[6].done", True, {"todos": [{"_id": 5, "done": False}, {"_id": 6, "done": True}]}),
        ("set", "list.4", 5, {"list": [1, 2, 2, None, 5]}),
        ("unset", "at.x", MISSING, {"at": {}}),
        ("unset", "list.0", MISSING, {"list": [None, 2, 2]}),
        ("inc", "n", MISSING, {"n": 3}),
        ("inc", "new", 4, {"new": 4}),
        ("mul", "n", 4, {"n": 8}),
        ("mul", "new", 4, {"new": 0}),
        ("min", "n", 1, {"n": 1}),
        ("max", "n", "text", {"n": "text"}),
        ("rename", "at.x", "y", {"at": {}, "y": 1}),
        ("push", "list", 3, {"list": [1, 2, 2, 3]}),
        ("push", "list", {"$each": [9, 0], "$position": 1, "$sort": -1, "$slice": 3}, {"list": [9, 2, 2]}),
        ("pushAll", "list", [3, 4], {"list": [1, 2, 2, 3, 4]}),
        ("addToSet", "list", {"$each": [2, 3]}, {"list": [1, 2, 2, 3]}),
        ("pop", "list", MISSING, {"list": [1, 2]}),
        ("pop", "list", -1, {"list": [2, 2]}),
        ("pull", "list", 2, {"list": [1]}),
        ("pullAll", "list", [1, 2], {"list": []}),
        ("truncate", "list", 1, {"list": [1]}),
        ("noop", "n", MISSING, {}),
    ],
)
def test_do_what_the_pages_say(kind: str, path: str, data: JSON, after: Document) -> None:
    document: Document = {"_id": 1, **BEFORE}
    assert apply_operation(document, Operation(kind, 1, path, data)) == {**document, **after}


def test_insert_replace_and_remove_documents() -> None:
    assert apply_operation(None, Operation("set", 1, ".", {"a": 1})) == {"_id": 1, "a": 1}
    assert apply_operation({"_id": 1}, Operation("unset", 1, ".")) is None
    assert apply_operation(None, Operation("inc", 1, "n")) is None


@given(DOCUMENTS, OPERATIONS)
def test_never_change_what_they_are_given(document: Document, operation: Operation) -> None:
    before = copy.deepcopy((document, operation))
    with suppress(ParticleError):
        apply_operation(document, operation)
    assert (document, operation) == before


class JavaScript:
    """The operations of the JavaScript client."""

    def __init__(self) -> None:
        self.process = node("operations.mjs")

    def apply(self, document: Document, operation: Operation) -> dict[str, Any]:
        fields = {"operation": operation.operation, "id": operation.id, "path": operation.path}
        data = {} if operation.data is MISSING else {"data": operation.data}
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([document, {**fields, **data}]) + "\n")
        stdin.flush()
        return cast("dict[str, Any]", json.loads(stdout.readline()))


@pytest.fixture(scope="module")
def javascript() -> Iterator[JavaScript]:
    client = JavaScript()
    yield client
    client.process.terminate()
    client.process.wait()


@given(document=DOCUMENTS, operation=OPERATIONS)
def test_agree_with_the_javascript_client(
    javascript: JavaScript, document: Document, operation: Operation
) -> None:
    # The wire has no conditions, which the server's function takes.
    assume(operation.operation != "pull" or not isinstance(operation.data, dict))
    try:
        mine: dict[str, Any] = {"document": apply_operation(document, operation)}
    except ParticleError as error:
        mine = {"error": error.code}
    assert canonical(mine) == canonical(javascript.apply(document, operation))


def test_order_values_as_mongodb_does() -> None:
    order: list[JSON] = [
        None,
        -1,
        1.5,
        2,
        "",
        "a",
        "\uffee",
        "😀",
        {},
        {"a": 1},
        [],
        [1],
        [1, 2],
        False,
        True,
    ]
    for index, value in enumerate(order):
        assert [compare(value, other) for other in order] == [
            (index > at) - (index < at) for at in range(len(order))
        ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (7.0, "7"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (123456789012345680000, "123456789012345680000"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (-12.5, "-12.5"),
    ],
)
def test_write_numbers_as_javascript_does(number: float, text: str) -> None:
    assert number_text(number) == text
