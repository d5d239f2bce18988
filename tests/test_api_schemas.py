"""docs/asyncapi.yaml and docs/openapi.yaml list what the running server sends, no more and no less.

The files leave every object open, so that clients stay ready for new keys; the tests close copies of them.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
import yaml
from aiohttp import web
from jsonschema import Draft202012Validator, ValidationError

import liqstream
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from liqstream.wire.messages import (
    ErrorCode,
    WarningCode,
    heartbeat_message,
    parse_request,
    rate_limited_message,
    shutdown_message,
    slow_consumer_message,
)
from tests.support.frame_reader import FrameReader
from tests.support.snapshots import first_snapshot, next_snapshot

DOCS = Path(__file__).resolve().parents[1] / "docs"
ASYNC_API: dict[str, Any] = yaml.load((DOCS / "asyncapi.yaml").read_text(), yaml.CSafeLoader)
OPEN_API: dict[str, Any] = yaml.load((DOCS / "openapi.yaml").read_text(), yaml.CSafeLoader)
GETS = [
    (path, status)
    for path, verbs in OPEN_API["paths"].items()
    for status in verbs.get("get", {}).get("responses", ())
    if status == "200" and path != "/api/events"  # endless: tests/test_http/test_events_api.py
]


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    """Checks against one schema of a document."""
    return Draft202012Validator(document | {"$ref": f"#/components/schemas/{name}"})


def closed(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Checks against a copy of a schema that allows no key it does not list, at any depth."""
    return Draft202012Validator(_closed(document, schema))


def _closed(document: dict[str, Any], schema: dict[str, Any], *, is_part: bool = False) -> dict[str, Any]:
    """References become copies; the parts of an `allOf` stay open, as the whole is closed."""
    if "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _closed(document, found, is_part=is_part)
    copy = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            copy[key] = _closed(document, schema[key])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            copy[key] = [_closed(document, each) for each in schema[key]]
    if "allOf" in schema:
        copy["allOf"] = [_closed(document, each, is_part=True) for each in schema["allOf"]]
    if "properties" in schema:
        copy["properties"] = {name: _closed(document, each) for name, each in schema["properties"].items()}
    is_object = "allOf" in schema or "object" in schema.get("type", ())
    if is_object and not is_part and "additionalProperties" not in schema:
        copy["unevaluatedProperties"] = False
    return copy


def check_message(message: dict[str, Any]) -> str:
    """The name of the schema that a server's message follows; fails if it follows none."""
    kind = message["type"]
    if kind == "snapshot" and "checksum" in message:
        kind = "columns"
    assert kind in ASYNC_API["components"]["schemas"], f"{kind} is not in asyncapi.yaml"
    closed(ASYNC_API, ASYNC_API["components"]["schemas"][kind]).validate(message)
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


STREAMED = {
    "snapshot": (Shape.V1, False),
    "columns": (Shape.COLUMNS, False),
    "delta": (Shape.DELTA, True),
}


def streamed(kind: str) -> dict[str, Any]:
    """A message of a snapshot as the server encodes it."""
    shape, has_base = STREAMED[kind]
    base = first_snapshot()
    encoded = EncodedSnapshot(next_snapshot(base))
    frame = encoded.frame(Variant(shape, 0), base=EncodedSnapshot(base) if has_base else None)
    message: dict[str, Any] = FrameReader().messages(frame)[0]
    return message


@pytest.mark.parametrize("kind", STREAMED)
@pytest.mark.parametrize("place", ["top", "data"])
def test_an_invented_key_is_noticed(kind: str, place: str) -> None:
    """Were the copies not closed, a key that no file lists would pass."""
    message = streamed(kind)
    assert check_message(message) == kind
    (message if place == "top" else message["data"])["invented"] = 1
    with pytest.raises(ValidationError, match="invented"):
        check_message(message)
    validator(ASYNC_API, kind).validate(message)


def test_an_invented_key_of_a_level_or_a_change_is_noticed() -> None:
    """Also deep in a message."""
    snapshot, delta = streamed("snapshot"), streamed("delta")
    snapshot["data"]["levels"][0]["invented"] = delta["data"]["long"]["invented"] = 1
    for message in (snapshot, delta):
        with pytest.raises(ValidationError, match="invented"):
            check_message(message)


@pytest.mark.parametrize("path", [path for path, _ in GETS])
def test_an_invented_key_of_an_answer_is_noticed(path: str) -> None:
    """No answer in JSON is described by a schema that lets every key pass."""
    content = OPEN_API["paths"][path]["get"]["responses"]["200"]["content"]
    for content_type, described in content.items():
        if content_type == "application/json":
            errors = list(closed(OPEN_API, described["schema"]).iter_errors({"invented": 1}))
            assert any("invented" in error.message for error in errors)


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
    assert len(examples) == 8
    for name, payload in examples:
        validator(ASYNC_API, name).validate(payload)
        parse_request(json.dumps(payload))


@pytest.mark.parametrize(
    "message",
    [
        heartbeat_message("2026-01-01T00:00:00Z", {"BTCUSDT": StreamPosition(1_766_932_200_000, 3)}),
        slow_consumer_message({"BTCUSDT": 3}),
        shutdown_message(retry_after_ms=500),
        rate_limited_message(retry_after_ms=200),
        b'{"type":"authenticated"}',
    ],
)
def test_rare_messages_follow_asyncapi(message: bytes) -> None:
    """Messages of an idle, slow, stopping or guarded server."""
    check_message(json.loads(message))


async def test_the_stream_follows_asyncapi(demo_url: str) -> None:
    """Every kind of message a healthy server sends is seen and follows its schema."""
    states = {"snapshot", "columns", "delta", "tick", "markets"}
    expected = states | {"subscribed", "unsubscribed", "pong", "error"}
    seen: set[str] = set()
    async with aiohttp.ClientSession(demo_url) as session:
        await asyncio.gather(
            _receive(session, seen, expected, proto=1), _receive(session, seen, expected, proto=2)
        )
    # A busy machine is late with a snapshot now and then, and the server bridges that with a heartbeat.
    assert seen - {"heartbeat"} == expected


async def _receive(session: aiohttp.ClientSession, seen: set[str], expected: set[str], *, proto: int) -> None:
    requests: tuple[dict[str, Any], ...] = (
        {"action": "ping"},
        {
            "action": "subscribe",
            "symbols": ["BTCUSDT"],
            "update_interval": 1,
            "proto": proto,
            "id": 7,
            "ticks": True,
        },
        {"action": "fly"},
        {"action": "subscribe", "stream": "markets", "proto": proto},
    )
    async with session.ws_connect("/ws/heatmap") as socket:
        for message in requests:
            await socket.send_json(message)
        left = False
        async with asyncio.timeout(60):
            while not expected <= seen:
                seen.add(check_message(await socket.receive_json()))
                if not left and "delta" in seen:
                    left = True
                    await socket.send_json({"action": "unsubscribe", "symbols": ["BTCUSDT"]})
                    await socket.send_json({"action": "unsubscribe", "stream": "markets"})


@pytest.mark.parametrize("path", [path for path, _ in GETS])
async def test_rest_follows_openapi(path: str, demo_url: str) -> None:
    """The answer to the documented example follows its schema; with its ETag it is a 304."""
    operation = OPEN_API["paths"][path]["get"]
    contents = operation["responses"]["200"]["content"]
    query = {p["name"]: str(p["example"]) for p in _parameters(operation, "query") if "example" in p}
    address = path
    for parameter in _parameters(operation, "path"):
        address = address.replace(f"{{{parameter['name']}}}", parameter["example"])
    async with aiohttp.ClientSession(demo_url) as session:
        await _until_known(session, address)
        for content_type, content in contents.items():
            headers = {"Accept": content_type}
            async with session.get(address, params=query, headers=headers) as answer:
                assert (answer.status, answer.content_type) == (200, content_type), await answer.text()
                if content_type == "application/json":
                    closed(OPEN_API, content["schema"]).validate(await answer.json())
                etag = answer.headers.get("ETag")
            if "304" in operation["responses"]:
                assert etag is not None
        async with session.get(address, params={"_": "17"} | query) as answer:
            assert answer.status == 200


async def _until_known(session: aiohttp.ClientSession, address: str) -> None:
    """Some answers exist only a moment after the start: the first forecast takes a fit."""
    async with asyncio.timeout(60):
        while True:
            async with session.get(address) as answer:
                if answer.status not in (404, 503):
                    return
            await asyncio.sleep(0.05)


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
async def test_a_bad_parameter_is_a_400_with_a_sentence(address: str, demo_url: str) -> None:
    """As openapi.yaml says."""
    async with aiohttp.ClientSession(demo_url) as session, session.get(address) as answer:
        assert answer.status == 400
        validator(OPEN_API, "error").validate(await answer.json())


def test_every_route_is_documented() -> None:
    """openapi.yaml has every route of the application but the page's own files and the docs, and no other."""
    app = make_app(load_settings(symbols="BTCUSDT", replay="store"))
    routes = {_path(route) for route in app.router.routes() if route.method != "HEAD"}
    pages = {"/static/{path}", "/docs", "/docs/", "/docs/{name}", "/docs/pictures/{file}"}
    pages |= {"/push-worker.js", "/manifest.webmanifest"}
    assert pages <= routes
    assert routes - pages == set(OPEN_API["paths"])


def _path(route: web.AbstractRoute) -> str:
    info = route.resource.get_info() if route.resource is not None else {}
    return str(info.get("path") or info.get("formatter"))
