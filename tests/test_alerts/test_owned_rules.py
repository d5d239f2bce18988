"""Rules of pages in a fleet: the leader's book holds them, any server answers, and leadership passes on."""

from __future__ import annotations

import numpy as np
import pytest
from redis.exceptions import ConnectionError as BrokenConnectionError

from liqstream.alerts.firing import Firing, Firings
from liqstream.alerts.owned_rules import HISTORY_LIMITS, RULE_LIMITS, OwnedRules, RuleBody
from liqstream.alerts.rule_table import RuleBook
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.redis_url import connect
from liqstream.fleet.shared_records import SharedRecords
from liqstream.supervision.timing import Timing
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

OWNER = "a" * 64
SWEEP = RuleBody(kind="sweep", min_usd=1e6)


@pytest.mark.redis
async def test_the_leader_holds_the_rules_and_any_server_answers(redis_server: RedisServer) -> None:
    """Put on the follower, held by the leader; once the leader leaves, by the other one alone."""
    redis, names = connect(redis_server.url), RedisNames("heatmap")
    leader = ["one"]

    def server(name: str) -> OwnedRules:
        owned = OwnedRules(
            SharedRecords(redis, names, "rule", RULE_LIMITS),
            SharedRecords(redis, names, "raised", HISTORY_LIMITS),
            Firings(),
            leads=lambda: leader[0] == name,
        )
        owned.book = RuleBook()
        return owned

    one, two = server("one"), server("two")

    def held() -> list[int]:
        return [len(each.book or ()) for each in (one, two)]

    assert await two.put(OWNER, "r", SWEEP) is None
    for each in (one, two):
        await each.follow()
    assert held() == [1, 0]
    assert await one.of_owner(OWNER) == [{"id": "r", "kind": "sweep", "min_usd": 1e6}]
    one.take(Firing("r", OWNER, "BTCUSDT", "sweep", "BTCUSDT: taken", 1))
    one.take(Firing("of the file", "", "BTCUSDT", "sweep", "BTCUSDT: taken", 1))
    await one.keep_raised()
    assert [row["rule"] for row in await two.history(OWNER)] == ["r"]
    leader[0] = "two"
    for each in (one, two):
        await each.follow()
    assert held() == [0, 1]
    await one.delete(OWNER, "r")
    for each in (one, two):
        await each.follow()
    assert (held(), await two.history(OWNER)) == ([0, 0], [])
    await redis.aclose()


@pytest.mark.redis
async def test_a_cooldown_goes_on_at_another_server(redis_server: RedisServer) -> None:
    """Of the rule, symbol and side raised, until it is over; not after a test, nor of a changed rule."""
    redis, names = connect(redis_server.url), RedisNames("heatmap")
    now_ms = 1_780_000_000_000

    def server() -> OwnedRules:
        owned = OwnedRules(
            SharedRecords(redis, names, "rule", RULE_LIMITS),
            SharedRecords(redis, names, "raised", HISTORY_LIMITS),
            Firings(),
            leads=lambda: True,
            timing=Timing(clock_s=lambda: 50.0, now_ms=lambda: now_ms),
        )
        owned.book = RuleBook()
        return owned

    def due(of: OwnedRules, symbol: str, side: str, now_s: float) -> list[str]:
        assert of.book is not None
        (table,) = of.book.tables("sweep", symbol)
        rows = table.due(symbol, side, np.ones(len(table.rules), dtype=bool), now_s)
        return sorted(table.rules[row].rule.name for row in rows)

    one = server()
    for rule_id in ("raised", "changed", "tried"):
        await one.put(OWNER, rule_id, SWEEP)
    await one.follow()
    facts = {"side": "long"}
    for rule_id in ("raised", "changed", "tried"):
        is_test = rule_id == "tried"
        firing = Firing(rule_id, OWNER, "BTCUSDT", "sweep", "x", now_ms, is_test=is_test, facts=facts)
        one.take(firing)
    await one.keep_raised()
    assert {tuple(row) for row in await one.history(OWNER)} == {
        ("time", "rule", "kind", "symbol", "sentence")
    }
    await one.put(OWNER, "changed", RuleBody(kind="sweep", min_usd=2e6))
    now_ms += 100_000
    two = server()
    await two.follow()
    assert due(two, "BTCUSDT", "long", 50) == ["changed", "tried"]
    assert due(two, "BTCUSDT", "long", 50 + SWEEP.cooldown_s - 101) == ["changed", "tried"]
    everything = ["changed", "raised", "tried"]
    assert due(two, "BTCUSDT", "long", 50 + SWEEP.cooldown_s - 99) == everything
    assert due(two, "BTCUSDT", "short", 50) == due(two, "ETHUSDT", "long", 50) == everything
    await redis.aclose()


@pytest.mark.redis
async def test_what_cannot_be_kept_is_counted(redis_server: RedisServer) -> None:
    """Redis is away: the caller sees its error, and the alert was delivered all the same."""
    redis, lost = connect(redis_server.url), list[int]()
    records = SharedRecords(redis, RedisNames("heatmap"), "raised", HISTORY_LIMITS)
    owned = OwnedRules(records, records, Firings(), leads=lambda: True)
    owned.on_lost = lost.append
    redis_server.kill()
    owned.take(Firing("r", OWNER, "BTCUSDT", "sweep", "BTCUSDT: taken", 1))
    with pytest.raises(BrokenConnectionError):
        await owned.keep_raised()
    assert lost == [1]
    await redis.aclose()


async def test_a_kept_text_that_is_no_rule_is_passed_over() -> None:
    """Whatever stands in the records, the others are held."""

    class Kept(SharedRecords):
        def __init__(self) -> None:
            pass

        async def changes(self) -> dict[tuple[str, str], str | None]:
            return {
                (OWNER, "bad"): "{",
                (OWNER, "odd"): '{"kind":"price"}',
                (OWNER, "deep"): '{"x":' + "[" * 100_000,
                # As an older version took it: what means nothing to its kind is passed over.
                (OWNER, "ok"): '{"kind":"sweep","window_s":90,"min_percentile":5}',
            }

        async def of_owner(self, owner: str) -> dict[str, str]:
            return {"1": "{", "2": '{"rule":"ok"}', "3": "[]", "4": '{"x":' + "[" * 100_000}

    owned = OwnedRules(Kept(), Kept(), Firings(), leads=lambda: True)
    owned.book = RuleBook()
    await owned.follow()
    assert [len(owned), len(owned.book)] == [1, 1]
    assert await owned.history(OWNER) == []
    assert await owned.of_owner(OWNER) == []


KEPT_NAMES = [("BTC/USDT:USDT", "BTCUSDT"), ("kPEPE", "PEPEUSDT"), ("*", "*")]


@pytest.mark.parametrize(("kept", "symbol"), KEPT_NAMES)
def test_a_rule_is_of_the_market_its_name_means(kept: str, symbol: str) -> None:
    """Also one that an older version kept as it was written."""
    assert RuleBody(kind="sweep", symbol=kept, min_usd=1.0).rule("one").symbol == symbol
