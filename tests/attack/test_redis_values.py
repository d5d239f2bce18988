"""Foreign values under every key of a fleet and on every channel: the server goes on, and no loop ends."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.attack.harness import Victim, attacked
from tests.support.json_mutation import STRANGE, bent
from tests.support.redis_server import RedisServer, redis_server
from tests.support.seeds import new_seed

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis

PREFIX = "heatmap"
CHANNELS = ("BTCUSDT", "BTCUSDT:prices", "bell", "markets", "market-list")
KEYS = (
    *("lease", "epoch", "wanted", "BTCUSDT:latest", "BTCUSDT:forecast", "market-list:latest"),
    *("market-list:choices", "markets:latest", "records:rule", "records:alert", "claims:push"),
)

TEXTS = ("", "0", "-1", "NaN", "9e99", "1e400", "null", "[]", "{}", "\x00\xff", "x:99999999999999999999")
BACK_WITHIN_S = 15.0


def value(chance: random.Random, known: bytes | str | None) -> bytes:
    """Something that was not written by us: of ours bent, strange, or large."""
    match chance.randrange(5):
        case 0 | 1 if isinstance(known, bytes) and known[:1] in (b"{", b"["):
            return bent(known, chance).encode("utf-8", "surrogatepass")
        case 2:
            return chance.randbytes(chance.choice([1, 100, 300_000]))
        case 3:
            return json.dumps(chance.choice(STRANGE)).encode()
        case _:
            return chance.choice(TEXTS).encode("latin-1")


def spoil_key(client: redis.Redis, chance: random.Random) -> str:
    """A key has another value, another type, or fields that are none."""
    known: list[bytes] = list(client.scan_iter(f"{PREFIX}:*"))
    names = [*known, *(f"{PREFIX}:{name}".encode() for name in KEYS)]
    key = chance.choice(names)
    kind = client.type(key)
    if kind == b"hash" and chance.random() < 0.6:
        name = chance.choice([*client.hkeys(key), b"epoch", b"seq", b"payload", b"more"])
        client.hset(key, name, value(chance, client.hget(key, name)))
        return f"field {name!r} of {key!r}"
    before = client.get(key) if kind == b"string" else None
    client.delete(key)
    match chance.randrange(6):
        case 0:
            client.rpush(key, value(chance, None))
        case 1:
            client.sadd(key, value(chance, None))
        case 2:
            client.zadd(key, {value(chance, None): float("inf")})
        case 3:
            client.hset(
                key, mapping={b"epoch": value(chance, None), b"seq": b"7", b"payload": value(chance, None)}
            )
        case 4:
            client.xadd(key, {b"x": value(chance, None)})
        case _:
            client.set(key, value(chance, before))
    return f"{key!r} was {kind!r}"


def publish(client: redis.Redis, chance: random.Random) -> str:
    """A message that is none of ours."""
    name, latest = chance.choice(CHANNELS), f"{PREFIX}:BTCUSDT:latest"
    known = client.hget(latest, "payload") if client.type(latest) == b"hash" else None
    client.publish(f"{PREFIX}:{name}", value(chance, known))
    return f"published on {name}"


def ready(victim: Victim) -> dict[str, Any]:
    """What the server says of itself."""
    try:
        with urllib.request.urlopen(f"{victim.url}/ready", timeout=10) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        return dict(json.load(error))


def position(victim: Victim) -> tuple[int, int]:
    """Where the map stands that the server serves."""
    with urllib.request.urlopen(f"{victim.url}/api/heatmap/BTCUSDT", timeout=10) as answer:
        found = json.load(answer)
    return int(found["epoch"]), int(found["seq"])


@pytest.fixture
def members(redis_server: RedisServer, tmp_path: Path) -> Iterator[tuple[Victim, ...]]:
    """A fleet: who leads, who follows, and who only serves."""
    fleet = {"REDIS_ENABLED": "true", "REDIS_URL": redis_server.url, "REDIS_CHANNEL_PREFIX": PREFIX}
    fleet["WS_UPDATE_INTERVAL"] = "1"
    with ExitStack() as started:
        found = []
        for name, settings in {"one": {}, "two": {}, "fan": {"ROLE": "fanout", "REPLAY": ""}}.items():
            folder = tmp_path / name
            folder.mkdir()
            found.append(started.enter_context(attacked(folder, **fleet, **settings)))
        yield tuple(found)


def attack(members: tuple[Victim, ...], server: RedisServer, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    client = redis.Redis(port=server.port)
    done: list[str] = []
    for number in range(rounds):
        with suppress(redis.ResponseError):  # a server was quicker, and the key is of its own type again
            done.append((spoil_key if chance.random() < 0.7 else publish)(client, chance))
        if number % 20 != 19:
            continue
        for member in members:
            wait_until_well(member, f"seed {seed}, after {done[-12:]}")
    client.close()
    for member in members:
        log = member.log()
        assert "Traceback" not in log, f"seed {seed}"
        assert "task failed" not in log, f"seed {seed}"


def wait_until_well(member: Victim, story: str) -> None:
    """Its map moves on, and no task of it is failing."""
    before, until_s = position(member), time.monotonic() + BACK_WITHIN_S
    while True:
        state = ready(member)
        if position(member) > before and not state.get("tasks") and state["status"] != "failed":
            return
        assert time.monotonic() < until_s, f"{state} {story}"
        time.sleep(0.1)


@pytest.mark.long
def test_foreign_values_in_redis(members: tuple[Victim, ...], redis_server: RedisServer) -> None:
    """The same in each run; `make attack` looks for new ones."""
    attack(members, redis_server, 1, 20)


@pytest.mark.attack
@pytest.mark.timeout(900)
def test_thousands_of_foreign_values_in_redis(members: tuple[Victim, ...], redis_server: RedisServer) -> None:
    """Others each time."""
    seed = new_seed()
    attack(members, redis_server, seed, 600)
