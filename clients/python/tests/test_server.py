"""The client and a real server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import particle_client as particle

from .conftest import eventually, run
from .proxy import proxied

ANN = {"user": "ann"}


async def post(server: str, command: str, body: dict[str, Any]) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        answer: dict[str, Any] = (await http.post(f"{server}/{command}", json=body)).json()
        return answer


async def write(server: str, *writes: tuple[str, str, list[Any]]) -> str:
    body = {"writes": [dict(zip(("collection", "method", "args"), each, strict=True)) for each in writes]}
    return str((await post(server, "write", body))["position"])


def test_follows_the_documents_with_the_fields_of_the_manifest(server: str) -> None:
    async def work() -> None:
        async with particle.Client(f"{server}/particle", identity=ANN) as client:
            await client.ready()
            user = {"_id": "ada", "name": "Ada", "visits": 1, "tags": ["a", "b"]}
            await client.reached(await write(server, ("users", "insertOne", [{**user, "secret": 1}])))
            assert client.data["users"].get("ada") == user
            change = {"$inc": {"visits": 2}, "$pull": {"tags": "a"}}
            await client.reached(await write(server, ("users", "updateOne", [{"_id": "ada"}, change])))
            assert client.data["users"].get("ada") == {**user, "visits": 3, "tags": ["b"]}
            await client.reached(await write(server, ("users", "deleteOne", [{"_id": "ada"}])))
            assert client.data["users"].get("ada") is None

    run(work)


def test_keeps_the_order_of_a_sorted_root(server: str) -> None:
    async def work() -> None:
        async with particle.Client(f"{server}/particle", identity=ANN) as client:
            await client.ready()
            documents = [{"_id": id, "points": points} for id, points in enumerate([5, 9, 7, 8])]
            await client.reached(await write(server, ("scores", "insertMany", [documents])))
            assert [score["points"] for score in client.data["scores"]] == [9, 8, 7]
            await client.reached(
                await write(server, ("scores", "updateOne", [{"_id": 2}, {"$set": {"points": 10}}]))
            )
            assert [score["points"] for score in client.data["scores"]] == [10, 9, 8]

    run(work)


def test_never_shows_half_a_transaction(server: str) -> None:
    async def work() -> None:
        await write(
            server,
            ("accounts", "insertOne", [{"_id": 1, "money": 100}]),
            ("savings", "insertOne", [{"_id": 1, "money": 0}]),
        )
        sums: list[int] = []

        def add(_: particle.Change) -> None:
            if client.status == "ready":
                sums.append(client.data["accounts"][0]["money"] + client.data["savings"][0]["money"])

        async with particle.Client(f"{server}/particle", identity=ANN, on_change=add) as client:
            await client.ready()
            for _ in range(10):
                position = await write(
                    server,
                    ("accounts", "updateOne", [{"_id": 1}, {"$inc": {"money": -1}}]),
                    ("savings", "updateOne", [{"_id": 1}, {"$inc": {"money": 1}}]),
                )
            await client.reached(position)
            assert client.data["savings"].get(1) == {"_id": 1, "money": 10}
        assert len(sums) >= 20
        assert set(sums) == {100}

    run(work)


def test_resumes_by_its_position_when_connections_are_cut(server: str) -> None:
    async def work() -> None:
        await write(server, ("users", "insertOne", [{"_id": "bob", "visits": 0}]))
        loads: list[str] = []

        def note(change: particle.Change) -> None:
            if change.kind == "load":
                loads.append(change.root)

        async with (
            proxied(server) as (address, cut),
            particle.Client(
                f"{address}/particle", identity=ANN, delays=(0.01, 0.05), on_change=note
            ) as client,
        ):
            await client.ready()
            for _ in range(5):
                visit = ("users", "updateOne", [{"_id": "bob"}, {"$inc": {"visits": 1}}])
                await write(server, visit)
                cut()
                await client.reached(await write(server, visit))
            assert client.data["users"].get("bob") == {"_id": "bob", "visits": 10}
            assert sorted(loads) == ["accounts", "savings", "scores", "users"]

    run(work)


def test_watches_roots_with_parameters(server: str) -> None:
    async def work() -> None:
        documents = [{"room": 7, "text": f"{n}", "at": n} for n in range(4)]
        await write(server, ("messages", "insertMany", [documents]))
        async with particle.Client(f"{server}/particle", identity=ANN) as client:
            async with client.watch("messages", {"room": 7}) as room:
                assert [message["text"] for message in room.documents] == ["0", "1"]
                longer = client.watch("messages", {"room": 7}, limit=3)
                await eventually(lambda: len(longer.documents) == 3)
                longer.close()
            await eventually(lambda: room.name not in client.data)
            with pytest.raises(particle.ParticleError) as refused:
                await client.watch("messages", {"room": 700})
            assert refused.value.code == "FORBIDDEN"
            with pytest.raises(particle.ParticleError) as malformed:
                await client.watch("messages", {"room": "seven"})
            assert malformed.value.code == "INVALID_PARAMS"

    run(work)


def test_goes_on_over_renewals_of_a_short_session(server: str) -> None:
    async def work() -> None:
        states: list[str] = []
        async with particle.Client(f"{server}/particle", identity=ANN, on_status=states.append) as client:
            await client.ready()
            token = client._link._session.token
            await eventually(lambda: client._link._session.token != token)
            assert states == ["waiting", "ready"]

    run(work)


def test_needs_no_identity_where_the_server_has_none(server: str) -> None:
    async def work() -> None:
        async with particle.Client(f"{server}/open") as client:
            await client.ready()
            assert list(client.data) == ["users"]

    run(work)


def test_is_refused_and_revoked(server: str) -> None:
    async def work() -> None:
        async with particle.Client(f"{server}/particle", identity={}) as client:
            with pytest.raises(particle.ParticleError, match="UNAUTHORIZED"):
                await client.ready()
        async with particle.Client(f"{server}/particle", identity={"user": "eve"}) as client:
            await client.ready()
            assert await post(server, "revoke", {"user": "eve"}) == {"ended": 1}
            await eventually(lambda: client.status == "refused")

    run(work)
