"""What refusals mean: what passes, what concerns one item, what shuts this address out, and for how long."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.feeds.parsing import Json
from liqstream.feeds.refusals import BAN_S, SHUT_OUT_S, Refusal, RefusalKind, RefusalTable, stated_pause_s
from liqstream.feeds.registry import VENUES

NOW_MS = 1_790_000_010_000
PASSING, ITEM, VENUE = RefusalKind.PASSING, RefusalKind.ITEM, RefusalKind.VENUE


def judged(
    name: str, status: int, body: Json = None, raw: str = "", headers: dict[str, str] | None = None
) -> Refusal | None:
    """What an exchange's table makes of a response."""
    return VENUES[name].refusals.of_response(status, headers or {}, body, raw, NOW_MS)


@pytest.mark.parametrize(
    ("name", "status", "body", "kind"),
    [
        ("binance", 200, {"code": -1003, "msg": "Too many requests"}, PASSING),
        ("binance", 400, {"code": -1121, "msg": "Invalid symbol."}, ITEM),
        ("binance", 400, {"code": -4108, "msg": "Symbol is on delivering"}, ITEM),
        ("binance", 400, {"code": -9999, "msg": "new"}, PASSING),
        ("binance", 403, None, PASSING),
        ("binance", 451, None, VENUE),
        ("binance", 503, [], PASSING),
        ("bybit", 200, {"retCode": 10006, "retMsg": "Too many visits"}, PASSING),
        ("bybit", 200, {"retCode": 10016, "retMsg": "busy"}, PASSING),
        ("bybit", 200, {"retCode": 10001, "retMsg": "symbol invalid"}, ITEM),
        ("bybit", 200, {"retCode": 31337, "retMsg": "new"}, PASSING),
        ("okx", 400, {"code": "51001", "msg": "Instrument ID doesn't exist"}, ITEM),
        ("okx", 200, {"code": "50026", "msg": "System error"}, PASSING),
        ("okx", 429, {"code": "50011", "msg": "Too Many Requests"}, PASSING),
        ("hyperliquid", 422, None, PASSING),
    ],
)
def test_the_kind_of_a_refusal(name: str, status: int, body: Json, kind: RefusalKind) -> None:
    """By code where there is one, at any status; what nobody knows passes."""
    refusal = judged(name, status, body)
    assert refusal is not None
    assert refusal.kind is kind


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("binance", [1]),
        ("binance", {"serverTime": 1}),
        ("bybit", {"retCode": 0, "result": {}}),
        ("okx", {"code": "0", "data": []}),
        ("hyperliquid", {"universe": []}),
    ],
)
def test_an_answer_is_no_refusal(name: str, body: Json) -> None:
    """Also where the exchange puts a code into every answer."""
    assert judged(name, 200, body) is None


@pytest.mark.parametrize(
    "page",
    [
        "The Amazon CloudFront distribution is configured to block access from your country.",
        '{"code":0,"msg":"Service unavailable from a restricted location according to b. Eligibility"}',
        "This service is not available in your region",
    ],
)
def test_a_body_that_names_a_country(page: str) -> None:
    """Tried again every quarter of an hour, whatever the status."""
    assert judged("bybit", 403, None, page) == Refusal(VENUE, f"HTTP 403: {page}", SHUT_OUT_S)
    plain = judged("bybit", 403, None, "<html>Request blocked by our firewall</html>")
    assert plain is not None
    assert (plain.kind, plain.pause_s) == (PASSING, None)


@pytest.mark.parametrize(
    ("name", "status", "headers", "raw", "pause_s"),
    [
        ("binance", 418, {"Retry-After": "259200"}, "", 259200.0),
        ("binance", 418, {}, "", BAN_S),
        ("binance", 418, {"Retry-After": "0"}, "", BAN_S),
        ("binance", 418, {}, f"IP banned until {NOW_MS + 90_000}. Please", 90.0),
        ("binance", 418, {}, f"IP banned until {NOW_MS - 90_000}. Please", BAN_S),
        ("binance", 418, {}, f"IP banned until {NOW_MS // 1000 + 90}. Please", 90.0),
        ("binance", 418, {"Retry-After": "300"}, f"IP banned until {NOW_MS - 90_000}.", 300.0),
        ("binance", 418, {"Retry-After": "0"}, f"IP banned until {NOW_MS + 90_000}.", 90.0),
        ("gate", 503, {"Retry-After": "2500ms"}, "", 2.5),
        ("okx", 503, {"Retry-After": "2 Minutes"}, "", 120.0),
        ("okx", 503, {"Retry-After": "2 lightyears"}, "", None),
        ("binance", 429, {}, "", 60.0 - NOW_MS / 1000 % 60),
        ("binance", 429, {"Retry-After": "-1"}, "", 60.0 - NOW_MS / 1000 % 60),
        ("binance", 503, {"Retry-After": "7"}, "", 7.0),
        ("binance", 503, {}, "", None),
        ("binance", 403, {}, "", None),
        ("bybit", 403, {}, "access too frequent, please try again", 600.0),
    ],
)
def test_the_pause_of_a_refusal(
    name: str, status: int, headers: dict[str, str], raw: str, pause_s: float | None
) -> None:
    """Exactly what is stated; a pause of nothing, or one that is over, states none."""
    refusal = judged(name, status, None, raw, headers)
    assert refusal is not None
    assert refusal.pause_s == pause_s


def test_limit_codes_pause_for_the_rest_of_the_window() -> None:
    """Whether by REST or by a socket."""
    by_rest = judged("bybit", 200, {"retCode": 10006, "retMsg": "Too many visits"})
    assert by_rest is not None
    assert by_rest.pause_s == 5.0 - NOW_MS / 1000 % 5.0
    table = VENUES["bybit"].refusals
    assert table.of_code("10006", "x") == Refusal(PASSING, "x", 5.0)
    assert table.of_code("10001", "x") == Refusal(ITEM, "x")
    assert table.of_code("new", "x") == Refusal(PASSING, "x")


@pytest.mark.parametrize(
    "form", ["%a, %d %b %Y %H:%M:%S", "%a %b %d %H:%M:%S %Y", "%A, %d-%b-%y %H:%M:%S GMT"]
)
def test_a_date_is_of_greenwich(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every form of HTTP, with a zone or without, on a machine of another zone."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        text = datetime.fromtimestamp(NOW_MS / 1000 + 30, UTC).strftime(form)
        assert stated_pause_s({"Retry-After": text}, "", NOW_MS) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_date_is_a_pause_too() -> None:
    """Retry-After as HTTP has it; one of the past is none."""
    assert stated_pause_s({"Retry-After": formatdate(NOW_MS / 1000 + 30, usegmt=True)}, "", NOW_MS) == 30.0
    assert stated_pause_s({"Retry-After": formatdate(NOW_MS / 1000 - 30, usegmt=True)}, "", NOW_MS) is None


@given(
    status=st.integers(100, 599),
    raw=st.text(),
    header=st.text(),
    code=st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
)
def test_no_response_is_too_odd(status: int, raw: str, header: str, code: Json) -> None:
    """Whatever comes is judged, and no pause is ever over."""
    table = RefusalTable()
    refusal = table.of_response(status, {"Retry-After": header}, {"code": code}, raw, NOW_MS)
    assert refusal is None or refusal.pause_s is None or refusal.pause_s > 0
