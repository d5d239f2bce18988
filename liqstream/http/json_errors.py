"""Errors that no handler made: an unknown path, a wrong method, a fault of ours, each a sentence in JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import HttpVersion11, hdrs, web

from liqstream.admission.refusal import error_body, error_response
from liqstream.store.errors import StoreError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PAGE_PATHS = ("/", "/coinglass", "/markets", "/docs")
_PAGE_FOLDERS = ("/static/", "/docs/")

_log = structlog.get_logger(__name__)


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give 404, 405 and 500 the form of every other error; the page's own routes keep plain text."""
    is_page = request.path in _PAGE_PATHS or request.path.startswith(_PAGE_FOLDERS)
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        if is_page:
            raise
        sentence = f"this method is not allowed here; use {allowed}"
        raise web.HTTPMethodNotAllowed(
            request.method, error.allowed_methods, text=error_body(sentence), content_type="application/json"
        ) from None
    except web.HTTPNotFound as error:
        if is_page or error.content_type == "application/json":
            raise
        sentence = "there is nothing at this path; /openapi.json lists what there is"
        raise error_response(web.HTTPNotFound, sentence) from None
    except web.HTTPException:
        raise
    except ConnectionError:
        raise
    except StoreError as error:
        _log.warning("request_not_served", path=request.path, reason=str(error))
        sentence = "what is stored cannot be read just now; /ready and the log say why"
        raise error_response(web.HTTPServiceUnavailable, sentence, {hdrs.RETRY_AFTER: "10"}) from None
    except Exception:  # noqa: BLE001  whatever it is, it is logged and answered
        _log.exception("request_failed", method=request.method, path=request.path)
        if is_page:
            raise web.HTTPInternalServerError from None
        raise error_response(
            web.HTTPInternalServerError, "the server met an error; its log has more"
        ) from None


def expect_in_json(app: web.Application) -> None:
    """Refuse what a request expects and no server has in the same form; called once `app` has its routes."""
    for route in app.router.routes():
        route._expect_handler = _expectation


async def _expectation(request: web.Request) -> None:
    """Any but `100-continue`, which aiohttp answers, gets 417."""
    if request.headers[hdrs.EXPECT].strip().lower() != "100-continue":
        raise error_response(web.HTTPExpectationFailed, "Expect can only be 100-continue, or left out")
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer proper has not begun
