"""/api/alerts over real sockets: a rule belongs to its secret, is bounded, raised, tested and kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from liqstream.alerts.firing import Firing
from liqstream.alerts.owned_rules import HISTORY_LENGTH, RULES_PER_OWNER
from liqstream.alerts.owner import OWNER_HEADER, owner_of
from liqstream.http.app_keys import FIRINGS
from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.market import Liquidation
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.integration.test_api import paused_replay
from tests.test_alerts.receiver import TIME_MS

ANNE = {OWNER_HEADER: "a" * 32}
BERT = {OWNER_HEADER: "b" * 32}
AS_JSON = {"Content-Type": "application/json"}
CASCADE = {"kind": "cascade", "symbol": "BTCUSDT", "min_usd": 1000, "window_s": 60, "cooldown_s": 60}
FILE = """
[[target]]
name = "ops"
kind = "webhook"
url = "http://127.0.0.1:9/secret"
[[rule]]
name = "of the file"
kind = "sweep"
min_usd = 7
to = ["ops"]
"""


async def client_of(aiohttp_client: AiohttpClient, tmp_path: Path, **settings: Any) -> TestClient[Any, Any]:
    chosen = {
        "db_path": tmp_path / "market.duckdb",
        "symbols": "BTCUSDT,ETHUSDT",
        "replay": "store",
    } | settings
    app = make_app(await asyncio.to_thread(lambda: load_settings(**chosen)), paused_replay)
    return await aiohttp_client(app)


async def error_of(answer: ClientResponse) -> str:
    return str((await answer.json())["error"])


async def test_a_rule_is_its_owners_alone_and_outlives_the_server(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """Put, listed, raised, tested and deleted by its secret; no other secret sees anything of it."""
    client = await client_of(aiohttp_client, tmp_path)
    async with client.put("/api/alerts/one", json=CASCADE, headers=ANNE) as answer:
        assert (answer.status, await answer.json()) == (200, {"id": "one", **CASCADE})
        assert answer.headers["Cache-Control"] == "no-store"
    async with client.post("/api/alerts/one/test", headers=ANNE) as answer:
        sentence = (await answer.json())["sentence"]
    assert sentence == "[TEST] [REPLAY] BTCUSDT: $1.00K liquidated within 1 min"
    for headers in (BERT, {}):
        for path in ("/api/alerts", "/api/alerts/history"):
            async with client.get(path, headers=headers) as answer:
                body = await answer.json()
                assert body.get("rules", body.get("history")) == []
    async with client.delete("/api/alerts/one", headers=BERT) as answer:
        assert answer.status == 404
    async with client.post("/api/alerts/one/test", headers=BERT) as answer:
        assert answer.status == 404
    async with asyncio.timeout(20):
        history: list[Any] = []
        while not any("[TEST]" not in row["sentence"] for row in history):
            # Again and again: the rule is followed a moment after it was put, and raised once.
            client.app[LIQUIDATION_BUS].take(
                [Liquidation("binance", "BTCUSDT", TIME_MS, "long", 100.0, 600.0)]
            )
            async with client.get("/api/alerts/history", headers=ANNE) as answer:
                history = (await answer.json())["history"]
            await asyncio.sleep(0.05)  # within the rate limit of one address
    await client.close()
    client = await client_of(aiohttp_client, tmp_path)
    async with client.get("/api/alerts", headers=ANNE) as answer:
        assert (await answer.json())["rules"] == [{"id": "one", **CASCADE}]
    async with client.get("/api/alerts/history", headers=ANNE) as answer:
        kept = (await answer.json())["history"]
    assert [row["sentence"][:8] for row in kept] == ["[REPLAY]", "[TEST] ["]
    assert (kept[0]["rule"], kept[0]["kind"], kept[0]["symbol"]) == ("one", "cascade", "BTCUSDT")
    async with client.delete("/api/alerts/one", headers=ANNE) as answer:
        assert answer.status == 204
    async with client.get("/api/alerts/history", headers=ANNE) as answer:
        assert (await answer.json())["history"] == [], "with the last rule goes what was raised"


async def test_a_rule_of_a_market_in_another_form_is_of_its_symbol(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """Kept under the name that alerts are raised by."""
    client = await client_of(aiohttp_client, tmp_path)
    rule = {**CASCADE, "symbol": "eth/usdt:usdt"}
    async with client.put("/api/alerts/one", json=rule, headers=ANNE) as answer:
        assert (answer.status, await answer.json()) == (200, {"id": "one", **CASCADE, "symbol": "ETHUSDT"})


MISFITS: list[tuple[Any, str]] = [
    ({"kind": "flood"}, "Invalid enum value"),
    ({"kind": "stale"}, "Invalid enum value"),
    ({**CASCADE, "to": ["ops"]}, "unknown field"),
    ({**CASCADE, "symbol": "NOPEUSDT"}, "unknown symbol"),
    ({**CASCADE, "min_usd": 0}, "min_usd"),
    ({**CASCADE, "cooldown_s": 59}, "cooldown_s"),
    ({**CASCADE, "min_percentile": 90, "window_s": 90}, "whole minutes"),
    ({"kind": "sweep", "window_s": 60}, "a rule of kind sweep has no window_s; it has min_usd"),
    ({"kind": "price", "symbol": "BTCUSDT"}, "needs its price"),
    ({"kind": "price", "price": 5}, "of one symbol"),
    ([], "Expected `object`"),
]


async def test_requests_are_bounded_and_only_pages_of_this_origin_may_change_anything(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """A body's fields and length, a number of rules, an id, a secret, an origin, a content type."""
    client = await client_of(aiohttp_client, tmp_path, rest_rate_per_s=1000)
    for body, sentence in MISFITS:
        async with client.put("/api/alerts/x", json=body, headers=ANNE) as answer:
            assert (answer.status, sentence in await error_of(answer)) == (400, True), await answer.text()
    for number in range(RULES_PER_OWNER):
        async with client.put(f"/api/alerts/{number}", json=CASCADE, headers=ANNE) as answer:
            assert answer.status == 200
    refused: list[tuple[str, str, dict[str, str], dict[str, Any], int]] = [
        ("PUT", "/api/alerts/more", ANNE, {"json": CASCADE}, 409),
        ("PUT", "/api/alerts/0", ANNE, {"json": CASCADE}, 200),
        ("PUT", "/api/alerts/x", {}, {"json": CASCADE}, 400),
        ("PUT", "/api/alerts/x", {OWNER_HEADER: "short"}, {"json": CASCADE}, 400),
        ("PUT", "/api/alerts/history", ANNE, {"json": CASCADE}, 400),
        ("PUT", f"/api/alerts/{'x' * 41}", ANNE, {"json": CASCADE}, 400),
        ("PUT", "/api/alerts/x", {**BERT, **AS_JSON}, {"data": b"{" * 16_385}, 413),
        ("PUT", "/api/alerts/x", BERT, {"data": b"{}"}, 415),
        ("PUT", "/api/alerts/x", {**BERT, "Origin": "https://evil.example"}, {"json": CASCADE}, 403),
        ("GET", "/api/alerts?owner=1", ANNE, {}, 400),
    ]  # fmt: skip
    for method, path, headers, given, status in refused:
        async with client.request(method, path, headers=headers, **given) as answer:
            assert answer.status == status, (method, path, await answer.text())


async def test_the_files_rules_are_shown_to_who_operates_the_server(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """From the machine itself, but not through a proxy on it; what they are sent to is never shown."""
    file = tmp_path / "alerts.toml"
    await asyncio.to_thread(file.write_text, FILE)
    client = await client_of(aiohttp_client, tmp_path, alerts_file=str(file))
    async with client.get("/api/alerts") as answer:
        body = await answer.json()
    assert body["file_rules"] == [
        {"id": "of the file", "kind": "sweep", "symbol": "*", "min_usd": 7.0, "cooldown_s": 900.0}
    ]
    assert "ops" not in str(body)
    async with client.get("/api/alerts", headers={"X-Forwarded-For": "1.2.3.4"}) as answer:
        assert (await answer.json())["file_rules"] == []


async def test_the_list_of_what_was_raised_is_short(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """The newest fifty."""
    client = await client_of(aiohttp_client, tmp_path)
    owner = owner_of("a" * 32) or ""
    for number in range(HISTORY_LENGTH + 5):
        client.app[FIRINGS].deliver(
            Firing("r", owner, "BTCUSDT", "price", f"BTCUSDT: {number}", TIME_MS + number)
        )
    async with asyncio.timeout(20):
        rows: list[Any] = []
        while len(rows) < HISTORY_LENGTH:
            async with client.get("/api/alerts/history", headers=ANNE) as answer:
                rows = (await answer.json())["history"]
            await asyncio.sleep(0.05)
    assert [row["time"] - TIME_MS for row in rows] == list(range(HISTORY_LENGTH + 4, 4, -1))


async def test_the_description_says_where_the_secret_is_needed(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """An operation refuses to go without it exactly where /openapi.json says that it is required."""
    client = await client_of(aiohttp_client, tmp_path)
    async with client.get("/openapi.json") as answer:
        description = await answer.json()
    named = description["components"]["parameters"]
    needed, refused = {}, {}
    for path, operations in description["paths"].items():
        if not path.startswith("/api/alerts"):
            continue
        for method, operation in operations.items():
            parameters = [named[each["$ref"].rpartition("/")[2]] for each in operation["parameters"]]
            headers = [each for each in parameters if each["name"] == OWNER_HEADER]
            needed[path, method] = headers[0].get("required", False)
            body = CASCADE if "requestBody" in operation else None
            async with client.request(method, path.replace("{id}", "one"), json=body) as answer:
                refused[path, method] = answer.status == 400 and OWNER_HEADER in await error_of(answer)
    assert needed == refused
    assert len(set(needed.values())) == 2
