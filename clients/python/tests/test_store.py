"""What events make of the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from particle_client import Operation, ParticleError
from particle_client.collection import Collection
from particle_client.events import Delta, Manifest, Payload, Watching
from particle_client.store import Store
from particle_client.watching import root_name

A, B, ROOM = "accounts", "savings", 'messages?{"room":7}'
GROUP = (frozenset((A, B)),)


def manifest(*roots: str, resumed: bool = False, groups: tuple[frozenset[str], ...] = GROUP) -> Manifest:
    return Manifest(resumed, None, dict.fromkeys(roots, True), groups)


def payload(root: str, money: int, part: int = 0, last: bool = True) -> Payload:
    return Payload(root, [{"_id": part, "money": money}], part, last)


def delta(root: str, by: int = 1, more: bool = False) -> Delta:
    return Delta(root, (Operation("inc", 0, "money", by),) if by else (), more, None)


def money(store: Store) -> dict[str, list[Any]]:
    return {root: [document["money"] for document in documents] for root, documents in store.items()}


def complete() -> Store:
    store = Store()
    store.begin(manifest(A, B), frozenset())
    store.take(payload(A, 10))
    store.take(payload(B, 20))
    store.ready()
    return store


def test_a_root_is_shown_with_its_last_part_and_the_deltas_that_came_before_it() -> None:
    store = Store()
    store.begin(manifest(A, groups=()), frozenset())
    store.take(payload(A, 1, last=False))
    store.take(delta(A))
    assert money(store) == {}
    store.take(payload(A, 5, part=1))
    assert money(store) == {A: [2, 5]}


def test_a_root_that_comes_again_from_its_first_part_is_that_of_the_later_moment() -> None:
    store = Store()
    store.begin(manifest(A, groups=()), frozenset())
    store.take(payload(A, 1, last=False))
    store.take(delta(A))
    store.take(payload(A, 2))
    assert money(store) == {A: [2]}


def test_a_part_out_of_its_order_is_an_error() -> None:
    store = Store()
    store.begin(manifest(A), frozenset())
    with pytest.raises(ParticleError, match="order"):
        store.take(payload(A, 1, part=1))


def test_a_transaction_is_shown_at_once() -> None:
    store = complete()
    assert store.take(delta(A, -5, more=True)) == []
    assert money(store) == {A: [10], B: [20]}
    assert [change.root for change in store.take(delta(B, 5))] == [A, B]
    assert money(store) == {A: [5], B: [25]}


def test_a_moment_is_shown_as_a_whole_or_not_at_all() -> None:
    store = complete()
    store.take(delta(A, -5, more=True))
    with pytest.raises(ParticleError):
        store.take(Delta(B, (Operation("inc", 0, "money", "x"),), False, None))
    assert money(store) == {A: [10], B: [20]}


def test_a_replaced_root_is_shown_with_the_others_of_its_group() -> None:
    store = complete()
    store.reset(A)
    store.take(payload(A, 0))
    store.take(delta(B, 5, more=True))
    assert money(store) == {A: [10], B: [20]}
    store.take(delta(A, 0))
    assert money(store) == {A: [0], B: [25]}


def test_a_new_client_shows_each_root_when_it_is_there() -> None:
    store = Store()
    store.begin(manifest(A, B), frozenset())
    store.take(payload(A, 10))
    store.take(delta(A, 1, more=True))
    assert money(store) == {A: [11]}


def test_a_root_that_is_new_in_its_group_holds_up_no_other() -> None:
    store = complete()
    group = (frozenset((A, B, ROOM)),)
    store.watching(Watching([ROOM], {A: True, B: True, ROOM: True}, group))
    store.take(payload(ROOM, 1))
    store.take(delta(A))
    assert money(store) == {A: [11], B: [20]}
    store.ready()
    assert money(store) == {A: [11], B: [20], ROOM: [1]}


def test_a_new_stream_drops_what_was_kept_and_shows_the_old_documents_until_ready() -> None:
    store = complete()
    store.take(delta(A, -5, more=True))
    store.begin(manifest(A, B), frozenset())
    store.take(payload(A, 1))
    store.take(payload(B, 2))
    assert money(store) == {A: [10], B: [20]}
    store.ready()
    assert money(store) == {A: [1], B: [2]}


def test_a_resumed_stream_hides_a_watched_root_of_another_moment() -> None:
    group = (frozenset((A, ROOM)),)
    store = Store()
    store.begin(manifest(A, ROOM, groups=group), frozenset())
    store.take(payload(A, 1))
    store.take(payload(ROOM, 2))
    store.ready()
    store.begin(manifest(A, ROOM, resumed=True, groups=group), frozenset())
    assert money(store) == {A: [1]}
    store.begin(manifest(A, resumed=True), frozenset())
    assert list(store) == [A]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 7))),
            st.tuples(st.just("unset"), st.integers(0, 5), st.none()),
            st.tuples(st.just("noop"), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 7))),
        )
    )
)
def test_places_are_those_of_a_plain_list(steps: list[tuple[str, int, int | None]]) -> None:
    expected = [0, 1, 2]
    for kind, id, at in steps:
        present = id in expected
        if kind == "unset" and present:
            expected.remove(id)
        if kind == "unset" or (kind == "noop" and not present):
            continue
        if present and at is not None:
            expected.remove(id)
        if not present or at is not None:
            expected.insert(len(expected) if at is None else at, id)
    operations = [Operation(kind, id, ".", {"_id": id}, at) for kind, id, at in steps]
    whole, single = Collection({"_id": id} for id in range(3)), Collection({"_id": id} for id in range(3))
    whole.apply(operations)
    for operation in operations:
        single.apply([operation])
    assert [document["_id"] for document in whole.documents()] == expected
    assert whole.documents() == single.documents()


def test_the_name_of_a_watched_root_has_one_spelling() -> None:
    assert root_name("m", {"b": True, "a": 7.0, "é": 'q"\u2028'}) == 'm?{"a":7,"b":true,"é":"q\\"\u2028"}'
    with pytest.raises(ParticleError, match="INVALID_PARAMS"):
        root_name("m", {"a": float("nan")})
    with pytest.raises(ParticleError, match="INVALID_PARAMS"):
        root_name("m", {"a": [1]})
