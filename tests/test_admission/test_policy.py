"""Every rule of admission on a real server: each refusal's status, its sentence, and that it is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import hdrs, web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.admission.policy import AdmissionPolicy, RefusalReason
from liqstream.admission.tokens import new_token, token_line
from liqstream.settings.server_role import ServerRole
from liqstream.settings.table import Settings

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def served(policy: AdmissionPolicy) -> AsyncIterator[Client]:
    """A server with one route per rule; what is admitted gets 200."""

    async def socket(request: web.Request) -> web.Response:
        must_authenticate = policy.admit_socket(request)
        with policy.connection_slot(request):
            return web.Response(text=str(must_authenticate))

    async def token(request: web.Request) -> web.Response:
        policy.check_token(request)
        return web.Response()

    async def rate(request: web.Request) -> web.Response:
        policy.check_rate(request)
        return web.Response(text=policy.key(request))

    app = web.Application()
    for handler in (socket, token, rate):
        app.router.add_get(f"/{handler.__name__}", handler)
    async with TestClient(TestServer(app)) as client:
        yield client


async def refusal(
    client: Client, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, str, aiohttp.ClientResponse]:
    """The status and the sentence of a refused request."""
    async with client.get(path, headers=headers) as response:
        body: dict[str, Any] = await response.json()
        assert list(body) == ["error"]
        return response.status, body["error"], response


@pytest.mark.parametrize(
    "settings", [Settings(ws_enabled=False), Settings(role=ServerRole.PRODUCER)], ids=["off", "producer"]
)
async def test_sockets_that_are_not_served(settings: Settings) -> None:
    """503 with what to do instead; REST is not affected."""
    policy = AdmissionPolicy(settings)
    async with served(policy) as client:
        status, sentence, _ = await refusal(client, "/socket")
        assert (status, "poll /api/heatmap/{symbol}" in sentence) == (503, True)
        assert (await client.get("/rate")).status == 200
    assert policy.refused()[RefusalReason.DISABLED] == 1


async def test_pages_of_another_origin_open_no_socket() -> None:
    """403; a page of the same host and a program without an origin come in."""
    policy = AdmissionPolicy(Settings())
    async with served(policy) as client:
        status, _, _ = await refusal(client, "/socket", {hdrs.ORIGIN: "https://example.org"})
        assert status == 403
        own = {hdrs.ORIGIN: str(client.make_url("/")).rstrip("/")}
        for headers in (own, {}):
            assert await (await client.get("/socket", headers=headers)).text() == "False"
    assert policy.refused()[RefusalReason.ORIGIN] == 1


async def test_data_needs_a_token_where_tokens_are_set(tmp_path: Path) -> None:
    """401 without one or with a wrong one; a page's socket may send it as its first message.

    What others of the address ask does not count for who shows one.
    """
    token = new_token()
    await asyncio.to_thread((tmp_path / "tokens").write_text, token_line("ops", token) + "\n")
    policy = AdmissionPolicy(
        Settings(tokens_file=str(tmp_path / "tokens"), rest_burst=1, rest_rate_per_s=0.1)
    )
    await asyncio.to_thread(policy.tokens.reload)
    async with served(policy) as client:
        wrong = {str(hdrs.AUTHORIZATION): "Bearer liq_wrong"}
        none: dict[str, str] = {}
        for path, headers in (("/token", none), ("/token", wrong), ("/socket", none), ("/socket", wrong)):
            status, _, response = await refusal(client, path, headers)
            assert (status, response.headers[hdrs.WWW_AUTHENTICATE]) == (401, "Bearer")
        right = {hdrs.AUTHORIZATION: f"Bearer {token}"}
        assert (await client.get("/token", headers=right)).status == 200
        assert await (await client.get("/socket", headers=right)).text() == "False"
        asking = (none, none, right, right)
        assert [(await client.get("/rate", headers=each)).status for each in asking] == [200, 429, 200, 429]
        page = {hdrs.ORIGIN: str(client.make_url("/")).rstrip("/")}
        assert await (await client.get("/socket", headers=page)).text() == "True"
    assert policy.refused()[RefusalReason.TOKEN] == 4


async def test_an_address_that_asks_too_often_waits() -> None:
    """429 with the seconds until it may ask again."""
    policy = AdmissionPolicy(Settings(rest_rate_per_s=0.1, rest_burst=2))
    async with served(policy) as client:
        assert [(await client.get("/rate")).status for _ in range(2)] == [200, 200]
        status, _, response = await refusal(client, "/rate")
        assert (status, response.headers[hdrs.RETRY_AFTER]) == (429, "10")
    assert policy.refused()[RefusalReason.RATE] == 1


async def test_no_more_sockets_than_there_are_slots() -> None:
    """503 where the server is full, 429 where the address has all its slots; both say when to come back."""
    for settings, reason, status in (
        (Settings(ws_max_connections=1), RefusalReason.SERVER_FULL, 503),
        (Settings(max_connections_per_address=1), RefusalReason.ADDRESS_FULL, 429),
    ):
        policy = AdmissionPolicy(settings)
        async with served(policy) as client:
            key = await (await client.get("/rate")).text()
            with policy.caps.slot(key):
                found, _, response = await refusal(client, "/socket")
                assert (found, response.headers[hdrs.RETRY_AFTER]) == (status, "10")
            assert (await client.get("/socket")).status == 200
        assert policy.refused()[reason] == 1


async def test_limits_are_counted_by_the_clients_address() -> None:
    """A trusted proxy's word for it counts, anybody else's does not."""
    forwarded = {hdrs.X_FORWARDED_FOR: "203.0.113.7"}
    for proxies, key in ((("127.0.0.1",), "203.0.113.7"), ((), "127.0.0.1")):
        async with served(AdmissionPolicy(Settings(trusted_proxies=proxies))) as client:
            assert await (await client.get("/rate", headers=forwarded)).text() == key


def test_every_reason_has_a_count_from_the_start() -> None:
    """They are metric labels; headers that come too late are counted by the deadline."""
    policy = AdmissionPolicy(Settings())
    assert policy.refused() == dict.fromkeys(RefusalReason, 0)
    policy.deadline.closed = 3
    assert policy.refused()[RefusalReason.HEADERS_LATE] == 3


def test_a_socket_has_the_message_rate_of_the_settings() -> None:
    """So many at once, then so many a second."""
    bucket = AdmissionPolicy(Settings(message_burst=2, message_rate_per_s=4)).message_bucket()
    assert [bucket.take() for _ in range(2)] == [0, 0]
    assert 0 < bucket.take() <= 0.25
