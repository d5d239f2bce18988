"""Errors that no handler made."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from liqstream.admission.refusal import error_response
from liqstream.http.json_errors import expect_in_json, json_errors
from liqstream.http.responses import not_found
from liqstream.store.errors import StoreError


async def fail(_request: web.Request) -> web.Response:
    raise ZeroDivisionError("secret")


async def fail_to_read(_request: web.Request) -> web.Response:
    raise StoreError("secret")


async def missing(_request: web.Request) -> web.Response:
    raise not_found("no score yet")


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/nowhere", 404, "there are /damaged, /fails, /missing"),
        ("GET", "/missing", 404, "no score yet"),
        ("POST", "/missing", 405, "use GET, HEAD"),
        ("GET", "/fails", 500, "its log has more"),
        ("GET", "/damaged", 503, "cannot be read just now"),
    ],
)
async def test_each_is_a_sentence_in_json(method: str, path: str, status: int, says: str) -> None:
    """A sentence that was there stays; what went wrong inside is logged and not shown."""
    app = web.Application(middlewares=[json_errors])
    app.router.add_get("/missing", missing)
    app.router.add_get("/fails", fail)
    app.router.add_get("/damaged", fail_to_read)
    async with TestClient(TestServer(app)) as client:
        with capture_logs() as lines:
            answer = await client.request(method, path)
        body = await answer.json()
    assert (answer.status, list(body)) == (status, ["error"])
    assert says in body["error"]
    assert "secret" not in body["error"]
    assert (answer.headers.get("Allow") == "GET,HEAD") == (status == 405)
    logged = {500: ["request_failed"], 503: ["request_not_served"]}.get(status, [])
    assert [line["event"] for line in lines] == logged


async def refuse(_request: web.Request) -> web.Response:
    raise error_response(web.HTTPTooManyRequests, "not so <fast>", {"Retry-After": "7"})


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type", "says"),
    [
        ("GET", "/", 500, "text/html", "<p>the server met an error; its log has more</p>"),
        ("GET", "/markets", 429, "text/html", "not so &lt;fast&gt;"),
        ("GET", "/docs/nothing", 404, "text/html", "there is nothing at this path"),
        ("POST", "/", 405, "application/json", "use GET, HEAD"),
        ("GET", "/static/nothing.js", 404, "application/json", "there are /, /markets"),
    ],
)
async def test_where_a_person_opens_a_page_the_sentence_is_one(
    method: str, path: str, status: int, content_type: str, says: str
) -> None:
    """Anything else is for a program, and nothing is in aiohttp's own words."""
    app = web.Application(middlewares=[json_errors])
    app.router.add_get("/", fail)
    app.router.add_get("/markets", refuse)
    async with TestClient(TestServer(app)) as client:
        with capture_logs():
            answer = await client.request(method, path)
        assert (answer.status, answer.content_type) == (status, content_type)
        assert says in await answer.text()
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)


@pytest.mark.parametrize(
    ("expects", "statuses"), [("100-Continue", [b"100", b"200"]), ("a <b>miracle</b>", [b"417"])]
)
async def test_what_no_server_can_do_is_refused_in_json(expects: str, statuses: list[bytes]) -> None:
    """aiohttp would do it before any middleware, in plain text, with the client's own."""

    async def here(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application(middlewares=[json_errors])
    app.router.add_get("/", here)
    expect_in_json(app)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nExpect: {expects}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == statuses
    assert (b'{"error":' in answer) == (b"417" in statuses)
    assert b"miracle" not in answer
