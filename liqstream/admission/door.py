"""The door: one place that knows every rule of admission and counts every refusal.

Each check raises the HTTP answer itself, so that nothing of a refused request runs. Reasons are a fixed list:
they become metric labels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import orjson
from aiohttp import hdrs, web

from liqstream.admission.client_address import ClientAddresses, client_key, parse_networks
from liqstream.admission.connection_caps import CapReachedError, ConnectionCaps
from liqstream.admission.header_deadline import HeaderDeadline
from liqstream.admission.origin import OriginPolicy
from liqstream.admission.rate_limit import KeyedLimiter, TokenBucket
from liqstream.admission.tokens import TokenRing
from liqstream.settings import Settings

Reason = Literal["disabled", "origin", "token", "server_full", "address_full", "rate", "headers_late"]
REASONS: tuple[Reason, ...] = (
    "disabled",
    "origin",
    "token",
    "server_full",
    "address_full",
    "rate",
    "headers_late",
)

FULL_RETRY_AFTER_S = 10


class Door:
    """Who may come in, by the settings; `tokens` must be loaded. Raises BadOriginError or BadProxyError."""

    def __init__(self, settings: Settings) -> None:
        self.origins = OriginPolicy(settings.allowed_origins)
        self.addresses = ClientAddresses(parse_networks(settings.trusted_proxies))
        self.caps = ConnectionCaps(settings.ws_max_connections, settings.max_connections_per_address)
        self.tokens = TokenRing(settings.tokens_file or None)
        self.requests = KeyedLimiter(settings.rest_rate_per_s, settings.rest_burst)
        self.deadline = HeaderDeadline()
        self._enabled = settings.ws_enabled
        self._message_rate_per_s = settings.message_rate_per_s
        self._message_burst = settings.message_burst
        self._refused: Counter[Reason] = Counter()

    def refused(self) -> dict[Reason, int]:
        """How many were turned away, by every reason there is."""
        counts = {reason: self._refused[reason] for reason in REASONS}
        return counts | {"headers_late": self.deadline.closed}

    def messages(self) -> TokenBucket:
        """The bucket of one new socket, for its messages and pings together."""
        return TokenBucket(self._message_rate_per_s, self._message_burst)

    def key(self, request: web.Request) -> str:
        """What this request's limits are counted by."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        host = peer[0] if isinstance(peer, tuple) else None
        return client_key(self.addresses.of(host, request.headers.getall(hdrs.X_FORWARDED_FOR, ())))

    def check_enabled(self) -> None:
        """503 while the socket is switched off."""
        if not self._enabled:
            sentence = "the WebSocket is switched off (WS_ENABLED=false); poll /api/heatmap/{symbol}"
            raise self.refusal("disabled", web.HTTPServiceUnavailable, sentence)

    def admit_socket(self, request: web.Request) -> bool:
        """Everything but the place that must be settled before the upgrade; see `must_authenticate`."""
        self.check_enabled()
        self.check_origin(request)
        return self.must_authenticate(request)

    def check_origin(self, request: web.Request) -> None:
        """403 for a page that may not come in."""
        origin = request.headers.get(hdrs.ORIGIN)
        if not self.origins.allows(origin, request.host, scheme=self._scheme(request)):
            raise self.refusal("origin", web.HTTPForbidden, "pages of this origin may not connect here")

    def check_token(self, request: web.Request) -> None:
        """401 without a valid token, where tokens are asked for."""
        if self.tokens.required and self._owner(request) is None:
            raise self.refusal(
                "token",
                web.HTTPUnauthorized,
                "a valid token is needed: Authorization: Bearer ...",
                {hdrs.WWW_AUTHENTICATE: "Bearer"},
            )

    def must_authenticate(self, request: web.Request) -> bool:
        """Must this socket show its token in its first message?

        A browser cannot send a header with a WebSocket, so a page may come in without one; whoever sends a
        wrong one, or is no page, is refused here with 401.
        """
        if not self.tokens.required:
            return False
        is_page = hdrs.ORIGIN in request.headers and hdrs.AUTHORIZATION not in request.headers
        if not is_page:
            self.check_token(request)
        return is_page

    def check_rate(self, request: web.Request) -> None:
        """429 for an address that asks too often."""
        wait_s = self.requests.take(self.key(request))
        if wait_s > 0:
            seconds = str(math.ceil(wait_s))
            raise self.refusal(
                "rate", web.HTTPTooManyRequests, "too many requests", {hdrs.RETRY_AFTER: seconds}
            )

    @contextmanager
    def place(self, request: web.Request) -> Iterator[None]:
        """Hold a socket's place while the context is open; 503 or 429 if there is none."""
        try:
            with self.caps.place(self.key(request)):
                yield
        except CapReachedError as full:
            raise self._no_room(full) from None

    def _no_room(self, full: CapReachedError) -> web.HTTPException:
        retry: Mapping[str, str] = {hdrs.RETRY_AFTER: str(FULL_RETRY_AFTER_S)}
        if full.full == "server":
            return self.refusal("server_full", web.HTTPServiceUnavailable, "the server is full", retry)
        return self.refusal(
            "address_full", web.HTTPTooManyRequests, "too many connections from your address", retry
        )

    def refusal(
        self,
        reason: Reason,
        kind: type[web.HTTPException],
        sentence: str,
        headers: Mapping[str, str] | None = None,
    ) -> web.HTTPException:
        """The answer to somebody who may not come in, counted."""
        self._refused[reason] += 1
        return kind(
            text=orjson.dumps({"error": sentence}).decode(), content_type="application/json", headers=headers
        )

    def _owner(self, request: web.Request) -> str | None:
        return self.tokens.owner_of_header(request.headers.get(hdrs.AUTHORIZATION))

    def _scheme(self, request: web.Request) -> str | None:
        if request.secure:
            return "https"
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if isinstance(peer, tuple) and self.addresses.trusts(peer[0]):
            said = request.headers.get(hdrs.X_FORWARDED_PROTO, "").lower()
            return said if said in ("http", "https") else None
        return None


DOOR = web.AppKey("door", Door)
