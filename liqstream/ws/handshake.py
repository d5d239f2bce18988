"""What makes a request a WebSocket handshake (RFC 6455 4.2.1): each thing that is missing, in a sentence.

aiohttp takes more than the RFC does, and refuses the rest by repeating the client's bytes as plain text.
"""

from __future__ import annotations

import base64
import binascii

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.web_request import BaseRequest

from liqstream.admission.refusal import error_response

VERSION = "13"

_KEY_BYTES = 16


def check_handshake(request: BaseRequest) -> None:
    """Raise the error that a request which is no handshake gets: 426 for another version, else 400."""
    problem = _problem(request)
    if problem is not None:
        raise error_response(web.HTTPBadRequest, problem)
    if request.headers.getall(hdrs.SEC_WEBSOCKET_VERSION, ()) != [VERSION]:
        raise error_response(
            web.HTTPUpgradeRequired,
            f"this server speaks version {VERSION} of WebSocket",
            {hdrs.SEC_WEBSOCKET_VERSION: VERSION, hdrs.UPGRADE: "websocket"},
        )
    if not _is_key(request.headers.getall(hdrs.SEC_WEBSOCKET_KEY, ())):
        raise error_response(
            web.HTTPBadRequest, f"{hdrs.SEC_WEBSOCKET_KEY} must be there once: {_KEY_BYTES} bytes in base64"
        )


def _problem(request: BaseRequest) -> str | None:
    headers = request.headers
    # RFC 9110 7.8: in HTTP/1.0 an Upgrade means nothing, since who sent it may not be the next hop.
    if request.version != HttpVersion11:
        return "a WebSocket needs HTTP/1.1; a proxy in between must speak it too (proxy_http_version 1.1)"
    if headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket" or not request._message.upgrade:
        return (
            "this path is a WebSocket: connect by ws:// or wss://; a proxy in between must pass on the "
            "headers Upgrade and Connection"
        )
    # Nobody says where it ends and the frames begin: a proxy and this server might think otherwise.
    if headers.get(hdrs.CONTENT_LENGTH, "0").strip() != "0" or hdrs.TRANSFER_ENCODING in headers:
        return "a WebSocket handshake has no body"
    return None


def _is_key(given: list[str] | tuple[str, ...]) -> bool:
    if len(given) != 1:
        return False
    try:
        return len(base64.b64decode(given[0].strip(), validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
