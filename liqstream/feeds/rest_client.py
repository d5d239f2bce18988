"""Asking an exchange over HTTP: within its limits, and clear about what a refusal means.

A pause that an exchange states holds every request to it; everything else is tried a few times here and then
is the caller's, who goes by the same schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import aiohttp
import structlog
from yarl import URL

from liqstream.client.url_mask import masked
from liqstream.feeds.http_session import host_of, proxy_of
from liqstream.feeds.pacing import ALL, Budget
from liqstream.feeds.parsing import Json, read_json
from liqstream.feeds.raw_frames import FrameSink
from liqstream.feeds.refusals import Refusal, RefusalKind, RefusalTable
from liqstream.feeds.schedule import MakeSchedule, Schedule
from liqstream.feeds.venue_state import VenueState, ban_key
from liqstream.market import LAST_DATE_MS
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

log = structlog.get_logger(__name__)

TRIES = 3
"""Of one request, before its caller goes on with others."""
TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 8.0
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
_MAX_BODY_BYTES = 32 * 2**20


class RestError(Exception):
    """A refusal, in one line; `refusal` says of what kind."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class RestUnavailableError(RestError):
    """The exchange does not answer now, or not this address; trying again later may help."""


class RestRefusedError(RestError):
    """The exchange has no such symbol, interval or page; another question may well be answered."""


def sentence(error: Exception) -> str:
    """What a REST request ended with, in one line."""
    return str(error) if isinstance(error, RestError) else f"an answer could not be read: {error!r}"


@dataclass(slots=True)
class RestClient:
    """Requests to one exchange at `base_url`, through `proxy` or the environment's.

    `table` reads its refusals, `budget` holds its limits, `state` the pauses that outlive a restart.
    """

    exchange: str
    base_url: str
    session: aiohttp.ClientSession
    budget: Budget
    table: RefusalTable = field(default_factory=RefusalTable)
    state: VenueState = field(default_factory=lambda: VenueState(None, SYSTEM_CLOCK.now_ms))
    proxy: str = ""
    sink: FrameSink | None = None
    clock: Clock = SYSTEM_CLOCK
    make_schedule: MakeSchedule = Schedule

    async def get(
        self, path: str, weight: float = 1.0, limit_name: str = ALL, /, **params: str | int
    ) -> Json:
        """The JSON of a GET. Raises RestUnavailableError or RestRefusedError.

        `weight` is what it costs, `limit_name` a limit it counts against beside the one of ALL.
        """
        return await self._request("GET", path, params, None, (weight, limit_name))

    async def post(self, path: str, body: Json, *, weight: float = 1.0) -> Json:
        """The JSON of a POST of JSON. Raises RestUnavailableError or RestRefusedError."""
        return await self._request("POST", path, {}, body, (weight, ALL))

    @property
    def pause_left_s(self) -> float:
        """For how long the exchange must not be asked; 0 if it may be."""
        return self.state.pause_left_s(self._ban_key)

    @property
    def _ban_key(self) -> str:
        return ban_key(URL(self.base_url).host or "", host_of(proxy_of(self.base_url, self.proxy)))

    async def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        body: Json,
        cost: tuple[float, str],
    ) -> Json:
        schedule = self.make_schedule()
        for left in reversed(range(TRIES)):
            if pause_s := self.pause_left_s:
                text = f"{self._shown_url} wants no request before {self._clock_time(pause_s)}"
                raise RestUnavailableError(Refusal(RefusalKind.PASSING, text, pause_s))
            held = await self.budget.spend(*cost)
            try:
                answer = await self._once(method, path, params, body)
            finally:
                self.budget.settle(held)
            if not isinstance(answer, Refusal):
                return answer[0]
            if answer.kind is RefusalKind.ITEM:
                raise RestRefusedError(answer)
            if answer.pause_s is not None or not left:
                text = f"{self._shown_url} does not answer: {path}: {answer.text}"
                raise RestUnavailableError(replace(answer, text=masked(text)))
            await self.clock.sleep(schedule.next_s(answer))
        raise AssertionError("the last try returns or raises")

    def _clock_time(self, in_s: float) -> str:
        """The time in so many seconds: one text for all of a pause, so that it is logged once."""
        at_s = min(round(self.clock.now_ms() / 1000 + in_s), LAST_DATE_MS // 1000)
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def _shown_url(self) -> str:
        return masked(self.base_url)

    async def _once(
        self, method: str, path: str, params: Mapping[str, str | int], body: Json
    ) -> tuple[Json] | Refusal:
        """The JSON of one response, in a tuple of its own, or what it refuses."""
        url = self.base_url.rstrip("/") + path
        if self.session.closed:  # by the feed, between two tries; the next question has another session
            return Refusal(RefusalKind.PASSING, "the connections were closed meanwhile", reached=False)
        try:
            async with (
                self.clock.timeout(TIMEOUT_S),
                self.session.request(
                    method,
                    url,
                    params=params,
                    json=body,
                    timeout=_NO_TIMEOUT,
                    proxy=proxy_of(url, self.proxy),
                ) as response,
            ):
                raw = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reached = not isinstance(error, aiohttp.ClientConnectorError)
            reason = masked(str(error) or type(error).__name__)
            return Refusal(RefusalKind.PASSING, reason, reached=reached)
        self.budget.note(response.headers)
        return self._judge(response, raw, str(URL(url).with_query(dict(params))))

    def _judge(self, response: aiohttp.ClientResponse, raw: bytes, url: str) -> tuple[Json] | Refusal:
        try:
            parsed: Json = read_json(raw)
            is_json = True
        except ValueError:
            parsed, is_json = None, False
        text = raw[:4096].decode("utf-8", "replace")
        now_ms = self.clock.now_ms()
        refusal = self.table.of_response(response.status, response.headers, parsed, text, now_ms)
        if refusal is None and not is_json:
            refusal = Refusal(RefusalKind.PASSING, "not JSON")
        if refusal is None:
            if self.sink is not None:
                self.sink.http(str(URL(url).with_user(None)), raw)
            return (parsed,)
        if refusal.pause_s is not None:
            passing = refusal.kind is RefusalKind.PASSING
            self.state.pause(self._ban_key, refusal.pause_s, refusal.text, lasting=passing)
            log.warning(
                "exchange paused", exchange=self.exchange, reason=refusal.text, pause_s=round(refusal.pause_s)
            )
        return refusal


async def _read(response: aiohttp.ClientResponse) -> bytes:
    raw = await response.content.read(_MAX_BODY_BYTES)
    while not response.content.at_eof() and len(raw) < _MAX_BODY_BYTES:
        raw += await response.content.read(_MAX_BODY_BYTES - len(raw))
    return raw
