"""docs/asyncapi.yaml and docs/openapi.yaml say what the running server says, no more and no less."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
import yaml
from aiohttp import web
from jsonschema import Draft202012Validator

import liqstream
from liqstream.app import make_app
from liqstream.settings import load_settings
from liqstream.ws.messages import (
    ErrorCode,
    WarningCode,
    heartbeat_message,
    parse_request,
    rate_limited_message,
    shutdown_message,
    slow_consumer_message,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"
ASYNC_API: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())
OPEN_API: dict[str, Any] = yaml.safe_load((DOCS / "openapi.yaml").read_text())
GETS = [
    (path, status)
    for path, verbs in OPEN_API["paths"].items()
    for status in verbs["get"]["responses"]
    if status == "200" and path != "/api/events"  # endless: tests/test_alerts/test_events.py
]


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    """Checks against one schema of a document."""
    return Draft202012Validator(document | {"$ref": f"#/components/schemas/{name}"})


def check_said(message: dict[str, Any]) -> str:
    """The name of the schema that a server's message follows; fails if it follows none."""
    kind = message["type"]
    if kind == "snapshot" and "checksum" in message:
        kind = "columns"
    assert kind in ASYNC_API["components"]["schemas"], f"{kind} is not in asyncapi.yaml"
    validator(ASYNC_API, kind).validate(message)
    return str(kind)


@pytest.mark.parametrize("document", [ASYNC_API, OPEN_API], ids=["asyncapi", "openapi"])
def test_schemas_are_sound(document: dict[str, Any]) -> None:
    """Every schema is one, every reference leads somewhere, the version is the package's."""
    assert document["info"]["version"] == liqstream.__version__
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in _references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for value in node.values() for ref in _references(value)]
    return [ref for value in node for ref in _references(value)] if isinstance(node, list) else []


def test_codes_are_those_of_the_code() -> None:
    """No code is missing, none is made up."""
    schemas = ASYNC_API["components"]["schemas"]
    assert tuple(schemas["error"]["properties"]["code"]["enum"]) == get_args(ErrorCode)
    assert tuple(schemas["warning"]["properties"]["code"]["enum"]) == get_args(WarningCode)


def test_examples_are_understood_by_the_server() -> None:
    """Each example of a client's message follows its schema and parses."""
    examples = [
        (name, example["payload"])
        for name, message in ASYNC_API["components"]["messages"].items()
        for example in message.get("examples", ())
    ]
    assert len(examples) == 6
    for name, payload in examples:
        validator(ASYNC_API, name).validate(payload)
        parse_request(json.dumps(payload))


@pytest.mark.parametrize(
    "message",
    [
        heartbeat_message("2026-01-01T00:00:00Z", {"BTCUSDT": (1_766_932_200_000, 3)}),
        slow_consumer_message({"BTCUSDT": 3}),
        shutdown_message(retry_after_ms=500),
        rate_limited_message(retry_after_ms=200),
        b'{"type":"authenticated"}',
    ],
)
def test_what_takes_trouble_to_hear_follows_asyncapi(message: bytes) -> None:
    """Messages of an idle, slow, stopping or guarded server."""
    check_said(json.loads(message))


async def test_the_stream_follows_asyncapi(demo_url: str) -> None:
    """Every kind of message a healthy server says is seen and follows its schema."""
    wanted = {"snapshot", "columns", "delta", "subscribed", "unsubscribed", "pong", "error"}
    seen: set[str] = set()
    async with aiohttp.ClientSession(demo_url) as session:
        await asyncio.gather(_hear(session, seen, wanted, proto=1), _hear(session, seen, wanted, proto=2))
    assert seen == wanted


async def _hear(session: aiohttp.ClientSession, seen: set[str], wanted: set[str], *, proto: int) -> None:
    asked: tuple[dict[str, Any], ...] = (
        {"action": "ping"},
        {"action": "subscribe", "symbols": ["BTCUSDT"], "update_interval": 1, "proto": proto, "id": 7},
        {"action": "fly"},
    )
    async with session.ws_connect("/ws/heatmap") as socket:
        for message in asked:
            await socket.send_json(message)
        left = False
        async with asyncio.timeout(20):
            while not wanted <= seen:
                seen.add(check_said(await socket.receive_json()))
                if not left and "delta" in seen:
                    left = True
                    await socket.send_json({"action": "unsubscribe", "symbols": ["BTCUSDT"]})


@pytest.mark.parametrize("path", [path for path, _ in GETS])
async def test_rest_follows_openapi(path: str, demo_url: str) -> None:
    """The answer to the documented example follows its schema; with its ETag it is a 304."""
    operation = OPEN_API["paths"][path]["get"]
    said = operation["responses"]["200"]["content"]
    query = {p["name"]: str(p["example"]) for p in _parameters(operation, "query") if "example" in p}
    address = path
    for parameter in _parameters(operation, "path"):
        address = address.replace(f"{{{parameter['name']}}}", parameter["example"])
    async with aiohttp.ClientSession(demo_url) as session:
        for content_type, content in said.items():
            headers = {"Accept": content_type}
            async with session.get(address, params=query, headers=headers) as answer:
                assert (answer.status, answer.content_type) == (200, content_type), await answer.text()
                if content_type == "application/json":
                    schema = OPEN_API | content["schema"]
                    Draft202012Validator(schema).validate(await answer.json())
                etag = answer.headers.get("ETag")
            if "304" in operation["responses"]:
                assert etag is not None
        async with session.get(address, params={"columns": "no"} | query) as answer:
            assert answer.status == 200


def _parameters(operation: dict[str, Any], place: str) -> list[dict[str, Any]]:
    given = operation.get("parameters", ())
    resolved = [
        OPEN_API["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p for p in given
    ]
    return [parameter for parameter in resolved if parameter["in"] == place]


@pytest.mark.parametrize(
    "address",
    [
        "/api/heatmap/NOSUCH",
        "/api/heatmap/BTCUSDT/history?window=9y",
        "/api/liquidations/BTCUSDT?interval=7m",
        "/prices/klines",
        "/prices/klines?symbol=BTCUSDT&limit=0",
        "/liquidations/heatmap-timeseries?symbol=BTCUSDT&price_bin_size=-1",
        "/api/heatmap/BTCUSDT/history?start_time=5&end_time=4",
    ],
)
async def test_a_bad_question_is_a_400_with_a_sentence(address: str, demo_url: str) -> None:
    """As openapi.yaml says."""
    async with aiohttp.ClientSession(demo_url) as session, session.get(address) as answer:
        assert answer.status == 400
        validator(OPEN_API, "error").validate(await answer.json())


def test_every_route_is_documented() -> None:
    """openapi.yaml has every route of the application but the page's own files, and no other."""
    app = make_app(load_settings(symbols="BTCUSDT", replay="store"))
    routes = {_path(route) for route in app.router.routes() if route.method != "HEAD"}
    assert routes - {"/static/{path}"} == set(OPEN_API["paths"])


def _path(route: web.AbstractRoute) -> str:
    info = route.resource.get_info() if route.resource is not None else {}
    return str(info.get("path") or info.get("formatter"))
