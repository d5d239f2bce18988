"""The HTTP session of one feed, for REST and sockets alike: through a proxy, never following a redirect.

A redirect is an error that names its target's host: whoever could send one could send our requests anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import SimpleNamespace

import aiohttp
from yarl import URL

from liqstream.client.env_proxy import env_proxy

SIMULATED_HEADER = "X-Liqstream-Simulated"
_BODY_BYTES = 4096

refused_body: ContextVar[str] = ContextVar("refused_body", default="")
"""What came instead of a socket in this task's last handshake; aiohttp's own error leaves it out."""


class RedirectError(aiohttp.ClientError):
    """A redirect, which is not followed; the host it leads to is named."""


def make_session(
    *,
    trace_configs: Sequence[aiohttp.TraceConfig] = (),
    on_simulated: Callable[[str], None] = lambda _: None,
) -> aiohttp.ClientSession:
    """A session whose requests each name their proxy (`proxy_of`).

    `on_simulated` is called for every response that is marked as a simulated exchange's, with the mark.
    """

    async def refuse_redirect(
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        params: aiohttp.TraceRequestRedirectParams,
    ) -> None:
        target = params.response.headers.get("Location", "")
        host = URL(target).host or "the same host"
        raise RedirectError(f"HTTP {params.response.status}: redirects to {host}, which is not followed")

    async def look_at(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        if SIMULATED_HEADER in params.response.headers:
            on_simulated(params.response.headers[SIMULATED_HEADER])
        if "Sec-WebSocket-Key" in params.headers and params.response.status != 101:
            body = await params.response.content.read(_BODY_BYTES)
            refused_body.set(body.decode("utf-8", "replace"))

    ours = aiohttp.TraceConfig()
    ours.on_request_redirect.append(refuse_redirect)
    ours.on_request_end.append(look_at)
    return aiohttp.ClientSession(trace_configs=[ours, *trace_configs])


def proxy_of(url: str, setting: str) -> str | None:
    """The proxy a URL is asked through: the one that is set, else the environment's, None for none.

    The one that is set is asked for every address, also for those NO_PROXY names.
    """
    return setting or env_proxy(url)


def host_of(url: str | None) -> str:
    """The host and port of a URL, without credentials; "" for None."""
    found = URL(url or "")
    return f"{found.host}:{found.port}" if found.host else ""
