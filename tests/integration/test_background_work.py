"""Whatever a background task or a timer meets, the server goes on: an exception is put into each of them.

The tasks are found by looking at a running server, and the places that make tasks and timers by reading the
sources: what is new fails here until it stands in one of the lists.
"""

from __future__ import annotations

import ast
import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import TraceConfig
from structlog.testing import capture_logs

import liqstream
from liqstream.feeds.feed import Feed
from liqstream.fleet import scripts
from liqstream.ingest import feed_factory
from liqstream.server import app as app_module
from liqstream.server.run import serve
from liqstream.settings.table import Settings
from liqstream.store.market_store import MarketStore
from liqstream.supervision.clock import Clock
from liqstream.supervision.supervise import Supervisor
from tests.support.market_start import START
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

PACKAGE = Path(liqstream.__file__).parent
SYMBOL = "BTCUSDT"
ALERTS = """
[[rule]]
name = "level"
kind = "cluster"
to = ["ops"]
min_usd = 1e12
[[target]]
name = "ops"
kind = "webhook"
url = "http://127.0.0.1:9/"
"""


PASSING_CODE = {scripts._run.__code__}
"""Of tasks that are there for a moment, and awaited where they are made."""


class StruckError(Exception):
    """What is put into the tasks."""


class Server:
    """A server in this process, with everything that can run beside its requests."""

    def __init__(
        self, url: str, supervisor: Supervisor, counts: Counter[str], before: set[asyncio.Task[Any]]
    ) -> None:
        self.url = url
        self.supervisor = supervisor
        self.counts = counts
        self._before = before

    def tasks(self) -> dict[str, asyncio.Task[Any]]:
        """The background tasks that run now, by name; for those without a name by their coroutine."""
        found = {}
        for task in asyncio.all_tasks() - self._before:
            code = getattr(task.get_coro(), "cr_code", None)
            path = Path(code.co_filename) if code else Path()
            if (
                code
                and PACKAGE in path.parents
                and path.parent.name != "simulator"
                and code not in PASSING_CODE
            ):
                name = task.get_name()
                found[code.co_qualname if name.startswith("Task-") else name] = task
        return found

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with aiohttp.ClientSession(self.url) as session, session.get("/ready") as response:
            return response.status, await response.json()


@asynccontextmanager
async def server(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Server]:
    """Serve a simulated market with alerts, retention and a watchdog until the end of the context.

    Failed tasks are begun anew fifty times as fast.
    """
    made: list[Supervisor] = []
    counts = Counter[str]()

    def supervisor(*, on_failure: Callable[[str], None]) -> Supervisor:
        def count(name: str) -> None:
            counts.update([name])
            on_failure(name)

        made.append(Supervisor(clock=Clock(speed=50.0), on_failure=count))
        return made[-1]

    async def feeds(of: Settings, store: MarketStore, traces: Sequence[TraceConfig] = ()) -> Sequence[Feed]:
        simulated = of.model_copy(update={"exchanges": (), "demo_start": START})
        return await feed_factory.make_feeds(simulated, store, traces)

    (folder / "alerts.toml").write_text(ALERTS)
    monkeypatch.setattr(app_module, "Supervisor", supervisor)
    monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    chosen = Settings(
        db_path=folder / "x.duckdb",
        symbols=(SYMBOL,),
        exchanges=("binance",),  # so that old rows are deleted as of a live exchange
        history_days=1,
        port=0,
        alerts_file=str(folder / "alerts.toml"),
        push="mailto:ops@example.com",
        **settings,
    )
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    before = asyncio.all_tasks()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGUSR1)}
    serving = asyncio.create_task(serve(chosen, announce=address.set_result, make_feeds=feeds))
    try:
        done, _ = await asyncio.wait((address, serving), return_when=asyncio.FIRST_COMPLETED)
        assert address in done, serving.result()
        yield Server(address.result(), made[0], counts, before | {serving})
        assert not serving.done()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving == 0
        for number, handler in handlers.items():
            signal.signal(number, handler)


def strike(task: asyncio.Task[Any]) -> bool:
    """Let what a task waits for fail; False where it does not wait just now."""
    waiter = task._fut_waiter  # type: ignore[attr-defined]
    while isinstance(waiter, asyncio.Task):
        waiter = waiter._fut_waiter  # type: ignore[attr-defined]
    if waiter is None or waiter.done() or "_call_check_cancel" in repr(waiter):  # a thread at work
        return False
    waiter.set_exception(StruckError("out of the blue"))
    return True


def waits_for_group(task: asyncio.Task[Any]) -> bool:
    """True for a task that waits for a group of its own, whose members are struck."""
    step: Any = task.get_coro()
    while hasattr(getattr(step, "cr_await", None), "cr_code"):
        step = step.cr_await
    return Path(step.cr_code.co_filename).name == "taskgroups.py"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def strike_each(server: Server) -> set[str]:
    """Put an exception into each task; each is named while it fails, and runs again."""
    struck: set[str] = set()
    while missing := server.tasks().keys() - struck:
        for name in sorted(missing):
            task = server.tasks().get(name)
            if task is None or not (waits_for_group(task) or strike(task)):
                continue
            struck.add(name)
            if name in server.supervisor.names and not waits_for_group(task):
                await until(partial(server.counts.__contains__, name))
        await asyncio.sleep(0.01)
    await until(lambda: struck <= server.tasks().keys() | LEAVE)
    await until(lambda: server.counts.keys() >= struck & server.supervisor.names)
    await until(lambda: not server.supervisor.failing())
    return struck


LEAVE = {"ExchangeFeed._until_due", "SocketSupervisor._until_due"}
"""Tasks that are not there all the time: they end with what they wait for."""


@pytest.mark.redis
@pytest.mark.simulated
async def test_no_background_task_ends_a_server(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is struck, in a fleet of one; afterwards nothing fails, it leads again, and maps go on."""
    settings = {"redis_enabled": True, "redis_url": redis_server.url}
    with capture_logs():
        async with asyncio.timeout(100), server(tmp_path, monkeypatch, **settings) as running:
            assert await strike_each(running) >= {
                *(
                    "alerts-liquidations",
                    "alerts-maps",
                    "alerts-sending",
                    "collect",
                    "feed-simulated",
                    "push",
                ),
                *("feed-flags", "forecasts", "header-deadline", "loop-lag", "retention", "store-again"),
                *("fleet-link", "fleet-listen", "fleet-demand", "fleet-generate", "fleet-warm"),
                *("stream", "stream-watch", "watchdog"),
            }
            status, report = await running.ready()
            while (status, report["mode"]) != (200, "leader"):
                status, report = await running.ready()
            async with aiohttp.ClientSession(running.url) as session, session.ws_connect("/ws/heatmap") as ws:
                await ws.send_json({"action": "subscribe", "symbols": [SYMBOL], "update_interval": 1})
                first, second = [(await ws.receive_json())["timestamp"] for _ in range(2)]
                assert first < second


# Where tasks are made and calls are scheduled, and who looks after what they meet. A new place has to be
# entered in one of these; the tasks of RUNNING are found by the test above.

RUNNING = {
    "alerts/delivery.py run": "begun anew with alerts-sending",
    "alerts/push_sender.py run": "begun anew with push",
    "feeds/exchange_feed.py events": "begun anew by _go_on",
    "feeds/socket_group.py hold": "begun anew by the feed",
    "feeds/socket_supervisor.py run": "the socket is opened anew",
    "feeds/socket_supervisor.py _start": "the socket is opened anew",
    "feeds/socket_supervisor.py _hand_over": "the socket is opened anew",
    "feeds/socket_supervisor.py _run_connection": "the socket is opened anew",
    "positions/collector.py _collect": "begun anew with positions",
    "positions/trade_socket.py _read": "the socket is opened anew; without its pings it is silent first",
    "supervision/supervise.py background": "the supervisor's own",
}
"""Tasks that run as long as the server does."""
PASSING = {
    "alerts/push_sender.py _start": "one of run; catches what it meets, and counts it",
    "heatmap/market_context.py of": "ends with its request",
    "heatmap/model_thread.py run": "hands on what it meets to those who wait for the thread",
    "heatmap/model_thread.py _hand_over": "hands on what it meets to those who wait for the thread",
    "fleet/local_generator.py _publish_in": "its outcome is read where it is made",
    "fleet/scripts.py unbroken": "its outcome is read where it is made",
    "http/events_api.py _tell": "ends with its request",
    "http/forecast_api.py of": "ends with its request",
    "http/score_api.py _worked_out": "ends with its request",
    "http/score_api.py _forecast": "catches what it meets, and logs it",
    "http/work_queue.py _enter": "ends with its request",
    "http/work_queue.py _begin": "ends with its request",
    "fanout/connection_manager.py close": "its outcome is gathered where it is made",
    "positions/collector.py _listen": "one of _collect; what it does not foresee begins them anew",
    "positions/collector.py _read_accounts": "one of _collect; what it does not foresee begins them anew",
    "server/coin_verdicts.py _note": "logs what the disk answers",
    "ingest/pipeline.py _confirm": "catches what it meets, and reports it",
    "server/run.py _start": "catches what it meets, and reports it",
    "server/run.py _stop_on_signals": "sets a future",
    "server/run.py _reload_and_back_up_on_signals": "starts a task of _start",
    "ws/authentication.py authenticate": "ends with its socket",
}
"""What ends by itself, or with its request or socket."""
TIMERS = {
    "fanout/backpressure.py _schedule": "test_fanout/test_backpressure.py",
    "fanout/idle_heartbeat.py start": "test_fanout/test_idle_heartbeat.py",
    "fanout/interval_bucket.py retry": "test_fanout/test_interval_bucket.py",
    "fanout/interval_bucket.py wake": "test_fanout/test_interval_bucket.py",
    "fanout/interval_bucket.py _schedule": "test_fanout/test_interval_bucket.py",
    "fanout/no_data_notice.py watch": "test_fanout/test_no_data_notice.py",
    "fanout/ticks.py note": "test_fanout/test_ticks.py",
    "store/market_store.py _schedule_commit": "test_store/test_market_store.py",
}
"""Timers that set themselves again, and where a test makes each fail."""
SINGLE = {
    "fanout/connection.py close_now": "aborts a transport",
    "fanout/timers.py call_at": "passes on a call of the above",
    "fleet/local_generator.py _must_catch_up": "sets an event",
    "store/market_store.py _commit": "counts a commit; the next record sets the timer",
}
"""Calls after which none is due."""

MAKERS = {
    *("create_task", "ensure_future", "TaskGroup", "call_later", "call_at", "call_soon"),
    *("add_signal_handler", "add_done_callback"),
}
HARMLESS = {"discard"}
APART = {"cli", "client", "evaluation", "selftest", "simulator", "file_import"}
"""Rooms that are no part of a server."""


def places() -> set[str]:
    """Module and function of every place that makes a task or schedules a call."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if name.parts[0] in APART:
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in ast.walk(function):
                if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                    continue
                ends = {getattr(each, "attr", "") for each in call.args} & HARMLESS
                if call.func.attr in MAKERS and not ends:
                    found.add(f"{name.as_posix()} {function.name}")
    return found


def test_every_place_that_makes_tasks_or_timers_is_known() -> None:
    """A new one is entered above, with a test that makes it fail."""
    assert places() == RUNNING.keys() | PASSING.keys() | TIMERS.keys() | SINGLE.keys()
