"""The client and a scripted server."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

import particle_client as particle

from .conftest import eventually, run
from .scripted import ScriptedServer, Stream, refusal, scripted

ADA = {"_id": 1, "name": "Ada", "visits": 2}
FAST = (0.01, 0.05)


def inc(id: int = 1) -> dict[str, Any]:
    return {"operation": "inc", "id": id, "path": "visits"}


def client_of(server: ScriptedServer, **options: Any) -> particle.Client:
    return particle.Client(server.url, **{"identity": {"user": "ann"}, "delays": FAST, **options})


def status_of(client: particle.Client) -> particle.Status:
    return client.status


async def started(server: ScriptedServer, client: particle.Client, id: str = "p1") -> Stream:
    stream = await server.streams.get()
    stream.begin("users")
    stream.load("users", ADA)
    stream.send("ready", {"timestamp": "t"}, id)
    await client.ready()
    return stream


def test_shows_the_documents_and_their_changes() -> None:
    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            assert client.data["users"] == [ADA]
            assert client.status == "ready"
            before = client.data["users"]
            changes = client.changes("users")
            stream.delta("users", inc(), id="p2")
            change = await changes.__anext__()
            assert (change.root, change.kind, change.operations[0].operation) == ("users", "delta", "inc")
            assert client.data["users"].get(1) == {**ADA, "visits": 3}
            assert before == [ADA]

    run(work)


def test_presents_the_identity_and_the_position() -> None:
    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            assert server.bodies("handshake") == [{"identity": {"user": "ann"}, "carrier": "header"}]
            stream.delta("users", inc(), id="p2")
            stream.cut()
            stream = await server.streams.get()
            assert stream.request == {"token": "t1", "lastEventId": "p2"}
            stream.begin("users", resumed=True)
            stream.delta("users", inc(), id="p3")
            await eventually(lambda: client.data["users"][0]["visits"] == 4)

    run(work)


def test_takes_the_identity_from_a_function_each_time() -> None:
    async def work() -> None:
        calls: list[int] = []

        async def identity() -> int:
            calls.append(1)
            return len(calls)

        async with (
            scripted() as server,
            particle.Client(server.url, identity=identity, delays=FAST) as client,
        ):
            stream = await started(server, client)
            server.answers["stream"] = lambda _: refusal(401, "TOKEN_STALE", token="newer")
            stream.cut()
            await eventually(lambda: len(server.bodies("handshake")) > 1)
            assert server.bodies("handshake")[1] == {"identity": 2, "carrier": "header", "previous": "newer"}

    run(work)


def test_renews_its_token_beside_the_stream() -> None:
    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            stream.send("renew", {"reason": "expires", "within": 1000})
            await eventually(lambda: len(server.bodies("handshake")) == 2)
            assert server.bodies("handshake")[1]["previous"] == "t1"
            stream.send("session", {"token": "s", "expiresAt": "2999-01-01T00:00:00.000Z"})
            stream.end()
            assert (await server.streams.get()).request["token"] in ("t2", "s")
            assert client.status == "ready"

    run(work)


def test_raises_when_it_is_refused() -> None:
    async def work() -> None:
        async with scripted() as server:
            server.answers["handshake"] = lambda _: refusal(401, "UNAUTHORIZED")
            async with client_of(server) as client:
                with pytest.raises(particle.ParticleError) as refused:
                    await client.ready()
                assert (refused.value.code, refused.value.status) == ("UNAUTHORIZED", 401)
                assert status_of(client) == "refused"
                with pytest.raises(particle.ParticleError):
                    await client.changes().__anext__()
                with pytest.raises(particle.ParticleError):
                    await client.watch("messages", {"room": 7})
            assert status_of(client) == "closed"

    run(work)


def test_ends_for_good_when_its_rights_are_revoked() -> None:
    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            changes = client.changes()
            stream.send("revoked", {"reason": "replaced"})
            with pytest.raises(particle.ParticleError) as refused:
                await changes.__anext__()
            assert refused.value.code == "REPLACED"
            assert client.status == "refused"

    run(work)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b"<html>"),
        (503, b'{"error":{"code":"UNAVAILABLE","message":"full"}}'),
        (200, b"[]"),
        (404, b"{}"),
    ],
)
def test_tries_again_after_other_answers(status: int, body: bytes) -> None:
    async def work() -> None:
        errors: list[particle.ParticleError] = []
        async with scripted() as server:
            good, server.answers["handshake"] = server.answers["handshake"], lambda _: (status, body)
            async with client_of(server, on_error=errors.append) as client:
                await eventually(lambda: len(errors) >= 2)
                assert client.status == "connecting"
                server.answers["handshake"] = good
                await started(server, client)

    run(work)


def test_goes_on_when_a_callback_raises() -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a mistake of the application")

    async def work() -> None:
        async with (
            scripted() as server,
            client_of(server, on_change=fail, on_error=fail, on_status=fail) as client,
        ):
            stream = await started(server, client)
            stream.send("error", {"root": "users", "code": "SOURCE_FAILED", "message": "no"})
            stream.delta("users", inc(), id="p2")
            await eventually(lambda: client.data["users"][0]["visits"] == 3)
            assert client.status == "ready"

    run(work)


@pytest.mark.parametrize(
    "operation",
    [
        {"operation": "bogus", "id": 1, "path": "visits"},
        {"operation": "inc", "id": 1, "path": "name"},
        {"operation": "set", "id": 1, "path": "__proto__.a", "data": 1},
        {"operation": "set", "path": "a", "data": 1},
    ],
)
def test_starts_clean_after_a_delta_that_it_cannot_apply(operation: dict[str, Any]) -> None:
    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            stream.delta("users", inc(), operation, id="p2")
            assert "lastEventId" not in (await server.streams.get()).request
            assert client.data["users"] == [ADA]

    run(work)


def test_starts_clean_after_a_value_that_is_nested_too_deeply() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]

    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            stream.delta(
                "users", {"operation": "addToSet", "id": 1, "path": "a", "data": {"$each": [deep, deep]}}
            )
            await eventually(lambda: not server.streams.empty() or "a" in client.data["users"][0])
            assert client.status != "closed"

    run(work)


def test_refuses_an_address_that_is_none() -> None:
    with pytest.raises(particle.ParticleError, match="INVALID_OPTION"):
        particle.Client("localhost:3000/particle")


@pytest.mark.parametrize(
    "identity", [object(), {"at": datetime(2026, 1, 1)}, {"ids": {1}}, {"level": float("nan")}]
)
def test_says_when_an_identity_is_no_json(identity: object) -> None:
    with pytest.raises(particle.ParticleError, match=r"identity is no JSON: .*\(INVALID_OPTION\)"):
        particle.Client("http://localhost:3000/particle", identity=identity)

    async def work() -> None:
        async with scripted() as server:
            errors: list[particle.ParticleError] = []
            answers = [identity, {"user": "ann"}]
            async with client_of(server, identity=lambda: answers.pop(0), on_error=errors.append) as client:
                await started(server, client)
                assert [error.code for error in errors] == ["CALLBACK_FAILED"]
                assert "no JSON" in errors[0].message

    run(work)


def test_takes_silence_for_a_loss() -> None:
    async def work() -> None:
        async with scripted() as server:
            server.heartbeat = 200
            async with client_of(server) as client:
                await started(server, client)
                assert (await server.streams.get()).request["lastEventId"] == "p1"

    run(work)


def test_watches_a_root_and_drops_it() -> None:
    async def work() -> None:
        name = 'messages?{"room":7}'
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            watching = asyncio.ensure_future(client.watch("messages", {"room": 7}, limit=5).ready())
            await eventually(lambda: server.bodies("watch"))
            entry = {"root": name, "limit": 5}
            assert server.bodies("watch")[0] == {"token": "t1", "add": [entry], "remove": []}
            stream.send("watching", {"watch": [entry], "sources": {"users": True, name: True}})
            stream.load(name, {"_id": 1, "text": "hello"})
            stream.send("ready", {"timestamp": "t"}, "p2")
            async with await watching as room:
                assert room.documents == [{"_id": 1, "text": "hello"}]
                stream.cut()
                stream = await server.streams.get()
                assert stream.request["watch"] == stream.request["held"] == [entry]
                stream.begin("users", name, resumed=True)
                stream.send("ready", {"timestamp": "t"}, "p3")
            await eventually(lambda: len(server.bodies("watch")) == 2)
            assert server.bodies("watch")[1]["remove"] == [name]
            stream.send("watching", {"watch": [], "sources": {"users": True}})
            await eventually(lambda: name not in client.data)

    run(work)


def test_raises_for_a_root_that_is_refused() -> None:
    async def work() -> None:
        name = 'messages?{"room":7}'
        async with scripted() as server, client_of(server) as client:
            await started(server, client)
            refused = {"root": name, "code": "FORBIDDEN", "message": "no"}
            server.answers["watch"] = lambda _: (200, {"live": True, "refused": [refused], "watch": []})
            with pytest.raises(particle.ParticleError) as error:
                await client.watch("messages", {"room": 7})
            assert (error.value.code, error.value.root) == ("FORBIDDEN", name)
            assert client.status == "ready"

    run(work)


def test_ends_a_watch_whose_right_ends() -> None:
    async def work() -> None:
        name = 'messages?{"room":7}'
        async with scripted() as server, client_of(server) as client:
            room = client.watch("messages", {"room": 7})
            stream = await server.streams.get()
            assert stream.request["watch"] == [name]
            stream.begin("users", name)
            stream.load("users", ADA)
            stream.load(name, {"_id": 1})
            stream.send("ready", {"timestamp": "t"}, "p1")
            await room
            stream.send("error", {"root": name, "code": "FORBIDDEN", "message": "no"})
            stream.send("watching", {"watch": [], "sources": {"users": True}})
            await eventually(lambda: name not in client.data)
            assert room.error is not None
            assert room.error.code == "FORBIDDEN"
            stream.end()
            assert "watch" not in (await server.streams.get()).request

    run(work)


def test_waits_for_a_position() -> None:
    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            waiting = asyncio.ensure_future(client.reached("w1"))
            await eventually(lambda: server.bodies("reached"))
            assert not waiting.done()
            stream.send("reached", {"position": "w1"})
            await waiting
            with pytest.raises(particle.ParticleError) as late:
                await client.reached("w2", timeout=0.01)
            assert late.value.code == "TIMED_OUT"

    run(work)


def test_replaces_what_a_slow_reader_misses() -> None:
    async def work() -> None:
        async with scripted() as server, client_of(server) as client:
            stream = await started(server, client)
            changes = client.changes(most=3)
            for _ in range(5):
                stream.delta("users", inc(), id="p")
            await eventually(lambda: client.data["users"][0]["visits"] == 7)
            kinds = []
            changes.close()
            async for change in changes:
                kinds.append(change.kind)
            assert kinds in (["load"], ["load", "delta"])

    run(work)


def test_closes_while_it_connects_or_waits() -> None:
    async def work() -> None:
        client = particle.Client("http://127.0.0.1:1/particle")
        async with client:
            changes = client.changes()
        assert [change async for change in changes] == []
        with pytest.raises(particle.ParticleError) as closed:
            await client.ready()
        assert closed.value.code == "CLOSED"

    run(work)
