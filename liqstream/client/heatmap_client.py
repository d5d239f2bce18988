"""The Python client: one connection that keeps itself alive and its states provably right."""

from __future__ import annotations

import asyncio

# Not structlog, which prints to stdout unless configured: a library must not write into its user's pipe.
import logging
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Literal

import aiohttp

from .account import Account
from .connection import HEARTBEAT_S, SILENT_HEARTBEATS, Connection, Ending, Status, make_session
from .context import MarketContext, decode_context
from .env_proxy import env_proxy
from .errors import CannotConnectError, ClientError, RefusedError
from .forecast import Forecast, decode_forecast
from .history import History, decode_history
from .liquidations import RealisedLiquidations, decode_liquidations
from .market_table import MarketTables
from .measured_score import MeasuredScore, decode_measured_score
from .messages import ErrorMessage, PongMessage, WarningMessage
from .positions import MeasuredPositions, decode_positions
from .reconnect import LONGEST_WAIT_S, full_jitter, may_reconnect
from .rest import decode_latest, fetch
from .score import MapScore, decode_score
from .snapshot import Snapshot
from .subscription import Subscription
from .subscriptions import Subscriptions
from .symbol_names import symbol_of, symbols_of
from .urls import Addresses

log = logging.getLogger(__name__)


class HeatmapClient:
    """A client of one server, for use as `async with HeatmapClient(url) as client`.

    Entering connects, and raises CannotConnectError or RefusedError with one clear sentence if it cannot
    (`patient=True` waits for the server instead). From then on a lost connection is opened again with full
    jitter from 2 s, subscriptions and states are resumed, and only an end the server calls final is raised
    out of the subscriptions; whatever else stands in the way is waited out, and `status` has the reason.
    `token` is sent as a bearer token. HTTPS_PROXY, HTTP_PROXY and NO_PROXY are obeyed. `compress` asks for
    deflated frames. A server that says nothing for `outage_after_s` (default: three of its heartbeats) counts
    as lost.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        patient: bool = False,
        compress: bool = False,
        backoff: Callable[[int], float] = full_jitter,
        outage_after_s: float | None = None,
        on_warning: Callable[[str, str], None] | None = None,
    ) -> None:
        self.status = Status("closed")
        self._addresses = Addresses.of(url)  # of the stream and of REST
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}  # sent with every request
        self._patient = patient  # whether entering waits for the server
        self._compress = compress  # whether deflated frames are asked for
        self._backoff = backoff  # seconds to wait before the nth try
        self._outage_after_s = outage_after_s  # None: from the heartbeat and the update intervals
        self._subscriptions = Subscriptions(on_warning=on_warning)  # outlive connections
        self._session: aiohttp.ClientSession | None = None  # made on entering, closed on leaving
        self._connection: Connection | None = None  # the one being read, None between two
        self._first: Connection | None = None  # opened, and not followed yet
        self._not_understood = 0  # on connections that have ended
        self._attempt = 0  # connections in a row that ended before they had shown anything
        self._has_worked = False  # a connection was made: from then on few refusals are final
        self._task: asyncio.Task[None] | None = None  # _run(), from entering to leaving

    async def __aenter__(self) -> HeatmapClient:
        proxy = env_proxy(self._addresses.stream)
        self._session = make_session(self._headers, proxy)
        try:
            self._first = None if self._patient else await self._open(1)
        except BaseException:
            await self._session.close()
            self.status = Status("closed")
            raise
        self._task = asyncio.create_task(self._run(), name="liqstream-client")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            sending = self._subscriptions.sending()
            for task in sending:
                task.cancel()
            await asyncio.wait([self._task, *sending])
        if self._first is not None:
            await self._first.close()
        self._subscriptions.end()
        if self._session is not None:
            await self._session.close()
        self.status = Status("closed")

    def subscribe(
        self, *symbols: str, update_interval_s: int = 5, keep: int = 1, ticks: bool = False
    ) -> Subscription:
        """Snapshots of `symbols`, at most one of each per `update_interval_s` (1 to 60 s).

        A symbol may be named in every usual form (BTC/USDT:USDT, btc-usdt); what comes is of "BTCUSDT". With
        `ticks` the newest snapshot also comes again several times a second as the price moves, with the
        tick's price and time and without the levels that were passed whole since (`Snapshot.tick`). The
        newest arrives at once; for a slow consumer the newest `keep` of each symbol wait. Raises ValueError
        for no symbol or one that is subscribed already; the iteration raises UnknownSymbolError for one that
        the server does not follow, MarketEndedError when it follows none of them any more.
        """
        wanted = symbols_of(symbols)
        held = [symbol for symbol in wanted if symbol in self._subscriptions.streams]
        if not wanted or held:
            raise ValueError(f"already subscribed: {', '.join(held)}" if held else "no symbol given")
        subscription = Subscription(
            wanted, update_interval_s, keep=keep, ticks=ticks, on_close=self._subscriptions.remove
        )
        if self._task is not None and self._task.done():
            subscription.fail(ClientError("the connection has ended for good; make a new client"))
            return subscription
        self._subscriptions.add(subscription)
        return subscription

    def markets(self) -> MarketTables:
        """The table of all markets, the newest at once and then at most every 2 s.

        Raises ValueError where it is subscribed to already; iterating raises ClientError for an old server.
        """
        tables = self._subscriptions.add_markets()
        if self._task is not None and self._task.done():
            tables.fail(ClientError("the connection has ended for good; make a new client"))
        return tables

    async def latest(self, symbol: str, *, exchanges: Collection[str] = ()) -> Snapshot:
        """The newest map of a symbol, of all venues or of some, by REST. Raises ClientError."""
        query = {"columns": "1", **_of(exchanges)}
        url = self._addresses.resource("/api/heatmap/{symbol}", symbol=symbol_of(symbol)).with_query(query)
        return decode_latest(await fetch(self._opened(), url))

    async def history(
        self,
        symbol: str,
        window: str = "24h",
        *,
        interval: str | None = None,
        exchanges: Collection[str] = (),
        prices: tuple[float, float] | None = None,
        price_step: float | None = None,
    ) -> History:
        """The map over the last `window` (1h, 4h, 12h, 24h, 3d, ... 1y), of all venues or of some, by REST.

        `prices` are the lowest and highest to be given, in USD: of these alone `price_step` may be fine.
        Raises ClientError.
        """
        query = {"window": window, **({"interval": interval} if interval else {}), **_of(exchanges)}
        if prices is not None:
            query |= {"min_price": repr(prices[0]), "max_price": repr(prices[1])}
        if price_step is not None:
            query["price_bin_size"] = repr(price_step)
        url = self._addresses.resource("/api/heatmap/{symbol}/history", symbol=symbol_of(symbol))
        return decode_history(await fetch(self._opened(), url.with_query(query)))

    async def forecast(self, symbol: str) -> Forecast:
        """The newest forecasts of a symbol, by REST. Raises ClientError, also before the first was issued."""
        url = self._addresses.resource("/api/forecast/{symbol}", symbol=symbol_of(symbol))
        return decode_forecast(await fetch(self._opened(), url))

    async def context(
        self,
        symbol: str,
        window: str = "24h",
        *,
        interval: str | None = None,
        exchanges: Collection[str] = (),
    ) -> MarketContext:
        """Open interest, funding, volume and liquidations over the last `window` and as of now, by REST.

        Of all venues or of some, up to 5 s old. Raises ClientError.
        """
        query = {"window": window, **({"interval": interval} if interval else {}), **_of(exchanges)}
        url = self._addresses.resource("/api/context/{symbol}", symbol=symbol_of(symbol))
        return decode_context(await fetch(self._opened(), url.with_query(query)))

    async def positions(
        self,
        symbol: str,
        *,
        side: Literal["long", "short"] | None = None,
        prices: tuple[float, float] | None = None,
        most: int = 50,
    ) -> MeasuredPositions:
        """The largest positions measured on Hyperliquid, at most `most` (to 200), by REST.

        Of one side, and with levels from the lower to the higher of `prices` (USD), or of all. Raises
        ClientError, also where the server measures none.
        """
        query = {"limit": str(most), **({"side": side} if side else {})}
        if prices is not None:
            query |= {"low": repr(prices[0]), "high": repr(prices[1])}
        url = self._addresses.resource("/api/positions/{symbol}", symbol=symbol_of(symbol))
        return decode_positions(await fetch(self._opened(), url.with_query(query)))

    async def liquidations(
        self,
        symbol: str,
        window: str = "24h",
        *,
        interval: str | None = None,
        exchanges: Collection[str] = (),
    ) -> RealisedLiquidations:
        """What was liquidated over the last `window`: events and totals, by REST. Raises ClientError."""
        query = {"window": window, **({"interval": interval} if interval else {}), **_of(exchanges)}
        url = self._addresses.resource("/api/liquidations/{symbol}", symbol=symbol_of(symbol))
        return decode_liquidations(await fetch(self._opened(), url.with_query(query)))

    async def score(self, symbol: str, *, exchange: str | None = None) -> MapScore:
        """How good the map of a symbol on an exchange (by default the first) has been, by REST.

        Raises ClientError, also while the first score is worked out: ask again in a few seconds.
        """
        url = self._addresses.resource("/api/score/{symbol}", symbol=symbol_of(symbol))
        query = _of([exchange] if exchange else [])
        return decode_score(await fetch(self._opened(), url.with_query(query)))

    async def measured_score(self, symbol: str) -> MeasuredScore:
        """How well Hyperliquid's map of a symbol places its levels, judged by measured positions, by REST.

        Raises ClientError. Where nothing is measured, or the first score is worked out, `reason` says so.
        """
        url = self._addresses.resource("/api/score/{symbol}", symbol=symbol_of(symbol))
        return decode_measured_score(await fetch(self._opened(), url.with_query(against="measured")))

    def account(self, symbol: str) -> Account:
        """What arrived of a subscribed symbol and what did not. Raises KeyError for others."""
        return self._subscriptions.streams[symbol_of(symbol)].account

    def is_confirmed(self, symbol: str) -> bool:
        """Whether the server of this connection is known to stand in the epoch of the state shown.

        By a state, a heartbeat, an ack or a pong; until then what is shown may be of another server.
        """
        stream = self._subscriptions.streams.get(symbol_of(symbol))
        return stream is not None and stream.is_confirmed

    @property
    def not_understood(self) -> int:
        """Messages that were damaged, or no message of protocol 2, over all connections; passed over."""
        current = 0 if self._connection is None else self._connection.not_understood
        return self._not_understood + current

    @property
    def dropped(self) -> int:
        """Snapshots of all symbols that the server dropped because this client read too slowly."""
        return self._subscriptions.dropped

    @property
    def silence_s(self) -> float:
        """Seconds since the last message of the server; infinite while not connected."""
        current = self._connection
        return float("inf") if current is None else time.monotonic() - current.last_message_s

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ClientError("the client is not open; use `async with HeatmapClient(url) as client`")
        return self._session

    async def _run(self) -> None:
        """Follow one connection after another until the client is left or the server ends it for good."""
        connection, self._first = self._first, None
        ending = Ending()
        try:
            while True:
                if connection is not None:
                    ending = await self._follow(connection)
                connection = await self._reconnect(ending)
        except Exception as caught:  # noqa: BLE001  raised again out of every subscription
            error = caught
            if not isinstance(caught, ClientError):
                error = ClientError(f"the client met a fault of its own: {caught!r}")
                error.__cause__ = caught
            self._subscriptions.end(error)
            self.status = Status("closed", reason=str(error))

    async def _open(self, attempt: int) -> Connection:
        self.status = Status("connecting", attempt, code=self.status.code, reason=self.status.reason)
        connection = await Connection.open(
            self._opened(), self._addresses.stream, compress=self._compress, is_first=not self._has_worked
        )
        self._has_worked = True
        return connection

    async def _reconnect(self, ending: Ending) -> Connection:
        if not may_reconnect(ending.code):
            raise RefusedError(f"the server ended the connection for good: {ending.code} {ending.reason}")
        code, reason, attempt = ending.code, ending.reason, self._attempt + 1
        while True:
            wait_s = max(min(self._subscriptions.retry_after_s, LONGEST_WAIT_S), self._backoff(attempt))
            self._subscriptions.retry_after_s = 0.0
            self.status = Status("waiting", attempt, wait_s, code, reason)
            await asyncio.sleep(wait_s)
            self._attempt = attempt
            try:
                return await self._open(attempt + 1)
            except CannotConnectError as error:
                attempt, reason = attempt + 1, str(error)

    async def _follow(self, connection: Connection) -> Ending:
        """Subscribe and read until the connection ends."""
        self.status = Status("open")
        self._connection = connection
        try:
            await self._subscriptions.begin(connection)
            async for message in connection.messages(self._longest_silence_s):
                # What shows more than an open socket proves the connection: the next loss starts afresh.
                if not isinstance(message, PongMessage | ErrorMessage | WarningMessage):
                    self._attempt = 0
                await self._subscriptions.take(connection, message)
        finally:
            self._connection = None
            self._not_understood += connection.not_understood
            self._subscriptions.connection_lost()
            await connection.close()
        log.info("connection lost: %s %s", connection.ending.code, connection.ending.reason)
        return connection.ending

    def _longest_silence_s(self) -> float:
        if self._outage_after_s is not None:
            return self._outage_after_s
        intervals_s = (float(each.update_interval_s) for each in self._subscriptions.all())
        return SILENT_HEARTBEATS * max((HEARTBEAT_S, *intervals_s))


def _of(exchanges: Collection[str]) -> dict[str, str]:
    return {"exchange": ",".join(exchanges)} if exchanges else {}
