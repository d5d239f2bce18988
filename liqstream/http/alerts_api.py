"""/api/alerts: rules that are evaluated by the server, each seen by the owner of its secret alone."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from typing import Any

import orjson
from aiohttp import hdrs, web
from msgspec.structs import replace

from liqstream.admission.policy import ADMISSION
from liqstream.admission.refusal import error_response
from liqstream.alerts.owned_rules import HISTORY_LENGTH, RULES_IN_ALL, RULES_PER_OWNER, OwnedRules, RuleBody
from liqstream.alerts.rules import FIGURES, Rule
from liqstream.fleet.redis_pubsub import REDIS_ERRORS
from liqstream.http.app_keys import MAPS, SYMBOLS
from liqstream.http.json_body import json_body
from liqstream.http.owner_param import owner_param, required_owner
from liqstream.http.params import symbol_param
from liqstream.http.responses import bad_request, not_found, unavailable
from liqstream.market import Source
from liqstream.store.owned_records import Full

OWNED_RULES = web.AppKey("owned_rules", OwnedRules)
FILE_RULES: web.AppKey[Sequence[Rule]] = web.AppKey("file_rules")
"""The rules of the alerts file; set where there is one."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FULL = {
    Full.OWNER: f"you have {RULES_PER_OWNER} rules, as many as there may be; delete one first",
    Full.ALL: f"this server keeps {RULES_IN_ALL} rules, as many as there may be",
}

Handler = Callable[[web.Request], Awaitable[web.Response]]


def _reachable(handler: Handler) -> Handler:
    @wraps(handler)
    async def _handler(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except REDIS_ERRORS:
            raise unavailable("the rules cannot be reached just now", retry_after_s=5) from None

    return _handler


@_reachable
async def rules(request: web.Request) -> web.Response:
    """The owner's rules, none without one; those of the alerts file to whoever operates the server."""
    owner = owner_param(request)
    kept = [] if owner is None else await request.app[OWNED_RULES].of_owner(owner)
    listed = [_shown(each) for each in request.app.get(FILE_RULES, ())] if _is_operator(request) else []
    return _json({"rules": kept, "file_rules": listed, "limits": {"rules": RULES_PER_OWNER}})


@_reachable
async def put_rule(request: web.Request) -> web.Response:
    """Keep a rule in place of the one of its id; 409 once there are as many as there may be."""
    owner, rule_id = required_owner(request), _id(request)
    body = await json_body(request, RuleBody)
    if body.problem() is not None:
        raise bad_request(str(body.problem()))
    if body.symbol != "*":
        body = replace(body, symbol=symbol_param(request, body.symbol))
    full = await request.app[OWNED_RULES].put(owner, rule_id, body)
    if full is not None:
        raise error_response(web.HTTPConflict, _FULL[full])
    kept = await request.app[OWNED_RULES].of_owner(owner)
    return _json(next((each for each in kept if each["id"] == rule_id), {"id": rule_id}))


@_reachable
async def delete_rule(request: web.Request) -> web.Response:
    """Forget a rule."""
    owner, rule_id = required_owner(request), _id(request)
    if not await request.app[OWNED_RULES].delete(owner, rule_id):
        raise not_found("you have no rule of this id; GET /api/alerts lists those you have")
    return web.Response(status=204)


@_reachable
async def test_rule(request: web.Request) -> web.Response:
    """Raise a rule now, marked as a test, by every way it would be delivered."""
    owner, rule_id = required_owner(request), _id(request)
    followed = request.app[SYMBOLS]
    symbol = followed[0] if followed else "BTCUSDT"
    firing = await request.app[OWNED_RULES].test(owner, rule_id, symbol, partial(_market, request.app))
    if firing is None:
        raise not_found("you have no rule of this id; GET /api/alerts lists those you have")
    return _json({"sentence": firing.sentence})


@_reachable
async def history(request: web.Request) -> web.Response:
    """What the owner's rules have raised, the newest first."""
    owner = owner_param(request)
    raised = [] if owner is None else await request.app[OWNED_RULES].history(owner)
    return _json({"history": raised, "limits": {"history": HISTORY_LENGTH}})


def add_alerts_routes(app: web.Application) -> None:
    """Serve /api/alerts; whoever sets it up puts the rules under OWNED_RULES."""
    app.router.add_get("/api/alerts", rules)
    app.router.add_get("/api/alerts/history", history)
    app.router.add_put("/api/alerts/{id}", put_rule)
    app.router.add_delete("/api/alerts/{id}", delete_rule)
    app.router.add_post("/api/alerts/{id}/test", test_rule)


def _is_operator(request: web.Request) -> bool:
    """Whoever shows a token where tokens are asked for; else who comes from the machine itself."""
    return request.app[ADMISSION].is_operator(request)


def _market(app: web.Application, symbol: str) -> tuple[Source, float]:
    """A symbol's source and price; some price where this server knows none."""
    maps = app.get(MAPS)
    if maps is None:
        return "live", 100.0
    prices = (each.price_usd for each in maps.markets(symbol) if math.isfinite(each.price_usd))
    return maps.source(symbol), next(prices, 100.0)


def _id(request: web.Request) -> str:
    rule_id = request.match_info["id"]
    if not _ID.fullmatch(rule_id) or rule_id == "history":
        raise bad_request("an id has 1 to 40 letters, digits, or any of _ -, and is not history")
    return rule_id


def _shown(rule: Rule) -> dict[str, Any]:
    """A rule of the file: what it watches, not where it goes."""
    names = ("kind", "symbol", *FIGURES[rule.kind], "cooldown_s")
    return {"id": rule.name} | {name: value for name in names if (value := getattr(rule, name))}


def _json(body: Any) -> web.Response:
    """Of one owner, so no cache may hold it."""
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=headers)
