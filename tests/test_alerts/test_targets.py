"""What each kind of target needs, and what is posted to it."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from liqstream.alerts.targets import MAX_TEXT, TELEGRAM_URL, Target
from liqstream.market import Source
from tests.test_alerts.receiver import alert_to

TIME = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (Target(name="a", kind="webhook", url="https://example.com"), None),
        (Target(name="a", kind="webhook"), "webhook needs an http(s) url"),
        (
            Target(name="a", kind="discord", url="ftp://example.com"),
            "its url must begin with http:// or https://",
        ),
        (Target(name="a", kind="telegram", token="1:A", chat_id="7"), None),
        (Target(name="a", kind="telegram", token="1:A"), "telegram needs token and chat_id"),
        (
            Target(name="a", kind="telegram", token="1:A/../x", chat_id="7"),
            "its token is none of a Telegram bot",
        ),
        (Target(name="a", kind="telegram", token="1:A", chat_id="7", url="x"), "its url must begin with"),
        (Target(name="a", kind="discord", url="http://x", secret="s"), "discord has no secret"),
    ],
)
def test_what_is_missing_is_one_sentence(target: Target, problem: str | None) -> None:
    """None where nothing is."""
    assert (target.problem() or "").startswith(problem or "")
    assert (target.problem() is None) == (problem is None)


@pytest.mark.parametrize(
    "url",
    [
        "http://a..b/", f"http://{'a' * 64}.com", f"http://{'a.' * 127}example", "http://x:0", "http://x:99999",
        "http://x:-1", "http://x:port", "http://[::g]", "http://a b/", "http://\x00/", "http://", "http:///p",
        "http://*.example.com", "http://256.1.1.1", "http://1.2.3.4.5", "http://1.2.3", "http://\ud800.x",
        "//x", "x", "https:x", "http://[::1", "http://a%20b", "http://.", "http://..",
    ],
)  # fmt: skip
def test_an_address_nothing_can_be_at_is_refused(url: str) -> None:
    """With a reason that does not repeat it: it may hold a token."""
    problem = Target(name="a", kind="webhook", url=url).problem()
    assert problem is not None
    assert url not in problem


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x", "http://[::1]:8080", "https://u:p@example.com/", "http://m\u00fcnchen.example",
        "http://hooks", "http://my_host.internal.", "HTTPS://EXAMPLE.COM",
    ],
)  # fmt: skip
def test_an_address_that_can_be_is_taken(url: str) -> None:
    """Of a name, an address, with a port, with credentials."""
    assert Target(name="a", kind="webhook", url=url).problem() is None


@pytest.mark.parametrize(("source", "prefix"), [("live", ""), ("replay", "[REPLAY] ")])
def test_a_webhook_gets_the_facts(source: Source, prefix: str) -> None:
    """With rule, kind, symbol, source and time; data that is not live is named."""
    url, body, headers = Target(name="a", kind="webhook", url="http://x/y").request(
        alert_to("a", source=source)
    )
    assert (url, headers) == ("http://x/y", {})
    assert json.loads(body) == {
        "rule": "near",
        "kind": "cluster",
        "symbol": "BTCUSDT",
        "message": f"{prefix}1,500 USD at 99.5",
        "source": source,
        "time": TIME,
        "facts": {"symbol": "BTCUSDT", "usd": 1500.0},
    }


def test_telegram_is_reached_at_its_own_address() -> None:
    """Unless another is given; the text is cut to what it takes."""
    target = Target(name="a", kind="telegram", token="1:A", chat_id="7")
    url, body, _ = target.request(alert_to("a", text="x" * 5000))
    assert url == f"{TELEGRAM_URL}/bot1:A/sendMessage"
    assert json.loads(body) == {"chat_id": "7", "text": "x" * MAX_TEXT}


def test_a_webhook_with_a_secret_is_signed() -> None:
    """The receiver works out the same from the bytes it got."""
    target = Target(name="a", kind="webhook", url="http://x", secret="k\u00e9y")
    _, body, headers = target.request(alert_to("a"))
    expected = hmac.new("k\u00e9y".encode(), body, hashlib.sha256).hexdigest()
    assert headers == {"X-Liqstream-Signature": f"sha256={expected}"}
