"""`liqstream health`: is a server alive, or ready for clients? One line and an exit code, for checks."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

import click

from liqstream.client.env_proxy import env_proxy
from liqstream.client.errors import ClientError
from liqstream.client.url_mask import masked
from liqstream.client.urls import Addresses
from liqstream.settings.own_address import OwnAddress, own_address

_LONGEST_BODY_BYTES = 1_000_000
_LONGEST_ADDRESS = 200
"""Characters of one that somebody else names."""


class NotWellError(Exception):
    """The server is not what was asked for; the message is the one line to show."""


@dataclass(frozen=True, slots=True)
class _Question:
    url: str
    headers: dict[str, str]
    verify: bool
    """Whether the certificate must be right for the address."""
    socket_path: str = ""
    """The Unix socket to ask on instead of the address's host."""
    of_settings: bool = False
    """Whether the settings name the address: a misspelt one may be why nobody answers."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, host: str, *, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixHandler(HTTPHandler):
    """Opens http addresses on a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def http_open(self, request: Request) -> http.client.HTTPResponse:
        """Ask there."""
        return self.do_open(partial(_UnixConnection, self._path), request)


class _NoRedirects(HTTPRedirectHandler):
    """Goes nowhere else: urllib would take the token along to any host that is named."""

    def redirect_request(self, *_: Any) -> None:
        """No other request: the answer is an error of its status."""


@click.command()
@click.argument("url", required=False)
@click.option("--ready", is_flag=True, help="Ask whether it takes clients (/ready), not only if it lives.")
@click.option("--host", help="The host to ask (default: LIQSTREAM_HOST, or this machine).")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to ask (default: LIQSTREAM_PORT).")
@click.option("--token", envvar="LIQSTREAM_TOKEN", help="Bearer token (or LIQSTREAM_TOKEN).")
@click.option("--insecure", is_flag=True, help="Take any certificate of URL.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds."
)
def command(
    url: str | None,
    ready: bool,
    host: str | None,
    port: int | None,
    token: str | None,
    insecure: bool,
    timeout_s: float,
) -> None:
    """Ask whether the server at URL, or the one of these settings, is alive; exit code 1 if it is not.

    Without URL, --host and --port it is LIQSTREAM_URL, and without that the server of these settings: scheme,
    host and port, or LIQSTREAM_HEALTH_SOCKET, which is asked first. Its certificate may be of any name, since
    it is this machine that is asked. With --ready, a server
    without any map, or one that stops, is not ready.
    """
    path = "/ready" if ready else "/health"
    # An address of the environment is for a caller who names nothing of this machine's own.
    url = url or (os.environ.get("LIQSTREAM_URL") if host is None and port is None else None)
    try:
        asked = _named(url, path, verify=not insecure) if url else _own(path, host, port, insecure=insecure)
        if token:
            asked.headers["Authorization"] = f"Bearer {token}"
        click.echo(_sentence(asked.url, _answer(asked, timeout_s)))
    except (ClientError, NotWellError) as error:
        raise click.ClickException(str(error)) from None


def _named(url: str, path: str, *, verify: bool) -> _Question:
    return _Question(str(Addresses.of(url).resource(path)), {}, verify)


def _own(path: str, host: str | None, port: int | None, *, insecure: bool) -> _Question:
    """Where the server of these settings is to be asked: one that listens to all, on the loopback address."""
    settings = own_address() or _checked()
    if settings.health_socket and host is None and port is None:
        where = settings.health_socket
        return _Question(f"http://localhost{path}", {}, verify=False, socket_path=where, of_settings=True)
    verify = host is not None and not insecure
    host, port = host or settings.host, port or settings.port
    if port == 0:
        raise NotWellError("LIQSTREAM_PORT=0 takes any free port; name the one it took with --port")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    scheme = "https" if settings.tls_cert else "http"
    where = f"[{host}]" if ":" in host else host
    # A name that needs no entry in LIQSTREAM_HOSTS; an address needs none anyway.
    headers = {} if _is_address(host) or verify else {"Host": "localhost"}
    return _Question(f"{scheme}://{where}:{port}{path}", headers, verify, of_settings=True)


def _checked() -> OwnAddress:
    """By the whole table. Raises NotWellError for a wrong value, and for a name that is no setting."""
    from liqstream.settings.load import BadSettingError, load_settings

    try:
        settings = load_settings()
    except BadSettingError as error:
        raise NotWellError(str(error)) from None
    return OwnAddress(settings.host, settings.port, settings.tls_cert, settings.health_socket)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _answer(asked: _Question, timeout_s: float) -> dict[str, Any]:
    """The JSON the server answers with 200. Raises NotWellError."""
    request = Request(asked.url, headers=asked.headers)  # noqa: S310  http or https, by Addresses and _own
    try:
        with _opener(asked).open(request, timeout=timeout_s) as response:
            body = response.read(_LONGEST_BODY_BYTES)
    except HTTPError as error:
        with error:
            elsewhere = error.headers.get("Location")
            if elsewhere is not None:
                where = " ".join(urljoin(asked.url, elsewhere).split())[:_LONGEST_ADDRESS]
                raise NotWellError(f"{asked.url} sends to {masked(where)}: name that address") from None
            raise NotWellError(_refusal(asked.url, error.code, error.read(_LONGEST_BODY_BYTES))) from None
    except (URLError, OSError, http.client.HTTPException) as error:
        if asked.of_settings:
            _checked()
        reason = getattr(error, "reason", None) or error
        raise NotWellError(f"{asked.url} does not answer: {reason}") from None
    content = _object(body)
    if "status" not in content:
        raise NotWellError(f"{asked.url} answers, but is no liqstream server")
    return content


def _opener(asked: _Question) -> OpenerDirector:
    if asked.socket_path:
        return build_opener(ProxyHandler({}), _NoRedirects(), _UnixHandler(asked.socket_path))
    scheme, proxy = urlsplit(asked.url).scheme, env_proxy(asked.url)
    proxies = ProxyHandler({scheme: proxy} if proxy else {})
    return build_opener(
        proxies,
        _NoRedirects(),
        *([HTTPSHandler(context=_context(asked.verify))] if scheme == "https" else []),
    )


def _context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()  # reads every authority of this machine: only where it is needed
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _refusal(url: str, status: int, body: bytes) -> str:
    content = _object(body)
    reason = content.get("status") or content.get("error") or "no reason given"
    return f"{url} is not well (HTTP {status}): {reason}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _sentence(url: str, content: dict[str, Any]) -> str:
    """The status, and of a degraded server what it lacks."""
    symbols = content.get("symbols", {})
    stale = [f"{name} is stale" for name, symbol in symbols.items() if symbol.get("stale")]
    cut_off = [
        f"{name} is not connected" for name, feed in content.get("feeds", {}).items() if not feed["connected"]
    ]
    lacks = "; ".join([*stale, *cut_off]) if content["status"] == "degraded" else ""
    return f"{url}: {content['status']}" + (f": {lacks}" if lacks else "")
