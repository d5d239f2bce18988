"""Every error is a sentence, in JSON or on the page that was opened; an unknown path and a fault too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from aiohttp import HttpVersion11, hdrs, web

from liqstream.admission.refusal import JSON, error_body, error_page, error_response
from liqstream.store.errors import StoreError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PAGE_PATHS = ("/", "/coinglass", "/markets", "/docs")
_DOCS = "/docs/"
_LISTING = "/openapi.json"

_log = structlog.get_logger(__name__)


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the one form; where a person opens a page, that sentence as a page."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        refusal = _in_json(request, error)
    except ConnectionError:
        raise
    except StoreError as error:
        _log.warning("request_not_served", path=request.path, reason=str(error))
        sentence = "what is stored cannot be read just now; /ready and the log say why"
        refusal = error_response(web.HTTPServiceUnavailable, sentence, {hdrs.RETRY_AFTER: "10"})
    except Exception:  # noqa: BLE001  whatever it is, it is logged and answered
        _log.exception("request_failed", method=request.method, path=request.path)
        refusal = error_response(web.HTTPInternalServerError, "the server met an error; its log has more")
    if _opens_a_page(request):
        return error_page(refusal)
    raise refusal from None


def _in_json(request: web.Request, error: web.HTTPException) -> web.HTTPException:
    """The same error, whose sentence is ours if it had aiohttp's."""
    if error.content_type == JSON:
        return error
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = error.allowed_methods
        sentence = f"this method is not allowed here; use {', '.join(sorted(allowed))}"
        return web.HTTPMethodNotAllowed(request.method, allowed, text=error_body(sentence), content_type=JSON)
    if isinstance(error, web.HTTPNotFound):
        return error_response(
            web.HTTPNotFound, f"there is nothing at this path; {_what_there_is(request.app)}"
        )
    error.text, error.content_type = error_body(error.reason), JSON
    return error


def _what_there_is(app: web.Application) -> str:
    paths = sorted(resource.canonical for resource in app.router.resources())
    return f"{_LISTING} lists what there is" if _LISTING in paths else f"there are {', '.join(paths)}"


def _opens_a_page(request: web.Request) -> bool:
    is_page = request.path in _PAGE_PATHS or request.path.startswith(_DOCS)
    return is_page and request.method in (hdrs.METH_GET, hdrs.METH_HEAD)


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
