"""Text that is markup: as a symbol, an error, a quality flag, a kernel's name. It may be shown, never run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import WebSocketRoute

from tests.attack.harness import attacked
from tests.browser.conftest import Opened, Watch

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

EVIL = '<img src=x onerror="globalThis.hurt=1"><script>globalThis.hurt=1</script>\'"&'
HURT = "() => globalThis.hurt === 1 || document.querySelector('img[src=x], script:not([src])') !== null"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that streams a recording."""
    with attacked(tmp_path_factory.mktemp("server")) as server:
        yield server.url


def _poisoned(text: str) -> list[str]:
    """A server's message with markup wherever it has free text, behind an error and a warning of markup."""
    message: dict[str, Any] = json.loads(text)
    if message.get("type") not in ("snapshot", "delta"):
        return [text]
    message |= {"quality": [EVIL], "kernel": EVIL, "source": EVIL, "exchanges": [EVIL]}
    return [
        json.dumps({"type": "error", "code": EVIL, "message": EVIL}),
        json.dumps({"type": "warning", "code": "SLOW_CONSUMER", "message": EVIL, "dropped_messages": 3}),
        json.dumps({"type": EVIL, "symbol": EVIL}),
        json.dumps(message),
    ]


def test_markup_from_the_server_is_text(open_page: Open, watch: Watch, url: str) -> None:
    """Nothing of it becomes an element, and no script of it runs."""
    watch.allowed.append(".*")
    opened = open_page(url, drawn=False)

    def poison(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(server.send)

        def pass_on(text: str | bytes) -> None:
            for each in _poisoned(str(text)):
                route.send(each)

        server.on_message(pass_on)

    opened.page.route_web_socket("**/ws/heatmap", poison)
    opened.page.reload()
    opened.page.wait_for_function("() => liqstream.mapGrid.focus?.view?.market?.now")
    opened.settle()
    assert not opened.page.evaluate(HURT)


@pytest.mark.parametrize("key", ["symbol", "symbols", "window", "interval", "view", "embed", "s"])
def test_markup_in_the_address_is_text(open_page: Open, watch: Watch, url: str, key: str) -> None:
    """Also not in the answer of the server that renders the page."""
    watch.allowed.append(".*")
    opened = open_page(url, drawn=False, **{key: EVIL})
    opened.page.wait_for_function("() => globalThis.liqstream?.mapGrid")
    opened.settle()
    assert not opened.page.evaluate(HURT)
    opened.page.goto(f"{url}/#{key}={EVIL}")
    opened.settle()
    assert not opened.page.evaluate(HURT)


def test_an_injected_script_is_stopped_by_the_policy(open_page: Open, watch: Watch, url: str) -> None:
    """Should markup ever slip through, the policy is the second lock."""
    watch.allowed.append(".*")
    opened = open_page(url, drawn=False)
    opened.page.evaluate(
        """text => { const div = document.createElement('div'); div.innerHTML = text; document.body.append(div);
           const script = document.createElement('script'); script.textContent = 'globalThis.hurt = 1';
           document.body.append(script); }""",
        EVIL,
    )
    opened.settle()
    assert opened.page.evaluate("() => globalThis.hurt") is None
