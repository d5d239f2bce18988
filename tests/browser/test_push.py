"""Alerts on this device while the page is closed: the switch, the service worker, and what stands in the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.browser.conftest import FLAGS, Opened, Watch, chromium_path
from tests.browser.servers import Server, nginx_below_a_path
from tests.support.push_host import CONTACT, Device

pytestmark = [pytest.mark.browser, pytest.mark.simulated]
Open = Callable[..., Opened]

SWITCH = "role=checkbox[name='Also on this device when the page is closed']"
# A browser without its maker's push service: the subscription, whose keys the test has made, is all it would give.
SUBSCRIBES = """subscription => {
  let held = null;
  const made = (options) => ({ ...subscription, options, toJSON: () => subscription,
    unsubscribe: async () => { held = null; return true; } });
  PushManager.prototype.getSubscription = async () => held;
  PushManager.prototype.subscribe = async (options) =>
    (held = made({ applicationServerKey: Uint8Array.from(options.applicationServerKey).buffer }));
}"""
NOTES = """async () => {
  const { scope } = await navigator.serviceWorker.ready;
  const notes = await (await navigator.serviceWorker.getRegistration(scope)).getNotifications();
  return notes.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
}"""
MESSAGE = {
    "title": "BTCUSDT",
    "body": "$12.9M of longs at 106,600 taken",
    "url": "?symbol=BTCUSDT",
    "tag": "t1",
    "time_ms": 1_780_000_000_000,
}


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium whole: without windows it has no notifications."""
    chromium = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def push_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A simulated market whose operator has switched push on."""
    server = Server(
        ("--demo", "--symbol", "BTCUSDT,ETHUSDT", "--db", "demo.duckdb"), tmp_path_factory.mktemp("x")
    )
    server.start(LIQSTREAM_PUSH=CONTACT, LIQSTREAM_HISTORY_DAYS="3")
    yield server.url
    server.stop()


@pytest.fixture(params=["", pytest.param("/liq", marks=pytest.mark.nginx)])
def place(request: pytest.FixtureRequest, push_url: str, tmp_path: Path) -> Iterator[str]:
    """Where its page is, without the last slash: by itself, and below a path of a proxy."""
    if not request.param:
        yield push_url
        return
    with nginx_below_a_path(push_url, tmp_path) as url:
        yield url.rstrip("/")


def devices(page: Page) -> list[str]:
    """The ids the server has for this page's secret."""
    asked = """async () => (await (await fetch('api/push', { headers: {
      'X-Liqstream-Alerts-Secret': localStorage['liqstream.alerts-secret'] } })).json()).devices"""
    found: list[str] = page.evaluate(asked)
    return found


def deliver(context: BrowserContext, page: Page, origin: str, message: dict[str, Any]) -> None:
    """As the browser does with what its push service brings, decrypted."""
    cdp = context.new_cdp_session(page)
    registrations: list[dict[str, Any]] = []
    cdp.on(
        "ServiceWorker.workerRegistrationUpdated", lambda event: registrations.extend(event["registrations"])
    )
    cdp.send("ServiceWorker.enable")
    while not registrations:
        page.wait_for_timeout(10)
    cdp.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": origin, "registrationId": registrations[0]["registrationId"], "data": json.dumps(message)},
    )


def test_a_device_is_switched_on_gets_messages_and_is_switched_off(
    context: BrowserContext, page: Page, open_page: Open, place: str
) -> None:
    """The server keeps it meanwhile; the notification is a sentence, and its click opens the market's map.

    Below a path all of it stays there: the worker's address, its scope, and what a click opens.
    """
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(place))
    context.grant_permissions(["notifications"], origin=origin)
    subscription = Device().subscription("https://fcm.googleapis.com")
    page.add_init_script(f"({SUBSCRIBES})({json.dumps(subscription)})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(place)
    page.wait_for_selector("#alerts-button[aria-expanded]")
    assert not [
        url for url in asked if "push" in url.removeprefix(place)
    ]  # nothing of it before the panel opens
    page.keyboard.press("a")
    page.wait_for_selector(f"{SWITCH} >> visible=true")
    page.click(SWITCH)
    page.wait_for_selector(f"{SWITCH}[checked]")
    page.wait_for_selector("text=The server watches these alerts")
    assert len(devices(page)) == 1
    scope = page.evaluate("async () => (await navigator.serviceWorker.ready).scope")
    assert scope == f"{place}/"

    deliver(context, page, origin, MESSAGE)
    page.wait_for_function(f"async () => (await ({NOTES})()).length")
    shown = {name: MESSAGE[name] for name in ("title", "body", "tag")}
    assert page.evaluate(NOTES) == [{**shown, "data": {"url": MESSAGE["url"]}}]
    worker = context.service_workers[0]
    opened = worker.evaluate(
        """async () => {
          const opened = [];
          self.clients.openWindow = async (url) => void opened.push(url);
          const [notification] = await self.registration.getNotifications();
          const event = new NotificationEvent('notificationclick', { notification });
          const waits = [];
          event.waitUntil = (wait) => waits.push(wait);
          self.dispatchEvent(event);
          await Promise.all(waits);
          return [opened, (await self.registration.getNotifications()).length];
        }"""
    )
    assert opened == [[f"{place}/?symbol=BTCUSDT"], 0]

    page.click(SWITCH)
    page.wait_for_selector(".push input:not(:checked):enabled")
    assert devices(page) == []


@pytest.mark.parametrize("context", [{"service_workers": "block"}], indirect=True)
def test_what_stands_in_the_way_is_shown(
    context: BrowserContext, page: Page, open_page: Open, push_url: str, watch: Watch
) -> None:
    """Blocked notifications, a browser that has no push, an iPhone outside its home screen, a failing server."""
    watch.allowed.append("503")
    page.add_init_script(
        "Object.defineProperty(Notification, 'permission', { get: () => globalThis.may ?? 'denied' })"
    )
    open_page(push_url)

    def reopened(sentence: str) -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        page.wait_for_selector(f".push >> text={sentence}")

    reopened("Notifications are blocked for this site")
    page.evaluate("() => { delete window.PushManager; }")
    reopened("This browser cannot be reached while the page is closed")
    assert page.is_disabled(SWITCH)
    page.evaluate("() => Object.defineProperty(navigator, 'userAgent', { value: 'iPhone' })")
    reopened("Add to Home Screen")
    page.route("**/api/push", lambda route: route.fulfill(status=503, json={"error": "devices are away"}))
    reopened("This did not work: devices are away")
    page.unroute("**/api/push")
    page.click(".push >> text=Try again")
    page.wait_for_selector(".push >> text=Add to Home Screen")


def test_where_push_is_off_there_is_no_switch(page: Page, open_page: Open, demo_url: str) -> None:
    """Nobody is offered what the operator has not switched on."""
    open_page(demo_url)
    page.wait_for_selector("#alerts-button[aria-expanded]")
    with page.expect_response("**/api/push"):
        page.keyboard.press("a")
    page.wait_for_function("() => document.querySelector('.push').childElementCount === 0")
