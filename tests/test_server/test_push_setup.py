"""Push as the settings have it: off, refused in one line, or on until the application ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from liqstream.alerts.firing import Firing, Firings
from liqstream.alerts.push_device import Subscription
from liqstream.http.app_keys import FIRINGS, RECORDS
from liqstream.http.push_api import PUSH
from liqstream.metrics import Metrics
from liqstream.server.app_keys import METRICS, SETTINGS, SUPERVISOR
from liqstream.server.push_setup import check_push, push_ctx, push_root_ctx
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings
from liqstream.store.owned_records import RecordLimits
from liqstream.supervision.supervise import Supervisor
from tests.support.dict_records import DictRecords
from tests.support.push_host import CONTACT, Device, push_host

OWNER = "a" * 64


@asynccontextmanager
async def running(settings: Settings, kept: dict[str, DictRecords]) -> AsyncIterator[web.Application]:
    """An application with nothing but push; `kept` outlives it."""

    async def _records(kind: str, limits: RecordLimits) -> DictRecords:
        return kept.setdefault(kind, DictRecords(limits))

    app = web.Application()
    app[SETTINGS], app[METRICS], app[SUPERVISOR] = settings, Metrics(), Supervisor()
    app[FIRINGS], app[RECORDS] = Firings(), _records
    app.cleanup_ctx.extend((push_root_ctx, push_ctx))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        yield app
    finally:
        await runner.cleanup()


async def set_to(**values: str) -> Settings:
    """Settings, whose files are read beside the event loop."""
    return await asyncio.to_thread(lambda: load_settings(**values))


async def test_a_device_gets_its_alert_also_after_a_restart(tmp_path: Path) -> None:
    kept: dict[str, DictRecords] = {}
    firing = Firing("r1", OWNER, "BTCUSDT", "price", "BTCUSDT: 106,600 reached", 1)
    async with push_host(tmp_path) as host:
        settings = await set_to(push=CONTACT, push_hosts=host.name, push_ca=str(host.ca))
        device = Device()
        async with running(settings, kept) as app:
            subscription = msgspec.convert(device.subscription(host.origin), Subscription)
            assert await app[PUSH].add(OWNER, subscription) is None
            app[FIRINGS].deliver(firing)
            assert (await host.next(device))["body"] == "106,600 reached"
            key = await app[PUSH].public_key()
        async with running(settings, kept) as app:
            assert await app[PUSH].public_key() == key
            app[FIRINGS].deliver(firing)
            assert await host.next(device)
            assert "push" in app[SUPERVISOR].names
        app[FIRINGS].deliver(firing)  # its sink is gone with it
        assert host.posted.empty()


async def test_where_it_is_off_nothing_runs() -> None:
    async with running(await set_to(), {}) as app:
        assert PUSH not in app
        assert app[SUPERVISOR].names == set()


def test_without_the_extra_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liqstream.server.push_setup.find_spec", lambda _name: None)
    with pytest.raises(BadSettingError, match=r"pip install 'liqstream\[push\]'"):
        check_push(load_settings(push=CONTACT))
    check_push(load_settings())


@pytest.mark.parametrize(
    "value", ["true", "1", "you@example.com", "mailto:", "http://example.com", "https://host"]
)
def test_what_is_no_contact_is_refused(value: str) -> None:
    with pytest.raises(BadSettingError, match=r"LIQSTREAM_PUSH.*mailto:you@example\.com"):
        load_settings(push=value)


def test_hosts_that_are_none_are_refused_by_name() -> None:
    with pytest.raises(BadSettingError, match="LIQSTREAM_PUSH_HOSTS: 'https://x' is no host"):
        check_push(load_settings(push_hosts="https://x"))


async def test_a_root_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    await asyncio.to_thread(empty.write_text, "nothing")
    for path in (tmp_path / "absent.pem", empty):
        with pytest.raises(BadSettingError, match="LIQSTREAM_PUSH_CA="):
            async with running(await set_to(push=CONTACT, push_ca=str(path)), {}):
                pass


async def test_a_server_without_https_says_what_browsers_want() -> None:
    with capture_logs() as logs:
        async with running(await set_to(push=CONTACT), {}):
            pass
        async with running(await set_to(push=CONTACT, trusted_proxies="127.0.0.1"), {}):
            pass
    assert [each["event"] for each in logs].count("push_needs_https") == 1
