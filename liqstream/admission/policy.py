"""The admission policy: one place that knows every rule of admission and counts every refusal.

Each check raises the HTTP error itself, so that nothing of a refused request runs. Reasons are a fixed list:
they become metric labels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from aiohttp import HttpVersion11, hdrs, web

from liqstream.admission.client_address import (
    BadProxyError,
    ClientAddresses,
    client_key,
    parse_networks,
)
from liqstream.admission.connection_caps import Cap, CapReachedError, ConnectionCaps, ConnectionSlot
from liqstream.admission.header_deadline import HeaderDeadline
from liqstream.admission.host import BadHostError, HostPolicy, host_of
from liqstream.admission.origin import BadOriginError, OriginPolicy
from liqstream.admission.pending_sockets import PendingFullError, PendingSocket, PendingSockets
from liqstream.admission.rate_limit import KeyedLimiter, TokenBucket
from liqstream.admission.refusal import error_response
from liqstream.admission.refusal_log import RefusalLog
from liqstream.admission.tokens import TokenRing
from liqstream.settings.table import Settings

FULL_RETRY_AFTER_S = 10
PENDING_RETRY_AFTER_S = 1
NO_STREAM_RETRY_AFTER_S = 10

FAILURE_BURST = 10
FAILURE_RATE_PER_S = 1 / 6
"""Of refused handshakes and wrong tokens, per address. What is admitted costs nothing of it."""
LOOPBACK_KEYS = frozenset(("127.0.0.1", "::/64"))
"""Of clients on this machine."""
_FAILURES = (400, 401, 403, 421)

_T = TypeVar("_T")


class RefusalReason(StrEnum):
    """Why a request was refused; the labels of `liqstream_refusals_total`."""

    DISABLED = "disabled"
    HOST = "host"
    ORIGIN = "origin"
    TOKEN = "token"  # noqa: S105
    SERVER_FULL = "server_full"
    ADDRESS_FULL = "address_full"
    PENDING_FULL = "pending_full"
    RATE = "rate"
    HEADERS_LATE = "headers_late"
    TLS = "tls"
    BUSY = "busy"
    STALLED = "stalled"
    NO_STREAM = "no_stream"


REASONS = {Cap.SERVER: RefusalReason.SERVER_FULL, Cap.ADDRESS: RefusalReason.ADDRESS_FULL}


class AdmissionPolicy:
    """Who is admitted, by the settings; `tokens` must be loaded.

    Raises BadHostError, BadOriginError or BadProxyError, naming the variable.
    """

    def __init__(self, settings: Settings) -> None:
        self.hosts = _naming("LIQSTREAM_HOSTS", lambda: HostPolicy(settings.hosts))
        self.origins = _naming("LIQSTREAM_ALLOWED_ORIGINS", lambda: OriginPolicy(settings.allowed_origins))
        self.addresses = ClientAddresses(
            _naming("LIQSTREAM_TRUSTED_PROXIES", lambda: parse_networks(settings.trusted_proxies))
        )
        self.caps = ConnectionCaps(settings.ws_max_connections, settings.max_connections_per_address)
        self.tokens = TokenRing(settings.tokens_file or None, secrets_dir=settings.secrets_dir)
        self.requests = KeyedLimiter(settings.rest_rate_per_s, settings.rest_burst)
        self.pending = PendingSockets()
        self.failures = KeyedLimiter(FAILURE_RATE_PER_S, FAILURE_BURST)
        self.deadline = HeaderDeadline()
        self.stream_is_down: Callable[[], bool] = lambda: False
        """Set by whoever watches the stream: new sockets are then sent elsewhere."""
        self._log = RefusalLog()
        self._serves_stream = settings.serves_stream
        self._message_rate_per_s = settings.message_rate_per_s
        self._message_burst = settings.message_burst
        self._refused: Counter[RefusalReason] = Counter()

    def refused(self) -> dict[RefusalReason, int]:
        """How many requests were refused, by every reason there is."""
        counts = {reason: self._refused[reason] for reason in RefusalReason}
        return counts | {
            RefusalReason.HEADERS_LATE: self.deadline.closed,
            RefusalReason.TLS: self.deadline.failed_handshakes,
        }

    def message_bucket(self) -> TokenBucket:
        """The bucket of one new socket, for its messages and pings together."""
        return TokenBucket(self._message_rate_per_s, self._message_burst)

    def key(self, request: web.Request) -> str:
        """What this request's limits are counted by."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        host = peer[0] if isinstance(peer, tuple) else None
        return client_key(self.addresses.of(host, request.headers.getall(hdrs.X_FORWARDED_FOR, ())))

    def check_host(self, request: web.Request) -> None:
        """421 for a name this server is not known by; 400 for several names or origins, for none or no name.

        The name in the first line, where one stands there, counts too (RFC 9112 3.2.2). A trusted proxy may
        pass on any name until LIQSTREAM_HOSTS is set.
        """
        hosts, url = request.headers.getall(hdrs.HOST, ()), request._message.url
        if len(hosts) > 1 or len(request.headers.getall(hdrs.ORIGIN, ())) > 1:
            raise self._bad_host("more than one Host or Origin header; send one of each")
        if not hosts and request.version >= HttpVersion11:
            raise self._bad_host("the Host header is missing")
        if not self.hosts.is_set and self._is_from_proxy(request):
            return
        names = (url.raw_authority, *hosts) if url.absolute else hosts
        host = next((each for each in names if not self.hosts.allows(each)), None)
        if host is None:
            return
        name = host_of(host)
        if name is None:
            raise self._bad_host("the Host header is no name or address, with or without a port")
        self._log.report("host_refused", name, host=host, cure=f"LIQSTREAM_HOSTS={name}")
        raise self.refusal(
            RefusalReason.HOST,
            web.HTTPMisdirectedRequest,
            f"this server is not known by the name {name}; if it should be, set LIQSTREAM_HOSTS={name}",
        )

    def _bad_host(self, sentence: str) -> web.HTTPException:
        return self.refusal(RefusalReason.HOST, web.HTTPBadRequest, sentence)

    def check_enabled(self) -> None:
        """503 while the socket is switched off, or the stream is down."""
        if not self._serves_stream:
            sentence = "the WebSocket is switched off (WS_ENABLED=false); poll /api/heatmap/{symbol}"
            raise self.refusal(RefusalReason.DISABLED, web.HTTPServiceUnavailable, sentence)
        if self.stream_is_down():
            retry: Mapping[str, str] = {hdrs.RETRY_AFTER: str(NO_STREAM_RETRY_AFTER_S)}
            sentence = "this server makes no snapshots just now; /ready says why"
            raise self.refusal(RefusalReason.NO_STREAM, web.HTTPServiceUnavailable, sentence, retry)

    def admit_socket(self, request: web.Request) -> bool:
        """Check all but the slot before the upgrade; see `must_authenticate` for what is returned."""
        self.check_enabled()
        self.check_origin(request)
        return self.must_authenticate(request)

    def check_origin(self, request: web.Request) -> None:
        """403 for a page whose origin is not allowed."""
        origin = request.headers.get(hdrs.ORIGIN)
        host = request.headers.get(hdrs.HOST, "")
        if not self.origins.allows(origin, host, scheme=self._scheme(request)):
            cure = f"LIQSTREAM_ALLOWED_ORIGINS={origin}"
            self._log.report("origin_refused", str(origin), host=host, origin=origin, cure=cure)
            raise self.refusal(
                RefusalReason.ORIGIN, web.HTTPForbidden, "pages of this origin may not connect here"
            )

    def check_token(self, request: web.Request) -> None:
        """401 without a valid token, where tokens are required."""
        if self.tokens.required and self._owner(request) is None:
            raise self.refusal(
                RefusalReason.TOKEN,
                web.HTTPUnauthorized,
                "a valid token is needed: Authorization: Bearer ...",
                {hdrs.WWW_AUTHENTICATE: "Bearer"},
            )

    def has_token(self, request: web.Request) -> bool:
        """Does it show a valid token?"""
        return self._owner(request) is not None

    def is_operator(self, request: web.Request) -> bool:
        """Does it show a valid token or, on a server without tokens, come from the machine itself?

        What a proxy passes on counts by the address it names; a header of one that is not trusted says that
        somebody else is behind it.
        """
        if self.tokens.required:
            return self.has_token(request)
        is_passed_on = hdrs.X_FORWARDED_FOR in request.headers and not self._is_from_proxy(request)
        return not is_passed_on and self.key(request) in LOOPBACK_KEYS

    def must_authenticate(self, request: web.Request) -> bool:
        """Must this socket show its token in its first message?

        A browser cannot send a header with a WebSocket, so a page is admitted without one; whoever sends
        a wrong one, or is no page, is refused here with 401.
        """
        if not self.tokens.required:
            return False
        is_page = hdrs.ORIGIN in request.headers and hdrs.AUTHORIZATION not in request.headers
        if not is_page:
            self.check_token(request)
        return is_page

    def check_rate(self, request: web.Request) -> None:
        """429 with Retry-After for an address that sends too many requests."""
        self._check(self.requests, self.rate_key(request), "too many requests")

    def rate_key(self, request: web.Request) -> str:
        """What this request's rate is counted by: its address, and the owner of its token if that is valid.

        So what others of the address send does not count for holders of a token.
        """
        owner = self._owner(request) if self.tokens.required else None
        return self.key(request) if owner is None else f"{self.key(request)} {owner}"

    def check_tokenless_rate(self, request: web.Request) -> None:
        """429 for an address that asks too often for data without showing a token."""
        self._check(self.requests, f"{self.key(request)} -", "too many requests")

    def check_failure(self, request: web.Request) -> None:
        """Count a refused handshake or a wrong token; 429 with Retry-After after too many of them."""
        sentence = "too many refused attempts from your address; a valid token is still taken"
        self._check(self.failures, self.key(request), sentence)

    def handshake_refusal(self, request: web.Request, error: web.HTTPException) -> web.HTTPException:
        """What a handshake that met `error` gets: that, or 429 for an address of which too many did."""
        if error.status not in _FAILURES:
            return error
        try:
            self.check_failure(request)
        except web.HTTPTooManyRequests as too_many:
            return too_many
        return error

    def _check(self, limiter: KeyedLimiter, key: str, sentence: str) -> None:
        wait_s = limiter.take(key)
        if wait_s > 0:
            seconds = str(math.ceil(wait_s))
            raise self.refusal(
                RefusalReason.RATE, web.HTTPTooManyRequests, sentence, {hdrs.RETRY_AFTER: seconds}
            )

    def pending_slot(self, request: web.Request) -> PendingSocket:
        """Be among the sockets that owe a token while its context is open; 503 with Retry-After if full."""
        try:
            return self.pending.slot(self.key(request))
        except PendingFullError:
            retry: Mapping[str, str] = {hdrs.RETRY_AFTER: str(PENDING_RETRY_AFTER_S)}
            sentence = "too many sockets have yet to show a token"
            raise self.refusal(
                RefusalReason.PENDING_FULL, web.HTTPServiceUnavailable, sentence, retry
            ) from None

    def connection_slot(self, request: web.Request) -> ConnectionSlot:
        """Hold a slot while its context is open; 503 or 429 with Retry-After if none is free."""
        try:
            return self.caps.slot(self.key(request))
        except CapReachedError as error:
            raise self._no_slot(error.cap) from None

    def _no_slot(self, cap: Cap) -> web.HTTPException:
        retry: Mapping[str, str] = {hdrs.RETRY_AFTER: str(FULL_RETRY_AFTER_S)}
        if cap == Cap.SERVER:
            return self.refusal(REASONS[cap], web.HTTPServiceUnavailable, "the server is full", retry)
        sentence = "too many connections from your address"
        return self.refusal(REASONS[cap], web.HTTPTooManyRequests, sentence, retry)

    def refusal(
        self,
        reason: RefusalReason,
        kind: type[web.HTTPException],
        sentence: str,
        headers: Mapping[str, str] | None = None,
    ) -> web.HTTPException:
        """Count a refusal; returns the error to raise."""
        self.count(reason)
        return error_response(kind, sentence, headers)

    def count(self, reason: RefusalReason) -> None:
        """Count a refusal that something else answers."""
        self._refused[reason] += 1

    def _owner(self, request: web.Request) -> str | None:
        return self.tokens.owner_of_header(request.headers.get(hdrs.AUTHORIZATION))

    def _scheme(self, request: web.Request) -> str | None:
        if request.secure:
            return "https"
        if self._is_from_proxy(request):
            forwarded = request.headers.get(hdrs.X_FORWARDED_PROTO, "").lower()
            return forwarded if forwarded in ("http", "https") else None
        return None

    def _is_from_proxy(self, request: web.Request) -> bool:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        return isinstance(peer, tuple) and self.addresses.trusts(peer[0])


def _naming(variable: str, make: Callable[[], _T]) -> _T:
    """What `make` makes; an error of it names the variable."""
    try:
        return make()
    except (BadHostError, BadOriginError, BadProxyError) as error:
        raise type(error)(f"{variable}: {error}") from None


ADMISSION = web.AppKey("admission", AdmissionPolicy)
