"""Asking an exchange over HTTP: what passes is tried again, what does not is named, a pause is kept."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from liqstream.feeds.refusals import RefusalKind, RefusalTable
from liqstream.feeds.rest_client import TRIES, RestRefusedError, RestUnavailableError
from liqstream.feeds.schedule import Schedule
from liqstream.supervision.backoff import FullJitter
from tests.support.answering import answering

TABLE = RefusalTable(code_field="retCode", text_field="retMsg", item=frozenset({"10001"}))


async def test_the_json_of_a_response() -> None:
    """Parameters are in the query of a GET and the body of a POST."""
    async with answering(web.json_response([1]), web.json_response({"a": 2})) as (client, asked):
        assert await client.get("/one", symbol="BTCUSDT") == [1]
        assert await client.post("/two", {"type": "meta"}) == {"a": 2}
        assert asked == ["GET /one?symbol=BTCUSDT", "POST /two"]


async def test_what_passes_is_tried_again() -> None:
    """A server error, what is no JSON, a firewall's page, a code nobody knows."""
    for first in (
        web.Response(status=502),
        web.Response(text="<html>"),
        web.Response(status=403, text="<html>"),
        web.Response(status=400, text=json.dumps({"retCode": 77, "retMsg": "new"})),
        web.json_response({"retCode": 10016, "retMsg": "busy"}),
    ):
        async with answering(first, web.json_response(7), table=TABLE) as (client, asked):
            client.make_schedule = lambda: Schedule(FullJitter(base_s=0.0))
            assert await client.get("/x") == 7
            assert len(asked) == 2


async def test_after_some_tries_the_caller_goes_on_with_others() -> None:
    """With the reason; nothing is paused, for nothing said so."""
    async with answering(*(web.Response(status=503) for _ in range(TRIES))) as (client, asked):
        client.make_schedule = lambda: Schedule(FullJitter(base_s=0.0))
        with pytest.raises(RestUnavailableError, match="does not answer: /x: HTTP 503"):
            await client.get("/x")
        assert len(asked) == TRIES
        assert client.pause_left_s == 0


async def test_an_item_that_is_refused_is_not_asked_again() -> None:
    """Another question is answered at once."""
    bad = web.json_response({"retCode": 10001, "retMsg": "symbol invalid"})
    async with answering(bad, web.json_response(7), table=TABLE) as (client, asked):
        with pytest.raises(RestRefusedError, match="10001: symbol invalid") as caught:
            await client.get("/x")
        assert caught.value.refusal.kind is RefusalKind.ITEM
        assert await client.get("/y") == 7
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "retry_after", "pause_s"), [(418, "259200", 259200), (429, "7", 7), (451, "", 900)]
)
async def test_a_pause_holds_every_request(status: int, retry_after: str, pause_s: float) -> None:
    """Exactly as long as stated; nothing is sent meanwhile."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    async with answering(web.Response(status=status, headers=headers)) as (client, asked):
        for text in ("does not answer", "wants no request before 20", "wants no request before 20"):
            with pytest.raises(RestUnavailableError, match=text) as caught:
                await client.get("/x")
            assert caught.value.refusal.pause_s == pytest.approx(pause_s, abs=2)
        assert len(asked) == 1


async def test_no_redirect_is_followed() -> None:
    """Its target's host is named, and may pass."""
    headers = {"Location": "https://elsewhere.example/x?y"}
    moved = [web.Response(status=302, headers=headers) for _ in range(TRIES)]
    async with answering(*moved) as (client, asked):
        client.make_schedule = lambda: Schedule(FullJitter(base_s=0.0))
        with pytest.raises(RestUnavailableError, match=r"redirects to elsewhere\.example, which is not"):
            await client.get("/x")
        assert asked == ["GET /x"] * TRIES


async def test_nobody_there_is_named_without_its_password() -> None:
    """With the address that does not answer."""
    async with answering() as (client, _):
        client.base_url = "http://me:secret@127.0.0.1:1"
        client.make_schedule = lambda: Schedule(FullJitter(base_s=0.0))
        with pytest.raises(RestUnavailableError) as caught:
            await client.get("/x")
        assert "http://***@127.0.0.1:1 does not answer" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert not caught.value.refusal.reached


async def test_requests_go_through_the_proxy() -> None:
    """It alone knows the host."""
    async with answering(web.json_response(7)) as (client, asked):
        client.proxy, client.base_url = client.base_url, "http://exchange.invalid"
        assert await client.get("/x", symbol="BTCUSDT") == 7
        assert asked == ["GET /x?symbol=BTCUSDT"]


async def test_connections_that_were_closed_are_no_answer() -> None:
    """The feed closes its session and opens another while somebody waits to ask once more."""
    async with answering() as (client, asked):
        client.make_schedule = lambda: Schedule(FullJitter(base_s=0.0))
        await client.session.close()
        with pytest.raises(RestUnavailableError, match="the connections were closed meanwhile"):
            await client.get("/x")
        assert asked == []
