"""/api/push: whose devices, which are taken, and what a server without push says."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from liqstream.alerts.owner import OWNER_HEADER, owner_of
from liqstream.alerts.push_endpoint import PushHosts
from liqstream.alerts.push_subscriptions import (
    KEY_LIMITS,
    MAX_DEVICES,
    SUBSCRIPTION_LIMITS,
    ServerKey,
    Subscriptions,
)
from liqstream.http.json_errors import json_errors
from liqstream.http.push_api import PUSH, add_push_routes
from tests.support.dict_records import DictRecords
from tests.support.push_host import Device, bytes_of

MINE, OTHERS = {OWNER_HEADER: "a" * 32}, {OWNER_HEADER: "b" * 32}
ORIGIN = "https://fcm.googleapis.com"

Client = TestClient[Any, Any]


@pytest.fixture
def records() -> DictRecords:
    return DictRecords(SUBSCRIPTION_LIMITS)


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, records: DictRecords) -> Client:
    app = web.Application(middlewares=[json_errors])
    app[PUSH] = Subscriptions(records, PushHosts(), ServerKey(DictRecords(KEY_LIMITS)))
    add_push_routes(app)
    return await aiohttp_client(app)


async def answer(response: Any) -> tuple[int, Any]:
    return response.status, await response.json()


async def test_a_device_is_kept_for_its_owner_and_shown_to_nobody_else(
    client: Client, records: DictRecords
) -> None:
    sent = Device().subscription(ORIGIN)
    status, kept = await answer(await client.post("/api/push", json=sent, headers=MINE))
    assert status == 200
    assert [whose for whose, _ in records.kept] == [owner_of(MINE[OWNER_HEADER])]
    state = (await answer(await client.get("/api/push", headers=MINE)))[1]
    assert state["devices"] == [kept["id"]]
    assert len(bytes_of(state["public_key"])) == 65
    for headers in (OTHERS, {}):
        seen = await answer(await client.get("/api/push", headers=headers))
        assert seen == (200, {"public_key": state["public_key"], "devices": []})
    address = f"/api/push/{kept['id']}"
    assert (await client.delete(address, headers=OTHERS)).status == 404
    assert (await client.delete(address)).status == 400
    assert await answer(await client.delete(address, headers=MINE)) == (200, {"removed": True})
    assert (await client.delete(address, headers=MINE)).status == 404
    assert records.kept == {}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (Device().subscription("https://10.0.0.1"), "no known push service"),
        (Device().subscription("https://localhost"), "no known push service"),
        (Device().subscription("http://fcm.googleapis.com"), "https address"),
        (Device().subscription("https://u@fcm.googleapis.com"), "https address"),
        (Device(auth=b"short").subscription(ORIGIN), "keys.auth"),
        ({"endpoint": ORIGIN}, "keys"),
        ([], "object"),
    ],
)
async def test_what_no_browser_sends_is_refused_in_a_sentence(
    client: Client, records: DictRecords, body: Any, why: str
) -> None:
    status, body_of = await answer(await client.post("/api/push", json=body, headers=MINE))
    assert status == 400
    assert why in body_of["error"]
    assert records.kept == {}


async def test_a_full_owner_and_a_full_server_are_named(client: Client, records: DictRecords) -> None:
    for _ in range(MAX_DEVICES):
        await client.post("/api/push", json=Device().subscription(ORIGIN), headers=MINE)
    status, body_of = await answer(
        await client.post("/api/push", json=Device().subscription(ORIGIN), headers=MINE)
    )
    assert (status, body_of["error"]) == (409, "no more devices: remove one of yours first")
    records.kept |= {("c" * 64, str(i)): "{}" for i in range(SUBSCRIPTION_LIMITS.in_all)}
    full = await client.post("/api/push", json=Device().subscription(ORIGIN), headers=OTHERS)
    assert full.status == 503
    assert full.headers["Retry-After"]


async def test_records_that_are_away_are_no_fault_of_the_page(client: Client, records: DictRecords) -> None:
    records.error = OSError("redis://:secret@host is away")
    for response in (
        await client.get("/api/push", headers=MINE),
        await client.post("/api/push", json=Device().subscription(ORIGIN), headers=MINE),
        await client.delete("/api/push/x", headers=MINE),
    ):
        assert response.status == 503
        assert response.headers["Retry-After"]
        assert "secret" not in await response.text()


async def test_a_secret_that_is_none_is_refused(client: Client) -> None:
    assert (await client.get("/api/push", headers={OWNER_HEADER: "short"})).status == 400


async def test_without_push_it_says_so(aiohttp_client: AiohttpClient) -> None:
    app = web.Application(middlewares=[json_errors])
    add_push_routes(app)
    client = await aiohttp_client(app)
    off: tuple[int, Any] = (200, {"public_key": None, "devices": []})
    assert await answer(await client.get("/api/push", headers=MINE)) == off
    refused = await client.post("/api/push", json=Device().subscription(ORIGIN), headers=MINE)
    assert refused.status == 404
    assert "LIQSTREAM_PUSH" in await refused.text()
